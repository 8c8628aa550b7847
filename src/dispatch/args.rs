//! A cursor over a request's arguments: its reads carry the wire's errors, so a handler reads like the
//! command's grammar.

use bytes::Bytes;

use super::error::CommandError;
use crate::base::hash::Key;
use crate::base::int::parse_i64;
use crate::base::limits::SHARED_VALUE_BYTES_MIN;
use crate::keyspace::Keyspace;
use crate::protocol::range::ArgRange;
use crate::storage::NewValue;

/// The words of one request, borrowed from the read buffer (or from a queued transaction).
#[derive(Clone, Debug)]
pub struct Args<'a> {
    buffer: &'a [u8],
    words: &'a [ArgRange],
    next: usize,
    /// The hash of the word at a position, worked out when the batch was prefetched.
    hashed: Option<(usize, u64)>,
    /// The positions and hashes of all keys, ascending, where their shards were locked beforehand.
    all_hashed: Vec<(usize, u64)>,
    /// Of those, the keys read so far.
    keys_read: usize,
    /// The buffer once more, where it can be kept: it holds this one request alone.
    kept: Option<&'a Bytes>,
}

impl<'a> Args<'a> {
    /// All words of a request; the cursor stands behind its name.
    #[must_use]
    pub fn new(buffer: &'a [u8], words: &'a [ArgRange]) -> Args<'a> {
        Args { buffer, words, next: 1, hashed: None, all_hashed: Vec::new(), keys_read: 0, kept: None }
    }

    /// The same words, with the hash of the key at a position known already.
    #[must_use]
    pub fn with_hash(self, position: usize, hash: u64) -> Args<'a> {
        Args { hashed: Some((position, hash)), ..self }
    }

    /// Sets the hash of the key at a position.
    pub fn set_hash(&mut self, position: usize, hash: u64) {
        self.hashed = Some((position, hash));
    }

    /// Sets the positions and hashes of all keys, ascending.
    pub fn set_hashes(&mut self, hashes: Vec<(usize, u64)>) {
        self.all_hashed = hashes;
    }

    /// The hash of the key at a position, if it is known already.
    #[inline]
    #[must_use]
    pub fn known_hash(&self, position: usize) -> Option<u64> {
        self.hashed.filter(|(at, _)| *at == position).map(|(_, hash)| hash)
    }

    /// The same words, whose buffer may be kept beyond the request.
    #[must_use]
    pub fn with_kept(self, kept: Option<&'a Bytes>) -> Args<'a> {
        Args { kept, ..self }
    }

    /// A word by its position, the name being 0.
    #[must_use]
    pub fn word(&self, at: usize) -> &'a [u8] {
        self.words.get(at).map_or(&[], |word| word.of(self.buffer))
    }

    /// Words in the whole request.
    #[must_use]
    pub fn words(&self) -> usize {
        self.words.len()
    }

    /// Words not yet read.
    #[must_use]
    pub fn left(&self) -> usize {
        self.words.len() - self.next.min(self.words.len())
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left() == 0
    }

    /// The position of the next word.
    #[must_use]
    pub fn position(&self) -> usize {
        self.next
    }

    /// The next word, or a syntax error.
    #[inline]
    pub fn take(&mut self) -> Result<&'a [u8], CommandError> {
        self.try_take().ok_or(CommandError::Syntax)
    }

    /// The next word as a value to store. Cost: a large one is copied, unless it is most of a request that
    /// can be kept as it is.
    pub fn value(&mut self) -> Result<NewValue<'a>, CommandError> {
        let word = self.take()?;
        Ok(match self.kept {
            Some(kept) if word.len() >= SHARED_VALUE_BYTES_MIN && word.len() >= kept.len() / 8 * 7 => {
                NewValue::Shared(kept.slice_ref(word))
            }
            _ => NewValue::copied(word),
        })
    }

    /// The next word, if there is one.
    #[inline]
    pub fn try_take(&mut self) -> Option<&'a [u8]> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word.of(self.buffer))
    }

    /// The next word without reading it.
    #[must_use]
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.words.get(self.next).map(|word| word.of(self.buffer))
    }

    /// Reads the next word if it is this one, in any case.
    pub fn skip(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes()));
        self.next += usize::from(found);
        found
    }

    /// The next word as a signed 64-bit integer.
    pub fn integer(&mut self) -> Result<i64, CommandError> {
        parse_i64(self.take()?).ok_or(CommandError::NotAnInteger)
    }

    /// The next word as a number of things, 0 allowed.
    pub fn amount(&mut self) -> Result<usize, CommandError> {
        let number = parse_i64(self.take()?).and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| CommandError::err("value is out of range, must be positive"))
    }

    /// The next word as a number of things, not 0; `refusal` says what is wrong with any other word.
    pub fn count(&mut self, refusal: &str) -> Result<usize, CommandError> {
        let number = parse_i64(self.take()?).filter(|number| *number > 0);
        let number = number.and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| CommandError::err(refusal))
    }

    /// The next word as a key.
    #[inline]
    pub fn key(&mut self, keyspace: &Keyspace) -> Result<Key<'a>, CommandError> {
        let known = match self.all_hashed.get(self.keys_read) {
            Some((position, hash)) if *position == self.next => Some(*hash),
            _ => self.known_hash(self.next),
        };
        self.keys_read += 1;
        let bytes = self.take()?;
        Ok(Key { bytes, hash: known.unwrap_or_else(|| keyspace.hash(bytes)) })
    }

    /// All remaining words as keys.
    pub fn keys(&mut self, keyspace: &Keyspace) -> Vec<Key<'a>> {
        let mut keys = Vec::with_capacity(self.left());
        while let Ok(key) = self.key(keyspace) {
            keys.push(key);
        }
        keys
    }

    /// A syntax error unless everything was read.
    pub fn finish(&self) -> Result<(), CommandError> {
        if self.is_done() { Ok(()) } else { Err(CommandError::Syntax) }
    }

    /// Moves the cursor to a position.
    pub fn seek(&mut self, position: usize) {
        self.next = position;
    }
}
