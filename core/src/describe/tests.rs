//! Every event has its words, and no two that differ share them.

use super::*;

/// One event of each kind, and of each reason that changes its level.
pub(crate) fn one_of_each() -> Vec<Event> {
    let (term, index, id) = (7, 40, 3);
    let kind = CampaignKind::PreElection;
    let (granted, refused) = (1, 2);
    vec![
        Event::RoleChanged {
            from: Role::Follower,
            to: Role::PreCandidate,
            term,
            leader: 0,
        },
        Event::LeaderChanged {
            from: 0,
            to: id,
            term,
        },
        Event::CampaignStarted {
            kind,
            reason: CampaignReason::Timeout,
            term,
        },
        Event::CampaignRefused {
            kind,
            reason: CampaignRefusal::NotVoter,
            term,
        },
        Event::ElectionWon {
            term,
            granted,
            refused,
        },
        Event::ElectionLost {
            kind,
            reason: LossReason::Outvoted,
            by: id,
            term,
            granted,
            refused,
        },
        Event::SteppedDown {
            reason: StepDownReason::CheckQuorum,
            by: 0,
            term,
        },
        Event::FlowChanged {
            id,
            from: FlowState::Probe,
            to: FlowState::Replicate,
            reason: FlowReason::Accepted,
            index,
        },
        Event::TransferStarted { to: id, term },
        Event::TransferEnded {
            to: id,
            reason: TransferEnd::TimedOut,
            term,
        },
        Event::Dropped {
            kind: DropKind::ConfChange,
            reason: DropReason::ConfChangePending(index),
            from: 0,
        },
        Event::Dropped {
            kind: DropKind::Read,
            reason: DropReason::NoLeader,
            from: id,
        },
        Event::MessageRefused {
            from: id,
            term,
            reason: RefusalReason::Impossible(Impossible::CommittedConflict(index)),
        },
        Event::SnapshotInstalled { from: id, index },
        Event::SnapshotIgnored {
            from: id,
            index,
            reason: SnapshotIgnored::Old,
        },
        Event::Removed {
            by: id,
            as_of: index,
        },
    ]
}

#[test]
fn each_event_is_one_line_of_its_name_and_its_fields() {
    let lines: Vec<String> = one_of_each().iter().map(Event::to_string).collect();
    assert_eq!(
        lines,
        [
            "role_changed from=follower to=pre_candidate term=7 leader=0",
            "leader_changed from=0 to=3 term=7",
            "campaign_started kind=pre_election reason=timeout term=7",
            "campaign_refused kind=pre_election reason=not_voter term=7",
            "election_won term=7 granted=1 refused=2",
            "election_lost kind=pre_election reason=outvoted by=3 term=7 granted=1 refused=2",
            "stepped_down reason=check_quorum by=0 term=7",
            "flow_changed id=3 from=probe to=replicate reason=accepted index=40",
            "transfer_started to=3 term=7",
            "transfer_ended to=3 reason=timed_out term=7",
            "dropped kind=conf_change reason=conf_change_pending from=0 index=40",
            "dropped kind=read reason=no_leader from=3",
            "message_refused from=3 term=7 reason=committed_conflict",
            "snapshot_installed from=3 index=40",
            "snapshot_ignored from=3 index=40 reason=old",
            "removed by=3 as_of=40",
        ]
    );
}

/// What `Debug` prints follows from the declaration, so that no field can be forgotten or misnamed.
#[test]
fn an_event_shows_the_fields_of_its_declaration() {
    for event in one_of_each() {
        let debug = format!("{event:?}");
        let (kind, rest) = debug.split_once(" { ").expect("all kinds have fields");
        let mut declared: Vec<&str> = rest
            .trim_end_matches(" }")
            .split(", ")
            .map(|field| field.split_once(": ").expect("each has a name").0)
            .collect();
        if debug.contains("ConfChangePending") {
            declared.push("index");
        }
        let mut shown = Vec::new();
        event.visit(|name, _| shown.push(name));
        assert_eq!(shown, declared, "{debug}");
        let words: String = event
            .name()
            .split('_')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect();
        assert_eq!(words, kind);
    }
}

#[test]
fn words_and_numbers_go_both_ways() {
    for number in -3..120 {
        if let Some(reason) = RefusalReason::from_number(number) {
            assert_eq!(reason.number(), number);
        }
        if let Some(role) = Role::from_number(number) {
            assert_eq!(role as i32, number);
        }
    }
    assert_eq!(Role::from_number(3), Some(Role::PreCandidate));
    assert_eq!(Role::from_number(4), None);
    assert_eq!(LossReason::from_number(0), None);
    let found = (-3..120).filter_map(RefusalReason::from_number);
    let mut names: Vec<_> = found.map(RefusalReason::name).collect();
    assert_eq!(names.len(), 16);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 16);
}

#[test]
fn what_somebody_may_have_to_look_after_is_a_warning() {
    let warnings: Vec<_> = one_of_each()
        .into_iter()
        .filter(|event| event.level() == Level::Warn)
        .map(|event| event.name())
        .collect();
    assert_eq!(
        warnings,
        [
            "stepped_down",
            "transfer_ended",
            "message_refused",
            "removed"
        ]
    );
    let failed = Event::FlowChanged {
        id: 2,
        from: FlowState::Snapshot,
        to: FlowState::Probe,
        reason: FlowReason::SnapshotFailed,
        index: 1,
    };
    assert_eq!(failed.level(), Level::Warn);
}

#[cfg(feature = "serde")]
mod json {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{BasicStatus, ConfState, HardState, Metrics, ProgressStatus, SoftState, Status};

    fn of(value: impl serde::Serialize) -> Json {
        serde_json::to_value(value).expect("it has a JSON")
    }

    #[test]
    fn the_json_of_an_event_says_what_its_line_does() {
        for event in one_of_each() {
            let text = serde_json::to_string(&event).expect("it has a JSON");
            let json: Json = serde_json::from_str(&text).expect("it is JSON");
            let mut line = event.name().to_owned();
            event.visit(|name, _| line += &format!(" {name}={}", json[name]));
            assert_eq!(line.replace('"', ""), event.to_string());
            assert_eq!(json["type"], event.name());
        }
    }

    #[test]
    fn the_json_of_the_counters_has_each_of_them_by_its_name() {
        let metrics = Metrics {
            ticks: 5,
            events_lost: u64::MAX,
            ..Metrics::default()
        };
        let json = of(metrics);
        let fields = json.as_object().expect("it is an object");
        assert_eq!(fields.len(), Metrics::COUNTERS.len());
        for counter in Metrics::COUNTERS {
            assert_eq!(json[counter.name()], json!(counter.value(&metrics)));
        }
        assert_eq!(json["events_lost"], json!(u64::MAX));
    }

    #[test]
    fn the_json_of_a_status_is_flat() {
        let status = Status {
            basic: BasicStatus {
                id: 1,
                hard_state: HardState {
                    term: 2,
                    vote: 3,
                    commit: 4,
                },
                soft_state: SoftState {
                    leader: 1,
                    role: Role::Leader,
                },
                applied: 5,
                lead_transferee: 6,
                first_index: 7,
                last_index: 8,
                persisted: 9,
                removed_as_of: 10,
            },
            conf_state: ConfState {
                voters: vec![1, 2],
                learners: vec![3],
                voters_outgoing: vec![1],
                learners_next: vec![],
                auto_leave: true,
            },
            progress: vec![ProgressStatus {
                id: 2,
                state: FlowState::Snapshot,
                pending_snapshot: 11,
                ..ProgressStatus::default()
            }],
        };
        assert_eq!(
            of(status),
            json!({
                "id": 1, "term": 2, "vote": 3, "commit": 4, "leader": 1, "role": "leader",
                "applied": 5, "lead_transferee": 6, "first_index": 7, "last_index": 8,
                "persisted": 9, "removed_as_of": 10,
                "conf_state": {
                    "voters": [1, 2], "learners": [3], "voters_outgoing": [1], "learners_next": [],
                    "auto_leave": true,
                },
                "progress": [{
                    "id": 2, "match_index": 0, "next_index": 0, "state": "snapshot",
                    "paused": false, "pending_snapshot": 11, "recent_active": false,
                    "learner": false, "inflight_messages": 0, "inflight_bytes": 0,
                    "inflight_full": false,
                }],
            })
        );
    }
}
