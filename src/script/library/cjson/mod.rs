//! The scripts' `cjson` library: JSON text to Lua values and back.
//!
//! The behaviour is that of lua-cjson 2.1.0 (<https://github.com/mpx/lua-cjson>) in the form that Redis
//! 7.0 bundles, checked case by case against a running Redis 7.0.15. That parser is laxer than JSON
//! (RFC 8259): it reads `nan`, `inf`, `0x10`, `+1` and `01`, takes any byte inside strings, and stops at
//! a zero byte.
//!
//! Neither direction recurses: open tables wait on a heap stack, so deep input cannot exhaust the
//! thread's stack however high a script sets the depth limits.

mod decode;
mod encode;
mod numbers;
mod settings;

use decode::Decoder;
use encode::Encoder;
use settings::*;

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Result, Table, Value};

const NAME: &str = "cjson";
const VERSION: &str = "2.1.0";

const SWITCH: &[&str] = &["off", "on"];
const INVALID_NUMBERS: &[&str] = &["off", "on", "null"];

/// Builds a new `cjson` table with default settings of its own.
///
/// # Errors
///
/// Fails when Lua runs out of memory, or when its global `next` is missing.
pub fn library(lua: &Lua) -> Result<Table> {
    let next: Function = lua.globals().raw_get("next")?;
    instance(lua, &next)
}

/// Builds one library table; `next` is Lua's own, taken before scripts could replace it.
fn instance(lua: &Lua, next: &Function) -> Result<Table> {
    let settings = Shared::default();
    let table = lua.create_table()?;
    table.raw_set("_NAME", NAME)?;
    table.raw_set("_VERSION", VERSION)?;
    table.raw_set("null", Value::NULL)?;
    add_codec(lua, &table, &settings, next)?;
    add_limits(lua, &table, &settings)?;
    add_number_settings(lua, &table, &settings)?;
    let next = next.clone();
    table.raw_set("new", lua.create_function(move |lua, _: MultiValue| instance(lua, &next))?)?;
    Ok(table)
}

/// Adds `encode` and `decode`.
fn add_codec(lua: &Lua, table: &Table, settings: &Shared, next: &Function) -> Result<()> {
    let (shared, next) = (settings.clone(), next.clone());
    add(lua, table, "encode", move |lua, args| {
        let value = args.only()?.clone();
        let text = Encoder::new(shared.get(), &next).encode(value)?;
        lua.create_string(text)?.into_lua_multi(lua)
    })?;
    let shared = settings.clone();
    add(lua, table, "decode", move |lua, args| {
        args.only()?;
        let value = match args.value(1) {
            Value::String(text) => Decoder::new(lua, shared.get(), &text.as_bytes()).decode()?,
            _ => Decoder::new(lua, shared.get(), &args.text(1)?).decode()?,
        };
        value.into_lua_multi(lua)
    })
}

/// Adds the settings about nesting, sparse arrays and the text buffer.
fn add_limits(lua: &Lua, table: &Table, settings: &Shared) -> Result<()> {
    let shared = settings.clone();
    add(lua, table, "encode_max_depth", move |lua, args| {
        args.at_most(1)?;
        args.integer(1, 1..=i32::MAX, &mut shared.lock().encode_max_depth)?.into_lua_multi(lua)
    })?;
    let shared = settings.clone();
    add(lua, table, "decode_max_depth", move |lua, args| {
        args.at_most(1)?;
        args.integer(1, 1..=i32::MAX, &mut shared.lock().decode_max_depth)?.into_lua_multi(lua)
    })?;
    let shared = settings.clone();
    add(lua, table, "encode_sparse_array", move |lua, args| {
        args.at_most(3)?;
        let mut settings = shared.lock();
        let convert = args.choice(1, SWITCH, &mut settings.sparse_convert)?;
        let ratio = args.integer(2, 0..=i32::MAX, &mut settings.sparse_ratio)?;
        let safe = args.integer(3, 0..=i32::MAX, &mut settings.sparse_safe)?;
        (convert, ratio, safe).into_lua_multi(lua)
    })?;
    let shared = settings.clone();
    // The buffer of this module never outlives a call, so the setting is only remembered.
    add(lua, table, "encode_keep_buffer", move |lua, args| {
        args.at_most(1)?;
        args.choice(1, SWITCH, &mut shared.lock().encode_keep_buffer)?.into_lua_multi(lua)
    })
}

/// Adds the settings about numbers.
fn add_number_settings(lua: &Lua, table: &Table, settings: &Shared) -> Result<()> {
    let shared = settings.clone();
    add(lua, table, "encode_number_precision", move |lua, args| {
        args.at_most(1)?;
        args.integer(1, 1..=14, &mut shared.lock().encode_number_precision)?.into_lua_multi(lua)
    })?;
    let shared = settings.clone();
    add(lua, table, "encode_invalid_numbers", move |lua, args| {
        args.at_most(1)?;
        args.choice(1, INVALID_NUMBERS, &mut shared.lock().encode_invalid_numbers)?.into_lua_multi(lua)
    })?;
    let shared = settings.clone();
    add(lua, table, "decode_invalid_numbers", move |lua, args| {
        args.at_most(1)?;
        args.choice(1, SWITCH, &mut shared.lock().decode_invalid_numbers)?.into_lua_multi(lua)
    })
}

/// Puts a function into the table, under the name that its argument errors carry.
fn add<F>(lua: &Lua, table: &Table, name: &'static str, body: F) -> Result<()>
where
    F: Fn(&Lua, &Arguments) -> Result<MultiValue> + mlua::MaybeSend + 'static,
{
    let function = lua.create_function(move |lua, values| body(lua, &Arguments { name, values }))?;
    table.raw_set(name, function)
}

#[cfg(test)]
mod tests;
