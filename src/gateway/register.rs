//! Registrations of ours: of stox as a trunk, and of users in their own names.
//!
//! [`crate::sip::registration`] knows when and what; here it is sent as an errand, so that it finds its registrar, fails
//! over and answers challenges like a message.
//!
//! | a registration that | does to messages |
//! |---|---|
//! | fails for want of an answer, of a domain or of a user | nothing: the server may still take them, and says if not |
//! | of a domain is refused for good | nothing: each is answered by the server that has the say |
//! | of a user is refused for good | those from her and to her contact end in an error at once (`people`) |
//!
//! `/ready` shows each, and does not turn false for them: most messages cross without, and a node that took itself out of
//! service for one user's password would help nobody.

use std::collections::HashMap;
use std::time::Duration;

use super::errand::{End, Purpose, RouteId};
use super::people::UserId;
use super::service::ALLOW;
use super::stats::Sample;
use super::{Gateway, Timer, limits};
use crate::ids::Ids;
use crate::sip::endpoint::{EndpointConfig, Flow, SentBy};
use crate::sip::locate::{Destination, Target, Transport};
use crate::sip::message::Response;
use crate::sip::registration::{Binding, Registration, State};
use crate::sip::uri::Uri;
use crate::time::Now;

/// What stox registers as a trunk of a domain.
#[derive(Clone, Debug)]
pub struct Register {
    /// The address of record.
    pub aor: Uri,
    /// The user part of the contact, or all of it; `None`: the user of `aor`.
    pub contact: Option<String>,
    /// For how long, seconds.
    pub expires: u32,
}

/// A registration by its number.
pub(super) type RegistrationId = usize;

/// How a registration stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The XMPP name of the domain.
    pub domain: String,
    /// The address of record.
    pub aor: String,
    /// Whose it is; `None`: the domain's.
    pub user: Option<String>,
    /// How it stands.
    pub state: State,
    /// What went wrong last; empty if nothing did.
    pub trouble: String,
}

/// All registrations.
#[derive(Debug)]
pub(super) struct Registrations {
    list: Vec<Entry>,
    /// By user part and host of the contact.
    contacts: HashMap<String, RegistrationId>,
    ids: Ids,
    /// Taken back, and not yet answered.
    leaving: usize,
    /// When it was last looked at.
    seen: Duration,
}

#[derive(Debug)]
struct Entry {
    machine: Registration,
    route: RouteId,
    user: Option<UserId>,
    /// Where the last request could go.
    targets: Vec<Target>,
    sent: Duration,
    told: State,
}

impl Registrations {
    pub(super) fn new(ids: Ids) -> Self {
        Self { list: Vec::new(), contacts: HashMap::new(), ids, leaving: 0, seen: Duration::ZERO }
    }

    /// One more, due a moment after the one before it.
    pub(super) fn add(&mut self, binding: Binding, route: RouteId, user: Option<UserId>) -> (RegistrationId, Duration) {
        let id = self.list.len();
        let at = limits::REGISTER_SPACING * u32::try_from(id).unwrap_or(u32::MAX);
        self.contacts.insert(contact_key(&binding.contact), id);
        let machine = Registration::new(binding, at, &mut self.ids);
        self.list.push(Entry { machine, route, user, targets: Vec::new(), sent: at, told: State::Trying });
        (id, at)
    }

    pub(super) fn is_refused(&self, id: RegistrationId) -> bool {
        self.list.get(id).is_some_and(|entry| entry.machine.is_refused())
    }

    pub(super) fn trouble(&self, id: RegistrationId) -> &str {
        self.list.get(id).map_or("", |entry| entry.machine.trouble())
    }

    /// Whose contact this is: the registration, and its user or nobody.
    pub(super) fn contact(&self, uri: &Uri) -> Option<(RegistrationId, Option<UserId>)> {
        if self.contacts.is_empty() {
            return None;
        }
        let id = *self.contacts.get(&contact_key(uri))?;
        Some((id, self.list.get(id)?.user))
    }

    #[cfg(test)]
    pub(super) fn list_contact(&self, id: RegistrationId) -> String {
        self.list[id].machine.binding().contact.as_str().trim_start_matches("sip:").to_owned()
    }

    /// Whether everything that was taken back has been answered.
    pub(super) fn are_over(&self) -> bool {
        self.leaving == 0
    }

    pub(super) fn went_to(&mut self, id: RegistrationId, targets: &[Target], now: Now) {
        if let Some(entry) = self.list.get_mut(id) {
            entry.targets = targets.to_vec();
            entry.sent = now.mono;
        }
    }
}

/// Port and parameters are the transport's business, and proxies change them.
fn contact_key(uri: &Uri) -> String {
    let host = uri.host().map(|host| host.to_string().to_ascii_lowercase()).unwrap_or_default();
    format!("{}@{host}", uri.user().unwrap_or_default())
}

/// Where a registrar of this next hop reaches us.
pub(super) fn contact_uri(contact: &str, sip: &EndpointConfig, next_hop: &Destination) -> Option<Uri> {
    if contact.contains(['@', ':']) {
        return Uri::parse(contact).ok();
    }
    contact_at(contact, &sip.sent_by, next_hop)
}

fn contact_at(user: &str, names: &[(Transport, SentBy)], next_hop: &Destination) -> Option<Uri> {
    let wanted = next_hop.transport.unwrap_or(Transport::Udp);
    let (transport, own) = names.iter().find(|(transport, _)| *transport == wanted).or(names.first())?;
    let port = own.port.map(|port| format!(":{port}")).unwrap_or_default();
    // UDP is what a URI without the parameter means.
    let parameter = if *transport == Transport::Udp {
        String::new()
    } else {
        format!(";transport={}", transport.token().to_ascii_lowercase())
    };
    Uri::parse(&format!("sip:{user}@{}{port}{parameter}", own.host)).ok()
}

impl Gateway {
    /// Our Contact in dialogs with the next hop of `route`, for what concerns `user` (a user part, escaped): where the peer's
    /// requests reach us by the transport that leads there.
    pub(super) fn contact_for(&self, route: RouteId, user: &str) -> Option<Uri> {
        let (_, to) = self.settings.routes.get(route)?;
        contact_at(user, self.endpoint.names(), &to.next_hop)
    }

    /// Sets up what the settings want registered.
    pub(super) fn plan_registrations(&mut self, sip: &EndpointConfig) {
        for (route, (_, to)) in self.settings.routes.iter().enumerate() {
            let domain = to.register.iter().map(|wanted| {
                let contact = wanted.contact.clone().or(wanted.aor.user().map(str::to_owned)).unwrap_or_default();
                (wanted.aor.clone(), contact, wanted.expires, None)
            });
            let users = self.people.registering(route).map(|(user, aor, contact, expires)| {
                let contact = contact.to_owned();
                (aor.clone(), contact, expires, Some(user))
            });
            for (aor, contact, expires, user) in domain.chain(users).collect::<Vec<_>>() {
                let Some(contact) = contact_uri(&contact, sip, &to.next_hop) else { continue };
                let binding = Binding { aor, contact, expires, allow: ALLOW };
                let (id, at) = self.registrations.add(binding, route, user);
                if let Some(user) = user {
                    self.people.registered_as(user, id);
                }
                self.timers.set_at(at, Timer::Register(id));
            }
        }
    }

    pub(super) fn on_register_due(&mut self, id: RegistrationId, now: Now) {
        self.registrations.seen = now.mono;
        if self.draining {
            return;
        }
        let Some(entry) = self.registrations.list.get_mut(id) else { return };
        if entry.machine.due().is_some_and(|at| at <= now.mono) {
            let (route, user, request) = (entry.route, entry.user, entry.machine.request());
            if let Err(ended) = self.send_out(route, request, Purpose::Register { id, user }, now) {
                self.on_register_end(id, ended.1, now);
            }
        }
        self.tell_registration(id, now);
    }

    pub(super) fn on_register_end(&mut self, id: RegistrationId, end: End, now: Now) {
        self.registrations.seen = now.mono;
        let chance = self.registrations.ids.chance();
        let Some(entry) = self.registrations.list.get_mut(id) else { return };
        let machine = &mut entry.machine;
        let was_leaving = machine.is_leaving();
        match why_not(end) {
            Ok(response) => machine.answered(&response, now, chance),
            Err(WhyNot::Refused(why)) => machine.refused(&why, now, chance),
            Err(WhyNot::Failed(why, retry_after)) => machine.failed(&why, retry_after, now, chance),
        }
        if was_leaving && machine.due().is_none() {
            self.registrations.leaving = self.registrations.leaving.saturating_sub(1);
        }
        self.set_register_timers(id, now);
        self.tell_registration(id, now);
    }

    fn set_register_timers(&mut self, id: RegistrationId, now: Now) {
        let Some(entry) = self.registrations.list.get(id) else { return };
        let lapse = entry.machine.lapses().filter(|at| *at > now.mono);
        for at in entry.machine.due().into_iter().chain(lapse) {
            self.timers.set_at(at, Timer::Register(id));
        }
    }

    /// The connection that a registrar may have wanted to reach us by is gone (RFC 5626 section 4.4).
    pub(super) fn on_registered_flow_closed(&mut self, flow: &Flow, now: Now) {
        if self.draining {
            return;
        }
        let chance = self.registrations.ids.chance();
        for id in 0..self.registrations.list.len() {
            let Some(entry) = self.registrations.list.get_mut(id) else { continue };
            let over = |target: &Target| (target.transport, target.addr) == (flow.transport, flow.remote);
            if entry.targets.iter().any(over) && now.mono >= entry.sent + limits::REGISTER_AGAIN {
                entry.machine.connection_lost(now, chance);
                self.set_register_timers(id, now);
            }
        }
    }

    /// The process ends: what is registered is taken back, and nobody waits longer for it than for messages.
    pub(super) fn unregister(&mut self, now: Now) {
        for id in 0..self.registrations.list.len() {
            let Some(entry) = self.registrations.list.get_mut(id) else { continue };
            let (route, user) = (entry.route, entry.user);
            let Some(request) = entry.machine.remove() else { continue };
            self.registrations.leaving += 1;
            if let Err(ended) = self.send_out(route, request, Purpose::Register { id, user }, now) {
                self.on_register_end(id, ended.1, now);
            }
        }
        if !self.registrations.are_over() {
            self.timers.set(now, limits::UNREGISTER, Timer::Unregistered);
        }
    }

    pub(super) fn on_unregistered(&mut self) {
        self.registrations.leaving = 0;
    }

    /// A line for the log where something has changed.
    fn tell_registration(&mut self, id: RegistrationId, now: Now) {
        let Some(entry) = self.registrations.list.get_mut(id) else { return };
        let state = entry.machine.state(now.mono);
        if std::mem::replace(&mut entry.told, state) == state {
            return;
        }
        let domain = self.settings.routes.get(entry.route).map_or("", |(domain, _)| domain.as_str());
        let (aor, why) = (entry.machine.binding().aor.as_str(), entry.machine.trouble());
        match state {
            State::Registered => tracing::info!(domain, aor, "registered with the SIP server"),
            State::Failing => tracing::warn!(domain, aor, "not registered with the SIP server: {why}; tried again"),
            State::Refused => {
                tracing::warn!(
                    domain,
                    aor,
                    "the SIP server refuses the registration: {why}; correct address or password"
                );
            }
            State::Trying | State::Over => {}
        }
    }

    /// How every registration stands.
    #[must_use]
    pub fn registrations(&self) -> Vec<Standing> {
        let seen = self.registrations.seen;
        let one = |entry: &Entry| Standing {
            domain: self.settings.routes.get(entry.route).map(|(domain, _)| domain.clone()).unwrap_or_default(),
            aor: entry.machine.binding().aor.as_str().to_owned(),
            user: entry.user.and_then(|user| self.people.jid(user)).map(str::to_owned),
            state: entry.machine.state(seen),
            trouble: entry.machine.trouble().to_owned(),
        };
        self.registrations.list.iter().map(one).collect()
    }

    /// How many stand how, by domain.
    pub(super) fn registration_samples(&self) -> Vec<Sample> {
        let seen = self.registrations.seen;
        let mut samples = Vec::new();
        for (route, (domain, _)) in self.settings.routes.iter().enumerate() {
            let of_route = || self.registrations.list.iter().filter(|entry| entry.route == route);
            if of_route().next().is_none() {
                continue;
            }
            for state in State::ALL {
                let count = of_route().filter(|entry| entry.machine.state(seen) == state).count();
                samples.push(Sample {
                    name: "stox_registrations",
                    help: "Registrations of ours by how they stand.",
                    counter: false,
                    labels: vec![("domain", domain.clone()), ("state", state.name().to_owned())],
                    value: u64::try_from(count).unwrap_or(u64::MAX),
                });
            }
        }
        samples
    }
}

/// Why there is no answer to a REGISTER.
enum WhyNot {
    Refused(String),
    Failed(String, Option<Duration>),
}

fn why_not(end: End) -> Result<Response, WhyNot> {
    let failed = |why: &str| WhyNot::Failed(why.to_owned(), None);
    Err(match end {
        End::Answered(response) => return Ok(response),
        End::Unproven(failure) => WhyNot::Refused(failure.text.unwrap_or_else(|| "401".to_owned())),
        End::Resting(time) => WhyNot::Failed("the SIP server asks to be left alone".to_owned(), Some(time)),
        End::TimedOut { .. } => failed("the SIP server does not answer"),
        End::Broken => failed("the connection broke"),
        End::NotSent(cause) | End::NotSentLarge(cause) => failed(&format!("the SIP server cannot be reached: {cause}")),
        End::NotFound(reason) => failed(&format!("the SIP server was not found: {reason}")),
        End::TooLarge => failed("the request is too large for the way"),
        End::Full(what) => failed(what),
        End::NoWay => failed("no transport leads to the SIP server"),
    })
}
