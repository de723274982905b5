//! HTML as XHTML-IM, for those who ask for it although it is deprecated (XEP-0071).

use super::{SILENT, Token, decode_entities, is_one_of, tokens};
use crate::xml::Element;

/// Elements of XHTML-IM that are kept (XEP-0071 section 6), and what others of HTML become.
const KEPT: &[(&str, &str)] = &[
    ("a", "a"),
    ("b", "strong"),
    ("blockquote", "blockquote"),
    ("br", "br"),
    ("cite", "cite"),
    ("del", "span"),
    ("div", "div"),
    ("em", "em"),
    ("h1", "strong"),
    ("h2", "strong"),
    ("h3", "strong"),
    ("i", "em"),
    ("li", "li"),
    ("ol", "ol"),
    ("p", "p"),
    ("span", "span"),
    ("strong", "strong"),
    ("u", "span"),
    ("ul", "ul"),
];
/// Elements inside one another that are kept; deeper ones give their text only.
const MAX_DEPTH: usize = 16;
/// Schemes a link may have; scripts and data are not links (XEP-0071 section 11.1).
const LINKS: &[&str] = &["http:", "https:", "mailto:", "xmpp:", "sip:", "tel:"];

/// The `body` of XHTML-IM for `html`, in `namespace`: no style, script, picture or event survives (XEP-0071 section
/// 11.1). `None` if nothing is left.
#[must_use]
pub fn to_xhtml(html: &str, namespace: &str) -> Option<Element> {
    let mut open = vec![(String::new(), Element::new(namespace, "body"))];
    let mut silent: Option<&str> = None;
    for token in tokens(html) {
        match token {
            Token::Close(name) if silent.is_some_and(|silent| silent.eq_ignore_ascii_case(name)) => silent = None,
            _ if silent.is_some() => {}
            Token::Text(text) => {
                if let Some((_, element)) = open.last_mut() {
                    element.push_text(&decode_entities(text));
                }
            }
            Token::Open(name, attributes) => {
                let empty = attributes.trim_end().ends_with('/');
                if is_one_of(name, SILENT) && !empty {
                    silent = Some(name);
                } else {
                    open_element(&mut open, name, attributes, namespace, empty);
                }
            }
            Token::Close(name) => close_element(&mut open, name),
        }
    }
    while open.len() > 1 {
        close_last(&mut open);
    }
    open.pop().map(|(_, body)| body).filter(|body| !body.is_empty())
}

fn open_element(open: &mut Vec<(String, Element)>, name: &str, attributes: &str, namespace: &str, empty: bool) {
    let name = name.to_ascii_lowercase();
    let Some((_, kept)) = KEPT.iter().find(|(known, _)| *known == name) else { return };
    let mut element = Element::new(namespace, kept);
    if name == "a" {
        let link = attribute(attributes, "href").filter(|link| {
            let link = link.trim().to_ascii_lowercase();
            LINKS.iter().any(|scheme| link.starts_with(scheme))
        });
        if let Some(link) = link {
            element.set_attr("href", link.trim());
        }
    }
    if name == "br" || empty {
        if let Some((_, parent)) = open.last_mut() {
            parent.push_child(element);
        }
    } else if open.len() <= MAX_DEPTH {
        open.push((name, element));
    }
}

fn close_element(open: &mut Vec<(String, Element)>, name: &str) {
    let Some(at) = open.iter().rposition(|(known, _)| known.eq_ignore_ascii_case(name)).filter(|at| *at > 0) else {
        return;
    };
    while open.len() > at {
        close_last(open);
    }
}

fn close_last(open: &mut Vec<(String, Element)>) {
    if let Some((_, element)) = open.pop()
        && let Some((_, parent)) = open.last_mut()
    {
        parent.push_child(element);
    }
}

/// The value of an attribute, quoted or not, references decoded.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter == '=' || letter.is_whitespace()).unwrap_or(rest.len());
        let (found, after) = rest.split_at(end);
        let (value, next) = match after.trim_start().strip_prefix('=').map(str::trim_start) {
            None => ("", after),
            Some(after) => match after.chars().next().filter(|quote| matches!(quote, '"' | '\'')) {
                Some(quote) => after.get(1..)?.split_once(quote)?,
                None => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
            },
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(decode_entities(value).into_owned());
        }
        rest = next.trim_start();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xhtml_keeps_emphasis_and_links_and_nothing_that_acts() {
        let body = |inside: Element| Element::new("x", "body").with_child(inside);
        let strong = Element::new("x", "strong").with_text("Juliet");
        let paragraph = Element::new("x", "p").with_text("Hi ").with_child(strong);
        let html = "<html><body><p onclick='x()' style='a'>Hi <b>Juliet</b></p><script>evil()</script></body></html>";
        assert_eq!(to_xhtml(html, "x"), Some(body(paragraph)));
        let link = |href: &str| to_xhtml(&format!("<a {href}>l</a>"), "x");
        let kept = Element::new("x", "a").with_attr("href", "http://a/?b&c").with_text("l");
        assert_eq!(link("title=x HREF = 'http://a/?b&amp;c'"), Some(body(kept)));
        let bare = Element::new("x", "a").with_text("l");
        for href in ["href='javascript:x'", "href=' data:x'", "href='java&#115;cript:x'", "href", "xhref='http://a'"] {
            assert_eq!(link(href), Some(body(bare.clone())), "{href}");
        }
        assert_eq!(to_xhtml("<img src='x'><script>y</script>", "x"), None);
        assert!(to_xhtml(&("<b>".repeat(50_000) + "x"), "x").is_some());
        assert!(to_xhtml("</p></b>a<b>b<i>c</b>d", "x").is_some());
    }
}
