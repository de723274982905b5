//! What must be true: at once, when all is quiet, and at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use stox::gateway::record::{Authorization, Direction, Kind, Record};
use stox::sip::message::{Message, Method, wire};
use stox::xmpp::stanza::PresenceKind;

use super::agent::Policy;
use super::server::{of_callee, of_user};
use super::{DAY, HOUR, Years, both};

/// What is remembered for the checks.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Pairs whose watcher was refused by the SIP side since the user asked last.
    pub(super) refusals: BTreeSet<usize>,
    /// Pairs whose watcher was told that there is nobody, and until when that may have its effects.
    pub(super) missing: BTreeMap<usize, Duration>,
    /// Pairs whose watcher has given up by herself.
    pub(super) given_up: BTreeSet<usize>,
    /// Words that a broken link or a crash has swallowed and that nobody says again: the pair, whether they were on their way
    /// to the gateway, and whether they gave up (`unsubscribe`) or took back (`unsubscribed`).
    swallowed: BTreeSet<(usize, bool, bool)>,
    /// Requests of the gateway in dialogs: the last CSeq by Call-ID and tag.
    numbers: HashMap<(String, String), (u32, Duration)>,
    /// The second that is being counted, and its SUBSCRIBEs.
    second: (u64, u64),
    /// When each user was asked last.
    asked: HashMap<usize, (Duration, u64)>,
}

impl Checks {
    /// The gateway has heard that the user gives up.
    pub(super) fn gave_up(&mut self, pair: usize) {
        self.swallowed.remove(&(pair, true, true));
    }

    pub(super) fn word_lost(&mut self, pair: usize, reach_gateway: bool, kind: PresenceKind) {
        match kind {
            PresenceKind::Unsubscribe => self.swallowed.insert((pair, reach_gateway, true)),
            PresenceKind::Unsubscribed => self.swallowed.insert((pair, reach_gateway, false)),
            PresenceKind::Available
            | PresenceKind::Unavailable
            | PresenceKind::Subscribe
            | PresenceKind::Subscribed
            | PresenceKind::Probe
            | PresenceKind::Error => return,
        };
    }
}

/// Of all subscriptions, how many may be refreshed in one second, per mille; and how many at least.
const IN_A_SECOND: (u64, u64) = (30, 12);

impl Years {
    /// A datagram leaves the gateway: of its requests in one dialog each has a higher number than the one before, also those
    /// of its next life.
    pub(super) fn check_transmit(&mut self, bytes: &[u8], again: bool) {
        let is_request = bytes.starts_with(b"SUBSCRIBE") || bytes.starts_with(b"NOTIFY");
        if again || !is_request {
            return;
        }
        let Ok(Message::Request(request)) = wire::parse(bytes) else { self.fail("the gateway wrote something odd") };
        if request.method == Method::Subscribe {
            self.count_subscribe();
        }
        let headers = &request.headers;
        let number = headers.cseq().map_or(0, |cseq| cseq.number);
        let tag = headers.from().ok().and_then(|from| from.tag().map(|tag| tag.into_owned())).unwrap_or_default();
        let key = (headers.call_id().unwrap_or_default().to_owned(), tag);
        let before = self.checks.numbers.insert(key, (number, self.now));
        if let Some((before, _)) = before.filter(|(before, _)| *before >= number) {
            let call = headers.call_id().unwrap_or_default();
            self.fail(&format!("{} after {before} in dialog {call}: {number}", request.method.as_str()));
        }
    }

    fn count_subscribe(&mut self) {
        let second = self.now.as_secs();
        if self.checks.second.0 != second {
            self.checks.second = (second, 0);
        }
        self.checks.second.1 += 1;
        let count = self.checks.second.1;
        self.counts.busiest_second = self.counts.busiest_second.max(count);
        let pairs = self.phones.watches.len() as u64;
        if count > IN_A_SECOND.1.max(pairs * IN_A_SECOND.0 / 1_000) {
            self.fail(&format!("{count} SUBSCRIBEs in one second, of {pairs} pairs"));
        }
    }

    /// A user's server is asked whether somebody may watch her: no oftener than once an hour, if nothing came between.
    pub(super) fn check_ask(&mut self, pair: usize) {
        let breaks = self.counts.births + self.counts.breaks;
        let before = self.checks.asked.insert(pair, (self.now, breaks));
        let pending = self.server.item(pair).pending;
        if let Some((before, then)) = before
            && then == breaks
            && pending
            && self.now - before < HOUR
        {
            self.fail(&format!("pair {pair}: asked again after {:?}", self.now - before));
        }
    }

    /// An authorization ends: the SIP side has refused, or the user has given up herself.
    pub(super) fn check_unsubscribed(&mut self, pair: usize, had: bool) {
        self.checks.swallowed.remove(&(pair, false, false));
        let refused = self.checks.refusals.contains(&pair) || self.checks.given_up.contains(&pair);
        let missing = self.checks.missing.get(&pair).is_some_and(|until| *until > self.now);
        if had && !refused && !missing {
            self.fail(&format!("pair {pair}: unsubscribed without a refusal"));
        }
    }

    fn authorization(&self, pair: usize, direction: Direction) -> Option<Authorization> {
        let (user, callee) = both(self.people(), pair);
        let (user, callee) = (of_user(user), of_callee(callee));
        let of = |record: &Record| match record {
            Record::Authorization(record) if record.direction == direction => {
                let (watcher, target) = if direction == Direction::ToSip { (&user, &callee) } else { (&callee, &user) };
                (record.watcher == watcher.as_str() && record.target == target.as_str()).then_some(record.state)
            }
            Record::Authorization(_) | Record::Dialog(_) | Record::Publication(_) => None,
        };
        let found: Vec<_> = self.host.store.values().filter_map(of).collect();
        if found.len() > 1 {
            self.fail(&format!("pair {pair}: {} authorizations {direction:?}", found.len()));
        }
        found.first().copied()
    }

    pub(super) fn check_quiet(&mut self) {
        self.counts.quiets += 1;
        for pair in 0..self.phones.watches.len() {
            self.check_watcher(pair);
            self.check_watched(pair);
        }
        self.check_tables();
        let old = self.now.saturating_sub(DAY * 3);
        self.checks.numbers.retain(|_, (_, at)| *at > old);
    }

    /// The user watches the phone's user.
    fn check_watcher(&mut self, pair: usize) {
        let (_, callee) = both(self.people(), pair);
        let stored = self.authorization(pair, Direction::ToSip);
        let policy = self.agent.policies[pair];
        let item = self.server.item(pair).clone();
        let is = |what: &str| format!("pair {pair}: {what}: {item:?}, stored {stored:?}, {policy:?}");
        let gave_up = self.checks.swallowed.contains(&(pair, true, true));
        match (item.to, item.ask, stored) {
            (true, _, Some(Authorization::Granted)) if policy == Policy::Allowed => {}
            (false, true, Some(Authorization::Asked)) if policy == Policy::Undecided => {}
            (false, false, None) => return,
            // `unsubscribe` was lost, and nothing in XMPP says so later.
            (false, false, Some(_)) if gave_up => return self.counts.excused += 1,
            _ => self.fail(&is("the roster and the SIP side differ")),
        }
        let shown: Vec<&String> = item.shown.values().collect();
        let said = self.agent.says(callee);
        let expected: Vec<&String> = said.iter().filter(|_| item.to).collect();
        if shown != expected {
            self.fail(&is(&format!("shown {shown:?}, said {expected:?}")));
        }
    }

    /// The phone's user watches the user.
    fn check_watched(&mut self, pair: usize) {
        let (user, _) = both(self.people(), pair);
        let stored = self.authorization(pair, Direction::ToXmpp);
        let says = self.says(user);
        let item = self.server.item(pair).clone();
        let watch = &self.phones.watches[pair];
        let is = |what: &str| format!("pair {pair}: {what}: {item:?}, stored {stored:?}, {watch:?}, says {says:?}");
        if watch.is_refused || !watch.wants {
            return;
        }
        let Some(dialog) = &watch.dialog else { self.fail(&is("a phone without its dialog")) };
        if item.from != (stored == Some(Authorization::Granted)) || item.from != dialog.is_active {
            self.fail(&is("the user's word and the phone's differ"));
        }
        if item.from && dialog.shown != says {
            self.fail(&is("the phone shows something else"));
        }
        if !item.from && !dialog.shown.is_empty() {
            self.fail(&is("the phone shows what it may not"));
        }
    }

    /// The tables of the gateway have what its store has.
    fn check_tables(&mut self) {
        let of = |direction| {
            let its = |record: &&Record| matches!(record, Record::Dialog(record) if record.direction == direction);
            self.host.store.values().filter(its).count() as u64
        };
        let (ours, theirs) = (of(Direction::ToSip), of(Direction::ToXmpp));
        let live = self.host.sample("stox_subscriptions_to_sip", "active")
            + self.host.sample("stox_subscriptions_to_sip", "pending");
        let told = self.host.sample("stox_watch_dialogs", "");
        if (ours, theirs) != (live, told) {
            self.fail(&format!("{ours} and {theirs} dialogs kept, {live} and {told} live"));
        }
        for direction in [Direction::ToSip, Direction::ToXmpp] {
            let pairs = self.host.store.values().filter_map(|record| match record {
                Record::Dialog(record) if record.direction == direction => {
                    Some((&record.watcher, &record.target, record.package))
                }
                Record::Dialog(_) | Record::Authorization(_) | Record::Publication(_) => None,
            });
            let mut seen = BTreeSet::new();
            for pair in pairs {
                if !seen.insert(pair) && direction == Direction::ToSip {
                    self.fail(&format!("two dialogs of one pair: {pair:?}"));
                }
            }
        }
    }

    /// Nobody watches anybody any more.
    pub(super) fn check_empty(&mut self) {
        let swallowed = |pair: &usize| self.checks.swallowed.contains(&(*pair, true, true));
        let excused = (0..self.phones.watches.len()).filter(swallowed).count();
        // A known fault: some refusals are remembered for longer than they should be.
        let lingers =
            |record: &Record| matches!(record, Record::Authorization(record) if record.state == Authorization::Refused);
        self.counts.lingering = self.host.store.values().filter(|record| lingers(record)).count();
        let left = self.host.store.iter().filter(|((kind, _), _)| *kind != Kind::Publication);
        let left: Vec<_> = left.filter(|(_, record)| !lingers(record)).collect();
        if left.len() > excused * 2 {
            self.fail(&format!("{} records are left of nothing, {excused} excused: {left:?}", left.len()));
        }
        if excused > 0 || self.counts.lingering > 0 {
            return;
        }
        for level in ["stox_subscriptions_to_sip", "stox_watch_dialogs", "stox_watched", "stox_errors_held"] {
            let value = self.host.sample(level, "");
            if value > 0 {
                self.fail(&format!("{level} is {value} after everything was taken back"));
            }
        }
        if let Some(at) = self.host.next_timeout() {
            self.fail(&format!("a deadline is left, in {:?}", at.saturating_sub(self.now)));
        }
        if !self.host.is_idle() || self.sip.open() > 0 {
            self.fail("something is open");
        }
    }

    pub(super) fn summary(&self, pairs: usize, days: u32) {
        let years = format!("seed {}: {pairs} pairs, {days} days", self.seed);
        println!("{years}, trace {:016x}: {:#?}", self.trace, self.counts);
    }
}
