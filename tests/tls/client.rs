//! A blocking client that speaks RESP through TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::pki::{Pki, Signed};
use super::support::PATIENCE;
use super::support::conn::request;
use super::support::resp::{Value, decode};

/// How a client goes about it.
pub struct Terms<'a> {
    pub pki: &'a Pki,
    pub certificate: Option<&'a Signed>,
    pub versions: &'a [&'static SupportedProtocolVersion],
    pub provider: CryptoProvider,
}

impl<'a> Terms<'a> {
    pub fn of(pki: &'a Pki) -> Terms<'a> {
        let provider = aws_lc_rs::default_provider();
        Terms { pki, certificate: None, versions: rustls::ALL_VERSIONS, provider }
    }

    pub fn with(pki: &'a Pki, certificate: &'a Signed) -> Terms<'a> {
        Terms { certificate: Some(certificate), ..Terms::of(pki) }
    }

    pub fn config(self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.pki.ca.clone()).expect("a CA");
        let builder = ClientConfig::builder_with_provider(Arc::new(self.provider))
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match self.certificate {
            Some(signed) => {
                builder.with_client_auth_cert(vec![signed.cert.clone()], signed.key()).expect("a key")
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::in_memory_sessions(16);
        Arc::new(config)
    }
}

/// A connection after its handshake.
pub struct Secure {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    received: Vec<u8>,
}

impl Secure {
    /// Connects and asks for a first reply: with TLS 1.3 a client hears only then that its certificate was refused.
    pub fn connect(addr: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Secure> {
        let mut client = Secure::open(addr, config)?;
        client.send_raw(&request(&["PING"]))?;
        match client.next_reply()? {
            Value::Status(text) if text == "PONG" => Ok(client),
            Value::Error(text) => Err(io::Error::other(text)),
            other => panic!("PING is answered {other:?}"),
        }
    }

    pub fn open(addr: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Secure> {
        let socket = TcpStream::connect(addr)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(client, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Secure { stream, received: Vec::new() })
    }

    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    pub fn next_reply(&mut self) -> io::Result<Value> {
        loop {
            if let Some((value, length)) = decode(&self.received) {
                self.received.drain(..length);
                return Ok(value);
            }
            let mut chunk = vec![0; 64 * 1024];
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.received.extend_from_slice(&chunk[..read]);
        }
    }

    #[track_caller]
    pub fn run(&mut self, line: &str) -> Value {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        self.send_raw(&request(&words)).expect("the server reads");
        self.next_reply().expect("a reply")
    }

    #[track_caller]
    pub fn say(&mut self, line: &str) -> String {
        self.run(line).text()
    }

    /// The server ends the connection and says so: rustls takes a bare end for an error.
    #[track_caller]
    pub fn expect_goodbye(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("a close_notify before the end");
        assert_eq!(rest, b"", "nothing more is said");
    }
}
