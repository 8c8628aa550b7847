//! CONFIG GET, SET and REWRITE, files and flags, compared with a real redis-server.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use onefill::config::{Launch, MEANINGLESS, REFUSED, Settings, find, get, launch_from, rewrite, set_many};

/// A redis-server on a Unix socket of its own.
struct Redis {
    process: Child,
    folder: PathBuf,
    stream: BufReader<UnixStream>,
    _log: BufReader<ChildStdout>,
}

impl Redis {
    /// Starts it with `conf` as its file and `flags` after it; `None` if it refuses to start.
    fn start(conf: &str, flags: &[&str]) -> Option<Redis> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name =
            format!("onefill-reference-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("redis.conf"), conf).unwrap();
        // What the comparison needs stands on standard input: after the file, before the flags.
        let mut process = Command::new("redis-server")
            .current_dir(&folder)
            .arg("redis.conf")
            .args(flags)
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is needed: apt-get install redis-server");
        process.stdin.take().unwrap().write_all(b"port 0\nunixsocket s.sock\n").unwrap();
        let mut log = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("eady to accept connections") {
            line.clear();
            if log.read_line(&mut line).unwrap() == 0 {
                assert!(!process.wait().unwrap().success());
                fs::remove_dir_all(&folder).unwrap();
                return None;
            }
        }
        let stream = UnixStream::connect(folder.join("s.sock")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Some(Redis { process, folder, stream: BufReader::new(stream), _log: log })
    }

    /// Sends a command and returns its reply: one text for a line, several for an array.
    fn call(&mut self, args: &[&str]) -> Vec<String> {
        let mut request = format!("*{}\r\n", args.len());
        for arg in args {
            request.push_str(&format!("${}\r\n{arg}\r\n", arg.len()));
        }
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let head = self.line();
        let Some(count) = head.strip_prefix('*') else { return vec![head] };
        (0..count.parse::<usize>().unwrap()).map(|_| self.bulk()).collect()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn bulk(&mut self) -> String {
        let length: usize = self.line().strip_prefix('$').unwrap().parse().unwrap();
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What our CONFIG SET would reply.
fn our_set(settings: &mut Settings, pairs: &[&str]) -> String {
    let pairs: Vec<_> = pairs.chunks(2).map(|pair| (pair[0].as_bytes(), pair[1].as_bytes())).collect();
    match set_many(settings, &pairs) {
        Ok(changed) => {
            *settings = changed;
            "+OK".to_owned()
        }
        Err(error) => format!("-ERR {error}"),
    }
}

fn our_get(settings: &Settings, name: &str) -> Vec<String> {
    let shown = get(settings, &[name.as_bytes()]);
    shown
        .into_iter()
        .flat_map(|(name, value)| [name.to_vec(), value])
        .map(|text| String::from_utf8(text).unwrap())
        .collect()
}

#[test]
fn every_setting_of_the_reference_is_known() {
    let mut redis = Redis::start("", &[]).unwrap();
    let shown = redis.call(&["CONFIG", "GET", "*"]);
    assert!(shown.len() > 200, "{shown:?}");
    for name in shown.iter().step_by(2) {
        let listed = MEANINGLESS.iter().chain(REFUSED).any(|(row, _)| row == name);
        assert!(find(name.as_bytes()).is_some() || listed, "{name} is in no table");
    }
}

#[test]
fn defaults_are_those_of_the_reference() {
    // Deliberately different: addresses (this machine only), threads (all cores), time to stop, snapshots, what
    // makes room (a cache's own policy).
    let ours = ["maxmemory-policy", "bind", "io-threads", "shutdown-timeout", "save", "port", "unixsocket"];
    let mut redis = Redis::start("", &[]).unwrap();
    let mut compared = 0;
    for pair in redis.call(&["CONFIG", "GET", "*"]).chunks(2) {
        let Some(setting) = find(pair[0].as_bytes()).filter(|setting| !ours.contains(&setting.name)) else {
            continue;
        };
        assert_eq!(setting.default, pair[1], "{}", setting.name);
        compared += 1;
    }
    assert!(compared >= 18, "only {compared} settings compared");
}

#[test]
fn config_set_and_get_reply_as_the_reference() {
    #[rustfmt::skip]
    let cases: &[&[&str]] = &[
        &["timeout", "5"], &["TimeOut", "6"], &["timeout", "-1"], &["timeout", "2147483648"], &["timeout", "05"],
        &["timeout", ""], &["timeout", " 5"], &["timeout", "abc"], &["timeout", "99999999999999999999"],
        &["tcp-keepalive", "0"], &["tcp-keepalive", "x"], &["maxclients", "0"], &["maxclients", "-1"],
        &["maxclients", "4294967296"], &["maxmemory", "100mb"], &["maxmemory", "1GB"], &["maxmemory", "1k"],
        &["maxmemory", "5b"], &["maxmemory", "-1"], &["maxmemory", "1.5gb"], &["maxmemory", "1 gb"],
        &["maxmemory", "10tb"], &["maxmemory", "18446744073709551615"], &["maxmemory", "0"],
        &["maxmemory-policy", "ALLKEYS-LRU"], &["maxmemory-samples", "0"],
        &["maxmemory-samples", "10"], &["loglevel", "Debug"], &["loglevel", "loud"], &["loglevel", ""],
        &["protected-mode", "NO"], &["protected-mode", "maybe"], &["protected-mode", "1"],
        &["proto-max-bulk-len", "1"], &["proto-max-bulk-len", "2mb"], &["proto-max-bulk-len", "9223372036854775808"],
        &["client-query-buffer-limit", "1mb"], &["client-query-buffer-limit", "1023kb"],
        &["client-output-buffer-limit", "normal 1mb 512kb 3"], &["client-output-buffer-limit", "replica 1 2 3 pubsub 4 5 6"],
        &["client-output-buffer-limit", "SLAVE 9 8 7"], &["client-output-buffer-limit", "normal 1 2"],
        &["client-output-buffer-limit", "normal  1 2 3"], &["client-output-buffer-limit", "master 1 2 3"],
        &["client-output-buffer-limit", "normal 1 2 x"], &["client-output-buffer-limit", "normal 1x 2 3"],
        &["client-output-buffer-limit", "normal 1 2 -3"], &["client-output-buffer-limit", ""],
        &["shutdown-timeout", "7"], &["shutdown-timeout", "-7"], &["save", ""], &["save", "abc"], &["save", "1"],
        &["save", "0 1"], &["appendonly", "no"], &["appendonly", "maybe"], &["appendonly", ""],
        &["notify-keyspace-events", ""], &["notify-keyspace-events", "K!"],
        &["notify-keyspace-events", "KEA"], &["notify-keyspace-events", "mxg$KEn"], &["notify-keyspace-events", "dtezhslxg$m"],
        &["notify-keyspace-events", "Am"],
        &["databases", "3"], &["DATABASES", "x"], &["tcp-backlog", "1"], &["unixsocket", "/x"], &["unixsocketperm", "700"],
        &["logfile", "/x"], &["enable-debug-command", "yes"], &["io-threads", "2"], &["aclfile", "x"],
        &["nosuch", "1"], &["", ""], &["timeout", "1", "timeout", "2"], &["timeout", "1", "TIMEOUT", "2"],
        &["timeout", "3", "maxmemory", "bad"], &["timeout", "3", "nosuch", "4"], &["nosuch", "4", "databases", "3"],
        &["databases", "3", "nosuch", "4"], &["timeout", "x", "maxmemory", "bad"], &["timeout", "8", "maxmemory", "9mb"],
        &["timeout", "1", "timeout", "2", "databases", "3"], &["no\nsuch", "1"],
        &["requirepass", "se cret"], &["requirepass", ""],
    ];
    let mut redis = Redis::start("shutdown-timeout 5\nsave \"\"\n", &[]).unwrap();
    let mut settings = Settings::default();
    for case in cases {
        let mut request = vec!["CONFIG", "SET"];
        request.extend(*case);
        let expected = redis.call(&request);
        assert_eq!([our_set(&mut settings, case)], expected[..], "CONFIG SET {case:?}");
        for name in case.iter().step_by(2).filter(|name| **name != "unixsocket") {
            if find(name.as_bytes()).is_some_and(|setting| setting.live) {
                assert_eq!(
                    our_get(&settings, name),
                    redis.call(&["CONFIG", "GET", name]),
                    "after CONFIG SET {case:?}"
                );
            }
        }
    }
}

#[test]
fn config_get_of_names_and_globs_shows_the_same_names() {
    let mut redis = Redis::start("", &[]).unwrap();
    for patterns in [
        &["maxmemory"][..],
        &["MaxMemory"],
        &["MaxMemory", "maxmemory"],
        &["maxmemory-[ps]*", "maxmemory"],
        &["tcp-?eepalive"],
        &["client-*-limit", "CLIENT-Q*"],
        &["nosuch", "*nosuch*", ""],
        &["proto\\-max-bulk-len"],
        &["proto\\-max*"],
    ] {
        let mut request = vec!["CONFIG", "GET"];
        request.extend(patterns);
        let mut expected: Vec<_> = redis.call(&request).chunks(2).map(|pair| pair[0].clone()).collect();
        expected.sort();
        let bytes: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let shown = get(&Settings::default(), &bytes);
        let mut names: Vec<_> =
            shown.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        names.sort();
        assert_eq!(names, expected, "{patterns:?}");
    }
}

#[test]
fn files_and_flags_mean_the_same_as_to_the_reference() {
    #[rustfmt::skip]
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        ("# comment\n\n \t TIMEOUT\t5 \r\n#timeout 6\n", &[]),
        ("timeout 5\ntimeout 6\n", &["--timeout", "7", "--timeout", "8"]),
        ("maxmemory 2gb\nloglevel VERBOSE\nmaxmemory-policy \"allkeys-lfu\"\n", &[]),
        ("requirepass \"a\\x41\\n\\\"b\"\n", &[]),
        ("requirepass 'it\\'s'\n", &[]),
        ("requirepass ab\"cd\"\n", &[]),
        ("requirepass \"ab\"cd\n", &[]),
        ("requirepass \"ab\n", &[]),
        ("requirepass a b\n", &[]),
        ("requirepass \"\"\n", &[]),
        ("requirepass\n", &[]),
        ("bind 127.0.0.1 -::1\n", &[]),
        ("bind \"127.0.0.1 -::1\"\n", &[]),
        ("client-output-buffer-limit pubsub 1mb 1kb 5\nclient-output-buffer-limit normal 1 2 3\n", &[]),
        ("client-output-buffer-limit\n", &[]),
        ("client-output-buffer-limit normal 1 2\n", &[]),
        ("unixsocketperm 700\n", &[]),
        ("unixsocketperm 1777\n", &[]),
        ("unixsocketperm 8\n", &[]),
        ("databases 0\n", &[]),
        ("timeout 1 2\n", &[]),
        ("timeout\n", &[]),
        ("timeout x\n", &[]),
        ("nosuch 1\n", &[]),
        ("include none*.conf\ntimeout 3\n", &[]),
        ("include none.conf\n", &[]),
        ("include\n", &[]),
        ("save\n", &[]),
        ("save ''\n", &[]),
        ("save 1\n", &[]),
        ("", &["--save", "--timeout", "4"]),
        ("", &["--timeout", "4", "--save", ""]),
        ("", &["--timeout 9", "--maxclients", "77"]),
        ("", &["--timeout=9"]),
        ("", &["--requirepass", "--x", "--timeout", "3"]),
        ("", &["--requirepass", "a b\"c\n"]),
        ("", &["--client-output-buffer-limit", "normal", "1", "2", "3", "slave", "4", "5", "6"]),
        ("", &["--client-output-buffer-limit", "normal 1 2 3"]),
        ("", &["--timeout", "--maxclients", "5"]),
        ("", &["--nosuch", "1"]),
        ("", &["-x"]),
    ];
    let compared = [
        "timeout",
        "maxmemory",
        "loglevel",
        "requirepass",
        "bind",
        "maxclients",
        "databases",
        "client-output-buffer-limit",
        "unixsocketperm",
    ];
    // Snapshots are on by default there, and its own default addresses differ.
    let base = "save \"\"\nbind 127.0.0.1\n";
    for (conf, flags) in cases {
        let conf = format!("{base}{conf}");
        let mut args: Vec<OsString> = flags.iter().map(OsString::from).collect();
        args.push("-".into());
        let ours = launch_from(&args, &mut conf.as_bytes());
        let theirs = Redis::start(&conf, flags);
        match (ours, theirs) {
            (Ok(Launch::Serve(loaded)), Some(mut redis)) => {
                let password = loaded.settings.requirepass.clone().unwrap_or_default();
                redis.call(&["AUTH", &String::from_utf8(password).unwrap()]);
                for name in compared {
                    assert_eq!(
                        our_get(&loaded.settings, name),
                        redis.call(&["CONFIG", "GET", name]),
                        "{conf:?} {flags:?}"
                    );
                }
            }
            (Err(_), None) => {}
            (ours, theirs) => {
                panic!("{conf:?} {flags:?}: we {ours:?}, the reference started: {}", theirs.is_some())
            }
        }
    }
}

#[test]
fn config_rewrite_writes_the_lines_of_the_reference() {
    let original = "# head\nTimeout 5\n\n\n  maxclients 9\nsave \"\"\nhz 20\ntimeout 6\n# middle\nrequirepass x\nbind 127.0.0.1\n\
        client-output-buffer-limit normal 0 0 0\nclient-output-buffer-limit replica 256mb 64mb 60\n\
        client-output-buffer-limit pubsub 32mb 8mb 60\nport 0\nunixsocket s.sock\n# tail\n";
    let changes: &[&[&str]] = &[
        &["timeout", "7", "maxmemory", "3gb", "maxmemory-samples", "6", "loglevel", "notice"],
        &["requirepass", "", "proto-max-bulk-len", "1500000", "protected-mode", "no"],
        &["client-output-buffer-limit", "pubsub 1kb 1000 5"],
    ];
    let mut redis = Redis::start(original, &[]).unwrap();
    redis.call(&["AUTH", "x"]);
    let Ok(Launch::Serve(loaded)) = launch_from(&["-".into()], &mut original.as_bytes()) else {
        panic!("must load")
    };
    let mut settings = loaded.settings;
    for change in changes {
        let mut request = vec!["CONFIG", "SET"];
        request.extend(*change);
        assert_eq!(redis.call(&request), ["+OK"]);
        assert_eq!(our_set(&mut settings, change), "+OK");
    }
    assert_eq!(redis.call(&["CONFIG", "REWRITE"]), ["+OK"]);
    let theirs = fs::read_to_string(redis.folder.join("redis.conf")).unwrap();
    let ours = String::from_utf8(rewrite(original.as_bytes(), &settings, &[])).unwrap();
    assert_eq!(comparable(&ours), comparable(&theirs));
}

/// The lines above the signature, and below it those of our settings, sorted. The unix socket's path is
/// what the reference makes of it.
fn comparable(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (head, tail) = text.split_once("# Generated by CONFIG REWRITE\n").expect("something is appended");
    // The reference writes the percentiles although they have their default.
    let ours = |line: &&str| {
        find(line.split(' ').next().unwrap_or_default().as_bytes()).is_some()
            && *line != "latency-tracking-info-percentiles 50 99 99.9"
    };
    let mut tail: Vec<_> = tail.lines().filter(ours).collect();
    tail.sort_unstable();
    // The reference leaves an empty line where ours has the end of the file.
    (head.trim_end().lines().collect(), tail)
}
