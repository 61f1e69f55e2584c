//! What holds in every state of a node, and between two states that follow each other. Checked
//! after every call in debug builds, and by the tests.

use super::core::FIRST_TERM;
use super::{Raft, RoleState};
use crate::types::{HardState, Index, NONE, Role};

/// What [`check_step`] compares.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    hard_state: HardState,
    applied: Index,
    role: Role,
}

/// Notes the state before a step.
pub fn observe(raft: &Raft) -> Observed {
    Observed {
        hard_state: raft.core.hard_state(),
        applied: raft.core.log.applied(),
        role: raft.role(),
    }
}

/// What holds in every state.
///
/// # Errors
/// A sentence that says what doesn't.
pub fn check(raft: &Raft) -> Result<(), &'static str> {
    let core = &raft.core;
    core.log.check()?;
    let ensure = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
    ensure(
        core.log.last().term <= core.term().max(FIRST_TERM),
        "no entry is of a later term",
    )?;
    match &raft.role {
        RoleState::Follower(_) => Ok(()),
        RoleState::PreCandidate(_) => ensure(core.leader() == NONE, "a candidate has no leader"),
        RoleState::Candidate(_) => {
            ensure(core.leader() == NONE, "a candidate has no leader")?;
            ensure(core.vote() == core.id(), "a candidate votes for itself")
        }
        RoleState::Leader(leader) => {
            ensure(core.leader() == core.id(), "a leader follows itself")?;
            ensure(core.vote() == core.id(), "a leader has voted for itself")?;
            ensure(
                leader.acks_needed() <= leader.tracker().acks_needed(core.log.committed()),
                "nobody's acknowledgement is passed over that could commit something",
            )?;
            let acked = |id| leader.tracker().get(id).map(|peer| peer.match_index);
            ensure(
                leader.tracker().committed_index() == core.membership.committed_index(acked),
                "who votes is what the configuration says",
            )?;
            if let Some(rest) = leader.tracker().at_rest() {
                let index = rest.index.get();
                ensure(
                    index == core.log.committed()
                        && leader.tracker().find_rest(core.id(), index) == Some(rest),
                    "who rests has, knows and needs what is said of it",
                )?;
            }
            let members = core.membership.members();
            ensure(
                leader.tracker().iter().map(|peer| peer.id).eq(members),
                "a leader keeps track of its members",
            )?;
            for peer in leader.tracker().iter() {
                ensure(peer.match_index < peer.next_index, "match < next")?;
                ensure(
                    peer.match_index <= core.log.last_index(),
                    "nobody has more than the leader",
                )?;
            }
            Ok(())
        }
    }
}

/// What holds between two states.
///
/// # Errors
/// A sentence that says what doesn't.
pub fn check_step(before: &Observed, raft: &Raft) -> Result<(), &'static str> {
    let ensure = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
    let (old, new) = (before.hard_state, raft.core.hard_state());
    ensure(old.term <= new.term, "the term never decreases")?;
    ensure(old.commit <= new.commit, "the commit index never decreases")?;
    ensure(
        before.applied <= raft.core.log.applied(),
        "applied never decreases",
    )?;
    if old.term == new.term {
        ensure(
            old.vote == NONE || old.vote == new.vote,
            "one vote in one term",
        )?;
        let demoted = before.role == Role::Leader && raft.role() == Role::Candidate;
        ensure(!demoted, "a leader doesn't campaign in its own term")?;
    }
    Ok(())
}
