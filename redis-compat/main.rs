//! Onefill beside a real redis-server, beside Redis's tools and beside client libraries. README.md says how to run
//! this and how to write a case.

mod acl_matrix;
mod cases;
mod clients;
mod command_docs;
mod compare;
mod cts;
mod dumps;
mod exporter;
mod groups;
mod info;
mod peer;
mod recipes;
mod redis_suite;
mod report;
#[path = "../tests/support/requests.rs"]
mod requests;
mod run;
mod script;
mod tools;
mod wire;
