//! Texts of errors.

/// What `redis.error_reply` makes of a text: the error's line without the leading `-`.
pub fn error_line(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    text.strip_suffix(b"\r\n").unwrap_or(text)
}
