//! The outline's arithmetic, and that a refused change leaves it alone.

use super::*;

fn entry(index: Index, term: Term) -> Entry {
    Entry {
        term,
        index,
        ..Entry::default()
    }
}

fn run(first_index: Index, term: Term) -> TermRun {
    TermRun { first_index, term }
}

fn append(state: &LogState, entries: &[Entry]) -> Result<LogState> {
    let update = Update {
        entries: &entries.to_vec().into(),
        ..Update::default()
    };
    state.stage(&update).map(|staged| staged.state)
}

/// Entries 1 to 3 of term 1, 4 and 5 of term 2, 6 of term 5.
fn three_terms() -> LogState {
    let entries: Vec<Entry> = [1, 1, 1, 2, 2, 5]
        .into_iter()
        .zip(1..)
        .map(|(term, index)| entry(index, term))
        .collect();
    append(&LogState::default(), &entries).unwrap()
}

#[test]
fn terms_are_known_from_before_the_first_entry_to_the_last() {
    let state = three_terms();
    let terms: Vec<Term> = (0..=6).map(|index| state.term(index).unwrap()).collect();
    assert_eq!(terms, [0, 1, 1, 1, 2, 2, 5]);
    assert!(matches!(state.term(7), Err(Error::Unavailable)));
    let state = state.compacted_to(5).unwrap();
    assert!(matches!(state.term(3), Err(Error::Compacted)));
    assert_eq!(state.term(4).unwrap(), 2);
}

#[test]
fn appending_in_the_middle_forgets_the_terms_after_it() {
    let state = append(&three_terms(), &[entry(3, 4), entry(4, 6)]).unwrap();
    assert_eq!(*state.term_runs, [run(1, 1), run(3, 4), run(4, 6)]);
    assert_eq!(state.last_index, 4);
}

#[test]
fn appending_the_same_term_extends_its_run_without_a_copy() {
    let state = three_terms();
    let next = append(&state, &[entry(7, 5)]).unwrap();
    assert!(state.term_runs.is_same(&next.term_runs));
    assert_eq!(next.last_index, 7);
}

#[test]
fn compaction_cuts_the_first_run() {
    let state = three_terms();
    assert_eq!(
        *state.compacted_to(3).unwrap().term_runs,
        [run(3, 1), run(4, 2), run(6, 5)]
    );
    assert_eq!(
        *state.compacted_to(4).unwrap().term_runs,
        [run(4, 2), run(6, 5)]
    );
    let empty = state.compacted_to(7).unwrap();
    assert_eq!(*empty.term_runs, []);
    assert_eq!((empty.first_index(), empty.last_index), (7, 6));
    assert_eq!(empty.compacted, EntryId { term: 5, index: 6 });
    // And the log goes on from there.
    assert_eq!(
        *append(&empty, &[entry(7, 5)]).unwrap().term_runs,
        [run(7, 5)]
    );
}

#[test]
fn entries_below_the_log_are_skipped() {
    let state = three_terms().compacted_to(4).unwrap();
    let all_below = append(&state, &[entry(2, 1), entry(3, 1)]).unwrap();
    assert_eq!(all_below, state);
    let some_below = append(&state, &[entry(3, 1), entry(4, 2), entry(5, 7)]).unwrap();
    assert_eq!(*some_below.term_runs, [run(4, 2), run(5, 7)]);
}

#[test]
fn a_log_with_a_gap_or_with_falling_terms_is_refused() {
    let state = three_terms();
    for bad in [
        vec![entry(8, 5)],
        vec![entry(7, 4)],
        vec![entry(7, 5), entry(9, 5)],
        vec![entry(7, 6), entry(8, 5)],
        vec![entry(0, 5)],
        vec![entry(u64::MAX, 5)],
    ] {
        assert!(
            matches!(append(&state, &bad), Err(Error::Invalid(_))),
            "{bad:?}"
        );
    }
}

#[test]
fn configuration_changes_are_remembered_until_they_are_replaced_or_compacted() {
    let change = |index| Entry {
        kind: libraft_core::EntryKind::ConfChangeV2,
        ..entry(index, 5)
    };
    let state = append(&three_terms(), &[change(7), entry(8, 5), change(9)]).unwrap();
    assert_eq!(*state.conf_changes, [7, 9]);
    assert_eq!(state.restart_state().conf_changes, [7, 9]);
    assert_eq!(*append(&state, &[entry(9, 6)]).unwrap().conf_changes, [7]);
    assert_eq!(*state.compacted_to(8).unwrap().conf_changes, [9]);
    // In the snapshot it has been applied, though it is still in the log.
    let snapshot = state.with_snapshot(8, None).unwrap();
    assert_eq!(*snapshot.conf_changes, [7, 9]);
    assert_eq!(snapshot.restart_state().conf_changes, [9]);
}

#[test]
fn a_restart_takes_what_is_in_a_snapshot_for_committed() {
    let mut state = three_terms();
    state.hard_state = HardState {
        term: 5,
        vote: 1,
        commit: 2,
    };
    assert_eq!(state.restart_state().hard_state.commit, 2);
    let state = state.with_snapshot(4, None).unwrap();
    assert_eq!(state.restart_state().hard_state.commit, 4);
    assert_eq!(state.restart_state().applied, 4);
}

#[test]
fn a_snapshot_replaces_itself_unless_the_log_goes_on_after_it() {
    let snapshot = Snapshot {
        id: EntryId { term: 2, index: 9 },
        ..Snapshot::default()
    };
    let update = Update {
        snapshot: Some(&snapshot),
        ..Update::default()
    };
    let restored = three_terms().stage(&update).unwrap().state;
    assert_eq!(restored.stage(&update).unwrap().state, restored);
    let other_term = Snapshot {
        id: EntryId { term: 3, index: 9 },
        ..Snapshot::default()
    };
    let other = Update {
        snapshot: Some(&other_term),
        ..Update::default()
    };
    assert!(matches!(
        restored.stage(&other),
        Err(Error::SnapshotOutOfDate)
    ));
    let entry = Entry {
        term: 2,
        index: 10,
        ..Entry::default()
    };
    let more = Update {
        entries: &entry.into(),
        ..Update::default()
    };
    let longer = restored.stage(&more).unwrap().state;
    assert!(matches!(
        longer.stage(&update),
        Err(Error::SnapshotOutOfDate)
    ));
}

#[test]
fn a_snapshot_of_nothing_does_not_replace_a_log() {
    let snapshot = Snapshot::default();
    let update = Update {
        snapshot: Some(&snapshot),
        ..Update::default()
    };
    for state in [LogState::default(), three_terms()] {
        assert!(matches!(
            state.stage(&update),
            Err(Error::SnapshotOutOfDate)
        ));
    }
}

#[test]
fn a_beginning_has_an_index_and_a_term_or_neither() {
    let snapshot = |index, term| Snapshot {
        id: EntryId { term, index },
        ..Snapshot::default()
    };
    let fresh = LogState::default();
    assert!(matches!(
        fresh.bootstrapped(&snapshot(0, 1)),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(
        fresh.bootstrapped(&snapshot(1, 0)),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(
        fresh.bootstrapped(&snapshot(u64::MAX, 1)),
        Err(Error::Invalid(_))
    ));
    let begun = fresh.bootstrapped(&snapshot(7, 2)).unwrap();
    assert_eq!((begun.first_index(), begun.last_index), (8, 7));
    assert_eq!(
        begun.hard_state,
        HardState {
            term: 2,
            vote: 0,
            commit: 7
        }
    );
    assert!(matches!(
        begun.bootstrapped(&snapshot(7, 2)),
        Err(Error::NotFresh)
    ));
}
