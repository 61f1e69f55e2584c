//! Nodes with a storage in memory, and clusters of them: what the tests of this crate share, those
//! inside it and those from outside.
//!
//! A [`Member`] does what a host has to do, in the order in which it has to. A [`Cluster`] delivers
//! messages as bytes, and loses those of the nodes that are cut off. Nothing happens here by itself.
// Each crate that includes this uses another part of it.
#![allow(dead_code)]

pub mod listing;
pub mod nodes;

use std::collections::VecDeque;

use bytes::Bytes;
use libraft_core::*;

/// A Ready that somebody has worked on, and in which the next one is to leave no trace of that.
fn used_ready() -> Ready {
    Ready {
        soft_state: Some(SoftState::default()),
        hard_state: Some(HardState::default()),
        read_states: vec![ReadState::default()],
        entries: vec![Entry::default()].into(),
        snapshot: Some(Snapshot::default()),
        committed_entries: vec![Entry::default()].into(),
        must_sync: true,
        ..Ready::default()
    }
}

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
    /// What the storage workers have not done yet, with asynchronous storage writes.
    pub to_append: VecDeque<Message>,
    pub to_apply: VecDeque<Message>,
    /// Commit groups, with group commit.
    pub groups: Option<Vec<(NodeId, u64)>>,
    pub dropped: Vec<Dropped>,
    pub events: Vec<Event>,
    /// Those of its earlier lives, with [`Config::record_bytes`].
    pub recordings: Vec<Bytes>,
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
            to_append: VecDeque::new(),
            to_apply: VecDeque::new(),
            groups: None,
            dropped: Vec::new(),
            events: Vec::new(),
            recordings: Vec::new(),
        };
        member.restart();
        // Of the node that was made first, and never used.
        member.recordings.clear();
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

    /// Switches group commit on, with these groups.
    pub fn set_groups(&mut self, groups: &[(NodeId, u64)]) {
        self.node.assign_commit_groups(groups).unwrap();
        self.node.enable_group_commit(true).unwrap();
        self.groups = Some(groups.to_vec());
    }

    /// Everything in memory is lost.
    pub fn restart(&mut self) {
        self.to_append.clear();
        self.to_apply.clear();
        // The state machine is durable by itself, and may be ahead of the log.
        let applied = self.applied_index.min(self.last_index());
        let mut term_runs: Vec<TermRun> = Vec::new();
        for entry in &self.log {
            if term_runs.last().is_none_or(|run| run.term != entry.term) {
                term_runs.push(TermRun {
                    first_index: entry.index,
                    term: entry.term,
                });
            }
        }
        let pending = |entry: &&Entry| entry.is_conf_change() && entry.index > applied;
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
            applied,
        };
        self.recordings.push(self.node.record_take());
        self.node = Node::new(self.config.clone(), state).unwrap();
        if let Some(groups) = self.groups.take() {
            self.set_groups(&groups);
        }
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
        let mut ready = used_ready();
        self.node.ready_into(&mut ready).unwrap();
        assert_eq!(shown, ready, "to look at a Ready changes nothing");
        if self.config.async_storage_writes {
            let queued = |message: &mut Message| message.to >= LOCAL_APPLY;
            for message in ready.messages.extract_if(.., queued) {
                match message.to {
                    LOCAL_APPEND => self.to_append.push_back(message),
                    _ => self.to_apply.push_back(message),
                }
            }
        } else {
            self.save(ready.hard_state, ready.entries, ready.snapshot);
            self.apply(ready.committed_entries);
        }
        self.reads.extend(ready.read_states);
        self.dropped.extend(ready.dropped);
        self.events.extend(ready.events);
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
            match self.snapshot_from(request.min_index) {
                Some(snapshot) => self.node.provide_snapshot(request.id, snapshot).unwrap(),
                None => self.node.snapshot_failed(request.id).unwrap(),
            }
        }
        if !self.config.async_storage_writes {
            self.node.advance().unwrap();
        }
        ready.messages
    }

    fn save(
        &mut self,
        hard_state: Option<HardState>,
        entries: Entries,
        snapshot: Option<Snapshot>,
    ) {
        if let Some(hard_state) = hard_state {
            self.hard_state = hard_state;
        }
        if let Some(snapshot) = snapshot {
            self.log.clear();
            self.compacted = snapshot.id;
            self.conf_state = snapshot.conf_state.clone();
            self.applied_index = snapshot.id.index;
            self.snapshot = Some(snapshot);
        }
        if let Some(first) = entries.first() {
            self.log.retain(|entry| entry.index < first.index);
        }
        self.log.extend(entries);
    }

    /// Applies what the state machine doesn't have already.
    fn apply(&mut self, entries: Entries) {
        for entry in entries {
            if entry.index <= self.applied_index {
                continue;
            }
            assert_eq!(entry.index, self.applied_index + 1);
            if entry.is_conf_change() {
                let saved = entry.index <= self.last_index();
                assert!(saved, "a change never runs ahead of the log");
                let change = codec::conf_change_of(&entry).unwrap();
                self.conf_state = self.node.apply_conf_change(&change).unwrap();
            }
            self.applied_index = entry.index;
            self.applied.push(entry);
        }
    }

    /// The append worker does one message's work. Returns what there is to send.
    pub fn work_append(&mut self) -> Vec<Message> {
        let Some(message) = self.to_append.pop_front() else {
            return Vec::new();
        };
        let Body::StorageAppend(work) = message.body else {
            panic!("{message:?} is no work");
        };
        let snapshot = work.snapshot.map(|snapshot| *snapshot);
        self.save(work.hard_state, work.entries, snapshot);
        self.answer(work.responses)
    }

    /// The apply worker does one message's work.
    pub fn work_apply(&mut self) {
        let Some(message) = self.to_apply.pop_front() else {
            return;
        };
        let Body::StorageApply { entries, responses } = message.body else {
            panic!("{message:?} is no work");
        };
        self.apply(entries);
        assert!(self.answer(responses).is_empty());
    }

    fn answer(&mut self, responses: Vec<Message>) -> Vec<Message> {
        let own = self.node.id();
        let (own, others): (Vec<_>, Vec<_>) = responses
            .into_iter()
            .partition(|response| response.to == own);
        for response in own {
            match self.node.step(response) {
                // It was a member when it said that.
                Ok(()) | Err(Error::UnknownPeer(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
        others
    }

    /// A snapshot of `min_index` or later, made now if need be.
    fn snapshot_from(&mut self, min_index: Index) -> Option<Snapshot> {
        let new_enough = |snapshot: &&Snapshot| snapshot.id.index >= min_index;
        if let Some(snapshot) = self.snapshot.as_ref().filter(new_enough) {
            return Some(snapshot.clone());
        }
        let applied = |entry: &&Entry| entry.index == self.applied_index;
        let last = self.log.iter().find(applied).map(Entry::id);
        let id = last.filter(|id| id.index >= min_index)?;
        self.snapshot = Some(Snapshot {
            id,
            conf_state: self.conf_state.clone(),
            data: Bytes::from_static(b"state"),
        });
        self.snapshot.clone()
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
