//! Presence stanzas <-> [`Presence`](crate::model::presence::Presence) (RFC 8048 section 6, RFC 3922 section 5).

use super::{AddressError, Mapping};
use crate::model::presence::Presence;
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::stanza;

impl Mapping {
    /// What an XMPP user sees of a SIP user: a stanza for each tuple, from the resource that its id names, else from the
    /// bare JID.
    #[must_use]
    pub fn presence_to_xmpp(&self, state: &Presence, target: &BareJid, watcher: &Jid) -> Vec<stanza::Presence> {
        let _ = (state, target, watcher);
        Vec::new()
    }

    /// What a SIP user sees of an XMPP user whose resources, by name, have said this last; only what is available or
    /// unavailable counts. One tuple for each that is available; if none is, one closed tuple.
    ///
    /// # Errors
    /// An address that has no SIP URI.
    pub fn presence_from_xmpp(
        &self,
        target: &BareJid,
        resources: &[(&str, &stanza::Presence)],
    ) -> Result<Presence, AddressError> {
        let _ = resources;
        self.address_to_uri(&self.jid_to_address(target.as_jid()))?;
        Ok(Presence::default())
    }
}
