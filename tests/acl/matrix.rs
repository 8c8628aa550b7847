//! Every command and every place of a key, for users that lack one thing: the answer that follows from the row.

use onefill::acl::{Access, Denied, Rulebook, User, made};
use onefill::commands::groups;
use onefill::table::{Flag, KeyFlag, Row};

use crate::requests::requests;

fn user(rules: &str) -> User {
    let book = Rulebook { table: groups::table(), allows_channels: true };
    let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    made(book, None, b"a", &words).unwrap_or_else(|error| panic!("{rules}: {error:?}"))
}

fn check(user: &User, row: &Row, words: &[String]) -> Result<(), Denied> {
    user.check(row, words.len(), |at| words[at].as_bytes())
}

#[test]
fn requests_of_the_matrix_are_what_their_rows_ask_for() {
    for (row, words) in requests() {
        assert!(row.admits_words(words.len()), "{words:?}");
    }
    let keys = requests().map(|(row, words)| row.keys(words.len(), |at| words[at].as_bytes()).count());
    assert!(keys.sum::<usize>() > 100, "the matrix is empty");
}

#[test]
fn every_place_of_a_key_is_checked_for_what_is_done_with_it() {
    for (row, words) in requests() {
        let word = |at: usize| words[at].as_bytes();
        for (place, spec) in row.keys(words.len(), word) {
            let flags = row.key_flags(spec, words.len(), word);
            let needs = |which: &[KeyFlag]| flags.iter().any(|flag| which.contains(flag));
            let reads = needs(&[KeyFlag::Access]);
            let writes = needs(&[KeyFlag::Insert, KeyFlag::Update, KeyFlag::Delete]);
            assert_eq!(Access::of(flags), Access { reads, writes });
            // All other keys may be used in all ways.
            let others = row.keys(words.len(), word).filter(|(at, _)| *at != place);
            let others: String = others.map(|(at, _)| format!("~{} ", words[at])).collect();
            let key = &words[place];
            for (rule, is_enough) in [
                (String::new(), false),
                (format!("~{key}"), true),
                (format!("%RW~{key}"), true),
                (format!("%R~{key}"), !writes),
                (format!("%W~{key}"), !reads),
                (format!("%R~{key} %W~{key}*"), !(reads && writes)),
                ("~other*".to_owned(), false),
            ] {
                let user = user(&format!("on +@all {others}{rule}"));
                let expected = if is_enough { Ok(()) } else { Err(Denied::Key(place)) };
                assert_eq!(check(&user, row, &words), expected, "{words:?} with {rule}");
            }
        }
    }
}

#[test]
fn every_command_is_checked_by_its_name_and_its_categories() {
    for (row, words) in requests() {
        let name = &row.full_name;
        let always = row.spec.has(Flag::NoAuth);
        let denied = if always { Ok(()) } else { Err(Denied::Command) };
        assert_eq!(check(&user(&format!("~* +@all -{name}")), row, &words), denied, "{name}");
        assert_eq!(check(&user(&format!("~* +{name}")), row, &words), Ok(()), "{name}");
        assert_eq!(check(&user("~* -@all"), row, &words), denied, "{name}");
        for category in row.spec.categories() {
            let category = category.name();
            assert_eq!(
                check(&user(&format!("~* +@all -{category}")), row, &words),
                denied,
                "{name} {category}"
            );
            assert_eq!(check(&user(&format!("~* +{category}")), row, &words), Ok(()), "{name} {category}");
        }
        if let Some((parent, _)) = name.split_once('|') {
            assert_eq!(check(&user(&format!("~* +{parent}")), row, &words), Ok(()), "{name}");
            assert_eq!(check(&user(&format!("~* +@all -{parent}")), row, &words), denied, "{name}");
        }
    }
}

#[test]
fn words_of_messages_are_checked_as_channels() {
    for (request, expected) in [
        ("publish c m", Err(Denied::Channel(1))),
        ("spublish c m", Err(Denied::Channel(1))),
        ("subscribe ok c", Err(Denied::Channel(2))),
        ("ssubscribe ok c", Err(Denied::Channel(2))),
        ("psubscribe ok o*", Err(Denied::Channel(2))),
        ("unsubscribe c", Ok(())),
        ("punsubscribe c", Ok(())),
        ("sunsubscribe c", Ok(())),
    ] {
        let words: Vec<String> = request.split(' ').map(str::to_owned).collect();
        let row = groups::table().find(words[0].as_bytes()).unwrap();
        assert_eq!(check(&user("+@all resetchannels &ok"), row, &words), expected, "{request}");
        assert_eq!(check(&user("+@all"), row, &words), Ok(()), "{request}");
    }
}
