//! Bytes change or vanish after they were synced. What comes back is whole, or the error is
//! loud.

use super::{
    recovery::{DATABASE, JOURNAL, MARK},
    sim::*,
    *,
};
use crate::{durable::medium::Medium, error::Error};

/// What became of a damaged storage.
#[derive(Debug, PartialEq)]
enum Outcome {
    Whole,
    Loud,
}

/// Keeps the engine's own panics, which become errors, out of the tests' output.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let engine = |place: &std::panic::Location<'_>| place.file().contains("redb-");
            if !panic.location().is_some_and(engine) {
                print(panic);
            }
        }));
    });
}

/// Opens a damaged storage, reads everything, and fails the test if something else comes back
/// than was written.
fn outcome(image: Image, expected: &Contents, what: &str) -> Outcome {
    quiet();
    let contents = open(image).and_then(|storage| Contents::of(&storage));
    match contents {
        Ok(contents) => {
            assert_eq!(contents, *expected, "{what}: damage was not noticed");
            Outcome::Whole
        }
        Err(Error::Corrupt(_) | Error::Io { .. }) => Outcome::Loud,
        Err(other) => panic!("{what}: {other}"),
    }
}

/// A storage that has one write in the engine's file and one in the journal at its end: the image,
/// its contents, and where in which file these writes are.
fn with_last_write(closed: bool) -> (Image, Contents, Vec<(usize, usize, usize)>) {
    let (sim, storage) = prepared();
    storage.compact(12).unwrap();
    append(&storage, &entries(45..48, 3)).unwrap();
    let expected = Contents::of(&storage).unwrap();
    if closed {
        drop(storage);
    } else {
        // Killed: the storage lives on elsewhere, and its files are looked at as they are.
    }
    let places = sim
        .take_journal()
        .iter()
        .filter_map(|event| match event {
            Event::Write { file, offset, data } => Some((*file, *offset as usize, data.len())),
            _ => None,
        })
        .collect();
    (sim.image(), expected, places)
}

/// Bytes of a file to damage: all of the last writes' pages in which something is, and some
/// elsewhere.
fn places(image: &Image, name: &str, last_write: &[(usize, usize, usize)]) -> Vec<usize> {
    let bytes = image.file(name);
    let number = image.names[name];
    let stride = (bytes.len() / 2000).max(101) | 1;
    let recent = |at: usize| {
        last_write
            .iter()
            .any(|(file, from, len)| *file == number && (*from..from + len).contains(&at))
    };
    (0..bytes.len())
        .filter(|at| match recent(*at) {
            true => bytes[*at] != 0 || at % 97 == 0,
            false => at % stride == 0,
        })
        .collect()
}

fn flip_bytes(closed: bool) {
    let (image, expected, last_write) = with_last_write(closed);
    let loud_of = |name| {
        let mut loud = 0;
        for at in places(&image, name, &last_write) {
            let mut damaged = image.clone();
            damaged.file_mut(name).flip(at, 1 << (at % 8));
            let what = format!(
                "bit {} of byte {at} of {name} flipped, closed: {closed}",
                at % 8
            );
            loud += usize::from(outcome(damaged, &expected, &what) == Outcome::Loud);
        }
        loud
    };
    let loud = loud_of(DATABASE);
    assert!(loud > 500, "only {loud} of the flips were noticed");
    let loud = loud_of(JOURNAL);
    // Once the engine has all, what is in the journal does not matter.
    assert_eq!(loud > 300, !closed, "{loud} of the journal's");
}

#[test]
fn a_flipped_bit_in_a_closed_storage_is_loud_or_harmless() {
    flip_bytes(true);
}

#[test]
fn a_flipped_bit_in_a_killed_storage_is_loud_or_harmless() {
    flip_bytes(false);
}

#[test]
fn a_file_cut_at_any_byte_is_loud() {
    for closed in [true, false] {
        let (image, expected, _) = with_last_write(closed);
        for cut in (0..image.file(JOURNAL).len()).filter(|cut| *cut < 1024 || cut % 4001 == 0) {
            let mut damaged = image.clone();
            damaged.file_mut(JOURNAL).set_len(cut);
            let what = format!("journal cut to {cut} bytes, closed: {closed}");
            assert_eq!(outcome(damaged, &expected, &what), Outcome::Loud, "{what}");
        }
        let len = image.file(DATABASE).len();
        let cuts = (0..len).filter(|cut| *cut < 1024 || len - cut < 2048 || cut % 1009 == 0);
        for cut in cuts {
            let mut damaged = image.clone();
            damaged.file_mut(DATABASE).set_len(cut);
            let what = format!("cut to {cut} of {len} bytes, closed: {closed}");
            assert_eq!(outcome(damaged, &expected, &what), Outcome::Loud, "{what}");
        }
    }
}

#[test]
fn a_page_of_zeros_is_loud_or_harmless() {
    for closed in [true, false] {
        let (image, expected, _) = with_last_write(closed);
        let mut loud = 0;
        for page in 0..image.file(DATABASE).len() / 4096 {
            let mut damaged = image.clone();
            damaged.file_mut(DATABASE).write(page * 4096, &[0; 4096]);
            let what = format!("page {page} of zeros, closed: {closed}");
            loud += usize::from(outcome(damaged, &expected, &what) == Outcome::Loud);
        }
        assert!(loud > 5, "only {loud} pages are in use");
    }
}

#[test]
fn the_engine_may_not_fall_back_to_the_state_before_a_synced_write() {
    let writes: [(&str, Write); 2] = [
        (JOURNAL, |storage| append(storage, &entries(45..46, 3))),
        (DATABASE, |storage| storage.compact(12)),
    ];
    for (name, write) in writes {
        let (sim, storage) = prepared();
        let mut old = sim.image();
        write(&storage).unwrap();
        let mut image = sim.image();
        // As if the disk had lost the last write although it said that it had synced it.
        *image.file_mut(name) = old.file_mut(name).clone();
        let error = open(image).unwrap_err();
        assert!(
            matches!(&error, Error::Corrupt(text) if text.contains("was synced")),
            "{name}: {error}"
        );
    }
}

#[test]
fn one_damaged_place_of_the_mark_is_harmless_and_two_are_loud() {
    let (image, expected, _) = with_last_write(true);
    let places = [0, 512];
    for at in 0..36 {
        for bit in 0..8 {
            let what = format!("bit {bit} of byte {at} of the mark flipped");
            for place in places {
                let mut damaged = image.clone();
                damaged.file_mut(MARK).flip(place + at, 1 << bit);
                assert_eq!(outcome(damaged, &expected, &what), Outcome::Whole, "{what}");
            }
            let mut damaged = image.clone();
            for place in places {
                damaged.file_mut(MARK).flip(place + at, 1 << bit);
            }
            assert_eq!(outcome(damaged, &expected, &what), Outcome::Loud, "{what}");
        }
    }
    for len in 0..image.file(MARK).len() {
        let mut damaged = image.clone();
        damaged.file_mut(MARK).set_len(len);
        let expected_outcome = match len < 36 {
            true => Outcome::Loud,
            false => Outcome::Whole,
        };
        let what = format!("mark cut to {len} bytes");
        assert_eq!(
            outcome(damaged, &expected, &what),
            expected_outcome,
            "{what}"
        );
    }
}

#[test]
fn a_missing_file_is_loud() {
    let (image, expected, _) = with_last_write(true);
    for name in [DATABASE, JOURNAL, MARK] {
        let mut damaged = image.clone();
        damaged.names.remove(name);
        assert_eq!(
            outcome(damaged, &expected, name),
            Outcome::Loud,
            "without {name}"
        );
    }
}

#[test]
fn damage_that_comes_after_opening_is_loud_when_it_is_read() {
    let (sim, storage) = prepared();
    // More than the engine's cache holds, so that it has to read again.
    for index in 45..85 {
        let mut large = entries(index..index + 1, 3);
        large[0].data = vec![index as u8; 1 << 20].into();
        append(&storage, &large).unwrap();
    }
    drop(storage);
    let image = sim.image();
    let needle = [60u8; 4096];
    let bytes = image.file(DATABASE);
    let at = bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap();
    let sim = Sim::new(image);
    let storage = recovery::open_on(Box::new(sim.clone()), Sizes::default()).unwrap();
    let backend = sim.open(DATABASE).unwrap().unwrap();
    redb::StorageBackend::write(&backend, at as u64 + 100, &[61]).unwrap();
    let error = storage.entries(60, 61, u64::MAX).unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
    storage.entries(61, 62, u64::MAX).unwrap();
}
