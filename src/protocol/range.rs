//! Where a word of a request lies.

/// Where one argument lies in the read buffer: absolute offsets into the `buf` given to
/// `Parser::next`, good until the buffer's bytes move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ArgRange {
    pub start: usize,
    pub len: usize,
}

impl ArgRange {
    /// The argument's bytes. Panics if `buf` isn't the buffer that the range was cut from.
    #[inline]
    pub fn of<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        &buf[self.start..self.start + self.len]
    }
}
