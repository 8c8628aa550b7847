//! The request parser against its promises: cuts make no difference, no bytes break it, and its
//! cost is linear. Redis's own reading of the same bytes is `protocol_reference`'s business.

use crate::checks::{BULK_BYTES_MAX, Reading, check_request_case, pieces, read, write_request};
use onefill::protocol::range::ArgRange;
use onefill::protocol::request::{Next, Parser, ProtocolError, RequestLimits};
use proptest::prelude::*;
use redis_protocol::resp2::encode::encode;
use redis_protocol::resp2::types::{OwnedFrame, Resp2Frame};
use std::path::Path;

const OPEN: RequestLimits = RequestLimits { authenticated: true, bulk_bytes_max: BULK_BYTES_MAX };
const LOCKED: RequestLimits = RequestLimits { authenticated: false, ..OPEN };

fn requests(stream: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let reading = read(&[stream], OPEN);
    assert_eq!(reading.error, None, "{}", stream.escape_ascii());
    reading.requests
}

fn error(stream: &[u8], limits: RequestLimits) -> Option<ProtocolError> {
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    let whole = read(&[stream], limits);
    assert_eq!(read(&bytes, limits), whole, "{}", stream.escape_ascii());
    whole.error
}

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn requests_of_both_kinds_are_read_in_order() {
    let stream = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING \"a b\"\r\n*1\r\n$0\r\n\r\nPING\n";
    let expected = vec![words(&["GET", "k"]), words(&["PING", "a b"]), words(&[""]), words(&["PING"])];
    assert_eq!(requests(stream), expected);
}

#[test]
fn requests_without_arguments_are_empty() {
    let stream = b"*0\r\n*-1\r\n*-2147483649\r\n\r\n\n   \t\r\n";
    assert_eq!(requests(stream), vec![Vec::<Vec<u8>>::new(); 6]);
}

#[test]
fn bytes_that_redis_does_not_check_are_free() {
    assert_eq!(requests(b"*1\rX$4\rYPINGZZ"), vec![words(&["PING"])]);
}

#[test]
fn malformed_requests_fail_with_their_error() {
    use ProtocolError::*;
    let rows: &[(&[u8], RequestLimits, ProtocolError)] = &[
        (b"*\r\n", OPEN, InvalidCount),
        (b"*1x\r\n", OPEN, InvalidCount),
        (b"*01\r\n", OPEN, InvalidCount),
        (b"*+1\r\n", OPEN, InvalidCount),
        (b"* 1\r\n", OPEN, InvalidCount),
        (b"*-0\r\n", OPEN, InvalidCount),
        (b"*2147483648\r\n", OPEN, InvalidCount),
        (b"*99999999999999999\r\n", OPEN, InvalidCount),
        (b"*99999999999999999999999999\r\n", OPEN, InvalidCount),
        (b"*11\r\n", LOCKED, UnauthenticatedCount),
        (b"*2147483648\r\n", LOCKED, InvalidCount),
        (b"*1\r\nPING\r\n", OPEN, ExpectedBulk { got: b'P' }),
        (b"*1\r\nP4\r\n", OPEN, ExpectedBulk { got: b'P' }),
        (b"*1\r\n\r\n", OPEN, ExpectedBulk { got: b'\r' }),
        (b"*1\r\n$\r\n", OPEN, InvalidBulkLength),
        (b"*1\r\n$-1\r\n", OPEN, InvalidBulkLength),
        (b"*1\r\n$1a\r\n", OPEN, InvalidBulkLength),
        (b"*1\r\n$00\r\n", OPEN, InvalidBulkLength),
        (b"*1\r\n$100001\r\n", OPEN, InvalidBulkLength),
        (b"*1\r\n$100001\r\n", LOCKED, InvalidBulkLength),
        (b"*1\r\n$16385\r\n", LOCKED, UnauthenticatedBulkLength),
        (b"GET \"k\r\n", OPEN, UnbalancedQuotes),
        (b"GET 'k'x\r\n", OPEN, UnbalancedQuotes),
    ];
    for (stream, limits, expected) in rows {
        let found = error(stream, *limits);
        assert_eq!(found.as_ref(), Some(expected), "{}", stream.escape_ascii());
    }
}

#[test]
fn requests_at_the_limits_are_no_error() {
    for (stream, limits) in [
        (&b"*2147483647\r\n"[..], OPEN),
        (b"*10\r\n", LOCKED),
        (b"*1\r\n$100000\r\n", OPEN),
        (b"*1\r\n$16384\r\n", LOCKED),
        (b"*1\r\n$4\r", OPEN),
        (b"*1\r", OPEN),
        (b"*1\0\r\n$4\r\nPING\r\n", OPEN),
        (b"PI\0NG\r\n", OPEN),
        (b"*1\r\n\x004\r\nPING\r\n", OPEN),
    ] {
        assert_eq!(error(stream, limits), None, "{}", stream.escape_ascii());
    }
}

#[test]
fn limits_hold_for_requests_that_are_there_whole() {
    let many = vec![b"x".to_vec(); 11];
    let large = vec![vec![b'x'; 16_385]];
    let huge = vec![vec![b'x'; BULK_BYTES_MAX + 1]];
    for (args, limits, expected) in [
        (&many, OPEN, None),
        (&large, OPEN, None),
        (&huge, OPEN, Some(ProtocolError::InvalidBulkLength)),
        (&many, LOCKED, Some(ProtocolError::UnauthenticatedCount)),
        (&large, LOCKED, Some(ProtocolError::UnauthenticatedBulkLength)),
        (&huge, LOCKED, Some(ProtocolError::InvalidBulkLength)),
    ] {
        let mut wire = Vec::new();
        write_request(args, &mut wire);
        assert_eq!(read(&[&wire], limits).error, expected, "{} arguments", args.len());
    }
}

#[test]
fn lines_may_be_64_kib_long_and_no_longer() {
    const LIMIT: usize = 64 * 1024;
    for (before, line_end, too_big) in [
        (&b""[..], &b"\n"[..], ProtocolError::InlineTooBig),
        (b"*", b"\r\n", ProtocolError::CountLineTooBig),
        (b"*1\r\n$", b"\r\n", ProtocolError::BulkLineTooBig),
    ] {
        let mark_bytes = usize::from(!before.is_empty());
        let line = |bytes: usize, end: &[u8]| [before, &vec![b'x'; bytes - mark_bytes], end].concat();
        let longest = error(&line(LIMIT, line_end), OPEN);
        assert_ne!(longest.as_ref(), Some(&too_big), "with its end");
        assert_eq!(error(&line(LIMIT, b""), OPEN), None, "unfinished");
        assert_eq!(error(&line(LIMIT + 1, b""), OPEN), Some(too_big.clone()), "unfinished");
        assert_eq!(error(&line(LIMIT + 1, line_end), OPEN), Some(too_big), "with its end");
    }
}

#[test]
fn a_line_with_a_nul_byte_ends_as_too_big() {
    let rest = vec![b'\n'; 64 * 1024];
    let inline = [b"\0", &rest[..]].concat();
    assert_eq!(error(&inline, OPEN), Some(ProtocolError::InlineTooBig));
    let count = [b"*1\0\r\n", &rest[..]].concat();
    assert_eq!(error(&count, OPEN), Some(ProtocolError::CountLineTooBig));
    let bulk = [b"*1\r\n$4\0\r\n", &rest[..]].concat();
    assert_eq!(error(&bulk, OPEN), Some(ProtocolError::BulkLineTooBig));
}

#[test]
fn an_error_repeats_the_unexpected_byte_and_keeps_the_reply_on_one_line() {
    let text = |got: u8| ProtocolError::ExpectedBulk { got }.text().into_owned();
    assert_eq!(text(b':'), b"Protocol error: expected '$', got ':'");
    assert_eq!(text(0xe9), b"Protocol error: expected '$', got '\xe9'");
    assert_eq!(text(b'\r'), b"Protocol error: expected '$', got ' '");
    let shown = ProtocolError::InvalidCount.to_string();
    assert_eq!(shown, "Protocol error: invalid multibulk length");
}

#[test]
fn a_huge_count_reserves_nothing() {
    let mut buf = b"*2147483647\r\n$1\r\nk\r\n".to_vec();
    let mut args = Vec::new();
    let next = Parser::default().next(&mut buf, 0, OPEN, &mut args);
    assert_eq!(next, Ok(Next::Incomplete));
    assert!(args.capacity() < 100, "{}", args.capacity());
}

#[test]
fn missing_bytes_tell_what_the_current_argument_lacks() {
    let mut parser = Parser::default();
    let mut args = Vec::new();
    let mut missing_after = |stream: &[u8]| {
        let next = parser.next(&mut stream.to_vec(), 0, OPEN, &mut args);
        assert_eq!(next, Ok(Next::Incomplete));
        parser.missing_bytes()
    };
    assert_eq!(missing_after(b"*2\r\n$50000"), 0);
    assert_eq!(missing_after(b"*2\r\n$50000\r\nabc"), 50_000 + 2 - 3);
    assert_eq!(missing_after(b"*2\r\n$50000\r\nabcde"), 50_000 + 2 - 5);
    let arrived = [b"*2\r\n$50000\r\n", &[b'x'; 50_000][..], b"\r\n$3"].concat();
    assert_eq!(missing_after(&arrived), 0);
}

#[test]
fn a_long_request_in_small_pieces_comes_out_whole() {
    let args: Vec<String> = (0..100_000).map(|number| format!("key:{number}")).collect();
    let mut wire = Vec::new();
    write_request(&args, &mut wire);
    let mut parser = Parser::default();
    let mut buf = Vec::new();
    let mut out: Vec<ArgRange> = Vec::new();
    let mut calls = 0;
    for piece in wire.chunks(1400) {
        assert!(out.is_empty(), "complete before its end");
        buf.extend_from_slice(piece);
        let next = parser.next(&mut buf, 0, OPEN, &mut out);
        calls += 1;
        let expected =
            if buf.len() < wire.len() { Next::Incomplete } else { Next::Request { end: wire.len() } };
        assert_eq!(next, Ok(expected));
    }
    assert!(calls > 1000, "{calls}");
    assert_eq!(out.len(), args.len());
    assert!(out.iter().zip(&args).all(|(range, arg)| range.of(&buf) == arg.as_bytes()));
}

/// Requests as another library writes them: a second opinion on the framing.
fn encoded_by_redis_protocol(args: &[Vec<u8>]) -> Vec<u8> {
    let bulks = args.iter().map(|arg| OwnedFrame::BulkString(arg.clone())).collect();
    let frame = OwnedFrame::Array(bulks);
    let mut wire = vec![0; frame.encode_len(false)];
    let bytes = encode(&mut wire, &frame, false).expect("the buffer has room");
    wire.truncate(bytes);
    wire
}

fn any_args() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let arg = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::collection::vec(any::<u8>(), 100..3000),
    ];
    prop::collection::vec(arg, 1..8)
}

/// A piece of a stream: a good request, an inline line, a broken one, or noise.
fn any_fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => any_args().prop_map(|args| {
            let mut wire = Vec::new();
            write_request(&args, &mut wire);
            wire
        }),
        2 => "[A-C \t\"'x41\\\\]{0,20}\r?\n".prop_map(String::into_bytes),
        2 => "(\\*[-+ 0-9]{0,4}\r\n)?(\\$[-+ 0-9]{0,6}\r\n)?[a-c]{0,6}(\r\n)?"
            .prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => prop::collection::vec(prop::sample::select(b"*$-019\r\n\0 \"'\\".to_vec()), 0..16),
    ]
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any_fragment(), 0..8).prop_map(|fragments| fragments.concat())
}

proptest! {
    #[test]
    fn frames_of_another_library_are_read_as_written(
        requests in prop::collection::vec(any_args(), 0..8),
        seed: u64,
    ) {
        let wire: Vec<u8> =
            requests.iter().flat_map(|args| encoded_by_redis_protocol(args)).collect();
        let expected = Reading { consumed: wire.len(), requests, error: None };
        prop_assert_eq!(read(&pieces(&wire, seed), OPEN), expected);
    }

    #[test]
    fn cuts_make_no_difference(stream in any_stream(), seed: u64, authenticated: bool) {
        let limits = RequestLimits { authenticated, ..OPEN };
        let whole = read(&[&stream], limits);
        prop_assert_eq!(&read(&pieces(&stream, seed), limits), &whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&read(&bytes, limits), &whole);
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(case in prop::collection::vec(any::<u8>(), 0..600)) {
        check_request_case(&case);
    }
}

#[test]
fn requests_cut_once_at_each_byte_are_read_the_same() {
    let stream = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n\
        PING \"a\\x41\" 'b'\r\n*0\r\n\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n:4\r\n";
    let whole = read(&[stream], OPEN);
    assert_eq!(whole.requests.len(), 5);
    assert_eq!(whole.error, Some(ProtocolError::ExpectedBulk { got: b':' }));
    for at in 0..=stream.len() {
        let (left, right) = stream.split_at(at);
        assert_eq!(read(&[left, right], OPEN), whole, "cut at {at}");
    }
}

/// The fuzz target's check on the committed seeds and on mutations of them: a bounded run that
/// needs no fuzzer. `ONEFILL_FUZZ_SEED` repeats a run, `ONEFILL_FUZZ_RUNS` makes it longer.
#[test]
fn mutated_seeds_are_read_or_refused() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("ONEFILL_FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    let runs = number("ONEFILL_FUZZ_RUNS").unwrap_or(20_000);
    println!("ONEFILL_FUZZ_SEED={seed} ONEFILL_FUZZ_RUNS={runs}");
    let seeds = committed_seeds();
    assert!(seeds.len() >= 20, "{} seeds", seeds.len());
    seeds.iter().for_each(|case| check_request_case(case));
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..runs {
        let case = mutated(&seeds, &mut random);
        let broken = std::panic::catch_unwind(|| check_request_case(&case)).is_err();
        assert!(!broken, "the parser fails on b\"{}\"", case.escape_ascii());
    }
}

/// The seeds in the order of their names, so that a seed of the generator repeats the run.
fn committed_seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/request");
    let entries = std::fs::read_dir(&folder).expect("the seeds are committed");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("readable")).collect()
}

/// One seed after a few of a fuzzer's usual moves.
fn mutated(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    const TELLING: &[u8] = b"*$-0123456789\r\n\0 \t\"'\\x";
    let mut case = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=case.len());
        match random.u8(..7) {
            0 => case.truncate(at),
            1 => case.insert(at, TELLING[random.usize(..TELLING.len())]),
            2 => case.insert(at, random.u8(..)),
            3 if at < case.len() => drop(case.remove(at)),
            4 if at < case.len() => case[at] = TELLING[random.usize(..TELLING.len())],
            5 if at < case.len() => case[at] ^= 1 << random.u8(..8),
            _ => {
                let other = &seeds[random.usize(..seeds.len())];
                case.splice(at..at, other[random.usize(..=other.len())..].iter().copied());
            }
        }
    }
    case
}
