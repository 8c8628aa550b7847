//! The proof against what scripts do: programs over the grammar of the rule and beside it, each run with a host that writes
//! down every key a command would touch. A program that was proved narrow must touch no key but those it was called with.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::functions::{FunctionVm, Library};
use super::proof::{KeyPlaces, Last, Proved, prove_library};
use super::{Call, Host, Scripts, Vm};
use crate::base::clock::Clock;
use crate::protocol::output::Output;
use crate::protocol::range::ArgRange;
use crate::protocol::reply::{Proto, Reply};

const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];
/// Of the next call of a function.
const OTHER_KEYS: [&[u8]; 3] = [b"d", b"e", b"f"];
/// What calls answer, in turn: also words that are no keys of the script's, for those that take a key from a value.
const REPLIES: [&[u8]; 6] =
    [b"$3\r\nout\r\n", b":2\r\n", b"+OK\r\n", b"*2\r\n$3\r\nout\r\n:1\r\n", b"$-1\r\n", b"-ERR no\r\n"];
/// A script that calls more often is in a loop.
const CALLS_MAX: usize = 500;

fn places(name: &[u8]) -> KeyPlaces {
    let range = |first, last, step| KeyPlaces::Range { first, last, step };
    match name.to_ascii_lowercase().as_slice() {
        b"get" | b"set" | b"incr" => range(1, Last::At(1), 1),
        b"rename" => range(1, Last::At(2), 1),
        b"del" | b"mget" => range(1, Last::FromEnd(0), 1),
        b"mset" => range(1, Last::FromEnd(0), 2),
        b"blpop" => range(1, Last::FromEnd(1), 1),
        b"zunion" => KeyPlaces::Counted { at: 1 },
        b"ping" => KeyPlaces::None,
        _ => KeyPlaces::Anywhere,
    }
}

/// The keys of a call, by its row; none where the row does not tell.
fn keys_of<'w>(words: &[&'w [u8]]) -> Option<Vec<&'w [u8]>> {
    let (first, end, step) = match places(words.first()?) {
        KeyPlaces::None => (0, 0, 1),
        KeyPlaces::Anywhere => return None,
        KeyPlaces::Range { first, last: Last::At(last), step } => (first, words.len().min(last + 1), step),
        KeyPlaces::Range { first, last: Last::FromEnd(back), step } => {
            (first, words.len().saturating_sub(back), step)
        }
        KeyPlaces::Counted { at } => {
            let count: usize = words.get(at).and_then(|word| str::from_utf8(word).ok()?.parse().ok())?;
            (at + 1, words.len().min(at + 1 + count), 1)
        }
    };
    Some(words.get(first..end).unwrap_or_default().iter().step_by(step).copied().collect())
}

/// A host that writes down what is touched.
struct Tracer {
    /// What the script is called with.
    keys: [&'static [u8]; 3],
    calls: usize,
    /// Calls that reached for anything but the script's keys.
    strays: Vec<String>,
}

impl Host for Tracer {
    fn call(&mut self, buffer: &[u8], ranges: &[ArgRange], _proto: Proto) -> &[u8] {
        let words: Vec<&[u8]> =
            ranges.iter().map(|range| &buffer[range.start..range.start + range.len]).collect();
        let is_stray = keys_of(&words).is_none_or(|keys| keys.iter().any(|key| !self.keys.contains(key)));
        if is_stray {
            self.strays.push(words.concat().escape_ascii().to_string());
        }
        self.calls += 1;
        if self.calls > CALLS_MAX {
            self.pause();
        }
        REPLIES[self.calls % REPLIES.len()]
    }

    fn log(&mut self, _level: i64, _text: &[u8]) {}

    fn may_call(&mut self, _buffer: &[u8], _words: &[ArgRange]) -> Result<bool, &'static str> {
        Ok(true)
    }

    fn pause(&mut self) -> bool {
        false
    }
}

/// Expressions where a key is expected: some are keys by the rule, others look like it.
const PLACES: [&str; 26] = [
    "KEYS[1]",
    "KEYS[2]",
    "KEYS[#KEYS]",
    "KEYS[f(1)]",
    "KEYS[ARGV[2]]",
    "KEYS[redis.call('incr', KEYS[1])]",
    "k1",
    "k2",
    "k3",
    "k4",
    "k1",
    "k2",
    "KEYS[KEYS and 1]",
    "(KEYS[1])",
    "KEYS[1] .. 'x'",
    "KEYS[1] or 'out'",
    "'out'",
    "ARGV[1]",
    "f('out')",
    "k1 and 'out'",
    "v",
    "KEYS[1]:rep(2)",
    "({'out'})[1]",
    "redis.call('get', KEYS[1])",
    "(f('out', KEYS[1]))",
    "'KEYS[1]'",
];
/// Statements that bind, change, shadow, or only seem to.
const STATEMENTS: [&str; 65] = [
    "local k1 = @",
    "local k2 = @",
    "local k1, k2 = @, @",
    "local k3, k4 = @",
    "local k3 = @ local v = k3",
    "k1 = @",
    "k2, v = @, @",
    "local c = redis.call",
    "local c, k4 = redis.pcall, @",
    "c = f",
    "local d = c",
    "local k1",
    "local v = @",
    "v = {@, @}",
    "for _, k1 in ipairs(KEYS) do # end",
    "for _, k2 in ipairs({'out'}) do # end",
    "for k3, k4 in ipairs(KEYS) do # end",
    "for k1 = 1, 2 do # end",
    "for i = 1, #KEYS do local k2 = KEYS[i] # end",
    "for _, k1 in pairs(KEYS) do # end",
    "for _, k1 in ipairs(KEYS) do k1 = 'out' # end",
    "for _, v in ipairs(KEYS) do local k2 = v # end",
    "do # end",
    "if v then # else # end",
    "if not v then # elseif v == 1 then # end",
    "repeat # until true",
    "while v do # break end",
    "local function g(k1) # end g('out')",
    "local function g(...) local k2 = ... # end g(@)",
    "(function() # end)()",
    "local g = function(k3) # end g(@)",
    "t.g = function() # end t.g()",
    "if t.h then t.h() end t.h = function() # end",
    "local function c() # end c()",
    "pcall(function() # end)",
    "KEYS[1] = 'out'",
    "KEYS = {'out', 'out', 'out'}",
    "local KEYS = {'out'} #",
    "v, KEYS[2] = 1, 'out'",
    "local t = KEYS t[1] = 'out'",
    "table.insert(KEYS, 1, 'out')",
    "table.remove(KEYS, 1)",
    "f(KEYS)[1] = 'out'",
    "t = {KEYS} t[1][1] = 'out'",
    "rawset(KEYS, 1, 'out')",
    "setmetatable(KEYS, {__index = f})",
    "local ipairs = function() return next, {'out'} end #",
    "local unpack = function() return 'out' end #",
    "local table = {unpack = function() return 'out' end} #",
    "table.unpack = f",
    "local redis = {call = f} #",
    "redis.call = f",
    "function t.f(k2) # end t.f('out')",
    "function KEYS.f() # end",
    "loadstring('KEYS[1] = \"out\"')()",
    "local r = redis r.call('get', 'out')",
    "local r = {redis} r[1].call('get', 'out')",
    "getmetatable(_G).__index.KEYS = {'out'}",
    "--[[ # ]] v = 1",
    "v = [[ # ]]",
    "v = 'local k1'",
    "local k1 = KEYS[1] -- local k1 = 'out'",
    "local a <const> = 1",
    "v = #KEYS",
    "v = `{KEYS[1]}`",
];
const CALLS: [&str; 16] = [
    "'get', @",
    "'set', @, 'out'",
    "'rename', @, @",
    "'del', @, @",
    "'mget', unpack(KEYS)",
    "'del', @, table.unpack(KEYS)",
    "'mset', @, 'out', @, @",
    "'mget', @, f(@, @)",
    "'blpop', @, 'out'",
    "'zunion', 2, @, @, 'out'",
    "'zunion', v, @",
    "'ping', @",
    "'nosuch', @",
    "v, @",
    "\"get\", @, ...",
    "[[incr]], @",
];
const FUNCTIONS: [&str; 8] =
    ["redis.call", "redis.pcall", "server.call", "redis.call", "c", "d", "redis['call']", "(redis.call)"];
/// Statements that the rule allows.
const WITHIN_STATEMENTS: [&str; 16] = [
    "local v = @",
    "v = {@, @}",
    "for i = 1, #KEYS do local v = KEYS[i] # end",
    "do # end",
    "if v then # else # end",
    "v = @",
    "if not v then # elseif v == 1 then # end",
    "repeat # until true",
    "for i = 1, 2 do # break end",
    "(function() # end)()",
    "local g = function(...) # end g(@)",
    "local function g(...) # end g(@)",
    "t.g = function() # end t.g()",
    "v = [[ # ]]",
    "--[[ # ]] v = 1",
    "for _, v in ipairs(KEYS) do # end",
];
/// What is put somewhere into a program.
const BITS: [&str; 24] = [
    "KEYS", "redis", "k1", "k2", "'out'", "=", ",", "local", "end", "do", "(", ")", "[1]", ".call", "c",
    "--", "\n", "and", "or", "..", ";", "function", "return", "#",
];

/// What a program is made of.
#[derive(Clone, Copy, Debug)]
struct Parts {
    places: &'static [&'static str],
    statements: &'static [&'static str],
    calls: &'static [&'static str],
    functions: &'static [&'static str],
}

/// What the rule allows, where each name is bound once.
const WITHIN: Parts = Parts {
    places: PLACES.split_at(10).0,
    statements: &WITHIN_STATEMENTS,
    calls: CALLS.split_at(9).0,
    functions: FUNCTIONS.split_at(4).0,
};
const NEAR: Parts = Parts { statements: &STATEMENTS, ..WITHIN };
const BESIDE: Parts =
    Parts { places: &PLACES, statements: &STATEMENTS, calls: &CALLS, functions: &FUNCTIONS };

/// A form with its places filled in.
fn fill(form: &str, places: &[&str]) -> String {
    places.iter().fold(form.to_owned(), |text, place| text.replacen('@', place, 1)).replace('@', "KEYS[1]")
}

fn statement(parts: Parts, depth: u32) -> BoxedStrategy<String> {
    let places = move || prop::collection::vec(prop::sample::select(parts.places), 4);
    let call = (prop::sample::select(parts.functions), prop::sample::select(parts.calls), places())
        .prop_map(|(function, words, places)| format!("v = {function}({})", fill(words, &places)));
    if depth == 0 {
        return call.boxed();
    }
    let other = (prop::sample::select(parts.statements), places(), block(parts, depth - 1))
        .prop_map(|(form, places, block)| fill(form, &places).replacen('#', &block, 1).replace("# ", ""));
    prop_oneof![2 => call, 3 => other].boxed()
}

fn block(parts: Parts, depth: u32) -> BoxedStrategy<String> {
    prop::collection::vec(statement(parts, depth), 1..4).prop_map(|statements| statements.join("\n")).boxed()
}

/// A program: what its statements lean on, the statements, and perhaps something that does not belong there.
fn program() -> impl Strategy<Value = String> {
    const HEADS: [&str; 4] = [
        "local k1, k2, k3, k4 = KEYS[1], KEYS[2], KEYS[3], KEYS[1]\nlocal c, d = redis.call, redis.pcall",
        "local k1, k2 = KEYS[1], KEYS[2]",
        "local c = redis.call",
        "",
    ];
    let many = |parts, size| prop::collection::vec(statement(parts, 2), size);
    // Most have one statement that is not like the others: what it does to their names must be seen.
    let near = (many(WITHIN, 0..3), prop::collection::vec(statement(NEAR, 1), 1), many(WITHIN, 1..4));
    let near = near.prop_map(|(before, odd, after)| [before, odd, after].concat());
    let body = prop_oneof![3 => near, 1 => many(WITHIN, 1..6), 1 => many(BESIDE, 1..6)];
    let stray = prop::option::weighted(
        0.2,
        (any::<prop::sample::Index>(), prop::sample::select(&BITS[..]), 0..3usize),
    );
    (prop::sample::select(&HEADS[..]), body, stray).prop_map(|(head, body, stray)| {
        let text =
            format!("local v, t, f = nil, {{}}, function(...) return ... end\n{head}\n{}", body.join("\n"));
        let Some((at, bit, drop)) = stray else { return text };
        let mut words: Vec<&str> = text.split_inclusive([' ', '\n', '(', ')', ',', '.']).collect();
        let at = at.index(words.len());
        words.splice(at..words.len().min(at + drop), [bit, " "]);
        words.concat()
    })
}

/// What the tracers of one program saw, and whether it was proved narrow.
struct Judged {
    is_narrow: bool,
    tracers: Vec<Tracer>,
}

/// Runs many programs: those that are narrow must not stray.
fn narrow_ones_touch_their_keys_alone(mut run: impl FnMut(&str) -> Option<Judged>) {
    /// Time after which as many as are asked for suffice.
    const TIME_MAX: Duration = Duration::from_secs(10);
    let (narrow, wide_strays, calls) = (Cell::new(0), Cell::new(0), Cell::new(0));
    // With fewer the test has nothing to say: programs of both kinds run, and those beside the rule do reach for other keys.
    let suffice = || narrow.get() > 300 && calls.get() > 300 && wide_strays.get() > 100;
    let (begun, run) = (Instant::now(), RefCell::new(&mut run));
    let mut runner = TestRunner::new(Config {
        cases: 6_000,
        max_shrink_time: 10_000,
        failure_persistence: None,
        ..Config::default()
    });
    let judged = runner.run(&program(), |text| {
        if begun.elapsed() > TIME_MAX && suffice() {
            return Ok(());
        }
        let Some(Judged { is_narrow, tracers }) = (run.borrow_mut())(&text) else { return Ok(()) };
        let strays: Vec<_> = tracers.iter().flat_map(|tracer| &tracer.strays).collect();
        if is_narrow {
            narrow.set(narrow.get() + 1);
            calls.set(calls.get() + tracers.iter().map(|tracer| tracer.calls).sum::<usize>());
            prop_assert!(strays.is_empty(), "{strays:?}");
        } else {
            wide_strays.set(wide_strays.get() + usize::from(!strays.is_empty()));
        }
        Ok(())
    });
    if let Err(failure) = judged {
        panic!("{failure}");
    }
    assert!(suffice(), "{narrow:?} {calls:?} {wide_strays:?}");
}

#[test]
fn narrow_programs_touch_their_keys_alone() {
    let scripts = Scripts::default();
    let machine = || Vm::new(Clock::system(), "7.2.4", 64 << 20).expect("a machine");
    let mut vm = machine();
    narrow_ones_touch_their_keys_alone(|text| {
        let source = scripts.add(text.as_bytes(), false, 0, &places).expect("a short source");
        if vm.is_spoilt() {
            vm = machine();
        }
        let mut tracer = Tracer { keys: KEYS, calls: 0, strays: Vec::new() };
        let mut returned = Output::default();
        let call = Call { keys: &KEYS, argv: &[b"out", b"2"] };
        let _run = vm.run(&source, call, &mut tracer, &mut Reply::new(&mut returned, Proto::Resp2));
        Some(Judged { is_narrow: source.proved.is_narrow(), tracers: vec![tracer] })
    });
}

#[test]
fn narrow_functions_touch_the_keys_of_their_call_alone() {
    let machine = || FunctionVm::new(Clock::system(), "7.2.4", 64 << 20).expect("a machine");
    let mut vm = machine();
    narrow_ones_touch_their_keys_alone(|program| {
        // What outlives a call lies in the library's own variables.
        let (head, body) = program.split_once('\n')?;
        let text = format!(
            "#!lua name=lib\n{head}\nredis.register_function('fun', function(KEYS, ARGV)\n{body}\nend)"
        );
        if vm.is_spoilt() {
            vm = machine();
        }
        let tracer = |keys| Tracer { keys, calls: 0, strays: Vec::new() };
        let functions = vm.register(text.as_bytes(), &mut tracer(KEYS)).ok()?;
        let proved = Proved::by(prove_library, text.as_bytes(), &places);
        let library =
            Arc::new(Library { name: "lib".to_owned(), text: text.into_bytes().into(), functions, proved });
        vm.load(&library, &mut tracer(KEYS)).ok()?;
        let tracers = [KEYS, OTHER_KEYS].map(|keys| {
            let (mut tracer, mut returned) = (tracer(keys), Output::default());
            let call = Call { keys: &keys, argv: &[b"out", b"2"] };
            let mut reply = Reply::new(&mut returned, Proto::Resp2);
            let _run = vm.run((&library, 0), call, &mut tracer, &mut reply);
            tracer
        });
        Some(Judged { is_narrow: library.proved.is_narrow(), tracers: tracers.into() })
    });
}
