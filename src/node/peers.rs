//! Who may send, with the addresses that their names have now.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::Node;
use crate::config::{Source, UnknownSource};
use crate::gateway::Input;
use crate::gateway::trust::{Network, Peer, Range, Stranger, Trust};
use crate::net::{Intake, ToShard};

/// How often the addresses of peers that are configured by name are looked up again.
const PEERS_AGAIN: Duration = Duration::from_secs(60);

impl Node {
    pub(super) fn stranger(&self) -> Stranger {
        match self.config.sip.unknown_source {
            UnknownSource::Refuse => Stranger::Refuse,
            UnknownSource::Drop => Stranger::Drop,
        }
    }

    /// The peers with the addresses that their names have now.
    pub(super) async fn trust(&self) -> Trust {
        let mut peers = Vec::new();
        for peer in &self.config.peers {
            let mut ranges: Vec<Range> = peer.source.iter().map(Source::range).collect();
            for host in &peer.hosts {
                match tokio::net::lookup_host((host.as_str(), 0)).await {
                    Ok(found) => ranges.extend(found.map(|addr| Range::from(Network::host(addr.ip())))),
                    Err(error) => warn!(peer = peer.name, host, %error, "the peer's address was not found"),
                }
            }
            peers.push(Peer {
                name: peer.name.clone(),
                ranges,
                tls_name: peer.tls_name.clone(),
                account: peer.account.clone(),
                domains: peer.domains.clone(),
                asserted_identity: peer.asserted_identity,
                accept: peer.accept.clone(),
                rate: peer.rate,
                user_rate: peer.user_rate,
            });
        }
        Trust::new(peers, self.stranger())
    }

    pub(super) async fn look_up_peers(self, intake: Arc<Intake>, shard: ToShard) {
        if self.config.peers.iter().all(|peer| peer.hosts.is_empty()) {
            return;
        }
        loop {
            tokio::time::sleep(PEERS_AGAIN).await;
            let trust = self.trust().await;
            intake.trust(trust.clone());
            if shard.send(vec![Input::Trust(trust)]).await.is_err() {
                return;
            }
        }
    }
}
