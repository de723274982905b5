//! Bytes to XML, in the encodings that phones say they use.

use std::borrow::Cow;

use super::{Error, Limits};
use crate::model::charset;
use crate::xml::{self, Element, ErrorKind, reader};

/// Reads the XML of a document of at most [`Limits::bytes`].
pub(super) fn parse(document: &[u8], limits: &Limits) -> Result<Element, Error> {
    if document.len() > limits.bytes {
        return Err(Error::TooLong(document.len()));
    }
    let xml_limits = xml::Limits { stanza: limits.bytes, depth: limits.depth, ..xml::Limits::document() };
    let document = document.trim_ascii_start();
    match reader::parse(document, &xml_limits) {
        Err(error) if error.kind == ErrorKind::Encoding => match in_utf8(document) {
            Some(text) => Ok(reader::parse(text.as_bytes(), &xml_limits)?),
            None => Err(Error::Xml(error)),
        },
        read => Ok(read?),
    }
}

/// A document that declares another encoding (RFC 3863 section 4.1 wants UTF-8), without its declaration. Asterisk's
/// chan_sip declares ISO-8859-1 and sends the UTF-8 of its configuration, so what is UTF-8 is read as that.
fn in_utf8(document: &[u8]) -> Option<Cow<'_, str>> {
    let end = memchr::memmem::find(document, b"?>")?;
    let declaration = std::str::from_utf8(document.get(..end)?).ok()?.strip_prefix("<?xml")?;
    let body = document.get(end + 2..)?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (encoding, _) = value.get(1..)?.split_once(quote)?;
    let said = charset::decode(Some(encoding), body)?;
    Some(std::str::from_utf8(body).map_or(said, Cow::Borrowed))
}
