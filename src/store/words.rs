//! How the enumerations of records are written in tables and files. These words are for ever: they are in the field.

use crate::gateway::record::{Authorization, Direction, Package};

pub(super) const DIRECTIONS: &[(&str, Direction)] = &[("to_sip", Direction::ToSip), ("to_xmpp", Direction::ToXmpp)];

/// By the names of RFC 6665 section 7.2.
pub(super) const PACKAGES: &[(&str, Package)] = &[
    ("presence", Package::Presence),
    ("dialog", Package::Dialog),
    ("reg", Package::Reg),
    ("message-summary", Package::MessageSummary),
    ("presence.winfo", Package::PresenceWinfo),
];

pub(super) const STATES: &[(&str, Authorization)] =
    &[("asked", Authorization::Asked), ("granted", Authorization::Granted), ("refused", Authorization::Refused)];

/// The word for a value.
pub(super) fn word<T: PartialEq>(table: &'static [(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

/// The value of a word, if it is known.
pub(super) fn value<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

/// A list of Route headers in one text: a JSON list, and nothing where there are none, as mostly.
pub(super) fn routes_to_text(routes: &[String]) -> String {
    if routes.is_empty() {
        return String::new();
    }
    serde_json::Value::from(routes).to_string()
}

/// The same list again.
pub(super) fn text_to_routes(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_word() {
        // Without a wildcard, so that a new variant is missed here at compile time.
        let package = |package: Package| match package {
            Package::Presence => "presence",
            Package::Dialog => "dialog",
            Package::Reg => "reg",
            Package::MessageSummary => "message-summary",
            Package::PresenceWinfo => "presence.winfo",
        };
        for (name, value) in PACKAGES {
            assert_eq!(*name, package(*value));
            assert_eq!(word(PACKAGES, value), *name);
        }
        let state = |state: Authorization| match state {
            Authorization::Asked => "asked",
            Authorization::Granted => "granted",
            Authorization::Refused => "refused",
        };
        assert!(STATES.iter().all(|(name, value)| *name == state(*value)) && STATES.len() == 3);
        assert_eq!(value(DIRECTIONS, "to_xmpp"), Some(Direction::ToXmpp));
        assert_eq!(value(DIRECTIONS, "to_nowhere"), None);
    }

    #[test]
    fn routes_survive() {
        for routes in
            [vec![], vec!["<sip:a;lr>".to_owned()], vec!["\"Ä\" <sip:a>".to_owned(), "<sip:\"b\\>".to_owned()]]
        {
            assert_eq!(text_to_routes(&routes_to_text(&routes)), Some(routes));
        }
        assert_eq!(text_to_routes("{"), None);
    }
}
