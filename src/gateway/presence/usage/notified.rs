//! NOTIFYs for us.
//!
//! | what comes | answer |
//! |---|---|
//! | for no SUBSCRIBE of ours, or after Timer N, or one dialog more than its package has (RFC 6665 sections 4.1.3, 5.4.9) | 481 |
//! | without exactly one Event, or without Subscription-State | 400 |
//! | from a peer that does not speak for the domain (`entrance`) | 403 |
//! | of another package | 489 |
//! | older than what was taken (RFC 3261 section 12.2.2) | 500, and nothing ends |
//! | with a body larger than `presence.document` | 413: how the subscription stands counts, the body does not |
//! | with a body of another type than was asked for | 415 with Accept, likewise |
//! | with a compressed body | 415 with Accept-Encoding, likewise |
//! | with a body that is not what it says | 400, likewise |
//! | anything else | 200 at once |
//!
//! The dialog says whose it is: its Call-ID and tag. Before that `entrance` has seen that it is from a peer, and from one
//! that may speak for the SIP users of the domain.

use super::super::super::errand::RouteId;
use super::super::super::record::Package;
use super::super::super::{Gateway, events, limits};
use super::sending::types;
use super::table::{Kept, Step};
use super::{Body, UsageId};
use crate::mapping::message::language;
use crate::model::{Failure, Reason};
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::endpoint::{Flow, ServerId};
use crate::sip::event::subscriber::{self, Input, Notified, Serial, Stand};
use crate::sip::message::header::{ContentType, Event, SubscriptionState};
use crate::sip::message::{Name, Request, Response, Status};
use crate::sip::uri::Uri;
use crate::time::Now;

/// A NOTIFY that counts.
struct Heard {
    usage: UsageId,
    serial: Serial,
    notified: Notified,
    newborn: Option<Dialog>,
    body: Option<Option<Body>>,
    answer: Response,
}

impl Gateway {
    /// A NOTIFY.
    pub(in super::super::super) fn on_notify_request(
        &mut self,
        transaction: ServerId,
        request: &Request,
        flow: &Flow,
        now: Now,
    ) {
        let heard = self.hear_notify(request, flow, now);
        let answer = heard.as_ref().map_or_else(|refusal| &**refusal, |heard| &heard.answer);
        self.presence.usages.numbers.notified(answer.status);
        let Heard { usage, serial, notified, newborn, body, answer } = match heard {
            Ok(heard) => heard,
            Err(refusal) => return self.respond(transaction, *refusal, now),
        };
        self.respond(transaction, answer, now);
        let failure = match notified.stand {
            Stand::Terminated(reason) => {
                self.presence.usages.numbers.ended(reason);
                Some(failure(reason))
            }
            Stand::Active | Stand::Pending => None,
        };
        let input = Input::Notify(serial, notified);
        self.step_usage(usage, Step { failure, newborn, body, ..input.into() }, now);
        self.tell_owners(now);
    }

    fn hear_notify(&mut self, request: &Request, flow: &Flow, now: Now) -> Result<Heard, Box<Response>> {
        let refuse = |status| Box::new(request.response(status));
        let id = self.usage_of(request).ok_or_else(|| refuse(Status::NO_SUCH_DIALOG))?;
        let usages = &mut self.presence.usages;
        let usage = usages.get_mut(id).ok_or_else(|| refuse(Status::NO_SUCH_DIALOG))?;
        let event = match request.headers.find::<Event>() {
            Ok(Some(event)) if request.headers.count(Name::EVENT) == 1 => event,
            Ok(_) | Err(_) => return Err(Box::new(bad(request, "Malformed or Missing Event"))),
        };
        if event.package != usage.package.name() {
            let mut refusal = request.response(Status::BAD_EVENT);
            events::allow(&mut refusal, &self.served_packages());
            return Err(Box::new(refusal));
        }
        // Ours have no id, so another's is meant (section 8.2.1).
        if event.params.get("id").is_some() {
            return Err(refuse(Status::NO_SUCH_DIALOG));
        }
        let Ok(Some(state)) = request.headers.find::<SubscriptionState>() else {
            return Err(Box::new(bad(request, "Malformed or Missing Subscription-State")));
        };
        let notified = Notified::read(&state);
        let tag = request.headers.from().ok().and_then(|from| from.tag().map(|tag| tag.into_owned()));
        let tag = tag.unwrap_or_default();
        let known = usage.dialogs.iter_mut().find(|kept| kept.dialog.remote_tag().eq_ignore_ascii_case(&tag));
        let (serial, newborn) = match known {
            Some(kept) => (take(kept, request, flow)?, None),
            None => {
                let serial = usage.machine.admit(now).ok_or_else(|| refuse(Status::NO_SUCH_DIALOG))?;
                let over = matches!(notified.stand, Stand::Terminated(_));
                let newborn = (!over).then(|| born(request, flow)).transpose()?;
                (serial, newborn)
            }
        };
        let (route, package, accepts) = (usage.route, usage.package, types(usage.package, usage.is_list()));
        let most = self.settings.presence.document;
        let whole = if usage.is_list() { most.max(limits::LIST_DOCUMENT) } else { most };
        let (body, refusal) = match body(request, package, accepts, whole, most) {
            Ok(body) => (Some(body), None),
            Err(refusal) => (None, Some(*refusal)),
        };
        let answer = refusal.unwrap_or_else(|| {
            let dialog = newborn.as_ref();
            let contact =
                dialog.and_then(|dialog| self.usage_contact(route, &Uri::parse(dialog.local_uri()).ok()?).ok());
            match (dialog, contact) {
                (Some(dialog), Some(contact)) => dialog.response(request, Status::OK, &contact),
                _ => request.response(Status::OK),
            }
        });
        Ok(Heard { usage: id, serial, notified, newborn, body, answer })
    }

    /// Where the SIP user is of whom this NOTIFY tells, if it is of a subscription of ours.
    pub(in super::super::super) fn route_of_notify(&self, request: &Request) -> Option<RouteId> {
        self.presence.usages.list.get(&self.usage_of(request)?).map(|usage| usage.route)
    }

    fn usage_of(&self, request: &Request) -> Option<UsageId> {
        let (to, call_id) = (request.headers.to().ok()?, request.headers.call_id()?);
        let tag = to.tag()?;
        let id = *self.presence.usages.by_call.get(&DialogKey::new(call_id, &tag, ""))?;
        let usage = self.presence.usages.list.get(&id)?;
        usage.is_called(call_id, &tag).then_some(id)
    }
}

fn take(kept: &mut Kept, request: &Request, flow: &Flow) -> Result<Serial, Box<Response>> {
    // Unacceptable for its order, and no reason to end anything.
    if kept.dialog.take(request).is_err() {
        return Err(Box::new(request.response(Status::SERVER_INTERNAL_ERROR).with_reason("Out of Order")));
    }
    kept.dialog.came_by(flow);
    Ok(kept.serial)
}

fn born(request: &Request, flow: &Flow) -> Result<Dialog, Box<Response>> {
    let mut dialog = Dialog::of_notify(request).map_err(|error| Box::new(bad(request, &error.to_string())))?;
    dialog.came_by(flow);
    Ok(dialog)
}

fn bad(request: &Request, why: &str) -> Response {
    request.response(Status::BAD_REQUEST).with_reason(why)
}

fn body(
    request: &Request,
    package: Package,
    accepts: &str,
    whole: usize,
    most: usize,
) -> Result<Option<Body>, Box<Response>> {
    let bytes = request.body();
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() > whole {
        return Err(Box::new(request.response(Status::REQUEST_ENTITY_TOO_LARGE)));
    }
    // RFC 3261 section 8.2.3: what would have been taken instead.
    let mut encodings = request.headers.tokens(Name::CONTENT_ENCODING);
    if !encodings.all(|coding| coding.eq_ignore_ascii_case("identity")) {
        let mut refusal = request.response(Status::UNSUPPORTED_MEDIA_TYPE);
        refusal.headers.push(Name::ACCEPT_ENCODING, "identity");
        return Err(Box::new(refusal));
    }
    let content_type = request.headers.find::<ContentType>().ok().flatten();
    let is_accepted = |content_type: &ContentType| accepts.split(", ").any(|one| one == content_type.media());
    if !content_type.as_ref().is_some_and(is_accepted) {
        let mut refusal = request.response(Status::UNSUPPORTED_MEDIA_TYPE);
        refusal.headers.push(Name::ACCEPT, accepts);
        return Err(Box::new(refusal));
    }
    let content_type = request.headers.text(Name::CONTENT_TYPE).unwrap_or_default();
    let lang = language(&request.headers);
    match Body::read(package, &content_type, lang.as_deref(), bytes, most) {
        Ok(body) => Ok(Some(body)),
        Err(why) => {
            tracing::debug!(call_id = request.headers.call_id(), %why, "a notification's document cannot be used");
            Err(Box::new(request.response(why.status())))
        }
    }
}

fn failure(reason: subscriber::Reason) -> Failure {
    use subscriber::Reason as Why;
    let kind = match reason {
        Why::Rejected => Reason::Forbidden,
        Why::NoResource => Reason::AddressUnknown,
        Why::Deactivated | Why::Probation | Why::Timeout | Why::Giveup | Why::Invariant | Why::Other => {
            Reason::RecipientUnavailable
        }
    };
    Failure::because(kind, format!("the SIP side has ended the subscription: {}", reason.name()))
}
