//! Requests: cuts the next one out of a connection's read buffer.
//!
//! Owns the grammar of multibulk requests (`*2\r\n$3\r\nGET\r\n…`) and its limits, and hands inline
//! lines to `inline`. Knows no command, no socket and no reply; the bytes stay where they are.
//! Invariants: what is read depends on the bytes alone, not on how they were cut; each byte is
//! looked at a bounded number of times; nothing is allocated for a request that is there whole.
//! A hot path reads everyday requests; whatever it isn't sure of goes the resumable, exact way.

use super::inline;
use super::range::ArgRange;
use crate::base::int::parse_i64;
use crate::base::limits::{
    INLINE_BYTES_MAX, REQUEST_ARGS_MAX, UNAUTHENTICATED_ARGS_MAX, UNAUTHENTICATED_BULK_BYTES_MAX,
};
use memchr::memchr2;
use std::borrow::Cow;
use std::fmt;

/// Behind each bulk stand two bytes, `\r\n`; like Redis we skip them without a look.
const LINE_END_BYTES: usize = 2;
/// A spent list of arguments keeps at most this much room for the next cut request.
const KEPT_ARGS_MAX: usize = 1024;

/// What a connection may send at this moment.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Before AUTH (where one is required) only small requests are accepted.
    pub authenticated: bool,
    /// The setting `proto-max-bulk-len`.
    pub bulk_bytes_max: usize,
}

/// What [`Parser::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A whole request, which ends just before offset `end` of the buffer. One without arguments
    /// (`*0`, `*-1`, a blank line) is to be skipped silently.
    Request { end: usize },
    /// The bytes end inside a request.
    Incomplete,
}

/// Why bytes are not a request; the connection ends after the error reply.
#[derive(Debug, PartialEq, Eq, Clone)]
pub enum ProtocolError {
    /// An inline line longer than [`INLINE_BYTES_MAX`].
    InlineTooBig,
    /// An inline line whose quotes don't pair up.
    UnbalancedQuotes,
    /// A `*` line longer than [`INLINE_BYTES_MAX`].
    CountLineTooBig,
    /// A `*` line without a number, or with one too large.
    InvalidCount,
    /// More arguments than a connection may send before AUTH.
    UnauthenticatedCount,
    /// A `$` line longer than [`INLINE_BYTES_MAX`].
    BulkLineTooBig,
    /// Where a `$` line should begin stands this byte.
    ExpectedBulk { got: u8 },
    /// A `$` line without a number, or with one negative or too large.
    InvalidBulkLength,
    /// A longer argument than a connection may send before AUTH.
    UnauthenticatedBulkLength,
    /// The beginning of a TLS handshake (RFC 8446, section 5.1). Who sent it reads no reply, and may send no line end ever.
    Tls,
}

impl ProtocolError {
    /// Redis's text for the error reply, without the leading `ERR `. It is bytes because
    /// [`ProtocolError::ExpectedBulk`] repeats a byte of the client, whatever it is; line ends
    /// become spaces.
    pub fn text(&self) -> Cow<'static, [u8]> {
        let text = match self {
            Self::InlineTooBig => "Protocol error: too big inline request",
            Self::UnbalancedQuotes => "Protocol error: unbalanced quotes in request",
            Self::CountLineTooBig => "Protocol error: too big mbulk count string",
            Self::InvalidCount => "Protocol error: invalid multibulk length",
            Self::UnauthenticatedCount => "Protocol error: unauthenticated multibulk length",
            Self::BulkLineTooBig => "Protocol error: too big bulk count string",
            Self::ExpectedBulk { got } => {
                let got = if matches!(got, b'\r' | b'\n') { b' ' } else { *got };
                let parts = [b"Protocol error: expected '$', got '", &[got][..], b"'"];
                return Cow::Owned(parts.concat());
            }
            Self::InvalidBulkLength => "Protocol error: invalid bulk length",
            Self::UnauthenticatedBulkLength => "Protocol error: unauthenticated bulk length",
            Self::Tls => "Protocol error: TLS on a port without it",
        };
        Cow::Borrowed(text.as_bytes())
    }
}

/// The text of [`ProtocolError::text`], for logs: a byte that isn't ASCII is replaced.
impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl std::error::Error for ProtocolError {}

/// How a TLS record with a handshake begins: its type, and the higher byte of the version.
const TLS_HANDSHAKE: &[u8] = &[0x16, 0x03];

/// The resumable parser of one connection.
///
/// ```
/// use onefill::protocol::request::{Next, Parser, RequestLimits};
/// let limits = RequestLimits { authenticated: true, bulk_bytes_max: 1 << 20 };
/// let mut parser = Parser::default();
/// let mut args = Vec::new();
/// let mut buf = b"*2\r\n$3\r\nGET\r\n$1\r\n".to_vec();
/// assert_eq!(parser.next(&mut buf, 0, limits, &mut args), Ok(Next::Incomplete));
/// assert_eq!(parser.missing_bytes(), 3);
/// buf.extend_from_slice(b"k\r\n");
/// assert_eq!(parser.next(&mut buf, 0, limits, &mut args), Ok(Next::Request { end: 20 }));
/// assert_eq!(args[1].of(&buf), b"k");
/// ```
#[derive(Default, Debug)]
pub struct Parser {
    progress: Progress,
    /// The arguments so far of an incomplete request, relative to its first byte. A request that
    /// is there whole never passes through here.
    partial: Vec<ArgRange>,
}

/// How far the reading of a request has come. Offsets are relative to the request's first byte,
/// so that the caller may move the bytes to another place between two calls.
#[derive(Clone, Copy, Default, Debug)]
struct Progress {
    /// The first byte not yet understood: all before it is done with.
    at: usize,
    /// Of the line at `at`, this many bytes are known not to hold its end.
    scanned: usize,
    /// Arguments still to come; 0 while the first line isn't read.
    args_left: usize,
    /// The length of the bulk at `at`, once its `$` line is read.
    bulk_bytes: Option<usize>,
    /// Bytes that this bulk still lacks.
    missing: usize,
}

impl Parser {
    /// Reads one request from `buf[start..]`, which must begin with the same request on each call
    /// until it is returned; bytes may be added behind it and the whole may move in between.
    ///
    /// A complete request's arguments are appended to `args`, which is left alone otherwise.
    /// Inline arguments are unquoted in place, in `buf`. After an error the stream can't be read
    /// on. Cost: linear in the bytes, over all calls together.
    #[inline]
    pub fn next(
        &mut self,
        buf: &mut [u8],
        start: usize,
        limits: RequestLimits,
        args: &mut Vec<ArgRange>,
    ) -> Result<Next, ProtocolError> {
        match buf.get(start) {
            None => Ok(Next::Incomplete),
            Some(b'*') => {
                // Only the first look at a request may find it there whole.
                if self.progress.is_new()
                    && let Some(end) = plain_request(buf, start, limits, args)
                {
                    return Ok(Next::Request { end });
                }
                self.multibulk(&buf[start..], start, limits, args)
            }
            Some(_) => self.inline(buf, start, args),
        }
    }

    /// How many more bytes the current, incomplete request is known to need; 0 if unknown. It is
    /// the client's claim for the one argument being read, at most `bulk_bytes_max + 2`.
    pub fn missing_bytes(&self) -> usize {
        self.progress.missing
    }

    /// Reads on in a multibulk request, from wherever the last call left it.
    #[cold]
    fn multibulk(
        &mut self,
        request: &[u8],
        start: usize,
        limits: RequestLimits,
        args: &mut Vec<ArgRange>,
    ) -> Result<Next, ProtocolError> {
        if !self.progress.advance(request, limits, &mut self.partial)? {
            return Ok(Next::Incomplete);
        }
        let end = start + self.progress.at;
        let whole = self.partial.drain(..);
        args.extend(whole.map(|arg| ArgRange { start: start + arg.start, len: arg.len }));
        self.partial.shrink_to(KEPT_ARGS_MAX);
        self.progress = Progress::default();
        Ok(Next::Request { end })
    }

    fn inline(
        &mut self,
        buf: &mut [u8],
        start: usize,
        args: &mut Vec<ArgRange>,
    ) -> Result<Next, ProtocolError> {
        let request = &buf[start..];
        if request.starts_with(TLS_HANDSHAKE) {
            return Err(ProtocolError::Tls);
        }
        let line_bytes = match find_line_end(request, b'\n', &mut self.progress.scanned) {
            LineEnd::Found(line_bytes) => line_bytes,
            LineEnd::NotYet => return Ok(Next::Incomplete),
            LineEnd::TooFar => return Err(ProtocolError::InlineTooBig),
        };
        let text_bytes = match &request[..line_bytes] {
            [text @ .., b'\r'] => text.len(),
            text => text.len(),
        };
        let args_before = args.len();
        inline::split(buf, start..start + text_bytes, args).map_err(|_| {
            args.truncate(args_before);
            ProtocolError::UnbalancedQuotes
        })?;
        self.progress = Progress::default();
        Ok(Next::Request { end: start + line_bytes + 1 })
    }
}

impl Progress {
    fn is_new(&self) -> bool {
        self.at == 0 && self.scanned == 0
    }

    /// Reads as far as the bytes reach, appending whole arguments to `args`; `true` at the end of
    /// the request.
    fn advance(
        &mut self,
        request: &[u8],
        limits: RequestLimits,
        args: &mut Vec<ArgRange>,
    ) -> Result<bool, ProtocolError> {
        if self.at == 0 {
            match self.count(request, limits)? {
                Some(count) => self.args_left = count,
                None => return Ok(false),
            }
        }
        while self.args_left > 0 {
            if self.bulk_bytes.is_none() {
                self.bulk_bytes = self.bulk_length(request, limits)?;
            }
            let Some(bulk_bytes) = self.bulk_bytes else {
                return Ok(false);
            };
            let needed = bulk_bytes.saturating_add(LINE_END_BYTES);
            let available = request.len() - self.at;
            self.missing = needed.saturating_sub(available);
            if self.missing > 0 {
                return Ok(false);
            }
            steps::add(1);
            args.push(ArgRange { start: self.at, len: bulk_bytes });
            self.at += needed;
            self.bulk_bytes = None;
            self.args_left -= 1;
        }
        Ok(true)
    }

    /// Reads the `*` line; `None` if it isn't whole yet. A negative number counts as 0.
    fn count(&mut self, request: &[u8], limits: RequestLimits) -> Result<Option<usize>, ProtocolError> {
        let count = match self.header(request) {
            Header::Incomplete => return Ok(None),
            Header::TooLong => return Err(ProtocolError::CountLineTooBig),
            Header::Line { number, .. } => number,
        };
        let count = count.filter(|&count| count <= REQUEST_ARGS_MAX).ok_or(ProtocolError::InvalidCount)?;
        let count = usize::try_from(count).unwrap_or(0);
        if count > UNAUTHENTICATED_ARGS_MAX && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        Ok(Some(count))
    }

    /// Reads a `$` line; `None` if it isn't whole yet.
    fn bulk_length(&mut self, request: &[u8], limits: RequestLimits) -> Result<Option<usize>, ProtocolError> {
        let (mark, number) = match self.header(request) {
            Header::Incomplete => return Ok(None),
            Header::TooLong => return Err(ProtocolError::BulkLineTooBig),
            Header::Line { mark, number } => (mark, number),
        };
        if mark != b'$' {
            return Err(ProtocolError::ExpectedBulk { got: mark });
        }
        let bulk_bytes = number
            .and_then(|number| usize::try_from(number).ok())
            .filter(|&bulk_bytes| bulk_bytes <= limits.bulk_bytes_max)
            .ok_or(ProtocolError::InvalidBulkLength)?;
        if bulk_bytes > UNAUTHENTICATED_BULK_BYTES_MAX && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        Ok(Some(bulk_bytes))
    }

    /// Reads the header line at `at`, a mark and a number, and moves behind it.
    fn header(&mut self, request: &[u8]) -> Header {
        let line = &request[self.at..];
        let text_bytes = match find_line_end(line, b'\r', &mut self.scanned) {
            LineEnd::Found(text_bytes) => text_bytes,
            LineEnd::NotYet => return Header::Incomplete,
            LineEnd::TooFar => return Header::TooLong,
        };
        // The byte behind `\r` must be there, but Redis doesn't mind which it is, nor do we.
        let line_bytes = text_bytes + LINE_END_BYTES;
        if line.len() < line_bytes {
            return Header::Incomplete;
        }
        self.at += line_bytes;
        self.scanned = 0;
        let number = line.get(1..text_bytes).and_then(parse_i64);
        Header::Line { mark: line[0], number }
    }
}

enum Header {
    Incomplete,
    TooLong,
    /// `number` is `None` if the line holds no number by [`parse_i64`]'s rules.
    Line {
        mark: u8,
        number: Option<i64>,
    },
}

enum LineEnd {
    /// The line has this many bytes before its `end` byte.
    Found(usize),
    NotYet,
    TooFar,
}

/// Looks for the byte `end` in `line`, from where the last search in the same line stopped.
///
/// A NUL byte hides all that follows it, as it does from Redis's `strchr`: such a line never ends
/// and fails once it is too long. A line whose end lies beyond the limit fails even if the end is
/// already there; Redis lets it pass if it arrived in one piece, and we don't depend on pieces.
fn find_line_end(line: &[u8], end: u8, scanned: &mut usize) -> LineEnd {
    let window = &line[..line.len().min(INLINE_BYTES_MAX + 1)];
    let found = memchr2(end, 0, &window[*scanned..]).map(|at| *scanned + at);
    steps::add(found.unwrap_or(window.len()) - *scanned);
    *scanned = found.unwrap_or(window.len());
    match found {
        Some(at) if window[at] == end => LineEnd::Found(at),
        _ if line.len() > INLINE_BYTES_MAX => LineEnd::TooFar,
        _ => LineEnd::NotYet,
    }
}

/// Digits of a number that the hot path reads; what fits them needs no check for overflow.
const PLAIN_DIGITS_MAX: usize = 9;
const _: () = assert!(999_999_999 <= REQUEST_ARGS_MAX);

/// The hot path: reads a multibulk request that is there whole and has nothing odd about it, and
/// returns where it ends. `None` means "not sure", never "wrong", and leaves `args` as they were.
#[inline]
fn plain_request(buf: &[u8], start: usize, limits: RequestLimits, args: &mut Vec<ArgRange>) -> Option<usize> {
    let args_before = args.len();
    let end = plain_bulks(buf, start, limits, args);
    if end.is_none() {
        args.truncate(args_before);
    }
    end
}

/// [`plain_request`] without its promise about `args`.
#[inline]
fn plain_bulks(buf: &[u8], start: usize, limits: RequestLimits, args: &mut Vec<ArgRange>) -> Option<usize> {
    let small_only = !limits.authenticated;
    let (count, mut at) = plain_header(b'*', buf, start)?;
    if small_only && count > UNAUTHENTICATED_ARGS_MAX {
        return None;
    }
    for _ in 0..count {
        let (bulk_bytes, bulk_start) = plain_header(b'$', buf, at)?;
        let too_big =
            bulk_bytes > limits.bulk_bytes_max || (small_only && bulk_bytes > UNAUTHENTICATED_BULK_BYTES_MAX);
        let needed = bulk_bytes + LINE_END_BYTES;
        if too_big || needed > buf.len() - bulk_start {
            return None;
        }
        steps::add(1);
        args.push(ArgRange { start: bulk_start, len: bulk_bytes });
        at = bulk_start + needed;
    }
    Some(at)
}

/// Reads the header line at `at`: `mark`, a few digits, `\r` and one byte more. Returns its number
/// and where the next line begins.
#[inline(always)]
fn plain_header(mark: u8, buf: &[u8], at: usize) -> Option<(usize, usize)> {
    let line = buf.get(at..)?;
    // Nearly all have one digit or two.
    match line.first_chunk() {
        Some(&[first, one @ b'0'..=b'9', b'\r', _, _]) if first == mark => {
            steps::add(2);
            Some((usize::from(one - b'0'), at + 4))
        }
        Some(&[first, ten @ b'1'..=b'9', one @ b'0'..=b'9', b'\r', _]) if first == mark => {
            steps::add(3);
            Some((usize::from(ten - b'0') * 10 + usize::from(one - b'0'), at + 5))
        }
        _ => longer_header(mark, buf, at),
    }
}

/// [`plain_header`] for any number of digits.
fn longer_header(mark: u8, buf: &[u8], at: usize) -> Option<(usize, usize)> {
    if *buf.get(at)? != mark {
        return None;
    }
    let first = at + 1;
    let mut end = first;
    let mut number = 0;
    loop {
        let digit = buf.get(end)?.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if end - first == PLAIN_DIGITS_MAX {
            return None;
        }
        number = number * 10 + usize::from(digit);
        end += 1;
    }
    steps::add(end - at);
    let leading_zero = buf[first] == b'0' && end - first > 1;
    let plain = end > first && !leading_zero && buf[end] == b'\r' && buf.len() - end > 1;
    plain.then_some((number, end + LINE_END_BYTES))
}

/// Counts, in tests only, the bytes looked at and the arguments found: cost without a clock.
mod steps {
    #[cfg(test)]
    thread_local! {
        pub(super) static TAKEN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[inline]
    pub(super) fn add(_steps: usize) {
        #[cfg(test)]
        TAKEN.set(TAKEN.get() + _steps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RequestLimits = RequestLimits { authenticated: true, bulk_bytes_max: 1 << 20 };

    #[test]
    fn a_whole_request_never_touches_the_parsers_own_list() {
        let mut buf = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(100);
        let (mut parser, mut args, mut start) = (Parser::default(), Vec::new(), 0);
        while start < buf.len() {
            let next = parser.next(&mut buf, start, LIMITS, &mut args);
            start += 20;
            assert_eq!(next, Ok(Next::Request { end: start }));
        }
        assert_eq!(args.len(), 200);
        assert_eq!(parser.partial.capacity(), 0);
    }

    #[test]
    fn a_long_cut_request_gives_its_room_back() {
        let mut buf = b"*5000\r\n".to_vec();
        buf.extend(b"$1\r\nk\r\n".repeat(5000));
        let (mut parser, mut args) = (Parser::default(), Vec::new());
        let whole = buf.len();
        assert_eq!(parser.next(&mut buf[..whole - 1], 0, LIMITS, &mut args), Ok(Next::Incomplete));
        assert_eq!(parser.partial.len(), 4999);
        let next = parser.next(&mut buf, 0, LIMITS, &mut args);
        assert_eq!(next, Ok(Next::Request { end: whole }));
        assert!(parser.partial.capacity() <= KEPT_ARGS_MAX);
    }

    /// Steps to read `wire` when it arrives in pieces of `piece_bytes`.
    fn steps_in_pieces(wire: &[u8], piece_bytes: usize) -> usize {
        let (mut parser, mut args) = (Parser::default(), Vec::new());
        let mut buf = wire.to_vec();
        steps::TAKEN.set(0);
        for here in (piece_bytes..wire.len()).step_by(piece_bytes) {
            let next = parser.next(&mut buf[..here], 0, LIMITS, &mut args);
            assert_eq!(next, Ok(Next::Incomplete));
        }
        let next = parser.next(&mut buf, 0, LIMITS, &mut args);
        assert_eq!(next, Ok(Next::Request { end: wire.len() }));
        steps::TAKEN.get()
    }

    #[test]
    fn steps_grow_with_the_bytes_and_not_with_the_cuts() {
        let mut long_request = b"*100000\r\n".to_vec();
        long_request.extend(b"$10\r\n0123456789\r\n".repeat(100_000));
        let mut long_argument = b"*2\r\n$3\r\nGET\r\n$1000000\r\n".to_vec();
        long_argument.resize(long_argument.len() + 1_000_002, b'x');
        let mut long_line = vec![b'x'; INLINE_BYTES_MAX];
        long_line.push(b'\n');
        for wire in [&long_request, &long_argument, &long_line] {
            for piece_bytes in [1, 7, 1400, wire.len()] {
                let steps = steps_in_pieces(wire, piece_bytes);
                assert!(steps <= 2 * wire.len(), "{steps} for {} in {piece_bytes}", wire.len());
            }
        }
    }
}
