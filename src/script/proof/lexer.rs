//! A source cut into tokens. What only one of Lua 5.1 and Luau understands ends the proof.

use std::collections::HashMap;

use super::token::*;

/// Turns a source into tokens.
pub(super) struct Lexer<'s> {
    pub(super) source: &'s [u8],
    pub(super) at: usize,
    pub(super) tokens: Vec<Token>,
    pub(super) names: Vec<Name<'s>>,
    pub(super) ids: HashMap<&'s [u8], u32>,
}

impl<'s> Lexer<'s> {
    /// Fails on bytes that mean different things to different readers: a zero byte ends the whole source for
    /// Luau, and a carriage return alone ends a line for some and not for others.
    pub(super) fn new(source: &'s [u8]) -> Option<Self> {
        let lone = |(at, &byte): (usize, &u8)| byte == b'\r' && source.get(at + 1) != Some(&b'\n');
        if source.len() >= (u32::MAX / 2) as usize
            || source.contains(&0)
            || source.iter().enumerate().any(lone)
        {
            return None;
        }
        let mut lexer = Lexer { source, at: 0, tokens: Vec::new(), names: Vec::new(), ids: HashMap::new() };
        for name in WELL_KNOWN {
            lexer.id_of(name);
        }
        Some(lexer)
    }

    pub(super) fn run(mut self) -> Option<Script<'s>> {
        if self.peek(0) == b'#' {
            self.skip_line();
        }
        while self.at < self.source.len() {
            self.token()?;
        }
        Some(Script { source: self.source, tokens: self.tokens, names: self.names })
    }

    /// The byte `ahead` of the current one. Zero stands for the end, as no source has a zero byte.
    pub(super) fn peek(&self, ahead: usize) -> u8 {
        self.source.get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn push(&mut self, kind: Kind, start: usize, link: usize) {
        self.tokens.push(Token { kind, start: start as u32, link: link as u32 });
    }

    pub(super) fn id_of(&mut self, text: &'s [u8]) -> u32 {
        let names = &mut self.names;
        *self.ids.entry(text).or_insert_with(|| {
            names.push(Name::new(text));
            names.len() as u32 - 1
        })
    }

    pub(super) fn token(&mut self) -> Option<()> {
        match self.peek(0) {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => self.at += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            b'"' | b'\'' => self.quoted()?,
            b'-' if self.peek(1) == b'-' => self.comment()?,
            b'[' => self.bracket()?,
            _ => self.symbol()?,
        }
        Some(())
    }

    pub(super) fn skip_word(&mut self) {
        while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' {
            self.at += 1;
        }
    }

    pub(super) fn word(&mut self) {
        let start = self.at;
        self.skip_word();
        let text = &self.source[start..self.at];
        let kind = Kind::of_word(text);
        let link = if kind == Kind::Name { self.id_of(text) as usize } else { 0 };
        self.push(kind, start, link);
    }

    /// Reads a number the way both languages do, which is greedily and before looking whether it is one.
    pub(super) fn number(&mut self) {
        let start = self.at;
        while self.peek(0).is_ascii_digit() || self.peek(0) == b'.' {
            self.at += 1;
        }
        if matches!(self.peek(0), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(0), b'+' | b'-') {
                self.at += 1;
            }
        }
        self.skip_word();
        self.push(Kind::Number, start, self.at);
    }

    pub(super) fn quoted(&mut self) -> Option<()> {
        let quote = self.peek(0);
        self.at += 1;
        let start = self.at;
        let mut kind = Kind::Text;
        loop {
            match self.peek(0) {
                0 | b'\n' | b'\r' => return None,
                b'\\' => {
                    kind = Kind::Opaque;
                    self.escape()?;
                }
                byte if byte == quote => break,
                _ => self.at += 1,
            }
        }
        self.push(kind, start, self.at);
        self.at += 1;
        Some(())
    }

    /// Steps over an escape. What it stands for does not matter, only that a quote in it ends nothing.
    pub(super) fn escape(&mut self) -> Option<()> {
        match self.peek(1) {
            0 => return None,
            b'\r' => self.at += 3,
            b'z' => {
                self.at += 2;
                while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c) {
                    self.at += 1;
                }
            }
            _ => self.at += 2,
        }
        Some(())
    }

    pub(super) fn comment(&mut self) -> Option<()> {
        self.at += 2;
        match self.long_level() {
            Some(level) => self.long_body(level).map(|_| ()),
            None => {
                self.skip_line();
                Some(())
            }
        }
    }

    pub(super) fn skip_line(&mut self) {
        while !matches!(self.peek(0), 0 | b'\n') {
            self.at += 1;
        }
    }

    /// The level of the long bracket that opens here, if one does.
    pub(super) fn long_level(&self) -> Option<usize> {
        if self.peek(0) != b'[' {
            return None;
        }
        let mut level = 0;
        while self.peek(level + 1) == b'=' {
            level += 1;
        }
        (self.peek(level + 1) == b'[').then_some(level)
    }

    /// Steps over a long bracket and gives where its content starts and ends.
    pub(super) fn long_body(&mut self, level: usize) -> Option<(usize, usize)> {
        self.at += level + 2;
        let start = self.at;
        loop {
            match self.peek(0) {
                0 => return None,
                b']' => {
                    let end = self.at;
                    self.at += 1;
                    let signs = self.skip_signs();
                    if signs == level && self.peek(0) == b']' {
                        self.at += 1;
                        return Some((start, end));
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    pub(super) fn skip_signs(&mut self) -> usize {
        let start = self.at;
        while self.peek(0) == b'=' {
            self.at += 1;
        }
        self.at - start
    }

    pub(super) fn bracket(&mut self) -> Option<()> {
        let Some(level) = self.long_level() else {
            // `[=` that opens nothing is an error in both languages.
            if self.peek(1) == b'=' {
                return None;
            }
            self.push(Kind::OpenBracket, self.at, 0);
            self.at += 1;
            return Some(());
        };
        let (start, end) = self.long_body(level)?;
        let broken = self.source[start..end].iter().any(|&byte| matches!(byte, b'\n' | b'\r'));
        self.push(if broken { Kind::Opaque } else { Kind::Text }, start, end);
        Some(())
    }

    pub(super) fn symbol(&mut self) -> Option<()> {
        let (kind, length) = self.symbol_here()?;
        self.push(kind, self.at, 0);
        self.at += length;
        Some(())
    }

    pub(super) fn symbol_here(&self) -> Option<(Kind, usize)> {
        let next = self.peek(1);
        Some(match self.peek(0) {
            b'(' => (Kind::OpenParen, 1),
            b')' => (Kind::CloseParen, 1),
            b'{' => (Kind::OpenBrace, 1),
            b'}' => (Kind::CloseBrace, 1),
            b']' => (Kind::CloseBracket, 1),
            b',' => (Kind::Comma, 1),
            b';' => (Kind::Semicolon, 1),
            b'#' => (Kind::Length, 1),
            b'=' if next == b'=' => (Kind::Operator, 2),
            b'=' => (Kind::Assign, 1),
            b'<' | b'>' if next == b'=' => (Kind::Operator, 2),
            b'<' | b'>' => (Kind::Operator, 1),
            b'~' if next == b'=' => (Kind::Operator, 2),
            // `::` casts to a type and `->` belongs to the type of a function.
            b':' if next != b':' => (Kind::Colon, 1),
            b'-' if next == b'>' => return None,
            b'/' if next == b'/' => self.maybe_compound(2),
            b'+' | b'-' | b'*' | b'/' | b'%' | b'^' => self.maybe_compound(1),
            b'.' if next == b'.' && self.peek(2) == b'.' => (Kind::Dots, 3),
            b'.' if next == b'.' => self.maybe_compound(2),
            b'.' => (Kind::Dot, 1),
            _ => return None,
        })
    }

    /// An operator of this length, or the assignment made of it.
    pub(super) fn maybe_compound(&self, length: usize) -> (Kind, usize) {
        if self.peek(length) == b'=' { (Kind::Compound, length + 1) } else { (Kind::Operator, length) }
    }
}
