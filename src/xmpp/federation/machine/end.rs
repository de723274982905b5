//! A stream is over, or never was.

use super::super::{Host, Pair, StreamId, Unreachable};
use super::queue::{On, Waiting};
use super::sessions::Kept;
use super::stream::{Phase, QuestionId, Stream};
use super::{Federation, Output, Timer, Why, ends_of, limits};
use crate::time::Now;
use crate::xmpp::stanza::Stanza;
use crate::xmpp::stream::manage::Rest;
use crate::xmpp::stream::{Cause, StreamErrorKind};

impl Federation {
    pub(super) fn on_unreachable(&mut self, id: StreamId, unreachable: Unreachable, now: Now) {
        let Some(mut stream) = self.remove(id) else { return };
        let (asked, questions) = stream.take_waiting();
        for pair in stream.out.clone() {
            self.end_proven(&pair, &Ended { id, in_doubt: false, lost: None }, Rest::default(), now);
        }
        if stream.phase == Phase::Closing {
            self.wait_elsewhere(id, asked, questions, &Cause::Closed, now);
        } else {
            self.fail_waiting(id, &stream, asked, questions, &unreachable.into(), now);
        }
        self.tidy_after(&stream);
    }

    /// A stream that takes so long to open is given up, and those that wait for it.
    pub(super) fn on_opening_late(&mut self, id: StreamId, now: Now) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| is_late(stream)) else { return };
        let (asked, questions) = stream.take_waiting();
        self.close(id, None);
        let why = Why::NoAnswer("The recipient's server does not answer.".to_owned());
        let Some(stream) = self.streams.remove(&id) else { return };
        self.fail_waiting(id, &stream, asked, questions, &why, now);
        self.streams.insert(id, stream);
    }

    /// Whoever waits for a stream that did not come about hears why, and its domain rests.
    fn fail_waiting(
        &mut self,
        id: StreamId,
        stream: &Stream,
        asked: Vec<Pair>,
        questions: Vec<QuestionId>,
        why: &Why,
        now: Now,
    ) {
        if let Some(dialed) = &stream.dialed {
            self.rest(&dialed.pair.remote, why.clone(), now);
        }
        for pair in asked {
            if self.ask_no_more(&pair, id) {
                self.fail(&pair, why, now);
            }
        }
        for question in questions {
            self.fail_question(question, why);
        }
    }

    pub(super) fn on_closed(&mut self, id: StreamId, cause: &Cause, left: Left, now: Now) {
        let Left { rest, in_doubt } = left;
        let Rest { session, doubtful, unsent } = rest;
        let Some(mut stream) = self.remove(id) else {
            for stanza in doubtful.into_iter().chain(unsent) {
                self.bounce(&stanza, &Why::of_end(cause));
            }
            return;
        };
        self.keep(id, session, now);
        let ended = Ended { id, in_doubt, lost: self.is_lost(&stream, cause, now) };
        let (asked, questions) = stream.take_waiting();
        let (sorted, foreign) = by_pair(&stream, doubtful, unsent);
        for stanza in foreign {
            self.bounce(&stanza, &why_broken());
        }
        for (pair, back) in stream.out.clone().into_iter().zip(sorted) {
            self.end_proven(&pair, &ended, back, now);
        }
        if let Some(host) = self.elsewhere(&stream, cause) {
            self.follow(&stream, host, asked, questions, now);
        } else if is_late(&stream) {
            self.fail_waiting(id, &stream, asked, questions, &Why::of_end(cause), now);
        } else {
            let own = stream.dialed.as_ref().filter(|dialed| asked.contains(&dialed.pair)).map(|dialed| &dialed.pair);
            if let Some(pair) = own {
                // Instead of an answer the peer ended the stream, which means the same (XEP-0220 section 2.1.1).
                self.rest(&pair.remote, Why::of_end(cause), now);
            }
            self.wait_elsewhere(id, asked, questions, cause, now);
        }
        self.tidy_after(&stream);
    }

    /// Whoever waits for something on a stream that is over is led to another.
    fn wait_elsewhere(&mut self, id: StreamId, asked: Vec<Pair>, questions: Vec<QuestionId>, cause: &Cause, now: Now) {
        for question in questions {
            self.ask_elsewhere(question, cause, now);
        }
        for pair in asked {
            if self.ask_no_more(&pair, id) {
                self.lead_anew(&pair, now);
            }
        }
    }

    /// Takes a stream out of every table but the routes'. Nobody waits for the answer to keys that came on it.
    fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        if stream.dialed.is_none() {
            self.accepted -= 1;
        }
        for domain in domains(&stream) {
            if let Some(remote) = self.remotes.get_mut(domain) {
                remote.dialed.retain(|other| *other != id);
                remote.proven.retain(|other| *other != id);
            }
        }
        for key in &stream.keys {
            self.drop_question(*key);
        }
        Some(stream)
    }

    fn tidy_after(&mut self, stream: &Stream) {
        for domain in domains(stream) {
            self.tidy(domain);
        }
    }

    /// Why stanzas of this stream are not sent again: too many streams to its domain ended young, one after the other.
    fn is_lost(&mut self, stream: &Stream, cause: &Cause, now: Now) -> Option<Why> {
        let (domain, proven_at) = (stream.home()?.clone(), stream.proven_at?);
        let is_young = now.mono.saturating_sub(proven_at) < limits::STABLE && stream.phase != Phase::Closing;
        let remote = self.remotes.entry(domain.clone()).or_default();
        remote.losses = if is_young { remote.losses + 1 } else { 0 };
        if remote.losses <= limits::RESENDS {
            return None;
        }
        remote.losses = 0;
        let why = Why::of_end(cause);
        self.rest(&domain, why.clone(), now);
        Some(why)
    }

    /// A pair loses the stream on which it was proven. `rest`: what the stream leaves of it.
    fn end_proven(&mut self, pair: &Pair, ended: &Ended, rest: Rest, now: Now) {
        let was_on = |on: &On| matches!(on, On::Proven(on) | On::Ending(on) if *on == ended.id);
        let Some(route) = self.routes.get_mut(pair).filter(|route| was_on(&route.on)) else {
            return self.bounce_rest(rest);
        };
        if !rest.doubtful.is_empty() || ended.in_doubt && route.given > rest.unsent.len() {
            self.doubt(pair, rest.unsent, now);
        } else {
            self.wait_again(pair, rest.unsent, now);
        }
        self.after_end(pair, ended, now);
    }

    /// The pair goes on elsewhere, where others of it are on their way: what an end leaves of it comes back one by one.
    pub(super) fn bounce_rest(&mut self, rest: Rest) {
        for stanza in rest.doubtful.into_iter().chain(rest.unsent) {
            self.bounce(&stanza, &why_broken());
        }
    }

    /// Some of the pair are in doubt for good, and none is on its way: the owner is told, after what comes back. `unsent`
    /// are older than what waits. A session of the pair is over too, since nothing of it may arrive after all.
    pub(super) fn doubt(&mut self, pair: &Pair, unsent: Vec<Stanza>, now: Now) {
        let held = self.take_kept(pair).unsent;
        let queue = self.routes.get_mut(pair).map(|route| std::mem::take(&mut route.queue)).unwrap_or_default();
        queue.iter().for_each(|waiting| self.room.free(waiting.bytes));
        let newer = queue.into_iter().map(|waiting| waiting.stanza);
        let again = self.bounce_doubtful(held.into_iter().chain(unsent).chain(newer));
        if !again.is_empty() {
            self.route(pair);
        }
        self.wait_again(pair, again, now);
        self.tell_down(pair);
    }

    /// Presence of this pair was lost, or may have been: somebody is to hear when the way is there again.
    pub(super) fn miss(&mut self, pair: Pair) {
        if self.missed.len() < limits::MISSED {
            self.missed.insert(pair);
        }
    }

    pub(super) fn tell_down(&mut self, pair: &Pair) {
        self.miss(pair.clone());
        let Pair { local, remote } = pair.clone();
        self.outputs.push(Output::DomainDown { local, remote });
    }

    /// Where what waits for this pair goes now.
    fn after_end(&mut self, pair: &Pair, ended: &Ended, now: Now) {
        let has_waiting = self.routes.get(pair).is_some_and(|route| !route.queue.is_empty());
        let kept = self.kept.get(pair);
        if self.stopped {
            self.fail(pair, &Why::Stopped, now);
        } else if let Some(why) = &ended.lost {
            let Rest { doubtful, unsent, .. } = self.take_kept(pair);
            for stanza in unsent {
                self.bounce(&stanza, why);
            }
            self.fail(pair, why, now);
            if !doubtful.is_empty() {
                self.tell_down(pair);
            }
        } else if matches!(kept, Some(Kept::Theirs(_))) {
            // The peer comes back and takes up its session; nothing overtakes what that holds.
            self.route(pair).on = On::Ending(ended.id);
        } else if kept.is_none() && !has_waiting {
            self.routes.remove(pair);
        } else {
            self.route(pair).on = On::Nowhere;
            if let Err(why) = self.seek(pair, false, now) {
                self.fail(pair, &why, now);
            }
        }
    }

    /// Others of the pair are in doubt, so the owner gives up what it has not heard about: what it may do again itself
    /// comes back or is dropped, the rest goes on. Questions and messages are the former, also messages that are errors;
    /// answers and presence the latter.
    fn bounce_doubtful(&mut self, back: impl Iterator<Item = Stanza>) -> Vec<Stanza> {
        let mut again = Vec::new();
        for stanza in back {
            let is_message = matches!(stanza, Stanza::Message(_));
            if is_message || stanza.error_reply(why_broken().error()).is_some() {
                self.bounce(&stanza, &why_broken());
            } else {
                again.push(stanza);
            }
        }
        again
    }

    /// Puts stanzas in front of those that wait: they are older. The newest of them come back if there is no room.
    pub(super) fn wait_again(&mut self, pair: &Pair, again: Vec<Stanza>, now: Now) {
        let Some(route) = self.routes.get_mut(pair) else { return };
        let since = route.queue.front().map_or(now.mono, |first| first.since);
        let mut older = std::collections::VecDeque::new();
        let mut too_many = Vec::new();
        for stanza in again {
            let waiting = route.queue.len() + older.len();
            match self.room.for_one(&stanza, waiting, &self.settings).filter(|_| too_many.is_empty()) {
                Some(bytes) => {
                    self.room.take(bytes);
                    self.stats.sent_again += 1;
                    older.push_back(Waiting { stanza, bytes, since });
                }
                None => too_many.push(stanza),
            }
        }
        older.append(&mut route.queue);
        route.queue = older;
        if !route.queue.is_empty() && !std::mem::replace(&mut route.timed, true) {
            self.timers.set(now, self.settings.queue_for, Timer::Waited(pair.clone()));
        }
        for stanza in too_many {
            self.bounce(&stanza, &Why::Full);
        }
    }

    /// Where the domain's server wants us to go instead (RFC 6120 section 4.9.3.19).
    fn elsewhere(&self, stream: &Stream, cause: &Cause) -> Option<Host> {
        let Cause::PeerError(error) = cause else { return None };
        let dialed = stream.dialed.as_ref()?;
        if error.kind != StreamErrorKind::SeeOtherHost || dialed.hops >= limits::HOPS || self.stopped {
            return None;
        }
        error.host.as_deref().and_then(host)
    }

    /// Everything that waited for one stream waits for another, to the same domain at another host.
    fn follow(&mut self, stream: &Stream, host: Host, asked: Vec<Pair>, questions: Vec<QuestionId>, now: Now) {
        let Some(dialed) = stream.dialed.clone().filter(|_| !asked.is_empty() || !questions.is_empty()) else { return };
        let mut asked = asked;
        // The one for which the stream is opened is the first of those that it is to prove.
        asked.sort_by_key(|pair| pair.remote != dialed.pair.remote);
        let first = asked.first().filter(|pair| pair.remote == dialed.pair.remote).cloned();
        let to_verify = first.is_none();
        let pair = first.unwrap_or(dialed.pair);
        let hops = dialed.hops + 1;
        let id = self.dial(super::stream::Dialed { pair, to_verify, host: Some(host), hops }, now);
        for pair in asked {
            self.ask(&pair, id, now);
        }
        for question in questions {
            self.wait_for(question, id);
        }
    }
}

/// What a stream leaves behind.
pub(super) struct Left {
    pub(super) rest: Rest,
    pub(super) in_doubt: bool,
}

/// How a stream has ended, for each of its pairs.
struct Ended {
    id: StreamId,
    in_doubt: bool,
    /// Why nothing is sent again.
    lost: Option<Why>,
}

pub(super) fn why_broken() -> Why {
    Why::NoAnswer("The connection to the recipient's server broke.".to_owned())
}

/// Whether a stream is not open, although others wait for it.
fn is_late(stream: &Stream) -> bool {
    stream.phase == Phase::Opening && stream.proven_at.is_none()
}

/// The remote domains of which it may count as a stream.
fn domains(stream: &Stream) -> impl Iterator<Item = &std::sync::Arc<str>> {
    let dialed = stream.dialed.iter().map(|dialed| &dialed.pair);
    dialed.chain(&stream.out).chain(&stream.inward).map(|pair| &pair.remote)
}

/// What a stream leaves, by the position of its pair; and what it should never have had.
fn by_pair(stream: &Stream, doubtful: Vec<Stanza>, unsent: Vec<Stanza>) -> (Vec<Rest>, Vec<Stanza>) {
    let mut sorted: Vec<Rest> = stream.out.iter().map(|_| Rest::default()).collect();
    let mut foreign = Vec::new();
    let doubtful = doubtful.into_iter().map(|stanza| (stanza, true));
    for (stanza, is_doubtful) in doubtful.chain(unsent.into_iter().map(|stanza| (stanza, false))) {
        let ends = ends_of(&stanza);
        let is_its = |pair: &Pair| ends == Some((&*pair.local, &*pair.remote));
        match stream.out.iter().position(is_its).and_then(|index| sorted.get_mut(index)) {
            Some(rest) if is_doubtful => rest.doubtful.push(stanza),
            Some(rest) => rest.unsent.push(stanza),
            None => foreign.push(stanza),
        }
    }
    (sorted, foreign)
}

/// `host`, `host:port`, `[address]:port` (RFC 6120 section 4.9.3.19).
fn host(text: &str) -> Option<Host> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, rest.strip_prefix(':'))
        }
        None if text.parse::<std::net::Ipv6Addr>().is_ok() => (text, None),
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map(str::parse).transpose().ok()?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':') || !byte.is_ascii();
    let is_host = !name.is_empty() && name.len() <= 1023 && name.bytes().all(is_name) && port != Some(0);
    is_host.then(|| Host { name: name.to_owned(), port, direct_tls: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_host_is_a_name_or_an_address_perhaps_with_a_port() {
        let read = |text| host(text).map(|host| (host.name, host.port));
        for (text, name, port) in [
            ("xmpp.example.com", "xmpp.example.com", None),
            ("xmpp.example.com:5270", "xmpp.example.com", Some(5270)),
            ("192.0.2.1:5269", "192.0.2.1", Some(5269)),
            ("[2001:db8::1]:5269", "2001:db8::1", Some(5269)),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("2001:db8::1", "2001:db8::1", None),
        ] {
            assert_eq!(read(text), Some((name.to_owned(), port)), "{text}");
        }
        for text in ["", ":5269", "a:b", "a:0", "a:70000", "a b", "[x]:1", "[::1", "a/b", "a\r\nb"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
