//! SORT and SORT_RO: the elements of a list, a set or a sorted set in an order, or by what other keys hold.
//!
//! `sort/options` is their grammar, `sort/pattern` finds other keys. Elements are copied out first, so that a walk over other
//! keys holds no handle; with patterns all shards are held, as nobody knows the keys beforehand.

mod options;
mod pattern;

use std::cmp::Ordering;

use options::Options;

use crate::base::hash::Key;
use crate::base::score;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::keyspace::{FreshList, Items, ListRef, SortedRef};
use crate::storage::packed::Type;
use crate::storage::{Collection, Entry, WrongType};
use crate::table::KeyFlag::{Access, OW, RO, Update};
use crate::table::arg::{block, integer, key, one_of, pattern, token};
use crate::table::{Category, Flag, Group, Locking, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        sort,
        Spec {
            name: "sort",
            group: Group::Generic,
            since: "1.0.0",
            summary: "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.",
            complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).",
            args: &[
                key("key", &[RO, Access]),
                pattern("by-pattern").token("BY").optional(),
                block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
                pattern("get-pattern").token("GET").optional().multiple_token(),
                one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
                token("sorting", "ALPHA").optional(),
                key("destination", &[OW, Update]).token("STORE").optional(),
            ],
            flags: &[Flag::Write, Flag::DenyOom, Flag::MovableKeys],
            acl: &[Category::Set, Category::SortedSet, Category::List, Category::Dangerous],
            reply: "an array of elements, or of what GET finds for each; with STORE how many were stored",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        sort_ro,
        Spec {
            name: "sort_ro",
            group: Group::Generic,
            since: "7.0.0",
            summary: "Returns the sorted elements of a list, a set, or a sorted set.",
            complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).",
            args: &[
                key("key", &[RO, Access]),
                pattern("by-pattern").token("BY").optional(),
                block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
                pattern("get-pattern").token("GET").optional().multiple_token(),
                one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
                token("sorting", "ALPHA").optional(),
            ],
            flags: &[Flag::Readonly, Flag::MovableKeys],
            acl: &[Category::Set, Category::SortedSet, Category::List, Category::Dangerous],
            reply: "an array of elements, or of what GET finds for each",
            locking: Locking::All,
            ..Spec::EMPTY
        },
    ),
];

fn sort(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let may_read_all = ctx.may_read_all("sort", args);
    let key = ctx.key(args)?;
    let options = Options::read(args, true, may_read_all)?;
    run(ctx, &key, &options)
}

fn sort_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let may_read_all = ctx.may_read_all("sort_ro", args);
    let key = ctx.key(args)?;
    let options = Options::read(args, false, may_read_all)?;
    run(ctx, &key, &options)
}

fn run(ctx: &mut Ctx<'_>, key: &Key<'_>, options: &Options<'_>) -> Result<(), CommandError> {
    let target = options.store.map(|name| ctx.keys.key(name));
    if options.reads_others() {
        ctx.keys.hold_all()?;
    } else if let Some(target) = &target {
        ctx.keys.hold([key.hash, target.hash].into_iter())?;
    }
    let elements = sorted(ctx, key, options)?;
    match target {
        None => answer(ctx, options, &elements),
        Some(target) => store(ctx, options, &elements, &target),
    }
}

/// The elements to be shown, in their order.
fn sorted(ctx: &mut Ctx<'_>, key: &Key<'_>, options: &Options<'_>) -> Result<Vec<Vec<u8>>, CommandError> {
    let Some(Elements { mut all, has_order, is_ranked }) = elements(ctx, key)? else { return Ok(Vec::new()) };
    // Of what has no order a script and a stored list get one all the same, as in Redis.
    let must_order = !has_order && (options.store.is_some() || ctx.in_script.is_some());
    if options.by.is_constant() && !must_order {
        if is_ranked && options.is_descending {
            all.reverse();
        }
    } else if options.by.is_constant() {
        order(&mut all, options, |element| element.clone(), Ord::cmp);
    } else if options.is_alphabetic {
        let weights = |element: &Vec<u8>| options.by.find(ctx, element);
        order(&mut all, options, weights, Ord::cmp);
    } else {
        let mut is_number = true;
        let weights = |element: &Vec<u8>| {
            let weight = options.by.find(ctx, element).map_or(Some(0.0), |text| number(&text));
            is_number &= weight.is_some();
            (weight.unwrap_or(0.0), element.clone())
        };
        order(&mut all, options, weights, |one, other| {
            one.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal).then_with(|| one.1.cmp(&other.1))
        });
        if !is_number {
            return Err(CommandError::err("One or more scores can't be converted into double"));
        }
    }
    let range = options.range(all.len());
    all.truncate(range.end);
    all.drain(..range.start);
    Ok(all)
}

/// Puts elements in the order of what `weigh` says of each. Cost: that for each, once.
fn order<W>(
    all: &mut [Vec<u8>],
    options: &Options<'_>,
    weigh: impl FnMut(&Vec<u8>) -> W,
    compare: impl Fn(&W, &W) -> Ordering,
) {
    let mut weighed: Vec<(W, usize)> = all.iter().map(weigh).zip(0..).collect();
    let direction = |ordering: Ordering| if options.is_descending { ordering.reverse() } else { ordering };
    weighed.sort_by(|(one, _), (other, _)| direction(compare(one, other)));
    let ordered: Vec<Vec<u8>> = weighed.iter().map(|(_, at)| std::mem::take(&mut all[*at])).collect();
    all.iter_mut().zip(ordered).for_each(|(place, element)| *place = element);
}

/// What a key holds that can be sorted.
struct Elements {
    all: Vec<Vec<u8>>,
    /// Whether they came in an order that means something.
    has_order: bool,
    /// Whether DESC turns that where BY gives no other.
    is_ranked: bool,
}

fn elements(ctx: &mut Ctx<'_>, key: &Key<'_>) -> Result<Option<Elements>, CommandError> {
    let mut view = ctx.keys.view(key);
    if !view.exists(key) {
        return Ok(None);
    }
    Ok(view.entry(key).map(|entry| elements_of(&entry)).transpose()?)
}

fn elements_of(entry: &Entry<'_>) -> Result<Elements, WrongType> {
    if let Some(list) = ListRef::of(entry) {
        let mut digits = itoa::Buffer::new();
        let all = list.iter_from(0).map(|element| element.text(&mut digits).to_vec()).collect();
        return Ok(Elements { all, has_order: true, is_ranked: true });
    }
    if let Some(set) = SortedRef::of(entry) {
        let mut all = Vec::with_capacity(set.len());
        set.each_of(0..set.len(), false, |member, _| all.push(member.to_vec()));
        return Ok(Elements { all, has_order: true, is_ranked: true });
    }
    let items = Collection::of(entry).map(Items::of).filter(|items| items.of_type() == Type::Set);
    let items = items.ok_or(WrongType)?;
    let mut all = Vec::with_capacity(items.len());
    items.each(|member, _| all.push(member.to_vec()));
    Ok(Elements { all, has_order: false, is_ranked: false })
}

/// A weight as a number. As C's `strtod` reads it: white space before it is skipped, and nothing at all is 0.
fn number(text: &[u8]) -> Option<f64> {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let blanks = text[..end].iter().take_while(is_blank).count();
    if end == 0 { Some(0.0) } else { score::parse(&text[blanks..end]) }
}

/// What GET finds for each element, one after the other; the elements themselves without GET.
fn each_shown(
    ctx: &mut Ctx<'_>,
    options: &Options<'_>,
    elements: &[Vec<u8>],
    mut show: impl FnMut(&mut Ctx<'_>, Option<&[u8]>),
) {
    for element in elements {
        if options.gets.is_empty() {
            show(ctx, Some(element));
        }
        for get in &options.gets {
            let found = get.find(ctx, element);
            show(ctx, found.as_deref());
        }
    }
}

fn answer(ctx: &mut Ctx<'_>, options: &Options<'_>, elements: &[Vec<u8>]) -> Result<(), CommandError> {
    ctx.reply.array(elements.len() * options.gets.len().max(1));
    each_shown(ctx, options, elements, |ctx, found| match found {
        Some(text) => ctx.reply.bulk(text),
        None => ctx.reply.null(),
    });
    Ok(())
}

fn store(
    ctx: &mut Ctx<'_>,
    options: &Options<'_>,
    elements: &[Vec<u8>],
    target: &Key<'_>,
) -> Result<(), CommandError> {
    let mut list = FreshList::default();
    each_shown(ctx, options, elements, |_, found| list.push(found.unwrap_or(b"")));
    ctx.keys.view(target).store_list(target, list, "sortstore");
    ctx.reply.int((elements.len() * options.gets.len().max(1)) as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_is_read_as_c_reads_it() {
        for (text, weight) in [
            (&b""[..], Some(0.0)),
            (b"1.5", Some(1.5)),
            (b" \t\n7", Some(7.0)),
            (b"0x10", Some(16.0)),
            (b"inf", Some(f64::INFINITY)),
            (b"3\0x", Some(3.0)),
            (b"\0", Some(0.0)),
            (b" ", None),
            (b"7 ", None),
            (b"nan", None),
            (b"x", None),
        ] {
            assert_eq!(number(text), weight, "{text:?}");
        }
    }
}
