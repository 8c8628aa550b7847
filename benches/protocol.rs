//! What do parsing a request and writing a reply cost? Wall clock, one thread, everything in the cache.
//!
//! `cargo bench --bench protocol`, or with a part of a name behind it. A pass is what stays within noise of the
//! last run on the same machine; figures of two machines say nothing.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use onefill::protocol::output::Output;
use onefill::protocol::reply::{Proto, Reply};
use onefill::protocol::request::{Next, Parser, RequestLimits};

const LIMITS: RequestLimits = RequestLimits { authenticated: true, bulk_bytes_max: 512 << 20 };

/// A request in wire format.
fn words(words: &[&[u8]]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        request.extend_from_slice(word);
        request.extend_from_slice(b"\r\n");
    }
    request
}

/// Cuts all requests out of `bytes`; returns how many there were.
fn parse_all(
    parser: &mut Parser,
    bytes: &mut [u8],
    words: &mut Vec<onefill::protocol::range::ArgRange>,
) -> u64 {
    let (mut start, mut count) = (0, 0);
    words.clear();
    while let Ok(Next::Request { end }) = parser.next(bytes, start, LIMITS, words) {
        (start, count) = (end, count + 1);
    }
    count
}

fn requests(criterion: &mut Criterion) {
    let key: &[u8] = b"k000000000000007";
    let mget: Vec<&[u8]> = std::iter::once(&b"MGET"[..]).chain(std::iter::repeat_n(key, 100)).collect();
    let cases = [
        ("get_16b", words(&[b"GET", key])),
        ("set_16b_64b", words(&[b"SET", key, &[b'x'; 64]])),
        ("set_16b_64b_x64", words(&[b"SET", key, &[b'x'; 64]]).repeat(64)),
        ("mget_100", words(&mget)),
        ("inline_get_16b", b"GET k000000000000007\r\n".to_vec()),
    ];
    let mut group = criterion.benchmark_group("request");
    for (name, bytes) in cases {
        let (mut parser, mut places) = (Parser::default(), Vec::new());
        let mut buffer = bytes;
        group.throughput(Throughput::Elements(parse_all(&mut parser, &mut buffer, &mut places)));
        group.bench_function(name, |bencher| {
            bencher.iter(|| parse_all(&mut parser, black_box(&mut buffer), &mut places));
        });
    }
    group.finish();
}

/// A request that arrives in two reads, cut inside its value: the resumable way.
fn cut_request(criterion: &mut Criterion) {
    let mut bytes = words(&[b"SET", b"k000000000000007", &[b'x'; 64]]);
    let cut = bytes.len() - 20;
    let (mut parser, mut places) = (Parser::default(), Vec::new());
    criterion.bench_function("request/set_in_two_reads", |bencher| {
        bencher.iter(|| {
            let before = parse_all(&mut parser, black_box(&mut bytes[..cut]), &mut places);
            let behind = parse_all(&mut parser, black_box(&mut bytes), &mut places);
            assert_eq!((before, behind), (0, 1));
        });
    });
}

fn replies(criterion: &mut Criterion) {
    let value = [b'x'; 64];
    let large = Bytes::from(vec![b'x'; 64 << 10]);
    let mut group = criterion.benchmark_group("reply");
    let mut case = |name: &str, write: &dyn Fn(&mut Reply<'_>)| {
        let mut out = Output::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                write(&mut Reply::new(black_box(&mut out), Proto::Resp2));
                out.clear(usize::MAX);
            });
        });
    };
    case("ok", &|reply| reply.ok());
    case("int", &|reply| reply.int(black_box(1_234_567)));
    case("null", &|reply| reply.null());
    case("bulk_64b", &|reply| reply.bulk(black_box(&value)));
    case("bulk_64b_x64", &|reply| (0..64).for_each(|_| reply.bulk(black_box(&value))));
    case("bulk_shared_64k", &|reply| reply.bulk_shared(large.clone()));
    case("error", &|reply| {
        reply.error(b"WRONGTYPE Operation against a key holding the wrong kind of value");
    });
    case("fill_hit", &|reply| {
        reply.array(4);
        reply.bulk(b"HIT");
        reply.bulk(black_box(&value));
        reply.null();
        reply.int(black_box(59_990));
    });
    group.finish();
}

criterion_group! {
    name = protocol;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = requests, cut_request, replies
}
criterion_main!(protocol);
