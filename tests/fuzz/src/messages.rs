//! Messages that look like those of a peer, with numbers that lie near what the node has: most of
//! them wrong, and by little.

use bytes::Bytes;
use libraft_core::*;

use crate::input::Input;

/// What numbers are drawn around.
#[derive(Clone, Debug)]
pub struct Around {
    pub id: NodeId,
    pub term: Term,
    pub indexes: [Index; 4],
    pub terms: [Term; 3],
}

pub fn message(input: &mut Input, around: &Around) -> Message {
    let from = match input.byte() {
        0..=250 => 1 + input.below(6) as u64,
        251 => around.id,
        _ => input.number_near(&[]),
    };
    let to = if input.chance(32) {
        input.any()
    } else {
        around.id
    };
    let term = match input.byte() {
        0..=160 => around.term,
        161..=200 => around.term + 1,
        _ => input.number_near(&around.terms),
    };
    let body = body(input, around);
    Message {
        to,
        from,
        term,
        body,
    }
}

fn index(input: &mut Input, around: &Around) -> Index {
    input.number_near(&around.indexes)
}

fn id(input: &mut Input, around: &Around) -> EntryId {
    let term = match input.bool() {
        true => around.term,
        false => input.number_near(&around.terms),
    };
    EntryId {
        term,
        index: index(input, around),
    }
}

/// A few entries, mostly as they should be.
fn entries(input: &mut Input, after: EntryId) -> Vec<Entry> {
    let mut last = after;
    (0..input.below(5))
        .map(|_| {
            last.index = last.index.wrapping_add(1);
            last.term = last.term.wrapping_add(u64::from(input.chance(4)));
            if input.chance(16) {
                last.index = input.number_near(&[last.index]);
                last.term = input.number_near(&[last.term]);
            }
            let (kind, data) = payload(input);
            Entry {
                term: last.term,
                index: last.index,
                kind,
                explicit: Explicit {
                    kind: kind == EntryKind::Normal && input.chance(4),
                    data: data.is_empty() && input.chance(4),
                },
                data,
            }
        })
        .collect()
}

fn payload(input: &mut Input) -> (EntryKind, Bytes) {
    match input.below(8) {
        0 => (
            EntryKind::ConfChangeV2,
            codec::encode_conf_change_v2(&conf_change(input)).into(),
        ),
        1 => {
            let change = ConfChange {
                id: input.any(),
                change: single(input),
                context: context(input),
            };
            (
                EntryKind::ConfChange,
                codec::encode_conf_change(&change).into(),
            )
        }
        2 => {
            let kind = input.choose(&[EntryKind::ConfChange, EntryKind::ConfChangeV2]);
            (kind, context(input))
        }
        _ => (EntryKind::Normal, context(input)),
    }
}

pub fn context(input: &mut Input) -> Bytes {
    let len = input.below(12);
    Bytes::copy_from_slice(input.bytes(len))
}

fn single(input: &mut Input) -> ConfChangeSingle {
    ConfChangeSingle {
        kind: input.choose(&[
            ConfChangeKind::AddNode,
            ConfChangeKind::RemoveNode,
            ConfChangeKind::UpdateNode,
            ConfChangeKind::AddLearnerNode,
        ]),
        node_id: match input.chance(16) {
            true => input.any(),
            false => input.below(7) as u64,
        },
    }
}

pub fn conf_change(input: &mut Input) -> ConfChangeV2 {
    ConfChangeV2 {
        transition: input.choose(&[
            ConfChangeTransition::Auto,
            ConfChangeTransition::JointImplicit,
            ConfChangeTransition::JointExplicit,
        ]),
        changes: (0..input.below(4)).map(|_| single(input)).collect(),
        context: context(input),
    }
}

/// Members 1 to 6, now and then others, in any combination.
pub fn conf_state(input: &mut Input) -> ConfState {
    fn members(input: &mut Input, bits: u8) -> Vec<NodeId> {
        let mut list: Vec<NodeId> = (0..6)
            .filter(|i| bits >> i & 1 == 1)
            .map(|i| i + 1)
            .collect();
        if bits >= 254 {
            list.push(input.any());
            list.sort_unstable();
            list.dedup();
        }
        list
    }
    let (voters, others) = (input.byte(), input.byte());
    let mut state = ConfState {
        voters: members(input, voters),
        learners: members(input, others & !voters),
        ..ConfState::default()
    };
    if input.chance(4) {
        let (outgoing, next) = (input.byte(), input.byte());
        state.voters_outgoing = members(input, outgoing);
        state.learners_next = members(input, next);
        state.auto_leave = input.bool();
    }
    state
}

fn snapshot(input: &mut Input, around: &Around) -> Box<Snapshot> {
    Box::new(Snapshot {
        id: id(input, around),
        conf_state: conf_state(input),
        data: context(input),
    })
}

fn ticket(input: &mut Input, around: &Around) -> Ticket {
    Ticket {
        incarnation: input.number_near(&[]),
        number: input.number_near(&[]),
        term: input.number_near(&around.terms),
    }
}

fn body(input: &mut Input, around: &Around) -> Body {
    match input.below(25) {
        0 | 1 => {
            let prev = id(input, around);
            Body::Append {
                entries: entries(input, prev).into(),
                prev,
                commit: index(input, around),
            }
        }
        2 => Body::Propose {
            entries: entries(input, EntryId::default()),
            ticket: input.bool().then(|| Box::new(ticket(input, around))),
        },
        3 => Body::Accept {
            index: index(input, around),
        },
        4 => Body::Outdated,
        5 => Body::Reject {
            index: index(input, around),
            hint: id(input, around),
        },
        6 => Body::RequestSnapshot {
            min_index: index(input, around),
        },
        7 => Body::RequestVote {
            pre: input.bool(),
            last: id(input, around),
            transfer: input.bool(),
            priority: input.any::<i8>().into(),
            reports: input.bool(),
        },
        8 | 9 => Body::Vote {
            pre: input.bool(),
            granted: input.bool(),
        },
        10 => Body::InstallSnapshot {
            snapshot: snapshot(input, around),
        },
        11 | 12 => Body::Heartbeat {
            commit: index(input, around),
            context: context(input),
        },
        13 => Body::HeartbeatResp {
            context: context(input),
        },
        14 => Body::ReadIndex {
            context: input.bool().then(|| context(input)),
            reports: input.bool(),
        },
        15 => Body::ReadIndexResp {
            index: index(input, around),
            context: input.bool().then(|| context(input)),
        },
        16 => Body::TransferLeader,
        17 => Body::TimeoutNow,
        18 => Body::ForgetLeader,
        19 => Body::ProposalDropped {
            ticket: Box::new(ticket(input, around)),
            reason: DropReason::NoLeader,
            entries: entries(input, EntryId::default()),
        },
        20 => Body::ReadDropped {
            reason: DropReason::ConfChangePending(index(input, around)),
            context: context(input),
        },
        21 => Body::Removed {
            as_of: index(input, around),
        },
        22 => Body::StorageAppendResp {
            last: input.bool().then(|| id(input, around)),
            snapshot: input.bool().then(|| snapshot(input, around)),
        },
        23 => Body::StorageApplyResp {
            entries: entries(input, EntryId::default()).into(),
        },
        _ => Body::StorageAppend(Box::new(StorageAppend {
            hard_state: None,
            entries: entries(input, EntryId::default()).into(),
            snapshot: input.bool().then(|| snapshot(input, around)),
            responses: vec![Message {
                to: around.id,
                from: LOCAL_APPEND,
                term: around.term,
                body: Body::Outdated,
            }],
        })),
    }
}
