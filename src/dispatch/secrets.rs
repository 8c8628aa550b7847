//! Which words of a request must not be shown to others: in the slow log, and to clients that MONITOR.

use crate::config;
use crate::table::{Row, Secrets};

/// What is shown in the place of a secret.
pub const REDACTED: &[u8] = b"(redacted)";

/// Settings of Redis that hold secrets and do not exist here.
const FOREIGN: [&[u8]; 4] = [b"masterauth", b"masteruser", b"tls-client-key-file-pass", b"tls-key-file-pass"];

/// For each word of a request, the name included, whether it is secret. Cost: O(words), and a look-up of the
/// setting for CONFIG SET.
#[must_use]
pub fn mask(row: &Row, words: &[&[u8]]) -> Vec<bool> {
    let mut mask = vec![false; words.len()];
    let mut hide = |at: usize| mask.iter_mut().skip(at).take(1).for_each(|secret| *secret = true);
    match row.spec.secrets {
        Secrets::None => {}
        Secrets::From(first) => (first..words.len()).for_each(hide),
        Secrets::BehindAuth => {
            if let Some(at) = words.iter().position(|word| word.eq_ignore_ascii_case(b"auth")) {
                hide(at + 1);
                hide(at + 2);
            }
        }
        Secrets::Settings => (row.name_words..words.len())
            .step_by(2)
            .filter(|at| is_secret_setting(words[*at]))
            .for_each(|at| hide(at + 1)),
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
    use crate::table::{Spec, Table};

    static AUTH: Spec = Spec { name: "auth", secrets: Secrets::From(1), ..Spec::EMPTY };
    static HELLO: Spec = Spec { name: "hello", secrets: Secrets::BehindAuth, ..Spec::EMPTY };
    static CONFIG: Spec = Spec { name: "config", ..Spec::EMPTY };
    static SET: Spec = Spec { name: "set", secrets: Secrets::Settings, ..Spec::EMPTY };
    static PLAIN: Spec = Spec { name: "get", ..Spec::EMPTY };

    fn shown(name: &str, request: &str) -> String {
        let table =
            Table::new([(&AUTH, vec![]), (&HELLO, vec![]), (&CONFIG, vec![&SET, &PLAIN]), (&PLAIN, vec![])]);
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let mask = mask(table.find_full(name.as_bytes()).unwrap(), &words);
        let shown = words.iter().zip(mask).map(|(word, secret)| if secret { REDACTED } else { word });
        shown.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        for (name, request, expected) in [
            ("auth", "AUTH pw", "AUTH (redacted)"),
            ("auth", "auth user pw", "auth (redacted) (redacted)"),
            ("hello", "HELLO 3 AUTH user pw SETNAME x", "HELLO 3 AUTH (redacted) (redacted) SETNAME x"),
            ("hello", "HELLO 3 AUTH", "HELLO 3 AUTH"),
            (
                "config|set",
                "CONFIG SET timeout 5 RequirePass pw",
                "CONFIG SET timeout 5 RequirePass (redacted)",
            ),
            ("config|set", "CONFIG SET masterauth pw", "CONFIG SET masterauth (redacted)"),
            ("config|set", "CONFIG SET requirepass", "CONFIG SET requirepass"),
            ("config|get", "CONFIG GET requirepass", "CONFIG GET requirepass"),
            ("get", "GET auth", "GET auth"),
        ] {
            assert_eq!(shown(name, request), expected);
        }
    }
}
