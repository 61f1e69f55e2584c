//! Calls, Readys and states in words. Payloads and lists of entries that are long are cut
//! short, and say so; everything else is shown whole.

use std::fmt::Write as _;

use libraft_core::recording::{Call, Start};
use libraft_core::{
    BasicStatus, Body, ConfState, Config, Entry, EntryId, EntryKind, LOCAL_APPEND, LOCAL_APPLY,
    Message, NodeId, Ready, Snapshot, StorageAppend, codec,
};

/// So many entries of a list are shown.
const MOST_ENTRIES: usize = 8;

pub struct Show {
    /// How many bytes of a payload.
    pub data: usize,
}

impl Show {
    pub fn start(&self, start: &Start) -> String {
        let state = &start.state;
        let mut text = format!("node {}, libraft {}\n", start.config.id, start.library);
        let (set, default) = (settings(&start.config), settings(&Config::new(1)));
        let own = set.iter().zip(&default).filter(|(set, of)| set != of);
        let own: Vec<&str> = own.map(|(set, _)| set.as_str()).collect();
        _ = writeln!(text, "settings: {}", own.join(", "));
        let hard = &state.hard_state;
        _ = writeln!(
            text,
            "state: term {}, vote {}, commit {}, log after {} up to {}, applied {}, {}",
            hard.term,
            hard.vote,
            hard.commit,
            id(&state.compacted),
            state.last_index,
            state.applied,
            self.members(&state.conf_state)
        );
        text
    }

    pub fn call(&self, call: &Call) -> String {
        let name = call.name();
        let rest = match call {
            Call::Bootstrap(call) => {
                let ids: Vec<u64> = call.peers.iter().map(|peer| peer.id).collect();
                format!("{ids:?}")
            }
            Call::Propose(call) => self.encoded(&call.entries),
            Call::ApplyConfChange(bytes) => match codec::decode_conf_change_v2(bytes.clone()) {
                Ok(change) => format!("{:?} {:?}", change.transition, change.changes),
                Err(error) => error.to_string(),
            },
            Call::Step(bytes) => match codec::decode_message(bytes.clone()) {
                Ok(message) => self.message(&message),
                Err(_) => self.bytes(bytes),
            },
            Call::ReadIndex(call) => self.bytes(&call.context.clone().unwrap_or_default()),
            Call::SetInflightLimits(call) => format!(
                "of {}: {} messages, {} bytes",
                call.id, call.max_messages, call.max_bytes
            ),
            Call::AssignCommitGroups(call) => {
                let groups = call.groups.iter();
                let groups: Vec<String> = groups
                    .map(|of| format!("{} in {}", of.id, of.group))
                    .collect();
                groups.join(", ")
            }
            Call::ReportSnapshot(call) => {
                let what = if call.status == 1 {
                    "arrived"
                } else {
                    "failed"
                };
                format!("to {}: {what}", call.id)
            }
            Call::ProvideEntries(call) => {
                format!("request {}: {}", call.id, self.encoded(&call.entries))
            }
            Call::ReadFailed(call) => {
                let why = if call.failure == 1 {
                    "compacted"
                } else {
                    "unavailable"
                };
                format!("request {}: {why}", call.id)
            }
            Call::ProvideSnapshot(call) => match codec::decode_snapshot(call.snapshot.clone()) {
                Ok(snapshot) => format!("request {}: {}", call.id, self.snapshot(&snapshot)),
                Err(error) => format!("request {}: {error}", call.id),
            },
            Call::SnapshotFailed(number) => format!("request {number}"),
            Call::TickMany(number) | Call::SetRandomizedElectionTimeout(number) => {
                number.to_string()
            }
            Call::TransferLeader(number)
            | Call::SetMaxApplyUnpersistedEntries(number)
            | Call::ReportUnreachable(number)
            | Call::Compacted(number) => number.to_string(),
            Call::SetPriority(number) => number.to_string(),
            Call::EnableGroupCommit(on) => on.to_string(),
            Call::Poison(text) | Call::Note(text) => format!("{text:?}"),
            Call::Tick(_)
            | Call::TickQuiesced(_)
            | Call::Campaign(_)
            | Call::ForgetLeader(_)
            | Call::RequestSnapshot(_)
            | Call::ClearCommitGroups(_)
            | Call::TakeRequests(_)
            | Call::Ready(_)
            | Call::PeekReady(_)
            | Call::AcceptReady(_)
            | Call::Advance(_)
            | Call::RequestsHidden(_) => return name.to_owned(),
        };
        format!("{name} {rest}")
    }

    pub fn ready(&self, ready: &Ready) -> String {
        let mut text = String::new();
        let mut line = |what: &str, rest: String| _ = writeln!(text, "       {what} {rest}");
        if let Some(state) = &ready.soft_state {
            line("is", format!("{:?}, leader {}", state.role, state.leader));
        }
        if let Some(state) = &ready.hard_state {
            let sync = if ready.must_sync { ", synced" } else { "" };
            let (term, vote, commit) = (state.term, state.vote, state.commit);
            line(
                "persist",
                format!("term {term}, vote {vote}, commit {commit}{sync}"),
            );
        }
        if !ready.entries.is_empty() {
            line("persist", self.entries(&ready.entries));
        }
        if let Some(snapshot) = &ready.snapshot {
            line("install", self.snapshot(snapshot));
        }
        for message in &ready.messages {
            line("send", self.message(message));
        }
        if !ready.committed_entries.is_empty() {
            line("apply", self.entries(&ready.committed_entries));
        }
        for state in &ready.read_states {
            line(
                "serve",
                format!("read {} at {}", self.bytes(&state.context), state.index),
            );
        }
        for read in &ready.reads {
            let (number, low, high) = (read.id, read.low, read.high);
            line(
                "wants",
                format!("request {number}: entries [{low}, {high})"),
            );
        }
        for request in &ready.snapshot_requests {
            let (number, to, min) = (request.id, request.to, request.min_index);
            line(
                "wants",
                format!("request {number}: a snapshot for {to}, at {min} or later"),
            );
        }
        for dropped in &ready.dropped {
            let (kind, reason) = (dropped.kind, dropped.reason);
            line(
                "dropped",
                format!("{kind:?} {}: {reason}", self.bytes(&dropped.data)),
            );
        }
        for event in &ready.events {
            line("event", format!("{event:?}"));
        }
        text
    }

    pub fn members(&self, state: &ConfState) -> String {
        let lists = [
            ("voters", &state.voters),
            ("learners", &state.learners),
            ("outgoing", &state.voters_outgoing),
            ("learners next", &state.learners_next),
        ];
        let lists = lists
            .iter()
            .filter(|(name, list)| *name == "voters" || !list.is_empty());
        let lists: Vec<String> = lists
            .map(|(name, list)| format!("{name} {list:?}"))
            .collect();
        lists.join(", ")
    }

    pub fn status(&self, status: &BasicStatus) -> String {
        let hard = &status.hard_state;
        format!(
            "{:?}, leader {}, term {}, vote {}, log {}..={}, persisted {}, commit {}, applied {}",
            status.soft_state.role,
            status.soft_state.leader,
            hard.term,
            hard.vote,
            status.first_index,
            status.last_index,
            status.persisted,
            hard.commit,
            status.applied
        )
    }

    fn message(&self, message: &Message) -> String {
        let (from, to, term) = (name(message.from), name(message.to), message.term);
        let body = match &message.body {
            Body::Propose { entries, .. } => format!("propose {}", self.entries(entries)),
            Body::Append {
                prev,
                entries,
                commit,
            } => format!(
                "append after {}, commit {commit}: {}",
                id(prev),
                self.entries(entries)
            ),
            Body::InstallSnapshot { snapshot } => format!("install {}", self.snapshot(snapshot)),
            Body::StorageAppend(work) => {
                let StorageAppend {
                    hard_state,
                    entries,
                    snapshot,
                    responses,
                } = &**work;
                let snapshot = snapshot.as_ref().map(|snapshot| self.snapshot(snapshot));
                let entries = self.entries(entries);
                format!(
                    "storage append {hard_state:?}, {snapshot:?}, {entries}; then {}",
                    self.messages(responses)
                )
            }
            Body::StorageApply { entries, responses } => {
                let entries = self.entries(entries);
                format!("storage apply {entries}; then {}", self.messages(responses))
            }
            Body::StorageApplyResp { entries } => format!("applied {}", self.entries(entries)),
            Body::StorageAppendResp { last, snapshot } => {
                let (last, snapshot) = (
                    last.as_ref().map(id),
                    snapshot.as_ref().map(|it| id(&it.id)),
                );
                format!("appended {last:?}, {snapshot:?}")
            }
            other => format!("{other:?}"),
        };
        format!("{from} -> {to}, term {term}: {body}")
    }

    fn messages(&self, messages: &[Message]) -> String {
        let messages: Vec<String> = messages.iter().map(|it| self.message(it)).collect();
        format!("[{}]", messages.join("; "))
    }

    fn encoded(&self, entries: &[bytes::Bytes]) -> String {
        let decoded = entries.iter().cloned().map(codec::decode_entry);
        match decoded.collect::<Result<Vec<Entry>, _>>() {
            Ok(entries) => self.entries(&entries),
            Err(error) => error.to_string(),
        }
    }

    fn entries(&self, entries: &[Entry]) -> String {
        let mut shown: Vec<String> = entries
            .iter()
            .take(MOST_ENTRIES)
            .map(|it| self.entry(it))
            .collect();
        if let Some(more) = entries
            .len()
            .checked_sub(MOST_ENTRIES)
            .filter(|&more| more > 0)
        {
            let last = entries.last().map_or_else(String::new, |it| id(&it.id()));
            shown.push(format!(".. {more} more, up to {last}"));
        }
        format!("[{}]", shown.join(", "))
    }

    fn entry(&self, entry: &Entry) -> String {
        let data = match entry.kind {
            EntryKind::Normal => self.bytes(&entry.data),
            _ => match codec::conf_change_of(entry) {
                Ok(change) => format!("{:?} {:?}", change.transition, change.changes),
                Err(error) => error.to_string(),
            },
        };
        match entry.index {
            // In a proposal it has no place yet.
            0 => data,
            _ => format!("{} {data}", id(&entry.id())),
        }
    }

    fn snapshot(&self, snapshot: &Snapshot) -> String {
        let (at, members) = (id(&snapshot.id), self.members(&snapshot.conf_state));
        format!("snapshot {at}, {members}, {}", self.bytes(&snapshot.data))
    }

    fn bytes(&self, bytes: &[u8]) -> String {
        let shown = &bytes[..bytes.len().min(self.data)];
        match bytes.len() - shown.len() {
            0 => format!("\"{}\"", shown.escape_ascii()),
            more => format!("\"{}\" and {more} bytes more", shown.escape_ascii()),
        }
    }
}

/// An entry's term and index.
fn id(id: &EntryId) -> String {
    format!("{}/{}", id.term, id.index)
}

fn name(node: NodeId) -> String {
    match node {
        LOCAL_APPEND => "append worker".to_owned(),
        LOCAL_APPLY => "apply worker".to_owned(),
        id => id.to_string(),
    }
}

/// One text for each setting.
fn settings(config: &Config) -> Vec<String> {
    let text = format!("{config:?}");
    let fields = text.trim_start_matches("Config { ").trim_end_matches(" }");
    fields.split(", ").map(str::to_owned).collect()
}
