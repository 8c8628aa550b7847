//! Values on their way into an entry, as they lie in one, and on their way out.

use bytes::Bytes;

use super::outside::{Large, Outside, Stored};
use super::packed::{Form, Type};
use crate::base::limits::SHARED_VALUE_BYTES_MIN;

/// A value on its way into an entry. Built before any lock is taken, so that large copies happen outside.
#[derive(Clone, Debug)]
pub enum NewValue<'a> {
    Small(&'a [u8]),
    Shared(Bytes),
}

/// An entry's value, of whatever type, taken out or copied for another one.
#[derive(Debug)]
pub enum Taken {
    Small(Box<[u8]>),
    Outside(Outside),
}

impl Taken {
    /// A large collection.
    #[must_use]
    pub fn collection(large: Box<dyn Large>) -> Taken {
        Taken::Outside(Outside::Collection(large))
    }

    /// A string.
    #[must_use]
    pub fn string(bytes: Vec<u8>) -> Taken {
        if bytes.len() < SHARED_VALUE_BYTES_MIN {
            Taken::Small(bytes.into())
        } else {
            Taken::Outside(Outside::Bytes(Stored::new(bytes.into())))
        }
    }
}

/// What is put into an entry's value place.
#[derive(Debug)]
pub enum NewContent<'a> {
    Inline(&'a [u8]),
    Outside(Outside),
}

impl<'a> NewValue<'a> {
    /// Borrows a small value, copies a large one into a shared block.
    #[must_use]
    pub fn copied(bytes: &'a [u8]) -> NewValue<'a> {
        if bytes.len() < SHARED_VALUE_BYTES_MIN {
            NewValue::Small(bytes)
        } else {
            NewValue::Shared(Bytes::copy_from_slice(bytes))
        }
    }

    /// Keeps a large shared value shared.
    #[must_use]
    pub fn from_shared(bytes: &'a Bytes) -> NewValue<'a> {
        if bytes.len() < SHARED_VALUE_BYTES_MIN {
            NewValue::Small(bytes)
        } else {
            NewValue::Shared(bytes.clone())
        }
    }

    /// A handle that outlives the request: copies a small value, shares a large one.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            NewValue::Small(bytes) => Bytes::copy_from_slice(bytes),
            NewValue::Shared(bytes) => bytes.clone(),
        }
    }

    /// The value's bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            NewValue::Small(bytes) => bytes,
            NewValue::Shared(bytes) => bytes,
        }
    }

    /// The value as it will lie.
    #[inline]
    #[must_use]
    pub fn to_content(&self) -> NewContent<'_> {
        match self {
            NewValue::Small(bytes) => NewContent::Inline(bytes),
            NewValue::Shared(bytes) => NewContent::Outside(Outside::Bytes(Stored::new(bytes.clone()))),
        }
    }
}

/// A value as it lies in its entry.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    Inline(&'a [u8]),
    Shared(&'a Stored),
}

impl<'a> ValueRef<'a> {
    #[must_use]
    pub fn as_slice(self) -> &'a [u8] {
        match self {
            ValueRef::Inline(bytes) => bytes,
            ValueRef::Shared(bytes) => bytes,
        }
    }

    #[must_use]
    pub fn len(self) -> usize {
        self.as_slice().len()
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A handle that outlives the lock: copies a small value, shares a large one.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        match self {
            ValueRef::Inline(bytes) => Bytes::copy_from_slice(bytes),
            ValueRef::Shared(value) => Bytes::clone(value),
        }
    }
}

/// A collection as it lies.
#[derive(Clone, Copy, Debug)]
pub enum Collected<'a> {
    Packed(&'a [u8]),
    Large(&'a dyn Large),
}

impl Collected<'_> {
    /// Of which type it is; `None` for bytes that are none.
    #[inline]
    #[must_use]
    pub fn of_type(self) -> Option<Type> {
        match self {
            Collected::Packed(bytes) => Form::read(bytes).map(Form::of_type),
            Collected::Large(large) => Some(large.of_type()),
        }
    }

    /// Whether its name (OBJECT ENCODING) is that of a large form.
    #[must_use]
    pub fn is_named(self) -> bool {
        match self {
            Collected::Packed(bytes) => Form::read(bytes).is_some_and(Form::is_named),
            Collected::Large(large) => large.is_named(),
        }
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn held_bytes(self) -> usize {
        match self {
            Collected::Packed(bytes) => bytes.len(),
            Collected::Large(large) => large.held_bytes(),
        }
    }
}
