//! The examples of RFC 7622 and XEP-0106, each by its id.

use stox::xmpp::escape::{escape_local, unescape_local};
use stox::xmpp::jid::Jid;

#[derive(serde::Deserialize)]
struct Vectors {
    count: usize,
    vector: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    id: String,
    direction: String,
    input: String,
    output: String,
}

fn vectors(name: &str) -> Vec<Vector> {
    let path = format!("{}/tests/vectors/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let vectors: Vectors = toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(vectors.vector.len(), vectors.count, "{path}");
    vectors.vector
}

#[test]
fn addresses_of_rfc_7622_are_valid_or_not_as_it_says() {
    for vector in vectors("rfc7622") {
        let expected = vector.output.strip_prefix("valid: ");
        let found = Jid::parse(&vector.input);
        assert_eq!(found.as_ref().ok().map(Jid::as_str), expected, "{}", vector.id);
    }
}

#[test]
fn escapes_of_xep_0106_are_as_it_says() {
    for vector in vectors("xep0106") {
        let found = match vector.direction.as_str() {
            "escape" => escape_local(&vector.input),
            "unescape" => Some(unescape_local(&vector.input)),
            // Between addresses of both sides: the mapping's.
            "sip-uri->jid" | "jid->sip-uri" => continue,
            other => panic!("{}: what is {other}?", vector.id),
        };
        assert_eq!(found.as_deref(), Some(vector.output.as_str()), "{}", vector.id);
    }
}

#[test]
fn what_was_escaped_can_be_an_address() {
    for vector in vectors("xep0106").into_iter().filter(|vector| vector.direction == "escape") {
        let jid = Jid::new(Some(&vector.output), "example.com", None);
        assert_eq!(jid.as_ref().ok().and_then(Jid::local), Some(vector.output.as_str()), "{}", vector.id);
    }
}
