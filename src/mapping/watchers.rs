//! What a user is asked about somebody who waits for her consent at her SIP server (RFC 3857), in words: no stanza has a form
//! for it.

use crate::sip::uri::Uri;

/// Who asks and where, and what her answer does. `account` is her address there.
#[must_use]
pub fn words(watcher: &Uri, account: &Uri) -> String {
    format!(
        "{} waits at your SIP server for your consent to see your presence as {}. What you answer here counts for what \
         your XMPP server tells; your SIP server does not hear of it, so answer there, too.",
        watcher.as_str(),
        account.as_str()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn she_is_told_where_her_answer_counts() {
        let uri = |text| Uri::parse(text).unwrap();
        let words = words(&uri("sip:bob@pbx.example"), &uri("sip:101@pbx.example"));
        assert!(words.starts_with("sip:bob@pbx.example waits at your SIP server"));
        assert!(words.contains("as sip:101@pbx.example.") && words.ends_with("answer there, too."));
    }
}
