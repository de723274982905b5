//! What a SUBSCRIBE asks for (RFC 6665 section 4.2.1), as far as its own text says: which package, for how long, in which
//! form. Each refusal is one from which the subscriber learns what to do.
//!
//! | what comes | answer |
//! |---|---|
//! | not exactly one well-formed Event (section 8.2.1), an Expires that is no number | 400 |
//! | a package that is not served (section 4.2.1.1) | 489 with Allow-Events |
//! | less time than `SHORTEST_WATCH` | 423 with Min-Expires |
//! | Accept without our document type (RFC 3856 section 6.5) | 406 with Accept |
//! | a body: filters and lists are not served | 415 |

use super::limits::{LONGEST_WATCH, SHORTEST_WATCH};
use super::record::Package;
use crate::model::{dialog_info, pidf};
use crate::sip::event::notifier::{Terms, TooBrief};
use crate::sip::message::header::{Accept, Event, Expires};
use crate::sip::message::{Name, Request, Response, Status};

/// For how long somebody may watch. An hour is the default of both packages (RFC 3856 section 6.4, RFC 4235 section 3.4).
const TERMS: Terms = Terms { usual: 3600, shortest: SHORTEST_WATCH, longest: LONGEST_WATCH };

/// The Event of a SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub(super) package: String,
    pub(super) id: Option<String>,
}

/// The type of the documents that we write for a package.
pub(super) fn media_type(package: Package) -> &'static str {
    match package {
        Package::Presence => pidf::MEDIA_TYPE,
        Package::Dialog => dialog_info::MEDIA_TYPE,
        Package::Reg => "application/reginfo+xml",
        Package::MessageSummary => "application/simple-message-summary",
        Package::PresenceWinfo => "application/watcherinfo+xml",
    }
}

/// What a SUBSCRIBE is about.
///
/// # Errors
/// The refusal.
pub(super) fn about(request: &Request) -> Result<About, Box<Response>> {
    let bad = |reason| Err(Box::new(request.response(Status::BAD_REQUEST).with_reason(reason)));
    match request.headers.find::<Event>() {
        Ok(Some(event)) if request.headers.count(Name::EVENT) == 1 => {
            let id = event.params.get("id").map(str::to_owned);
            Ok(About { package: event.package, id })
        }
        Ok(Some(_)) => bad("More Than One Event"),
        Ok(None) | Err(_) => bad("Malformed or Missing Event"),
    }
}

/// Which of `served` is asked for.
///
/// # Errors
/// The refusal.
pub(super) fn package(request: &Request, about: &About, served: &[Package]) -> Result<Package, Box<Response>> {
    served.iter().copied().find(|package| package.name() == about.package).ok_or_else(|| {
        let mut response = request.response(Status::BAD_EVENT);
        allow(&mut response, served);
        Box::new(response)
    })
}

/// For how many seconds it holds; 0 asks for an end, or for the state of the moment.
///
/// # Errors
/// The refusal.
pub(super) fn seconds(request: &Request) -> Result<u32, Box<Response>> {
    let asked = match request.headers.find::<Expires>() {
        Ok(asked) => asked.map(|Expires(seconds)| seconds),
        Err(_) => return Err(Box::new(request.response(Status::BAD_REQUEST).with_reason("Malformed Expires"))),
    };
    TERMS.grant(asked).map_err(|TooBrief| {
        let mut response = request.response(Status::INTERVAL_TOO_BRIEF);
        response.headers.push(Name::MIN_EXPIRES, TERMS.shortest.to_string());
        Box::new(response)
    })
}

/// Whether the subscriber takes what we write for `package`: without Accept the package's default, which is that
/// (RFC 3856 section 6.5, RFC 4235 section 3.5). Many phones list types of other packages besides.
///
/// # Errors
/// The refusal.
pub(super) fn form(request: &Request, package: Package) -> Result<(), Box<Response>> {
    let ours = media_type(package);
    if !request.body().is_empty() {
        return Err(Box::new(request.response(Status::UNSUPPORTED_MEDIA_TYPE)));
    }
    let takes = |accept: Accept| matches!(accept.media(), "*/*" | "application/*") || accept.media() == ours;
    let mut accepted = request.headers.each::<Accept>().peekable();
    if accepted.peek().is_none() || accepted.any(|accept| accept.is_ok_and(takes)) {
        return Ok(());
    }
    let mut response = request.response(Status::NOT_ACCEPTABLE);
    response.headers.push(Name::ACCEPT, ours);
    Err(Box::new(response))
}

/// Says which packages there are. While there are none, no Allow-Events is sent either: its grammar wants at least one name
/// (section 8.4), and strict peers drop a whole response for an empty header.
pub(super) fn allow(response: &mut Response, served: &[Package]) {
    if !served.is_empty() {
        let names: Vec<&str> = served.iter().map(|package| package.name()).collect();
        response.headers.push(Name::ALLOW_EVENTS, names.join(", "));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::message::{Message, wire};

    fn request(headers: &str) -> Request {
        let text = format!(
            "SUBSCRIBE sip:juliet@xmpp.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:romeo@sip.example>;tag=1\r\nTo: <sip:juliet@xmpp.example>\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\n\
             Contact: <sip:romeo@192.0.2.1>\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        let Message::Request(request) = wire::parse(text.as_bytes()).unwrap() else { panic!("a request") };
        request
    }

    fn answered<T>(result: Result<T, Box<Response>>) -> Option<(u16, String)> {
        result.err().map(|response| (response.status.code(), response.reason().into_owned()))
    }

    #[test]
    fn a_package_that_is_not_served_is_a_bad_event() {
        for (events, served, allowed) in [
            ("Event: presence\r\n", &[][..], None),
            ("o: foo;id=7\r\n", &[Package::Presence, Package::Dialog], Some("presence, dialog")),
            ("Event: presence.winfo\r\n", &[Package::Presence], Some("presence")),
        ] {
            let request = request(events);
            let response = package(&request, &about(&request).unwrap(), served).unwrap_err();
            assert_eq!(response.status.code(), 489, "{events}");
            assert_eq!(response.headers.text(Name::ALLOW_EVENTS).as_deref(), allowed, "{events}");
        }
    }

    #[test]
    fn a_subscribe_has_exactly_one_event() {
        for events in ["", "Event: \r\n", "Event: a b\r\n"] {
            let answer = answered(about(&request(events)));
            assert_eq!(answer, Some((400, "Malformed or Missing Event".to_owned())), "{events}");
        }
        let two = "Event: presence\r\no: presence\r\n";
        assert_eq!(answered(about(&request(two))), Some((400, "More Than One Event".to_owned())));
        let one = about(&request("o: presence;id=7\r\n")).unwrap();
        assert_eq!(one, About { package: "presence".to_owned(), id: Some("7".to_owned()) });
    }

    #[test]
    fn a_subscription_that_is_too_brief_is_told_how_long_it_must_be() {
        let refusal = seconds(&request("Expires: 5\r\n")).unwrap_err();
        assert_eq!(refusal.status.code(), 423);
        assert_eq!(refusal.headers.text(Name::MIN_EXPIRES).as_deref(), Some("30"));
        assert_eq!(answered(seconds(&request("Expires: soon\r\n"))).map(|(status, _)| status), Some(400));
        let granted = ["", "Expires: 0\r\n", "Expires: 600\r\n", "Expires: 99999999999\r\n"];
        assert_eq!(granted.map(|expires| seconds(&request(expires)).unwrap()), [3600, 0, 600, LONGEST_WATCH]);
    }

    #[test]
    fn who_does_not_take_our_documents_is_told_so() {
        for takes in [
            "",
            "Accept: application/pidf+xml\r\n",
            "Accept: application/xpidf+xml, application/pidf+xml;q=0.5\r\n",
            "Accept: text/plain\r\nAccept: */*\r\n",
        ] {
            assert!(form(&request(takes), Package::Presence).is_ok(), "{takes}");
        }
        let refusal = form(&request("Accept: application/xpidf+xml\r\n"), Package::Presence).unwrap_err();
        assert_eq!(refusal.status.code(), 406);
        assert_eq!(refusal.headers.text(Name::ACCEPT).as_deref(), Some("application/pidf+xml"));
        assert!(form(&request("Accept: application/pidf+xml\r\n"), Package::Dialog).is_err());
        let mut filtered = request("");
        filtered.set_body("application/simple-filter+xml", b"<filter-set/>".to_vec());
        assert_eq!(answered(form(&filtered, Package::Presence)).map(|(status, _)| status), Some(415));
    }
}
