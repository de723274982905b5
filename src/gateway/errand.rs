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

use super::{Gateway, LookupId, Output, Size, limits, to_sip};
use crate::sip::endpoint::{Cause, ClientId, Large, NotStarted, Sending};
use crate::sip::locate::{self, Answer, Locator, Query, Step, Target, Transport};
use crate::sip::message::{Request, Response};
use crate::time::Now;

/// A next hop by its place in [`Settings::routes`](super::Settings::routes).
pub(super) type RouteId = usize;

/// What a request of ours is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// A message of an XMPP user.
    Letter(to_sip::Pending),
}

/// How an errand ended.
#[derive(Debug)]
pub(super) enum End {
    /// The final response.
    Answered(Response),
    /// None came in 64 * T1.
    TimedOut {
        /// Whether a provisional response came.
        heard: bool,
    },
    /// The transport could not send it.
    NotSent(Cause),
    /// Over TCP, where it went for its size alone, it could not be sent.
    NotSentLarge(Cause),
    /// It is larger than the way allows.
    TooLarge,
    /// The next hop was not found.
    NotFound(locate::Reason),
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
}

/// A request that is out.
#[derive(Debug)]
pub(super) struct Out {
    purpose: Purpose,
    /// Whether it went over TCP only because of its size.
    large: bool,
}

/// An errand that waits for DNS.
#[derive(Debug)]
pub(super) struct Lookup {
    errand: Errand,
    locator: Locator,
}

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
        let errand = Errand { route, request, purpose };
        let Some((_, to)) = self.settings.routes.get(route) else { return Err(Box::new((errand.purpose, End::NoWay))) };
        let (locator, step) = locate::locate(&to.next_hop);
        self.go_on(errand, locator, step, now)
    }

    fn go_on(&mut self, errand: Errand, locator: Locator, step: Step, now: Now) -> Result<(), Box<Ended>> {
        match step {
            Step::Found(targets) => self.send_to(errand, targets, now),
            Step::Ask(query) => self.ask(errand, locator, query),
            Step::NotFound(reason) => Err(Box::new((errand.purpose, End::NotFound(reason)))),
        }
    }

    fn ask(&mut self, errand: Errand, locator: Locator, query: Query) -> Result<(), Box<Ended>> {
        if self.lookups.len() >= limits::LOOKUPS {
            return Err(Box::new((errand.purpose, End::Full("too many DNS questions are open"))));
        }
        self.lookup_count += 1;
        self.lookups.insert(self.lookup_count, Lookup { errand, locator });
        self.outputs.push(Output::Locate(self.lookup_count, query));
        Ok(())
    }

    pub(super) fn on_located(&mut self, id: LookupId, answer: Answer, now: Now) {
        let Some(Lookup { errand, mut locator }) = self.lookups.remove(&id) else { return };
        let step = locator.answer(answer);
        if let Err(ended) = self.go_on(errand, locator, step, now) {
            let (purpose, end) = *ended;
            self.on_end(purpose, end, now);
        }
    }

    fn send_to(&mut self, errand: Errand, mut targets: Vec<Target>, now: Now) -> Result<(), Box<Ended>> {
        let Errand { route, request, purpose } = errand;
        let large = self.is_too_large(&request, route, &targets);
        match large {
            Some(Size::Refuse) => return Err(Box::new((purpose, End::TooLarge))),
            Some(Size::Tcp) => {
                targets.iter_mut().filter(|t| t.transport == Transport::Udp).for_each(|t| t.transport = Transport::Tcp);
            }
            None => {}
        }
        let domain = self.settings.routes.get(route).and_then(|(_, route)| route.tls_name.clone());
        match self.endpoint.request(&request, targets, Sending { large: Large::UseUdp, domain }, now) {
            Ok(transaction) => {
                tracing::debug!(errand = %purpose, call_id = request.headers.call_id(), %transaction, "sent to SIP");
                self.errands.insert(transaction, Out { purpose, large: large.is_some() });
                Ok(())
            }
            Err(NotStarted::Overload) => Err(Box::new((purpose, End::Full("too many requests wait for answers")))),
            Err(NotStarted::NoTarget) => Err(Box::new((purpose, End::NoWay))),
        }
    }

    /// What the route says about a request that is too large for the UDP target it would go to first.
    fn is_too_large(&self, request: &Request, route: RouteId, targets: &[Target]) -> Option<Size> {
        let (_, route) = self.settings.routes.get(route)?;
        let udp = targets.first().is_some_and(|target| target.transport == Transport::Udp);
        let size = || self.endpoint.size_with_via(request, Transport::Udp);
        (udp && size() > route.max_message).then_some(route.large)
    }

    pub(super) fn on_response(&mut self, transaction: ClientId, response: Response, now: Now) {
        let Some(out) = self.errands.remove(&transaction) else { return };
        self.on_end(out.purpose, End::Answered(response), now);
    }

    pub(super) fn on_timed_out(&mut self, transaction: ClientId, heard: bool, now: Now) {
        let Some(out) = self.errands.remove(&transaction) else { return };
        self.on_end(out.purpose, End::TimedOut { heard }, now);
    }

    pub(super) fn on_failed(&mut self, transaction: ClientId, cause: Cause, now: Now) {
        let Some(out) = self.errands.remove(&transaction) else { return };
        let end = match cause {
            Cause::TooLarge => End::TooLarge,
            Cause::NotSent(_) if out.large => End::NotSentLarge(cause),
            Cause::NotSent(_) => End::NotSent(cause),
        };
        self.on_end(out.purpose, end, now);
    }

    /// An errand has come to its end.
    fn on_end(&mut self, purpose: Purpose, end: End, now: Now) {
        match purpose {
            Purpose::Letter(letter) => self.on_letter_end(letter, end, now),
        }
    }

    /// Every errand is given up: the process ends. What they were for.
    pub(super) fn abandon_errands(&mut self) -> Vec<Purpose> {
        let out = std::mem::take(&mut self.errands).into_values().map(|out| out.purpose);
        let waiting = std::mem::take(&mut self.lookups).into_values().map(|lookup| lookup.errand.purpose);
        out.chain(waiting).collect()
    }
}

/// As the log names it.
impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Letter(letter) => write!(f, "{letter}"),
        }
    }
}
