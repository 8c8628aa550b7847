//! L3: from the bytes of a request to its handler's return, and what must follow it.
//!
//! One way for every command: `batch` cuts requests and looks them up, `gate` checks them and runs their handlers under
//! the locks their rows ask for, `leave` and its neighbours carry out what follows. No row and no handler stands here, and
//! no command is known by its name. No async function, no socket.

pub mod admit;
pub mod answer;
pub mod args;
mod aside;
pub mod batch;
pub mod bench;
pub mod blocked;
pub mod certificate;
pub mod client_line;
pub mod command;
pub mod ctx;
pub mod error;
pub mod events;
pub mod functions;
pub mod gate;
pub mod helped;
pub mod helpers;
pub mod identity;
pub mod invalidate;
pub mod leave;
pub mod limit;
pub mod live;
pub mod messages;
pub mod operator;
pub mod pause;
pub mod rights;
pub mod room;
pub mod rules;
pub mod scripted;
pub mod secrets;
pub mod session;
pub mod shared;
pub mod stage;
pub mod station;
pub mod subscribed;
mod taps;
pub mod tracked;
pub mod users;
pub mod value;
pub mod whole;
