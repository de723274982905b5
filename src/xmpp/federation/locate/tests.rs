#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use super::*;

/// What DNS would say to each question.
#[derive(Default)]
struct Zone(HashMap<Query, (Answer, bool)>);

impl Zone {
    fn srv(mut self, name: &str, records: &[(u16, u16, u16, &str)]) -> Self {
        let record = |&(priority, weight, port, target): &(u16, u16, u16, &str)| Srv {
            priority,
            weight,
            port,
            target: target.to_owned(),
        };
        let answer = Answer::Srv(records.iter().map(record).collect());
        self.0.insert(Query::Srv { name: name.to_owned() }, (answer, true));
        self
    }

    fn addresses(mut self, name: &str, addresses: &[&str]) -> Self {
        let answer = Answer::Addresses(addresses.iter().map(|text| text.parse().unwrap()).collect());
        self.0.insert(Query::Addresses { name: name.to_owned() }, (answer, true));
        self
    }

    fn silent(mut self, query: Query) -> Self {
        self.0.insert(query, (Answer::Unavailable, false));
        self
    }

    /// The end of a search, and everything that it asked.
    fn find(&self, domain: &str, host: Option<&Host>, seed: u64) -> (Result<Vec<Target>, Unreachable>, Vec<String>) {
        let none = (Answer::NoSuchName, true);
        let mut known: HashMap<Query, &(Answer, bool)> = HashMap::new();
        let mut asked = Vec::new();
        for _round in 0..4 {
            let look = |query: &Query| known.get(query).map(|(answer, secure)| Known { answer, secure: *secure });
            match search(domain, host, look, Dice::new(seed)) {
                Step::Found(targets) => return (Ok(targets), asked),
                Step::NotFound(why) => return (Err(why), asked),
                Step::Ask(queries) => {
                    assert!(!queries.is_empty());
                    for query in queries {
                        asked.push(query.to_string());
                        let answer = self.0.get(&query).unwrap_or(&none);
                        known.insert(query, answer);
                    }
                }
            }
        }
        panic!("more than three rounds: {asked:?}");
    }

    fn ways(&self, domain: &str) -> Vec<String> {
        let way = |target: Target| format!("{}{}", if target.direct_tls { "tls " } else { "" }, target.addr);
        self.find(domain, None, 1).0.unwrap().into_iter().map(way).collect()
    }
}

const STARTTLS: &str = "_xmpp-server._tcp.capulet.example";
const DIRECT: &str = "_xmpps-server._tcp.capulet.example";

fn not_found(found: &Result<Vec<Target>, Unreachable>) -> bool {
    matches!(found, Err(Unreachable::NotFound(_)))
}

#[test]
fn both_services_are_asked_for_and_mixed_by_priority() {
    let zone = Zone::default()
        .srv(STARTTLS, &[(20, 0, 5269, "b.example"), (5, 0, 5269, "a.example")])
        .srv(DIRECT, &[(10, 0, 5270, "b.example")])
        .addresses("a.example", &["192.0.2.1"])
        .addresses("b.example", &["192.0.2.2"]);
    assert_eq!(zone.ways("capulet.example"), ["192.0.2.1:5269", "tls 192.0.2.2:5270", "192.0.2.2:5269"]);
    let (_, asked) = zone.find("capulet.example", None, 1);
    assert_eq!(asked[..2], [format!("SRV of {STARTTLS}"), format!("SRV of {DIRECT}")]);
    assert_eq!(asked.len(), 4, "{asked:?}");
}

#[test]
fn weights_share_among_equals_of_both_services() {
    let zone = Zone::default()
        .srv(STARTTLS, &[(0, 10, 5269, "a.example")])
        .srv(DIRECT, &[(0, 90, 5270, "a.example")])
        .addresses("a.example", &["192.0.2.1"]);
    let direct_first = |seed: &u64| zone.find("capulet.example", None, *seed).0.unwrap()[0].direct_tls;
    let count = (0..1_000).filter(direct_first).count();
    assert!((860..940).contains(&count), "{count}");
}

#[test]
fn a_domain_without_srv_records_is_at_port_5269_of_its_own_addresses() {
    let zone = Zone::default().addresses("capulet.example", &["2001:db8::1", "2001:db8::2", "192.0.2.1"]);
    let ways = zone.ways("capulet.example");
    assert_eq!(ways, ["[2001:db8::1]:5269", "192.0.2.1:5269", "[2001:db8::2]:5269"]);
    // Neither does the silence of DNS about SRV records keep it from that (RFC 6120 section 3.2.1, item 9).
    let zone = zone.silent(Query::Srv { name: STARTTLS.to_owned() });
    assert_eq!(zone.ways("capulet.example"), ways);
}

#[test]
fn a_target_that_is_a_dot_ends_the_search() {
    let web = |zone: Zone| zone.addresses("capulet.example", &["192.0.2.80"]);
    let zone = web(Zone::default().srv(STARTTLS, &[(0, 0, 0, ".")]));
    let (found, asked) = zone.find("capulet.example", None, 1);
    assert!(not_found(&found), "{found:?}");
    assert_eq!(asked.len(), 2, "no address was asked for: {asked:?}");
    // No direct TLS, and no word about STARTTLS: still nothing to fall back to.
    let zone = web(Zone::default().srv(DIRECT, &[(0, 0, 0, ".")]));
    assert!(not_found(&zone.find("capulet.example", None, 1).0));
    // One service declined leaves the other.
    let zone = Zone::default()
        .srv(DIRECT, &[(0, 0, 0, ".")])
        .srv(STARTTLS, &[(0, 0, 5269, "a.example")])
        .addresses("a.example", &["192.0.2.1"]);
    assert_eq!(zone.ways("capulet.example"), ["192.0.2.1:5269"]);
}

#[test]
fn srv_records_that_lead_nowhere_are_not_replaced_by_the_domain_itself() {
    let zone =
        Zone::default().srv(STARTTLS, &[(0, 0, 5269, "gone.example")]).addresses("capulet.example", &["192.0.2.80"]);
    let (found, asked) = zone.find("capulet.example", None, 1);
    assert!(not_found(&found), "{found:?}");
    assert!(!asked.iter().any(|asked| asked == "A and AAAA of capulet.example"), "{asked:?}");
    let zone = zone.silent(Query::Addresses { name: "gone.example".to_owned() });
    let found = zone.find("capulet.example", None, 1).0;
    assert!(matches!(found, Err(Unreachable::NoAnswer(_))), "{found:?}");
}

#[test]
fn a_given_host_takes_the_place_of_dns() {
    let zone = Zone::default()
        .srv(STARTTLS, &[(0, 0, 5269, "a.example")])
        .addresses("a.example", &["192.0.2.1"])
        .addresses("inside.example", &["192.0.2.9"]);
    let host = |name: &str, port, direct_tls| Host { name: name.to_owned(), port, direct_tls };
    let named = host("inside.example", Some(15_269), true);
    let (found, asked) = zone.find("capulet.example", Some(&named), 1);
    let target = found.unwrap().remove(0);
    assert_eq!((target.addr, target.direct_tls), ("192.0.2.9:15269".parse().unwrap(), true));
    assert_eq!(asked, ["A and AAAA of inside.example"]);
    let (found, asked) = zone.find("capulet.example", Some(&host("[2001:db8::9]", None, false)), 1);
    assert_eq!(found.unwrap()[0].addr, "[2001:db8::9]:5269".parse().unwrap());
    assert_eq!(asked, [""; 0]);
}

#[test]
fn dns_is_asked_in_a_labels_and_an_address_needs_no_question() {
    let zone = Zone::default().addresses("xn--bcher-kva.example", &["192.0.2.1"]);
    assert_eq!(zone.ways("bücher.example"), ["192.0.2.1:5269"]);
    let (found, asked) = zone.find("[2001:db8::1]", None, 1);
    assert_eq!(found.unwrap()[0].addr, "[2001:db8::1]:5269".parse().unwrap());
    assert_eq!(asked, [""; 0]);
}

#[test]
fn a_target_is_secure_when_all_that_led_to_it_was_proven() {
    let mut zone = Zone::default().srv(STARTTLS, &[(0, 0, 5269, "a.example")]).addresses("a.example", &["192.0.2.1"]);
    let secure = |zone: &Zone| zone.find("capulet.example", None, 1).0.unwrap()[0].secure;
    assert!(secure(&zone));
    zone.0.get_mut(&Query::Addresses { name: "a.example".to_owned() }).unwrap().1 = false;
    assert!(!secure(&zone));
}

#[test]
fn a_zone_with_too_much_in_it_is_not_asked_without_end() {
    let many: Vec<(u16, u16, u16, String)> = (0..200).map(|n| (n, 0, 5269, format!("h{n}.example"))).collect();
    let records: Vec<_> = many.iter().map(|(p, w, port, target)| (*p, *w, *port, target.as_str())).collect();
    let addresses: Vec<String> = (0..200).map(|n| format!("192.0.2.{n}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let zone = Zone::default().srv(STARTTLS, &records).addresses("h0.example", &addresses);
    let (found, asked) = zone.find("capulet.example", None, 1);
    assert_eq!(found.unwrap().len(), TARGETS);
    assert!(asked.len() <= 2 + SRV_RECORDS, "{}", asked.len());
}
