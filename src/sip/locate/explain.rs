//! What a search would ask, step by step, for people. Nothing is asked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::search::{Step, search};
use super::{Answer, Destination, Query, Reason, Target, Transports};

/// Stands for whatever addresses a name may have.
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// How `destination` would be looked for over the transports that we `have`: a sentence for each step. Each but the
/// last stands for the case that the step before found no records.
#[must_use]
pub fn explain(destination: &Destination, have: Transports) -> Vec<String> {
    let none = [Answer::Naptr(Vec::new()), Answer::Srv(Vec::new()), Answer::Addresses(vec![ANY])];
    let [no_naptr, no_srv, some_address] = &none;
    let asked: RefCell<HashMap<Query, &Answer>> = RefCell::default();
    let mut steps = Vec::new();
    loop {
        let known = |query: &Query| asked.borrow().get(query).map(|answer| (*answer, Duration::MAX));
        match search(destination, have, known) {
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
            Step::Found(plan, _) => {
                let way = |target: Target| match target.addr.ip() == ANY {
                    true => format!("to port {} of each address by {}", target.addr.port(), target.transport),
                    false => format!("to {} by {}", target.addr, target.transport),
                };
                steps.extend(plan.all().map(way));
                return steps;
            }
            Step::NotFound(Reason::Unavailable | Reason::NoAddress | Reason::NoService, _) => return steps,
            Step::NotFound(reason @ (Reason::NoTransport | Reason::Insecure), _) => {
                steps.push(reason.to_string());
                return steps;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{all, to};
    use super::*;

    #[test]
    fn a_name_is_told_by_its_questions_and_an_address_by_itself() {
        assert_eq!(
            explain(&to("sip:pbx.example"), all()),
            [
                "DNS is asked for NAPTR of pbx.example",
                "DNS is asked for SRV of _sip._tcp.pbx.example and for SRV of _sip._udp.pbx.example",
                "DNS is asked for A and AAAA of pbx.example",
                "to port 5060 of each address by UDP",
            ]
        );
        assert_eq!(
            explain(&to("sip:pbx.example:5070;transport=tcp"), all()),
            ["DNS is asked for A and AAAA of pbx.example", "to port 5070 of each address by TCP"]
        );
        assert_eq!(explain(&to("sips:192.0.2.1"), all()), ["to 192.0.2.1:5061 by TLS"]);
        assert_eq!(explain(&to("sip:pbx.example;transport=ws"), all()), ["no transport of ours leads there"]);
    }
}
