//! What of a SIP user's watching outlives the process, and how it goes on after it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::super::super::record::{Authorization, AuthorizationRecord, DialogRecord, Kind, Record, RecordId, Write};
use super::super::super::{Gateway, Link, Timer, limits};
use super::super::is_of_server_away;
use super::super::recover::Domains;
use super::super::turns::Turns;
use super::tell::Alarm;
use super::{DIRECTION, Dialog, Pair, Watched};
use crate::sip::dialog::{self, Parts};
use crate::sip::event::notifier::{Notifier, Reason};
use crate::time::{Now, Timestamp, nanos};
use crate::xmpp::stanza::Presence;

impl Default for Watched {
    /// Nobody was asked.
    fn default() -> Self {
        Self {
            id: RecordId(0),
            state: None,
            changed_at: Timestamp(0),
            asked_at: None,
            probed_at: None,
            heard: None,
            doing: None,
            dialogs: Vec::new(),
            look_at: None,
            needs_word: false,
        }
    }
}

impl Gateway {
    /// The target's word changes.
    pub(super) fn set_authorization(&mut self, pair: &Pair, state: Authorization, now: Now) {
        let id = RecordId(self.ids.number() >> 1);
        let Some(watched) = self.presence.served.watched.get_mut(pair) else { return };
        if watched.state.is_none() {
            watched.id = id;
        }
        watched.state = Some(state);
        watched.changed_at = now.wall;
        let (watcher, target) = pair.both();
        let record = AuthorizationRecord {
            id: watched.id,
            shard: pair.shard(),
            direction: DIRECTION,
            watcher: watcher.to_owned(),
            target: target.to_owned(),
            state,
            changed_at: now.wall,
        };
        self.presence.writes.push(Write::Put(Box::new(Record::Authorization(record))));
    }

    pub(super) fn forget_authorization(&mut self, pair: &Pair) {
        let Some(watched) = self.presence.served.watched.get_mut(pair) else { return };
        if watched.state.take().is_some() {
            self.presence.writes.push(Write::Drop(Kind::Authorization, watched.id));
        }
        (watched.heard, watched.doing) = (None, None);
        watched.asked_at = None;
    }

    pub(super) fn put_dialog(&mut self, id: RecordId, now: Now) {
        let Some(dialog) = self.presence.served.dialogs.get(&id) else { return };
        let left = dialog.notifier.expires_at().saturating_sub(now.mono);
        let millis = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        let record = dialog.record(id, Timestamp(now.wall.0.saturating_add(millis)));
        self.presence.writes.push(Write::Put(Box::new(Record::Dialog(record))));
    }

    pub(super) fn drop_dialog(&mut self, id: RecordId) {
        self.presence.writes.push(Write::Drop(Kind::Dialog, id));
    }

    /// Makes sure that no request or document goes out with a number that a restart could give again.
    pub(super) fn reserve(&mut self, id: RecordId, with_document: bool, now: Now) {
        let Some(dialog) = self.presence.served.dialogs.get_mut(&id) else { return };
        let (cseq, version) = (dialog.dialog.local_cseq(), dialog.version);
        let mut is_short = false;
        // Tries with credentials count on by themselves.
        if cseq.saturating_add(limits::TRIES.into()) > dialog.cseq_reserved {
            dialog.cseq_reserved = cseq.saturating_add(limits::CSEQ_BLOCK);
            is_short = true;
        }
        if with_document && version > dialog.version_reserved {
            dialog.version_reserved = version.saturating_add(limits::CSEQ_BLOCK);
            is_short = true;
        }
        if is_short && !dialog.is_poll {
            self.put_dialog(id, now);
        }
    }

    /// Whether something that happened then counts as fresh. A clock that was set back by a little changes nothing; what a
    /// clock that was years ahead has written does not count for years.
    pub(super) fn is_of_late(at: Timestamp, now: Now) -> bool {
        !fresh_for(at, now).is_zero()
    }

    /// A pair without dialogs: one that she has allowed stays as it is; one that she has not is forgotten in time.
    pub(super) fn tidy_watched(&mut self, pair: &Pair, now: Now) {
        self.tidy_watched_in(limits::REFUSED_FOR, pair, now);
    }

    fn tidy_watched_in(&mut self, time: Duration, pair: &Pair, now: Now) {
        let Some(watched) = self.presence.served.watched.get_mut(pair) else { return };
        let waits_there = self.presence.waiting.has(pair.watcher(), pair.target());
        if !watched.dialogs.is_empty() || watched.is_granted() || waits_there {
            return;
        }
        if watched.state.is_none() {
            self.presence.served.forget(pair);
        } else {
            self.look_after_at(pair, now.mono + time);
        }
    }

    fn look_after_at(&mut self, pair: &Pair, at: Duration) {
        let Some(watched) = self.presence.served.watched.get_mut(pair) else { return };
        if watched.look_at.is_none_or(|set| set > nanos(at)) {
            watched.look_at = Some(nanos(at));
            self.timers.set_at(at, Timer::Serve(Alarm::Watched(pair.clone())));
        }
    }

    /// Does for a pair what has waited for its time: asks her server after a restart, or forgets it.
    pub(super) fn look_after(&mut self, pair: &Pair, now: Now) {
        let link = self.settings.link_of(super::ask::domain(pair.watcher()));
        let is_up = link.is_some_and(|link| self.link_is_up(link));
        let Some(watched) = self.presence.served.watched.get_mut(pair) else { return };
        if watched.look_at.is_none_or(|at| at > nanos(now.mono)) {
            return;
        }
        watched.look_at = None;
        if std::mem::take(&mut watched.needs_word) && !watched.dialogs.is_empty() {
            match watched.state {
                // Her server is probed when it can be heard, which is when the link is up.
                Some(Authorization::Granted) if is_up => {
                    watched.probed_at = None;
                    if let Some(heard) = &mut watched.heard {
                        heard.doubt();
                        self.look_after_at(pair, now.mono + limits::PROBE_WAIT);
                    }
                    self.probe(pair, now);
                }
                // A phone may have come back in between, and she was asked for it.
                Some(Authorization::Asked) if watched.asked_at.is_none() => self.ask(pair, now),
                // He was to hear so when the process died.
                Some(Authorization::Refused) => self.end_all(pair, Reason::Rejected, now),
                Some(Authorization::Asked | Authorization::Granted) => {}
                None => self.end_orphans(pair, now),
            }
            return;
        }
        let waits_there = self.presence.waiting.has(pair.watcher(), pair.target());
        if !watched.dialogs.is_empty() || watched.is_granted() || waits_there {
            return self.settle_doubt(pair, now);
        }
        let left =
            self.presence.served.watched.get(pair).map_or(Duration::ZERO, |watched| fresh_for(watched.changed_at, now));
        if !left.is_zero() {
            return self.look_after_at(pair, now.mono + left);
        }
        self.forget_authorization(pair);
        self.presence.served.forget(pair);
    }

    /// Dialogs without an authorization: a store that was cut short has kept the one and not the other.
    fn end_orphans(&mut self, pair: &Pair, now: Now) {
        for id in self.presence.served.dialogs_of(pair) {
            if let Some(dialog) = self.presence.served.dialogs.get_mut(&id).filter(|dialog| !dialog.is_poll) {
                dialog.notifier.end(Reason::Deactivated);
            }
            self.serve_go_on(id, now);
        }
    }

    /// Her server could not be reached. As while a link is down, what she said last stands; and she is asked again.
    pub(super) fn on_probe_failed(&mut self, pair: &Pair, presence: &Presence, now: Now) {
        if !is_of_server_away(presence) {
            return;
        }
        if let Some(watched) = self.presence.served.watched.get_mut(pair).filter(|it| !it.dialogs.is_empty()) {
            if watched.needs_word && watched.look_at.is_some() {
                // She is asked then already, and one timer is enough however often her server says it.
                return;
            }
            watched.look_at = None;
            let wait = limits::UNREACHED_AGAIN.mul_f64(1.0 + self.ids.chance());
            self.look_after_in(wait, pair, now);
        }
    }

    fn look_after_in(&mut self, delay: Duration, pair: &Pair, now: Now) {
        let Some(watched) = self.presence.served.watched.get_mut(pair) else { return };
        watched.needs_word = true;
        self.look_after_at(pair, now.mono + delay);
    }

    /// A link is back: what was said on it meanwhile is lost, so it is asked for.
    pub(in super::super::super) fn serve_link_up(&mut self, link: Link, now: Now) {
        let Some(domain) = self.settings.links.get(link).cloned() else { return };
        self.ask_again(|pair| super::ask::domain(pair.watcher()) == domain, now);
    }

    /// The way to these domains broke: what their users said since may be lost, so it is asked for, which also brings the way
    /// back.
    pub(in super::super) fn serve_domains_down(&mut self, down: &Domains, now: Now) {
        let of_link = |link: Link| self.settings.links.get(link).cloned();
        let down: HashMap<String, &HashSet<Box<str>>> =
            down.iter().filter_map(|(link, domains)| Some((of_link(*link)?, domains))).collect();
        let is_between = |pair: &Pair| {
            let there = down.get(super::ask::domain(pair.watcher()));
            there.is_some_and(|there| there.contains(super::ask::domain(pair.target())))
        };
        self.ask_again(is_between, now);
    }

    /// What these targets say is not known any more, and is asked for where somebody is told.
    fn ask_again(&mut self, is_concerned: impl Fn(&Pair) -> bool, now: Now) {
        for (pair, watched) in &mut self.presence.served.watched {
            if watched.dialogs.is_empty() && is_concerned(pair) {
                // Whoever asks next is told what she says then.
                watched.heard = None;
            }
        }
        let concerned = |(pair, watched): (&Pair, &Watched)| {
            (watched.is_granted() && !watched.dialogs.is_empty() && is_concerned(pair)).then(|| pair.clone())
        };
        let all = self.presence.served.watched.iter().map(|(pair, watched)| (pair, &**watched));
        let mut pairs: Vec<Pair> = all.filter_map(concerned).collect();
        // The order of the table is another in each process; a simulation shall repeat itself.
        pairs.sort_unstable();
        let mut turns = Turns::of(pairs.len());
        for pair in pairs {
            let turn = turns.next(self.ids.chance());
            self.look_after_in(turn, &pair, now);
        }
    }

    pub(in super::super) fn serve_restore(&mut self, record: AuthorizationRecord, now: Now) {
        let pair = Pair::new(&record.watcher, &record.target);
        self.watch(&pair);
        let Some(watched) = self.presence.served.watched.get_mut(&pair) else { return };
        watched.id = record.id;
        watched.state = Some(record.state);
        watched.changed_at = record.changed_at;
        for id in self.presence.served.dialogs_of(&pair) {
            if let Some(dialog) = self.presence.served.dialogs.get_mut(&id) {
                let left = dialog.notifier.expires_at().saturating_sub(now.mono);
                dialog.notifier = Notifier::restored(now.mono, left, record.state == Authorization::Granted);
                self.presence.served.counts.levelled(dialog);
            }
        }
        let left = fresh_for(record.changed_at, now).max(limits::RESTORE_SPREAD);
        self.tidy_watched_in(left, &pair, now);
    }

    pub(in super::super) fn serve_restore_dialog(&mut self, record: DialogRecord, now: Now) {
        let parts = Parts {
            call_id: &record.call_id,
            local_tag: &record.local_tag,
            remote_tag: &record.remote_tag,
            local_uri: &record.local_uri,
            remote_uri: &record.remote_uri,
            remote_target: &record.remote_target,
        };
        let routes = record.route_set.iter().map(String::as_str);
        let Ok(dialog) = dialog::Dialog::restore(parts, routes, record.cseq_reserved, record.remote_cseq) else {
            tracing::warn!(id = record.id.0, "a dialog was kept that is none; it is dropped");
            return self.drop_dialog(record.id);
        };
        let pair = Pair::new(&record.watcher, &record.target);
        self.watch(&pair);
        let turn = self.turn();
        let left = self.left(record.expires_at, turn, now);
        let allowed = self.presence.served.watched.get(&pair).is_some_and(|watched| watched.is_granted());
        let notifier = Notifier::restored(now.mono, left, allowed);
        let restored = Dialog {
            cseq_reserved: record.cseq_reserved,
            version: record.version_reserved.saturating_add(1),
            version_reserved: record.version_reserved,
            ..Dialog::new(pair.clone(), dialog, notifier, record.package, record.event_id.map(Into::into))
        };
        self.presence.served.put(record.id, restored);
        self.serve_go_on(record.id, now);
        self.look_after_in(turn, &pair, now);
    }

    /// What a dialog has left. One that should have ended while nobody was here, or is about to, lives until its turn, so that
    /// its phone can refresh it, and they do not all end at once; one that a wrong clock has kept too long gets what any may have.
    fn left(&mut self, expires_at: Timestamp, turn: Duration, now: Now) -> Duration {
        let left = u64::try_from(expires_at.0.saturating_sub(now.wall.0)).unwrap_or_default();
        let left = Duration::from_millis(left).min(Duration::from_secs(limits::LONGEST_WATCH.into()));
        if left < limits::RESTORE_SPREAD { left.max(turn) } else { left }
    }
}

/// How long something that happened then is fresh yet.
fn fresh_for(at: Timestamp, now: Now) -> Duration {
    limits::REFUSED_FOR.saturating_sub(Duration::from_millis(now.wall.0.abs_diff(at.0)))
}

impl Dialog {
    fn record(&self, id: RecordId, expires_at: Timestamp) -> DialogRecord {
        let (watcher, target) = self.pair.both();
        let parts = self.dialog.parts();
        DialogRecord {
            id,
            shard: self.pair.shard(),
            direction: DIRECTION,
            watcher: watcher.to_owned(),
            target: target.to_owned(),
            package: self.package,
            event_id: self.event_id.as_deref().map(str::to_owned),
            call_id: parts.call_id.to_owned(),
            local_tag: parts.local_tag.to_owned(),
            remote_tag: parts.remote_tag.to_owned(),
            local_uri: parts.local_uri.to_owned(),
            remote_uri: parts.remote_uri.to_owned(),
            remote_target: parts.remote_target.to_owned(),
            route_set: self.dialog.route_set().map(str::to_owned).collect(),
            cseq_reserved: self.cseq_reserved,
            remote_cseq: self.dialog.remote_cseq(),
            version_reserved: self.version_reserved,
            expires_at,
        }
    }
}
