//! In place of `engine`, in a build without TLS: nothing can be configured, so no connection ever is one.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::task::{Context as TaskContext, Poll};

use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use super::failure::Failure;
use crate::config::{CertificateUser, TlsSettings};
use crate::dispatch::live::Unapplied;
use crate::figures::certificates::InUse;

#[derive(Clone)]
pub struct Context(Infallible);

pub struct Built {
    pub context: Context,
    pub certificates: InUse,
}

pub fn build(_: &TlsSettings) -> Result<Built, Unapplied> {
    Err(Unapplied { setting: "tls-port", reason: "this server was built without TLS".to_owned() })
}

pub struct TlsStream(Infallible);

pub struct Shaken {
    pub socket: std::net::TcpStream,
    pub names: Option<Vec<Box<[u8]>>>,
    never: Infallible,
}

impl Shaken {
    pub fn register(self) -> io::Result<TlsStream> {
        match self.never {}
    }
}

impl TlsStream {
    pub fn open(_: std::net::TcpStream, context: &Context) -> io::Result<TlsStream> {
        match context.0 {}
    }

    pub fn socket(&self) -> &TcpStream {
        match self.0 {}
    }

    pub fn has_heard(&self) -> bool {
        match self.0 {}
    }

    pub fn is_resumed(&self) -> bool {
        match self.0 {}
    }

    pub fn held_bytes(&self) -> usize {
        match self.0 {}
    }

    pub fn into_shaken(self, _: CertificateUser) -> io::Result<Shaken> {
        match self.0 {}
    }

    pub fn poll_handshake(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Failure>> {
        match self.0 {}
    }

    pub fn poll_read(&mut self, _: &mut TaskContext<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub fn poll_write(&mut self, _: &mut TaskContext<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    pub fn poll_write_vectored(
        &mut self,
        _: &mut TaskContext<'_>,
        _: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    pub fn poll_flush(&mut self, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub fn poll_write_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub fn say_goodbye(&mut self) {
        match self.0 {}
    }
}
