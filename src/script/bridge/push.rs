//! Replies as Lua values (Redis's "RESP to Lua type conversion").

use std::ffi::CStr;

use super::stack::{Kind, Stack};
use crate::base::int::parse_i64;

/// Values on the stack that reading one reply takes at each depth: a table, a key, a value.
const VALUES_PER_DEPTH: usize = 4;

/// A reply on the wire, read from its beginning.
struct Wire<'a> {
    bytes: &'a [u8],
}

/// Pushes a reply; an error is a table with `err`, without its place. False where there was no room for all of it: nothing
/// is pushed then that could be used.
pub fn push_reply(stack: Stack, reply: &[u8]) -> bool {
    Wire { bytes: reply }.push(stack)
}

impl<'a> Wire<'a> {
    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.bytes).unwrap_or(self.bytes.len());
        let line = &self.bytes[..end];
        self.bytes = self.bytes.get(end + 2..).unwrap_or_default();
        line
    }

    fn take(&mut self, len: i64) -> &'a [u8] {
        let len = usize::try_from(len).unwrap_or(0).min(self.bytes.len());
        let (taken, rest) = self.bytes.split_at(len);
        self.bytes = rest.get(2..).unwrap_or_default();
        taken
    }

    /// Pushes the next value.
    fn push(&mut self, stack: Stack) -> bool {
        if !stack.reserve(VALUES_PER_DEPTH) {
            return false;
        }
        let line = self.line();
        let (kind, rest) = line.split_first().map_or((b'_', line), |(kind, rest)| (*kind, rest));
        let number = || parse_i64(rest).unwrap_or(-1);
        match kind {
            b':' => stack.push_number(number() as f64),
            b'$' | b'*' if rest.first() == Some(&b'-') => stack.push_boolean(false),
            b'$' => stack.push_bytes(self.take(number())),
            b'+' => push_field(stack, c"ok", |stack| stack.push_bytes(rest)),
            b'-' => push_field(stack, c"err", |stack| stack.push_bytes(rest)),
            b'*' | b'>' => return self.push_list(stack, number()),
            b'#' => stack.push_boolean(rest == b"t"),
            b',' => push_field(stack, c"double", |stack| stack.push_number(double_of(rest))),
            b'(' => push_field(stack, c"big_number", |stack| stack.push_bytes(rest)),
            b'=' => push_verbatim(stack, self.take(number())),
            b'%' => return self.push_map(stack, number()),
            b'~' => return self.push_set(stack, number()),
            b'|' => {
                for _ in 0..number().max(0) * 2 {
                    if !self.push(stack) {
                        return false;
                    }
                    stack.pop(1);
                }
                return self.push(stack);
            }
            _ => stack.push_nil(),
        }
        true
    }

    fn push_list(&mut self, stack: Stack, len: i64) -> bool {
        let len = usize::try_from(len).unwrap_or(0);
        stack.push_table(len.min(self.bytes.len()), 0);
        for number in 1..=len {
            if !self.push(stack) {
                return false;
            }
            stack.set_at(number);
        }
        true
    }

    fn push_map(&mut self, stack: Stack, len: i64) -> bool {
        stack.push_table(0, 1);
        stack.push_table(0, 0);
        for _ in 0..len {
            if !self.push(stack) || !self.push(stack) {
                return false;
            }
            set_pair_if_key(stack);
        }
        stack.set_field(c"map");
        true
    }

    fn push_set(&mut self, stack: Stack, len: i64) -> bool {
        stack.push_table(0, 1);
        stack.push_table(0, 0);
        for _ in 0..len {
            if !self.push(stack) {
                return false;
            }
            stack.push_boolean(true);
            set_pair_if_key(stack);
        }
        stack.set_field(c"set");
        true
    }
}

/// Takes a key and its value into the table below them, unless the key can't be one.
fn set_pair_if_key(stack: Stack) {
    match stack.kind(-2) {
        Kind::Nil => stack.pop(2),
        _ => stack.set_pair(),
    }
}

/// Pushes a table with one field.
fn push_field(stack: Stack, name: &CStr, push: impl FnOnce(Stack)) {
    stack.push_table(0, 1);
    push(stack);
    stack.set_field(name);
}

fn push_verbatim(stack: Stack, text: &[u8]) {
    let (format, string) = text.split_at(text.len().min(4));
    stack.push_table(0, 1);
    stack.push_table(0, 2);
    stack.push_bytes(&format[..format.len().min(3)]);
    stack.set_field(c"format");
    stack.push_bytes(string);
    stack.set_field(c"string");
    stack.set_field(c"verbatim_string");
}

fn double_of(text: &[u8]) -> f64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}
