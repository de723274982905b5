//! A notification about many: multipart/related, whose root says who is on the list and which part has whose state
//! (RFC 4662 section 5).

use std::collections::HashMap;

use crate::model::event::Error;
use crate::model::mime::{self, Entity, MediaType};
use crate::model::presence::Presence;
use crate::model::{pidf, resource_list};

/// The media type of the whole (RFC 2387).
pub(in super::super) const MEDIA_TYPE: &str = "multipart/related";

/// Parts of one: the root, and one for each instance. Each needs some hundred bytes, so this is what 64 KiB can hold.
const PARTS: usize = 1_024;

/// What one notification says.
#[derive(Debug)]
pub(in super::super::super) struct ListDocument {
    /// Who is on the list.
    pub(in super::super) list: resource_list::List,
    /// Their states, by Content-ID without its angle brackets.
    pub(in super::super) states: HashMap<String, Presence>,
}

impl ListDocument {
    /// Reads a body of this Content-Type. A part that is no presence document, or one that cannot be read, is left out: the
    /// others are not to suffer for it.
    ///
    /// # Errors
    /// There is no root, or it is no document of RFC 4662.
    pub(in super::super) fn read(content_type: &str, bytes: &[u8], limits: &pidf::Limits) -> Result<Self, Error> {
        let media = MediaType::parse(content_type);
        let boundary = media.as_ref().and_then(|media| media.param("boundary")).ok_or(Error::Root("list"))?;
        let parts: Vec<_> =
            mime::parts_up_to(bytes, boundary, PARTS).into_iter().map(|part| (id_of(part), part)).collect();
        let start = media.as_ref().and_then(|media| media.param("start")).map(bare);
        let named = start.and_then(|start| parts.iter().position(|(id, _)| id.as_deref() == Some(start)));
        let root = named.unwrap_or(0);
        let (essence, bytes) = parts.get(root).and_then(|(_, part)| content(part)).ok_or(Error::Root("list"))?;
        if essence != resource_list::MEDIA_TYPE {
            return Err(Error::Root("list"));
        }
        let list = resource_list::read(&bytes)?;
        let mut states = HashMap::new();
        for (at, (id, part)) in parts.into_iter().enumerate() {
            let Some((id, (essence, bytes))) = id.zip(content(part)) else { continue };
            if at == root || essence != pidf::MEDIA_TYPE {
                continue;
            }
            match pidf::read(&bytes, limits) {
                Ok(state) => drop(states.insert(id, state)),
                Err(error) => tracing::debug!(%error, "a member of a list has a state that cannot be read"),
            }
        }
        Ok(Self { list, states })
    }
}

fn bare(id: &str) -> &str {
    id.trim().trim_matches(['<', '>'])
}

fn id_of(part: &[u8]) -> Option<String> {
    Entity::parse(part).header("Content-ID").map(|id| bare(id).to_owned())
}

/// The media type of a part and its bytes, as they were before they were encoded.
fn content(part: &[u8]) -> Option<(String, std::borrow::Cow<'_, [u8]>)> {
    let entity = Entity::parse(part);
    let essence = MediaType::parse(entity.header("Content-Type")?)?.essence;
    let encoding = entity.header("Content-Transfer-Encoding").unwrap_or_default().to_owned();
    Some((essence, mime::decode_transfer(&encoding, entity.body)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/related;type=\"application/rlmi+xml\";start=\"<root@b>\";boundary=\"x\"";

    fn body(second: &str) -> String {
        "--x\r\nContent-ID: <a@b>\r\nContent-Type: application/pidf+xml\r\n\r\n\
         <presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:a@b'/>\r\n\
         --x\r\nContent-ID: <root@b>\r\nContent-Type: application/rlmi+xml;charset=\"UTF-8\"\r\n\r\n\
         <list xmlns='urn:ietf:params:xml:ns:rlmi' uri='sip:l@b' version='0' fullState='true'>\
         <resource uri='sip:a@b'><instance id='1' state='active' cid='a@b'/></resource></list>\r\n\
         --x\r\nContent-ID: <c@b>\r\nContent-Type: application/pidf+xml\r\n\r\n"
            .to_owned()
            + second
            + "\r\n--x--\r\n"
    }

    fn read(content_type: &str, body: &str) -> Result<ListDocument, Error> {
        ListDocument::read(content_type, body.as_bytes(), &pidf::Limits::default())
    }

    #[test]
    fn the_root_is_where_the_type_says_and_a_part_that_is_broken_spoils_no_other() {
        let read = read(TYPE, &body("<presence")).unwrap();
        assert_eq!(read.list.resources.len(), 1);
        assert_eq!(read.states.keys().collect::<Vec<_>>(), ["a@b"]);
    }

    #[test]
    fn what_has_no_such_root_is_refused() {
        for content_type in ["multipart/related", "multipart/related;boundary=\"x\"", "multipart/related;boundary=y"] {
            assert!(read(content_type, &body("")).is_err(), "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in "(--x\r\n|Content-ID: <a>\r\n|Content-Type: application/rlmi\\+xml\r\n|\r\n|[ -~]{0,9}){0,30}") {
            let _ = read(TYPE, &bytes);
        }
    }
}
