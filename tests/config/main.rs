//! The table of settings, its files and flags, and the pages made from it.

mod docs;
mod file;
mod print;
mod reference;
mod rewrite;
mod table;
