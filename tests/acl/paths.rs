//! Every way to a command: plain, inline, behind AUTH in one packet, MULTI, scripts, functions, FILL.

use crate::support::{Conn, TestServer, Value};
use crate::{NO_CHANNEL, NO_KEY, WRONG_PASSWORD, log_in, no_command};

#[test]
fn request_needs_its_command_its_keys_and_its_channels() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "~app:* %R~shared &news +get +set +publish +config|get");
    assert_eq!(conn.say("SET app:1 v"), "OK");
    assert_eq!(conn.say("GET shared"), "nil");
    assert_eq!(conn.error("SET shared v"), NO_KEY);
    assert_eq!(conn.error("GET other"), NO_KEY);
    assert_eq!(conn.error("DEL app:1"), no_command("ann", "del"));
    assert_eq!(conn.say("PUBLISH news m"), "0");
    assert_eq!(conn.error("PUBLISH other m"), NO_CHANNEL);
    assert_eq!(conn.error("CONFIG SET timeout 1"), no_command("ann", "config|set"));
    // Names and arity come first, as in Redis.
    assert!(conn.error("NOSUCH").starts_with("ERR unknown command"));
    assert!(conn.error("GET").starts_with("ERR wrong number of arguments"));
    assert_eq!(conn.error("ACL WHOAMI"), no_command("ann", "acl|whoami"));
}

#[test]
fn who_may_do_nothing_can_still_say_who_it_is() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "");
    assert_eq!(conn.error("PING"), no_command("ann", "ping"));
    assert_eq!(conn.error("AUTH ann wrong"), WRONG_PASSWORD);
    assert_eq!(conn.error("AUTH nobody pw"), WRONG_PASSWORD);
    // A failed attempt changes nothing.
    assert_eq!(conn.error("PING"), no_command("ann", "ping"));
    assert!(matches!(conn.run("HELLO 3 AUTH ann pw"), Value::Map(_)));
    assert_eq!(conn.say("AUTH default any"), "OK");
    assert_eq!(conn.say("PING"), "PONG");
    assert_eq!(conn.say("ACL WHOAMI"), "default");
}

#[test]
fn requests_behind_auth_in_one_packet_are_the_users() {
    let server = TestServer::start();
    log_in(&server, "ann", "~a +get");
    let mut conn = server.connect();
    conn.pipeline(&["GET b", "AUTH ann pw", "GET a", "GET b", "RESET", "GET b"]);
    assert_eq!(conn.reply().text(), "nil");
    assert_eq!(conn.reply().text(), "OK");
    assert_eq!(conn.reply().text(), "nil");
    assert_eq!(conn.reply(), Value::Error(NO_KEY.into()));
    assert_eq!(conn.reply().text(), "RESET");
    assert_eq!(conn.reply().text(), "nil");
    conn.send_raw(b"AUTH ann pw\r\nGET b\r\nGET a\r\n");
    assert_eq!(conn.reply().text(), "OK");
    assert_eq!(conn.reply(), Value::Error(NO_KEY.into()));
    assert_eq!(conn.reply().text(), "nil");
}

#[test]
fn strangers_may_only_say_who_they_are() {
    let server = TestServer::start();
    assert_eq!(server.control().say("ACL SETUSER default resetpass"), "OK");
    let mut conn = server.connect();
    assert_eq!(conn.error("GET a"), "NOAUTH Authentication required.");
    assert_eq!(conn.error("AUTH pw"), WRONG_PASSWORD);
    log_in(&server, "ann", "~* +@all");
    assert_eq!(conn.say("AUTH ann pw"), "OK");
    assert_eq!(conn.say("GET a"), "nil");
    assert_eq!(conn.say("RESET"), "RESET");
    assert_eq!(conn.error("GET a"), "NOAUTH Authentication required.");
    server.control().say("ACL SETUSER default nopass");
    assert_eq!(conn.say("GET a"), "nil");
}

#[test]
fn transaction_is_broken_by_what_may_not_be_queued_and_checked_once_more() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "~a +get +set +multi +exec");
    assert_eq!(conn.say("MULTI"), "OK");
    assert_eq!(conn.error("GET b"), NO_KEY);
    assert_eq!(conn.error("EXEC"), "EXECABORT Transaction discarded because of previous errors.");
    conn.pipeline(&["MULTI", "GET a", "SET a 1", "GET a"]);
    (0..4).for_each(|_| drop(conn.reply()));
    server.control().say("ACL SETUSER ann -set");
    let changed = "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                   command is no longer allowed for the following reason: no permission to execute the command or \
                   subcommand";
    let Value::Array(replies) = conn.run("EXEC") else { panic!("no array") };
    assert_eq!(replies, [Value::Nil, Value::Error(changed.into()), Value::Nil]);
    conn.pipeline(&["MULTI", "GET a"]);
    (0..2).for_each(|_| drop(conn.reply()));
    server.control().say("ACL SETUSER ann resetkeys ~b");
    let Value::Array(replies) = conn.run("EXEC") else { panic!("no array") };
    assert!(replies[0].text().ends_with("no permission to touch the specified keys"), "{replies:?}");
    // Without the right to run EXEC the transaction ends.
    assert_eq!(conn.say("MULTI"), "OK");
    server.control().say("ACL SETUSER ann -exec");
    assert!(conn.error("EXEC").starts_with("EXECABORT Transaction discarded because of: NOPERM User ann"));
    assert_eq!(conn.say("MULTI"), "OK");
}

#[test]
fn scripts_do_what_their_caller_may_do() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "~a %R~r +eval +eval_ro +get +set");
    let mut eval = |script: &str, keys: &[&str]| {
        let count = keys.len().to_string();
        let words = [&["EVAL", script, count.as_str()], keys].concat();
        conn.call(&words).text()
    };
    assert_eq!(eval("return redis.call('set', KEYS[1], 1)", &["a"]), "OK");
    assert_eq!(eval("return redis.call('get', KEYS[1])", &["b"]), NO_KEY);
    // KEYS of a script may be written as well.
    assert_eq!(eval("return 1", &["r"]), NO_KEY);
    assert_eq!(eval("return redis.call('get', 'r')", &[]), "nil");
    let failure = "ACL failure in script: No permissions to access a key";
    assert!(eval("return redis.call('set', 'r', 1)", &[]).contains(failure));
    assert!(eval("return redis.pcall('get', 'b')['err']", &[]).starts_with(&format!("ERR {failure}")));
    let denied = "ACL failure in script: User ann has no permissions to run the 'del' command";
    assert!(eval("return redis.call('del', 'a')", &[]).contains(denied));
    let may = "return {redis.acl_check_cmd('get', 'a'), redis.acl_check_cmd('set', 'r', 1), redis.acl_check_cmd('del', 'a')}";
    let mut conn = server.connect();
    conn.run("HELLO 3 AUTH ann pw");
    let reply = conn.call(&["EVAL", may, "0"]);
    assert_eq!(reply, Value::Array(vec![Value::Int(1), Value::Nil, Value::Nil]), "{reply:?}");
    assert_eq!(conn.call(&["EVAL_RO", "return redis.call('get', KEYS[1])", "1", "r"]).text(), "nil");
}

#[test]
fn sort_looks_at_keys_that_it_does_not_name_for_who_may_read_all() {
    let server = TestServer::start();
    server.control().say("RPUSH l 2 1");
    let mut conn = log_in(&server, "ann", "~l %W~* +@all");
    let denied =
        |option: &str| format!("{option} option of SORT denied due to insufficient ACL permissions.");
    let script =
        |eval: &str| [eval, "return redis.call('SORT', KEYS[1], 'BY', 'w_*')", "1", "l"].map(str::to_owned);
    for (line, option) in
        [("SORT l BY w_*", "BY"), ("SORT_RO l GET #", "GET"), ("SORT l GET w_* BY w_*", "GET")]
    {
        assert_eq!(conn.error(line), format!("ERR {}", denied(option)), "{line}");
    }
    assert!(conn.call(&script("EVAL")).text().contains(&denied("BY")));
    assert_eq!(conn.say("SORT l BY nosort STORE d"), "2");
    // A right of another selector does not help.
    server.control().say("ACL SETUSER ann (%R~* +sort_ro)");
    assert_eq!(conn.error("SORT l BY w_* STORE d"), format!("ERR {}", denied("BY")));
    assert_eq!(conn.say("SORT_RO l BY w_*"), "1 2");
    server.control().say("ACL SETUSER ann %R~*");
    assert_eq!(conn.call(&script("EVAL")).text(), "1 2");
    conn.say("MULTI");
    assert_eq!(conn.say("SORT l BY w_* GET #"), "QUEUED");
    server.control().say("ACL SETUSER ann resetkeys clearselectors ~l");
    assert!(conn.say("EXEC").contains(&denied("BY")));
}

#[test]
fn functions_do_what_their_caller_may_do() {
    let server = TestServer::start();
    let library =
        "#!lua name=l\nredis.register_function('f', function(keys) return redis.call('get', keys[1]) end)";
    server.control().call(&["FUNCTION", "LOAD", library]);
    let mut conn = log_in(&server, "ann", "~a +fcall +get");
    assert_eq!(conn.say("FCALL f 1 a"), "nil");
    assert_eq!(conn.error("FCALL f 1 b"), NO_KEY);
    server.control().say("ACL SETUSER ann -get");
    assert!(
        conn.error("FCALL f 1 a")
            .contains("ACL failure in script: User ann has no permissions to run the 'get'")
    );
}

#[test]
fn fills_need_reads_to_ask_and_writes_to_answer() {
    let server = TestServer::start();
    let mut reader = log_in(&server, "ann", "%R~* +@fill");
    let mut writer = log_in(&server, "bob", "%W~* +@fill");
    assert_eq!(reader.error("FILL.PUT k 1 v"), NO_KEY);
    assert_eq!(reader.error("FILL.STALE k"), NO_KEY);
    assert_eq!(reader.error("FILL.RENEW k 1"), NO_KEY);
    assert_eq!(writer.error("FILL.GET k"), NO_KEY);
    assert_eq!(writer.error("FILL.MGET 2 k l"), NO_KEY);
    assert_eq!(reader.say("FILL.INFO k"), "nil");
    assert!(!writer.say("FILL.PUT k 1 v").starts_with("NOPERM"));
}

#[test]
fn what_was_refused_is_counted_and_logged() {
    let server = TestServer::start();
    let mut conn = log_in(&server, "ann", "~a +get +multi +eval +publish resetchannels");
    conn.say("CLIENT SETNAME x");
    for line in ["DEL a", "GET b", "GET b", "PUBLISH c m", "AUTH ann wrong"] {
        conn.error(line);
    }
    conn.say("MULTI");
    conn.error("GET b");
    let mut control = server.control();
    let log = control.run("ACL LOG");
    let Value::Array(entries) = &log else { panic!("{log:?}") };
    let shown: Vec<String> = entries.iter().map(entry).collect();
    assert_eq!(
        shown,
        [
            "key multi b ann 1",
            "auth toplevel AUTH ann 1",
            "channel toplevel c ann 1",
            "key toplevel b ann 2",
            "command toplevel del ann 1",
            "command toplevel client|setname ann 1",
        ]
    );
    let info = control.say("INFO stats");
    for line in ["auth:1", "cmd:2", "key:3", "channel:1"] {
        assert!(info.contains(&format!("acl_access_denied_{line}\r\n")), "{line}: {info}");
    }
    assert_eq!(control.run("ACL LOG 1"), Value::Array(entries[..1].to_vec()));
    assert_eq!(control.say("ACL LOG RESET"), "OK");
    assert_eq!(control.run("ACL LOG"), Value::Array(vec![]));
}

/// Reason, context, object, user and count of an entry of ACL LOG.
fn entry(entry: &Value) -> String {
    let Value::Array(fields) = entry else { panic!("{entry:?}") };
    let field = |name: &str| {
        let at = fields.iter().position(|field| field.text() == name);
        at.map_or(String::new(), |at| fields[at + 1].text())
    };
    assert!(field("client-info").contains(" user=ann "), "{entry:?}");
    ["reason", "context", "object", "username", "count"].map(field).join(" ")
}

#[test]
fn rights_are_shown_by_dry_runs() {
    let server = TestServer::start();
    log_in(&server, "ann", "~a &c +get +publish");
    let mut control = server.control();
    let mut dry_run = |request: &str| control.say(&format!("ACL DRYRUN {request}"));
    assert_eq!(dry_run("ann GET a"), "OK");
    assert_eq!(dry_run("ann GET b"), "User ann has no permissions to access the 'b' key");
    assert_eq!(dry_run("ann DEL a"), "User ann has no permissions to run the 'del' command");
    assert_eq!(dry_run("ann PUBLISH d m"), "User ann has no permissions to access the 'd' channel");
    assert_eq!(dry_run("bob GET a"), "ERR User 'bob' not found");
    assert_eq!(dry_run("ann NOSUCH"), "ERR Command 'NOSUCH' not found");
    assert_eq!(dry_run("ann GET"), "ERR wrong number of arguments for 'get' command");
}

#[test]
fn clients_are_known_by_their_users() {
    let server = TestServer::start();
    let mut ann = log_in(&server, "ann", "+ping +client");
    let own: fn(&mut Conn) -> String = |conn| conn.say("CLIENT INFO");
    assert!(own(&mut ann).contains(" user=ann "));
    assert!(own(&mut server.control()).contains(" user=default "));
    assert_eq!(server.control().error("CLIENT KILL USER bob"), "ERR No such user 'bob'");
    assert_eq!(server.control().say("CLIENT KILL USER ann"), "1");
    ann.expect_closed();
}
