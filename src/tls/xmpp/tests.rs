#![allow(clippy::unwrap_used)]

mod handshakes;
mod names;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType, date_time_ymd};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;

use super::*;
use crate::tls::tests::{Authority, Folder, dns};

/// 2026-11-21T00:00:00Z.
const TODAY: Timestamp = Timestamp(1_795_219_200_000);

const SRV: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 8, 7];
const ADDR: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 8, 5];

fn other(kind: [u64; 9], text: &str) -> SanType {
    SanType::OtherName((kind.to_vec(), text.to_owned().into()))
}

fn told(chain: &[CertificateDer<'_>], domain: &str, roots: &RootCertStore) -> String {
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    judge::judge(chain, domain, roots, algorithms, TODAY).map_or_else(|why| why, |()| "good".to_owned())
}

#[test]
fn a_certificate_is_judged_by_its_path_its_time_its_purpose_and_its_names() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let roots = ours.roots();
    let named = |params: &mut CertificateParams| params.subject_alt_names = vec![dns("a.example")];
    let for_purpose = |purpose: ExtendedKeyUsagePurpose| {
        ours.sign(|params| {
            named(params);
            params.extended_key_usages = vec![purpose];
        })
    };
    let in_years = |from, to| {
        ours.sign(|params| {
            named(params);
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        })
    };
    let sans = |sans: Vec<SanType>| ours.sign(|params| params.subject_alt_names = sans);
    let common_name_only = ours.sign(|params| params.distinguished_name.push(DnType::CommonName, "a.example"));
    let own = {
        let mut params = CertificateParams::default();
        named(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    };
    let xmpp_only = ExtendedKeyUsagePurpose::Other(ADDR.to_vec());
    for (what, certificate, expected) in [
        ("good", ours.sign(named).2, "good"),
        ("wildcard", sans(vec![dns("*.example")]).2, "good"),
        ("SRVName", sans(vec![other(SRV, "_xmpp-server.a.example")]).2, "good"),
        ("XmppAddr", sans(vec![other(ADDR, "a.example")]).2, "good"),
        ("wrong name", sans(vec![dns("b.example")]).2, "its certificate names b.example, not a.example"),
        ("expired", in_years(2020, 2026).2, "its certificate expired on 2026-01-01"),
        ("not valid yet", in_years(2027, 2028).2, "its certificate is not valid before 2027-01-01"),
        ("self-signed", own, "its certificate is signed by nobody we trust"),
        ("unknown authority", theirs.sign(named).2, "its certificate is signed by nobody we trust"),
        ("common name only", common_name_only.2, "its certificate names no XMPP domain, not a.example"),
        ("for clients only", for_purpose(ExtendedKeyUsagePurpose::ClientAuth).2, "good"),
        ("for servers only", for_purpose(ExtendedKeyUsagePurpose::ServerAuth).2, "good"),
        ("for any purpose", for_purpose(ExtendedKeyUsagePurpose::Any).2, "good"),
        ("for XMPP only", for_purpose(xmpp_only).2, "good"),
        (
            "for mail only",
            for_purpose(ExtendedKeyUsagePurpose::EmailProtection).2,
            "its certificate is not meant for TLS or XMPP",
        ),
        ("an authority's own", ours.0.der().clone(), "its certificate is that of an authority, not of a server"),
        ("junk", CertificateDer::from(&b"junk"[..]), "its certificate cannot be read"),
    ] {
        assert_eq!(told(&[certificate], "a.example", &roots), expected, "{what}");
    }
    assert_eq!(told(&[], "a.example", &roots), "it shows no certificate");
}

#[test]
fn a_chain_needs_every_certificate_between_the_leaf_and_the_anchor() {
    let root = Authority::new();
    let middle = root.below();
    let leaf = middle.sign(|params| params.subject_alt_names = vec![dns("a.example")]).2;
    let between = middle.0.der().clone();
    assert_eq!(told(&[leaf.clone(), between.clone()], "a.example", &root.roots()), "good");
    let missing = told(std::slice::from_ref(&leaf), "a.example", &root.roots());
    assert_eq!(missing, "its certificate is signed by nobody we trust");
    let many = std::iter::once(leaf).chain(std::iter::repeat_n(between, 5_000)).collect::<Vec<_>>();
    assert_eq!(told(&many, "a.example", &root.roots()), "good", "and more of them do not matter");
}

/// A store in a folder of its own: certificates for these domains, in this order, of one authority.
pub(super) fn store(name: &str, authority: &Authority, domains: &[&str]) -> (Folder, Store) {
    let folder = Folder::new(name);
    folder.write("ca.pem", &authority.0.pem());
    let certificates = domains.iter().map(|domain| write(&folder, authority, domain, 2030)).collect();
    let trust = vec![Anchors::File(folder.0.join("ca.pem"))];
    let store = Store::open(Files { certificates, trust }).unwrap();
    (folder, store)
}

fn write(folder: &Folder, authority: &Authority, domain: &str, until: i32) -> Pair {
    let (certificate, key, _) = authority.sign(|params| {
        params.subject_alt_names = vec![dns(domain)];
        params.not_after = date_time_ymd(until, 1, 1);
    });
    let write = |ending, text: &str| folder.write(&format!("{domain}.{ending}"), text);
    Pair { certificate: write("pem", &certificate), key: write("key", &key) }
}

#[test]
fn a_pair_that_is_broken_keeps_its_certificate_and_the_others_are_renewed() {
    let authority = Authority::new();
    let (folder, store) = store("xmpp-reload", &authority, &["a.example", "b.example"]);
    let days =
        |store: &Store| store.validity().iter().map(|each| files::date(each.not_after)).collect::<Vec<_>>().join(" ");
    assert_eq!(days(&store), "2030-01-01 2030-01-01");
    assert!(store.look().is_none(), "nothing is new");
    let before = store.server(Some("a.example"), Start::Starttls).unwrap();

    folder.write("a.example.key", "junk");
    write(&folder, &authority, "b.example", 2031);
    let told = store.look().unwrap().unwrap_err().to_string();
    assert!(told.ends_with("a.example.key has no private key"), "{told}");
    assert_eq!((days(&store), store.trouble()), ("2030-01-01 2031-01-01".to_owned(), Some(told)));
    assert!(Arc::ptr_eq(&before, &store.server(Some("a.example"), Start::Starttls).unwrap()));
    assert!(store.look().is_none(), "told once");

    write(&folder, &authority, "a.example", 2032);
    assert_eq!(store.look(), Some(Ok(())));
    assert_eq!((days(&store), store.trouble()), ("2032-01-01 2031-01-01".to_owned(), None));
    assert!(!Arc::ptr_eq(&before, &store.server(Some("a.example"), Start::Starttls).unwrap()));
}

#[test]
fn every_file_that_is_wrong_at_the_start_is_told() {
    let folder = Folder::new("xmpp-wrong");
    let pair = |name: &str| Pair { certificate: folder.0.join(name), key: folder.0.join("key") };
    let trust = vec![Anchors::File(folder.0.join("ca"))];
    let error = Store::open(Files { certificates: vec![pair("one"), pair("two")], trust }).unwrap_err();
    let told = error.to_string().replace(&format!("{}/", folder.0.display()), "");
    assert_eq!(told, "ca is missing; one is missing; two is missing");
}

#[test]
fn without_certificates_streams_are_opened_and_none_are_taken_with_tls() {
    let (_folder, store) = store("xmpp-none", &Authority::new(), &[]);
    assert!(!store.has_certificate());
    assert!(store.server(None, Start::Direct).is_none() && store.server(Some("a.example"), Start::Starttls).is_none());
    assert!(!store.client("a.example", Start::Starttls).client_auth_cert_resolver.has_certs());
    assert_eq!(store.judge(&[], "a.example", TODAY), Judgement::Unproven("it shows no certificate".to_owned()));
}
