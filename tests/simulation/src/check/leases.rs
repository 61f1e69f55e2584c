//! What a lease promises, counted from outside, whatever else goes wrong.
//!
//! A voter with `check_quorum` that has heard from its leader refuses, for its next `election_ticks`
//! ticks, everybody who campaigns, unless the leader has told them to. It is *bound* for so long. While a
//! quorum is bound to a leader, nobody else can have been elected in a later term, and what that leader
//! answers from its lease must be linearizable: under every fault, since only the voters' own ticks
//! count. A voter is not bound any more if something reaches it that may raise its term for another
//! reason: it restarts, is told to campaign or to forget its leader, or hears of a newer term other
//! than by a request for votes.
//!
//! A leader, however, only looks every `election_ticks` ticks whether it has heard from a quorum, and so
//! goes on for up to twice as long after the last word, when others may have elected somebody. That is so
//! in etcd-io/raft as well: a lease counts on clocks and on networks. What it answers then is not
//! checked; but that it stops then, is.

use libraft_core::*;

use super::elections::is_quorum;
use super::{Checked, ensure};
use crate::plan::MAX_HOSTS;

/// A voter's promise to a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    leader: NodeId,
    term: Term,
    /// The voter's tick count at which it ends.
    until: u64,
}

/// What one node has promised as a voter, and heard as a leader, in its present life.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lease {
    ticks: u64,
    bound: Option<Bound>,
    /// By member, the tick count at which this node last heard from it.
    heard: [u64; MAX_HOSTS + 1],
}

/// What matters here of a message that was delivered.
#[derive(Clone, Copy, Debug)]
pub struct Delivered {
    from: NodeId,
    term: Term,
    from_leader: bool,
    /// It is a request for votes, which a bound voter does not even look at, except if its leader
    /// has asked for the election.
    ignorable: bool,
    transfer: bool,
    is_order: bool,
}

impl Delivered {
    pub fn of(message: &Message) -> Delivered {
        Delivered {
            from: message.from,
            term: message.term,
            from_leader: message.body.is_from_leader(),
            ignorable: matches!(message.body, Body::RequestVote { .. }),
            transfer: matches!(message.body, Body::RequestVote { transfer: true, .. }),
            is_order: matches!(message.body, Body::TimeoutNow | Body::ForgetLeader),
        }
    }
}

impl Lease {
    pub fn tick(&mut self) {
        self.pass(1);
    }

    pub fn pass(&mut self, ticks: u32) {
        self.ticks += u64::from(ticks);
    }

    /// The node is told to campaign, or that its leader is gone.
    pub fn release(&mut self) {
        self.bound = None;
    }

    /// A message has been delivered to the node, which was in the term `before` and is now as `now`
    /// says. `has_ordered` tells of a leader and its term whether it has told anybody to campaign:
    /// what some leader before it has said doesn't count any more.
    pub fn delivered(
        &mut self,
        message: Delivered,
        before: Term,
        now: &BasicStatus,
        ticks: u32,
        has_ordered: impl Fn(NodeId, Term) -> bool,
    ) {
        if let Some(heard) = self.heard.get_mut(message.from as usize) {
            *heard = self.ticks;
        }
        let term = now.hard_state.term;
        let follows = message.from_leader
            && message.term == term
            && now.soft_state.leader == message.from
            && now.soft_state.role == Role::Follower;
        if follows {
            self.bound = Some(Bound {
                leader: message.from,
                term,
                until: self.ticks + u64::from(ticks),
            });
            return;
        }
        let ordered = self.bound.is_some_and(|b| has_ordered(b.leader, b.term));
        let told = message.is_order && (message.term == 0 || message.term >= before);
        let drawn_on = message.term > before && !message.ignorable;
        if told || drawn_on || (message.transfer && message.term > before && ordered) {
            self.bound = None;
        }
    }

    /// The node leads from now on, or counts another quorum, or looks for it later: everybody counts
    /// as heard from now.
    pub fn begin(&mut self) {
        self.heard = [self.ticks; MAX_HOSTS + 1];
    }

    fn is_bound_to(&self, leader: NodeId, term: Term) -> bool {
        let holds =
            |bound: Bound| (bound.leader, bound.term) == (leader, term) && self.ticks < bound.until;
        self.bound.is_some_and(holds)
    }

    /// A leader with `check_quorum` has ticked, and still leads.
    pub fn leads_on(&self, node: NodeId, conf: &ConfState, election_ticks: u32) -> Checked {
        let patience = 2 * u64::from(election_ticks);
        let heard = |id: NodeId| id == node || self.heard[id as usize] + patience > self.ticks;
        let rule = "a leader without a quorum steps down";
        ensure(is_quorum(conf, heard), rule, node, || {
            format!(
                "leads after {} ticks, having heard from {:?} of {conf:?}",
                self.ticks, self.heard
            )
        })
    }
}

/// Whether a quorum is bound to the leader of this term. `lease` is that of a voter with
/// `check_quorum`.
pub fn is_covered<'a>(
    leader: NodeId,
    term: Term,
    conf: &ConfState,
    lease: impl Fn(NodeId) -> Option<&'a Lease>,
) -> bool {
    let bound =
        |id: NodeId| id == leader || lease(id).is_some_and(|lease| lease.is_bound_to(leader, term));
    is_quorum(conf, bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKS: u32 = 3;
    const NOBODY: fn(NodeId, Term) -> bool = |_, _| false;

    fn message(from: NodeId, term: Term, body: Body) -> Delivered {
        Delivered::of(&Message {
            to: 2,
            from,
            term,
            body,
        })
    }

    fn beat() -> Body {
        Body::Heartbeat {
            commit: 0,
            context: bytes::Bytes::new(),
        }
    }

    fn follower(term: Term, leader: NodeId) -> BasicStatus {
        BasicStatus {
            id: 2,
            hard_state: HardState {
                term,
                vote: leader,
                commit: 0,
            },
            soft_state: SoftState {
                leader,
                role: Role::Follower,
            },
            ..BasicStatus::default()
        }
    }

    fn bound() -> Lease {
        let mut lease = Lease::default();
        lease.delivered(message(1, 5, beat()), 5, &follower(5, 1), TICKS, NOBODY);
        lease
    }

    #[test]
    fn a_voter_is_bound_for_its_election_ticks() {
        let mut lease = bound();
        for _ in 0..TICKS {
            assert!(lease.is_bound_to(1, 5));
            assert!(!lease.is_bound_to(1, 6) && !lease.is_bound_to(3, 5));
            lease.tick();
        }
        assert!(!lease.is_bound_to(1, 5));
    }

    #[test]
    fn a_request_for_votes_frees_nobody_and_orders_and_newer_terms_do() {
        let request = |transfer| Body::RequestVote {
            pre: false,
            last: EntryId::default(),
            transfer,
            priority: 0,
            reports: false,
        };
        let now = follower(5, 1);
        let mut lease = bound();
        lease.delivered(message(3, 6, request(false)), 5, &now, TICKS, NOBODY);
        assert!(lease.is_bound_to(1, 5));
        let mut lease = bound();
        lease.delivered(message(3, 6, Body::Outdated), 5, &now, TICKS, NOBODY);
        assert!(!lease.is_bound_to(1, 5));
        // Only if this leader has asked for the election.
        for ordered in [false, true] {
            let mut lease = bound();
            let has_ordered = |leader, term| ordered && (leader, term) == (1, 5);
            lease.delivered(message(3, 6, request(true)), 5, &now, TICKS, has_ordered);
            assert_eq!(lease.is_bound_to(1, 5), !ordered);
        }
        let mut lease = bound();
        lease.delivered(message(3, 4, Body::TimeoutNow), 5, &now, TICKS, NOBODY);
        assert!(lease.is_bound_to(1, 5));
        let mut lease = bound();
        lease.delivered(message(1, 5, Body::TimeoutNow), 5, &now, TICKS, NOBODY);
        assert!(!lease.is_bound_to(1, 5));
        let mut lease = bound();
        lease.release();
        assert!(!lease.is_bound_to(1, 5));
    }

    #[test]
    fn a_leader_is_covered_by_a_quorum_that_is_bound() {
        let conf = ConfState::of_voters([1, 2, 3, 4, 5]);
        let (bound, free) = (bound(), Lease::default());
        let of = |count: u64| {
            let (bound, free) = (&bound, &free);
            move |id: NodeId| Some(if id <= count { bound } else { free })
        };
        assert!(is_covered(1, 5, &conf, of(3)));
        assert!(!is_covered(1, 5, &conf, of(2)));
    }

    #[test]
    fn a_leader_that_has_not_heard_from_a_quorum_for_long_is_found() {
        let conf = ConfState::of_voters([1, 2, 3]);
        let mut lease = Lease::default();
        lease.begin();
        for _ in 0..2 * TICKS {
            lease.leads_on(1, &conf, TICKS).unwrap();
            lease.tick();
        }
        assert!(lease.leads_on(1, &conf, TICKS).is_err());
        let answer = message(2, 5, Body::Outdated);
        lease.delivered(answer, 5, &follower(5, 1), TICKS, NOBODY);
        lease.leads_on(1, &conf, TICKS).unwrap();
    }
}
