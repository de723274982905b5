//! The targets of `tests/fuzz` on mutated messages: what a toolchain without a fuzzer can do. `FUZZ_CASES` says how many
//! each (256 unless told; 100000 take about as long as a minute of `tests/fuzz/run`).

#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::torture::{CORPORA, bytes, files};

fn cases() -> u32 {
    std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

fn seeds(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("the seeds are there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|other| other == extension))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a seed can be read")).collect()
}

fn torture() -> Vec<Vec<u8>> {
    files(&CORPORA).iter().map(|file| bytes(file)).collect()
}

/// Lines of the stories in which `mark` occurs, from there on.
fn from_stories(mark: &str) -> Vec<Vec<u8>> {
    let stories = seeds("scenarios", "scn");
    let lines = stories.iter().flat_map(|story| story.split(|byte| *byte == b'\n'));
    let texts = lines.filter_map(|line| std::str::from_utf8(line).ok());
    texts.filter_map(|line| line.find(mark).map(|at| line.as_bytes()[at..].to_vec())).collect()
}

/// One of `seeds` with some of its bytes replaced, removed, repeated, or joined to those of another.
fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let one = prop::sample::select(seeds);
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..6u8, any::<u8>());
    (one.clone(), one, prop::collection::vec(edit, 0..6)).prop_map(|(mut bytes, other, edits)| {
        for (at, to, kind, byte) in edits {
            if bytes.is_empty() {
                bytes.push(byte);
            }
            let (at, to) = (at.index(bytes.len()), to.index(bytes.len()));
            let range = at.min(to)..at.max(to);
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.drain(range)),
                3 => drop(bytes.splice(at..at, bytes[range].to_vec())),
                4 => bytes.truncate(at),
                _ => bytes.extend_from_slice(&other[to.min(other.len())..]),
            }
            bytes.truncate(16 * 1024);
        }
        bytes
    })
}

fn run(seeds: Vec<Vec<u8>>, target: fn(&[u8])) {
    seeds.iter().for_each(|seed| target(seed));
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&mutated(seeds), |bytes| {
        target(&bytes);
        Ok(())
    });
    if let Err(found) = outcome {
        panic!("{found}");
    }
}

#[test]
fn xml_holds_for_any_bytes() {
    let mut all = seeds("xml", "xml");
    // The largest are for the limits, which they have tests of their own for.
    all.retain(|seed| seed.len() < 16 * 1024);
    all.extend(from_stories("<message"));
    run(all, targets::xml);
}

#[test]
fn sip_holds_for_any_bytes() {
    run(torture(), targets::sip);
}

#[test]
fn a_connection_holds_however_it_is_cut() {
    let torture = torture();
    let pairs = torture.windows(2).map(|pair| [b"\x07\x00\xff\x03", &pair[0][..], b"\r\n\r\n", &pair[1]].concat());
    run(pairs.collect(), targets::framing);
}

#[test]
fn an_endpoint_holds_whatever_peers_and_network_do() {
    // A request, its answer, its repeat, a CANCEL; a request of ours, failed and answered; time.
    let peer = [0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0];
    let ours = [2, 0, 0, 3, 0, 0, 1, 1, 0, 2, 4, 0, 0, 5, 3, 3, 0, 8, 0, 3, 0, 2, 0, 7, 0, 9, 0, 0];
    let invite = [0, 1, 1, 0, 0, 0, 1, 0, 7, 1, 5, 3, 0, 2, 1, 0, 0, 0, 0, 3, 1, 0, 0, 0, 5, 7];
    run(vec![peer.to_vec(), ours.to_vec(), invite.to_vec()], targets::transaction);
}

#[test]
fn challenges_and_credentials_hold_for_any_bytes() {
    let challenge =
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\", algorithm=SHA-256, opaque=\"o\", stale=true";
    let credentials = "Digest username=\"romeo\", realm=\"r\", nonce=\"n\", uri=\"sip:a@b\", response=\"00\", qop=auth, \
        nc=00000001, cnonce=\"c\"";
    let info = "nextnonce=\"n\", qop=auth, rspauth=\"00\", cnonce=\"c\", nc=00000001";
    let both = format!("{challenge}\n{challenge}-sess");
    run([challenge, credentials, info, &both].map(|text| text.as_bytes().to_vec()).to_vec(), targets::auth);
}

#[test]
fn places_are_found_or_not_whatever_dns_says() {
    let services = [0, 0, 1, 0, 9, 4, 0, 0, 0, 0, 0, 2, 0, 1, 0, 2, 0, 3, 1, 1, 9, 4, 0, 9, 80, 4, 1, 9, 80, 5];
    let hosts = [0, 1, 1, 0, 3, 5, 10, 11, 12, 0, 1, 3, 10, 1, 3, 11, 4, 0, 1, 2, 30, 0, 1, 0, 3, 1, 0, 0];
    run(vec![services.to_vec(), hosts.to_vec()], targets::locate);
}

#[test]
fn stanzas_are_acknowledged_or_given_back_whatever_breaks() {
    // Negotiated, three stanzas, cut, resumed; forgotten by the other end; a lie.
    let resumed = [2, 9, 1, 255, 2, 255, 0, 3, 0, 3, 0, 3, 3, 255, 4, 0, 0, 1, 5, 0, 3, 255, 2, 255, 3, 255];
    let forgotten = [3, 255, 2, 255, 0, 3, 0, 90, 7, 255, 4, 0, 6, 1, 5, 0, 0, 1, 3, 255, 2, 255, 3, 255];
    let lied = [3, 255, 2, 255, 0, 3, 1, 90, 8, 2, 8, 3, 4, 0, 5, 0, 3, 255, 2, 255, 8, 99, 9, 0];
    run([&resumed[..], &forgotten, &lied].map(<[u8]>::to_vec).to_vec(), targets::manage);
}

#[test]
fn a_stream_between_servers_holds_whatever_peer_and_owner_do() {
    // Accepting: over TLS by certificate, with stanzas both ways, acknowledged; in clear by a key. Initiating: STARTTLS
    // and EXTERNAL; a key over direct TLS.
    let external = [1, 0, 0, 3, 0, 0, 19, 0, 8, 0, 0, 0, 26, 4, 0, 0, 20, 4, 0, 0, 24, 0, 25, 0, 27];
    let key = [0x11, 0, 0, 0, 13, 5, 0, 0, 26, 0, 28, 4, 0, 8, 0];
    let starttls = [0x12, 0, 0, 0, 2, 0, 6, 2, 0, 0, 0, 0, 3, 3, 0, 0, 11, 0, 0, 0, 4, 4, 0, 0, 21, 4, 0, 7, 90, 0, 25];
    let direct = [2, 0, 0, 0, 4, 3, 1, 6, 0, 4, 0, 0, 15, 4, 0, 4, 1, 7, 255, 8, 1, 0, 32];
    run([&external[..], &key, &starttls, &direct].map(<[u8]>::to_vec).to_vec(), targets::server);
}

#[test]
fn nobody_comes_in_by_sasl_without_proof() {
    let lines = [
        "Epeer.example\nE\nEthief.example",
        "P\0romeo\0password\nPromeo\0romeo\0x\nP\0busy\0x",
        "1n,,n=romeo,r=abc\nRc=biws,r=abc,p=AAAA",
        "2y,a=romeo@us.example,n=nobody,r=abc\n\nabort\n?OTP",
        "+p=tls-exporter,,n=romeo,r=abc\n!====\nf<x/>\ns",
    ];
    run(lines.map(|text| text.as_bytes().to_vec()).to_vec(), targets::sasl);
}

#[test]
fn bodies_hold_for_any_bytes() {
    let cpim = "From: \"A \\\"B\\\"\" <im:a@b.example>\r\nTo: <im:c@d.example>\r\nNS: X <urn:x>\r\nX.H: v\r\nSubject:;lang=de Hallo\r\n\r\n\
        Content-type: text/plain; charset=utf-8\r\n\r\nHi";
    let html = "<html><body><p>Fair <b>saint</b> &amp; &#x41;</p><ul><li>one</ul><script>x</script></body></html>";
    let parts = "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGk=\r\n--b--\r\n";
    let typing = "<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state><refresh>60</refresh></isComposing>";
    run([cpim, html, parts, typing].map(|text| text.as_bytes().to_vec()).to_vec(), targets::body);
}

#[test]
fn presence_documents_hold_for_any_bytes() {
    run(seeds("documents", "xml"), targets::pidf);
}

#[test]
fn documents_of_events_hold_for_any_bytes() {
    let reg = "<reginfo xmlns='urn:ietf:params:xml:ns:reginfo' version='0' state='full'><registration aor='sip:a'''b' id='1' \
        state='active'><contact id='1' state='active' event='registered'><uri>sip:a'''c</uri></contact></registration></reginfo>";
    let list = "<list xmlns='urn:ietf:params:xml:ns:rlmi' uri='sip:l'''b' version='0' fullState='true'><resource uri='sip:a'''b'>\
        <name>A</name><instance id='1' state='active' cid='c'''d'/></resource></list>";
    let mut all: Vec<Vec<u8>> = [reg, list].map(|text| text.as_bytes().to_vec()).to_vec();
    let marks = ["<dialog-info", "<watcherinfo", "Messages-Waiting", "messages-waiting"];
    for file in seeds("vectors", "toml") {
        let text = String::from_utf8(file).expect("vectors are text");
        let inputs = text.split("\ninput = '''").filter_map(|rest| rest.split("'''").next());
        all.extend(inputs.map(str::trim).filter(|text| marks.iter().any(|mark| text.contains(mark))).map(Into::into));
    }
    assert!(all.len() > 15, "{}", all.len());
    run(all, targets::events);
}

#[test]
fn addresses_hold_for_any_bytes() {
    let mut all = from_stories("sip:");
    all.extend(
        [
            "juliet@xmpp.example/balcony",
            "a\\2fb@sip.example",
            "d'artagnan*remote.example@gw.example",
            "müller@bücher.example",
        ]
        .map(|text| text.as_bytes().to_vec()),
    );
    run(all, targets::address);
}

#[test]
fn a_gateway_holds_for_any_bytes() {
    let mut all = torture();
    all.extend(from_stories("<message"));
    all.extend(from_stories("<iq"));
    run(all, targets::gateway);
}
