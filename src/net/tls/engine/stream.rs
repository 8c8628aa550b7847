//! One TLS connection over its socket: handshake, bytes in, bytes out, the end.
//!
//! rustls keeps bytes on both sides, so two things differ from a plain socket. What was written may still lie here:
//! `poll_flush` sends it and waits for the socket. And what is to be read may have been decrypted already: `poll_read`
//! looks there before it waits for the socket.

use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use rustls::{AlertDescription, Error, HandshakeKind, ServerConfig, ServerConnection};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::super::failure::Failure;
use super::certificate::names;
use super::context::explain;
use crate::base::limits::READ_BYTES;
use crate::config::CertificateUser;

/// The type of the first record of a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
/// Bytes that rustls holds for a connection that is idle, and what stands around them; measured.
const HELD_BYTES: usize = 9 * 1024;

/// A client's TLS connection.
pub struct TlsStream {
    socket: TcpStream,
    tls: ServerConnection,
    /// The first byte that came.
    first: Option<u8>,
}

/// A connection after its handshake, on its way to a worker.
pub struct Shaken {
    pub socket: std::net::TcpStream,
    tls: ServerConnection,
    /// The names in the client's certificate that may be a user's. `None` without a certificate, or if none is asked for.
    pub names: Option<Vec<Box<[u8]>>>,
}

impl Shaken {
    /// Registers the socket with the calling thread's runtime.
    pub fn register(self) -> io::Result<TlsStream> {
        Ok(TlsStream { socket: TcpStream::from_std(self.socket)?, tls: self.tls, first: Some(HANDSHAKE) })
    }
}

impl TlsStream {
    /// Before the handshake. The socket is registered with the calling thread's runtime.
    pub fn open(socket: std::net::TcpStream, context: &Arc<ServerConfig>) -> io::Result<TlsStream> {
        let tls = ServerConnection::new(context.clone()).map_err(io::Error::other)?;
        Ok(TlsStream { socket: TcpStream::from_std(socket)?, tls, first: None })
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether the peer has sent anything.
    pub fn has_heard(&self) -> bool {
        self.first.is_some()
    }

    /// Whether the handshake stood on a session of before.
    pub fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Bytes that it takes beside the socket.
    pub fn held_bytes(&self) -> usize {
        HELD_BYTES
    }

    /// Takes the connection off this thread's runtime, once its handshake is over.
    pub fn into_shaken(self, which: CertificateUser) -> io::Result<Shaken> {
        let certificate = self.tls.peer_certificates().and_then(<[_]>::first);
        let names = certificate.filter(|_| which != CertificateUser::Off).map(|der| names(der, which));
        Ok(Shaken { socket: self.socket.into_std()?, tls: self.tls, names })
    }

    /// Goes on with the handshake, until it is over and all of it is sent.
    pub fn poll_handshake(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Failure>> {
        while self.tls.is_handshaking() {
            ready!(self.poll_flush(cx)).map_err(Failure::Socket)?;
            match ready!(self.poll_receive(cx)).map_err(Failure::Socket)? {
                0 => return Poll::Ready(Err(Failure::Left)),
                _ if self.first != Some(HANDSHAKE) => return Poll::Ready(Err(Failure::PlainText)),
                _ => {}
            }
            if let Err(error) = self.tls.process_new_packets() {
                self.send_alert(cx);
                return Poll::Ready(Err(Failure::Refused(why(&error))));
            }
        }
        self.poll_flush(cx).map_err(Failure::Socket)
    }

    /// Reads what there is, at most about `READ_BYTES`. Nothing is read at the stream's end, whether or not the peer
    /// said that it is one: a request that is cut off is never run.
    pub fn poll_read(&mut self, cx: &mut TaskContext<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let begin = buffer.filled().len();
        loop {
            let is_over = self.take_decrypted(buffer)?;
            let read = buffer.filled().len() - begin;
            if is_over || read >= READ_BYTES || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            match self.poll_decrypt(cx) {
                Poll::Ready(Ok(())) => {}
                // What was read before comes first; an error will be met again.
                _ if read > 0 => return Poll::Ready(Ok(())),
                other => return other,
            }
        }
    }

    /// Moves what is decrypted into `buffer`, as far as there is room. True at the stream's end.
    fn take_decrypted(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
        let mut reader = self.tls.reader();
        while buffer.remaining() > 0 {
            let chunk = match reader.fill_buf() {
                Ok([]) => return Ok(true),
                Ok(chunk) => chunk,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(true),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            let taken = chunk.len().min(buffer.remaining());
            buffer.put_slice(&chunk[..taken]);
            reader.consume(taken);
        }
        Ok(false)
    }

    /// Reads from the socket once and decrypts that.
    fn poll_decrypt(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_receive(cx))?;
        if let Err(error) = self.tls.process_new_packets() {
            self.send_alert(cx);
            return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, error)));
        }
        // What TLS has to say of itself leaves with the next replies, if not now.
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }

    /// Reads from the socket once. Ready with the bytes read, 0 at its end.
    fn poll_receive(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<usize>> {
        let mut socket = Socket { socket: &mut self.socket, first: &mut self.first, cx };
        to_poll(self.tls.read_tls(&mut socket))
    }

    /// The peer is to know why; whether it hears is its own affair.
    fn send_alert(&mut self, cx: &mut TaskContext<'_>) {
        let _ = self.poll_flush(cx);
    }

    /// Takes bytes to send, once what it took before is with the socket.
    pub fn poll_write(&mut self, cx: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let taken = self.tls.writer().write(bytes)?;
        self.begin_flush(cx)?;
        Poll::Ready(Ok(taken))
    }

    pub fn poll_write_vectored(
        &mut self,
        cx: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let taken = self.tls.writer().write_vectored(slices)?;
        self.begin_flush(cx)?;
        Poll::Ready(Ok(taken))
    }

    /// Sends what the socket takes; `poll_flush` waits for the rest.
    fn begin_flush(&mut self, cx: &mut TaskContext<'_>) -> io::Result<()> {
        match self.poll_flush(cx) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(()),
        }
    }

    /// Ready when all that was taken is with the socket.
    pub fn poll_flush(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            let mut socket = Socket { socket: &mut self.socket, first: &mut self.first, cx };
            if ready!(to_poll(self.tls.write_tls(&mut socket)))? == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the socket takes bytes, beyond those that lie here.
    pub fn poll_write_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.socket.poll_write_ready(cx)
    }

    /// Says that nothing will follow, as far as the socket takes it now: clients of OpenSSL 3 take a bare end for a fault.
    pub fn say_goodbye(&mut self) {
        self.tls.send_close_notify();
        let socket = SockRef::from(&self.socket);
        while self.tls.wants_write() && matches!(self.tls.write_tls(&mut &*socket), Ok(1..)) {}
    }
}

/// What to say of an error of the handshake.
fn why(error: &Error) -> String {
    match error {
        Error::AlertReceived(AlertDescription::UnknownCA | AlertDescription::BadCertificate) => {
            format!("the client does not trust our certificate ({error})")
        }
        Error::NoCertificatesPresented => "the client shows no certificate (tls-auth-clients)".to_owned(),
        Error::InvalidCertificate(_) => format!("the client's certificate: {}", explain(error)),
        error => error.to_string(),
    }
}

/// The socket as rustls reads and writes: what is not ready is `WouldBlock`, and the task is woken when it is.
struct Socket<'a, 'b> {
    socket: &'a mut TcpStream,
    first: &'a mut Option<u8>,
    cx: &'a mut TaskContext<'b>,
}

impl Read for Socket<'_, '_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        from_poll(Pin::new(&mut *self.socket).poll_read(self.cx, &mut buffer))?;
        let read = buffer.filled();
        *self.first = self.first.or(read.first().copied());
        Ok(read.len())
    }
}

impl Write for Socket<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        from_poll(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        from_poll(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn from_poll<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(done) => done,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

fn to_poll<T>(done: io::Result<T>) -> Poll<io::Result<T>> {
    match done {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}
