//! Who may say what: the identity in a SIP request counts only within the domains that its source may assert.
//!
//! A source is a peer by its address, by the name that its TLS certificate proves (RFC 5922), by an account whose
//! password it proves (RFC 3261 section 22), or by several of them together. The next hop of a SIP domain may speak for
//! that domain; any other system needs a `[[sip.peer]]` entry. Nobody else is believed, whatever the From says
//! (RFC 3261 section 26.1.2).
//!
//! The identity is From. From a peer that is trusted to have looked (RFC 3325 section 4), it is P-Asserted-Identity
//! where there is one.

mod source;

pub use source::{Network, Range, Source};

use super::rate::Rate;
use crate::sip::locate::Transport;
use crate::sip::message::Method;

/// One SIP system: what it is recognised by, for which domains it may speak, and how much.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// For logs.
    pub name: String,
    /// Its addresses; none: any, if it is recognised by something else.
    pub ranges: Vec<Range>,
    /// The name that its certificate must prove, without `sip:`.
    pub tls_name: Option<String>,
    /// The account that it must prove.
    pub account: Option<String>,
    /// Hosts of the identities that it may assert: lower case, without port.
    pub domains: Vec<String>,
    /// Whether its P-Asserted-Identity is believed (RFC 3325).
    pub asserted_identity: bool,
    /// The methods taken from it; none: all that are served.
    pub accept: Vec<Method>,
    /// Its requests, all together.
    pub rate: Option<Rate>,
    /// Requests of one of its users, by the identity.
    pub user_rate: Option<Rate>,
}

/// How much of what a peer is recognised by a source shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likeness {
    /// All of it.
    Whole,
    /// All but the account.
    ButAccount,
    /// Something else.
    None,
}

impl Peer {
    /// A peer known by address, without limits.
    #[must_use]
    pub fn new(name: &str, networks: Vec<Network>, domains: Vec<String>) -> Self {
        let ranges = networks.into_iter().map(Range::from).collect();
        Self { name: name.to_owned(), ranges, domains, ..Self::default() }
    }

    /// Whether requests of `method` are taken from it.
    #[must_use]
    pub fn accepts(&self, method: &Method) -> bool {
        self.accept.is_empty() || self.accept.contains(method)
    }

    fn is_like(&self, source: &Source<'_>) -> Likeness {
        let nothing = self.ranges.is_empty() && self.tls_name.is_none() && self.account.is_none();
        let here = self.ranges.is_empty() || self.ranges.iter().any(|range| range.contains(source));
        if nothing || !here || self.tls_name.as_ref().is_some_and(|name| !source.proves(name)) {
            return Likeness::None;
        }
        match (&self.account, source.account) {
            (None, _) => Likeness::Whole,
            (Some(_), None) => Likeness::ButAccount,
            (Some(own), Some(proven)) if own == proven => Likeness::Whole,
            (Some(_), Some(_)) => Likeness::None,
        }
    }

    /// Whether it may assert identities of this host.
    #[must_use]
    pub fn speaks_for(&self, domain: &str) -> bool {
        self.domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain))
    }
}

/// The number of a peer: its place in [`Trust`].
pub type PeerId = usize;

/// The domains of the identities that a request gives.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'c> {
    /// The domain of From.
    pub from: &'c str,
    /// The domain of P-Asserted-Identity, if there is one.
    pub asserted: Option<&'c str>,
}

impl<'c> From<&'c str> for Claim<'c> {
    /// Only a From.
    fn from(from: &'c str) -> Self {
        Self { from, asserted: None }
    }
}

/// What a source gets that no peer entry covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// 403, so that an administrator who forgot an entry sees why.
    Refuse,
    /// Silence, so that a scanner learns nothing.
    Drop,
}

/// The answer to "may this source say this?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The identity counts, because of this peer.
    Believed(PeerId),
    /// It would, if the source proved an account (401).
    Unproven,
    /// The source is known, but not for this domain: 403.
    Forbidden,
    /// The source is nobody we know.
    Unknown(Stranger),
}

/// What is known of a source before its request is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is a peer.
    Peer,
    /// It is a peer if it proves an account.
    Unproven,
    /// It is nobody.
    Stranger(Stranger),
}

/// All peers.
#[derive(Clone, Debug)]
pub struct Trust {
    peers: Vec<Peer>,
    stranger: Stranger,
}

impl Trust {
    /// Believes `peers` and treats everybody else as `stranger` says.
    #[must_use]
    pub fn new(peers: Vec<Peer>, stranger: Stranger) -> Self {
        Self { peers, stranger }
    }

    /// The peers, by their numbers.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The peer of this number.
    #[must_use]
    pub fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(id)
    }

    /// May a request from `source` claim this? The first peer that fits decides what else holds for it.
    #[must_use]
    pub fn judge<'c>(&self, source: &Source<'_>, claim: impl Into<Claim<'c>>) -> Verdict {
        let claim = claim.into();
        let (mut known, mut unproven) = (false, false);
        for (id, peer) in self.peers.iter().enumerate() {
            let likeness = peer.is_like(source);
            if likeness == Likeness::None {
                continue;
            }
            let asserted = claim.asserted.filter(|_| peer.asserted_identity);
            let speaks = peer.speaks_for(asserted.unwrap_or(claim.from));
            match (likeness, speaks) {
                (Likeness::Whole, true) => return Verdict::Believed(id),
                (Likeness::Whole, false) => known = true,
                (Likeness::ButAccount, speaks) => unproven |= speaks,
                (Likeness::None, _) => {}
            }
        }
        match (unproven, known) {
            (true, _) => Verdict::Unproven,
            (false, true) => Verdict::Forbidden,
            (false, false) => Verdict::Unknown(self.stranger),
        }
    }

    /// What `source` is, whatever it says.
    #[must_use]
    pub fn standing(&self, source: &Source<'_>) -> Standing {
        let mut unproven = false;
        for peer in &self.peers {
            match peer.is_like(source) {
                Likeness::Whole => return Standing::Peer,
                Likeness::ButAccount => unproven = true,
                Likeness::None => {}
            }
        }
        if unproven { Standing::Unproven } else { Standing::Stranger(self.stranger) }
    }

    /// The first peer that `source` is.
    #[must_use]
    pub fn who(&self, source: &Source<'_>) -> Option<PeerId> {
        self.peers.iter().position(|peer| peer.is_like(source) == Likeness::Whole)
    }

    /// What a source is before anything came on its connection: where TLS may yet prove a name, that counts as proven.
    #[must_use]
    pub fn standing_of_connection(&self, source: &Source<'_>) -> Standing {
        let may_prove = matches!(source.transport, Transport::Tls | Transport::Wss);
        let own: Vec<String> = match may_prove {
            true => self.peers.iter().filter_map(|peer| peer.tls_name.clone()).collect(),
            false => Vec::new(),
        };
        self.standing(&Source { names: &own, ..*source })
    }

    /// Whether one of the peers that `source` is takes requests of `method`.
    #[must_use]
    pub fn accepts(&self, source: &Source<'_>, method: &Method) -> bool {
        self.peers.iter().any(|peer| peer.is_like(source) == Likeness::Whole && peer.accepts(method))
    }

    /// Whether any peer has a rate: if not, nobody has to look.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.peers.iter().any(|peer| peer.rate.is_some() || peer.user_rate.is_some())
    }
}

#[cfg(test)]
mod tests;
