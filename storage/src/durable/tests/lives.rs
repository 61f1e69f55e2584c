//! A storage that is opened again and again: each life goes on from what the one before has left, with a
//! journal so small that it is begun anew all the time.

use proptest::prelude::*;
use proptest::test_runner::TestRng;

use super::{sim::*, *};

#[derive(Clone, Debug)]
enum Deed {
    /// So many entries of so many bytes, synced or not.
    Append(u64, usize, bool),
    /// In place of the last ones.
    Replace,
    Vote,
    Snapshot,
}

#[derive(Clone, Debug)]
enum End {
    Close,
    Kill,
    /// Of what is not synced, each sector is there with so many chances in ten.
    PowerCut(u32, [u8; 16]),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (1..4u64, 0..6000usize, any::<bool>())
            .prop_map(|(count, len, synced)| Deed::Append(count, len, synced)),
        1 => Just(Deed::Replace),
        1 => Just(Deed::Vote),
        1 => Just(Deed::Snapshot),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        1 => Just(End::Close),
        1 => Just(End::Kill),
        3 => (0..=10u32, any::<[u8; 16]>()).prop_map(|(likely, seed)| End::PowerCut(likely, seed)),
    ]
}

/// Does it, and says whether all up to it is synced then. What it writes names the life.
fn act(storage: &DurableStorage, deed: &Deed, life: u64) -> bool {
    let write = |from: u64, count: u64, len: usize, must_sync: bool| {
        let entry = |index| Entry {
            term: 1 + life,
            index,
            data: vec![life as u8; len].into(),
            ..Entry::default()
        };
        let update = Update {
            entries: &(from..from + count).map(entry).collect(),
            must_sync,
            ..Update::default()
        };
        storage.write(update).unwrap();
        must_sync
    };
    let (first, last) = (storage.first_index(), storage.last_index());
    match *deed {
        Deed::Append(count, len, synced) => write(last + 1, count, len, synced),
        Deed::Replace => write(last.saturating_sub(2).max(first), 2, 50, true),
        Deed::Vote => {
            let hard_state = HardState {
                term: 1 + life,
                vote: 1 + last,
                ..storage.hard_state()
            };
            let update = Update {
                hard_state: Some(hard_state),
                must_sync: true,
                ..Update::default()
            };
            storage.write(update).unwrap();
            true
        }
        Deed::Snapshot => {
            let made = storage.create_snapshot(last, None, vec![life as u8; 500].into());
            // There is one already, or nothing to make one of.
            made.is_ok() && storage.compact(last).is_ok()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_life_finds_what_is_owed_to_the_one_before_and_nothing_of_earlier_ones(
        lives in prop::collection::vec((prop::collection::vec(deed(), 0..8), end()), 2..14),
    ) {
        let sizes = Sizes { journal_bytes: 6 * 4096, ..Sizes::default() };
        let mut sim = Sim::default();
        // The last state that was synced, and those since then.
        let mut possible: Vec<Contents> = Vec::new();
        for (life, (deeds, end)) in lives.iter().enumerate() {
            let storage = recovery::open_on(Box::new(sim.clone()), sizes).unwrap();
            let found = Contents::of(&storage).unwrap();
            prop_assert!(life == 0 || possible.contains(&found), "life {life} finds {found:?}");
            // What is shown stays.
            possible = vec![found];
            for deed in deeds {
                let before = Contents::of(&storage).unwrap();
                let synced = act(&storage, deed, life as u64);
                let after = Contents::of(&storage).unwrap();
                if synced {
                    possible.clear();
                }
                if synced || after != before {
                    possible.push(after);
                }
            }
            let last = possible.last().cloned().into_iter().collect();
            match end {
                End::Close => drop(storage),
                End::Kill | End::PowerCut(..) => std::mem::forget(storage),
            }
            match end {
                End::Close | End::Kill => possible = last,
                End::PowerCut(likely, seed) => {
                    let mut rng = TestRng::from_seed(prop::test_runner::RngAlgorithm::XorShift, seed);
                    sim = Sim::new(sim.after_power_cut(|| rng.next_u32() % 10 < *likely));
                }
            }
        }
    }
}
