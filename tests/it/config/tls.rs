//! `[sip.tls]`: what its files may not be.

use super::{Folder, SMALL, lines, parse, stox};
use crate::certs::Authority;

/// A folder with a certificate, its key and its authority.
pub(super) fn certificates(name: &str, year: i32) -> Folder {
    let (folder, authority) = (Folder::new(name), Authority::new());
    let signed = authority.sign_until(&["sip:gw.example", "sip.example"], year);
    folder.write("chain.pem", &signed.certificate, 0o644);
    folder.write("key.pem", &signed.key, 0o640);
    folder.write("pbx-ca.pem", &authority.pem(), 0o644);
    folder
}

fn with(section: &str, folder: &Folder) -> String {
    let section = section.replace("DIR", folder.0.to_str().unwrap());
    SMALL.replace("\"tcp:127.0.0.1:5060\"]\n", &format!("\"tls:127.0.0.1:5061\"]\n{section}\n"))
}

const RIGHT: &str = "[sip.tls]\ncertificate = \"DIR/chain.pem\"\nkey = \"DIR/key.pem\"\ntrust = [\"DIR/pbx-ca.pem\"]";

#[test]
fn every_file_of_tls_is_read_and_its_mistake_told() {
    let folder = certificates("tls", 4_000);
    let other = Authority::new().sign(&["b.example"]);
    folder.write("other.pem", &other.key, 0o640);
    assert_eq!(lines(parse(&with(RIGHT, &folder)).unwrap().warnings), Vec::<String>::new());
    const CERTIFICATE: &str = "write the path of a PEM file: stox's certificate, then those that signed it";
    const KEY: &str = "write the path of its private key, a PEM file that the user stox runs as can read";
    const TRUST: &str = "write \"system\", or the paths of PEM files with the certificates of authorities";
    for (right, wrong, told) in [
        (
            RIGHT,
            "",
            "7: sip.listen: tls:127.0.0.1:5061 needs a certificate, and there is none; add [sip.tls] with \
                     certificate and key"
                .to_owned(),
        ),
        ("chain.pem", "nowhere.pem", format!("9: sip.tls.certificate: DIR/nowhere.pem is missing; {CERTIFICATE}")),
        ("chain.pem", "key.pem", format!("9: sip.tls.certificate: DIR/key.pem has no certificate; {CERTIFICATE}")),
        ("DIR/key.pem", "DIR/nowhere.pem", format!("10: sip.tls.key: DIR/nowhere.pem is missing; {KEY}")),
        ("DIR/key.pem", "DIR/chain.pem", format!("10: sip.tls.key: DIR/chain.pem has no private key; {KEY}")),
        (
            "DIR/key.pem",
            "DIR/other.pem",
            "10: sip.tls.key: DIR/other.pem does not belong to DIR/chain.pem; name the key that this certificate was \
             made for"
                .to_owned(),
        ),
        ("pbx-ca.pem", "nowhere.pem", format!("11: sip.tls.trust: DIR/nowhere.pem is missing; {TRUST}")),
        ("pbx-ca.pem", "key.pem", format!("11: sip.tls.trust: DIR/key.pem has no certificate; {TRUST}")),
        (
            "[\"DIR/pbx-ca.pem\"]",
            "[]",
            "11: sip.tls.trust: is empty, so no peer could be trusted; write [\"system\"] or [\"FILE.pem\"]".to_owned(),
        ),
        (
            "trust",
            "client_certificates = \"always\"\ntrust",
            "11: sip.tls.client_certificates: \"always\" is not known; write \"none\" or \"ask\" or \"require\""
                .to_owned(),
        ),
    ] {
        assert!(RIGHT.contains(right), "{right}");
        let told_now = lines(parse(&with(&RIGHT.replacen(right, wrong, 1), &folder)).unwrap_err());
        let told = told.replace("DIR", folder.0.to_str().unwrap());
        assert!(told_now.contains(&told), "{wrong}: {told_now:?}");
    }
    let no_key = RIGHT.replace("key = \"DIR/key.pem\"\n", "");
    let told = lines(parse(&with(&no_key, &folder)).unwrap_err());
    assert_eq!(told, ["8: sip.tls.key: is missing; write key = \"FILE.pem\" too"]);
}

#[test]
fn a_certificate_that_has_expired_and_a_key_for_all_to_read_are_warnings() {
    let folder = certificates("tls-warnings", 2_020);
    folder.write("key.pem", &std::fs::read_to_string(folder.0.join("key.pem")).unwrap(), 0o644);
    let warnings = lines(parse(&with(RIGHT, &folder)).unwrap().warnings);
    let told = [
        "9: warning: sip.tls.certificate: DIR/chain.pem expired on 2020-01-01; put a new one there; it is read without a \
         restart",
        "10: warning: sip.tls.key: DIR/key.pem can be read by everybody; chmod 640 it",
    ];
    assert_eq!(warnings, told.map(|told| told.replace("DIR", folder.0.to_str().unwrap())));
}

#[test]
fn paths_start_where_the_configuration_lies() {
    let folder = certificates("tls-relative", 4_000);
    let text = with(&RIGHT.replace("DIR/", ""), &folder);
    let file = folder.write("stox.toml", &text, 0o600);
    let (code, out, _) = stox(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.ends_with("listening on udp:127.0.0.1:5060, tls:127.0.0.1:5061\n"), "{out}");
}
