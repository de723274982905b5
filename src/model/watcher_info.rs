//! Who watches somebody: application/watcherinfo+xml (RFC 3858).

use super::event::{self, Error, MAX_NAME, Versions, WantsFull};
use crate::xml::Element;

/// The namespace (section 3).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:watcherinfo";
/// The media type.
pub const MEDIA_TYPE: &str = "application/watcherinfo+xml";
/// Lists of one document: one for each resource and package.
pub const MAX_LISTS: usize = 16;
/// Watchers of one list, and of one user: more than wait for anybody's consent; of the others nothing is needed.
pub const MAX_WATCHERS: usize = 2_000;

/// One document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Which of the subscription it is.
    pub version: u32,
    /// Whether it has all watchers, or those that have changed.
    pub full: bool,
    /// The watchers by what they watch.
    pub lists: Vec<List>,
}

/// The watchers of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// What they watch: a URI.
    pub resource: String,
    /// By which event package.
    pub package: String,
    /// The watchers.
    pub watchers: Vec<Watcher>,
}

/// One watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watcher {
    /// What names the subscription in this and later documents.
    pub id: String,
    /// Who it is: a URI.
    pub uri: String,
    /// How far the subscription is.
    pub status: Status,
    /// What brought it there: `subscribe`, `approved`, `rejected` and so on (RFC 3857 section 4.7.1).
    pub event: String,
    /// What the watcher calls itself, and in which language.
    pub display: Option<String>,
    /// `xml:lang` of that.
    pub lang: Option<String>,
}

/// How far a subscription is (RFC 3857 section 4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nobody has said whether it may.
    Pending,
    /// It may, and does.
    Active,
    /// It ended before anybody had said; the watcher waits no less.
    Waiting,
    /// Over.
    Terminated,
}

impl Status {
    fn of(name: &str) -> Option<Self> {
        match name {
            "pending" => Some(Status::Pending),
            "active" => Some(Status::Active),
            "waiting" => Some(Status::Waiting),
            "terminated" => Some(Status::Terminated),
            _ => None,
        }
    }

    /// Whether the watcher wants an answer.
    #[must_use]
    pub fn asks(self) -> bool {
        matches!(self, Status::Pending | Status::Waiting)
    }
}

/// Reads a document. A watcher without a known status or a URI is left out, and so is one whose id or URI is longer than
/// [`MAX_NAME`].
///
/// # Errors
/// What it breaks of XML, another root, no version, a list without resource or package, a watcher without id, more than the
/// limits.
pub fn read(body: &[u8]) -> Result<Document, Error> {
    let root = event::root(body, NAMESPACE, "watcherinfo")?;
    let lists = event::children(&root, NAMESPACE, "watcher-list", "watcher lists", MAX_LISTS)?;
    Ok(Document {
        version: event::number(&root, "version")?,
        full: event::is_full(&root, "state")?,
        lists: lists.into_iter().map(read_list).collect::<Result<_, _>>()?,
    })
}

fn read_list(element: &Element) -> Result<List, Error> {
    let mut watchers = Vec::new();
    for each in event::children(element, NAMESPACE, "watcher", "watchers", MAX_WATCHERS)? {
        let id = event::required(each, "id")?;
        let uri = each.text().trim().to_owned();
        let status = each.attr("status").and_then(|status| Status::of(status.trim()));
        if let Some(status) = status.filter(|_| !uri.is_empty() && id.len().max(uri.len()) <= MAX_NAME) {
            let display = each.attr("display-name").map(|name| cut(name).to_owned()).filter(|name| !name.is_empty());
            let event = each.attr("event").map(cut).unwrap_or_default().to_owned();
            let lang = each.lang().filter(|lang| lang.len() <= MAX_NAME).map(str::to_owned);
            watchers.push(Watcher { id, uri, status, event, lang, display });
        }
    }
    Ok(List {
        resource: event::required(element, "resource")?,
        package: event::required(element, "package")?,
        watchers,
    })
}

/// What somebody calls himself, as far as [`MAX_NAME`] goes.
fn cut(text: &str) -> &str {
    let text = text.trim();
    text.get(..text.floor_char_boundary(MAX_NAME)).unwrap_or(text)
}

/// The watchers of one user's presence, as one dialog of the subscription tells them (section 4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watchers {
    versions: Versions,
    rows: Vec<Watcher>,
}

impl Watchers {
    /// Takes a document, in the order in which they come; of its lists those about presence.
    ///
    /// # Errors
    /// [`WantsFull`] if one before it was missed.
    pub fn take(&mut self, document: Document) -> Result<(), WantsFull> {
        let turn = self.versions.turn(document.version, document.full);
        if turn.takes() {
            if document.full {
                self.rows.clear();
            }
            let presence = document.lists.into_iter().filter(|list| list.package.eq_ignore_ascii_case("presence"));
            for watcher in presence.flat_map(|list| list.watchers) {
                self.set(watcher);
            }
            self.rows.shrink_to_fit();
        }
        turn.asks()
    }

    fn set(&mut self, watcher: Watcher) {
        let at = self.rows.iter().position(|row| row.id == watcher.id);
        match (at, watcher.status) {
            (Some(at), Status::Terminated) => drop(self.rows.swap_remove(at)),
            (Some(at), _) => self.rows[at] = watcher,
            (None, Status::Terminated) => {}
            (None, _) if self.rows.len() >= MAX_WATCHERS => {}
            (None, _) => self.rows.push(watcher),
        }
    }

    /// Everybody who watches or wants to, in no order.
    #[must_use]
    pub fn all(&self) -> &[Watcher] {
        &self.rows
    }

    /// Those who want an answer.
    pub fn asking(&self) -> impl Iterator<Item = &Watcher> {
        self.rows.iter().filter(|watcher| watcher.status.asks())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn document(version: u32, state: &str, watchers: &[(&str, &str)]) -> Document {
        let watcher = |(id, status): &(&str, &str)| {
            format!(
                "<watcher id='{id}' status='{status}' event='subscribe' display-name='B' xml:lang='en'> sip:{id}@b </watcher>"
            )
        };
        let watchers: String = watchers.iter().map(watcher).collect();
        let other = "<watcher-list resource='sip:a@b' package='dialog'><watcher id='d' status='pending'>sip:d@b</watcher></watcher-list>";
        let list = format!("<watcher-list resource='sip:a@b' package='presence'>{watchers}</watcher-list>{other}");
        let text = format!("<watcherinfo xmlns='{NAMESPACE}' version='{version}' state='{state}'>{list}</watcherinfo>");
        read(text.as_bytes()).unwrap()
    }

    fn asking(watchers: &Watchers) -> Vec<&str> {
        let mut uris: Vec<_> = watchers.asking().map(|watcher| watcher.uri.as_str()).collect();
        uris.sort_unstable();
        uris
    }

    #[test]
    fn who_waits_for_an_answer_is_known_from_one_document_after_the_other() {
        let mut watchers = Watchers::default();
        assert_eq!(watchers.take(document(0, "full", &[("x", "pending"), ("y", "active")])), Ok(()));
        assert_eq!(asking(&watchers), ["sip:x@b"]);
        assert_eq!(watchers.all()[0].display.as_deref(), Some("B"));
        assert_eq!(watchers.take(document(1, "partial", &[("x", "waiting"), ("z", "pending")])), Ok(()));
        assert_eq!(asking(&watchers), ["sip:x@b", "sip:z@b"]);
        assert_eq!(watchers.take(document(2, "partial", &[("x", "terminated"), ("z", "active")])), Ok(()));
        assert_eq!(asking(&watchers), [] as [&str; 0]);
        assert_eq!(watchers.all().len(), 2);
        assert_eq!(watchers.take(document(4, "partial", &[("v", "pending")])), Err(WantsFull));
        assert_eq!(watchers.take(document(3, "partial", &[("w", "pending")])), Err(WantsFull), "older: passed over");
        assert_eq!(asking(&watchers), ["sip:v@b"]);
        assert_eq!(watchers.take(document(5, "full", &[])), Ok(()));
        assert!(watchers.all().is_empty());
    }

    #[test]
    fn what_is_kept_of_watchers_does_not_grow_with_how_they_call_themselves() {
        let (mut watchers, long) = (Watchers::default(), "é".repeat(10_000));
        for version in 0..100 {
            let watcher = |id: &str, uri: &str| {
                format!(
                    "<watcher id='{id}' status='pending' event='{long}' display-name='{long}' xml:lang='{long}'>{uri}</watcher>"
                )
            };
            let all = watcher(&version.to_string(), &format!("sip:{version}@b"))
                + &watcher(&format!("{version}{long}"), "sip:x@b")
                + &watcher(&format!("y{version}"), &format!("sip:{version}{long}@b"));
            let state = if version == 0 { "full" } else { "partial" };
            let text = format!(
                "<watcherinfo xmlns='{NAMESPACE}' version='{version}' state='{state}'>\
                 <watcher-list resource='sip:a@b' package='presence'>{all}</watcher-list></watcherinfo>"
            );
            assert_eq!(watchers.take(read(text.as_bytes()).unwrap()), Ok(()));
        }
        let texts = |row: &Watcher| {
            row.id.len()
                + row.uri.len()
                + row.event.len()
                + row.display.as_deref().map_or(0, str::len)
                + row.lang.as_deref().map_or(0, str::len)
        };
        let kept: usize = watchers.all().iter().map(texts).sum();
        assert!(kept < 100 * 4_096, "{kept}");
        assert!(watchers.asking().filter(|row| row.uri.len() < 10).count() >= 100, "they are still known");
    }

    #[test]
    fn what_is_no_such_document_is_refused_with_the_reason() {
        let refused = |inside: &str| {
            let text = format!("<watcherinfo xmlns='{NAMESPACE}' version='0' state='full'>{inside}</watcherinfo>");
            read(text.as_bytes()).unwrap_err()
        };
        assert_eq!(refused("<watcher-list package='presence'/>"), Error::Attribute("resource"));
        assert_eq!(refused("<watcher-list resource='sip:a@b'/>"), Error::Attribute("package"));
        let list =
            |inside: &str| format!("<watcher-list resource='sip:a@b' package='presence'>{inside}</watcher-list>");
        assert_eq!(refused(&list("<watcher status='active'>sip:a@b</watcher>")), Error::Attribute("id"));
        let many = "<watcher id='a'/>".repeat(MAX_WATCHERS + 1);
        assert_eq!(refused(&list(&many)), Error::TooMany("watchers", MAX_WATCHERS));
        assert_eq!(refused(&list("").repeat(MAX_LISTS + 1)), Error::TooMany("watcher lists", MAX_LISTS));
        let odd = read(
            format!(
                "<watcherinfo xmlns='{NAMESPACE}' version='0' state='full'>{}</watcherinfo>",
                list("<watcher id='a'/>")
            )
            .as_bytes(),
        );
        assert!(odd.unwrap().lists[0].watchers.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
