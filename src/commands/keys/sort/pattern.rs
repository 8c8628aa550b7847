//! Patterns of BY and GET: `weight_*`, `object_*->field`, `#`. The element comes in place of the first star.

use crate::dispatch::ctx::Ctx;
use crate::keyspace::Part;

/// Where a text for an element is found.
#[derive(Debug, Default)]
pub enum Pattern<'a> {
    /// It is the element.
    #[default]
    Element,
    /// Nowhere, the same for all: BY something without a star.
    Constant,
    /// In a key, or a field of the hash under it.
    Key { before: &'a [u8], behind: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    /// That of BY.
    pub fn by(text: &'a [u8]) -> Pattern<'a> {
        let Some(star) = memchr::memchr(b'*', text) else { return Pattern::Constant };
        let (before, rest) = (&text[..star], &text[star + 1..]);
        let arrow = memchr::memmem::find(rest, b"->").filter(|at| at + 2 < rest.len());
        match arrow {
            Some(at) => Pattern::Key { before, behind: &rest[..at], field: Some(&rest[at + 2..]) },
            None => Pattern::Key { before, behind: rest, field: None },
        }
    }

    /// That of GET.
    pub fn get(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" { Pattern::Element } else { Pattern::by(text) }
    }

    /// Whether it is the same for all elements.
    pub fn is_constant(&self) -> bool {
        matches!(self, Pattern::Constant)
    }

    /// Whether it reads other keys.
    pub fn reads_others(&self) -> bool {
        matches!(self, Pattern::Key { .. })
    }

    /// The text for an element; `None` where nothing of that kind is there. Counted as a look at that key.
    pub fn find(&self, ctx: &mut Ctx<'_>, element: &[u8]) -> Option<Vec<u8>> {
        let (before, behind, field) = match self {
            Pattern::Element => return Some(element.to_vec()),
            Pattern::Constant => return None,
            Pattern::Key { before, behind, field } => (before, behind, field),
        };
        let name = [before, element, behind].concat();
        let key = ctx.keys.key(&name);
        let mut view = ctx.keys.view(&key);
        match field {
            Some(field) => view.hash(&key).ok()??.get(field).map(Part::to_vec),
            None => view.read(&key).ok()?.map(|value| value.as_slice().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>);

    fn parts<'a>(pattern: &Pattern<'a>) -> Option<Parts<'a>> {
        match pattern {
            Pattern::Key { before, behind, field } => Some((before, behind, *field)),
            Pattern::Element | Pattern::Constant => None,
        }
    }

    #[test]
    fn field_is_behind_an_arrow_that_follows_the_star_and_is_followed_by_something() {
        assert_eq!(parts(&Pattern::by(b"w_*x")), Some((&b"w_"[..], &b"x"[..], None)));
        assert_eq!(parts(&Pattern::by(b"w*x->f->g")), Some((&b"w"[..], &b"x"[..], Some(&b"f->g"[..]))));
        assert_eq!(parts(&Pattern::by(b"a->b*")), Some((&b"a->b"[..], &b""[..], None)));
        assert_eq!(parts(&Pattern::by(b"*->")), Some((&b""[..], &b"->"[..], None)));
        assert_eq!(parts(&Pattern::by(b"**")), Some((&b""[..], &b"*"[..], None)));
        assert!(Pattern::by(b"nosort").is_constant() && Pattern::by(b"#").is_constant());
        assert!(matches!(Pattern::get(b"#"), Pattern::Element) && !Pattern::get(b"#").reads_others());
    }
}
