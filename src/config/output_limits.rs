//! `client-output-buffer-limit`: how many bytes of replies may wait for a slow reader, per class of client.
//!
//! Knows nothing of connections. Invariant: a text is taken as a whole or not at all.

use super::units;
use super::value::ValueError;

/// Limits of one class of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Close at once above this, bytes; 0 = no limit.
    pub hard_bytes: u64,
    /// Close when above this for `soft_seconds`, bytes; 0 = no limit.
    pub soft_bytes: u64,
    /// How long `soft_bytes` may be exceeded, seconds.
    pub soft_seconds: u64,
}

impl OutputLimit {
    /// Redis's defaults, indexed by `ClientClass`.
    pub const DEFAULTS: [OutputLimit; 3] = [
        OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
        OutputLimit { hard_bytes: 256 << 20, soft_bytes: 64 << 20, soft_seconds: 60 },
        OutputLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_seconds: 60 },
    ];
}

/// Index into `Settings::output_limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClass {
    /// Ordinary connections.
    Normal = 0,
    /// Replicas.
    Replica = 1,
    /// Connections subscribed to channels.
    Pubsub = 2,
}

/// The names of the classes as CONFIG GET shows them (Redis's: the old word for a replica).
const SHOWN: [&str; 3] = ["normal", "slave", "pubsub"];
/// The names of the classes as a configuration file has them.
const WRITTEN: [&str; 3] = ["normal", "replica", "pubsub"];

/// The limits as CONFIG GET shows them: numbers of bytes, all classes in one line.
pub(super) fn show(limits: &[OutputLimit; 3]) -> String {
    let classes = limits.iter().zip(SHOWN).map(|(limit, name)| {
        format!("{name} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
    });
    classes.collect::<Vec<_>>().join(" ")
}

/// For a configuration file: each class's name, its value, and whether that differs from the default.
pub(super) fn file_values(limits: &[OutputLimit; 3]) -> Vec<(&'static str, String, bool)> {
    let classes = limits.iter().zip(WRITTEN).zip(&OutputLimit::DEFAULTS);
    classes
        .map(|((limit, name), default)| {
            let hard = units::file_text(limit.hard_bytes);
            let soft = units::file_text(limit.soft_bytes);
            (name, format!("{hard} {soft} {}", limit.soft_seconds), limit != default)
        })
        .collect()
}

/// The name that `file_values` gives to a class, from any of its names.
pub(super) fn file_name(class: &[u8]) -> Option<&'static str> {
    class_of(class).map(|class| WRITTEN[class as usize])
}

/// Changes the classes that `args` name (`class hard soft seconds`, repeated); all of them or none.
pub(super) fn update(limits: &mut [OutputLimit; 3], args: &[&[u8]]) -> Result<(), ValueError> {
    if !args.len().is_multiple_of(4) {
        return Err(invalid("Wrong number of arguments in buffer limit configuration."));
    }
    let mut updated = *limits;
    for part in args.chunks_exact(4) {
        let class = class_of(part[0])
            .ok_or_else(|| invalid("Invalid client class specified in buffer limit configuration."))?;
        updated[class as usize] = parse_limit(part).ok_or_else(|| {
            invalid("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
        })?;
    }
    *limits = updated;
    Ok(())
}

fn class_of(name: &[u8]) -> Option<ClientClass> {
    match name.to_ascii_lowercase().as_slice() {
        b"normal" => Some(ClientClass::Normal),
        b"replica" | b"slave" => Some(ClientClass::Replica),
        b"pubsub" => Some(ClientClass::Pubsub),
        _ => None,
    }
}

fn parse_limit(part: &[&[u8]]) -> Option<OutputLimit> {
    let soft_seconds = str::from_utf8(part[3]).ok()?.parse::<i64>().ok()?;
    Some(OutputLimit {
        hard_bytes: units::parse_bytes(part[1])?,
        soft_bytes: units::parse_bytes(part[2])?,
        soft_seconds: u64::try_from(soft_seconds).ok()?,
    })
}

fn invalid(text: &str) -> ValueError {
    ValueError::Invalid(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_limits_named_in_part_leave_the_other_classes_alone() {
        let mut limits = OutputLimit::DEFAULTS;
        update(&mut limits, &[b"PubSub", b"1mb", b"1k", b"7"]).unwrap();
        assert_eq!(limits[..2], OutputLimit::DEFAULTS[..2]);
        let pubsub = OutputLimit { hard_bytes: 1 << 20, soft_bytes: 1000, soft_seconds: 7 };
        assert_eq!(limits[ClientClass::Pubsub as usize], pubsub);
        assert_eq!(show(&limits), "normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 1000 7");
    }

    #[test]
    fn output_limits_with_one_bad_class_change_nothing() {
        let mut limits = OutputLimit::DEFAULTS;
        let args: [&[u8]; 8] = [b"normal", b"1", b"1", b"1", b"master", b"1", b"1", b"1"];
        assert!(update(&mut limits, &args).is_err());
        assert_eq!(limits, OutputLimit::DEFAULTS);
    }
}
