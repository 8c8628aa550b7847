//! DEBUG DIGEST: what keys hold as one number of twenty bytes, the same as Redis's of the same keys.
//!
//! What has an order is mixed in one after the other, what has none is xored. A value's form, and how it came to be, don't
//! count; its database, key and type do, and that it has a deadline. Pure but for the walk over an entry.

use sha1_smol::Sha1;

use crate::keyspace::{Items, ListRef};
use crate::storage::packed::Type;
use crate::storage::{Collection, Entry};

/// Redis's numbers of types.
const STRING: u32 = 0;
const LIST: u32 = 1;
const SET: u32 = 2;
const SORTED_SET: u32 = 3;
const HASH: u32 = 4;

/// A digest on its way; all zeros at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Takes in something whose order does not matter.
    fn xor(&mut self, bytes: &[u8]) {
        let sha1 = Sha1::from(bytes).digest().bytes();
        self.0.iter_mut().zip(sha1).for_each(|(byte, other)| *byte ^= other);
    }

    /// Takes in something whose order matters.
    fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = Sha1::from(self.0).digest().bytes();
    }

    /// Takes in that what follows is of a database, which is not empty.
    pub fn begin_database(&mut self, number: usize) {
        self.mix(&(number as u32).to_be_bytes());
    }

    /// Takes in a key and what it holds.
    pub fn add_entry(&mut self, entry: &Entry<'_>) {
        let mut digest = Digest::default();
        digest.mix(entry.key());
        digest.add_value(entry);
        self.xor(&digest.0);
    }

    /// What an entry holds. Cost: two hashes per item.
    #[must_use]
    pub fn of_value(entry: &Entry<'_>) -> Digest {
        let mut digest = Digest::default();
        digest.add_value(entry);
        digest
    }

    /// In hexadecimal.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn add_value(&mut self, entry: &Entry<'_>) {
        match (Collection::of(entry), ListRef::of(entry), entry.value()) {
            (Some(collection), ..) => self.add_items(Items::of(collection)),
            (_, Some(list), _) => {
                self.mix(&LIST.to_be_bytes());
                list.iter_from(0).for_each(|element| self.mix(element.text(&mut itoa::Buffer::new())));
            }
            (.., value) => {
                self.mix(&STRING.to_be_bytes());
                self.mix(value.as_ref().map_or(b"", |value| value.as_slice()));
            }
        }
        if entry.expire_at().is_some() {
            self.xor(b"!!expire!!");
        }
    }

    fn add_items(&mut self, items: Items<'_>) {
        let number = match items.of_type() {
            Type::Set => SET,
            Type::Zset => SORTED_SET,
            Type::Hash | Type::List => HASH,
        };
        self.mix(&number.to_be_bytes());
        items.each_until(|name, value, expire_at| {
            if number == SET {
                return name.with(|name| self.xor(name));
            }
            let mut field = Digest::default();
            name.with(|name| field.mix(name));
            value.with(|value| field.mix(value));
            if expire_at.is_some() {
                field.xor(b"!!hexpire!!");
            }
            self.xor(&field.0);
        });
    }
}
