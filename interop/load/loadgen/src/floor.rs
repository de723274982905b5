//! The 'wire floor': a forwarder that does the least a gateway could do.
//! XML from TCP until </message> -> fixed SIP MESSAGE template over UDP, TCP or TLS, body copied verbatim;
//! SIP MESSAGE -> 200 with copied headers + a fixed <message/>; nothing is parsed, stored, escaped or retransmitted.
use crate::wire::{Kind, Tls, Wire};
use memchr::memmem::Finder;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
fn between<'a>(h: &'a [u8], a: &Finder, alen: usize, end: u8) -> &'a [u8] {
    match a.find(h) {
        Some(i) => {
            let r = &h[i + alen..];
            &r[..memchr::memchr(end, r).unwrap_or(0)]
        }
        None => b"",
    }
}
fn bare(j: &[u8]) -> &[u8] {
    &j[..memchr::memchr(b'/', j).unwrap_or(j.len())]
}
/// The SIP side: datagrams, or links that are kept.
enum Side {
    Udp(UdpSocket, Vec<u8>),
    Wire(Wire),
}
impl Side {
    fn open(bind: SocketAddrV4, kind: Kind, tls: Option<Tls>) -> Side {
        if kind != Kind::Udp {
            return Side::Wire(Wire::listen(bind, tls));
        }
        let u = UdpSocket::bind(bind).expect("bind");
        u.set_nonblocking(true).unwrap();
        let sz: libc::c_int = 4 << 20;
        unsafe {
            libc::setsockopt(u.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &sz as *const _ as *const _, 4);
        }
        Side::Udp(u, vec![0; 65536])
    }
    fn send(&mut self, o: &[u8], to: SocketAddrV4) {
        match self {
            Side::Udp(u, _) => {
                let _ = u.send_to(o, to);
            }
            Side::Wire(w) => {
                w.send(to, o);
            }
        }
    }
    fn poll(&self, pf: &mut Vec<libc::pollfd>) {
        match self {
            Side::Udp(u, _) => pf.push(libc::pollfd { fd: u.as_raw_fd(), events: libc::POLLIN, revents: 0 }),
            Side::Wire(w) => w.poll(pf),
        }
    }
    /// What came; what goes back over links waits for `flush`.
    fn read(&mut self, mut f: impl FnMut(&[u8], &mut Vec<u8>)) {
        let mut o = vec![];
        match self {
            Side::Udp(u, d) => {
                for _ in 0..64 {
                    let (k, src) = match u.recv_from(d) {
                        Ok(x) => x,
                        Err(_) => return,
                    };
                    o.clear();
                    f(&d[..k], &mut o);
                    if !o.is_empty() {
                        let _ = u.send_to(&o, src);
                    }
                }
            }
            Side::Wire(w) => {
                let mut back: Vec<(SocketAddrV4, Vec<u8>)> = vec![];
                w.read(|d, src| {
                    if back.last().map(|b| b.0) != Some(src) {
                        back.push((src, vec![]))
                    }
                    f(d, &mut back.last_mut().unwrap().1)
                });
                for (to, o) in back {
                    w.send(to, &o);
                }
            }
        }
    }
    fn flush(&mut self) {
        if let Side::Wire(w) = self {
            w.flush()
        }
    }
}
pub fn run(xmpp: &str, comp: &str, secret: &str, bind: SocketAddrV4, peer: SocketAddrV4, kind: Kind, tls: Option<Tls>) {
    let mut side = Side::open(bind, kind, tls);
    let (fend, fbody, ffrom, fto) =
        (Finder::new(b"</message>"), Finder::new(b"<body>"), Finder::new(b"from='"), Finder::new(b"to='"));
    let (sfrom, sto) = (Finder::new(b"From: <sip:"), Finder::new(b"To: <sip:"));
    let he = Finder::new(b"\r\n\r\n");
    let mut n: u64 = 0;
    loop {
        let mut t = match TcpStream::connect(xmpp) {
            Ok(t) => t,
            Err(_) => {
                std::thread::sleep(std::time::Duration::from_millis(100));
                continue;
            }
        };
        t.set_nodelay(true).ok();
        let _ = t.write_all(format!("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{}'>", comp).as_bytes());
        let mut b = vec![0u8; 4096];
        let mut h = String::new();
        while !h.contains("id='") || !h.ends_with('>') {
            match t.read(&mut b) {
                Ok(k) if k > 0 => h.push_str(&String::from_utf8_lossy(&b[..k])),
                _ => break,
            }
        }
        let id = h.split("id='").nth(1).and_then(|x| x.split('\'').next()).unwrap_or("").to_string();
        let _ = t.write_all(
            format!("<handshake>{}</handshake>", crate::util::sha1_hex(format!("{}{}", id, secret).as_bytes()))
                .as_bytes(),
        );
        t.set_nonblocking(true).unwrap();
        let mut ib: Vec<u8> = Vec::new();
        let mut ob: Vec<u8> = Vec::new();
        let mut pf: Vec<libc::pollfd> = Vec::new();
        let mut o: Vec<u8> = Vec::new();
        'conn: loop {
            pf.clear();
            pf.push(libc::pollfd {
                fd: t.as_raw_fd(),
                events: libc::POLLIN | if ob.is_empty() { 0 } else { libc::POLLOUT },
                revents: 0,
            });
            side.poll(&mut pf);
            unsafe { libc::poll(pf.as_mut_ptr(), pf.len() as u64, 1000) };
            if pf[0].revents & !libc::POLLOUT != 0 {
                let l = ib.len();
                ib.resize(l + 65536, 0);
                match t.read(&mut ib[l..]) {
                    Ok(0) => break 'conn,
                    Ok(k) => ib.truncate(l + k),
                    Err(e) => {
                        ib.truncate(l);
                        if e.kind() != std::io::ErrorKind::WouldBlock {
                            break 'conn;
                        }
                    }
                }
                let mut p = 0;
                while let Some(e) = fend.find(&ib[p..]) {
                    let m = &ib[p..p + e];
                    p += e + 10;
                    n += 1;
                    let body = between(m, &fbody, 6, b'<');
                    let (f, to) = (bare(between(m, &ffrom, 6, b'\'')), bare(between(m, &fto, 4, b'\'')));
                    o.clear();
                    o.extend(b"MESSAGE sip:");
                    o.extend(to);
                    o.extend(b" SIP/2.0\r\nVia: SIP/2.0/");
                    let _ = write!(o, "{} {};branch=z9hG4bKf{}", kind.via(), bind, n);
                    o.extend(b"\r\nMax-Forwards: 70\r\nFrom: <sip:");
                    o.extend(f);
                    let _ = write!(o, ">;tag=f{}\r\nTo: <sip:", n);
                    o.extend(to);
                    let _ = write!(o, ">\r\nCall-ID: f{}@floor\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", n, body.len());
                    o.extend(body);
                    side.send(&o, peer);
                }
                ib.drain(..p);
            }
            if pf[1..].iter().any(|p| p.revents != 0) {
                side.read(|m, o| {
                    if !m.starts_with(b"MESSAGE ") {
                        return;
                    }
                    let hend = he.find(m).unwrap_or(m.len());
                    let head = &m[..hend];
                    let (f, to) = (between(head, &sfrom, 11, b'>'), between(head, &sto, 9, b'>'));
                    ob.extend(b"<message from='");
                    ob.extend(f);
                    ob.extend(b"' to='");
                    ob.extend(to);
                    ob.extend(b"' type='chat'><body>");
                    ob.extend(&m[(hend + 4).min(m.len())..]);
                    ob.extend(b"</body></message>");
                    o.extend(b"SIP/2.0 200 OK\r\n");
                    for l in head.split(|c| *c == b'\n').skip(1) {
                        if l.starts_with(b"Via")
                            || l.starts_with(b"From")
                            || l.starts_with(b"Call-ID")
                            || l.starts_with(b"CSeq")
                        {
                            o.extend(l);
                            o.push(b'\n')
                        } else if l.starts_with(b"To:") {
                            o.extend(&l[..l.len() - (l.ends_with(b"\r") as usize)]);
                            o.extend(b";tag=fl\r\n")
                        }
                    }
                    if o.last() != Some(&b'\n') {
                        o.extend(b"\r\n")
                    }
                    o.extend(b"Content-Length: 0\r\n\r\n");
                });
            }
            side.flush();
            while !ob.is_empty() {
                match t.write(&ob) {
                    Ok(k) => {
                        ob.drain(..k);
                    }
                    Err(e) => {
                        if e.kind() != std::io::ErrorKind::WouldBlock {
                            break 'conn;
                        }
                        break;
                    }
                }
            }
        }
    }
}
