//! XMPP users watch SIP users (RFC 8048 sections 5.2 and 6.3).

use super::super::record::{AuthorizationRecord, RecordId};
use super::super::{Gateway, Link};
use super::usage::{Owner, Told, UsageId};
use crate::time::Now;
use crate::xmpp::stanza::{Presence, Stanza};

impl Gateway {
    pub(super) fn watch_on_presence(&mut self, link: Link, presence: Presence, _now: Now) {
        self.refuse_presence(link, &Stanza::Presence(presence));
    }

    /// What the usage of an authorization has to say.
    pub(super) fn watch_on_told(&mut self, _id: RecordId, _usage: UsageId, _told: Told, _now: Now) {}

    pub(super) fn watch_restore(&mut self, _record: AuthorizationRecord, _now: Now) {}

    /// Tells the owner of a usage.
    pub(super) fn on_told(&mut self, owner: Owner, usage: UsageId, told: Told, now: Now) {
        match owner {
            Owner::Watch(id) => self.watch_on_told(id, usage, told, now),
            Owner::Voicemail(..) | Owner::Winfo(..) | Owner::List(..) => {}
        }
    }
}
