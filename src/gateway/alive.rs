//! Whether the next hops are there: OPTIONS at the start and every `options_every` (RFC 3261 section 11).
//!
//! Any final response means that somebody is there, whatever it says: a PBX without an extension of that name answers 404,
//! one that wants a password 401. What is found is told on `/ready` and `/metrics`. It refuses no message: a peer that
//! dislikes OPTIONS may take them, and a message that fails says so itself.

use std::time::Duration;

use super::errand::{End, Purpose, RouteId};
use super::stats::Sample;
use super::{Gateway, Timer, limits};
use crate::mapping::Home;
use crate::sip::capability::Known;
use crate::sip::message::{Headers, Method, Name, Request};
use crate::sip::uri::Uri;
use crate::time::Now;

/// What is known of one next hop.
#[derive(Debug, Clone, Default)]
pub(super) struct Alive {
    asked: Duration,
    /// Whether it answered the last time, and since when it does or does not.
    state: Option<(bool, Duration)>,
    round_trip: Duration,
    /// Why not, in words.
    trouble: String,
}

/// A part of the SIP side as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is: `sip pbx.example`.
    pub name: String,
    /// Whether it works.
    pub up: bool,
    /// In words.
    pub detail: String,
}

impl Gateway {
    /// The first question goes out as soon as time passes at all.
    pub(super) fn begin_asking(&mut self) {
        for (route, (_, to)) in self.settings.routes.iter().enumerate() {
            if to.options_every.is_some() {
                self.timers.set_at(Duration::ZERO, Timer::Ask(route));
            }
        }
    }

    /// Asks a next hop whether it is there.
    pub(super) fn ask_health(&mut self, route: RouteId, now: Now) {
        if self.draining {
            return;
        }
        let Some(request) = self.options(route) else { return };
        self.alive.entry(route).or_default().asked = now.mono;
        if let Err(ended) = self.send_out(route, request, Purpose::Health(route), now) {
            let (_, end) = *ended;
            self.on_health_end(route, end, now);
        }
    }

    fn options(&mut self, route: RouteId) -> Option<Request> {
        let (domain, _) = self.settings.routes.get(route)?;
        let domain = self.mapping.domain_of_xmpp(domain)?;
        let uri = Uri::sip(None, &domain.sip_host, domain.sip_port).ok()?;
        let ours = self.mapping.domains().iter().find(|domain| domain.home == Home::Xmpp).unwrap_or(domain);
        self.cseq = self.cseq % limits::LAST_CSEQ + 1;
        let mut headers = Headers::with_capacity(8, 256);
        headers.push(Name::MAX_FORWARDS, "70");
        headers.push(Name::TO, format!("<{uri}>"));
        headers.push(Name::FROM, format!("<sip:{}>;tag={}", ours.sip_host, self.ids.tag()));
        headers.push(Name::CALL_ID, self.ids.call_id());
        headers.push(Name::CSEQ, format!("{} OPTIONS", self.cseq));
        headers.push(Name::ACCEPT, self.mapping.accepted_types());
        headers.push(Name::CONTENT_LENGTH, "0");
        let mut request = Request::new(Method::Options, uri);
        request.headers = headers;
        Some(request)
    }

    /// A question about health has ended; the next one is set.
    pub(super) fn on_health_end(&mut self, route: RouteId, end: End, now: Now) {
        let alive = self.alive.entry(route).or_default();
        let trouble = match end {
            End::Answered(response) => {
                alive.round_trip = now.mono.saturating_sub(alive.asked);
                self.on_capable(route, &response, now);
                None
            }
            End::Unproven(_) => {
                alive.round_trip = now.mono.saturating_sub(alive.asked);
                None
            }
            End::Resting(time) => Some(format!("it asked to be left alone for {} s", time.as_secs())),
            End::TimedOut { .. } => Some("no answer".to_owned()),
            End::NotSent(cause) | End::NotSentLarge(cause) => Some(cause.to_string()),
            End::Broken => Some("the connection broke".to_owned()),
            End::NotFound(reason) => Some(reason.to_string()),
            End::NoWay => Some("no transport leads there".to_owned()),
            End::TooLarge | End::Full(_) => {
                // It says nothing about the peer.
                self.set_next(route, now);
                return;
            }
        };
        self.note(route, trouble, now);
        self.set_next(route, now);
    }

    fn set_next(&mut self, route: RouteId, now: Now) {
        if let Some(every) = self.settings.routes.get(route).and_then(|(_, to)| to.options_every) {
            self.timers.set(now, every, Timer::Ask(route));
        }
    }

    fn note(&mut self, route: RouteId, trouble: Option<String>, now: Now) {
        let name = self.peer_name(route);
        let alive = self.alive.entry(route).or_default();
        let up = trouble.is_none();
        let (was, since) = alive.state.unwrap_or((true, now.mono));
        alive.state = Some((up, if was == up { since } else { now.mono }));
        alive.trouble = trouble.unwrap_or_default();
        match (was, up) {
            (true, false) => tracing::warn!(peer = name, why = alive.trouble, "the SIP server does not answer OPTIONS"),
            (false, true) => tracing::info!(peer = name, "the SIP server answers OPTIONS again"),
            (true, true) | (false, false) => {}
        }
    }

    /// The SIP domain of a route.
    pub(super) fn peer_name(&self, route: RouteId) -> String {
        let domain = self.settings.routes.get(route).and_then(|(domain, _)| self.mapping.domain_of_xmpp(domain));
        domain.map(|domain| domain.sip_host.clone()).unwrap_or_default()
    }

    /// How each next hop that is asked is doing.
    #[must_use]
    pub fn conditions(&self, now: Duration) -> Vec<Condition> {
        let known = (0..self.settings.routes.len()).filter_map(|route| Some((route, self.alive.get(&route)?)));
        known.filter_map(|(route, alive)| self.condition(route, alive, now)).collect()
    }

    fn condition(&self, route: RouteId, alive: &Alive, now: Duration) -> Option<Condition> {
        let (up, since) = alive.state?;
        let seconds = now.saturating_sub(since).as_secs();
        let messages = self.capabilities(route).map(|can| can.allows(&Method::Message, now));
        let refuses = if messages == Some(Known::No) { ", and does not list MESSAGE in Allow" } else { "" };
        let detail = if up {
            format!("answers OPTIONS in {:.1} ms{refuses}", alive.round_trip.as_secs_f64() * 1000.0)
        } else {
            format!("does not answer OPTIONS ({}), for {seconds} s", alive.trouble)
        };
        Some(Condition { name: format!("sip {}", self.peer_name(route)), up, detail })
    }

    /// Whether each next hop that is asked answers, for the metrics page.
    pub(super) fn health_samples(&self) -> Vec<Sample> {
        let sample = |name, help, route: RouteId, value| Sample {
            name,
            help,
            counter: false,
            labels: vec![("domain", self.peer_name(route))],
            value,
        };
        let known = || {
            let all = (0..self.settings.routes.len()).filter_map(|route| Some((route, self.alive.get(&route)?)));
            all.filter_map(|(route, alive)| Some((route, alive, alive.state?.0)))
        };
        let up = known().map(|(route, _, up)| {
            sample("stox_peer_up", "Whether the SIP server answers OPTIONS.", route, u64::from(up))
        });
        let slow = known().map(|(route, alive, _)| {
            let micros = u64::try_from(alive.round_trip.as_micros()).unwrap_or(u64::MAX);
            sample("stox_peer_round_trip_microseconds", "How long its last answer to OPTIONS took.", route, micros)
        });
        up.chain(slow).collect()
    }
}
