//! What the documents of event packages have in common: they are numbered, some tell only what has changed, and whoever
//! keeps state of them has to notice when one is missing (RFC 3680, RFC 3858 section 4, RFC 4235 section 4.3, RFC 4662
//! section 5.6).

use crate::xml::{self, Element};

/// The longest name of anything that is kept, bytes: ids are made of a few dozen, and URIs of people have a hundred. What is
/// kept of many documents would else be as much as all of them together.
pub const MAX_NAME: usize = 512;

/// Why the document of a notification was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No XML that we take.
    #[error("{0}")]
    Xml(#[from] xml::Error),
    /// Another document than its content type says.
    #[error("the root is not <{0}/>")]
    Root(&'static str),
    /// An attribute that must be there is not, or is no value of its type.
    #[error("the attribute {0} is missing or wrong")]
    Attribute(&'static str),
    /// A line that must be there is not.
    #[error("the line {0} is missing or wrong")]
    Line(&'static str),
    /// More than we take.
    #[error("more than {1} {0}")]
    TooMany(&'static str, usize),
}

/// A document was missed, so what is known may be wrong until the next full one: the subscription is to be refreshed. What
/// came has been taken nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a document was missed; the full state is wanted")]
pub struct WantsFull;

/// How far the documents of one dialog have been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Versions {
    last: Option<u32>,
    /// The last document was passed over because its version was lower.
    back: bool,
}

/// What to do with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Take it.
    Take,
    /// Take it, and ask for the full state.
    TakeAndAsk,
    /// Pass over it.
    Skip,
    /// Pass over it, and ask for the full state.
    SkipAndAsk,
}

impl Versions {
    /// The turn of a document of this version.
    ///
    /// A lower one is passed over. The order of NOTIFYs is kept by CSeq, so a lower one means that the notifier has begun to
    /// count anew, which it must not; then the full state is asked for, and the full document that comes next is taken,
    /// whatever its number, lest a phone look busy for ever. One of the same number is taken again: it changes nothing where
    /// the notifier counts, and there are some that do not.
    #[must_use]
    pub fn turn(&mut self, version: u32, full: bool) -> Turn {
        let Some(last) = self.last else {
            return self.take(version, if full { Turn::Take } else { Turn::TakeAndAsk });
        };
        if version < last {
            if self.back && full {
                return self.take(version, Turn::Take);
            }
            self.back = true;
            return Turn::SkipAndAsk;
        }
        let missed = version - last > 1 && !full;
        self.take(version, if missed { Turn::TakeAndAsk } else { Turn::Take })
    }

    /// The same by RFC 4662 section 5.6, where one of the same number is passed over.
    #[must_use]
    pub fn turn_of_list(&mut self, version: u32, full: bool) -> Turn {
        if self.last == Some(version) { Turn::Skip } else { self.turn(version, full) }
    }

    fn take(&mut self, version: u32, turn: Turn) -> Turn {
        *self = Self { last: Some(version), back: false };
        turn
    }
}

impl Turn {
    /// Whether the document is to be taken.
    #[must_use]
    pub fn takes(self) -> bool {
        matches!(self, Turn::Take | Turn::TakeAndAsk)
    }

    /// An error if the full state is to be asked for.
    ///
    /// # Errors
    /// [`WantsFull`].
    pub fn asks(self) -> Result<(), WantsFull> {
        match self {
            Turn::Take | Turn::Skip => Ok(()),
            Turn::TakeAndAsk | Turn::SkipAndAsk => Err(WantsFull),
        }
    }
}

/// Reads a document with this root.
pub(super) fn root(bytes: &[u8], ns: &str, name: &'static str) -> Result<Element, Error> {
    let root = xml::reader::parse(bytes, &xml::Limits::document())?;
    if root.is(ns, name) { Ok(root) } else { Err(Error::Root(name)) }
}

/// A number in an attribute that must be there.
pub(super) fn number(element: &Element, name: &'static str) -> Result<u32, Error> {
    element.attr(name).and_then(|value| value.trim().parse().ok()).ok_or(Error::Attribute(name))
}

/// An attribute that must be there.
pub(super) fn required(element: &Element, name: &'static str) -> Result<String, Error> {
    element.attr(name).map(|value| value.trim().to_owned()).ok_or(Error::Attribute(name))
}

/// Whether a document has the full state; without a word it has.
pub(super) fn is_full(root: &Element, name: &'static str) -> Result<bool, Error> {
    match root.attr(name).map(str::trim) {
        None | Some("full") => Ok(true),
        Some("partial") => Ok(false),
        Some(_) => Err(Error::Attribute(name)),
    }
}

/// The children of one name, at most `most` of them.
pub(super) fn children<'e>(
    element: &'e Element,
    ns: &str,
    name: &str,
    what: &'static str,
    most: usize,
) -> Result<Vec<&'e Element>, Error> {
    let found: Vec<_> = element.children().filter(|child| child.is(ns, name)).take(most + 1).collect();
    if found.len() > most { Err(Error::TooMany(what, most)) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_turn() {
        let mut versions = Versions::default();
        for (version, full, turn) in [
            (4, true, Turn::Take),
            (5, false, Turn::Take),
            (5, false, Turn::Take),
            (7, false, Turn::TakeAndAsk),
            (9, true, Turn::Take),
            (8, true, Turn::SkipAndAsk),
            (10, false, Turn::Take),
            (u32::MAX, false, Turn::TakeAndAsk),
        ] {
            assert_eq!(versions.turn(version, full), turn, "{version}");
        }
        assert_eq!(Versions::default().turn(0, false), Turn::TakeAndAsk);
    }

    #[test]
    fn a_notifier_that_counts_anew_is_followed_from_its_second_full_document_on() {
        let mut versions = Versions::default();
        assert_eq!(versions.turn(40, true), Turn::Take);
        assert_eq!(versions.turn(0, false), Turn::SkipAndAsk);
        assert_eq!(versions.turn(1, false), Turn::SkipAndAsk);
        assert_eq!(versions.turn(2, true), Turn::Take);
        assert_eq!(versions.turn(3, false), Turn::Take);
    }

    #[test]
    fn a_list_of_the_same_version_is_passed_over() {
        let mut versions = Versions::default();
        assert_eq!(versions.turn_of_list(0, true), Turn::Take);
        assert_eq!(versions.turn_of_list(0, true), Turn::Skip);
        assert_eq!(versions.turn_of_list(1, false), Turn::Take);
        assert_eq!(versions.turn_of_list(0, false), Turn::SkipAndAsk);
    }
}
