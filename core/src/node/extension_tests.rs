//! What this library can do beyond etcd-io/raft: each rule by name. All of it is off by default.

use bytes::Bytes;

use super::*;
use crate::cluster::{Cluster, Member};
use crate::error::Impossible;
use crate::status::{FlowState, ProgressStatus};

impl Cluster {
    fn role(&mut self, id: NodeId) -> Role {
        self.at(id).node.basic_status().soft_state.role
    }

    fn hand_over(&mut self, from: NodeId, to: NodeId) {
        self.at(from).node.transfer_leader(to).unwrap();
        self.settle();
        assert_eq!(self.role(to), Role::Leader);
    }

    fn commit(&mut self, id: NodeId) -> Index {
        self.at(id).node.basic_status().hard_state.commit
    }

    fn progress(&mut self, of: NodeId, at: NodeId) -> ProgressStatus {
        let status = self.at(at).node.status();
        *status.progress.iter().find(|peer| peer.id == of).unwrap()
    }
}

fn from(from: NodeId, to: NodeId, term: Term, body: Body) -> Message {
    Message {
        to,
        from,
        term,
        body,
    }
}

mod priority {
    use super::*;

    fn cluster(priorities: [i64; 3]) -> Cluster {
        let mut cluster = Cluster::of(3);
        for (member, priority) in cluster.members.iter_mut().zip(priorities) {
            member.node.set_priority(priority).unwrap();
        }
        cluster
    }

    /// What a node with the priority 5 and the last entry 2 of term 2 answers.
    fn is_granted(pre: bool, last: EntryId, priority: i64) -> bool {
        is_granted_among(&[1, 2, 3], pre, last, priority)
    }

    /// The same, by the configuration that it knows.
    fn is_granted_among(voters: &[NodeId], pre: bool, last: EntryId, priority: i64) -> bool {
        let mut config = Config::new(1);
        config.priority = 5;
        let state = RestartState {
            conf_state: ConfState::of_voters(voters.iter().copied()),
            hard_state: HardState {
                term: 2,
                ..HardState::default()
            },
            last_index: 2,
            term_runs: vec![crate::types::TermRun {
                first_index: 1,
                term: 2,
            }],
            ..RestartState::default()
        };
        let mut node = Node::new(config, state).unwrap();
        let body = Body::RequestVote {
            reports: false,
            pre,
            last,
            transfer: false,
            priority,
        };
        node.step(from(2, 1, 3, body)).unwrap();
        let answers = node.ready().unwrap().messages;
        match answers[0].body {
            Body::Vote { granted, .. } => granted,
            ref other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_candidate_of_lower_priority_with_an_equal_log_is_refused() {
        let last = EntryId { term: 2, index: 2 };
        for pre in [true, false] {
            assert!(!is_granted(pre, last, 4));
            assert!(!is_granted(pre, last, -5));
            assert!(is_granted(pre, last, 5));
            assert!(is_granted(pre, last, 6));
        }
    }

    /// It does not stand for election itself. Whoever asks may not have heard that it was removed, and
    /// need its vote to commit just that.
    #[test]
    fn the_priority_of_a_node_that_is_no_voter_refuses_nobody() {
        let last = EntryId { term: 2, index: 2 };
        for pre in [true, false] {
            assert!(is_granted_among(&[2, 3], pre, last, -5));
            assert!(!is_granted_among(&[1, 2], pre, last, -5));
        }
    }

    #[test]
    fn a_log_that_has_more_outweighs_any_priority() {
        assert!(is_granted(false, EntryId { term: 2, index: 3 }, -5));
        // Otherwise neither of the two could ever get the other's vote.
        assert!(is_granted(false, EntryId { term: 3, index: 2 }, -5));
    }

    #[test]
    fn a_priority_does_not_make_up_for_a_log_that_has_less() {
        assert!(!is_granted(false, EntryId { term: 2, index: 1 }, 9));
        assert!(!is_granted(false, EntryId { term: 1, index: 9 }, 9));
    }

    #[test]
    fn an_absent_priority_counts_as_zero() {
        let mut cluster = cluster([0, 1, -1]);
        cluster.at(1).node.campaign().unwrap();
        cluster.settle();
        assert_eq!(cluster.role(1), Role::Leader, "with the vote of node 3");
        assert_eq!(cluster.at(2).hard_state.vote, NONE);
    }

    #[test]
    fn a_node_of_the_lowest_priority_never_leads_while_all_logs_agree() {
        for seed in 0..20 {
            let mut cluster = Cluster::with(3, |config| {
                config.seed = seed;
                config.priority = if config.id == 3 { 1 } else { 2 };
            });
            cluster.at(3).node.campaign().unwrap();
            cluster.tick_all(100);
            let leaders = cluster.leaders();
            assert!(leaders == [1] || leaders == [2], "{leaders:?}");
        }
    }

    #[test]
    fn a_priority_can_be_changed_while_the_node_runs() {
        let mut cluster = cluster([0, 1, 1]);
        cluster.at(1).node.campaign().unwrap();
        cluster.settle();
        assert_ne!(cluster.role(1), Role::Leader);
        cluster.at(1).node.set_priority(2).unwrap();
        cluster.elect(1);
    }

    #[test]
    fn nothing_of_it_is_on_the_wire_unless_it_is_set() {
        for (priority, extra) in [(0, 0), (-1, 3), (1, 3), (i64::MIN, 12), (i64::MAX, 12)] {
            let body = |priority| Body::RequestVote {
                reports: false,
                pre: true,
                last: EntryId { term: 2, index: 2 },
                transfer: false,
                priority,
            };
            let message = from(1, 2, 3, body(priority));
            let bytes = codec::encode_message(&message);
            let plain = codec::encode_message(&from(1, 2, 3, body(0)));
            assert_eq!(bytes.len(), plain.len() + extra);
            assert!(bytes.starts_with(&plain));
            assert_eq!(codec::decode_message(bytes.into()).unwrap(), message);
        }
    }
}

mod timeouts {
    use super::*;

    fn waits(set: impl Fn(&mut Config)) -> Vec<u32> {
        (0..200)
            .map(|seed| {
                let mut config = Config::new(1);
                config.seed = seed;
                set(&mut config);
                let mut member = Member::new(config, &[1, 2]);
                let ticks = (1..1000).find(|_| {
                    member.node.tick().unwrap();
                    member.node.basic_status().soft_state.role != Role::Follower
                });
                ticks.unwrap()
            })
            .collect()
    }

    #[test]
    fn a_wait_is_drawn_from_the_whole_range_between_the_bounds() {
        let waits = waits(|config| {
            config.min_election_ticks = 30;
            config.max_election_ticks = 35;
        });
        assert_eq!(waits.iter().min(), Some(&30));
        assert_eq!(waits.iter().max(), Some(&34));
    }

    #[test]
    fn zeros_stand_for_one_and_two_election_timeouts() {
        let defaults = waits(|_| {});
        let spelled_out = waits(|config| {
            config.min_election_ticks = 10;
            config.max_election_ticks = 20;
        });
        assert_eq!(defaults, spelled_out);
        assert_eq!(defaults.iter().min(), Some(&10));
        assert_eq!(defaults.iter().max(), Some(&19));
    }

    #[test]
    fn bounds_that_contradict_each_other_are_refused_by_name() {
        let refusal = |min, max| {
            let mut config = Config::new(1);
            (config.min_election_ticks, config.max_election_ticks) = (min, max);
            config.validate().map_err(|error| error.to_string())
        };
        assert_eq!(refusal(10, 11), Ok(()));
        assert_eq!(refusal(19, 0), Ok(()));
        assert_eq!(refusal(0, 11), Ok(()));
        assert!(refusal(9, 0).unwrap_err().contains("min_election_ticks"));
        for (min, max) in [(10, 10), (20, 0), (0, 10), (0, 9), (30, 20)] {
            assert!(
                refusal(min, max)
                    .unwrap_err()
                    .contains("max_election_ticks")
            );
        }
    }
}

mod group_commit {
    use super::*;

    /// Members 1 and 2 in one data centre, 3 in another.
    const TWO_CENTRES: [(NodeId, u64); 3] = [(1, 1), (2, 1), (3, 2)];

    fn cluster(groups: &[(NodeId, u64)]) -> Cluster {
        let mut cluster = Cluster::of(3);
        for member in &mut cluster.members {
            member.set_groups(groups);
        }
        cluster.elect(1);
        cluster
    }

    #[test]
    fn a_majority_within_one_group_does_not_commit() {
        let mut cluster = cluster(&TWO_CENTRES);
        let before = cluster.commit(1);
        cluster.cut = vec![3];
        cluster.propose(1, "a");
        assert_eq!(cluster.commit(1), before);
        cluster.cut.clear();
        cluster.tick_all(3);
        assert_eq!(cluster.commit(1), before + 1);
        assert_eq!(cluster.at(1).commands(), [b"a"]);
    }

    #[test]
    fn two_groups_without_a_majority_do_not_commit() {
        let mut cluster = cluster(&[(1, 1), (2, 2), (3, 2)]);
        let before = cluster.commit(1);
        cluster.cut = vec![2, 3];
        cluster.propose(1, "a");
        assert_eq!(cluster.commit(1), before);
        cluster.cut = vec![2];
        cluster.tick_all(3);
        assert_eq!(cluster.commit(1), before + 1);
    }

    #[test]
    fn within_a_single_group_a_majority_is_enough() {
        let mut cluster = cluster(&[(1, 7), (2, 7), (3, 7)]);
        cluster.cut = vec![3];
        cluster.propose(1, "a");
        assert_eq!(cluster.at(1).commands(), [b"a"]);
        assert_eq!(cluster.at(1).node.is_group_commit_consistent(), Some(false));
    }

    #[test]
    fn while_a_voter_has_no_group_and_no_two_are_known_all_voters_are_needed() {
        let mut cluster = cluster(&[(1, 1), (2, 1)]);
        let before = cluster.commit(1);
        cluster.cut = vec![3];
        cluster.propose(1, "a");
        assert_eq!(cluster.commit(1), before);
        cluster.cut.clear();
        cluster.tick_all(3);
        assert_eq!(cluster.commit(1), before + 1);
    }

    #[test]
    fn assigning_a_group_commits_what_was_waiting_for_it() {
        let mut cluster = cluster(&[(1, 1)]);
        cluster.cut = vec![3];
        cluster.propose(1, "a");
        assert!(cluster.at(1).commands().is_empty());
        cluster.at(1).node.assign_commit_groups(&[(2, 2)]).unwrap();
        cluster.settle();
        assert_eq!(cluster.at(1).commands(), [b"a"]);
    }

    #[test]
    fn switching_it_off_commits_what_a_majority_has() {
        let mut cluster = cluster(&TWO_CENTRES);
        cluster.cut = vec![3];
        cluster.propose(1, "a");
        assert!(cluster.at(1).commands().is_empty());
        cluster.at(1).node.enable_group_commit(false).unwrap();
        cluster.settle();
        assert_eq!(cluster.at(1).commands(), [b"a"]);
    }

    #[test]
    fn cleared_groups_no_longer_count() {
        let mut cluster = cluster(&TWO_CENTRES);
        let before = cluster.commit(1);
        cluster.at(1).node.clear_commit_groups().unwrap();
        cluster.cut = vec![2];
        cluster.propose(1, "a");
        assert_eq!(cluster.commit(1), before, "all voters are needed now");
    }

    #[test]
    fn assignments_outlast_changes_of_the_role() {
        let mut cluster = cluster(&TWO_CENTRES);
        cluster.hand_over(1, 2);
        cluster.hand_over(2, 1);
        let before = cluster.commit(1);
        cluster.cut = vec![3];
        cluster.propose(1, "a");
        assert_eq!(cluster.commit(1), before);
    }

    #[test]
    fn each_half_of_a_joint_configuration_needs_two_groups() {
        let mut cluster = Cluster::bootstrapped(3);
        cluster.elect(1);
        for id in 4..=5 {
            cluster.add(id);
        }
        // From 1, 2 and 3 to 1, 4 and 5.
        let add = |node_id| ConfChangeSingle {
            kind: ConfChangeKind::AddNode,
            node_id,
        };
        let remove = |node_id| ConfChangeSingle {
            kind: ConfChangeKind::RemoveNode,
            node_id,
        };
        let change = ConfChangeV2 {
            transition: ConfChangeTransition::JointExplicit,
            changes: vec![add(4), add(5), remove(2), remove(3)],
            ..ConfChangeV2::default()
        };
        cluster.at(1).node.propose_conf_change_v2(&change).unwrap();
        cluster.settle();
        cluster.tick_all(3);
        let groups = [(1, 1), (2, 1), (3, 2), (4, 1), (5, 2)];
        cluster.at(1).set_groups(&groups);
        let before = cluster.commit(1);
        cluster.cut = vec![5];
        cluster.propose(1, "a");
        assert_eq!(cluster.commit(1), before, "1 and 4 are of one group");
        cluster.cut.clear();
        cluster.tick_all(3);
        assert_eq!(cluster.commit(1), before + 1);
        cluster.cut = vec![3];
        cluster.propose(1, "b");
        assert_eq!(cluster.commit(1), before + 1, "1 and 2 are of one group");
        cluster.cut.clear();
        cluster.tick_all(3);
        assert_eq!(cluster.commit(1), before + 2);
    }

    #[test]
    fn a_leader_that_has_applied_in_its_term_can_say_whether_groups_are_consistent() {
        let mut cluster = Cluster::of(3);
        cluster.at(1).set_groups(&TWO_CENTRES);
        assert_eq!(cluster.at(1).node.is_group_commit_consistent(), None);
        cluster.elect(1);
        assert_eq!(cluster.at(1).node.is_group_commit_consistent(), Some(true));
        assert_eq!(cluster.at(2).node.is_group_commit_consistent(), None);
        cluster.at(1).node.enable_group_commit(false).unwrap();
        cluster.cut = vec![3];
        cluster.propose(1, "a");
        assert_eq!(
            cluster.at(1).node.is_group_commit_consistent(),
            Some(false),
            "the second group lags"
        );
    }

    #[test]
    fn a_group_or_a_member_0_is_refused_and_nothing_is_assigned() {
        let mut cluster = cluster(&TWO_CENTRES);
        for wrong in [(3, 0), (0, 1)] {
            let groups = [(3, 1), wrong];
            let refused = cluster.at(1).node.assign_commit_groups(&groups);
            assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
        }
        let before = cluster.commit(1);
        cluster.cut = vec![2];
        cluster.propose(1, "a");
        assert_eq!(
            cluster.commit(1),
            before + 1,
            "3 is still of the second group"
        );
    }
}

mod requested_snapshot {
    use super::*;

    fn cluster() -> Cluster {
        let mut cluster = Cluster::of(3);
        cluster.elect(1);
        cluster.propose(1, "a");
        cluster.tick_all(1);
        cluster
    }

    fn refusal(cluster: &mut Cluster, id: NodeId) -> &'static str {
        match cluster.at(id).node.request_snapshot() {
            Err(Error::SnapshotRequestDropped(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_follower_gets_a_snapshot_although_it_has_the_entries() {
        for coalesce in [true, false] {
            let mut cluster = Cluster::with(3, |config| config.coalesce_appends = coalesce);
            cluster.elect(1);
            cluster.propose(1, "a");
            cluster.tick_all(1);
            let last = cluster.at(2).last_index();
            assert!(cluster.at(2).snapshot.is_none());
            cluster.at(2).node.request_snapshot().unwrap();
            cluster.settle();
            let snapshot = cluster.at(2).snapshot.clone().unwrap();
            assert_eq!(snapshot.id.index, last);
            assert_eq!(cluster.progress(2, 1).state, FlowState::Replicate);
            cluster.propose(1, "b");
            cluster.tick_all(1);
            assert_eq!(cluster.at(2).applied_index, last + 1);
        }
    }

    #[test]
    fn reasons_are_given_when_none_will_come() {
        let mut cluster = Cluster::of(3);
        assert_eq!(refusal(&mut cluster, 2), "no leader");
        cluster.elect(1);
        assert_eq!(refusal(&mut cluster, 1), "this node leads");
        cluster.cut = vec![2];
        cluster.at(2).node.request_snapshot().unwrap();
        assert_eq!(refusal(&mut cluster, 2), "a request is pending already");
        cluster.at(2).node.campaign().unwrap();
        assert_eq!(refusal(&mut cluster, 2), "no leader");
    }

    #[test]
    fn a_new_leader_must_have_sent_an_entry_first() {
        let mut cluster = cluster();
        let term = cluster.at(2).hard_state.term;
        let body = Body::Heartbeat {
            commit: 0,
            context: Bytes::new(),
        };
        cluster.at(2).node.step(from(3, 2, term + 1, body)).unwrap();
        assert_eq!(
            refusal(&mut cluster, 2),
            "nothing of the present term is in the log yet"
        );
    }

    #[test]
    fn none_is_asked_for_while_one_is_being_installed() {
        let mut cluster = cluster();
        cluster.at(2).node.request_snapshot().unwrap();
        let snapshot = Snapshot {
            id: EntryId { term: 1, index: 9 },
            conf_state: ConfState::of_voters([1, 2, 3]),
            data: Bytes::new(),
        };
        let snapshot = Box::new(snapshot);
        let body = Body::InstallSnapshot { snapshot };
        cluster.at(2).node.step(from(1, 2, 1, body)).unwrap();
        assert_eq!(refusal(&mut cluster, 2), "a snapshot is being installed");
    }

    #[test]
    fn the_host_is_told_the_lowest_index_that_will_do() {
        let mut cluster = cluster();
        let last = cluster.at(2).last_index();
        cluster.at(2).node.request_snapshot().unwrap();
        for message in cluster.at(2).process() {
            cluster.at(1).node.step(message).unwrap();
        }
        let ready = cluster.at(1).node.ready().unwrap();
        let [request] = ready.snapshot_requests[..] else {
            panic!("{ready:?}");
        };
        assert_eq!((request.to, request.min_index), (2, last));
        assert!(ready.messages.is_empty(), "no entries follow");
        cluster.at(1).node.advance().unwrap();

        let snapshot = |index| Snapshot {
            id: EntryId { term: 1, index },
            conf_state: ConfState::of_voters([1, 2, 3]),
            data: Bytes::new(),
        };
        let node = &mut cluster.at(1).node;
        let refused = node.provide_snapshot(request.id, snapshot(last - 1));
        assert!(matches!(refused, Err(Error::WrongAnswer(_))), "{refused:?}");
        assert_eq!(cluster.progress(2, 1).state, FlowState::Probe);
    }

    #[test]
    fn a_host_without_one_is_asked_with_each_heartbeat_and_no_more() {
        let mut cluster = cluster();
        cluster.at(2).node.request_snapshot().unwrap();
        let mut asked = 0;
        for _ in 0..5 {
            for _ in 0..20 {
                for id in 1..=2 {
                    if !cluster.at(id).node.has_ready() {
                        continue;
                    }
                    let ready = cluster.at(id).node.ready().unwrap();
                    cluster.at(id).node.advance().unwrap();
                    for request in ready.snapshot_requests {
                        asked += 1;
                        cluster.at(1).node.snapshot_failed(request.id).unwrap();
                    }
                    for message in ready.messages.into_iter().filter(|m| m.to < 3) {
                        cluster.at(message.to).node.step(message).unwrap();
                    }
                }
            }
            cluster.at(1).node.tick().unwrap();
        }
        assert!((4..=10).contains(&asked), "asked {asked} times in 5 ticks");
        cluster.tick_all(2);
        assert!(
            cluster.at(2).snapshot.is_some(),
            "it comes when there is one"
        );
    }

    #[test]
    fn repetitions_while_the_snapshot_is_on_its_way_change_nothing() {
        let mut cluster = cluster();
        let last = cluster.at(2).last_index();
        let body = Body::RequestSnapshot { min_index: last };
        let request = from(2, 1, 1, body);
        cluster.at(1).node.step(request.clone()).unwrap();
        cluster.at(1).process();
        let sent = cluster.at(1).process();
        assert!(
            matches!(sent[0].body, Body::InstallSnapshot { .. }),
            "{sent:?}"
        );
        assert_eq!(cluster.progress(2, 1).state, FlowState::Snapshot);
        cluster.at(1).node.step(request).unwrap();
        assert!(!cluster.at(1).node.has_ready());
        assert_eq!(cluster.progress(2, 1).state, FlowState::Snapshot);
    }

    #[test]
    fn a_request_says_how_much_is_in_the_log_when_the_acknowledgement_got_lost() {
        for asynchronous in [false, true] {
            let mut cluster = Cluster::with(2, |config| config.async_storage_writes = asynchronous);
            let settle = |cluster: &mut Cluster| {
                for _ in 0..10 {
                    for id in 1..=2 {
                        let mut sent = cluster.at(id).rest();
                        while !cluster.at(id).to_append.is_empty() {
                            sent.extend(cluster.at(id).work_append());
                        }
                        cluster.at(id).work_apply();
                        sent.retain(|message| !(cluster.lose)(message));
                        for message in sent {
                            cluster.at(message.to).node.step(message).unwrap();
                        }
                    }
                }
            };
            cluster.at(1).node.campaign().unwrap();
            settle(&mut cluster);
            assert_eq!(cluster.leaders(), [1]);
            let is_answer = |message: &Message| matches!(message.body, Body::Accept { .. });
            cluster.lose = Box::new(is_answer);
            cluster.at(1).node.propose(Bytes::from("a")).unwrap();
            settle(&mut cluster);
            assert_eq!(cluster.commit(1), 1, "nobody else is known to have it");
            cluster.lose = Box::new(|_| false);

            cluster.at(2).node.request_snapshot().unwrap();
            for _ in 0..5 {
                settle(&mut cluster);
                cluster.at(1).node.tick().unwrap();
            }
            settle(&mut cluster);
            assert_eq!(cluster.commit(1), 2);
            assert_eq!(cluster.at(2).snapshot.clone().unwrap().id.index, 2);
        }
    }

    #[test]
    fn a_snapshot_that_got_lost_is_asked_for_again() {
        let mut cluster = cluster();
        let last = cluster.at(2).last_index();
        let body = Body::RequestSnapshot { min_index: last };
        cluster.at(2).node.request_snapshot().unwrap();
        cluster.at(1).node.step(from(2, 1, 1, body)).unwrap();
        cluster.at(1).process();
        drop(cluster.at(1).process());
        cluster
            .at(1)
            .node
            .report_snapshot(2, SnapshotStatus::Failure)
            .unwrap();
        cluster.tick_all(2);
        assert!(cluster.at(2).snapshot.is_some());
        assert_eq!(cluster.progress(2, 1).state, FlowState::Replicate);
    }

    #[test]
    fn an_old_request_of_a_follower_that_has_gone_on_is_ignored() {
        let mut cluster = cluster();
        let last = cluster.at(2).last_index();
        cluster.propose(1, "b");
        let body = Body::RequestSnapshot { min_index: last };
        cluster.at(1).node.step(from(2, 1, 1, body)).unwrap();
        assert!(!cluster.at(1).node.has_ready());
        assert_eq!(cluster.progress(2, 1).state, FlowState::Replicate);
    }

    #[test]
    fn entries_wait_until_the_snapshot_is_there_but_not_for_ever() {
        let mut cluster = cluster();
        let (last, commit) = (cluster.at(2).last_index(), cluster.commit(2));
        let append = |node: &mut Node| {
            let entry = Entry {
                term: 1,
                index: last + 1,
                ..Entry::default()
            };
            let body = Body::Append {
                prev: EntryId {
                    term: 1,
                    index: last,
                },
                entries: vec![entry].into(),
                commit,
            };
            node.step(from(1, 2, 1, body)).unwrap();
            node.basic_status().last_index
        };
        let node = &mut cluster.at(2).node;
        node.request_snapshot().unwrap();
        assert_eq!(
            append(node),
            last,
            "a snapshot at that index would cut it off"
        );
        // A leader that goes on for an election timeout knows nothing of such requests.
        for _ in 0..10 {
            let body = Body::Heartbeat {
                commit,
                context: Bytes::new(),
            };
            node.step(from(1, 2, 1, body)).unwrap();
            node.tick().unwrap();
        }
        assert_eq!(append(node), last + 1);
        node.request_snapshot().unwrap();
    }

    #[test]
    fn another_leader_has_to_be_asked_anew() {
        let mut cluster = cluster();
        cluster.cut = vec![2];
        cluster.at(2).node.request_snapshot().unwrap();
        cluster.settle();
        cluster.tick_all(1);
        cluster.cut.clear();
        cluster.at(3).node.forget_leader().unwrap();
        let term = cluster.at(3).hard_state.term;
        let body = Body::Heartbeat {
            commit: 0,
            context: Bytes::new(),
        };
        cluster.at(2).node.step(from(3, 2, term + 1, body)).unwrap();
        let sent = cluster.at(2).process();
        let asks = |message: &&Message| matches!(message.body, Body::RequestSnapshot { .. });
        assert!(sent.iter().find(asks).is_none(), "{sent:?}");
    }

    #[test]
    fn a_snapshot_never_cuts_off_what_has_been_acknowledged() {
        let mut cluster = cluster();
        let last = cluster.at(2).last_index();
        cluster.at(2).node.request_snapshot().unwrap();
        let id = EntryId {
            term: 1,
            index: last - 1,
        };
        let snapshot = Box::new(Snapshot {
            id,
            conf_state: ConfState::of_voters([1, 2, 3]),
            data: Bytes::new(),
        });
        let body = Body::InstallSnapshot { snapshot };
        cluster.at(2).node.step(from(1, 2, 1, body)).unwrap();
        assert_eq!(cluster.at(2).node.basic_status().last_index, last);
        assert_eq!(
            refusal(&mut cluster, 2),
            "a request is pending already",
            "older than what was asked for"
        );
    }

    #[test]
    fn a_request_beyond_the_log_is_one_that_no_follower_makes() {
        let mut cluster = cluster();
        let index = cluster.at(1).last_index() + 1;
        let body = Body::RequestSnapshot { min_index: index };
        let refused = cluster.at(1).node.step(from(2, 1, 1, body));
        let last = index - 1;
        assert_eq!(
            refused,
            Err(Error::Impossible(Impossible::AckBeyondLog { index, last }))
        );
    }

    #[test]
    fn on_the_wire_it_is_a_rejection_that_is_stale_to_everybody() {
        let message = from(2, 1, 3, Body::RequestSnapshot { min_index: 7 });
        let bytes = codec::encode_message(&message);
        let wire = <crate::proto::raftpb::Message as prost::Message>::decode(&bytes[..]).unwrap();
        assert!(wire.reject());
        assert_eq!(
            (wire.index(), wire.reject_hint(), wire.log_term()),
            (0, 0, 0)
        );
        assert_eq!(codec::decode_message(bytes.into()).unwrap(), message);
        // What a leader that doesn't know the field makes of it.
        let mut cluster = cluster();
        let before = cluster.progress(2, 1);
        let body = Body::Reject {
            index: 0,
            hint: EntryId::default(),
        };
        cluster.at(1).node.step(from(2, 1, 1, body)).unwrap();
        assert_eq!(cluster.progress(2, 1), before);
        assert!(!cluster.at(1).node.has_ready());
    }
}

mod inflight_limits {
    use super::*;

    fn in_flight(cluster: &mut Cluster) -> usize {
        cluster.progress(2, 1).inflight_messages
    }

    /// A leader that hears no answer of node 2, and sends for each proposal.
    fn cluster() -> Cluster {
        let mut cluster = Cluster::with(3, |config| {
            config.coalesce_appends = false;
            config.max_inflight_msgs = 4;
        });
        cluster.elect(1);
        cluster.cut = vec![2];
        cluster
    }

    fn propose(cluster: &mut Cluster, times: usize) {
        for _ in 0..times {
            cluster.propose(1, "0123456789");
        }
    }

    #[test]
    fn a_wider_window_takes_what_has_waited() {
        let mut cluster = cluster();
        propose(&mut cluster, 10);
        assert_eq!(in_flight(&mut cluster), 4);
        cluster.at(1).node.set_inflight_limits(2, 6, 0).unwrap();
        let sent = cluster.at(1).process();
        assert!(sent.iter().all(|message| message.to == 2));
        assert_eq!(cluster.progress(2, 1).next_index, 12, "all that there is");
        assert_eq!(in_flight(&mut cluster), 5, "the rest fits into one append");
    }

    #[test]
    fn a_narrower_window_is_full_until_it_has_drained() {
        let mut cluster = cluster();
        propose(&mut cluster, 4);
        cluster.at(1).node.set_inflight_limits(2, 2, 0).unwrap();
        assert_eq!(in_flight(&mut cluster), 4, "what is on its way is not lost");
        assert!(cluster.progress(2, 1).inflight_full);
        propose(&mut cluster, 4);
        assert_eq!(in_flight(&mut cluster), 4);
        let first = cluster.progress(2, 1).match_index + 1;
        for index in first..first + 3 {
            let body = Body::Accept { index };
            cluster.at(1).node.step(from(2, 1, 1, body)).unwrap();
        }
        assert_eq!(in_flight(&mut cluster), 2, "one left, and one sent anew");
    }

    #[test]
    fn bytes_are_limited_too() {
        let mut cluster = cluster();
        cluster.at(1).node.set_inflight_limits(2, 100, 25).unwrap();
        propose(&mut cluster, 10);
        assert_eq!(
            in_flight(&mut cluster),
            3,
            "the third one reaches the limit"
        );
        cluster.at(1).node.set_inflight_limits(2, 100, 0).unwrap();
        assert!(!cluster.progress(2, 1).inflight_full);
    }

    #[test]
    fn the_others_keep_the_limits_of_the_settings() {
        let mut cluster = cluster();
        cluster.cut = vec![2, 3];
        cluster.at(1).node.set_inflight_limits(2, 1, 0).unwrap();
        propose(&mut cluster, 10);
        assert_eq!(in_flight(&mut cluster), 1);
        assert_eq!(cluster.progress(3, 1).inflight_messages, 4);
    }

    #[test]
    fn a_window_of_none_holds_all_entries_back() {
        let mut cluster = cluster();
        cluster.cut.clear();
        cluster.at(1).node.set_inflight_limits(2, 0, 0).unwrap();
        let matched = cluster.progress(2, 1).match_index;
        propose(&mut cluster, 3);
        cluster.tick_all(3);
        assert_eq!(cluster.progress(2, 1).match_index, matched);
        assert_eq!(cluster.at(1).commands().len(), 3, "with node 3");
        cluster.at(1).node.set_inflight_limits(2, 4, 0).unwrap();
        cluster.settle();
        assert_eq!(cluster.progress(2, 1).match_index, matched + 3);
    }

    #[test]
    fn they_outlast_changes_of_the_role() {
        let mut cluster = cluster();
        cluster.cut.clear();
        cluster.at(1).node.set_inflight_limits(2, 1, 0).unwrap();
        cluster.hand_over(1, 3);
        cluster.hand_over(3, 1);
        cluster.cut = vec![2];
        propose(&mut cluster, 3);
        assert_eq!(in_flight(&mut cluster), 1);
    }

    #[test]
    fn member_0_is_refused() {
        let mut cluster = cluster();
        let refused = cluster.at(1).node.set_inflight_limits(0, 1, 0);
        assert!(matches!(refused, Err(Error::Misuse(_))));
    }
}

mod apply_unpersisted {
    use super::*;

    /// A leader of three whose own disk is slow: the others persist at once.
    fn leader(limit: u64) -> Node {
        leader_with(limit, Config::new(1))
    }

    fn leader_with(limit: u64, mut config: Config) -> Node {
        config.async_storage_writes = true;
        config.max_apply_unpersisted_entries = limit;
        let state = RestartState {
            conf_state: ConfState::of_voters([1, 2, 3]),
            ..RestartState::default()
        };
        let mut node = Node::new(config, state).unwrap();
        node.campaign().unwrap();
        let mut writes = settle(&mut node);
        for pre in [true, false] {
            let body = Body::Vote { pre, granted: true };
            for message in std::mem::take(&mut writes) {
                write(&mut node, message);
            }
            node.step(from(2, 1, 1, body)).unwrap();
            writes.extend(settle(&mut node));
        }
        // Its own first entry is persisted.
        for message in writes {
            write(&mut node, message);
        }
        settle(&mut node);
        accept(&mut node, 1);
        assert_eq!(applicable(&mut node), [1]);
        node
    }

    /// Takes all Readys and returns the work of the append worker.
    fn settle(node: &mut Node) -> Vec<Message> {
        let mut writes = Vec::new();
        while node.has_ready() {
            let messages = node.ready().unwrap().messages;
            writes.extend(messages.into_iter().filter(|m| m.to == LOCAL_APPEND));
        }
        writes
    }

    fn write(node: &mut Node, message: Message) {
        let Body::StorageAppend(work) = message.body else {
            panic!("{message:?}");
        };
        let id = node.id();
        for response in work.responses.into_iter().filter(|m| m.to == id) {
            node.step(response).unwrap();
        }
    }

    fn accept(node: &mut Node, index: Index) {
        let term = node.basic_status().hard_state.term;
        for id in 2..=3 {
            node.step(from(id, 1, term, Body::Accept { index }))
                .unwrap();
        }
    }

    /// The indexes that are handed out to be applied next, which count as applied then.
    fn applicable(node: &mut Node) -> Vec<Index> {
        let mut indexes = Vec::new();
        while node.has_ready() {
            let ready = node.ready().unwrap();
            indexes.extend(ready.committed_entries.iter().map(|entry| entry.index));
            for message in ready.messages {
                if let Body::StorageApply { responses, .. } = message.body {
                    for response in responses {
                        node.step(response).unwrap();
                    }
                }
            }
        }
        indexes
    }

    fn propose(node: &mut Node, entries: usize) {
        for _ in 0..entries {
            node.propose(Bytes::from_static(b"x")).unwrap();
        }
    }

    #[test]
    fn by_default_a_leader_applies_nothing_that_it_has_not_persisted() {
        let mut node = leader(0);
        propose(&mut node, 3);
        let writes = settle(&mut node);
        accept(&mut node, 4);
        assert_eq!(node.basic_status().hard_state.commit, 4);
        assert!(applicable(&mut node).is_empty());
        for message in writes {
            write(&mut node, message);
        }
        assert_eq!(applicable(&mut node), [2, 3, 4]);
    }

    #[test]
    fn with_a_limit_it_applies_so_many_that_others_have_persisted() {
        let mut node = leader(2);
        propose(&mut node, 5);
        let writes = settle(&mut node);
        assert!(applicable(&mut node).is_empty(), "nothing is committed");
        accept(&mut node, 6);
        assert_eq!(applicable(&mut node), [2, 3]);
        assert_eq!(node.basic_status().applied, 3);
        assert_eq!(node.basic_status().persisted, 1);
        for message in writes {
            write(&mut node, message);
        }
        assert_eq!(applicable(&mut node), [4, 5, 6]);
    }

    #[test]
    fn bug_15_a_leader_that_steps_down_no_longer_applies_what_it_has_not_persisted() {
        let mut node = leader(2);
        propose(&mut node, 5);
        let writes = settle(&mut node);
        accept(&mut node, 6);
        assert_eq!(applicable(&mut node), [2, 3]);
        let body = Body::Heartbeat {
            commit: 6,
            context: Bytes::new(),
        };
        node.step(from(2, 1, 2, body)).unwrap();
        assert_eq!(node.basic_status().soft_state.role, Role::Follower);
        let rewritten = settle(&mut node);
        assert!(applicable(&mut node).is_empty());
        // Only writes of the new term count, and then everything goes on.
        for message in writes.into_iter().chain(rewritten) {
            write(&mut node, message);
        }
        assert_eq!(applicable(&mut node), [4, 5, 6]);
    }

    #[test]
    fn a_limit_set_on_a_follower_waits_until_it_leads() {
        let mut node = leader(0);
        propose(&mut node, 2);
        settle(&mut node);
        let body = Body::Heartbeat {
            commit: 1,
            context: Bytes::new(),
        };
        node.step(from(2, 1, 2, body)).unwrap();
        node.set_max_apply_unpersisted_entries(9).unwrap();
        let body = Body::Heartbeat {
            commit: 3,
            context: Bytes::new(),
        };
        node.step(from(2, 1, 2, body)).unwrap();
        assert!(applicable(&mut node).is_empty());
    }

    #[test]
    fn the_limit_can_be_set_while_the_node_leads() {
        let mut node = leader(0);
        propose(&mut node, 3);
        settle(&mut node);
        accept(&mut node, 4);
        assert!(applicable(&mut node).is_empty());
        node.set_max_apply_unpersisted_entries(1).unwrap();
        assert_eq!(applicable(&mut node), [2]);
        node.set_max_apply_unpersisted_entries(0).unwrap();
        assert!(applicable(&mut node).is_empty());
    }

    #[test]
    fn a_configuration_change_waits_until_it_is_persisted() {
        let mut node = leader(9);
        propose(&mut node, 1);
        let change = ConfChange {
            change: ConfChangeSingle {
                kind: ConfChangeKind::AddLearnerNode,
                node_id: 4,
            },
            ..ConfChange::default()
        };
        node.propose_conf_change(&change).unwrap();
        propose(&mut node, 1);
        let writes = settle(&mut node);
        accept(&mut node, 4);
        assert_eq!(applicable(&mut node), [2]);
        for message in writes {
            write(&mut node, message);
        }
        assert_eq!(applicable(&mut node), [3, 4]);
    }

    #[test]
    fn nothing_that_is_not_persisted_can_be_compacted() {
        let mut node = leader(9);
        propose(&mut node, 3);
        let writes = settle(&mut node);
        accept(&mut node, 4);
        assert_eq!(applicable(&mut node), [2, 3, 4]);
        assert_eq!(
            node.compacted(3),
            Err(Error::Misuse(
                "only persisted entries can be compacted: tell of a lower first index"
            ))
        );
        for message in writes {
            write(&mut node, message);
        }
        node.compacted(3).unwrap();
    }

    #[test]
    fn what_is_applied_and_not_persisted_stays_in_memory() {
        let mut config = Config::new(1);
        config.max_cached_bytes = 0;
        let mut node = leader_with(9, config);
        propose(&mut node, 3);
        settle(&mut node);
        accept(&mut node, 4);
        applicable(&mut node);
        // The invariants, which are checked after each call, ask for just that.
        assert_eq!(node.check_invariants(), Ok(()));
        assert_eq!(node.basic_status().applied, 4);
        node.step(from(
            2,
            1,
            1,
            Body::HeartbeatResp {
                context: Bytes::new(),
            },
        ))
        .unwrap();
        assert!(node.take_requests().0.is_empty());
    }

    #[test]
    fn a_restart_with_a_state_machine_ahead_of_the_log_is_an_error_that_says_what_to_do() {
        let state = RestartState {
            conf_state: ConfState::of_voters([1, 2, 3]),
            applied: 5,
            ..RestartState::default()
        };
        let refused = Node::new(Config::new(1), state).unwrap_err();
        assert!(
            refused.to_string().contains("passes over what it has"),
            "{refused}"
        );
    }

    #[test]
    fn synchronous_writes_know_no_such_limit() {
        let mut cluster = Cluster::with(3, |config| config.max_apply_unpersisted_entries = 1);
        cluster.elect(1);
        for _ in 0..5 {
            cluster.propose(1, "a");
        }
        assert_eq!(cluster.at(1).commands().len(), 5);
    }
}
