#![allow(clippy::unwrap_used)]
use super::*;
use crate::sip::message::{Message, wire};

fn own() -> Vec<(Transport, SentBy)> {
    let sent_by = |port| SentBy { host: "gw.example.com".to_owned(), port };
    vec![(Transport::Udp, sent_by(None)), (Transport::Tcp, sent_by(Some(5080)))]
}

fn request(uri: &str, headers: &str) -> Request {
    let text = format!(
        "INVITE {uri} SIP/2.0\n{headers}From: <sip:a@a.example>;tag=1\nTo: <sip:b@b.example>\nCall-ID: c\n\
         CSeq: 7 INVITE\nContent-Length: 0\n\n"
    );
    match wire::parse(text.replace('\n', "\r\n").as_bytes()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

fn judged(uri: &str, headers: &str) -> u16 {
    let request = request(uri, headers);
    check(&request, Names(&own()), mark(&request)).err().map_or(200, |refusal| refusal.status.code())
}

fn routes(request: &Request) -> Vec<String> {
    values(&request.headers, Name::ROUTE).into_iter().map(|value| String::from_utf8(value).unwrap()).collect()
}

#[test]
fn what_may_not_go_on_is_refused_as_16_3_says() {
    const URI: &str = "sip:b@b.example";
    for (uri, headers, status) in [
        (URI, "", 200),
        (URI, "Max-Forwards: 1\n", 200),
        (URI, "Max-Forwards: 0\n", 483),
        ("sips:b@b.example", "", 416),
        ("tel:+1", "", 416),
        (URI, "Proxy-Require: sec-agree\n", 420),
        (URI, "Max-Breadth: 1\n", 200),
        (URI, "Max-Breadth: 0\n", 440),
        (URI, "Max-Breadth: many\n", 400),
        (URI, "Max-Breadth: 1\nMax-Breadth: 2\n", 400),
    ] {
        assert_eq!(judged(uri, headers), status, "{uri} {headers}");
    }
    let refused = request(URI, "Proxy-Require: a, b\n");
    let refusal = check(&refused, Names(&own()), 0).unwrap_err();
    assert_eq!(refusal.headers, [(Name::UNSUPPORTED, "a, b".to_owned())]);
}

#[test]
fn a_request_that_comes_back_unchanged_is_a_loop_and_one_with_another_target_a_spiral() {
    let first = request("sip:b@b.example", "Via: SIP/2.0/UDP a.example;branch=z9hG4bKx\n");
    let branch = format!("z9hG4bKabc.{}", mark_text(mark(&first)));
    for (uri, via, status) in [
        ("sip:b@b.example", format!("SIP/2.0/UDP gw.example.com;branch={branch}"), 482),
        ("sip:b@b.example", format!("SIP/2.0/TCP GW.example.com:5080;branch={branch}"), 482),
        ("sip:c@b.example", format!("SIP/2.0/UDP gw.example.com;branch={branch}"), 200),
        ("sip:b@b.example", format!("SIP/2.0/UDP other.example.com;branch={branch}"), 200),
        ("sip:b@b.example", "SIP/2.0/UDP gw.example.com;branch=z9hG4bKabc".to_owned(), 200),
    ] {
        let headers = format!("Via: SIP/2.0/UDP b.example;branch=z9hG4bKy\nVia: {via}\nMax-Forwards: 20\n");
        assert_eq!(judged(uri, &headers), status, "{uri} {via}");
    }
}

#[test]
fn routes_that_led_here_are_taken_off() {
    let mut plain = request(
        "sip:b@192.0.2.7",
        "Route: <sip:gw.example.com;lr>, <sip:gw.example.com:5080;transport=tcp;lr>\nRoute: <sip:next.example;lr>\n",
    );
    assert!(preprocess(&mut plain, Names(&own())));
    assert_eq!(routes(&plain), ["<sip:next.example;lr>"]);
    assert_eq!(aim(&mut plain).unwrap().as_str(), "sip:next.example;lr");
    assert_eq!(plain.uri.as_str(), "sip:b@192.0.2.7");
    let mut other = request("sip:b@192.0.2.7", "Route: <sip:next.example;lr>\n");
    assert!(!preprocess(&mut other, Names(&own())));
}

#[test]
fn strict_routers_before_and_behind_us_are_borne_with() {
    let mut before = request("sip:gw.example.com;lr", "Route: <sip:next.example;lr>, <sip:b@192.0.2.7>\n");
    assert!(preprocess(&mut before, Names(&own())));
    assert_eq!((before.uri.as_str(), routes(&before)), ("sip:b@192.0.2.7", vec!["<sip:next.example;lr>".to_owned()]));
    let mut behind = request("sip:b@192.0.2.7", "Route: <sip:old.example>, <sip:next.example;lr>\n");
    assert_eq!(aim(&mut behind).unwrap().as_str(), "sip:old.example");
    assert_eq!(behind.uri.as_str(), "sip:old.example");
    assert_eq!(routes(&behind), ["<sip:next.example;lr>", "<sip:b@192.0.2.7>"]);
}

#[test]
fn what_goes_on_has_a_hop_less_a_breadth_and_our_routes() {
    let names = own();
    let names = Names(&names);
    let mut request = request("sip:b@b.example", "Max-Forwards: 9\nMax-Breadth: 1000\nRecord-Route: <sip:p;lr>\n");
    pass_on(&mut request, [Transport::Tcp, Transport::Udp].into_iter().filter_map(|way| names.record_route(way)));
    let value = |name| String::from_utf8_lossy(request.headers.get(name).unwrap()).into_owned();
    assert_eq!((value(Name::MAX_FORWARDS), value(Name::MAX_BREADTH)), ("8".to_owned(), "60".to_owned()));
    let records: Vec<_> = request.headers.all(Name::RECORD_ROUTE).map(String::from_utf8_lossy).collect();
    assert_eq!(records, ["<sip:gw.example.com;lr>", "<sip:gw.example.com:5080;transport=tcp;lr>", "<sip:p;lr>"]);
    let mut bare = self::request("sip:b@b.example", "Max-Breadth: 7\n");
    pass_on(&mut bare, []);
    assert_eq!(bare.headers.get(Name::MAX_FORWARDS), Some(&b"70"[..]));
    assert_eq!(bare.headers.get(Name::MAX_BREADTH), Some(&b"7"[..]));
    assert!(begins_dialog(&bare) && names.record_route(Transport::Tls).is_none());
}

#[test]
fn a_response_goes_back_without_our_via_only_if_there_is_another() {
    let relayed = request("sip:b@b.example", "Via: SIP/2.0/UDP us;branch=z9hG4bK1, SIP/2.0/UDP them;branch=z9hG4bK2\n");
    let back = upstream(relayed.response(Status::RINGING)).unwrap();
    assert_eq!(back.headers.get(Name::VIA), Some(&b"SIP/2.0/UDP them;branch=z9hG4bK2"[..]));
    assert!(upstream(back).is_none());
}

#[test]
fn of_several_responses_the_best_goes_back() {
    let best = |statuses: &[u16]| {
        let mut gathered = Gathered::default();
        for status in statuses {
            gathered.add(Response::new(Status::new(*status).unwrap()));
        }
        gathered.best().map(|best| best.status.code())
    };
    for (statuses, expected) in [
        (&[486, 404][..], Some(486)),
        (&[404, 407, 415], Some(407)),
        (&[404, 415], Some(415)),
        (&[500, 404, 302], Some(302)),
        (&[404, 603, 302], Some(603)),
        (&[603, 200], Some(200)),
        (&[503, 504], Some(504)),
        (&[503], Some(500)),
        (&[], None),
    ] {
        assert_eq!(best(statuses), expected, "{statuses:?}");
    }
}

#[test]
fn the_challenges_of_all_branches_go_back() {
    let mut gathered = Gathered::default();
    for (status, name, value) in [
        (Status::UNAUTHORIZED, Name::WWW_AUTHENTICATE, "Digest realm=\"one\""),
        (Status::NOT_FOUND, Name::WARNING, "399 x y"),
        (Status::PROXY_AUTHENTICATION_REQUIRED, Name::PROXY_AUTHENTICATE, "Digest realm=\"two\""),
    ] {
        let mut response = Response::new(status);
        response.headers.push(name, value);
        gathered.add(response);
    }
    let best = gathered.best().unwrap();
    assert_eq!(best.status, Status::UNAUTHORIZED);
    assert_eq!(best.headers.get(Name::WWW_AUTHENTICATE), Some(&b"Digest realm=\"one\""[..]));
    assert_eq!(best.headers.get(Name::PROXY_AUTHENTICATE), Some(&b"Digest realm=\"two\""[..]));
}
