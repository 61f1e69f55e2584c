//! Actions and their lines.

use super::*;

#[test]
fn every_action_is_read_back_from_its_line() {
    let lines = [
        "tick 1",
        "deliver 1f2e keep",
        "deliver 0",
        "lose ffffffffffffffff",
        "cycle 3",
        "step 3 1",
        "step 3 all",
        "persist 1",
        "sync 1",
        "apply 1",
        "answer 1 7 stale again",
        "answer 1 7 fresh",
        "answer 1 7 failed",
        "crash 1 2 3 4",
        "restart 1",
        "start 4",
        "wipe 4",
        "destroy 4",
        "propose 1 30 2",
        "change 1 v1 +4",
        "change 1 auto",
        "change 1 implicit +4 -1 ~2 =3",
        "change 1 explicit +4",
        "read 1",
        "read-again 1",
        "transfer 1 2",
        "forget-leader 1",
        "campaign 1",
        "compact 1 5",
        "unreachable 1 2",
        "ticks 1 20",
        "quiet-ticks 1 20",
        "want-snapshot 1",
        "set 1 priority 2",
        "set 1 inflight 2 3 400",
        "set 1 ahead 5",
        "set 1 groups 2 20",
        "report-snapshot 1 2 arrived",
        "report-snapshot 1 2",
    ];
    for line in lines {
        assert_eq!(line.parse::<Action>().unwrap().to_string(), line);
    }
}

#[test]
fn nonsense_is_refused() {
    for line in [
        "",
        "tick",
        "tick x",
        "tick 1 2",
        "change 1 v1",
        "change 1 v1 4",
        "jump 1",
    ] {
        assert!(line.parse::<Action>().is_err(), "{line}");
    }
}
