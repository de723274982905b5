//! The usages, and what their machines want done.

use std::collections::{HashMap, VecDeque};
use std::hash::RandomState;

use super::super::super::errand::RouteId;
use super::super::super::people::UserId;
use super::super::super::record::{Package, RecordId};
use super::super::super::{Gateway, Timer, limits};
use super::doubt::Doubts;
use super::numbers::Numbers;
use super::{Body, Fork, Owner, Told, UsageId, Want};
use crate::model::{Failure, Reason};
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::event::subscriber::{Effect, Input, Report, Rules, Serial, State, Subscriber};
use crate::time::{Mono, Now};
use crate::xmpp::jid::BareJid;

/// All usages.
#[derive(Debug, Default)]
pub(in super::super) struct Usages {
    pub(super) list: HashMap<UsageId, Box<Usage>>,
    /// By Call-ID and our tag.
    pub(super) by_call: HashMap<DialogKey, UsageId>,
    /// What owners have not heard yet.
    pub(super) told: VecDeque<(Owner, UsageId, Told)>,
    /// Taken back from the store, and nobody's yet: by a keyed hash of watcher, target and package; whoever looks compares.
    pub(super) orphans: HashMap<u64, UsageId>,
    pub(super) hasher: RandomState,
    pub(super) numbers: Numbers,
    pub(super) doubts: Doubts,
    count: UsageId,
    effects: Vec<Effect>,
}

/// One usage.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) owner: Option<Owner>,
    pub(super) route: RouteId,
    pub(super) user: Option<UserId>,
    pub(super) watcher: BareJid,
    pub(super) target: BareJid,
    pub(super) package: Package,
    pub(super) machine: Subscriber,
    /// Call-ID and tag of the SUBSCRIBE that has no dialog yet.
    pub(super) asking: Option<Box<(String, String)>>,
    pub(super) dialogs: Vec<Kept>,
    /// When its timer fires; zero: there is none.
    pub(super) armed: Mono,
}

/// One of its dialogs.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) serial: Serial,
    pub(super) dialog: Dialog,
    pub(super) record: RecordId,
    /// The record has it that no CSeq of ours is above this; 0: there is no record.
    pub(super) reserved: u32,
    /// The end that the record has.
    pub(super) ends: Mono,
}

/// An input of the machine, with what is known besides.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) input: Input,
    /// What it says to people, if it is the reason of a loss.
    pub(super) failure: Option<Failure>,
    /// The dialog that it begins.
    pub(super) newborn: Option<Dialog>,
    /// What a NOTIFY carries: `Some(None)` where it carries nothing.
    pub(super) body: Option<Option<Body>>,
}

impl From<Input> for Step {
    fn from(input: Input) -> Self {
        Self { input, failure: None, newborn: None, body: None }
    }
}

impl Usage {
    pub(super) fn key(&self) -> Option<DialogKey> {
        let of_dialog = |kept: &Kept| DialogKey::new(kept.dialog.call_id(), kept.dialog.local_tag(), "");
        let asking = self.asking.as_ref().map(|asking| DialogKey::new(&asking.0, &asking.1, ""));
        asking.or_else(|| self.dialogs.first().map(of_dialog))
    }

    /// Whether Call-ID and our tag are its own.
    pub(super) fn is_called(&self, call_id: &str, tag: &str) -> bool {
        let is = |own: &str, own_tag: &str| own == call_id && own_tag.eq_ignore_ascii_case(tag);
        let asking = self.asking.as_ref().is_some_and(|asking| is(&asking.0, &asking.1));
        asking || self.dialogs.first().is_some_and(|kept| is(kept.dialog.call_id(), kept.dialog.local_tag()))
    }
}

impl Usages {
    pub(super) fn get_mut(&mut self, id: UsageId) -> Option<&mut Usage> {
        self.list.get_mut(&id).map(Box::as_mut)
    }

    pub(super) fn insert(&mut self, usage: Usage) -> UsageId {
        self.count += 1;
        self.numbers.entered(usage.package, usage.machine.state());
        self.list.insert(self.count, Box::new(usage));
        self.count
    }
}

/// How a usage of this package is kept. RFC 3856 section 6.9, RFC 3680 and RFC 3857 section 4.9 allow one dialog, which the
/// first NOTIFY makes; RFC 4235 section 3.9 and RFC 3842 section 3.10 want or allow several.
pub(super) fn rules(package: Package, expires: u32, once: bool, spread: u8) -> Rules {
    Rules {
        expires,
        once,
        forks: match package {
            Package::Presence | Package::Reg | Package::PresenceWinfo => 1,
            Package::Dialog | Package::MessageSummary => limits::FORKS,
        },
        starts_per_hour: limits::NEW_DIALOGS,
        least_refresh: limits::ASK_AGAIN,
        spread,
    }
}

impl Gateway {
    pub(super) fn new_usage(&mut self, want: Want) -> UsageId {
        let Want { owner, route, user, watcher, target, package, once } = want;
        let rules = self.usage_rules(route, package, once);
        let usage = Usage {
            owner: Some(owner),
            route,
            user,
            watcher,
            target,
            package,
            machine: Subscriber::new(rules),
            asking: None,
            dialogs: Vec::new(),
            armed: Mono::default(),
        };
        self.presence.usages.insert(usage)
    }

    pub(super) fn usage_rules(&mut self, route: RouteId, package: Package, once: bool) -> Rules {
        let expires = self.settings.routes.get(route).map_or(3_600, |(_, route)| route.presence.expires);
        let [spread, ..] = self.ids.number().to_le_bytes();
        rules(package, expires, once, spread)
    }

    /// Lets the machine take an input, and does what it wants done.
    pub(super) fn step_usage(&mut self, id: UsageId, step: Step, now: Now) {
        let Step { input, failure, newborn, body } = step;
        let usages = &mut self.presence.usages;
        let mut effects = std::mem::take(&mut usages.effects);
        let Some(usage) = usages.list.get_mut(&id) else { return };
        let (before, package, closing) = (usage.machine.state(), usage.package, usage.machine.is_closing());
        let dialog =
            if let Input::Notify(serial, _) = input { usage.machine.ends(serial).map(|_| serial) } else { None };
        let place = dialog.map(|serial| usage.machine.place(serial));
        usage.machine.handle(input, now, &mut effects);
        let after = usage.machine.state();
        usages.numbers.moved(package, before, after);
        if let (Some(dialog), Input::Notify(serial, _)) = (newborn, input) {
            self.keep_dialog(id, serial, dialog, now);
        }
        let mut rest = effects.drain(..).peekable();
        // That somebody has said yes comes before what is seen then; that it is over comes after.
        while let Some(Effect::Tell(report @ (Report::Active(_) | Report::Pending))) = rest.peek().copied() {
            self.tell_usage(id, told(report, &failure));
            rest.next();
        }
        if let (Some(body), Input::Notify(serial, _), false) = (body, input, closing) {
            self.tell_body(id, serial, place, body);
        }
        for effect in rest {
            match effect {
                Effect::Subscribe(number, expires) => self.send_subscribe(id, number, expires, now),
                Effect::Resubscribe(dialog, expires) => self.send_resubscribe(id, dialog, expires, now),
                Effect::End(dialog) => self.end_dialog(id, dialog),
                Effect::Tell(report) => self.tell_usage(id, told(report, &failure)),
            }
        }
        self.presence.usages.effects = effects;
        self.settle_usage(id, now);
    }

    /// What follows from how it stands now.
    fn settle_usage(&mut self, id: UsageId, now: Now) {
        let Some(usage) = self.presence.usages.list.get_mut(&id) else { return };
        if usage.machine.is_over() {
            return self.drop_usage(id);
        }
        if usage.machine.state() == State::Waiting && usage.asking.is_some() {
            self.forget_call(id);
        }
        self.write_dialogs(id, now);
        self.arm_usage(id, now);
    }

    /// One timer is enough for each: it may fire too early, and is then set again.
    pub(super) fn arm_usage(&mut self, id: UsageId, now: Now) {
        let Some(usage) = self.presence.usages.list.get_mut(&id) else { return };
        let lapse = usage.dialogs.iter().filter_map(|kept| usage.machine.ends(kept.serial)).max();
        let due = if usage.owner.is_some() { usage.machine.due() } else { lapse.or(usage.machine.due()) };
        let Some(due) = due else { return };
        // A notifier that shortens its time by a second with each NOTIFY does not get a timer for each.
        let near = usage.armed.get().saturating_sub(now.mono) / 16;
        if usage.armed.is_zero() || due + near < usage.armed.get() {
            usage.armed = due.into();
            self.timers.set_at(due, Timer::Usage(id));
        }
    }

    pub(in super::super::super) fn on_usage_due(&mut self, id: UsageId, now: Now) {
        let draining = self.draining;
        let Some(usage) = self.presence.usages.list.get_mut(&id) else { return };
        if usage.armed.get() > now.mono {
            return;
        }
        usage.armed = Mono::default();
        if draining {
            // The next process refreshes it.
            return;
        }
        let lapse = usage.dialogs.iter().filter_map(|kept| usage.machine.ends(kept.serial)).max();
        if usage.owner.is_none() && lapse.is_none_or(|at| at <= now.mono) {
            return self.drop_usage(id);
        }
        if usage.owner.is_some() && usage.machine.due().is_some_and(|at| at <= now.mono) {
            let text = "the SIP side took the subscription and told nothing";
            let failure = Some(Failure::because(Reason::ServerTimeout, text));
            self.step_usage(id, Step { failure, ..Input::Time.into() }, now);
        } else {
            self.arm_usage(id, now);
        }
        self.tell_owners(now);
    }

    fn tell_body(&mut self, id: UsageId, serial: Serial, place: Option<Fork>, body: Option<Body>) {
        let Some(usage) = self.presence.usages.get_mut(id) else { return };
        let fork = place.unwrap_or_else(|| usage.machine.place(serial));
        self.tell_usage(id, body.map_or(Told::Nothing, |body| Told::State(fork, body)));
    }

    pub(super) fn tell_usage(&mut self, id: UsageId, told: Told) {
        let usages = &mut self.presence.usages;
        if let Some(owner) = usages.list.get(&id).and_then(|usage| usage.owner) {
            usages.told.push_back((owner, id, told));
        }
    }

    /// Tells owners what they have not heard yet.
    pub(in super::super::super) fn tell_owners(&mut self, now: Now) {
        while let Some((owner, id, told)) = self.presence.usages.told.pop_front() {
            self.on_told(owner, id, told, now);
        }
    }

    fn end_dialog(&mut self, id: UsageId, serial: Serial) {
        let Some(usage) = self.presence.usages.list.get_mut(&id) else { return };
        let Some(at) = usage.dialogs.iter().position(|kept| kept.serial == serial) else { return };
        if usage.dialogs.len() == 1 && usage.asking.is_none() {
            self.forget_call(id);
        }
        if let Some(usage) = self.presence.usages.list.get_mut(&id) {
            let kept = usage.dialogs.remove(at);
            self.drop_record(&kept);
        }
    }

    /// NOTIFYs that name its call are nobody's from now on.
    pub(super) fn forget_call(&mut self, id: UsageId) {
        let usages = &mut self.presence.usages;
        let Some(usage) = usages.list.get_mut(&id) else { return };
        if let Some(key) = usage.key() {
            usages.by_call.remove(&key);
        }
        usage.asking = None;
    }

    pub(super) fn drop_usage(&mut self, id: UsageId) {
        self.forget_call(id);
        let usages = &mut self.presence.usages;
        usages.forget_orphan(id);
        usages.doubts.forget(id);
        let Some(usage) = usages.list.remove(&id) else { return };
        usages.numbers.left(usage.package, usage.machine.state());
        for kept in &usage.dialogs {
            self.drop_record(kept);
        }
    }
}

fn told(report: Report, failure: &Option<Failure>) -> Told {
    let why = |reason| failure.clone().unwrap_or_else(|| Failure::new(reason));
    match report {
        Report::Pending => Told::Pending,
        Report::Active(fork) => Told::Active(fork),
        Report::ForkOver(fork) => Told::ForkOver(fork),
        Report::Forbidden => Told::Forbidden(why(Reason::Forbidden)),
        Report::NoResource => Told::NoResource(why(Reason::AddressUnknown)),
        Report::Invariant => Told::Invariant,
        Report::Lost => Told::Lost(why(Reason::RecipientUnavailable)),
        Report::Over => Told::Over,
    }
}
