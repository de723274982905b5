//! Who may say what: a SIP request's From counts only within the domains that its source may assert.
//!
//! Without TLS or digest (a later layer) the source address is all there is, so it has to be configured: the next hop
//! of a SIP domain may speak for that domain, any other system needs a `[[sip.peer]]` entry. Nobody else is believed,
//! whatever the From says (RFC 3261 section 26.1.2).

use std::net::IpAddr;

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The first address of the block.
    pub first: IpAddr,
    /// Leading bits that an address must share with it.
    pub bits: u8,
}

impl Network {
    /// Whether `ip` lies in the block. An IPv4 address in IPv6 clothes (RFC 4291 section 2.5.5.2) is an IPv4 address.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let shift = |width: u8| u32::from(width.saturating_sub(self.bits));
        match (self.first.to_canonical(), ip.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                (first.to_bits() ^ ip.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => {
                (first.to_bits() ^ ip.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// One SIP system: where its requests come from, and for which domains it may speak.
#[derive(Clone, Debug)]
pub struct Peer {
    /// For logs.
    pub name: String,
    /// Its addresses.
    pub networks: Vec<Network>,
    /// Hosts of From that it may assert: lower case, without port.
    pub domains: Vec<String>,
}

/// What a source gets that no peer entry covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// 403, so that an administrator who forgot an entry sees why.
    Refuse,
    /// Silence, so that a scanner learns nothing.
    Drop,
}

/// The answer to "may this source say this?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The From counts.
    Believed,
    /// The source is known, but not for this domain: 403.
    Forbidden,
    /// The source is nobody we know.
    Unknown(Stranger),
}

/// All peers.
#[derive(Clone, Debug)]
pub struct Trust {
    peers: Vec<Peer>,
    stranger: Stranger,
}

impl Trust {
    /// Believes `peers` and treats everybody else as `stranger` says.
    #[must_use]
    pub fn new(peers: Vec<Peer>, stranger: Stranger) -> Self {
        Self { peers, stranger }
    }

    /// May a request from `source` carry a From in `domain`?
    #[must_use]
    pub fn judge(&self, source: IpAddr, domain: &str) -> Verdict {
        let mut known = false;
        for peer in self.peers.iter().filter(|peer| peer.networks.iter().any(|network| network.contains(source))) {
            if peer.domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain)) {
                return Verdict::Believed;
            }
            known = true;
        }
        if known { Verdict::Forbidden } else { Verdict::Unknown(self.stranger) }
    }

    /// What `source` gets if no peer entry covers it; `None` if one does.
    #[must_use]
    pub fn stranger(&self, source: IpAddr) -> Option<Stranger> {
        (!self.knows(source)).then_some(self.stranger)
    }

    /// Whether anything from `source` deserves an answer.
    #[must_use]
    pub fn knows(&self, source: IpAddr) -> bool {
        self.peers.iter().any(|peer| peer.networks.iter().any(|network| network.contains(source)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        let (first, bits) = text.split_once('/').unwrap();
        Network { first: first.parse().unwrap(), bits: bits.parse().unwrap() }
    }

    fn trust(stranger: Stranger) -> Trust {
        let peer = |name: &str, net: &str, domain: &str| Peer {
            name: name.to_owned(),
            networks: vec![network(net)],
            domains: vec![domain.to_owned()],
        };
        Trust::new(
            vec![
                peer("pbx", "192.0.2.0/24", "pbx.example"),
                peer("branch", "192.0.2.7/32", "branch.example"),
                peer("six", "2001:db8::/32", "six.example"),
            ],
            stranger,
        )
    }

    #[test]
    fn a_source_speaks_for_its_domains_only() {
        let trust = trust(Stranger::Refuse);
        let judge = |ip: &str, domain| trust.judge(ip.parse().unwrap(), domain);
        assert_eq!(judge("192.0.2.9", "PBX.example"), Verdict::Believed);
        assert_eq!(judge("192.0.2.7", "branch.example"), Verdict::Believed);
        assert_eq!(judge("192.0.2.9", "branch.example"), Verdict::Forbidden);
        assert_eq!(judge("::ffff:192.0.2.9", "pbx.example"), Verdict::Believed);
        assert_eq!(judge("2001:db8:1::1", "six.example"), Verdict::Believed);
        assert_eq!(judge("198.51.100.1", "pbx.example"), Verdict::Unknown(Stranger::Refuse));
    }

    #[test]
    fn a_network_of_no_bits_holds_its_whole_family() {
        assert!(network("0.0.0.0/0").contains("203.0.113.9".parse().unwrap()));
        assert!(!network("0.0.0.0/0").contains("2001:db8::1".parse().unwrap()));
        assert!(network("::/0").contains("2001:db8::1".parse().unwrap()));
    }
}
