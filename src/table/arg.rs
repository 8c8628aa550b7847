//! The arguments of a command as its row lists them: types, and a word for each kind to write a row with.
//!
//! Arity, key positions, COMMAND DOCS and the syntax lines of docs/commands.md follow from them.

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
    /// A key, and what is done with it.
    Key(&'static [KeyFlag]),
    /// How many keys follow, before whatever else there is.
    KeyCount,
    /// A shard channel: a string to people, a key to clients that route requests to a cluster's nodes.
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

/// What a command does with a key: Redis's key-spec flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFlag {
    /// Reads the value.
    RO,
    /// Reads and writes it.
    RW,
    /// Overwrites it without a look.
    OW,
    /// Removes it.
    RM,
    /// Gives out or copies something of the value.
    Access,
    /// Changes the value.
    Update,
    /// Adds to it and changes nothing else.
    Insert,
    /// Takes something out of it, or the whole.
    Delete,
    /// No key, but routed like one: a shard channel.
    NotKey,
    /// The flags depend on the request: see `Varying`.
    VariableFlags,
}

impl KeyFlag {
    /// As COMMAND INFO spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KeyFlag::RO => "RO",
            KeyFlag::RW => "RW",
            KeyFlag::OW => "OW",
            KeyFlag::RM => "RM",
            KeyFlag::Access => "access",
            KeyFlag::Update => "update",
            KeyFlag::Insert => "insert",
            KeyFlag::Delete => "delete",
            KeyFlag::NotKey => "not_key",
            KeyFlag::VariableFlags => "variable_flags",
        }
    }
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

    pub(super) fn may_vary(&self) -> bool {
        self.optional
            || self.multiple
            || match self.kind {
                ArgKind::OneOf(parts) => {
                    let mut widths = parts.iter().map(Arg::width_min);
                    let first = widths.next();
                    parts.iter().any(Arg::may_vary) || widths.any(|width| Some(width) != first)
                }
                ArgKind::Block(parts) => parts.iter().any(Arg::may_vary),
                _ => false,
            }
    }
}

/// A key, and what the command does with it.
#[must_use]
pub const fn key(name: &'static str, flags: &'static [KeyFlag]) -> Arg {
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

/// How many keys follow: Redis's `numkeys`.
#[must_use]
pub const fn key_count() -> Arg {
    Arg::new("numkeys", ArgKind::KeyCount)
}
