//! What this library can do beyond etcd-io/raft, through the C interface. The rules themselves are
//! tested in the core.

use std::collections::VecDeque;
use std::ptr::null_mut;

use super::clusters::Cluster;
use super::*;
use crate::entry::{RAFT_ROLE_FOLLOWER, RAFT_ROLE_LEADER};
use crate::message::{RAFT_MSG_STORAGE_APPEND, RAFT_MSG_STORAGE_APPLY, raft_message};
use crate::node_status::*;

fn cluster() -> Cluster {
    let mut cluster = Cluster::new(&[1, 2, 3], Settings::new);
    ok!(raft_node_campaign(cluster.host(1).node));
    cluster.settle();
    assert_eq!(cluster.host(1).status().role, RAFT_ROLE_LEADER);
    cluster
}

fn tick_all(cluster: &mut Cluster, ticks: usize) {
    for _ in 0..ticks {
        for host in cluster.hosts.values() {
            ok!(raft_node_tick(host.node));
        }
        cluster.settle();
    }
}

fn progress(host: &Host) -> Vec<raft_progress> {
    let mut len = 0;
    ok!(raft_node_progress(host.node, null_mut(), 0, &mut len));
    let mut all = Vec::with_capacity(len);
    let mut found = 0;
    ok!(raft_node_progress(
        host.node,
        all.as_mut_ptr(),
        len,
        &mut found
    ));
    assert_eq!(found, len);
    unsafe { all.set_len(len) };
    all
}

#[test]
fn a_voter_refuses_a_candidate_of_lower_priority() {
    let settings = |id| {
        let settings = Settings::new(id);
        ok!(raft_config_set_priority(
            settings.0,
            [0, 1, 1][id as usize - 1]
        ));
        settings
    };
    let mut cluster = Cluster::new(&[1, 2, 3], settings);
    ok!(raft_node_campaign(cluster.host(1).node));
    cluster.settle();
    assert_ne!(cluster.host(1).status().role, RAFT_ROLE_LEADER);
    ok!(raft_node_set_priority(cluster.host(1).node, 1));
    ok!(raft_node_campaign(cluster.host(1).node));
    cluster.settle();
    assert_eq!(cluster.host(1).status().role, RAFT_ROLE_LEADER);
}

#[test]
fn election_timeouts_keep_to_their_bounds() {
    let settings = Settings::new(1);
    ok!(raft_config_set_min_election_ticks(settings.0, 40));
    ok!(raft_config_set_max_election_ticks(settings.0, 41));
    let host = Host::new(&settings, &[1, 2]);
    for _ in 0..39 {
        ok!(raft_node_tick(host.node));
    }
    assert_eq!(host.status().role, RAFT_ROLE_FOLLOWER);
    ok!(raft_node_tick(host.node));
    assert_ne!(host.status().role, RAFT_ROLE_FOLLOWER);

    ok!(raft_config_set_max_election_ticks(settings.0, 40));
    let storage = memory(&[1]);
    let (status, words) = err!(raft_node_new(settings.0, storage, &mut null_mut()));
    assert_eq!(status, RAFT_ERR_CONFIG);
    assert!(words.contains("max_election_ticks"), "{words}");
    unsafe { raft_storage_free(storage) };
}

#[test]
fn group_commit_waits_for_a_second_group() {
    let mut cluster = cluster();
    let groups = [(1, 1), (2, 1), (3, 2)].map(|(id, group)| raft_commit_group { id, group });
    let state = |cluster: &mut Cluster, id| {
        let mut state = -1;
        ok!(raft_node_group_commit_state(
            cluster.host(id).node,
            &mut state
        ));
        state
    };
    let node = cluster.host(1).node;
    ok!(raft_node_assign_commit_groups(node, groups.as_ptr(), 3));
    ok!(raft_node_enable_group_commit(node, true));
    assert_eq!(state(&mut cluster, 1), RAFT_GROUP_COMMIT_CONSISTENT);
    assert_eq!(state(&mut cluster, 2), RAFT_GROUP_COMMIT_UNKNOWN);

    let wrong = [raft_commit_group { id: 3, group: 0 }];
    let (status, _) = err!(raft_node_assign_commit_groups(node, wrong.as_ptr(), 1));
    assert_eq!(status, RAFT_ERR_MISUSE);

    cluster.down = vec![3];
    cluster.host(1).propose(b"a");
    cluster.settle();
    assert!(cluster.host(1).applied.is_empty());
    ok!(raft_node_clear_commit_groups(node));
    cluster.settle();
    assert!(
        cluster.host(1).applied.is_empty(),
        "all have to have it now"
    );
    ok!(raft_node_enable_group_commit(node, false));
    cluster.settle();
    assert_eq!(cluster.host(1).applied, [b"a"]);
    assert_eq!(state(&mut cluster, 1), RAFT_GROUP_COMMIT_INCONSISTENT);
}

#[test]
fn a_follower_gets_the_snapshot_that_it_asks_for_once_the_storage_has_a_new_one() {
    let mut cluster = cluster();
    cluster.host(1).propose(b"a");
    cluster.settle();
    tick_all(&mut cluster, 1);
    let (status, words) = err!(raft_node_request_snapshot(cluster.host(1).node));
    assert_eq!(status, RAFT_ERR_SNAPSHOT_REQUEST_DROPPED);
    assert!(words.contains("leads"), "{words}");

    let (node, last) = (cluster.host(2).node, cluster.host(2).status().last_index);
    ok!(raft_node_request_snapshot(node));
    let (_, words) = err!(raft_node_request_snapshot(node));
    assert!(words.contains("pending"), "{words}");
    tick_all(&mut cluster, 3);
    // The stored snapshot is the one that the group began with.
    assert_eq!(cluster.host(2).status().first_index, 2);

    let storage = cluster.host(1).storage;
    ok!(raft_storage_create_snapshot(
        storage,
        last,
        null(),
        0,
        b"state".as_ptr(),
        5
    ));
    tick_all(&mut cluster, 2);
    assert_eq!(cluster.host(2).status().first_index, last + 1);
    cluster.host(1).propose(b"b");
    cluster.settle();
    assert_eq!(cluster.host(2).status().last_index, last + 1);

    // The very same snapshot once more, when there is nothing newer.
    let mut cluster = self::cluster();
    let last = cluster.host(1).status().last_index;
    let storage = cluster.host(1).storage;
    ok!(raft_storage_create_snapshot(
        storage,
        last,
        null(),
        0,
        b"state".as_ptr(),
        5
    ));
    tick_all(&mut cluster, 1);
    for _ in 0..2 {
        ok!(raft_node_request_snapshot(cluster.host(2).node));
        tick_all(&mut cluster, 2);
        assert_eq!(cluster.host(2).status().first_index, last + 1);
    }
}

#[test]
fn progress_shows_what_its_encoding_says() {
    use libraft_core::proto::libraft as out;
    use prost::Message as _;

    let mut cluster = cluster();
    cluster.down = vec![3];
    cluster.host(1).propose(b"a");
    cluster.settle();
    let host = cluster.host(1);
    let encoded = out::Status::decode(&host.everything()[..]).expect("it is protobuf");
    let shown = progress(host);
    assert_eq!(shown.len(), 3);
    for (shown, encoded) in shown.iter().zip(&encoded.progress) {
        let expected = out::Progress {
            id: shown.id,
            match_index: shown.match_index,
            next_index: shown.next_index,
            state: shown.state,
            paused: shown.paused,
            pending_snapshot: shown.pending_snapshot,
            recent_active: shown.recent_active,
            learner: shown.learner,
            inflight_messages: shown.inflight_messages,
            inflight_bytes: shown.inflight_bytes,
            inflight_full: shown.inflight_full,
        };
        assert_eq!(expected, *encoded);
    }
    assert_eq!(shown[2].inflight_messages, 1);
    assert!(progress(cluster.host(2)).is_empty(), "only a leader knows");

    // With room for fewer, the first ones are filled in, and the number is that of all.
    let mut two = [shown[2]; 2];
    let mut len = 0;
    ok!(raft_node_progress(
        cluster.host(1).node,
        two.as_mut_ptr(),
        1,
        &mut len
    ));
    assert_eq!((len, two[0].id, two[1].id), (3, 1, 3));
    let (status, _) = err!(raft_node_progress(
        cluster.host(1).node,
        null_mut(),
        1,
        &mut len
    ));
    assert_eq!(status, RAFT_ERR_NULL);
}

#[test]
fn the_window_to_a_member_can_be_set() {
    let mut cluster = cluster();
    let node = cluster.host(1).node;
    cluster.down = vec![3];
    ok!(raft_node_set_inflight_limits(node, 3, 1, 0));
    for _ in 0..3 {
        cluster.host(1).propose(b"a");
        cluster.settle();
    }
    let waiting = progress(cluster.host(1))[2];
    assert!(waiting.inflight_full && waiting.inflight_messages == 1);
    ok!(raft_node_set_inflight_limits(node, 3, 8, 0));
    cluster.settle();
    assert_eq!(
        progress(cluster.host(1))[2].next_index,
        waiting.next_index + 2
    );
    let (status, _) = err!(raft_node_set_inflight_limits(node, 0, 8, 0));
    assert_eq!(status, RAFT_ERR_MISUSE);
}

/// Messages to be delivered, with their recipients.
type Mail = Vec<(u64, Vec<u8>)>;

/// A node whose storage workers are queues, and who knows nothing of protobuf.
struct Workers {
    host: Host,
    /// Work, encoded, with the recipients and bytes of its responses; and what it applies.
    append: VecDeque<(Vec<u8>, Mail)>,
    apply: VecDeque<(Vec<Vec<u8>>, Mail)>,
}

impl Workers {
    fn new(id: u64, ahead: u64) -> Workers {
        let settings = Settings::new(id);
        ok!(raft_config_set_async_storage_writes(settings.0, true));
        ok!(raft_config_set_max_apply_unpersisted_entries(
            settings.0, ahead
        ));
        Workers {
            host: Host::new(&settings, &[1, 2, 3]),
            append: VecDeque::new(),
            apply: VecDeque::new(),
        }
    }

    /// Takes one Ready. Returns what there is to send.
    fn take(&mut self) -> Mail {
        let mut sent = Vec::new();
        let ready: *const raft_ready = self.host.ready();
        let ready = unsafe { &*ready };
        let pair = |message: &raft_message| (message.to, bytes(message.encoded).to_vec());
        for message in unsafe { list(ready.messages, ready.messages_len) } {
            let responses = unsafe { list(message.responses, message.responses_len) };
            let responses = responses.iter().map(pair).collect();
            match message.r#type {
                RAFT_MSG_STORAGE_APPEND => {
                    let work = bytes(message.encoded).to_vec();
                    self.append.push_back((work, responses));
                }
                RAFT_MSG_STORAGE_APPLY => {
                    let committed = ready.committed_entries;
                    let entries = unsafe { list(committed, ready.committed_entries_len) };
                    let data = entries.iter().map(|entry| bytes(entry.data).to_vec());
                    self.apply.push_back((data.collect(), responses));
                }
                _ => {
                    assert!(responses.is_empty());
                    sent.push(pair(message));
                }
            }
        }
        sent
    }

    fn deliver(&self, responses: Mail) -> Mail {
        let id = unsafe { raft_node_id(self.host.node) };
        let own = |response: &&(u64, Vec<u8>)| response.0 == id;
        for (_, response) in responses.iter().filter(own) {
            ok!(raft_node_step(
                self.host.node,
                response.as_ptr(),
                response.len()
            ));
        }
        responses
            .into_iter()
            .filter(|other| other.0 != id)
            .collect()
    }

    fn work(&mut self, may_append: bool) -> Mail {
        let mut sent = Vec::new();
        while self.host.has_ready() {
            sent.extend(self.take());
        }
        while may_append && let Some((work, responses)) = self.append.pop_front() {
            ok!(raft_storage_append_message(
                self.host.storage,
                work.as_ptr(),
                work.len()
            ));
            sent.extend(self.deliver(responses));
        }
        while let Some((data, responses)) = self.apply.pop_front() {
            self.host.applied.extend(data);
            assert!(self.deliver(responses).is_empty());
        }
        sent
    }
}

/// Lets all work and hear each other. `stuck` does not write anything down.
fn settle(nodes: &mut [Workers], stuck: Option<usize>) {
    for _ in 0..100 {
        let mut messages = Vec::new();
        for (place, node) in nodes.iter_mut().enumerate() {
            messages.extend(node.work(stuck != Some(place)));
        }
        for (to, message) in messages {
            let node = nodes[to as usize - 1].host.node;
            ok!(raft_node_step(node, message.as_ptr(), message.len()));
        }
    }
}

#[test]
fn storage_workers_need_no_protobuf_and_a_leader_may_apply_before_it_has_written() {
    for (ahead, expected) in [(0, 0), (2, 2), (9, 3)] {
        let mut nodes: Vec<Workers> = (1..=3).map(|id| Workers::new(id, ahead)).collect();
        ok!(raft_node_campaign(nodes[0].host.node));
        settle(&mut nodes, None);
        assert_eq!(nodes[0].host.status().role, RAFT_ROLE_LEADER);
        for data in [b"a", b"b", b"c"] {
            nodes[0].host.propose(data);
        }
        nodes[0].host.applied.clear();
        settle(&mut nodes, Some(0));
        assert_eq!(nodes[0].host.status().commit, 5, "the other two have it");
        assert_eq!(nodes[0].host.status().persisted, 2);
        assert_eq!(nodes[0].host.applied.len(), expected);
        if expected > 0 {
            let applied = nodes[0].host.status().applied;
            let (status, _) = err!(raft_node_compacted(nodes[0].host.node, applied + 1));
            assert_eq!(status, RAFT_ERR_MISUSE, "it is not persisted");
        }
        ok!(raft_node_set_max_apply_unpersisted_entries(
            nodes[0].host.node,
            3
        ));
        settle(&mut nodes, Some(0));
        assert_eq!(nodes[0].host.applied, [b"a", b"b", b"c"]);
        settle(&mut nodes, None);
        assert_eq!(nodes[0].host.status().persisted, 5);
    }
}
