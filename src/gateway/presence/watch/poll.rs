//! A look without a subscription (RFC 8048 section 7.1): somebody's server probes for a watcher that stox does not know.
//!
//! Servers probe for those who are in the watcher's roster. So where the SIP side answers with a state, the roster is right
//! and we have forgotten, or another gateway was here before: then the authorization is taken up again. Nobody is asked, and
//! no roster is touched.

use std::collections::HashMap;

use super::super::super::record::{Package, RecordId};
use super::super::super::{Gateway, Link, Output};
use super::super::usage::{Owner, Told, UsageId, Want};
use super::view::View;
use super::{Stage, Watch};
use crate::time::Now;
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::Stanza;

/// Polls that are out at once; beyond it probes are not answered, as RFC 6121 section 4.3.2 allows.
const POLLS: usize = 10_000;

/// Those of them for one domain: another can still ask while a SIP server lets all of these wait.
const POLLS_OF_A_DOMAIN: usize = POLLS / 2;

/// One that is out.
#[derive(Debug)]
pub(super) struct Poll {
    link: Link,
    route: usize,
    watcher: Jid,
    target: Jid,
}

/// All that are out.
#[derive(Debug, Default)]
pub(super) struct Polls {
    of: HashMap<RecordId, Poll>,
    /// How many, by the domain of who asks.
    counts: HashMap<Box<str>, usize>,
    /// Probes that were not answered for want of room or because there were too many.
    pub(super) ignored: u64,
}

impl Polls {
    pub(super) fn has(&self, id: RecordId) -> bool {
        self.of.contains_key(&id)
    }

    fn has_room(&self, domain: &str) -> bool {
        self.of.len() < POLLS && self.counts.get(domain).is_none_or(|count| *count < POLLS_OF_A_DOMAIN)
    }

    fn insert(&mut self, id: RecordId, poll: Poll) {
        *self.counts.entry(poll.watcher.domain().into()).or_default() += 1;
        self.of.insert(id, poll);
    }

    fn remove(&mut self, id: RecordId) {
        let Some(poll) = self.of.remove(&id) else { return };
        if let Some(count) = self.counts.get_mut(poll.watcher.domain()) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(poll.watcher.domain());
            }
        }
    }
}

impl Gateway {
    pub(super) fn poll(&mut self, link: Link, from: &Jid, to: &Jid, now: Now) {
        let Some(route) = self.settings.route_of(to.domain()) else { return };
        let presence =
            self.settings.routes.get(route).is_some_and(|(_, it)| it.presence.watch.contains(&Package::Presence));
        let watching = &mut self.presence.watching;
        if !presence {
            self.stats.stanzas_ignored += 1;
            return;
        }
        if !watching.polls.has_room(from.domain()) || watching.rates.take(from, now.mono).is_err() {
            tracing::debug!(domain = from.domain(), "too many probes for unknown watchers; one is not answered");
            watching.polls.ignored += 1;
            return;
        }
        let id = self.new_record();
        let poll = Poll { link, route, watcher: from.clone(), target: to.clone() };
        self.presence.watching.polls.insert(id, poll);
        let user = self.people.find(route, from);
        let (watcher, target) = (from.to_bare(), to.to_bare());
        let package = Package::Presence;
        self.usage_open(Want { owner: Owner::Watch(id), route, user, watcher, target, package, once: true }, now);
    }

    pub(super) fn on_polled(&mut self, id: RecordId, usage: UsageId, told: Told, now: Now) {
        match told {
            Told::State(fork, body) => {
                let Some(poll) = self.presence.watching.polls.of.get(&id) else { return };
                let Some(document) = body.document else { return };
                let mut view = View::default();
                // A document about one moment needs none before it.
                let _ = view.take(fork, document);
                let Some((_, route)) = self.settings.routes.get(poll.route) else { return };
                let user = poll.target.local().unwrap_or_default();
                let Some(state) = view.state(&route.presence.phone, user) else { return };
                let mut told = self.mapping.presence_to_xmpp(&state, &poll.target.to_bare(), &poll.watcher, now.wall);
                // Who asks for one resource wants to hear of that alone (RFC 6121 section 4.3.2).
                told.retain(|one| poll.target.is_bare() || one.from.as_ref() == Some(&poll.target));
                let link = poll.link;
                if self.link_is_up(link) {
                    self.outputs.extend(told.into_iter().map(|one| Output::Stanza(link, Stanza::Presence(one))));
                }
                self.take_up(id, Stage::Granted, now);
            }
            // Not every server has polls (Asterisk answers 400), and one that refuses a poll may not refuse her. A subscription
            // asks the same; it is the roster that says she wants one, so nobody is told if it does not come about. If that
            // is refused, the roster is wrong and hears it (RFC 6121 section 4.3.2): the word that said so before was lost.
            Told::Lost(_) | Told::Forbidden(_) => {
                self.usage_forget(usage, now);
                self.take_up(id, Stage::Asked, now);
                self.presence.watching.polls.remove(id);
            }
            Told::Active(_) | Told::Nothing | Told::ForkOver(_) => {}
            // Nobody has said yes: what comes with it is about nobody, and is not read.
            Told::Pending | Told::NoResource(_) | Told::Invariant | Told::Over => {
                self.presence.watching.polls.remove(id);
            }
        }
    }

    /// The SIP side lets this watcher see, so she was authorized; or it cannot say so, and is asked. Only servers ask from a
    /// bare address; a client that asks by itself gets an answer and no more.
    fn take_up(&mut self, poll: RecordId, stage: Stage, now: Now) {
        let Some(poll) = self.presence.watching.polls.of.get(&poll) else { return };
        let (watcher, target) = (poll.watcher.to_bare(), poll.target.to_bare());
        let watching = &self.presence.watching;
        let known = watching.find(watcher.as_str(), target.as_str()).is_some();
        let full = watching.is_full(watcher.as_jid(), target.as_jid(), &self.settings.presence);
        if known || full.is_some() || !poll.watcher.is_bare() {
            return;
        }
        tracing::debug!(watcher = watcher.as_str(), target = target.as_str(), "a forgotten authorization is taken up");
        let mut watch = Watch::new(watcher, target, poll.link, poll.route, stage, now.wall);
        (watch.complained, watch.sought) = (true, true);
        let id = self.new_record();
        self.presence.watching.insert(id, watch);
        self.put_watch(id);
        self.open_usages(id, now);
    }
}
