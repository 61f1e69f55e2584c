//! What a Ready tells the checks: of the log, of what is committed, of reads. A part of the world.

use libraft_core::*;

use crate::check::{Checked, flow, leases, membership, promises};
use crate::setting::group_of;
use crate::tally::Kind;
use crate::world::World;

impl World {
    /// What a Ready answers to reads by a lease counts only if the lease is in force.
    pub fn look_at_lease(&mut self, id: NodeId, ready: &Ready, status: &BasicStatus) {
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
        for (name, index) in answers {
            let number = self.checks.clients.of_name(name);
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
    pub fn learn(
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
            let (first, view) = (remembered.applied_at_election + 1, &remembered.view);
            // What is applied counts as committed, even if a snapshot has replaced it long since.
            let replaced = first < view.last().index && view.term(first).is_none();
            let older = (first..=view.last().index)
                .filter_map(|index| Some((index, view.term(index)?)))
                .filter(|&(_, entry_term)| entry_term < term)
                .map(|(index, entry_term)| logs.payload(index, entry_term));
            remembered.uncounted = match replaced {
                true => u64::MAX,
                false => older.sum(),
            };
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
            let own = |peer: NodeId| remembered.inflight.get(&peer).copied();
            flow::in_flight(&node.status(), &host.config, own, remembered.largest)?;
        }
        let known_before = logs.committed(id, &remembered.view, state.term, state.commit)?;
        if state.commit > known_before {
            self.first_to_commit(id, state)?;
        }
        Ok(())
    }

    /// Nobody has known before that this much is committed.
    pub fn first_to_commit(&mut self, id: NodeId, state: HardState) -> Checked {
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
            let (count, known) = host.checked.groups;
            let group = |voter| group_of(count, known, voter);
            // Without group commit, a majority will do.
            let grouped = (count > 0 && !host.checked.regrouped).then_some(&group);
            promises::committed(id, entry, confs.map(|(_, conf)| conf), disk, grouped)?;
            self.tally.note_if(grouped.is_some(), Kind::GroupCommit);
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
}

/// The number of the read with this context.
pub fn number_of(context: &[u8]) -> Option<u64> {
    <[u8; 8]>::try_from(context).map(u64::from_le_bytes).ok()
}
