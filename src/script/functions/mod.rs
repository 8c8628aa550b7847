//! Functions: the libraries that a server has, and the machines that run what those register.
//!
//! A library is a text that registers functions when it is loaded; each function is called by its name. The set of libraries
//! is one snapshot for the whole server; every worker loads what it lacks when it is called for.

mod dump;
mod flags;
mod header;
mod libraries;
mod library;
mod vm;

pub use dump::{dump, texts_of};
pub use flags::FunctionFlags;
pub use header::name_of;
pub use libraries::{Functions, Libraries, Policy};
pub use library::{Function, Library};
pub use vm::FunctionVm;
