//! Glob patterns over bytes: `*`, `?`, `[a-z]`, `[^…]` and `\` as Redis reads them.
//!
//! Owns the one matcher that KEYS, SCAN, CONFIG GET and subscriptions use; knows nothing of what
//! is matched. It follows Redis to the letter, malformed patterns included, because patterns that
//! work there must select the same keys here.
//! Invariant: no recursion, and at most `pattern.len() * text.len()` steps.

/// A pattern with more runs of `*` than this (a last one aside) matches nothing, as in Redis.
const STAR_RUNS_MAX: usize = 1000;

/// Does the whole of `text` match `pattern`? With `ignore_case`, ASCII letters of either case are
/// the same.
///
/// Redis's corner cases hold: an empty text matches only the empty pattern (not even `*`, so
/// callers for whom `*` means "all" ask that first), a class that is never closed ends with the
/// pattern, bounds of a range may come in either order and are signed bytes, and a letter escaped
/// inside a class keeps its case.
///
/// ```
/// use onefill::base::glob::matches;
/// assert!(matches(b"user:*", b"user:1000", false));
/// assert!(matches(b"h[^e]l?o", b"hallo", false));
/// assert!(!matches(b"h[^e]l?o", b"hello", false));
/// ```
pub fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    let mut star_runs = 0;
    // Where to go on after a mismatch: behind the last run of stars, one text byte later. Earlier
    // stars need no second try: what lies between two stars is found at its first place, and a
    // later place leaves only less text for the rest.
    let mut retry: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p = skip_stars(pattern, p);
            if p == pattern.len() {
                return true;
            }
            star_runs += 1;
            if star_runs > STAR_RUNS_MAX {
                return false;
            }
            retry = Some((p, t));
        } else if let Some(next) = match_one(pattern, p, text[t], ignore_case) {
            p = next;
            t += 1;
        } else if let Some((after_star, tried)) = retry {
            p = after_star;
            t = tried + 1;
            retry = Some((p, t));
        } else {
            return false;
        }
    }
    // An empty text never gets as far as a star in Redis.
    let rest = if text.is_empty() { p } else { skip_stars(pattern, p) };
    rest == pattern.len()
}

fn skip_stars(pattern: &[u8], mut p: usize) -> usize {
    while pattern.get(p) == Some(&b'*') {
        p += 1;
    }
    p
}

/// Matches the one-byte element (anything but a star) at `p` against `byte`, and returns where
/// the next element begins; `None` if it doesn't match or the pattern is at its end.
fn match_one(pattern: &[u8], p: usize, byte: u8, ignore_case: bool) -> Option<usize> {
    match pattern.get(p..)? {
        [] => None,
        [b'?', ..] => Some(p + 1),
        [b'[', ..] => match_class(pattern, p + 1, byte, ignore_case),
        [b'\\', escaped, ..] => same(*escaped, byte, ignore_case).then_some(p + 2),
        [literal, ..] => same(*literal, byte, ignore_case).then_some(p + 1),
    }
}

/// Matches the class whose first byte behind `[` is at `p`; returns where it ends.
fn match_class(pattern: &[u8], mut p: usize, byte: u8, ignore_case: bool) -> Option<usize> {
    let negated = pattern.get(p) == Some(&b'^');
    p += usize::from(negated);
    let mut found = false;
    loop {
        match &pattern[p..] {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                p += 2;
            }
            [b']', ..] => {
                p += 1;
                break;
            }
            [first, b'-', last, ..] => {
                found |= in_range(*first, *last, byte, ignore_case);
                p += 3;
            }
            [single, ..] => {
                found |= same(*single, byte, ignore_case);
                p += 1;
            }
        }
    }
    (found != negated).then_some(p)
}

fn same(a: u8, b: u8, ignore_case: bool) -> bool {
    a == b || (ignore_case && a.eq_ignore_ascii_case(&b))
}

/// Bytes compare as C's signed `char`s, and the bounds are put in order before their case is
/// dropped: both decide which keys a pattern selects where Redis runs.
fn in_range(first: u8, last: u8, byte: u8, ignore_case: bool) -> bool {
    let (low, high) = if first.cast_signed() <= last.cast_signed() { (first, last) } else { (last, first) };
    let order = if ignore_case { lower_case } else { signed };
    (order(low)..=order(high)).contains(&order(byte))
}

fn signed(byte: u8) -> i16 {
    i16::from(byte.cast_signed())
}

/// C's `tolower` of a signed `char`: it makes bytes from 128 on positive, except 255, which it
/// takes for EOF.
fn lower_case(byte: u8) -> i16 {
    match byte {
        0xff => -1,
        byte => i16::from(byte.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_as_in_redis() {
        let rows: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "a", false),
            ("*", "", false),
            ("*", "a", true),
            ("a", "a", true),
            ("a", "A", false),
            ("a**", "a", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("*b*", "abc", true),
            ("a*c*e", "abcde", true),
            ("a*c*f", "abcde", false),
            ("*ab", "aab", true),
            ("a?c", "abc", true),
            ("a?", "a", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("[a-]", "_", true),
            ("[a-", "-", true),
            ("[ab", "b", true),
            ("[", "[", false),
            ("[]", "]", false),
            ("[^", "x", true),
            ("[^]", "x", true),
            ("[\\]]", "]", true),
            ("[\\", "\\", true),
            ("[a\\-c]", "b", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
        ];
        for &(pattern, text, expected) in rows {
            let found = matches(pattern.as_bytes(), text.as_bytes(), false);
            assert_eq!(found, expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn case_is_ignored_on_request_except_for_escapes_in_a_class() {
        for (pattern, text, expected) in [
            ("AbC", "aBc", true),
            ("\\A", "a", true),
            ("[A-C]x", "bX", true),
            ("[B]", "b", true),
            ("[\\B]", "b", false),
        ] {
            let found = matches(pattern.as_bytes(), text.as_bytes(), true);
            assert_eq!(found, expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn ranges_compare_signed_bytes() {
        assert!(!matches(b"[\x01-\xff]", b"\x41", false));
        assert!(matches(b"[\x80-\xff]", b"\xc0", false));
        assert!(matches(b"[\x01-\xff]", b"\x00", false));
        assert!(matches(b"[b-\xc5]", b"a", false));
        assert!(!matches(b"[b-\xc5]", b"a", true));
    }

    #[test]
    fn star_runs_beyond_the_limit_match_nothing() {
        let text = [b'a'; 3000];
        assert!(matches(&b"*?".repeat(1000), &text, false));
        assert!(!matches(&b"*?".repeat(1001), &text, false));
        let mut open = b"*?".repeat(1000);
        open.push(b'*');
        assert!(matches(&open, &text, false));
    }

    #[test]
    fn nested_stars_on_a_long_text_stay_polynomial() {
        let text = vec![b'a'; 20_000];
        let mut pattern = b"a*".repeat(900);
        pattern.push(b'b');
        // 900 * 20,000 steps; a matcher that backtracks into every star would never come back.
        assert!(!matches(&pattern, &text, false));
    }

    /// One element of a pattern, read ahead of matching.
    #[derive(Debug)]
    enum Element {
        Stars,
        One(Box<[bool; 256]>),
    }

    /// The direct model: split the pattern into elements, each a star or a set of bytes, then try
    /// every way to place them.
    fn model(pattern: &[u8], text: &[u8]) -> bool {
        if text.is_empty() {
            return pattern.is_empty();
        }
        place(&elements(pattern), text)
    }

    fn place(elements: &[Element], text: &[u8]) -> bool {
        match elements {
            [] => text.is_empty(),
            [Element::Stars, rest @ ..] => (0..=text.len()).any(|at| place(rest, &text[at..])),
            [Element::One(set), rest @ ..] => {
                text.first().is_some_and(|&byte| set[usize::from(byte)]) && place(rest, &text[1..])
            }
        }
    }

    fn elements(pattern: &[u8]) -> Vec<Element> {
        let mut elements = Vec::new();
        let mut at = 0;
        while at < pattern.len() {
            let mut set = Box::new([false; 256]);
            let byte = pattern[at];
            at += 1;
            match byte {
                b'*' => {
                    elements.push(Element::Stars);
                    continue;
                }
                b'?' => set.fill(true),
                b'[' => at += read_class(&pattern[at..], &mut set),
                b'\\' => {
                    set[usize::from(*pattern.get(at).unwrap_or(&b'\\'))] = true;
                    at += 1;
                }
                literal => set[usize::from(literal)] = true,
            }
            elements.push(Element::One(set));
        }
        elements
    }

    fn read_class(rest: &[u8], set: &mut [bool; 256]) -> usize {
        let negated = rest.first() == Some(&b'^');
        let mut at = usize::from(negated);
        while at < rest.len() && rest[at] != b']' {
            let left = rest.len() - at;
            if rest[at] == b'\\' && left >= 2 {
                set[usize::from(rest[at + 1])] = true;
                at += 2;
            } else if left >= 3 && rest[at + 1] == b'-' {
                let (a, b) = (rest[at].cast_signed(), rest[at + 2].cast_signed());
                for byte in a.min(b)..=a.max(b) {
                    set[usize::from(byte.cast_unsigned())] = true;
                }
                at += 3;
            } else {
                set[usize::from(rest[at])] = true;
                at += 1;
            }
        }
        if negated {
            set.iter_mut().for_each(|member| *member = !*member);
        }
        (at + 1).min(rest.len())
    }

    proptest! {
        #[test]
        fn matcher_agrees_with_the_direct_model(
            pattern in "[*?ab\\[\\]^\\\\-]{0,10}",
            text in "[ab\\]^\\\\-]{0,8}",
        ) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(pattern, text, false), model(pattern, text));
        }

        #[test]
        fn matcher_agrees_with_the_direct_model_on_any_bytes(
            pattern in prop::collection::vec(any::<u8>(), 0..12),
            text in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            prop_assert_eq!(matches(&pattern, &text, false), model(&pattern, &text));
        }
    }
}
