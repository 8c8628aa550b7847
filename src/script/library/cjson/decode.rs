//! From JSON's text to Lua's values.

use mlua::{Lua, LuaString, Result, Table, Value};

use super::numbers::{is_invalid_number, read_number};
use super::settings::*;
use crate::script::bridge::step;

/// A piece of JSON text. The bytes of a string are in the decoder's buffer.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Bad(&'static str),
}

impl Token {
    /// The name that error texts give the token.
    pub(super) fn name(self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Bad(reason) => reason,
        }
    }
}

/// An open table while decoding: an array with the place of its next item, or an object with its next key.
pub(super) enum Parent {
    Array { table: Table, next: i64 },
    Object { table: Table, key: LuaString },
}

impl Parent {
    /// Values the C library keeps on Lua's stack for such a table while it reads an inner one.
    pub(super) fn slots(&self) -> usize {
        match self {
            Parent::Array { .. } => 1,
            Parent::Object { .. } => 2,
        }
    }
}

/// What a step of decoding leads to.
pub(super) enum Progress {
    /// A value is complete.
    Value(Value),
    /// A table was opened or goes on, and this token starts its next item.
    Item(Token),
}

/// Reads one JSON text.
pub(super) struct Decoder<'a> {
    pub(super) lua: &'a Lua,
    pub(super) settings: Settings,
    pub(super) input: &'a [u8],
    /// Where the next token is looked for.
    pub(super) at: usize,
    /// Where the last token starts, or the byte that makes it bad.
    pub(super) token_at: usize,
    /// The bytes of the last string.
    pub(super) string: Vec<u8>,
    pub(super) open: Vec<Parent>,
    pub(super) slots: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(lua: &'a Lua, settings: Settings, input: &'a [u8]) -> Self {
        let (string, open) = (Vec::new(), Vec::new());
        Decoder { lua, settings, input, at: 0, token_at: 0, string, open, slots: 1 }
    }

    pub(super) fn decode(mut self) -> Result<Value> {
        if self.input.len() >= 2 && self.input[..2].contains(&0) {
            return fail("JSON parser does not support UTF-16 or UTF-32");
        }
        let value = self.value()?;
        match self.token() {
            Token::End => Ok(value),
            token => self.unexpected("the end", token),
        }
    }

    /// Reads a value with all that is in it.
    pub(super) fn value(&mut self) -> Result<Value> {
        let mut progress = Progress::Item(self.token());
        loop {
            progress = match progress {
                Progress::Item(token) => self.begin(token)?,
                Progress::Value(value) => match self.open.pop() {
                    Some(parent) => self.store(parent, value)?,
                    None => return Ok(value),
                },
            };
        }
    }

    /// Reads a value from its first token on, but only the opening of a table that is not empty.
    pub(super) fn begin(&mut self, token: Token) -> Result<Progress> {
        step()?;
        let value = match token {
            Token::String => Value::String(self.lua.create_string(&self.string)?),
            Token::Number(number) => Value::Number(number),
            Token::Boolean(truth) => Value::Boolean(truth),
            Token::Null => Value::NULL,
            Token::ObjectBegin => return self.begin_object(),
            Token::ArrayBegin => return self.begin_array(),
            _ => return self.unexpected("value", token),
        };
        Ok(Progress::Value(value))
    }

    pub(super) fn begin_object(&mut self) -> Result<Progress> {
        self.descend(3)?;
        let table = self.lua.create_table()?;
        match self.token() {
            Token::ObjectEnd => Ok(Progress::Value(Value::Table(table))),
            token => self.key(table, token),
        }
    }

    pub(super) fn begin_array(&mut self) -> Result<Progress> {
        self.descend(2)?;
        let table = self.lua.create_table()?;
        match self.token() {
            Token::ArrayEnd => Ok(Progress::Value(Value::Table(table))),
            token => {
                self.suspend(Parent::Array { table, next: 1 });
                Ok(Progress::Item(token))
            }
        }
    }

    /// Checks that one more table may be opened, for which the C library needs `slots` on Lua's stack.
    pub(super) fn descend(&self, slots: usize) -> Result<()> {
        let depth = self.open.len() + 1;
        if depth > depth_limit(self.settings.decode_max_depth) || self.slots + slots > C_STACK_SLOTS {
            let at = self.at;
            return fail(format!("Found too many nested data structures ({depth}) at character {at}"));
        }
        Ok(())
    }

    pub(super) fn suspend(&mut self, parent: Parent) {
        self.slots += parent.slots();
        self.open.push(parent);
    }

    /// Reads an object's key, whose token was read, and the colon.
    pub(super) fn key(&mut self, table: Table, token: Token) -> Result<Progress> {
        if token != Token::String {
            return self.unexpected("object key string", token);
        }
        let key = self.lua.create_string(&self.string)?;
        match self.token() {
            Token::Colon => {}
            token => return self.unexpected("colon", token),
        }
        self.suspend(Parent::Object { table, key });
        Ok(Progress::Item(self.token()))
    }

    /// Puts a complete value into the table around it and reads what follows.
    pub(super) fn store(&mut self, parent: Parent, value: Value) -> Result<Progress> {
        self.slots -= parent.slots();
        match parent {
            Parent::Array { table, next } => self.store_item(table, next, value),
            Parent::Object { table, key } => self.store_field(table, key, value),
        }
    }

    pub(super) fn store_item(&mut self, table: Table, place: i64, value: Value) -> Result<Progress> {
        table.raw_set(place, value)?;
        match self.token() {
            Token::ArrayEnd => Ok(Progress::Value(Value::Table(table))),
            Token::Comma => {
                self.suspend(Parent::Array { table, next: place + 1 });
                Ok(Progress::Item(self.token()))
            }
            token => self.unexpected("comma or array end", token),
        }
    }

    pub(super) fn store_field(&mut self, table: Table, key: LuaString, value: Value) -> Result<Progress> {
        table.raw_set(key, value)?;
        match self.token() {
            Token::ObjectEnd => Ok(Progress::Value(Value::Table(table))),
            Token::Comma => {
                let token = self.token();
                self.key(table, token)
            }
            token => self.unexpected("comma or object end", token),
        }
    }

    pub(super) fn unexpected<T>(&self, expected: &str, token: Token) -> Result<T> {
        let (found, place) = (token.name(), self.token_at + 1);
        fail(format!("Expected {expected} but found {found} at character {place}"))
    }

    /// The byte at a place; past the end it is zero, as in a C string.
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.input.get(at).copied().unwrap_or(0)
    }

    /// The input from the current place on.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// Reads the next token.
    pub(super) fn token(&mut self) -> Token {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.token_at = self.at;
        let token = match self.byte(self.at) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 => return Token::End,
            b'"' => return self.string_token(),
            b'-' | b'0'..=b'9' => return self.number_token(),
            _ => return self.word_token(),
        };
        self.at += 1;
        token
    }

    pub(super) fn number_token(&mut self) -> Token {
        if self.settings.decode_invalid_numbers == 0 && is_invalid_number(self.rest()) {
            return Token::Bad("invalid number");
        }
        match read_number(self.rest()) {
            Some((number, length)) => {
                self.at += length;
                Token::Number(number)
            }
            None => Token::Bad("invalid number"),
        }
    }

    /// Reads one of JSON's words, or a number that starts like a word.
    pub(super) fn word_token(&mut self) -> Token {
        let words: [(&[u8], Token); 3] =
            [(b"true", Token::Boolean(true)), (b"false", Token::Boolean(false)), (b"null", Token::Null)];
        for (word, token) in words {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return token;
            }
        }
        if self.settings.decode_invalid_numbers != 0 && is_invalid_number(self.rest()) {
            return self.number_token();
        }
        Token::Bad("invalid token")
    }

    /// Reads a string into the buffer.
    pub(super) fn string_token(&mut self) -> Token {
        self.string.clear();
        self.at += 1;
        loop {
            let plain = self.rest().iter().take_while(|&byte| !matches!(byte, 0 | b'"' | b'\\')).count();
            self.string.extend_from_slice(&self.rest()[..plain]);
            self.at += plain;
            match self.byte(self.at) {
                b'"' => break,
                b'\\' => {
                    if let Err(reason) = self.escape() {
                        return self.bad_string(reason);
                    }
                }
                _ => return self.bad_string("unexpected end of string"),
            }
        }
        self.at += 1;
        Token::String
    }

    /// A fault inside a string; its place is that of the byte at fault.
    pub(super) fn bad_string(&mut self, reason: &'static str) -> Token {
        self.token_at = self.at;
        Token::Bad(reason)
    }

    /// Reads an escape, from its backslash on.
    pub(super) fn escape(&mut self) -> std::result::Result<(), &'static str> {
        let byte = match self.byte(self.at + 1) {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode_escape().ok_or("invalid unicode escape code"),
            _ => return Err("invalid escape code"),
        };
        self.string.push(byte);
        self.at += 2;
        Ok(())
    }

    /// Reads a `\u` escape, or two of them for a character beyond the first 65536.
    pub(super) fn unicode_escape(&mut self) -> Option<()> {
        let unit = self.hex_escape(self.at)?;
        let (code, length) = match unit {
            0xD800..=0xDBFF => {
                let low = self.hex_escape(self.at + 6).filter(|low| (0xDC00..=0xDFFF).contains(low))?;
                (0x1_0000 + ((unit & 0x3FF) << 10 | (low & 0x3FF)), 12)
            }
            _ => (unit, 6),
        };
        // A low half that comes first is no character, so it ends here.
        let character = char::from_u32(code)?;
        self.string.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length;
        Some(())
    }

    /// The number in the six bytes of a `\u` escape at a place.
    pub(super) fn hex_escape(&self, at: usize) -> Option<u32> {
        let digits = self.input.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |code, &digit| Some(code * 16 + char::from(digit).to_digit(16)?))
    }
}
