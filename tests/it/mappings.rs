//! What holds for every input: nothing panics, nothing grows without bound, and what was mapped comes back.

use proptest::prelude::*;
use stox::mapping::{DomainMapping, Home, Mapping, Outgoing, UserRule};
use stox::model::{Address, Content, InstantMessage, charset, cpim, html, iscomposing, mime};
use stox::sip::message::{Message as SipMessage, Name, wire};
use stox::sip::uri::Uri;
use stox::time::Timestamp;
use stox::xmpp::Jid;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const OUTGOING: Outgoing<'static> = Outgoing { from_tag: "t", call_id: "c", cseq: 1, language: None };

fn mapping() -> Mapping {
    let mut pbx = DomainMapping::new(Home::Sip, "sip.example", "192.0.2.1", Some(5070));
    pbx.rules = vec![
        UserRule::Table(vec![("1001".into(), "juliet".into())]),
        UserRule::Prefix { sip: "9".into(), xmpp: "ext-".into() },
    ];
    let xmpp = DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None);
    let any = DomainMapping::new(Home::Xmpp, "*", "gw.example", None);
    Mapping::new(vec![pbx, xmpp, any]).expect("these do not conflict")
}

/// A MESSAGE from the PBX with `headers` and `body`.
fn request(headers: &str, body: &[u8]) -> Option<stox::sip::message::Request> {
    let head = "MESSAGE sip:juliet@xmpp.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\
                To: <sip:juliet@xmpp.example>\r\nFrom: <sip:romeo@192.0.2.1>;tag=a\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n";
    let mut text = format!("{head}{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    text.extend_from_slice(body);
    match wire::parse(&text) {
        Ok(SipMessage::Request(request)) => Some(request),
        _ => None,
    }
}

proptest! {
    #[test]
    fn a_jid_that_has_a_uri_comes_back_from_it(
        local in "[a-zA-Z0-9 -~äöüßéλшא中]{1,12}",
        domain in prop::sample::select(vec!["xmpp.example", "sip.example", "remote.example", "bücher.example"]),
        resource in prop::option::of("[ -~äλ中]{1,12}"),
    ) {
        let mapping = mapping();
        let Ok(jid) = Jid::new(Some(&local), domain, resource.as_deref()) else { return Ok(()) };
        let address = mapping.jid_to_address(&jid);
        let Ok(uri) = mapping.address_to_uri(&address) else { return Ok(()) };
        prop_assert!(uri.as_str().is_ascii());
        prop_assert_eq!(mapping.uri_to_address(&uri), Ok(address));
    }

    #[test]
    fn a_uri_that_has_a_jid_leads_to_an_equal_one(
        user in "([a-zA-Z0-9!$&'()*+,;=?/._~-]|%[2-7][0-9A-F]|%C3%[89AB][0-9A-F]){1,12}",
        host in prop::sample::select(vec!["xmpp.example", "192.0.2.1"]),
    ) {
        let mapping = mapping();
        let Ok(uri) = Uri::parse(&format!("sip:{user}@{host}")) else { return Ok(()) };
        let Ok(address) = mapping.uri_to_address(&uri) else { return Ok(()) };
        let jid = mapping.address_to_jid(&address);
        prop_assert!(jid.is_ok(), "{:?}", jid);
        prop_assert_eq!(jid.map(|jid| mapping.jid_to_address(&jid)), Ok(address.clone()));
        let back = mapping.address_to_uri(&address).and_then(|uri| mapping.uri_to_address(&uri));
        prop_assert_eq!(back, Ok(address));
    }

    #[test]
    fn two_users_never_share_a_jid(one in "[!-~]{1,6}", two in "[!-~]{1,6}") {
        let mapping = mapping();
        let jid = |user: &str| mapping.address_to_jid(&Address::new(user, "xmpp.example")).ok();
        let (Some(first), Some(second)) = (jid(&one), jid(&two)) else { return Ok(()) };
        // RFC 7622 section 3.3: localparts that differ in case are one.
        prop_assert_eq!(first == second, one.to_lowercase() == two.to_lowercase(), "{} {}", one, two);
    }

    #[test]
    fn words_survive_both_crossings(words in "\\PC{1,80}(\n\\PC{0,40}){0,3}") {
        let mapping = mapping();
        let words = words.trim_start_matches('\u{FEFF}').to_owned();
        prop_assume!(!words.is_empty() && !words.contains(['\u{FFFE}', '\u{FFFF}']));
        let message = InstantMessage::text(Address::new("romeo", "sip.example"), Address::new("nurse", "xmpp.example"), &words);
        let mut request = mapping.message_to_sip(&message, &OUTGOING).expect("both have URIs");
        request.headers.insert_first(Name::VIA, "SIP/2.0/UDP h;branch=z9hG4bKx");
        let back = mapping.sip_to_message(&request, NOW).expect("it is ours").expect("it says something");
        let stanza = mapping.message_to_xmpp(&back).expect("both have JIDs");
        prop_assert_eq!(stanza.body().map(|body| body.into_owned()), Some(words.clone()));
        let again = mapping.xmpp_to_message(&stanza).expect("it is ours").expect("it says something");
        prop_assert_eq!(again.content, message.content);
    }

    #[test]
    fn no_body_panics_and_none_grows(
        media in prop::sample::select(vec![
            "text/plain", "text/plain;charset=utf-16", "text/html", "message/cpim", "application/im-iscomposing+xml",
            "multipart/mixed;boundary=b", "multipart/alternative; boundary=\"b\"",
        ]),
        encoding in prop::sample::select(vec!["", "Content-Transfer-Encoding: base64\r\n", "Content-Transfer-Encoding: quoted-printable\r\n"]),
        body in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"-\r\nb<>&;:= ContenType/plaFrom".to_vec())], 0..300),
    ) {
        let headers = format!("Content-Type: {media}\r\n{encoding}");
        let Some(request) = request(&headers, &body) else { return Ok(()) };
        let Ok(Some(message)) = mapping().sip_to_message(&request, NOW) else { return Ok(()) };
        if let Content::Text { bodies, .. } = &message.content {
            let length: usize = bodies.iter().map(|body| body.text.len()).sum();
            // One octet becomes at most three (U+FFFD); a list mark adds two for each `<li>`.
            prop_assert!(length <= 3 * body.len() + 16, "{length}");
        }
        prop_assert!(mapping().message_to_xmpp(&message).is_ok());
    }

    #[test]
    fn no_text_panics_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,100}") {
        let _ = cpim::parse(&bytes);
        let _ = cpim::parse(text.as_bytes());
        let _ = cpim::unescape(&text);
        let _ = iscomposing::parse(&bytes);
        let _ = html::to_text(&text);
        let _ = html::to_xhtml(&text, "x");
        let _ = mime::Entity::parse(&bytes);
        let _ = mime::MediaType::parse(&text);
        let _ = mime::parts(&bytes, "b");
        for charset in ["utf-8", "utf-16", "iso-8859-7", "windows-1252", "koi8-r"] {
            let _ = charset::decode(Some(charset), &bytes);
        }
        let _ = mapping().explain(&text).to_string();
        for scheme in ["sip", "sips", "im", "pres", "tel", "xmpp"] {
            let _ = mapping().explain(&format!("{scheme}:{text}")).to_string();
        }
    }
}
