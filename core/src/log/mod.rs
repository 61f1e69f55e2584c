//! The replicated log, as far as the core knows it.
//!
//! Indexes in order: `compacted <= applied <= applying <= committed <= last` and
//! `persisted <= in_progress <= last`. Entries that are not yet persisted or not yet applied are
//! in the window, and a leader's that a member lacks as long as there is room; what is below the window is the
//! host's to read back. The log asks for nothing by itself: it says what is missing ([`Fetch`]).

mod apply;
mod slice;
mod terms;
mod window;

use std::collections::VecDeque;

use apply::ApplyChunk;

use crate::boxed::Boxed;
use crate::entries::Entries;
use crate::error::{Error, Result};
use crate::types::{Entry, EntryId, Index, RestartState, Snapshot, Term};

pub use apply::{ApplyAhead, ApplyRead};
pub use slice::LogSlice;
pub use terms::{Terms, Unknown};
pub use window::{Budget, Window, encoded_len};

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_tests;

/// How much the log may hold and hand out, in encoded bytes.
#[derive(Clone, Copy, Debug)]
pub struct LogLimits {
    /// Committed entries handed out and not yet applied.
    pub applying_bytes: u64,
    /// Entries in memory that are persisted and applied, for others that lack them.
    pub cached_bytes: u64,
}

/// Entries, or where to get them from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Here they are; none if the range is empty.
    Entries(Entries),
    /// The host has to read `[low, high)`; what follows is in memory.
    Read {
        /// The first index.
        low: Index,
        /// The index after the last one.
        high: Index,
    },
}

/// The log of one node.
// Ordered as `Node` is: what it has to look at to find that there is nothing to do comes first.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Log {
    committed: Index,
    /// The last index that has been handed out to be applied.
    applying: Index,
    /// The last index that has been handed out to be persisted.
    in_progress: Index,
    /// A snapshot that has been accepted and isn't persisted yet. Apart, since there seldom is one.
    snapshot: Option<Box<Snapshot>>,
    snapshot_in_progress: bool,
    /// Nothing more is handed out before something has been applied.
    applying_paused: bool,
    /// Whether `committed` may be other than when this was last set back: see [`Log::commit_shown`].
    commit_moved: bool,
    /// Apart for the same reason.
    apply_read: Option<Box<ApplyRead>>,
    /// The last index that is on stable storage.
    persisted: Index,
    /// Others may yet need the entries from here on, none those before.
    wanted_from: Index,
    terms: Terms,
    window: Window,
    applied: Index,
    limits: LogLimits,
    /// The size of what is handed out and not yet applied.
    applying_bytes: u64,
    chunk: Boxed<ApplyChunk>,
    /// The indexes of configuration changes in `(applied, last]`.
    conf_changes: Boxed<VecDeque<Index>>,
    /// How many entries have been appended.
    appended: u64,
}

impl Log {
    /// The log that is in storage. All of it counts as persisted, and none is in memory.
    ///
    /// # Errors
    /// [`Error::InvalidRestartState`] if the numbers contradict each other.
    pub fn restore(state: &RestartState, limits: LogLimits) -> Result<Log> {
        let invalid = |why: &str| Error::InvalidRestartState(why.to_owned());
        let beyond = |what: &str, index: Index, last: Index| {
            Error::InvalidRestartState(format!(
                "the {what} index, {index}, is beyond the last, {last}"
            ))
        };
        let (compacted, last) = (state.compacted, state.last_index);
        if last > crate::MAX_POSITION {
            return Err(invalid("the last index is out of bounds"));
        }
        let terms = Terms::restore(compacted, last, &state.term_runs).map_err(invalid)?;
        if state.hard_state.commit > last {
            return Err(beyond("commit", state.hard_state.commit, last));
        }
        if state.applied > last {
            return Err(Error::InvalidRestartState(format!(
                "the applied index, {}, is beyond the last, {last}: a state machine that is ahead of the \
                 log starts at its last index, and passes over what it has",
                state.applied
            )));
        }
        // The commit index is persisted without a sync, so that it may lag behind what has been
        // applied or compacted; both imply that it was committed.
        let applied = state.applied.max(compacted.index);
        let committed = state.hard_state.commit.max(applied);
        let ascending = state.conf_changes.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || state.conf_changes.last().is_some_and(|&index| index > last) {
            return Err(invalid("the configuration changes are not in the log"));
        }
        let conf_changes = state.conf_changes.iter().copied();
        let unapplied: VecDeque<Index> = conf_changes.filter(|&index| index > applied).collect();
        Ok(Log {
            terms,
            window: Window::at(last + 1),
            snapshot: None,
            snapshot_in_progress: false,
            commit_moved: false,
            persisted: last,
            in_progress: last,
            committed,
            applying: applied,
            applied,
            wanted_from: Index::MAX,
            limits,
            applying_bytes: 0,
            applying_paused: false,
            chunk: Boxed::default(),
            apply_read: None,
            appended: 0,
            conf_changes: unapplied.into(),
        })
    }

    // What there is.

    /// The first index that has not been compacted.
    pub fn first_index(&self) -> Index {
        self.terms.compacted().index + 1
    }

    /// The last index.
    pub fn last_index(&self) -> Index {
        self.terms.last_index()
    }

    /// The last entry.
    pub fn last(&self) -> EntryId {
        self.terms.last()
    }

    /// The highest index known to be committed.
    pub fn committed(&self) -> Index {
        self.committed
    }

    /// The last index that the host has applied.
    pub fn applied(&self) -> Index {
        self.applied
    }

    /// The last index on stable storage.
    pub fn persisted(&self) -> Index {
        self.persisted
    }

    /// The last index that has been handed out to be applied.
    pub fn applying(&self) -> Index {
        self.applying
    }

    /// How many entries have been appended since the node was made.
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// The first entry that is in memory, or the next one to be if none is.
    pub fn in_memory_from(&self) -> Index {
        self.window.first_index()
    }

    /// For how many batches and single entries there is room.
    #[cfg(test)]
    pub fn room(&self) -> usize {
        self.window.capacity() + self.window.gathered_capacity()
    }

    /// The bytes of entries in memory.
    #[cfg(test)]
    pub fn cached_bytes(&self) -> u64 {
        self.window.bytes()
    }

    /// The term of an entry.
    pub fn term(&self, index: Index) -> std::result::Result<Term, Unknown> {
        self.terms.term(index)
    }

    /// Whether the log holds this entry.
    pub fn matches(&self, id: EntryId) -> bool {
        self.term(id.index) == Ok(id.term)
    }

    /// Whether a log that ends with `theirs` is at least as up-to-date as this one (paper §5.4.1).
    pub fn is_up_to_date(&self, theirs: EntryId) -> bool {
        let mut ours = self.last();
        if mutant!(CompactedLogsCompareAsEmpty) && ours == self.terms.compacted() {
            ours.term = 0;
        }
        (theirs.term, theirs.index) >= (ours.term, ours.index)
    }

    /// See [`Terms::find_conflict_by_term`].
    pub fn find_conflict_by_term(&self, index: Index, term: Term) -> EntryId {
        self.terms.find_conflict_by_term(index, term)
    }

    /// Whether a committed configuration change has not been applied yet.
    pub fn has_unapplied_conf_change(&self) -> bool {
        let first = self.conf_changes.get().and_then(VecDeque::front);
        first.is_some_and(|&index| index <= self.committed)
    }

    // Growing.

    /// Appends a batch of entries, replacing what is there from the first one's index on. They come
    /// after all that is committed.
    #[inline]
    pub fn append(&mut self, entries: Entries) {
        let (in_progress, persisted) = (self.in_progress, self.persisted);
        let Some(first) = entries.first() else {
            return;
        };
        self.truncate_from(first.index);
        self.note_next(&entries);
        self.window.push(entries);
        if mutant!(ReplacedEntriesComeBack) && in_progress > persisted {
            self.in_progress = in_progress.min(self.last_index());
        }
    }

    /// Appends entries of the newest term at the end, and takes them out of the list. They become a
    /// batch when somebody first looks at them.
    #[inline]
    pub fn gather(&mut self, term: Term, entries: &mut [Entry]) {
        // What `note_next` does, in one pass: a call of it behind this loop is 26 instructions for each.
        for (index, entry) in (self.last_index() + 1..).zip(entries.iter_mut()) {
            (entry.term, entry.index) = (term, index);
            if entry.is_conf_change() {
                self.conf_changes.make().push_back(index);
            }
        }
        self.terms.extend(entries);
        self.appended += entries.len() as u64;
        self.window.gather(entries);
    }

    fn note_next(&mut self, entries: &[Entry]) {
        self.terms.extend(entries);
        for change in entries.iter().filter(|entry| entry.is_conf_change()) {
            self.conf_changes.make().push_back(change.index);
        }
        self.appended += entries.len() as u64;
    }

    fn truncate_from(&mut self, index: Index) {
        assert!(
            index > self.committed,
            "committed entries are never replaced"
        );
        if index > self.last_index() {
            return;
        }
        self.terms.truncate_from(index);
        self.window.truncate_from(index);
        self.persisted = self.persisted.min(index - 1);
        self.in_progress = self.in_progress.min(index - 1);
        if let Some(changes) = self.conf_changes.get_mut() {
            while changes.back().is_some_and(|&change| change >= index) {
                changes.pop_back();
            }
        }
    }

    /// A follower's part of the consistency check (paper §5.3): appends what is new in the slice
    /// if the log holds what comes before it. Returns the last index that now agrees with the
    /// leader's log.
    #[inline(always)]
    pub fn maybe_append(&mut self, slice: LogSlice, commit: Index) -> Option<Index> {
        if !self.matches(slice.prev()) {
            return None;
        }
        let last = slice.last_index();
        // Entries that agree stay untouched, were the slice stale and shorter than the log: a
        // response to them may be on its way.
        let conflict = slice
            .entries()
            .iter()
            .find(|entry| !self.matches(entry.id()) || mutant!(AgreeingEntriesAreReplaced));
        if let Some(first) = conflict.map(|entry| entry.index) {
            self.append(slice.into_entries_from(first));
        }
        self.commit_to(commit.min(last));
        Some(last)
    }

    /// Replaces the whole log by a snapshot of what is committed (paper §7).
    pub fn install(&mut self, snapshot: Snapshot) {
        let id = snapshot.id;
        self.set_committed(id.index);
        self.terms = Terms::after(id);
        self.window = Window::at(id.index + 1);
        self.persisted = id.index;
        self.in_progress = id.index;
        self.conf_changes.free();
        self.chunk.free();
        self.apply_read = None;
        self.snapshot = Some(Box::new(snapshot));
        self.snapshot_in_progress = false;
    }

    /// Begins a log in which `entries` are committed from the start.
    pub fn bootstrap(&mut self, entries: Vec<Entry>) {
        self.append(entries.into());
        self.set_committed(self.last_index());
    }

    // Committing.

    /// Moves the commit index up, never down.
    #[inline]
    pub fn commit_to(&mut self, index: Index) {
        assert!(
            index <= self.last_index(),
            "only what the log holds can be committed"
        );
        if index > self.committed {
            self.set_committed(index);
        }
    }

    fn set_committed(&mut self, index: Index) {
        self.committed = index;
        self.commit_moved = true;
    }

    /// Whether the commit index may have moved since the host was last shown it.
    pub fn has_commit_moved(&self) -> bool {
        self.commit_moved
    }

    /// The host is shown the commit index.
    pub fn commit_shown(&mut self) {
        self.commit_moved = false;
    }

    /// Moves the commit index up to an entry, if that is the one that the log holds there.
    pub fn maybe_commit(&mut self, id: EntryId) -> bool {
        let news = id.term != 0 && id.index > self.committed && self.matches(id);
        if news {
            self.commit_to(id.index);
        }
        news
    }

    // Persisting.

    /// The entries that have not been handed out to be persisted.
    #[inline(always)]
    pub fn next_to_persist(&mut self) -> Entries {
        self.window
            .range(self.in_progress + 1, self.last_index() + 1)
    }

    /// Whether there are any.
    pub fn has_next_to_persist(&self) -> bool {
        self.in_progress < self.last_index()
    }

    /// Whether anything is not on stable storage yet.
    pub fn has_unstable(&self) -> bool {
        self.persisted < self.last_index()
    }

    /// A snapshot that has not been handed out to be persisted.
    pub fn next_snapshot(&self) -> Option<&Snapshot> {
        self.snapshot
            .as_deref()
            .filter(|_| !self.snapshot_in_progress)
    }

    /// Whether a snapshot is not on stable storage yet.
    pub fn has_unstable_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// All entries, and the snapshot, have been handed out to be persisted.
    pub fn accept_unstable(&mut self) {
        self.in_progress = self.last_index();
        self.snapshot_in_progress = self.snapshot.is_some();
    }

    /// The log was on stable storage up to `id` at some time. That counts if it still holds that
    /// entry: it may have been replaced since.
    #[inline(always)]
    pub fn persisted_to(&mut self, id: EntryId) {
        if self.matches(id) {
            self.persisted = self.persisted.max(id.index);
            self.in_progress = self.in_progress.max(id.index);
            self.evict();
        }
    }

    /// The snapshot of this index is on stable storage.
    pub fn snapshot_persisted(&mut self, index: Index) {
        if self
            .snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.id.index == index)
        {
            self.snapshot = None;
            self.snapshot_in_progress = false;
        }
    }

    // Sending.

    /// Others may yet need the entries from this one on: they are kept in memory as far as the limit
    /// allows. What all have, or whatever a node has that does not lead, is dropped once it is persisted
    /// and applied.
    #[inline]
    pub fn keep_from(&mut self, index: Index) {
        if index != self.wanted_from {
            self.wanted_from = index;
            self.evict();
        }
    }

    /// Whether all entries from this one on are in memory.
    pub fn is_at_hand(&self, index: Index) -> bool {
        index >= self.window.first_index()
    }

    /// Entries from `low` on, as many as fit into `max_bytes` but at least one. The log holds
    /// what comes before `low`.
    #[inline]
    pub fn fetch(&mut self, low: Index, max_bytes: u64) -> Fetch {
        let high = self.last_index() + 1;
        if low < high && low < self.window.first_index() {
            return Fetch::Read {
                low,
                high: self.window.first_index(),
            };
        }
        let mut budget = Budget::new(max_bytes);
        Fetch::Entries(self.window.range_within(low, high, &mut budget))
    }

    /// Entries `[low, high)` from the window, none if it does not reach back that far.
    #[inline(always)]
    fn in_memory(&mut self, low: Index, high: Index, budget: &mut Budget) -> Entries {
        match self.window.first_index() <= low {
            true => self.window.range_within(low, high, budget),
            false => Entries::new(),
        }
    }

    /// Entries that were read back, cut to `max_bytes` and continued with what is in memory.
    pub fn extend(&mut self, read: Vec<Entry>, max_bytes: u64) -> Entries {
        let mut budget = Budget::new(max_bytes);
        let mut entries = read;
        let fits = entries
            .iter()
            .take_while(|entry| budget.take(entry))
            .count();
        entries.truncate(fits);
        if let Some(next) = entries.last().map(|entry| entry.index + 1) {
            let high = self.last_index() + 1;
            entries.extend_from_slice(&self.in_memory(next, high, &mut budget));
        }
        entries.into()
    }

    /// Whether these are the entries that the log holds from `low` on, at most up to `high`.
    pub fn is_answer(&self, low: Index, high: Index, entries: &[Entry]) -> bool {
        !entries.is_empty()
            && entries.len() as u64 <= high - low
            && (low..)
                .zip(entries)
                .all(|(index, entry)| entry.index == index && self.matches(entry.id()))
    }

    // Forgetting.

    /// The host has dropped the entries below `first_index`. Only what is applied can go.
    pub fn compact(&mut self, first_index: Index) -> Result<()> {
        if first_index <= self.first_index() {
            return Ok(());
        }
        if first_index > self.applied + 1 {
            return Err(Error::Misuse(
                "only applied entries can be compacted: tell of a lower first index",
            ));
        }
        self.terms.compact(first_index);
        self.window.drop_below(first_index);
        Ok(())
    }

    /// The node has come to rest: lists with nothing in them give back their room.
    pub fn give_back_room(&mut self) {
        self.window.give_back_room();
        if self.conf_changes.get().is_some_and(VecDeque::is_empty) {
            self.conf_changes.free();
        }
    }

    #[inline(always)]
    fn evict(&mut self) {
        let needed = self.persisted.min(self.applied) + 1;
        let max_bytes = self.limits.cached_bytes;
        self.window.evict(self.wanted_from, needed, max_bytes);
    }

    /// Checks the order of the indexes.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self) -> std::result::Result<(), &'static str> {
        let compacted = self.terms.compacted().index;
        let ensure = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
        ensure(
            self.snapshot.is_some() || compacted <= self.applied,
            "compacted <= applied",
        )?;
        ensure(self.applied <= self.applying, "applied <= applying")?;
        ensure(self.applying <= self.committed, "applying <= committed")?;
        ensure(self.committed <= self.last_index(), "committed <= last")?;
        ensure(
            self.persisted <= self.in_progress,
            "persisted <= in_progress",
        )?;
        ensure(self.in_progress <= self.last_index(), "in_progress <= last")?;
        ensure(
            self.window.next_index() == self.last_index() + 1,
            "the window ends with the log",
        )?;
        let read = self.read_back().next();
        ensure(
            read.is_none_or(|entry| entry.index == self.applying + 1),
            "what was read back is applied next",
        )?;
        ensure(
            self.window.first_index() <= self.persisted + 1,
            "what is not persisted is in the window",
        )
    }
}

/// The size of entries' payloads alone.
pub fn payload_len(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.data.len() as u64).sum()
}
