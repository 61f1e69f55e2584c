//! Reads a recording, record by record. Nothing is believed: damage, a part that is missing and bytes
//! that are something else are errors, each with the place where it was found.

use bytes::{Buf, Bytes};
use prost::Message as _;

use super::call::Start;
use super::recorder::Writer;
use super::{HEADER_BYTES, MAGIC, Record, StopReason, VERSION, chained};
use crate::error::Error;

/// Why a recording can't be read or replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It doesn't begin as recordings do.
    #[error("this is no recording of a node")]
    NotARecording,
    /// It has another version.
    #[error("the recording has version {0} of the format, and this library reads {VERSION}")]
    Version(u32),
    /// It ends within a record, or before the first.
    #[error("the recording is cut off in record {record}, which begins at byte {offset}")]
    CutOff {
        /// The record, from 0 on, which is what the node was made with.
        record: u64,
        /// Where it begins.
        offset: u64,
    },
    /// A record is not what was written.
    #[error("the recording is damaged in record {record}, at byte {offset}: {why}")]
    Damaged {
        /// The record, from 0 on.
        record: u64,
        /// Where it begins.
        offset: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It was ended before it began, since what the node was made with is too large for its limit, or
    /// can't be written down.
    #[error("the recording holds nothing: it ended before its first call")]
    Empty,
    /// The library can't make a node of what the recorded one was made with.
    #[error("the recorded node can't be made: {0}")]
    Start(Error),
    /// An argument can't be decoded.
    #[error("an argument of a recorded call can't be decoded: {0}")]
    Argument(#[from] Error),
    /// To go on takes more than the limits of the player allow.
    #[error("call {call} takes more than the player may use: {why}")]
    Limit {
        /// The call, from 1 on.
        call: u64,
        /// Of what.
        why: &'static str,
    },
}

/// The records of a recording.
#[derive(Clone, Debug)]
pub struct Reader {
    rest: Bytes,
    total: usize,
    start: Start,
    /// The number of the next record.
    record: u64,
    checksum: u32,
    checks: bool,
    stop: Option<StopReason>,
}

impl Reader {
    /// Reads what the node was made with.
    ///
    /// # Errors
    /// All of [`RecordingError`], except for those of a [`super::Player`].
    pub fn new(bytes: Bytes) -> Result<Reader, RecordingError> {
        Reader::checking(bytes, true)
    }

    /// The same without a look at checksums, neither these nor those of what calls gave: for what
    /// changes recordings at random, and would never get past them.
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub fn unchecked(bytes: Bytes) -> Result<Reader, RecordingError> {
        Reader::checking(bytes, false)
    }

    fn checking(mut bytes: Bytes, checks: bool) -> Result<Reader, RecordingError> {
        let total = bytes.len();
        if total < HEADER_BYTES || bytes[..MAGIC.len()] != MAGIC {
            return Err(RecordingError::NotARecording);
        }
        bytes.advance(MAGIC.len());
        match bytes.get_u32_le() {
            VERSION => {}
            other => return Err(RecordingError::Version(other)),
        }
        let mut reader = Reader {
            rest: bytes,
            total,
            start: Start::new(crate::Config::new(1), crate::RestartState::default()),
            record: 0,
            checksum: 0,
            checks,
            stop: None,
        };
        let offset = reader.offset();
        let Some(first) = reader.read()? else {
            return Err(RecordingError::CutOff { record: 0, offset });
        };
        match (&first.start, &first.stop) {
            (Some(start), None) => {
                reader.start = Start::from_proto(start).map_err(RecordingError::Start)?;
                Ok(reader)
            }
            (None, Some(_)) => Err(RecordingError::Empty),
            _ => Err(RecordingError::Damaged {
                record: 0,
                offset,
                why: "it does not say what the node was made with".to_owned(),
            }),
        }
    }

    /// What the node was made with.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// Why the recording ends where it does, when all of it has been read; None if it was just taken
    /// here.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stop
    }

    /// Whether checksums are compared.
    pub fn checks(&self) -> bool {
        self.checks
    }

    /// The next record with a call.
    ///
    /// # Errors
    /// [`RecordingError::CutOff`] and [`RecordingError::Damaged`]; from then on, there are no more.
    pub fn next_call(&mut self) -> Result<Option<Record>, RecordingError> {
        let (record, offset) = (self.record, self.offset());
        let Some(next) = self.read()? else {
            return Ok(None);
        };
        let damaged = |why: &str| RecordingError::Damaged {
            record,
            offset,
            why: why.to_owned(),
        };
        let fault = match (&next.start, &next.stop, &next.call) {
            (None, None, Some(_)) => return Ok(Some(next)),
            (None, Some(stop), None) if self.rest.is_empty() => {
                self.stop = Some(stop.reason());
                return Ok(None);
            }
            (None, Some(_), None) => "something follows the end of the recording",
            (Some(_), _, _) => "a second beginning",
            _ => "it has no call that this library knows",
        };
        self.rest = Bytes::new();
        Err(damaged(fault))
    }

    fn offset(&self) -> u64 {
        (self.total - self.rest.len()) as u64
    }

    /// The next record of whatever kind.
    fn read(&mut self) -> Result<Option<Record>, RecordingError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (record, offset) = (self.record, self.offset());
        let result = self.frame().and_then(|(body, checksum)| {
            if self.checks && checksum != chained(self.checksum, &body) {
                return Err(Fault::Damaged("its checksum is another".to_owned()));
            }
            self.checksum = checksum;
            Record::decode(body).map_err(|error| Fault::Damaged(error.to_string()))
        });
        self.record += 1;
        result.map(Some).map_err(|fault| {
            self.rest = Bytes::new();
            match fault {
                Fault::CutOff => RecordingError::CutOff { record, offset },
                Fault::Damaged(why) => RecordingError::Damaged {
                    record,
                    offset,
                    why,
                },
            }
        })
    }

    /// The next record's bytes and checksum.
    fn frame(&mut self) -> Result<(Bytes, u32), Fault> {
        let mut rest = self.rest.clone();
        // A varint that goes on to the end may have been cut; a longer one than any is damage.
        let len = prost::encoding::decode_varint(&mut rest).map_err(|error| {
            match self.rest.len() < 10 && self.rest.iter().all(|byte| byte & 0x80 != 0) {
                true => Fault::CutOff,
                false => Fault::Damaged(error.to_string()),
            }
        })?;
        if len > u64::from(u32::MAX) {
            return Err(Fault::Damaged(format!("it claims to have {len} bytes")));
        }
        let len = len as usize;
        if rest.len() < len.saturating_add(4) {
            return Err(Fault::CutOff);
        }
        let body = rest.split_to(len);
        let checksum = rest.get_u32_le();
        self.rest = rest;
        Ok((body, checksum))
    }
}

enum Fault {
    CutOff,
    Damaged(String),
}

impl Iterator for Reader {
    type Item = Result<Record, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_call().transpose()
    }
}

/// The bytes of a recording of these calls, for who makes one without a node. None if the start has no
/// encoding of its own.
pub fn encode<'a>(start: &Start, calls: impl IntoIterator<Item = &'a Record>) -> Option<Vec<u8>> {
    let mut writer = Writer::new();
    writer.push(&Record {
        start: Some(start.to_proto()?),
        ..Record::default()
    });
    calls.into_iter().for_each(|record| writer.push(record));
    Some(writer.take())
}
