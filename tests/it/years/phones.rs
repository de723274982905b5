//! Phones of SIP users that watch XMPP users (RFC 6665 section 4.1).

use std::collections::BTreeSet;
use std::time::Duration;

use stox::model::pidf;
use stox::model::presence::Basic;
use stox::sip::message::header::{Contact, Expires, RetryAfter, SubscriptionState};
use stox::sip::message::{Request, Response, Status};

use super::host::PEER;
use super::sip::Asker;
use super::{CONTACTS, DAY, Event, SIP, XMPP, Years, both, number, pair};

/// One phone's dialog.
#[derive(Debug)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    tag: String,
    peer_tag: Option<String>,
    target: Option<String>,
    cseq: u32,
    notify_cseq: u32,
    pub(super) is_active: bool,
    /// What it shows: the words of open tuples.
    pub(super) shown: BTreeSet<String>,
}

/// What a phone has of one contact.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) wants: bool,
    plan: u64,
    pub(super) dialog: Option<Dialog>,
    /// It was told no.
    pub(super) is_refused: bool,
}

#[derive(Debug)]
pub(super) struct Phones {
    pub(super) is_up: bool,
    /// By pair.
    pub(super) watches: Vec<Watch>,
    count: u64,
}

impl Phones {
    pub(super) fn new(people: usize) -> Self {
        Self { is_up: true, watches: (0..people * CONTACTS).map(|_| Watch::default()).collect(), count: 0 }
    }
}

impl Years {
    /// The phone does something about this contact after so long; whatever it planned before is forgotten.
    pub(super) fn plan(&mut self, pair: usize, wait: Duration) {
        let watch = &mut self.phones.watches[pair];
        watch.plan += 1;
        let plan = watch.plan;
        self.after(wait, Event::Phone { pair, plan });
    }

    pub(super) fn phone_due(&mut self, pair: usize, plan: u64) {
        let watch = &self.phones.watches[pair];
        if watch.plan != plan || !watch.wants || !self.phones.is_up {
            return;
        }
        match &watch.dialog {
            Some(_) => self.subscribe(pair, self.pace.phones),
            None => self.begin_watch(pair),
        }
    }

    pub(super) fn begin_watch(&mut self, pair: usize) {
        self.phones.count += 1;
        let count = self.phones.count;
        self.phones.watches[pair].dialog = Some(Dialog {
            call_id: format!("p{count}@phone"),
            tag: format!("t{count}"),
            peer_tag: None,
            target: None,
            cseq: 0,
            notify_cseq: 0,
            is_active: false,
            shown: BTreeSet::new(),
        });
        self.subscribe(pair, self.pace.phones);
    }

    /// The phone wants to know no longer.
    pub(super) fn stop_watch(&mut self, pair: usize) {
        let watch = &mut self.phones.watches[pair];
        watch.wants = false;
        watch.plan += 1;
        if self.phones.is_up && watch.dialog.as_ref().is_some_and(|dialog| dialog.peer_tag.is_some()) {
            self.subscribe(pair, 0);
        }
    }

    fn subscribe(&mut self, pair: usize, seconds: u32) {
        let (user, callee) = both(self.people(), pair);
        let Some(dialog) = &mut self.phones.watches[pair].dialog else { return };
        dialog.cseq += 1;
        let Dialog { call_id, tag, cseq, .. } = &*dialog;
        let target = dialog.target.clone().unwrap_or_else(|| format!("sip:u{user}@{XMPP}"));
        let to_tag = dialog.peer_tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let rest = format!(
            "From: <sip:p{callee}@{SIP}>;tag={tag}\r\nTo: <sip:u{user}@{XMPP}>{to_tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} SUBSCRIBE\r\nContact: <sip:p{callee}@{PEER}>\r\nEvent: presence\r\nExpires: {seconds}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let asker = Asker::Phone(pair, call_id.clone());
        self.counts.heard_subscribes += 1;
        self.ask_gateway(asker, &format!("SUBSCRIBE {target}"), &rest);
    }

    /// A SUBSCRIBE was answered, or was not.
    pub(super) fn phone_hears(&mut self, pair: usize, call_id: &str, response: Option<&Response>) {
        let watch = &mut self.phones.watches[pair];
        let Some(dialog) = watch.dialog.as_mut().filter(|dialog| dialog.call_id == call_id) else { return };
        let Some(response) = response else {
            watch.dialog = None;
            let wait = self.about(Duration::from_secs(60));
            return self.plan(pair, wait);
        };
        if response.status.is_success() {
            let to = response.headers.to().ok().and_then(|to| to.tag().map(|tag| tag.into_owned()));
            dialog.peer_tag = dialog.peer_tag.take().or(to);
            if let Ok(Some(Contact::At(contact))) = response.headers.find::<Contact>() {
                dialog.target = Some(contact.uri.as_str().to_owned());
            }
            watch.is_refused = false;
            let seconds = response.headers.find::<Expires>().ok().flatten().map_or(3_600, |expires| expires.0);
            if seconds == 0 {
                return;
            }
            let seconds = u64::from(seconds);
            let wait = Duration::from_secs(seconds * 3 / 4 + self.chance.below(seconds / 10));
            return self.plan(pair, wait);
        }
        watch.dialog = None;
        let rest = response.headers.find::<RetryAfter>().ok().flatten().map(|after| u64::from(after.seconds));
        self.phone_refused(pair, response.status.code(), rest);
    }

    fn phone_refused(&mut self, pair: usize, status: u16, rest: Option<u64>) {
        let watch = &mut self.phones.watches[pair];
        if status == 403 {
            watch.is_refused = true;
            let wait = self.about(DAY * 3);
            return self.plan(pair, wait);
        }
        let rest = rest.unwrap_or(if status == 481 { 1 } else { 60 });
        let wait = self.about(Duration::from_secs(rest));
        self.plan(pair, wait);
    }

    pub(super) fn notify_at_phone(&mut self, request: &Request) -> Response {
        self.counts.notifies += 1;
        let callee = request.headers.to().ok().and_then(|to| number(to.uri.user()?));
        let user = request.headers.from().ok().and_then(|from| number(from.uri.user()?));
        let call_id = request.headers.call_id().unwrap_or_default();
        let people = self.people();
        let pair = user.zip(callee).and_then(|(user, callee)| pair(people, user, callee));
        let Some(pair) = pair else { self.fail("a NOTIFY for nobody") };
        let watch = &mut self.phones.watches[pair];
        let Some(dialog) = watch.dialog.as_mut().filter(|dialog| dialog.call_id == call_id) else {
            return request.response(Status::NO_SUCH_DIALOG);
        };
        let from = request.headers.from().ok().and_then(|from| from.tag().map(|tag| tag.into_owned()));
        if dialog.peer_tag.is_some() && dialog.peer_tag != from {
            return request.response(Status::NO_SUCH_DIALOG);
        }
        dialog.peer_tag = from;
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        if cseq <= dialog.notify_cseq {
            return request.response(Status::SERVER_INTERNAL_ERROR);
        }
        dialog.notify_cseq = cseq;
        let Ok(Some(state)) = request.headers.find::<SubscriptionState>() else {
            self.fail("a NOTIFY that says nothing of its subscription");
        };
        if !request.body().is_empty() {
            dialog.shown = words(request.body());
        }
        match state.state.as_str() {
            "active" => dialog.is_active = true,
            "pending" => dialog.is_active = false,
            _ => {
                watch.dialog = None;
                let reason = state.params.get("reason").unwrap_or_default().to_owned();
                let rest = state.params.get("retry-after").and_then(|rest| rest.parse().ok());
                self.watch_over(pair, &reason, rest);
            }
        }
        if !self.phones.watches[pair].wants && self.phones.watches[pair].dialog.is_some() {
            // It has forgotten that it wants to stop, or never said so.
            return request.response(Status::NO_SUCH_DIALOG);
        }
        request.response(Status::OK)
    }

    /// RFC 6665 section 4.1.3.
    fn watch_over(&mut self, pair: usize, reason: &str, rest: Option<u64>) {
        match reason {
            "rejected" => self.phone_refused(pair, 403, None),
            "noresource" => self.phone_refused(pair, 404, Some(3_600)),
            "deactivated" | "timeout" => self.phone_refused(pair, 481, None),
            _ => self.phone_refused(pair, 503, rest),
        }
    }
}

/// The words of the open tuples of a document.
fn words(body: &[u8]) -> BTreeSet<String> {
    let presence = pidf::read(body, &pidf::Limits::default()).expect("the gateway writes PIDF");
    let open = presence.tuples.into_iter().filter(|tuple| tuple.basic == Some(Basic::Open));
    open.map(|tuple| tuple.notes.into_iter().map(|note| note.text).collect::<Vec<_>>().join("|")).collect()
}
