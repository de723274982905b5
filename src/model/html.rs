//! text/html reduced to what it says (RFC 7572 section 7; XHTML-IM itself is deprecated, XEP-0071).
//!
//! Not a browser: tags go, `br` and block ends become line breaks, entities become characters, script and style
//! vanish with what is in them. Linear in the input, no recursion, no more output than input.

mod entities;
mod xhtml;

pub use entities::decode_entities;
pub use xhtml::to_xhtml;

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
    fn hostile_depth_costs_no_more_than_its_length() {
        assert_eq!(to_text(&"<div>".repeat(200_000)), "");
        assert_eq!(to_text(&("<p>".repeat(100_000) + "x")), "x");
        assert!(to_text(&"&".repeat(100_000)).len() == 100_000);
    }
}
