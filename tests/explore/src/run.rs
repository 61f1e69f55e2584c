//! What a host does with an input: it gives it to the node, and handles the Readys that come of it.
//!
//! A synchronous host writes, sends, applies and advances. An asynchronous one sends at once and leaves
//! the rest to an append worker and an apply worker, each of which does its work in order. Requests
//! are answered within the step that makes them.

use libraft_core::*;

use crate::canonical::fingerprint;
use crate::check::{Checked, Commit, Voters, broken, ensure};
use crate::disk::{Write, writes};
use crate::log;
use crate::machine::{Append, Apply, Input, Machine, Shown, Work};
use crate::setting::{Fault, Handling, Setting};

/// A machine at work.
pub struct Run<'a> {
    pub setting: &'a Setting,
    pub machine: Machine,
    pub sent: Vec<Message>,
    pub answer: Option<Index>,
    pub commits: Vec<Commit>,
}

/// The append worker takes no more pieces at a time.
const MAX_APPENDS: usize = 2;
/// More Readys than that in a row never end.
const MANY_READYS: usize = 100;

impl Run<'_> {
    /// Takes an input, if it can be now.
    ///
    /// # Errors
    /// A rule that is broken.
    pub fn take(&mut self, input: &Input) -> Checked<bool> {
        let at_once = self.setting.handling == Handling::AtOnce;
        let of_host = matches!(
            input,
            Input::Ready
                | Input::Advance
                | Input::Append
                | Input::Apply
                | Input::Compact
                | Input::Crash
                | Input::CrashUnsynced
                | Input::CrashTorn(_)
        );
        if of_host {
            return self.take_of_host(input);
        }
        if !at_once && self.machine.unhandled >= self.setting.batch {
            return Ok(false);
        }
        // What changes nothing doesn't count as an input that waits.
        let before = (!at_once).then(|| self.machine.node.clone());
        let leads = self.machine.node.basic_status().soft_state.role == Role::Leader;
        let node = &mut self.machine.node;
        let result = match input {
            Input::Deliver(message) => node.step(message.clone()),
            Input::Heartbeat if leads => node.tick(),
            Input::Campaign => node.campaign(),
            Input::Propose(number) if leads => node.propose(vec![*number].into()),
            Input::Change(number) if leads => match self.setting.change(*number) {
                Some(change) => node.propose_conf_change_v2(&change),
                None => return Ok(false),
            },
            Input::Read(number) if leads => node.read_index(vec![*number].into()),
            Input::Transfer(to) if leads => node.transfer_leader(*to),
            Input::Unreachable(peer) if leads => node.report_unreachable(*peer),
            _ => return Ok(false),
        };
        match result {
            Ok(()) => {}
            // What this host asks for can't be now, or the sender is no member yet or any more.
            Err(Error::ProposalDropped(_) | Error::ReadDropped(_) | Error::UnknownPeer(_)) => {
                return Ok(false);
            }
            Err(error) => return Err(broken("what correct nodes send is taken", error)),
        }
        if !self.setting.coalesce {
            // Then requests are made with the input, and they don't outlast its step.
            let (reads, snapshots) = self.machine.node.take_requests();
            self.answer_requests(reads, snapshots)?;
        }
        if let Some(before) = &before {
            let mut text = String::new();
            if fingerprint(&self.machine.node, &mut text) == fingerprint(before, &mut text) {
                return Ok(false);
            }
            let waits = self.machine.node.has_ready();
            self.machine.unhandled += u8::from(waits);
        }
        Ok(true)
    }

    fn take_of_host(&mut self, input: &Input) -> Checked<bool> {
        match input {
            Input::Ready => self.ready(),
            Input::Advance => self.advance(),
            Input::Append => self.append(),
            Input::Apply => self.apply_next(),
            Input::Compact => self.compact(),
            Input::Crash => self.crash(),
            Input::CrashUnsynced if self.machine.disk.synced != self.machine.disk.written => {
                self.machine.disk.written = self.machine.disk.synced;
                self.crash()
            }
            Input::CrashTorn(count) => self.tear(usize::from(*count)),
            _ => Ok(false),
        }
    }

    /// Handles Readys until there is none.
    ///
    /// # Errors
    /// A rule that is broken.
    pub fn handle_all(&mut self) -> Checked {
        for _ in 0..MANY_READYS {
            if !self.ready()? {
                return Ok(());
            }
            self.advance()?;
        }
        Err(broken("Readys come to an end", "they don't"))
    }

    fn ready(&mut self) -> Checked<bool> {
        let machine = &mut self.machine;
        if machine.work.is_some() || !machine.node.has_ready() {
            return Ok(false);
        }
        if machine.appends.len() >= MAX_APPENDS {
            return Ok(false);
        }
        machine.unhandled = 0;
        let ready = machine.node.ready();
        let mut ready = ready.map_err(|error| broken("a Ready can be taken", error))?;
        let known = machine.shown.commit;
        machine.show(&ready);
        let Shown { commit, leads, .. } = machine.shown;
        // Otherwise a change may have been applied since it was counted.
        if leads && commit > known && self.setting.handling == Handling::AtOnce {
            self.commits.push(Commit {
                index: commit,
                voters: Voters::of(&machine.conf),
            });
        }
        let messages = std::mem::take(&mut ready.messages);
        for state in &ready.read_states {
            self.answer = Some(state.index);
        }
        if self.setting.handling == Handling::ByWorkers {
            self.hand_out(messages)?;
        } else {
            let synced = ready.must_sync || ready.snapshot.is_some();
            let old = self.machine.disk.written;
            let list = writes(
                old,
                ready.hard_state,
                ready.snapshot.clone(),
                ready.entries.to_vec(),
            );
            self.write(list, synced)?;
            for message in messages {
                self.send(message)?;
            }
            self.machine.work = Some(Work {
                snapshot: ready.snapshot,
                committed: ready.committed_entries.to_vec(),
            });
        }
        self.answer_requests(ready.reads, ready.snapshot_requests)?;
        Ok(true)
    }

    fn advance(&mut self) -> Checked<bool> {
        let Some(work) = self.machine.work.take() else {
            return Ok(false);
        };
        if let Some(snapshot) = &work.snapshot {
            self.restore(snapshot);
        }
        self.apply(&work.committed)?;
        let done = self.machine.node.advance();
        done.map_err(|error| broken("a Ready can be advanced", error))?;
        Ok(true)
    }

    fn write(&mut self, list: Vec<Write>, synced: bool) -> Checked {
        let synced = synced || !self.setting.loses_commit;
        for write in list {
            let written = self.machine.disk.write(write, synced);
            written.map_err(|why| broken("what is on the disk stays there", why))?;
        }
        Ok(())
    }

    /// Gives the messages of an asynchronous Ready to those whom they are for.
    fn hand_out(&mut self, messages: Vec<Message>) -> Checked {
        for message in messages {
            match message.body {
                Body::StorageAppend(work) => self.machine.appends.push_back(Append {
                    hard_state: work.hard_state,
                    entries: work.entries.to_vec(),
                    snapshot: work.snapshot.map(|snapshot| *snapshot),
                    responses: work.responses,
                }),
                Body::StorageApply { entries, responses } => {
                    let entries = entries.to_vec();
                    self.machine.applies.push_back(Apply { entries, responses });
                }
                _ => self.send(message)?,
            }
        }
        Ok(())
    }

    fn append(&mut self) -> Checked<bool> {
        let Some(append) = self.machine.appends.pop_front() else {
            return Ok(false);
        };
        let old = self.machine.disk.written;
        let snapshot = append.snapshot.clone();
        let list = writes(old, append.hard_state, append.snapshot, append.entries);
        self.write(list, true)?;
        if let Some(snapshot) = snapshot {
            self.restore(&snapshot);
        }
        self.respond(append.responses)?;
        Ok(true)
    }

    fn apply_next(&mut self) -> Checked<bool> {
        let Some(apply) = self.machine.applies.pop_front() else {
            return Ok(false);
        };
        self.apply(&apply.entries)?;
        self.respond(apply.responses)?;
        Ok(true)
    }

    fn respond(&mut self, responses: Vec<Message>) -> Checked {
        for response in responses {
            if response.to != self.machine.id {
                self.send(response)?;
                continue;
            }
            let taken = self.machine.node.step(response);
            taken.map_err(|error| broken("a worker's response is taken", error))?;
        }
        Ok(())
    }

    fn restore(&mut self, snapshot: &Snapshot) {
        if snapshot.id.index > self.machine.applied {
            self.machine.applied = snapshot.id.index;
            self.machine.conf = snapshot.conf_state.clone();
        }
    }

    fn apply(&mut self, entries: &[Entry]) -> Checked {
        for entry in entries {
            let machine = &mut self.machine;
            if entry.index <= machine.applied && self.setting.handling == Handling::ByWorkers {
                // A snapshot that has been taken over since includes it.
                continue;
            }
            ensure(
                entry.index == machine.applied + 1,
                "no gap is applied",
                || format!("{} after {}", entry.index, machine.applied),
            )?;
            machine.applied = entry.index;
            if !entry.is_conf_change() {
                continue;
            }
            let change = codec::conf_change_of(entry);
            let conf = change.and_then(|change| machine.node.apply_conf_change(&change));
            let conf = conf.map_err(|error| broken("a committed change can be applied", error))?;
            ensure(
                Voters::of(&machine.conf).intersect(Voters::of(&conf)),
                "configurations intersect",
                || format!("{:?} comes after {:?}", conf, machine.conf),
            )?;
            machine.conf = conf;
        }
        Ok(())
    }

    /// The host drops the log up to what it has applied, in favour of a snapshot.
    fn compact(&mut self) -> Checked<bool> {
        let machine = &mut self.machine;
        let index = machine.applied;
        let Some(last) = machine.disk.log.iter().find(|entry| entry.index == index) else {
            return Ok(false);
        };
        if machine.work.is_some() || machine.node.basic_status().applied != index {
            return Ok(false);
        }
        let snapshot = Snapshot {
            id: last.id(),
            conf_state: machine.conf.clone(),
            data: log::to_bytes(log::up_to(machine.disk.marks(), index)).into(),
        };
        match machine.node.compacted(index + 1) {
            Ok(()) => machine.disk.compact(snapshot),
            // Not persisted yet, as far as the node knows.
            Err(Error::Misuse(_)) => return Ok(false),
            Err(error) => return Err(broken("a compaction is taken", error)),
        }
        Ok(true)
    }

    fn answer_requests(
        &mut self,
        reads: Vec<ReadRequest>,
        snapshots: Vec<SnapshotRequest>,
    ) -> Checked {
        let (mut reads, mut snapshots) = (reads, snapshots);
        while !reads.is_empty() || !snapshots.is_empty() {
            let Machine { node, disk, .. } = &mut self.machine;
            for read in &reads {
                let entries = disk.read(read);
                let answered = match entries.is_empty() {
                    true => node.read_failed(read.id, ReadFailure::Compacted),
                    false => node.provide_entries(read.id, entries),
                };
                answered.map_err(|error| broken("an answer is taken", error))?;
            }
            for request in &snapshots {
                let answered = match disk.snapshot.id.index {
                    0 => node.snapshot_failed(request.id),
                    _ => node.provide_snapshot(request.id, disk.snapshot.clone()),
                };
                answered.map_err(|error| broken("an answer is taken", error))?;
            }
            (reads, snapshots) = node.take_requests();
        }
        Ok(())
    }

    /// Everything in memory is gone, and the machine starts anew.
    fn crash(&mut self) -> Checked<bool> {
        let mut disk = std::mem::take(&mut self.machine.disk);
        disk.synced = disk.written;
        match self.setting.fault {
            Fault::None => {}
            #[cfg(test)]
            Fault::ForgetsVote => {
                disk.written.vote = NONE;
                disk.synced = disk.written;
            }
            #[cfg(test)]
            Fault::ForgetsEntry => {
                disk.log.pop();
                let commit = disk.written.commit.min(disk.last().index);
                disk.written.commit = commit;
                disk.synced = disk.written;
            }
        }
        self.machine = Machine::start(self.setting, self.machine.id, disk)?;
        Ok(true)
    }

    /// A crash in the middle of writing.
    fn tear(&mut self, count: usize) -> Checked<bool> {
        let machine = &mut self.machine;
        let old = machine.disk.written;
        let list = if let Some(append) = machine.appends.pop_front() {
            writes(old, append.hard_state, append.snapshot, append.entries)
        } else if machine.work.is_none() && self.setting.handling != Handling::ByWorkers {
            if !machine.node.has_ready() {
                return Ok(false);
            }
            let ready = machine.node.ready();
            let ready = ready.map_err(|error| broken("a Ready can be taken", error))?;
            writes(
                old,
                ready.hard_state,
                ready.snapshot,
                ready.entries.to_vec(),
            )
        } else {
            return Ok(false);
        };
        if count >= list.len() {
            return Ok(false);
        }
        self.write(list.into_iter().take(count).collect(), true)?;
        self.crash()
    }

    /// A message leaves. What it promises has to be on the disk.
    fn send(&mut self, message: Message) -> Checked {
        let disk = &self.machine.disk;
        let (term, state, last) = (message.term, disk.written, disk.last());
        let kept = match &message.body {
            Body::Vote {
                pre: false,
                granted: true,
            } => state.term > term || (state.term == term && state.vote == message.to),
            Body::RequestVote {
                pre: false,
                last: claimed,
                ..
            } => {
                let has = (claimed.term, claimed.index) <= (last.term, last.index);
                state.term > term || (state.term == term && state.vote == self.machine.id && has)
            }
            Body::Accept { index } => state.term >= term && last.index >= *index,
            Body::RequestVote { .. } | Body::Vote { .. } => true,
            _ if self.setting.handling == Handling::ByWorkers => true,
            _ => state.term >= term,
        };
        ensure(
            kept || self.setting.fault != Fault::None,
            "what is promised is on the disk",
            || format!("{message:?} with {state:?} and a log up to {last:?}"),
        )?;
        self.sent.push(message);
        Ok(())
    }
}
