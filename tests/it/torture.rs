//! Every message of the corpora in `tests/torture`, judged as `torture.toml` says, one by one and by name.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use stox::sip::message::header::{Contact, NameAddr, Via};
use stox::sip::message::{Headers, Message, Request, Response, check, wire};

#[derive(Deserialize)]
struct Table {
    message: Vec<Row>,
}

/// One file. What is given is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    file: String,
    expect: Expect,
    /// Where the RFC speaks of it.
    #[allow(dead_code)]
    section: Option<String>,
    /// Why it is judged so.
    why: Option<String>,
    /// The status of the refusal; none if the message is dropped.
    status: Option<u16>,
    /// Who refuses: `wire` cannot read it, `check` can.
    by: Option<String>,
    /// Printed, it is not the same bytes but reads the same; why is said in `why`.
    #[serde(default)]
    prints_otherwise: bool,
    method: Option<String>,
    uri: Option<String>,
    /// The user of the Request-URI, decoded.
    user: Option<String>,
    code: Option<u16>,
    reason: Option<String>,
    vias: Option<usize>,
    from: Option<String>,
    to: Option<String>,
    contacts: Option<Vec<String>>,
    call_id: Option<String>,
    cseq: Option<String>,
    /// Its length in bytes.
    body: Option<usize>,
    /// Names as spelled, in order.
    headers: Option<Vec<String>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Expect {
    Ok,
    Reject,
    KnownGap,
}

/// What becomes of a message before the gateway sees it.
enum Verdict {
    Served(Message),
    Refused { by: &'static str, answer: Option<Response> },
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

/// The bytes of one file, `rfc4475/wsinv` for one.
pub(crate) fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{file}.dat"))).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every file under one folder of the corpora, or under all.
pub(crate) fn files(under: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    for set in under {
        for entry in std::fs::read_dir(folder().join(set)).expect("the corpora are part of the project") {
            let path = entry.expect("a directory entry").path();
            files.push(format!("{set}/{}", path.file_stem().expect("a file").to_string_lossy()));
        }
    }
    files.sort();
    files
}

/// Option tags that this test understands, so that messages that require them are served.
const SUPPORTED: [&str; 3] = ["gruu", "100rel", "eventlist"];

pub(crate) const CORPORA: [&str; 5] = ["rfc4475", "rfc5118", "simple", "lenient", "smuggling"];

#[test]
fn every_message_of_the_corpora_is_judged_as_the_table_says() {
    let text = std::fs::read_to_string(folder().join("torture.toml")).expect("tests/torture/torture.toml");
    let table: Table = toml::from_str(&text).unwrap_or_else(|error| panic!("torture.toml: {error}"));
    let listed: Vec<&str> = table.message.iter().map(|row| row.file.as_str()).collect();
    let unique: BTreeSet<String> = listed.iter().map(|file| (*file).to_owned()).collect();
    assert_eq!(listed.len(), unique.len(), "a file is listed twice");
    assert_eq!(unique.into_iter().collect::<Vec<_>>(), files(&CORPORA), "each file has a row and each row a file");

    let mut wrong = Vec::new();
    for row in &table.message {
        let differences = differences(row);
        let is_gap = row.expect == Expect::KnownGap;
        let verdict = match (differences.is_empty(), is_gap) {
            (true, false) => "ok",
            (false, true) => "known gap",
            (true, true) => "no longer a gap",
            (false, false) => "WRONG",
        };
        println!("{verdict:16}{} {}", row.file, differences.join("; "));
        if differences.is_empty() == is_gap {
            wrong.push(format!("{} {verdict}: {}", row.file, differences.join("; ")));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn judge(input: &[u8]) -> Verdict {
    let message = match wire::parse(input) {
        Ok(message) => message,
        Err(error) => return Verdict::Refused { by: "wire", answer: error.response() },
    };
    let refused = |answer| Verdict::Refused { by: "check", answer };
    match &message {
        Message::Request(request) => match check::check(request) {
            Err(refusal) => refused(refusal.response(request)),
            Ok(_) => match check::check_required(request, &SUPPORTED) {
                Some(refusal) => refused(refusal.response(request)),
                None => Verdict::Served(message),
            },
        },
        Message::Response(response) => {
            if check::check_response(response).is_err() {
                return refused(None);
            }
            Verdict::Served(message)
        }
    }
}

fn differences(row: &Row) -> Vec<String> {
    let input = bytes(&row.file);
    let mut wrong = Vec::new();
    if (row.expect != Expect::Ok || row.prints_otherwise) && row.why.is_none() {
        wrong.push("the row does not say why".to_owned());
    }
    match (judge(&input), row.expect) {
        (Verdict::Served(message), Expect::Ok | Expect::KnownGap) => compare(row, &message, &input, &mut wrong),
        (Verdict::Refused { by, answer }, Expect::Reject) => {
            is(&mut wrong, "status", row.status, answer.as_ref().map(|answer| answer.status.code()));
            is(&mut wrong, "by", row.by.as_deref(), Some(by));
            if let Some(answer) = answer {
                is(&mut wrong, "answer is a message", Some(true), reads_back(&answer.into()));
            }
        }
        (Verdict::Refused { by, answer }, _) => {
            wrong.push(format!("refused by {by} with {:?}", answer.map(|answer| answer.status)));
        }
        (Verdict::Served(_), Expect::Reject) => wrong.push("served".to_owned()),
    }
    wrong
}

/// Whether a message prints as one that prints the same; `None` if it prints as none.
fn reads_back(message: &Message) -> Option<bool> {
    let mut printed = Vec::new();
    message.print(&mut printed);
    let mut again = Vec::new();
    wire::parse(&printed).ok()?.print(&mut again);
    Some(printed == again)
}

fn compare(row: &Row, message: &Message, input: &[u8], wrong: &mut Vec<String>) {
    let headers = message.headers();
    match message {
        Message::Request(request) => compare_request(row, request, wrong),
        Message::Response(response) => {
            is(wrong, "code", row.code, Some(response.status.code()));
            is(wrong, "reason", row.reason.clone(), Some(response.reason().into_owned()));
        }
    }
    is(wrong, "vias", row.vias, Some(headers.each::<Via>().filter(Result::is_ok).count()));
    is(wrong, "from", row.from.clone(), headers.from().ok().map(|from| from.uri.to_string()));
    is(wrong, "to", row.to.clone(), headers.to().ok().map(|to| to.uri.to_string()));
    is(wrong, "contacts", row.contacts.clone().unwrap_or_default(), contacts(headers));
    is(wrong, "call_id", row.call_id.as_deref(), headers.call_id());
    is(wrong, "cseq", row.cseq.clone(), headers.cseq().ok().map(|cseq| format!("{} {}", cseq.number, cseq.method)));
    is(wrong, "body", row.body, Some(message.body().len()));
    let names = headers.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    is(wrong, "headers", row.headers.clone(), Some(names));

    let mut printed = Vec::new();
    message.print(&mut printed);
    is(wrong, "same bytes", !row.prints_otherwise, printed == input);
    is(wrong, "reads back", Some(true), reads_back(message));
}

fn compare_request(row: &Row, request: &Request, wrong: &mut Vec<String>) {
    is(wrong, "method", row.method.as_deref(), Some(request.method.as_str()));
    is(wrong, "uri", row.uri.as_deref(), Some(request.uri.as_str()));
    let user = request.uri.user_decoded().ok().flatten();
    is(wrong, "user", row.user.as_deref(), user.as_deref());
}

fn contacts(headers: &Headers) -> Vec<String> {
    let text = |contact: Contact| contact.address().map_or("*".to_owned(), |at: &NameAddr| at.uri.to_string());
    headers.each::<Contact>().filter_map(Result::ok).map(text).collect()
}

fn is<T: PartialEq + std::fmt::Debug>(wrong: &mut Vec<String>, what: &str, expected: T, found: T) {
    if expected != found {
        wrong.push(format!("{what}: expected {expected:?}, found {found:?}"));
    }
}
