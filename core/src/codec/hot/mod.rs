//! The messages of steady state and their entries, between our types and their bytes without a
//! detour over prost's.
//!
//! The writer's bytes are prost's, and so is what the reader makes of them: a test says so for
//! all that it is given. The reader knows only what writers usually write, fields in ascending order
//! and none of them unusual; anything else it leaves to prost, so that there is one place that
//! decides what is an error. To write and to read an append of one entry takes 350 instructions so, and
//! 3,300 with prost's types.

mod read;
mod write;

pub use read::{Shared, read, read_entry};
pub use write::{
    MessageWriter, encoded_entry, encoded_message, entry_len, put_entries, put_entry_delimited,
    put_hard_state_delimited,
};

// Types of messages.
const PROPOSE: u8 = 2;
const APPEND: u8 = 3;
const ACCEPT: u8 = 4;
const HEARTBEAT: u8 = 8;
const HEARTBEAT_RESP: u8 = 9;

/// A field's key: its number, and whether it is a varint (0) or has a length (2).
const fn key(number: u8, wire_type: u8) -> u8 {
    number << 3 | wire_type
}

const TYPE: u8 = key(1, 0);
const TO: u8 = key(2, 0);
const FROM: u8 = key(3, 0);
const TERM: u8 = key(4, 0);
const LOG_TERM: u8 = key(5, 0);
const INDEX: u8 = key(6, 0);
const ENTRIES: u8 = key(7, 2);
const COMMIT: u8 = key(8, 0);
const CONTEXT: u8 = key(12, 2);

const ENTRY_TYPE: u8 = key(1, 0);
const ENTRY_TERM: u8 = key(2, 0);
const ENTRY_INDEX: u8 = key(3, 0);
const ENTRY_DATA: u8 = key(4, 2);

const HARD_STATE_TERM: u8 = key(1, 0);
const HARD_STATE_VOTE: u8 = key(2, 0);
const HARD_STATE_COMMIT: u8 = key(3, 0);
