//! What is shown of a small life, and the verdicts.

use bytes::Bytes;
use libraft_core::recording::{Reader, encode};
use libraft_core::{ConfState, Config, Node, RestartState};

use super::*;

fn shown(bytes: &[u8], words: &str) -> (u8, String) {
    let arguments = read(words.split_whitespace().map(str::to_owned)).unwrap();
    let mut out = Vec::new();
    let verdict = replay(&arguments, Bytes::copy_from_slice(bytes), &mut out).unwrap();
    (verdict, String::from_utf8(out).unwrap())
}

fn recorded() -> Bytes {
    let config = Config {
        record_bytes: 1 << 20,
        ..Config::new(1)
    };
    let state = RestartState {
        conf_state: ConfState::of_voters([1]),
        ..RestartState::default()
    };
    let mut node = Node::new(config, state).unwrap();
    node.tick().unwrap();
    node.tick().unwrap();
    node.campaign().unwrap();
    node.record_note("it begins");
    while node.has_ready() {
        node.ready().unwrap();
        node.advance().unwrap();
    }
    node.propose(Bytes::from(vec![b'x'; 40])).unwrap();
    node.step_bytes("nonsense".into()).unwrap_err();
    node.record_take()
}

const WHOLE: &str = r#"node 1, libraft 0.1.0
settings: record_bytes: 1048576
state: term 0, vote 0, commit 0, log after 0/0 up to 0, applied 0, voters [1]
     1 tick, 2 times
     3 campaign
"#;

#[test]
fn a_life_is_shown_call_by_call() {
    let bytes = recorded();
    let (verdict, text) = shown(&bytes, "x");
    assert_eq!(verdict, 0);
    assert!(text.starts_with(WHOLE), "{text}");
    for line in [
        "     4 note \"it begins\"\n",
        "     7 ready\n       is Candidate, leader 0\n       persist term 1, vote 1, commit 0, synced\n",
        "       persist [1/1 \"\"]\n       event ElectionWon { term: 1, granted: 1, refused: 0 }\n",
        "    13 propose [\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" and 8 bytes more]\n",
        "    14 step \"nonsense\"\n       error: malformed message",
        "\n14 calls, 4 Readys, 0 differences; its end: taken here\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let (_, text) = shown(&bytes, "x --from 4 --to 4");
    assert!(text.contains("note") && !text.contains("campaign") && !text.contains("persist ["));
    let (_, text) = shown(&bytes, "x --data 0");
    assert!(text.contains("\"\" and 40 bytes more"), "{text}");
}

#[test]
fn verdicts_tell_differences_from_damage() {
    let bytes = recorded();
    let mut reader = Reader::new(bytes.clone()).unwrap();
    let start = reader.start().clone();
    let mut calls: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    calls[4].checksum = Some(7);
    let (verdict, text) = shown(&encode(&start, &calls).unwrap(), "x --quiet");
    assert_eq!(verdict, 1);
    assert!(text.contains("  !!!  call 5 (ready) differs: what it gave had the checksum 00000007"));
    // What there is before the damage is shown.
    let (verdict, text) = shown(&bytes[..bytes.len() - 1], "x");
    assert_eq!(verdict, 2);
    assert!(text.contains("campaign") && text.contains("the recording is cut off in record 14"));
    assert_eq!(shown(b"something else", "x").0, 2);
    assert_eq!(
        shown(b"something else", "x").1,
        "this is no recording of a node\n"
    );
}

#[test]
fn arguments_are_read_and_nonsense_is_refused() {
    for bad in ["", "--from x f", "f g", "--nothing f", "f --to"] {
        assert!(
            read(bad.split_whitespace().map(str::to_owned)).is_err(),
            "{bad}"
        );
    }
}
