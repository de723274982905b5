//! The rules on `mappings/conformance.toml`: what we promise, and which test shows it.

use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conformance {
    row: Vec<Row>,
}

/// One requirement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// As in the requirement lists, or of a vector that is a known gap.
    id: String,
    #[allow(dead_code)]
    level: Option<String>,
    #[allow(dead_code)]
    source: Option<String>,
    status: String,
    #[serde(default)]
    test: Tests,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Tests {
    One(String),
    Several(Vec<String>),
}

impl Default for Tests {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Row {
    fn tests(&self) -> &[String] {
        match &self.test {
            Tests::One(test) if test.is_empty() => &[],
            Tests::One(test) => std::slice::from_ref(test),
            Tests::Several(tests) => tests,
        }
    }
}

/// Numbered requirements, and how many there are: RFC 7247, 8048, 7572, 3922, 3863, 4479, 4480, 3862, 3428, 3994, 3860, 3261,
/// 6665, 3856, 4235, 3842, 3903, 3857 with 3858, 4662, 2779, what no RFC maps (U) and, with XC, RFC 6120 and the extensions.
const NUMBERED: &[(&str, u32)] = &[
    ("STOX-CORE", 14),
    ("STOX-ADDR", 26),
    ("STOX-IM", 33),
    ("STOX-PRES", 66),
    ("CPIM", 79),
    ("MSGFMT", 15),
    ("MSG", 12),
    ("ISC", 11),
    ("RPID", 13),
    ("PIDF", 14),
    ("PDM", 5),
    ("CPP", 8),
    ("IMPP", 10),
    ("E2E", 14),
    ("SIP", 25),
    ("EVT", 20),
    ("PRESEV", 11),
    ("DLG", 7),
    ("MWI", 6),
    ("PUB", 8),
    ("WINFO", 7),
    ("RLS", 8),
    ("U", 38),
    ("XC-STR", 21),
    ("XC-SE", 25),
    ("XC-STZ", 16),
    ("XC-XML", 10),
    ("XC-CMP", 13),
    ("XC-JID", 6),
    ("XC-MSG", 8),
    ("XC-DIS", 9),
    ("XC-IM", 23),
    ("XC-OPS", 3),
    ("XC-DOS", 3),
    ("XC-RPC", 3),
    ("XC-TLS", 10),
    ("XC-SASL", 7),
    ("XC-BIND", 2),
    ("XC-S2S", 15),
    ("XC-SM", 4),
    ("XC-SUB", 18),
    ("XC-PRS", 19),
    ("XC-GW", 12),
];

/// RFC 7247 table 2: conditions of stanza errors.
const CONDITIONS: &str = "bad-request conflict feature-not-implemented forbidden gone internal-server-error \
    item-not-found jid-malformed not-acceptable not-allowed not-authorized policy-violation recipient-unavailable \
    redirect registration-required remote-server-not-found remote-server-timeout resource-constraint \
    service-unavailable subscription-required undefined-condition unexpected-request";

/// RFC 7247 table 3: final responses.
const STATUSES: &str = "3xx 300 301 302 305 380 4xx 400 401 402 403 404 405 406 407 408 410 413 414 415 416 420 421 \
    423 430 439 440 480 481 482 483 484 485 486 487 488 489 491 493 5xx 500 501 502 503 504 505 513 6xx 600 603 604 606";

/// Collections of messages, each with a table of its own that says what becomes of every one.
const SUITES: &[&str] = &["RFC-4475", "RFC-5118"];

/// Families of which every number needs a row.
const WHOLE: &[&str] = &[
    "STOX-CORE",
    "STOX-ADDR",
    "STOX-IM",
    "STOX-PRES",
    "MSG",
    "SIP",
    "EVT",
    "PRESEV",
    "CPP",
    "DLG",
    "PIDF",
    "PDM",
    "RPID",
    "XC-STR",
    "XC-SE",
    "XC-TLS",
    "XC-SASL",
    "XC-BIND",
    "XC-STZ",
    "XC-XML",
    "XC-S2S",
    "XC-JID",
    "XC-MSG",
    "XC-SM",
    "XC-DOS",
    "XC-OPS",
    "XC-SUB",
    "XC-PRS",
];

/// Numbers that need a row; the others are niceties.
const PARTS: &[(&str, &[u32])] = &[
    ("XC-CMP", &[1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13]),
    ("XC-DIS", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("XC-GW", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 11]),
    ("XC-IM", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 21, 23]),
];

/// Every id that a row may have.
pub(super) fn known_ids(vectors: &[String]) -> BTreeSet<String> {
    let numbered = NUMBERED.iter().flat_map(|(family, last)| (1..=*last).map(move |n| format!("{family}-{n:02}")));
    let suites = SUITES.iter().map(|suite| (*suite).to_owned());
    numbered.chain(errors()).chain(suites).chain(vectors.iter().cloned()).collect()
}

fn errors() -> impl Iterator<Item = String> {
    let conditions = CONDITIONS.split_whitespace().map(|name| format!("STOX-ERR-X-{name}"));
    conditions.chain(STATUSES.split_whitespace().map(|status| format!("STOX-ERR-S-{status}")))
}

fn required() -> impl Iterator<Item = String> {
    let whole = NUMBERED.iter().filter(|(family, _)| WHOLE.contains(family));
    let whole = whole.flat_map(|(family, last)| (1..=*last).map(move |n| format!("{family}-{n:02}")));
    let parts = PARTS.iter().flat_map(|(family, some)| some.iter().map(move |n| format!("{family}-{n:02}")));
    whole.chain(errors()).chain(parts).chain(SUITES.iter().map(|suite| (*suite).to_owned()))
}

fn rows(text: &str) -> Vec<Row> {
    let table: Conformance = toml::from_str(text).unwrap_or_else(|error| panic!("mappings/conformance.toml: {error}"));
    table.row
}

/// Rows that promise nothing, or name what is not there.
pub(super) fn check(text: &str, known: &BTreeSet<String>, tests: &[String]) -> Vec<String> {
    let tests: BTreeSet<&str> = tests.iter().map(String::as_str).collect();
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for row in rows(text) {
        let mut say = |what: String| found.push(format!("mappings/conformance.toml: {}: {what}", row.id));
        if !known.contains(&row.id) {
            say("no requirement and no vector has this id".to_owned());
        }
        let (shown, reasoned) = match row.status.as_str() {
            "yes" => (true, false),
            "part" => (true, true),
            "no" | "n/a" | "known-gap" => (false, true),
            other => {
                say(format!("status \"{other}\" is none of yes, part, no, known-gap, n/a"));
                (false, false)
            }
        };
        if shown && row.tests().is_empty() {
            say("names no test".to_owned());
        }
        if reasoned && row.note.trim().is_empty() {
            say(format!("\"{}\" needs its reason in `note`", row.status));
        }
        for test in row.tests().iter().filter(|test| !exists(test, &tests)) {
            say(format!("there is no test {test}"));
        }
        if !seen.insert(row.id.clone()) {
            say("a second row for this id".to_owned());
        }
    }
    found
}

/// The crate is called `mapping`, its folder of tables `mappings`: people write either.
fn exists(test: &str, tests: &BTreeSet<&str>) -> bool {
    let test = test.strip_prefix("stox::").unwrap_or(test).replacen("mappings::", "mapping::", 1);
    tests.contains(test.as_str())
}

/// Requirements without a row.
pub(super) fn missing(text: &str) -> Vec<String> {
    let rows: BTreeSet<String> = rows(text).into_iter().map(|row| row.id).collect();
    required().filter(|id| !rows.contains(id)).map(|id| format!("mappings/conformance.toml: no row for {id}")).collect()
}

/// The tests that a macro makes of lines like `v7572_01 = "7572-01";`.
pub(super) fn tests_of_vectors(names: &str) -> Vec<String> {
    let names = names.lines().filter_map(|line| line.trim().strip_suffix("\";")?.split_once(" = \""));
    names.map(|(name, _)| format!("it::vectors::{name}")).collect()
}

/// The ids of a file of vectors.
pub(super) fn ids_of_vectors(text: &str) -> Vec<String> {
    let ids = text.lines().filter_map(|line| line.strip_prefix("id = \"")?.split('"').next());
    ids.map(str::to_owned).collect()
}

/// The checks between real programs, by the names they are printed with.
pub(super) fn interop_checks(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("@check(\"")?.split('"').next());
    names.map(|name| format!("interop:{name}")).collect()
}
