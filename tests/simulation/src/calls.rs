//! What clients and operators ask of a host. A part of the world.

use bytes::Bytes;

use libraft_core::*;

use crate::check::flow;
use crate::host::{Host, Request, Wanted};
use crate::setting::Setting;
use crate::tally::Kind;
use crate::world::{Done, World, accepted};

impl World {
    /// Whether the host lets this change pass. Where the core is told not to look itself, its host
    /// has to see that all that the log holds is applied and that the leader has begun its term.
    pub fn may_change(&self, id: NodeId, change: &ConfChangeV2) -> bool {
        let Some(host) = self.host(id).filter(|host| host.is_up()) else {
            return false;
        };
        if !host.config.disable_conf_change_validation {
            return true;
        }
        let status = &host.checked.status;
        let last = host.checked.view.last();
        let conf = host.conf();
        let leaves = change.changes.is_empty();
        host.leads()
            && leaves != conf.voters_outgoing.is_empty()
            && !(leaves && conf.auto_leave)
            && last.term == status.hard_state.term
            && last.index == status.last_index
            && last.index == host.applied
            && last.index == status.applied
    }

    pub fn want_snapshot(&mut self, id: NodeId) -> Done {
        let Some(host) = self.host_mut(id) else {
            return Ok(false);
        };
        let Some(node) = host.node.as_mut() else {
            return Ok(false);
        };
        let result = node.request_snapshot();
        host.checked.wants_snapshot |= result.is_ok();
        self.tally.note_if(result.is_ok(), Kind::SnapshotWanted);
        match result {
            Err(Error::SnapshotRequestDropped(_)) => Ok(true),
            other => accepted(id, other),
        }
    }

    pub fn set(&mut self, id: NodeId, setting: Setting) -> Done {
        let Some(host) = self.host_mut(id).filter(|host| host.is_up()) else {
            return Ok(false);
        };
        match setting {
            Setting::Priority(priority) => host.config.priority = priority,
            Setting::Inflight {
                peer,
                messages,
                bytes,
            } => {
                // A window that becomes too small is full until what is on its way has arrived.
                let bytes = if bytes == 0 { u64::MAX } else { bytes };
                let most = host.checked.inflight.entry(peer).or_insert((0, 0));
                *most = (most.0.max(messages as usize), most.1.max(bytes));
            }
            Setting::Ahead(entries) => host.config.max_apply_unpersisted_entries = entries,
            Setting::Groups { count, known } => {
                host.checked.groups = (count, known);
                host.checked.regrouped = true;
            }
        }
        self.call(id, |node| setting.set(node))
    }

    pub fn propose(&mut self, id: NodeId, size: u32, count: u32) -> Done {
        let logs = &self.checks.logs;
        let Some(host) = self.hosts.get_mut(id as usize - 1) else {
            return Ok(false);
        };
        let Some(node) = host.node.as_mut() else {
            return Ok(false);
        };
        let clients = &mut self.checks.clients;
        let numbers: Vec<u64> = (0..count).map(|_| clients.write(id, host.life)).collect();
        let size = size.max(8) as usize;
        let commands = numbers.iter().map(|number| {
            let mut data = vec![0; size];
            data[..8].copy_from_slice(&number.to_le_bytes());
            Bytes::from(data)
        });
        let result = node.propose_many(commands);
        let tally = &mut self.tally;
        let oversize = size as u64 > host.config.max_size_per_msg;
        tally.note_if(oversize && result.is_ok(), Kind::Oversize);
        tally.note_if(!host.leads(), Kind::ProposedElsewhere);
        tally.note_if(result.is_err(), Kind::ProposalRefused);
        match &result {
            Err(Error::ProposalDropped(_)) => {
                for &number in &numbers {
                    clients.refused(id, number)?;
                }
            }
            Ok(()) if host.checked.led.is_some() && host.config.max_uncommitted_bytes > 0 => {
                let remembered = &host.checked;
                let term = remembered.status.hard_state.term;
                let indexes = remembered.status.applied + 1..=remembered.view.last().index;
                let own = indexes.filter(|&index| remembered.view.term(index) == Some(term));
                let uncommitted: u64 = own.map(|index| logs.payload(index, term)).sum();
                let counted = uncommitted.saturating_sub(remembered.uncounted);
                let leads = remembered.led == Some(term) && host.leads();
                if leads {
                    flow::proposed(id, counted, (size * numbers.len()) as u64, &host.config)?;
                }
            }
            _ => {}
        }
        accepted(id, result)
    }

    pub fn compact(&mut self, id: NodeId, keep: u64) -> Done {
        let Some(host) = self.host(id).filter(|host| host.is_up()) else {
            return Ok(false);
        };
        // What the core counts as applied and as persisted, and is on the disk.
        let status = &host.checked.status;
        let known = status.applied.min(status.persisted);
        let applied = known.min(host.applied).min(host.disk.last().index);
        let snapshot = host
            .disk
            .snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.id.index);
        if applied <= snapshot || applied < host.disk.compacted.index || applied < host.applied {
            return Ok(false);
        }
        let Some(snapshot) = self.snapshot_of(id) else {
            return Ok(false);
        };
        let Some(host) = self.hosts.get_mut(id as usize - 1) else {
            return Ok(false);
        };
        let index = applied.saturating_sub(keep).max(host.disk.compacted.index);
        let cuts = |request: &Request| match &request.wants {
            Wanted::Entries(read, _) => read.low <= index,
            Wanted::Snapshot(_) => false,
        };
        let during_send = host.leads() && host.requests.iter().any(cuts);
        self.tally.note_if(during_send, Kind::CompactionDuringSend);
        host.disk.compact(index, snapshot);
        host.checked.view.compact(index);
        self.call(id, |node| node.compacted(index + 1))
    }

    pub fn read_index(&mut self, id: NodeId, number: u64) -> Done {
        let Some(host) = self.hosts.get_mut(id as usize - 1) else {
            return Ok(false);
        };
        self.tally.note_if(!host.leads(), Kind::ReadElsewhere);
        let Some(node) = host.node.as_mut() else {
            return Ok(false);
        };
        let result = node.read_index(context_of(number));
        let dropped = matches!(result, Err(Error::ReadDropped(_)));
        self.tally.note_if(dropped, Kind::ReadDropped);
        accepted(id, result)
    }

    /// A snapshot of a node's state machine.
    pub fn snapshot_of(&self, id: NodeId) -> Option<Snapshot> {
        let host = self.host(id)?;
        let index = host.applied;
        let term = self.checks.logs.committed_term(index)?;
        (index > 0).then(|| Snapshot {
            id: EntryId { term, index },
            conf_state: host.conf().clone(),
            data: self.state_at(index),
        })
    }

    /// Only when nobody can need it any more: each member knows for good of a configuration without
    /// it.
    pub fn wipe(&mut self, id: NodeId) -> bool {
        let Some((since, conf)) = self.checks.membership.newest() else {
            return false;
        };
        let knows = |member: &Host| member.disk.hard_state.commit >= since;
        let members = self.hosts.iter().filter(|host| conf.contains(host.id));
        if conf.contains(id) || !members.clone().all(knows) || members.count() == 0 {
            return false;
        }
        self.destroy(id)
    }

    /// Whoever it was, it is gone, like one that never comes back.
    pub fn destroy(&mut self, id: NodeId) -> bool {
        let host = self.hosts.get_mut(id as usize - 1);
        let Some(host) = host.filter(|host| !host.gone) else {
            return false;
        };
        if host.is_up() {
            host.crash(0, 0, 0, &mut self.tally);
        }
        host.gone = true;
        true
    }
}

/// What a read's context is, and whose number it is.
pub fn context_of(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_le_bytes())
}
