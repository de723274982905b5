//! A SUBSCRIBE of a SIP user (RFC 6665 section 4.2.1, RFC 8048 sections 5.3 and 7.2).
//!
//! | what comes | the target is asked | answer, and the NOTIFY behind it |
//! |---|---|---|
//! | a first one | `subscribe`, unless she was | 200, pending |
//! | one while she has allowed it | a probe, if nothing is known | 200, active with what is known |
//! | one after she has refused, of late | nothing | 403 |
//! | one in its dialog | nothing | 200, how it stands with what is known |
//! | the same with Expires 0 | nothing | 200, terminated;reason=timeout with her closed |
//! | Expires 0 without a dialog | a probe, if nothing is known and she has not refused | 200, terminated;reason=timeout |

use super::super::super::errand::RouteId;
use super::super::super::record::{Authorization, Package, RecordId};
use super::super::super::trust::PeerId;
use super::super::super::{Gateway, events, limits};
use super::count::Full;
use super::{Dialog, Pair};
use crate::model::{Failure, Reason};
use crate::sip::dialog::{self, DialogKey};
use crate::sip::endpoint::{Flow, ServerId};
use crate::sip::event::notifier::{self, Notifier};
use crate::sip::message::header::{Expires, NameAddr};
use crate::sip::message::{Name, Request, Response, Status};
use crate::sip::uri::Uri;
use crate::time::{Now, nanos};
use crate::xmpp::jid::BareJid;
use crate::xmpp::stanza::PresenceKind;

/// The answer of a dialog, and which; or the refusal.
type Answered = Result<(Response, RecordId), Box<Response>>;

/// What a SUBSCRIBE outside of dialogs asks for.
struct Wish {
    pair: Pair,
    route: RouteId,
    package: Package,
    event_id: Option<Box<str>>,
    seconds: u32,
}

impl Gateway {
    /// A SUBSCRIBE whose source is believed: in whose name it is if that is not From (RFC 3325), and by which peer.
    pub(in super::super::super) fn on_subscribe_request(
        &mut self,
        transaction: ServerId,
        mut request: Request,
        (asserted, peer): (Option<&NameAddr>, Option<PeerId>),
        flow: &Flow,
        now: Now,
    ) {
        let is_inside = request.headers.to().is_ok_and(|to| to.tag().is_some());
        let answered = if self.draining {
            Err(busy(&request, limits::LINK_RETRY_AFTER))
        } else if is_inside {
            self.on_refresh(&request, peer, flow, now)
        } else {
            self.wish(&mut request, asserted).and_then(|wish| self.begin(&request, wish, peer, flow, now))
        };
        match answered {
            Ok((response, id)) => {
                self.respond(transaction, response, now);
                self.serve_go_on(id, now);
            }
            Err(response) => {
                *self.presence.served.stats.refused.entry(response.status.code()).or_default() += 1;
                tracing::debug!(request = %transaction, status = response.status.code(), "SUBSCRIBE refused");
                self.respond(transaction, *response, now);
            }
        }
    }

    /// Reads it.
    fn wish(&self, request: &mut Request, asserted: Option<&NameAddr>) -> Result<Wish, Box<Response>> {
        let about = events::about(request)?;
        let readdressed = self.readdress(request);
        let refused = |request: &Request, failure: &Failure| {
            Box::new(self.mapping.failure_to_status(failure, true, false).to_response(request))
        };
        let parties = readdressed.and_then(|()| self.mapping.parties_of(request, asserted));
        let (watcher, target) = parties.map_err(|failure| refused(request, &failure))?;
        if !self.is_at_home_in_sip(&watcher.domain) {
            return Err(Box::new(request.response(Status::FORBIDDEN)));
        }
        if self.is_at_home_in_sip(&target.domain) || target.user.is_none() || watcher.user.is_none() {
            return Err(refused(request, &Failure::new(Reason::AddressUnknown)));
        }
        let Some(route) = self.settings.route_of(&watcher.domain) else {
            return Err(refused(request, &Failure::new(Reason::ServerNotFound)));
        };
        let served = self.settings.routes.get(route).map(|(_, route)| route.presence.serve.as_slice());
        let package = events::package(request, &about, served.unwrap_or_default())?;
        events::form(request, package)?;
        let seconds = events::seconds(request)?;
        let jid = |address| self.mapping.address_to_jid(address).map_err(|error| refused(request, &error.into()));
        let pair = Pair::new(jid(&watcher)?.bare(), jid(&target)?.bare());
        Ok(Wish { pair, route, package, event_id: about.id.map(Into::into), seconds })
    }

    /// Begins a dialog, or answers a poll.
    fn begin(&mut self, request: &Request, wish: Wish, peer: Option<PeerId>, flow: &Flow, now: Now) -> Answered {
        let Wish { pair, route, package, event_id, seconds } = wish;
        let tag = self.ids.tag();
        let Ok(mut dialog) = dialog::Dialog::of_request(request, &tag) else {
            return Err(Box::new(request.response(Status::BAD_REQUEST).with_reason("No Dialog Can Be Made Of It")));
        };
        dialog.came_by(flow);
        match self.has_room(&pair, peer) {
            Ok(()) => {}
            Err(Full::Watcher) => return Err(Box::new(request.response(Status::FORBIDDEN))),
            Err(Full::Others) => return Err(busy(request, limits::WATCH_RETRY_AFTER)),
        }
        let is_poll = seconds == 0;
        let wait = self.question(&pair, is_poll, now).map_err(|Refused| request.response(Status::FORBIDDEN))?;
        let state = self.presence.served.watched.get(&pair).and_then(|watched| watched.state);
        if let Some(question) = wait
            && let Err(wait) = self.presence.served.rates.take(peer, pair.watcher(), now.mono)
        {
            tracing::debug!(?question, "too many XMPP users are asked for one watcher or peer");
            return Err(busy(request, u32::try_from(wait.wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)));
        }
        let mut notifier = Notifier::accepted(now.mono, seconds, state == Some(Authorization::Granted));
        if is_poll && wait == Some(Question::Probe) {
            notifier.hold(now.mono + limits::POLL_WAIT);
        }
        let Some(contact) = self.contact_of(&dialog, route) else {
            return Err(busy(request, limits::WATCH_RETRY_AFTER));
        };
        let mut response = dialog.response(request, Status::OK, &contact);
        response.headers.add(&Expires(seconds));
        self.watch(&pair);
        let id = RecordId(self.ids.number() >> 1);
        let begun = Dialog::new(pair.clone(), dialog, notifier, package, event_id);
        self.presence.served.put(id, Dialog { peer, is_poll, is_unproven: true, ..begun });
        if is_poll {
            self.presence.served.stats.polls += 1;
        } else {
            self.presence.served.stats.begun += 1;
            self.put_dialog(id, now);
        }
        match wait {
            Some(Question::Subscribe) => self.ask(&pair, now),
            Some(Question::Probe) => self.probe(&pair, now),
            None => {}
        }
        Ok((response, id))
    }

    /// What the target's server is asked because of a SUBSCRIBE.
    fn question(&self, pair: &Pair, is_poll: bool, now: Now) -> Result<Option<Question>, Refused> {
        let watched = self.presence.served.watched.get(pair);
        let state = watched.and_then(|watched| watched.state);
        let is_known = watched.is_some_and(|watched| watched.heard.is_some());
        Ok(match (state, watched) {
            (Some(Authorization::Granted), _) => (!is_known).then_some(Question::Probe),
            (None, _) if is_poll => Some(Question::Probe),
            (None, _) => Some(Question::Subscribe),
            (Some(_), _) if is_poll => None,
            (Some(Authorization::Asked), Some(watched)) => {
                let again = nanos(limits::ASK_AGAIN_AFTER);
                let is_old = watched.asked_at.is_none_or(|asked| nanos(now.mono).saturating_sub(asked) >= again);
                is_old.then_some(Question::Subscribe)
            }
            (Some(Authorization::Refused), Some(watched)) if Self::is_of_late(watched.changed_at, now) => {
                return Err(Refused);
            }
            (Some(Authorization::Asked | Authorization::Refused), _) => Some(Question::Subscribe),
        })
    }

    /// A SUBSCRIBE with a To tag: it has to find its dialog.
    fn on_refresh(&mut self, request: &Request, peer: Option<PeerId>, flow: &Flow, now: Now) -> Answered {
        let about = events::about(request)?;
        let id = DialogKey::of(request).and_then(|key| self.presence.served.by_key.get(&key).copied());
        if id.is_some_and(|id| !self.may_refresh(id, peer)) {
            return Err(Box::new(request.response(Status::FORBIDDEN)));
        }
        let served = &mut self.presence.served;
        let found = id.and_then(|id| Some((id, served.dialogs.get_mut(&id)?)));
        let is_it = |dialog: &Dialog| {
            let lives = dialog.notifier.is_active() || dialog.notifier.is_pending();
            lives && dialog.package.name() == about.package && dialog.event_id.as_deref() == about.id.as_deref()
        };
        let Some((id, dialog)) = found.filter(|(_, dialog)| is_it(dialog)) else {
            return Err(Box::new(request.response(Status::NO_SUCH_DIALOG)));
        };
        events::form(request, dialog.package)?;
        let seconds = events::seconds(request)?;
        let pair = dialog.pair.clone();
        self.take_refresh(id, request, (peer, flow), seconds, now)?;
        let Some(copy) = self.presence.served.dialogs.get(&id).map(|dialog| dialog.dialog.clone()) else {
            return Err(Box::new(request.response(Status::NO_SUCH_DIALOG)));
        };
        let route = self.settings.route_of(domain(pair.watcher()));
        let Some(contact) = route.and_then(|route| self.contact_of(&copy, route)) else {
            return Err(Box::new(request.response(Status::NO_SUCH_DIALOG)));
        };
        let mut response = copy.response(request, Status::OK, &contact);
        response.headers.add(&Expires(seconds));
        if seconds == 0 {
            self.leave(&pair);
        } else {
            self.put_dialog(id, now);
            match self.question(&pair, false, now) {
                Ok(Some(Question::Probe)) => self.probe(&pair, now),
                Ok(Some(Question::Subscribe)) => self.ask(&pair, now),
                Ok(None) => {}
                // A dialog that was taken back, and whose watcher was to hear so when the process died.
                Err(Refused) => {
                    if let Some(dialog) = self.presence.served.dialogs.get_mut(&id) {
                        dialog.notifier.end(notifier::Reason::Rejected);
                    }
                }
            }
        }
        Ok((response, id))
    }

    /// Takes it into its dialog: its place in the order, where NOTIFYs go from now on, and for how long.
    fn take_refresh(
        &mut self,
        id: RecordId,
        request: &Request,
        (peer, flow): (Option<PeerId>, &Flow),
        seconds: u32,
        now: Now,
    ) -> Result<(), Box<Response>> {
        let served = &mut self.presence.served;
        let Some(dialog) = served.dialogs.get_mut(&id) else {
            return Err(Box::new(request.response(Status::NO_SUCH_DIALOG)));
        };
        let mut next = dialog.dialog.clone();
        if next.take(request).is_err() {
            return Err(Box::new(request.response(Status::SERVER_INTERNAL_ERROR).with_reason("Out of Order")));
        }
        // Whoever has answered there, nobody has yet where the Contact says now.
        let is_elsewhere = !dialog.is_unproven && next.remote_target() != dialog.dialog.remote_target();
        if is_elsewhere && served.counts.is_doubtful(peer) {
            return Err(busy(request, limits::WATCH_RETRY_AFTER));
        }
        next.came_by(flow);
        dialog.dialog = next;
        dialog.notifier.refreshed(now.mono, seconds);
        served.stats.refreshed += 1;
        dialog.is_left = seconds == 0;
        if dialog.peer != peer && peer.is_some() {
            served.counts.move_peer(dialog, peer);
        }
        if is_elsewhere {
            dialog.is_unproven = true;
            served.counts.doubt(dialog.peer);
        }
        Ok(())
    }

    /// Whether `peer` may speak in a dialog: who began it, or who may speak for its watcher. Who has only learned its tags
    /// may not have its NOTIFYs sent elsewhere.
    fn may_refresh(&self, id: RecordId, peer: Option<PeerId>) -> bool {
        let Some(dialog) = self.presence.served.dialogs.get(&id) else { return true };
        if peer.is_some() && peer == dialog.peer {
            return true;
        }
        let Some(peer) = peer.and_then(|peer| self.settings.trust.peer(peer)) else { return false };
        let jid = BareJid::parse_peer(dialog.pair.watcher()).ok();
        let watcher = jid.map(|jid| self.mapping.jid_to_address(jid.as_jid()));
        let watcher = watcher.and_then(|watcher| self.mapping.address_to_uri(&watcher).ok());
        let said = Uri::parse(dialog.dialog.remote_uri()).ok();
        watcher.into_iter().chain(said).any(|uri| peer.speaks_for(&self.domain_of(&uri)))
    }

    /// He stops watching. If that was his last phone, her client is told that he is gone, unless she sees him
    /// herself and knows better (RFC 8048 section 5.3.3, A-PRES-09).
    fn leave(&mut self, pair: &Pair) {
        let (watcher, target) = pair.both();
        let others = self.presence.served.dialogs_of(pair).len() > 1;
        if !others && !self.presence.watching.is_granted(target, watcher) {
            self.say_to_target(pair, PresenceKind::Unavailable);
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Subscribe,
    Probe,
}

/// She has said no, and not long ago.
struct Refused;

/// The domain of a bare JID.
pub(super) fn domain(jid: &str) -> &str {
    jid.rsplit_once('@').map_or(jid, |(_, domain)| domain)
}

fn busy(request: &Request, seconds: u32) -> Box<Response> {
    let mut response = request.response(Status::SERVICE_UNAVAILABLE);
    response.headers.push(Name::RETRY_AFTER, seconds.to_string());
    Box::new(response)
}
