//! Majorities: what a set of voters has agreed on. Pure arithmetic over sorted lists of ids.

mod joint;
mod majority;

pub use joint::{committed_index, vote_result};

#[cfg(test)]
mod tests;

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
