//! What somebody may have meant who wrote a name that is no setting's.

use super::meaningless::{MEANINGLESS, REFUSED};
use super::table::{SETTINGS, find};

/// From this likeness on (0 to 1) a name is worth a question.
const ALIKE_MIN: f64 = 0.84;

/// A hint for a line whose directive is unknown; `is_flag` if it was a flag.
pub(super) fn hint(name: &[u8], is_flag: bool) -> String {
    let name = String::from_utf8_lossy(name);
    let dashes = if is_flag { "--" } else { "" };
    if let Some((before, value)) = name.split_once('=')
        && find(before.as_bytes()).is_some()
    {
        return format!("name and value stand apart: {dashes}{before} {value}");
    }
    if is_flag && name.starts_with('-') {
        return "a setting is written as --name value, such as --port 7000; see --help".to_owned();
    }
    match nearest(&name) {
        Some(nearest) => format!("there is no such setting: did you mean {dashes}{nearest}? See --help"),
        None => "there is no such setting; see --help".to_owned(),
    }
}

fn nearest(name: &str) -> Option<&'static str> {
    let others = MEANINGLESS.iter().chain(REFUSED).map(|(name, _)| *name);
    let names = SETTINGS.iter().map(|setting| setting.name).chain(others);
    let rated = names.map(|known| (strsim::jaro_winkler(known, name), known));
    let best = rated.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(alike, _)| *alike >= ALIKE_MIN).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_lead_to_the_setting_and_others_to_the_help() {
        for (name, expected) in [
            (&b"maxmemroy"[..], "did you mean --maxmemory?"),
            (b"max-memory", "did you mean --maxmemory?"),
            (b"require-pass", "did you mean --requirepass?"),
            (b"port=7000", "apart: --port 7000"),
            (b"-p", "such as --port 7000"),
            (b"colour", "no such setting; see --help"),
        ] {
            assert!(hint(name, true).contains(expected), "{}", hint(name, true));
        }
        assert_eq!(hint(b"prot", false), "there is no such setting: did you mean port? See --help");
    }
}
