//! The XMPP server: rosters as RFC 6121 appendix A has them, sessions, and what it does by itself.

use std::collections::BTreeMap;

use stox::xml::{Element, ns};
use stox::xmpp::jid::Jid;
use stox::xmpp::stanza::{IqKind, Presence, PresenceKind, Stanza};

use super::{CONTACTS, SIP, XMPP, Years, both, number, pair};

/// What the roster of a user has of one contact, and what the user sees of him.
#[derive(Debug, Default, Clone)]
pub(super) struct Item {
    /// The user may see the contact.
    pub(super) to: bool,
    /// The contact may see the user.
    pub(super) from: bool,
    /// The user has asked.
    pub(super) ask: bool,
    /// The contact has, and the user has not said.
    pub(super) pending: bool,
    /// What the user's clients show of the contact: by resource, his words.
    pub(super) shown: BTreeMap<String, String>,
    /// The user was asked, and has not said no or taken a yes back since.
    pub(super) is_prompted: bool,
}

/// A client of a user.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) show: Option<&'static str>,
    pub(super) words: String,
}

#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) sessions: BTreeMap<&'static str, Session>,
    /// By place among the contacts.
    pub(super) items: [Item; CONTACTS],
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) is_up: bool,
    pub(super) users: Vec<User>,
    pub(super) words: u64,
}

impl Server {
    pub(super) fn new(people: usize) -> Self {
        Self { is_up: true, users: (0..people).map(|_| User::default()).collect(), words: 0 }
    }

    pub(super) fn item(&mut self, pair: usize) -> &mut Item {
        &mut self.users[pair / CONTACTS].items[pair % CONTACTS]
    }

    pub(super) fn is_online(&self, pair: usize) -> bool {
        !self.users[pair / CONTACTS].sessions.is_empty()
    }
}

pub(super) fn jid(text: &str) -> Jid {
    Jid::parse(text).expect("the addresses of the world are addresses")
}

pub(super) fn of_user(user: usize) -> Jid {
    jid(&format!("u{user}@{XMPP}"))
}

pub(super) fn of_callee(callee: usize) -> Jid {
    jid(&format!("p{callee}@{SIP}"))
}

/// The pair that a stanza between two of its people is about.
fn pair_of(people: usize, user: &Jid, callee: &Jid) -> Option<usize> {
    let (user, callee) = (number(user.local()?)?, number(callee.local()?)?);
    (user < people && callee < people).then(|| pair(people, user, callee)).flatten()
}

impl Years {
    /// Sends a word of a user about a subscription, or a question of her server.
    pub(super) fn say(&mut self, pair: usize, kind: PresenceKind) {
        let (user, callee) = both(self.people(), pair);
        self.reach_gateway(Stanza::Presence(Presence::new(of_user(user), of_callee(callee), kind)));
    }

    fn reach_gateway(&mut self, stanza: Stanza) {
        if self.server.is_up && self.host.is_connected() {
            self.put_on_link(true, stanza);
        } else {
            self.stanza_lost(true, &stanza);
        }
    }

    /// What cannot come any more: some words are said again by nobody.
    pub(super) fn stanza_lost(&mut self, reach_gateway: bool, stanza: &Stanza) {
        let Stanza::Presence(presence) = stanza else { return };
        let (Some(from), Some(to)) = (&presence.from, &presence.to) else { return };
        let (user, callee) = if reach_gateway { (from, to) } else { (to, from) };
        let Some(pair) = pair_of(self.people(), user, callee) else { return };
        self.checks.word_lost(pair, reach_gateway, presence.kind);
    }

    /// A word reaches the gateway: what was lost before it does not matter any more.
    pub(super) fn word_arrives(&mut self, stanza: &Stanza) {
        if let Stanza::Presence(Presence { kind: PresenceKind::Unsubscribe, from: Some(from), to: Some(to), .. }) =
            stanza
            && let Some(pair) = pair_of(self.people(), from, to)
        {
            self.checks.gave_up(pair);
        }
    }

    pub(super) fn stanza_at_server(&mut self, stanza: Stanza) {
        if !self.server.is_up {
            return self.stanza_lost(false, &stanza);
        }
        match stanza {
            Stanza::Iq(iq) => {
                if matches!(iq.kind, IqKind::Get(_) | IqKind::Set(_))
                    && let Some(result) = iq.result(None)
                {
                    self.reach_gateway(Stanza::Iq(result));
                }
            }
            Stanza::Presence(presence) => self.presence_at_server(&presence),
            Stanza::Message(message) => self.fail(&format!("nobody asked for a message: {message:?}")),
        }
    }

    fn presence_at_server(&mut self, presence: &Presence) {
        let (Some(from), Some(to)) = (&presence.from, &presence.to) else { return };
        let Some(pair) = pair_of(self.people(), to, from) else { self.fail("presence of or to nobody") };
        self.trace(&[presence.kind as u8]);
        match presence.kind {
            PresenceKind::Subscribe => self.asked(pair),
            PresenceKind::Subscribed => {
                let item = self.server.item(pair);
                item.to |= item.ask;
                item.ask = false;
            }
            PresenceKind::Unsubscribed => self.unsubscribed(pair),
            PresenceKind::Probe => self.probed(pair),
            PresenceKind::Available | PresenceKind::Unavailable => {
                let is_online = self.server.is_online(pair);
                let item = self.server.item(pair);
                let resource = from.resource().unwrap_or_default().to_owned();
                if presence.kind == PresenceKind::Unavailable {
                    item.shown.remove(&resource);
                } else if item.to && is_online {
                    let words = presence.statuses().map(|(_, words)| words.into_owned()).collect::<Vec<_>>();
                    item.shown.insert(resource, words.join("|"));
                }
            }
            PresenceKind::Unsubscribe | PresenceKind::Error => {}
        }
    }

    /// A contact asks (RFC 6121 section 3.1.3).
    fn asked(&mut self, pair: usize) {
        self.counts.asks += 1;
        self.check_ask(pair);
        let is_online = self.server.is_online(pair);
        let item = self.server.item(pair);
        if item.from {
            return self.say(pair, PresenceKind::Subscribed);
        }
        if !item.pending {
            let twice = std::mem::replace(&mut item.is_prompted, true);
            item.pending = true;
            self.counts.prompts += 1;
            if twice {
                self.fail(&format!("pair {pair}: the user is asked for a second time (online: {is_online})"));
            }
        }
    }

    /// A contact refuses, or takes back what he had granted.
    fn unsubscribed(&mut self, pair: usize) {
        let item = self.server.item(pair);
        let had = item.to || item.ask;
        (item.to, item.ask) = (false, false);
        item.shown.clear();
        self.check_unsubscribed(pair, had);
    }

    /// A contact's server asks for the user's presence (RFC 6121 section 4.3.2).
    fn probed(&mut self, pair: usize) {
        if !self.server.item(pair).from {
            return self.say(pair, PresenceKind::Unsubscribed);
        }
        let (user, _) = both(self.people(), pair);
        if self.server.users[user].sessions.is_empty() {
            return self.say(pair, PresenceKind::Unavailable);
        }
        let resources: Vec<_> = self.server.users[user].sessions.keys().copied().collect();
        resources.into_iter().for_each(|resource| self.show_to(pair, resource));
    }

    /// Sends the presence of one client to one contact.
    pub(super) fn show_to(&mut self, pair: usize, resource: &str) {
        let (user, callee) = both(self.people(), pair);
        let from = jid(&format!("u{user}@{XMPP}/{resource}"));
        let Some(session) = self.server.users[user].sessions.get(resource) else {
            let gone = Presence::new(from, of_callee(callee), PresenceKind::Unavailable);
            return self.reach_gateway(Stanza::Presence(gone));
        };
        let words = Element::new(ns::CLIENT, "status").with_text(&session.words);
        let mut presence = Presence::new(from, of_callee(callee), PresenceKind::Available).with(words);
        if let Some(show) = session.show {
            presence = presence.with(Element::new(ns::CLIENT, "show").with_text(show));
        }
        self.reach_gateway(Stanza::Presence(presence));
    }
}
