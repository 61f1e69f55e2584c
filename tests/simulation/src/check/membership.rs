//! Configurations: the same on every node after the same entry, and each one's quorums meet those
//! of the one before it (paper §6).

use std::collections::BTreeMap;
use std::result::Result;

use libraft_core::*;

use super::elections::is_quorum;
use super::logs::View;
use super::{Checked, Violation, ensure};

#[derive(Debug, Default)]
pub struct Configurations {
    /// The configuration as of each change that was applied.
    changes: BTreeMap<Index, ConfState>,
    /// Entries up to here only repeat what founders know from the start, and others don't.
    founding: Index,
}

impl Configurations {
    /// The cluster begins with entries up to `index` that add its first members one by one.
    pub fn found(&mut self, index: Index) {
        self.founding = index;
    }

    /// The newest configuration that anybody has applied, and where.
    pub fn newest(&self) -> Option<(Index, &ConfState)> {
        self.changes
            .last_key_value()
            .map(|(&index, conf)| (index, conf))
    }

    /// A node has come from `old` to `new` by applying the entry at `index`, or has left it at
    /// `old` since the change doesn't fit. Returns whether it is the first one to apply it.
    pub fn applied(
        &mut self,
        node: NodeId,
        index: Index,
        old: &ConfState,
        new: &ConfState,
    ) -> Result<bool, Violation> {
        if index < self.founding {
            return Ok(false);
        }
        if let Some(known) = self.changes.get(&index) {
            ensure(known == new, "state-machine safety", node, || {
                format!("the configuration at {index} is {new:?} here and {known:?} elsewhere")
            })?;
            return Ok(false);
        }
        self.changes.insert(index, new.clone());
        ensure(
            index == self.founding || quorums_meet(old, new),
            "successive configurations intersect",
            node,
            || format!("at {index}, from {old:?} to {new:?}"),
        )?;
        Ok(true)
    }

    /// A snapshot carries this configuration.
    pub fn snapshot(&self, node: NodeId, snapshot: &Snapshot) -> Checked {
        let index = snapshot.id.index;
        let Some((_, known)) = self.changes.range(..=index).next_back() else {
            return Ok(());
        };
        if index < self.founding {
            return Ok(());
        }
        let conf = &snapshot.conf_state;
        ensure(known == conf, "state-machine safety", node, || {
            format!("a snapshot of {index} with {conf:?} instead of {known:?}")
        })
    }
}

/// A leader of `term`, which has applied everything up to `applied`, appends entries to the log
/// `view`. At most one change is in it and not applied (thesis §4.1), whoever has proposed that.
pub fn appended(
    node: NodeId,
    view: &View,
    applied: Index,
    term: Term,
    entries: &[Entry],
) -> Checked {
    let first = entries.first().map_or(0, |entry| entry.index);
    let mut pending = view.change_above(applied).filter(|&change| change < first);
    for entry in entries
        .iter()
        .filter(|entry| entry.is_conf_change() && entry.index > applied)
    {
        ensure(
            pending.is_none() || entry.term < term,
            "one change at a time",
            node,
            || {
                format!(
                    "appends a change at {}, and {pending:?} is not applied",
                    entry.index
                )
            },
        )?;
        pending = Some(entry.index);
    }
    Ok(())
}

/// Whether no two quorums, one of each, are without a common member.
fn quorums_meet(old: &ConfState, new: &ConfState) -> bool {
    let lists = [
        &old.voters,
        &old.voters_outgoing,
        &new.voters,
        &new.voters_outgoing,
    ];
    let mut all: Vec<NodeId> = lists.into_iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    let place = |id: NodeId| all.binary_search(&id).unwrap_or(all.len());
    (0..1u32 << all.len()).all(|group| {
        let inside = |id: NodeId| group >> place(id) & 1 == 1;
        !(is_quorum(old, inside) && is_quorum(new, |id| !inside(id)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(voters: &[NodeId]) -> ConfState {
        ConfState::of_voters(voters.iter().copied())
    }

    #[test]
    fn quorums_meet_when_one_voter_changes_and_not_when_two_do() {
        assert!(quorums_meet(&of(&[1, 2, 3]), &of(&[1, 2, 3, 4])));
        assert!(quorums_meet(&of(&[1, 2, 3]), &of(&[1, 2])));
        assert!(!quorums_meet(&of(&[1, 2, 3]), &of(&[1, 4, 5])));
        let joint = ConfState {
            voters_outgoing: vec![1, 2, 3],
            ..of(&[4, 5, 6])
        };
        assert!(quorums_meet(&of(&[1, 2, 3]), &joint));
        assert!(quorums_meet(&joint, &of(&[4, 5, 6])));
        assert!(!quorums_meet(&of(&[1, 2, 3]), &of(&[4, 5, 6])));
    }

    #[test]
    fn a_second_change_before_the_first_is_applied_is_found() {
        let change = |term, index| Entry {
            term,
            index,
            kind: EntryKind::ConfChangeV2,
            ..Entry::default()
        };
        let (first, second) = (change(1, 1), change(2, 2));
        let mut view = View::default();
        appended(1, &view, 0, 2, &[first.clone(), second.clone()]).unwrap_err();
        let mut logs = super::super::logs::Logs::default();
        logs.written(1, &mut view, &[first], None).unwrap();
        assert!(appended(1, &view, 0, 2, std::slice::from_ref(&second)).is_err());
        appended(1, &view, 1, 2, std::slice::from_ref(&second)).unwrap();
        // A follower takes over what others have decided.
        appended(1, &view, 0, 3, &[second]).unwrap();
    }

    #[test]
    fn a_jump_and_a_disagreement_are_found() {
        let mut confs = Configurations::default();
        confs
            .applied(1, 5, &of(&[1, 2, 3]), &of(&[1, 2, 3, 4]))
            .unwrap();
        confs
            .applied(2, 5, &of(&[1, 2, 3]), &of(&[1, 2, 3, 4]))
            .unwrap();
        assert!(confs.applied(3, 5, &of(&[1, 2, 3]), &of(&[1, 2])).is_err());
        let jump = confs.applied(1, 6, &of(&[1, 2, 3, 4]), &of(&[1, 5, 6]));
        assert_eq!(
            jump.unwrap_err().rule,
            "successive configurations intersect"
        );
        let mut snapshot = Snapshot {
            conf_state: of(&[1, 2, 3, 4]),
            ..Snapshot::default()
        };
        snapshot.id.index = 5;
        confs.snapshot(1, &snapshot).unwrap();
        snapshot.conf_state = of(&[1]);
        assert!(confs.snapshot(1, &snapshot).is_err());
    }
}
