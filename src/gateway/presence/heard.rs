//! What is kept of a presence stanza: what somebody on the SIP side may be told of it, and no more than so much.

use super::super::limits::RESOURCE_BYTES;
use crate::xml::{Element, ns};
use crate::xmpp::stanza::Presence;

/// XEP-0107 and XEP-0108, which some clients put into presence, and XEP-0319.
const EXTENSIONS: [&str; 4] = [ns::DELAY, ns::IDLE, ns::MOOD, ns::ACTIVITY];

/// The stanza without addresses and without what nobody is told, and how that is written. Of one that says more than
/// [`RESOURCE_BYTES`] the words are left out.
pub(super) fn short(presence: &Presence) -> (Presence, Vec<u8>) {
    let is_told = |child: &&Element| child.ns() == ns::CLIENT || EXTENSIONS.contains(&child.ns());
    let is_short = |child: &&Element| child.is(ns::CLIENT, "show") || child.is(ns::CLIENT, "priority");
    let all = with(presence, is_told);
    if all.1.len() <= RESOURCE_BYTES {
        return all;
    }
    let few = with(presence, is_short);
    if few.1.len() <= RESOURCE_BYTES { few } else { written(Presence { kind: presence.kind, ..Presence::default() }) }
}

fn with(presence: &Presence, is_kept: impl Fn(&&Element) -> bool) -> (Presence, Vec<u8>) {
    let payload = presence.payload.iter().filter(is_kept).cloned().collect();
    written(Presence { kind: presence.kind, lang: presence.lang.clone(), payload, ..Presence::default() })
}

fn written(presence: Presence) -> (Presence, Vec<u8>) {
    let mut text = Vec::with_capacity(256);
    presence.write(ns::CLIENT, &mut text);
    (presence, text)
}
