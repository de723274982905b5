use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use stox::net::Clock;
use stox::net::federation::associate::Associations;
use stox::net::federation::posh::Posh;
use stox::xmpp::federation::{Association, Judgement};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Trust, der};
use crate::certs::{Authority, Signed};

/// The names in the certificate of the web server: wildcards do not go so high there.
const HOSTS: &[&str] = &[
    "a.example",
    "b.example",
    "cut.example",
    "down.example",
    "empty.example",
    "failing.example",
    "gone.example",
    "hosting.example",
    "junk.example",
    "large.example",
    "least.example",
    "long.example",
    "lost.example",
    "noise.example",
    "nowhere-to.example",
    "nowhere.example",
    "on.example",
    "one.example",
    "other.example",
    "over.example",
    "partial.example",
    "plain.example",
    "port.example",
    "round.example",
    "short.example",
    "silent.example",
    "strange.example",
    "ten.example",
    "three.example",
    "two.example",
    "weird.example",
];

/// What is there under `https://HOST/PATH`, and what was asked for. Every host of every name is this one.
#[derive(Clone, Default)]
struct Web {
    pages: Arc<Mutex<HashMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    fn put(&self, url: &str, response: String) {
        self.pages.lock().unwrap().insert(url.to_owned(), response);
    }

    fn document(&self, domain: &str, response: String) {
        self.put(&well_known(domain), response);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Serves with this certificate, for as long as the test lasts.
    async fn serve(&self, own: &Signed) -> SocketAddr {
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![der(own)], key).unwrap();
        let (acceptor, web) = (TlsAcceptor::from(Arc::new(config)), self.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(tcp).await {
                    let mut request = [0; 4_096];
                    let read = stream.read(&mut request).await.unwrap_or(0);
                    let response = web.answer(&String::from_utf8_lossy(&request[..read]));
                    let _ = stream.write_all(response.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        addr
    }

    fn answer(&self, request: &str) -> String {
        let path = request.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let url = format!("https://{host}{path}");
        let page = self.pages.lock().unwrap().get(&url).cloned();
        self.asked.lock().unwrap().push(url);
        page.unwrap_or_else(|| "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned())
    }
}

fn well_known(domain: &str) -> String {
    format!("https://{domain}/.well-known/posh/xmpp-server.json")
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

fn fingerprints(of: &CertificateDer<'_>, expires: u64) -> String {
    let hash = STANDARD.encode(Sha256::digest(of));
    ok(&format!(r#"{{"fingerprints":[{{"sha-256":"{hash}"}}],"expires":{expires}}}"#))
}

fn reference(to: &str, expires: u64) -> String {
    ok(&format!(r#"{{"url":"{to}","expires":{expires}}}"#))
}

/// stox, and what it asks.
struct Rig {
    trust: Trust,
    web: Web,
    associations: Associations,
    /// What the server of every domain here shows; its authority is known to nobody.
    shown: [CertificateDer<'static>; 1],
}

impl Rig {
    /// With a web server for these names, of the authority that is trusted.
    async fn new(name: &str, hosts: &[&str]) -> Self {
        let trust = Trust::new(name);
        let own = trust.authority.sign(hosts);
        Self::with(trust, &own).await
    }

    async fn with(trust: Trust, own: &Signed) -> Self {
        let web = Web::default();
        let addr = web.serve(own).await;
        let posh = Posh::reaching(move |host, port| async move {
            // Where nobody is: the name of a domain without a web server.
            if host.starts_with("nowhere.") || port != 443 {
                return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
            }
            TcpStream::connect(addr).await
        });
        let associations = Associations::new(Arc::clone(&trust.store), Clock::start()).with_posh(posh);
        let shown = [der(&Authority::new().sign(&["hosting.example"]))];
        Self { trust, web, associations, shown }
    }

    async fn judge(&self, domain: &str) -> Judgement {
        self.associations.judge(&self.shown, domain).await
    }

    async fn is_proven(&self, domain: &str) -> bool {
        let judged = self.judge(domain).await;
        let why = "its certificate is signed by nobody we trust".to_owned();
        let proven = judged == Judgement::Proven(Association::Posh);
        assert!(proven || judged == Judgement::Unproven(why), "what is told is what PKIX says: {judged:?}");
        proven
    }
}

#[tokio::test]
async fn a_domain_may_name_the_certificate_of_its_server_over_https() {
    let rig = Rig::new("posh-good", HOSTS).await;
    let fine = fingerprints(&rig.shown[0], 3_600);
    rig.web.document("one.example", fine.clone());
    rig.web.document("two.example", reference("https://hosting.example/posh/two.json?a=b#c", 3_600));
    rig.web.put("https://hosting.example/posh/two.json?a=b", fine.clone());
    rig.web.document("three.example", redirect("https://hosting.example/three"));
    rig.web.put("https://hosting.example/three", redirect("/four"));
    rig.web.put("https://hosting.example/four", fine.clone());
    for at in 0..10 {
        rig.web.put(&format!("https://hosting.example/{at}"), redirect(&format!("/{}", at + 1)));
    }
    rig.web.put("https://hosting.example/10", fine);
    rig.web.document("ten.example", redirect("https://hosting.example/1"));
    for domain in ["one.example", "two.example", "three.example", "ten.example", "ONE.example."] {
        assert!(rig.is_proven(domain).await, "{domain}: {:?}", rig.web.asked());
    }
}

#[tokio::test]
async fn what_a_domain_does_not_say_as_rfc_7711_has_it_proves_nothing() {
    let rig = Rig::new("posh-bad", HOSTS).await;
    let fine = fingerprints(&rig.shown[0], 3_600);
    rig.web.put("https://hosting.example/fine", fine.clone());
    rig.web.put("https://hosting.example/again", reference("https://hosting.example/fine", 9));
    rig.web.put("https://hosting.example/round", redirect("/round"));
    let padded = fine.replace("\r\n\r\n", "\r\n\r\n ").replace("Content-Length: ", "X-Length: ");
    for (domain, response) in [
        ("other.example", fingerprints(&CertificateDer::from(&b"another"[..]), 3_600)),
        ("over.example", fingerprints(&rig.shown[0], 0)),
        ("gone.example", reference("https://hosting.example/fine", 0)),
        ("on.example", reference("https://hosting.example/again", 9)),
        ("plain.example", reference("http://hosting.example/fine", 9)),
        ("lost.example", reference("https://hosting.example/nothing", 9)),
        ("nowhere-to.example", reference("https://nowhere.example/fine", 9)),
        ("port.example", reference("https://hosting.example:8443/fine", 9)),
        ("weird.example", reference("https://", 9)),
        ("down.example", redirect("http://hosting.example/fine")),
        ("strange.example", redirect("ftp://hosting.example/fine")),
        ("empty.example", redirect("")),
        ("round.example", redirect("https://hosting.example/round")),
        ("junk.example", ok("junk")),
        ("failing.example", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("partial.example", fine.replace("200 OK", "206 Partial Content")),
        ("noise.example", "\u{0}\u{1}\u{2}".to_owned()),
        ("cut.example", fine.replace("Content-Length: ", "Content-Length: 9")),
        ("large.example", padded.replace(' ', &" ".repeat(100_000))),
    ] {
        rig.web.document(domain, response);
        assert!(!rig.is_proven(domain).await, "{domain}");
    }
    assert!(!rig.is_proven("silent.example").await, "404");
    assert!(!rig.is_proven("nowhere.example").await, "nobody answers");
    rig.web.asked();
    for domain in ["192.0.2.1", "[2001:db8::1]", "a b.example", "a/b", ""] {
        assert!(!rig.is_proven(domain).await, "{domain}");
    }
    assert_eq!(rig.web.asked(), Vec::<String>::new(), "what is no name of DNS is nobody's web server");
}

#[tokio::test]
async fn a_web_server_that_is_not_the_domains_is_not_believed() {
    let rig = Rig::new("posh-web", &["a.example"]).await;
    let fine = fingerprints(&rig.shown[0], 3_600);
    rig.web.document("a.example", fine.clone());
    rig.web.document("b.example", fine.clone());
    assert!(rig.is_proven("a.example").await);
    assert!(!rig.is_proven("b.example").await, "its certificate is for another domain");

    let strange = Rig::with(Trust::new("posh-untrusted"), &Authority::new().sign(&["a.example"])).await;
    strange.web.document("a.example", fingerprints(&strange.shown[0], 3_600));
    assert!(!strange.is_proven("a.example").await, "its certificate is signed by nobody we trust");
    assert_eq!(strange.web.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_not_made_good_by_its_domain() {
    let mut rig = Rig::new("posh-expired", &["a.example"]).await;
    rig.shown = [der(&Authority::new().sign_until(&["hosting.example"], 2_020))];
    rig.web.document("a.example", fingerprints(&rig.shown[0], 3_600));
    let expired = Judgement::Unproven("its certificate expired on 2020-01-01".to_owned());
    assert_eq!(rig.judge("a.example").await, expired);
    assert_eq!(rig.web.asked(), [well_known("a.example")]);
}

#[tokio::test]
async fn answers_are_kept_as_long_as_they_hold_and_no_longer_than_a_day() {
    let rig = Rig::new("posh-cache", HOSTS).await;
    rig.web.document("short.example", fingerprints(&rig.shown[0], 60));
    rig.web.document("long.example", fingerprints(&rig.shown[0], 9_999_999_999_999));
    rig.web.document("least.example", reference("https://hosting.example/least", 60));
    rig.web.put("https://hosting.example/least", fingerprints(&rig.shown[0], 3_600));
    let asked = async |domain: &str, proven: bool| {
        assert_eq!(rig.is_proven(domain).await, proven, "{domain}");
        !rig.web.asked().is_empty()
    };
    let after = async |seconds: u64| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    };
    for domain in ["short.example", "long.example", "least.example"] {
        assert!(asked(domain, true).await, "{domain}");
        assert!(!asked(domain, true).await, "{domain}");
    }
    assert!(asked("silent.example", false).await);
    assert!(!asked("silent.example", false).await, "that there is nothing is kept, too");
    after(61).await;
    assert!(asked("short.example", true).await);
    assert!(asked("least.example", true).await, "the lower of the two");
    assert!(!asked("long.example", true).await);
    assert!(!asked("silent.example", false).await);
    after(300).await;
    assert!(asked("silent.example", false).await);
    after(24 * 60 * 60).await;
    assert!(asked("long.example", true).await);
}

#[tokio::test]
async fn who_is_proven_by_his_certificate_is_not_asked_for() {
    let mut rig = Rig::new("posh-unasked", HOSTS).await;
    rig.shown = [der(&rig.trust.authority.sign(&["a.example"]))];
    assert_eq!(rig.judge("a.example").await, Judgement::Proven(Association::Pkix));
    let none = rig.associations.judge(&[], "a.example").await;
    assert_eq!(none, Judgement::Unproven("it shows no certificate".to_owned()));
    assert_eq!(rig.web.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn many_who_ask_at_once_ask_the_domain_once() {
    let rig = Rig::new("posh-once", HOSTS).await;
    rig.web.document("a.example", fingerprints(&rig.shown[0], 3_600));
    let all = futures_util::future::join_all((0..50).map(|_| rig.is_proven("a.example"))).await;
    assert!(all.into_iter().all(|proven| proven));
    assert_eq!(rig.web.asked().len(), 1);
}
