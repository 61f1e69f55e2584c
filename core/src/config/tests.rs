//! What is refused, and that the text says with which values and what to do.

use super::*;
use crate::error::DropReason;

/// A setting that is wrong, and what the text of the error has to have.
type Case = (fn(&mut Config), &'static [&'static str]);

#[test]
fn a_setting_that_is_refused_is_named_with_its_value() {
    let cases: [Case; 12] = [
        (|c| c.id = 0, &["id", "0", "from 1"]),
        (|c| c.id = u64::MAX, &["id", "18446744073709551615"]),
        (|c| c.heartbeat_ticks = 0, &["heartbeat_ticks", "is 0"]),
        (
            |c| (c.election_ticks, c.heartbeat_ticks) = (3, 4),
            &["election_ticks", "heartbeat_ticks", "3 and 4", "ten times"],
        ),
        (
            |c| c.election_ticks = u32::MAX,
            &["election_ticks", "4294967295"],
        ),
        (
            |c| c.min_election_ticks = 9,
            &["min_election_ticks", "9 and 10"],
        ),
        (
            |c| c.max_election_ticks = 10,
            &["max_election_ticks", "10 and 10"],
        ),
        (|c| c.max_inflight_msgs = 0, &["max_inflight_msgs", "256"]),
        (
            |c| c.max_inflight_bytes = 77,
            &["max_inflight_bytes", "77 and 1048576"],
        ),
        (|c| c.max_pending_reads = 0, &["max_pending_reads", "65536"]),
        (|c| c.record_bytes = 255, &["record_bytes", "256", "is 255"]),
        (
            |c| {
                c.read_only = ReadOnlyOption::LeaseBased;
                c.check_quorum = false;
            },
            &["read_only", "check_quorum", "switch that on"],
        ),
    ];
    for (change, words) in cases {
        let mut config = Config::new(1);
        assert_eq!(config.validate(), Ok(()));
        change(&mut config);
        let error = config.validate().expect_err("it can't work").to_string();
        for word in words {
            assert!(error.contains(word), "{error}: {word}");
        }
    }
}

#[test]
fn what_is_dropped_says_why_and_what_to_do() {
    let known = (1..=10).chain([100]);
    for reason in known.map(|number| DropReason::from_number(number, 7)) {
        for error in [Error::ProposalDropped(reason), Error::ReadDropped(reason)] {
            let text = error.to_string();
            assert!(
                text.ends_with(&format!(": {reason}: {}", reason.advice())),
                "{text}"
            );
        }
    }
}
