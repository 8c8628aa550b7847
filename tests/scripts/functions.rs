//! Functions on several workers: what one connection loads all may call, changes are whole, and DUMP and RESTORE meet
//! redis-server.

use std::process::{Child, Command, Stdio};
use std::thread;

use crate::info_number;
use crate::program::Program;
use crate::support::{Conn, TestServer, Value, wait_until};

fn start() -> TestServer {
    TestServer::start_with(|settings| settings.io_threads = 4)
}

/// A library with one function, which returns a text.
fn library(name: &str, function: &str, text: &str) -> String {
    library_of(name, function, &format!("function() return '{text}' end"))
}

/// A library with one function.
fn library_of(name: &str, function: &str, callback: &str) -> String {
    format!("#!lua name={name}\nredis.register_function('{function}', {callback})")
}

#[track_caller]
fn load(conn: &mut Conn, library: &str) {
    let answer = conn.call(&["FUNCTION", "LOAD", "REPLACE", library]);
    assert!(matches!(answer, Value::Bulk(_)), "{answer:?}");
}

#[test]
fn a_library_loaded_on_one_worker_is_seen_on_all() {
    let server = start();
    let mut conns: [Conn; 8] = server.connect_many();
    load(&mut conns[0], &library("lib", "f", "one"));
    conns.iter_mut().for_each(|conn| assert_eq!(conn.say("FCALL f 0"), "one"));
    load(&mut conns[1], &library("lib", "f", "two"));
    conns.iter_mut().for_each(|conn| assert_eq!(conn.say("FCALL F 0"), "two"));
    assert_eq!(info_number(&mut conns[2], "number_of_functions"), 1);
    assert_eq!(info_number(&mut conns[2], "number_of_libraries"), 1);
    assert!(info_number(&mut conns[2], "used_memory_vm_functions") > 0);
    assert!(info_number(&mut conns[2], "used_memory_functions") > 0);
    assert_eq!(conns[3].say("FUNCTION FLUSH"), "OK");
    conns.iter_mut().for_each(|conn| assert_eq!(conn.error("FCALL f 0"), "ERR Function not found"));
    assert_eq!(info_number(&mut conns[2], "used_memory_functions"), 0);
    let bytes = info_number(&mut conns[2], "used_memory_vm_functions");
    (0..4).for_each(|at| assert_eq!(conns[at].say("FUNCTION FLUSH SYNC"), "OK"));
    assert!(
        info_number(&mut conns[2], "used_memory_vm_functions") < bytes,
        "machines go with their libraries"
    );
    // A library of the same name is another one.
    load(&mut conns[4], &library("lib", "g", "three"));
    conns.iter_mut().for_each(|conn| assert_eq!(conn.say("FCALL g 0"), "three"));
}

#[test]
fn replacing_while_others_call_shows_them_one_whole_library_or_the_other() {
    let server = start();
    let addr = server.addr();
    // Both functions of a library say the same.
    let of = |text: &str| {
        format!("{}\nredis.register_function('g', function() return '{text}' end)", library("lib", "f", text))
    };
    load(&mut server.connect(), &of("0"));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(move || {
                let (mut conn, mut last) = (Conn::open(addr), 0);
                while last < 50 {
                    let now = conn.say("FCALL f 0").parse().expect("a number");
                    assert!(now >= last, "{now} after {last}");
                    let other: u32 = conn.say("FCALL g 0").parse().expect("a number");
                    assert!(other >= now, "{other} after {now}");
                    last = other;
                }
            })
        })
        .collect();
    let mut conn = server.connect();
    (1..=50).for_each(|number: u32| load(&mut conn, &of(&number.to_string())));
    callers.into_iter().for_each(|caller| caller.join().expect("it saw what it should"));
}

#[test]
fn functions_count_right_on_keys_that_they_did_not_declare() {
    let server = start();
    let addr = server.addr();
    let text = "#!lua name=lib
        redis.register_function('add', function(keys, args)
            for _, name in ipairs(args) do
                redis.call('SET', 'k' .. name, (tonumber(redis.call('GET', 'k' .. name)) or 0) + 1)
            end
        end)";
    load(&mut server.connect(), text);
    let threads: Vec<_> = (0..4)
        .map(|number| {
            thread::spawn(move || {
                let mut conn = Conn::open(addr);
                for round in 0..100 {
                    let names = [number + round, number + round + 3].map(|name| (name % 5).to_string());
                    if round % 4 == 0 {
                        assert_eq!(conn.say("MULTI"), "OK");
                        conn.call(&["FCALL", "add", "0", &names[0], &names[1]]);
                        assert!(matches!(conn.run("EXEC"), Value::Array(_)));
                    } else {
                        assert!(matches!(
                            conn.call(&["FCALL", "add", "0", &names[0], &names[1]]),
                            Value::Nil
                        ));
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("a thread's own checks"));
    let mut conn = server.connect();
    let sum: u64 =
        (0..5).map(|name| conn.say(&format!("GET k{name}")).parse::<u64>().expect("a number")).sum();
    assert_eq!(sum, 4 * 100 * 2);
    assert_eq!(info_number(&mut conn, "script_demotions"), 0);
}

#[test]
fn functions_run_side_by_side_where_their_keys_are_all_they_can_touch() {
    let server = start();
    let mut conn = server.connect();
    load(&mut conn, &library_of("lib", "near", "function(keys) return redis.call('INCR', keys[1]) end"));
    load(
        &mut conn,
        &library_of("other", "far", "function(keys, args) return redis.call('INCR', args[1]) end"),
    );
    let mut counted = |function: &str| {
        conn.call(&["FCALL", function, "1", "a", "b"]);
        (info_number(&mut conn, "scripts_narrow"), info_number(&mut conn, "scripts_wide"))
    };
    assert_eq!([counted("near"), counted("far"), counted("near")], [(1, 0), (1, 1), (2, 1)]);
}

#[test]
fn a_transaction_loads_and_calls() {
    let server = start();
    let mut conn = server.connect();
    assert_eq!(conn.say("MULTI"), "OK");
    conn.call(&["FUNCTION", "LOAD", &library("lib", "f", "one")]);
    conn.run("FCALL f 0");
    conn.run("FUNCTION FLUSH");
    conn.run("FCALL f 0");
    let Value::Array(replies) = conn.run("EXEC") else { panic!("no replies") };
    assert_eq!(
        (replies[0].text(), replies[1].text(), replies[2].text()),
        ("lib".into(), "one".into(), "OK".into())
    );
    assert_eq!(replies[3], Value::Error("ERR Function not found".into()));
}

/// What those are told that need what a function keeps, and who would end it as a script.
const BUSY: &str = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";

#[test]
fn endless_libraries_are_not_loaded() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    load(&mut conn, &library("lib", "f", "fine"));
    for code in ["while true do end", "local function f() while true do end end f()"] {
        let answer = conn.call(&["FUNCTION", "LOAD", &format!("#!lua name=other\n{code}")]);
        let told = "ERR Error registering functions: ERR FUNCTION LOAD timeout";
        assert_eq!(answer, Value::Error(told.into()), "{code}");
        assert_eq!(info_number(&mut conn, "number_of_libraries"), 1);
        assert_eq!(conn.say("FCALL f 0"), "fine");
    }
}

#[test]
fn an_endless_function_lets_others_run_is_shown_and_can_be_killed() {
    for workers in ["1", "4"] {
        let server = Program::start(&["--io-threads", workers, "--busy-reply-threshold", "100"]);
        let (mut victim, mut other) = (server.connect(), server.connect());
        for body in ["while true do end", "while true do pcall(function() while true do end end) end"] {
            load(
                &mut victim,
                &format!("#!lua name=lib\nredis.register_function('long', function() {body} end)"),
            );
            assert_eq!(other.error("FUNCTION KILL"), "NOTBUSY No scripts in execution right now.");
            assert!(matches!(other.run("FUNCTION STATS").array()[1], Value::Nil));
            victim.send(&["FCALL", "long", "1", "k", "a b"]);
            let mut shown = Value::Nil;
            wait_until("the function is shown", || {
                shown = other.run("FUNCTION STATS").array()[1].clone();
                !matches!(shown, Value::Nil)
            });
            let shown = shown.array();
            assert_eq!((shown[0].text(), shown[1].text()), ("name".to_owned(), "long".to_owned()));
            let words: Vec<String> = shown[3].array().iter().map(Value::text).collect();
            assert_eq!(words, ["FCALL", "long", "1", "k", "a b"]);
            assert_eq!(other.say("PING"), "PONG");
            // A key or two of them may lie in the same shard.
            let is_served = |at| other.run(&format!("GET other{at}")) == Value::Nil;
            assert!((0..20).any(is_served));
            // What it keeps is waited for, and refused once it has had its time.
            assert_eq!(other.error("GET k"), BUSY);
            assert_eq!(other.error("FCALL long 1 k"), BUSY);
            assert_eq!(other.error("SCRIPT KILL"), BUSY);
            assert_eq!(other.say("FUNCTION KILL"), "OK");
            let Value::Error(error) = victim.reply() else { panic!("it ended by itself") };
            let told = "ERR Script killed by user with SCRIPT KILL... script: long, on @user_function:-1.";
            assert_eq!(error, told);
            assert!(matches!(other.run("FUNCTION STATS").array()[1], Value::Nil));
            assert!(matches!(other.run("GET k"), Value::Nil));
            // The worker's machine is a new one.
            load(&mut victim, &library("lib", "long", "fine"));
            assert_eq!(victim.say("FCALL long 0"), "fine");
        }
    }
}

#[test]
fn each_part_of_a_transaction_is_killed_as_what_it_is() {
    let server = Program::start(&["--io-threads", "1", "--busy-reply-threshold", "1"]);
    let (mut victim, mut other) = (server.connect(), server.connect());
    load(&mut victim, "#!lua name=lib\nredis.register_function('long', function() while true do end end)");
    assert_eq!(victim.say("MULTI"), "OK");
    victim.call(&["EVAL", "while true do end", "1", "k"]);
    victim.run("FCALL long 1 k");
    victim.send(&["EXEC"]);
    let script = BUSY.replace("FUNCTION", "SCRIPT");
    wait_until("the script runs", || other.run("GET k") == Value::Error(script.clone()));
    assert_eq!(other.error("FUNCTION KILL"), script);
    assert_eq!(other.say("SCRIPT KILL"), "OK");
    wait_until("the function runs", || other.run("GET k") == Value::Error(BUSY.into()));
    assert_eq!(other.call(&["EVAL", "return 1", "0"]), Value::Error(BUSY.into()));
    assert_eq!(other.error("SCRIPT KILL"), BUSY);
    assert_eq!(other.say("FUNCTION KILL"), "OK");
    let Value::Array(replies) = victim.reply() else { panic!("no replies") };
    for (reply, place) in
        replies.iter().zip([", on @user_script:-1.", " script: long, on @user_function:-1."])
    {
        assert!(matches!(reply, Value::Error(error) if error.ends_with(place)), "{reply:?}");
    }
}

#[test]
fn what_a_function_leaves_in_its_library_is_not_seen_by_others() {
    let server = TestServer::start_with(|settings| settings.io_threads = 1);
    let mut conn = server.connect();
    for body in [
        "redis.call = nil",
        "string.rep = nil",
        "rawset(_G, 'x', 1)",
        "setmetatable(_G, {})",
        "getmetatable(_G).__index = nil",
        "getmetatable('').__index = nil",
        "return getfenv(1)",
        "return require('os')",
        "return io.open('/etc/passwd')",
    ] {
        load(&mut conn, &format!("#!lua name=lib\nredis.register_function('f', function() {body} end)"));
        assert!(conn.error("FCALL f 0").starts_with("ERR "), "{body}");
    }
    load(&mut conn, "#!lua name=lib\nredis.register_function('f', function() return redis.call('PING') end)");
    assert_eq!(conn.say("FCALL f 0"), "PONG");
    assert_eq!(conn.call(&["EVAL", "return redis.call('PING')", "0"]).text(), "PONG");
}

#[test]
fn libraries_that_want_more_than_there_is_are_refused_and_the_server_lives_on() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    let mut refused = |code: &str, told: &str| {
        let answer = conn.call(&["FUNCTION", "LOAD", "REPLACE", &format!("#!lua name=lib\n{code}")]);
        let Value::Error(error) = &answer else { panic!("{code}: {answer:?}") };
        assert!(error.contains(told), "{code}: {error}");
        assert_eq!(info_number(&mut conn, "number_of_libraries"), 0);
    };
    // In few steps: a slow machine may have no time for many.
    refused("local t = {('x'):rep(100000000), ('y'):rep(100000000)}", "not enough memory");
    refused("local s = 'x' while true do s = s .. s end", "not enough memory");
    // A short text that would say 10 GB of its functions, in one string of the machine.
    let long = "local n, text = 0, ('x'):rep(1000000) while n < 10000 do n += 1
        redis.register_function{function_name = 'f' .. n, callback = function() end, description = text}
        end";
    refused(long, "the libraries are too large");
    refused("local function f() return f() + 1 end f()", "stack overflow");
    refused(&"(".repeat(100_000), "Error compiling function");
    refused(&" ".repeat(17 * 1024 * 1024), "script is too large");
    refused("redis.register_function('f', coroutine)", "nonexistent global variable 'coroutine'");
    load(&mut conn, &library("lib", "f", "fine"));
    assert_eq!(conn.say("FCALL f 0"), "fine");
    assert!(server.peak_resident_bytes() < 1 << 30, "{} B at most", server.peak_resident_bytes());
}

#[test]
fn a_function_that_has_written_cannot_be_killed() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut victim = server.connect();
    let text = "#!lua name=lib\nredis.register_function('long', function(keys)
        redis.call('SET', keys[1], 'v') while true do end end)";
    load(&mut victim, text);
    let mut other = server.connect();
    victim.send(&["FCALL", "long", "1", "k"]);
    wait_until("it has written", || match other.run("FUNCTION KILL") {
        Value::Error(error) => error.starts_with("UNKILLABLE "),
        // Too early: it had begun and not written yet.
        _ => {
            victim.reply();
            victim.send(&["FCALL", "long", "1", "k"]);
            false
        }
    });
}

#[test]
fn payloads_go_from_here_to_here_whole_or_not_at_all() {
    let server = start();
    let mut conn = server.connect();
    let long = format!("{}\n-- {}", library("long", "l", "long"), "x".repeat(100_000));
    load(&mut conn, &library("lib", "f", "one"));
    load(&mut conn, &long);
    let Value::Bulk(payload) = conn.run("FUNCTION DUMP") else { panic!("no payload") };
    assert_eq!(conn.say("FUNCTION DELETE lib"), "OK");
    // The other one is still there.
    let restore: &[&[u8]] = &[b"FUNCTION", b"RESTORE", &payload];
    assert_eq!(conn.call(restore), Value::Error("ERR Library long already exists".into()));
    assert_eq!(conn.error("FCALL f 0"), "ERR Function not found");
    assert_eq!(conn.call(&[b"FUNCTION".as_slice(), b"RESTORE", &payload, b"REPLACE"]).text(), "OK");
    assert_eq!((conn.say("FCALL f 0"), conn.say("FCALL l 0")), ("one".to_owned(), "long".to_owned()));
}

/// Debian's redis-server on a port of its own, for as long as this lives.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        // Nothing to kill and nothing to wait for when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn payloads_of_redis_server_are_understood_and_ours_by_it() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let addr = port.expect("a free port");
    let started = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--dir", "/tmp", "--dbfilename", "x.none", "--port"])
        .arg(addr.port().to_string())
        .stdout(Stdio::null())
        .spawn();
    let Ok(child) = started else {
        println!("skipped: there is no redis-server");
        return;
    };
    let _redis = Redis(child);
    wait_until("redis-server listens", || std::net::TcpStream::connect(addr).is_ok());
    let (server, mut theirs) = (start(), Conn::open(addr));
    let mut ours = server.connect();
    // Long enough to be packed, and full of what repeats.
    let text = format!("{}\n{}", library("lib", "f", "one"), "-- again and again\n".repeat(1000));
    load(&mut theirs, &text);
    load(&mut theirs, &library("small", "g", "two"));
    let Value::Bulk(payload) = theirs.run("FUNCTION DUMP") else { panic!("no payload") };
    assert!(payload.len() < text.len() / 10, "it is packed");
    assert_eq!(ours.call(&[b"FUNCTION".as_slice(), b"RESTORE", &payload]).text(), "OK");
    assert_eq!((ours.say("FCALL f 0"), ours.say("FCALL g 0")), ("one".to_owned(), "two".to_owned()));
    assert_eq!(ours.run("FUNCTION LIST LIBRARYNAME lib WITHCODE").array()[0].array()[7].text(), text);
    // What it sends back to us it would take itself, but for the version of the format: 7.0 knows 10 at most.
    let Value::Bulk(payload) = ours.run("FUNCTION DUMP") else { panic!("no payload") };
    let body = &payload[..payload.len() - 10];
    let sealed = [body, &10_u16.to_le_bytes()].concat();
    let checksum = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&sealed);
    let as_older = [&sealed[..], &checksum.to_le_bytes()].concat();
    assert_eq!(theirs.call(&[b"FUNCTION".as_slice(), b"RESTORE", &as_older, b"FLUSH"]).text(), "OK");
    assert_eq!((theirs.say("FCALL f 0"), theirs.say("FCALL g 0")), ("one".to_owned(), "two".to_owned()));
}
