//! How much a node holds that no Ready has handed out: for who makes calls that somebody else has
//! chosen, and has to stop before memory ends. It decides nothing, and the protocol never asks.

use super::{Raft, RoleState};
use crate::message::{Body, Message};

impl Raft {
    /// How many messages wait in the outbox.
    pub fn queued_messages(&self) -> usize {
        self.core.outbox.messages().len()
    }

    /// Places for messages in the outbox and their entries, from this message on.
    pub fn queued_places(&self, from: usize) -> u64 {
        let messages = self.core.outbox.messages().get(from..).unwrap_or_default();
        messages.iter().map(|message| 1 + entries_of(message)).sum()
    }

    /// How many messages one tick can send at most, as heartbeats or as requests for votes.
    pub fn messages_of_a_tick(&self) -> u64 {
        let conf = self.core.membership.conf_state();
        let lists = [
            &conf.voters,
            &conf.voters_outgoing,
            &conf.learners,
            &conf.learners_next,
        ];
        1 + lists.iter().map(|list| list.len() as u64).sum::<u64>()
    }

    /// Places that one more call can take: what a leader may send of what it has in memory, and what
    /// is in the outbox besides messages.
    pub fn places_to_come(&self) -> u64 {
        let (log, outbox) = (&self.core.log, &self.core.outbox);
        let unsent = match &self.role {
            RoleState::Leader(leader) => {
                let (from, end) = (log.in_memory_from(), log.last_index() + 1);
                let unsent = |next: u64| 1 + end.saturating_sub(next.max(from));
                let peers = leader.tracker().iter();
                peers.map(|peer| unsent(peer.next_index)).sum()
            }
            _ => 0,
        };
        unsent + outbox.others() as u64
    }
}

fn entries_of(message: &Message) -> u64 {
    let count = match &message.body {
        Body::Propose { entries, .. } | Body::ProposalDropped { entries, .. } => entries.len(),
        Body::Append { entries, .. } => entries.len(),
        _ => 0,
    };
    count as u64
}
