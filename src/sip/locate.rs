//! Where a request goes: RFC 3263 as questions and answers.
//!
//! Nothing here asks DNS. [`locate`] gives either the [`Target`]s at once or a [`Locator`] with a [`Query`] for the rim,
//! whose [`Answer`] leads to the next step. Today a port, an IP address or an explicit next hop is located by at most
//! one address lookup (section 4.2, "numeric IP" and "port present"); a bare domain gets the default port of its
//! transport, as when NAPTR and SRV found nothing. NAPTR and SRV are further variants of the same three enums, so a
//! caller that loops until [`Step::Found`] or [`Step::NotFound`] needs no change when they come.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

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

/// A question for DNS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Query {
    /// The A and AAAA records of a name.
    Addresses {
        /// The name.
        name: String,
    },
}

/// What DNS said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The addresses of a name, in the order in which to try them; none when the name has none.
    Addresses(Vec<IpAddr>),
    /// The name does not exist.
    NoSuchName,
    /// The question could not be answered now.
    Unavailable,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask this and give the answer to [`Locator::answer`].
    Ask(Query),
    /// Try these in this order. Never empty.
    Found(Vec<Target>),
    /// There is no such place.
    NotFound(Reason),
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
    /// A `sips:` URI with a transport other than TLS over TCP (RFC 3261 section 26.2.2).
    #[error("a sips URI cannot be reached over UDP")]
    Insecure,
}

/// A search under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locator {
    transport: Transport,
    port: u16,
}

/// Addresses of one name that are tried; a name with more is a mistake or an attack on our patience.
pub const MAX_ADDRESSES: usize = 8;

/// Starts the search for `destination`.
#[must_use]
pub fn locate(destination: &Destination) -> (Locator, Step) {
    let transport = match (destination.secure, destination.transport) {
        (true, Some(Transport::Udp | Transport::Ws | Transport::Wss)) => {
            let locator = Locator { transport: Transport::Tls, port: 0 };
            return (locator, Step::NotFound(Reason::Insecure));
        }
        (true, Some(Transport::Tcp | Transport::Tls) | None) => Transport::Tls,
        (false, Some(transport)) => transport,
        // Section 4.1: a numeric address or an explicit port without a transport means UDP for a SIP URI.
        (false, None) => Transport::Udp,
    };
    let locator = Locator { transport, port: destination.port.unwrap_or(transport.default_port()) };
    let step = match numeric(&destination.host) {
        Some(ip) => locator.found(vec![ip]),
        None => Step::Ask(Query::Addresses { name: destination.host.clone() }),
    };
    (locator, step)
}

impl Locator {
    /// What follows from `answer` to the question asked last.
    pub fn answer(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::Addresses(addresses) => self.found(addresses),
            Answer::NoSuchName => Step::NotFound(Reason::NoAddress),
            Answer::Unavailable => Step::NotFound(Reason::Unavailable),
        }
    }

    fn found(&self, addresses: Vec<IpAddr>) -> Step {
        if addresses.is_empty() {
            return Step::NotFound(Reason::NoAddress);
        }
        let target = |ip| Target { transport: self.transport, addr: SocketAddr::new(ip, self.port) };
        Step::Found(addresses.into_iter().take(MAX_ADDRESSES).map(target).collect())
    }
}

/// An IP address as it is written as a host of SIP: IPv6 in brackets, which are not insisted upon.
pub(crate) fn numeric(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(host: &str, port: Option<u16>, transport: Option<Transport>, secure: bool) -> Destination {
        Destination { host: host.to_owned(), port, transport, secure }
    }

    fn target(transport: Transport, addr: &str) -> Target {
        Target { transport, addr: addr.parse().expect("tests write addresses right") }
    }

    #[test]
    fn an_address_needs_no_question() {
        use Transport::{Tcp, Tls, Udp};
        for (host, port, transport, secure, expected) in [
            ("192.0.2.1", None, None, false, target(Udp, "192.0.2.1:5060")),
            ("192.0.2.1", Some(5080), Some(Tcp), false, target(Tcp, "192.0.2.1:5080")),
            ("[2001:db8::1]", None, Some(Udp), false, target(Udp, "[2001:db8::1]:5060")),
            ("2001:db8::1", None, Some(Tls), false, target(Tls, "[2001:db8::1]:5061")),
            ("192.0.2.1", None, Some(Tcp), true, target(Tls, "192.0.2.1:5061")),
        ] {
            let (_, step) = locate(&destination(host, port, transport, secure));
            assert_eq!(step, Step::Found(vec![expected]), "{host}");
        }
    }

    #[test]
    fn a_name_is_asked_for_and_its_addresses_are_tried_in_order() {
        let (mut locator, step) = locate(&destination("pbx.example.com", Some(5070), Some(Transport::Tcp), false));
        assert_eq!(step, Step::Ask(Query::Addresses { name: "pbx.example.com".into() }));
        let addresses = ["192.0.2.7", "2001:db8::7"].map(|ip| ip.parse().expect("an address"));
        assert_eq!(
            locator.answer(Answer::Addresses(addresses.to_vec())),
            Step::Found(vec![target(Transport::Tcp, "192.0.2.7:5070"), target(Transport::Tcp, "[2001:db8::7]:5070")])
        );
    }

    #[test]
    fn no_address_and_no_answer_are_told_apart() {
        let (mut locator, _) = locate(&destination("nowhere.example", None, None, false));
        assert_eq!(locator.answer(Answer::Addresses(Vec::new())), Step::NotFound(Reason::NoAddress));
        assert_eq!(locator.answer(Answer::NoSuchName), Step::NotFound(Reason::NoAddress));
        assert_eq!(locator.answer(Answer::Unavailable), Step::NotFound(Reason::Unavailable));
    }

    #[test]
    fn sips_never_goes_over_udp() {
        let (_, step) = locate(&destination("192.0.2.1", None, Some(Transport::Udp), true));
        assert_eq!(step, Step::NotFound(Reason::Insecure));
    }

    #[test]
    fn a_name_with_too_many_addresses_is_cut() {
        let (mut locator, _) = locate(&destination("many.example", None, None, false));
        let many = vec![IpAddr::from([192, 0, 2, 1]); 100];
        let Step::Found(targets) = locator.answer(Answer::Addresses(many)) else { panic!("addresses were given") };
        assert_eq!(targets.len(), MAX_ADDRESSES);
    }

    #[test]
    fn transports_are_read_in_any_case() {
        assert_eq!(Transport::from_token("tCp"), Some(Transport::Tcp));
        assert_eq!(Transport::from_token("SCTP"), None);
    }
}
