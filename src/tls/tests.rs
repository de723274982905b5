#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;

use super::verify::{Verifier, explain};
use super::*;

/// An authority and what it signs.
pub(super) struct Authority(pub(super) CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        Self(CertifiedIssuer::self_signed(Self::params("an authority"), KeyPair::generate().unwrap()).unwrap())
    }

    /// One that this one vouches for.
    pub(super) fn below(&self) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(Self::params("one below"), key, &self.0).unwrap())
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    /// PEM of certificate and key, and the certificate.
    pub(super) fn sign(
        &self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String, CertificateDer<'static>) {
        let mut params = CertificateParams::default();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem(), certificate.der().clone())
    }

    fn verifier(&self) -> Verifier {
        Verifier::new(self.roots(), aws_lc_rs::default_provider().signature_verification_algorithms, true)
    }

    pub(super) fn roots(&self) -> Arc<rustls::RootCertStore> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

pub(super) fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

#[test]
fn a_certificate_proves_the_domains_that_rfc_5922_says() {
    let authority = Authority::new();
    let names = |sans: &[SanType], common: &str| {
        let (_, _, der) = authority.sign(|params| {
            params.subject_alt_names = sans.to_vec();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, common);
        });
        names::identities(&der).join(" ")
    };
    let both = [dns("host.example.net"), uri("SIP:Example.com")];
    assert_eq!(names(&both, "cn.example"), "example.com", "a sip URI hides DNS names, and its scheme has no case");
    assert_eq!(names(&[uri("sip:example.com;transport=tcp"), uri("sip:b.example:5061")], ""), "example.com b.example");
    assert_eq!(names(&[uri("sip:alice@example.com"), dns("a.example")], ""), "a.example", "a user is no domain");
    assert_eq!(names(&[uri("sips:example.com"), uri("https://example.com")], "cn.example"), "", "other schemes");
    assert_eq!(names(&[dns("A.example"), dns("b.example")], "cn.example"), "a.example b.example");
    assert_eq!(names(&[], "cn.example"), "cn.example", "only without any subjectAltName");
    assert_eq!(names(&[], "Some Company Ltd."), "");
    assert_eq!(names(&[SanType::Rfc822Name("a@cn.example".try_into().unwrap())], "cn.example"), "");
    let address = [SanType::IpAddress([192, 0, 2, 7].into()), SanType::IpAddress("2001:db8::1".parse().unwrap())];
    assert_eq!(names(&address, ""), "192.0.2.7 2001:db8::1");
}

#[test]
fn what_is_no_certificate_proves_nothing() {
    for bytes in [&[][..], b"\x30\x82\xff\xff", b"certificate"] {
        assert!(names::identities(&CertificateDer::from(bytes)).is_empty());
    }
}

#[test]
fn domains_are_compared_whole_and_without_wildcards() {
    let has = |name: &str, domain| names::has(&[name.to_owned()], domain);
    assert!(has("example.com", "EXAMPLE.com"));
    assert!(has("example.com", "example.com."));
    assert!(has("xn--bcher-kva.example", "bücher.example"));
    assert!(has("2001:db8::1", "[2001:db8::1]"));
    assert!(!has("example.com", "foo.example.com"));
    assert!(!has("foo.example.com", "example.com"));
    assert!(!has("*.example.com", "foo.example.com"));
    assert!(!has("*.example.com", "*.example.com"), "no domain is called so");
    assert!(!has(".example.com", "foo.example.com"));
    assert!(!names::has(&[], ""));
}

#[test]
fn a_server_must_be_signed_in_time_meant_for_it_and_named_for_its_domain() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let verifier = ours.verifier();
    let check = |der: &CertificateDer<'_>| {
        let name = ServerName::try_from("pbx.example").unwrap();
        match verifier.verify_server_cert(der, &[], &name, &[], UnixTime::now()) {
            Ok(_) => "good".to_owned(),
            Err(error) => explain(&error),
        }
    };
    let named = |params: &mut CertificateParams| params.subject_alt_names = vec![dns("pbx.example")];
    assert_eq!(check(&ours.sign(named).2), "good");
    assert_eq!(check(&theirs.sign(named).2), "its certificate is signed by nobody we trust");
    let expired = ours.sign(|params| {
        named(params);
        params.not_after = date_time_ymd(2020, 2, 29);
    });
    assert_eq!(check(&expired.2), "its certificate expired on 2020-02-29");
    let early = ours.sign(|params| {
        named(params);
        params.not_before = date_time_ymd(3000, 1, 1);
    });
    assert_eq!(check(&early.2), "its certificate is not valid before 3000-01-01");
    let other = ours.sign(|params| params.subject_alt_names = vec![dns("*.example"), dns("b.example")]);
    assert_eq!(check(&other.2), "its certificate names *.example, b.example, not pbx.example");
    let nameless = ours.sign(|params| params.subject_alt_names = vec![uri("https://pbx.example")]);
    assert_eq!(check(&nameless.2), "its certificate names no SIP domain, not pbx.example");
    assert_eq!(check(&CertificateDer::from(&b"junk"[..])), "its certificate cannot be read");
}

#[test]
fn a_client_may_show_the_certificate_of_its_server_but_not_one_for_mail() {
    let authority = Authority::new();
    let verifier = authority.verifier();
    let check = |purposes: &[ExtendedKeyUsagePurpose]| {
        let (_, _, der) = authority.sign(|params| params.extended_key_usages = purposes.to_vec());
        verifier.verify_client_cert(&der, &[], UnixTime::now()).map(|_| ()).map_err(|error| explain(&error))
    };
    let sip = ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 20]);
    for good in [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth, sip] {
        assert_eq!(check(std::slice::from_ref(&good)), Ok(()), "{good:?}");
    }
    assert_eq!(check(&[]), Ok(()));
    let mail = check(&[ExtendedKeyUsagePurpose::EmailProtection]);
    assert_eq!(mail, Err("its certificate is not meant for TLS or SIP".to_owned()));
}

/// A folder with what a store reads.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stox-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        // A file of another length and number is another file, however quickly it follows.
        let (path, new) = (self.0.join(name), self.0.join("new"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path
    }

    fn files(&self) -> Files {
        Files {
            certificate: Some(self.0.join("chain.pem")),
            key: Some(self.0.join("key.pem")),
            trust: vec![Anchors::File(self.0.join("ca.pem"))],
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn new_files_are_taken_and_broken_ones_are_not() {
    let (folder, authority) = (Folder::new("reload"), Authority::new());
    let (certificate, key, _) = authority.sign(|params| params.not_after = date_time_ymd(2030, 1, 1));
    folder.write("ca.pem", &authority.0.pem());
    folder.write("chain.pem", &certificate);
    folder.write("key.pem", &key);
    let store = Store::open(folder.files(), ClientCertificates::Require).unwrap();
    let first = store.server().unwrap();
    assert_eq!(store.not_after().map(files::date), Some("2030-01-01".to_owned()));
    assert!(store.look().is_none(), "nothing is new");

    let (certificate, key, _) = authority.sign(|params| params.not_after = date_time_ymd(2031, 1, 1));
    folder.write("chain.pem", &certificate);
    let told = store.look().unwrap().unwrap_err().to_string();
    assert!(told.contains("key.pem does not belong to "), "{told}");
    assert!(store.look().is_none(), "told once");
    assert_eq!(store.trouble(), Some(told));
    assert!(Arc::ptr_eq(&first, &store.server().unwrap()), "the old certificate stays");

    folder.write("key.pem", &key);
    assert_eq!(store.look(), Some(Ok(())));
    assert_eq!((store.trouble(), store.not_after().map(files::date)), (None, Some("2031-01-01".to_owned())));
    assert!(!Arc::ptr_eq(&first, &store.server().unwrap()));
    assert!(Arc::ptr_eq(&store.client().unwrap(), &store.client().unwrap()), "made once");
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_reason() {
    let (folder, authority) = (Folder::new("broken"), Authority::new());
    let (certificate, key, _) = authority.sign(|_| {});
    let told = |what: &str| {
        let error = Store::open(folder.files(), ClientCertificates::Ask).unwrap_err().to_string();
        let (file, why) = error.split_once(' ').unwrap();
        assert!(file.ends_with(what), "{error}");
        why.to_owned()
    };
    assert_eq!(told("ca.pem"), "is missing");
    folder.write("ca.pem", "no PEM at all");
    assert_eq!(told("ca.pem"), "has no certificate");
    folder.write("ca.pem", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n");
    assert!(told("ca.pem").starts_with("is no PEM file"));
    folder.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_eq!(told("ca.pem"), "has no usable trust anchor");
    folder.write("ca.pem", &authority.0.pem());
    assert_eq!(told("chain.pem"), "is missing");
    folder.write("chain.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_eq!(told("chain.pem"), "has a certificate that cannot be read");
    folder.write("chain.pem", &certificate);
    assert_eq!(told("key.pem"), "is missing");
    folder.write("key.pem", &certificate);
    assert_eq!(told("key.pem"), "has no private key");
    folder.write("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert_eq!(told("key.pem"), "has a key of a kind that is not supported");
    folder.write("key.pem", &key);
    assert!(Store::open(folder.files(), ClientCertificates::Ask).is_ok());
}

#[test]
fn without_a_certificate_there_is_no_server_but_a_client() {
    let store = Store::open(Files::default(), ClientCertificates::Ask).unwrap();
    assert!(store.server().is_none());
    assert!(store.client().is_ok());
    assert_eq!((store.not_after(), store.trouble(), store.look()), (None, None, None));
}
