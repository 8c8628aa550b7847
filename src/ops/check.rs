//! `onefill --check ADDRESS`: asks a running server whether it is well, for probes of containers without a shell.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long each step may take.
const STEP_TIME: Duration = Duration::from_secs(2);
/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: u64 = 4096;
const PING: &str = "*1\r\n$4\r\nPING\r\n";

/// Asks by a GET (`http://host:port/path`), or by a PING (`host:port`, or a socket's path). What it said.
///
/// # Errors
/// In words: it could not be reached, said nothing in two seconds, or said that it is not well.
pub fn check(address: &str) -> Result<String, String> {
    let unwell = |error: io::Error| format!("{address}: {error}");
    if let Some(rest) = address.strip_prefix("http://") {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
        let answer = reach(host).and_then(|stream| ask(stream, &request)).map_err(unwell)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let is_well = head.split(' ').nth(1) == Some("200");
        return if is_well { Ok(body.to_owned()) } else { Err(format!("{address}: {}", body.trim_end())) };
    }
    let answer = if address.starts_with('/') {
        UnixStream::connect(address).and_then(|stream| {
            stream.set_read_timeout(Some(STEP_TIME))?;
            ask_line(stream, PING)
        })
    } else {
        reach(address).and_then(|stream| ask_line(stream, PING))
    };
    let answer = answer.map_err(unwell)?;
    // Who must say a password first is answered by a server that works.
    let is_well = answer.starts_with("+PONG") || answer.starts_with("-NOAUTH");
    if is_well { Ok("PONG\n".to_owned()) } else { Err(format!("{address}: {}", answer.trim_end())) }
}

fn reach(host: &str) -> io::Result<TcpStream> {
    let unknown = || io::Error::new(io::ErrorKind::InvalidInput, "no such address");
    let address = host.to_socket_addrs()?.next().ok_or_else(unknown)?;
    let stream = TcpStream::connect_timeout(&address, STEP_TIME)?;
    stream.set_read_timeout(Some(STEP_TIME))?;
    Ok(stream)
}

/// Sends a request and reads until the other end closes.
fn ask(mut stream: impl Read + Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Sends a request and reads a line.
fn ask_line(mut stream: impl Read + Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\n") && (answer.len() as u64) < ANSWER_BYTES_MAX {
        if stream.read(&mut byte)? == 0 {
            break;
        }
        answer.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What `check` makes of a server that answers with these bytes.
    fn answered(prefix: &str, answer: &'static str) -> Result<String, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let said = check(&format!("{prefix}{address}"));
        server.join().unwrap();
        said
    }

    #[test]
    fn well_is_who_says_so() {
        assert_eq!(answered("", "+PONG\r\n").as_deref(), Ok("PONG\n"));
        assert_eq!(answered("", "-NOAUTH Authentication required.\r\n").as_deref(), Ok("PONG\n"));
        assert!(answered("", "-LOADING Onefill is loading\r\n").unwrap_err().contains("LOADING"));
        assert!(answered("", "").is_err());
        assert_eq!(answered("http://", "HTTP/1.1 200 OK\r\n\r\nok\n").as_deref(), Ok("ok\n"));
        assert!(answered("http://", "HTTP/1.1 503 No\r\n\r\nstuck\n").unwrap_err().ends_with("stuck"));
        assert!(check("127.0.0.1:1").unwrap_err().contains("refused"));
        assert!(check("/nowhere/socket").is_err() && check("nonsense").is_err());
    }
}
