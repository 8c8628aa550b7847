//! Values in the plain types of Redis's format, and back: for DUMP, RESTORE and what DEBUG does with them.
//!
//! `rdb` knows the format and no value; the types of values meet it here alone. Another type needs an arm in `body_of`, and
//! one in `Builder::put`. Nothing is locked while a value is built.

use crate::base::limits::HELPED_LOOK_STEPS;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::{Forms, Fresh, FreshList, Items, Keyspace, LentItems, ListRef, Part, Scores};
use crate::rdb::{
    self, Item, Malformed, write_deadline, write_head, write_head_until, write_score, write_string,
};
use crate::storage::list::LentList;
use crate::storage::packed::Type;
use crate::storage::{Collection, Entry, Full, Kind, NewValue, Taken};

/// What an entry holds. Cost: a copy.
pub fn body_of(entry: &Entry<'_>) -> Vec<u8> {
    match (Collection::of(entry), ListRef::of(entry), entry.value()) {
        (Some(collection), ..) => body_of_items(Items::of(collection)),
        (_, Some(list), _) => body_of_list(list),
        (.., value) => body_of_string(value.as_ref().map_or(b"", |value| value.as_slice())),
    }
}

/// A string. Cost: a copy.
pub fn body_of_string(string: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(string.len());
    write_head(&mut out, rdb::Type::String, 1);
    write_string(&mut out, string);
    out
}

fn body_of_items(items: Items<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let earliest = items.due_at();
    write_items_head(&mut out, items.of_type(), items.shown(), earliest);
    let is_set = items.of_type() == Type::Set;
    items.each_until(|name, value, expire_at| {
        earliest.into_iter().for_each(|earliest| write_deadline(&mut out, expire_at, earliest));
        name.with(|name| write_string(&mut out, name));
        match value {
            Part::Score(score) => write_score(&mut out, score),
            _ if is_set => {}
            value => value.with(|value| write_string(&mut out, value)),
        }
    });
    out
}

/// The beginning of so many items, of which some have deadlines where there is an `earliest`.
fn write_items_head(out: &mut Vec<u8>, of_type: Type, items: usize, earliest: Option<i64>) {
    match (of_type, earliest) {
        (_, Some(earliest)) => write_head_until(out, items, earliest),
        (Type::Set, None) => write_head(out, rdb::Type::Set, items),
        (Type::Zset, None) => write_head(out, rdb::Type::Zset, items),
        (Type::Hash | Type::List, None) => write_head(out, rdb::Type::Hash, items),
    }
}

fn body_of_list(list: ListRef<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_head(&mut out, rdb::Type::List, list.len());
    list.iter_from(0).for_each(|element| write_string(&mut out, element.text(&mut itoa::Buffer::new())));
    out
}

/// The items of a large hash or set. Cost: a copy. `None` where it does not go on, told how many bytes there are.
pub fn body_of_lent(items: LentItems, of_type: Type, goes_on: impl Fn(usize) -> bool) -> Option<Vec<u8>> {
    let (mut out, is_set) = (Vec::new(), of_type == Type::Set);
    let earliest = items.due_at();
    write_items_head(&mut out, of_type, items.len(), earliest);
    let mut seen = 0_usize;
    let is_whole = items.read_until(|name, value, expire_at| {
        earliest.into_iter().for_each(|earliest| write_deadline(&mut out, expire_at, earliest));
        write_string(&mut out, name);
        if !is_set {
            write_string(&mut out, value);
        }
        seen += 1;
        !seen.is_multiple_of(HELPED_LOOK_STEPS) || goes_on(out.capacity())
    });
    is_whole.then_some(out)
}

/// As `body_of_lent`, of a list.
pub fn body_of_lent_list(mut list: LentList, goes_on: impl Fn(usize) -> bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write_head(&mut out, rdb::Type::List, list.len());
    let mut seen = 0_usize;
    let is_whole = list.read(|element| {
        write_string(&mut out, element.text(&mut itoa::Buffer::new()));
        seen += 1;
        !seen.is_multiple_of(HELPED_LOOK_STEPS) || goes_on(out.capacity())
    });
    is_whole.then_some(out)
}

/// The value that `body` is, to be put under a key. Cost: an insertion per item; of a text that came packed some ninety times
/// its bytes.
///
/// # Errors
/// Where it is none, or one with an item that is there twice, or of a type that is not known here; and where it is too large.
pub fn value_of(ctx: &Ctx<'_>, body: &[u8]) -> Result<(Taken, Kind), CommandError> {
    let (keyspace, forms) = (ctx.keys.keyspace, &ctx.keys.scope.rules.forms);
    let mut builder = Builder { keyspace, forms, now_ms: ctx.now().wall_ms, built: None };
    rdb::read(body, ctx.settings.bulk_bytes_max, &mut |item| builder.put(item))?;
    let built = builder.built.and_then(|built| match built {
        Built::String(string) => Some((Taken::string(string), Kind::Value)),
        Built::Items(items) => items.into_taken().map(|taken| (taken, Kind::Collection)),
        Built::Scores(scores) => scores.into_taken().map(|taken| (taken, Kind::Collection)),
        Built::List(list) => list.into_taken(forms).map(|taken| (taken, Kind::Collection)),
    });
    built.ok_or(Refused::Malformed.into())
}

/// A value as it grows.
struct Builder<'a> {
    keyspace: &'a Keyspace,
    forms: &'a Forms,
    now_ms: i64,
    built: Option<Built>,
}

enum Built {
    String(Vec<u8>),
    Items(Fresh),
    Scores(Scores),
    List(FreshList),
}

/// Why there is no value.
enum Refused {
    Malformed,
    Full(Full),
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Refused {
        Refused::Malformed
    }
}

impl From<Full> for Refused {
    fn from(full: Full) -> Refused {
        Refused::Full(full)
    }
}

impl From<Refused> for CommandError {
    fn from(why: Refused) -> CommandError {
        match why {
            Refused::Malformed => CommandError::err("Bad data format"),
            Refused::Full(full) => full.into(),
        }
    }
}

impl Builder<'_> {
    fn put(&mut self, item: Item<'_>) -> Result<(), Refused> {
        match item {
            Item::String(string) => {
                self.built = Some(Built::String(string.into_owned()));
                Ok(())
            }
            Item::Member(member) => self.put_new(Type::Set, member, b"", None),
            Item::Field(field, value, expire_at) => self.put_new(Type::Hash, field, value, expire_at),
            Item::Element(element) => self.push(element),
            Item::Scored(member, score) => self.put_scored(member, score),
        }
    }

    fn push(&mut self, element: &[u8]) -> Result<(), Refused> {
        let built = self.built.get_or_insert_with(|| Built::List(FreshList::default()));
        let Built::List(list) = built else { return Err(Refused::Malformed) };
        list.push(element);
        Ok(())
    }

    /// Puts in an item that must not be there yet.
    fn put_new(
        &mut self,
        of_type: Type,
        name: &[u8],
        value: &[u8],
        expire_at: Option<i64>,
    ) -> Result<(), Refused> {
        let (keyspace, now_ms) = (self.keyspace, self.now_ms);
        let built = self.built.get_or_insert_with(|| Built::Items(keyspace.fresh(of_type).at(now_ms)));
        let Built::Items(items) = built else { return Err(Refused::Malformed) };
        let len = items.len();
        items.put_until(name, &NewValue::copied(value), expire_at, self.forms)?;
        if items.len() > len { Ok(()) } else { Err(Refused::Malformed) }
    }

    /// As `put_new`, a member of a sorted set.
    fn put_scored(&mut self, member: &[u8], score: f64) -> Result<(), Refused> {
        let keyspace = self.keyspace;
        let built = self.built.get_or_insert_with(|| Built::Scores(keyspace.fresh_scores()));
        let Built::Scores(scores) = built else { return Err(Refused::Malformed) };
        let len = scores.len();
        scores.put(member, score, self.forms)?;
        if scores.len() > len { Ok(()) } else { Err(Refused::Malformed) }
    }
}
