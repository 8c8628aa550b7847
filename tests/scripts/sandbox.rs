//! What scripts find of the language, and what its corners must not lead to: docs/security.md names the cause of each story.

use std::fmt::Write as _;

use crate::program::Program;
use crate::support::{Conn, Value};

/// Everything that a script can name without having made it.
const GLOBALS: &str = "ARGV KEYS _G _VERSION assert bit cjson cmsgpack collectgarbage coroutine error getmetatable ipairs load \
    loadstring math next os pairs pcall rawequal rawget rawset redis select server setmetatable string struct table tonumber \
    tostring type unpack xpcall";
/// What stands in the libraries that Luau has more in.
const LIBRARIES: &[(&str, &str)] = &[
    ("string", "byte char find format gfind gmatch gsub len lower match rep reverse sub upper"),
    ("table", "concat foreach foreachi getn insert maxn remove sort unpack"),
    ("coroutine", "create resume running status wrap yield"),
    ("os", "clock"),
    ("getmetatable('')", "__index"),
    (
        "getmetatable('').__index",
        "byte char find format gfind gmatch gsub len lower match rep reverse sub upper",
    ),
    ("getmetatable(_G)", "__index __newindex"),
];

/// Scripts with arguments at the ends of what numbers can say, or with patterns and formats cut off anywhere; each with what
/// it returns.
const EXTREMES: &[(&str, &str)] = &[
    ("return pcall(unpack, {}, -2^31, 2^31 - 1)", ""),
    ("return pcall(unpack, {}, 0, 2^31 - 1)", ""),
    ("return #{unpack({}, 2^31 - 1, 2^31)}", "0"),
    ("return pcall(string.rep, 'ab', 2^62) and 1", "1"),
    ("return pcall(string.rep, 'x', 2^30)", ""),
    ("return string.rep('x', -2^63)", ""),
    ("return string.sub('abc', -2^31, 2^31 - 1)", "abc"),
    ("return pcall(string.byte, string.rep('x', 1e6), 1, -1)", ""),
    ("return pcall(string.char, 256)", ""),
    ("return pcall(string.char, -1)", ""),
    ("return pcall(select, -2^40, 1)", ""),
    ("return pcall(table.concat, {}, '', -2^31, 2^31)", ""),
    ("return pcall(table.concat, {}, '', 2^53, 2^53)", ""),
    ("return pcall(tonumber, '10', 2^31 + 2)", ""),
    ("return pcall(string.format, '%1000d', 1)", ""),
    ("return pcall(string.format, '%.100f', 1)", ""),
    ("return pcall(string.format, '%n', 1)", ""),
    ("return pcall(string.format, '%s%', 1)", ""),
    ("return pcall(string.format, '%' .. string.rep('-', 1e6) .. 'd', 1)", ""),
    ("return pcall(string.format, string.rep('%s', 300))", ""),
    ("return #string.format('%99.99f', -1e308)", "410"),
    ("return bit.tohex(1, -2^31)", "00000001"),
    ("return pcall(bit.lshift, 1, 2^60) and 1", "1"),
    ("return pcall(struct.unpack, 'i', 'abcd', 2^53)", ""),
    ("return pcall(struct.unpack, 'c0', string.rep('x', 100))", ""),
    ("return pcall(struct.pack, 'c2147483648', 'x')", ""),
    ("return pcall(struct.pack, '!2147483648i', 1)", ""),
    ("return pcall(cmsgpack.unpack_one, '\\1', 2^62)", ""),
    ("return pcall(cmsgpack.unpack, string.rep('\\129\\161a', 1e6))", ""),
    ("return pcall(cmsgpack.unpack, '\\219\\255\\255\\255\\255')", ""),
    ("return pcall(cmsgpack.unpack, '\\223\\255\\255\\255\\255')", ""),
    ("return pcall(cjson.decode, string.rep('{\"a\":', 1e6))", ""),
    ("return pcall(cjson.decode, '\"' .. string.rep('\\\\u', 1e6))", ""),
    ("return pcall(math.random, 0, 1e308) and 1", "1"),
    ("return #tostring(math.ldexp(1, 1e9))", "3"),
    // More parameters than arguments, and as many arguments as there may be.
    (
        "local names = {} for i = 1, 150 do names[i] = 'p' .. i end local head = table.concat(names, ',') \
         return select('#', loadstring('return function(' .. head .. ', ...) return ... end')()(1))",
        "0",
    ),
    ("local t = {} for i = 1, 7000 do t[i] = i end return select('#', unpack(t))", "7000"),
    ("return select('#', coroutine.wrap(function(...) return ... end)(unpack({}, 1, 7000)))", "7000"),
    // Long brackets, open and closed.
    ("return loadstring('return ' .. string.rep('[', 100000)) == nil", "1"),
    ("return loadstring('--[' .. string.rep('=', 1000000) .. '[') == nil", "1"),
    (
        "local bar = string.rep('=', 100000) return loadstring('return [' .. bar .. '[x]' .. bar .. ']')()",
        "x",
    ),
    // Loaded piece by piece while the collector runs, and what is no script.
    (
        "local n = 0 return load(function() n = n + 1 collectgarbage() return n <= 500 and 'local a' .. n % 100 .. ' = {} ' or \
         n == 501 and 'do end' or nil end) == nil",
        "1",
    ),
    (
        "local n = 0 return load(function() n = n + 1 collectgarbage() return ({'return ', '{', '7', '}'})[n] end)()[1]",
        "7",
    ),
    ("return pcall(load(function() error('no') end or 1))", ""),
    // Comparators that lie, or take the ground away.
    ("return pcall(table.sort, {5, 4, 3, 2, 1, 5, 4, 3, 2, 1}, function() return true end)", ""),
    (
        "for n = 1, 100 do local t = {} for i = 1, n do t[i] = i * 7 % 11 end pcall(table.sort, t, function(a, b) \
         for i = 1, #t do t[i] = nil end return (a or 0) < (b or 0) end) end return 1",
        "1",
    ),
    (
        "for n = 1, 50 do local t = {} for i = 1, n do t[i] = i * 7 % 11 end pcall(table.sort, t, function(a, b) \
         for i = 1, 300 do t[n + i] = i t['x' .. i] = i end return a < b end) end return 1",
        "1",
    ),
    (
        "local odd = {'%', '[', '[%', '[]', '[^', '[^]', '%b', '%bx', '%f', '%f[', '(', '(()', '%1', '(%1', '%0', '[a-', '[a-%', \
         '^*', '*', '?', string.rep('()', 40), '[\\0]', '.-.-.-%'} for _, p in ipairs(odd) do for _, f in ipairs({string.find, \
         string.match, string.gmatch, string.gsub}) do pcall(f, 'abc', p, '%9') end end return 1",
        "1",
    ),
    ("return pcall(string.gsub, 'abc', string.rep('a', 1e7), 'b') and 1", "1"),
    // Luau's and newer Lua's metamethods: those that Lua 5.1 does not have do nothing here, or what a call does.
    (
        "local ran = 0 setmetatable({}, {__gc = function() ran = 1 end}) collectgarbage() collectgarbage() return ran",
        "0",
    ),
    (
        "local ran = 0 do local t = setmetatable({}, {__close = function() ran = 1 end}) end collectgarbage() return ran",
        "0",
    ),
    ("return type(setmetatable({}, {__type = 'number', __mode = 'kv', __metatable = 1}))", "table"),
    (
        "local t = setmetatable({}, {__namecall = function() return 1 end}) return pcall(function() return t:x() end)",
        "",
    ),
    // What a reply or an error is made of is read as it lies there.
    ("return setmetatable({}, {__index = function() while true do end end})", ""),
    ("return {map = setmetatable({}, {__index = function() while true do end end})}", ""),
    (
        "return cjson.encode(setmetatable({}, {__index = function() while true do end end, __iter = error, __len = error}))",
        "{}",
    ),
    ("return #cmsgpack.pack(setmetatable({1}, {__index = error, __iter = error, __len = error}))", "2"),
];

/// Errors that are raised with something that is no text.
const RAISED: &[&str] = &[
    "error({})",
    "error({err = {}})",
    "error({err = 5})",
    "error(cjson.null)",
    "error(redis)",
    "error(_G)",
    "error(coroutine.create(function() end))",
    "error(function() end)",
    "error(setmetatable({}, {__index = function() while true do end end, __tostring = function() while true do end end}))",
    "error(setmetatable({err = 'E x'}, {__newindex = function() while true do end end, __metatable = 1}))",
    "error(string.rep('x', 1000000))",
    "return xpcall(error, nil)(1)",
    "return coroutine.wrap(function() error({err = 'E x'}) end)()",
    "return coroutine.wrap(function() error() end)()",
];

fn eval(conn: &mut Conn, script: &str) -> Value {
    conn.call(&["EVAL", script, "0"])
}

/// The names in a table, sorted.
fn names(conn: &mut Conn, table: &str) -> String {
    let script = format!(
        "local names = {{}} for name in pairs({table}) do names[#names + 1] = name end table.sort(names) \
         return table.concat(names, ' ')"
    );
    eval(conn, &script).text()
}

#[test]
fn scripts_see_lua_5_1_and_nothing_else() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    let mut globals: Vec<String> = ["_G", "getmetatable(_G).__index"]
        .iter()
        .flat_map(|table| names(&mut conn, table).split(' ').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    globals.sort();
    assert_eq!(globals.join(" "), GLOBALS);
    for (table, expected) in LIBRARIES {
        assert_eq!(names(&mut conn, table), *expected, "{table}");
    }
    for name in ["split", "pack", "unpack", "packsize"] {
        assert_eq!(eval(&mut conn, &format!("return ('x').{name} == nil")).text(), "1", "{name}");
    }
}

#[test]
fn extremes_end_as_errors_or_values() {
    let server = Program::start(&["--io-threads", "1", "--busy-reply-threshold", "20000"]);
    let mut conn = server.connect();
    let answers = EXTREMES.iter().map(|(script, _)| match eval(&mut conn, script) {
        // false, nothing, or a table without elements.
        Value::Nil => String::new(),
        Value::Array(list) if list.is_empty() => String::new(),
        Value::Error(error) => error,
        other => other.text(),
    });
    let wrong: Vec<_> = answers.zip(EXTREMES).filter(|(answer, (_, expected))| answer != expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for script in RAISED {
        let answer = eval(&mut conn, script);
        assert!(matches!(answer, Value::Error(_)), "{script}: {answer:?}");
    }
    assert_eq!(eval(&mut conn, "return cjson.encode({1})").text(), "[1]");
}

#[test]
fn texts_of_libraries_end_at_what_a_machine_may_hold() {
    let server = Program::start(&["--io-threads", "1", "--busy-reply-threshold", "20000"]);
    let mut conn = server.connect();
    let many = "local text, t = string.rep('x', 1000000), {} for i = 1, 2000 do t[i] = text end";
    for call in ["cjson.encode(t)", "cmsgpack.pack(t)", "struct.pack(string.rep('s', 2000), unpack(t))"] {
        let Value::Error(error) = eval(&mut conn, &format!("{many} return #{call}")) else {
            panic!("{call} is longer than any text")
        };
        assert!(error.contains("not enough memory") || error.contains("format result too large"), "{error}");
    }
    assert!(server.peak_resident_bytes() < 1 << 30, "{} bytes", server.peak_resident_bytes());
}

#[test]
fn many_words_are_pushed_and_gone() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    let words: Vec<String> = (0..100_000).map(|word| word.to_string()).collect();
    let mut request = vec!["EVAL", "return {#KEYS, #ARGV, KEYS[#KEYS], ARGV[#ARGV]}", "50000"];
    request.extend(words.iter().map(String::as_str));
    let answer: Vec<String> = conn.call(&request).array().iter().map(Value::text).collect();
    assert_eq!(answer, ["50000", "50000", "49999", "99999"]);
    let wide = eval(
        &mut conn,
        "local t = {} for i = 1, 7000 do t[i] = 'k' end return #redis.call('MGET', unpack(t))",
    );
    assert_eq!(wide.text(), "7000");
}

#[test]
fn coroutines_and_functions_do_not_outlive_their_script() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    let hide = "local kept = coroutine.wrap(function() redis.call('SET', KEYS[1], 'x') coroutine.yield(1) \
        redis.call('SET', KEYS[1], 'y') end) kept() KEYS.kept = kept ARGV.kept = kept \
        loadstring('KEYS.again = ...')(kept) return 1";
    let seek = "for _, t in ipairs({KEYS, ARGV, _G}) do for name, value in pairs(t) do \
        if type(value) == 'function' or type(value) == 'thread' then return name end end end return 'none'";
    for _ in 0..20 {
        assert_eq!(conn.call(&["EVAL", hide, "1", "k"]).text(), "1");
        assert_eq!(conn.call(&["EVAL", seek, "1", "k"]).text(), "none");
        assert_eq!(conn.say("GET k"), "x");
        conn.run("SCRIPT FLUSH");
    }
}

#[test]
fn flushes_and_departures_leave_a_suspended_script_alone() {
    let server = Program::start(&["--io-threads", "2"]);
    let mut other = server.connect();
    let mut victims: Vec<Conn> = Vec::new();
    for turn in 0..10 {
        let mut victim = server.connect();
        let mut script = String::from("local begun = os.clock() while os.clock() - begun < 0.05 do ");
        let _infallible =
            write!(script, "local t = {{}} for i = 1, 100 do t[i] = {{i}} end end return {turn}");
        victim.send(&["EVAL", &script, "1", "k"]);
        assert_eq!(other.say(["SCRIPT FLUSH", "SCRIPT FLUSH SYNC", "FUNCTION FLUSH"][turn % 3]), "OK");
        // Every other one goes while its script runs.
        match turn % 2 {
            0 => victims.push(victim),
            _ => victim.close(),
        }
    }
    let answers: Vec<String> = victims.iter_mut().map(|victim| victim.reply().text()).collect();
    assert_eq!(answers, ["0", "2", "4", "6", "8"]);
    assert_eq!(other.say("PING"), "PONG");
}
