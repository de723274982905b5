//! Negotiation by the end to which the stream was opened (RFC 6120 sections 4.3, 5.4 and 6.4, XEP-0178 section 3).

use super::features::{Offer, empty};
use super::header::{Header, Version};
use super::{Accepting, Role, ServerEvent, ServerStream, Step};
use crate::time::Now;
use crate::xml::splitter::StreamHeader;
use crate::xml::{Element, ns, writer};
use crate::xmpp::federation::{Association, Authentication, Pair, Way};
use crate::xmpp::jid::Jid;
use crate::xmpp::sasl;
use crate::xmpp::stream::{StreamError, StreamErrorKind};

impl ServerStream {
    fn accepting_side(&mut self) -> Option<&mut Accepting> {
        match &mut self.role {
            Role::Accepting(side) => Some(side),
            Role::Initiating(_) => None,
        }
    }

    pub(super) fn on_initial_header(&mut self, header: &StreamHeader, now: Now) {
        let header = Header::read(header);
        self.core.lang.clone_from(&header.lang);
        self.write_answering_header(&header);
        if let Some(error) = self.wrong_with(&header) {
            return self.fail(error);
        }
        self.local = header.to.domain().cloned();
        self.remote = header.from.domain().cloned();
        if header.version == Version::Old {
            // No features then (section 4.7.5): dialback, or nothing.
            self.sasl_for(None);
            self.step = Step::Open;
        } else if self.authenticated.is_some() {
            self.open_authenticated(now);
        } else if self.tls.is_some() {
            self.step = Step::Judging;
            self.ask_about_peer();
            if self.judgement.is_some() {
                self.offer_after_tls(now);
            }
        } else {
            self.offer_in_clear();
        }
    }

    /// Who demands TLS offers nothing else before it (section 5.3.1). A peer that has not named itself yet is treated as
    /// one of those that no entry names.
    fn offer_in_clear(&mut self) {
        let partner = self.remote.as_deref().map_or(self.config.partners.others(), |remote| self.partner(remote));
        let required = partner.authentication < Authentication::Dialback;
        if required && !self.config.tls {
            let what = "TLS is demanded of this domain, and there is no certificate to offer it with";
            return self.fail(StreamError::new(StreamErrorKind::PolicyViolation, what));
        }
        self.sasl_for(None);
        let plain = !required;
        let bidi = plain && self.config.bidi;
        let sm = plain && self.config.manage.is_some();
        let offer = Offer { starttls: self.config.tls, required, external: false, dialback: plain, bidi, sm };
        // Before TLS nobody is told more than what leads to it.
        offer.write("", &mut self.core.output);
        self.step = if required { Step::TlsOffered } else { Step::Open };
    }

    /// EXTERNAL is offered only to whom the certificate proves (XEP-0178 section 3), dialback to whom it suffices.
    pub(super) fn offer_after_tls(&mut self, now: Now) {
        self.core.since = now.mono;
        let proven = self.proven_by().is_some();
        let remote = self.remote.clone().unwrap_or_default();
        let dialback = proven || self.partner(&remote).authentication >= Authentication::DialbackTls;
        if !proven && !dialback {
            let why = self.unproven_because().to_owned();
            return self.fail(StreamError::new(StreamErrorKind::NotAuthorized, &why));
        }
        self.sasl_for(proven.then_some(&remote));
        // A peer that is proven by dialback gets no features after that.
        let (bidi, sm) = (self.config.bidi, dialback && self.config.manage.is_some());
        let offer = Offer { starttls: false, required: false, external: proven, dialback, bidi, sm };
        self.write_offer(offer);
        self.step = Step::Open;
    }

    fn write_offer(&mut self, offer: Offer) {
        offer.write(self.config.caps.as_deref().unwrap_or_default(), &mut self.core.output);
    }

    fn sasl_for(&mut self, proven: Option<&str>) {
        let proven = proven.and_then(|domain| Some(Jid::parse_peer(domain).ok()?.to_bare()));
        let encrypted = self.tls.is_some();
        let setting = sasl::Setting { encrypted, proven: proven.into_iter().collect(), ..sasl::Setting::default() };
        if let Some(side) = self.accepting_side() {
            side.sasl = Some(sasl::Server::new(setting));
        }
    }

    /// The restart after SASL: what the certificate has proven counts from here on.
    fn open_authenticated(&mut self, now: Now) {
        let sm = self.config.manage.is_some();
        self.write_offer(Offer { dialback: true, sm, ..Offer::default() });
        self.step = Step::Open;
        if let (Some((_, by)), Some(local), Some(remote)) = (&self.authenticated, &self.local, &self.remote) {
            let (by, pair) = (*by, Pair { local: local.clone(), remote: remote.clone() });
            self.prove_in(&pair, by, now);
        }
    }

    /// The peer is believed for this pair; with XEP-0288 stanzas may also go back for it.
    pub(super) fn prove_in(&mut self, pair: &Pair, by: Association, now: Now) {
        self.prove(pair, Way::In, by, now);
        if self.bidi {
            self.prove(pair, Way::Out, by, now);
        }
    }

    pub(super) fn on_starttls(&mut self) {
        let may = matches!(self.step, Step::TlsOffered | Step::Open) && self.config.tls && self.tls.is_none();
        if !may || self.is_in_use() {
            // Section 5.4.2.2: told, and then it is over.
            self.core.write(&empty("failure", ns::TLS));
            let what = "TLS is not to be had here and now";
            self.core.end();
            return self.finish(super::Cause::OurError(StreamError::new(StreamErrorKind::PolicyViolation, what)));
        }
        if self.core.has_more() {
            return self.on_injection();
        }
        self.core.write(&empty("proceed", ns::TLS));
        self.step = Step::Handshake;
        self.events.push_back(ServerEvent::StartTls);
    }

    pub(super) fn on_sasl(&mut self, element: &Element, now: Now) {
        let (by, used) = (self.proven_by(), self.is_in_use());
        let early = matches!(self.step, Step::Open | Step::TlsOffered);
        let open = early && self.authenticated.is_none() && !used;
        let Some(server) = self.accepting_side().and_then(|side| side.sasl.as_mut()).filter(|_| open) else {
            let refused = StreamError::new(StreamErrorKind::PolicyViolation, "SASL is not to be had here and now");
            return self.fail(refused);
        };
        let reply = server.receive(element);
        let exhausted = server.is_exhausted();
        writer::write(reply.element(), "", &mut self.core.output);
        match reply {
            sasl::Reply::Challenge(_) => {}
            sasl::Reply::Success(..) => {
                self.authenticated = self.remote.clone().zip(by);
                if let Some(side) = self.accepting_side() {
                    side.sasl = None;
                }
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

    /// XEP-0288 section 2.2: before anything is proven.
    pub(super) fn on_bidi(&mut self) {
        if self.step == Step::Open && self.config.bidi && !self.is_in_use() {
            self.bidi = true;
        } else {
            let what = "the stream is already in use one way";
            self.fail(StreamError::new(StreamErrorKind::PolicyViolation, what));
        }
    }

    /// Whether something depends on the stream as it is.
    fn is_in_use(&self) -> bool {
        self.pairs.len() > 0 || !self.dialback.is_empty()
    }
}
