//! Inline requests: one line of blank-separated words, as typed into telnet.
//!
//! Owns the quoting of such a line and nothing else; `request` finds where the line ends.
//! Words are unquoted in place: a decoded word is never longer than its source, so the write
//! position never passes the read position and every argument stays a range of the read buffer.

use super::range::ArgRange;
use std::ops::Range;

/// A quote that was never closed, or was closed in the middle of a word.
#[derive(Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

/// The words of a line that is no request: without its line end, free of NUL bytes.
///
/// # Errors
/// Where a quote was never closed, or was closed in the middle of a word.
pub fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let (mut buf, mut args) = (line.to_vec(), Vec::new());
    split(&mut buf, 0..line.len(), &mut args)?;
    Ok(args.iter().map(|arg| arg.of(&buf).to_vec()).collect())
}

/// Splits the line at `line` in `buf` (without its line end, free of NUL bytes) into words and
/// appends their ranges to `args`; a blank line appends none.
///
/// In double quotes `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a` and `\` before any other byte are
/// escapes; in single quotes only `\'` is. A closing quote ends its word, so a blank or the end of
/// the line must follow. After an error `args` may hold the words before the bad one, and the line
/// in `buf` may be half unquoted.
pub(super) fn split(
    buf: &mut [u8],
    line: Range<usize>,
    args: &mut Vec<ArgRange>,
) -> Result<(), UnbalancedQuotes> {
    let mut words = Words { line: &mut buf[..line.end], read: line.start, write: line.start };
    while words.skip_blanks() {
        args.push(words.word()?);
    }
    Ok(())
}

/// A line being unquoted: bytes before `write` are decoded, bytes from `read` on are still source.
struct Words<'a> {
    line: &'a mut [u8],
    read: usize,
    write: usize,
}

impl Words<'_> {
    /// Moves to the next word; `false` at the end of the line.
    fn skip_blanks(&mut self) -> bool {
        while self.peek(0).is_some_and(is_blank) {
            self.read += 1;
        }
        self.read < self.line.len()
    }

    fn word(&mut self) -> Result<ArgRange, UnbalancedQuotes> {
        let start = self.read;
        self.write = start;
        loop {
            match self.peek(0) {
                // Fewer bytes end a word than `is_blank` skips between words, as in Redis.
                None | Some(b' ' | b'\n' | b'\r' | b'\t') => break,
                Some(b'"') => {
                    self.double_quoted()?;
                    break;
                }
                Some(b'\'') => {
                    self.single_quoted()?;
                    break;
                }
                Some(byte) => self.keep(byte, 1),
            }
        }
        Ok(ArgRange { start, len: self.write - start })
    }

    fn double_quoted(&mut self) -> Result<(), UnbalancedQuotes> {
        self.read += 1;
        loop {
            match self.peek(0).ok_or(UnbalancedQuotes)? {
                b'"' => return self.close_quote(),
                b'\\' => self.escape(),
                byte => self.keep(byte, 1),
            }
        }
    }

    /// Decodes the escape that begins at `read`.
    fn escape(&mut self) {
        let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
        match (self.peek(1), hex(self.peek(2)), hex(self.peek(3))) {
            // Two hexadecimal digits always fit a byte.
            (Some(b'x'), Some(high), Some(low)) => self.keep((high * 16 + low) as u8, 4),
            (Some(b'n'), ..) => self.keep(b'\n', 2),
            (Some(b'r'), ..) => self.keep(b'\r', 2),
            (Some(b't'), ..) => self.keep(b'\t', 2),
            (Some(b'b'), ..) => self.keep(0x08, 2),
            (Some(b'a'), ..) => self.keep(0x07, 2),
            (Some(byte), ..) => self.keep(byte, 2),
            (None, ..) => self.keep(b'\\', 1),
        }
    }

    fn single_quoted(&mut self) -> Result<(), UnbalancedQuotes> {
        self.read += 1;
        loop {
            match (self.peek(0).ok_or(UnbalancedQuotes)?, self.peek(1)) {
                (b'\\', Some(b'\'')) => self.keep(b'\'', 2),
                (b'\'', _) => return self.close_quote(),
                (byte, _) => self.keep(byte, 1),
            }
        }
    }

    fn close_quote(&mut self) -> Result<(), UnbalancedQuotes> {
        self.read += 1;
        match self.peek(0) {
            Some(byte) if !is_blank(byte) => Err(UnbalancedQuotes),
            _ => Ok(()),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.line.get(self.read + ahead).copied()
    }

    /// Puts `byte` into the current word in place of the next `source_bytes` of the line.
    fn keep(&mut self, byte: u8, source_bytes: usize) {
        self.line[self.write] = byte;
        self.write += 1;
        self.read += source_bytes;
    }
}

/// C's `isspace` in the C locale, which has the vertical tab that `is_ascii_whitespace` lacks.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::{UnbalancedQuotes, split, words};

    #[test]
    fn words_are_unquoted_as_in_redis() {
        let rows: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b" \t\x0b\x0c\r ", &[]),
            (b"GET key", &[b"GET", b"key"]),
            (b"  GET \t key  ", &[b"GET", b"key"]),
            (b"a\x0bb c", &[b"a\x0bb", b"c"]),
            (b"a\rb", &[b"a", b"b"]),
            (b"\"\" ''", &[b"", b""]),
            (b"\"a b\" 'c d'", &[b"a b", b"c d"]),
            (b"ab\"cd\" ef'gh'", &[b"abcd", b"efgh"]),
            (b"\"a\"\x0b\"b\"", &[b"a", b"b"]),
            (b"\"\\x41\\xfF\\x00\"", &[b"A\xff\0"]),
            (b"\"\\x4\\xg1\\x\"", &[b"x4xg1x"]),
            (b"\"\\n\\r\\t\\b\\a\\q\\\"\\\\\"", &[b"\n\r\t\x08\x07q\"\\"]),
            (b"'\\n\\'\\ '", &[b"\\n'\\ "]),
            (b"a\\nb \\", &[b"a\\nb", b"\\"]),
            (b"\xe9\x80", &[b"\xe9\x80"]),
        ];
        for (line, expected) in rows {
            let expected = expected.iter().map(|word| word.to_vec()).collect();
            assert_eq!(words(line), Ok(expected), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn quotes_left_open_or_closed_inside_a_word_are_unbalanced() {
        let lines: &[&[u8]] = &[
            b"\"",
            b"'",
            b"a\"",
            b"\"a",
            b"'a",
            b"\"a\"b",
            b"'a'b",
            b"\"a\"\"b\"",
            b"'a'\"b\"",
            b"\"a\\\"",
            b"\"a\\",
            b"'a\\'",
            b"'\\\\'",
            b"\"\\x4",
            b"GET \"a",
        ];
        for line in lines {
            assert_eq!(words(line), Err(UnbalancedQuotes), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn only_the_line_is_touched() {
        let mut buf = b"\"a\" \"\\x41\" \"c\"".to_vec();
        let mut args = Vec::new();
        assert_eq!(split(&mut buf, 4..10, &mut args), Ok(()));
        assert_eq!(args.len(), 1);
        assert_eq!(args[0].of(&buf), b"A");
        assert_eq!((&buf[..4], &buf[10..]), (&b"\"a\" "[..], &b" \"c\""[..]));
    }
}
