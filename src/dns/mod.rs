//! Questions for DNS and its answers as values, and the chance that RFC 2782 wants in their use. Nothing here asks anybody.

mod dice;
mod share;

pub use dice::Dice;
pub use share::draw;

use std::fmt;
use std::net::IpAddr;

/// A question for DNS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Query {
    /// The NAPTR records of a domain (RFC 3403).
    Naptr {
        /// The domain.
        name: String,
    },
    /// The SRV records of a service (RFC 2782).
    Srv {
        /// The service, such as `_sip._tcp.example.com`.
        name: String,
    },
    /// The A and AAAA records of a name.
    Addresses {
        /// The name.
        name: String,
    },
}

impl Query {
    /// The name that is asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Naptr { name } | Self::Srv { name } | Self::Addresses { name } => name,
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Naptr { name } => write!(f, "NAPTR of {name}"),
            Self::Srv { name } => write!(f, "SRV of {name}"),
            Self::Addresses { name } => write!(f, "A and AAAA of {name}"),
        }
    }
}

/// What DNS said. A list is empty when the name has no records of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// In any order.
    Naptr(Vec<Naptr>),
    /// In any order.
    Srv(Vec<Srv>),
    /// In the order in which to try them.
    Addresses(Vec<IpAddr>),
    /// The name does not exist.
    NoSuchName,
    /// The question could not be answered now.
    Unavailable,
}

/// A NAPTR record (RFC 3403 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lower first; of those that serve only the lowest count.
    pub order: u16,
    /// Lower first, within an order.
    pub preference: u16,
    /// What kind of record comes next: `S` for SRV.
    pub flags: String,
    /// Protocol and service, such as `SIP+D2T`.
    pub services: String,
    /// A rewriting rule; SIP uses none.
    pub regexp: String,
    /// The name of the next record, without a final dot.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lower first.
    pub priority: u16,
    /// The share of those of the same priority.
    pub weight: u16,
    /// The port of the service.
    pub port: u16,
    /// The host, without a final dot; `.` or nothing: the service is not offered.
    pub target: String,
}

impl Srv {
    /// Whether the record says that the domain has no such service.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.target.is_empty() || self.target == "."
    }
}
