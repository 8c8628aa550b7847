//! Runs the case files: the same lines on Onefill and on a real redis-server, replies compared.
//!
//! Owns: the case file's format, a case's state (connections, saved texts), the verdict. Does not know: how lines
//! are written (`script`) or when replies are the same (`compare`).
//! Invariant: every case begins with empty databases and fresh connections on both sides.

use crate::compare;
use crate::peer::Peer;
use crate::report;
use crate::script::{self, Action, Compare, Line};
use crate::wire::{self, Connection, Reply};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

const UNTIL_NULL_WAIT: Duration = Duration::from_secs(5);
const SHOWN_BYTES_MAX: usize = 400;

/// One case file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
}

/// One case: lines that belong together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub script: Vec<String>,
    /// What Onefill must answer, line by line, where the reference is too old or is meant to differ.
    pub expect: Option<Vec<String>>,
    /// The Redis version that the lines need.
    pub since: Option<String>,
    /// Why Onefill differs on purpose; the sentence must stand in docs/differences.md.
    pub differs: Option<String>,
    /// `2` or `3` where the lines make sense in one protocol only.
    pub resp: Option<u8>,
}

/// Reads one case file.
///
/// # Panics
/// When the file is missing or malformed.
pub fn load(group: &str) -> CaseFile {
    let path = folder().join(format!("{group}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where the case files are.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("redis-compat/cases")
}

/// Runs a whole file against both servers.
///
/// # Panics
/// After the last case, when any of them failed; the message names each case, line and both replies.
pub fn run_group(group: &str) {
    let file = load(group);
    let (reference, ours) = (Peer::redis(), Peer::onefill());
    let version = reference.version();
    let mut tally = Tally::default();
    for case in &file.cases {
        tally.cases += 1;
        for failure in judge_case(case, &reference, &ours, version, &mut tally.replies) {
            tally.failures.push(format!("{group} / {}: {failure}", case.name));
        }
        tally.differences += usize::from(case.differs.is_some());
    }
    report::line(&format!("redis-compat {group}: {tally}"));
    assert!(tally.failures.is_empty(), "\n{}\n{tally}", tally.failures.join("\n"));
}

#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    replies: usize,
    differences: usize,
    failures: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cases, replies, differences, failures } = self;
        write!(
            f,
            "{cases} cases, {replies} replies compared, {differences} deliberate differences, {} failed",
            failures.len()
        )
    }
}

/// Runs one case in each of its protocols and returns what is wrong.
fn judge_case(
    case: &Case,
    reference: &Peer,
    ours: &Peer,
    version: (u32, u32),
    replies: &mut usize,
) -> Vec<String> {
    let lines = match parse_case(case) {
        Ok(lines) => lines,
        Err(error) => return vec![error],
    };
    let too_new = case.since.as_deref().map(parse_version).is_some_and(|since| since > version);
    let mut failures = Vec::new();
    let mut differed = false;
    for protocol in [2, 3] {
        if case.resp.is_some_and(|only| only != protocol) {
            continue;
        }
        let results = run_case(&lines, reference, ours, protocol);
        *replies += results.len();
        let unequal: Vec<_> = results.iter().filter(|result| !result.is_same()).collect();
        differed |= !unequal.is_empty();
        if !too_new && case.differs.is_none() {
            failures.extend(unequal.iter().map(|result| format!("RESP{protocol}, {result}")));
        }
        failures.extend(results.iter().filter_map(|result| result.broken.clone()));
        failures.extend(case.expect.iter().flat_map(|expect| unexpected(expect, &results, protocol)));
    }
    if let Some(why) = &case.differs {
        failures.extend(judge_difference(why, differed, &differences_page()));
    }
    failures
}

fn parse_case(case: &Case) -> Result<Vec<(String, Line)>, String> {
    if case.since.is_some() && case.expect.is_none() {
        return Err("a case with `since` needs `expect`, for references that are older".to_owned());
    }
    if case.expect.as_ref().is_some_and(|expect| expect.len() != case.script.len()) {
        return Err("`expect` needs one entry for each line of `script`".to_owned());
    }
    case.script.iter().map(|text| Ok((text.clone(), script::parse_line(text)?))).collect()
}

fn unexpected(expect: &[String], results: &[LineResult], protocol: u8) -> Vec<String> {
    let wrong = |(expected, result): (&String, &LineResult)| {
        let fits = match &result.ours {
            Answer::Reply(reply) => compare::matches_text(expected, reply, protocol),
            other => other.to_string() == *expected || expected == "*",
        };
        (!fits).then(|| {
            format!(
                "RESP{protocol}, line `{}`\n    expected: {expected}\n    onefill:  {}",
                result.line, result.ours
            )
        })
    };
    expect.iter().zip(results).filter_map(wrong).collect()
}

fn judge_difference(why: &str, differed: bool, page: &str) -> Option<String> {
    if !differed {
        return Some(format!("is marked as different ({why}), but every reply is the same: remove the mark"));
    }
    // The page wraps its lines, so blanks are compared as one.
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!joined(page).contains(&joined(why))).then(|| format!("docs/differences.md does not say: {why}"))
}

fn differences_page() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/differences.md");
    // Without the page every reason is missing from it, which is what the case then says.
    std::fs::read_to_string(path).unwrap_or_default()
}

fn parse_version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// What a server did with one line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Reply(Reply),
    /// Nothing was to be read.
    Silent,
    Closed,
    Failed(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(reply) => write!(f, "{reply}"),
            Self::Silent => f.write_str("(nothing)"),
            Self::Closed => f.write_str("(closed)"),
            Self::Failed(why) => write!(f, "(failed: {why})"),
        }
    }
}

/// One line's two answers.
#[derive(Debug)]
struct LineResult {
    line: String,
    compare: Compare,
    reference: Answer,
    ours: Answer,
    /// Set when the second decoder refuses our bytes.
    broken: Option<String>,
}

impl LineResult {
    fn is_same(&self) -> bool {
        match (&self.reference, &self.ours) {
            (Answer::Reply(reference), Answer::Reply(ours)) => compare::same(reference, ours, self.compare),
            (Answer::Failed(_), _) | (_, Answer::Failed(_)) => false,
            (reference, ours) => reference == ours,
        }
    }
}

impl fmt::Display for LineResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (redis, onefill) = (shortened(&self.reference), shortened(&self.ours));
        write!(f, "line `{}`\n    redis:    {redis}\n    onefill:  {onefill}", self.line)
    }
}

fn shortened(answer: &Answer) -> String {
    let text = answer.to_string();
    let Some((end, _)) = text.char_indices().nth(SHOWN_BYTES_MAX) else {
        return text;
    };
    format!("{}… ({} characters)", &text[..end], text.len())
}

fn run_case(lines: &[(String, Line)], reference: &Peer, ours: &Peer, protocol: u8) -> Vec<LineResult> {
    let mut sides = [Side::begin(reference, protocol), Side::begin(ours, protocol)];
    let run_line = |(text, line): &(String, Line)| {
        let [redis, onefill] = &mut sides;
        let (reference, _) = redis.run(line);
        let (ours, broken) = onefill.run(line);
        LineResult { line: text.clone(), compare: line.compare, reference, ours, broken }
    };
    lines.iter().map(run_line).collect()
}

/// One server's half of a running case.
struct Side<'p> {
    peer: &'p Peer,
    protocol: u8,
    connections: HashMap<usize, Connection>,
    saved: HashMap<String, String>,
}

impl<'p> Side<'p> {
    fn begin(peer: &'p Peer, protocol: u8) -> Self {
        let emptied = peer.call(&["FLUSHALL"]);
        let clean = emptied == Reply::Simple(b"OK".to_vec());
        assert!(
            clean,
            "FLUSHALL before a case on {}: {emptied} (did the case before it leave a setting?)",
            peer.name
        );
        Self { peer, protocol, connections: HashMap::new(), saved: HashMap::new() }
    }

    /// Runs one line; the second value says what the second decoder has against the reply.
    fn run(&mut self, line: &Line) -> (Answer, Option<String>) {
        match self.try_run(line) {
            Ok((answer, raw)) => {
                if let (Some(name), Answer::Reply(reply)) = (&line.save, &answer) {
                    let (name, field) = name.split_once(':').unwrap_or((name, ""));
                    self.saved.insert(name.to_owned(), part_of(&plain_text(reply), field));
                }
                let broken = self.second_opinion(&answer, &raw);
                (answer, broken)
            }
            Err(error) => {
                self.connections.remove(&line.connection);
                (Answer::Failed(error), None)
            }
        }
    }

    /// A HELLO or RESET inside a case changes the protocol, so a reply is fine when it is fine in either.
    fn second_opinion(&self, answer: &Answer, raw: &[u8]) -> Option<String> {
        let judged = matches!(answer, Answer::Reply(_)) && self.peer.name == "onefill" && !raw.is_empty();
        let verdicts = judged.then(|| (wire::second_opinion(2, raw), wire::second_opinion(3, raw)));
        match verdicts {
            Some((Err(two), Err(three))) => {
                let shown = raw[..raw.len().min(SHOWN_BYTES_MAX)].escape_ascii();
                Some(format!("as RESP2, {two}; as RESP3, {three}: {shown}"))
            }
            _ => None,
        }
    }

    fn try_run(&mut self, line: &Line) -> Result<(Answer, Vec<u8>), String> {
        let words: Result<Vec<_>, _> =
            line.words.iter().map(|word| script::expand(word, &self.saved)).collect();
        let words = words?;
        let connection = self.connection(line.connection)?;
        let answered = match line.action {
            Action::Quiet => connection.send(&words).map(|()| (Answer::Silent, Vec::new())),
            Action::Closed if connection.is_closed_by_server() => Ok((Answer::Closed, Vec::new())),
            Action::Closed => return Err("the connection is still open".to_owned()),
            Action::Read => connection.read().map(|(reply, raw)| (Answer::Reply(reply), raw)),
            Action::Raw => connection.send_raw(&words.concat()).and_then(|()| connection.read()).map(replied),
            Action::Call => connection.send(&words).and_then(|()| connection.read()).map(replied),
            Action::UntilNull => return until_null(connection, &words),
            Action::ScanAll => return scan_all(connection, &words),
        };
        answered.map_err(|error| error.to_string())
    }

    fn connection(&mut self, number: usize) -> Result<&mut Connection, String> {
        if !self.connections.contains_key(&number) {
            let mut connection = Connection::open(self.peer.address).map_err(|error| error.to_string())?;
            if self.protocol == 3 {
                connection.call(&["HELLO", "3"]).map_err(|error| error.to_string())?;
            }
            self.connections.insert(number, connection);
        }
        self.connections.get_mut(&number).ok_or_else(|| "no connection".to_owned())
    }
}

fn replied((reply, raw): (Reply, Vec<u8>)) -> (Answer, Vec<u8>) {
    (Answer::Reply(reply), raw)
}

fn plain_text(reply: &Reply) -> String {
    match (reply, reply.text()) {
        (Reply::Int(number), _) => number.to_string(),
        (_, Some(text)) => String::from_utf8_lossy(text).into_owned(),
        (other, None) => other.to_string(),
    }
}

/// The value of `field=…` in a text like CLIENT INFO's, or the whole text without a field.
fn part_of(text: &str, field: &str) -> String {
    let mut fields = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    let found = fields.find(|(name, _)| *name == field).map(|(_, value)| value);
    found.unwrap_or(text).to_owned()
}

/// Asks again until the reply is a null. The case gives the key a time to live of some milliseconds.
fn until_null(connection: &mut Connection, words: &[Vec<u8>]) -> Result<(Answer, Vec<u8>), String> {
    let started = Instant::now();
    loop {
        connection.send(words).map_err(|error| error.to_string())?;
        let (reply, raw) = connection.read().map_err(|error| error.to_string())?;
        if reply.is_null() || started.elapsed() > UNTIL_NULL_WAIT {
            return Ok((Answer::Reply(reply), raw));
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn scan_all(connection: &mut Connection, words: &[Vec<u8>]) -> Result<(Answer, Vec<u8>), String> {
    let mut seen = BTreeSet::new();
    let mut cursor = b"0".to_vec();
    loop {
        // HSCAN and SSCAN have their key before the cursor.
        let (name, options) = words.split_at(if words[0].eq_ignore_ascii_case(b"SCAN") { 1 } else { 2 });
        let command = [name, &[cursor], options].concat();
        let reply = connection.call(&command).map_err(|error| error.to_string())?;
        let Reply::Array(parts) = &reply else {
            return Ok((Answer::Reply(reply), Vec::new()));
        };
        let [Reply::Bulk(next), Reply::Array(keys)] = parts.as_slice() else {
            return Err(format!("a scan answered {reply}"));
        };
        seen.extend(keys.iter().map(plain_text));
        if next == b"0" {
            let keys = seen.into_iter().map(|key| Reply::Bulk(key.into_bytes())).collect();
            // The collected list never was on the wire, so there are no bytes to judge.
            return Ok((Answer::Reply(Reply::Array(keys)), Vec::new()));
        }
        cursor = next.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Case, LineResult, judge_difference, parse_case};
    use crate::script::Compare;
    use crate::wire::Reply;

    fn case(script: &[&str], expect: Option<&[&str]>, since: Option<&str>) -> Case {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        Case {
            name: "a case".to_owned(),
            script: owned(script),
            expect: expect.map(owned),
            since: since.map(str::to_owned),
            differs: None,
            resp: None,
        }
    }

    #[test]
    fn difference_that_is_none_or_is_not_documented_fails() {
        let page = "- CLIENT LIST has\n  no fd field";
        assert_eq!(judge_difference("CLIENT LIST has no fd field", true, page), None);
        assert!(judge_difference("CLIENT LIST has no fd field", false, page).is_some());
        assert!(judge_difference("another reason", true, page).is_some());
    }

    #[test]
    fn failed_answers_are_never_the_same() {
        let failed = || Answer::Failed("closed".to_owned());
        let result = |reference, ours| LineResult {
            line: String::new(),
            compare: Compare::Exact,
            reference,
            ours,
            broken: None,
        };
        assert!(!result(failed(), failed()).is_same());
        assert!(!result(Answer::Reply(Reply::Int(1)), failed()).is_same());
        assert!(!result(Answer::Reply(Reply::Int(1)), Answer::Closed).is_same());
        assert!(result(Answer::Closed, Answer::Closed).is_same());
    }

    #[test]
    fn case_for_a_newer_redis_needs_an_expectation_for_each_line() {
        assert!(parse_case(&case(&["PING"], None, Some("7.2"))).is_err());
        assert!(parse_case(&case(&["PING", "PING"], Some(&["+PONG"]), Some("7.2"))).is_err());
        assert!(parse_case(&case(&["PING"], Some(&["+PONG"]), Some("7.2"))).is_ok());
    }
}
