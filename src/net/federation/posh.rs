//! Asking a domain over HTTPS for the certificates of its server (RFC 7711), and keeping the answers.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, LOCATION};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tracing::debug;

use crate::dns::{Answer, Query};
use crate::net::Dns;
use crate::tls::names;
use crate::tls::posh::{self, Document, Fingerprints};
use crate::tls::xmpp::server_name;

/// How long one domain may take, over all redirects and references: a stream waits for it.
const WITHIN: Duration = Duration::from_secs(6);

/// Redirects that are followed (RFC 7711 section 10).
const REDIRECTS: usize = 10;

/// Bytes of a document. Hundreds of fingerprints are less.
const DOCUMENT: usize = 64 * 1024;

/// Domains asked at once; any stranger can name one. Others wait for [`WITHIN`] at most, and then go without.
const AT_ONCE: usize = 128;

/// Domains whose answers are kept.
const DOMAINS: usize = 1_000;

/// No answer is kept for longer, whatever the domain says: who takes a certificate back should not wait for weeks.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it is kept that a domain says nothing.
const NOTHING: Duration = Duration::from_secs(5 * 60);

/// Addresses of a web server that are tried.
const ADDRESSES: usize = 4;

/// Opens a TCP connection to a host and port.
type Reach = Arc<dyn Fn(String, u16) -> Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>> + Send + Sync>;

/// What domains say. Clones share what was found.
#[derive(Clone)]
pub struct Posh {
    reach: Reach,
    found: Arc<Mutex<HashMap<String, Arc<Slot>>>>,
    at_once: Arc<Semaphore>,
}

/// One domain. Whoever comes second waits for the first one's answer.
#[derive(Default)]
struct Slot(tokio::sync::Mutex<Option<Found>>);

#[derive(Clone)]
struct Found {
    fingerprints: Option<Arc<Fingerprints>>,
    until: Instant,
}

impl Posh {
    /// Over addresses that `dns` finds.
    #[must_use]
    pub fn new(dns: Dns) -> Self {
        Self::reaching(move |host, port| {
            let dns = dns.clone();
            async move { connect(&dns, &host, port).await }
        })
    }

    /// Over connections that `reach` opens to a host and port.
    pub fn reaching<F>(reach: impl Fn(String, u16) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<TcpStream>> + Send + 'static,
    {
        let reach: Reach = Arc::new(move |host, port| Box::pin(reach(host, port)));
        Self { reach, found: Arc::default(), at_once: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The fingerprints of `domain`; `None`: it says nothing that can be believed. The web server's certificate is checked as
    /// `tls` has it.
    pub async fn of(&self, domain: &str, tls: &Arc<ClientConfig>) -> Option<Arc<Fingerprints>> {
        // An address is nobody's name: no web server is known to speak for it.
        let domain = names::ascii(domain);
        if domain.parse::<IpAddr>().is_ok() {
            return None;
        }
        let slot = self.slot(&domain);
        let mut known = slot.0.lock().await;
        if let Some(found) = known.as_ref().filter(|found| found.until > Instant::now()) {
            return found.fingerprints.clone();
        }
        let Ok(Ok(_permit)) = tokio::time::timeout(WITHIN, self.at_once.acquire()).await else { return None };
        let asked = tokio::time::timeout(WITHIN, self.ask(&domain, tls)).await;
        let (fingerprints, holds) = match asked.unwrap_or_else(|_| Err("takes too long".to_owned())) {
            Ok(fingerprints) => {
                let holds = fingerprints.expires.min(LONGEST);
                (Some(Arc::new(fingerprints)), holds)
            }
            Err(why) => {
                debug!(domain, "no certificate is published over HTTPS: {why}");
                (None, NOTHING)
            }
        };
        *known = Some(Found { fingerprints: fingerprints.clone(), until: Instant::now() + holds });
        fingerprints
    }

    fn slot(&self, domain: &str) -> Arc<Slot> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= DOMAINS && !found.contains_key(domain) {
            make_room(&mut found);
        }
        Arc::clone(found.entry(domain.to_owned()).or_default())
    }

    /// The document of a domain, or the one that it refers to; that one may not refer on (section 3.2).
    async fn ask(&self, domain: &str, tls: &Arc<ClientConfig>) -> Result<Fingerprints, String> {
        let told = |why: posh::Unusable| format!("the document {why}");
        let first = self.get(&format!("https://{domain}{}", posh::PATH), tls).await?;
        match posh::read(&first).map_err(told)? {
            Document::Fingerprints(fingerprints) => Ok(fingerprints),
            Document::Reference { url, expires } => match posh::read(&self.get(&url, tls).await?).map_err(told)? {
                Document::Fingerprints(fingerprints) => Ok(fingerprints.within(expires)),
                Document::Reference { .. } => Err("a document that is referred to refers to another".to_owned()),
            },
        }
    }

    /// The text at a URI, after redirects.
    async fn get(&self, url: &str, tls: &Arc<ClientConfig>) -> Result<Bytes, String> {
        let mut uri: Uri = url.parse().map_err(|_| format!("{url} is no URI"))?;
        for _ in 0..=REDIRECTS {
            let response = self.request(&uri, tls).await.map_err(|why| format!("{uri}: {why}"))?;
            let (head, body) = response.into_parts();
            if head.status == StatusCode::OK {
                return Ok(body);
            }
            let to = head.headers.get(LOCATION).filter(|_| head.status.is_redirection());
            let Some(to) = to.and_then(|to| to.to_str().ok()) else { return Err(format!("{uri}: {}", head.status)) };
            uri = redirected(&uri, to).ok_or_else(|| format!("{uri} redirects to what is no https URI"))?;
        }
        Err(format!("{url} redirects too often"))
    }

    /// One request over a connection of its own: the next one is an hour away.
    async fn request(&self, uri: &Uri, tls: &Arc<ClientConfig>) -> Result<Response<Bytes>, String> {
        let why = |error: &dyn std::error::Error| error.to_string();
        let (Some(host), "https") = (uri.host(), uri.scheme_str().unwrap_or_default()) else {
            return Err("is no https URI".to_owned());
        };
        let name = server_name(host).ok_or("is no host name")?;
        let tcp = (self.reach)(names::ascii(host), uri.port_u16().unwrap_or(443)).await.map_err(|error| why(&error))?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await.map_err(|error| why(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| why(&error))?;
        let authority = uri.authority().map_or(host, hyper::http::uri::Authority::as_str);
        let request = Request::get(uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str))
            .header(HOST, authority)
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| why(&error))?;
        let exchange = async move {
            let response = sender.send_request(request).await.map_err(|error| why(&error))?;
            let (head, body) = response.into_parts();
            // What a redirect has to say besides, nobody reads.
            if head.status != StatusCode::OK {
                return Ok(Response::from_parts(head, Bytes::new()));
            }
            let body = Limited::new(body, DOCUMENT).collect().await.map_err(|error| why(&*error))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            response = &mut exchange => response,
            // It ends before the answer has been read where the server has closed it; what came is in memory.
            _ = connection => exchange.await,
        }
    }
}

/// Drops what holds no more, else what would hold the shortest. Nobody who is asking loses anything: he has his slot.
fn make_room(found: &mut HashMap<String, Arc<Slot>>) {
    let now = Instant::now();
    // One that is being asked for has no answer yet.
    let until = |slot: &Slot| slot.0.try_lock().ok().and_then(|known| known.as_ref().map(|found| found.until));
    found.retain(|_, slot| until(slot).is_none_or(|until| until > now));
    while found.len() >= DOMAINS {
        let soonest = found.iter().min_by_key(|(_, slot)| until(slot)).map(|(domain, _)| domain.clone());
        let Some(soonest) = soonest else { return };
        found.remove(&soonest);
    }
}

/// Where a redirect leads: another `https` URI, or another path of the same server (RFC 9110 section 10.2.2).
fn redirected(from: &Uri, to: &str) -> Option<Uri> {
    let to = to.split('#').next().unwrap_or_default();
    if to.starts_with('/') && !to.starts_with("//") {
        return format!("https://{}{to}", from.authority()?).parse().ok();
    }
    let uri: Uri = to.parse().ok()?;
    (uri.scheme_str() == Some("https") && uri.host().is_some()).then_some(uri)
}

async fn connect(dns: &Dns, host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => match dns.answer(&Query::Addresses { name: host.to_owned() }).await.answer {
            Answer::Addresses(addresses) => addresses,
            Answer::Naptr(_) | Answer::Srv(_) | Answer::NoSuchName | Answer::Unavailable => Vec::new(),
        },
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "DNS knows no address of it");
    for address in addresses.into_iter().take(ADDRESSES) {
        match TcpStream::connect(SocketAddr::new(address, port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_redirect_leads_to_https_or_to_the_same_server() {
        let from: Uri = "https://a.example:444/x".parse().unwrap();
        for (to, expected) in [
            ("https://b.example/y?z#w", "https://b.example/y?z"),
            ("/y", "https://a.example:444/y"),
            ("//b.example/y", ""),
            ("http://a.example/y", ""),
            ("HTTPS://b.example/y", "https://b.example/y"),
            ("y", ""),
            ("", ""),
            ("https:///y", ""),
        ] {
            let found = redirected(&from, to).map(|uri| uri.to_string()).unwrap_or_default();
            assert_eq!(found, expected, "{to}");
        }
    }

    #[tokio::test]
    async fn no_more_than_so_many_domains_are_kept_and_the_soonest_to_end_goes_first() {
        let posh = Posh::reaching(|_, _| async { Err(io::Error::from(io::ErrorKind::ConnectionRefused)) });
        let until = |domain: &str, seconds: usize| {
            let slot = posh.slot(domain);
            let until = Instant::now() + Duration::from_secs(u64::try_from(seconds).unwrap());
            *slot.0.try_lock().unwrap() = Some(Found { fingerprints: None, until });
        };
        (0..DOMAINS).for_each(|at| until(&format!("{at}.example"), DOMAINS - at));
        let has = |domain: &str| posh.found.lock().unwrap().contains_key(domain);
        until("new.example", 60);
        assert!(has("new.example") && has("0.example") && !has(&format!("{}.example", DOMAINS - 1)));
        (0..5 * DOMAINS).for_each(|at| until(&format!("{at}.stranger.example"), 1));
        assert_eq!(posh.found.lock().unwrap().len(), DOMAINS);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(9_999)).await;
        until("last.example", 60);
        assert_eq!(posh.found.lock().unwrap().len(), 1, "what holds no more goes at once");
    }
}
