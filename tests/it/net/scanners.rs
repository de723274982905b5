//! What a socket on the open internet hears all day, played against the program; and what its log says of it.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

use super::rig::*;
use crate::torture;

#[derive(Deserialize)]
struct Table {
    scan: Vec<Scan>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scan {
    file: String,
    status: Option<u16>,
    #[allow(dead_code, reason = "for readers of the table")]
    why: Option<String>,
}

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What a flood may cost besides what is bounded by configuration, bytes.
const SOME: u64 = 24 << 20;

fn scans() -> Vec<(Scan, Vec<u8>)> {
    let text = std::fs::read_to_string(format!("{ROOT}/tests/torture/scanners/scanners.toml")).unwrap();
    let table: Table = toml::from_str(&text).unwrap();
    let files: HashSet<String> = table.scan.iter().map(|scan| format!("scanners/{}", scan.file)).collect();
    let all = torture::files(&["scanners"]).into_iter().filter(|file| !file.ends_with("/scanners"));
    assert_eq!(files, all.collect(), "each file has a row and each row a file");
    let read = |scan: Scan| {
        let bytes = torture::bytes(&format!("scanners/{}", scan.file));
        (scan, bytes)
    };
    table.scan.into_iter().map(read).collect()
}

/// Where the answer goes: to the port that the scanner listens at, which its Via says if it does not ask for rport.
fn scanner(number: u8, bytes: &[u8]) -> Phone {
    let text = String::from_utf8_lossy(bytes);
    let via = text.lines().find(|line| line.starts_with("Via:")).unwrap_or_default();
    let port = via
        .split([';', ','])
        .next()
        .and_then(|sent_by| sent_by.rsplit_once(':'))
        .and_then(|(_, port)| port.parse().ok());
    Phone::on(SocketAddr::new(Ipv4Addr::new(127, 250, 1, number).into(), port.unwrap_or(5060)))
}

#[test]
fn scanners_get_one_short_refusal_or_nothing() {
    let mut world = World::new();
    for (number, (scan, bytes)) in (1..).zip(scans()) {
        let scanner = scanner(number, &bytes);
        scanner.send_bytes(world.stox.sip, &bytes);
        match scan.status {
            Some(status) => {
                let answer = scanner.receive(PATIENCE).unwrap_or_else(|| panic!("{}: no answer", scan.file));
                assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{}: {answer}", scan.file);
                assert!(answer.len() <= bytes.len(), "{}: {} for {}", scan.file, answer.len(), bytes.len());
            }
            // Whatever comes to another and is answered was read after this.
            None => {
                world.assert_sip_to_xmpp_works();
                assert_eq!(scanner.receive(Duration::from_millis(1)), None, "{}", scan.file);
            }
        }
    }
    world.assert_it_works();
}

#[test]
fn scanners_get_nothing_where_strangers_are_dropped() {
    let mut world = World::with(&Setup { sip: "unknown_source = \"drop\"", ..Setup::default() });
    for (number, (scan, bytes)) in (51..).zip(scans()) {
        let scanner = scanner(number, &bytes);
        for _ in 0..3 {
            scanner.send_bytes(world.stox.sip, &bytes);
        }
        world.assert_sip_to_xmpp_works();
        assert_eq!(scanner.receive(Duration::from_millis(1)), None, "{}", scan.file);
    }
    world.assert_it_works();
    assert!(world.stox.metric("stox_sip_strangers") >= 30.0);
    assert!(world.stox.metric("stox_sip_malformed") == 0.0, "what is dropped is not read");
}

#[test]
fn floods_from_one_and_from_many_sources_leave_the_others_unharmed() {
    let mut world = World::new();
    let before = world.stox.memory();
    let sip = world.stox.sip;
    let scans: Vec<Vec<u8>> = scans().into_iter().map(|(_, bytes)| bytes).collect();
    let floods: Vec<_> = [1, 200]
        .into_iter()
        .map(|sources: u8| {
            let scans = scans.clone();
            std::thread::spawn(move || {
                let scanners: Vec<Phone> =
                    (1..=sources).map(|host| Phone::at(IpAddr::from([127, 250, 100 + sources % 100, host]))).collect();
                for n in 0..20_000_usize {
                    scanners[n % scanners.len()].send_bytes(sip, &scans[n % scans.len()]);
                }
                scanners.iter().map(|scanner| usize::from(scanner.receive(Duration::from_millis(1)).is_some())).sum()
            })
        })
        .collect();
    while !floods.iter().all(std::thread::JoinHandle::is_finished) {
        world.retry_sip_to_xmpp();
    }
    let answered: Vec<usize> = floods.into_iter().map(|flood| flood.join().unwrap()).collect();
    assert!(answered.iter().sum::<usize>() > 0, "a few are answered");
    let grown = world.stox.memory().saturating_sub(before);
    assert!(grown < SOME, "{grown} bytes more");
    assert!(world.stox.log().len() < 256 * 1024, "the log is flooded, too: {} bytes", world.stox.log().len());
    world.assert_it_works();
    // Each of the sources is named, sooner or later.
    wait_until("201 sources are named", || sources(&world.stox.log(), &filters()).len() >= 201);
}

/// The expressions of the filter for fail2ban, as this program's library has them.
fn filters() -> Vec<regex::Regex> {
    let text = std::fs::read_to_string(format!("{ROOT}/config/fail2ban/filter.d/stox.conf")).unwrap();
    let start = text.find("failregex = ").unwrap() + "failregex = ".len();
    let end = text.find("\nignoreregex").unwrap();
    let own = |line: &str| line.trim().replace("<ADDR>", "(?P<host>[0-9a-fA-F:.]+)");
    let filters: Vec<_> = text[start..end].lines().map(|line| regex::Regex::new(&own(line)).unwrap()).collect();
    assert_eq!(filters.len(), 2, "one for each format of the log");
    filters
}

fn sources(log: &str, filters: &[regex::Regex]) -> HashSet<IpAddr> {
    let host = |line: &str| filters.iter().find_map(|filter| Some(filter.captures(line)?["host"].parse().unwrap()));
    log.lines().filter_map(host).collect()
}

#[test]
fn the_filter_for_fail2ban_finds_the_sources_in_the_log() {
    for format in ["human", "json"] {
        let more = format!("[log]\nformat = \"{format}\"\n");
        let mut world = World::with(&Setup { more: &more, ..Setup::default() });
        let scans = scans();
        let bytes =
            |name: &str| scans.iter().find(|(scan, _)| scan.file == name).map(|(_, bytes)| bytes.clone()).unwrap();
        // One of them has written a line of its own into what it sends.
        let (number, scanners) = (if format == "human" { 2 } else { 3 }, ["svmap-options", "sql-user", "http-get"]);
        let phones: Vec<Phone> = (1..=3).map(|host| Phone::at(IpAddr::from([127, 250, number, host]))).collect();
        for (phone, name) in phones.iter().zip(scanners) {
            phone.send_bytes(world.stox.sip, &bytes(name));
        }
        let wanted: HashSet<IpAddr> = phones.iter().map(|phone| phone.addr().ip()).collect();
        wait_until("all are named", || sources(&world.stox.log(), &filters()) == wanted);
        world.assert_it_works();
        assert_eq!(sources(&world.stox.log(), &filters()), wanted, "nobody else is: {}", world.stox.log());
    }
}
