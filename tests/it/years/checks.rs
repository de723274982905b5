//! What must be true: at once, when all is quiet, and at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use stox::gateway::record::{Authorization, Direction, Record};
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
    /// Pairs whose phone's user has taken a yes back, since the roster has heard a no or he has said yes again.
    pub(super) taken_back: BTreeSet<usize>,
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

    /// What users have said and the gateway may not have heard.
    pub(super) fn said_in_vain(&self) -> Vec<(usize, PresenceKind)> {
        let said = self.swallowed.iter().filter(|(_, reach_gateway, _)| *reach_gateway);
        let kind = |gave_up| if gave_up { PresenceKind::Unsubscribe } else { PresenceKind::Unsubscribed };
        said.map(|(pair, _, gave_up)| (*pair, kind(*gave_up))).collect()
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

/// The word that the store has of watcher and target.
type Stored = HashMap<(Direction, String, String), Authorization>;

/// Of all subscriptions, how many may be asked for in one second, per mille; and how many at least. Where it was
/// looked at, there were so many because the gateway had been away for an hour: what is about to lapse does not wait for its
/// turn, and it seems that neither does what has lapsed once its watcher's server says that she is there.
const IN_A_SECOND: (u64, u64) = (40, 12);

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
        self.checks.taken_back.remove(&pair);
        let refused = self.checks.refusals.contains(&pair) || self.checks.given_up.contains(&pair);
        let missing = self.checks.missing.get(&pair).is_some_and(|until| *until > self.now);
        if had && !refused && !missing {
            self.fail(&format!("pair {pair}: unsubscribed without a refusal"));
        }
    }

    /// What the store has of each pair, by direction, watcher and target; no pair twice.
    fn authorizations(&self) -> Stored {
        let mut stored = Stored::new();
        for record in self.host.store.values() {
            let Record::Authorization(record) = record else { continue };
            let key = (record.direction, record.watcher.clone(), record.target.clone());
            if stored.insert(key, record.state).is_some() {
                self.fail(&format!("two authorizations of one pair: {record:?}"));
            }
        }
        stored
    }

    pub(super) fn check_quiet(&mut self) {
        self.counts.quiets += 1;
        let stored = self.authorizations();
        for pair in 0..self.phones.watches.len() {
            let (user, callee) = both(self.people(), pair);
            let (user, callee) = (of_user(user).as_str().to_owned(), of_callee(callee).as_str().to_owned());
            let watches = stored.get(&(Direction::ToSip, user.clone(), callee.clone())).copied();
            self.check_watcher(pair, watches);
            self.check_watched(pair, stored.get(&(Direction::ToXmpp, callee, user)).copied());
        }
        self.check_tables();
        let old = self.now.saturating_sub(DAY * 3);
        self.checks.numbers.retain(|_, (_, at)| *at > old);
    }

    /// The user watches the phone's user.
    fn check_watcher(&mut self, pair: usize, stored: Option<Authorization>) {
        let (_, callee) = both(self.people(), pair);
        let policy = self.agent.policies[pair];
        let item = self.server.item(pair).clone();
        let is = |what: &str| format!("pair {pair}: {what}: {item:?}, stored {stored:?}, {policy:?}");
        let gave_up = self.checks.swallowed.contains(&(pair, true, true));
        match (item.to, item.ask, stored) {
            (true, _, Some(Authorization::Granted)) if policy == Policy::Allowed => {}
            // His no was forgotten before anybody had asked: that is none, and no reason to touch a roster.
            (true, _, Some(Authorization::Granted))
                if policy == Policy::Undecided && self.checks.taken_back.contains(&pair) =>
            {
                self.counts.unheard += 1;
            }
            (false, true, Some(Authorization::Asked)) if policy == Policy::Undecided => {}
            (false, false, None) => return,
            // `unsubscribe` was lost, and nothing in XMPP says so later.
            (false, false, Some(_)) if gave_up => return self.counts.excused += 1,
            _ => self.fail(&is("the roster and the SIP side differ")),
        }
        let shown: Vec<&String> = item.shown.values().collect();
        let said = self.agent.says(callee).filter(|_| policy == Policy::Allowed);
        let expected: Vec<&String> = said.iter().filter(|_| item.to).collect();
        if shown != expected {
            self.fail(&is(&format!("shown {shown:?}, said {expected:?}")));
        }
    }

    /// The phone's user watches the user.
    fn check_watched(&mut self, pair: usize, stored: Option<Authorization>) {
        let (user, _) = both(self.people(), pair);
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
        let left = &self.host.store;
        if !left.is_empty() {
            self.fail(&format!("{} records are left of nothing: {left:?}", left.len()));
        }
        for level in
            ["stox_subscriptions_to_sip", "stox_watching", "stox_watch_dialogs", "stox_watched", "stox_errors_held"]
        {
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
