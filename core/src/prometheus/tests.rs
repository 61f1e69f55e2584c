//! The text, as far as no parser is needed for it; python/tests/test_observe.py has one.

use super::*;
use crate::types::{ConfState, HardState, SoftState};

fn leader(id: u64) -> Status {
    Status {
        basic: BasicStatus {
            id,
            hard_state: HardState {
                term: 2,
                vote: 1,
                commit: 9,
            },
            soft_state: SoftState {
                leader: id,
                role: Role::Leader,
            },
            ..BasicStatus::default()
        },
        conf_state: ConfState::of_voters([1, 2]),
        progress: vec![ProgressStatus {
            id: 2,
            match_index: 8,
            state: FlowState::Replicate,
            ..ProgressStatus::default()
        }],
    }
}

fn exposition(nodes: &[(u64, &[(&str, &str)])]) -> Exposition {
    let mut exposition = Exposition::default();
    for (id, labels) in nodes {
        let metrics = Metrics {
            ticks: 100 + id,
            ..Metrics::default()
        };
        exposition
            .add(labels, leader(*id), metrics)
            .expect("these can be told apart");
    }
    exposition
}

#[test]
fn every_family_is_there_once_with_the_samples_of_all_nodes() {
    let text = exposition(&[(1, &[]), (7, &[("group", "b")])]).to_string();
    let count = |wanted: &str| text.lines().filter(|line| line.starts_with(wanted)).count();
    for counter in Metrics::COUNTERS {
        let name = format!("libraft_{}_total", counter.name());
        assert_eq!(count(&format!("# HELP {name} ")), 1);
        assert_eq!(count(&format!("# TYPE {name} counter")), 1);
        assert_eq!(count(&format!("{name}{{")), 2);
    }
    let types = text.lines().filter(|line| line.starts_with("# TYPE "));
    let mut families: Vec<&str> = types.clone().collect();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), types.count());
    for line in [
        "libraft_ticks_total{node=\"1\"} 101",
        "libraft_ticks_total{node=\"7\",group=\"b\"} 107",
        "libraft_term{node=\"1\"} 2",
        "libraft_commit_index{node=\"1\"} 9",
        "libraft_is_leader{node=\"1\"} 1",
        "libraft_role{node=\"1\",role=\"follower\"} 0",
        "libraft_role{node=\"1\",role=\"leader\"} 1",
        "libraft_voters{node=\"7\",group=\"b\"} 2",
        "libraft_peer_match_index{node=\"1\",peer=\"2\"} 8",
        "libraft_peer_flow{node=\"1\",peer=\"2\",state=\"replicate\"} 1",
        "libraft_peer_flow{node=\"1\",peer=\"2\",state=\"probe\"} 0",
    ] {
        assert_eq!(count(line), 1, "{line}");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn help_needs_no_escapes() {
    let text = exposition(&[(1, &[])]).to_string();
    for line in text.lines().filter(|line| line.starts_with("# HELP ")) {
        assert!(!line.contains('\\'), "{line}");
        assert!(line.ends_with('.'), "{line}");
    }
}

#[test]
fn values_of_labels_are_escaped() {
    let text = exposition(&[(1, &[("path", "C:\\a \"b\"\n{é}")])]).to_string();
    assert!(text.contains("libraft_term{node=\"1\",path=\"C:\\\\a \\\"b\\\"\\n{é}\"} 2\n"));
}

#[test]
fn labels_that_prometheus_or_the_library_would_not_take_are_refused() {
    let mut exposition = exposition(&[(1, &[("a", "1"), ("b", "2")])]);
    let before = exposition.to_string();
    let mut add = |labels: &[(&str, &str)]| {
        let result = exposition.add(labels, leader(1), Metrics::default());
        assert_eq!(exposition.to_string(), before);
        result.map_err(|error| error.to_string())
    };
    for name in ["", "1a", "a-b", "__a", "a\"", "é"] {
        let error = add(&[(name, "x")]).expect_err("it is no name");
        assert!(error.contains("use letters, digits and _"), "{error}");
    }
    for name in OWN_LABELS {
        let error = add(&[(name, "x")]).expect_err("it is taken");
        assert!(error.contains("use another name"), "{error}");
    }
    let error = add(&[("a", "1"), ("a", "2")]).expect_err("it is there twice");
    assert!(error.contains("\"a\" is given twice"), "{error}");
    // The order makes no difference, and an empty value is no label.
    let error = add(&[("b", "2"), ("c", ""), ("a", "1")]).expect_err("it is the same node");
    assert!(error.contains("the id 1 and the same labels"), "{error}");
}

#[test]
fn without_nodes_there_is_no_text() {
    assert_eq!(Exposition::default().to_string(), "");
}
