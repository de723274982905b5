//! XMPP presence published to a presence server (RFC 3903), for domains with `presence.publish`.
//!
//! Who is published: users with an account of their own there (`[[domain.user]]`), by the presence that they send to anybody
//! of that domain; and everybody else who has put the gateway itself, the domain without a user, into her roster and let it see
//! her. Somebody who lets one SIP user see her has not said that a whole server may, so that alone publishes nothing.
//!
//! ```text
//!  presence of a resource -> seen -> one full document (A-PRES-05) -> PUBLISH to the user's address, as the domain knows her
//!  the last resource goes  ----------------------------------------> removed: a server without a publication says closed
//!  subscribe to the gateway -> it asks back ; subscribed -> it probes ; unsubscribed -> removed
//! ```
//! A resource is there while anybody of the domain was told so last: each of them is told, and when one of them is taken off
//! the roster that one alone is told that she left.
//!
//! Users can be made up, so those of one domain come to be published at a pace (`pace`), and are so many at most. Those with
//! an account were configured and do not wait.
//!
//! After a restart a publication lapses unless the user's server says, asked by a probe, that she is there.

mod pace;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::super::errand::{End, Purpose, RouteId};
use super::super::record::{Kind, PublicationRecord, Record, RecordId, Write, shard_of};
use super::super::{Gateway, Link, Output, Timer};
use super::heard;
use crate::model::pidf;
use crate::sip::event::publication::{Answer, Outcome, Publication, Step};
use crate::sip::message::header::{
    Event, Expires, From, MaxForwards, MinExpires, NameAddr, Params, RetryAfter, SipEtag, SipIfMatch, To,
};
use crate::sip::message::{Method, Name, Request, Response};
use crate::sip::uri::Uri;
use crate::time::{Now, Timestamp};
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::stanza::{Presence, PresenceKind, Stanza};
use pace::Pace;

/// Resources of one user that are published; a document has room for about as many.
const RESOURCES: usize = 32;

/// Contacts by which one resource is known to be there; whoever has more of them has those.
const CHANNELS: usize = 64;

/// Users are asked for their presence so far apart when a link comes up: two hundred a second are felt by no server.
const PROBE_SPACING: Duration = Duration::from_millis(5);

/// All publications.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    entries: HashMap<RecordId, Entry>,
    /// By route and bare JID.
    by_user: HashMap<(RouteId, String), RecordId>,
    /// How many users each XMPP domain has here.
    of_domain: HashMap<Box<str>, usize>,
    pace: Pace,
    /// Users who were not published for want of room, or because too many came.
    refused: u64,
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry {
    user: BareJid,
    route: RouteId,
    publication: Publication,
    resources: Vec<Seen>,
    /// Nothing is sent before, in monotonic time.
    turn: Duration,
    /// Whether the store knows it.
    kept: bool,
    /// Whether the user's server is to be asked at the next deadline.
    probe: bool,
    /// When its timer fires; zero: there is none. One is enough, however often she changes.
    armed: Duration,
}

/// A resource that is there.
#[derive(Debug)]
struct Seen {
    resource: Box<str>,
    /// Hashes of those who were told so.
    channels: Vec<u32>,
    last: Presence,
}

impl Gateway {
    /// Takes what an XMPP user says to somebody of a SIP domain, or to the domain itself.
    pub(super) fn publish_on_presence(&mut self, link: Link, presence: &Presence, now: Now) {
        let (Some(from), Some(to)) = (&presence.from, &presence.to) else { return };
        let Some(route) = self.settings.route_of(to.domain()).filter(|route| self.publishes(*route)) else { return };
        let own = to.local().is_none();
        match presence.kind {
            PresenceKind::Available | PresenceKind::Unavailable if own || self.people.find(route, from).is_some() => {
                self.publish_state(route, from, to, presence, now);
            }
            // A domain has no presence to publish; and two gateways would ask each other back for ever.
            PresenceKind::Subscribe if own && from.local().is_some() => {
                let (from, to) = (from.to_bare().as_jid().clone(), to.to_bare().as_jid().clone());
                self.tell(link, Stanza::Presence(Presence::new(to, from, PresenceKind::Subscribe)));
            }
            PresenceKind::Subscribed if own => self.probe_user(link, &from.to_bare(), to.domain()),
            PresenceKind::Unsubscribed if own => self.publish_gone(route, &from.to_bare(), to, None, now),
            PresenceKind::Available
            | PresenceKind::Unavailable
            | PresenceKind::Subscribe
            | PresenceKind::Subscribed
            | PresenceKind::Unsubscribe
            | PresenceKind::Unsubscribed
            | PresenceKind::Probe
            | PresenceKind::Error => {}
        }
    }

    fn publishes(&self, route: RouteId) -> bool {
        self.settings.routes.get(route).is_some_and(|(_, route)| route.presence.publish)
    }

    fn publish_state(&mut self, route: RouteId, from: &Jid, to: &Jid, presence: &Presence, now: Now) {
        let user = from.to_bare();
        if presence.kind == PresenceKind::Unavailable {
            return self.publish_gone(route, &user, to, from.resource(), now);
        }
        let channel = self.channel(to);
        let Some(id) = self.publication_of(route, &user, now) else { return };
        let Some(entry) = self.presence.publishing.entries.get_mut(&id) else { return };
        let resource = from.resource().unwrap_or_default();
        let (last, _) = heard::short(presence);
        let full = entry.resources.len() >= RESOURCES;
        let news = match entry.resources.iter_mut().find(|seen| &*seen.resource == resource) {
            Some(seen) => {
                if !seen.channels.contains(&channel) && seen.channels.len() < CHANNELS {
                    seen.channels.push(channel);
                }
                let same = seen.last == last;
                seen.last = last;
                !same
            }
            None if full => false,
            None => {
                entry.resources.push(Seen { resource: resource.into(), channels: vec![channel], last });
                true
            }
        };
        if news {
            entry.publication.changed();
            self.publish_due(id, now);
        }
    }

    /// `to` was told that `resource`, or all of them, is gone.
    fn publish_gone(&mut self, route: RouteId, user: &BareJid, to: &Jid, resource: Option<&str>, now: Now) {
        let channel = self.channel(to);
        let publishing = &mut self.presence.publishing;
        let Some(id) = publishing.by_user.get(&(route, user.as_str().to_owned())).copied() else { return };
        let Some(entry) = publishing.entries.get_mut(&id) else { return };
        let before = entry.resources.len();
        for seen in
            entry.resources.iter_mut().filter(|seen| resource.is_none_or(|resource| &*seen.resource == resource))
        {
            seen.channels.retain(|known| *known != channel);
        }
        entry.resources.retain(|seen| !seen.channels.is_empty());
        if entry.resources.is_empty() {
            entry.publication.withdrawn();
        } else if entry.resources.len() < before {
            entry.publication.changed();
        } else {
            return;
        }
        self.publish_due(id, now);
    }

    fn channel(&self, to: &Jid) -> u32 {
        u32::try_from(self.presence.publishing.hasher.hash_one(to.bare()) >> 32).unwrap_or_default()
    }

    /// Her publication, a new one if she has none and there is room.
    fn publication_of(&mut self, route: RouteId, user: &BareJid, now: Now) -> Option<RecordId> {
        let key = (route, user.as_str().to_owned());
        if let Some(id) = self.presence.publishing.by_user.get(&key) {
            return Some(*id);
        }
        let turn = match self.people.find(route, user.as_jid()) {
            Some(_) => now.mono,
            None => self.turn_of_publication(user, now)?,
        };
        let (_, to) = self.settings.routes.get(route)?;
        let publication = Publication::new(to.presence.expires);
        let id = self.new_record();
        self.add_publication(id, Entry { turn, ..Entry::new(user.clone(), route, publication) });
        Some(id)
    }

    /// When somebody without an account may come to be published, if there is room for her.
    fn turn_of_publication(&mut self, user: &BareJid, now: Now) -> Option<Duration> {
        let (publishing, most) = (&mut self.presence.publishing, &self.settings.presence);
        let of_domain = publishing.of_domain.get(user.domain()).copied().unwrap_or_default();
        let has_room = publishing.entries.len() < most.subscriptions && of_domain < most.per_domain;
        let turn = if has_room { publishing.pace.turn(user.domain(), now.mono) } else { None };
        if turn.is_none() {
            tracing::debug!(domain = user.domain(), "no room to publish another user");
            publishing.refused += 1;
        }
        turn
    }

    fn add_publication(&mut self, id: RecordId, entry: Entry) {
        let publishing = &mut self.presence.publishing;
        *publishing.of_domain.entry(entry.user.domain().into()).or_default() += 1;
        publishing.by_user.insert((entry.route, entry.user.as_str().to_owned()), id);
        publishing.entries.insert(id, entry);
    }

    /// Sends what is due, and sets the clock for what is not yet; forgets what is over.
    pub(in super::super) fn publish_due(&mut self, id: RecordId, now: Now) {
        let every = self.settings.presence.notify_every;
        let Some(entry) = self.presence.publishing.entries.get_mut(&id) else { return };
        if entry.armed <= now.mono {
            entry.armed = Duration::ZERO;
        }
        if std::mem::take(&mut entry.probe) {
            let (user, route) = (entry.user.clone(), entry.route);
            if let Some((domain, _)) = self.settings.routes.get(route)
                && let Some(link) = self.settings.link_of(domain)
            {
                let domain = domain.clone();
                self.probe_user(link, &user, &domain);
            }
        }
        let Some(entry) = self.presence.publishing.entries.get_mut(&id) else { return };
        if entry.turn > now.mono {
            let at = entry.turn;
            return self.arm_publish(id, at);
        }
        let step = if self.draining { None } else { entry.publication.request(every, now) };
        if let Some(step) = step {
            self.publish(id, &step, now);
        }
        let Some(entry) = self.presence.publishing.entries.get(&id) else { return };
        if entry.publication.is_over() {
            self.publish_forget(id);
        } else if let Some(at) = entry.publication.due(every) {
            self.arm_publish(id, at.max(now.mono + LEAST_WAIT));
        }
    }

    fn arm_publish(&mut self, id: RecordId, at: Duration) {
        let Some(entry) = self.presence.publishing.entries.get_mut(&id) else { return };
        if entry.armed.is_zero() || at < entry.armed {
            entry.armed = at;
            self.timers.set_at(at, Timer::Publish(id));
        }
    }

    fn publish_forget(&mut self, id: RecordId) {
        let Some(entry) = self.presence.publishing.entries.remove(&id) else { return };
        let publishing = &mut self.presence.publishing;
        publishing.by_user.remove(&(entry.route, entry.user.as_str().to_owned()));
        if let Some(count) = publishing.of_domain.get_mut(entry.user.domain()) {
            *count -= 1;
            if *count == 0 {
                publishing.of_domain.remove(entry.user.domain());
            }
        }
        if entry.kept {
            self.presence.writes.push(Write::Drop(Kind::Publication, id));
        }
    }

    fn publish(&mut self, id: RecordId, step: &Step, now: Now) {
        let Some(entry) = self.presence.publishing.entries.get(&id) else { return };
        let (route, user) = (entry.route, self.people.find(entry.route, entry.user.as_jid()));
        let ended = match self.publish_request(id, step) {
            Some(request) => {
                self.send_out(route, request, Purpose::Publish { id, user }, now).err().map(|ended| ended.1)
            }
            // A user who has no address there.
            None => Some(End::NoWay),
        };
        if let Some(end) = ended {
            self.on_publish_end(id, end, now);
        }
    }

    fn publish_request(&mut self, id: RecordId, step: &Step) -> Option<Request> {
        let (call_id, tag) = (self.ids.call_id(), self.ids.tag());
        let entry = self.presence.publishing.entries.get(&id)?;
        let uri = self.published_as(entry)?;
        let mut request = Request::new(Method::Publish, uri.clone());
        let headers = &mut request.headers;
        headers.add(&MaxForwards(70));
        headers.add(&To(NameAddr::new(uri.clone())));
        headers.add(&From(NameAddr::new(uri.clone()).with_tag(&tag)));
        headers.push(Name::CALL_ID, call_id);
        headers.push(Name::CSEQ, "1 PUBLISH");
        headers.add(&Event { package: "presence".to_owned(), params: Params::default() });
        headers.add(&Expires(step.expires));
        if let Some(etag) = &step.etag {
            headers.add(&SipIfMatch(etag.to_string()));
        }
        if step.with_body {
            let resources: Vec<_> = entry.resources.iter().map(|seen| (&*seen.resource, &seen.last)).collect();
            let mut state = self.mapping.presence_from_xmpp(&entry.user, &resources).ok()?;
            if self.people.find(entry.route, entry.user.as_jid()).is_some() {
                state.entity = format!("pres:{}", uri.without_params().opaque());
            }
            request.set_body(pidf::MEDIA_TYPE, pidf::write(&state));
        }
        Some(request)
    }

    /// The address under which the domain knows the user: that of her account there, else the one that the mapping gives her.
    fn published_as(&self, entry: &Entry) -> Option<Uri> {
        let user = entry.user.as_jid();
        match self.people.find(entry.route, user).and_then(|user| self.people.aor(user)) {
            Some(aor) => Some(aor.clone()),
            None => self.mapping.address_to_uri(&self.mapping.jid_to_address(user)).ok(),
        }
    }

    /// A PUBLISH of ours was answered, or was not.
    pub(in super::super) fn on_publish_end(&mut self, id: RecordId, end: End, now: Now) {
        let chance = self.ids.chance();
        let Some(entry) = self.presence.publishing.entries.get_mut(&id) else { return };
        let publication = &mut entry.publication;
        let outcome = match end {
            End::Answered(response) => publish_answered(publication, &response, now, chance),
            // Nobody has the right password for it yet.
            End::Unproven(_) => publication.answered(&Answer { status: 401, ..Answer::default() }, now, chance),
            End::Resting(time) => publish_failed(publication, Some(time), now, chance),
            End::TimedOut { .. }
            | End::Broken
            | End::NotSent(_)
            | End::NotSentLarge(_)
            | End::TooLarge
            | End::NotFound(_)
            | End::Full(_)
            | End::NoWay => publish_failed(publication, None, now, chance),
        };
        match outcome {
            Outcome::Kept(seconds) => self.keep_publication(id, seconds, now),
            Outcome::Gone if std::mem::take(&mut entry.kept) => {
                self.presence.writes.push(Write::Drop(Kind::Publication, id));
            }
            Outcome::Gone | Outcome::Nothing => {}
        }
        self.publish_later(id, now);
    }

    /// Never at once, so that a server that ends each try before it leaves is no endless loop.
    fn publish_later(&mut self, id: RecordId, now: Now) {
        let every = self.settings.presence.notify_every;
        let Some(entry) = self.presence.publishing.entries.get(&id) else { return };
        if entry.publication.is_over() {
            self.publish_forget(id);
        } else if let Some(at) = entry.publication.due(every) {
            self.arm_publish(id, at.max(now.mono + LEAST_WAIT));
        }
    }

    fn keep_publication(&mut self, id: RecordId, seconds: u32, now: Now) {
        let Some(entry) = self.presence.publishing.entries.get_mut(&id) else { return };
        let Some((domain, _)) = self.settings.routes.get(entry.route) else { return };
        let user = entry.user.as_str().to_owned();
        entry.kept = true;
        let record = PublicationRecord {
            id,
            shard: shard_of(&user, domain),
            user,
            domain: domain.clone(),
            etag: entry.publication.etag().unwrap_or_default().to_owned(),
            expires_at: Timestamp(now.wall.0.saturating_add(i64::from(seconds) * 1000)),
        };
        self.presence.writes.push(Write::Put(Box::new(Record::Publication(record))));
    }

    pub(super) fn publish_restore(&mut self, record: PublicationRecord, now: Now) {
        let route = self.settings.route_of(&record.domain).filter(|route| self.publishes(*route));
        let left = u64::try_from(record.expires_at.0.saturating_sub(now.wall.0)).unwrap_or_default();
        let (Some(route), Ok(user), 1..) = (route, BareJid::parse_peer(&record.user), left) else {
            // Its time is over, or nobody publishes for that domain any more: then it lapses.
            self.presence.writes.push(Write::Drop(Kind::Publication, record.id));
            return;
        };
        let Some((_, to)) = self.settings.routes.get(route) else { return };
        // A clock that jumped does not make it longer than it can be.
        let most = u64::from(crate::sip::event::publication::MAX_EXPIRES) * 1000;
        let until = now.mono + Duration::from_millis(left.min(most));
        let publication = Publication::restored(to.presence.expires, &record.etag, until);
        let mut entry = Entry::new(user, route, publication);
        entry.kept = true;
        self.add_publication(record.id, entry);
        self.timers.set_at(until, Timer::Publish(record.id));
    }

    /// A link is up: whoever is, or may be, published is asked how she is, since what was said meanwhile is lost.
    pub(in super::super) fn publish_on_link_up(&mut self, link: Link, now: Now) {
        let Some(domain) = self.settings.links.get(link).cloned() else { return };
        let Some(route) = self.settings.route_of(&domain).filter(|route| self.publishes(*route)) else { return };
        for user in self.people.of_route(route) {
            let _ = BareJid::parse(&user).ok().and_then(|user| self.publication_of(route, &user, now));
        }
        let ours = self.presence.publishing.entries.iter_mut().filter(|(_, entry)| entry.route == route);
        let mut at = now.mono;
        for (id, entry) in ours {
            entry.probe = true;
            self.timers.set_at(at, Timer::Publish(*id));
            at += PROBE_SPACING;
        }
    }

    fn probe_user(&mut self, link: Link, user: &BareJid, domain: &str) {
        let Ok(from) = Jid::parse(domain) else { return };
        if self.link_is_up(link) {
            let probe = Presence::new(from, user.as_jid().clone(), PresenceKind::Probe);
            self.outputs.push(Output::Stanza(link, Stanza::Presence(probe)));
        }
    }

    /// Publications that a server has.
    pub(in super::super) fn published(&self) -> usize {
        self.presence.publishing.entries.values().filter(|entry| entry.kept).count()
    }

    /// What is kept of resources, bytes.
    #[cfg(test)]
    pub(in super::super) fn published_bytes(&self) -> usize {
        let seen = self.presence.publishing.entries.values().flat_map(|entry| &entry.resources);
        let bytes = |seen: &Seen| {
            let mut text = Vec::new();
            seen.last.write(crate::xml::ns::CLIENT, &mut text);
            text.len()
        };
        seen.map(bytes).sum()
    }

    /// Users who were not published for want of room.
    pub(in super::super) fn publications_refused(&self) -> u64 {
        self.presence.publishing.refused
    }
}

/// Whatever is due at once is done in the next step.
const LEAST_WAIT: Duration = Duration::from_millis(1);

impl Entry {
    fn new(user: BareJid, route: RouteId, publication: Publication) -> Self {
        Self {
            user,
            route,
            publication,
            resources: Vec::new(),
            turn: Duration::ZERO,
            kept: false,
            probe: false,
            armed: Duration::ZERO,
        }
    }
}

fn publish_failed(publication: &mut Publication, after: Option<Duration>, now: Now, chance: f64) -> Outcome {
    publication.failed(after, now, chance);
    Outcome::Nothing
}

fn publish_answered(publication: &mut Publication, response: &Response, now: Now, chance: f64) -> Outcome {
    let headers = &response.headers;
    let etag = headers.find::<SipEtag>().ok().flatten();
    let answer = Answer {
        status: response.status.code(),
        etag: etag.as_ref().map(|etag| etag.0.as_str()),
        expires: headers.find::<Expires>().ok().flatten().map(|header| header.0),
        min_expires: headers.find::<MinExpires>().ok().flatten().map(|header| header.0),
        retry_after: headers.find::<RetryAfter>().ok().flatten().map(|header| header.seconds),
    };
    publication.answered(&answer, now, chance)
}
