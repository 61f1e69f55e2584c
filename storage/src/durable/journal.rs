//! The journal: a file with its room allocated, to which a write goes before the engine has it.
//!
//! A commit of the engine writes five to seven pages here and there, which a disk takes longer for
//! than for as many bytes in one place; and a file that grows has its size to be written as well.
//! So an append or a vote is one *record* behind the last one here, and one sync. The engine gets
//! it in a commit that it does not sync. The next synced commit of the engine has everything, and
//! the journal begins anew; that is one without a record: a snapshot, a compaction, or a write for
//! which there is no room here. At most the journal's room is to be replayed after a crash.
//!
//! What makes records those that follow the engine's last synced commit:
//!
//! - A record has the number of that commit, its *base*, and its own. Those to be replayed have the
//!   engine's number as their base, and the numbers from there on without a gap, from the file's
//!   second block on. What lies behind them is of an earlier base, or was never acknowledged.
//! - No two processes have written records of the same base: each begins with a synced commit of the
//!   engine, that of what the journal had when it was opened, or else its first write.
//! - Each record begins a block of its own, so that what is synced is not written again until it is
//!   obsolete, and a write that is torn leaves the ones before it.
//! - A head has a key that the engine keeps, so that no entry's bytes, whoever chose them, can pass
//!   for a record.
//! - The file's first block has the key and the file's length, and is written once. So a journal that was
//!   emptied, cut, or taken from another storage is an error, even if nobody else knows how many
//!   writes are lost with it.
//!
//! A head also says up to where everything was synced when it was written. A record that is damaged
//! is no torn tail if a later one knows that it was synced; this is known even if [`super::mark`] is
//! not, after a power cut.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::Bytes;
use libraft_core::{Entries, HardState, Index, codec};
use redb::StorageBackend;

use super::{medium::MediumFile, records};
use crate::error::{Error, Result};

/// What the system writes at a time. No two records share one.
const BLOCK: u64 = 4096;
/// Key, length, checksum: what the file begins with.
const LABEL: usize = 20;
/// Key, base, number, what was synced, the body's length and checksum; and the head's checksum.
const HEAD: usize = 44;
/// The most that a hard state takes, with its length.
const MAX_HARD_STATE: usize = 1 + 3 * 11;

/// The file, and where in it the next record goes.
#[derive(Debug)]
pub(super) struct Journal {
    file: MediumFile,
    key: u64,
    /// The file's length. No record goes beyond.
    len: u64,
    /// The engine's last synced commit; None if this process has not made one.
    base: Option<u64>,
    end: u64,
}

/// What a crash has left.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// What follows the engine's last synced commit, in order.
    pub writes: Vec<(HardState, Entries)>,
    /// The last write that was begun, as far as the journal knows.
    pub begun: u64,
    /// The last write that is known to have been synced.
    pub synced: u64,
}

struct Head {
    base: u64,
    number: u64,
    synced: u64,
    body_len: u32,
    body_checksum: u32,
}

/// A key for a new storage's journal, which nobody can guess.
pub(super) fn new_key() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Allocates a new file with so much room for records, for a sync is quicker if there is no size or place to
/// be written with it.
pub(super) fn allocate(file: &MediumFile, key: u64, room: u64) -> Result<()> {
    let io = Error::io("allocating the storage's journal");
    let len = BLOCK + room.next_multiple_of(BLOCK);
    // Block by block: what was written at once may be one large page to the system, and some write
    // and all count such a page as a whole whenever a record changes a part of it.
    for at in (0..len).step_by(BLOCK as usize) {
        file.write(at, &[0; BLOCK as usize]).map_err(&io)?;
    }
    file.write(0, &label(key, len)).map_err(&io)?;
    file.sync_data().map_err(&io)
}

/// Whether a record was ever written to it.
pub(super) fn was_used(file: &MediumFile) -> Result<bool> {
    let io = Error::io("reading the storage's journal");
    let mut first_key = [0; 8];
    if file.len().map_err(&io)? < BLOCK + first_key.len() as u64 {
        return Ok(false);
    }
    file.read(BLOCK, &mut first_key).map_err(&io)?;
    Ok(first_key != [0; 8])
}

fn label(key: u64, len: u64) -> [u8; LABEL] {
    let mut bytes = [0; LABEL];
    bytes[..8].copy_from_slice(&key.to_le_bytes());
    bytes[8..16].copy_from_slice(&len.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

impl Journal {
    /// The journal with this key.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the file is another one, or not as long as it was made.
    pub fn open(file: MediumFile, key: u64) -> Result<Journal> {
        let io = Error::io("reading the storage's journal");
        let len = file.len().map_err(&io)?;
        let mut found = [0; LABEL];
        if len >= BLOCK {
            file.read(0, &mut found).map_err(&io)?;
        }
        if found != label(key, len) {
            return Err(Error::Corrupt(
                "the file `journal` is not the one that was made with this storage, or was cut"
                    .to_owned(),
            ));
        }
        Ok(Journal {
            file,
            key,
            len,
            base: None,
            end: BLOCK,
        })
    }

    /// Everything up to this number is synced in the engine.
    pub fn restart(&mut self, base: u64) {
        (self.base, self.end) = (Some(base), BLOCK);
    }

    /// Whether there is room for a record of so many bytes of entries.
    pub fn has_room(&self, entries_len: usize) -> bool {
        let end = self.end + blocks(HEAD + MAX_HARD_STATE + entries_len);
        self.base.is_some() && end <= self.len
    }

    /// Writes a record, without a sync. Returns whether there is room for it.
    pub fn append(
        &mut self,
        number: u64,
        synced: u64,
        hard_state: &HardState,
        chunks: &[(Index, Vec<u8>)],
    ) -> Result<bool> {
        let entries_len = chunks.iter().map(|(_, chunk)| chunk.len()).sum();
        let Some(base) = self.base.filter(|_| self.has_room(entries_len)) else {
            return Ok(false);
        };
        let hard_state = codec::encode_hard_state(hard_state);
        let body_len = 1 + hard_state.len() + entries_len;
        let mut record = Vec::with_capacity(HEAD + body_len);
        record.resize(HEAD, 0);
        record.push(hard_state.len() as u8);
        record.extend_from_slice(&hard_state);
        for (_, chunk) in chunks {
            record.extend_from_slice(chunk);
        }
        let head = Head {
            base,
            number,
            synced,
            body_len: body_len as u32,
            body_checksum: crc32fast::hash(&record[HEAD..]),
        };
        record[..HEAD].copy_from_slice(&head.encode(self.key));
        self.file
            .write(self.end, &record)
            .map_err(Error::io("writing the storage's journal"))?;
        self.end += blocks(HEAD + body_len);
        Ok(true)
    }

    pub fn sync(&self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(Error::io("syncing the storage's journal"))
    }

    /// Finds what follows the engine's last synced commit, which has the number `base`.
    pub fn read(&self, base: u64) -> Result<Left> {
        let mut left = Left::default();
        let (mut at, mut unbroken) = (BLOCK, true);
        while at < self.len {
            let head = self.read_head(at)?;
            let next = base + 1 + left.writes.len() as u64;
            let body = match &head {
                Some(head) if unbroken && head.base == base && head.number == next => {
                    self.read_body(at, head)?
                }
                _ => None,
            };
            if let Some(head) = &head {
                left.synced = left.synced.max(head.synced);
                if head.base == base {
                    left.begun = left.begun.max(head.number);
                }
            }
            unbroken = body.is_some();
            match body {
                Some(body) => {
                    at += blocks(HEAD + body.len());
                    left.writes.push(decode_body(body)?);
                }
                None => at += BLOCK,
            }
        }
        Ok(left)
    }

    fn read_head(&self, at: u64) -> Result<Option<Head>> {
        let mut bytes = [0; HEAD];
        self.file
            .read(at, &mut bytes)
            .map_err(Error::io("reading the storage's journal"))?;
        Ok(Head::decode(&bytes, self.key))
    }

    /// None if it is not whole.
    fn read_body(&self, at: u64, head: &Head) -> Result<Option<Bytes>> {
        let at = at + HEAD as u64;
        if u64::from(head.body_len) > self.len - at {
            return Ok(None);
        }
        let mut body = vec![0; head.body_len as usize];
        self.file
            .read(at, &mut body)
            .map_err(Error::io("reading the storage's journal"))?;
        let whole = crc32fast::hash(&body) == head.body_checksum;
        Ok(whole.then(|| body.into()))
    }
}

/// The blocks that so many bytes take, in bytes.
fn blocks(len: usize) -> u64 {
    (len as u64).next_multiple_of(BLOCK)
}

impl Head {
    fn encode(&self, key: u64) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let numbers = [key, self.base, self.number, self.synced];
        for (place, number) in numbers.into_iter().enumerate() {
            bytes[place * 8..][..8].copy_from_slice(&number.to_le_bytes());
        }
        bytes[32..36].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.body_checksum.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..40]);
        bytes[40..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// None if there is none.
    fn decode(bytes: &[u8; HEAD], key: u64) -> Option<Head> {
        let (numbers, rest) = bytes.split_at(32);
        let (numbers, _) = numbers.as_chunks::<8>();
        let (rest, _) = rest.as_chunks::<4>();
        let number = |place: usize| u64::from_le_bytes(numbers[place]);
        let [body_len, body_checksum, checksum] =
            [0, 1, 2].map(|place| u32::from_le_bytes(rest[place]));
        let whole = number(0) == key && checksum == crc32fast::hash(&bytes[..40]);
        whole.then(|| Head {
            base: number(1),
            number: number(2),
            synced: number(3),
            body_len,
            body_checksum,
        })
    }
}

fn decode_body(body: Bytes) -> Result<(HardState, Entries)> {
    let unreadable = || Error::Corrupt("a record of the journal can't be read".to_owned());
    let len = usize::from(*body.first().ok_or_else(unreadable)?);
    let hard_state = body.get(1..1 + len).ok_or_else(unreadable)?;
    let hard_state = codec::decode_hard_state(hard_state).map_err(|_| unreadable())?;
    let (mut entries, mut at) = (Vec::new(), 1 + len);
    while let Some((encoded, end)) = records::record(&body, at)? {
        entries.push(codec::decode_entry(encoded).map_err(|_| unreadable())?);
        at = end;
    }
    Ok((hard_state, entries.into()))
}
