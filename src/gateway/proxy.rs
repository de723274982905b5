//! Proxy duty: a request from SIP for a domain at home in SIP is sent on to that domain's next hop, statefully
//! (RFC 3261 section 16), where `forward` of the domain says so. What is done to messages is [`crate::sip::proxy`].
//!
//! | arrives | is sent on |
//! |---|---|
//! | a request for a user of a domain with `forward`, from a source that may say what its From says | to the next hop |
//! | a request inside a dialog that came by here: its Route names us | along its Route, or to its Request-URI |
//! | ACK of a 2xx, likewise | likewise, once and without a transaction |
//! | CANCEL | as one of ours, on each INVITE that it is for |
//! | REGISTER, anything for a domain at home in XMPP | never |
//!
//! **No open relay.** Nothing is taken from a stranger, and nothing is sent to one: what a Route or Request-URI names must
//! be a domain with `forward`, the next hop of one, or an address that a peer of ours sends from.
//!
//! ```text
//!  on_request -> try_forward -> locate (hub) -> forward_to -> endpoint ... on_forward_event -> respond
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;

use super::errand::{End, Ended, Purpose, RouteId};
use super::trust::{Source, Standing};
use super::{Gateway, Settings, Timer, limits};
use crate::mapping::{Home, Mapping};
use crate::sip::endpoint::{ClientId, Event, Flow, Large, Sending, ServerId, Target, Transport};
use crate::sip::locate::numeric;
use crate::sip::message::check::{Refusal, check};
use crate::sip::message::header::Route;
use crate::sip::message::{Method, Name, Request, Response, Status};
use crate::sip::proxy::{self, Gathered, Names};
use crate::sip::uri::Uri;
use crate::time::Now;

/// What is being sent on.
#[derive(Debug, Default)]
pub(super) struct Proxy {
    /// Whether any domain has `forward`: if not, nobody has to look.
    on: bool,
    /// Requests of peers that have no final answer yet; as many as the endpoint has transactions at most.
    open: HashMap<ServerId, Open>,
    /// Where they went, and accepted INVITEs until no further 2xx can come.
    legs: HashMap<ClientId, Leg>,
}

/// A request of a peer that waits for its final answer.
#[derive(Debug)]
struct Open {
    /// Without its body: what an answer of our own is made of.
    head: Request,
    /// Where it went; `None` while that is looked up.
    leg: Option<ClientId>,
}

/// Where a request went.
#[derive(Debug)]
struct Leg {
    server: ServerId,
    is_invite: bool,
    cancelled: bool,
    accepted: bool,
    /// Counts its deadlines, of which only the last one means anything.
    timer: u32,
}

/// A request on its way through the hub.
#[derive(Debug)]
pub(super) struct Forward {
    /// `None`: an ACK, which nobody answers.
    server: Option<ServerId>,
    mark: u64,
    /// How it came.
    inbound: Transport,
}

/// Where a request may go.
enum Way {
    Route(RouteId),
    Target(Target),
}

/// A request that may go on.
struct Checked {
    copy: Request,
    way: Way,
    mark: u64,
}

impl Proxy {
    pub(super) fn new(on: bool) -> Self {
        Self { on, ..Self::default() }
    }

    /// Whether no event can be about what is sent on.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.legs.is_empty()
    }

    /// Whether every request has had its answer.
    pub(super) fn is_done(&self) -> bool {
        self.open.is_empty()
    }
}

/// As the log names it.
impl std::fmt::Display for Forward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.server {
            Some(server) => write!(f, "{server}"),
            None => f.write_str("ACK"),
        }
    }
}

impl Gateway {
    /// Sends `request` on if that is our duty; if not, gives it back. Its source may say in whose name it is (`believed`),
    /// and its P-Asserted-Identity is believed, so that it may stay (`asserted`, RFC 3325 section 5).
    pub(super) fn try_forward(
        &mut self,
        transaction: ServerId,
        request: Request,
        flow: &Flow,
        (believed, asserted): (bool, bool),
        now: Now,
    ) -> Option<Request> {
        if !self.proxy.on || request.method == Method::Register {
            return Some(request);
        }
        let inside = proxy::is_inside(&request) && self.was_routed_here(&request);
        if !inside && self.forwarding_route(&request.uri).is_none() {
            return Some(request);
        }
        match self.checked(&request, inside, believed, asserted) {
            Ok(checked) => self.send_on(transaction, request, checked, flow, now),
            Err(refusal) => {
                self.stats.other_requests += 1;
                if let Some(response) = refusal.response(&request) {
                    self.endpoint.respond(transaction, response, now);
                }
            }
        }
        None
    }

    /// The ACK of a 2xx that came by here (RFC 3261 section 16.11: it is forwarded by itself).
    pub(super) fn on_ack(&mut self, request: &Request, flow: &Flow, now: Now) {
        if !self.proxy.on || !self.was_routed_here(request) {
            return;
        }
        let Ok(Checked { copy, way, mark }) = self.checked(request, true, false, false) else { return };
        let forward = Forward { server: None, mark, inbound: flow.transport };
        // Whether it goes out or not, nobody hears of it.
        let _ = self.go(forward, copy, way, now);
    }

    fn send_on(&mut self, transaction: ServerId, request: Request, checked: Checked, flow: &Flow, now: Now) {
        let Checked { copy, way, mark } = checked;
        let mut head = request;
        head.drop_body();
        if head.method == Method::Invite {
            // Section 16.2: looking up and ringing may take longer than 200 ms.
            self.endpoint.respond(transaction, head.response(Status::TRYING), now);
        }
        self.stats.forwarded += 1;
        self.proxy.open.insert(transaction, Open { head, leg: None });
        let forward = Forward { server: Some(transaction), mark, inbound: flow.transport };
        if let Err(ended) = self.go(forward, copy, way, now)
            && let (Purpose::Forward(forward), end) = *ended
        {
            self.on_forward_end(&forward, &end, now);
        }
    }

    fn go(&mut self, forward: Forward, copy: Request, way: Way, now: Now) -> Result<(), Box<Ended>> {
        match way {
            Way::Route(route) => self.send_out(route, copy, Purpose::Forward(forward), now),
            Way::Target(target) => self.forward_to(forward, copy, vec![target], Large::UseTcp.into(), now),
        }
    }

    /// The hub has found where a request goes.
    pub(super) fn forward_to(
        &mut self,
        forward: Forward,
        mut copy: Request,
        targets: Vec<Target>,
        sending: Sending,
        now: Now,
    ) -> Result<(), Box<Ended>> {
        let Some(target) = targets.first().copied() else {
            return Err(Box::new((Purpose::Forward(forward), End::NoWay)));
        };
        let is_invite = copy.method == Method::Invite;
        let mut record_routes = Vec::new();
        if proxy::begins_dialog(&copy) {
            // Where the way changes its transport here, each side needs its own (RFC 5658 section 5).
            let names = Names(self.endpoint.names());
            record_routes.extend(names.record_route(forward.inbound).filter(|_| forward.inbound != target.transport));
            record_routes.extend(names.record_route(target.transport));
        }
        proxy::pass_on(&mut copy, record_routes);
        let Some(server) = forward.server else {
            self.endpoint.send_once(&copy, target, sending.domain, Some(forward.mark));
            return Ok(());
        };
        let Some(open) = self.proxy.open.get_mut(&server) else {
            // Taken back while its place was looked up.
            return Ok(());
        };
        match self.endpoint.forward(&copy, targets, sending, forward.mark, now) {
            Ok(client) => {
                tracing::debug!(request = %server, method = %copy.method, transaction = %client, "sent on to SIP");
                open.leg = Some(client);
                let leg = Leg { server, is_invite, cancelled: false, accepted: false, timer: 0 };
                self.proxy.legs.insert(client, leg);
                if is_invite {
                    self.set_leg_timer(client, self.endpoint.timing().c(), now);
                }
                Ok(())
            }
            Err(why) => Err(Box::new((Purpose::Forward(forward), End::from(why)))),
        }
    }

    /// It did not go out at all.
    pub(super) fn on_forward_end(&mut self, forward: &Forward, end: &End, now: Now) {
        // Section 16.9: as if the next hop had said 503, which is not for the caller (16.7 step 6).
        let (status, retry_after) = match end {
            End::Full(_) => (Status::SERVICE_UNAVAILABLE, Some(u64::from(limits::LINK_RETRY_AFTER))),
            End::Resting(time) => (Status::SERVICE_UNAVAILABLE, Some(time.as_secs() + 1)),
            End::TooLarge => (Status::MESSAGE_TOO_LARGE, None),
            End::NotFound(_)
            | End::NoWay
            | End::NotSent(_)
            | End::NotSentLarge(_)
            | End::Broken
            | End::TimedOut { .. }
            | End::Unproven(_)
            | End::Answered(_) => (Status::SERVER_INTERNAL_ERROR, None),
        };
        let Some(open) = forward.server.and_then(|server| Some((server, self.proxy.open.remove(&server)?))) else {
            return;
        };
        let (server, Open { head, .. }) = open;
        let mut response = head.response(status);
        if let Some(seconds) = retry_after {
            response.headers.push(Name::RETRY_AFTER, seconds.to_string());
        }
        tracing::debug!(request = %server, ?end, "not sent on");
        self.endpoint.respond(server, response, now);
    }

    /// Deals with an event that is about what was sent on; gives every other back.
    pub(super) fn on_forward_event(&mut self, event: Event, now: Now) -> Option<Event> {
        let client = match &event {
            Event::Provisional { transaction, .. }
            | Event::Response { transaction, .. }
            | Event::Accepted { transaction, .. }
            | Event::TimedOut { transaction, .. }
            | Event::Failed { transaction, .. } => *transaction,
            Event::Cancelled { transaction } => return self.on_taken_back(*transaction, now).then_some(event),
            Event::Request { .. } | Event::Ack { .. } => return Some(event),
        };
        let Some(leg) = self.proxy.legs.get(&client) else { return Some(event) };
        let (server, is_invite, cancelled) = (leg.server, leg.is_invite, leg.cancelled);
        match event {
            Event::Provisional { response, .. } if is_invite && response.status != Status::TRYING => {
                self.set_leg_timer(client, self.endpoint.timing().c(), now);
                self.send_back(server, proxy::upstream(response), now);
            }
            Event::Response { response, .. } if is_invite && response.status.is_success() => {
                self.proxy.open.remove(&server);
                if let Some(leg) = self.proxy.legs.get_mut(&client) {
                    leg.accepted = true;
                }
                self.set_leg_timer(client, self.endpoint.timing().m(), now);
                self.send_back(server, proxy::upstream(response), now);
            }
            Event::Accepted { response, .. } => self.send_back(server, proxy::upstream(response), now),
            Event::Response { response, .. } => {
                let mut gathered = Gathered::default();
                proxy::upstream(response).into_iter().for_each(|response| gathered.add(response));
                self.end_leg(client);
                self.send_back(server, gathered.best(), now);
            }
            Event::TimedOut { .. } => {
                let open = self.end_leg(client);
                let status = if cancelled { Status::REQUEST_TERMINATED } else { Status::REQUEST_TIMEOUT };
                // RFC 4320 section 4.2: to what is no INVITE, silence says the same and does no harm.
                let response = open.filter(|_| is_invite).map(|open| open.head.response(status));
                self.send_back(server, response, now);
            }
            Event::Failed { .. } => {
                let open = self.end_leg(client);
                self.send_back(server, open.map(|open| open.head.response(Status::SERVER_INTERNAL_ERROR)), now);
            }
            Event::Provisional { .. } | Event::Request { .. } | Event::Ack { .. } | Event::Cancelled { .. } => {}
        }
        None
    }

    /// The peer takes an INVITE back. `true`: it is none of those sent on.
    fn on_taken_back(&mut self, server: ServerId, now: Now) -> bool {
        let Some(open) = self.proxy.open.get(&server) else { return true };
        if let Some(client) = open.leg {
            self.cancel_leg(client, now);
        } else if let Some(open) = self.proxy.open.remove(&server) {
            self.endpoint.respond(server, open.head.response(Status::REQUEST_TERMINATED), now);
        }
        false
    }

    /// Timer C, or nothing more can come of an accepted INVITE.
    pub(super) fn on_leg_timer(&mut self, client: ClientId, timer: u32, now: Now) {
        let Some(leg) = self.proxy.legs.get(&client).filter(|leg| leg.timer == timer) else { return };
        if leg.accepted {
            self.proxy.legs.remove(&client);
        } else {
            // Section 16.8: it has rung for too long.
            self.cancel_leg(client, now);
        }
    }

    fn cancel_leg(&mut self, client: ClientId, now: Now) {
        if let Some(leg) = self.proxy.legs.get_mut(&client) {
            leg.cancelled = true;
            self.endpoint.cancel(client, now);
        }
    }

    fn set_leg_timer(&mut self, client: ClientId, after: std::time::Duration, now: Now) {
        let Some(leg) = self.proxy.legs.get_mut(&client) else { return };
        leg.timer += 1;
        self.timers.set(now, after, Timer::Leg(client, leg.timer));
    }

    fn end_leg(&mut self, client: ClientId) -> Option<Open> {
        let leg = self.proxy.legs.remove(&client)?;
        self.proxy.open.remove(&leg.server)
    }

    fn send_back(&mut self, server: ServerId, response: Option<Response>, now: Now) {
        if let Some(response) = response {
            self.endpoint.respond(server, response, now);
        }
    }

    /// Whoever waits for an answer gets one: the process ends.
    pub(super) fn give_up_forwards(&mut self, now: Now) {
        let mut open: Vec<_> = std::mem::take(&mut self.proxy.open).into_iter().collect();
        open.sort_unstable_by_key(|(server, _)| *server);
        for (server, open) in open {
            self.endpoint.respond(server, stopping(&open.head), now);
        }
    }

    fn was_routed_here(&self, request: &Request) -> bool {
        let names = Names(self.endpoint.names());
        let by_route = request.headers.find::<Route>().is_ok_and(|route| route.is_some_and(|of| names.has(&of.uri)));
        by_route || (request.uri.param("lr").is_some() && names.has(&request.uri))
    }

    /// Whether and where `request` may go on. A request that begins something needs a source that may say what it says;
    /// inside a dialog the names are those that it began with, and that the source is known has been seen to.
    fn checked(&self, request: &Request, inside: bool, believed: bool, asserted: bool) -> Result<Checked, Refusal> {
        check(request)?;
        if self.draining && !inside {
            let mut refusal = Refusal::new(Status::SERVICE_UNAVAILABLE);
            refusal.headers.push((Name::RETRY_AFTER, limits::LINK_RETRY_AFTER.to_string()));
            return Err(refusal);
        }
        if !inside && !believed {
            return Err(Refusal::new(Status::FORBIDDEN));
        }
        let names = Names(self.endpoint.names());
        let mark = proxy::mark(request);
        proxy::check(request, names, mark)?;
        let mut copy = request.clone();
        if !asserted {
            copy.headers.remove(Name::P_ASSERTED_IDENTITY);
        }
        proxy::preprocess(&mut copy, names);
        let way = proxy::aim(&mut copy).and_then(|uri| self.way(&uri, inside));
        let way = way.ok_or_else(|| Refusal::new(Status::FORBIDDEN))?;
        Ok(Checked { copy, way, mark })
    }

    /// Where `uri` leads, if that is a place we send to. Inside a dialog an address is the other end's Contact and more
    /// exact than its domain.
    fn way(&self, uri: &Uri, inside: bool) -> Option<Way> {
        let (domain, address) = (self.forwarding_route(uri).map(Way::Route), self.known_address(uri));
        let address = address.map(Way::Target);
        if inside { address.or(domain) } else { domain.or(address) }.or_else(|| self.named_next_hop(uri))
    }

    /// The route of the domain that `uri` is in, if requests for it are sent on.
    fn forwarding_route(&self, uri: &Uri) -> Option<RouteId> {
        if Names(self.endpoint.names()).has(uri) {
            return None;
        }
        let host = uri.host()?.to_string().trim_end_matches('.').to_ascii_lowercase();
        let domain = self.mapping.domain_of_sip(&host, uri.port()).filter(|domain| domain.home == Home::Sip)?;
        let route = self.settings.route_of(&domain.xmpp)?;
        self.settings.routes.get(route).is_some_and(|(_, route)| route.forward).then_some(route)
    }

    /// The route whose next hop `uri` names.
    fn named_next_hop(&self, uri: &Uri) -> Option<Way> {
        let host = uri.host()?.to_string();
        let is_it = |route: &super::Route| {
            let hop = &route.next_hop;
            let same_port = uri.port().is_none_or(|port| hop.port.unwrap_or(port) == port);
            route.forward && same_port && hop.host.eq_ignore_ascii_case(&host)
        };
        self.settings.routes.iter().position(|(_, route)| is_it(route)).map(Way::Route)
    }

    /// The address that `uri` is, if a peer of ours sends from it. Over TLS an address proves nothing, so that is left to
    /// names.
    fn known_address(&self, uri: &Uri) -> Option<Target> {
        let ip = numeric(&uri.host()?.to_string())?;
        let transport = uri.param("transport").map_or(Some(Transport::Udp), Transport::from_token)?;
        if !matches!(transport, Transport::Udp | Transport::Tcp) || Names(self.endpoint.names()).has(uri) {
            return None;
        }
        let port = uri.port().unwrap_or(transport.default_port());
        let source = Source { ip, port, transport, names: &[], account: None };
        let known = self.settings.trust.standing(&source) == Standing::Peer;
        known.then_some(Target { transport, addr: SocketAddr::new(ip, port) })
    }
}

/// The hosts of the domains that requests are sent on to.
pub(super) fn hosts(settings: &Settings, mapping: &Mapping) -> Vec<String> {
    let forwards = |xmpp: &str| settings.routes.iter().any(|(domain, route)| route.forward && domain == xmpp);
    let of_sip = mapping.domains().iter().filter(|domain| domain.home == Home::Sip);
    of_sip.filter(|domain| forwards(&domain.xmpp)).map(|domain| domain.sip_host.clone()).collect()
}

fn stopping(head: &Request) -> Response {
    let mut response = head.response(Status::SERVICE_UNAVAILABLE);
    response.headers.push(Name::RETRY_AFTER, limits::LINK_RETRY_AFTER.to_string());
    response
}
