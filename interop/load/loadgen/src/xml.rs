//! streaming splitter of top-level stanzas + tiny DOM
use memchr::{memchr, memchr3, memmem};
use std::borrow::Cow;
#[derive(Default)]
pub struct Splitter {
    pub buf: Vec<u8>,
    pos: usize,
    start: usize,
    depth: i32,
    done: usize,
}
pub enum Ev {
    Header(String),
    Stanza(usize, usize),
    End,
    Bad,
    None,
}
impl Splitter {
    /// next event; Stanza(a,b) are offsets into self.buf, valid until compact()
    pub fn next(&mut self) -> Ev {
        loop {
            let b = &self.buf;
            let lt = match memchr(b'<', &b[self.pos..]) {
                Some(i) => self.pos + i,
                None => {
                    self.pos = b.len();
                    if self.depth <= 1 {
                        self.done = self.pos
                    }
                    return Ev::None;
                }
            };
            let r = &b[lt..];
            if r.len() < 2 {
                self.pos = lt;
                return Ev::None;
            }
            let skip = |pat: &[u8]| memmem::find(r, pat).map(|i| lt + i + pat.len());
            match r[1] {
                b'?' => match skip(b"?>") {
                    Some(e) => {
                        self.pos = e;
                        if self.depth <= 1 {
                            self.done = e
                        }
                        continue;
                    }
                    None => {
                        self.pos = lt;
                        return Ev::None;
                    }
                },
                b'!' => {
                    if r.starts_with(b"<!--") {
                        match skip(b"-->") {
                            Some(e) => {
                                self.pos = e;
                                continue;
                            }
                            None => {
                                self.pos = lt;
                                return Ev::None;
                            }
                        }
                    }
                    if r.len() < 9 {
                        self.pos = lt;
                        return Ev::None;
                    }
                    if r.starts_with(b"<![CDATA[") {
                        match skip(b"]]>") {
                            Some(e) => {
                                self.pos = e;
                                continue;
                            }
                            None => {
                                self.pos = lt;
                                return Ev::None;
                            }
                        }
                    }
                    return Ev::Bad;
                }
                b'/' => {
                    let e = match memchr(b'>', r) {
                        Some(i) => lt + i + 1,
                        None => {
                            self.pos = lt;
                            return Ev::None;
                        }
                    };
                    self.depth -= 1;
                    self.pos = e;
                    if self.depth == 1 {
                        self.done = e;
                        return Ev::Stanza(self.start, e);
                    }
                    if self.depth <= 0 {
                        return Ev::End;
                    }
                }
                _ => {
                    let mut i = 1;
                    let e = loop {
                        match memchr3(b'>', b'"', b'\'', &r[i..]) {
                            None => {
                                self.pos = lt;
                                return Ev::None;
                            }
                            Some(j) => {
                                let k = i + j;
                                if r[k] == b'>' {
                                    break k;
                                }
                                match memchr(r[k], &r[k + 1..]) {
                                    Some(q) => i = k + 1 + q + 1,
                                    None => {
                                        self.pos = lt;
                                        return Ev::None;
                                    }
                                }
                            }
                        }
                    };
                    let selfclose = r[e - 1] == b'/';
                    self.pos = lt + e + 1;
                    if self.depth == 0 {
                        self.depth = 1;
                        self.done = self.pos;
                        return Ev::Header(String::from_utf8_lossy(&r[..=e]).into_owned());
                    }
                    if self.depth == 1 {
                        self.start = lt;
                    }
                    if selfclose {
                        if self.depth == 1 {
                            self.done = self.pos;
                            return Ev::Stanza(lt, self.pos);
                        }
                    } else {
                        self.depth += 1;
                    }
                }
            }
        }
    }
    pub fn compact(&mut self) {
        let d = self.done.min(self.buf.len());
        if d == 0 {
            return;
        }
        if d == self.buf.len() {
            self.buf.clear();
        } else if d > 65536 || d * 2 > self.buf.len() {
            self.buf.drain(..d);
        } else {
            return;
        }
        self.pos -= d;
        self.start = self.start.saturating_sub(d);
        self.done = 0;
    }
}
pub fn unesc(s: &str) -> Cow<'_, str> {
    if memchr(b'&', s.as_bytes()).is_none() {
        return Cow::Borrowed(s);
    }
    let mut o = String::with_capacity(s.len());
    let mut r = s;
    while let Some(i) = r.find('&') {
        o.push_str(&r[..i]);
        r = &r[i..];
        let e = match r.find(';') {
            Some(e) => e,
            None => break,
        };
        match &r[1..e] {
            "lt" => o.push('<'),
            "gt" => o.push('>'),
            "amp" => o.push('&'),
            "quot" => o.push('"'),
            "apos" => o.push('\''),
            x if x.starts_with("#x") => {
                if let Some(c) = u32::from_str_radix(&x[2..], 16).ok().and_then(char::from_u32) {
                    o.push(c)
                }
            }
            x if x.starts_with('#') => {
                if let Some(c) = x[1..].parse().ok().and_then(char::from_u32) {
                    o.push(c)
                }
            }
            _ => {
                o.push_str(&r[..=e]);
            }
        }
        r = &r[e + 1..];
    }
    o.push_str(r);
    Cow::Owned(o)
}
pub fn esc(s: &str, o: &mut Vec<u8>) {
    for &c in s.as_bytes() {
        match c {
            b'<' => o.extend(b"&lt;"),
            b'>' => o.extend(b"&gt;"),
            b'&' => o.extend(b"&amp;"),
            b'"' => o.extend(b"&quot;"),
            b'\'' => o.extend(b"&apos;"),
            c => o.push(c),
        }
    }
}
#[derive(Default, Debug)]
pub struct El<'a> {
    pub name: &'a str,
    pub attrs: Vec<(&'a str, Cow<'a, str>)>,
    pub kids: Vec<El<'a>>,
    pub text: Cow<'a, str>,
}
impl<'a> El<'a> {
    pub fn attr(&self, n: &str) -> Option<&str> {
        self.attrs.iter().find(|a| a.0 == n).map(|a| a.1.as_ref())
    }
    pub fn kid(&self, n: &str) -> Option<&El<'a>> {
        self.kids.iter().find(|k| k.local() == n)
    }
    pub fn local(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or(self.name)
    }
}
pub fn parse_tag(s: &str) -> (&str, Vec<(&str, Cow<'_, str>)>) {
    // s without < > and trailing /
    let ne = s.find(|c: char| c.is_whitespace()).unwrap_or(s.len());
    let (name, mut r) = s.split_at(ne);
    let mut at = Vec::with_capacity(5);
    loop {
        r = r.trim_start();
        let eq = match r.find('=') {
            Some(e) => e,
            None => break,
        };
        let k = r[..eq].trim_end();
        let v = r[eq + 1..].trim_start();
        let q = match v.chars().next() {
            Some(q @ ('"' | '\'')) => q,
            _ => break,
        };
        let e = match v[1..].find(q) {
            Some(e) => e,
            None => break,
        };
        at.push((k, unesc(&v[1..1 + e])));
        r = &v[e + 2..];
    }
    (name, at)
}
pub fn parse(s: &str) -> Option<El<'_>> {
    let mut p = 0;
    parse_at(s, &mut p, 0)
}
fn parse_at<'a>(s: &'a str, p: &mut usize, lvl: u32) -> Option<El<'a>> {
    if lvl > 60 {
        return None;
    }
    let b = s.as_bytes();
    let lt = *p + memchr(b'<', &b[*p..])?;
    let mut i = lt + 1;
    let e = loop {
        let k = i + memchr3(b'>', b'"', b'\'', &b[i..])?;
        if b[k] == b'>' {
            break k;
        }
        i = k + 1 + memchr(b[k], &b[k + 1..])? + 1;
    };
    let sc = b[e - 1] == b'/';
    let (name, attrs) = parse_tag(&s[lt + 1..if sc { e - 1 } else { e }]);
    *p = e + 1;
    let mut el = El { name, attrs, ..Default::default() };
    if sc {
        return Some(el);
    }
    loop {
        let l = *p + memchr(b'<', &b[*p..])?;
        if l > *p {
            let t = unesc(&s[*p..l]);
            if el.text.is_empty() {
                el.text = t
            } else {
                el.text.to_mut().push_str(&t)
            }
        }
        let r = &s[l..];
        if r.starts_with("</") {
            *p = l + memchr(b'>', &b[l..])? + 1;
            return Some(el);
        }
        if r.starts_with("<![CDATA[") {
            let e = r.find("]]>")?;
            el.text.to_mut().push_str(&r[9..e]);
            *p = l + e + 3;
            continue;
        }
        if r.starts_with("<!--") {
            *p = l + r.find("-->")? + 3;
            continue;
        }
        *p = l;
        el.kids.push(parse_at(s, p, lvl + 1)?);
    }
}
