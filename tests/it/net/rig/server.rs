//! An XMPP server, as far as a component sees one.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use super::{LOOK_AGAIN, PATIENCE, unique};

/// The server's end of a component link, byte by byte.
pub(crate) struct Server {
    connections: Receiver<TcpStream>,
    socket: TcpStream,
    held: Vec<u8>,
}

impl Server {
    /// The next connection to `listener`.
    pub(crate) fn accept(listener: TcpListener, patience: Duration) -> Self {
        let connections = incoming(listener);
        let socket = connections.recv_timeout(patience).expect("no component came");
        Self { connections, socket, held: Vec::new() }
    }

    /// The next connection, in the place of this one.
    pub(crate) fn accept_again(&mut self, patience: Duration) {
        self.socket = self.connections.recv_timeout(patience).expect("the component did not come again");
        self.held.clear();
    }

    /// Whether nobody connects for so long.
    pub(crate) fn is_left_alone_for(&self, time: Duration) -> bool {
        self.connections.recv_timeout(time).is_err()
    }

    /// The server's part of a good handshake.
    pub(crate) fn negotiate(&mut self) {
        self.open();
        self.read_until("</handshake>");
        self.send("<handshake/>");
    }

    /// Header for header.
    pub(crate) fn open(&mut self) {
        self.read_until("<stream:stream ");
        self.read_until(">");
        self.send(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
             xmlns:stream='http://etherx.jabber.org/streams' from='sip.example' id='3BF96D32'>",
        );
    }

    /// Asks something and waits for the answer, after which everything before it has been dealt with.
    pub(crate) fn settle(&mut self) {
        let id = format!("settled-{}", unique());
        self.send(&format!(
            "<iq type='get' from='xmpp.example' to='sip.example' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>"
        ));
        self.read_until(&id);
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// Sends as much as is taken; `false` if the connection ended.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Whether all of it was taken within this time.
    pub(crate) fn try_send_for(&mut self, bytes: &[u8], time: Duration) -> bool {
        self.socket.set_write_timeout(Some(time)).unwrap();
        self.socket.write_all(bytes).is_ok()
    }

    /// Ends the connection without a word.
    pub(crate) fn hang_up(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    /// Everything up to and with `end`; panics when it does not come.
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        self.try_read_until(end, PATIENCE).unwrap_or_else(|got| panic!("{end:?} did not come, only: {got}"))
    }

    /// The same, or what came instead.
    pub(crate) fn try_read_until(&mut self, end: &str, patience: Duration) -> Result<String, String> {
        read_until(&mut self.socket, &mut self.held, end, patience)
    }

    /// Reads to the end of the connection.
    pub(crate) fn read_to_end(&mut self) -> String {
        let mut bytes = std::mem::take(&mut self.held);
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        match self.socket.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&bytes)),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn answer_a_ping_that_is_here(&mut self) {
        if let Ok(text) = self.try_read_until("</iq>", LOOK_AGAIN) {
            self.answer_ping(&text[text.rfind("<iq").unwrap()..]);
        }
    }

    fn answer_ping(&mut self, iq: &str) {
        self.send(&format!(
            "<iq type='result' from='{}' to='{}' id='{}'/>",
            attribute(iq, "to"),
            attribute(iq, "from"),
            attribute(iq, "id")
        ));
    }

    /// Answers the next ping, so that what was sent before it is confirmed. Gives all that was read.
    pub(crate) fn answer_pings(&mut self) -> String {
        let text = self.read_until("</iq>");
        self.answer_ping(&text[text.rfind("<iq").unwrap()..]);
        text
    }

    /// The id of the next ping that is read, unanswered.
    pub(crate) fn read_ping(&mut self) -> String {
        let text = self.read_until("</iq>");
        attribute(&text[text.rfind("<iq").unwrap()..], "id").to_owned()
    }
}

/// The connections to `listener`, as they come.
pub(crate) fn incoming(listener: TcpListener) -> Receiver<TcpStream> {
    let (sender, connections) = mpsc::channel();
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            socket.set_nodelay(true).unwrap();
            socket.set_write_timeout(Some(PATIENCE)).unwrap();
            if sender.send(socket).is_err() {
                return;
            }
        }
    });
    connections
}

/// Reads until `end` is there; what follows it stays in `held`.
pub(crate) fn read_until(
    socket: &mut TcpStream,
    held: &mut Vec<u8>,
    end: &str,
    patience: Duration,
) -> Result<String, String> {
    let until = Instant::now() + patience;
    let mut looked = 0_usize;
    loop {
        let from = looked.saturating_sub(end.len());
        if let Some(at) = find(&held[from..], end.as_bytes()) {
            let rest = held.split_off(from + at + end.len());
            let text = std::mem::replace(held, rest);
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
        looked = held.len();
        let left = until.saturating_duration_since(Instant::now());
        let mut bytes = [0; 16 * 1024];
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
        match socket.read(&mut bytes) {
            Ok(length) if length > 0 => held.extend_from_slice(&bytes[..length]),
            Ok(_) | Err(_) => return Err(String::from_utf8_lossy(held).into_owned()),
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// The value of an attribute of the first tag of `xml`.
pub(crate) fn attribute<'x>(xml: &'x str, name: &str) -> &'x str {
    let tag = &xml[..xml.find('>').unwrap()];
    let at = tag.find(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name} in {tag}")) + name.len() + 2;
    let quote = tag[at..].chars().next().unwrap();
    tag[at + 1..].split(quote).next().unwrap()
}
