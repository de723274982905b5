//! Stanza error <-> [`Failure`] <-> SIP status: tables 2 and 3 of RFC 7247 section 7.
//!
//! An error is mapped once, from what arrived to what is answered, through one [`Reason`]. Reasons are as many as it
//! takes to keep both tables exact; `mappings/failure.toml` holds them. What a table row cannot hold stands here: the
//! choice between a device and a user (notes 1 and 2), the new address (note 3), headers that a status must have
//! (RFC 3261 section 20), Retry-After (A-ERR-06).

use super::Mapping;
use super::table::{FailureFile, Source, TableError, refuse_duplicates};
use crate::model::{Failure, NewAddress, Reason};
use crate::sip::message::header::{Contact, RetryAfter};
use crate::sip::message::{Request, Response, Status};
use crate::sip::uri::{Host, Scheme, Uri};
use crate::xmpp::jid::Jid;
use crate::xmpp::{Condition, ErrorType, StanzaError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

/// Longest reason phrase made of a sentence from XMPP, bytes: it stands in one line that people read in logs.
pub const MAX_PHRASE: usize = 200;
/// Longest sentence made of a reason phrase, bytes; RFC 3261 sets no limit.
pub const MAX_TEXT: usize = 1024;

/// A status and what must go with it, for the request it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, 300 to 699.
    pub status: Status,
    /// The reason phrase, one line.
    pub phrase: Cow<'static, str>,
    /// Headers: Contact, Allow, Accept, Accept-Encoding, Warning, Retry-After.
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// The response to `request`; its To tag is the caller's.
    #[must_use]
    pub fn to_response(&self, request: &Request) -> Response {
        let mut response = request.response(self.status).with_reason(&self.phrase);
        for (name, value) in &self.headers {
            response.headers.push(*name, value);
        }
        response
    }
}

/// `mappings/failure.toml`, checked.
#[derive(Debug)]
pub(super) struct FailureTable {
    reasons: BTreeMap<Reason, Row>,
    conditions: BTreeMap<&'static str, Reason>,
    statuses: BTreeMap<u16, Reason>,
    classes: BTreeMap<u16, Reason>,
}

#[derive(Debug)]
struct Row {
    condition: Condition,
    status: Status,
    status_bare: Option<Status>,
    moved: Option<Status>,
    phrase: Option<&'static str>,
}

const FILE: &str = "mappings/failure.toml";
const TABLE: &str = include_str!("../../mappings/failure.toml");

/// The table of this program, read when it is first needed.
pub(super) static BUILT_IN: LazyLock<FailureTable> =
    LazyLock::new(|| FailureTable::read(FILE, TABLE).expect("a test reads this very text"));

impl FailureTable {
    fn read(file: &'static str, text: &str) -> Result<Self, TableError> {
        let source = Source { file, text };
        let table: FailureFile = source.read()?;
        refuse_duplicates(&source, table.failure.iter().map(|row| (row.span().start, row.get_ref().reason)))?;
        refuse_duplicates(&source, table.condition.iter().map(|row| (row.span().start, &row.get_ref().condition)))?;
        refuse_duplicates(&source, table.status.iter().map(|row| (row.span().start, row.get_ref().status)))?;
        refuse_duplicates(&source, table.class.iter().map(|row| (row.span().start, row.get_ref().class)))?;
        let mut read = Self {
            reasons: BTreeMap::new(),
            conditions: BTreeMap::new(),
            statuses: BTreeMap::new(),
            classes: BTreeMap::new(),
        };
        read.take_failures(&source, &table)?;
        read.take_conditions(&source, &table)?;
        read.take_statuses(&source, &table)?;
        read.refuse_gaps(&source)?;
        Ok(read)
    }

    fn take_failures(&mut self, source: &Source<'_>, table: &FailureFile) -> Result<(), TableError> {
        for spanned in &table.failure {
            let (at, row) = (spanned.span().start, spanned.get_ref());
            let status = |code: u16| {
                Status::new(code)
                    .filter(|status| (3..=6).contains(&status.class()))
                    .ok_or_else(|| source.error(at, format!("{code} is no final failure; use 300 to 699")))
            };
            let condition = condition(source, at, &row.condition)?;
            let row = Row {
                condition,
                status: status(row.status)?,
                status_bare: row.status_bare.map(status).transpose()?,
                moved: row.moved.map(status).transpose()?,
                // A handful of phrases, once for the life of the process.
                phrase: row.phrase.clone().map(|phrase| &*phrase.leak()),
            };
            self.reasons.insert(spanned.get_ref().reason, row);
        }
        Ok(())
    }

    fn take_conditions(&mut self, source: &Source<'_>, table: &FailureFile) -> Result<(), TableError> {
        for spanned in &table.condition {
            let (at, row) = (spanned.span().start, spanned.get_ref());
            self.refuse_unknown(source, at, row.reason)?;
            self.conditions.insert(condition(source, at, &row.condition)?.name(), row.reason);
        }
        Ok(())
    }

    fn take_statuses(&mut self, source: &Source<'_>, table: &FailureFile) -> Result<(), TableError> {
        for spanned in &table.status {
            let (at, row) = (spanned.span().start, spanned.get_ref());
            self.refuse_unknown(source, at, row.reason)?;
            if !(300..700).contains(&row.status) {
                return Err(source.error(at, format!("{} is no final failure; use 300 to 699", row.status)));
            }
            self.statuses.insert(row.status, row.reason);
        }
        for spanned in &table.class {
            let (at, row) = (spanned.span().start, spanned.get_ref());
            self.refuse_unknown(source, at, row.reason)?;
            if !(3..7).contains(&row.class) {
                return Err(source.error(at, format!("{} is no class of failures; use 3 to 6", row.class)));
            }
            self.classes.insert(row.class, row.reason);
        }
        Ok(())
    }

    fn refuse_unknown(&self, source: &Source<'_>, at: usize, reason: Reason) -> Result<(), TableError> {
        if self.reasons.contains_key(&reason) {
            return Ok(());
        }
        Err(source.error(at, format!("no [[failure]] row says what {reason:?} is; add one")))
    }

    fn refuse_gaps(&self, source: &Source<'_>) -> Result<(), TableError> {
        let end = source.text.len();
        if let Some(missing) = Reason::ALL.iter().find(|reason| !self.reasons.contains_key(*reason)) {
            return Err(source.error(end, format!("no [[failure]] row for {missing:?}; add one")));
        }
        if let Some(missing) = Condition::ALL.iter().find(|condition| !self.conditions.contains_key(condition.name())) {
            return Err(source.error(end, format!("no [[condition]] row for {}; add one", missing.name())));
        }
        if let Some(missing) = (3..7).find(|class| !self.classes.contains_key(class)) {
            return Err(source.error(end, format!("no [[class]] row for {missing}; add one")));
        }
        Ok(())
    }

    fn row(&self, reason: Reason) -> &Row {
        self.reasons.get(&reason).expect("refuse_gaps left no reason without a row")
    }
}

fn condition(source: &Source<'_>, at: usize, name: &str) -> Result<Condition, TableError> {
    Condition::from_name(name)
        .ok_or_else(|| source.error(at, format!("`{name}` is no condition of RFC 6120 section 8.3.3")))
}

impl Mapping {
    /// The reason in a stanza error (RFC 7247 table 2, left half).
    #[must_use]
    pub fn stanza_error_to_failure(&self, error: &StanzaError) -> Failure {
        let reason = self.failures.conditions.get(error.condition.name()).copied().unwrap_or(Reason::Undefined);
        let mut new_address = None;
        if let Condition::Gone(Some(uri)) | Condition::Redirect(Some(uri)) = &error.condition {
            new_address = self.told_by_xmpp(uri);
        }
        Failure { reason, text: error.text.clone(), new_address, retry_after: None }
    }

    /// The stanza error for a reason (RFC 7247 table 3, right half); its type is the usual one of RFC 6120 section
    /// 8.3.3 (A-ERR-08), or `wait` where the other side said when to try again (A-ERR-06).
    #[must_use]
    pub fn failure_to_stanza_error(&self, failure: &Failure) -> StanzaError {
        let mut condition = self.failures.row(failure.reason).condition.clone();
        if let Condition::Gone(told) | Condition::Redirect(told) = &mut condition {
            *told = failure.new_address.as_ref().and_then(|address| self.tell_xmpp(address));
        }
        let mut error = StanzaError::new(condition);
        if failure.retry_after.is_some() {
            error.kind = ErrorType::Wait;
        }
        match failure.text.as_deref().map(|text| one_line(text, MAX_TEXT)).filter(|text| !text.is_empty()) {
            Some(text) => error.with_text(&text),
            None => error,
        }
    }

    /// The reason in a final response (RFC 7247 table 3, left half); `None` for 1xx and 2xx, which are none.
    #[must_use]
    pub fn status_to_failure(&self, response: &Response) -> Option<Failure> {
        let (code, class) = (response.status.code(), response.status.class());
        if class < 3 {
            return None;
        }
        let table = &self.failures;
        let reason = table.statuses.get(&code).or_else(|| table.classes.get(&class));
        let reason = reason.copied().unwrap_or(Reason::Undefined);
        // RFC 7247 table 3 note 1: 410 MUST NOT tell a new address, whatever Contact says.
        let moved = class == 3 && self.failures.row(reason).moved.is_some();
        Some(Failure {
            reason,
            text: Some(response.reason().into_owned()).filter(|text| !text.is_empty()),
            new_address: if moved { self.told_by_sip(response) } else { None },
            retry_after: response.headers.find::<RetryAfter>().ok().flatten().map(|header| header.seconds),
        })
    }

    /// The status for a reason (RFC 7247 table 2, right half). `full` says whether the error is about one device (it
    /// came from a full JID) or about the user; `global` whether 6xx may be used for the latter
    /// ([`DomainMapping::global_failures`](super::DomainMapping::global_failures), A-ERR-02).
    #[must_use]
    pub fn failure_to_status(&self, failure: &Failure, full: bool, global: bool) -> Answer {
        let row = self.failures.row(failure.reason);
        let contact = failure.new_address.as_ref().and_then(|address| self.tell_sip(address));
        let status = match (row.status_bare, row.moved) {
            (_, Some(moved)) if contact.is_some() => moved,
            (Some(bare), _) if !full && (global || bare.class() != 6) => bare,
            _ => row.status,
        };
        let mut headers = Vec::new();
        if let Some(uri) = contact.filter(|_| row.moved.is_some()) {
            headers.push(("Contact", format!("<{uri}>")));
        }
        if status == Status::METHOD_NOT_ALLOWED {
            // RFC 3261 section 8.2.1: what this resource does take. Not MESSAGE, or we would not be here.
            headers.push(("Allow", "OPTIONS".to_owned()));
        }
        headers.extend(self.header_of_refusal(failure.reason));
        if let Some(seconds) = failure.retry_after {
            headers.push(("Retry-After", seconds.to_string()));
        }
        let said = failure.text.as_deref().map(|text| one_line(text, MAX_PHRASE)).filter(|text| !text.is_empty());
        let phrase = match (said, row.phrase) {
            (Some(text), _) => text.into_owned().into(),
            (None, Some(phrase)) => phrase.into(),
            (None, None) => status.reason().into(),
        };
        Answer { status, phrase, headers }
    }

    /// What the RFCs want beside a refusal of ours: what would have been taken instead (RFC 3261 section 8.2.3), why a
    /// secure address was not (RFC 5630 section 5.2).
    fn header_of_refusal(&self, reason: Reason) -> Option<(&'static str, String)> {
        if reason == Reason::MediaTypeUnsupported {
            Some(("Accept", self.contents.accept().to_owned()))
        } else if reason == Reason::EncodingUnsupported {
            Some(("Accept-Encoding", "identity".to_owned()))
        } else if reason == Reason::SecureSchemeRefused {
            Some(("Warning", "380 stox \"SIPS Not Allowed\"".to_owned()))
        } else {
            None
        }
    }

    /// An address in `<gone/>` or `<redirect/>`: an `xmpp:` URI (RFC 6120 section 8.3.3.5), a bare JID as some servers
    /// write it, a SIP URI that means one of us, or any other URI.
    fn told_by_xmpp(&self, text: &str) -> Option<NewAddress> {
        let text = text.trim();
        if let Some(jid) = parse_xmpp_uri(text).or_else(|| Jid::parse(text).ok().filter(|jid| jid.local().is_some())) {
            return Some(NewAddress::Address(self.jid_to_address(&jid)));
        }
        Uri::parse(text).ok().and_then(|uri| self.told_uri(&uri))
    }

    /// The first Contact of a redirection (RFC 3261 section 20.10), unless it is a machine's address that no domain maps: it
    /// leads nobody there from XMPP, and where a phone is, is its user's business.
    fn told_by_sip(&self, response: &Response) -> Option<NewAddress> {
        let contacts = response.headers.each::<Contact>().filter_map(Result::ok);
        let mut uris = contacts.filter_map(|contact| match contact {
            Contact::At(address) => Some(address.uri),
            Contact::All => None,
        });
        let uri = uris.next()?;
        let told = self.told_uri(&uri)?;
        let is_machine = match &told {
            NewAddress::Address(address) => address.domain.trim_matches(['[', ']']).parse::<IpAddr>().is_ok(),
            NewAddress::Uri(_) => matches!(uri.host(), Some(Host::V4(_) | Host::V6(_))),
        };
        (!is_machine).then_some(told)
    }

    fn told_uri(&self, uri: &Uri) -> Option<NewAddress> {
        match uri.scheme() {
            Scheme::Sip | Scheme::Im | Scheme::Pres => self.uri_to_address_anywhere(uri).ok().map(NewAddress::Address),
            Scheme::Sips | Scheme::Tel => Some(NewAddress::Uri(uri.as_str().to_owned())),
            Scheme::Other if uri.scheme_text().eq_ignore_ascii_case("xmpp") => {
                parse_xmpp_uri(uri.as_str()).map(|jid| NewAddress::Address(self.jid_to_address(&jid)))
            }
            Scheme::Other => Some(NewAddress::Uri(uri.as_str().to_owned())),
        }
    }

    fn tell_xmpp(&self, address: &NewAddress) -> Option<String> {
        match address {
            NewAddress::Address(address) => self.address_to_jid(address).ok().map(|jid| print_xmpp_uri(&jid)),
            NewAddress::Uri(uri) => Some(uri.clone()),
        }
    }

    fn tell_sip(&self, address: &NewAddress) -> Option<String> {
        match address {
            NewAddress::Address(address) => {
                self.address_to_uri_anywhere(address).ok().map(|uri| uri.as_str().to_owned())
            }
            NewAddress::Uri(uri) => Uri::parse(uri).ok().map(|uri| uri.as_str().to_owned()),
        }
    }
}

/// `text` as one line of at most `limit` bytes, controls made spaces.
fn one_line(text: &str, limit: usize) -> Cow<'_, str> {
    let text = text.trim();
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    if text.contains(char::is_control) { text.replace(char::is_control, " ").into() } else { text.into() }
}

/// The JID in an `xmpp:` URI or IRI (RFC 5122 section 2.2), its query and fragment left aside.
#[must_use]
pub(super) fn parse_xmpp_uri(text: &str) -> Option<Jid> {
    let (scheme, rest) = text.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("xmpp") {
        return None;
    }
    // `//authority/` names the account to use, not whom to reach.
    let path = match rest.strip_prefix("//") {
        Some(authority) => authority.split_once('/')?.1,
        None => rest,
    };
    let path = path.split(['?', '#']).next()?;
    let decode = |part: &str| percent_decode(part);
    let (bare, resource) = match path.split_once('/') {
        Some((bare, resource)) => (bare, Some(decode(resource)?)),
        None => (path, None),
    };
    let (local, domain) = match bare.split_once('@') {
        Some((local, domain)) => (Some(decode(local)?), decode(domain)?),
        None => (None, decode(bare)?),
    };
    Jid::new(local.as_deref(), &domain, resource.as_deref()).ok()
}

/// The `xmpp:` URI of a JID (RFC 5122 section 2.7.2).
#[must_use]
pub(super) fn print_xmpp_uri(jid: &Jid) -> String {
    let mut out = String::with_capacity(jid.as_str().len() + 8);
    out.push_str("xmpp:");
    if let Some(local) = jid.local() {
        percent_encode(local, b"!$()*+,;=", &mut out);
        out.push('@');
    }
    percent_encode(jid.domain(), b"[]:", &mut out);
    if let Some(resource) = jid.resource() {
        out.push('/');
        percent_encode(resource, b"!$&'()*+,:;=", &mut out);
    }
    out
}

fn percent_encode(text: &str, also_plain: &[u8], out: &mut String) {
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also_plain.contains(&byte);
        super::address::push_byte(byte, plain, out);
    }
}

pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? << 4 | digit()?;
        out.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests;
