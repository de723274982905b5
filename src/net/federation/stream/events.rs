//! What a stream tells, and who hears it: the shard, the federation, people.

use std::mem::take;
use std::sync::Arc;

use tracing::debug;

use super::super::{dial, handshake};
use super::Carried;
use crate::net::carrier::Carrier;
use crate::xmpp::federation::Report;
use crate::xmpp::stream::ServerEvent;

impl Carried {
    pub(super) fn take_events_and_judge(&mut self, carrier: &Carrier) {
        while let Some(event) = self.stream.poll_event() {
            if let ServerEvent::Judge(domain) = event {
                let (associations, chain) = (self.shared.associations.clone(), handshake::chain(carrier));
                self.expiry.shown(&chain);
                self.judging = Some(Box::pin(async move { associations.judge(&chain, &domain).await }));
            } else {
                self.on_event(event);
            }
        }
    }

    pub(super) fn take_events(&mut self) {
        while let Some(event) = self.stream.poll_event() {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Stanza(stanza) => {
                self.stanzas += 1;
                self.batch.extend(self.shared.input(stanza));
            }
            ServerEvent::StartTls => self.starttls = true,
            ServerEvent::Report(report) => self.on_report(report),
            ServerEvent::Unusable { problem, reply } => {
                self.shared.count_unusable();
                debug!(addr = %self.addr, what = ?problem.what, answered = reply.is_some(), "a stanza could not be used");
                let shared = Arc::clone(&self.shared);
                shared.send(reply.into_iter(), &mut self.batch);
            }
            // Only while there is a connection to be judged.
            ServerEvent::Judge(_) => {}
        }
    }

    pub(super) fn on_report(&mut self, report: Report) {
        let now = self.shared.clock.now().mono;
        match report {
            Report::Proven(ref pair, way, by) => {
                self.shared.proofs.count(by, way);
                if self.up {
                    self.shared.teller.proven(pair, (way, by));
                } else {
                    self.up = true;
                    self.shared.teller.up(&self.stream, pair, (way, by), now);
                }
                self.reports.push(report);
            }
            Report::Closed { cause, mut unsent, doubtful, session, in_doubt } => {
                let (waiting, undone) = dial::left(&self.line);
                unsent.extend(waiting);
                self.reports.extend(undone);
                let remote = self.stream.domains().1;
                if self.reports.iter().any(is_end) || self.over {
                    // That said why.
                } else if self.up {
                    self.shared.teller.down(remote.unwrap_or("unknown"), self.addr, self.stream.pairs(), &cause, now);
                } else {
                    self.shared.teller.vain(remote, self.addr, &cause, now);
                }
                self.reports.push(Report::Closed { cause, unsent, doubtful, session, in_doubt });
            }
            Report::Unreachable(why) => {
                let remote = self.stream.domains().1;
                self.shared.teller.unreachable(remote.unwrap_or("unknown"), &why, now);
                self.reports.extend(dial::left(&self.line).0.into_iter().map(Report::Unsent));
                self.reports.push(Report::Unreachable(why));
            }
            Report::Open { .. }
            | Report::Refused(..)
            | Report::Key(_)
            | Report::Verified(..)
            | Report::Unsent(_)
            | Report::Undone(_)
            | Report::Idle
            | Report::Continue(..)
            | Report::Resumable(..)
            | Report::Resumed => self.reports.push(report),
        }
    }

    /// Nothing is told after the report that ends the stream, and that not before the shard has what came before it: when
    /// no stream is left, nothing is on its way.
    pub(super) fn tell_federation(&mut self) {
        let early = !self.batch.is_empty() && self.reports.iter().any(is_end);
        if self.reports.is_empty() || early {
            return;
        }
        let mut reports = take(&mut self.reports);
        if self.over {
            return;
        }
        if let Some(at) = reports.iter().position(is_end) {
            reports.truncate(at + 1);
            self.over = true;
        }
        let shared = Arc::clone(&self.shared);
        shared.report(self.id, reports.into_iter(), &mut self.batch);
    }
}

/// Whether nothing comes after it.
fn is_end(report: &Report) -> bool {
    matches!(report, Report::Closed { .. } | Report::Unreachable(_))
}
