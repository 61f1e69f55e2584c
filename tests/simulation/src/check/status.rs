//! Term, vote, commit and applied only move as they may, and a node counts nothing as persisted
//! that is not.

use libraft_core::*;

use super::{Checked, ensure};
use crate::disk::Disk;

/// A node has come from one state to another without a restart.
pub fn moved(old: &BasicStatus, new: &BasicStatus) -> Checked {
    let (before, now) = (old.hard_state, new.hard_state);
    let holds = before.term <= now.term
        && (before.term < now.term || before.vote == NONE || before.vote == now.vote)
        && before.commit <= now.commit
        && old.applied <= new.applied
        && new.applied <= now.commit
        && now.commit <= new.last_index;
    ensure(holds, "monotonic state", new.id, || {
        format!("from {old:?} to {new:?}")
    })?;
    let led = old.soft_state.role == Role::Leader && new.soft_state.role == Role::Leader;
    let shrank = led && before.term == now.term && new.last_index < old.last_index;
    ensure(!shrank, "leader append-only", new.id, || {
        format!(
            "leads with {} entries after {}",
            new.last_index, old.last_index
        )
    })
}

/// A node has started again from its disk.
pub fn restarted(new: &BasicStatus, synced: HardState) -> Checked {
    let now = new.hard_state;
    let holds = now.term == synced.term && now.vote == synced.vote && now.commit >= synced.commit;
    ensure(holds, "monotonic state", new.id, || {
        format!("{synced:?} became {now:?}")
    })
}

/// What a node counts as persisted is on its disk, and stays there: nothing on its way to the disk,
/// the first of which is `first_unsynced`, takes it back.
pub fn persisted(new: &BasicStatus, disk: &Disk, first_unsynced: Option<Index>) -> Checked {
    // A snapshot counts as persisted log as soon as it is taken over, which is why nothing that
    // follows it can be acknowledged before.
    let snapshot = new.persisted < new.first_index;
    let stays = first_unsynced.is_none_or(|first| new.persisted < first);
    ensure(
        snapshot || (new.persisted <= disk.last().index && stays),
        "nothing is persisted before it is",
        new.id,
        || {
            format!(
                "counts {} as persisted, with {} synced and {first_unsynced:?} on its way",
                new.persisted,
                disk.last().index
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(term: Term, vote: NodeId, commit: Index, applied: Index) -> BasicStatus {
        BasicStatus {
            hard_state: HardState { term, vote, commit },
            applied,
            last_index: 10,
            ..BasicStatus::default()
        }
    }

    #[test]
    fn steps_back_are_found() {
        let old = status(5, 2, 7, 6);
        for ok in [
            status(5, 2, 7, 6),
            status(5, 2, 8, 7),
            status(6, 0, 7, 6),
            status(6, 3, 7, 7),
        ] {
            moved(&old, &ok).unwrap();
        }
        let bad = [
            status(4, 2, 7, 6),
            status(5, 3, 7, 6),
            status(5, 0, 7, 6),
            status(5, 2, 6, 6),
            status(5, 2, 7, 5),
            status(5, 2, 7, 8),
            status(5, 2, 11, 6),
        ];
        for bad in bad {
            assert!(moved(&old, &bad).is_err(), "{bad:?}");
        }
        let mut led = status(5, 2, 7, 6);
        led.soft_state.role = Role::Leader;
        let shrunk = BasicStatus {
            last_index: 9,
            ..led
        };
        assert_eq!(moved(&led, &shrunk).unwrap_err().rule, "leader append-only");
    }

    #[test]
    fn a_restart_keeps_what_was_synced() {
        let synced = HardState {
            term: 5,
            vote: 2,
            commit: 7,
        };
        restarted(&status(5, 2, 7, 0), synced).unwrap();
        assert!(restarted(&status(5, 0, 7, 0), synced).is_err());
        assert!(restarted(&status(4, 2, 7, 0), synced).is_err());
        assert!(restarted(&status(5, 2, 6, 0), synced).is_err());
    }

    #[test]
    fn what_is_not_on_the_disk_is_not_persisted() {
        let new = BasicStatus {
            persisted: 3,
            first_index: 1,
            ..status(5, 2, 7, 6)
        };
        assert!(persisted(&new, &Disk::default(), None).is_err());
        let mut disk = Disk::default();
        disk.compacted = EntryId { term: 5, index: 3 };
        persisted(&new, &disk, Some(4)).unwrap();
        assert!(persisted(&new, &disk, Some(3)).is_err());
    }
}
