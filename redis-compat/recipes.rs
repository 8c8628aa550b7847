//! The recipes of docs/clients, cut out of the pages and executed: what a page shows is what was run here.
//!
//! Owns: the scenes. Does not know: how a recipe's language is started (languages.rs) or fed (caller.rs).
//! Invariant: a recipe whose language is not installed is left out with a line that says so.

mod caller;
mod languages;
mod lossy;
mod rust;

use crate::peer::Peer;
use crate::report;
use crate::wire::Reply;
use caller::Caller;
use languages::{LANGUAGES, Language};
use lossy::Lossy;
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// A scene, and whether a language takes part in it.
type Scene = (&'static str, fn(&Language, &Peer), fn(&Language) -> bool);

const SCENES: &[Scene] = &[
    ("one computes, the others get its value", one_computes, |_| true),
    ("what does not exist is nobody's work twice", absence_is_shared, |_| true),
    ("a failure is shared", failure_is_shared, |_| true),
    ("a slow computation is waited for, however often a WAIT ends", slow_one_is_waited_for, |_| true),
    ("what must not be cached is computed by each", uncacheable_is_computed, |_| true),
    ("who is told to stay away stays away", stays_away, |_| true),
    ("callers of one process wait for one FILL.GET", one_process_asks_once, |language| language.joins),
    ("a killed leader is succeeded", killed_leader_is_succeeded, |_| true),
    ("a PUT overtakes a parked read on its socket", put_beside_parked_read, |language| language.shares),
    ("a lost LEAD and a lost OK are asked for again", lost_replies, |language| language.resends),
];

/// Runs every scene with one language, or says why not.
fn play(name: &str) {
    let language = LANGUAGES.iter().find(|language| language.name == name).expect("a language of the table");
    if let Err(why) = language.prepare() {
        return report::line(&format!("redis-compat recipe {name:24} skipped: {why}"));
    }
    let scenes: Vec<_> = SCENES.iter().filter(|(_, _, takes_part)| takes_part(language)).collect();
    for (scene, play, _) in &scenes {
        // Seen only where the scene fails.
        println!("{name}: {scene}");
        play(language, &Peer::onefill());
    }
    report::line(&format!("redis-compat recipe {name:24} {} scenes", scenes.len()));
}

fn one_computes(language: &Language, server: &Peer) {
    let mut callers: Vec<Caller> = (0..3).map(|_| language.caller(server.address)).collect();
    lead_and_let_others_wait(&mut callers, server);
    callers[0].say("value 1 Ada Lovelace");
    for caller in &mut callers {
        caller.hear("got 1 value Ada Lovelace");
    }
    // Fresh now: nobody computes, and the value is an ordinary key.
    callers[2].say("get 2 page");
    callers[2].hear("got 2 value Ada Lovelace");
    assert_eq!(server.call(&["GET", "page"]).text(), Some(&b"Ada Lovelace"[..]));
}

fn absence_is_shared(language: &Language, server: &Peer) {
    let mut callers: Vec<Caller> = (0..2).map(|_| language.caller(server.address)).collect();
    lead_and_let_others_wait(&mut callers, server);
    callers[0].say("none 1 -");
    for caller in &mut callers {
        caller.hear("got 1 none");
    }
}

fn failure_is_shared(language: &Language, server: &Peer) {
    let mut callers: Vec<Caller> = (0..2).map(|_| language.caller(server.address)).collect();
    lead_and_let_others_wait(&mut callers, server);
    callers[0].say("fail 1 origin down");
    for caller in &mut callers {
        caller.hear("got 1 error origin down");
    }
}

fn slow_one_is_waited_for(language: &Language, server: &Peer) {
    let mut callers: Vec<Caller> = (0..2).map(|_| language.caller(server.address)).collect();
    server.call(&["CONFIG", "SET", "fill-wait", "20", "fill-lease", "120000"]);
    lead_and_let_others_wait(&mut callers, server);
    until_figure(server, "fill_wait_expired", 5);
    callers[0].say("value 1 at last");
    for caller in &mut callers {
        caller.hear("got 1 value at last");
    }
}

fn uncacheable_is_computed(language: &Language, server: &Peer) {
    let lead = server.call(&["FILL.GET", "page"]);
    let token = lead.elements()[2].text().map(|token| String::from_utf8_lossy(token).into_owned());
    server.call(&["FILL.PASS", "page", &token.expect("a token")]);
    for text in ["value 1 mine", "none 1 -", "fail 1 gone"] {
        let mut caller = language.caller(server.address);
        caller.say("get 1 page");
        caller.hear("computing 1");
        caller.say(text);
        let what = text.replace("value 1", "got 1 value").replace("none 1 -", "got 1 none");
        caller.hear(&what.replace("fail 1", "got 1 error"));
    }
    assert!(server.call(&["GET", "page"]).text().is_none(), "nothing is stored");
}

/// Nobody may be parked: the second caller asks again when the server says, and no more often.
fn stays_away(language: &Language, server: &Peer) {
    let mut callers: Vec<Caller> = (0..2).map(|_| language.caller(server.address)).collect();
    server.call(&["CONFIG", "SET", "fill-waiters-per-key", "0", "fill-wait", "100", "fill-lease", "120000"]);
    callers[0].say("get 1 page");
    callers[0].hear("computing 1");
    let began = Instant::now();
    callers[1].say("get 1 page");
    until_figure(server, "fill_shed_waiters", 4);
    assert!(began.elapsed() >= Duration::from_millis(300), "four asks within {:?}", began.elapsed());
    callers[0].say("value 1 made");
    for caller in &mut callers {
        caller.hear("got 1 value made");
    }
}

fn one_process_asks_once(language: &Language, server: &Peer) {
    server.call(&["CONFIG", "SET", "fill-lease", "120000"]);
    for (page, (answer, told)) in
        [("value 1 x", "value x"), ("none 1 -", "none"), ("fail 1 down", "error down")].iter().enumerate()
    {
        let mut caller = language.caller(server.address);
        let before = figure(server, "fill_gets");
        caller.say(&format!("get 1 page{page}"));
        caller.hear("computing 1");
        caller.say(&format!("get 2 page{page}"));
        // A third one, of another key, comes after the second.
        caller.say(&format!("get 3 other{page}"));
        caller.hear("computing 3");
        caller.say(answer);
        caller.hear_both(&format!("got 1 {told}"), &format!("got 2 {told}"));
        assert_eq!(figure(server, "fill_gets") - before, 2, "FILL.GETs for two keys");
    }
}

/// Waits until a figure of INFO has come to this.
fn until_figure(server: &Peer, name: &str, least: i64) {
    let started = Instant::now();
    while figure(server, name) < least {
        assert!(started.elapsed() < LIMIT, "{name} is {} and not {least}", figure(server, name));
        thread::sleep(Duration::from_millis(2));
    }
}

fn figure(server: &Peer, name: &str) -> i64 {
    let info = server.call(&["INFO", "fill"]);
    let info = String::from_utf8_lossy(info.text().expect("INFO is a text")).into_owned();
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|figure| figure.trim().parse().ok()).unwrap_or_else(|| panic!("INFO has no {name}"))
}

fn killed_leader_is_succeeded(language: &Language, server: &Peer) {
    let mut callers: Vec<Caller> = (0..2).map(|_| language.caller(server.address)).collect();
    // Longer than the scene may last: only the leader's death can end its lease in time.
    server.call(&["CONFIG", "SET", "fill-lease", "120000"]);
    lead_and_let_others_wait(&mut callers, server);
    drop(callers.remove(0));
    callers[0].hear("computing 1");
    callers[0].say("value 1 second");
    callers[0].hear("got 1 value second");
}

/// One process leads "a" and waits for "b" on one socket: its PUT must not queue behind its own parked read.
fn put_beside_parked_read(language: &Language, server: &Peer) {
    if language.waits_for_ever {
        // Without a reply time-out the read can stay parked for as long as the scene lasts.
        server.call(&["CONFIG", "SET", "fill-wait", "60000"]);
        server.call(&["CONFIG", "SET", "fill-lease", "120000"]);
    }
    let [mut shared, mut other, mut third] = [(); 3].map(|()| language.caller(server.address));
    shared.say("get 1 a");
    shared.hear("computing 1");
    other.say("get 1 b");
    other.hear("computing 1");
    shared.say("get 2 b");
    third.say("get 1 a");
    until_waiters(server, "a", 1);
    until_waiters(server, "b", 1);
    shared.say("value 1 made");
    third.hear("got 1 value made");
    other.say("value 1 too");
    other.hear("got 1 value too");
    shared.hear_both("got 1 value made", "got 2 value too");
}

/// The network loses the reply to the first FILL.GET, and the one to the first FILL.PUT.
fn lost_replies(language: &Language, server: &Peer) {
    // Longer than the scene may last: without the nonce the second arrival would wait for the first one's lease.
    server.call(&["CONFIG", "SET", "fill-lease", "120000"]);
    let network = Lossy::start(server.address, &["FILL.GET", "FILL.PUT"]);
    let mut caller = language.caller(network.address);
    caller.say("get 1 page");
    caller.hear("computing 1");
    caller.say("value 1 made");
    caller.hear("got 1 value made");
    assert_eq!(network.lost(), 2, "replies lost on the way");
    assert_eq!(server.call(&["GET", "page"]).text(), Some(&b"made"[..]));
}

fn lead_and_let_others_wait(callers: &mut [Caller], server: &Peer) {
    callers[0].say("get 1 page");
    callers[0].hear("computing 1");
    for caller in &mut callers[1..] {
        caller.say("get 1 page");
    }
    until_waiters(server, "page", callers.len() - 1);
}

/// Waits until so many callers are parked for a key.
fn until_waiters(server: &Peer, key: &str, count: usize) {
    let started = Instant::now();
    while waiters(server, key) != i64::try_from(count).unwrap_or(0) {
        assert!(started.elapsed() < LIMIT, "{} and not {count} wait for {key}", waiters(server, key));
        thread::sleep(Duration::from_millis(2));
    }
}

fn waiters(server: &Peer, key: &str) -> i64 {
    let info = server.call(&["FILL.INFO", key]);
    let parts = info.elements();
    let place = parts.iter().position(|part| part.text() == Some(b"waiters"));
    match place.and_then(|index| parts.get(index + 1)) {
        Some(Reply::Int(count)) => *count,
        _ => 0,
    }
}

#[test]
fn recipe_for_python_keeps_its_promises() {
    play("python");
}

#[test]
fn recipe_for_asyncio_keeps_its_promises() {
    play("python-asyncio");
}

#[test]
fn recipe_for_ioredis_keeps_its_promises() {
    play("ioredis");
}

#[test]
fn recipe_for_node_redis_keeps_its_promises() {
    play("node-redis");
}

#[test]
fn recipe_for_php_keeps_its_promises() {
    play("php");
}

#[test]
fn recipe_for_ruby_keeps_its_promises() {
    play("ruby");
}

#[test]
fn recipe_for_rust_keeps_its_promises() {
    play("redis-rs");
}

/// What the first page shows is what is run here.
#[test]
fn first_page_shows_the_recipes_as_they_are_run() {
    let readme = include_str!("../README.md");
    for language in
        LANGUAGES.iter().filter(|language| ["python", "ioredis", "redis-rs"].contains(&language.name))
    {
        let (kind, code) = language.code();
        let shown = format!("```{kind}\n{code}```\n");
        assert!(
            readme.contains(&shown),
            "README.md shows other code than the page for {}:\n{code}",
            language.name
        );
        assert_eq!(readme.matches(&format!("```{kind}\n")).count(), 1, "one recipe for {kind}");
    }
}

#[test]
fn page_for_rust_shows_what_is_run() {
    let (_, shown) = include_str!("recipes/recipe.rs").split_once("\n\n").expect("a header and code");
    let page = include_str!("../docs/clients/rust.md");
    assert!(
        page.contains(&format!("```rust\n{shown}```\n")),
        "docs/clients/rust.md shows other code:\n{shown}"
    );
}
