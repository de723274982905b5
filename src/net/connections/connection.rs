//! One connection while it is open.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;
use tokio::sync::mpsc::{self, error::TrySendError};
use tracing::{debug, info};

use super::clocks::{Clocks, Due};
use super::codec::{Codec, Piece};
use super::table::Place;
use super::{Outgoing, Shared, handshake};
use crate::gateway::Input;
use crate::net::carrier::Carrier;
use crate::net::intake::Taken;
use crate::net::{Batch, undelivered};
use crate::sip::endpoint::{Flow, Origin, TlsFailure, Undelivered};
use crate::sip::locate::Transport;
use crate::sip::message::{Message, Response};

/// Bytes read at once. They are on the stack: a connection at rest has none.
const READ: usize = 16 * 1024;

/// A buffer of a connection that has nothing to say is given back if it is larger than this.
const KEPT: usize = 16 * 1024;

pub(super) struct Connection {
    flow: Flow,
    carrier: Carrier,
    codec: Codec,
    clocks: Clocks,
    /// Bytes that may wait before nothing more is read.
    most: usize,
    /// What the peer has proven.
    names: Arc<[String]>,
    /// Whether requests to the source may come back by it, if the peer asks for that.
    may_alias: bool,
    batch: Batch,
    output: Vec<u8>,
    written: usize,
    /// Whether the carrier keeps something back.
    unflushed: bool,
    /// Where in `output` each message of the shard ends, and how long it was when it was counted.
    ends: VecDeque<(usize, usize, Origin)>,
    queued: Arc<AtomicUsize>,
    stage: Stage,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// Nothing more is taken; what is left is written.
    LastWords,
    /// All is said; the peer has a moment to read it and to close.
    Lingering,
}

/// What the carrier did.
enum Done {
    Wrote(usize),
    Flushed,
    Shut,
    Read(usize),
}

impl Connection {
    pub(super) fn new(carrier: Carrier, flow: Flow, names: Arc<[String]>, place: &Place, shared: &Shared) -> Self {
        let (limits, now) = (shared.limits, shared.clock.now().mono);
        let codec = Codec::new(flow.transport, limits.message);
        let clocks = Clocks::new(limits, place.ours, place.known, !codec.is_open(), now);
        Self {
            flow,
            carrier,
            codec,
            clocks,
            most: limits.output,
            may_alias: flow.transport == Transport::Tls && !place.ours && !names.is_empty(),
            names,
            batch: Batch::new(),
            output: Vec::new(),
            written: 0,
            unflushed: false,
            ends: VecDeque::new(),
            queued: Arc::clone(&place.queued),
            stage: Stage::Open,
        }
    }

    /// Runs until it is over.
    pub(super) async fn run(mut self, messages: &mut mpsc::Receiver<Outgoing>, shared: &Shared) {
        let (clock, shard) = (shared.clock, &shared.shard);
        let alarm = tokio::time::sleep_until(clock.instant(self.clocks.next()));
        tokio::pin!(alarm);
        loop {
            if !self.hand_over(shared) {
                break;
            }
            let next = clock.instant(self.clocks.next());
            // A later time is not worth a timer: the alarm looks again when it rings.
            if next < alarm.deadline() {
                alarm.as_mut().reset(next);
            }
            let (open, waiting) = (self.stage == Stage::Open, !self.batch.is_empty());
            tokio::select! {
                biased;
                permit = shard.reserve(), if waiting => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut self.batch)),
                    Err(_) => break,
                },
                message = messages.recv(), if open && self.codec.is_open() => match message {
                    Some(message) => self.queue(message, messages, shared),
                    None => self.close(shared),
                },
                done = poll_fn(|cx| self.poll(cx)) => match done {
                    Ok(done) => if !self.did(done, shared) { break },
                    Err(error) => {
                        self.broke(&error);
                        break;
                    }
                },
                () = &mut alarm => {
                    if !self.rings(shared) {
                        break;
                    }
                    alarm.as_mut().reset(clock.instant(self.clocks.next()));
                }
            }
        }
        self.end(shared).await;
    }

    /// What was not written, and what nobody has heard of yet.
    async fn end(mut self, shared: &Shared) {
        let left: usize = self.ends.iter().map(|(_, length, _)| length).sum();
        shared.written(&self.queued, left);
        let origins: Vec<Origin> = self.ends.drain(..).map(|(_, _, origin)| origin).collect();
        self.batch.extend(undelivered(origins, Undelivered::Closed));
        if !self.batch.is_empty() {
            let _ = shared.shard.send(std::mem::take(&mut self.batch)).await;
        }
        // TLS says good-bye, if that needs no waiting: who hears nothing has to fear that something was cut off.
        poll_fn(|cx| {
            let _ = self.carrier.poll_shutdown(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Gives the shard what came if it has room; `false` if there is no shard any more.
    fn hand_over(&mut self, shared: &Shared) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        match shared.shard.try_send(std::mem::take(&mut self.batch)) {
            Ok(()) => true,
            Err(TrySendError::Full(batch)) => {
                self.batch = batch;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Writes before it reads: a peer that asks without reading the answers is heard again when it has read some.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Done>> {
        if self.written < self.output.len() {
            if let Poll::Ready(wrote) = self.carrier.poll_write(cx, &self.output[self.written..]) {
                return Poll::Ready(match wrote? {
                    0 => Err(io::ErrorKind::WriteZero.into()),
                    length => Ok(Done::Wrote(length)),
                });
            }
        } else if self.unflushed {
            if let Poll::Ready(flushed) = self.carrier.poll_flush(cx) {
                return Poll::Ready(flushed.map(|()| Done::Flushed));
            }
        } else if self.stage == Stage::LastWords {
            return self.carrier.poll_shutdown(cx).map_ok(|()| Done::Shut);
        }
        let wants_input = match self.stage {
            Stage::Open => self.batch.is_empty() && self.output.len() - self.written < self.most,
            Stage::LastWords => false,
            Stage::Lingering => true,
        };
        if wants_input { self.poll_read(cx) } else { Poll::Pending }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Done>> {
        let mut bytes = [const { MaybeUninit::uninit() }; READ];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        ready!(self.carrier.poll_read(cx, &mut bytes))?;
        if self.stage == Stage::Open {
            self.codec.push(bytes.filled());
        }
        Poll::Ready(Ok(Done::Read(bytes.filled().len())))
    }

    /// `false`: it is over.
    fn did(&mut self, done: Done, shared: &Shared) -> bool {
        match done {
            Done::Wrote(length) => self.wrote(length, shared),
            Done::Flushed => self.unflushed = false,
            Done::Shut => self.stage = Stage::Lingering,
            Done::Read(0) => return false,
            Done::Read(_) => {
                if self.stage == Stage::Open {
                    self.take(shared);
                }
            }
        }
        true
    }

    /// Adds this message and all that wait behind it to what is written next.
    fn queue(&mut self, message: Outgoing, messages: &mut mpsc::Receiver<Outgoing>, shared: &Shared) {
        let mut next = Some(message);
        while let Some(message) = next {
            self.codec.encode(&message.bytes, &mut self.output);
            self.ends.push_back((self.output.len(), message.bytes.len(), message.origin));
            let room = self.output.len() - self.written < READ;
            next = if room { messages.try_recv().ok() } else { None };
        }
        self.clocks.waits(true, shared.clock.now().mono);
    }

    fn wrote(&mut self, length: usize, shared: &Shared) {
        self.written += length;
        self.unflushed = self.carrier.keeps_back();
        let all = self.written == self.output.len();
        self.clocks.said(all, shared.clock.now().mono);
        let (mut done, mut counted) = (0, 0);
        while self.ends.front().is_some_and(|(end, _, _)| *end <= self.written) {
            if let Some((end, length, _)) = self.ends.pop_front() {
                done = end;
                counted += length;
            }
        }
        shared.written(&self.queued, counted);
        if all {
            self.output.clear();
            self.written = 0;
            if self.output.capacity() > KEPT {
                self.output = Vec::new();
            }
        } else if done > 0 {
            self.output.drain(..done);
            self.written -= done;
            for (end, _, _) in &mut self.ends {
                *end -= done;
            }
        }
    }

    /// Takes the messages out of what was read.
    fn take(&mut self, shared: &Shared) {
        let now = shared.clock.now().mono;
        let before = self.output.len();
        let mut whole = false;
        while self.stage == Stage::Open
            && let Some(piece) = self.codec.next(&mut self.output)
        {
            match piece {
                Piece::Message(bytes) => {
                    whole = true;
                    self.take_message(&bytes, shared);
                }
                Piece::Ping => {}
                Piece::Pong => self.clocks.answered(),
                Piece::Unreadable(error, why) => {
                    debug!(remote = %self.flow.remote, why, "SIP connection closed: no message could be read");
                    let answer = error.and_then(|error| shared.intake.refusal(&error, &self.flow, &self.names));
                    self.close_with(answer, shared);
                }
                Piece::End => self.close(shared),
            }
        }
        if self.codec.is_open() {
            self.clocks.shook_hands();
        }
        self.clocks.heard(whole, self.codec.is_partial(), now);
        if self.output.len() > before {
            self.clocks.waits(false, now);
        }
    }

    fn take_message(&mut self, bytes: &[u8], shared: &Shared) {
        match shared.intake.take(bytes, self.flow, &self.names) {
            Taken::Input(input) => {
                if let Input::Sip(inbound) = &input
                    && self.may_alias
                {
                    self.alias(&inbound.message, shared);
                }
                self.batch.push(input);
            }
            Taken::Refused(response) => self.close_with(Some(response), shared),
            Taken::Closed => self.close(shared),
            Taken::Nothing => {}
        }
    }

    /// The last words before the connection closes.
    fn close_with(&mut self, response: Option<Response>, shared: &Shared) {
        if let Some(mut response) = response {
            // No transaction will ever ask for this tag.
            response.ensure_to_tag("refused");
            let mut bytes = Vec::new();
            response.print(&mut bytes);
            self.codec.encode(&bytes, &mut self.output);
        }
        self.close(shared);
    }

    fn close(&mut self, shared: &Shared) {
        if self.stage == Stage::Open {
            self.stage = Stage::LastWords;
            self.clocks.closes(shared.clock.now().mono);
            shared.table().retire(self.flow.id);
        }
    }

    /// `false`: it is over.
    fn rings(&mut self, shared: &Shared) -> bool {
        let now = shared.clock.now().mono;
        match self.clocks.due(now) {
            None => true,
            Some(Due::Ask) => {
                self.output.extend_from_slice(b"\r\n\r\n");
                self.clocks.waits(false, now);
                true
            }
            Some(Due::Over(why)) => {
                debug!(remote = %self.flow.remote, why, "SIP connection closed");
                false
            }
        }
    }

    fn broke(&self, error: &io::Error) {
        let (failure, told) = handshake::why(error);
        if failure == TlsFailure::Refused {
            // In TLS 1.3 the server looks at our certificate after our handshake is done.
            info!(remote = %self.flow.remote, "TLS ended: {told}");
        } else {
            debug!(remote = %self.flow.remote, %error, "SIP connection broke");
        }
    }

    /// The peer may want its requests by the connection that it opened (RFC 5923 section 8.2).
    fn alias(&self, message: &Message, shared: &Shared) {
        let Message::Request(request) = message else { return };
        let Ok(via) = request.headers.via() else { return };
        if via.params.has("alias") {
            let port = via.port.unwrap_or(Transport::Tls.default_port());
            let ip: IpAddr = self.flow.remote.ip();
            shared.table().alias(self.flow.id, SocketAddr::new(ip, port));
        }
    }
}
