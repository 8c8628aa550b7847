//! How the value of a setting is read, checked and shown: one `Kind` per way of writing values.
//!
//! Owns every range check and its error text (Redis's own). Knows nothing of files, flags or commands.
//! Invariant: `set` changes the settings only when it succeeds, and what `get` shows, `set` accepts.

use std::fmt;

use crate::base::events::Classes;
use crate::base::hash::HashSeed;
use crate::base::int::parse_i64;

use super::output_limits::{self, OutputLimit};
use super::settings::{MemoryShare, Settings};
use super::tls::Names;
use super::units;
use super::value::ValueError;

/// Most addresses `bind` takes (Redis's own limit).
const BIND_ADDRESSES_MAX: usize = 16;

/// One row of the table: everything there is to say about a setting.
pub struct Setting {
    /// What it belongs to, for people who look for it.
    pub topic: Topic,
    /// The directive, in lower case.
    pub name: &'static str,
    /// How its value is written, its range, and where it lives in `Settings`.
    pub kind: Kind,
    /// What CONFIG GET shows when nobody set it.
    pub default: &'static str,
    /// Whether CONFIG SET may change it while the server runs.
    pub live: bool,
    /// Whether its value must stay out of logs.
    pub secret: bool,
    /// What it means, for docs/config.md and `--help`.
    pub doc: &'static str,
}

/// What settings are about: the sections of `--help` and docs/config.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Listening,
    Access,
    Tls,
    Memory,
    Fill,
    Data,
    Watching,
    Process,
    Absent,
}

impl Topic {
    /// All of them, what people change most first.
    pub const ALL: [Topic; 9] = [
        Topic::Listening,
        Topic::Access,
        Topic::Tls,
        Topic::Memory,
        Topic::Fill,
        Topic::Data,
        Topic::Watching,
        Topic::Process,
        Topic::Absent,
    ];

    /// The heading of its section.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Topic::Listening => "Where it listens, and to how many",
            Topic::Access => "Who may use it",
            Topic::Tls => "TLS",
            Topic::Memory => "Memory",
            Topic::Fill => "Fills",
            Topic::Data => "Keys and values",
            Topic::Watching => "Logs and figures",
            Topic::Process => "The process",
            Topic::Absent => "Of Redis, and always off here",
        }
    }
}

/// How a value is written, its range, and the way to its field.
pub enum Kind {
    /// A whole number.
    Number {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// Unit for the docs: empty, `s` or `ms`.
        unit: &'static str,
        /// Reads the field.
        get: fn(&Settings) -> i64,
        /// Writes the field; the value is in range.
        set: fn(&mut Settings, i64),
    },
    /// A number in octal digits: file permissions.
    Octal {
        /// Largest value.
        max: u32,
        /// Reads the field.
        get: fn(&Settings) -> u32,
        /// Writes the field; the value is in range.
        set: fn(&mut Settings, u32),
    },
    /// A memory size, with a unit if wanted; shown as a number of bytes.
    Memory {
        /// Smallest value, bytes.
        min: u64,
        /// Largest value, bytes.
        max: u64,
        /// What a percentage is of, bytes; without it none is taken.
        whole: Option<fn() -> u64>,
        /// Reads the field.
        get: fn(&Settings) -> u64,
        /// Writes the field; the value is in range.
        set: fn(&mut Settings, u64),
    },
    /// A memory size, or a percentage of `maxmemory`; shown as a number of bytes or with its `%`.
    MemoryOrPercent {
        /// Reads the field.
        get: fn(&Settings) -> MemoryShare,
        /// Writes the field; a percentage is at most 100.
        set: fn(&mut Settings, MemoryShare),
    },
    /// A number with a fraction.
    Fraction {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// Reads the field.
        get: fn(&Settings) -> f64,
        /// Writes the field; the value is in range.
        set: fn(&mut Settings, f64),
    },
    /// `yes` or `no`.
    YesNo {
        /// Reads the field.
        get: fn(&Settings) -> bool,
        /// Writes the field.
        set: fn(&mut Settings, bool),
    },
    /// One of some words.
    Word {
        /// The words, in the order of the error text.
        words: &'static [&'static str],
        /// Reads the field, as an index into `words`.
        get: fn(&Settings) -> usize,
        /// Writes the field from an index into `words`.
        set: fn(&mut Settings, usize),
    },
    /// Some of a list of names; empty means all.
    Names {
        /// The list.
        known: &'static Names,
        /// Reads the field.
        get: fn(&Settings) -> &[&'static str],
        /// Writes the field; the names are of the list.
        set: fn(&mut Settings, Vec<&'static str>),
    },
    /// Any bytes; empty means "none".
    Text {
        /// What it is, for the docs.
        what: &'static str,
        /// Reads the field.
        get: fn(&Settings) -> Vec<u8>,
        /// Writes the field.
        set: fn(&mut Settings, &[u8]),
    },
    /// 128 bits as hexadecimal digits; empty means "drawn at start".
    Seed {
        /// Reads the field.
        get: fn(&Settings) -> Option<HashSeed>,
        /// Writes the field.
        set: fn(&mut Settings, Option<HashSeed>),
    },
    /// Addresses to listen on.
    Addresses {
        /// Reads the field.
        get: fn(&Settings) -> &[String],
        /// Writes the field.
        set: fn(&mut Settings, Vec<String>),
    },
    /// Percentiles, 0 to 100; shown without trailing zeros.
    Percentiles {
        /// Reads the field.
        get: fn(&Settings) -> &[f64],
        /// Writes the field.
        set: fn(&mut Settings, Vec<f64>),
    },
    /// `class hard soft seconds`, repeated.
    OutputLimits {
        /// The field.
        get: fn(&Settings) -> &[OutputLimit; 3],
        /// The field, to change.
        field: fn(&mut Settings) -> &mut [OutputLimit; 3],
    },
    /// Letters that stand for classes of keyspace events.
    Events {
        /// Reads the field.
        get: fn(&Settings) -> Classes,
        /// Writes the field.
        set: fn(&mut Settings, Classes),
    },
    /// Something of Redis that is always off here: only its off value is accepted.
    Off {
        /// The off value, as CONFIG GET shows it.
        shown: &'static str,
        /// Whether the off value may be followed by more (`save 900 1`).
        list: bool,
        /// What a file or flag that asks for more leads to.
        at_start: AtStart,
        /// Accepts the off value, and tells nonsense from what Redis would take.
        check: fn(&[&[u8]]) -> Result<(), ValueError>,
    },
}

/// What asking for something that is always off leads to at start-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtStart {
    /// An error, unless a later line takes it back.
    Refuse,
    /// One warning line where a configuration file asks (so that the files people have still work), an
    /// error where a flag does: an operator who types it now must be told that it is not available.
    WarnInFile,
}

impl Setting {
    /// Whether it is another name of a setting, which older files use.
    #[must_use]
    pub fn is_old_name(&self) -> bool {
        self.doc.starts_with("The old name of")
    }

    /// The value as CONFIG GET shows it: numbers of bytes without units, `yes`/`no`, lists with single blanks.
    /// Bytes, because a password or a path need not be UTF-8.
    #[must_use]
    pub fn get(&self, settings: &Settings) -> Vec<u8> {
        match &self.kind {
            Kind::Number { get, .. } => get(settings).to_string().into_bytes(),
            Kind::Octal { get, .. } => format!("{:o}", get(settings)).into_bytes(),
            Kind::Memory { get, .. } => get(settings).to_string().into_bytes(),
            Kind::MemoryOrPercent { get, .. } => get(settings).to_string().into_bytes(),
            Kind::Fraction { get, .. } => format!("{:?}", get(settings)).into_bytes(),
            Kind::YesNo { get, .. } => if get(settings) { b"yes" } else { b"no".as_slice() }.to_vec(),
            Kind::Word { words, get, .. } => words[get(settings)].as_bytes().to_vec(),
            Kind::Names { known, get, .. } => known.show(get(settings)).into_bytes(),
            Kind::Text { get, .. } => get(settings),
            Kind::Seed { get, .. } => seed_text(get(settings)).into_bytes(),
            Kind::Addresses { get, .. } => get(settings).join(" ").into_bytes(),
            Kind::Percentiles { get, .. } => {
                let shown: Vec<String> = get(settings).iter().map(|value| percentile_text(*value)).collect();
                shown.join(" ").into_bytes()
            }
            Kind::OutputLimits { get, .. } => output_limits::show(get(settings)).into_bytes(),
            Kind::Events { get, .. } => get(settings).to_string().into_bytes(),
            Kind::Off { shown, .. } => shown.as_bytes().to_vec(),
        }
    }

    /// Takes a value from `args`, the arguments after the directive's name; the only way to change a setting.
    /// After an error the settings are as they were.
    pub fn set(&self, settings: &mut Settings, args: &[&[u8]]) -> Result<(), ValueError> {
        match &self.kind {
            Kind::Addresses { set, .. } => set(settings, parse_addresses(args)?),
            Kind::Percentiles { set, .. } => set(settings, parse_percentiles(args)?),
            Kind::OutputLimits { field, .. } => output_limits::update(field(settings), args)?,
            Kind::Off { check, .. } => check(args)?,
            _ => {
                let [arg] = args else { return Err(ValueError::ArgumentCount) };
                self.set_single(settings, arg)?;
            }
        }
        Ok(())
    }

    /// Whether the directive takes any number of arguments.
    #[must_use]
    pub fn takes_list(&self) -> bool {
        matches!(
            self.kind,
            Kind::Addresses { .. }
                | Kind::OutputLimits { .. }
                | Kind::Percentiles { .. }
                | Kind::Off { list: true, .. }
        )
    }

    fn set_single(&self, settings: &mut Settings, arg: &[u8]) -> Result<(), ValueError> {
        match &self.kind {
            Kind::Number { min, max, set, .. } => {
                let number =
                    parse_i64(arg).ok_or_else(|| invalid("argument couldn't be parsed into an integer"))?;
                set(settings, in_range(number, *min, *max)?);
            }
            Kind::Octal { max, set, .. } => {
                let number = parse_octal(arg)
                    .ok_or_else(|| invalid("argument couldn't be parsed as an octal number"))?;
                if number > *max {
                    return Err(invalid(format!("argument must be between 0 and {max:o} inclusive")));
                }
                set(settings, number);
            }
            Kind::Memory { min, max, whole, set, .. } => {
                let share = whole.and_then(|whole| Some(percent_of(arg)? * u128::from(whole()) / 100));
                let bytes =
                    share.and_then(|bytes| u64::try_from(bytes).ok()).or_else(|| units::parse_bytes(arg));
                let bytes = bytes.ok_or_else(|| invalid("argument must be a memory value"))?;
                set(settings, in_range(bytes, *min, *max)?);
            }
            Kind::MemoryOrPercent { set, .. } => set(settings, parse_share(arg)?),
            Kind::Fraction { min, max, set, .. } => {
                let number = parse_fraction(arg)
                    .ok_or_else(|| invalid("argument couldn't be parsed into a number"))?;
                set(settings, in_range(number, *min, *max)?);
            }
            Kind::YesNo { set, .. } => {
                let yes = parse_yes_no(arg).ok_or_else(|| invalid("argument must be 'yes' or 'no'"))?;
                set(settings, yes);
            }
            Kind::Word { words, set, .. } => set(settings, parse_word(arg, words)?),
            Kind::Names { known, set, .. } => set(settings, known.parse(arg).map_err(invalid)?),
            Kind::Text { set, .. } => set(settings, arg),
            Kind::Seed { set, .. } => set(settings, parse_seed(arg)?),
            Kind::Events { set, .. } => {
                let unknown = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
                set(settings, Classes::parse(arg).ok_or_else(|| invalid(unknown))?);
            }
            Kind::Addresses { .. }
            | Kind::OutputLimits { .. }
            | Kind::Percentiles { .. }
            | Kind::Off { .. } => return Err(ValueError::ArgumentCount),
        }
        Ok(())
    }
}

/// A percentile as Redis shows it: at most six decimals, no zeros at the end.
#[must_use]
pub fn percentile_text(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn parse_percentiles(args: &[&[u8]]) -> Result<Vec<f64>, ValueError> {
    if let [] | [b""] = args {
        return Ok(Vec::new());
    }
    let percentile = |arg: &&[u8]| {
        let value = parse_fraction(arg)
            .ok_or_else(|| invalid("Invalid latency-tracking-info-percentiles parameters"))?;
        if (0.0..=100.0).contains(&value) {
            return Ok(value);
        }
        Err(invalid("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"))
    };
    args.iter().map(percentile).collect()
}

/// The words of `yes` and `no`, in any case.
pub(super) fn parse_yes_no(arg: &[u8]) -> Option<bool> {
    if arg.eq_ignore_ascii_case(b"yes") {
        Some(true)
    } else if arg.eq_ignore_ascii_case(b"no") {
        Some(false)
    } else {
        None
    }
}

fn invalid(text: impl Into<String>) -> ValueError {
    ValueError::Invalid(text.into())
}

fn in_range<T: PartialOrd + fmt::Display>(value: T, min: T, max: T) -> Result<T, ValueError> {
    if min <= value && value <= max {
        return Ok(value);
    }
    Err(invalid(format!("argument must be between {min} and {max} inclusive")))
}

fn parse_share(arg: &[u8]) -> Result<MemoryShare, ValueError> {
    if let Some(bytes) = units::parse_bytes(arg) {
        return Ok(MemoryShare::Bytes(in_range(bytes, 0, i64::MAX as u64)?));
    }
    let percent = arg.strip_suffix(b"%").and_then(parse_i64).and_then(|percent| u64::try_from(percent).ok());
    match percent {
        Some(percent @ ..=100) => Ok(MemoryShare::of_percent(percent as u8)),
        Some(_) => Err(invalid("percentage argument must be less or equal to 100")),
        None => Err(invalid("argument must be a memory or percent value")),
    }
}

/// 0 to 100, behind which there is a percent sign.
fn percent_of(arg: &[u8]) -> Option<u128> {
    let percent = arg.strip_suffix(b"%").and_then(parse_i64)?;
    u128::try_from(percent).ok().filter(|percent| *percent <= 100)
}

fn parse_octal(arg: &[u8]) -> Option<u32> {
    // `from_str_radix` alone would take a sign.
    let digits = arg.iter().all(|byte| matches!(byte, b'0'..=b'7'));
    digits.then(|| u32::from_str_radix(str::from_utf8(arg).ok()?, 8).ok())?
}

fn parse_fraction(arg: &[u8]) -> Option<f64> {
    let number = str::from_utf8(arg).ok()?.parse::<f64>().ok()?;
    // Adding 0.0 turns -0.0, which would be shown with its sign, into 0.0.
    (!number.is_nan()).then_some(number + 0.0)
}

fn parse_word(arg: &[u8], words: &[&str]) -> Result<usize, ValueError> {
    let found = words.iter().position(|word| word.as_bytes().eq_ignore_ascii_case(arg));
    found.ok_or_else(|| invalid(format!("argument(s) must be one of the following: {}", words.join(", "))))
}

fn parse_seed(arg: &[u8]) -> Result<Option<HashSeed>, ValueError> {
    if arg.is_empty() {
        return Ok(None);
    }
    let digits = arg.iter().all(u8::is_ascii_hexdigit) && arg.len() <= 32;
    let number =
        str::from_utf8(arg).ok().filter(|_| digits).and_then(|text| u128::from_str_radix(text, 16).ok());
    let number = number.ok_or_else(|| invalid("argument must be 1 to 32 hexadecimal digits"))?;
    Ok(Some(HashSeed((number >> 64) as u64, number as u64)))
}

fn seed_text(seed: Option<HashSeed>) -> String {
    seed.map_or_else(String::new, |HashSeed(high, low)| format!("{high:016x}{low:016x}"))
}

fn parse_addresses(args: &[&[u8]]) -> Result<Vec<String>, ValueError> {
    if args.len() > BIND_ADDRESSES_MAX {
        return Err(invalid("Too many bind addresses specified."));
    }
    if let [b""] = args {
        return Ok(Vec::new());
    }
    let address = |arg: &&[u8]| match str::from_utf8(arg) {
        Ok(text) if is_address_like(text) => Ok(text.to_owned()),
        _ => Err(invalid(format!("'{}' is not an address", arg.escape_ascii()))),
    };
    args.iter().map(address).collect()
}

/// Whether it could be an address, a host name or a wildcard; whether this machine has it, the listener finds out.
fn is_address_like(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:*%_".contains(&byte))
}
