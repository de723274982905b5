//! Whether messages can cross, in words.

use std::fmt::Write;

/// Whether both sides are up, and the state of each part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Messages can cross.
    pub ready: bool,
    /// Each link and listener.
    pub parts: Vec<Part>,
}

/// One link or listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is: `XMPP component sip.example`.
    pub name: String,
    /// Whether it works.
    pub up: bool,
    /// Since when, or why not, in words: `the server refused the secret; next try in 30 s`.
    pub detail: String,
}

impl Readiness {
    /// One JSON object: `ready`, `down` (a sentence for each part that is down) and `parts`.
    pub(super) fn to_json(&self) -> String {
        let mut out = format!("{{\"ready\":{},\"down\":[", self.ready);
        for (at, part) in self.parts.iter().filter(|p| !p.up).enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            string(&format!("{}: {}", part.name, part.detail), &mut out);
        }
        out.push_str("],\"parts\":[");
        for (at, part) in self.parts.iter().enumerate() {
            out.push_str(if at == 0 { "{\"name\":" } else { ",{\"name\":" });
            string(&part.name, &mut out);
            out.push_str(if part.up { ",\"up\":true,\"detail\":" } else { ",\"up\":false,\"detail\":" });
            string(&part.detail, &mut out);
            out.push('}');
        }
        out.push_str("]}\n");
        out
    }
}

/// A JSON string (RFC 8259 section 7).
fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
