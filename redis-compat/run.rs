//! Runs a tool or a client's script to its end, for a bounded time.
//!
//! Owns: the child process and its limit. Does not know: what is run.
//! Invariant: no child outlives its limit.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a program printed and how it ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` with `input` on its standard input, for `limit` at most.
///
/// # Errors
/// A sentence, when the program cannot be started or had to be killed.
pub fn to_end(command: &mut Command, input: &[u8], limit: Duration) -> Result<Finished, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = pipes.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let (mut stdin, input) = (child.stdin.take(), input.to_vec());
    // A program that does not read its input closes the pipe: no failure. Dropping the handle says "end of input".
    let feeder = thread::spawn(move || drop(stdin.as_mut().map(|pipe| pipe.write_all(&input))));
    let ended = wait(&mut child, limit);
    if ended.is_none() {
        // What it started holds the pipes open as well.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status();
        let _ = child.wait();
    }
    let _ = feeder.join();
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    match ended {
        Some(status) => Ok(Finished { status, stdout, stderr }),
        None => Err(format!("{name} did not end within {limit:?}; it printed:\n{stdout}\n{stderr}")),
    }
}

/// Lets an endless program run until it has printed `lines` lines, then ends it and returns what it printed.
///
/// # Errors
/// A sentence, when it cannot be started or printed less within `limit`.
pub fn until_lines(command: &mut Command, lines: usize, limit: Duration) -> Result<String, String> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut pipe = child.stdout.take().ok_or("no standard output")?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(size @ 1..) = pipe.read(&mut chunk) {
            if sender.send(chunk[..size].to_vec()).is_err() {
                return;
            }
        }
    });
    let (started, mut printed) = (Instant::now(), Vec::new());
    while printed.iter().filter(|b| **b == b'\n').count() < lines {
        let left = limit.saturating_sub(started.elapsed());
        match receiver.recv_timeout(left) {
            Ok(chunk) => printed.extend(chunk),
            Err(_) => break,
        }
    }
    drop(receiver);
    let _ = child.kill();
    let _ = child.wait();
    let _ = reader.join();
    let text = String::from_utf8_lossy(&printed).into_owned();
    if text.lines().count() < lines { Err(format!("only this within {limit:?}:\n{text}")) } else { Ok(text) }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    while started.elapsed() < limit {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}
