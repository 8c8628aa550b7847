//! Replies as Lua values, and Lua values as replies (Redis's "Lua to RESP type conversion").

use mlua::{Error, Lua, Result, Table, Value};

use crate::base::int::parse_i64;
use crate::base::limits::SCRIPT_MEMORY_BYTES_MAX;
use crate::protocol::reply::{Proto, Reply};

/// Tables in tables, beyond which a reply is refused: Lua's own C stack in Redis ends about there.
const DEPTH_MAX: usize = 200;
/// What a value in a reply counts at least, bytes.
const VALUE_BYTES: usize = 16;
/// What a table counts beside its values: to look what it stands for takes microseconds, and no interrupt comes between.
const TABLE_BYTES: usize = 256;

/// A reply on the wire, read from its beginning.
pub struct Wire<'a> {
    bytes: &'a [u8],
    lua: &'a Lua,
}

impl<'a> Wire<'a> {
    pub fn new(lua: &'a Lua, bytes: &'a [u8]) -> Wire<'a> {
        Wire { bytes, lua }
    }

    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.bytes).unwrap_or(self.bytes.len());
        let line = &self.bytes[..end];
        self.bytes = self.bytes.get(end + 2..).unwrap_or_default();
        line
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(len.min(self.bytes.len()));
        self.bytes = rest.get(2..).unwrap_or_default();
        taken
    }

    fn field(&self, name: &str, value: impl mlua::IntoLua) -> Result<Value> {
        let table = self.lua.create_table()?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    /// The next value; an error is a table with `err`, without its place.
    pub fn value(&mut self) -> Result<Value> {
        let line = self.line();
        let (kind, rest) = line.split_first().map_or((b'_', line), |(kind, rest)| (*kind, rest));
        let number = || parse_i64(rest).unwrap_or(-1);
        Ok(match kind {
            b':' => Value::Number(number() as f64),
            b'+' => self.field("ok", self.lua.create_string(rest)?)?,
            b'-' => self.field("err", self.lua.create_string(rest)?)?,
            b'$' | b'*' if number() < 0 => Value::Boolean(false),
            b'$' => Value::String(self.lua.create_string(self.take(number() as usize))?),
            b'*' | b'>' => Value::Table(self.list(number())?),
            b'_' => Value::Nil,
            b'#' => Value::Boolean(rest == b"t"),
            b',' => self.field("double", double_of(rest))?,
            b'(' => self.field("big_number", self.lua.create_string(rest)?)?,
            b'=' => self.verbatim(number())?,
            b'%' => self.map(number())?,
            b'~' => self.set(number())?,
            b'|' => {
                (0..number().max(0) * 2).try_for_each(|_| self.value().map(drop))?;
                self.value()?
            }
            _ => Value::Nil,
        })
    }

    fn list(&mut self, len: i64) -> Result<Table> {
        let list = self.lua.create_table()?;
        (1..=len).try_for_each(|at| list.raw_set(at, self.value()?))?;
        Ok(list)
    }

    fn map(&mut self, len: i64) -> Result<Value> {
        let map = self.lua.create_table()?;
        for _ in 0..len {
            let (key, value) = (self.value()?, self.value()?);
            if !key.is_nil() {
                map.raw_set(key, value)?;
            }
        }
        self.field("map", map)
    }

    fn set(&mut self, len: i64) -> Result<Value> {
        let set = self.lua.create_table()?;
        for _ in 0..len {
            let member = self.value()?;
            if !member.is_nil() {
                set.raw_set(member, true)?;
            }
        }
        self.field("set", set)
    }

    fn verbatim(&mut self, len: i64) -> Result<Value> {
        let text = self.take(len.max(0) as usize);
        let (format, string) = text.split_at(text.len().min(4));
        let both = self.lua.create_table()?;
        both.raw_set("format", self.lua.create_string(&format[..format.len().min(3)])?)?;
        both.raw_set("string", self.lua.create_string(string)?)?;
        self.field("verbatim_string", both)
    }
}

fn double_of(text: &[u8]) -> f64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// Writes what a script returned as the reply of its caller. `script_proto` is what the script speaks.
///
/// # Errors
/// Where the reply would be longer than a machine may hold; what was written is then of no use.
pub fn write_reply(value: &Value, script_proto: Proto, reply: &mut Reply<'_>) -> Result<()> {
    Writer { script_proto, left_bytes: SCRIPT_MEMORY_BYTES_MAX, reply }.write(value, 0)
}

/// What a script returned, on its way to the caller.
struct Writer<'w, 'r> {
    script_proto: Proto,
    /// A table may stand in others many times over, so that little memory is an endless reply.
    left_bytes: usize,
    reply: &'w mut Reply<'r>,
}

impl Writer<'_, '_> {
    fn spend(&mut self, bytes: usize) -> Result<()> {
        let left = self.left_bytes.checked_sub(bytes);
        self.left_bytes = left.ok_or_else(|| Error::runtime("too large"))?;
        Ok(())
    }

    fn write(&mut self, value: &Value, depth: usize) -> Result<()> {
        self.spend(VALUE_BYTES)?;
        match value {
            Value::String(text) => {
                let text = text.as_bytes();
                self.spend(text.len())?;
                self.reply.bulk(&text);
            }
            Value::Integer(number) => self.reply.int(*number),
            Value::Number(number) => self.reply.int(truncated(*number)),
            Value::Boolean(is) if self.script_proto == Proto::Resp3 => self.reply.boolean(*is),
            Value::Boolean(true) => self.reply.int(1),
            Value::Table(table) if depth < DEPTH_MAX => self.write_table(table, depth)?,
            Value::Table(_) => self.reply.error(b"ERR reached lua stack limit"),
            _ => self.reply.null(),
        }
        Ok(())
    }

    fn write_table(&mut self, table: &Table, depth: usize) -> Result<()> {
        self.spend(TABLE_BYTES)?;
        if self.write_line(table)? {
            return Ok(());
        }
        if let Some(number) = number_of(&table.raw_get("double")?) {
            self.reply.double(number);
        } else if let Value::Table(map) = table.raw_get("map")? {
            self.reply.map(count(&map)?);
            map.for_each(|key: Value, value: Value| {
                self.write(&key, depth + 1)?;
                self.write(&value, depth + 1)
            })?;
        } else if let Value::Table(set) = table.raw_get("set")? {
            self.reply.set(count(&set)?);
            set.for_each(|member: Value, _: Value| self.write(&member, depth + 1))?;
        } else if !self.write_text(table)? {
            // One after the other: a list of them all would be as large again.
            let is_there = |at: &i64| table.raw_get::<Value>(*at).is_ok_and(|value| !value.is_nil());
            let len = (1..).take_while(is_there).count();
            self.reply.array(len);
            (1..=len).try_for_each(|at| self.write(&table.raw_get(at)?, depth + 1))?;
        }
        Ok(())
    }

    /// Writes a table that stands for an error or a status; false for any other.
    fn write_line(&mut self, table: &Table) -> Result<bool> {
        if let Value::String(text) = table.raw_get("err")? {
            self.spend(text.as_bytes().len())?;
            self.reply.error(error_line(&text.as_bytes()));
        } else if let Value::String(text) = table.raw_get("ok")? {
            self.spend(text.as_bytes().len())?;
            self.reply.simple_bytes(&text.as_bytes());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Writes a table that stands for a big number or a text with its format; false for any other.
    fn write_text(&mut self, table: &Table) -> Result<bool> {
        if let Value::String(number) = table.raw_get("big_number")? {
            self.spend(number.as_bytes().len())?;
            self.reply.big_number(&number.as_bytes());
        } else if let Value::Table(both) = table.raw_get("verbatim_string")?
            && let (Value::String(text), Value::String(format)) =
                (both.raw_get("string")?, both.raw_get("format")?)
        {
            self.spend(text.as_bytes().len())?;
            let format = <[u8; 3]>::try_from(&format.as_bytes()[..]).unwrap_or(*b"txt");
            self.reply.verbatim_as(format, &text.as_bytes());
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn count(table: &Table) -> Result<usize> {
    let mut count = 0;
    table.for_each(|_: Value, _: Value| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// A value that is a number.
pub fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// A number without its fraction. One that fits no integer becomes the least, as C on x86-64 has it.
fn truncated(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

/// What `redis.error_reply` makes of a text: the error's line without the leading `-`.
pub fn error_line(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    text.strip_suffix(b"\r\n").unwrap_or(text)
}
