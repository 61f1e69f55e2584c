//! A host with one node, as careful as hosts are to be, for a node among peers that lie.
//!
//! What liars can bring about is not wrong here: entries that no leader had, commits without a
//! quorum, changes that don't fit. What must hold all the same is what this host relies on: Readys
//! that follow each other, a node that never stops, and a restart from what was persisted.

use std::collections::VecDeque;

use bytes::Bytes;
use libraft_core::*;

use crate::codecs;

/// What survives a crash.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub hard_state: HardState,
    pub log: Vec<Entry>,
    pub compacted: EntryId,
    pub snapshot: Option<Snapshot>,
    /// The state machine, which is durable on its own.
    pub applied: Index,
    pub conf_state: ConfState,
}

#[derive(Debug)]
pub struct Host {
    pub node: Node,
    pub config: Config,
    pub disk: Disk,
    pub to_append: VecDeque<Message>,
    pub to_apply: VecDeque<Message>,
    pub reads: Vec<ReadRequest>,
    pub snapshot_requests: Vec<SnapshotRequest>,
    /// The last messages to others.
    pub sent: VecDeque<Message>,
    /// Up to where committed entries have been handed out.
    handed_out: Index,
}

impl Disk {
    pub fn last(&self) -> EntryId {
        self.log.last().map_or(self.compacted, Entry::id)
    }

    fn restart_state(&self) -> RestartState {
        let applied = self.applied.min(self.last().index);
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
        let mut hard_state = self.hard_state;
        // What is applied was committed, though that need not have been written.
        hard_state.commit = hard_state.commit.max(applied);
        RestartState {
            hard_state,
            conf_state: self.conf_state.clone(),
            compacted: self.compacted,
            last_index: self.last().index,
            term_runs,
            conf_changes: self.log.iter().filter(pending).map(|e| e.index).collect(),
            applied,
        }
    }

    fn save(&mut self, state: Option<HardState>, entries: &[Entry], snapshot: Option<&Snapshot>) {
        if let Some(state) = state {
            self.hard_state = state;
        }
        if let Some(snapshot) = snapshot {
            self.log.clear();
            self.compacted = snapshot.id;
            self.snapshot = Some(snapshot.clone());
            self.conf_state = snapshot.conf_state.clone();
            self.applied = snapshot.id.index;
        }
        if let Some(first) = entries.first() {
            assert!(
                first.index > self.compacted.index && first.index <= self.last().index + 1,
                "entries follow the stored log"
            );
            self.log.retain(|entry| entry.index < first.index);
        }
        self.log.extend_from_slice(entries);
    }
}

/// What a refused message must leave as it was: everything but notes, and whether a Ready has been
/// looked at.
pub fn protocol_state(node: &Node) -> String {
    let text = format!("{node:?}");
    let start = text.find("notes: Notes {").expect("a node has notes");
    let mut depth = 0;
    let end = text[start..].char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => return None,
        }
        (depth == 0).then_some(start + at)
    });
    let end = end.expect("its notes end somewhere");
    let (before, after) = (&text[..start], &text[end..]);
    format!("{before}{after}").replace("peeked: true", "peeked: false")
}

impl Host {
    /// None if the settings are no settings, or the disk can't be.
    pub fn new(config: Config, disk: Disk) -> Option<Host> {
        let node = Node::new(config.clone(), disk.restart_state()).ok()?;
        Some(Host {
            handed_out: node.basic_status().applied,
            node,
            config,
            disk,
            to_append: VecDeque::new(),
            to_apply: VecDeque::new(),
            reads: Vec::new(),
            snapshot_requests: Vec::new(),
            sent: VecDeque::new(),
        })
    }

    /// Everything in memory is lost.
    pub fn restart(&mut self) {
        let state = self.disk.restart_state();
        self.node = match Node::new(self.config.clone(), state) {
            Ok(node) => node,
            Err(error) => panic!("{error}: {:?}", self.disk),
        };
        self.handed_out = self.node.basic_status().applied;
        self.to_append.clear();
        self.to_apply.clear();
        self.reads.clear();
        self.snapshot_requests.clear();
    }

    /// A call that may be turned down, but must not be the node's end; if it is, nothing changes.
    pub fn call<T>(&mut self, call: impl FnOnce(&mut Node) -> Result<T>) -> Result<T> {
        let before = self.node.clone();
        let result = call(&mut self.node);
        match &result {
            Ok(_) => assert_eq!(self.node.check_invariants(), Ok(())),
            Err(Error::Poisoned(why)) => panic!("the node has stopped: {why}"),
            // A recording tells of each call.
            Err(_) if self.config.record_bytes > 0 => {}
            // The request is over, and there will be another one.
            Err(Error::WrongAnswer(_)) => {}
            Err(error) => {
                let same = protocol_state(&before) == protocol_state(&self.node);
                assert!(same, "{error}, and yet there was a change");
            }
        }
        result
    }

    /// Takes a Ready and does what it asks for, requests excepted.
    pub fn work(&mut self) {
        let shown = self.node.peek_ready().expect("no Ready is out");
        let ready = self.node.ready().expect("no Ready is out");
        assert_eq!(shown, ready, "to look at a Ready changes nothing");
        self.check(&ready);
        self.reads.extend(&ready.reads);
        self.snapshot_requests.extend(&ready.snapshot_requests);
        if !self.config.async_storage_writes {
            let Ready {
                hard_state,
                entries,
                snapshot,
                committed_entries,
                messages,
                ..
            } = ready;
            self.disk.save(hard_state, &entries, snapshot.as_ref());
            self.send(messages);
            self.apply(&committed_entries);
            self.node.advance().expect("a Ready is out");
            return;
        }
        let (mut local, mut others) = (Vec::new(), Vec::new());
        for message in ready.messages {
            match message.to >= LOCAL_APPLY {
                true => local.push(message),
                false => others.push(message),
            }
        }
        self.send(others);
        for message in local {
            match message.to {
                LOCAL_APPEND => self.to_append.push_back(message),
                _ => self.to_apply.push_back(message),
            }
        }
    }

    fn check(&mut self, ready: &Ready) {
        for list in [&ready.entries, &ready.committed_entries] {
            for pair in list.windows(2) {
                assert_eq!(pair[0].index + 1, pair[1].index, "no gap");
                assert!(pair[0].term <= pair[1].term, "terms do not fall");
            }
        }
        if let Some(snapshot) = &ready.snapshot {
            self.handed_out = snapshot.id.index;
        }
        if let Some(first) = ready.committed_entries.first() {
            assert_eq!(first.index, self.handed_out + 1, "applied in order");
            self.handed_out += ready.committed_entries.len() as u64;
            let commit = self.node.basic_status().hard_state.commit;
            assert!(self.handed_out <= commit, "only what is committed");
        }
        for event in &ready.events {
            let _ = format!("{event:?}");
        }
    }

    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            // What is passed on to the leader comes from whoever first asked.
            let passed_on = matches!(
                message.body,
                Body::Propose { .. } | Body::ReadIndex { .. } | Body::TransferLeader
            );
            assert!(passed_on || message.from == self.config.id, "{message:?}");
            assert_ne!(
                message.to, self.config.id,
                "a node has nothing to tell itself"
            );
            assert_ne!(message.to, NONE, "everything is said to somebody");
            let bytes = codecs::encode(&message);
            assert_eq!(
                codec::decode_message(bytes),
                Ok(message.clone()),
                "what a node sends can be read"
            );
            if self.sent.len() == 16 {
                self.sent.pop_front();
            }
            self.sent.push_back(message);
        }
    }

    fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            if entry.index <= self.disk.applied {
                continue;
            }
            if entry.is_conf_change() {
                let change = codec::conf_change_of(entry).expect("a change in the log is one");
                // If it doesn't fit, the host passes over it.
                if let Ok(state) = self.node.apply_conf_change(&change) {
                    self.disk.conf_state = state;
                }
            }
            self.disk.applied = entry.index;
        }
    }

    /// The append worker does one message's work.
    pub fn work_append(&mut self) {
        let Some(message) = self.to_append.pop_front() else {
            return;
        };
        let Body::StorageAppend(work) = message.body else {
            panic!("{message:?} is no work");
        };
        let snapshot = work.snapshot.as_deref();
        self.disk.save(work.hard_state, &work.entries, snapshot);
        self.answer(work.responses);
    }

    /// The apply worker does one message's work.
    pub fn work_apply(&mut self) {
        let Some(message) = self.to_apply.pop_front() else {
            return;
        };
        let Body::StorageApply { entries, responses } = message.body else {
            panic!("{message:?} is no work");
        };
        self.apply(&entries);
        self.answer(responses);
    }

    fn answer(&mut self, responses: Vec<Message>) {
        let id = self.config.id;
        let (own, others): (Vec<_>, Vec<_>) = responses.into_iter().partition(|r| r.to == id);
        for response in own {
            match self.call(|node| node.step(response)) {
                Ok(()) | Err(Error::UnknownPeer(_)) => {}
                Err(other) => panic!("a promise to oneself is refused: {other}"),
            }
        }
        self.send(others);
    }

    /// Answers a request from the disk as it is now.
    pub fn answer_read(&mut self, read: ReadRequest) -> Result<()> {
        let wanted = |entry: &&Entry| (read.low..read.high).contains(&entry.index);
        let entries: Vec<Entry> = self.disk.log.iter().filter(wanted).cloned().collect();
        match entries.first() {
            Some(first) if first.index == read.low => {
                self.call(|node| node.provide_entries(read.id, entries))
            }
            _ => self.call(|node| node.read_failed(read.id, ReadFailure::Compacted)),
        }
    }

    pub fn answer_snapshot(&mut self, request: SnapshotRequest) -> Result<()> {
        let stored = self.disk.snapshot.clone();
        match stored.filter(|snapshot| snapshot.id.index >= request.min_index) {
            Some(snapshot) => self.call(|node| node.provide_snapshot(request.id, snapshot)),
            None => self.call(|node| node.snapshot_failed(request.id)),
        }
    }

    /// Makes a snapshot of what is applied, and drops the log up to `index`.
    pub fn compact(&mut self, index: Index) {
        let status = self.node.basic_status();
        let done = status.applied.min(self.disk.applied).min(status.persisted);
        let applied = |e: &&Entry| e.index == self.disk.applied;
        let Some(newest) = self.disk.log.iter().find(applied).map(Entry::id) else {
            return;
        };
        self.disk.snapshot = Some(Snapshot {
            id: newest,
            conf_state: self.disk.conf_state.clone(),
            data: Bytes::from_static(b"state"),
        });
        let until = |e: &&Entry| e.index == index.min(done);
        let Some(last) = self.disk.log.iter().find(until).map(Entry::id) else {
            return;
        };
        self.disk.compacted = last;
        self.disk.log.retain(|entry| entry.index > last.index);
        let told = self.call(|node| node.compacted(last.index + 1));
        told.expect("only what is applied and persisted was dropped");
    }
}
