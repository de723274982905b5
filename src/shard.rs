//! The loop between the sockets and the gateway: inputs, one step, outputs.
//!
//! One shard runs here, and the queue it reads from is bounded, so readers feel its pressure and it waits for nobody.
//! A step takes everything that waits, up to [`STEP_INPUTS`], because what shares a step shares one confirmation and one
//! wake-up of each link.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::gateway::register::Standing;
use crate::gateway::stats::Sample;
use crate::gateway::{Condition, Gateway, Input, Output};
use crate::net::{Batch, Clock, Net};

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
    outputs: Vec<Output>,
    back: Batch,
    /// When the last step was.
    stepped: Instant,
}

impl Shard {
    /// A shard that reads `inputs`.
    #[must_use]
    pub fn new(gateway: Gateway, net: Net, inputs: mpsc::Receiver<Batch>, clock: Clock, published: Published) -> Self {
        Self { gateway, net, inputs, clock, published, outputs: Vec::new(), back: Vec::new(), stepped: Instant::now() }
    }

    /// Runs until `stop` turns true and everything open has ended or was given up.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut inputs = Batch::new();
        let mut stopping: Option<Instant> = None;
        let mut publish = Instant::now();
        loop {
            if stopping.is_none() && *stop.borrow() {
                stopping = Some(Instant::now() + DRAIN);
                inputs.push(Input::Drain);
                self.net.drain(&mut inputs);
            }
            if inputs.is_empty() {
                self.wait(&mut inputs, stopping, publish, &mut stop).await;
            }
            while inputs.len() < STEP_INPUTS
                && let Ok(batch) = self.inputs.try_recv()
            {
                inputs.extend(batch);
            }
            let full = inputs.len() >= STEP_INPUTS;
            self.step(&mut inputs);
            if full {
                // What it left on the links and connections is written before there is more of it.
                tokio::task::yield_now().await;
            }
            if Instant::now() >= publish {
                self.publish();
                publish = Instant::now() + PUBLISH;
            }
            if let Some(until) = stopping {
                if self.is_idle() {
                    info!("every message has had its outcome");
                    break;
                }
                if Instant::now() >= until {
                    warn!("messages that were still open are given up; their senders are told");
                    while let Ok(batch) = self.inputs.try_recv() {
                        inputs.extend(batch);
                    }
                    inputs.push(Input::GiveUp);
                    self.step(&mut inputs);
                    break;
                }
            }
        }
        // At once, so that nothing comes between the last look and the end.
        self.net.end_streams(&mut inputs);
        self.step(&mut inputs);
        self.publish();
    }

    /// Whether every message has had its outcome, and none is on its way.
    fn is_idle(&self) -> bool {
        self.gateway.is_idle() && self.net.is_drained() && self.inputs.is_empty()
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
        tokio::select! {
            biased;
            batch = self.inputs.recv() => inputs.extend(batch.unwrap_or_default()),
            () = tokio::time::sleep_until(until) => {}
            _ = stop.changed(), if stopping.is_none() => {}
        }
    }

    /// One step; what could not be handed over is the input of the next, here and now.
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
            self.net.deliver(&mut self.outputs, &mut self.back);
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
