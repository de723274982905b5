//! The interworking state of one shard: messages on their way, and what an answer to them means. Sans-IO.
//!
//! [`Gateway::handle`] takes one [`Input`], [`Gateway::handle_timeout`] lets time pass, [`Gateway::finish_step`] closes
//! a step, after which [`Gateway::take_outputs`] says what is to be done. Two rules hold everything together:
//!
//! * **Own, then answer.** A SIP sender hears 200 when the XMPP server has processed the stanza (`confirm`), an XMPP
//!   sender hears nothing when the SIP side said 2xx; every other end is one error to whoever sent the message.
//! * **One pending per pair** (RFC 3428 section 8), the others in line (`lines`), so order is kept and a slow phone
//!   holds up nobody but those who write to it.
//!
//! In the log every message has one name in all lines about it: `x17` on its way from XMPP, `s17` on its way from SIP.
//!
//! | file | what |
//! |---|---|
//! | `to_xmpp` | SIP MESSAGE -> stanza, and its outcome |
//! | `to_sip` | message stanza -> MESSAGE, and its outcome |
//! | `directions` | where next hops are, and who waits to know |
//! | `errand` | the way of a request of ours: where to, how large, how it ended |
//! | `authorize` | credentials for it |
//! | `capable` | what phones and next hops take, learned from their answers |
//! | `alive` | whether the next hops are there |
//! | `proxy` | a request for a domain of the SIP side is sent on to it |
//! | `register` | registrations of ours |
//! | `people` | XMPP users with accounts of their own on the SIP side |
//! | `service` | what stox answers itself: queries, OPTIONS, methods it does not serve |
//! | `prove` | who has to prove an account, and who has |
//! | `entrance` | who sent a request, and whether it is to be heard |
//! | `presence` | subscriptions and presence, both ways |
//! | `record` | what of them outlives the process |
//! | `confirm` | which stanzas a server has taken |
//! | `held_pings` | the same question from another server, answered when it can be |
//! | `lines` | who is pending, who waits |
//! | `trust` | whose From counts, and how much of what is taken from whom |
//! | `rate` | how much is let through |
//! | `refused` | one line in the log for each source that is refused |

mod alive;
mod authorize;
mod capable;
mod confirm;
mod directions;
mod entrance;
mod errand;
mod events;
mod held;
mod held_pings;
mod input;
mod limits;
mod lines;
pub mod people;
mod presence;
mod prove;
mod proxy;
pub mod rate;
mod recent;
pub mod record;
pub mod refused;
pub mod register;
mod samples;
mod service;
mod settings;
pub mod stats;
pub mod surface;
mod to_sip;
mod to_xmpp;
pub mod trust;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use alive::Condition;
pub use input::{Input, Link, LookupId, Output, Reply};
pub use settings::{PresenceLimits, PresenceRules, Route, Settings, Size};

use crate::ids::Ids;
use crate::mapping::{Home, Mapping};
use crate::sip::auth::Server;
use crate::sip::endpoint::{ClientId, Endpoint, EndpointConfig, Event, Flow, ServerId};
use crate::sip::message::{Response, Status};
use crate::time::{Now, Timers};
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Iq, Stanza};
use capable::Capable;
use confirm::{Confirmations, RelayId};
use directions::Directions;
use held::{Held, Outcome};
use held_pings::HeldPings;
use lines::{Lines, Most};
use recent::Recent;
use stats::Stats;

/// One shard's interworking state.
pub struct Gateway {
    mapping: Arc<Mapping>,
    settings: Settings,
    surface: surface::Surface,
    endpoint: Endpoint,
    /// The names proven on the connections that are open; bounded by the rim, which bounds the connections.
    flows: HashMap<u64, Arc<[String]>>,
    keyring: authorize::Keyring,
    people: people::People,
    /// Asks for passwords; `None` where nobody has an account.
    prover: Option<Server>,
    /// The account that the request at hand has proved.
    proven: Option<Arc<str>>,
    registrations: register::Registrations,
    ids: Ids,
    links: Vec<LinkState>,
    draining: bool,

    relays: HashMap<RelayId, to_xmpp::Relay>,
    relay_of: HashMap<String, RelayId>,
    relay_count: RelayId,
    /// Relays that were told 202, oldest first; some may be gone already.
    told: VecDeque<RelayId>,
    /// Relays that were not.
    open: usize,
    /// Bytes of those.
    open_bytes: usize,
    confirmations: Confirmations,
    held_pings: HeldPings,
    /// Errors that were put on their link and not confirmed yet: said again if the link breaks.
    outcomes: BTreeMap<RelayId, Outcome>,

    lines: Lines<to_sip::Letter>,
    errands: HashMap<ClientId, errand::Out>,
    directions: Directions,
    /// Connections on which a dialog's requests have come.
    ways: HashMap<u64, Flow>,
    proxy: proxy::Proxy,
    recent: Recent,
    capable: Capable,
    presence: presence::Presences,
    alive: HashMap<errand::RouteId, alive::Alive>,
    cseq: u32,
    letter_count: u64,

    timers: Timers<Timer>,
    events: Vec<Event>,
    outputs: Vec<Output>,
    stats: Stats,
    entrance: entrance::Entrance,
}

#[derive(Debug, Default)]
struct LinkState {
    up: bool,
    held: Held,
    /// Whether what is held is about to be offered again.
    offering: bool,
    /// The ping whose answer means that nothing more comes which the server sent before we were told to stop.
    last_ping: Option<String>,
}

/// The deadlines of the interworking itself; the transactions have their own in the endpoint.
#[derive(Debug)]
enum Timer {
    /// The patience of a message to XMPP is at its end.
    Confirm(RelayId),
    /// The patience of a ping is at its end.
    Ping(Box<str>),
    /// A server that has not answered may be asked again.
    AskAgain(Box<confirm::Server>),
    /// A ping of this server has been held for long enough.
    HeldPing(Box<confirm::Server>),
    /// Nobody expects a late error for this message any more.
    Forget(RelayId),
    /// A link that was full may have room again.
    Offer(Link),
    /// A next hop is to be asked whether it is there.
    Ask(errand::RouteId),
    /// An INVITE that was sent on has rung for too long, or is over; the number says of which of its deadlines it is.
    Leg(ClientId, u32),
    /// A registration is due, or lapses.
    Register(register::RegistrationId),
    /// Registrations that were taken back have had their time.
    Unregistered,
    /// Something about a publication is due.
    Publish(record::RecordId),
    /// Something about a watch is due.
    Watch(record::RecordId, presence::WatchClock),
    /// A subscription of ours is to be refreshed, is late, or has waited long enough.
    Usage(presence::UsageId),
    /// Something that a SIP user watches is due.
    Serve(presence::serve::Alarm),
    /// A mailbox is to be subscribed to, or its owner to be told more of it.
    Voicemail(people::UserId),
    /// The list of who wants to watch a user is to be subscribed to, or there is room to ask her of more of them.
    Winfo(people::UserId),
    /// Domains to which the way broke, or is there again, are looked after.
    Recover,
}

impl Gateway {
    /// A gateway with nothing on its way; every link counts as down until [`Input::LinkUp`].
    #[must_use]
    pub fn new(mapping: Arc<Mapping>, mut settings: Settings, mut sip: EndpointConfig, mut ids: Ids) -> Self {
        let links = settings.links.iter().map(|_| LinkState::default()).collect();
        let (per_pair, in_all) = (settings.queue_per_pair, settings.messages_to_sip);
        let lines = Lines::new(Most { per_pair, in_all, bytes: limits::BYTES_TO_SIP });
        let accounts = settings.routes.iter().map(|(_, route)| route.credentials.as_slice());
        let have = sip.sent_by.iter().map(|(transport, _)| *transport).collect();
        let mut keyring = authorize::Keyring::new(accounts, &mut ids);
        let prover = settings.accounts.take().map(|accounts| Server::new(accounts, ids.fork()));
        let people = people::People::new(&settings.routes, &mut keyring, &mut ids);
        let registrations = register::Registrations::new(ids.fork());
        sip.sent_on = proxy::hosts(&settings, &mapping);
        let proxy = proxy::Proxy::new(!sip.sent_on.is_empty());
        let endpoint = Endpoint::new(sip.clone(), ids.fork());
        let directions = Directions::new(&settings.routes, have, ids.number());
        let mut gateway = Self {
            endpoint,
            flows: HashMap::new(),
            keyring,
            people,
            prover,
            proven: None,
            registrations,
            mapping,
            entrance: entrance::Entrance::new(&settings.trust),
            surface: surface::Surface::new(&settings.contacts),
            settings,
            ids,
            links,
            draining: false,
            relays: HashMap::new(),
            relay_of: HashMap::new(),
            relay_count: 0,
            told: VecDeque::new(),
            open: 0,
            open_bytes: 0,
            confirmations: Confirmations::default(),
            held_pings: HeldPings::default(),
            outcomes: BTreeMap::new(),
            lines,
            errands: HashMap::new(),
            directions,
            ways: HashMap::new(),
            proxy,
            recent: Recent::new(limits::REPEATED),
            capable: Capable::default(),
            presence: presence::Presences::default(),
            alive: HashMap::new(),
            cseq: 0,
            letter_count: 0,
            timers: Timers::new(),
            events: Vec::new(),
            outputs: Vec::new(),
            stats: Stats::default(),
        };
        gateway.begin_asking();
        gateway.plan_registrations(&sip);
        gateway.plan_voicemail();
        gateway.plan_winfo();
        gateway
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Stanza(link, stanza) => self.on_stanza(link, stanza, now),
            Input::Sip(inbound) => {
                self.proven = None;
                if self.admits(&inbound, now)
                    && let Some(event) = self.endpoint.receive(inbound, now)
                {
                    self.on_event(event, now);
                }
            }
            Input::Unreadable(response, flow) => self.endpoint.respond_stateless(response, flow),
            Input::FlowOpened(flow, names) => {
                self.flows.insert(flow.id, names);
            }
            Input::FlowClosed(flow) => {
                self.flows.remove(&flow.id);
                self.ways.remove(&flow.id);
                self.ask_endpoint(now, |endpoint, events| endpoint.flow_closed(&flow, now, events));
                self.on_registered_flow_closed(&flow, now);
            }
            Input::LinkUp(link) => self.on_link_up(link, now),
            Input::LinkDown(link) => self.on_link_down(link, now),
            Input::DomainDown(link, domain) => {
                self.fail_domain(link, &domain, now);
                self.presence_domain_down(link, &domain, now);
            }
            Input::DomainUp(link, domain) => self.presence_domain_up(link, &domain, now),
            Input::Unsent(link, stanza) => self.on_unsent(link, stanza, now),
            Input::Undelivered(origin, why) => {
                if let Some(event) = self.endpoint.undeliverable(origin, why, now) {
                    self.on_event(event, now);
                }
            }
            Input::Located(lookup, answer, ttl) => self.on_located(lookup, answer, ttl, now),
            Input::Drain => {
                self.drain();
                self.unregister(now);
            }
            Input::GiveUp => {
                self.give_up_to_sip();
                self.give_up_to_xmpp(now);
                self.give_up_forwards(now);
                self.links.iter_mut().for_each(|link| link.last_ping = None);
            }
            Input::Trust(trust) => {
                self.entrance.trust(&trust);
                self.settings.trust = trust;
            }
            Input::Explain(one, other, reply) => reply.0(self.explain_pair(&one, &other, now)),
        }
    }

    /// Lets time pass: everything whose deadline is not after `now` happens.
    pub fn handle_timeout(&mut self, now: Now) {
        self.ask_endpoint(now, |endpoint, events| endpoint.handle_timeout(now, events));
        while let Some(timer) = self.timers.take_due(now) {
            match timer {
                Timer::Confirm(relay) => self.on_unconfirmed(relay, now),
                Timer::Ping(id) => self.on_ping_unanswered(&id, now),
                Timer::AskAgain(server) => self.confirmations.ask_again(&server),
                Timer::HeldPing(server) => self.on_held_long_enough(&server, now),
                Timer::Forget(relay) => self.forget(relay),
                Timer::Offer(link) => self.offer_held(link),
                Timer::Ask(route) => self.ask_health(route, now),
                Timer::Leg(client, count) => self.on_leg_timer(client, count, now),
                Timer::Register(id) => self.on_register_due(id, now),
                Timer::Unregistered => self.on_unregistered(),
                Timer::Publish(id) => self.publish_due(id, now),
                Timer::Watch(id, clock) => self.on_watch_clock(id, clock, now),
                Timer::Usage(id) => self.on_usage_due(id, now),
                Timer::Serve(alarm) => self.on_serve_alarm(alarm, now),
                Timer::Voicemail(user) => self.on_voicemail_due(user, now),
                Timer::Winfo(user) => self.on_winfo_due(user, now),
                Timer::Recover => self.on_recover_due(now),
            }
        }
    }

    /// Closes a step: what all of its inputs together ask for, once.
    pub fn finish_step(&mut self, now: Now) {
        self.learn(now);
        self.tell_owners(now);
        self.send_pings(now);
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.outputs.push(Output::Transmit(transmit));
        }
    }

    /// What is to be done, in order.
    pub fn take_outputs(&mut self, into: &mut Vec<Output>) {
        into.append(&mut self.outputs);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, in monotonic time.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.timers.next().into_iter().chain(self.endpoint.next_timeout()).min()
    }

    /// Whether every message that was taken has had its outcome.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let told = self.lines.pending() == 0 && self.open == 0 && self.proxy.is_done();
        told && self.registrations.are_over() && self.links.iter().all(|link| link.last_ping.is_none())
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn on_stanza(&mut self, link: Link, stanza: Stanza, now: Now) {
        match stanza {
            Stanza::Message(message) => self.on_message(link, message, now),
            Stanza::Iq(iq) => self.on_iq(link, iq, now),
            Stanza::Presence(presence) => self.on_presence(link, presence, now),
        }
    }

    /// Lets the endpoint do what may end several transactions.
    fn ask_endpoint(&mut self, now: Now, what: impl FnOnce(&mut Endpoint, &mut Vec<Event>)) {
        let mut events = std::mem::take(&mut self.events);
        what(&mut self.endpoint, &mut events);
        for event in events.drain(..) {
            self.on_event(event, now);
        }
        self.events = events;
    }

    fn on_event(&mut self, event: Event, now: Now) {
        let event = match self.proxy.is_idle() {
            true => event,
            false => match self.on_forward_event(event, now) {
                Some(event) => event,
                None => return,
            },
        };
        match event {
            Event::Request { transaction, request, flow } => self.on_request(transaction, request, flow, now),
            Event::Response { transaction, response } => self.on_response(transaction, response, now),
            Event::TimedOut { transaction, heard } => self.on_timed_out(transaction, heard, now),
            Event::Failed { transaction, cause } => self.on_failed(transaction, cause, now),
            // A provisional response to MESSAGE only says that somebody is there; an INVITE is answered at once here,
            // so a CANCEL never finds one open.
            Event::Provisional { .. } | Event::Cancelled { .. } | Event::Accepted { .. } => {}
            Event::Ack { request, flow } => self.on_ack(&request, &flow, now),
        }
    }

    /// What the servers have already put on their links is still read, and refused: each link is asked for an answer, and
    /// is done when that comes. Where stox is the server itself, its streams are closed in good order after this.
    fn drain(&mut self) {
        self.draining = true;
        let home = self.mapping.domains().iter().find(|domain| domain.home == Home::Xmpp && !domain.is_wildcard());
        let home = home.and_then(|domain| Jid::parse(&domain.xmpp).ok());
        let components = self.links.iter_mut().enumerate().take(self.settings.components);
        for (link, state) in components.filter(|(_, state)| state.up) {
            let Some(own) = self.settings.links.get(link).and_then(|domain| Jid::parse(domain).ok()) else { continue };
            let id = self.ids.stanza_id();
            let ping = Iq::ping(own.clone(), home.clone().unwrap_or(own), id.clone());
            state.last_ping = Some(id);
            self.outputs.push(Output::Stanza(link, Stanza::Iq(ping)));
        }
    }

    fn on_link_up(&mut self, link: Link, now: Now) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.up = true;
        self.offer_held(link);
        self.show_missed(link, now);
        self.serve_link_up(link, now);
        self.publish_on_link_up(link, now);
    }

    fn on_link_down(&mut self, link: Link, now: Now) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.up = false;
        state.last_ping = None;
        self.doubt_shown(link, now);
        self.fail_link(link, now);
    }

    fn on_unsent(&mut self, link: Link, stanza: Stanza, now: Now) {
        match &stanza {
            Stanza::Message(message) if message.error().is_none() => self.on_message_unsent(message, now),
            Stanza::Presence(presence) if presence.is_state() => self.on_presence_unsent(presence, now),
            Stanza::Message(_) | Stanza::Presence(_) => self.on_outcome_unsent(link, stanza, now),
            // A ping has a timer that lets the next one go; sending it again now would find the link as full as it is.
            Stanza::Iq(_) => {}
        }
    }

    /// Whether the users of this domain, as XMPP spells it, are SIP users.
    fn is_at_home_in_sip(&self, domain: &str) -> bool {
        self.mapping.domain_of_xmpp(domain).is_some_and(|domain| domain.home == Home::Sip)
    }

    fn link_is_up(&self, link: Link) -> bool {
        self.links.get(link).is_some_and(|state| state.up)
    }

    fn respond(&mut self, transaction: ServerId, mut response: Response, now: Now) {
        // RFC 4320 section 4.1 forbids 408 in answer to anything but INVITE, whatever RFC 7247 table 2 says; 504 means
        // the same without making proxies believe that nobody is here.
        if response.status == Status::REQUEST_TIMEOUT {
            response.status = Status::SERVER_TIMEOUT;
        }
        self.endpoint.respond(transaction, response, now);
    }
}
