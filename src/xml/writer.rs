//! Element to text, as RFC 6120 section 11 wants it: no prefixes but `xml`, `xmlns` only where it changes.

use super::{Element, Node, ns};

/// Appends `element` to `out`. `parent_ns` is the default namespace where it will stand; empty if none.
pub fn write(element: &Element, parent_ns: &str, out: &mut Vec<u8>) {
    write_in(element, parent_ns, None, out);
}

/// Appends a stanza to `out`, for a stream whose content namespace is `stream_ns`. Inside this program stanzas are in
/// `jabber:client`; here they, and those of their descendants that belong to them, get the namespace of the stream
/// (RFC 6120 section 4.8.3). What is in `jabber:client` below some other namespace, like a forwarded message, stays so.
pub fn write_stanza(element: &Element, stream_ns: &str, out: &mut Vec<u8>) {
    write_in(element, stream_ns, Some(stream_ns), out);
}

/// Recursion ends: what was read is at most [`super::Limits::depth`] deep, what we build a few levels more.
fn write_in(element: &Element, parent_ns: &str, stream_ns: Option<&str>, out: &mut Vec<u8>) {
    let stream_ns = stream_ns.filter(|_| element.ns() == ns::CLIENT);
    let own_ns = stream_ns.unwrap_or(element.ns());
    out.push(b'<');
    out.extend_from_slice(element.name().as_bytes());
    if own_ns != parent_ns {
        attribute("xmlns", own_ns, out);
    }
    let mut prefixes = 0;
    for each in element.attributes() {
        match each.ns.as_str() {
            "" => attribute(&each.name, &each.value, out),
            ns::XML => {
                out.extend_from_slice(b" xml:");
                value(&each.name, &each.value, out);
            }
            other => {
                let prefix = format!("ns{prefixes}");
                prefixes += 1;
                out.extend_from_slice(b" xmlns:");
                value(&prefix, other, out);
                out.push(b' ');
                out.extend_from_slice(prefix.as_bytes());
                out.push(b':');
                value(&each.name, &each.value, out);
            }
        }
    }
    if element.is_empty() {
        out.extend_from_slice(b"/>");
        return;
    }
    out.push(b'>');
    for node in element.nodes() {
        match node {
            Node::Element(child) => write_in(child, own_ns, stream_ns, out),
            Node::Text(text) => escape(text, false, out),
        }
    }
    out.extend_from_slice(b"</");
    out.extend_from_slice(element.name().as_bytes());
    out.push(b'>');
}

/// Appends ` name='value'`, escaped.
pub fn attribute(name: &str, text: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    value(name, text, out);
}

/// Appends character data, escaped.
pub fn text(text: &str, out: &mut Vec<u8>) {
    escape(text, false, out);
}

fn value(name: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape(text, true, out);
    out.push(b'\'');
}

/// Nothing is lost but the characters XML cannot carry (XML 1.0 section 2.2), which become U+FFFD. A CR, and in
/// attributes a TAB or LF, would be normalised by the reader, so it goes as a reference (section 2.11, 3.3.3).
fn escape(text: &str, in_attribute: bool, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let replacement: &[u8] = match SPECIAL[usize::from(*byte)] {
            0 => continue,
            _ => match byte {
                b'&' => b"&amp;",
                b'<' => b"&lt;",
                b'>' => b"&gt;",
                b'\'' => b"&apos;",
                b'"' => b"&quot;",
                b'\r' => b"&#xD;",
                b'\n' if in_attribute => b"&#xA;",
                b'\t' if in_attribute => b"&#x9;",
                b'\n' | b'\t' => continue,
                0xEF if matches!(bytes.get(index + 1..index + 3), Some([0xBF, 0xBE | 0xBF])) => "\u{FFFD}".as_bytes(),
                0xEF => continue,
                _ => "\u{FFFD}".as_bytes(),
            },
        };
        out.extend_from_slice(&bytes[copied..index]);
        out.extend_from_slice(replacement);
        // Only the three bytes of U+FFFE and U+FFFF are longer than one, and their tail is plain.
        copied = if *byte == 0xEF { index + 3 } else { index + 1 };
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// 1 for bytes that need a second look.
const SPECIAL: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = 1;
        byte += 1;
    }
    table[b'&' as usize] = 1;
    table[b'<' as usize] = 1;
    table[b'>' as usize] = 1;
    table[b'\'' as usize] = 1;
    table[b'"' as usize] = 1;
    table[0xEF] = 1;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(element: &Element, parent_ns: &str) -> String {
        let mut out = Vec::new();
        write(element, parent_ns, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_namespace_is_declared_only_where_it_changes() {
        let element = Element::new("a", "x").with_child(Element::new("a", "y")).with_child(Element::new("", "z"));
        assert_eq!(printed(&element, "a"), "<x><y/><z xmlns=''/></x>");
        assert_eq!(printed(&element, ""), "<x xmlns='a'><y/><z xmlns=''/></x>");
    }

    #[test]
    fn what_xml_forbids_never_leaves() {
        let element = Element::new("", "a")
            .with_text("\0\u{1}\u{b}\u{c}\u{1f}\u{fffe}x\u{ffff}\u{fffc}\u{feff}\u{7f}é\u{10ffff}");
        assert_eq!(
            printed(&element, ""),
            "<a>\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}x\u{fffd}\u{fffc}\u{feff}\u{7f}é\u{10ffff}</a>"
        );
    }

    #[test]
    fn line_ends_survive_the_reader() {
        let element = Element::new("", "a").with_attr("b", "1\r\n\t2").with_text("1\r\n\t2]]>&<'\"");
        assert_eq!(printed(&element, ""), "<a b='1&#xD;&#xA;&#x9;2'>1&#xD;\n\t2]]&gt;&amp;&lt;&apos;&quot;</a>");
    }

    #[test]
    fn attributes_of_other_namespaces_get_prefixes() {
        let mut element = Element::new("", "a").with_lang(Some("de"));
        element.set_attr_ns("u", "b", "1");
        element.set_attr_ns("v", "b", "2");
        assert_eq!(printed(&element, ""), "<a xml:lang='de' xmlns:ns0='u' ns0:b='1' xmlns:ns1='v' ns1:b='2'/>");
    }

    #[test]
    fn stanzas_take_the_namespace_of_the_stream_and_forwarded_ones_do_not() {
        let inner = Element::new(ns::CLIENT, "message").with_child(Element::new(ns::CLIENT, "body").with_text("x"));
        let forwarded = Element::new(ns::FORWARD, "forwarded").with_child(inner.clone());
        let mut out = Vec::new();
        write_stanza(&inner.with_child(forwarded), ns::COMPONENT_ACCEPT, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "<message><body>x</body><forwarded xmlns='urn:xmpp:forward:0'>\
             <message xmlns='jabber:client'><body>x</body></message></forwarded></message>"
        );
    }
}
