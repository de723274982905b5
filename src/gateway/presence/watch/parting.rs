//! The last word to a watcher whom the SIP side has refused. Her roster changes only when her server hears `unsubscribed`,
//! and a process that dies between the commit and the send never says it. So a refusal stays in the store, as such, until
//! its word has had time to arrive, and a process that starts with one says it. Twice does no harm: the second finds
//! nothing to change (RFC 6121 section 3.2.3).

use std::time::Duration;

use super::super::super::record::{
    Authorization, AuthorizationRecord, Direction, Kind, Record, RecordId, Write, shard_of,
};
use super::super::super::{Gateway, Link};
use super::{Clock, Watch};
use crate::time::Now;
use crate::xmpp::jid::BareJid;
use crate::xmpp::stanza::PresenceKind;

/// How long a refusal is kept after its word was said: longer than a link takes to be found dead and to come back.
const HEARD_BY_THEN: Duration = Duration::from_secs(300);

impl Gateway {
    /// The SIP side has said no, and her roster is to hear it.
    pub(super) fn part(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.remove(id) else { return };
        let Watch { watcher, target, link, list, .. } = *watch;
        self.list_leave(list, id, now);
        let record = AuthorizationRecord {
            id,
            shard: shard_of(watcher.as_str(), target.as_str()),
            direction: Direction::ToSip,
            watcher: watcher.as_str().to_owned(),
            target: target.as_str().to_owned(),
            state: Authorization::Refused,
            changed_at: now.wall,
        };
        self.presence.writes.push(Write::Put(Box::new(Record::Authorization(record))));
        self.say_parting(id, (&watcher, &target), link, now);
    }

    /// Nothing is known of her any more, and nothing is said.
    pub(super) fn forget_watch(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.remove(id) else { return };
        self.list_leave(watch.list, id, now);
        self.presence.writes.push(Write::Drop(Kind::Authorization, id));
    }

    fn say_parting(&mut self, id: RecordId, (watcher, target): (&BareJid, &BareJid), link: Link, now: Now) {
        self.say(link, target.as_jid(), watcher.as_jid(), PresenceKind::Unsubscribed);
        self.presence.watching.partings.insert(id, link);
        self.set_watch_clock(id, Clock::Parted, HEARD_BY_THEN, now);
    }

    /// Its word has had its time, if there was a link.
    pub(super) fn on_parted(&mut self, id: RecordId, now: Now) {
        let Some(link) = self.presence.watching.partings.get(&id).copied() else { return };
        if self.link_is_up(link) {
            self.presence.watching.partings.remove(&id);
            self.presence.writes.push(Write::Drop(Kind::Authorization, id));
        } else {
            self.set_watch_clock(id, Clock::Parted, HEARD_BY_THEN, now);
        }
    }

    /// A refusal was kept whose word may not have been said. Who has asked anew meanwhile has an authorization again.
    pub(super) fn part_again(&mut self, record: &AuthorizationRecord, now: Now) {
        let people = BareJid::parse_peer(&record.watcher).ok().zip(BareJid::parse_peer(&record.target).ok());
        let link = people.as_ref().and_then(|(_, target)| self.settings.link_of(target.domain()));
        let known = self.presence.watching.find(&record.watcher, &record.target).is_some();
        match people.zip(link) {
            Some(((watcher, target), link)) if !known => self.say_parting(record.id, (&watcher, &target), link, now),
            Some(_) | None => self.presence.writes.push(Write::Drop(Kind::Authorization, record.id)),
        }
    }
}
