//! Messages: how they leave a host, with what is checked then, and how they arrive. A part of the world.

use libraft_core::*;

use crate::check::leases::Delivered;
use crate::check::promises::Waits;
use crate::check::{Checked, flow, promises};
use crate::flights::{Flight, sum_of};
use crate::mix::{Mix, mix};
use crate::tally::Kind;
use crate::world::{Done, World};

impl World {
    pub fn deliver(&mut self, key: u64, keep: bool) -> Done {
        let flight = match keep {
            true => self.flights.get(key).cloned(),
            false => self.flights.take(key),
        };
        let Some(flight) = flight else {
            return Ok(false);
        };
        let to = flight.message.to;
        self.heard(&flight);
        if let Some(trace) = &mut self.trace {
            trace.delivered(self.events, &flight, keep);
        }
        let life = self.host(to).map_or(0, |host| host.life);
        if !self.is_up(to) || flight.local.is_some_and(|sent_in| sent_in != life) {
            // Nobody is there to take it.
            return Ok(!keep);
        }
        self.sum = mix(self.sum, flight.name);
        self.note_delivery(&flight);
        self.delivered = Some(Delivered::of(&flight.message));
        if let (Body::StorageApplyResp { entries }, Some(host)) =
            (&flight.message.body, self.host_mut(to))
        {
            let first = entries.first().map_or(0, |entry| entry.index);
            host.checked.unacknowledged.retain(|&other| other != first);
        }
        if !self.plan().wire || flight.local.is_some() {
            return self.call(to, |node| node.step(flight.message));
        }
        let bytes = codec::encode_message(&flight.message);
        self.sum = Mix::new(self.sum).and_bytes(&bytes).end();
        self.call(to, |node| node.step_bytes(bytes.into()))
    }

    pub fn lose(&mut self, key: u64) -> Done {
        let Some(flight) = self.flights.take(key) else {
            return Ok(false);
        };
        self.heard(&flight);
        if let Some(trace) = &mut self.trace {
            trace.lost(self.events, &flight);
        }
        Ok(true)
    }

    /// The node promises its leader nothing any more.
    pub fn release(&mut self, id: NodeId) {
        if let Some(host) = self.host_mut(id) {
            host.checked.lease.release();
        }
    }

    /// A message to its own sender is not on its way any more.
    pub fn heard(&mut self, flight: &Flight) {
        if let Some(host) = self.host_mut(flight.message.to)
            && flight.local == Some(host.life)
        {
            host.unheard = host.unheard.saturating_sub(1);
        }
    }

    pub fn note_delivery(&mut self, flight: &Flight) {
        let message = &flight.message;
        let term = self
            .host(message.to)
            .map_or(0, |host| host.checked.status.hard_state.term);
        let overtaken = self.flights.is_overtaken(flight);
        let tally = &mut self.tally;
        let kinds = [
            (overtaken && flight.local.is_none(), Kind::Overtaken),
            (overtaken && flight.local.is_some(), Kind::OutOfStep),
            (0 < message.term && message.term < term, Kind::OldTerm),
            (matches!(message.body, Body::TimeoutNow), Kind::TimeoutNow),
        ];
        for (occurs, kind) in kinds {
            tally.note_if(occurs, kind);
        }
    }

    /// A message of `from` is on its way. `local` if it is to the node itself.
    pub fn post(&mut self, message: Message) -> Checked {
        let from = message.from;
        let Some(host) = self.host_mut(if from >= LOCAL_APPLY {
            message.to
        } else {
            from
        }) else {
            return Ok(());
        };
        let local = (message.to == host.id).then_some(host.life);
        host.unheard += u32::from(local.is_some());
        // What a node promised itself in an earlier term, it will not listen to.
        let stale = local.is_some() && message.term < host.checked.status.hard_state.term;
        if from < LOCAL_APPLY && !stale {
            promises::sent(&message, &host.disk, Waits::of(&host.config))?;
        }
        match &message.body {
            Body::Append { entries, .. } if !entries.is_empty() => {
                flow::append(from, entries, host.config.max_size_per_msg)?;
                let bytes = entries.iter().map(|entry| entry.data.len() as u64).sum();
                host.checked.largest = host.checked.largest.max(bytes);
            }
            Body::InstallSnapshot { .. } => self.tally.note(Kind::SnapshotSent),
            Body::TimeoutNow => {
                self.transfers.insert((from, message.term));
            }
            Body::Vote {
                pre: false,
                granted: true,
            } => {
                self.checks
                    .elections
                    .voted(from, message.term, message.to)?;
            }
            _ => {}
        }
        let sum = sum_of(&message);
        self.sum = match self.exact {
            true => Mix::new(self.sum)
                .and_bytes(&codec::encode_message(&message))
                .end(),
            false => mix(self.sum, sum),
        };
        self.flights.post(message, sum, local, self.events);
        Ok(())
    }
}
