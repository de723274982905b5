//! A component link: one task that keeps one stream to one XMPP server up, for ever.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::{Batch, Clock, ToShard};
use crate::gateway::{Input, Link};
use crate::xmpp::stanza::Stanza;
use crate::xmpp::stream::backoff::Backoff;
use crate::xmpp::stream::{Cause, ComponentConfig, Event, Stream};

/// Batches of stanzas that may wait for the link's task. The stream's own bound on bytes counts besides.
const LINK_QUEUE: usize = 1_024;

/// Bytes read from the server at once.
const READ: usize = 16 * 1024;

/// Reads of what is left once nothing can be written: more than a kernel keeps for one connection.
const READS_AFTER_THE_END: usize = 1_024;

/// How one link is made.
pub struct LinkSetup {
    /// Its number.
    pub link: Link,
    /// Host name or address, and port, of the server.
    pub server: (String, u16),
    /// How long a TCP connection may take.
    pub connect_within: Duration,
    /// The stream.
    pub stream: ComponentConfig,
}

/// What the rest of the process can see of a link.
#[derive(Debug, Default)]
pub struct LinkBoard {
    ready: AtomicBool,
    connections: AtomicU64,
    queued: AtomicU64,
    unusable: AtomicU64,
    trouble: std::sync::Mutex<String>,
}

/// One reading of a [`LinkBoard`].
#[derive(Clone, Debug, Default)]
pub struct LinkView {
    /// Whether stanzas can pass.
    pub ready: bool,
    /// How many times it became ready.
    pub connections: u64,
    /// Bytes that wait to be written.
    pub queued: u64,
    /// Stanzas that could not be used.
    pub unusable: u64,
    /// Why it is not ready, in words; empty before the first trouble.
    pub trouble: String,
}

impl LinkBoard {
    /// How the link stands.
    #[must_use]
    pub fn view(&self) -> LinkView {
        LinkView {
            ready: self.ready.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            unusable: self.unusable.load(Ordering::Relaxed),
            trouble: self.trouble.lock().map(|text| text.clone()).unwrap_or_default(),
        }
    }

    fn set_trouble(&self, text: String) {
        if let Ok(mut trouble) = self.trouble.lock() {
            *trouble = text;
        }
    }
}

/// The shard's end of a link.
pub struct XmppLink {
    queue: mpsc::Sender<Vec<Stanza>>,
    waiting: Vec<Stanza>,
    board: Arc<LinkBoard>,
}

impl XmppLink {
    /// Starts the link's task. It ends its stream properly when `stop` turns true.
    #[must_use]
    pub fn start(setup: LinkSetup, clock: Clock, shard: ToShard, stop: watch::Receiver<bool>) -> Self {
        let (queue, stanzas) = mpsc::channel(LINK_QUEUE);
        let board = Arc::new(LinkBoard::default());
        let task = Task { setup, clock, shard, stop, stanzas, board: Arc::clone(&board) };
        tokio::spawn(task.run());
        Self { queue, waiting: Vec::new(), board }
    }

    /// What is known of it.
    #[must_use]
    pub fn board(&self) -> Arc<LinkBoard> {
        Arc::clone(&self.board)
    }

    /// Adds a stanza to the next [`flush`](Self::flush).
    pub fn push(&mut self, stanza: Stanza) {
        self.waiting.push(stanza);
    }

    /// Hands the stanzas over; gives back what the link has no room for.
    pub fn flush(&mut self) -> Vec<Stanza> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        match self.queue.try_send(std::mem::take(&mut self.waiting)) {
            Ok(()) => Vec::new(),
            Err(mpsc::error::TrySendError::Full(stanzas) | mpsc::error::TrySendError::Closed(stanzas)) => stanzas,
        }
    }
}

struct Task {
    setup: LinkSetup,
    clock: Clock,
    shard: ToShard,
    stop: watch::Receiver<bool>,
    stanzas: mpsc::Receiver<Vec<Stanza>>,
    board: Arc<LinkBoard>,
}

impl Task {
    async fn run(mut self) {
        let mut backoff = Backoff::new();
        while !*self.stop.borrow() {
            let (cause, ready_for) = match self.connect().await {
                Ok(socket) => self.carry(socket).await,
                Err(error) => {
                    self.trouble(&format!("cannot connect: {error}"));
                    (None, Duration::ZERO)
                }
            };
            if *self.stop.borrow() {
                break;
            }
            let delay = backoff.after(cause.as_ref(), ready_for, getrandom::u64().unwrap_or_default());
            debug!(link = self.setup.link, ?delay, "connecting again after a while");
            self.pause(delay).await;
        }
        self.stanzas.close();
        while let Ok(stanzas) = self.stanzas.try_recv() {
            self.give_back(stanzas).await;
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let (host, port) = &self.setup.server;
        let attempt = TcpStream::connect((host.as_str(), *port));
        let socket = tokio::time::timeout(self.setup.connect_within, attempt)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))??;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    /// Waits, and gives back what is sent meanwhile.
    async fn pause(&mut self, delay: Duration) {
        let until = tokio::time::Instant::now() + delay;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                _ = self.stop.changed() => return,
                stanzas = self.stanzas.recv() => match stanzas {
                    Some(stanzas) => self.give_back(stanzas).await,
                    None => return,
                },
            }
        }
    }

    async fn give_back(&self, stanzas: Vec<Stanza>) {
        let link = self.setup.link;
        let batch = stanzas.into_iter().map(|stanza| Input::Unsent(link, stanza)).collect();
        let _ = self.shard.send(batch).await;
    }

    fn trouble(&self, text: &str) {
        let (host, port) = &self.setup.server;
        let domain = &self.setup.stream.domain;
        warn!(component = %domain, server = %format_args!("{host}:{port}"), "XMPP link is down: {text}");
        self.board.set_trouble(text.to_owned());
    }

    /// Carries a stream over `socket` until it ends: why, and how long it was ready.
    async fn carry(&mut self, socket: TcpStream) -> (Option<Cause>, Duration) {
        let stream = Stream::component(self.setup.stream.clone(), self.clock.now());
        let carried = Carried {
            stream,
            socket,
            input: vec![0; READ],
            output: Vec::new(),
            written: 0,
            batch: Vec::new(),
            ready_at: None,
            end: None,
        };
        let ended = carried.run(self).await;
        self.board.ready.store(false, Ordering::Relaxed);
        self.board.queued.store(0, Ordering::Relaxed);
        if ended.ready_for.is_some() {
            let _ = self.shard.send(vec![Input::LinkDown(self.setup.link)]).await;
        }
        if !*self.stop.borrow() {
            self.trouble(&describe(&ended.cause));
        }
        (Some(ended.cause), ended.ready_for.unwrap_or_default())
    }
}

struct Ended {
    cause: Cause,
    ready_for: Option<Duration>,
}

struct Carried {
    stream: Stream,
    socket: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    batch: Batch,
    ready_at: Option<Duration>,
    end: Option<Cause>,
}

impl Carried {
    async fn run(mut self, task: &mut Task) -> Ended {
        let (mut sending, mut closing) = (true, false);
        loop {
            self.settle(task);
            let done = self.end.is_some() && self.batch.is_empty();
            if done && self.output.is_empty() {
                break;
            }
            let deadline = match (&self.end, self.stream.next_timeout()) {
                // The last words may take no longer than this.
                (Some(_), _) => task.clock.now().mono + Duration::from_secs(1),
                (None, Some(at)) => at,
                (None, None) => task.clock.now().mono + Duration::from_secs(3_600),
            };
            tokio::select! {
                // A server that never pauses must keep nobody from what stands above its input.
                biased;
                _ = task.stop.changed(), if !closing => {
                    (sending, closing) = (false, true);
                    // The shard has ended; these are its last words.
                    while let Ok(stanzas) = task.stanzas.try_recv() {
                        self.send(stanzas, task);
                    }
                    self.stream.close(None, task.clock.now());
                }
                permit = task.shard.reserve(), if !self.batch.is_empty() => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut self.batch)),
                    Err(_) => break,
                },
                stanzas = task.stanzas.recv(), if self.end.is_none() && sending => match stanzas {
                    Some(stanzas) => self.send(stanzas, task),
                    None => sending = false,
                },
                ready = self.socket.writable(), if !self.output.is_empty() => {
                    if ready.is_err() || self.write().is_err() {
                        self.cannot_write(task);
                    }
                }
                ready = self.socket.readable(), if self.batch.is_empty() && self.end.is_none() => {
                    if ready.is_err() || self.read(task).is_err() {
                        self.disconnected();
                    }
                }
                () = tokio::time::sleep_until(task.clock.instant(deadline)) => {
                    if self.end.is_some() {
                        self.output.clear();
                        self.written = 0;
                    } else {
                        self.stream.handle_timeout(task.clock.now());
                    }
                }
            }
        }
        let now = task.clock.now().mono;
        let cause = self.end.unwrap_or(Cause::Disconnected);
        Ended { cause, ready_for: self.ready_at.map(|at| now.saturating_sub(at)) }
    }

    /// Takes out of the stream what it has to say, until it has nothing more.
    fn settle(&mut self, task: &Task) {
        loop {
            while let Some(event) = self.stream.poll_event() {
                self.on_event(event, task);
            }
            // What the stream itself answers stays with it, and in its bounds, while nothing is read at the other end.
            if !self.is_full(task) {
                self.stream.poll_output(&mut self.output);
            }
            if self.output.is_empty() || self.write().is_ok() {
                break;
            }
            self.cannot_write(task);
        }
        let queued = self.output.len().saturating_sub(self.written);
        task.board.queued.store(u64::try_from(queued).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn on_event(&mut self, event: Event, task: &Task) {
        let link = task.setup.link;
        match event {
            Event::Ready => {
                self.ready_at = Some(task.clock.now().mono);
                task.board.ready.store(true, Ordering::Relaxed);
                task.board.connections.fetch_add(1, Ordering::Relaxed);
                info!(component = %task.setup.stream.domain, "XMPP link is up");
                self.batch.push(Input::LinkUp(link));
            }
            Event::Stanza(stanza) => self.batch.push(Input::Stanza(link, stanza)),
            Event::Unusable { problem, answered } => {
                task.board.unusable.fetch_add(1, Ordering::Relaxed);
                debug!(link, what = ?problem.what, answered, "a stanza could not be used");
            }
            Event::Closed(cause) => self.end = Some(cause),
        }
    }

    fn send(&mut self, stanzas: Vec<Stanza>, task: &Task) {
        for stanza in stanzas {
            let unsent = self.is_full(task) || self.stream.send(&stanza).is_err();
            // Answers that found no room are nobody's message: who asked asks again.
            if unsent && !matches!(stanza, Stanza::Iq(_)) {
                self.batch.push(Input::Unsent(task.setup.link, stanza));
            }
        }
    }

    fn is_full(&self, task: &Task) -> bool {
        self.output.len() - self.written >= task.setup.stream.stream.max_queued
    }

    fn read(&mut self, task: &Task) -> io::Result<()> {
        match self.socket.try_read(&mut self.input) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.stream.receive(&self.input[..length], task.clock.now());
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.socket.try_write(&self.output[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => self.written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.written >= READ {
                        self.output.drain(..self.written);
                        self.written = 0;
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        self.output.shrink_to(READ);
        Ok(())
    }

    /// The server takes nothing more. What it sent before it went is still there to be read, and counts.
    fn cannot_write(&mut self, task: &Task) {
        for _ in 0..READS_AFTER_THE_END {
            match self.socket.try_read(&mut self.input) {
                Ok(length) if length > 0 => self.stream.receive(&self.input[..length], task.clock.now()),
                Ok(_) | Err(_) => break,
            }
        }
        self.disconnected();
    }

    fn disconnected(&mut self) {
        self.output.clear();
        self.written = 0;
        self.stream.disconnected();
        if self.stream.is_closed() && self.end.is_none() {
            self.end = Some(Cause::Disconnected);
        }
    }
}

/// The end of a stream, for people.
pub(super) fn describe(cause: &Cause) -> String {
    match cause {
        Cause::Closed => "the stream was closed".to_owned(),
        Cause::PeerClosed => "the server closed the stream".to_owned(),
        // For a log and a page of plain text: one line, and no longer than a person reads.
        Cause::PeerError(error) => {
            let said = error.to_string();
            let one_line = said.chars().take(300).map(|letter| if letter.is_control() { ' ' } else { letter });
            format!("the server says {}", one_line.collect::<String>())
        }
        Cause::OurError(error) => format!("stream error {error}"),
        Cause::Disconnected => "the connection was lost".to_owned(),
    }
}
