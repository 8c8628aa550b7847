//! What scripts find beside Lua's own libraries, as Redis bundles them.

mod args;
mod bit;
mod cjson;
mod cmsgpack;
pub mod number;
pub mod random;
mod structs;
#[cfg(test)]
mod testing;

use mlua::{Lua, Result, Table};

/// All libraries by the names of their tables.
pub fn all(lua: &Lua) -> Result<Table> {
    let all = lua.create_table()?;
    all.raw_set("bit", bit::library(lua)?)?;
    all.raw_set("cjson", cjson::library(lua)?)?;
    all.raw_set("cmsgpack", cmsgpack::library(lua)?)?;
    all.raw_set("struct", structs::library(lua)?)?;
    Ok(all)
}
