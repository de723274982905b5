//! From the first header to the bound resource (RFC 6120 sections 4.3, 5, 6 and 7).

use super::config::BIND_TRIES;
use super::{ClientEvent, ClientStream, Conflict, Step, Vacancy};
use crate::time::Now;
use crate::xml::splitter::StreamHeader;
use crate::xml::{Element, ns, writer};
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::sasl;
use crate::xmpp::stanza::{Condition, ErrorType, Iq, IqKind, Stanza, StanzaError};
use crate::xmpp::stream::component::wrong_namespace;
use crate::xmpp::stream::server::Version;
use crate::xmpp::stream::{Cause, StreamError, StreamErrorKind};

impl ClientStream {
    pub(super) fn on_header(&mut self, header: &StreamHeader, now: Now) {
        let root = &header.root;
        let to = root.attr("to").map(domain);
        let from = root.attr("from").map(BareJid::parse);
        self.core.lang = root.lang().map(str::to_owned);
        let hosted = to.clone().flatten().filter(|to| (self.config.hosts)(to.domain()));
        // Section 4.9.1.2: our own header goes first, even if the other was wrong.
        self.write_header(hosted.as_ref(), from.as_ref().and_then(|from| from.as_ref().ok()));
        let error = |kind, text| Some(StreamError::new(kind, text));
        let wrong = match (wrong_namespace(header, ns::CLIENT), Version::read(root.attr("version")), &to, &from) {
            (Some(kind), ..) => Some(kind.into()),
            // Before 1.0 there were no features, so neither TLS nor SASL.
            (_, Version::Old | Version::Other, ..) => error(StreamErrorKind::UnsupportedVersion, "this is XMPP 1.0"),
            (_, _, None, _) => error(StreamErrorKind::ImproperAddressing, "the header has no to"),
            (_, _, Some(None), _) => error(StreamErrorKind::ImproperAddressing, "to is no domain"),
            _ if hosted.is_none() => Some(StreamErrorKind::HostUnknown.into()),
            (_, _, _, Some(Err(_))) => error(StreamErrorKind::InvalidFrom, "from is no bare address"),
            (_, _, _, Some(Ok(from))) if self.user.as_ref().is_some_and(|user| user != from) => {
                error(StreamErrorKind::InvalidFrom, "from is not who was authenticated")
            }
            _ if self.user.as_ref().zip(hosted.as_ref()).is_some_and(|(user, to)| user.domain() != to.domain()) => {
                error(StreamErrorKind::NotAuthorized, "to is not the domain in which was authenticated")
            }
            _ => None,
        };
        match (wrong, hosted) {
            (Some(error), _) => self.fail(error),
            (None, Some(domain)) => self.offer(domain, now),
            (None, None) => self.fail(StreamErrorKind::HostUnknown.into()),
        }
    }

    /// One thing at a time: what has to come first stands alone (section 4.3.2).
    fn offer(&mut self, domain: BareJid, now: Now) {
        self.core.since = now.mono;
        if self.user.is_some() {
            self.step = Step::Binding;
            self.write_features(&[Element::new(ns::BIND, "bind")]);
        } else if self.tls.is_some() {
            let server = sasl::Server::new(self.sasl_setting(&domain));
            let features: Vec<Element> = server.feature().into_iter().chain(server.binding_feature()).collect();
            if features.is_empty() {
                let what = "nobody can authenticate here: there are no accounts, and no certificate of the client";
                return self.fail(StreamError::new(StreamErrorKind::PolicyViolation, what));
            }
            self.write_features(&features);
            self.sasl = Some(server);
            self.step = Step::Sasl;
        } else {
            let starttls = Element::new(ns::TLS, "starttls").with_child(Element::new(ns::TLS, "required"));
            self.write_features(&[starttls]);
            // Whoever authenticates all the same is told what is missing (section 6.5.4).
            self.sasl = Some(sasl::Server::new(sasl::Setting::default()));
            self.step = Step::TlsOffered;
        }
        self.domain = Some(domain);
    }

    fn sasl_setting(&self, domain: &BareJid) -> sasl::Setting {
        let Some(tls) = &self.tls else { return sasl::Setting::default() };
        let accounts = self.config.accounts.clone();
        sasl::Setting {
            encrypted: true,
            proven: tls.proven.iter().filter(|user| user.domain() == domain.domain()).cloned().collect(),
            binding: sasl::Binding { exporter: tls.secured.exporter, end_point: tls.end_point.clone() },
            users: accounts.map(|accounts| sasl::Users { domain: domain.clone(), accounts }),
        }
    }

    pub(super) fn on_starttls(&mut self) {
        if self.step != Step::TlsOffered {
            // Section 5.4.2.2: told, and then it is over.
            writer::write(&Element::new(ns::TLS, "failure"), "", &mut self.core.output);
            self.core.end();
            let what = "TLS is not to be had here and now";
            return self.finish(Cause::OurError(StreamError::new(StreamErrorKind::PolicyViolation, what)));
        }
        if self.core.has_more() {
            return self.on_injection();
        }
        writer::write(&Element::new(ns::TLS, "proceed"), "", &mut self.core.output);
        self.step = Step::Handshake;
        self.events.push_back(ClientEvent::StartTls);
    }

    pub(super) fn on_sasl(&mut self, element: &Element, now: Now) {
        let open = matches!(self.step, Step::TlsOffered | Step::Sasl);
        let Some(server) = self.sasl.as_mut().filter(|_| open) else {
            let refused = StreamError::new(StreamErrorKind::PolicyViolation, "SASL is not to be had here and now");
            return self.fail(refused);
        };
        let reply = server.receive(element);
        let exhausted = server.is_exhausted();
        writer::write(reply.element(), "", &mut self.core.output);
        match reply {
            sasl::Reply::Challenge(_) => {}
            sasl::Reply::Success(_, user) => {
                self.user = Some(user);
                self.sasl = None;
                self.core.restart();
                self.core.since = now.mono;
                self.step = Step::Header;
            }
            sasl::Reply::Failure(..) if exhausted => {
                self.fail(StreamError::new(StreamErrorKind::PolicyViolation, "too many failed authentications"));
            }
            sasl::Reply::Failure(..) => {}
        }
    }

    /// Section 7.1: nothing but this before a resource is bound.
    pub(super) fn on_bind(&mut self, element: Element, now: Now) {
        let bind = match Stanza::from_element(element) {
            Ok(Stanza::Iq(iq)) if is_bind(&iq) => iq,
            _ => {
                let what = "a stanza before a resource is bound";
                return self.fail(StreamError::new(StreamErrorKind::NotAuthorized, what));
            }
        };
        let Some(user) = self.user.clone() else { return };
        match self.choose(&user, wanted(&bind).as_deref()) {
            Ok(jid) => {
                let child = Element::new(ns::BIND, "jid").with_text(jid.as_str());
                let answer = Element::new(ns::BIND, "bind").with_child(child);
                self.write_answer(&bind, IqKind::Result(Some(answer)));
                self.core.limit(self.config.stream.limits);
                self.core.heard = now.mono;
                self.step = Step::Bound;
                self.jid = Some(jid.clone());
                self.events.push_back(ClientEvent::Bound(jid));
            }
            Err(condition) => {
                let kind = if condition == Condition::Conflict { ErrorType::Modify } else { condition.usual_type() };
                self.write_answer(&bind, IqKind::Error(StanzaError::new(condition).with_type(kind)));
                self.binds += 1;
                if self.binds >= BIND_TRIES {
                    let what = "too many failed attempts to bind a resource";
                    self.fail(StreamError::new(StreamErrorKind::PolicyViolation, what));
                }
            }
        }
    }

    /// What cannot be a resourcepart is replaced by one of our making: section 7.7.2.1 wants it brought into conformance
    /// rather than refused.
    fn choose(&mut self, user: &BareJid, wanted: Option<&str>) -> Result<Jid, Condition> {
        let wanted = wanted.and_then(|wanted| user.with_resource(wanted).ok());
        if let Some(jid) = wanted {
            match ((self.config.vacancy)(&jid), self.config.conflict) {
                (Vacancy::Free, _) | (Vacancy::Taken, Conflict::Replace) => return Ok(jid),
                (Vacancy::Taken, Conflict::Rename) => {}
                (Vacancy::Taken, Conflict::Refuse) => {
                    return Err(Condition::Conflict);
                }
                (Vacancy::Full, _) => return Err(Condition::ResourceConstraint),
                (Vacancy::Forbidden, _) => return Err(Condition::NotAllowed),
            }
        }
        // 120 random bits are nobody's, so what is taken here can only be a mistake of the owner's.
        let Ok(jid) = user.with_resource(&self.ids.token()) else { return Err(Condition::InternalServerError) };
        match (self.config.vacancy)(&jid) {
            Vacancy::Free => Ok(jid),
            Vacancy::Taken => Err(Condition::InternalServerError),
            Vacancy::Full => Err(Condition::ResourceConstraint),
            Vacancy::Forbidden => Err(Condition::NotAllowed),
        }
    }

    fn write_answer(&mut self, request: &Iq, kind: IqKind) {
        let answer = Iq { from: None, to: None, id: request.id.clone(), lang: None, kind };
        answer.write(ns::CLIENT, &mut self.core.output);
    }

    pub(super) fn write_header(&mut self, hosted: Option<&BareJid>, to: Option<&BareJid>) {
        let id = self.ids.token();
        let mut attributes = vec![("from", hosted.map_or("", BareJid::as_str)), ("id", &id)];
        if let Some(to) = to {
            attributes.push(("to", to.as_str()));
        }
        attributes.extend([("version", "1.0"), ("xml:lang", "en")]);
        self.core.open(&[], &attributes);
    }

    fn write_features(&mut self, features: &[Element]) {
        self.core.write("<stream:features>");
        for feature in features {
            writer::write(feature, "", &mut self.core.output);
        }
        self.core.write("</stream:features>");
    }
}

/// Whether a client asks for a resource.
pub(super) fn is_bind(iq: &Iq) -> bool {
    matches!(&iq.kind, IqKind::Set(child) if child.is(ns::BIND, "bind"))
}

fn wanted(bind: &Iq) -> Option<String> {
    let resource = bind.request()?.child(ns::BIND, "resource")?;
    Some(resource.text().into_owned())
}

fn domain(text: &str) -> Option<BareJid> {
    BareJid::parse(text).ok().filter(|jid| jid.local().is_none())
}
