//! `[dns]`.

use std::net::{IpAddr, SocketAddr};

use super::{MILLISECOND, MINUTE};
use crate::config::Dns;
use crate::config::section::Section;
use crate::config::value::{self, Bad};

/// `[dns]`, if the file has it; otherwise the defaults.
pub(in crate::config) fn dns(section: &Section<'_>) -> Dns {
    let defaults = Dns::default();
    let servers = section.list("servers", server);
    for (at, server) in servers.iter().enumerate() {
        if servers.iter().take(at).any(|other| other == server) {
            section.error("servers", format!("{server} is there twice"), "keep one of the two");
        }
    }
    if section.is_empty_list("servers") {
        section.error("servers", "is empty", "name a server, or remove the key: then the system's are asked");
    }
    Dns {
        servers,
        timeout: section.duration("timeout", 100 * MILLISECOND..=MINUTE, defaults.timeout),
        attempts: section.number("attempts", 1..=10, defaults.attempts),
        dnssec: section.boolean("dnssec", defaults.dnssec),
    }
}

/// `IP` or `IP:PORT`.
fn server(text: &str) -> Result<SocketAddr, Bad> {
    const TODO: &str = "write \"IP\" or \"IP:PORT\", such as \"192.0.2.53\" or \"[2001:db8::53]:53\"";
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(SocketAddr::new(ip, 53)),
        Err(_) if !text.contains(':') => Err(Bad { what: "is no IP address".to_owned(), todo: TODO.to_owned() }),
        Err(_) => value::socket(text, TODO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_is_an_address_with_or_without_port() {
        let read = |text| server(text).map(|server| server.to_string()).ok();
        assert_eq!(read("192.0.2.53").as_deref(), Some("192.0.2.53:53"));
        assert_eq!(read("127.0.0.1:5353").as_deref(), Some("127.0.0.1:5353"));
        assert_eq!(read("2001:db8::53").as_deref(), Some("[2001:db8::53]:53"));
        assert_eq!(read("[2001:db8::53]:5353").as_deref(), Some("[2001:db8::53]:5353"));
        for wrong in ["", "ns.example", "ns.example:53", "192.0.2.53:0", "192.0.2.53:x", "udp:192.0.2.53:53"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
