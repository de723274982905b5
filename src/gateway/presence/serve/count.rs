//! Limits and numbers of what SIP users watch.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::super::super::rate::{Limiters, TooMuch};
use super::super::super::record::Package;
use super::super::super::stats::Sample;
use super::super::super::trust::PeerId;
use super::super::super::{Gateway, limits};
use super::{Dialog, Pair};
use crate::sip::event::notifier::{Answer, Notifier};

/// How many dialogs there are, by whom they count against.
#[derive(Debug, Default)]
pub(super) struct Counts {
    hasher: RandomState,
    /// By the hash of a watcher, a target or a domain: two that meet share what they may have.
    of: HashMap<u64, u32>,
    /// Pairs, with a dialog or without, by the same.
    pairs: HashMap<u64, u32>,
    peers: HashMap<PeerId, usize>,
    /// Of which no NOTIFY was answered yet.
    unproven: HashMap<Option<PeerId>, usize>,
    /// Those that are told, and those that wait for the target's word.
    levels: [u64; 2],
}

/// How a dialog stands, as it was counted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Level {
    Active,
    Pending,
    /// It ends, or is not counted yet.
    #[default]
    Neither,
}

impl Level {
    fn of(notifier: &Notifier) -> Self {
        match (notifier.is_active(), notifier.is_pending()) {
            (true, _) => Self::Active,
            (false, true) => Self::Pending,
            (false, false) => Self::Neither,
        }
    }
}

/// Which limit a new dialog would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The watcher's own: he will not have more.
    Watcher,
    /// One of all watchers together: it may pass.
    Others,
}

impl Counts {
    /// By which a pair is counted: the watcher, the target, and the watcher's domain.
    fn keys(&self, pair: &Pair) -> [u64; 3] {
        let domain = super::ask::domain(pair.watcher());
        let hash = |kind: u8, of: &str| self.hasher.hash_one((kind, of));
        [hash(0, pair.watcher()), hash(1, pair.target()), hash(2, domain)]
    }

    pub(super) fn add(&mut self, dialog: &Dialog) {
        for key in self.keys(&dialog.pair) {
            *self.of.entry(key).or_default() += 1;
        }
        self.add_peer(dialog.peer);
        if dialog.is_unproven {
            self.doubt(dialog.peer);
        }
    }

    pub(super) fn remove(&mut self, dialog: &Dialog) {
        for key in self.keys(&dialog.pair) {
            if let Some(count) = self.of.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.of.remove(&key);
                }
            }
        }
        self.remove_peer(dialog.peer);
        if dialog.is_unproven {
            self.proven(dialog.peer);
        }
        self.unlevelled(dialog.level);
    }

    pub(super) fn add_pair(&mut self, pair: &Pair) {
        for key in self.keys(pair) {
            *self.pairs.entry(key).or_default() += 1;
        }
    }

    pub(super) fn remove_pair(&mut self, pair: &Pair) {
        for key in self.keys(pair) {
            if let Some(count) = self.pairs.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.pairs.remove(&key);
                }
            }
        }
    }

    pub(super) fn add_peer(&mut self, peer: Option<PeerId>) {
        if let Some(peer) = peer {
            *self.peers.entry(peer).or_default() += 1;
        }
    }

    pub(super) fn remove_peer(&mut self, peer: Option<PeerId>) {
        if let Some(count) = peer.and_then(|peer| self.peers.get_mut(&peer)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Counts the dialog as it stands now. So nobody has to walk over all of them for the metrics page.
    pub(super) fn levelled(&mut self, dialog: &mut Dialog) {
        let now = Level::of(&dialog.notifier);
        let before = std::mem::replace(&mut dialog.level, now);
        self.unlevelled(before);
        if let Some(level) = self.level(now) {
            *level += 1;
        }
    }

    fn unlevelled(&mut self, level: Level) {
        if let Some(level) = self.level(level) {
            *level = level.saturating_sub(1);
        }
    }

    fn level(&mut self, level: Level) -> Option<&mut u64> {
        match level {
            Level::Active => self.levels.get_mut(0),
            Level::Pending => self.levels.get_mut(1),
            Level::Neither => None,
        }
    }

    /// The next SUBSCRIBE in a dialog came by another peer.
    pub(super) fn move_peer(&mut self, dialog: &mut Dialog, peer: Option<PeerId>) {
        self.remove(dialog);
        dialog.peer = peer;
        dialog.level = Level::Neither;
        self.add(dialog);
        self.levelled(dialog);
    }

    /// Nobody knows whether anybody is where this peer has NOTIFYs sent to.
    pub(super) fn doubt(&mut self, peer: Option<PeerId>) {
        *self.unproven.entry(peer).or_default() += 1;
    }

    /// Whether that is so of as many dialogs of this peer as may be.
    pub(super) fn is_doubtful(&self, peer: Option<PeerId>) -> bool {
        self.unproven.get(&peer).is_some_and(|count| *count >= UNPROVEN)
    }

    /// One that had said nothing has.
    pub(super) fn proven(&mut self, peer: Option<PeerId>) {
        if let Some(count) = self.unproven.get_mut(&peer) {
            *count = count.saturating_sub(1);
        }
    }

    fn of(&self, key: u64) -> usize {
        self.of.get(&key).map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX))
    }

    fn pairs_of(&self, key: u64) -> usize {
        self.pairs.get(&key).map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX))
    }
}

/// How often targets are asked.
#[derive(Debug)]
pub(super) struct Rates {
    hasher: RandomState,
    peers: Limiters<PeerId>,
    watchers: Limiters<u64>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            peers: Limiters::new(limits::ASKS_OF_A_PEER, limits::LIMITED_USERS),
            watchers: Limiters::new(limits::ASKS_OF_A_WATCHER, limits::LIMITED_USERS),
        }
    }
}

impl Rates {
    /// One more target is asked for this watcher.
    pub(super) fn take(&mut self, peer: Option<PeerId>, watcher: &str, now: Duration) -> Result<(), TooMuch> {
        self.watchers.take(&self.hasher.hash_one(watcher), now)?;
        peer.map_or(Ok(()), |peer| self.peers.take(&peer, now))
    }
}

/// What was told, in numbers.
#[derive(Debug, Default)]
pub(in super::super::super) struct ServeStats {
    /// SUBSCRIBEs that began a dialog.
    pub(super) begun: u64,
    /// Those that asked for the state of the moment.
    pub(super) polls: u64,
    /// Those in a dialog.
    pub(super) refreshed: u64,
    /// Those that were refused, by status.
    pub(super) refused: BTreeMap<u16, u64>,
    /// `subscribe` stanzas.
    pub(super) asked: u64,
    /// NOTIFYs that went out.
    pub(super) sent: u64,
    /// What became of them: taken, refused, refused because there is no such subscription, silence, no way.
    pub(super) ends: [u64; ENDS.len()],
    /// Milliseconds from presence to the answer to its NOTIFY, all together, and how many those are.
    pub(super) waited: u64,
    pub(super) told: u64,
}

const ENDS: [&str; 5] = ["taken", "refused", "gone", "silent", "unsent"];

impl ServeStats {
    pub(super) fn ended(&mut self, answer: Answer) {
        let index = match answer {
            Answer::Taken => 0,
            Answer::Refused(481, _) => 2,
            Answer::Refused(..) => 1,
            Answer::Silent => 3,
            Answer::Undelivered(_) => 4,
        };
        self.ends[index] += 1;
    }
}

/// A peer may have this many dialogs of which no NOTIFY was answered yet.
const UNPROVEN: usize = limits::UNPROVEN_WATCHES;

impl Gateway {
    /// Whether there is room for one more dialog of `pair`, and for the pair, which may outlive its dialogs by years.
    pub(super) fn has_room(&self, pair: &Pair, peer: Option<PeerId>) -> Result<(), Full> {
        let (most, counts) = (&self.settings.presence, &self.presence.served.counts);
        let [watcher, target, domain] = counts.keys(pair);
        let of_peer = peer.and_then(|peer| counts.peers.get(&peer).copied()).unwrap_or_default();
        let is_new = !self.presence.served.watched.contains_key(pair);
        if counts.of(watcher) >= most.per_watcher || (is_new && counts.pairs_of(watcher) >= most.per_watcher) {
            return Err(Full::Watcher);
        }
        let is_full = self.presence.served.dialogs.len() >= most.subscriptions
            || (is_new && self.presence.served.watched.len() >= most.subscriptions.saturating_mul(2))
            || (is_new && counts.pairs_of(target) >= most.per_target)
            || (is_new && counts.pairs_of(domain) >= most.per_domain.saturating_mul(2))
            || counts.of(domain) >= most.per_domain
            || counts.of(target) >= most.per_target
            || of_peer >= most.per_peer
            || counts.is_doubtful(peer);
        if is_full { Err(Full::Others) } else { Ok(()) }
    }

    /// The packages that any SIP domain is served.
    pub(in super::super::super) fn served_packages(&self) -> Vec<Package> {
        let is_served =
            |package: &Package| self.settings.routes.iter().any(|(_, route)| route.presence.serve.contains(package));
        [Package::Presence, Package::Dialog].into_iter().filter(is_served).collect()
    }

    /// What SIP users watch, in numbers.
    pub(in super::super::super) fn serve_samples(&self) -> Vec<Sample> {
        let served = &self.presence.served;
        let stats = &served.stats;
        let sample = |name, help, counter, labels: &[(&'static str, &str)], value| Sample {
            name,
            help,
            counter,
            labels: labels.iter().map(|(label, value)| (*label, (*value).to_owned())).collect(),
            value,
        };
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let [active, pending] = served.counts.levels;
        let dialogs = "Dialogs in which SIP users watch XMPP users.";
        let notified = "NOTIFYs to SIP users by what became of them.";
        let mut samples = vec![
            sample("stox_watch_dialogs", dialogs, false, &[("state", "active")], active),
            sample("stox_watch_dialogs", dialogs, false, &[("state", "pending")], pending),
            sample("stox_watched", "XMPP users watched from SIP, pairs.", false, &[], count(served.watched.len())),
            sample("stox_watch_begun", "SUBSCRIBEs that began a dialog.", true, &[], stats.begun),
            sample("stox_watch_polls", "SUBSCRIBEs for the state of the moment.", true, &[], stats.polls),
            sample("stox_watch_refreshed", "SUBSCRIBEs of SIP users in dialogs.", true, &[], stats.refreshed),
            sample("stox_watch_asked", "XMPP users asked whether somebody may watch.", true, &[], stats.asked),
            sample("stox_notifies_sent", "NOTIFYs sent to SIP users.", true, &[], stats.sent),
        ];
        let refused = "SUBSCRIBEs of SIP users that were refused, by status.";
        let refusals = stats.refused.iter().map(|(status, value)| (status.to_string(), *value));
        samples.extend(
            refusals.map(|(status, value)| sample("stox_watch_refused", refused, true, &[("status", &status)], value)),
        );
        let ends = ENDS.iter().zip(stats.ends);
        samples.extend(ends.map(|(end, value)| sample("stox_notifies_ended", notified, true, &[("end", end)], value)));
        let waited = "Milliseconds from presence to the answer to its NOTIFY, all together.";
        samples.push(sample("stox_notify_latency_ms", waited, true, &[], stats.waited));
        samples.push(sample("stox_notify_latency_count", "NOTIFYs that those are of.", true, &[], stats.told));
        samples
    }
}
