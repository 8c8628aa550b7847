//! What a script may set, and how the library reads its arguments.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{Error, IntoLua, Lua, MultiValue, Result, Value};

use super::numbers::read_number;
use crate::base::limits::SCRIPT_TEXT_BYTES_MAX;
use crate::script::library::number::write_number;

/// Significant digits that Lua 5.1 gives a number when it turns into a string.
pub(super) const LUA_NUMBER_DIGITS: usize = 14;

/// Values the C library could hold on Lua 5.1's C stack; it ends the nesting however high the limits are.
pub(super) const C_STACK_SLOTS: usize = 8000;

/// Longest text to build. Luau has no longer strings, so going on would only waste memory.
pub(super) const MAX_TEXT: usize = SCRIPT_TEXT_BYTES_MAX;

/// The settings of one library table. Switches hold the place of their word in the list of words.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) sparse_convert: usize,
    pub(super) sparse_ratio: i32,
    pub(super) sparse_safe: i32,
    pub(super) encode_max_depth: i32,
    pub(super) decode_max_depth: i32,
    pub(super) encode_number_precision: i32,
    pub(super) encode_keep_buffer: usize,
    pub(super) encode_invalid_numbers: usize,
    pub(super) decode_invalid_numbers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: 0,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            encode_number_precision: 14,
            encode_keep_buffer: 1,
            encode_invalid_numbers: 0,
            decode_invalid_numbers: 1,
        }
    }
}

/// Settings shared by the functions of one library table.
#[derive(Clone, Default)]
pub(super) struct Shared(pub(super) Arc<Mutex<Settings>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Settings> {
        // Every write is a single field, so a panic elsewhere cannot have left a half-made value.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self) -> Settings {
        *self.lock()
    }
}

/// The arguments of one call, read by the rules of Lua 5.1's C helpers.
pub(super) struct Arguments {
    pub(super) name: &'static str,
    pub(super) values: MultiValue,
}

impl Arguments {
    /// The error for the argument at `place`, counted from 1.
    pub(super) fn bad<T>(&self, place: usize, reason: &str) -> Result<T> {
        fail(format!("bad argument #{place} to '{}' ({reason})", self.name))
    }

    pub(super) fn wrong_type<T>(&self, place: usize, expected: &str) -> Result<T> {
        let found = type_name(&self.value(place));
        self.bad(place, &format!("{expected} expected, got {found}"))
    }

    /// The argument at `place`, nil where the call gave none.
    pub(super) fn value(&self, place: usize) -> Value {
        self.values.get(place - 1).cloned().unwrap_or(Value::Nil)
    }

    /// The single argument of a call that must have exactly one.
    pub(super) fn only(&self) -> Result<&Value> {
        match self.values.front() {
            Some(value) if self.values.len() == 1 => Ok(value),
            _ => self.bad(1, "expected 1 argument"),
        }
    }

    pub(super) fn at_most(&self, count: usize) -> Result<()> {
        if self.values.len() > count {
            return self.bad(count + 1, "found too many arguments");
        }
        Ok(())
    }

    /// A string, or a number written as one.
    pub(super) fn text(&self, place: usize) -> Result<Vec<u8>> {
        match self.value(place) {
            Value::String(text) => Ok(text.as_bytes().to_vec()),
            value => match number_of(&value) {
                Some(number) => {
                    let mut text = Vec::new();
                    write_number(&mut text, number, LUA_NUMBER_DIGITS);
                    Ok(text)
                }
                None => self.wrong_type(place, "string"),
            },
        }
    }

    /// Sets an integer setting unless the argument is nil, and gives its value.
    pub(super) fn integer(
        &self,
        place: usize,
        range: std::ops::RangeInclusive<i32>,
        setting: &mut i32,
    ) -> Result<i32> {
        let number = match self.value(place) {
            Value::Nil => return Ok(*setting),
            Value::String(text) => number_in_text(&text.as_bytes()),
            value => number_of(&value),
        };
        let Some(number) = number else {
            return self.wrong_type(place, "number");
        };
        let value = c_int(number);
        if !range.contains(&value) {
            let (least, most) = (range.start(), range.end());
            // The C library names argument 1 here, whichever it is.
            return self.bad(1, &format!("expected integer between {least} and {most}"));
        }
        *setting = value;
        Ok(value)
    }

    /// Sets a setting chosen by a word or a boolean unless the argument is nil, and gives its value.
    pub(super) fn choice(&self, place: usize, words: &'static [&str], setting: &mut usize) -> Result<Choice> {
        match self.value(place) {
            Value::Nil => {}
            Value::Boolean(on) => *setting = usize::from(on),
            _ => *setting = self.word(place, words)?,
        }
        Ok(Choice { place: *setting, words })
    }

    pub(super) fn word(&self, place: usize, words: &[&str]) -> Result<usize> {
        let text = self.text(place)?;
        let text = until_zero(&text);
        match words.iter().position(|word| word.as_bytes() == text) {
            Some(found) => Ok(found),
            None => self.bad(place, &format!("invalid option '{}'", String::from_utf8_lossy(text))),
        }
    }
}

/// A chosen word; Lua gets the first two as false and true.
pub(super) struct Choice {
    pub(super) place: usize,
    pub(super) words: &'static [&'static str],
}

impl IntoLua for Choice {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        match self.place {
            0 => Ok(Value::Boolean(false)),
            1 => Ok(Value::Boolean(true)),
            place => lua.create_string(self.words[place]).map(Value::String),
        }
    }
}

pub(super) fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::RuntimeError(text.into()))
}

/// The bytes before the first zero byte, which ends a string in C.
pub(super) fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or(text)
}

/// The number a value is, without turning strings into numbers.
#[expect(clippy::cast_precision_loss, reason = "the C library knows only doubles")]
pub(super) fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// The number in a whole string by Lua 5.1's rule: spaces around it are fine, other bytes are not.
pub(super) fn number_in_text(text: &[u8]) -> Option<f64> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let text = until_zero(text);
    let spaces = text.iter().take_while(|byte| is_space(byte)).count();
    let text = &text[spaces..];
    let (number, length) = read_number(text)?;
    text[length..].iter().all(is_space).then_some(number)
}

/// What C on x86-64 makes of a double put into a 64-bit and then a 32-bit integer.
#[expect(clippy::cast_possible_truncation, reason = "dropping the high half is what C does")]
pub(super) fn c_int(number: f64) -> i32 {
    let limit = 2f64.powi(63);
    if (-limit..limit).contains(&number) { number as i64 as i32 } else { 0 }
}

/// The type name that Lua's C interface gives a value.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) | Value::Error(_) | Value::Other(_) => "userdata",
        other => other.type_name(),
    }
}

pub(super) fn depth_limit(setting: i32) -> usize {
    usize::try_from(setting).unwrap_or(0)
}
