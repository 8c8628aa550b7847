//! The script library `struct`: packs values into binary strings and reads them back.
//!
//! Source of the format: the documentation of Roberto Ierusalimschy's `struct` library for Lua, which Redis
//! bundles, and what a Redis 7.0 server on x86-64 answers. Sizes and the default byte order are those of that
//! platform; a layout starts without alignment.

use mlua::{Error, IntoLua, Lua, MultiValue, Result, Table, Value};

use super::args::{Args, MAX_TEXT_LEN, check_stack, error, to_int64, to_number, to_uint64};

/// Largest size that `i` and `I` take.
const MAX_INTEGER_SIZE: usize = 32;
/// What a bare `!` aligns to: the strictest type of the platform.
const NATIVE_ALIGNMENT: usize = 8;

/// Makes the table that scripts see as `struct`.
pub fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    let pack = |lua: &Lua, values: MultiValue| pack(lua, Args::new("pack", values));
    table.raw_set("pack", lua.create_function(pack)?)?;
    let unpack = |lua: &Lua, values: MultiValue| unpack(lua, &Args::new("unpack", values));
    table.raw_set("unpack", lua.create_function(unpack)?)?;
    let size = |lua: &Lua, values: MultiValue| size(lua, &Args::new("size", values));
    table.raw_set("size", lua.create_function(size)?)?;
    Ok(table)
}

/// One format option with the size it stands for; options without a size of their own have 0.
#[derive(Clone, Copy)]
struct Item {
    code: u8,
    size: usize,
}

/// A format string being read, with the byte order and alignment in force.
struct Format<'a> {
    args: &'a Args,
    rest: &'a [u8],
    little_endian: bool,
    alignment: usize,
}

impl<'a> Format<'a> {
    fn new(args: &'a Args, text: &'a [u8]) -> Self {
        // Formats are C strings in the original, so a zero byte ends them.
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        Format { args, rest: &text[..end], little_endian: true, alignment: 1 }
    }

    fn next(&mut self) -> Result<Option<Item>> {
        let Some((&code, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let size = match code {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.count(1)?,
            b'i' | b'I' => self.integer_size()?,
            _ => 0,
        };
        Ok(Some(Item { code, size }))
    }

    fn integer_size(&mut self) -> Result<usize> {
        let size = self.count(4)?;
        if size > MAX_INTEGER_SIZE {
            let text = format!("integral size {size} is larger than limit of {MAX_INTEGER_SIZE}");
            return Err(error(text));
        }
        Ok(size)
    }

    /// The decimal number that follows an option, or the default where there is none.
    fn count(&mut self, default: usize) -> Result<usize> {
        let mut count = None;
        while let Some((digit, rest)) = self.rest.split_first().filter(|(byte, _)| byte.is_ascii_digit()) {
            let grown = count.unwrap_or(0_i32).checked_mul(10);
            let grown = grown.and_then(|number| number.checked_add(i32::from(digit - b'0')));
            count = Some(grown.ok_or_else(|| error("integral size overflow"))?);
            self.rest = rest;
        }
        Ok(count.map_or(default, |count| count as usize))
    }

    /// Padding in front of an item that would start at `position`. Sizes that are no power of two follow the
    /// original's bit formula as well.
    fn padding(&self, position: usize, item: Item) -> usize {
        if item.size == 0 || item.code == b'c' {
            return 0;
        }
        let mask = item.size.min(self.alignment) - 1;
        (mask + 1).wrapping_sub(position & mask) & mask
    }

    /// Carries out an option that is not a value.
    fn control(&mut self, code: u8) -> Result<()> {
        match code {
            b' ' => {}
            b'>' => self.little_endian = false,
            b'<' => self.little_endian = true,
            b'!' => self.alignment = self.read_alignment()?,
            _ => return Err(self.invalid_option(code)),
        }
        Ok(())
    }

    fn read_alignment(&mut self) -> Result<usize> {
        let alignment = self.count(NATIVE_ALIGNMENT)?;
        if !alignment.is_power_of_two() {
            return Err(error(format!("alignment {alignment} is not a power of 2")));
        }
        Ok(alignment)
    }

    fn invalid_option(&self, code: u8) -> Error {
        let option = String::from_utf8_lossy(&[code]).into_owned();
        self.args.error(1, &format!("invalid format option '{option}'"))
    }
}

fn size(lua: &Lua, args: &Args) -> Result<f64> {
    let text = args.string(lua, 1)?;
    let text = text.as_bytes();
    let mut format = Format::new(args, &text);
    let mut total = 0_usize;
    while let Some(item) = format.next()? {
        total = total.wrapping_add(format.padding(total, item));
        match item {
            Item { code: b's', .. } => return Err(args.error(1, "option 's' has no fixed size")),
            Item { code: b'c', size: 0 } => return Err(args.error(1, "option 'c0' has no fixed size")),
            // The original lets unknown letters and digits pass here.
            Item { code, .. } if !code.is_ascii_alphanumeric() => format.control(code)?,
            _ => {}
        }
        total = total.wrapping_add(item.size);
    }
    Ok(total as i64 as f64)
}

fn pack(lua: &Lua, mut args: Args) -> Result<mlua::LuaString> {
    let text = args.string(lua, 1)?;
    let text = text.as_bytes();
    // The original puts a nil behind the arguments, so a missing one is reported as nil.
    args.push_nil();
    let mut format = Format::new(&args, &text);
    let mut output = Vec::new();
    let mut argument = 2;
    while let Some(item) = format.next()? {
        let padding = format.padding(output.len(), item);
        output.resize(output.len() + padding, 0);
        if pack_item(lua, &mut format, item, argument, &mut output)? {
            argument += 1;
        }
    }
    lua.create_string(output)
}

/// Appends one item; says whether it used up an argument.
fn pack_item(
    lua: &Lua,
    format: &mut Format,
    item: Item,
    argument: usize,
    output: &mut Vec<u8>,
) -> Result<bool> {
    let args = format.args;
    match item.code {
        b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
            push_integer(output, args.number(argument)?, item.size, format.little_endian);
        }
        b'f' => push_ordered(output, (args.number(argument)? as f32).to_le_bytes(), format.little_endian),
        b'd' => push_ordered(output, args.number(argument)?.to_le_bytes(), format.little_endian),
        b'c' | b's' => pack_string(&args.string(lua, argument)?.as_bytes(), args, item, argument, output)?,
        b'x' => {
            output.push(0);
            return Ok(false);
        }
        code => {
            format.control(code)?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn pack_string(text: &[u8], args: &Args, item: Item, argument: usize, output: &mut Vec<u8>) -> Result<()> {
    let wanted = if item.size == 0 { text.len() } else { item.size };
    // The original has already moved on to the next argument and reports that one.
    let piece = text.get(..wanted).ok_or_else(|| args.error(argument + 1, "string too short"))?;
    // The same string can be packed many times over, so the total is held to what a machine can hold.
    if output.len() + piece.len() >= MAX_TEXT_LEN {
        return Err(error("format result too large"));
    }
    output.extend_from_slice(piece);
    if item.code == b's' {
        output.push(0);
    }
    Ok(())
}

fn push_ordered<const N: usize>(output: &mut Vec<u8>, mut bytes: [u8; N], little_endian: bool) {
    if !little_endian {
        bytes.reverse();
    }
    output.extend_from_slice(&bytes);
}

/// Appends the low `size` bytes of a number. Only 64 bits are kept, so longer integers are filled with zeros
/// even below zero, as in the original.
fn push_integer(output: &mut Vec<u8>, number: f64, size: usize, little_endian: bool) {
    let bits = if number < 0.0 { to_int64(number) as u64 } else { to_uint64(number) };
    let mut bytes = [0; MAX_INTEGER_SIZE];
    bytes[..8].copy_from_slice(&bits.to_le_bytes());
    let bytes = &mut bytes[..size];
    if !little_endian {
        bytes.reverse();
    }
    output.extend_from_slice(bytes);
}

fn unpack(lua: &Lua, args: &Args) -> Result<MultiValue> {
    let text = args.string(lua, 1)?;
    let text = text.as_bytes();
    let data = args.string(lua, 2)?;
    let data = data.as_bytes();
    let start = args.integer_or(3, 1)?;
    if start == 0 {
        return Err(args.error(3, "offset must be 1 or greater"));
    }
    // A negative start wraps to a position that no data reaches, as in the original.
    let mut reader = Reader { data: &data, position: (start as usize).wrapping_sub(1), results: Vec::new() };
    let mut format = Format::new(args, &text);
    while let Some(item) = format.next()? {
        let padding = format.padding(reader.position, item);
        reader.position = reader.position.wrapping_add(padding);
        reader.item(lua, &mut format, item)?;
    }
    let end = reader.position.wrapping_add(1) as i64;
    reader.results.push(Value::Number(end as f64));
    Ok(MultiValue::from_vec(reader.results))
}

/// The data being unpacked, and the values found so far.
struct Reader<'a> {
    data: &'a [u8],
    position: usize,
    results: Vec<Value>,
}

impl<'a> Reader<'a> {
    fn item(&mut self, lua: &Lua, format: &mut Format, item: Item) -> Result<()> {
        let args = format.args;
        let bytes = self.peek(args, item.size)?;
        check_stack(args.count() + self.results.len(), 2, "too many results")?;
        let (value, used) = match item.code {
            b'b' | b'h' | b'l' | b'i' => (signed(bytes, format.little_endian).into_lua(lua)?, item.size),
            b'B' | b'H' | b'L' | b'T' | b'I' => {
                ((unsigned(bytes, format.little_endian) as f64).into_lua(lua)?, item.size)
            }
            b'f' | b'd' => (Value::Number(float(bytes, format.little_endian)), item.size),
            b'c' => {
                let bytes = if item.size == 0 { self.counted(args)? } else { bytes };
                (Value::String(lua.create_string(bytes)?), bytes.len())
            }
            b's' => {
                let bytes = self.terminated()?;
                (Value::String(lua.create_string(bytes)?), bytes.len() + 1)
            }
            b'x' => {
                self.position += 1;
                return Ok(());
            }
            code => return format.control(code),
        };
        self.results.push(value);
        self.position += used;
        Ok(())
    }

    /// The next `size` bytes, which stay unread.
    fn peek(&self, args: &Args, size: usize) -> Result<&'a [u8]> {
        let rest = self.data.get(self.position..);
        rest.and_then(|rest| rest.get(..size)).ok_or_else(|| args.error(2, "data string too short"))
    }

    /// The string of option `c0`: its length is the value unpacked before, which it replaces.
    fn counted(&mut self, args: &Args) -> Result<&'a [u8]> {
        let Some(size) = self.results.last().and_then(to_number) else {
            return Err(error("format 'c0' needs a previous size"));
        };
        self.results.pop();
        self.peek(args, usize::try_from(to_uint64(size)).unwrap_or(usize::MAX))
    }

    /// The string of option `s`, without the zero byte that ends it.
    fn terminated(&self) -> Result<&'a [u8]> {
        let rest = &self.data[self.position..];
        match rest.iter().position(|&byte| byte == 0) {
            Some(end) => Ok(&rest[..end]),
            None => Err(error("unfinished string in data")),
        }
    }
}

/// The low 64 bits of an integer of any size; higher bytes fall out, as in the original.
fn unsigned(bytes: &[u8], little_endian: bool) -> u64 {
    let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    if little_endian { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
}

fn signed(bytes: &[u8], little_endian: bool) -> f64 {
    let value = unsigned(bytes, little_endian);
    // Beyond 8 bytes the original shifts by more bits than a word has. The processor takes that modulo 64, so
    // the bit counted as the sign is not the top one; scripts see the result, so it is the same here.
    let sign_and_above = u64::MAX.wrapping_shl((8 * bytes.len() as u32).wrapping_sub(1));
    let filled = if value & sign_and_above == 0 { value } else { value | sign_and_above };
    filled as i64 as f64
}

/// A float of four or eight bytes.
fn float(bytes: &[u8], little_endian: bool) -> f64 {
    let bits = unsigned(bytes, little_endian);
    if bytes.len() == 4 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) }
}

#[cfg(test)]
mod tests;
