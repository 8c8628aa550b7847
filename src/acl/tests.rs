//! Rules, from their words to what they admit and back to words, over a table of a few commands.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::table::KeyFlag::{Access as Reads, Delete, RO, RW, Update};
use crate::table::arg::{key, string};
use crate::table::{Category, Channels, Flag, Spec, Table, Varying};

static GET: Spec = Spec {
    name: "get",
    args: &[key("key", &[RO, Reads])],
    flags: &[Flag::Readonly, Flag::Fast],
    acl: &[Category::String],
    ..Spec::EMPTY
};
static SET: Spec = Spec {
    name: "set",
    args: &[key("key", &[RW, Update]), string("value"), string("get").optional()],
    flags: &[Flag::Write],
    acl: &[Category::String],
    varying: Some(Varying::SetWithGet),
    ..Spec::EMPTY
};
static EXISTS: Spec =
    Spec { name: "exists", args: &[key("key", &[RO]).multiple()], flags: &[Flag::Readonly], ..Spec::EMPTY };
static RENAME: Spec = Spec {
    name: "rename",
    args: &[key("key", &[RW, Reads, Delete]), key("newkey", &[RW, Update])],
    flags: &[Flag::Write],
    ..Spec::EMPTY
};
static SELECT: Spec = Spec { name: "select", args: &[string("index")], ..Spec::EMPTY };
static AUTH: Spec = Spec { name: "auth", args: &[string("pw")], flags: &[Flag::NoAuth], ..Spec::EMPTY };
static PUBLISH: Spec = Spec {
    name: "publish",
    args: &[string("channel"), string("message")],
    flags: &[Flag::PubSub],
    channels: Channels::First,
    ..Spec::EMPTY
};
static PSUBSCRIBE: Spec = Spec {
    name: "psubscribe",
    args: &[string("pattern").multiple()],
    flags: &[Flag::PubSub],
    channels: Channels::Patterns,
    ..Spec::EMPTY
};
static CONFIG: Spec = Spec { name: "config", ..Spec::EMPTY };
static CONFIG_GET: Spec = Spec { name: "get", args: &[string("name")], flags: &[Flag::Admin], ..Spec::EMPTY };
static CONFIG_SET: Spec = Spec { name: "set", args: &[string("name")], flags: &[Flag::Admin], ..Spec::EMPTY };

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let plain = [&GET, &SET, &EXISTS, &RENAME, &SELECT, &AUTH, &PUBLISH, &PSUBSCRIBE];
    let family = (&CONFIG, vec![&CONFIG_GET, &CONFIG_SET]);
    Table::new(plain.into_iter().map(|spec| (spec, Vec::new())).chain([family]))
});

fn book() -> Rulebook<'static> {
    Rulebook { table: &TABLE, allows_channels: false }
}

fn words(text: &str) -> Vec<&[u8]> {
    text.split(' ').filter(|word| !word.is_empty()).map(str::as_bytes).collect()
}

fn user(rules: &str) -> User {
    made(book(), None, b"a", &words(rules)).unwrap_or_else(|error| panic!("{rules}: {error:?}"))
}

fn described(rules: &str) -> String {
    String::from_utf8(user(rules).describe()).unwrap()
}

fn refused(rules: &str) -> String {
    let error = made(book(), None, b"a", &words(rules)).expect_err(rules);
    String::from_utf8(error.text()).unwrap()
}

fn check(user: &User, request: &str) -> Result<(), Denied> {
    let words = words(request);
    let name = if words[0] == b"config" { [words[0], b"|", words[1]].concat() } else { words[0].to_vec() };
    user.check(TABLE.find_full(&name).unwrap(), words.len(), |at| words[at])
}

#[test]
fn rules_are_described_as_redis_describes_them() {
    for (rules, expected) in [
        ("", "off resetchannels -@all"),
        ("on nopass ~* &* +@all", "on nopass ~* &* +@all"),
        ("reset", "off sanitize-payload resetchannels -@all"),
        ("skip-sanitize-payload on", "on skip-sanitize-payload resetchannels -@all"),
        ("%R~a %W~a ~b %w~c ~b", "off ~a ~b %W~c resetchannels -@all"),
        ("~a allkeys resetkeys ~b", "off ~b resetchannels -@all"),
        ("&a &b &a", "off resetchannels &a &b -@all"),
        (
            "-@string +get +config|get -config +@string +set -@string",
            "off resetchannels -@all +get -config +set -@string",
        ),
        ("+select|0 +select|1 +SELECT", "off resetchannels -@all +select"),
        ("+select|0 -select", "off resetchannels -@all -select"),
        ("+@all -get +get", "off resetchannels +@all +get"),
        ("+get allcommands -set nocommands +set", "off resetchannels -@all +set"),
        ("+zadd -CLUSTER|Meet +sort|by -cluster", "off resetchannels -@all +zadd +sort|by -cluster"),
        (
            "(%R~x +get) (&z)",
            "off resetchannels -@all (%R~x resetchannels -@all +get) (resetchannels &z -@all)",
        ),
        ("(+get) clearselectors", "off resetchannels -@all"),
        (
            "nopass >pw",
            "off #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 resetchannels -@all",
        ),
        (">pw nopass", "off nopass resetchannels -@all"),
        (">pw >pw <pw", "off resetchannels -@all"),
        (">pw nopass resetpass", "off resetchannels -@all"),
    ] {
        assert_eq!(described(rules), expected, "{rules}");
    }
}

#[test]
fn rules_that_cannot_be_say_why() {
    let unknown = "Unknown command or category name in ACL";
    let hash =
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
    let all = "is not valid and does not have any effect. Try";
    for (rules, word, expected) in [
        ("on foo", "foo", "Syntax error"),
        ("+foo", "+foo", unknown),
        ("+", "+", unknown),
        ("+|x", "+|x", unknown),
        ("-select|0", "-select|0", unknown),
        ("+config|x", "+config|x", unknown),
        ("+cluster|x", "+cluster|x", unknown),
        ("+@foo", "+@foo", unknown),
        ("+select|", "+select|", "Syntax error"),
        ("+config|get|x", "+config|get|x", "Allowing first-arg of a subcommand is not supported"),
        ("%~a", "%~a", "Syntax error"),
        ("%R", "%R", "Syntax error"),
        ("%RR~a", "%RR~a", "Syntax error"),
        ("%X~a", "%X~a", "Syntax error"),
        ("#aa", "#aa", hash),
        ("!aa", "!aa", hash),
        ("<aa", "<aa", "The password you are trying to remove from the user does not exist"),
        ("(on)", "(on)", "Syntax error"),
        ("(+get (+set))", "(+get (+set))", "Syntax error"),
    ] {
        assert_eq!(refused(rules), format!("Error in ACL SETUSER modifier '{word}': {expected}"));
    }
    assert!(refused("~* ~a").contains(&format!("(or the 'allkeys' flag) {all} 'resetkeys'")));
    assert!(refused("&* &a").contains(&format!("(or the 'allchannels' flag) {all} 'resetchannels'")));
    assert_eq!(refused("~a (+get ~b"), "Unmatched parenthesis in acl selector starting at '(+get'.");
    for name in [&b"a b"[..], b"", b"a\n"] {
        assert_eq!(made(book(), None, name, &[]), Err(SetUserError::Name));
    }
}

#[test]
fn request_is_admitted_by_its_command_and_all_its_keys() {
    let reader = user("on %R~app:* ~own +@all -config|set");
    assert_eq!(check(&reader, "get app:1"), Ok(()));
    assert_eq!(check(&reader, "get other"), Err(Denied::Key(1)));
    assert_eq!(check(&reader, "set app:1 v"), Err(Denied::Key(1)));
    assert_eq!(check(&reader, "exists app:1 own no"), Err(Denied::Key(3)));
    assert_eq!(check(&reader, "rename own app:1"), Err(Denied::Key(2)));
    assert_eq!(check(&reader, "config set x"), Err(Denied::Command));
    assert_eq!(check(&reader, "config get x"), Ok(()));
    let writer = user("%W~* +@all");
    assert_eq!(check(&writer, "set k v"), Ok(()));
    assert_eq!(check(&writer, "set k v get"), Err(Denied::Key(1)));
    // Nothing of the value: any right will do.
    assert_eq!(check(&writer, "exists k"), Ok(()));
    assert_eq!(check(&writer, "get k"), Err(Denied::Key(1)));
    // Two patterns, each of which gives a half, do not make a whole.
    assert_eq!(check(&user("%R~a* %W~*b +@all"), "rename ab ab"), Err(Denied::Key(1)));
}

#[test]
fn commands_come_by_name_category_and_first_argument() {
    assert_eq!(check(&user("~* +@string -set"), "get k"), Ok(()));
    assert_eq!(check(&user("~* +@string -set"), "set k v"), Err(Denied::Command));
    assert_eq!(check(&user("~* +@all -@write"), "rename k l"), Err(Denied::Command));
    let selects = user("+select|0");
    assert_eq!(check(&selects, "select 0"), Ok(()));
    assert_eq!(check(&selects, "select 1"), Err(Denied::Command));
    assert_eq!(check(&user("+config"), "config get x"), Ok(()));
    assert_eq!(check(&user("-@all"), "auth pw"), Ok(()));
    assert_eq!(check(&user("+zadd"), "get k"), Err(Denied::Command));
}

#[test]
fn channels_match_and_patterns_of_channels_must_be_given() {
    let user = user("&news.* +@all");
    assert_eq!(check(&user, "publish news.a m"), Ok(()));
    assert_eq!(check(&user, "publish other news.a"), Err(Denied::Channel(1)));
    assert_eq!(check(&user, "psubscribe news.*"), Ok(()));
    assert_eq!(check(&user, "psubscribe news.* news.a*"), Err(Denied::Channel(2)));
    assert!(user.admits_channel(b"news.*", true) && !user.admits_channel(b"news.a", true));
}

#[test]
fn one_selector_must_admit_all_of_a_request() {
    let two = user("~a +get (~b +set)");
    assert_eq!((check(&two, "get a"), check(&two, "set b v")), (Ok(()), Ok(())));
    assert_eq!(check(&two, "get b"), Err(Denied::Key(1)));
    assert_eq!(check(&two, "rename a b"), Err(Denied::Command));
    // What came furthest is told.
    assert_eq!(check(&user("+exists ~a (~a ~b +exists)"), "exists a b c"), Err(Denied::Key(3)));
}

#[test]
fn keys_that_a_request_does_not_name_are_for_who_may_read_all() {
    let may = |rules: &str| {
        let words = words("rename a b");
        user(rules).may_read_all(TABLE.find_full(b"rename").unwrap(), words.len(), |at| words[at])
    };
    for rules in ["~* +@all", "~* &* +@all", "%R~* ~a ~b +rename", "%R~* %W~* +rename", "~x (~* +rename)"] {
        assert!(may(rules), "{rules}");
    }
    for rules in
        ["~a ~b +@all", "~** +@all", "~a ~b %W~* +@all", "~a ~b +rename (~* +get)", "%R~* ~a +@all", "~*"]
    {
        assert!(!may(rules), "{rules}");
    }
}

#[test]
fn only_who_may_do_everything_is_spared_the_looks() {
    assert!(user("~* &* +@all").is_unrestricted() && user("(~* &* +@all)").is_unrestricted());
    assert!(user("~* &* +@all -get +get").is_unrestricted());
    for rules in ["~* +@all", "&* +@all", "~* &* +@all -get", "~* &* +@all -config|get", "%R~* &* +@all", ""]
    {
        assert!(!user(rules).is_unrestricted(), "{rules}");
    }
    let open = Rulebook { allows_channels: true, ..book() };
    assert!(made(open, None, b"a", &words("~* +@all")).unwrap().is_unrestricted());
}

#[test]
fn change_of_users_is_all_or_nothing() {
    let users = Users::new(book());
    let users = users.with(book(), b"a", &words("on >pw +get")).unwrap();
    assert!(users.with(book(), b"a", &words("off +set +foo")).is_err());
    let a = users.get(b"a").unwrap();
    assert!(a.is_on() && users.len() == 2);
    assert!(users.authenticate(b"a", b"pw").is_some());
    for (name, password) in [("a", "px"), ("a", ""), ("b", "pw"), ("default ", "")] {
        assert!(users.authenticate(name.as_bytes(), password.as_bytes()).is_none(), "{name} {password}");
    }
    let off = users.with(book(), b"a", &words("off")).unwrap();
    assert!(off.authenticate(b"a", b"pw").is_none() && off.get(b"a").is_some());
    let (left, gone) = off.without(&[b"a", b"x", DEFAULT]);
    assert!(left.get(b"a").is_none() && left.get(DEFAULT).is_some() && gone == 1);
}

#[test]
fn default_user_is_the_one_of_its_name() {
    let users = Users::new(book());
    assert!(users.default_user().is_unrestricted() && users.authenticate(DEFAULT, b"any").is_some());
    let users = users.with(book(), DEFAULT, &words("resetpass >pw -get")).unwrap();
    assert!(!users.default_user().needs_no_password() && !users.default_user().is_unrestricted());
}

#[test]
fn nothing_of_a_user_is_unbounded() {
    let many = |count: usize, word: &dyn Fn(usize) -> String| -> Result<User, SetUserError> {
        let words: Vec<String> = (0..count).map(word).collect();
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        made(book(), None, b"a", &words)
    };
    for (most, word) in [
        (1024, &(|n| format!("~{n}")) as &dyn Fn(usize) -> String),
        (1024, &|n| format!("+select|{n}")),
        (1024, &|n| format!(">{n}")),
        (64, &|n| format!("(~{n})")),
    ] {
        assert!(many(most, word).is_ok() && many(most + 1, word).is_err(), "{}", word(0));
    }
    let long = format!("~{}", "k".repeat(64 * 1024 - 1));
    assert!(made(book(), None, b"a", &[long.as_bytes()]).is_ok());
    assert!(made(book(), None, b"a", &[format!("{long}k").as_bytes()]).is_err());
}

#[test]
fn file_tells_all_its_faults_and_where_they_are() {
    let text = "user a on +get\n\n  \r\nuser a off\n# no\nuser b +foo +bar ~* ~x ~y\nuser c (+get\nuser\nuser \0d on\n";
    let errors = file::read(book(), "f", text.as_bytes()).unwrap_err();
    let expected = "WARNING: Duplicate user 'a' found on line 4. \
        f:5 should start with user keyword followed by the username. \
        f:6: Error in applying operation '+foo': Unknown command or category name in ACL. \
        f:6: Error in applying operation '+bar': Unknown command or category name in ACL. \
        f:6: Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. \
        Try 'resetkeys' to start with an empty list of patterns. \
        f:7: Unmatched parenthesis in selector definition.\
        f:8 should start with user keyword followed by the username. \
        'f:9: username '\0d' contains invalid characters. \
        WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
    assert_eq!(String::from_utf8(errors.text()).unwrap(), expected);
    let many = "x\n".repeat(1000);
    assert!(file::read(book(), "f", many.as_bytes()).unwrap_err().text().len() < 10_000);
}

#[test]
fn file_without_a_default_user_has_the_first_one() {
    let users = file::read(book(), "f", b"user a on\n").unwrap();
    assert!(users.default_user().is_unrestricted());
    let users = file::read(book(), "f", b"user default off\r\n").unwrap();
    assert!(!users.default_user().is_on() && !users.default_user().is_unrestricted());
}

/// Rules that can follow any others.
fn any_rule() -> impl Strategy<Value = String> {
    let pattern = "[a-z*?:]{1,6}";
    let command = prop::sample::select(vec![
        "get",
        "set",
        "config",
        "config|get",
        "zadd",
        "xgroup|create",
        "@string",
        "@all",
        "@list",
    ]);
    prop_oneof![
        prop::sample::select(vec![
            "on",
            "off",
            "nopass",
            "resetpass",
            "reset",
            "allkeys",
            "resetkeys",
            "allchannels",
            "resetchannels",
            "clearselectors",
            "skip-sanitize-payload",
            "sanitize-payload",
            "+select|0",
            "+sort|by"
        ])
        .prop_map(str::to_owned),
        (prop::sample::select(vec!["~", "%R~", "%W~", "%rw~"]), pattern)
            .prop_map(|(sign, text)| format!("resetkeys {sign}{text}")),
        pattern.prop_map(|text| format!("resetchannels &{text}")),
        "[a-z]{0,4}".prop_map(|text| format!(">{text}")),
        (prop::sample::select(vec!["+", "-"]), command).prop_map(|(sign, name)| format!("{sign}{name}")),
        (pattern, prop::sample::select(vec!["+get", "+@all", "resetchannels &x allchannels", ""]))
            .prop_map(|(text, more)| format!("(~{text} {more})")),
    ]
}

proptest! {
    #[test]
    fn users_come_back_from_their_file(
        rules in prop::collection::vec(prop::collection::vec(any_rule(), 0..12), 1..4),
        allows_channels: bool,
    ) {
        let book = Rulebook { allows_channels, ..book() };
        let mut users = Users::new(book);
        for (at, rules) in rules.iter().enumerate() {
            let name = if at == 0 { "default".to_owned() } else { format!("user{at}") };
            let rules = rules.join(" ");
            users = users.with(book, name.as_bytes(), &words(&rules)).unwrap();
        }
        let text = file::write(&users);
        let back = file::read(book, "f", &text).unwrap();
        prop_assert_eq!(file::write(&back), text);
        for (one, other) in users.iter().zip(back.iter()) {
            for request in ["get k", "set k v", "config get x", "select 0", "publish x m", "psubscribe x*"] {
                prop_assert_eq!(check(one, request), check(other, request), "{}", request);
            }
        }
    }

    #[test]
    fn any_words_are_taken_or_refused(text in "[-+~%&()@|#!<>RWa-c ]{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for text in [text.as_bytes(), &bytes] {
            let words: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
            if let Ok(user) = made(book(), None, b"a", &words) {
                let again = file::read(book(), "f", &file::line(&user));
                prop_assert!(again.is_ok(), "{:?}", again);
            }
            drop(file::read(book(), "f", text));
        }
    }
}
