//! What a target, or her server, says to a watcher (RFC 8048 sections 5.3.1 and 6.2), and what she is asked.
//!
//! | stanza | while | the watcher's dialogs hear |
//! |---|---|---|
//! | `subscribed` | she was asked | active |
//! | `unsubscribed` | she was asked, or has allowed it | terminated;reason=rejected |
//! | an error about `subscribe` | she was asked | terminated, for the reason in `mappings/presence.toml` |
//! | available, unavailable | she has allowed it | all of her resources |
//! | an error: her server cannot be reached | she has allowed it | nothing, and she is asked again |
//! | anything else, or from anybody else | | nothing |

use super::super::super::record::Authorization;
use super::super::super::{Gateway, Link, Output, limits};
use super::Pair;
use crate::sip::event::notifier::Reason;
use crate::time::{Now, nanos};
use crate::xml::Element;
use crate::xmpp::jid::BareJid;
use crate::xmpp::stanza::{Presence, PresenceKind, Stanza};

/// A watcher whose subscription cannot be decided just now may try again after so many seconds, if nobody says otherwise.
const PROBATION: u32 = 300;

impl Gateway {
    pub(in super::super) fn serve_on_presence(&mut self, _link: Link, presence: &Presence, now: Now) {
        let (Some(from), Some(to)) = (&presence.from, &presence.to) else { return };
        let pair = Pair::new(to.bare(), from.bare());
        let Some(watched) = self.presence.served.watched.get(&pair) else { return };
        match (presence.kind, watched.state) {
            (PresenceKind::Subscribed, Some(Authorization::Asked | Authorization::Refused)) => {
                self.on_granted(&pair, now);
            }
            (PresenceKind::Unsubscribed, Some(Authorization::Asked | Authorization::Granted)) => {
                self.on_denied(&pair, now);
            }
            (PresenceKind::Error, Some(Authorization::Asked)) => self.on_ask_failed(&pair, presence, now),
            (PresenceKind::Error, Some(Authorization::Granted)) => self.on_probe_failed(&pair, presence, now),
            (PresenceKind::Available | PresenceKind::Unavailable, Some(Authorization::Granted) | None) => {
                self.on_said(&pair, presence, now);
            }
            (PresenceKind::Available, Some(Authorization::Asked)) => {
                // She may have said yes while nobody heard: her server says it again by itself (RFC 6121 section 3.1.3).
                let again = nanos(limits::ASK_ON_PRESENCE);
                if watched.asked_at.is_none_or(|asked| nanos(now.mono).saturating_sub(asked) >= again) {
                    self.ask(&pair, now);
                }
            }
            (
                PresenceKind::Available
                | PresenceKind::Unavailable
                | PresenceKind::Subscribe
                | PresenceKind::Subscribed
                | PresenceKind::Unsubscribe
                | PresenceKind::Unsubscribed
                | PresenceKind::Probe
                | PresenceKind::Error,
                _,
            ) => {}
        }
    }

    fn on_granted(&mut self, pair: &Pair, now: Now) {
        self.set_authorization(pair, Authorization::Granted, now);
        for id in self.presence.served.dialogs_of(pair) {
            if let Some(dialog) = self.presence.served.dialogs.get_mut(&id) {
                dialog.notifier.grant();
                dialog.waits_since = dialog.waits_since.or(Some(nanos(now.mono)));
            }
            self.serve_go_on(id, now);
        }
        // Her server sends presence by itself when she says yes, but not when it has only repeated an old yes.
        self.probe(pair, now);
        // Whom she watches shows now what he can do.
        self.show_capabilities(pair.target(), pair.watcher(), now);
    }

    fn on_denied(&mut self, pair: &Pair, now: Now) {
        self.set_authorization(pair, Authorization::Refused, now);
        if let Some(watched) = self.presence.served.watched.get_mut(pair) {
            (watched.heard, watched.doing) = (None, None);
        }
        self.end_all(pair, Reason::Rejected, now);
        // Where he had no dialog, nothing else looks after what is remembered of it.
        self.tidy_watched(pair, now);
    }

    /// Nobody was asked in the end. She may be another time, but for a plain no.
    fn on_ask_failed(&mut self, pair: &Pair, presence: &Presence, now: Now) {
        let Some(error) = presence.error() else { return };
        let reason = match self.mapping.end_reason(&error) {
            "rejected" => return self.on_denied(pair, now),
            "probation" => Reason::Probation(PROBATION),
            _ => Reason::NoResource,
        };
        self.forget_authorization(pair);
        self.end_all(pair, reason, now);
        self.tidy_watched(pair, now);
    }

    pub(super) fn end_all(&mut self, pair: &Pair, reason: Reason, now: Now) {
        for id in self.presence.served.dialogs_of(pair) {
            if let Some(dialog) = self.presence.served.dialogs.get_mut(&id) {
                dialog.notifier.end(reason);
            }
            self.serve_go_on(id, now);
        }
    }

    fn on_said(&mut self, pair: &Pair, presence: &Presence, now: Now) {
        let Some(watched) = self.presence.served.watched.get_mut(pair) else { return };
        let was_dnd = watched.heard.as_ref().is_some_and(|heard| heard.is_dnd());
        let is_first = watched.heard.is_none();
        let heard = watched.heard.get_or_insert_default();
        let is_new = heard.take(presence) || is_first;
        let dnd_changed = is_first || heard.is_dnd() != was_dnd;
        if is_new {
            self.tell_watchers(pair, is_first, dnd_changed, now);
        }
    }

    pub(super) fn tell_watchers(&mut self, pair: &Pair, is_first: bool, dnd_changed: bool, now: Now) {
        for id in self.presence.served.dialogs_of(pair) {
            let Some(dialog) = self.presence.served.dialogs.get_mut(&id) else { continue };
            if dialog.is_poll && is_first {
                // Her other resources come right behind.
                dialog.notifier.hold(now.mono + limits::POLL_GATHER);
            } else if dialog.tells(dnd_changed) {
                dialog.notifier.change();
                dialog.waits_since = dialog.waits_since.or(Some(nanos(now.mono)));
            }
            self.serve_go_on(id, now);
        }
    }

    /// Her server was asked what her resources say, and has had its time: what it did not repeat is over.
    pub(super) fn settle_doubt(&mut self, pair: &Pair, now: Now) {
        let Some(watched) = self.presence.served.watched.get_mut(pair) else { return };
        let Some(heard) = watched.heard.as_mut() else { return };
        let was_dnd = heard.is_dnd();
        if heard.settle() {
            let dnd_changed = heard.is_dnd() != was_dnd;
            self.tell_watchers(pair, false, dnd_changed, now);
        }
    }

    /// Asks the target. It is said until her server has heard it.
    pub(super) fn ask(&mut self, pair: &Pair, now: Now) {
        self.ask_in_words(pair, Vec::new(), now);
    }

    /// The same, with `words` in the stanza.
    pub(super) fn ask_in_words(&mut self, pair: &Pair, words: Vec<Element>, now: Now) {
        let Some(watched) = self.presence.served.watched.get_mut(pair) else { return };
        watched.asked_at = Some(nanos(now.mono));
        let id = format!("watch-{:x}", watched.id.0);
        watched.heard = None;
        if watched.state != Some(Authorization::Asked) {
            self.set_authorization(pair, Authorization::Asked, now);
        }
        self.presence.served.stats.asked += 1;
        let said = self.to_target(pair, PresenceKind::Subscribe);
        if let Some((link, stanza)) = said {
            self.tell(link, Stanza::Presence(Presence { id: Some(id), payload: words, ..stanza }));
        }
    }

    /// Asks the target's server what her resources say.
    pub(super) fn probe(&mut self, pair: &Pair, now: Now) {
        let Some(watched) = self.presence.served.watched.get_mut(pair) else { return };
        let again = nanos(limits::PROBE_AGAIN);
        if watched.probed_at.is_some_and(|at| nanos(now.mono).saturating_sub(at) < again) {
            return;
        }
        watched.probed_at = Some(nanos(now.mono));
        self.say_to_target(pair, PresenceKind::Probe);
    }

    /// Says in the watcher's name what means nothing later.
    pub(super) fn say_to_target(&mut self, pair: &Pair, kind: PresenceKind) {
        if let Some((link, stanza)) = self.to_target(pair, kind).filter(|(link, _)| self.link_is_up(*link)) {
            self.outputs.push(Output::Stanza(link, Stanza::Presence(stanza)));
        }
    }

    /// A stanza in the watcher's name, and its way.
    pub(super) fn to_target(&self, pair: &Pair, kind: PresenceKind) -> Option<(Link, Presence)> {
        let link = self.settings.link_of(super::ask::domain(pair.watcher()))?;
        let (watcher, target) = (BareJid::parse_peer(pair.watcher()).ok()?, BareJid::parse_peer(pair.target()).ok()?);
        Some((link, Presence::new(watcher.as_jid().clone(), target.as_jid().clone(), kind)))
    }

    /// The pair is known from now on.
    pub(super) fn watch(&mut self, pair: &Pair) {
        if !self.presence.served.watched.contains_key(pair) {
            self.presence.served.counts.add_pair(pair);
            self.presence.served.watched.insert(pair.clone(), Box::default());
        }
    }
}
