//! Lua values as replies (Redis's "Lua to RESP type conversion").

use std::ffi::CStr;

use super::stack::{Kind, Stack};
use crate::base::limits::SCRIPT_TEXT_BYTES_MAX;
use crate::protocol::reply::{Proto, Reply};

/// Tables in tables, beyond which a reply is refused: Lua's own C stack in Redis ends about there.
const DEPTH_MAX: usize = 200;
/// What a value in a reply counts at least, bytes.
const VALUE_BYTES: usize = 16;
/// What a table counts beside its values: to look what it stands for takes microseconds, and no interrupt comes between.
const TABLE_BYTES: usize = 256;
/// Values on the stack that writing one takes at each depth: a key, a value, a field.
const VALUES_PER_DEPTH: usize = 4;
/// Lengths of the format of a verbatim text.
const FORMAT_BYTES: usize = 3;

/// The reply would be longer than a machine may hold.
#[derive(Debug)]
pub struct TooLarge;

/// Writes the value at the top as the reply of the script's caller. `script_proto` is what the script speaks.
///
/// # Errors
/// Where the reply would be longer than a machine may hold; what was written is then of no use.
pub fn write_value(stack: Stack, script_proto: Proto, reply: &mut Reply<'_>) -> Result<(), TooLarge> {
    Writer { stack, script_proto, left_bytes: SCRIPT_TEXT_BYTES_MAX, reply }.write(-1, 0)
}

/// What a script returned, on its way to the caller.
struct Writer<'w, 'r> {
    stack: Stack,
    script_proto: Proto,
    /// A table may stand in others many times over, so that little memory is an endless reply.
    left_bytes: usize,
    reply: &'w mut Reply<'r>,
}

impl Writer<'_, '_> {
    fn spend(&mut self, bytes: usize) -> Result<(), TooLarge> {
        self.left_bytes = self.left_bytes.checked_sub(bytes).ok_or(TooLarge)?;
        Ok(())
    }

    /// Writes the value at a position.
    fn write(&mut self, at: i32, depth: usize) -> Result<(), TooLarge> {
        self.spend(VALUE_BYTES)?;
        match self.stack.kind(at) {
            Kind::String => {
                let stack = self.stack;
                let text = stack.bytes(at);
                self.spend(text.len())?;
                self.reply.bulk(text);
            }
            Kind::Number => self.reply.int(truncated(self.stack.number(at))),
            Kind::Boolean if self.script_proto == Proto::Resp3 => self.reply.boolean(self.stack.boolean(at)),
            Kind::Boolean if self.stack.boolean(at) => self.reply.int(1),
            Kind::Table if depth < DEPTH_MAX && self.stack.reserve(VALUES_PER_DEPTH) => {
                self.write_table(self.stack.absolute(at), depth)?;
            }
            Kind::Table => self.reply.error(b"ERR reached lua stack limit"),
            _ => self.reply.null(),
        }
        Ok(())
    }

    /// Writes the table at a position that counts from the bottom. What it pushes it takes off, unless it fails.
    fn write_table(&mut self, at: i32, depth: usize) -> Result<(), TooLarge> {
        let stack = self.stack;
        self.spend(TABLE_BYTES)?;
        if stack.push_field(at, c"err") == Kind::String {
            self.spend(stack.bytes(-1).len())?;
            self.reply.error(stack.bytes(-1));
        } else if self.next_field(at, c"ok") == Kind::String {
            self.spend(stack.bytes(-1).len())?;
            self.reply.simple_bytes(stack.bytes(-1));
        } else if self.next_field(at, c"double") == Kind::Number {
            self.reply.double(stack.number(-1));
        } else if self.next_field(at, c"map") == Kind::Table {
            self.reply.map(count(stack));
            self.write_pairs(depth, true)?;
        } else if self.next_field(at, c"set") == Kind::Table {
            self.reply.set(count(stack));
            self.write_pairs(depth, false)?;
        } else if self.next_field(at, c"big_number") == Kind::String {
            self.spend(stack.bytes(-1).len())?;
            self.reply.big_number(stack.bytes(-1));
        } else if self.next_field(at, c"verbatim_string") != Kind::Table || !self.write_verbatim()? {
            self.write_list(at, depth)?;
        }
        stack.pop(1);
        Ok(())
    }

    /// Takes the last field off and pushes another of the table at a position.
    fn next_field(&self, at: i32, name: &CStr) -> Kind {
        self.stack.pop(1);
        self.stack.push_field(at, name)
    }

    /// Writes the keys of the table at the top, and their values.
    fn write_pairs(&mut self, depth: usize, has_values: bool) -> Result<(), TooLarge> {
        let stack = self.stack;
        stack.push_nil();
        while stack.push_next(-2) {
            self.write(-2, depth + 1)?;
            if has_values {
                self.write(-1, depth + 1)?;
            }
            stack.pop(1);
        }
        Ok(())
    }

    /// Writes the table at the top as a text with its format; false if it is none.
    fn write_verbatim(&mut self) -> Result<bool, TooLarge> {
        let stack = self.stack;
        let is_text = stack.push_field(-1, c"string") == Kind::String;
        let is_text = stack.push_field(-2, c"format") == Kind::String && is_text;
        if is_text {
            self.spend(stack.bytes(-2).len())?;
            let format = <[u8; FORMAT_BYTES]>::try_from(stack.bytes(-1)).unwrap_or(*b"txt");
            self.reply.verbatim_as(format, stack.bytes(-2));
        }
        stack.pop(2);
        Ok(is_text)
    }

    /// Writes the table at a position up to its first nil.
    fn write_list(&mut self, at: i32, depth: usize) -> Result<(), TooLarge> {
        let stack = self.stack;
        let is_there = |number: &usize| {
            let is_there = stack.push_at(at, *number) != Kind::Nil;
            stack.pop(1);
            is_there
        };
        let len = (1..).take_while(is_there).count();
        self.reply.array(len);
        for number in 1..=len {
            stack.push_at(at, number);
            self.write(-1, depth + 1)?;
            stack.pop(1);
        }
        Ok(())
    }
}

/// How many pairs the table at the top has.
fn count(stack: Stack) -> usize {
    let mut pairs = 0;
    stack.push_nil();
    while stack.push_next(-2) {
        stack.pop(1);
        pairs += 1;
    }
    pairs
}

/// A number without its fraction. One that fits no integer becomes the least, as C on x86-64 has it.
fn truncated(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}
