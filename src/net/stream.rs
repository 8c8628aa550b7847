//! A client's socket: TCP or Unix, alike to everybody above.

use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A peer that goes on sending is not listened to for ever.
const READS_AT_END: usize = 16;

/// A freshly accepted socket on its way to a worker.
pub enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A socket's peer and own address as CLIENT LIST shows them, and whether it is a Unix socket.
pub fn names(accepted: &Accepted) -> (String, String, bool) {
    match accepted {
        Accepted::Tcp(stream) => {
            let text = |addr: io::Result<SocketAddr>| {
                addr.map_or_else(|_| "?:0".to_owned(), |addr| addr.to_string())
            };
            (text(stream.peer_addr()), text(stream.local_addr()), false)
        }
        Accepted::Unix(stream) => {
            let path = stream
                .local_addr()
                .ok()
                .and_then(|addr| addr.as_pathname().map(|path| path.display().to_string()));
            let name = format!("{}:0", path.unwrap_or_default());
            (name.clone(), name, true)
        }
    }
}

/// A client's socket on its worker's runtime.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Registers an accepted socket with the calling thread's runtime.
    pub fn register(accepted: Accepted) -> io::Result<Stream> {
        Ok(match accepted {
            Accepted::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Accepted::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }

    /// Whether bytes have arrived that `poll_read` did not see yet: the runtime may not have heard of them.
    pub fn has_bytes(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let peeked = match self {
            Stream::Tcp(stream) => SockRef::from(stream).peek(&mut byte),
            Stream::Unix(stream) => SockRef::from(stream).peek(&mut byte),
        };
        peeked.is_ok_and(|bytes| bytes > 0)
    }

    /// Ends our side before the socket is closed. Unread bytes would make the kernel send a reset at once, which
    /// takes from the peer what it has not read yet and the end of the stream with it; so they are read first, as
    /// many as are there, in up to `READS_AT_END` portions of `scratch`.
    pub fn end(&self, scratch: &mut [u8]) {
        let socket = match self {
            Stream::Tcp(stream) => SockRef::from(stream),
            Stream::Unix(stream) => SockRef::from(stream),
        };
        // A peer that is gone already needs no ending.
        if socket.shutdown(Shutdown::Write).is_ok() {
            let mut reads = 0;
            while reads < READS_AT_END && matches!((&*socket).read(scratch), Ok(1..)) {
                reads += 1;
            }
        }
    }

    pub fn fd(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
        }
    }

    /// Whether the socket takes bytes, as far as the runtime has heard; else its task is woken when it does.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => stream.poll_write_ready(cx),
            Stream::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}
