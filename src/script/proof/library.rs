//! Libraries of functions: the first parameter of each callback stands for `KEYS`.
//!
//! A callback is a function that `redis.register_function` is given and nobody else has: one that is written down right there,
//! or a local one whose name stands nowhere else. So its first parameter is the table of keys of the call that runs, wherever
//! it is used; in a function within the callback it may not be used, since that one can outlive the call in a variable of the
//! library.

use std::collections::HashSet;

use super::token::*;

/// Callbacks beyond which a library is not looked at, and functions within them: each use of a key asks them all.
const FUNCTIONS_MAX: usize = 64;

/// What a library registers.
#[derive(Default)]
pub(super) struct Callbacks {
    /// The `function` of each.
    functions: HashSet<usize>,
    /// The first parameter of each, where it has one.
    pub(super) params: HashSet<usize>,
}

impl Callbacks {
    /// Finds the callbacks of a library, and makes the names of their first parameters those of `KEYS`.
    pub(super) fn find(script: &mut Script<'_>) -> Option<Callbacks> {
        let registrations = (0..script.tokens.len()).filter(|&at| is_registration(script, at));
        let given: Option<Vec<usize>> =
            registrations.map(|at| callback(script, at + 3)).take(FUNCTIONS_MAX + 1).collect();
        let (given, mut callbacks) = (given?, Callbacks::default());
        for &at in &given {
            let is_name = script.kind(at) == Kind::Name;
            callbacks.add(script, if is_name { definition(script, at, &given)? } else { at })?;
        }
        let mut names = HashSet::new();
        for &param in &callbacks.params {
            let id = script.name_id(param)?;
            if (id < WELL_KNOWN.len() && id != KEYS) || script.names[id].banned {
                return None;
            }
            names.insert(id as u32);
        }
        for at in 0..script.tokens.len() {
            let token = script.tokens[at];
            if token.kind == Kind::Name && names.contains(&token.link) && !script.is_field(at) {
                script.tokens[at].link = KEYS as u32;
            }
        }
        Some(callbacks)
    }

    /// Adds the callback at `function`, which has its parameters right behind it or behind its name.
    fn add(&mut self, script: &Script<'_>, function: usize) -> Option<()> {
        let paren = function + if script.kind(function + 1) == Kind::Name { 2 } else { 1 };
        if script.kind(function) != Kind::Function || script.kind(paren) != Kind::OpenParen {
            return None;
        }
        self.functions.insert(function);
        if script.kind(paren + 1) == Kind::Name {
            self.params.insert(paren + 1);
        }
        (self.functions.len() <= FUNCTIONS_MAX).then_some(())
    }

    /// The functions within callbacks, each as its first and its last token. For a script that has been walked.
    pub(super) fn closures(&self, script: &Script<'_>) -> Option<Vec<(usize, usize)>> {
        let (mut closures, mut end) = (Vec::new(), 0);
        for at in (0..script.tokens.len()).filter(|&at| script.kind(at) == Kind::Function) {
            if self.functions.contains(&at) {
                end = end.max(script.partner(at));
            } else if at < end {
                closures.push((at, script.partner(at)));
            }
        }
        (closures.len() <= FUNCTIONS_MAX).then_some(closures)
    }
}

/// Whether `redis.register_function` stands at `at`.
fn is_registration(script: &Script<'_>, at: usize) -> bool {
    (script.is_name(at, REDIS) || script.is_name(at, SERVER))
        && script.kind(at + 1) == Kind::Dot
        && script.name(at + 2).is_some_and(|name| name.text == b"register_function")
}

/// Where the callback stands among the arguments that begin at `at`: the second one, or a field of a table.
fn callback(script: &Script<'_>, at: usize) -> Option<usize> {
    let callback = match (script.kind(at), script.kind(at + 1)) {
        (Kind::OpenBrace, _) => field(script, at)?,
        (Kind::OpenParen, Kind::OpenBrace) => field(script, at + 1)?,
        (Kind::OpenParen, Kind::Text | Kind::Name) if script.kind(at + 2) == Kind::Comma => at + 3,
        _ => return None,
    };
    let is_whole = match script.kind(callback) {
        Kind::Name => matches!(
            script.kind(callback + 1),
            Kind::CloseParen | Kind::CloseBrace | Kind::Comma | Kind::Semicolon
        ),
        kind => kind == Kind::Function,
    };
    is_whole.then_some(callback)
}

/// The value of the field `callback` in the table that opens at `open`; it has one at most.
fn field(script: &Script<'_>, open: usize) -> Option<usize> {
    let (mut depth, mut found) = (0, Vec::new());
    for at in open..script.tokens.len() {
        match script.kind(at) {
            Kind::OpenBrace | Kind::OpenParen | Kind::OpenBracket => depth += 1,
            Kind::CloseBrace | Kind::CloseParen | Kind::CloseBracket => depth -= 1,
            Kind::Assign
                if depth == 1 && script.name(at - 1).is_some_and(|name| name.text == b"callback") =>
            {
                found.push(at + 1);
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    // A second one would replace the first; in a function of the table it is another variable's.
    <[usize; 1]>::try_from(found).ok().map(|[callback]| callback)
}

/// The `function` of the local one whose name stands at `at`, if it is used for nothing but to be registered. `given`: what
/// registrations are given.
fn definition(script: &Script<'_>, at: usize, given: &[usize]) -> Option<usize> {
    let id = script.name_id(at)?;
    let mut defined = None;
    for at in (0..script.tokens.len()).filter(|&at| script.is_name(at, id)) {
        let function = match (script.kind_before(at, 2), script.kind_before(at, 1), script.kind(at + 1)) {
            (Kind::Local, Kind::Function, Kind::OpenParen) => at - 1,
            (_, Kind::Local, Kind::Assign) if script.kind(at + 2) == Kind::Function => at + 2,
            _ if script.is_field(at) || given.contains(&at) => continue,
            _ => return None,
        };
        if defined.replace(function).is_some() {
            return None;
        }
    }
    defined
}
