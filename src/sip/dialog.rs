//! Dialogs: what two user agents keep of each other (RFC 3261 section 12), for subscriptions (RFC 6665 section 4.4.1).
//!
//! ```text
//!  of_request   we are asked to notify          route set: Record-Route as it came
//!  of_notify    what we subscribed to answers   route set: the same
//!  of_response  likewise, if the 2xx is first   route set: Record-Route from the last to the first
//!       |
//!       +-- request -> (errand to next_hop) -> answered | unanswered       our requests: CSeq, Route, Request-URI
//!       +-- take                                                           the peer's: order, remote target
//! ```
//! There may be a million, so all texts of one lie in one piece of memory and are read again when they are needed.
//!
//! More liberal than the RFC in one point: a 2xx to SUBSCRIBE without Contact leaves the remote target what was asked,
//! since the NOTIFY that follows has one.

mod key;
#[cfg(test)]
mod tests;

pub use key::DialogKey;

use super::endpoint::Flow;
use super::message::header::{CSeq, Contact, MaxForwards, NameAddr, RecordRoute};
use super::message::{BadHeader, Header, Headers, Method, Name, Request, Response, Status, lex, wire};
use super::uri::{Scheme, Uri};

/// The most places of one route set: no message may take more than 70 hops, and none of these takes more than a few.
pub const MAX_ROUTES: usize = 32;

/// What all texts of one dialog may take, bytes: half of what the headers of one message may.
pub const MAX_TEXTS: usize = wire::MAX_HEADER_SECTION / 2;

/// CSeq ends below this (RFC 3261 section 8.1.1.5).
const CSEQ_END: u32 = 1 << 31;

/// Tries of one request with credentials count on from its CSeq; a gap this wide lies beyond them where no answer says how
/// far they came.
const CSEQ_GAP: u32 = 8;

/// The hops that a request of ours may take (RFC 3261 section 8.1.1.6).
const HOPS: u8 = 70;

/// A request of a peer is older than one that was acted upon: the answer is 500 (RFC 3261 section 12.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request out of order")]
pub struct OutOfOrder;

/// Where a request in a dialog goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The first of the route set, else the remote target.
    pub uri: Uri,
    /// The connection on which the peer's last request came, by its number: to be used while it is open, as the peer may
    /// be reached by no other.
    pub flow: Option<u64>,
}

impl From<Uri> for Hop {
    fn from(uri: Uri) -> Self {
        Self { uri, flow: None }
    }
}

/// What a dialog is made of, for keeping.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Call-ID.
    pub call_id: &'a str,
    /// Our tag.
    pub local_tag: &'a str,
    /// The peer's; empty where it has none (RFC 2543).
    pub remote_tag: &'a str,
    /// Our URI, as in From of our requests.
    pub local_uri: &'a str,
    /// The peer's.
    pub remote_uri: &'a str,
    /// Where its requests go.
    pub remote_target: &'a str,
}

/// How many texts there are besides the route set.
const TEXTS: usize = 6;

/// One dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    /// The parts in their order, then the route set as the value of a Route header.
    text: Box<str>,
    /// Where each part ends.
    ends: [u16; TEXTS],
    secure: bool,
    /// The connection on which the peer came; 0: none.
    flow: u64,
    local_cseq: u32,
    /// `u32::MAX`: the peer has sent nothing yet.
    remote_cseq: u32,
}

/// No CSeq is so large.
const NO_CSEQ: u32 = u32::MAX;

impl Dialog {
    /// The dialog that our 2xx to `request` begins, with `local_tag` in its To (RFC 3261 section 12.1.1).
    ///
    /// # Errors
    /// What of `request` is malformed or missing: the answer is 400.
    pub fn of_request(request: &Request, local_tag: &str) -> Result<Self, BadHeader> {
        Self::of_peer(request, local_tag)
    }

    /// The dialog that a NOTIFY for a SUBSCRIBE of ours begins (RFC 6665 section 4.4.1): its route set counts, and not that
    /// of the 2xx. Our CSeq goes on from that of the SUBSCRIBE: see [`Dialog::raise_cseq`].
    ///
    /// # Errors
    /// What of `notify` is malformed or missing: the answer is 400.
    pub fn of_notify(notify: &Request) -> Result<Self, BadHeader> {
        let to = notify.headers.to()?;
        let tag = to.tag().ok_or(BadHeader(Name::TO))?;
        Self::of_peer(notify, &tag)
    }

    fn of_peer(request: &Request, local_tag: &str) -> Result<Self, BadHeader> {
        let headers = &request.headers;
        let (from, to) = (headers.from()?, headers.to()?);
        let target = target(headers)?.ok_or(BadHeader(Name::CONTACT))?;
        let mut dialog = Self::made(
            Parts {
                call_id: headers.call_id().ok_or(BadHeader(Name::CALL_ID))?,
                local_tag,
                remote_tag: &from.tag().unwrap_or_default(),
                local_uri: to.uri.as_str(),
                remote_uri: from.uri.as_str(),
                remote_target: target.as_str(),
            },
            &routes(headers)?,
        )?;
        dialog.remote_cseq = headers.cseq()?.number;
        dialog.secure = request.uri.scheme() == Scheme::Sips;
        Ok(dialog)
    }

    /// The dialog that `response` to our `request` begins (RFC 3261 section 12.1.2).
    ///
    /// # Errors
    /// What of either is malformed or missing.
    pub fn of_response(request: &Request, response: &Response) -> Result<Self, BadHeader> {
        let (from, to) = (request.headers.from()?, response.headers.to()?);
        let mut routes = routes(&response.headers)?;
        routes.reverse();
        let target = target(&response.headers)?.unwrap_or_else(|| request.uri.clone());
        let mut dialog = Self::made(
            Parts {
                call_id: request.headers.call_id().ok_or(BadHeader(Name::CALL_ID))?,
                local_tag: &from.tag().ok_or(BadHeader(Name::FROM))?,
                remote_tag: &to.tag().unwrap_or_default(),
                local_uri: from.uri.as_str(),
                remote_uri: to.uri.as_str(),
                remote_target: target.as_str(),
            },
            &routes,
        )?;
        let sent = request.headers.cseq()?.number;
        dialog.local_cseq = response.headers.cseq().map_or(sent, |cseq| cseq.number.max(sent));
        dialog.secure = request.uri.scheme() == Scheme::Sips;
        Ok(dialog)
    }

    /// A dialog that was kept: no request of ours has had a CSeq above `local_cseq`.
    ///
    /// # Errors
    /// What is not what it was.
    pub fn restore<'a>(
        parts: Parts<'_>,
        route_set: impl IntoIterator<Item = &'a str>,
        local_cseq: u32,
        remote_cseq: Option<u32>,
    ) -> Result<Self, BadHeader> {
        let uri = |text: &str, name| Uri::parse(text).map_err(|_| BadHeader(name));
        let routes = route_set.into_iter().map(|text| uri(text, Name::ROUTE)).collect::<Result<Vec<_>, _>>()?;
        uri(parts.local_uri, Name::FROM)?;
        uri(parts.remote_uri, Name::TO)?;
        let target = uri(parts.remote_target, Name::CONTACT)?;
        let mut dialog = Self::made(parts, &routes)?;
        dialog.local_cseq = local_cseq.min(CSEQ_END - 1);
        dialog.remote_cseq = remote_cseq.unwrap_or(NO_CSEQ);
        dialog.secure = target.scheme() == Scheme::Sips;
        Ok(dialog)
    }

    fn made(parts: Parts<'_>, routes: &[Uri]) -> Result<Self, BadHeader> {
        if routes.len() > MAX_ROUTES {
            return Err(BadHeader(Name::RECORD_ROUTE));
        }
        let routes = routes.iter().map(|route| format!("<{route}>")).collect::<Vec<_>>().join(", ");
        let (text, ends) = packed(parts, &routes).ok_or(BadHeader(Name::RECORD_ROUTE))?;
        Ok(Self { text, ends, secure: false, flow: 0, local_cseq: 0, remote_cseq: NO_CSEQ })
    }

    /// The next request of ours in it, complete but for Via, credentials and what the method wants besides (RFC 3261 section
    /// 12.2.1.1). `contact` is ours.
    pub fn request(&mut self, method: Method, contact: &Uri) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1).min(CSEQ_END - 1);
        let (uri, route) = self.way(contact);
        let mut headers = Headers::with_capacity(12, 256 + self.text.len());
        headers.add(&MaxForwards(HOPS));
        if !route.is_empty() {
            headers.push(Name::ROUTE, route);
        }
        headers.push(Name::TO, tagged(self.remote_uri(), self.remote_tag()));
        headers.push(Name::FROM, tagged(self.local_uri(), self.local_tag()));
        headers.push(Name::CALL_ID, self.call_id());
        headers.add(&CSeq { number: self.local_cseq, method: method.clone() });
        headers.add(&self.contact(contact));
        let mut request = Request::new(method, uri);
        request.headers = headers;
        request
    }

    /// An answer in it to the peer's `request`: with our tag, our contact, and the peer's Record-Route, which the answer that
    /// begins it must repeat (RFC 3261 section 12.1.1).
    #[must_use]
    pub fn response(&self, request: &Request, status: Status, contact: &Uri) -> Response {
        let mut response = request.response(status);
        response.headers.copy(&request.headers, Name::RECORD_ROUTE);
        response.headers.add(&self.contact(contact));
        response.ensure_to_tag(self.local_tag());
        response
    }

    /// Request-URI and Route, with loose and with strict routers.
    fn way(&self, fallback: &Uri) -> (Uri, String) {
        // What is kept was a URI, so the fallback is never used.
        let target = Uri::parse(self.remote_target()).unwrap_or_else(|_| fallback.clone());
        let Some(first) = self.first_route() else { return (target, String::new()) };
        if first.param("lr").is_some() {
            return (target, self.route_value().to_owned());
        }
        let mut route = String::with_capacity(self.text.len());
        for uri in self.route_set().skip(1).chain([target.as_str()]) {
            if !route.is_empty() {
                route.push_str(", ");
            }
            route.push('<');
            route.push_str(uri);
            route.push('>');
        }
        (for_request_line(&first), route)
    }

    /// Where the next request goes first (RFC 3261 section 8.1.2). Always somewhere; whoever sends says what of `None`.
    #[must_use]
    pub fn next_hop(&self) -> Option<Hop> {
        let uri = self.first_route().or_else(|| Uri::parse(self.remote_target()).ok())?;
        Some(Hop { uri, flow: (self.flow != 0).then_some(self.flow) })
    }

    /// Takes a request of the peer's: its place in the order, and where the peer is reached from now on if the method says
    /// that (RFC 3261 section 12.2.2).
    ///
    /// # Errors
    /// It is older than one that was taken, and is refused with 500.
    pub fn take(&mut self, request: &Request) -> Result<(), OutOfOrder> {
        let number = request.headers.cseq().map_err(|_| OutOfOrder)?.number;
        if self.remote_cseq != NO_CSEQ && number < self.remote_cseq {
            return Err(OutOfOrder);
        }
        self.remote_cseq = number;
        if refreshes_target(&request.method) {
            self.refresh_target(&request.headers);
        }
        Ok(())
    }

    /// The final response to a request of ours came: says how far our CSeq came, and of a 2xx where the peer is reached from
    /// now on (RFC 3261 section 12.2.1.2).
    pub fn answered(&mut self, response: &Response) {
        let Ok(cseq) = response.headers.cseq() else { return };
        self.raise_cseq(cseq.number);
        if response.status.is_success() && refreshes_target(&cseq.method) {
            self.refresh_target(&response.headers);
        }
    }

    /// No final response came: what was tried with credentials may have had higher numbers.
    pub fn unanswered(&mut self) {
        self.raise_cseq(self.local_cseq.saturating_add(CSEQ_GAP));
    }

    /// Our next request has a CSeq above this one.
    pub fn raise_cseq(&mut self, used: u32) {
        self.local_cseq = self.local_cseq.max(used.min(CSEQ_END - 1));
    }

    /// The peer's last request came by `flow`: over a connection, ours go back by it while it is open.
    pub fn came_by(&mut self, flow: &Flow) {
        self.flow = if flow.transport.is_reliable() { flow.id } else { 0 };
    }

    /// Whether the Contact is, byte for byte, where the peer is reached already: so it is in nearly every NOTIFY, and it need
    /// not be read.
    fn is_target_of(&self, headers: &Headers) -> bool {
        let same = |value: &[u8]| {
            let rest = value.strip_prefix(b"<").and_then(|rest| rest.strip_prefix(self.remote_target().as_bytes()));
            matches!(rest, Some(b">"))
        };
        let mut contacts = headers.all(Contact::NAME);
        contacts.next().is_some_and(same) && contacts.next().is_none()
    }

    fn refresh_target(&mut self, headers: &Headers) {
        if self.is_target_of(headers) {
            return;
        }
        let Ok(Some(target)) = target(headers) else { return };
        if target.as_str() == self.remote_target() {
            return;
        }
        let parts = Parts { remote_target: target.as_str(), ..self.parts() };
        if let Some((text, ends)) = packed(parts, self.route_value()) {
            (self.text, self.ends) = (text, ends);
        }
    }

    /// Names it.
    #[must_use]
    pub fn key(&self) -> DialogKey {
        DialogKey::new(self.call_id(), self.local_tag(), self.remote_tag())
    }

    /// Its texts, for keeping.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            call_id: self.call_id(),
            local_tag: self.local_tag(),
            remote_tag: self.remote_tag(),
            local_uri: self.local_uri(),
            remote_uri: self.remote_uri(),
            remote_target: self.remote_target(),
        }
    }

    /// Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        self.part(0)
    }

    /// Our tag.
    #[must_use]
    pub fn local_tag(&self) -> &str {
        self.part(1)
    }

    /// The peer's; empty if it has none.
    #[must_use]
    pub fn remote_tag(&self) -> &str {
        self.part(2)
    }

    /// Our URI.
    #[must_use]
    pub fn local_uri(&self) -> &str {
        self.part(3)
    }

    /// The peer's.
    #[must_use]
    pub fn remote_uri(&self) -> &str {
        self.part(4)
    }

    /// Where the peer is reached.
    #[must_use]
    pub fn remote_target(&self) -> &str {
        self.part(5)
    }

    /// The URIs of the Route headers of our requests, in order.
    pub fn route_set(&self) -> impl Iterator<Item = &str> {
        let values = lex::elements(self.route_value().as_bytes()).filter_map(|value| std::str::from_utf8(value).ok());
        values.filter_map(|value| value.strip_prefix('<')?.strip_suffix('>'))
    }

    /// The CSeq of our last request; 0 before the first.
    #[must_use]
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// The CSeq of the peer's last request, if there was any.
    #[must_use]
    pub fn remote_cseq(&self) -> Option<u32> {
        (self.remote_cseq != NO_CSEQ).then_some(self.remote_cseq)
    }

    /// Whether it was begun with a `sips` URI: then our contact is one, too.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// What it takes in memory, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.text.len()
    }

    fn part(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(usize::from(start)..usize::from(self.ends[index])).unwrap_or_default()
    }

    fn route_value(&self) -> &str {
        self.text.get(usize::from(self.ends[TEXTS - 1])..).unwrap_or_default()
    }

    fn first_route(&self) -> Option<Uri> {
        Uri::parse(self.route_set().next()?).ok()
    }

    /// RFC 3261 section 12.2.1.1: in a secure dialog it is a `sips` URI.
    fn contact(&self, contact: &Uri) -> Contact {
        let secure = (self.secure && contact.scheme() == Scheme::Sip)
            .then(|| Uri::parse(&format!("sips:{}", contact.opaque())).ok())
            .flatten();
        Contact::At(NameAddr::new(secure.unwrap_or_else(|| contact.clone())))
    }
}

fn packed(parts: Parts<'_>, routes: &str) -> Option<(Box<str>, [u16; TEXTS])> {
    let Parts { call_id, local_tag, remote_tag, local_uri, remote_uri, remote_target } = parts;
    let texts = [call_id, local_tag, remote_tag, local_uri, remote_uri, remote_target];
    let size = texts.iter().map(|text| text.len()).sum::<usize>() + routes.len();
    if size > MAX_TEXTS {
        return None;
    }
    let mut text = String::with_capacity(size);
    let mut ends = [0; TEXTS];
    for (part, end) in texts.iter().zip(&mut ends) {
        text.push_str(part);
        *end = u16::try_from(text.len()).ok()?;
    }
    text.push_str(routes);
    Some((text.into_boxed_str(), ends))
}

/// The URIs of Record-Route, in order; a path of strict routers is taken like one of loose ones.
fn routes(headers: &Headers) -> Result<Vec<Uri>, BadHeader> {
    headers.each::<RecordRoute>().take(MAX_ROUTES + 1).map(|route| route.map(|route| route.0.uri)).collect()
}

/// The Contact as somewhere to send to; `None` if there is none.
fn target(headers: &Headers) -> Result<Option<Uri>, BadHeader> {
    let Some(contact) = headers.each::<Contact>().next().transpose()? else { return Ok(None) };
    match contact.address() {
        Some(address) if matches!(address.uri.scheme(), Scheme::Sip | Scheme::Sips) => Ok(Some(address.uri.clone())),
        Some(_) | None => Err(BadHeader(Contact::NAME)),
    }
}

/// RFC 6665 section 4.4.1: both refresh the target of their dialog.
fn refreshes_target(method: &Method) -> bool {
    matches!(method, Method::Subscribe | Method::Notify)
}

fn tagged(uri: &str, tag: &str) -> String {
    if tag.is_empty() { format!("<{uri}>") } else { format!("<{uri}>;tag={tag}") }
}

/// The URI without what may not stand in a Request-URI (RFC 3261 section 19.1.1, table 1).
fn for_request_line(uri: &Uri) -> Uri {
    let mut text = uri.without_params().as_str().to_owned();
    for (name, value) in uri.params().filter(|(name, _)| !name.eq_ignore_ascii_case("method")) {
        text.push(';');
        text.push_str(name);
        if let Some(value) = value {
            text.push('=');
            text.push_str(value);
        }
    }
    Uri::parse(&text).unwrap_or_else(|_| uri.clone())
}
