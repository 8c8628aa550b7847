//! Requests and replies on the wire, against Redis's own texts and a simple parser.

#[path = "../../fuzz/src/request.rs"]
mod checks;
mod parser;
mod reference;
mod table;
