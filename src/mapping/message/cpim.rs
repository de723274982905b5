//! [`InstantMessage`] <-> message/cpim as RFC 3922 section 4 has it, for peers that speak CPIM itself.
//!
//! A message/cpim body *inside* a SIP request is read by `sip`, where SIP's From and To count
//! (A-CPIM-01); here those of the object do.

use super::super::Mapping;
use super::super::address::push_user;
use super::super::domain::{DomainMapping, Home, UriForm};
use super::super::host::ascii_host;
use super::body::{self, Part};
use crate::model::cpim::{Cpim, NamedUri, write_text};
use crate::model::{Address, Content, Failure, InstantMessage, Reason};
use crate::sip::uri::{Scheme, Uri};

impl Mapping {
    /// RFC 3922 section 4.2: cc, DateTime, NS and unknown headers stay behind, Content-ID is the id.
    ///
    /// # Errors
    /// A header that must be understood, an address that is none, content that is no text.
    pub fn cpim_to_message(&self, object: &Cpim<'_>) -> Result<Option<InstantMessage>, Failure> {
        body::refuse_required(object)?;
        let missing = || Failure::because(Reason::BadRequest, "message/cpim without From or To");
        let from = cpim_to_address(self, object.from.as_ref().ok_or_else(missing)?)?;
        let to = cpim_to_address(self, object.to.first().ok_or_else(missing)?)?;
        let found = body::read(self.contents, Part::of_entity(&object.content))?;
        let content = match (found.bodies.is_empty(), found.composing) {
            (false, _) => Content::Text { bodies: found.bodies, html: None },
            (true, Some(state)) => Content::Composing(state),
            (true, None) => return Ok(None),
        };
        let id = object.content.header("Content-ID").map(|id| id.trim_matches(['<', '>', ' ']).to_owned());
        Ok(Some(InstantMessage {
            from,
            to,
            id: id.filter(|id| !id.is_empty()),
            thread: None,
            subjects: body::subjects(object),
            content,
            nick: None,
            hops: None,
            sent: None,
            chat: false,
        }))
    }

    /// RFC 3922 section 4.1: bare addresses as `im:` URIs; type, thread and id stay behind.
    ///
    /// # Errors
    /// A typing state, which is no text.
    pub fn message_to_cpim(&self, message: &InstantMessage) -> Result<String, Failure> {
        let Content::Text { bodies, .. } = &message.content else { return Err(Reason::MediaTypeUnsupported.into()) };
        let words = bodies.first().map(|body| body.text.as_str()).unwrap_or_default();
        let name = message.nick.clone().unwrap_or_default();
        let from = NamedUri { name, uri: address_to_cpim(&message.from) };
        let to = NamedUri { name: String::new(), uri: address_to_cpim(&message.to) };
        Ok(write_text(&from, &to, message.sent, &message.subjects, words))
    }
}

/// RFC 3922 section 3.2 with the characters of RFC 7247 section 6.5 (A-CPIM-02): no resource, `im:`.
#[must_use]
pub fn address_to_cpim(address: &Address) -> String {
    let mut uri = String::from("im:");
    if let Some(user) = &address.user {
        push_user(user, UriForm::Im, &mut uri);
        uri.push('@');
    }
    uri.push_str(&ascii_host(&address.domain));
    uri
}

/// RFC 3922 section 3.3: a domain that no mapping names is the same on both sides.
fn cpim_to_address(mapping: &Mapping, address: &NamedUri) -> Result<Address, Failure> {
    let uri = Uri::parse(&address.uri).map_err(|error| Failure::because(Reason::BadRequest, error.to_string()))?;
    if uri.scheme() == Scheme::Im {
        let host = super::super::address::host_text(&uri).into_owned();
        let domain = DomainMapping::new(Home::Sip, &host, &host, None);
        return Ok(mapping.resolve(&domain, &uri, &host)?);
    }
    Ok(mapping.uri_to_address_anywhere(&uri)?)
}
