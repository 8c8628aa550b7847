//! docs/fill-stories.md is run: each session of the page against a server whose clock stands still.
//!
//! A session's lines: `A> command` sends on connection A; `A: reply` is the next reply of A; `A: (waits)` means that A
//! is parked; `(250 ms)` lets time pass; `(A closes)` closes a connection. Tokens are `<token 1>` … in the order in
//! which they appear. The diagram behind a session is made from it: `UPDATE_DOCS=1 cargo test --test fill`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use crate::support::{Conn, TestServer, Value, wait_until};

const STORIES: usize = 8;
const SESSION: &str = "```text\n";
const DIAGRAM: &str = "```mermaid\n";
const END: &str = "```\n";

fn page_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/fill-stories.md")
}

/// One line of a session.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    Send(&'a str, &'a str),
    Reply(&'a str, &'a str),
    Waits(&'a str),
    Pass(u64),
    Close(&'a str),
}

impl Step<'_> {
    fn of(line: &str) -> Step<'_> {
        if let Some(what) = line.strip_prefix('(').and_then(|line| line.strip_suffix(')')) {
            return match what.strip_suffix(" ms") {
                Some(ms) => Step::Pass(ms.parse().expect("milliseconds")),
                None => Step::Close(what.strip_suffix(" closes").expect("a time or an end")),
            };
        }
        match (line.split_once("> "), line.split_once(": ")) {
            (Some((name, command)), _) if name.len() == 1 => Step::Send(name, command),
            (_, Some((name, "(waits)"))) => Step::Waits(name),
            (_, Some((name, reply))) => Step::Reply(name, reply),
            _ => panic!("no line of a session: {line}"),
        }
    }
}

/// The sessions of a page, each with the diagram behind it.
fn sessions(page: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for part in page.split(SESSION).skip(1) {
        let (session, rest) = part.split_once(END).expect("a session ends");
        let diagram = rest.trim_start().strip_prefix(DIAGRAM).and_then(|rest| rest.split_once(END));
        found.push((session, diagram.expect("a diagram follows").0));
    }
    found
}

/// A server and what a session needs to remember.
struct Stage {
    server: TestServer,
    conns: BTreeMap<String, Conn>,
    tokens: Vec<String>,
    /// For each connection the key it last asked for, and how many waited for it before.
    asked: BTreeMap<String, (String, u64)>,
}

impl Stage {
    fn play(session: &str) {
        let (server, tokens) = (TestServer::start(), Vec::new());
        let mut stage = Stage { server, conns: BTreeMap::new(), tokens, asked: BTreeMap::new() };
        for line in session.lines() {
            match Step::of(line) {
                Step::Send(name, command) => stage.send(name, command),
                Step::Reply(name, expected) => {
                    let reply = stage.conns.get_mut(name).expect("a connection that asked").reply();
                    assert_eq!(stage.shown(&reply), expected, "at `{line}` in:\n{session}");
                }
                Step::Waits(name) => {
                    let (key, before) = &stage.asked[name];
                    stage.server.until_waiters(key, before + 1);
                }
                Step::Pass(ms) => stage.server.advance_ms(ms),
                Step::Close(name) => stage.close(name),
            }
        }
        stage.conns.values_mut().for_each(Conn::expect_nothing_more);
    }

    fn send(&mut self, name: &str, command: &str) {
        let key = command.split_ascii_whitespace().nth(1).unwrap_or_default().to_owned();
        let before = self.server.waiters(&key);
        self.asked.insert(name.to_owned(), (key, before));
        let mut command = command.to_owned();
        for (at, token) in self.tokens.iter().enumerate() {
            command = command.replace(&format!("<token {}>", at + 1), token);
        }
        let conn = self.conns.entry(name.to_owned()).or_insert_with(|| self.server.connect());
        conn.pipeline(&[command]);
    }

    /// Closes a leader's connection and waits until the server has heard of it.
    fn close(&mut self, name: &str) {
        let (key, _) = self.asked[name].clone();
        let lease_left_ms = || self.server.flight(&key).map_or(0, |flight| flight.number("lease-left-ms"));
        let before = lease_left_ms();
        drop(self.conns.remove(name));
        wait_until("the lease is shortened", || lease_left_ms() < before);
    }

    /// A reply as the page shows it.
    fn shown(&mut self, reply: &Value) -> String {
        match reply {
            Value::Array(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.shown(part)).collect();
                format!("[{}]", parts.join(", "))
            }
            Value::Bulk(bytes) if is_token(bytes) => {
                let token = String::from_utf8_lossy(bytes).into_owned();
                let known = self.tokens.iter().position(|other| *other == token);
                let number = known.unwrap_or_else(|| {
                    self.tokens.push(token);
                    self.tokens.len() - 1
                });
                format!("<token {}>", number + 1)
            }
            Value::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
            other => other.text(),
        }
    }
}

/// Two numbers of 16 hexadecimal digits.
fn is_token(bytes: &[u8]) -> bool {
    bytes.len() == 33
        && bytes[16] == b'-'
        && bytes.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
}

/// The session as a sequence diagram.
fn diagram(session: &str) -> String {
    let mut text = String::from("sequenceDiagram\n");
    let steps: Vec<Step<'_>> = session.lines().map(Step::of).collect();
    let mut names = Vec::new();
    for step in &steps {
        if let Step::Send(name, _) = step
            && !names.contains(name)
        {
            names.push(name);
        }
    }
    names.iter().for_each(|name| writeln!(text, "    participant {name}").expect("a string takes all"));
    text.push_str("    participant O as Onefill\n");
    // Angle brackets would be tags to those who draw it.
    let plain = |words: &str| words.replace(['<', '>'], "");
    for step in &steps {
        let line = match step {
            Step::Send(name, command) => format!("{name}->>O: {}", plain(command)),
            Step::Reply(name, reply) => format!("O-->>{name}: {}", plain(reply)),
            Step::Waits(name) => format!("Note over {name}: waits"),
            Step::Pass(ms) => format!("Note over {},O: {ms} ms pass", names[0]),
            Step::Close(name) => format!("Note over {name}: closes"),
        };
        writeln!(text, "    {line}").expect("a string takes all");
    }
    text
}

#[test]
fn sessions_of_the_page_happen_as_they_are_written() {
    let page = std::fs::read_to_string(page_path()).expect("the page is there");
    let sessions = sessions(&page);
    assert_eq!(sessions.len(), STORIES);
    sessions.iter().for_each(|(session, _)| Stage::play(session));
}

#[test]
fn diagrams_show_their_sessions() {
    let page = std::fs::read_to_string(page_path()).expect("the page is there");
    let mut rendered = page.clone();
    for (session, drawn) in sessions(&page) {
        let (old, new) = (format!("{DIAGRAM}{drawn}{END}"), format!("{DIAGRAM}{}{END}", diagram(session)));
        let begin = rendered.find(session).expect("the session is there");
        rendered = rendered[..begin].to_owned() + &rendered[begin..].replacen(&old, &new, 1);
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(page_path(), &rendered).expect("the page can be written");
    }
    let committed = std::fs::read_to_string(page_path()).expect("the page is there");
    assert!(committed == rendered, "stale diagrams: run UPDATE_DOCS=1 cargo test --test fill");
}

#[test]
#[should_panic(expected = "at `A: [LEAD, nil, <token 1>, 4999]`")]
fn a_page_that_lies_is_found() {
    Stage::play("A> FILL.GET k\nA: [LEAD, nil, <token 1>, 4999]\n");
}
