//! Where a request comes from, and what a peer is recognised by.

use std::fmt;
use std::net::IpAddr;

use crate::sip::endpoint::Flow;
use crate::sip::locate::Transport;

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The first address of the block.
    pub first: IpAddr,
    /// Leading bits that an address must share with it.
    pub bits: u8,
}

impl Network {
    /// The block of exactly one address.
    #[must_use]
    pub fn host(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        Self { first: ip, bits: if ip.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether `ip` lies in the block. An IPv4 address in IPv6 clothes (RFC 4291 section 2.5.5.2) is an IPv4 address.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let shift = |width: u8| u32::from(width.saturating_sub(self.bits));
        match (self.first.to_canonical(), ip.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                (first.to_bits() ^ ip.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => {
                (first.to_bits() ^ ip.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Display for Network {
    /// `192.0.2.0/24`, or one address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if *self == Self::host(self.first) { Ok(()) } else { write!(f, "/{}", self.bits) }
    }
}

/// A block of addresses, and where several systems share one address, what tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The addresses.
    pub network: Network,
    /// Only requests that came so; `None`: however they came.
    pub transport: Option<Transport>,
    /// Only requests sent from this port. Those who connect do so from any port, so it says UDP, too.
    pub port: Option<u16>,
}

impl Range {
    /// Whether `source` lies in it.
    #[must_use]
    pub fn contains(&self, source: &Source<'_>) -> bool {
        self.transport.is_none_or(|transport| transport == source.transport)
            && self.port.is_none_or(|port| port == source.port && source.transport == Transport::Udp)
            && self.network.contains(source.ip)
    }
}

impl fmt::Display for Range {
    /// `192.0.2.0/24`, `tcp:192.0.2.7`, `[2001:db8::7]:5080`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(transport) = self.transport {
            write!(f, "{}:", transport.token().to_ascii_lowercase())?;
        }
        match self.port {
            Some(port) if self.network.first.is_ipv6() => write!(f, "[{}]:{port}", self.network),
            Some(port) => write!(f, "{}:{port}", self.network),
            None => write!(f, "{}", self.network),
        }
    }
}

impl From<Network> for Range {
    fn from(network: Network) -> Self {
        Self { network, transport: None, port: None }
    }
}

/// Where a request comes from, and what is proven about it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'s> {
    /// Its address.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// How it came.
    pub transport: Transport,
    /// The names of the client certificate, verified, as [`Input::FlowOpened`](crate::gateway::Input::FlowOpened) gives
    /// them; empty where there is none.
    pub names: &'s [String],
    /// The account whose password was proven with this request.
    pub account: Option<&'s str>,
}

impl<'s> Source<'s> {
    /// The other end of `flow`, with the names that its certificate proves.
    #[must_use]
    pub fn of(flow: &Flow, names: &'s [String]) -> Self {
        let (ip, port, transport) = (flow.remote.ip(), flow.remote.port(), flow.transport);
        Self { ip, port, transport, names, account: None }
    }

    /// The same, with an account that it has proven.
    #[must_use]
    pub fn with_account(self, account: &'s str) -> Self {
        Self { account: Some(account), ..self }
    }

    /// Whether its certificate proves `name`. Names are compared as RFC 5922 section 7.2 says: without case, and no
    /// wildcard counts.
    pub(super) fn proves(&self, name: &str) -> bool {
        let bare = |proven: &'s str| match proven.get(..4) {
            Some(scheme) if scheme.eq_ignore_ascii_case("sip:") => &proven[4..],
            _ => proven,
        };
        self.names.iter().any(|proven| bare(proven).eq_ignore_ascii_case(name))
    }
}
