//! Who may send SIP requests to us, and in whose name.

use std::net::IpAddr;

use super::value::{Bad, NextHop, network};
use crate::gateway::trust::{self, Range};
use crate::sip::locate::Transport;

/// One SIP system and the SIP domains it may name in From.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// As the gateway has it. Its name is the entry's `name`, or the `sip` domain for one that a `[[domain]]` implies.
    pub known: trust::Peer,
    /// Next hops by name: all addresses that requests for them could go to are its addresses too, once looked up.
    pub hosts: Vec<NextHop>,
}

const TRANSPORTS: [(&str, Transport); 5] = [
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("ws", Transport::Ws),
    ("wss", Transport::Wss),
];

/// `192.0.2.0/24`, `192.0.2.7:5080`, `tcp:192.0.2.7`: where requests come from.
pub(super) fn range(text: &str) -> Result<Range, Bad> {
    const TODO: &str = "write a network, and in front of it udp: or tcp: or tls:, or behind it a port, if that matters: \
                        \"192.0.2.0/24\", \"tcp:192.0.2.7\", \"192.0.2.7:5080\", \"[2001:db8::7]:5080\"";
    let named = text.split_once(':').and_then(|(word, rest)| {
        let (_, transport) = TRANSPORTS.iter().find(|(name, _)| *name == word)?;
        Some((*transport, rest))
    });
    let (transport, rest) = named.map_or((None, text), |(transport, rest)| (Some(transport), rest));
    let (addresses, port) = split_port(rest).map_err(|what| Bad { what, todo: TODO.to_owned() })?;
    let network = network(addresses)?;
    if port.is_some() && transport.is_some_and(|transport| transport != Transport::Udp) {
        let what = "has a port, and who connects does so from any".to_owned();
        return Err(Bad { what, todo: "leave the port out".to_owned() });
    }
    Ok(Range { network, transport, port })
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
