//! Majorities: what a set of voters has agreed on. Pure arithmetic over sorted lists of ids.

mod joint;
mod majority;

use crate::types::Index;

pub use joint::{acks_needed, committed_index, group_committed_index, vote_result};

#[cfg(test)]
mod tests;

/// A member's commit group; [`UNASSIGNED`] for one that has none.
pub type Group = u64;

/// No commit group.
pub const UNASSIGNED: Group = 0;

/// How far a log is committed if entries have to reach two groups as well as a majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupCommitted {
    /// The highest index that is committed; never above what a majority has.
    pub index: Index,
    /// Whether it is two groups that have it, and not a rule for want of two.
    pub by_groups: bool,
}

/// What an election has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteResult {
    /// Neither is decided yet.
    Pending,
    /// So many have refused that a majority can't be reached.
    Lost,
    /// A majority has granted its vote.
    Won,
}
