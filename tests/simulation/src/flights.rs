//! Messages on their way, each with a name that a script can use.
//!
//! The driver decides what becomes of them; here they only wait. Within a run a message is found by
//! its slot. In a script it is found by its name, which is made of what it says and of how many
//! the same have been sent before, so that it stays the same when other actions are left out. If they
//! have changed what it says, the oldest of its kind on its link takes its place.

use std::collections::BTreeMap;

use libraft_core::*;

use crate::mix::{Mix, mix};
use crate::plan::MAX_HOSTS;

#[derive(Clone, Debug)]
pub struct Flight {
    pub message: Message,
    /// The sender's life in which it was sent, if it is a promise of a node to itself: no other
    /// life gets it.
    pub local: Option<u32>,
    pub name: u64,
    /// The event that sent it, for the diagram.
    pub sent_at: u64,
}

/// How messages are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    Slots,
    Names,
}

#[derive(Debug)]
pub struct Flights {
    slots: Vec<Option<Flight>>,
    free: Vec<u32>,
    /// Slots of messages that nobody has seen yet.
    pub fresh: Vec<u32>,
    pub naming: Naming,
    /// How many of each have been sent, while names are needed.
    sent: Option<BTreeMap<u64, u64>>,
    by_name: BTreeMap<u64, u32>,
    /// By the part of their names that tells link and kind, in the order in which they were sent.
    by_link: BTreeMap<u64, Vec<u32>>,
    /// By sender and recipient, when the newest message was sent that has arrived.
    newest: [[u64; MAX_HOSTS + 1]; MAX_HOSTS + 1],
}

impl Flights {
    /// `named` if the messages get names at all.
    pub fn new(naming: Naming, named: bool) -> Flights {
        Flights {
            slots: Vec::new(),
            free: Vec::new(),
            fresh: Vec::new(),
            naming,
            sent: (named || naming == Naming::Names).then(BTreeMap::new),
            by_name: BTreeMap::new(),
            by_link: BTreeMap::new(),
            newest: [[0; MAX_HOSTS + 1]; MAX_HOSTS + 1],
        }
    }

    pub fn post(&mut self, message: Message, sum: u64, local: Option<u32>, sent_at: u64) {
        let mut name = sum;
        if let Some(sent) = &mut self.sent {
            let count = sent.entry(sum).or_default();
            *count += 1;
            name = link_of(&message) << NAME_BITS | mix(sum, *count) >> (64 - NAME_BITS);
        }
        let flight = Flight {
            message,
            local,
            name,
            sent_at,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(flight);
                slot
            }
            None => {
                self.slots.push(Some(flight));
                self.slots.len() as u32 - 1
            }
        };
        if self.naming == Naming::Names {
            self.by_name.insert(name, slot);
            let link = self.by_link.entry(name >> NAME_BITS).or_default();
            link.push(slot);
        }
        self.fresh.push(slot);
    }

    fn slot(&self, key: u64) -> Option<u32> {
        match self.naming {
            Naming::Slots => Some(key as u32),
            Naming::Names => self.by_name.get(&key).copied().or_else(|| {
                let link = self.by_link.get(&(key >> NAME_BITS))?;
                link.first().copied()
            }),
        }
    }

    /// Whatever has not arrived yet.
    pub fn on_their_way(&self) -> impl Iterator<Item = &Flight> {
        self.slots.iter().flatten()
    }

    pub fn get(&self, key: u64) -> Option<&Flight> {
        self.slots.get(self.slot(key)? as usize)?.as_ref()
    }

    pub fn take(&mut self, key: u64) -> Option<Flight> {
        let slot = self.slot(key)?;
        let flight = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        if self.naming == Naming::Names {
            self.by_name.remove(&flight.name);
            if let Some(link) = self.by_link.get_mut(&(flight.name >> NAME_BITS)) {
                link.retain(|&other| other != slot);
            }
        }
        Some(flight)
    }

    /// A message arrives. Returns whether a later one of its link has arrived before.
    pub fn is_overtaken(&mut self, flight: &Flight) -> bool {
        let place =
            |id: NodeId| usize::try_from(id).map_or(0, |id| if id > MAX_HOSTS { 0 } else { id });
        let newest = &mut self.newest[place(flight.message.from)][place(flight.message.to)];
        let overtaken = flight.sent_at < *newest;
        *newest = flight.sent_at.max(*newest);
        overtaken
    }

    /// From now on messages are found by slot: a script has ended, and a driver goes on from there.
    /// Returns the slots of all that are on their way.
    pub fn hand_over(&mut self) -> Vec<u32> {
        self.naming = Naming::Slots;
        self.fresh.clear();
        let used = |slot: &u32| self.slots[*slot as usize].is_some();
        (0..self.slots.len() as u32).filter(used).collect()
    }
}

/// A name has so many bits that are made of what the message says.
const NAME_BITS: u32 = 40;

/// The part of a name that tells sender, recipient and kind.
fn link_of(message: &Message) -> u64 {
    let id = |id: NodeId| if id > MAX_HOSTS as u64 { 0 } else { id };
    let kind = Mix::new(0).and_bytes(kind(&message.body).as_bytes()).end();
    id(message.from) << 16 | id(message.to) << 8 | kind & 0xff
}

/// The sender and the recipient of the message with this name, as far as they are nodes.
pub fn ends_of(name: u64) -> [NodeId; 2] {
    let link = name >> NAME_BITS;
    [link >> 16 & 0xff, link >> 8 & 0xff]
}

/// The short name of a kind of message.
pub fn kind(body: &Body) -> &'static str {
    match body {
        Body::Propose { .. } => "prop",
        Body::Append { .. } => "app",
        Body::Accept { .. } => "accept",
        Body::Reject { .. } => "reject",
        Body::RequestVote { pre: true, .. } => "prevote?",
        Body::RequestVote { .. } => "vote?",
        Body::Vote {
            pre: true,
            granted: true,
        } => "prevote",
        Body::Vote { pre: true, .. } => "no prevote",
        Body::Vote { granted: true, .. } => "vote",
        Body::Vote { .. } => "no vote",
        Body::InstallSnapshot { .. } => "snap",
        Body::Heartbeat { .. } => "beat",
        Body::HeartbeatResp { .. } => "beat ok",
        Body::ReadIndex { .. } => "read?",
        Body::ReadIndexResp { .. } => "read",
        Body::TransferLeader => "transfer",
        Body::TimeoutNow => "timeout-now",
        Body::ForgetLeader => "forget",
        Body::StorageAppend { .. } => "append",
        Body::StorageAppendResp { .. } => "appended",
        Body::StorageApply { .. } => "apply",
        Body::StorageApplyResp { .. } => "applied",
        Body::Outdated => "outdated",
        Body::RequestSnapshot { .. } => "snap?",
        Body::ProposalDropped { .. } => "dropped",
        Body::ReadDropped { .. } => "read dropped",
        Body::Removed { .. } => "removed",
    }
}

/// A message in one line.
pub fn describe(message: &Message) -> String {
    let (from, to) = (message.from, message.to);
    let who = match from >= LOCAL_APPLY {
        true => format!("{to}"),
        false => format!("{from}>{to}"),
    };
    let what = match &message.body {
        Body::Append {
            prev,
            entries,
            commit,
        } => format!(
            " after {}@{} {} entries commit {commit}",
            prev.index,
            prev.term,
            entries.len()
        ),
        Body::Accept { index } => format!(" {index}"),
        Body::Reject { index, hint } => format!(" {index} hint {}@{}", hint.index, hint.term),
        Body::RequestVote { last, transfer, .. } => format!(
            " last {}@{}{}",
            last.index,
            last.term,
            if *transfer { " transfer" } else { "" }
        ),
        Body::InstallSnapshot { snapshot } => {
            format!(" {}@{}", snapshot.id.index, snapshot.id.term)
        }
        Body::Heartbeat { commit, .. } => format!(" commit {commit}"),
        Body::Propose { entries, .. } => format!(" {} entries", entries.len()),
        Body::ReadIndexResp { index, .. } => format!(" {index}"),
        Body::StorageAppendResp {
            last: Some(last), ..
        } => {
            format!(" {}@{}", last.index, last.term)
        }
        _ => String::new(),
    };
    format!(
        "{who} {}{what} (term {})",
        kind(&message.body),
        message.term
    )
}

/// The sum of what a message says: all its numbers, and how many entries of which terms and sizes.
pub fn sum_of(message: &Message) -> u64 {
    let mut sum = Mix::new(message.from).and(message.to).and(message.term);
    sum = sum.and_bytes(kind(&message.body).as_bytes());
    match &message.body {
        Body::Append {
            prev,
            entries,
            commit,
        } => {
            sum = sum.and(prev.index).and(prev.term).and(*commit);
            sum.and_entries(entries).end()
        }
        Body::Propose { entries, .. } => sum.and_entries(entries).end(),
        Body::StorageApplyResp { entries } => sum.and_entries(entries).end(),
        Body::Accept { index } => sum.and(*index).end(),
        Body::Reject { index, hint } => sum.and(*index).and(hint.index).and(hint.term).end(),
        Body::RequestVote { last, transfer, .. } => sum
            .and(last.index)
            .and(last.term)
            .and(u64::from(*transfer))
            .end(),
        Body::InstallSnapshot { snapshot } => sum
            .and(snapshot.id.index)
            .and(snapshot.id.term)
            .and_bytes(&snapshot.data)
            .end(),
        Body::Heartbeat { commit, context } => sum.and(*commit).and_bytes(context).end(),
        Body::HeartbeatResp { context } => sum.and_bytes(context).end(),
        Body::ReadIndex { context, .. } => {
            sum.and_bytes(&context.clone().unwrap_or_default()).end()
        }
        Body::ReadIndexResp { index, context } => {
            let context = context.clone().unwrap_or_default();
            sum.and(*index).and_bytes(&context).end()
        }
        Body::StorageAppendResp { last, snapshot } => {
            let last = last.unwrap_or_default();
            let snapshot = snapshot.as_ref().map_or(0, |snapshot| snapshot.id.index);
            sum.and(last.index).and(last.term).and(snapshot).end()
        }
        _ => sum.end(),
    }
}
