//! When two replies count as the same.
//!
//! Owns: the meaning of each `Compare`. Does not know: where the replies came from.
//! Invariant: `Exact` compares types and bytes; every other rule loosens exactly what its name says.

use crate::script::Compare;
use crate::wire::Reply;

/// True when `ours` is an acceptable answer where the reference said `reference`.
pub fn same(reference: &Reply, ours: &Reply, rule: Compare) -> bool {
    match rule {
        Compare::Exact => reference == ours,
        Compare::Sorted => sorted(reference) == sorted(ours),
        Compare::Shape => same_shape(reference, ours),
        Compare::Keys => same_keys(reference, ours),
        Compare::Fields => same_kind(reference, ours) && has_fields(ours, &field_names(reference)),
        Compare::Near(tolerance) => near(reference, ours, tolerance),
    }
}

/// True when `ours` is what `expected` writes down: `*` stands for anything, `nil` for the protocol's null.
pub fn matches_text(expected: &str, ours: &Reply, protocol: u8) -> bool {
    match expected {
        "*" => true,
        "nil" => matches!((protocol, ours), (2, Reply::NullBulk | Reply::NullArray) | (3, Reply::Null)),
        _ => ours.to_string() == with_nulls(expected, protocol),
    }
}

/// Elements that are `nil` as the protocol has them.
fn with_nulls(expected: &str, protocol: u8) -> String {
    let null = if protocol == 2 { "$-1" } else { "_" };
    let parts = expected.split(", ").map(|part| match part.trim_matches(['[', ']']) {
        "nil" => part.replace("nil", null),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The names before `=` or `:` in a text of fields, section titles (`# Server`) included.
pub fn field_names(reply: &Reply) -> Vec<String> {
    let text = String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned();
    // INFO has one field per line, CLIENT LIST one per blank.
    let by_line = text.contains("\r\n");
    let fields = text.split(|c: char| c == '\n' || (c == ' ' && !by_line)).map(str::trim_end);
    fields
        .filter(|field| !field.is_empty())
        .map(|field| field.split(['=', ':']).next().unwrap_or(field).to_owned())
        .collect()
}

fn same_kind(reference: &Reply, ours: &Reply) -> bool {
    reference.kind() == ours.kind()
}

fn has_fields(ours: &Reply, names: &[String]) -> bool {
    let have = field_names(ours);
    let mut have = have.iter();
    names.iter().all(|name| have.any(|field| field == name))
}

fn sorted(reply: &Reply) -> Reply {
    let by_text = |mut list: Vec<Reply>| {
        list.sort_by_key(Reply::to_string);
        list
    };
    match reply {
        Reply::Array(list) => Reply::Array(by_text(list.iter().map(sorted).collect())),
        Reply::Set(list) => Reply::Set(by_text(list.iter().map(sorted).collect())),
        Reply::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            pairs.sort_by_key(|(key, _)| key.to_string());
            Reply::Map(pairs)
        }
        other => other.clone(),
    }
}

fn same_shape(reference: &Reply, ours: &Reply) -> bool {
    let (theirs, mine) = (reference.elements(), ours.elements());
    same_kind(reference, ours)
        && theirs.len() == mine.len()
        && theirs.iter().zip(mine).all(|(a, b)| same_shape(a, b))
}

fn same_keys(reference: &Reply, ours: &Reply) -> bool {
    let (theirs, mine) = (reference.elements(), ours.elements());
    let pairs_agree = |(a, b): (&[&Reply], &[&Reply])| match (a, b) {
        ([key, value], [our_key, our_value]) => key == our_key && same_shape(value, our_value),
        _ => false,
    };
    same_kind(reference, ours)
        && theirs.len() == mine.len()
        && theirs.chunks(2).zip(mine.chunks(2)).all(pairs_agree)
}

fn near(reference: &Reply, ours: &Reply, tolerance: i64) -> bool {
    match (reference, ours) {
        // -1 and -2 are answers of their own (no TTL, no key), never "about 0".
        (Reply::Int(a), Reply::Int(b)) => {
            a == b || (*a >= 0 && *b >= 0 && a.abs_diff(*b) <= tolerance.unsigned_abs())
        }
        (Reply::Array(_), Reply::Array(_)) => {
            let (theirs, mine) = (reference.elements(), ours.elements());
            theirs.len() == mine.len() && theirs.iter().zip(mine).all(|(a, b)| near(a, b, tolerance))
        }
        _ => reference == ours,
    }
}

#[cfg(test)]
mod tests {
    use super::{matches_text, same};
    use crate::script::Compare;
    use crate::wire::Reply;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    #[test]
    fn nulls_of_different_types_are_never_the_same() {
        for rule in [Compare::Exact, Compare::Sorted, Compare::Shape, Compare::Near(9)] {
            assert!(!same(&Reply::NullBulk, &Reply::NullArray, rule), "{rule:?}");
        }
    }

    #[test]
    fn missing_ttl_is_not_near_zero() {
        assert!(same(&Reply::Int(10), &Reply::Int(9), Compare::Near(1)));
        assert!(!same(&Reply::Int(0), &Reply::Int(-1), Compare::Near(1)));
        assert!(!same(&Reply::Int(10), &Reply::Int(8), Compare::Near(1)));
    }

    #[test]
    fn keys_rule_compares_names_and_types_of_values() {
        let flat = |name: &str, value: Reply| Reply::Array(vec![bulk(name), value]);
        assert!(same(&flat("id", Reply::Int(1)), &flat("id", Reply::Int(7)), Compare::Keys));
        assert!(!same(&flat("id", Reply::Int(1)), &flat("ID", Reply::Int(7)), Compare::Keys));
        assert!(!same(&flat("id", Reply::Int(1)), &flat("id", bulk("1")), Compare::Keys));
    }

    #[test]
    fn fields_rule_allows_more_fields_but_none_missing() {
        let reference = bulk("id=1 name= db=0\n");
        assert!(same(&reference, &bulk("id=4 name=x extra=1 db=2\n"), Compare::Fields));
        assert!(!same(&reference, &bulk("id=4 db=2\n"), Compare::Fields));
    }

    #[test]
    fn expectation_nil_depends_on_the_protocol() {
        assert!(matches_text("nil", &Reply::NullBulk, 2) && matches_text("nil", &Reply::Null, 3));
        assert!(!matches_text("nil", &Reply::NullBulk, 3) && !matches_text("nil", &Reply::Null, 2));
        let several = |null: Reply| Reply::Array(vec![null.clone(), bulk("nil"), null]);
        let expected = "[nil, \"nil\", nil]";
        assert!(
            matches_text(expected, &several(Reply::NullBulk), 2)
                && matches_text(expected, &several(Reply::Null), 3)
        );
        assert!(!matches_text(expected, &several(Reply::Null), 2));
    }
}
