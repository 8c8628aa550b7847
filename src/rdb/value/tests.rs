//! Against what redis-server 7.0.15 dumps and takes, and against anything else.

use proptest::prelude::*;

use super::*;
use crate::rdb::write_string;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The items of a value, as texts.
fn items(body: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut items = Vec::new();
    read(body, 1 << 20, &mut |item| {
        items.push(match item {
            Item::String(string) => text(&string),
            Item::Element(element) => format!("+{}", text(element)),
            Item::Member(member) => text(member),
            Item::Scored(member, score) => format!("{}@{score}", text(member)),
            Item::Field(field, value, None) => format!("{}={}", text(field), text(value)),
            Item::Field(field, value, Some(at)) => format!("{}={}<{at}", text(field), text(value)),
        });
        Ok(())
    })
    .map(|()| items)
}

/// Values as redis-server 7.0.15 dumps them, and older forms that it takes; those with deadlines as 8.0.6 does.
const DUMPED: &[(&[u8], &[&str])] = &[
    (b"\x00\x05hello", &["hello"]),
    (b"\x00\xc1\xd2\x04", &["1234"]),
    (b"\x01\x02\x01a\xc0\x05", &["+a", "+5"]),
    (b"\x02\x02\x01a\x01b", &["a", "b"]),
    (b"\x03\x03\x01a\x031.5\x01b\xfe\x01c\xff", &["a@1.5", "b@inf", "c@-inf"]),
    (b"\x04\x01\x01f\xc3\x09@A\x01vv\xe04\x00\x01vv", &["f=vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"]),
    (b"\x05\x01\x01y\x00\x00\x00\x00\x00\x00\xf8?", &["y@1.5"]),
    (b"\x09\x0e\x02\x01f\x02\x01vvx\x01g\x01\x00v\xff", &["f=vv", "g=v"]),
    (b"\x0a\x10\x10\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01a\x03\xf2\xff", &["+a", "+1"]),
    (b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00,\x01", &["1", "2", "300"]),
    (b"\x0c\x18\x18\x00\x00\x00\x15\x00\x00\x00\x04\x00\x00\x01a\x03\x031.5\x05\x01b\x03\xf4\xff", &["a@1.5", "b@3"]),
    (b"\x0d\x16\x16\x00\x00\x00\x12\x00\x00\x00\x04\x00\x00\x01f\x03\xf2\x02\x01g\x03\x01v\xff", &["f=1", "g=v"]),
    (
        b"\x0e\x02\x0b\x0b\x00\x00\x00\x0a\x00\x00\x00\x00\x00\xff\x0e\x0e\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x01b\xff",
        &["+b"],
    ),
    (b"\x10\x1a\x1a\x00\x00\x00\x06\x00\x81f\x02\x01\x01\x81g\x02\x83abc\x04\x81n\x02\xdf\xf9\x02\xff", &["f=1", "g=abc", "n=-7"]),
    (
        b"\x11%%\x00\x00\x00\x08\x00\x81d\x02\x84-inf\x05\x81a\x02\x831.5\x04\x81b\x02\x03\x01\x81c\x02\x83inf\x04\xff",
        &["d@-inf", "a@1.5", "b@3", "c@inf"],
    ),
    (
        b"\x12\x02\x01\xc3\x09\x19\x01qq\xe0\x0c\x00\x01qq\x02\x0a\x0a\x00\x00\x00\x01\x00\x81w\x02\xff",
        &["+qqqqqqqqqqqqqqqqqqqqqqqqq", "+w"],
    ),
    (
        b"\x12\x02\x02\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81b\x02\xff\x02\x0a\x0a\x00\x00\x00\x01\x00\x81c\x02\xff",
        &["+a", "+b", "+c"],
    ),
    (
        b"\x18{8\xd3`\xba\x01\x00\x00\x03\x00\x01a\xc0\x01\x00\x01l\x02xx\x01\x01b\xc0\x02",
        &["a=1", "l=xx", "b=2<1900000000123"],
    ),
    (
        b"\x19{8\xd3`\xba\x01\x00\x00\x1d\x1d\x00\x00\x00\x06\x00\x81b\x02\x02\x01\xf4{8\xd3`\xba\x01\x00\x00\t\x81a\x02\x01\x01\x00\x01\xff",
        &["b=2<1900000000123", "a=1"],
    ),
    (b"\x14\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81b\x02\xff", &["a", "b"]),
];

#[test]
fn values_of_every_form_are_read() {
    for (body, expected) in DUMPED {
        let read = items(body);
        assert_eq!(
            read,
            Ok(expected.iter().map(|item| (*item).to_owned()).collect()),
            "{}",
            body.escape_ascii()
        );
    }
    let forms = DUMPED.iter().map(|(body, _)| body[0]).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(forms.len(), MARKS.len(), "one of each");
}

#[test]
fn every_cut_is_noticed_and_no_changed_byte_is_a_fault() {
    for (body, _) in DUMPED {
        for at in 0..body.len() {
            assert_eq!(items(&body[..at]), Err(Malformed), "{}: {at} bytes", body.escape_ascii());
            for flip in 1..=255 {
                let mut changed = body.to_vec();
                changed[at] ^= flip;
                let read = items(&changed);
                assert!(read.map_or(0, |read| read.len()) <= body.len(), "{}", changed.escape_ascii());
            }
        }
        let longer = [body, &b"\x00"[..]].concat();
        assert_eq!(items(&longer), Err(Malformed), "{}", longer.escape_ascii());
    }
}

#[test]
fn what_is_no_value_is_refused() {
    for body in [
        &b"\x02\x00"[..],
        b"\x04\x00",
        b"\x0e\x00",
        b"\x0b\x08\x02\0\0\0\0\0\0\0",
        b"\x06\x01a",
        b"\x0f\x01a",
        b"\x63\x01a",
        b"\x05\x01\x01f\0\0\0\0\0\0\xf8\x7f",
        b"\x03\x01\x01f\xfd",
        b"\x03\x01\x01f\x01x",
        b"\x12\x01\x03\x01a",
        b"\x0d\x13\x13\0\0\0\x0f\0\0\0\x03\0\0\x01f\x03\xf2\x02\x01g\xff",
        // Announced, and not there.
        b"\x02\x80\xff\xff\xff\xff\x01a",
        b"\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
        b"\x00\x80\xff\xff\xff\xffa",
    ] {
        assert_eq!(items(body), Err(Malformed), "{}", body.escape_ascii());
    }
    let too_long = read::<Malformed>(b"\x00\x05hello", 4, &mut |_| Ok(()));
    assert_eq!(too_long, Err(Malformed));
}

#[test]
fn what_the_taker_refuses_ends_it() {
    let mut seen = 0;
    let result = read::<Malformed>(b"\x02\x03\x01a\x01b\x01c", 10, &mut |_| {
        seen += 1;
        if seen == 2 { Err(Malformed) } else { Ok(()) }
    });
    assert_eq!((result, seen), (Err(Malformed), 2));
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_malformed(mark in 0u8..24, rest: Vec<u8>) {
        let body = [&[mark], &rest[..]].concat();
        // What is packed may be some ninety times as long.
        prop_assert!(items(&body).map_or(0, |read| read.len()) <= 100 * body.len());
    }

    #[test]
    fn what_is_written_is_read(
        texts in proptest::collection::vec(any::<Vec<u8>>(), 1..20),
        scores in proptest::collection::vec(any::<f64>().prop_filter("scores are numbers", |score| !score.is_nan()), 20),
    ) {
        for of_type in [Type::List, Type::Set, Type::Zset, Type::Hash] {
            let mut body = Vec::new();
            write_head(&mut body, of_type, texts.len());
            for (text, score) in texts.iter().zip(&scores) {
                write_string(&mut body, text);
                match of_type {
                    Type::Hash => write_string(&mut body, text),
                    Type::Zset => write_score(&mut body, *score),
                    _ => {}
                }
            }
            let mut at = 0;
            let read = read::<Malformed>(&body, 1 << 20, &mut |item| {
                let text = &texts[at][..];
                let expected = match of_type {
                    Type::Hash => Item::Field(text, text, None),
                    Type::Zset => Item::Scored(text, scores[at]),
                    Type::Set => Item::Member(text),
                    _ => Item::Element(text),
                };
                at += 1;
                if item == expected { Ok(()) } else { Err(Malformed) }
            });
            prop_assert_eq!((read, at), (Ok(()), texts.len()));
        }
    }
}
