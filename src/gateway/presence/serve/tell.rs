//! NOTIFYs to SIP users (RFC 6665 section 4.2.2, RFC 8048 section 6.2).

use std::time::Duration;

use super::super::super::errand::{End, Purpose, RouteId};
use super::super::super::record::{Package, RecordId};
use super::super::super::{Gateway, Timer, events};
use super::{Dialog, Pair, doing};
use crate::mapping::presence::language;
use crate::model::dialog_info::{self, Lamp};
use crate::model::pidf;
use crate::sip::dialog;
use crate::sip::event::notifier::{Answer, Next, State};
use crate::sip::message::header::{Event, Params, RetryAfter};
use crate::sip::message::{Method, Name, Request, Response};
use crate::sip::uri::Uri;
use crate::time::{Now, nanos};
use crate::xml::ns;
use crate::xmpp::jid::BareJid;
use crate::xmpp::stanza::{Presence, PresenceKind};

/// When something is to be looked at.
#[derive(Debug)]
pub(in super::super::super) enum Alarm {
    /// A dialog: at its end (`true`), or before.
    Dialog(RecordId, bool),
    /// A pair.
    Watched(Pair),
}

/// What a dialog that broke at its connection waits before the next try: a new connection is made for it.
const RECONNECT: Duration = Duration::from_secs(2);

/// What one waits for a table of ours that was full.
const ROOM: Duration = Duration::from_secs(5);

/// Resources in a document that must be small.
const SMALL: usize = 2;

impl Dialog {
    /// Whether what has changed is anything for it.
    pub(super) fn tells(&self, dnd_changed: bool) -> bool {
        match self.package {
            Package::Dialog => dnd_changed,
            Package::Presence | Package::Reg | Package::MessageSummary | Package::PresenceWinfo => true,
        }
    }
}

/// The body of a NOTIFY.
struct Document {
    media_type: &'static str,
    bytes: Vec<u8>,
    lang: Option<String>,
}

impl Gateway {
    /// Does what is due in a dialog now.
    pub(super) fn serve_go_on(&mut self, id: RecordId, now: Now) {
        let every = self.settings.presence.notify_every;
        loop {
            let has_state = self.may_tell(id);
            let served = &mut self.presence.served;
            let Some(dialog) = served.dialogs.get_mut(&id) else { return };
            served.counts.levelled(dialog);
            match dialog.notifier.next(now.mono, every, has_state) {
                Next::Notify(state) => {
                    if self.notify(id, state, now) {
                        return;
                    }
                }
                Next::Wait(at) => return self.wake(id, at),
                Next::Out => return,
                Next::Over => return self.end_watching(id, now),
            }
        }
    }

    /// Whether the watcher may see anything, and there is something.
    fn may_tell(&self, id: RecordId) -> bool {
        let served = &self.presence.served;
        let watched = served.dialogs.get(&id).and_then(|dialog| served.watched.get(&dialog.pair));
        watched.is_some_and(|watched| watched.heard.is_some())
    }

    /// Sends a NOTIFY. `false`: it has failed already, and something else is due.
    fn notify(&mut self, id: RecordId, state: State, now: Now) -> bool {
        let document = self.document(id, state);
        self.reserve(id, document.is_some(), now);
        let Some((route, mut request, hop)) = self.begin_notify(id, now) else {
            self.end_watching(id, now);
            return true;
        };
        request.headers.add(&state.to_header());
        match document {
            Some(Document { media_type, bytes, lang }) => {
                if let Some(lang) = lang {
                    request.headers.push(Name::CONTENT_LANGUAGE, lang);
                }
                request.set_body(media_type, bytes);
            }
            None => request.headers.push(Name::CONTENT_LENGTH, "0"),
        }
        self.presence.served.stats.sent += 1;
        let is_last = matches!(state, State::Terminated(_));
        let failed = self.send_in_dialog(route, hop, request, Purpose::Notify(id), now).err();
        if is_last {
            let is_first = self.presence.served.dialogs.get(&id).filter(|dialog| dialog.is_unproven);
            let doubtful = is_first.map(|dialog| dialog.peer).filter(|_| failed.is_none());
            self.end_watching(id, now);
            if let Some(peer) = doubtful {
                let served = &mut self.presence.served;
                served.counts.doubt(peer);
                served.leaving.insert(id, peer);
            }
            return true;
        }
        let Some(ended) = failed else { return true };
        self.take_notify_end(id, &ended.1, now);
        false
    }

    /// The request without what it says.
    fn begin_notify(&mut self, id: RecordId, _now: Now) -> Option<(RouteId, Request, Option<dialog::Hop>)> {
        let pair = self.presence.served.dialogs.get(&id)?.pair.clone();
        let route = self.settings.route_of(super::ask::domain(pair.watcher()))?;
        let contact = self.contact_of(&self.presence.served.dialogs.get(&id)?.dialog, route)?;
        let dialog = self.presence.served.dialogs.get_mut(&id)?;
        let mut request = dialog.dialog.request(Method::Notify, &contact);
        let mut params = Params::default();
        if let Some(event_id) = &dialog.event_id {
            params.set("id", Some(event_id));
        }
        request.headers.add(&Event { package: dialog.package.name().to_owned(), params });
        Some((route, request, dialog.dialog.next_hop()))
    }

    /// Our Contact in a dialog.
    pub(super) fn contact_of(&self, dialog: &dialog::Dialog, route: RouteId) -> Option<Uri> {
        let local = Uri::parse(dialog.local_uri()).ok();
        let user = local.as_ref().and_then(|local| local.user()).unwrap_or("presence");
        let contact = self.contact_for(route, user);
        contact.or(local)
    }

    /// What a NOTIFY that says `state` carries.
    fn document(&mut self, id: RecordId, state: State) -> Option<Document> {
        let dnd_is_busy = self.dnd_is_busy(id);
        let served = &mut self.presence.served;
        let dialog = served.dialogs.get_mut(&id)?;
        let watched = served.watched.get(&dialog.pair)?;
        let heard = watched.heard.as_deref();
        let is_told = match state {
            State::Pending(_) => false,
            State::Active(_) => true,
            State::Terminated(_) => dialog.is_poll || dialog.is_left,
        };
        let heard = heard.filter(|_| is_told)?;
        let media_type = events::media_type(dialog.package);
        if dialog.package == Package::Dialog {
            let is_busy = dnd_is_busy && !dialog.is_left && heard.is_dnd();
            let lamp = if is_busy { Lamp::On } else { Lamp::Off };
            let bytes = dialog_info::lamp(dialog.dialog.local_uri(), dialog.version, lamp);
            dialog.version = dialog.version.saturating_add(1);
            return Some(Document { media_type, bytes, lang: None });
        }
        let target = BareJid::parse_peer(dialog.pair.target()).ok()?;
        let mut stanzas = heard.stanzas();
        doing::add(watched.doing.as_deref(), &mut stanzas);
        if dialog.is_left {
            // To him she is closed now, whatever she says to others.
            for (_, stanza) in &mut stanzas {
                *stanza = Presence { kind: PresenceKind::Unavailable, ..Presence::default() };
            }
        }
        if dialog.is_small {
            stanzas.sort_by_key(|(_, stanza)| std::cmp::Reverse(stanza.priority()));
            stanzas.truncate(SMALL);
            for (_, stanza) in &mut stanzas {
                stanza.payload.retain(|child| child.is(ns::CLIENT, "show") || child.is(ns::CLIENT, "priority"));
            }
        }
        let resources: Vec<_> = stanzas.iter().map(|(resource, stanza)| (*resource, stanza)).collect();
        let presence = self.mapping.presence_from_xmpp(&target, &resources).ok()?;
        let lang = language(&resources).map(str::to_owned);
        Some(Document { media_type, bytes: pidf::write(&presence), lang })
    }

    fn dnd_is_busy(&self, id: RecordId) -> bool {
        let dialog = self.presence.served.dialogs.get(&id);
        let route = dialog.and_then(|dialog| self.settings.route_of(super::ask::domain(dialog.pair.watcher())));
        let route = route.and_then(|route| self.settings.routes.get(route));
        route.is_some_and(|(_, route)| route.presence.dnd_is_busy)
    }

    /// A NOTIFY of ours was answered, or was not.
    pub(in super::super::super) fn on_notify_end(&mut self, id: RecordId, end: End, now: Now) {
        self.take_notify_end(id, &end, now);
        self.serve_go_on(id, now);
    }

    fn take_notify_end(&mut self, id: RecordId, end: &End, now: Now) {
        let answer = answer(end);
        let served = &mut self.presence.served;
        served.stats.ended(answer);
        if let Some(peer) = served.leaving.remove(&id) {
            served.counts.proven(peer);
        }
        let Some(dialog) = served.dialogs.get_mut(&id) else { return };
        match end {
            End::Answered(response) => dialog.dialog.answered(response),
            End::TooLarge | End::NotSentLarge(_) => dialog.is_small = true,
            End::Unproven(_)
            | End::TimedOut { .. }
            | End::Broken
            | End::NotSent(_)
            | End::NotFound(_)
            | End::Resting(_)
            | End::Full(_)
            | End::NoWay => dialog.dialog.unanswered(),
        }
        if answer == Answer::Taken {
            if let Some(since) = dialog.waits_since.take() {
                let waited = Duration::from_nanos(nanos(now.mono).saturating_sub(since)).as_millis();
                served.stats.waited += u64::try_from(waited).unwrap_or(u64::MAX);
                served.stats.told += 1;
            }
            if std::mem::replace(&mut dialog.is_unproven, false) {
                served.counts.proven(dialog.peer);
            }
        } else {
            tracing::debug!(dialog = %format_args!("n{:x}", id.0), ?answer, "NOTIFY not taken");
        }
        dialog.notifier.answered(now.mono, answer);
    }

    fn wake(&mut self, id: RecordId, at: Duration) {
        let Some(dialog) = self.presence.served.dialogs.get_mut(&id) else { return };
        let is_end = at >= dialog.notifier.expires_at();
        let alarm = &mut dialog.alarms[usize::from(is_end)];
        // An alarm that comes early sets the next; so there is one of each kind, however often it is refreshed.
        if alarm.is_none_or(|set| set > nanos(at)) {
            *alarm = Some(nanos(at));
            self.timers.set_at(at, Timer::Serve(Alarm::Dialog(id, is_end)));
        }
    }

    /// A time has come.
    pub(in super::super::super) fn on_serve_alarm(&mut self, alarm: Alarm, now: Now) {
        match alarm {
            Alarm::Watched(pair) => self.look_after(&pair, now),
            Alarm::Dialog(id, is_end) => {
                let Some(dialog) = self.presence.served.dialogs.get_mut(&id) else { return };
                let alarm = &mut dialog.alarms[usize::from(is_end)];
                if alarm.is_some_and(|at| at <= nanos(now.mono)) {
                    *alarm = None;
                    self.serve_go_on(id, now);
                }
            }
        }
    }

    /// It is over.
    fn end_watching(&mut self, id: RecordId, now: Now) {
        let Some(dialog) = self.presence.served.take(id) else { return };
        if !dialog.is_poll {
            self.drop_dialog(id);
        }
        self.tidy_watched(&dialog.pair, now);
    }
}

fn answer(end: &End) -> Answer {
    match end {
        End::Answered(response) if response.status.is_success() => Answer::Taken,
        End::Answered(response) => Answer::Refused(response.status.code(), retry_after(response)),
        End::Unproven(_) => Answer::Refused(401, None),
        End::TimedOut { .. } => Answer::Silent,
        End::Broken | End::TooLarge | End::NotSentLarge(_) => Answer::Undelivered(Some(RECONNECT)),
        End::NotSent(_) | End::NotFound(_) | End::NoWay => Answer::Undelivered(None),
        End::Resting(time) => Answer::Undelivered(Some(*time)),
        End::Full(_) => Answer::Undelivered(Some(ROOM)),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let wait = response.headers.find::<RetryAfter>().ok().flatten()?;
    Some(Duration::from_secs(wait.seconds.into()))
}
