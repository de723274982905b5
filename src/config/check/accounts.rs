//! Accounts on both sides: nobody twice, and nobody whose domain is not bridged.

use super::super::accounts::{Auth, SipAccount};
use super::super::read::{self, Read};
use super::super::section::Section;
use super::{Domain, Sip};
use crate::mapping::Home;

/// `[sip]` with its accounts.
pub(in crate::config) fn with_accounts(sip: Sip, section: &Section<'_>, domains: &[Read<'_, Domain>]) -> Sip {
    Sip { accounts: accounts(section, &sip.auth, domains), ..sip }
}

/// `[[sip.account]]`: read, no user twice, each domain they assert bridged.
fn accounts(sip: &Section<'_>, auth: &Auth, domains: &[Read<'_, Domain>]) -> Vec<SipAccount> {
    let mut accounts: Vec<SipAccount> = Vec::new();
    for section in sip.sections("account") {
        let Some(account) = read::accounts::account(&section, auth) else { continue };
        super::peer(&section, &account.domains, domains);
        if accounts.iter().any(|other| other.username == account.username) {
            section.error("username", format!("\"{}\" is there twice", account.username), "keep one of the two");
        }
        accounts.push(account);
    }
    accounts
}

/// `[[domain.user]]`: in each domain no JID and no address twice, and each JID one that XMPP users can have here.
pub(in crate::config) fn users(domains: &[Read<'_, Domain>]) {
    let all_read = domains.iter().all(|read| read.part.is_some());
    let homes = || domains.iter().filter_map(|read| read.part.as_ref()).filter(|d| d.mapping.home == Home::Xmpp);
    for read in domains {
        let Some(domain) = read.part.as_ref().filter(|domain| domain.mapping.home == Home::Sip) else { continue };
        for (at, user) in domain.users.iter().enumerate() {
            let before = || domain.users.iter().take(at);
            if before().any(|other| other.jid == user.jid) {
                read.section.error("user", format!("has {} twice", user.jid), "keep one of the two");
            }
            if before().any(|other| other.aor.same(&user.aor)) {
                let what = format!("has {} twice", user.aor.as_str());
                read.section.error("user", what, "give each user an address of her own");
            }
            let of_jid = user.jid.split_once('@').map_or("", |(_, domain)| domain);
            if all_read && !homes().any(|home| home.mapping.is_wildcard() || home.mapping.xmpp == of_jid) {
                let what = format!("has {}, and no [[domain]] has xmpp = \"{of_jid}\"", user.jid);
                read.section.error("user", what, "add a [[domain]] with home = \"xmpp\" for it, or correct the JID");
            }
        }
    }
}
