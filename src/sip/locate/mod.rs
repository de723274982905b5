//! Where a request goes: RFC 3263 as questions and answers.
//!
//! Nothing here asks DNS. A [`Finder`] gives the [`Target`]s of a [`Destination`] or has a [`Query`] for the rim, whose
//! [`Answer`] leads on.
//!
//! | file | what |
//! |---|---|
//! | `search` | from what is known of DNS to a plan, or to what has to be asked |
//! | `plan` | hosts by preference, priority and weight; the order in which one request tries them |
//! | `cache` | what DNS said, for as long as it holds |
//! | `rest` | targets that failed, and when they are tried again |
//! | `finder` | all of these together, for one shard |
//! | `explain` | what a search would ask, for people |

mod cache;
mod explain;
mod finder;
mod limits;
mod plan;
mod rest;
pub mod search;

pub use crate::dns::{Answer, Dice, Naptr, Query, Srv};
pub use cache::Cache;
pub use explain::explain;
pub use finder::{Find, Finder, PlaceId, QuestionId};
pub use plan::Plan;
pub use rest::{Outcome, Rest};

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::uri::{Scheme, Uri};

/// A transport protocol of SIP, as in the sent-protocol of Via and in the `transport` parameter of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams: the transaction layer repeats what gets lost.
    Udp,
    /// A connection.
    Tcp,
    /// A connection inside TLS.
    Tls,
    /// WebSocket (RFC 7118). We only take such connections, so only answers go by it.
    Ws,
    /// WebSocket inside TLS.
    Wss,
}

impl Transport {
    /// Whether the transport itself repeats what gets lost, so that the transaction layer does not.
    #[must_use]
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// The port where none is written: 5060, or 5061 for TLS (RFC 3261 section 18.1.1); for WebSocket HTTP's (RFC 7118
    /// section 5.2.2).
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Whether a request of ours can go by it to an address: WebSocket peers do not listen (RFC 7118 section 5.2.3).
    #[must_use]
    pub fn can_be_dialled(self) -> bool {
        !matches!(self, Self::Ws | Self::Wss)
    }

    /// As in the sent-protocol of Via: `UDP`, `TCP`, `TLS`, `WS`, `WSS`.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// Reads a token in any case, as in Via or in a `transport` parameter.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        let all = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];
        all.into_iter().find(|transport| token.eq_ignore_ascii_case(transport.token()))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// The transports that requests of ours can go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transports(u8);

impl Transports {
    /// Whether this one is among them.
    #[must_use]
    pub fn has(self, transport: Transport) -> bool {
        self.0 & Self::bit(transport) != 0
    }

    fn bit(transport: Transport) -> u8 {
        1 << transport as u8
    }
}

impl FromIterator<Transport> for Transports {
    /// Those of them that can be dialled.
    fn from_iter<I: IntoIterator<Item = Transport>>(transports: I) -> Self {
        let dialled = transports.into_iter().filter(|transport| transport.can_be_dialled());
        Self(dialled.fold(0, |bits, transport| bits | Self::bit(transport)))
    }
}

/// One place to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// How to get there.
    pub transport: Transport,
    /// Where it is.
    pub addr: SocketAddr,
}

/// What is to be located: the next hop of the configuration, or what a URI or Route names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// A domain name, an IPv4 address, or an IPv6 address with or without brackets.
    pub host: String,
    /// The port, where one is written.
    pub port: Option<u16>,
    /// The transport, where one is written or configured.
    pub transport: Option<Transport>,
    /// Whether the URI is a `sips:` one: only TLS will do (RFC 3263 section 4.1).
    pub secure: bool,
}

impl Destination {
    /// What `uri` names, as RFC 3263 section 4 reads it, with `maddr` (RFC 3261 section 19.1.1); `None` for a URI without a
    /// host. A transport that nobody knows leaves nothing either.
    #[must_use]
    pub fn of(uri: &Uri) -> Option<Self> {
        let host = uri.param("maddr").map_or_else(|| Some(uri.host()?.to_string()), |host| Some(host.to_owned()))?;
        let transport = match uri.param("transport") {
            Some(token) => Some(Transport::from_token(token)?),
            None => None,
        };
        let secure = uri.scheme() == Scheme::Sips;
        Some(Self { host: host.to_ascii_lowercase(), port: uri.port(), transport, secure })
    }

    /// Whether it is an address, so that no DNS is asked for it.
    #[must_use]
    pub fn is_address(&self) -> bool {
        numeric(&self.host).is_some()
    }

    /// Whether `named` names this place, perhaps without saying by which transport: then what is configured for this one
    /// holds for it.
    #[must_use]
    pub fn covers(&self, named: &Self) -> bool {
        let transport = self.transport.unwrap_or(Transport::Udp);
        let host = |of: &Self| of.host.trim_matches(['[', ']']).to_ascii_lowercase();
        let port = |of: &Self| of.port.unwrap_or(transport.default_port());
        let secure = self.secure || transport == Transport::Tls;
        host(self) == host(named)
            && if self.is_address() { port(self) == port(named) } else { self.port == named.port }
            && named.transport.is_none_or(|wanted| wanted == transport)
            && (secure || !named.secure)
    }
}

/// Why nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The name does not exist or has no address: a permanent failure.
    #[error("the host has no address")]
    NoAddress,
    /// DNS did not answer: the same question may be answered later.
    #[error("the host cannot be looked up now")]
    Unavailable,
    /// The domain says that it offers no such service (RFC 2782).
    #[error("the domain offers no SIP service")]
    NoService,
    /// The transport that is asked for is one that we do not have.
    #[error("no transport of ours leads there")]
    NoTransport,
    /// A `sips:` URI with a transport other than TLS over TCP (RFC 3261 section 26.2.2).
    #[error("a sips URI cannot be reached over UDP")]
    Insecure,
}

/// An IP address as it is written as a host of SIP: IPv6 in brackets, which are not insisted upon.
pub(crate) fn numeric(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
mod tests;
