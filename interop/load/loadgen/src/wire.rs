//! SIP over connections, TCP or TLS, for both ends of the rig and for the floor. One thread, nothing blocks but connecting,
//! which on loopback is done at once. A link is known by the address of its other end.
use rustls::pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Udp,
    Tcp,
    Tls,
}
impl Kind {
    pub fn parse(s: &str) -> Kind {
        match s {
            "udp" => Kind::Udp,
            "tcp" => Kind::Tcp,
            "tls" => Kind::Tls,
            _ => panic!("transport {}: udp, tcp or tls", s),
        }
    }
    /// As it stands in Via.
    pub fn via(self) -> &'static str {
        match self {
            Kind::Udp => "UDP",
            Kind::Tcp => "TCP",
            Kind::Tls => "TLS",
        }
    }
}

/// Both ends have certificates of one authority, and each believes only that one.
#[derive(Clone)]
pub struct Tls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    name: ServerName<'static>,
}
impl Tls {
    /// `dir` has ca.crt, and NAME.crt and NAME.key of the own end; `peer` is what the other end's certificate names.
    pub fn load(dir: &str, own: &str, peer: &str) -> Tls {
        let file = |f: String| -> Vec<u8> { std::fs::read(&f).unwrap_or_else(|e| panic!("{}: {}", f, e)) };
        let certs = |f: String| CertificateDer::pem_slice_iter(&file(f)).map(|c| c.unwrap()).collect::<Vec<_>>();
        let key = || PrivateKeyDer::from_pem_slice(&file(format!("{dir}/{own}.key"))).expect("key");
        let mut roots = RootCertStore::empty();
        for c in certs(format!("{dir}/ca.crt")) {
            roots.add(c).expect("authority");
        }
        let roots = Arc::new(roots);
        let ask = rustls::server::WebPkiClientVerifier::builder(roots.clone()).allow_unauthenticated().build().unwrap();
        let mine = certs(format!("{dir}/{own}.crt"));
        let server = ServerConfig::builder().with_client_cert_verifier(ask).with_single_cert(mine.clone(), key());
        let client = ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(mine, key());
        Tls {
            server: Arc::new(server.expect("server certificate")),
            client: Arc::new(client.expect("client certificate")),
            name: ServerName::try_from(peer.to_string()).expect("name"),
        }
    }
    /// The client's side for a server-to-server stream over direct TLS (XEP-0368).
    pub fn xmpp(&self) -> Arc<ClientConfig> {
        let mut client = (*self.client).clone();
        client.alpn_protocols = vec![b"xmpp-server".to_vec()];
        Arc::new(client)
    }
}

struct Link {
    s: TcpStream,
    tls: Option<Connection>,
    inb: Vec<u8>,
    done: usize,
    out: Vec<u8>,
    opos: usize,
    dead: bool,
}
impl Link {
    fn new(s: TcpStream, tls: Option<Connection>) -> Link {
        s.set_nonblocking(true).ok();
        s.set_nodelay(true).ok();
        Link { s, tls, inb: vec![], done: 0, out: vec![], opos: 0, dead: false }
    }
    fn wants_write(&self) -> bool {
        self.opos < self.out.len() || self.tls.as_ref().map(|t| t.wants_write()).unwrap_or(false)
    }
    /// Takes what there is, up to a limit, so that a link that never runs dry does not starve the others.
    fn fill(&mut self) {
        for _ in 0..4 {
            let l = self.inb.len();
            let n = match &mut self.tls {
                None => {
                    self.inb.resize(l + 131072, 0);
                    let r = self.s.read(&mut self.inb[l..]);
                    self.inb.truncate(l + *r.as_ref().unwrap_or(&0));
                    r
                }
                Some(t) => match t.read_tls(&mut self.s) {
                    Ok(n) if n > 0 => match t.process_new_packets() {
                        Ok(_) => {
                            let _ = t.reader().read_to_end(&mut self.inb); // WouldBlock after the last
                            Ok(n)
                        }
                        Err(e) => {
                            eprintln!("TLS: {}", e);
                            Err(ErrorKind::InvalidData.into())
                        }
                    },
                    r => r,
                },
            };
            match n {
                Ok(0) => {
                    self.dead = true;
                    return;
                }
                Ok(n) if self.tls.is_none() && n < 131072 => return,
                Ok(_) => {}
                Err(e) => {
                    self.dead |= e.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }
    fn drain(&mut self) {
        if let Some(t) = &mut self.tls {
            loop {
                if !t.wants_write() {
                    // Not all at once: what waits here counts as backlog, what waits in there does not.
                    let n = (self.out.len() - self.opos).min(1 << 18);
                    if n == 0 || t.is_handshaking() {
                        break;
                    }
                    let _ = t.writer().write_all(&self.out[self.opos..self.opos + n]);
                    self.opos += n;
                }
                if let Err(e) = t.write_tls(&mut self.s) {
                    self.dead |= e.kind() != ErrorKind::WouldBlock;
                    break;
                }
            }
            return self.trim();
        }
        while self.opos < self.out.len() {
            match self.s.write(&self.out[self.opos..]) {
                Ok(n) => self.opos += n,
                Err(e) => {
                    self.dead |= e.kind() != ErrorKind::WouldBlock;
                    break;
                }
            }
        }
        self.trim()
    }
    fn trim(&mut self) {
        if self.opos == self.out.len() {
            self.out.clear();
            self.opos = 0
        } else if self.opos > 1 << 20 {
            self.out.drain(..self.opos);
            self.opos = 0
        }
    }
    /// The next whole message; keepalives between messages are answered or skipped.
    fn next(&mut self) -> Option<(usize, usize)> {
        while self.inb[self.done..].starts_with(b"\r\n") {
            if self.inb[self.done..].starts_with(b"\r\n\r\n") {
                self.out.extend(b"\r\n");
                self.done += 2;
            }
            self.done += 2;
        }
        let b = &self.inb[self.done..];
        let head = memchr::memmem::find(b, b"\r\n\r\n")? + 4;
        let length = content_length(&b[..head]);
        if b.len() < head + length {
            return None;
        }
        let from = self.done;
        self.done += head + length;
        Some((from, self.done))
    }
    fn compact(&mut self) {
        self.inb.drain(..self.done);
        self.done = 0;
    }
}
/// The value of Content-Length, long or compact; 0 without one.
fn content_length(head: &[u8]) -> usize {
    let mut at = 0;
    while let Some(nl) = memchr::memchr(b'\n', &head[at..]) {
        let line = &head[at..at + nl];
        at += nl + 1;
        let value = match line.first() {
            Some(b'C' | b'c') if line.len() > 15 && line[..14].eq_ignore_ascii_case(b"Content-Length") => &line[14..],
            Some(b'L' | b'l') if line.get(1) == Some(&b':') => &line[1..],
            _ => continue,
        };
        let digits: Vec<u8> = value.iter().copied().filter(u8::is_ascii_digit).collect();
        return String::from_utf8(digits).ok().and_then(|d| d.parse().ok()).unwrap_or(0);
    }
    0
}

pub struct Wire {
    lst: Option<TcpListener>,
    tls: Option<Tls>,
    links: HashMap<SocketAddrV4, Link>,
}
impl Wire {
    pub fn listen(bind: SocketAddrV4, tls: Option<Tls>) -> Wire {
        let mut w = Wire { lst: None, tls, links: HashMap::new() };
        for _ in 0..50 {
            match TcpListener::bind(bind) {
                Ok(l) => {
                    l.set_nonblocking(true).unwrap();
                    w.lst = Some(l);
                    return w;
                }
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
        }
        panic!("cannot listen on {}", bind);
    }
    /// By the link of that address, made if there is none. False: nothing listens there.
    pub fn send(&mut self, to: SocketAddrV4, d: &[u8]) -> bool {
        if !self.links.contains_key(&to) {
            let s = match TcpStream::connect(to) {
                Ok(s) => s,
                Err(_) => return false,
            };
            let tls = self.tls.as_ref().map(|t| {
                let mut c = ClientConnection::new(t.client.clone(), t.name.clone()).expect("TLS client");
                c.set_buffer_limit(None);
                c.into()
            });
            self.links.insert(to, Link::new(s, tls));
        }
        if let Some(l) = self.links.get_mut(&to) {
            l.out.extend(d);
        }
        true
    }
    pub fn flush(&mut self) {
        for l in self.links.values_mut() {
            if l.wants_write() {
                l.drain()
            }
        }
    }
    /// The most that waits for one reader.
    pub fn backlog(&self) -> usize {
        self.links.values().map(|l| l.out.len() - l.opos).max().unwrap_or(0)
    }
    pub fn poll(&self, pf: &mut Vec<libc::pollfd>) {
        let mut add = |fd, events| pf.push(libc::pollfd { fd, events, revents: 0 });
        if let Some(l) = &self.lst {
            add(l.as_raw_fd(), libc::POLLIN)
        }
        for l in self.links.values() {
            add(l.s.as_raw_fd(), libc::POLLIN | if l.wants_write() { libc::POLLOUT } else { 0 })
        }
    }
    pub fn read(&mut self, mut f: impl FnMut(&[u8], SocketAddrV4)) {
        while let Some(Ok((s, a))) = self.lst.as_ref().map(|l| l.accept()) {
            let std::net::SocketAddr::V4(a) = a else { continue };
            let tls = self.tls.as_ref().map(|t| {
                let mut c = ServerConnection::new(t.server.clone()).expect("TLS server");
                c.set_buffer_limit(None);
                c.into()
            });
            self.links.insert(a, Link::new(s, tls));
        }
        for (a, l) in &mut self.links {
            l.fill();
            while let Some((from, to)) = l.next() {
                f(&l.inb[from..to], *a)
            }
            l.compact();
        }
        self.links.retain(|_, l| !l.dead);
    }
}
