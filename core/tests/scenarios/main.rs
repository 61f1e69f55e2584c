//! Faults that other Raft libraries have shipped: lost data, stale reads, stuck groups and crashed
//! nodes. Each has a test by name that shows that this core does not have it, here, among the rules
//! of the paper (`tests/paper`) or beside the code. The list is compared with the tests that there
//! are.
//!
//! Reads and leases
//!
//! 1. A read that is asked for again under the same name is confirmed by answers to the first try:
//!    `t6_4_a_read_that_is_repeated_is_not_confirmed_by_answers_to_the_first`.
//! 2. A read is served before the leader has committed an entry of its term:
//!    `t6_4_a_read_waits_until_an_entry_of_the_term_is_committed`,
//!    `a_single_voter_serves_no_read_before_it_commits_in_its_term`,
//!    `a_postponed_read_is_released_by_a_change_that_lets_the_term_commit`.
//! 3. A learner waits for ever for a read from a leader that is the only voter:
//!    `t6_4_the_only_voter_serves_reads_at_once`.
//! 4. A delayed request to campaign elects a leader inside another's lease:
//!    `t3_10_a_request_to_campaign_of_an_older_term_is_too_late`,
//!    `a_request_to_campaign_that_comes_late_makes_no_read_stale`. Within one term such a request is
//!    still followed, as in etcd-io/raft: so reads by a lease are no safer than a transfer that was
//!    given up, and only confirmed reads are safe in all cases.
//! 5. Reads by a lease without the check of the quorum: `t6_4_1_a_lease_needs_the_check_of_the_quorum`.
//! 6. Reads pile up while there is no quorum, or are dropped without a sign:
//!    `pending_reads_are_bounded`, `t6_4_a_read_that_finds_no_leader_is_refused`.
//!
//! What is persisted, and the contract of the Ready
//!
//! 7. The only voter acknowledges an entry before it is persisted:
//!    `t3_8_a_leader_counts_its_own_entries_when_they_are_persisted`.
//! 8. A message leaves before what it promises is persisted:
//!    `t3_8_a_vote_is_persisted_before_it_is_given`,
//!    `t3_8_entries_are_persisted_before_they_are_acknowledged`.
//! 9. A restart with more applied than the persisted commit index says fails:
//!    `restarting_with_applied_above_the_stored_commit_index_is_no_contradiction`,
//!    `t3_8_the_commit_index_may_be_lost`.
//! 10. The word that an old write is done is taken for a newer one of the same entry, after the tail
//!     was replaced twice: `a_write_that_was_replaced_twice_does_not_count_for_the_last`,
//!     `a_write_counts_only_if_the_log_still_holds_what_was_written`.
//! 11. What happens between a Ready and its advance is lost:
//!     `nothing_that_comes_between_a_ready_and_its_advance_is_lost`.
//! 12. A restart brings entries back that had been replaced, and the node votes with them:
//!     `replaced_entries_stay_away_after_a_restart`.
//! 13. A look-up of a term answers from beyond the end of the log:
//!     `runs_of_terms_say_what_a_list_of_terms_says`.
//! 14. What a Ready holds changes while the host reads it:
//!     `what_a_ready_holds_stays_while_the_node_goes_on`.
//! 15. The limit for applying entries that are not persisted outlives the leadership:
//!     `bug_15_a_leader_that_steps_down_no_longer_applies_what_it_has_not_persisted`.
//! 16. The term is persisted without the vote, or the vote without the term:
//!     `t3_8_term_and_vote_are_synced_and_the_commit_index_need_not_be`.
//!
//! Elections
//!
//! 17. One part of the group has the later term, another the longer log, and nobody wins the
//!     pre-vote: `t9_6_neither_a_later_term_nor_a_longer_log_stands_in_the_way_of_an_election`.
//! 18. A pre-vote replaces a vote, or counts as one: `t9_6_assenting_changes_nothing`,
//!     `t9_6_a_majority_of_pre_votes_begins_the_election`.
//! 19. Assenting to a pre-vote counts as word from a leader, or the leader's own pre-vote is refused
//!     for ever: `t9_6_assenting_changes_nothing`, `a_leader_that_lost_its_lead_is_not_shut_out`.
//! 20. Pre-votes stop a transfer: `t3_10_the_target_campaigns_at_once`,
//!     `t3_10_leadership_passes_to_the_target`.
//! 21. A vote that is asked for is taken for one that was given: `s5_2_granting_a_vote_puts_off_an_election`,
//!     `s5_4_1_a_vote_goes_only_to_a_log_as_up_to_date_as_ones_own`.
//! 22. A log that is compacted to its end compares as empty:
//!     `s5_4_1_a_compacted_log_compares_by_its_last_entry`,
//!     `an_empty_log_after_a_snapshot_compares_by_the_snapshot`.
//! 23. Two leaders of one term go unnoticed: `s5_2_a_leader_exposes_a_second_one_of_its_term`.
//! 24. After a restart a vote is given twice: `t3_8_a_vote_outlives_a_restart`.
//! 25. A transfer that never ends stops all proposals: `t3_10_a_transfer_is_given_up_after_an_election_timeout`.
//!
//! Membership
//!
//! 26. A node campaigns although a committed change is not applied:
//!     `nobody_campaigns_with_a_committed_change_that_is_not_applied`,
//!     `t3_10_a_target_that_must_not_lead_does_not_campaign`.
//! 27. A joint configuration is never left after a change of leaders, or twice, or the proposal to
//!     leave it is repeated or lost: `t4_3_a_new_leader_completes_the_change_of_its_predecessor`,
//!     `a_joint_configuration_that_is_being_left_is_left_once`,
//!     `a_joint_configuration_is_left_after_a_transfer_stood_in_the_way`.
//! 28. A learner refuses its vote to a candidate that knows it to be promoted:
//!     `t4_2_1_a_learner_does_not_campaign_and_answers_who_asks_for_its_vote`.
//! 29. A voter that a snapshot makes a learner keeps its role:
//!     `a_candidate_that_a_snapshot_makes_a_learner_gives_up`.
//! 30. A snapshot brings a configuration that is not its own:
//!     `t5_1_a_snapshot_replaces_a_log_that_ends_before_it_or_conflicts`,
//!     `a_change_that_was_handed_out_before_a_snapshot_does_not_alter_its_configuration`.
//! 31. The target of a transfer loses its vote on the way: `a_target_that_loses_its_vote_is_none_any_more`.
//! 32. The leader of two is removed, and nobody can commit that:
//!     `t4_2_2_the_others_go_on_without_a_removed_leader`.
//! 33. Two changes overlap across a change of leaders:
//!     `t4_1_the_flaw_of_2015_two_changes_across_leaders_are_not_both_committed`,
//!     `t4_1_no_change_takes_effect_before_an_entry_of_the_term_is_committed`,
//!     `t4_1_a_new_leader_takes_no_change_before_its_log_is_applied`.
//! 34. A change that the leader refuses gives its proposer no sign:
//!     `a_second_change_at_the_same_time_becomes_an_empty_entry`,
//!     `a_refused_change_becomes_an_entry_that_spells_out_its_type`.
//! 35. Only one of the two majorities is asked: `t4_3_an_entry_needs_both_majorities`,
//!     `t4_3_an_election_needs_both_majorities`,
//!     `t4_3_keeping_the_lead_and_reading_need_both_majorities`.
//! 36. A removed leader goes on sending heartbeats: `t4_2_2_a_removed_leader_steps_down_when_that_is_committed`.
//!
//! Replication
//!
//! 37. A late refusal takes back what is known of a follower:
//!     `s5_3_what_a_follower_is_known_to_hold_never_decreases`, `a_stale_refusal_moves_nothing`.
//! 38. An append below a follower's snapshot is refused for ever:
//!     `t5_1_the_consistency_check_works_at_the_edge_of_a_compacted_log`.
//! 39. A follower stays in the state of waiting for a snapshot, because another one was enough, or
//!     because a report was missed: `any_snapshot_that_lets_replication_go_on_is_accepted`,
//!     `t5_1_replication_goes_on_after_the_snapshot`.
//! 40. An entry of an earlier term is committed by counting:
//!     `s5_4_2_a_leader_commits_an_entry_of_an_earlier_term_only_with_one_of_its_own`,
//!     `s5_4_2_figure_8_c_an_old_entry_on_a_majority_is_not_committed`.
//! 41. An acknowledgement counts whatever its term:
//!     `s5_1_votes_and_acknowledgements_of_an_older_term_do_not_count`.
//! 42. Looking for changes that are not applied loads the log:
//!     `unapplied_configuration_changes_are_known_without_a_look_at_the_log`.
//! 43. An append that is late and shorter takes acknowledged entries away:
//!     `s5_3_a_late_and_shorter_append_takes_nothing_away`.
//! 44. A heartbeat commits what the follower may hold in another form:
//!     `s5_3_followers_learn_what_is_committed_and_apply_it`, `impossible_messages_change_nothing`.
//! 45. Memory of a burst is never given back: `memory_of_a_burst_is_given_back`.
//! 46. A follower hears late of a commit after one lost message:
//!     `a_lost_commit_index_is_sent_again_at_once`.
//! 47. Proposals pile up without bound while there is no quorum:
//!     `proposals_are_bounded_while_there_is_no_quorum`.
//! 48. Every follower answers the word that what it has is committed, though nobody waits for that: two of the eight
//!     messages that a proposal takes in a group of three. `word_that_all_is_committed_is_not_answered`;
//!     and what else such an answer could have told is told nevertheless:
//!     `an_acknowledgement_that_got_lost_is_made_up_for_by_a_heartbeat`,
//!     `a_full_window_of_a_lost_acknowledgement_is_open_after_one_heartbeat`.

use std::collections::BTreeSet;

use bytes::Bytes;
use libraft_core::*;

use crate::cluster::nodes::*;
use crate::cluster::{Cluster, Member};

#[path = "../cluster/mod.rs"]
mod cluster;

fn step(member: &mut Member, from: NodeId, term: Term, body: Body) {
    let to = member.node.id();
    let message = Message {
        to,
        from,
        term,
        body,
    };
    member.node.step(message).unwrap();
}

fn entry_of(index: Index, change: &ConfChangeV2) -> Entry {
    Entry {
        term: 1,
        index,
        kind: EntryKind::ConfChangeV2,
        data: codec::encode_conf_change_v2(change).into(),
        ..Entry::default()
    }
}

fn tells_to_campaign(messages: &[Message]) -> Vec<NodeId> {
    recipients(messages, |body| *body == Body::TimeoutNow)
}

/// The host may apply a change at a time of its own: here, while a new leader waits for the first
/// entry of its term to be committed. The change makes the leader the only voter, so that its own
/// log is enough; the read that waited for that must not wait for ever.
#[test]
fn a_postponed_read_is_released_by_a_change_that_lets_the_term_commit() {
    let mut leader = new_leader(2, &[1]);
    leader.node.read_index(Bytes::from_static(b"r")).unwrap();
    leader.rest();
    assert_eq!((leader.commit(), leader.reads.len()), (0, 0));
    let remove = change(ConfChangeKind::RemoveNode, 2);
    leader.node.apply_conf_change(&remove.into()).unwrap();
    leader.rest();
    assert_eq!(leader.commit(), 2);
    let expected = ReadState {
        index: 2,
        context: Bytes::from_static(b"r"),
    };
    assert_eq!(leader.reads, [expected]);

    // With one more to ask, the read is released, and waits for the confirmation that others wait
    // for.
    let mut leader = new_leader(3, &[1]);
    leader.node.read_index(Bytes::from_static(b"r")).unwrap();
    leader.hear(2, 2, accept(1));
    leader.rest();
    let demote = ConfChangeV2 {
        transition: ConfChangeTransition::Auto,
        changes: vec![ConfChangeSingle {
            kind: ConfChangeKind::RemoveNode,
            node_id: 3,
        }],
        ..ConfChangeV2::default()
    };
    leader.node.apply_conf_change(&demote).unwrap();
    leader.rest();
    assert_eq!(
        (leader.commit(), leader.reads.len()),
        (0, 0),
        "1 and 2 are needed"
    );
    let sent = leader.hear(2, 2, accept(2));
    let asked = to(&sent, 2).into_iter().find_map(|body| match body {
        Body::Heartbeat { context, .. } => Some(context),
        _ => None,
    });
    let context = asked.expect("the read is to be confirmed");
    leader.hear(2, 2, Body::HeartbeatResp { context });
    assert_eq!(leader.reads.len(), 1);
}

/// A transfer is given up, and only then its target is reached. It campaigns, and wins: the old
/// leader must serve no read that could miss what the new one commits.
#[test]
fn a_request_to_campaign_that_comes_late_makes_no_read_stale() {
    let mut cluster = Cluster::with(3, |config| *config = guarded(config.id));
    cluster.elect(1);
    cluster.at(1).node.transfer_leader(2).unwrap();
    let late = cluster.at(1).rest();
    assert_eq!(tells_to_campaign(&late), [2]);
    cluster.tick_all(10);
    assert_eq!(cluster.get(1).node.basic_status().lead_transferee, NONE);

    cluster.cut = vec![1];
    for message in late {
        cluster.at(2).node.step(message).unwrap();
    }
    cluster.settle();
    assert_eq!(cluster.get(2).role(), Role::Leader);
    cluster.propose(2, "new");
    cluster
        .at(1)
        .node
        .read_index(Bytes::from_static(b"r"))
        .unwrap();
    cluster.tick_all(5);
    assert_eq!(cluster.get(1).role(), Role::Leader, "it doesn't know");
    assert_eq!(cluster.get(1).reads, []);
}

/// The log's first entry is written, replaced and written once more by three leaders, before the
/// first write is done. Of the three answers only the last says that the entry is there to stay.
#[test]
fn a_write_that_was_replaced_twice_does_not_count_for_the_last() {
    let config = Config {
        async_storage_writes: true,
        ..plain(1)
    };
    let mut follower = node_with(config, 3, 0, &[]);
    let mut answers = Vec::new();
    for (leader, term, entry) in [(2, 1, 1), (3, 2, 2), (2, 3, 1)] {
        step(&mut follower, leader, term, append(id(0, 0), &[entry], 0));
        for message in follower.node.ready().unwrap().messages {
            if let Body::StorageAppend(work) = message.body {
                answers.push(work.responses);
            }
        }
    }
    let persisted = |follower: &Member| follower.node.basic_status().persisted;
    let mut seen = Vec::new();
    for responses in answers {
        for response in responses.into_iter().filter(|response| response.to == 1) {
            follower.node.step(response).unwrap();
        }
        seen.push(persisted(&follower));
    }
    assert_eq!(seen, [0, 0, 1]);
}

/// While the host works on a Ready, everything may go on: what it leads to is in the next one.
#[test]
fn what_a_ready_holds_stays_while_the_node_goes_on() {
    let mut follower = node(1, 3, 1, &[1]);
    step(&mut follower, 2, 1, append(id(1, 1), &[1, 1], 1));
    let ready = follower.node.ready().unwrap();
    assert_eq!(ready.entries.len(), 2);
    let encoded = |ready: &Ready| {
        let mut bytes = codec::Buffer::default();
        codec::encode_ready(ready, &mut bytes);
        Vec::from(bytes)
    };
    let before = encoded(&ready);
    // Another leader replaces all that is in it, before the host is done and after.
    step(&mut follower, 3, 2, append(id(1, 1), &[2], 2));
    assert_eq!(encoded(&ready), before);
    follower.node.advance().unwrap();
    let next = follower.node.ready().unwrap();
    assert_eq!((next.entries[0].id(), next.entries.len()), (id(2, 2), 1));
    assert_eq!(encoded(&ready), before);
}

#[test]
fn nothing_that_comes_between_a_ready_and_its_advance_is_lost() {
    let mut leader = leader(3, &[]);
    leader.node.propose(Bytes::from_static(b"a")).unwrap();
    let first = leader.node.ready().unwrap();
    assert_eq!(recipients(&first.messages, is_append), [2, 3]);

    leader.node.propose(Bytes::from_static(b"b")).unwrap();
    leader.node.read_index(Bytes::from_static(b"r")).unwrap();
    step(&mut leader, 2, 1, accept(2));
    leader.node.tick().unwrap();
    leader.node.advance().unwrap();
    // The commit that the acknowledgement and the own write make together comes with the advance.
    let second = leader.node.ready().unwrap();
    assert_eq!(second.entries.len(), 1);
    assert_eq!(second.hard_state.unwrap().commit, 2);
    assert_eq!(second.committed_entries, first.entries);
    let with_b = |body: &Body| matches!(body, Body::Append { entries, .. } if entries.len() == 1);
    assert_eq!(recipients(&second.messages, with_b), [2, 3]);
    // For the read, and for the tick.
    assert_eq!(recipients(&second.messages, is_heartbeat), [2, 3, 2, 3]);
}

/// Entries that a leader has replaced are gone for good: after a restart the node votes, and
/// compares, with what has taken their place.
#[test]
fn replaced_entries_stay_away_after_a_restart() {
    let mut follower = node(1, 3, 1, &[1, 1, 1, 1]);
    follower.hear(2, 2, append(id(1, 1), &[2], 1));
    follower.restart();
    assert_eq!(follower.node.basic_status().last_index, 2);
    let answers = follower.hear(2, 2, append(id(1, 3), &[2], 1));
    assert!(matches!(to(&answers, 2)[..], [Body::Reject { .. }]));
    assert!(!grants(&mut follower, 3, 3, request_vote(id(1, 4))));
    assert!(grants(&mut follower, 3, 4, request_vote(id(2, 2))));
}

/// The leader itself asks for pre-votes, as it has restarted or was cut off. Those who followed it
/// assent: at once if they don't check the quorum, and otherwise when its lease is over.
#[test]
fn a_leader_that_lost_its_lead_is_not_shut_out() {
    let unchecked = Config {
        check_quorum: false,
        ..guarded(1)
    };
    for (config, at_once) in [(unchecked, true), (guarded(1), false)] {
        let mut follower = node_with(config, 3, 4, &[1]);
        follower.node.set_randomized_election_timeout(19).unwrap();
        follower.hear(2, 4, heartbeat(1));
        let request = request_pre_vote(id(1, 1));
        assert_eq!(grants(&mut follower, 2, 5, request.clone()), at_once);
        follower.tick(10);
        assert!(grants(&mut follower, 2, 5, request));
    }
}

/// A committed change that is not applied may have given the vote to others, or taken it from this
/// node: it doesn't campaign before it is, in whatever way the change is written, and whatever
/// asks for the election.
#[test]
fn nobody_campaigns_with_a_committed_change_that_is_not_applied() {
    let add = change(ConfChangeKind::AddNode, 4);
    let of_kind_1 = Entry {
        term: 1,
        index: 2,
        kind: EntryKind::ConfChange,
        data: codec::encode_conf_change(&add).into(),
        ..Entry::default()
    };
    let of_kind_2 = entry_of(2, &add.into());
    let ways: [fn(&mut Member); 3] = [
        |member| member.node.campaign().unwrap(),
        |member| (0..100).for_each(|_| member.node.tick().unwrap()),
        |member| step(member, 2, 1, Body::TimeoutNow),
    ];
    for entry in [of_kind_1, of_kind_2] {
        for (config, way) in ways
            .iter()
            .flat_map(|way| [(plain(1), way), (guarded(1), way)])
        {
            let mut member = node_with(config, 3, 1, &[1]);
            let body = Body::Append {
                prev: id(1, 1),
                entries: vec![entry.clone()].into(),
                commit: 2,
            };
            step(&mut member, 2, 1, body);
            way(&mut member);
            assert_eq!((member.role(), member.term()), (Role::Follower, 1));
            // The host comes to apply it.
            member.rest();
            way(&mut member);
            assert_ne!(member.role(), Role::Follower);
        }
    }
}

fn joint() -> ConfState {
    ConfState {
        voters_outgoing: vec![1, 4, 5],
        auto_leave: true,
        ..ConfState::of_voters([1, 2, 3])
    }
}

/// Adds node 4 through a joint configuration that the leader leaves.
fn enter_joint() -> ConfChangeV2 {
    ConfChangeV2 {
        transition: ConfChangeTransition::JointImplicit,
        changes: vec![ConfChangeSingle {
            kind: ConfChangeKind::AddNode,
            node_id: 4,
        }],
        ..ConfChangeV2::default()
    }
}

/// The leader before had proposed to leave already. That does it: the new one doesn't do so again.
#[test]
fn a_joint_configuration_that_is_being_left_is_left_once() {
    let mut member = node_in(plain(1), joint(), 1, &[1]);
    let body = Body::Append {
        prev: id(1, 1),
        entries: vec![entry_of(2, &ConfChangeV2::default())].into(),
        commit: 1,
    };
    member.hear(2, 1, body);
    win(&mut member);
    assert_eq!((member.last_index(), member.commit()), (3, 1));
    for id in [2, 4] {
        member.hear(id, 2, accept(3));
    }
    assert_eq!(member.conf_state, ConfState::of_voters([1, 2, 3]));
    propose(&mut member, "a");
    member.hear(2, 2, accept(4));
    assert_eq!((member.commit(), member.last_index()), (4, 4));

    // Nor does the same leader, when entries are applied that come before its proposal.
    let mut leader = leader(3, &[]);
    leader.node.propose_conf_change_v2(&enter_joint()).unwrap();
    propose(&mut leader, "a");
    propose(&mut leader, "b");
    leader.hear(2, 1, accept(2));
    assert!(leader.conf_state.auto_leave);
    assert_eq!(leader.last_index(), 5);
    for applied in [3, 4] {
        leader.hear(2, 1, accept(applied));
        leader.hear(3, 1, accept(applied));
        assert_eq!((leader.applied_index, leader.last_index()), (applied, 5));
    }
}

/// While a transfer is under way the leader can't propose to leave. It does so when that is over.
#[test]
fn a_joint_configuration_is_left_after_a_transfer_stood_in_the_way() {
    let mut leader = leader(3, &[]);
    leader.node.propose_conf_change_v2(&enter_joint()).unwrap();
    leader.rest();
    leader.node.transfer_leader(2).unwrap();
    leader.hear(3, 1, accept(2));
    assert!(leader.conf_state.auto_leave);
    assert_eq!(leader.last_index(), 2, "nothing can be proposed");
    leader.tick(10);
    propose(&mut leader, "a");
    for index in [3, 4] {
        assert_eq!(leader.last_index(), index);
        leader.hear(3, 1, accept(index));
        leader.hear(4, 1, accept(index));
    }
    assert_eq!(leader.conf_state, ConfState::of_voters(1..=4));
}

/// A candidate learns by a snapshot that it has become a learner: it is a follower then, and never
/// campaigns again.
#[test]
fn a_candidate_that_a_snapshot_makes_a_learner_gives_up() {
    for config in [plain(3), guarded(3)] {
        let mut member = node_with(config, 3, 1, &[1]);
        member.node.campaign().unwrap();
        member.rest();
        assert_ne!(member.role(), Role::Follower);
        let demoted = Snapshot {
            id: id(2, 5),
            conf_state: ConfState {
                learners: vec![3],
                ..ConfState::of_voters([1, 2])
            },
            data: Bytes::new(),
        };
        member.hear(1, 2, install(&demoted));
        assert_eq!((member.role(), member.leader()), (Role::Follower, 1));
        assert_eq!(member.tick(100), []);
        member.hear(1, 2, Body::TimeoutNow);
        assert_eq!((member.role(), member.term()), (Role::Follower, 2));
    }
}

/// The target of a transfer lags. Before it has caught up, a change takes effect that makes it a
/// learner, or removes it: the transfer ends, and the leader takes proposals again.
#[test]
fn a_target_that_loses_its_vote_is_none_any_more() {
    for kind in [ConfChangeKind::AddLearnerNode, ConfChangeKind::RemoveNode] {
        let mut leader = leader(3, &[]);
        leader.node.propose_conf_change(&change(kind, 2)).unwrap();
        leader.rest();
        leader.node.transfer_leader(2).unwrap();
        assert_eq!(tells_to_campaign(&leader.rest()), []);
        assert_eq!(leader.node.basic_status().lead_transferee, 2);
        leader.hear(3, 1, accept(2));
        assert_eq!(leader.node.basic_status().lead_transferee, NONE);
        propose(&mut leader, "a");
        if kind == ConfChangeKind::AddLearnerNode {
            let sent = leader.hear(2, 1, accept(3));
            assert_eq!(tells_to_campaign(&sent), []);
        }
    }
}

/// The leader waits for a follower to take a snapshot of index 4. The follower reports index 2,
/// by an older one that was on its way too: the log goes on from there, and nothing more is needed.
#[test]
fn any_snapshot_that_lets_replication_go_on_is_accepted() {
    for (reached, enough) in [(1, false), (2, true), (3, true), (4, true)] {
        let mut leader = leader(3, &[]);
        for command in ["a", "b", "c"] {
            propose(&mut leader, command);
        }
        leader.hear(2, 1, accept(4));
        leader.compact(2);
        leader.snapshot = Some(snapshot(id(1, 4), 1..=3));
        let lags = Body::Reject {
            index: 4,
            hint: id(1, 1),
        };
        leader.hear(3, 1, lags);
        assert_eq!(leader.progress(3).pending_snapshot, 4);
        let sent = leader.hear(3, 1, accept(reached));
        let state = leader.progress(3).state;
        let expected = match enough {
            true => FlowState::Replicate,
            false => FlowState::Snapshot,
        };
        assert_eq!(state, expected, "{reached}");
        let next = to(&sent, 3).into_iter().find_map(|body| match body {
            Body::Append { prev, .. } => Some(prev),
            _ => None,
        });
        let missing = (2..4).contains(&reached);
        assert_eq!(next, missing.then_some(id(1, reached)), "{reached}");
    }
}

/// The append that told a follower of a commit is lost, and a heartbeat may say no more than what
/// the follower is known to hold. So its next acknowledgement is answered with the commit index.
#[test]
fn a_lost_commit_index_is_sent_again_at_once() {
    let mut leader = leader(3, &[]);
    propose(&mut leader, "a");
    let lost = leader.hear(2, 1, accept(2));
    assert_eq!(to(&lost, 3), [append(id(1, 2), &[], 2)]);
    assert_eq!(to(&leader.tick(1), 3), [heartbeat(1)]);
    let sent = leader.hear(3, 1, accept(2));
    assert_eq!(to(&sent, 3), [append(id(1, 2), &[], 2)]);
    // It has arrived this time, and is not sent once more.
    assert_eq!(leader.hear(3, 1, accept(2)), []);
}

/// With coalesced appends, a follower is silent where all that an append brings is that the whole of its log is
/// committed. Whatever else an append says, it has an answer.
#[test]
fn word_that_all_is_committed_is_not_answered() {
    let terse = Config {
        coalesce_appends: true,
        ..plain(1)
    };
    // A follower of node 2 in term 2 with three entries, of which some are committed; it has answered an append.
    let follower_with = |config: &Config, commit| {
        let mut member = node_with(config.clone(), 3, 1, &[]);
        member.hear(2, 2, append(id(0, 0), &[1, 2, 2], commit));
        member
    };
    let follower = |config: &Config| follower_with(config, 2);
    let word = || append(id(2, 3), &[], 3);
    let mut member = follower(&terse);
    assert_eq!(member.hear(2, 2, word()), []);
    assert_eq!((member.commit(), member.leader()), (3, 2));
    assert_eq!(member.commands().len(), 3, "they are applied all the same");
    assert_eq!(
        to(&member.hear(2, 2, word()), 2),
        [accept(3)],
        "no news: it may be a probe"
    );

    let answers = |mut member: Member, body| to(&member.hear(2, 2, body), 2);
    let entry = append(id(2, 3), &[2], 3);
    assert_eq!(
        answers(follower(&terse), entry),
        [accept(4)],
        "it brings an entry"
    );
    let more = append(id(2, 3), &[], 4);
    assert_eq!(
        answers(follower(&terse), more),
        [accept(3)],
        "more is committed than it has"
    );
    let less = append(id(2, 2), &[], 2);
    assert_eq!(
        answers(follower_with(&terse, 1), less),
        [accept(2)],
        "it has more than is committed"
    );

    // What is no word of its own log is refused, and commits nothing.
    for beside in [append(id(2, 4), &[], 4), append(id(1, 3), &[], 3)] {
        let mut member = follower(&terse);
        let answer = to(&member.hear(2, 2, beside), 2);
        assert!(matches!(answer[..], [Body::Reject { .. }]), "{answer:?}");
        assert_eq!(member.commit(), 2);
    }
    // The next leader has written none of it, and so may be looking for the place where the logs agree.
    let sent = follower(&terse).hear(3, 3, word());
    assert_eq!(to(&sent, 3), [accept(3)]);
    // The first one after a heartbeat.
    let mut member = follower(&terse);
    member.hear(2, 2, heartbeat(2));
    assert_eq!(to(&member.hear(2, 2, word()), 2), [accept(3)]);
    // After a restart, with an older commit index.
    let mut member = follower(&terse);
    member.restart();
    assert_eq!(to(&member.hear(2, 2, word()), 2), [accept(3)]);
    // Message for message as etcd-io/raft.
    assert_eq!(answers(follower(&plain(1)), word()), [accept(3)]);
}

/// What an answer that is not given could have told besides is told with the next heartbeat: that an earlier
/// acknowledgement got lost, and that a probe has found the place where the logs agree.
#[test]
fn an_acknowledgement_that_got_lost_is_made_up_for_by_a_heartbeat() {
    let terse = |id| Config {
        coalesce_appends: true,
        ..plain(id)
    };
    for is_probing in [false, true] {
        let mut leader = leader_with(terse(1), 5, &[]);
        let mut follower = node_with(terse(3), 5, 1, &[1]);
        let news = propose(&mut leader, "a");
        let heard = |member: &mut Member, bodies: Vec<Body>, from| -> Vec<Body> {
            let answers = bodies
                .into_iter()
                .flat_map(|body| member.hear(from, 1, body));
            answers.map(|message| message.body).collect()
        };
        let acknowledgement = heard(&mut follower, to(&news, 3), 1);
        match is_probing {
            true => {
                heard(&mut leader, acknowledgement, 3);
                leader.node.report_unreachable(3).unwrap();
            }
            false => {
                assert_eq!(acknowledgement, [accept(2)], "it gets lost");
                leader.hear(4, 1, accept(2));
            }
        }
        let word = leader.hear(2, 1, accept(2));
        assert_eq!(to(&word, 3), [append(id(1, 2), &[], 2)]);
        assert_eq!(heard(&mut follower, to(&word, 3), 1), []);
        assert_eq!(follower.commit(), 2);

        let before = leader.progress(3);
        assert_eq!(before.match_index, 1 + u64::from(is_probing));
        let beat = leader.tick(1);
        let said = talk(beat, &mut leader, &mut follower);
        assert_eq!(
            to(&said, 3),
            [heartbeat(before.match_index), append(id(1, 2), &[], 2)]
        );
        assert_eq!(to(&said, 1), [heartbeat_resp(), accept(2)]);
        let after = leader.progress(3);
        assert_eq!((after.match_index, after.state), (2, FlowState::Replicate));
    }
}

/// With a full window, the append that follows a heartbeat brings the word and nothing else. Its answer is what makes room.
#[test]
fn a_full_window_of_a_lost_acknowledgement_is_open_after_one_heartbeat() {
    let terse = |id| Config {
        coalesce_appends: true,
        max_inflight_msgs: 1,
        ..plain(id)
    };
    let mut leader = leader_with(terse(1), 3, &[]);
    let mut follower = node_with(terse(3), 3, 1, &[1]);
    follower.hear(1, 1, append(id(1, 1), &[], 1));
    for body in to(&propose(&mut leader, "a"), 3) {
        assert_eq!(
            to(&follower.hear(1, 1, body), 1),
            [accept(2)],
            "it gets lost"
        );
    }
    // The other follower's counts, and then that one is gone.
    assert_eq!(to(&leader.hear(2, 1, accept(2)), 3), []);
    assert_eq!(to(&propose(&mut leader, "b"), 3), []);
    let beat = leader.tick(1);
    talk(beat, &mut leader, &mut follower);
    assert_eq!((leader.commit(), follower.commit()), (3, 3));
}

/// Without a quorum nothing is committed, and what is proposed nevertheless is bounded. One
/// proposal gets in, whatever its size, and when that is applied the next one does.
#[test]
fn proposals_are_bounded_while_there_is_no_quorum() {
    let config = Config {
        max_uncommitted_bytes: 10,
        ..plain(1)
    };
    let mut leader = leader_with(config, 3, &[]);
    propose(&mut leader, "123456");
    let too_much = leader.node.propose(Bytes::from_static(b"78901"));
    let limit = Err(Error::ProposalDropped(DropReason::UncommittedLimit));
    assert_eq!(too_much, limit);
    propose(&mut leader, "7890");
    for _ in 0..100 {
        assert_eq!(leader.node.propose(Bytes::from_static(b"x")), limit);
    }
    assert_eq!(leader.last_index(), 3);
    leader.hear(2, 1, accept(3));
    propose(&mut leader, "one that is larger than the limit");
    assert_eq!(leader.node.propose(Bytes::from_static(b"x")), limit);
}

#[test]
fn the_list_is_complete_and_names_tests_that_exist() {
    let list = include_str!("main.rs").lines();
    let list: Vec<&str> = list.map_while(|line| line.strip_prefix("//!")).collect();
    let number = |line: &&str| line.trim().split_once(". ")?.0.parse().ok();
    let numbers: Vec<u32> = list.iter().filter_map(number).collect();
    assert_eq!(numbers, (1..=48).collect::<Vec<_>>());

    let text = list.concat();
    let named: BTreeSet<&str> = text.split('`').skip(1).step_by(2).collect();
    let mut tests = cluster::listing::tests_in("tests");
    tests.extend(cluster::listing::tests_in("src"));
    let missing: Vec<_> = named
        .iter()
        .filter(|&&name| name != "tests/paper" && !tests.contains(name))
        .collect();
    assert!(missing.is_empty(), "there are no such tests: {missing:?}");
    let mut here = cluster::listing::tests_in("tests/scenarios");
    here.remove("the_list_is_complete_and_names_tests_that_exist");
    let unlisted: Vec<_> = here
        .iter()
        .filter(|name| !named.contains(name.as_str()))
        .collect();
    assert!(unlisted.is_empty(), "not in the list: {unlisted:?}");
}
