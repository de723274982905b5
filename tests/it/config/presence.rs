//! `[domain.presence]` and `[presence]`.

use super::{SMALL, lines, parse};
use std::time::Duration;
use stox::gateway::record::Package;
use stox::model::presence::Show;

/// The small configuration with `text` behind the SIP domain's next hop.
fn with(text: &str) -> String {
    SMALL.replace("transport=udp\"", &format!("transport=udp\"\n{text}"))
}

#[test]
fn how_presence_crosses_is_read() {
    let config = parse(&with(
        "[domain.presence]\nwatch = [\"dialog\", \"presence\", \"dialog\"]\nserve = []\nexpires = \"10m\"\n\
         busy = \"away\"\nbusy_text = \"In a call\"\nringing_text = \"Ringing\"\ncaller_of = [\"Romeo\"]\n\
         dnd_is_busy = true\npublish = true\nlist = \"{user}-list\"\n[presence]\nnotify_every = \"0s\"\nper_watcher = 7\n",
    ))
    .unwrap();
    let rules = &config.domains[0].presence;
    assert_eq!(rules.watch, [Package::Presence, Package::Dialog]);
    assert_eq!((rules.serve.len(), rules.expires), (0, 600));
    assert_eq!((rules.phone.busy, rules.phone.busy_text.as_str()), (Show::Away, "In a call"));
    assert_eq!((rules.phone.ringing.as_deref(), rules.phone.held.as_deref()), (Some("Ringing"), None));
    assert_eq!(rules.phone.caller_of, ["romeo"]);
    assert!(rules.dnd_is_busy && rules.publish);
    assert_eq!(rules.list.as_deref(), Some("{user}-list"));
    assert_eq!((config.presence.notify_every, config.presence.per_watcher), (Duration::ZERO, 7));
}

#[test]
fn mistakes_about_presence_are_told_with_their_remedies() {
    for (text, told) in [
        (
            "watch = [\"conference\"]",
            "domain.presence.watch: \"conference\" is no event package that is known here; write one of \"presence\", \"dialog\", \"reg\"",
        ),
        (
            "serve = [\"reg\"]",
            "domain.presence.serve: \"reg\" is no event package that is known here; write one of \"presence\", \"dialog\"",
        ),
        ("busy = \"xa\"", "domain.presence.busy: "),
        ("expires = \"1s\"", "domain.presence.expires: "),
        (
            "caller_of = [\"romeo@sip.example\"]",
            "domain.presence.caller_of: \"romeo@sip.example\" is no user; write what stands before the @",
        ),
        ("list = \"a b\"", "domain.presence.list: \"a b\" is no user part of a SIP address; "),
    ] {
        let found = lines(parse(&with(&format!("[domain.presence]\n{text}"))).unwrap_err());
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains(told) && found[0].starts_with("14: "), "{found:#?}");
    }
}

#[test]
fn a_peer_changes_what_is_watched_and_knows_the_notes_of_its_server() {
    let asterisk = |more: &str| parse(&with(&format!("peer = \"asterisk\"\n{more}"))).unwrap();
    let rules = asterisk("").domains[0].presence.clone();
    assert_eq!(rules.watch, [Package::Presence, Package::Dialog]);
    assert!(rules.phone.notes.iter().any(|notice| notice.is("on the PHONE")));
    let rules = asterisk("[domain.presence]\nwatch = [\"presence\"]\n").domains[0].presence.clone();
    assert_eq!(rules.watch, [Package::Presence], "what is written wins");
    assert!(parse(SMALL).unwrap().domains[0].presence.phone.notes.is_empty());
}
