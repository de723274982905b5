//! loadgen's XMPP end as a server that federates: it opens one stream to stox over direct TLS, proves its domain by its
//! certificate (SASL EXTERNAL), and asks for both directions on it (XEP-0288).
use crate::xml::El;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

/// Where a stream of ours stands; the component's server has 0 to 2, of which 2 means that stanzas may go.
pub const HEADER: u8 = 10;
const FEATURES: u8 = 11;
const SUCCESS: u8 = 12;
pub const HEADER_AGAIN: u8 = 13;
const FEATURES_AGAIN: u8 = 14;
const READY: u8 = 2;

/// The domain that is ours, and how stox is reached.
pub struct Server {
    pub domain: String,
    pub tls: Arc<ClientConfig>,
}

/// A connection, with TLS or without.
pub struct Pipe {
    s: TcpStream,
    tls: Option<Box<ClientConnection>>,
}
impl Pipe {
    pub fn plain(s: TcpStream) -> Pipe {
        s.set_nonblocking(true).ok();
        s.set_nodelay(true).ok();
        Pipe { s, tls: None }
    }
    pub fn dial(to: &str, server: &Server, component: &str) -> Option<Pipe> {
        let mut p = Pipe::plain(TcpStream::connect(to).ok()?);
        let name = ServerName::try_from(component.to_string()).expect("name");
        let mut c = ClientConnection::new(server.tls.clone(), name).expect("TLS client");
        c.set_buffer_limit(None);
        p.tls = Some(Box::new(c));
        Some(p)
    }
    pub fn fd(&self) -> RawFd {
        self.s.as_raw_fd()
    }
    pub fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|t| t.wants_write())
    }
    /// Takes what there is, up to a limit; false: it is over.
    pub fn fill(&mut self, into: &mut Vec<u8>) -> bool {
        for _ in 0..4 {
            let l = into.len();
            let n = match &mut self.tls {
                None => {
                    into.resize(l + 131072, 0);
                    let r = self.s.read(&mut into[l..]);
                    into.truncate(l + *r.as_ref().unwrap_or(&0));
                    r
                }
                Some(t) => match t.read_tls(&mut self.s) {
                    Ok(n) if n > 0 => match t.process_new_packets() {
                        Ok(_) => {
                            let _ = t.reader().read_to_end(into); // WouldBlock after the last
                            Ok(n)
                        }
                        Err(e) => {
                            eprintln!("s2s: TLS: {}", e);
                            Err(ErrorKind::InvalidData.into())
                        }
                    },
                    r => r,
                },
            };
            match n {
                Ok(0) => return false,
                Ok(n) if self.tls.is_none() && n < 131072 => return true,
                Ok(_) => {}
                Err(e) => return e.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }
    /// Writes what it can of `out` from `at` on, which it moves.
    pub fn drain(&mut self, out: &[u8], at: &mut usize) {
        let Some(t) = &mut self.tls else {
            while *at < out.len() {
                match self.s.write(&out[*at..]) {
                    Ok(n) => *at += n,
                    Err(_) => break,
                }
            }
            return;
        };
        loop {
            if !t.wants_write() {
                // Not all at once: what waits in `out` counts as backlog, what waits in there does not.
                let n = (out.len() - *at).min(1 << 18);
                if n == 0 || t.is_handshaking() {
                    break;
                }
                let _ = t.writer().write_all(&out[*at..*at + n]);
                *at += n;
            }
            if t.write_tls(&mut self.s).is_err() {
                break;
            }
        }
    }
}

pub fn header(from: &str, to: &str, out: &mut Vec<u8>) {
    crate::w!(out, "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='{from}' to='{to}' version='1.0'>");
}

/// What comes before stanzas may go: the next stage, or why there is none.
pub fn negotiate(stage: u8, el: &El, out: &mut Vec<u8>) -> Result<u8, String> {
    match (stage, el.local()) {
        (FEATURES, "features") => {
            let mechanism = el.kid("mechanisms").and_then(|m| m.kids.iter().find(|k| k.text == "EXTERNAL"));
            if mechanism.is_none() {
                return Err("EXTERNAL is not offered: stox does not take our certificate".into());
            }
            if el.kid("bidi").is_none() {
                return Err("bidi is not offered".into());
            }
            out.extend(b"<bidi xmlns='urn:xmpp:bidi'/><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
            Ok(SUCCESS)
        }
        (SUCCESS, "success") => Ok(HEADER_AGAIN),
        (FEATURES_AGAIN, "features") => Ok(READY),
        _ => Err(format!("<{}/> ({}) in stage {}", el.name, el.kids.first().map_or("", |k| k.local()), stage)),
    }
}

/// After a header of stox.
pub fn headed(stage: u8) -> u8 {
    if stage == HEADER {
        FEATURES
    } else {
        FEATURES_AGAIN
    }
}
