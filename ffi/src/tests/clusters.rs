//! Nodes that read from their own storage, and nodes that let the host do it.

use std::collections::BTreeMap;
use std::ptr::{null, null_mut};

use super::*;
use crate::conf_state::{raft_conf_state, raft_conf_state_free};
use crate::entry::{
    RAFT_ENTRY_CONF_CHANGE, RAFT_ROLE_FOLLOWER, RAFT_ROLE_LEADER, RAFT_ROLE_PRE_CANDIDATE,
    raft_entries_free,
};
use crate::message::{RAFT_MSG_SNAP, raft_message, raft_message_decode};
use crate::ready::{raft_read_request, raft_snapshot_request};
use crate::requests::raft_requests;
use crate::snapshot::raft_snapshot_free;

/// Hosts by id, and the messages between them.
pub(super) struct Cluster {
    pub(super) hosts: BTreeMap<u64, Host>,
    /// Who is not reached.
    pub(super) down: Vec<u64>,
    snapshots: usize,
}

fn peek(encoded: &[u8]) -> raft_message {
    let mut view = unsafe { std::mem::zeroed() };
    ok!(raft_message_decode(
        encoded.as_ptr(),
        encoded.len(),
        &mut view
    ));
    view
}

impl Cluster {
    pub(super) fn new(ids: &[u64], settings: impl Fn(u64) -> Settings) -> Cluster {
        let hosts = ids
            .iter()
            .map(|id| (*id, Host::new(&settings(*id), ids)))
            .collect();
        Cluster {
            hosts,
            down: Vec::new(),
            snapshots: 0,
        }
    }

    pub(super) fn host(&mut self, id: u64) -> &mut Host {
        self.hosts.get_mut(&id).expect("there is such a node")
    }

    /// Works and delivers until nobody has anything to do.
    pub(super) fn settle(&mut self) {
        loop {
            let ids: Vec<u64> = self.hosts.keys().copied().collect();
            let messages: Vec<Vec<u8>> = ids
                .iter()
                .filter(|id| !self.down.contains(id))
                .flat_map(|id| self.hosts.get_mut(id).expect("its id is a key").work())
                .collect();
            if messages.is_empty() {
                return;
            }
            for message in messages {
                let view = peek(&message);
                let reached = !self.down.contains(&view.to);
                if view.r#type == RAFT_MSG_SNAP {
                    self.snapshots += 1;
                    let status = match reached {
                        true => RAFT_SNAPSHOT_FINISH,
                        false => RAFT_SNAPSHOT_FAILURE,
                    };
                    let sender = &self.hosts[&view.from];
                    ok!(raft_node_report_snapshot(sender.node, view.to, status));
                }
                if let Some(host) = self.hosts.get(&view.to).filter(|_| reached) {
                    ok!(raft_node_step(host.node, message.as_ptr(), message.len()));
                }
            }
        }
    }

    fn tick(&mut self, id: u64) {
        ok!(raft_node_tick(self.host(id).node));
        self.settle();
    }
}

fn small(id: u64) -> Settings {
    let settings = Settings::new(id);
    ok!(raft_config_set_max_size_per_msg(settings.0, 64));
    ok!(raft_config_set_max_cached_bytes(settings.0, 0));
    settings
}

fn commands(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| format!("command {number}").into_bytes())
        .collect()
}

#[test]
fn a_follower_is_caught_up_with_entries_that_only_storage_has() {
    let mut cluster = Cluster::new(&[1, 2, 3], small);
    ok!(raft_node_campaign(cluster.host(1).node));
    cluster.settle();
    cluster.down.push(3);
    for command in commands(50) {
        cluster.host(1).propose(&command);
        cluster.settle();
    }
    assert_eq!(cluster.host(1).applied, commands(50));
    assert_eq!(cluster.host(3).applied, commands(0));
    cluster.down.clear();
    for _ in 0..3 {
        cluster.tick(1);
    }
    assert_eq!(cluster.host(3).applied, commands(50));
    assert_eq!(cluster.snapshots, 0);
}

#[test]
fn a_node_follows_the_compaction_of_its_storage_and_sends_snapshots() {
    let mut cluster = Cluster::new(&[1, 2, 3], small);
    ok!(raft_node_campaign(cluster.host(1).node));
    cluster.settle();
    cluster.down.push(3);
    for command in commands(20) {
        cluster.host(1).propose(&command);
        cluster.settle();
    }
    let host = cluster.host(1);
    let applied = host.status().applied;
    ok!(raft_storage_create_snapshot(
        host.storage,
        applied,
        null(),
        0,
        b"twenty".as_ptr(),
        6
    ));
    ok!(raft_storage_compact(host.storage, applied - 3));
    assert_eq!(host.status().first_index, 2);
    host.propose(b"more");
    cluster.settle();
    assert_eq!(cluster.host(1).status().first_index, applied - 3);
    cluster.down.clear();
    for _ in 0..3 {
        cluster.tick(1);
    }
    assert_eq!(cluster.snapshots, 1);
    let host = cluster.host(3);
    assert_eq!(host.status().applied, applied + 1);
    assert_eq!(host.applied, [b"more"], "the snapshot stands for the rest");
    let mut snapshot = null_mut();
    ok!(raft_storage_snapshot(host.storage, &mut snapshot));
    let view = unsafe { &*snapshot };
    assert_eq!((view.index, bytes(view.data)), (applied, &b"twenty"[..]));
    assert_eq!(
        unsafe { list(view.conf_state.voters, view.conf_state.voters_len) },
        [1, 2, 3]
    );
    unsafe { raft_snapshot_free(snapshot) };
}

#[test]
fn a_restarted_node_reads_what_it_has_to_apply() {
    let settings = small(1);
    let storage = {
        let mut host = Host::new(&settings, &[1]);
        ok!(raft_node_campaign(host.node));
        host.work();
        for command in commands(30) {
            host.propose(&command);
        }
        host.work();
        std::mem::replace(&mut host.storage, null_mut())
    };
    let mut host = Host::on(&settings, storage);
    host.work();
    assert_eq!(host.applied, commands(30));
    // A host that keeps its own state does not want to see all that again.
    ok!(raft_config_set_applied(settings.0, 20, null(), 0));
    let storage = std::mem::replace(&mut host.storage, null_mut());
    drop(host);
    let mut host = Host::on(&settings, storage);
    host.work();
    // Entry 1 is in the first snapshot, 2 begins the term.
    assert_eq!(host.applied, commands(30)[18..]);
    let mut node = null_mut();
    for wrong in [0, 33] {
        ok!(raft_config_set_applied(settings.0, wrong, null(), 0));
        let (status, words) = err!(raft_node_new(settings.0, host.storage, &mut node));
        assert_eq!(status, RAFT_ERR_ARGUMENT);
        assert!(words.contains(&wrong.to_string()), "{words}");
    }
}

#[test]
fn applied_beyond_a_change_of_members_needs_the_result() {
    let settings = Settings::new(1);
    let mut host = Host::new(&settings, &[1]);
    ok!(raft_node_campaign(host.node));
    host.work();
    ok!(raft_node_propose_conf_change(
        host.node,
        crate::conf_change::RAFT_CONF_CHANGE_ADD_LEARNER_NODE,
        2,
        null(),
        0
    ));
    host.work();
    let applied = host.status().applied;
    let (status, words) = err!(raft_storage_create_snapshot(
        host.storage,
        applied,
        null(),
        0,
        null(),
        0
    ));
    assert_eq!(status, RAFT_ERR_ARGUMENT);
    assert!(words.contains("conf_state"), "{words}");

    let mut members: *mut raft_conf_state = null_mut();
    ok!(raft_node_conf_state(host.node, &mut members));
    let encoded = unsafe { &*members }.encoded;
    ok!(raft_config_set_applied(settings.0, applied, null(), 0));
    let mut node = null_mut();
    let (status, words) = err!(raft_node_new(settings.0, host.storage, &mut node));
    assert_eq!(status, RAFT_ERR_ARGUMENT);
    assert!(words.contains("conf_state"), "{words}");
    ok!(raft_config_set_applied(
        settings.0,
        applied,
        encoded.data,
        encoded.len
    ));
    ok!(raft_node_new(settings.0, host.storage, &mut node));
    let mut again = null_mut();
    ok!(raft_node_conf_state(node, &mut again));
    assert_eq!(bytes(unsafe { &*again }.encoded), bytes(encoded));
    ok!(raft_storage_create_snapshot(
        host.storage,
        applied,
        encoded.data,
        encoded.len,
        null(),
        0
    ));
    unsafe {
        raft_conf_state_free(members);
        raft_conf_state_free(again);
        raft_node_free(node);
    }
}

#[test]
fn a_refused_change_lets_the_next_one_through() {
    let mut host = Host::leader();
    let change = |node| {
        ok!(raft_node_propose_conf_change(
            node,
            crate::conf_change::RAFT_CONF_CHANGE_ADD_LEARNER_NODE,
            2,
            null(),
            0
        ));
    };
    change(host.node);
    let mut refused = 0;
    while host.has_ready() {
        let ready = host.ready();
        ok!(raft_storage_save(host.storage, ready));
        for entry in unsafe { list(ready.committed_entries, ready.committed_entries_len) } {
            if entry.r#type == RAFT_ENTRY_CONF_CHANGE {
                ok!(raft_node_reject_conf_change(host.node));
                refused += 1;
            }
        }
        ok!(raft_node_advance(host.node));
    }
    assert_eq!(refused, 1);
    change(host.node);
    host.work();
    let mut members: *mut raft_conf_state = null_mut();
    ok!(raft_node_conf_state(host.node, &mut members));
    let view = unsafe { &*members };
    assert_eq!(unsafe { list(view.learners, view.learners_len) }, [2]);
    unsafe { raft_conf_state_free(members) };
}

/// Works on a host that is shown the requests, and answers them with `answer`.
fn work_shown(
    host: &mut Host,
    mut answer: impl FnMut(&Host, &[raft_read_request], &[raft_snapshot_request]),
) -> usize {
    let mut seen = 0;
    while host.has_ready() {
        let ready = host.ready();
        ok!(raft_storage_save(host.storage, ready));
        let reads = unsafe { list(ready.reads, ready.reads_len) };
        let snapshots = unsafe { list(ready.snapshot_requests, ready.snapshot_requests_len) };
        seen += reads.len() + snapshots.len();
        answer(host, reads, snapshots);
        let entries = unsafe { list(ready.committed_entries, ready.committed_entries_len) };
        let applied: Vec<_> = entries
            .iter()
            .map(|entry| bytes(entry.data).to_vec())
            .filter(|data| !data.is_empty())
            .collect();
        ok!(raft_node_advance(host.node));
        host.applied.extend(applied);
    }
    seen
}

fn provide(host: &Host, reads: &[raft_read_request]) {
    for read in reads {
        let mut entries = null_mut();
        ok!(raft_storage_entries(
            host.storage,
            read.low,
            read.high,
            read.max_bytes,
            &mut entries
        ));
        let found = unsafe { list((*entries).entries, (*entries).entries_len) };
        assert!(!found.is_empty());
        let encoded: Vec<raft_bytes> = found.iter().map(|entry| entry.encoded).collect();
        ok!(raft_node_provide_entries(
            host.node,
            read.id,
            encoded.as_ptr(),
            encoded.len()
        ));
        unsafe { raft_entries_free(entries) };
    }
}

#[test]
fn a_host_that_wants_to_see_requests_answers_them() {
    let settings = small(1);
    let mut host = Host::new(&settings, &[1]);
    ok!(raft_node_campaign(host.node));
    host.work();
    for command in commands(10) {
        host.propose(&command);
    }
    host.work();
    let storage = std::mem::replace(&mut host.storage, null_mut());
    drop(host);

    ok!(raft_config_set_show_requests(settings.0, true));
    let mut host = Host::on(&settings, storage);
    let mut unavailable = true;
    let seen = work_shown(&mut host, |host, reads, _| {
        if std::mem::take(&mut unavailable) {
            // It can't be had now: the core asks again, after a tick.
            for read in reads {
                ok!(raft_node_read_failed(
                    host.node,
                    read.id,
                    RAFT_READ_UNAVAILABLE
                ));
                // An answer that nobody waits for any more.
                provide(host, &[*read]);
            }
            ok!(raft_node_tick(host.node));
        } else {
            provide(host, reads);
        }
    });
    assert!(seen > 3, "{seen} requests were shown");
    assert_eq!(host.applied, commands(10));
}

#[test]
fn a_host_that_answers_at_once_finds_no_request_in_a_ready() {
    let settings = small(1);
    let mut host = Host::new(&settings, &[1]);
    ok!(raft_node_campaign(host.node));
    host.work();
    for command in commands(10) {
        host.propose(&command);
    }
    host.work();
    let storage = std::mem::replace(&mut host.storage, null_mut());
    drop(host);

    ok!(raft_config_set_show_requests(settings.0, true));
    let mut host = Host::on(&settings, storage);
    let mut answered = 0;
    let seen = loop {
        // Each answer may lead to another request.
        loop {
            let mut requests = null();
            ok!(raft_node_take_requests(host.node, &mut requests));
            let requests: &raft_requests = unsafe { &*requests };
            assert!(requests.snapshot_requests.is_null());
            if requests.reads_len == 0 {
                break;
            }
            answered += requests.reads_len;
            provide(&host, unsafe { list(requests.reads, requests.reads_len) });
        }
        if !host.has_ready() {
            break 0;
        }
        let ready = host.ready();
        if ready.reads_len > 0 {
            break ready.reads_len;
        }
        for entry in unsafe { list(ready.committed_entries, ready.committed_entries_len) } {
            let command = bytes(entry.data).to_vec();
            host.applied
                .extend(Some(command).filter(|data| !data.is_empty()));
        }
        ok!(raft_node_advance(host.node));
    };
    assert_eq!(seen, 0, "requests in a Ready");
    assert!(answered > 1, "{answered} requests");
    assert_eq!(host.applied, commands(10));
}

#[test]
fn a_node_that_reads_by_itself_gives_no_requests_away() {
    let settings = small(1);
    let mut host = Host::new(&settings, &[1]);
    ok!(raft_node_campaign(host.node));
    host.work();
    for command in commands(10) {
        host.propose(&command);
    }
    host.work();
    let storage = std::mem::replace(&mut host.storage, null_mut());
    drop(host);

    let mut host = Host::on(&settings, storage);
    let mut requests: *const raft_requests = null();
    ok!(raft_node_take_requests(host.node, &mut requests));
    assert_eq!(unsafe { (*requests).reads_len }, 0);
    host.work();
    assert_eq!(host.applied, commands(10));
}

#[test]
fn a_fixed_election_timeout_says_when_a_node_campaigns() {
    let host = Host::new(&Settings::new(1), &[1]);
    ok!(raft_node_set_randomized_election_timeout(host.node, 3));
    ok!(raft_node_tick(host.node));
    ok!(raft_node_tick(host.node));
    assert_eq!(host.status().role, RAFT_ROLE_FOLLOWER);
    ok!(raft_node_tick(host.node));
    assert_eq!(host.status().role, RAFT_ROLE_PRE_CANDIDATE);
    let (status, _) = err!(raft_node_set_randomized_election_timeout(host.node, 0));
    assert_eq!(status, RAFT_ERR_MISUSE);
}

#[test]
fn a_node_without_a_raft_storage_is_restarted_from_encoded_state() {
    let settings = small(1);
    let mut host = Host::new(&settings, &[1]);
    ok!(raft_node_campaign(host.node));
    host.work();
    for command in commands(10) {
        host.propose(&command);
    }
    host.work();
    let mut state = null_mut();
    ok!(raft_storage_restart_state(host.storage, &mut state));
    let encoded = unsafe { raft_buffer_bytes(state) };
    let mut node = null_mut();
    ok!(raft_node_restart(
        settings.0,
        encoded.data,
        encoded.len,
        &mut node
    ));
    unsafe {
        raft_buffer_free(state);
        raft_node_free(host.node);
    }
    host.node = node;
    host.applied.clear();
    assert!(work_shown(&mut host, |host, reads, _| provide(host, reads)) > 0);
    assert_eq!(host.applied, commands(10));
    // Its storage is the host's, so that the host says what is dropped.
    let first_index = host.status().applied - 2;
    ok!(raft_node_compacted(host.node, first_index));
    assert_eq!(host.status().first_index, first_index);
    let (status, _) = err!(raft_node_compacted(host.node, first_index + 10));
    assert_eq!(status, RAFT_ERR_MISUSE);
}

#[test]
fn a_node_whose_storage_lost_its_entries_says_so() {
    let settings = small(1);
    let mut host = Host::new(&settings, &[1]);
    ok!(raft_node_campaign(host.node));
    host.work();
    for command in commands(10) {
        host.propose(&command);
    }
    host.work();
    let storage = std::mem::replace(&mut host.storage, null_mut());
    drop(host);
    let host = Host::on(&settings, storage);
    // The memory storage may be compacted beyond its snapshot; nothing has been applied yet.
    ok!(raft_storage_compact(host.storage, 8));
    let mut ready = null();
    for _ in 0..2 {
        let (status, _) = err!(raft_node_ready(host.node, &mut ready));
        assert_eq!(status, RAFT_ERR_COMPACTED);
        assert!(ready.is_null());
        // What has failed is tried again after a tick.
        ok!(raft_node_tick(host.node));
    }
}

#[test]
fn a_proposal_on_a_follower_reaches_the_leader() {
    let mut cluster = Cluster::new(&[1, 2, 3], Settings::new);
    ok!(raft_node_campaign(cluster.host(2).node));
    cluster.settle();
    assert_eq!(cluster.host(2).status().role, RAFT_ROLE_LEADER);
    cluster.host(3).propose(b"from a follower");
    let list = [view(b"one"), view(b""), view(b"two")];
    ok!(raft_node_propose_many(
        cluster.host(1).node,
        list.as_ptr(),
        list.len()
    ));
    cluster.settle();
    cluster.tick(2);
    for id in 1..=3 {
        assert_eq!(
            cluster.host(id).applied,
            [&b"one"[..], b"two", b"from a follower"],
            "node {id}"
        );
    }
    ok!(raft_node_read_index(cluster.host(1).node, b"r".as_ptr(), 1));
    cluster.settle();
    assert_eq!(cluster.host(1).reads, [b"r"]);
    ok!(raft_node_transfer_leader(cluster.host(2).node, 3));
    cluster.settle();
    assert_eq!(cluster.host(3).status().role, RAFT_ROLE_LEADER);
}

#[test]
fn storage_work_may_be_handed_out_as_messages() {
    use libraft_core::{Body, codec};

    use crate::message::{RAFT_LOCAL_APPEND, RAFT_LOCAL_APPLY, RAFT_MSG_STORAGE_APPEND};

    let settings = Settings::new(1);
    ok!(raft_config_set_async_storage_writes(settings.0, true));
    let host = Host::new(&settings, &[1]);
    ok!(raft_node_campaign(host.node));
    let (mut applied, mut proposed) = (Vec::new(), 0);
    for _ in 0..40 {
        if host.status().role == RAFT_ROLE_LEADER && proposed < 3 {
            proposed += 1;
            host.propose(format!("command {proposed}").as_bytes());
        }
        if !host.has_ready() {
            continue;
        }
        let ready = host.ready();
        for message in unsafe { list(ready.messages, ready.messages_len) } {
            let encoded = bytes(message.encoded);
            let decoded = codec::decode_message(bytes::Bytes::copy_from_slice(encoded))
                .expect("the encoding is a message");
            let responses = match decoded.body {
                Body::StorageAppend(work) => {
                    assert_eq!(message.to, RAFT_LOCAL_APPEND);
                    assert_eq!(message.r#type, RAFT_MSG_STORAGE_APPEND);
                    ok!(raft_storage_append_message(
                        host.storage,
                        encoded.as_ptr(),
                        encoded.len()
                    ));
                    work.responses
                }
                Body::StorageApply { entries, responses } => {
                    assert_eq!(message.to, RAFT_LOCAL_APPLY);
                    let (status, _) = err!(raft_storage_append_message(
                        host.storage,
                        encoded.as_ptr(),
                        encoded.len()
                    ));
                    assert_eq!(status, RAFT_ERR_ARGUMENT, "that is no work for the storage");
                    applied.extend(entries.into_iter().map(|entry| entry.data));
                    responses
                }
                other => panic!("{other:?}"),
            };
            for response in responses {
                let response = codec::encode_message(&response);
                ok!(raft_node_step(host.node, response.as_ptr(), response.len()));
            }
        }
        let (status, _) = err!(raft_node_advance(host.node));
        assert_eq!(status, RAFT_ERR_MISUSE);
    }
    applied.retain(|data| !data.is_empty());
    assert_eq!(applied, [&b"command 1"[..], b"command 2", b"command 3"]);
    let mut last = 0;
    ok!(raft_storage_last_index(host.storage, &mut last));
    assert_eq!(last, host.status().last_index);
}
