//! Gateways that are servers of their own, and servers by hand.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::net::rig::*;

/// The header of a stream between servers.
pub(super) fn opening(from: &str, to: &str, id: Option<&str>) -> String {
    let id = id.map(|id| format!(" id='{id}'")).unwrap_or_default();
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='{from}' to='{to}'{id} version='1.0'>"
    )
}

/// What a server offers that knows nothing but dialback.
pub(super) const ONLY_DIALBACK: &str =
    "<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>";

/// A gateway that serves a domain, and the phone of its users.
pub(super) struct Gate {
    pub(super) stox: Stox,
    pub(super) phone: Phone,
    pub(super) domain: &'static str,
}

/// Where one will be, and who it is.
pub(super) struct Plan {
    pub(super) ip: Ipv4Addr,
    pub(super) domain: &'static str,
}

impl Plan {
    pub(super) fn new(domain: &'static str) -> Self {
        Self { ip: Stox::own_address(), domain }
    }

    /// Starts it. `server`: more of `[xmpp.server]`; `partners`: those of whom something is said; `others`: the domains of
    /// chat; `more`: further sections.
    pub(super) fn start(&self, server: &str, partners: &str, others: &[&str], more: &str) -> Gate {
        let (ip, domain, phone) = (self.ip, self.domain, Phone::new());
        let chats: String = others
            .iter()
            .map(|other| format!("[[domain]]\nhome = \"xmpp\"\nxmpp = \"{other}\"\nsip = \"{other}\"\n"))
            .collect();
        let certified = server.contains("certificate =");
        let direct = if certified { format!(", \"tls:{ip}:5270\"") } else { String::new() };
        // Without a certificate nobody can be asked for TLS.
        let everybody = "[[xmpp.partner]]\ndomain = \"*\"\nauthentication = \"dialback\"\n";
        let everybody = if certified || partners.contains("\"*\"") { "" } else { everybody };
        let text = format!(
            "[xmpp.server]\ndomains = [\"{domain}\"]\nlisten = [\"tcp:{ip}:5269\"{direct}]\nposh = false\n\
             {server}\n{everybody}{partners}\n\
             [sip]\nlisten = [\"udp:{ip}:5060\", \"tcp:{ip}:5060\"]\n[admin]\nlisten = \"{ip}:9480\"\n\
             [message]\nconfirm_within = \"20s\"\n\
             [[domain]]\nhome = \"sip\"\nxmpp = \"{domain}\"\nsip = \"{domain}\"\n\
             next_hop = \"sip:{};transport=udp\"\noptions_every = \"off\"\n{chats}{more}\n",
            phone.addr()
        );
        let mut stox = Stox::with_config(ip, &text);
        wait_until("it is ready", || {
            stox.assert_alive();
            stox.log().contains(" ready ")
        });
        Gate { stox, phone, domain }
    }
}

impl Gate {
    /// Where it takes streams of other servers.
    pub(super) fn streams(&self) -> SocketAddr {
        self.stox.at(5269)
    }

    /// Its user writes to one of another domain; the Call-ID.
    pub(super) fn write(&self, domain: &str, text: &str) -> String {
        let sent = request(&format!("sip:romeo@{}", self.domain), &format!("sip:juliet@{domain}"), "", text);
        self.phone.send(self.stox.sip, &sent);
        call_id(&sent).to_owned()
    }

    /// A message that arrives at the phone and is answered.
    pub(super) fn hears(&self, text: &str) {
        let request = self.phone.read_message(text);
        self.phone.answer(&request, self.stox.sip, 200, "OK");
    }

    /// The final response to a message.
    pub(super) fn answer(&self, call_id: &str) -> String {
        self.phone.read_response_to(call_id)
    }
}

/// `[xmpp.server]` with a certificate of `files`, and its authority.
pub(super) fn with_certificate(files: &Files, name: &str) -> String {
    let path = |ending: &str| files.path(&format!("{name}.{ending}"));
    format!("certificate = \"{}\"\nkey = \"{}\"\ntrust = [\"{}\"]", path("pem"), path("key"), files.path("ca.pem"))
}

/// Makes NAME.pem and NAME.key, which name this domain.
pub(super) fn certify(files: &Files, name: &str, authority: &crate::certs::Authority, domain: &str) {
    let signed = authority.sign(&[domain]);
    files.write(&format!("{name}.pem"), &signed.certificate);
    files.write(&format!("{name}.key"), &signed.key);
}

/// `[[xmpp.partner]]` at a host.
pub(super) fn partner(domain: &str, host: SocketAddr, authentication: &str, more: &str) -> String {
    format!(
        "[[xmpp.partner]]\ndomain = \"{domain}\"\nhost = \"{host}\"\nauthentication = \"{authentication}\"\n{more}\n"
    )
}

/// One end of a connection, by hand.
pub(super) struct Hand {
    pub(super) socket: TcpStream,
    held: Vec<u8>,
}

impl Hand {
    pub(super) fn to(addr: SocketAddr) -> Self {
        Self { socket: connect(addr), held: Vec::new() }
    }

    pub(super) fn of(listener: &TcpListener) -> Self {
        Self::of_socket(listener.accept().unwrap().0)
    }

    pub(super) fn of_socket(socket: TcpStream) -> Self {
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { socket, held: Vec::new() }
    }

    pub(super) fn send(&mut self, text: &str) {
        use std::io::Write;
        self.socket.write_all(text.as_bytes()).unwrap();
    }

    /// As much as is taken.
    pub(super) fn try_send(&mut self, text: &str) -> bool {
        use std::io::Write;
        self.socket.write_all(text.as_bytes()).is_ok()
    }

    pub(super) fn read_until(&mut self, end: &str) -> String {
        let read = read_until(&mut self.socket, &mut self.held, end, PATIENCE);
        read.unwrap_or_else(|got| panic!("{end:?} did not come, only: {got}"))
    }

    pub(super) fn try_read_until(&mut self, end: &str, patience: Duration) -> Result<String, String> {
        read_until(&mut self.socket, &mut self.held, end, patience)
    }

    /// Everything until the other end closes.
    pub(super) fn read_to_end(&mut self) -> String {
        match self.try_read_until("\0never\0", PATIENCE) {
            Ok(all) | Err(all) => all,
        }
    }
}

/// A server by hand that takes streams and believes everybody, without TLS.
pub(super) struct Believer {
    listener: TcpListener,
    pub(super) domain: &'static str,
}

impl Believer {
    pub(super) fn new(domain: &'static str) -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap(), domain }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next stream, once the pair is proven that it was opened for.
    pub(super) fn accept(&self, from: &str) -> Hand {
        let mut hand = self.opened(from);
        hand.read_until("</db:result>");
        hand.send(&format!("<db:result from='{}' to='{from}' type='valid'/>", self.domain));
        hand
    }

    /// The next stream, once it is open.
    pub(super) fn opened(&self, from: &str) -> Hand {
        let mut hand = Hand::of(&self.listener);
        hand.read_until("<stream:stream ");
        hand.read_until(">");
        hand.send(&opening(self.domain, from, Some("believer")));
        hand.send(ONLY_DIALBACK);
        hand
    }

    /// Opens a stream to a gateway and proves itself; the gateway asks back here. Then it may send.
    pub(super) fn call(&self, gate: &Gate) -> Hand {
        let mut hand = Hand::to(gate.streams());
        hand.send(&opening(self.domain, gate.domain, None));
        hand.read_until("</stream:features>");
        hand.send(&format!("<db:result from='{}' to='{}'>any key</db:result>", self.domain, gate.domain));
        let mut asked = self.opened(gate.domain);
        let question = asked.read_until("</db:verify>");
        let id = attribute(&question[question.rfind("<db:verify").unwrap()..], "id").to_owned();
        asked.send(&format!("<db:verify from='{}' to='{}' id='{id}' type='valid'/>", self.domain, gate.domain));
        hand.read_until("type='valid'");
        hand
    }
}
