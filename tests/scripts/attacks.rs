//! What scripts of attackers try, against a server of its own: it answers, it lives on, and nobody else's scripts change.

use crate::program::Program;
use crate::support::Value;

/// Scripts that would run for ever.
const ENDLESS: &[&str] = &[
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "return xpcall(function() while true do end end, function() while true do end end)",
    "local function spin() while true do end end while true do coroutine.wrap(spin)() end",
    "table.sort({4, 3, 2, 1}, function() while true do end end)",
    "return (string.rep('a', 26)):find(string.rep('a*', 26) .. 'b')",
    "return (string.rep('a', 40)):find(string.rep('a?', 500000) .. 'b')",
    "string.gsub(string.rep('x', 100), 'x', function() while true do end end)",
    "while true do redis.call('PING') end",
    "local t = setmetatable({}, {__index = function(t, k) while true do end end}) return t.x",
    "local t = setmetatable({}, {__newindex = function() while true do end end}) t.x = 1",
    "local mt = {__eq = function() while true do end end} return setmetatable({}, mt) == setmetatable({}, mt)",
    "local mt = {__lt = function() while true do end end} return setmetatable({}, mt) < setmetatable({}, mt)",
    "return setmetatable({}, {__concat = function() while true do end end}) .. 'x'",
    "return setmetatable({}, {__call = function() while true do end end})()",
    "return tostring(setmetatable({}, {__tostring = function() while true do end end}))",
    "for _ in setmetatable({}, {__iter = function() while true do end end}) do end",
    "load(function() while true do end end)",
    "table.foreach({1}, function() while true do end end)",
    "for _ in string.gmatch('x', '') do while true do end end",
    "while true do pcall(string.rep, 'x', 2^30) end",
    "while true do pcall(error, {err = 'E x'}) end",
    "while true do xpcall(error, function() while true do end end) end",
    "while true do redis.pcall('nosuch') end",
    "while true do loadstring('return 1') end",
    "while true do cjson.decode(cjson.encode({1, {2}})) end",
];

/// Scripts that want more than there is, or reach for what is not theirs; each ends with an error.
const REFUSED: &[&str] = &[
    "local t = {} while true do t[#t + 1] = string.rep('y', 1000000) .. #t end",
    "local s = 'x' while true do s = s .. s end",
    "return unpack({}, 1, 1e8)",
    "local function f() return f() + 1 end return f()",
    "error({1})",
    "error(nil)",
    "return string.dump(function() end)",
    "return require('os')",
    "return io.open('/etc/passwd')",
    "return os.execute('true')",
    "return package.loadlib('x', 'y')",
    "return dofile('/etc/passwd')",
    "return debug.getinfo(1)",
    "return getfenv(0)",
    "setfenv(1, {})",
    "return newproxy()",
    "getmetatable('').__index = nil",
    "getmetatable('').__add = function() return 1 end return 'a' + 'b' + {}",
    "string.rep = nil",
    "redis.call = nil",
    "rawset(redis, 'call', 1)",
    "rawset(_G, 'x', 1)",
    "setmetatable(_G, {})",
    "setmetatable(redis, {})",
    "getmetatable(_G).__index = nil",
    "getmetatable(_G).__newindex = nil",
    "cjson.encode = nil",
    "local t = {} t[1] = t return cjson.encode(t)",
    "return cjson.decode(string.rep('[', 100000))",
    "return struct.pack('i' .. string.rep('9', 30), 1)",
    "return struct.unpack('c2147483647', 'x')",
    "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
    "return cmsgpack.unpack(string.rep('\\145', 100000))",
    "return string.format('%99999d', 1)",
];

#[test]
fn endless_scripts_let_others_run_and_can_be_killed() {
    for workers in ["1", "2"] {
        let server = Program::start(&["--io-threads", workers]);
        let (mut victim, mut other) = (server.connect(), server.connect());
        for script in ENDLESS {
            victim.send(&["EVAL", script, "1", "k"]);
            // It may not have begun; once it runs, the others go on.
            while other.say("SCRIPT KILL") != "OK" {
                assert_eq!(other.say("PING"), "PONG");
            }
            let answer = victim.next_reply();
            let Ok(Value::Error(error)) = &answer else { panic!("{workers} workers, {script}: {answer:?}") };
            assert!(error.starts_with("ERR Script killed by user with SCRIPT KILL."), "{script}: {error}");
            assert_eq!(victim.say("PING"), "PONG");
        }
    }
}

#[test]
fn what_is_not_a_scripts_own_is_refused_and_stays_as_it_was() {
    let server = Program::start(&["--busy-reply-threshold", "20000", "--io-threads", "1"]);
    let mut conn = server.connect();
    for script in REFUSED {
        let answer = conn.call(&["EVAL", script, "0"]);
        assert!(matches!(answer, Value::Error(_)), "{script}: {answer:?}");
        // The next script finds everything in its place.
        let sound =
            "return cjson.encode({string.rep('x', 2), tostring(redis.call('PING').ok), type(_G), #KEYS})";
        assert_eq!(conn.call(&["EVAL", sound, "0"]).text(), r#"["xx","PONG","table",0]"#, "after {script}");
    }
    // Compiled code from outside is text like any other.
    assert!(matches!(conn.call(&[b"EVAL".as_slice(), b"\x1bLua\x00", b"0"]), Value::Error(_)));
    assert_eq!(conn.call(&["EVAL", "local f, e = loadstring('\\27Lua') return f == nil", "0"]).text(), "1");
    assert_eq!(conn.call(&["EVAL", "return loadstring(string.rep('(', 100000)) == nil", "0"]).text(), "1");
    let deep = "local t = {} for i = 1, 100000 do t = {t} end return t";
    let answer = conn.call(&["EVAL", deep, "0"]);
    assert!(format!("{answer:?}").contains("reached lua stack limit"));
}

#[test]
fn what_a_script_leaves_is_not_seen_by_the_next() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    conn.call(&["EVAL", "KEYS[1] = 'mine' ARGV.x = 1 return 1", "1", "k"]);
    assert_eq!(conn.call(&["EVAL", "return {KEYS[1], ARGV.x}", "1", "k"]).array()[0].text(), "k");
    // The same source has an environment of its own each time.
    let script = "local seen = rawget(KEYS, 2) KEYS[2] = 'x' return seen == nil";
    for _ in 0..2 {
        assert_eq!(conn.call(&["EVAL", script, "1", "k"]).text(), "1");
    }
}

#[test]
fn a_script_that_runs_elsewhere_can_be_killed() {
    let server = Program::start(&["--io-threads", "4", "--busy-reply-threshold", "60000"]);
    let mut victim = server.connect();
    victim.send(&["EVAL", "while true do end", "0"]);
    // Connections go round the workers: one of four is on the victim's, the others can tell.
    let mut others: Vec<_> = (0..3).map(|_| server.connect()).collect();
    let is_told = others.iter_mut().any(|conn| {
        let answer = std::iter::repeat_with(|| conn.run("SCRIPT KILL"));
        answer.take(1000).any(|answer| answer.text() == "OK")
    });
    assert!(is_told, "nobody could kill it");
    let Value::Error(error) = victim.reply() else { panic!("it ended by itself") };
    assert!(error.starts_with("ERR Script killed by user with SCRIPT KILL."), "{error}");
    assert_eq!(victim.say("PING"), "PONG");
}

#[test]
fn little_memory_is_no_endless_reply() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    let error = |answer: Value| match answer {
        Value::Error(error) => error,
        other => panic!("{other:?}"),
    };
    // One value many times: to the script it would be copied.
    conn.call(&["EVAL", "return redis.call('SET', KEYS[1], string.rep('x', 10000000))", "1", "big"]);
    let script =
        "local keys = {} for i = 1, 5000 do keys[i] = KEYS[1] end return #redis.call('MGET', unpack(keys))";
    assert!(
        error(conn.call(&["EVAL", script, "1", "big"])).starts_with("ERR not enough memory for the reply")
    );
    // Tables that stand in each other twice: 2^60 values, and one text a thousand times.
    let script = "local t = {1} for i = 1, 60 do t = {t, t} end return t";
    assert_eq!(error(conn.call(&["EVAL", script, "0"])), "ERR the reply of the script is too large");
    let script = "local t, s = {}, string.rep('x', 1000000) for i = 1, 1000 do t[i] = s end return t";
    assert_eq!(error(conn.call(&["EVAL", script, "0"])), "ERR the reply of the script is too large");
    // What is long and not too long comes whole.
    let script = "local t = {} for i = 1, 200000 do t['' .. i] = true end return {set = t}";
    assert_eq!(conn.call(&["EVAL", script, "0"]).array().len(), 200_000);
    let info = conn.say("INFO server");
    let process = info.lines().find_map(|line| line.strip_prefix("process_id:")).expect("a process");
    let peak = std::fs::read_to_string(format!("/proc/{process}/status")).expect("its status");
    let peak_kb: u64 = peak
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
        .expect("a peak");
    assert!(peak_kb < 1024 * 1024, "{peak_kb} kB at most");
}

#[test]
fn long_sources_are_refused_before_they_cost_much() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    let long = "(".repeat(17 * 1024 * 1024);
    assert_eq!(conn.call(&["EVAL", &long, "0"]), Value::Error("ERR script is too large".into()));
    assert_eq!(conn.call(&["SCRIPT", "LOAD", &long]), Value::Error("ERR script is too large".into()));
}

/// Scripts that go as deep as the machine lets them, each through another door.
const DEEP: &[&str] = &[
    "local function f() return pcall(f) end return f()",
    "local function f() return xpcall(f, f) end return f()",
    "local function f() return f() + 1 end return pcall(f)",
    "local mt = {} mt.__index = function(t, k) return t[k + 1] end return pcall(function() return setmetatable({}, mt)[1] end)",
    "local mt = {} mt.__concat = function(a, b) return a .. b end local t = setmetatable({}, mt) \
        return pcall(function() return t .. t end)",
    "local t = {} for i = 1, 1e5 do t = setmetatable({}, {__index = t}) end return pcall(function() return t.x end)",
    "local function r() return (string.gsub('x', 'x', r)) end return pcall(r)",
    "local function r() table.sort({1, 2}, r) end return pcall(r)",
    "local function r() return coroutine.wrap(r)() end return pcall(r)",
    "local function r() return tostring(setmetatable({}, {__tostring = r})) end return pcall(r)",
    "local mt = {} mt.__index = function(t) return redis.pcall('GET', 'k') or t.x end \
        return pcall(function() return setmetatable({}, mt).x end)",
    "return loadstring(string.rep('do ', 1e6)) == nil",
    "return loadstring('return ' .. string.rep('f(', 1e6)) == nil",
    "return loadstring('return ' .. string.rep('{', 1e6)) == nil",
    "return loadstring('return ' .. string.rep('not ', 1e6) .. '1') == nil",
    "return loadstring('return ' .. string.rep('a..', 1e5) .. 'a') == nil",
    // The compiler at the bottom of all calls that there may be.
    "local src = 'return ' .. string.rep('f(', 1e6) local n = 0 \
        local function r() n = n + 1 if n >= 100 then loadstring(src) end return (string.gsub('x', 'x', r)) end return pcall(r)",
    "local src = 'return ' .. string.rep('f(', 1e6) local n = 0 \
        local function r() n = n + 1 if n >= 190 then loadstring(src) end return (string.gsub('x', 'x', r)) end return pcall(r)",
];

#[test]
fn what_goes_deep_ends_before_its_stack_does() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    for script in DEEP {
        conn.send(&["EVAL", script, "0"]);
        let answer = conn.next_reply();
        assert!(answer.is_ok(), "{script}: {answer:?}");
        assert_eq!(conn.say("PING"), "PONG");
    }
    conn.call(&["EVAL", &"do ".repeat(1_000_000), "0"]);
    assert_eq!(conn.say("PING"), "PONG");
}

#[test]
fn what_a_memory_bomb_leaves_is_gone_for_the_next() {
    let server = Program::start(&["--io-threads", "1"]);
    let [mut conn, mut other] = std::array::from_fn(|_| server.connect());
    let bomb = "local t = {} while true do \
        local ok = pcall(function() for i = 1, 1e5 do t[#t + 1] = string.rep('x', 1e5) .. #t end end) \
        if not ok then return #t end end";
    assert!(conn.call(&["EVAL", bomb, "0"]).text().parse::<u64>().is_ok());
    assert_eq!(conn.call(&["EVAL", "return #string.rep('x', 1e6)", "0"]).text(), "1000000");
    // Long texts in long ones are found, or not, in a moment.
    let find = "return {string.find(string.rep('a', 1e7), string.rep('a', 5e6) .. 'b', 1, true) == nil, \
        (string.find(string.rep('a', 1e7) .. 'b', string.rep('a', 25) .. 'b')), ('xx' .. string.rep('y', 40)):find(string.rep('y', 20), -20)}";
    let found = conn.call(&["EVAL", find, "0"]);
    assert_eq!(found.array().iter().map(Value::text).collect::<Vec<_>>(), ["1", "9999976", "23", "42"]);
    assert_eq!(other.say("PING"), "PONG");
}
