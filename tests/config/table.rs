//! The table of settings: order, defaults, ranges, and CONFIG GET and SET over it.

use onefill::config::{
    DebugAccess, Kind, LogLevel, MEANINGLESS, REFUSED, SETTINGS, Setting, Settings, find, get, set_many,
};
use proptest::prelude::*;

/// The setting's value after its text was given to `Setting::set`.
#[track_caller]
fn set_one(setting: &Setting, text: &[u8]) -> Result<Settings, String> {
    let args: Vec<&[u8]> = match text {
        b"" => vec![text],
        _ if setting.takes_list() => text.split(|&byte| byte == b' ').collect(),
        _ => vec![text],
    };
    let mut settings = Settings::default();
    setting.set(&mut settings, &args).map_err(|error| error.to_string())?;
    Ok(settings)
}

/// What CONFIG SET answers, and the settings it leaves.
fn config_set(pairs: &[(&str, &str)]) -> Result<Settings, String> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    set_many(&Settings::default(), &pairs).map_err(|error| error.to_string())
}

fn shown(settings: &Settings, patterns: &[&str]) -> Vec<(String, String)> {
    let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    get(settings, &patterns).into_iter().map(|(name, value)| (text(name), text(&value))).collect()
}

#[test]
fn tables_are_sorted_and_name_no_directive_twice() {
    let mut names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    assert!(names.is_sorted(), "settings are sorted by name");
    assert!(MEANINGLESS.is_sorted_by_key(|(name, _)| name), "meaningless directives are sorted by name");
    assert!(REFUSED.is_sorted_by_key(|(name, _)| name), "refused directives are sorted by name");
    names.extend(MEANINGLESS.iter().chain(REFUSED).map(|(name, _)| name));
    names.push("include");
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name is in two tables");
    assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
}

#[test]
fn default_texts_are_what_default_settings_show() {
    let defaults = Settings::default();
    for setting in SETTINGS {
        assert_eq!(String::from_utf8_lossy(&setting.get(&defaults)), setting.default, "{}", setting.name);
        assert_eq!(set_one(setting, setting.default.as_bytes()).as_ref(), Ok(&defaults), "{}", setting.name);
    }
}

#[test]
fn both_ends_of_every_range_are_kept_whole_and_beyond_is_refused() {
    for setting in SETTINGS {
        let name = setting.name;
        let (min, max) = match setting.kind {
            Kind::Number { min, max, .. } => (i128::from(min), i128::from(max)),
            Kind::Memory { min, max, .. } => (i128::from(min), i128::from(max)),
            _ => continue,
        };
        for value in [min, max] {
            let text = value.to_string();
            let settings = set_one(setting, text.as_bytes()).expect(name);
            assert_eq!(String::from_utf8_lossy(&setting.get(&settings)), text, "{name}");
        }
        let expected = format!("argument must be between {min} and {max} inclusive");
        let number = matches!(setting.kind, Kind::Number { .. });
        for value in [min - 1, max + 1] {
            // A memory size has no sign, and nothing has more than 64 bits.
            let fits = if number { i64::try_from(value).is_ok() } else { u64::try_from(value).is_ok() };
            if fits {
                assert_eq!(set_one(setting, value.to_string().as_bytes()), Err(expected.clone()), "{name}");
            }
        }
    }
}

#[test]
fn values_of_the_wrong_kind_get_the_error_texts_of_redis() {
    let cases = [
        ("timeout", "1x", "argument couldn't be parsed into an integer"),
        ("timeout", "", "argument couldn't be parsed into an integer"),
        ("timeout", "+1", "argument couldn't be parsed into an integer"),
        ("maxmemory", "1tb", "argument must be a memory value"),
        ("protected-mode", "true", "argument must be 'yes' or 'no'"),
        ("loglevel", "loud", "argument(s) must be one of the following: debug, verbose, notice, warning"),
        ("unixsocketperm", "9", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm", "1000", "argument must be between 0 and 777 inclusive"),
        ("fill-beta", "NaN", "argument couldn't be parsed into a number"),
        ("fill-beta", "-1", "argument must be between 0 and 100 inclusive"),
        ("hash-seed", "xyz", "argument must be 1 to 32 hexadecimal digits"),
        ("bind", "a\u{e9}", "'a\\xc3\\xa9' is not an address"),
        ("save", "abc", "Invalid save parameters"),
        ("save", "3600 1", "nothing is kept on disk: only \"\" is accepted"),
        ("appendonly", "yes", "nothing is kept on disk: only 'no' is accepted"),
        ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
        ("notify-keyspace-events", "K!", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        (
            "client-output-buffer-limit",
            "normal 0 0",
            "Wrong number of arguments in buffer limit configuration.",
        ),
        (
            "client-output-buffer-limit",
            "normal 0 0 -1",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
    ];
    for (name, value, error) in cases {
        let setting = find(name.as_bytes()).expect(name);
        assert_eq!(set_one(setting, value.as_bytes()), Err(error.to_owned()), "{name} {value}");
    }
}

#[test]
fn config_set_with_several_pairs_changes_all_or_nothing() {
    let settings = config_set(&[("MaxMemory", "1gb"), ("loglevel", "DEBUG"), ("fill-beta", "2")]).unwrap();
    assert_eq!(settings.maxmemory_bytes, 1 << 30);
    assert_eq!(settings.loglevel, LogLevel::Debug);
    assert_eq!(shown(&settings, &["fill-beta"]), [("fill-beta".to_owned(), "2.0".to_owned())]);
    assert!(config_set(&[("maxmemory", "1gb"), ("timeout", "bad")]).is_err());
}

#[test]
fn config_set_errors_are_those_of_redis() {
    let failed = |name: &str, why: &str| {
        Err(format!("CONFIG SET failed (possibly related to argument '{name}') - {why}"))
    };
    let unknown =
        |name: &str| Err(format!("Unknown option or number of arguments for CONFIG SET - '{name}'"));
    assert_eq!(config_set(&[("nosuch", "1")]), unknown("nosuch"));
    assert_eq!(config_set(&[("rdbcompression", "yes")]), unknown("rdbcompression"));
    assert_eq!(config_set(&[("no\r\nsuch", "1")]), unknown("no  such"));
    assert_eq!(config_set(&[("DATABASES", "3")]), failed("DATABASES", "can't set immutable config"));
    assert_eq!(config_set(&[("timeout", "1"), ("TIMEOUT", "2")]), failed("TIMEOUT", "duplicate parameter"));
    assert_eq!(
        config_set(&[("TIMEOUT", "-1")]),
        failed("timeout", "argument must be between 0 and 2147483647 inclusive")
    );
    assert_eq!(config_set(&[("timeout", "bad"), ("nosuch", "1")]), unknown("nosuch"));
    assert_eq!(
        config_set(&[("databases", "1"), ("nosuch", "1")]),
        failed("databases", "can't set immutable config")
    );
}

#[test]
fn config_get_matches_globs_and_shows_each_setting_once() {
    let settings = Settings { enable_debug_command: DebugAccess::Local, ..Settings::default() };
    let names =
        |patterns: &[&str]| shown(&settings, patterns).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&["*"]).len(), SETTINGS.len());
    assert_eq!(
        names(&["MAXMEM*", "maxmemory"]),
        [
            "maxmemory",
            "maxmemory-clients",
            "maxmemory-eviction-tenacity",
            "maxmemory-policy",
            "maxmemory-samples"
        ]
    );
    assert_eq!(names(&["MaxMemory", "maxmemory"]), ["MaxMemory"]);
    assert_eq!(names(&["nosuch", "rdb*", ""]), [""; 0]);
    assert_eq!(shown(&settings, &["enable-debug-command"])[0].1, "local");
}

#[test]
fn password_that_is_not_utf8_is_kept_byte_for_byte_and_out_of_logs() {
    let settings = set_many(&Settings::default(), &[(b"requirepass", b"s\xff\x00cret")]).unwrap();
    assert_eq!(get(&settings, &[b"requirepass"]), [(b"requirepass".as_slice(), b"s\xff\x00cret".to_vec())]);
    let log = format!("{settings:?}");
    assert!(log.contains("hidden") && !log.contains("cret"), "{log}");
}

proptest! {
    #[test]
    fn any_value_is_refused_without_effect_or_comes_back_from_get(
        index in 0..SETTINGS.len(),
        value in prop_oneof![
            any::<i64>().prop_map(|number| number.to_string().into_bytes()),
            (0u64..5000).prop_map(|number| number.to_string().into_bytes()),
            "[0-9]{1,3}(b|k|kb|mb|GB)".prop_map(String::into_bytes),
            "[0-9.]{1,6}".prop_map(String::into_bytes),
            "[0-9a-f]{1,33}".prop_map(String::into_bytes),
            "(yes|no|local|debug|volatile-ttl|127\\.0\\.0\\.1 -::1|pubsub 1 2 3)".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..12),
        ],
    ) {
        let setting = &SETTINGS[index];
        let args: Vec<&[u8]> = if setting.takes_list() { value.split(|&byte| byte == b' ').collect() } else { vec![&value] };
        let mut settings = Settings::default();
        match setting.set(&mut settings, &args) {
            Err(_) => prop_assert_eq!(&settings, &Settings::default()),
            Ok(()) => {
                let text = setting.get(&settings);
                prop_assert_eq!(set_one(setting, &text), Ok(settings));
            }
        }
    }
}
