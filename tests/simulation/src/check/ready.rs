//! The Ready contract: what a host may count on in each one.

use libraft_core::*;

use super::{Checked, ensure};

/// What the host knows when it takes a Ready.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    pub node: NodeId,
    /// As the last Ready said, or the disk at the start.
    pub hard_state: HardState,
    pub applying: Index,
    /// The last entry of all that was handed out before, and on the disk.
    pub synced_last: Index,
    pub asynchronous: bool,
    /// The host has asked for a snapshot, although it has the entries.
    pub wants_snapshot: bool,
    /// How many entries may be applied here that only others have persisted.
    pub ahead: u64,
    /// The limit on committed entries in one Ready.
    pub max_committed_bytes: u64,
}

/// A Ready that `has_ready` has announced.
pub fn taken(ready: &Ready, before: &Before, status: &BasicStatus) -> Checked {
    let ensure = |holds: bool, detail: &str| {
        ensure(holds, "ready contract", before.node, || {
            format!("{detail}: {ready:?} after {before:?}, in {status:?}")
        })
    };
    let (old, new) = (before.hard_state, status.hard_state);
    match ready.hard_state {
        Some(state) => ensure(state == new && state != old, "a hard state that is no news")?,
        None => ensure(new == old, "a hard state is missing")?,
    }
    let durable = !ready.entries.is_empty() || (old.term, old.vote) != (new.term, new.vote);
    ensure(ready.must_sync == durable, "must_sync is wrong")?;
    if let Some(last) = ready.entries.last() {
        ensure(last.index == status.last_index, "entries are missing")?;
    }
    if let Some(snapshot) = &ready.snapshot {
        let is_news = snapshot.id.index > old.commit
            || (before.wants_snapshot
                && snapshot.id.index >= old.commit
                && snapshot.id.index + ready.entries.len() as u64 >= status.last_index);
        let holds = is_news && snapshot.id.index <= new.commit;
        ensure(holds, "a snapshot of what is known already")?;
        ensure(
            ready.committed_entries.is_empty(),
            "a snapshot and entries to apply",
        )?;
    }
    if let Some(first) = ready.committed_entries.first() {
        ensure(
            first.index == before.applying + 1,
            "a gap before what is to be applied",
        )?;
        let last = first.index + ready.committed_entries.len() as u64 - 1;
        ensure(
            last <= new.commit,
            "something to apply that is not committed",
        )?;
        let synced = !before.asynchronous || last <= before.synced_last + before.ahead;
        ensure(synced, "something to apply that is not persisted")?;
        let sizes = ready.committed_entries.iter().map(codec::entry_encoded_len);
        let bytes = sizes.sum::<usize>() as u64;
        let fits = bytes <= before.max_committed_bytes || ready.committed_entries.len() == 1;
        ensure(fits, "more to apply than the limit allows")?;
    }
    for message in &ready.messages {
        let local = message.to >= LOCAL_APPLY;
        ensure(local || message.to != before.node, "a message to itself")?;
        ensure(
            local == message.body.is_local(),
            "a message for another kind of target",
        )?;
        ensure(
            !local || before.asynchronous,
            "storage messages in a synchronous Ready",
        )?;
        let waits = message.body.waits_for_storage();
        ensure(
            !(waits && before.asynchronous),
            "a promise that is sent at once",
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(term: Term, index: Index) -> Entry {
        Entry {
            term,
            index,
            ..Entry::default()
        }
    }

    fn state(term: Term, vote: NodeId, commit: Index) -> HardState {
        HardState { term, vote, commit }
    }

    /// A Ready in which all is well, with two entries to write and one to apply.
    fn sound() -> (Ready, Before, BasicStatus) {
        let ready = Ready {
            hard_state: Some(state(2, 1, 4)),
            entries: vec![entry(2, 5), entry(2, 6)].into(),
            committed_entries: vec![entry(2, 4)].into(),
            must_sync: true,
            ..Ready::default()
        };
        let before = Before {
            node: 1,
            hard_state: state(2, 1, 3),
            applying: 3,
            synced_last: 4,
            asynchronous: false,
            wants_snapshot: false,
            ahead: 0,
            max_committed_bytes: 100,
        };
        let status = BasicStatus {
            hard_state: state(2, 1, 4),
            last_index: 6,
            ..BasicStatus::default()
        };
        (ready, before, status)
    }

    #[test]
    fn a_sound_ready_passes() {
        let (ready, before, status) = sound();
        taken(&ready, &before, &status).unwrap();
    }

    #[test]
    fn each_fault_is_found() {
        type Fault = fn(&mut Ready, &mut Before);
        let faults: [(&str, Fault); 9] = [
            ("a hard state is missing", |ready, _| {
                ready.hard_state = None
            }),
            ("no news", |_, before| before.hard_state.commit = 4),
            ("must_sync", |ready, _| ready.must_sync = false),
            ("entries are missing", |ready, _| ready.entries.truncate(1)),
            ("a gap", |_, before| before.applying = 2),
            ("not committed", |ready, _| {
                ready.committed_entries = [entry(2, 4), entry(2, 5)].into()
            }),
            ("not persisted", |_, before| {
                before.asynchronous = true;
                before.synced_last = 3;
            }),
            ("the limit", |ready, before| {
                ready.committed_entries = [entry(2, 3), entry(2, 4)].into();
                (before.applying, before.max_committed_bytes) = (2, 1);
            }),
            ("sent at once", |ready, before| {
                before.asynchronous = true;
                let body = Body::Accept { index: 1 };
                ready.messages.push(Message {
                    to: 2,
                    from: 1,
                    term: 2,
                    body,
                });
            }),
        ];
        for (words, fault) in faults {
            let (mut ready, mut before, status) = sound();
            fault(&mut ready, &mut before);
            let found = taken(&ready, &before, &status).unwrap_err();
            assert!(found.detail.contains(words), "{words}: {found}");
        }
    }
}
