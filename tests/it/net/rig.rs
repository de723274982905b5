//! A gateway as a child process, and the plain sockets around it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

mod server;
mod sip;
mod tls;

pub(crate) use server::*;
pub(crate) use sip::*;
pub(crate) use tls::*;

/// How long anything may take that has to happen: long, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often something is looked at that tells nobody when it changes.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What the XMPP server and the component share.
pub(crate) const SECRET: &str = "s3cret-of-the-link";

/// A running gateway. It ends with this.
pub(crate) struct Stox {
    child: Child,
    folder: PathBuf,
    log: Arc<Mutex<String>>,
    /// Closed when it ends.
    ended: Receiver<()>,
    /// Where it takes SIP, over UDP and TCP.
    pub(crate) sip: SocketAddr,
    /// Where its operators ask.
    pub(crate) admin: SocketAddr,
}

/// What a test wants different.
#[derive(Default)]
pub(crate) struct Setup<'t> {
    /// More of `[[xmpp.component]]`.
    pub(crate) component: &'t str,
    /// `listen` of `[sip]`, if it is not its own address, which `{ip}` stands for.
    pub(crate) listen: Option<&'t str>,
    /// More of `[sip]`.
    pub(crate) sip: &'t str,
    /// More of the domain whose users live in SIP.
    pub(crate) domain: &'t str,
    /// More sections; `{ip}` stands for its own address.
    pub(crate) more: &'t str,
    /// The next hop, if it is not the phone.
    pub(crate) next_hop: Option<&'t str>,
}

impl Stox {
    /// Starts one that knows the XMPP server at `server` and the phone at `phone`.
    pub(crate) fn start(server: SocketAddr, phone: SocketAddr, setup: &Setup<'_>) -> Self {
        let ip = Self::own_address();
        let (sip, admin) = (SocketAddr::new(ip.into(), 5060), SocketAddr::new(ip.into(), 9480));
        let Setup { component, listen, sip: more_sip, domain, more, next_hop } = setup;
        let next_hop = next_hop.map_or_else(|| format!("sip:{phone};transport=udp"), str::to_owned);
        // Most phones of these tests count what they get.
        let options = if domain.contains("options_every") { "" } else { "options_every = \"off\"\n" };
        let own = format!("listen = [\"udp:{sip}\", \"tcp:{sip}\"]");
        let listen = listen.unwrap_or(&own).replace("{ip}", &ip.to_string());
        let more = more.replace("{ip}", &ip.to_string());
        let text = format!(
            "[[xmpp.component]]\ndomain = \"sip.example\"\nserver = \"{server}\"\nsecret = \"{SECRET}\"\n{component}\n\
             [sip]\n{listen}\n{more_sip}\n\
             [admin]\nlisten = \"{admin}\"\n\
             [[domain]]\nhome = \"sip\"\nxmpp = \"sip.example\"\nsip = \"pbx.example\"\n\
             next_hop = \"{next_hop}\"\n{options}{domain}\n\
             [[domain]]\nhome = \"xmpp\"\nxmpp = \"xmpp.example\"\nsip = \"xmpp.example\"\n{more}\n"
        );
        Self::with_config(ip, &text)
    }

    /// A loopback address that no other gateway of these tests has.
    pub(crate) fn own_address() -> Ipv4Addr {
        static COUNT: AtomicU8 = AtomicU8::new(1);
        let [high, low] = u16::try_from(std::process::id() & 0xffff).unwrap().to_be_bytes();
        Ipv4Addr::new(127, 1 + high % 250, low, COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Starts one with this configuration, which has SIP at port 5060 of this address and the admin page at 9480.
    pub(crate) fn with_config(ip: Ipv4Addr, text: &str) -> Self {
        let (sip, admin) = (SocketAddr::new(ip.into(), 5060), SocketAddr::new(ip.into(), 9480));
        let folder = std::env::temp_dir().join(format!("stox-net-{ip}"));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("stox.toml");
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_stox"))
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let (open, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let _open = open;
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self { child, folder, log, ended, sip, admin }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Memory it really uses, bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
    }

    /// Processor time it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    /// The answer of the admin socket: status line and body.
    pub(crate) fn ask(&self, path: &str) -> (String, String) {
        let mut socket = connect(self.admin);
        write!(socket, "GET {path} HTTP/1.1\r\nHost: stox\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// The sum of a metric over its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, body) = self.ask("/metrics");
        let lines = body.lines().filter(|line| {
            let base = line.split(['{', ' ']).next().unwrap_or_default();
            base == name || base.strip_suffix("_total") == Some(name)
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until `metric` is at least `least`; it is published twice a second.
    pub(crate) fn wait_for_metric(&self, metric: &str, least: f64) {
        let mut last = 0.0;
        wait_until(&format!("{metric} >= {least}"), || {
            last = self.metric(metric);
            last >= least
        });
    }

    /// Asks it to stop as systemd does.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Its own address with another port.
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.sip.ip(), port)
    }

    /// Waits until a line of the log has all of `parts` in it.
    pub(crate) fn wait_for_line(&self, parts: &[&str]) {
        wait_until(&format!("a line with {parts:?}"), || {
            self.log().lines().any(|line| parts.iter().all(|part| line.contains(part)))
        });
    }

    /// How it ended.
    pub(crate) fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let ended = self.ended.recv_timeout(at_most) == Err(RecvTimeoutError::Disconnected);
        assert!(ended, "still running after {at_most:?}:\n{}", self.log());
        self.child.wait().unwrap()
    }

    /// It still runs, and has not told of a panic.
    pub(crate) fn assert_alive(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "it ended:\n{}", self.log());
        assert!(!self.log().contains("panicked"), "{}", self.log());
    }
}

impl Drop for Stox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(4_000);
            eprintln!("what stox logged last:\n{}", log.get(tail..).unwrap_or(&log));
        } else {
            assert!(!self.log().contains("panicked"), "{}", self.log());
        }
    }
}

/// Looks again and again until `done`.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// A TCP connection to `addr`.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Everything up: a gateway, the server's end of its link, and a phone that is its next hop.
pub(crate) struct World {
    pub(crate) stox: Stox,
    pub(crate) server: Server,
    pub(crate) phone: Phone,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&Setup::default())
    }

    pub(crate) fn with(setup: &Setup<'_>) -> Self {
        let (listener, phone) = (TcpListener::bind("127.0.0.1:0").unwrap(), Phone::new());
        let stox = Stox::start(listener.local_addr().unwrap(), phone.addr(), setup);
        let mut server = Server::accept(listener, PATIENCE);
        server.negotiate();
        server.settle();
        Self { stox, server, phone }
    }

    /// One message each way still crosses, whatever happened before.
    pub(crate) fn assert_it_works(&mut self) {
        self.assert_sip_to_xmpp_works();
        let text = format!("good {};", unique());
        self.server.send(&format!(
            "<message from='juliet@xmpp.example/balcony' to='romeo@sip.example' id='{text}'><body>{text}</body></message>"
        ));
        let request = self.phone.read_message(&text);
        self.phone.answer(&request, self.stox.sip, 200, "OK");
        self.stox.assert_alive();
    }

    /// The same, where the first datagram may be lost: it is repeated as phones do.
    pub(crate) fn retry_sip_to_xmpp(&mut self) {
        let sent = message("romeo", "juliet", "one of many");
        let until = Instant::now() + PATIENCE;
        loop {
            self.phone.send(self.stox.sip, &sent);
            let again = Instant::now() + Duration::from_millis(500);
            while Instant::now() < again {
                self.server.answer_a_ping_that_is_here();
                match self.phone.receive(LOOK_AGAIN) {
                    Some(text) if text.contains(call_id(&sent)) => {
                        return assert!(text.starts_with("SIP/2.0 20"), "{text}");
                    }
                    Some(_) | None => {}
                }
            }
            assert!(Instant::now() < until, "no response at all");
        }
    }

    /// A message from SIP to XMPP still crosses and is answered 200.
    pub(crate) fn assert_sip_to_xmpp_works(&mut self) {
        let text = format!("good {};", unique());
        let sent = message("romeo", "juliet", &text);
        self.phone.send(self.stox.sip, &sent);
        let answer = self.answer_pings_until_answered(call_id(&sent));
        // 202: it took this slow a server, or this busy a machine, more than a second to confirm.
        assert!(answer.starts_with("SIP/2.0 200 ") || answer.starts_with("SIP/2.0 202 "), "{answer}");
    }
}

impl World {
    /// Answers every ping until the phone hears of its request; gives the response.
    pub(crate) fn answer_pings_until_answered(&mut self, call_id: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            self.server.answer_a_ping_that_is_here();
            match self.phone.receive(LOOK_AGAIN) {
                Some(text) if text.starts_with("SIP/2.0 ") && text.contains(call_id) => return text,
                Some(_) | None => assert!(Instant::now() < until, "no response to {call_id}"),
            }
        }
    }
}
