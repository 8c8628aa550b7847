//! Runs recorded cases of a library: an expression, and what Redis 7.0.15 gave for it.

use mlua::{Error, Lua, Result};

/// Script helpers that make any list of results printable; valid in Lua 5.1 and in Luau.
const HELPERS: &str = r#"
-- Prints values so that results of two servers can be compared; runs in Lua 5.1 and in Luau.
local function hex(text)
  return (string.gsub(text, '.', function(char) return string.format('%02x', string.byte(char)) end))
end

-- A long string is reduced to its length, its ends and a sum.
local function brief(text)
  if #text <= 40 then return hex(text) end
  local sum = 0
  for i = 1, #text do sum = (sum * 31 + string.byte(text, i)) % 1000003 end
  return #text .. ':' .. hex(string.sub(text, 1, 12)) .. '..' .. hex(string.sub(text, -12)) .. ':' .. sum
end

local function number(value)
  if value ~= value then return 'nan' end
  if value == 1 / 0 then return 'inf' end
  if value == -1 / 0 then return '-inf' end
  if value == 0 and 1 / value < 0 then return '-0' end
  return string.format('%.17g', value)
end

local function one(value)
  local kind = type(value)
  if kind == 'number' then return number(value) end
  if kind == 'string' then return '"' .. brief(value) .. '"' end
  if kind == 'boolean' or kind == 'nil' then return tostring(value) end
  if kind ~= 'table' then return kind end
  local parts = {}
  for key, item in pairs(value) do table.insert(parts, one(key) .. '=' .. one(item)) end
  table.sort(parts)
  return '{' .. table.concat(parts, ',') .. '}'
end

function show(...)
  local count = select('#', ...)
  if count > 40 then return count .. ' values, last ' .. one((select(count, ...))) end
  local parts = {}
  for i = 1, count do parts[i] = one((select(i, ...))) end
  return table.concat(parts, ' ')
end

-- How deep tables nest through a field.
function depth(value, field)
  local levels = 0
  while type(value) == 'table' do
    value = value[field]
    levels = levels + 1
  end
  return levels
end

-- A table nested `levels` deep through field 1 or another.
function nest(levels, field, inner)
  local value = inner
  for _ = 1, levels do value = {[field] = value} end
  return value
end

-- A table with `count` entries whose keys are multiples of `step`.
function fill(count, step)
  local value = {}
  for i = 1, count do value[i * step] = i % 128 end
  return value
end
"#;

/// Registers one library under its script name, then compares each expression with what Redis 7.0.15
/// gave: the printed results, or `!` and the error text.
pub fn check(name: &str, library: fn(&Lua) -> Result<mlua::Table>, cases: &[(&str, &str)]) {
    let lua = Lua::new();
    lua.globals().set(name, library(&lua).unwrap()).unwrap();
    lua.load(HELPERS).exec().unwrap();
    let differing: Vec<String> = cases.iter().filter_map(|case| difference(&lua, case)).collect();
    assert!(differing.is_empty(), "{} of {}:\n{}", differing.len(), cases.len(), differing.join("\n"));
}

fn difference(lua: &Lua, (expression, expected): &(&str, &str)) -> Option<String> {
    let got = match lua.load(format!("return (show({expression}))")).eval::<String>() {
        Ok(text) => text,
        Err(failure) => format!("!{}", root_text(&failure)),
    };
    (got != *expected).then(|| format!("{expression}\n  expected {expected}\n  got      {got}"))
}

fn root_text(failure: &Error) -> String {
    match failure {
        Error::CallbackError { cause, .. } => root_text(cause),
        Error::RuntimeError(text) => text.clone(),
        other => other.to_string(),
    }
}
