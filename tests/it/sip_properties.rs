//! What holds for any bytes: nothing panics, what is printed is read back, and pieces do not matter.

use crate::torture::{CORPORA, bytes, files};
use proptest::prelude::*;
use std::sync::OnceLock;
use stox::sip::framing::{Frame, Framing, Limits};
use stox::sip::message::header::{
    Accept, CSeq, Contact, ContentType, Date, Event, Expires, Header, MaxForwards, NameAddr, ReferTo, RetryAfter,
    Route, SubscriptionState, Via, Warning,
};
use stox::sip::message::{Headers, Message, Method, Name, Request, Status, check, wire};
use stox::sip::uri::{Uri, decode, escape_parameter, escape_user};

fn corpus() -> &'static [Vec<u8>] {
    static CORPUS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    CORPUS.get_or_init(|| files(&CORPORA).iter().map(|file| bytes(file)).collect())
}

/// A message of the corpora with some of its bytes replaced, removed, repeated, or joined to those of another.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let interesting = prop::sample::select(b"\r\n\0 \t:;,<>\"\\@%=?[]()/*0\xff".to_vec());
    let byte = prop_oneof![3 => interesting, 1 => any::<u8>()];
    let edit = (any::<prop::sample::Index>(), 0u8..5, byte);
    let edits = prop::collection::vec(edit, 0..8);
    let index = any::<prop::sample::Index>();
    (index, any::<prop::sample::Index>(), edits).prop_map(|(one, other, edits)| {
        let mut message = one.get(corpus()).clone();
        for (place, kind, byte) in edits {
            if message.is_empty() {
                break;
            }
            let at = place.index(message.len());
            match kind {
                0 => message[at] = byte,
                1 => message.insert(at, byte),
                2 => drop(message.remove(at)),
                3 => message.truncate(at),
                _ => {
                    let other = other.get(corpus());
                    message.extend_from_slice(&other[at.min(other.len())..]);
                }
            }
        }
        message
    })
}

/// Every typed reader on every value; each that reads prints what reads the same.
fn look_at_everything(headers: &Headers) {
    fn all<H: Header + PartialEq + std::fmt::Debug>(headers: &Headers) {
        for header in headers.each::<H>().filter_map(Result::ok) {
            let mut printed = Vec::new();
            header.print(&mut printed);
            assert_eq!(H::parse(&printed), Ok(header), "{}", String::from_utf8_lossy(&printed));
        }
    }
    all::<Via>(headers);
    all::<Contact>(headers);
    all::<Route>(headers);
    all::<ReferTo>(headers);
    all::<CSeq>(headers);
    all::<MaxForwards>(headers);
    all::<Expires>(headers);
    all::<Event>(headers);
    all::<SubscriptionState>(headers);
    all::<ContentType>(headers);
    all::<Accept>(headers);
    for (name, _) in headers.iter() {
        let _ = headers.text(name);
    }
    let _ = (headers.each::<Date>().count(), headers.each::<Warning>().count(), headers.each::<RetryAfter>().count());
    for via in headers.each::<Via>().filter_map(Result::ok) {
        let _ = (via.received(), via.rport());
    }
    let _ = headers.from().map(|from| (from.display().map(|name| name.len()), from.uri.user_decoded().is_ok()));
}

fn print(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.print(&mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_reader_panic_and_what_it_reads_it_prints(input in mutated()) {
        match wire::parse(&input) {
            Ok(message) => {
                look_at_everything(message.headers());
                if let Message::Request(request) = &message {
                    let _ = check::check(request).map_err(|refusal| refusal.response(request));
                    let _ = check::check_required(request, &[]);
                    let answer = Message::from(request.response(Status::OK));
                    prop_assert!(wire::parse(&print(&answer)).is_ok());
                }
                let printed = print(&message);
                let again = wire::parse(&printed);
                prop_assert!(again.is_ok(), "{:?} of {}", again, String::from_utf8_lossy(&printed));
                prop_assert_eq!(again.map(|again| print(&again)), Ok(printed));
            }
            Err(error) => {
                if let Some(answer) = error.response() {
                    let printed = print(&answer.into());
                    prop_assert!(wire::parse(&printed).is_ok(), "{}", String::from_utf8_lossy(&printed));
                }
            }
        }
    }

    #[test]
    fn a_connection_gives_the_same_frames_however_its_bytes_are_cut(
        inputs in prop::collection::vec(mutated(), 1..4),
        cuts in prop::collection::vec(1usize..200, 1..20),
    ) {
        let input = inputs.concat();
        let whole = frames(&input, &[input.len().max(1)]);
        prop_assert_eq!(frames(&input, &cuts), whole);
    }

    #[test]
    fn nothing_that_is_added_forges_a_line(name in "\\PC{0,12}|[\\x00-\\x7f]{0,6}", value in prop::collection::vec(any::<u8>(), 0..40), text in any::<String>()) {
        let mut request = Request::new(Method::Message, "sip:a@b".parse().expect("a URI"));
        request.headers.push(name.as_str(), &value);
        request.headers.replace(Name::SUBJECT, &value);
        request.headers.add(&stox::sip::message::header::To(NameAddr::new("sip:a@b".parse().expect("a URI")).with_display(&text).with_param("x", Some(&text))));
        request.headers.insert_first(Name::CALL_ID, &text);
        request.set_body(&text, value);
        let lines = request.headers.len();
        let message = Message::Request(request);
        let Ok(read) = wire::parse(&print(&message)) else { return Err(TestCaseError::fail("not read back")) };
        // Content-Length may have been the pushed name, with a value of its own.
        prop_assert_eq!(read.headers().len(), lines);
        prop_assert_eq!(read.body(), message.body());
    }

    #[test]
    fn any_user_and_resource_survive_a_uri(user in "\\PC{1,30}", resource in "\\PC{0,30}") {
        let uri = Uri::sip(Some(&escape_user(&user)), "example.com", None).expect("escaped");
        let uri = uri.with_param("gr", Some(&escape_parameter(&resource))).expect("escaped");
        prop_assert_eq!(uri.user_decoded().expect("UTF-8"), Some(user.as_str().into()));
        prop_assert_eq!(decode(uri.param("gr").unwrap_or("")).expect("UTF-8"), resource);
        prop_assert!(uri.same(&uri));
        prop_assert_eq!(Uri::parse(uri.as_str()), Ok(uri));
    }

    #[test]
    fn no_text_makes_the_uri_reader_panic(text in "(sip|tel|im|x):[a-c@:;?=&%0-9.\\[\\]é-]{0,40}") {
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(uri.as_str(), &text);
            prop_assert!(uri.same(&uri) || uri.params().count() > 1 || uri.headers().count() > 1);
            let _ = (uri.user_decoded().is_ok(), uri.without_params(), uri.param_decoded("a").is_ok());
        }
    }
}

fn frames(input: &[u8], cuts: &[usize]) -> Vec<Result<Frame, String>> {
    let mut framing = Framing::new(Limits { head: 4096, body: 4096 });
    let mut frames = Vec::new();
    let mut rest = input;
    for size in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, next) = rest.split_at((*size).min(rest.len()));
        rest = next;
        framing.push(piece);
        while let Some(frame) = framing.next() {
            frames.push(frame.map_err(|error| error.to_string()));
        }
    }
    frames
}
