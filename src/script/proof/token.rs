//! Words and signs of a script, and the names in it.

/// What a token is, as far as the proof cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    /// A string whose bytes stand in the source as they are.
    Text,
    /// A string with an escape or a line break, whose value the two languages may read differently.
    Opaque,
    Number,
    /// `nil`, `true` or `false`.
    Value,
    Dots,
    /// Any operator of one or two operands but `#`, the words among them too.
    Operator,
    Length,
    Assign,
    /// `+=` and its like.
    Compound,
    Comma,
    Semicolon,
    Dot,
    Colon,
    OpenParen,
    CloseParen,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Break,
    Do,
    Else,
    ElseIf,
    End,
    For,
    Function,
    If,
    In,
    Local,
    Repeat,
    Return,
    Then,
    Until,
    While,
    /// Stands behind the last token.
    Finish,
}

impl Kind {
    /// Whether an operand may end here, so that a name that follows starts a new statement.
    pub(super) fn ends_operand(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Name | Text | Opaque | Number | Value | Dots | CloseParen | CloseBrace | CloseBracket | End
        )
    }

    /// Whether an operand goes on here: a field, a method or a call with or without parentheses.
    pub(super) fn extends_operand(self) -> bool {
        use Kind::*;
        matches!(self, Dot | Colon | OpenParen | OpenBracket | OpenBrace | Text | Opaque)
    }

    pub(super) fn is_selector(self) -> bool {
        matches!(self, Kind::Dot | Kind::Colon)
    }

    pub(super) fn assigns(self) -> bool {
        matches!(self, Kind::Assign | Kind::Compound)
    }

    /// The kind of a reserved word. `goto` and `continue` are names in both languages.
    pub(super) fn of_word(word: &[u8]) -> Kind {
        match word {
            b"and" | b"or" | b"not" => Kind::Operator,
            b"nil" | b"true" | b"false" => Kind::Value,
            b"break" => Kind::Break,
            b"do" => Kind::Do,
            b"else" => Kind::Else,
            b"elseif" => Kind::ElseIf,
            b"end" => Kind::End,
            b"for" => Kind::For,
            b"function" => Kind::Function,
            b"if" => Kind::If,
            b"in" => Kind::In,
            b"local" => Kind::Local,
            b"repeat" => Kind::Repeat,
            b"return" => Kind::Return,
            b"then" => Kind::Then,
            b"until" => Kind::Until,
            b"while" => Kind::While,
            _ => Kind::Name,
        }
    }
}

/// One token. Offsets and indexes are `u32` to keep a long source affordable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Where the bytes of a text or number start.
    pub(super) start: u32,
    /// For a text or number, where its bytes end; for a name, its number in the list of names; for what
    /// opens a bracket or a block, the token that closes it.
    pub(super) link: u32,
}

/// What a local stands for once the whole source has been walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    /// `redis.call` or `redis.pcall`.
    Call,
}

/// What is known about one name, over the whole source and whatever its scopes.
pub(super) struct Name<'s> {
    pub(super) text: &'s [u8],
    /// How often it is bound as a local, a parameter, a loop variable or a function.
    pub(super) bound: usize,
    /// Whether it is, or may be, the target of an assignment.
    pub(super) written: bool,
    /// Whether it is used in any other way than to call it.
    pub(super) loose: bool,
    /// Whether its mere presence ends the proof.
    pub(super) banned: bool,
    pub(super) role: Role,
    /// For each time that it is bound to an element of `KEYS`: from which token on, and up to which.
    pub(super) key_scopes: Vec<(usize, usize)>,
}

/// Bindings of a name to elements of `KEYS`, beyond which it is no longer looked at: each use asks them all.
const KEY_SCOPES_MAX: usize = 64;

impl<'s> Name<'s> {
    pub(super) fn new(text: &'s [u8]) -> Self {
        Name {
            text,
            bound: 0,
            written: false,
            loose: false,
            banned: is_banned(text),
            role: Role::Plain,
            key_scopes: Vec::new(),
        }
    }

    /// Whether it can only be the one that the engine provides.
    pub(super) fn is_builtin(&self) -> bool {
        self.bound == 0 && !self.written
    }

    /// Whether it is an element of `KEYS` at a token: whatever binds it does so to one, and the token is in reach of one.
    pub(super) fn is_key_at(&self, at: usize) -> bool {
        let is_always = self.key_scopes.len() == self.bound && !self.written;
        is_always
            && self.bound <= KEY_SCOPES_MAX
            && self.key_scopes.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    /// Whether it is a local that keeps the value it was bound to.
    pub(super) fn is_constant(&self) -> bool {
        self.bound == 1 && !self.written
    }
}

/// Names that load code, or reach or change environments, metatables and locals behind the tokens' back.
pub(super) fn is_banned(name: &[u8]) -> bool {
    matches!(
        name,
        b"load"
            | b"loadstring"
            | b"getfenv"
            | b"setfenv"
            | b"_G"
            | b"_ENV"
            | b"rawget"
            | b"rawset"
            | b"getmetatable"
            | b"setmetatable"
            | b"debug"
            | b"dofile"
            | b"loadfile"
            | b"require"
            | b"module"
            | b"package"
            | b"newproxy"
    )
}

/// What a script may use of `redis` besides `call` and `pcall`: nothing here touches a key.
pub(super) fn is_harmless(field: &[u8]) -> bool {
    matches!(
        field,
        b"error_reply"
            | b"status_reply"
            | b"sha1hex"
            | b"log"
            | b"LOG_DEBUG"
            | b"LOG_VERBOSE"
            | b"LOG_NOTICE"
            | b"LOG_WARNING"
            | b"setresp"
            | b"set_repl"
            | b"REPL_ALL"
            | b"REPL_NONE"
            | b"REPL_AOF"
            | b"REPL_SLAVE"
            | b"REPL_REPLICA"
            | b"replicate_commands"
            | b"breakpoint"
            | b"debug"
            | b"acl_check_cmd"
            | b"register_function"
            | b"REDIS_VERSION"
            | b"REDIS_VERSION_NUM"
    )
}

// The names that the proof looks for get the first numbers, in this order.
pub(super) const WELL_KNOWN: [&[u8]; 8] =
    [b"KEYS", b"redis", b"server", b"ipairs", b"unpack", b"table", b"self", b"arg"];
pub(super) const KEYS: usize = 0;
pub(super) const REDIS: usize = 1;
pub(super) const SERVER: usize = 2;
pub(super) const IPAIRS: usize = 3;
pub(super) const UNPACK: usize = 4;
pub(super) const TABLE: usize = 5;
pub(super) const SELF: usize = 6;
pub(super) const ARG: usize = 7;

/// The tokens of a source and the names in it.
pub(super) struct Script<'s> {
    pub(super) source: &'s [u8],
    pub(super) tokens: Vec<Token>,
    pub(super) names: Vec<Name<'s>>,
}

impl<'s> Script<'s> {
    pub(super) fn kind(&self, at: usize) -> Kind {
        self.tokens.get(at).map_or(Kind::Finish, |token| token.kind)
    }

    /// The kind of the token before `at`; before the first one there is nothing that an operand needs.
    pub(super) fn kind_before(&self, at: usize, back: usize) -> Kind {
        at.checked_sub(back).map_or(Kind::Semicolon, |at| self.kind(at))
    }

    /// The number of the name at `at`, if there is a name.
    pub(super) fn name_id(&self, at: usize) -> Option<usize> {
        let token = self.tokens.get(at)?;
        (token.kind == Kind::Name).then_some(token.link as usize)
    }

    pub(super) fn is_name(&self, at: usize, id: usize) -> bool {
        self.name_id(at) == Some(id)
    }

    pub(super) fn name(&self, at: usize) -> Option<&Name<'s>> {
        self.names.get(self.name_id(at)?)
    }

    /// Whether the name at `at` stands behind a `.` or a `:`, where it is no variable.
    pub(super) fn is_field(&self, at: usize) -> bool {
        self.kind_before(at, 1).is_selector()
    }

    /// The token that closes the bracket or block opened at `at`.
    pub(super) fn partner(&self, at: usize) -> usize {
        self.tokens[at].link as usize
    }

    pub(super) fn bytes(&self, at: usize) -> &'s [u8] {
        let token = self.tokens[at];
        &self.source[token.start as usize..token.link as usize]
    }

    /// Whether the tokens from `start` up to `end` are `KEYS[…]` and nothing more.
    pub(super) fn is_element(&self, start: usize, end: usize) -> bool {
        self.is_name(start, KEYS)
            && self.kind(start + 1) == Kind::OpenBracket
            && self.partner(start + 1) + 1 == end
    }

    /// Whether the tokens from `at` on are `(KEYS)`.
    pub(super) fn is_keys_argument(&self, at: usize) -> bool {
        self.kind(at) == Kind::OpenParen
            && self.is_name(at + 1, KEYS)
            && self.kind(at + 2) == Kind::CloseParen
    }

    /// Whether the tokens from `at` on are `.call` or `.pcall`.
    pub(super) fn is_call_field(&self, at: usize) -> bool {
        self.kind(at) == Kind::Dot
            && self.name(at + 1).is_some_and(|name| matches!(name.text, b"call" | b"pcall"))
    }

    /// Whether the tokens from `start` up to `end` are `redis.call` or `redis.pcall` and nothing more.
    pub(super) fn is_call_value(&self, start: usize, end: usize) -> bool {
        end == start + 3
            && (self.is_name(start, REDIS) || self.is_name(start, SERVER))
            && self.is_call_field(start + 1)
    }

    /// The token after the bracket or function that opens at `at`, or else the next token.
    pub(super) fn skip(&self, at: usize) -> usize {
        match self.kind(at) {
            Kind::OpenParen | Kind::OpenBrace | Kind::OpenBracket | Kind::Function => self.partner(at) + 1,
            _ => at + 1,
        }
    }
}
