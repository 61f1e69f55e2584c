//! A `DurableStorage` on files that are not what it has written.
//!
//! An input writes a history to a storage in a directory, with images of the files on the way. Then it
//! is opened on
//!
//! - an image that is damaged: bytes changed, pieces cut off, moved, or taken from another image, files
//!   swapped, missing, or of any content; what opens is a state that was there once, and no older than
//!   what the mark, if that is whole, says was synced;
//! - a write that was cut short: some blocks as they were before, some as after; what opens is the state
//!   before or the one after;
//! - a sound file of the engine with rows that the storage did not write.
//!
//! In each case it is an error or a storage that can be used, and never a panic outside the engine's
//! guard, or an allocation beyond reason.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use libraft_core::*;
use libraft_storage::{DurableStorage, Error, Storage, Update};

use crate::input::Input;
use crate::messages;

mod rows;

const DATABASE: &str = "raft.redb";
const JOURNAL: &str = "journal";
const MARK: &str = "mark";

/// All that a storage holds.
#[derive(Clone, Debug, PartialEq)]
struct Content {
    restart: RestartState,
    entries: Vec<Entry>,
    snapshot: Snapshot,
}

/// The files at some time.
#[derive(Clone, Default)]
struct Image {
    database: Option<Vec<u8>>,
    journal: Option<Vec<u8>>,
    mark: Option<Vec<u8>>,
    /// The state that they have, and the first one that may not be lost any more.
    state: usize,
    synced: usize,
}

impl Image {
    fn take(directory: &Path, state: usize, synced: usize) -> Image {
        Image {
            database: fs::read(directory.join(DATABASE)).ok(),
            journal: fs::read(directory.join(JOURNAL)).ok(),
            mark: fs::read(directory.join(MARK)).ok(),
            state,
            synced,
        }
    }

    fn put(&self, directory: &Path) {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory).expect("there is room");
        let files = [
            (DATABASE, &self.database),
            (JOURNAL, &self.journal),
            (MARK, &self.mark),
        ];
        for (name, content) in files {
            if let Some(content) = content {
                fs::write(directory.join(name), content).expect("there is room");
            }
        }
    }
}

/// Panics outside the engine are the storage's own; the engine's are what it has a guard for.
pub fn let_the_engine_panic() {
    let fatal = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let of_engine = |file: &str| file.contains("/redb-");
        if !info.location().is_some_and(|at| of_engine(at.file())) {
            fatal(info);
        }
    }));
}

/// One input.
///
/// # Panics
/// If something does not hold.
pub fn run(data: &[u8]) {
    let directory = crate::scratch::directory("storage");
    let mut input = Input::new(data);
    let how = input.byte();
    let (images, states) = history(&mut input, &directory);
    match how % 4 {
        0 | 1 => damaged(&mut input, &directory, &images, &states),
        2 => torn(&mut input, &directory, &images, &states),
        _ => rows::run(&mut input, &directory, &images),
    }
    let _ = fs::remove_dir_all(&directory);
}

fn content(storage: &DurableStorage) -> libraft_storage::Result<Content> {
    let (first, last) = (storage.first_index(), storage.last_index());
    Ok(Content {
        restart: storage.restart_state(),
        entries: storage.entries(first, last + 1, u64::MAX)?,
        snapshot: storage.snapshot()?,
    })
}

/// Writes a history. The last image is of a storage that was closed.
fn history(input: &mut Input, directory: &Path) -> (Vec<Image>, Vec<Content>) {
    let open = || DurableStorage::open(directory).expect("a sound storage opens");
    let mut storage = open();
    let mut states = vec![content(&storage).expect("a sound storage can be read")];
    let mut synced = 0;
    let mut images = vec![Image::take(directory, 0, 0)];
    for _ in 0..1 + input.below(6) {
        let is_durable = write(input, &storage);
        states.push(content(&storage).expect("a sound storage can be read"));
        if is_durable {
            synced = states.len() - 1;
        }
        images.push(Image::take(directory, states.len() - 1, synced));
        if input.chance(8) {
            drop(storage);
            storage = open();
            synced = states.len() - 1;
        }
    }
    drop(storage);
    images.push(Image::take(directory, states.len() - 1, states.len() - 1));
    (images, states)
}

/// One write. Returns whether it is synced.
fn write(input: &mut Input, storage: &DurableStorage) -> bool {
    let (first, last) = (storage.first_index(), storage.last_index());
    let term = storage.term(last).unwrap_or(0).max(1);
    let done = match input.below(8) {
        0 => storage.sync(),
        1 => storage
            .create_snapshot(
                last,
                Some(messages::conf_state(input)),
                Bytes::from(vec![3; input.below(64)]),
            )
            .map(drop),
        2 => storage.compact(first + input.below((last + 2 - first) as usize) as u64),
        3 => {
            let snapshot = Snapshot {
                id: EntryId {
                    term,
                    index: last + 1 + input.below(4) as u64,
                },
                conf_state: ConfState::of_voters(1..=3),
                data: Bytes::from(vec![4; 40 * input.below(256)]),
            };
            storage.write(Update {
                snapshot: Some(&snapshot),
                must_sync: true,
                ..Update::default()
            })
        }
        _ => {
            let from = match input.bool() {
                true => last + 1,
                false => first + input.below((last + 2 - first) as usize) as u64,
            };
            let term = term + u64::from(input.chance(4));
            let size = [0, 5, 100, 6000][input.below(4)];
            let entry = |index| Entry {
                term,
                index,
                kind: match index % 7 {
                    0 => EntryKind::ConfChangeV2,
                    _ => EntryKind::Normal,
                },
                data: Bytes::from(vec![index as u8; size]),
                ..Entry::default()
            };
            let entries: Entries = (from..from + input.below(8) as u64).map(entry).collect();
            let must_sync = input.bool();
            let hard_state = input.bool().then(|| HardState {
                term,
                vote: input.below(3) as u64,
                commit: first - 1,
            });
            let before = storage.hard_state();
            storage
                .write(Update {
                    hard_state,
                    entries: &entries,
                    snapshot: None,
                    must_sync,
                })
                .expect("the write is in order");
            let promises =
                hard_state.is_some_and(|s| (s.term, s.vote) != (before.term, before.vote));
            return must_sync || promises;
        }
    };
    match done {
        Ok(()) => true,
        Err(
            Error::Compacted
            | Error::Unavailable
            | Error::SnapshotOutOfDate
            | Error::SnapshotTooOld { .. },
        ) => false,
        Err(error) => panic!("{error}"),
    }
}

/// What an opened storage has to be.
fn judge(
    directory: &Path,
    states: &[Content],
    allowed: impl Fn(usize) -> bool,
    what: &str,
) -> bool {
    let storage = match DurableStorage::open(directory) {
        Ok(storage) => storage,
        Err(Error::Corrupt(_) | Error::Io { .. }) => return false,
        Err(error) => panic!("{what}: {error}"),
    };
    match content(&storage) {
        Ok(content) => {
            let same = |place: &usize| states[*place] == content;
            let found = (0..states.len()).filter(same).any(allowed);
            assert!(found, "{what}: {content:?}");
            use_it(&storage);
        }
        Err(Error::Corrupt(_) | Error::Io { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
    }
    true
}

/// It has to stay usable, or say why not.
fn use_it(storage: &DurableStorage) {
    let (first, last) = (storage.first_index(), storage.last_index());
    let entry = Entry {
        term: storage.term(last).unwrap_or(1).max(1),
        index: last + 1,
        ..Entry::default()
    };
    let _ = storage.write(Update {
        entries: &entry.into(),
        must_sync: true,
        ..Update::default()
    });
    let _ = storage.create_snapshot(last, Some(ConfState::of_voters([1])), Bytes::new());
    let _ = storage.compact(first + (last.saturating_sub(first)) / 2);
    let _ = content(storage);
    let _ = Node::new(Config::new(1), storage.restart_state());
}

/// Opens a damaged image.
fn damaged(input: &mut Input, directory: &Path, images: &[Image], states: &[Content]) {
    let place = match input.bool() {
        true => images.len() - 1,
        false => input.below(images.len()),
    };
    let mut image = images[place].clone();
    let mut mark_is_whole = true;
    for _ in 0..input.below(4) {
        let other = &images[input.below(images.len())];
        match input.below(16) {
            0 => {
                image.mark = other.mark.clone();
                // What it says may be too little, or too much.
                mark_is_whole = false;
            }
            1 => image.database = other.database.clone(),
            2 => {
                (image.mark, image.database) = (image.database, image.mark);
                mark_is_whole = false;
            }
            3 => {
                image.mark = input.bool().then(|| input.piece().to_vec());
                mark_is_whole = false;
            }
            4 => image.database = input.bool().then(|| input.piece().to_vec()),
            5 => {
                spoil(input, image.mark.as_mut(), other.mark.as_deref());
                mark_is_whole = false;
            }
            6 => image.journal = other.journal.clone(),
            7 => image.journal = input.bool().then(|| input.piece().to_vec()),
            8 | 9 => spoil(input, image.journal.as_mut(), other.journal.as_deref()),
            _ => spoil(input, image.database.as_mut(), other.database.as_deref()),
        }
    }
    image.put(directory);
    let synced = if mark_is_whole { image.synced } else { 0 };
    judge(directory, states, |state| state >= synced, "after damage");
}

/// Damages a file.
fn spoil(input: &mut Input, file: Option<&mut Vec<u8>>, other: Option<&[u8]>) {
    let Some(file) = file.filter(|file| !file.is_empty()) else {
        return;
    };
    // Most of a file is empty; what matters is at its beginning, and at the beginnings of pages.
    let place = |input: &mut Input, len: usize| {
        let place = match input.below(4) {
            0 => input.below(512),
            1 => input.below(64) * 4096 + input.below(64),
            2 => input.below(256 * 1024),
            _ => input.any::<u32>() as usize,
        };
        place % len
    };
    let at = place(input, file.len());
    let len = (1 + input.below(256) * [1, 16][input.below(2)]).min(file.len() - at);
    match input.below(7) {
        0 => file[at] = input.byte(),
        1 => file[at] ^= 1 << input.below(8),
        2 => file.truncate(at),
        3 => file.extend(vec![input.byte(); len]),
        4 => file[at..at + len].fill(input.byte()),
        5 => {
            let from = place(input, file.len() - len + 1);
            file.copy_within(from..from + len, at);
        }
        _ => {
            if let Some(other) = other.and_then(|other| other.get(at..at + len)) {
                file[at..at + len].copy_from_slice(other);
            }
        }
    }
}

/// Opens what a write has left that was cut short.
fn torn(input: &mut Input, directory: &Path, images: &[Image], states: &[Content]) {
    // The write has to be one that begins where everything is synced, and syncs.
    let suits = |pair: &&[Image]| {
        let (before, after) = (&pair[0], &pair[1]);
        let all_synced = before.synced == before.state && after.synced == after.state;
        all_synced && after.state == before.state + 1
    };
    let pairs: Vec<_> = images.windows(2).filter(suits).collect();
    if pairs.is_empty() {
        return;
    }
    let pair = pairs[input.below(pairs.len())];
    let (before, after) = (&pair[0], &pair[1]);
    let block = [512, 4096][input.below(2)];
    let mut mixed = |old: &Option<Vec<u8>>, new: &Option<Vec<u8>>| {
        let (old, new) = (old.as_ref()?, new.as_ref()?);
        let mut mixed = old.clone();
        mixed.resize(new.len().max(old.len()), 0);
        for (place, chunk) in new.chunks(block).enumerate() {
            let at = place * block;
            if old.get(at..at + chunk.len()) != Some(chunk) && input.bool() {
                mixed[at..at + chunk.len()].copy_from_slice(chunk);
            }
        }
        (new.len() >= old.len()).then_some(mixed)
    };
    let database = mixed(&before.database, &after.database);
    let journal = mixed(&before.journal, &after.journal);
    if database.is_none() || journal.is_none() {
        return;
    }
    let image = Image {
        database,
        journal,
        mark: before.mark.clone(),
        ..*before
    };
    image.put(directory);
    let states = &states[..=after.state];
    // The engine may have synced in between, and what is mixed across that no disk can leave behind: so
    // a refusal is right as well. The storage's own tests tear between syncs, and allow none.
    judge(
        directory,
        states,
        |state| state >= before.state,
        "after a torn write",
    );
}
