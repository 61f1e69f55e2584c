//! Writes a recording while its node runs.
//!
//! A record is begun before its call and ended after it, so that the one call that panics, which is
//! the most interesting one, is there as well. What has not been taken never exceeds the limit: a call
//! that doesn't fit ends the recording before it.

use bytes::Bytes;
use prost::Message as _;

use super::call::{Answer, Start, Unencodable};
use super::{Call, HEADER_BYTES, MAGIC, Record, RecordingState, StopReason, VERSION, chained};
use crate::proto::libraft::recording as out;

/// What a record needs at most beyond its call: its length, what came of the call, its checksum.
const RECORD_ROOM: usize = 5 + 11 + 5 + 4;
/// What the record of the end takes at most.
const STOP_ROOM: usize = 16;

/// The bytes of a recording that grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    checksum: u32,
}

impl Writer {
    pub(super) fn new() -> Writer {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        Writer { bytes, checksum: 0 }
    }

    pub(super) fn push(&mut self, record: &Record) {
        let len = record.encoded_len();
        prost::encoding::encode_varint(len as u64, &mut self.bytes);
        let start = self.bytes.len();
        record.encode_raw(&mut self.bytes);
        self.checksum = chained(self.checksum, &self.bytes[start..]);
        self.bytes.extend_from_slice(&self.checksum.to_le_bytes());
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// The recording of a node, as far as it has not been taken.
#[derive(Clone)]
pub(crate) struct Recorder {
    writer: Writer,
    max_bytes: usize,
    state: RecordingState,
    /// The call that runs.
    pending: Option<Record>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A node is shown with every field, and this one would bury the others.
        let (state, bytes) = (self.state, self.writer.bytes.len());
        write!(f, "Recorder({state:?}, {bytes} bytes)")
    }
}

impl Recorder {
    pub(crate) fn new(start: &Start, max_bytes: u64) -> Recorder {
        let mut recorder = Recorder {
            writer: Writer::new(),
            max_bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX),
            state: RecordingState::On,
            pending: None,
        };
        match start.to_proto() {
            None => recorder.stop(StopReason::Unencodable),
            Some(start) => recorder.push(Record {
                start: Some(start),
                ..Record::default()
            }),
        }
        recorder
    }

    /// A call is about to be made.
    pub(crate) fn begin(&mut self, call: impl FnOnce() -> Result<Call, Unencodable>) {
        if self.state != RecordingState::On {
            return;
        }
        let Ok(call) = call() else {
            return self.stop(StopReason::Unencodable);
        };
        let record = Record {
            call: Some(call),
            ..Record::default()
        };
        match self.has_room_for(&record) {
            true => self.pending = Some(record),
            false => self.stop(StopReason::Full),
        }
    }

    /// What the call that runs will give.
    pub(crate) fn answer(&mut self, answer: impl FnOnce() -> Answer) {
        if let Some(record) = &mut self.pending {
            let bytes = answer().encode();
            record.checksum = bytes.map(|bytes| crc32fast::hash(&bytes));
        }
    }

    /// The call has returned, with the error of this number, or 0.
    pub(crate) fn end(&mut self, result: i32) {
        if let Some(mut record) = self.pending.take() {
            record.result = Some(result);
            self.writer.push(&record);
        }
    }

    /// Ends the recording.
    pub(crate) fn stop(&mut self, reason: StopReason) {
        if self.state != RecordingState::On {
            return;
        }
        self.state = match reason {
            StopReason::Full => RecordingState::Full,
            StopReason::Unencodable => RecordingState::Unencodable,
            StopReason::Host | StopReason::None => RecordingState::Stopped,
        };
        self.writer.push(&Record {
            stop: Some(out::Stop {
                reason: reason as i32,
            }),
            ..Record::default()
        });
    }

    pub(crate) fn state(&self) -> RecordingState {
        self.state
    }

    pub(crate) fn len(&self) -> usize {
        self.writer.bytes.len()
    }

    /// Takes what there is, with the call that panicked, if one has.
    pub(crate) fn take(&mut self) -> Bytes {
        if let Some(record) = self.pending.take() {
            self.writer.push(&record);
        }
        self.writer.take().into()
    }

    fn has_room_for(&self, record: &Record) -> bool {
        let needed = record.encoded_len().saturating_add(RECORD_ROOM + STOP_ROOM);
        needed <= self.max_bytes.saturating_sub(self.writer.bytes.len())
    }

    fn push(&mut self, record: Record) {
        match self.has_room_for(&record) {
            true => self.writer.push(&record),
            false => self.stop(StopReason::Full),
        }
    }
}
