//! The stream whose peer breaks the rules, brought to where the rule applies, and what that peer sees of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use stox::ids::Ids;
use stox::time::Now;
use stox::xmpp::federation::dialback::Keys;
use stox::xmpp::federation::{
    Association, Authentication, Command, Dial, Judgement, Pair, Partner, Partners, Report, Unreachable, Verdict,
    Verification,
};
use stox::xmpp::stanza::Stanza;
use stox::xmpp::stream::{Secured, ServerConfig, ServerEvent, ServerStream, StreamConfig};

use super::rows::{FEATURES, HEADER, RESPONSE, SUCCESS, Stage, Theft};

/// What one read of a connection gives.
pub(super) const READ: usize = 16 * 1024;

/// What the peer sees, and what became of the stream.
pub(super) struct Seen {
    /// The errors in the order in which they came, or "nothing".
    pub(super) errors: String,
    pub(super) goes_on: bool,
    /// The most bytes that were held at once.
    pub(super) most_held: usize,
}

/// The stream.
pub(super) struct Victim {
    stream: ServerStream,
    now: Duration,
    said: String,
    /// Errors that go to the sender of a stanza by whatever way.
    replies: Vec<String>,
    proven: Vec<&'static str>,
    closed: bool,
    distrusted: bool,
    most_held: usize,
}

fn config(stage: Stage) -> Arc<ServerConfig> {
    let others = match stage {
        Stage::Plain => Authentication::Dialback,
        Stage::Certified | Stage::Asking => Authentication::Certificate,
        Stage::Connected
        | Stage::Offered
        | Stage::Encrypted
        | Stage::Secured
        | Stage::Unproven
        | Stage::Proven
        | Stage::Dialled
        | Stage::Asked
        | Stage::Answered
        | Stage::OneWay
        | Stage::Bidi
        | Stage::Verifying => Authentication::DialbackTls,
    };
    let others = Partner { authentication: others, ..Partner::default() };
    let blocked = Partner { allowed: false, ..Partner::default() };
    let named = HashMap::from([("blocked.example".to_owned(), blocked)]);
    Arc::new(ServerConfig {
        stream: StreamConfig::default(),
        hosts: Arc::new(|domain| matches!(domain, "us.example" | "chat.us.example")),
        partners: Arc::new(Partners::new(named, others)),
        keys: Arc::new(Keys::new(b"ours")),
        tls: !matches!(stage, Stage::Plain),
        bidi: !matches!(stage, Stage::OneWay),
        caps: None,
        idle_after: None,
        manage: None,
    })
}

fn tls() -> Secured {
    Secured { version: "TLS 1.3", resumed: false, certificate: true, exporter: None }
}

impl Victim {
    /// A stream at `stage`.
    pub(super) fn at(stage: Stage) -> Self {
        let config = config(stage);
        let start = Now::at(Duration::ZERO);
        let pair = Pair::new("us.example", "peer.example");
        let to_verify = matches!(stage, Stage::Verifying);
        let dial = Dial { stream: 1, pair: pair.clone(), to_verify, host: None };
        let accepting = |secured| ServerStream::accepting(config.clone(), Ids::new([3; 32], 0), secured, start);
        let initiating = |secured| ServerStream::initiating(config.clone(), &dial, secured, start);
        let stream = match stage {
            Stage::Connected | Stage::Offered | Stage::Plain => accepting(None),
            Stage::Secured | Stage::Unproven | Stage::Proven | Stage::Certified | Stage::Encrypted => {
                accepting(Some(tls()))
            }
            Stage::Dialled | Stage::Asking | Stage::Asked => initiating(None),
            Stage::Answered | Stage::OneWay | Stage::Bidi | Stage::Verifying => initiating(Some(tls())),
        };
        let stranger = matches!(stage, Stage::Unproven | Stage::Certified);
        let proven = vec![if stranger { "other.example" } else { "peer.example" }];
        let mut victim = Self {
            stream,
            now: Duration::ZERO,
            said: String::new(),
            replies: Vec::new(),
            proven,
            closed: false,
            distrusted: false,
            most_held: 0,
        };
        victim.attend();
        for text in Self::opening(stage) {
            victim.feed(text.as_bytes(), usize::MAX);
        }
        if to_verify {
            let question = Verification { pair, id: "17".to_owned(), key: "key".to_owned() };
            let _ = victim.stream.order(Command::Verify(question), start);
            victim.attend();
        }
        victim.said.clear();
        victim
    }

    /// What a good peer says until the stream is there.
    fn opening(stage: Stage) -> Vec<String> {
        let header = HEADER.to_owned();
        let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>".to_owned();
        let bidi = "<bidi xmlns='urn:xmpp:bidi'/>".to_owned();
        let answered = |features: &str| format!("{RESPONSE}<stream:features>{features}</stream:features>");
        match stage {
            Stage::Connected | Stage::Encrypted | Stage::Certified | Stage::Dialled | Stage::Answered => vec![],
            Stage::Asking => vec![],
            Stage::Offered | Stage::Plain | Stage::Secured | Stage::Unproven => vec![header],
            Stage::Proven => vec![header.clone(), bidi, auth, header],
            Stage::Asked => vec![answered("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")],
            Stage::OneWay | Stage::Bidi => vec![answered(FEATURES), SUCCESS.to_owned(), answered("")],
            Stage::Verifying => vec![answered(FEATURES)],
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], chunk: usize) {
        for bytes in bytes.chunks(chunk.min(READ)) {
            self.stream.receive(bytes, Now::at(self.now));
            self.most_held = self.most_held.max(self.stream.held_bytes());
            self.attend();
        }
    }

    /// A byte every second, and whatever is due meanwhile.
    pub(super) fn feed_slowly(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.now += Duration::from_secs(1);
            self.stream.handle_timeout(Now::at(self.now));
            self.feed(&[*byte], 1);
        }
    }

    /// Until nothing is due for the next ten minutes.
    pub(super) fn wait(&mut self) {
        let end = self.now + Duration::from_secs(600);
        while let Some(due) = self.stream.next_timeout().filter(|due| *due < end) {
            self.now = self.now.max(due);
            self.stream.handle_timeout(Now::at(self.now));
            self.attend();
        }
    }

    fn attend(&mut self) {
        let now = Now::at(self.now);
        while let Some(event) = self.stream.poll_event() {
            match event {
                ServerEvent::StartTls => {}
                ServerEvent::Judge(domain) => {
                    let judgement = match self.proven.contains(&domain.as_str()) {
                        true => Judgement::Proven(Association::Pkix),
                        false => Judgement::Unproven("its certificate names another domain".to_owned()),
                    };
                    self.stream.judged(judgement, now);
                }
                ServerEvent::Report(Report::Key(question)) => {
                    let Verification { pair, id, key } = &question;
                    // The authoritative server of every domain but ours: it made the keys of its streams.
                    let right = Keys::new(b"theirs").is_right(&pair.local, &pair.remote, id, key);
                    let verdict = if right { Verdict::Valid } else { Verdict::Invalid };
                    let _ = self.stream.order(Command::Answer(question.pair, verdict), now);
                }
                ServerEvent::Report(Report::Closed { .. }) => self.closed = true,
                ServerEvent::Report(Report::Unreachable(Unreachable::NotTrusted(_))) => {
                    (self.closed, self.distrusted) = (true, true);
                }
                ServerEvent::Report(Report::Verified(..)) => self.replies.push("(one answer taken)".to_owned()),
                ServerEvent::Report(_) => {}
                ServerEvent::Stanza(_) => self.replies.push("(stanza taken)".to_owned()),
                ServerEvent::Unusable { reply, .. } => self.replies.push(name_of(reply.as_ref())),
            }
        }
        let mut bytes = Vec::new();
        self.stream.poll_output(&mut bytes);
        self.said.push_str(&String::from_utf8_lossy(&bytes));
    }

    /// A dialback key that was made for something else.
    pub(super) fn stolen_key(&self, theft: Theft) -> String {
        let keys = Keys::new(b"theirs");
        let key = match theft {
            Theft::OtherStream => keys.key("us.example", "other.example", "another-stream"),
            Theft::OtherPair => keys.key("chat.us.example", "other.example", self.stream.id()),
            Theft::OtherDomain => keys.key("us.example", "peer.example", self.stream.id()),
            Theft::None => keys.key("us.example", "other.example", self.stream.id()),
        };
        format!("<db:result from='other.example' to='us.example'>{key}</db:result>")
    }

    pub(super) fn seen(self) -> Seen {
        let mut errors = Vec::new();
        let mut rest = self.said.as_str();
        // A condition is the first element inside of what carries it.
        let carriers = ["<stream:error>", "<failure ", "type='error'>", "type='invalid'>", "type='valid'>"];
        while let Some((at, carrier)) = carriers.iter().filter_map(|c| rest.find(c).map(|at| (at, *c))).min() {
            rest = &rest[at + carrier.len()..];
            errors.push(match carrier {
                "<stream:error>" => format!("stream error {}", element(rest)),
                "<failure " if rest.starts_with("xmlns='urn:ietf:params:xml:ns:xmpp-tls'") => "TLS failure".to_owned(),
                "<failure " => format!("SASL failure {}", element(rest)),
                "type='error'>" => format!("dialback error {}", element(rest.split_once('>').map_or("", |(_, r)| r))),
                "type='invalid'>" => "dialback: invalid".to_owned(),
                _ => "dialback: valid".to_owned(),
            });
        }
        errors.extend(self.replies);
        if self.distrusted {
            errors.push("(not trusted)".to_owned());
        }
        if errors.is_empty() {
            errors.push("nothing".to_owned());
        }
        // What closes is over once the peer has closed, too.
        let goes_on = !self.closed && !self.said.ends_with("</stream:stream>");
        Seen { errors: errors.join(", "), goes_on, most_held: self.most_held }
    }
}

/// The name of the first element in `text`.
fn element(text: &str) -> &str {
    let name = text.split_once('<').map_or("", |(_, rest)| rest);
    name.split([' ', '/', '>']).next().unwrap_or_default()
}

fn name_of(reply: Option<&Stanza>) -> String {
    let condition = reply.and_then(|reply| {
        let element = reply.to_element();
        let error = element.children().find(|child| child.name() == "error")?;
        Some(error.children().next()?.name().to_owned())
    });
    condition.map_or_else(|| "(no answer)".to_owned(), |condition| format!("stanza error {condition}"))
}
