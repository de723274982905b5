//! Streams that we open.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

use super::Shared;
use super::line::Line;
use super::stream::Carried;
use crate::net::Batch;
use crate::net::carrier::Carrier;
use crate::tls::xmpp::Start;
use crate::xmpp::federation::locate::Target;
use crate::xmpp::federation::{Command, Dial, Pair, Report, Unreachable};
use crate::xmpp::stream::{Cause, Secured, ServerStream};

/// How long one place may take to answer: a server that is there does so at once, and there may be others to try.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a place is tried before another address of the same host is tried as well (RFC 8305 section 5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// The same for another host: its priority says that the first one is to be preferred.
const NEXT_HOST: Duration = Duration::from_secs(3);

/// A connection to a server of the domain.
struct Reached {
    target: Target,
    carrier: Carrier,
    secured: Option<Secured>,
}

/// Opens a stream and carries it until it ends.
pub(super) async fn open(shared: Arc<Shared>, dial: Dial, line: Arc<Line>) {
    let reached = tokio::select! {
        biased;
        () = poll_fn(|cx| line.poll_closes(cx)) => None,
        reached = Box::pin(reach(&shared, &dial)) => Some(reached),
    };
    let mut back = Batch::new();
    let end = match reached {
        Some(Ok(Reached { target, carrier, secured })) => {
            let now = shared.clock.now();
            let stream = ServerStream::initiating(Arc::clone(&shared.config), &dial, secured, now);
            let carried = Carried::new(Arc::clone(&shared), (dial.stream, true), line, stream, back, target.addr);
            return carried.run(carrier).await;
        }
        Some(Err(why)) => {
            shared.teller.unreachable(&dial.pair.remote, &why, shared.clock.now().mono);
            Report::Unreachable(why)
        }
        None => {
            let (unsent, _) = left(&line);
            Report::Closed { cause: Cause::Closed, unsent, doubtful: Vec::new(), session: None, in_doubt: false }
        }
    };
    shared.report(dial.stream, std::iter::once(end), &mut back);
    shared.hand_over(&mut back).await;
}

/// The stanzas that wait for a stream that is over, and what is to be told of the session that it was to go on with.
pub(super) fn left(line: &Line) -> (Vec<crate::xmpp::stanza::Stanza>, Option<Report>) {
    let (sessions, others): (Vec<_>, Vec<_>) =
        line.take().into_iter().partition(|command| matches!(command, Command::Continue(Some(_))));
    let unsent = others.into_iter().flat_map(Command::into_stanzas).collect();
    (unsent, sessions.into_iter().next().map(|command| Report::Undone(Box::new(command))))
}

async fn reach(shared: &Shared, dial: &Dial) -> Result<Reached, Unreachable> {
    let pair = &dial.pair;
    let host = dial.host.as_ref().or(shared.config.partners.of(&pair.remote).host.as_ref());
    let targets = shared.dns.find_server(&pair.remote, host).await?;
    let mut targets = targets.into_iter().peekable();
    let (mut trying, mut failures) = (FuturesUnordered::new(), Vec::new());
    loop {
        let head_start = match targets.next() {
            Some(target) => {
                let another = targets.peek().is_some_and(|next| next.host != target.host);
                trying.push(attempt(shared, pair, target));
                if another { NEXT_HOST } else { NEXT_ADDRESS }
            }
            // The last ones have until they fail by themselves.
            None => 2 * ANSWER,
        };
        match tokio::time::timeout(head_start, trying.next()).await {
            Ok(Some(Ok(reached))) => return Ok(reached),
            Ok(Some(Err(why))) => failures.push(why),
            Ok(None) => return Err(Unreachable::NoAnswer(failures.join("; "))),
            Err(_) => {}
        }
    }
}

async fn attempt(shared: &Shared, pair: &Pair, target: Target) -> Result<Reached, String> {
    let within = ANSWER.min(shared.connect_within);
    let addr = target.addr;
    let said = |why: &str| format!("{addr}: {why}");
    let socket = match tokio::time::timeout(within, TcpStream::connect(addr)).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => return Err(said("connection refused")),
        Ok(Err(error)) => return Err(said(&error.to_string())),
        Err(_) => return Err(said("no answer")),
    };
    let _ = socket.set_nodelay(true);
    if !target.direct_tls {
        return Ok(Reached { target, carrier: Carrier::Plain(socket), secured: None });
    }
    let agreed = shared.call(socket, (&pair.local, &pair.remote), Start::Direct, within).await;
    let agreed = agreed.map_err(|why| said(&why))?;
    Ok(Reached { target, carrier: agreed.carrier, secured: Some(agreed.secured) })
}
