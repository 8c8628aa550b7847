//! The text of INFO: sections that stand apart, a field a line.

use std::fmt::{Display, Write as _};

/// The text of the reply.
#[derive(Default)]
pub(super) struct Page {
    pub text: String,
}

impl Page {
    /// A section begins.
    pub fn begin(&mut self, section: &str) {
        let gap = if self.text.is_empty() { "" } else { "\r\n" };
        self.line(format_args!("{gap}# {section}"));
    }

    /// A whole line.
    pub fn line(&mut self, text: impl Display) {
        // Writing into a string cannot fail.
        let _ = write!(self.text, "{text}\r\n");
    }

    pub fn field(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name}:{value}"));
    }

    pub fn fields(&mut self, fields: &[(&str, &str)]) {
        fields.iter().for_each(|(name, value)| self.field(name, value));
    }

    /// A number of bytes, and once more for people.
    pub fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(&format!("{name}_human"), human(bytes));
    }

    /// How much larger `more` is than `less`, as a ratio and in bytes.
    pub fn overhead(&mut self, name: &str, more: u64, less: u64) {
        self.field(&format!("{name}_ratio"), format_args!("{:.2}", more as f64 / (less.max(1) as f64)));
        self.field(&format!("{name}_bytes"), more as i64 - less as i64);
    }
}

/// Bytes as Redis shows them to people.
fn human(bytes: u64) -> String {
    let scaled = |shift: u32| bytes as f64 / (1u64 << shift) as f64;
    match bytes.checked_ilog2().unwrap_or(0) {
        0..10 => format!("{bytes}B"),
        10..20 => format!("{:.2}K", scaled(10)),
        20..30 => format!("{:.2}M", scaled(20)),
        30..40 => format!("{:.2}G", scaled(30)),
        _ => format!("{:.2}T", scaled(40)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people_follow_redis() {
        let cases =
            [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (916_416, "894.94K"), (25_276_502_016, "23.54G")];
        for (bytes, expected) in cases {
            assert_eq!(human(bytes), expected);
        }
    }

    #[test]
    fn sections_begin_with_their_name_and_stand_apart() {
        let mut page = Page::default();
        page.begin("One");
        page.field("a", 1);
        page.begin("Two");
        assert_eq!(page.text, "# One\r\na:1\r\n\r\n# Two\r\n");
    }
}
