//! Bugs that other Raft libraries have shipped, to be put into this core on purpose, so that it can
//! be seen whether a simulation finds them.
//!
//! `if mutant!(Name) {..}` is where such a bug lives. The condition is the literal `false`, and
//! nothing of this module exists, unless the compiler is called with `--cfg libraft_mutants`, as
//! `make mutants` does. That is no cargo feature, since cargo adds up the features that any crate of
//! a build asks for. A build without debug assertions refuses it, and so does the C library.
//!
//! One build has all mutants; which one is at work, if any is, belongs to the thread. Everywhere else
//! the core has no global, but the arithmetic of quorums and the bookkeeping of the log, where some
//! of these bugs were, must not come to know of a setting for the sake of this. A thread can have
//! another mutant at work than its neighbour.

/// Whether this bug is at work.
#[cfg(not(libraft_mutants))]
macro_rules! mutant {
    ($name:ident) => {
        false
    };
}

/// Whether this bug is at work.
#[cfg(libraft_mutants)]
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutants::is_at_work($crate::mutants::Mutant::$name)
    };
}

#[cfg(libraft_mutants)]
pub use at_work::{Mutant, is_at_work, put_to_work};

#[cfg(libraft_mutants)]
mod at_work {
    use std::cell::Cell;

    #[cfg(not(debug_assertions))]
    compile_error!("mutants are for tests: a release must not have them");

    thread_local! {
        static AT_WORK: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Puts a bug into all nodes of this thread, or takes it out again.
    pub fn put_to_work(mutant: Option<Mutant>) {
        AT_WORK.set(mutant);
    }

    /// Whether this bug is at work.
    pub fn is_at_work(mutant: Mutant) -> bool {
        AT_WORK.get() == Some(mutant)
    }

    /// Declares the bugs.
    macro_rules! mutants {
        ($($(#[doc = $says:literal])+ $number:literal $name:ident)+) => {
            /// A bug. Its number is that of the list in `tests/scenarios/main.rs`.
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum Mutant {
                $($(#[doc = $says])+ $name,)+
            }

            impl Mutant {
                /// All of them, in the order of their numbers.
                pub const ALL: &[Mutant] = &[$(Mutant::$name),+];

                /// The number of the bug.
                pub fn number(self) -> u32 {
                    match self {
                        $(Mutant::$name => $number,)+
                    }
                }

                /// What is wrong.
                pub fn says(self) -> &'static str {
                    match self {
                        $(Mutant::$name => concat!($($says),+).trim_ascii(),)+
                    }
                }
            }
        };
    }

    mutants! {
        /// Heartbeats carry the caller's name for a read in place of its position, so that late
        /// answers to a first try confirm a second one under that name, and what came before it.
        1 ReadsAreKnownByName
        /// A read is answered before the leader has committed an entry of its term.
        2 ReadBeforeACommit
        /// A request to campaign counts whatever its term, so that one that is late breaks the lease
        /// of another leader than the one that sent it.
        4 LateTimeoutNow
        /// The only voter commits its entries when it appends them, and not when they are persisted.
        7 SingleVoterCommitsAtOnce
        /// With asynchronous writes, promises that come without anything new to write leave at once,
        /// although what they are about is still being written.
        8 PromisesOvertakeWrites
        /// Word of a write of an earlier term counts if the log has that entry, which may have been
        /// replaced twice since.
        10 OldWritesCount
        /// Entries that replace others while those are being written are not handed out, so that a
        /// restart brings the old ones back.
        12 ReplacedEntriesComeBack
        /// The term beyond the end of the log is that of its last entry.
        13 TermsBeyondTheEnd
        /// Who has led goes on applying what it has not persisted.
        15 ApplyLimitOutlivesLead
        /// A vote in a term that the node knew already is not synced.
        16 VoteIsNotSynced
        /// A pre-vote of an old term gets no answer.
        17 OldPreVotesGoUnanswered
        /// An assent to a pre-vote that comes late counts as a vote.
        18 PreVotesCountAsVotes
        /// To assent to a pre-vote puts off one's own campaign.
        19 PreVotesPutOffElections
        /// A voter notes whom it has seen campaign in its newest term, whatever that candidate's log,
        /// and the candidate takes being noted for having the vote.
        21 SeenVotesCountAsGranted
        /// A log that is compacted to its end compares as if its last term were 0.
        22 CompactedLogsCompareAsEmpty
        /// Votes for an earlier campaign of a candidate count for its present one, and two leaders of
        /// one term pass each other's messages over in silence.
        23 TwoLeadersOfATerm
        /// A restart forgets the vote.
        24 RestartForgetsTheVote
        /// A node campaigns with a committed change of the configuration that it has not applied.
        26 CampaignBeforeAChange
        /// A learner refuses its vote.
        28 LearnersRefuseTheirVote
        /// Who takes over a snapshot keeps its old configuration.
        30 SnapshotsKeepTheOldConfiguration
        /// A leader that is removed steps down at once, and votes for nobody any more.
        32 RemovedLeadersAreGone
        /// A new leader takes a change before those of its predecessors are applied.
        33 ChangesOverlap
        /// The commit index of a joint configuration is that of its new majority.
        35 OneMajorityCommits
        /// A refusal that is late takes the next index back to what is known to be there, and below.
        37 LateRefusalsMoveNext
        /// An append that begins below what is committed, and compacted, is refused.
        38 AppendsBelowASnapshotAreRefused
        /// Entries of earlier terms are committed by counting.
        40 OldTermsAreCommitted
        /// Acknowledgements of earlier terms count.
        41 OldAcknowledgementsCount
        /// An append replaces what it overlaps, and what follows, though all of it agrees.
        43 AgreeingEntriesAreReplaced
        /// A heartbeat tells the leader's commit index, whatever the follower is known to hold.
        44 HeartbeatsTellTooMuch
    }
}
