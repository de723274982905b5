//! The federation, which knows all pairs of domains, and where its wishes go.
//!
//! One lock holds it. Everything here happens on one thread and nobody keeps the lock while waiting, so nobody waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::line::Line;
use super::{Shared, dial};
use crate::gateway::Input;
use crate::net::Batch;
use crate::xmpp::federation::{Command, Federation, Output, Report, StreamId};
use crate::xmpp::stanza::Stanza;

pub(super) struct Hub {
    pub(super) federation: Federation,
    /// The streams that there are.
    lines: HashMap<StreamId, Arc<Line>>,
    outputs: Vec<Output>,
    /// When the clock of the federation rings next.
    pub(super) armed: Option<Duration>,
}

impl Hub {
    pub(super) fn new(federation: Federation) -> Self {
        Self { federation, lines: HashMap::new(), outputs: Vec::new(), armed: None }
    }
}

impl Shared {
    /// Sends stanzas of our domains; what follows for the shard at once goes to `back`.
    pub(super) fn send(self: &Arc<Self>, stanzas: impl Iterator<Item = Stanza>, back: &mut Batch) {
        let now = self.clock.now();
        let mut hub = self.hub();
        for stanza in stanzas {
            hub.federation.send(stanza, now);
        }
        self.apply(&mut hub, back);
    }

    /// A stream tells what happened to it.
    pub(super) fn report(self: &Arc<Self>, stream: StreamId, reports: impl Iterator<Item = Report>, back: &mut Batch) {
        let now = self.clock.now();
        let mut hub = self.hub();
        for report in reports {
            if matches!(report, Report::Closed { .. } | Report::Unreachable(_)) {
                hub.lines.remove(&stream);
            }
            hub.federation.report(stream, report, now);
        }
        self.apply(&mut hub, back);
        if hub.federation.is_drained() {
            // The shard waits for this. If its queue is full, it looks anyway.
            let _ = self.shard.try_send(Batch::new());
        }
    }

    /// A peer has connected; `None`: there are too many streams.
    pub(super) fn accepted(self: &Arc<Self>, back: &mut Batch) -> Option<(StreamId, Arc<Line>)> {
        let now = self.clock.now();
        let mut hub = self.hub();
        let stream = hub.federation.accept(now)?;
        let line = Arc::new(Line::default());
        hub.lines.insert(stream, Arc::clone(&line));
        self.apply(&mut hub, back);
        Some((stream, line))
    }

    /// Nothing new is taken.
    pub(super) fn drain(self: &Arc<Self>, back: &mut Batch) {
        let mut hub = self.hub();
        hub.federation.drain();
        self.apply(&mut hub, back);
    }

    /// Everything ends.
    pub(super) fn stop(self: &Arc<Self>, back: &mut Batch) {
        let mut hub = self.hub();
        hub.federation.stop();
        self.apply(&mut hub, back);
    }

    /// Does what the federation wants, until it wants nothing more.
    fn apply(self: &Arc<Self>, hub: &mut Hub, back: &mut Batch) {
        let mut outputs = std::mem::take(&mut hub.outputs);
        loop {
            hub.federation.take_outputs(&mut outputs);
            if outputs.is_empty() {
                break;
            }
            for output in outputs.drain(..) {
                self.perform(hub, output, back);
            }
        }
        hub.outputs = outputs;
        let next = hub.federation.next_timeout();
        if next.is_some_and(|next| hub.armed.is_none_or(|armed| next < armed)) {
            hub.armed = next;
            self.sooner.notify_one();
        }
    }

    fn perform(self: &Arc<Self>, hub: &mut Hub, output: Output, back: &mut Batch) {
        match output {
            Output::Open(order) => {
                let line = Arc::new(Line::default());
                hub.lines.insert(order.stream, Arc::clone(&line));
                tokio::spawn(dial::open(Arc::clone(self), order, line));
            }
            Output::Order(stream, command) => {
                let refused = match hub.lines.get(&stream) {
                    Some(line) => line.push(command).err(),
                    None => Some(command),
                };
                match refused {
                    Some(Command::Send(stanza)) => {
                        hub.federation.report(stream, Report::Unsent(stanza), self.clock.now());
                    }
                    Some(undone @ Command::Continue(Some(_))) => {
                        hub.federation.report(stream, Report::Undone(Box::new(undone)), self.clock.now());
                    }
                    // The stream is over, which is told otherwise.
                    Some(
                        Command::Continue(None)
                        | Command::Prove(_)
                        | Command::Verify(_)
                        | Command::Answer(..)
                        | Command::Drain
                        | Command::Close(_),
                    )
                    | None => {}
                }
            }
            Output::Bounce(stanza) => back.extend(self.input(stanza)),
            Output::DomainDown { local, remote } => {
                let link = self.links.get(&*local);
                back.extend(link.map(|link| Input::DomainDown(*link, remote.to_string())));
            }
            Output::DomainUp { local, remote } => {
                let link = self.links.get(&*local);
                back.extend(link.map(|link| Input::DomainUp(*link, remote.to_string())));
            }
        }
    }

    /// A stanza for one of our domains, for the shard.
    pub(super) fn input(&self, stanza: Stanza) -> Option<Input> {
        let link = *self.links.get(stanza.to()?.domain())?;
        Some(Input::Stanza(link, stanza))
    }

    /// The clock of the federation, for as long as the process runs.
    pub(super) async fn keep_time(self: Arc<Self>) {
        let mut back = Batch::new();
        loop {
            let armed = self.hub().armed;
            let ring = async {
                match armed {
                    Some(at) => tokio::time::sleep_until(self.clock.instant(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = ring => {}
                () = self.sooner.notified() => continue,
            }
            {
                let now = self.clock.now();
                let mut hub = self.hub();
                hub.federation.handle_timeout(now);
                // Not at once again, whatever it says: a wake-up for each of many streams would cost more than it brings.
                hub.armed = None;
                self.apply(&mut hub, &mut back);
                hub.armed = hub.armed.map(|at| at.max(now.mono + TICK));
            }
            self.hand_over(&mut back).await;
        }
    }

    /// Gives inputs to the shard, for those who can wait for it.
    pub(super) async fn hand_over(&self, batch: &mut Batch) {
        if !batch.is_empty() {
            // Nobody hears it only when nobody is there any more.
            let _ = self.shard.send(std::mem::take(batch)).await;
        }
    }
}

/// The clock rings no oftener than this: what it counts are seconds.
const TICK: Duration = Duration::from_millis(20);
