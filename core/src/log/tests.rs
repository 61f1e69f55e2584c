//! The log against a plain list of entries, and each of its rules by name.

use bytes::Bytes;
use proptest::prelude::*;

use super::terms::{Terms, Unknown};
use super::window::Window;
use super::*;
use crate::codec::entry_encoded_len;
use crate::types::{EntryKind, HardState, TermRun};

const NO_LIMITS: LogLimits = LogLimits {
    applying_bytes: u64::MAX,
    cached_bytes: u64::MAX,
};

fn id(term: Term, index: Index) -> EntryId {
    EntryId { term, index }
}

fn entry(term: Term, index: Index) -> Entry {
    Entry {
        term,
        index,
        kind: EntryKind::Normal,
        data: Bytes::from(format!("{term}/{index}")),
        ..Entry::default()
    }
}

/// Entries 1, 2, .. with these terms.
fn entries(terms: &[Term]) -> Vec<Entry> {
    (1..)
        .zip(terms)
        .map(|(index, &term)| entry(term, index))
        .collect()
}

fn log_of(terms: &[Term]) -> Log {
    let mut log = Log::restore(&RestartState::default(), NO_LIMITS).unwrap();
    log.append(entries(terms).into());
    log
}

fn persist(log: &mut Log) {
    log.accept_unstable();
    log.persisted_to(log.last());
}

fn handed_out(log: &mut Log) -> Entries {
    assert_eq!(log.gap_to_apply(ApplyAhead::WithinReady), None);
    log.next_to_apply(ApplyAhead::WithinReady).0
}

#[test]
fn a_slice_is_appended_only_where_the_log_agrees() {
    let mut log = log_of(&[1, 1, 2]);
    let slice = LogSlice::checked(id(1, 3), vec![entry(3, 4)].into());
    assert_eq!(log.maybe_append(slice, 0), None);
    let slice = LogSlice::checked(id(2, 3), vec![entry(3, 4)].into());
    assert_eq!(log.maybe_append(slice, 3), Some(4));
    assert_eq!((log.last(), log.committed()), (id(3, 4), 3));
}

#[test]
fn a_conflict_replaces_the_rest() {
    let mut log = log_of(&[1, 1, 2, 2]);
    persist(&mut log);
    let slice = LogSlice::checked(id(1, 1), vec![entry(1, 2), entry(3, 3)].into());
    assert_eq!(log.maybe_append(slice, 0), Some(3));
    assert_eq!(log.last(), id(3, 3));
    assert_eq!(log.persisted(), 2, "the new entry 3 is not on disk");
    assert_eq!(log.next_to_persist(), [entry(3, 3)]);
}

#[test]
fn a_stale_shorter_append_takes_nothing_away() {
    let mut log = log_of(&[1, 1, 1, 1]);
    let slice = LogSlice::checked(id(1, 1), vec![entry(1, 2)].into());
    assert_eq!(log.maybe_append(slice, 9), Some(2));
    assert_eq!(log.last_index(), 4);
    assert_eq!(log.committed(), 2, "only what the leader is known to have");
}

#[test]
#[should_panic(expected = "committed entries are never replaced")]
fn committed_entries_can_not_be_replaced() {
    let mut log = log_of(&[1, 1]);
    log.commit_to(2);
    log.append([entry(2, 2)].into());
}

#[test]
fn a_write_counts_only_if_the_log_still_holds_what_was_written() {
    let mut log = log_of(&[1, 1]);
    log.accept_unstable();
    // The tail is overwritten twice while the first write is under way.
    log.append([entry(2, 2)].into());
    log.append([entry(3, 2)].into());
    log.persisted_to(id(1, 2));
    assert_eq!(log.persisted(), 0);
    log.persisted_to(id(1, 1));
    assert_eq!(log.persisted(), 1);
    log.persisted_to(id(3, 9));
    assert_eq!(log.persisted(), 1, "there is no such entry");
}

#[test]
fn an_empty_log_after_a_snapshot_compares_by_the_snapshot() {
    let mut log = log_of(&[1]);
    log.install(Snapshot {
        id: id(5, 10),
        ..Snapshot::default()
    });
    assert_eq!(log.last(), id(5, 10));
    assert!(!log.is_up_to_date(id(4, 20)));
    assert!(!log.is_up_to_date(id(5, 9)));
    assert!(log.is_up_to_date(id(5, 10)));
    assert!(log.is_up_to_date(id(6, 1)));
    assert_eq!(log.first_index(), 11);
}

#[test]
fn nothing_is_applied_before_a_snapshot_is() {
    let mut log = log_of(&[1]);
    log.install(Snapshot {
        id: id(5, 10),
        ..Snapshot::default()
    });
    log.append([entry(5, 11)].into());
    log.commit_to(11);
    assert!(!log.has_next_to_apply(ApplyAhead::WithinReady));
    log.snapshot_persisted(10);
    log.applied_to(10, 0);
    assert_eq!(handed_out(&mut log), [entry(5, 11)]);
}

#[test]
fn a_snapshot_that_was_replaced_is_not_persisted_yet() {
    let mut log = log_of(&[]);
    let snapshot = |index| Snapshot {
        id: id(1, index),
        ..Snapshot::default()
    };
    log.install(snapshot(5));
    log.accept_unstable();
    log.install(snapshot(9));
    log.snapshot_persisted(5);
    assert_eq!(log.next_snapshot(), Some(&snapshot(9)));
}

#[test]
fn unpersisted_entries_are_applied_only_if_allowed() {
    let mut log = log_of(&[1, 1]);
    log.commit_to(2);
    log.accept_unstable();
    log.persisted_to(id(1, 1));
    assert!(log.has_next_to_apply(ApplyAhead::UpTo(0)));
    log.accept_applying(1, 5, ApplyAhead::UpTo(0));
    log.applied_to(1, 5);
    assert!(!log.has_next_to_apply(ApplyAhead::UpTo(0)));
    assert!(log.has_next_to_apply(ApplyAhead::WithinReady));
}

#[test]
fn handing_out_stops_at_the_limit_until_something_is_applied() {
    let size = entry_encoded_len(&entry(1, 1)) as u64;
    let limits = LogLimits {
        applying_bytes: 2 * size,
        ..NO_LIMITS
    };
    let mut log = Log::restore(&RestartState::default(), limits).unwrap();
    log.append(entries(&[1; 5]).into());
    log.commit_to(5);
    assert_eq!(handed_out(&mut log).len(), 2);
    log.accept_applying(2, 2 * size, ApplyAhead::WithinReady);
    assert!(!log.has_next_to_apply(ApplyAhead::WithinReady));
    log.applied_to(2, 2 * size);
    assert_eq!(handed_out(&mut log), [entry(1, 3), entry(1, 4)]);
}

#[test]
fn one_entry_is_handed_out_whatever_its_size() {
    let limits = LogLimits {
        applying_bytes: 1,
        ..NO_LIMITS
    };
    let mut log = Log::restore(&RestartState::default(), limits).unwrap();
    log.append(entries(&[1, 1]).into());
    log.commit_to(2);
    assert_eq!(handed_out(&mut log), [entry(1, 1)]);
}

#[test]
fn unapplied_configuration_changes_are_known_without_a_look_at_the_log() {
    let change = |index| Entry {
        kind: EntryKind::ConfChangeV2,
        ..entry(1, index)
    };
    let mut log = log_of(&[1]);
    log.append([change(2), entry(1, 3), change(4)].into());
    assert!(!log.has_unapplied_conf_change(), "it is not committed");
    log.commit_to(3);
    assert!(log.has_unapplied_conf_change());
    log.applied_to(2, 0);
    assert!(!log.has_unapplied_conf_change());
    log.append([entry(2, 4)].into());
    log.commit_to(4);
    assert!(
        !log.has_unapplied_conf_change(),
        "the second change was replaced"
    );
}

#[test]
fn restarting_with_applied_above_the_stored_commit_index_is_no_contradiction() {
    let state = RestartState {
        hard_state: HardState {
            term: 1,
            commit: 2,
            vote: 0,
        },
        last_index: 5,
        term_runs: vec![TermRun {
            first_index: 1,
            term: 1,
        }],
        applied: 4,
        ..RestartState::default()
    };
    let log = Log::restore(&state, NO_LIMITS).unwrap();
    assert_eq!((log.applied(), log.committed()), (4, 4));
}

#[test]
fn a_log_may_go_up_to_the_last_position() {
    let last = crate::MAX_POSITION;
    let state = |last| RestartState {
        compacted: id(1, last),
        last_index: last,
        ..RestartState::default()
    };
    let log = Log::restore(&state(last), NO_LIMITS).unwrap();
    assert_eq!(log.last(), id(1, last));
    assert!(Log::restore(&state(last + 1), NO_LIMITS).is_err());
}

#[test]
fn configuration_changes_that_are_applied_do_not_count_after_a_restart() {
    let state = |conf_changes, applied| RestartState {
        hard_state: HardState {
            commit: 4,
            ..HardState::default()
        },
        last_index: 5,
        term_runs: vec![TermRun {
            first_index: 1,
            term: 1,
        }],
        conf_changes,
        applied,
        ..RestartState::default()
    };
    let unapplied = |conf_changes, applied| {
        let log = Log::restore(&state(conf_changes, applied), NO_LIMITS).unwrap();
        log.has_unapplied_conf_change()
    };
    assert!(!unapplied(vec![2, 3], 3));
    assert!(unapplied(vec![2, 4], 3));
    assert!(!unapplied(vec![2, 5], 3), "it is not committed");
    let twice = Log::restore(&state(vec![3, 3], 0), NO_LIMITS);
    assert!(matches!(twice, Err(Error::InvalidRestartState(_))));
}

#[test]
fn a_storage_that_contradicts_itself_is_refused() {
    let run = |first_index, term| TermRun { first_index, term };
    let good = RestartState {
        compacted: id(2, 5),
        last_index: 9,
        term_runs: vec![run(6, 2), run(8, 3)],
        conf_changes: vec![7],
        ..RestartState::default()
    };
    assert!(Log::restore(&good, NO_LIMITS).is_ok());
    let bad = [
        RestartState {
            last_index: 4,
            ..good.clone()
        },
        RestartState {
            last_index: 7,
            ..good.clone()
        },
        RestartState {
            last_index: u64::MAX,
            ..good.clone()
        },
        RestartState {
            applied: 10,
            ..good.clone()
        },
        RestartState {
            conf_changes: vec![10],
            ..good.clone()
        },
        RestartState {
            conf_changes: vec![8, 7],
            ..good.clone()
        },
        RestartState {
            term_runs: vec![],
            ..good.clone()
        },
        RestartState {
            term_runs: vec![run(6, 1)],
            ..good.clone()
        },
        RestartState {
            term_runs: vec![run(7, 2)],
            ..good.clone()
        },
        RestartState {
            term_runs: vec![run(6, 3), run(8, 3)],
            ..good.clone()
        },
        RestartState {
            term_runs: vec![run(6, 2), run(6, 3)],
            ..good.clone()
        },
        RestartState {
            hard_state: HardState {
                term: 3,
                vote: 0,
                commit: 10,
            },
            ..good.clone()
        },
    ];
    for state in bad {
        let refused = Log::restore(&state, NO_LIMITS);
        assert!(
            matches!(refused, Err(Error::InvalidRestartState(_))),
            "{state:?}"
        );
    }
}

type Fault = fn(&mut Log);

#[test]
fn a_log_that_contradicts_itself_is_noticed() {
    let sound = {
        let mut log = log_of(&[1; 6]);
        log.commit_to(4);
        persist(&mut log);
        log.accept_applying(2, 0, ApplyAhead::WithinReady);
        log.applied_to(2, 0);
        log.compact(2).unwrap();
        log
    };
    assert_eq!(sound.check(), Ok(()));
    let broken: [(&str, Fault); 9] = [
        ("compacted <= applied", |log| log.applied = 0),
        ("applied <= applying", |log| log.applying = 1),
        ("applying <= committed", |log| log.applying = 5),
        ("committed <= last", |log| log.committed = 7),
        ("persisted <= in_progress", |log| log.in_progress = 5),
        ("in_progress <= last", |log| log.in_progress = 7),
        ("the window ends with the log", |log| {
            log.window = Window::at(6);
        }),
        ("what was read back is applied next", |log| {
            log.chunk.make().entries = [entry(1, 4)].into();
        }),
        ("what is not persisted is in the window", |log| {
            (log.persisted, log.window) = (5, Window::at(7));
        }),
    ];
    for (what, break_it) in broken {
        let mut log = sound.clone();
        break_it(&mut log);
        assert_eq!(log.check(), Err(what));
    }
}

#[test]
fn a_slice_ends_within_bounds() {
    let last = crate::MAX_POSITION;
    assert_eq!(
        LogSlice::check(1, id(1, last - 1), &[entry(1, last)]),
        Ok(())
    );
    assert!(LogSlice::check(1, id(1, last), &[entry(1, last + 1)]).is_err());
    assert!(
        LogSlice::check(1, id(2, 1), &[]).is_err(),
        "of a later term"
    );
    assert!(
        LogSlice::check(2, id(1, 1), &[entry(1, 3)]).is_err(),
        "a gap"
    );
    assert!(LogSlice::check(2, id(2, 1), &[entry(1, 2)]).is_err());
}

#[test]
fn only_what_is_applied_can_be_compacted() {
    let mut log = log_of(&[1, 1, 2, 2]);
    persist(&mut log);
    log.commit_to(3);
    log.applied_to(3, 0);
    assert!(log.compact(5).is_err());
    log.compact(4).unwrap();
    assert_eq!(log.first_index(), 4);
    assert_eq!(
        log.term(3),
        Ok(2),
        "the entry before the first is still known"
    );
    assert_eq!(log.term(2), Err(Unknown::Compacted));
    log.compact(2).unwrap();
    assert_eq!(log.first_index(), 4, "compaction never goes back");
}

#[test]
fn what_is_needed_is_never_evicted_and_the_rest_is_read_back() {
    let limits = LogLimits {
        cached_bytes: 0,
        ..NO_LIMITS
    };
    let mut log = Log::restore(&RestartState::default(), limits).unwrap();
    // For want of room whole batches are evicted: not the second one while a part of it is needed.
    log.keep_from(0);
    let all = Entries::from(entries(&[1; 10]));
    log.append(all.slice(..4));
    log.append(all.slice(4..7));
    log.append(all.slice(7..));
    log.commit_to(8);
    log.accept_unstable();
    log.persisted_to(id(1, 9));
    assert_eq!(
        log.fetch(1, u64::MAX),
        Fetch::Entries(entries(&[1; 10]).into())
    );
    log.applied_to(4, 0);
    assert_eq!(log.fetch(1, u64::MAX), Fetch::Read { low: 1, high: 5 });
    assert_eq!(log.extend(entries(&[1; 4]), u64::MAX), entries(&[1; 10]));
    assert_eq!(
        log.extend(entries(&[1; 2]), u64::MAX),
        entries(&[1; 2]),
        "no gap is jumped"
    );
    assert!(log.is_answer(1, 5, &entries(&[1; 4])));
    assert!(
        !log.is_answer(1, 4, &entries(&[1; 4])),
        "more than was asked for"
    );
    assert!(!log.is_answer(1, 5, &entries(&[2; 4])), "of another term");
    assert!(
        !log.is_answer(2, 5, &entries(&[1; 4])),
        "from another place"
    );
    assert!(!log.is_answer(1, 5, &[]));
    log.applied_to(6, 0);
    assert_eq!(log.in_memory_from(), 5);
    log.applied_to(7, 0);
    assert_eq!(log.in_memory_from(), 8);
}

#[test]
fn what_others_may_need_is_kept_and_what_nobody_needs_is_dropped() {
    let mut log = log_of(&[]);
    let persist_and_apply = |log: &mut Log, index| {
        log.append(vec![entry(1, index)].into());
        log.commit_to(index);
        log.accept_unstable();
        log.persisted_to(id(1, index));
        log.applied_to(index, 0);
    };
    persist_and_apply(&mut log, 1);
    assert_eq!(log.in_memory_from(), 2, "nobody else is known");
    log.keep_from(3);
    persist_and_apply(&mut log, 2);
    assert_eq!(log.in_memory_from(), 3);
    for index in 3..=5 {
        persist_and_apply(&mut log, index);
        assert_eq!(log.in_memory_from(), 3);
    }
    log.keep_from(5);
    assert_eq!(log.in_memory_from(), 5);
    persist_and_apply(&mut log, 6);
    assert_eq!(log.in_memory_from(), 5);
    log.keep_from(Index::MAX);
    assert_eq!(log.in_memory_from(), 7);
}

#[test]
fn entries_that_were_gathered_are_persisted_and_applied_as_one_batch() {
    let mut log = log_of(&[1]);
    persist(&mut log);
    for index in 2..5 {
        log.gather(1, &mut [entry(1, index)]);
    }
    // A copy has them as well, and each may lose them before anybody looks.
    let mut copy = log.clone();
    copy.append(vec![entry(2, 3)].into());
    assert_eq!(copy.next_to_persist(), [entry(1, 2), entry(2, 3)]);
    let batch = log.next_to_persist();
    assert_eq!(batch, entries(&[1; 4])[1..]);
    log.accept_unstable();
    assert!(log.next_to_persist().is_empty());
    log.commit_to(1);
    log.applied_to(1, 0);
    log.commit_to(4);
    assert!(handed_out(&mut log).is_same(&batch));
    let Fetch::Entries(sent) = log.fetch(2, u64::MAX) else {
        panic!("they are in memory");
    };
    assert!(sent.is_same(&batch));
}

#[test]
fn of_an_append_that_brings_little_news_the_rest_is_not_kept() {
    let mut log = log_of(&[1; 9]);
    let sent = Entries::from(entries(&[1; 12]));
    let slice = LogSlice::checked(id(0, 0), sent.clone());
    assert_eq!(log.maybe_append(slice, 0), Some(12));
    let new = log.window.range(10, 13);
    assert_eq!(new, sent[9..]);
    assert!(!new.is_same(&sent.slice(9..)));
    let sent = Entries::from(vec![entry(1, 13), entry(1, 14)]);
    let slice = LogSlice::checked(id(1, 12), sent.clone());
    assert_eq!(log.maybe_append(slice, 0), Some(14));
    assert!(log.window.range(13, 15).is_same(&sent));
    // All that was sent, and little of the batch that it was cut from.
    let batch = Entries::from(entries(&[1; 18])[14..].to_vec());
    let slice = LogSlice::checked(id(1, 14), batch.slice(..1));
    assert_eq!(log.maybe_append(slice, 0), Some(15));
    let kept = log.window.range(15, 16);
    assert!(kept == batch[..1] && !kept.is_same(&batch.slice(..1)));
}

#[test]
fn what_fits_exactly_fits() {
    let all = entries(&[1; 4]);
    let size = encoded_len(&all[..1]);
    assert_eq!(encoded_len(&all), 4 * size);
    let mut budget = Budget::new(2 * size);
    assert!(budget.take(&all[0]) && budget.take(&all[1]));
    assert!(!budget.take(&all[2]));
    assert_eq!(budget.taken(), 2 * size);
}

/// The definition: one step at a time.
fn find_conflict_by_definition(terms: &Terms, mut index: Index, term: Term) -> EntryId {
    while index > 0 {
        match terms.term(index) {
            Err(_) => return id(0, index),
            Ok(ours) if ours <= term => return id(ours, index),
            Ok(_) => index -= 1,
        }
    }
    id(0, 0)
}

/// What may happen to the list of terms.
#[derive(Clone, Debug)]
enum Step {
    Push(Term),
    Truncate(u64),
    Compact(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3u64).prop_map(Step::Push),
        1 => (0..20u64).prop_map(Step::Truncate),
        1 => (0..20u64).prop_map(Step::Compact),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn runs_of_terms_say_what_a_list_of_terms_says(steps in steps()) {
        let mut terms = Terms::after(id(0, 0));
        // Entry i has term list[i]; those below `compacted` are not known any more.
        let mut list = vec![0];
        let mut compacted = 0usize;
        for step in steps {
            match step {
                Step::Push(more) => {
                    let term = (list[list.len() - 1] + more).max(1);
                    terms.extend(&[entry(term, list.len() as u64)]);
                    list.push(term);
                }
                Step::Truncate(from) => {
                    let from = (from as usize).max(compacted + 1);
                    terms.truncate_from(from as u64);
                    list.truncate(from);
                }
                Step::Compact(to) => {
                    let to = (to as usize).clamp(compacted, list.len() - 1);
                    if to > compacted {
                        terms.compact(to as u64 + 1);
                        compacted = to;
                    }
                }
            }
            prop_assert_eq!(terms.last_index(), list.len() as u64 - 1);
            prop_assert_eq!(terms.last().term, list[list.len() - 1]);
            for index in 0..list.len() as u64 + 3 {
                let expected = match index as usize {
                    place if place < compacted => Err(Unknown::Compacted),
                    place => list.get(place).copied().ok_or(Unknown::Beyond),
                };
                prop_assert_eq!(terms.term(index), expected);
                for term in 0..6 {
                    prop_assert_eq!(
                        terms.find_conflict_by_term(index, term),
                        find_conflict_by_definition(&terms, index, term)
                    );
                }
            }
            let (compacted, last) = (terms.compacted(), terms.last_index());
            let restored = Terms::restore(compacted, last, terms.runs()).unwrap();
            prop_assert_eq!(restored.runs(), terms.runs());
        }
    }

    #[test]
    fn a_batch_is_the_longest_that_fits_and_never_empty(
        sizes in proptest::collection::vec(0..50usize, 1..20),
        max_bytes in 0..400u64,
    ) {
        let sized = |(index, size): (u64, &usize)| Entry {
            data: vec![0; *size].into(),
            ..entry(1, index)
        };
        let all: Vec<Entry> = (1..).zip(&sizes).map(sized).collect();
        let mut log = Log::restore(&RestartState::default(), NO_LIMITS).unwrap();
        log.append(all.clone().into());
        let Fetch::Entries(batch) = log.fetch(1, max_bytes) else { panic!() };
        prop_assert_eq!(&batch[..], &all[..batch.len()]);
        prop_assert!(batch.len() == 1 || encoded_len(&batch) <= max_bytes);
        prop_assert!(batch.len() == all.len() || encoded_len(&all[..=batch.len()]) > max_bytes);
        prop_assert_eq!(log.extend(all[..1].to_vec(), max_bytes), batch);
    }
}
