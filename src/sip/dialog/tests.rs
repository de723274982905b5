#![allow(clippy::unwrap_used)]

use super::*;
use crate::sip::locate::Transport;
use crate::sip::message::Message;

fn request(method: &str, cseq: u32, more: &str) -> Request {
    let text = format!(
        "{method} sip:juliet@xmpp.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: \"Romeo\" <sip:romeo@sip.example>;tag=rr;x=1\r\nTo: <sip:juliet@xmpp.example>\r\nCall-ID: c@h\r\n\
         CSeq: {cseq} {method}\r\n{more}Content-Length: 0\r\n\r\n"
    );
    let Message::Request(request) = wire::parse(text.as_bytes()).unwrap() else { panic!("a request") };
    request
}

fn subscribe(more: &str) -> Request {
    request("SUBSCRIBE", 7, &format!("Contact: <sip:romeo@192.0.2.1:5070>\r\n{more}"))
}

fn response(more: &str) -> Response {
    let text = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:juliet@xmpp.example>;tag=jj\r\n\
         To: <sip:romeo@sip.example>;tag=rr\r\nCall-ID: c@h\r\nCSeq: 4 SUBSCRIBE\r\n{more}Content-Length: 0\r\n\r\n"
    );
    let Message::Response(response) = wire::parse(text.as_bytes()).unwrap() else { panic!("a response") };
    response
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn ours() -> Uri {
    uri("sip:juliet@192.0.2.9:5060")
}

fn lines(request: &Request) -> String {
    let mut out = Vec::new();
    request.print(&mut out);
    String::from_utf8(out).unwrap()
}

fn routes(dialog: &Dialog) -> Vec<&str> {
    dialog.route_set().collect()
}

const TWO_ROUTES: &str = "Record-Route: <sip:p2.example;lr>\r\nRecord-Route: \"x\" <sip:p1.example;lr;a=b>;c=d\r\n";

#[test]
fn who_is_asked_keeps_the_routes_as_they_came() {
    let mut dialog = Dialog::of_request(&subscribe(TWO_ROUTES), "jj").unwrap();
    assert_eq!(routes(&dialog), ["sip:p2.example;lr", "sip:p1.example;lr;a=b"]);
    assert_eq!((dialog.local_cseq(), dialog.remote_cseq()), (0, Some(7)));
    assert_eq!(dialog.next_hop(), Some(Hop::from(uri("sip:p2.example;lr"))));
    let notify = dialog.request(Method::Notify, &ours());
    assert_eq!(
        lines(&notify),
        "NOTIFY sip:romeo@192.0.2.1:5070 SIP/2.0\r\nMax-Forwards: 70\r\n\
         Route: <sip:p2.example;lr>, <sip:p1.example;lr;a=b>\r\nTo: <sip:romeo@sip.example>;tag=rr\r\n\
         From: <sip:juliet@xmpp.example>;tag=jj\r\nCall-ID: c@h\r\nCSeq: 1 NOTIFY\r\n\
         Contact: <sip:juliet@192.0.2.9:5060>\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn who_asks_keeps_the_routes_of_the_response_backwards_and_those_of_the_notify_as_they_came() {
    let mut ours = Headers::default();
    ours.push(Name::FROM, "<sip:juliet@xmpp.example>;tag=jj");
    ours.push(Name::CALL_ID, "c@h");
    ours.push(Name::CSEQ, "3 SUBSCRIBE");
    let mut sent = Request::new(Method::Subscribe, uri("sip:romeo@sip.example"));
    sent.headers = ours;
    let two = format!("Contact: <sip:romeo@192.0.2.1>\r\n{TWO_ROUTES}");
    let dialog = Dialog::of_response(&sent, &response(&two)).unwrap();
    assert_eq!(routes(&dialog), ["sip:p1.example;lr;a=b", "sip:p2.example;lr"]);
    assert_eq!((dialog.local_cseq(), dialog.remote_cseq()), (4, None), "the try with credentials counts");
    assert_eq!(dialog.remote_target(), "sip:romeo@192.0.2.1");
    assert_eq!(Dialog::of_response(&sent, &response("")).unwrap().remote_target(), "sip:romeo@sip.example");

    let mut notify = request("NOTIFY", 1, &two);
    assert_eq!(Dialog::of_notify(&notify), Err(BadHeader(Name::TO)), "without our tag it is nobody's");
    notify.headers.replace(Name::TO, "<sip:juliet@xmpp.example>;tag=jj");
    let mut of_notify = Dialog::of_notify(&notify).unwrap();
    of_notify.raise_cseq(4);
    assert_eq!(routes(&of_notify), ["sip:p2.example;lr", "sip:p1.example;lr;a=b"]);
    assert_eq!(of_notify.key(), dialog.key());
    assert_eq!(DialogKey::of(&notify), Some(dialog.key()));
    assert!(lines(&of_notify.request(Method::Subscribe, &uri("sip:h"))).contains("CSeq: 5 SUBSCRIBE\r\n"));
}

#[test]
fn a_strict_router_gets_the_request_line_and_the_target_comes_last() {
    let more = "Record-Route: <sip:proxy1;method=X;a>,<sip:proxy2>,<sip:proxy3;lr>,<sip:proxy4>\r\n";
    let mut dialog = Dialog::of_request(&subscribe(more), "jj").unwrap();
    let notify = lines(&dialog.request(Method::Notify, &ours()));
    assert!(notify.starts_with("NOTIFY sip:proxy1;a SIP/2.0\r\n"), "{notify}");
    let route = "Route: <sip:proxy2>, <sip:proxy3;lr>, <sip:proxy4>, <sip:romeo@192.0.2.1:5070>\r\n";
    assert!(notify.contains(route), "{notify}");
    assert_eq!(dialog.next_hop().unwrap().uri.as_str(), "sip:proxy1;method=X;a");
}

#[test]
fn without_routes_requests_go_to_the_target() {
    let mut dialog = Dialog::of_request(&subscribe(""), "jj").unwrap();
    assert_eq!(dialog.next_hop().unwrap().uri.as_str(), "sip:romeo@192.0.2.1:5070");
    assert!(!lines(&dialog.request(Method::Notify, &ours())).contains("Route"));
}

#[test]
fn requests_of_the_peer_come_in_order_and_may_leave_gaps() {
    let mut dialog = Dialog::of_request(&subscribe(""), "jj").unwrap();
    let cseq = |number| request("SUBSCRIBE", number, "");
    assert_eq!(dialog.take(&cseq(6)), Err(OutOfOrder));
    assert_eq!(dialog.take(&cseq(7)), Ok(()), "the same again, by another way");
    assert_eq!(dialog.take(&cseq(2_147_483_647)), Ok(()));
    assert_eq!(dialog.take(&cseq(8)), Err(OutOfOrder));
    assert_eq!(dialog.remote_cseq(), Some(2_147_483_647));
}

#[test]
fn the_target_moves_with_subscribe_and_notify_and_nothing_else() {
    let mut dialog = Dialog::of_request(&subscribe(TWO_ROUTES), "jj").unwrap();
    let at = |host: &str| format!("Contact: <sip:romeo@{host}>\r\n");
    dialog.take(&request("OPTIONS", 8, &at("192.0.2.2"))).unwrap();
    assert_eq!(dialog.remote_target(), "sip:romeo@192.0.2.1:5070");
    dialog.take(&request("SUBSCRIBE", 9, &(at("192.0.2.3") + "Record-Route: <sip:other;lr>\r\n"))).unwrap();
    assert_eq!(dialog.remote_target(), "sip:romeo@192.0.2.3");
    assert_eq!(routes(&dialog).len(), 2, "the route set stays as it was");
    assert_eq!((dialog.call_id(), dialog.local_uri()), ("c@h", "sip:juliet@xmpp.example"));
    assert_eq!(dialog.take(&request("SUBSCRIBE", 4, &at("192.0.2.4"))), Err(OutOfOrder));
    dialog.take(&request("SUBSCRIBE", 10, "Contact: *\r\n")).unwrap();
    dialog.take(&request("SUBSCRIBE", 11, "Contact: <tel:+123>\r\n")).unwrap();
    assert_eq!(dialog.remote_target(), "sip:romeo@192.0.2.3");
    dialog.answered(&response(&at("192.0.2.5")));
    assert_eq!((dialog.remote_target(), dialog.local_cseq()), ("sip:romeo@192.0.2.5", 4));
}

#[test]
fn our_numbers_only_grow_and_end_below_two_to_the_31() {
    let mut dialog = Dialog::of_request(&subscribe(""), "jj").unwrap();
    dialog.raise_cseq(64);
    dialog.raise_cseq(3);
    assert!(lines(&dialog.request(Method::Notify, &ours())).contains("CSeq: 65 NOTIFY"));
    dialog.unanswered();
    assert!(lines(&dialog.request(Method::Notify, &ours())).contains("CSeq: 74 NOTIFY"));
    dialog.raise_cseq(u32::MAX);
    assert!(lines(&dialog.request(Method::Notify, &ours())).contains("CSeq: 2147483647 NOTIFY"));
}

#[test]
fn what_is_missing_or_malformed_begins_nothing() {
    for (more, name) in [
        ("", Name::CONTACT),
        ("Contact: *\r\n", Name::CONTACT),
        ("Contact: <tel:+123>\r\n", Name::CONTACT),
        ("Contact: <sip:a@b>\r\nRecord-Route: <sip:\r\n", Name::RECORD_ROUTE),
    ] {
        assert_eq!(Dialog::of_request(&request("SUBSCRIBE", 1, more), "t"), Err(BadHeader(name)), "{more}");
    }
    let many = "Record-Route: <sip:p;lr>\r\n".repeat(MAX_ROUTES + 1);
    assert!(Dialog::of_request(&subscribe(&many), "t").is_err());
    let long = format!("Record-Route: <sip:p;lr;x={}>\r\n", "y".repeat(6_000)).repeat(3);
    assert!(Dialog::of_request(&subscribe(&long), "t").is_err());
}

#[test]
fn a_secure_dialog_has_a_secure_contact() {
    let mut secure = subscribe("");
    secure.uri = uri("sips:juliet@xmpp.example");
    let mut dialog = Dialog::of_request(&secure, "jj").unwrap();
    assert!(dialog.is_secure());
    assert!(lines(&dialog.request(Method::Notify, &ours())).contains("Contact: <sips:juliet@192.0.2.9:5060>\r\n"));
}

#[test]
fn the_answer_repeats_the_routes_and_has_our_tag_and_contact() {
    let asked = subscribe(TWO_ROUTES);
    let dialog = Dialog::of_request(&asked, "jj").unwrap();
    let answer = dialog.response(&asked, Status::OK, &ours());
    let routes: Vec<_> = answer.headers.all(Name::RECORD_ROUTE).collect();
    assert_eq!(routes, [&b"<sip:p2.example;lr>"[..], b"\"x\" <sip:p1.example;lr;a=b>;c=d"]);
    assert_eq!(answer.headers.get(Name::TO).unwrap(), b"<sip:juliet@xmpp.example>;tag=jj");
    assert_eq!(answer.headers.get(Name::CONTACT).unwrap(), b"<sip:juliet@192.0.2.9:5060>");
}

#[test]
fn what_is_kept_comes_back_and_what_is_not_right_does_not() {
    let mut dialog = Dialog::of_request(&subscribe(TWO_ROUTES), "jj").unwrap();
    dialog.raise_cseq(5);
    let kept = Dialog::restore(dialog.parts(), dialog.route_set(), 5, Some(7)).unwrap();
    assert_eq!(kept, dialog);
    let bad = Parts { remote_target: "nonsense", ..dialog.parts() };
    assert_eq!(Dialog::restore(bad, [], 5, None), Err(BadHeader(Name::CONTACT)));
    assert_eq!(Dialog::restore(dialog.parts(), ["no uri"], 5, None), Err(BadHeader(Name::ROUTE)));
}

#[test]
fn a_dialog_goes_back_by_the_connection_on_which_its_peer_came() {
    let mut dialog = Dialog::of_request(&subscribe(""), "jj").unwrap();
    let flow = |transport, id| Flow {
        transport,
        local: "192.0.2.9:5060".parse().unwrap(),
        remote: "192.0.2.1:40000".parse().unwrap(),
        id,
    };
    dialog.came_by(&flow(Transport::Tcp, 4));
    assert_eq!(dialog.next_hop().unwrap().flow, Some(4));
    dialog.came_by(&flow(Transport::Udp, 0));
    assert_eq!(dialog.next_hop().unwrap().flow, None);
}

#[test]
fn a_usual_dialog_takes_less_than_400_bytes() {
    let dialog = Dialog::of_request(&subscribe(TWO_ROUTES), "abcdefghijklmnopqrstuvwxyz").unwrap();
    assert!(size_of::<Dialog>() <= 56, "{}", size_of::<Dialog>());
    assert!(dialog.size() < 400, "{}", dialog.size());
}
