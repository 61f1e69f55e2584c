//! `raft_conf_change`: changes of a cluster's members, between their bytes and their parts.

use bytes::Bytes;
use libraft_core::{
    ConfChange, ConfChangeKind, ConfChangeSingle, ConfChangeTransition, ConfChangeV2, EntryKind,
    codec,
};

use crate::bytes::{copied, raft_buffer, raft_bytes, slice};
use crate::entry::{entry_kind, pointer_to, raft_entry_type};
use crate::error::{Failure, raft_error};

/// One step of a configuration change: one of the RAFT_CONF_CHANGE_ numbers, which are those of
/// raftpb.ConfChangeType.
pub type raft_conf_change_type = i32;

/// Makes the node a voter.
pub const RAFT_CONF_CHANGE_ADD_NODE: raft_conf_change_type = 0;
/// Removes the node.
pub const RAFT_CONF_CHANGE_REMOVE_NODE: raft_conf_change_type = 1;
/// Leaves the members as they are; carries a new context for the host.
pub const RAFT_CONF_CHANGE_UPDATE_NODE: raft_conf_change_type = 2;
/// Makes the node a learner.
pub const RAFT_CONF_CHANGE_ADD_LEARNER_NODE: raft_conf_change_type = 3;

/// Whether, and how, a change goes through a joint configuration: one of the RAFT_TRANSITION_
/// numbers, which are those of raftpb.ConfChangeTransition.
pub type raft_transition = i32;

/// Directly if the change has one step, else as RAFT_TRANSITION_JOINT_IMPLICIT.
pub const RAFT_TRANSITION_AUTO: raft_transition = 0;
/// Through a joint configuration, which the leader leaves on its own.
pub const RAFT_TRANSITION_JOINT_IMPLICIT: raft_transition = 1;
/// Through a joint configuration, which the host leaves by proposing a change without steps.
pub const RAFT_TRANSITION_JOINT_EXPLICIT: raft_transition = 2;

/// One step of a configuration change and the node that it concerns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_conf_change_single {
    /// What happens.
    pub r#type: raft_conf_change_type,
    /// To whom. A step with node 0 does nothing.
    pub node_id: u64,
}

/// A decoded configuration change. It belongs to the caller, who frees it with
/// raft_conf_change_free().
#[repr(C)]
#[derive(Debug)]
pub struct raft_conf_change {
    /// Whether it goes through a joint configuration.
    pub transition: raft_transition,
    /// The steps; NULL when there are none.
    pub changes: *const raft_conf_change_single,
    /// How many there are; always 1 for RAFT_ENTRY_CONF_CHANGE.
    pub changes_len: usize,
    /// Data for the host's own use.
    pub context: raft_bytes,
    /// A number for the host's own use; 0 for RAFT_ENTRY_CONF_CHANGE_V2, which has none.
    pub id: u64,
}

export! {
    /// Decodes the data of an entry of type RAFT_ENTRY_CONF_CHANGE or RAFT_ENTRY_CONF_CHANGE_V2.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, another type),
    /// RAFT_ERR_MALFORMED.
    ///
    /// Memory: `data` is borrowed for the call. `out` belongs to the caller, who frees it with
    /// raft_conf_change_free().
    ///
    /// Threads: Any.
    try fn raft_conf_change_decode(
        entry_type: raft_entry_type,
        data: *const u8,
        len: usize,
        out: *mut *mut raft_conf_change,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `data[..len]`.
        let data = unsafe { copied(data, len, "data") }?;
        out.put(raft_conf_change::give(Change::decode(entry_type, data)?))
    }
}

export! {
    /// Frees a configuration change. NULL is ignored.
    ///
    /// Memory: `change` is gone, with all that it points to.
    ///
    /// Threads: No other thread uses it, or will.
    fn raft_conf_change_free(change: *mut raft_conf_change) {
        if !change.is_null() {
            // SAFETY: the caller passes what `raft_conf_change::give` made, once; the view is
            // the first field with C layout, and the pointer was made for all of it.
            let owned = unsafe { Box::from_raw(change.cast::<OwnedConfChange>()) };
            drop((owned.steps, owned.context));
        }
    }
}

export! {
    /// Encodes a change as raftpb.ConfChangeV2, for raft_node_propose_conf_change_encoded() with
    /// RAFT_ENTRY_CONF_CHANGE_V2. `changes` are `changes_len` steps, `context` is for the host's own
    /// use and comes back with the applied entry.
    ///
    /// Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, an unknown transition
    /// or type of step).
    ///
    /// Memory: `changes` and `context` are borrowed for the call. `out` belongs to the caller, who
    /// frees it with raft_buffer_free().
    ///
    /// Threads: Any.
    try fn raft_conf_change_encode(
        transition: raft_transition,
        changes: *const raft_conf_change_single,
        changes_len: usize,
        context: *const u8,
        context_len: usize,
        out: *mut *mut raft_buffer,
        error: *mut *mut raft_error,
    ) -> raft_status {
        // SAFETY: the caller vouches for `changes[..changes_len]`.
        let changes = unsafe { slice(changes, changes_len, "changes") }?;
        // SAFETY: the caller vouches for `context[..context_len]`.
        let context = unsafe { copied(context, context_len, "context") }?;
        let transition = match transition {
            RAFT_TRANSITION_AUTO => ConfChangeTransition::Auto,
            RAFT_TRANSITION_JOINT_IMPLICIT => ConfChangeTransition::JointImplicit,
            RAFT_TRANSITION_JOINT_EXPLICIT => ConfChangeTransition::JointExplicit,
            other => return Err(Failure::argument(format!(
                "{other} is no transition: pass one of the RAFT_TRANSITION_ numbers"
            ))),
        };
        let changes = changes
            .iter()
            .map(|step| single(step.r#type, step.node_id))
            .collect::<Result<_, _>>()?;
        let change = ConfChangeV2 { transition, changes, context };
        out.put(raft_buffer::give(codec::encode_conf_change_v2(&change)))
    }
}

/// A change in the form in which it was, or will be, an entry.
pub(crate) enum Change {
    V1(ConfChange),
    V2(ConfChangeV2),
}

impl Change {
    /// The kind of entry that a change is, from its number.
    pub(crate) fn kind(entry_type: raft_entry_type) -> Result<EntryKind, Failure> {
        match entry_kind(entry_type)? {
            EntryKind::Normal => Err(Failure::argument(
                "an entry of type RAFT_ENTRY_NORMAL is no configuration change: pass those of type \
                 RAFT_ENTRY_CONF_CHANGE or RAFT_ENTRY_CONF_CHANGE_V2",
            )),
            kind => Ok(kind),
        }
    }

    pub(crate) fn decode(entry_type: raft_entry_type, data: Bytes) -> Result<Change, Failure> {
        Ok(match Change::kind(entry_type)? {
            EntryKind::ConfChangeV2 => Change::V2(codec::decode_conf_change_v2(data)?),
            _ => Change::V1(codec::decode_conf_change(data)?),
        })
    }

    pub(crate) fn into_v2(self) -> ConfChangeV2 {
        match self {
            Change::V1(change) => change.into(),
            Change::V2(change) => change,
        }
    }
}

/// One step, its type checked.
pub(crate) fn single(
    number: raft_conf_change_type,
    node_id: u64,
) -> Result<ConfChangeSingle, Failure> {
    let kind = match number {
        RAFT_CONF_CHANGE_ADD_NODE => ConfChangeKind::AddNode,
        RAFT_CONF_CHANGE_REMOVE_NODE => ConfChangeKind::RemoveNode,
        RAFT_CONF_CHANGE_UPDATE_NODE => ConfChangeKind::UpdateNode,
        RAFT_CONF_CHANGE_ADD_LEARNER_NODE => ConfChangeKind::AddLearnerNode,
        other => {
            return Err(Failure::argument(format!(
                "{other} is no type of configuration change: pass one of the RAFT_CONF_CHANGE_ numbers"
            )));
        }
    };
    Ok(ConfChangeSingle { kind, node_id })
}

/// A view together with what it shows.
#[repr(C)]
struct OwnedConfChange {
    view: raft_conf_change,
    steps: Vec<raft_conf_change_single>,
    context: Bytes,
}

impl raft_conf_change {
    /// A change for the caller.
    fn give(change: Change) -> *mut raft_conf_change {
        let id = match &change {
            Change::V1(change) => change.id,
            Change::V2(_) => 0,
        };
        let ConfChangeV2 {
            transition,
            changes,
            context,
        } = change.into_v2();
        let steps: Vec<_> = changes
            .iter()
            .map(|step| raft_conf_change_single {
                r#type: step.kind as i32,
                node_id: step.node_id,
            })
            .collect();
        let view = raft_conf_change {
            transition: transition as i32,
            changes: pointer_to(&steps),
            changes_len: steps.len(),
            context: raft_bytes::of(&context),
            id,
        };
        Box::into_raw(Box::new(OwnedConfChange {
            view,
            steps,
            context,
        }))
        .cast()
    }
}
