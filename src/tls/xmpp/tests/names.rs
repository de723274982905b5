use rcgen::CustomExtension;

use super::*;

fn names(sans: Vec<SanType>) -> Identities {
    Identities::of(&Authority::new().sign(|params| params.subject_alt_names = sans).2)
}

#[test]
fn names_count_as_rfc_6125_and_rfc_9525_say() {
    let srv = |text| other(SRV, text);
    let addr = |text| other(ADDR, text);
    let ip = |text: &str| SanType::IpAddress(text.parse().unwrap());
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    for (san, domain, expected) in [
        (dns("a.example"), "a.example", true),
        (dns("A.Example"), "a.example", true),
        (dns("a.example"), "A.EXAMPLE.", true),
        (dns("a.example"), "b.a.example", false),
        (dns("a.example"), "example", false),
        (dns("a.example"), "", false),
        (dns("*.example"), "a.example", true),
        (dns("*.example"), "b.a.example", false),
        (dns("*.example"), "example", false),
        (dns("*.example"), ".example", false),
        (dns("*.example"), "*.example", true),
        (dns("*.*.example"), "b.a.example", false),
        (dns("a*.example"), "ab.example", false),
        (dns("*a.example"), "ba.example", false),
        (dns("b.*.example"), "b.a.example", false),
        (dns("*"), "example", false),
        (dns("*."), "example.", false),
        (dns("xn--bcher-kva.example"), "bücher.example", true),
        (dns("xn--bcher-kva.example"), "xn--bcher-kva.example", true),
        (dns("192.0.2.1"), "192.0.2.1", false),
        (ip("192.0.2.1"), "192.0.2.1", true),
        (ip("192.0.2.1"), "192.0.2.2", false),
        (ip("2001:db8::1"), "[2001:db8::1]", true),
        (ip("2001:db8::1"), "2001:DB8:0::1", true),
        (dns("*.0.2.1"), "192.0.2.1", false),
        (srv("_xmpp-server.a.example"), "a.example", true),
        (srv("_XMPP-Server.A.example"), "a.example", true),
        (srv("_xmpp-server.*.example"), "a.example", true),
        (srv("_xmpp-client.a.example"), "a.example", false),
        (srv("_sip.a.example"), "a.example", false),
        (srv("a.example"), "a.example", false),
        (srv("_xmpp-server."), "a.example", false),
        (addr("a.example"), "a.example", true),
        (addr("bücher.example"), "bücher.example", true),
        (addr("bücher.example"), "xn--bcher-kva.example", true),
        (addr("*.example"), "a.example", false),
        (addr("juliet@a.example"), "a.example", false),
        (addr("a.example/balcony"), "a.example", false),
        (addr(""), "a.example", false),
        (other([1, 3, 6, 1, 5, 5, 7, 8, 9], "a.example"), "a.example", false),
        (uri("xmpp:a.example"), "a.example", false),
        (uri("sip:a.example"), "a.example", false),
        (SanType::Rfc822Name("a@a.example".try_into().unwrap()), "a.example", false),
    ] {
        let told = format!("{san:?} for {domain}");
        assert_eq!(names(vec![san]).has(domain), expected, "{told}");
    }
}

#[test]
fn names_are_shown_once_each_and_not_all_of_a_hundred() {
    let one = vec![dns("a.example"), other(SRV, "_xmpp-server.a.example"), other(ADDR, "a.example")];
    assert_eq!(names(one).to_string(), "a.example");
    let many: Vec<SanType> = (0..100).map(|at| dns(&format!("{at}.example"))).collect();
    assert_eq!(names(many).to_string(), "0.example, 1.example, 2.example, 3.example, 4.example and 95 more");
    assert_eq!(names(Vec::new()).to_string(), "no XMPP domain");
}

/// DER with a length of one byte.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    assert!(length < 128);
    [&[tag, length], content].concat()
}

#[test]
fn the_text_of_another_name_may_be_of_either_kind_and_nothing_else() {
    let with = |value: &[u8]| {
        let kind = der(6, &[0x2b, 6, 1, 5, 5, 7, 8, 7]);
        let content = der(0x30, &der(0xa0, &[kind.as_slice(), value].concat()));
        let san = CustomExtension::from_oid_content(&[2, 5, 29, 17], content);
        let signed = Authority::new().sign(|params| params.custom_extensions = vec![san]);
        Identities::of(&signed.2).has("a.example")
    };
    let text = b"_xmpp-server.a.example";
    assert!(with(&der(0xa0, &der(0x16, text))), "IA5String, as RFC 4985 has it");
    assert!(with(&der(0xa0, &der(0x0c, text))), "UTF8String");
    assert!(!with(&der(0xa0, &der(0x04, text))), "OCTET STRING");
    assert!(!with(&der(0xa1, &der(0x16, text))), "another tag");
    assert!(!with(&der(0x16, text)), "none");
    assert!(!with(&[0xa0, 0x7f, 0x16]), "cut off");
    assert!(!with(&[]), "nothing");
}

#[test]
fn a_damaged_certificate_is_read_or_not_and_nothing_breaks() {
    let sans = vec![dns("a.example"), other(SRV, "_xmpp-server.a.example"), other(ADDR, "a.example")];
    let good = Authority::new().sign(|params| params.subject_alt_names = sans).2.to_vec();
    let roots = Authority::new().roots();
    for at in 0..good.len() {
        for damage in [0x00, 0x01, 0x7f, 0x80, 0x84, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= damage;
            let _ = Identities::of(&CertificateDer::from(bad.as_slice())).to_string();
        }
        let cut = CertificateDer::from(&good[..at]);
        assert_eq!(told(&[cut], "a.example", &roots), "its certificate cannot be read");
    }
}
