//! `loadgen flood`: what scanners send, fast, from one or from many addresses of loopback, for so many seconds at a steady
//! rate; then one JSON line that says what was sent and what came back. Nothing leaves loopback: both ends must be in
//! 127.0.0.0/8.
//!
//! Each datagram is a request of its own (branch and Call-ID count up), as scanners send them. `connections` opens TCP
//! connections instead, sends one request on each, and waits for its end.
use crate::util::now;
use crate::{v4, MS};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::FromRawFd;
use std::time::Duration;

/// How far the sender may fall behind before what it missed is left out, ns: a machine that is too slow sends less, and
/// says so, instead of sending bursts.
const BEHIND: u64 = 100 * MS;

pub struct Flood {
    pub target: SocketAddrV4,
    pub sources: usize,
    /// A second.
    pub rate: u64,
    pub seconds: u64,
    /// `options`, `register`, `invite`, `mixed`, `rubbish`, `connections`.
    pub what: String,
}

#[derive(Default)]
struct Count {
    sent: u64,
    sent_bytes: u64,
    failed: u64,
    answers: u64,
    answer_bytes: u64,
}

pub fn run(flood: &Flood) {
    assert!(flood.target.ip().is_loopback(), "only loopback is flooded");
    let mut count = Count::default();
    let start = now();
    if flood.what == "connections" {
        connections(flood, &mut count);
    } else {
        datagrams(flood, &mut count);
    }
    let seconds = (now() - start) as f64 / 1e9;
    println!(
        "{{\"what\":\"{}\",\"sources\":{},\"sent\":{},\"per_s\":{:.0},\"sent_bytes\":{},\"failed\":{},\"answers\":{},\"answer_bytes\":{}}}",
        flood.what,
        flood.sources,
        count.sent,
        count.sent as f64 / seconds,
        count.sent_bytes,
        count.failed,
        count.answers,
        count.answer_bytes
    );
}

/// The n-th source: 127.66.0.1 and on, none of which is a peer.
fn source(n: usize) -> Ipv4Addr {
    let [_, a, b, c] = (66 << 16 | (n as u32 + 1)).to_be_bytes();
    Ipv4Addr::new(127, a, b, c)
}

fn datagrams(flood: &Flood, count: &mut Count) {
    let sockets: Vec<UdpSocket> = (0..flood.sources)
        .map(|n| {
            let socket = UdpSocket::bind(SocketAddrV4::new(source(n), 0)).expect("a loopback address");
            socket.set_nonblocking(true).expect("a socket");
            socket
        })
        .collect();
    let (start, mut buffer, mut text) = (now(), [0; 2048], String::new());
    let (end, step) = (start + flood.seconds * 1_000 * MS, 1_000 * MS / flood.rate.max(1));
    let mut due = start;
    let mut n = 0;
    while now() < end {
        if due > now() {
            std::thread::sleep(Duration::from_nanos(due - now()).min(Duration::from_millis(1)));
            continue;
        }
        due = (due + step).max(now().saturating_sub(BEHIND));
        let socket = &sockets[n % sockets.len()];
        let bytes = message(&flood.what, n, socket.local_addr().expect("bound").port(), source(n % sockets.len()), &mut text);
        match socket.send_to(bytes, flood.target) {
            Ok(length) => {
                count.sent += 1;
                count.sent_bytes += length as u64;
            }
            Err(_) => count.failed += 1,
        }
        while let Ok(length) = socket.recv(&mut buffer) {
            count.answers += 1;
            count.answer_bytes += length as u64;
        }
        n += 1;
    }
    for socket in &sockets {
        while let Ok(length) = socket.recv(&mut buffer) {
            count.answers += 1;
            count.answer_bytes += length as u64;
        }
    }
}

/// Connections from each source in turn, at most a hundred open.
fn connections(flood: &Flood, count: &mut Count) {
    let (start, mut text) = (now(), String::new());
    let (end, step) = (start + flood.seconds * 1_000 * MS, 1_000 * MS / flood.rate.max(1));
    let (mut due, mut n, mut buffer) = (start, 0, [0; 2048]);
    let mut open = std::collections::VecDeque::<TcpStream>::new();
    while now() < end {
        if due > now() {
            std::thread::sleep(Duration::from_nanos(due - now()).min(Duration::from_millis(1)));
            continue;
        }
        due = (due + step).max(now().saturating_sub(BEHIND));
        match connect(source(n % flood.sources), flood.target) {
            Ok(mut stream) => {
                let bytes = message("options", n, 5060, source(n % flood.sources), &mut text);
                count.sent += u64::from(stream.write_all(bytes).is_ok());
                count.sent_bytes += bytes.len() as u64;
                open.push_back(stream);
            }
            Err(_) => count.failed += 1,
        }
        if open.len() > 100 {
            let length = open.pop_front().map_or(0, |mut stream| stream.read(&mut buffer).unwrap_or(0));
            count.answers += u64::from(length > 0);
            count.answer_bytes += length as u64;
        }
        n += 1;
    }
}

/// A connection from an address of our choice, which the standard library cannot make.
fn connect(from: Ipv4Addr, target: SocketAddrV4) -> std::io::Result<TcpStream> {
    let address = |at: SocketAddrV4| libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: at.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*at.ip()).to_be() },
        sin_zero: [0; 8],
    };
    let (own, other) = (address(SocketAddrV4::new(from, 0)), address(target));
    let size = std::mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        let stream = TcpStream::from_raw_fd(fd);
        if libc::bind(fd, (&raw const own).cast(), size) < 0 || libc::connect(fd, (&raw const other).cast(), size) < 0 {
            return Err(std::io::Error::last_os_error());
        }
        stream.set_nonblocking(true)?;
        Ok(stream)
    }
}

fn message<'t>(what: &str, n: usize, port: u16, ip: Ipv4Addr, text: &'t mut String) -> &'t [u8] {
    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6060 RTP/AVP 0 8\r\n";
    let method = match (what, n % 3) {
        ("options", _) | ("mixed", 0) => "OPTIONS",
        ("register", _) | ("mixed", 1) => "REGISTER",
        ("invite", _) | ("mixed", _) => "INVITE",
        _ => "",
    };
    text.clear();
    if method.is_empty() {
        text.push_str(&"\u{1}x".repeat(200));
        return text.as_bytes();
    }
    let (kind, body) = if method == "INVITE" { ("Content-Type: application/sdp\r\n", SDP) } else { ("", "") };
    use std::fmt::Write;
    let _ = write!(
        text,
        "{method} sip:{n}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {ip}:{port};branch=z9hG4bK-{n};rport\r\nMax-Forwards: 70\r\n\
         To: \"{n}\"<sip:{n}@127.0.0.1>\r\nFrom: \"{n}\"<sip:{n}@127.0.0.1>;tag=31303001363732{n}\r\nUser-Agent: friendly-scanner\r\n\
         Call-ID: {n}-{port}\r\nContact: sip:{n}@{ip}:{port}\r\nCSeq: 1 {method}\r\nAccept: application/sdp\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    text.as_bytes()
}

pub fn flood(option: impl Fn(&str, &str) -> String) -> Flood {
    let number = |key: &str, default: &str| option(key, default).parse().expect("a number");
    Flood {
        target: v4(&option("gw-sip", "127.0.0.1:25060")),
        sources: number("sources", "1") as usize,
        rate: number("rate", "10000"),
        seconds: number("seconds", "10"),
        what: option("what", "mixed"),
    }
}
