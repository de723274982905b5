//! What a list of resources tells of its members: application/rlmi+xml, the root of a multipart/related notification
//! (RFC 4662 section 5). The state of a member is in another part of the same multipart, which its `cid` names.

use super::event::{self, Error};
use crate::xml::Element;

/// The namespace (section 5.1).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:rlmi";
/// The media type.
pub const MEDIA_TYPE: &str = "application/rlmi+xml";
/// Members of one document: lists on PBXs have some hundred.
pub const MAX_RESOURCES: usize = 2_000;
/// Instances of a member: one, or as many as its subscription has forks.
pub const MAX_INSTANCES: usize = 16;

/// One document (section 5.2). Its turn is [`Versions::turn_of_list`](event::Versions::turn_of_list).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Which list: a URI.
    pub uri: String,
    /// Which document of the subscription it is.
    pub version: u32,
    /// Whether it has all members, or those that have changed.
    pub full: bool,
    /// The members.
    pub resources: Vec<Resource>,
}

/// One member (section 5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Who it is: a URI.
    pub uri: String,
    /// What people call it: the first of its names.
    pub name: Option<String>,
    /// The subscriptions that the list server has to it; none while there is none.
    pub instances: Vec<Instance>,
}

/// One subscription of the list server to a member (section 5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// What distinguishes it from others of the member.
    pub id: String,
    /// How far it is.
    pub state: State,
    /// Why it is over, in the words of Subscription-State.
    pub reason: Option<String>,
    /// Which part of the multipart has the state: a Content-ID without its angle brackets.
    pub cid: Option<String>,
}

/// How far a subscription to a member is: as in Subscription-State.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It may be watched.
    Active,
    /// It has not said.
    Pending,
    /// Over.
    Terminated,
}

/// Reads a document. An instance whose state is none is left out.
///
/// # Errors
/// What it breaks of XML, another root, an attribute that is missing or wrong, more than the limits.
pub fn read(body: &[u8]) -> Result<List, Error> {
    let root = event::root(body, NAMESPACE, "list")?;
    let full = match root.attr("fullState").map(str::trim) {
        Some("true" | "1") => true,
        Some("false" | "0") => false,
        Some(_) | None => return Err(Error::Attribute("fullState")),
    };
    let resources = event::children(&root, NAMESPACE, "resource", "resources", MAX_RESOURCES)?;
    Ok(List {
        uri: event::required(&root, "uri")?,
        version: event::number(&root, "version")?,
        full,
        resources: resources.into_iter().map(read_resource).collect::<Result<_, _>>()?,
    })
}

fn read_resource(element: &Element) -> Result<Resource, Error> {
    let name = element.child(NAMESPACE, "name").map(|name| name.text().trim().to_owned());
    let mut instances = Vec::new();
    for each in event::children(element, NAMESPACE, "instance", "instances", MAX_INSTANCES)? {
        let state = match each.attr("state").map(str::trim) {
            Some("active") => State::Active,
            Some("pending") => State::Pending,
            Some("terminated") => State::Terminated,
            Some(_) | None => continue,
        };
        let cid = each.attr("cid").map(|cid| cid.trim().trim_matches(['<', '>']).to_owned());
        let reason = each.attr("reason").map(|reason| reason.trim().to_owned());
        instances.push(Instance { id: event::required(each, "id")?, state, reason, cid });
    }
    Ok(Resource { uri: event::required(element, "uri")?, name: name.filter(|name| !name.is_empty()), instances })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn text(attributes: &str, inside: &str) -> String {
        format!("<?xml version='1.0' encoding='UTF-8'?><list xmlns='{NAMESPACE}' {attributes}>{inside}</list>")
    }

    #[test]
    fn members_and_their_parts_are_read() {
        let inside = "<name xml:lang='en'>Buddy List at COM</name>
            <resource uri='sip:bob@b'><name>Bob Smith</name><instance id='juwigmtboe' state='active' cid='&lt;bUZBsM@b&gt;'/></resource>
            <resource uri='sip:dave@b'><instance id='h' state='terminated' reason='rejected'/><instance id='i' state='odd'/></resource>
            <resource uri='sip:ed@b'/>";
        let list = read(text("uri='sip:l@b' version='7' fullState='true'", inside).as_bytes()).unwrap();
        assert_eq!((list.uri.as_str(), list.version, list.full, list.resources.len()), ("sip:l@b", 7, true, 3));
        let bob = &list.resources[0];
        assert_eq!((bob.uri.as_str(), bob.name.as_deref()), ("sip:bob@b", Some("Bob Smith")));
        assert_eq!(bob.instances[0].cid.as_deref(), Some("bUZBsM@b"));
        let [dave] = list.resources[1].instances.as_slice() else { panic!("{list:?}") };
        assert_eq!((dave.state, dave.reason.as_deref()), (State::Terminated, Some("rejected")));
    }

    #[test]
    fn what_is_no_such_document_is_refused_with_the_reason() {
        let refused = |attributes: &str, inside: &str| read(text(attributes, inside).as_bytes()).unwrap_err();
        let good = "uri='sip:l@b' version='0' fullState='1'";
        assert_eq!(refused("uri='sip:l@b' version='0'", ""), Error::Attribute("fullState"));
        assert_eq!(refused("version='0' fullState='0'", ""), Error::Attribute("uri"));
        assert_eq!(refused("uri='sip:l@b' fullState='0'", ""), Error::Attribute("version"));
        assert_eq!(refused(good, "<resource/>"), Error::Attribute("uri"));
        assert_eq!(
            refused(good, &"<resource uri='sip:a@b'/>".repeat(MAX_RESOURCES + 1)),
            Error::TooMany("resources", MAX_RESOURCES)
        );
        let many = "<instance id='i' state='active'/>".repeat(MAX_INSTANCES + 1);
        assert_eq!(
            refused(good, &format!("<resource uri='sip:a@b'>{many}</resource>")),
            Error::TooMany("instances", MAX_INSTANCES)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
