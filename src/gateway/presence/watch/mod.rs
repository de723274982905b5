//! XMPP users watch SIP users (RFC 8048 sections 5.2, 6.3 and 7.1).
//!
//! A [`Watch`] is one authorization with what is seen through it. It lives until the watcher gives it up or the target
//! refuses; the subscriptions on the SIP side come and go beneath it (`usage`), and nothing that happens to them short of a
//! refusal ends it.
//!
//! | file | what |
//! |---|---|
//! | `stanza` | what the watcher says: `subscribe`, `unsubscribe`, `probe`, and whether she is there |
//! | `told` | what the subscriptions say |
//! | `show` | what the watcher sees, and what of it has changed |
//! | `listed` | targets of whom a list tells |
//! | `doing` | activities and moods |
//! | `poll` | a look without a subscription |
//! | `rates` | how often SIP users are asked |
//! | `parting` | the last word to who is refused |
//! | `restore` | after a restart |
//! | `samples` | what is counted |

mod doing;
mod explain;
mod listed;
mod parting;
mod poll;
mod rates;
mod restore;
mod samples;
mod show;
mod stanza;
mod told;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::super::errand::RouteId;
use super::super::record::{
    self, Authorization, AuthorizationRecord, Direction, Kind, Package, Record, RecordId, Write,
};
use super::super::settings::PresenceLimits;
use super::super::{Gateway, Link, Timer};
use super::lists::ListId;
use super::usage::{Owner, UsageId, Want};
use crate::time::{Mono, Now, Timestamp};
use crate::xmpp::jid::{BareJid, Jid};
use view::View;

/// A watcher who has gone may come back without cost for so long: phones change networks, laptops sleep.
const GONE_GRACE: Duration = Duration::from_secs(300);

/// What was seen is shown for so long after the SIP side was lost: a PBX that restarts is back by then, and its users did not
/// go away meanwhile.
const LOST_GRACE: Duration = Duration::from_secs(120);

/// A watcher's link that was full may have room again.
const SHOW_AGAIN: Duration = Duration::from_millis(500);

/// A watcher is told of so many changes at once, and then of what they have come to, no oftener than once in
/// [`SHOW_EVERY`]: a phone that rings, is answered and is put down is seen to do so, and a notifier that changes a thousand
/// times a second is no flood on the XMPP side (RFC 3856 section 6.10).
const SHOWS_AT_ONCE: u8 = 6;

/// See [`SHOWS_AT_ONCE`].
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Watching {
    watches: HashMap<RecordId, Box<Watch>>,
    /// By a keyed hash of watcher and target; whoever looks compares the addresses.
    by_pair: HashMap<u64, RecordId>,
    /// How many each watcher has, each target, and each domain of watchers, by a hash of the address; and which came last.
    counts: HashMap<u64, (RecordId, u32)>,
    polls: poll::Polls,
    rates: rates::Rates,
    /// `subscribe` stanzas that were refused here, by the condition of the error.
    refused: BTreeMap<&'static str, u64>,
    hasher: RandomState,
    restored: restore::Restored,
    /// Refusals that are kept until their watchers have heard of them.
    partings: HashMap<RecordId, Link>,
    /// Memory in which documents are packed.
    room: Vec<u8>,
}

/// One XMPP user's authorization to see one SIP user, asked for or granted.
#[derive(Debug)]
struct Watch {
    watcher: BareJid,
    target: BareJid,
    link: Link,
    route: RouteId,
    stage: Stage,
    changed_at: Timestamp,
    /// The subscriptions of it: one for each package. That to presence may be the list's.
    usages: Vec<Use>,
    /// The watcher's list of contacts at the domain.
    list: Option<ListId>,
    view: View,
    /// What the watcher's server was told last, by resource.
    shown: Vec<show::Shown>,
    /// What the watcher's server was told last of activity and mood; 0: nothing, or that there are none.
    doing: u64,
    /// When the watcher's server was told last, in monotonic time.
    told_at: Mono,
    /// Since when, in monotonic time, how many changes were told.
    shows: (Mono, u8),
    /// Whether something changed that the watcher's server could not be told.
    missed: bool,
    /// Whether the watcher is there, as far as her server lets us know.
    presence: Attendance,
    /// Whether a deadline of the same kind is set already.
    waits: Waits,
    /// Whether she was told that the first try failed.
    complained: bool,
    /// Whether it was her server that asked, by a probe, and not she.
    sought: bool,
}

/// One subscription of a watch.
#[derive(Debug)]
struct Use {
    package: Package,
    usage: UsageId,
    standing: Standing,
}

/// How a subscription of a watch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing was said yet, or `pending`.
    Open,
    /// It tells.
    Active,
    /// It is tried again.
    Lost,
    /// It will never be.
    Refused,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asked,
    Granted,
    /// The watcher has given it up, and the SIP side is being told.
    Closing,
}

/// Whether the watcher is there (RFC 8048 section 8.1): known only where the target watches her too, or from probes.
#[derive(Debug, Default)]
struct Attendance {
    /// Hashes of the resources that said so.
    here: Vec<u32>,
    /// All of them have said that they are gone.
    gone: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Waits {
    gone: bool,
    lost: bool,
    show: bool,
    unheard: bool,
}

/// Deadlines of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Clock {
    /// The watcher has been away for long enough.
    Gone,
    /// The SIP side has been silent for long enough.
    Lost,
    /// What could not be told is told again.
    Show,
    /// What her server was not there to hear is told again.
    Unheard,
    /// It begins again after a restart.
    Restored,
    /// The watcher's list has had its time to name the target.
    Listed,
    /// A full state of that list did not name him, and the rest of it has had its time.
    Missed,
    /// Who was refused has heard of it.
    Parted,
}

impl Watching {
    fn hash(&self, one: &str, other: &str) -> u64 {
        self.hasher.hash_one((one, other))
    }

    pub(super) fn find(&self, watcher: &str, target: &str) -> Option<RecordId> {
        let id = *self.by_pair.get(&self.hash(watcher, target))?;
        let watch = self.watches.get(&id)?;
        (watch.watcher.as_str() == watcher && watch.target.as_str() == target).then_some(id)
    }

    /// Whether the XMPP user `watcher` may see the SIP user `target`.
    pub(super) fn is_granted(&self, watcher: &str, target: &str) -> bool {
        let watch = self.find(watcher, target).and_then(|id| self.watches.get(&id));
        watch.is_some_and(|watch| watch.stage == Stage::Granted)
    }

    /// Whether that one was granted.
    pub(super) fn has_granted(&self, watch: RecordId) -> bool {
        self.watches.get(&watch).is_some_and(|watch| watch.stage == Stage::Granted)
    }

    fn count(&self, key: u64) -> usize {
        self.counts.get(&key).map_or(0, |(_, count)| usize::try_from(*count).unwrap_or(usize::MAX))
    }

    /// By which a watch is counted: the watcher, the target, and the watcher's domain.
    fn keys(&self, watcher: &str, target: &str, domain: &str) -> [u64; 3] {
        [self.hash(watcher, ""), self.hash(target, ""), self.hash(domain, "*")]
    }

    /// Whether there is no room for another watch of these two, and of what there are too many.
    fn is_full(&self, watcher: &Jid, target: &Jid, most: &PresenceLimits) -> Option<&'static str> {
        let [of_watcher, of_target, of_domain] = self.keys(watcher.bare(), target.bare(), watcher.domain());
        let full = [
            (self.watches.len() >= most.subscriptions, "in all"),
            (self.count(of_watcher) >= most.per_watcher, "of one user"),
            (self.count(of_target) >= most.per_target, "to one user"),
            (self.count(of_domain) >= most.per_domain, "of one domain"),
        ];
        full.into_iter().find_map(|(is_full, of)| is_full.then_some(of))
    }

    fn insert(&mut self, id: RecordId, mut watch: Watch) {
        for key in self.keys(watch.watcher.as_str(), watch.target.as_str(), watch.watcher.domain()) {
            let (last, count) = self.counts.entry(key).or_insert((id, 0));
            if let Some(other) = self.watches.get(last) {
                watch.share_texts(other);
            }
            (*last, *count) = (id, *count + 1);
        }
        self.by_pair.insert(self.hash(watch.watcher.as_str(), watch.target.as_str()), id);
        self.watches.insert(id, Box::new(watch));
    }

    fn remove(&mut self, id: RecordId) -> Option<Box<Watch>> {
        let watch = self.watches.remove(&id)?;
        for key in self.keys(watch.watcher.as_str(), watch.target.as_str(), watch.watcher.domain()) {
            if let Some((_, count)) = self.counts.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&key);
                }
            }
        }
        self.by_pair.remove(&self.hash(watch.watcher.as_str(), watch.target.as_str()));
        Some(watch)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }
}

impl Watch {
    fn new(watcher: BareJid, target: BareJid, link: Link, route: RouteId, stage: Stage, now: Timestamp) -> Self {
        Self {
            watcher,
            target,
            link,
            route,
            stage,
            changed_at: now,
            usages: Vec::new(),
            list: None,
            view: View::default(),
            shown: Vec::new(),
            doing: 0,
            told_at: Mono::default(),
            shows: (Mono::default(), 0),
            missed: false,
            presence: Attendance::default(),
            waits: Waits::default(),
            complained: false,
            sought: false,
        }
    }

    /// Most users watch several, and most are watched by several: one text of each address is enough.
    fn share_texts(&mut self, other: &Self) {
        for own in [&mut self.watcher, &mut self.target] {
            if let Some(same) = [&other.watcher, &other.target].into_iter().find(|same| *same == own) {
                *own = same.clone();
            }
        }
    }

    fn record(&self, id: RecordId) -> Option<AuthorizationRecord> {
        let state = match self.stage {
            Stage::Asked => Authorization::Asked,
            Stage::Granted => Authorization::Granted,
            Stage::Closing => return None,
        };
        Some(AuthorizationRecord {
            id,
            shard: record::shard_of(self.watcher.as_str(), self.target.as_str()),
            direction: Direction::ToSip,
            watcher: self.watcher.as_str().to_owned(),
            target: self.target.as_str().to_owned(),
            state,
            changed_at: self.changed_at,
        })
    }

    fn stands(&self, standing: Standing) -> bool {
        self.usages.iter().any(|one| one.standing == standing)
    }

    /// Counts one more change; else how long it is to wait.
    fn may_show(&mut self, now: Duration) -> Result<(), Duration> {
        let (since, count) = self.shows;
        let age = now.saturating_sub(since.get());
        if age >= SHOW_EVERY {
            // Who has been told all that may be told at once has one in each time, until a time without.
            let is_quiet = count < SHOWS_AT_ONCE || age >= SHOW_EVERY * 2;
            self.shows = (now.into(), if is_quiet { 1 } else { SHOWS_AT_ONCE });
            return Ok(());
        }
        if count >= SHOWS_AT_ONCE {
            return Err(SHOW_EVERY - age);
        }
        self.shows.1 += 1;
        Ok(())
    }

    fn used(&mut self, usage: UsageId) -> Option<&mut Use> {
        self.usages.iter_mut().find(|one| one.usage == usage)
    }
}

impl Gateway {
    /// Writes down how far the authorization is.
    fn put_watch(&mut self, id: RecordId) {
        let record = self.presence.watching.watches.get(&id).and_then(|watch| watch.record(id));
        if let Some(record) = record {
            self.presence.writes.push(Write::Put(Box::new(Record::Authorization(record))));
        }
    }

    /// Subscribes to what the domain has of the target and is not subscribed to yet.
    fn open_usages(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.watches.get(&id) else { return };
        let Some((_, route)) = self.settings.routes.get(watch.route) else { return };
        let wanted = route.presence.watch.iter().copied();
        let missing: Vec<_> = wanted.filter(|package| watch.usages.iter().all(|one| one.package != *package)).collect();
        for package in missing {
            if package != Package::Presence || !self.join_list(id, now) {
                self.open_usage(id, package, now);
            }
        }
    }

    /// Subscribes to one package of the target alone.
    fn open_usage(&mut self, id: RecordId, package: Package, now: Now) {
        let Some(watch) = self.presence.watching.watches.get(&id) else { return };
        let want = Want {
            owner: Owner::Watch(id),
            route: watch.route,
            user: self.people.find(watch.route, watch.watcher.as_jid()),
            watcher: watch.watcher.clone(),
            target: watch.target.clone(),
            package,
            once: false,
        };
        let usage = self.usage_open(want, now);
        if let Some(watch) = self.presence.watching.watches.get_mut(&id) {
            watch.usages.reserve_exact(1);
            watch.usages.push(Use { package, usage, standing: Standing::Open });
        }
    }

    /// Lets a watch have no subscriptions: its own are closed, and its list goes on for others.
    fn close_usages(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        let (usages, list) = (std::mem::take(&mut watch.usages), watch.list.take());
        let own = usages.into_iter().filter(|one| !self.presence.lists.has(one.usage));
        let own: Vec<_> = own.collect();
        for one in own {
            self.usage_close(one.usage, now);
        }
        self.list_leave(list, id, now);
    }

    /// A deadline of a watch.
    pub(in super::super) fn on_watch_clock(&mut self, id: RecordId, clock: Clock, now: Now) {
        if clock == Clock::Parted {
            return self.on_parted(id, now);
        }
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        match clock {
            Clock::Gone => {
                watch.waits.gone = false;
                if watch.presence.gone {
                    self.let_go(id, now);
                }
            }
            Clock::Lost => {
                watch.waits.lost = false;
                let lost = watch.usages.iter().filter(|one| one.standing != Standing::Active);
                let lost: Vec<_> = lost.map(|one| one.package).collect();
                lost.into_iter().for_each(|package| watch.view.forget_package(package));
                self.show(id, now);
                if self.is_lost_with_list(id) {
                    self.fall_back(id, now);
                }
            }
            Clock::Show => {
                watch.waits.show = false;
                let _ = watch.may_show(now.mono);
                self.show(id, now);
            }
            Clock::Unheard => {
                watch.waits.unheard = false;
                if watch.missed {
                    self.show(id, now);
                }
            }
            Clock::Restored => self.open_usages(id, now),
            Clock::Listed => self.on_listed(id, now),
            Clock::Missed => self.on_missed(id, now),
            Clock::Parted => {}
        }
    }

    fn set_watch_clock(&mut self, id: RecordId, clock: Clock, delay: Duration, now: Now) {
        self.timers.set(now, delay, Timer::Watch(id, clock));
    }

    /// The watcher is away: no dialog is kept for her (RFC 8048 section 5.2.2), and the authorization stays.
    fn let_go(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        watch.view.forget_all();
        watch.shown.clear();
        self.close_usages(id, now);
    }
}
