//! One TCP connection while it is open.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tracing::debug;

use super::TcpLimits;
use crate::net::intake::{Intake, Taken};
use crate::net::{Batch, Clock, ToShard, undelivered};
use crate::sip::endpoint::{Flow, Origin, Undelivered};
use crate::sip::framing::{Frame, Framing, Limits};
use crate::sip::locate::Transport;
use crate::sip::message::Response;

/// Bytes read at once.
const READ: usize = 16 * 1024;

/// A message for the peer.
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) origin: Origin,
}

pub(super) struct Connection {
    flow: Flow,
    socket: TcpStream,
    framing: Framing,
    limits: TcpLimits,
    batch: Batch,
    output: Vec<u8>,
    written: usize,
    /// Where in `output` each message of the shard ends.
    ends: VecDeque<(usize, Origin)>,
    queued: Arc<AtomicUsize>,
    /// When anything last passed, and since when a message has been incomplete.
    active: Duration,
    partial: Option<Duration>,
    /// Since when the peer has taken nothing of what waits for it.
    blocked: Option<Duration>,
    closing: bool,
}

impl Connection {
    pub(super) fn new(
        id: u64,
        socket: TcpStream,
        local: SocketAddr,
        remote: SocketAddr,
        limits: TcpLimits,
        queued: Arc<AtomicUsize>,
    ) -> Self {
        let framing = Framing::new(Limits { body: limits.message, ..Limits::default() });
        Self {
            flow: Flow { transport: Transport::Tcp, local, remote, id },
            socket,
            framing,
            limits,
            batch: Vec::new(),
            output: Vec::new(),
            written: 0,
            ends: VecDeque::new(),
            queued,
            active: Duration::ZERO,
            partial: None,
            blocked: None,
            closing: false,
        }
    }

    pub(super) async fn run(
        mut self,
        messages: &mut mpsc::Receiver<Outgoing>,
        intake: &Intake,
        shard: &ToShard,
        clock: Clock,
    ) {
        self.active = clock.now().mono;
        loop {
            if self.closing && self.batch.is_empty() && self.output.is_empty() {
                break;
            }
            let deadline = self.deadline(clock);
            tokio::select! {
                biased;
                permit = shard.reserve(), if !self.batch.is_empty() => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut self.batch)),
                    Err(_) => break,
                },
                ready = self.socket.writable(), if !self.output.is_empty() => {
                    if ready.is_err() || self.write(clock).is_err() {
                        break;
                    }
                }
                message = messages.recv(), if !self.closing => match message {
                    Some(message) => self.queue(message),
                    None => self.closing = true,
                },
                ready = self.socket.readable(), if self.wants_input() => {
                    if ready.is_err() || self.read(intake, clock).is_err() {
                        break;
                    }
                }
                () = tokio::time::sleep_until(clock.instant(deadline)) => {
                    let (partial, blocked) = (self.partial.is_some(), self.blocked.is_some());
                    debug!(remote = %self.flow.remote, partial, blocked, "SIP connection closed: too long silent");
                    break;
                }
            }
        }
        let left: Vec<Origin> = self.ends.drain(..).map(|(_, origin)| origin).collect();
        self.batch.extend(undelivered(left, Undelivered::Closed));
        if !self.batch.is_empty() {
            let _ = shard.send(self.batch).await;
        }
    }

    /// When the peer has been silent, in the middle of a message or deaf for too long.
    fn deadline(&mut self, clock: Clock) -> Duration {
        self.blocked = if self.output.is_empty() { None } else { self.blocked.or(Some(clock.now().mono)) };
        let stalled = [self.partial, self.blocked].into_iter().flatten().map(|since| since + self.limits.stall);
        stalled.chain([self.active + self.limits.idle]).min().unwrap_or(self.active)
    }

    /// A peer that asks without reading the answers is heard again when it has read some.
    fn wants_input(&self) -> bool {
        self.batch.is_empty() && !self.closing && self.output.len() - self.written < self.limits.output
    }

    fn queue(&mut self, message: Outgoing) {
        self.output.extend_from_slice(&message.bytes);
        self.ends.push_back((self.output.len(), message.origin));
    }

    fn read(&mut self, intake: &Intake, clock: Clock) -> io::Result<()> {
        let mut bytes = [0; READ];
        let length = match self.socket.try_read(&mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let now = clock.now().mono;
        self.active = now;
        self.framing.push(&bytes[..length]);
        let mut whole = false;
        while !self.closing
            && let Some(frame) = self.framing.next()
        {
            match frame {
                Ok(Frame::Message(bytes)) => {
                    whole = true;
                    self.take(intake, &bytes);
                }
                Ok(Frame::Ping) => self.output.extend_from_slice(b"\r\n"),
                Ok(Frame::Pong) => {}
                Err(error) => {
                    debug!(remote = %self.flow.remote, %error, "SIP connection closed: no message could be read");
                    match intake.refusal(&error, &self.flow, &[]) {
                        Some(response) => self.close_with(response),
                        None => self.closing = true,
                    }
                }
            }
        }
        self.partial = match (self.framing.is_partial(), self.partial) {
            (false, _) => None,
            (true, Some(since)) if !whole => Some(since),
            (true, _) => Some(now),
        };
        Ok(())
    }

    fn take(&mut self, intake: &Intake, bytes: &[u8]) {
        match intake.take(bytes, self.flow, &[]) {
            Taken::Input(input) => self.batch.push(input),
            Taken::Refused(response) => self.close_with(response),
            Taken::Closed => self.closing = true,
            Taken::Nothing => {}
        }
    }

    /// The last words before the connection closes: no transaction will ever ask for this tag.
    fn close_with(&mut self, mut response: Response) {
        response.ensure_to_tag("refused");
        response.print(&mut self.output);
        self.closing = true;
    }

    fn write(&mut self, clock: Clock) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.socket.try_write(&self.output[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => {
                    self.written += length;
                    self.active = clock.now().mono;
                    self.blocked = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let mut done = 0;
        while self.ends.front().is_some_and(|(end, _)| *end <= self.written) {
            if let Some((end, _)) = self.ends.pop_front() {
                done = end;
            }
        }
        if self.written == self.output.len() {
            done = self.written;
        }
        if done > 0 {
            self.output.drain(..done);
            self.written -= done;
            for (end, _) in &mut self.ends {
                *end -= done;
            }
            // Answers to what could not be read are written too, but were never counted.
            let less = |waiting: usize| Some(waiting.saturating_sub(done));
            let _ = self.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
        Ok(())
    }
}
