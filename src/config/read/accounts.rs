//! `[[domain.credentials]]`, `[domain.register]`, `[[domain.user]]`, `[sip.auth]`, `[[sip.account]]`.

use std::fs;
use std::time::Duration;

use super::{HOUR, MINUTE, SECOND, bare_jid, from_domain, readable_by_all};
use crate::config::accounts::{Auth, EXPIRES, Register, SipAccount, User};
use crate::config::section::Section;
use crate::config::value::Bad;
use crate::sip::auth::{Account, Algorithm, Hash, Key};
use crate::sip::uri::{Scheme, Uri};

/// `[[domain.credentials]]`.
pub(super) fn credentials(section: &Section<'_>) -> Option<Account> {
    let username = section.required("username", "write the user that the SIP server knows stox by");
    let username = username.and_then(|_| section.parsed("username", quotable));
    let realm = section.parsed("realm", quotable);
    if section.has("ha1") && !section.has("realm") {
        section.error("realm", "is missing", "write the realm that the hashes were made for");
    }
    let key = key(section);
    Some(Account { realm, username: username?, key: key? })
}

/// `[domain.register]`, if the domain has it.
pub(super) fn register(section: &Section<'_>) -> Option<Register> {
    if !section.exists() {
        return None;
    }
    let expires = expires(section);
    let contact = section.parsed("contact", contact);
    Some(Register { aor: aor(section)?, contact, expires })
}

/// `[[domain.user]]`.
pub(super) fn user(section: &Section<'_>) -> Option<User> {
    let jid = section.required("jid", "write the bare JID of the user, such as juliet@xmpp.example");
    let jid = jid.and_then(|_| section.parsed("jid", user_jid));
    let aor = aor(section);
    let expires = expires(section);
    let register = section.boolean("register", true);
    let realm = section.parsed("realm", quotable);
    if section.has("ha1") && !section.has("realm") {
        section.error("realm", "is missing", "write the realm that the hashes were made for");
    }
    let own = aor.as_ref().and_then(|aor| aor.user_decoded().ok().flatten()).map(|user| user.into_owned());
    let username = if section.has("username") { section.parsed("username", quotable) } else { own };
    let key = key(section);
    let account = Account { realm, username: username?, key: key? };
    let (voicemail, watchers) = (section.boolean("voicemail", false), section.boolean("watchers", false));
    Some(User { jid: jid?, aor: aor?, account, register, voicemail, watchers, expires })
}

/// `[sip.auth]`.
pub(super) fn auth(section: &Section<'_>) -> Auth {
    let defaults = Auth::default();
    let mut algorithms = section.list("algorithms", algorithm);
    if section.is_empty_list("algorithms") {
        section.error("algorithms", "is empty", "write algorithms = [\"SHA-256\", \"MD5\"]");
    }
    for (at, hash) in algorithms.iter().enumerate() {
        if algorithms.iter().take(at).any(|other| other == hash) {
            section.error("algorithms", format!("{} is there twice", hash.name()), "keep one of the two");
        }
    }
    if algorithms.is_empty() {
        algorithms = defaults.algorithms;
    }
    Auth {
        realm: section.parsed("realm", quotable).unwrap_or(defaults.realm),
        algorithms,
        nonce_life: section.duration("nonce_life", 10 * SECOND..=HOUR, defaults.nonce_life),
    }
}

/// `[[sip.account]]`.
pub(in crate::config) fn account(section: &Section<'_>, auth: &Auth) -> Option<SipAccount> {
    let username = section.required("username", "write the user that the SIP system proves to be");
    let username = username.and_then(|_| section.parsed("username", quotable));
    let key = key(section);
    if let Some(missing) = key.as_ref().and_then(|key| auth.algorithms.iter().find(|hash| !key.has(**hash))) {
        let todo = format!("add it, or leave {} out of algorithms in [sip.auth]", missing.name());
        section.error("ha1", format!("has no hash for {}, which [sip.auth] offers", missing.name()), todo);
    }
    let todo = "write the SIP domains it may use in From, such as [\"pbx.example\"]";
    if !section.has("domains") {
        section.error("domains", "is missing", todo);
    } else if section.is_empty_list("domains") {
        section.error("domains", "is empty", todo);
    }
    let domains = section.list("domains", from_domain);
    Some(SipAccount { username: username?, key: key?, domains })
}

/// What proves a user: one of `password`, `password_file` and `ha1`.
fn key(section: &Section<'_>) -> Option<Key> {
    const KEYS: [&str; 3] = ["password", "password_file", "ha1"];
    let mut given = KEYS.into_iter().filter(|key| section.has(key));
    let Some(first) = given.next() else {
        let todo = "write password = \"…\", password_file = \"…\" with a path, or ha1 = { sha-256 = \"…\" }";
        section.error("password", "is missing", todo);
        return None;
    };
    if let Some(second) = given.next() {
        section.error(second, format!("is given and so is {first}"), "keep one of the two");
        return None;
    }
    let password = match first {
        "password" => section.string("password")?.to_owned(),
        "password_file" => first_line(section)?,
        _ => return hashes(section),
    };
    if password.is_empty() {
        section.error(first, "is empty", "write the password that both sides have");
        return None;
    }
    Some(Key::password(password))
}

/// The first line of `password_file`; a path that is not absolute starts where the configuration file lies.
fn first_line(section: &Section<'_>) -> Option<String> {
    let path = section.dir().join(section.string("password_file")?);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let todo = "create it, readable by the user that stox runs as";
            section.error("password_file", format!("{} cannot be read ({error})", path.display()), todo);
            return None;
        }
    };
    if readable_by_all(&path) {
        section.warn("password_file", format!("{} can be read by everybody", path.display()), "chmod 640 it");
    }
    Some(text.lines().next().unwrap_or_default().to_owned())
}

/// `ha1 = { md5 = "…", sha-256 = "…" }`. A wrong hash is not repeated in what is told: it is a secret.
fn hashes(section: &Section<'_>) -> Option<Key> {
    const TODO: &str = "write { md5 = \"…\", sha-256 = \"…\" } with the hash of user:realm:password";
    let mut hashes = Vec::new();
    for (name, text) in section.pairs("ha1") {
        let Some(Algorithm { hash, session: false }) = Algorithm::named(&name) else {
            section.error("ha1", format!("names \"{name}\", which is no algorithm"), TODO);
            return None;
        };
        if text.len() != hash.digits() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            section.error("ha1", format!("has no {} hexadecimal digits for {name}", hash.digits()), TODO);
            return None;
        }
        hashes.push((hash, text));
    }
    if hashes.is_empty() {
        section.error("ha1", "is empty", TODO);
        return None;
    }
    Some(Key::hashes(hashes))
}

fn expires(section: &Section<'_>) -> Duration {
    section.duration("expires", MINUTE..=24 * HOUR, EXPIRES)
}

fn aor(section: &Section<'_>) -> Option<Uri> {
    section.required("aor", "write the SIP address to register, such as \"sip:stox@pbx.example\"")?;
    section.parsed("aor", |text| sip_uri(text, "write \"sip:USER@HOST\""))
}

/// A user part, or a whole `sip` URI.
fn contact(text: &str) -> Result<String, Bad> {
    const TODO: &str = "write a user such as \"stox\", or \"sip:USER@HOST:PORT;transport=tcp\"";
    let whole = if text.contains([':', '@']) { text.to_owned() } else { format!("sip:{text}@stand-in.invalid") };
    sip_uri(&whole, TODO).map(|_| text.to_owned())
}

fn sip_uri(text: &str, todo: &str) -> Result<Uri, Bad> {
    let bad = |what: &str| Bad { what: what.to_owned(), todo: todo.to_owned() };
    let uri = Uri::parse(text).map_err(|_| bad("is no SIP URI"))?;
    match (uri.scheme(), uri.user()) {
        (Scheme::Sip, Some(user)) if !user.is_empty() => Ok(uri),
        (Scheme::Sip, _) => Err(bad("has no user")),
        (Scheme::Sips | Scheme::Tel | Scheme::Im | Scheme::Pres | Scheme::Other, _) => Err(bad("is no sip URI")),
    }
}

/// A bare JID of a user, in the form that stanzas have it.
fn user_jid(text: &str) -> Result<String, Bad> {
    let address = bare_jid(text)?;
    if address.user.is_none() {
        let todo = "write a bare JID, such as juliet@xmpp.example".to_owned();
        return Err(Bad { what: "has no user".to_owned(), todo });
    }
    let parsed = crate::xmpp::jid::Jid::parse(text);
    Ok(parsed.map_or_else(|_| text.to_owned(), |jid| jid.bare().to_owned()))
}

fn algorithm(text: &str) -> Result<Hash, Bad> {
    let plain = Algorithm::named(text).filter(|algorithm| !algorithm.session);
    plain.map(|algorithm| algorithm.hash).ok_or_else(|| Bad {
        what: "is no algorithm of ours".to_owned(),
        todo: "write SHA-256, SHA-512-256 or MD5".to_owned(),
    })
}

/// What can stand between quotes as it is: a backslash would be hashed by some and not by others.
fn quotable(text: &str) -> Result<String, Bad> {
    let todo = "write it without quotes, backslashes and line breaks".to_owned();
    if text.is_empty() {
        return Err(Bad { what: "is empty".to_owned(), todo });
    }
    if text.contains(['"', '\\']) || text.chars().any(char::is_control) {
        return Err(Bad { what: "has a quote, a backslash or a control character".to_owned(), todo });
    }
    Ok(text.to_owned())
}
