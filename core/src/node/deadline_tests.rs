//! `next_deadline` and `tick_many` in whatever states random clusters come to.

use super::Node;
use super::random_tests::World;

const SEEDS: u64 = 60;
const STATES: usize = 20;

/// What a tick may not touch before the deadline.
fn all_but_the_clocks(node: &Node) -> String {
    let mut metrics = node.metrics();
    metrics.ticks = 0;
    let mut shown = node.clone();
    let ready = shown.peek_ready().ok();
    let (status, has_ready) = (node.status(), node.has_ready());
    format!("{status:?} {has_ready} {metrics:?} {ready:?}")
}

#[test]
fn before_the_deadline_a_tick_moves_the_clocks_and_many_are_as_many_single_ones() {
    let (mut waited, mut acted) = (0, 0);
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let between = world.events() / STATES;
        for state in 0..STATES {
            (0..between).for_each(|_| world.event());
            let start = &world.members[state % world.members.len()].node;
            let deadline = start.next_deadline();
            let quiet = deadline.map_or(40, |ticks| ticks - 1) as u32;
            let (mut single, before) = (start.clone(), all_but_the_clocks(start));
            for tick in 0..quiet {
                single.tick().unwrap();
                let left = deadline.map(|ticks| ticks - 1 - u64::from(tick));
                assert_eq!(single.next_deadline(), left, "seed {seed}");
            }
            assert_eq!(all_but_the_clocks(&single), before, "seed {seed}");
            waited += quiet;
            let mut many = start.clone();
            many.tick_many(quiet).unwrap();
            assert_eq!(format!("{many:?}"), format!("{single:?}"), "seed {seed}");
            // And beyond it.
            for _ in 0..30 {
                single.tick().unwrap();
            }
            many.tick_many(30).unwrap();
            assert_eq!(format!("{many:?}"), format!("{single:?}"), "seed {seed}");
            acted += u32::from(all_but_the_clocks(&many) != before);
        }
    }
    assert!(waited > 1000 && acted > 100, "{waited}, {acted}");
}
