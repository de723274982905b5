//! Errands: requests of ours to a configured next hop, from the question where that is to the one end each has.
//!
//! ```text
//!  send_out -> locate -> (DNS) -> size, targets -> endpoint ... on_response, on_timed_out, on_failed -> on_end
//!     |           |                                                  |
//!     +-----------+--> ended at once: given back to the caller       +--> may go out once more: resend
//! ```
//! What an errand is *for* ([`Purpose`]) decides only what its end means. Everything about the way lies here, so that a
//! message, a question about health and a registration fail over, wait for DNS and grow too large in the same manner.
//!
//! An errand that ends before anything left is given back instead of told, so that a caller with a queue goes on in a
//! loop and not in a recursion.

use std::time::Duration;

use super::authorize::is_challenge;
use super::people::UserId;
use super::record::RecordId;
use super::register::RegistrationId;
use super::trust::Source;
use super::{Gateway, LookupId, Size, limits, presence, proxy, to_sip};
use crate::model::Failure;
use crate::sip::auth::{Attempts, Refusal};
use crate::sip::dialog::Hop;
use crate::sip::endpoint::{Cause, ClientId, Flow, Large, NotStarted, Sending};
use crate::sip::locate::{self, Answer, Destination, Find, Target, Transport};
use crate::sip::message::header::CSeq;
use crate::sip::message::{Request, Response};
use crate::time::Now;

/// A next hop by its place in [`Settings::routes`](super::Settings::routes).
pub(super) type RouteId = usize;

/// What a request of ours is for.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are letters, and a box would be one allocation for each")]
pub(super) enum Purpose {
    /// A message of an XMPP user.
    Letter(to_sip::Pending),
    /// The question whether a next hop is there.
    Health(RouteId),
    /// A request of a peer, sent on.
    Forward(proxy::Forward),
    /// A registration of ours.
    Register {
        /// Which.
        id: RegistrationId,
        /// In whose name, if not the domain's.
        user: Option<UserId>,
    },
    /// A SUBSCRIBE of ours.
    Subscribe(presence::Sent),
    /// A NOTIFY of ours.
    Notify(RecordId),
    /// A PUBLISH of ours.
    Publish {
        /// Which publication.
        id: RecordId,
        /// In whose name, if not the domain's.
        user: Option<UserId>,
    },
}

impl Purpose {
    /// The user in whose own name it is, and with whose credentials.
    pub(super) fn user(&self) -> Option<UserId> {
        match self {
            Self::Letter(letter) => letter.user(),
            Self::Subscribe(sent) => sent.user,
            Self::Register { user, .. } | Self::Publish { user, .. } => *user,
            Self::Health(_) | Self::Forward(_) | Self::Notify(_) => None,
        }
    }
}

/// How an errand ended.
#[derive(Debug)]
pub(super) enum End {
    /// The final response.
    Answered(Response),
    /// A challenge that we cannot answer, in words.
    Unproven(Failure),
    /// None came in 64 * T1.
    TimedOut {
        /// Whether a provisional response came.
        heard: bool,
    },
    /// Its connection closed before anything was heard; it may have arrived.
    Broken,
    /// The transport could not send it.
    NotSent(Cause),
    /// Over TCP, where it went for its size alone, it could not be sent.
    NotSentLarge(Cause),
    /// It is larger than the way allows.
    TooLarge,
    /// The next hop was not found.
    NotFound(locate::Reason),
    /// Every server of the next hop has asked to be left alone for so long (RFC 3261 section 21.5.4).
    Resting(Duration),
    /// A table of ours is full; the words say which.
    Full(&'static str),
    /// No transport of ours leads to the next hop.
    NoWay,
}

/// A request before it is out.
#[derive(Debug)]
pub(super) struct Errand {
    route: RouteId,
    request: Request,
    purpose: Purpose,
    /// Another way than that of the route.
    way: Option<Box<Way>>,
}

/// Where a request goes that does not go to the next hop of its route.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) to: Destination,
    /// A connection that is tried first.
    flow: Option<Flow>,
}

impl Errand {
    pub(super) fn route(&self) -> RouteId {
        self.route
    }

    pub(super) fn way(&self) -> Option<&Way> {
        self.way.as_deref()
    }
}

/// A request that is out.
#[derive(Debug)]
pub(super) struct Out {
    route: RouteId,
    purpose: Purpose,
    /// Whether it went over TCP only because of its size.
    large: bool,
    /// Kept only where an answer may call for another try.
    again: Option<Box<Again>>,
}

/// What another try needs: with credentials after a challenge (RFC 3261 section 22.2), or in a form that the peer takes.
#[derive(Debug)]
struct Again {
    request: Request,
    /// Where it went, in this order: a nonce counts where it came from.
    targets: Vec<Target>,
    /// The connection that the first of them is.
    flow: Option<Flow>,
    tries: u8,
    challenges: Attempts,
    /// Why the last challenge was not answered.
    refusal: Option<Refusal>,
}

/// The request does not fit, and the route says that it must.
struct TooLarge;

/// An errand that ended before anything left.
pub(super) type Ended = (Purpose, End);

impl Gateway {
    /// Sends `request` to the next hop of `route`; its end comes to [`Gateway::on_end`].
    ///
    /// # Errors
    /// It has ended already, and no other end comes.
    pub(super) fn send_out(
        &mut self,
        route: RouteId,
        request: Request,
        purpose: Purpose,
        now: Now,
    ) -> Result<(), Box<Ended>> {
        self.locate(Errand { route, request, purpose, way: None }, now)
    }

    /// Sends `request`, one in a dialog, to where its dialog says ([`Dialog::next_hop`]): with the credentials of `route`, its
    /// rules about size and the name that TLS must prove. Its end comes to [`Gateway::on_end`].
    ///
    /// # Errors
    /// It has ended already, and no other end comes.
    ///
    /// [`Dialog::next_hop`]: crate::sip::dialog::Dialog::next_hop
    pub(super) fn send_in_dialog(
        &mut self,
        route: RouteId,
        hop: Option<Hop>,
        request: Request,
        purpose: Purpose,
        now: Now,
    ) -> Result<(), Box<Ended>> {
        let Some((to, hop)) = hop.and_then(|hop| Some((Destination::of(&hop.uri)?, hop))) else {
            return Err(Box::new((purpose, End::NotFound(locate::Reason::NoTransport))));
        };
        let flow = hop.flow.and_then(|flow| self.ways.get(&flow).copied());
        let configured = self.settings.routes.get(route).is_some_and(|(_, route)| route.next_hop.covers(&to));
        let way = (flow.is_some() || !configured).then(|| Box::new(Way { to, flow }));
        self.locate(Errand { route, request, purpose, way }, now)
    }

    /// Notes by which connection a peer's request in a dialog has come, so that ours can go back by it while it is open.
    pub(super) fn note_way(&mut self, flow: &Flow) {
        if flow.transport.is_reliable() {
            self.ways.insert(flow.id, *flow);
        }
    }

    fn locate(&mut self, errand: Errand, now: Now) -> Result<(), Box<Ended>> {
        self.learn(now);
        let flow = errand.way().and_then(|way| way.flow);
        let end = match self.directions.find(errand.route, errand.way(), now.mono, &mut self.outputs) {
            Find::Found(targets) => return self.send_to(errand, targets, now),
            // Where the connection is open nobody has to wait, and where else it could go does not matter.
            Find::Wait | Find::NotFound(_) | Find::Resting(_) if flow.is_some() => {
                return self.send_to(errand, Vec::new(), now);
            }
            Find::Wait if self.directions.is_full() => End::Full("too many requests wait for DNS"),
            Find::Wait => {
                self.directions.wait(errand);
                return Ok(());
            }
            Find::NotFound(reason) => End::NotFound(reason),
            Find::Resting(time) => End::Resting(time),
        };
        Err(Box::new((errand.purpose, end)))
    }

    /// Hears from the endpoint which servers work.
    pub(super) fn learn(&mut self, now: Now) {
        while let Some(report) = self.endpoint.poll_report() {
            self.directions.note(report, now.mono);
        }
    }

    pub(super) fn on_located(&mut self, id: LookupId, answer: Answer, ttl: Duration, now: Now) {
        for errand in self.directions.on_answer(id, answer, ttl, now.mono, &mut self.outputs) {
            if let Err(ended) = self.locate(errand, now) {
                let (purpose, end) = *ended;
                self.on_end(purpose, end, now);
            }
        }
    }

    fn send_to(&mut self, errand: Errand, mut targets: Vec<Target>, now: Now) -> Result<(), Box<Ended>> {
        let Errand { route, mut request, purpose, way } = errand;
        let flow = way.as_ref().and_then(|way| way.flow);
        if let Some(flow) = flow {
            targets.insert(0, Target { transport: flow.transport, addr: flow.remote });
        }
        if let Purpose::Forward(forward) = purpose {
            return match self.fit(&request, route, &mut targets) {
                Ok(_) => self.forward_to(forward, request, targets, self.sending(route, None), now),
                Err(TooLarge) => Err(Box::new((Purpose::Forward(forward), End::TooLarge))),
            };
        }
        // Where a dialog leads is said by whoever is at its other end, and a hash made for a stranger could be tried out.
        let proves = way.is_none() || targets.iter().all(|target| self.is_of_peer(target, flow.as_ref()));
        if proves {
            self.authorize(route, &purpose, &mut request);
        }
        let Ok(large) = self.fit(&request, route, &mut targets) else {
            return Err(Box::new((purpose, End::TooLarge)));
        };
        if let Purpose::Register { id, .. } = &purpose {
            self.registrations.went_to(*id, &targets, now);
        }
        let again = (proves && self.may_go_again(route, &purpose)).then(|| targets.clone());
        let mut sending = self.sending(route, flow);
        if let (None, Some(way)) = (&sending.domain, way.filter(|way| !way.to.is_address())) {
            sending.domain = Some(way.to.host.into());
        }
        match self.endpoint.request(&request, targets, sending, now) {
            Ok(transaction) => {
                tracing::debug!(errand = %purpose, call_id = request.headers.call_id(), %transaction, "sent to SIP");
                let again = again.map(|targets| Box::new(Again { flow, ..Again::new(request, targets) }));
                self.errands.insert(transaction, Out { route, purpose, large, again });
                Ok(())
            }
            Err(why) => Err(Box::new((purpose, End::from(why)))),
        }
    }

    /// Whether this is an address from which a configured peer may send; `flow`: the connection that is used to it.
    fn is_of_peer(&self, target: &Target, flow: Option<&Flow>) -> bool {
        let flow = match flow {
            Some(flow) if flow.remote == target.addr => *flow,
            Some(_) | None => Flow { transport: target.transport, local: target.addr, remote: target.addr, id: 0 },
        };
        let names = self.flows.get(&flow.id).map_or(&[][..], |names| names);
        self.settings.trust.who(&Source::of(&flow, names)).is_some()
    }

    /// `flow`: the connection that the first target is.
    fn sending(&self, route: RouteId, flow: Option<Flow>) -> Sending {
        let domain = self.settings.routes.get(route).and_then(|(_, route)| route.tls_name.clone());
        Sending { large: Large::UseUdp, domain, flow: flow.map(|flow| flow.id) }
    }

    /// Whether an answer may call for another try: then the request is kept.
    fn may_go_again(&mut self, route: RouteId, purpose: &Purpose) -> bool {
        self.has_credentials(route, purpose)
    }

    /// Whether `response` calls for another try, and then makes the request ready for it.
    fn calls_for_another(&mut self, out: &Out, again: &mut Again, response: &Response, now: Now) -> bool {
        let (request, challenges) = (&mut again.request, &mut again.challenges);
        match self.answers_challenge(out.route, &out.purpose, response, request, challenges, now) {
            Ok(answered) => answered,
            Err(refusal) => {
                again.refusal = Some(refusal);
                false
            }
        }
    }

    /// The same request once more: a new transaction with the next CSeq (RFC 3261 section 8.1.3.5).
    fn resend(&mut self, mut out: Out, mut again: Box<Again>, now: Now) {
        if let Ok(cseq) = again.request.headers.cseq() {
            again.request.headers.set(&CSeq { number: cseq.number + 1, ..cseq });
        }
        // Credentials are long: what went by UDP without them may need TCP with them.
        match self.fit(&again.request, out.route, &mut again.targets) {
            Ok(large) => out.large |= large,
            Err(TooLarge) => return self.on_end(out.purpose, End::TooLarge, now),
        }
        let sending = self.sending(out.route, again.flow.filter(|flow| self.ways.contains_key(&flow.id)));
        match self.endpoint.request(&again.request, again.targets.clone(), sending, now) {
            Ok(transaction) => {
                tracing::debug!(errand = %out.purpose, %transaction, "sent to SIP once more");
                out.again = Some(again);
                self.errands.insert(transaction, out);
            }
            Err(why) => self.on_end(out.purpose, why.into(), now),
        }
    }

    /// Does what the route says about a request that is too large for UDP: other targets come first, and UDP ones become
    /// TCP ones or are left out. `true`: it goes over TCP for its size alone.
    fn fit(&self, request: &Request, route: RouteId, targets: &mut Vec<Target>) -> Result<bool, TooLarge> {
        let Some((_, route)) = self.settings.routes.get(route) else { return Ok(false) };
        let udp = |target: &Target| target.transport == Transport::Udp;
        if !targets.iter().any(udp) || self.endpoint.size_with_via(request, Transport::Udp) <= route.max_message {
            return Ok(false);
        }
        let (over_udp, others): (Vec<_>, Vec<_>) = targets.drain(..).partition(udp);
        *targets = others;
        let alone = targets.is_empty();
        match route.large {
            Size::Refuse if alone => Err(TooLarge),
            Size::Refuse => Ok(false),
            Size::Tcp => {
                targets.extend(over_udp.into_iter().map(|target| Target { transport: Transport::Tcp, ..target }));
                Ok(alone)
            }
        }
    }

    pub(super) fn on_response(&mut self, transaction: ClientId, response: Response, now: Now) {
        let Some(mut out) = self.errands.remove(&transaction) else { return };
        let mut refusal = None;
        if let Some(mut again) = out.again.take() {
            if again.tries < limits::TRIES && self.calls_for_another(&out, &mut again, &response, now) {
                again.tries += 1;
                self.resend(out, again, now);
                return;
            }
            refusal = again.refusal.or(Some(Refusal::TooMany));
        }
        let end = match is_challenge(&response) {
            true => End::Unproven(self.unproven(out.route, &response, refusal, now)),
            false => End::Answered(response),
        };
        self.on_end(out.purpose, end, now);
    }

    pub(super) fn on_timed_out(&mut self, transaction: ClientId, heard: bool, now: Now) {
        let Some(out) = self.errands.remove(&transaction) else { return };
        self.on_end(out.purpose, End::TimedOut { heard }, now);
    }

    pub(super) fn on_failed(&mut self, transaction: ClientId, cause: Cause, now: Now) {
        let Some(out) = self.errands.remove(&transaction) else { return };
        let end = match cause {
            Cause::TooLarge => End::TooLarge,
            Cause::Broken => End::Broken,
            Cause::NotSent(_) if out.large => End::NotSentLarge(cause),
            Cause::NotSent(_) => End::NotSent(cause),
        };
        self.on_end(out.purpose, end, now);
    }

    /// An errand has come to its end.
    fn on_end(&mut self, purpose: Purpose, end: End, now: Now) {
        match purpose {
            Purpose::Letter(letter) => self.on_letter_end(letter, end, now),
            Purpose::Health(route) => self.on_health_end(route, end, now),
            Purpose::Forward(forward) => self.on_forward_end(&forward, &end, now),
            Purpose::Register { id, .. } => self.on_register_end(id, end, now),
            Purpose::Subscribe(sent) => self.on_subscribe_end(sent, end, now),
            Purpose::Notify(dialog) => self.on_notify_end(dialog, end, now),
            Purpose::Publish { id, .. } => self.on_publish_end(id, end, now),
        }
    }

    /// Every errand is given up: the process ends. What they were for.
    pub(super) fn abandon_errands(&mut self) -> Vec<Purpose> {
        let out = std::mem::take(&mut self.errands).into_values().map(|out| out.purpose);
        let waiting = self.directions.abandon().map(|errand| errand.purpose);
        out.chain(waiting).collect()
    }
}

impl Again {
    fn new(request: Request, targets: Vec<Target>) -> Self {
        Self { request, targets, flow: None, tries: 1, challenges: Attempts::default(), refusal: None }
    }
}

impl From<NotStarted> for End {
    fn from(why: NotStarted) -> Self {
        match why {
            NotStarted::Overload => Self::Full("too many requests wait for answers"),
            NotStarted::NoTarget => Self::NoWay,
        }
    }
}

/// As the log names it.
impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Letter(letter) => write!(f, "{letter}"),
            Self::Health(route) => write!(f, "health of {route}"),
            Self::Forward(forward) => write!(f, "{forward}"),
            Self::Register { id, .. } => write!(f, "r{id}"),
            Self::Subscribe(sent) => write!(f, "u{}", sent.usage),
            Self::Notify(dialog) => write!(f, "n{:x}", dialog.0),
            Self::Publish { id, .. } => write!(f, "p{:x}", id.0),
        }
    }
}
