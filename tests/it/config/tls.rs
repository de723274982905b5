//! `[sip.tls]`: what its files may not be.

use super::{Folder, SMALL, lines, parse, stox};
use crate::certs::Authority;

/// A folder with a certificate, its key and its authority.
pub(super) fn certificates(name: &str, year: i32) -> Folder {
    let (folder, authority) = (Folder::new(name), Authority::new());
    let names = ["sip:gw.example", "sip:xmpp.example", "sip.example", "phones.example"];
    let signed = authority.sign_until(&names, year);
    folder.write("chain.pem", &signed.certificate, 0o644);
    folder.write("key.pem", &signed.key, 0o640);
    folder.write("pbx-ca.pem", &authority.pem(), 0o644);
    folder.write("partner-ca.pem", &authority.pem(), 0o644);
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
fn a_certificate_that_has_expired_fails_the_check_and_a_key_for_all_to_read_is_a_warning() {
    let folder = certificates("tls-warnings", 2_020);
    folder.write("key.pem", &std::fs::read_to_string(folder.0.join("key.pem")).unwrap(), 0o644);
    let text = with(RIGHT, &folder);
    let warnings = lines(parse(&text).unwrap().warnings);
    let told = [
        "9: sip.tls.certificate: DIR/chain.pem expired on 2020-01-01; put a new one there; it is read without a restart",
        "10: warning: sip.tls.key: DIR/key.pem can be read by everybody; chmod 640 it",
    ];
    assert_eq!(warnings, told.map(|told| told.replace("DIR", folder.0.to_str().unwrap())));
    let file = folder.write("stox.toml", &text, 0o600);
    let (code, out, _) = stox(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(code, Some(1), "it would start, but no peer would believe it: {out}");
    assert!(out.contains("chain.pem expired on 2020-01-01;") && !out.contains("OK"), "{out}");
}

#[test]
fn every_fault_of_the_files_is_told_at_once() {
    let folder = certificates("tls-all", 4_000);
    let wrong = RIGHT.replace("chain.pem", "none.pem").replace("key.pem", "chain.pem").replace("pbx-ca.pem", "key.pem");
    let two = wrong.replace("[\"DIR/key.pem\"]", "[\"DIR/key.pem\", \"DIR/no.pem\"]");
    let told = lines(parse(&with(&two, &folder)).unwrap_err());
    let told: Vec<&str> = told.iter().map(|line| line.split(';').next().unwrap()).collect();
    let expected = [
        "9: sip.tls.certificate: DIR/none.pem is missing",
        "10: sip.tls.key: DIR/chain.pem has no private key",
        "11: sip.tls.trust: DIR/key.pem has no certificate",
        "11: sip.tls.trust: DIR/no.pem is missing",
    ];
    assert_eq!(told, expected.map(|told| told.replace("DIR", folder.0.to_str().unwrap())));
}

#[test]
fn a_certificate_that_sip_peers_will_not_believe_is_a_warning() {
    let folder = certificates("tls-doubts", 4_000);
    let told = |text: &str| {
        let told = lines(parse(text).unwrap().warnings);
        told.iter().map(|line| line.replace(folder.0.to_str().unwrap(), "DIR")).collect::<Vec<_>>()
    };
    let right = with(RIGHT, &folder);
    let other = right.replace("sip = \"xmpp.example\"", "sip = \"chat.example\"");
    let unnamed = "9: warning: sip.tls.certificate: DIR/chain.pem names gw.example, xmpp.example, not \"chat.example\": SIP \
                   peers that look for it there will refuse stox; have one made that names chat.example, too";
    assert_eq!(told(&other), [unnamed]);
    let advertised = |host| other.replace("[sip.tls]", &format!("advertise = \"{host}\"\n[sip.tls]"));
    assert_eq!(told(&advertised("gw.example")), Vec::<String>::new(), "by that name it is reached");
    assert_eq!(told(&advertised("192.0.2.1")), [unnamed.replacen("9:", "10:", 1)]);
    let untrusted = right.replace("\ntrust = [\"", "\n# trust = [\"");
    let leads_nowhere = "9: warning: sip.tls.certificate: DIR/chain.pem does not lead to a trust anchor, so others may \
                         refuse it; put the certificates between it and its authority behind it in the file (certbot: \
                         fullchain.pem)";
    assert_eq!(told(&untrusted), [leads_nowhere]);
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
