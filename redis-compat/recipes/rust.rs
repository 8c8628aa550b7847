//! Plays a caller of the recipe in docs/clients/rust.md: this test binary, started once more by the scenes.
//!
//! Owns: the process's two pipes. Does not know: scenes; caller.rs says what the lines mean.
//! Invariant: without RECIPE in its environment, as in an ordinary run of ignored tests, it does nothing.

#[path = "recipe.rs"]
mod recipe;

use recipe::Fills;
use redis::Client;
use std::collections::HashMap;
use std::io::{Write, stdin, stdout};
use std::sync::Arc;
use std::thread;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

#[test]
#[ignore = "no test: what the scenes of recipes.rs start"]
fn player() {
    if std::env::var_os("RECIPE").is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        LocalSet::new().block_on(&runtime, play());
    }
}

async fn play() {
    let client = Client::open(std::env::var("REDIS_URL").expect("REDIS_URL")).expect("a client");
    let fills = Fills::new(client.get_connection_manager().await.expect("a connection"));
    let mut answers: HashMap<String, UnboundedSender<String>> = HashMap::new();
    let mut lines = input();
    while let Some(line) = lines.recv().await {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        if words[0] == "get" {
            let (sender, receiver) = unbounded_channel();
            answers.insert(words[1].to_owned(), sender);
            tokio::task::spawn_local(call(fills.clone(), words[1].to_owned(), words[2].to_owned(), receiver));
        } else {
            answers[words[1]].send(line.clone()).expect("a caller");
        }
    }
}

async fn call(fills: Fills, number: String, key: String, answers: UnboundedReceiver<String>) {
    let answers = Arc::new(Mutex::new(answers));
    let compute = async || {
        print(&format!("computing {number}"));
        let line = answers.lock().await.recv().await.expect("an answer");
        match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["value", _, text] => Ok(Some(text.to_owned())),
            ["none", ..] => Ok(None),
            _ => {
                let message = line.splitn(3, ' ').last().unwrap_or_default();
                Err(Box::<dyn std::error::Error + Send + Sync>::from(message).into())
            }
        }
    };
    match fills.cached(&key, compute).await {
        Ok(Some(value)) => print(&format!("got {number} value {value}")),
        Ok(None) => print(&format!("got {number} none")),
        Err(error) => print(&format!("got {number} error {error}")),
    }
}

/// The lines of standard input, read by a thread of their own.
fn input() -> UnboundedReceiver<String> {
    let (sender, lines) = unbounded_channel();
    thread::spawn(move || stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

/// Prints a line of its own: the harness has begun one.
fn print(line: &str) {
    let mut out = stdout().lock();
    writeln!(out, "\n{line}").and_then(|()| out.flush()).expect("standard output");
}
