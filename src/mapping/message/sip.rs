//! MESSAGE (RFC 3428) <-> [`InstantMessage`].

use super::super::{Home, Mapping};
use super::body::{self, Found, Part, first_language};
use super::{MAX_HOPS, STALE_MS, is_language, single_line, thread};
use crate::model::cpim::{NamedUri, write_text};
use crate::model::{Address, Content, Failure, InstantMessage, Reason, Text, iscomposing};
use crate::sip::message::header::{Date, Expires, From, MaxForwards, NameAddr, To};
use crate::sip::message::{BadHeader, Headers, Method, Name, Request};
use crate::sip::uri::{Host, Scheme, Uri};
use crate::time::Timestamp;
use sha1::{Digest, Sha1};
use std::borrow::Cow;
use std::fmt::Write;

/// The host of those who hide (RFC 3323 section 4.1.1.3).
const ANONYMOUS_HOST: &str = "anonymous.invalid";

/// What a request needs that only its sender can make up.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The From tag, fresh for each message.
    pub from_tag: &'a str,
    /// The Call-ID for a message that belongs to no thread, or to one that cannot be a Call-ID.
    pub call_id: &'a str,
    /// The sequence number, at least 1.
    pub cseq: u32,
    /// The language to send of a message in several: the one the recipient used last; `None`: the first (A-IM-08).
    pub language: Option<&'a str>,
}

/// How words are put into a body. Plain text is what every user agent must take (RFC 3428 section 4); the others are for
/// those that answer it with 415 and say what they want instead, or say nothing and dislike a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `text/plain;charset=UTF-8`
    #[default]
    Text,
    /// `text/plain` alone: its charset is UTF-8 all the same (RFC 3261 section 20.15), and no language is named.
    Bare,
    /// `message/cpim` around plain text (RFC 3862).
    Cpim,
}

impl Mapping {
    /// A MESSAGE for `message`, complete but for Via (RFC 7572 section 4).
    ///
    /// It has no Contact (RFC 3428 section 4), and its From is the bare JID with the resource as `gr`.
    ///
    /// # Errors
    /// An address that has no SIP URI.
    pub fn message_to_sip(&self, message: &InstantMessage, outgoing: &Outgoing<'_>) -> Result<Request, Failure> {
        self.message_to_sip_as(message, outgoing, Form::Text)
    }

    /// The same with the words in another form. A typing state has only its own.
    ///
    /// # Errors
    /// As [`Mapping::message_to_sip`].
    pub fn message_to_sip_as(
        &self,
        message: &InstantMessage,
        outgoing: &Outgoing<'_>,
        form: Form,
    ) -> Result<Request, Failure> {
        let to = self.address_to_uri(&message.to)?;
        let from = self.address_to_uri(&message.from)?;
        let mut headers = Headers::with_capacity(12, 512);
        let mut line = String::with_capacity(128);
        headers.push(Name::MAX_FORWARDS, number(&mut line, u32::from(message.hops.unwrap_or(MAX_HOPS))));
        headers.push(Name::TO, address(&mut line, None, &to, None));
        headers.push(Name::FROM, address(&mut line, message.nick.as_deref(), &from, Some(outgoing.from_tag)));
        let call_id = message.thread.as_deref().and_then(thread::to_call_id);
        headers.push(Name::CALL_ID, call_id.as_deref().unwrap_or(outgoing.call_id));
        line.clear();
        let _ = write!(line, "{} MESSAGE", outgoing.cseq);
        headers.push(Name::CSEQ, &line);
        let (media_type, body, language) = content(message, outgoing.language);
        let subject = choose(&message.subjects, language.as_deref().or(outgoing.language));
        if let Some(subject) = subject.map(|subject| single_line(&subject.text)).filter(|subject| !subject.is_empty()) {
            headers.push(Name::SUBJECT, subject);
        }
        if let Some(language) = language.filter(|_| form == Form::Text) {
            headers.push(Name::CONTENT_LANGUAGE, language);
        }
        if let Some(sent) = message.sent {
            headers.add(&Date(sent));
        }
        let (media_type, body) = match (form, &message.content) {
            (Form::Text, _) | (_, Content::Composing(_)) => (media_type, body),
            (Form::Bare, Content::Text { .. }) => ("text/plain", body),
            (Form::Cpim, Content::Text { .. }) => ("message/cpim", wrapped(message, &from, &to, &body)),
        };
        let mut request = Request::new(Method::Message, to);
        request.headers = headers;
        request.set_body(media_type, body);
        Ok(request)
    }

    /// The message in a MESSAGE that arrived at `now` (RFC 7572 section 5). `None`: nothing was said, so it is accepted
    /// and nobody is told (A-IM-12).
    ///
    /// # Errors
    /// The reason to refuse it with.
    pub fn sip_to_message(&self, request: &Request, now: Timestamp) -> Result<Option<InstantMessage>, Failure> {
        self.sip_to_message_of(request, None, now)
    }

    /// The same, of the sender that a trusted network has `asserted` (RFC 3325 section 9.1) and that is not From.
    ///
    /// # Errors
    /// The reason to refuse it with.
    pub fn sip_to_message_of(
        &self,
        request: &Request,
        asserted: Option<&NameAddr>,
        now: Timestamp,
    ) -> Result<Option<InstantMessage>, Failure> {
        let hops = hops(request)?;
        let sip_to: To = request.headers.require().map_err(bad_header)?;
        if request.uri.scheme() == Scheme::Sips || sip_to.uri.scheme() == Scheme::Sips {
            return Err(Reason::SecureSchemeRefused.into());
        }
        let to = self.uri_to_address(&request.uri)?;
        let sip_from: From = request.headers.require().map_err(bad_header)?;
        let sender = asserted.unwrap_or(&sip_from);
        let hidden = is_anonymous(&sender.uri) || wants_privacy(&request.headers, asserted.is_some());
        let from = if hidden { self.anonymous(&to)? } else { self.sender(sender)? };
        let date = request.headers.find::<Date>().ok().flatten().map(|date| date.0);
        refuse_expired(request, date, now)?;
        let Some((content, found)) = self.sip_content(request, &from)? else { return Ok(None) };
        let domain = self.domain_of_xmpp(&from.domain);
        let call_id = request.headers.call_id().ok_or(BadHeader(Name::CALL_ID)).map_err(bad_header)?;
        let as_thread = domain.is_none_or(|domain| domain.call_id_as_thread);
        let subjects = match request.headers.text(Name::SUBJECT).map(|subject| single_line(&subject)) {
            Some(subject) if !subject.is_empty() => vec![Text { lang: language(&request.headers), text: subject }],
            _ => found.subjects,
        };
        let composing = matches!(content, Content::Composing(_));
        Ok(Some(InstantMessage {
            id: Some(transaction_digest(call_id, request, sip_from.tag().as_deref())?),
            thread: as_thread.then(|| thread::from_call_id(call_id)),
            chat: composing || domain.is_some_and(|domain| domain.pager_as_chat),
            nick: sender.display().filter(|_| !hidden).map(|name| single_line(&name)).filter(|name| !name.is_empty()),
            hops: Some(hops),
            sent: date.or(found.sent).filter(|sent| now.0 - sent.0 > STALE_MS),
            from,
            to,
            subjects,
            content,
        }))
    }

    /// Who wants to watch whom, of a SUBSCRIBE, without their devices; `asserted` as for a message. Who hides watches
    /// nobody: the target has to know whom she allows.
    ///
    /// # Errors
    /// The reason to refuse it with.
    pub fn parties_of(&self, request: &Request, asserted: Option<&NameAddr>) -> Result<(Address, Address), Failure> {
        let sip_to: To = request.headers.require().map_err(bad_header)?;
        if request.uri.scheme() == Scheme::Sips || sip_to.uri.scheme() == Scheme::Sips {
            return Err(Reason::SecureSchemeRefused.into());
        }
        let to = self.uri_to_address(&request.uri)?;
        let sip_from: From = request.headers.require().map_err(bad_header)?;
        let sender = asserted.unwrap_or(&sip_from);
        if is_anonymous(&sender.uri) || wants_privacy(&request.headers, asserted.is_some()) {
            return Err(Reason::AnonymityDisallowed.into());
        }
        Ok((self.sender(sender)?.to_bare(), to.to_bare()))
    }

    /// The body of a request, if it says anything.
    fn sip_content(&self, request: &Request, from: &Address) -> Result<Option<(Content, Found)>, Failure> {
        if request.body().is_empty() {
            return Ok(None);
        }
        let identity = |coding: &str| coding.eq_ignore_ascii_case("identity");
        if !request.headers.tokens(Name::CONTENT_ENCODING).all(identity) {
            return Err(Reason::EncodingUnsupported.into());
        }
        let text = |name: &str| request.headers.text(name_of(name)).map(Cow::into_owned);
        let (media_type, transfer, language) =
            (text("Content-Type"), text("Content-Transfer-Encoding"), text("Content-Language"));
        let part = Part {
            media_type: media_type.as_deref(),
            transfer_encoding: transfer.as_deref(),
            language: language.as_deref(),
            body: request.body(),
        };
        let mut found = body::read(self.contents, part)?;
        let keeps_markup = self.domain_of_xmpp(&from.domain).is_some_and(|domain| domain.xhtml_im);
        let html = found.html.take().filter(|_| keeps_markup);
        let mut bodies = std::mem::take(&mut found.bodies);
        if let [only] = bodies.as_mut_slice() {
            only.lang = only.lang.take().or_else(|| first_language(part.language));
        }
        Ok(match (bodies.is_empty(), found.composing) {
            (false, _) => Some((Content::Text { bodies, html }, found)),
            (true, Some(state)) => Some((Content::Composing(state), found)),
            (true, None) => None,
        })
    }

    /// The sender as From has it. A `gr` beside the URI counts as if it were inside (A-ADDR-08).
    fn sender(&self, from: &NameAddr) -> Result<Address, Failure> {
        if from.uri.scheme() == Scheme::Tel {
            return Ok(self.number_to_address(&from.uri, Home::Sip)?);
        }
        let stray = from.params.get("gr").filter(|value| !value.is_empty() && from.uri.param("gr").is_none());
        let inside = stray.and_then(|value| from.uri.with_param("gr", Some(value)).ok());
        Ok(self.uri_to_address(inside.as_ref().unwrap_or(&from.uri))?)
    }

    /// Whom an anonymous sender appears as: what the recipient's domain says, else any domain (A-IM-11).
    fn anonymous(&self, to: &Address) -> Result<Address, Failure> {
        let own = self.domain_of_xmpp(&to.domain).and_then(|domain| domain.anonymous.clone());
        let any = || self.domains().iter().find_map(|domain| domain.anonymous.clone());
        own.or_else(any).ok_or_else(|| Reason::AnonymityDisallowed.into())
    }
}

fn name_of(name: &str) -> Name<'_> {
    Name::parse(name.as_bytes()).unwrap_or(Name::Other(name))
}

fn bad_header(error: BadHeader) -> Failure {
    Failure::because(Reason::BadRequest, error.to_string())
}

fn number(line: &mut String, value: u32) -> &str {
    line.clear();
    // Writing to a String cannot fail.
    let _ = write!(line, "{value}");
    line
}

/// `"name" <uri>;tag=tag` (RFC 3261 section 25.1).
fn address<'l>(line: &'l mut String, name: Option<&str>, uri: &Uri, tag: Option<&str>) -> &'l str {
    line.clear();
    if let Some(name) = name.map(single_line).filter(|name| !name.is_empty()) {
        line.push('"');
        for letter in name.chars() {
            if matches!(letter, '"' | '\\') {
                line.push('\\');
            }
            line.push(letter);
        }
        line.push_str("\" ");
    }
    let _ = write!(line, "<{}>", uri.as_str());
    if let Some(tag) = tag {
        let _ = write!(line, ";tag={tag}");
    }
    line
}

/// The words of a message in message/cpim, between the addresses of its request.
fn wrapped(message: &InstantMessage, from: &Uri, to: &Uri, body: &[u8]) -> Vec<u8> {
    let named = |name: Option<&str>, uri: &Uri| NamedUri {
        name: name.map(single_line).unwrap_or_default(),
        uri: uri.as_str().to_owned(),
    };
    let (from, to) = (named(message.nick.as_deref(), from), named(None, to));
    write_text(&from, &to, message.sent, &message.subjects, &String::from_utf8_lossy(body)).into_bytes()
}

/// Media type, octets and language of what is sent; of several languages one (A-IM-08).
fn content(message: &InstantMessage, preferred: Option<&str>) -> (&'static str, Vec<u8>, Option<String>) {
    match &message.content {
        Content::Composing(state) => (iscomposing::MEDIA_TYPE, iscomposing::print(*state), None),
        Content::Text { bodies, .. } => {
            let chosen = choose(bodies, preferred);
            let text = chosen.map(|body| body.text.as_str()).unwrap_or_default();
            let text = if text.contains('\n') { Cow::Owned(text.replace('\n', "\r\n")) } else { Cow::Borrowed(text) };
            let language = chosen.and_then(|body| body.lang.clone()).filter(|lang| is_language(lang));
            ("text/plain;charset=UTF-8", text.into_owned().into_bytes(), language)
        }
    }
}

/// The text in the preferred language, exactly or by its primary tag, else the first.
fn choose<'t>(texts: &'t [Text], preferred: Option<&str>) -> Option<&'t Text> {
    let primary = |tag: &str| tag.split('-').next().map(str::to_ascii_lowercase);
    let exact = |text: &&Text| text.lang.as_deref().zip(preferred).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
    let close = |text: &&Text| text.lang.as_deref().zip(preferred).is_some_and(|(a, b)| primary(a) == primary(b));
    texts.iter().find(exact).or_else(|| texts.iter().find(close)).or_else(|| texts.first())
}

/// RFC 7332 section 5, RFC 3261 section 8.1.1.6: this crossing takes one hop.
fn hops(request: &Request) -> Result<u8, Failure> {
    let left = request.headers.find::<MaxForwards>().map_err(bad_header)?.map_or(MAX_HOPS, |header| header.0);
    left.checked_sub(1).ok_or_else(|| Reason::TooManyHops.into())
}

/// RFC 3323 section 4.1: what a user agent that hides puts in From.
fn is_anonymous(uri: &Uri) -> bool {
    matches!(uri.host(), Some(Host::Name(host)) if host.eq_ignore_ascii_case(ANONYMOUS_HOST))
}

/// RFC 3323 section 4.2: `user` and `header` ask the network to hide what the user agent could not; RFC 3325 section
/// 9.3: `id` asks to keep what was asserted inside the network that did, and XMPP is outside of it.
fn wants_privacy(headers: &Headers, asserted: bool) -> bool {
    let hides = |wish: &str| matches!(wish, "user" | "header") || (asserted && wish == "id");
    headers
        .all(name_of("Privacy"))
        .filter_map(|value| std::str::from_utf8(value).ok())
        .any(|value| value.split([';', ',']).any(|wish| hides(&wish.trim().to_ascii_lowercase())))
}

/// RFC 3428 section 4: Expires counts from Date, and from now where there is none.
fn refuse_expired(request: &Request, date: Option<Timestamp>, now: Timestamp) -> Result<(), Failure> {
    let expires = request.headers.find::<Expires>().ok().flatten();
    match expires.zip(date) {
        Some((expires, date)) if now.0 - date.0 > i64::from(expires.0) * 1000 => Err(Reason::Expired.into()),
        _ => Ok(()),
    }
}

/// The language that Content-Language gives to what has none of its own.
pub(crate) fn language(headers: &Headers) -> Option<String> {
    headers.text(Name::CONTENT_LANGUAGE).and_then(|list| first_language(Some(&list)))
}

/// What names this transaction on the XMPP side: the same for a retransmission and for every fork of one request
/// (RFC 3261 section 8.2.2.2 uses the same three).
fn transaction_digest(call_id: &str, request: &Request, tag: Option<&str>) -> Result<String, Failure> {
    let cseq = request.headers.cseq().map_err(bad_header)?;
    let mut digest = Sha1::new();
    for part in [call_id.as_bytes(), b"\0", &cseq.number.to_be_bytes(), b"\0", tag.unwrap_or_default().as_bytes()] {
        digest.update(part);
    }
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digest = digest.finalize();
    let digits = digest.iter().take(12).flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(digits.map(|digit| char::from(HEX[usize::from(digit)])).collect())
}
