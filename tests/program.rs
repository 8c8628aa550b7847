//! The program as operators meet it: arguments, errors at the start, signals, the log, kill and restart.
//!
//! Each test runs the built binary on a port of the system's choice and reads its log. Waits are bounded.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::conn::request;
use support::folder::Folder;
use support::{Conn, FlightFacts, PATIENCE, wait_until};

/// A stop takes milliseconds; a busy machine may stretch that.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Requests that fit into a loopback socket's buffers, with room to spare.
const PIPELINED: usize = 2_000;

/// One run of the program.
struct Program {
    child: Child,
    log: Receiver<Vec<u8>>,
    errors: Receiver<Vec<u8>>,
    addr: Option<SocketAddr>,
}

impl Program {
    fn run(args: &[&str]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onefill"));
        command.args(args);
        Program::spawn(command)
    }

    /// As `run`, where no more than so many files may be open.
    fn run_with_files(files: usize, args: &[&str]) -> Program {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            &format!("ulimit -n {files}; exec \"$0\" \"$@\""),
            env!("CARGO_BIN_EXE_onefill"),
        ]);
        command.args(args);
        Program::spawn(command)
    }

    fn spawn(mut command: Command) -> Program {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let log = lines(child.stdout.take().expect("standard output is piped"));
        let errors = lines(child.stderr.take().expect("standard error is piped"));
        Program { child, log, errors, addr: None }
    }

    /// Runs with `args` and a port of the system's choice, and waits until it accepts connections.
    #[track_caller]
    fn start(args: &[&str]) -> Program {
        Program::start_on("0", args)
    }

    #[track_caller]
    fn start_on(port: &str, args: &[&str]) -> Program {
        Program::run(&[&["--port", port, "--bind", "127.0.0.1"], args].concat()).until_ready()
    }

    #[track_caller]
    fn until_ready(mut self) -> Program {
        let listening = self.until_logged("listening on 127.0.0.1");
        self.addr = address_in(&listening);
        self.until_logged("Ready to accept connections");
        self
    }

    fn connect(&self) -> Conn {
        Conn::open(self.addr.expect("a TCP address"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the program is there");
    }

    /// The next log line with `text` in it.
    #[track_caller]
    fn until_logged(&self, text: &str) -> String {
        self.until_logged_any(&[text])
    }

    /// The next log line with one of these texts in it.
    #[track_caller]
    fn until_logged_any(&self, texts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if texts.iter().any(|text| line.contains(text)) {
                return line;
            }
        }
        panic!(
            "not logged: {texts:?}; errors: {:?}",
            self.errors.try_iter().map(text_of).collect::<Vec<_>>()
        );
    }

    /// Waits for the end; its exit code (`None`: killed by a signal) and what is left of log and errors.
    #[track_caller]
    fn ended(&mut self) -> Ended {
        let begin = Instant::now();
        let log = rest(&self.log);
        let errors = rest(&self.errors);
        // Its output has ended, so it has ended or is about to.
        let code = self.child.wait().expect("the program's end").code();
        Ended { code, log, errors, took: begin.elapsed() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Nothing to kill and nothing to wait for when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    log: Vec<u8>,
    errors: Vec<u8>,
    took: Duration,
}

/// Reads lines, line ends included, until the end.
fn lines(from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if send.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    receive
}

#[track_caller]
fn rest(lines: &Receiver<Vec<u8>>) -> Vec<u8> {
    let deadline = Instant::now() + 2 * STOP_LIMIT;
    let mut all = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => all.extend(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return all,
            Err(_) => panic!("the program did not end; its last words: {}", text_of(all)),
        }
    }
}

/// The address at the end of a log line.
fn address_in(line: &str) -> Option<SocketAddr> {
    line.trim_end().rsplit(' ').next()?.parse().ok()
}

fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs to the end, which must be a refusal to start: exit code 1 and one line that says why.
#[track_caller]
fn refusal(args: &[&str]) -> String {
    refusal_of(Program::run(args), args)
}

#[track_caller]
fn refusal_of(mut program: Program, args: &[&str]) -> String {
    let ended = program.ended();
    let errors = text_of(ended.errors);
    assert_eq!(ended.code, Some(1), "{args:?}: {errors}");
    assert!(!text_of(ended.log).contains("Ready to accept"), "{args:?}");
    assert_eq!(errors.lines().count(), 1, "one line: {errors}");
    assert!(errors.starts_with("onefill: "), "{errors}");
    errors
}

#[test]
fn help_and_version_are_printed_and_nothing_is_started() {
    for (flag, expected) in
        [("--help", "--tcp-backlog"), ("-h", "--requirepass"), ("--version", "0.1.0\n"), ("-v", "0.1.0\n")]
    {
        let ended = Program::run(&[flag]).ended();
        let text = text_of(ended.log);
        assert_eq!(ended.code, Some(0), "{flag}");
        assert!(text.contains(expected) && !text.contains("Ready to accept"), "{flag}: {text}");
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{flag}");
        // The short one fits a terminal.
        assert!(flag != "-h" || text.lines().count() <= 40, "{text}");
    }
}

#[test]
fn start_that_cannot_be_is_one_clear_line_and_exit_code_1() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port().to_string();
    let text = refusal(&["--port", &port, "--bind", "127.0.0.1"]);
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("in use"), "{text}");

    let missing = folder.path("missing.conf");
    let text = refusal(&[&missing]);
    assert!(text.contains(&missing) && text.contains("No such file"), "{text}");

    let text = refusal(&["--port", "0", "--pot", "1"]);
    assert!(text.contains("pot"), "{text}");
    let file = folder.write("bad.conf", "port 0\n\nportt 1\n");
    let text = refusal(&[&file]);
    assert!(text.contains("bad.conf:3") && text.contains("portt"), "{text}");

    let text = refusal(&["--port", "70000"]);
    assert!(text.contains("port 70000") || text.contains("65535"), "{text}");
    let text = refusal(&["--port", "0", "--appendonly", "yes"]);
    assert!(text.contains("appendonly") && text.contains("only 'no'"), "{text}");
    let text = refusal(&["--port", "0", "--save", "900 1"]);
    assert!(text.contains("save") && text.contains("nothing is kept"), "{text}");

    for (args, expected) in [
        (&["--port", "0", "--tls-port", "6380"][..], "needs a certificate and its key"),
        (&["--port", "0", "--rename-command", "NOSUCH", ""], "rename-command NOSUCH: No such command"),
        (&["--port", "0", "--rename-command", "GET", "SET"], "GET: Target command name already exists"),
        (&["--port", "0", "--rename-command", "GET"], "wrong number of arguments"),
        (&["--port", "0", "--cluster-enabled", "yes"], "no cluster mode"),
        (&["--port", "0", "--replicaof", "10.0.0.1", "6379"], "not a replica"),
        (&["--port", "0", "--min-replicas-to-write", "1"], "no replication"),
        (&["--port=7000"], "apart: --port 7000"),
        (&["-p", "7000"], "--port 7000; see --help"),
        (&["help"], "see --help"),
        (&["--maxmemroy", "1gb"], "did you mean --maxmemory? See --help"),
    ] {
        let text = refusal(args);
        assert!(text.contains(expected), "{args:?}: {text}");
    }

    let text = refusal(&["--port", "0", "--logfile", &folder.path("no/such/folder.log")]);
    assert!(text.contains("no/such/folder.log"), "{text}");
    let text = refusal(&["--port", "0", "--unixsocket", &folder.path("no/such/socket")]);
    assert!(text.contains("no/such/socket"), "{text}");
}

#[test]
fn flags_win_over_the_file_and_directives_without_meaning_are_named() {
    let folder = Folder::new();
    let file = folder.write("one.conf", "databases 4\ntimeout 7\nrdbcompression yes\nsave 900 1\n");
    let mut program = Program::run(&[&file, "--port", "0", "--bind", "127.0.0.1", "--timeout", "9"]);
    program.until_logged("rdbcompression");
    let listening = program.until_logged("listening on 127.0.0.1");
    program.addr = address_in(&listening);
    let mut conn = program.connect();
    assert_eq!(conn.say("CONFIG GET databases"), "databases 4");
    assert_eq!(conn.say("CONFIG GET timeout"), "timeout 9");
    assert_eq!(conn.error("SELECT 4"), "ERR DB index is out of range");
    assert!(conn.say("INFO server").contains(&format!("config_file:{file}")));
}

/// What has no effect is told in one line for each reason, as it was written, and where the log goes on the terminal.
#[test]
fn directives_without_effect_are_grouped_by_reason_and_the_terminal_says_where_the_log_is() {
    let folder = Folder::new();
    let (file, log) = (folder.path("it's \"one\".conf"), folder.path("onefill.log"));
    fs::write(
        &file,
        "port 0\nbind 127.0.0.1\nrdbcompression yes\nhz 10\ndbfilename a.rdb\ndynamic-hz yes\nsave 900 1\n",
    )
    .expect("the file is written");
    let mut program = Program::run(&[&file, "--logfile", &log]);
    wait_until("it is ready", || fs::read_to_string(&log).is_ok_and(|text| text.contains("Ready to accept")));
    program.signal(Signal::TERM);
    let ended = program.ended();
    assert_eq!(text_of(ended.log), format!("onefill: the log goes to {log}\n"));
    let text = fs::read_to_string(&log).expect("the log");
    let warnings: Vec<&str> = text.lines().filter(|line| line.contains("no effect here")).collect();
    assert_eq!(warnings.len(), 3, "{warnings:#?}");
    let disk = warnings.iter().find(|line| line.contains("rdbcompression")).expect("a line");
    assert!(disk.contains("it's \"one\".conf: no effect here") && disk.contains("dbfilename"), "{disk}");
    assert!(warnings.iter().any(|line| line.contains("hz, dynamic-hz")), "{warnings:#?}");
}

/// Who may open too few files hears what is missing, before anybody is told that the server is ready.
#[test]
fn start_with_too_few_files_is_refused_with_the_number_needed() {
    for (files, threads) in [(16, "1"), (30, "4"), (40, "4")] {
        let args = ["--port", "0", "--bind", "127.0.0.1", "--io-threads", threads];
        let text = refusal_of(Program::run_with_files(files, &args), &args);
        assert!(
            text.contains(&format!("at most {files} open files")) && text.contains("ulimit -n"),
            "{text}"
        );
    }
}

/// Every client there may be has a file, and one that is refused hears so.
#[test]
fn clients_are_no_more_than_the_files_are_enough_for() {
    let args = ["--port", "0", "--bind", "127.0.0.1", "--io-threads", "2"];
    let mut program = Program::run_with_files(64, &args);
    let told = program.until_logged("open files");
    assert!(told.contains("maxclients 10000") && told.contains("ulimit -n"), "{told}");
    program.addr = address_in(&program.until_logged("listening on 127.0.0.1"));
    program.until_logged("Ready");
    let mut control = program.connect();
    let limit = control.say("CONFIG GET maxclients");
    let limit: usize =
        limit.strip_prefix("maxclients ").and_then(|limit| limit.parse().ok()).expect("a number");
    assert!((10..=32).contains(&limit), "{limit}");
    let text = control.error("CONFIG SET maxclients 1000");
    let expected = format!("not able to handle the specified number of clients, try with {limit}");
    assert!(text.contains("related to argument 'maxclients'") && text.ends_with(&expected), "{text}");
    let mut conns: Vec<Conn> = (1..limit).map(|_| program.connect()).collect();
    conns.iter_mut().for_each(|conn| assert_eq!(conn.say("PING"), "PONG"));
    for _ in 0..100 {
        let mut refused = program.connect();
        let reply = refused.next_reply();
        assert!(format!("{reply:?}").contains("max number of clients reached"), "{reply:?}");
    }
    conns.clear();
    program.signal(Signal::TERM);
    let log = text_of(program.ended().log);
    assert!(!log.contains("accepting a connection failed"), "{log}");
}

#[test]
fn log_says_who_and_when_ready_as_supervisors_expect() {
    let program = Program::run(&["--port", "0", "--bind", "127.0.0.1"]);
    program.until_logged(&format!("PID: {}", program.child.id()));
    program.until_logged("Ready to accept connections");
}

#[test]
fn stars_in_bind_are_all_addresses_of_each_family() {
    let program = Program::run(&["--port", "0", "--bind", "*", "-::*"]);
    let listening = program.until_logged("listening on 0.0.0.0:");
    let port = address_in(&listening).expect("an address").port();
    // Where the machine has IPv6, its line comes before this one.
    let ready = program.until_logged_any(&["listening on [::]:", "Ready to accept connections"]);
    assert!(ready.contains("Ready") || ready.contains(&format!("[::]:{port}")), "{ready}");
    assert_eq!(Conn::open((std::net::Ipv4Addr::LOCALHOST, port).into()).call(&["PING"]).text(), "PONG");
}

#[test]
fn unix_socket_serves_with_its_permissions_and_is_removed_at_the_end() {
    let folder = Folder::new();
    let path = folder.path("s");
    let mut program = Program::start(&["--unixsocket", &path, "--unixsocketperm", "700"]);
    assert_eq!(fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, 0o700);
    let mut stream = UnixStream::connect(&path).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream.write_all(b"PING\r\n").expect("the server reads");
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).expect("a reply");
    assert_eq!(&reply, b"+PONG\r\n");
    program.signal(Signal::TERM);
    assert_eq!(program.ended().code, Some(0));
    assert!(!Path::new(&path).exists(), "the socket is removed");
}

#[test]
fn unix_socket_left_by_a_killed_server_is_taken_over() {
    let folder = Folder::new();
    let path = folder.path("s");
    let mut killed = Program::start(&["--unixsocket", &path]);
    killed.signal(Signal::KILL);
    assert_eq!(killed.ended().code, None);
    assert!(Path::new(&path).exists());
    let _successor = Program::start(&["--unixsocket", &path]);
    UnixStream::connect(&path).expect("the successor accepts");
    let text = refusal(&["--port", "0", "--bind", "127.0.0.1", "--unixsocket", &path]);
    assert!(text.contains("in use"), "a socket that is served is not taken over: {text}");
}

#[track_caller]
fn check_graceful_stop(signal: Signal) {
    let mut program = Program::start(&["--io-threads", "2"]);
    let [mut leader, mut waiter, mut piper, mut idle] = std::array::from_fn(|_| program.connect());
    leader.lead("k LEASE 600000");
    waiter.ask("k WAIT 60000");
    wait_until("the waiter is parked", || FlightFacts::of(&idle.run("FILL.INFO k")).number("waiters") == 1);
    piper.pipeline(&vec!["INCR n"; PIPELINED]);
    let begin = Instant::now();
    program.signal(signal);

    waiter.answer().expect_stay_away();
    waiter.expect_closed();
    for n in 1..=PIPELINED {
        assert_eq!(piper.reply().int(), n as i64, "what was received is answered");
    }
    piper.expect_closed();
    idle.expect_closed();
    let ended = program.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(begin.elapsed() < STOP_LIMIT, "{:?}", begin.elapsed());
    assert!(text_of(ended.log).contains("bye"), "the log says that it ended");
    assert!(TcpStream::connect(program.addr.expect("an address")).is_err(), "nobody listens any more");
}

#[test]
fn sigterm_answers_what_was_received_and_ends_with_0() {
    check_graceful_stop(Signal::TERM);
}

#[test]
fn sigint_answers_what_was_received_and_ends_with_0() {
    check_graceful_stop(Signal::INT);
}

#[test]
fn signal_right_after_ready_is_a_graceful_stop_too() {
    for _ in 0..5 {
        let mut program = Program::start(&[]);
        program.signal(Signal::TERM);
        assert_eq!(program.ended().code, Some(0));
    }
}

/// A connection that asked for far more than the sockets' buffers hold, and reads nothing.
fn stuck_reader(program: &Program) -> Conn {
    let mut conn = program.connect();
    conn.call(&[b"SET".as_slice(), b"big", &vec![b'v'; 1 << 20]]);
    conn.pipeline(&["GET big"; 50]);
    let mut other = program.connect();
    wait_until("the replies pile up", || {
        let list = other.say("CLIENT LIST");
        let figures = list.split_ascii_whitespace().filter_map(|word| word.strip_prefix("omem="));
        figures.filter_map(|bytes| bytes.parse::<u64>().ok()).any(|bytes| bytes > 20 << 20)
    });
    conn
}

#[test]
fn second_signal_ends_at_once() {
    let mut program = Program::start(&["--shutdown-timeout", "600"]);
    let _stuck = stuck_reader(&program);
    program.signal(Signal::TERM);
    program.until_logged("signal received");
    assert!(program.child.try_wait().expect("its state").is_none(), "it waits for the reader");
    // One that follows within a tenth of a second belongs to the first.
    program.signal(Signal::TERM);
    program.signal(Signal::INT);
    let begin = Instant::now();
    wait_until("it ends", || {
        let has_ended = program.child.try_wait().expect("its state").is_some();
        if !has_ended {
            program.signal(Signal::TERM);
        }
        has_ended
    });
    assert!(begin.elapsed() >= Duration::from_millis(90), "{:?}", begin.elapsed());
    assert_eq!(program.ended().code, Some(1));
}

#[test]
fn client_that_reads_nothing_cannot_hold_up_the_stop() {
    let mut program = Program::start(&["--shutdown-timeout", "1"]);
    let _stuck = stuck_reader(&program);
    program.signal(Signal::TERM);
    let ended = program.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.took < STOP_LIMIT, "{:?}", ended.took);
}

#[test]
fn client_that_never_stops_sending_cannot_hold_up_the_stop() {
    let mut program = Program::start(&["--shutdown-timeout", "1"]);
    let [mut sender, mut other] = std::array::from_fn(|_| program.connect());
    sender.pipeline(&["CLIENT REPLY OFF"]);
    let requests = request(&["INCR", "n"]).repeat(1_000);
    let sending = thread::spawn(move || while sender.try_send_raw(&requests).is_ok() {});
    wait_until("requests come in", || other.say("EXISTS n") == "1");
    program.signal(Signal::TERM);
    let ended = program.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.took < STOP_LIMIT, "{:?}", ended.took);
    sending.join().expect("it is cut off");
}

#[test]
fn sighup_goes_on_in_a_new_file_under_the_old_name() {
    let folder = Folder::new();
    let (file, moved) = (folder.path("log"), folder.path("log.1"));
    let program = Program::run(&["--port", "0", "--bind", "127.0.0.1", "--logfile", &file]);
    let has = |path: &str, text: &str| fs::read_to_string(path).is_ok_and(|log| log.contains(text));
    wait_until("it is ready", || has(&file, "Ready to accept connections"));
    fs::rename(&file, &moved).expect("logrotate moves the file");
    program.signal(Signal::HUP);
    wait_until("the log is reopened", || has(&file, "log reopened"));
    assert!(!has(&moved, "log reopened") && has(&moved, "Ready to accept"));
}

#[test]
fn shutdown_command_ends_with_0() {
    for line in ["SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN NOW"] {
        let mut program = Program::start(&[]);
        let mut conn = program.connect();
        conn.pipeline(&[line]);
        conn.expect_closed();
        assert_eq!(program.ended().code, Some(0), "{line}");
    }
}

#[test]
fn killed_under_load_the_port_can_be_used_again_at_once() {
    let mut program = Program::start(&[]);
    let addr = program.addr.expect("an address");
    let load: Vec<_> = (0..4)
        .map(|_| {
            let mut conn = program.connect();
            let (begun, has_begun) = channel();
            let thread = thread::spawn(move || {
                while conn.next_reply_to(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n") {
                    // The receiver is gone once the load is known to run.
                    let _ = begun.send(());
                }
            });
            has_begun.recv_timeout(PATIENCE).expect("load");
            thread
        })
        .collect();
    program.signal(Signal::KILL);
    assert_eq!(program.ended().code, None);
    load.into_iter().for_each(|thread| thread.join().expect("the load ends with the server"));
    let successor = Program::start_on(&addr.port().to_string(), &[]);
    let mut conn = successor.connect();
    assert_eq!(conn.say("DBSIZE"), "0", "a cache keeps nothing");
    assert_eq!(conn.say("SET k v"), "OK");
}

trait Load {
    /// Sends a request; whether a reply came.
    fn next_reply_to(&mut self, request: &[u8]) -> bool;
}

impl Load for Conn {
    fn next_reply_to(&mut self, request: &[u8]) -> bool {
        self.try_send_raw(request).is_ok() && self.next_reply().is_ok()
    }
}

#[test]
fn log_never_has_a_raw_byte_of_a_client() {
    let folder = Folder::new();
    let file = folder.write("one.conf", "rdbcompression \"\\x1b[31m\\nforged\"\n");
    let mut program = Program::run(&[
        &file,
        "--port",
        "0",
        "--bind",
        "127.0.0.1",
        "--loglevel",
        "debug",
        "--enable-debug-command",
        "yes",
    ]);
    let listening = program.until_logged("listening on");
    program.addr = address_in(&listening);
    program.until_logged("Ready to accept connections");
    let mut conn = program.connect();
    let evil = b"x\nforged line\r\n\x1b[31mred\x1b[0m\x07\x00\x9b\xff\xe2\x80\xae".as_slice();
    let calls: &[&[&[u8]]] = &[
        &[b"CLIENT", b"SETNAME", evil],
        &[b"HELLO", b"3", b"SETNAME", evil],
        &[b"CLIENT", b"SETINFO", b"LIB-NAME", evil],
        &[evil],
        &[b"GET", evil],
        &[b"CLIENT", evil],
        &[b"DEBUG", b"LOG", evil],
        &[b"DEBUG", b"ERROR", evil],
        &[b"CONFIG", b"SET", evil, evil],
        &[b"CONFIG", b"SET", b"maxclients", evil],
        &[b"AUTH", evil, evil],
        &[b"SELECT", evil],
        &[b"FILL.GET", evil],
        &[b"FILL.PUT", evil, evil, evil],
    ];
    for call in calls {
        conn.call(call);
    }
    for bytes in [
        &b"*1\r\n\x1bPING\r\n"[..],
        b"*x\n\x1b\r\n",
        b"\"\x1b\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"*\x1b[1m\r\n",
    ] {
        let mut conn = program.connect();
        conn.send_raw(bytes);
        while conn.next_reply().is_ok() {}
    }
    program.connect().run("DEBUG PROTOCOL string");
    let mut victim = program.connect();
    victim.pipeline(&["DEBUG PANIC"]);
    victim.expect_closed();
    program.signal(Signal::TERM);
    let ended = program.ended();
    assert_eq!(ended.code, Some(0));
    for line in ended.log.split_inclusive(|byte| *byte == b'\n') {
        let text = line.escape_ascii();
        assert!(line.starts_with(b"20") && line.ends_with(b"\n"), "a line of our own: {text}");
        assert!(line[..line.len() - 1].iter().all(|byte| (b' '..=b'~').contains(byte)), "printable: {text}");
    }
    let log = text_of(ended.log);
    assert!(log.contains("DEBUG LOG: x\\nforged line"), "what was said is logged escaped: {log}");
    assert!(
        log.contains("Protocol error") && log.contains("\\u{1b}"),
        "malformed input is logged escaped: {log}"
    );
}

/// Who knocks with HTTP again and again is turned away each time and named once.
#[test]
fn log_names_http_once_in_a_while() {
    let mut program = Program::start(&[]);
    for _ in 0..50 {
        let mut conn = program.connect();
        conn.send_raw(b"POST / HTTP/1.1\r\n\r\n");
        conn.expect_closed();
    }
    program.signal(Signal::TERM);
    let log = text_of(program.ended().log);
    assert_eq!(log.matches("it speaks HTTP").count(), 1, "{log}");
}
