//! What both storages know of the log without its entries: the cursors, the terms, the places of
//! configuration changes. Each change is checked here, and made on a copy, so that a storage
//! takes it over only once it is written.
//!
//! It holds no payload and does no I/O. Its size grows with the number of terms and of
//! configuration changes in the log, not with the number of entries.

use std::sync::Arc;

use libraft_core::{
    ConfState, Entries, Entry, EntryId, HardState, Index, MAX_POSITION, NodeId, RestartState,
    Snapshot, Term, TermRun,
};

use crate::{
    error::{Error, Result},
    shared::Shared,
    storage::Update,
};

/// The log's outline. Copying it is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogState {
    pub hard_state: HardState,
    /// The last entry in the newest snapshot.
    pub snapshot_id: EntryId,
    /// The configuration in the newest snapshot.
    pub conf_state: StoredConf,
    /// The entry before the log's first.
    pub compacted: EntryId,
    pub last_index: Index,
    /// The terms of `(compacted.index, last_index]`.
    pub term_runs: Shared<TermRun>,
    /// Where configuration changes are, in `(compacted.index, last_index]`.
    pub conf_changes: Shared<Index>,
}

/// A configuration. With voters alone, as nearly always, it takes 100 bytes less than a [`ConfState`]: a host
/// may have very many groups in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoredConf {
    Voters(Arc<[NodeId]>),
    /// Of which something else than the voters is set.
    Other(Arc<ConfState>),
}

impl Default for StoredConf {
    fn default() -> StoredConf {
        StoredConf::Voters(Arc::default())
    }
}

impl From<ConfState> for StoredConf {
    fn from(state: ConfState) -> StoredConf {
        match state == ConfState::of_voters(state.voters.iter().copied()) {
            true => StoredConf::Voters(state.voters.into()),
            false => StoredConf::Other(Arc::new(state)),
        }
    }
}

impl StoredConf {
    /// The configuration as others have it.
    pub fn to_conf_state(&self) -> ConfState {
        match self {
            StoredConf::Voters(voters) => ConfState {
                voters: voters.to_vec(),
                ..ConfState::default()
            },
            StoredConf::Other(state) => ConfState::clone(state),
        }
    }
}

/// The outcome of an update that is sound.
pub(crate) struct Staged {
    pub state: LogState,
    /// Whether the old log is gone before anything is appended.
    pub restored: bool,
    /// The entries that are really to be appended.
    pub entries: Entries,
    /// Stored entries from here on are replaced.
    pub truncate_from: Option<Index>,
}

/// What an update's entries do to the log.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    /// So many of the first ones are not appended, being below the log's first index.
    pub skipped: usize,
    /// Stored entries from here on are replaced.
    pub truncate_from: Option<Index>,
}

impl LogState {
    pub fn first_index(&self) -> Index {
        self.compacted.index + 1
    }

    pub fn is_fresh(&self) -> bool {
        *self == LogState::default()
    }

    #[inline]
    pub fn term(&self, index: Index) -> Result<Term> {
        // Nearly every look-up is of the last entry, by who appends the next.
        match self.term_runs.last() {
            Some(run) if run.first_index <= index && index <= self.last_index => Ok(run.term),
            _ => self.earlier_term(index),
        }
    }

    #[inline(never)]
    fn earlier_term(&self, index: Index) -> Result<Term> {
        if index < self.compacted.index {
            return Err(Error::Compacted);
        }
        if index > self.last_index {
            return Err(Error::Unavailable);
        }
        if index == self.compacted.index {
            return Ok(self.compacted.term);
        }
        let later = self
            .term_runs
            .partition_point(|run| run.first_index <= index);
        Ok(self.term_runs[later - 1].term)
    }

    /// What holds of every outline, for one that comes from a disk. All that is computed from an
    /// outline counts on it.
    ///
    /// # Errors
    /// A sentence that says what doesn't.
    pub fn check(&self) -> std::result::Result<(), &'static str> {
        let ensure = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
        let EntryId { term, index } = self.compacted;
        ensure(
            index <= self.last_index && self.last_index <= MAX_POSITION && term <= MAX_POSITION,
            "the log ends before it begins, or nowhere",
        )?;
        ensure(
            self.snapshot_id.index >= index && self.snapshot_id.index <= MAX_POSITION,
            "no snapshot stands for what is compacted",
        )?;
        let mut before = TermRun {
            first_index: index,
            term,
        };
        let first = self.term_runs.first().map(|run| run.first_index);
        let expected = (index < self.last_index).then_some(index + 1);
        ensure(first == expected, "the terms are not those of the log")?;
        for (place, run) in self.term_runs.iter().enumerate() {
            let rises = before.term < run.term || (place == 0 && before.term == run.term);
            ensure(
                rises && before.first_index < run.first_index,
                "the terms fall",
            )?;
            before = *run;
        }
        ensure(
            before.first_index <= self.last_index && before.term <= MAX_POSITION,
            "there are terms beyond the log",
        )?;
        let mut before = index;
        for &change in self.conf_changes.iter() {
            let follows = before < change && change <= self.last_index;
            ensure(follows, "there are changes beyond the log")?;
            before = change;
        }
        Ok(())
    }

    /// Whether `[low, high)` is in the log.
    pub fn check_range(&self, low: Index, high: Index) -> Result<()> {
        if low > high {
            return Err(Error::Invalid(format!(
                "the range [{low}, {high}) is reversed"
            )));
        }
        if low <= self.compacted.index {
            return Err(Error::Compacted);
        }
        if high > self.last_index + 1 {
            return Err(Error::Unavailable);
        }
        Ok(())
    }

    /// Checks an update, and works out the state after it.
    pub fn stage(&self, update: &Update<'_>) -> Result<Staged> {
        let mut state = self.clone();
        let Growth {
            skipped,
            truncate_from,
        } = state.take(update)?;
        Ok(Staged {
            state,
            restored: update.snapshot.is_some(),
            entries: update.entries.slice(skipped..),
            truncate_from,
        })
    }

    /// Becomes the state after an update. Returns what becomes of its entries.
    ///
    /// On an error, an update with a snapshot may have been taken in part; any other has changed
    /// nothing.
    #[inline(always)]
    pub fn take(&mut self, update: &Update<'_>) -> Result<Growth> {
        let state = self;
        if let Some(snapshot) = update.snapshot {
            if snapshot.is_empty() {
                return Err(Error::SnapshotOutOfDate);
            }
            state.restore(snapshot)?;
        }
        let mut growth = Growth::default();
        let all: &[Entry] = update.entries;
        if let [first, ..] = all {
            let has_changes = check_contiguous(all)?;
            let (first_index, next_index) = (state.first_index(), state.last_index + 1);
            let below = first_index.saturating_sub(first.index) as usize;
            growth.skipped = below.min(all.len());
            if let entries @ [first, ..] = &all[growth.skipped..] {
                if first.index < next_index {
                    growth.truncate_from = Some(first.index);
                }
                state.append(entries, has_changes)?;
            }
        }
        if let Some(hard_state) = update.hard_state {
            state.hard_state = hard_state;
        }
        Ok(growth)
    }

    /// The state after `create_snapshot`, and its id.
    pub fn with_snapshot(&self, index: Index, conf_state: Option<ConfState>) -> Result<LogState> {
        if index <= self.snapshot_id.index {
            return Err(Error::SnapshotOutOfDate);
        }
        let term = self.term(index)?;
        let mut state = self.clone();
        state.snapshot_id = EntryId { term, index };
        if let Some(conf_state) = conf_state {
            state.conf_state = conf_state.into();
        }
        Ok(state)
    }

    /// The state after `compact`.
    pub fn compacted_to(&self, first_index: Index) -> Result<LogState> {
        if first_index <= self.first_index() {
            return Err(Error::Compacted);
        }
        if first_index > self.last_index + 1 {
            return Err(Error::Unavailable);
        }
        let index = first_index - 1;
        let term = self.term(index)?;
        let mut state = self.clone();
        state.compacted = EntryId { term, index };
        if first_index > self.last_index {
            state.term_runs = Shared::default();
        } else {
            let runs = state.term_runs.make_mut();
            let over = runs.partition_point(|run| run.first_index <= first_index);
            runs.drain(..over - 1);
            runs[0].first_index = first_index;
        }
        if state
            .conf_changes
            .first()
            .is_some_and(|first| *first < first_index)
        {
            state.conf_changes.retain(|change| *change >= first_index);
        }
        Ok(state)
    }

    /// The state after `bootstrap`.
    pub fn bootstrapped(&self, snapshot: &Snapshot) -> Result<LogState> {
        if !self.is_fresh() {
            return Err(Error::NotFresh);
        }
        let EntryId { term, index } = snapshot.id;
        if (term == 0) != (index == 0) {
            return Err(Error::Invalid(format!(
                "no snapshot can end with the entry {index} of term {term}"
            )));
        }
        let mut state = self.clone();
        state.restore(snapshot)?;
        // A node can't be in an earlier term than its log.
        state.hard_state.term = term;
        state.hard_state.commit = index;
        Ok(state)
    }

    pub fn restart_state(&self) -> RestartState {
        let applied = self.snapshot_id.index.max(self.compacted.index);
        let mut hard_state = self.hard_state;
        // Only committed entries are in a snapshot or compacted, but that they are committed need
        // not have been written: a commit index alone is not synced.
        hard_state.commit = hard_state.commit.max(applied);
        RestartState {
            hard_state,
            conf_state: self.conf_state.to_conf_state(),
            compacted: self.compacted,
            last_index: self.last_index,
            term_runs: self.term_runs.to_vec(),
            conf_changes: self
                .conf_changes
                .iter()
                .copied()
                .filter(|change| *change > applied)
                .collect(),
            applied,
        }
    }

    /// The log becomes what follows the snapshot: nothing.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        if snapshot.id.index > MAX_POSITION {
            return Err(Error::Invalid(format!(
                "no snapshot ends at {}",
                snapshot.id.index
            )));
        }
        let stored = self.snapshot_id.index;
        // A bootstrapped configuration is a snapshot at index 0, and gives way to any other.
        // The same one replaces itself: a node whose state machine is damaged asks for it, when it has
        // nothing newer to ask for.
        let same = self.snapshot_id == snapshot.id && self.last_index == stored;
        if stored != 0 && stored >= snapshot.id.index && !same {
            return Err(Error::SnapshotOutOfDate);
        }
        self.snapshot_id = snapshot.id;
        self.conf_state = snapshot.conf_state.clone().into();
        self.compacted = snapshot.id;
        self.last_index = snapshot.id.index;
        self.term_runs = Shared::default();
        self.conf_changes = Shared::default();
        Ok(())
    }

    /// Replaces the log from the first entry on. The entries are contiguous and begin in
    /// `[first_index, ..)`; `has_changes` says whether any of them may change the configuration.
    #[inline(always)]
    fn append(&mut self, entries: &[Entry], has_changes: bool) -> Result<()> {
        let (first, last) = (&entries[0], &entries[entries.len() - 1]);
        let from = first.index;
        if from > self.last_index + 1 {
            return Err(Error::Invalid(format!(
                "entry {from} would leave a gap after the last one, {}",
                self.last_index
            )));
        }
        let before = self.term(from - 1)?;
        if first.term < before {
            return Err(Error::Invalid(format!(
                "entry {from} of term {} can't follow one of term {before}",
                first.term
            )));
        }
        // Copied only if they change, so that a storage sees by the pointer whether they did.
        if from <= self.last_index {
            self.cut(from);
        }
        // Terms only grow: if the last one is of the last run's term, then so are all of them.
        if self
            .term_runs
            .last()
            .is_none_or(|run| run.term != last.term)
        {
            let runs = self.term_runs.make_mut();
            // Most logs have one run.
            runs.reserve_exact(usize::from(runs.is_empty()));
            for entry in entries {
                if runs.last().is_none_or(|run| run.term != entry.term) {
                    runs.push(TermRun {
                        first_index: entry.index,
                        term: entry.term,
                    });
                }
            }
        }
        if has_changes {
            let changes = entries.iter().filter(|entry| entry.is_conf_change());
            let changes = changes.map(|entry| entry.index);
            self.conf_changes.make_mut().extend(changes);
        }
        self.last_index = last.index;
        Ok(())
    }

    /// Forgets the terms and the changes from an index on.
    fn cut(&mut self, from: Index) {
        if self
            .term_runs
            .last()
            .is_some_and(|run| run.first_index >= from)
        {
            self.term_runs.retain(|run| run.first_index < from);
        }
        if self
            .conf_changes
            .last()
            .is_some_and(|change| *change >= from)
        {
            self.conf_changes.retain(|change| *change < from);
        }
    }
}

/// Checks that entries are a piece of some log. Returns whether any of them changes the
/// configuration.
fn check_contiguous(entries: &[Entry]) -> Result<bool> {
    let mut has_changes = false;
    let mut before: Option<EntryId> = None;
    for entry in entries {
        let id = entry.id();
        if id.index == 0 || id.index > MAX_POSITION {
            return Err(Error::Invalid(format!("no entry has index {}", id.index)));
        }
        if let Some(a) = before
            && (id.index != a.index + 1 || id.term < a.term)
        {
            return Err(Error::Invalid(format!(
                "entry {} of term {} can't follow entry {} of term {}",
                id.index, id.term, a.index, a.term
            )));
        }
        has_changes |= entry.is_conf_change();
        before = Some(id);
    }
    Ok(has_changes)
}

#[cfg(test)]
mod tests;
