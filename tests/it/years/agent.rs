//! The presence agent of the SIP side (RFC 3856, RFC 6665 section 4.2): it knows what its users have decided for ever, and its
//! dialogs until it restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stox::sip::message::header::{Contact, Expires};
use stox::sip::message::{Name, Request, Response, Status};

use super::host::PEER;
use super::sip::Asker;
use super::{CONTACTS, DAY, Event, SIP, XMPP, Years, both, number, pair};

/// What a user of the SIP side has decided about a watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Undecided,
    Allowed,
    Refused,
}

/// A user of the SIP side: whether he is there, and his words, which say each time something new.
#[derive(Debug, Default)]
pub(super) struct Callee {
    pub(super) is_open: bool,
    pub(super) note: u64,
}

#[derive(Debug)]
pub(super) struct Dialog {
    pair: usize,
    tag: String,
    peer_tag: String,
    contact: String,
    cseq: u32,
    peer_cseq: u32,
    expires: Duration,
    made: Duration,
}

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) is_up: bool,
    pub(super) callees: Vec<Callee>,
    /// By pair.
    pub(super) policies: Vec<Policy>,
    /// By Call-ID.
    pub(super) dialogs: BTreeMap<String, Dialog>,
    /// Their Call-IDs by pair.
    pub(super) of_pair: Vec<BTreeSet<String>>,
    tags: u64,
    pub(super) notes: u64,
}

impl Agent {
    pub(super) fn new(people: usize) -> Self {
        let pairs = people * CONTACTS;
        Self {
            is_up: true,
            callees: (0..people).map(|_| Callee::default()).collect(),
            policies: vec![Policy::Undecided; pairs],
            dialogs: BTreeMap::new(),
            of_pair: vec![BTreeSet::new(); pairs],
            tags: 0,
            notes: 0,
        }
    }

    fn take(&mut self, call_id: &str) -> Option<Dialog> {
        let dialog = self.dialogs.remove(call_id)?;
        self.of_pair[dialog.pair].remove(call_id);
        Some(dialog)
    }

    pub(super) fn forget_dialogs(&mut self) {
        self.dialogs.clear();
        self.of_pair.iter_mut().for_each(BTreeSet::clear);
    }

    /// What the watchers of somebody should see: his words, if he is there.
    pub(super) fn says(&self, callee: usize) -> Option<String> {
        let callee = &self.callees[callee];
        callee.is_open.then(|| format!("n{}", callee.note))
    }
}

/// How the NOTIFY that is due says it stands.
#[derive(Debug, Clone, Copy)]
enum Stand {
    AsDecided,
    Over(&'static str),
}

impl Years {
    pub(super) fn subscribe_at_agent(&mut self, request: &Request) -> Response {
        self.counts.subscribes += 1;
        let to_tag = request.headers.to().ok().and_then(|to| to.tag().map(|tag| tag.into_owned()));
        let call_id = request.headers.call_id().unwrap_or_default().to_owned();
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let asked = request.headers.find::<Expires>().ok().flatten().map_or(3_600, |expires| expires.0);
        match to_tag {
            Some(tag) => self.refresh_at_agent(request, &call_id, &tag, cseq, asked),
            None => self.begin_at_agent(request, call_id, cseq, asked),
        }
    }

    fn begin_at_agent(&mut self, request: &Request, call_id: String, cseq: u32, asked: u32) -> Response {
        let from = request.headers.from().ok();
        let user = from.as_ref().and_then(|from| number(from.uri.user()?));
        let callee = request.uri.user().and_then(number);
        let both = user.zip(callee).filter(|(user, callee)| *user < self.people() && *callee < self.people());
        let Some(pair) = both.and_then(|(user, callee)| pair(self.people(), user, callee)) else {
            self.fail("a SUBSCRIBE for nobody");
        };
        if self.hard && self.chance.per_mille(10) {
            let mut response = request.response(Status::SERVICE_UNAVAILABLE);
            response.headers.push(Name::RETRY_AFTER, "60");
            return response;
        }
        let refused = self.agent.policies[pair] == Policy::Refused;
        if refused {
            self.checks.refusals.insert(pair);
        }
        if refused && self.chance.per_mille(500) {
            return request.response(Status::FORBIDDEN);
        }
        self.agent.tags += 1;
        let tag = format!("a{}", self.agent.tags);
        let contact = contact_of(&request.headers);
        let peer_tag = from.and_then(|from| from.tag().map(|tag| tag.into_owned())).unwrap_or_default();
        let seconds = if self.chance.per_mille(50) { asked.min(1_800) } else { asked };
        let dialog = Dialog {
            pair,
            tag: tag.clone(),
            peer_tag,
            contact,
            cseq: 0,
            peer_cseq: cseq,
            expires: self.now + Duration::from_secs(seconds.into()),
            made: self.now,
        };
        self.agent.dialogs.insert(call_id.clone(), dialog);
        self.agent.of_pair[pair].insert(call_id.clone());
        let response = accepted(request, &tag, seconds, callee.unwrap_or_default());
        if refused {
            self.notify(&call_id, Stand::Over("rejected"));
        } else if seconds == 0 {
            self.notify(&call_id, Stand::Over("timeout"));
        } else {
            self.notify(&call_id, Stand::AsDecided);
            self.after(Duration::from_secs(seconds.into()), Event::Lapse(call_id));
        }
        response
    }

    fn refresh_at_agent(&mut self, request: &Request, call_id: &str, tag: &str, cseq: u32, asked: u32) -> Response {
        let now = self.now;
        let known = self.agent.dialogs.get_mut(call_id).filter(|dialog| dialog.tag == tag && dialog.expires > now);
        let Some(dialog) = known else { return request.response(Status::NO_SUCH_DIALOG) };
        if cseq <= dialog.peer_cseq {
            return request.response(Status::SERVER_INTERNAL_ERROR);
        }
        dialog.peer_cseq = cseq;
        dialog.contact = contact_of(&request.headers);
        let seconds = asked;
        dialog.expires = now + Duration::from_secs(seconds.into());
        let (pair, made) = (dialog.pair, dialog.made);
        let (_, callee) = both(self.people(), pair);
        let newer = |other: &String| self.agent.dialogs.get(other).is_some_and(|it| it.made > made);
        if seconds > 0 && self.agent.of_pair[pair].iter().any(newer) {
            self.fail(&format!("pair {pair}: a dialog is refreshed that has a successor"));
        }
        if seconds == 0 {
            self.notify(call_id, Stand::Over("timeout"));
        } else {
            self.notify(call_id, Stand::AsDecided);
            self.after(Duration::from_secs(seconds.into()), Event::Lapse(call_id.to_owned()));
        }
        accepted(request, tag, seconds, callee)
    }

    pub(super) fn agent_lapse(&mut self, call_id: &str) {
        let Some(dialog) = self.agent.dialogs.get(call_id) else { return };
        if dialog.expires <= self.now && self.agent.is_up {
            self.notify(call_id, Stand::Over("timeout"));
        }
    }

    fn notify(&mut self, call_id: &str, stand: Stand) {
        let now = self.now;
        let Some(dialog) = self.agent.dialogs.get_mut(call_id) else { return };
        dialog.cseq += 1;
        let (user, callee) = both(self.server.users.len(), dialog.pair);
        let allowed = self.agent.policies[dialog.pair] == Policy::Allowed;
        let left = dialog.expires.saturating_sub(now).as_secs().max(1);
        let state = match stand {
            Stand::AsDecided if allowed => format!("active;expires={left}"),
            Stand::AsDecided => format!("pending;expires={left}"),
            Stand::Over("probation") => "terminated;reason=probation;retry-after=120".to_owned(),
            Stand::Over(reason) => format!("terminated;reason={reason}"),
        };
        let Dialog { tag, peer_tag, contact, cseq, .. } = dialog;
        let head = format!("NOTIFY {contact}");
        let rest = format!(
            "From: <sip:p{callee}@{SIP}>;tag={tag}\r\nTo: <sip:u{user}@{XMPP}>;tag={peer_tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} NOTIFY\r\nContact: <sip:p{callee}@{PEER}>\r\nEvent: presence\r\nSubscription-State: {state}\r\n"
        );
        let tells = allowed && matches!(stand, Stand::AsDecided | Stand::Over("timeout"));
        let body = if tells { document(callee, &self.agent.callees[callee]) } else { String::new() };
        let kind = if tells { "Content-Type: application/pidf+xml\r\n" } else { "" };
        let rest = format!("{rest}{kind}Content-Length: {}\r\n\r\n{body}", body.len());
        if let Stand::Over(_) = stand {
            self.agent.take(call_id);
        }
        self.counts.heard_notifies += 1;
        self.ask_gateway(Asker::Agent(call_id.to_owned()), &head, &rest);
    }

    /// A NOTIFY was answered, or was not (RFC 6665 section 4.2.2).
    pub(super) fn agent_hears(&mut self, call_id: &str, response: Option<&Response>) {
        if response.is_none_or(|response| response.status == Status::NO_SUCH_DIALOG) {
            self.agent.take(call_id);
        }
    }

    /// Everybody who watches a user of the SIP side is told how he is now.
    pub(super) fn callee_changes(&mut self, callee: usize) {
        self.agent.notes += 1;
        let is_open = self.chance.per_mille(800);
        self.agent.callees[callee] = Callee { is_open, note: self.agent.notes };
        for pair in self.pairs_of_callee(callee) {
            if self.agent.policies[pair] == Policy::Allowed {
                self.notify_pair(pair, Stand::AsDecided);
            }
        }
    }

    pub(super) fn pairs_of_callee(&self, callee: usize) -> Vec<usize> {
        let people = self.people();
        (0..CONTACTS).filter_map(|place| pair(people, (callee + people - place) % people, callee)).collect()
    }

    fn notify_pair(&mut self, pair: usize, stand: Stand) {
        if !self.agent.is_up {
            return;
        }
        for call_id in self.agent.of_pair[pair].clone() {
            self.notify(&call_id, stand);
        }
    }

    /// A user of the SIP side says whether somebody may watch.
    pub(super) fn decide(&mut self, pair: usize, policy: Policy) {
        let before = std::mem::replace(&mut self.agent.policies[pair], policy);
        match policy {
            Policy::Allowed => {
                self.checks.taken_back.remove(&pair);
                self.notify_pair(pair, Stand::AsDecided);
            }
            Policy::Refused => {
                if before == Policy::Allowed {
                    self.checks.taken_back.insert(pair);
                }
                if !self.agent.of_pair[pair].is_empty() {
                    self.checks.refusals.insert(pair);
                }
                self.notify_pair(pair, Stand::Over("rejected"));
            }
            Policy::Undecided => {}
        }
    }

    /// The agent ends a subscription for a reason of its own.
    pub(super) fn end_one(&mut self, pair: usize) {
        let reason = *self.chance.one_of(&["deactivated", "probation", "timeout", "giveup", "noresource"]);
        // Who has only asked may be told that there is nobody, once.
        if reason == "noresource" {
            self.checks.missing.insert(pair, self.now + DAY);
        }
        self.notify_pair(pair, Stand::Over(reason));
    }
}

fn contact_of(headers: &stox::sip::message::Headers) -> String {
    match headers.find::<Contact>() {
        Ok(Some(Contact::At(contact))) => contact.uri.as_str().to_owned(),
        Ok(_) | Err(_) => panic!("a SUBSCRIBE or its answer without Contact"),
    }
}

fn accepted(request: &Request, tag: &str, seconds: u32, callee: usize) -> Response {
    let mut response = request.response(Status::OK);
    response.ensure_to_tag(tag);
    response.headers.add(&Expires(seconds));
    response.headers.push(Name::CONTACT, format!("<sip:p{callee}@{PEER}>"));
    response
}

fn document(number: usize, callee: &Callee) -> String {
    let basic = if callee.is_open { "open" } else { "closed" };
    format!(
        "<?xml version='1.0' encoding='UTF-8'?><presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:p{number}@{SIP}'>\
         <tuple id='t1'><status><basic>{basic}</basic></status><note>n{}</note></tuple></presence>",
        callee.note
    )
}
