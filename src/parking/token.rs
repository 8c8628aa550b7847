//! The token of a lease: a random number of this server's start and a serial number.
//!
//! Travels as text, because 64-bit integers do not survive every client language. A token from before
//! a restart, or from another node, has another `boot` and is void.

use std::fmt;

/// Names one lease for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub boot: u64,
    pub serial: u64,
}

impl Token {
    /// Reads the text that `Display` writes; anything else is not one of our tokens.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Token> {
        let text = std::str::from_utf8(text).ok()?;
        let (boot, serial) = text.split_once('-')?;
        let hex = |part: &str| {
            let plain = part.len() == 16 && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            plain.then(|| u64::from_str_radix(part, 16).ok()).flatten()
        };
        Some(Token { boot: hex(boot)?, serial: hex(serial)? })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.boot, self.serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_survives_its_text_and_nothing_else_is_one() {
        let token = Token { boot: 0xdead_beef, serial: 7 };
        assert_eq!(Token::parse(token.to_string().as_bytes()), Some(token));
        for wrong in [
            "",
            "-",
            "7",
            "00000000deadbeef-7",
            "00000000DEADBEEF-0000000000000007",
            "+0000000deadbeef-0000000000000007",
        ] {
            assert_eq!(Token::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
