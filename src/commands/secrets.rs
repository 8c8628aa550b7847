//! Which words of a request must not be shown to others: in the slow log, and to clients that MONITOR.
//!
//! Knows the commands that carry passwords, also those that this server refuses: what a client sends is a
//! secret whether or not it is of use here.

use crate::config;

/// What is shown in the place of a secret.
pub const REDACTED: &[u8] = b"(redacted)";

/// Settings of Redis that hold secrets and are no settings here.
const FOREIGN: [&[u8]; 4] = [b"masterauth", b"masteruser", b"tls-client-key-file-pass", b"tls-key-file-pass"];

/// For each word of a request, the name included, whether it is secret. Cost: O(words), and a look-up of the
/// setting for CONFIG SET.
#[must_use]
pub fn mask(words: &[&[u8]]) -> Vec<bool> {
    let is = |at: usize, name: &str| {
        words.get(at).is_some_and(|word: &&[u8]| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    let mut mask = vec![false; words.len()];
    let mut hide = |at: usize| mask.iter_mut().skip(at).take(1).for_each(|secret| *secret = true);
    if is(0, "auth") {
        (1..words.len()).for_each(hide);
    } else if is(0, "hello") {
        if let Some(at) = (2..words.len()).find(|at| is(*at, "auth")) {
            hide(at + 1);
            hide(at + 2);
        }
    } else if is(0, "acl") && is(1, "setuser") {
        (2..words.len()).for_each(hide);
    } else if is(0, "config") && is(1, "set") {
        (2..words.len()).step_by(2).filter(|at| is_secret_setting(words[*at])).for_each(|at| hide(at + 1));
    } else if is(0, "migrate") {
        for at in 6..words.len() {
            if is(at, "auth") {
                hide(at + 1);
            } else if is(at, "auth2") {
                hide(at + 1);
                hide(at + 2);
            }
        }
    }
    mask
}

fn is_secret_setting(name: &[u8]) -> bool {
    config::find(name).is_some_and(|setting| setting.secret)
        || FOREIGN.iter().any(|foreign| name.eq_ignore_ascii_case(foreign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(request: &str) -> String {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let mask = mask(&words);
        let shown = words.iter().zip(mask).map(|(word, secret)| if secret { REDACTED } else { word });
        shown.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        for (request, expected) in [
            ("AUTH pw", "AUTH (redacted)"),
            ("auth user pw", "auth (redacted) (redacted)"),
            ("HELLO 3 AUTH user pw SETNAME x", "HELLO 3 AUTH (redacted) (redacted) SETNAME x"),
            ("HELLO 3 AUTH", "HELLO 3 AUTH"),
            ("CONFIG SET timeout 5 RequirePass pw", "CONFIG SET timeout 5 RequirePass (redacted)"),
            ("CONFIG SET masterauth pw", "CONFIG SET masterauth (redacted)"),
            ("CONFIG SET requirepass", "CONFIG SET requirepass"),
            ("CONFIG GET requirepass", "CONFIG GET requirepass"),
            ("ACL SETUSER u >pw", "ACL SETUSER (redacted) (redacted)"),
            ("MIGRATE h 1 k 0 5 AUTH pw", "MIGRATE h 1 k 0 5 AUTH (redacted)"),
            ("MIGRATE h 1 k 0 5 AUTH2 u pw KEYS a", "MIGRATE h 1 k 0 5 AUTH2 (redacted) (redacted) KEYS a"),
            ("SET auth pw", "SET auth pw"),
        ] {
            assert_eq!(shown(request), expected);
        }
    }
}
