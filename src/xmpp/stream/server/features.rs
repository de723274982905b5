//! Stream features (RFC 6120 section 4.3.2) of streams between servers, read and written.

use crate::xml::{Element, ns, writer};

/// What a peer offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) starttls: bool,
    /// SASL EXTERNAL is among the mechanisms.
    pub(super) external: bool,
    /// Dialback, and whether its errors leave the stream alive (XEP-0220 section 2.4.2).
    pub(super) dialback: bool,
    pub(super) errors: bool,
    pub(super) bidi: bool,
    /// Acknowledgements (XEP-0198).
    pub(super) sm: bool,
    /// The name of a feature that must be negotiated and is not known here (section 4.3.2: then the stream is of no use).
    pub(super) unknown: Option<String>,
}

impl Features {
    pub(super) fn read(element: &Element) -> Self {
        let mut features = Self::default();
        for child in element.children() {
            match (child.ns(), child.name()) {
                (ns::TLS, "starttls") => features.starttls = true,
                (ns::SASL, "mechanisms") => {
                    let mut offered = child.children().filter(|child| child.is(ns::SASL, "mechanism"));
                    features.external = offered.any(|mechanism| mechanism.text().trim() == "EXTERNAL");
                }
                (ns::DIALBACK_FEATURE, "dialback") => {
                    features.dialback = true;
                    features.errors = child.children().any(|child| child.name() == "errors");
                }
                (ns::BIDI_FEATURE, "bidi") => features.bidi = true,
                (ns::SM, "sm") => features.sm = true,
                _ if child.children().any(|child| child.name() == "required") => {
                    features.unknown = Some(child.name().to_owned());
                }
                _ => {}
            }
        }
        features
    }
}

/// What we offer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) starttls: bool,
    /// TLS must come first; then nothing else is offered (RFC 6120 section 5.3.1).
    pub(super) required: bool,
    pub(super) external: bool,
    pub(super) dialback: bool,
    pub(super) bidi: bool,
    pub(super) sm: bool,
}

impl Offer {
    /// Appends `<stream:features/>`; `informs`: what only informs, as XML.
    pub(super) fn write(self, informs: &str, out: &mut Vec<u8>) {
        let mut say = |text: &str| out.extend_from_slice(text.as_bytes());
        say("<stream:features>");
        let mut feature = |name: &str, ns: &str, inside: &str| {
            say("<");
            say(name);
            say(" xmlns='");
            say(ns);
            say("'>");
            say(inside);
            say("</");
            say(name);
            say(">");
        };
        if self.starttls {
            feature("starttls", ns::TLS, if self.required { "<required/>" } else { "" });
        }
        if self.external {
            feature("mechanisms", ns::SASL, "<mechanism>EXTERNAL</mechanism>");
        }
        if self.dialback {
            feature("dialback", ns::DIALBACK_FEATURE, "<errors/>");
        }
        if self.bidi {
            feature("bidi", ns::BIDI_FEATURE, "");
        }
        if self.sm {
            feature("sm", ns::SM, "");
        }
        say(informs);
        say("</stream:features>");
    }
}

/// `name` in `ns`, without content, as text.
pub(super) fn empty(name: &str, ns: &str) -> String {
    let mut out = Vec::new();
    writer::write(&Element::new(ns, name), "", &mut out);
    String::from_utf8(out).unwrap_or_default()
}
