//! Messages that only their recipient's program can read (XEP-0380 and what came before it).

use crate::xml::ns;
use crate::xmpp::stanza::Message;

/// How `message` is encrypted, as a name for people, or `None` if it is not. The body of such a message, if it has one, only
/// says that it is encrypted.
#[must_use]
pub fn method(message: &Message) -> Option<String> {
    let known = message.payload.iter().find_map(|child| match (child.ns(), child.name()) {
        (ns::OMEMO_SIACS | ns::OMEMO_1 | ns::OMEMO_2, "encrypted") => Some("OMEMO"),
        (ns::OPENPGP, "openpgp") => Some("OpenPGP (XEP-0373)"),
        (ns::LEGACY_OPENPGP, "x") => Some("OpenPGP (XEP-0027)"),
        (ns::E2E, "e2e") => Some("S/MIME (RFC 3923)"),
        _ => None,
    });
    if let Some(known) = known {
        return Some(known.to_owned());
    }
    let hint = message.child(ns::EME, "encryption")?;
    let name = hint.attr("name").or_else(|| hint.attr("namespace")).unwrap_or("unknown");
    Some(name.chars().filter(|char| !char.is_control()).take(LONGEST_NAME).collect())
}

/// Of a name that a stranger chose; it goes into the text of an error.
const LONGEST_NAME: usize = 100;
