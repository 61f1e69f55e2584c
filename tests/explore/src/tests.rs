//! That the search finds what is wrong, and that what it counts on is so.

use crate::path;
use crate::search::{Report, explore};
use crate::setting::{BASE, Fault, Handling, Setting};

fn report(setting: Setting) -> Report {
    match explore(setting) {
        Ok(report) => report,
        Err(violation) => panic!("{violation}"),
    }
}

/// The rule that is broken, and how many actions it takes.
fn broken_by(setting: Setting) -> (String, usize) {
    let mut report = report(setting);
    match report.violation.take() {
        Some((violation, path)) => {
            let lines = path::describe(&mut report.catalogue, &path);
            assert!(lines.len() >= path.len(), "every action is told of");
            (violation.rule.to_owned(), path.len())
        }
        None => ("none".to_owned(), report.states as usize),
    }
}

const SMALL: Setting = Setting {
    max_term: 1,
    campaigns: 2,
    heartbeats: 0,
    crashes: 1,
    compare_every: 50,
    limit: 400_000,
    ..BASE
};

#[test]
fn a_correct_cluster_breaks_no_rule() {
    let report = report(SMALL);
    assert!(report.violation.is_none() && report.complete);
    assert!(report.states > 1000, "{}", report.states);
    assert!(
        report.catalogue.compared > 0,
        "fingerprints were put to the test"
    );
}

#[test]
fn a_disk_that_forgets_votes_is_found() {
    let fault = Fault::ForgetsVote;
    let (rule, actions) = broken_by(Setting { fault, ..SMALL });
    assert_eq!(rule, "election safety");
    // Two campaigns, a vote for each, the crash in between, and two votes that arrive.
    assert_eq!(actions, 7);
}

#[test]
fn a_disk_that_forgets_entries_is_found() {
    let fault = Fault::ForgetsEntry;
    let (rule, actions) = broken_by(Setting {
        fault,
        max_term: 2,
        ..SMALL
    });
    assert_eq!(
        (rule.as_str(), actions),
        ("a quorum of disks has what is committed", 6)
    );
}

#[test]
fn what_the_limit_cuts_off_is_not_complete() {
    let report = report(Setting {
        limit: 100,
        ..SMALL
    });
    assert!(!report.complete && report.violation.is_none());
}

#[test]
fn nodes_are_alike_so_that_the_first_candidate_may_be_any() {
    let count = |first| {
        let report = report(Setting {
            first_candidates: first,
            ..SMALL
        });
        assert!(report.complete);
        report.states
    };
    let (one, two, three) = (count(&[1]), count(&[2]), count(&[3]));
    assert_eq!((one, one), (two, three));
    assert!(count(&[1, 2, 3]) > one);
}

#[test]
fn batches_make_more_states() {
    let count = |handling, batch| {
        let report = report(Setting {
            handling,
            batch,
            campaigns: 1,
            crashes: 0,
            ..SMALL
        });
        assert!(report.complete && report.violation.is_none());
        report.states
    };
    let at_once = count(Handling::AtOnce, 1);
    let in_steps = count(Handling::InSteps, 1);
    let batches = count(Handling::InSteps, 2);
    assert!(
        at_once < in_steps && in_steps < batches,
        "{at_once} {in_steps} {batches}"
    );
}
