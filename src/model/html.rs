//! text/html reduced to what it says (RFC 7572 section 7; XHTML-IM itself is deprecated, XEP-0071).
//!
//! Not a browser: tags go, `br` and block ends become line breaks, entities become characters, script and style
//! vanish with what is in them. Linear in the input, no recursion, no more output than input.

use crate::xml::Element;

/// Elements after which a line ends.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];
/// Elements whose text nobody is meant to read.
const SILENT: &[&str] =
    &["head", "script", "style", "template", "title", "noscript", "iframe", "object", "svg", "math"];
/// Longest thing between `&` and `;` that is looked up.
const MAX_ENTITY: usize = 12;

/// A piece of markup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// Text between tags, entities not yet decoded.
    Text(&'a str),
    /// `<name attributes>`; the name as written, the rest up to the bracket, and whether it ends with `/`.
    Open(&'a str, &'a str),
    /// `</name>`.
    Close(&'a str),
}

/// Cuts markup into its pieces; comments, declarations and processing instructions are left out.
pub fn tokens(html: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let Some(after) = rest.strip_prefix('<') else {
                let end = memchr::memchr(b'<', rest.as_bytes()).unwrap_or(rest.len());
                let (text, next) = rest.split_at(end);
                rest = next;
                return Some(Token::Text(text));
            };
            if let Some(comment) = after.strip_prefix("!--") {
                rest = comment.split_once("-->").map_or("", |(_, next)| next);
                continue;
            }
            if after.starts_with(['!', '?']) {
                rest = after.split_once('>').map_or("", |(_, next)| next);
                continue;
            }
            if !after.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/') {
                // "a < b": not a tag at all.
                rest = after;
                return Some(Token::Text("<"));
            }
            let end = tag_end(after);
            let (tag, next) = after.split_at(end);
            rest = next.strip_prefix('>').unwrap_or(next);
            let (closing, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
            let name_end = tag.find(|letter: char| letter.is_whitespace() || letter == '/').unwrap_or(tag.len());
            let (name, attributes) = tag.split_at(name_end);
            return Some(if closing { Token::Close(name) } else { Token::Open(name, attributes) });
        }
    })
}

/// Where the tag ends: at the first `>` outside quotes, or the end of the text.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    let mut after_equals = false;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at,
            (None, b'"' | b'\'') if after_equals => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
        after_equals = byte == b'=' || (after_equals && byte.is_ascii_whitespace());
    }
    text.len()
}

/// The text of `html` as a person would read it: white space collapsed, lines ended by LF, none empty at the ends.
#[must_use]
pub fn to_text(html: &str) -> String {
    let mut page = Page { out: String::with_capacity(html.len()), space: false, breaks: 0, preformatted: false };
    let mut silent: Option<&str> = None;
    for token in tokens(html) {
        match token {
            Token::Close(name) if silent.is_some_and(|open| open.eq_ignore_ascii_case(name)) => silent = None,
            _ if silent.is_some() => {}
            Token::Text(text) => page.text(text),
            Token::Open(name, attributes) => {
                if is_one_of(name, SILENT) && !attributes.trim_end().ends_with('/') {
                    silent = Some(name);
                }
                page.open(name);
            }
            Token::Close(name) => page.close(name),
        }
    }
    page.out
}

struct Page {
    out: String,
    space: bool,
    breaks: usize,
    preformatted: bool,
}

impl Page {
    fn open(&mut self, name: &str) {
        if name.eq_ignore_ascii_case("br") {
            self.breaks += 1;
        } else if is_one_of(name, BLOCKS) {
            self.breaks = self.breaks.max(1);
        } else if (name.eq_ignore_ascii_case("td") || name.eq_ignore_ascii_case("th")) && self.breaks == 0 {
            self.space = true;
        }
        self.preformatted |= name.eq_ignore_ascii_case("pre");
        if name.eq_ignore_ascii_case("li") {
            self.put("- ");
        }
    }

    fn close(&mut self, name: &str) {
        if is_one_of(name, BLOCKS) && !name.eq_ignore_ascii_case("br") {
            self.breaks = self.breaks.max(1);
        }
        if name.eq_ignore_ascii_case("pre") {
            self.preformatted = false;
        }
    }

    fn text(&mut self, text: &str) {
        let text = decode_entities(text);
        if self.preformatted {
            return self.put(&text.replace("\r\n", "\n"));
        }
        let is_space = |letter: char| matches!(letter, ' ' | '\t' | '\r' | '\n' | '\u{c}');
        for (index, word) in text.split(is_space).enumerate() {
            self.space |= index > 0;
            self.put(word);
        }
    }

    fn put(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        if !self.out.is_empty() {
            if self.breaks > 0 {
                // More than one empty line says no more than one.
                self.out.extend(std::iter::repeat_n('\n', self.breaks.min(2)));
            } else if self.space {
                self.out.push(' ');
            }
        }
        (self.space, self.breaks) = (false, 0);
        self.out.push_str(word);
    }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Replaces character references; those it does not know stay as they are.
#[must_use]
pub fn decode_entities(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('&') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after.bytes().take(MAX_ENTITY).position(|byte| byte == b';');
        let known = end.and_then(|end| Some((entity(after.get(..end)?)?, after.get(end + 1..)?)));
        match known {
            Some((letter, next)) => {
                out.push(letter);
                rest = next;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out.into()
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        return Some(char::from_u32(code).filter(|letter| *letter != '\0').unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, letter)| *letter)
}

/// The names of HTML 4 section 24 that appear in messages: Latin-1, and the marks a keyboard or an editor makes.
const ENTITIES: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("iexcl", '¡'),
    ("cent", '¢'),
    ("pound", '£'),
    ("curren", '¤'),
    ("yen", '¥'),
    ("brvbar", '¦'),
    ("sect", '§'),
    ("uml", '¨'),
    ("copy", '©'),
    ("ordf", 'ª'),
    ("laquo", '«'),
    ("not", '¬'),
    ("shy", '\u{ad}'),
    ("reg", '®'),
    ("macr", '¯'),
    ("deg", '°'),
    ("plusmn", '±'),
    ("sup2", '²'),
    ("sup3", '³'),
    ("acute", '´'),
    ("micro", 'µ'),
    ("para", '¶'),
    ("middot", '·'),
    ("cedil", '¸'),
    ("sup1", '¹'),
    ("ordm", 'º'),
    ("raquo", '»'),
    ("frac14", '¼'),
    ("frac12", '½'),
    ("frac34", '¾'),
    ("iquest", '¿'),
    ("Agrave", 'À'),
    ("Aacute", 'Á'),
    ("Acirc", 'Â'),
    ("Atilde", 'Ã'),
    ("Auml", 'Ä'),
    ("Aring", 'Å'),
    ("AElig", 'Æ'),
    ("Ccedil", 'Ç'),
    ("Egrave", 'È'),
    ("Eacute", 'É'),
    ("Ecirc", 'Ê'),
    ("Euml", 'Ë'),
    ("Igrave", 'Ì'),
    ("Iacute", 'Í'),
    ("Icirc", 'Î'),
    ("Iuml", 'Ï'),
    ("ETH", 'Ð'),
    ("Ntilde", 'Ñ'),
    ("Ograve", 'Ò'),
    ("Oacute", 'Ó'),
    ("Ocirc", 'Ô'),
    ("Otilde", 'Õ'),
    ("Ouml", 'Ö'),
    ("times", '×'),
    ("Oslash", 'Ø'),
    ("Ugrave", 'Ù'),
    ("Uacute", 'Ú'),
    ("Ucirc", 'Û'),
    ("Uuml", 'Ü'),
    ("Yacute", 'Ý'),
    ("THORN", 'Þ'),
    ("szlig", 'ß'),
    ("agrave", 'à'),
    ("aacute", 'á'),
    ("acirc", 'â'),
    ("atilde", 'ã'),
    ("auml", 'ä'),
    ("aring", 'å'),
    ("aelig", 'æ'),
    ("ccedil", 'ç'),
    ("egrave", 'è'),
    ("eacute", 'é'),
    ("ecirc", 'ê'),
    ("euml", 'ë'),
    ("igrave", 'ì'),
    ("iacute", 'í'),
    ("icirc", 'î'),
    ("iuml", 'ï'),
    ("eth", 'ð'),
    ("ntilde", 'ñ'),
    ("ograve", 'ò'),
    ("oacute", 'ó'),
    ("ocirc", 'ô'),
    ("otilde", 'õ'),
    ("ouml", 'ö'),
    ("divide", '÷'),
    ("oslash", 'ø'),
    ("ugrave", 'ù'),
    ("uacute", 'ú'),
    ("ucirc", 'û'),
    ("uuml", 'ü'),
    ("yacute", 'ý'),
    ("thorn", 'þ'),
    ("yuml", 'ÿ'),
    ("OElig", 'Œ'),
    ("oelig", 'œ'),
    ("Scaron", 'Š'),
    ("scaron", 'š'),
    ("Yuml", 'Ÿ'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("dagger", '†'),
    ("Dagger", '‡'),
    ("permil", '‰'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("euro", '€'),
    ("bull", '•'),
    ("hellip", '…'),
    ("trade", '™'),
    ("larr", '←'),
    ("uarr", '↑'),
    ("rarr", '→'),
    ("darr", '↓'),
    ("harr", '↔'),
    ("hearts", '♥'),
    ("infin", '∞'),
    ("ne", '≠'),
    ("le", '≤'),
    ("ge", '≥'),
    ("minus", '−'),
    ("thinsp", '\u{2009}'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
];

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
    fn markup_goes_and_words_stay() {
        for (html, text) in [
            ("<html><body><p>Hi <b>Juliet</b></p></body></html>", "Hi Juliet"),
            ("one<br>two<br/>three", "one\ntwo\nthree"),
            ("<p>one</p>\n<p>two</p>", "one\ntwo"),
            ("<div>a<div>b</div></div>c", "a\nb\nc"),
            ("<ul><li>milk</li><li>eggs</li></ul>", "- milk\n- eggs"),
            ("a &lt;b&gt; &amp;amp; &#65;&#x1F600; &eacute;&euro; &unknown; &", "a <b> &amp; A😀 é€ &unknown; &"),
            ("<head><title>x</title></head><script>evil()</script><style>p{}</style>safe", "safe"),
            ("<p onclick='a>b' style=\"x>y\">text</p>", "text"),
            ("a < b and c > d", "a < b and c > d"),
            ("<!-- <p>no</p> --><!DOCTYPE html><?php x ?>yes", "yes"),
            ("<pre>a\n  b</pre>", "a\n  b"),
            ("  lots \n of\t space  ", "lots of space"),
            ("", ""),
            ("<", "<"),
            ("<p", ""),
            ("<script>never closed", ""),
            ("it's <i>5 o'clock</i>", "it's 5 o'clock"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }

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

    #[test]
    fn hostile_depth_costs_no_more_than_its_length() {
        assert_eq!(to_text(&"<div>".repeat(200_000)), "");
        assert_eq!(to_text(&("<p>".repeat(100_000) + "x")), "x");
        assert!(to_text(&"&".repeat(100_000)).len() == 100_000);
    }
}
