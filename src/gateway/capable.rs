//! What phones and next hops take, learned from what they say, and what follows from it for messages to them.
//!
//! Plain text goes to everybody at once. Everything else waits until somebody has shown that they take it:
//!
//! * A **typing state** goes to whoever sent one, listed the type in Accept, or is behind a next hop that lists it; with
//!   `typing = true` to everybody who has not refused it.
//! * A **415** to words is answered by the same message in the form that it asks for, once: same line, same Call-ID and
//!   From tag, next CSeq (RFC 3261 section 8.1.3.5). The form is remembered for that user.
//! * What two users of one next hop have refused, and none has taken since, is taken for what the next hop itself
//!   refuses.
//! * A **420** or **421** ends in an error: a MESSAGE of ours requires nothing that it could leave out.
//!
//! All of it is forgotten after [`limits::KNOWN_FOR`], because by then the phone may be another one.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::errand::RouteId;
use super::recent::Print;
use super::{Gateway, limits};
use crate::mapping::Typing;
use crate::mapping::message::Form;
use crate::model::iscomposing;
use crate::sip::capability::{Capabilities, Known, accepts};
use crate::sip::message::{Response, Status};
use crate::time::Now;
use crate::xmpp::escape::unescape_local;
use crate::xmpp::jid::Jid;

const TEXT: &str = "text/plain";
const CPIM: &str = "message/cpim";

/// What is known of everybody on the SIP side.
#[derive(Debug, Default)]
pub(super) struct Capable {
    routes: HashMap<RouteId, Peer>,
    users: HashMap<Print, User>,
    /// Users in the order in which something was learned of them, with the time.
    order: VecDeque<(Duration, Print)>,
}

/// What is known of a next hop.
#[derive(Debug, Default)]
struct Peer {
    can: Capabilities,
    typing: Refusals,
    charset: Refusals,
}

/// Who behind a next hop has refused a thing since somebody took it.
#[derive(Debug, Default)]
struct Refusals {
    first: Option<Print>,
    /// Refused by all, until then.
    until: Option<Duration>,
}

/// What is known of a user.
#[derive(Debug, Clone, Copy, Default)]
struct User {
    learned: Duration,
    typing: Known,
    form: Option<Form>,
}

impl Refusals {
    fn refused_by(&mut self, user: Print, now: Duration) {
        match self.first {
            Some(first) if first != user => self.until = Some(now + limits::KNOWN_FOR),
            Some(_) => {}
            None => self.first = Some(user),
        }
    }

    fn by_all(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| until > now)
    }
}

impl Capable {
    fn user(&self, user: Print, now: Duration) -> User {
        if self.users.is_empty() {
            return User::default();
        }
        let known = self.users.get(&user).filter(|known| known.learned + limits::KNOWN_FOR > now);
        known.copied().unwrap_or_default()
    }

    fn learn(&mut self, user: Print, now: Duration, change: impl FnOnce(&mut User)) {
        let mut known = self.user(user, now);
        change(&mut known);
        known.learned = now;
        self.users.insert(user, known);
        self.order.push_back((now, user));
        let old = |at: Duration| at + limits::KNOWN_FOR <= now;
        while self.order.len() > limits::USERS_KNOWN || self.order.front().is_some_and(|(at, _)| old(*at)) {
            let Some((at, user)) = self.order.pop_front() else { break };
            // Something may have been learned of the user since.
            if self.users.get(&user).is_some_and(|known| known.learned <= at) {
                self.users.remove(&user);
            }
        }
    }

    /// Whether a typing state goes to a user.
    fn takes_typing(&self, route: RouteId, user: Print, setting: Typing, now: Duration) -> bool {
        let of_user = self.user(user, now).typing;
        let peer = self.routes.get(&route);
        match (setting, of_user) {
            (Typing::Never, _) | (_, Known::No) => false,
            (_, Known::Yes) => true,
            (Typing::Always, Known::Unknown) => peer.is_none_or(|peer| !peer.typing.by_all(now)),
            (Typing::Shown, Known::Unknown) => peer.is_some_and(|peer| {
                peer.can.takes(iscomposing::MEDIA_TYPE, now) == Known::Yes && !peer.typing.by_all(now)
            }),
        }
    }

    /// The form that words go to a user in.
    fn form(&self, route: RouteId, user: Print, now: Duration) -> Form {
        let of_route = || match self.routes.get(&route) {
            Some(peer) if peer.charset.by_all(now) => Form::Bare,
            Some(_) | None => Form::Text,
        };
        self.user(user, now).form.unwrap_or_else(of_route)
    }
}

/// The form to try after a 415 to `tried`, if there is one left.
fn another(tried: Form, response: &Response) -> Option<Form> {
    let plain = accepts(&response.headers, TEXT);
    let cpim = accepts(&response.headers, CPIM) == Known::Yes;
    match (tried, plain) {
        (Form::Text | Form::Bare, Known::No) if cpim => Some(Form::Cpim),
        (Form::Text, Known::Yes | Known::Unknown) => Some(Form::Bare),
        (Form::Cpim, Known::Yes) => Some(Form::Bare),
        (Form::Text | Form::Bare | Form::Cpim, _) => None,
    }
}

impl Gateway {
    /// The bare address of a SIP user: one for all spellings of its number, so that it has one line and one memory.
    pub(super) fn known_by<'j>(&self, user: &'j Jid) -> Cow<'j, str> {
        let domain = self.mapping.domain_of_xmpp(user.domain());
        let number = domain.and_then(|domain| domain.numbers.as_ref()?.in_jid(&unescape_local(user.local()?)));
        number.map_or(Cow::Borrowed(user.bare()), |number| format!("{number}@{}", user.domain()).into())
    }

    fn user_known_by(&self, user: &Jid) -> Print {
        Print::of(&self.known_by(user))
    }

    /// Whether a typing state goes to this SIP user.
    pub(super) fn takes_typing(&self, user: &Jid, now: Now) -> bool {
        let setting = self.mapping.domain_of_xmpp(user.domain()).map_or(Typing::Never, |domain| domain.typing);
        let Some(route) = self.settings.route_of(user.domain()) else { return false };
        self.capable.takes_typing(route, self.user_known_by(user), setting, now.mono)
    }

    /// The form that words to this SIP user go in.
    pub(super) fn form_for(&self, route: RouteId, user: &Jid, now: Now) -> Form {
        let refused = self.capable.routes.get(&route).is_some_and(|peer| peer.charset.until.is_some());
        if self.capable.users.is_empty() && !refused {
            return Form::Text;
        }
        self.capable.form(route, self.user_known_by(user), now.mono)
    }

    /// A SIP user has sent a typing state, so it knows what that is.
    pub(super) fn on_typing_from(&mut self, user: &Jid, now: Now) {
        let user = self.user_known_by(user);
        if self.capable.user(user, now.mono).typing != Known::Yes {
            self.capable.learn(user, now.mono, |known| known.typing = Known::Yes);
        }
    }

    /// A typing state was answered.
    pub(super) fn on_typing_answered(&mut self, user: &Jid, response: &Response, now: Now) {
        let Some(route) = self.settings.route_of(user.domain()) else { return };
        let user = self.user_known_by(user);
        if response.status == Status::UNSUPPORTED_MEDIA_TYPE {
            self.capable.learn(user, now.mono, |known| known.typing = Known::No);
            self.capable.routes.entry(route).or_default().typing.refused_by(user, now.mono);
        } else if response.status.is_success()
            && let Some(peer) = self.capable.routes.get_mut(&route)
        {
            peer.typing = Refusals::default();
        }
    }

    /// Words sent in `tried` were answered: the form to send them in once more, if the answer asks for another.
    pub(super) fn on_words_answered(&mut self, user: &Jid, tried: Form, response: &Response, now: Now) -> Option<Form> {
        let route = self.settings.route_of(user.domain())?;
        if response.status.is_success() {
            if tried == Form::Text
                && let Some(peer) = self.capable.routes.get_mut(&route)
            {
                peer.charset = Refusals::default();
            }
            if accepts(&response.headers, iscomposing::MEDIA_TYPE) == Known::Yes {
                self.on_typing_from(user, now);
            }
            return None;
        }
        self.on_refused(route, response, now);
        if response.status != Status::UNSUPPORTED_MEDIA_TYPE {
            return None;
        }
        let form = another(tried, response)?;
        let user = self.user_known_by(user);
        self.capable.learn(user, now.mono, |known| known.form = Some(form));
        if form == Form::Bare {
            self.capable.routes.entry(route).or_default().charset.refused_by(user, now.mono);
        }
        Some(form)
    }

    /// What a refusal says about a next hop. Not the types of a 415: those are the user's.
    fn on_refused(&mut self, route: RouteId, response: &Response, now: Now) {
        const TELLING: [Status; 4] =
            [Status::METHOD_NOT_ALLOWED, Status::BAD_EXTENSION, Status::EXTENSION_REQUIRED, Status::BAD_EVENT];
        if TELLING.contains(&response.status) {
            self.on_capable(route, response, now);
        }
    }

    /// A response that speaks for the next hop itself.
    pub(super) fn on_capable(&mut self, route: RouteId, response: &Response, now: Now) {
        let peer = self.capable.routes.entry(route).or_default();
        peer.can.forget_old(now.mono);
        peer.can.learn(response, now.mono + limits::KNOWN_FOR);
    }

    /// What a next hop has said of itself.
    pub(super) fn capabilities(&self, route: RouteId) -> Option<&Capabilities> {
        self.capable.routes.get(&route).map(|peer| &peer.can)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::message::{Method, Name, Request};
    use crate::sip::uri::Uri;

    fn refusal(accept: Option<&str>) -> Response {
        let request = Request::new(Method::Message, Uri::parse("sip:romeo@sip.example").unwrap());
        let mut response = request.response(Status::UNSUPPORTED_MEDIA_TYPE);
        accept.into_iter().for_each(|value| response.headers.push(Name::ACCEPT, value));
        response
    }

    #[test]
    fn a_415_is_followed_by_the_form_it_asks_for_or_by_none() {
        use Form::{Bare, Cpim, Text};
        for (tried, accept, then) in [
            (Text, None, Some(Bare)),
            (Text, Some("text/plain"), Some(Bare)),
            (Text, Some("text/*, image/png"), Some(Bare)),
            (Text, Some("message/cpim"), Some(Cpim)),
            (Text, Some("text/plain;q=0, message/cpim"), Some(Cpim)),
            (Text, Some("image/png"), None),
            (Bare, None, None),
            (Bare, Some("message/cpim"), Some(Cpim)),
            (Bare, Some("text/plain"), None),
            (Cpim, Some("text/plain"), Some(Bare)),
            (Cpim, None, None),
        ] {
            assert_eq!(another(tried, &refusal(accept)), then, "{tried:?} {accept:?}");
        }
    }

    #[test]
    fn what_is_known_of_a_user_is_believed_for_a_while() {
        let (user, now) = (Print::of(&"romeo"), Duration::from_secs(10));
        let mut capable = Capable::default();
        assert_eq!(capable.form(0, user, now), Form::Text);
        capable.learn(user, now, |known| known.form = Some(Form::Bare));
        capable.learn(user, now, |known| known.typing = Known::No);
        assert_eq!(capable.form(0, user, now), Form::Bare);
        assert!(!capable.takes_typing(0, user, Typing::Always, now));
        let later = now + limits::KNOWN_FOR;
        assert_eq!(capable.form(0, user, later), Form::Text);
        assert!(capable.takes_typing(0, user, Typing::Always, later));
        assert_eq!(capable.form(0, Print::of(&"nurse"), now), Form::Text);
    }

    #[test]
    fn what_two_users_refuse_the_next_hop_refuses_until_one_takes_it() {
        let now = Duration::ZERO;
        let prints = ["romeo", "nurse"].map(|name| Print::of(&name));
        let mut refusals = Refusals::default();
        refusals.refused_by(prints[0], now);
        refusals.refused_by(prints[0], now);
        assert!(!refusals.by_all(now), "one user is no peer");
        refusals.refused_by(prints[1], now);
        assert!(refusals.by_all(now));
        assert!(!refusals.by_all(limits::KNOWN_FOR));
        let mut capable = Capable::default();
        capable.routes.insert(0, Peer { charset: refusals, ..Peer::default() });
        assert_eq!(capable.form(0, Print::of(&"friar"), now), Form::Bare);
        assert_eq!(capable.form(1, Print::of(&"friar"), now), Form::Text);
    }

    #[test]
    fn typing_goes_to_those_who_have_shown_that_they_take_it() {
        let (user, now) = (Print::of(&"romeo"), Duration::ZERO);
        let mut capable = Capable::default();
        assert!(!capable.takes_typing(0, user, Typing::Shown, now));
        assert!(capable.takes_typing(0, user, Typing::Always, now));
        let mut shown = refusal(Some("application/im-iscomposing+xml"));
        shown.status = Status::OK;
        let mut peer = Peer::default();
        peer.can.learn(&shown, limits::KNOWN_FOR);
        capable.routes.insert(0, peer);
        assert!(capable.takes_typing(0, user, Typing::Shown, now));
        assert!(!capable.takes_typing(1, user, Typing::Shown, now));
        capable.learn(user, now, |known| known.typing = Known::No);
        assert!(!capable.takes_typing(0, user, Typing::Shown, now));
        capable.learn(user, now, |known| known.typing = Known::Yes);
        assert!(capable.takes_typing(1, user, Typing::Shown, now));
        assert!(!capable.takes_typing(1, user, Typing::Never, now));
    }

    #[test]
    fn a_flood_of_users_forgets_the_oldest() {
        let mut capable = Capable::default();
        for n in 0..2 * limits::USERS_KNOWN {
            capable.learn(Print::of(&n), Duration::ZERO, |known| known.typing = Known::No);
        }
        assert_eq!((capable.users.len(), capable.order.len()), (limits::USERS_KNOWN, limits::USERS_KNOWN));
    }
}
