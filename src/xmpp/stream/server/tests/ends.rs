//! Two ends, the connection between them, and what stands around each: TLS, certificates, a federation.

use std::collections::HashMap;

use super::super::*;
use crate::xmpp::federation::dialback::Keys;
use crate::xmpp::federation::{Authentication, Partners, StreamId, Unreachable, Verdict, Verification};
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Message, MessageKind};
use crate::xmpp::stream::StreamConfig;

pub(super) const OURS: &str = "a.example";
pub(super) const THEIRS: &str = "b.example";
const STREAM: StreamId = 7;

pub(super) fn at(seconds: u64) -> Now {
    Now::at(Duration::from_secs(seconds))
}

pub(super) fn pair(local: &str, remote: &str) -> Pair {
    Pair::new(local, remote)
}

pub(super) fn dial(to_verify: bool) -> Dial {
    Dial { stream: STREAM, pair: pair(OURS, THEIRS), to_verify, host: None }
}

pub(super) fn secured() -> Secured {
    Secured { version: "TLS 1.3", resumed: false, certificate: true, exporter: None }
}

pub(super) fn message(from: &str, to: &str, body: &str) -> Stanza {
    let message = Message::new(Jid::parse(from).unwrap(), Jid::parse(to).unwrap(), MessageKind::Chat);
    Stanza::Message(message.with_body(None, body))
}

/// What a server is like.
#[derive(Clone)]
pub(super) struct World {
    pub(super) hosts: Vec<&'static str>,
    pub(super) demands: Authentication,
    pub(super) keys: Keys,
    pub(super) tls: bool,
    pub(super) bidi: bool,
    pub(super) caps: Option<&'static str>,
    /// Domains that the certificate of the *other* end proves.
    pub(super) certified: Vec<&'static str>,
    pub(super) named: HashMap<String, Partner>,
}

impl World {
    pub(super) fn new(hosts: &[&'static str], certified: &[&'static str]) -> Self {
        let keys = Keys::new(format!("secret of {hosts:?}").as_bytes());
        let demands = Authentication::DialbackTls;
        let (hosts, certified) = (hosts.to_vec(), certified.to_vec());
        Self { hosts, demands, keys, tls: true, bidi: true, caps: None, certified, named: HashMap::new() }
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let hosts = self.hosts.clone();
        let others = Partner { authentication: self.demands, ..Partner::default() };
        Arc::new(ServerConfig {
            stream: StreamConfig::default(),
            hosts: Arc::new(move |domain| hosts.contains(&domain)),
            partners: Arc::new(Partners::new(self.named.clone(), others)),
            keys: Arc::new(self.keys.clone()),
            tls: self.tls,
            bidi: self.bidi,
            caps: self.caps.map(Arc::from),
            idle_after: Some(Duration::from_secs(600)),
            manage: None,
        })
    }
}

/// One end and what stands around it.
pub(super) struct End {
    pub(super) stream: ServerStream,
    world: World,
    /// Who answers for a domain that wants to be believed by its key: its keys.
    authorities: HashMap<String, Keys>,
    wants_tls: bool,
    pub(super) reports: Vec<Report>,
    pub(super) stanzas: Vec<Stanza>,
    pub(super) unusable: Vec<Option<Stanza>>,
    /// Pairs to be proven by dialback once the stream is open, unless they are by then.
    pub(super) prove: Vec<Pair>,
    /// All that it has said.
    pub(super) said: String,
}

impl End {
    pub(super) fn initiating(world: &World, dial: &Dial, secured: Option<Secured>) -> Self {
        Self::new(world, ServerStream::initiating(world.config(), dial, secured, at(0)))
    }

    pub(super) fn accepting(world: &World, secured: Option<Secured>) -> Self {
        Self::new(world, ServerStream::accepting(world.config(), Ids::new([5; 32], 1), secured, at(0)))
    }

    fn new(world: &World, stream: ServerStream) -> Self {
        Self {
            stream,
            world: world.clone(),
            authorities: HashMap::new(),
            wants_tls: false,
            reports: Vec::new(),
            stanzas: Vec::new(),
            unusable: Vec::new(),
            prove: Vec::new(),
            said: String::new(),
        }
    }

    pub(super) fn output(&mut self) -> String {
        let mut bytes = Vec::new();
        self.stream.poll_output(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        self.said.push_str(&text);
        text
    }

    /// Does what the owner of a stream does with its events.
    pub(super) fn attend(&mut self, now: Now) {
        while let Some(event) = self.stream.poll_event() {
            match event {
                ServerEvent::StartTls => self.wants_tls = true,
                ServerEvent::Judge(domain) => {
                    let proven = self.world.certified.iter().any(|known| *known == domain);
                    let judgement = match proven {
                        true => Judgement::Proven(Association::Pkix),
                        false => Judgement::Unproven(format!("its certificate does not name {domain}")),
                    };
                    self.stream.judged(judgement, now);
                }
                ServerEvent::Report(report) => {
                    self.on_report(&report, now);
                    self.reports.push(report);
                }
                ServerEvent::Stanza(stanza) => self.stanzas.push(stanza),
                ServerEvent::Unusable { reply, .. } => self.unusable.push(reply),
            }
        }
    }

    fn on_report(&mut self, report: &Report, now: Now) {
        if let Report::Open { .. } = report {
            for pair in std::mem::take(&mut self.prove) {
                self.stream.order(Command::Prove(pair), now).unwrap();
            }
        }
        if let Report::Proven(proven, Way::Out, _) = report {
            self.prove.retain(|pair| pair != proven);
        }
        if let Report::Key(question) = report {
            let verdict = self.ask_authority(question);
            self.stream.order(Command::Answer(question.pair.clone(), verdict), now).unwrap();
        }
    }

    fn ask_authority(&self, question: &Verification) -> Verdict {
        let Verification { pair, id, key } = question;
        match self.authorities.get(&*pair.remote) {
            Some(keys) if keys.is_right(&pair.local, &pair.remote, id, key) => Verdict::Valid,
            _ => Verdict::Invalid,
        }
    }

    pub(super) fn closed(&self) -> Option<&Cause> {
        let mut closed = None;
        for report in &self.reports {
            if let Report::Closed { cause, .. } = report {
                closed = Some(cause);
            }
        }
        closed
    }

    pub(super) fn distrusts(&self) -> Option<&str> {
        let mut why = None;
        for report in &self.reports {
            if let Report::Unreachable(Unreachable::NotTrusted(text)) = report {
                why = Some(text.as_str());
            }
        }
        why
    }

    pub(super) fn proven(&self) -> Vec<(String, String, Way, Association)> {
        let mut all = Vec::new();
        for report in &self.reports {
            if let Report::Proven(pair, way, by) = report {
                all.push(proven(&pair.local, &pair.remote, *way, *by));
            }
        }
        all
    }
}

pub(super) fn proven(local: &str, remote: &str, way: Way, by: Association) -> (String, String, Way, Association) {
    (local.to_owned(), remote.to_owned(), way, by)
}

/// Two ends and the connection between them.
pub(super) struct Ends {
    pub(super) one: End,
    pub(super) two: End,
}

impl Ends {
    /// `one` opens a stream to `two`; each knows whom to ask about the other's keys.
    pub(super) fn new(one: &World, two: &World, direct: bool) -> Self {
        let dial = dial(false);
        let tls = || direct.then(secured);
        let (mut one_end, mut two_end) = (End::initiating(one, &dial, tls()), End::accepting(two, tls()));
        one_end.prove.push(dial.pair);
        for host in &two.hosts {
            one_end.authorities.insert((*host).to_owned(), two.keys.clone());
        }
        for host in &one.hosts {
            two_end.authorities.insert((*host).to_owned(), one.keys.clone());
        }
        Self { one: one_end, two: two_end }
    }

    /// Lets both talk, `chunk` bytes at a time, until neither has anything to say.
    pub(super) fn talk(&mut self, chunk: usize, now: Now) {
        loop {
            self.one.attend(now);
            self.two.attend(now);
            let (from_one, from_two) = (self.one.output(), self.two.output());
            if from_one.is_empty() && from_two.is_empty() {
                if !(self.one.wants_tls && self.two.wants_tls) {
                    return;
                }
                (self.one.wants_tls, self.two.wants_tls) = (false, false);
                self.one.stream.secured(secured(), now);
                self.two.stream.secured(secured(), now);
            }
            from_one.as_bytes().chunks(chunk).for_each(|bytes| self.two.stream.receive(bytes, now));
            from_two.as_bytes().chunks(chunk).for_each(|bytes| self.one.stream.receive(bytes, now));
        }
    }

    /// Both ways where both may, else one way.
    pub(super) fn exchange(&mut self, both: bool, now: Now) {
        let there = message("x@a.example", "y@b.example/r", "there");
        let back = message("y@b.example/r", "x@a.example", "back");
        self.one.stream.order(Command::Send(there.clone()), now).unwrap();
        if both {
            self.two.stream.order(Command::Send(back.clone()), now).unwrap();
        }
        self.talk(usize::MAX, now);
        assert_eq!(bodies(&self.two.stanzas), ["there"]);
        assert_eq!(bodies(&self.one.stanzas), if both { vec!["back"] } else { vec![] });
    }
}

pub(super) fn bodies(stanzas: &[Stanza]) -> Vec<String> {
    let body = |stanza: &Stanza| match stanza {
        Stanza::Message(message) => message.body().map(|body| body.into_owned()),
        Stanza::Presence(_) | Stanza::Iq(_) => None,
    };
    stanzas.iter().filter_map(body).collect()
}
