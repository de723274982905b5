//! The resolver against name servers that are right, wrong, late, silent and talkative.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::serialize::txt::Parser;
use hickory_server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use stox::gateway::Input;
use stox::net::{Dns, DnsSetup, Dnssec};
use stox::sip::locate::{Answer, Dice, Query, Reason, Transport};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;

use super::rig::{PATIENCE, Phone, Server as XmppServer, Setup, Stox, World};

const ZONE: &str = r#"
$ORIGIN pbx.test.
@             60 IN SOA   ns hostmaster 1 3600 600 86400 7
@             60 IN NS    ns
ns            60 IN A     127.0.0.1
@             60 IN NAPTR 10 50 "s" "SIP+D2T" "" _sip._tcp.pbx.test.
@             60 IN NAPTR 20 50 "s" "SIP+D2U" "" _sip._udp.pbx.test.
_sip._tcp     60 IN SRV   10 0 5070 one
_sip._tcp     60 IN SRV   20 0 5071 two
_sip._udp     60 IN SRV   10 0 5060 one
one           30 IN A     192.0.2.1
one           30 IN AAAA  2001:db8::1
two           60 IN A     192.0.2.2
alias         60 IN CNAME one
_sip._udp.off 60 IN SRV   0 0 0 .
"#;

/// What belongs to a test and ends with it.
struct Rig {
    dns: Dns,
    inputs: mpsc::Receiver<Vec<Input>>,
    _server: Option<Server<Catalog>>,
}

impl Rig {
    fn at(addr: SocketAddr, timeout: Duration, attempts: usize) -> Self {
        let (shard, inputs) = mpsc::channel(16);
        let dns = Dns::new(&DnsSetup { servers: vec![addr], timeout, attempts, dnssec: Dnssec::Off }, shard);
        Self { dns, inputs, _server: None }
    }

    /// Before a server that has the zone.
    async fn of(zone: &str) -> Self {
        let (server, addr) = serve(zone).await;
        Self { _server: Some(server), ..Self::at(addr, Duration::from_secs(5), 1) }
    }

    async fn answer(&self, query: Query) -> (Answer, u64) {
        let found = self.dns.answer(&query).await;
        (found.answer, found.ttl.as_secs_f64().ceil() as u64)
    }

    async fn find(&self, host: &str) -> Result<Vec<String>, Reason> {
        let destination =
            stox::sip::locate::Destination { host: host.to_owned(), port: None, transport: None, secure: false };
        let have = [Transport::Udp, Transport::Tcp].into_iter().collect();
        let plan = self.dns.find(&destination, have).await?;
        let targets = plan.order(&mut Dice::new(1)).into_iter();
        Ok(targets.map(|target| format!("{} {}", target.transport, target.addr)).collect())
    }
}

/// A server that has the zone, over UDP and TCP; it ends with what is given back.
pub(super) async fn serve(zone: &str) -> (Server<Catalog>, SocketAddr) {
    let origin = Name::from_ascii("pbx.test.").unwrap();
    let (_, records) = Parser::new(zone, None, Some(origin.clone())).parse().unwrap();
    let zone = InMemoryZoneHandler::new(origin.clone(), records, ZoneType::Primary, AxfrPolicy::Deny, None);
    let handler: InMemoryZoneHandler = zone.unwrap();
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

fn naptr(name: &str) -> Query {
    Query::Naptr { name: name.to_owned() }
}

fn srv(name: &str) -> Query {
    Query::Srv { name: name.to_owned() }
}

fn addresses(name: &str) -> Query {
    Query::Addresses { name: name.to_owned() }
}

/// A name server of one function: what it sends for the question of this number, to whoever asks.
async fn raw(answers: impl Fn(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut bytes = [0; 2048];
        for number in 0.. {
            let Ok((len, from)) = socket.recv_from(&mut bytes).await else { return };
            for answer in answers(&bytes[..len], number) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    addr
}

/// The question sent back as an answer without records, its flags' second byte as given.
fn echo(question: &[u8], code: u8) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] |= 0x80;
    answer[3] = code;
    answer
}

const SHORT: Duration = Duration::from_millis(150);
const SERVFAIL: u8 = 2;

#[tokio::test]
async fn naptr_srv_and_addresses_lead_to_the_servers_of_a_domain() {
    let rig = Rig::of(ZONE).await;
    assert_eq!(
        rig.find("pbx.test").await,
        Ok(["TCP [2001:db8::1]:5070", "TCP 192.0.2.1:5070", "TCP 192.0.2.2:5071"].map(str::to_owned).to_vec())
    );
    assert_eq!(rig.find("off.pbx.test").await, Err(Reason::NoService));
    assert_eq!(rig.find("gone.pbx.test").await, Err(Reason::NoAddress));
}

#[tokio::test]
async fn every_answer_comes_with_the_time_it_holds() {
    let rig = Rig::of(ZONE).await;
    let (Answer::Naptr(records), 60) = rig.answer(naptr("pbx.test")).await else { panic!("two NAPTR records") };
    assert_eq!((records.len(), records[0].replacement.as_str()), (2, "_sip._tcp.pbx.test"));
    let (Answer::Srv(records), 60) = rig.answer(srv("_sip._udp.off.pbx.test")).await else { panic!("one record") };
    assert!(records[0].is_refusal());
    let ips = ["2001:db8::1", "192.0.2.1"].map(|ip| ip.parse().unwrap()).to_vec();
    assert_eq!(rig.answer(addresses("one.pbx.test")).await, (Answer::Addresses(ips.clone()), 30));
    assert_eq!(rig.answer(addresses("alias.pbx.test")).await, (Answer::Addresses(ips), 30), "through the alias");
}

#[tokio::test]
async fn a_denial_holds_as_long_as_the_zone_says() {
    let rig = Rig::of(ZONE).await;
    assert_eq!(rig.answer(addresses("gone.pbx.test")).await, (Answer::NoSuchName, 7));
    assert_eq!(rig.answer(srv("pbx.test")).await, (Answer::Srv(Vec::new()), 7));
    assert_eq!(rig.answer(addresses("pbx.test")).await, (Answer::Addresses(Vec::new()), 7));
}

#[tokio::test]
async fn a_hundred_records_come_whole_over_tcp() {
    let record = |n: usize| format!("_sip._udp.many 60 IN SRV {n} 0 5060 host-with-a-long-name-{n}\n");
    let rig = Rig::of(&(ZONE.to_owned() + &(0..100).map(record).collect::<String>())).await;
    let (answer, _) = rig.answer(srv("_sip._udp.many.pbx.test")).await;
    assert!(matches!(&answer, Answer::Srv(records) if records.len() == 100), "{answer:?}");
    let rig = Rig::of(&(ZONE.to_owned() + &(0..500).map(record).collect::<String>())).await;
    let (answer, _) = rig.answer(srv("_sip._udp.many.pbx.test")).await;
    assert!(matches!(&answer, Answer::Srv(records) if records.len() <= 128), "and thousands do not");
}

#[tokio::test]
async fn an_answer_goes_to_the_shard() {
    let mut rig = Rig::of(ZONE).await;
    rig.dns.ask(7, addresses("two.pbx.test"));
    let inputs = rig.inputs.recv().await.unwrap();
    let ip: std::net::IpAddr = "192.0.2.2".parse().unwrap();
    assert!(matches!(&inputs[..], [Input::Located(7, Answer::Addresses(found), _)] if *found == [ip]), "{inputs:?}");
}

#[tokio::test]
async fn a_silent_server_is_no_answer_and_soon() {
    let rig = Rig::at(raw(|_, _| Vec::new()).await, SHORT, 2);
    let start = Instant::now();
    assert_eq!(rig.answer(addresses("pbx.test")).await.0, Answer::Unavailable);
    assert!(start.elapsed() < 20 * SHORT, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_is_down_is_no_answer() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = socket.local_addr().unwrap();
    drop(socket);
    assert_eq!(Rig::at(addr, SHORT, 1).answer(naptr("pbx.test")).await.0, Answer::Unavailable);
}

#[tokio::test]
async fn a_failure_of_the_server_is_no_answer() {
    let rig = Rig::at(raw(|question, _| vec![echo(question, SERVFAIL)]).await, SHORT, 2);
    for query in [naptr("pbx.test"), srv("_sip._udp.pbx.test"), addresses("pbx.test")] {
        assert_eq!(rig.answer(query).await.0, Answer::Unavailable);
    }
}

#[tokio::test]
async fn wrong_answers_are_not_believed() {
    type Wrong = fn(&[u8]) -> Vec<u8>;
    let wrong: [Wrong; 5] = [
        |question| {
            let mut other = echo(question, 0);
            other[0] ^= 1;
            other
        },
        |_| b"this is not DNS".to_vec(),
        |_| Vec::new(),
        |question| question[..question.len().min(11)].to_vec(),
        |question| {
            // The answer to a question about another name.
            let mut other = echo(question, 0);
            other[13] ^= 1;
            other
        },
    ];
    for (number, answer) in wrong.into_iter().enumerate() {
        let rig = Rig::at(raw(move |question, _| vec![answer(question)]).await, SHORT, 1);
        let start = Instant::now();
        assert_eq!(rig.answer(srv("_sip._udp.pbx.test")).await.0, Answer::Unavailable, "number {number}");
        assert!(start.elapsed() < 20 * SHORT);
    }
}

#[tokio::test]
async fn the_right_answer_counts_among_wrong_ones() {
    let noise = |question: &[u8], _| {
        let mut other = echo(question, 3);
        other[0] ^= 1;
        vec![other, b"noise".to_vec(), echo(question, 0)]
    };
    let rig = Rig::at(raw(noise).await, Duration::from_secs(5), 1);
    assert_eq!(
        rig.answer(srv("_sip._udp.pbx.test")).await,
        (Answer::Srv(Vec::new()), 60),
        "none, and no SOA says how long"
    );
}

#[tokio::test]
async fn an_answer_that_comes_at_the_second_try_is_heard() {
    let late = |question: &[u8], number| if number == 0 { Vec::new() } else { vec![echo(question, 0)] };
    let rig = Rig::at(raw(late).await, SHORT, 3);
    assert_eq!(rig.answer(srv("_sip._udp.pbx.test")).await.0, Answer::Srv(Vec::new()));
}

#[tokio::test]
async fn addresses_of_one_family_serve_while_the_other_cannot_be_had() {
    // The type is in the last four bytes of the question, which EDNS follows: 28 is AAAA.
    let only_four = |question: &[u8], _| {
        let name_end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
        if question[name_end + 1] == 28 {
            return vec![echo(question, SERVFAIL)];
        }
        let mut answer = question[..name_end + 4].to_vec();
        answer[2] |= 0x80;
        answer[3] = 0;
        answer[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
        vec![answer]
    };
    let rig = Rig::at(raw(only_four).await, SHORT, 1);
    let found = Answer::Addresses(vec!["192.0.2.7".parse().unwrap()]);
    assert_eq!(rig.answer(addresses("pbx.test")).await, (found, 5), "and it is asked again soon");
}

#[tokio::test]
async fn thousands_of_questions_wait_for_a_silent_server_within_bounds() {
    let heard: Arc<Mutex<HashSet<Vec<u8>>>> = Arc::default();
    let names = Arc::clone(&heard);
    let listen = move |question: &[u8], _| {
        names.lock().unwrap().insert(question[12..].to_vec());
        Vec::new()
    };
    let rig = Rig::at(raw(listen).await, Duration::from_millis(20), 1);
    let ask = |n| {
        let dns = rig.dns.clone();
        tokio::spawn(async move { dns.answer(&srv(&format!("_sip._udp.d{n}.test"))).await.answer })
    };
    for task in (0..3_000).map(ask).collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), Answer::Unavailable);
    }
    let heard = heard.lock().unwrap().len();
    assert!((1..=1_100).contains(&heard), "what cannot wait is not asked: {heard}");
}

#[test]
fn the_servers_of_a_next_hop_get_its_messages_and_may_send_in_its_name() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (phone, gone) = (Phone::new(), Phone::new());
    let ports = [gone.addr().port(), phone.addr().port()];
    let record = |n: usize| format!("_sip._udp.live 60 IN SRV {n} 0 {} host\n", ports[n]);
    let zone = format!("{ZONE}{}{}host 60 IN A 127.0.0.1\n", record(0), record(1));
    drop(gone);
    let (_names, addr) = runtime.block_on(serve(&zone));
    let more = format!("[dns]\nservers = [\"{addr}\"]\n");
    let setup = Setup { next_hop: Some("sip:live.pbx.test;transport=udp"), more: &more, ..Setup::default() };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stox = Stox::start(listener.local_addr().unwrap(), phone.addr(), &setup);
    let mut server = XmppServer::accept(listener, PATIENCE);
    server.negotiate();
    server.settle();
    let mut world = World { stox, server, phone };
    world.assert_it_works();
    world.assert_it_works();
    // The first server is not there, and ICMP said so.
    world.stox.wait_for_metric("stox_sip_targets_failing", 1.0);
}
