#![allow(clippy::unwrap_used)]
use super::*;
use precis_core::profile::PrecisFastInvocation;
use precis_profiles::{OpaqueString, UsernameCaseMapped};
use prepare::excluded;
use proptest::prelude::*;

fn parts(text: &str) -> (Option<String>, String, Option<String>) {
    let jid = Jid::parse(text).unwrap();
    assert_eq!(Jid::parse(jid.as_str()), Ok(jid.clone()), "{text}");
    assert_eq!(Jid::new(jid.local(), jid.domain(), jid.resource()), Ok(jid.clone()), "{text}");
    (jid.local().map(str::to_owned), jid.domain().to_owned(), jid.resource().map(str::to_owned))
}

fn owned(local: &str, domain: &str, resource: &str) -> (Option<String>, String, Option<String>) {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (some(local), domain.to_owned(), some(resource))
}

#[test]
fn splits_at_the_first_slash_and_then_at_the_first_at() {
    assert_eq!(parts("a.example/b@example.net/c"), owned("", "a.example", "b@example.net/c"));
    assert_eq!(parts("juliet@example.com/foo@bar"), owned("juliet", "example.com", "foo@bar"));
    for bad in ["", "@", "/", "a@", "@a", "a@b@c", "a/", "/a", "a@/b", " a@b", "a@b c"] {
        assert!(Jid::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn domains_are_u_labels_in_lower_case_without_a_final_dot() {
    assert_eq!(parts("Example.COM."), owned("", "example.com", ""));
    assert_eq!(parts("xn--fuball-cta.example"), owned("", "fußball.example", ""));
    assert_eq!(parts("XN--FUBALL-CTA.example"), owned("", "fußball.example", ""));
    assert_eq!(parts("BÜCHER。example。"), owned("", "bücher.example", ""));
    assert_eq!(parts("ｅｘａｍｐｌｅ.com"), owned("", "example.com", ""));
    for bad in [
        "a..b",
        "..",
        ".",
        ".a",
        "-a.b",
        "a-.b",
        "a_b.c",
        "a b",
        "xn--\u{fc}.a",
        "xn--a.b",
        "\u{200b}.a",
        "a\u{ff20}b",
        "a\u{0}",
    ] {
        assert!(Jid::parse(bad).is_err(), "{bad}");
    }
    assert!(Jid::parse(&format!("{}.a", "x".repeat(64))).is_err());
}

#[test]
fn addresses_may_stand_for_domains() {
    assert_eq!(parts("a@192.0.2.1"), owned("a", "192.0.2.1", ""));
    assert_eq!(parts("a@[2001:DB8::0:1]/b"), owned("a", "[2001:db8::1]", "b"));
    for bad in ["[::1", "[]", "[1.2.3.4]", "::1", "[::1%eth0]", "[::1]x"] {
        assert!(Jid::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn localparts_are_usernames_less_eight_characters() {
    assert_eq!(parts("Juliet@a"), owned("juliet", "a", ""));
    assert_eq!(parts("ＪＵＬＩＥＴ@a"), owned("juliet", "a", ""));
    assert_eq!(parts("Fußball@a"), owned("fußball", "a", ""));
    assert_eq!(parts("Ä@a"), owned("ä", "a", ""));
    for bad in
        ["\"", "&", "'", ":", "<", ">", " ", "\u{ff20}", "\u{ff1a}", "Ⅳ", "♚", "ſ\u{200b}", "a\u{5d0}", "\u{ad}a"]
    {
        assert_eq!(Jid::parse(&format!("{bad}@a")), Err(JidError::Local), "{bad}");
    }
}

#[test]
fn resourceparts_keep_case_and_most_characters() {
    assert_eq!(parts("a/Foo Bar♚😀"), owned("", "a", "Foo Bar♚😀"));
    assert_eq!(parts("a/x\u{3000}y"), owned("", "a", "x y"));
    for bad in ["\u{0}", "\u{7f}", "a\nb"] {
        assert_eq!(Jid::parse(&format!("a/{bad}")), Err(JidError::Resource), "{bad}");
    }
}

#[test]
fn each_part_has_at_most_1023_octets() {
    let longest = "x".repeat(MAX_PART);
    assert!(Jid::parse(&format!("{longest}@a/{longest}")).is_ok());
    assert_eq!(Jid::parse(&format!("{longest}x@a")), Err(JidError::TooLong));
    assert_eq!(Jid::parse(&format!("a/{longest}x")), Err(JidError::TooLong));
}

#[test]
fn what_a_stringprep_server_accepted_can_be_addressed() {
    assert_eq!(Jid::parse_peer("♚@a/x").unwrap().local(), Some("♚"));
    assert_eq!(Jid::parse_peer("A@a").unwrap().local(), Some("a"));
    for bad in ["a b@a", "a:b@a", "a@a/\u{1}", "@a", "a@b_c"] {
        assert!(Jid::parse_peer(bad).is_err(), "{bad}");
    }
}

#[test]
fn bare_addresses_are_made_and_compared() {
    let full = Jid::parse("a@b/c").unwrap();
    let bare = full.to_bare();
    assert_eq!((bare.as_str(), full.bare(), full.is_bare()), ("a@b", "a@b", false));
    assert_eq!(bare, BareJid::parse("A@B").unwrap());
    assert_eq!(bare.with_resource("c"), Ok(full.clone()));
    assert_eq!(full.to_domain().as_str(), "b");
    assert_eq!(full.to_domain().domain(), "b");
    assert!(BareJid::parse("a@b/c").is_err());
}

#[test]
fn a_labels_and_u_labels_are_one_domain() {
    for (ascii, unicode) in [
        ("xn--fuball-cta.example", "fußball.example"),
        ("xn--bcher-kva.Example.", "BÜCHER.example"),
        ("xn--wgv71a119e.example", "日本語.example"),
        ("xn--4xa.gr", "σ.gr"),
        ("xn--mgba3a4f16a.ir", "ایران.ir"),
    ] {
        assert_eq!(Jid::parse(ascii), Jid::parse(unicode), "{unicode}");
        assert!(Jid::parse(ascii).is_ok(), "{ascii}");
    }
    // RFC 5892 section 2.6: neither is folded any more.
    assert_ne!(Jid::parse("faß.de"), Jid::parse("fass.de"));
    assert_ne!(Jid::parse("ς.gr"), Jid::parse("σ.gr"));
    for bad in ["xn--", "xn--fass-.de", "xn--Fuball-Cta\u{fc}.a", "xn--a-ecp.ru", "xn--0.pt"] {
        assert!(Jid::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn our_own_domains_keep_to_idna_2008_and_those_of_peers_may_be_older() {
    for symbol in ["☃.example", "i♥ny.example", "xn--n3h.example", "a・b.example", "a·b.example"] {
        assert_eq!(Jid::parse(symbol), Err(JidError::Domain), "{symbol}");
        assert!(Jid::parse_peer(symbol).is_ok(), "{symbol}");
    }
    assert_eq!(Jid::parse_peer("xn--n3h.example"), Jid::parse_peer("☃.example"));
    for good in ["l·l.example", "カ・タ.example", "\u{5d0}\u{5f3}.example", "\u{915}\u{94d}\u{200d}\u{937}.example"]
    {
        assert!(Jid::parse(good).is_ok(), "{good}");
    }
}

#[test]
fn domains_end_where_dns_ends_them() {
    let label = "x".repeat(63);
    let longest = [label.as_str(), &label, &label, &"x".repeat(61)].join(".");
    assert_eq!((longest.len(), Jid::parse(&longest).is_ok()), (253, true));
    assert_eq!(Jid::parse(&format!("{longest}x")), Err(JidError::Domain));
    assert!(Jid::parse(&"é".repeat(600)).is_err());
    assert!(Jid::parse(&"é.".repeat(100_000)).is_err());
}

#[test]
fn what_stringprep_makes_one_is_found_again_but_not_believed() {
    let jid = |text| Jid::parse_peer(text).unwrap();
    for (sent, answered) in [("fußball@a.example", "fussball@a.example/x"), ("ς@a", "σ@a"), ("a@b", "A@B/c")] {
        assert!(jid(sent).resembles(&jid(answered)) && jid(answered).resembles(&jid(sent)), "{sent}");
    }
    assert_ne!(jid("fußball@a.example"), jid("fussball@a.example"));
    for (one, two) in [("a@faß.de", "a@fass.de"), ("a@b", "b"), ("jul\u{456}et@a", "juliet@a"), ("a@b", "á@b")] {
        assert!(!jid(one).resembles(&jid(two)), "{one}");
    }
}

#[test]
fn a_stringprep_user_has_one_form_here() {
    for (sent, kept) in [("Ⅳ@a", "iv@a"), ("ﬁsh♚@a", "fish♚@a"), ("A♚@a", "a♚@a"), ("ju\u{ad}liet@a", "juliet@a")]
    {
        assert_eq!(Jid::parse_peer(sent).unwrap().as_str(), kept, "{sent}");
        assert_eq!(Jid::parse(sent), Err(JidError::Local), "{sent}");
    }
    for bad in ["\u{ad}@a", "a\u{3000}♚@a"] {
        assert_eq!(Jid::parse_peer(bad), Err(JidError::Local), "{bad}");
    }
}

#[test]
fn twins_that_look_alike_stay_two() {
    for (one, two) in
        [("jul\u{456}et@a", "juliet@a"), ("ju1iet@a", "juliet@a"), ("\u{430}@a", "a@a"), ("a@\u{430}", "a@a")]
    {
        assert_ne!(Jid::parse(one).unwrap(), Jid::parse(two).unwrap(), "{one}");
    }
}

proptest! {
    #[test]
    fn canonical_form_is_canonical(text in "\\PC{0,12}(@\\PC{1,12})?(/\\PC{0,12})?") {
        if let Ok(jid) = Jid::parse(&text) {
            prop_assert_eq!(Jid::parse(jid.as_str()), Ok(jid.clone()));
        }
    }

    #[test]
    fn what_looks_prepared_is(text in "([a-z0-9.:@ -]{1,6}@)?[a-z0-9.xn-]{1,12}(/[ -~]{0,4})?") {
        if let Some((domain, end)) = prepare::is_prepared(&text) {
            let bare = &text[..usize::from(end)];
            let local = bare.find('@').map(|at| &bare[..at]);
            let resource = text.get(usize::from(end) + 1..);
            let slow = Jid::new(local, &bare[usize::from(domain)..], resource);
            prop_assert_eq!(slow.as_ref().map(Jid::as_str), Ok(text.as_str()));
        }
    }

    #[test]
    fn nothing_that_anybody_sends_is_too_odd(local in any::<String>(), domain in any::<String>(), resource in any::<String>()) {
        for text in [format!("{local}@{domain}/{resource}"), format!("{local}@a/{resource}"), format!("xn--{domain}.a"), local] {
            if let Ok(jid) = Jid::parse_peer(&text) {
                prop_assert_eq!(Jid::parse_peer(jid.as_str()), Ok(jid));
            }
        }
    }

    #[test]
    fn ascii_takes_the_short_way_to_the_same_end(local in "[!-~]{1,8}", resource in "[ -~]{1,8}") {
        let long = UsernameCaseMapped::enforce(local.as_str()).unwrap();
        if let Ok(short) = strict_local(&local) {
            prop_assert_eq!(short, long);
        } else {
            prop_assert!(long.contains(excluded));
        }
        prop_assert_eq!(strict_resource(&resource).unwrap(), OpaqueString::enforce(resource.as_str()).unwrap());
    }
}
