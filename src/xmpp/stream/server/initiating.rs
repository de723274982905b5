//! Negotiation by the end that has opened the stream (RFC 6120 sections 4.3, 5.4 and 6.4, XEP-0178 section 3).

use super::acks::Acks;
use super::features::{Features, empty};
use super::header::{Header, Version};
use super::{Initiating, Role, ServerEvent, ServerStream, Step};
use crate::time::Now;
use crate::xml::splitter::StreamHeader;
use crate::xml::{Element, ns, writer};
use crate::xmpp::federation::{Association, Authentication, Pair, Report, Way};
use crate::xmpp::sasl::{Client, Next};
use crate::xmpp::stream::{Cause, StreamError, StreamErrorKind};

impl ServerStream {
    fn side(&mut self) -> Option<&mut Initiating> {
        match &mut self.role {
            Role::Initiating(side) => Some(side),
            Role::Accepting(_) => None,
        }
    }

    pub(super) fn on_response_header(&mut self, header: &StreamHeader, now: Now) {
        let header = Header::read(header);
        self.core.lang.clone_from(&header.lang);
        if let Some(kind) = header.wrong {
            return self.fail(kind.into());
        }
        if header.version == Version::Other {
            return self.fail(StreamError::new(StreamErrorKind::UnsupportedVersion, "this is XMPP 1.0"));
        }
        self.id = header.id;
        self.step = Step::Features;
        // Without an id the peer only wants to say what is wrong (section 4.9.1.2): it follows.
        let old = header.version == Version::Old && !self.id.is_empty();
        let Some(side) = self.side() else { return };
        side.version = header.version;
        side.declares_dialback = header.dialback;
        if old {
            side.features = Some(Features::default());
            self.go_on(now);
        }
    }

    pub(super) fn on_features(&mut self, element: &Element, now: Now) {
        let features = Features::read(element);
        if self.step != Step::Features {
            // Some peers tell their features anew when something has changed; nothing is left to be chosen.
            return;
        }
        if let Some(name) = &features.unknown {
            let what = format!("the feature {name} is not known here");
            return self.fail(StreamError::new(StreamErrorKind::UnsupportedFeature, &what));
        }
        let Some(side) = self.side() else { return };
        side.errors |= features.errors;
        side.features = Some(features);
        self.go_on(now);
    }

    /// Chooses what comes next of what the peer offers, once its certificate is judged.
    pub(super) fn go_on(&mut self, now: Now) {
        let demanded = self.demanded();
        let Role::Initiating(side) = &mut self.role else { return };
        let Some(features) = side.features.clone() else { return };
        if self.tls.is_none() {
            let needed = demanded < Authentication::Dialback;
            if needed && side.version == Version::Old {
                return self.distrust("it is older than TLS".to_owned());
            }
            // RFC 7590 section 3.1: TLS may have been struck out of the features on the way.
            if features.starttls || needed {
                side.uncalled = !features.starttls;
                self.core.write(&empty("starttls", ns::TLS));
                self.step = Step::TlsAsked;
                return;
            }
        } else if self.judgement.is_none() {
            self.step = Step::Judging;
            return;
        }
        let proven = self.proven_by().is_some();
        if demanded == Authentication::Certificate && !proven {
            let why = self.unproven_because().to_owned();
            return self.distrust(why);
        }
        self.authenticate(&features, now);
    }

    fn authenticate(&mut self, features: &Features, now: Now) {
        let able = self.config.tls && self.tls.is_some();
        let wants_bidi = self.config.bidi && features.bidi;
        let Role::Initiating(side) = &mut self.role else { return };
        if self.authenticated.is_some() || side.to_verify {
            return self.open(now);
        }
        let external = features.external && able && side.failed.is_none();
        let dialback = features.dialback || side.declares_dialback;
        if !external && !dialback {
            let what = match side.failed {
                Some(condition) => format!("EXTERNAL failed ({condition}), and dialback is not offered"),
                None => "neither EXTERNAL nor dialback is offered".to_owned(),
            };
            return self.fail(StreamError::new(StreamErrorKind::UnsupportedFeature, &what));
        }
        if wants_bidi && !self.bidi {
            self.core.write(&empty("bidi", ns::BIDI));
            self.bidi = true;
        }
        if !external {
            return self.open(now);
        }
        let client = Client::external(self.local.as_deref().unwrap_or_default());
        writer::write(&client.auth(), "", &mut self.core.output);
        side.sasl = Some(client);
        self.step = Step::Sasl;
    }

    /// Negotiation is over. What the certificate has proven comes first, so that nobody tries to prove it again.
    fn open(&mut self, now: Now) {
        self.step = Step::Open;
        self.busy = now.mono;
        let sm = self.side().and_then(|side| side.features.as_ref()).is_some_and(|features| features.sm);
        if sm && self.config.manage.is_some() {
            self.acks = Acks::Offered;
        }
        if let (Some((_, by)), Some(local), Some(remote)) = (&self.authenticated, &self.local, &self.remote) {
            let (by, pair) = (*by, Pair { local: local.clone(), remote: remote.clone() });
            self.prove_out(&pair, by, now);
        }
        let multiplex = self.side().is_some_and(|side| side.errors);
        self.report(Report::Open { multiplex });
    }

    /// The peer believes us for this pair; with XEP-0288 it may also answer for it.
    pub(super) fn prove_out(&mut self, pair: &Pair, by: Association, now: Now) {
        self.prove(pair, Way::Out, by, now);
        if self.bidi {
            self.prove(pair, Way::In, by, now);
        }
    }

    pub(super) fn on_tls_answer(&mut self, element: &Element) {
        if self.step != Step::TlsAsked {
            return self.fail(StreamErrorKind::BadFormat.into());
        }
        match element.name() {
            "proceed" if self.core.has_more() => self.on_injection(),
            "proceed" => {
                self.step = Step::Handshake;
                self.events.push_back(ServerEvent::StartTls);
            }
            // Section 5.4.2.2: the peer closes the stream now.
            "failure" => self.end(Cause::PeerClosed),
            _ => self.fail(StreamErrorKind::BadFormat.into()),
        }
    }

    /// Why no TLS came about, if the stream ends because of that.
    pub(super) fn tls_was_refused(&self, cause: &Cause) -> Option<String> {
        let Role::Initiating(side) = &self.role else { return None };
        let theirs = !matches!(cause, Cause::Closed | Cause::OurError(_));
        let refused = self.step == Step::TlsAsked && theirs && self.demanded() < Authentication::Dialback;
        refused.then(|| {
            let how = if side.uncalled { "offers no TLS" } else { "offers TLS and then refuses it" };
            format!("it {how}, which is demanded of it")
        })
    }

    pub(super) fn on_sasl_answer(&mut self, element: &Element, now: Now) {
        let proven = self.association(self.remote.as_deref().unwrap_or_default());
        let Role::Initiating(side) = &mut self.role else { return };
        let Some(client) = side.sasl.as_mut().filter(|_| self.step == Step::Sasl) else {
            return self.fail(StreamErrorKind::BadFormat.into());
        };
        match client.receive(element) {
            Next::Send(answer) => writer::write(&answer, "", &mut self.core.output),
            Next::Done => {
                side.sasl = None;
                side.features = None;
                self.authenticated = self.local.clone().map(|local| (local, proven));
                self.core.restart();
                self.step = Step::Header;
                self.write_first_header();
            }
            Next::Failed(condition) => {
                side.sasl = None;
                side.failed = Some(condition);
                self.step = Step::Features;
                self.fall_back(condition.name(), now);
            }
        }
    }

    /// EXTERNAL has failed: dialback may follow on the same stream, where the partner may be believed by it (XEP-0178
    /// section 3 step 11).
    fn fall_back(&mut self, condition: &str, now: Now) {
        if self.demanded() == Authentication::Certificate {
            let why = format!("it does not accept our certificate ({condition}), and dialback is not allowed with it");
            return self.distrust(why);
        }
        self.go_on(now);
    }

    /// What the partner must do to be believed.
    fn demanded(&self) -> Authentication {
        self.partner(self.remote.as_deref().unwrap_or_default()).authentication
    }
}
