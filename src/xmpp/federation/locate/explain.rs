//! What a search would ask, step by step, for people. Nothing is asked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::{Known, Step, Target, search};
use crate::dns::{Answer, Dice, Query};
use crate::xmpp::federation::{Host, Unreachable};

/// Stands for whatever addresses a name may have.
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// How the servers of `domain` would be looked for: a sentence for each step. Each but the last stands for the case that
/// the step before found no records.
#[must_use]
pub fn explain(domain: &str, host: Option<&Host>) -> Vec<String> {
    let none = [Answer::Srv(Vec::new()), Answer::Addresses(vec![ANY]), Answer::Naptr(Vec::new())];
    let [no_srv, some_address, no_naptr] = &none;
    let asked: RefCell<HashMap<Query, &Answer>> = RefCell::default();
    let mut steps = Vec::new();
    loop {
        let known = |query: &Query| asked.borrow().get(query).map(|answer| Known { answer, secure: false });
        match search(domain, host, known, Dice::new(0)) {
            Step::Ask(queries) => {
                let words: Vec<_> = queries.iter().map(ToString::to_string).collect();
                steps.push(format!("DNS is asked for {}", words.join(" and for ")));
                let none = |query: Query| match query {
                    Query::Naptr { .. } => (query, no_naptr),
                    Query::Srv { .. } => (query, no_srv),
                    Query::Addresses { .. } => (query, some_address),
                };
                asked.borrow_mut().extend(queries.into_iter().map(none));
            }
            Step::Found(targets) => {
                steps.extend(targets.iter().map(way));
                return steps;
            }
            Step::NotFound(Unreachable::NotFound(why) | Unreachable::NoAnswer(why) | Unreachable::NotTrusted(why)) => {
                steps.push(why);
                return steps;
            }
        }
    }
}

fn way(target: &Target) -> String {
    let start = if target.direct_tls { "by TLS from the first byte" } else { "with STARTTLS" };
    match target.addr.ip() == ANY {
        true => format!("to port {} of each address, {start}", target.addr.port()),
        false => format!("to {}, {start}", target.addr),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_told_by_its_questions_and_a_host_by_where_it_is() {
        assert_eq!(
            explain("remote.example", None),
            [
                "DNS is asked for SRV of _xmpp-server._tcp.remote.example and for SRV of _xmpps-server._tcp.remote.example",
                "DNS is asked for A and AAAA of remote.example",
                "to port 5269 of each address, with STARTTLS",
            ]
        );
        let host = |name: &str, port, direct_tls| Host { name: name.to_owned(), port, direct_tls };
        assert_eq!(
            explain("remote.example", Some(&host("xmpp.example", Some(5270), true))),
            ["DNS is asked for A and AAAA of xmpp.example", "to port 5270 of each address, by TLS from the first byte",]
        );
        assert_eq!(
            explain("remote.example", Some(&host("192.0.2.7", None, false))),
            ["to 192.0.2.7:5269, with STARTTLS"]
        );
    }
}
