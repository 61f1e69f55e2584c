//! Changes of one member at a time (thesis §4.1, §4.2).

use bytes::Bytes;
use libraft_core::*;

use crate::cluster::nodes::*;
use crate::cluster::{Cluster, Member};

fn propose_change(leader: &mut Member, kind: ConfChangeKind, id: NodeId) -> Vec<Message> {
    leader.node.propose_conf_change(&change(kind, id)).unwrap();
    leader.rest()
}

/// Lets node 1 propose a change, and the cluster come to rest.
fn change_in(cluster: &mut Cluster, kind: ConfChangeKind, id: NodeId) {
    let change = change(kind, id);
    cluster.at(1).node.propose_conf_change(&change).unwrap();
    cluster.settle();
}

fn voters(member: &Member) -> Vec<NodeId> {
    member.node.status().conf_state.voters
}

/// Whether each majority of the one has a member in common with each of the other.
fn majorities_overlap(a: &[NodeId], b: &[NodeId]) -> bool {
    let majorities = |voters: &[NodeId]| -> Vec<u32> {
        let all: u32 = voters.iter().map(|id| 1 << id).sum();
        let is_majority =
            |set: &u32| set & !all == 0 && set.count_ones() as usize > voters.len() / 2;
        (0..1u32 << 8).filter(is_majority).collect()
    };
    majorities(a)
        .iter()
        .all(|one| majorities(b).iter().all(|other| one & other != 0))
}

/// One server is added or removed at a time, so that majorities of the old and the new
/// configuration overlap, and there is no moment at which two could decide apart. What changes
/// more goes through a joint configuration (§4.3).
#[test]
fn t4_1_a_direct_change_keeps_majorities_overlapping() {
    let kinds = [
        ConfChangeKind::AddNode,
        ConfChangeKind::RemoveNode,
        ConfChangeKind::AddLearnerNode,
        ConfChangeKind::UpdateNode,
    ];
    for count in 1..=5 {
        let steps = || {
            let of = |kind| (1..=6).map(move |node_id| ConfChangeSingle { kind, node_id });
            kinds.into_iter().flat_map(of)
        };
        for first in steps() {
            for second in std::iter::once(None).chain(steps().map(Some)) {
                let mut member = node(1, count, 0, &[]);
                let old = voters(&member);
                let change = ConfChangeV2 {
                    changes: std::iter::once(first).chain(second).collect(),
                    ..ConfChangeV2::default()
                };
                match member.node.apply_conf_change(&change) {
                    Ok(new) if second.is_none() => {
                        assert_eq!(new.voters_outgoing, []);
                        assert!(majorities_overlap(&old, &new.voters), "{change:?}");
                    }
                    Ok(new) => assert_eq!(new.voters_outgoing, old, "{change:?}"),
                    // The only way in which a change of these can fail.
                    Err(error) => {
                        let none_left = Error::ConfChange(ConfChangeError::RemovedAllVoters);
                        assert_eq!(error, none_left, "{change:?}");
                        assert_eq!(voters(&member), old);
                    }
                }
            }
        }
    }
    assert!(!majorities_overlap(&[1, 2, 3], &[1, 2, 3, 4, 5]));
}

/// The thesis lets a configuration take effect when it is appended. Here, as in etcd-io/raft, it
/// does when it is applied, after it was committed by a majority of the configuration before: so
/// until then the old majority decides, and the new one afterwards.
#[test]
fn t4_1_a_configuration_takes_effect_when_it_is_applied() {
    // 3 is removed, and its own acknowledgement is the one that commits this.
    let mut leader = leader(3, &[]);
    propose_change(&mut leader, ConfChangeKind::RemoveNode, 3);
    assert_eq!(voters(&leader), [1, 2, 3]);
    leader.hear(3, 1, accept(2));
    assert_eq!(leader.commit(), 2);
    assert_eq!(voters(&leader), [1, 2]);

    // 4 and 5 are added: once they are, two of four are no majority.
    let mut leader = crate::cluster::nodes::leader(3, &[]);
    propose_change(&mut leader, ConfChangeKind::AddNode, 4);
    leader.hear(2, 1, accept(2));
    assert_eq!(voters(&leader), [1, 2, 3, 4]);
    propose(&mut leader, "a");
    leader.hear(2, 1, accept(3));
    assert_eq!(leader.commit(), 2);
    leader.hear(4, 1, accept(3));
    assert_eq!(leader.commit(), 3);
}

/// A change that was appended and then replaced by a later leader never takes effect.
#[test]
fn t4_1_a_change_that_is_replaced_has_no_effect() {
    let mut old = leader(3, &[]);
    propose_change(&mut old, ConfChangeKind::RemoveNode, 3);
    old.hear(2, 2, append(id(1, 1), &[2, 2], 3));
    assert_eq!(old.terms(), [1, 2, 2]);
    assert_eq!((old.commit(), voters(&old)), (3, vec![1, 2, 3]));
}

/// One change at a time: no other is taken before the last one is applied. It becomes an empty
/// entry, as etcd-io/raft does it.
#[test]
fn t4_1_no_change_is_taken_before_the_last_one_is_applied() {
    let mut leader = leader(3, &[]);
    propose_change(&mut leader, ConfChangeKind::AddNode, 4);
    propose_change(&mut leader, ConfChangeKind::AddNode, 5);
    let kinds: Vec<bool> = leader.log.iter().map(Entry::is_conf_change).collect();
    assert_eq!(kinds, [false, true, false]);
    assert!(leader.log[2].data.is_empty());
    leader.hear(2, 1, accept(3));
    assert_eq!(voters(&leader), [1, 2, 3, 4]);
    propose_change(&mut leader, ConfChangeKind::AddNode, 5);
    assert!(leader.log[3].is_conf_change());

    // Committed is not enough: it counts as long as the host has not applied it.
    let mut leader = crate::cluster::nodes::leader(3, &[]);
    propose_change(&mut leader, ConfChangeKind::AddNode, 4);
    let acknowledged = Message {
        to: 1,
        from: 2,
        term: 1,
        body: accept(2),
    };
    leader.node.step(acknowledged).unwrap();
    assert_eq!(leader.commit(), 2);
    let five = change(ConfChangeKind::AddNode, 5);
    leader.node.propose_conf_change(&five).unwrap();
    leader.rest();
    assert!(!leader.log[2].is_conf_change());
}

/// A new leader may find changes of earlier terms in its log, so that it takes none of its own
/// before all of those are applied.
#[test]
fn t4_1_a_new_leader_takes_no_change_before_its_log_is_applied() {
    let mut leader = new_leader(3, &[1, 1]);
    propose_change(&mut leader, ConfChangeKind::AddNode, 4);
    assert!(!leader.log[3].is_conf_change());
    leader.hear(2, 2, accept(4));
    propose_change(&mut leader, ConfChangeKind::AddNode, 4);
    assert!(leader.log[4].is_conf_change());
}

/// The flaw of the original algorithm, found in 2015: a leader must not change the configuration
/// before it has committed an entry of its term, since it may not know of a change that another
/// leader has under way, and their majorities may not overlap.
///
/// Here a change takes effect when it is applied, and it comes after the empty entry that begins
/// the term, so that no configuration is in effect before such an entry is committed. A change may
/// therefore be proposed early, and has no effect early.
#[test]
fn t4_1_no_change_takes_effect_before_an_entry_of_the_term_is_committed() {
    let mut leader = node(1, 4, 1, &[1]);
    // All of its log is applied.
    leader.hear(2, 1, heartbeat(1));
    win(&mut leader);
    propose_change(&mut leader, ConfChangeKind::RemoveNode, 4);
    assert_eq!(leader.terms(), [1, 2, 2]);
    assert!(leader.log[2].is_conf_change());
    // Of four, three are needed, be the third to be removed; and the empty entry comes first.
    leader.hear(2, 2, accept(3));
    assert_eq!((leader.commit(), voters(&leader)), (1, vec![1, 2, 3, 4]));
    leader.hear(3, 2, accept(2));
    assert_eq!((leader.commit(), voters(&leader)), (2, vec![1, 2, 3, 4]));
    leader.hear(3, 2, accept(3));
    assert_eq!((leader.commit(), voters(&leader)), (3, vec![1, 2, 3]));
}

/// The course of events that showed the flaw: S1 adds S5 and reaches nobody. S2 leads next and
/// removes S1, on two of the three that are left. S1 leads again, by itself, S4 and S5. By the old
/// rules both S2's change and S1's were committed. Here neither majority is enough.
#[test]
fn t4_1_the_flaw_of_2015_two_changes_across_leaders_are_not_both_committed() {
    let mut first = leader(4, &[]);
    propose_change(&mut first, ConfChangeKind::AddNode, 5);

    let mut second = node(2, 4, 1, &[1]);
    second.hear(1, 1, heartbeat(1));
    win(&mut second);
    propose_change(&mut second, ConfChangeKind::RemoveNode, 1);
    // S3 takes it over. In the configuration without S1, two of three would do.
    second.hear(3, 2, accept(3));
    assert_eq!((second.commit(), voters(&second)), (1, vec![1, 2, 3, 4]));

    // S1 asks S4, and S5, whom it has not come to count yet.
    first.hear(4, 2, heartbeat_resp());
    first.node.campaign().unwrap();
    first.rest();
    assert_eq!((first.role(), first.term()), (Role::Candidate, 3));
    first.hear(4, 3, vote(true));
    let from_new = Message {
        to: 1,
        from: 5,
        term: 3,
        body: vote(true),
    };
    assert_eq!(first.node.step(from_new), Err(Error::UnknownPeer(5)));
    assert_eq!(first.role(), Role::Candidate);
    assert_eq!(voters(&first), [1, 2, 3, 4]);
}

/// Servers take requests from whomever they come: a new server knows no configuration, and one
/// that lags knows an old one, and yet they must take the leader's entries and vote.
#[test]
fn t4_1_requests_are_taken_from_servers_outside_the_configuration() {
    let members = ConfState::of_voters([2, 3, 4]);
    let mut server = node_in(plain(2), members.clone(), 1, &[]);
    let answers = server.hear(9, 2, append(id(0, 0), &[1, 2], 1));
    assert_eq!(to(&answers, 9), [accept(2)]);
    assert_eq!((server.leader(), server.commit()), (9, 1));
    assert!(grants(&mut server, 8, 3, request_vote(id(2, 2))));

    // A server that is in no configuration at all, too; but it never begins an election.
    let mut new = node_in(plain(9), ConfState::default(), 0, &[]);
    let answers = new.hear(1, 2, append(id(0, 0), &[1, 2], 1));
    assert_eq!(to(&answers, 1), [accept(2)]);
    assert!(grants(&mut new, 2, 3, request_vote(id(2, 2))));
    assert_eq!(new.tick(100), []);
    assert_eq!((new.role(), new.term()), (Role::Follower, 3));
}

fn with_learner(id: NodeId) -> ConfState {
    ConfState {
        learners: vec![id],
        ..ConfState::of_voters([1, 2])
    }
}

/// A server that is still catching up is a learner: it gets the log like any other and counts
/// neither for a commit nor for an election.
#[test]
fn t4_2_1_a_learner_gets_the_log_and_does_not_count() {
    let mut leader = leader_in(plain(1), with_learner(3), &[]);
    let sent = propose(&mut leader, "a");
    assert_eq!(recipients(&sent, is_append), [2, 3]);
    assert_eq!(recipients(&leader.tick(1), is_heartbeat), [2, 3]);
    leader.hear(3, 1, accept(2));
    assert_eq!(leader.commit(), 1);
    leader.hear(2, 1, accept(2));
    assert_eq!(leader.commit(), 2);

    let mut candidate = node_in(plain(1), with_learner(3), 0, &[]);
    candidate.node.campaign().unwrap();
    assert_eq!(recipients(&candidate.rest(), is_request_vote), [2]);
    candidate.hear(3, 1, vote(true));
    assert_eq!(candidate.role(), Role::Candidate);
}

/// A learner never begins an election. Asked for its vote, it gives it: whoever asks may know that
/// it has been promoted before it does.
#[test]
fn t4_2_1_a_learner_does_not_campaign_and_answers_who_asks_for_its_vote() {
    let mut learner = node_in(plain(3), with_learner(3), 1, &[1]);
    assert_eq!(learner.tick(100), []);
    learner.node.campaign().unwrap();
    assert_eq!(learner.rest(), []);
    assert_eq!((learner.role(), learner.term()), (Role::Follower, 1));
    assert!(grants(&mut learner, 2, 2, request_vote(id(1, 1))));
    assert!(!grants(&mut learner, 1, 2, request_vote(id(1, 1))));
}

/// A new server begins with nothing. The leader finds that out and sends it all; the host sees how
/// far it is, to decide when to promote it. Then it counts.
#[test]
fn t4_2_1_a_new_server_catches_up_before_it_gets_a_vote() {
    let mut cluster = Cluster::bootstrapped_with(3, |config| *config = plain(config.id));
    cluster.elect(1);
    for _ in 0..20 {
        cluster.propose(1, "a");
    }
    cluster.members.push(Member::new(plain(4), &[]));
    cluster.cut = vec![4];
    change_in(&mut cluster, ConfChangeKind::AddLearnerNode, 4);
    let known = cluster.at(1).progress(4);
    assert!(known.learner && known.match_index == 0);
    cluster.propose(1, "nobody waits for the new server");
    assert_eq!(cluster.get(2).commit(), cluster.get(1).commit());

    cluster.cut.clear();
    cluster.tick_all(3);
    assert_eq!(
        cluster.at(1).progress(4).match_index,
        cluster.get(1).last_index()
    );
    assert_eq!(cluster.get(4).log, cluster.get(1).log);
    assert_eq!(cluster.get(4).node.status().conf_state.learners, [4]);

    change_in(&mut cluster, ConfChangeKind::AddNode, 4);
    cluster.tick_all(1);
    let promoted = ConfState::of_voters(1..=4);
    assert_eq!(cluster.get(4).node.status().conf_state, promoted);
    // Two of four are no majority; with the new one, they are three.
    cluster.cut = vec![2, 3];
    let commit = cluster.get(1).commit();
    cluster.propose(1, "b");
    assert_eq!(cluster.get(1).commit(), commit);
    cluster.cut = vec![3];
    cluster.tick_all(3);
    assert!(cluster.get(1).commit() > commit);
}

/// A voter that is made a learner has no vote from then on.
#[test]
fn t4_2_1_a_voter_can_be_made_a_learner() {
    let mut leader = leader(3, &[]);
    propose_change(&mut leader, ConfChangeKind::AddLearnerNode, 3);
    leader.hear(2, 1, accept(2));
    let state = leader.node.status().conf_state;
    assert_eq!((state.voters, state.learners), (vec![1, 2], vec![3]));
    propose(&mut leader, "a");
    leader.hear(3, 1, accept(3));
    assert_eq!(leader.commit(), 2);
    leader.hear(2, 1, accept(3));
    assert_eq!(leader.commit(), 3);
}

/// A leader that removes itself manages the group until that is committed. From then on it doesn't
/// count itself, and takes no more proposals.
///
/// The thesis has it not count itself as soon as the change is appended; here that follows the
/// configuration, which takes effect when it is applied.
#[test]
fn t4_2_2_a_removed_leader_does_not_count_itself() {
    let mut leader = leader(3, &[]);
    propose_change(&mut leader, ConfChangeKind::RemoveNode, 1);
    propose(&mut leader, "a");
    let sent = leader.hear(2, 1, accept(2));
    assert_eq!(voters(&leader), [2, 3]);
    assert_eq!(leader.role(), Role::Leader, "others may not know yet");
    assert_eq!(recipients(&sent, is_append), [2, 3], "they are told");
    let refused = leader.node.propose(Bytes::from_static(b"b"));
    assert_eq!(refused, Err(Error::ProposalDropped(DropReason::Removed)));

    leader.hear(2, 1, accept(3));
    assert_eq!(leader.commit(), 2, "one of the two that are left");
    leader.hear(3, 1, accept(3));
    assert_eq!(leader.commit(), 3);
}

/// It steps down when its removal is committed, if the host wants it so; it does as well when it is
/// made a learner.
#[test]
fn t4_2_2_a_removed_leader_steps_down_when_that_is_committed() {
    for kind in [ConfChangeKind::RemoveNode, ConfChangeKind::AddLearnerNode] {
        let config = Config {
            step_down_on_removal: true,
            ..plain(1)
        };
        let mut leader = leader_with(config, 3, &[]);
        propose_change(&mut leader, kind, 1);
        assert_eq!(leader.role(), Role::Leader);
        leader.hear(2, 1, accept(2));
        assert_eq!((leader.role(), leader.term()), (Role::Follower, 1));
        assert_eq!(leader.tick(100), [], "it says no more, and never campaigns");
        assert_eq!(leader.term(), 1);
    }
}

/// The others of a group of two or three can go on when the leader has removed itself.
#[test]
fn t4_2_2_the_others_go_on_without_a_removed_leader() {
    for count in 2..=3 {
        let mut cluster = Cluster::bootstrapped_with(count, |config| {
            *config = plain(config.id);
            config.step_down_on_removal = true;
        });
        cluster.elect(1);
        change_in(&mut cluster, ConfChangeKind::RemoveNode, 1);
        assert_eq!(cluster.leaders(), []);
        cluster.tick_all(60);
        let leaders = cluster.leaders();
        assert_eq!(leaders.len(), 1, "of {count}");
        assert_ne!(leaders[0], 1);
        cluster.propose(leaders[0], "a");
        let last = cluster.get(leaders[0]);
        assert_eq!(last.commands().last(), Some(&&b"a"[..]));
        assert_eq!(voters(last), (2..=count).collect::<Vec<_>>());
    }
}

fn lease_only(id: NodeId) -> Config {
    Config {
        check_quorum: true,
        ..plain(id)
    }
}

/// A server that hears from a leader ignores requests for votes: it neither votes nor moves on to
/// the candidate's term. After an election timeout without word, it does both.
#[test]
fn t4_2_3_who_hears_from_a_leader_ignores_requests_for_votes() {
    for request in [request_vote(id(9, 9)), request_pre_vote(id(9, 9))] {
        let mut server = node_with(lease_only(1), 3, 1, &[1]);
        server.node.set_randomized_election_timeout(15).unwrap();
        server.hear(2, 1, heartbeat(1));
        server.tick(9);
        assert_eq!(server.hear(3, 9, request.clone()), []);
        assert_eq!(
            (server.term(), server.vote(), server.leader()),
            (1, NONE, 2)
        );
        server.tick(1);
        assert!(grants(&mut server, 3, 9, request.clone()), "{request:?}");

        // The leader itself hears from a leader, too.
        let mut leader = leader_with(lease_only(1), 3, &[1]);
        assert_eq!(leader.hear(3, 9, request), []);
        assert_eq!((leader.role(), leader.term()), (Role::Leader, 2));
    }
    // Who knows no leader has nothing to protect.
    let mut server = node_with(lease_only(1), 3, 1, &[1]);
    assert!(grants(&mut server, 3, 9, request_vote(id(9, 9))));
}

/// So a server that was removed and doesn't know it can't disturb the group. Without that rule,
/// it does.
#[test]
fn t4_2_3_a_removed_server_does_not_disrupt_the_group() {
    for (check_quorum, disturbed) in [(true, false), (false, true)] {
        let mut cluster = Cluster::bootstrapped_with(4, |config| {
            *config = plain(config.id);
            config.check_quorum = check_quorum;
        });
        cluster.elect(1);
        cluster.tick_all(3);
        cluster.cut = vec![4];
        change_in(&mut cluster, ConfChangeKind::RemoveNode, 4);
        assert_eq!(voters(cluster.get(4)), [1, 2, 3, 4]);
        let term = cluster.get(1).term();
        cluster.cut.clear();
        cluster.tick_all(100);
        assert!(cluster.get(4).term() > term, "it campaigns");
        assert_eq!(cluster.get(2).term() > term, disturbed);
        if !disturbed {
            assert_eq!(cluster.leaders(), [1]);
        }
    }
}
