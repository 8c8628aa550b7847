//! Why a handshake came to nothing.

use std::fmt;
use std::io;

/// What ended a handshake before its end.
#[derive(Debug)]
pub enum Failure {
    /// The first byte is not one of TLS.
    PlainText,
    /// The two sides do not agree, or the peer's certificate is none that is let in.
    Refused(String),
    /// The peer ended the connection.
    Left,
    Socket(io::Error),
    /// It took longer than `tls-handshake-timeout`.
    TimedOut,
    /// It made room for others.
    PushedOut,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::PlainText => f.write_str("it does not speak TLS"),
            Failure::Refused(why) => f.write_str(why),
            Failure::Left => f.write_str("the client left in the middle of the handshake"),
            Failure::Socket(error) => error.fmt(f),
            Failure::TimedOut => f.write_str("the handshake took too long"),
            Failure::PushedOut => f.write_str("too many handshakes at once, and this one was the oldest"),
        }
    }
}
