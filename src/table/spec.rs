//! Everything that is known of a command but how it runs: what its family writes down beside its handler.
//!
//! Look-up, arity check, COMMAND and its kin, key positions, locking and docs/commands.md all follow from it.

use super::arg::Arg;

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
    pub locking: Locking,
    pub touch: Touch,
    pub role: Role,
    /// Costs as little as a fast command, whatever its flags say.
    pub quick: bool,
    /// What its keys' flags depend on, where they are variable.
    pub varying: Option<Varying>,
    /// Which of its words are channels.
    pub channels: Channels,
    /// It makes its caller leader of a fill, which is answered by this command: who may not run that never leads.
    pub answered_by: Option<&'static str>,
    /// Which of its words nobody else may see.
    pub secrets: Secrets,
}

/// Since when a command is considered old, and what to use instead, both in Redis's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecated {
    pub since: &'static str,
    pub replaced_by: &'static str,
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

/// What makes a command special to `dispatch`. A subcommand has its command's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Plain,
    /// EXEC: runs what MULTI queued.
    Exec,
    /// Runs at once between MULTI and EXEC, and leaves the transaction open.
    WhileQueueing,
    /// Runs at once between MULTI and EXEC, and ends the transaction without running it.
    Discards,
    /// Runs in RESP2's subscribed state.
    WhileListening,
    /// Ends or resets the connection's state, so it runs at all times.
    Leaves,
    /// CLIENT: what CLIENT CACHING said holds on behind it.
    Client,
    /// EVAL and its kin: runs commands on its caller's behalf.
    Script,
    /// Answers leases; the token of each stands behind its key.
    AnswersLeases,
}

impl Role {
    /// Whether it runs at once while MULTI collects commands.
    #[must_use]
    pub fn runs_while_queueing(self) -> bool {
        matches!(self, Role::Exec | Role::WhileQueueing | Role::Discards | Role::Leaves)
    }

    /// Whether it ends a transaction without running it, so that it needs no memory.
    #[must_use]
    pub fn discards(self) -> bool {
        matches!(self, Role::Discards | Role::Leaves)
    }

    /// Whether it answers leases.
    #[must_use]
    pub fn answers_leases(self) -> bool {
        self == Role::AnswersLeases
    }

    /// Whether it runs while a RESP2 connection subscribes to anything.
    #[must_use]
    pub fn runs_while_listening(self) -> bool {
        matches!(self, Role::WhileListening | Role::Leaves)
    }
}

/// What the flags of a command's keys depend on, where COMMAND INFO says `variable_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Varying {
    /// SET: reads what was there if it says GET.
    SetWithGet,
    /// BITFIELD: writes nothing if all its operations are GET.
    BitfieldOnlyGets,
}

/// Which words of a request are channels that its user must be allowed to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    None,
    /// The first word behind the name.
    First,
    /// All words behind the name.
    All,
    /// The same, as patterns of channels.
    Patterns,
}

/// Which words of a request must not be shown to others, in the slow log or by MONITOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    None,
    /// All from this one on, the command's name being 0.
    From(usize),
    /// A user and a password behind the word AUTH.
    BehindAuth,
    /// Values of settings that hold a secret, behind the settings' names.
    Settings,
}

/// Redis's command groups, and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Fill,
    Generic,
    Hash,
    HyperLogLog,
    List,
    PubSub,
    Scripting,
    Server,
    Set,
    SortedSet,
    String,
    Transactions,
}

impl Group {
    /// As in COMMAND DOCS.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::Fill => "fill",
            Group::Generic => "generic",
            Group::Hash => "hash",
            Group::HyperLogLog => "hyperloglog",
            Group::List => "list",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}

impl Group {
    /// Whether its commands may leave a collection of a type that requests wait for.
    #[must_use]
    pub fn may_feed(self) -> bool {
        !matches!(self, Group::Bitmap | Group::Fill | Group::Hash | Group::Set | Group::String)
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
    NoMandatoryKeys,
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
            Flag::NoMandatoryKeys => "no_mandatory_keys",
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

macro_rules! categories {
    ($($variant:ident = $name:literal,)+) => {
        /// ACL categories.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Category { $($variant,)+ }

        impl Category {
            /// All of them, in the order in which ACL CAT lists them.
            pub const ALL: &[Category] = &[$(Category::$variant,)+];

            /// With the `@` that COMMAND INFO shows.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Category::$variant => concat!("@", $name),)+
                }
            }
        }
    };
}

// Redis's, also those that no command here is in yet: rules that were written there name them. Ours come last.
categories! {
    Keyspace = "keyspace",
    Read = "read",
    Write = "write",
    Set = "set",
    SortedSet = "sortedset",
    List = "list",
    Hash = "hash",
    String = "string",
    Bitmap = "bitmap",
    HyperLogLog = "hyperloglog",
    Geo = "geo",
    Stream = "stream",
    PubSub = "pubsub",
    Admin = "admin",
    Fast = "fast",
    Slow = "slow",
    Blocking = "blocking",
    Dangerous = "dangerous",
    Connection = "connection",
    Transaction = "transaction",
    Scripting = "scripting",
    Fill = "fill",
}

impl Category {
    /// The category of this name, in any case and without the `@`.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Category> {
        let is_named = |category: &&Category| category.name().as_bytes()[1..].eq_ignore_ascii_case(name);
        Category::ALL.iter().find(is_named).copied()
    }
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
        locking: Locking::Keys,
        touch: Touch::Yes,
        role: Role::Plain,
        quick: false,
        varying: None,
        channels: Channels::None,
        answered_by: None,
        secrets: Secrets::None,
    };

    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// Redis's arity: the number of words including the name; negative if more are possible. Of a command without
    /// subcommands.
    #[must_use]
    pub fn arity(&self, name_words: usize) -> i64 {
        if let Some(arity) = self.arity_fixed {
            return arity;
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
                // Of scripts the flag says what they may, not what they are.
                Flag::Readonly if !self.acl.contains(&Category::Scripting) => add(Category::Read),
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
}
