//! Asking a stox that runs, from its own command line.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Somebody waits at a terminal, and the process is on this machine or near.
const PATIENCE: Duration = Duration::from_secs(3);

/// An answer is some dozen lines; this is for whatever else listens there.
const LONGEST: u64 = 1 << 20;

/// The body of the answer to `GET path` at `addr`.
///
/// # Errors
/// Nobody answers, or not with 200.
pub fn ask(addr: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: stox\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split_ascii_whitespace().nth(1).unwrap_or_default();
    if status == "200" { Ok(body.to_owned()) } else { Err(io::Error::other(format!("it answered \"{status}\""))) }
}

/// `text` as a value in the query of a URL: everything but letters, digits and a few marks is escaped (RFC 3986 section
/// 2.1).
#[must_use]
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    text.bytes().fold(String::new(), |mut url, byte| {
        if plain(byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    })
}
