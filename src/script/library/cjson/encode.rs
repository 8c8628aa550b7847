//! From Lua's values to JSON's text.

use mlua::{Function, Result, Table, Value};

use super::settings::*;
use crate::script::bridge::step;
use crate::script::library::number::write_number;

/// An open table while encoding.
pub(super) enum Frame {
    Array { table: Table, next: i64, length: i32 },
    Object { table: Table, last_key: Value },
}

impl Frame {
    /// Values the C library keeps on Lua's stack for such a table while it works on an inner one.
    pub(super) fn slots(&self) -> usize {
        match self {
            Frame::Array { .. } => 1,
            Frame::Object { .. } => 2,
        }
    }
}

/// Writes one value as JSON.
pub(super) struct Encoder<'a> {
    pub(super) settings: Settings,
    pub(super) next: &'a Function,
    pub(super) text: Vec<u8>,
    pub(super) open: Vec<Frame>,
    pub(super) slots: usize,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(settings: Settings, next: &'a Function) -> Self {
        Encoder { settings, next, text: Vec::new(), open: Vec::new(), slots: 1 }
    }

    pub(super) fn encode(mut self, value: Value) -> Result<Vec<u8>> {
        self.write(value)?;
        while let Some(frame) = self.open.pop() {
            if self.text.len() > MAX_TEXT {
                return fail("not enough memory");
            }
            self.step(frame)?;
        }
        Ok(self.text)
    }

    /// Writes a whole value, or the start of a table that the main loop then goes on with.
    pub(super) fn write(&mut self, value: Value) -> Result<()> {
        step()?;
        match value {
            Value::Nil => self.text.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.text.extend_from_slice(b"null"),
            Value::Boolean(true) => self.text.extend_from_slice(b"true"),
            Value::Boolean(false) => self.text.extend_from_slice(b"false"),
            Value::String(text) => self.write_string(&text.as_bytes()),
            Value::Table(table) => self.open_table(table)?,
            value => match number_of(&value) {
                Some(number) => self.write_number(number)?,
                None => return cannot_serialise(&value, "type not supported"),
            },
        }
        Ok(())
    }

    pub(super) fn write_number(&mut self, number: f64) -> Result<()> {
        if !number.is_finite() && self.settings.encode_invalid_numbers == 0 {
            return cannot_serialise(&Value::Number(number), "must not be NaN or Inf");
        }
        if !number.is_finite() && self.settings.encode_invalid_numbers == 2 {
            self.text.extend_from_slice(b"null");
            return Ok(());
        }
        let digits = usize::try_from(self.settings.encode_number_precision).unwrap_or(1);
        write_number(&mut self.text, number, digits);
        Ok(())
    }

    pub(super) fn write_string(&mut self, bytes: &[u8]) {
        self.text.push(b'"');
        let mut plain_from = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if is_plain(byte) {
                continue;
            }
            self.text.extend_from_slice(&bytes[plain_from..at]);
            write_escape(&mut self.text, byte);
            plain_from = at + 1;
        }
        self.text.extend_from_slice(&bytes[plain_from..]);
        self.text.push(b'"');
    }

    pub(super) fn open_table(&mut self, table: Table) -> Result<()> {
        let depth = self.open.len() + 1;
        if depth > depth_limit(self.settings.encode_max_depth) || self.slots + 3 > C_STACK_SLOTS {
            return fail(format!("Cannot serialise, excessive nesting ({depth})"));
        }
        let length = self.array_length(&table)?;
        let frame = if length > 0 {
            self.text.push(b'[');
            Frame::Array { table, next: 1, length }
        } else {
            self.text.push(b'{');
            Frame::Object { table, last_key: Value::Nil }
        };
        self.suspend(frame);
        Ok(())
    }

    /// The highest index of a table to write as an array; nothing above zero means an object.
    #[expect(clippy::float_cmp, reason = "an index is exactly a whole number")]
    pub(super) fn array_length(&self, table: &Table) -> Result<i32> {
        let (mut max, mut items) = (0, 0_i32);
        // Values are read as booleans since only the keys matter and booleans cost nothing to make.
        for pair in table.pairs::<Value, bool>() {
            step()?;
            match number_of(&pair?.0) {
                Some(key) if key >= 1.0 && key.floor() == key => max = raise(max, key),
                _ => return Ok(-1),
            }
            items = items.wrapping_add(1);
        }
        let Settings { sparse_convert, sparse_ratio, sparse_safe, .. } = self.settings;
        // The product wraps around in the C library as well.
        if sparse_ratio > 0 && max > items.wrapping_mul(sparse_ratio) && max > sparse_safe {
            if sparse_convert == 0 {
                return fail("Cannot serialise table: excessively sparse array");
            }
            return Ok(-1);
        }
        Ok(max)
    }

    /// Writes the next item of a table that was set aside, or its end.
    pub(super) fn step(&mut self, frame: Frame) -> Result<()> {
        self.slots -= frame.slots();
        match frame {
            Frame::Array { table, next, length } => self.step_array(table, next, length),
            Frame::Object { table, last_key } => self.step_object(table, last_key),
        }
    }

    pub(super) fn step_array(&mut self, table: Table, next: i64, length: i32) -> Result<()> {
        if next > i64::from(length) {
            self.text.push(b']');
            return Ok(());
        }
        self.write_comma(next == 1);
        let value: Value = table.raw_get(next)?;
        self.suspend(Frame::Array { table, next: next + 1, length });
        self.write(value)
    }

    pub(super) fn step_object(&mut self, table: Table, last_key: Value) -> Result<()> {
        let first = last_key.is_nil();
        let (key, value): (Value, Value) = self.next.call((&table, last_key))?;
        if key.is_nil() {
            self.text.push(b'}');
            return Ok(());
        }
        self.write_comma(first);
        self.write_key(&key)?;
        self.suspend(Frame::Object { table, last_key: key });
        self.write(value)
    }

    pub(super) fn suspend(&mut self, frame: Frame) {
        self.slots += frame.slots();
        self.open.push(frame);
    }

    pub(super) fn write_comma(&mut self, first: bool) {
        if !first {
            self.text.push(b',');
        }
    }

    pub(super) fn write_key(&mut self, key: &Value) -> Result<()> {
        if let Value::String(text) = key {
            self.write_string(&text.as_bytes());
        } else if let Some(number) = number_of(key) {
            self.text.push(b'"');
            self.write_number(number)?;
            self.text.push(b'"');
        } else {
            return cannot_serialise(key, "table key must be a number or string");
        }
        self.text.push(b':');
        Ok(())
    }
}

pub(super) fn cannot_serialise<T>(value: &Value, reason: &str) -> Result<T> {
    fail(format!("Cannot serialise {}: {reason}", type_name(value)))
}

/// The greater of an index so far and a new one. Indices too big for C's `int` become its lowest value
/// on x86-64, which makes the table an object.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked and the number is whole")]
pub(super) fn raise(max: i32, key: f64) -> i32 {
    if key <= f64::from(max) {
        max
    } else if key <= f64::from(i32::MAX) {
        key as i32
    } else {
        i32::MIN
    }
}

pub(super) fn is_plain(byte: u8) -> bool {
    !matches!(byte, 0..=31 | b'"' | b'/' | b'\\' | 127)
}

pub(super) fn write_escape(text: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'/' | b'\\' => byte,
        8 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        12 => b'f',
        b'\r' => b'r',
        _ => {
            text.extend_from_slice(b"\\u00");
            text.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            return;
        }
    };
    text.extend_from_slice(&[b'\\', short]);
}
