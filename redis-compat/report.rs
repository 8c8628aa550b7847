//! Lines that are printed also when the test passes.
//!
//! Owns: the way around the test harness's capture of output. Does not know: what is reported.

use std::io::Write;

/// Prints one line to standard error, past the capture that hides the output of passing tests.
pub fn line(text: &str) {
    // A closed standard error is no reason to fail a test.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
