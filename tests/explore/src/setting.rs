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
    pub fault: Fault,
    /// Every so many times that a machine comes into a known state, its fingerprint is put to the
    /// test; 0 for never.
    pub compare_every: u64,
    /// About how many states there are.
    pub expected: usize,
    /// Stop after so many states.
    pub limit: u64,
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
    heartbeats: 1,
    unreachable: false,
    transfers: false,
    compaction: false,
    loses_commit: false,
    torn: false,
    pre_vote: false,
    coalesce: true,
    fault: Fault::None,
    compare_every: 997,
    expected: 1 << 20,
    limit: 10_000_000,
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
            ("torn writes", self.torn),
            ("pre-vote", self.pre_vote),
            ("appends at once", !self.coalesce),
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

const REMOVE_3: Change = Change {
    transition: ConfChangeTransition::Auto,
    steps: &[(ConfChangeKind::RemoveNode, 3)],
};
const ADD_3: Change = Change {
    transition: ConfChangeTransition::Auto,
    steps: &[(ConfChangeKind::AddNode, 3)],
};
const REPLACE_1_BY_3: Change = Change {
    transition: ConfChangeTransition::JointImplicit,
    steps: &[
        (ConfChangeKind::RemoveNode, 1),
        (ConfChangeKind::AddNode, 3),
    ],
};

/// What there is to explore.
pub fn all(long: bool) -> Vec<Setting> {
    let settings = vec![
        Setting {
            name: "elections",
            about: "terms 1 to 3, crashes",
            crashes: 1,
            ..BASE
        },
        Setting {
            name: "replication",
            about: "two terms, two proposals",
            proposals: 1,
            heartbeats: 0,
            ..BASE
        },
        Setting {
            name: "removal",
            about: "node 3 is removed",
            first_candidates: &[1, 3],
            changes: &[REMOVE_3],
            heartbeats: 0,
            ..BASE
        },
        Setting {
            name: "addition",
            about: "node 3 is added to 1 and 2",
            voters: &[1, 2],
            changes: &[ADD_3],
            ..BASE
        },
        Setting {
            name: "joint",
            about: "node 3 takes the place of 1",
            voters: &[1, 2],
            first_candidates: &[1, 2],
            changes: &[REPLACE_1_BY_3],
            ..BASE
        },
    ];
    let _ = long;
    settings
}
