//! Requests of the traffic: what is asked, how it looks on the wire, and how its reply is read.

use super::record::{Op, Said, Seen, With};
use super::support::Value;
use super::support::conn::request;

/// One call: ops on keys, its bytes, and the shape of its reply.
#[derive(Debug)]
pub struct Request {
    pub ops: Vec<(u32, Op)>,
    pub frame: Vec<u8>,
    pub shape: Shape,
}

/// How a reply tells of the ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One op, one reply.
    One,
    /// One reply for all ops.
    Whole,
    /// An array with a reply for each op.
    Each,
    /// As `Each`, behind the replies of MULTI and of each queued command.
    Transaction,
}

pub fn name(key: u32) -> String {
    format!("k{key}")
}

/// A value's text: its key and number, then filling.
pub fn text(key: u32, value: u64, bytes: usize) -> Vec<u8> {
    let mut text = format!("{key}.{value}.").into_bytes();
    text.resize(text.len().max(bytes), b'.');
    text
}

fn read_text(text: &[u8]) -> Option<Seen> {
    let mut parts = text.split(|byte| *byte == b'.');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok();
    Some(Seen { key: u32::try_from(number()?).ok()?, value: number()? })
}

/// The words of one op as a command of its own. `px`: for what fades.
pub fn words(key: u32, op: &Op, bytes: usize, px: (u64, u64)) -> Vec<Vec<u8>> {
    let (ttl, grace) = (px.0.to_string(), px.1.to_string());
    let name = name(key);
    let texts = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    match op {
        Op::Get { wait_ms: 0 } => texts(&["FILL.GET", &name, "NOWAIT", "LEASE", &ttl]),
        Op::Get { wait_ms } => texts(&["FILL.GET", &name, "WAIT", &wait_ms.to_string(), "LEASE", &ttl]),
        Op::Answer { token, with: With::Put { value, fades } } => {
            let mut words = texts(&["FILL.PUT", &name, token]);
            words.push(text(key, *value, bytes));
            if *fades {
                words.extend(texts(&["PX", &ttl, "GRACE", &grace]));
            } else {
                words.extend(texts(&["GRACE", &grace]));
            }
            words
        }
        Op::Answer { token, with: With::None } => texts(&["FILL.NONE", &name, token, "PX", &ttl]),
        Op::Answer { token, with: With::Pass } => texts(&["FILL.PASS", &name, token, "PX", &ttl]),
        Op::Answer { token, with: With::Fail } if px.1 == 0 => texts(&["FILL.FAIL", &name, token]),
        Op::Answer { token, with: With::Fail } => {
            texts(&["FILL.FAIL", &name, token, "failed", "RETRY", &grace])
        }
        Op::Renew { token } => texts(&["FILL.RENEW", &name, token]),
        Op::Write { value, fades } => {
            let mut words = texts(&["SET", &name]);
            words.push(text(key, *value, bytes));
            if *fades {
                words.extend(texts(&["PX", &ttl]));
            }
            words
        }
        Op::Delete => texts(&["DEL", &name]),
        Op::Soften => texts(&["FILL.STALE", &name, "GRACE", &px.0.to_string()]),
        Op::Read => texts(&["GET", &name]),
    }
}

/// Several commands between MULTI and EXEC, sent in one go.
pub fn transaction(commands: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let frames = commands.iter().map(|words| request(words));
    [request(&["MULTI"]), frames.collect::<Vec<_>>().concat(), request(&["EXEC"])].concat()
}

impl Request {
    /// Replies that come before the one that tells.
    pub fn replies_ahead(&self) -> usize {
        if self.shape == Shape::Transaction { self.ops.len() + 1 } else { 0 }
    }

    /// What the reply says to each op.
    pub fn said(&self, reply: &Value) -> Vec<Said> {
        match (self.shape, reply) {
            (_, Value::Error(text)) => vec![Said::Refused(text.clone()); self.ops.len()],
            (Shape::One, reply) => vec![said(&self.ops[0].1, reply)],
            (Shape::Whole, _) => vec![Said::Done; self.ops.len()],
            (Shape::Each | Shape::Transaction, reply) => {
                let replies = reply.array();
                assert_eq!(replies.len(), self.ops.len(), "one reply for each op: {reply:?}");
                self.ops.iter().zip(replies).map(|((_, op), reply)| said(op, reply)).collect()
            }
        }
    }
}

fn said(op: &Op, reply: &Value) -> Said {
    match (op, reply) {
        (_, Value::Error(text)) => Said::Refused(text.clone()),
        (Op::Get { .. }, reply) => told(reply),
        (Op::Answer { .. }, reply) => match reply.text().as_str() {
            "OK" => Said::Stored,
            "DUP" => Said::Dup,
            "VOID" => Said::Void,
            other => panic!("no answer to a token: {other}"),
        },
        (Op::Renew { .. }, reply) => Said::Left(reply.int()),
        (Op::Read, Value::Nil) => Said::Absent,
        (Op::Read, Value::Bulk(text)) => Said::Value(must_read(text)),
        (Op::Read, other) => panic!("no reply to GET: {other:?}"),
        (Op::Write { .. } | Op::Delete | Op::Soften, _) => Said::Done,
    }
}

fn told(reply: &Value) -> Said {
    let answer = super::support::Answer::of(reply);
    let value = answer.value.filter(|_| answer.status != "FAIL");
    Said::Told {
        status: answer.status,
        value: value.as_deref().map(must_read),
        token: answer.token,
        ms: answer.ms,
    }
}

fn must_read(text: &[u8]) -> Seen {
    read_text(text).unwrap_or_else(|| panic!("not a value of this run: {}", text.escape_ascii()))
}
