//! What a body of any media type says: text, markup reduced to text, a typing state, or one of these inside another.

use super::table::{ContentTable, ReadAs};
use super::{clean, is_language, single_line};
use crate::model::{Composing, Failure, Reason, Text, charset, cpim, html, iscomposing, mime};
use crate::time::Timestamp;

/// Bodies inside one another that are opened. A text in message/cpim in an alternative in a mixed body has four.
const MAX_NESTING: usize = 4;

/// What was found in a body.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Words by language; empty if nothing was said.
    pub(super) bodies: Vec<Text>,
    /// The markup the words were taken from.
    pub(super) html: Option<String>,
    /// A typing state, if that is all there is.
    pub(super) composing: Option<Composing>,
    /// Subjects of a message/cpim object.
    pub(super) subjects: Vec<Text>,
    /// DateTime of a message/cpim object.
    pub(super) sent: Option<Timestamp>,
}

/// One body and what its headers say about it.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) media_type: Option<&'a str>,
    pub(super) transfer_encoding: Option<&'a str>,
    pub(super) language: Option<&'a str>,
    pub(super) body: &'a [u8],
}

impl<'a> Part<'a> {
    pub(super) fn of_entity(entity: &'a mime::Entity<'_>) -> Self {
        Part {
            media_type: entity.header("Content-Type"),
            transfer_encoding: entity.header("Content-Transfer-Encoding"),
            language: entity.header("Content-Language"),
            body: entity.body,
        }
    }
}

/// Reads a body, whatever it is.
pub(super) fn read(table: &ContentTable, part: Part<'_>) -> Result<Found, Failure> {
    read_part(table, part, 0)
}

fn read_part(table: &ContentTable, part: Part<'_>, depth: usize) -> Result<Found, Failure> {
    if part.body.is_empty() {
        return Ok(Found::default());
    }
    if depth > MAX_NESTING {
        return Err(Failure::because(Reason::ContentRefused, "Too many bodies inside one another"));
    }
    // RFC 3261 section 20.15 wants a Content-Type; phones without one mean text.
    let media = part.media_type.unwrap_or("text/plain");
    let media =
        mime::MediaType::parse(media).ok_or_else(|| Failure::because(Reason::BadRequest, "Malformed Content-Type"))?;
    let read_as = table.read_as(&media.essence).ok_or(Reason::MediaTypeUnsupported)?;
    let encoding = part.transfer_encoding.unwrap_or("binary");
    let body = mime::decode_transfer(encoding, part.body)
        .ok_or_else(|| Failure::because(Reason::EncodingUnsupported, "Content-Transfer-Encoding not understood"))?;
    match read_as {
        ReadAs::Text => Ok(words(clean(&text(&media, &body)?).into_owned(), part.language)),
        ReadAs::Html => {
            let markup = text(&media, &body)?;
            let mut found = words(clean(&html::to_text(&markup)).into_owned(), part.language);
            found.html = Some(markup.into_owned());
            Ok(found)
        }
        ReadAs::Composing => {
            let state = iscomposing::parse(&body)
                .map_err(|error| Failure::because(Reason::BadRequest, format!("isComposing: {error}")))?;
            Ok(Found { composing: Some(state), ..Found::default() })
        }
        ReadAs::Cpim => read_cpim(table, &body, depth),
        ReadAs::Multipart => read_multipart(table, &media, &body, depth),
    }
}

fn words(text: String, language: Option<&str>) -> Found {
    if text.is_empty() {
        return Found::default();
    }
    Found { bodies: vec![Text { lang: first_language(language), text }], ..Found::default() }
}

/// The first of the languages a Content-Language names; a message has one (RFC 7572 table 2).
pub(super) fn first_language(list: Option<&str>) -> Option<String> {
    let first = list?.split(',').next()?.trim();
    is_language(first).then(|| first.to_owned())
}

fn text<'b>(media: &mime::MediaType, body: &'b [u8]) -> Result<std::borrow::Cow<'b, str>, Failure> {
    let charset = media.param("charset").map(str::trim).filter(|name| !name.is_empty());
    if charset.is_some_and(|name| !charset::is_known(name)) {
        return Err(Failure::because(Reason::MediaTypeUnsupported, "Charset not supported, use UTF-8"));
    }
    let name = charset.unwrap_or("UTF-8").to_owned();
    charset::decode(charset, body)
        .ok_or_else(|| Failure::because(Reason::BadRequest, format!("Body is not {}", single_line(&name))))
}

/// RFC 3922 section 4.2. From and To inside are not looked at here: who sends is what the SIP side has proven.
fn read_cpim(table: &ContentTable, body: &[u8], depth: usize) -> Result<Found, Failure> {
    let object = cpim::parse(body).map_err(|error| Failure::because(Reason::BadRequest, error.to_string()))?;
    refuse_required(&object)?;
    let mut found = read_part(table, Part::of_entity(&object.content), depth + 1)?;
    if found.subjects.is_empty() {
        found.subjects = subjects(&object);
    }
    found.sent = found.sent.or(object.sent);
    Ok(found)
}

/// RFC 3862 section 3.5: what the sender requires and we do not know is a reason to refuse.
pub(super) fn refuse_required(object: &cpim::Cpim<'_>) -> Result<(), Failure> {
    const KNOWN: [&str; 7] = ["From", "To", "cc", "DateTime", "Subject", "NS", "Require"];
    let unknown = object.require.iter().find(|required| {
        required.namespace.as_deref() != Some(cpim::CORE_NAMESPACE) || !KNOWN.contains(&required.name.as_str())
    });
    match unknown {
        None => Ok(()),
        Some(required) => {
            let text = format!("message/cpim requires {}, which is not understood", single_line(&required.name));
            Err(Failure::because(Reason::ContentRefused, text))
        }
    }
}

/// The subjects of an object as XML can hold them.
pub(super) fn subjects(object: &cpim::Cpim<'_>) -> Vec<Text> {
    let one = |subject: &Text| Text {
        lang: subject.lang.clone().filter(|lang| is_language(lang)),
        text: clean(&subject.text).into_owned(),
    };
    object.subjects.iter().map(one).filter(|subject| !subject.text.is_empty()).collect()
}

/// Of alternatives the plain text, in all its languages; of other bodies the first part that can be read. A body of
/// which no part can be read is refused for its first one.
fn read_multipart(table: &ContentTable, media: &mime::MediaType, body: &[u8], depth: usize) -> Result<Found, Failure> {
    let boundary = media.param("boundary").filter(|boundary| !boundary.is_empty());
    let boundary = boundary.ok_or_else(|| Failure::because(Reason::BadRequest, "multipart body without boundary"))?;
    let mut best: Option<(u8, Found)> = None;
    let mut refusal = None;
    for part in mime::parts(body, boundary) {
        let entity = mime::Entity::parse(part);
        let found = match read_part(table, Part::of_entity(&entity), depth + 1) {
            Ok(found) => found,
            Err(failure) => {
                refusal.get_or_insert(failure);
                continue;
            }
        };
        let rank = rank(&found);
        match &mut best {
            Some((0, chosen)) if rank == 0 && media.essence == "multipart/alternative" => add_language(chosen, found),
            Some((chosen, _)) if *chosen <= rank => {}
            _ => best = Some((rank, found)),
        }
    }
    match best {
        Some((_, found)) => Ok(found),
        None => Err(refusal.unwrap_or_else(|| Failure::because(Reason::BadRequest, "multipart body without parts"))),
    }
}

/// Less is better: words that were written as text, words from markup, a typing state, nothing.
fn rank(found: &Found) -> u8 {
    match (found.bodies.is_empty(), &found.html, found.composing) {
        (false, None, _) => 0,
        (false, Some(_), _) => 1,
        (true, _, Some(_)) => 2,
        (true, _, None) => 3,
    }
}

fn add_language(chosen: &mut Found, other: Found) {
    for body in other.bodies {
        if !chosen.bodies.iter().any(|known| known.lang == body.lang) {
            chosen.bodies.push(body);
        }
    }
}
