//! `[sip.tls]`, and the certificates of `[xmpp.server]`, with a look into the files that they name.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;

use crate::config::Tls;
use crate::config::section::Section;
use crate::tls::files::{self, FileError, Role};
use crate::tls::{Anchors, ClientCertificates, Files, xmpp};

/// How long before its end a certificate is worth a warning: time enough to have a new one signed by hand.
const SOON: i64 = 14 * 24 * 60 * 60;

/// `[sip.tls]`, if the file has it. Paths that are not absolute start at `dir`.
pub(super) fn tls(section: &Section<'_>, dir: &Path) -> Option<Tls> {
    if !section.exists() {
        return None;
    }
    told_if_half(section);
    let path = |key| section.string(key).map(|path| dir.join(path));
    let mut files = Files { certificate: path("certificate"), key: path("key"), ..Files::default() };
    let clients = [
        ("none", ClientCertificates::None),
        ("ask", ClientCertificates::Ask),
        ("require", ClientCertificates::Require),
    ];
    let client_certificates = section.choice("client_certificates", &clients).unwrap_or(ClientCertificates::Ask);
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        look_into(section, certificate, key);
    }
    if let Some(trust) = trust(section, dir) {
        files.trust = trust;
    }
    Some(Tls { files, client_certificates })
}

/// `certificate` and `key` of `[xmpp.server]`, one of each or lists of as many, and its `trust`.
pub(super) fn of_server(section: &Section<'_>, dir: &Path) -> xmpp::Files {
    told_if_half(section);
    let (certificates, keys) = (section.texts("certificate"), section.texts("key"));
    let as_many = certificates.len() == keys.len();
    if section.has("certificate") && section.has("key") && !as_many {
        let what = format!("has {} for {} of certificate", files_of(keys.len()), certificates.len());
        section.error("key", what, "write the key of each certificate, in the same order");
    }
    let mut files = xmpp::Files::default();
    for (certificate, key) in certificates.iter().zip(&keys).filter(|_| as_many) {
        let pair = xmpp::Pair { certificate: dir.join(certificate), key: dir.join(key) };
        look_into(section, &pair.certificate, &pair.key);
        files.certificates.push(pair);
    }
    if let Some(trust) = trust(section, dir) {
        files.trust = trust;
    }
    files
}

fn files_of(count: usize) -> String {
    if count == 1 { "one file".to_owned() } else { format!("{count} files") }
}

/// `trust`, if it is written, with a look into its files.
fn trust(section: &Section<'_>, dir: &Path) -> Option<Vec<Anchors>> {
    if !section.has("trust") {
        return None;
    }
    let trust = section.list("trust", |text| Ok(anchors(text, dir)));
    if section.is_empty_list("trust") {
        section.error("trust", "is empty, so no peer could be trusted", "write [\"system\"] or [\"FILE.pem\"]");
    }
    let named: Vec<Anchors> = trust.iter().filter(|anchors| **anchors != Anchors::System).cloned().collect();
    if let Err(error) = files::anchors(&named) {
        told(section, &error);
    }
    Some(trust)
}

/// A certificate without key, or the other way round.
fn told_if_half(section: &Section<'_>) {
    for (key, other) in [("certificate", "key"), ("key", "certificate")] {
        if !section.has(key) && section.has(other) {
            section.error(key, "is missing", format!("write {key} = \"FILE.pem\" too"));
        }
    }
}

fn anchors(text: &str, dir: &Path) -> Anchors {
    if text == "system" { Anchors::System } else { Anchors::File(dir.join(text)) }
}

/// Tells what is wrong with a certificate and its key.
fn look_into(section: &Section<'_>, certificate: &Path, key: &Path) {
    match files::own(certificate, key, &aws_lc_rs::default_provider()) {
        Ok(own) => look_at_dates(section, certificate, own.not_before, own.not_after),
        Err(error) => told(section, &error),
    }
    if super::readable_by_all(key) {
        section.warn("key", format!("{} can be read by everybody", key.display()), "chmod 640 it");
    }
}

fn told(section: &Section<'_>, error: &FileError) {
    let (key, todo) = match error.role {
        Role::Certificate => {
            ("certificate", "write the path of a PEM file: stox's certificate, then those that signed it")
        }
        Role::Key if error.why.starts_with("does not belong") => {
            ("key", "name the key that this certificate was made for")
        }
        Role::Key => ("key", "write the path of its private key, a PEM file that the user stox runs as can read"),
        Role::Trust => ("trust", "write \"system\", or the paths of PEM files with the certificates of authorities"),
    };
    section.error(key, error.to_string(), todo);
}

fn look_at_dates(section: &Section<'_>, certificate: &Path, not_before: i64, not_after: i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let file = certificate.display();
    let what = if now > not_after {
        format!("{file} expired on {}", files::date(not_after))
    } else if now < not_before {
        format!("{file} is not valid before {}", files::date(not_before))
    } else if not_after - now < SOON {
        format!("{file} expires on {}", files::date(not_after))
    } else {
        return;
    };
    section.warn("certificate", what, "put a new one there; it is read without a restart");
}
