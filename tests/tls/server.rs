//! A server with a port for TLS beside a plain one.

use std::net::SocketAddr;

use onefill::config::{ClientCertificates, Settings, TlsSettings};
use socket2::{Domain, Protocol, Socket, Type};

use super::pki::{Pki, Signed};
use super::support::TestServer;

/// A free port, kept from others as long as this lives: a server may bind it nevertheless, as nobody listens here.
pub struct Reserved {
    _socket: Socket,
    pub port: u16,
}

impl Reserved {
    pub fn new() -> Reserved {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        socket.set_reuse_address(true).expect("an option");
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&any.into()).expect("a port");
        let addr = socket.local_addr().expect("an address").as_socket().expect("of IP");
        Reserved { _socket: socket, port: addr.port() }
    }
}

pub struct Server {
    pub plain: TestServer,
    pub addr: SocketAddr,
    _ports: [Reserved; 2],
}

impl Server {
    /// With a certificate of this CA, open to clients without one.
    pub fn start(pki: &Pki) -> Server {
        Server::start_with(pki, &pki.server(), |_| {})
    }

    pub fn start_with(pki: &Pki, signed: &Signed, change: impl FnOnce(&mut Settings)) -> Server {
        let ports = [Reserved::new(), Reserved::new()];
        let plain = TestServer::start_with(|settings| {
            settings.port = ports[0].port;
            settings.tls = TlsSettings {
                port: ports[1].port,
                cert_file: Some(signed.cert_file.clone().into()),
                key_file: Some(signed.key_file.clone().into()),
                ca_cert_file: Some(pki.ca_file.clone().into()),
                auth_clients: ClientCertificates::No,
                ..TlsSettings::default()
            };
            change(settings);
        });
        let addr = ([127, 0, 0, 1], ports[1].port).into();
        Server { plain, addr, _ports: ports }
    }

    /// A number of INFO.
    pub fn figure(&self, name: &str) -> u64 {
        let text = self.fact(name);
        text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}"))
    }

    /// A field of INFO.
    pub fn fact(&self, name: &str) -> String {
        let info = self.plain.control().say("INFO everything");
        let field = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        field.unwrap_or_else(|| panic!("INFO has no {name}")).trim().to_owned()
    }

    /// Lets in whoever comes to look at what is left.
    pub fn open_up(&self) {
        let words = ["CONFIG", "SET", "requirepass", "", "maxclients", "100"];
        assert_eq!(self.plain.control().call(&words).text(), "OK");
    }

    #[track_caller]
    pub fn expect_ok(&self, line: &str) {
        assert_eq!(self.plain.control().say(line), "OK", "{line}");
    }
}
