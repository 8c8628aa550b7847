//! The reply writer: RESP2 and RESP3 in one set of calls, into an `Output` that keeps large values shared.
//!
//! Knows nothing of sockets; `net` writes the output out with vectored writes.
//! Format: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use bytes::Bytes;

use crate::base::score;

use super::output::Output;

/// The protocol version a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Proto {
    #[default]
    Resp2,
    Resp3,
}

/// Writes replies in one protocol version to the end of an output.
#[derive(Debug)]
pub struct Reply<'a> {
    pub out: &'a mut Output,
    pub proto: Proto,
}

impl<'a> Reply<'a> {
    pub fn new(out: &'a mut Output, proto: Proto) -> Reply<'a> {
        Reply { out, proto }
    }

    pub fn ok(&mut self) {
        self.out.extend(b"+OK\r\n");
    }

    pub fn pong(&mut self) {
        self.out.extend(b"+PONG\r\n");
    }

    /// A simple string; must not contain line ends.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// A simple string of a script. Line ends in it become spaces.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.line(b'+', &on_one_line(text));
    }

    /// An error line: `text` with its code and without the `-`. Line ends in it become spaces, as in Redis.
    pub fn error(&mut self, text: &[u8]) {
        self.line(b'-', &on_one_line(text));
    }

    /// A truth value: an integer in RESP2.
    pub fn boolean(&mut self, value: bool) {
        match self.proto {
            Proto::Resp2 => self.int(i64::from(value)),
            Proto::Resp3 => self.line(b'#', if value { b"t" } else { b"f" }),
        }
    }

    /// An integer of any length, in digits: a bulk string in RESP2.
    pub fn big_number(&mut self, digits: &[u8]) {
        match self.proto {
            Proto::Resp2 => self.bulk(&on_one_line(digits)),
            Proto::Resp3 => self.line(b'(', &on_one_line(digits)),
        }
    }

    pub fn int(&mut self, value: i64) {
        self.out.extend(b":");
        self.digits(value);
    }

    /// A bulk string, copied.
    pub fn bulk(&mut self, value: &[u8]) {
        self.header(b'$', value.len());
        self.out.extend(value);
        self.out.extend(b"\r\n");
    }

    /// A bulk string that stays shared.
    pub fn bulk_shared(&mut self, value: Bytes) {
        self.header(b'$', value.len());
        self.out.extend_shared(value);
        self.out.extend(b"\r\n");
    }

    /// A bulk string with an integer's digits.
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// The missing value: `$-1` in RESP2, `_` in RESP3.
    pub fn null(&mut self) {
        self.out.extend(match self.proto {
            Proto::Resp2 => b"$-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// The missing array: `*-1` in RESP2, `_` in RESP3.
    pub fn null_array(&mut self) {
        self.out.extend(match self.proto {
            Proto::Resp2 => b"*-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// Begins an array of `len` replies.
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// Begins a map of `pairs` pairs: a flat array in RESP2.
    pub fn map(&mut self, pairs: usize) {
        match self.proto {
            Proto::Resp2 => self.header(b'*', pairs * 2),
            Proto::Resp3 => self.header(b'%', pairs),
        }
    }

    /// Begins a set: an array in RESP2.
    pub fn set(&mut self, len: usize) {
        self.header(if self.proto == Proto::Resp3 { b'~' } else { b'*' }, len);
    }

    /// Begins a message that nobody asked for: an array in RESP2.
    pub fn push(&mut self, len: usize) {
        self.header(if self.proto == Proto::Resp3 { b'>' } else { b'*' }, len);
    }

    /// A double: a bulk string in RESP2.
    pub fn double(&mut self, value: f64) {
        let text = score::text(value);
        match self.proto {
            Proto::Resp2 => self.bulk(&text),
            Proto::Resp3 => self.line(b',', &text),
        }
    }

    /// Text for people (INFO and the like): a plain bulk string in RESP2.
    pub fn verbatim(&mut self, text: &str) {
        self.verbatim_as(*b"txt", text.as_bytes());
    }

    /// Text in a format of three letters: a plain bulk string in RESP2.
    pub fn verbatim_as(&mut self, format: [u8; 3], text: &[u8]) {
        match self.proto {
            Proto::Resp2 => self.bulk(text),
            Proto::Resp3 => {
                self.header(b'=', text.len() + 4);
                self.out.extend(&format);
                self.out.extend(b":");
                self.out.extend(text);
                self.out.extend(b"\r\n");
            }
        }
    }

    fn line(&mut self, mark: u8, text: &[u8]) {
        self.out.extend(&[mark]);
        self.out.extend(text);
        self.out.extend(b"\r\n");
    }

    #[inline]
    fn header(&mut self, mark: u8, len: usize) {
        // Nearly all values and arrays are as short as that, and their headers are written in one piece.
        let (ten, one) = (b'0'.wrapping_add((len / 10) as u8), b'0' + (len % 10) as u8);
        match len {
            0..10 => self.out.extend(&[mark, one, b'\r', b'\n']),
            10..100 => self.out.extend(&[mark, ten, one, b'\r', b'\n']),
            _ => {
                self.out.extend(&[mark]);
                self.digits(len as i64);
            }
        }
    }

    fn digits(&mut self, value: i64) {
        let mut buffer = itoa::Buffer::new();
        self.out.extend(buffer.format(value).as_bytes());
        self.out.extend(b"\r\n");
    }
}

/// Line ends would end the reply.
fn on_one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(proto: Proto, write: impl Fn(&mut Reply)) -> String {
        let mut out = Output::default();
        write(&mut Reply::new(&mut out, proto));
        String::from_utf8(wire(&out)).unwrap()
    }

    fn wire(out: &Output) -> Vec<u8> {
        out.as_plain().unwrap_or_default().to_vec()
    }

    #[test]
    fn each_type_is_written_in_both_protocols() {
        let both = |write: fn(&mut Reply)| (written(Proto::Resp2, write), written(Proto::Resp3, write));
        let pair = |two: &str, three: &str| (two.to_owned(), three.to_owned());
        assert_eq!(both(|r| r.null()), pair("$-1\r\n", "_\r\n"));
        assert_eq!(both(|r| r.null_array()), pair("*-1\r\n", "_\r\n"));
        assert_eq!(both(|r| r.map(2)), pair("*4\r\n", "%2\r\n"));
        assert_eq!(both(|r| r.set(2)), pair("*2\r\n", "~2\r\n"));
        assert_eq!(both(|r| r.push(2)), pair("*2\r\n", ">2\r\n"));
        assert_eq!(both(|r| r.double(1.5)), pair("$3\r\n1.5\r\n", ",1.5\r\n"));
        assert_eq!(both(|r| r.double(1e300)), pair("$6\r\n1e+300\r\n", ",1e+300\r\n"));
        assert_eq!(both(|r| r.double(-f64::INFINITY)), pair("$4\r\n-inf\r\n", ",-inf\r\n"));
        assert_eq!(both(|r| r.verbatim("hi")), pair("$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"));
        assert_eq!(both(|r| r.int(-7)), pair(":-7\r\n", ":-7\r\n"));
        assert_eq!(both(|r| r.bulk_int(12)), pair("$2\r\n12\r\n", "$2\r\n12\r\n"));
        assert_eq!(both(|r| r.error(b"ERR a\r\nb")), pair("-ERR a  b\r\n", "-ERR a  b\r\n"));
    }
}
