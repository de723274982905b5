//! Presence and subscriptions, both ways (RFC 8048, RFC 6665, RFC 3856).
//!
//! | file | what |
//! |---|---|
//! | `watch` | XMPP users watch SIP users: authorizations, what the watcher is told |
//! | `usage` | our subscriptions on the SIP side: dialogs, refreshes, forks; whoever they are for |
//! | `document` | what a NOTIFY brings |
//! | `heard` | what is kept of a presence stanza |
//! | `serve` | SIP users watch XMPP users: dialogs of theirs, what they are notified of |
//! | `publish` | XMPP presence published to a presence server (RFC 3903) |
//! | `lists` | lists of contacts on the SIP side, each in one subscription (RFC 4662) |
//! | `explain` | all of it in words for an operator |
//! | `voicemail` | the lamp of a mailbox, as headlines (RFC 3842) |
//! | `winfo` | who waits for a user's consent at her own SIP server (RFC 3857) |
//! | `recover` | domains of XMPP to which the way broke, or that are there again |
//! | `turns` | what a restart has left, one after the other |
//!
//! A stanza goes to whoever it concerns: what a *watcher* says (`subscribe`, `unsubscribe`, `probe`) to `watch`, what a
//! *target* says (`subscribed`, `unsubscribed`) to `serve`; available and unavailable presence tells `serve` what to
//! notify of, and `watch` whether its watcher is there.

mod document;
mod explain;
mod heard;
mod lists;
mod publish;
mod recover;
pub(super) mod serve;
mod turns;
pub(super) mod usage;
mod voicemail;
mod watch;
mod winfo;

use std::time::Duration;

use super::record::{Direction, Record, RecordId, Write};
use super::{Gateway, Link};
use crate::time::Now;
use crate::xmpp::stanza::{Condition, Presence, PresenceKind};

pub(super) use usage::{Sent, UsageId};
pub(super) use watch::Clock as WatchClock;

/// What presence keeps.
#[derive(Debug, Default)]
pub(super) struct Presences {
    /// What the store is to be told before the step's outputs leave.
    pub(super) writes: Vec<Write>,
    /// What SIP users watch.
    served: serve::Served,
    /// Who is told of voicemail, and what she knows.
    mailboxes: voicemail::Mailboxes,
    /// Who waits for whose consent at her SIP server.
    waiting: winfo::Waiting,
    /// When what a restart has left is asked for again.
    turns: turns::Turns,
    /// Domains to which the way broke, or is there again.
    recovering: recover::Recovering,
    watching: watch::Watching,
    lists: lists::Lists,
    usages: usage::Usages,
    publishing: publish::Publishing,
    stats: Stats,
}

/// What is counted.
#[derive(Debug, Default)]
struct Stats {
    /// Records of domains that are not configured any more.
    records_idle: u64,
}

/// Whether an error says that a user's server could not be reached: it tells nothing of the user.
fn is_of_server_away(presence: &Presence) -> bool {
    let condition = presence.error().map(|error| error.condition);
    matches!(condition, Some(Condition::RemoteServerNotFound | Condition::RemoteServerTimeout))
}

impl Gateway {
    /// Takes a presence stanza.
    pub(super) fn on_presence(&mut self, link: Link, presence: Presence, now: Now) {
        let (Some(from), Some(to)) = (&presence.from, &presence.to) else {
            self.stats.stanzas_ignored += 1;
            return;
        };
        if self.is_at_home_in_sip(from.domain()) || !self.is_at_home_in_sip(to.domain()) {
            self.stats.stanzas_ignored += 1;
            return;
        }
        self.voicemail_on_presence(&presence, now);
        self.publish_on_presence(link, &presence, now);
        if to.local().is_none() {
            self.on_own_presence(link, &presence);
            return;
        }
        match presence.kind {
            PresenceKind::Subscribe | PresenceKind::Unsubscribe | PresenceKind::Probe => {
                self.watch_on_presence(link, &presence, now);
            }
            PresenceKind::Subscribed | PresenceKind::Unsubscribed => self.serve_on_presence(link, &presence, now),
            PresenceKind::Available | PresenceKind::Unavailable | PresenceKind::Error => {
                self.watch_on_presence(link, &presence, now);
                self.serve_on_presence(link, &presence, now);
            }
        }
    }

    /// Changes that the store must have before anything of this step's outputs is sent.
    pub fn take_writes(&mut self, into: &mut Vec<Write>) {
        into.append(&mut self.presence.writes);
    }

    /// Takes back what the store has kept, at the start and before any other input. Deadlines that have passed are spread,
    /// so that a restart is no storm.
    pub fn restore(&mut self, records: Vec<Record>, now: Now) {
        let count = |is: fn(&Record) -> bool| records.iter().filter(|record| is(record)).count();
        let authorizations = count(|record| matches!(record, Record::Authorization(_)));
        let dialogs = count(|record| matches!(record, Record::Dialog(_)));
        self.begin_restore(authorizations.max(dialogs));
        self.restore_some(records, now);
        self.end_restore(now);
    }

    /// The same in pieces, for many records. About so many will be asked for again: each dialog, and each authorization that
    /// has none. The two are about the same people, so there are about as many as of the larger kind.
    pub fn begin_restore(&mut self, many: usize) {
        self.presence.turns = turns::Turns::of(many);
    }

    /// Takes back some records. All authorizations come before all dialogs.
    pub fn restore_some(&mut self, records: Vec<Record>, now: Now) {
        for record in records {
            match record {
                Record::Authorization(record) => match record.direction {
                    Direction::ToSip => self.watch_restore(record),
                    Direction::ToXmpp => self.serve_restore(record, now),
                },
                Record::Dialog(record) => match record.direction {
                    Direction::ToSip => self.usage_restore(record, now),
                    Direction::ToXmpp => self.serve_restore_dialog(record, now),
                },
                Record::Publication(record) => self.publish_restore(record, now),
            }
        }
    }

    /// There are no more.
    pub fn end_restore(&mut self, now: Now) {
        self.watches_restored(now);
    }

    /// How long the next of what a restart has left waits, if it has time.
    fn turn(&mut self) -> Duration {
        let chance = self.ids.chance();
        self.presence.turns.next(chance)
    }

    /// A name for a record.
    fn new_record(&mut self) -> RecordId {
        RecordId(self.ids.number() >> 1)
    }
}
