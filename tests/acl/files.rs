//! Users that stand in files: read at the start, by ACL LOAD, written by ACL SAVE and CONFIG REWRITE.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use onefill::base::clock::Clock;
use onefill::config::Settings;
use onefill::server::Server;

use crate::WRONG_PASSWORD;
use crate::support::TestServer;

/// A file of this test alone, with this text.
fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("onefill-acl-{}-{name}", std::process::id()));
    fs::write(&path, text).unwrap();
    path
}

fn start(path: &Path) -> TestServer {
    TestServer::start_with(|settings| settings.aclfile = Some(path.to_owned()))
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn file_is_read_changed_and_written() {
    let path = file("life", "user ann on >pw ~* +@all\n\nuser default on nopass ~* &* +@all\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let server = start(&path);
    let mut ann = server.connect();
    assert_eq!(ann.say("AUTH ann pw"), "OK");
    let mut control = server.control();
    assert_eq!(control.say("ACL SETUSER bob on nopass +ping"), "OK");
    assert_eq!(control.say("ACL SAVE"), "OK");
    let text = fs::read_to_string(&path).unwrap();
    let listed = control.run("ACL LIST").text();
    assert_eq!(text.lines().collect::<Vec<_>>().join(" "), listed);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(control.say("ACL SETUSER carl on nopass"), "OK");
    // An unchanged user keeps its connections, one that is not in the file loses them.
    let mut carl = server.connect();
    assert_eq!(carl.say("AUTH carl x"), "OK");
    assert_eq!(control.say("ACL LOAD"), "OK");
    carl.expect_closed();
    assert_eq!(ann.say("PING"), "PONG");
    assert_eq!(control.run("ACL USERS").text(), "ann bob default");
    fs::remove_file(path).unwrap();
}

#[test]
fn faulty_file_changes_nothing_and_tells_all() {
    let path = file("faults", "user ann on\n");
    let server = start(&path);
    let mut control = server.control();
    fs::write(&path, "# no comment\nuser bob +nosuch\n").unwrap();
    let error = control.error("ACL LOAD");
    let name = path.display();
    assert_eq!(
        error,
        format!(
            "ERR {name}:1 should start with user keyword followed by the username. {name}:2: Error in applying \
             operation '+nosuch': Unknown command or category name in ACL. WARNING: ACL errors detected, no change to \
             the previously active ACL rules was performed"
        )
    );
    assert_eq!(control.run("ACL USERS").text(), "ann default");
    fs::remove_file(&path).unwrap();
    assert!(
        control.error("ACL LOAD").starts_with(&format!("ERR Error loading ACLs, opening file '{name}': "))
    );
    assert_eq!(control.run("ACL USERS").text(), "ann default");
}

#[test]
fn server_without_a_file_says_so() {
    let server = TestServer::start();
    for line in ["ACL LOAD", "ACL SAVE"] {
        let error = server.control().error(line);
        assert!(
            error.starts_with("ERR This Redis instance is not configured to use an ACL file."),
            "{error}"
        );
    }
}

#[test]
fn users_of_the_configuration_are_there_at_the_start() {
    let server = TestServer::start_with(|settings| {
        settings.requirepass = Some(b"old".to_vec());
        settings.lines.users =
            vec![words("ann on >pw ~a (+get ~b) +set"), words("default on >new ~* &* +@all")];
    });
    let mut conn = server.connect();
    assert_eq!(conn.error("AUTH old"), WRONG_PASSWORD);
    assert_eq!(conn.say("AUTH new"), "OK");
    assert_eq!(conn.say("AUTH ann pw"), "OK");
    assert_eq!(conn.say("GET b"), "nil");
    // The control connection of the test begins as a stranger.
    server.control().pipeline(&["AUTH new", "ACL SETUSER default nopass"]);
    (0..2).for_each(|_| assert_eq!(server.control().reply().text(), "OK"));
}

#[test]
fn server_with_faulty_users_does_not_start() {
    let start = |change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings { port: 0, bind: vec!["127.0.0.1".to_owned()], ..Settings::default() };
        change(&mut settings);
        let started = Server::start(settings, Clock::manual(0));
        started.err().expect("it must not start").to_string()
    };
    let path = file("start", "user ann on\nx\n");
    let of_lines = |lines: &[&str]| {
        let users: Vec<_> = lines.iter().map(|line| words(line)).collect();
        start(&move |settings| settings.lines.users = users.clone())
    };
    assert!(
        start(&|settings| settings.aclfile = Some(path.clone()))
            .contains(":2 should start with user keyword")
    );
    assert!(start(&|settings| settings.aclfile = Some("/nonexistent/x".into())).contains("/nonexistent/x"));
    assert!(of_lines(&["ann +nosuch"]).contains("user ann: Error in ACL SETUSER modifier '+nosuch'"));
    assert!(of_lines(&["ann on", "ann off"]).contains("Duplicate user"));
    let secret = of_lines(&["ann <secret"]);
    assert!(secret.contains("user ann") && !secret.contains("<secret"), "{secret}");
    let both = start(&|settings| {
        settings.aclfile = Some(path.clone());
        settings.lines.users = vec![words("ann on")];
    });
    assert!(both.contains("decide for one of them"), "{both}");
    fs::remove_file(path).unwrap();
}
