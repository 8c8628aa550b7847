//! L4: sockets and threads: the only layer that awaits.
//!
//! One thread and one current-thread runtime per worker; the main thread accepts and hands sockets to
//! the worker with the fewest, those for TLS by way of the threads for handshakes. A connection stays on its worker. Commands are run synchronously, so no
//! lock is ever held over an await.

mod bounds;
mod connection;
mod crew;
mod housekeeping;
mod listener;
mod outflow;
mod partial;
mod post;
mod put_off;
mod reply_queue;
mod runs;
mod stream;
mod tls;
mod turns;
mod worker;

pub use crew::{Crew, WorkerHandle, Workers};
pub use housekeeping::keep_house;
pub use listener::{Accepting, Listener, bind_all, bind_hosts};
pub use reply_queue::ReplyQueue;
pub use stream::Accepted;
pub use tls::{Handshakes, Tls, TlsPort, accept_tls};
