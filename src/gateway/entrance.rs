//! What is asked of every SIP request before anybody acts on it: who sent it, may they say that, and not too often.
//!
//! | source | gets |
//! |---|---|
//! | a stranger | 403 without a transaction, or silence (`sip.unknown_source`); no more than so often, see `net::intake` |
//! | somebody who may be a peer by account | 401, without a transaction, until it proves one (`prove`) |
//! | a peer beyond its rate | 503 with Retry-After, without a transaction; what repeats a request gets what that got |
//! | a peer for a domain that is not its own | 403 to a MESSAGE, a SUBSCRIBE, or a NOTIFY of a subscription there; the rest is served in whatever name |
//! | a peer with a method that is not taken from it | 403 |

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::rate::{Limiter, Limiters, TooMuch};
use super::recent::{Print, Recent};
use super::refused::{Reason, Refusals};
use super::stats::ToXmpp;
use super::trust::{Claim, PeerId, Source, Standing, Stranger, Trust, Verdict};
use super::{Gateway, limits};
use crate::sip::auth::Door;
use crate::sip::endpoint::{Flow, Inbound, ServerId};
use crate::sip::message::header::{NameAddr, PAssertedIdentity};
use crate::sip::message::{self, Method, Name, Request, Status};
use crate::sip::uri::{Scheme, Uri};
use crate::time::Now;

/// What the entrance remembers.
#[derive(Debug)]
pub(super) struct Entrance {
    /// By the number of the peer.
    rates: Vec<Rates>,
    is_limited: bool,
    believes_asserted: bool,
    /// Makes the keys of users, so that nobody can choose two with the same.
    hasher: RandomState,
    /// Requests that were refused for their rate: they stay refused, however often they come (RFC 3261 section 8.2.7).
    excess: Recent,
    pub(super) refusals: Refusals,
}

#[derive(Debug)]
struct Rates {
    all: Option<Limiter>,
    users: Option<Limiters<u64>>,
}

impl Entrance {
    pub(super) fn new(trust: &Trust) -> Self {
        let rates = |peer: &super::trust::Peer| Rates {
            all: peer.rate.map(Limiter::new),
            users: peer.user_rate.map(|rate| Limiters::new(rate, limits::LIMITED_USERS)),
        };
        Self {
            rates: trust.peers().iter().map(rates).collect(),
            is_limited: trust.is_limited(),
            believes_asserted: trust.peers().iter().any(|peer| peer.asserted_identity),
            hasher: RandomState::new(),
            excess: Recent::new(limits::EXCESS),
            refusals: Refusals::default(),
        }
    }

    /// The peers' addresses are known anew. What they have used of their rates stays used.
    pub(super) fn trust(&mut self, trust: &Trust) {
        if trust.peers().len() != self.rates.len() {
            let refusals = std::mem::take(&mut self.refusals);
            *self = Self { refusals, ..Self::new(trust) };
        }
    }

    fn take(&mut self, peer: PeerId, user: &str, now: Now) -> Result<(), TooMuch> {
        let Some(rates) = self.rates.get_mut(peer) else { return Ok(()) };
        if let Some(users) = &mut rates.users {
            users.take(&self.hasher.hash_one(user), now.mono)?;
        }
        rates.all.as_ref().map_or(Ok(()), |all| all.take(now.mono))
    }
}

/// Why a request of a known source is refused.
enum Refused {
    Domain,
    Method,
    Unproven,
    Unknown,
}

/// What a request may do.
#[derive(Default)]
struct Examined {
    /// In whose name it is, if that is not From.
    asserted: Option<NameAddr>,
    /// Who may say in whose name it is, and has.
    believed: Option<PeerId>,
    refused: Option<Refused>,
}

impl Examined {
    fn refused(why: Refused) -> Self {
        Self { refused: Some(why), ..Self::default() }
    }
}

/// What P-Asserted-Identity says.
enum Asserted {
    Nobody,
    Somebody(NameAddr),
    /// Two SIP URIs, or two numbers: one of them may be the user's own, which the proxy has let through.
    Unclear,
}

impl Asserted {
    fn somebody(self) -> Option<NameAddr> {
        match self {
            Self::Somebody(identity) => Some(identity),
            Self::Nobody | Self::Unclear => None,
        }
    }
}

impl Gateway {
    /// The names that the other end of `flow` has proven.
    pub(super) fn names_of(&self, flow: &Flow) -> Option<Arc<[String]>> {
        // Most have none: UDP has no connection, and few connections have a client certificate.
        if flow.id == 0 || self.flows.is_empty() { None } else { self.flows.get(&flow.id).cloned() }
    }

    /// Whether a message is looked at any further. A stranger's request is refused at once, and nothing is kept or
    /// repeated for it (RFC 3261 section 8.2.7): over UDP its source may be forged, and what we send then hits somebody
    /// who never asked.
    pub(super) fn admits(&mut self, inbound: &Inbound, now: Now) -> bool {
        let message::Message::Request(request) = &inbound.message else { return true };
        let names = self.names_of(&inbound.flow);
        let source = Source::of(&inbound.flow, names.as_deref().unwrap_or_default());
        match (self.settings.trust.standing(&source), &request.method) {
            (Standing::Peer, Method::Ack | Method::Cancel) => true,
            (Standing::Unproven, _) => {
                self.proves(request, inbound.flow, now) && self.proven_is_within_rate(inbound, now)
            }
            (Standing::Peer, _) => {
                !self.entrance.is_limited || self.is_within_rate(request, &source, inbound.flow, now)
            }
            (Standing::Stranger(Stranger::Drop), _) => {
                self.stats.dropped += 1;
                self.note_refusal(&inbound.flow, Reason::Unknown, &request.method, now);
                false
            }
            (Standing::Stranger(Stranger::Refuse), Method::Ack) => false,
            (Standing::Stranger(Stranger::Refuse), _) => {
                self.count_refusal(request, &inbound.flow, Reason::Unknown, now);
                self.endpoint.respond_stateless(request.response(Status::FORBIDDEN), inbound.flow);
                false
            }
        }
    }

    /// The same for a source that has proved an account.
    fn proven_is_within_rate(&mut self, inbound: &Inbound, now: Now) -> bool {
        let message::Message::Request(request) = &inbound.message else { return true };
        let Some(account) = self.proven.clone().filter(|_| self.entrance.is_limited) else { return true };
        let names = self.names_of(&inbound.flow);
        let source = Source::of(&inbound.flow, names.as_deref().unwrap_or_default());
        self.is_within_rate(request, &Source { account: Some(&account), ..source }, inbound.flow, now)
    }

    /// Whether the peer has anything left of its rate. What repeats a request that was taken is none of the excess.
    fn is_within_rate(&mut self, request: &Request, source: &Source<'_>, flow: Flow, now: Now) -> bool {
        let asserted = self.asserted(request).somebody();
        let from = request.headers.from().ok();
        let domain = from.as_ref().map(|from| self.domain_of(&from.uri)).unwrap_or_default();
        let asserted_domain = asserted.as_ref().map(|asserted| self.domain_of(&asserted.uri));
        let claim = Claim { from: &domain, asserted: asserted_domain.as_deref() };
        let peer = match self.settings.trust.judge(source, claim) {
            Verdict::Believed(peer) => Some(peer),
            Verdict::Forbidden | Verdict::Unproven | Verdict::Unknown(_) => self.settings.trust.who(source),
        };
        let Some(peer) = peer else { return true };
        let believes = self.settings.trust.peer(peer).is_some_and(|peer| peer.asserted_identity);
        let who = asserted.as_ref().filter(|_| believes).or(from.as_ref().map(|from| &from.0));
        let user = who.map(|who| self.user_of(&who.uri)).unwrap_or_default();
        let print = Print::of(&[Name::VIA, Name::CALL_ID, Name::CSEQ].map(|name| request.headers.get(name)));
        let wait = if self.entrance.excess.knows(print, now) {
            Duration::ZERO
        } else if let Err(TooMuch { wait }) = self.entrance.take(peer, &user, now) {
            wait
        } else {
            return true;
        };
        if self.endpoint.recognises(request) {
            return true;
        }
        self.entrance.excess.seen(print, now);
        self.stats.over_rate += 1;
        self.note_refusal(&flow, Reason::Rate, &request.method, now);
        let mut response = request.response(Status::SERVICE_UNAVAILABLE);
        response.headers.push(Name::RETRY_AFTER, (wait.as_secs() + 1).to_string());
        self.endpoint.respond_stateless(response, flow);
        false
    }

    pub(super) fn on_request(&mut self, transaction: ServerId, request: Request, flow: Flow, now: Now) {
        let is_message = request.method == Method::Message;
        let (mut request, mut proven) = (request, self.proven.take());
        let mut examined = self.examine(&request, &flow, proven.as_deref());
        if proven.is_none() && matches!(examined.refused, Some(Refused::Unproven)) {
            match self.proof(&request, &flow, now) {
                Ok(account) => {
                    examined = self.examine(&request, &flow, Some(&account));
                    proven = Some(account);
                }
                Err(response) => return self.respond(transaction, response, now),
            }
        }
        let Examined { asserted, believed, refused } = examined;
        if let Some(refused) = refused {
            let reason = match refused {
                Refused::Domain => Reason::Domain,
                Refused::Method => Reason::Method,
                Refused::Unproven => Reason::Digest,
                Refused::Unknown => Reason::Unknown,
            };
            self.count_refusal(&request, &flow, reason, now);
            self.respond(transaction, request.response(Status::FORBIDDEN), now);
            return;
        }
        if let (Some(_), Some(server)) = (&proven, &self.prover) {
            server.take_proof(Door::Server, &mut request);
        }
        let Some(request) =
            self.try_forward(transaction, request, &flow, (believed.is_some(), asserted.is_some()), now)
        else {
            return;
        };
        if let Some(refusal) = self.not_servable(&request) {
            if is_message {
                self.stats.to_xmpp(ToXmpp::Rejected);
            } else {
                self.stats.other_requests += 1;
            }
            self.respond(transaction, refusal, now);
        } else if is_message {
            self.on_message_request(transaction, request, asserted.as_ref(), now);
        } else if request.method == Method::Subscribe {
            self.stats.other_requests += 1;
            self.note_way(&flow);
            self.on_subscribe_request(transaction, request, (asserted.as_ref(), believed), &flow, now);
        } else if request.method == Method::Notify {
            self.stats.other_requests += 1;
            self.take_notify(transaction, &request, (&flow, proven.as_deref()), now);
        } else {
            self.on_other_request(transaction, &request, now);
        }
    }

    /// Whether this request is to be served for whoever sent it, and in whose name if that is not From.
    fn examine(&self, request: &Request, flow: &Flow, account: Option<&str>) -> Examined {
        let names = self.names_of(flow);
        let source = Source { account, ..Source::of(flow, names.as_deref().unwrap_or_default()) };
        let asserted = self.asserted(request);
        let is_unclear = matches!(asserted, Asserted::Unclear);
        let asserted = asserted.somebody();
        let asserted_domain = asserted.as_ref().map(|asserted| self.domain_of(&asserted.uri));
        let from = request.headers.from().map(|from| self.domain_of(&from.uri)).unwrap_or_default();
        let trust = &self.settings.trust;
        let refused = match trust.judge(&source, Claim { from: &from, asserted: asserted_domain.as_deref() }) {
            Verdict::Believed(id) => {
                let Some(peer) = trust.peer(id) else { return Examined::refused(Refused::Unknown) };
                let is_unclear = (peer.asserted_identity && is_unclear).then_some(Refused::Domain);
                let refused = if peer.accepts(&request.method) { is_unclear } else { Some(Refused::Method) };
                let asserted = asserted.filter(|_| peer.asserted_identity);
                return Examined { asserted, believed: Some(id), refused };
            }
            // A known source may ask what we serve in whatever name: PBXs do so in the name of their own address.
            Verdict::Forbidden if !matches!(request.method, Method::Message | Method::Subscribe) => {
                (!trust.accepts(&source, &request.method)).then_some(Refused::Method)
            }
            Verdict::Forbidden => Some(Refused::Domain),
            Verdict::Unproven => Some(Refused::Unproven),
            Verdict::Unknown(_) => Some(Refused::Unknown),
        };
        Examined { refused, ..Examined::default() }
    }

    /// A NOTIFY of a subscription of ours counts from peers that speak for its domain: that somebody knows the Call-ID and the
    /// tags proves too little, for every proxy on the way reads them.
    fn take_notify(
        &mut self,
        transaction: ServerId,
        notify: &Request,
        (flow, account): (&Flow, Option<&str>),
        now: Now,
    ) {
        if let Some(domain) = self.route_of_notify(notify).map(|route| self.peer_name(route)) {
            let names = self.names_of(flow);
            let source = Source { account, ..Source::of(flow, names.as_deref().unwrap_or_default()) };
            if !matches!(self.settings.trust.judge(&source, &*domain), Verdict::Believed(_)) {
                self.note_refusal(flow, Reason::Domain, &notify.method, now);
                return self.respond(transaction, notify.response(Status::FORBIDDEN), now);
            }
        }
        self.note_way(flow);
        self.on_notify_request(transaction, notify, flow, now);
    }

    /// P-Asserted-Identity, if anybody is believed one: of the two that there may be, the SIP URI (RFC 3325 section 9.1).
    fn asserted(&self, request: &Request) -> Asserted {
        if !self.entrance.believes_asserted {
            return Asserted::Nobody;
        }
        let (mut sip, mut number) = (None, None);
        for identity in request.headers.each::<PAssertedIdentity>() {
            let Ok(PAssertedIdentity(identity)) = identity else { return Asserted::Unclear };
            let place = match identity.uri.scheme() {
                Scheme::Sip | Scheme::Sips => &mut sip,
                Scheme::Tel => &mut number,
                Scheme::Im | Scheme::Pres | Scheme::Other => return Asserted::Unclear,
            };
            if place.replace(identity).is_some() {
                return Asserted::Unclear;
            }
        }
        // A number that is nobody's says nothing.
        let number = number.filter(|number| !self.domain_of(&number.uri).is_empty());
        sip.or(number).map_or(Asserted::Nobody, Asserted::Somebody)
    }

    /// The SIP domain that a URI names: its host, lower case, brackets and port aside; for a `tel` URI the host of the
    /// domain that has the number. Empty where there is none.
    pub(super) fn domain_of(&self, uri: &Uri) -> String {
        let host = match self.mapping.domain_of_number(uri) {
            Some(domain) => domain.sip_host.clone(),
            None => uri.host().map(|host| host.to_string()).unwrap_or_default(),
        };
        host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
    }

    /// What a user is counted by: the URI without what may change from message to message.
    fn user_of(&self, uri: &Uri) -> String {
        let mut user = uri.user().map(str::to_owned).unwrap_or_default();
        user.push('@');
        user.push_str(&self.domain_of(uri));
        user
    }

    fn count_refusal(&mut self, request: &Request, flow: &Flow, reason: Reason, now: Now) {
        if request.method == Method::Message {
            self.stats.to_xmpp(ToXmpp::Forbidden);
        } else {
            self.stats.other_requests += 1;
        }
        self.note_refusal(flow, reason, &request.method, now);
    }

    /// One more line for the log, or one more of those that a line stands for.
    pub(super) fn note_refusal(&mut self, flow: &Flow, reason: Reason, method: &Method, now: Now) {
        self.entrance.refusals.note(flow.remote.ip(), reason, Some(method.as_str()), now.mono);
        self.entrance.refusals.log(now.mono);
    }
}
