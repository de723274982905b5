//! What the account of somebody who is watched tells besides her presence (XEP-0163): her activity (XEP-0108) and mood
//! (XEP-0107). Clients publish them there, not in presence.
//!
//! An account tells those who may see its presence and show with theirs that they want it (XEP-0163 sections 4.1 and 4.2,
//! XEP-0115). So the presence that she gets of a SIP user who watches her has his capabilities; of one whom she does not
//! watch she gets none, and what she does is not known to him.
//!
//! What holds already is asked for (XEP-0060 section 6.5.7) when he is shown to her for the first time, which he is again after
//! a restart of ours, and after whatever may have lost an event: not every server tells the last item to who comes anew
//! (section 4.3.4), and none knows that we have forgotten it. So it is not kept in the store.

use super::super::super::limits::RESOURCE_BYTES;
use super::super::super::record::Authorization;
use super::super::super::{Gateway, Link, Output};
use super::Pair;
use crate::mapping::presence::Doing;
use crate::time::Now;
use crate::xml::{Element, ns};
use crate::xmpp::Message;
use crate::xmpp::jid::BareJid;
use crate::xmpp::stanza::{Iq, IqKind, Presence, PresenceKind, Stanza};
use crate::xmpp::xep::{activity, mood, pep};

/// The nodes, and the ids of questions for their last item: who may answer such a question may tell the same unasked, so they
/// need not be hard to guess.
const NODES: [(&str, &str); 2] = [("doing-activity", ns::ACTIVITY), ("doing-mood", ns::MOOD)];

impl Gateway {
    /// Takes what an account tells. `false`: it is something else.
    pub(in super::super::super) fn serve_on_event(&mut self, message: &Message, now: Now) -> bool {
        let (Some(from), Some(to)) = (&message.from, &message.to) else { return false };
        if !pep::is_event(message) || message.bodies().next().is_some() {
            return false;
        }
        let pair = Pair::new(to.bare(), from.bare());
        // The account speaks for itself, and not a device of hers (XEP-0163 section 4.3.1).
        if from.is_bare() {
            self.take_doing(&pair, &pep::changes(message), now);
        }
        true
    }

    /// Takes the answer of an account to `ask_doing`.
    pub(in super::super::super) fn serve_on_answer(&mut self, iq: &Iq, now: Now) {
        let (Some(from), Some(to)) = (&iq.from, &iq.to) else { return };
        let node = NODES.into_iter().find(|(id, _)| *id == iq.id).filter(|_| from.is_bare());
        if let Some(((_, node), item)) = node.zip(pep::answer(&iq.kind)) {
            self.take_doing(&Pair::new(to.bare(), from.bare()), &[(node, item)], now);
        }
    }

    fn take_doing(&mut self, pair: &Pair, changes: &[(&str, Option<&Element>)], now: Now) {
        let watched = self.presence.served.watched.get_mut(pair);
        let Some(watched) = watched.filter(|watched| watched.is_granted()) else { return };
        let mut doing = watched.doing.as_deref().cloned().unwrap_or_default();
        changes.iter().for_each(|(node, item)| change(&mut doing, node, *item));
        let doing = Some(doing).filter(|doing| *doing != Doing::default()).map(Box::new);
        if doing == watched.doing {
            return;
        }
        watched.doing = doing;
        if watched.heard.as_ref().is_some_and(|heard| heard.is_available()) {
            self.tell_watchers(pair, false, false, now);
        }
    }

    /// Asks an account what it tells, in the name of a SIP user who may know.
    pub(in super::super) fn ask_doing(&mut self, link: Link, watcher: &BareJid, target: &BareJid) {
        for (id, node) in NODES {
            let (from, to) = (Some(watcher.as_jid().clone()), Some(target.as_jid().clone()));
            let iq = Iq { from, to, id: id.to_owned(), lang: None, kind: IqKind::Get(pep::last_item(node)) };
            self.outputs.push(Output::Stanza(link, Stanza::Iq(iq)));
        }
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
