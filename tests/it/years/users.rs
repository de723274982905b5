//! What XMPP users do.

use std::collections::BTreeSet;

use stox::xmpp::stanza::PresenceKind;

use super::server::Session;
use super::{CONTACTS, Years};

const CLIENTS: [&str; 2] = ["desk", "mobile"];

impl Years {
    /// A user has an idea.
    pub(super) fn user_acts(&mut self, user: usize) {
        if !self.server.is_up {
            return;
        }
        let clients = &self.server.users[user].sessions;
        let here = CLIENTS.into_iter().find(|client| clients.contains_key(client));
        let Some(client) = here else {
            let client = *self.chance.one_of(&CLIENTS);
            return self.log_in(user, client);
        };
        let pair = user * CONTACTS + usize::from(self.chance.per_mille(500));
        match self.chance.below(100) {
            0..50 => self.change(user, client),
            50..62 => self.log_out(user, client),
            62..70 => {
                let other = *self.chance.one_of(&CLIENTS);
                self.log_in(user, other);
            }
            70..92 => self.answer(pair),
            92..97 => self.ask_to_watch(pair),
            97 => self.stop_watching(pair),
            98 => self.take_back(pair),
            _ => self.remove(pair),
        }
    }

    /// A client comes (RFC 6121 section 4.2): its server asks for those whom the user may see, and asks again for what she
    /// has asked before (section 3.1.2).
    pub(super) fn log_in(&mut self, user: usize, client: &'static str) {
        self.change(user, client);
        for pair in pairs_of(user) {
            let item = self.server.item(pair);
            if item.to {
                self.say(pair, PresenceKind::Probe);
            } else if item.ask {
                self.checks.refusals.remove(&pair);
                self.say(pair, PresenceKind::Subscribe);
            }
        }
    }

    /// A client says something new.
    pub(super) fn change(&mut self, user: usize, client: &'static str) {
        self.server.words += 1;
        let words = format!("s{}", self.server.words);
        let show = *self.chance.one_of(&[None, Some("away"), Some("dnd"), Some("xa"), Some("chat")]);
        self.server.users[user].sessions.insert(client, Session { show, words });
        self.tell_contacts(user, client);
    }

    pub(super) fn log_out(&mut self, user: usize, client: &'static str) {
        if self.server.users[user].sessions.remove(client).is_none() {
            return;
        }
        self.tell_contacts(user, client);
        if self.server.users[user].sessions.is_empty() {
            self.server.users[user].items.iter_mut().for_each(|item| item.shown.clear());
        }
    }

    pub(super) fn log_out_all(&mut self, user: usize) {
        CLIENTS.into_iter().for_each(|client| self.log_out(user, client));
    }

    fn tell_contacts(&mut self, user: usize, client: &'static str) {
        for pair in pairs_of(user) {
            if self.server.item(pair).from {
                self.show_to(pair, client);
            }
        }
    }

    /// She says yes, mostly, if she was asked.
    fn answer(&mut self, pair: usize) {
        if !self.server.item(pair).pending {
            return;
        }
        if self.chance.per_mille(800) { self.approve(pair) } else { self.deny(pair) }
    }

    fn approve(&mut self, pair: usize) {
        let item = self.server.item(pair);
        (item.pending, item.from) = (false, true);
        self.say(pair, PresenceKind::Subscribed);
        for client in self.clients_of(pair) {
            self.show_to(pair, client);
        }
    }

    fn deny(&mut self, pair: usize) {
        let item = self.server.item(pair);
        (item.pending, item.is_prompted) = (false, false);
        self.say(pair, PresenceKind::Unsubscribed);
    }

    fn clients_of(&self, pair: usize) -> Vec<&'static str> {
        self.server.users[pair / CONTACTS].sessions.keys().copied().collect()
    }

    pub(super) fn ask_to_watch(&mut self, pair: usize) {
        let item = self.server.item(pair);
        if !item.to {
            item.ask = true;
            self.checks.refusals.remove(&pair);
            self.checks.given_up.remove(&pair);
            self.say(pair, PresenceKind::Subscribe);
        }
    }

    fn stop_watching(&mut self, pair: usize) {
        let item = self.server.item(pair);
        if item.to || item.ask {
            (item.to, item.ask) = (false, false);
            item.shown.clear();
            self.checks.given_up.insert(pair);
            self.say(pair, PresenceKind::Unsubscribe);
        }
    }

    /// She lets the contact see her no longer.
    fn take_back(&mut self, pair: usize) {
        let item = self.server.item(pair);
        if !item.from {
            return;
        }
        (item.from, item.is_prompted) = (false, false);
        self.say(pair, PresenceKind::Unsubscribed);
    }

    /// The contact is taken off the roster.
    pub(super) fn remove(&mut self, pair: usize) {
        self.stop_watching(pair);
        let item = self.server.item(pair);
        if item.pending {
            self.deny(pair);
        } else {
            self.take_back(pair);
        }
    }

    /// What the phones of contacts who may see her should show.
    pub(super) fn says(&self, user: usize) -> BTreeSet<String> {
        self.server.users[user].sessions.values().map(|session| session.words.clone()).collect()
    }
}

pub(super) fn pairs_of(user: usize) -> std::ops::Range<usize> {
    user * CONTACTS..(user + 1) * CONTACTS
}
