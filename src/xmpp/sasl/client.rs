//! The initiating entity's side, by certificate: EXTERNAL (RFC 4422 appendix A), as XEP-0178 section 3 has it.

use super::{Condition, Mechanism, base64};
use crate::xml::{Element, ns};

/// The initiating side of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    authzid: String,
    asked: bool,
}

/// What comes of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Send this.
    Send(Element),
    /// The peer believes us: the stream is restarted.
    Done,
    /// It does not. What it still offers, dialback or another mechanism, may be tried.
    Failed(Condition),
}

impl Client {
    /// As whom we want to act: on server-to-server streams the domain that is `from` in the stream's header. It says
    /// nothing new, but there are servers that expect it.
    #[must_use]
    pub fn external(authzid: &str) -> Self {
        Self { authzid: authzid.to_owned(), asked: false }
    }

    /// Whether the feature `<mechanisms/>` offers what this client can.
    #[must_use]
    pub fn is_offered(mechanisms: &Element) -> bool {
        let name = Mechanism::External.name();
        mechanisms.children().any(|child| child.is(ns::SASL, "mechanism") && child.text().trim() == name)
    }

    /// The element that begins the try.
    #[must_use]
    pub fn auth(&self) -> Element {
        let auth = Element::new(ns::SASL, "auth").with_attr("mechanism", Mechanism::External.name());
        auth.with_text(&base64::encode(self.authzid.as_bytes()))
    }

    /// Takes what the peer answers, an element of [`ns::SASL`].
    pub fn receive(&mut self, element: &Element) -> Next {
        match element.name() {
            "success" => Next::Done,
            "failure" => Next::Failed(Condition::from_element(element)),
            // A server that passed over our initial response asks for it, once.
            "challenge" if !self.asked => {
                self.asked = true;
                let response = Element::new(ns::SASL, "response");
                Next::Send(response.with_text(&base64::encode(self.authzid.as_bytes())))
            }
            "challenge" => Next::Send(Element::new(ns::SASL, "abort")),
            _ => Next::Failed(Condition::NotAuthorized),
        }
    }
}
