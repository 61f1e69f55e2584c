//! What is known to go wrong, because it does in etcd-io/raft as well: each as the shortest run that
//! shows it. A test here that fails has good news.

use libraft_core::*;

use crate::action::Action;
use crate::flights::{Naming, kind};
use crate::plan::Plan;
use crate::world::World;

/// A cluster of three nodes with asynchronous storage writes that send what etcd-io/raft does, and no
/// limits to mind.
fn asynchronous_cluster() -> World {
    let suits = |plan: &Plan| {
        let suits = |config: Config| {
            config.async_storage_writes
                && !config.coalesce_appends
                && config.max_inflight_msgs > 100
                && config.max_size_per_msg > 1000
                && config.max_uncommitted_bytes == 0
        };
        let plain = !plan.bootstrap && !plan.pre_vote && !plan.check_quorum;
        plan.nodes == 3 && plain && (1..=3).all(|id| suits(plan.config(id, 1)))
    };
    let plan = (0..).map(Plan::draw).find(suits).unwrap();
    World::new(&plan, Naming::Slots, false)
}

fn slots(world: &World, wanted: impl Fn(&Message) -> bool) -> Vec<u64> {
    let found = |slot: &u64| world.flights.get(*slot).is_some_and(|f| wanted(&f.message));
    (0..1000).filter(found).collect()
}

fn deliver(world: &mut World, from: NodeId, to: NodeId, what: &str) {
    let wanted = |m: &Message| m.from == from && m.to == to && kind(&m.body) == what;
    let message = slots(world, wanted)[0];
    world
        .perform(&Action::Deliver {
            message,
            keep: false,
        })
        .unwrap();
}

/// A Ready is taken; what it has to be persisted is written, and synced if `sync`.
fn work(world: &mut World, node: NodeId, sync: bool) {
    world
        .perform(&Action::Step {
            node,
            count: u32::MAX,
        })
        .unwrap();
    world.perform(&Action::Persist(node)).unwrap();
    if sync {
        world.perform(&Action::Sync(node)).unwrap();
    }
}

/// These nodes do all their work and hear each other until nothing is left to do.
fn settle(world: &mut World, nodes: &[NodeId]) {
    for _ in 0..30 {
        for &node in nodes {
            work(world, node, true);
            world.perform(&Action::Apply(node)).unwrap();
        }
        let inside = |id: NodeId| nodes.contains(&id) || id >= LOCAL_APPLY;
        for message in slots(world, |m| inside(m.from) && inside(m.to)) {
            world
                .perform(&Action::Deliver {
                    message,
                    keep: false,
                })
                .unwrap();
        }
    }
}

/// With asynchronous writes and without coalesced appends, a request for votes leaves before the log
/// that it vouches for, and the new term, are synced. If its sender forgets both in a crash and
/// campaigns anew, it does so in the same term, with a shorter log, and a vote for the longer one
/// counts.
#[test]
fn a_vote_for_a_log_that_a_crash_has_shortened_elects_a_leader_without_a_committed_entry() {
    let mut world = asynchronous_cluster();
    world.perform(&Action::Campaign(3)).unwrap();
    settle(&mut world, &[1, 2, 3]);

    // An entry that 2 and 3 have synced, so that it is committed, and 1 has only written.
    world
        .perform(&Action::Propose {
            node: 3,
            size: 8,
            count: 1,
        })
        .unwrap();
    world
        .perform(&Action::Step {
            node: 3,
            count: u32::MAX,
        })
        .unwrap();
    deliver(&mut world, 3, 1, "app");
    work(&mut world, 1, false);
    settle(&mut world, &[2, 3]);
    let committed = world.checks.logs.last_committed();
    assert_eq!(world.host(3).unwrap().checked.status.last_index, committed);

    // 1 campaigns with it, and 2 votes for 1.
    world.perform(&Action::Campaign(1)).unwrap();
    world
        .perform(&Action::Step {
            node: 1,
            count: u32::MAX,
        })
        .unwrap();
    deliver(&mut world, 1, 2, "vote?");
    work(&mut world, 2, true);

    // 1 loses power, and with it the entry and the term. It campaigns again, and the vote arrives.
    world
        .perform(&Action::Crash {
            node: 1,
            kept: 0,
            torn: 0,
            back: 0,
        })
        .unwrap();
    world.perform(&Action::Restart(1)).unwrap();
    world.perform(&Action::Campaign(1)).unwrap();
    work(&mut world, 1, true);
    deliver(&mut world, 1, 1, "vote");
    deliver(&mut world, 2, 1, "vote");
    let ready = world.perform(&Action::Step {
        node: 1,
        count: u32::MAX,
    });
    assert_eq!(ready.unwrap_err().rule, "leader completeness");
}
