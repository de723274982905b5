//! One registration of ours: RFC 3261 section 10.2 as a user agent, without a socket or a clock.
//!
//! ```text
//!            due                    2xx: until 0.85 .. 0.9 of what was granted
//!  waiting ------> out ----------> waiting          423: at once, for longer
//!                   |  no answer, 5xx, 3xx: back-off (RFC 5626 section 4.5)
//!                   +- 401, 403, 404, ... twice: refused, and tried again after a quarter of an hour
//! ```
//! What was registered stays so while a refresh fails, until it lapses. A first refusal may be a registrar that has not
//! read its own tables yet, so only the second counts; then somebody has to do something, and until then the tries are
//! rare enough not to be banned for.
//!
//! Digest is the business of who sends the request: what comes back here as 401 was answered and refused.

use std::time::Duration;

use super::message::header::{Contact, Expires, From, MaxForwards, MinExpires, NameAddr, RetryAfter, To};
use super::message::{Headers, Method, Name, Request, Response};
use super::uri::Uri;
use crate::ids::Ids;
use crate::time::Now;

/// The longest that [`Binding::expires`] grows to when a registrar wants more: a day, as nobody notices a dead contact
/// before.
pub const MAX_EXPIRES: u32 = 86_400;

/// The first wait after a failure, and what it doubles up to. RFC 5626 section 4.5 has 30 s and 30 min, which is for
/// phones by the thousand; we are one, and people wait.
pub const BACK_OFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// The wait after a refusal that counts.
pub const REFUSED_AGAIN: Duration = Duration::from_secs(900);

/// The longest Retry-After that is kept to.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// A registrar that grants less than this is asked this often and no oftener.
pub const LEAST_REFRESH: Duration = Duration::from_secs(5);

/// Refusals that count as one for good.
const REFUSALS: u32 = 2;

/// What is registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The address of record: a `sip` URI with a user.
    pub aor: Uri,
    /// Where we are reached.
    pub contact: Uri,
    /// For how long, in seconds; less may be granted.
    pub expires: u32,
    /// What we take, as in Allow: some registrars route by it.
    pub allow: &'static str,
}

/// How a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not yet tried, or the first try is out.
    Trying,
    /// The registrar has it.
    Registered,
    /// The registrar does not have it, and cannot be asked.
    Failing,
    /// The registrar does not want it.
    Refused,
    /// It was taken back.
    Over,
}

impl State {
    /// All of them.
    pub const ALL: [State; 5] = [Self::Trying, Self::Registered, Self::Failing, Self::Refused, Self::Over];

    /// As in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Registered => "registered",
            Self::Failing => "failing",
            Self::Refused => "refused",
            Self::Over => "over",
        }
    }
}

/// One registration.
#[derive(Debug)]
pub struct Registration {
    binding: Binding,
    registrar: Uri,
    call_id: String,
    tag: String,
    cseq: u32,
    phase: Phase,
    removing: bool,
    bound_until: Option<Duration>,
    failures: u32,
    refusals: u32,
    raised: bool,
    trouble: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting(Duration),
    Out,
    Over,
}

/// Tries of one request with credentials count on from its CSeq; a gap this wide lies beyond them where they were not
/// heard of.
const CSEQ_GAP: u32 = 8;

impl Registration {
    /// A registration that is due at `at`.
    ///
    /// All its requests share a Call-ID (RFC 3261 section 10.2) drawn from `ids`.
    #[must_use]
    pub fn new(binding: Binding, at: Duration, ids: &mut Ids) -> Self {
        let registrar = registrar_of(&binding.aor).unwrap_or_else(|| binding.aor.clone());
        Self {
            registrar,
            call_id: ids.call_id(),
            tag: ids.tag(),
            cseq: 0,
            phase: Phase::Waiting(at),
            removing: false,
            bound_until: None,
            failures: 0,
            refusals: 0,
            raised: false,
            trouble: String::new(),
            binding,
        }
    }

    /// What is registered.
    #[must_use]
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// When [`Registration::request`] is to be called.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        match self.phase {
            Phase::Waiting(at) => Some(at),
            Phase::Out | Phase::Over => None,
        }
    }

    /// When what the registrar has lapses, unless it is renewed.
    #[must_use]
    pub fn lapses(&self) -> Option<Duration> {
        self.bound_until
    }

    /// How it stands at `now`.
    #[must_use]
    pub fn state(&self, now: Duration) -> State {
        match (self.phase, self.is_refused(), self.bound_until, self.failures) {
            (Phase::Over, ..) => State::Over,
            (_, true, ..) => State::Refused,
            (_, _, Some(until), _) if until > now => State::Registered,
            (_, _, None, 0) => State::Trying,
            _ => State::Failing,
        }
    }

    /// Whether it was refused for good: until a person has done something, or the registrar changed its mind.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refusals >= REFUSALS
    }

    /// Whether it is being taken back, or was.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.removing
    }

    /// What went wrong last; empty if nothing did.
    #[must_use]
    pub fn trouble(&self) -> &str {
        &self.trouble
    }

    /// The REGISTER that is due, complete but for Via and credentials.
    pub fn request(&mut self) -> Request {
        self.phase = Phase::Out;
        self.build()
    }

    /// The REGISTER that takes it back; `None` where the registrar has nothing.
    pub fn remove(&mut self) -> Option<Request> {
        let nothing = self.bound_until.is_none() && self.phase != Phase::Out;
        if nothing || self.phase == Phase::Over {
            self.phase = Phase::Over;
            return None;
        }
        self.removing = true;
        self.phase = Phase::Out;
        Some(self.build())
    }

    /// The final response came. `chance`, from 0 to 1, spreads what would otherwise happen at once everywhere.
    pub fn answered(&mut self, response: &Response, now: Now, chance: f64) {
        if let Ok(cseq) = response.headers.cseq() {
            self.cseq = self.cseq.max(cseq.number);
        }
        if self.removing {
            self.phase = Phase::Over;
            return;
        }
        let status = response.status;
        let retry_after = response.headers.find::<RetryAfter>().ok().flatten().map(|header| header.seconds);
        match (status.class(), status.code()) {
            (2, _) => self.accepted(response, now, chance),
            (_, 423) if self.raise(&response.headers) => self.phase = Phase::Waiting(now.mono),
            (_, code) if is_refusal(code) => {
                let why = format!("{code} {}", response.reason());
                self.refused(&why, now, chance);
            }
            (_, code) => {
                let why = format!("{code} {}", response.reason());
                self.failed(&why, retry_after.map(u64::from).map(Duration::from_secs), now, chance);
            }
        }
    }

    /// No final response came, or none that can be used.
    pub fn failed(&mut self, why: &str, retry_after: Option<Duration>, now: Now, chance: f64) {
        if self.removing {
            self.phase = Phase::Over;
            return;
        }
        self.cseq += CSEQ_GAP;
        why.clone_into(&mut self.trouble);
        self.failures = self.failures.saturating_add(1);
        let (first, longest) = BACK_OFF;
        let bound = first.saturating_mul(1 << (self.failures - 1).min(16)).min(longest);
        let wait = between(bound / 2, bound, chance).max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER));
        self.phase = Phase::Waiting(now.mono + wait);
    }

    /// The registrar does not want us.
    pub fn refused(&mut self, why: &str, now: Now, chance: f64) {
        let refusals = self.refusals.saturating_add(1);
        self.failed(why, None, now, chance);
        self.refusals = refusals;
        if self.is_refused() && self.phase != Phase::Over {
            self.bound_until = None;
            self.phase = Phase::Waiting(now.mono + between(REFUSED_AGAIN, REFUSED_AGAIN * 2, chance));
        }
    }

    /// The connection that the registrar reaches us by has closed: it is made again, soon.
    pub fn connection_lost(&mut self, now: Now, chance: f64) {
        if let Phase::Waiting(at) = self.phase {
            let soon = now.mono + between(LEAST_REFRESH, LEAST_REFRESH * 2, chance);
            self.phase = Phase::Waiting(at.min(soon));
        }
    }

    fn build(&mut self) -> Request {
        self.cseq += 1;
        let mut headers = Headers::with_capacity(12, 512);
        let aor = &self.binding.aor;
        headers.add(&MaxForwards(70));
        headers.add(&To(NameAddr::new(aor.clone())));
        headers.add(&From(NameAddr::new(aor.clone()).with_tag(&self.tag)));
        headers.push(Name::CALL_ID, &self.call_id);
        headers.push(Name::CSEQ, format!("{} REGISTER", self.cseq));
        headers.add(&Contact::At(NameAddr::new(self.binding.contact.clone())));
        headers.add(&Expires(if self.removing { 0 } else { self.binding.expires }));
        headers.push(Name::ALLOW, self.binding.allow);
        // RFC 3327 section 5.1: who does not say so is refused by proxies that want to stay on the way.
        headers.push(Name::SUPPORTED, "path");
        let mut request = Request::new(Method::Register, self.registrar.clone());
        request.headers = headers;
        request
    }

    fn accepted(&mut self, response: &Response, now: Now, chance: f64) {
        let granted = granted(&response.headers, &self.binding);
        self.raised = false;
        if granted == 0 {
            self.failed("the registrar took the registration and does not have it", None, now, chance);
            return;
        }
        let granted = Duration::from_secs(u64::from(granted));
        (self.failures, self.refusals) = (0, 0);
        self.trouble.clear();
        self.bound_until = Some(now.mono + granted);
        let refresh = between(granted.mul_f64(0.85), granted.mul_f64(0.9), chance).max(LEAST_REFRESH);
        self.phase = Phase::Waiting(now.mono + refresh);
    }

    /// 423 (RFC 3261 section 10.2.8): asks for longer, once a round. `false` where that leads nowhere.
    fn raise(&mut self, headers: &Headers) -> bool {
        let least = headers.find::<MinExpires>().ok().flatten().map(|header| header.0);
        match least {
            Some(least) if least > self.binding.expires && least <= MAX_EXPIRES && !self.raised => {
                self.binding.expires = least;
                self.raised = true;
                true
            }
            Some(_) | None => false,
        }
    }
}

/// The registrar of an address of record: its host and port, without the user (RFC 3261 section 10.2).
fn registrar_of(aor: &Uri) -> Option<Uri> {
    let host = aor.host()?.to_string();
    let port = aor.port().map(|port| format!(":{port}")).unwrap_or_default();
    Uri::parse(&format!("sip:{host}{port}")).ok()
}

/// Whether trying the same again is of no use.
fn is_refusal(code: u16) -> bool {
    let class = code / 100;
    (class == 4 || class == 6) && !matches!(code, 408 | 423 | 480 | 482 | 486 | 487 | 491 | 494)
}

/// For how many seconds our contact was taken. A response lists every contact of the address (RFC 3261 section 10.3
/// step 8), each with its own time; a registrar that rewrote ours (for NAT) lists it under another name.
fn granted(headers: &Headers, binding: &Binding) -> u32 {
    let listed: Vec<_> = headers.each::<Contact>().filter_map(Result::ok).take(MAX_CONTACTS).collect();
    let seconds = |contact: &NameAddr| contact.params.get("expires").and_then(|text| text.parse::<u32>().ok());
    let of_header = headers.find::<Expires>().ok().flatten().map(|header| header.0);
    let addresses = || listed.iter().filter_map(Contact::address);
    if let Some(ours) = addresses().find(|contact| contact.uri.same(&binding.contact)) {
        return seconds(ours).or(of_header).unwrap_or(binding.expires);
    }
    of_header.or_else(|| addresses().filter_map(seconds).min()).unwrap_or(binding.expires)
}

/// Contacts of one response that are looked at.
const MAX_CONTACTS: usize = 64;

fn between(least: Duration, most: Duration, chance: f64) -> Duration {
    least + most.saturating_sub(least).mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
