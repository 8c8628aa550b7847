//! The part of TLS that knows rustls.

mod certificate;
mod context;
mod pem;
mod stream;

pub use context::{Built, Context, build};
pub use stream::{Shaken, TlsStream};
