//! Each rule once, by hand; what they give together is played in `tests/it/federation.rs`.
#![allow(clippy::unwrap_used)]

mod drain;
mod failing;
mod sessions;
mod verifying;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use super::super::{
    Association, Authentication, Command, Dial, Host, Pair, Partner, PartnerLimits, Partners, Report, StreamId, Way,
};
use super::{Federation, Output, Settings};
use crate::ids::Ids;
use crate::time::Now;
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Condition, Message, MessageKind, Stanza, StanzaError};
use crate::xmpp::stream::Cause;

struct World {
    federation: Federation,
    now: Now,
}

fn jid(text: &str) -> Jid {
    Jid::parse(text).unwrap()
}

fn pair(local: &str, remote: &str) -> Pair {
    Pair::new(local, remote)
}

fn ab() -> Pair {
    pair("a.example", "b.example")
}

/// A message whose id is `id`.
fn message(pair: &Pair, id: &str) -> Stanza {
    Stanza::Message(Message {
        from: Some(jid(&format!("anna@{}", pair.local))),
        to: Some(jid(&format!("bert@{}", pair.remote))),
        id: Some(id.to_owned()),
        kind: MessageKind::Chat,
        lang: None,
        payload: Vec::new(),
    })
}

fn partners(partner: Partner) -> Arc<Partners> {
    Arc::new(Partners::new(std::collections::HashMap::new(), partner))
}

impl World {
    fn new(settings: Settings) -> Self {
        Self { federation: Federation::new(settings, Ids::new([1; 32], 0)), now: Now::at(Duration::from_secs(1_000)) }
    }

    fn send(&mut self, pair: &Pair, id: &str) {
        self.federation.send(message(pair, id), self.now);
    }

    fn report(&mut self, stream: StreamId, report: Report) {
        self.federation.report(stream, report, self.now);
    }

    fn outputs(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.federation.take_outputs(&mut outputs);
        outputs
    }

    /// What is to be done, in short.
    fn told(&mut self) -> Vec<String> {
        self.outputs().iter().map(short).collect()
    }

    fn pass(&mut self, seconds: f64) {
        self.now = Now::at(self.now.mono + Duration::from_secs_f64(seconds));
        self.federation.handle_timeout(self.now);
    }

    /// A stream that was dialed, opened and has proven its pair.
    fn dialed(&mut self, pair: &Pair, multiplex: bool) -> StreamId {
        self.send(pair, "first");
        let outputs = self.outputs();
        let [Output::Open(Dial { stream, .. })] = outputs.as_slice() else { panic!("{outputs:?}") };
        let stream = *stream;
        self.prove(stream, pair);
        self.report(stream, Report::Open { multiplex });
        assert_eq!(self.told(), [format!("{stream} send first")]);
        stream
    }

    fn prove(&mut self, stream: StreamId, pair: &Pair) {
        self.report(stream, Report::Proven(pair.clone(), Way::Out, Association::Pkix));
    }

    fn close(&mut self, stream: StreamId, unsent: &[&str], in_doubt: bool) {
        let unsent = unsent.iter().map(|id| message(&ab(), id)).collect();
        self.report(
            stream,
            Report::Closed { cause: Cause::Disconnected, unsent, doubtful: Vec::new(), session: None, in_doubt },
        );
    }
}

fn short(output: &Output) -> String {
    match output {
        Output::Open(Dial { stream, pair, to_verify, host }) => {
            let what = if *to_verify { "ask" } else { "open" };
            let host = host.as_ref().map(|host| format!(" at {}", host.name)).unwrap_or_default();
            format!("{stream} {what} {} {}{host}", pair.local, pair.remote)
        }
        Output::Order(stream, command) => match command {
            Command::Send(stanza) => format!("{stream} send {}", stanza.id().unwrap_or("-")),
            Command::Prove(pair) => format!("{stream} prove {} {}", pair.local, pair.remote),
            Command::Verify(verification) => {
                format!("{stream} verify {} {}", verification.pair.remote, verification.key)
            }
            Command::Answer(pair, verdict) => format!("{stream} answer {} {}", pair.remote, said(verdict)),
            Command::Continue(session) => format!("{stream} continue {}", session.is_some()),
            Command::Drain => format!("{stream} drain"),
            Command::Close(None) => format!("{stream} close"),
            Command::Close(Some(error)) => format!("{stream} close {}", error.kind.name()),
        },
        Output::Bounce(stanza) => {
            let Stanza::Message(message) = stanza else { panic!("{stanza:?}") };
            let error = message.error().unwrap();
            format!(
                "bounce {} {} {}",
                stanza.id().unwrap_or("-"),
                message.from.as_ref().unwrap(),
                error.condition.name()
            )
        }
        Output::DomainDown { local, remote } => format!("down {local} {remote}"),
        Output::DomainUp { local, remote } => format!("up {local} {remote}"),
    }
}

fn said(verdict: &super::super::Verdict) -> String {
    match verdict {
        super::super::Verdict::Valid => "valid".to_owned(),
        super::super::Verdict::Invalid => "invalid".to_owned(),
        super::super::Verdict::Error(error) => {
            let more = error.application.as_ref().map(|more| format!(" {}", more.name())).unwrap_or_default();
            format!("{}{more}", error.condition.name())
        }
    }
}

fn error(condition: Condition) -> super::super::Verdict {
    super::super::Verdict::Error(StanzaError::new(condition))
}

/// A world in which one domain has a host of its own choosing and needs no more than dialback.
fn hosted(names: &[&str], authentication: Authentication) -> Settings {
    let host = Host { name: "host.example".to_owned(), port: None, direct_tls: false };
    let partner = Partner { host: Some(host), authentication, ..Partner::default() };
    let named = names.iter().map(|name| ((*name).to_owned(), partner.clone())).collect();
    Settings { partners: Arc::new(Partners::new(named, Partner::default())), ..Settings::default() }
}

fn most_connections(connections: usize) -> Arc<Partners> {
    partners(Partner { limits: PartnerLimits { connections, ..PartnerLimits::default() }, ..Partner::default() })
}
