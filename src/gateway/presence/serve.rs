//! SIP users watch XMPP users (RFC 8048 sections 5.3 and 6.2).
//!
//! ```text
//!  SUBSCRIBE --> 200, NOTIFY pending;        `subscribe` to the target, once for all dialogs of the watcher
//!  `subscribed` --> NOTIFY active            and what the target's server then says of her resources
//!  presence --> NOTIFY with all of them      in each dialog, so often at most
//!  `unsubscribed` --> NOTIFY terminated;reason=rejected
//! ```
//! Two lives: a [`Watched`] is what the target has said to one watcher, for years; a [`Dialog`] is an hour of one of his
//! phones. When his last dialog ends, her server goes on telling and it is kept quietly, for his next (A-PRES-14).
//!
//! Everybody gets the same answer to a SUBSCRIBE, whether the target exists or not; what is told later is what her own
//! server said (A-ERR-04).
//!
//! | file | what |
//! |---|---|
//! | `ask` | a SUBSCRIBE: begins a dialog, refreshes or ends it, asks for the state of the moment |
//! | `hear` | what the target's server says |
//! | `elsewhere` | who waits for the target's consent at her own SIP server |
//! | `tell` | NOTIFYs: when they go, what they carry, how they end |
//! | `doing` | what the target's account tells besides presence |
//! | `state` | what the target's resources have said, as it is kept |
//! | `keep` | records, and what becomes of them after a restart |
//! | `count` | limits and numbers |

mod ask;
mod count;
mod doing;
mod elsewhere;
mod explain;
mod hear;
mod keep;
mod state;
mod tell;

use std::collections::HashMap;
use std::sync::Arc;

use super::super::limits::CSEQ_BLOCK;
use super::super::record::{Authorization, Direction, Package, RecordId, shard_of};
use super::super::trust::PeerId;
use crate::mapping::presence::Doing;
use crate::sip::dialog::{self, DialogKey};
use crate::sip::event::notifier::Notifier;
use crate::time::Timestamp;
use count::{Counts, Level, Rates};
use state::State;

pub(in super::super) use count::ServeStats;
pub(in super::super) use tell::Alarm;

/// The watcher and the target, bare JIDs: `watcher\0target`. All that belongs to a pair shares one copy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) struct Pair(Arc<str>);

impl Pair {
    /// Neither can contain U+0000 (RFC 7622 section 3).
    pub(super) fn new(watcher: &str, target: &str) -> Self {
        let mut text = String::with_capacity(watcher.len() + target.len() + 1);
        text.push_str(watcher);
        text.push('\0');
        text.push_str(target);
        Self(text.into())
    }

    fn both(&self) -> (&str, &str) {
        self.0.split_once('\0').unwrap_or((&self.0, ""))
    }

    fn watcher(&self) -> &str {
        self.both().0
    }

    fn target(&self) -> &str {
        self.both().1
    }

    fn shard(&self) -> u16 {
        let (watcher, target) = self.both();
        shard_of(watcher, target)
    }
}

/// What a target has said to a watcher.
#[derive(Debug)]
struct Watched {
    /// Of the record, if there is one.
    id: RecordId,
    /// `None`: nobody was asked yet, and there is no record.
    state: Option<Authorization>,
    /// Since when.
    changed_at: Timestamp,
    /// When `subscribe` went out last in this life of the process, nanoseconds of monotonic time.
    asked_at: Option<u64>,
    /// When a probe did.
    probed_at: Option<u64>,
    /// What her resources have said; `None`: nothing is known.
    heard: Option<Box<State>>,
    /// What her account has said that she does and feels; `None`: nothing.
    doing: Option<Box<Doing>>,
    /// His dialogs.
    dialogs: Vec<RecordId>,
    /// When a timer will look after it, nanoseconds of monotonic time.
    look_at: Option<u64>,
    /// Whether her server is to be asked then: what it said may have been lost.
    needs_word: bool,
}

impl Watched {
    fn is_granted(&self) -> bool {
        self.state == Some(Authorization::Granted)
    }
}

/// A dialog in which a watcher is told, or the answer to one question of his.
#[derive(Debug)]
struct Dialog {
    pair: Pair,
    dialog: dialog::Dialog,
    notifier: Notifier,
    package: Package,
    event_id: Option<Box<str>>,
    /// Who sent the SUBSCRIBE; not known after a restart until the next.
    peer: Option<PeerId>,
    /// It is a poll, and nothing of it is kept.
    is_poll: bool,
    /// He has taken it back himself, so it ends with the target closed (RFC 8048 section 5.3.3).
    is_left: bool,
    /// What it was sent was too large for the way.
    is_small: bool,
    /// No NOTIFY of it was answered yet, so nobody knows whether anybody is there.
    is_unproven: bool,
    /// How it was counted last.
    level: Level,
    /// As the record has it.
    cseq_reserved: u32,
    /// Of the next document.
    version: u32,
    /// As the record has it.
    version_reserved: u32,
    /// Since when something waits to be told, nanoseconds of monotonic time.
    waits_since: Option<u64>,
    /// The timers that are set, nanoseconds of monotonic time: one for its end, one for what comes before.
    alarms: [Option<u64>; 2],
}

impl Dialog {
    fn new(
        pair: Pair,
        dialog: dialog::Dialog,
        notifier: Notifier,
        package: Package,
        event_id: Option<Box<str>>,
    ) -> Self {
        Self {
            pair,
            dialog,
            notifier,
            package,
            event_id,
            peer: None,
            is_poll: false,
            is_left: false,
            is_small: false,
            is_unproven: false,
            level: Level::default(),
            cseq_reserved: CSEQ_BLOCK,
            version: 0,
            version_reserved: CSEQ_BLOCK,
            waits_since: None,
            alarms: [None; 2],
        }
    }
}

/// All that SIP users watch.
#[derive(Debug, Default)]
pub(super) struct Served {
    watched: HashMap<Pair, Box<Watched>>,
    dialogs: HashMap<RecordId, Box<Dialog>>,
    by_key: HashMap<DialogKey, RecordId>,
    /// Dialogs that are over but for the answer to their last NOTIFY, which is the first that anybody may answer.
    leaving: HashMap<RecordId, Option<PeerId>>,
    counts: Counts,
    rates: Rates,
    stats: ServeStats,
}

impl Served {
    /// The dialog out of all tables.
    fn take(&mut self, id: RecordId) -> Option<Box<Dialog>> {
        let dialog = self.dialogs.remove(&id)?;
        self.by_key.remove(&dialog.dialog.key());
        self.counts.remove(&dialog);
        if let Some(watched) = self.watched.get_mut(&dialog.pair) {
            watched.dialogs.retain(|other| *other != id);
        }
        Some(dialog)
    }

    fn put(&mut self, id: RecordId, mut dialog: Dialog) {
        self.counts.add(&dialog);
        self.counts.levelled(&mut dialog);
        self.by_key.insert(dialog.dialog.key(), id);
        if let Some(watched) = self.watched.get_mut(&dialog.pair) {
            watched.dialogs.reserve_exact(1);
            watched.dialogs.push(id);
        }
        self.dialogs.insert(id, Box::new(dialog));
    }

    /// The pair is not known any more.
    fn forget(&mut self, pair: &Pair) {
        if self.watched.remove(pair).is_some() {
            self.counts.remove_pair(pair);
        }
    }

    /// His dialogs, polls among them.
    fn dialogs_of(&self, pair: &Pair) -> Vec<RecordId> {
        self.watched.get(pair).map(|watched| watched.dialogs.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
impl Served {
    /// What all of it takes in memory, bytes, without the free places of the tables.
    fn bytes(&self) -> usize {
        let place = |key: usize, value: usize| (key + value + 1) * 8 / 7;
        // Apart from the tables, with what the allocator adds.
        let boxed = |value: usize| value + 16;
        let pairs = self.watched.iter().map(|(pair, watched)| {
            let heard = watched.heard.as_ref().map_or(0, |heard| heard.size());
            let own = place(size_of::<Pair>(), 8) + boxed(size_of::<Watched>());
            own + pair.0.len() + 16 + heard + watched.dialogs.capacity() * size_of::<RecordId>()
        });
        let dialogs = self.dialogs.values().map(|dialog| {
            let texts =
                dialog.dialog.size() - size_of::<dialog::Dialog>() + dialog.event_id.as_deref().map_or(0, str::len);
            place(8, 8) + boxed(size_of::<Dialog>()) + place(16, 8) + texts + 2 * place(8, 4)
        });
        pairs.sum::<usize>() + dialogs.sum::<usize>()
    }
}

#[cfg(test)]
impl super::super::Gateway {
    /// What all that SIP users watch takes, bytes.
    pub(in super::super) fn served_bytes(&self) -> usize {
        self.presence.served.bytes()
    }
}

const DIRECTION: Direction = Direction::ToXmpp;
