//! The script library `cmsgpack`: MessagePack for scripts.
//!
//! Source of the format: the MessagePack specification (before the types "bin" and "ext"), and what the
//! lua-cmsgpack 0.4.0 inside a Redis 7.0 server answers.

use mlua::{Lua, MultiValue, Result, Table, Value};

use super::args::{Args, MAX_STACK_SLOTS, MAX_TEXT_LEN, check_stack, error, to_int64};
use crate::script::bridge::step;

/// Tables nested deeper than this are packed as nil.
const MAX_PACK_NESTING: usize = 16;
/// What the stack check says when there are too many values.
const TOO_MANY_VALUES: &str = "too many return values at once; use unpack_one or unpack_limit instead.";

/// Makes the table that scripts see as `cmsgpack`.
pub fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    let pack = |lua: &Lua, values: MultiValue| pack(lua, &Args::new("pack", values));
    table.raw_set("pack", lua.create_function(pack)?)?;
    let unpack = |lua: &Lua, values: MultiValue| unpack(lua, &Args::new("unpack", values));
    table.raw_set("unpack", lua.create_function(unpack)?)?;
    let unpack_one = |lua: &Lua, values: MultiValue| unpack_one(lua, &Args::new("unpack_one", values));
    table.raw_set("unpack_one", lua.create_function(unpack_one)?)?;
    let unpack_limit = |lua: &Lua, values: MultiValue| unpack_limit(lua, &Args::new("unpack_limit", values));
    table.raw_set("unpack_limit", lua.create_function(unpack_limit)?)?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}

fn pack(lua: &Lua, args: &Args) -> Result<mlua::LuaString> {
    if args.count() == 0 {
        return Err(args.error(0, "MessagePack pack needs input."));
    }
    // The original asks for as many stack slots again as there are arguments.
    if args.count() > MAX_STACK_SLOTS / 2 {
        return Err(args.error(0, "Too many arguments for MessagePack pack."));
    }
    let mut output = Vec::new();
    for index in 1..=args.count() {
        pack_value(&mut output, args.get(index).unwrap_or(&Value::Nil), 0)?;
    }
    lua.create_string(output)
}

fn pack_value(output: &mut Vec<u8>, value: &Value, level: usize) -> Result<()> {
    step()?;
    match value {
        Value::Boolean(false) => output.push(0xc2),
        Value::Boolean(true) => output.push(0xc3),
        Value::Integer(number) => pack_number(output, *number as f64),
        Value::Number(number) => pack_number(output, *number),
        Value::String(text) => pack_string(output, &text.as_bytes())?,
        Value::Table(table) if level < MAX_PACK_NESTING => pack_table(output, table, level + 1)?,
        // Functions and the like have no form of their own.
        _ => output.push(0xc0),
    }
    Ok(())
}

fn pack_string(output: &mut Vec<u8>, text: &[u8]) -> Result<()> {
    // Tables that hold the same string many times can grow without end; stop at what a machine can hold.
    if output.len() + text.len() > MAX_TEXT_LEN {
        return Err(error("not enough memory"));
    }
    let len = text.len();
    match len {
        0..=31 => output.push(0xa0 | len as u8),
        32..=0xff => output.extend([0xd9, len as u8]),
        _ => push_length(output, len, 0xda, 0xdb),
    }
    output.extend_from_slice(text);
    Ok(())
}

/// Appends a length of 16 or 32 bits behind the fitting type byte.
fn push_length(output: &mut Vec<u8>, len: usize, short: u8, long: u8) {
    match u16::try_from(len) {
        Ok(len) => push_typed(output, short, len.to_be_bytes()),
        // No Lua table or string reaches 2^32.
        Err(_) => push_typed(output, long, (len as u32).to_be_bytes()),
    }
}

fn push_typed<const N: usize>(output: &mut Vec<u8>, kind: u8, bytes: [u8; N]) {
    output.push(kind);
    output.extend_from_slice(&bytes);
}

fn pack_number(output: &mut Vec<u8>, number: f64) {
    if is_whole(number) {
        pack_integer(output, number as i64);
    } else if f64::from(number as f32) == number {
        push_typed(output, 0xca, (number as f32).to_be_bytes());
    } else {
        push_typed(output, 0xcb, number.to_be_bytes());
    }
}

/// Whether a number is an integer of 64 bits.
fn is_whole(number: f64) -> bool {
    to_int64(number) as f64 == number
}

fn pack_integer(output: &mut Vec<u8>, number: i64) {
    match number {
        -32..=0x7f => output.push(number as u8),
        0x80..=0xff => push_typed(output, 0xcc, (number as u8).to_be_bytes()),
        0x100..=0xffff => push_typed(output, 0xcd, (number as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => push_typed(output, 0xce, (number as u32).to_be_bytes()),
        0x1_0000_0000.. => push_typed(output, 0xcf, number.to_be_bytes()),
        -0x80..=-33 => push_typed(output, 0xd0, (number as i8).to_be_bytes()),
        -0x8000..=-0x81 => push_typed(output, 0xd1, (number as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => push_typed(output, 0xd2, (number as i32).to_be_bytes()),
        ..=-0x8000_0001 => push_typed(output, 0xd3, number.to_be_bytes()),
    }
}

fn pack_table(output: &mut Vec<u8>, table: &Table, level: usize) -> Result<()> {
    // A table that holds itself several times doubles at each level; stop at what a machine can hold.
    if output.len() > MAX_TEXT_LEN {
        return Err(error("not enough memory"));
    }
    match array_len(table)? {
        Some(len) => pack_array(output, table, len, level),
        None => pack_map(output, table, level),
    }
}

/// The number of elements when the keys are exactly 1 to n; `None` for any other table.
fn array_len(table: &Table) -> Result<Option<usize>> {
    let mut count = 0_usize;
    let mut highest = 0.0;
    for pair in table.pairs::<Value, Value>() {
        step()?;
        let key = match pair?.0 {
            Value::Integer(key) => key as f64,
            Value::Number(key) => key,
            _ => return Ok(None),
        };
        if key <= 0.0 || !is_whole(key) {
            return Ok(None);
        }
        highest = f64::max(highest, key);
        count += 1;
    }
    Ok((highest == count as f64).then_some(count))
}

fn pack_array(output: &mut Vec<u8>, table: &Table, len: usize, level: usize) -> Result<()> {
    match len {
        0..=15 => output.push(0x90 | len as u8),
        _ => push_length(output, len, 0xdc, 0xdd),
    }
    for index in 1..=len {
        pack_value(output, &table.raw_get(index)?, level)?;
    }
    Ok(())
}

fn pack_map(output: &mut Vec<u8>, table: &Table, level: usize) -> Result<()> {
    let mut len = 0_usize;
    for pair in table.pairs::<Value, Value>() {
        pair?;
        len += 1;
    }
    match len {
        0..=15 => output.push(0x80 | len as u8),
        _ => push_length(output, len, 0xde, 0xdf),
    }
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        pack_value(output, &key, level)?;
        pack_value(output, &value, level)?;
    }
    Ok(())
}

fn unpack(lua: &Lua, args: &Args) -> Result<MultiValue> {
    unpack_from(lua, args, args.count(), 0, 0)
}

fn unpack_one(lua: &Lua, args: &Args) -> Result<MultiValue> {
    let offset = args.integer_or(2, 0)?;
    unpack_from(lua, args, 1, 1, offset)
}

fn unpack_limit(lua: &Lua, args: &Args) -> Result<MultiValue> {
    let limit = args.integer(2)?;
    let offset = args.integer_or(3, 0)?;
    unpack_from(lua, args, 1, limit, offset)
}

/// Unpacks up to `limit` values from `offset` on. With both 0 it unpacks everything; otherwise the first
/// result is the offset to go on from, or -1 at the end.
fn unpack_from(lua: &Lua, args: &Args, used_slots: usize, limit: i64, offset: i64) -> Result<MultiValue> {
    let input = args.string(lua, 1)?;
    let input = input.as_bytes();
    let everything = limit == 0 && offset == 0;
    // Error texts show only 32 bits of the offset.
    let shown = offset as i32;
    if limit < 0 || offset < 0 {
        // The original names the length of the input as the limit.
        let text = format!("Invalid request to unpack with offset of {shown} and limit of {}.", input.len());
        return Err(error(text));
    }
    let Some(rest) = input.get(offset as usize..) else {
        let text = format!("Start offset {shown} greater than input length {}.", input.len());
        return Err(error(text));
    };
    let limit = if everything { usize::MAX } else { limit as usize };
    let mut decoder = Decoder { rest, open: Vec::new(), used_slots };
    let mut results = Vec::new();
    while !decoder.rest.is_empty() && results.len() < limit {
        results.push(decoder.value(lua)?);
        decoder.used_slots += 1;
    }
    if !everything {
        check_stack(decoder.used_slots, 1, "in function mp_unpack_full")?;
        let next = input.len() - decoder.rest.len();
        let next = if decoder.rest.is_empty() { -1.0 } else { next as f64 };
        results.insert(0, Value::Number(next));
    }
    Ok(MultiValue::from_vec(results))
}

/// A table whose elements are still being read.
enum Open {
    Array { table: Table, next: u64, left: usize },
    Map { table: Table, key: Option<Value>, left: usize },
}

/// What one type byte starts.
enum Piece {
    Whole(Value),
    Array(usize),
    Map(usize),
}

/// Reads MessagePack. Open tables are kept in a list rather than on the call stack, so nesting costs no
/// stack. It is bounded as in the original: by the slots that Lua 5.1 would have needed.
struct Decoder<'a> {
    rest: &'a [u8],
    open: Vec<Open>,
    used_slots: usize,
}

impl<'a> Decoder<'a> {
    /// Reads one complete value.
    fn value(&mut self, lua: &Lua) -> Result<Value> {
        loop {
            step()?;
            let complete = match self.piece(lua)? {
                Piece::Whole(value) => Some(value),
                Piece::Array(left) => self.open_array(lua, left)?,
                Piece::Map(left) => self.open_map(lua, left)?,
            };
            if let Some(value) = complete
                && let Some(outermost) = self.attach(value)?
            {
                return Ok(outermost);
            }
        }
    }

    /// Starts an array; an empty one is complete at once. Length claims of the input reserve nothing.
    fn open_array(&mut self, lua: &Lua, left: usize) -> Result<Option<Value>> {
        let table = lua.create_table()?;
        check_stack(self.used_slots + 1, 1, "in function mp_decode_to_lua_array")?;
        if left == 0 {
            return Ok(Some(Value::Table(table)));
        }
        // The table and the index of the coming element.
        self.used_slots += 2;
        self.open.push(Open::Array { table, next: 1, left });
        Ok(None)
    }

    /// Starts a map; here the original checks nothing beyond what each value needs.
    fn open_map(&mut self, lua: &Lua, left: usize) -> Result<Option<Value>> {
        let table = lua.create_table()?;
        if left == 0 {
            return Ok(Some(Value::Table(table)));
        }
        self.used_slots += 1;
        self.open.push(Open::Map { table, key: None, left });
        Ok(None)
    }

    /// Puts a complete value into the innermost open table, and closes the tables this fills. A value that
    /// belongs to no table is handed back.
    fn attach(&mut self, mut value: Value) -> Result<Option<Value>> {
        while let Some(innermost) = self.open.last_mut() {
            let full = match innermost {
                Open::Array { table, next, left } => {
                    table.raw_set(*next, value)?;
                    *next += 1;
                    *left -= 1;
                    *left == 0
                }
                Open::Map { key, .. } if key.is_none() => {
                    *key = Some(value);
                    self.used_slots += 1;
                    return Ok(None);
                }
                Open::Map { table, key, left } => {
                    set_field(table, key.take().unwrap_or(Value::Nil), value)?;
                    self.used_slots -= 1;
                    *left -= 1;
                    *left == 0
                }
            };
            if !full {
                return Ok(None);
            }
            value = match self.open.pop() {
                Some(Open::Array { table, .. }) => {
                    self.used_slots -= 2;
                    Value::Table(table)
                }
                Some(Open::Map { table, .. }) => {
                    self.used_slots -= 1;
                    Value::Table(table)
                }
                None => return Ok(None),
            };
        }
        Ok(Some(value))
    }

    fn piece(&mut self, lua: &Lua) -> Result<Piece> {
        let [kind] = self.take()?;
        check_stack(self.used_slots, 1, TOO_MANY_VALUES)?;
        let value = match kind {
            0x00..=0x7f => Value::Number(f64::from(kind)),
            0x80..=0x8f => return Ok(Piece::Map(usize::from(kind & 0x0f))),
            0x90..=0x9f => return Ok(Piece::Array(usize::from(kind & 0x0f))),
            0xa0..=0xbf => self.string(lua, usize::from(kind & 0x1f))?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xd9 => {
                let [len] = self.take()?;
                self.string(lua, usize::from(len))?
            }
            0xda => {
                let len = self.short_length()?;
                self.string(lua, len)?
            }
            0xdb => {
                let len = self.long_length()?;
                self.string(lua, len)?
            }
            0xdc => return Ok(Piece::Array(self.short_length()?)),
            0xdd => return Ok(Piece::Array(self.long_length()?)),
            0xde => return Ok(Piece::Map(self.short_length()?)),
            0xdf => return Ok(Piece::Map(self.long_length()?)),
            0xe0..=0xff => Value::Number(f64::from(kind as i8)),
            _ => Value::Number(self.number(kind)?),
        };
        Ok(Piece::Whole(value))
    }

    /// Reads the number types that have a type byte of their own.
    fn number(&mut self, kind: u8) -> Result<f64> {
        Ok(match kind {
            0xca => f64::from(f32::from_be_bytes(self.take()?)),
            0xcb => f64::from_be_bytes(self.take()?),
            0xcc => f64::from(u8::from_be_bytes(self.take()?)),
            0xcd => f64::from(u16::from_be_bytes(self.take()?)),
            0xce => f64::from(u32::from_be_bytes(self.take()?)),
            // The original reads the unsigned type into a signed integer as well.
            0xcf | 0xd3 => i64::from_be_bytes(self.take()?) as f64,
            0xd0 => f64::from(i8::from_be_bytes(self.take()?)),
            0xd1 => f64::from(i16::from_be_bytes(self.take()?)),
            0xd2 => f64::from(i32::from_be_bytes(self.take()?)),
            _ => return Err(error("Bad data format in input.")),
        })
    }

    fn short_length(&mut self) -> Result<usize> {
        Ok(usize::from(u16::from_be_bytes(self.take()?)))
    }

    fn long_length(&mut self) -> Result<usize> {
        Ok(u32::from_be_bytes(self.take()?) as usize)
    }

    fn string(&mut self, lua: &Lua, len: usize) -> Result<Value> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(missing_bytes)?;
        self.rest = rest;
        Ok(Value::String(lua.create_string(bytes)?))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(missing_bytes)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

fn missing_bytes() -> mlua::Error {
    error("Missing bytes in input.")
}

/// Sets a field without metatables; the two keys that no table takes give Lua 5.1's errors.
fn set_field(table: &Table, key: Value, value: Value) -> Result<()> {
    match key {
        Value::Nil => Err(error("table index is nil")),
        Value::Number(number) if number.is_nan() => Err(error("table index is NaN")),
        key => table.raw_set(key, value),
    }
}

#[cfg(test)]
mod tests;
