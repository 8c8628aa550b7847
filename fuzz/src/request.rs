//! What must hold for the request parser, whatever bytes it is given and however they are cut.
//!
//! Owns the check that the fuzz target and the ordinary tests share; knows nothing of where its
//! cases come from. A case is one steering byte and then the byte stream, so that seeds are text:
//! an odd steering byte (`a`) is an authenticated connection, an even one (`b`) is not, and the
//! rest of it chooses the cuts.

use onefill::protocol::range::ArgRange;
use onefill::protocol::request::{Next, Parser, ProtocolError, RequestLimits};

/// Large enough for every `$` line a short case can satisfy, small enough to be exceeded.
pub const BULK_BYTES_MAX: usize = 100_000;

/// All that a byte stream was read as.
#[derive(Debug, PartialEq, Eq)]
pub struct Reading {
    /// The arguments of each request, those of empty requests included.
    pub requests: Vec<Vec<Vec<u8>>>,
    /// Bytes of the stream that were read as whole requests.
    pub consumed: usize,
    pub error: Option<ProtocolError>,
}

/// Panics if the case breaks the parser or is read differently in pieces than whole.
pub fn check_request_case(case: &[u8]) {
    let Some((&steer, stream)) = case.split_first() else {
        return;
    };
    let limits = RequestLimits { authenticated: steer % 2 == 1, bulk_bytes_max: BULK_BYTES_MAX };
    let whole = read(&[stream], limits);
    assert_eq!(read(&pieces(stream, u64::from(steer)), limits), whole, "cut at random");
    // Byte by byte costs a copy of the rest with each request, so only short streams.
    if stream.len() <= 4096 {
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes, limits), whole, "cut at every byte");
    }
    check_canonical(&whole);
}

/// Reads a stream that arrives in `pieces`, as a connection does: each piece is put behind the
/// bytes not yet read, and the requests that are whole by then are taken out.
pub fn read(pieces: &[&[u8]], limits: RequestLimits) -> Reading {
    let mut reading = Reading { requests: Vec::new(), consumed: 0, error: None };
    let mut parser = Parser::default();
    let mut args: Vec<ArgRange> = Vec::new();
    let mut buf = Vec::new();
    let mut start = 0;
    for (turn, piece) in pieces.iter().enumerate() {
        // On some turns the buffer is compacted, so that requests move while they are read.
        if turn % 3 == 1 {
            buf.drain(..start);
            start = 0;
        }
        let missing = parser.missing_bytes();
        buf.extend_from_slice(piece);
        loop {
            args.clear();
            match parser.next(&mut buf, start, limits, &mut args) {
                Ok(Next::Request { end }) => {
                    assert!(start < end && end <= buf.len(), "a request ends within its bytes");
                    let request = args.iter().map(|arg| arg.of(&buf).to_vec()).collect();
                    reading.requests.push(request);
                    reading.consumed += end - start;
                    start = end;
                }
                Ok(Next::Incomplete) => {
                    assert!(args.is_empty(), "an incomplete request shows no arguments");
                    break;
                }
                Err(error) => {
                    assert!(args.is_empty(), "a malformed request shows no arguments");
                    reading.error = Some(error);
                    return reading;
                }
            }
        }
        if piece.len() < missing {
            let left = missing - piece.len();
            assert_eq!(parser.missing_bytes(), left, "what was missing is counted down");
        }
    }
    reading
}

/// Cuts `stream` into pieces whose lengths follow from `seed`: mostly short, some longer.
pub fn pieces(mut stream: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut pieces = Vec::new();
    while !stream.is_empty() {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bytes_max = if state & 3 == 0 { 2000 } else { 12 };
        let (piece, rest) = stream.split_at((1 + state as usize / 4 % bytes_max).min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

/// Whatever a request looked like, its arguments written as plain multibulk read back the same.
fn check_canonical(reading: &Reading) {
    let mut wire = Vec::new();
    let mut expected = Vec::new();
    for request in reading.requests.iter().filter(|request| !request.is_empty()) {
        write_request(request, &mut wire);
        expected.push(request.clone());
    }
    let limits = RequestLimits { authenticated: true, bulk_bytes_max: BULK_BYTES_MAX };
    let again = read(&[&wire], limits);
    assert_eq!(again, Reading { requests: expected, consumed: wire.len(), error: None });
}

/// Writes a request as a client library does.
pub fn write_request<A: AsRef<[u8]>>(args: &[A], wire: &mut Vec<u8>) {
    wire.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args.iter().map(AsRef::as_ref) {
        wire.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        wire.extend_from_slice(arg);
        wire.extend_from_slice(b"\r\n");
    }
}
