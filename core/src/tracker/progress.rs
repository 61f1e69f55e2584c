//! One member, as the leader sees it.

use std::collections::VecDeque;

use super::{InflightLimits, Inflights};
use crate::types::{Index, NodeId, RequestId};

/// What the leader knows of one member and how it sends to it.
///
/// Always `match_index < next_index`: entries `[1, match_index]` are known to be there,
/// `[match_index + 1, next_index)` are on their way, `[next_index, ..)` are still to be sent.
// Ordered as `Node` is: what a heartbeat and its answer need comes first, and ends with the beginning of `flow`.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Progress {
    /// The member.
    pub id: NodeId,
    /// The last index known to be on its stable storage.
    pub match_index: Index,
    /// The highest commit index that is on its way to it.
    sent_commit: Index,
    /// Whether it has been heard from since the last check of the quorum.
    pub recent_active: bool,
    /// Whether sending waits for an answer. As a probe: an append is out, or sending has failed, and an answer or a
    /// heartbeat's is waited for. In replication: the window was full after the last append; a heartbeat's answer
    /// clears this, so that a window full of lost appends is found out. Never during a snapshot.
    paused: bool,
    /// Whether it has no vote.
    pub is_learner: bool,
    /// Whether it votes in either half of the configuration; the second one is empty unless that
    /// is joint.
    pub votes_in: [bool; 2],
    /// What the next Ready has to send to it, if appends are coalesced, besides what all are to get:
    /// `Leader::need_of` is the whole of it.
    pub need: Need,
    /// How it is sent to.
    pub flow: Flow,
    /// The next index to send.
    pub next_index: Index,
    /// What the host has been asked on its behalf, what waits for that, and what the member has asked for. Apart,
    /// since there seldom is anything: a member is 104 bytes less.
    waiting: Option<Box<Waiting>>,
    /// How much may be on its way to it.
    pub limits: InflightLimits,
}

/// What waits for the host.
#[derive(Clone, Debug, Default)]
struct Waiting {
    /// The member has asked for a snapshot of at least this index. It takes no entries until it
    /// has one.
    wanted_snapshot: Option<Index>,
    request: Option<PendingRequest>,
    /// What else was to be sent meanwhile, before the host's next Ready.
    late_sends: VecDeque<LateSend>,
}

/// How the leader sends to a member (etcd's progress states).
#[derive(Clone, Debug)]
pub enum Flow {
    /// One append at a time, until an answer shows where the logs agree.
    Probe,
    /// Appends follow each other without waiting.
    Replicate {
        /// Those on their way.
        inflights: Inflights,
    },
    /// Nothing is sent before the member has the snapshot of this index.
    Snapshot {
        /// The last index that the snapshot includes.
        index: Index,
    },
}

/// What a coalesced append has to bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nothing.
    #[default]
    Nothing,
    /// New entries, if there are any.
    Entries,
    /// At least one append, were it empty: the commit index has moved, or a probe is due.
    Append,
}

/// A request to the host on behalf of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingRequest {
    /// Names it in the answer.
    pub id: RequestId,
    /// What was asked for.
    pub range: RequestedRange,
    /// The node's tick count at the time; an answer that stays out is asked for again.
    pub asked_at: u64,
    /// Whether the append that the answer brings is to be followed by as many more as flow control allows.
    pub more: bool,
    /// What there was to send.
    pub horizon: Horizon,
}

/// An append that was to be sent while a request was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateSend {
    /// Names the place that is held for it.
    pub place: RequestId,
    /// Whether it is to be sent without entries.
    pub if_empty: bool,
    /// Whether it is to be followed by as many more as flow control allows.
    pub more: bool,
    /// What there was to send.
    pub horizon: Horizon,
}

/// How far the leader's log went, and what of it was committed, at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// The last index.
    pub last: Index,
    /// The commit index.
    pub commit: Index,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedRange {
    /// Entries `[low, high)`.
    Entries {
        /// The first index.
        low: Index,
        /// The index after the last one.
        high: Index,
    },
    /// A snapshot.
    Snapshot {
        /// The lowest index that will do.
        min_index: Index,
    },
}

impl Progress {
    /// A member of whom nothing is known yet, nor what it is.
    pub fn unknown(id: NodeId, next_index: Index, limits: InflightLimits) -> Progress {
        Progress {
            id,
            match_index: 0,
            next_index,
            flow: Flow::Probe,
            recent_active: false,
            paused: false,
            is_learner: false,
            votes_in: [false; 2],
            limits,
            need: Need::Nothing,
            waiting: None,
            sent_commit: 0,
        }
    }

    /// Starts to look for the place where the logs agree.
    pub fn become_probe(&mut self) {
        self.next_index = match self.flow {
            // The snapshot may have arrived although no answer did.
            Flow::Snapshot { index } => self.match_index.max(index) + 1,
            _ => self.match_index + 1,
        };
        self.enter(Flow::Probe);
        self.lower_sent_commit();
    }

    /// Starts to stream from the place where the logs agree.
    pub fn become_replicate(&mut self) {
        self.next_index = self.match_index + 1;
        self.enter(Flow::Replicate {
            inflights: Inflights::default(),
        });
    }

    /// Waits for the member to install a snapshot.
    pub fn become_snapshot(&mut self, index: Index) {
        self.next_index = index + 1;
        self.sent_commit = index;
        self.enter(Flow::Snapshot { index });
        self.keep_wanted_snapshot(|wanted| wanted > index);
    }

    /// The member asks for a snapshot of at least `min_index`. Returns whether that is news: a
    /// member that has acknowledged more since has given up waiting, and a snapshot may be on its
    /// way.
    pub fn want_snapshot(&mut self, min_index: Index) -> bool {
        let on_its_way = matches!(self.flow, Flow::Snapshot { index } if index >= min_index);
        if min_index < self.match_index || on_its_way {
            return false;
        }
        let wanted = self.wanted_snapshot().unwrap_or(0).max(min_index);
        self.waiting.get_or_insert_default().wanted_snapshot = Some(wanted);
        if matches!(self.flow, Flow::Replicate { .. }) {
            self.become_probe();
        }
        self.resume();
        // What has been asked of the host doesn't help any more, unless it is just that.
        let helps =
            |range| matches!(range, RequestedRange::Snapshot { min_index } if min_index >= wanted);
        if let Some(waiting) = &mut self.waiting {
            waiting.request.take_if(|request| !helps(request.range));
        }
        self.drop_waiting_if_empty();
        true
    }

    /// A snapshot did not arrive: probes from what is known to be there.
    pub fn snapshot_failed(&mut self) {
        self.flow = Flow::Probe;
        self.become_probe();
    }

    fn enter(&mut self, flow: Flow) {
        self.flow = flow;
        self.paused = false;
        self.stop_waiting();
    }

    /// Notes that an append with so many entries has left.
    pub fn sent_entries(&mut self, entries: usize, bytes: u64) {
        match &mut self.flow {
            Flow::Replicate { inflights } => {
                if entries > 0 {
                    self.next_index += entries as u64;
                    inflights.add(self.next_index - 1, bytes);
                }
                self.paused = inflights.is_full(self.limits);
            }
            Flow::Probe => self.paused |= entries > 0,
            Flow::Snapshot { .. } => debug_assert!(false, "nothing is sent during a snapshot"),
        }
    }

    /// Notes that a commit index has left.
    pub fn sent_commit(&mut self, commit: Index) {
        self.sent_commit = commit;
    }

    /// Whether the member can learn something from this commit index: it is news, and not all of
    /// it was beyond the entries that have been sent.
    pub fn can_bump_commit(&self, commit: Index) -> bool {
        commit > self.sent_commit && self.sent_commit < self.next_index - 1
    }

    /// The member acknowledges everything up to `index`. Returns whether that is news.
    pub fn maybe_update(&mut self, index: Index) -> bool {
        if index <= self.match_index {
            return false;
        }
        self.match_index = index;
        // It takes entries again: it has given up waiting for a snapshot.
        self.keep_wanted_snapshot(|wanted| wanted >= index);
        self.next_index = self.next_index.max(index + 1);
        self.resume();
        true
    }

    /// The member has refused an append whose `prev` was `rejected`, and the logs may agree at
    /// `hint`. Returns whether that is news: stale refusals must not move anything, or they
    /// would drag `next_index` down again and again.
    pub fn maybe_decrease(&mut self, rejected: Index, hint: Index) -> bool {
        match &mut self.flow {
            Flow::Replicate { .. } => {
                if rejected <= self.match_index {
                    return false;
                }
                self.next_index = self.match_index + 1;
            }
            Flow::Probe | Flow::Snapshot { .. } => {
                // A probe's refusal must be that of the last probe.
                if self.next_index - 1 != rejected {
                    return false;
                }
                let least = self.match_index + 1;
                let least = if mutant!(LateRefusalsMoveNext) {
                    1
                } else {
                    least
                };
                self.next_index = rejected.min(hint + 1).max(least);
                self.resume();
            }
        }
        self.lower_sent_commit();
        true
    }

    /// Something has been heard, or a heartbeat answered: one more append may go out.
    pub fn resume(&mut self) {
        self.paused = false;
    }

    /// Waits for a heartbeat's answer before the next probe.
    pub fn pause_probe(&mut self) {
        if matches!(self.flow, Flow::Probe) {
            self.paused = true;
        }
    }

    /// Whether sending waits for something of the host: entries that are to be read, or a snapshot.
    pub fn waits_for_host(&self) -> bool {
        self.has_request() || self.wanted_snapshot().is_some()
    }

    /// Whether the host has been asked for something on its behalf.
    pub fn has_request(&self) -> bool {
        self.request().is_some()
    }

    /// What the host has been asked.
    pub fn request(&self) -> Option<&PendingRequest> {
        self.waiting.as_ref()?.request.as_ref()
    }

    /// The same, to be changed.
    pub fn request_mut(&mut self) -> Option<&mut PendingRequest> {
        self.waiting.as_mut()?.request.as_mut()
    }

    /// Notes what the host has been asked.
    pub fn set_request(&mut self, request: PendingRequest) {
        self.waiting.get_or_insert_default().request = Some(request);
    }

    /// The host has answered, or there is no use for its answer.
    pub fn take_request(&mut self) -> Option<PendingRequest> {
        let request = self.waiting.as_mut()?.request.take();
        self.drop_waiting_if_empty();
        request
    }

    /// Puts off a send until the host has answered.
    pub fn push_late_send(&mut self, late: LateSend) {
        self.waiting
            .get_or_insert_default()
            .late_sends
            .push_back(late);
    }

    /// The first send that was put off.
    pub fn pop_late_send(&mut self) -> Option<LateSend> {
        let late = self.waiting.as_mut()?.late_sends.pop_front();
        self.drop_waiting_if_empty();
        late
    }

    /// Forgets the sends that were put off. Returns whether there were any.
    pub fn drop_late_sends(&mut self) -> bool {
        let late = self
            .waiting
            .as_mut()
            .map(|waiting| std::mem::take(&mut waiting.late_sends));
        self.drop_waiting_if_empty();
        late.is_some_and(|late| !late.is_empty())
    }

    /// So that members that are alike are equal.
    fn drop_waiting_if_empty(&mut self) {
        self.waiting.take_if(|waiting| {
            waiting.wanted_snapshot.is_none()
                && waiting.request.is_none()
                && waiting.late_sends.is_empty()
        });
    }

    /// The host need not answer any more. What the member has asked for is still to come.
    pub fn stop_waiting(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            waiting.request = None;
            waiting.late_sends.clear();
            self.drop_waiting_if_empty();
        }
    }

    /// The snapshot that the member has asked for: one of at least this index.
    pub fn wanted_snapshot(&self) -> Option<Index> {
        self.waiting.as_ref()?.wanted_snapshot
    }

    /// The member still asks for that only if this holds.
    #[inline]
    fn keep_wanted_snapshot(&mut self, holds: impl Fn(Index) -> bool) {
        if let Some(waiting) = &mut self.waiting {
            waiting.wanted_snapshot.take_if(|wanted| !holds(*wanted));
            self.drop_waiting_if_empty();
        }
    }

    /// Whether sending waits for an answer.
    pub fn is_paused(&self) -> bool {
        self.paused || matches!(self.flow, Flow::Snapshot { .. })
    }

    /// Whether it has everything, in a log that ends with `index`, and nothing waits to be sent to it.
    pub fn has_all_at(&self, index: Index) -> bool {
        self.match_index == index && self.need == Need::Nothing && !self.waits_for_host()
    }

    /// Whether besides there is nothing to say to it but that the leader lives: see `Rest::index`.
    pub fn rests_at(&self, index: Index) -> bool {
        let streams = matches!(self.flow, Flow::Replicate { .. }) && !self.paused;
        let knows = self.sent_commit == index && self.next_index == index + 1;
        self.has_all_at(index) && streams && knows && self.recent_active
    }

    /// Whether as much is on its way as may be.
    pub fn is_window_full(&self) -> bool {
        match &self.flow {
            Flow::Replicate { inflights } => inflights.is_full(self.limits),
            Flow::Probe | Flow::Snapshot { .. } => false,
        }
    }

    /// What was sent beyond `next_index` may be lost: so may the commit index with it.
    fn lower_sent_commit(&mut self) {
        self.sent_commit = self.sent_commit.min(self.next_index - 1);
    }
}
