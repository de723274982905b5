//! What a proxy does to messages: RFC 3261 section 16 and RFC 5393, as functions. When they are called, and with what
//! transactions, is for whoever forwards.
//!
//! ```text
//!  request:  mark, check (16.3) -> preprocess (16.4) -> aim (16.6 steps 6 and 7) -> pass_on (steps 2 to 4) -> Via
//!  response: upstream (16.7 step 3) -> 1xx and 2xx at once, others gathered -> best (steps 6 and 7)
//! ```
//! What is not done: `maddr` and GRUU are not read, Record-Route is never rewritten on the way back (two are put in
//! instead where the ways differ, as RFC 5658 recommends), and a redirection is passed on and not followed.

use std::hash::{DefaultHasher, Hasher};

use super::endpoint::{SentBy, Transport};
use super::message::check::Refusal;
use super::message::header::{MaxForwards, Route, Via};
use super::message::{Header, Headers, Method, Name, Request, Response, Status, lex};
use super::transaction::key::mark_text;
use super::uri::{Host, Scheme, Uri};

/// The Max-Breadth of a request that has none, and the most that we let one have (RFC 5393 section 5.3.3).
pub const MAX_BREADTH: u64 = 60;

/// The Max-Forwards of a request that has none (RFC 3261 section 16.6 step 3).
const HOPS: u8 = 70;

/// Route values of ours that are taken off one request: two, where it changed its transport here, and twice that if it
/// comes by twice.
const OWN_ROUTES: usize = 4;

/// What we are called in Via and Record-Route.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a>(pub &'a [(Transport, SentBy)]);

impl Names<'_> {
    /// Whether `uri` leads to us.
    #[must_use]
    pub fn has(&self, uri: &Uri) -> bool {
        uri.host().is_some_and(|host| self.knows(host, uri.port()))
    }

    fn knows(&self, host: Host<'_>, port: Option<u16>) -> bool {
        self.0.iter().any(|(transport, own)| {
            let default = transport.default_port();
            Host::parse(&own.host).is_some_and(|own| own.same(host))
                && port.unwrap_or(default) == own.port.unwrap_or(default)
        })
    }

    /// The Record-Route value by which requests come back to us over `transport`.
    #[must_use]
    pub fn record_route(&self, transport: Transport) -> Option<String> {
        let (_, own) = self.0.iter().find(|(of, _)| *of == transport)?;
        let mut value = format!("<sip:{}", own.host);
        if let Some(port) = own.port {
            value.push_str(&format!(":{port}"));
        }
        if transport != Transport::Udp {
            value.push_str(";transport=");
            value.push_str(&transport.token().to_ascii_lowercase());
        }
        value.push_str(";lr>");
        Some(value)
    }
}

/// The second part of the branch under which `request`, as it was received, goes on: the same again if it comes back
/// with nothing changed that decides its way (RFC 5393 section 4.2.1). Not of the method, for ACK and CANCEL.
#[must_use]
pub fn mark(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.write_usize(bytes.len());
        hasher.write(bytes);
    };
    part(request.uri.as_str().as_bytes());
    request.headers.all(Name::ROUTE).for_each(&mut part);
    part(b"");
    part(request.headers.get(Name::CALL_ID).unwrap_or_default());
    part(&request.headers.cseq().map_or(0, |cseq| cseq.number).to_be_bytes());
    hasher.finish()
}

/// Whether `request` may go on: RFC 3261 section 16.3 with RFC 5393 section 4.2.2. `mark` is its [`mark`]. What
/// [`super::message::check::check`] looks at is taken as looked at.
///
/// # Errors
/// 416 for a scheme other than `sip`, 483, 482, 420, 400 or 440 for a Max-Breadth that is no number or nothing.
pub fn check(request: &Request, names: Names<'_>, mark: u64) -> Result<(), Refusal> {
    if request.uri.scheme() != Scheme::Sip {
        return Err(Refusal::new(Status::UNSUPPORTED_URI_SCHEME));
    }
    if request.headers.find::<MaxForwards>().is_ok_and(|hops| hops == Some(MaxForwards(0))) {
        return Err(Refusal::new(Status::TOO_MANY_HOPS));
    }
    let mark = mark_text(mark);
    let second = |via: &Via| via.branch().and_then(|branch| branch.rsplit_once('.')).is_some_and(|(_, of)| of == mark);
    let mut vias = request.headers.each::<Via>().filter_map(Result::ok);
    if vias.any(|via| second(&via) && names.knows(via.host(), via.port)) {
        return Err(Refusal::new(Status::LOOP_DETECTED));
    }
    let required: Vec<&str> = request.headers.tokens(Name::PROXY_REQUIRE).collect();
    if !required.is_empty() {
        let mut refusal = Refusal::new(Status::BAD_EXTENSION);
        refusal.headers.push((Name::UNSUPPORTED, required.join(", ")));
        return Err(refusal);
    }
    match breadth(&request.headers) {
        Err(()) => Err(Refusal { reason: "Malformed Max-Breadth".into(), ..Refusal::new(Status::BAD_REQUEST) }),
        Ok(Some(0)) => Err(Refusal::new(Status::MAX_BREADTH_EXCEEDED)),
        Ok(_) => Ok(()),
    }
}

fn breadth(headers: &Headers) -> Result<Option<u64>, ()> {
    let mut values = headers.all(Name::MAX_BREADTH);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(());
    }
    lex::number(value).map(Some).ok_or(())
}

/// Takes off the Route values that led to us, and puts a Request-URI that a strict router has replaced by one of ours
/// back in its place (section 16.4). `true`: a Route led here.
pub fn preprocess(request: &mut Request, names: Names<'_>) -> bool {
    let mut led_here = false;
    if request.uri.param("lr").is_some() && names.has(&request.uri) {
        let mut routes: Vec<Vec<u8>> = values(&request.headers, Name::ROUTE);
        if let Some(last) = routes.pop().and_then(|last| Route::parse(&last).ok()) {
            request.uri = last.uri.clone();
            set(&mut request.headers, Name::ROUTE, &routes);
            led_here = true;
        }
    }
    for _ in 0..OWN_ROUTES {
        match request.headers.find::<Route>() {
            Ok(Some(route)) if names.has(&route.uri) => request.headers.drop_first(Name::ROUTE),
            _ => break,
        }
        led_here = true;
    }
    led_here
}

/// Where `request` goes next: to its topmost Route, else to its Request-URI. For a strict router the two change places
/// (section 16.6 step 6). `None` if the Route cannot be read.
pub fn aim(request: &mut Request) -> Option<Uri> {
    let Some(route) = request.headers.find::<Route>().ok()? else { return Some(request.uri.clone()) };
    if route.uri.param("lr").is_some() {
        return Some(route.uri.clone());
    }
    let target = std::mem::replace(&mut request.uri, route.uri.clone());
    request.headers.drop_first(Name::ROUTE);
    request.headers.push(Name::ROUTE, format!("<{target}>"));
    Some(request.uri.clone())
}

/// What every request that goes on gets: one hop less, a Max-Breadth, and `record_routes`, the last one topmost
/// (section 16.6 steps 3 and 4, RFC 5393 section 5.3.3). As it goes to one place at a time, all of its breadth goes there.
pub fn pass_on(request: &mut Request, record_routes: impl IntoIterator<Item = String>) {
    let headers = &mut request.headers;
    let hops = headers.find::<MaxForwards>().ok().flatten().map_or(HOPS, |hops| hops.0.saturating_sub(1));
    headers.set(&MaxForwards(hops));
    let breadth = breadth(headers).ok().flatten().unwrap_or(MAX_BREADTH).min(MAX_BREADTH);
    headers.replace(Name::MAX_BREADTH, breadth.to_string());
    for value in record_routes {
        headers.insert_first(Name::RECORD_ROUTE, value);
    }
}

/// Whether `request` may begin a dialog, whose later requests shall come by here too.
#[must_use]
pub fn begins_dialog(request: &Request) -> bool {
    matches!(request.method, Method::Invite | Method::Subscribe | Method::Notify | Method::Refer) && !is_inside(request)
}

/// Whether `request` is one of a dialog: it has a To tag.
#[must_use]
pub fn is_inside(request: &Request) -> bool {
    request.headers.to().is_ok_and(|to| to.tag().is_some())
}

/// The response without our Via, as it goes back. `None`: there is no other, so it was for us (section 16.7 step 3).
#[must_use]
pub fn upstream(mut response: Response) -> Option<Response> {
    response.headers.drop_first(Name::VIA);
    response.headers.has(Name::VIA).then_some(response)
}

/// The final responses of all places that a request went to, without our Via, as they come in.
#[derive(Debug, Default)]
pub struct Gathered {
    best: Option<Response>,
    challenges: Vec<(Name<'static>, Vec<u8>)>,
}

impl Gathered {
    /// One more.
    pub fn add(&mut self, response: Response) {
        if is_challenge(response.status) {
            for name in [Name::WWW_AUTHENTICATE, Name::PROXY_AUTHENTICATE] {
                self.challenges.extend(response.headers.all(name).map(|value| (name, value.to_vec())));
            }
        }
        if self.best.as_ref().is_none_or(|best| rank(response.status) < rank(best.status)) {
            self.best = Some(response);
        }
    }

    /// The one that goes back (section 16.7 steps 6 and 7): a 2xx, else a 6xx, else one of the lowest class, in which those
    /// come first that tell the caller what to change. Challenges of all branches are in it. A 503 is about one server
    /// behind us and not about us, so it becomes 500.
    #[must_use]
    pub fn best(self) -> Option<Response> {
        let mut best = self.best?;
        if is_challenge(best.status) {
            for name in [Name::WWW_AUTHENTICATE, Name::PROXY_AUTHENTICATE] {
                best.headers.remove(name);
            }
            self.challenges.iter().for_each(|(name, value)| best.headers.push(*name, value));
        }
        if best.status == Status::SERVICE_UNAVAILABLE {
            best.status = Status::SERVER_INTERNAL_ERROR;
            best = best.with_reason(Status::SERVER_INTERNAL_ERROR.reason());
        }
        Some(best)
    }
}

fn is_challenge(status: Status) -> bool {
    matches!(status, Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED)
}

/// Lower is better.
fn rank(status: Status) -> (u16, u16) {
    let class = match status.class() {
        2 => 0,
        6 => 1,
        class => class,
    };
    let within = match status {
        Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED => 0,
        Status::UNSUPPORTED_MEDIA_TYPE | Status::BAD_EXTENSION | Status::ADDRESS_INCOMPLETE => 1,
        Status::SERVICE_UNAVAILABLE => 3,
        _ => 2,
    };
    (class, within)
}

fn values(headers: &Headers, name: Name<'static>) -> Vec<Vec<u8>> {
    headers.all(name).flat_map(lex::elements).map(<[u8]>::to_vec).collect()
}

fn set(headers: &mut Headers, name: Name<'static>, values: &[Vec<u8>]) {
    headers.remove(name);
    values.iter().for_each(|value| headers.push(name, value));
}

#[cfg(test)]
mod tests;
