#![allow(clippy::unwrap_used)]

use super::*;
use crate::sip::message::Status;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn now(seconds: u64) -> Now {
    Now::at(Duration::from_secs(seconds))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn registration() -> Registration {
    let binding = Binding {
        aor: uri("sip:stox@pbx.example:5070"),
        contact: uri("sip:stox@192.0.2.1:5060"),
        expires: 600,
        allow: "MESSAGE, OPTIONS",
    };
    Registration::new(binding, Duration::ZERO, &mut Ids::new([4; 32], 0))
}

fn answer(request: &Request, status: u16, more: &[(&str, &str)]) -> Response {
    let mut response = request.response(Status::new(status).unwrap());
    for (name, value) in more {
        response.headers.push(*name, value);
    }
    response
}

/// Sends what is due and has it answered at `at`.
fn round(registration: &mut Registration, at: u64, status: u16, more: &[(&str, &str)]) {
    let request = registration.request();
    registration.answered(&answer(&request, status, more), now(at), 0.5);
}

fn cseq(request: &Request) -> u32 {
    request.headers.cseq().unwrap().number
}

#[test]
fn the_request_is_as_section_10_2_wants_it() {
    let mut registration = registration();
    assert_eq!((registration.due(), registration.state(seconds(0))), (Some(Duration::ZERO), State::Trying));
    let request = registration.request();
    let header = |name: &str| request.headers.text(name).unwrap().into_owned();
    assert_eq!((request.method.as_str(), request.uri.as_str()), ("REGISTER", "sip:pbx.example:5070"));
    assert_eq!(header("To"), "<sip:stox@pbx.example:5070>");
    assert!(header("From").starts_with("<sip:stox@pbx.example:5070>;tag="));
    assert_eq!((header("Contact").as_str(), header("Expires").as_str()), ("<sip:stox@192.0.2.1:5060>", "600"));
    assert_eq!((header("CSeq").as_str(), header("Max-Forwards").as_str()), ("1 REGISTER", "70"));
    assert_eq!(registration.due(), None, "it is out");
    assert!(
        super::super::message::check::check(&{
            let mut request = request.clone();
            request.headers.insert_first("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx");
            request
        })
        .is_ok()
    );
}

#[test]
fn it_is_renewed_before_it_lapses_with_one_call_id_and_rising_numbers() {
    let mut registration = registration();
    let first = registration.request();
    let contact = "<sip:other@198.51.100.1>;expires=60, <sip:stox@192.0.2.1:5060;transport=udp>;expires=7, \
                   <sip:stox@192.0.2.1>;expires=8, <sip:stox@192.0.2.1:5060>;q=0.5;expires=3600";
    // The sender answered a challenge meanwhile, with the next number.
    let mut last = answer(&first, 200, &[("Contact", contact), ("Expires", "60")]);
    last.headers.replace("CSeq", "2 REGISTER");
    registration.answered(&last, now(10), 0.5);
    assert_eq!(registration.state(seconds(11)), State::Registered);
    assert_eq!(registration.lapses(), Some(seconds(3610)));
    let due = registration.due().unwrap();
    assert!(due > seconds(10 + 3060) && due < seconds(10 + 3240), "{due:?}");
    let second = registration.request();
    assert_eq!(second.headers.call_id(), first.headers.call_id());
    assert_eq!(cseq(&second), 3);
    assert_eq!(registration.state(seconds(3700)), State::Failing, "it has lapsed");
}

#[test]
fn what_was_granted_is_found_where_the_registrar_put_it() {
    for (more, expected) in [
        (vec![], 600),
        (vec![("Expires", "120")], 120),
        (vec![("Contact", "<sip:stox@192.0.2.1:5060>"), ("Expires", "90")], 90),
        (vec![("Contact", "<sip:stox@198.51.100.7:41000>;expires=300, <sip:x@192.0.2.9>;expires=200")], 200),
        (
            vec![
                ("Contact", "<sip:stox@198.51.100.7>;expires=300"),
                ("Contact", "<sip:stox@192.0.2.1:5060>;expires=70"),
            ],
            70,
        ),
        (vec![("Contact", "<<<"), ("Expires", "soon")], 600),
    ] {
        let mut registration = registration();
        round(&mut registration, 0, 200, &more);
        assert_eq!(registration.lapses(), Some(seconds(expected)), "{more:?}");
    }
    let mut registration = registration();
    round(&mut registration, 0, 200, &[("Contact", "<sip:stox@192.0.2.1:5060>;expires=0")]);
    assert_eq!(registration.state(seconds(0)), State::Failing);
    round(&mut registration, 10, 200, &[("Expires", "1")]);
    assert_eq!(registration.due(), Some(seconds(10) + LEAST_REFRESH));
}

#[test]
fn an_interval_too_brief_is_raised_once_and_not_beyond_reason() {
    let mut registration = registration();
    round(&mut registration, 5, 423, &[("Min-Expires", "1800")]);
    assert_eq!((registration.due(), registration.state(seconds(5))), (Some(seconds(5)), State::Trying));
    let request = registration.request();
    assert_eq!(request.headers.text("Expires").unwrap(), "1800");
    registration.answered(&answer(&request, 423, &[("Min-Expires", "3600")]), now(5), 0.5);
    assert_eq!(registration.state(seconds(5)), State::Failing, "the registrar plays games");
    let mut registration = super::tests::registration();
    for more in [&[][..], &[("Min-Expires", "60")], &[("Min-Expires", "4000000000")]] {
        round(&mut registration, 5, 423, more);
        assert!(registration.due().unwrap() > seconds(5));
        assert_eq!(registration.binding().expires, 600);
    }
}

#[test]
fn failures_back_off_and_do_not_undo_what_was_registered() {
    let mut registration = registration();
    round(&mut registration, 0, 200, &[]);
    let mut at = 540;
    let mut waits = Vec::new();
    for _ in 0..10 {
        registration.request();
        registration.failed("no answer", None, now(at), 1.0);
        let due = registration.due().unwrap().as_secs();
        waits.push(due - at);
        at = due;
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
    assert_eq!(
        (registration.state(seconds(599)), registration.state(seconds(600))),
        (State::Registered, State::Failing)
    );
    assert_eq!(registration.trouble(), "no answer");
    round(&mut registration, at, 503, &[("Retry-After", "1000")]);
    assert_eq!(registration.due(), Some(seconds(at + 1000)));
    round(&mut registration, at, 500, &[("Retry-After", "999999")]);
    assert_eq!(registration.due(), Some(seconds(at) + MAX_RETRY_AFTER));
    round(&mut registration, at, 200, &[]);
    assert_eq!((registration.state(seconds(at)), registration.trouble()), (State::Registered, ""));
    registration.request();
    registration.failed("no answer", None, now(at), 0.0);
    assert_eq!(registration.due(), Some(seconds(at) + BACK_OFF.0 / 2), "it begins anew");
}

#[test]
fn a_second_refusal_is_one_for_good_until_it_is_taken_back() {
    let mut registration = registration();
    round(&mut registration, 0, 403, &[]);
    assert_eq!((registration.state(seconds(0)), registration.is_refused()), (State::Failing, false));
    round(&mut registration, 5, 401, &[]);
    assert_eq!((registration.state(seconds(5)), registration.is_refused()), (State::Refused, true));
    assert_eq!(registration.trouble(), "401 Unauthorized");
    assert!(registration.due().unwrap() >= seconds(5) + REFUSED_AGAIN);
    registration.request();
    registration.failed("no answer", None, now(1000), 0.5);
    assert!(registration.is_refused(), "silence does not take a refusal back");
    round(&mut registration, 2000, 200, &[]);
    assert_eq!(registration.state(seconds(2000)), State::Registered);
    for code in [408, 423, 480, 500, 503, 302] {
        assert!(!is_refusal(code), "{code}");
    }
    for code in [400, 401, 403, 404, 405, 407, 420, 603] {
        assert!(is_refusal(code), "{code}");
    }
}

#[test]
fn it_is_taken_back_where_the_registrar_has_it() {
    let mut registration = registration();
    assert_eq!(registration.remove(), None, "nothing was sent");
    assert_eq!((registration.due(), registration.state(seconds(0))), (None, State::Over));

    let mut registration = super::tests::registration();
    round(&mut registration, 0, 200, &[]);
    let removal = registration.remove().unwrap();
    assert_eq!((removal.headers.text("Expires").unwrap().as_ref(), cseq(&removal)), ("0", 2));
    assert_eq!(removal.headers.text("Contact").unwrap(), "<sip:stox@192.0.2.1:5060>", "only ours, not \"*\"");
    registration.answered(&answer(&removal, 200, &[]), now(1), 0.5);
    assert_eq!((registration.due(), registration.state(seconds(1))), (None, State::Over));
    assert_eq!(registration.remove(), None);
}

#[test]
fn a_lost_connection_brings_the_next_try_forward() {
    let mut registration = registration();
    round(&mut registration, 0, 200, &[]);
    registration.connection_lost(now(100), 0.0);
    assert_eq!(registration.due(), Some(seconds(105)));
    registration.connection_lost(now(104), 1.0);
    assert_eq!(registration.due(), Some(seconds(105)), "not later than it was");
    registration.request();
    registration.connection_lost(now(105), 0.0);
    assert_eq!(registration.due(), None, "it is out");
}
