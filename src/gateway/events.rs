//! Event notification (RFC 6665) as far as it concerns somebody who notifies nobody yet: every SUBSCRIBE is answered at
//! once, and in a way from which the subscriber learns what to do.
//!
//! | what comes | answer |
//! |---|---|
//! | SUBSCRIBE without exactly one well-formed Event (section 8.2.1) | 400 |
//! | SUBSCRIBE with a To tag: it refreshes what we do not know (section 4.2.1, RFC 3261 section 12.2.2) | 481 |
//! | SUBSCRIBE to a package that is not in [`PACKAGES`] (section 4.2.1.1) | 489 |
//! | NOTIFY: nothing here subscribes (section 4.1.3) | 481 |

use crate::sip::message::header::Event;
use crate::sip::message::{Name, Request, Response, Status};

/// The event packages that are served. While there are none, no Allow-Events is sent either: its grammar wants at least
/// one name (section 8.4), and strict peers drop a whole response for an empty header.
pub(super) const PACKAGES: &[&str] = &[];

/// The answer to a SUBSCRIBE.
pub(super) fn answer(request: &Request) -> Response {
    match request.headers.find::<Event>() {
        Ok(Some(_)) if request.headers.count(Name::EVENT) == 1 => {}
        Ok(Some(_)) => return request.response(Status::BAD_REQUEST).with_reason("More Than One Event"),
        Ok(None) | Err(_) => return request.response(Status::BAD_REQUEST).with_reason("Malformed or Missing Event"),
    }
    if request.headers.to().is_ok_and(|to| to.tag().is_some()) {
        return request.response(Status::NO_SUCH_DIALOG);
    }
    let mut response = request.response(Status::BAD_EVENT);
    allow(&mut response);
    response
}

/// Says which packages there are.
pub(super) fn allow(response: &mut Response) {
    if !PACKAGES.is_empty() {
        response.headers.push(Name::ALLOW_EVENTS, PACKAGES.join(", "));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::message::{Message, wire};

    fn answered(to: &str, events: &str) -> (u16, String) {
        let text = format!(
            "SUBSCRIBE sip:juliet@xmpp.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:romeo@sip.example>;tag=1\r\nTo: <sip:juliet@xmpp.example>{to}\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\n\
             Contact: <sip:romeo@192.0.2.1>\r\n{events}Content-Length: 0\r\n\r\n"
        );
        let Message::Request(request) = wire::parse(text.as_bytes()).unwrap() else { panic!("a request") };
        let response = answer(&request);
        assert!(!response.headers.has(Name::ALLOW_EVENTS), "an empty list is no list");
        (response.status.code(), response.reason().into_owned())
    }

    #[test]
    fn a_package_that_is_not_served_is_a_bad_event() {
        for events in ["Event: presence\r\n", "o: foo;id=7\r\n", "Event: presence.winfo\r\n"] {
            assert_eq!(answered("", events), (489, "Bad Event".to_owned()), "{events}");
        }
    }

    #[test]
    fn a_subscribe_has_exactly_one_event() {
        for events in ["", "Event: \r\n", "Event: a b\r\n"] {
            assert_eq!(answered("", events), (400, "Malformed or Missing Event".to_owned()), "{events}");
        }
        let two = "Event: presence\r\no: presence\r\n";
        assert_eq!(answered("", two), (400, "More Than One Event".to_owned()));
    }

    #[test]
    fn a_refresh_of_what_we_do_not_know_has_no_dialog() {
        assert_eq!(answered(";tag=2", "Event: presence\r\n").0, 481);
    }
}
