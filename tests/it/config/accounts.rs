//! Credentials, registrations and accounts.

use super::{Folder, SMALL, lines, parse, stox};
use std::time::Duration;
use stox::config::Config;
use stox::sip::auth::{Account, Hash, Key};

const MD5: &str = "0123456789abcdef0123456789abcdef";

/// The small configuration with `text` behind the SIP domain's next hop.
fn with(text: &str) -> String {
    SMALL.replace("transport=udp\"", &format!("transport=udp\"\n{text}"))
}

/// The one mistake there is in it; line 13 is the first of `text`.
fn mistake(text: &str) -> String {
    let mut told = lines(parse(&with(text)).unwrap_err());
    assert_eq!(told.len(), 1, "{told:#?}");
    told.remove(0)
}

#[test]
fn credentials_registration_and_users_are_read() {
    let config = parse(&with(
        "[[domain.credentials]]\nrealm = \"asterisk\"\nusername = \"stox\"\npassword = \"s3cret-too\"\n\
         [[domain.credentials]]\nusername = \"edge\"\npassword = \"s3cret-three\"\n\
         [domain.register]\naor = \"sip:stox@pbx.example\"\ncontact = \"trunk\"\nexpires = \"1h\"\n\
         [[domain.user]]\njid = \"Juliet@xmpp.example\"\naor = \"sip:101@pbx.example\"\npassword = \"s3cret-four\"\n\
         [[domain.user]]\njid = \"nurse@xmpp.example\"\naor = \"sip:102@pbx.example\"\nusername = \"x\"\nregister = false\n\
         realm = \"asterisk\"\nha1 = { md5 = \"0123456789ABCDEF0123456789abcdef\" }",
    ))
    .unwrap();
    assert_eq!(lines(config.warnings.clone()), Vec::<String>::new());
    let domain = &config.domains[0];
    let account = |realm: Option<&str>, username: &str, password: &str| Account {
        realm: realm.map(str::to_owned),
        username: username.to_owned(),
        key: Key::password(password),
    };
    assert_eq!(
        domain.credentials,
        [account(Some("asterisk"), "stox", "s3cret-too"), account(None, "edge", "s3cret-three")]
    );
    let register = domain.register.as_ref().unwrap();
    assert_eq!((register.aor.as_str(), register.contact.as_deref()), ("sip:stox@pbx.example", Some("trunk")));
    assert_eq!(register.expires, Duration::from_secs(3600));
    let [juliet, nurse] = domain.users.as_slice() else { panic!("{:?}", domain.users) };
    assert_eq!((juliet.jid.as_str(), juliet.account.username.as_str()), ("juliet@xmpp.example", "101"));
    assert!(juliet.register && !nurse.register);
    assert_eq!(nurse.account.key, Key::hashes([(Hash::Md5, MD5.to_owned())]));
    let shown = format!("{config:?}");
    assert!(!shown.contains("s3cret") && !shown.to_lowercase().contains(MD5), "{shown}");
}

#[test]
fn a_password_comes_from_the_first_line_of_its_file() {
    let dir = Folder::new("password");
    dir.write("pbx.password", "from a file\nand more", 0o644);
    let text = with("[[domain.credentials]]\nusername = \"stox\"\npassword_file = \"pbx.password\"");
    let config = Config::load(&dir.write("stox.toml", &text, 0o640)).unwrap();
    assert_eq!(config.domains[0].credentials[0].key, Key::password("from a file"));
    assert!(lines(config.warnings)[0].ends_with("pbx.password can be read by everybody; chmod 640 it"));
    let text = with("[[domain.credentials]]\nusername = \"stox\"\npassword = \"s3cret\"")
        .replace("secret = ", "secret_file = ");
    let text = text.replace("\"s3cret\"\n[sip]", "\"pbx.password\"\n[sip]");
    let warnings = lines(Config::load(&dir.write("b.toml", &text, 0o644)).unwrap().warnings);
    assert!(warnings.iter().any(|line| line.contains("holds a secret and can be read by everybody")), "{warnings:?}");
}

#[test]
fn accounts_are_read_with_what_they_prove() {
    let config = parse(&SMALL.replace(
        "[[domain]]\nhome = \"sip\"",
        "[sip.auth]\nrealm = \"gw\"\nalgorithms = [\"sha-512-256\", \"MD5\"]\nnonce_life = \"30s\"\n\
         [[sip.account]]\nusername = \"branch\"\npassword = \"x\"\ndomains = [\"pbx.example\"]\n\
         [[domain]]\nhome = \"sip\"",
    ));
    let sip = config.unwrap().sip;
    assert_eq!(sip.auth.algorithms, [Hash::Sha512_256, Hash::Md5]);
    assert_eq!((sip.auth.realm.as_str(), sip.auth.nonce_life), ("gw", Duration::from_secs(30)));
    assert_eq!((sip.accounts[0].username.as_str(), sip.accounts[0].domains.len()), ("branch", 1));
}

#[test]
fn every_mistake_in_them_is_told_with_its_line() {
    for (text, expected) in [
        (
            "[[domain.credentials]]\npassword = \"x\"",
            "13: domain.credentials.username: is missing; write the user that the SIP server knows stox by",
        ),
        (
            "[[domain.credentials]]\nusername = \"a\\\"b\"\npassword = \"x\"",
            "14: domain.credentials.username: \"a\"b\" has a quote, a backslash or a control character; write it without \
             quotes, backslashes and line breaks",
        ),
        (
            "[[domain.credentials]]\nusername = \"a\"",
            "13: domain.credentials.password: is missing; write password = \"…\", password_file = \"…\" with a path, or \
             ha1 = { sha-256 = \"…\" }",
        ),
        (
            "[[domain.credentials]]\nusername = \"a\"\npassword = \"\"",
            "15: domain.credentials.password: is empty; write the password that both sides have",
        ),
        (
            "[[domain.credentials]]\nusername = \"a\"\npassword = \"x\"\npassword_file = \"y\"",
            "16: domain.credentials.password_file: is given and so is password; keep one of the two",
        ),
        (
            "[[domain.credentials]]\nusername = \"a\"\nrealm = \"r\"\nha1 = { md5 = \"s3cret\" }",
            "16: domain.credentials.ha1: has no 32 hexadecimal digits for md5; write { md5 = \"…\", sha-256 = \"…\" } with \
             the hash of user:realm:password",
        ),
        (
            "[[domain.credentials]]\nusername = \"a\"\nha1 = { md5 = \"0123456789abcdef0123456789abcdef\" }",
            "13: domain.credentials.realm: is missing; write the realm that the hashes were made for",
        ),
        (
            "[domain.register]\nexpires = \"1h\"",
            "13: domain.register.aor: is missing; write the SIP address to register, such as \"sip:stox@pbx.example\"",
        ),
        (
            "[domain.register]\naor = \"sip:pbx.example\"",
            "14: domain.register.aor: \"sip:pbx.example\" has no user; write \"sip:USER@HOST\"",
        ),
        (
            "[domain.register]\naor = \"sip:a@pbx.example\"\nexpires = \"5s\"",
            "15: domain.register.expires: \"5s\" is out of range; write a duration from 60s to 86400s",
        ),
        (
            "[[domain.user]]\njid = \"juliet@xmpp.example/phone\"\naor = \"sip:1@pbx.example\"\npassword = \"x\"",
            "14: domain.user.jid: \"juliet@xmpp.example/phone\" has a resource; write a bare JID, such as \
             a.user@sip.example",
        ),
        (
            "[[domain.user]]\njid = \"juliet@elsewhere.example\"\naor = \"sip:1@pbx.example\"\npassword = \"x\"",
            "13: domain.user: has juliet@elsewhere.example, and no [[domain]] has xmpp = \"elsewhere.example\"; add a \
             [[domain]] with home = \"xmpp\" for it, or correct the JID",
        ),
        (
            "[[domain.user]]\njid = \"j@xmpp.example\"\naor = \"sip:1@pbx.example\"\npassword = \"x\"\n\
             [[domain.user]]\njid = \"n@xmpp.example\"\naor = \"sip:1@PBX.example\"\npassword = \"x\"",
            "13: domain.user: has sip:1@PBX.example twice; give each user an address of her own",
        ),
        (
            "[sip.auth]\nalgorithms = [\"SHA1\"]",
            "14: sip.auth.algorithms: \"SHA1\" is no algorithm of ours; write SHA-256, SHA-512-256 or MD5",
        ),
        (
            "[[sip.account]]\nusername = \"a\"\nha1 = { md5 = \"0123456789abcdef0123456789abcdef\" }\ndomains = [\"pbx.example\"]",
            "15: sip.account.ha1: has no hash for SHA-256, which [sip.auth] offers; add it, or leave SHA-256 out of \
             algorithms in [sip.auth]",
        ),
        (
            "[[sip.account]]\nusername = \"a\"\npassword = \"x\"\ndomains = [\"xmpp.example\"]",
            "16: sip.account.domains: \"xmpp.example\" is the SIP name of XMPP users, and a SIP peer must not speak for \
             them; remove it",
        ),
    ] {
        assert_eq!(mistake(text), expected);
    }
}

#[test]
fn the_examples_of_the_readme_about_accounts_are_right() {
    let readme = include_str!("../../../README.md");
    let blocks: Vec<_> =
        readme.split("```toml pbx\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert_eq!(blocks.len(), 5);
    let text = blocks.concat();
    let inline = |line: &str| match line.strip_prefix("password_file") {
        Some(rest) => format!("password{rest}"),
        None => line.to_owned(),
    };
    let config = parse(&with(&text.lines().map(inline).collect::<Vec<_>>().join("\n"))).unwrap();
    assert_eq!(lines(config.warnings), Vec::<String>::new());
    let domain = &config.domains[0];
    assert!(domain.register.is_some() && domain.users.len() == 1 && domain.credentials.len() == 1);
    assert_eq!(config.sip.accounts.len(), 1);
    assert!(domain.presence.dnd_is_busy && domain.presence.serve.len() == 2);
}

#[test]
fn explain_tells_whose_account_an_address_is() {
    let dir = Folder::new("explain-user");
    let user = "transport=udp\"\n[[domain.user]]\njid = \"juliet@xmpp.example\"\naor = \"sip:101@pbx.example\"\n\
                password = \"x\"";
    let file = dir.write("stox.toml", &SMALL.replace("transport=udp\"", user), 0o600);
    for address in ["juliet@xmpp.example/balcony", "sip:juliet@xmpp.example", "101@sip.example", "sip:101@pbx.example"]
    {
        let (_, out, _) = stox(&["explain", "--config", file.to_str().unwrap(), address]);
        for step in [
            "  [[domain.user]]: what juliet@xmpp.example writes to sip.example comes from sip:101@pbx.example",
            "  [[domain.user]]: what pbx.example sends to sip:101@pbx.example goes to juliet@xmpp.example",
        ] {
            assert!(out.lines().any(|line| line == step), "{address}: {out}");
        }
    }
    let (_, out, _) = stox(&["explain", "--config", file.to_str().unwrap(), "102@sip.example"]);
    assert!(!out.contains("[[domain.user]]"), "{out}");
}
