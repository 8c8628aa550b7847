//! Texts of errors.

use std::borrow::Cow;

/// What `redis.error_reply` makes of a text: the error's line without the leading `-`. A word alone is no code.
pub fn error_line(text: &[u8]) -> Cow<'_, [u8]> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let text = text.strip_suffix(b"\r\n").unwrap_or(text);
    match memchr::memchr(b' ', text) {
        Some(_) => Cow::Borrowed(text),
        None => Cow::Owned([b"ERR ", text].concat()),
    }
}
