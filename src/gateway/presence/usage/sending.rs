//! SUBSCRIBEs of ours, and what becomes of them.

use super::super::super::errand::{End, Ended, Purpose, RouteId};
use super::super::super::record::Package;
use super::super::super::service::ALLOW;
use super::super::super::{Gateway, limits};
use super::table::{Step, Usage};
use super::{Owner, Sent, UsageId};
use crate::mapping::Mapping;
use crate::model::{Failure, Reason};
use crate::sip::event::subscriber::{Answer, Input, Serial};
use crate::sip::message::header::{Contact, Expires, From, MaxForwards, NameAddr, To};
use crate::sip::message::{Headers, Method, Name, Request};
use crate::sip::uri::Uri;
use crate::time::Now;
use crate::xmpp::jid::BareJid;

/// Our credentials are not good enough.
const UNPROVEN: Answer = Answer::Refused { status: 401, min_expires: None, retry_after: None };

/// The types that NOTIFYs of this package may carry, as in Accept.
pub(super) fn types(package: Package, is_list: bool) -> &'static str {
    match package {
        // RFC 4662 section 4.1: who takes lists takes both.
        Package::Presence if is_list => "application/pidf+xml, application/rlmi+xml, multipart/related",
        Package::Presence => "application/pidf+xml",
        Package::Dialog => "application/dialog-info+xml",
        Package::Reg => "application/reginfo+xml",
        Package::MessageSummary => "application/simple-message-summary",
        Package::PresenceWinfo => "application/watcherinfo+xml",
    }
}

impl Usage {
    pub(super) fn is_list(&self) -> bool {
        matches!(self.owner, Some(Owner::List(_)))
    }

    /// What every SUBSCRIBE of it says, in a dialog or not.
    fn describe(&self, headers: &mut Headers, expires: u32) {
        headers.push(Name::EVENT, self.package.name());
        headers.add(&Expires(expires));
        headers.push(Name::ACCEPT, types(self.package, self.is_list()));
        headers.push(Name::ALLOW, ALLOW);
        if self.is_list() {
            headers.push(Name::SUPPORTED, "eventlist");
        }
    }
}

impl Gateway {
    /// Sends a SUBSCRIBE outside any dialog. Its Call-ID and tag are new: it is related to nothing before it (RFC 6665
    /// section 4.1.2.2).
    pub(super) fn send_subscribe(&mut self, id: UsageId, serial: Serial, expires: u32, now: Now) {
        let (call_id, tag) = (self.ids.call_id(), self.ids.tag());
        let Some(usage) = self.presence.usages.get_mut(id) else { return };
        usage.asking = Some(Box::new((call_id, tag)));
        let (route, sent) = (usage.route, Sent { usage: id, serial, user: usage.user });
        if let Some(key) = usage.key() {
            self.presence.usages.by_call.insert(key, id);
        }
        self.presence.usages.numbers.begun += 1;
        let end = match self.first_subscribe(id, expires) {
            Ok(request) => match self.send_out(route, request, Purpose::Subscribe(sent), now) {
                Ok(()) => return,
                Err(ended) => Ok(*ended),
            },
            Err(failure) => Err(failure),
        };
        self.subscribe_not_sent(sent, end, now);
    }

    fn subscribe_not_sent(&mut self, sent: Sent, end: Result<Ended, Failure>, now: Now) {
        let (answer, failure) = match end {
            Ok((_, end)) => self.subscribe_answer(sent, end),
            Err(failure) => (Answer::Failed { retry_after: None }, Some(failure)),
        };
        let input = Input::Answer(sent.serial, answer);
        self.step_usage(sent.usage, Step { failure, ..input.into() }, now);
    }

    fn first_subscribe(&self, id: UsageId, expires: u32) -> Result<Request, Failure> {
        let Some(usage) = self.presence.usages.list.get(&id) else { return Err(Reason::Internal.into()) };
        let Some((call_id, tag)) = usage.asking.as_deref() else { return Err(Reason::Internal.into()) };
        let (target, watcher) = (uri_of(&self.mapping, &usage.target)?, uri_of(&self.mapping, &usage.watcher)?);
        let mut headers = Headers::with_capacity(14, 640);
        headers.add(&MaxForwards(70));
        headers.add(&To(NameAddr::new(target.clone())));
        headers.add(&From(NameAddr::new(watcher.clone()).with_tag(tag)));
        headers.push(Name::CALL_ID, call_id);
        headers.push(Name::CSEQ, "1 SUBSCRIBE");
        headers.add(&Contact::At(NameAddr::new(self.usage_contact(usage.route, &watcher)?)));
        usage.describe(&mut headers, expires);
        let mut request = Request::new(Method::Subscribe, target);
        request.headers = headers;
        match usage.user {
            Some(user) => self.sign(user, &mut request).map(|()| request),
            None => Ok(request),
        }
    }

    /// Where NOTIFYs for this watcher come.
    pub(super) fn usage_contact(&self, route: RouteId, watcher: &Uri) -> Result<Uri, Failure> {
        let contact = self.contact_for(route, watcher.user().unwrap_or_default());
        contact.ok_or_else(|| Failure::because(Reason::Unreachable, "no transport leads to the SIP server"))
    }

    /// Sends a SUBSCRIBE in a dialog.
    pub(super) fn send_resubscribe(&mut self, id: UsageId, serial: Serial, expires: u32, now: Now) {
        self.reserve_cseq(id, serial, now);
        let Some(usage) = self.presence.usages.list.get(&id) else { return };
        let Some(kept) = usage.dialogs.iter().find(|kept| kept.serial == serial) else { return };
        let (route, sent) = (usage.route, Sent { usage: id, serial, user: usage.user });
        let local = Uri::parse(kept.dialog.local_uri()).map_err(|_| Failure::new(Reason::Internal));
        let contact = local.and_then(|local| self.usage_contact(route, &local));
        let contact = match contact {
            Ok(contact) => contact,
            Err(failure) => return self.subscribe_not_sent(sent, Err(failure), now),
        };
        let usages = &mut self.presence.usages;
        usages.numbers.refreshed += 1;
        let Some(usage) = usages.list.get_mut(&id) else { return };
        let Some(at) = usage.dialogs.iter().position(|kept| kept.serial == serial) else { return };
        let Some(kept) = usage.dialogs.get_mut(at) else { return };
        let mut request = kept.dialog.request(Method::Subscribe, &contact);
        let hop = kept.dialog.next_hop();
        usage.describe(&mut request.headers, expires);
        if let Err(ended) = self.send_in_dialog(route, hop, request, Purpose::Subscribe(sent), now) {
            self.subscribe_not_sent(sent, Ok(*ended), now);
        }
    }

    /// A SUBSCRIBE of ours was answered, or was not.
    pub(in super::super::super) fn on_subscribe_end(&mut self, sent: Sent, end: End, now: Now) {
        let Some(usage) = self.presence.usages.get_mut(sent.usage) else { return };
        if let Some(kept) = usage.dialogs.iter_mut().find(|kept| kept.serial == sent.serial) {
            match &end {
                End::Answered(response) => kept.dialog.answered(response),
                End::Unproven(_)
                | End::TimedOut { .. }
                | End::Broken
                | End::NotSent(_)
                | End::NotSentLarge(_)
                | End::TooLarge
                | End::NotFound(_)
                | End::Resting(_)
                | End::Full(_)
                | End::NoWay => kept.dialog.unanswered(),
            }
        }
        let (answer, failure) = self.subscribe_answer(sent, end);
        let input = Input::Answer(sent.serial, answer);
        self.step_usage(sent.usage, Step { failure, ..input.into() }, now);
        self.tell_owners(now);
    }

    /// What the machine hears, and what people do.
    fn subscribe_answer(&mut self, sent: Sent, end: End) -> (Answer, Option<Failure>) {
        let failed = |reason, text: &str| (Answer::Failed { retry_after: None }, Some(Failure::because(reason, text)));
        match end {
            End::Answered(response) => {
                self.presence.usages.numbers.answered(response.status);
                match self.doubted(sent, &response) {
                    Some(failure) => (UNPROVEN, Some(failure)),
                    None => (Answer::read(&response), self.mapping.subscribe_failure(&response)),
                }
            }
            // A password of ours that is wrong is nobody's refusal: it is corrected some day, and nobody is asked anew.
            End::Unproven(failure) => {
                self.presence.usages.numbers.refused(401);
                (UNPROVEN, Some(failure))
            }
            End::Resting(_)
            | End::TimedOut { .. }
            | End::Broken
            | End::NotSent(_)
            | End::NotSentLarge(_)
            | End::NotFound(_)
            | End::TooLarge
            | End::Full(_)
            | End::NoWay => {
                self.presence.usages.numbers.unanswered += 1;
                match end {
                    End::Resting(time) => {
                        let retry_after = u32::try_from(time.as_secs().max(1)).ok();
                        let text = "the SIP server is overloaded and has asked to be left alone for a while";
                        let failure = Failure::because(Reason::ResourceConstraint, text);
                        (Answer::Failed { retry_after }, Some(failure))
                    }
                    End::TimedOut { .. } => failed(Reason::ServerTimeout, "the SIP side did not answer"),
                    End::Broken => failed(Reason::ServerTimeout, "the connection to the SIP server broke"),
                    End::NotSent(cause) | End::NotSentLarge(cause) => {
                        failed(Reason::Unreachable, &format!("the SIP server cannot be reached: {cause}"))
                    }
                    End::NotFound(why) => {
                        failed(Reason::ServerNotFound, &format!("the SIP server was not found: {why}"))
                    }
                    End::TooLarge => failed(Reason::TooLarge, "the subscription is too large for the way"),
                    End::Full(what) => failed(Reason::Overloaded, what),
                    End::NoWay => failed(Reason::Unreachable, "no transport leads to the SIP server"),
                    End::Answered(_) | End::Unproven(_) => failed(Reason::Internal, "answered"),
                }
            }
        }
    }
}

fn uri_of(mapping: &Mapping, jid: &BareJid) -> Result<Uri, Failure> {
    Ok(mapping.address_to_uri(&mapping.jid_to_address(jid.as_jid()))?)
}

const _: () = assert!(limits::CSEQ_BLOCK > limits::TRIES as u32);
