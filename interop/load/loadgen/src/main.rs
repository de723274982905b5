//! loadgen: plays BOTH ends around an XMPP<->SIP gateway.
//!  * XMPP side: XEP-0114 *server* - accepts the gateway's component connection; or (`--xmpp s2s`) a server that federates.
//!  * SIP side: user agent / next hop of the gateway over UDP, TCP or TLS, answers MESSAGE/SUBSCRIBE/NOTIFY.
//! One thread, poll(2), recvmmsg/sendmmsg.  `../README.md` says how to run it.
mod federate;
mod flood;
mod floor;
mod pres;
mod sip;
mod util;
mod wire;
mod xml;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::io::{BufRead, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use util::*;

pub const MS: u64 = 1_000_000;
const DELIV: u8 = 1;
const EXPIRED: u8 = 2;
const OK2: u8 = 4;
const FERR: u8 = 8;
const FREED: u8 = 16;
const XERR: u8 = 32;
const TMO: u8 = 64;

#[derive(Clone, Default)]
pub struct Tmpl {
    pre: String,
    suf: String,
}
impl Tmpl {
    pub fn new(s: &str) -> Tmpl {
        let (a, b) = s.split_once("{n}").expect("template needs {n}");
        Tmpl { pre: a.into(), suf: b.into() }
    }
    pub fn mk(&self, i: usize) -> String {
        format!("{}{}{}", self.pre, i, self.suf)
    }
    pub fn idx(&self, s: &str) -> Option<usize> {
        s.strip_prefix(self.pre.as_str())?.strip_suffix(self.suf.as_str())?.parse().ok()
    }
    pub fn aor(&self) -> Tmpl {
        let s = format!("{}{{n}}{}", self.pre, self.suf);
        Tmpl::new(sip::aor(&s))
    }
}
pub struct Cfg {
    pub xl: String,
    /// The XMPP side federates instead of taking a component.
    pub federate: Option<federate::Server>,
    pub component: String,
    pub secret: String,
    pub sip_bind: SocketAddrV4,
    pub kind: wire::Kind,
    pub tls: Option<wire::Tls>,
    pub gw: SocketAddrV4,
    pub xj: Tmpl,
    pub sj: Tmpl,
    pub xu: Tmpl,
    pub su: Tmpl,
    pub xua: Tmpl,
    pub sua: Tmpl,
    pub resource: String,
    pub pids: Vec<i32>,
    pub wait_s: u64,
    pub strict: bool,
    pub label: String,
    pub self_sip: bool,
    pub self_xmpp: bool,
    pub quickack: bool,
}
#[derive(Clone, Debug)]
pub struct Ph {
    pub mode: String,
    pub n: usize,
    pub window: usize,
    pub rate: f64,
    pub users: usize,
    pub body: usize,
    pub kind: String,
    pub loss_ms: u64,
    pub max_s: u64,
    pub settle_ms: u64,
    pub answer: String,
    pub delay_ms: u64,
    pub win_on: String,
    pub noretr: bool,
    pub xdrop: usize,
    pub xdown: u64,
    pub sdrop: usize,
    pub sdown: u64,
    pub sample_ms: u64,
    pub rounds: usize,
    pub ndelay_ms: u64,
    pub cleanup: bool,
    pub rate2: f64,
    pub window2: usize,
    pub n2: usize,
    pub tag: String,
    pub idle_s: u64,
    pub base: usize,
    pub expires: u32,
    pub pids: String,
    pub xstall: usize,
    pub xstallms: u64,
}
impl Ph {
    fn parse(s: &str) -> Result<Ph, String> {
        let mut p = Ph {
            mode: "".into(),
            n: 1000,
            window: 0,
            rate: 0.0,
            users: 100,
            body: 64,
            kind: "plain".into(),
            loss_ms: 5000,
            max_s: 60,
            settle_ms: 300,
            answer: "200".into(),
            delay_ms: 0,
            win_on: "both".into(),
            noretr: false,
            xdrop: 0,
            xdown: 0,
            sdrop: 0,
            sdown: 0,
            sample_ms: 0,
            rounds: 0,
            ndelay_ms: 0,
            cleanup: false,
            rate2: 0.0,
            window2: 0,
            n2: 0,
            tag: "".into(),
            idle_s: 0,
            base: 0,
            expires: 3600,
            pids: "".into(),
            xstall: 0,
            xstallms: 0,
        };
        for t in s.split_whitespace() {
            let (k, v) = t.split_once('=').ok_or(format!("bad token {}", t))?;
            let e = |x: &str| format!("bad {}={}", k, x);
            macro_rules! num {
                () => {
                    v.parse().map_err(|_| e(v))?
                };
            }
            match k {
                "mode" => p.mode = v.into(),
                "n" => p.n = num!(),
                "window" | "w" => p.window = num!(),
                "rate" | "r" => p.rate = num!(),
                "users" => p.users = num!(),
                "body" => p.body = num!(),
                "kind" => p.kind = v.into(),
                "loss_ms" => p.loss_ms = num!(),
                "max_s" => p.max_s = num!(),
                "settle_ms" => p.settle_ms = num!(),
                "answer" => p.answer = v.into(),
                "delay_ms" => p.delay_ms = num!(),
                "win_on" => p.win_on = v.into(),
                "noretr" => p.noretr = v == "1",
                "xdrop" => p.xdrop = num!(),
                "xdown" => p.xdown = num!(),
                "sdrop" => p.sdrop = num!(),
                "sdown" => p.sdown = num!(),
                "sample_ms" => p.sample_ms = num!(),
                "rounds" => p.rounds = num!(),
                "ndelay_ms" => p.ndelay_ms = num!(),
                "cleanup" => p.cleanup = v == "1",
                "rate2" => p.rate2 = num!(),
                "window2" => p.window2 = num!(),
                "n2" => p.n2 = num!(),
                "tag" => p.tag = v.into(),
                "idle_s" => p.idle_s = num!(),
                "base" => p.base = num!(),
                "expires" => p.expires = num!(),
                "pids" => p.pids = v.into(),
                "xstall" => p.xstall = num!(),
                "xstallms" => p.xstallms = num!(),
                _ => return Err(format!("unknown key {}", k)),
            }
        }
        if p.window == 0 && p.rate == 0.0 {
            p.window = 32;
        }
        if p.window == 0 {
            p.window = 1 << 20;
        }
        if p.window2 == 0 {
            p.window2 = p.window
        }
        if p.rate2 == 0.0 {
            p.rate2 = p.rate
        }
        if p.n2 == 0 {
            p.n2 = p.n
        }
        Ok(p)
    }
}
/// one message direction within a phase
#[derive(Default)]
pub struct Dir {
    on: bool,
    n: usize,
    win: usize,
    rate: f64,
    sent: usize,
    out: usize,
    done: usize,
    exp: usize,
    ts: Vec<u64>,
    td: Vec<u64>,
    tr: Vec<u64>,
    st: Vec<u8>,
    last: Vec<i64>,
    delivered: u64,
    dup: u64,
    late: u64,
    retr_in: u64,
    retr_out: u64,
    addr_bad: u64,
    body_bad: u64,
    inv: u64,
    timeouts: u64,
    resp: BTreeMap<u16, u64>,
    xerr: BTreeMap<String, u64>,
    xerr_again: u64,
    last_done: u64,
    max_out: usize,
    first_bad: String,
}
impl Dir {
    fn free(&mut self, s: usize) {
        if self.st[s] & FREED == 0 {
            self.st[s] |= FREED;
            self.out -= 1;
            self.done += 1;
        }
    }
    fn finished(&self) -> bool {
        !self.on || self.done >= self.n
    }
}
pub struct Conn {
    s: federate::Pipe,
    sp: xml::Splitter,
    pub out: Vec<u8>,
    opos: usize,
    stage: u8,
    id: String,
}
#[derive(PartialEq, Eq)]
pub struct Due(u64, u64);
impl Ord for Due {
    fn cmp(&self, o: &Self) -> std::cmp::Ordering {
        (o.0, o.1).cmp(&(self.0, self.1))
    }
}
impl PartialOrd for Due {
    fn partial_cmp(&self, o: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(o))
    }
}
pub struct Tx {
    data: Vec<u8>,
    start: u64,
    int: u64,
    pub what: pres::What,
}
#[derive(Default)]
pub struct Out {
    pub buf: Vec<u8>,
    pub it: Vec<(usize, usize, Option<SocketAddrV4>)>,
}
impl Out {
    pub fn push(&mut self, a: Option<SocketAddrV4>, f: impl FnOnce(&mut Vec<u8>)) {
        let s = self.buf.len();
        f(&mut self.buf);
        let l = self.buf.len() - s;
        self.it.push((s, l, a));
    }
}
pub struct G {
    pub c: Cfg,
    lst: Option<TcpListener>,
    /// When stox is dialled next, if it is to be at all.
    dial_at: Option<u64>,
    pub conn: Option<Conn>,
    udp: Option<UdpSocket>,
    wire: Option<wire::Wire>,
    pub o: Out,
    delayed: VecDeque<(u64, Vec<u8>, SocketAddrV4)>,
    pub phase: u32,
    pub p: Ph,
    pub x: Dir,
    pub s: Dir,
    seen: HashSet<u64, IdB>,
    drop1: HashSet<u64, IdB>,
    filler: String,
    pub txs: HashMap<u64, Tx>,
    pub txh: BinaryHeap<Due>,
    pub txn: u64,
    rq: Vec<VecDeque<(u64, usize)>>, // s2x MESSAGE retransmit queues per step
    pub pr: pres::Pres,
    pub stale: u64,
    pub bad_sip: u64,
    pub other_req: BTreeMap<String, u64>,
    pub unknown_xmpp: u64,
    pub iqs: u64,
    pub reconnects: u64,
    pub prehs: u64,
    hs_fail: u64,
    xdown_at: u64,
    xup_at: u64,
    xback_at: u64,
    sdown_at: u64,
    sup_at: u64,
    closed_by_peer: u64,
    conn_refused: u64,
    resp_outage: BTreeMap<u16, u64>,
    selfcli: Option<TcpStream>,
    rbufs: Vec<u8>,
    pub sendfail: u64,
    selfout: Vec<u8>,
    selfpos: usize,
    stall_until: u64,
    stalled: bool,
    resp_stall: BTreeMap<u16, u64>,
    opt_sent: u64,
    opt_ok: u64,
    opt_next: u64,
    opt_lat: Vec<u64>,
    opt_t: HashMap<u64, u64>,
}
const NB: usize = 32;
const BL: usize = 65536;

#[macro_export]
macro_rules! w { ($o:expr, $($a:tt)*) => { { use std::io::Write; let _ = write!($o, $($a)*); } } }

impl G {
    fn new(c: Cfg) -> G {
        let mut g = G {
            c,
            lst: None,
            dial_at: None,
            conn: None,
            udp: None,
            wire: None,
            o: Out::default(),
            delayed: VecDeque::new(),
            phase: first_phase(),
            p: Ph::parse("mode=idle").unwrap(),
            x: Dir::default(),
            s: Dir::default(),
            seen: HashSet::default(),
            drop1: HashSet::default(),
            filler: String::new(),
            txs: HashMap::new(),
            txh: BinaryHeap::new(),
            txn: 0,
            rq: vec![],
            pr: Default::default(),
            stale: 0,
            bad_sip: 0,
            other_req: BTreeMap::new(),
            unknown_xmpp: 0,
            iqs: 0,
            reconnects: 0,
            prehs: 0,
            hs_fail: 0,
            xdown_at: 0,
            xup_at: 0,
            xback_at: 0,
            sdown_at: 0,
            sup_at: 0,
            closed_by_peer: 0,
            conn_refused: 0,
            resp_outage: BTreeMap::new(),
            selfcli: None,
            rbufs: vec![0; NB * BL],
            sendfail: 0,
            selfout: vec![],
            selfpos: 0,
            stall_until: 0,
            stalled: false,
            resp_stall: BTreeMap::new(),
            opt_sent: 0,
            opt_ok: 0,
            opt_next: 0,
            opt_lat: vec![],
            opt_t: HashMap::new(),
        };
        g.listen();
        g.bind();
        g
    }
    fn listen(&mut self) {
        if self.c.federate.is_some() {
            self.dial_at = Some(0);
            return;
        }
        for _ in 0..50 {
            match TcpListener::bind(&self.c.xl) {
                Ok(l) => {
                    l.set_nonblocking(true).unwrap();
                    self.lst = Some(l);
                    return;
                }
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
        }
        panic!("cannot listen on {}", self.c.xl);
    }
    fn dial(&mut self) {
        let (Some(server), Some(at)) = (&self.c.federate, self.dial_at) else { return };
        let t = now();
        if self.conn.is_some() || t < at {
            return;
        }
        self.dial_at = Some(t + 200 * MS);
        if let Some(s) = federate::Pipe::dial(&self.c.xl, server, &self.c.component) {
            let mut out = vec![];
            federate::header(&server.domain, &self.c.component, &mut out);
            self.conn = Some(Conn { s, sp: Default::default(), out, opos: 0, stage: federate::HEADER, id: String::new() });
        }
    }
    /// Whether the SIP side is there.
    fn bound(&self) -> bool {
        self.udp.is_some() || self.wire.is_some()
    }
    fn bind(&mut self) {
        if self.c.kind != wire::Kind::Udp {
            self.wire = Some(wire::Wire::listen(self.c.sip_bind, self.c.tls.clone()));
            return;
        }
        let u = UdpSocket::bind(self.c.sip_bind).unwrap_or_else(|e| panic!("bind {}: {}", self.c.sip_bind, e));
        u.set_nonblocking(true).unwrap();
        let sz: libc::c_int = 16 << 20;
        unsafe {
            for o in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
                libc::setsockopt(u.as_raw_fd(), libc::SOL_SOCKET, o, &sz as *const _ as *const _, 4);
            }
        }
        self.udp = Some(u);
    }
    pub fn ready(&self) -> bool {
        self.conn.as_ref().map(|c| c.stage == 2).unwrap_or(false)
    }
    pub fn xsend(&mut self, f: impl FnOnce(&mut Vec<u8>)) -> bool {
        match &mut self.conn {
            Some(c) if c.stage == 2 => {
                f(&mut c.out);
                true
            }
            _ => false,
        }
    }
    pub fn seen_insert(&mut self, k: u64) -> bool {
        self.seen.insert(k)
    }
    fn body(&self, d: char, seq: usize) -> String {
        format!("LG {} {} {} {}", self.phase, d, seq, self.filler)
    }
    fn parse_body(b: &str) -> Option<(u32, char, usize, &str)> {
        let mut it = b.splitn(5, ' ');
        if it.next()? != "LG" {
            return None;
        }
        let ph = it.next()?.parse().ok()?;
        let d = it.next()?.chars().next()?;
        let q = it.next()?.parse().ok()?;
        Some((ph, d, q, it.next().unwrap_or("")))
    }
    // ---- senders
    fn send_x2s(&mut self, seq: usize) {
        let i = seq % self.p.users;
        let b = self.body('x', seq);
        if self.c.self_sip {
            // loadgen against itself: emit what a gateway would emit
            let (f, t, ph, gw) = (self.c.xu.mk(i), self.c.su.mk(i), self.phase, self.c.sip_bind);
            self.o.push(Some(gw), |o| w!(o, "MESSAGE {t} SIP/2.0\r\nVia: SIP/2.0/UDP {gw};branch=z9hG4bKself-{ph}-{seq}\r\nMax-Forwards: 70\r\nFrom: <{f}>;tag=t{seq}\r\nTo: <{t}>\r\nCall-ID: self-{ph}-{seq}\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{b}", b.len()));
            return;
        }
        let (f, t, ph, r) = (self.c.xj.mk(i), self.c.sj.mk(i), self.phase, self.c.resource.clone());
        self.xsend(|o| {
            w!(o, "<message from='{f}{r}' to='{t}' type='chat' id='lg-{ph}-{seq}'><body>");
            xml::esc(&b, o);
            o.extend(b"</body></message>");
        });
    }
    fn build_s2x(&self, seq: usize, o: &mut Vec<u8>) {
        let i = seq % self.p.users;
        let b = self.body('s', seq);
        let (f, t, ph, me, by) = (self.c.su.mk(i), self.c.xu.mk(i), self.phase, self.c.sip_bind, self.c.kind.via());
        w!(o, "MESSAGE {t} SIP/2.0\r\nVia: SIP/2.0/{by} {me};branch=z9hG4bKlg{ph}x{seq};rport\r\nMax-Forwards: 70\r\nFrom: <{f}>;tag=lg{ph}x{seq}\r\nTo: <{t}>\r\nCall-ID: lg-{ph}-{seq}@lg\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{b}", b.len());
    }
    fn send_s2x(&mut self, seq: usize, now: u64) {
        if self.c.self_xmpp {
            let i = seq % self.p.users;
            let b = self.body('s', seq);
            let (f, t) = (self.c.sj.mk(i), self.c.xj.mk(i));
            let mut o = std::mem::take(&mut self.selfout);
            w!(o, "<message from='{f}' to='{t}' type='chat' id='s{seq}'><body>");
            xml::esc(&b, &mut o);
            o.extend(b"</body></message>");
            self.selfout = o;
            return;
        }
        let mut o = std::mem::take(&mut self.o);
        let gw = self.c.gw;
        o.push(Some(gw), |v| self.build_s2x(seq, v));
        self.o = o;
        // A connection loses nothing (RFC 3261 section 17.1.2.2).
        if !self.p.noretr && self.udp.is_some() {
            self.rq[0].push_back((now + 500 * MS, seq));
        }
    }
    /// generic SIP request with retransmission; what = meaning when answered
    pub fn request(&mut self, branch: u64, data: Vec<u8>, what: pres::What) {
        let t = now();
        let gw = self.c.gw;
        self.o.push(Some(gw), |o| o.extend(&data));
        self.txh.push(Due(t + 500 * MS, branch));
        self.txs.insert(branch, Tx { data, start: t, int: 500 * MS, what });
    }
    fn pump(&mut self, now: u64, t0: u64) {
        let up = self.ready();
        if self.x.on && (up || self.c.self_sip) {
            while self.x.sent < self.x.n && self.x.out < self.x.win {
                let s = self.x.sent;
                let t = if self.x.rate > 0.0 {
                    let d = t0 + (s as f64 * 1e9 / self.x.rate) as u64;
                    if d > now {
                        break;
                    }
                    d
                } else {
                    util::now()
                };
                if self.conn.as_ref().map(|c| c.out.len() - c.opos > 1 << 20).unwrap_or(false)
                    || self.o.buf.len() > 1 << 20
                {
                    break;
                }
                self.x.ts[s] = t;
                self.x.sent += 1;
                self.x.out += 1;
                self.x.max_out = self.x.max_out.max(self.x.out);
                self.send_x2s(s);
            }
        }
        if self.s.on && self.bound() {
            let backlog = self.wire.as_ref().map(|w| w.backlog()).unwrap_or(0);
            while self.s.sent < self.s.n && self.s.out < self.s.win {
                let s = self.s.sent;
                let t = if self.s.rate > 0.0 {
                    let d = t0 + (s as f64 * 1e9 / self.s.rate) as u64;
                    if d > now {
                        break;
                    }
                    d
                } else {
                    util::now()
                };
                if self.o.buf.len() + backlog > 1 << 20 || self.selfout.len() - self.selfpos > 1 << 20 {
                    break;
                }
                self.s.ts[s] = t;
                self.s.sent += 1;
                self.s.out += 1;
                self.s.max_out = self.s.max_out.max(self.s.out);
                self.send_s2x(s, t.max(now));
            }
        }
    }
    fn timers(&mut self, now: u64) {
        let lm = self.p.loss_ms * MS;
        for k in 0..2 {
            let d = if k == 0 { &mut self.x } else { &mut self.s };
            while d.exp < d.sent {
                let s = d.exp;
                if d.st[s] & FREED == 0 {
                    if now < d.ts[s] + lm {
                        break;
                    }
                    d.st[s] |= EXPIRED;
                    d.free(s);
                }
                d.exp += 1;
            }
        }
        // MESSAGE retransmissions
        let ints = [500u64, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000, 4000, 500];
        for k in 0..self.rq.len() {
            while let Some(&(due, seq)) = self.rq[k].front() {
                if due > now {
                    break;
                }
                self.rq[k].pop_front();
                if self.s.st[seq] & (OK2 | FERR) != 0 {
                    continue;
                }
                if k + 1 >= self.rq.len() {
                    self.s.st[seq] |= TMO;
                    self.s.timeouts += 1;
                    if self.p.win_on != "deliv" {
                        self.s.free(seq)
                    }
                    continue;
                }
                self.s.retr_out += 1;
                let mut o = std::mem::take(&mut self.o);
                let gw = self.c.gw;
                o.push(Some(gw), |v| self.build_s2x(seq, v));
                self.o = o;
                self.rq[k + 1].push_back((now + ints[k + 1] * MS, seq));
            }
        }
        while let Some(Due(due, b)) = self.txh.peek().map(|d| Due(d.0, d.1)) {
            if due > now {
                break;
            }
            self.txh.pop();
            let gw = self.c.gw;
            if let Some(t) = self.txs.get_mut(&b) {
                if now > t.start + 32_000 * MS {
                    let t = self.txs.remove(&b).unwrap();
                    self.pr.tx_timeouts += 1;
                    pres::answered(self, t.what, 408, "");
                    continue;
                }
                t.int = (t.int * 2).min(4000 * MS);
                let n = now + t.int;
                self.pr.retr_out += 1;
                self.o.push(Some(gw), |o| o.extend(&t.data));
                self.txh.push(Due(n, b));
            }
        }
        while let Some(f) = self.delayed.front() {
            if f.0 > now {
                break;
            }
            let (_, d, a) = self.delayed.pop_front().unwrap();
            self.o.push(Some(a), |o| o.extend(&d));
        }
        // OPTIONS probe every 250 ms during outage/stall phases: is the SIP side of the gateway alive?
        if (self.p.xdrop > 0 || self.p.xstall > 0) && now >= self.opt_next && self.bound() {
            self.opt_next = now + 250 * MS;
            self.opt_sent += 1;
            let k = self.opt_sent;
            self.opt_t.insert(k, now);
            let (gw, me, ph, by) = (self.c.gw, self.c.sip_bind, self.phase, self.c.kind.via());
            self.o.push(Some(gw), |o| w!(o, "OPTIONS sip:{gw} SIP/2.0\r\nVia: SIP/2.0/{by} {me};branch=z9hG4bKopt{ph}x{k};rport\r\nMax-Forwards: 70\r\nFrom: <sip:lg@{me}>;tag=o{k}\r\nTo: <sip:{gw}>\r\nCall-ID: opt-{ph}-{k}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"));
        }
        // outages
        let prog = self.x.sent + self.s.sent;
        if self.p.xstall > 0 && !self.stalled && prog >= self.p.xstall {
            self.stalled = true;
            self.stall_until = now + self.p.xstallms * MS;
        }
        if self.p.xdrop > 0 && self.xdown_at == 0 && prog >= self.p.xdrop {
            self.xdown_at = now;
            self.conn = None;
            self.lst = None;
            self.dial_at = None;
            if self.p.xdown == 0 {
                self.listen();
                self.xup_at = now
            }
        }
        if self.xdown_at > 0 && self.xup_at == 0 && now >= self.xdown_at + self.p.xdown * MS {
            self.listen();
            self.xup_at = now;
        }
        if self.xup_at > 0 && self.xback_at == 0 && self.ready() {
            self.xback_at = now;
        }
        if self.p.sdrop > 0 && self.sdown_at == 0 && prog >= self.p.sdrop {
            self.sdown_at = now;
            self.udp = None;
            self.wire = None;
        }
        if self.sdown_at > 0 && self.sup_at == 0 && now >= self.sdown_at + self.p.sdown * MS {
            self.bind();
            self.sup_at = now;
        }
    }
    // ---- I/O
    fn flush(&mut self) {
        if let Some(u) = &self.udp {
            let fd = u.as_raw_fd();
            let mut k = 0;
            let it = &self.o.it;
            while k < it.len() {
                let n = (it.len() - k).min(64);
                let mut sa: [libc::sockaddr_in; 64] = unsafe { std::mem::zeroed() };
                let mut iv: [libc::iovec; 64] = unsafe { std::mem::zeroed() };
                let mut mh: [libc::mmsghdr; 64] = unsafe { std::mem::zeroed() };
                for j in 0..n {
                    let (s, l, a) = it[k + j];
                    let a = a.unwrap_or(self.c.gw);
                    sa[j].sin_family = libc::AF_INET as u16;
                    sa[j].sin_port = a.port().to_be();
                    sa[j].sin_addr.s_addr = u32::from_ne_bytes(a.ip().octets());
                    iv[j].iov_base = self.o.buf[s..].as_ptr() as *mut _;
                    iv[j].iov_len = l;
                    mh[j].msg_hdr.msg_name = &mut sa[j] as *mut _ as *mut _;
                    mh[j].msg_hdr.msg_namelen = 16;
                    mh[j].msg_hdr.msg_iov = &mut iv[j];
                    mh[j].msg_hdr.msg_iovlen = 1;
                }
                let r = unsafe { libc::sendmmsg(fd, mh.as_mut_ptr(), n as u32, 0) };
                if r > 0 {
                    k += r as usize
                } else {
                    let e = std::io::Error::last_os_error();
                    if e.kind() == std::io::ErrorKind::WouldBlock {
                        let mut pf = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
                        unsafe { libc::poll(&mut pf, 1, 5) };
                        self.sendfail += 1;
                    } else {
                        self.conn_refused += 1;
                        k += 1;
                    }
                }
            }
        }
        if let Some(w) = &mut self.wire {
            for &(s, l, a) in &self.o.it {
                self.conn_refused += !w.send(a.unwrap_or(self.c.gw), &self.o.buf[s..s + l]) as u64;
            }
            w.flush();
        }
        self.o.buf.clear();
        self.o.it.clear();
        if let Some(c) = &mut self.conn {
            c.s.drain(&c.out, &mut c.opos);
            if c.opos == c.out.len() {
                c.out.clear();
                c.opos = 0
            } else if c.opos > 1 << 20 {
                c.out.drain(..c.opos);
                c.opos = 0
            }
        }
        if let Some(c) = &mut self.selfcli {
            while self.selfpos < self.selfout.len() {
                match c.write(&self.selfout[self.selfpos..]) {
                    Ok(n) => self.selfpos += n,
                    Err(_) => break,
                }
            }
            if self.selfpos == self.selfout.len() {
                self.selfout.clear();
                self.selfpos = 0
            } else if self.selfpos > 1 << 20 {
                self.selfout.drain(..self.selfpos);
                self.selfpos = 0
            }
        }
    }
    fn poll_io(&mut self, wait_ns: u64) {
        self.dial();
        let mut pf: Vec<libc::pollfd> = Vec::with_capacity(5);
        let add = |pf: &mut Vec<libc::pollfd>, fd, ev| pf.push(libc::pollfd { fd, events: ev, revents: 0 });
        if let Some(u) = &self.udp {
            add(&mut pf, u.as_raw_fd(), libc::POLLIN)
        }
        if let Some(w) = &self.wire {
            w.poll(&mut pf)
        }
        if let Some(l) = &self.lst {
            add(&mut pf, l.as_raw_fd(), libc::POLLIN)
        }
        let stall = self.stall_until > 0 && now() < self.stall_until;
        if let Some(c) = &self.conn {
            add(
                &mut pf,
                c.s.fd(),
                if stall { 0 } else { libc::POLLIN }
                    | if c.out.is_empty() && !c.s.wants_write() { 0 } else { libc::POLLOUT },
            )
        }
        if let Some(c) = &self.selfcli {
            if !self.selfout.is_empty() {
                add(&mut pf, c.as_raw_fd(), libc::POLLOUT)
            }
        }
        let ts = libc::timespec { tv_sec: (wait_ns / 1_000_000_000) as i64, tv_nsec: (wait_ns % 1_000_000_000) as i64 };
        unsafe { libc::ppoll(pf.as_mut_ptr(), pf.len() as u64, &ts, std::ptr::null()) };
        self.read_udp();
        if let Some(mut w) = self.wire.take() {
            w.read(|d, a| self.on_sip(d, a));
            self.wire = Some(w);
        }
        if !stall {
            self.read_xmpp()
        }
        if let Some(l) = &self.lst {
            if let Ok((s, _)) = l.accept() {
                if self.conn.is_none() {
                    self.conn = Some(Conn {
                        s: federate::Pipe::plain(s),
                        sp: Default::default(),
                        out: vec![],
                        opos: 0,
                        stage: 0,
                        id: format!("lg{:x}", now()),
                    });
                }
            }
        }
    }
    fn read_udp(&mut self) {
        for _round in 0..8 {
            let fd = match &self.udp {
                Some(u) => u.as_raw_fd(),
                None => return,
            };
            let mut bufs = std::mem::take(&mut self.rbufs);
            let mut sa: [libc::sockaddr_in; NB] = unsafe { std::mem::zeroed() };
            let mut iv: [libc::iovec; NB] = unsafe { std::mem::zeroed() };
            let mut mh: [libc::mmsghdr; NB] = unsafe { std::mem::zeroed() };
            for j in 0..NB {
                iv[j].iov_base = bufs[j * BL..].as_mut_ptr() as *mut _;
                iv[j].iov_len = BL;
                mh[j].msg_hdr.msg_iov = &mut iv[j];
                mh[j].msg_hdr.msg_iovlen = 1;
                mh[j].msg_hdr.msg_name = &mut sa[j] as *mut _ as *mut _;
                mh[j].msg_hdr.msg_namelen = 16;
            }
            let r = unsafe { libc::recvmmsg(fd, mh.as_mut_ptr(), NB as u32, libc::MSG_DONTWAIT, std::ptr::null_mut()) };
            for j in 0..r.max(0) as usize {
                let a = SocketAddrV4::new(sa[j].sin_addr.s_addr.to_ne_bytes().into(), u16::from_be(sa[j].sin_port));
                let d = &bufs[j * BL..j * BL + mh[j].msg_len as usize];
                self.on_sip(d, a);
            }
            self.rbufs = bufs;
            if r < NB as i32 {
                return;
            }
        }
    }
    fn read_xmpp(&mut self) {
        let mut c = match self.conn.take() {
            Some(c) => c,
            None => return,
        };
        let mut dead = false;
        if self.c.quickack {
            let one: libc::c_int = 1;
            unsafe {
                libc::setsockopt(
                    c.s.fd(),
                    libc::IPPROTO_TCP,
                    libc::TCP_QUICKACK,
                    &one as *const _ as *const _,
                    4,
                );
            }
        }
        if !c.s.fill(&mut c.sp.buf) {
            dead = true;
            self.closed_by_peer += 1;
        }
        loop {
            match c.sp.next() {
                xml::Ev::None => break,
                xml::Ev::Header(_) if self.c.federate.is_some() => c.stage = federate::headed(c.stage),
                xml::Ev::Header(h) => {
                    let t = h.trim_start_matches('<').trim_end_matches('>');
                    let (_, at) = xml::parse_tag(t);
                    let to = at.iter().find(|a| a.0 == "to").map(|a| a.1.to_string()).unwrap_or_default();
                    let dom = self.c.component.clone();
                    w!(c.out, "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='{}' from='{}'>", c.id, dom);
                    if to != dom {
                        c.out.extend(b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>");
                        dead = true;
                        self.hs_fail += 1;
                    }
                    c.stage = 1;
                }
                xml::Ev::Stanza(a, b) => {
                    let bytes: Vec<u8> = c.sp.buf[a..b].to_vec();
                    let s = match String::from_utf8(bytes) {
                        Ok(s) => s,
                        Err(_) => {
                            self.unknown_xmpp += 1;
                            continue;
                        }
                    };
                    let el = match xml::parse(&s) {
                        Some(e) => e,
                        None => {
                            self.unknown_xmpp += 1;
                            continue;
                        }
                    };
                    if let Some(server) = self.c.federate.as_ref().filter(|_| c.stage != 2) {
                        match federate::negotiate(c.stage, &el, &mut c.out) {
                            Ok(stage) => c.stage = stage,
                            Err(why) => {
                                eprintln!("s2s: {}", why);
                                self.hs_fail += 1;
                                dead = true;
                                break;
                            }
                        }
                        if c.stage == federate::HEADER_AGAIN {
                            c.sp = Default::default();
                            federate::header(&server.domain, &self.c.component, &mut c.out);
                            break;
                        }
                        self.reconnects += (c.stage == 2) as u64;
                        continue;
                    }
                    if c.stage == 1 {
                        if el.local() == "handshake"
                            && el.text.trim() == sha1_hex(format!("{}{}", c.id, self.c.secret).as_bytes())
                        {
                            c.out.extend(b"<handshake/>");
                            c.stage = 2;
                            self.reconnects += 1;
                        } else {
                            if el.local() == "handshake" {
                                self.hs_fail += 1
                            } else {
                                self.prehs += 1
                            }
                            if self.c.strict {
                                c.out.extend(b"<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>");
                                dead = true;
                                break;
                            }
                        }
                        continue;
                    }
                    self.conn = Some(c); // handlers may send
                    self.on_stanza(&el);
                    c = self.conn.take().unwrap();
                }
                xml::Ev::End => {
                    c.out.extend(b"</stream:stream>");
                    dead = true;
                    self.closed_by_peer += 1;
                    break;
                }
                xml::Ev::Bad => {
                    self.unknown_xmpp += 1;
                    dead = true;
                    break;
                }
            }
        }
        c.sp.compact();
        if dead {
            c.s.drain(&c.out, &mut c.opos);
        } else {
            self.conn = Some(c)
        }
    }
    // ---- handlers
    fn on_sip(&mut self, d: &[u8], src: SocketAddrV4) {
        let m = match sip::parse(d) {
            Some(m) => m,
            None => {
                self.bad_sip += 1;
                return;
            }
        };
        if !m.req {
            return self.on_resp(&m);
        }
        let t = now();
        match m.method {
            "MESSAGE" => self.on_message(&m, src, t),
            "SUBSCRIBE" => pres::on_subscribe(self, &m, src, t),
            "NOTIFY" => pres::on_notify(self, &m, src, t),
            "OPTIONS" => self.o.push(Some(src), |o| sip::response(&m, 200, "OK", "lgopt", "", o)),
            "PUBLISH" => {
                *self.other_req.entry("PUBLISH".into()).or_default() += 1;
                self.o
                    .push(Some(src), |o| sip::response(&m, 200, "OK", "lgpub", "SIP-ETag: lg1\r\nExpires: 3600\r\n", o))
            }
            "ACK" => {}
            x => {
                *self.other_req.entry(x.into()).or_default() += 1;
                self.o.push(Some(src), |o| sip::response(&m, 405, "Method Not Allowed", "lg405", "", o))
            }
        }
    }
    fn on_message(&mut self, m: &sip::Sip, src: SocketAddrV4, t: u64) {
        let key = fnv(&[m.callid.as_bytes(), m.cseq.as_bytes(), m.branch().as_bytes()]);
        let fresh = self.seen.insert(key);
        let bt = std::str::from_utf8(m.body).unwrap_or("");
        let pb = G::parse_body(bt);
        let mut ans: u16 = match self.p.answer.as_str() {
            "none" => 0,
            "drop1" => {
                if fresh {
                    self.drop1.insert(key);
                    0
                } else {
                    200
                }
            }
            c => c.parse().unwrap_or(200),
        };
        match pb {
            Some((ph, 'x', q, rest)) if ph == self.phase && q < self.x.sent => {
                let d = &mut self.x;
                if !fresh {
                    d.retr_in += 1
                } else {
                    let i = q % self.p.users;
                    let fa = self.c.xua.idx(sip::aor(sip::uri(m.from)));
                    let ta = self.c.sua.idx(sip::aor(sip::uri(m.to)));
                    let ra = self.c.sua.idx(sip::aor(m.ruri));
                    if fa != Some(i) || ta != Some(i) || ra != Some(i) {
                        d.addr_bad += 1;
                        if d.first_bad.is_empty() {
                            d.first_bad = format!("R-URI {} From {} To {}", m.ruri, m.from, m.to)
                        }
                    }
                    if rest != self.filler {
                        d.body_bad += 1;
                        if d.first_bad.is_empty() {
                            d.first_bad = format!("body {:?}", bt)
                        }
                    }
                    if d.st[q] & DELIV != 0 {
                        d.dup += 1
                    } else {
                        d.st[q] |= DELIV;
                        d.td[q] = t;
                        d.delivered += 1;
                        d.last_done = t;
                        if d.st[q] & EXPIRED != 0 {
                            d.late += 1
                        }
                        if d.last[i] > q as i64 {
                            d.inv += 1
                        } else {
                            d.last[i] = q as i64
                        }
                        d.free(q);
                    }
                }
            }
            Some((ph, 'x', _, _)) if ph != self.phase => {
                self.stale += 1;
                ans = 200
            }
            _ => {
                self.x.body_bad += 1;
                if self.x.first_bad.is_empty() {
                    self.x.first_bad = format!("unparsed body {:?}", &bt.chars().take(120).collect::<String>())
                }
            }
        }
        if ans == 0 {
            return;
        }
        let reason = match ans {
            200 => "OK",
            202 => "Accepted",
            404 => "Not Found",
            407 => "Proxy Authentication Required",
            480 => "Temporarily Unavailable",
            486 => "Busy Here",
            503 => "Service Unavailable",
            _ => "X",
        };
        if self.p.delay_ms > 0 {
            let mut v = vec![];
            sip::response(m, ans, reason, "lgm", "", &mut v);
            self.delayed.push_back((t + self.p.delay_ms * MS, v, src));
        } else {
            self.o.push(Some(src), |o| sip::response(m, ans, reason, "lgm", "", o));
        }
    }
    fn on_resp(&mut self, m: &sip::Sip) {
        if m.code < 200 {
            return;
        }
        let t = now();
        if self.c.self_sip && m.callid.starts_with("self-") {
            *self.x.resp.entry(m.code).or_default() += 1;
            return;
        }
        if m.callid.starts_with("opt-") {
            if let Some(k) = m.callid.strip_prefix(&format!("opt-{}-", self.phase)).and_then(|x| x.parse::<u64>().ok())
            {
                if let Some(t0) = self.opt_t.remove(&k) {
                    self.opt_ok += 1;
                    self.opt_lat.push(t - t0);
                }
            }
            return;
        }
        if m.cseq_method() == "MESSAGE" {
            let r = m
                .callid
                .strip_prefix("lg-")
                .and_then(|r| r.split_once('-'))
                .and_then(|(p, r)| Some((p.parse::<u32>().ok()?, r.split('@').next()?.parse::<usize>().ok()?)));
            match r {
                Some((p, q)) if p == self.phase && q < self.s.sent => {
                    let d = &mut self.s;
                    if d.st[q] & (OK2 | FERR) != 0 {
                        d.retr_in += 1;
                        return;
                    }
                    *d.resp.entry(m.code).or_default() += 1;
                    if self.stall_until > 0 && t < self.stall_until {
                        *self.resp_stall.entry(m.code).or_default() += 1
                    }
                    if self.xdown_at > 0 && self.xback_at == 0 {
                        *self.resp_outage.entry(m.code).or_default() += 1
                    }
                    d.tr[q] = t;
                    if m.code < 300 {
                        d.st[q] |= OK2;
                        if self.p.win_on == "resp" || d.st[q] & DELIV != 0 {
                            d.free(q);
                            d.last_done = t
                        }
                    } else {
                        d.st[q] |= FERR;
                        d.free(q);
                        d.last_done = t
                    }
                }
                _ => self.stale += 1,
            }
            return;
        }
        if let Some(b) = m.branch().strip_prefix("z9hG4bKtx").and_then(|b| b.parse::<u64>().ok()) {
            if let Some(tx) = self.txs.remove(&b) {
                let tag = sip::param(m.to, "tag").unwrap_or("").to_string();
                pres::answered(self, tx.what, m.code, &tag);
            }
        }
    }
    fn on_stanza(&mut self, e: &xml::El) {
        let t = now();
        let bare = |s: &str| s.split('/').next().unwrap_or("").to_string();
        let (from, to) = (e.attr("from").unwrap_or(""), e.attr("to").unwrap_or(""));
        match e.local() {
            "message" => {
                if e.attr("type") == Some("error") {
                    let cond = e
                        .kid("error")
                        .map(|x| {
                            format!(
                                "{}/{}",
                                x.attr("type").unwrap_or("-"),
                                x.kids.first().map(|k| k.local()).unwrap_or("-")
                            )
                        })
                        .unwrap_or("-".into());
                    *self.x.xerr.entry(cond).or_default() += 1;
                    let q = e
                        .attr("id")
                        .and_then(|i| i.strip_prefix("lg-"))
                        .and_then(|r| r.split_once('-'))
                        .and_then(|(p, q)| Some((p.parse::<u32>().ok()?, q.parse::<usize>().ok()?)));
                    match q {
                        Some((p, q)) if p == self.phase && q < self.x.sent => {
                            if self.x.st[q] & XERR != 0 {
                                self.x.xerr_again += 1;
                            }
                            self.x.st[q] |= XERR;
                            self.x.free(q);
                            self.x.tr[q] = t;
                            self.x.last_done = t
                        }
                        _ => *self.x.xerr.entry("(id not attributable)".into()).or_default() += 1,
                    }
                    return;
                }
                let b = match e.kid("body") {
                    Some(b) => b.text.as_ref(),
                    None => {
                        self.unknown_xmpp += 1;
                        return;
                    }
                };
                match G::parse_body(b) {
                    Some((ph, 's', q, rest)) if ph == self.phase && q < self.s.sent => {
                        let i = q % self.p.users;
                        let self_x = self.c.self_xmpp;
                        let (fi, ti) = (self.c.sj.idx(&bare(from)), self.c.xj.idx(&bare(to)));
                        let d = &mut self.s;
                        if fi != Some(i) || ti != Some(i) {
                            d.addr_bad += 1;
                            if d.first_bad.is_empty() {
                                d.first_bad = format!("from {} to {}", from, to)
                            }
                        }
                        if rest != self.filler {
                            d.body_bad += 1;
                            if d.first_bad.is_empty() {
                                d.first_bad = format!("body {:?}", b)
                            }
                        }
                        if d.st[q] & DELIV != 0 {
                            d.dup += 1;
                            return;
                        }
                        d.st[q] |= DELIV;
                        d.td[q] = t;
                        d.delivered += 1;
                        d.last_done = t;
                        if d.st[q] & EXPIRED != 0 {
                            d.late += 1
                        }
                        if d.last[i] > q as i64 {
                            d.inv += 1
                        } else {
                            d.last[i] = q as i64
                        }
                        if d.st[q] & OK2 != 0 || self.p.win_on == "deliv" || self_x {
                            d.free(q)
                        }
                    }
                    Some((_, 's', _, _)) => self.stale += 1,
                    _ => {
                        self.s.body_bad += 1;
                        if self.s.first_bad.is_empty() {
                            self.s.first_bad = format!("unparsed body {:?}", b.chars().take(120).collect::<String>())
                        }
                    }
                }
            }
            "presence" => pres::on_presence(self, e, &bare(from), &bare(to), t),
            "iq" => {
                self.iqs += 1;
                if matches!(e.attr("type"), Some("get" | "set")) {
                    let id = e.attr("id").unwrap_or("").to_string();
                    let ping = e.kid("ping").is_some();
                    let (f, o2) = (to.to_string(), from.to_string());
                    self.xsend(|o| if ping { w!(o, "<iq type='result' from='{f}' to='{o2}' id='{id}'/>") } else { w!(o, "<iq type='error' from='{f}' to='{o2}' id='{id}'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>") });
                }
            }
            _ => self.unknown_xmpp += 1,
        }
    }
    fn setup_dir(&mut self, which: u8, on: bool, n: usize, win: usize, rate: f64) {
        let d = Dir {
            on,
            n: if on { n } else { 0 },
            win,
            rate,
            ts: vec![0; n],
            td: vec![0; n],
            tr: vec![0; n],
            st: vec![0; n],
            last: vec![-1; self.p.users.max(1)],
            ..Default::default()
        };
        if which == 0 {
            self.x = d
        } else {
            self.s = d
        }
    }
    fn run_phase(&mut self, p: Ph) -> String {
        self.phase += 1;
        self.p = p.clone();
        // The gateway has been started again.
        if !p.pids.is_empty() {
            self.c.pids = p.pids.split(',').filter_map(|pid| pid.parse().ok()).collect();
        }
        let t00 = now();
        while !self.ready() && !self.c.self_sip {
            self.poll_io(20 * MS);
            self.flush();
            if now() > t00 + self.c.wait_s * 1000 * MS {
                return format!(
                    "{{\"error\":\"component did not connect within {} s\",\"handshake_failures\":{}}}",
                    self.c.wait_s, self.hs_fail
                );
            }
        }
        let waited = (now() - t00) / MS;
        let fill: String = match p.kind.as_str() {
            "xml" => "<b>&amp;\"q\" 'a' ]]> & <x/> ".chars().cycle().take(p.body).collect(),
            "utf8" => "äß€漢字😀 é".chars().cycle().take(p.body).collect(),
            _ => "the quick brown fox jumps over the lazy dog ".chars().cycle().take(p.body).collect(),
        };
        // body = header + filler, total about p.body bytes; no trailing space
        let mut f = fill;
        let mut cut = p.body.saturating_sub(25);
        while !f.is_char_boundary(cut.min(f.len())) {
            cut -= 1
        }
        f.truncate(cut);
        self.filler = f.trim_end().to_string();
        let (mx, ms) = (
            matches!(p.mode.as_str(), "x2s" | "both" | "selfsip"),
            matches!(p.mode.as_str(), "s2x" | "both" | "selfxmpp"),
        );
        self.setup_dir(0, mx, p.n, p.window, p.rate);
        self.setup_dir(1, ms, p.n2, p.window2, p.rate2);
        self.seen.clear();
        self.drop1.clear();
        self.rq = (0..11).map(|_| VecDeque::new()).collect();
        self.txs.clear();
        self.txh.clear();
        self.delayed.clear();
        self.stale = 0;
        self.bad_sip = 0;
        self.other_req.clear();
        self.unknown_xmpp = 0;
        self.iqs = 0;
        let rec0 = self.reconnects;
        self.prehs = 0;
        self.hs_fail = 0;
        self.closed_by_peer = 0;
        self.sendfail = 0;
        self.conn_refused = 0;
        self.xdown_at = 0;
        self.xup_at = 0;
        self.xback_at = 0;
        self.sdown_at = 0;
        self.sup_at = 0;
        self.resp_outage.clear();
        self.stall_until = 0;
        self.stalled = false;
        self.resp_stall.clear();
        self.opt_sent = 0;
        self.opt_ok = 0;
        self.opt_lat.clear();
        self.opt_t.clear();
        pres::setup(self);
        // resource sampler
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let samples = std::sync::Arc::new(std::sync::Mutex::new(Vec::<(u64, u64, u64, u64)>::new()));
        let pids = self.c.pids.clone();
        let m0 = mem_sum(&pids);
        let th = if p.sample_ms > 0 && !pids.is_empty() {
            let (st, sa, pi, iv) = (stop.clone(), samples.clone(), pids.clone(), p.sample_ms);
            Some(std::thread::spawn(move || {
                let t0 = now();
                let mut k = 1;
                while !st.load(std::sync::atomic::Ordering::Relaxed) {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    if now() >= t0 + k * iv * MS {
                        k += 1;
                        let c = cpu_sum(&pi);
                        let m = mem_sum(&pi);
                        sa.lock().unwrap().push((now() - t0, c.2, m.0, m.1));
                    }
                }
            }))
        } else {
            None
        };
        let (la0, sc0) = (loadavg(), sys_cpu());
        let d0 = (udp_drops(self.c.sip_bind.port()), udp_drops(self.c.gw.port()));
        let c0 = cpu_sum(&pids);
        let self0 = self_cpu_ns();
        let t0 = now();
        let hard = t0 + p.max_s * 1000 * MS;
        let (mut t_fin, mut aborted) = (0u64, false);
        let mut prog: Vec<(u64, u64, u64)> = vec![];
        let mut next_prog = t0 + 1000 * MS;
        let (mut cend, mut selfend, mut scend) = (None, 0, (0, 0));
        loop {
            let t = now();
            self.timers(t);
            if p.mode.starts_with("idle") {
                if t_fin == 0 && t > t0 + p.idle_s * 1000 * MS {
                    t_fin = t
                }
            } else {
                self.pump(t, t0);
                pres::pump(self, t);
            }
            self.flush();
            if t >= next_prog {
                prog.push(((t - t0) / MS, self.x.delivered, self.s.delivered));
                next_prog += 1000 * MS;
            }
            let fin = !p.mode.starts_with("idle") && self.x.finished() && self.s.finished() && pres::finished(self);
            if (fin || t_fin > 0) && cend.is_none() {
                if t_fin == 0 {
                    t_fin = t;
                }
                cend = Some(cpu_sum(&pids));
                selfend = self_cpu_ns();
                scend = sys_cpu();
            }
            if t_fin > 0
                && t >= t_fin + p.settle_ms * MS
                && !(self.xdown_at > 0 && self.xback_at == 0 && t < hard)
                && !(self.sdown_at > 0 && self.sup_at == 0)
            {
                break;
            }
            if t > hard {
                aborted = true;
                break;
            }
            let mut wait = 2 * MS;
            for d in [&self.x, &self.s] {
                if d.on && d.rate > 0.0 && d.sent < d.n {
                    let due = t0 + (d.sent as f64 * 1e9 / d.rate) as u64;
                    wait = wait.min(due.saturating_sub(now()));
                }
            }
            self.poll_io(wait);
        }
        let t_end = now();
        if cend.is_none() {
            t_fin = t_end;
            cend = Some(cpu_sum(&pids));
            selfend = self_cpu_ns();
            scend = sys_cpu();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(h) = th {
            h.join().ok();
        }
        let c1 = cend.unwrap();
        let m1 = mem_sum(&pids);
        let d1 = (udp_drops(self.c.sip_bind.port()), udp_drops(self.c.gw.port()));
        let wall = (t_fin - t0) as f64 / 1e9;
        let msgs = self.x.delivered + self.s.delivered + self.pr.events();
        let mut r = String::from("{");
        let mut add = |k: &str, v: String| {
            if r.len() > 1 {
                r.push(',')
            }
            r.push_str(&format!("\"{}\":{}", k, v));
        };
        add("label", jstr(&self.c.label));
        add("tag", jstr(&p.tag));
        add("mode", jstr(&p.mode));
        add("window", p.window.min(99999999).to_string());
        add("rate", format!("{}", p.rate));
        add("body", p.body.to_string());
        add("users", p.users.to_string());
        add("aborted", aborted.to_string());
        add("wall_s", format!("{:.3}", wall));
        add("connect_wait_ms", waited.to_string());
        add("load_before", jstr(&la0));
        add("load_after", jstr(&loadavg()));
        for (nm, d) in [("x2s", &self.x), ("s2x", &self.s)] {
            if !d.on {
                continue;
            }
            let mut lat: Vec<u64> =
                (0..d.sent).filter(|i| d.st[*i] & DELIV != 0).map(|i| d.td[i].saturating_sub(d.ts[i])).collect();
            let mut rl: Vec<u64> =
                (0..d.sent).filter(|i| d.tr[*i] > 0).map(|i| d.tr[i].saturating_sub(d.ts[i])).collect();
            let tfirst = d.ts.first().copied().unwrap_or(t0);
            let dur = (d.last_done.max(tfirst + 1) - tfirst) as f64 / 1e9;
            let cnt = |f: &dyn Fn(u8) -> bool| (0..d.sent).filter(|i| f(d.st[*i])).count();
            let mp = |m: &BTreeMap<u16, u64>| {
                format!("{{{}}}", m.iter().map(|(k, v)| format!("\"{}\":{}", k, v)).collect::<Vec<_>>().join(","))
            };
            let mut o = format!("{{\"n\":{},\"sent\":{},\"delivered\":{},\"lost\":{},\"late\":{},\"duplicates\":{},\"retransmissions_seen\":{},\"retransmissions_sent\":{},\"order_inversions\":{},\"addr_mismatch\":{},\"body_mismatch\":{},\"msg_per_s\":{:.1},\"max_outstanding\":{}",
                d.n, d.sent, d.delivered, d.sent as u64 - d.delivered, d.late, d.dup, d.retr_in, d.retr_out, d.inv, d.addr_bad, d.body_bad, d.delivered as f64 / dur, d.max_out);
            o.push_str(&format!(",\"latency_us\":{},\"final_response_us\":{},\"responses\":{},\"transaction_timeouts\":{},\"accepted_not_delivered\":{},\"rejected\":{},\"delivered_not_accepted\":{}", lat_json(&mut lat), lat_json(&mut rl), mp(&d.resp), d.timeouts,
                cnt(&|s| s & OK2 != 0 && s & DELIV == 0), cnt(&|s| s & (FERR | XERR) != 0), if nm == "s2x" { cnt(&|s| s & OK2 == 0 && s & DELIV != 0) } else { 0 }));
            // A message vanished when it neither arrived nor was its sender told that it failed. Where the SIP peer
            // refuses or ignores everything, arriving is not enough: the sender has to be told.
            let must_tell = nm == "x2s" && !(p.answer.starts_with('2') || p.answer == "drop1");
            let vanished = cnt(&|s| s & (FERR | XERR) == 0 && (must_tell || s & DELIV == 0));
            let both = cnt(&|s| s & (FERR | XERR) != 0 && s & DELIV != 0 && !must_tell);
            let unanswered = if nm == "s2x" { cnt(&|s| s & (OK2 | FERR) == 0) } else { 0 };
            o.push_str(&format!(
                ",\"vanished\":{vanished},\"delivered_and_rejected\":{both},\"unanswered\":{unanswered},\"errors_repeated\":{}",
                d.xerr_again
            ));
            o.push_str(&format!(
                ",\"xmpp_errors\":{{{}}}",
                d.xerr.iter().map(|(k, v)| format!("{}:{}", jstr(k), v)).collect::<Vec<_>>().join(",")
            ));
            if !d.first_bad.is_empty() {
                o.push_str(&format!(",\"first_bad\":{}", jstr(&d.first_bad)))
            }
            o.push('}');
            add(nm, o);
        }
        if self.pr.on {
            add("presence", pres::json(self));
        }
        let (cu, cs, cn) = (c1.0.saturating_sub(c0.0), c1.1.saturating_sub(c0.1), c1.2.saturating_sub(c0.2));
        let ld = (selfend - self0) as f64 / 1e6;
        let busy = (scend.0.saturating_sub(sc0.0)) as f64;
        add("gateway", format!("{{\"pids\":{},\"alive\":{},\"utime_ms\":{},\"stime_ms\":{},\"cpu_ms\":{:.2},\"cpu_us_per_msg\":{:.2},\"cpu_cores\":{:.3},\"pss_kib_before\":{},\"pss_kib_after\":{},\"rss_kib_after\":{},\"udp_rcvbuf_drops\":{}}}",
            pids.len(), c1.3, cu, cs, cn as f64 / 1e6, if msgs > 0 { cn as f64 / 1e3 / msgs as f64 } else { 0.0 }, cn as f64 / 1e9 / wall.max(1e-9), m0.0, m1.0, m1.1, d1.1.saturating_sub(d0.1)));
        add("loadgen", format!("{{\"cpu_ms\":{:.2},\"cpu_us_per_msg\":{:.2},\"cpu_cores\":{:.3},\"udp_rcvbuf_drops\":{},\"udp_send_blocked\":{},\"udp_send_errors\":{}}}", ld, if msgs > 0 { ld * 1e3 / msgs as f64 } else { 0.0 }, ld / 1e3 / wall.max(1e-9), d1.0.saturating_sub(d0.0), self.sendfail, self.conn_refused));
        add(
            "machine",
            format!(
                "{{\"busy_cores\":{:.3},\"other_cores\":{:.3},\"steal_ms\":{}}}",
                busy / 1e3 / wall.max(1e-9),
                ((busy - cn as f64 / 1e6 - ld) / 1e3 / wall.max(1e-9)).max(0.0),
                scend.1.saturating_sub(sc0.1)
            ),
        );
        add("misc", format!("{{\"stale\":{},\"unparsable_sip\":{},\"other_requests\":{{{}}},\"unknown_xmpp\":{},\"iqs_from_gateway\":{},\"reconnects\":{},\"stanzas_before_handshake\":{},\"handshake_failures\":{},\"stream_closed_by_gateway\":{}}}", self.stale, self.bad_sip, self.other_req.iter().map(|(k, v)| format!("{}:{}", jstr(k), v)).collect::<Vec<_>>().join(","), self.unknown_xmpp, self.iqs, self.reconnects - rec0, self.prehs, self.hs_fail, self.closed_by_peer));
        if self.xdown_at > 0 {
            add("xmpp_outage", format!("{{\"down_at_ms\":{},\"listening_again_ms\":{},\"reconnected_ms\":{},\"sip_responses_during\":{{{}}}}}", (self.xdown_at - t0) / MS, self.xup_at.saturating_sub(t0) / MS, if self.xback_at > 0 { ((self.xback_at - t0) / MS).to_string() } else { "null".into() }, self.resp_outage.iter().map(|(k, v)| format!("\"{}\":{}", k, v)).collect::<Vec<_>>().join(",")));
        }
        if p.xdrop > 0 || p.xstall > 0 {
            add(
                "options_probe",
                format!(
                    "{{\"sent\":{},\"answered\":{},\"latency_us\":{}}}",
                    self.opt_sent,
                    self.opt_ok,
                    lat_json(&mut self.opt_lat)
                ),
            );
        }
        if p.xstall > 0 {
            add(
                "xmpp_stall",
                format!(
                    "{{\"ms\":{},\"sip_responses_during\":{{{}}}}}",
                    p.xstallms,
                    self.resp_stall.iter().map(|(k, v)| format!("\"{}\":{}", k, v)).collect::<Vec<_>>().join(",")
                ),
            );
        }
        if self.sdown_at > 0 {
            add(
                "sip_outage",
                format!(
                    "{{\"down_at_ms\":{},\"up_again_ms\":{}}}",
                    (self.sdown_at - t0) / MS,
                    self.sup_at.saturating_sub(t0) / MS
                ),
            );
        }
        if p.sample_ms > 0 {
            let s = samples.lock().unwrap();
            add(
                "samples",
                format!(
                    "[{}]",
                    s.iter()
                        .map(|x| format!(
                            "{{\"t_ms\":{},\"cpu_ms\":{:.1},\"pss_kib\":{},\"rss_kib\":{}}}",
                            x.0 / MS,
                            (x.1.saturating_sub(c0.2)) as f64 / 1e6,
                            x.2,
                            x.3
                        ))
                        .collect::<Vec<_>>()
                        .join(",")
                ),
            );
            add(
                "progress",
                format!(
                    "[{}]",
                    prog.iter().map(|x| format!("[{},{},{}]", x.0, x.1, x.2)).collect::<Vec<_>>().join(",")
                ),
            );
        }
        r.push('}');
        r
    }
    fn self_connect(&mut self) {
        // a client on our own component port, so that selfxmpp measures only this program
        let mut c = TcpStream::connect(&self.c.xl).unwrap();
        c.set_nonblocking(true).unwrap();
        c.set_nodelay(true).ok();
        let _ = c.write(format!("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{}'>", self.c.component).as_bytes());
        for _ in 0..50 {
            self.poll_io(10 * MS);
            self.flush();
            if self.conn.as_ref().map(|c| c.stage == 1).unwrap_or(false) {
                break;
            }
        }
        let id = self.conn.as_ref().unwrap().id.clone();
        let _ = c.write(
            format!("<handshake>{}</handshake>", sha1_hex(format!("{}{}", id, self.c.secret).as_bytes())).as_bytes(),
        );
        for _ in 0..50 {
            self.poll_io(10 * MS);
            self.flush();
            if self.ready() {
                break;
            }
        }
        self.selfcli = Some(c);
    }
}
/// Phases are numbered from the clock, so that two runs against one gateway never repeat a Call-ID, branch or stanza id.
fn first_phase() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() % 1_000_000) as u32 * 100
}
fn v4(s: &str) -> SocketAddrV4 {
    match s.parse::<SocketAddr>().unwrap_or_else(|_| panic!("bad address {}", s)) {
        SocketAddr::V4(a) => a,
        _ => panic!("IPv4 only"),
    }
}
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let mut opt: HashMap<String, String> = HashMap::new();
    let mut phases = vec![];
    let mut i = 0;
    while i < a.len() {
        if let Some(k) = a[i].strip_prefix("--") {
            opt.insert(k.into(), a.get(i + 1).cloned().unwrap_or_default());
            i += 2
        } else {
            phases.push(a[i].clone());
            i += 1
        }
    }
    let g = |k: &str, d: &str| opt.get(k).cloned().unwrap_or(d.into());
    let kind = wire::Kind::parse(&g("transport", "udp"));
    let tls = |own: &str, peer: &str| (kind == wire::Kind::Tls).then(|| wire::Tls::load(&g("tls", "work/tls"), own, &format!("{peer}.example")));
    if phases.first().map(|s| s == "floor").unwrap_or(false) {
        return floor::run(
            &g("xmpp", "127.0.0.1:25348"),
            &g("component", "sip.example"),
            &g("secret", "benchsecret"),
            v4(&g("bind", "127.0.0.1:25060")),
            v4(&g("sip-peer", "127.0.0.1:25070")),
            kind,
            tls("gateway", "peer"),
        );
    }
    if phases.first().is_some_and(|s| s == "flood") {
        return flood::run(&flood::flood(g));
    }
    let mut pids: Vec<i32> =
        g("pids", "").split(|c: char| !c.is_ascii_digit()).filter_map(|x| x.parse().ok()).collect();
    if let Some(f) = opt.get("pid-file") {
        pids.extend(
            std::fs::read_to_string(f).unwrap_or_default().split_whitespace().filter_map(|x| x.parse::<i32>().ok()),
        );
    }
    let (xu, su) =
        (Tmpl::new(&g("xmpp-uri", "sip:u{n}@xmpp.example")), Tmpl::new(&g("sip-uri", "sip:s{n}@sip.example")));
    let federate = match g("xmpp", "component").as_str() {
        "component" => None,
        "s2s" => Some(federate::Server {
            domain: "xmpp.example".into(),
            tls: wire::Tls::load(&g("tls", "work/tls"), "chat", "sip.example").xmpp(),
        }),
        x => panic!("--xmpp {}: component or s2s", x),
    };
    let c = Cfg {
        federate,
        xl: g("xmpp-listen", "127.0.0.1:25348"),
        component: g("component", "sip.example"),
        secret: g("secret", "benchsecret"),
        sip_bind: v4(&g("sip-bind", "127.0.0.1:25070")),
        kind,
        tls: tls("peer", "gateway"),
        gw: v4(&g("gw-sip", "127.0.0.1:25060")),
        xj: Tmpl::new(&g("xmpp-jid", "u{n}@xmpp.example")),
        sj: Tmpl::new(&g("sip-jid", "s{n}@sip.example")),
        xua: xu.aor(),
        sua: su.aor(),
        xu,
        su,
        resource: g("resource", "/r1"),
        pids,
        wait_s: g("wait-s", "20").parse().unwrap(),
        strict: g("strict", "1") == "1",
        label: g("label", ""),
        self_sip: g("self", "") == "sip",
        self_xmpp: g("self", "") == "xmpp",
        quickack: g("quickack", "0") == "1",
    };
    let mut gg = G::new(c);
    if gg.c.self_xmpp {
        gg.self_connect()
    }
    let mut outf = opt.get("out").map(|f| std::fs::OpenOptions::new().create(true).append(true).open(f).unwrap());
    let mut emit = |s: &str| {
        println!("{}", s);
        let _ = std::io::stdout().flush();
        if let Some(f) = &mut outf {
            let _ = writeln!(f, "{}", s);
        }
    };
    if phases.is_empty() {
        // interactive: one phase per stdin line; keep the sockets served meanwhile
        let (tx, rx) = std::sync::mpsc::channel::<String>();
        std::thread::spawn(move || {
            for l in std::io::stdin().lock().lines().map_while(Result::ok) {
                if tx.send(l).is_err() {
                    break;
                }
            }
        });
        loop {
            match rx.try_recv() {
                Ok(l) => {
                    let l = l.trim().to_string();
                    if l.is_empty() {
                        continue;
                    }
                    if l == "quit" {
                        break;
                    }
                    if let Some(p) = l.strip_prefix("pids ") {
                        gg.c.pids = p.split_whitespace().filter_map(|x| x.parse().ok()).collect();
                        emit("{\"ok\":true}");
                        continue;
                    }
                    if let Some(p) = l.strip_prefix("label ") {
                        gg.c.label = p.into();
                        emit("{\"ok\":true}");
                        continue;
                    }
                    match Ph::parse(&l) {
                        Ok(p) => {
                            let r = gg.run_phase(p);
                            emit(&r)
                        }
                        Err(e) => emit(&format!("{{\"error\":{}}}", jstr(&e))),
                    }
                }
                Err(std::sync::mpsc::TryRecvError::Disconnected) => break,
                Err(_) => {
                    gg.timers(now());
                    gg.poll_io(10 * MS);
                    gg.flush();
                }
            }
        }
    } else {
        for s in phases {
            match Ph::parse(&s) {
                Ok(p) => {
                    let r = gg.run_phase(p);
                    emit(&r)
                }
                Err(e) => {
                    eprintln!("{}", e);
                    std::process::exit(2)
                }
            }
        }
    }
}
