//! What each direction of a vector does, and how its answer is compared.

mod compare;
mod notified;
mod parts;
mod phone;
mod play;
mod presence;

use super::Vector;
use parts::{mapping_of, message_of, request_of, response_of, wire};
use stox::mapping::message::cpim::address_to_cpim;
use stox::mapping::{DomainMapping, Home, Mapping, Outgoing, UriForm};
use stox::model::{Composing, Content, Failure, InstantMessage, Reason, Text, cpim, date, iscomposing, mime};
use stox::sip::message::{Response, Status};
use stox::sip::uri::Uri;
use stox::time::Timestamp;
use stox::xmpp::escape::{escape_local, unescape_local};
use stox::xmpp::{Jid, Message};

/// When the vectors arrive.
pub(super) const NOW: Timestamp = Timestamp(1_790_000_000_000);
/// What a client makes up for a request.
pub(super) const OUTGOING: Outgoing<'static> =
    Outgoing { from_tag: "12345", call_id: "D9AA95FD-2BD5-46E2-AF0F-6CFAA96BDDFA", cseq: 1, language: None };

pub(super) fn run(vector: &Vector) -> Result<(), String> {
    if play::is_one(vector) {
        return play::run(vector);
    }
    if notified::is_one(vector) {
        return notified::run(vector);
    }
    match vector.direction.as_str() {
        "sip-uri->jid" | "im-uri->jid" => uri_to_jid(vector),
        "jid-parse" => {
            let parsed = Jid::parse(&vector.input);
            compare::text(vector, parsed.map_or("invalid".to_owned(), |jid| format!("valid: {jid}")))
        }
        "jid->sip-uri" => jid_to_uri(vector, UriForm::Sip),
        "jid->im-uri" => jid_to_im_uri(vector),
        "escape" => compare::text(vector, escape_local(&vector.input).unwrap_or_default()),
        "unescape" => compare::text(vector, unescape_local(&vector.input)),
        "xmpp-error->sip-status" => error_to_status(vector),
        "sip-status->xmpp-error" => status_to_error(vector),
        "xmpp->sip" => xmpp_to_sip(vector),
        "sip->xmpp" => sip_to_xmpp(vector),
        "sip->sip" => sip_to_sip(vector),
        "xmpp->sip->xmpp" => bounce(vector, Status::NOT_FOUND),
        "xmpp->xmpp" => too_large(vector),
        "parse" if vector.id.starts_with("3863") => presence::parse(vector),
        "pidf->xmpp" => presence::document_to_xmpp(vector),
        "rpid->pep" => presence::rich_to_xmpp(vector),
        "parse" if vector.id.starts_with("3842") => phone::parse_summary(vector),
        "parse" => parse(vector),
        "dialog-info->presence" => phone::calls_to_presence(vector),
        "mwi->xmpp" => phone::summary_to_headline(vector),
        "watcherinfo->xmpp" => phone::watchers_to_presence(vector),
        "cpim->xmpp" => cpim_to_xmpp(vector),
        "xmpp->cpim" => xmpp_to_cpim(vector),
        "iscomposing->xmpp" => composing_to_xmpp(vector),
        other => Err(format!("nothing runs direction {other}")),
    }
}

fn uri_to_jid(vector: &Vector) -> Result<(), String> {
    let jid = Uri::parse(&vector.input).map_err(|error| error.to_string()).and_then(|uri| {
        let mapping = mapping_of([parts::host(&uri)], UriForm::Sip);
        let address = mapping.uri_to_address(&uri).map_err(|error| error.to_string())?;
        mapping.address_to_jid(&address).map_err(|error| error.to_string())
    });
    match jid {
        Ok(jid) => compare::text(vector, jid.to_string()),
        Err(_) if vector.output.is_empty() => Ok(()),
        Err(error) => Err(error),
    }
}

fn jid_to_uri(vector: &Vector, form: UriForm) -> Result<(), String> {
    let jid = Jid::parse(&vector.input).map_err(|error| error.to_string())?;
    let mapping = mapping_of([jid.domain().to_owned()], form);
    let uri = mapping.address_to_uri(&mapping.jid_to_address(&jid)).map_err(|error| error.to_string())?;
    compare::uri(vector, uri.as_str())
}

/// RFC 3922 always drops the resource and makes `im:`; RFC 7247 does so for a domain that takes `im:`.
fn jid_to_im_uri(vector: &Vector) -> Result<(), String> {
    if !vector.id.starts_with("3922") {
        return jid_to_uri(vector, UriForm::Im);
    }
    let jid = Jid::parse(&vector.input).map_err(|error| error.to_string())?;
    let mapping = mapping_of([jid.domain().to_owned()], UriForm::Im);
    compare::uri(vector, &address_to_cpim(&mapping.jid_to_address(&jid)))
}

fn error_to_status(vector: &Vector) -> Result<(), String> {
    let stanza = message_of(&vector.input)?;
    let mapping = parts::mapping_of_message(&stanza);
    let error = stanza.error().ok_or("no error in the stanza")?;
    let full = stanza.from.as_ref().is_some_and(|from| !from.is_bare());
    let answer = mapping.failure_to_status(&mapping.stanza_error_to_failure(&error), full, true);
    let code = answer.status.code().to_string();
    let right = std::iter::once(&vector.output).chain(&vector.accept);
    let right: Vec<&str> = right.map(|right| right.strip_prefix("SIP/2.0 ").unwrap_or(right)).collect();
    if !right.iter().any(|right| right.split(' ').next() == Some(&code)) {
        return Err(format!("{code}, not one of {right:?}"));
    }
    compare::needed_headers(&error, &answer)
}

fn status_to_error(vector: &Vector) -> Result<(), String> {
    let expected = message_of(&vector.output)?;
    let response = response_of(&vector.input)?;
    let original =
        Message { from: expected.to.clone(), to: expected.from.clone(), id: expected.id.clone(), ..Message::default() };
    let mapping = parts::mapping_of_message(&expected);
    let failure = mapping.status_to_failure(&response).ok_or("not taken for a failure")?;
    let reply = original.error_reply(mapping.failure_to_stanza_error(&failure)).ok_or("no reply")?;
    compare::error(vector, &reply, &expected)
}

fn xmpp_to_sip(vector: &Vector) -> Result<(), String> {
    let stanza = message_of(&vector.input)?;
    let mapping = parts::mapping_of_message(&stanza);
    let message = mapping.xmpp_to_message(&stanza).map_err(|failure| format!("{failure:?}"))?;
    let Some(message) = message else {
        return if vector.output.is_empty() { Ok(()) } else { Err("nothing was sent".to_owned()) };
    };
    let request = mapping.message_to_sip(&message, &OUTGOING).map_err(|failure| format!("{failure:?}"))?;
    compare::request(vector, &request, &request_of(&vector.output)?)
}

fn sip_to_xmpp(vector: &Vector) -> Result<(), String> {
    let request = request_of(&vector.input)?;
    let mut plain = parts::domains_of_request(&request)?;
    // The one vector that shows XHTML-IM has it switched on; without, the body alone must be right.
    for xhtml_im in [true, false] {
        plain.iter_mut().for_each(|domain| domain.xhtml_im = xhtml_im);
        let mapping = Mapping::new(plain.clone()).map_err(|conflicts| format!("{conflicts:?}"))?;
        let message = mapping.sip_to_message(&request, NOW).map_err(|failure| format!("{failure:?}"))?;
        let message = message.ok_or("nothing was sent")?;
        let stanza = mapping.message_to_xmpp(&message).map_err(|failure| format!("{failure:?}"))?;
        let mut expected = message_of(&vector.output)?;
        if !xhtml_im {
            expected.payload.retain(|child| child.name() != "html");
        }
        compare::message(vector, &stanza, &expected)?;
        let again = mapping.sip_to_message(&request, NOW).map_err(|failure| format!("{failure:?}"))?;
        if again.and_then(|again| again.id) != stanza.id || stanza.id.is_none() {
            return Err("a retransmission gives another id".to_owned());
        }
    }
    Ok(())
}

fn sip_to_sip(vector: &Vector) -> Result<(), String> {
    let request = request_of(&vector.input)?;
    let domains = parts::domains_of_request(&request)?;
    let mapping = Mapping::new(domains).map_err(|conflicts| format!("{conflicts:?}"))?;
    let Err(failure) = mapping.sip_to_message(&request, NOW) else { return Err("was accepted".to_owned()) };
    let response = mapping.failure_to_status(&failure, true, true).to_response(&request);
    let expected = response_of(&vector.output)?;
    if response.status != expected.status {
        return Err(format!("{}", response.status.code()));
    }
    let accept = response.headers.has(stox::sip::message::Name::ACCEPT);
    if response.status == Status::UNSUPPORTED_MEDIA_TYPE && !accept { Err("no Accept".to_owned()) } else { Ok(()) }
}

fn bounce(vector: &Vector, status: Status) -> Result<(), String> {
    let stanza = message_of(&vector.input)?;
    let mapping = parts::mapping_of_message(&stanza);
    let message = mapping.xmpp_to_message(&stanza).map_err(|failure| format!("{failure:?}"))?.ok_or("nothing sent")?;
    mapping.message_to_sip(&message, &OUTGOING).map_err(|failure| format!("{failure:?}"))?;
    let failure = mapping.status_to_failure(&Response::new(status)).ok_or("no failure")?;
    let reply = stanza.error_reply(mapping.failure_to_stanza_error(&failure)).ok_or("no reply")?;
    compare::error(vector, &reply, &message_of(&vector.output)?)
}

/// Who measures is the gateway; here the request is as long as the rule needs, and the refusal is the one it names.
fn too_large(vector: &Vector) -> Result<(), String> {
    let stanza = message_of(&vector.input)?;
    let mapping = parts::mapping_of_message(&stanza);
    let message = mapping.xmpp_to_message(&stanza).map_err(|failure| format!("{failure:?}"))?.ok_or("nothing sent")?;
    let request = mapping.message_to_sip(&message, &OUTGOING).map_err(|failure| format!("{failure:?}"))?;
    let mut bytes = Vec::new();
    request.print(&mut bytes);
    if bytes.len() <= 1300 {
        return Err(format!("only {} bytes", bytes.len()));
    }
    let error = mapping.failure_to_stanza_error(&Failure::new(Reason::TooLarge));
    compare::error(vector, &stanza.error_reply(error).ok_or("no reply")?, &message_of(&vector.output)?)
}

/// One message/cpim header, read inside an object that has nothing else.
fn parse(vector: &Vector) -> Result<(), String> {
    let object = format!("{}\r\n\r\n\r\n", wire(&vector.input));
    let object = cpim::parse(object.as_bytes()).map_err(|error| error.to_string())?;
    let header = vector.input.split(':').next().unwrap_or_default();
    let named = |address: &cpim::NamedUri| format!("name='{}' uri='{}'", address.name, address.uri);
    let read = match header {
        "From" => object.from.as_ref().map(named),
        "To" => object.to.first().map(named),
        "cc" => object.cc.first().map(named),
        "DateTime" => object.sent.map(date::print_rfc3339),
        "Subject" => object.subjects.first().map(|subject| subject.text.clone()),
        "NS" => object.extensions.first().map(|header| {
            format!("{{{}}}{} = {}", header.namespace.clone().unwrap_or_default(), header.name, header.value)
        }),
        _ => {
            // A header in another case is none (RFC 3862 section 2.2).
            let known = object.from.is_some() || !object.to.is_empty() || !object.subjects.is_empty();
            (!known).then(String::new)
        }
    };
    compare::text(vector, read.unwrap_or_default())
}

/// A whole object, or a fragment put into one.
fn cpim_to_xmpp(vector: &Vector) -> Result<(), String> {
    let text = wire(&vector.input);
    let entity = mime::Entity::parse(text.as_bytes());
    let is_object = entity.header("Content-Type").is_some_and(|media| media.eq_ignore_ascii_case("message/cpim"));
    let object = if is_object { String::from_utf8_lossy(entity.body).into_owned() } else { parts::cpim_around(&text) };
    let mapping = mapping_of(Vec::<String>::new(), UriForm::Sip);
    let object = cpim::parse(object.as_bytes()).map_err(|error| error.to_string())?;
    let message = match mapping.cpim_to_message(&object) {
        Ok(message) => message,
        Err(_) if vector.output.is_empty() || !vector.output.trim_start().starts_with('<') => return Ok(()),
        Err(failure) => return Err(format!("{failure:?}")),
    };
    let Some(message) = message else { return Err("nothing was sent".to_owned()) };
    let stanza = mapping.message_to_xmpp(&message).map_err(|failure| format!("{failure:?}"))?;
    compare::fragment(vector, &stanza, is_object)
}

fn xmpp_to_cpim(vector: &Vector) -> Result<(), String> {
    let stanza = parts::message_around(&vector.input)?;
    let mapping = parts::mapping_of_message(&stanza);
    let message = mapping.xmpp_to_message(&stanza).map_err(|failure| format!("{failure:?}"))?.ok_or("nothing sent")?;
    let object = mapping.message_to_cpim(&message).map_err(|failure| format!("{failure:?}"))?;
    compare::cpim_lines(vector, &object)
}

/// Documents and content in the order they arrive; when a state lapses is the gateway's to see.
fn composing_to_xmpp(vector: &Vector) -> Result<(), String> {
    let pbx = DomainMapping::new(Home::Sip, "example.net", "example.net", None);
    let mapping = Mapping::new(vec![pbx]).map_err(|conflicts| format!("{conflicts:?}"))?;
    let mut state = Composing::Idle;
    let mut stanzas = Vec::new();
    let mut send = |content: Content| -> Result<(), String> {
        let from = stox::model::Address::new("romeo", "example.net");
        let to = stox::model::Address::new("juliet", "example.com");
        let message = InstantMessage { content, chat: true, ..InstantMessage::text(from, to, "") };
        stanzas.push(mapping.message_to_xmpp(&message).map_err(|failure| format!("{failure:?}"))?);
        Ok(())
    };
    let mut first = true;
    for piece in vector.input.split("===").map(str::trim).filter(|piece| !piece.is_empty()) {
        if let Some(words) = piece.strip_prefix("text/plain: ") {
            send(Content::Text { bodies: vec![Text::plain(words)], html: None })?;
        } else if piece.starts_with('<') {
            let told = iscomposing::parse(piece.as_bytes()).map_err(|error| error.to_string())?;
            if told != state || first {
                send(Content::Composing(told))?;
            }
            (state, first) = (told, false);
        }
    }
    if let Composing::Active { refresh: iscomposing::DEFAULT_REFRESH } = state
        && vector.output.contains("after 120 s")
    {
        send(Content::Composing(Composing::Idle))?;
    }
    compare::sequence(vector, &stanzas)
}
