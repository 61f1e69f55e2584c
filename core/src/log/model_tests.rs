//! The log against its definition: a list of all entries and six positions, under random operations
//! in the order in which a node may do them.
//!
//! What the log keeps in memory is its own affair. What it says, hands out and asks for is not: each
//! is compared, after every operation, with what the list says that it has to be.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::types::{EntryKind, HardState, TermRun};

/// What may happen. Numbers are reduced to what is possible at that moment.
#[derive(Clone, Debug)]
enum Step {
    /// A leader's own entries; every seventh is a configuration change.
    Append { count: u64, newer_term: bool },
    /// An append of a leader that has another log from so many entries before the end on.
    Replace { back: u64, count: u64 },
    /// What a leader with the same log sends, from so many entries before the end on.
    Agree { back: u64, count: u64, more: u64 },
    /// The commit index grows by so much.
    Commit(u64),
    /// Everything is handed out to be persisted.
    HandOut,
    /// The disk has this entry now, or had it: it may have been replaced.
    Persisted(u64),
    /// Committed entries are handed out to be applied.
    Apply,
    /// The oldest of those batches is applied.
    Applied,
    /// The host answers what is to be read back, with at most so many entries.
    Provide(u64),
    /// Others may need the entries from so many before the end on.
    KeepFrom(u64),
    /// The host drops so many applied entries.
    Compact(u64),
    /// A leader sends a snapshot so far beyond the commit index.
    Install(u64),
    /// The snapshot is persisted and applied.
    Installed,
    /// The node starts again from its disk.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Step::*;
    let step = prop_oneof![
        6 => (1..8u64, any::<bool>()).prop_map(|(count, newer_term)| Append { count, newer_term }),
        2 => (0..6u64, 1..6u64).prop_map(|(back, count)| Replace { back, count }),
        2 => (0..6u64, 0..6u64, 0..3u64).prop_map(|(back, count, more)| Agree { back, count, more }),
        5 => (1..8u64).prop_map(Commit),
        5 => Just(HandOut),
        5 => (0..12u64).prop_map(Persisted),
        5 => Just(Apply),
        5 => Just(Applied),
        3 => (1..8u64).prop_map(Provide),
        1 => (0..20u64).prop_map(KeepFrom),
        2 => (1..8u64).prop_map(Compact),
        1 => (1..6u64).prop_map(Install),
        1 => Just(Installed),
        1 => Just(Restart),
    ];
    proptest::collection::vec(step, 1..60)
}

/// The definition.
#[derive(Clone, Debug)]
struct Model {
    compacted: EntryId,
    /// All entries after `compacted`.
    entries: Vec<Entry>,
    committed: Index,
    persisted: Index,
    handed_out: Index,
    /// The end of the log when the node started, none of which is in memory.
    found: Index,
    /// Nobody has ever said that only later ones are wanted.
    wanted_from: Index,
    applying: Index,
    applied: Index,
    /// The size of each batch that is handed out to be applied, and its last index.
    batches: VecDeque<(Index, u64)>,
    paused: bool,
    snapshot: Option<Snapshot>,
    snapshot_handed_out: bool,
    term: Term,
    limits: LogLimits,
    ahead: ApplyAhead,
}

impl Model {
    fn last(&self) -> EntryId {
        self.entries.last().map_or(self.compacted, Entry::id)
    }

    fn entry(&self, index: Index) -> Option<&Entry> {
        let place = index.checked_sub(self.compacted.index + 1)?;
        self.entries.get(place as usize)
    }

    fn range(&self, low: Index, high: Index) -> Vec<Entry> {
        (low..high)
            .map_while(|index| self.entry(index).cloned())
            .collect()
    }

    fn term_of(&self, index: Index) -> std::result::Result<Term, Unknown> {
        match index {
            index if index < self.compacted.index => Err(Unknown::Compacted),
            index if index == self.compacted.index => Ok(self.compacted.term),
            index => self
                .entry(index)
                .map(|entry| entry.term)
                .ok_or(Unknown::Beyond),
        }
    }

    fn truncate_from(&mut self, index: Index) {
        self.entries
            .truncate((index - self.compacted.index - 1) as usize);
        self.persisted = self.persisted.min(index - 1);
        self.handed_out = self.handed_out.min(index - 1);
        self.found = self.found.min(index - 1);
    }

    fn next_entry(&self) -> Entry {
        let index = self.last().index + 1;
        Entry {
            term: self.term,
            index,
            kind: match index % 7 {
                0 => EntryKind::ConfChange,
                _ => EntryKind::Normal,
            },
            data: Bytes::from(vec![b'.'; (index * 5 % 23) as usize]),
            ..Entry::default()
        }
    }

    fn first_change_after(&self, index: Index) -> Option<Index> {
        let changes = self.entries.iter().filter(|entry| entry.is_conf_change());
        changes
            .map(|entry| entry.index)
            .find(|&change| change > index)
    }

    fn applying_bytes(&self) -> u64 {
        self.batches.iter().map(|(_, bytes)| bytes).sum()
    }

    /// What may be applied at most.
    fn max_appliable(&self) -> Index {
        match self.ahead {
            ApplyAhead::WithinReady => self.committed,
            ApplyAhead::UpTo(more) => {
                let change = self
                    .first_change_after(self.persisted)
                    .unwrap_or(Index::MAX);
                self.committed.min(self.persisted + more).min(change - 1)
            }
        }
    }

    fn has_next_to_apply(&self) -> bool {
        !self.paused && self.snapshot.is_none() && self.applying < self.max_appliable()
    }

    /// The longest batch within the limit, though not an empty one.
    fn next_to_apply(&self) -> Vec<Entry> {
        if !self.has_next_to_apply() {
            return Vec::new();
        }
        let room = self
            .limits
            .applying_bytes
            .saturating_sub(self.applying_bytes());
        let mut batch = self.range(self.applying + 1, self.max_appliable() + 1);
        while batch.len() > 1 && encoded_len(&batch) > room {
            batch.pop();
        }
        batch
    }
}

/// Both, side by side.
struct Pair {
    log: Log,
    model: Model,
}

impl Pair {
    fn new(limits: LogLimits, ahead: ApplyAhead) -> Pair {
        let mut log = Log::restore(&RestartState::default(), limits).unwrap();
        log.keep_from(0);
        Pair {
            log,
            model: Model {
                compacted: EntryId::default(),
                entries: Vec::new(),
                committed: 0,
                persisted: 0,
                handed_out: 0,
                found: 0,
                wanted_from: 0,
                applying: 0,
                applied: 0,
                batches: VecDeque::new(),
                paused: false,
                snapshot: None,
                snapshot_handed_out: false,
                term: 1,
                limits,
                ahead,
            },
        }
    }

    fn step(&mut self, step: &Step) {
        let Pair { log, model } = self;
        match *step {
            Step::Append { count, newer_term } => {
                model.term += u64::from(newer_term);
                let mut list = Vec::new();
                for place in 0..count {
                    list.push(model.next_entry());
                    model.entries.push(list[list.len() - 1].clone());
                    if place % 3 == 0 {
                        log.gather(model.term, &mut list);
                        list.clear();
                    }
                }
                log.gather(model.term, &mut list);
            }
            Step::Replace { back, count } => {
                let last = model.last().index;
                let prev = last.saturating_sub(back).max(model.committed);
                let prev = EntryId {
                    index: prev,
                    term: model.term_of(prev).unwrap(),
                };
                model.term += 1;
                model.truncate_from(prev.index + 1);
                for _ in 0..count {
                    model.entries.push(model.next_entry());
                }
                let sent = model.range(prev.index + 1, Index::MAX);
                let end = prev.index + sent.len() as u64;
                let appended = log.maybe_append(LogSlice::checked(prev, sent.into()), 0);
                assert_eq!(appended, Some(end));
            }
            Step::Agree { back, count, more } => {
                let prev = model.last().index.saturating_sub(back);
                let prev = prev.max(model.compacted.index);
                let id = EntryId {
                    index: prev,
                    term: model.term_of(prev).unwrap(),
                };
                let mut sent = model.range(prev + 1, prev + 1 + count);
                if prev + sent.len() as u64 == model.last().index {
                    for _ in 0..more {
                        model.entries.push(model.next_entry());
                        sent.push(model.entries.last().unwrap().clone());
                    }
                }
                let end = prev + sent.len() as u64;
                let commit = prev + 1;
                let unknown = EntryId {
                    term: model.term + 1,
                    ..id
                };
                assert_eq!(
                    log.maybe_append(LogSlice::checked(unknown, Vec::new().into()), commit),
                    None
                );
                assert_eq!(
                    log.maybe_append(LogSlice::checked(id, sent.into()), commit),
                    Some(end)
                );
                model.committed = model.committed.max(commit.min(end));
            }
            Step::Commit(more) => {
                let index = (model.committed + more).min(model.last().index);
                let (id, before) = (model.last(), model.committed);
                let id = EntryId {
                    index,
                    term: model.term_of(index).unwrap_or(id.term),
                };
                let other = EntryId {
                    term: id.term + 1,
                    ..id
                };
                assert!(!log.maybe_commit(other), "there is no such entry");
                assert!(!log.maybe_commit(EntryId { index, term: 0 }));
                assert_eq!(log.maybe_commit(id), index > before && id.term != 0);
                log.commit_to(before);
                model.committed = index;
            }
            Step::HandOut => {
                let given = log.next_to_persist();
                assert_eq!(given, model.range(model.handed_out + 1, Index::MAX));
                log.accept_unstable();
                model.handed_out = model.last().index;
                model.snapshot_handed_out = model.snapshot.is_some();
            }
            Step::Persisted(more) => {
                let index = model.persisted + more;
                let Some(id) = model.entry(index).map(Entry::id) else {
                    log.persisted_to(EntryId {
                        index: model.last().index + 1,
                        term: model.term,
                    });
                    return;
                };
                log.persisted_to(EntryId {
                    term: id.term + 1,
                    ..id
                });
                assert_eq!(log.persisted(), model.persisted, "it has been replaced");
                log.persisted_to(id);
                model.persisted = model.persisted.max(index);
                model.handed_out = model.handed_out.max(model.persisted);
            }
            Step::Apply => {
                if log.gap_to_apply(model.ahead).is_some() {
                    return;
                }
                let batch = model.next_to_apply();
                let (given, bytes) = log.next_to_apply(model.ahead);
                assert_eq!(given, batch);
                assert_eq!(bytes, encoded_len(&batch));
                if let Some(last) = batch.last() {
                    log.accept_applying(last.index, bytes, model.ahead);
                    model.batches.push_back((last.index, bytes));
                    model.applying = last.index;
                    model.paused = model.applying_bytes() >= model.limits.applying_bytes
                        || last.index < model.max_appliable();
                }
            }
            Step::Applied => {
                if let Some((index, bytes)) = model.batches.pop_front() {
                    log.applied_to(index, bytes);
                    model.applied = index;
                    model.paused = model.applying_bytes() >= model.limits.applying_bytes;
                }
            }
            Step::Provide(most) => {
                let Some((low, high, bytes)) = log.gap_to_apply(model.ahead) else {
                    return;
                };
                let (at_hand, _) = log.next_to_apply(model.ahead);
                assert_eq!(low, model.applying + 1 + at_hand.len() as u64);
                assert!(low < high);
                assert!(bytes > 0 || at_hand.is_empty(), "there is room for more");
                let room = model.limits.applying_bytes - model.applying_bytes();
                assert_eq!(bytes, room - encoded_len(&at_hand), "the rest of the room");
                assert!(high <= model.max_appliable() + 1);
                assert!(high <= model.persisted + 1, "the rest is in memory");
                assert!(bytes <= model.limits.applying_bytes);
                let mut read = model.range(low, high.min(low + most));
                while read.len() > 1 && encoded_len(&read) > bytes {
                    read.pop();
                }
                assert!(log.is_answer(low, high, &read));
                log.provide_to_apply(read);
            }
            Step::KeepFrom(back) => {
                let index = model.last().index.saturating_sub(back);
                log.keep_from(index);
                model.wanted_from = model.wanted_from.max(index);
            }
            Step::Compact(more) => {
                let first = model.compacted.index + 1 + more;
                let allowed = model.applied.min(model.persisted) + 1;
                if first > model.applied + 1 {
                    assert!(log.compact(first).is_err());
                }
                let first = first.min(allowed);
                log.compact(first).unwrap();
                if first > model.compacted.index + 1 {
                    let id = model.entry(first - 1).unwrap().id();
                    model
                        .entries
                        .drain(..(id.index - model.compacted.index) as usize);
                    model.compacted = id;
                }
            }
            Step::Install(more) => {
                model.term += 1;
                let id = EntryId {
                    index: model.committed + more,
                    term: model.term,
                };
                let snapshot = Snapshot {
                    id,
                    ..Snapshot::default()
                };
                log.install(snapshot.clone());
                model.compacted = id;
                model.entries.clear();
                (model.committed, model.persisted, model.handed_out) =
                    (id.index, id.index, id.index);
                model.snapshot = Some(snapshot);
                model.snapshot_handed_out = false;
            }
            Step::Installed => {
                let Some(snapshot) = model.snapshot.take() else {
                    return;
                };
                let index = snapshot.id.index;
                log.snapshot_persisted(index - 1);
                assert!(log.has_unstable_snapshot(), "that was another one");
                log.snapshot_persisted(index);
                let bytes = model.applying_bytes();
                log.applied_to(index, bytes);
                model.batches.clear();
                (model.applying, model.applied, model.paused) = (index, index, false);
                model.snapshot_handed_out = false;
            }
            Step::Restart => self.restart(),
        }
    }

    /// Everything that is not persisted is lost, a snapshot excepted: the model has no older one.
    fn restart(&mut self) {
        let Pair { log, model } = self;
        if model.snapshot.is_some() || model.committed > model.persisted {
            return;
        }
        model.truncate_from(model.persisted + 1);
        let mut runs: Vec<TermRun> = Vec::new();
        for entry in &model.entries {
            if runs.last().is_none_or(|run| run.term != entry.term) {
                runs.push(TermRun {
                    first_index: entry.index,
                    term: entry.term,
                });
            }
        }
        let changes = model.entries.iter().filter(|entry| entry.is_conf_change());
        let state = RestartState {
            hard_state: HardState {
                commit: model.committed,
                ..HardState::default()
            },
            compacted: model.compacted,
            last_index: model.last().index,
            term_runs: runs,
            conf_changes: changes.map(|entry| entry.index).collect(),
            applied: model.applied,
            ..RestartState::default()
        };
        *log = Log::restore(&state, model.limits).unwrap();
        log.keep_from(0);
        model.batches.clear();
        (model.applying, model.paused) = (model.applied, false);
        model.handed_out = model.persisted;
        model.found = model.persisted;
    }

    /// On a copy of the log: to look makes a batch of what has been gathered, and what follows is to
    /// begin without that as well.
    fn compare(&self) {
        let (log, model) = (&mut self.log.clone(), &self.model);
        log.check().unwrap();
        assert_eq!(log.first_index(), model.compacted.index + 1);
        assert_eq!(
            (log.last_index(), log.last()),
            (model.last().index, model.last())
        );
        assert_eq!(log.committed(), model.committed);
        assert_eq!(log.persisted(), model.persisted);
        assert_eq!(log.applying(), model.applying);
        assert_eq!(log.applied(), model.applied);
        for index in model.compacted.index.saturating_sub(1)..model.last().index + 2 {
            let term = model.term_of(index);
            assert_eq!(log.term(index), term);
            let id = EntryId {
                index,
                term: term.unwrap_or(0),
            };
            assert_eq!(log.matches(id), term.is_ok());
            if let Ok(term) = term {
                assert_eq!(log.find_conflict_by_term(index, term), id);
            }
        }
        let change = model.first_change_after(model.applied);
        let unapplied = change.is_some_and(|change| change <= model.committed);
        assert_eq!(log.has_unapplied_conf_change(), unapplied);

        assert_eq!(log.has_unstable(), model.persisted < model.last().index);
        assert_eq!(log.has_unstable_snapshot(), model.snapshot.is_some());
        let new_snapshot = model
            .snapshot
            .as_ref()
            .filter(|_| !model.snapshot_handed_out);
        assert_eq!(log.next_snapshot(), new_snapshot);
        let to_persist = log.next_to_persist();
        assert_eq!(log.has_next_to_persist(), !to_persist.is_empty());
        assert_eq!(to_persist, model.range(model.handed_out + 1, Index::MAX));

        assert_eq!(
            log.has_next_to_apply(model.ahead),
            model.has_next_to_apply()
        );
        if model.has_next_to_apply() {
            let (at_hand, _) = log.next_to_apply(model.ahead);
            assert_eq!(log.is_next_to_apply_at_hand(), !at_hand.is_empty());
        }
        compare_what_is_fetched(log, model);
    }
}

/// What is not needed any more may have to be read back; nothing else.
fn compare_what_is_fetched(log: &mut Log, model: &Model) {
    let needed = model.persisted.min(model.applied).max(model.found);
    for low in model.compacted.index + 1..=model.last().index + 1 {
        for max_bytes in [0, 40, u64::MAX] {
            let mut batch = model.range(low, Index::MAX);
            while batch.len() > 1 && encoded_len(&batch) > max_bytes {
                batch.pop();
            }
            match log.fetch(low, max_bytes) {
                Fetch::Entries(entries) => {
                    assert_eq!(entries, batch);
                    assert!(log.in_memory_from() <= low || batch.is_empty());
                }
                Fetch::Read { low: from, high } => {
                    assert_eq!((from, high), (low, log.in_memory_from()));
                    assert!(high <= needed + 1);
                    let unlimited = model.limits.cached_bytes == u64::MAX;
                    let unwanted = low < model.wanted_from;
                    assert!(
                        !unlimited || unwanted || low <= model.found,
                        "there is room"
                    );
                    let read = model.range(low, high);
                    assert_eq!(log.extend(read.clone(), max_bytes), batch);
                    assert!(log.is_answer(low, high, &read));
                    assert!(log.is_answer(low, high, &read[..1]));
                    assert!(!log.is_answer(low, high - 1, &read), "too many");
                }
            }
        }
    }
    let unneeded = model.range(model.compacted.index + 1, needed + 1);
    let all = encoded_len(&model.entries);
    let must = all - encoded_len(&unneeded);
    assert!(log.cached_bytes() >= must);
}

fn limits() -> impl Strategy<Value = LogLimits> {
    let bytes = || prop_oneof![Just(u64::MAX), Just(0), 1..200u64];
    (bytes(), bytes()).prop_map(|(applying_bytes, cached_bytes)| LogLimits {
        applying_bytes: applying_bytes.max(1),
        cached_bytes,
    })
}

fn ahead() -> impl Strategy<Value = ApplyAhead> {
    prop_oneof![
        2 => Just(ApplyAhead::WithinReady),
        1 => (0..6u64).prop_map(ApplyAhead::UpTo),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_log_is_what_a_list_of_entries_says(
        steps in steps(), limits in limits(), ahead in ahead(),
    ) {
        let mut pair = Pair::new(limits, ahead);
        for step in &steps {
            pair.step(step);
            pair.compare();
        }
    }
}
