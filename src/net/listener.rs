//! Listening sockets, TCP and Unix, and what is decided about a connection before a worker sees it.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};

use super::crew::Workers;
use super::stream::Accepted;
use super::tls::Handshakes;
use crate::base::metrics::Counter;
use crate::config::Settings;
use crate::dispatch::operator::Note;
use crate::dispatch::shared::Shared;

/// A bound listening socket.
pub enum Listener {
    Tcp(std::net::TcpListener),
    Tls(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const PROTECTED: &[u8] = b"-DENIED Onefill is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. \
If you want to connect from external computers, set a password with 'requirepass', or turn protected mode off \
with 'CONFIG SET protected-mode no' from the loopback interface or '--protected-mode no' at the start, if the \
server is not reachable from outside.\r\n";

/// Binds every address and path of the settings but those for TLS. An address marked `-` may be missing on this
/// machine. Errors name the address that could not be bound.
pub fn bind_all(settings: &Settings) -> io::Result<Vec<Listener>> {
    let tcp = match settings.is_tls_alone() {
        true => Vec::new(),
        false => bind_hosts(&settings.bind, settings.port, settings.tcp_backlog)?,
    };
    let mut listeners: Vec<Listener> = tcp.into_iter().map(Listener::Tcp).collect();
    if let Some(path) = &settings.unixsocket {
        let listener =
            bind_path(path, settings).map_err(|error| named(&path.display().to_string(), &error))?;
        listeners.push(Listener::Unix(listener, path.clone()));
    }
    Ok(listeners)
}

/// Binds the port for TLS at every address of the settings, if there is one.
pub fn bind_tls(settings: &Settings) -> io::Result<Vec<Listener>> {
    match settings.tls.port {
        0 => Ok(Vec::new()),
        port => {
            let listeners = bind_hosts(&settings.bind, port, settings.tcp_backlog)?;
            Ok(listeners.into_iter().map(Listener::Tls).collect())
        }
    }
}

/// Binds every address; one marked `-` may be missing on this machine. With port 0 the first address draws the port for all.
///
/// # Errors
/// Name the address that could not be bound.
pub fn bind_hosts(
    addresses: &[String],
    mut port: u16,
    backlog: u32,
) -> io::Result<Vec<std::net::TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let (optional, host) = match address.strip_prefix('-') {
            Some(host) => (true, host),
            None => (false, address.as_str()),
        };
        match bind_host(host, port, backlog) {
            Ok(listener) => {
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            Err(error) if optional && is_missing(&error) => {}
            Err(error) => return Err(named(&format!("{host}:{port}"), &error)),
        }
    }
    Ok(listeners)
}

fn named(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {what}: {error}"))
}

/// The machine has no such address, or not this family of addresses.
fn is_missing(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable
        || [libc::EAFNOSUPPORT, libc::ENOPROTOOPT, libc::EPROTONOSUPPORT, libc::EADDRNOTAVAIL]
            .map(Some)
            .contains(&code)
}

fn bind_host(host: &str, port: u16, backlog: u32) -> io::Result<std::net::TcpListener> {
    let host = match host {
        "*" => "0.0.0.0",
        "::*" => "::",
        named => named,
    };
    let unknown = || io::Error::new(io::ErrorKind::InvalidInput, "no such address");
    let address = (host, port).to_socket_addrs()?.next().ok_or_else(unknown)?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

fn bind_path(path: &Path, settings: &Settings) -> io::Result<std::os::unix::net::UnixListener> {
    // A socket left behind by a server that was killed; anything else at this path is left alone.
    if path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path).is_err()
    {
        std::fs::remove_file(path)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    if settings.unixsocketperm != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(settings.unixsocketperm))?;
    }
    Ok(listener)
}

impl Listener {
    /// The bound TCP address.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) | Listener::Tls(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    /// The path of a Unix socket.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Listener::Tcp(_) | Listener::Tls(_) => None,
            Listener::Unix(_, path) => Some(path.clone()),
        }
    }

    /// Where clients connect, for people.
    pub fn describe(&self) -> String {
        match self {
            Listener::Tcp(listener) | Listener::Tls(listener) => {
                listener.local_addr().map_or_else(|_| "?".to_owned(), |addr| addr.to_string())
            }
            Listener::Unix(_, path) => path.display().to_string(),
        }
    }

    /// Registers the socket with the runtime that the caller is in.
    pub fn register(self) -> io::Result<Accepting> {
        Ok(match self {
            Listener::Tcp(listener) => Accepting::Tcp(TcpListener::from_std(listener)?),
            Listener::Tls(listener) => Accepting::Tls(TcpListener::from_std(listener)?),
            Listener::Unix(listener, _) => Accepting::Unix(UnixListener::from_std(listener)?),
        })
    }
}

/// A listening socket on its runtime.
pub enum Accepting {
    Tcp(TcpListener),
    Tls(TcpListener),
    Unix(UnixListener),
}

/// Where accepted sockets go.
#[derive(Clone, Copy)]
struct Doors<'a> {
    workers: &'a Workers,
    handshakes: &'a Handshakes,
}

impl Accepting {
    async fn next(&self) -> io::Result<Accepted> {
        match self {
            Accepting::Tcp(listener) | Accepting::Tls(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Tcp(stream.into_std()?))
            }
            Accepting::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Unix(stream.into_std()?))
            }
        }
    }

    /// Accepts for ever and hands sockets out; dropping the future stops accepting.
    pub async fn accept(self, shared: &Shared, workers: &Workers, handshakes: &Handshakes) {
        let doors = Doors { workers, handshakes };
        let is_tls = matches!(self, Accepting::Tls(_));
        loop {
            match self.next().await {
                Ok(accepted) => admit(accepted, is_tls, shared, doors),
                Err(error) => pause_after(&error, shared).await,
            }
        }
    }
}

/// Out of file descriptors, most likely: waiting a little beats spinning.
async fn pause_after(error: &io::Error, shared: &Shared) {
    if let Some(left_out) = shared.operator.may_note(Note::Accept, shared.clock.now().mono_ms) {
        tracing::warn!(left_out, "accepting a connection failed: {error}");
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
}

fn admit(accepted: Accepted, is_tls: bool, shared: &Shared, doors: Doors<'_>) {
    let Doors { workers, handshakes } = doors;
    let settings = shared.settings.load();
    let connections = workers.connections() + handshakes.in_progress();
    let refusal = if connections >= settings.maxclients as usize {
        Some(TOO_MANY)
    } else if settings.protected_mode && shared.users.load().default_user().is_open() && !is_local(&accepted)
    {
        Some(PROTECTED)
    } else {
        None
    };
    if refusal.is_some() {
        shared.figures.background().add(Counter::ConnectionsRejected, 1);
    } else if let Accepted::Tcp(stream) = &accepted {
        set_options(stream, settings.tcp_keepalive_s);
    }
    match (accepted, refusal) {
        (Accepted::Tcp(socket), refusal) if is_tls => handshakes.take(socket, refusal),
        (accepted, None) => workers.hand_out(accepted),
        // As Redis does: one try, no waiting for the client to read.
        (Accepted::Tcp(mut stream), Some(refusal)) => drop(stream.write_all(refusal)),
        (Accepted::Unix(mut stream), Some(refusal)) => drop(stream.write_all(refusal)),
        // Comes from a handshake, not from here.
        (Accepted::Tls(_), Some(_)) => {}
    }
}

fn set_options(stream: &std::net::TcpStream, keepalive_s: u32) {
    let socket = SockRef::from(stream);
    let quick = socket.set_tcp_nodelay(true);
    let alive = if keepalive_s > 0 { socket.set_tcp_keepalive(&keepalive(keepalive_s)) } else { Ok(()) };
    if let Err(error) = quick.and(alive) {
        tracing::debug!("socket options: {error}");
    }
}

/// Redis's proportions: first probe after the period, then at thirds of it, dead after three.
fn keepalive(period_s: u32) -> TcpKeepalive {
    let third = Duration::from_secs(u64::from((period_s / 3).max(1)));
    TcpKeepalive::new().with_time(Duration::from_secs(period_s.into())).with_interval(third).with_retries(3)
}

fn is_local(accepted: &Accepted) -> bool {
    match accepted.tcp() {
        Some(stream) => stream.peer_addr().is_ok_and(|peer| match peer.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
        }),
        None => true,
    }
}
