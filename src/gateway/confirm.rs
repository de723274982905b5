//! Which stanzas an XMPP server has taken: group commit by XEP-0199 ping.
//!
//! A component link carries no acknowledgements (XEP-0114 has none, XEP-0198 does not cover it). But XML streams are
//! processed in order (RFC 6120 section 10.1), so a ping sent to the recipient's server behind a message is answered
//! only after that message was processed; result or error, either will do. One ping confirms every stanza before it
//! to the same server on the same link, so under load the cost of a confirmation goes towards zero: while one ping is
//! out, what comes meanwhile shares the next.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::limits::LATE;
use crate::time::Now;

/// Pings that may be unanswered at once for one server on one link. With more, a message that has just missed one would
/// be confirmed earlier, by less than a round trip, at the cost of a ping for nearly each message.
const PINGS_OUT: usize = 1;

/// How often the time between two pings about the same stanzas doubles: from a second to a minute, so that a server that
/// never answers costs seven pings a message.
const DOUBLINGS: u32 = 6;

/// A message on its way to XMPP, as the caller knows it.
pub(super) type RelayId = u64;

/// The server whose answer confirms: link number and domain.
pub(super) type Server = (usize, String);

/// A ping to send now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ping {
    pub(super) link: usize,
    pub(super) domain: String,
    pub(super) id: String,
}

/// What follows from a ping that was given up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// The server to be asked again, and after how many times the patience that a ping has.
    pub(super) again: Option<(Server, u32)>,
    /// What nobody is asked about any more, because the server has said nothing for [`LATE`].
    pub(super) given_up: Vec<RelayId>,
}

/// The stanzas sent and not yet confirmed, by server, in the order of sending.
#[derive(Debug, Default)]
pub(super) struct Confirmations {
    servers: HashMap<Server, Unconfirmed>,
    /// Servers that may be due a ping; no others are looked at.
    changed: Vec<Server>,
    pings: HashMap<String, (Server, u64)>,
}

#[derive(Debug, Default)]
struct Unconfirmed {
    sent: VecDeque<(u64, RelayId)>,
    last: u64,
    pinged: u64,
    pings_out: usize,
    /// Pings that were given up since anything was heard.
    unanswered: u32,
    /// When the first of them was.
    silent_since: Option<Duration>,
    /// Whether it will be asked again.
    again: bool,
    /// Whether it is in `changed`.
    changed: bool,
}

impl Confirmations {
    /// A stanza for `domain` was put on `link`.
    pub(super) fn sent(&mut self, link: usize, domain: &str, relay: RelayId) {
        let server = (link, domain.to_owned());
        let unconfirmed = self.servers.entry(server.clone()).or_default();
        unconfirmed.last += 1;
        unconfirmed.sent.push_back((unconfirmed.last, relay));
        if !std::mem::replace(&mut unconfirmed.changed, true) {
            self.changed.push(server);
        }
    }

    /// The pings that are due: at the end of a step, so that everything the step sent shares one.
    pub(super) fn due(&mut self, mut new_id: impl FnMut() -> String) -> Vec<Ping> {
        let mut due = Vec::new();
        for server in self.changed.drain(..) {
            let Some(unconfirmed) = self.servers.get_mut(&server) else { continue };
            unconfirmed.changed = false;
            if unconfirmed.sent.is_empty()
                || unconfirmed.pinged == unconfirmed.last
                || unconfirmed.pings_out >= PINGS_OUT
            {
                continue;
            }
            unconfirmed.pinged = unconfirmed.last;
            unconfirmed.pings_out += 1;
            let id = new_id();
            self.pings.insert(id.clone(), (server.clone(), unconfirmed.last));
            due.push(Ping { link: server.0, domain: server.1, id });
        }
        due
    }

    /// `domain` answered a ping on `link`: everything sent to it before is confirmed, oldest first. `None`: no ping of
    /// ours, or somebody else's answer.
    pub(super) fn answered(&mut self, link: usize, domain: &str, ping: &str) -> Option<Vec<RelayId>> {
        self.pings.get(ping).filter(|(server, _)| server.0 == link && server.1 == domain)?;
        let (server, upto) = self.pings.remove(ping)?;
        let unconfirmed = self.servers.get_mut(&server)?;
        unconfirmed.unanswered = 0;
        unconfirmed.silent_since = None;
        let confirmed = unconfirmed.take(upto);
        self.next_may_go(server);
        Some(confirmed)
    }

    /// A ping will not be answered any more, as far as anybody waits; what comes after it may be asked about.
    pub(super) fn forget_ping(&mut self, ping: &str, now: Now) -> Forgotten {
        let Some((server, upto)) = self.pings.remove(ping) else { return Forgotten::default() };
        let Some(unconfirmed) = self.servers.get_mut(&server) else { return Forgotten::default() };
        let mut forgotten = Forgotten::default();
        let silent_since = *unconfirmed.silent_since.get_or_insert(now.mono);
        if now.mono.saturating_sub(silent_since) >= LATE {
            unconfirmed.unanswered = 0;
            unconfirmed.silent_since = None;
            forgotten.given_up = unconfirmed.take(upto);
        } else if !std::mem::replace(&mut unconfirmed.again, true) {
            unconfirmed.unanswered += 1;
            forgotten.again = Some((server.clone(), 1 << unconfirmed.unanswered.min(DOUBLINGS)));
        }
        self.next_may_go(server);
        forgotten
    }

    /// Asks once more about what nobody has confirmed.
    pub(super) fn ask_again(&mut self, server: &Server) {
        let Some(unconfirmed) = self.servers.get_mut(server) else { return };
        unconfirmed.again = false;
        unconfirmed.pinged = 0;
        if !std::mem::replace(&mut unconfirmed.changed, true) {
            self.changed.push(server.clone());
        }
    }

    fn next_may_go(&mut self, server: Server) {
        let Some(unconfirmed) = self.servers.get_mut(&server) else { return };
        unconfirmed.pings_out = unconfirmed.pings_out.saturating_sub(1);
        if unconfirmed.sent.is_empty() && unconfirmed.pings_out == 0 {
            self.servers.remove(&server);
        } else if !std::mem::replace(&mut unconfirmed.changed, true) {
            self.changed.push(server);
        }
    }

    /// The way to one server broke: nothing sent on it will be confirmed. Oldest first.
    pub(super) fn server_down(&mut self, link: usize, domain: &str) -> Vec<RelayId> {
        self.pings.retain(|_, (server, _)| server.0 != link || server.1 != domain);
        let lost = self.servers.remove(&(link, domain.to_owned()));
        lost.into_iter().flat_map(|lost| lost.sent).map(|(_, relay)| relay).collect()
    }

    /// The link broke: nothing sent on it will be confirmed. Oldest first.
    pub(super) fn link_down(&mut self, link: usize) -> Vec<RelayId> {
        self.pings.retain(|_, (server, _)| server.0 != link);
        let mut lost: Vec<RelayId> = Vec::new();
        self.servers.retain(|server, unconfirmed| {
            if server.0 == link {
                lost.extend(unconfirmed.sent.iter().map(|(_, relay)| *relay));
            }
            server.0 != link
        });
        lost.sort_unstable();
        lost
    }
}

impl Unconfirmed {
    /// Takes out what was sent up to this place, oldest first.
    fn take(&mut self, upto: u64) -> Vec<RelayId> {
        let mut taken = Vec::new();
        while self.sent.front().is_some_and(|(order, _)| *order <= upto) {
            taken.extend(self.sent.pop_front().map(|(_, relay)| relay));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> impl FnMut() -> String {
        let mut n = 0;
        move || {
            n += 1;
            format!("p{n}")
        }
    }

    fn at(second: u64) -> Now {
        Now::at(Duration::from_secs(second))
    }

    fn due(confirmations: &mut Confirmations, ids: &mut impl FnMut() -> String) -> Vec<String> {
        confirmations.due(ids).into_iter().map(|ping| ping.id).collect()
    }

    #[test]
    fn one_ping_confirms_everything_before_it_and_nothing_after() {
        let (mut confirmations, mut ids) = (Confirmations::default(), ids());
        confirmations.sent(0, "xmpp.example", 1);
        confirmations.sent(0, "xmpp.example", 2);
        assert_eq!(due(&mut confirmations, &mut ids), ["p1"]);
        confirmations.sent(0, "xmpp.example", 3);
        assert_eq!(confirmations.answered(0, "xmpp.example", "p1"), Some(vec![1, 2]));
        assert_eq!(confirmations.answered(0, "xmpp.example", "p1"), None);
        assert_eq!(due(&mut confirmations, &mut ids), ["p2"]);
        assert_eq!(confirmations.answered(0, "xmpp.example", "p2"), Some(vec![3]));
        assert!(confirmations.pings.is_empty());
    }

    #[test]
    fn what_comes_while_pings_are_out_shares_the_next_one() {
        let (mut confirmations, mut ids) = (Confirmations::default(), ids());
        let mut pings = Vec::new();
        for relay in 0..100 {
            confirmations.sent(0, "xmpp.example", relay);
            pings.extend(due(&mut confirmations, &mut ids));
        }
        assert_eq!(pings, ["p1"]);
        assert_eq!(confirmations.answered(0, "xmpp.example", "p1"), Some(vec![0]));
        assert_eq!(due(&mut confirmations, &mut ids), ["p2"]);
        assert_eq!(confirmations.answered(0, "xmpp.example", "p2"), Some((1..100).collect()));
    }

    #[test]
    fn nobody_answers_for_another_server_or_on_another_link() {
        let (mut confirmations, mut ids) = (Confirmations::default(), ids());
        confirmations.sent(0, "a.example", 1);
        assert_eq!(due(&mut confirmations, &mut ids), ["p1"]);
        assert_eq!(confirmations.answered(0, "b.example", "p1"), None);
        assert_eq!(confirmations.answered(1, "a.example", "p1"), None);
        assert_eq!(confirmations.answered(0, "a.example", "p1"), Some(vec![1]));
    }

    #[test]
    fn each_server_is_asked_itself() {
        let (mut confirmations, mut ids) = (Confirmations::default(), ids());
        confirmations.sent(0, "a.example", 1);
        confirmations.sent(0, "b.example", 2);
        assert_eq!(due(&mut confirmations, &mut ids), ["p1", "p2"]);
        assert_eq!(confirmations.answered(0, "b.example", "p2"), Some(vec![2]));
    }

    #[test]
    fn a_forgotten_ping_does_not_keep_the_next_one_back() {
        let (mut confirmations, mut ids) = (Confirmations::default(), ids());
        let slow = (0, "slow.example".to_owned());
        confirmations.sent(0, "slow.example", 1);
        assert_eq!(due(&mut confirmations, &mut ids), ["p1"]);
        assert_eq!(confirmations.forget_ping("p1", at(1)).again, Some((slow.clone(), 2)));
        assert_eq!(due(&mut confirmations, &mut ids), [""; 0]);
        confirmations.sent(0, "slow.example", 2);
        assert_eq!(due(&mut confirmations, &mut ids), ["p2"]);
        assert_eq!(confirmations.answered(0, "slow.example", "p1"), None);
        assert_eq!(confirmations.answered(0, "slow.example", "p2"), Some(vec![1, 2]));
        confirmations.ask_again(&slow);
        assert_eq!(due(&mut confirmations, &mut ids), [""; 0]);
        assert!(confirmations.servers.is_empty());
    }

    #[test]
    fn a_server_that_never_answers_does_not_fill_the_memory_and_is_not_asked_for_ever() {
        let (mut confirmations, mut ids) = (Confirmations::default(), ids());
        for relay in 0..10 {
            confirmations.sent(0, "mute.example", relay);
        }
        let (mut asked, mut given_up, mut again) = (0, Vec::new(), None);
        for second in 1..1_000 {
            for ping in due(&mut confirmations, &mut ids) {
                asked += 1;
                let forgotten = confirmations.forget_ping(&ping, at(second));
                again = forgotten.again.map(|(server, times)| (server, second + u64::from(times)));
                given_up.extend(forgotten.given_up);
            }
            if let Some((server, _)) = again.take_if(|(_, when)| *when <= second) {
                confirmations.ask_again(&server);
            }
        }
        assert_eq!((asked, given_up), (7, (0..10).collect()));
        assert!(confirmations.servers.is_empty() && confirmations.pings.is_empty() && confirmations.changed.is_empty());
    }

    #[test]
    fn what_a_hanging_link_has_swallowed_is_known_when_it_breaks() {
        let (mut confirmations, mut ids) = (Confirmations::default(), ids());
        confirmations.sent(0, "mute.example", 1);
        let ping = due(&mut confirmations, &mut ids).remove(0);
        confirmations.forget_ping(&ping, at(1));
        // More is sent every second, so pings go as often.
        for second in 2..80 {
            confirmations.sent(0, "mute.example", second);
            for ping in due(&mut confirmations, &mut ids) {
                assert!(confirmations.forget_ping(&ping, at(second)).given_up.is_empty());
            }
        }
        assert_eq!(confirmations.link_down(0), (1..80).collect::<Vec<_>>());
    }

    #[test]
    fn servers_that_are_waited_for_cost_nothing_while_nothing_happens() {
        let (mut confirmations, mut ids) = (Confirmations::default(), ids());
        for relay in 0..1_000 {
            confirmations.sent(0, &format!("{relay}.example"), relay);
        }
        assert_eq!(due(&mut confirmations, &mut ids).len(), 1_000);
        assert!(confirmations.changed.is_empty());
        confirmations.sent(0, "7.example", 1_000);
        assert_eq!(confirmations.changed.len(), 1);
        assert_eq!(due(&mut confirmations, &mut ids), [""; 0]);
    }

    #[test]
    fn a_broken_link_gives_back_its_relays_in_order_and_leaves_the_others() {
        let (mut confirmations, mut ids) = (Confirmations::default(), ids());
        confirmations.sent(0, "b.example", 1);
        confirmations.sent(1, "a.example", 2);
        confirmations.sent(0, "a.example", 3);
        assert_eq!(due(&mut confirmations, &mut ids).len(), 3);
        assert_eq!(confirmations.link_down(0), [1, 3]);
        assert_eq!(confirmations.pings.len(), 1);
    }
}
