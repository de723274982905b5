//! SIP peers over UDP and TCP, and the messages they send.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::server::read_until;
use super::{PATIENCE, Stox, connect};

/// A SIP peer over UDP.
pub(crate) struct Phone {
    socket: UdpSocket,
}

impl Phone {
    pub(crate) fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into())
    }

    /// One at a loopback address of its own: nobody stox knows, unless it is the next hop's.
    pub(crate) fn at(ip: IpAddr) -> Self {
        Self::on(SocketAddr::new(ip, 0))
    }

    /// One at this address and port.
    pub(crate) fn on(addr: SocketAddr) -> Self {
        let socket = UdpSocket::bind(addr).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) fn send(&self, to: SocketAddr, text: &str) {
        self.send_bytes(to, text.as_bytes());
    }

    pub(crate) fn send_bytes(&self, to: SocketAddr, bytes: &[u8]) {
        self.socket.send_to(bytes, to).unwrap();
    }

    /// The next datagram within `patience`.
    pub(crate) fn receive(&self, patience: Duration) -> Option<String> {
        let mut bytes = vec![0; 65_535];
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    /// Whether nothing comes for so long.
    pub(crate) fn receive_nothing_for(&self, time: Duration) -> bool {
        self.receive(time).is_none()
    }

    /// Whether a datagram that has come and was not looked at yet has `text` in it.
    pub(crate) fn has_seen(&self, text: &str) -> bool {
        std::iter::from_fn(|| self.receive(Duration::from_millis(1))).any(|datagram| datagram.contains(text))
    }

    /// The next response.
    pub(crate) fn read_response(&self) -> String {
        loop {
            let text = self.receive(PATIENCE).expect("no response came");
            if text.starts_with("SIP/2.0 ") {
                return text;
            }
        }
    }

    /// The response to the request with this Call-ID.
    pub(crate) fn read_response_to(&self, call_id: &str) -> String {
        loop {
            let text = self.read_response();
            if text.contains(call_id) {
                return text;
            }
        }
    }

    /// The next MESSAGE whose body has `text` in it.
    pub(crate) fn read_message(&self, text: &str) -> String {
        loop {
            let request = self.receive(PATIENCE).unwrap_or_else(|| panic!("no MESSAGE with {text:?} came"));
            if request.starts_with("MESSAGE ") && request.contains(text) {
                return request;
            }
        }
    }

    pub(crate) fn answer(&self, request: &str, to: SocketAddr, status: u16, reason: &str) {
        self.send(to, &response(request, status, reason));
    }
}

/// A response that copies what it has to.
pub(crate) fn response(request: &str, status: u16, reason: &str) -> String {
    let mut text = format!("SIP/2.0 {status} {reason}\r\n");
    for line in request.lines().skip(1).take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap();
        if ["Via", "From", "Call-ID", "CSeq"].contains(&name) {
            let _ = write!(text, "{line}\r\n");
        } else if name == "To" {
            let _ = write!(text, "{line};tag=phone\r\n");
        }
    }
    text.push_str("Content-Length: 0\r\n\r\n");
    text
}

/// A MESSAGE from `sip:from@pbx.example` to `sip:to@xmpp.example`, new each time.
pub(crate) fn message(from: &str, to: &str, text: &str) -> String {
    request(&format!("sip:{from}@pbx.example"), &format!("sip:{to}@xmpp.example"), "", text)
}

/// A MESSAGE with more header lines, each with its CRLF.
pub(crate) fn request(from: &str, to: &str, more: &str, text: &str) -> String {
    let n = unique();
    format!(
        "MESSAGE {to} SIP/2.0\r\nVia: SIP/2.0/UDP phone.invalid;branch=z9hG4bK-{n};rport\r\nMax-Forwards: 70\r\n\
         From: <{from}>;tag=t{n}\r\nTo: <{to}>\r\nCall-ID: call-{n}@phone\r\nCSeq: 1 MESSAGE\r\n{more}\
         Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}

/// The Call-ID of a message.
pub(crate) fn call_id(message: &str) -> &str {
    header(message, "Call-ID")
}

/// The value of the first header called `name`.
pub(crate) fn header<'m>(message: &'m str, name: &str) -> &'m str {
    let line = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {message}")).trim()
}

/// A number that no other call gives.
pub(crate) fn unique() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// A SIP peer over TCP.
pub(crate) struct Line {
    pub(crate) socket: TcpStream,
    held: Vec<u8>,
}

impl Line {
    pub(crate) fn to(stox: &Stox) -> Self {
        Self { socket: connect(stox.sip), held: Vec::new() }
    }

    /// From an address of its own.
    pub(crate) fn from(local: SocketAddr, stox: &Stox) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&local.into()).unwrap();
        socket.connect(&stox.sip.into()).unwrap();
        Self::of(socket.into())
    }

    /// Whether the other end has closed it.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        match self.socket.read(&mut [0; 16]) {
            Ok(length) => length == 0,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    pub(crate) fn of(socket: TcpStream) -> Self {
        Self { socket, held: Vec::new() }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).unwrap();
    }

    /// Sends as much as is taken; `false` if the connection ended.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Sends the same again and again, whether it is taken or not, until the other end closes; how many bytes were
    /// taken.
    pub(crate) fn press_until_closed(mut self, bytes: &[u8]) -> usize {
        self.socket.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut sent = 0;
        loop {
            match self.socket.write(&bytes[sent % bytes.len()..]) {
                Ok(length) => sent += length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return sent,
            }
        }
    }

    /// The head of the next message.
    pub(crate) fn read_head(&mut self) -> String {
        read_until(&mut self.socket, &mut self.held, "\r\n\r\n", PATIENCE)
            .unwrap_or_else(|got| panic!("no message, only {got:?}"))
    }

    /// What comes up to `end`, or what came instead.
    pub(crate) fn try_read_until(&mut self, end: &str, patience: Duration) -> Result<String, String> {
        read_until(&mut self.socket, &mut self.held, end, patience)
    }

    /// Waits for the end of the connection; gives what came before it.
    pub(crate) fn read_to_end(&mut self, patience: Duration) -> String {
        let mut bytes = std::mem::take(&mut self.held);
        self.socket.set_read_timeout(Some(patience)).unwrap();
        match self.socket.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
            Err(error) => panic!("the connection is still open: {error}; {:?}", String::from_utf8_lossy(&bytes)),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
