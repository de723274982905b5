//! What stox answers itself: queries about the gateway and its users, OPTIONS, and SIP requests it does not serve.
//!
//! Every query gets an answer (RFC 6120 section 8.2.3): what is known, or `service-unavailable`.

use super::{Gateway, Link, events};
use crate::sip::endpoint::ServerId;
use crate::sip::message::check::{check, check_required};
use crate::sip::message::{Method, Name, Request, Response, Status};
use crate::time::Now;
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Condition, Iq, IqKind, Stanza, StanzaError};
use crate::xmpp::xep::{disco, last, ping, time, vcard, version};

/// What we serve on the SIP side.
pub(super) const ALLOW: &str = "MESSAGE, NOTIFY, OPTIONS, SUBSCRIBE";

impl Gateway {
    pub(super) fn on_iq(&mut self, link: Link, iq: Iq, now: Now) {
        if let Some(state) = self.links.get_mut(link)
            && state.last_ping.as_ref() == Some(&iq.id)
        {
            state.last_ping = None;
        }
        match iq.kind {
            IqKind::Result(_) | IqKind::Error(_) => self.on_answer(link, &iq, now),
            IqKind::Get(_) | IqKind::Set(_) => {
                self.stats.iqs += 1;
                let answer = self.answer(&iq, now);
                if let (Some(answer), true) = (answer, self.link_is_up(link))
                    && let Some(answer) = self.hold_ping(link, &iq, answer, now)
                {
                    self.outputs.push(super::Output::Stanza(link, Stanza::Iq(answer)));
                }
            }
        }
    }

    fn answer(&self, iq: &Iq, now: Now) -> Option<Iq> {
        let to = iq.to.as_ref()?;
        let user = to.local().is_some();
        if let Some(query) = disco::Query::of(iq) {
            return self.answer_disco(iq, to, &query);
        }
        if ping::is_ping(iq) {
            return iq.result(None);
        }
        if vcard::is_query(iq) {
            return iq.result(Some(self.card(to)));
        }
        if version::is_query(iq) && !user {
            return iq.result(Some(version::result("stox", self.settings.version)));
        }
        if time::is_query(iq) && !user {
            return iq.result(Some(time::result(now.wall)));
        }
        if last::is_query(iq) && !user {
            return iq.result(Some(last::result(now.mono.as_secs())));
        }
        iq.error_reply(StanzaError::new(Condition::ServiceUnavailable))
    }

    fn answer_disco(&self, iq: &Iq, to: &Jid, query: &disco::Query<'_>) -> Option<Iq> {
        let payload = match query {
            disco::Query::Items { node: None } => Some(disco::items(None, &[])),
            disco::Query::Info { node } if to.local().is_none() => self.surface.of_domain(*node),
            disco::Query::Info { node } => self.surface.of_user(to.is_bare(), *node),
            disco::Query::Items { node: Some(_) } => None,
        };
        match payload {
            Some(payload) => iq.result(Some(payload)),
            None => iq.error_reply(StanzaError::new(Condition::ItemNotFound)),
        }
    }

    /// The card of a SIP user: the only thing known for sure is the address.
    fn card(&self, to: &Jid) -> crate::xml::Element {
        if to.local().is_none() {
            return vcard::card(Some("SIP gateway"), None, Some("stox, a gateway between XMPP and SIP"));
        }
        let address = self.mapping.jid_to_address(to).to_bare();
        let uri = self.mapping.address_to_uri(&address).ok().map(|uri| uri.as_str().to_owned());
        vcard::card(address.user.as_deref(), uri.as_deref(), None)
    }

    /// The refusal of a request that nobody could serve, whatever it asks.
    pub(super) fn not_servable(&self, request: &Request) -> Option<Response> {
        if let Err(refusal) = check(request) {
            return refusal.response(request);
        }
        // RFC 4662 section 4.1: the NOTIFYs of a list require it.
        let known: &[&str] = if request.method == Method::Notify { &["eventlist"] } else { &[] };
        check_required(request, known).and_then(|refusal| refusal.response(request))
    }

    pub(super) fn on_other_request(&mut self, transaction: ServerId, request: &Request, now: Now) {
        self.stats.other_requests += 1;
        let mut response = request.response(status_for(request));
        match response.status {
            Status::OK => {
                response.headers.push(Name::ALLOW, ALLOW);
                response.headers.push(Name::ACCEPT, self.mapping.accepted_types());
                response.headers.push(Name::ACCEPT_ENCODING, "identity");
                response.headers.push(Name::SUPPORTED, "");
                events::allow(&mut response, &self.served_packages());
            }
            Status::METHOD_NOT_ALLOWED | Status::NOT_IMPLEMENTED => response.headers.push(Name::ALLOW, ALLOW),
            _ => {}
        }
        self.respond(transaction, response, now);
    }
}

/// RFC 3261 section 8.2.1: 405 for a method that is known but not served, 501 (section 21.5.2) for an unknown one, 481 for
/// what only makes sense in a dialog or says that it is in one (section 12.2.2), of which we have none. So a PRACK with a
/// To tag gets 481 (RFC 3262 section 3: no reliable provisional response of ours waits for it), and one without 405. An
/// INVITE for media gets 405 as well and not 488: that would say that calls are taken, only not with this offer.
fn status_for(request: &Request) -> Status {
    match &request.method {
        Method::Options => Status::OK,
        Method::Bye | Method::Notify => Status::NO_SUCH_DIALOG,
        Method::Invite | Method::Refer | Method::Info | Method::Update | Method::Prack
            if request.headers.to().is_ok_and(|to| to.tag().is_some()) =>
        {
            Status::NO_SUCH_DIALOG
        }
        Method::Subscribe => Status::BAD_EVENT,
        Method::Invite
        | Method::Ack
        | Method::Cancel
        | Method::Register
        | Method::Message
        | Method::Publish
        | Method::Refer
        | Method::Info
        | Method::Update
        | Method::Prack => Status::METHOD_NOT_ALLOWED,
        Method::Other(_) => Status::NOT_IMPLEMENTED,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::message::{Message, wire};

    #[test]
    fn what_belongs_to_a_call_is_481_inside_one_and_405_outside() {
        for (method, inside, outside) in [
            ("PRACK", 481, 405),
            ("UPDATE", 481, 405),
            ("INFO", 481, 405),
            ("INVITE", 481, 405),
            ("BYE", 481, 481),
            ("NOTIFY", 481, 481),
            ("OPTIONS", 200, 200),
        ] {
            for (tag, status) in [(";tag=t", inside), ("", outside)] {
                let text = format!("{method} sip:a@b SIP/2.0\r\nTo: <sip:a@b>{tag}\r\nContent-Length: 0\r\n\r\n");
                let Message::Request(request) = wire::parse(text.as_bytes()).unwrap() else { panic!("a response") };
                assert_eq!(status_for(&request).code(), status, "{method}{tag}");
            }
        }
    }
}
