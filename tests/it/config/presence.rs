//! `[domain.presence]` and `[presence]`.

use super::{Folder, SMALL, lines, parse, stox};
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
        ("expires = 3600", "domain.presence.expires: is an integer; write a whole number and a unit: "),
        (
            "list = \"{users}-list\"",
            "domain.presence.list: \"{users}-list\" has braces around something else than user; ",
        ),
        ("list = \"a b\"", "domain.presence.list: \"a b\" is no user part of a SIP address; "),
    ] {
        let found = lines(parse(&with(&format!("[domain.presence]\n{text}"))).unwrap_err());
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains(told) && found[0].starts_with("14: "), "{found:#?}");
    }
}

#[test]
fn what_has_no_effect_is_warned_of() {
    let warned = |text: &str| lines(parse(&with(&format!("[domain.presence]\n{text}"))).unwrap().warnings);
    assert_eq!(
        warned("dnd_is_busy = true"),
        ["14: warning: domain.presence.dnd_is_busy: lights no lamp without \"dialog\" in serve; write serve = \
          [\"presence\", \"dialog\"], or remove it"]
    );
    assert_eq!(
        warned("watch = []\nbusy_text = \"In a call\""),
        [
            "15: warning: domain.presence.busy_text: means nothing with watch = []; write what is to be watched into watch, or \
          remove it"
        ]
    );
    let of_dialog =
        "is shown by nobody without \"dialog\" in watch; write watch = [\"presence\", \"dialog\"], or remove it";
    assert_eq!(
        warned("ringing_text = \"Rings\"\ncaller_of = [\"romeo\"]"),
        [
            format!("14: warning: domain.presence.ringing_text: {of_dialog}"),
            format!("15: warning: domain.presence.caller_of: {of_dialog}"),
        ]
    );
    assert_eq!(
        warned("list = \"all\""),
        [
            "14: warning: domain.presence.list: names one list for all watchers; write {user} where the name of the watcher \
          belongs: \"{user}-list\""
        ]
    );
    // Words count without "dialog", too: servers say in presence documents that somebody is on the phone.
    assert_eq!(warned("busy_text = \"In a call\"\nserve = [\"dialog\"]\ndnd_is_busy = true"), Vec::<String>::new());
}

#[test]
fn limits_of_presence_have_bounds() {
    let told = lines(parse(&format!("{SMALL}[presence]\nnotify_every = \"2h\"\nper_watcher = 0\n")).unwrap_err());
    assert_eq!(
        told,
        [
            "18: presence.notify_every: \"2h\" is out of range; write a duration from 0s to 3600s",
            "19: presence.per_watcher: 0 is out of range; write a whole number from 1 to 10000000",
        ]
    );
}

#[test]
fn a_share_of_the_subscriptions_that_is_more_than_all_is_warned_of() {
    let told = lines(parse(&format!("{SMALL}[presence]\nsubscriptions = 10\nper_domain = 11\n")).unwrap().warnings);
    assert_eq!(
        told,
        [
            "19: warning: presence.per_domain: is more than there may be in all (subscriptions = 10); write less, or raise \
          subscriptions"
        ]
    );
}

#[test]
fn a_store_whose_file_is_a_directory_is_a_mistake() {
    let told = lines(parse(&format!("{SMALL}[store]\nurl = \"sqlite:/tmp\"\n")).unwrap_err());
    assert_eq!(told, ["18: store.url: names a directory, /tmp; write the name of a file: \"sqlite:/tmp/stox.db\""]);
}

#[test]
fn a_store_without_its_directory_is_warned_of() {
    let dir = Folder::new("store-directory");
    let url = format!("[store]\nurl = \"sqlite:{}/not/stox.db\"\n[sip]", dir.0.display());
    let file = dir.write("stox.toml", &SMALL.replace("[sip]", &url), 0o600);
    let (_, out, _) = stox(&["check", "--config", file.to_str().unwrap()]);
    assert!(out.contains("warning: store.url: there is no ") && out.contains("make it, for the user"), "{out}");
    assert!(out.contains(": OK: "), "{out}");
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

#[test]
fn one_domain_or_peer_gets_half_of_the_subscriptions_unless_more_is_said() {
    let shares = |text: &str| {
        let presence = parse(&format!("{SMALL}[presence]\n{text}")).unwrap().presence;
        (presence.per_domain, presence.per_peer)
    };
    assert_eq!(shares(""), (500_000, 500_000));
    assert_eq!(shares("subscriptions = 7\n"), (4, 4));
    assert_eq!(shares("subscriptions = 1000\nper_domain = 1000\nper_peer = 100\n"), (1_000, 100));
}
