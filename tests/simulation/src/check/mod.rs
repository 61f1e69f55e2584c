//! What must hold, checked after every event and without ever comparing whole logs.
//!
//! Each file checks one kind of rule from what the hosts see of their nodes: a status, a Ready, a
//! disk. The checks know nothing of the core's inside and change nothing in the run.

pub mod clients;
pub mod elections;
pub mod flow;
pub mod leases;
pub mod logs;
pub mod membership;
pub mod promises;
pub mod ready;
pub mod status;

use libraft_core::NodeId;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub rule: &'static str,
    /// By whom; 0 for the cluster as a whole.
    pub node: NodeId,
    pub detail: String,
}

pub type Checked = Result<(), Violation>;

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.node {
            0 => write!(f, "{}: {}", self.rule, self.detail),
            node => write!(f, "{}: node {node}: {}", self.rule, self.detail),
        }
    }
}

/// The rule holds, or else it is broken in the way that `detail` tells.
pub fn ensure(
    holds: bool,
    rule: &'static str,
    node: NodeId,
    detail: impl FnOnce() -> String,
) -> Checked {
    match holds {
        true => Ok(()),
        false => Err(Violation {
            rule,
            node,
            detail: detail(),
        }),
    }
}

/// All that is remembered of a run.
#[derive(Debug, Default)]
pub struct Checks {
    pub logs: logs::Logs,
    pub elections: elections::Elections,
    pub membership: membership::Configurations,
    pub clients: clients::Clients,
}
