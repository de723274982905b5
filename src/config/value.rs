//! The small grammars inside configuration values: durations, networks, listening addresses, hosts, next hops.
//!
//! Each reader answers with what is wrong in words that finish the sentence "`value` …".

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::gateway::trust::Network;

/// What a value's text fails on, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) what: String,
    pub(super) todo: String,
}

/// How a duration is written.
pub(super) const DURATION: &str = "write a whole number and a unit: \"500ms\", \"10s\", \"5m\", \"2h\"";

fn bad<T>(what: impl Into<String>, todo: impl Into<String>) -> Result<T, Bad> {
    Err(Bad { what: what.into(), todo: todo.into() })
}

/// A SIP transport that a socket or a next hop can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
    /// Streams inside TLS.
    Tls,
    /// WebSocket (RFC 7118), for listening only.
    Ws,
    /// WebSocket inside TLS, for listening only.
    Wss,
}

impl Transport {
    const WORDS: [(&'static str, Transport); 5] = [
        ("udp", Transport::Udp),
        ("tcp", Transport::Tcp),
        ("tls", Transport::Tls),
        ("ws", Transport::Ws),
        ("wss", Transport::Wss),
    ];

    /// As SIP has it.
    pub fn sip(self) -> crate::sip::locate::Transport {
        use crate::sip::locate::Transport as Sip;
        match self {
            Transport::Udp => Sip::Udp,
            Transport::Tcp => Sip::Tcp,
            Transport::Tls => Sip::Tls,
            Transport::Ws => Sip::Ws,
            Transport::Wss => Sip::Wss,
        }
    }

    /// Whether a socket of it needs a certificate.
    pub fn needs_certificate(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Transport::WORDS.iter().find(|(_, transport)| transport == self).map_or("", |(word, _)| word))
    }
}

/// `udp:192.0.2.1:5060`, `tcp:[::1]:5060`: one listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    /// Its transport.
    pub transport: Transport,
    /// Its address; port 0 is not allowed.
    pub addr: SocketAddr,
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.addr)
    }
}

impl Listen {
    pub(super) fn read(text: &str) -> Result<Listen, Bad> {
        const TODO: &str = "write \"udp:IP:PORT\", or tcp, tls, ws or wss for udp, an IPv6 address in brackets";
        let Some((scheme, rest)) = text.split_once(':') else { return bad("has no transport", TODO) };
        let Some((_, transport)) = Transport::WORDS.into_iter().find(|(word, _)| *word == scheme) else {
            return bad(format!("begins with \"{scheme}\", which is no transport"), TODO);
        };
        Ok(Listen { transport, addr: socket(rest, TODO)? })
    }
}

/// `IP:PORT`, port not 0.
pub(super) fn socket(text: &str, todo: &str) -> Result<SocketAddr, Bad> {
    match text.parse::<SocketAddr>() {
        Ok(addr) if addr.port() == 0 => bad("has port 0, which nobody could send to", todo),
        Ok(addr) => Ok(addr),
        Err(_) => match text.rsplit_once(':') {
            Some((host, port)) if host.parse::<Ipv4Addr>().is_ok() || host.ends_with(']') => {
                let what = if port.parse::<u16>().is_err() { "has a bad port" } else { "has a bad address" };
                bad(format!("{what} (\"{}\")", if port.parse::<u16>().is_err() { port } else { host }), todo)
            }
            Some((host, _)) if host.parse::<Ipv6Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok() => {
                bad("has an IPv6 address without brackets", todo)
            }
            Some((host, _)) => bad(format!("has \"{host}\" where an IP address belongs"), todo),
            None => bad("has no port", todo),
        },
    }
}

/// A host with or without a port: `pbx.example`, `192.0.2.7:5080`, `[2001:db8::1]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A lower-case name, or an address in its canonical form; IPv6 without brackets.
    pub host: String,
    /// The port, if one is written.
    pub port: Option<u16>,
}

impl HostPort {
    /// The host, if it is an address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    pub(super) fn read(text: &str) -> Result<HostPort, Bad> {
        const TODO: &str = "write HOST or HOST:PORT, an IPv6 address in brackets";
        if let Some(rest) = text.strip_prefix('[') {
            let Some((host, after)) = rest.split_once(']') else { return bad("has no closing bracket", TODO) };
            let Ok(ip) = host.parse::<Ipv6Addr>() else {
                return bad(format!("has a bad IPv6 address (\"{host}\")"), TODO);
            };
            let port = match after.strip_prefix(':') {
                Some(digits) => Some(port(digits, TODO)?),
                None if after.is_empty() => None,
                None => return bad(format!("has \"{after}\" after the address"), TODO),
            };
            return Ok(HostPort { host: ip.to_string(), port });
        }
        if let Ok(ip) = text.parse::<Ipv6Addr>() {
            return Ok(HostPort { host: ip.to_string(), port: None });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, digits)) => (host, Some(port(digits, TODO)?)),
            None => (text, None),
        };
        Ok(HostPort { host: host_name(host)?, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

fn port(digits: &str, todo: &str) -> Result<u16, Bad> {
    match digits.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => bad(format!("has a bad port (\"{digits}\")"), format!("{todo}; a port is 1 to 65535")),
    }
}

/// A host name or IPv4 address, lower case; names of other scripts are kept as they are written.
pub(super) fn host_name(text: &str) -> Result<String, Bad> {
    const TODO: &str = "write a host name such as pbx.example, or an IP address";
    if text.is_empty() {
        return bad("is empty", TODO);
    }
    if text.chars().all(|c| c.is_ascii_digit() || c == '.') && text.parse::<Ipv4Addr>().is_err() {
        return bad("is no IPv4 address", TODO);
    }
    if let Some(c) = text.chars().find(|c| c.is_ascii() && !(c.is_ascii_alphanumeric() || "-._".contains(*c))) {
        return bad(format!("has {c:?}, which no host name has"), TODO);
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.split('.').any(|label| label.is_empty() || label.starts_with('-') || label.ends_with('-')) {
        return bad("has an empty label or one that begins or ends with a hyphen", TODO);
    }
    match idna::domain_to_ascii(name) {
        Ok(ascii) if ascii.len() <= 253 => Ok(name.to_lowercase()),
        Ok(_) => bad("is longer than 253 characters", TODO),
        Err(_) => bad("is no valid internationalised host name", TODO),
    }
}

/// `192.0.2.0/24`, `2001:db8::/32`, or one address: a network that requests may come from.
pub(super) fn network(text: &str) -> Result<Network, Bad> {
    const TODO: &str = "write an address or a network such as \"192.0.2.0/24\" or \"2001:db8::/32\"";
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let Ok(ip) = address.parse::<IpAddr>() else {
        return bad(format!("has \"{address}\" where an IP address belongs"), TODO);
    };
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let Some(digits) = bits else { return Ok(Network { first: ip, bits: most }) };
    let bits = match digits.parse::<u8>() {
        Ok(bits) if bits <= most => bits,
        _ => return bad(format!("has a bad prefix length (\"{digits}\", at most {most})"), TODO),
    };
    let first = first_of(ip, bits);
    if first != ip {
        return bad("has bits set beyond its prefix", format!("write \"{first}/{bits}\", or only \"{ip}\""));
    }
    Ok(Network { first, bits })
}

/// The first address of the network of `bits` leading bits that `ip` lies in.
fn first_of(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    }
}

/// `sip:HOST[:PORT][;transport=udp|tcp|tls]` or `sips:HOST[:PORT]`: where requests for a domain are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// Host and port of the URI.
    pub host: HostPort,
    /// Its `transport` parameter; `None`: UDP, and TCP for what is too large.
    pub transport: Option<Transport>,
    /// Whether it is a `sips` URI: nothing but TLS will do.
    pub secure: bool,
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", if self.secure { "sips" } else { "sip" }, self.host)?;
        match self.transport {
            Some(transport) => write!(f, ";transport={transport}"),
            None => Ok(()),
        }
    }
}

impl NextHop {
    /// Whether only TLS will do.
    pub fn is_secure(&self) -> bool {
        self.secure || self.transport == Some(Transport::Tls)
    }

    pub(super) fn read(text: &str) -> Result<NextHop, Bad> {
        const TODO: &str = "write \"sip:HOST:PORT;transport=udp\" (or tcp, or tls)";
        let Some((scheme, rest)) = text.split_once(':') else { return bad("is no sip URI", TODO) };
        let secure = scheme.eq_ignore_ascii_case("sips");
        if !secure && !scheme.eq_ignore_ascii_case("sip") {
            return bad("is no sip URI", TODO);
        }
        let mut parts = rest.split(';');
        let host = parts.next().unwrap_or("");
        if host.contains('@') {
            return bad("has a user part, and a next hop is a host", TODO);
        }
        let host = HostPort::read(host)?;
        let mut transport = None;
        for parameter in parts {
            match parameter.to_ascii_lowercase().as_str() {
                "transport=udp" => transport = Some(Transport::Udp),
                "transport=tcp" => transport = Some(Transport::Tcp),
                "transport=tls" => transport = Some(Transport::Tls),
                "lr" => {}
                other => return bad(format!("has the parameter \"{other}\", which is not understood here"), TODO),
            }
        }
        if secure && transport == Some(Transport::Udp) {
            return bad("is a sips URI over UDP, and TLS needs a connection", TODO);
        }
        Ok(NextHop { host, transport, secure })
    }
}

/// `500ms`, `10s`, `5m`, `2h`: a whole number and a unit.
pub(super) fn duration(text: &str) -> Result<Duration, Bad> {
    const TODO: &str = DURATION;
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let Ok(number) = digits.parse::<u32>() else { return bad("is no duration", TODO) };
    let number = u64::from(number);
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        "h" => Ok(Duration::from_secs(number * 3600)),
        "" => bad("has no unit", TODO),
        other => bad(format!("has the unknown unit \"{other}\""), TODO),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "s", "1", "1.5s", "-1s", "1 s", "1d", "99999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_holds_the_addresses_of_its_prefix() {
        let holds = |net: &str, ip: &str| network(net).unwrap().contains(ip.parse().unwrap());
        assert!(holds("192.0.2.0/24", "192.0.2.255"));
        assert!(!holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("192.0.2.7", "::ffff:192.0.2.7"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("0.0.0.0/0", "203.0.113.1"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1"));
        for wrong in ["", "192.0.2.1/24", "192.0.2.0/33", "::/129", "192.0.2.0/", "pbx.example", "192.0.2.0/-1"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_host_may_have_a_port_and_ipv6_has_brackets() {
        let read = |text: &str| HostPort::read(text).map(|h| (h.host, h.port));
        assert_eq!(read("PBX.Example:5080"), Ok(("pbx.example".to_owned(), Some(5080))));
        assert_eq!(read("192.0.2.7"), Ok(("192.0.2.7".to_owned(), None)));
        assert_eq!(read("[2001:DB8::1]:5060"), Ok(("2001:db8::1".to_owned(), Some(5060))));
        assert_eq!(read("2001:db8::1"), Ok(("2001:db8::1".to_owned(), None)));
        assert_eq!(HostPort::read("[2001:db8::1]:5060").unwrap().to_string(), "[2001:db8::1]:5060");
        for wrong in ["", "a b", "a:0", "a:70000", "a:b", "[::1", "[::1]x", "300.1.1.1", "a..b", "-a", "a@b", "a/b"] {
            assert!(HostPort::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_next_hop_is_a_sip_uri_of_a_host() {
        let read = |text: &str| NextHop::read(text).map(|hop| hop.to_string());
        assert_eq!(read("sip:pbx.example"), Ok("sip:pbx.example".to_owned()));
        assert_eq!(read("SIP:[::1]:5070;transport=TCP"), Ok("sip:[::1]:5070;transport=tcp".to_owned()));
        assert_eq!(read("sip:192.0.2.1:5070;lr"), Ok("sip:192.0.2.1:5070".to_owned()));
        assert_eq!(read("sip:pbx.example;transport=tls"), Ok("sip:pbx.example;transport=tls".to_owned()));
        assert_eq!(read("SIPS:pbx.example"), Ok("sips:pbx.example".to_owned()));
        for wrong in
            ["", "pbx.example", "sips:b;transport=udp", "sip:", "sip:a@b", "sip:b;transport=ws", "sip:b?x=y", "tel:+1"]
        {
            assert!(NextHop::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_listening_socket_names_transport_address_and_port() {
        for good in ["udp:[::1]:5060", "tcp:192.0.2.1:5060", "tls:[::]:5061", "ws:127.0.0.1:8080", "wss:0.0.0.0:443"] {
            assert_eq!(Listen::read(good).unwrap().to_string(), good);
        }
        for wrong in ["", "5060", "127.0.0.1:5060", "udp:127.0.0.1", "udp:127.0.0.1:0", "udp:::1:5060", "udp:host:5060"]
        {
            assert!(Listen::read(wrong).is_err(), "{wrong}");
        }
    }
}
