//! Recordings: every call that was made on a node, to be made again elsewhere with the same outcome.
//!
//! A node that is made with [`crate::Config::record_bytes`] writes each call that can change it into a
//! buffer, with its arguments, the code that it returned and a checksum of what it gave. The host
//! takes the buffer from time to time ([`crate::Node::record_take`]); all that it has taken, in
//! this order, is one recording. [`Player`] makes the same calls on a node of its own, and says where
//! that does not do the same.
//!
//! # Format, version 1
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | [`MAGIC`] |
//! | 4 | [`VERSION`], little-endian |
//! | then, for each record: | |
//! | 1 to 5 | a varint: how many bytes the record takes |
//! | so many | `libraft.recording.Record` (`core/proto/recording.proto`) |
//! | 4 | CRC-32, little-endian, of the checksum before it (0 at first) and the record |
//!
//! The first record holds what the node was made with. A checksum covers those before it, so that a
//! record that is missing, or in another place, is damage as well. Fields may be added within a
//! version; a reader refuses a record that has none of those that it knows.
//!
//! # Why it begins with the node
//!
//! What a node does next depends on all that it holds in memory: who has voted, what is in flight, how
//! long it has waited, what its random numbers were. None of that is in storage, so that a recording
//! that begins in the middle, or a ring that has lost its beginning, can't be replayed. To record a
//! node that runs, free it and start it again from its storage.
//!
//! When the buffer is full, recording stops for good behind a whole record, and the recording says so:
//! what there is can be replayed, and a gap could not. A host that takes the buffer often enough
//! records for as long as it likes.
//!
//! # What is no call
//!
//! Questions that change nothing (`status`, `has_ready`, ..), and what is refused for its form alone
//! before a node sees it. No I/O happens here: bytes go in and out.

mod call;
mod player;
mod reader;
mod recorder;
mod settings;
#[cfg(test)]
mod tests;

pub use call::{Answer, Start};
pub(crate) use call::{Unencodable, requests};
pub use player::{Difference, Limits, Played, Player, Report, replay};
pub use reader::{Reader, RecordingError, encode};
pub(crate) use recorder::Recorder;

pub use crate::proto::libraft::recording::record::Call;
pub use crate::proto::libraft::recording::{Record, StopReason};

/// What every recording begins with.
pub const MAGIC: [u8; 8] = *b"\x8braftrec";
/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// The least that [`crate::Config::record_bytes`] may be.
pub const MIN_RECORD_BYTES: u64 = 256;

const HEADER_BYTES: usize = MAGIC.len() + 4;

/// How a node's recording stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum RecordingState {
    /// The node records nothing.
    #[default]
    Off = 0,
    /// Every call is recorded.
    On = 1,
    /// The host has ended it.
    Stopped = 2,
    /// It has ended because too many bytes were not taken.
    Full = 3,
    /// It has ended because a call was made with a value that its encoding can't tell from another
    /// one, as only a host in Rust can make it: a configuration with lists out of order, say.
    Unencodable = 4,
}

/// The checksum of a record that follows one with the checksum `last`.
fn chained(last: u32, record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&last.to_le_bytes());
    hasher.update(record);
    hasher.finalize()
}
