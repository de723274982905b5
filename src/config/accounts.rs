//! Who we are to SIP servers, and who they may be to us: credentials, registrations, accounts.

use std::time::Duration;

use crate::sip::auth::{Account, Hash, Key};
use crate::sip::uri::Uri;

/// `[domain.register]`: stox registers as a trunk of this domain (RFC 3261 section 10.2), with the domain's credentials.
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    /// The address of record: a `sip` URI with a user.
    pub aor: Uri,
    /// The user part of our contact, or all of it; `None`: the user of `aor`.
    pub contact: Option<String>,
    /// How long a registration is asked for; servers may give less.
    pub expires: Duration,
}

/// `[[domain.user]]`: an XMPP user who has an account of her own on the SIP side.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Her bare JID.
    pub jid: String,
    /// Her SIP address: From of her messages to this domain, and what is registered.
    pub aor: Uri,
    /// What proves it.
    pub account: Account,
    /// Whether stox registers a contact for her, so that messages to her SIP address come to her JID.
    pub register: bool,
    /// Whether she is told of voicemail (RFC 3842).
    pub voicemail: bool,
    /// Whether her SIP server tells who wants to watch her there (RFC 3857), so that she is asked.
    pub watchers: bool,
    /// How long a registration is asked for.
    pub expires: Duration,
}

/// The default of `expires`: short, so that a PBX that has lost its registrations finds us again soon.
pub const EXPIRES: Duration = Duration::from_secs(600);

/// `[sip.auth]`: how stox challenges those who have an account here.
#[derive(Clone, Debug, PartialEq)]
pub struct Auth {
    /// The realm of every challenge; part of each stored hash.
    pub realm: String,
    /// What is offered, most preferred first (RFC 8760 section 2.3).
    pub algorithms: Vec<Hash>,
    /// How long a nonce is good.
    pub nonce_life: Duration,
}

impl Default for Auth {
    fn default() -> Self {
        let algorithms = vec![Hash::Sha256, Hash::Md5];
        Self { realm: "stox".to_owned(), algorithms, nonce_life: Duration::from_secs(300) }
    }
}

/// `[[sip.account]]`: a SIP system that proves itself by digest.
#[derive(Clone, Debug, PartialEq)]
pub struct SipAccount {
    /// Its user name.
    pub username: String,
    /// What it must prove.
    pub key: Key,
    /// The SIP domains it may assert in From: the host alone, spelt as `DomainMapping::sip_host` is.
    pub domains: Vec<String>,
}
