//! `[sip.tls]`, with a look into the files that it names.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;

use crate::config::Tls;
use crate::config::section::Section;
use crate::tls::files::{self, FileError, Role};
use crate::tls::{Anchors, ClientCertificates, Files};

/// How long before its end a certificate is worth a warning: time enough to have a new one signed by hand.
const SOON: i64 = 14 * 24 * 60 * 60;

/// `[sip.tls]`, if the file has it. Paths that are not absolute start at `dir`.
pub(super) fn tls(section: &Section<'_>, dir: &Path) -> Option<Tls> {
    if !section.exists() {
        return None;
    }
    for (key, other) in [("certificate", "key"), ("key", "certificate")] {
        if !section.has(key) && section.has(other) {
            section.error(key, "is missing", format!("write {key} = \"FILE.pem\" too"));
        }
    }
    let path = |key| section.string(key).map(|path| dir.join(path));
    let mut files = Files { certificate: path("certificate"), key: path("key"), ..Files::default() };
    if section.has("trust") {
        files.trust = section.list("trust", |text| Ok(anchors(text, dir)));
        if section.is_empty_list("trust") {
            section.error("trust", "is empty, so no peer could be trusted", "write [\"system\"] or [\"FILE.pem\"]");
        }
    }
    let clients = [
        ("none", ClientCertificates::None),
        ("ask", ClientCertificates::Ask),
        ("require", ClientCertificates::Require),
    ];
    let client_certificates = section.choice("client_certificates", &clients).unwrap_or(ClientCertificates::Ask);
    look_into(section, &files);
    Some(Tls { files, client_certificates })
}

fn anchors(text: &str, dir: &Path) -> Anchors {
    if text == "system" { Anchors::System } else { Anchors::File(dir.join(text)) }
}

/// Tells what is wrong with the files.
fn look_into(section: &Section<'_>, files: &Files) {
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        match files::own(certificate, key, &aws_lc_rs::default_provider()) {
            Ok(own) => look_at_dates(section, certificate, own.not_before, own.not_after),
            Err(error) => told(section, &error),
        }
        if super::readable_by_all(key) {
            section.warn("key", format!("{} can be read by everybody", key.display()), "chmod 640 it");
        }
    }
    let named: Vec<Anchors> = files.trust.iter().filter(|anchors| **anchors != Anchors::System).cloned().collect();
    if let Err(error) = files::anchors(&named) {
        told(section, &error);
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
