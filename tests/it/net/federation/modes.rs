//! Two gateways federate, in every way to prove themselves.

use super::rig::*;
use crate::certs::Authority;
use crate::net::rig::Files;

/// Two gateways: `a.example` and `b.example`, each with what `server` and `partner` say of it.
fn two(server: impl Fn(&str) -> String, authentication: &str, more: &str, port: u16) -> (Gate, Gate) {
    let (a, b) = (Plan::new("a.example"), Plan::new("b.example"));
    let gate = |own: &Plan, other: &Plan| {
        let partner = partner(other.domain, (other.ip, port).into(), authentication, more);
        own.start(&server(own.domain), &partner, &[other.domain], "[log]\nlevel = \"debug\"\n")
    };
    (gate(&a, &b), gate(&b, &a))
}

/// A message each way; what both logs say of the streams by which they went.
fn cross((a, b): &(Gate, Gate), said: &[&str]) {
    for (from, to) in [(a, b), (b, a)] {
        let text = format!("from {}", from.domain);
        let call_id = from.write(to.domain, &text);
        to.hears(&text);
        let answer = from.answer(&call_id);
        assert!(answer.starts_with("SIP/2.0 20"), "{answer}");
    }
    for gate in [a, b] {
        let mut parts = vec!["XMPP stream is up"];
        parts.extend(said);
        gate.stox.wait_for_line(&parts);
    }
}

/// Files of two servers whose certificates are signed by `authority`, while both trust that of the files.
fn certified<'f>(files: &'f Files, authority: &Authority) -> impl Fn(&str) -> String + use<'f> {
    for domain in ["a.example", "b.example"] {
        certify(files, domain, authority, domain);
    }
    |domain| with_certificate(files, domain)
}

#[test]
fn two_gateways_prove_themselves_by_certificates() {
    let files = Files::new();
    let two = two(certified(&files, &files.authority), "certificate", "", 5269);
    cross(&two, &["tls=\"TLSv1.3\"", "by=\"pkix\"", "both_ways=true"]);
    for gate in [&two.0, &two.1] {
        // One connection carries both ways (XEP-0288).
        gate.stox.wait_for_metric("stox_s2s_streams", 1.0);
        assert!(gate.stox.metric("stox_s2s_streams") < 2.0, "{}", gate.stox.log());
        assert!(gate.stox.metric("stox_s2s_pairs") > 1.0);
        assert!(gate.stox.metric("stox_s2s_handshakes") > 0.0);
    }
}

#[test]
fn two_gateways_speak_tls_from_the_first_byte() {
    let files = Files::new();
    let two = two(certified(&files, &files.authority), "certificate", "direct_tls = true", 5270);
    cross(&two, &["tls=\"TLSv1.3\"", "by=\"pkix\""]);
}

#[test]
fn two_gateways_with_certificates_of_nobody_call_back_inside_tls() {
    let (files, elsewhere) = (Files::new(), Authority::new());
    let two = two(certified(&files, &elsewhere), "tls", "", 5269);
    cross(&two, &["tls=\"TLSv1.3\"", "by=\"dialback\""]);
}

#[test]
fn two_gateways_without_tls_call_back_where_the_partner_may() {
    let two = two(|_| String::new(), "dialback", "", 5269);
    cross(&two, &["tls=\"none\"", "by=\"dialback\""]);
}

#[test]
fn a_certificate_of_somebody_else_is_no_proof_where_one_is_demanded() {
    let (files, elsewhere) = (Files::new(), Authority::new());
    let (a, b) = two(certified(&files, &elsewhere), "certificate", "", 5269);
    let call_id = a.write("b.example", "never");
    let answer = a.answer(&call_id);
    assert!(!answer.starts_with("SIP/2.0 2"), "{answer}");
    assert!(!b.phone.has_seen("never"));
    a.stox.wait_for_line(&["XMPP stream came to nothing", "remote=\"b.example\""]);
}

#[test]
fn a_gateway_that_stops_ends_its_streams_and_the_other_comes_back_when_it_does() {
    let files = Files::new();
    let server = certified(&files, &files.authority);
    let (a, b) = (Plan::new("a.example"), Plan::new("b.example"));
    let start = |own: &Plan, other: &Plan| {
        let partner = partner(other.domain, (other.ip, 5269).into(), "certificate", "");
        own.start(&server(own.domain), &partner, &[other.domain], "")
    };
    let mut two = (start(&a, &b), start(&b, &a));
    cross(&two, &["by=\"pkix\""]);
    two.1.stox.terminate();
    assert!(two.1.stox.wait(crate::net::rig::PATIENCE).success());
    two.0.stox.wait_for_line(&["XMPP stream has ended", "remote=\"b.example\""]);
    two.1 = start(&b, &a);
    cross(&two, &["by=\"pkix\""]);
}
