//! Who may send, with the addresses that their names have now.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tracing::warn;

use super::Node;
use super::settings::{destination, transports};
use crate::config::{self, NextHop, UnknownSource};
use crate::gateway::Input;
use crate::gateway::trust::{Network, Peer, Range, Stranger, Trust};
use crate::net::{Dns, Intake, ToShard};
use crate::sip::locate::{Plan, Reason, Transports};

/// How often the addresses of peers that are configured by name are looked up again.
const PEERS_AGAIN: Duration = Duration::from_secs(60);

/// The same while some of them could not be looked up.
const PEERS_SOON: Duration = Duration::from_secs(5);

/// How long a start waits for DNS: whoever is not known by then is looked up again soon.
const PATIENCE: Duration = Duration::from_secs(5);

/// The addresses of peers that are configured by name.
pub(super) struct Names {
    dns: Dns,
    have: Transports,
    /// Those that were found last: they count until DNS says something else.
    known: HashMap<String, Vec<IpAddr>>,
    /// Whether DNS was silent about one of them.
    silent: bool,
}

impl Names {
    /// Looks up every next hop of `peers` that is a name, all at once.
    async fn look_up(&mut self, peers: &[config::Peer]) {
        let mut searches = Vec::new();
        for peer in peers {
            searches.extend(peer.hosts.iter().map(|hop| self.search(peer.known.name.clone(), hop.clone())));
        }
        self.silent = false;
        for (peer, hop, found) in join_all(searches).await {
            match found {
                Ok(plan) => {
                    self.known.insert(hop, plan.all().map(|target| target.addr.ip()).collect());
                }
                Err(reason) => {
                    warn!(peer, hop, %reason, "the peer's address was not found");
                    if reason == Reason::Unavailable {
                        self.silent = true;
                    } else {
                        self.known.remove(&hop);
                    }
                }
            }
        }
    }

    fn search(
        &self,
        peer: String,
        hop: NextHop,
    ) -> impl Future<Output = (String, String, Result<Plan, Reason>)> + use<> {
        let (dns, have) = (self.dns.clone(), self.have);
        async move {
            let found = tokio::time::timeout(PATIENCE, dns.find(&destination(&hop), have)).await;
            (peer, hop.to_string(), found.unwrap_or(Err(Reason::Unavailable)))
        }
    }

    fn of(&self, hop: &NextHop) -> impl Iterator<Item = IpAddr> {
        self.known.get(&hop.to_string()).into_iter().flatten().copied()
    }
}

impl Node {
    pub(super) fn stranger(&self) -> Stranger {
        match self.config.sip.unknown_source {
            UnknownSource::Refuse => Stranger::Refuse,
            UnknownSource::Drop => Stranger::Drop,
        }
    }

    /// Nothing looked up yet.
    pub(super) fn names(&self, dns: Dns) -> Names {
        Names { dns, have: transports(&self.config), known: HashMap::new(), silent: false }
    }

    /// The peers with the addresses that their names have now: of a name with SRV records, all servers that our requests
    /// could go to.
    pub(super) async fn trust(&self, names: &mut Names) -> Trust {
        let peers = &self.config.peers;
        names.look_up(peers).await;
        let peer = |peer: &config::Peer| {
            let hosts = peer.hosts.iter().flat_map(|hop| names.of(hop)).map(|ip| Range::from(Network::host(ip)));
            let ranges = peer.known.ranges.iter().copied().chain(hosts).collect();
            Peer { ranges, ..peer.known.clone() }
        };
        Trust::new(peers.iter().map(peer).collect(), self.stranger())
    }

    pub(super) async fn look_up_peers(self, mut names: Names, intake: Arc<Intake>, shard: ToShard) {
        if self.config.peers.iter().all(|peer| peer.hosts.is_empty()) {
            return;
        }
        loop {
            tokio::time::sleep(if names.silent { PEERS_SOON } else { PEERS_AGAIN }).await;
            let trust = self.trust(&mut names).await;
            intake.trust(trust.clone());
            if shard.send(vec![Input::Trust(trust)]).await.is_err() {
                return;
            }
        }
    }
}
