//! One node among peers that say anything at all: bytes without sense, damaged messages, and
//! messages that are only a little wrong. Between them, its host works as it should.
//!
//! Checked: both ways to read and write a message agree; a call that fails changes nothing; the node
//! never stops, and starts again from what it has persisted at any time; its Readys follow each
//! other; what it sends can be read.
//!
//! With `LIBRAFT_FUZZ_EXPORT=FILE` in the environment, the calls on the node since it last started are
//! written to that file as a recording.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use bytes::Bytes;
use libraft_core::*;

use crate::codecs;
use crate::host::{Disk, Host};
use crate::input::Input;
use crate::messages::{self, Around};

/// No more happens than this, whatever the input says.
const MOST_EVENTS: usize = 400;

/// One input.
///
/// # Panics
/// If something does not hold.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(mut host) = host(&mut input) else {
        return;
    };
    let Ok(path) = std::env::var("LIBRAFT_FUZZ_EXPORT") else {
        return play(&mut input, &mut host);
    };
    // The recording is wanted above all if this fails.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let played = catch_unwind(AssertUnwindSafe(|| play(&mut input, &mut host)));
    let recording = host.node.record_take();
    std::fs::write(path, recording).expect("the recording can be written");
    if let Err(panic) = played {
        resume_unwind(panic);
    }
}

fn play(input: &mut Input, host: &mut Host) {
    for _ in 0..MOST_EVENTS {
        if input.is_empty() {
            break;
        }
        event(input, host);
    }
    if host.config.record_bytes == 0 {
        host.restart();
    }
    finish(host);
}

/// Whatever there is to do is done in a bounded number of turns.
fn finish(host: &mut Host) {
    for _ in 0..1000 {
        if host.node.has_ready() {
            host.work();
        }
        host.work_append();
        host.work_apply();
        for read in std::mem::take(&mut host.reads) {
            let _ = host.answer_read(read);
        }
        for request in std::mem::take(&mut host.snapshot_requests) {
            let _ = host.answer_snapshot(request);
        }
        if !host.node.has_ready() && host.to_append.is_empty() && host.to_apply.is_empty() {
            return;
        }
    }
    panic!("there is no end to what the node asks for");
}

fn host(input: &mut Input) -> Option<Host> {
    let config = config(input);
    let conf_state = match input.below(8) {
        0 => ConfState::of_voters([1]),
        1 | 2 => ConfState::of_voters(1..=3),
        3 => ConfState::of_voters(1..=5),
        4 => ConfState {
            learners: vec![1],
            ..ConfState::of_voters(2..=3)
        },
        5 => ConfState {
            voters_outgoing: vec![1, 4, 5],
            learners: vec![6],
            auto_leave: true,
            ..ConfState::of_voters(1..=3)
        },
        6 => ConfState::default(),
        _ => messages::conf_state(input),
    };
    let compacted = match input.chance(4) {
        true => EntryId {
            term: 1,
            index: 1 + input.below(10) as u64,
        },
        false => EntryId::default(),
    };
    let (mut term, mut log) = (compacted.term.max(1), Vec::new());
    for place in 0..input.below(8) {
        term += u64::from(input.chance(3));
        log.push(Entry {
            term,
            index: compacted.index + 1 + place as u64,
            data: Bytes::from_static(b"stored"),
            ..Entry::default()
        });
    }
    let mut disk = Disk {
        log,
        compacted,
        conf_state,
        ..Disk::default()
    };
    let spread = (disk.last().index - compacted.index + 1) as usize;
    let commit = compacted.index + input.below(spread) as u64;
    disk.applied = compacted.index + input.below((commit - compacted.index + 1) as usize) as u64;
    disk.hard_state = HardState {
        term: term + input.below(3) as u64,
        vote: input.below(4) as u64,
        commit,
    };
    let mut host = Host::new(config, disk)?;
    match input.below(4) {
        0 => win(&mut host),
        1 => {
            let _ = host.call(Node::campaign);
        }
        2 => {
            let message = Message {
                to: host.config.id,
                from: 2,
                term: host.disk.hard_state.term,
                body: Body::Heartbeat {
                    commit,
                    context: Bytes::new(),
                },
            };
            let _ = host.call(|node| node.step(message));
        }
        _ => {}
    }
    Some(host)
}

fn config(input: &mut Input) -> Config {
    let mut config = Config::new(1);
    let [bits, more] = [input.byte(), input.byte()];
    let on = |bits: u8, bit: u32| bits >> bit & 1 == 1;
    config.pre_vote = on(bits, 0);
    config.check_quorum = on(bits, 1);
    config.coalesce_appends = on(bits, 2);
    config.async_storage_writes = on(bits, 3);
    config.disable_proposal_forwarding = on(bits, 4) && on(bits, 5);
    config.disable_conf_change_validation = on(bits, 6);
    config.step_down_on_removal = on(bits, 7);
    config.peer_reports = on(more, 0);
    if on(more, 1) && config.check_quorum {
        config.read_only = ReadOnlyOption::LeaseBased;
    }
    if on(more, 2) {
        config.max_size_per_msg = input.below(64) as u64;
        config.max_cached_bytes = input.below(128) as u64;
        config.max_inflight_msgs = 1 + input.below(4) as u32;
        config.max_uncommitted_bytes = input.below(64) as u64;
        config.max_committed_size_per_ready = input.below(64) as u64;
    }
    if on(more, 3) {
        config.max_apply_unpersisted_entries = input.below(4) as u64;
        config.max_pending_reads = 1 + input.below(3) as u32;
        config.priority = input.any::<i8>().into();
    }
    if std::env::var_os("LIBRAFT_FUZZ_EXPORT").is_some() {
        config.record_bytes = 1 << 24;
    }
    if on(more, 4) {
        config.election_ticks = 2 + input.below(4) as u32;
    }
    config
}

fn around(host: &Host) -> Around {
    let status = host.node.basic_status();
    Around {
        id: host.config.id,
        term: status.hard_state.term,
        indexes: [
            status.last_index,
            status.hard_state.commit,
            status.first_index,
            status.persisted,
        ],
        terms: [status.hard_state.term, host.disk.last().term, 1],
    }
}

fn event(input: &mut Input, host: &mut Host) {
    match input.below(40) {
        0..=9 => {
            let message = messages::message(input, &around(host));
            let bytes = codecs::encode(&message);
            step(host, bytes);
        }
        10 | 11 => {
            // Damaged on the way.
            let message = messages::message(input, &around(host));
            let mut bytes = codecs::encode(&message).to_vec();
            for _ in 0..=input.below(3) {
                let place = input.below(bytes.len());
                bytes[place] = input.byte();
            }
            if input.chance(8) {
                bytes.truncate(input.below(bytes.len()));
            }
            step(host, bytes.into());
        }
        12 => {
            let bytes = Bytes::copy_from_slice(input.piece());
            codecs::decode_entry(&bytes);
            codecs::decode_others(&bytes);
            step(host, bytes);
        }
        13 => {
            // What the node has said itself comes back.
            if host.sent.is_empty() {
                return;
            }
            let place = input.below(host.sent.len());
            let mut message = host.sent[place].clone();
            (message.from, message.to) = (message.to, message.from);
            step(host, codecs::encode(&message));
        }
        14 => accept_all(host),
        15 => win(host),
        16..=18 => {
            let ticks = 1 + input.below(12) as u32;
            let _ = host.call(|node| node.tick_many(ticks));
        }
        19..=23 => {
            if host.node.has_ready() || input.chance(8) {
                host.work();
            }
        }
        24 | 25 => host.work_append(),
        26 => host.work_apply(),
        27 => answer(input, host),
        28 => host.restart(),
        29 => {
            let index = input.number_near(&[host.disk.applied]);
            host.compact(index);
        }
        30..=32 => {
            let data = messages::context(input);
            let _ = host.call(|node| node.propose(data));
        }
        33 => {
            let change = messages::conf_change(input);
            let _ = host.call(|node| node.propose_conf_change_v2(&change));
        }
        34 => {
            let context = messages::context(input);
            let _ = host.call(|node| node.read_index(context));
        }
        35 => {
            let peer = input.below(7) as u64;
            let _ = host.call(|node| node.transfer_leader(peer));
        }
        36 => {
            let _ = host.call(Node::campaign);
        }
        37 => {
            let peer = input.below(7) as u64;
            let _ = match input.below(3) {
                0 => host.call(|node| node.report_unreachable(peer)),
                1 => host.call(|node| node.report_snapshot(peer, SnapshotStatus::Finish)),
                _ => host.call(|node| node.report_snapshot(peer, SnapshotStatus::Failure)),
            };
        }
        38 => {
            let _ = host.call(Node::request_snapshot);
        }
        _ => set(input, host),
    }
}

fn set(input: &mut Input, host: &mut Host) {
    let (peer, number) = (input.below(7) as u64, input.byte());
    let _ = match input.below(8) {
        0 => host.call(|node| node.set_priority(i64::from(number) - 100)),
        1 => host.call(|node| {
            node.set_inflight_limits(peer, u32::from(number & 3), u64::from(number >> 2))
        }),
        2 => host.call(|node| node.set_max_apply_unpersisted_entries(u64::from(number & 7))),
        3 => host.call(|node| node.enable_group_commit(number & 1 == 1)),
        4 => host.call(|node| node.assign_commit_groups(&[(peer, u64::from(number & 3))])),
        5 => host.call(Node::clear_commit_groups),
        6 => host.call(Node::forget_leader),
        _ => host.call(Node::tick_quiesced),
    };
}

/// A message arrives.
fn step(host: &mut Host, bytes: Bytes) {
    let decoded = codecs::decode(&bytes);
    let local = decoded.is_some_and(|message| message.body.is_local());
    if local && host.config.async_storage_writes {
        // Hosts keep these from the network, as they are to be believed. Should one get through, that
        // is no reason to panic.
        let mut node = host.node.clone();
        let _ = node.step_bytes(bytes);
        return;
    }
    let _ = host.call(|node| node.step_bytes(bytes));
}

/// A request is answered: from the disk, not at all, wrongly, or twice.
fn answer(input: &mut Input, host: &mut Host) {
    let how = input.byte();
    if how & 1 == 0 && !host.reads.is_empty() {
        let place = input.below(host.reads.len());
        let read = match how & 2 {
            0 => host.reads.swap_remove(place),
            _ => host.reads[place],
        };
        let _ = match how >> 2 & 3 {
            0 | 1 => host.answer_read(read),
            2 => host.call(|node| node.read_failed(read.id, ReadFailure::Unavailable)),
            _ => {
                let around = around(host);
                let Body::Append { entries, .. } = messages::message(input, &around).body else {
                    return;
                };
                host.call(|node| node.provide_entries(read.id, entries.to_vec()))
            }
        };
    } else if !host.snapshot_requests.is_empty() {
        let place = input.below(host.snapshot_requests.len());
        let request = match how & 2 {
            0 => host.snapshot_requests.swap_remove(place),
            _ => host.snapshot_requests[place],
        };
        let _ = match how >> 2 & 3 {
            0 | 1 => host.answer_snapshot(request),
            2 => host.call(|node| node.snapshot_failed(request.id)),
            _ => {
                let around = around(host);
                let Body::InstallSnapshot { snapshot } = messages::message(input, &around).body
                else {
                    return;
                };
                host.call(|node| node.provide_snapshot(request.id, *snapshot))
            }
        };
    }
}

/// All peers vote for the node.
fn win(host: &mut Host) {
    let _ = host.call(Node::campaign);
    for pre in [true, false] {
        drain(host);
        for from in 2..=6 {
            let status = host.node.basic_status();
            let asks = match pre {
                true => Role::PreCandidate,
                false => Role::Candidate,
            };
            if status.soft_state.role == asks {
                let message = Message {
                    to: host.config.id,
                    from,
                    term: status.hard_state.term + u64::from(pre),
                    body: Body::Vote { pre, granted: true },
                };
                let _ = host.call(|node| node.step(message));
            }
        }
    }
    drain(host);
}

/// All peers have all that the node has.
fn accept_all(host: &mut Host) {
    drain(host);
    let status = host.node.basic_status();
    for from in 2..=6 {
        let message = Message {
            to: host.config.id,
            from,
            term: status.hard_state.term,
            body: Body::Accept {
                index: status.last_index,
            },
        };
        let _ = host.call(|node| node.step(message));
    }
}

/// Some turns of work.
fn drain(host: &mut Host) {
    for _ in 0..8 {
        if host.node.has_ready() {
            host.work();
        }
        host.work_append();
        host.work_apply();
    }
}
