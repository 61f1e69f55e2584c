//! Election safety: one leader in a term, one vote of each node in a term, and a quorum behind each
//! leader (paper §5.2).

use libraft_core::*;

use super::{Checked, ensure};
use crate::plan::MAX_HOSTS;

/// What has come of one term.
#[derive(Clone, Copy, Debug, Default)]
struct OneTerm {
    leader: NodeId,
    /// By the voter's id, whom it has told that it votes for them.
    votes: [u8; MAX_HOSTS + 1],
}

#[derive(Debug, Default)]
pub struct Elections {
    terms: Vec<OneTerm>,
}

/// Whether `has` holds for more than half of the voters; always, if there are none.
pub fn is_majority(voters: &[NodeId], has: impl Fn(NodeId) -> bool) -> bool {
    voters.is_empty() || voters.iter().filter(|&&id| has(id)).count() * 2 > voters.len()
}

/// Whether `has` holds for a quorum of each half.
pub fn is_quorum(conf: &ConfState, has: impl Fn(NodeId) -> bool) -> bool {
    is_majority(&conf.voters, &has) && is_majority(&conf.voters_outgoing, &has)
}

impl Elections {
    fn term(&mut self, term: Term) -> &mut OneTerm {
        let place = term as usize;
        if place >= self.terms.len() {
            self.terms.resize(place + 1, OneTerm::default());
        }
        &mut self.terms[place]
    }

    /// A node lets somebody, or itself, count on its vote.
    pub fn voted(&mut self, voter: NodeId, term: Term, candidate: NodeId) -> Checked {
        let vote = &mut self.term(term).votes[voter as usize];
        let before = NodeId::from(*vote);
        ensure(
            before == NONE || before == candidate,
            "election safety",
            voter,
            || format!("votes for {candidate} in term {term}, and has voted for {before}"),
        )?;
        *vote = candidate as u8;
        Ok(())
    }

    /// A node leads. Its own vote has been noted.
    pub fn leads(&mut self, node: NodeId, term: Term, conf: &ConfState) -> Checked {
        let this = self.term(term);
        let before = this.leader;
        if before == node {
            return Ok(());
        }
        ensure(before == NONE, "election safety", node, || {
            format!("leads term {term}, and so does {before}")
        })?;
        this.leader = node;
        let votes = this.votes;
        let granted = |id: NodeId| NodeId::from(votes[id as usize]) == node;
        ensure(is_quorum(conf, granted), "election safety", node, || {
            format!("leads term {term} without a quorum of {conf:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf() -> ConfState {
        ConfState::of_voters([1, 2, 3])
    }

    #[test]
    fn a_second_vote_in_a_term_is_found() {
        let mut elections = Elections::default();
        elections.voted(1, 5, 2).unwrap();
        elections.voted(1, 5, 2).unwrap();
        elections.voted(1, 6, 3).unwrap();
        assert!(elections.voted(1, 5, 3).is_err());
    }

    #[test]
    fn a_second_leader_of_a_term_is_found() {
        let mut elections = Elections::default();
        for voter in [1, 2, 3] {
            elections.voted(voter, 5, 1).unwrap();
        }
        elections.leads(1, 5, &conf()).unwrap();
        elections.leads(1, 5, &conf()).unwrap();
        assert!(elections.leads(2, 5, &conf()).is_err());
    }

    #[test]
    fn a_leader_needs_a_quorum_of_each_half() {
        let joint = ConfState {
            voters_outgoing: vec![1, 4, 5],
            ..conf()
        };
        let mut elections = Elections::default();
        elections.voted(1, 5, 1).unwrap();
        assert!(elections.leads(1, 5, &conf()).is_err());
        let mut elections = Elections::default();
        elections.voted(1, 5, 1).unwrap();
        elections.voted(2, 5, 1).unwrap();
        assert!(elections.leads(1, 5, &joint).is_err());
        elections.voted(4, 6, 1).unwrap();
        elections.voted(2, 6, 1).unwrap();
        elections.voted(1, 6, 1).unwrap();
        elections.leads(1, 6, &joint).unwrap();
    }
}
