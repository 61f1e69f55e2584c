//! What a host does with a Ready: synchronously, stage by stage, or with workers of its own.
//!
//! A synchronous host writes, syncs, sends, applies and advances, and may crash or hear something
//! new in between. An asynchronous one sends at once and leaves the rest to an append worker and an
//! apply worker, each of which does its work in order; what they answer travels like a message,
//! and so in any order.

use libraft_core::*;

use crate::action::Answer;
use crate::check::{Checked, Violation, ensure, flow, leases, membership, promises, ready};
use crate::disk::Write;
use crate::flights::Naming;
use crate::host::{Append, Apply, Host, Request, Stage, Wanted, Work};
use crate::tally::{Kind, Tally};
use crate::world::{Done, World, accepted};

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
        let asynchronous = host.config.async_storage_writes;
        let before = ready::Before {
            node: id,
            hard_state: host.checked.hard_state,
            applying: host.checked.applying,
            synced_last: host.disk.last().index,
            asynchronous,
            ahead: host.config.max_apply_unpersisted_entries,
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
        }
        remembered.led = led;
        remembered.conf_at_ready = host.confs.len().saturating_sub(1);
        for state in ready.read_states {
            let number = number_of(&state.context).unwrap_or(u64::MAX);
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
                clients.refused(id, u64::from_le_bytes(number))?;
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
                entries: ready.entries,
                snapshot: ready.snapshot,
                messages: ready.messages.into(),
                committed: ready.committed_entries.into(),
                must_sync: ready.must_sync,
                begun: false,
            });
        }
        self.serve_reads(id)?;
        Ok(true)
    }

    /// What a Ready answers to reads by a lease counts only if the lease is in force.
    fn look_at_lease(&mut self, id: NodeId, ready: &Ready, status: &BasicStatus) {
        let host = &self.hosts[id as usize - 1];
        let leads = status.soft_state.role == Role::Leader;
        let led = leads || host.checked.led.is_some();
        if host.config.read_only != ReadOnlyOption::LeaseBased || !led {
            return;
        }
        let sent = ready.messages.iter().filter_map(|message| {
            let Body::ReadIndexResp { index, context } = &message.body else {
                return None;
            };
            Some((number_of(context.as_ref()?)?, *index))
        });
        let own = ready.read_states.iter();
        let own = own.filter_map(|state| Some((number_of(&state.context)?, state.index)));
        let answers: Vec<(u64, Index)> = own.chain(sent).collect();
        if answers.is_empty() {
            return;
        }
        let lease = |voter: NodeId| {
            let voter = self.host(voter)?;
            let guards = voter.config.check_quorum;
            guards.then_some(&voter.checked.lease)
        };
        let term = status.hard_state.term;
        let covered = leads && leases::is_covered(id, term, host.conf(), lease);
        for (number, index) in answers {
            self.tally.note(match covered {
                true => Kind::LeaseRead,
                false => Kind::LeaseLapsed,
            });
            if !covered {
                self.checks.clients.excuse(number, index);
            }
        }
    }

    /// What a Ready says of the node's log goes to the checks.
    fn learn(
        &mut self,
        id: NodeId,
        ready: &Ready,
        status: &BasicStatus,
        led: Option<Term>,
    ) -> Checked {
        let host = &mut self.hosts[id as usize - 1];
        let logs = &mut self.checks.logs;
        let remembered = &mut host.checked;
        let state = status.hard_state;
        if let Some(snapshot) = &ready.snapshot {
            logs.snapshot(id, snapshot)?;
            self.checks.membership.snapshot(id, snapshot)?;
            remembered.view.install(snapshot.id);
        }
        if let Some(term) = led {
            let view = &remembered.view;
            membership::appended(id, view, host.applied, term, &ready.entries)?;
        }
        let still = led.filter(|_| remembered.led == led);
        logs.written(id, &mut remembered.view, &ready.entries, still)?;
        if let (Some(term), None) = (led, still) {
            logs.complete(id, &remembered.view, term)?;
            let indexes = remembered.applied_at_election + 1..=remembered.view.last().index;
            let view = &remembered.view;
            let older = indexes.filter_map(|index| Some((index, view.term(index)?)));
            remembered.uncounted = older
                .filter(|&(_, entry_term)| entry_term < term)
                .map(|(index, entry_term)| logs.payload(index, entry_term))
                .sum();
        }
        if led.is_some()
            && ready
                .messages
                .iter()
                .any(|m| matches!(m.body, Body::Append { .. }))
            && let Some(node) = &host.node
        {
            let sent = ready.messages.iter().map(|message| match &message.body {
                Body::Append { entries, .. } => entries.iter().map(|e| e.data.len() as u64).sum(),
                _ => 0,
            });
            remembered.largest = remembered.largest.max(sent.max().unwrap_or(0));
            flow::in_flight(&node.status(), &host.config, remembered.largest)?;
        }
        let known_before = logs.committed(id, &remembered.view, state.term, state.commit)?;
        if state.commit > known_before {
            self.first_to_commit(id, state)?;
        }
        Ok(())
    }

    /// Nobody has known before that this much is committed.
    fn first_to_commit(&mut self, id: NodeId, state: HardState) -> Checked {
        let host = &self.hosts[id as usize - 1];
        let founding = self.plan().bootstrap && state.commit <= self.plan().nodes;
        if let Some(term) = host.checked.view.term(state.commit).filter(|_| !founding) {
            let confs = host.confs[host.checked.conf_at_ready.min(host.confs.len() - 1)..].iter();
            let entry = EntryId {
                term,
                index: state.commit,
            };
            let hosts = &self.hosts;
            let disk = |voter: NodeId| &hosts[voter as usize - 1].disk;
            promises::committed(id, entry, confs.map(|(_, conf)| conf), disk)?;
        }
        for other in &self.hosts {
            if let Some(term) = other.checked.led.filter(|&term| term > state.term)
                && other.is_up()
            {
                self.checks
                    .logs
                    .complete(other.id, &other.checked.view, term)?;
            }
        }
        Ok(())
    }

    fn note_requests(&mut self, id: NodeId, reads: &[ReadRequest], snapshots: &[SnapshotRequest]) {
        let capture = self.plan().disk.stale > 0;
        let host = &mut self.hosts[id as usize - 1];
        let mut note = |mut request: Request| {
            let open = host.requests.len();
            host.requests.retain(|other| other.id != request.id);
            request.repeated = host.requests.len() < open;
            host.requests.push(request);
        };
        self.asked.extend(reads.iter().map(|read| (id, read.id)));
        self.asked
            .extend(snapshots.iter().map(|request| (id, request.id)));
        for read in reads {
            let captured = capture.then(|| host.disk.read(read)).flatten();
            note(Request {
                id: read.id,
                repeated: false,
                wants: Wanted::Entries(*read, captured),
            });
        }
        for request in snapshots {
            let captured = host.disk.snapshot.clone().filter(|_| capture);
            note(Request {
                id: request.id,
                repeated: false,
                wants: Wanted::Snapshot(captured),
            });
        }
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
                Body::StorageAppend {
                    hard_state,
                    entries,
                    snapshot,
                    responses,
                } => {
                    host.appends.push_back(Append {
                        hard_state,
                        entries,
                        snapshot: snapshot.map(|snapshot| *snapshot),
                        responses,
                    });
                }
                Body::StorageApply { entries, responses } => {
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

    fn restore(&mut self, id: NodeId, snapshot: &Snapshot) -> Checked {
        let host = &mut self.hosts[id as usize - 1];
        if snapshot.id.index > host.applied {
            host.applied = snapshot.id.index;
            host.most_after_crash = Index::MAX;
            host.confs = vec![(host.applied, snapshot.conf_state.clone())];
            host.checked.conf_at_ready = 0;
        }
        self.serve_reads(id)
    }

    fn apply(&mut self, id: NodeId, entries: &[Entry]) -> Checked {
        for entry in entries {
            let host = &mut self.hosts[id as usize - 1];
            let Some(node) = host.node.as_mut() else {
                return Ok(());
            };
            ensure(
                entry.index == host.applied + 1,
                "ready contract",
                id,
                || format!("{} is to be applied after {}", entry.index, host.applied),
            )?;
            self.checks.logs.applied(id, entry)?;
            host.applied = entry.index;
            if entry.is_conf_change() && node.basic_status().first_index > entry.index {
                // The node goes by a snapshot already, which includes this change.
                host.most_after_crash = host.most_after_crash.min(entry.index - 1);
                let change = codec::conf_change_of(entry);
                let changed = change.and_then(|change| node.apply_conf_change(&change));
                accepted(id, changed.map(drop))?;
            } else if entry.is_conf_change() {
                let changed =
                    codec::conf_change_of(entry).and_then(|change| node.apply_conf_change(&change));
                let old = host.conf().clone();
                let fits = changed.is_ok();
                let new = match changed {
                    Ok(new) => new,
                    Err(Error::ConfChange(_)) => old.clone(),
                    Err(error) => return accepted(id, Err(error)).map(drop),
                };
                let membership = &mut self.checks.membership;
                if membership.applied(id, entry.index, &old, &new)? {
                    note_change(&mut self.tally, &old, &new, fits);
                }
                let removed = host.leads() && is_voter(&old, id) && !is_voter(&new, id);
                self.tally.note_if(removed, Kind::LeaderRemoved);
                let host = &mut self.hosts[id as usize - 1];
                host.checked.lease.begin();
                host.confs.push((entry.index, new));
            } else if let Some(number) = entry.data.get(..8) {
                let number = <[u8; 8]>::try_from(number).map_or(u64::MAX, u64::from_le_bytes);
                self.checks
                    .clients
                    .applied(id, host.life, number, entry.index)?;
            }
        }
        self.serve_reads(id)
    }

    fn serve_reads(&mut self, id: NodeId) -> Checked {
        let host = &mut self.hosts[id as usize - 1];
        if host.reads.is_empty() {
            return Ok(());
        }
        let applied = host.applied;
        let mut due = Vec::new();
        host.reads.retain(|&(number, index)| {
            let wait = index > applied;
            if !wait {
                due.push(number);
            }
            wait
        });
        for number in due {
            self.checks.clients.served(id, number, applied)?;
        }
        Ok(())
    }

    /// Answers a request of the core.
    pub fn answer(&mut self, id: NodeId, request: RequestId, answer: Answer, again: bool) -> Done {
        let naming = self.flights.naming;
        let Some(host) = self.host_mut(id).filter(|host| host.is_up()) else {
            return Ok(false);
        };
        let mut open = host.requests.iter();
        let Some(place) = open.position(|open| open.id == request).or({
            // Something that was left out of a script may have changed its number.
            let any = naming == Naming::Names && !host.requests.is_empty();
            any.then_some(0)
        }) else {
            return Ok(false);
        };
        let request = host.requests[place].id;
        let fresh = self.snapshot_of(id);
        let Some(host) = self.hosts.get_mut(id as usize - 1) else {
            return Ok(false);
        };
        let open = &host.requests[place];
        let tally = &mut self.tally;
        tally.note_if(open.repeated, Kind::AnsweredLate);
        tally.note_if(again, Kind::AnsweredTwice);
        let Some(node) = host.node.as_mut() else {
            return Ok(false);
        };
        let result = match &open.wants {
            Wanted::Entries(read, captured) => {
                let entries = match answer {
                    Answer::Fresh => host.disk.read(read),
                    Answer::Stale => captured.clone(),
                    Answer::Failed => None,
                };
                let stale = answer == Answer::Stale && entries.is_some();
                tally.note_if(stale, Kind::AnsweredStale);
                match entries {
                    Some(entries) => node.provide_entries(read.id, entries),
                    None if read.low <= host.disk.compacted.index => {
                        tally.note(Kind::ReadCompacted);
                        node.read_failed(read.id, ReadFailure::Compacted)
                    }
                    None => {
                        tally.note(Kind::ReadFailed);
                        node.read_failed(read.id, ReadFailure::Unavailable)
                    }
                }
            }
            Wanted::Snapshot(captured) => {
                let snapshot = match answer {
                    Answer::Fresh => fresh,
                    Answer::Stale => captured.clone(),
                    Answer::Failed => None,
                };
                let stale = answer == Answer::Stale && snapshot.is_some();
                tally.note_if(stale, Kind::AnsweredStale);
                match snapshot {
                    Some(snapshot) => node.provide_snapshot(request, snapshot),
                    None => {
                        tally.note(Kind::SnapshotFailed);
                        node.snapshot_failed(request)
                    }
                }
            }
        };
        if !again {
            host.requests.swap_remove(place);
        }
        accepted(id, result)
    }
}

/// The number of the read with this context.
fn number_of(context: &[u8]) -> Option<u64> {
    <[u8; 8]>::try_from(context).map(u64::from_le_bytes).ok()
}

fn is_voter(conf: &ConfState, id: NodeId) -> bool {
    conf.voters.contains(&id) || conf.voters_outgoing.contains(&id)
}

/// Counts a change that nobody has applied before.
fn note_change(tally: &mut Tally, old: &ConfState, new: &ConfState, fits: bool) {
    tally.note(Kind::ChangeApplied);
    let learns = |conf: &ConfState, id: &NodeId| {
        conf.learners.contains(id) || conf.learners_next.contains(id)
    };
    let (was_joint, is_joint) = (
        !old.voters_outgoing.is_empty(),
        !new.voters_outgoing.is_empty(),
    );
    let demoted = old
        .voters
        .iter()
        .any(|id| learns(new, id) && !learns(old, id));
    let promoted = new.voters.iter().any(|id| old.learners.contains(id));
    let kinds = [
        (!fits, Kind::ChangeUnfit),
        (!was_joint && is_joint, Kind::JointEntered),
        (was_joint && !is_joint, Kind::JointLeft),
        (!new.learners.is_empty(), Kind::Learner),
        (demoted, Kind::VoterToLearner),
        (promoted, Kind::LearnerToVoter),
    ];
    for (occurs, kind) in kinds {
        tally.note_if(occurs, kind);
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
