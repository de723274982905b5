//! The loop between the sockets and the gateway: inputs, one step, writes, outputs.
//!
//! One shard runs here, and the queue it reads from is bounded, so readers feel its pressure and it waits for nobody.
//! A step takes everything that waits, up to [`STEP_INPUTS`], because what shares a step shares one confirmation and one
//! wake-up of each link.
//!
//! A step's writes are committed before its outputs leave, and the outputs of later steps wait behind them, so no peer hears
//! of a state that could be forgotten. The gateway goes on meanwhile; steps that gather share the next commit. Where nothing
//! is written nothing waits.
//!
//! A store that is away, or has not answered for [`LATE`], holds up only what depends on it: messages, which write nothing,
//! are let by. Presence waits in its order until the store is back, up to [`HELD`] outputs; then, or when another process has
//! taken the store over, the shard gives up what is open, tells its senders, and ends: it starts again from what is kept.
//! While the store is merely slow, nothing is read beyond [`PAUSE`] outputs, so those who send feel it.

mod held;

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::gateway::record::Write;
use crate::gateway::register::Standing;
use crate::gateway::stats::Sample;
use crate::gateway::{Condition, Gateway, Input, Output};
use crate::net::{Batch, Clock, Net};
use crate::store::{self, Store, Trouble};
use held::Held;

/// Inputs taken into one step: a fraction of a millisecond of work, so that no answer waits long for the end of its step.
pub const STEP_INPUTS: usize = 512;

/// How often the counters are copied to where the metrics page reads them.
const PUBLISH: Duration = Duration::from_millis(500);

/// Timers are looked at no oftener than this while nothing comes: most mean nothing any more when they fire, and each would
/// be a wake-up of its own. The shortest that matters is T1, 500 ms.
const TICK: Duration = Duration::from_millis(10);

/// How long what is open may take to end by itself once the process is to stop; then it is given up, which is told to
/// its senders.
const DRAIN: Duration = Duration::from_secs(3);

/// A commit that takes longer is no matter of a busy disk. A SIP sender has asked again once by then, and still gets its
/// answer.
const LATE: Duration = Duration::from_secs(1);

/// A commit that takes longer will not come.
const GONE: Duration = Duration::from_secs(10);

/// While so many outputs wait for a store that works, nothing is read: one commit of theirs takes a fraction of a second.
const PAUSE: usize = 16_384;

/// Outputs that may wait for a store that is away: some hundred megabytes at most, and minutes of presence.
const HELD: usize = 65_536;

/// How long the last writes may take once the process is to stop.
const FLUSH: Duration = Duration::from_millis(500);

/// Where the admin page finds what the gateway knows.
pub type Published = Arc<Mutex<Told>>;

/// What the gateway tells operators.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Its counters and levels.
    pub samples: Vec<Sample>,
    /// How the SIP servers are doing.
    pub conditions: Vec<Condition>,
    /// How our registrations stand.
    pub registrations: Vec<Standing>,
}

/// One gateway with its queue and its sockets.
pub struct Shard {
    gateway: Gateway,
    net: Net,
    inputs: mpsc::Receiver<Batch>,
    clock: Clock,
    published: Published,
    store: Store,
    progress: watch::Receiver<store::Progress>,
    writes: Vec<Write>,
    held: Held<Output>,
    outputs: Vec<Output>,
    back: Batch,
    /// When the last step was.
    stepped: Instant,
}

impl Shard {
    /// A shard that reads `inputs`. The gateway has taken back what `store` has kept, and nothing else has come to it.
    #[must_use]
    pub fn new(
        gateway: Gateway,
        net: Net,
        inputs: mpsc::Receiver<Batch>,
        clock: Clock,
        published: Published,
        store: Store,
    ) -> Self {
        let progress = store.progress();
        Self {
            gateway,
            net,
            inputs,
            clock,
            published,
            store,
            progress,
            writes: Vec::new(),
            held: Held::new(),
            outputs: Vec::new(),
            back: Vec::new(),
            stepped: Instant::now(),
        }
    }

    /// Runs until `stop` turns true and everything open has ended or was given up.
    ///
    /// # Errors
    /// The store can be waited for no longer. What was open is given up then, and its senders are told.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), store::Error> {
        let (mut inputs, mut publish) = (Batch::new(), Instant::now());
        let mut stopping: Option<Instant> = None;
        let lost = loop {
            if stopping.is_none() && *stop.borrow() {
                stopping = Some(Instant::now() + DRAIN);
                inputs.push(Input::Drain);
                self.net.drain(&mut inputs);
            }
            if inputs.is_empty() {
                self.wait(&mut inputs, stopping, publish, &mut stop).await;
            }
            while inputs.len() < STEP_INPUTS
                && self.has_room()
                && let Ok(batch) = self.inputs.try_recv()
            {
                inputs.extend(batch);
            }
            let full = inputs.len() >= STEP_INPUTS;
            self.step(&mut inputs);
            if !self.held.is_empty() {
                self.let_go(&mut inputs);
            }
            if full {
                // What it left on the links and connections is written before there is more of it.
                tokio::task::yield_now().await;
            }
            if Instant::now() >= publish {
                self.publish();
                publish = Instant::now() + PUBLISH;
            }
            if let Some(lost) = self.lost() {
                break Some(lost);
            }
            if let Some(until) = stopping {
                if inputs.is_empty() && self.is_idle() {
                    info!("every message has had its outcome");
                    break None;
                }
                if Instant::now() >= until {
                    warn!("messages that were still open are given up; their senders are told");
                    self.give_up(&mut inputs);
                    break None;
                }
            }
        };
        if lost.is_some() {
            self.give_up(&mut inputs);
        }
        self.flush(&mut inputs, lost.is_some()).await;
        // At once, so that nothing comes between the last look and the end.
        self.net.end_streams(&mut inputs);
        self.step(&mut inputs);
        self.flush(&mut inputs, lost.is_some()).await;
        self.publish();
        if tokio::time::timeout(FLUSH, self.store.close()).await.is_err() {
            warn!("the store has not been closed in time; what is in it is whole all the same");
        }
        lost.map_or(Ok(()), Err)
    }

    /// Everything that is open fails now.
    fn give_up(&mut self, inputs: &mut Batch) {
        while let Ok(batch) = self.inputs.try_recv() {
            inputs.extend(batch);
        }
        inputs.push(Input::GiveUp);
        self.step(inputs);
    }

    /// What still waits for the store gets a last chance; where there is none, what need not wait is sent.
    async fn flush(&mut self, inputs: &mut Batch, lost: bool) {
        let until = Instant::now() + FLUSH;
        while !lost && !self.held.is_empty() {
            match tokio::time::timeout_at(until, self.progress.changed()).await {
                Ok(Ok(())) => self.let_go(inputs),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        if !self.held.is_empty() {
            self.held.let_by(Output::depends_on_records, &mut self.outputs);
            self.net.deliver(&mut self.outputs, &mut self.back);
            warn!(outputs = self.held.len(), "waited for the store until the end and are not sent");
        }
    }

    /// Sends what no longer has to wait.
    fn let_go(&mut self, inputs: &mut Batch) {
        let committed = self.progress.borrow_and_update().committed;
        self.held.release(committed, &mut self.outputs);
        if self.is_away(LATE) {
            self.held.let_by(Output::depends_on_records, &mut self.outputs);
        }
        self.net.deliver(&mut self.outputs, &mut self.back);
        inputs.append(&mut self.back);
    }

    /// Whether the store says that it cannot commit now, or has said nothing for `patience`.
    fn is_away(&self, patience: Duration) -> bool {
        let silent = || self.held.since().is_some_and(|since| since.elapsed() >= patience);
        self.progress.borrow().trouble.is_some() || silent()
    }

    /// Whether more may be read.
    fn has_room(&self) -> bool {
        let waiting = self.held.len();
        waiting < PAUSE || (waiting < HELD && self.is_away(LATE))
    }

    /// Why the store can be waited for no longer.
    fn lost(&self) -> Option<store::Error> {
        let full = self.held.len() >= HELD && self.is_away(GONE);
        match self.progress.borrow().trouble.clone() {
            Some(error) if full || error.trouble == Trouble::TakenOver => Some(error),
            None if full => Some(store::Error {
                trouble: Trouble::Away,
                place: self.store.view().place,
                what: "has not answered for too long".to_owned(),
                todo: "look at its disk or server".to_owned(),
            }),
            Some(_) | None => None,
        }
    }

    /// Whether every message has had its outcome, and none is on its way.
    fn is_idle(&self) -> bool {
        self.gateway.is_idle() && self.net.is_drained() && self.inputs.is_empty() && self.held.is_empty()
    }

    async fn wait(
        &mut self,
        inputs: &mut Batch,
        stopping: Option<Instant>,
        publish: Instant,
        stop: &mut watch::Receiver<bool>,
    ) {
        let timer = self.gateway.next_timeout().map(|at| self.clock.instant(at).max(self.stepped + TICK));
        let until = [timer, stopping, Some(publish)].into_iter().flatten().min().unwrap_or(publish);
        let room = self.has_room();
        tokio::select! {
            biased;
            _ = self.progress.changed(), if !self.held.is_empty() => {}
            batch = self.inputs.recv(), if room => inputs.extend(batch.unwrap_or_default()),
            () = tokio::time::sleep_until(until) => {}
            _ = stop.changed(), if stopping.is_none() => {}
        }
    }

    /// One step; what could not be handed over is the input of the next, here and now. What depends on a commit waits for it.
    fn step(&mut self, inputs: &mut Batch) {
        let now = self.clock.now();
        self.stepped = Instant::now();
        self.gateway.handle_timeout(now);
        loop {
            for input in inputs.drain(..) {
                self.gateway.handle(input, now);
            }
            self.gateway.finish_step(now);
            self.gateway.take_outputs(&mut self.outputs);
            self.gateway.take_writes(&mut self.writes);
            if self.writes.is_empty() && self.held.is_empty() {
                self.net.deliver(&mut self.outputs, &mut self.back);
            } else {
                let submission = (!self.writes.is_empty()).then(|| self.store.submit(self.writes.drain(..)));
                // What is sent again would follow itself, for the first may still wait; if it has left, there is a next time.
                self.outputs.retain(|output| !(output.is_repetition() && output.depends_on_records()));
                self.held.hold(submission, &mut self.outputs);
            }
            if self.back.is_empty() {
                return;
            }
            std::mem::swap(inputs, &mut self.back);
        }
    }

    fn publish(&self) {
        if let Ok(mut published) = self.published.lock() {
            let conditions = self.gateway.conditions(self.clock.now().mono);
            let registrations = self.gateway.registrations();
            *published = Told { samples: self.gateway.samples(), conditions, registrations };
        }
    }
}
