//! One row of the command table: everything that is known of a command, in the file of its handler.
//!
//! Look-up, arity check, COMMAND and its kin, key positions, locking and docs/commands.md all follow
//! from the row. Knows no sockets; `table` gathers the rows of all groups.

use super::args::Args;
use super::ctx::Ctx;
use super::error::CommandError;

/// A command or a subcommand.
#[derive(Debug)]
pub struct Spec {
    /// Lower case; of a subcommand its own name only.
    pub name: &'static str,
    pub group: Group,
    /// The Redis version that introduced it (or Onefill's, for extensions).
    pub since: &'static str,
    pub summary: &'static str,
    pub complexity: &'static str,
    pub args: &'static [Arg],
    /// Redis's own number for the few commands where it does not follow from `args`.
    pub arity_fixed: Option<i64>,
    pub flags: &'static [Flag],
    /// ACL categories beyond those that follow from the flags.
    pub acl: &'static [Category],
    pub tips: &'static [&'static str],
    /// (version, what changed)
    pub history: &'static [(&'static str, &'static str)],
    pub deprecated: Option<Deprecated>,
    /// What COMMAND INFO remarks on the key spec; empty for most.
    pub key_notes: &'static str,
    /// The reply, for people.
    pub reply: &'static str,
    pub subcommands: &'static [Spec],
    pub locking: Locking,
    pub touch: Touch,
    pub handler: Handler,
}

/// Since when a command is considered old, and what to use instead, both in Redis's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecated {
    pub since: &'static str,
    pub replaced_by: &'static str,
}

/// What runs a command: writes its reply and returns, or parks. Never waits.
pub type Run = fn(&mut Ctx<'_>, &mut Args<'_>) -> Result<(), CommandError>;

/// A command's handler.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    Run(Run),
    /// Looks the second argument up among `subcommands`.
    Subcommands,
}

/// Which shards are locked around the whole handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// Those of its keys, if it names more than one; a single key's view locks by itself.
    Keys,
    /// The handler calls `ctx.keys.hold` once its large values are copied.
    Itself,
    /// All; only inside a transaction for a command without keys that walks the keyspace.
    All,
    /// None: it touches no key, so a transaction needs no lock for it either.
    None,
}

/// Whether a command that looks at a key counts as an access to it, by which idle time begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// Unless its connection said CLIENT NO-TOUCH.
    Yes,
    Always,
    /// It tells something about the key, not what it holds.
    Never,
}

/// Redis's command groups, and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Bitmap,
    Connection,
    Fill,
    Generic,
    PubSub,
    Scripting,
    Server,
    String,
    Transactions,
}

impl Group {
    /// As in COMMAND DOCS.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Connection => "connection",
            Group::Fill => "fill",
            Group::Generic => "generic",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}

/// Redis's command flags, as COMMAND INFO names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    Write,
    Readonly,
    DenyOom,
    Admin,
    PubSub,
    NoScript,
    Blocking,
    Loading,
    Stale,
    SkipMonitor,
    SkipSlowlog,
    Fast,
    NoAuth,
    MovableKeys,
    NoMulti,
    AllowBusy,
    NoAsyncLoading,
    MayReplicate,
}

impl Flag {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Flag::Write => "write",
            Flag::Readonly => "readonly",
            Flag::DenyOom => "denyoom",
            Flag::Admin => "admin",
            Flag::PubSub => "pubsub",
            Flag::NoScript => "noscript",
            Flag::Blocking => "blocking",
            Flag::Loading => "loading",
            Flag::Stale => "stale",
            Flag::SkipMonitor => "skip_monitor",
            Flag::SkipSlowlog => "skip_slowlog",
            Flag::Fast => "fast",
            Flag::NoAuth => "no_auth",
            Flag::MovableKeys => "movablekeys",
            Flag::NoMulti => "no_multi",
            Flag::AllowBusy => "allow_busy",
            Flag::NoAsyncLoading => "no_async_loading",
            Flag::MayReplicate => "may_replicate",
        }
    }
}

/// ACL categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    Keyspace,
    Read,
    Write,
    String,
    Bitmap,
    Admin,
    Fast,
    Slow,
    Blocking,
    Dangerous,
    Connection,
    Transaction,
    PubSub,
    Scripting,
}

impl Category {
    /// With the `@` that COMMAND INFO shows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Category::Keyspace => "@keyspace",
            Category::Read => "@read",
            Category::Write => "@write",
            Category::String => "@string",
            Category::Bitmap => "@bitmap",
            Category::Admin => "@admin",
            Category::Fast => "@fast",
            Category::Slow => "@slow",
            Category::Blocking => "@blocking",
            Category::Dangerous => "@dangerous",
            Category::Connection => "@connection",
            Category::Transaction => "@transaction",
            Category::PubSub => "@pubsub",
            Category::Scripting => "@scripting",
        }
    }
}

/// One argument, or a group of them.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    pub name: &'static str,
    pub kind: ArgKind,
    /// The word that introduces it.
    pub token: Option<&'static str>,
    pub optional: bool,
    pub multiple: bool,
    /// The token is repeated with each occurrence (`GET pattern GET pattern`).
    pub multiple_token: bool,
    pub since: Option<&'static str>,
}

/// The type of an argument.
#[derive(Clone, Copy, Debug)]
pub enum ArgKind {
    /// A key, with its key-spec flags as COMMAND INFO spells them (`RO`, `access`, …).
    Key(&'static [&'static str]),
    /// A shard channel: a string to people, a key to whoever routes requests to a cluster's nodes.
    ShardChannel,
    String,
    Integer,
    Double,
    UnixTime,
    Pattern,
    /// The token alone.
    Token,
    OneOf(&'static [Arg]),
    Block(&'static [Arg]),
}

impl Arg {
    const fn new(name: &'static str, kind: ArgKind) -> Arg {
        Arg { name, kind, token: None, optional: false, multiple: false, multiple_token: false, since: None }
    }

    #[must_use]
    pub const fn optional(self) -> Arg {
        Arg { optional: true, ..self }
    }

    #[must_use]
    pub const fn multiple(self) -> Arg {
        Arg { multiple: true, ..self }
    }

    #[must_use]
    pub const fn multiple_token(self) -> Arg {
        Arg { multiple: true, multiple_token: true, ..self }
    }

    #[must_use]
    pub const fn token(self, token: &'static str) -> Arg {
        Arg { token: Some(token), ..self }
    }

    #[must_use]
    pub const fn since(self, since: &'static str) -> Arg {
        Arg { since: Some(since), ..self }
    }

    /// Words on the wire that one occurrence takes at least.
    #[must_use]
    pub fn width_min(&self) -> usize {
        let value = match self.kind {
            ArgKind::Token => 0,
            ArgKind::OneOf(choices) => choices.iter().map(Arg::width_min).min().unwrap_or(0),
            ArgKind::Block(parts) => parts.iter().filter(|part| !part.optional).map(Arg::width_min).sum(),
            _ => 1,
        };
        value + usize::from(self.token.is_some())
    }

    fn may_vary(&self) -> bool {
        self.optional
            || self.multiple
            || match self.kind {
                ArgKind::OneOf(parts) | ArgKind::Block(parts) => parts.iter().any(Arg::may_vary),
                _ => false,
            }
    }
}

/// A key with Redis's key-spec flags.
#[must_use]
pub const fn key(name: &'static str, flags: &'static [&'static str]) -> Arg {
    Arg::new(name, ArgKind::Key(flags))
}
/// A shard channel.
#[must_use]
pub const fn shard_channel(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::ShardChannel)
}
#[must_use]
pub const fn string(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::String)
}
#[must_use]
pub const fn integer(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::Integer)
}
#[must_use]
pub const fn double(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::Double)
}
#[must_use]
pub const fn unix_time(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::UnixTime)
}
#[must_use]
pub const fn pattern(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::Pattern)
}
/// A word by itself.
#[must_use]
pub const fn token(name: &'static str, word: &'static str) -> Arg {
    Arg::new(name, ArgKind::Token).token(word)
}
#[must_use]
pub const fn one_of(name: &'static str, choices: &'static [Arg]) -> Arg {
    Arg::new(name, ArgKind::OneOf(choices))
}
#[must_use]
pub const fn block(name: &'static str, parts: &'static [Arg]) -> Arg {
    Arg::new(name, ArgKind::Block(parts))
}

/// Where the keys of a command stand: `first`, `last` (negative: from the end), `step`; zeros without keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KeyRange {
    pub first: i64,
    pub last: i64,
    pub step: i64,
}

impl Spec {
    /// The defaults for a row's fields that most commands leave out.
    pub const EMPTY: Spec = Spec {
        name: "",
        group: Group::Generic,
        since: "1.0.0",
        summary: "",
        complexity: "O(1)",
        args: &[],
        arity_fixed: None,
        flags: &[],
        acl: &[],
        tips: &[],
        history: &[],
        deprecated: None,
        key_notes: "",
        reply: "",
        subcommands: &[],
        locking: Locking::Keys,
        touch: Touch::Yes,
        handler: Handler::Subcommands,
    };

    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// Redis's arity: the number of words including the name; negative if more are possible.
    #[must_use]
    pub fn arity(&self, name_words: usize) -> i64 {
        if let Some(arity) = self.arity_fixed {
            return arity;
        }
        if !self.subcommands.is_empty() {
            return -2;
        }
        let least =
            name_words + self.args.iter().filter(|arg| !arg.optional).map(Arg::width_min).sum::<usize>();
        if self.args.iter().any(Arg::may_vary) { -(least as i64) } else { least as i64 }
    }

    /// Every ACL category, those that follow from the flags included.
    #[must_use]
    pub fn categories(&self) -> Vec<Category> {
        let mut all: Vec<Category> = self.acl.to_vec();
        let mut add = |category| {
            if !all.contains(&category) {
                all.push(category);
            }
        };
        for flag in self.flags {
            match flag {
                Flag::Write => add(Category::Write),
                Flag::Readonly => add(Category::Read),
                Flag::Admin => {
                    add(Category::Admin);
                    add(Category::Dangerous);
                }
                Flag::PubSub => add(Category::PubSub),
                Flag::Blocking => add(Category::Blocking),
                _ => {}
            }
        }
        add(if self.has(Flag::Fast) { Category::Fast } else { Category::Slow });
        all
    }

    /// The first/last/step triple of COMMAND INFO; zeros where keys are counted by `numkeys`.
    #[must_use]
    pub fn key_range(&self, name_words: usize) -> KeyRange {
        let mut at = name_words as i64;
        let mut range = KeyRange::default();
        for arg in self.args {
            let width = arg.width_min() as i64;
            match arg.kind {
                ArgKind::Key(_) if self.counts_keys() => return KeyRange::default(),
                ArgKind::Key(_) | ArgKind::ShardChannel if arg.multiple => {
                    let first = if range.first == 0 { at } else { range.first };
                    return KeyRange { first, last: -1, step: 1 };
                }
                ArgKind::Key(_) | ArgKind::ShardChannel => {
                    let first = if range.first == 0 { at } else { range.first };
                    range = KeyRange { first, last: at, step: 1 };
                }
                ArgKind::Block(parts)
                    if matches!(parts.first().map(|arg| arg.kind), Some(ArgKind::Key(_))) =>
                {
                    return KeyRange { first: at, last: -1, step: width };
                }
                _ if arg.optional => return range,
                _ => {}
            }
            at += width;
        }
        range
    }

    /// Whether a `numkeys` argument says how many keys follow.
    #[must_use]
    pub fn counts_keys(&self) -> bool {
        self.args.iter().any(|arg| arg.name == "numkeys")
    }
}
