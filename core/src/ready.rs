//! What a node asks of its host: one batch, taken with [`crate::Node::ready`].

use crate::entries::Entries;
use crate::event::{Dropped, Event};
use crate::message::Message;
use crate::types::{HardState, ReadRequest, ReadState, Snapshot, SnapshotRequest, SoftState};

/// One batch of work for the host.
///
/// In this order: persist `hard_state`, `entries` and `snapshot` (synced, if `must_sync`; a storage
/// that can't write them all at once writes the term and the vote first, then the snapshot, then
/// drops what is replaced in the log, then the entries, and the commit index last); send
/// `messages`; apply `snapshot`, then `committed_entries`; answer `reads` and
/// `snapshot_requests`; call [`crate::Node::advance`]. Requests may be answered at any later time
/// as well. With asynchronous storage writes, the messages to [`crate::LOCAL_APPEND`] and
/// [`crate::LOCAL_APPLY`] say what to persist and to apply, and there is no call to advance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Present when the leader or the role has changed. Need not be persisted.
    pub soft_state: Option<SoftState>,
    /// Present when it has changed; to be persisted before messages are sent.
    pub hard_state: Option<HardState>,
    /// Reads that may be served once their index is applied.
    pub read_states: Vec<ReadState>,
    /// To be appended to the stored log, replacing what it has from the first one's index on;
    /// before messages are sent.
    pub entries: Entries,
    /// To be persisted, replacing the stored log up to its index; before messages are sent.
    pub snapshot: Option<Snapshot>,
    /// To be applied to the state machine.
    pub committed_entries: Entries,
    /// To be sent, after what is above is persisted. For an
    /// [`crate::Body::InstallSnapshot`], report what became of it with
    /// [`crate::Node::report_snapshot`].
    pub messages: Vec<Message>,
    /// Whether `hard_state` and `entries` need a sync; false when only the commit index moved.
    pub must_sync: bool,
    /// Stored entries that the core needs.
    pub reads: Vec<ReadRequest>,
    /// Snapshots that the core needs.
    pub snapshot_requests: Vec<SnapshotRequest>,
    /// What this host was told was taken and will not happen: its configuration changes that the
    /// leader refused, its reads that a leader left unanswered; and, with
    /// [`crate::Config::peer_reports`], what other nodes have dropped. What may still happen is
    /// never here, and what a call has refused with an error is not either.
    pub dropped: Vec<Dropped>,
    /// What has happened since the last Ready, for hosts that count or log. Events alone make no
    /// Ready: they come along with the next one.
    pub events: Vec<Event>,
}

impl Ready {
    /// Forgets everything; the lists keep their room.
    #[inline]
    pub fn clear(&mut self) {
        self.clear_lists();
        (self.soft_state, self.hard_state, self.must_sync) = (None, None, false);
        self.entries.clear();
        self.committed_entries.clear();
    }

    /// Forgets all but the states and the entries, in whose place others come anyway.
    #[inline(always)]
    pub(crate) fn clear_lists(&mut self) {
        let Ready {
            soft_state: _,
            hard_state: _,
            read_states,
            entries: _,
            snapshot,
            committed_entries: _,
            messages,
            must_sync: _,
            reads,
            snapshot_requests,
            dropped,
            events,
        } = self;
        *snapshot = None;
        clear_messages(messages);
        // One look for all of these, which mostly are empty: 15 instructions less than one for each.
        let others = read_states.len() | reads.len() | snapshot_requests.len();
        if others | dropped.len() | events.len() != 0 {
            clear(read_states);
            clear(reads);
            clear(snapshot_requests);
            clear(dropped);
            clear(events);
        }
    }

    /// Whether there is nothing to do. Events are nothing to do.
    pub fn is_empty(&self) -> bool {
        // What nearly every Ready has comes first.
        self.messages.is_empty()
            && self.soft_state.is_none()
            && self.hard_state.is_none()
            && self.read_states.is_empty()
            && self.entries.is_empty()
            && self.snapshot.is_none()
            && self.committed_entries.is_empty()
            && self.reads.is_empty()
            && self.snapshot_requests.is_empty()
            && self.dropped.is_empty()
    }
}

/// The same as to clear it, in place of which each one is disposed of.
#[inline(always)]
fn clear_messages(list: &mut Vec<Message>) {
    while let Some(message) = list.pop() {
        message.dispose();
    }
}

/// Looks first: to clear a list that is empty costs 15 instructions, and most lists mostly are. Those that
/// are not are cleared out of the way, which leaves the others more registers.
#[inline(always)]
fn clear<T>(list: &mut Vec<T>) {
    if !list.is_empty() {
        drop_items(list);
    }
}

#[inline(never)]
fn drop_items<T>(list: &mut Vec<T>) {
    list.clear();
}
