//! The quoting of redis.conf: a line to arguments, and an argument back to text.
//!
//! Knows nothing of directives. Invariant: `split_args(quote(x))` is exactly `[x]`, for any bytes.

/// Splits a line into arguments as Redis does: blanks separate; `"…"` knows `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a`
/// and `\` before any other byte; `'…'` knows `\'`. `None`: a quote is not closed, or a closing quote is
/// followed by something other than a blank. Cost: linear.
#[must_use]
pub fn split_args(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut args = Vec::new();
    let mut rest = skip_blanks(line);
    while !rest.is_empty() {
        let (arg, after) = take_plain(rest)?;
        args.push(arg);
        rest = skip_blanks(after);
    }
    Some(args)
}

/// The argument in double quotes, with everything escaped that is not printable ASCII.
#[must_use]
pub fn quote(arg: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for &byte in arg {
        match byte {
            b'\\' | b'"' => text.extend([b'\\', byte]),
            b'\n' => text.extend(b"\\n"),
            b'\r' => text.extend(b"\\r"),
            b'\t' => text.extend(b"\\t"),
            0x07 => text.extend(b"\\a"),
            0x08 => text.extend(b"\\b"),
            b' '..=b'~' => text.push(byte),
            _ => text.extend(format!("\\x{byte:02x}").into_bytes()),
        }
    }
    text.push(b'"');
    text
}

/// As `quote`, but an argument that is one plain word stays as it is.
pub(super) fn quote_if_needed(arg: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !arg.is_empty() && arg.iter().all(plain) { arg.to_vec() } else { quote(arg) }
}

/// C's `isspace`: what may stand between arguments.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&byte| is_blank(byte)).count();
    &text[blanks..]
}

type ArgAndRest<'a> = Option<(Vec<u8>, &'a [u8])>;

fn take_plain(mut rest: &[u8]) -> ArgAndRest<'_> {
    let mut arg = Vec::new();
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some((arg, rest)),
            [b'"', after @ ..] => return take_double_quoted(arg, after),
            [b'\'', after @ ..] => return take_single_quoted(arg, after),
            [byte, after @ ..] => {
                arg.push(*byte);
                rest = after;
            }
        }
    }
}

fn take_double_quoted(mut arg: Vec<u8>, mut rest: &[u8]) -> ArgAndRest<'_> {
    loop {
        let (byte, after) = match rest {
            [] => return None,
            [b'"', after @ ..] => return closed(arg, after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(*high) << 4 | hex_digit(*low), after)
            }
            [b'\\', escaped, after @ ..] => (unescape(*escaped), after),
            [byte, after @ ..] => (*byte, after),
        };
        arg.push(byte);
        rest = after;
    }
}

fn take_single_quoted(mut arg: Vec<u8>, mut rest: &[u8]) -> ArgAndRest<'_> {
    loop {
        let (byte, after) = match rest {
            [] => return None,
            [b'\'', after @ ..] => return closed(arg, after),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [byte, after @ ..] => (*byte, after),
        };
        arg.push(byte);
        rest = after;
    }
}

/// A closing quote ends its argument: a blank or the end of the line must follow.
fn closed(arg: Vec<u8>, after: &[u8]) -> ArgAndRest<'_> {
    let ends = after.first().is_none_or(|&byte| is_blank(byte));
    ends.then_some((arg, after))
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// The value of a byte known to be a hexadecimal digit.
fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_args(line: &str, args: &[&[u8]]) {
        assert_eq!(split_args(line.as_bytes()).expect(line), args, "{line}");
    }

    #[test]
    fn line_splits_at_blanks_outside_quotes() {
        assert_args("", &[]);
        assert_args(" \t\x0b ", &[]);
        assert_args("  a\t b\x0c c\x0bd ", &[b"a", b"b\x0c", b"c\x0bd"]);
        assert_args(r#"a "b c" 'd e'"#, &[b"a", b"b c", b"d e"]);
        assert_args(r#"a"b c""#, &[b"ab c"]);
        assert_args(r#""" ''"#, &[b"", b""]);
    }

    #[test]
    fn double_quotes_know_escapes_and_single_quotes_only_their_own() {
        assert_args(r#""\x41\xfF\n\r\t\b\a\"\\\q""#, &[b"A\xff\n\r\t\x08\x07\"\\q"]);
        assert_args(r#""\xg1\x4""#, &[b"xg1x4"]);
        assert_args(r"'\x41\n\'z'", &[br"\x41\n'z"]);
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in [r#"""#, r#"a "b"#, "'", r#""a"b"#, "'a'b", r#""a\"#, r#""a\""#, r"'a\'"] {
            assert_eq!(split_args(line.as_bytes()), None, "{line}");
        }
    }
}
