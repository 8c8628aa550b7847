//! One client connection that keeps every byte of meaning in a reply.
//!
//! Owns: sending a command, decoding one reply strictly with its exact type (`$-1`, `*-1` and `_` are three
//! different things). Does not know: which server answers or what it should have said.
//! Invariant: a reply that breaks the protocol's grammar is an error, never a guess.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long any single read may take before the test fails.
pub const REPLY_WAIT: Duration = Duration::from_secs(10);
const DEPTH_MAX: usize = 16;

/// One reply, with the type it had on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    NullBulk,
    NullArray,
    Null,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
    Double(Vec<u8>),
    Bool(bool),
    BigNumber(Vec<u8>),
    Verbatim(Vec<u8>),
}

impl Reply {
    /// The bytes of a textual reply, without the `txt:` of a verbatim string; `None` for the other types.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(b) | Self::Error(b) | Self::Bulk(b) | Self::Double(b) | Self::BigNumber(b) => {
                Some(b)
            }
            Self::Verbatim(b) => Some(b.get(4..).unwrap_or(b)),
            _ => None,
        }
    }

    /// The elements of an array, set or push; a map as its keys and values in turn.
    pub fn elements(&self) -> Vec<&Reply> {
        match self {
            Self::Array(list) | Self::Set(list) | Self::Push(list) => list.iter().collect(),
            Self::Map(pairs) => pairs.iter().flat_map(|(k, v)| [k, v]).collect(),
            _ => Vec::new(),
        }
    }

    /// True for each of the three ways to say "nothing".
    pub fn is_null(&self) -> bool {
        matches!(self, Self::NullBulk | Self::NullArray | Self::Null)
    }

    /// The name of the type, for comparisons of shape.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Simple(_) => "simple",
            Self::Error(_) => "error",
            Self::Int(_) => "integer",
            Self::Bulk(_) => "bulk",
            Self::NullBulk => "null bulk",
            Self::NullArray => "null array",
            Self::Null => "null",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Set(_) => "set",
            Self::Push(_) => "push",
            Self::Double(_) => "double",
            Self::Bool(_) => "bool",
            Self::BigNumber(_) => "big number",
            Self::Verbatim(_) => "verbatim",
        }
    }
}

/// The notation of `expect` entries and of failure messages: `+OK`, `-ERR x`, `:1`, `"bulk"`, `$-1`, `*-1`, `_`,
/// `[a, b]`, `{k: v}`, `~[a]`, `>[a]`, `,1.5`, `#t`, `(123`, `="txt:…"`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(b) => write!(f, "+{}", escaped(b)),
            Self::Error(b) => write!(f, "-{}", escaped(b)),
            Self::Int(n) => write!(f, ":{n}"),
            Self::Bulk(b) => write!(f, "\"{}\"", escaped(b)),
            Self::NullBulk => f.write_str("$-1"),
            Self::NullArray => f.write_str("*-1"),
            Self::Null => f.write_str("_"),
            Self::Array(list) => write_list(f, "[", list),
            Self::Set(list) => write_list(f, "~[", list),
            Self::Push(list) => write_list(f, ">[", list),
            Self::Map(pairs) => {
                f.write_str("{")?;
                for (index, (key, value)) in pairs.iter().enumerate() {
                    let gap = if index == 0 { "" } else { ", " };
                    write!(f, "{gap}{key}: {value}")?;
                }
                f.write_str("}")
            }
            Self::Double(b) => write!(f, ",{}", escaped(b)),
            Self::Bool(b) => f.write_str(if *b { "#t" } else { "#f" }),
            Self::BigNumber(b) => write!(f, "({}", escaped(b)),
            Self::Verbatim(b) => write!(f, "=\"{}\"", escaped(b)),
        }
    }
}

/// Escapes what does not print, and double quotes; a single quote stays, for error texts are full of them.
fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\'", "'")
}

fn write_list(f: &mut fmt::Formatter<'_>, open: &str, list: &[Reply]) -> fmt::Result {
    f.write_str(open)?;
    for (index, element) in list.iter().enumerate() {
        let gap = if index == 0 { "" } else { ", " };
        write!(f, "{gap}{element}")?;
    }
    f.write_str("]")
}

/// A blocking client connection. Every read is bounded by [`REPLY_WAIT`].
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    replies: Decoder<BufReader<TcpStream>>,
}

impl Connection {
    /// Connects to `address`.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_WAIT))?;
        stream.set_write_timeout(Some(REPLY_WAIT))?;
        let replies = Decoder { input: BufReader::new(stream.try_clone()?), raw: Vec::new() };
        Ok(Self { stream, replies })
    }

    /// Sends one command as an array of bulk strings.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<()> {
        let mut frame = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            let arg = arg.as_ref();
            frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            frame.extend_from_slice(arg);
            frame.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&frame)
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads the next reply and the bytes it had on the wire.
    pub fn read(&mut self) -> io::Result<(Reply, Vec<u8>)> {
        self.replies.raw.clear();
        let reply = self.replies.reply(0)?;
        Ok((reply, self.replies.raw.clone()))
    }

    /// Sends a command and reads its reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Reply> {
        self.send(args)?;
        self.read().map(|(reply, _)| reply)
    }

    /// True when the server has closed the connection without sending anything more.
    pub fn is_closed_by_server(&mut self) -> bool {
        match self.replies.input.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

/// Reads replies, and remembers the bytes of the one being read.
#[derive(Debug)]
struct Decoder<R> {
    input: R,
    raw: Vec<u8>,
}

impl<R: BufRead> Decoder<R> {
    fn reply(&mut self, depth: usize) -> io::Result<Reply> {
        if depth > DEPTH_MAX {
            return Err(broken("nested too deep"));
        }
        let line = self.line()?;
        let (kind, rest) = line.split_first().ok_or_else(|| broken("empty reply line"))?;
        match kind {
            b'+' => Ok(Reply::Simple(rest.to_vec())),
            b'-' => Ok(Reply::Error(rest.to_vec())),
            b':' => number(rest).map(Reply::Int),
            b',' => Ok(Reply::Double(rest.to_vec())),
            b'(' => Ok(Reply::BigNumber(rest.to_vec())),
            b'_' if rest.is_empty() => Ok(Reply::Null),
            b'#' if rest == b"t" => Ok(Reply::Bool(true)),
            b'#' if rest == b"f" => Ok(Reply::Bool(false)),
            b'$' if rest == b"-1" => Ok(Reply::NullBulk),
            b'*' if rest == b"-1" => Ok(Reply::NullArray),
            b'$' => self.bulk(length(rest)?).map(Reply::Bulk),
            b'=' => self.bulk(length(rest)?).map(Reply::Verbatim),
            b'*' => self.list(length(rest)?, depth).map(Reply::Array),
            b'~' => self.list(length(rest)?, depth).map(Reply::Set),
            b'>' => self.list(length(rest)?, depth).map(Reply::Push),
            b'%' => self.pairs(length(rest)?, depth).map(Reply::Map),
            _ => Err(broken(&format!("unknown reply line {:?}", line.escape_ascii().to_string()))),
        }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let start = self.raw.len();
        self.input.read_until(b'\n', &mut self.raw)?;
        let line = &self.raw[start..];
        if line.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed by the server"));
        }
        let text = line.strip_suffix(b"\r\n").ok_or_else(|| broken("a line that does not end in CR LF"))?;
        if text.contains(&b'\r') {
            return Err(broken("a CR inside a line"));
        }
        Ok(text.to_vec())
    }

    fn bulk(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let start = self.raw.len();
        self.raw.resize(start + len + 2, 0);
        self.input.read_exact(&mut self.raw[start..])?;
        if !self.raw.ends_with(b"\r\n") {
            return Err(broken("a bulk string that is longer than its length"));
        }
        Ok(self.raw[start..start + len].to_vec())
    }

    fn list(&mut self, len: usize, depth: usize) -> io::Result<Vec<Reply>> {
        (0..len).map(|_| self.reply(depth + 1)).collect()
    }

    fn pairs(&mut self, len: usize, depth: usize) -> io::Result<Vec<(Reply, Reply)>> {
        (0..len).map(|_| Ok((self.reply(depth + 1)?, self.reply(depth + 1)?))).collect()
    }
}

fn number(digits: &[u8]) -> io::Result<i64> {
    let text = std::str::from_utf8(digits).map_err(|_| broken("a number that is no text"))?;
    let value: i64 = text.parse().map_err(|_| broken(&format!("a bad number {text:?}")))?;
    if value.to_string() != text {
        return Err(broken(&format!("a number in a strange form {text:?}")));
    }
    Ok(value)
}

fn length(digits: &[u8]) -> io::Result<usize> {
    usize::try_from(number(digits)?).map_err(|_| broken("a negative length"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("broken reply: {what}"))
}

/// Asks a second, independent decoder (`redis-protocol`) whether `raw` is exactly one reply of that protocol.
pub fn second_opinion(protocol: u8, raw: &[u8]) -> Result<(), String> {
    let used = if protocol == 3 {
        redis_protocol::resp3::decode::complete::decode(raw).map(|done| done.map(|(_, used)| used))
    } else {
        redis_protocol::resp2::decode::decode(raw).map(|done| done.map(|(_, used)| used))
    };
    match used {
        Ok(Some(used)) if used == raw.len() => Ok(()),
        Ok(used) => Err(format!("redis-protocol took {used:?} of {} bytes", raw.len())),
        Err(error) => Err(format!("redis-protocol refuses the reply: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Reply};

    fn decode(bytes: &[u8]) -> std::io::Result<Reply> {
        Decoder { input: bytes, raw: Vec::new() }.reply(0)
    }

    #[test]
    fn decoder_given_three_nulls_tells_them_apart() {
        assert_eq!(decode(b"$-1\r\n").ok(), Some(Reply::NullBulk));
        assert_eq!(decode(b"*-1\r\n").ok(), Some(Reply::NullArray));
        assert_eq!(decode(b"_\r\n").ok(), Some(Reply::Null));
    }

    #[test]
    fn decoder_given_broken_replies_refuses_them() {
        let broken: [&[u8]; 9] = [
            b":01\r\n",
            b":+1\r\n",
            b"$3\r\nabcd\r\n",
            b"+OK\n",
            b"$-2\r\n",
            b"#x\r\n",
            b"_x\r\n",
            b"?\r\n",
            b"*1\r\n",
        ];
        for bytes in broken {
            assert!(decode(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn reply_printed_shows_its_type() {
        let bytes = b"*3\r\n%1\r\n$1\r\nk\r\n,1.5\r\n~1\r\n:7\r\n=6\r\ntxt:ab\r\n";
        assert_eq!(
            decode(bytes).map(|reply| reply.to_string()).ok().as_deref(),
            Some("[{\"k\": ,1.5}, ~[:7], =\"txt:ab\"]")
        );
    }
}
