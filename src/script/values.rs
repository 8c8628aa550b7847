//! Replies as Lua values, and Lua values as replies (Redis's "Lua to RESP type conversion").

use mlua::{Lua, Result, Table, Value};

use crate::base::int::parse_i64;
use crate::protocol::reply::{Proto, Reply};

/// Tables in tables, beyond which a reply is refused: Lua's own C stack in Redis ends about there.
const DEPTH_MAX: usize = 200;

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
/// Where a value cannot be looked at any more, for want of memory.
pub fn write_reply(value: &Value, script_proto: Proto, reply: &mut Reply<'_>) -> Result<()> {
    write(value, script_proto, reply, 0)
}

fn write(value: &Value, script_proto: Proto, reply: &mut Reply<'_>, depth: usize) -> Result<()> {
    match value {
        Value::String(text) => reply.bulk(&text.as_bytes()),
        Value::Integer(number) => reply.int(*number),
        Value::Number(number) => reply.int(truncated(*number)),
        Value::Boolean(is) if script_proto == Proto::Resp3 => reply.boolean(*is),
        Value::Boolean(true) => reply.int(1),
        Value::Table(table) if depth < DEPTH_MAX => write_table(table, script_proto, reply, depth)?,
        Value::Table(_) => reply.error(b"ERR reached lua stack limit"),
        _ => reply.null(),
    }
    Ok(())
}

/// A number without its fraction. One that fits no integer becomes the least, as C on x86-64 has it.
fn truncated(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

fn write_table(table: &Table, script_proto: Proto, reply: &mut Reply<'_>, depth: usize) -> Result<()> {
    if let Value::String(text) = table.raw_get("err")? {
        reply.error(error_line(&text.as_bytes()));
        return Ok(());
    }
    if let Value::String(text) = table.raw_get("ok")? {
        reply.simple_bytes(&text.as_bytes());
        return Ok(());
    }
    match table.raw_get("double")? {
        Value::Number(number) => {
            reply.double(number);
            return Ok(());
        }
        Value::Integer(number) => {
            reply.double(number as f64);
            return Ok(());
        }
        _ => {}
    }
    if let Value::Table(map) = table.raw_get("map")? {
        let pairs: Vec<(Value, Value)> = map.pairs().collect::<Result<_>>()?;
        reply.map(pairs.len());
        for (key, value) in &pairs {
            write(key, script_proto, reply, depth + 1)?;
            write(value, script_proto, reply, depth + 1)?;
        }
        return Ok(());
    }
    if let Value::Table(set) = table.raw_get("set")? {
        let members: Vec<Value> =
            set.pairs::<Value, Value>().map(|pair| Ok(pair?.0)).collect::<Result<_>>()?;
        reply.set(members.len());
        return members.iter().try_for_each(|member| write(member, script_proto, reply, depth + 1));
    }
    if let Value::String(number) = table.raw_get("big_number")? {
        reply.big_number(&number.as_bytes());
        return Ok(());
    }
    if let Value::Table(both) = table.raw_get("verbatim_string")?
        && let (Value::String(text), Value::String(format)) =
            (both.raw_get("string")?, both.raw_get("format")?)
    {
        let format = <[u8; 3]>::try_from(&format.as_bytes()[..]).unwrap_or(*b"txt");
        reply.verbatim_as(format, &text.as_bytes());
        return Ok(());
    }
    let len = (1..).take_while(|at| table.raw_get::<Value>(*at).is_ok_and(|value| !value.is_nil())).count();
    reply.array(len);
    (1..=len).try_for_each(|at| write(&table.raw_get(at)?, script_proto, reply, depth + 1))
}

/// What `redis.error_reply` makes of a text: the error's line without the leading `-`.
pub fn error_line(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    text.strip_suffix(b"\r\n").unwrap_or(text)
}
