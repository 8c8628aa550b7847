//! The reply writer: RESP2 and RESP3 in one set of calls, into an `Output` that keeps large values shared.
//!
//! An `Output` is a byte string with reference-counted values spliced in at offsets, so that a large
//! value is never copied. It knows nothing of sockets; `net` writes it out with vectored writes.
//! Format: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::io::IoSlice;

use bytes::Bytes;

/// The protocol version a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Proto {
    #[default]
    Resp2,
    Resp3,
}

/// Reply bytes in order, with shared values spliced in.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// (offset in `bytes` before which the value stands, value), ascending.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
}

impl Output {
    /// All bytes this output will put on the wire.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared_bytes
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends raw bytes that are already in wire format.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Splices a shared value in at the end, without copying it.
    pub fn extend_shared(&mut self, value: Bytes) {
        self.shared_bytes += value.len();
        self.shared.push((self.bytes.len(), value));
    }

    /// Moves everything of `other` to the end of `self`.
    pub fn append(&mut self, other: &mut Output) {
        let base = self.bytes.len();
        self.bytes.append(&mut other.bytes);
        self.shared.extend(other.shared.drain(..).map(|(at, value)| (base + at, value)));
        self.shared_bytes += std::mem::take(&mut other.shared_bytes);
    }

    /// Cuts everything after the first `len` plain bytes away; undoes a reply that was begun.
    pub fn truncate(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        for (_, value) in self.shared.drain(mark.shared..) {
            self.shared_bytes -= value.len();
        }
    }

    /// The present end, for `truncate`.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), shared: self.shared.len() }
    }

    /// Empties the output, keeping at most `capacity_max` bytes of its buffer.
    pub fn clear(&mut self, capacity_max: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(capacity_max);
        self.shared.clear();
        self.shared_bytes = 0;
    }

    /// The plain bytes where no value is spliced in: the common case, one `write`.
    #[must_use]
    pub fn as_plain(&self) -> Option<&[u8]> {
        self.shared.is_empty().then_some(&self.bytes)
    }

    /// Fills `slices` with what follows the first `skip` wire bytes; returns how many slices were used.
    pub fn slices<'a>(&'a self, skip: usize, slices: &mut [IoSlice<'a>]) -> usize {
        self.slices_within(skip, usize::MAX, slices)
    }

    /// As `slices`, with at most `room` wire bytes.
    pub fn slices_within<'a>(
        &'a self,
        mut skip: usize,
        mut room: usize,
        slices: &mut [IoSlice<'a>],
    ) -> usize {
        let mut used = 0;
        let mut from = 0;
        let mut push = |piece: &'a [u8]| {
            let cut = skip.min(piece.len());
            skip -= cut;
            let end = piece.len().min(cut.saturating_add(room));
            if cut < end && used < slices.len() {
                slices[used] = IoSlice::new(&piece[cut..end]);
                used += 1;
                room -= end - cut;
            }
        };
        for (at, value) in &self.shared {
            push(&self.bytes[from..*at]);
            push(value);
            from = *at;
        }
        push(&self.bytes[from..]);
        used
    }
}

/// A position in an `Output`.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    bytes: usize,
    shared: usize,
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

    /// A simple string; must not contain line ends.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error line: `text` with its code and without the `-`. Line ends in it become spaces, as in Redis.
    pub fn error(&mut self, text: &[u8]) {
        self.out.bytes.push(b'-');
        let line = text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte });
        self.out.bytes.extend(line);
        self.out.extend(b"\r\n");
    }

    pub fn int(&mut self, value: i64) {
        self.out.bytes.push(b':');
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
        let text = format!("{value}");
        match self.proto {
            Proto::Resp2 => self.bulk(text.as_bytes()),
            Proto::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// Text for people (INFO and the like): a plain bulk string in RESP2.
    pub fn verbatim(&mut self, text: &str) {
        match self.proto {
            Proto::Resp2 => self.bulk(text.as_bytes()),
            Proto::Resp3 => {
                self.header(b'=', text.len() + 4);
                self.out.extend(b"txt:");
                self.out.extend(text.as_bytes());
                self.out.extend(b"\r\n");
            }
        }
    }

    fn line(&mut self, mark: u8, text: &[u8]) {
        self.out.bytes.push(mark);
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
                self.out.bytes.push(mark);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(proto: Proto, write: impl Fn(&mut Reply)) -> String {
        let mut out = Output::default();
        write(&mut Reply::new(&mut out, proto));
        String::from_utf8(wire(&out)).unwrap()
    }

    fn wire(out: &Output) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = out.slices(0, &mut slices);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
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
        assert_eq!(both(|r| r.verbatim("hi")), pair("$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"));
        assert_eq!(both(|r| r.int(-7)), pair(":-7\r\n", ":-7\r\n"));
        assert_eq!(both(|r| r.bulk_int(12)), pair("$2\r\n12\r\n", "$2\r\n12\r\n"));
        assert_eq!(both(|r| r.error(b"ERR a\r\nb")), pair("-ERR a  b\r\n", "-ERR a  b\r\n"));
    }

    #[test]
    fn shared_values_keep_their_place_when_outputs_are_joined_and_skipped() {
        let mut first = Output::default();
        Reply::new(&mut first, Proto::Resp2).bulk(b"a");
        let mut second = Output::default();
        Reply::new(&mut second, Proto::Resp2).bulk_shared(Bytes::from_static(b"shared"));
        Reply::new(&mut second, Proto::Resp2).int(1);
        first.append(&mut second);
        let whole = b"$1\r\na\r\n$6\r\nshared\r\n:1\r\n".to_vec();
        assert_eq!(wire(&first), whole);
        assert_eq!(first.len(), whole.len());
        for skip in 0..=whole.len() {
            let mut slices = [IoSlice::new(&[]); 8];
            let used = first.slices(skip, &mut slices);
            let rest: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
            assert_eq!(rest, whole[skip..], "after {skip}");
            for room in 0..=whole.len() - skip {
                let mut slices = [IoSlice::new(&[]); 8];
                let used = first.slices_within(skip, room, &mut slices);
                let part: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
                assert_eq!(part, whole[skip..skip + room], "{room} after {skip}");
            }
        }
    }

    #[test]
    fn truncating_to_a_mark_removes_shared_values_behind_it() {
        let mut out = Output::default();
        out.extend(b"keep");
        let mark = out.mark();
        out.extend_shared(Bytes::from_static(b"drop"));
        out.extend(b"drop");
        out.truncate(mark);
        assert_eq!(wire(&out), b"keep");
        assert_eq!(out.len(), 4);
    }
}
