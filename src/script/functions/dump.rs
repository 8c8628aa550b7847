//! The payload of FUNCTION DUMP: for each library a mark and its whole text, as Redis writes them.

use super::libraries::Libraries;
use crate::base::limits::{FUNCTIONS_MAX, LIBRARIES_BYTES_MAX, SCRIPT_BYTES_MAX};
use crate::rdb::{LIBRARIES_VERSION, Reader, open, seal, write_string};

/// Stands before each library (Redis: `RDB_OPCODE_FUNCTION2`).
const LIBRARY: u8 = 245;
/// What release candidates of Redis 7.0 wrote.
const EARLY_LIBRARY: u8 = 246;

/// All libraries as one payload. Cost: a copy of their texts.
#[must_use]
pub fn dump(libraries: &Libraries) -> Vec<u8> {
    let mut body = Vec::new();
    for library in libraries.iter() {
        body.push(LIBRARY);
        write_string(&mut body, &library.text);
    }
    seal(body, LIBRARIES_VERSION)
}

/// The texts of a payload's libraries.
///
/// # Errors
/// Where it is none, in Redis's words without a code.
pub fn texts_of(payload: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let body = open(payload).ok_or("DUMP payload version or checksum are wrong")?;
    let (mut reader, mut texts, mut left_bytes) = (Reader::new(body), Vec::new(), LIBRARIES_BYTES_MAX);
    while let Some(mark) = reader.byte() {
        match mark {
            LIBRARY => {}
            EARLY_LIBRARY => return Err("Pre-GA function format not supported"),
            _ => return Err("given type is not a function"),
        }
        let text = reader.string(SCRIPT_BYTES_MAX).map_err(|_| "Failed loading library payload")?;
        // Each registers a function at least.
        if texts.len() == FUNCTIONS_MAX {
            return Err("there are too many functions");
        }
        // What is packed may be a hundred times as long.
        left_bytes = left_bytes.checked_sub(text.len()).ok_or("the libraries are too large")?;
        texts.push(text.into_owned());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::super::libraries::Functions;
    use super::super::library::Library;
    use super::*;
    use crate::script::proof::Proved;
    use proptest::prelude::*;

    fn sealed(body: &[u8]) -> Vec<u8> {
        seal(body.to_vec(), LIBRARIES_VERSION)
    }

    fn library(name: &str, text: &[u8]) -> Library {
        Library { name: name.to_owned(), text: text.into(), functions: Vec::new(), proved: Proved::default() }
    }

    #[test]
    fn a_dump_holds_each_text_by_its_library_s_name() {
        let set = Functions::default();
        assert_eq!(texts_of(&dump(&set.current())), Ok(vec![]));
        let long = vec![b'x'; 20_000];
        set.load(library("b", b"#!lua name=b\n"), false).unwrap();
        set.load(library("a", &long), false).unwrap();
        let payload = dump(&set.current());
        assert!(payload.starts_with(b"\xf5\x80\x00\x00\x4e\x20xxx"));
        assert_eq!(texts_of(&payload), Ok(vec![long, b"#!lua name=b\n".to_vec()]));
    }

    #[test]
    fn what_is_no_payload_is_told_in_redis_s_words() {
        let cut = "Failed loading library payload";
        for (body, told) in [
            (&b"\x00abc"[..], "given type is not a function"),
            (b"\xf6abc", "Pre-GA function format not supported"),
            (b"\xf5", cut),
            (b"\xf5\x50\x00abc", cut),
            (b"\xf5\x80\xff\xff\xff\xff", cut),
            (b"\xf5\xc3\x05\x05abcde", cut),
            (b"\xf5\x01a\xf5", cut),
        ] {
            assert_eq!(texts_of(&sealed(body)), Err(told), "{body:?}");
        }
        let many = b"\xf5\x00".repeat(FUNCTIONS_MAX);
        assert_eq!(texts_of(&sealed(&many)).map(|texts| texts.len()), Ok(FUNCTIONS_MAX));
        assert_eq!(
            texts_of(&sealed(&[&many[..], b"\xf5\x00"].concat())),
            Err("there are too many functions")
        );
        assert_eq!(texts_of(b"xxx"), Err("DUMP payload version or checksum are wrong"));
    }

    #[test]
    fn packed_texts_beyond_all_bounds_are_refused() {
        // 16 MiB less a little from 190 KiB, nine times.
        let runs = 63_000;
        let packed = [&b"\x00a"[..], &b"\xe0\xff\x00".repeat(runs)].concat();
        let len = (1 + 264 * runs) as u32;
        let head = [&b"\xf5\xc3\x80"[..], &(packed.len() as u32).to_be_bytes(), b"\x80", &len.to_be_bytes()]
            .concat();
        let one = [head, packed].concat();
        assert_eq!(texts_of(&sealed(&one)).map(|texts| texts.len()), Ok(1));
        assert_eq!(texts_of(&sealed(&one.repeat(9))), Err("the libraries are too large"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_texts_or_an_error(body: Vec<u8>) {
            let with_mark = [&[LIBRARY], &body[..]].concat();
            let found = texts_of(&sealed(&with_mark));
            prop_assert!(found.is_ok_and(|texts| !texts.is_empty()) || texts_of(&body).is_err());
        }
    }
}
