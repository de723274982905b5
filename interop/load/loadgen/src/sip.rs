//! minimal SIP parser / response builder, UDP only
#[derive(Default, Debug)]
pub struct Sip<'a> {
    pub req: bool,
    pub method: &'a str,
    pub ruri: &'a str,
    pub code: u16,
    pub vias: Vec<&'a str>,
    pub rr: Vec<&'a str>,
    pub from: &'a str,
    pub to: &'a str,
    pub callid: &'a str,
    pub cseq: &'a str,
    pub contact: &'a str,
    pub event: &'a str,
    pub substate: &'a str,
    pub expires: &'a str,
    pub ctype: &'a str,
    pub body: &'a [u8],
}
pub fn parse(d: &[u8]) -> Option<Sip<'_>> {
    let he = memchr::memmem::find(d, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&d[..he]).ok()?;
    let mut m = Sip { body: &d[he + 4..], ..Default::default() };
    let mut lines = head.split("\r\n");
    let f = lines.next()?;
    if let Some(r) = f.strip_prefix("SIP/2.0 ") {
        m.code = r.get(..3)?.parse().ok()?;
    } else {
        let mut it = f.split(' ');
        m.req = true;
        m.method = it.next()?;
        m.ruri = it.next()?;
        if it.next()? != "SIP/2.0" {
            return None;
        }
    }
    let mut clen = None;
    for l in lines {
        let c = memchr::memchr(b':', l.as_bytes())?;
        let (n, v) = (l[..c].trim_end(), l[c + 1..].trim());
        let is = |a: &str| n.eq_ignore_ascii_case(a);
        match n.len() {
            1 => match n.as_bytes()[0].to_ascii_lowercase() {
                b'v' => m.vias.push(v),
                b'f' => m.from = v,
                b't' => m.to = v,
                b'i' => m.callid = v,
                b'm' => m.contact = v,
                b'o' => m.event = v,
                b'l' => clen = v.parse().ok(),
                b'c' => m.ctype = v,
                _ => {}
            },
            2 if is("to") => m.to = v,
            3 if is("via") => m.vias.push(v),
            4 if is("from") => m.from = v,
            4 if is("cseq") => m.cseq = v,
            5 if is("event") => m.event = v,
            7 if is("call-id") => m.callid = v,
            7 if is("contact") => m.contact = v,
            7 if is("expires") => m.expires = v,
            12 if is("record-route") => m.rr.push(v),
            12 if is("content-type") => m.ctype = v,
            14 if is("content-length") => clen = v.parse::<usize>().ok(),
            18 if is("subscription-state") => m.substate = v,
            _ => {}
        }
    }
    if m.req == false && m.cseq.is_empty() {
        return None;
    }
    if let Some(l) = clen {
        if l <= m.body.len() {
            m.body = &m.body[..l];
        } else {
            return None;
        }
    }
    Some(m)
}
impl<'a> Sip<'a> {
    pub fn branch(&self) -> &str {
        param(self.vias.first().copied().unwrap_or(""), "branch").unwrap_or("")
    }
    pub fn cseq_method(&self) -> &str {
        self.cseq.rsplit(' ').next().unwrap_or("")
    }
}
pub fn param<'a>(v: &'a str, name: &str) -> Option<&'a str> {
    let v = match v.rfind('>') {
        Some(i) => &v[i + 1..],
        None => v,
    };
    for p in v.split(';').skip(1) {
        let p = p.trim();
        if let Some((k, x)) = p.split_once('=') {
            if k.trim().eq_ignore_ascii_case(name) {
                return Some(x.trim());
            }
        }
    }
    None
}
/// URI inside a From/To/Contact value
pub fn uri(v: &str) -> &str {
    if let Some(a) = v.find('<') {
        if let Some(b) = v[a..].find('>') {
            return &v[a + 1..a + b];
        }
    }
    v.split(';').next().unwrap_or(v).trim()
}
/// user@host of a URI: scheme, port, parameters, headers dropped
pub fn aor(u: &str) -> &str {
    let u = u.split_once(':').map(|x| x.1).unwrap_or(u);
    let e = u.find(|c| c == ';' || c == '?' || c == '>').unwrap_or(u.len());
    let u = &u[..e];
    match u.find('@') {
        Some(a) => match u[a..].find(':') {
            Some(p) => &u[..a + p],
            None => u,
        },
        None => u,
    }
}
pub fn response(m: &Sip, code: u16, reason: &str, tag: &str, extra: &str, o: &mut Vec<u8>) {
    use std::io::Write;
    let _ = write!(o, "SIP/2.0 {} {}\r\n", code, reason);
    for v in &m.vias {
        o.extend(b"Via: ");
        o.extend(v.as_bytes());
        o.extend(b"\r\n");
    }
    for v in &m.rr {
        o.extend(b"Record-Route: ");
        o.extend(v.as_bytes());
        o.extend(b"\r\n");
    }
    o.extend(b"From: ");
    o.extend(m.from.as_bytes());
    o.extend(b"\r\nTo: ");
    o.extend(m.to.as_bytes());
    if param(m.to, "tag").is_none() {
        o.extend(b";tag=");
        o.extend(tag.as_bytes());
    }
    o.extend(b"\r\nCall-ID: ");
    o.extend(m.callid.as_bytes());
    o.extend(b"\r\nCSeq: ");
    o.extend(m.cseq.as_bytes());
    o.extend(b"\r\n");
    o.extend(extra.as_bytes());
    o.extend(b"Content-Length: 0\r\n\r\n");
}
