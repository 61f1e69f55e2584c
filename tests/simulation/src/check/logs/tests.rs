//! Each rule about logs, broken once.

use super::*;

fn entry(term: Term, index: Index, data: &'static str) -> Entry {
    Entry {
        term,
        index,
        data: data.into(),
        ..Entry::default()
    }
}

fn rule(checked: Checked) -> &'static str {
    checked.expect_err("a violation").rule
}

#[test]
fn two_entries_of_one_name_break_log_matching() {
    let (mut logs, mut a, mut b) = (Logs::default(), View::default(), View::default());
    logs.written(1, &mut a, &[entry(1, 1, "x")], None).unwrap();
    logs.written(2, &mut b, &[entry(1, 1, "x")], None).unwrap();
    let other = logs.written(3, &mut View::default(), &[entry(1, 1, "y")], None);
    assert_eq!(rule(other), "log matching");
}

#[test]
fn one_entry_after_two_different_ones_breaks_log_matching() {
    let (mut logs, mut a, mut b) = (Logs::default(), View::default(), View::default());
    logs.written(1, &mut a, &[entry(1, 1, ""), entry(3, 2, "")], None)
        .unwrap();
    let other = logs.written(2, &mut b, &[entry(2, 1, ""), entry(3, 2, "")], None);
    assert_eq!(rule(other), "log matching");
}

#[test]
fn a_leader_that_overwrites_breaks_append_only() {
    let (mut logs, mut a) = (Logs::default(), View::default());
    logs.written(1, &mut a, &[entry(1, 1, ""), entry(1, 2, "")], None)
        .unwrap();
    logs.written(1, &mut a, &[entry(1, 3, "")], Some(1))
        .unwrap();
    let over = logs.written(1, &mut a, &[entry(1, 3, "")], Some(1));
    assert_eq!(rule(over), "leader append-only");
}

#[test]
fn entries_with_a_gap_break_the_ready_contract() {
    let (mut logs, mut a) = (Logs::default(), View::default());
    let gap = logs.written(1, &mut a, &[entry(1, 2, "")], None);
    assert_eq!(rule(gap), "ready contract");
}

#[test]
fn another_entry_committed_at_an_index_breaks_safety() {
    let (mut logs, mut a, mut b) = (Logs::default(), View::default(), View::default());
    logs.written(1, &mut a, &[entry(1, 1, "")], None).unwrap();
    logs.written(2, &mut b, &[entry(2, 1, "")], None).unwrap();
    assert_eq!(logs.committed(1, &a, 1, 1), Ok(0));
    assert_eq!(
        logs.committed(2, &b, 2, 1).unwrap_err().rule,
        "state-machine safety"
    );
    assert_eq!(
        rule(logs.applied(2, &entry(2, 1, ""))),
        "state-machine safety"
    );
    assert_eq!(
        rule(logs.applied(2, &entry(1, 1, "other"))),
        "state-machine safety"
    );
    logs.applied(2, &entry(1, 1, "")).unwrap();
}

#[test]
fn a_leader_without_a_committed_entry_is_incomplete() {
    let (mut logs, mut a, mut b) = (Logs::default(), View::default(), View::default());
    logs.written(1, &mut a, &[entry(1, 1, "")], None).unwrap();
    logs.committed(1, &a, 1, 1).unwrap();
    logs.written(2, &mut b, &[entry(2, 1, "")], None).unwrap();
    assert_eq!(rule(logs.complete(2, &b, 2)), "leader completeness");
    // A leader of the same term or an earlier one need not have it.
    logs.complete(2, &b, 1).unwrap();
}

#[test]
fn a_snapshot_of_another_state_breaks_safety() {
    let (mut logs, mut a) = (Logs::default(), View::default());
    logs.written(1, &mut a, &[entry(1, 1, "")], None).unwrap();
    logs.committed(1, &a, 1, 1).unwrap();
    let mut snapshot = Snapshot {
        id: EntryId { term: 1, index: 1 },
        data: logs.digest(1).to_le_bytes().to_vec().into(),
        ..Snapshot::default()
    };
    logs.snapshot(1, &snapshot).unwrap();
    snapshot.id.term = 2;
    assert_eq!(rule(logs.snapshot(1, &snapshot)), "state-machine safety");
    snapshot.id = EntryId { term: 1, index: 2 };
    assert_eq!(rule(logs.snapshot(1, &snapshot)), "state-machine safety");
}
