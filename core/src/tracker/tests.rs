//! One member's progress through its flow states, and the window of appends in flight.

use super::{
    Flow, Horizon, InflightLimits, Inflights, Need, PendingRequest, Progress, RequestedRange,
    Tracker,
};
use crate::membership::Membership;
use crate::types::ConfState;

const LIMITS: InflightLimits = InflightLimits {
    messages: 3,
    bytes: 100,
};

fn probe(match_index: u64, next_index: u64) -> Progress {
    let mut peer = Progress::unknown(2, next_index, LIMITS);
    peer.match_index = match_index;
    peer
}

fn replicate(match_index: u64) -> Progress {
    let mut peer = probe(match_index, match_index + 1);
    peer.become_replicate();
    peer
}

#[test]
fn a_probe_sends_one_append_and_waits() {
    let mut peer = probe(0, 5);
    peer.sent_entries(0, 0);
    assert!(!peer.is_paused(), "an empty probe doesn't count");
    peer.sent_entries(2, 20);
    assert!(peer.is_paused());
    assert_eq!(peer.next_index, 5, "nothing is taken for granted");
    peer.resume();
    assert!(!peer.is_paused());
    peer.pause_probe();
    assert!(peer.is_paused());
}

#[test]
fn replication_streams_until_the_window_is_full() {
    let mut peer = replicate(4);
    for _ in 0..3 {
        assert!(!peer.is_paused());
        peer.sent_entries(2, 10);
    }
    assert!(peer.is_paused() && peer.is_window_full());
    assert_eq!(peer.next_index, 11);
    assert!(peer.maybe_update(8));
    if let Flow::Replicate { inflights } = &mut peer.flow {
        inflights.free_up_to(8);
        assert_eq!(inflights.count(), 1, "the second one ended there");
    }
    assert!(!peer.is_paused() && !peer.is_window_full());
}

#[test]
fn bytes_fill_the_window_too() {
    let mut peer = replicate(0);
    peer.sent_entries(1, 100);
    assert!(peer.is_window_full());
}

#[test]
fn a_stale_refusal_moves_nothing() {
    let mut peer = replicate(5);
    assert!(!peer.maybe_decrease(5, 3), "match_index is known to agree");
    assert!(!peer.maybe_decrease(4, 3));
    assert_eq!((peer.match_index, peer.next_index), (5, 6));

    let mut peer = probe(0, 10);
    assert!(!peer.maybe_decrease(8, 3), "only the last probe counts");
    assert_eq!(peer.next_index, 10);
}

#[test]
fn a_refusal_moves_next_to_the_hint_but_never_to_match_or_below() {
    let mut peer = probe(0, 10);
    assert!(peer.maybe_decrease(9, 3));
    assert_eq!(peer.next_index, 4);
    let mut peer = probe(5, 10);
    assert!(peer.maybe_decrease(9, 2));
    assert_eq!(peer.next_index, 6);
    let mut peer = probe(0, 10);
    assert!(peer.maybe_decrease(9, 20));
    assert_eq!(peer.next_index, 9, "a hint beyond the probe is of no use");

    let mut peer = replicate(5);
    peer.sent_entries(3, 10);
    assert!(peer.maybe_decrease(8, 2));
    assert_eq!(
        peer.next_index, 6,
        "what has been acknowledged is the better hint"
    );
}

#[test]
fn after_a_snapshot_the_probe_starts_behind_it() {
    let mut peer = probe(3, 4);
    peer.become_snapshot(10);
    assert!(peer.is_paused());
    peer.become_probe();
    assert_eq!(peer.next_index, 11);

    peer.become_snapshot(20);
    peer.snapshot_failed();
    assert_eq!(peer.next_index, 4);
}

#[test]
fn a_snapshot_that_is_wanted_is_wanted_until_one_is_sent_that_will_do() {
    let mut peer = probe(3, 4);
    assert!(!peer.want_snapshot(2), "it has acknowledged more since");
    assert!(peer.want_snapshot(9));
    peer.become_snapshot(7);
    assert_eq!(peer.wanted_snapshot(), Some(9));
    peer.become_snapshot(9);
    assert_eq!(peer.wanted_snapshot(), None);
    assert!(!peer.want_snapshot(9), "it is on its way");
    assert!(peer.want_snapshot(10));
    assert!(peer.maybe_update(10));
    assert_eq!(peer.wanted_snapshot(), Some(10));
    assert!(peer.maybe_update(11));
    assert_eq!(peer.wanted_snapshot(), None, "it has given up waiting");
}

#[test]
fn a_wanted_snapshot_makes_other_requests_useless() {
    let request = |range| PendingRequest {
        id: 1,
        range,
        asked_at: 0,
        more: false,
        horizon: Horizon { last: 9, commit: 9 },
    };
    let entries = request(RequestedRange::Entries { low: 4, high: 10 });
    let snapshot = request(RequestedRange::Snapshot { min_index: 9 });
    let after = |pending, wanted| {
        let mut peer = probe(3, 4);
        peer.set_request(pending);
        assert!(peer.want_snapshot(wanted));
        peer.request().copied()
    };
    assert_eq!(after(entries, 9), None);
    assert_eq!(after(snapshot, 10), None, "that one may not do");
    assert_eq!(after(snapshot, 9), Some(snapshot));
}

#[test]
fn an_acknowledgement_never_moves_backwards() {
    let mut peer = replicate(5);
    assert!(!peer.maybe_update(5));
    assert!(!peer.maybe_update(4));
    assert!(peer.maybe_update(9));
    assert_eq!((peer.match_index, peer.next_index), (9, 10));
}

#[test]
fn a_commit_index_is_sent_once_and_again_after_a_loss() {
    let mut peer = replicate(5);
    assert!(peer.can_bump_commit(3));
    peer.sent_commit(5);
    assert!(!peer.can_bump_commit(5));
    assert!(
        !peer.can_bump_commit(6),
        "the follower can't have that entry"
    );
    peer.sent_entries(3, 10);
    assert!(peer.can_bump_commit(6));
    peer.sent_commit(6);
    assert!(!peer.can_bump_commit(6), "it has been sent");
    peer.sent_commit(8);
    assert!(!peer.can_bump_commit(8));
    peer.become_probe();
    assert!(
        !peer.can_bump_commit(8),
        "nothing after match_index 5 is known to be there"
    );
    peer.next_index = 9;
    assert!(peer.can_bump_commit(6), "what it was told may be lost");
}

#[test]
fn inflights_are_freed_in_order() {
    let mut inflights = Inflights::default();
    for (last, bytes) in [(2, 10), (5, 20), (9, 30)] {
        inflights.add(last, bytes);
    }
    inflights.free_up_to(1);
    assert_eq!((inflights.count(), inflights.bytes()), (3, 60));
    inflights.free_up_to(2);
    assert_eq!(
        (inflights.count(), inflights.bytes()),
        (2, 50),
        "it ends there"
    );
    inflights.free_up_to(6);
    assert_eq!((inflights.count(), inflights.bytes()), (1, 30));
    inflights.free_up_to(100);
    assert_eq!((inflights.count(), inflights.bytes()), (0, 0));
}

#[test]
fn reconfiguring_keeps_what_is_known_and_begins_new_members_anew() {
    let membership = |ids: &[u64], learners: &[u64]| {
        let mut state = ConfState::of_voters(ids.iter().copied());
        state.learners = learners.to_vec();
        Membership::restore(&state).unwrap()
    };
    let mut tracker = Tracker::new(&membership(&[1, 2, 3], &[]), 7, |_| LIMITS);
    tracker.get_mut(2).unwrap().match_index = 6;
    tracker.reconfigure(&membership(&[1, 2], &[4]), &[4], 9, |_| LIMITS);
    let ids: Vec<u64> = tracker.iter().map(|peer| peer.id).collect();
    assert_eq!(ids, [1, 2, 4]);
    assert_eq!(tracker.get(2).unwrap().match_index, 6);
    let new = tracker.get(4).unwrap();
    assert!(new.is_learner && new.recent_active);
    assert_eq!((new.match_index, new.next_index), (0, 9));
    let voters = tracker.iter().map(|peer| peer.votes_in);
    let voters: Vec<[bool; 2]> = voters.collect();
    assert_eq!(voters, [[true, false], [true, false], [false, false]]);
}

#[test]
fn a_group_of_three_rests_until_somebody_gets_at_a_member() {
    let voters = ConfState::of_voters([1, 2, 3]);
    let mut tracker = Tracker::new(&Membership::restore(&voters).unwrap(), 0, |_| LIMITS);
    let rest = |tracker: &mut Tracker| {
        tracker.settle(2, 7);
        tracker
            .at_rest()
            .map(|rest| (rest.index.get(), rest.others))
    };
    assert_eq!(rest(&mut tracker), None, "nobody has anything");
    for peer in tracker.iter_mut() {
        peer.maybe_update(7);
        peer.become_replicate();
        peer.recent_active = true;
    }
    assert_eq!(rest(&mut tracker), None, "they have not been told");
    for id in [1, 3] {
        tracker.get_mut(id).unwrap().sent_commit(7);
    }
    assert_eq!(rest(&mut tracker), Some((7, [1, 3])));
    assert!(tracker.contains(1) && tracker.contains(2) && !tracker.contains(4));
    assert!(tracker.has_at_rest(3, 7) && !tracker.has_at_rest(3, 8) && !tracker.has_at_rest(2, 7));
    for change in [
        |tracker: &mut Tracker| tracker.at_mut(0).need = Need::Entries,
        |tracker: &mut Tracker| tracker.at_mut(0).match_index = 6,
        |tracker: &mut Tracker| tracker.at_mut(0).become_probe(),
        |tracker: &mut Tracker| tracker.at_mut(0).recent_active = false,
    ] {
        let mut changed = tracker.clone();
        change(&mut changed);
        assert!(changed.at_rest().is_none() && !changed.has_at_rest(3, 7));
        assert_eq!(rest(&mut changed), None);
    }
    let mut led_from_outside = tracker.clone();
    led_from_outside.at_mut(1).sent_commit(7);
    led_from_outside.settle(4, 7);
    assert!(led_from_outside.at_rest().is_none(), "three others");
    // Whoever may change a member ends it, changed or not.
    assert!(tracker.get_mut(3).is_some() && tracker.at_rest().is_none());
    assert_eq!(rest(&mut tracker), Some((7, [1, 3])));
    let four = ConfState::of_voters([1, 2, 3, 4]);
    tracker.reconfigure(&Membership::restore(&four).unwrap(), &[4], 7, |_| LIMITS);
    assert!(tracker.at_rest().is_none());
}
