//! The script library `bit`: operations on the bits of 32-bit numbers.
//!
//! Source of the behaviour: the documentation of LuaBitOp 1.0.2, which Redis bundles, and what a Redis 7.0
//! server answers.

use mlua::{Lua, MultiValue, Result, Table};

use super::args::Args;

/// Makes the table that scripts see as `bit`.
pub fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    add_unary(lua, &table, "tobit", |bits| bits)?;
    add_unary(lua, &table, "bnot", |bits| !bits)?;
    add_unary(lua, &table, "bswap", u32::swap_bytes)?;
    add_fold(lua, &table, "band", |left, right| left & right)?;
    add_fold(lua, &table, "bor", |left, right| left | right)?;
    add_fold(lua, &table, "bxor", |left, right| left ^ right)?;
    add_shift(lua, &table, "lshift", |bits, count| bits << count)?;
    add_shift(lua, &table, "rshift", |bits, count| bits >> count)?;
    add_shift(lua, &table, "arshift", |bits, count| (bits as i32 >> count) as u32)?;
    add_shift(lua, &table, "rol", u32::rotate_left)?;
    add_shift(lua, &table, "ror", u32::rotate_right)?;
    let tohex = |lua: &Lua, values: MultiValue| lua.create_string(tohex(&Args::new("tohex", values))?);
    table.raw_set("tohex", lua.create_function(tohex)?)?;
    Ok(table)
}

fn add_unary(lua: &Lua, table: &Table, name: &'static str, operation: fn(u32) -> u32) -> Result<()> {
    let function = move |_: &Lua, values: MultiValue| {
        let bits = bits(&Args::new(name, values), 1)?;
        Ok(signed(operation(bits)))
    };
    table.raw_set(name, lua.create_function(function)?)
}

fn add_fold(lua: &Lua, table: &Table, name: &'static str, operation: fn(u32, u32) -> u32) -> Result<()> {
    let function = move |_: &Lua, values: MultiValue| {
        let args = Args::new(name, values);
        let mut result = bits(&args, 1)?;
        // From the last to the second, because that order decides which bad argument is reported.
        for index in (2..=args.count()).rev() {
            result = operation(result, bits(&args, index)?);
        }
        Ok(signed(result))
    };
    table.raw_set(name, lua.create_function(function)?)
}

fn add_shift(lua: &Lua, table: &Table, name: &'static str, operation: fn(u32, u32) -> u32) -> Result<()> {
    let function = move |_: &Lua, values: MultiValue| {
        let args = Args::new(name, values);
        let value = bits(&args, 1)?;
        // Only the low five bits of the count matter.
        let count = bits(&args, 2)? & 31;
        Ok(signed(operation(value, count)))
    };
    table.raw_set(name, lua.create_function(function)?)
}

/// Argument `index` as 32 bits. Adding 2^52 + 2^51 makes the processor round the number and leaves its low
/// bits at the end of the mantissa; beyond 2^51 this gives the same bits as the original.
fn bits(args: &Args, index: usize) -> Result<u32> {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    Ok((args.number(index)? + SHIFT).to_bits() as u32)
}

/// Results are signed 32-bit numbers.
fn signed(bits: u32) -> f64 {
    f64::from(bits as i32)
}

/// Hexadecimal text with as many digits as argument 2 says; a negative count asks for capitals.
fn tohex(args: &Args) -> Result<String> {
    let value = bits(args, 1)?;
    let wanted = if args.count() < 2 { 8 } else { bits(args, 2)? as i32 };
    let digits = wanted.unsigned_abs().min(8) as usize;
    let text = if wanted < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    Ok(text[8 - digits..].to_string())
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    #[test]
    fn agrees_with_redis() {
        testing::check("bit", super::library, CASES);
    }

    #[test]
    fn luau_types_are_refused() {
        let cases = [
            ("bit.tobit(buffer.create(1))", "!bad argument #1 to 'tobit' (number expected, got buffer)"),
            (
                "bit.tobit(vector.create(1, 2, 3))",
                "!bad argument #1 to 'tobit' (number expected, got vector)",
            ),
            ("bit.tobit(newproxy())", "!bad argument #1 to 'tobit' (number expected, got userdata)"),
            (
                "bit.tobit(coroutine.create(print))",
                "!bad argument #1 to 'tobit' (number expected, got thread)",
            ),
        ];
        testing::check("bit", super::library, &cases);
    }

    /// Expressions, and what Redis 7.0.15 makes of them.
    #[rustfmt::skip]
    const CASES: &[(&str, &str)] = &[
        ("bit.tobit(0)", "0"),
        ("bit.tobit(1)", "1"),
        ("bit.tobit(-1)", "-1"),
        ("bit.tobit(255)", "255"),
        ("bit.tobit(256)", "256"),
        ("bit.tobit(2147483647)", "2147483647"),
        ("bit.tobit(2147483648)", "-2147483648"),
        ("bit.tobit(-2147483648)", "-2147483648"),
        ("bit.tobit(-2147483649)", "2147483647"),
        ("bit.tobit(4294967295)", "-1"),
        ("bit.tobit(4294967296)", "0"),
        ("bit.tobit(4294967297)", "1"),
        ("bit.tobit(0.5)", "0"),
        ("bit.tobit(1.5)", "2"),
        ("bit.tobit(2.5)", "2"),
        ("bit.tobit(-0.5)", "0"),
        ("bit.tobit(-1.5)", "-2"),
        ("bit.tobit(3.49999)", "3"),
        ("bit.tobit(1e10)", "1410065408"),
        ("bit.tobit(-1e10)", "-1410065408"),
        ("bit.tobit(2^51)", "0"),
        ("bit.tobit(2^51+1)", "0"),
        ("bit.tobit(2^52+5)", "2"),
        ("bit.tobit(2^53)", "0"),
        ("bit.tobit(2^53+2)", "1"),
        ("bit.tobit(2^63)", "0"),
        ("bit.tobit(-2^63)", "0"),
        ("bit.tobit(2^64)", "0"),
        ("bit.tobit(1e300)", "-2013235812"),
        ("bit.tobit(-1e300)", "-2013235812"),
        ("bit.tobit(1/0)", "0"),
        ("bit.tobit(-1/0)", "0"),
        ("bit.tobit(0/0)", "0"),
        ("bit.tobit('0x10')", "16"),
        ("bit.tobit(' 12 ')", "12"),
        ("bit.tobit('-3')", "-3"),
        ("bit.tobit('0x1p4')", "16"),
        ("bit.tobit('inf')", "0"),
        (r#"bit.tobit('1\0zz')"#, "1"),
        ("bit.tobit('abc')", "!bad argument #1 to 'tobit' (number expected, got string)"),
        ("bit.tobit('')", "!bad argument #1 to 'tobit' (number expected, got string)"),
        ("bit.tobit('1 2')", "!bad argument #1 to 'tobit' (number expected, got string)"),
        ("bit.tobit('0x')", "!bad argument #1 to 'tobit' (number expected, got string)"),
        ("bit.tobit({})", "!bad argument #1 to 'tobit' (number expected, got table)"),
        ("bit.tobit(nil)", "!bad argument #1 to 'tobit' (number expected, got nil)"),
        ("bit.tobit(true)", "!bad argument #1 to 'tobit' (number expected, got boolean)"),
        ("bit.tobit(tostring)", "!bad argument #1 to 'tobit' (number expected, got function)"),
        ("bit.tobit('1e')", "!bad argument #1 to 'tobit' (number expected, got string)"),
        ("bit.tobit()", "!bad argument #1 to 'tobit' (number expected, got no value)"),
        ("bit.bnot(0)", "-1"),
        ("bit.bswap(0)", "0"),
        ("bit.bnot(1)", "-2"),
        ("bit.bswap(1)", "16777216"),
        ("bit.bnot(-1)", "0"),
        ("bit.bswap(-1)", "-1"),
        ("bit.bnot(0x12345678)", "-305419897"),
        ("bit.bswap(0x12345678)", "2018915346"),
        ("bit.bnot('7')", "-8"),
        ("bit.bswap('7')", "117440512"),
        ("bit.bnot(2^31)", "2147483647"),
        ("bit.bswap(2^31)", "128"),
        ("bit.bnot({})", "!bad argument #1 to 'bnot' (number expected, got table)"),
        ("bit.bswap({})", "!bad argument #1 to 'bswap' (number expected, got table)"),
        ("bit.bnot()", "!bad argument #1 to 'bnot' (number expected, got no value)"),
        ("bit.bswap()", "!bad argument #1 to 'bswap' (number expected, got no value)"),
        ("bit.band(1)", "1"),
        ("bit.band()", "!bad argument #1 to 'band' (number expected, got no value)"),
        ("bit.band(0xff,0x0f)", "15"),
        ("bit.band(0x12345678,0xffff0000,0x00ffff00)", "3407872"),
        ("bit.band(-1,2147483648)", "-2147483648"),
        ("bit.band(1,{},true)", "!bad argument #3 to 'band' (number expected, got boolean)"),
        ("bit.band({},true)", "!bad argument #1 to 'band' (number expected, got table)"),
        ("bit.band(1,nil)", "!bad argument #2 to 'band' (number expected, got nil)"),
        ("bit.band('12','0x3',5)", "0"),
        ("bit.band(1,2,3,4,5,6,7,8,9,1.5)", "0"),
        ("bit.band(1,'x')", "!bad argument #2 to 'band' (number expected, got string)"),
        ("bit.bor(1)", "1"),
        ("bit.bor()", "!bad argument #1 to 'bor' (number expected, got no value)"),
        ("bit.bor(0xff,0x0f)", "255"),
        ("bit.bor(0x12345678,0xffff0000,0x00ffff00)", "-136"),
        ("bit.bor(-1,2147483648)", "-1"),
        ("bit.bor(1,{},true)", "!bad argument #3 to 'bor' (number expected, got boolean)"),
        ("bit.bor({},true)", "!bad argument #1 to 'bor' (number expected, got table)"),
        ("bit.bor(1,nil)", "!bad argument #2 to 'bor' (number expected, got nil)"),
        ("bit.bor('12','0x3',5)", "15"),
        ("bit.bor(1,2,3,4,5,6,7,8,9,1.5)", "15"),
        ("bit.bor(1,'x')", "!bad argument #2 to 'bor' (number expected, got string)"),
        ("bit.bxor(1)", "1"),
        ("bit.bxor()", "!bad argument #1 to 'bxor' (number expected, got no value)"),
        ("bit.bxor(0xff,0x0f)", "240"),
        ("bit.bxor(0x12345678,0xffff0000,0x00ffff00)", "-315315848"),
        ("bit.bxor(-1,2147483648)", "2147483647"),
        ("bit.bxor(1,{},true)", "!bad argument #3 to 'bxor' (number expected, got boolean)"),
        ("bit.bxor({},true)", "!bad argument #1 to 'bxor' (number expected, got table)"),
        ("bit.bxor(1,nil)", "!bad argument #2 to 'bxor' (number expected, got nil)"),
        ("bit.bxor('12','0x3',5)", "10"),
        ("bit.bxor(1,2,3,4,5,6,7,8,9,1.5)", "3"),
        ("bit.bxor(1,'x')", "!bad argument #2 to 'bxor' (number expected, got string)"),
        ("bit.lshift(1,0)", "1"),
        ("bit.lshift(1,31)", "-2147483648"),
        ("bit.lshift(1,32)", "1"),
        ("bit.lshift(1,33)", "2"),
        ("bit.lshift(1,-1)", "-2147483648"),
        ("bit.lshift(-1,4)", "-16"),
        ("bit.lshift(0x87654321,12)", "1412567040"),
        ("bit.lshift(0x12345678,8)", "878082048"),
        ("bit.lshift(-256,8)", "-65536"),
        ("bit.lshift(1)", "!bad argument #2 to 'lshift' (number expected, got no value)"),
        ("bit.lshift()", "!bad argument #1 to 'lshift' (number expected, got no value)"),
        ("bit.lshift(1,{})", "!bad argument #2 to 'lshift' (number expected, got table)"),
        ("bit.lshift({},1)", "!bad argument #1 to 'lshift' (number expected, got table)"),
        ("bit.lshift('3','2')", "12"),
        ("bit.lshift(1,1.5)", "4"),
        ("bit.lshift(1,2.5)", "4"),
        ("bit.lshift(1,nil)", "!bad argument #2 to 'lshift' (number expected, got nil)"),
        ("bit.lshift(2147483648,1)", "0"),
        ("bit.lshift(1,1e10)", "1"),
        ("bit.rshift(1,0)", "1"),
        ("bit.rshift(1,31)", "0"),
        ("bit.rshift(1,32)", "1"),
        ("bit.rshift(1,33)", "0"),
        ("bit.rshift(1,-1)", "0"),
        ("bit.rshift(-1,4)", "268435455"),
        ("bit.rshift(0x87654321,12)", "554580"),
        ("bit.rshift(0x12345678,8)", "1193046"),
        ("bit.rshift(-256,8)", "16777215"),
        ("bit.rshift(1)", "!bad argument #2 to 'rshift' (number expected, got no value)"),
        ("bit.rshift()", "!bad argument #1 to 'rshift' (number expected, got no value)"),
        ("bit.rshift(1,{})", "!bad argument #2 to 'rshift' (number expected, got table)"),
        ("bit.rshift({},1)", "!bad argument #1 to 'rshift' (number expected, got table)"),
        ("bit.rshift('3','2')", "0"),
        ("bit.rshift(1,1.5)", "0"),
        ("bit.rshift(1,2.5)", "0"),
        ("bit.rshift(1,nil)", "!bad argument #2 to 'rshift' (number expected, got nil)"),
        ("bit.rshift(2147483648,1)", "1073741824"),
        ("bit.rshift(1,1e10)", "1"),
        ("bit.arshift(1,0)", "1"),
        ("bit.arshift(1,31)", "0"),
        ("bit.arshift(1,32)", "1"),
        ("bit.arshift(1,33)", "0"),
        ("bit.arshift(1,-1)", "0"),
        ("bit.arshift(-1,4)", "-1"),
        ("bit.arshift(0x87654321,12)", "-493996"),
        ("bit.arshift(0x12345678,8)", "1193046"),
        ("bit.arshift(-256,8)", "-1"),
        ("bit.arshift(1)", "!bad argument #2 to 'arshift' (number expected, got no value)"),
        ("bit.arshift()", "!bad argument #1 to 'arshift' (number expected, got no value)"),
        ("bit.arshift(1,{})", "!bad argument #2 to 'arshift' (number expected, got table)"),
        ("bit.arshift({},1)", "!bad argument #1 to 'arshift' (number expected, got table)"),
        ("bit.arshift('3','2')", "0"),
        ("bit.arshift(1,1.5)", "0"),
        ("bit.arshift(1,2.5)", "0"),
        ("bit.arshift(1,nil)", "!bad argument #2 to 'arshift' (number expected, got nil)"),
        ("bit.arshift(2147483648,1)", "-1073741824"),
        ("bit.arshift(1,1e10)", "1"),
        ("bit.rol(1,0)", "1"),
        ("bit.rol(1,31)", "-2147483648"),
        ("bit.rol(1,32)", "1"),
        ("bit.rol(1,33)", "2"),
        ("bit.rol(1,-1)", "-2147483648"),
        ("bit.rol(-1,4)", "-1"),
        ("bit.rol(0x87654321,12)", "1412569206"),
        ("bit.rol(0x12345678,8)", "878082066"),
        ("bit.rol(-256,8)", "-65281"),
        ("bit.rol(1)", "!bad argument #2 to 'rol' (number expected, got no value)"),
        ("bit.rol()", "!bad argument #1 to 'rol' (number expected, got no value)"),
        ("bit.rol(1,{})", "!bad argument #2 to 'rol' (number expected, got table)"),
        ("bit.rol({},1)", "!bad argument #1 to 'rol' (number expected, got table)"),
        ("bit.rol('3','2')", "12"),
        ("bit.rol(1,1.5)", "4"),
        ("bit.rol(1,2.5)", "4"),
        ("bit.rol(1,nil)", "!bad argument #2 to 'rol' (number expected, got nil)"),
        ("bit.rol(2147483648,1)", "1"),
        ("bit.rol(1,1e10)", "1"),
        ("bit.ror(1,0)", "1"),
        ("bit.ror(1,31)", "2"),
        ("bit.ror(1,32)", "1"),
        ("bit.ror(1,33)", "-2147483648"),
        ("bit.ror(1,-1)", "2"),
        ("bit.ror(-1,4)", "-1"),
        ("bit.ror(0x87654321,12)", "840463956"),
        ("bit.ror(0x12345678,8)", "2014458966"),
        ("bit.ror(-256,8)", "16777215"),
        ("bit.ror(1)", "!bad argument #2 to 'ror' (number expected, got no value)"),
        ("bit.ror()", "!bad argument #1 to 'ror' (number expected, got no value)"),
        ("bit.ror(1,{})", "!bad argument #2 to 'ror' (number expected, got table)"),
        ("bit.ror({},1)", "!bad argument #1 to 'ror' (number expected, got table)"),
        ("bit.ror('3','2')", "-1073741824"),
        ("bit.ror(1,1.5)", "1073741824"),
        ("bit.ror(1,2.5)", "1073741824"),
        ("bit.ror(1,nil)", "!bad argument #2 to 'ror' (number expected, got nil)"),
        ("bit.ror(2147483648,1)", "1073741824"),
        ("bit.ror(1,1e10)", "1"),
        ("bit.tohex(1)", r#""3030303030303031""#),
        ("bit.tohex(-1)", r#""6666666666666666""#),
        ("bit.tohex(0xabcdef,4)", r#""63646566""#),
        ("bit.tohex(-1,-4)", r#""46464646""#),
        ("bit.tohex(0x87654321,-8)", r#""3837363534333231""#),
        ("bit.tohex(255,0)", r#""""#),
        ("bit.tohex(255,2)", r#""6666""#),
        ("bit.tohex(255,100)", r#""3030303030306666""#),
        ("bit.tohex(255,-100)", r#""3030303030304646""#),
        ("bit.tohex(255,-2147483648)", r#""3030303030304646""#),
        ("bit.tohex(255,2147483648)", r#""3030303030304646""#),
        ("bit.tohex(255,nil)", "!bad argument #2 to 'tohex' (number expected, got nil)"),
        ("bit.tohex(255,{})", "!bad argument #2 to 'tohex' (number expected, got table)"),
        ("bit.tohex()", "!bad argument #1 to 'tohex' (number expected, got no value)"),
        ("bit.tohex({})", "!bad argument #1 to 'tohex' (number expected, got table)"),
        ("bit.tohex('0x21','3')", r#""303231""#),
        ("bit.tohex(0x12345678,1)", r#""38""#),
        ("bit.tohex(0xabc,-1)", r#""43""#),
        ("bit.tohex(1.5)", r#""3030303030303032""#),
        ("bit.tohex(255,1.5)", r#""6666""#),
        (
            "bit",
            r#"{"61727368696674"=function,"62616e64"=function,"626e6f74"=function,"626f72"=function,"6273776170"=function,"62786f72"=function,"6c7368696674"=function,"726f6c"=function,"726f72"=function,"727368696674"=function,"746f626974"=function,"746f686578"=function}"#,
        ),
    ];
}
