//! Sessions between two of their streams, and who may go on with which.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::Session;
use crate::time::Now;
use crate::xmpp::federation::{Pair, StreamId};

/// The sessions whose streams have broken, for as long as they may be resumed, and the names of those that go on.
#[derive(Debug)]
pub struct Sessions {
    limits: Limits,
    kept: HashMap<Key, (Place, Box<Session>)>,
    /// By deadline.
    order: BTreeMap<Place, Key>,
    count: u64,
    bytes: usize,
    /// The streams whose peers may come back and name this id.
    live: HashMap<String, (StreamId, Pair)>,
    ids: HashMap<StreamId, String>,
    /// Streams that wait for the session of another, which is being closed.
    waiting: HashMap<StreamId, StreamId>,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sessions. When all streams break at once, because our own network does, those of the busiest thousands are kept;
    /// the others begin anew, and what they had not acknowledged is in doubt.
    pub sessions: usize,
    /// Bytes of stanzas in all of them.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions: 4096, bytes: 32 * 1024 * 1024 }
    }
}

/// When it ends, and a number that nothing else has.
type Place = (Duration, u64);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// Of streams that we open, whose name is the peer's business.
    Ours(Pair),
    /// Of streams that peers open.
    Theirs(String),
}

/// The answer to a stream that wants to go on with a session.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// Here it is.
    Session(Box<Session>),
    /// It is not there.
    Nothing,
    /// This stream still has it: it is to be closed, and the session is given out by [`Sessions::closed`].
    Held(StreamId),
}

/// What the end of a stream leads to.
#[derive(Debug, Default, PartialEq)]
pub struct Closed {
    /// The stream that has waited for the session, and the session.
    pub waiting: Option<(StreamId, Option<Box<Session>>)>,
    /// Sessions that had to give way: what they have written is in doubt.
    pub given_up: Vec<Session>,
}

impl Sessions {
    /// None yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            kept: HashMap::new(),
            order: BTreeMap::new(),
            count: 0,
            bytes: 0,
            live: HashMap::new(),
            ids: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// The peer of `stream` may come back and name `id`.
    pub fn resumable(&mut self, stream: StreamId, pair: Pair, id: String) {
        if let Some(old) = self.ids.insert(stream, id.clone()) {
            self.live.remove(&old);
        }
        self.live.insert(id, (stream, pair));
    }

    /// `stream`, which has proven `pair`, wants to go on: with the session of this pair that we opened, or with the one that
    /// its peer names, which must be of the same pair (XEP-0198 section 8: nobody goes on with another's session).
    pub fn find(&mut self, stream: StreamId, pair: &Pair, id: Option<&str>) -> Found {
        let key = id.map_or_else(|| Key::Ours(pair.clone()), |id| Key::Theirs(id.to_owned()));
        if self.kept.get(&key).is_some_and(|(_, session)| session.pair() == pair) {
            return self.take(&key).map_or(Found::Nothing, Found::Session);
        }
        match id.and_then(|id| self.live.get(id)) {
            Some((other, its)) if its == pair && *other != stream && !self.waiting.contains_key(other) => {
                self.waiting.insert(*other, stream);
                Found::Held(*other)
            }
            Some(_) | None => Found::Nothing,
        }
    }

    /// `stream` is over, and this is its session, if it may be resumed.
    pub fn closed(&mut self, stream: StreamId, session: Option<Box<Session>>, now: Now) -> Closed {
        if let Some(id) = self.ids.remove(&stream) {
            self.live.remove(&id);
        }
        self.waiting.retain(|_, waits| *waits != stream);
        if let Some(waits) = self.waiting.remove(&stream) {
            return Closed { waiting: Some((waits, session)), given_up: Vec::new() };
        }
        let given_up = session.map_or_else(Vec::new, |session| self.keep(session, now));
        Closed { waiting: None, given_up }
    }

    fn keep(&mut self, session: Box<Session>, now: Now) -> Vec<Session> {
        let key = match session.id() {
            Some(id) if session.is_theirs() => Key::Theirs(id.to_owned()),
            Some(_) => Key::Ours(session.pair().clone()),
            None => return vec![*session],
        };
        if session.bytes() > self.limits.bytes {
            return vec![*session];
        }
        let mut given_up = Vec::new();
        given_up.extend(self.take(&key).map(|old| *old));
        while self.kept.len() >= self.limits.sessions || self.bytes + session.bytes() > self.limits.bytes {
            let Some(first) = self.order.values().next().cloned() else { break };
            given_up.extend(self.take(&first).map(|old| *old));
        }
        self.count += 1;
        self.bytes += session.bytes();
        let place = (now.mono + session.within(), self.count);
        self.order.insert(place, key.clone());
        self.kept.insert(key, (place, session));
        given_up
    }

    /// A session whose time is over: what it has written is in doubt.
    pub fn take_expired(&mut self, now: Now) -> Option<Session> {
        let ((until, _), key) = self.order.first_key_value()?;
        if *until > now.mono {
            return None;
        }
        let key = key.clone();
        self.take(&key).map(|session| *session)
    }

    /// When [`Self::take_expired`] has something.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.order.keys().next().map(|(until, _)| *until)
    }

    /// Every session that is kept: the node ends.
    pub fn take_all(&mut self) -> Vec<Session> {
        let keys: Vec<Key> = std::mem::take(&mut self.order).into_values().collect();
        self.bytes = 0;
        keys.iter().filter_map(|key| self.kept.remove(key)).map(|(_, session)| *session).collect()
    }

    /// Sessions that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn take(&mut self, key: &Key) -> Option<Box<Session>> {
        let (place, session) = self.kept.remove(key)?;
        self.order.remove(&place);
        self.bytes -= session.bytes();
        Some(session)
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::xmpp::jid::Jid;
    use crate::xmpp::stanza::{Message, MessageKind, Stanza};

    fn at(seconds: u64) -> Now {
        Now::at(Duration::from_secs(seconds))
    }

    fn pair(remote: &str) -> Pair {
        Pair::new("here.example", remote)
    }

    /// With one stanza of so many bytes.
    fn session(remote: &str, theirs: bool, id: &str, bytes: usize) -> Box<Session> {
        let mut session = Session::new(pair(remote), theirs);
        session.id = Some(id.to_owned());
        session.within = Duration::from_secs(60);
        let (from, to) = (Jid::parse("here.example").unwrap(), Jid::parse(remote).unwrap());
        session.push(Stanza::Message(Message::new(from, to, MessageKind::Chat)), bytes, true);
        Box::new(session)
    }

    fn ids(sessions: &[Session]) -> Vec<&str> {
        sessions.iter().filter_map(Session::id).collect()
    }

    #[test]
    fn a_session_of_ours_is_found_by_its_pair_and_once() {
        let mut sessions = Sessions::default();
        let session = session("a.example", false, "1", 10);
        assert_eq!(sessions.closed(1, Some(session.clone()), at(0)), Closed::default());
        assert_eq!(sessions.find(2, &pair("b.example"), None), Found::Nothing);
        assert_eq!(sessions.find(2, &pair("a.example"), None), Found::Session(session));
        assert_eq!(sessions.find(3, &pair("a.example"), None), Found::Nothing);
        assert_eq!((sessions.is_empty(), sessions.bytes, sessions.next_timeout()), (true, 0, None));
    }

    #[test]
    fn a_session_of_theirs_is_found_by_its_id_and_only_by_its_own_pair() {
        let mut sessions = Sessions::default();
        let session = session("a.example", true, "secret", 10);
        sessions.closed(1, Some(session.clone()), at(0));
        assert_eq!(sessions.find(2, &pair("a.example"), None), Found::Nothing);
        assert_eq!(sessions.find(2, &pair("thief.example"), Some("secret")), Found::Nothing);
        assert_eq!(sessions.find(2, &pair("a.example"), Some("guess")), Found::Nothing);
        assert_eq!(sessions.find(2, &pair("a.example"), Some("secret")), Found::Session(session));
    }

    #[test]
    fn a_stream_that_still_has_the_session_gives_it_up_first() {
        let mut sessions = Sessions::default();
        sessions.resumable(1, pair("a.example"), "secret".to_owned());
        assert_eq!(sessions.find(2, &pair("thief.example"), Some("secret")), Found::Nothing);
        assert_eq!(sessions.find(2, &pair("a.example"), Some("secret")), Found::Held(1));
        // One at a time.
        assert_eq!(sessions.find(3, &pair("a.example"), Some("secret")), Found::Nothing);
        let session = session("a.example", true, "secret", 10);
        let closed = sessions.closed(1, Some(session.clone()), at(0));
        assert_eq!(closed, Closed { waiting: Some((2, Some(session))), given_up: vec![] });
        assert!(sessions.live.is_empty() && sessions.ids.is_empty() && sessions.waiting.is_empty());
    }

    #[test]
    fn a_session_is_kept_when_who_waited_for_it_is_gone() {
        let mut sessions = Sessions::default();
        sessions.resumable(1, pair("a.example"), "secret".to_owned());
        assert_eq!(sessions.find(2, &pair("a.example"), Some("secret")), Found::Held(1));
        assert_eq!(sessions.closed(2, None, at(0)), Closed::default());
        assert_eq!(sessions.closed(1, Some(session("a.example", true, "secret", 10)), at(0)), Closed::default());
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn what_is_not_resumed_in_time_is_in_doubt() {
        let mut sessions = Sessions::default();
        sessions.closed(1, Some(session("a.example", false, "1", 10)), at(0));
        sessions.closed(2, Some(session("b.example", false, "2", 10)), at(10));
        assert_eq!((sessions.next_timeout(), sessions.take_expired(at(59))), (Some(at(60).mono), None));
        let expired = sessions.take_expired(at(60)).unwrap();
        assert_eq!(expired.id(), Some("1"));
        assert_eq!(expired.into_rest().doubtful.len(), 1);
        assert_eq!(ids(&sessions.take_all()), ["2"]);
        assert_eq!((sessions.take_expired(at(99)), sessions.bytes), (None, 0));
    }

    #[test]
    fn the_oldest_give_way_when_there_are_too_many_or_too_large_ones() {
        let mut sessions = Sessions::new(Limits { sessions: 2, bytes: 100 });
        sessions.closed(1, Some(session("a.example", false, "1", 30)), at(0));
        sessions.closed(2, Some(session("b.example", false, "2", 30)), at(0));
        let closed = sessions.closed(3, Some(session("c.example", false, "3", 30)), at(0));
        assert_eq!(ids(&closed.given_up), ["1"]);
        let closed = sessions.closed(4, Some(session("d.example", true, "4", 80)), at(0));
        assert_eq!(ids(&closed.given_up), ["2", "3"]);
        let closed = sessions.closed(5, Some(session("e.example", true, "5", 101)), at(0));
        assert_eq!((ids(&closed.given_up), sessions.len()), (vec!["5"], 1));
    }

    #[test]
    fn a_second_session_of_a_pair_takes_the_place_of_the_first() {
        let mut sessions = Sessions::default();
        sessions.closed(1, Some(session("a.example", false, "1", 30)), at(0));
        let closed = sessions.closed(2, Some(session("a.example", false, "2", 30)), at(1));
        assert_eq!((ids(&closed.given_up), sessions.len(), sessions.bytes), (vec!["1"], 1, 30));
    }
}
