//! What the account of somebody who is watched tells besides her presence (XEP-0163): her activity (XEP-0108) and mood
//! (XEP-0107). Clients publish them there, not in presence.
//!
//! An account tells those who may see its presence and show with theirs that they want it (XEP-0163 sections 4.1 and 4.2,
//! XEP-0115). So the presence that she gets of a SIP user who watches her has his capabilities; of one whom she does not
//! watch she gets none, and what she does is not known to him.
//!
//! It is not kept in the store: her server tells the last item to who comes anew (section 4.3.4), and some take nobody for
//! new after a restart of ours.

use super::super::super::Gateway;
use super::super::super::limits::RESOURCE_BYTES;
use super::super::super::record::Authorization;
use super::Pair;
use crate::mapping::presence::Doing;
use crate::time::Now;
use crate::xml::{Element, ns};
use crate::xmpp::Message;
use crate::xmpp::stanza::{Presence, PresenceKind};
use crate::xmpp::xep::{activity, mood, pep};

impl Gateway {
    /// Takes what an account tells. `false`: it is something else.
    pub(in super::super::super) fn serve_on_event(&mut self, message: &Message, now: Now) -> bool {
        let (Some(from), Some(to)) = (&message.from, &message.to) else { return false };
        if !pep::is_event(message) || message.bodies().next().is_some() {
            return false;
        }
        let pair = Pair::new(to.bare(), from.bare());
        let watched = self.presence.served.watched.get_mut(&pair);
        // The account speaks for itself, and not a device of hers (XEP-0163 section 4.3.1).
        let Some(watched) = watched.filter(|watched| watched.is_granted() && from.is_bare()) else { return true };
        let mut doing = watched.doing.as_deref().cloned().unwrap_or_default();
        pep::changes(message).into_iter().for_each(|(node, item)| change(&mut doing, node, item));
        let doing = Some(doing).filter(|doing| *doing != Doing::default()).map(Box::new);
        if doing == watched.doing {
            return true;
        }
        watched.doing = doing;
        if watched.heard.as_ref().is_some_and(|heard| heard.is_available()) {
            self.tell_watchers(&pair, false, false, now);
        }
        true
    }

    /// Whether an XMPP user lets a SIP user watch her.
    pub(in super::super) fn serves(&self, watcher: &str, target: &str) -> bool {
        let watched = &self.presence.served.watched;
        !watched.is_empty()
            && watched.get(&Pair::new(watcher, target)).is_some_and(|one| one.state == Some(Authorization::Granted))
    }
}

fn change(doing: &mut Doing, node: &str, item: Option<&Element>) {
    match node {
        ns::ACTIVITY => doing.activity = item.and_then(activity::read).filter(is_short_activity).unwrap_or_default(),
        ns::MOOD => doing.mood = item.and_then(mood::read).filter(is_short_mood).unwrap_or_default(),
        _ => {}
    }
}

/// What is longer than a whole presence may be is not kept.
fn is_short_activity(activity: &activity::Activity) -> bool {
    let texts = [activity.specific.as_deref(), activity.text.as_deref()];
    activity.general.len() + texts.into_iter().flatten().map(str::len).sum::<usize>() <= RESOURCE_BYTES
}

fn is_short_mood(mood: &mood::Mood) -> bool {
    mood.name.len() + mood.text.as_deref().map_or(0, str::len) <= RESOURCE_BYTES
}

/// Puts it where clients that have it in presence put it. What those say counts.
pub(super) fn add(doing: Option<&Doing>, stanzas: &mut [(&str, Presence)]) {
    let Some(doing) = doing else { return };
    let activity = Some(activity::element(&doing.activity)).filter(|_| !doing.activity.general.is_empty());
    let mood = Some(mood::element(&doing.mood)).filter(|_| !doing.mood.name.is_empty());
    for item in activity.into_iter().chain(mood) {
        let mut payloads = stanzas.iter().flat_map(|(_, stanza)| &stanza.payload);
        if payloads.any(|child| child.ns() == item.ns()) {
            continue;
        }
        let first = stanzas.iter_mut().find(|(_, stanza)| stanza.kind == PresenceKind::Available);
        if let Some((_, stanza)) = first {
            stanza.payload.push(item);
        }
    }
}
