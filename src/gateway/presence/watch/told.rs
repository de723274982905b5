//! What the subscriptions of a watch say (RFC 8048 section 5.2, and matrix of RFC 6665's reasons).

use super::super::super::Gateway;
use super::super::super::record::RecordId;
use super::super::usage::{Body, Fork, Owner, Told, UsageId};
use super::{Clock, LOST_GRACE, Stage, Standing, Watch};
use crate::model::Failure;
use crate::time::Now;
use crate::xmpp::stanza::{Presence, PresenceKind, Stanza};

impl Gateway {
    /// Tells the owner of a usage.
    pub(in super::super) fn on_told(&mut self, owner: Owner, usage: UsageId, told: Told, now: Now) {
        match owner {
            Owner::Watch(id) if self.presence.watching.polls.has(id) => self.on_polled(id, usage, told, now),
            Owner::Watch(id) => self.watch_on_told(id, usage, told, now),
            Owner::Voicemail(_, user) => self.voicemail_on_told(user, told, now),
            Owner::Winfo(_, user) => self.winfo_on_told(user, told, now),
            Owner::List(id) => self.list_on_told(id, told, now),
        }
    }

    pub(super) fn watch_on_told(&mut self, id: RecordId, usage: UsageId, told: Told, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        if watch.stage == Stage::Closing {
            return self.on_closing_told(id, usage, &told);
        }
        let Some(one) = watch.used(usage) else { return };
        match told {
            Told::Pending => one.standing = Standing::Open,
            Told::Active(fork) => {
                one.standing = Standing::Active;
                let package = one.package;
                watch.view.begin(package, fork);
                self.granted(id, now);
            }
            Told::State(fork, body) => self.on_state(id, usage, fork, body, now),
            Told::Nothing => {
                // The first without words says that nothing is known (RFC 8048 section 5.2.1); later ones change nothing.
                if watch.stage == Stage::Granted && watch.shown.is_empty() {
                    self.show(id, now);
                }
            }
            Told::ForkOver(fork) => {
                let package = one.package;
                watch.view.forget(package, fork);
                self.show(id, now);
            }
            Told::Forbidden(failure) => {
                one.standing = Standing::Refused;
                let package = one.package;
                watch.view.forget_package(package);
                self.refused(id, &failure, now);
            }
            Told::NoResource(failure) => self.on_no_resource(id, usage, &failure, now),
            Told::Invariant => one.standing = Standing::Active,
            Told::Lost(failure) => {
                one.standing = Standing::Lost;
                self.on_lost(id, &failure, now);
            }
            Told::Over => watch.usages.retain(|one| one.usage != usage),
        }
    }

    fn on_closing_told(&mut self, id: RecordId, usage: UsageId, told: &Told) {
        match told {
            Told::Pending | Told::Active(_) | Told::State(..) | Told::Nothing | Told::ForkOver(_) => {}
            Told::Forbidden(_) | Told::NoResource(_) | Told::Invariant | Told::Lost(_) | Told::Over => {
                let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
                watch.usages.retain(|one| one.usage != usage);
                if watch.usages.is_empty() {
                    self.closed(id);
                }
            }
        }
    }

    /// The target, or its server, has said yes.
    fn granted(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        if watch.stage == Stage::Asked {
            watch.stage = Stage::Granted;
            watch.changed_at = now.wall;
            self.put_watch(id);
            self.tell_watcher(id, PresenceKind::Subscribed);
        }
    }

    fn on_state(&mut self, id: RecordId, usage: UsageId, fork: Fork, body: Body, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        let Some(document) = body.document else { return };
        let missed = watch.view.take(fork, document).is_err();
        self.show_in_turn(id, now);
        if missed {
            self.usage_refresh(usage, now);
        }
    }

    /// Tells the watcher what has changed, now or when she may be told again.
    pub(super) fn show_in_turn(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        match watch.may_show(now.mono) {
            Ok(()) => self.show(id, now),
            Err(wait) if !std::mem::replace(&mut watch.waits.show, true) => {
                self.set_watch_clock(id, Clock::Show, wait, now);
            }
            Err(_) => {}
        }
        let watching = &mut self.presence.watching;
        if let Some(watch) = watching.watches.get_mut(&id) {
            watch.view.rest(&mut watching.room);
        }
    }

    /// One package is refused. A server that lacks one may have another, so only the last refusal is the answer; then the
    /// roster hears it (RFC 8048 section 5.2.2: 403, 489, 603 and `rejected` are for good).
    fn refused(&mut self, id: RecordId, failure: &Failure, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        let over = watch.usages.iter().all(|one| one.standing == Standing::Refused);
        tracing::debug!(watch = %watch, reason = ?failure.reason, over, "a subscription is refused");
        if !over {
            return;
        }
        self.show_gone(id, now);
        self.part(id, now);
    }

    /// There is no such user, today. Who had been granted keeps the roster item; who had only asked is told, once. Somebody
    /// for whom her server asked has an item that says she was granted: she keeps it, too, and may be asked for again.
    fn on_no_resource(&mut self, id: RecordId, usage: UsageId, failure: &Failure, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        if let Some(one) = watch.used(usage) {
            one.standing = Standing::Lost;
        }
        let others = watch.stands(Standing::Open) || watch.stands(Standing::Active);
        match watch.stage {
            Stage::Asked if !others => {
                for one in std::mem::take(&mut watch.usages) {
                    if !self.presence.lists.has(one.usage) {
                        self.usage_forget(one.usage, now);
                    }
                }
                if self.presence.watching.watches.get(&id).is_some_and(|watch| watch.sought) {
                    return self.forget_watch(id, now);
                }
                self.complain(id, failure);
                self.part(id, now);
            }
            Stage::Granted if !others => {
                watch.view.forget_all();
                self.show(id, now);
            }
            Stage::Asked | Stage::Granted | Stage::Closing => {}
        }
    }

    fn on_lost(&mut self, id: RecordId, failure: &Failure, now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        tracing::debug!(watch = %watch, reason = ?failure.reason, "a subscription is lost, and tried again");
        if watch.stage == Stage::Asked && !watch.stands(Standing::Open) {
            return self.complain(id, failure);
        }
        if !std::mem::replace(&mut watch.waits.lost, true) {
            self.set_watch_clock(id, Clock::Lost, LOST_GRACE, now);
        }
    }

    /// Says once why a subscription that was asked for has not come about; it is tried again all the same.
    fn complain(&mut self, id: RecordId, failure: &Failure) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        if std::mem::replace(&mut watch.complained, true) {
            return;
        }
        let (link, watcher, target) = (watch.link, watch.watcher.as_jid().clone(), watch.target.as_jid().clone());
        let asked = Presence::new(watcher, target, PresenceKind::Subscribe);
        let error = self.mapping.failure_to_stanza_error(failure);
        if let Some(reply) = asked.error_reply(error) {
            self.tell(link, Stanza::Presence(reply));
        }
    }
}

impl std::fmt::Display for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}", self.watcher.as_str(), self.target.as_str())
    }
}
