//! A client's socket: TCP, plain or under TLS, or Unix; alike to everybody above.

use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::tls::{Shaken, TlsStream};

/// A peer that goes on sending is not listened to for ever.
const READS_AT_END: usize = 16;

/// A freshly accepted socket on its way to a worker.
pub enum Accepted {
    Tcp(std::net::TcpStream),
    Tls(Box<Shaken>),
    Unix(std::os::unix::net::UnixStream),
}

impl Accepted {
    /// Its TCP socket, if it is one.
    pub fn tcp(&self) -> Option<&std::net::TcpStream> {
        match self {
            Accepted::Tcp(stream) => Some(stream),
            Accepted::Tls(shaken) => Some(&shaken.socket),
            Accepted::Unix(_) => None,
        }
    }

    /// The names in its certificate that may be a user's. `None` if there is none to look at.
    pub fn take_names(&mut self) -> Option<Vec<Box<[u8]>>> {
        match self {
            Accepted::Tls(shaken) => shaken.names.take(),
            Accepted::Tcp(_) | Accepted::Unix(_) => None,
        }
    }
}

/// A socket's peer and own address as CLIENT LIST shows them, and whether it is a Unix socket.
pub fn names(accepted: &Accepted) -> (String, String, bool) {
    let of_tcp = |stream: &std::net::TcpStream| {
        let text =
            |addr: io::Result<SocketAddr>| addr.map_or_else(|_| "?:0".to_owned(), |addr| addr.to_string());
        (text(stream.peer_addr()), text(stream.local_addr()), false)
    };
    match accepted {
        Accepted::Tcp(stream) => of_tcp(stream),
        Accepted::Tls(shaken) => of_tcp(&shaken.socket),
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
    Tls(Box<TlsStream>),
    Unix(UnixStream),
}

impl Stream {
    /// Registers an accepted socket with the calling thread's runtime.
    pub fn register(accepted: Accepted) -> io::Result<Stream> {
        Ok(match accepted {
            Accepted::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Accepted::Tls(shaken) => Stream::Tls(Box::new(shaken.register()?)),
            Accepted::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }

    /// Whether bytes have arrived that `poll_read` did not see yet: the runtime may not have heard of them.
    pub fn has_bytes(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        self.socket().peek(&mut byte).is_ok_and(|bytes| bytes > 0)
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Stream::Tcp(stream) => SockRef::from(stream),
            Stream::Tls(stream) => SockRef::from(stream.socket()),
            Stream::Unix(stream) => SockRef::from(stream),
        }
    }

    /// Ends our side before the socket is closed. Unread bytes would make the kernel send a reset at once, which
    /// takes from the peer what it has not read yet and the end of the stream with it; so they are read first, as
    /// many as are there, in up to `READS_AT_END` portions of `scratch`. A client that `is_done` has left none.
    pub fn end(&mut self, is_done: bool, scratch: &mut [u8]) {
        if let Stream::Tls(stream) = self {
            stream.say_goodbye();
        }
        if is_done {
            return;
        }
        let socket = self.socket();
        // A peer that is gone already needs no ending.
        if socket.shutdown(Shutdown::Write).is_ok() {
            let mut reads = 0;
            while reads < READS_AT_END && matches!((&*socket).read(scratch), Ok(1..)) {
                reads += 1;
            }
        }
    }

    pub fn fd(&self) -> RawFd {
        self.socket().as_raw_fd()
    }

    /// Bytes that are held for it here.
    pub fn held_bytes(&self) -> usize {
        match self {
            Stream::Tls(stream) => stream.held_bytes(),
            Stream::Tcp(_) | Stream::Unix(_) => 0,
        }
    }

    /// Ready when all that was written is with the socket. A plain one keeps nothing back.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(_) | Stream::Unix(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => stream.poll_flush(cx),
        }
    }

    /// Whether the socket takes bytes, as far as the runtime has heard; else its task is woken when it does.
    pub fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => stream.poll_write_ready(cx),
            Stream::Tls(stream) => stream.poll_write_ready(cx),
            Stream::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Whether there is something to read, or the stream's end, as far as the runtime has heard; else its task is woken when there
    /// is. Of TLS that shows only when it is read.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => stream.poll_read_ready(cx),
            Stream::Tls(_) => Poll::Ready(Ok(())),
            Stream::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => stream.poll_write(cx, bytes),
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
            Stream::Tls(stream) => stream.poll_write_vectored(cx, slices),
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
            Stream::Tls(stream) => stream.poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}
