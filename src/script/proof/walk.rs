//! Which names are bound where: blocks and brackets are paired, assignments noted, locals given their roles.

use std::collections::HashSet;

use super::token::*;

/// Whether a statement is still in the part where its targets stand, or already among expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Targets,
    Values,
}

/// A bracket or a block that is open during the walk.
pub(super) struct Frame {
    /// What opened it; `Finish` for the source as a whole.
    pub(super) kind: Kind,
    /// The token whose partner closes it. In an `if` this is the latest `then` or `else`.
    pub(super) opener: usize,
    /// Where the current statement of a block stands.
    pub(super) mode: Mode,
    /// Whether its end also ends a statement, as that of a function without a name does not.
    pub(super) statement: bool,
}

impl Frame {
    pub(super) fn is_block(&self) -> bool {
        use Kind::*;
        matches!(self.kind, Function | If | Do | Repeat | Finish)
    }
}

/// A `local` statement, and the token whose partner ends its scope.
pub(super) struct Local {
    pub(super) at: usize,
    pub(super) opener: usize,
}

/// The value variable of a loop over `KEYS`, and the `do` of that loop.
pub(super) struct Loop {
    pub(super) id: usize,
    pub(super) opener: usize,
}

/// What the walk leaves for the next step.
pub(super) struct Notes {
    pub(super) locals: Vec<Local>,
    pub(super) loops: Vec<Loop>,
}

/// No token opens the scope that only ends with the source.
pub(super) const WHOLE_SOURCE: usize = usize::MAX;

/// Pairs brackets and blocks, and notes every binding and assignment.
pub(super) struct Walk<'w, 's> {
    pub(super) script: &'w mut Script<'s>,
    /// Parameters that stand for `KEYS`.
    pub(super) params: &'w HashSet<usize>,
    pub(super) frames: Vec<Frame>,
    /// The innermost frame, kept out of the list so that there always is one.
    pub(super) top: Frame,
    pub(super) notes: Notes,
}

impl<'w, 's> Walk<'w, 's> {
    pub(super) fn new(script: &'w mut Script<'s>, params: &'w HashSet<usize>) -> Self {
        let top = Frame { kind: Kind::Finish, opener: WHOLE_SOURCE, mode: Mode::Targets, statement: false };
        Walk {
            script,
            params,
            frames: Vec::new(),
            top,
            notes: Notes { locals: Vec::new(), loops: Vec::new() },
        }
    }

    /// Fails if anything is left open. That also catches an `if` used as an expression, which has no `end`.
    pub(super) fn run(mut self) -> Option<Notes> {
        let mut at = 0;
        while self.kind(at) != Kind::Finish {
            at = self.step(at)?;
        }
        self.frames.is_empty().then_some(self.notes)
    }

    pub(super) fn kind(&self, at: usize) -> Kind {
        self.script.kind(at)
    }

    /// Handles the token at `at` and gives the next one to handle.
    pub(super) fn step(&mut self, at: usize) -> Option<usize> {
        use Kind::*;
        match self.kind(at) {
            kind @ (OpenParen | OpenBrace | OpenBracket) => self.open(kind, at, Mode::Values, false),
            CloseParen => self.close(OpenParen, at)?,
            CloseBrace => self.close(OpenBrace, at)?,
            CloseBracket => self.close(OpenBracket, at)?,
            Name => self.variable(at)?,
            Colon => self.method(at)?,
            Function => return self.function(at),
            Assign | Compound => self.top.mode = Mode::Values,
            Text | Opaque | Number | Value | Dots | Operator | Length | Comma | Dot => {}
            Semicolon => self.top.mode = Mode::Targets,
            _ => return self.statement(at),
        }
        Some(at + 1)
    }

    /// Handles a word that only stands in statements, so never right inside a bracket.
    pub(super) fn statement(&mut self, at: usize) -> Option<usize> {
        use Kind::*;
        if !self.top.is_block() {
            return None;
        }
        match self.kind(at) {
            Local => return self.local(at),
            For => return self.for_loop(at),
            If => self.open(If, at, Mode::Values, true),
            Then => self.branch(at, Mode::Targets, false)?,
            Else => self.branch(at, Mode::Targets, true)?,
            ElseIf => self.branch(at, Mode::Values, true)?,
            Do => self.open(Do, at, Mode::Targets, true),
            Repeat => self.open(Repeat, at, Mode::Targets, true),
            End if matches!(self.top.kind, Function | If | Do) => self.close(self.top.kind, at)?,
            Until => {
                self.close(Repeat, at)?;
                self.top.mode = Mode::Values;
            }
            Return | While => self.top.mode = Mode::Values,
            Break => self.top.mode = Mode::Targets,
            _ => return None,
        }
        Some(at + 1)
    }

    pub(super) fn open(&mut self, kind: Kind, at: usize, mode: Mode, statement: bool) {
        let inner = Frame { kind, opener: at, mode, statement };
        self.frames.push(std::mem::replace(&mut self.top, inner));
    }

    pub(super) fn close(&mut self, kind: Kind, at: usize) -> Option<()> {
        if self.top.kind != kind {
            return None;
        }
        let outer = self.frames.pop()?;
        let inner = std::mem::replace(&mut self.top, outer);
        self.script.tokens[inner.opener].link = at as u32;
        if inner.statement {
            self.top.mode = Mode::Targets;
        }
        Some(())
    }

    /// Goes on to the next part of an `if`. A scope that was open in the last part ends here.
    pub(super) fn branch(&mut self, at: usize, mode: Mode, ends_scope: bool) -> Option<()> {
        if self.top.kind != Kind::If {
            return None;
        }
        if ends_scope {
            self.script.tokens[self.top.opener].link = at as u32;
        }
        self.top.opener = at;
        self.top.mode = mode;
        Some(())
    }

    /// Lets a `:` pass only where it calls a method, since elsewhere it announces a type.
    pub(super) fn method(&self, at: usize) -> Option<()> {
        let calls =
            matches!(self.kind(at + 2), Kind::OpenParen | Kind::OpenBrace | Kind::Text | Kind::Opaque);
        (self.kind(at + 1) == Kind::Name && calls).then_some(())
    }

    /// Counts a binding of the name at `at`. Some names may not be bound at all.
    pub(super) fn bind(&mut self, at: usize) -> Option<usize> {
        let id = self.script.name_id(at)?;
        if matches!(id, KEYS | REDIS | SERVER) {
            return None;
        }
        self.script.names[id].bound += 1;
        Some(id)
    }

    /// Binds the names of a list and gives the token after it.
    pub(super) fn bind_list(&mut self, mut at: usize) -> Option<usize> {
        loop {
            self.bind(at)?;
            if self.kind(at + 1) != Kind::Comma {
                return Some(at + 1);
            }
            at += 2;
        }
    }

    /// Notes how a name is used that no keyword binds.
    pub(super) fn variable(&mut self, at: usize) -> Option<()> {
        let before = self.script.kind_before(at, 1);
        if before.is_selector() {
            return Some(());
        }
        if before.ends_operand() {
            // Two operands in a row: the second one starts a statement.
            self.top.mode = Mode::Targets;
        }
        let next = self.kind(at + 1);
        let starts_field = matches!(before, Kind::OpenBrace | Kind::Comma | Kind::Semicolon);
        if self.top.kind == Kind::OpenBrace && starts_field && next == Kind::Assign {
            // The name of a field of a table, which is no variable.
            return Some(());
        }
        let target = self.top.is_block() && self.top.mode == Mode::Targets;
        let id = self.script.name_id(at)?;
        if target && id == KEYS {
            return None;
        }
        let calls = self.is_called(id, at);
        let name = &mut self.script.names[id];
        name.written |= if target { !next.extends_operand() } else { next.assigns() };
        name.loose |= !calls;
        Some(())
    }

    /// Whether the name is only used to call it. A library is not called itself, but its functions are.
    pub(super) fn is_called(&self, id: usize, at: usize) -> bool {
        let field = id == TABLE && self.kind(at + 1) == Kind::Dot && self.kind(at + 2) == Kind::Name;
        self.kind(if field { at + 3 } else { at + 1 }) == Kind::OpenParen
    }

    pub(super) fn function(&mut self, at: usize) -> Option<usize> {
        if self.kind(at + 1) == Kind::OpenParen {
            return self.function_body(at, at + 1, false);
        }
        if !self.top.is_block() {
            return None;
        }
        // `function a.b()` changes `a` and not the variable, but counting it as a binding is safe.
        self.bind(at + 1)?;
        let mut next = at + 2;
        while self.kind(next).is_selector() && self.kind(next + 1) == Kind::Name {
            if self.kind(next) == Kind::Colon {
                // A method has a parameter that nobody writes down.
                self.script.names[SELF].bound += 1;
            }
            next += 2;
        }
        self.function_body(at, next, true)
    }

    /// Opens the function at `at`, whose parameters start at `paren`.
    pub(super) fn function_body(&mut self, at: usize, paren: usize, statement: bool) -> Option<usize> {
        if self.kind(paren) != Kind::OpenParen {
            return None;
        }
        let mut next = paren + 1;
        while self.kind(next) == Kind::Name {
            if !self.params.contains(&next) {
                self.bind(next)?;
            }
            next += 1;
            if self.kind(next) != Kind::Comma {
                break;
            }
            next += 1;
        }
        if self.kind(next) == Kind::Dots {
            // Lua 5.1 still gives such a function a hidden local for its arguments.
            self.script.names[ARG].bound += 1;
            next += 1;
        }
        // A `:` behind the parameters announces the type of the result.
        if self.kind(next) != Kind::CloseParen || self.kind(next + 1) == Kind::Colon {
            return None;
        }
        self.script.tokens[paren].link = next as u32;
        self.open(Kind::Function, at, Mode::Targets, statement);
        Some(next + 1)
    }

    pub(super) fn local(&mut self, at: usize) -> Option<usize> {
        if self.kind(at + 1) == Kind::Function {
            self.bind(at + 2)?;
            return self.function_body(at + 1, at + 3, true);
        }
        let next = self.bind_list(at + 1)?;
        match self.kind(next) {
            Kind::Assign => {
                self.notes.locals.push(Local { at, opener: self.top.opener });
                self.top.mode = Mode::Values;
                Some(next + 1)
            }
            // A type or an attribute.
            Kind::Colon | Kind::Operator => None,
            _ => {
                self.top.mode = Mode::Targets;
                Some(next)
            }
        }
    }

    pub(super) fn for_loop(&mut self, at: usize) -> Option<usize> {
        let next = self.bind_list(at + 1)?;
        match self.kind(next) {
            Kind::Assign => {}
            Kind::In => self.keys_loop(at, next),
            _ => return None,
        }
        self.top.mode = Mode::Values;
        Some(next + 1)
    }

    /// Notes the second variable of a loop if its head, from `for` to `do`, is one over `ipairs(KEYS)`.
    pub(super) fn keys_loop(&mut self, start: usize, in_at: usize) {
        let over_keys = self.script.is_name(in_at + 1, IPAIRS)
            && self.script.is_keys_argument(in_at + 2)
            && self.kind(in_at + 5) == Kind::Do;
        let second = start + 3;
        if let Some(id) = self.script.name_id(second).filter(|_| over_keys && second < in_at) {
            self.notes.loops.push(Loop { id, opener: in_at + 5 });
        }
    }
}

/// Gives locals their roles. The answer holds the tokens where a local takes `redis.call` as its value.
pub(super) fn give_roles(script: &mut Script, notes: &Notes) -> Option<HashSet<usize>> {
    for Loop { id, opener } in &notes.loops {
        let scope = (opener + 1, script.partner(*opener));
        script.names[*id].key_scopes.push(scope);
    }
    let mut aliases = HashSet::new();
    for local in &notes.locals {
        local_roles(script, local, &mut aliases)?;
    }
    Some(aliases)
}

/// Gives the names of one `local` statement their roles.
pub(super) fn local_roles(script: &mut Script, local: &Local, aliases: &mut HashSet<usize>) -> Option<()> {
    let mut equals = local.at + 2;
    while script.kind(equals) == Kind::Comma {
        equals += 2;
    }
    let values = value_list(script, equals + 1);
    let from = values.last().map_or(equals, |value| value.1);
    let to = if local.opener == WHOLE_SOURCE { script.tokens.len() } else { script.partner(local.opener) };
    // Every value but the last gives exactly one, so the n-th name gets the n-th value.
    for (name_at, &(start, end)) in (local.at + 1..equals).step_by(2).zip(&values) {
        let id = script.name_id(name_at)?;
        if script.is_element(start, end) {
            script.names[id].key_scopes.push((from, to));
        } else if script.is_call_value(start, end) {
            let name = &mut script.names[id];
            if !name.is_constant() || name.loose {
                return None;
            }
            name.role = Role::Call;
            aliases.insert(start);
        }
    }
    Some(())
}

/// The first token of each value of a list that starts at `start`, and the token behind each.
pub(super) fn value_list(script: &Script, mut start: usize) -> Vec<(usize, usize)> {
    let mut values = Vec::new();
    loop {
        let end = value_end(script, start);
        values.push((start, end));
        if script.kind(end) != Kind::Comma {
            return values;
        }
        start = end + 1;
    }
}

/// The token behind the expression that starts at `start`.
pub(super) fn value_end(script: &Script, start: usize) -> usize {
    use Kind::*;
    let mut at = start;
    loop {
        match script.kind(at) {
            Name | Function if at > start && script.kind_before(at, 1).ends_operand() => return at,
            Name | Text | Opaque | Number | Value | Dots | Operator | Length | Dot | Colon => at += 1,
            OpenParen | OpenBrace | OpenBracket | Function => at = script.skip(at),
            _ => return at,
        }
    }
}
