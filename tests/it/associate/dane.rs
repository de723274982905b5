use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_resolver::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_resolver::proto::dnssec::rdata::DNSKEY;
use hickory_resolver::proto::dnssec::{DnssecSigner, PublicKey, SigningKey};
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::serialize::txt::Parser;
use hickory_server::Server;
use hickory_server::dnssec::NxProofKind;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use stox::net::federation::associate::Associations;
use stox::net::{Clock, Dns, DnsSetup, Dnssec};
use stox::xmpp::federation::{Association, Judgement};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;

use super::{Trust, der};
use crate::certs::Authority;

/// `dane.test`, whose server is `host.dane.test`, and a host below it without SRV records.
fn zone(certificate: &CertificateDer<'_>, other: &CertificateDer<'_>) -> String {
    let hash =
        |of: &CertificateDer<'_>| Sha256::digest(of).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (right, wrong) = (hash(certificate), hash(other));
    format!(
        "$ORIGIN dane.test.\n\
         @ 60 IN SOA ns hostmaster 1 3600 600 86400 7\n\
         @ 60 IN NS ns\n\
         ns 60 IN A 127.0.0.1\n\
         host 60 IN A 127.0.0.1\n\
         host 60 IN AAAA ::1\n\
         _xmpp-server._tcp 60 IN SRV 1 1 5269 host\n\
         _xmpp-server._tcp.wrong 60 IN SRV 1 1 5270 host\n\
         _xmpp-server._tcp.port 60 IN SRV 1 1 5271 host\n\
         _5269._tcp.host 60 IN TLSA 3 0 1 {right}\n\
         _5270._tcp.host 60 IN TLSA 3 0 1 {wrong}\n"
    )
}

/// What belongs to a test and ends with it.
struct Rig {
    trust: Trust,
    associations: Associations,
    shown: [CertificateDer<'static>; 1],
    _server: Server<Catalog>,
}

impl Rig {
    /// `signed`: whether the zone is. `known`: whether we have its key, and not another.
    async fn new(name: &str, signed: bool, known: bool) -> Self {
        let trust = Trust::new(name);
        let shown = [der(&Authority::new().sign(&["nobody.example"]))];
        let other = der(&Authority::new().sign(&["nobody.example"]));
        let key = || Ed25519SigningKey::from_pkcs8(&Ed25519SigningKey::generate_pkcs8().unwrap()).unwrap();
        let (key, another) = (key(), key());
        let anchor = if known { key.to_public_key() } else { another.to_public_key() };
        let text = STANDARD.encode(anchor.unwrap().public_bytes());
        let file = trust.folder.join("dnskey");
        std::fs::write(&file, format!("dane.test. 3600 IN DNSKEY 257 3 15 {text}\n")).unwrap();
        let (server, addr) = serve(&zone(&shown[0], &other), signed.then_some(key)).await;
        let (shard, _) = mpsc::channel(16);
        let timeout = Duration::from_secs(5);
        let dns = Dns::new(&DnsSetup { servers: vec![addr], timeout, attempts: 1, dnssec: Dnssec::File(file) }, shard);
        let associations = Associations::new(Arc::clone(&trust.store), Clock::start()).with_dane(dns);
        Self { trust, associations, shown, _server: server }
    }

    async fn judge(&self, domain: &str) -> Judgement {
        self.associations.judge(&self.shown, domain).await
    }
}

/// A server that has the zone, over UDP and TCP; it ends with what is given back.
async fn serve(zone: &str, key: Option<Ed25519SigningKey>) -> (Server<Catalog>, SocketAddr) {
    let origin = Name::from_ascii("dane.test.").unwrap();
    let (_, records) = Parser::new(zone, None, Some(origin.clone())).parse().unwrap();
    let proof = key.is_some().then_some(NxProofKind::Nsec);
    let zone = InMemoryZoneHandler::new(origin.clone(), records, ZoneType::Primary, AxfrPolicy::Deny, proof);
    let mut handler: InMemoryZoneHandler = zone.unwrap();
    if let Some(key) = key {
        let dnskey = DNSKEY::from_key(&key.to_public_key().unwrap());
        let signer = DnssecSigner::new(dnskey, Box::new(key), origin.clone(), Duration::from_secs(86_400));
        handler.add_zone_signing_key_mut(signer).unwrap();
        handler.secure_zone_mut().unwrap();
    }
    let mut catalog = Catalog::new();
    catalog.upsert(origin.into(), vec![Arc::new(handler)]);
    let mut server = Server::new(catalog);
    // The port must be free for both, which the system only knows for one at a time.
    let (addr, udp, tcp) = loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = udp.local_addr().unwrap();
        if let Ok(tcp) = TcpListener::bind(addr).await {
            break (addr, udp, tcp);
        }
    };
    server.register_socket(udp);
    server.register_listener(tcp, Duration::from_secs(5), 16);
    (server, addr)
}

fn unproven() -> Judgement {
    Judgement::Unproven("its certificate is signed by nobody we trust".to_owned())
}

#[tokio::test]
async fn a_signed_zone_may_name_the_certificate_of_its_server() {
    let rig = Rig::new("dane-good", true, true).await;
    assert_eq!(rig.judge("dane.test").await, Judgement::Proven(Association::Dane));
    assert_eq!(rig.judge("wrong.dane.test").await, unproven(), "it has another one");
    assert_eq!(rig.judge("port.dane.test").await, unproven(), "it has none at this port");
    assert_eq!(rig.judge("nowhere.dane.test").await, unproven(), "there is no such name");
    let known = [der(&rig.trust.authority.sign(&["wrong.dane.test"]))];
    let judged = rig.associations.judge(&known, "wrong.dane.test").await;
    assert_eq!(judged, Judgement::Proven(Association::Pkix), "nobody is asked where PKIX has proven it");
}

#[tokio::test]
async fn a_zone_that_nobody_can_prove_proves_nothing() {
    for (name, signed, known) in [("dane-unsigned", false, true), ("dane-forged", true, false)] {
        let rig = Rig::new(name, signed, known).await;
        assert_eq!(rig.judge("dane.test").await, unproven(), "{name}");
    }
}
