//! Elements found by their text: LPOS, LINSERT, LREM.

use crate::base::hash::Key;
use crate::base::int::parse_i64;
use crate::base::limits::{HELPED_LOOK_STEPS, HELPED_STEPS_MIN};
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::helped::Plan;
use crate::dispatch::helpers::Task;
use crate::keyspace::{End, ListRef};
use crate::storage::list::{LentList, New, Value};
use crate::storage::packed::Element;
use crate::table::KeyFlag::{Access, Delete, Insert, RO, RW};
use crate::table::arg::{integer, key, one_of, string, token};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        linsert,
        Spec {
            name: "linsert",
            group: Group::List,
            since: "2.2.0",
            summary: "Inserts an element before or after another element in a list.",
            complexity: "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end (tail) is O(N).",
            args: &[
                key("key", &[RW, Insert]),
                one_of("where", &[token("before", "BEFORE"), token("after", "AFTER")]),
                string("pivot"),
                string("element"),
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::List],
            reply: "the length of the list; 0 without key, -1 without the pivot",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        lpos,
        Spec {
            name: "lpos",
            group: Group::List,
            since: "6.0.6",
            summary: "Returns the index of matching elements in a list.",
            complexity: "O(N) where N is the number of elements in the list, for the average case. When searching for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time.",
            args: &[
                key("key", &[RO, Access]),
                string("element"),
                integer("rank").token("RANK").optional(),
                integer("num-matches").token("COUNT").optional(),
                integer("len").token("MAXLEN").optional(),
            ],
            flags: &[Flag::Readonly],
            acl: &[Category::List],
            reply: "an index, nil without one; with COUNT an array of indexes",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        lrem,
        Spec {
            name: "lrem",
            group: Group::List,
            since: "1.0.0",
            summary: "Removes elements from a list. Deletes the list if the last element was removed.",
            complexity: "O(N+M) where N is the length of the list and M is the number of elements removed.",
            args: &[key("key", &[RW, Delete]), integer("count"), string("element")],
            flags: &[Flag::Write],
            acl: &[Category::List],
            reply: "the number of elements that were removed",
            ..Spec::EMPTY
        },
    ),
];

/// The next word as a number that has a negative one.
fn reversible(args: &mut Args<'_>) -> Result<i64, CommandError> {
    let number = args.integer()?;
    if number == i64::MIN {
        return Err(CommandError::err(
            "value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    Ok(number)
}

/// From which end a count or rank is meant, and how many.
fn from_end(number: i64) -> (End, usize) {
    (if number < 0 { End::Back } else { End::Front }, number.unsigned_abs() as usize)
}

fn linsert(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let is_behind = match () {
        () if args.skip("AFTER") => true,
        () if args.skip("BEFORE") => false,
        () => return Err(CommandError::Syntax),
    };
    let search = Search::first(args.take()?);
    let value = args.value()?;
    let met = met_aside(ctx, &key, &search)?;
    let mut view = ctx.keys.view(&key);
    let mut list = view.list_mut(&key, "linsert")?;
    let found = list.as_ref().map(|list| met.unwrap_or_else(|| search.run(list)));
    match found.as_deref() {
        None => ctx.reply.int(0),
        Some([]) => ctx.reply.int(-1),
        Some([place, ..]) => {
            let element = New::of(&value);
            list.brings(1, element.as_slice().len());
            list.insert(place + usize::from(is_behind), &element);
            ctx.reply.int(list.len() as i64);
        }
    }
    Ok(())
}

fn lrem(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let (from, max) = from_end(reversible(args)?);
    let text = args.take()?;
    let max = if max == 0 { usize::MAX } else { max };
    let met = met_aside(ctx, &key, &Search { from, count: Some(max), ..Search::first(text) })?;
    let mut view = ctx.keys.view(&key);
    let mut list = view.list_mut(&key, "lrem")?;
    let removed = match met.filter(|met| met.len() <= REMOVED_ONE_BY_ONE_MAX) {
        Some(mut met) => {
            // From behind, so that the numbers of the others stay what they are.
            met.sort_unstable();
            met.iter().rev().for_each(|place| list.remove(*place..*place + 1));
            met.len()
        }
        None => list.remove_equal(text, from, max),
    };
    ctx.reply.int(removed as i64);
    Ok(())
}

/// Elements that are taken out of a long list one by one: each costs a step per chunk.
const REMOVED_ONE_BY_ONE_MAX: usize = 256;

/// What is looked for in a list.
#[derive(Clone, Copy)]
struct Search<'a> {
    text: &'a [u8],
    from: End,
    /// Of the equal ones the first that counts, from 1 on.
    rank: usize,
    /// As many as are wanted; `None` for one, not in an array.
    count: Option<usize>,
    /// Elements that are looked at.
    steps: usize,
}

impl<'a> Search<'a> {
    /// The first element that is this text.
    fn first(text: &'a [u8]) -> Search<'a> {
        Search { text, from: End::Front, rank: 1, count: None, steps: usize::MAX }
    }

    fn read(args: &mut Args<'a>) -> Result<Search<'a>, CommandError> {
        let mut search = Search::first(args.take()?);
        while !args.is_done() {
            if args.left() < 2 {
                return Err(CommandError::Syntax);
            } else if args.skip("RANK") {
                (search.from, search.rank) = from_end(reversible(args)?);
                if search.rank == 0 {
                    return Err(CommandError::err(
                        "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                         negative to start from the end of the list",
                    ));
                }
            } else if args.skip("COUNT") {
                search.count = Some(bound(args, "COUNT can't be negative")?);
            } else if args.skip("MAXLEN") {
                search.steps = bound(args, "MAXLEN can't be negative")?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(search)
    }

    /// The numbers of what is found, in the order in which it is met.
    fn run(&self, list: ListRef<'_>) -> Vec<usize> {
        let last = list.len() - 1;
        let text = Element::of(self.text);
        let is_equal = |(step, element): (usize, Value<'_>)| element.is(text).then_some(step);
        let (skip, take) = (self.rank - 1, self.count.unwrap_or(1));
        match self.from {
            End::Front => {
                let met = list.iter_from(0).take(self.steps).enumerate().filter_map(is_equal);
                met.skip(skip).take(take).collect()
            }
            End::Back => {
                let met = list.back_from(last).take(self.steps).enumerate().filter_map(is_equal);
                met.map(|step| last - step).skip(skip).take(take).collect()
            }
        }
    }
}

impl Search<'_> {
    /// Whether it ends within so many steps.
    fn ends_within(self, steps: usize, list: ListRef<'_>) -> bool {
        let most = self.steps.min(list.len());
        most <= steps || Search { steps, ..self }.run(list).len() == self.count.unwrap_or(1)
    }

    /// As `run`, in a list that was lent; `None` where the task does not go on.
    fn run_lent(self, mut list: LentList, task: &Task) -> Option<Vec<usize>> {
        let (text, len) = (Element::of(self.text), list.len());
        let (skip, take) = (self.rank - 1, self.count.unwrap_or(1));
        let (counts, most) = match self.from {
            End::Front => (0..self.steps.min(len), skip.saturating_add(take)),
            End::Back => (len.saturating_sub(self.steps)..len, usize::MAX),
        };
        let (mut met, mut step, mut goes_on) = (Vec::new(), 0, true);
        list.read(|element| {
            if counts.contains(&step) && element.is(text) {
                met.push(step);
            }
            step += 1;
            goes_on =
                !step.is_multiple_of(HELPED_LOOK_STEPS) || task.goes_on(met.capacity() * size_of::<usize>());
            goes_on && step < counts.end && met.len() < most
        });
        if self.from == End::Back {
            met.reverse();
        }
        goes_on.then(|| met.into_iter().skip(skip).take(take).collect())
    }
}

/// What a helper has found in a long list; `None` where it is looked for here, as it is found soon.
fn met_aside(
    ctx: &mut Ctx<'_>,
    key: &Key<'_>,
    search: &Search<'_>,
) -> Result<Option<Vec<usize>>, CommandError> {
    ctx.made_aside(&[*key], |ctx| {
        let mut view = ctx.keys.view(key);
        let list = view.entry(key).and_then(|entry| ListRef::of(&entry))?;
        if search.ends_within(HELPED_STEPS_MIN, list) {
            return None;
        }
        let (list, text) = (view.lend_list(key)?, search.text.to_vec());
        let Search { from, rank, count, steps, .. } = *search;
        Some(Plan::new(list.len(), move |task| {
            Search { text: &text, from, rank, count, steps }.run_lent(list, task)
        }))
    })
}

/// The next word as a bound, where 0 means none.
fn bound(args: &mut Args<'_>, refusal: &str) -> Result<usize, CommandError> {
    let number = parse_i64(args.take()?).and_then(|number| usize::try_from(number).ok());
    match number {
        Some(0) => Ok(usize::MAX),
        Some(number) => Ok(number),
        None => Err(CommandError::err(refusal)),
    }
}

fn lpos(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let search = Search::read(args)?;
    let met = met_aside(ctx, &key, &search)?;
    let mut view = ctx.keys.view(&key);
    let found = view.list(&key)?.map_or_else(Vec::new, |list| met.unwrap_or_else(|| search.run(list)));
    let reply = &mut ctx.reply;
    match (search.count, found.first()) {
        (None, Some(place)) => reply.int(*place as i64),
        (None, None) => reply.null(),
        (Some(_), _) => {
            reply.array(found.len());
            found.iter().for_each(|place| reply.int(*place as i64));
        }
    }
    Ok(())
}
