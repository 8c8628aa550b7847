//! All expected texts come from Redis 7.0.15, with the position that it puts before errors cut off.

use mlua::{Error, LuaString};

use super::*;
use crate::script::library::number::write_number;

type Bytes = &'static [u8];

/// Writes any value so that two servers can be compared: tables with sorted keys, numbers in full.
const SHOW: &str = r#"
        local function show(v)
            if v == cjson.null then return "null" end
            if v ~= v then return "nan" end
            if type(v) == "number" then return (string.format("%.17g", v)) end
            if type(v) == "string" then return '"' .. v .. '"' end
            if type(v) ~= "table" then return tostring(v) end
            local parts = {}
            for k, x in pairs(v) do parts[#parts + 1] = "[" .. show(k) .. "]=" .. show(x) end
            table.sort(parts)
            return "{" .. table.concat(parts, ",") .. "}"
        end
        return show
    "#;

/// A Lua with a fresh library.
fn lua() -> Lua {
    let lua = Lua::new();
    lua.globals().set("cjson", library(&lua).unwrap()).unwrap();
    lua
}

/// What a chunk gives, or the text of the library's error.
fn run(lua: &Lua, source: &str, argument: Bytes) -> std::result::Result<Vec<u8>, String> {
    let show: Function = lua.load(SHOW).eval().unwrap();
    let argument = lua.create_string(argument).unwrap();
    let value: Value = lua.load(source).call(argument).map_err(|error| text(&error))?;
    let shown: LuaString = show.call(value).unwrap();
    Ok(shown.as_bytes().to_vec())
}

fn text(error: &Error) -> String {
    match error {
        Error::CallbackError { cause, .. } => text(cause),
        Error::RuntimeError(text) => text.clone(),
        other => panic!("not an error of the library: {other}"),
    }
}

fn readable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn check_value(source: &str, argument: Bytes, expected: &[u8]) {
    let got = run(&lua(), source, argument).unwrap_or_else(|error| panic!("{source}: {error}"));
    assert_eq!(readable(&got), readable(expected), "{source} {}", readable(argument));
}

fn check_error(source: &str, argument: Bytes, expected: &str) {
    let got = run(&lua(), source, argument).map(|value| readable(&value));
    assert_eq!(got, Err(expected.to_owned()), "{source} {}", readable(argument));
}

#[test]
fn decodes() {
    for (json, expected) in DECODED {
        check_value("return cjson.decode(...)", json, expected);
    }
}

#[test]
fn refuses_bad_json() {
    for (json, expected) in NOT_DECODED {
        check_error("return cjson.decode(...)", json, expected);
    }
}

#[test]
fn encodes() {
    for (argument, json) in ENCODED {
        let shown = [b"\"", *json, b"\""].concat();
        check_value(&format!("return cjson.encode({argument})"), b"", &shown);
    }
}

#[test]
fn refuses_what_json_cannot_hold() {
    for (argument, expected) in NOT_ENCODED {
        check_error(&format!("return cjson.encode({argument})"), b"", expected);
    }
}

#[test]
fn scripts_give_values() {
    for (script, expected) in RESULTS {
        check_value(script, b"", expected);
    }
}

#[test]
fn scripts_fail() {
    for (script, expected) in FAILURES {
        check_error(script, b"", expected);
    }
}

#[test]
fn deepest_tables_need_little_stack() {
    let deep = || {
        let arrays = "local json = string.rep('[', 7998) .. string.rep(']', 7998)
            cjson.decode_max_depth(2147483647) cjson.encode_max_depth(2147483647)
            local table = cjson.decode(json) return #cjson.encode(table[1][1])";
        check_value(arrays, b"", b"15992");
        let objects = r#"local json = string.rep('{"a":', 1000) .. '[]' .. string.rep('}', 1000)
                cjson.decode_max_depth(1001) cjson.encode_max_depth(1001)
                return #cjson.encode(cjson.decode(json))"#;
        check_value(objects, b"", b"6002");
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(deep).unwrap().join().unwrap();
}

#[test]
fn numbers_round_like_c() {
    let number = |value, digits| {
        let mut text = Vec::new();
        write_number(&mut text, value, digits);
        String::from_utf8(text).unwrap()
    };
    assert_eq!(number(0.5, 1), "0.5");
    assert_eq!(number(2.5, 1), "2");
    assert_eq!(number(3.5, 1), "4");
    assert_eq!(number(9.5, 1), "1e+01");
    assert_eq!(number(99_999.5, 5), "1e+05");
    assert_eq!(number(0.000_099_999_9, 5), "0.0001");
    assert_eq!(number(-1e-300, 14), "-1e-300");
}

/// JSON texts and what they give, as `show` writes it.
#[rustfmt::skip]
pub static DECODED: &[(Bytes, Bytes)] = &[
    (b"null", b"null"),
    (b"false", b"false"),
    (b"12\0xyz", b"12"),
    (b"\"a\x01\n\t\xc8\xff\"", b"\"a\x01\n\t\xc8\xff\""),
    (br#""\b\f\n\r\t\/\\\"""#, b"\"\x08\x0c\n\r\t/\\\"\""),
    (br#""\u0041\u00e9\u20ac\u0000z""#, b"\"A\xc3\xa9\xe2\x82\xac\0z\""),
    (br#""\uD83D\uDE00""#, b"\"\xf0\x9f\x98\x80\""),
    (br#""\udbff\udfff\ud800\udc00""#, b"\"\xf4\x8f\xbf\xbf\xf0\x90\x80\x80\""),
    (br#""\uffff\ufffe\u07ff\u0800\u0080\u007f""#,
        b"\"\xef\xbf\xbf\xef\xbf\xbe\xdf\xbf\xe0\xa0\x80\xc2\x80\x7f\""),
    (b"nan", b"nan"),
    (b"NaN", b"nan"),
    (b"-nan", b"nan"),
    (b"nan(1_a)", b"nan"),
    (b"[nan(1_a),2]", b"{[1]=nan,[2]=2}"),
    (b"inf", b"inf"),
    (b"-inf", b"-inf"),
    (b"+inf", b"inf"),
    (b"Infinity", b"inf"),
    (b"-INFINITY", b"-inf"),
    (b"+1", b"1"),
    (b"-.5", b"-0.5"),
    (b"+.5", b"0.5"),
    (b"5.", b"5"),
    (b"1e5", b"100000"),
    (b"1E+5", b"100000"),
    (b"1e-5", b"1.0000000000000001e-05"),
    (b"1.e2", b"100"),
    (b"01", b"1"),
    (b"-01", b"-1"),
    (b"0x10", b"16"),
    (b"0X1F", b"31"),
    (b"0x.8", b"0.5"),
    (b"0x1.8p3", b"12"),
    (b"0x1p-1074", b"4.9406564584124654e-324"),
    (b"0x1p-1075", b"0"),
    (b"0x1.8p-1075", b"4.9406564584124654e-324"),
    (b"0x1.00000000000001p-1075", b"4.9406564584124654e-324"),
    (b"0x1p1024", b"inf"),
    (b"0x1.fffffffffffff8p1023", b"inf"),
    (b"0x1.fffffffffffff7ffp1023", b"1.7976931348623157e+308"),
    (b"0x123456789abcdef01234", b"8.5968058283706963e+22"),
    (b"0x20000000000001", b"9007199254740992"),
    (b"0x20000000000003", b"9007199254740996"),
    (b"0x200000000000010000000000000001", b"1.6615349947311452e+35"),
    (b"0x0p99999999999999999999", b"0"),
    (b"0x1p99999999999999999999", b"inf"),
    (b"0x1p-99999999999999999999", b"0"),
    (b"-0x10", b"-16"),
    (b"-0", b"-0"),
    (b"-0x0", b"-0"),
    (b"1e400", b"inf"),
    (b"-1e400", b"-inf"),
    (b"1e-400", b"0"),
    (b"1e99999999999999999999", b"inf"),
    (b"1e-99999999999999999999", b"0"),
    (b"0e99999999999999999999", b"0"),
    (b"4.9e-324", b"4.9406564584124654e-324"),
    (b"2.4703282292062327e-324", b"0"),
    (b"2.4703282292062328e-324", b"4.9406564584124654e-324"),
    (b"1.7976931348623157e308", b"1.7976931348623157e+308"),
    (b"1.7976931348623159e308", b"inf"),
    (b"9007199254740993", b"9007199254740992"),
    (b"123456789012345678901234567890", b"1.2345678901234568e+29"),
    (b"0.1", b"0.10000000000000001"),
    (b"[]", b"{}"),
    (b"{}", b"{}"),
    (b"[1,2,3]", b"{[1]=1,[2]=2,[3]=3}"),
    (b" [ 1 , 2 ] ", b"{[1]=1,[2]=2}"),
    (b"\t[\r1\n,2 ]", b"{[1]=1,[2]=2}"),
    (b"[null,1]", b"{[1]=null,[2]=1}"),
    (br#"{"a":null,"b":[true,false]}"#, br#"{["a"]=null,["b"]={[1]=true,[2]=false}}"#),
    (br#"{"a":1,"a":2}"#, br#"{["a"]=2}"#),
    (br#"{"1":1,"":2}"#, br#"{[""]=2,["1"]=1}"#),
    (b"0x1.", b"1"),
    (b"[0x1.,2]", b"{[1]=1,[2]=2}"),
    (b"0x1.p1", b"2"),
    (b"0x1e5", b"485"),
    (br#""\\""#, br#""\""#),
    (br#""ab\u0000\u0001""#, b"\"ab\0\x01\""),
    (br#""\uDBFF\uDFFE""#, b"\"\xf4\x8f\xbf\xbe\""),
    (br#""\uD7FF\uE000""#, b"\"\xed\x9f\xbf\xee\x80\x80\""),
    (br#""\u00aF\u00Fa""#, b"\"\xc2\xaf\xc3\xba\""),
    (b"[1]\0", b"{[1]=1}"),
    (b"[1]\0]", b"{[1]=1}"),
    (b"{}\0{", b"{}"),
    (b"{\"a\":1}  \n ", br#"{["a"]=1}"#),
    (br#"{"a":{"b":{"c":[1,[2,[3,{"d":4}]]]}}}"#,
        br#"{["a"]={["b"]={["c"]={[1]=1,[2]={[1]=2,[2]={[1]=3,[2]={["d"]=4}}}}}}}"#),
    (b"[[[[]]],{},[{}]]", b"{[1]={[1]={[1]={}}},[2]={},[3]={[1]={}}}"),
    (br#"{"a" : nan }"#, br#"{["a"]=nan}"#),
    (b"[00]", b"{[1]=0}"),
    (b"[-00.5e-1]", b"{[1]=-0.050000000000000003}"),
    (b"iNfInItY", b"inf"),
    (b"+nan", b"nan"),
    (b"nan()", b"nan"),
    (b"-nan(0x12)", b"nan"),
];

/// Texts that are refused, and the error.
#[rustfmt::skip]
pub static NOT_DECODED: &[(Bytes, &str)] = &[
    (b"", "Expected value but found T_END at character 1"),
    (b" ", "Expected value but found T_END at character 2"),
    (b"[", "Expected value but found T_END at character 2"),
    (b"[1", "Expected comma or array end but found T_END at character 3"),
    (b"[1,", "Expected value but found T_END at character 4"),
    (b"[1,]", "Expected value but found T_ARR_END at character 4"),
    (b"[1}", "Expected comma or array end but found T_OBJ_END at character 3"),
    (b"{", "Expected object key string but found T_END at character 2"),
    (b"{1", "Expected object key string but found T_NUMBER at character 2"),
    (br#"{"a""#, "Expected colon but found T_END at character 5"),
    (br#"{"a" 1"#, "Expected colon but found T_NUMBER at character 6"),
    (br#"{"a":"#, "Expected value but found T_END at character 6"),
    (br#"{"a":}"#, "Expected value but found T_OBJ_END at character 6"),
    (br#"{"a":1"#, "Expected comma or object end but found T_END at character 7"),
    (br#"{"a":1,"#, "Expected object key string but found T_END at character 8"),
    (br#"{"a":1,}"#, "Expected object key string but found T_OBJ_END at character 8"),
    (br#"{"a":1]"#, "Expected comma or object end but found T_ARR_END at character 7"),
    (b"{null:1}", "Expected object key string but found T_NULL at character 2"),
    (b"{true:1}", "Expected object key string but found T_BOOLEAN at character 2"),
    (b"{[:1}", "Expected object key string but found T_ARR_BEGIN at character 2"),
    (b"{{:1}", "Expected object key string but found T_OBJ_BEGIN at character 2"),
    (b"{]", "Expected object key string but found T_ARR_END at character 2"),
    (b"{x", "Expected object key string but found invalid token at character 2"),
    (b"]", "Expected value but found T_ARR_END at character 1"),
    (b"}", "Expected value but found T_OBJ_END at character 1"),
    (b",", "Expected value but found T_COMMA at character 1"),
    (b":", "Expected value but found T_COLON at character 1"),
    (b"x", "Expected value but found invalid token at character 1"),
    (b"  x", "Expected value but found invalid token at character 3"),
    (b"tru", "Expected value but found invalid token at character 1"),
    (b"truex", "Expected the end but found invalid token at character 5"),
    (b"true x", "Expected the end but found invalid token at character 6"),
    (b"true 1", "Expected the end but found T_NUMBER at character 6"),
    (b"true true", "Expected the end but found T_BOOLEAN at character 6"),
    (br#"1 "a""#, "Expected the end but found T_STRING at character 3"),
    (b"1 null", "Expected the end but found T_NULL at character 3"),
    (b"1 {", "Expected the end but found T_OBJ_BEGIN at character 3"),
    (b"TRUE", "Expected value but found invalid token at character 1"),
    (br#""abc"#, "Expected value but found unexpected end of string at character 5"),
    (br#"""#, "Expected value but found unexpected end of string at character 2"),
    (br#""abc\"#, "Expected value but found invalid escape code at character 5"),
    (br#""abc\x""#, "Expected value but found invalid escape code at character 5"),
    (b"\"a\0b\"", "Expected value but found unexpected end of string at character 3"),
    (b"\"ab\0c\"", "Expected value but found unexpected end of string at character 4"),
    (b"[12\0xyz", "Expected comma or array end but found T_END at character 4"),
    (b"1\0", "JSON parser does not support UTF-16 or UTF-32"),
    (b"\0", "Expected value but found T_END at character 1"),
    (b"\0a", "JSON parser does not support UTF-16 or UTF-32"),
    (b"a\0", "JSON parser does not support UTF-16 or UTF-32"),
    (br#""\a""#, "Expected value but found invalid escape code at character 2"),
    (br#""\U0041""#, "Expected value but found invalid escape code at character 2"),
    (br#""\u004""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""xy\u00g0""#, "Expected value but found invalid unicode escape code at character 4"),
    (br#""\ud83d""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\ud83dx""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\ud83d\n""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\ud83d\u0041""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\udE00""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\ud83d\ud83d""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\u+123""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\u"#, "Expected value but found invalid unicode escape code at character 2"),
    (b"\"\\u12\0", "Expected value but found invalid unicode escape code at character 2"),
    (b"nan(1-a)", "Expected the end but found invalid token at character 4"),
    (b"nan(", "Expected the end but found invalid token at character 4"),
    (b"nanx", "Expected the end but found invalid token at character 4"),
    (b"nul", "Expected value but found invalid token at character 1"),
    (b"infinit", "Expected the end but found invalid token at character 4"),
    (b"infi", "Expected the end but found invalid token at character 4"),
    (b"in", "Expected value but found invalid token at character 1"),
    (b"-in", "Expected value but found invalid number at character 1"),
    (b"+", "Expected value but found invalid number at character 1"),
    (b"-", "Expected value but found invalid number at character 1"),
    (b" -", "Expected value but found invalid number at character 2"),
    (b"--1", "Expected value but found invalid number at character 1"),
    (b"+-1", "Expected value but found invalid number at character 1"),
    (b"- 1", "Expected value but found invalid number at character 1"),
    (b"+ 1", "Expected value but found invalid number at character 1"),
    (b".5", "Expected value but found invalid token at character 1"),
    (b"-.", "Expected value but found invalid number at character 1"),
    (b"1.5.2", "Expected the end but found invalid token at character 4"),
    (b"1e", "Expected the end but found invalid token at character 2"),
    (b"1e+", "Expected the end but found invalid token at character 2"),
    (b"0x", "Expected the end but found invalid token at character 2"),
    (b"0xg", "Expected the end but found invalid token at character 2"),
    (b"0x.", "Expected the end but found invalid token at character 2"),
    (b"0x1p", "Expected the end but found invalid token at character 4"),
    (b"0x1p+", "Expected the end but found invalid token at character 4"),
    (b"\x0c[1]", "Expected value but found invalid token at character 1"),
    (b"\x0b[1]", "Expected value but found invalid token at character 1"),
    (b"\xef\xbb\xbf[1]", "Expected value but found invalid token at character 1"),
    (b"[1 2]", "Expected comma or array end but found T_NUMBER at character 4"),
    (b"[,1]", "Expected value but found T_COMMA at character 2"),
    (b"{,}", "Expected object key string but found T_COMMA at character 2"),
    (b"[1]]", "Expected the end but found T_ARR_END at character 4"),
    (b"[1:2]", "Expected comma or array end but found T_COLON at character 3"),
    (b"'a'", "Expected value but found invalid token at character 1"),
    (br#"["a\q"]"#, "Expected value but found invalid escape code at character 4"),
    (br#"["a"#, "Expected value but found unexpected end of string at character 4"),
    (br#"{"a\u12":1}"#,
        "Expected object key string but found invalid unicode escape code at character 4"),
    (br#"{"a":x}"#, "Expected value but found invalid token at character 6"),
    (b"[1,x]", "Expected value but found invalid token at character 4"),
    (b"[1x]", "Expected comma or array end but found invalid token at character 3"),
    (b"//c", "Expected value but found invalid token at character 1"),
    (b"i", "Expected value but found invalid token at character 1"),
    (b"N", "Expected value but found invalid token at character 1"),
    (b"n", "Expected value but found invalid token at character 1"),
    (b"I", "Expected value but found invalid token at character 1"),
    (b"[+]", "Expected value but found invalid number at character 2"),
    (b"0x.p1", "Expected the end but found invalid token at character 2"),
    (b"0x1..5", "Expected the end but found invalid token at character 5"),
    (b"0x1p1.5", "Expected the end but found invalid token at character 6"),
    (b"0x1p0x1", "Expected the end but found invalid token at character 6"),
    (br#""a\"#, "Expected value but found invalid escape code at character 3"),
    (br#""\"#, "Expected value but found invalid escape code at character 2"),
    (b"\"\\\0\"", "Expected value but found invalid escape code at character 2"),
    (br#""\ud800\u""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\ud800\udc0""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\ud800\udc0g""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\ud800\uDC00\ude00""#, "Expected value but found invalid unicode escape code at character 14"),
    (br#""\u 123""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\u0x12""#, "Expected value but found invalid unicode escape code at character 2"),
    (br#""\'""#, "Expected value but found invalid escape code at character 2"),
    (br#""\v""#, "Expected value but found invalid escape code at character 2"),
    (br#""\0""#, "Expected value but found invalid escape code at character 2"),
    (b"'", "Expected value but found invalid token at character 1"),
    (b"\x7f", "Expected value but found invalid token at character 1"),
    (b"\xff", "Expected value but found invalid token at character 1"),
    (b"\x01\x01", "Expected value but found invalid token at character 1"),
    (b"[ \0]", "Expected value but found T_END at character 3"),
    (b"{\"a\0\":1}", "Expected object key string but found unexpected end of string at character 4"),
    (b"[[1,2],[3,4]]x", "Expected the end but found invalid token at character 14"),
    (br#"{"a":[}"#, "Expected value but found T_OBJ_END at character 7"),
    (br#"{"a":[1,2}"#, "Expected comma or array end but found T_OBJ_END at character 10"),
    (br#"[{"a":1]"#, "Expected comma or object end but found T_ARR_END at character 8"),
    (br#"[{"a":1},]"#, "Expected value but found T_ARR_END at character 10"),
    (br#"{"a":1,,}"#, "Expected object key string but found T_COMMA at character 8"),
    (br#"{"a"::1}"#, "Expected value but found T_COLON at character 6"),
    (br#"{"a",1}"#, "Expected colon but found T_COMMA at character 5"),
    (br#"{"a":"\x"}"#, "Expected value but found invalid escape code at character 7"),
    (br#"{"\x":1}"#, "Expected object key string but found invalid escape code at character 3"),
    (br#"{"a" "b"}"#, "Expected colon but found T_STRING at character 6"),
    (br#"{"a":1 "b":2}"#, "Expected comma or object end but found T_STRING at character 8"),
    (b"{'a':1}", "Expected object key string but found invalid token at character 2"),
    (b"{a:1}", "Expected object key string but found invalid token at character 2"),
    (br#"{"a" : tru}"#, "Expected value but found invalid token at character 8"),
    (b"{nan:1}", "Expected object key string but found T_NUMBER at character 2"),
    (b"{-:1}", "Expected object key string but found invalid number at character 2"),
    (b"[-]", "Expected value but found invalid number at character 2"),
    (b"[1-]", "Expected comma or array end but found invalid number at character 3"),
    (b"[1-2]", "Expected comma or array end but found T_NUMBER at character 3"),
    (b"[1+2]", "Expected comma or array end but found T_NUMBER at character 3"),
    (b"[1e5e]", "Expected comma or array end but found invalid token at character 5"),
    (b"[0e]", "Expected comma or array end but found invalid token at character 3"),
    (b"[1.e]", "Expected comma or array end but found invalid token at character 4"),
    (b"[1,2,3", "Expected comma or array end but found T_END at character 7"),
    (b"nullnull", "Expected the end but found T_NULL at character 5"),
    (b"truefalse", "Expected the end but found T_BOOLEAN at character 5"),
    (b"nulL", "Expected value but found invalid token at character 1"),
    (b"falsy", "Expected value but found invalid token at character 1"),
    (b"infinityx", "Expected the end but found invalid token at character 9"),
    (b"-infinit", "Expected the end but found invalid token at character 5"),
    (b"nan(a b)", "Expected the end but found invalid token at character 4"),
];

/// Arguments in Lua and the JSON they give.
#[rustfmt::skip]
pub static ENCODED: &[(&str, Bytes)] = &[
    ("nil", b"null"),
    ("-0", b"-0"),
    ("{[2^31]=1}", br#"{"2147483648":1}"#),
    ("{[2^32+3]=1}", br#"{"4294967299":1}"#),
    ("{[2^40]=1,7}", br#"{"1":7,"1099511627776":1}"#),
    ("{[2^63]=1,7}", br#"{"1":7,"9.2233720368548e+18":1}"#),
    ("{[0]=1}", br#"{"0":1}"#),
    ("{[0.5]=1}", br#"{"0.5":1}"#),
    ("{[-1]=1}", br#"{"-1":1}"#),
    ("{[10]=1}", b"[null,null,null,null,null,null,null,null,null,1]"),
    ("{1e15,1e14,123456789012345,12345678901234,0.1,1/3,1e100,1e-5,1e-4,123456.789e3,2^53,1e308,\
         5e-324,1234567890123.25,1234567890123.75,100000000000000}",
        b"[1e+15,1e+14,1.2345678901234e+14,12345678901234,0.1,0.33333333333333,1e+100,1e-05,0.0001,1\
         23456789,9.007199254741e+15,1e+308,4.9406564584125e-324,1234567890123.2,1234567890123.8,1e\
         +14]"),
    ("{[1e15]=1}", br#"{"1e+15":1}"#),
    (r#""a\0b\1\2\7\8\9\10\11\12\13\14\31\32\34/\\\127\128\255""#,
        b"\"a\\u0000b\\u0001\\u0002\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u001f \\\"\\/\\\\\\u007f\
         \x80\xff\""),
    ("setmetatable({}, {__index=function() return 1 end})", b"{}"),
    ("{a={}}", br#"{"a":{}}"#),
    ("{1,2,nil,4}", b"[1,2,null,4]"),
    ("{1,2,a=3}", br#"{"1":1,"2":2,"a":3}"#),
    (r#"{[""]=1}"#, br#"{"":1}"#),
    (r#"{["a/b\"c\0"]="x/y"}"#, br#"{"a\/b\"c\u0000":"x\/y"}"#),
    ("true", b"true"),
    (r#""""#, br#""""#),
    ("cjson.null", b"null"),
    ("{cjson.null}", b"[null]"),
    ("{a=cjson.null}", br#"{"a":null}"#),
    ("{{{}},{a={1}}}", br#"[[{}],{"a":[1]}]"#),
    ("{[2^53]=1}", br#"{"9.007199254741e+15":1}"#),
    ("{[-2.5]={}}", br#"{"-2.5":{}}"#),
    (r#"{[1e-7]="a"}"#, br#"{"1e-07":"a"}"#),
    (r#"{[5e-324]="a"}"#, br#"{"4.9406564584125e-324":"a"}"#),
    ("{nil,nil,3}", b"[null,null,3]"),
    ("{[4294967297]=1}", br#"{"4294967297":1}"#),
    ("{[1e300]=1}", br#"{"1e+300":1}"#),
    ("{1,[2.5]=2}", br#"{"1":1,"2.5":2}"#),
    ("{1,[-3]=2}", br#"{"1":1,"-3":2}"#),
    ("{1,[0]=2}", br#"{"1":1,"0":2}"#),
    ("{100,-100,0,1.5,-1.5,1e-10,123456789,99999999999999,999999999999999,-99999999999999,-10000\
         0000000000}",
        b"[100,-100,0,1.5,-1.5,1e-10,123456789,99999999999999,1e+15,-99999999999999,-1e+14]"),
    ("{99999999999999.5,9999999999999.95,0.99999999999999,0.999999999999999,0.000999999999999999\
         99,0.000099999999999999999}",
        b"[1e+14,9999999999999.9,0.99999999999999,1,0.001,0.0001]"),
    ("{1e-4,1.5e-4,9.9999e-5,0.00012345678901234567,1e21,1.7976931348623157e308,2.22507385850720\
         14e-308,-5e-324}",
        b"[0.0001,0.00015,9.9999e-05,0.00012345678901235,1e+21,1.7976931348623e+308,2.2250738585072e\
         -308,-4.9406564584125e-324]"),
    (r#""</script>""#, br#""<\/script>""#),
    (r#""\195\169\226\130\172\240\159\152\128""#, b"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
    (r#""\r\n\t\b\f""#, br#""\r\n\t\b\f""#),
    (r#"{"a",1,true,false,cjson.null,{},{x="y"}}"#, br#"["a",1,true,false,null,{},{"x":"y"}]"#),
];

/// Arguments that are refused, and the error.
#[rustfmt::skip]
pub static NOT_ENCODED: &[(&str, &str)] = &[
    ("0/0", "Cannot serialise number: must not be NaN or Inf"),
    ("{[1/0]=1}", "Cannot serialise number: must not be NaN or Inf"),
    ("{[2^31-1]=1}", "Cannot serialise table: excessively sparse array"),
    ("{[11]=1}", "Cannot serialise table: excessively sparse array"),
    ("{[12]=1,[6]=1}", "Cannot serialise table: excessively sparse array"),
    ("{[13]=1,[6]=1}", "Cannot serialise table: excessively sparse array"),
    ("{[true]=1}", "Cannot serialise boolean: table key must be a number or string"),
    ("{[cjson.encode]=1}", "Cannot serialise function: table key must be a number or string"),
    ("{cjson.encode}", "Cannot serialise function: type not supported"),
    ("cjson.encode", "Cannot serialise function: type not supported"),
    ("{a=cjson.encode}", "Cannot serialise function: type not supported"),
    ("{[{}]=1}", "Cannot serialise table: table key must be a number or string"),
    ("{[cjson.null]=1}", "Cannot serialise userdata: table key must be a number or string"),
    ("coroutine.create(function() end)", "Cannot serialise thread: type not supported"),
    ("{coroutine.create(function() end)}", "Cannot serialise thread: type not supported"),
    ("{[cjson.encode]=cjson.encode}", "Cannot serialise function: table key must be a number or string"),
    ("{[coroutine.create(function() end)]=1}",
        "Cannot serialise thread: table key must be a number or string"),
    ("{a={[true]=1}}", "Cannot serialise boolean: table key must be a number or string"),
    ("{{[20]=1}}", "Cannot serialise table: excessively sparse array"),
    ("{x={[20]=1}}", "Cannot serialise table: excessively sparse array"),
    ("{x=0/0}", "Cannot serialise number: must not be NaN or Inf"),
    ("{[-1/0]=1}", "Cannot serialise number: must not be NaN or Inf"),
    ("{[20]=1,[10]=1,1}", "Cannot serialise table: excessively sparse array"),
    ("1, 2, 3", "bad argument #1 to 'encode' (expected 1 argument)"),
];

/// Scripts and what they return, as `show` writes it.
#[rustfmt::skip]
pub static RESULTS: &[(&str, Bytes)] = &[
    ("local x = cjson.decode(12.5) return x", b"12.5"),
    ("cjson.encode_invalid_numbers(true) return cjson.encode({0/0,-(0/0),1/0,-1/0})",
        br#""[nan,nan,inf,-inf]""#),
    (r#"cjson.encode_invalid_numbers("null") return cjson.encode({0/0,1/0,-1/0})"#,
        br#""[null,null,null]""#),
    (r#"cjson.encode_invalid_numbers("null") return cjson.encode({[1/0]=1})"#, br#""{"null":1}""#),
    ("cjson.encode_invalid_numbers(true) return cjson.encode({[1/0]=1})", br#""{"inf":1}""#),
    (r#"return {cjson.encode_invalid_numbers("null")}"#, br#"{[1]="null"}"#),
    (r#"return {cjson.encode_invalid_numbers("on")}"#, b"{[1]=true}"),
    (r#"return {cjson.encode_invalid_numbers("off")}"#, b"{[1]=false}"),
    (r#"return {cjson.decode_invalid_numbers("off")}"#, b"{[1]=false}"),
    ("return {cjson.decode_invalid_numbers(nil)}", b"{[1]=true}"),
    ("return {cjson.encode_keep_buffer()}", b"{[1]=true}"),
    ("return {cjson.encode_keep_buffer(false)}", b"{[1]=false}"),
    (r#"return {cjson.encode_keep_buffer("on")}"#, b"{[1]=true}"),
    ("return {cjson.encode_sparse_array()}", b"{[1]=false,[2]=2,[3]=10}"),
    ("return {cjson.encode_sparse_array(true,3,4)}", b"{[1]=true,[2]=3,[3]=4}"),
    (r#"return {cjson.encode_sparse_array(nil,"7","0x10")}"#, b"{[1]=false,[2]=7,[3]=16}"),
    ("return {cjson.encode_max_depth()}", b"{[1]=1000}"),
    ("return {cjson.encode_max_depth(1.9)}", b"{[1]=1}"),
    ("return {cjson.encode_max_depth(2^32+5)}", b"{[1]=5}"),
    ("return {cjson.encode_max_depth(2^31-1)}", b"{[1]=2147483647}"),
    ("return {cjson.encode_max_depth(-2^32+7)}", b"{[1]=7}"),
    (r#"return {cjson.encode_max_depth(" 12 ")}"#, b"{[1]=12}"),
    (r#"return {cjson.encode_max_depth("1e2")}"#, b"{[1]=100}"),
    ("return {cjson.decode_max_depth()}", b"{[1]=1000}"),
    ("return {cjson.encode_number_precision()}", b"{[1]=14}"),
    ("return {cjson.encode_number_precision(14)}", b"{[1]=14}"),
    ("return {cjson.new(1,2,3).encode(1)}", br#"{[1]="1"}"#),
    ("local t = {} for i=1,999 do t={t} end return #cjson.encode(t)", b"2000"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("0")"#, b"0"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-0.5")"#, b"-0.5"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-.5")"#, b"-0.5"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("5.")"#, b"5"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("1e400")"#, b"inf"),
    ("cjson.encode_sparse_array(true) return cjson.encode({[11]=1})", br#""{"11":1}""#),
    ("cjson.encode_sparse_array(false,0) return cjson.encode({[15]=1})",
        br#""[null,null,null,null,null,null,null,null,null,null,null,null,null,null,1]""#),
    ("cjson.encode_sparse_array(false,1,20) return cjson.encode({[15]=1})",
        br#""[null,null,null,null,null,null,null,null,null,null,null,null,null,null,1]""#),
    ("cjson.encode_sparse_array(false,2147483647,0) return cjson.encode({[15]=1})",
        br#""[null,null,null,null,null,null,null,null,null,null,null,null,null,null,1]""#),
    ("cjson.encode_number_precision(3) return cjson.encode({1234,0.12345,2.5,1e5,999.9})",
        br#""[1.23e+03,0.123,2.5,1e+05,1e+03]""#),
    ("cjson.encode_number_precision(1) return cjson.encode({1234,0.12345,2.5,3.5,0.25,0.35,9.5,10})",
        br#""[1e+03,0.1,2,4,0.2,0.3,1e+01,1e+01]""#),
    ("cjson.encode_number_precision(3) return cjson.encode({[1234.5]=1})", br#""{"1.23e+03":1}""#),
    ("cjson.encode_max_depth(1) return cjson.encode({1})", br#""[1]""#),
    (r#"cjson.decode_max_depth(1) return cjson.decode("[1]")"#, b"{[1]=1}"),
    (r#"cjson.decode_max_depth(1) return cjson.decode("{}")"#, b"{}"),
    ("return {cjson.encode_sparse_array(nil, 2^63, 1/0)}", b"{[1]=false,[2]=0,[3]=0}"),
    ("return {cjson.encode_sparse_array(nil, -1e300, 0/0)}", b"{[1]=false,[2]=0,[3]=0}"),
    (r#"return {cjson.encode_sparse_array("on\0x")}"#, b"{[1]=true,[2]=2,[3]=10}"),
    ("return {cjson.encode_sparse_array(true)}", b"{[1]=true,[2]=2,[3]=10}"),
    (r#"return {cjson.encode_sparse_array("off", 0, 0)}"#, b"{[1]=false,[2]=0,[3]=0}"),
    ("return {cjson.encode_invalid_numbers()}", b"{[1]=false}"),
    ("return {cjson.encode_invalid_numbers(true), cjson.encode_invalid_numbers(false), cjson.enc\
         ode_invalid_numbers(nil)}",
        b"{[1]=true,[2]=false,[3]=false}"),
    ("return {cjson.encode_number_precision(3.99)}", b"{[1]=3}"),
    (r#"return {cjson.encode_number_precision("3\0x")}"#, b"{[1]=3}"),
    (r#"return {cjson.encode_number_precision("0x5p1")}"#, b"{[1]=10}"),
    (r#"return {cjson.encode_number_precision("\t5\n")}"#, b"{[1]=5}"),
    (r#"return {cjson.encode_number_precision(".5e1")}"#, b"{[1]=5}"),
    (r#"return {cjson.encode_max_depth("99999999999")}"#, b"{[1]=1215752191}"),
    (r#"return {cjson.encode_max_depth("4294967297")}"#, b"{[1]=1}"),
    ("return {cjson.decode_max_depth(17), cjson.decode_max_depth(), cjson.encode_max_depth()}",
        b"{[1]=17,[2]=17,[3]=1000}"),
    ("local a = cjson.new() a.encode_max_depth(5) return {a.encode_max_depth(), cjson.encode_max\
         _depth(), cjson.new().encode_max_depth()}",
        b"{[1]=5,[2]=1000,[3]=1000}"),
    ("return {cjson._NAME, cjson._VERSION, cjson.null, type(cjson.null), cjson.new().null == cjs\
         on.null}",
        br#"{[1]="cjson",[2]="2.1.0",[3]=null,[4]="userdata",[5]=true}"#),
    ("local t = {} for k in pairs(cjson) do t[#t + 1] = k end table.sort(t) return table.concat(\
         t, \" \")",
        b"\"_NAME _VERSION decode decode_invalid_numbers decode_max_depth encode encode_invalid_numb\
         ers encode_keep_buffer encode_max_depth encode_number_precision encode_sparse_array new nu\
         ll\""),
    ("return cjson.decode(1/3)", b"0.33333333333332998"),
    ("return cjson.decode(1e15)", b"1000000000000000"),
    ("return cjson.decode(-0.0)", b"-0"),
    ("return cjson.decode(0/0)", b"nan"),
    ("return cjson.decode(1/0)", b"inf"),
    ("return cjson.decode(2^53)", b"9007199254741000"),
    ("local t={} for i=1,10 do t[i*2]=i end return cjson.encode(t)",
        br#""[null,1,null,2,null,3,null,4,null,5,null,6,null,7,null,8,null,9,null,10]""#),
    ("local t={} for i=1,6 do t[i*2]=i end t[13]=1 return cjson.encode(t)",
        br#""[null,1,null,2,null,3,null,4,null,5,null,6,1]""#),
    ("cjson.encode_sparse_array(false,0,0) return cjson.encode({[3]=1})", br#""[null,null,1]""#),
    ("cjson.encode_sparse_array(true,2,0) return cjson.encode({[3]=1})", br#""{"3":1}""#),
    ("cjson.encode_sparse_array(true,2,0) return cjson.encode({[2]=1})", br#""[null,1]""#),
    ("cjson.encode_sparse_array(true,3,2) return cjson.encode({[3]=1})", br#""[null,null,1]""#),
    ("cjson.encode_sparse_array(true,1,3) return cjson.encode({[3]=1})", br#""[null,null,1]""#),
    ("cjson.encode_number_precision(14) return cjson.encode({3.14159265358979,2^31,2^32,2^63,-2^\
         63,1e13,12345678901234.5})",
        b"\"[3.1415926535898,2147483648,4294967296,9.2233720368548e+18,-9.2233720368548e+18,10000000\
         000000,12345678901234]\""),
    ("cjson.encode_number_precision(5) return cjson.encode({99999,99999.5,100000,123456,0.000123\
         456,12345.5,12344.5,-99999})",
        br#""[99999,1e+05,1e+05,1.2346e+05,0.00012346,12346,12344,-99999]""#),
    ("cjson.encode_number_precision(1) return cjson.encode({0.5,1.5,2.5,5,9,10,11,95,0.95,0.0000\
         5,0.0001})",
        br#""[0.5,2,2,5,9,1e+01,1e+01,1e+02,0.9,5e-05,0.0001]""#),
    ("cjson.encode_invalid_numbers(true) return cjson.encode({a=-1/0})", br#""{"a":-inf}""#),
    (r#"cjson.encode_invalid_numbers("null") return cjson.encode(-(0/0))"#, br#""null""#),
    ("local t = {} for i = 0, 255 do t[#t+1] = string.char(i) end return cjson.encode(table.concat(t))",
        b"\"\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\
         \\u000f\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001\
         b\\u001c\\u001d\\u001e\\u001f !\\\"#$%&'()*+,-.\\/0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVW\
         XYZ[\\\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\\u007f\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\
         \x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\
         \xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2\xb3\xb4\xb5\
         \xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xcb\
         \xcc\xcd\xce\xcf\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xdb\xdc\xdd\xde\xdf\xe0\xe1\
         \xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\
         \xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff\"\""),
    ("local t = {} for i = 0, 31 do t[#t+1] = string.char(i) end return cjson.encode({[table.con\
         cat(t)]=\"\\127\"})",
        b"\"{\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\
         \\u000f\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001\
         b\\u001c\\u001d\\u001e\\u001f\":\"\\u007f\"}\""),
    ("local t = {} for i = 1, 255 do if i ~= 34 and i ~= 92 then t[#t+1] = string.char(i) end en\
         d return cjson.decode('\"'..table.concat(t)..'\"')",
        b"\"\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\
         \x18\x19\x1a\x1b\x1c\x1d\x1e\x1f !#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ\
         []^_`abcdefghijklmnopqrstuvwxyz{|}~\x7f\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\
         \x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\xa0\xa1\
         \xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\
         \xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xcb\xcc\xcd\
         \xce\xcf\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xdb\xdc\xdd\xde\xdf\xe0\xe1\xe2\xe3\
         \xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\
         \xfa\xfb\xfc\xfd\xfe\xff\""),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("[1,2.5,-3e2,0.5]")"#,
        b"{[1]=1,[2]=2.5,[3]=-300,[4]=0.5}"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("0e1")"#, b"0"),
    (r#"return #cjson.decode(string.rep("[",1000)..string.rep("]",1000))"#, b"1"),
    (r#"return cjson.decode(string.rep("{\"a\":",1000).."1"..string.rep("}",1000)).a ~= nil"#, b"true"),
    ("return cjson.encode(cjson.decode(string.rep(\"[\",1000)..string.rep(\"]\",1000))) == strin\
         g.rep(\"[\",999)..\"{}\"..string.rep(\"]\",999)",
        b"true"),
    (r#"return #cjson.encode(cjson.decode(string.rep("{\"a\":",1000).."1"..string.rep("}",1000)))"#,
        b"6001"),
    ("cjson.encode_max_depth(100000) local t = {} for i=1,7996 do t={t} end return #cjson.encode(t)",
        b"15994"),
    ("cjson.encode_max_depth(100000) local t = {} for i=1,3998 do t={a=t} end return #cjson.encode(t)",
        b"23990"),
    ("cjson.decode_max_depth(100000) return #cjson.decode(string.rep(\"[\",7998)..string.rep(\"]\
         \",7998))",
        b"1"),
    ("cjson.encode_max_depth(3) return cjson.encode({{{}},{{1}}})", br#""[[{}],[[1]]]""#),
    ("local t = {} for i=1,1000 do t[i]=i end return #cjson.encode(t)", b"3894"),
    (r#"local t = cjson.decode("["..string.rep("1,",5000).."1]") return {#t, t[5001]}"#,
        b"{[1]=5001,[2]=1}"),
    (r#"return cjson.encode(cjson.decode("{\"a\":[1,2,{\"b\":null}]}"))"#,
        br#""{"a":[1,2,{"b":null}]}""#),
    (r#"return cjson.encode(cjson.decode("[]"))"#, br#""{}""#),
    ("local t = setmetatable({1,2}, {__index=function() return 9 end, __len=function() return 5 \
         end}) return cjson.encode(t)",
        br#""[1,2]""#),
    (r#"local t = setmetatable({a=1}, {__pairs=function() error("no") end}) return cjson.encode(t)"#,
        br#""{"a":1}""#),
    (r#"local t = setmetatable({}, {__tostring=function() return "x" end}) return cjson.encode(t)"#,
        br#""{}""#),
];

/// Scripts that fail, and the error.
#[rustfmt::skip]
pub static FAILURES: &[(&str, &str)] = &[
    ("local x = cjson.encode() return x", "bad argument #1 to 'encode' (expected 1 argument)"),
    ("local x = cjson.decode() return x", "bad argument #1 to 'decode' (expected 1 argument)"),
    ("local x = cjson.decode(nil) return x", "bad argument #1 to 'decode' (string expected, got nil)"),
    ("local x = cjson.decode({}) return x", "bad argument #1 to 'decode' (string expected, got table)"),
    ("local x = cjson.decode(cjson.null) return x",
        "bad argument #1 to 'decode' (string expected, got userdata)"),
    ("local x = cjson.decode(true) return x",
        "bad argument #1 to 'decode' (string expected, got boolean)"),
    ("local x = cjson.encode(1,2) return x", "bad argument #1 to 'encode' (expected 1 argument)"),
    (r#"return {cjson.decode_invalid_numbers("null")}"#,
        "bad argument #1 to 'decode_invalid_numbers' (invalid option 'null')"),
    ("return {cjson.decode_invalid_numbers({})}",
        "bad argument #1 to 'decode_invalid_numbers' (string expected, got table)"),
    ("return {cjson.decode_invalid_numbers(1)}",
        "bad argument #1 to 'decode_invalid_numbers' (invalid option '1')"),
    ("return {cjson.decode_invalid_numbers(nil,1)}",
        "bad argument #2 to 'decode_invalid_numbers' (found too many arguments)"),
    ("return {cjson.encode_sparse_array(true,-1,4)}",
        "bad argument #1 to 'encode_sparse_array' (expected integer between 0 and 2147483647)"),
    ("return {cjson.encode_sparse_array(true,1,-4)}",
        "bad argument #1 to 'encode_sparse_array' (expected integer between 0 and 2147483647)"),
    (r#"return {cjson.encode_sparse_array(nil,nil,"x")}"#,
        "bad argument #3 to 'encode_sparse_array' (number expected, got string)"),
    ("return {cjson.encode_sparse_array(1)}",
        "bad argument #1 to 'encode_sparse_array' (invalid option '1')"),
    ("return {cjson.encode_sparse_array(1,2,3,4)}",
        "bad argument #4 to 'encode_sparse_array' (found too many arguments)"),
    ("return {cjson.encode_max_depth(0)}",
        "bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)"),
    ("return {cjson.encode_max_depth(2^31)}",
        "bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)"),
    ("return {cjson.encode_max_depth(2^63)}",
        "bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)"),
    ("return {cjson.encode_max_depth(1/0)}",
        "bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)"),
    (r#"return {cjson.encode_max_depth("")}"#,
        "bad argument #1 to 'encode_max_depth' (number expected, got string)"),
    (r#"return {cjson.encode_max_depth("inf")}"#,
        "bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)"),
    ("return {cjson.encode_max_depth({})}",
        "bad argument #1 to 'encode_max_depth' (number expected, got table)"),
    ("return {cjson.encode_max_depth(cjson.null)}",
        "bad argument #1 to 'encode_max_depth' (number expected, got userdata)"),
    ("return {cjson.encode_max_depth(true)}",
        "bad argument #1 to 'encode_max_depth' (number expected, got boolean)"),
    ("return {cjson.encode_max_depth(1,2)}",
        "bad argument #2 to 'encode_max_depth' (found too many arguments)"),
    ("return {cjson.decode_max_depth(0)}",
        "bad argument #1 to 'decode_max_depth' (expected integer between 1 and 2147483647)"),
    ("return {cjson.encode_number_precision(15)}",
        "bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)"),
    ("return {cjson.encode_number_precision(0)}",
        "bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)"),
    ("local t = {} for i=1,1100 do t={t} end return cjson.encode(t)",
        "Cannot serialise, excessive nesting (1001)"),
    ("local t = {} for i=1,1000 do t={t} end return #cjson.encode(t)",
        "Cannot serialise, excessive nesting (1001)"),
    ("cjson.encode_max_depth(100000) local t = {} for i=1,20000 do t={t} end return #cjson.encode(t)",
        "Cannot serialise, excessive nesting (7998)"),
    ("cjson.encode_max_depth(100000) local t = {} for i=1,20000 do t={a=t} end return #cjson.encode(t)",
        "Cannot serialise, excessive nesting (4000)"),
    (r#"cjson.decode_max_depth(100000) return #cjson.decode(string.rep("[",20000))"#,
        "Found too many nested data structures (7999) at character 7999"),
    (r#"cjson.decode_max_depth(100000) return #cjson.decode(string.rep("{\"a\":",20000))"#,
        "Found too many nested data structures (4000) at character 19996"),
    (r#"cjson.decode_max_depth(100000) return #cjson.decode(string.rep("[[{\"a\":",20000))"#,
        "Found too many nested data structures (6000) at character 13996"),
    (r#"return #cjson.decode(string.rep("[",1001))"#,
        "Found too many nested data structures (1001) at character 1001"),
    (r#"return #cjson.decode(string.rep("[",1000))"#, "Expected value but found T_END at character 1001"),
    (r#"return #cjson.decode(string.rep("[ ",1001))"#,
        "Found too many nested data structures (1001) at character 2001"),
    (r#"return #cjson.decode(string.rep("{\"a\":",1001))"#,
        "Found too many nested data structures (1001) at character 5001"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("nan")"#,
        "Expected value but found invalid token at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-nan")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("inf")"#,
        "Expected value but found invalid token at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-inf")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("0x10")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-0x10")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("01")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-01")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("+1")"#,
        "Expected value but found invalid token at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-+1")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-x")"#,
        "Expected value but found invalid number at character 1"),
    ("cjson.encode_sparse_array(false,1) return cjson.encode({[11]=1})",
        "Cannot serialise table: excessively sparse array"),
    ("cjson.encode_sparse_array(false,2147483647,0) return cjson.encode({[7]=1,[6]=2})",
        "Cannot serialise table: excessively sparse array"),
    ("cjson.encode_sparse_array(false,1,0) return cjson.encode({[2]=1})",
        "Cannot serialise table: excessively sparse array"),
    ("local t={} t[1]=t return cjson.encode(t)", "Cannot serialise, excessive nesting (1001)"),
    ("local t={} t.a=t return cjson.encode(t)", "Cannot serialise, excessive nesting (1001)"),
    ("cjson.encode_max_depth(1) return cjson.encode({{1}})", "Cannot serialise, excessive nesting (2)"),
    ("cjson.encode_max_depth(1) return cjson.encode({a={}})", "Cannot serialise, excessive nesting (2)"),
    (r#"cjson.decode_max_depth(1) return cjson.decode("[[1]]")"#,
        "Found too many nested data structures (2) at character 2"),
    (r#"cjson.decode_max_depth(1) return cjson.decode("{\"a\": {}}")"#,
        "Found too many nested data structures (2) at character 7"),
    (r#"cjson.decode_max_depth(2) return cjson.decode("[[],{},[],[[]]]")"#,
        "Found too many nested data structures (3) at character 12"),
    (r#"return {cjson.encode_sparse_array("null")}"#,
        "bad argument #1 to 'encode_sparse_array' (invalid option 'null')"),
    (r#"return {cjson.encode_sparse_array("")}"#,
        "bad argument #1 to 'encode_sparse_array' (invalid option '')"),
    ("return {cjson.encode_sparse_array({})}",
        "bad argument #1 to 'encode_sparse_array' (string expected, got table)"),
    (r#"return {cjson.encode_invalid_numbers("ON")}"#,
        "bad argument #1 to 'encode_invalid_numbers' (invalid option 'ON')"),
    ("return {cjson.encode_invalid_numbers(cjson.null)}",
        "bad argument #1 to 'encode_invalid_numbers' (string expected, got userdata)"),
    (r#"return {cjson.encode_number_precision("3 x")}"#,
        "bad argument #1 to 'encode_number_precision' (number expected, got string)"),
    (r#"return {cjson.encode_number_precision("nan")}"#,
        "bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)"),
    ("return {cjson.encode_number_precision(-1)}",
        "bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)"),
    ("return {cjson.encode_number_precision(nil, nil)}",
        "bad argument #2 to 'encode_number_precision' (found too many arguments)"),
    ("return {cjson.encode_keep_buffer(nil, 2)}",
        "bad argument #2 to 'encode_keep_buffer' (found too many arguments)"),
    (r#"return {cjson.encode_keep_buffer("null")}"#,
        "bad argument #1 to 'encode_keep_buffer' (invalid option 'null')"),
    ("return {cjson.encode_max_depth(function() end)}",
        "bad argument #1 to 'encode_max_depth' (number expected, got function)"),
    ("return {cjson.decode_max_depth(coroutine.create(function() end))}",
        "bad argument #1 to 'decode_max_depth' (number expected, got thread)"),
    (r#"local x = cjson.decode("1", nil) return x"#, "bad argument #1 to 'decode' (expected 1 argument)"),
    ("local x = cjson.encode(nil, nil) return x", "bad argument #1 to 'encode' (expected 1 argument)"),
    ("local x = cjson.decode(function() end) return x",
        "bad argument #1 to 'decode' (string expected, got function)"),
    ("local x = cjson.decode(false) return x",
        "bad argument #1 to 'decode' (string expected, got boolean)"),
    ("local t={} for i=1,10 do t[i*3]=i end return cjson.encode(t)",
        "Cannot serialise table: excessively sparse array"),
    ("local t={} for i=1,6 do t[i*2]=i end t[15]=1 return cjson.encode(t)",
        "Cannot serialise table: excessively sparse array"),
    ("cjson.encode_sparse_array(false,1073741824,0) return cjson.encode({[7]=1,[6]=2})",
        "Cannot serialise table: excessively sparse array"),
    ("cjson.encode_sparse_array(false,1073741824,0) return cjson.encode({[7]=1,[6]=2,[5]=1,[4]=1})",
        "Cannot serialise table: excessively sparse array"),
    ("cjson.encode_invalid_numbers(false) return cjson.encode(1/0)",
        "Cannot serialise number: must not be NaN or Inf"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("0X10")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("00")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-Infinity")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("[NaN]")"#,
        "Expected value but found invalid token at character 2"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("[null,nan]")"#,
        "Expected value but found invalid token at character 7"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("-i")"#,
        "Expected value but found invalid number at character 1"),
    (r#"cjson.decode_invalid_numbers(false) return cjson.decode("--1")"#,
        "Expected value but found invalid number at character 1"),
    (r#"return #cjson.decode(string.rep("[",1001)..string.rep("]",1001))"#,
        "Found too many nested data structures (1001) at character 1001"),
    (r#"return cjson.decode(string.rep("{\"a\":",1001).."1"..string.rep("}",1001)).a ~= nil"#,
        "Found too many nested data structures (1001) at character 5001"),
    ("cjson.encode_max_depth(100000) local t = {} for i=1,20000 do t={{a=t}} end return #cjson.e\
         ncode(t)",
        "Cannot serialise, excessive nesting (5333)"),
    ("cjson.decode_max_depth(100000) return #cjson.decode(string.rep(\"[\",7999)..string.rep(\"]\
         \",7999))",
        "Found too many nested data structures (7999) at character 7999"),
    (r#"cjson.decode_max_depth(100000) return #cjson.decode(string.rep("[{\"a\":[",20000))"#,
        "Found too many nested data structures (5999) at character 13995"),
    (r#"cjson.decode_max_depth(3) return cjson.decode("[[[1]],[[[1]]]]")"#,
        "Found too many nested data structures (4) at character 10"),
    ("cjson.encode_max_depth(3) return cjson.encode({{{}},{{{}}}})",
        "Cannot serialise, excessive nesting (4)"),
    (r#"return cjson.encode(cjson.decode("[1.0,2.50,1e3,-0.0,1E400]"))"#,
        "Cannot serialise number: must not be NaN or Inf"),
];
