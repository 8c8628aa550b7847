//! What the prelude is given of the server, beside the calls of commands (`bridge`).

use memchr::memmem;
use mlua::chunk::ChunkMode;
use mlua::{Function, IntoLuaMulti as _, Lua, LuaString, Table, Value, Variadic};

use super::bridge::{self, ARGUMENTS, Running, write_number_word};
use super::library;
use super::sources::sha1_hex;
use super::values::error_line;
use crate::base::limits::SCRIPT_BYTES_MAX;
use crate::protocol::range::ArgRange;
use crate::protocol::reply::Proto;

/// Compiles text; what looks like compiled code is refused.
pub fn compile(lua: &Lua, text: &[u8], name: &str) -> mlua::Result<Function> {
    if text.len() > SCRIPT_BYTES_MAX {
        return Err(mlua::Error::RuntimeError("script is too large".to_owned()));
    }
    lua.load(text).set_name(name).set_mode(ChunkMode::Text).into_function()
}

/// Values as words: strings, and numbers as integers where they are whole.
fn words_of(values: &[Value]) -> Result<(Vec<u8>, Vec<ArgRange>), &'static str> {
    let (mut buffer, mut words) = (Vec::new(), Vec::new());
    for value in values {
        let start = buffer.len();
        match value {
            Value::String(text) => buffer.extend_from_slice(&text.as_bytes()),
            _ => write_number_word(number_of(value).ok_or(ARGUMENTS)?, &mut buffer),
        }
        words.push(ArgRange { start, len: buffer.len() - start });
    }
    Ok((buffer, words))
}

/// A value that is a number.
fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// What scripts ask of the server beside commands: the answer, or what is wrong.
fn beside(running: &mut Running<'_>, what: &str, values: &[Value]) -> Result<Value, &'static str> {
    match what {
        "setresp" => match values {
            [version] => match number_of(version) {
                Some(2.0) => running.proto = Proto::Resp2,
                Some(3.0) => running.proto = Proto::Resp3,
                _ => return Err("RESP version must be 2 or 3."),
            },
            _ => return Err("redis.setresp() requires one argument."),
        },
        "log" => {
            let [level, rest @ ..] = values else {
                return Err("redis.log() requires two arguments or more.");
            };
            if rest.is_empty() {
                return Err("redis.log() requires two arguments or more.");
            }
            let level = number_of(level).ok_or("First argument must be a number (log level).")?;
            if !(0.0..=3.0).contains(&level) {
                return Err("Invalid debug level.");
            }
            let parts: Vec<Vec<u8>> = rest
                .iter()
                .filter_map(|value| words_of(std::slice::from_ref(value)).ok())
                .map(|(text, _)| text)
                .collect();
            running.host.log(level as i64, &parts.join(&b' '));
        }
        _ => {
            let (buffer, words) =
                words_of(values).map_err(|_| "redis.acl_check_cmd() require strings or integers")?;
            return running.host.may_call(&buffer, &words).map(Value::Boolean);
        }
    }
    Ok(Value::Nil)
}

/// A version as one number: a byte for each part.
pub fn version_number(version: &str) -> i64 {
    version.split('.').filter_map(|part| part.parse::<i64>().ok()).fold(0, |all, part| all << 8 | part)
}

/// What the prelude is given of the server. `chunk`: what the machine's sources are called in errors.
pub fn natives(lua: &Lua, version: &str, chunk: &str) -> mlua::Result<Table> {
    let native = lua.create_table()?;
    native.set("chunk", chunk)?;
    native.set("version", version)?;
    native.set("version_number", version_number(version))?;
    native.set(
        "error_line",
        lua.create_function(|lua, text: mlua::LuaString| lua.create_string(&*error_line(&text.as_bytes())))?,
    )?;
    native.set(
        "sha1hex",
        lua.create_function(|_, text: Value| {
            let (text, _) = words_of(&[text]).unwrap_or_default();
            Ok(sha1_hex(&text))
        })?,
    )?;
    native.set(
        "text",
        lua.create_function(|lua, problem: Value| match problem {
            Value::Error(error) => lua.create_string(text_of(&error)),
            Value::String(text) => match std::str::from_utf8(&text.as_bytes()) {
                Ok(own) => lua.create_string(plain(own)),
                Err(_) => Ok(text),
            },
            other => lua.create_string(other.to_string().unwrap_or_default()),
        })?,
    )?;
    native.set("find", lua.create_function(|_, given| Ok(find(&given).unzip()))?)?;
    native.set(
        "compile",
        lua.create_function(|lua, (text, name): (Value, Option<mlua::LuaString>)| {
            let Value::String(text) = text else {
                return (Value::Nil, "bad argument #1 to 'loadstring' (string expected)").into_lua_multi(lua);
            };
            let name = name.map_or_else(|| "=loadstring".to_owned(), |name| name.to_string_lossy());
            match compile(lua, &text.as_bytes(), &name) {
                Ok(compiled) => compiled.into_lua_multi(lua),
                Err(error) => (Value::Nil, text_of(&error)).into_lua_multi(lua),
            }
        })?,
    )?;
    native.set(
        "beside",
        lua.create_function(|_, (what, values): (String, Variadic<Value>)| {
            let answer = bridge::with(|running| beside(running, &what, &values));
            Ok(match answer.unwrap_or(Err("no script runs")) {
                Ok(value) => (value, None),
                Err(problem) => (Value::Nil, Some(problem)),
            })
        })?,
    )?;
    bridge::add_calls(lua, &native)?;
    library::random::add(lua, &native)?;
    Ok(native)
}

/// An error's text alone, without the trace that mlua adds.
pub fn text_of(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::RuntimeError(text) | mlua::Error::MemoryError(text) => text.clone(),
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        mlua::Error::CallbackError { cause, .. } => text_of(cause),
        other => other.to_string(),
    };
    plain(&text)
}

/// A text of Luau's in Redis's words, without a trace.
fn plain(text: &str) -> String {
    let text = text.split("\nstack traceback:").next().unwrap_or_default();
    // Luau writes it with a small letter.
    text.replacen("attempt to modify a readonly table", "Attempt to modify a readonly table", 1)
}

/// The first place of one text in another from `init` on, as Lua counts: where it begins and ends.
fn find((text, wanted, init): &(LuaString, LuaString, Option<f64>)) -> Option<(f64, f64)> {
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    let from = match init.unwrap_or(1.0) {
        init if init < 0.0 => (text.len() as f64 + init).max(0.0),
        init => (init - 1.0).max(0.0),
    };
    let rest = text.get(from as usize..)?;
    let at = from as usize + memmem::find(rest, &wanted)?;
    Some(((at + 1) as f64, (at + wanted.len()) as f64))
}
