//! A second opinion on the wire: a decoder of RESP2 and RESP3 replies that shares no code with the server.
//!
//! Knows nothing of sockets. Invariant: a malformed reply panics with its bytes; only an incomplete one waits.

use std::fmt;

/// One reply. Nulls of all kinds are `Nil`; tests about their bytes read raw.
#[derive(Clone, PartialEq)]
pub enum Value {
    Nil,
    Int(i64),
    Status(String),
    Error(String),
    Bulk(Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// Any other scalar of RESP3, by its mark.
    Other(char, String),
}

impl Value {
    /// The reply as one text: `nil` for a null, elements of arrays joined by a blank.
    pub fn text(&self) -> String {
        match self {
            Value::Nil => "nil".to_owned(),
            Value::Int(number) => number.to_string(),
            Value::Status(text) | Value::Error(text) | Value::Other(_, text) => text.clone(),
            Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Array(values) => values.iter().map(Value::text).collect::<Vec<_>>().join(" "),
            Value::Map(pairs) => {
                let words = pairs.iter().map(|(name, value)| format!("{} {}", name.text(), value.text()));
                words.collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[track_caller]
    pub fn int(&self) -> i64 {
        let Value::Int(number) = self else { panic!("expected an integer, got {self:?}") };
        *number
    }

    #[track_caller]
    pub fn array(&self) -> &[Value] {
        let Value::Array(values) = self else { panic!("expected an array, got {self:?}") };
        values
    }

    /// Name-value pairs of a RESP3 map or of RESP2's flat array.
    #[track_caller]
    pub fn pairs(&self) -> Vec<(String, Value)> {
        match self {
            Value::Map(pairs) => pairs.iter().map(|(name, value)| (name.text(), value.clone())).collect(),
            Value::Array(values) if values.len().is_multiple_of(2) => {
                values.chunks(2).map(|pair| (pair[0].text(), pair[1].clone())).collect()
            }
            other => panic!("expected name-value pairs, got {other:?}"),
        }
    }
}

/// Long values are cut: a failed test must stay readable.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Int(number) => write!(f, ":{number}"),
            Value::Status(text) => write!(f, "+{text}"),
            Value::Error(text) => write!(f, "-{text}"),
            Value::Bulk(bytes) => f.write_str(&shown(bytes)),
            Value::Array(values) => f.debug_list().entries(values).finish(),
            Value::Map(pairs) => {
                f.debug_map().entries(pairs.iter().map(|(name, value)| (name, value))).finish()
            }
            Value::Other(mark, text) => write!(f, "{mark}{text}"),
        }
    }
}

/// Bytes as a test shows them.
pub fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(80)];
    let more = if cut.len() < bytes.len() { format!("… ({} bytes)", bytes.len()) } else { String::new() };
    format!("\"{}\"{more}", cut.escape_ascii())
}

/// The first reply in `bytes` and its length; `None` while it is incomplete.
pub fn decode(bytes: &[u8]) -> Option<(Value, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let (mark, line) = (bytes[0], String::from_utf8_lossy(&bytes[1..end]).into_owned());
    let body = end + 2;
    let value = match mark {
        b'+' => Value::Status(line),
        b'-' => Value::Error(line),
        b':' => Value::Int(number(&line, bytes)),
        b'_' => Value::Nil,
        b',' | b'#' | b'(' => Value::Other(mark as char, line),
        b'$' | b'=' => return decode_bulk(bytes, body, number(&line, bytes)),
        b'*' | b'~' | b'>' => return decode_array(bytes, body, number(&line, bytes)),
        b'%' => return decode_map(bytes, body, number(&line, bytes)),
        _ => panic!("malformed reply {}", shown(bytes)),
    };
    Some((value, body))
}

fn number(line: &str, bytes: &[u8]) -> i64 {
    line.parse().unwrap_or_else(|_| panic!("malformed number in reply {}", shown(bytes)))
}

fn decode_bulk(bytes: &[u8], body: usize, length: i64) -> Option<(Value, usize)> {
    let Ok(length) = usize::try_from(length) else { return Some((Value::Nil, body)) };
    let end = body + length;
    let tail = bytes.get(end..end + 2)?;
    assert_eq!(tail, b"\r\n", "a bulk reply runs past its length: {}", shown(bytes));
    Some((Value::Bulk(bytes[body..end].to_vec()), end + 2))
}

fn decode_array(bytes: &[u8], body: usize, length: i64) -> Option<(Value, usize)> {
    let Ok(length) = usize::try_from(length) else { return Some((Value::Nil, body)) };
    let (values, end) = decode_many(bytes, body, length)?;
    Some((Value::Array(values), end))
}

fn decode_map(bytes: &[u8], body: usize, length: i64) -> Option<(Value, usize)> {
    let Ok(length) = usize::try_from(length) else { return Some((Value::Nil, body)) };
    let (values, end) = decode_many(bytes, body, length * 2)?;
    let pairs = values.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    Some((Value::Map(pairs), end))
}

fn decode_many(bytes: &[u8], body: usize, count: usize) -> Option<(Vec<Value>, usize)> {
    let mut values = Vec::new();
    let mut at = body;
    for _ in 0..count {
        let (value, length) = decode(&bytes[at..])?;
        values.push(value);
        at += length;
    }
    Some((values, at))
}
