//! What a peer can do, as far as its responses say (RFC 3261 sections 11.2, 20.1, 20.5 and 20.37; RFC 6665 section 8.2.2).
//!
//! | header | read from |
//! |---|---|
//! | Accept | 2xx to OPTIONS, 415; any other 2xx that has one |
//! | Allow | any response that has one: a 405 must |
//! | Supported | any response that has one |
//! | Unsupported | 420 |
//! | Require | 421: what the peer insists on |
//! | Allow-Events | 2xx to OPTIONS, 489; any other response that has one |
//!
//! What a response does not mention stays as it was, since most mention nothing; what it lists replaces what was known,
//! and is believed for a while, because the phone behind an address changes. Absence is only a *no* from a list that
//! was given: OPTIONS without Accept says nothing about text.

use std::time::Duration;

use super::message::{Headers, Method, Name, Response, Status};

/// Entries of one list that are kept: no peer has as many, and a hostile one must not fill memory.
const MOST: usize = 64;
/// Bytes of one entry.
const LONGEST: usize = 96;

/// What is known of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Known {
    /// The peer has shown that it takes it.
    Yes,
    /// The peer has given a list without it, or refused it.
    No,
    /// Nothing was said.
    #[default]
    Unknown,
}

/// What one peer can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    types: Option<List>,
    methods: Option<List>,
    extensions: Option<List>,
    refused: Option<List>,
    insists: Option<List>,
    events: Option<List>,
}

/// Words a peer gave, lower case where case does not count, and until when they are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List {
    words: Vec<String>,
    until: Duration,
}

impl Capabilities {
    /// Takes what `response` says; it is believed until `until`, in monotonic time.
    pub fn learn(&mut self, response: &Response, until: Duration) {
        let headers = &response.headers;
        let status = response.status;
        if status == Status::UNSUPPORTED_MEDIA_TYPE || status.is_success() {
            note(&mut self.types, headers, Name::ACCEPT, media_type, until);
        }
        note(&mut self.methods, headers, Name::ALLOW, |word| Some(word.to_owned()), until);
        note(&mut self.extensions, headers, Name::SUPPORTED, lower, until);
        note(&mut self.events, headers, Name::ALLOW_EVENTS, lower, until);
        if status == Status::BAD_EXTENSION {
            note(&mut self.refused, headers, Name::UNSUPPORTED, lower, until);
        }
        if status == Status::EXTENSION_REQUIRED {
            note(&mut self.insists, headers, Name::REQUIRE, lower, until);
        }
    }

    /// Whether bodies of a media type (`type/subtype`, lower case) are taken.
    #[must_use]
    pub fn takes(&self, media: &str, now: Duration) -> Known {
        let major = media.split('/').next().unwrap_or_default();
        let fits =
            |range: &str| range == media || range == "*/*" || range.strip_suffix("/*").is_some_and(|any| any == major);
        known(&self.types, now, fits)
    }

    /// Whether a method is served.
    #[must_use]
    pub fn allows(&self, method: &Method, now: Duration) -> Known {
        known(&self.methods, now, |word| word == method.as_str())
    }

    /// Whether an extension (an option tag, lower case) is supported. What a 420 named is not, whatever else was said.
    #[must_use]
    pub fn supports(&self, tag: &str, now: Duration) -> Known {
        match known(&self.refused, now, |word| word == tag) {
            Known::Yes => Known::No,
            Known::No | Known::Unknown => known(&self.extensions, now, |word| word == tag),
        }
    }

    /// Whether an event package (lower case) can be subscribed to.
    #[must_use]
    pub fn has_event(&self, package: &str, now: Duration) -> Known {
        known(&self.events, now, |word| word == package)
    }

    /// The extensions that a 421 asked for.
    pub fn insists_on(&self, now: Duration) -> impl Iterator<Item = &str> {
        let believed = self.insists.iter().filter(move |list| list.until > now);
        believed.flat_map(|list| list.words.iter().map(String::as_str))
    }

    /// Forgets what is no longer believed.
    pub fn forget_old(&mut self, now: Duration) {
        let lists = [
            &mut self.types,
            &mut self.methods,
            &mut self.extensions,
            &mut self.refused,
            &mut self.insists,
            &mut self.events,
        ];
        for list in lists {
            list.take_if(|list| list.until <= now);
        }
    }
}

/// What a list of media ranges, as Accept has it, says of a type, without keeping anything.
#[must_use]
pub fn accepts(headers: &Headers, media: &str) -> Known {
    let mut types = None;
    note(&mut types, headers, Name::ACCEPT, media_type, Duration::MAX);
    let capabilities = Capabilities { types, ..Capabilities::default() };
    capabilities.takes(media, Duration::ZERO)
}

fn note(
    list: &mut Option<List>,
    headers: &Headers,
    name: Name<'static>,
    read: impl Fn(&str) -> Option<String>,
    until: Duration,
) {
    if headers.get(name).is_none() {
        return;
    }
    let short = headers.tokens(name).filter(|word| word.len() <= LONGEST);
    *list = Some(List { words: short.filter_map(read).take(MOST).collect(), until });
}

fn known(list: &Option<List>, now: Duration, fits: impl Fn(&str) -> bool) -> Known {
    match list {
        Some(list) if list.until > now => {
            if list.words.iter().any(|word| fits(word)) {
                Known::Yes
            } else {
                Known::No
            }
        }
        Some(_) | None => Known::Unknown,
    }
}

fn lower(word: &str) -> Option<String> {
    Some(word.to_ascii_lowercase())
}

/// A media range without its parameters; `None` where `q=0` takes it back (RFC 3261 section 20.1, RFC 2616 section 3.9).
fn media_type(range: &str) -> Option<String> {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    let zero = |part: &str| {
        let quality = part.strip_prefix(['q', 'Q']).map(str::trim_start).and_then(|rest| rest.strip_prefix('='));
        quality.is_some_and(|value| value.trim().parse::<f32>().is_ok_and(|value| value == 0.0))
    };
    (!parts.any(zero)).then_some(media)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::message::Request;
    use crate::sip::uri::Uri;

    const LATER: Duration = Duration::from_secs(60);
    const NOW: Duration = Duration::ZERO;

    fn response(status: Status, headers: &[(Name<'static>, &str)]) -> Response {
        let request = Request::new(Method::Options, Uri::parse("sip:pbx.example").unwrap());
        let mut response = request.response(status);
        headers.iter().for_each(|(name, value)| response.headers.push(*name, value));
        response
    }

    fn learned(status: Status, headers: &[(Name<'static>, &str)]) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.learn(&response(status, headers), LATER);
        capabilities
    }

    #[test]
    fn each_header_is_read_where_it_counts() {
        use Known::{No, Unknown, Yes};
        let accept = [(Name::ACCEPT, "text/plain, Message/CPIM;wrapped=yes, image/*, text/html;q=0.0")];
        for (status, plain, cpim, png, html, pidf) in [
            (Status::OK, Yes, Yes, Yes, No, No),
            (Status::UNSUPPORTED_MEDIA_TYPE, Yes, Yes, Yes, No, No),
            (Status::NOT_FOUND, Unknown, Unknown, Unknown, Unknown, Unknown),
        ] {
            let all = learned(status, &accept);
            let types = ["text/plain", "message/cpim", "image/png", "text/html", "application/pidf+xml"];
            assert_eq!(types.map(|media| all.takes(media, NOW)), [plain, cpim, png, html, pidf], "{status:?}");
        }
        let allow = learned(Status::METHOD_NOT_ALLOWED, &[(Name::ALLOW, "INVITE, OPTIONS"), (Name::ALLOW, "BYE")]);
        assert_eq!(allow.allows(&Method::Message, NOW), No);
        assert_eq!(allow.allows(&Method::Bye, NOW), Yes);
        let options = learned(Status::OK, &[(Name::SUPPORTED, "Path, gruu"), (Name::ALLOW_EVENTS, "presence,dialog")]);
        assert_eq!(options.supports("path", NOW), Yes);
        assert_eq!(options.supports("outbound", NOW), No);
        assert_eq!(options.has_event("presence", NOW), Yes);
        assert_eq!(options.allows(&Method::Message, NOW), Unknown);
        let bad_event = learned(Status::BAD_EVENT, &[(Name::ALLOW_EVENTS, "dialog")]);
        assert_eq!(bad_event.has_event("presence", NOW), No);
    }

    #[test]
    fn what_was_refused_or_asked_for_is_kept_apart() {
        let mut peer = learned(Status::OK, &[(Name::SUPPORTED, "gruu, path")]);
        peer.learn(&response(Status::BAD_EXTENSION, &[(Name::UNSUPPORTED, "gruu")]), LATER);
        assert_eq!(peer.supports("gruu", NOW), Known::No);
        assert_eq!(peer.supports("path", NOW), Known::Yes);
        peer.learn(&response(Status::EXTENSION_REQUIRED, &[(Name::REQUIRE, "sec-agree")]), LATER);
        assert_eq!(peer.insists_on(NOW).collect::<Vec<_>>(), ["sec-agree"]);
    }

    #[test]
    fn an_empty_list_is_a_list_and_none_is_none() {
        assert_eq!(learned(Status::OK, &[(Name::SUPPORTED, "")]).supports("path", NOW), Known::No);
        assert_eq!(learned(Status::OK, &[(Name::ACCEPT, "")]).takes("text/plain", NOW), Known::No);
        assert_eq!(learned(Status::OK, &[]).takes("text/plain", NOW), Known::Unknown);
        assert_eq!(learned(Status::OK, &[(Name::ACCEPT, "*/*")]).takes("text/plain", NOW), Known::Yes);
    }

    #[test]
    fn what_is_not_mentioned_stays_and_what_is_old_goes() {
        let mut peer = learned(Status::OK, &[(Name::ACCEPT, "text/plain"), (Name::ALLOW, "MESSAGE")]);
        peer.learn(&response(Status::OK, &[(Name::ALLOW, "OPTIONS")]), LATER * 2);
        assert_eq!(peer.takes("text/plain", NOW), Known::Yes);
        assert_eq!(peer.allows(&Method::Message, NOW), Known::No);
        assert_eq!(peer.takes("text/plain", LATER), Known::Unknown);
        peer.forget_old(LATER);
        assert_eq!((peer.types.is_none(), peer.methods.is_some()), (true, true));
    }

    #[test]
    fn a_hostile_list_stays_bounded() {
        let words = (0..10_000).map(|n| format!("x/y{n}")).collect::<Vec<_>>().join(",");
        let peer = learned(Status::OK, &[(Name::ACCEPT, &words), (Name::ALLOW, &"A".repeat(10_000))]);
        assert_eq!(peer.types.unwrap().words.len(), MOST);
        assert_eq!(peer.methods.unwrap().words.len(), 0);
    }
}
