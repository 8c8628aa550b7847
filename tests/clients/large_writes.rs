//! Large replies are written in turns: nobody's small request waits for all of them, everybody gets them whole.

use crate::support::{Answer, Conn, TestServer, Value, wait_until};

/// As many bytes as a worker writes in one turn, and some.
const LARGE_BYTES: usize = 640 * 1024;

fn put_off(server: &TestServer) -> u64 {
    let info = server.control().say("INFO stats");
    let line = info.lines().find_map(|line| line.strip_prefix("large_writes_put_off:"));
    line.expect("the figure is there").parse().expect("a number")
}

fn one_worker() -> TestServer {
    TestServer::start_with(|settings| settings.io_threads = 1)
}

/// Text of which no two parts are alike, so that a piece that is missing or twice there shows.
fn numbered(bytes: usize) -> String {
    let numbers: String = (0..bytes / 8).map(|number| format!("{number:08}")).collect();
    numbers[..bytes / 8 * 8].to_owned()
}

#[test]
fn large_message_reaches_each_of_many_subscribers_whole_and_in_turns() {
    let server = one_worker();
    let mut crowd: Vec<Conn> = (0..64).map(|_| server.connect()).collect();
    crowd.iter_mut().for_each(|conn| assert_eq!(conn.run("SUBSCRIBE news").array().len(), 3));
    let message = numbered(64 * 1024);
    assert_eq!(server.connect().call(&["PUBLISH", "news", &message]), Value::Int(64));
    for conn in &mut crowd {
        assert_eq!(conn.reply().array()[2].text(), message);
    }
    // Of 4 MiB a turn writes an eighth.
    assert!(put_off(&server) >= 48, "{} of 64 waited for their turn", put_off(&server));
}

#[test]
fn large_values_arrive_whole_among_small_replies() {
    let server = one_worker();
    let [mut one, mut two] = server.connect_many();
    let value = numbered(5 * LARGE_BYTES);
    assert_eq!(one.call(&["SET", "k", &value]).text(), "OK");
    let requests = ["GET k", "PING one", "GET k", "GET k", "PING two"];
    one.pipeline(&requests);
    two.pipeline(&requests);
    for conn in [&mut one, &mut two] {
        let replies: Vec<Value> = requests.iter().map(|_| conn.reply()).collect();
        for (reply, request) in replies.iter().zip(requests) {
            let wanted = request.strip_prefix("PING ").unwrap_or(&value);
            assert!(
                reply.text() == wanted,
                "{request}: {} bytes that are not the value's",
                reply.text().len()
            );
        }
    }
}

#[test]
fn crowd_gets_a_large_value_whole_while_small_requests_are_answered() {
    let server = one_worker();
    let mut leader = server.connect();
    let token = leader.lead("k");
    let mut crowd: Vec<Conn> = (0..48).map(|_| server.connect()).collect();
    crowd.iter_mut().for_each(|conn| conn.ask("k WAIT 60000"));
    server.until_waiters("k", 48);
    let value = numbered(LARGE_BYTES);
    assert_eq!(leader.call(&["FILL.PUT", "k", &token, &value]).text(), "OK");
    assert_eq!(leader.say("PING"), "PONG");
    crowd.iter_mut().for_each(|conn| assert!(conn.answer() == Answer::hit(&value, -1)));
}

#[test]
fn client_that_does_not_read_holds_up_nobodys_turn() {
    let server = one_worker();
    let [mut writer, mut reader] = server.connect_many();
    let mut slow = server.connect_slow_reader();
    let value = numbered(LARGE_BYTES);
    assert_eq!(writer.call(&["SET", "k", &value]).text(), "OK");
    slow.pipeline(&["GET k"; 32]);
    slow.pipeline(&["INCR asked"]);
    wait_until("its replies are made", || server.control().say("GET asked") == "1");
    for _ in 0..8 {
        assert!(reader.say("GET k") == value);
    }
    for _ in 0..32 {
        assert!(slow.reply().text() == value);
    }
}
