//! The language of one line in a case file: marks, a connection, a command in redis-cli's quoting.
//!
//! Owns: the line's grammar. Does not know: connections, servers, comparison.
//! Invariant: a word that starts with `~`, `@` or `%` before the command is a mark this file knows, or the line is
//! refused. README.md of this folder describes the language for writers of cases.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// How the replies of the two servers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compare {
    /// Same bytes.
    #[default]
    Exact,
    /// Same elements in any order, at every level.
    Sorted,
    /// Same types and lengths of arrays, whatever the values.
    Shape,
    /// Like `Shape`, but the keys of a map, or of a flat list of pairs, must be the same in the same order.
    Keys,
    /// Text made of `name=value` or `name:value` fields: the reference's names must all be there, in its order.
    Fields,
    /// Integers, also inside arrays, may be that far apart.
    Near(i64),
}

/// What a line does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the words as a command and read a reply.
    Call,
    /// Send the words, joined as they are, as raw bytes and read a reply.
    Raw,
    /// Send the command and read nothing: the next reply on this connection belongs to a later line.
    Quiet,
    /// Read one more reply (a push, or an answer that was held back).
    Read,
    /// The server must have closed this connection.
    Closed,
    /// Repeat the command until its reply is a null, for 5 s at most.
    UntilNull,
    /// Follow a SCAN from cursor 0 to its end and collect what it returned, as a sorted list without doubles.
    ScanAll,
}

/// One parsed line.
#[derive(Clone, Debug)]
pub struct Line {
    pub connection: usize,
    pub compare: Compare,
    pub action: Action,
    /// The name to keep the reply under, perhaps with `:field`.
    pub save: Option<String>,
    pub words: Vec<Vec<u8>>,
}

/// Parses one line of a script.
pub fn parse_line(text: &str) -> Result<Line, String> {
    let mut line =
        Line { connection: 1, compare: Compare::Exact, action: Action::Call, save: None, words: Vec::new() };
    let mut rest = text.trim_start();
    while rest.starts_with(['~', '@', '%']) {
        let end = rest.find(' ').unwrap_or(rest.len());
        apply_mark(&mut line, &rest[..end])?;
        rest = rest[end..].trim_start();
    }
    line.words = split_words(rest)?;
    let wordless = matches!(line.action, Action::Closed | Action::Read);
    if line.words.is_empty() != wordless {
        return Err(format!("line {text:?}: a command is missing, or stands where none can be"));
    }
    Ok(line)
}

fn apply_mark(line: &mut Line, mark: &str) -> Result<(), String> {
    let (name, value) = mark.split_once('=').unwrap_or((mark, ""));
    match name {
        "~sort" => line.compare = Compare::Sorted,
        "~shape" => line.compare = Compare::Shape,
        "~keys" => line.compare = Compare::Keys,
        "~fields" => line.compare = Compare::Fields,
        "~near" => {
            line.compare = Compare::Near(value.parse().map_err(|_| format!("bad number in {mark:?}"))?)
        }
        // What is saved is what differs from server to server.
        "~save" => (line.save, line.compare) = (Some(value.to_owned()), Compare::Shape),
        "%raw" => line.action = Action::Raw,
        "%quiet" => line.action = Action::Quiet,
        "%read" => line.action = Action::Read,
        "%closed" => line.action = Action::Closed,
        "%until-null" => line.action = Action::UntilNull,
        "%scan" => line.action = Action::ScanAll,
        _ => match name.strip_prefix('@').map(str::parse) {
            Some(Ok(number @ 1..=9)) => line.connection = number,
            _ => return Err(format!("unknown mark {mark:?}")),
        },
    }
    Ok(())
}

/// Splits a command as redis-cli does: blanks separate, `"…"` with `\n \r \t \b \a \xHH \\ \"`, `'…'` with `\'`.
pub fn split_words(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(words);
        }
        let (word, after) = next_word(rest).ok_or_else(|| format!("unbalanced quotes in {text:?}"))?;
        words.push(word);
        rest = after;
    }
}

fn next_word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match rest.split_first() {
            None => return Some((word, rest)),
            Some((b, after)) if b.is_ascii_whitespace() => return Some((word, after)),
            Some((quote @ (b'"' | b'\''), after)) => {
                let (inside, after) = quoted(*quote, after)?;
                word.extend(inside);
                if after.first().is_some_and(|next| !next.is_ascii_whitespace()) {
                    return None;
                }
                rest = after;
            }
            Some((b, after)) => {
                word.push(*b);
                rest = after;
            }
        }
    }
}

fn quoted(quote: u8, mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        let (b, after) = rest.split_first()?;
        if *b == quote {
            return Some((word, after));
        }
        if *b == b'\\' && (quote == b'"' || after.first() == Some(&b'\'')) {
            let (byte, used) = escape(after)?;
            word.push(byte);
            rest = &after[used..];
        } else {
            word.push(*b);
            rest = after;
        }
    }
}

/// The byte that an escape stands for, and how many bytes after the backslash it takes.
fn escape(after: &[u8]) -> Option<(u8, usize)> {
    let digits = after.get(1..3).and_then(|hex| std::str::from_utf8(hex).ok());
    if let (Some(b'x'), Some(Ok(byte))) = (after.first(), digits.map(|hex| u8::from_str_radix(hex, 16))) {
        return Some((byte, 3));
    }
    let byte = match after.first()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => *other,
    };
    Some((byte, 1))
}

/// Replaces `${name}` by what `~save=name` kept, `${now+N}` and `${now_ms+N}` by the time, `${rep:N:x}` by N times x.
pub fn expand(word: &[u8], saved: &HashMap<String, String>) -> Result<Vec<u8>, String> {
    let Some(open) = word.windows(2).position(|pair| pair == b"${") else {
        return Ok(word.to_vec());
    };
    let tail = &word[open + 2..];
    let close = tail.iter().position(|b| *b == b'}').ok_or("a ${ without }")?;
    let name = std::str::from_utf8(&tail[..close]).map_err(|_| "a ${…} that is no text")?;
    let mut expanded = word[..open].to_vec();
    expanded.extend(value_of(name, saved)?);
    expanded.extend(expand(&tail[close + 1..], saved)?);
    Ok(expanded)
}

fn value_of(name: &str, saved: &HashMap<String, String>) -> Result<Vec<u8>, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if let Some(parts) = name.strip_prefix("rep:") {
        let (count, text) = parts.split_once(':').ok_or("rep needs a count and a text")?;
        let count = count.parse().map_err(|_| format!("bad count in {name:?}"))?;
        return Ok(text.as_bytes().repeat(count));
    }
    let clock = [("now_ms+", now.as_millis()), ("now+", u128::from(now.as_secs()))];
    for (prefix, base) in clock {
        if let Some(Ok(offset)) = name.strip_prefix(prefix).map(str::parse::<u128>) {
            return Ok((base + offset).to_string().into_bytes());
        }
    }
    saved.get(name).map(|text| text.clone().into_bytes()).ok_or_else(|| format!("nothing saved as {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::{Action, Compare, expand, parse_line, split_words};
    use std::collections::HashMap;

    #[test]
    fn line_with_marks_is_taken_apart() {
        let line = parse_line(r#"@2 ~near=5 TTL "a\x00b\n" 'it\'s' ''"#).expect("a line");
        assert_eq!((line.connection, line.compare, line.action), (2, Compare::Near(5), Action::Call));
        assert_eq!(line.words, [b"TTL".to_vec(), b"a\0b\n".to_vec(), b"it's".to_vec(), Vec::new()]);
    }

    #[test]
    fn line_with_a_mistake_is_refused() {
        for text in ["~sorted KEYS *", "@x GET k", "~sort", "%closed GET k", r#"GET "k"#, r#"GET "k"x"#, ""] {
            assert!(parse_line(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_with_variables_are_expanded() {
        let saved = HashMap::from([("id".to_owned(), "17".to_owned())]);
        assert_eq!(expand(b"a${id}b${rep:3:xy}", &saved), Ok(b"a17bxyxyxy".to_vec()));
        assert!(expand(b"${other}", &saved).is_err());
        assert_eq!(split_words("a  b").map(|words| words.len()), Ok(2));
    }
}
