//! A stream between servers, either end of it, whose peer and owner do anything in any order; and SASL, either side.
//!
//! The bytes are a list of acts. What must hold:
//! * a stanza comes out only for a pair that is proven in, goes out only for one that is proven out;
//! * a pair is proven by the certificate only if that was judged to prove the peer, by a key only if it was found right;
//! * every stanza that was to be sent is in the output, or comes back, or is in the session that is left;
//! * what is sent is well formed and not out of proportion to what came; after the last report nothing comes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use stox::ids::Ids;
use stox::time::Now;
use stox::xml::splitter::{Piece, Splitter};
use stox::xml::{Element, Limits, ns, reader};
use stox::xmpp::federation::dialback::Keys;
use stox::xmpp::federation::{
    Association, Authentication, Command, Dial, Judgement, Pair, Partner, Partners, Report, Verdict, Way,
};
use stox::xmpp::jid::{BareJid, Jid};
use stox::xmpp::sasl::{self, Account, Accounts, Decoy, Reply, Setting, Standing, Unavailable, Users};
use stox::xmpp::stanza::{Message, MessageKind, Stanza};
use stox::xmpp::stream::manage::ManageConfig;
use stox::xmpp::stream::{Secured, ServerConfig, ServerEvent, ServerStream, StreamConfig, StreamErrorKind};

/// What peers say, each by its number.
const PHRASES: [&str; 36] = [
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
     xmlns:db='jabber:server:dialback' from='peer.example' to='us.example' id='1' version='1.0'>",
    "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
     xmlns:db='jabber:server:dialback' id='2'>",
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>",
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>\
     <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/></stream:features>",
    "<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><sm xmlns='urn:xmpp:sm:3'/>\
     </stream:features>",
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>cGVlci5leGFtcGxl</auth>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>dGhpZWYuZXhhbXBsZQ==</auth>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>",
    "<db:result from='peer.example' to='us.example'>key</db:result>",
    "<db:result from='other.example' to='us.example'>key</db:result>",
    "<db:result from='peer.example' to='us.example' type='valid'/>",
    "<db:result from='peer.example' to='us.example' type='invalid'/>",
    "<db:verify from='peer.example' to='us.example' id='1'>key</db:verify>",
    "<db:verify from='peer.example' to='us.example' id='1' type='valid'/>",
    "<bidi xmlns='urn:xmpp:bidi'/>",
    "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
    "<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/>",
    "<resume xmlns='urn:xmpp:sm:3' previd='x' h='1'/>",
    "<failed xmlns='urn:xmpp:sm:3'/>",
    "<r xmlns='urn:xmpp:sm:3'/>",
    "<a xmlns='urn:xmpp:sm:3' h='1'/>",
    "<message from='a@peer.example' to='b@us.example'><body>x</body></message>",
    "<message from='a@other.example' to='b@us.example'><body>x</body></message>",
    "<message from='a@thief.example' to='b@us.example'/>",
    "<iq from='peer.example' to='us.example' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<presence from='a@peer.example'/>",
    "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "</stream:stream>",
    "<db:result from='peer.example' to='us.example' type='error'><error type='cancel'>\
     <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
    "<unknown xmlns='urn:x'/>",
    " ",
];

/// Runs the acts that `data` spells.
pub(crate) fn server(data: &[u8]) {
    let Some((first, mut rest)) = data.split_first() else { return };
    let mut world = World::new(*first);
    while let [act, measure, tail @ ..] = rest {
        rest = tail;
        if act % 10 == 1 {
            let (raw, tail) = rest.split_at(usize::from(*measure).min(rest.len()));
            world.hear(raw, act & 0x80 != 0);
            rest = tail;
        } else {
            world.act(*act, *measure);
        }
        world.check();
    }
    world.end();
}

struct World {
    stream: ServerStream,
    initiating: bool,
    now: Duration,
    judged: bool,
    answered: HashSet<Pair>,
    /// The peer said that a key of ours is right, or something that may be that.
    believed: bool,
    proven: HashSet<(Pair, bool)>,
    heard: usize,
    output: Vec<u8>,
    given: u32,
    back: HashSet<String>,
    over: bool,
}

fn pair(remote: u8) -> Pair {
    Pair::new("us.example", ["peer.example", "other.example", "thief.example"][usize::from(remote % 3)])
}

impl World {
    fn new(bits: u8) -> Self {
        let authentication = [Authentication::Certificate, Authentication::DialbackTls, Authentication::Dialback]
            [usize::from(bits >> 1) % 3];
        let others = Partner { authentication, ..Partner::default() };
        let config = Arc::new(ServerConfig {
            stream: StreamConfig::default(),
            hosts: Arc::new(|host| host == "us.example"),
            partners: Arc::new(Partners::new(Default::default(), others)),
            keys: Arc::new(Keys::new(b"secret")),
            tls: bits & 0x80 == 0,
            bidi: bits & 0x40 == 0,
            manage: (bits & 0x20 == 0).then(|| ManageConfig { max_stanzas: 20, ..ManageConfig::default() }),
            caps: None,
            idle_after: Some(Duration::from_secs(600)),
        });
        let (initiating, now) = (bits & 1 == 0, Now::at(Duration::ZERO));
        let tls = (bits & 0x10 == 0).then(secured);
        let stream = if initiating {
            let dial = Dial { stream: 1, pair: pair(0), to_verify: bits & 0x88 == 0x88, host: None };
            ServerStream::initiating(config, &dial, tls, now)
        } else {
            ServerStream::accepting(config, Ids::new([1; 32], 1), tls, now)
        };
        Self {
            stream,
            initiating,
            now: Duration::ZERO,
            judged: false,
            answered: HashSet::new(),
            believed: false,
            proven: HashSet::new(),
            heard: 0,
            output: Vec::new(),
            given: 0,
            back: HashSet::new(),
            over: false,
        }
    }

    fn act(&mut self, act: u8, measure: u8) {
        let now = Now::at(self.now);
        match act % 10 {
            2 => self.stream.secured(secured(), now),
            3 => {
                let proven = measure & 1 == 0;
                self.judged |= proven;
                let judgement = Judgement::Unproven("it is somebody else's".to_owned());
                self.stream.judged(if proven { Judgement::Proven(Association::Pkix) } else { judgement }, now);
            }
            4 => self.send(measure),
            5 => {
                let verdict = if measure & 0x80 == 0 { Verdict::Valid } else { Verdict::Invalid };
                if measure & 0x80 == 0 {
                    self.answered.insert(pair(measure));
                }
                let _ = self.stream.order(Command::Answer(pair(measure), verdict), now);
            }
            6 => {
                let _ = self.stream.order(Command::Prove(pair(measure)), now);
            }
            7 => {
                self.now += Duration::from_secs(u64::from(measure));
                let now = Now::at(self.now);
                for _ in 0..20 {
                    if self.stream.next_timeout().is_none_or(|at| at > now.mono) {
                        return;
                    }
                    self.stream.handle_timeout(now);
                }
                panic!("it is due for ever");
            }
            8 if measure.is_multiple_of(4) => self.stream.disconnected(),
            8 if measure % 4 == 1 => self.stream.close(None, now),
            8 if measure % 4 == 2 => self.stream.close(Some(StreamErrorKind::Conflict.into()), now),
            8 => {
                let _ = self.stream.order(Command::Continue(None), now);
            }
            _ => self.hear(PHRASES[usize::from(measure) % PHRASES.len()].as_bytes(), act & 0x80 != 0),
        }
    }

    fn hear(&mut self, bytes: &[u8], apart: bool) {
        self.heard += bytes.len();
        self.believed |= self.initiating;
        for piece in bytes.chunks(if apart { 1 } else { bytes.len().max(1) }) {
            self.stream.receive(piece, Now::at(self.now));
        }
    }

    fn send(&mut self, measure: u8) {
        self.given += 1;
        let pair = pair(measure);
        let (from, to) = (Jid::parse(&pair.local).expect("a domain"), Jid::parse(&pair.remote).expect("a domain"));
        let mut message = Message::new(from, to, MessageKind::Chat);
        message.id = Some(format!("ours {}", self.given));
        self.order(Command::Send(Stanza::Message(message)));
    }

    fn order(&mut self, command: Command) {
        if let Err(undone) = self.stream.order(command, Now::at(self.now)) {
            self.take_back(&undone.command.into_stanzas());
        }
    }

    fn check(&mut self) {
        while let Some(event) = self.stream.poll_event() {
            assert!(!self.over, "{event:?} after the end");
            match event {
                ServerEvent::Stanza(stanza) => self.came(&stanza),
                ServerEvent::Unusable { .. } => assert!(self.proven.iter().any(|(_, incoming)| *incoming)),
                ServerEvent::Report(report) => self.on_report(report),
                ServerEvent::StartTls | ServerEvent::Judge(_) => {}
            }
        }
        let mut output = Vec::new();
        self.stream.poll_output(&mut output);
        self.output.extend(output);
        let allowed = 64 * (self.heard + 200 * self.given as usize) + 16 * 1024 + self.now.as_secs() as usize * 16;
        assert!(self.output.len() <= allowed, "{} bytes", self.output.len());
    }

    fn came(&self, stanza: &Stanza) {
        let (Some(from), Some(to)) = (stanza.from(), stanza.to()) else { panic!("{stanza:?}") };
        let pair = Pair::new(to.domain(), from.domain());
        assert!(self.proven.contains(&(pair, true)), "{stanza:?}");
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Proven(pair, way, by) => {
                let right = match (by, way, self.initiating) {
                    (Association::Dialback, _, true) => self.believed,
                    (Association::Dialback, _, false) => self.answered.contains(&pair),
                    (Association::Pkix | Association::Posh | Association::Dane, _, _) => self.judged,
                };
                assert!(right, "{pair:?} {way:?} by {by:?}");
                self.proven.insert((pair, way == Way::In));
            }
            Report::Continue(_, id) => {
                assert!(!self.proven.is_empty() || id.is_none(), "nobody is proven");
                // Half of the time the owner is late.
                if self.heard.is_multiple_of(2) {
                    self.order(Command::Continue(None));
                }
            }
            Report::Unsent(stanza) => self.take_back(&[stanza]),
            Report::Closed { unsent, doubtful, session, .. } => {
                self.over = true;
                self.take_back(&unsent);
                self.take_back(&doubtful);
                let rest = session.map(|session| session.into_rest()).unwrap_or_default();
                self.take_back(&rest.doubtful);
                self.take_back(&rest.unsent);
            }
            Report::Unreachable(_) => self.over = true,
            Report::Open { .. }
            | Report::Refused(..)
            | Report::Key(_)
            | Report::Verified(..)
            | Report::Idle
            | Report::Resumable(..)
            | Report::Undone(_)
            | Report::Resumed => {}
        }
    }

    fn take_back(&mut self, stanzas: &[Stanza]) {
        self.back.extend(stanzas.iter().filter_map(|stanza| stanza.id().map(str::to_owned)));
    }

    fn end(mut self) {
        self.stream.disconnected();
        self.check();
        assert!(self.over && self.stream.is_closed() && self.stream.next_timeout().is_none());
        let sent = self.read_output();
        for number in 1..=self.given {
            let id = format!("ours {number}");
            assert!(sent.contains(&id) || self.back.contains(&id), "{id} has disappeared");
        }
    }

    /// What was sent, held to what may be; the ids of our stanzas.
    fn read_output(&self) -> HashSet<String> {
        let mut ids = HashSet::new();
        let text = std::str::from_utf8(&self.output).expect("it is UTF-8");
        // Each header begins a stream of its own.
        for stream in text.split("<?xml version='1.0'?>") {
            let mut splitter = Splitter::new(Limits { stanza: 1 << 20, ..Limits::default() });
            splitter.push(stream.as_bytes());
            while let Some(piece) = splitter.next().unwrap_or_else(|error| panic!("{error}: {stream}")) {
                if let Piece::Child(element) = piece
                    && element.ns() == ns::CLIENT
                {
                    let stanza = Stanza::from_element(element).expect("ours can be read");
                    let (Some(from), Some(to)) = (stanza.from(), stanza.to()) else { panic!("{stanza:?}") };
                    let pair = Pair::new(from.domain(), to.domain());
                    assert!(self.proven.contains(&(pair, false)), "{stanza:?}");
                    ids.extend(stanza.id().map(str::to_owned));
                }
            }
            assert_eq!(splitter.pending(), 0, "half an element: {stream}");
        }
        ids
    }
}

fn secured() -> Secured {
    Secured { version: "TLS 1.3", resumed: false, certificate: true, exporter: Some([7; 32]) }
}

struct Nobody(Decoy);

impl Accounts for Nobody {
    fn account(&self, user: &BareJid) -> Result<Option<Account>, Unavailable> {
        match user.as_jid().as_str() {
            "busy@us.example" => Err(Unavailable),
            "romeo@us.example" => Ok(Some(Account { keys: Vec::new(), standing: Standing::Good })),
            _ => Ok(None),
        }
    }

    fn decoy(&self) -> &Decoy {
        &self.0
    }
}

/// Both sides of SASL hear lines: a letter for the element or mechanism, then its text. Who has proven a domain may come in as
/// that and nothing else; without the right password nobody does.
pub(crate) fn sasl(data: &[u8]) {
    let domain = BareJid::parse("peer.example").expect("a domain");
    let users = Users {
        domain: BareJid::parse("us.example").expect("a domain"),
        accounts: Arc::new(Nobody(Decoy { secret: [3; 32], iterations: 4096 })),
    };
    let setting = Setting { encrypted: true, proven: vec![domain.clone()], users: Some(users), ..Setting::default() };
    let (mut server, mut client) = (sasl::Server::new(setting), sasl::Client::external("us.example"));
    let mut tries = 0;
    for line in data.split(|byte| *byte == b'\n').take(16) {
        let Some((kind, text)) = line.split_first() else { continue };
        let text = String::from_utf8_lossy(text);
        let (name, mechanism) = match kind {
            b'E' => ("auth", "EXTERNAL"),
            b'P' => ("auth", "PLAIN"),
            b'1' => ("auth", "SCRAM-SHA-1"),
            b'2' => ("auth", "SCRAM-SHA-256"),
            b'+' => ("auth", "SCRAM-SHA-256-PLUS"),
            b'?' => ("auth", &*text),
            b'a' => ("abort", ""),
            b's' => ("success", ""),
            b'c' => ("challenge", ""),
            b'f' => ("failure", ""),
            _ => ("response", ""),
        };
        // Most lines are what a peer would encode; others are what it must not.
        let content = if kind.is_ascii_lowercase() || *kind == b'!' {
            text.clone().into_owned()
        } else {
            sasl::base64::encode(text.as_bytes())
        };
        let mut element = Element::new(ns::SASL, name).with_text(&content);
        if !mechanism.is_empty() {
            element.set_attr("mechanism", mechanism);
        }
        let reply = server.receive(&element);
        let mut written = Vec::new();
        stox::xml::writer::write(reply.element(), "", &mut written);
        reader::parse(&written, &Limits::document()).unwrap_or_else(|error| panic!("{error}"));
        match reply {
            Reply::Success(_, who) => assert_eq!(who, domain, "nobody else has proven anything"),
            Reply::Challenge(_) | Reply::Failure(..) => {}
        }
        tries += usize::from(name == "auth");
        assert!(tries < sasl::MAX_TRIES || server.is_exhausted());
        let _ = client.receive(&element);
    }
}
