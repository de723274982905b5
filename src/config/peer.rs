//! Who may send SIP requests to us, and in whose name.

use std::fmt;
use std::net::IpAddr;

use super::value::{Bad, Cidr, NextHop};
use crate::gateway::rate::Rate;
use crate::gateway::trust::{Network, Range};
use crate::sip::locate::Transport;
use crate::sip::message::Method;

/// One SIP system and the SIP domains it may name in From.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer {
    /// For logs and metrics: the entry's `name`, or the `sip` domain for one that a `[[domain]]` implies.
    pub name: String,
    /// Where its requests come from; none and no `hosts`: anywhere, if something else proves it.
    pub source: Vec<Source>,
    /// Next hops by name: all addresses that requests for them could go to count as sources too, once looked up.
    pub hosts: Vec<NextHop>,
    /// The name that its client certificate must prove (RFC 5922).
    pub tls_name: Option<String>,
    /// The `[[sip.account]]` that it must prove.
    pub account: Option<String>,
    /// The SIP domains it may assert in From: the host alone, spelt as `DomainMapping::sip_host` is.
    pub domains: Vec<String>,
    /// Whether its P-Asserted-Identity is believed (RFC 3325).
    pub asserted_identity: bool,
    /// The methods taken from it; none: all that are served.
    pub accept: Vec<Method>,
    /// Its requests, all together.
    pub rate: Option<Rate>,
    /// Requests of one of its users.
    pub user_rate: Option<Rate>,
}

/// `192.0.2.0/24`, `192.0.2.7:5080`, `tcp:192.0.2.7`: where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The addresses.
    pub network: Cidr,
    /// Only what came so.
    pub transport: Option<Transport>,
    /// Only datagrams from this port.
    pub port: Option<u16>,
}

impl From<Cidr> for Source {
    fn from(network: Cidr) -> Self {
        Self { network, transport: None, port: None }
    }
}

const TRANSPORTS: [(&str, Transport); 5] = [
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("ws", Transport::Ws),
    ("wss", Transport::Wss),
];

impl Source {
    /// The same, as the gateway has it.
    #[must_use]
    pub fn range(&self) -> Range {
        let network = Network { first: self.network.network, bits: self.network.bits };
        Range { network, transport: self.transport, port: self.port }
    }

    pub(super) fn read(text: &str) -> Result<Self, Bad> {
        const TODO: &str = "write a network, and in front of it udp: or tcp: or tls:, or behind it a port, if that matters: \
                            \"192.0.2.0/24\", \"tcp:192.0.2.7\", \"192.0.2.7:5080\", \"[2001:db8::7]:5080\"";
        let named = text.split_once(':').and_then(|(word, rest)| {
            let (_, transport) = TRANSPORTS.iter().find(|(name, _)| *name == word)?;
            Some((*transport, rest))
        });
        let (transport, rest) = named.map_or((None, text), |(transport, rest)| (Some(transport), rest));
        let (network, port) = split_port(rest).map_err(|what| Bad { what, todo: TODO.to_owned() })?;
        let network = Cidr::read(network)?;
        if port.is_some() && transport.is_some_and(|transport| transport != Transport::Udp) {
            let what = "has a port, and who connects does so from any".to_owned();
            return Err(Bad { what, todo: "leave the port out".to_owned() });
        }
        Ok(Self { network, transport, port })
    }
}

/// The network, and the port behind it: none behind a prefix length, and behind an IPv6 address only if that has brackets.
fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let (host, digits) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else { return Err("has no closing bracket".to_owned()) };
        (host, after.strip_prefix(':'))
    } else if text.parse::<IpAddr>().is_ok() || text.contains('/') {
        (text, None)
    } else {
        text.split_once(':').map_or((text, None), |(host, digits)| (host, Some(digits)))
    };
    match digits.map(str::parse::<u16>) {
        None => Ok((host, None)),
        Some(Ok(port)) if port > 0 => Ok((host, Some(port))),
        Some(_) => Err(format!("has a bad port (\"{}\")", digits.unwrap_or_default())),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = TRANSPORTS.iter().find(|(_, transport)| Some(*transport) == self.transport) {
            write!(f, "{name}:")?;
        }
        match self.port {
            Some(port) if self.network.network.is_ipv6() => write!(f, "[{}]:{port}", self.network),
            Some(port) => write!(f, "{}:{port}", self.network),
            None => write!(f, "{}", self.network),
        }
    }
}
