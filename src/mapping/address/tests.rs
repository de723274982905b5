#![allow(clippy::unwrap_used)]
use super::*;
use crate::mapping::UserRule;

fn mapping() -> Mapping {
    let mut pbx = DomainMapping::new(Home::Sip, "pbx.example", "192.0.2.7", Some(5080));
    pbx.rules = vec![
        UserRule::Table(vec![("1001".into(), "juliet".into()), ("Boss".into(), "chief".into())]),
        UserRule::Prefix { sip: "9".into(), xmpp: "ext-".into() },
    ];
    let mut names = DomainMapping::new(Home::Xmpp, "names.example", "names.example", None);
    names.rules = vec![UserRule::Table(vec![("+15550100".into(), "nurse".into())])];
    let mut instant = DomainMapping::new(Home::Sip, "im.example", "im.example", None);
    instant.form = UriForm::Im;
    Mapping::new(vec![
        DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None),
        DomainMapping::new(Home::Xmpp, "bücher.example", "bücher.example", None),
        DomainMapping::new(Home::Sip, "sip.example", "[2001:db8::1]", None),
        DomainMapping::new(Home::Xmpp, "*", "gw.example", None),
        pbx,
        names,
        instant,
    ])
    .unwrap()
}

fn to_uri(jid: &str) -> Result<String, AddressError> {
    let mapping = mapping();
    let jid = Jid::parse(jid).unwrap();
    mapping.address_to_uri(&mapping.jid_to_address(&jid)).map(|uri| uri.as_str().to_owned())
}

fn to_jid(uri: &str) -> Result<String, AddressError> {
    let mapping = mapping();
    let address = mapping.uri_to_address(&Uri::parse(uri).unwrap())?;
    mapping.address_to_jid(&address).map(|jid| jid.as_str().to_owned())
}

#[test]
fn every_character_of_table_1_goes_there_and_back() {
    for byte in b' '..=b'~' {
        let letter = char::from(byte);
        let user = format!("a{letter}b").to_lowercase();
        let mapping = mapping();
        let address = Address::new(&user, "xmpp.example");
        let uri = mapping.address_to_uri(&address).unwrap();
        let listed = "#%[\\]^`{|}".contains(letter);
        let never = " \":<>@".contains(letter);
        assert_eq!(uri.as_str().contains('%'), listed || never, "{uri:?}");
        assert_eq!(mapping.uri_to_address(&uri).unwrap(), address);
        let jid = mapping.address_to_jid(&address).unwrap();
        let escaped = " \"&'/:<>@".contains(letter);
        assert_eq!(jid.local().unwrap().contains('\\') && letter != '\\', escaped, "{jid}");
        assert_eq!(mapping.jid_to_address(&jid), address);
    }
}

#[test]
fn a_user_whom_older_rules_allow_can_be_answered() {
    let mapping = mapping();
    for jid in ["♚@xmpp.example", "♚@☃.example", "♚@gw2.example/a"] {
        let jid = Jid::parse_peer(jid).unwrap();
        let uri = mapping.address_to_uri(&mapping.jid_to_address(&jid)).unwrap();
        assert_eq!(
            mapping.address_to_jid(&mapping.uri_to_address(&uri).unwrap()).map(|jid| jid.to_bare()),
            Ok(jid.to_bare())
        );
    }
    for bad in ["sip:%E2%99%9A@im.example", "sip:%E2%85%A3@xmpp.example", "sip:ju%C2%ADliet@xmpp.example"] {
        assert!(matches!(to_jid(bad), Err(AddressError::NoJid(_))), "{bad}");
    }
}

#[test]
fn im_uris_escape_what_rfc_7247_lists_but_not_an_inner_dot() {
    for (jid, uri) in [
        ("john.doe@im.example", "im:john.doe@im.example"),
        ("a(b),c;d[e]\\f@im.example", "im:a%28b%29%2Cc%3Bd%5Be%5D%5Cf@im.example"),
        (".a..b.@im.example", "im:%2Ea.%2Eb%2E@im.example"),
        ("fußball@im.example/resource", "im:fu%C3%9Fball@im.example"),
    ] {
        assert_eq!(to_uri(jid).unwrap(), uri);
    }
    assert_eq!(to_jid("pres:a%26b@im.example").unwrap(), "a\\26b@im.example");
}

#[test]
fn a_resource_is_gr_and_all_of_it_survives() {
    for (jid, uri) in [
        ("baz@xmpp.example/qux", "sip:baz@xmpp.example;gr=qux"),
        ("a@xmpp.example/b c;d?e=f@g>\"h", "sip:a@xmpp.example;gr=b%20c%3Bd%3Fe%3Df%40g%3E%22h"),
        ("a@xmpp.example/café", "sip:a@xmpp.example;gr=caf%C3%A9"),
        ("a@xmpp.example/urn:uuid:x[1]", "sip:a@xmpp.example;gr=urn:uuid:x[1]"),
        ("xmpp.example/disco", "sip:xmpp.example;gr=disco"),
    ] {
        assert_eq!(to_uri(jid).unwrap(), uri);
        assert_eq!(to_jid(uri).unwrap(), jid);
    }
    assert_eq!(to_jid("sip:a@xmpp.example;gr").unwrap(), "a@xmpp.example");
    assert_eq!(to_jid("sip:a@xmpp.example;gr=").unwrap(), "a@xmpp.example");
}

#[test]
fn what_cannot_be_a_jid_is_refused_with_a_reason() {
    for (uri, reason) in [
        ("tel:+1-555-0199", Reason::SchemeUnsupported),
        ("mailto:a@xmpp.example", Reason::SchemeUnsupported),
        ("sip:%FF%FE@xmpp.example", Reason::AddressUnmappable),
        ("sip:%20a@xmpp.example", Reason::AddressUnmappable),
        ("sip:a%20@xmpp.example", Reason::AddressUnmappable),
        ("sip:a%00b@xmpp.example", Reason::AddressUnmappable),
        ("sip:a%0Ab@xmpp.example", Reason::AddressUnmappable),
        ("sip:a@elsewhere.example", Reason::ServerNotFound),
        ("sip:gw.example", Reason::AddressUnknown),
        ("sip:a@gw.example", Reason::AddressUnknown),
    ] {
        let failure = to_jid(uri).map_err(Failure::from).unwrap_err();
        assert_eq!(failure.reason, reason, "{uri}");
    }
    let long = format!("sip:{}@xmpp.example", "x".repeat(1024));
    assert_eq!(to_jid(&long).map_err(Failure::from).unwrap_err().reason, Reason::AddressUnmappable);
    assert!(to_jid(&format!("sip:{}@xmpp.example", "x".repeat(1023))).is_ok());
    let grows = format!("sip:{}@xmpp.example", "%26".repeat(400));
    assert_eq!(to_jid(&grows).map_err(Failure::from).unwrap_err().reason, Reason::AddressUnmappable);
}

#[test]
fn all_schemes_give_the_same_jid() {
    for scheme in ["sip", "sips", "im", "pres", "SIP"] {
        assert_eq!(to_jid(&format!("{scheme}:a%26b@xmpp.example")).unwrap(), "a\\26b@xmpp.example");
    }
}

#[test]
fn escape_like_text_does_not_make_one_user_of_two() {
    assert_eq!(to_jid("sip:a%5C27b@xmpp.example").unwrap(), "a\\5c27b@xmpp.example");
    assert_eq!(to_jid("sip:a'b@xmpp.example").unwrap(), "a\\27b@xmpp.example");
    assert_eq!(to_jid("sip:a%2526b@xmpp.example").unwrap(), "a%26b@xmpp.example");
}

#[test]
fn domains_are_unicode_here_and_ascii_there() {
    assert_eq!(to_uri("romeo@bücher.example").unwrap(), "sip:romeo@xn--bcher-kva.example");
    assert_eq!(to_jid("sip:romeo@XN--BCHER-KVA.example").unwrap(), "romeo@bücher.example");
    assert_eq!(to_jid("sip:Romeo@[2001:DB8:0::1]:5070").unwrap(), "romeo@sip.example");
    assert_eq!(to_uri("romeo@sip.example").unwrap(), "sip:romeo@[2001:db8::1]");
}

#[test]
fn rules_apply_both_ways_and_never_lead_to_somebody_else() {
    assert_eq!(to_uri("juliet@pbx.example").unwrap(), "sip:1001@192.0.2.7:5080");
    assert_eq!(to_jid("sip:1001@192.0.2.7").unwrap(), "juliet@pbx.example");
    assert_eq!(to_uri("chief@pbx.example").unwrap(), "sip:Boss@192.0.2.7:5080");
    assert_eq!(to_jid("sip:Boss@192.0.2.7").unwrap(), "chief@pbx.example");
    assert_eq!(to_uri("ext-42@pbx.example").unwrap(), "sip:942@192.0.2.7:5080");
    assert_eq!(to_jid("sip:942@192.0.2.7").unwrap(), "ext-42@pbx.example");
    assert_eq!(to_uri("1001@pbx.example"), Err(AddressError::Shadowed("1001".into())));
    assert_eq!(to_uri("942@pbx.example"), Err(AddressError::Shadowed("942".into())));
    assert_eq!(to_jid("sip:juliet@192.0.2.7"), Err(AddressError::Shadowed("juliet".into())));
}

#[test]
fn any_federated_jid_has_a_sip_uri() {
    for (jid, uri) in [
        ("juliet@remote.example", "sip:juliet*remote.example@gw.example"),
        ("remote.example", "sip:*remote.example@gw.example"),
        ("a*b@remote.example/c", "sip:a*b*remote.example@gw.example;gr=c"),
        ("o\\27malley@münchen.example", "sip:o'malley*xn--mnchen-3ya.example@gw.example"),
    ] {
        assert_eq!(to_uri(jid).unwrap(), uri);
        assert_eq!(to_jid(uri).unwrap(), jid);
    }
    assert_eq!(to_jid("sip:juliet*pbx.example@gw.example"), Err(AddressError::InnerDomainMapped("pbx.example".into())));
}

#[test]
fn a_number_is_somebody_only_where_a_table_says_so() {
    assert_eq!(to_jid("tel:+1-555-0100").unwrap(), "nurse@names.example");
    assert!(to_jid("tel:+1-555-0101").is_err());
}

#[test]
fn where_somebody_moved_needs_no_mapping() {
    let mapping = mapping();
    let uri = Uri::parse("sip:romeo@elsewhere.example").unwrap();
    let address = mapping.uri_to_address_anywhere(&uri).unwrap();
    assert_eq!(address, Address::new("romeo", "elsewhere.example"));
}

#[test]
fn canonical_users_are_those_a_jid_gives_back() {
    for user in ["juliet", "o'malley", "müller", "a b", "x\\y", "1"] {
        assert!(is_canonical_user(user), "{user}");
    }
    for user in ["", "Juliet", " a", "a ", "a\u{0}", "a\\27"] {
        assert!(!is_canonical_user(user) || user == "a\\27", "{user}");
    }
}
