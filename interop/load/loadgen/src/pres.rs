//! presence: px = XMPP watcher of a SIP presentity, ps = SIP watcher of an XMPP presentity. Both leave their subscriptions
//! behind for the phases that follow (cleanup=0), until one of the same mode sets up others; hold = nothing is begun, those
//! that are there are refreshed by both sides, and what the gateway does is counted for each second.
use crate::util::*;
use crate::{sip, w, xml, G, MS};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;
#[derive(Clone, Copy, PartialEq)]
pub enum What {
    None,
    Notify(usize, u32),
    Sub(usize),
    Unsub(usize),
}
#[derive(Default, Clone)]
struct XC {
    t_sub: u64,
    t_rx: u64,
    t_subd: u64,
    avail: bool,
    freed: bool,
    wait: bool,
    t_not: u64,
    callid: String,
    from: String,
    to: String,
    contact: String,
    rr: Vec<String>,
    cseq: u32,
    round: u32,
    granted: u32,
}
/// What the gateway sent in one second of a hold: SUBSCRIBE in a dialog, in a new one, NOTIFY, presence, probes, what asks
/// or tells somebody anew, and answers other than 2xx to our refreshes.
#[derive(Default, Clone, Copy)]
struct Second([u32; 7]);
#[derive(Default, Clone)]
struct SC {
    t_sub: u64,
    code: u16,
    totag: String,
    t_xsub: u64,
    xsub: bool,
    open: bool,
    freed: bool,
    wait: bool,
    t_pres: u64,
    cseq: u32,
    round: u32,
}
#[derive(Default)]
pub struct Pres {
    pub on: bool,
    x: bool,
    hold: bool,
    /// The first user number of each kind, and the phase in which the SIP watchers subscribed.
    bx: usize,
    bs: usize,
    sphase: u32,
    series: Vec<Second>,
    refreshed: u64,
    /// How many the holds before this one have refreshed: the next goes on with the one after.
    before: u64,
    n: usize,
    win: usize,
    stage: u8,
    next: usize,
    out: usize,
    done: usize,
    failed: u64,
    xs: Vec<XC>,
    ss: Vec<SC>,
    due: VecDeque<(u64, usize)>,
    jobs: VecDeque<usize>,
    act: VecDeque<(u64, usize)>,
    jobs_n: u64,
    jobs_done: u64,
    jobs_failed: u64,
    pub tx_timeouts: u64,
    pub retr_out: u64,
    cnt: BTreeMap<String, u64>,
    l_sub: Vec<u64>,
    l_subd: Vec<u64>,
    /// Of the first NOTIFY of a subscription, which is part of its set-up, and of those after it.
    l_shown: Vec<u64>,
    l_not: Vec<u64>,
    l_first: Vec<u64>,
    l_xsub: Vec<u64>,
    l_open: Vec<u64>,
    l_pn: Vec<u64>,
    ts: [u64; 4],
    tc: [u64; 4],
    first_bad: String,
    end_at: u64,
}
impl Pres {
    pub fn events(&self) -> u64 {
        if self.hold {
            self.series.iter().map(|s| s.0[..4].iter().map(|n| *n as u64).sum::<u64>()).sum()
        } else if self.on {
            (if self.x {
                self.xs.iter().filter(|k| k.avail && k.t_subd > 0).count()
            } else {
                self.ss.iter().filter(|k| k.open).count()
            }) as u64
                + self.jobs_done
        } else {
            0
        }
    }
    /// Whether a phase of this kind is under way.
    fn busy(&self, x: bool) -> bool {
        self.on && !self.hold && self.x == x
    }
}
fn xj(g: &G, b: usize, i: usize) -> String {
    g.c.xj.mk(i + b)
}
fn sj(g: &G, b: usize, i: usize) -> String {
    g.c.sj.mk(i + b)
}
fn xu(g: &G, b: usize, i: usize) -> String {
    g.c.xu.mk(i + b)
}
fn su(g: &G, b: usize, i: usize) -> String {
    g.c.su.mk(i + b)
}
/// A user's place among those that begin at `base`.
fn at(v: Option<usize>, base: usize, len: usize) -> Option<usize> {
    v.and_then(|x| x.checked_sub(base)).filter(|i| *i < len)
}
fn c(g: &mut G, k: &str) {
    *g.pr.cnt.entry(k.into()).or_default() += 1
}
fn tally(g: &mut G, kind: usize, t: u64) {
    if g.pr.hold {
        let second = (t.saturating_sub(g.pr.ts[0]) / (1000 * MS)) as usize;
        if g.pr.series.len() <= second {
            g.pr.series.resize(second + 1, Second::default());
        }
        g.pr.series[second].0[kind] += 1;
    }
}
pub fn setup(g: &mut G) {
    let m = g.p.mode.as_str();
    let (x, s, hold) = (m == "px", m == "ps", m == "hold");
    let n = if x || s { g.p.n } else { 0 };
    let (t, base, phase) = (now(), g.p.base, g.phase);
    let old = std::mem::take(&mut g.pr);
    g.pr = Pres {
        on: x || s || hold,
        x,
        hold,
        n,
        win: g.p.window.min(n.max(1)),
        bx: if x { base } else { old.bx },
        bs: if s { base } else { old.bs },
        sphase: if s { phase } else { old.sphase },
        before: if s { 0 } else { old.before + old.refreshed },
        xs: if x { vec![XC::default(); n] } else { old.xs },
        ss: if s { vec![SC::default(); n] } else { old.ss },
        ..Default::default()
    };
    if !s {
        g.pr.ss.iter_mut().for_each(|k| k.wait = false);
    }
    g.pr.ts[0] = t;
    g.pr.tc[0] = cpu_sum(&g.c.pids).2;
}
pub fn finished(g: &G) -> bool {
    !g.pr.on || g.pr.stage >= 3
}
fn stage(g: &mut G, k: u8) {
    g.pr.stage = k;
    let t = now();
    g.pr.ts[k as usize] = t;
    g.pr.tc[k as usize] = cpu_sum(&g.c.pids).2;
}
pub fn pump(g: &mut G, t: u64) {
    if !g.pr.on {
        return;
    }
    let lm = g.p.loss_ms * MS;
    while let Some(&(d, i)) = g.pr.due.front() {
        if d > t {
            break;
        }
        g.pr.due.pop_front();
        notify(g, i, "active", true);
    }
    if g.pr.hold {
        return hold(g, t);
    }
    let base = g.p.base;
    match g.pr.stage {
        0 => {
            while g.pr.out < g.pr.win && g.pr.next < g.pr.n && g.ready() {
                if g.p.rate > 0.0 && g.pr.ts[0] + (g.pr.next as f64 * 1e9 / g.p.rate) as u64 > t {
                    break;
                }
                let i = g.pr.next;
                g.pr.next += 1;
                g.pr.out += 1;
                g.pr.act.push_back((t + lm, i));
                let (xj, sj, ph) = (xj(g, base, i), sj(g, base, i), g.phase);
                if g.pr.x {
                    g.pr.xs[i].t_sub = now();
                    g.xsend(|o| w!(o, "<presence from='{xj}' to='{sj}' type='subscribe' id='lgp-{ph}-{i}'/>"));
                } else {
                    g.pr.ss[i].t_sub = now();
                    sub_req(g, i, g.p.expires);
                }
            }
            while let Some(&(d, i)) = g.pr.act.front() {
                let fr = if g.pr.x { g.pr.xs[i].freed } else { g.pr.ss[i].freed };
                if !fr {
                    if d > t {
                        break;
                    }
                    g.pr.failed += 1;
                    if g.pr.x {
                        g.pr.xs[i].freed = true
                    } else {
                        g.pr.ss[i].freed = true
                    }
                    g.pr.out -= 1;
                    g.pr.done += 1;
                }
                g.pr.act.pop_front();
            }
            if g.pr.done >= g.pr.n {
                stage(g, 1);
                let ok: Vec<usize> = (0..g.pr.n)
                    .filter(|i| if g.pr.x { g.pr.xs[*i].avail && g.pr.xs[*i].t_subd > 0 } else { g.pr.ss[*i].open })
                    .collect();
                for _ in 0..g.p.rounds {
                    g.pr.jobs.extend(&ok);
                }
                g.pr.jobs_n = g.pr.jobs.len() as u64;
                g.pr.out = 0;
                g.pr.act.clear();
            }
        }
        1 => {
            while g.pr.out < g.pr.win && g.ready() {
                let i = match g.pr.jobs.front() {
                    Some(i) => *i,
                    None => break,
                };
                if if g.pr.x { g.pr.xs[i].wait } else { g.pr.ss[i].wait } {
                    break;
                }
                g.pr.jobs.pop_front();
                g.pr.out += 1;
                g.pr.act.push_back((t + lm, i));
                if g.pr.x {
                    notify(g, i, "active", true)
                } else {
                    let (xj, sj, r) = (xj(g, base, i), sj(g, base, i), g.c.resource.clone());
                    let k = &mut g.pr.ss[i];
                    k.round += 1;
                    k.wait = true;
                    k.t_pres = now();
                    let show = if k.round % 2 == 0 { "away" } else { "dnd" };
                    let rd = k.round;
                    g.xsend(|o| w!(o, "<presence from='{xj}{r}' to='{sj}'><show>{show}</show><status>round {rd}</status></presence>"));
                }
            }
            while let Some(&(d, i)) = g.pr.act.front() {
                let wt = if g.pr.x { g.pr.xs[i].wait } else { g.pr.ss[i].wait };
                if wt {
                    if d > t {
                        break;
                    }
                    if g.pr.x {
                        g.pr.xs[i].wait = false
                    } else {
                        g.pr.ss[i].wait = false
                    }
                    g.pr.out -= 1;
                    g.pr.jobs_failed += 1;
                }
                g.pr.act.pop_front();
            }
            if g.pr.jobs.is_empty() && g.pr.out == 0 {
                stage(g, 2);
                g.pr.next = 0;
                g.pr.end_at = if g.p.cleanup { t + 3000 * MS } else { t };
            }
        }
        2 => {
            if g.p.cleanup {
                let mut k = 0;
                while g.pr.next < g.pr.n && k < 50 {
                    let i = g.pr.next;
                    g.pr.next += 1;
                    k += 1;
                    g.pr.end_at = t + 3000 * MS;
                    let (xj, sj) = (xj(g, base, i), sj(g, base, i));
                    if g.pr.x {
                        g.xsend(|o| w!(o, "<presence from='{xj}' to='{sj}' type='unsubscribe'/>"));
                    } else {
                        sub_req(g, i, 0)
                    }
                }
            }
            if t >= g.pr.end_at {
                stage(g, 3)
            }
        }
        _ => {}
    }
}
/// Our own subscriptions are refreshed evenly, each after four fifths of its time.
fn hold(g: &mut G, t: u64) {
    let elapsed = t.saturating_sub(g.pr.ts[0]);
    let (n, every) = (g.pr.ss.len() as u64, g.p.expires as u64 * 800 * MS);
    let due = if n > 0 { (elapsed as u128 * n as u128 / every.max(1) as u128) as u64 } else { 0 };
    while g.pr.refreshed < due && g.ready() {
        let i = ((g.pr.before + g.pr.refreshed) % n) as usize;
        g.pr.refreshed += 1;
        if g.pr.ss[i].open {
            sub_req(g, i, g.p.expires);
        }
    }
    if elapsed > g.p.idle_s * 1000 * MS {
        stage(g, 3);
    }
}
fn sub_req(g: &mut G, i: usize, exp: u32) {
    g.txn += 1;
    let tx = g.txn;
    let (f, t, me, ph) = (su(g, g.pr.bs, i), xu(g, g.pr.bs, i), g.c.sip_bind, g.pr.sphase);
    let k = &mut g.pr.ss[i];
    k.cseq += 1;
    let (cs, tt) = (k.cseq, if k.totag.is_empty() { String::new() } else { format!(";tag={}", k.totag) });
    let user = sip::aor(&f).split('@').next().unwrap_or("x").to_string();
    let mut v = vec![];
    w!(v, "SUBSCRIBE {t} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKtx{tx};rport\r\nMax-Forwards: 70\r\nFrom: <{f}>;tag=lgs{ph}x{i}\r\nTo: <{t}>{tt}\r\nCall-ID: lgs-{ph}-{i}@lg\r\nCSeq: {cs} SUBSCRIBE\r\nContact: <sip:{user}@{me}>\r\nEvent: presence\r\nAccept: application/pidf+xml\r\nExpires: {exp}\r\nContent-Length: 0\r\n\r\n");
    let w = if exp > 0 { What::Sub(i) } else { What::Unsub(i) };
    g.request(tx, v, w);
}
/// `fresh`: the state is another than in the NOTIFY before.
fn notify(g: &mut G, i: usize, state: &str, fresh: bool) {
    g.txn += 1;
    let tx = g.txn;
    let me = g.c.sip_bind;
    let ent = su(g, g.pr.bx, i);
    let k = &mut g.pr.xs[i];
    if k.callid.is_empty() {
        return;
    }
    k.cseq += 1;
    k.round += fresh as u32;
    let rd = k.round;
    k.wait = state == "active" && fresh;
    k.t_not = now();
    let note = if rd % 2 == 0 { "away" } else { "busy" };
    let b = if state == "active" {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"{ent}\"><tuple id=\"lg1\"><status><basic>open</basic></status><contact priority=\"0.8\">{ent}</contact><note>{note}</note></tuple></presence>\r\n")
    } else {
        String::new()
    };
    let (rr, ss) = (
        k.rr.iter().map(|r| format!("Route: {}\r\n", r)).collect::<String>(),
        if state == "active" { format!("active;expires={}", k.granted) } else { format!("{};reason=timeout", state) },
    );
    let user = sip::aor(&ent).split('@').next().unwrap_or("x").to_string();
    let mut v = vec![];
    w!(v, "NOTIFY {} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKtx{tx};rport\r\n{rr}Max-Forwards: 70\r\nFrom: {};tag=lgx{i}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} NOTIFY\r\nContact: <sip:{user}@{me}>\r\nEvent: presence\r\nSubscription-State: {ss}\r\n{}Content-Length: {}\r\n\r\n{b}",
        k.contact, k.to, k.from, k.callid, k.cseq, if b.is_empty() { "" } else { "Content-Type: application/pidf+xml\r\n" }, b.len());
    g.request(tx, v, What::Notify(i, rd));
    c(g, "notify_sent");
}
pub fn on_subscribe(g: &mut G, m: &sip::Sip, src: SocketAddrV4, t: u64) {
    if !m.event.starts_with("presence") || m.event.starts_with("presence.winfo") || g.pr.xs.is_empty() {
        c(g, &format!("other_subscribe:{}", m.event));
        g.o.push(Some(src), |o| sip::response(m, 489, "Bad Event", "lg489", "", o));
        return;
    }
    let i = match at(g.c.sua.idx(sip::aor(sip::uri(m.to))), g.pr.bx, g.pr.xs.len()) {
        Some(i) => i,
        None => {
            c(g, "subscribe_unknown_to");
            g.o.push(Some(src), |o| sip::response(m, 404, "Not Found", "lg404", "", o));
            return;
        }
    };
    let key = fnv(&[m.callid.as_bytes(), m.cseq.as_bytes(), m.branch().as_bytes()]);
    let fresh = g.seen_insert(key);
    let exp: u32 = m.expires.parse().unwrap_or(3600).min(g.p.expires);
    let me = g.c.sip_bind;
    let in_dialog = m.to.contains(";tag=");
    if in_dialog && g.pr.xs[i].callid != m.callid {
        c(g, "subscribe_in_unknown_dialog");
        g.o.push(Some(src), |o| sip::response(m, 481, "Subscription Does Not Exist", "lg481", "", o));
        return;
    }
    let ex = format!("Expires: {exp}\r\nContact: <sip:s{i}@{me}>\r\n");
    let tag = format!("lgx{i}");
    g.o.push(Some(src), |o| sip::response(m, 200, "OK", &tag, &ex, o));
    if !fresh {
        c(g, "subscribe_retransmitted");
        return;
    }
    tally(g, if in_dialog { 0 } else { 1 }, t);
    g.pr.xs[i].granted = exp;
    c(g, if exp == 0 { "unsubscribe_received" } else { "subscribe_received" });
    if at(g.c.xua.idx(sip::aor(sip::uri(m.from))), g.pr.bx, g.pr.xs.len()) != Some(i) {
        c(g, "addr_mismatch");
        if g.pr.first_bad.is_empty() {
            g.pr.first_bad = format!("SUBSCRIBE From {} To {}", m.from, m.to)
        }
    }
    let k = &mut g.pr.xs[i];
    if exp > 0 && k.callid != m.callid {
        if !k.callid.is_empty() {
            *g.pr.cnt.entry("extra_dialogs".into()).or_default() += 1
        }
        let k = &mut g.pr.xs[i];
        k.callid = m.callid.into();
        k.from = m.from.into();
        k.to = m.to.split(";tag").next().unwrap_or(m.to).into();
        k.contact = sip::uri(m.contact).into();
        k.rr = m.rr.iter().map(|s| s.to_string()).collect();
        k.cseq = 0;
        if k.contact.is_empty() {
            k.contact = sip::uri(m.from).into();
            *g.pr.cnt.entry("no_contact".into()).or_default() += 1
        }
        let k = &mut g.pr.xs[i];
        if k.t_rx == 0 {
            k.t_rx = t;
            let d = t - k.t_sub;
            g.pr.l_sub.push(d);
        }
    }
    if exp == 0 {
        notify(g, i, "terminated", true)
    } else if in_dialog {
        // A refresh: what is known already.
        notify(g, i, "active", false)
    } else {
        let nd = g.p.ndelay_ms;
        if nd > 0 {
            g.pr.due.push_back((t + nd * MS, i))
        } else {
            notify(g, i, "active", true)
        }
    }
}
pub fn on_notify(g: &mut G, m: &sip::Sip, src: SocketAddrV4, t: u64) {
    let i = m
        .callid
        .strip_prefix("lgs-")
        .and_then(|r| r.split_once('-'))
        .and_then(|(p, r)| Some((p.parse::<u32>().ok()?, r.split('@').next()?.parse::<usize>().ok()?)));
    let i = match i {
        Some((p, i)) if p == g.pr.sphase && i < g.pr.ss.len() => i,
        _ => {
            g.stale += 1;
            g.o.push(Some(src), |o| sip::response(m, 481, "Subscription Does Not Exist", "lg481", "", o));
            return;
        }
    };
    let key = fnv(&[m.callid.as_bytes(), m.cseq.as_bytes(), m.branch().as_bytes()]);
    let fresh = g.seen_insert(key);
    g.o.push(Some(src), |o| sip::response(m, 200, "OK", "lgn", "", o));
    if !fresh {
        c(g, "notify_retransmitted");
        return;
    }
    tally(g, 2, t);
    let st = m.substate.split(';').next().unwrap_or("").to_string();
    let b = std::str::from_utf8(m.body).unwrap_or("");
    let open = b.contains("open</");
    let closed = b.contains("closed</");
    c(
        g,
        &format!(
            "notify:{}:{}",
            st,
            if open {
                "open"
            } else if closed {
                "closed"
            } else if b.is_empty() {
                "nobody"
            } else {
                "otherbody"
            }
        ),
    );
    if g.pr.ss[i].t_xsub == 0 && !open {
        let d = t - g.pr.ss[i].t_sub;
        g.pr.l_first.push(d);
    }
    if st == "terminated" {
        return;
    }
    let k = &mut g.pr.ss[i];
    if open && !k.open {
        k.open = true;
        let d = t - k.t_sub;
        g.pr.l_open.push(d);
        if !g.pr.ss[i].freed && g.pr.stage == 0 && g.pr.busy(false) {
            g.pr.ss[i].freed = true;
            g.pr.out -= 1;
            g.pr.done += 1
        }
    } else if k.wait && (open || closed) && g.pr.on && !g.pr.hold {
        let k = &mut g.pr.ss[i];
        k.wait = false;
        let d = t - k.t_pres;
        g.pr.l_pn.push(d);
        g.pr.out -= 1;
        g.pr.jobs_done += 1;
    } else {
        c(g, "notify_extra")
    }
}
pub fn answered(g: &mut G, wh: What, code: u16, tag: &str) {
    match wh {
        What::Notify(_, _) => c(g, &format!("notify_answer:{}", code)),
        What::Sub(i) => {
            c(g, &format!("subscribe_answer:{}", code));
            if code >= 300 {
                tally(g, 6, now());
            }
            if i < g.pr.ss.len() {
                g.pr.ss[i].code = code;
                if code < 300 {
                    g.pr.ss[i].totag = tag.into()
                }
            }
        }
        What::Unsub(_) => c(g, &format!("unsubscribe_answer:{}", code)),
        What::None => {}
    }
}
pub fn on_presence(g: &mut G, e: &xml::El, from: &str, to: &str, t: u64) {
    let ty = e.attr("type").unwrap_or("available").to_string();
    if !g.pr.on {
        c(g, &format!("unexpected_presence:{}", ty));
        return;
    }
    c(g, &format!("presence:{}", ty));
    let (a, b) = (g.c.sj.idx(from), g.c.xj.idx(to));
    let found = |base, len| at(a, base, len).filter(|i| at(b, base, len) == Some(*i));
    // Where the two kinds overlap, who was set up last is meant.
    let mut kinds = [(true, g.pr.bx, g.pr.xs.len()), (false, g.pr.bs, g.pr.ss.len())];
    if !g.pr.x {
        kinds.reverse();
    }
    let (x, base, i) = match kinds.iter().find_map(|(x, base, len)| found(*base, *len).map(|i| (*x, *base, i))) {
        Some(found) => found,
        None => {
            c(g, "addr_mismatch");
            if g.pr.first_bad.is_empty() {
                g.pr.first_bad = format!("presence from {} to {}", from, to)
            }
            return;
        }
    };
    let kind = match ty.as_str() {
        "available" | "unavailable" => 3,
        "probe" => 4,
        _ => 5,
    };
    tally(g, kind, t);
    if x {
        let k = &mut g.pr.xs[i];
        match ty.as_str() {
            "subscribed" => {
                if k.t_subd == 0 {
                    k.t_subd = t;
                    let d = t - k.t_sub;
                    g.pr.l_subd.push(d);
                }
            }
            "available" => {
                if k.wait {
                    k.wait = false;
                    let d = t - k.t_not;
                    let first = !k.avail;
                    k.avail = true;
                    if first { &mut g.pr.l_shown } else { &mut g.pr.l_not }.push(d);
                    if g.pr.stage == 1 && !first && g.pr.busy(true) {
                        g.pr.out -= 1;
                        g.pr.jobs_done += 1;
                    }
                } else {
                    *g.pr.cnt.entry("presence_extra".into()).or_default() += 1;
                }
            }
            // The watcher is there.
            "probe" => {
                let (xj, sj, r) = (xj(g, base, i), sj(g, base, i), g.c.resource.clone());
                g.xsend(|o| w!(o, "<presence from='{xj}{r}' to='{sj}'/>"));
            }
            "error" => {
                let cond =
                    e.kid("error").and_then(|x| x.kids.first().map(|k| k.local().to_string())).unwrap_or("-".into());
                c(g, &format!("presence_error:{}", cond));
            }
            _ => {}
        }
        let begun = g.pr.busy(true) && g.pr.stage == 0;
        let k = &mut g.pr.xs[i];
        if begun && !k.freed && k.avail && k.t_subd > 0 {
            k.freed = true;
            g.pr.out -= 1;
            g.pr.done += 1;
        }
    } else {
        let (xj, sj, r) = (xj(g, base, i), sj(g, base, i), g.c.resource.clone());
        match ty.as_str() {
            "subscribe" => {
                let k = &mut g.pr.ss[i];
                if k.t_xsub == 0 {
                    k.t_xsub = t;
                    let d = t - k.t_sub;
                    g.pr.l_xsub.push(d);
                }
                g.pr.ss[i].xsub = true;
                g.xsend(|o| w!(o, "<presence from='{xj}' to='{sj}' type='subscribed'/><presence from='{xj}{r}' to='{sj}'><show>away</show><status>here</status></presence>"));
            }
            "probe" => {
                if g.pr.ss[i].xsub {
                    g.xsend(|o| {
                        w!(o, "<presence from='{xj}{r}' to='{sj}'><show>away</show><status>probed</status></presence>")
                    });
                }
            }
            _ => {}
        }
    }
}
pub fn json(g: &mut G) -> String {
    let p = &mut g.pr;
    let tnow = now();
    if p.hold {
        let seconds: Vec<String> = p.series.iter().map(|s| format!("{:?}", s.0)).collect();
        let counts = p.cnt.iter().map(|(k, v)| format!("{}:{}", jstr(k), v)).collect::<Vec<_>>().join(",");
        return format!(
            "{{\"xmpp_watches\":{},\"sip_watches\":{},\"refreshes_sent\":{},\"series_of\":[\"SUBSCRIBE in dialog\",\"SUBSCRIBE anew\",\"NOTIFY\",\"presence\",\"probe\",\"asked or told anew\",\"refresh refused\"],\"series\":[{}],\"counts\":{{{}}},\"tx_timeouts\":{},\"retransmissions_sent\":{}}}",
            p.xs.len(), p.ss.len(), p.refreshed, seconds.join(","), counts, p.tx_timeouts, p.retr_out
        );
    }
    for k in 1..4 {
        if p.ts[k] == 0 {
            p.ts[k] = if k as u8 == p.stage + 1 { tnow } else { p.ts[k - 1] };
            p.tc[k] = p.tc[k - 1];
        }
    }
    let st = |a: usize, b: usize| if p.ts[b] > p.ts[a] { (p.ts[b] - p.ts[a]) as f64 / 1e9 } else { 0.0 };
    let cp = |a: usize, b: usize| p.tc[b].saturating_sub(p.tc[a]) as f64 / 1e3;
    let ok = if p.x {
        p.xs.iter().filter(|k| k.avail && k.t_subd > 0).count()
    } else {
        p.ss.iter().filter(|k| k.open).count()
    } as u64;
    let cnts = p.cnt.iter().map(|(k, v)| format!("{}:{}", jstr(k), v)).collect::<Vec<_>>().join(",");
    let mut r = format!("{{\"contacts\":{},\"complete\":{},\"failed\":{},\"setup_s\":{:.3},\"setups_per_s\":{:.1},\"setup_cpu_us\":{:.1},\"updates\":{},\"updates_delivered\":{},\"updates_failed\":{},\"updates_s\":{:.3},\"updates_per_s\":{:.1},\"update_cpu_us\":{:.1},\"counts\":{{{}}},\"tx_timeouts\":{},\"retransmissions_sent\":{}",
        p.n, ok, p.failed, st(0, 1), if st(0, 1) > 0.0 { ok as f64 / st(0, 1) } else { 0.0 }, cp(0, 1) / ok.max(1) as f64, p.jobs_n, p.jobs_done, p.jobs_failed, st(1, 2), if p.jobs_done > 0 { p.jobs_done as f64 / st(1, 2).max(1e-9) } else { 0.0 }, if p.jobs_done > 0 { cp(1, 2) / p.jobs_done as f64 } else { 0.0 }, cnts, p.tx_timeouts, p.retr_out);
    if p.x {
        r.push_str(&format!(
            ",\"subscribe_to_SUBSCRIBE_us\":{},\"subscribe_to_subscribed_us\":{},\"first_NOTIFY_to_presence_us\":{},\"NOTIFY_to_presence_us\":{}",
            lat_json(&mut p.l_sub),
            lat_json(&mut p.l_subd),
            lat_json(&mut p.l_shown),
            lat_json(&mut p.l_not)
        ));
    } else {
        r.push_str(&format!(",\"SUBSCRIBE_to_first_NOTIFY_us\":{},\"SUBSCRIBE_to_subscribe_us\":{},\"SUBSCRIBE_to_open_NOTIFY_us\":{},\"presence_to_NOTIFY_us\":{}", lat_json(&mut p.l_first), lat_json(&mut p.l_xsub), lat_json(&mut p.l_open), lat_json(&mut p.l_pn)));
    }
    if !p.first_bad.is_empty() {
        r.push_str(&format!(",\"first_bad\":{}", jstr(&p.first_bad)))
    }
    r.push('}');
    r
}
