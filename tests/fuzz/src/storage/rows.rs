//! Rows that the storage has not written, in a file of the engine that is sound.

use std::path::Path;

use libraft_core::{MAX_POSITION, codec};
use libraft_storage::{DurableStorage, Error, Storage};
use redb::{Database, TableDefinition};

use super::{DATABASE, Image, content, use_it};
use crate::input::Input;
use crate::messages;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const OUTLINE: TableDefinition<&str, &[u8]> = TableDefinition::new("outline");
const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
const DATA: TableDefinition<u32, &[u8]> = TableDefinition::new("snapshot");

pub fn run(input: &mut Input, directory: &Path, images: &[Image]) {
    images[images.len() - 1].put(directory);
    for _ in 0..1 + input.below(4) {
        change(input, &directory.join(DATABASE)).expect("the engine takes any rows");
    }
    let storage = match DurableStorage::open(directory) {
        Ok(storage) => storage,
        Err(Error::Corrupt(_) | Error::Io { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    let (first, last) = (storage.first_index(), storage.last_index());
    assert!(first <= last + 1 && last <= MAX_POSITION, "{first}, {last}");
    for index in [0, first - 1, first, last, last + 1, u64::MAX, input.any()] {
        let _ = storage.term(index);
        let _ = storage.entries(index, index.saturating_add(3), 100);
    }
    let _ = content(&storage);
    use_it(&storage);
    drop(storage);
    let _ = DurableStorage::open(directory).map(|storage| use_it(&storage));
}

fn change(input: &mut Input, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let db = Database::create(path)?;
    let txn = db.begin_write()?;
    match input.below(8) {
        0..=2 => {
            let key = input.choose(&["version", "counters", "hard_state", "snapshot", "journal"]);
            let value = match key {
                "hard_state" | "snapshot" => encoded(input),
                _ => numbers(input),
            };
            txn.open_table(META)?.insert(key, value.as_slice())?;
        }
        3 | 4 => {
            let key = input.choose(&["term_runs", "conf_changes"]);
            txn.open_table(OUTLINE)?
                .insert(key, numbers(input).as_slice())?;
        }
        5 | 6 => {
            let index = input.number_near(&[1, 4, 8]);
            txn.open_table(LOG)?
                .insert(index, chunk(input).as_slice())?;
        }
        _ => {
            let number = input.below(3) as u32;
            match input.bool() {
                true => txn
                    .open_table(DATA)?
                    .insert(number, input.piece())?
                    .is_some(),
                false => txn.delete_table(LOG)?,
            };
        }
    }
    txn.commit()?;
    Ok(())
}

/// A row of numbers, mostly of a length that makes sense.
fn numbers(input: &mut Input) -> Vec<u8> {
    if input.chance(16) {
        return input.piece().to_vec();
    }
    let len = input.choose(&[6, 6, 6, 0, 1, 2, 4]);
    let number = |_| input.number_near(&[1, 2, 5, 9]).to_le_bytes();
    (0..len).flat_map(number).collect()
}

fn encoded(input: &mut Input) -> Vec<u8> {
    match input.below(3) {
        0 => input.piece().to_vec(),
        1 => codec::encode_hard_state(&libraft_core::HardState {
            term: input.number_near(&[1, 2]),
            vote: input.any(),
            commit: input.number_near(&[1, 5]),
        }),
        _ => codec::encode_snapshot(&libraft_core::Snapshot {
            id: libraft_core::EntryId {
                term: input.number_near(&[1, 2]),
                index: input.number_near(&[1, 5]),
            },
            conf_state: messages::conf_state(input),
            data: messages::context(input),
        }),
    }
}

/// Records with their checksums, of entries that need not be the right ones.
fn chunk(input: &mut Input) -> Vec<u8> {
    let mut chunk = Vec::new();
    for _ in 0..input.below(4) {
        let entry = libraft_core::Entry {
            term: input.number_near(&[1, 2]),
            index: input.number_near(&[1, 4, 8]),
            data: messages::context(input),
            ..Default::default()
        };
        let encoded = match input.chance(4) {
            true => input.piece().to_vec(),
            false => codec::encode_entry(&entry),
        };
        let len = match input.chance(8) {
            true => input.any(),
            false => encoded.len() as u32,
        };
        chunk.extend(len.to_le_bytes());
        chunk.extend(crc32fast::hash(&encoded).to_le_bytes());
        chunk.extend(encoded);
    }
    chunk
}
