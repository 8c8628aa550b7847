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

/// Words one behind the other, and where each lies: a request that outlives its buffer, or never had one.
#[must_use]
pub fn join<'w>(words: impl ExactSizeIterator<Item = &'w [u8]> + Clone) -> (Vec<u8>, Vec<ArgRange>) {
    let mut buffer = Vec::with_capacity(words.clone().map(<[u8]>::len).sum());
    let mut ranges = Vec::with_capacity(words.len());
    for word in words {
        ranges.push(ArgRange { start: buffer.len(), len: word.len() });
        buffer.extend_from_slice(word);
    }
    (buffer, ranges)
}
