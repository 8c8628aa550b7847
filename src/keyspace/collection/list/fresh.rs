//! A list that no key has yet, as RESTORE and SORT build one. Its name and form follow at the end from all that it has.

use crate::base::hash::Key;
use crate::keyspace::Forms;
use crate::keyspace::collection::LIST;
use crate::keyspace::view::View;
use crate::storage::list::{List, New};
use crate::storage::packed::listpack;
use crate::storage::{NewValue, Outside, Taken};

/// The elements.
#[derive(Debug, Default)]
pub struct FreshList(List);

impl FreshList {
    /// Puts an element behind the others.
    pub fn push(&mut self, text: &[u8]) {
        self.0.insert(self.0.len(), &New::of(&NewValue::copied(text)));
    }

    /// The value, to be put under a key; `None` without elements. As in Redis it is called `listpack` where all fits one.
    #[must_use]
    pub fn into_taken(self, forms: &Forms) -> Option<Taken> {
        let FreshList(mut list) = self;
        if list.is_empty() {
            return None;
        }
        let name = forms.list_name;
        let bytes = list.listpack_bytes_within(name.bytes().saturating_sub(listpack::FRAME_BYTES));
        if !name.is_large(list.len(), bytes.is_some()) {
            list.set_named(bytes);
        }
        Some(match list.to_packed(forms.list.items, forms.list.bytes) {
            Some(bytes) => Taken::Small(bytes.into()),
            None => Taken::Outside(Outside::Collection(Box::new(list))),
        })
    }
}

impl View<'_> {
    /// Puts a list under a key in place of whatever is there, told as `event`; an empty one removes the key.
    pub fn store_list(&mut self, key: &Key<'_>, list: FreshList, event: &'static str) {
        let taken = list.into_taken(&self.scope.rules.forms);
        self.store_taken(key, taken, LIST, event);
    }
}
