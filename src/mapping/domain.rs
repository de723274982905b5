//! Which domain is which on the other side, and how a user is spelt there.
//!
//! RFC 7247 section 6.1 leaves domains to the deployment. A [`DomainMapping`] names one domain as both sides know it;
//! its rules, tried in order, rewrite the user part where the sides disagree about that too (extension numbers against
//! names). Everything must be reversible: an answer goes to whoever the question came from. What [`check`] can see to
//! be irreversible is refused before anything starts; what shows only with an actual address (a regular expression
//! that loses something) is refused for that address, because [`DomainMapping::to_sip`] and
//! [`DomainMapping::to_xmpp`] try the way back.

mod check;
mod rule;

pub use check::{Conflict, check};
pub use rule::{RegexRule, UserRule};

use super::number::NumberPlan;
use std::borrow::Cow;

/// Where the users of a domain live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// On the SIP side.
    Sip,
    /// On the XMPP side.
    Xmpp,
}

/// What the URIs of a domain start with (RFC 7247 section 6.5 step 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UriForm {
    /// `sip:`
    #[default]
    Sip,
    /// `im:`, for a domain whose next hop resolves those (RFC 3861).
    Im,
}

/// To which SIP users typing states cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Typing {
    /// To nobody.
    #[default]
    Never,
    /// To those who have shown that they take them: many phones answer 415, and some then refuse what follows.
    Shown,
    /// To everybody who has not refused them.
    Always,
}

/// One domain, as each side spells it, and how its messages are written.
#[derive(Debug, Clone)]
pub struct DomainMapping {
    /// Where its users live.
    pub home: Home,
    /// The domain of its JIDs, in lower case and Unicode; `*` with [`Home::Xmpp`]: any domain no other mapping names.
    /// Then `juliet@remote.example` is `sip:juliet*remote.example@` the SIP host.
    pub xmpp: String,
    /// The host of its SIP URIs: a name in ASCII, an IPv4 address, or an IPv6 address in brackets; lower case.
    pub sip_host: String,
    /// The port its SIP URIs carry, if any.
    pub sip_port: Option<u16>,
    /// Rules on the user part; the first that applies is taken, and a user that none applies to keeps its spelling.
    pub rules: Vec<UserRule>,
    /// What its SIP URIs start with.
    pub form: UriForm,
    /// Messages from its SIP users become `type='chat'` (a deviation from RFC 7572 section 5, A-IM-01).
    pub pager_as_chat: bool,
    /// Call-ID becomes `<thread/>` (RFC 7572 table 2). Off for phones that make a new Call-ID for each message, where
    /// each would be a conversation of its own.
    pub call_id_as_thread: bool,
    /// A resource crosses as `gr` in From (RFC 7572 table 1 note 1). Off for proxies that take only the address of
    /// record there.
    pub gruu: bool,
    /// Whether typing states cross to its SIP users as isComposing documents (RFC 3994).
    pub typing: Typing,
    /// text/html from its SIP users becomes XHTML-IM besides plain text (RFC 7572 section 7; XEP-0071 is deprecated).
    pub xhtml_im: bool,
    /// Errors about a bare JID are 6xx where RFC 7247 table 2 has the choice. Off for proxies that fork.
    pub global_failures: bool,
    /// The bare JID that senders who withhold their identity appear as; `None`: they are refused.
    pub anonymous: Option<crate::model::Address>,
    /// Which users are telephone numbers, and how they are spelt; `None`: all users are names.
    pub numbers: Option<Box<NumberPlan>>,
}

/// The XMPP name of a wildcard mapping.
pub const ANY: &str = "*";
/// Between user and domain in the SIP user part of a wildcard mapping. No domain holds one, so the last one in a user
/// part is always ours; RFC 3261 section 25.1 lets it stand unescaped.
pub const WILDCARD_SEPARATOR: char = '*';

impl DomainMapping {
    /// A mapping of `xmpp` to `sip_host` with every switch at its default.
    #[must_use]
    pub fn new(home: Home, xmpp: &str, sip_host: &str, sip_port: Option<u16>) -> Self {
        Self {
            home,
            xmpp: super::host::unicode_domain(xmpp),
            sip_host: super::host::ascii_host(sip_host),
            sip_port,
            rules: Vec::new(),
            form: UriForm::Sip,
            pager_as_chat: false,
            call_id_as_thread: true,
            gruu: true,
            typing: Typing::Never,
            xhtml_im: false,
            global_failures: true,
            anonymous: None,
            numbers: None,
        }
    }

    /// Whether this maps every XMPP domain that has no mapping of its own.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.xmpp == ANY
    }

    /// `xmpp = sip` as a person would write it.
    #[must_use]
    pub fn name(&self) -> String {
        match self.sip_port {
            Some(port) => format!("{} = {}:{port}", self.xmpp, self.sip_host),
            None => format!("{} = {}", self.xmpp, self.sip_host),
        }
    }

    /// How SIP spells the user that XMPP calls `user`, and the rule (by index) that said so. `None` if the way back
    /// would lead to somebody else. A number comes in any spelling of it, and goes in the one of the plan.
    #[must_use]
    pub fn to_sip(&self, user: &str) -> Option<(String, Option<usize>)> {
        let user = self.user_in_jid(user);
        let (spelt, rule) = self.first(|rule| rule.to_sip(&user), &user);
        let spelt = self.numbers.as_ref().and_then(|plan| plan.in_sip(&spelt)).unwrap_or(spelt);
        if self.is_plain() || self.user_in_jid(&self.first(|rule| rule.to_xmpp(&spelt), &spelt).0) == user {
            return Some((spelt, rule));
        }
        None
    }

    /// How XMPP spells the user that SIP calls `user`, and the rule (by index) that said so. `None` if the way back
    /// would lead to somebody else. A number comes in any spelling of it, and goes in the one of the plan.
    #[must_use]
    pub fn to_xmpp(&self, user: &str) -> Option<(String, Option<usize>)> {
        let user = self.user_in_sip(user);
        let (spelt, rule) = self.first(|rule| rule.to_xmpp(&user), &user);
        let spelt = self.numbers.as_ref().and_then(|plan| plan.in_jid(&spelt)).unwrap_or(spelt);
        if self.is_plain() || self.user_in_sip(&self.first(|rule| rule.to_sip(&spelt), &spelt).0) == user {
            return Some((spelt, rule));
        }
        None
    }

    /// A user as rules have it on the SIP side: a number in the form for SIP, a name as it is.
    #[must_use]
    pub fn user_in_sip<'u>(&self, user: &'u str) -> Cow<'u, str> {
        let number = self.numbers.as_ref().and_then(|plan| plan.in_sip(user));
        number.map_or(Cow::Borrowed(user), Cow::Owned)
    }

    /// A user as rules have it on the XMPP side: a number in the form for JIDs, a name as it is.
    #[must_use]
    pub fn user_in_jid<'u>(&self, user: &'u str) -> Cow<'u, str> {
        let number = self.numbers.as_ref().and_then(|plan| plan.in_jid(user));
        number.map_or(Cow::Borrowed(user), Cow::Owned)
    }

    /// Whether every user keeps its spelling.
    pub(super) fn is_plain(&self) -> bool {
        self.rules.is_empty() && self.numbers.is_none()
    }

    /// The same mapping with the numbers in its tables spelt as they are looked up.
    #[must_use]
    pub(super) fn settled(mut self) -> Self {
        if self.numbers.is_some() {
            let mut rules = std::mem::take(&mut self.rules);
            for rule in &mut rules {
                if let UserRule::Table(pairs) = rule {
                    for (sip, xmpp) in pairs {
                        *sip = self.user_in_sip(sip).into_owned();
                        *xmpp = self.user_in_jid(xmpp).into_owned();
                    }
                }
            }
            self.rules = rules;
        }
        self
    }

    fn first(&self, apply: impl Fn(&UserRule) -> Option<String>, user: &str) -> (String, Option<usize>) {
        let applied = self.rules.iter().enumerate().find_map(|(index, rule)| Some((apply(rule)?, Some(index))));
        applied.unwrap_or_else(|| (user.to_owned(), None))
    }
}

#[cfg(test)]
mod tests;
