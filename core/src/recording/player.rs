//! Makes recorded calls again, and says where something else comes of them.
//!
//! A recording may come from anywhere, so that a player has limits: what the calls make its node hold,
//! and what one Ready takes. They are looked at before and after each call, and a recording that would
//! exceed them ends in an error. Nothing else here can fail but for a defect of the library, which is
//! what recordings are for: if a recorded call has panicked, it does so here, too.

use bytes::Bytes;

use super::call::{Answer, Start};
use super::reader::{Reader, RecordingError};
use super::{Call, StopReason};
use crate::codec::{self, Buffer};
use crate::error::Error;
use crate::message::{Body, Message};
use crate::node::{Load, Node};
use crate::ready::Ready;
use crate::types::{ConfState, Entry, Snapshot};

/// What a player may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Places for messages, and for entries in them, that no Ready has handed out; each takes up to
    /// about 110 bytes.
    pub max_queued_entries: u64,
    /// Bytes of one Ready.
    pub max_ready_bytes: u64,
    /// Ticks in all.
    pub max_ticks: u64,
}

impl Default for Limits {
    /// More than any recording of a real host needs.
    fn default() -> Limits {
        Limits {
            max_queued_entries: 1 << 23,
            max_ready_bytes: 1 << 30,
            max_ticks: 1 << 32,
        }
    }
}

/// A recorded call that was made again.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// Its number, from 1 on.
    pub number: u64,
    /// What was called.
    pub call: Call,
    /// What it has given, or its error.
    pub result: Result<Answer, Error>,
    /// In what that is not what was recorded.
    pub difference: Option<Difference>,
    /// Whether the layer above shows Readys without requests.
    requests_hidden: bool,
}

/// How a call came out otherwise than recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It has returned another code: an error's number, or 0.
    Result {
        /// Then. None if it did not return.
        recorded: Option<i32>,
        /// Now.
        replayed: i32,
    },
    /// It has given something else: checksums of its bytes.
    Answer {
        /// Then.
        recorded: Option<u32>,
        /// Now.
        replayed: Option<u32>,
    },
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Difference::Result {
                recorded: None,
                replayed,
            } => write!(
                f,
                "it never returned when recorded, and has now given {replayed}"
            ),
            Difference::Result {
                recorded: Some(recorded),
                replayed,
            } => write!(
                f,
                "it gave {recorded} when recorded, and has now given {replayed}"
            ),
            Difference::Answer { recorded, replayed } => {
                let shown =
                    |it: Option<u32>| it.map_or("none".to_owned(), |it| format!("{it:08x}"));
                let (recorded, replayed) = (shown(recorded), shown(replayed));
                write!(
                    f,
                    "what it gave had the checksum {recorded} when recorded, now {replayed}"
                )
            }
        }
    }
}

impl Played {
    /// The Ready as the recorded node's host has seen it, if the call was `ready` or `peek_ready` and
    /// gave one.
    pub fn shown_ready(&self) -> Option<Ready> {
        match (&self.call, &self.result) {
            (Call::Ready(_) | Call::PeekReady(_), Ok(Answer::Ready(ready))) => {
                let mut ready = Ready::clone(ready);
                if self.requests_hidden {
                    ready.reads.clear();
                    ready.snapshot_requests.clear();
                }
                Some(ready)
            }
            _ => None,
        }
    }
}

/// A node to which the calls of a recording are made.
#[derive(Debug)]
pub struct Player {
    reader: Reader,
    node: Node,
    limits: Limits,
    calls: u64,
    ticks: u64,
    requests_hidden: bool,
    counted: Load,
}

impl Player {
    /// Makes the node that was recorded.
    ///
    /// # Errors
    /// Those of [`Reader::new`], and [`RecordingError::Start`].
    pub fn new(bytes: Bytes, limits: Limits) -> Result<Player, RecordingError> {
        Player::of(Reader::new(bytes)?, limits)
    }

    /// The same, from a reader that nothing has been read from.
    ///
    /// # Errors
    /// [`RecordingError::Start`].
    pub fn of(reader: Reader, limits: Limits) -> Result<Player, RecordingError> {
        let Start { config, state, .. } = reader.start().clone();
        let config = crate::Config {
            record_bytes: 0,
            ..config
        };
        Ok(Player {
            node: Node::new(config, state).map_err(RecordingError::Start)?,
            reader,
            limits,
            calls: 0,
            ticks: 0,
            requests_hidden: false,
            counted: Load::default(),
        })
    }

    /// What the node was made with.
    pub fn start(&self) -> &Start {
        self.reader.start()
    }

    /// The node as it is after the calls so far.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// See [`Reader::stop_reason`].
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.reader.stop_reason()
    }

    /// Makes the next call; None when there are no more.
    ///
    /// # Errors
    /// Those of [`Reader::next_call`], [`RecordingError::Argument`] and [`RecordingError::Limit`].
    pub fn play(&mut self) -> Result<Option<Played>, RecordingError> {
        let Some(record) = self.reader.next_call()? else {
            return Ok(None);
        };
        let Some(call) = record.call else {
            return Ok(None);
        };
        self.calls += 1;
        self.requests_hidden |= matches!(call, Call::RequestsHidden(_));
        self.check_load()?;
        let result = match call {
            Call::TickMany(count) => self.tick_many(count)?,
            Call::Tick(_) => {
                self.count_ticks(1)?;
                call.make(&mut self.node)?
            }
            _ => call.make(&mut self.node)?,
        };
        if let Call::ProvideEntries(_) | Call::ProvideSnapshot(_) = call {
            // What these lead to takes a place among the others.
            self.counted = Load::default();
        }
        self.check_load()?;
        self.check_answer(&result)?;
        let difference = match self.reader.checks() {
            true => self.compare(record.result, record.checksum, &result)?,
            false => None,
        };
        Ok(Some(Played {
            number: self.calls,
            call,
            result,
            difference,
            requests_hidden: self.requests_hidden,
        }))
    }

    /// As many at a time as leave a bounded number of messages in the outbox, whatever the number of
    /// members.
    fn tick_many(&mut self, count: u32) -> Result<crate::Result<Answer>, RecordingError> {
        const MESSAGES: u64 = 1 << 16;
        self.count_ticks(count)?;
        let most = (MESSAGES / self.node.messages_of_a_tick()).max(1);
        let mut rest = count;
        loop {
            // No more than `rest`, and so a u32.
            let batch = most.min(u64::from(rest)) as u32;
            if let Err(error) = self.node.tick_many(batch) {
                return Ok(Err(error));
            }
            self.check_load()?;
            rest -= batch;
            if rest == 0 {
                return Ok(Ok(Answer::None));
            }
        }
    }

    fn count_ticks(&mut self, count: u32) -> Result<(), RecordingError> {
        self.ticks += u64::from(count);
        match self.ticks <= self.limits.max_ticks {
            true => Ok(()),
            false => Err(self.limit("ticks")),
        }
    }

    fn check_load(&mut self) -> Result<(), RecordingError> {
        match self.node.load(&mut self.counted) <= self.limits.max_queued_entries {
            true => Ok(()),
            false => Err(self.limit("entries in messages")),
        }
    }

    /// Nothing is encoded before it is known to be small enough: entries share their data, and their
    /// encodings do not.
    fn check_answer(&self, result: &crate::Result<Answer>) -> Result<(), RecordingError> {
        match result {
            Ok(Answer::Ready(ready)) if ready_bytes(ready) > self.limits.max_ready_bytes => {
                Err(self.limit("bytes of one Ready"))
            }
            _ => Ok(()),
        }
    }

    fn limit(&self, why: &'static str) -> RecordingError {
        let call = self.calls;
        RecordingError::Limit { call, why }
    }

    fn compare(
        &self,
        recorded: Option<i32>,
        checksum: Option<u32>,
        result: &crate::Result<Answer>,
    ) -> Result<Option<Difference>, RecordingError> {
        let replayed = result.as_ref().map_or_else(Error::number, |_| 0);
        if recorded != Some(replayed) {
            return Ok(Some(Difference::Result { recorded, replayed }));
        }
        let bytes = result.as_ref().ok().and_then(Answer::encode);
        let replayed = bytes.map(|bytes| crc32fast::hash(&bytes));
        let recorded = checksum;
        Ok((recorded != replayed).then_some(Difference::Answer { recorded, replayed }))
    }
}

/// What came of a whole recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many calls were made.
    pub calls: u64,
    /// How many Readys the recorded host has seen.
    pub readys: u64,
    /// The first call that has not done the same, and how.
    pub difference: Option<(u64, Difference)>,
    /// Why the recording ends where it does; None if it was just taken there.
    pub stop: Option<StopReason>,
}

/// Makes all calls of a recording. `on_ready` gets the bytes of each Ready that the recorded node's
/// host has seen (libraft.Ready), and ends the replay with false.
///
/// # Errors
/// Those of [`Player::new`] and [`Player::play`].
pub fn replay(
    bytes: Bytes,
    limits: Limits,
    mut on_ready: impl FnMut(&[u8]) -> bool,
) -> Result<Report, RecordingError> {
    let mut player = Player::new(bytes, limits)?;
    let mut report = Report::default();
    let mut encoded = Buffer::default();
    while let Some(played) = player.play()? {
        report.calls = played.number;
        let difference = played.difference.map(|it| (played.number, it));
        report.difference = report.difference.or(difference);
        if let Some(ready) = played.shown_ready() {
            report.readys += 1;
            encoded.clear();
            codec::encode_ready(&ready, &mut encoded);
            if !on_ready(encoded.as_slice()) {
                return Ok(report);
            }
        }
    }
    report.stop = player.stop_reason();
    Ok(report)
}

/// At least what the encoding of a Ready takes.
fn ready_bytes(ready: &Ready) -> u64 {
    // The largest event takes less than 100 bytes, and so does any number of numbers here.
    let others = ready.reads.len() + ready.snapshot_requests.len() + ready.events.len();
    let dropped = ready.dropped.iter().map(|it| it.data.len() as u64 + 100);
    let states = ready
        .read_states
        .iter()
        .map(|it| it.context.len() as u64 + 100);
    let messages = ready.messages.iter().map(message_bytes);
    100 * (others as u64 + 1)
        + entries_bytes(&ready.entries)
        + entries_bytes(&ready.committed_entries)
        + ready.snapshot.as_ref().map_or(0, snapshot_bytes)
        + dropped.sum::<u64>()
        + states.sum::<u64>()
        + messages.sum::<u64>()
}

fn message_bytes(message: &Message) -> u64 {
    const NUMBERS: u64 = 150;
    let context = |context: &Option<Bytes>| context.as_ref().map_or(0, |it| it.len() as u64);
    NUMBERS
        + match &message.body {
            Body::Propose { entries, .. } | Body::ProposalDropped { entries, .. } => {
                entries_bytes(entries)
            }
            Body::Append { entries, .. } | Body::StorageApplyResp { entries } => {
                entries_bytes(entries)
            }
            Body::StorageAppend(work) => {
                entries_bytes(&work.entries)
                    + work.snapshot.as_deref().map_or(0, snapshot_bytes)
                    + work.responses.iter().map(message_bytes).sum::<u64>()
            }
            Body::StorageApply { entries, responses } => {
                entries_bytes(entries) + responses.iter().map(message_bytes).sum::<u64>()
            }
            Body::StorageAppendResp { snapshot, .. } => {
                snapshot.as_deref().map_or(0, snapshot_bytes)
            }
            Body::InstallSnapshot { snapshot } => snapshot_bytes(snapshot),
            Body::Heartbeat { context, .. } | Body::HeartbeatResp { context } => {
                context.len() as u64
            }
            Body::ReadIndex { context: name, .. } | Body::ReadIndexResp { context: name, .. } => {
                context(name)
            }
            Body::ReadDropped { context, .. } => context.len() as u64,
            Body::Accept { .. }
            | Body::Outdated
            | Body::Reject { .. }
            | Body::RequestSnapshot { .. }
            | Body::RequestVote { .. }
            | Body::Vote { .. }
            | Body::TransferLeader
            | Body::TimeoutNow
            | Body::ForgetLeader
            | Body::Removed { .. } => 0,
        }
}

fn entries_bytes(entries: &[Entry]) -> u64 {
    entries
        .iter()
        .map(|entry| entry.data.len() as u64 + 40)
        .sum()
}

fn snapshot_bytes(snapshot: &Snapshot) -> u64 {
    let ConfState {
        voters,
        learners,
        voters_outgoing,
        learners_next,
        ..
    } = &snapshot.conf_state;
    let lists = [voters, learners, voters_outgoing, learners_next];
    let ids: usize = lists.iter().map(|list| list.len()).sum();
    snapshot.data.len() as u64 + 11 * ids as u64 + 100
}
