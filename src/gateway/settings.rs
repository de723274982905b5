//! What a gateway is told at its start, besides the mapping.

use std::sync::Arc;
use std::time::Duration;

use super::people::User;
use super::record::Package;
use super::register::Register;
use super::trust::{Stranger, Trust};
use crate::mapping::phone::PhoneRules;
use crate::sip::auth::Account;
use crate::sip::auth::server::ServerConfig;
use crate::sip::locate::Destination;

/// How one gateway works. Made from the configuration, already checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The domain of each XMPP link, by the link's number: lower case.
    pub links: Vec<String>,
    /// As many of them, from the first on, are components, each with one server behind it. The others are domains that stox
    /// serves itself: up all the time, with a server of its own for each domain that they write to.
    pub components: usize,
    /// Where requests for each SIP domain go, by the *XMPP* name of the domain.
    pub routes: Vec<(String, Route)>,
    /// Whose From counts.
    pub trust: Trust,
    /// Who may prove an account, and how they are asked; `None`: nobody.
    pub accounts: Option<ServerConfig>,
    /// How long the answer to a SIP MESSAGE waits for the XMPP server's confirmation before it is 202.
    pub confirm_within: Duration,
    /// What is added to that for the domains that stox serves itself: so long may a stream to another server take to come
    /// about, and until then nobody can know whether the message will arrive.
    pub connect_within: Duration,
    /// Messages that may wait behind the one pending between two people.
    pub queue_per_pair: usize,
    /// Messages on their way to SIP or waiting for it, all pairs together.
    pub messages_to_sip: usize,
    /// Messages on their way to XMPP whose confirmation is awaited, all pairs together.
    pub messages_to_xmpp: usize,
    /// Bytes that those may take. With the usual headers the number bounds first; this is for peers that send 32 KiB of
    /// them.
    pub bytes_to_xmpp: usize,
    /// Whom to turn to about our domains: a purpose, such as `abuse`, and its addresses, URIs (XEP-0157).
    pub contacts: Vec<(String, Vec<String>)>,
    /// What bounds presence.
    pub presence: PresenceLimits,
    /// Name and version, for those who ask.
    pub version: &'static str,
}

/// How requests for one SIP domain are sent.
#[derive(Clone, Debug)]
pub struct Route {
    /// The next hop.
    pub next_hop: Destination,
    /// The largest request over UDP, bytes, all of it counted (RFC 3428 section 8).
    pub max_message: usize,
    /// What happens to a larger one.
    pub large: Size,
    /// The longest text, bytes: what the peer would cut off or lose. A longer one is refused.
    pub max_body: usize,
    /// How often the next hop is asked by OPTIONS whether it is there; `None`: never.
    pub options_every: Option<Duration>,
    /// Whether requests for the domain that come from SIP are sent on to it (RFC 3261 section 16).
    pub forward: bool,
    /// The domain that the next hop's certificate must name (RFC 5922 section 4).
    pub tls_name: Option<Arc<str>>,
    /// What answers its challenges (RFC 3261 section 22).
    pub credentials: Vec<Account>,
    /// As what stox registers with it.
    pub register: Option<Register>,
    /// XMPP users with accounts of their own there.
    pub users: Vec<User>,
    /// How presence crosses.
    pub presence: PresenceRules,
}

/// How presence crosses to and from one SIP domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceRules {
    /// What an XMPP user's subscription to a SIP user subscribes to there; empty: presence is not bridged, and who
    /// subscribes is refused in words.
    pub watch: Vec<Package>,
    /// What SIP users may subscribe to of XMPP users; of [`Package::Presence`] and [`Package::Dialog`].
    pub serve: Vec<Package>,
    /// For how long our subscriptions ask, seconds.
    pub expires: u32,
    /// How a phone that is used looks in a chat client.
    pub phone: PhoneRules,
    /// Whether an XMPP user who wants not to be disturbed looks, to phones, as if she were on a call.
    pub dnd_is_busy: bool,
    /// Whether the presence of XMPP users is published to the domain's presence server (RFC 3903) and SIP users ask that
    /// for it.
    pub publish: bool,
    /// The user part of the address of each watcher's list of contacts (RFC 4662), `{user}` being that of the watcher's; `None`:
    /// there are no lists.
    pub list: Option<String>,
}

impl Default for PresenceRules {
    /// The configuration's defaults.
    fn default() -> Self {
        Self {
            watch: vec![Package::Presence],
            serve: vec![Package::Presence],
            expires: 3600,
            phone: PhoneRules::default(),
            dnd_is_busy: false,
            publish: false,
            list: None,
        }
    }
}

/// What bounds presence in all domains together. What an administrator has no reason to change is in `limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceLimits {
    /// Authorizations of XMPP users to watch SIP users; and, of the other way, dialogs; and publications: so many of each.
    pub subscriptions: usize,
    /// Subscriptions of one watcher.
    pub per_watcher: usize,
    /// Watchers of one target.
    pub per_target: usize,
    /// Of the users of one domain, of each kind: half of them, so that one domain cannot take the places of all others.
    pub per_domain: usize,
    /// Dialogs in which one SIP peer, by the number of the peer, watches XMPP users.
    pub per_peer: usize,
    /// The least time between two notifications in a dialog; the first is immediate (RFC 3856 section 6.10).
    pub notify_every: Duration,
    /// The largest document, bytes.
    pub document: usize,
}

impl Default for PresenceLimits {
    /// The configuration's defaults.
    fn default() -> Self {
        Self {
            subscriptions: 1_000_000,
            per_watcher: 2_000,
            per_target: 2_000,
            per_domain: 500_000,
            per_peer: 500_000,
            notify_every: Duration::from_secs(5),
            document: 64 << 10,
        }
    }
}

/// What happens to a request too large for UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// It goes over TCP (RFC 3261 section 18.1.1).
    Tcp,
    /// Its sender is told (RFC 7572 section 6).
    Refuse,
}

impl Default for Settings {
    /// No links, no routes, nobody believed; every other value is the configuration's default.
    fn default() -> Self {
        Self {
            links: Vec::new(),
            components: usize::MAX,
            routes: Vec::new(),
            trust: Trust::new(Vec::new(), Stranger::Refuse),
            accounts: None,
            confirm_within: Duration::from_secs(1),
            connect_within: Duration::from_secs(10),
            queue_per_pair: 256,
            messages_to_sip: 100_000,
            messages_to_xmpp: 100_000,
            bytes_to_xmpp: 256 << 20,
            contacts: Vec::new(),
            presence: PresenceLimits::default(),
            version: "0",
        }
    }
}

impl Route {
    /// To `next_hop`; every other value is the configuration's default.
    #[must_use]
    pub fn to(next_hop: Destination) -> Self {
        Self {
            next_hop,
            max_message: crate::sip::endpoint::MAX_UDP,
            large: Size::Tcp,
            max_body: usize::MAX,
            options_every: None,
            forward: false,
            tls_name: None,
            credentials: Vec::new(),
            register: None,
            users: Vec::new(),
            presence: PresenceRules::default(),
        }
    }
}

impl Settings {
    pub(super) fn route_of(&self, xmpp_domain: &str) -> Option<super::errand::RouteId> {
        self.routes.iter().position(|(domain, _)| domain == xmpp_domain)
    }

    /// How long the sender of a message waits for its outcome, and a ping for its answer, on this link.
    pub(super) fn patience(&self, link: super::Link) -> Duration {
        if link < self.components { self.confirm_within } else { self.confirm_within + self.connect_within }
    }

    pub(super) fn link_of(&self, xmpp_domain: &str) -> Option<super::Link> {
        self.links.iter().position(|domain| domain == xmpp_domain)
    }
}
