//! What is explored: the bounds of one exploration, and the explorations that there are.

use libraft_core::*;

use crate::log::MAX_TERM;

/// How a host handles its Readys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// After each input, until nothing is left to do.
    AtOnce,
    /// Some time after it is there; and some time after that, it applies and advances.
    InSteps,
    /// By workers, with asynchronous storage writes.
    ByWorkers,
}

/// A change of the members that is proposed.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub transition: ConfChangeTransition,
    pub steps: &'static [(ConfChangeKind, NodeId)],
}

/// What goes wrong with a disk, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// A crash forgets whom the node has voted for.
    #[cfg(test)]
    ForgetsVote,
    /// A crash forgets the last entry.
    #[cfg(test)]
    ForgetsEntry,
}

/// The bounds of one exploration.
#[derive(Clone, Debug)]
pub struct Setting {
    pub name: &'static str,
    pub about: &'static str,
    /// The first configuration. There are three machines in any case.
    pub voters: &'static [NodeId],
    pub handling: Handling,
    /// So many inputs may come between two Readys, if they are not handled at once.
    pub batch: u8,
    pub max_term: Term,
    /// Who may be the first to campaign; anybody may later. Where nodes are alike, one of them is
    /// enough: the others' states are the same with other names.
    pub first_candidates: &'static [NodeId],
    pub proposals: u8,
    pub changes: &'static [Change],
    pub crashes: u8,
    pub reads: u8,
    /// How often nodes campaign without being told to, and leaders send heartbeats.
    pub campaigns: u8,
    pub heartbeats: u8,
    /// The transport reports peers as unreachable.
    pub unreachable: bool,
    pub transfers: bool,
    pub compaction: bool,
    /// A crash may take back a commit index that was written without a sync.
    pub loses_commit: bool,
    /// A crash may fall between the writes of a Ready.
    pub torn: bool,
    pub pre_vote: bool,
    pub coalesce: bool,
    /// An append has at most one entry.
    pub single_entries: bool,
    pub fault: Fault,
    /// Every so many times that a machine comes into a known state, its fingerprint is put to the
    /// test; 0 for never.
    pub compare_every: u64,
    /// About how many states there are.
    pub expected: usize,
    /// Stop after so many states.
    pub limit: u64,
    /// Whether it counts as a failure to stop there.
    pub must_complete: bool,
}

pub const BASE: Setting = Setting {
    name: "",
    about: "",
    voters: &[1, 2, 3],
    handling: Handling::AtOnce,
    batch: 1,
    max_term: 2,
    first_candidates: &[1],
    proposals: 0,
    changes: &[],
    crashes: 0,
    reads: 0,
    campaigns: 2,
    heartbeats: 0,
    unreachable: false,
    transfers: false,
    compaction: false,
    loses_commit: false,
    torn: false,
    pre_vote: false,
    coalesce: true,
    single_entries: false,
    fault: Fault::None,
    compare_every: 97,
    expected: 1 << 20,
    limit: 10_000_000,
    must_complete: true,
};

impl Setting {
    /// The settings of a node.
    pub fn config(&self, id: NodeId) -> Config {
        Config {
            // Time has no part in this; see `canonical`.
            election_ticks: 1 << 30,
            heartbeat_ticks: 1,
            pre_vote: self.pre_vote,
            check_quorum: false,
            coalesce_appends: self.coalesce,
            max_size_per_msg: if self.single_entries { 0 } else { 1 << 20 },
            max_committed_size_per_ready: 1 << 20,
            async_storage_writes: self.handling == Handling::ByWorkers,
            // In a network that repeats messages without end, a proposal that is passed on would
            // be appended without end.
            disable_proposal_forwarding: true,
            ..Config::new(id)
        }
    }

    /// Sets a bound by its name.
    ///
    /// # Errors
    /// A bound that there is not, or a value that it can't have.
    pub fn set(&mut self, name: &str, value: u8) -> std::result::Result<(), String> {
        let at_most = |most: u8| match value <= most {
            true => Ok(value),
            false => Err(format!("{name} is at most {most}")),
        };
        match name {
            "term" => self.max_term = at_most(MAX_TERM as u8)?.into(),
            "campaigns" => self.campaigns = value,
            "heartbeats" => self.heartbeats = value,
            "proposals" => self.proposals = at_most(4)?,
            "crashes" => self.crashes = value,
            "reads" => self.reads = at_most(2)?,
            "batch" => self.batch = value,
            "unreachable" => self.unreachable = at_most(1)? == 1,
            "transfers" => self.transfers = at_most(1)? == 1,
            "compaction" => self.compaction = at_most(1)? == 1,
            "loses-commit" => self.loses_commit = at_most(1)? == 1,
            "torn" => self.torn = at_most(1)? == 1,
            "pre-vote" => self.pre_vote = at_most(1)? == 1,
            "single-entries" => self.single_entries = at_most(1)? == 1,
            "coalesce" => self.coalesce = at_most(1)? == 1,
            _ => return Err(format!("there is no bound {name}")),
        }
        Ok(())
    }

    /// The bounds, for people.
    pub fn bounds(&self) -> String {
        let mut words = vec![
            format!("voters {:?}", self.voters),
            format!("terms 1 to {}", self.max_term),
        ];
        let numbers = [
            ("campaigns", self.campaigns),
            ("heartbeats", self.heartbeats),
            ("proposals", self.proposals),
            ("changes", self.changes.len() as u8),
            ("crashes", self.crashes),
            ("reads", self.reads),
        ];
        let number = |&(name, value): &(&str, u8)| match value {
            u8::MAX => format!("{name} without end"),
            _ => format!("{name} {value}"),
        };
        words.extend(numbers.iter().filter(|(_, value)| *value > 0).map(number));
        if self.handling != Handling::AtOnce {
            words.push(format!("inputs between Readys {}", self.batch));
        }
        let switches = [
            ("unreachable peers", self.unreachable),
            ("transfers", self.transfers),
            ("compaction", self.compaction),
            ("lost commit indexes", self.loses_commit),
            ("torn writes", self.torn && self.crashes > 0),
            ("pre-vote", self.pre_vote),
            ("appends at once", !self.coalesce),
            ("single entries", self.single_entries),
        ];
        let on = switches.iter().filter(|(_, on)| *on);
        words.extend(on.map(|(name, _)| (*name).to_owned()));
        words.join(", ")
    }

    /// The change with this number, as it is proposed.
    pub fn change(&self, number: u8) -> Option<ConfChangeV2> {
        let change = self.changes.get(usize::from(number))?;
        let single =
            |&(kind, node_id): &(ConfChangeKind, NodeId)| ConfChangeSingle { kind, node_id };
        Some(ConfChangeV2 {
            transition: change.transition,
            changes: change.steps.iter().map(single).collect(),
            context: vec![number].into(),
        })
    }
}

const fn change(
    transition: ConfChangeTransition,
    steps: &'static [(ConfChangeKind, NodeId)],
) -> Change {
    Change { transition, steps }
}

use ConfChangeKind::{AddNode, RemoveNode};
use ConfChangeTransition::{Auto, JointImplicit};

const ADD_2: Change = change(Auto, &[(AddNode, 2)]);
const ADD_3: Change = change(Auto, &[(AddNode, 3)]);
const REMOVE_1: Change = change(Auto, &[(RemoveNode, 1)]);
const REMOVE_3: Change = change(Auto, &[(RemoveNode, 3)]);
const REPLACE_1_BY_3: Change = change(JointImplicit, &[(RemoveNode, 1), (AddNode, 3)]);

/// What there is to explore. `long` has the larger bounds.
pub fn all(long: bool) -> Vec<Setting> {
    let pick = |short: u8, larger: u8| if long { larger } else { short };
    let base = Setting {
        limit: if long { 60_000_000 } else { 10_000_000 },
        must_complete: !long,
        ..BASE
    };
    vec![
        Setting {
            name: "elections",
            about: "leaders of three terms, and crashes",
            max_term: 3,
            campaigns: 3,
            crashes: pick(1, 2),
            ..base.clone()
        },
        Setting {
            name: "pre-vote",
            about: "elections with pre-vote",
            pre_vote: true,
            crashes: pick(0, 1),
            ..base.clone()
        },
        Setting {
            name: "replication",
            about: "two leaders replicate commands",
            proposals: pick(1, 2),
            ..base.clone()
        },
        Setting {
            name: "overwriting",
            about: "leaders of several terms replace each other's entries, sent one by one",
            max_term: pick(3, 4).into(),
            campaigns: pick(3, 4),
            single_entries: true,
            ..base.clone()
        },
        Setting {
            name: "forgetting",
            about: "crashes that take back what was not synced",
            proposals: 1,
            crashes: pick(1, 2),
            loses_commit: true,
            ..base.clone()
        },
        Setting {
            name: "flow",
            about: "appends message for message, heartbeats, and reports of unreachable peers",
            campaigns: 1,
            max_term: 1,
            proposals: 1,
            heartbeats: pick(0, 1),
            unreachable: true,
            coalesce: false,
            ..base.clone()
        },
        Setting {
            name: "snapshots",
            about: "logs are compacted, and followers get snapshots",
            proposals: pick(0, 1),
            crashes: pick(1, 0),
            compaction: true,
            ..base.clone()
        },
        Setting {
            name: "reads",
            about: "linearizable reads at leaders",
            heartbeats: pick(1, 2),
            reads: 1,
            ..base.clone()
        },
        Setting {
            name: "transfer",
            about: "leadership is handed over",
            campaigns: 1,
            proposals: pick(0, 1),
            transfers: true,
            ..base.clone()
        },
        Setting {
            name: "removal",
            about: "node 3 is removed",
            first_candidates: &[1, 3],
            changes: &[REMOVE_3],
            crashes: pick(0, 1),
            ..base.clone()
        },
        Setting {
            name: "addition",
            about: "node 3 is added to 1 and 2",
            voters: &[1, 2],
            changes: &[ADD_3],
            max_term: 3,
            campaigns: 3,
            heartbeats: pick(0, 1),
            crashes: 1,
            ..base.clone()
        },
        Setting {
            name: "changes",
            about: "node 3 is added to 1 and 2, and node 1 removed",
            voters: &[1, 2],
            first_candidates: &[1, 2],
            changes: &[ADD_3, REMOVE_1],
            crashes: pick(0, 1),
            ..base.clone()
        },
        Setting {
            name: "joint",
            about: "node 3 takes the place of node 1 by way of a joint configuration",
            voters: &[1, 2],
            first_candidates: &[1, 2],
            changes: &[REPLACE_1_BY_3],
            max_term: 3,
            campaigns: 3,
            heartbeats: 1,
            crashes: pick(0, 1),
            ..base.clone()
        },
        Setting {
            name: "in-steps",
            about: "inputs before a Ready is taken and before it is advanced, and torn writes",
            handling: Handling::InSteps,
            campaigns: pick(1, 2),
            crashes: 1,
            torn: true,
            ..base.clone()
        },
        Setting {
            name: "growth",
            about: "nodes 2 and 3 are added to 1, with inputs between the steps of a Ready",
            handling: Handling::InSteps,
            voters: &[1],
            changes: &[ADD_2, ADD_3],
            crashes: 1,
            ..base.clone()
        },
        Setting {
            name: "workers",
            about: "asynchronous storage writes",
            handling: Handling::ByWorkers,
            campaigns: 1,
            crashes: pick(0, 1),
            torn: true,
            ..base
        },
    ]
}
