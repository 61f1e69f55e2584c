//! Both storages against a model that is too simple to be wrong: random calls, sound and
//! unsound ones, must give the same answers; the durable one also after it is opened again.

use bytes::Bytes;
use libraft_core::{
    ConfState, Entries, Entry, EntryId, EntryKind, HardState, Index, RestartState, Snapshot, Term,
    TermRun, codec::encode_entry,
};
use libraft_storage::{DurableStorage, Error, MemoryStorage, Storage, Update};
use proptest::prelude::*;

/// What a storage holds, one entry after the other.
#[derive(Clone, Debug, Default)]
struct Model {
    hard_state: HardState,
    snapshot: Snapshot,
    compacted: EntryId,
    entries: Vec<Entry>,
    /// Whether the log may be compacted only as far as the snapshot reaches.
    strict: bool,
}

/// One call.
#[derive(Clone, Debug)]
enum Call {
    Append {
        /// Where the entries begin: so far before the end of the log.
        back: u64,
        terms: Vec<u64>,
        payload: usize,
        kind: EntryKind,
        hard_state: bool,
        must_sync: bool,
    },
    Commit {
        must_sync: bool,
    },
    Install {
        ahead: i64,
        then_append: bool,
    },
    Create {
        index: i64,
        new_conf: bool,
        bytes: usize,
    },
    Compact {
        index: i64,
    },
    Gap,
    Bootstrap {
        index: u64,
    },
    Reopen,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let kind = prop_oneof![
        8 => Just(EntryKind::Normal),
        1 => Just(EntryKind::ConfChange),
        1 => Just(EntryKind::ConfChangeV2),
    ];
    let append = (
        prop_oneof![3 => Just(0u64), 1 => 0u64..12],
        prop::collection::vec(prop_oneof![6 => Just(0u64), 1 => 1u64..3], 1..20),
        prop_oneof![4 => 0usize..64, 1 => 1000usize..30_000],
        kind,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(back, terms, payload, kind, hard_state, must_sync)| Call::Append {
                back,
                terms,
                payload,
                kind,
                hard_state,
                must_sync,
            },
        );
    let call = prop_oneof![
        8 => append,
        2 => any::<bool>().prop_map(|must_sync| Call::Commit { must_sync }),
        1 => (-3i64..20, any::<bool>())
            .prop_map(|(ahead, then_append)| Call::Install { ahead, then_append }),
        2 => (-2i64..30, any::<bool>(), 0usize..3_000_000)
            .prop_map(|(index, new_conf, bytes)| Call::Create { index, new_conf, bytes }),
        3 => (-2i64..30).prop_map(|index| Call::Compact { index }),
        1 => Just(Call::Gap),
        1 => (0u64..5).prop_map(|index| Call::Bootstrap { index }),
        1 => Just(Call::Reopen),
    ];
    prop::collection::vec(call, 1..24)
}

/// The kind of an error, for comparison.
fn kind<T>(result: Result<T, Error>) -> Result<T, &'static str> {
    result.map_err(|error| match error {
        Error::Compacted => "compacted",
        Error::Unavailable => "unavailable",
        Error::SnapshotOutOfDate => "snapshot out of date",
        Error::SnapshotTooOld { .. } => "snapshot too old",
        Error::NotFresh => "not fresh",
        Error::Invalid(_) => "invalid",
        other => panic!("unexpected: {other}"),
    })
}

impl Model {
    fn last(&self) -> Index {
        self.compacted.index + self.entries.len() as u64
    }

    fn term(&self, index: Index) -> Result<Term, &'static str> {
        if index < self.compacted.index {
            Err("compacted")
        } else if index > self.last() {
            Err("unavailable")
        } else if index == self.compacted.index {
            Ok(self.compacted.term)
        } else {
            Ok(self.entries[(index - self.compacted.index) as usize - 1].term)
        }
    }

    fn write(&mut self, update: &Update<'_>) -> Result<(), &'static str> {
        let mut next = self.clone();
        if let Some(snapshot) = update.snapshot {
            // The same one may replace itself, unless entries follow it.
            let same = snapshot.id == next.snapshot.id && next.last() == snapshot.id.index;
            if snapshot.id.index <= next.snapshot.id.index && !same {
                return Err("snapshot out of date");
            }
            next.snapshot = snapshot.clone();
            next.compacted = snapshot.id;
            next.entries.clear();
        }
        for entry in update.entries {
            if entry.index <= next.compacted.index {
                continue;
            }
            if entry.index > next.last() + 1 || entry.term < next.term(entry.index - 1).unwrap() {
                return Err("invalid");
            }
            next.entries
                .truncate((entry.index - next.compacted.index) as usize - 1);
            next.entries.push(entry.clone());
        }
        if let Some(hard_state) = update.hard_state {
            next.hard_state = hard_state;
        }
        *self = next;
        Ok(())
    }

    fn create(
        &mut self,
        index: Index,
        conf_state: Option<ConfState>,
        data: Bytes,
    ) -> Result<Snapshot, &'static str> {
        if index <= self.snapshot.id.index {
            return Err("snapshot out of date");
        }
        let term = self.term(index)?;
        self.snapshot.id = EntryId { term, index };
        self.snapshot.data = data;
        if let Some(conf_state) = conf_state {
            self.snapshot.conf_state = conf_state;
        }
        Ok(self.snapshot.clone())
    }

    fn compact(&mut self, first_index: Index) -> Result<(), &'static str> {
        if first_index <= self.compacted.index + 1 {
            return Err("compacted");
        }
        if first_index > self.last() + 1 {
            return Err("unavailable");
        }
        if self.strict && first_index > self.snapshot.id.index + 1 {
            return Err("snapshot too old");
        }
        let compacted = EntryId {
            term: self.term(first_index - 1)?,
            index: first_index - 1,
        };
        self.entries
            .drain(..(compacted.index - self.compacted.index) as usize);
        self.compacted = compacted;
        Ok(())
    }

    fn bootstrap(&mut self, snapshot: &Snapshot) -> Result<(), &'static str> {
        let fresh =
            self.hard_state.is_empty() && self.snapshot == Snapshot::default() && self.last() == 0;
        if !fresh {
            return Err("not fresh");
        }
        self.snapshot = snapshot.clone();
        self.compacted = snapshot.id;
        self.hard_state.term = snapshot.id.term;
        self.hard_state.commit = snapshot.id.index;
        Ok(())
    }

    fn entries(&self, low: Index, high: Index, max: u64) -> Result<Vec<Entry>, &'static str> {
        if low > high {
            return Err("invalid");
        }
        if low <= self.compacted.index {
            return Err("compacted");
        }
        if high > self.last() + 1 {
            return Err("unavailable");
        }
        let mut bytes = 0;
        let mut fitting = Vec::new();
        for index in low..high {
            let entry = &self.entries[(index - self.compacted.index) as usize - 1];
            bytes += encode_entry(entry).len() as u64;
            if bytes > max && !fitting.is_empty() {
                break;
            }
            fitting.push(entry.clone());
        }
        Ok(fitting)
    }

    fn restart_state(&self) -> RestartState {
        let applied = self.snapshot.id.index.max(self.compacted.index);
        let mut term_runs: Vec<TermRun> = Vec::new();
        for entry in &self.entries {
            if term_runs.last().is_none_or(|run| run.term != entry.term) {
                term_runs.push(TermRun {
                    first_index: entry.index,
                    term: entry.term,
                });
            }
        }
        let changes = self
            .entries
            .iter()
            .filter(|e| e.is_conf_change() && e.index > applied);
        RestartState {
            hard_state: HardState {
                commit: self.hard_state.commit.max(applied),
                ..self.hard_state
            },
            conf_state: self.snapshot.conf_state.clone(),
            compacted: self.compacted,
            last_index: self.last(),
            term_runs,
            conf_changes: changes.map(|e| e.index).collect(),
            applied,
        }
    }

    /// Makes the call on the model and on a storage.
    fn call(&mut self, storage: &dyn Storage, call: &Call) {
        match call {
            Call::Append {
                back,
                terms,
                payload,
                kind: entry_kind,
                hard_state,
                must_sync,
            } => {
                let first = (self.last() + 1).saturating_sub(*back).max(1);
                let mut term = self.term(first - 1).unwrap_or(0).max(1);
                let entries: Entries = (first..)
                    .zip(terms)
                    .map(|(index, more)| {
                        term += more;
                        Entry {
                            term,
                            index,
                            kind: *entry_kind,
                            // Of its own, or of others as well: the memory storage tells them apart.
                            data: match *payload % 2 {
                                0 => vec![index as u8; *payload].into(),
                                _ => Bytes::from_owner(vec![index as u8; *payload]),
                            },
                            ..Entry::default()
                        }
                    })
                    .collect();
                let update = Update {
                    hard_state: hard_state.then_some(HardState {
                        term,
                        vote: 2,
                        commit: self.hard_state.commit,
                    }),
                    entries: &entries,
                    snapshot: None,
                    must_sync: *must_sync,
                };
                assert_eq!(kind(storage.write(update)), self.write(&update));
            }
            Call::Commit { must_sync } => {
                let update = Update {
                    hard_state: Some(HardState {
                        commit: self.last(),
                        ..self.hard_state
                    }),
                    must_sync: *must_sync,
                    ..Update::default()
                };
                assert_eq!(kind(storage.write(update)), self.write(&update));
            }
            Call::Install { ahead, then_append } => {
                let index = self.last().saturating_add_signed(*ahead).max(1);
                let snapshot = Snapshot {
                    id: EntryId { index, term: 50 },
                    conf_state: ConfState::of_voters([index, 7]),
                    data: vec![3; index as usize].into(),
                };
                let entry = Entry {
                    index: index + 1,
                    term: 51,
                    ..Entry::default()
                };
                let update = Update {
                    hard_state: Some(HardState {
                        term: 51,
                        vote: 0,
                        commit: index,
                    }),
                    entries: &then_append.then_some(entry).into_iter().collect(),
                    snapshot: Some(&snapshot),
                    must_sync: false,
                };
                assert_eq!(kind(storage.write(update)), self.write(&update));
            }
            Call::Create {
                index,
                new_conf,
                bytes,
            } => {
                let index = self.compacted.index.saturating_add_signed(*index);
                let conf = new_conf.then(|| ConfState::of_voters([index, 1]));
                let data = Bytes::from(vec![index as u8; *bytes]);
                let created = storage.create_snapshot(index, conf.clone(), data.clone());
                assert_eq!(kind(created), self.create(index, conf, data));
            }
            Call::Compact { index } => {
                let first_index = self.compacted.index.saturating_add_signed(*index);
                assert_eq!(
                    kind(storage.compact(first_index)),
                    self.compact(first_index)
                );
            }
            Call::Gap => {
                let at = self.last();
                let entry = |index| Entry {
                    term: 1000,
                    index,
                    ..Entry::default()
                };
                for entries in [vec![entry(at + 2)], vec![entry(at + 1), entry(at + 3)]] {
                    let entries = Entries::from(entries);
                    let update = Update {
                        entries: &entries,
                        ..Update::default()
                    };
                    assert_eq!(kind(storage.write(update)), Err("invalid"));
                }
            }
            Call::Bootstrap { index } => {
                let snapshot = Snapshot {
                    id: EntryId {
                        index: *index,
                        term: (*index).min(1),
                    },
                    conf_state: ConfState::of_voters([1, 2, 3]),
                    data: vec![9; *index as usize].into(),
                };
                assert_eq!(
                    kind(storage.bootstrap(snapshot.clone())),
                    self.bootstrap(&snapshot)
                );
            }
            Call::Reopen => {}
        }
    }

    /// Compares all that a storage can be asked.
    fn check(&self, storage: &dyn Storage) {
        let (first, last) = (self.compacted.index + 1, self.last());
        assert_eq!(storage.first_index(), first);
        assert_eq!(storage.last_index(), last);
        assert_eq!(storage.hard_state(), self.hard_state);
        assert_eq!(storage.restart_state(), self.restart_state());
        assert_eq!(storage.snapshot().unwrap(), self.snapshot);
        for index in first.saturating_sub(3)..last + 3 {
            assert_eq!(
                kind(storage.term(index)),
                self.term(index),
                "term of {index}"
            );
        }
        let middle = first + (last + 1 - first) / 2;
        for low in [first.saturating_sub(1), first, middle, last] {
            for high in [
                low.saturating_sub(1),
                low,
                low + 1,
                middle,
                last + 1,
                last + 2,
            ] {
                for max in [0, 100, 20_000, u64::MAX] {
                    assert_eq!(
                        kind(storage.entries(low, high, max)),
                        self.entries(low, high, max),
                        "entries [{low}, {high}), at most {max} bytes"
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn memory_storage_answers_as_the_model(calls in calls()) {
        let storage = MemoryStorage::new();
        let mut model = Model::default();
        for call in &calls {
            model.call(&storage, call);
            model.check(&storage);
        }
    }

    #[test]
    fn durable_storage_answers_as_the_model(calls in calls()) {
        let directory = tempfile::tempdir().unwrap();
        let mut storage = DurableStorage::open(directory.path()).unwrap();
        let mut model = Model { strict: true, ..Model::default() };
        for call in &calls {
            if let Call::Reopen = call {
                drop(storage);
                storage = DurableStorage::open(directory.path()).unwrap();
                prop_assert_eq!(storage.recovery_report(), Default::default());
            }
            model.call(&storage, call);
            model.check(&storage);
        }
    }
}
