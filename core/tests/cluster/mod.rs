//! Nodes with a storage in memory, and clusters of them: what the tests of this crate share, those
//! inside it and those from outside.
//!
//! A [`Member`] does what a host has to do, in the order in which it has to. A [`Cluster`] delivers
//! messages as bytes, and loses those of the nodes that are cut off. Nothing happens here by itself.
// Each crate that includes this uses another part of it.
#![allow(dead_code)]

pub mod listing;
pub mod nodes;

use bytes::Bytes;
use libraft_core::*;

/// A node and its storage: what a host keeps across restarts.
pub struct Member {
    pub node: Node,
    pub config: Config,
    pub hard_state: HardState,
    pub log: Vec<Entry>,
    pub conf_state: ConfState,
    pub compacted: EntryId,
    pub snapshot: Option<Snapshot>,
    pub applied: Vec<Entry>,
    pub applied_index: Index,
    pub reads: Vec<ReadState>,
}

impl Member {
    /// A member of a group of these voters, which has never run.
    pub fn new(config: Config, voters: &[NodeId]) -> Member {
        let conf_state = ConfState::of_voters(voters.iter().copied());
        Member::start(config, conf_state, HardState::default(), &[])
    }

    /// A member whose stored log has entries of these terms, from index 1 on, and of which nothing
    /// is applied.
    pub fn start(
        config: Config,
        conf_state: ConfState,
        hard_state: HardState,
        terms: &[Term],
    ) -> Member {
        let entry = |(index, &term): (Index, &Term)| Entry {
            term,
            index,
            data: Bytes::from(format!("{term}.{index}")),
            ..Entry::default()
        };
        let mut member = Member {
            // Takes its place below.
            node: Node::new(config.clone(), RestartState::default()).unwrap(),
            config,
            hard_state,
            log: (1..).zip(terms).map(entry).collect(),
            conf_state,
            compacted: EntryId::default(),
            snapshot: None,
            applied: Vec::new(),
            applied_index: 0,
            reads: Vec::new(),
        };
        member.restart();
        member
    }

    /// Takes a message and does all that follows. Returns what there is to send.
    pub fn hear(&mut self, from: NodeId, term: Term, body: Body) -> Vec<Message> {
        let to = self.node.id();
        let message = Message {
            to,
            from,
            term,
            body,
        };
        self.node.step(message.clone()).unwrap_or_else(|error| {
            panic!("{error}: {message:?}");
        });
        self.rest()
    }

    /// Lets time pass, and does all that follows. Returns what there is to send.
    pub fn tick(&mut self, ticks: usize) -> Vec<Message> {
        let mut sent = Vec::new();
        for _ in 0..ticks {
            self.node.tick().unwrap();
            sent.extend(self.rest());
        }
        sent
    }

    /// Works until there is nothing left to do. Returns what there is to send.
    pub fn rest(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        while self.node.has_ready() {
            sent.extend(self.process());
        }
        sent
    }

    pub fn role(&self) -> Role {
        self.node.basic_status().soft_state.role
    }

    pub fn leader(&self) -> NodeId {
        self.node.basic_status().soft_state.leader
    }

    pub fn term(&self) -> Term {
        self.node.basic_status().hard_state.term
    }

    pub fn vote(&self) -> NodeId {
        self.node.basic_status().hard_state.vote
    }

    pub fn commit(&self) -> Index {
        self.node.basic_status().hard_state.commit
    }

    /// The terms of the stored entries.
    pub fn terms(&self) -> Vec<Term> {
        self.log.iter().map(|entry| entry.term).collect()
    }

    /// What the leader knows of a member.
    pub fn progress(&self, of: NodeId) -> ProgressStatus {
        let status = self.node.status();
        let found = status.progress.iter().find(|peer| peer.id == of);
        *found.expect("only a leader knows, and only of members")
    }

    pub fn last_index(&self) -> Index {
        self.log
            .last()
            .map_or(self.compacted.index, |last| last.index)
    }

    /// Everything in memory is lost.
    pub fn restart(&mut self) {
        let mut term_runs: Vec<TermRun> = Vec::new();
        for entry in &self.log {
            if term_runs.last().is_none_or(|run| run.term != entry.term) {
                term_runs.push(TermRun {
                    first_index: entry.index,
                    term: entry.term,
                });
            }
        }
        let pending = |entry: &&Entry| entry.is_conf_change() && entry.index > self.applied_index;
        let state = RestartState {
            hard_state: self.hard_state,
            conf_state: self.conf_state.clone(),
            compacted: self.compacted,
            last_index: self.last_index(),
            term_runs,
            conf_changes: self
                .log
                .iter()
                .filter(pending)
                .map(|entry| entry.index)
                .collect(),
            applied: self.applied_index,
        };
        self.node = Node::new(self.config.clone(), state).unwrap();
    }

    pub fn compact(&mut self, up_to: Index) {
        let last = self.log.iter().find(|entry| entry.index == up_to).unwrap();
        self.compacted = last.id();
        self.snapshot = Some(Snapshot {
            id: last.id(),
            conf_state: self.conf_state.clone(),
            data: Bytes::from_static(b"state"),
        });
        self.log.retain(|entry| entry.index > up_to);
        self.node.compacted(up_to + 1).unwrap();
    }

    /// Does one Ready's work and returns what there is to send.
    pub fn process(&mut self) -> Vec<Message> {
        let shown = self.node.peek_ready().unwrap();
        let ready = self.node.ready().unwrap();
        assert_eq!(shown, ready, "to look at a Ready changes nothing");
        if let Some(hard_state) = ready.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(snapshot) = ready.snapshot {
            self.log.clear();
            self.compacted = snapshot.id;
            self.conf_state = snapshot.conf_state.clone();
            self.applied_index = snapshot.id.index;
            self.snapshot = Some(snapshot);
        }
        if let Some(first) = ready.entries.first() {
            self.log.retain(|entry| entry.index < first.index);
        }
        self.log.extend(ready.entries);
        for entry in ready.committed_entries {
            if entry.is_conf_change() {
                let change = codec::conf_change_of(&entry).unwrap();
                self.conf_state = self.node.apply_conf_change(&change).unwrap();
            }
            self.applied_index = entry.index;
            self.applied.push(entry);
        }
        self.reads.extend(ready.read_states);
        for read in ready.reads {
            let wanted = |entry: &&Entry| (read.low..read.high).contains(&entry.index);
            let entries: Vec<Entry> = self.log.iter().filter(wanted).cloned().collect();
            if entries.first().is_none_or(|first| first.index > read.low) {
                self.node
                    .read_failed(read.id, ReadFailure::Compacted)
                    .unwrap();
            } else {
                self.node.provide_entries(read.id, entries).unwrap();
            }
        }
        for request in ready.snapshot_requests {
            let snapshot = self.snapshot.clone().unwrap();
            self.node.provide_snapshot(request.id, snapshot).unwrap();
        }
        self.node.advance().unwrap();
        ready.messages
    }

    pub fn commands(&self) -> Vec<&[u8]> {
        let normal = |entry: &&Entry| !entry.is_conf_change() && !entry.data.is_empty();
        self.applied
            .iter()
            .filter(normal)
            .map(|entry| &entry.data[..])
            .collect()
    }
}

/// Members whose messages cross as bytes.
pub struct Cluster {
    pub members: Vec<Member>,
    /// The nodes that nobody reaches.
    pub cut: Vec<NodeId>,
    /// Which messages get lost besides.
    pub lose: Box<dyn Fn(&Message) -> bool>,
    /// All messages so far, those that got lost included.
    pub sent: Vec<Message>,
}

impl Cluster {
    pub fn of_members(members: Vec<Member>) -> Cluster {
        Cluster {
            members,
            cut: Vec::new(),
            lose: Box::new(|_| false),
            sent: Vec::new(),
        }
    }

    pub fn with(voters: u64, set: impl Fn(&mut Config)) -> Cluster {
        let ids: Vec<NodeId> = (1..=voters).collect();
        let members = ids.iter().map(|&id| {
            let mut config = Config::new(id);
            set(&mut config);
            Member::new(config, &ids)
        });
        Cluster::of_members(members.collect())
    }

    pub fn of(voters: u64) -> Cluster {
        Cluster::with(voters, |_| {})
    }

    /// A cluster whose first members are in its log, so that others can join.
    pub fn bootstrapped(voters: u64) -> Cluster {
        Cluster::bootstrapped_with(voters, |_| {})
    }

    /// The same, with other settings.
    pub fn bootstrapped_with(voters: u64, set: impl Fn(&mut Config)) -> Cluster {
        let peers: Vec<(NodeId, Bytes)> = (1..=voters).map(|id| (id, Bytes::new())).collect();
        let mut members = Vec::new();
        for &(id, _) in &peers {
            let mut config = Config::new(id);
            set(&mut config);
            let mut member = Member::new(config, &[]);
            member.node.bootstrap(&peers).unwrap();
            members.push(member);
        }
        let mut cluster = Cluster::of_members(members);
        cluster.settle();
        cluster
    }

    pub fn add(&mut self, id: NodeId) {
        self.members.push(Member::new(Config::new(id), &[]));
    }

    pub fn at(&mut self, id: NodeId) -> &mut Member {
        self.members
            .iter_mut()
            .find(|member| member.node.id() == id)
            .unwrap()
    }

    pub fn get(&self, id: NodeId) -> &Member {
        let member = self.members.iter().find(|member| member.node.id() == id);
        member.unwrap()
    }

    pub fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "the cluster comes to rest");
            let mut messages = Vec::new();
            for member in &mut self.members {
                if member.node.has_ready() {
                    messages.extend(member.process());
                }
            }
            if messages.is_empty() && self.members.iter().all(|member| !member.node.has_ready()) {
                return;
            }
            for message in messages {
                let (from, to) = (message.from, message.to);
                self.sent.push(message.clone());
                let cut = self.cut.contains(&from) || self.cut.contains(&to);
                if cut || (self.lose)(&message) {
                    continue;
                }
                let bytes = codec::encode_message(&message);
                if let Some(member) = self.members.iter_mut().find(|m| m.node.id() == to) {
                    // A node that has just been told of the sender may not know it yet.
                    match member.node.step_bytes(bytes.into()) {
                        Ok(()) | Err(Error::UnknownPeer(_) | Error::ProposalDropped(_)) => {}
                        Err(other) => panic!("{other}: {message:?}"),
                    }
                }
            }
        }
    }

    pub fn elect(&mut self, id: NodeId) {
        self.at(id).node.campaign().unwrap();
        self.settle();
        assert_eq!(
            self.at(id).node.basic_status().soft_state.role,
            Role::Leader
        );
    }

    pub fn tick_all(&mut self, ticks: usize) {
        for _ in 0..ticks {
            for member in &mut self.members {
                member.node.tick().unwrap();
            }
            self.settle();
        }
    }

    pub fn leaders(&self) -> Vec<NodeId> {
        let leads = |m: &&Member| m.node.basic_status().soft_state.role == Role::Leader;
        self.members
            .iter()
            .filter(leads)
            .map(|m| m.node.id())
            .collect()
    }

    pub fn propose(&mut self, at: NodeId, command: &'static str) {
        self.at(at).node.propose(Bytes::from(command)).unwrap();
        self.settle();
    }
}

/// A change of one member.
pub fn change(kind: ConfChangeKind, node_id: NodeId) -> ConfChange {
    ConfChange {
        change: ConfChangeSingle { kind, node_id },
        ..ConfChange::default()
    }
}
