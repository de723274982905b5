#![allow(clippy::unwrap_used)]

use super::*;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

#[test]
fn every_part_is_found_and_printed_as_it_was() {
    let text = "sips:alice;day=tuesday:secret@[2001:db8::1]:5070;transport=TCP;lr?subject=project%20x&priority=urgent";
    let uri = uri(text);
    assert_eq!(uri.scheme(), Scheme::Sips);
    assert_eq!(uri.user(), Some("alice;day=tuesday"));
    assert_eq!(uri.password(), Some("secret"));
    assert_eq!(uri.host(), Some(Host::V6("2001:db8::1".parse().unwrap())));
    assert_eq!(uri.port(), Some(5070));
    assert_eq!(uri.params().collect::<Vec<_>>(), [("transport", Some("TCP")), ("lr", None)]);
    assert_eq!(uri.headers().collect::<Vec<_>>(), [("subject", Some("project%20x")), ("priority", Some("urgent"))]);
    assert_eq!(uri.to_string(), text);
    assert_eq!(uri.without_params().as_str(), "sips:alice;day=tuesday:secret@[2001:db8::1]:5070");
}

#[test]
fn users_decode_to_what_people_read() {
    let decoded = |text: &str| uri(text).user_decoded().map(|user| user.map(Cow::into_owned));
    assert_eq!(decoded("sip:r%C3%B6meo@example.net"), Ok(Some("römeo".to_owned())));
    assert_eq!(decoded("sip:römeo@example.net"), Ok(Some("römeo".to_owned())));
    assert_eq!(decoded("sip:user;par=u%40example.net@example.com"), Ok(Some("user;par=u@example.net".to_owned())));
    assert_eq!(decoded("sip:example.com"), Ok(None));
    assert_eq!(decoded("sip:%FF@example.com"), Err(UriError::Escape));
}

#[test]
fn other_schemes_keep_what_they_have() {
    let tel = uri("tel:+1-201-555-0123;phone-context=example.com");
    assert_eq!(
        (tel.user(), tel.host(), tel.param("Phone-Context")),
        (Some("+1-201-555-0123"), None, Some("example.com"))
    );
    let im = uri("im:romeo@example.net");
    assert_eq!((im.scheme(), im.user(), im.host()), (Scheme::Im, Some("romeo"), Some(Host::Name("example.net"))));
    let urn = uri("urn:service:sos.police");
    assert_eq!((urn.scheme(), urn.scheme_text(), urn.opaque()), (Scheme::Other, "urn", "service:sos.police"));
    assert_eq!(urn.params().count(), 0);
}

#[test]
fn malformed_uris_are_refused_for_the_right_reason() {
    for (text, error) in [
        ("example.com", UriError::Scheme),
        ("<sip:a@b>", UriError::Scheme),
        ("1sip:a", UriError::Scheme),
        ("sip:", UriError::Host),
        ("sip:@example.com", UriError::User),
        ("sip::secret@example.com", UriError::User),
        ("tel:", UriError::User),
        ("sip:a b@example.com", UriError::Character),
        ("sip:a@exa mple.com", UriError::Host),
        ("sip:a\r\n@example.com", UriError::Character),
        ("sip:a@b@c", UriError::Host),
        ("sip:a%zz@example.com", UriError::Escape),
        ("sip:a%4", UriError::Host),
        ("sip:a%4@b", UriError::Escape),
        ("sip:a@[fe80::1%25eth0]", UriError::Host),
        ("sip:a@[::1", UriError::Host),
        ("sip:a@[::1]x", UriError::Host),
        ("sip:a@2001:db8::1", UriError::Host),
        ("sip:a@1.2.3.400", UriError::Host),
        ("sip:a@-b.example", UriError::Host),
        ("sip:a@b..example", UriError::Host),
        ("sip:a@example.com:", UriError::Port),
        ("sip:a@example.com:0", UriError::Port),
        ("sip:a@example.com:99999", UriError::Port),
        ("sip:a@example.com:+5060", UriError::Port),
        ("sip:a@example.com;\"x\"", UriError::Character),
        ("urn:a b", UriError::Character),
    ] {
        assert_eq!(Uri::parse(text), Err(error), "{text}");
    }
    assert_eq!(Uri::parse(&format!("sip:{}@b", "a".repeat(MAX_URI))), Err(UriError::TooLong));
    assert_eq!(Uri::parse(&format!("sip:b{}", ";a".repeat(MAX_URI_PARTS + 1))), Err(UriError::TooLong));
}

#[test]
fn the_equal_and_unequal_pairs_of_rfc_3261_section_19_1_4() {
    for (one, two) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ] {
        assert!(uri(one).same(&uri(two)) && uri(two).same(&uri(one)), "{one} {two}");
    }
    for (one, two) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a%40b@c", "sip:a%2Fb@c"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
    ] {
        assert!(!uri(one).same(&uri(two)), "{one} {two}");
    }
}

#[test]
fn what_we_build_is_read_back() {
    let user = escape_user("juliet@römeo/#\"x\"");
    let built = Uri::sip(Some(&user), "[2001:db8::1]", Some(5061)).unwrap();
    assert_eq!(built.as_str(), "sip:juliet%40r%C3%B6meo/%23%22x%22@[2001:db8::1]:5061");
    let with_gr = built.with_param("gr", Some(&escape_parameter("balcony; 1=2"))).unwrap();
    assert_eq!(with_gr.param_decoded("gr").unwrap().unwrap(), "balcony; 1=2");
    assert_eq!(with_gr.user_decoded().unwrap().unwrap(), "juliet@römeo/#\"x\"");
    assert!(Uri::sip(Some("a\r\nb"), "example.com", None).is_err());
    assert!(built.with_param("gr", Some("a;b c")).is_err());
}
