//! XMPP users who have accounts of their own on a SIP server (`[[domain.user]]`).
//!
//! ```text
//!  juliet@xmpp.example writes to romeo@sip.example   From: sip:101@pbx.example, proven with her password
//!  sip:romeo@pbx.example writes to sip:101@pbx.example -> the server -> her contact here -> juliet@xmpp.example
//! ```
//! The contact is the user of her address and a hash of her JID: readable in the server's lists, the same after a restart
//! (so that it replaces itself), and no other user's address by accident.

use std::collections::HashMap;

use super::authorize::Keyring;
use super::errand::RouteId;
use super::register::RegistrationId;
use super::{Gateway, Route};
use crate::ids::Ids;
use crate::mapping::Mapping;
use crate::model::{Failure, Reason};
use crate::sip::auth::{Account, Hash};
use crate::sip::message::Request;
use crate::sip::message::header::{From, NameAddr, To};
use crate::sip::uri::Uri;
use crate::xmpp::jid::Jid;

/// An XMPP user with an account on the SIP server of a domain.
#[derive(Clone, Debug)]
pub struct User {
    /// Her bare JID.
    pub jid: String,
    /// Her address there.
    pub aor: Uri,
    /// What proves it.
    pub account: Account,
    /// For how many seconds a contact is registered for her; `None`: none is.
    pub register: Option<u32>,
    /// Whether she is told of voicemail (RFC 3842).
    pub voicemail: bool,
    /// Whether her server is asked who wants to watch her there (RFC 3857).
    pub watchers: bool,
}

/// A user by number, over all domains.
pub(super) type UserId = usize;

/// All of them.
#[derive(Debug)]
pub(super) struct People {
    list: Vec<Person>,
    /// By route and bare JID.
    by_jid: Vec<HashMap<String, UserId>>,
}

#[derive(Debug)]
struct Person {
    route: RouteId,
    jid: String,
    aor: Uri,
    contact: String,
    register: Option<u32>,
    registration: Option<RegistrationId>,
    voicemail: bool,
    watchers: bool,
}

impl People {
    /// The users of every route, each with her key on `keyring`.
    pub(super) fn new(routes: &[(String, Route)], keyring: &mut Keyring, ids: &mut Ids) -> Self {
        let mut people = Self { list: Vec::new(), by_jid: Vec::new() };
        for (route, (_, to)) in routes.iter().enumerate() {
            let mut by_jid = HashMap::new();
            for user in &to.users {
                by_jid.insert(user.jid.clone(), people.list.len());
                keyring.add_user(user.account.clone(), ids);
                people.list.push(Person {
                    route,
                    jid: user.jid.clone(),
                    aor: user.aor.clone(),
                    contact: contact(user),
                    register: user.register,
                    registration: None,
                    voicemail: user.voicemail,
                    watchers: user.watchers,
                });
            }
            people.by_jid.push(by_jid);
        }
        people
    }

    /// Who writes, if she has an account where she writes to.
    pub(super) fn find(&self, route: RouteId, from: &Jid) -> Option<UserId> {
        let users = self.by_jid.get(route).filter(|users| !users.is_empty())?;
        users.get(from.bare()).copied()
    }

    pub(super) fn jid(&self, user: UserId) -> Option<&str> {
        self.list.get(user).map(|person| person.jid.as_str())
    }

    /// Number, address, user part of the contact and seconds of everybody of a route who is to be registered.
    pub(super) fn registering(&self, route: RouteId) -> impl Iterator<Item = (UserId, &Uri, &str, u32)> {
        let of_route = self.list.iter().enumerate().filter(move |(_, person)| person.route == route);
        of_route.filter_map(|(user, person)| Some((user, &person.aor, person.contact.as_str(), person.register?)))
    }

    /// Number, route, bare JID and address of everybody who is to be told of voicemail.
    pub(super) fn with_voicemail(&self) -> impl Iterator<Item = (UserId, RouteId, &str, &Uri)> {
        let wanting = self.list.iter().enumerate().filter(|(_, person)| person.voicemail);
        wanting.map(|(user, person)| (user, person.route, person.jid.as_str(), &person.aor))
    }

    /// The same of everybody whose server is asked who wants to watch her.
    pub(super) fn with_watchers(&self) -> impl Iterator<Item = (UserId, RouteId, &str, &Uri)> {
        let wanting = self.list.iter().enumerate().filter(|(_, person)| person.watchers);
        wanting.map(|(user, person)| (user, person.route, person.jid.as_str(), &person.aor))
    }

    /// Her address on the server.
    pub(super) fn aor(&self, user: UserId) -> Option<&Uri> {
        self.list.get(user).map(|person| &person.aor)
    }

    /// The bare JIDs of everybody of a route.
    pub(super) fn of_route(&self, route: RouteId) -> Vec<String> {
        let of_route = self.list.iter().filter(|person| person.route == route);
        of_route.map(|person| person.jid.clone()).collect()
    }

    pub(super) fn registered_as(&mut self, user: UserId, registration: RegistrationId) {
        if let Some(person) = self.list.get_mut(user) {
            person.registration = Some(registration);
        }
    }
}

fn contact(user: &User) -> String {
    let code = Hash::Sha256.of(&[user.jid.as_bytes(), user.aor.as_str().as_bytes()]);
    format!("{}-{}", user.aor.user().unwrap_or_default(), code.get(..8).unwrap_or_default())
}

impl Gateway {
    /// Makes a request of `user` one in her own name; or why she cannot have one.
    pub(super) fn sign(&self, user: UserId, request: &mut Request) -> Result<(), Failure> {
        let Some(person) = self.people.list.get(user) else { return Ok(()) };
        if let Some(registration) = person.registration.filter(|id| self.registrations.is_refused(*id)) {
            let why = self.registrations.trouble(registration);
            let text = format!("the SIP server refuses your account {}: {why}", person.aor.as_str());
            return Err(Failure::because(Reason::NotAuthorized, text));
        }
        let Ok(From(old)) = request.headers.from() else { return Ok(()) };
        let mut from = NameAddr::new(person.aor.clone());
        if let Some(name) = old.display() {
            from = from.with_display(&name);
        }
        request.headers.set(&From(match old.tag() {
            Some(tag) => from.with_tag(&tag),
            None => from,
        }));
        Ok(())
    }

    /// A request to a contact of ours is one to whoever it was registered for: a user's to her, a domain's to whom the
    /// sender meant (To).
    pub(super) fn readdress(&self, request: &mut Request) -> Result<(), Failure> {
        let Some((registration, user)) = self.registrations.contact(&request.uri) else { return Ok(()) };
        if let Some(user) = user {
            if self.registrations.is_refused(registration) {
                let text = "the recipient is not registered any more";
                return Err(Failure::because(Reason::RecipientUnavailable, text));
            }
            let jid = self.people.jid(user).and_then(|jid| Jid::parse(jid).ok());
            let uri = jid.and_then(|jid| uri_of(&self.mapping, &jid));
            request.uri = uri.ok_or_else(|| Failure::new(Reason::AddressUnknown))?;
        } else if let Ok(To(to)) = request.headers.to() {
            request.uri = to.uri;
        }
        Ok(())
    }
}

fn uri_of(mapping: &Mapping, jid: &Jid) -> Option<Uri> {
    mapping.address_to_uri(&mapping.jid_to_address(jid)).ok()
}
