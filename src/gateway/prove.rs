//! Requests whose source must prove an account (RFC 3261 section 22.1).
//!
//! A source that is nobody without its account is asked before there is a transaction: until it has proved something, a
//! request leaves nothing behind (section 26.3.2.4). A peer that is known by address and wants to speak for a domain that
//! its account has is asked like any client. The proof holds for one request; the next has its own count.

use std::sync::Arc;

use super::Gateway;
use super::refused::Reason;
use crate::sip::auth::{AuthOutcome, Door};
use crate::sip::endpoint::Flow;
use crate::sip::message::{Method, Request, Response, Status};
use crate::time::Now;

impl Gateway {
    /// Whether a request of a source that is nobody without an account goes on: it repeats one that did, or brings the
    /// proof, which is kept for the rest of this input.
    pub(super) fn proves(&mut self, request: &Request, flow: Flow, now: Now) -> bool {
        if self.endpoint.recognises(request) {
            return true;
        }
        // Neither can be challenged (section 22.1). What they could be about was answered at once.
        if request.method == Method::Cancel {
            self.endpoint.respond_stateless(request.response(Status::NO_SUCH_DIALOG), flow);
        }
        if matches!(request.method, Method::Ack | Method::Cancel) {
            return false;
        }
        match self.proof(request, &flow, now) {
            Ok(account) => {
                self.proven = Some(account);
                true
            }
            Err(response) => {
                self.endpoint.respond_stateless(response, flow);
                false
            }
        }
    }

    /// The account that a request proves, or the answer that asks for one.
    pub(super) fn proof(&mut self, request: &Request, flow: &Flow, now: Now) -> Result<Arc<str>, Response> {
        let Some(server) = &mut self.prover else { return Err(request.response(Status::FORBIDDEN)) };
        let stale = match server.judge(Door::Server, request, now) {
            AuthOutcome::Account(account) => {
                tracing::debug!(source = %flow.remote, account = &*account, "a source has proved its account");
                return Ok(account);
            }
            AuthOutcome::Absent => false,
            AuthOutcome::Stale => true,
            AuthOutcome::Failed(user) => {
                tracing::debug!(source = %flow.remote, user, "a source has not proved its account");
                self.stats.failed_logins += 1;
                self.note_refusal(flow, Reason::Digest, &request.method, now);
                false
            }
        };
        self.stats.challenged += 1;
        let mut response = request.response(Status::UNAUTHORIZED);
        if let Some(server) = &mut self.prover {
            for value in server.challenges(stale, now) {
                response.headers.push(Door::Server.challenge(), value);
            }
        }
        Err(response)
    }
}
