//! The XML of streams: a corpus with expectations, how the bytes are split, and rxml as a second opinion.

use proptest::prelude::*;
use stox::xml::splitter::{Piece, Splitter};
use stox::xml::{Element, Error, ErrorKind, Limit, Limits, ns, writer};

use ErrorKind::{Encoding, Format, NotWellFormed, Restricted, TooMuch};

/// Every file of `tests/xml`, and what it is refused for; `None` where it is accepted. Undeclared entities are
/// `restricted-xml` (RFC 6120 section 4.9.3.18), a byte order mark is a character like any other (section 11.6), so here it is
/// text before the root.
const CORPUS: &[(&str, Option<ErrorKind>)] = &[
    ("00-accept-valid-message", None),
    ("01-accept-cdata", None),
    ("02-accept-predefined-entities", None),
    ("03-accept-whitespace-keepalive", None),
    ("04-accept-4-byte-utf8", None),
    ("05-reject-comment", Some(Restricted)),
    ("06-reject-comment-at-stream-level", Some(Restricted)),
    ("07-reject-PI", Some(Restricted)),
    ("08-reject-PI-at-stream-level", Some(Restricted)),
    ("09-reject-second-xml-decl", Some(Restricted)),
    ("10-reject-DTD-inside", Some(Restricted)),
    ("11-reject-DTD-before-root", Some(Restricted)),
    ("12-reject-undeclared-entity", Some(Restricted)),
    ("13-reject-undeclared-entity-in-attr", Some(Restricted)),
    ("14-reject-bare-ampersand", Some(NotWellFormed)),
    ("15-reject-char-ref-NUL", Some(NotWellFormed)),
    ("16-reject-char-ref-0x1", Some(NotWellFormed)),
    ("17-reject-char-ref-surrogate", Some(NotWellFormed)),
    ("18-reject-char-ref---10FFFF", Some(NotWellFormed)),
    ("19-reject-char-ref-0x1-in-attr", Some(NotWellFormed)),
    ("20-reject-literal-control-0x01", Some(NotWellFormed)),
    ("21-reject-literal-NUL", Some(NotWellFormed)),
    ("22-reject-U-FFFE", Some(NotWellFormed)),
    ("23-reject-invalid-utf8-ff", Some(Encoding)),
    ("24-reject-overlong-utf8", Some(Encoding)),
    ("25-reject-utf8-surrogate", Some(Encoding)),
    ("26-reject-invalid-utf8-in-attr", Some(Encoding)),
    ("27-reject-invalid-utf8-in-name", Some(Encoding)),
    ("28-reject-unbound-prefix", Some(NotWellFormed)),
    ("29-reject-unbound-attr-prefix", Some(NotWellFormed)),
    ("30-reject-dup-attr", Some(NotWellFormed)),
    ("31-reject-dup-attr-by-namespace", Some(NotWellFormed)),
    ("32-reject-mismatched-end", Some(NotWellFormed)),
    ("33-reject-extra-end-tag", Some(NotWellFormed)),
    ("34-reject-----in-text", Some(NotWellFormed)),
    ("35-reject---in-attr", Some(NotWellFormed)),
    ("36-reject-attr-no-quotes", Some(NotWellFormed)),
    ("37-reject-attr-no-value", Some(NotWellFormed)),
    ("38-reject-attrs-without-space", Some(NotWellFormed)),
    ("39-reject-name-starts-with-digit", Some(NotWellFormed)),
    ("40-reject-name-with--", Some(NotWellFormed)),
    ("41-reject-empty-name", Some(NotWellFormed)),
    ("42-reject-two-colons", Some(NotWellFormed)),
    ("43-reject-xmlns-xml-rebind", Some(NotWellFormed)),
    ("44-reject-xmlns-prefix-decl", Some(NotWellFormed)),
    ("45-reject-undeclare-prefix-xmlns-x---", Some(NotWellFormed)),
    ("46-reject-text-at-stream-level", Some(Format)),
    ("47-reject-space-before-name", Some(NotWellFormed)),
    ("48-reject-space-in-end-tag-----body--", Some(NotWellFormed)),
    ("49-reject-depth-100000", Some(TooMuch(Limit::Depth))),
    ("53-reject-20000-attrs", Some(TooMuch(Limit::Attributes))),
    ("54-reject-5000-xmlns-decls", Some(TooMuch(Limit::Namespaces))),
    ("55-reject-encoding-iso-8859-1", Some(Encoding)),
    ("56-reject-xml-1-1", Some(Format)),
    ("57-reject-BOM-then-decl", Some(NotWellFormed)),
    ("58-accept-no-decl", None),
    ("59-reject-whitespace-before-decl", Some(Restricted)),
    ("60-reject-second-root", Some(NotWellFormed)),
];

type Read = (Vec<Piece>, Option<Error>);

fn split<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Read {
    split_within(Limits::default(), chunks)
}

fn split_within<'a>(limits: Limits, chunks: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut splitter = Splitter::new(limits);
    let mut pieces = Vec::new();
    for chunk in chunks {
        splitter.push(chunk);
        loop {
            match splitter.next() {
                Ok(Some(piece)) => pieces.push(piece),
                Ok(None) => break,
                Err(error) => return (pieces, Some(error)),
            }
        }
    }
    (pieces, None)
}

fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/xml/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn each_file_of_the_corpus_is_judged_as_its_name_says() {
    for (name, expected) in CORPUS {
        let (pieces, error) = split([&*file(name)]);
        assert_eq!(error.map(|error| error.kind), *expected, "{name}");
        assert_eq!(expected.is_none(), name.contains("-accept-"), "{name}");
        let children = pieces.iter().filter(|piece| matches!(piece, Piece::Child(_))).count();
        assert_eq!(children, usize::from(expected.is_none()), "{name}");
    }
}

#[test]
fn the_table_names_every_file() {
    let files = std::fs::read_dir(format!("{}/tests/xml", env!("CARGO_MANIFEST_DIR"))).expect("tests/xml is there");
    for file in files {
        let name = file.expect("it can be listed").file_name().into_string().expect("names are ASCII");
        assert!(CORPUS.iter().any(|(known, _)| name.strip_suffix(".xml") == Some(known)), "{name}");
    }
}

#[test]
fn byte_by_byte_is_as_good_as_whole() {
    for (name, _) in CORPUS {
        let bytes = file(name);
        assert_eq!(split(bytes.chunks(1)), split([&*bytes]), "{name}");
        assert_eq!(split(bytes.chunks(7)), split([&*bytes]), "{name}");
    }
}

#[test]
fn ten_megabytes_of_text_attribute_or_name_are_refused_early() {
    let much = "x".repeat(10_000_000);
    let stream = "<s xmlns='jabber:server'>";
    for (text, limit) in [
        (format!("{stream}<message><body>{much}</body></message>"), Limit::Stanza),
        (format!("{stream}<message a='{much}'/>"), Limit::Stanza),
        (format!("{stream}<{much}/>"), Limit::Stanza),
        (format!("<s a='{much}'>"), Limit::Header),
        (format!("<{much}>"), Limit::Header),
        (format!("<?xml {much}?>"), Limit::Header),
    ] {
        let (mut splitter, mut fed) = (Splitter::new(Limits::default()), 0);
        let error = text.as_bytes().chunks(4096).find_map(|chunk| {
            fed += chunk.len();
            splitter.push(chunk);
            loop {
                match splitter.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(error) => return Some(error.kind),
                }
            }
        });
        assert_eq!(error, Some(TooMuch(limit)));
        assert!(fed <= 256 * 1024 + 8192, "{fed} bytes taken");
        assert_eq!(splitter.pending(), 0);
    }
}

#[test]
fn a_stanza_may_have_the_limit_and_not_a_byte_more() {
    let limits = Limits::default().with_stanza(1);
    assert_eq!(limits.stanza, 10_000);
    let stanza = |size: usize| format!("<s><a>{}</a>", "x".repeat(size - 7));
    let whole = |text: &str| split_within(limits, [text.as_bytes()]);
    assert_eq!(whole(&stanza(10_000)).1, None);
    assert_eq!(whole(&stanza(10_001)).1.map(|error| error.kind), Some(TooMuch(Limit::Stanza)));
}

#[test]
fn skipping_gives_the_head_and_goes_on() {
    let limits = Limits { skip: 1_000_000, ..Limits::default() };
    let deep = format!("<m from='a' to='b'>{}<![CDATA[</a>]]>{}</m>", "<a b='>'>".repeat(200), "</a>".repeat(200));
    let long = format!("<m from='a' to='b'><![CDATA[{}]]></m>", "</m>".repeat(100_000));
    let broad = format!("<m from='a' to='b'><b {}/></m>", (0..100).map(|n| format!(" a{n}=''")).collect::<String>());
    let (name, attribute) = ("n".repeat(300_000), "v".repeat(300_000));
    let text = format!("<s xmlns='u'>{deep}<x/>{long}<x/>{broad}<x/><{name}/><x/><m v='{attribute}'/><x/></s>");
    let head = Element::new(ns::CLIENT, "m").with_attr("from", "a").with_attr("to", "b");
    for chunk in [1, 3, 4096, usize::MAX] {
        let (pieces, error) = split_within(limits, text.as_bytes().chunks(chunk));
        assert_eq!(error, None);
        let refused: Vec<_> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Refused { head, limit } => Some((head.clone(), *limit)),
                Piece::Open(_) | Piece::Child(_) | Piece::Close => None,
            })
            .collect();
        let head = Some(head.clone());
        let expected = [
            (head.clone(), Limit::Depth),
            (head.clone(), Limit::Stanza),
            (head, Limit::Attributes),
            (None, Limit::Stanza),
            (None, Limit::Stanza),
        ];
        assert_eq!(refused, expected);
        assert_eq!(pieces.iter().filter(|piece| matches!(piece, Piece::Child(_))).count(), 5);
        assert_eq!(pieces.last(), Some(&Piece::Close));
    }
    let endless = format!("<s><m>{}", "x".repeat(1_000_000));
    assert_eq!(split_within(limits, [endless.as_bytes()]).1.map(|error| error.kind), Some(TooMuch(Limit::Stanza)));
}

#[test]
fn what_the_stream_header_binds_counts_in_stanzas() {
    let text = "<?xml version='1.0'?><s:stream xmlns='jabber:component:accept' xmlns:s='http://etherx.jabber.org/streams' \
                xmlns:x='u'><message><x:y x:z='1'/><body/></message><x:y xmlns:x='v'/><x:y/></s:stream > \n";
    let (pieces, error) = split([text.as_bytes()]);
    let mut inner = Element::new("u", "y");
    inner.set_attr_ns("u", "z", "1");
    let message = Element::new(ns::CLIENT, "message").with_child(inner).with_child(Element::new(ns::CLIENT, "body"));
    assert_eq!(error, None);
    assert_eq!(
        pieces[1..],
        [
            Piece::Child(message),
            Piece::Child(Element::new("v", "y")),
            Piece::Child(Element::new("u", "y")),
            Piece::Close
        ]
    );
    let Piece::Open(header) = &pieces[0] else { panic!("a header") };
    assert_eq!(
        (header.root.ns(), header.root.name(), &*header.content_ns),
        (ns::STREAM, "stream", ns::COMPONENT_ACCEPT)
    );
}

#[test]
fn a_hundred_thousand_bytes_one_by_one_cost_no_more_than_at_once() {
    let text = format!("<s><m><b>{}</b></m>", "x &amp; <i/>".repeat(10_000));
    assert_eq!(split(text.as_bytes().chunks(1)).0.len(), 2);
}

/// What rxml makes of the same bytes: whole first-level elements, and whether it refuses.
fn by_rxml(mut bytes: &[u8]) -> (Vec<Element>, bool) {
    use rxml::{Event, Parse};
    let mut parser = rxml::Parser::new();
    let (mut children, mut open): (Vec<Element>, Vec<Element>) = (Vec::new(), Vec::new());
    loop {
        match parser.parse(&mut bytes, false) {
            Ok(Some(Event::StartElement(_, (ns, name), attributes))) => {
                let mut element = Element::new(requalified(ns.as_str()), name.as_str());
                for ((ns, name), value) in &attributes {
                    element.set_attr_ns(requalified(ns.as_str()), name.as_str(), value.as_str());
                }
                open.push(element);
            }
            Ok(Some(Event::Text(_, text))) => {
                if let Some(element) = open.last_mut() {
                    element.push_text(&text);
                }
            }
            Ok(Some(Event::EndElement(_))) => match (open.pop(), open.as_mut_slice()) {
                // The stream element itself is the first that is open.
                (Some(child), [_]) => children.push(child),
                (Some(child), [.., parent]) => parent.push_child(child),
                _ => {}
            },
            Ok(Some(Event::XmlDeclaration(..))) => {}
            Ok(None) => return (children, false),
            Err(rxml::error::EndOrError::NeedMoreData) => return (children, false),
            Err(rxml::error::EndOrError::Error(_)) => return (children, true),
        }
    }
}

fn requalified(ns: &str) -> &str {
    if ns == ns::SERVER { ns::CLIENT } else { ns }
}

/// Both must give the same elements. Whoever refuses, the other must too, but for what follows: we refuse text between
/// stanzas, which rxml leaves to its user; we look at an element when it is whole, rxml at each token; rxml 0.14 refuses two
/// things that XML allows, a bare CR in the value of an attribute (section 3.3.3) and characters from U+FDF0 to U+FFFD in a
/// name (section 2.3), and accepts one that it forbids, the same declaration twice in one tag (section 3.1).
fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let (pieces, error) = split([bytes]);
    let ours: Vec<Element> = pieces
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Child(child) => Some(child),
            Piece::Open(_) | Piece::Refused { .. } | Piece::Close => None,
        })
        .collect();
    let (theirs, refused) = by_rxml(bytes);
    let text = String::from_utf8_lossy(bytes);
    let excused = refused && text.contains(['\r', '\u{FEFF}']);
    let ours_alone = |error: Error| error.kind == Format || error.what == "an attribute stands twice";
    if excused || error.is_some_and(ours_alone) {
        prop_assert!(ours.starts_with(&theirs) || theirs.starts_with(&ours), "{}", text);
        return Ok(());
    }
    prop_assert_eq!(&ours, &theirs, "{}", text);
    match error.map(|error| error.kind) {
        Some(TooMuch(_)) => {}
        Some(_) => prop_assert!(refused, "only we refuse {}: {:?}", text, error),
        None => {
            let (mut splitter, whole) = (Splitter::new(Limits::default()), bytes);
            splitter.push(whole);
            while let Ok(Some(_)) = splitter.next() {}
            prop_assert!(!refused || splitter.pending() > 0, "only rxml refuses {}", text);
        }
    }
    Ok(())
}

#[test]
fn rxml_agrees_about_the_corpus() {
    for (name, _) in CORPUS {
        // These are limits of ours, and three declarations about which rxml has its own mind.
        if !["49-", "53-", "54-", "55-", "56-", "57-"].iter().any(|number| name.starts_with(number)) {
            agree(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

const STANZAS: &[&str] = &[
    "<message from='a@b/c' to='d@e' type='chat' id=\"1\" xml:lang='en'><body>Hi &amp; <![CDATA[<b>]]> &#x263A;</body></message>",
    "<iq type='get' id='1'><query xmlns='jabber:iq:version'/></iq>",
    "<presence><x xmlns='u' xmlns:p='v' p:a='1' a='2'><p:y/>é\n\t</x></presence>",
    "<db:result to='a' from='b'>key</db:result>",
];

const SNIPPETS: &[&str] = &[
    "<",
    ">",
    "/",
    "'",
    "\"",
    "&",
    ";",
    "=",
    " ",
    "x",
    ":",
    "!",
    "?",
    "-",
    "[",
    "]",
    "]]>",
    "<!--",
    "-->",
    "<![CDATA[",
    "<?x?>",
    "&lt;",
    "&#1;",
    "&#xD;",
    "&foo;",
    "xmlns",
    "xmlns:x='y'",
    " a='1'",
    "</",
    "/>",
    "<a>",
    "</a>",
    "\u{0}",
    "\u{FFFE}",
    "\u{FEFF}",
    "é",
    "\n",
    "\t",
    "xml:",
    "<x:y/>",
    "\u{1}",
    "]]",
];

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
                      xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'>";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn rxml_agrees_about_mutated_stanzas(
        stanza in prop::sample::select(STANZAS),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, prop::sample::select(SNIPPETS)), 1..4),
    ) {
        let mut bytes = stanza.as_bytes().to_vec();
        for (place, cut, snippet) in edits {
            let from = place.index(bytes.len() + 1);
            let to = (from + cut).min(bytes.len());
            bytes.splice(from..to, snippet.bytes());
        }
        let stream = [HEADER.as_bytes(), &bytes, b"<presence/></stream:stream>"].concat();
        agree(&stream)?;
        prop_assert_eq!(split(stream.chunks(1)), split([&*stream]));
    }

    #[test]
    fn any_bytes_end_in_a_verdict_that_chunks_do_not_change(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cuts in 1usize..9,
    ) {
        prop_assert_eq!(split(bytes.chunks(cuts)), split([&*bytes]));
        let stream = [HEADER.as_bytes(), &bytes].concat();
        prop_assert_eq!(split(stream.chunks(cuts)), split([&*stream]));
    }

    #[test]
    fn what_is_written_is_read_again(element in elements()) {
        let mut text = HEADER.as_bytes().to_vec();
        writer::write_stanza(&element, ns::SERVER, &mut text);
        prop_assert_eq!(by_rxml(&text), (vec![element.clone()], false));
        let (pieces, error) = split([&*text]);
        prop_assert_eq!(error, None);
        prop_assert_eq!(pieces.get(1), Some(&Piece::Child(element)));
    }
}

fn elements() -> impl Strategy<Value = Element> {
    let name = "[a-zé_][a-z0-9.-]{0,6}";
    let namespace = prop::sample::select(vec!["", ns::CLIENT, ns::STANZAS, "urn:x", "urn:y&z"]);
    let text = "[ -~\t\n\ré\u{FFFD}\u{10000}]{0,12}";
    let leaf = (name, namespace, prop::collection::vec((name, text), 0..3), text);
    let leaf = leaf.prop_map(|(name, namespace, attributes, text)| {
        let element = Element::new(namespace, &name).with_text(&text);
        attributes
            .into_iter()
            .filter(|(name, _)| !name.starts_with("xmlns"))
            .fold(element, |element, (name, value)| element.with_attr(&name, value))
    });
    leaf.prop_recursive(4, 20, 4, |inner| {
        (inner.clone(), prop::collection::vec(inner, 0..4))
            .prop_map(|(element, children)| children.into_iter().fold(element, Element::with_child))
    })
}
