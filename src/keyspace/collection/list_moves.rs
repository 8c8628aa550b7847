//! Elements that go from one list to another.

use super::list::{End, ListMut};
use crate::base::hash::Key;
use crate::keyspace::keys::Keys;
use crate::storage::WrongType;
use crate::storage::list::{Moved, Value};

impl Keys<'_> {
    /// Moves an element from the end of one list of a database to an end of another or of the same; `None` without a list to
    /// take it from. As in Redis, it is in the other list first and told of there, and then leaves its own. The shards of both are
    /// held.
    ///
    /// # Errors
    /// Where one of the keys holds something else; then nothing changes.
    pub fn move_element(
        &mut self,
        db: usize,
        (source, from): (&Key<'_>, End),
        (target, to): (&Key<'_>, End),
    ) -> Result<Option<Moved>, WrongType> {
        let moved = last_of(&mut self.view_in(db, source).list_mut(source, from.popped())?, from);
        let Some(moved) = moved else { return Ok(None) };
        let mut view = self.view_in(db, target);
        let mut list = view.list_mut(target, to.pushed())?;
        let element = moved.to_new();
        // Within a list there is none more than before.
        if source.bytes != target.bytes {
            list.brings(1, element.as_slice().len());
        }
        list.push(to, &element);
        drop(list);
        drop(view);
        self.view_in(db, source).list_mut(source, from.popped())?.remove_from(from, 1);
        Ok(Some(moved))
    }
}

/// The element at an end, for another list.
fn last_of(list: &mut ListMut<'_, '_>, end: End) -> Option<Moved> {
    let list = list.as_ref()?;
    let element = match end {
        End::Front => list.get(0),
        End::Back => list.get(list.len() - 1),
    };
    element.map(Value::to_moved)
}
