//! What the watcher and her server say.

use super::super::super::record::{Authorization, RecordId};
use super::super::super::{Gateway, Link, Output, limits};
use super::super::is_of_server_away;
use super::{Clock, GONE_GRACE, Stage, Standing, Watch};
use crate::mapping::AddressError;
use crate::model::{Failure, Reason};
use crate::time::Now;
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Presence, PresenceKind, Stanza};

impl Gateway {
    /// Takes presence of an XMPP user that is addressed to a SIP user.
    pub(in super::super) fn watch_on_presence(&mut self, link: Link, presence: &Presence, now: Now) {
        let (Some(from), Some(to)) = (&presence.from, &presence.to) else { return };
        match presence.kind {
            PresenceKind::Subscribe => self.on_subscribe(link, presence, now),
            PresenceKind::Unsubscribe => self.on_unsubscribe(link, from, to, now),
            PresenceKind::Probe => self.on_probe(link, from, to, now),
            PresenceKind::Available => self.on_attendance(from, to, true, now),
            PresenceKind::Unavailable => self.on_attendance(from, to, false, now),
            PresenceKind::Error => self.on_presence_error(presence, now),
            PresenceKind::Subscribed | PresenceKind::Unsubscribed => {}
        }
    }

    fn on_subscribe(&mut self, link: Link, presence: &Presence, now: Now) {
        let (Some(from), Some(to)) = (&presence.from, &presence.to) else { return };
        let watching = &mut self.presence.watching;
        let known = watching.find(from.bare(), to.bare());
        let asks = known.and_then(|id| watching.watches.get(&id)).is_none_or(|watch| watch.stage == Stage::Closing);
        if asks && watching.rates.take(from, now.mono).is_err() {
            let failure = Failure::because(Reason::Overloaded, "too many subscriptions in a short time");
            return self.refuse_watch(link, presence, &failure);
        }
        if let Some(id) = known {
            return self.subscribed_before(id, now);
        }
        match self.admits_watch(from, to) {
            Ok(route) => {
                let (watcher, target) = (from.to_bare(), to.to_bare());
                let watch = Watch::new(watcher, target, link, route, Stage::Asked, now.wall);
                let id = self.new_record();
                self.presence.watching.insert(id, watch);
                self.put_watch(id);
                self.open_usages(id, now);
            }
            Err(failure) => self.refuse_watch(link, presence, &failure),
        }
    }

    /// Whether somebody may ask to watch somebody; then the next hop that is asked.
    fn admits_watch(&self, from: &Jid, to: &Jid) -> Result<usize, Failure> {
        let route = self.settings.route_of(to.domain()).ok_or_else(|| Failure::new(Reason::ServerNotFound))?;
        let bridged = self.settings.routes.get(route).is_some_and(|(_, route)| !route.presence.watch.is_empty());
        if !bridged {
            let text = "This gateway does not carry the presence of this domain's users.";
            return Err(Failure::because(Reason::NotImplemented, text));
        }
        for party in [from, to] {
            let address = self.mapping.jid_to_address(party).to_bare();
            self.mapping.address_to_uri(&address).map_err(|error: AddressError| Failure::from(error))?;
        }
        match self.presence.watching.is_full(from, to, &self.settings.presence) {
            Some(of) => {
                tracing::debug!(domain = from.domain(), of, "no room for a subscription");
                Err(Failure::because(Reason::Overloaded, format!("too many subscriptions {of}")))
            }
            None => Ok(route),
        }
    }

    fn refuse_watch(&mut self, link: Link, presence: &Presence, failure: &Failure) {
        let error = self.mapping.failure_to_stanza_error(failure);
        *self.presence.watching.refused.entry(error.condition.name()).or_default() += 1;
        if let Some(reply) = presence.error_reply(error) {
            self.tell(link, Stanza::Presence(reply));
        }
    }

    /// RFC 6121 section 3.1.3 has a server answer for a contact that has approved before, and so do we.
    fn subscribed_before(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        (watch.presence.gone, watch.sought) = (false, false);
        match watch.stage {
            Stage::Granted => {
                watch.shown.clear();
                self.tell_watcher(id, PresenceKind::Subscribed);
                self.open_usages(id, now);
                self.show(id, now);
            }
            Stage::Asked => {
                watch.complained = false;
                let lost: Vec<_> = watch.usages.iter().filter(|one| one.standing == super::Standing::Lost).collect();
                let lost: Vec<_> = lost.into_iter().map(|one| one.usage).collect();
                self.open_usages(id, now);
                lost.into_iter().for_each(|usage| self.usage_refresh(usage, now));
            }
            Stage::Closing => {
                // What is being ended ends; a new subscription takes its place.
                watch.stage = Stage::Asked;
                watch.changed_at = now.wall;
                watch.usages.clear();
                watch.view.forget_all();
                self.put_watch(id);
                self.open_usages(id, now);
            }
        }
    }

    /// RFC 8048 section 5.2.3. Somebody who is not known as a watcher hears the same: that she does not watch.
    fn on_unsubscribe(&mut self, link: Link, from: &Jid, to: &Jid, now: Now) {
        let Some(id) = self.presence.watching.find(from.bare(), to.bare()) else {
            return self.say(link, to, from, PresenceKind::Unsubscribed);
        };
        self.show_gone(id, now);
        self.presence.writes.push(super::Write::Drop(super::Kind::Authorization, id));
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        watch.stage = Stage::Closing;
        let (list, lists) = (watch.list.take(), &self.presence.lists);
        watch.usages.retain(|one| one.standing != super::Standing::Refused && !lists.has(one.usage));
        let usages: Vec<_> = watch.usages.iter().map(|one| one.usage).collect();
        self.list_leave(list, id, now);
        if usages.is_empty() {
            return self.closed(id);
        }
        usages.into_iter().for_each(|usage| self.usage_close(usage, now));
    }

    /// Nothing is left of a watch that was given up.
    pub(super) fn closed(&mut self, id: RecordId) {
        let Some(watch) = self.presence.watching.remove(id) else { return };
        self.say(watch.link, watch.target.as_jid(), watch.watcher.as_jid(), PresenceKind::Unsubscribed);
    }

    /// A server asks on behalf of its user who has just come (RFC 6121 section 4.3).
    fn on_probe(&mut self, link: Link, from: &Jid, to: &Jid, now: Now) {
        let Some(id) = self.presence.watching.find(from.bare(), to.bare()) else {
            return self.poll(link, from, to, now);
        };
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        watch.presence.gone = false;
        match watch.stage {
            // Who asks for one resource wants to hear of that alone (RFC 6121 section 4.3.2).
            Stage::Granted if !to.is_bare() => {
                self.open_usages(id, now);
                self.show_one(id, to, now);
            }
            Stage::Granted => {
                watch.shown.clear();
                self.begin_again(id, now);
                self.show(id, now);
            }
            Stage::Asked => self.begin_again(id, now),
            Stage::Closing => {}
        }
    }

    /// The watcher is here: what has no dialog at present is asked for now and not when its turn comes.
    fn begin_again(&mut self, id: RecordId, now: Now) {
        self.open_usages(id, now);
        let Some(watch) = self.presence.watching.watches.get(&id) else { return };
        let waiting = watch.usages.iter().filter(|one| matches!(one.standing, Standing::Open | Standing::Lost));
        let waiting: Vec<_> = waiting.map(|one| one.usage).collect();
        waiting.into_iter().for_each(|usage| self.usage_refresh(usage, now));
    }

    /// The watcher's own presence: heard only where the target watches her as well.
    fn on_attendance(&mut self, from: &Jid, to: &Jid, here: bool, now: Now) {
        let Some(id) = self.presence.watching.find(from.bare(), to.bare()) else { return };
        let hasher = &self.presence.watching.hasher;
        let print = from.resource().map(|resource| short(std::hash::BuildHasher::hash_one(hasher, resource)));
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        let attendance = &mut watch.presence;
        if here {
            let print = print.unwrap_or_default();
            let is_new = !attendance.here.contains(&print);
            if is_new && attendance.here.len() < RESOURCES {
                attendance.here.push(print);
            }
            let was_gone = std::mem::replace(&mut attendance.gone, false);
            return if was_gone || is_new { self.begin_again(id, now) } else { self.open_usages(id, now) };
        }
        match print {
            Some(print) => attendance.here.retain(|one| *one != print),
            None => attendance.here.clear(),
        }
        attendance.gone = attendance.here.is_empty();
        if attendance.gone && !std::mem::replace(&mut watch.waits.gone, true) {
            self.set_watch_clock(id, Clock::Gone, GONE_GRACE, now);
        }
    }

    /// What we showed could not be delivered. A user who is not there any more needs no dialogs; her authorization stays, since
    /// her server may only be moving house. One whose server is away may be there all the time, and nobody asks for her when
    /// it is back: she is told again now and then.
    fn on_presence_error(&mut self, presence: &Presence, now: Now) {
        let (Some(from), Some(to)) = (&presence.from, &presence.to) else { return };
        let Some(id) = self.presence.watching.find(from.bare(), to.bare()) else { return };
        let chance = self.ids.chance();
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        if is_of_server_away(presence) {
            watch.shown.clear();
            watch.missed = true;
            if !std::mem::replace(&mut watch.waits.unheard, true) {
                self.set_watch_clock(id, Clock::Unheard, limits::UNREACHED_AGAIN.mul_f64(1.0 + chance), now);
            }
            return;
        }
        watch.presence.here.clear();
        watch.presence.gone = true;
        if !std::mem::replace(&mut watch.waits.gone, true) {
            self.set_watch_clock(id, Clock::Gone, GONE_GRACE, now);
        }
    }

    /// A stanza of one word that must not be lost.
    pub(super) fn say(&mut self, link: Link, from: &Jid, to: &Jid, kind: PresenceKind) {
        let (from, to) = (from.to_bare().as_jid().clone(), to.to_bare().as_jid().clone());
        self.tell(link, Stanza::Presence(Presence::new(from, to, kind)));
    }

    pub(super) fn tell_watcher(&mut self, id: RecordId, kind: PresenceKind) {
        let Some(watch) = self.presence.watching.watches.get(&id) else { return };
        let (link, from, to) = (watch.link, watch.target.as_jid().clone(), watch.watcher.as_jid().clone());
        self.say(link, &from, &to, kind);
    }

    /// Somebody watches the gateway itself, as clients do with what is in their roster: it is there.
    pub(in super::super) fn on_own_presence(&mut self, link: Link, presence: &Presence) {
        let (Some(from), Some(to)) = (&presence.from, &presence.to) else { return };
        let here =
            Presence::new(to.to_bare().as_jid().clone(), from.to_bare().as_jid().clone(), PresenceKind::Available);
        match presence.kind {
            PresenceKind::Subscribe => {
                self.say(link, to, from, PresenceKind::Subscribed);
                self.outputs.push(Output::Stanza(link, Stanza::Presence(here)));
            }
            PresenceKind::Unsubscribe => self.say(link, to, from, PresenceKind::Unsubscribed),
            PresenceKind::Probe if self.link_is_up(link) => {
                self.outputs.push(Output::Stanza(link, Stanza::Presence(here)));
            }
            PresenceKind::Probe
            | PresenceKind::Available
            | PresenceKind::Unavailable
            | PresenceKind::Subscribed
            | PresenceKind::Unsubscribed
            | PresenceKind::Error => self.stats.stanzas_ignored += 1,
        }
    }

    /// Granted is granted, whatever a record of an older time says.
    pub(super) fn stage_of(state: Authorization) -> Option<Stage> {
        match state {
            Authorization::Asked => Some(Stage::Asked),
            Authorization::Granted => Some(Stage::Granted),
            Authorization::Refused => None,
        }
    }
}

/// Resources of one watcher that are counted; one that has more is there anyway.
const RESOURCES: usize = 32;

fn short(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or_default()
}
