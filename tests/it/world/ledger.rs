//! What must be true of every message, whatever happens to it on its way.
//!
//! | to SIP | |
//! |---|---|
//! | requests made of it | at most one |
//! | its pair | nothing else of it is pending, and nothing older comes after it |
//! | the gateway heard 2xx | its sender hears nothing |
//! | the gateway heard another final response, or none | its sender hears of it: once, unless the link broke |
//!
//! | to XMPP | |
//! |---|---|
//! | stanzas made of it | at most one, none older in its pair after it |
//! | the gateway said 200 | it has been delivered by then |
//! | the gateway said 202 | its link was not well |
//! | the gateway said that somebody refused it | it is not delivered |
//! | the gateway got the request | it gives a final response, and always the same |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stox::sip::message::{Message as SipMessage, Method, wire};
use stox::xmpp::stanza::Stanza;

use crate::sim::phone::Got;
use crate::sim::{Seen, World};

/// The life of a transaction (RFC 3261 section 17.1.2.2: Timer F).
const TIMER_F: Duration = Duration::from_secs(32);

/// What a server that was slow has still to do when it is slow no more.
const RECOVERY: Duration = Duration::from_secs(4);

/// One message and what became of it.
#[derive(Debug)]
pub(super) struct Letter {
    n: u32,
    to_sip: bool,
    gateway: usize,
    from: String,
    to: String,
    large: bool,
    /// For whoever reads the failure.
    #[expect(dead_code, reason = "only shown")]
    began: Duration,
    /// Lost on its way to the gateway: nobody owes anything.
    lost: bool,
    errors: u32,
    /// Its link broke while the error about it may have been on its way, so that it may come again.
    may_repeat: u32,
    deliveries: u32,
    /// To SIP: the branches of its requests, when the first left, and what was answered first.
    branches: BTreeSet<String>,
    left: Option<Duration>,
    answered: Option<u16>,
    /// To XMPP: when the gateway got it, what it said, and what the sender heard.
    arrived: Option<Duration>,
    said: Option<u16>,
    heard: Option<u16>,
    timed_out: bool,
}

impl Letter {
    pub(super) fn new(
        n: u32,
        to_sip: bool,
        gateway: usize,
        from: &str,
        to: &str,
        large: bool,
        began: Duration,
    ) -> Self {
        Self {
            n,
            to_sip,
            gateway,
            from: from.to_owned(),
            to: to.to_owned(),
            large,
            began,
            lost: false,
            errors: 0,
            may_repeat: 0,
            deliveries: 0,
            branches: BTreeSet::new(),
            left: None,
            answered: None,
            arrived: None,
            said: None,
            heard: None,
            timed_out: false,
        }
    }

    fn pair(&self) -> (String, String) {
        (self.from.clone(), self.to.clone())
    }
}

/// All messages.
pub(super) struct Ledger {
    letters: BTreeMap<u32, Letter>,
    /// The letter of each Call-ID that a gateway made.
    calls: BTreeMap<String, u32>,
    /// The last letter of each pair that was sent to SIP, or delivered to XMPP.
    latest: BTreeMap<(String, String), u32>,
    /// The last letter of each pair that reached somebody on the SIP side.
    reached: BTreeMap<(String, String), u32>,
    /// Pairs whose SIP sender waits for a final response (RFC 3428 section 8).
    asking: BTreeSet<(String, String)>,
    /// How much ails the XMPP link of each gateway (a slow, mute or stuck server, bad weather), and since when it has been
    /// less.
    ill: BTreeMap<usize, (u32, Duration)>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            letters: BTreeMap::new(),
            calls: BTreeMap::new(),
            latest: BTreeMap::new(),
            reached: BTreeMap::new(),
            asking: BTreeSet::new(),
            ill: BTreeMap::new(),
        }
    }

    pub(super) fn falls_ill(&mut self, gateway: usize) {
        self.ill.entry(gateway).or_default().0 += 1;
    }

    pub(super) fn gets_better(&mut self, gateway: usize, now: Duration) {
        let entry = self.ill.entry(gateway).or_default();
        *entry = (entry.0 - 1, now);
    }

    pub(super) fn begin(&mut self, letter: Letter) {
        if !letter.to_sip {
            self.asking.insert(letter.pair());
        }
        self.letters.insert(letter.n, letter);
    }

    /// Whether `from` has no request to `to` pending.
    pub(super) fn may_ask(&self, from: &str, to: &str) -> bool {
        !self.asking.contains(&(from.to_owned(), to.to_owned()))
    }

    /// Looks at everything that was seen since the last time.
    pub(super) fn look(&mut self, world: &mut World, seed: u64) {
        let now = world.now;
        let result = self.look_at(world, now);
        if let Err(wrong) = result {
            panic!("seed {seed}, at {now:?}: {wrong}");
        }
    }

    fn look_at(&mut self, world: &mut World, now: Duration) -> Result<(), String> {
        // What reached people comes first: a 200 must not be said before.
        for server in &mut world.servers {
            for (user, inbox) in server.inboxes() {
                for got in inbox.drain(..) {
                    self.on_stanza(user, &got)?;
                }
            }
        }
        for seen in std::mem::take(&mut world.seen) {
            match seen {
                Seen::FromGateway { gateway, bytes } => self.on_sent_by_gateway(gateway, &bytes, now)?,
                Seen::AtGateway { bytes } => self.at_gateway(&bytes, now),
                Seen::LinkBroke { gateway } => self.on_broken(gateway),
                Seen::Lost { to_gateway: true, stanza } => self.on_lost(&stanza),
                // What was lost on its way to the server is the gateway's to know of.
                Seen::Lost { to_gateway: false, .. } => {}
            }
        }
        for sip in &mut world.sips {
            for (uri, person) in sip.people() {
                for got in person.inbox.drain(..) {
                    self.on_sip(uri, got)?;
                }
            }
        }
        Ok(())
    }

    fn on_stanza(&mut self, user: &str, stanza: &Stanza) -> Result<(), String> {
        let Stanza::Message(message) = stanza else { return Err(format!("{user} got {stanza:?}")) };
        if message.error().is_some() {
            let n = message.id.as_deref().and_then(number).ok_or(format!("an error about nothing: {message:?}"))?;
            let letter = self.letter(n)?;
            letter.errors += 1;
            if letter.errors > 1 + letter.may_repeat {
                return Err(format!("two errors about one message: {letter:?}"));
            }
            return Ok(());
        }
        let text = message.body().ok_or("a message without words")?;
        let n = number(&text).ok_or(format!("words that nobody said: {text}"))?;
        let letter = self.letter(n)?;
        letter.deliveries += 1;
        if letter.deliveries > 1 {
            return Err(format!("delivered twice: {letter:?}"));
        }
        if letter.to != user {
            return Err(format!("{user} got what was not for them: {letter:?}"));
        }
        let pair = letter.pair();
        in_order(&mut self.latest, pair, n)
    }

    fn on_sent_by_gateway(&mut self, gateway: usize, bytes: &[u8], now: Duration) -> Result<(), String> {
        match wire::parse(bytes).map_err(|error| format!("a gateway sent what cannot be read: {error}"))? {
            SipMessage::Request(request) if request.method == Method::Message => {
                let n = number(&String::from_utf8_lossy(request.body())).ok_or("a request of nobody's words")?;
                let via = request.headers.via().map_err(|error| error.to_string())?;
                let branch = via.branch().unwrap_or_default().to_owned();
                self.calls.insert(request.headers.call_id().unwrap_or_default().to_owned(), n);
                self.on_request_of_gateway(gateway, n, branch, now)
            }
            SipMessage::Request(request) => Err(format!("a gateway sent {request:?}")),
            SipMessage::Response(response) if response.status.is_final() => {
                let n = response.headers.call_id().and_then(number).ok_or("an answer to nothing")?;
                let status = response.status.code();
                let letter = self.letter(n)?;
                match letter.said {
                    None => letter.said = Some(status),
                    Some(before) if before == status => {}
                    Some(before) => return Err(format!("{before} became {status}: {letter:?}")),
                }
                let (gateway, arrived) = (letter.gateway, letter.arrived.unwrap_or_default());
                let was_well = |ill: &(u32, Duration)| ill.0 == 0 && ill.1 + RECOVERY < arrived;
                match status {
                    202 if self.ill.get(&gateway).is_none_or(was_well) => {
                        Err(format!("202 although all was well: m{n}"))
                    }
                    200 if self.letter(n)?.deliveries != 1 => Err(format!("200 before m{n} was delivered")),
                    _ => Ok(()),
                }
            }
            SipMessage::Response(_) => Ok(()),
        }
    }

    fn on_request_of_gateway(&mut self, gateway: usize, n: u32, branch: String, now: Duration) -> Result<(), String> {
        let letter = self.letter(n)?;
        if letter.gateway != gateway {
            return Err(format!("gateway {gateway} sent what was another's: {letter:?}"));
        }
        letter.branches.insert(branch);
        if letter.branches.len() > 1 {
            return Err(format!("two requests of one message: {letter:?}"));
        }
        if letter.left.is_some() {
            return Ok(());
        }
        letter.left = Some(now);
        let pair = letter.pair();
        if let Some(before) = self.latest.get(&pair).and_then(|before| self.letters.get(before)) {
            let is_over = before.answered.is_some() || before.left.is_none_or(|left| now >= left + TIMER_F);
            // Over TCP it may have been refused, which nobody sees from here.
            if !is_over && !before.large {
                return Err(format!("m{n} was sent while {before:?} was pending"));
            }
        }
        in_order(&mut self.latest, pair, n)
    }

    fn at_gateway(&mut self, bytes: &[u8], now: Duration) {
        let Ok(message) = wire::parse(bytes) else { return };
        let call_id = message.headers().call_id().unwrap_or_default();
        match &message {
            SipMessage::Request(_) => {
                let letter = number(call_id).and_then(|n| self.letters.get_mut(&n));
                if let Some(letter) = letter {
                    letter.arrived.get_or_insert(now);
                }
            }
            SipMessage::Response(response) if response.status.is_final() => {
                let n = self.calls.get(call_id).copied();
                let Some(letter) = n.and_then(|n| self.letters.get_mut(&n)) else { return };
                if letter.left.is_some_and(|left| now < left + TIMER_F) {
                    letter.answered.get_or_insert(response.status.code());
                }
            }
            SipMessage::Response(_) => {}
        }
    }

    fn on_lost(&mut self, stanza: &Stanza) {
        let Stanza::Message(message) = stanza else { return };
        let n = message.id.as_deref().filter(|_| message.error().is_none()).and_then(number);
        if let Some(letter) = n.and_then(|n| self.letters.get_mut(&n)) {
            letter.lost = true;
        }
    }

    fn on_broken(&mut self, gateway: usize) {
        let its = self.letters.values_mut().filter(|letter| letter.to_sip && letter.gateway == gateway);
        its.for_each(|letter| letter.may_repeat += 1);
    }

    fn on_sip(&mut self, uri: &str, got: Got) -> Result<(), String> {
        match got {
            Got::Request { request, .. } => {
                let n = number(&String::from_utf8_lossy(request.body())).ok_or("a request of nobody's words")?;
                let letter = self.letter(n)?;
                if letter.to != uri {
                    return Err(format!("{uri} got what was not for them: {letter:?}"));
                }
                let pair = letter.pair();
                // A system that restarted takes a retransmission for news, so the same may come twice, but nothing older.
                match self.reached.insert(pair, n) {
                    Some(before) if before > n => Err(format!("m{n} came after m{before}")),
                    _ => Ok(()),
                }
            }
            Got::Response { response, .. } => {
                let n = response.headers.call_id().and_then(number).ok_or("an answer to nothing")?;
                let letter = self.letter(n)?;
                letter.heard = Some(response.status.code());
                let pair = letter.pair();
                self.asking.remove(&pair);
                Ok(())
            }
            Got::TimedOut { branch } => {
                let n = branch.strip_prefix("z9hG4bK-").and_then(number).ok_or("an answer to nothing")?;
                let letter = self.letter(n)?;
                letter.timed_out = true;
                let pair = letter.pair();
                self.asking.remove(&pair);
                Ok(())
            }
        }
    }

    fn letter(&mut self, n: u32) -> Result<&mut Letter, String> {
        self.letters.get_mut(&n).ok_or(format!("nobody wrote m{n}"))
    }

    /// Everything is over: each message must have had its outcome.
    pub(super) fn close(&self, seed: u64) {
        let open: Vec<String> = self.letters.values().filter_map(wrong).collect();
        assert!(
            open.is_empty(),
            "seed {seed}: {} of {}:\n{}",
            open.len(),
            self.letters.len(),
            open[..open.len().min(10)].join("\n")
        );
        let counted = |test: fn(&Letter) -> bool| self.letters.values().filter(|letter| test(letter)).count();
        println!(
            "{} messages; to SIP {} delivered, {} told an error, {} lost with their link, {} told it again after a break; to XMPP {} were 200, {} 202, {} refused, {} not answered",
            self.letters.len(),
            counted(|letter| letter.to_sip && letter.answered.is_some_and(|status| status < 300)),
            counted(|letter| letter.to_sip && letter.errors > 0),
            counted(|letter| letter.to_sip && letter.lost),
            counted(|letter| letter.to_sip && letter.errors > 1),
            counted(|letter| letter.said == Some(200)),
            counted(|letter| letter.said == Some(202)),
            counted(|letter| letter.said.is_some_and(|status| status >= 300)),
            counted(|letter| letter.timed_out),
        );
    }
}

fn wrong(letter: &Letter) -> Option<String> {
    let what = if letter.to_sip { wrong_to_sip(letter) } else { wrong_to_xmpp(letter) };
    what.map(|what| format!("{what}: {letter:?}"))
}

fn wrong_to_sip(letter: &Letter) -> Option<&'static str> {
    match (letter.lost, letter.answered) {
        (true, _) if letter.left.is_some() || letter.errors > 0 => Some("lost, and yet something came of it"),
        (true, _) => None,
        (false, Some(200..300)) if letter.errors > 0 => Some("taken, and yet an error"),
        (false, Some(200..300)) => None,
        (false, _) if letter.errors == 0 => Some("not taken, and no error"),
        (false, _) => None,
    }
}

fn wrong_to_xmpp(letter: &Letter) -> Option<&'static str> {
    match (letter.arrived, letter.said) {
        (Some(_), None) => Some("the gateway got it and never answered"),
        (None, Some(_)) => Some("answered before it came"),
        (None, None) if letter.deliveries > 0 => Some("delivered before it came"),
        (_, Some(300..=502 | 505..)) if letter.deliveries > 0 => Some("refused, and yet delivered"),
        (_, said) if letter.heard.is_some() && letter.heard != said => Some("the sender heard what was not said"),
        (_, _) if letter.heard.is_none() && !letter.timed_out => Some("its sender still waits"),
        _ => None,
    }
}

/// The number of a letter in its words, id or Call-ID.
fn number(text: &str) -> Option<u32> {
    text.split(' ').next()?.strip_prefix('m')?.parse().ok()
}

fn in_order(latest: &mut BTreeMap<(String, String), u32>, pair: (String, String), n: u32) -> Result<(), String> {
    match latest.insert(pair, n) {
        Some(before) if before >= n => Err(format!("m{n} came after m{before}")),
        _ => Ok(()),
    }
}
