#![allow(clippy::unwrap_used)]
use super::*;
use crate::time::Timestamp;
use crate::xmpp::sasl::{Account, Accounts, Condition, Decoy, Hash, Keys, SALT, Scram, Standing, Unavailable, base64};
use crate::xmpp::stanza::Stanza;
use crate::xmpp::stream::{Secured, StreamConfig};
use proptest::prelude::*;
use std::sync::{LazyLock, Mutex};

mod carried;

const EXPORTER: [u8; 32] = [3; 32];

struct People;

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::derive(Hash::Sha1, "r0m30myr0m30", &[1; SALT], 2).unwrap());

impl Accounts for People {
    fn account(&self, user: &BareJid) -> Result<Option<Account>, Unavailable> {
        let known = user.as_str() == "juliet@im.example.com";
        Ok(known.then(|| Account { keys: vec![KEYS.clone()], standing: Standing::Good }))
    }

    fn decoy(&self) -> &Decoy {
        const DECOY: Decoy = Decoy { secret: [4; 32], iterations: 2 };
        &DECOY
    }
}

fn at(seconds: u64) -> Now {
    Now { mono: Duration::from_secs(seconds), wall: Timestamp(0) }
}

fn config(conflict: Conflict, taken: &'static [&'static str]) -> ClientConfig {
    ClientConfig {
        stream: StreamConfig::default(),
        hosts: Arc::new(|domain| domain == "im.example.com"),
        accounts: Some(Arc::new(People)),
        vacancy: Arc::new(move |jid| match jid.resource() {
            Some("full") => Vacancy::Full,
            Some("never") => Vacancy::Forbidden,
            Some(resource) if taken.contains(&resource) => Vacancy::Taken,
            _ => Vacancy::Free,
        }),
        conflict,
    }
}

fn tls() -> ClientTls {
    let secured = Secured { version: "TLS 1.3", resumed: false, certificate: false, exporter: Some(EXPORTER) };
    ClientTls { secured, end_point: None, proven: vec![] }
}

fn stream(config: ClientConfig, tls: Option<ClientTls>) -> ClientStream {
    ClientStream::accepting(Arc::new(config), Ids::new([1; 32], 0), tls, at(0))
}

fn output(stream: &mut ClientStream) -> String {
    let mut out = Vec::new();
    stream.poll_output(&mut out);
    String::from_utf8(out).unwrap()
}

fn events(stream: &mut ClientStream) -> Vec<ClientEvent> {
    std::iter::from_fn(|| stream.poll_event()).collect()
}

fn say(stream: &mut ClientStream, text: &str) -> String {
    stream.receive(text.as_bytes(), at(1));
    output(stream)
}

/// The stream error with which the stream ended.
fn ended_by(stream: &mut ClientStream) -> Option<StreamErrorKind> {
    assert!(stream.is_closed());
    match events(stream).pop() {
        Some(ClientEvent::Closed(Cause::OurError(error))) => Some(error.kind),
        _ => None,
    }
}

const HEADER: &str = "<?xml version='1.0'?><stream:stream from='juliet@im.example.com' to='im.example.com' version='1.0' \
                      xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const REQUIRED: &str =
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";
const BIND: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>";

fn auth(mechanism: &str, data: &str) -> String {
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{data}</auth>")
}

fn plain(password: &str) -> String {
    auth("PLAIN", &base64::encode(format!("\0juliet\0{password}").as_bytes()))
}

fn bind(resource: &str) -> String {
    let resource = if resource.is_empty() { String::new() } else { format!("<resource>{resource}</resource>") };
    format!("<iq id='b' type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{resource}</bind></iq>")
}

/// The id of the header in what was written.
fn id(output: &str) -> &str {
    output.split_once(" id='").and_then(|(_, rest)| rest.split_once('\'')).unwrap().0
}

/// Without what encloses it.
fn text(output: &str) -> String {
    let text = output.split_once('>').and_then(|(_, rest)| rest.split_once('<')).unwrap().0;
    String::from_utf8(base64::decode(text).unwrap().unwrap()).unwrap()
}

fn authenticated(config: ClientConfig) -> ClientStream {
    let mut stream = stream(config, Some(tls()));
    say(&mut stream, HEADER);
    assert_eq!(say(&mut stream, &plain("r0m30myr0m30")), "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    assert!(say(&mut stream, HEADER).ends_with(BIND));
    stream
}

fn bound() -> ClientStream {
    let mut stream = authenticated(config(Conflict::Rename, &[]));
    say(&mut stream, &bind("balcony"));
    assert_eq!(events(&mut stream), [ClientEvent::Bound(Jid::parse("juliet@im.example.com/balcony").unwrap())]);
    stream
}

/// The steps of RFC 6120 section 9.1, with channel binding as section 13.8.3 prefers it.
#[test]
fn a_client_comes_in_as_in_the_example_of_rfc_6120() {
    let mut stream = stream(config(Conflict::Rename, &[]), None);
    let first = say(&mut stream, HEADER);
    let opening = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
                   xmlns:stream='http://etherx.jabber.org/streams' from='im.example.com' id='";
    assert!(first.starts_with(opening) && first.ends_with(REQUIRED), "{first}");
    assert!(first.contains("to='juliet@im.example.com' version='1.0' xml:lang='en'>"), "{first}");
    assert_eq!(say(&mut stream, STARTTLS), "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    assert_eq!(events(&mut stream), [ClientEvent::StartTls]);
    stream.secured(tls(), at(1));
    assert_eq!(output(&mut stream), "");

    let second = say(&mut stream, HEADER);
    let offer = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
                 <mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>\
                 <mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism>\
                 </mechanisms><sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/>\
                 </sasl-channel-binding></stream:features>";
    assert!(second.ends_with(offer), "{second}");
    let client = Scram {
        hash: Hash::Sha1,
        password: "r0m30myr0m30",
        header: "p=tls-exporter,,".to_owned(),
        binding: EXPORTER.to_vec(),
        name: "juliet".to_owned(),
        nonce: "oMsTAAwAAAAMAAAANP0TAAAAAABPU0AA".to_owned(),
    };
    let challenge = say(&mut stream, &auth("SCRAM-SHA-1-PLUS", &base64::encode(client.first().as_bytes())));
    assert!(challenge.starts_with("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"), "{challenge}");
    let (last, verifier) = client.last(&text(&challenge));
    let response = base64::encode(last.as_bytes());
    let success =
        say(&mut stream, &format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{response}</response>"));
    assert!(success.starts_with("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>") && text(&success) == verifier);

    let third = say(&mut stream, HEADER);
    assert!(third.ends_with(BIND), "{third}");
    let ids = [id(&first), id(&second), id(&third)];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    let answer = "<iq id='b' type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                  <jid>juliet@im.example.com/balcony</jid></bind></iq>";
    assert_eq!(say(&mut stream, &bind("balcony")), answer);

    let there = "<message id='ju2ba41c' to='romeo@example.net' type='chat'><body>Art thou not Romeo?</body></message>";
    assert_eq!(say(&mut stream, there), "");
    let [ClientEvent::Bound(jid), ClientEvent::Stanza(stanza)] = &events(&mut stream)[..] else { panic!() };
    assert_eq!((jid.as_str(), stanza.from(), stanza.lang()), ("juliet@im.example.com/balcony", Some(jid), Some("en")));
    let back = "<message from='romeo@example.net/orchard' to='juliet@im.example.com/balcony' type='chat'><body>Neither</body></message>";
    stream.send(&read(back)).unwrap();
    assert_eq!(output(&mut stream), back);
    assert_eq!(say(&mut stream, "</stream:stream>"), "</stream:stream>");
    assert_eq!(events(&mut stream), [ClientEvent::Closed(Cause::PeerClosed)]);
}

fn read(text: &str) -> Stanza {
    let header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
    let mut splitter = crate::xml::splitter::Splitter::new(Limits::default());
    splitter.push(format!("{header}{text}").as_bytes());
    splitter.next().unwrap();
    let Some(Piece::Child(element)) = splitter.next().unwrap() else { panic!("{text}") };
    Stanza::from_element(element).unwrap()
}

#[test]
fn it_does_not_matter_how_the_bytes_are_split() {
    let text = format!("{HEADER}{}{HEADER}{}<presence/>", plain("r0m30myr0m30"), bind("ü"));
    for chunk in [1, 2, 3, 7, 1000] {
        let mut stream = stream(config(Conflict::Rename, &[]), Some(tls()));
        text.as_bytes().chunks(chunk).for_each(|chunk| stream.receive(chunk, at(1)));
        let events = events(&mut stream);
        assert!(matches!(&events[..], [ClientEvent::Bound(_), ClientEvent::Stanza(Stanza::Presence(_))]), "{events:?}");
    }
}

#[test]
fn before_tls_there_is_nothing_but_tls() {
    let mut early = stream(config(Conflict::Rename, &[]), None);
    say(&mut early, HEADER);
    let refused = say(&mut early, &plain("r0m30myr0m30"));
    assert!(refused.contains(Condition::EncryptionRequired.name()), "{refused}");
    assert!(!early.is_closed());
    say(&mut early, "<presence/>");
    assert_eq!(ended_by(&mut early), Some(StreamErrorKind::NotAuthorized));
}

#[test]
fn what_comes_in_clear_behind_starttls_ends_the_stream_without_a_word() {
    let mut injected = stream(config(Conflict::Rename, &[]), None);
    say(&mut injected, HEADER);
    assert_eq!(say(&mut injected, &format!("{STARTTLS}<presence/>")), "");
    assert_eq!(ended_by(&mut injected), Some(StreamErrorKind::PolicyViolation));

    let mut later = stream(config(Conflict::Rename, &[]), None);
    say(&mut later, &format!("{HEADER}{STARTTLS}"));
    assert_eq!(say(&mut later, "<presence/>"), "");
    assert_eq!(ended_by(&mut later), Some(StreamErrorKind::PolicyViolation));
}

#[test]
fn starttls_twice_is_a_failure() {
    let mut twice = stream(config(Conflict::Rename, &[]), Some(tls()));
    say(&mut twice, HEADER);
    let told = say(&mut twice, STARTTLS);
    assert_eq!(told, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>");
    assert_eq!(ended_by(&mut twice), Some(StreamErrorKind::PolicyViolation));
}

#[test]
fn a_wrong_header_is_answered_with_a_header_and_its_error() {
    for (from, to, error) in [
        (" to='im.example.com'", "", StreamErrorKind::ImproperAddressing),
        ("to='im.example.com'", "to='a@im.example.com'", StreamErrorKind::ImproperAddressing),
        ("to='im.example.com'", "to='a b'", StreamErrorKind::ImproperAddressing),
        ("to='im.example.com'", "to='other.example'", StreamErrorKind::HostUnknown),
        ("from='juliet@im.example.com'", "from='a@b@c'", StreamErrorKind::InvalidFrom),
        (" version='1.0' xml:lang", " xml:lang", StreamErrorKind::UnsupportedVersion),
        (" version='1.0' xml:lang", " version='11.0' xml:lang", StreamErrorKind::UnsupportedVersion),
        ("jabber:client", "jabber:server", StreamErrorKind::InvalidNamespace),
        ("http://etherx.jabber.org/streams", "urn:x", StreamErrorKind::InvalidNamespace),
        ("<stream:stream ", "<stream:stream", StreamErrorKind::NotWellFormed),
        ("<?xml version='1.0'?>", "<!DOCTYPE a>", StreamErrorKind::RestrictedXml),
    ] {
        let mut wrong = stream(config(Conflict::Rename, &[]), None);
        let told = say(&mut wrong, &HEADER.replacen(from, to, 1));
        assert!(told.starts_with("<?xml version='1.0'?><stream:stream "), "{told}");
        assert!(told.contains(&format!("<{} ", error.name())) && told.ends_with("</stream:stream>"), "{to}: {told}");
        assert_eq!(ended_by(&mut wrong), Some(error), "{to}");
    }
}

#[test]
fn domains_are_compared_in_their_one_spelling() {
    let mut odd = stream(config(Conflict::Rename, &[]), None);
    assert!(say(&mut odd, &HEADER.replace("to='im.example.com'", "to='IM.Example.COM.'")).ends_with(REQUIRED));
}

#[test]
fn five_wrong_passwords_end_the_stream() {
    let mut guessing = stream(config(Conflict::Rename, &[]), Some(tls()));
    say(&mut guessing, HEADER);
    for _ in 1..sasl::MAX_TRIES {
        let refused = say(&mut guessing, &plain("wrong"));
        assert_eq!(refused, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>");
    }
    assert!(
        say(&mut guessing, &plain("wrong")).contains("<not-authorized/></failure><stream:error><policy-violation ")
    );
    assert_eq!(ended_by(&mut guessing), Some(StreamErrorKind::PolicyViolation));
}

#[test]
fn a_certificate_lets_its_users_in_and_nobody_else() {
    let users = ["juliet@im.example.com", "juliet@other.example"].map(|user| BareJid::parse(user).unwrap());
    let shown = ClientTls { proven: users.to_vec(), ..tls() };
    let nobody = ClientConfig { accounts: None, ..config(Conflict::Rename, &[]) };
    let mut known = stream(nobody.clone(), Some(shown));
    assert!(say(&mut known, HEADER).contains("<mechanism>EXTERNAL</mechanism></mechanisms></stream:features>"));
    assert!(say(&mut known, &auth("EXTERNAL", "=")).starts_with("<success "));
    say(&mut known, HEADER);
    assert!(say(&mut known, &bind("")).contains("<jid>juliet@im.example.com/"));

    let mut unknown = stream(nobody, Some(tls()));
    say(&mut unknown, HEADER);
    assert_eq!(ended_by(&mut unknown), Some(StreamErrorKind::PolicyViolation));
}

#[test]
fn who_was_authenticated_stays_who_they_are() {
    for (from, to, error) in [
        ("from='juliet@im.example.com'", "from='romeo@im.example.com'", StreamErrorKind::InvalidFrom),
        ("to='im.example.com'", "to='two.example.com'", StreamErrorKind::NotAuthorized),
    ] {
        let two = |domain: &str| domain == "im.example.com" || domain == "two.example.com";
        let mut turned = stream(ClientConfig { hosts: Arc::new(two), ..config(Conflict::Rename, &[]) }, Some(tls()));
        say(&mut turned, HEADER);
        say(&mut turned, &plain("r0m30myr0m30"));
        say(&mut turned, &HEADER.replacen(from, to, 1));
        assert_eq!(ended_by(&mut turned), Some(error), "{to}");
    }
}

#[test]
fn nothing_but_binding_comes_before_binding() {
    for stanza in [
        "<presence/>",
        "<message to='romeo@example.net'><body>x</body></message>",
        "<iq id='1' type='get' to='im.example.com'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq id='1' type='get'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        "<iq type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    ] {
        let mut early = authenticated(config(Conflict::Rename, &[]));
        say(&mut early, stanza);
        assert_eq!(ended_by(&mut early), Some(StreamErrorKind::NotAuthorized), "{stanza}");
    }
    let mut again = authenticated(config(Conflict::Rename, &[]));
    say(&mut again, &plain("r0m30myr0m30"));
    assert_eq!(ended_by(&mut again), Some(StreamErrorKind::PolicyViolation));
}

#[test]
fn a_resource_of_our_making_is_random() {
    let made = |wanted: &str| {
        let mut stream = authenticated(config(Conflict::Rename, &["balcony"]));
        say(&mut stream, &bind(wanted));
        stream.jid().unwrap().resource().unwrap().to_owned()
    };
    assert_eq!(made("window"), "window");
    for wanted in ["", "balcony", "a\u{202e}\u{1}".trim_end_matches('\u{1}'), &"x".repeat(2000)] {
        assert_eq!(made(wanted).len(), 26, "{wanted}");
    }
}

#[test]
fn a_conflict_is_met_as_configured() {
    let mut refuse = authenticated(config(Conflict::Refuse, &["balcony"]));
    let conflict = "<iq id='b' type='error'><error type='modify'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    assert_eq!(say(&mut refuse, &bind("balcony")), conflict);
    assert!(say(&mut refuse, &bind("window")).contains("/window</jid>"));
    let mut replace = authenticated(config(Conflict::Replace, &["balcony"]));
    assert!(say(&mut replace, &bind("balcony")).contains("/balcony</jid>"));
}

#[test]
fn who_may_not_bind_is_told_why_and_after_five_retries_no_more() {
    let mut full = authenticated(config(Conflict::Rename, &[]));
    assert!(say(&mut full, &bind("full")).contains("<error type='wait'><resource-constraint "));
    assert!(say(&mut full, &bind("never")).contains("<error type='cancel'><not-allowed "));
    for _ in 2..config::BIND_TRIES {
        assert!(!full.is_closed());
        say(&mut full, &bind("full"));
    }
    assert_eq!(ended_by(&mut full), Some(StreamErrorKind::PolicyViolation));
}

#[test]
fn an_owner_hears_at_once_who_is_there() {
    let connected: Arc<Mutex<Vec<Jid>>> = Arc::default();
    let taken = connected.clone();
    let vacancy = move |jid: &Jid| if taken.lock().unwrap().contains(jid) { Vacancy::Taken } else { Vacancy::Free };
    let shared = ClientConfig { vacancy: Arc::new(vacancy), ..config(Conflict::Rename, &[]) };
    let mut jids = Vec::new();
    for _ in 0..2 {
        let mut stream = authenticated(shared.clone());
        say(&mut stream, &bind("balcony"));
        connected.lock().unwrap().push(stream.jid().unwrap().clone());
        jids.push(stream.jid().unwrap().clone());
    }
    assert_ne!(jids[0], jids[1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_that_a_stranger_sends_binds_or_breaks_a_stream(
        parts in prop::collection::vec(prop_oneof![
            Just(HEADER.to_owned()),
            Just(STARTTLS.to_owned()),
            Just(bind("x")),
            Just(plain("wrong")),
            Just(auth("SCRAM-SHA-1", "biwsbj1qdWxpZXQscj14")),
            Just("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>biws</response>".to_owned()),
            Just("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".to_owned()),
            Just("<presence/>".to_owned()),
            Just("</stream:stream>".to_owned()),
            "\\PC{0,20}",
        ], 0..12),
        direct: bool,
    ) {
        let mut stream = stream(config(Conflict::Rename, &[]), direct.then(tls));
        for part in parts {
            stream.receive(part.as_bytes(), at(1));
            for event in events(&mut stream) {
                prop_assert!(!matches!(event, ClientEvent::Bound(_) | ClientEvent::Stanza(_)));
                if event == ClientEvent::StartTls {
                    stream.secured(tls(), at(1));
                }
            }
        }
        stream.disconnected();
        prop_assert!(stream.is_closed());
    }
}
