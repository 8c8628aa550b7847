//! DUMP and RESTORE: values out of this server and into it, in Redis's own format.
//!
//! DUMP writes plain types of an old version, which every server reads, but of hashes whose fields have deadlines: of those
//! a newer one. RESTORE takes whatever servers up to Valkey 9 dump of the types that are here, and believes nothing of it. Sums
//! and values are worked out without a lock.

use bytes::Bytes;

use super::plain::{body_of, body_of_lent, body_of_lent_list, body_of_string, value_of};
use crate::base::hash::Key;
use crate::base::int::parse_i64;
use crate::base::limits::HELPED_STEPS_MIN;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::helped::Plan;
use crate::keyspace::{Items, ListRef};
use crate::rdb::{open, seal_value};
use crate::storage::eviction::Use;
use crate::storage::{Collection, Meta, ValueRef};
use crate::table::KeyFlag::{Access, OW, RO, Update};
use crate::table::arg::{integer, key, string, token};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[
    Command::new(
        dump,
        Spec {
            name: "dump",
            group: Group::Generic,
            since: "2.6.0",
            summary: "Returns a serialized representation of the value stored at a key.",
            complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1).",
            args: &[key("key", &[RO, Access])],
            flags: &[Flag::Readonly],
            acl: &[Category::Keyspace],
            tips: &["nondeterministic_output"],
            reply: "the value, to be given to RESTORE; nil without key",
            ..Spec::EMPTY
        },
    ),
    Command::new(
        restore,
        Spec {
            name: "restore",
            group: Group::Generic,
            since: "2.6.0",
            summary: "Creates a key from the serialized representation of a value.",
            complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
            args: &[
                key("key", &[OW, Update]),
                integer("ttl"),
                string("serialized-value"),
                token("replace", "REPLACE").optional().since("3.0.0"),
                token("absttl", "ABSTTL").optional().since("5.0.0"),
                integer("seconds").token("IDLETIME").optional().since("5.0.0"),
                integer("frequency").token("FREQ").optional().since("5.0.0"),
            ],
            flags: &[Flag::Write, Flag::DenyOom],
            acl: &[Category::Keyspace, Category::Dangerous],
            history: &[
                ("3.0.0", "Added the `REPLACE` modifier."),
                ("5.0.0", "Added the `ABSTTL` modifier."),
                ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
            ],
            reply: "OK",
            ..Spec::EMPTY
        },
    ),
];

fn dump(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    if let Some(payload) = ctx.made_aside(&[key], |ctx| dump_later(ctx, &key))? {
        ctx.keys.view(&key).exists(&key);
        ctx.reply.bulk_shared(payload.into());
        return Ok(());
    }
    let mut view = ctx.keys.view(&key);
    // Counted, and as a use.
    let entry = if view.exists(&key) { view.entry(&key) } else { None };
    let Some(entry) = entry else {
        ctx.reply.null();
        return Ok(());
    };
    let large = match entry.value() {
        Ok(ValueRef::Shared(value)) => Ok(Bytes::clone(value)),
        _ => Err(body_of(&entry)),
    };
    drop(view);
    let body = large.map_or_else(|body| body, |value| body_of_string(&value));
    ctx.reply.bulk_shared(seal_value(body).into());
    Ok(())
}

/// The payload of a large collection, made by a helper.
fn dump_later(ctx: &mut Ctx<'_>, key: &Key<'_>) -> Option<Plan<Vec<u8>>> {
    let mut view = ctx.keys.view(key);
    let entry = view.entry(key)?;
    let (collection, list) = (Collection::of(&entry), ListRef::of(&entry));
    let steps = list.map(|list| list.len()).or(collection.map(|of| Items::of(of).len()))?;
    if steps <= HELPED_STEPS_MIN {
        return None;
    }
    if let Some(list) = view.lend_list(key) {
        return Some(Plan::new(steps, move |task| {
            let body = body_of_lent_list(list, |bytes| task.goes_on(bytes))?;
            Some(seal_value(body))
        }));
    }
    let (items, of_type) = view.lend_items(key)?;
    Some(Plan::new(steps, move |task| {
        let body = body_of_lent(items, of_type, |bytes| task.goes_on(bytes))?;
        Some(seal_value(body))
    }))
}

/// The options of RESTORE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    replaces: bool,
    /// The TTL is a time.
    is_absolute: bool,
    used: Option<Use>,
}

impl Options {
    fn read(args: &mut Args<'_>) -> Result<Options, CommandError> {
        let mut options = Options::default();
        while !args.is_done() {
            if args.skip("REPLACE") {
                options.replaces = true;
            } else if args.skip("ABSTTL") {
                options.is_absolute = true;
            } else if args.left() >= 2
                && !matches!(options.used, Some(Use::Frequency(_)))
                && args.skip("IDLETIME")
            {
                let idle_s = u64::try_from(args.integer()?);
                let refused = |_| CommandError::err("Invalid IDLETIME value, must be >= 0");
                options.used = Some(Use::IdleS(idle_s.map_err(refused)?));
            } else if args.left() >= 2 && !matches!(options.used, Some(Use::IdleS(_))) && args.skip("FREQ") {
                let count = u8::try_from(args.integer()?);
                let refused = |_| CommandError::err("Invalid FREQ value, must be >= 0 and <= 255");
                options.used = Some(Use::Frequency(count.map_err(refused)?));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// When a value ends whose TTL is 0 for none.
    fn expire_at(&self, ttl: &[u8], now_ms: i64) -> Result<Option<i64>, CommandError> {
        match parse_i64(ttl).ok_or(CommandError::NotAnInteger)? {
            ..0 => Err(CommandError::err("Invalid TTL value, must be >= 0")),
            0 => Ok(None),
            ms if self.is_absolute => Ok(Some(ms)),
            ms => Ok(Some(now_ms.saturating_add(ms))),
        }
    }
}

fn restore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let (ttl, payload) = (args.take()?, args.take()?);
    let options = Options::read(args)?;
    let busy = || CommandError::text("BUSYKEY Target key name already exists.");
    if !options.replaces && ctx.keys.view(&key).has(&key) {
        return Err(busy());
    }
    let expire_at = options.expire_at(ttl, ctx.now().wall_ms)?;
    let wrong = || CommandError::err("DUMP payload version or checksum are wrong");
    let (value, kind) = value_of(ctx, open(payload).ok_or_else(wrong)?)?;
    let mut view = ctx.keys.view(&key);
    // The lock was not held: somebody may have come first.
    if !options.replaces && view.has(&key) {
        return Err(busy());
    }
    view.restore(&key, value, Meta { kind, ..Meta::value(expire_at) }, options.used);
    ctx.reply.ok();
    Ok(())
}
