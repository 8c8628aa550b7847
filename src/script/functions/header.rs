//! The first line of a library: `#!lua name=NAME`, in Redis's own words where it is wrong.

use crate::protocol::inline::words;

/// What names of libraries and functions consist of.
pub const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character \
                            long";
const INVALID: &str = "Invalid library metadata";

/// The name that a library's text gives itself.
///
/// # Errors
/// Where the first line is wrong, in Redis's words without a code.
pub fn name_of(text: &[u8]) -> Result<String, String> {
    if !text.starts_with(b"#!") {
        return Err("Missing library metadata".to_owned());
    }
    let line = &text[..memchr::memchr(b'\n', text).ok_or(INVALID)?];
    if line.contains(&0) {
        return Err(INVALID.to_owned());
    }
    let mut words = words(line).map_err(|_| INVALID)?.into_iter();
    let engine = words.next().unwrap_or_default();
    let mut name = None;
    for word in words {
        let said = word.split_at_checked(5).filter(|(key, _)| key.eq_ignore_ascii_case(b"name="));
        let Some((_, said)) = said else {
            return Err(format!("Invalid metadata value given: {}", String::from_utf8_lossy(&word)));
        };
        if name.replace(said.to_vec()).is_some() {
            return Err("Invalid metadata value, name argument was given multiple times".to_owned());
        }
    }
    let name = name.ok_or("Library name was not given")?;
    let name = String::from_utf8(name).ok().filter(|name| is_name(name)).ok_or(BAD_NAME)?;
    let engine = engine.get(2..).unwrap_or_default();
    match engine.eq_ignore_ascii_case(b"lua") {
        true => Ok(name),
        false => Err(format!("Engine '{}' not found", String::from_utf8_lossy(engine))),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_in_redis() {
        for (line, name) in [
            ("#!lua name=x", "x"),
            ("#!LUA   Name=l_9  ", "l_9"),
            ("#!lua\tname=x\r", "x"),
            ("#!lua name=\"l\\x61\"", "la"),
            ("#!lua 'name=x'", "x"),
        ] {
            assert_eq!(name_of(format!("{line}\nreturn 1").as_bytes()).as_deref(), Ok(name), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_redis_s_words() {
        for (text, told) in [
            ("", "Missing library metadata"),
            ("return 1\n", "Missing library metadata"),
            ("#!lua name=x", INVALID),
            ("#!lua name=x 'y\n", INVALID),
            ("#!lua name=x\09\n", INVALID),
            ("#!\n", "Library name was not given"),
            ("#!lua\n", "Library name was not given"),
            ("#! lua name=x\n", "Invalid metadata value given: lua"),
            ("#!lua name\n", "Invalid metadata value given: name"),
            ("#!lua foo=1 name=x\n", "Invalid metadata value given: foo=1"),
            ("#!lua name=a name=b\n", "Invalid metadata value, name argument was given multiple times"),
            ("#!lua name=\n", BAD_NAME),
            ("#!lua name=a-b\n", BAD_NAME),
            ("#!lua name=\u{e4}\n", BAD_NAME),
            ("#!python name=a-b\n", BAD_NAME),
            ("#!python name=x\n", "Engine 'python' not found"),
            ("#! name=x\n", "Engine '' not found"),
        ] {
            assert_eq!(name_of(text.as_bytes()), Err(told.to_owned()), "{text:?}");
        }
    }
}
