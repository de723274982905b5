//! Every key there is, by section. The reader refuses to ask for a key that is not here, and the reference file is
//! tested to name each of them.

/// Every section as it is written in the file (`sip.peer`; empty for the top level) with its keys.
pub fn known_keys() -> &'static [(&'static str, &'static [&'static str])] {
    KEYS
}

/// Sections (`""` is the top level) and their keys.
pub(super) const KEYS: &[(&str, &[&str])] = &[
    ("", &["xmpp", "sip", "admin", "dns", "domain", "message", "presence", "store", "limits", "log"]),
    ("xmpp", &["component", "server", "partner"]),
    (
        "xmpp.component",
        &["domain", "server", "secret", "secret_file", "stanza_size", "connect_timeout", "ping_every", "ping_timeout"],
    ),
    (
        "xmpp.server",
        &[
            "domains",
            "listen",
            "certificate",
            "key",
            "trust",
            "connect_timeout",
            "ping_every",
            "ping_timeout",
            "idle",
            "queue",
            "queue_timeout",
            "connections",
            "connections_per_source",
            "posh",
            "contacts",
        ],
    ),
    ("xmpp.server.contacts", &["abuse", "admin", "feedback", "sales", "security", "status", "support"]),
    (
        "xmpp.partner",
        &[
            "domain",
            "allow",
            "authentication",
            "host",
            "direct_tls",
            "connections",
            "stanzas_per_second",
            "bytes_per_second",
            "stanza_size",
        ],
    ),
    ("sip", &["listen", "advertise", "t1", "unknown_source", "tls", "peer", "auth", "account"]),
    ("sip.tls", &["certificate", "key", "trust", "client_certificates"]),
    ("sip.auth", &["realm", "algorithms", "nonce_life"]),
    ("sip.account", &["username", "password", "password_file", "ha1", "domains"]),
    (
        "sip.peer",
        &[
            "name",
            "source",
            "tls_name",
            "account",
            "domains",
            "asserted_identity",
            "accept",
            "rate",
            "burst",
            "user_rate",
            "user_burst",
        ],
    ),
    ("admin", &["listen"]),
    (
        "domain",
        &[
            "home",
            "xmpp",
            "sip",
            "next_hop",
            "tls_name",
            "source",
            "peer",
            "max_message",
            "max_body",
            "options_every",
            "large",
            "forward",
            "uri",
            "pager_as_chat",
            "call_id_as_thread",
            "gruu",
            "typing",
            "xhtml_im",
            "global_failures",
            "anonymous",
            "rule",
            "numbers",
            "credentials",
            "register",
            "user",
            "presence",
        ],
    ),
    (
        "domain.numbers",
        &[
            "country",
            "area",
            "main",
            "extension_length",
            "trunk_prefix",
            "international_prefix",
            "national_length",
            "sip",
            "jid",
            "uri",
        ],
    ),
    ("domain.credentials", &["realm", "username", "password", "password_file", "ha1"]),
    ("domain.register", &["aor", "contact", "expires"]),
    (
        "domain.user",
        &[
            "jid",
            "aor",
            "realm",
            "username",
            "password",
            "password_file",
            "ha1",
            "register",
            "expires",
            "voicemail",
            "watchers",
        ],
    ),
    (
        "domain.presence",
        &[
            "watch",
            "serve",
            "expires",
            "busy",
            "busy_text",
            "ringing_text",
            "held_text",
            "caller_of",
            "dnd_is_busy",
            "publish",
            "list",
        ],
    ),
    ("domain.rule", &["kind", "pairs", "sip", "to_xmpp", "xmpp", "to_sip"]),
    ("dns", &["servers", "timeout", "attempts", "dnssec"]),
    ("message", &["confirm_within", "queue_per_pair"]),
    ("presence", &["subscriptions", "per_watcher", "per_target", "per_domain", "per_peer", "notify_every", "document"]),
    ("store", &["url", "url_file"]),
    (
        "limits",
        &[
            "messages_to_sip",
            "messages_to_xmpp",
            "server_transactions",
            "sip_message",
            "tcp_connections",
            "tcp_connections_per_source",
            "tcp_handshake",
            "tcp_idle",
            "tcp_idle_strangers",
            "tcp_keepalive",
            "tcp_stall",
            "tcp_output",
            "tcp_output_in_all",
            "xmpp_output",
        ],
    ),
    ("log", &["format", "level"]),
];

/// The keys of a section.
pub(super) fn of(section: &str) -> &'static [&'static str] {
    KEYS.iter().find(|(name, _)| *name == section).map_or(&[], |(_, keys)| keys)
}

/// The full name of the section `key` below `section`.
pub(super) fn below(section: &str, key: &str) -> &'static str {
    KEYS.iter()
        .map(|(name, _)| *name)
        .find(|name| match section {
            "" => *name == key,
            _ => name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) == Some(key),
        })
        .unwrap_or("")
}

/// Sections that there can be several of.
const LISTS: [&str; 8] = [
    "xmpp.component",
    "xmpp.partner",
    "sip.peer",
    "sip.account",
    "domain",
    "domain.rule",
    "domain.credentials",
    "domain.user",
];

/// A section as one writes it.
fn written(section: &str) -> String {
    if LISTS.contains(&section) { format!("[[{section}]]") } else { format!("[{section}]") }
}

/// Where a key belongs that `section` does not know: in the section around it, or the only one that knows it.
pub(super) fn home_of(key: &str, section: &str) -> Option<String> {
    let around = section.rsplit_once('.').map(|(around, _)| around).filter(|around| of(around).contains(&key));
    let mut homes = KEYS.iter().filter(|(_, keys)| keys.contains(&key)).map(|(name, _)| *name);
    let home = match (around, homes.next(), homes.next()) {
        (Some(around), _, _) => around,
        (None, Some(only), None) => only,
        (None, _, _) => return None,
    };
    let place = if home.is_empty() { "the top level".to_owned() } else { written(home) };
    Some(match (below(home, key), around) {
        ("", Some(_)) => format!("{place}, above {}", written(section)),
        ("", None) => place,
        (itself, _) => format!("{place}, as {}", written(itself)),
    })
}

/// The known key that `key` is probably a misspelling of.
pub(super) fn closest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let furthest = (key.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|k| (distance(&key.to_lowercase().replace('-', "_"), k), *k))
        .filter(|(distance, _)| *distance <= furthest)
        .min()
        .map(|(_, k)| k)
}

/// Levenshtein's distance: insertions, deletions and substitutions from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (y, (above, diagonal)) in b.iter().zip(row.iter().skip(1).zip(&row)) {
            let left = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(x != *y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
