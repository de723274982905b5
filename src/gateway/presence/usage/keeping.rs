//! What the store keeps of usages: their dialogs.
//!
//! A dialog is written when it begins, when its end moves, and when its block of CSeqs is used up; never for a NOTIFY. A
//! subscription without a dialog is not written: it is asked for again by whoever wants it.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Duration;

use super::super::super::record::{DialogRecord, Direction, Kind, Package, Record, RecordId, Write, shard_of};
use super::super::super::{Gateway, Timer, limits};
use super::super::turns::in_time;
use super::table::{Kept, Usage, Usages};
use super::{Owner, UsageId, Want};
use crate::sip::dialog::{Dialog, Parts};
use crate::sip::event::subscriber::{Input, MAX_EXPIRES, Serial, Subscriber};
use crate::time::{Mono, Now, Timestamp};
use crate::xmpp::jid::Jid;

impl Gateway {
    /// A NOTIFY has begun a dialog, if the machine thinks so, too.
    pub(super) fn keep_dialog(&mut self, id: UsageId, serial: Serial, mut dialog: Dialog, now: Now) {
        let record = self.new_record();
        let Some(usage) = self.presence.usages.get_mut(id) else { return };
        if usage.machine.ends(serial).is_none() {
            return;
        }
        // The SUBSCRIBE may still be on its way through challenges, each of which takes a number.
        dialog.raise_cseq(u32::from(limits::TRIES));
        usage.asking = None;
        usage.dialogs.reserve_exact(1);
        usage.dialogs.push(Kept { serial, dialog, record, reserved: 0, ends: Mono::default() });
        tracing::debug!(usage = id, serial, mono = now.mono.as_secs(), "a subscription of ours has a dialog");
    }

    /// Writes the dialogs whose end has moved.
    pub(super) fn write_dialogs(&mut self, id: UsageId, now: Now) {
        let presence = &mut self.presence;
        let Some(usage) = presence.usages.get_mut(id) else { return };
        for at in 0..usage.dialogs.len() {
            let Some(kept) = usage.dialogs.get(at) else { break };
            let Some(ends) = usage.machine.ends(kept.serial) else { continue };
            // NOTIFYs say in whole seconds what remains, so the end they mean moves to and fro by one.
            let slack = Duration::from_secs(1).max(ends.saturating_sub(now.mono) / 16);
            if kept.reserved == 0 || ends.abs_diff(kept.ends.get()) > slack {
                presence.writes.push(usage.put(at, now));
            }
        }
    }

    /// Sees to it that the next request in a dialog, over all its tries, has CSeqs that the record has reserved.
    pub(super) fn reserve_cseq(&mut self, id: UsageId, serial: Serial, now: Now) {
        let presence = &mut self.presence;
        let Some(usage) = presence.usages.get_mut(id) else { return };
        let Some(at) = usage.dialogs.iter().position(|kept| kept.serial == serial) else { return };
        let used = usage.dialogs.get(at).map(|kept| (kept.dialog.local_cseq(), kept.reserved));
        if used.is_some_and(|(cseq, reserved)| cseq + 1 + u32::from(limits::TRIES) > reserved) {
            presence.writes.push(usage.put(at, now));
        }
    }

    pub(super) fn drop_record(&mut self, kept: &Kept) {
        if kept.reserved != 0 {
            self.presence.writes.push(Write::Drop(Kind::Dialog, kept.record));
        }
    }

    /// Takes back a dialog of ours. One that has lapsed is followed by another, and neither that nor refreshes come all at
    /// once.
    pub(in super::super) fn usage_restore(&mut self, record: DialogRecord, now: Now) {
        if self.take_back(&record, now).is_none() {
            self.presence.writes.push(Write::Drop(Kind::Dialog, record.id));
        }
    }

    fn take_back(&mut self, record: &DialogRecord, now: Now) -> Option<()> {
        let (turn, chance) = (self.turn(), self.ids.chance());
        let left = u64::try_from(record.expires_at.0.saturating_sub(now.wall.0)).unwrap_or(0);
        let watch = self.watch_of_dialog(record);
        let known = match watch {
            Some(watch) => self.watch_uses(watch, record.package),
            None => self.restored(record),
        };
        let id = match known {
            Some(id) => id,
            None => self.new_restored(record, watch, now.mono + turn)?,
        };
        let taken = self.take_back_dialog(id, record, left, (turn, chance), now);
        self.wake_usage(id);
        taken
    }

    fn take_back_dialog(
        &mut self,
        id: UsageId,
        record: &DialogRecord,
        left: u64,
        (turn, chance): (Duration, f64),
        now: Now,
    ) -> Option<()> {
        let dialog = restored_dialog(record)?;
        let usage = self.presence.usages.get_mut(id)?;
        let another = usage.dialogs.first().is_some_and(|first| first.dialog.call_id() != record.call_id);
        if left == 0 || another {
            return None;
        }
        let before = usage.machine.state();
        // A clock that was set back while we were away makes nothing live longer than it may.
        let left = Duration::from_millis(left).min(Duration::from_secs(u64::from(MAX_EXPIRES)));
        let ends = now.mono + left;
        let serial = usage.machine.take_back(ends, now.mono + in_time(turn, left, chance));
        usage.dialogs.reserve_exact(1);
        usage.dialogs.push(Kept {
            serial,
            dialog,
            record: record.id,
            reserved: record.cseq_reserved.max(1),
            ends: ends.into(),
        });
        let (key, package, after) = (usage.key()?, usage.package, usage.machine.state());
        self.presence.usages.numbers.moved(package, before, after);
        self.presence.usages.by_call.insert(key, id);
        Some(())
    }

    /// The usage that another record has brought back already, and that has no owner yet.
    fn restored(&self, record: &DialogRecord) -> Option<UsageId> {
        self.presence.usages.orphan(&record.watcher, &record.target, record.package)
    }

    /// A usage without dialogs so far: that of `watch`, or nobody's yet.
    fn new_restored(&mut self, record: &DialogRecord, watch: Option<RecordId>, at: Duration) -> Option<UsageId> {
        let jid = |text: &str| Jid::parse_peer(text).ok().map(|jid| jid.to_bare());
        let (watcher, target) = match watch.and_then(|watch| self.watch_pair(watch)) {
            Some(both) => both,
            None => (jid(&record.watcher)?, jid(&record.target)?),
        };
        let route = self.settings.route_of(target.domain())?;
        let user = self.people.find(route, watcher.as_jid());
        let rules = self.usage_rules(route, record.package, false);
        let package = record.package;
        let id = self.presence.usages.insert(Usage {
            owner: watch.map(Owner::Watch),
            route,
            user,
            watcher,
            target,
            package,
            machine: Subscriber::waiting(rules, at),
            asking: None,
            dialogs: Vec::new(),
            armed: Mono::default(),
        });
        match watch {
            Some(watch) => self.watch_uses_also(watch, id, package),
            None => self.presence.usages.add_orphan(id),
        }
        Some(id)
    }

    /// Its timer, whether or not it has an owner by then.
    fn wake_usage(&mut self, id: UsageId) {
        let Some(usage) = self.presence.usages.get_mut(id) else { return };
        let Some(due) = usage.machine.due() else { return };
        usage.armed = due.into();
        self.timers.set_at(due, Timer::Usage(id));
    }

    /// What a restart has left for this pair and has no owner yet.
    pub(in super::super) fn usages_of(&self, watcher: &str, target: &str) -> Vec<(UsageId, Package)> {
        let usages = &self.presence.usages;
        let of = |package| usages.orphan(watcher, target, package).map(|id| (id, package));
        Package::ALL.into_iter().filter_map(of).collect()
    }

    /// When it does something by itself next, in monotonic time.
    pub(in super::super) fn usage_due(&self, id: UsageId) -> Option<Duration> {
        self.presence.usages.list.get(&id)?.machine.due()
    }

    /// Gives a usage that was taken back its owner.
    pub(in super::super) fn usage_own(&mut self, id: UsageId, owner: Owner) {
        let usages = &mut self.presence.usages;
        usages.forget_orphan(id);
        if let Some(usage) = usages.list.get_mut(&id) {
            usage.owner = Some(owner);
        }
    }

    /// The usage that a restart has left of what is wanted, if there is one; it has its owner now.
    pub(super) fn adopt_usage(&mut self, want: &Want, now: Now) -> Option<UsageId> {
        if want.once {
            return None;
        }
        let id = self.presence.usages.orphan(want.watcher.as_str(), want.target.as_str(), want.package)?;
        self.usage_own(id, want.owner);
        let usage = self.presence.usages.get_mut(id)?;
        (usage.route, usage.user) = (want.route, want.user);
        // What was told while nobody listened is asked for once more.
        if usage.machine.due().is_some_and(|at| at <= now.mono) {
            self.step_usage(id, Input::Refresh.into(), now);
        }
        self.arm_usage(id, now);
        Some(id)
    }
}

impl Usages {
    fn orphan_key(&self, watcher: &str, target: &str, package: Package) -> u64 {
        self.hasher.hash_one((watcher, target, package))
    }

    /// What was taken back of this package for this pair and is nobody's yet.
    fn orphan(&self, watcher: &str, target: &str, package: Package) -> Option<UsageId> {
        if self.orphans.is_empty() {
            return None;
        }
        let id = *self.orphans.get(&self.orphan_key(watcher, target, package))?;
        let usage = self.list.get(&id)?;
        let same = usage.watcher.as_str() == watcher && usage.target.as_str() == target && usage.package == package;
        same.then_some(id)
    }

    /// It is nobody's until somebody wants it.
    fn add_orphan(&mut self, id: UsageId) {
        let Some(usage) = self.list.get(&id) else { return };
        let key = self.orphan_key(usage.watcher.as_str(), usage.target.as_str(), usage.package);
        self.orphans.insert(key, id);
    }

    /// Somebody has it, or it is over.
    pub(super) fn forget_orphan(&mut self, id: UsageId) {
        let Some(usage) = self.list.get(&id).filter(|usage| usage.owner.is_none()) else { return };
        let key = self.orphan_key(usage.watcher.as_str(), usage.target.as_str(), usage.package);
        if self.orphans.get(&key) == Some(&id) {
            self.orphans.remove(&key);
        }
        if self.orphans.is_empty() {
            self.orphans = HashMap::new();
        }
    }
}

fn restored_dialog(record: &DialogRecord) -> Option<Dialog> {
    let parts = Parts {
        call_id: &record.call_id,
        local_tag: &record.local_tag,
        remote_tag: &record.remote_tag,
        local_uri: &record.local_uri,
        remote_uri: &record.remote_uri,
        remote_target: &record.remote_target,
    };
    let routes = record.route_set.iter().map(String::as_str);
    Dialog::restore(parts, routes, record.cseq_reserved, record.remote_cseq).ok()
}

impl Usage {
    /// The record of one of its dialogs, as it is from now on.
    fn put(&mut self, at: usize, now: Now) -> Write {
        let (watcher, target) = (self.watcher.as_str(), self.target.as_str());
        let kept = &mut self.dialogs[at];
        kept.reserved = kept.dialog.local_cseq().saturating_add(limits::CSEQ_BLOCK);
        let ends = self.machine.ends(kept.serial).unwrap_or(now.mono);
        kept.ends = ends.into();
        let left = i64::try_from(ends.saturating_sub(now.mono).as_millis()).unwrap_or(i64::MAX);
        let parts = kept.dialog.parts();
        let owned = str::to_owned;
        Write::Put(Box::new(Record::Dialog(DialogRecord {
            id: kept.record,
            shard: shard_of(watcher, target),
            direction: Direction::ToSip,
            watcher: owned(watcher),
            target: owned(target),
            package: self.package,
            event_id: None,
            call_id: owned(parts.call_id),
            local_tag: owned(parts.local_tag),
            remote_tag: owned(parts.remote_tag),
            local_uri: owned(parts.local_uri),
            remote_uri: owned(parts.remote_uri),
            remote_target: owned(parts.remote_target),
            route_set: kept.dialog.route_set().map(owned).collect(),
            cseq_reserved: kept.reserved,
            remote_cseq: kept.dialog.remote_cseq(),
            version_reserved: 0,
            expires_at: Timestamp(now.wall.0.saturating_add(left)),
        })))
    }
}
