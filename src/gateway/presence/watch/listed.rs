//! Watches that are seen through a list (RFC 4662), and those that have to do without.

use super::super::super::record::{Package, RecordId};
use super::super::super::{Gateway, limits};
use super::super::document::Document;
use super::super::lists::{Member, Row, Why};
use super::super::usage::{Told, UsageId};
use super::{Clock, LOST_GRACE, Stage, Standing, Use};
use crate::model::{Failure, Reason};
use crate::time::Now;

impl Gateway {
    /// Has the watcher's list tell of the target, if it may: then it is what the watch uses, and nothing else is to be opened.
    pub(super) fn join_list(&mut self, id: RecordId, now: Now) -> bool {
        let Some(watch) = self.presence.watching.watches.get(&id) else { return false };
        let (route, watcher, target) = (watch.route, watch.watcher.clone(), watch.target.clone());
        let Some(list) = self.list_open(route, &watcher, &target, now) else { return false };
        let joined = self.presence.lists.join(list, id, &target);
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return false };
        watch.list = Some(list);
        let Some((usage, row)) = joined else { return false };
        watch.usages.push(Use { package: Package::Presence, usage, standing: Standing::Open });
        self.set_watch_clock(id, Clock::Listed, limits::LIST_WAIT, now);
        if let Some(row) = row {
            self.list_tell(list, id, row, now);
        }
        true
    }

    /// After a restart: the list whose dialog is still there goes on.
    pub(super) fn rejoin_list(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.watches.get(&id) else { return };
        let (route, watcher, target) = (watch.route, watch.watcher.clone(), watch.target.clone());
        let Some(list) = self.list_adopt(route, &watcher, &target) else { return };
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        watch.list = Some(list);
        if watch.usages.iter().any(|one| one.package == Package::Presence) {
            return self.presence.lists.set_member(list, id, Member::Alone);
        }
        let Some((usage, _)) = self.presence.lists.join(list, id, &target) else { return };
        watch.usages.push(Use { package: Package::Presence, usage, standing: Standing::Open });
        let turn = self.usage_due(usage).unwrap_or_default().saturating_sub(now.mono);
        self.set_watch_clock(id, Clock::Listed, turn + limits::LIST_WAIT, now);
    }

    /// The list has had its time to name the target.
    pub(super) fn on_listed(&mut self, id: RecordId, now: Now) {
        let Some(list) = self.presence.watching.watches.get(&id).and_then(|watch| watch.list) else { return };
        self.presence.lists.drop_spare(list);
        if self.presence.lists.member(list, id) == Some(Member::Waiting) {
            self.fall_back(id, now);
        }
    }

    /// The list has told a full state in which the target is not.
    pub(in super::super) fn list_misses(&mut self, list: u64, id: RecordId, now: Now) {
        if self.presence.lists.member(list, id) == Some(Member::Missed) {
            return;
        }
        self.presence.lists.set_member(list, id, Member::Missed);
        self.set_watch_clock(id, Clock::Missed, limits::LIST_REST, now);
    }

    /// The rest of that state has had its time.
    pub(super) fn on_missed(&mut self, id: RecordId, now: Now) {
        let Some(list) = self.presence.watching.watches.get(&id).and_then(|watch| watch.list) else { return };
        if self.presence.lists.member(list, id) == Some(Member::Missed) {
            self.fall_back(id, now);
        }
    }

    /// Whether the target was seen through a list and is not any more.
    pub(super) fn is_lost_with_list(&self, id: RecordId) -> bool {
        let Some(watch) = self.presence.watching.watches.get(&id) else { return false };
        let lost = |one: &Use| one.standing == Standing::Lost && self.presence.lists.has(one.usage);
        watch.usages.iter().any(lost)
    }

    /// From now on the watch has a subscription of its own. What is shown stays until that has had its time.
    pub(in super::super) fn fall_back(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        let Some(list) = watch.list.filter(|_| watch.stage != Stage::Closing) else { return };
        watch.usages.retain(|one| one.package != Package::Presence);
        watch.view.forget_package(Package::Presence);
        let waits = !watch.shown.is_empty() && !std::mem::replace(&mut watch.waits.lost, true);
        self.presence.lists.set_member(list, id, Member::Alone);
        if waits {
            self.set_watch_clock(id, Clock::Lost, LOST_GRACE, now);
        }
        self.open_usage(id, Package::Presence, now);
    }

    /// The list cannot tell of a target at present. Who has seen something through it waits for it to come back; who has not
    /// does not.
    pub(in super::super) fn list_member_lost(&mut self, id: RecordId, failure: &Failure, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        let seen = watch.stage == Stage::Granted && !watch.shown.is_empty();
        let used = watch.usages.iter().find(|one| one.package == Package::Presence);
        match used.filter(|one| seen && one.standing != Standing::Open).map(|one| one.usage) {
            Some(usage) => self.watch_on_told(id, usage, Told::Lost(failure.clone()), now),
            None => self.fall_back(id, now),
        }
    }

    /// What the list tells of the target, as if a subscription to him alone had told it.
    pub(in super::super) fn list_tell(&mut self, list: u64, id: RecordId, row: Row, now: Now) {
        let Some(usage) = self.presence.lists.get_mut(list).and_then(|list| list.usage) else { return };
        let Some(member) = self.presence.lists.member(list, id) else { return };
        match row {
            Row::Active(states) => {
                let Some(fork) = states.first().map(|(fork, _)| *fork) else {
                    return self.list_is_mute(id, member, now);
                };
                self.cover(list, id, usage, now);
                let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
                if watch.used(usage).is_some_and(|one| one.standing != Standing::Active) {
                    self.watch_on_told(id, usage, Told::Active(fork), now);
                }
                let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
                // What the row says is all there is to say of him (section 5.6).
                watch.view.forget_package(Package::Presence);
                for (fork, state) in states {
                    // One of presence never misses another.
                    let _ = watch.view.take(fork, Document::Presence(Box::new(state)));
                }
                self.show_in_turn(id, now);
            }
            // Who has one of his own hears there why it ends.
            Row::Named | Row::Over(_) if member == Member::Alone => {}
            Row::Named => self.presence.lists.set_member(list, id, Member::Covered),
            Row::Over(why) => {
                self.presence.lists.set_member(list, id, Member::Covered);
                let because = |reason| Failure::because(reason, "the list on the SIP side says so");
                match why {
                    Why::Rejected => {
                        self.watch_on_told(id, usage, Told::Forbidden(because(Reason::Forbidden)), now);
                    }
                    Why::NoResource => {
                        self.watch_on_told(id, usage, Told::NoResource(because(Reason::AddressUnknown)), now);
                    }
                    Why::Other => self.list_member_lost(id, &because(Reason::RecipientUnavailable), now),
                }
            }
        }
    }

    /// The list says that it has the target's state, and has none that can be read (section 5.5 wants one). What was told
    /// before stands; of whom nothing was told, is asked himself.
    fn list_is_mute(&mut self, id: RecordId, member: Member, now: Now) {
        let Some(watch) = self.presence.watching.watches.get(&id) else { return };
        let active = |one: &Use| one.package == Package::Presence && one.standing == Standing::Active;
        if member != Member::Alone && !watch.usages.iter().any(active) {
            self.fall_back(id, now);
        }
    }

    /// The list tells the target's state: a subscription to him alone is not needed any more.
    fn cover(&mut self, list: u64, id: RecordId, usage: UsageId, now: Now) {
        self.presence.lists.set_member(list, id, Member::Covered);
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        let through = Use { package: Package::Presence, usage, standing: Standing::Open };
        let own = match watch.usages.iter_mut().find(|one| one.package == Package::Presence) {
            Some(one) if one.usage == usage => return,
            Some(one) => Some(std::mem::replace(one, through)),
            None => {
                watch.usages.push(through);
                None
            }
        };
        watch.view.forget_package(Package::Presence);
        if let Some(own) = own {
            self.usage_close(own.usage, now);
        }
    }
}
