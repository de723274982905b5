#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;

#[tokio::test]
async fn health_says_that_the_process_is_alive() {
    let door = Bench::start(true).await;
    let answer = door.get("/health").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nalive\n"), "{answer}");
}

#[tokio::test]
async fn ready_is_503_and_names_what_is_down_until_all_is_up() {
    let door = Bench::start(false).await;
    let answer = door.get("/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        body,
        "{\"ready\":false,\"down\":[\"XMPP component sip.example: said \\\"no\\\"\"],\"parts\":[\
         {\"name\":\"SIP udp:127.0.0.1:5060\",\"up\":true,\"detail\":\"listening\"},\
         {\"name\":\"XMPP component sip.example\",\"up\":false,\"detail\":\"said \\\"no\\\"\"}]}\n"
    );
    door.up.store(true, Ordering::Relaxed);
    let answer = door.get("/ready").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("{\"ready\":true,\"down\":[],"), "{answer}");
}

#[tokio::test]
async fn a_pair_is_explained_to_who_asks_over_http() {
    let door = Bench::start(true).await;
    let path = format!("/explain?one={}&other={}", escaped("j\u{fc}lia@xmpp.example"), escaped("a&b=c@sip.example"));
    let addr = door.addr;
    let answer = tokio::task::spawn_blocking(move || ask(addr, &path)).await.unwrap().unwrap();
    assert_eq!(answer, "j\u{fc}lia@xmpp.example watches a&b=c@sip.example\n");
    assert!(tokio::task::spawn_blocking(move || ask(addr, "/nothing")).await.unwrap().is_err());
}

#[tokio::test]
async fn metrics_are_open_metrics_text_with_families_together() {
    let answer = Bench::start(true).await.get("/metrics").await;
    assert!(answer.contains("\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        body,
        "# TYPE stox_messages counter\n\
         # HELP stox_messages Messages by outcome.\n\
         stox_messages_total{from=\"sip\",outcome=\"delivered\"} 3\n\
         stox_messages_total{from=\"a\\\\b\\\"c\\nd\",outcome=\"refused\"} 12345678901\n\
         # TYPE stox_link_up gauge\n\
         # HELP stox_link_up Whether the link is up.\n\
         stox_link_up 1\n\
         # EOF\n"
    );
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let door = Bench::start(true).await;
    assert!(door.get("/").await.starts_with("HTTP/1.1 404 "));
    assert!(
        door.ask("POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 405 ")
    );
}

#[tokio::test]
async fn a_request_without_end_closes_its_connection_only() {
    let door = Bench::start(true).await;
    let mut guest = TcpStream::connect(door.addr).await.unwrap();
    guest.write_all(b"GET /health HTTP/1.1\r\n").await.unwrap();
    let header = b"X: 0123456789\r\n".repeat(CONNECTION_BYTES / 15 + 1);
    // The other end may close while this is being written.
    let _ = guest.write_all(&header).await;
    let mut answer = Vec::new();
    let _ = guest.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert!(door.get("/health").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn connections_that_say_nothing_give_their_places_back() {
    let door = Bench::start_within(Duration::from_millis(500), true).await;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        idle.push(TcpStream::connect(door.addr).await.unwrap());
    }
    assert!(door.get("/health").await.starts_with("HTTP/1.1 200 "));
    drop(idle);
}

#[tokio::test]
async fn serving_ends_when_told() {
    let mut door = Bench::start(true).await;
    drop(door.stop.take());
    door.task.await.unwrap().unwrap();
}

struct Bench {
    addr: std::net::SocketAddr,
    up: Arc<AtomicBool>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

impl Bench {
    async fn start(ready: bool) -> Bench {
        Bench::start_within(CONNECTION_LIFE, ready).await
    }

    async fn start_within(life: Duration, ready: bool) -> Bench {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let up = Arc::new(AtomicBool::new(ready));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let seen = Arc::clone(&up);
        let sources = Sources {
            samples: Box::new(samples),
            readiness: Box::new(move || readiness(seen.load(Ordering::Relaxed))),
            explain: Box::new(|one, other| Box::pin(async move { Some(vec![format!("{one} watches {other}")]) })),
        };
        let task = tokio::spawn(serve_within(life, listener, sources, async move {
            let _ = stopped.await;
        }));
        Bench { addr, up, stop: Some(stop), task }
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn readiness(ready: bool) -> Readiness {
    let part = |name: &str, up, detail: &str| Part { name: name.to_owned(), up, detail: detail.to_owned() };
    Readiness {
        ready,
        parts: vec![
            part("SIP udp:127.0.0.1:5060", true, "listening"),
            part("XMPP component sip.example", ready, "said \"no\""),
        ],
    }
}

fn samples() -> Vec<Sample> {
    let messages = |from: &str, outcome: &str, value| Sample {
        name: "stox_messages",
        help: "Messages by outcome.",
        kind: Kind::Counter,
        labels: vec![("from", from.to_owned()), ("outcome", outcome.to_owned())],
        value,
    };
    let link =
        Sample { name: "stox_link_up", help: "Whether the link is up.", kind: Kind::Gauge, labels: vec![], value: 1.0 };
    vec![messages("sip", "delivered", 3.0), link, messages("a\\b\"c\nd", "refused", 12_345_678_901.0)]
}
