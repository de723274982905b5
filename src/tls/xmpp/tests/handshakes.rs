use rustls::{ClientConnection, ServerConnection};

use super::*;

/// What both ends know after a handshake, the client's first.
fn shake(client: Arc<ClientConfig>, server: Arc<ServerConfig>, name: &str) -> Result<(Facts, Facts), rustls::Error> {
    let (client, server) = connect(client, server, name)?;
    Ok((facts(&client), facts(&server)))
}

fn connect(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client = ClientConnection::new(client, server_name(name).unwrap())?;
    let mut server = ServerConnection::new(server)?;
    // Until both are silent: the tickets follow the handshake.
    loop {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let said = !bytes.is_empty();
        let mut left = bytes.as_slice();
        while !left.is_empty() {
            server.read_tls(&mut left).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let answered = !bytes.is_empty();
        let mut left = bytes.as_slice();
        while !left.is_empty() {
            client.read_tls(&mut left).unwrap();
            client.process_new_packets()?;
        }
        if !said && !answered {
            return Ok((client, server));
        }
    }
}

fn names(facts: &Facts) -> String {
    facts.chain.first().map(|leaf| Identities::of(leaf).to_string()).unwrap_or_default()
}

#[test]
fn both_show_the_certificate_of_the_domain_that_they_speak_for() {
    let authority = Authority::new();
    let (_one, ours) = store("xmpp-ours", &authority, &["a.example", "b.example"]);
    let (_two, theirs) = store("xmpp-theirs", &authority, &["c.example", "*.d.example"]);
    for (local, to, sni, shown, answered) in [
        ("a.example", Some("c.example"), "c.example", "a.example", "c.example"),
        ("b.example", Some("x.d.example"), "x.d.example", "b.example", "*.d.example"),
        ("b.example", Some("c.example"), "x.d.example", "b.example", "c.example"),
        ("b.example", None, "x.d.example", "b.example", "*.d.example"),
        ("other.example", None, "nobody.example", "a.example", "c.example"),
        ("other.example", Some("nobody.example"), "x.d.example", "a.example", "c.example"),
        ("a.example", None, "192.0.2.1", "a.example", "c.example"),
    ] {
        let (client, server) = (ours.client(local, Start::Starttls), theirs.server(to, Start::Starttls).unwrap());
        let (client, server) = shake(client, server, sni).unwrap();
        assert_eq!((names(&server).as_str(), names(&client).as_str()), (shown, answered), "{local} {to:?} {sni}");
        assert_eq!(client.version, "TLSv1.3");
        assert!(client.exporter.is_some() && client.exporter == server.exporter);
    }
}

#[test]
fn a_peer_without_certificate_and_one_of_nobody_we_trust_are_let_in_and_proven_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_one, ours) = store("xmpp-late", &authority, &["a.example"]);
    let (_two, nobody) = store("xmpp-nobody", &authority, &[]);
    let (_three, strange) = store("xmpp-strange", &stranger, &["b.example"]);
    let server = || ours.server(Some("a.example"), Start::Starttls).unwrap();
    let (_, told) = shake(nobody.client("b.example", Start::Starttls), server(), "a.example").unwrap();
    let why = |why: &str| Judgement::Unproven(why.to_owned());
    assert_eq!(ours.judge(&told.chain, "b.example", TODAY), why("it shows no certificate"));
    let (_, told) = shake(strange.client("b.example", Start::Starttls), server(), "a.example").unwrap();
    let untrusted = "its certificate is signed by nobody we trust";
    assert_eq!(ours.judge(&told.chain, "b.example", TODAY), why(untrusted));
    let strange = strange.server(Some("b.example"), Start::Starttls).unwrap();
    let (told, _) = shake(ours.client("a.example", Start::Starttls), strange, "b.example").unwrap();
    assert_eq!(ours.judge(&told.chain, "b.example", TODAY), why(untrusted));
}

#[test]
fn a_session_is_resumed_and_the_certificate_in_it_is_judged_again() {
    const LATER: Timestamp = Timestamp(TODAY.0 + 10 * 365 * 86_400_000);
    let authority = Authority::new();
    let (_one, ours) = store("xmpp-resume-ours", &authority, &["a.example"]);
    let (_two, theirs) = store("xmpp-resume-theirs", &authority, &["b.example"]);
    let again = || {
        let (client, server) = (ours.client("a.example", Start::Starttls), theirs.server(None, Start::Starttls));
        let (client, server) = shake(client, server.unwrap(), "b.example").unwrap();
        assert_eq!(client.resumed, server.resumed);
        (client, server)
    };
    let good = Judgement::Proven(Association::Pkix);
    assert!(!again().0.resumed);
    let (client, server) = again();
    assert!(client.resumed);
    assert_eq!((names(&client), names(&server)), ("b.example".to_owned(), "a.example".to_owned()));
    assert_eq!(ours.judge(&client.chain, "b.example", TODAY), good);
    assert_eq!(theirs.judge(&server.chain, "a.example", TODAY), good);

    let (client, server) = again();
    assert!(client.resumed);
    let expired = Judgement::Unproven("its certificate expired on 2030-01-01".to_owned());
    assert_eq!(theirs.judge(&server.chain, "a.example", LATER), expired);
    assert_eq!(ours.judge(&client.chain, "b.example", LATER), expired);
    assert!(!again().0.resumed, "so that a better certificate can be shown");
}

#[test]
fn sessions_of_one_certificate_are_not_gone_on_with_under_another() {
    let authority = Authority::new();
    let (_one, ours) = store("xmpp-apart-ours", &authority, &["a.example", "b.example"]);
    let (_two, theirs) = store("xmpp-apart-theirs", &authority, &["c.example"]);
    for (local, resumed) in [("a.example", false), ("b.example", false), ("b.example", true), ("a.example", true)] {
        let (client, server) = (ours.client(local, Start::Starttls), theirs.server(None, Start::Starttls));
        let (_, server) = shake(client, server.unwrap(), "c.example").unwrap();
        assert_eq!((names(&server).as_str(), server.resumed), (local, resumed));
    }
}

#[test]
fn direct_tls_names_the_protocol_and_starttls_does_not() {
    let authority = Authority::new();
    let (_one, ours) = store("xmpp-alpn", &authority, &["a.example"]);
    let agreed = |client: Start, server: Start| {
        let (client, server) = (ours.client("a.example", client), ours.server(Some("a.example"), server));
        let (client, _) = connect(client, server.unwrap(), "a.example").unwrap();
        client.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap())
    };
    assert_eq!(agreed(Start::Direct, Start::Direct).as_deref(), Some("xmpp-server"));
    assert_eq!(agreed(Start::Starttls, Start::Direct), None, "a client that says nothing is let in");
    assert_eq!(agreed(Start::Starttls, Start::Starttls), None);
    let server = ours.server(Some("a.example"), Start::Direct).unwrap();
    let mut client = (*ours.client("a.example", Start::Direct)).clone();
    client.alpn_protocols = vec![b"h2".to_vec()];
    assert!(shake(Arc::new(client), server, "a.example").is_err(), "one that wants something else is not");
}

#[test]
fn an_older_version_than_tls_1_2_is_not_spoken_and_1_2_is() {
    let authority = Authority::new();
    let (_one, ours) = store("xmpp-versions", &authority, &["a.example"]);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let old = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    let (client, server) = shake(Arc::new(old), ours.server(None, Start::Starttls).unwrap(), "a.example").unwrap();
    assert_eq!((client.version, server.version), ("TLSv1.2", "TLSv1.2"));
    assert_eq!(client.exporter, None, "not unique without the extended master secret");
    let suites = provider.cipher_suites.iter().map(|suite| format!("{:?}", suite.suite()));
    for suite in suites {
        // RFC 9325 section 4: forward secrecy and authenticated encryption, and nothing else.
        let new = suite.starts_with("TLS13_");
        assert!(new || suite.starts_with("TLS_ECDHE_"), "{suite}");
        assert!(suite.contains("_GCM_") || suite.contains("_CHACHA20_POLY1305_"), "{suite}");
    }
}
