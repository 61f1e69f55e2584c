//! What a host does with a Ready: synchronously, stage by stage, or with workers of its own.
//!
//! A synchronous host writes, syncs, sends, applies and advances, and may crash or hear something
//! new in between. An asynchronous one sends at once and leaves the rest to an append worker and an
//! apply worker, each of which does its work in order; what they answer travels like a message,
//! and so in any order.

use libraft_core::*;

use crate::check::{Checked, Violation, ready};
use crate::disk::Write;
use crate::host::{Append, Apply, Host, Stage, Work};
use crate::learning::number_of;
use crate::tally::Kind;
use crate::world::{Done, World};

impl World {
    /// Takes a Ready and does all that it asks for.
    pub fn cycle(&mut self, id: NodeId) -> Done {
        let Some(host) = self.host(id) else {
            return Ok(false);
        };
        if host.work.is_none() && !self.take(id)? {
            return Ok(false);
        }
        while self.host(id).is_some_and(|host| host.work.is_some()) {
            self.stage(id, usize::MAX)?;
        }
        Ok(true)
    }

    /// Does the next thing that the present Ready asks for, or takes the next one.
    pub fn step(&mut self, id: NodeId, count: usize) -> Done {
        match self.host(id) {
            Some(host) if host.work.is_some() => self.stage(id, count),
            Some(_) => self.take(id),
            None => Ok(false),
        }
    }

    fn take(&mut self, id: NodeId) -> Done {
        let place = id as usize - 1;
        let Some(host) = self.hosts.get_mut(place) else {
            return Ok(false);
        };
        let Some(node) = host.node.as_mut() else {
            return Ok(false);
        };
        let announced = node.has_ready();
        if !announced {
            return Ok(false);
        }
        let ready = node.ready().map_err(|error| Violation {
            rule: "a correct call is taken",
            node: id,
            detail: error.to_string(),
        })?;
        let status = node.basic_status();
        host.keep_ready(&ready);
        let asynchronous = host.config.async_storage_writes;
        let before = ready::Before {
            node: id,
            hard_state: host.checked.hard_state,
            applying: host.checked.applying,
            synced_last: host.disk.last().index,
            asynchronous,
            wants_snapshot: host.checked.wants_snapshot,
            // Only a leader knows of a quorum that has what it lacks.
            ahead: match status.soft_state.role {
                Role::Leader => host.config.max_apply_unpersisted_entries,
                _ => 0,
            },
            max_committed_bytes: host.max_committed_bytes(),
        };
        ready::taken(&ready, &before, &status)?;
        let led = (status.soft_state.role == Role::Leader).then_some(status.hard_state.term);
        self.learn(id, &ready, &status, led)?;

        self.look_at_lease(id, &ready, &status);
        let host = &mut self.hosts[place];
        let remembered = &mut host.checked;
        remembered.hard_state = status.hard_state;
        if let Some(last) = ready.committed_entries.last() {
            remembered.applying = last.index;
        }
        if let Some(snapshot) = &ready.snapshot {
            remembered.applying = snapshot.id.index;
            remembered.wants_snapshot = false;
        }
        remembered.led = led;
        remembered.regrouped = false;
        remembered.conf_at_ready = host.confs.len().saturating_sub(1);
        for state in ready.read_states {
            let name = number_of(&state.context).unwrap_or(u64::MAX);
            let number = self.checks.clients.of_name(name);
            if self
                .checks
                .clients
                .may_read(id, host.life, number, state.index)?
            {
                host.reads.push((number, state.index));
            }
        }
        for dropped in &ready.dropped {
            let number = dropped
                .data
                .get(..8)
                .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
            if let Some(number) = number.filter(|_| dropped.kind != DropKind::ConfChange) {
                let clients = &mut self.checks.clients;
                let name = u64::from_le_bytes(number);
                clients.refused(id, clients.of_name(name))?;
                self.tally.note(match dropped.kind {
                    DropKind::Read => Kind::ReadDropped,
                    _ => Kind::ProposalRefused,
                });
            }
        }
        self.note_requests(id, &ready.reads, &ready.snapshot_requests);
        let host = &mut self.hosts[place];
        if asynchronous {
            self.hand_out(id, ready.messages)?;
        } else {
            host.work = Some(Work {
                stage: Stage::Write,
                hard_state: ready.hard_state,
                entries: ready.entries.to_vec(),
                snapshot: ready.snapshot,
                messages: ready.messages.into(),
                committed: ready.committed_entries.into_iter().collect(),
                must_sync: ready.must_sync,
                begun: false,
            });
        }
        self.serve_reads(id)?;
        Ok(true)
    }

    fn stage(&mut self, id: NodeId, count: usize) -> Done {
        let host = &mut self.hosts[id as usize - 1];
        let Some(work) = &mut host.work else {
            return Ok(false);
        };
        match work.stage {
            Stage::Write => {
                let snapshot = work.snapshot.clone();
                let entries = std::mem::take(&mut work.entries);
                let sync = work.must_sync || snapshot.is_some();
                work.go_on_to(if sync { Stage::Sync } else { Stage::Send });
                let state = work.hard_state;
                write(host, state, snapshot, entries);
            }
            Stage::Sync => {
                host.disk.sync();
                work.go_on_to(Stage::Send);
            }
            Stage::Send => {
                let count = count.min(work.messages.len());
                work.begun = true;
                if count == work.messages.len() {
                    work.go_on_to(Stage::Apply);
                }
                let messages: Vec<Message> = work.messages.drain(..count).collect();
                for message in messages {
                    self.post(message)?;
                }
            }
            Stage::Apply => {
                let count = count.min(work.committed.len());
                work.begun = true;
                if count == work.committed.len() {
                    work.go_on_to(Stage::Advance);
                }
                let snapshot = work.snapshot.take();
                let entries: Vec<Entry> = work.committed.drain(..count).collect();
                if let Some(snapshot) = snapshot {
                    self.restore(id, &snapshot)?;
                }
                self.apply(id, &entries)?;
            }
            Stage::Advance => {
                host.work = None;
                return self.call(id, Node::advance);
            }
        }
        Ok(true)
    }

    /// Gives the messages of an asynchronous Ready to those whom they are for.
    fn hand_out(&mut self, id: NodeId, messages: Vec<Message>) -> Checked {
        for message in messages {
            let host = &mut self.hosts[id as usize - 1];
            match message.body {
                Body::StorageAppend(work) => {
                    host.appends.push_back(Append {
                        hard_state: work.hard_state,
                        entries: work.entries.to_vec(),
                        snapshot: work.snapshot.map(|snapshot| *snapshot),
                        responses: work.responses,
                    });
                }
                Body::StorageApply { entries, responses } => {
                    let entries = entries.to_vec();
                    host.applies.push_back(Apply { entries, responses });
                }
                _ => self.post(message)?,
            }
        }
        Ok(())
    }

    /// The append worker writes its next piece.
    pub fn persist(&mut self, id: NodeId) -> Done {
        let Some(host) = self.host_mut(id).filter(|host| host.is_up()) else {
            return Ok(false);
        };
        let Some(mut append) = host.appends.pop_front() else {
            return Ok(false);
        };
        let entries = std::mem::take(&mut append.entries);
        let count = write(host, append.hard_state, append.snapshot.clone(), entries);
        host.written.push_back((count, append));
        Ok(true)
    }

    /// What the append worker has written is synced; it answers.
    pub fn sync(&mut self, id: NodeId) -> Done {
        let Some(host) = self.host_mut(id).filter(|host| host.is_up()) else {
            return Ok(false);
        };
        if host.written.is_empty() {
            return Ok(false);
        }
        while let Some(host) = self.host_mut(id)
            && let Some((writes, append)) = host.written.pop_front()
        {
            host.disk.sync_first(writes);
            if let Some(snapshot) = &append.snapshot {
                self.restore(id, snapshot)?;
            }
            for response in append.responses {
                self.post(response)?;
            }
        }
        Ok(true)
    }

    /// The apply worker does its next piece.
    pub fn apply_next(&mut self, id: NodeId) -> Done {
        let Some(host) = self.host_mut(id).filter(|host| host.is_up()) else {
            return Ok(false);
        };
        let Some(work) = host.applies.pop_front() else {
            return Ok(false);
        };
        // A snapshot that has been taken over since includes them.
        let skip = work
            .entries
            .iter()
            .take_while(|entry| entry.index <= host.applied)
            .count();
        self.apply(id, &work.entries[skip..])?;
        if let (Some(first), Some(host)) = (work.entries.first(), self.host_mut(id)) {
            host.checked.unacknowledged.push(first.index);
        }
        for response in work.responses {
            self.post(response)?;
        }
        Ok(true)
    }
}

/// Writes in an order that leaves no contradiction, wherever a crash cuts it: the term comes before
/// the entries that are of it, the commit index after the entries that it commits. Returns the
/// number of writes.
fn write(
    host: &mut Host,
    state: Option<HardState>,
    snapshot: Option<Snapshot>,
    entries: Vec<Entry>,
) -> usize {
    let disk = &mut host.disk;
    let before = disk.unsynced();
    let more = snapshot.is_some() || !entries.is_empty();
    if let Some(state) = state.filter(|_| more) {
        let commit = disk.written_commit();
        disk.write(Write::HardState(HardState { commit, ..state }));
    }
    if let Some(snapshot) = snapshot {
        disk.write(Write::Snapshot(Box::new(snapshot)));
    }
    if !entries.is_empty() {
        disk.write(Write::Entries(entries));
    }
    if let Some(state) = state {
        disk.write(Write::HardState(state));
    }
    disk.unsynced() - before
}
