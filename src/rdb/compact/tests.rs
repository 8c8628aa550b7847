//! Against writers of the same forms, which are as simple as their descriptions, and against anything else.

use proptest::collection::vec;
use proptest::prelude::*;

use super::parts::END;
use super::*;

#[derive(Clone, Debug, PartialEq)]
enum Written {
    Text(Vec<u8>),
    Int(i64),
}

fn ziplist(elements: &[Written]) -> Vec<u8> {
    let (mut entries, mut before, mut last_at) = (Vec::new(), 0usize, 10);
    for element in elements {
        last_at = 10 + entries.len();
        match u8::try_from(before).ok().filter(|len| *len < 254) {
            Some(len) => entries.push(len),
            None => {
                entries.push(254);
                entries.extend((before as u32).to_le_bytes());
            }
        }
        match element {
            Written::Text(text) if text.len() < 64 => entries.push(text.len() as u8),
            Written::Text(text) if text.len() < 16_384 => {
                entries.extend((0x4000 | text.len() as u16).to_be_bytes());
            }
            Written::Text(text) => {
                entries.push(0x80);
                entries.extend((text.len() as u32).to_be_bytes());
            }
            Written::Int(number @ 0..=12) => entries.push(0xf1 + *number as u8),
            Written::Int(number) => {
                let widths = [(0xfe, 1), (0xc0, 2), (0xf0, 3), (0xd0, 4), (0xe0, 8)];
                entries.extend(narrow(*number, &widths));
            }
        }
        if let Written::Text(text) = element {
            entries.extend(text);
        }
        before = 10 + entries.len() - last_at;
    }
    let head = [(entries.len() as u32 + 11).to_le_bytes(), (last_at as u32).to_le_bytes()].concat();
    [&head[..], &(elements.len() as u16).to_le_bytes(), &entries, &[END]].concat()
}

fn listpack(elements: &[Written]) -> Vec<u8> {
    let mut entries = Vec::new();
    for element in elements {
        let at = entries.len();
        match element {
            Written::Text(text) if text.len() < 64 => entries.push(0x80 | text.len() as u8),
            Written::Text(text) if text.len() < 4_096 => {
                entries.extend((0xe000 | text.len() as u16).to_be_bytes());
            }
            Written::Text(text) => {
                entries.push(0xf0);
                entries.extend((text.len() as u32).to_le_bytes());
            }
            Written::Int(number @ 0..128) => entries.push(*number as u8),
            Written::Int(number @ -4_096..4_096) => {
                entries.extend((0xc000 | (*number as u16 & 0x1fff)).to_be_bytes());
            }
            Written::Int(number) => {
                entries.extend(narrow(*number, &[(0xf1, 2), (0xf2, 3), (0xf3, 4), (0xf4, 8)]));
            }
        }
        if let Written::Text(text) = element {
            entries.extend(text);
        }
        let len = entries.len() - at;
        let back: &[usize] = match len {
            ..=127 => &[len],
            128..16_383 => &[len >> 7, len & 127 | 128],
            16_383..2_097_151 => &[len >> 14, len >> 7 & 127 | 128, len & 127 | 128],
            _ => unreachable!("no element here is as long"),
        };
        entries.extend(back.iter().map(|group| *group as u8));
    }
    let head = (entries.len() as u32 + 7).to_le_bytes();
    [&head[..], &(elements.len() as u16).to_le_bytes(), &entries, &[END]].concat()
}

/// An integer in the least of these widths that holds it, behind that one's head.
fn narrow(number: i64, widths: &[(u8, usize)]) -> Vec<u8> {
    let fits = |width: usize| number << (64 - 8 * width) >> (64 - 8 * width) == number;
    let (head, width) = *widths.iter().find(|(_, width)| fits(*width)).unwrap();
    [&[head], &number.to_le_bytes()[..width]].concat()
}

fn read(compact: Compact, bytes: &[u8]) -> Result<Vec<Written>, Malformed> {
    let written = |element: Element<'_>| match element {
        Element::Text(text) => Written::Text(text.to_vec()),
        Element::Int(number) => Written::Int(number),
    };
    compact.elements(bytes).map(|element| element.map(written)).collect()
}

fn texts(compact: Compact, bytes: &[u8]) -> Result<Vec<String>, Malformed> {
    compact
        .elements(bytes)
        .map(|element| {
            let mut digits = itoa::Buffer::new();
            element.map(|element| String::from_utf8_lossy(element.text(&mut digits)).into_owned())
        })
        .collect()
}

fn elements() -> impl Strategy<Value = Vec<Written>> {
    let len =
        prop_oneof![8 => 0usize..70, 1 => 120usize..270, 1 => 4_090usize..4_100, 1 => 16_370usize..16_400];
    let text = (len, any::<u8>()).prop_map(|(len, byte)| Written::Text(vec![byte; len]));
    let int = (any::<i64>(), 0u32..64).prop_map(|(number, unused)| Written::Int(number >> unused));
    vec(prop_oneof![text, int], 0..12)
}

proptest! {
    #[test]
    fn elements_are_read_as_they_were_written(elements in elements()) {
        prop_assert_eq!(read(Compact::Ziplist, &ziplist(&elements)), Ok(elements.clone()));
        prop_assert_eq!(read(Compact::Listpack, &listpack(&elements)), Ok(elements));
    }

    #[test]
    fn any_bytes_are_elements_or_malformed(bytes: Vec<u8>) {
        for compact in [Compact::Ziplist, Compact::Listpack, Compact::Ints, Compact::Zipmap] {
            let seen = compact.elements(&bytes).take_while(Result::is_ok).count();
            prop_assert!(seen <= bytes.len());
            // With lengths that are true it gets further.
            let whole = [&(bytes.len() as u32 + 4).to_le_bytes()[..], &bytes].concat();
            prop_assert!(compact.elements(&whole).take_while(Result::is_ok).count() <= whole.len());
        }
    }
}

#[test]
fn every_cut_is_noticed_and_no_changed_byte_is_a_fault() {
    let elements =
        [Written::Int(7), Written::Text(b"abc".to_vec()), Written::Int(-300), Written::Int(5_000_000)];
    for (compact, bytes) in [
        (Compact::Ziplist, ziplist(&elements)),
        (Compact::Listpack, listpack(&elements)),
        (Compact::Ints, b"\x02\0\0\0\x03\0\0\0\xfe\xff\x02\0\x03\0".to_vec()),
        (Compact::Zipmap, b"\x02\x01f\x02\x01vvx\x01g\x01\x00v\xff".to_vec()),
    ] {
        assert!(read(compact, &bytes).is_ok_and(|read| read.len() >= 3), "{compact:?}");
        for at in 0..bytes.len() {
            assert_eq!(read(compact, &bytes[..at]), Err(Malformed), "{compact:?}: {at} bytes");
            for flip in 1..=255 {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                assert!(read(compact, &changed).map_or(0, |read| read.len()) <= bytes.len());
            }
        }
        assert_eq!(read(compact, &[&bytes[..], b"x"].concat()), Err(Malformed), "{compact:?}");
    }
}

#[test]
fn what_leads_back_and_counts_must_be_true() {
    let elements = [Written::Text(b"ab".to_vec()), Written::Int(1)];
    let (good, changes) = (ziplist(&elements), [(0, 1), (4, 1), (8, 1), (8, 3), (10, 1), (14, 3)]);
    for (at, value) in changes {
        let mut changed = good.clone();
        assert_ne!(changed[at], value);
        changed[at] = value;
        assert_eq!(read(Compact::Ziplist, &changed), Err(Malformed), "byte {at} is {value}");
    }
    let good = listpack(&elements);
    for (at, value) in [(0, 1), (4, 1), (4, 3), (9, 2), (11, 0)] {
        let mut changed = good.clone();
        assert_ne!(changed[at], value);
        changed[at] = value;
        assert_eq!(read(Compact::Listpack, &changed), Err(Malformed), "byte {at} is {value}");
    }
    // Both may leave the count out.
    for (compact, mut bytes, at) in
        [(Compact::Ziplist, ziplist(&elements), 8), (Compact::Listpack, listpack(&elements), 4)]
    {
        bytes[at..at + 2].fill(0xff);
        assert_eq!(read(compact, &bytes).as_deref(), Ok(&elements[..]));
    }
}

#[test]
fn integers_must_ascend_and_have_a_known_width() {
    let ints = |width: u8, count: u8, bytes: &[u8]| {
        texts(Compact::Ints, &[&[width, 0, 0, 0, count, 0, 0, 0], bytes].concat())
    };
    assert_eq!(ints(2, 2, b"\xff\xff\x05\x00"), Ok(vec!["-1".to_owned(), "5".to_owned()]));
    assert_eq!(ints(4, 1, b"\xff\xff\xff\x7f"), Ok(vec!["2147483647".to_owned()]));
    assert_eq!(ints(8, 1, &i64::MIN.to_le_bytes()), Ok(vec![i64::MIN.to_string()]));
    assert_eq!(ints(2, 0, b""), Ok(vec![]));
    for (width, count, bytes) in [
        (2, 2, &b"\x05\0\x05\0"[..]),
        (2, 2, b"\x05\0\x04\0"),
        (3, 1, b"\x01\0\0"),
        (2, 1, b"\x05\0\x06\0"),
        (0, 0, b""),
    ] {
        assert_eq!(ints(width, count, bytes), Err(Malformed), "{width} {count} {bytes:?}");
    }
}

#[test]
fn zipmaps_have_a_value_for_each_field() {
    let read = |bytes: &[u8]| texts(Compact::Zipmap, bytes);
    let expected = Ok(["f", "vv", "g", ""].map(str::to_owned).to_vec());
    assert_eq!(read(b"\x02\x01f\x02\x03vv...\x01g\x00\x00\xff"), expected);
    assert_eq!(read(b"\xfe\x01f\x02\x03vv...\xfe\x01\0\0\0g\x00\x00\xff"), expected);
    for bytes in
        [&b"\x01\x01f\xff"[..], b"\x02\x01f\x01\x00v\xff", b"\x01\x01f\x01\x05v\xff", b"\x01\x01f\x01\x00v"]
    {
        assert_eq!(read(bytes), Err(Malformed), "{bytes:?}");
    }
}
