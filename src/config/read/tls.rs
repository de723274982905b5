//! `[sip.tls]`, and the certificates of `[xmpp.server]`, with a look into the files that they name.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::Tls;
use crate::config::section::Section;
use crate::time::Timestamp;
use crate::tls::audit::{self, Examined, Fault, Weight};
use crate::tls::files::Role;
use crate::tls::{Anchors, ClientCertificates, Files, xmpp};

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
    let mut own = None;
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        own = look_into(section, certificate, key);
    }
    if let Some(trust) = trust(section, dir) {
        files.trust = trust;
    }
    tell(section, own.and_then(|own| own.path(&files.trust)));
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
    let (mut files, mut own) = (xmpp::Files::default(), Vec::new());
    for (certificate, key) in certificates.iter().zip(&keys).filter(|_| as_many) {
        let pair = xmpp::Pair { certificate: dir.join(certificate), key: dir.join(key) };
        own.extend(look_into(section, &pair.certificate, &pair.key));
        files.certificates.push(pair);
    }
    if let Some(trust) = trust(section, dir) {
        files.trust = trust;
    }
    tell(section, own.iter().filter_map(|own| own.path(&files.trust)));
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
    tell(section, audit::trust(&trust));
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
fn look_into(section: &Section<'_>, certificate: &Path, key: &Path) -> Option<Examined> {
    let (examined, faults) = audit::pair(certificate, key, now());
    tell(section, faults);
    if super::readable_by_all(key) {
        section.warn("key", format!("{} can be read by everybody", key.display()), "chmod 640 it");
    }
    examined
}

/// Tells each fault at the key that it is about.
pub(in crate::config) fn tell(section: &Section<'_>, faults: impl IntoIterator<Item = Fault>) {
    for Fault { role, weight, what, todo } in faults {
        let key = match role {
            Role::Certificate => "certificate",
            Role::Key => "key",
            Role::Trust => "trust",
        };
        match weight {
            Weight::Unusable => section.error(key, what, todo),
            Weight::Refused => section.failing(key, what, todo),
            Weight::Doubtful => section.warn(key, what, todo),
        }
    }
}

/// The certificates among these that can be read; what is wrong with the others was told where they were.
pub(in crate::config) fn examined<'f>(pairs: impl Iterator<Item = (&'f Path, &'f Path)>) -> Vec<Examined> {
    pairs.filter_map(|(certificate, key)| audit::pair(certificate, key, now()).0).collect()
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
