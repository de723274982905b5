//! The reference of the configuration is true, and every mistake is told with its line and what to do.
#![allow(clippy::unwrap_used)]

mod accounts;
mod mistakes;
mod peers;
mod presence;
mod server;
mod tls;

use std::fs;
use std::path::{Path, PathBuf};

use stox::config::{Config, Problem, known_keys};
use stox::mapping::{Home, Typing};

use mistakes::{MISTAKES, WARNINGS};

const REFERENCE: &str = include_str!("../../config/stox.toml");

/// The example of the README: both homes, nothing optional.
const SMALL: &str = r#"
[[xmpp.component]]
domain = "sip.example"
server = "127.0.0.1:5347"
secret = "s3cret"
[sip]
listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
[[domain]]
home = "sip"
xmpp = "sip.example"
sip = "pbx.example"
next_hop = "sip:127.0.0.1:5070;transport=udp"
[[domain]]
home = "xmpp"
xmpp = "xmpp.example"
sip = "xmpp.example"
"#;

#[test]
fn the_reference_shows_the_defaults() {
    let as_it_is = parse(REFERENCE).unwrap();
    let written_out = parse(&uncommented(REFERENCE, "# ")).unwrap();
    assert_eq!(format!("{as_it_is:#?}"), format!("{written_out:#?}"));
}

#[test]
fn the_reference_names_every_key() {
    let mut seen = Vec::new();
    let mut section = String::new();
    for line in REFERENCE.lines() {
        let line = line.trim_start_matches("# ").trim_start_matches("## ");
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            seen.push((section.clone(), key.trim().to_owned()));
        }
    }
    for (section, keys) in known_keys().iter().filter(|(section, _)| !matches!(*section, "" | "xmpp")) {
        let is_section = |key: &str| known_keys().iter().any(|(name, _)| *name == format!("{section}.{key}"));
        for key in keys.iter().filter(|key| !is_section(key)) {
            assert!(seen.contains(&((*section).to_owned(), (*key).to_owned())), "[{section}] {key} is not shown");
        }
    }
}

#[test]
fn the_examples_of_the_reference_are_right() {
    let folder = tls::certificates("reference", 4_000);
    let all = uncommented(&uncommented(REFERENCE, "# "), "## ").replace("/etc/stox/tls", folder.0.to_str().unwrap());
    let told = lines(parse(&all).unwrap_err());
    // The ways to give a secret exclude each other, and the reference shows all of them.
    assert!(told.iter().all(|line| line.ends_with("keep one of the two")), "{told:#?}");
    let other_ways = ["secret_file", "password_file", "ha1", "url_file"];
    let one_way = all.lines().filter(|line| !other_ways.iter().any(|key| line.starts_with(key)));
    let config = parse(&one_way.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(config.domains.iter().filter(|d| d.mapping.home == Home::Xmpp).count(), 2);
    assert_eq!(config.peers.len(), 3);
    // The default of watch and the example of caller_of, which wants "dialog", stand side by side.
    let (of_callers, others) =
        lines(config.warnings).into_iter().partition::<Vec<_>, _>(|line| line.contains("caller_of"));
    assert_eq!((of_callers.len(), others), (1, Vec::new()));
}

#[test]
fn the_examples_of_the_readme_are_right() {
    let blocks =
        include_str!("../../README.md").split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let all = blocks.flat_map(str::lines).map(str::trim_start).collect::<Vec<_>>().join("\n");
    let folder = tls::certificates("readme", 4_000);
    let config = parse(&all.replace("/etc/stox/tls", folder.0.to_str().unwrap())).unwrap();
    assert_eq!(lines(config.warnings), Vec::<String>::new());
    assert_eq!(config.domains.len(), 3);
    assert!(config.domains.iter().any(|d| d.mapping.rules.len() == 1));
}

#[test]
fn a_small_configuration_is_complete() {
    let config = parse(SMALL).unwrap();
    assert_eq!(lines(config.warnings), Vec::<String>::new());
    assert!(config.admin.is_none());
    let [peer] = config.peers.as_slice() else { panic!("{:?}", config.peers) };
    assert_eq!(
        (peer.known.name.as_str(), peer.known.domains.as_slice()),
        ("pbx.example", &["pbx.example".to_owned()][..])
    );
    assert!(peer.known.ranges[0].network.contains("127.0.0.1".parse().unwrap()));
    assert!(!peer.known.ranges[0].network.contains("127.0.0.2".parse().unwrap()));
}

#[test]
fn a_secret_is_never_printed() {
    let config = parse(SMALL).unwrap();
    assert_eq!(config.components[0].secret.reveal(), "s3cret");
    assert!(!format!("{config:?}").contains("s3cret"));
    let told = parse(&SMALL.replace("domain = \"sip.example\"", "")).unwrap_err();
    assert!(!format!("{told:?}").contains("s3cret"));
}

#[test]
fn a_secret_comes_from_the_first_line_of_its_file() {
    let dir = Folder::new("secret");
    let text = SMALL.replace("secret = \"s3cret\"", "secret_file = \"component.secret\"");
    dir.write("component.secret", "from a file\n", 0o640);
    let file = dir.write("stox.toml", &text, 0o644);
    let config = Config::load(&file).unwrap();
    assert_eq!(config.components[0].secret.reveal(), "from a file");
    assert_eq!(config.warnings, []);
}

#[test]
fn a_secret_that_everybody_can_read_is_a_warning() {
    let dir = Folder::new("readable");
    let secret = dir.write("component.secret", "from a file\n", 0o644);
    let file = dir.write("a.toml", &SMALL.replace("secret = \"s3cret\"", "secret_file = \"component.secret\""), 0o600);
    assert_eq!(
        lines(Config::load(&file).unwrap().warnings),
        [format!(
            "5: warning: xmpp.component.secret_file: {} can be read by everybody; chmod 640 it",
            secret.display()
        )]
    );
    let file = dir.write("b.toml", SMALL, 0o644);
    let warnings = Config::load(&file).unwrap().warnings;
    assert_eq!(
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [format!("{}: warning: holds a secret and can be read by everybody; chmod 640 it", file.display())]
    );
}

#[test]
fn a_file_that_is_not_there_says_so() {
    let told = Config::load(Path::new("/nowhere/stox.toml")).unwrap_err();
    assert_eq!(
        told[0].to_string(),
        "/nowhere/stox.toml: cannot be read (No such file or directory (os error 2)); name another with --config FILE"
    );
}

#[test]
fn an_empty_file_tells_all_that_is_missing() {
    assert_eq!(
        lines(parse("").unwrap_err()),
        [
            "xmpp: has no component, and no server; add [[xmpp.component]] with domain, server and secret, or [xmpp.server] \
             with domains and listen",
            "domain: none has home = \"sip\"; add one: a message needs a domain to come from and one to go to",
            "domain: none has home = \"xmpp\"; add one: a message needs a domain to come from and one to go to",
            "sip.listen: is missing; write listen = [\"udp:IP:PORT\", \"tcp:IP:PORT\"]",
        ]
    );
}

#[test]
fn several_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = SMALL
        .replace("domain = \"sip", "domian = \"sip")
        .replace(":5347", "")
        .replace("udp:127.0.0.1:5060", "udp:127.0.0.1:99999")
        .replace("next_hop = \"sip:", "nexthop = \"sips:");
    assert_eq!(
        lines(parse(&text).unwrap_err()),
        [
            "2: xmpp.component.domain: is missing; write the domain that the XMPP server knows the component by",
            "3: xmpp.component.domian: is not a key of this section; did you mean \"domain\"?",
            "4: xmpp.component.server: \"127.0.0.1\" has no port; write the server's component port too, such as \
             \"127.0.0.1:5347\"",
            "7: sip.listen: \"udp:127.0.0.1:99999\" has a bad port (\"99999\"); write \"udp:IP:PORT\", or \
             tcp, tls, ws or wss for udp, an IPv6 address in brackets",
            "12: domain.nexthop: is not a key of this section; did you mean \"next_hop\"?",
        ]
    );
}

#[test]
fn what_is_no_toml_is_told_with_the_mistakes_before_it() {
    let text = SMALL.replace("server", "sever").replace("home = \"xmpp\"", "home = xmpp");
    assert_eq!(
        lines(parse(&text).unwrap_err()),
        [
            "4: xmpp.component.sever: is not a key of this section; did you mean \"server\"?",
            "14: string values must be quoted, expected literal string; write it as TOML 1.0 has it",
        ]
    );
}

#[test]
fn each_mistake_has_its_line_its_key_and_a_remedy() {
    for (right, wrong, told) in MISTAKES {
        assert!(SMALL.contains(right), "{right}");
        let text = SMALL.replacen(right, wrong, 1);
        match parse(&text) {
            Ok(_) => panic!("nothing was told of {wrong}"),
            Err(problems) => assert_eq!(lines(problems), [*told], "{wrong}"),
        }
    }
}

#[test]
fn warnings_do_not_fail() {
    for (right, wrong, told) in WARNINGS {
        assert!(SMALL.contains(right), "{right}");
        let config = parse(&SMALL.replacen(right, wrong, 1)).unwrap();
        assert_eq!(lines(config.warnings), [*told], "{wrong}");
    }
}

#[test]
fn check_ends_with_0_and_one_line_or_with_1_and_the_mistakes() {
    let dir = Folder::new("check");
    let right = dir.write("right.toml", SMALL, 0o600);
    let (code, out, err) = stox(&["check", "--config", right.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(
        out,
        format!(
            "{}: OK: sip.example = pbx.example, xmpp.example = xmpp.example; listening on udp:127.0.0.1:5060, \
             tcp:127.0.0.1:5060\n",
            right.display()
        )
    );
    let wrong = dir.write("wrong.toml", &SMALL.replace("server", "sever").replace("listen", "lisen"), 0o600);
    let (code, out, err) = stox(&["--config", wrong.to_str().unwrap(), "check"]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    let starts: Vec<_> = out.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        starts,
        ["2: xmpp.component.server:", "4: xmpp.component.sever:", "6: sip.listen:", "7: sip.lisen:"]
            .map(|start| format!("{}:{start}", wrong.display()))
    );
}

#[test]
fn a_wrong_configuration_does_not_run() {
    let dir = Folder::new("run");
    let wrong = dir.write("wrong.toml", &SMALL.replace("server", "sever"), 0o600);
    let (code, out, err) = stox(&["--config", wrong.to_str().unwrap()]);
    assert_eq!((code, out.as_str(), err.lines().count()), (Some(1), "", 2));
}

#[test]
fn explain_tells_what_an_address_becomes_and_why() {
    let dir = Folder::new("explain");
    let rule = "[[domain.rule]]\nkind = \"table\"\npairs = { \"101\" = \"romeo\" }\n[[domain]]\nhome = \"xmpp\"";
    let file = dir.write("stox.toml", &SMALL.replace("[[domain]]\nhome = \"xmpp\"", rule), 0o600);
    let explain = |address: &str| stox(&["explain", "--config", file.to_str().unwrap(), address]);
    for (address, first, step) in [
        ("romeo@sip.example", "-> sip:101@pbx.example", "  rule 1 (table of 1 pairs): romeo is 101"),
        ("sip:101@pbx.example", "-> romeo@sip.example", "  rule 1 (table of 1 pairs): 101 is romeo"),
        ("im:juliet@xmpp.example", "-> juliet@xmpp.example", "  its users live: on the XMPP side"),
    ] {
        let (code, out, err) = explain(address);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{address}");
        assert!(out.starts_with(&format!("{address} {first}\n")), "{out}");
        assert!(out.lines().any(|line| line == step), "{out}");
    }
    for address in ["sips:101@pbx.example", "tel:+15550100", "a@nowhere.example", "@"] {
        let (code, out, _) = explain(address);
        assert_eq!(code, Some(1), "{address}");
        assert!(out.starts_with(&format!("{address} -> nothing: ")), "{out}");
    }
}

#[test]
fn a_product_changes_defaults_and_what_is_written_wins() {
    let with = |more: &str| parse(&SMALL.replace("transport=udp\"", &format!("transport=udp\"\n{more}")));
    let of = |more: &str| {
        let domain = with(more).unwrap().domains[0].clone();
        (domain.mapping.typing, domain.mapping.call_id_as_thread, domain.max_body, domain.mapping.global_failures)
    };
    assert_eq!(of(""), (Typing::Shown, true, usize::MAX, true));
    assert_eq!(of("peer = \"asterisk\""), (Typing::Never, false, 1023, true));
    assert_eq!(of("peer = \"freepbx\""), of("peer = \"asterisk\""));
    assert_eq!(of("peer = \"kamailio\""), (Typing::Shown, true, usize::MAX, false));
    let own = "peer = \"asterisk\"\ntyping = true\nmax_body = 5000\ncall_id_as_thread = true";
    assert_eq!(of(own), (Typing::Always, true, 5000, true));
    let every = |more: &str| with(more).unwrap().domains[0].options_every.map(|every| every.as_secs());
    assert_eq!(
        (every(""), every("options_every = \"5m\""), every("options_every = \"off\"")),
        (Some(60), Some(300), None)
    );
    assert!(lines(with("peer = \"astrisk\"").unwrap_err())[0].contains("is no product that is known"));
}

#[test]
fn a_product_is_named_by_check_and_its_claims_by_explain() {
    let dir = Folder::new("peer");
    let text = SMALL.replace("transport=udp\"", "transport=udp\"\npeer = \"asterisk\"");
    let file = dir.write("stox.toml", &text, 0o600);
    let (_, out, _) = stox(&["check", "--config", file.to_str().unwrap()]);
    assert!(out.contains("sip.example = pbx.example (asterisk), xmpp.example"), "{out}");
    for address in ["101@sip.example", "sip:101@pbx.example"] {
        let (_, out, _) = stox(&["explain", "--config", file.to_str().unwrap(), address]);
        assert!(
            out.contains(
                "  peer asterisk: passes a longer text on as an empty one, after 202 (so max_body = 1023) [Asterisk"
            ),
            "{out}"
        );
    }
    let (_, out, _) = stox(&["explain", "--config", file.to_str().unwrap(), "juliet@xmpp.example"]);
    assert!(!out.contains("peer asterisk"), "{out}");
}

fn stox(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut stox = std::process::Command::new(env!("CARGO_BIN_EXE_stox"));
    // As systemd does; otherwise a warning that nothing is kept goes with each check.
    let ran = stox.args(arguments).env("STATE_DIRECTORY", "/var/lib/stox").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(Path::new("stox.toml"), text)
}

/// Problems without the file's name.
fn lines(problems: Vec<Problem>) -> Vec<String> {
    let cut = |text: String| match text.split_once(".toml: ") {
        Some((_, rest)) => rest.to_owned(),
        None => text.split_once(".toml:").map(|(_, rest)| rest.to_owned()).unwrap_or(text),
    };
    problems.iter().map(|problem| cut(problem.to_string())).collect()
}

/// The text with every key and section behind `mark` made live.
fn uncommented(text: &str, mark: &str) -> String {
    let live = |line: &str| match line.strip_prefix(mark) {
        Some(rest) if rest.starts_with('[') => rest.to_owned(),
        Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(live).collect::<Vec<_>>().join("\n") + "\n"
}

/// A folder of this test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("stox-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
