//! Via (RFC 3261 section 20.42, RFC 3581).

use super::{BadHeader, Header, Params};
use crate::sip::message::{Name, lex};
use crate::sip::uri::{Host, parse_port, parse_v6};
use std::borrow::Cow;
use std::net::IpAddr;

/// The transport a Via names: an open set, for a proxy further down may know one that we do not (RFC 4475 section
/// 3.1.1.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentTransport {
    /// `UDP`.
    Udp,
    /// `TCP`.
    Tcp,
    /// `TLS`.
    Tls,
    /// Any other, as spelled.
    Other(Box<str>),
}

/// What a Via says about RFC 3581.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rport {
    /// Nothing: the answer goes to the port of `sent-by`.
    Absent,
    /// The sender wants its answer at the port it sent from. A value that is no port in a request is read so too: its
    /// writer knows RFC 3581, and a server overwrites the value anyway.
    Asked,
    /// The port a server saw.
    Seen(u16),
}

/// One step of a request's way, to be taken back by its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    protocol: Cow<'static, str>,
    /// What carried the request.
    pub transport: SentTransport,
    host: String,
    /// The port of `sent-by`, if written.
    pub port: Option<u16>,
    /// Everything behind it.
    pub params: Params,
}

const PROTOCOL: &str = "SIP/2.0";

impl Via {
    /// A Via of ours. `host` is a name, an IPv4 address or a bracketed IPv6 reference; anything else is refused.
    pub fn new(transport: SentTransport, host: &str, port: Option<u16>, branch: &str) -> Result<Self, BadHeader> {
        Host::parse(host).ok_or(BadHeader(Name::VIA))?;
        let mut params = Params::default();
        params.set("branch", Some(branch));
        Ok(Self { protocol: Cow::Borrowed(PROTOCOL), transport, host: host.to_owned(), port, params })
    }

    /// The host of `sent-by`.
    #[must_use]
    pub fn host(&self) -> Host<'_> {
        // Whoever made this Via has read the host as one; a name is what is left if that were untrue.
        Host::parse(&self.host).unwrap_or(Host::Name(&self.host))
    }

    /// The host of `sent-by` as spelled.
    #[must_use]
    pub fn host_text(&self) -> &str {
        &self.host
    }

    /// The branch, which together with `sent-by` and the method names the transaction (RFC 3261 section 17.2.3).
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// The address a server saw, with or without brackets (RFC 5118 section 4.5).
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        inside.parse().ok().or_else(|| parse_v6(inside).map(IpAddr::V6))
    }

    /// What it says about RFC 3581.
    #[must_use]
    pub fn rport(&self) -> Rport {
        if !self.params.has("rport") {
            return Rport::Absent;
        }
        self.params.get("rport").and_then(parse_port).map_or(Rport::Asked, Rport::Seen)
    }

    /// Notes the address the request came from (RFC 3261 section 18.2.1); an IPv6 one without brackets, as
    /// `via-received` has it.
    pub fn set_received(&mut self, address: IpAddr) {
        self.params.set("received", Some(&address.to_string()));
    }

    /// Notes the port the request came from (RFC 3581 section 4).
    pub fn set_rport(&mut self, port: u16) {
        self.params.set("rport", Some(&port.to_string()));
    }
}

impl SentTransport {
    /// Reads a transport; `None` if it is not a token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const KNOWN: [(&str, SentTransport); 3] =
            [("UDP", SentTransport::Udp), ("TCP", SentTransport::Tcp), ("TLS", SentTransport::Tls)];
        if let Some((_, known)) = KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Some(known.clone());
        }
        lex::is_token(text.as_bytes()).then(|| SentTransport::Other(text.into()))
    }

    /// As it stands in a Via.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            SentTransport::Udp => "UDP",
            SentTransport::Tcp => "TCP",
            SentTransport::Tls => "TLS",
            SentTransport::Other(name) => name,
        }
    }
}

impl Header for Via {
    const NAME: Name<'static> = Name::VIA;
    const LIST: bool = true;

    fn parse(value: &[u8]) -> Result<Self, BadHeader> {
        read(value).ok_or(BadHeader(Name::VIA))
    }

    fn print(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.protocol.as_bytes());
        out.push(b'/');
        out.extend_from_slice(self.transport.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.host.as_bytes());
        if let Some(port) = self.port {
            out.push(b':');
            lex::push_number(u64::from(port), out);
        }
        self.params.print(out);
    }
}

fn read(value: &[u8]) -> Option<Via> {
    let semicolon = memchr::memchr(b';', value).unwrap_or(value.len());
    let (head, params) = value.split_at(semicolon);
    let head = std::str::from_utf8(head).ok()?;
    let (name, rest) = head.split_once('/')?;
    let (version, rest) = rest.split_once('/')?;
    let rest = rest.trim_start_matches(is_space);
    let (transport, sent_by) = rest.split_once(is_space)?;
    let sent_by = sent_by.trim_matches(is_space);
    let host_end =
        if sent_by.starts_with('[') { sent_by.find(']')? + 1 } else { sent_by.find(':').unwrap_or(sent_by.len()) };
    let (host, port) = sent_by.split_at(host_end);
    let host = host.trim_end_matches(is_space);
    Host::parse(host)?;
    let port = port.trim_start_matches(is_space);
    let port = match port.strip_prefix(':') {
        Some(digits) => Some(parse_port(digits.trim_start_matches(is_space))?),
        None if port.is_empty() => None,
        None => return None,
    };
    let (name, version) = (name.trim_matches(is_space), version.trim_matches(is_space));
    Some(Via {
        protocol: protocol(name, version)?,
        transport: SentTransport::parse(transport)?,
        host: host.to_owned(),
        port,
        params: Params::parse(params)?,
    })
}

fn protocol(name: &str, version: &str) -> Option<Cow<'static, str>> {
    if name == "SIP" && version == "2.0" {
        return Some(Cow::Borrowed(PROTOCOL));
    }
    (lex::is_token(name.as_bytes()) && lex::is_token(version.as_bytes()))
        .then(|| Cow::Owned(format!("{name}/{version}")))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn via(text: &str) -> Via {
        Via::parse(text.as_bytes()).unwrap()
    }

    fn printed(via: &Via) -> String {
        let mut out = Vec::new();
        via.print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn white_space_may_stand_almost_everywhere() {
        let via = via("SIP / 2.0\r\n / UDP   first.example.com : 4000 ; branch = z9hG4bKlws1 ;rport");
        assert_eq!(via.transport, SentTransport::Udp);
        assert_eq!((via.host(), via.port), (Host::Name("first.example.com"), Some(4000)));
        assert_eq!((via.branch(), via.rport()), (Some("z9hG4bKlws1"), Rport::Asked));
    }

    #[test]
    fn ipv6_stands_in_brackets_in_sent_by_and_either_way_in_received() {
        let one = via("SIP/2.0/TCP [2001:db8::9:1]:5061;received=[2001:db8::9:255];branch=z9hG4bKas3");
        let two = via("SIP/2.0/TCP [2001:db8::9:1]:5061;received=2001:db8::9:255;branch=z9hG4bKas3");
        assert_eq!(one.received(), Some("2001:db8::9:255".parse().unwrap()));
        assert_eq!(one.received(), two.received());
        assert_eq!((one.host(), one.port), (Host::V6("2001:db8::9:1".parse().unwrap()), Some(5061)));
    }

    #[test]
    fn unknown_transports_and_other_versions_are_kept() {
        let text = "SIP/3.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en";
        assert_eq!(printed(&via(text)), text);
    }

    #[test]
    fn a_server_writes_where_the_request_came_from() {
        let mut via = via("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff");
        via.set_received("192.0.2.1".parse().unwrap());
        via.set_rport(9988);
        assert_eq!(printed(&via), "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKkjshdyff;received=192.0.2.1");
        assert_eq!(via.rport(), Rport::Seen(9988));
    }

    #[test]
    fn malformed_ones_are_refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 UDP host",
            "SIP/2.0/UDP ;branch=x",
            "SIP/2.0/UDP 192.0.2.15:0",
            ";",
            "SIP/2.0/UDP a b;branch=x",
            "SIP/2.0/UDP 2001:db8::1;branch=x",
            "SIP/2.0/U<P a",
            "SIP/2.0/UDP a:5060x",
        ] {
            assert_eq!(Via::parse(text.as_bytes()), Err(BadHeader(Name::VIA)), "{text}");
        }
        assert!(Via::new(SentTransport::Udp, "a\r\nb", None, "z9hG4bKx").is_err());
    }
}
