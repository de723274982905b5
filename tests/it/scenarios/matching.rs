//! Whether what came is what the story says: what is not written is not looked at.

use stox::sip::message::{Headers, Message};
use stox::xml::{Element, ns};

use super::story::SipText;

/// What stands for "there is none".
const NONE: &str = "(none)";

/// Whether `text` is `pattern`, in which `*` is any text.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The first difference between `wanted` and `got`, or nothing.
pub(super) fn element(wanted: &Element, got: &Element) -> Option<String> {
    let name = wanted.name();
    if !got.is(wanted.ns(), name) {
        return Some(format!("<{name} xmlns='{}'> is <{} xmlns='{}'>", wanted.ns(), got.name(), got.ns()));
    }
    for attribute in wanted.attributes() {
        let (local, value) = (attribute.name.as_str(), &attribute.value);
        let found = got.attr_ns(attribute.ns.as_str(), local);
        match found {
            None if value == NONE => {}
            None => return Some(format!("<{name}> has no {local}")),
            Some(found) if !fits(value, found) => return Some(format!("{local}='{value}' is '{found}'")),
            Some(_) => {}
        }
    }
    let is_leaf = wanted.children().next().is_none();
    if is_leaf && !wanted.text().is_empty() && !fits(&wanted.text(), &got.text()) {
        return Some(format!("<{name}>{}</{name}> says `{}`", wanted.text(), got.text()));
    }
    for child in wanted.children() {
        let same: Vec<&Element> = got.children().filter(|other| other.is(child.ns(), child.name())).collect();
        if same.iter().all(|other| element(child, other).is_some()) {
            let closest = same.first().and_then(|other| element(child, other));
            return Some(closest.unwrap_or_else(|| format!("<{name}> has no <{}>", child.name())));
        }
    }
    None
}

/// The condition of an error may be written without its namespace.
pub(super) fn with_condition_namespace(wanted: Element) -> Element {
    if !wanted.is(ns::CLIENT, "error") {
        let children: Vec<Element> = wanted.children().cloned().collect();
        if children.is_empty() {
            return wanted;
        }
        let mut outer = Element::new(wanted.ns(), wanted.name());
        for attribute in wanted.attributes() {
            outer.set_attr_ns(attribute.ns.clone(), attribute.name.as_str(), attribute.value.clone());
        }
        return children.into_iter().fold(outer, |outer, child| outer.with_child(with_condition_namespace(child)));
    }
    let mut error = Element::new(ns::CLIENT, "error");
    for attribute in wanted.attributes() {
        error.set_attr(attribute.name.as_str(), attribute.value.clone());
    }
    for child in wanted.children() {
        let ns = if child.ns() == ns::CLIENT { ns::STANZAS } else { child.ns() };
        error.push_child(Element::new(ns.to_owned(), child.name()).with_text(&child.text()));
    }
    error
}

/// The first difference between `wanted` and `got`, or nothing.
pub(super) fn sip(wanted: &SipText, got: &Message) -> Option<String> {
    let first = match got {
        Message::Request(request) => format!("{} {}", request.method.as_str(), request.uri.as_str()),
        Message::Response(response) => format!("{} {}", response.status.code(), response.reason()),
    };
    let code_alone = wanted.first.len() == 3 && first.starts_with(&wanted.first);
    if !code_alone && !fits(&wanted.first, &first) {
        return Some(format!("`{}` is `{first}`", wanted.first));
    }
    wanted.headers.iter().find_map(|(name, value)| header(got.headers(), name, value)).or_else(|| {
        let body = String::from_utf8_lossy(got.body());
        let wanted = wanted.body.as_ref()?;
        (!fits(wanted, &body)).then(|| format!("the body is `{body}` instead of `{wanted}`"))
    })
}

fn header(headers: &Headers, name: &str, wanted: &str) -> Option<String> {
    match headers.text(name) {
        None if wanted == NONE => None,
        None => Some(format!("there is no {name}")),
        Some(value) if fits(wanted, &value) => None,
        Some(value) => Some(format!("{name} is `{value}` instead of `{wanted}`")),
    }
}
