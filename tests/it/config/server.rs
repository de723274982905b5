//! `[xmpp.server]` and `[[xmpp.partner]]`: what they become, and what they may not be.

use std::time::Duration;

use super::{Folder, SMALL, lines, parse, stox, tls};
use stox::config::{Config, Server};
use stox::xmpp::federation::{Authentication, Host, Partner, PartnerLimits};

/// The small configuration with stox as a server in place of the component; DIR is where certificates are.
const FEDERATED: &str = r#"
[xmpp.server]
domains = ["sip.example"]
listen = ["tcp:127.0.0.1:5269"]
certificate = "DIR/chain.pem"
key = "DIR/key.pem"
trust = ["DIR/pbx-ca.pem"]
[sip]
listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
[[domain]]
home = "sip"
xmpp = "sip.example"
sip = "pbx.example"
next_hop = "sip:127.0.0.1:5070;transport=udp"
[[domain]]
home = "xmpp"
xmpp = "*"
sip = "gw.example"
"#;

fn text(folder: &Folder, right: &str, wrong: &str) -> String {
    assert!(FEDERATED.contains(right), "{right}");
    FEDERATED.replacen(right, wrong, 1).replace("DIR", folder.0.to_str().unwrap())
}

fn server(folder: &Folder, right: &str, wrong: &str) -> Server {
    let Config { server, components, .. } = parse(&text(folder, right, wrong)).unwrap();
    assert_eq!(components, []);
    server.unwrap()
}

#[test]
fn a_server_of_its_own_needs_no_component() {
    let folder = tls::certificates("server", 4_000);
    let server = server(&folder, "", "");
    assert_eq!(server.domains, ["sip.example"]);
    assert_eq!(server.listen.iter().map(ToString::to_string).collect::<Vec<_>>(), ["tcp:127.0.0.1:5269"]);
    assert_eq!(server.tls.certificates.len(), 1);
    assert_eq!((server.queue, server.queue_timeout), (1_000, Duration::from_secs(30)));
    assert_eq!(server.partners.of("anybody.example"), &Partner::default());
    assert!(server.posh && server.contacts.is_empty());
}

#[test]
fn contacts_are_told_by_purpose() {
    let folder = tls::certificates("contacts", 4_000);
    let more =
        "[xmpp.server.contacts]\nsupport = [\"https://sip.example\"]\nabuse = [\"mailto:a@b\", \"xmpp:a@b\"]\n[sip]";
    let told = server(&folder, "[sip]", more).contacts;
    let abuse = ("abuse".to_owned(), vec!["mailto:a@b".to_owned(), "xmpp:a@b".to_owned()]);
    assert_eq!(told, [abuse, ("support".to_owned(), vec!["https://sip.example".to_owned()])]);
}

#[test]
fn several_certificates_are_lists_in_one_order() {
    let folder = tls::certificates("several", 4_000);
    let two = "certificate = [\"DIR/chain.pem\", \"DIR/chain.pem\"]\nkey = [\"DIR/key.pem\", \"DIR/key.pem\"]";
    let one = "certificate = \"DIR/chain.pem\"\nkey = \"DIR/key.pem\"";
    assert_eq!(server(&folder, one, two).tls.certificates.len(), 2);
}

const PARTNERS: &str = r#"
[[xmpp.partner]]
domain = "Remote.Example."
host = "[2001:db8::7]:5270"
direct_tls = true
stanzas_per_second = 20
[[xmpp.partner]]
domain = "*"
allow = false
[[xmpp.partner]]
domain = "old.example"
authentication = "dialback"
stanza_size = 10000
connections = 2
bytes_per_second = 20000
[sip]"#;

#[test]
fn a_partner_is_allowed_by_its_entry_whatever_holds_for_others() {
    let folder = tls::certificates("partners", 4_000);
    let partners = server(&folder, "[sip]", PARTNERS).partners;
    let remote = partners.of("remote.example");
    let host = Host { name: "2001:db8::7".to_owned(), port: Some(5270), direct_tls: true };
    assert_eq!((remote.allowed, remote.host.as_ref()), (true, Some(&host)));
    assert_eq!(remote.limits, PartnerLimits { stanzas_per_second: Some(20), ..PartnerLimits::default() });
    let old = partners.of("old.example");
    assert_eq!((old.allowed, old.authentication), (true, Authentication::Dialback));
    assert_eq!((old.limits.stanza_size, old.limits.connections), (10_000, 2));
    assert_eq!(old.limits.bytes_per_second, Some(20_000));
    assert!(!partners.of("else.example").allowed);
}

#[test]
fn what_a_partner_does_not_say_is_as_for_all_others() {
    let folder = tls::certificates("inherit", 4_000);
    let text = "[[xmpp.partner]]\ndomain = \"a.example\"\nconnections = 3\n[[xmpp.partner]]\ndomain = \"*\"\n\
                authentication = \"certificate\"\nhost = \"hub.example\"\nstanza_size = 20000\n[sip]";
    let partners = server(&folder, "[sip]", text).partners;
    let named = partners.of("a.example");
    assert_eq!((named.authentication, named.limits.stanza_size), (Authentication::Certificate, 20_000));
    assert_eq!((named.limits.connections, named.host.as_ref()), (3, None));
    assert!(partners.others().host.is_some());
}

/// What is changed in [`FEDERATED`], and a problem that comes of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "domains = [\"sip.example\"]",
        "",
        "2: xmpp.server.domains: is missing; write the domains that stox serves itself, such as [\"sip.example\"]",
    ),
    (
        "[\"sip.example\"]",
        "[\"sip.example\", \"sip.example\"]",
        "3: xmpp.server.domains: sip.example is there twice; keep one of the two",
    ),
    (
        "[\"sip.example\"]",
        "[\"sip.example:5269\"]",
        "3: xmpp.server.domains: \"sip.example:5269\" has a port, and JIDs have none; write the domain alone, such as \
         sip.example",
    ),
    (
        "[\"sip.example\"]",
        "[\"sip.example\", \"other.example\"]",
        "3: xmpp.server.domains: no [[domain]] has xmpp = \"other.example\"; add a [[domain]] with home = \"sip\" for \
         it, or remove it",
    ),
    (
        "xmpp = \"sip.example\"",
        "xmpp = \"pbx.sip.example\"\nsip = \"b.example\"\nnext_hop = \"sip:127.0.0.1:5080\"\n[[domain]]\nhome = \"sip\"\n\
         xmpp = \"sip.example\"",
        "12: domain.xmpp: no [[xmpp.component]] serves \"pbx.sip.example\", so XMPP users cannot reach it; add \
         \"pbx.sip.example\" to domains of [xmpp.server], or a [[xmpp.component]] for it",
    ),
    (
        "[sip]",
        "[[xmpp.component]]\ndomain = \"sip.example\"\nserver = \"127.0.0.1:5347\"\nsecret = \"s\"\n[sip]",
        "3: xmpp.server.domains: \"sip.example\" is a component, too (line 9); keep one of the two: the XMPP server \
         beside stox federates for its components",
    ),
    (
        "listen = [\"tcp:127.0.0.1:5269\"]",
        "",
        "2: xmpp.server.listen: is missing; write listen = [\"tcp:IP:5269\"]; 0.0.0.0 or [::] is every address",
    ),
    (
        "tcp:127.0.0.1:5269",
        "udp:127.0.0.1:5269",
        "4: xmpp.server.listen: \"udp:127.0.0.1:5269\" is no socket that XMPP servers use; write \"tcp:IP:5269\", or \
         \"tls:IP:PORT\" for TLS from the first byte",
    ),
    (
        "\"tcp:127.0.0.1:5269\"",
        "\"tcp:127.0.0.1:5269\", \"tls:127.0.0.1:5269\"",
        "4: xmpp.server.listen: has 127.0.0.1:5269 twice; give tcp and tls a port each",
    ),
    (
        "\"tcp:127.0.0.1:5269\"",
        "\"tcp:127.0.0.1:5060\"",
        "4: xmpp.server.listen: tcp:127.0.0.1:5060 is the socket of tcp:127.0.0.1:5060 in [sip], too; \
         write another port, such as 5269",
    ),
    ("key = \"DIR/key.pem\"", "", "2: xmpp.server.key: is missing; write key = \"FILE.pem\" too"),
    (
        "certificate = \"DIR/chain.pem\"\nkey = \"DIR/key.pem\"",
        "",
        "2: xmpp.server.certificate: is missing, and TLS is demanded of other servers; write certificate and key: PEM \
         files with the names of these domains",
    ),
    (
        "certificate = \"DIR/chain.pem\"",
        "certificate = [\"DIR/chain.pem\", \"DIR/chain.pem\"]",
        "6: xmpp.server.key: has one file for 2 of certificate; write the key of each certificate, in the same order",
    ),
    (
        "DIR/key.pem",
        "DIR/nowhere.pem",
        "6: xmpp.server.key: DIR/nowhere.pem is missing; write the path of its private key, a PEM file that the user \
         stox runs as can read",
    ),
    (
        "trust = [\"DIR/pbx-ca.pem\"]",
        "trust = []",
        "7: xmpp.server.trust: is empty, so no peer could be trusted; write [\"system\"] or [\"FILE.pem\"]",
    ),
    (
        "[sip]",
        "idle = \"0s\"\n[sip]",
        "8: xmpp.server.idle: \"0s\" is out of range; write a duration from 1s to 86400s",
    ),
    ("[sip]", "queue = 0\n[sip]", "8: xmpp.server.queue: 0 is out of range; write a whole number from 1 to 10000"),
    (
        "[sip]",
        "[xmpp.server.contacts]\nabuse = [\"abuse@sip.example\"]\n[sip]",
        "9: xmpp.server.contacts.abuse: \"abuse@sip.example\" is no URI; write \"mailto:ADDRESS\", \"xmpp:JID\" or \
         \"https://…\"",
    ),
    (
        "[sip]",
        "[[xmpp.server.partner]]\ndomain = \"a.example\"\n[sip]",
        "8: xmpp.server.partner: is not a key of this section; it belongs in [xmpp], as [[xmpp.partner]]",
    ),
    (
        "[sip]",
        "authentication = \"certificate\"\n[sip]",
        "8: xmpp.server.authentication: is not a key of this section; it belongs in [[xmpp.partner]]",
    ),
    (
        "[sip]",
        "[[xmpp.partner]]\nallow = false\n[sip]",
        "8: xmpp.partner.domain: is missing; write the domain of the server, or \"*\" for all others",
    ),
    (
        "[sip]",
        "[[xmpp.partner]]\ndomain = \"a.example\"\n[[xmpp.partner]]\ndomain = \"A.example\"\n[sip]",
        "11: xmpp.partner.domain: \"a.example\" is there twice, first on line 9; keep one of the two",
    ),
    (
        "[sip]",
        "[[xmpp.partner]]\ndomain = \"sip.example\"\n[sip]",
        "9: xmpp.partner.domain: \"sip.example\" is a domain of [xmpp.server], and stox is no partner of itself; remove \
         the entry",
    ),
    (
        "[sip]",
        "[[xmpp.partner]]\ndomain = \"a.example\"\nauthentication = \"none\"\n[sip]",
        "10: xmpp.partner.authentication: \"none\" is not known; write \"certificate\" or \"tls\" or \"dialback\"",
    ),
    (
        "[sip]",
        "[[xmpp.partner]]\ndomain = \"a.example\"\ndirect_tls = true\n[sip]",
        "10: xmpp.partner.direct_tls: means nothing without host; write host, or remove it: without, DNS says which \
         servers take TLS from the first byte",
    ),
    (
        "[sip]",
        "[[xmpp.partner]]\ndomain = \"a.example\"\nhost = \"xmpp.a.example:0\"\n[sip]",
        "10: xmpp.partner.host: \"xmpp.a.example:0\" has a bad port (\"0\"); write HOST or HOST:PORT, an IPv6 address in \
         brackets; a port is 1 to 65535",
    ),
    (
        "[sip]",
        "[[xmpp.partner]]\ndomain = \"a.example\"\nstanza_size = 9999\n[sip]",
        "10: xmpp.partner.stanza_size: 9999 is out of range; write a whole number from 10000 to 16777216",
    ),
    (
        "xmpp = \"*\"",
        "xmpp = \"sip.example\"",
        "16: domain.home: stox serves \"sip.example\" itself ([xmpp.server]), so its users live on the SIP side; write \
         home = \"sip\", or name the other server's domain in xmpp",
    ),
];

#[test]
fn each_mistake_of_a_server_has_its_line_its_key_and_a_remedy() {
    let folder = tls::certificates("server-mistakes", 4_000);
    for (right, wrong, told) in MISTAKES {
        let told = told.replace("DIR", folder.0.to_str().unwrap());
        match parse(&text(&folder, right, wrong)) {
            Ok(_) => panic!("nothing was told of {wrong}"),
            Err(problems) => assert!(lines(problems.clone()).contains(&told), "{wrong}: {:#?}", lines(problems)),
        }
    }
}

const WARNINGS: &[(&str, &str, &str)] = &[
    (
        "[sip]",
        "[[xmpp.partner]]\ndomain = \"*\"\nauthentication = \"dialback\"\n[sip]",
        "10: warning: xmpp.partner.authentication: \"dialback\" lets every server in without TLS, so that anybody on the \
         way can read and change what crosses; write \"tls\" here, and an entry of its own for the server that has no TLS",
    ),
    (
        "[sip]",
        "[[xmpp.partner]]\ndomain = \"a.example\"\nallow = false\nconnections = 3\n[sip]",
        "11: warning: xmpp.partner.connections: means nothing with allow = false; remove one of the two",
    ),
    (
        "[sip]",
        "[[xmpp.partner]]\ndomain = \"*\"\nallow = false\n[sip]",
        "10: warning: xmpp.partner.allow: no other server may connect, nor is connected to; add an entry for each domain \
         that may, or remove this one",
    ),
];

#[test]
fn what_lets_in_too_many_or_nobody_is_a_warning() {
    let folder = tls::certificates("server-warnings", 4_000);
    for (right, wrong, told) in WARNINGS {
        let warnings = lines(parse(&text(&folder, right, wrong)).unwrap().warnings);
        assert_eq!(warnings, [*told], "{wrong}");
    }
    let blocked = "[[xmpp.partner]]\ndomain = \"xmpp.example\"\nallow = false\n[sip]";
    let named = text(&folder, "[sip]", blocked).replace("xmpp = \"*\"", "xmpp = \"xmpp.example\"");
    let told = "20: warning: domain.xmpp: [[xmpp.partner]] does not allow \"xmpp.example\", so nobody reaches its users; \
                add a [[xmpp.partner]] for it, with allow = true";
    assert_eq!(lines(parse(&named).unwrap().warnings), [told]);
}

#[test]
fn a_partner_means_nothing_without_a_server() {
    let text = SMALL.replace("[sip]", "[[xmpp.partner]]\ndomain = \"a.example\"\n[sip]");
    assert_eq!(
        lines(parse(&text).unwrap_err()),
        [
            "6: xmpp.partner: means nothing without [xmpp.server]; add [xmpp.server] with domains and listen, or remove it"
        ]
    );
}

#[test]
fn a_section_written_as_a_list_is_told_once() {
    let folder = tls::certificates("server-list", 4_000);
    assert_eq!(
        lines(parse(&text(&folder, "[xmpp.server]", "[[xmpp.server]]")).unwrap_err()),
        ["2: xmpp.server: is an array; write a section: [xmpp.server]"]
    );
}

#[test]
fn a_component_and_a_server_serve_a_domain_each() {
    let folder = tls::certificates("both", 4_000);
    let component = "[[xmpp.component]]\ndomain = \"b.example\"\nserver = \"127.0.0.1:5347\"\nsecret = \"s\"\n[sip]";
    let domain = "[[domain]]\nhome = \"sip\"\nxmpp = \"b.example\"\nsip = \"b.example\"\n\
                  next_hop = \"sip:127.0.0.1:5080\"\n[[domain]]\nhome = \"xmpp\"";
    let text = text(&folder, "[sip]", component).replace("[[domain]]\nhome = \"xmpp\"", domain);
    let config = parse(&text).unwrap();
    assert_eq!(lines(config.warnings), Vec::<String>::new());
    assert_eq!((config.components.len(), config.server.unwrap().domains.len()), (1, 1));
}

#[test]
fn check_names_the_domains_that_are_federated_and_their_sockets() {
    let folder = tls::certificates("server-check", 4_000);
    let file = folder.write("stox.toml", &text(&folder, "", ""), 0o600);
    let (code, out, _) = stox(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(
        out,
        format!(
            "{}: OK: sip.example = pbx.example, * = gw.example; federated: sip.example; listening on udp:127.0.0.1:5060, \
             tcp:127.0.0.1:5060, and for XMPP servers on tcp:127.0.0.1:5269\n",
            file.display()
        )
    );
}

#[test]
fn explain_tells_how_a_server_is_found_and_what_is_demanded_of_it() {
    let folder = tls::certificates("server-explain", 4_000);
    let blocked = "[[xmpp.partner]]\ndomain = \"bad.example\"\nallow = false\n";
    let hub =
        "[[xmpp.partner]]\ndomain = \"*\"\nauthentication = \"certificate\"\nhost = \"192.0.2.7\"\ndirect_tls = true\n";
    let plain = folder.write("plain.toml", &text(&folder, "", ""), 0o600);
    let file = folder.write("stox.toml", &text(&folder, "[sip]", &format!("{blocked}{hub}[sip]")), 0o600);
    let explain = |file: &std::path::Path, address: &str| {
        let (_, out, _) = stox(&["explain", "--config", file.to_str().unwrap(), address]);
        out.lines().map(|line| line.trim_start().to_owned()).collect::<Vec<_>>()
    };
    for (file, address, told) in [
        (
            &plain,
            "juliet@remote.example",
            &[
                "from sip.example: to the server of remote.example",
                "partner (no [[xmpp.partner]], so by default): TLS, with a certificate that names remote.example, or that it \
                 vouches for over HTTPS; or TLS and dialback",
                "on the way (RFC 6120): DNS is asked for A and AAAA of remote.example",
                "on the way (RFC 6120): to port 5269 of each address, with STARTTLS",
            ][..],
        ),
        (
            &file,
            "sip:juliet*remote.example@gw.example",
            &["on the way (RFC 6120): to 192.0.2.7:5269, by TLS from the first byte"],
        ),
        (&file, "juliet@bad.example", &["partner ([[xmpp.partner]] \"bad.example\"): not allowed, so nothing crosses"]),
        (
            &file,
            "101@sip.example",
            &["other servers look for sip.example (RFC 6120): DNS is asked for A and AAAA of sip.example"],
        ),
    ] {
        let lines = explain(file, address);
        for step in told {
            assert!(lines.contains(&(*step).to_owned()), "{address}: {lines:#?}");
        }
    }
    assert!(!explain(&file, "juliet@bad.example").iter().any(|line| line.contains("on the way")));
}

#[test]
fn the_examples_of_the_readme_about_federation_are_right() {
    let folder = tls::certificates("readme-server", 4_000);
    let readme = include_str!("../../../README.md");
    let blocks = |kind: &str| -> Vec<String> {
        let fence = format!("```{kind}\n");
        let of_kind = readme.split(&fence).skip(1);
        of_kind.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
    };
    let server = blocks("toml server");
    assert_eq!(server.len(), 2);
    let whole = blocks("toml").remove(0);
    let (_, rest) = whole.split_once("[sip]").unwrap();
    let text = format!("{}[sip]{rest}", server.concat())
        .replace("/etc/stox/tls/sip.example/fullchain.pem", folder.0.join("chain.pem").to_str().unwrap())
        .replace("/etc/stox/tls/sip.example/privkey.pem", folder.0.join("key.pem").to_str().unwrap())
        // The example's authority is a public one.
        .replace("[xmpp.server]\n", &format!("[xmpp.server]\ntrust = [\"{}/pbx-ca.pem\"]\n", folder.0.display()));
    let config = parse(&text).unwrap();
    assert_eq!(lines(config.warnings), Vec::<String>::new());
    let partners = config.server.unwrap().partners;
    assert_eq!(partners.others().authentication, Authentication::Certificate);
    assert_eq!(partners.of("old.example").authentication, Authentication::Dialback);
    assert!(!partners.of("spam.example").allowed && config.components.is_empty());
}

#[test]
fn check_tells_what_other_servers_will_not_believe_of_the_certificates() {
    let folder = tls::certificates("server-certificates", 4_000);
    let (short, other) = (crate::certs::Authority::new(), crate::certs::Authority::new());
    let soon = short.sign_for_days(&["sip.example"], 20);
    folder.write("soon.pem", &soon.certificate, 0o644);
    folder.write("soon.key", &soon.key, 0o640);
    folder.write("short-ca.pem", &short.pem(), 0o644);
    let gone = other.sign_until(&["sip.example"], 2_020);
    folder.write("gone.pem", &gone.certificate, 0o644);
    folder.write("gone.key", &gone.key, 0o640);
    let check = |change: &dyn Fn(String) -> String| {
        let file = folder.write("stox.toml", &change(text(&folder, "", "")), 0o600);
        let (code, out, _) = stox(&["check", "--config", file.to_str().unwrap()]);
        let prefix = format!("{}:", file.display());
        let lines = out.lines().map(|line| {
            line.trim_start_matches(&prefix)
                .replace(folder.0.to_str().unwrap(), "DIR")
                .split(';')
                .next()
                .unwrap()
                .to_owned()
        });
        (code, lines.filter(|line| !line.contains("OK:")).collect::<Vec<_>>())
    };
    assert_eq!(check(&|text| text), (Some(0), Vec::new()), "a good one");

    let (code, told) =
        check(&|text| text.replace("chain.pem", "soon.pem").replace("key.pem", "soon.key").replace("pbx-", "short-"));
    assert!(code == Some(0) && told.len() == 1, "{told:?}");
    assert!(told[0].starts_with("5: warning: xmpp.server.certificate: DIR/soon.pem expires on 20"), "{told:?}");

    let (code, told) = check(&|text| text.replace("chain.pem", "gone.pem").replace("key.pem", "gone.key"));
    let leads =
        "5: warning: xmpp.server.certificate: DIR/gone.pem does not lead to a trust anchor, so others may refuse it";
    let expected = ["5: xmpp.server.certificate: DIR/gone.pem expired on 2020-01-01", leads];
    assert_eq!((code, told), (Some(1), expected.map(str::to_owned).to_vec()));

    let (code, told) = check(&|text| text.replace("key.pem", "gone.key"));
    let expected = "6: xmpp.server.key: DIR/gone.key does not belong to DIR/chain.pem";
    assert_eq!((code, told), (Some(1), vec![expected.to_owned()]));

    let (code, told) = check(&|text| text.replace("\"sip.example\"", "\"talk.example\""));
    let names = "gw.example, xmpp.example";
    assert!(!told[0].contains(names), "SIP URIs are no XMPP names: {told:?}");
    let expected = "5: warning: xmpp.server.certificate: DIR/chain.pem names sip.example, phones.example, none of them \
                    \"talk.example\": other servers will not believe it";
    assert_eq!((code, told), (Some(0), vec![expected.to_owned()]));
}
