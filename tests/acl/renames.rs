//! `rename-command`: what clients call a command, and what all others do.

use crate::log_in;
use crate::support::{TestServer, Value};

fn start(renames: &[(&str, &str)]) -> TestServer {
    let renames = renames.iter().map(|(name, new)| (name.as_bytes().to_vec(), new.as_bytes().to_vec()));
    TestServer::start_with(|settings| settings.lines.renames = renames.collect())
}

#[test]
fn renamed_command_answers_to_its_new_name_alone_on_every_way() {
    let server = start(&[("Get", "fetch"), ("FLUSHALL", "")]);
    let mut conn = server.connect();
    conn.say("SET k v");
    assert!(conn.error("GET k").starts_with("ERR unknown command 'GET'"));
    assert!(conn.error("FLUSHALL").starts_with("ERR unknown command 'FLUSHALL'"));
    conn.pipeline(&["FETCH k", "fetch k", "get k", "MULTI", "fetch k", "EXEC"]);
    let replies: Vec<String> = (0..6).map(|_| conn.reply().text()).collect();
    assert_eq!(replies[..2], ["v", "v"]);
    assert!(replies[2].starts_with("ERR unknown command"));
    assert_eq!(replies[3..], ["OK", "QUEUED", "v"]);
    let eval = |conn: &mut crate::support::Conn, name: &str| {
        conn.call(&["EVAL", &format!("return redis.call('{name}', KEYS[1])"), "1", "k"]).text()
    };
    assert_eq!(eval(&mut conn, "fetch"), "v");
    assert!(eval(&mut conn, "get").contains("Unknown Redis command"));
    assert_eq!(conn.say("COMMAND GETKEYS FETCH k"), "k");
    assert_eq!(conn.error("COMMAND GETKEYS GET k"), "ERR Invalid command specified");
}

#[test]
fn rules_and_figures_know_a_renamed_command_by_its_own_name() {
    let server = start(&[("GET", "fetch")]);
    let mut conn = log_in(&server, "ann", "~* -@all +set");
    assert_eq!(
        conn.run("FETCH k"),
        Value::Error("NOPERM User ann has no permissions to run the 'get' command".into())
    );
    server.control().say("ACL SETUSER ann +get");
    assert_eq!(conn.say("FETCH k"), "nil");
    assert!(server.control().error("ACL SETUSER ann +fetch").contains("Unknown command"));
    assert_eq!(server.control().say("ACL DRYRUN ann FETCH k"), "OK");
    assert_eq!(server.control().error("ACL DRYRUN ann GET k"), "ERR Command 'GET' not found");
    assert!(server.control().say("INFO commandstats").contains("cmdstat_get:calls=1"));
}
