//! One stream between servers while it is open.

mod events;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::{MaybeUninit, take};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::sync::mpsc::error::TrySendError;
use tracing::debug;

use super::Shared;
use super::expiry::Expiry;
use super::line::Line;
use super::pace::Pace;
use crate::gateway::Input;
use crate::net::Batch;
use crate::net::carrier::Carrier;
use crate::tls::xmpp::Start;
use crate::xmpp::federation::{Command, Judgement, Report, StreamId, Unreachable};
use crate::xmpp::stanza::Stanza;
use crate::xmpp::stream::{ServerStream, StreamError, StreamErrorKind};

/// Bytes read at once. They are on the stack: a stream at rest has none.
const READ: usize = 16 * 1024;

/// A buffer that is larger is given back as soon as it is empty, a smaller one when the stream rests.
const KEPT: usize = 16 * 1024;

/// Bytes that may wait to be written before nothing more is read: a peer that asks and never reads the answers.
const UNREAD: usize = 4 * 1024 * 1024;

/// How long a peer may take nothing of what waits for it.
const STALL: Duration = Duration::from_secs(60);

/// How long the last words may take, and after them the peer to read them and to close its end.
const LAST_WORDS: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_secs(2);

type Judging = Pin<Box<dyn Future<Output = Judgement> + Send>>;

pub(super) struct Carried {
    shared: Arc<Shared>,
    id: StreamId,
    /// Whether we opened it.
    ours: bool,
    line: Arc<Line>,
    stream: Box<ServerStream>,
    addr: SocketAddr,
    /// Stanzas that came with what was read last.
    stanzas: usize,
    /// For the shard.
    batch: Batch,
    reports: Vec<Report>,
    output: Vec<u8>,
    written: usize,
    /// Whether the carrier keeps something back.
    unflushed: bool,
    judging: Option<Judging>,
    expiry: Expiry,
    /// Both ends want TLS now.
    starttls: bool,
    pace: Pace,
    /// Whether the pace is that of a partner whose domain is known.
    paced: bool,
    /// Nothing is read until then.
    paused: Option<Duration>,
    /// Since when the peer has taken nothing of what waits for it.
    blocked: Option<Duration>,
    stage: Stage,
    /// Whether a pair was ever proven, so that people were told of the stream.
    up: bool,
    /// Whether the federation has heard that the stream is over.
    over: bool,
    /// Whether the peer knew, when we closed our side, what was taken of what it sends, and that nothing is after it.
    acknowledged: bool,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The stream is over; what is left is written until then.
    LastWords(Duration),
    /// All is said; the peer has until then to read it and to close.
    Lingering(Duration),
}

/// What happened.
enum Done {
    Ordered(VecDeque<Command>),
    Judged(Judgement),
    Wrote(usize),
    Flushed,
    Shut,
    Read(usize),
}

/// Why one round is over.
enum Next {
    StartTls,
    Over,
}

impl Carried {
    pub(super) fn new(
        shared: Arc<Shared>,
        (id, ours): (StreamId, bool),
        line: Arc<Line>,
        stream: ServerStream,
        batch: Batch,
        addr: SocketAddr,
    ) -> Self {
        let pace = Pace::new(&shared.config.partners.others().limits, shared.clock.now().mono);
        Self {
            shared,
            id,
            ours,
            line,
            stream: Box::new(stream),
            addr,
            stanzas: 0,
            batch,
            reports: Vec::new(),
            output: Vec::new(),
            written: 0,
            unflushed: false,
            judging: None,
            expiry: Expiry::default(),
            starttls: false,
            pace,
            paced: false,
            paused: None,
            blocked: None,
            stage: Stage::Open,
            up: false,
            over: false,
            acknowledged: false,
        }
    }

    /// Runs until it is over.
    pub(super) async fn run(mut self, mut carrier: Carrier) {
        loop {
            match self.carry(&mut carrier).await {
                Next::Over => break,
                Next::StartTls => match self.upgrade(carrier).await {
                    Some(inside) => carrier = inside,
                    None => return self.end().await,
                },
            }
        }
        self.end().await;
        // TLS says good-bye, if that needs no waiting: who hears nothing has to fear that something was cut off.
        poll_fn(|cx| {
            let _ = carrier.poll_shutdown(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// TLS in the place of the bare connection. What was read before it is the stream's; nothing is read between the two.
    async fn upgrade(&mut self, carrier: Carrier) -> Option<Carrier> {
        self.starttls = false;
        let Carrier::Plain(socket) = carrier else { return None };
        let within = self.shared.connect_within;
        let (local, remote) = self.stream.domains();
        let agreed = match (self.ours, local, remote) {
            (true, Some(local), Some(remote)) => {
                self.shared.call(socket, (local, remote), Start::Starttls, within).await
            }
            _ => self.shared.answer(socket, local, Start::Starttls, within).await,
        };
        match agreed {
            Ok(agreed) => {
                self.stream.secured(agreed.secured, self.shared.clock.now());
                Some(agreed.carrier)
            }
            Err(why) => {
                if self.ours {
                    self.on_report(Report::Unreachable(Unreachable::NoAnswer(format!("{}: {why}", self.addr))));
                } else {
                    debug!(addr = %self.addr, "no TLS: {why}");
                }
                self.stream.disconnected();
                None
            }
        }
    }

    async fn carry(&mut self, carrier: &mut Carrier) -> Next {
        let (clock, shard) = (self.shared.clock, self.shared.shard.clone());
        let alarm = tokio::time::sleep_until(clock.instant(clock.now().mono + STALL));
        tokio::pin!(alarm);
        loop {
            self.settle(carrier);
            self.hand_over();
            let written = self.output.is_empty() && !self.unflushed;
            if self.starttls && written {
                return Next::StartTls;
            }
            let next = clock.instant(self.deadline());
            // A later time is not worth a timer: the alarm looks again when it rings.
            if next < alarm.deadline() {
                alarm.as_mut().reset(next);
            }
            let waiting = !self.batch.is_empty();
            tokio::select! {
                // A peer that never pauses must keep nobody from what stands above its input.
                biased;
                permit = shard.reserve(), if waiting => match permit {
                    Ok(permit) => permit.send(take(&mut self.batch)),
                    // The shard has ended; what still comes is for nobody.
                    Err(_) => self.count_late(),
                },
                done = poll_fn(|cx| self.poll(carrier, cx)) => match done {
                    Ok(done) => if !self.did(done) { return Next::Over },
                    Err(error) => if !self.broke(&error) { return Next::Over },
                },
                () = &mut alarm => {
                    if !self.rings() {
                        return Next::Over;
                    }
                    alarm.as_mut().reset(clock.instant(self.deadline()));
                }
            }
        }
    }

    /// The federation hears of the end, if it has not yet, and the shard of what came before.
    async fn end(&mut self) {
        self.stream.disconnected();
        self.take_events();
        let shard = self.shared.shard.clone();
        // Before the end is told comes what came before it, and then what follows from it.
        for _ in 0..2 {
            if !self.batch.is_empty() {
                match shard.reserve().await {
                    Ok(permit) => permit.send(take(&mut self.batch)),
                    Err(_) => self.count_late(),
                }
            }
            self.tell_federation();
        }
    }

    /// Takes out of the stream what it has to say, until it has nothing more.
    fn settle(&mut self, carrier: &Carrier) {
        self.take_events_and_judge(carrier);
        self.hand_over();
        self.tell_federation();
        // What the stream itself answers stays with it, and in its bounds, while nothing is read at the other end.
        if self.waiting() < self.shared.config.stream.max_queued && self.stream.poll_output(&mut self.output) {
            self.blocked = self.blocked.or(Some(self.shared.clock.now().mono));
        }
        if self.stream.is_closed() && self.stage == Stage::Open {
            self.stage = Stage::LastWords(self.shared.clock.now().mono + LAST_WORDS);
        }
    }

    /// Gives the shard what came if it has room.
    fn hand_over(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        match self.shared.shard.try_send(take(&mut self.batch)) {
            Ok(()) => {}
            Err(TrySendError::Full(batch)) => self.batch = batch,
            Err(TrySendError::Closed(batch)) => {
                self.batch = batch;
                self.count_late();
            }
        }
    }

    /// The shard has ended; what is still to be handed over is for nobody. With acknowledgements the peer knows that.
    fn count_late(&mut self) {
        let is_message = |input: &Input| matches!(input, Input::Stanza(_, Stanza::Message(m)) if m.error().is_none());
        let messages = take(&mut self.batch).iter().filter(|input| is_message(input)).count();
        if !self.acknowledged {
            self.shared.late.fetch_add(messages as u64, Ordering::Relaxed);
        }
    }

    /// Orders first, and it writes before it reads.
    fn poll(&mut self, carrier: &mut Carrier, cx: &mut Context<'_>) -> Poll<io::Result<Done>> {
        let open = self.stage == Stage::Open;
        if open && let Poll::Ready(commands) = self.line.poll_take(cx) {
            return Poll::Ready(Ok(Done::Ordered(commands)));
        }
        if let Some(judging) = &mut self.judging
            && let Poll::Ready(judgement) = judging.as_mut().poll(cx)
        {
            self.judging = None;
            return Poll::Ready(Ok(Done::Judged(judgement)));
        }
        if self.written < self.output.len() {
            if let Poll::Ready(wrote) = carrier.poll_write(cx, &self.output[self.written..]) {
                return Poll::Ready(match wrote? {
                    0 => Err(io::ErrorKind::WriteZero.into()),
                    length => Ok(Done::Wrote(length)),
                });
            }
        } else if self.unflushed {
            if let Poll::Ready(flushed) = carrier.poll_flush(cx) {
                return Poll::Ready(flushed.map(|()| Done::Flushed));
            }
        } else if matches!(self.stage, Stage::LastWords(_)) {
            return carrier.poll_shutdown(cx).map_ok(|()| Done::Shut);
        }
        let wants_input = match self.stage {
            Stage::Open => !self.starttls && self.paused.is_none() && self.batch.is_empty() && self.waiting() < UNREAD,
            Stage::LastWords(_) => false,
            Stage::Lingering(_) => true,
        };
        if wants_input { self.poll_read(carrier, cx) } else { Poll::Pending }
    }

    fn poll_read(&mut self, carrier: &mut Carrier, cx: &mut Context<'_>) -> Poll<io::Result<Done>> {
        let mut bytes = [const { MaybeUninit::uninit() }; READ];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        ready!(carrier.poll_read(cx, &mut bytes))?;
        if self.stage == Stage::Open && !bytes.filled().is_empty() {
            self.stream.receive(bytes.filled(), self.shared.clock.now());
        }
        Poll::Ready(Ok(Done::Read(bytes.filled().len())))
    }

    /// `false`: it is over.
    fn did(&mut self, done: Done) -> bool {
        let now = self.shared.clock.now();
        match done {
            Done::Ordered(commands) => commands.into_iter().for_each(|command| self.order(command)),
            Done::Judged(judgement) => {
                self.expiry.judged(&judgement, now);
                self.stream.judged(judgement, now);
            }
            Done::Wrote(length) => self.wrote(length, now.mono),
            Done::Flushed => self.unflushed = false,
            Done::Shut => self.stage = Stage::Lingering(now.mono + LINGER),
            Done::Read(0) => return self.is_open_after_the_end(),
            Done::Read(length) => self.took(length, now.mono),
        }
        true
    }

    /// The peer sends nothing more. `false`: so it is over.
    fn is_open_after_the_end(&mut self) -> bool {
        if self.stage == Stage::Open {
            self.stream.disconnected();
        }
        false
    }

    fn order(&mut self, command: Command) {
        let now = self.shared.clock.now();
        if matches!(command, Command::Close(_)) {
            self.acknowledged = self.stream.is_acknowledged();
        }
        if let Err(undone) = self.stream.order(command, now) {
            debug!(stream = self.id, why = %undone.why, "an order came too late, or was one too many");
            self.reports.push(Report::Undone(Box::new(undone.command)));
        }
    }

    fn wrote(&mut self, length: usize, now: Duration) {
        self.written += length;
        self.unflushed = true;
        if self.written < self.output.len() {
            self.blocked = Some(now);
            if self.written >= UNREAD {
                self.output.drain(..self.written);
                self.written = 0;
            }
            return;
        }
        self.blocked = None;
        self.written = 0;
        self.output.clear();
        if self.output.capacity() > KEPT {
            self.output = Vec::new();
        }
    }

    /// What was read is paid for.
    fn took(&mut self, length: usize, now: Duration) {
        if self.stage != Stage::Open {
            return;
        }
        if !self.paced
            && self.up
            && let Some(remote) = self.stream.domains().1
        {
            self.paced = true;
            self.pace = Pace::new(&self.shared.config.partners.of(remote).limits, now);
        }
        self.paused = self.pace.read(take(&mut self.stanzas), length, now);
    }

    /// Bytes that wait to be written.
    fn waiting(&self) -> usize {
        self.output.len() - self.written
    }

    /// When to look again.
    fn deadline(&self) -> Duration {
        let far = self.shared.clock.now().mono + Duration::from_secs(3_600);
        let stalled = self.blocked.map(|since| since + STALL);
        let end = match self.stage {
            Stage::Open => self.stream.next_timeout().into_iter().chain(self.expiry.at()).min(),
            Stage::LastWords(at) | Stage::Lingering(at) => Some(at),
        };
        [stalled, self.paused, end].into_iter().flatten().min().unwrap_or(far)
    }

    /// `false`: it is over.
    fn rings(&mut self) -> bool {
        let now = self.shared.clock.now();
        if self.paused.is_some_and(|until| until <= now.mono) {
            self.paused = None;
        }
        match self.stage {
            Stage::LastWords(at) | Stage::Lingering(at) => at > now.mono,
            Stage::Open if self.blocked.is_some_and(|since| since + STALL <= now.mono) => {
                debug!(addr = %self.addr, "the peer takes nothing any more");
                self.stream.disconnected();
                false
            }
            Stage::Open => {
                if self.expiry.is_over(now.mono) {
                    let reset = StreamError::new(StreamErrorKind::Reset, "your certificate has expired");
                    self.order(Command::Close(Some(reset)));
                }
                self.stream.handle_timeout(now);
                if self.waiting() == 0 {
                    self.output = Vec::new();
                }
                true
            }
        }
    }

    /// The peer takes or gives nothing more. `false`: so it is over.
    fn broke(&mut self, error: &io::Error) -> bool {
        debug!(addr = %self.addr, %error, "an XMPP connection broke");
        if self.stage == Stage::Open {
            self.stream.disconnected();
        }
        false
    }
}
