//! Recordings that are damaged, hostile, full or cut off, and what is in them at all. That a replay does
//! the same is in `node/recording_tests.rs`.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::recorder::Recorder;
use super::*;
use crate::cluster::Cluster;
use crate::codec;
use crate::message::{Body, Message};
use crate::types::*;
use crate::{Config, Entry, Node};

fn recorded(id: NodeId) -> Config {
    Config {
        record_bytes: 1 << 20,
        ..Config::new(id)
    }
}

fn state_of(voters: impl IntoIterator<Item = NodeId>) -> RestartState {
    RestartState {
        conf_state: ConfState::of_voters(voters),
        ..RestartState::default()
    }
}

/// What the leader of three has done: an election, proposals, a change, compaction, a snapshot.
fn sample() -> Bytes {
    let mut cluster = Cluster::with(3, |config| {
        config.record_bytes = 1 << 20;
        config.max_cached_bytes = 0;
    });
    cluster.elect(1);
    for command in ["one", "two", "three"] {
        cluster.propose(1, command);
        cluster.settle();
    }
    let change = crate::cluster::change(ConfChangeKind::AddNode, 4);
    cluster.at(1).node.propose_conf_change(&change).unwrap();
    cluster.settle();
    cluster.at(1).node.read_index("read".into()).unwrap();
    cluster.tick_all(3);
    cluster.at(1).node.record_take()
}

/// All calls up to an error.
fn read(bytes: &[u8]) -> (Vec<Record>, Option<RecordingError>) {
    let mut records = Vec::new();
    let mut reader = match Reader::new(Bytes::copy_from_slice(bytes)) {
        Ok(reader) => reader,
        Err(error) => return (records, Some(error)),
    };
    loop {
        match reader.next_call() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return (records, None),
            Err(error) => {
                assert_eq!(reader.next_call(), Ok(None), "it has ended with the error");
                return (records, Some(error));
            }
        }
    }
}

/// Where each record begins, and where the last one ends.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let mut at = HEADER_BYTES;
    let mut list = vec![at];
    while at < bytes.len() {
        let mut rest = &bytes[at..];
        let before = rest.len();
        let len = prost::encoding::decode_varint(&mut rest).unwrap() as usize;
        at += before - rest.len() + len + 4;
        list.push(at);
    }
    list
}

fn calls(start: &Start, calls: impl IntoIterator<Item = Call>) -> Bytes {
    let record = |call| Record {
        result: Some(0),
        call: Some(call),
        ..Record::default()
    };
    let records: Vec<Record> = calls.into_iter().map(record).collect();
    encode(start, &records).unwrap().into()
}

/// Makes all calls, whatever comes of them.
fn play(bytes: Bytes, limits: Limits) -> Result<u64, RecordingError> {
    let mut player = Player::of(Reader::unchecked(bytes)?, limits)?;
    let mut calls = 0;
    while let Some(played) = player.play()? {
        calls = played.number;
    }
    Ok(calls)
}

#[test]
fn every_byte_that_is_changed_is_noticed() {
    let bytes = sample();
    let (whole, error) = read(&bytes);
    assert_eq!(error, None);
    assert!(whole.len() > 50);
    for place in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[place] ^= 1 << (place % 8);
        let (records, error) = read(&damaged);
        assert!(error.is_some(), "byte {place}");
        assert_eq!(records[..], whole[..records.len()], "byte {place}");
    }
}

#[test]
fn a_cut_off_recording_says_so_unless_it_is_cut_between_records() {
    let bytes = sample();
    let whole = read(&bytes).0;
    let boundaries = boundaries(&bytes);
    for end in 0..bytes.len() {
        let (records, error) = read(&bytes[..end]);
        match boundaries.iter().position(|&boundary| boundary == end) {
            // What the node was made with is the first record.
            Some(place) if place > 0 => assert_eq!(error, None),
            _ if end < HEADER_BYTES => assert_eq!(error, Some(RecordingError::NotARecording)),
            _ => {
                let record = boundaries.iter().filter(|&&it| it <= end).count() - 1;
                let offset = boundaries[record] as u64;
                let record = record as u64;
                assert_eq!(error, Some(RecordingError::CutOff { record, offset }));
            }
        }
        assert_eq!(records[..], whole[..records.len()]);
    }
}

#[test]
fn records_that_are_missing_or_in_another_place_are_damage() {
    let bytes = sample();
    let at = boundaries(&bytes);
    let part = |record: usize| &bytes[at[record]..at[record + 1]];
    let missing = [&bytes[..at[5]], &bytes[at[6]..]].concat();
    let swapped = [&bytes[..at[5]], part(6), part(5), &bytes[at[7]..]].concat();
    let doubled = [&bytes[..at[6]], &bytes[at[5]..]].concat();
    for (damaged, record) in [(missing, 5), (swapped, 5), (doubled, 6)] {
        match read(&damaged).1 {
            Some(RecordingError::Damaged { record: found, .. }) => assert_eq!(found, record),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_something_else_is_no_recording() {
    let start = Start::new(recorded(1), state_of([1]));
    let good = calls(&start, [Call::Tick(Default::default())]);
    let mut later = good.to_vec();
    later[8] = 9;
    assert_eq!(read(&later).1, Some(RecordingError::Version(9)));
    assert_eq!(read(b"").1, Some(RecordingError::NotARecording));
    assert_eq!(read(&good[1..]).1, Some(RecordingError::NotARecording));

    let damage = |records: &[Record]| match read(&encode(&start, records).unwrap()).1 {
        Some(RecordingError::Damaged { record: 1, why, .. }) => why,
        other => panic!("{other:?}"),
    };
    let tick = Record {
        call: Some(Call::Tick(Default::default())),
        ..Record::default()
    };
    let stop = Record {
        stop: Some(Default::default()),
        ..Record::default()
    };
    let second = Record {
        start: Some(Default::default()),
        ..Record::default()
    };
    assert_eq!(damage(&[second]), "a second beginning");
    assert_eq!(
        damage(&[Record::default()]),
        "it has no call that this library knows"
    );
    assert_eq!(
        damage(&[stop, tick]),
        "something follows the end of the recording"
    );
}

#[test]
fn a_node_that_can_t_be_made_is_an_error() {
    let heartbeat_ticks = 0;
    let config = Config {
        heartbeat_ticks,
        ..recorded(1)
    };
    let bytes = calls(&Start::new(config, state_of([1])), []);
    match Player::new(bytes, Limits::default()).map(drop) {
        Err(RecordingError::Start(crate::Error::InvalidConfig(_))) => {}
        other => panic!("{other:?}"),
    }
    let start = Start::new(recorded(1), state_of([1]));
    let nonsense = || Bytes::from_static(b"nonsense");
    for call in [
        Call::ApplyConfChange(nonsense()),
        Call::Propose(crate::proto::libraft::recording::Entries {
            entries: vec![nonsense()],
        }),
        Call::ReportSnapshot(Default::default()),
        Call::ReadFailed(Default::default()),
    ] {
        let name = call.name();
        let error = play(calls(&start, [call]), Limits::default());
        assert!(
            matches!(error, Err(RecordingError::Argument(_))),
            "{name}: {error:?}"
        );
    }
}

#[test]
fn a_limit_ends_a_recording_that_asks_for_too_much() {
    let limits = Limits {
        max_queued_entries: 10_000,
        max_ready_bytes: 100_000,
        max_ticks: u64::from(u32::MAX),
    };
    let limited = |calls: Bytes, what: &str| match play(calls, limits) {
        Err(RecordingError::Limit { why, .. }) => assert_eq!(why, what),
        other => panic!("{other:?}"),
    };
    let eager = |members: u64| {
        let config = Config {
            pre_vote: false,
            check_quorum: false,
            ..recorded(1)
        };
        Start::new(config, state_of(1..=members))
    };
    // A leader, by the others' votes.
    let empty = Default::default;
    let leads = |members: u64| {
        let mut calls = vec![
            Call::Campaign(empty()),
            Call::Ready(empty()),
            Call::Advance(empty()),
        ];
        calls.extend((2..=members / 2 + 1).map(|from| {
            let (pre, granted) = (false, true);
            let vote = Message {
                to: 1,
                from,
                term: 1,
                body: Body::Vote { pre, granted },
            };
            Call::Step(codec::encode_message(&vote).into())
        }));
        calls
    };
    // Four billion rounds of heartbeats, and none of them is taken.
    let ticks = leads(2).into_iter().chain([Call::TickMany(u32::MAX)]);
    limited(calls(&eager(2), ticks), "entries in messages");
    // With many members, neither do a few thousand ticks go far beyond it before that is noticed.
    let ticks = leads(60).into_iter().chain([Call::TickMany(4096)]);
    let reader = Reader::unchecked(calls(&eager(60), ticks)).unwrap();
    let mut player = Player::of(reader, limits).unwrap();
    while player.play().is_ok_and(|played| played.is_some()) {}
    let queued = player.node().load(&mut crate::node::Load::default());
    assert!((10_000..100_000).contains(&queued), "{queued} places");
    // A few entries to many members.
    let propose = |entries| Call::Propose(crate::proto::libraft::recording::Entries { entries });
    let few = propose(vec![Bytes::from_static(b"\x22\x01x"); 200]);
    let few = leads(60).into_iter().chain([few]);
    limited(calls(&eager(60), few), "entries in messages");
    // One Ready with more than it may have.
    let large = codec::encode_entry(&Entry::command(vec![b'x'; 60_000].into()));
    let large = [propose(vec![large.into(); 2]), Call::Ready(empty())];
    limited(
        calls(&eager(2), leads(2).into_iter().chain(large)),
        "bytes of one Ready",
    );
    // Time alone.
    let time = [Call::TickMany(1), Call::TickMany(u32::MAX)];
    limited(
        calls(&Start::new(recorded(1), RestartState::default()), time),
        "ticks",
    );
}

#[test]
fn a_full_recording_ends_behind_a_whole_call() {
    for record_bytes in [256, 300, 1000, 5000] {
        let config = Config {
            record_bytes,
            ..recorded(1)
        };
        let mut node = Node::new(config, state_of([1])).unwrap();
        let mut calls = 0u32;
        while node.record_state() == RecordingState::On {
            let _ = node.propose(vec![b'x'; 10].into());
            calls += 1;
            assert!(node.recording_bytes() as u64 <= record_bytes);
        }
        assert_eq!(node.record_state(), RecordingState::Full);
        assert!(
            node.recording_bytes() as u64 + 100 > record_bytes,
            "it makes use of its room"
        );
        node.record_stop();
        node.record_note("too late");
        let mut reader = Reader::new(node.record_take()).unwrap();
        let read = reader.by_ref().map(Result::unwrap).count();
        assert_eq!(read as u32, calls - 1, "all but the one that did not fit");
        assert_eq!(reader.stop_reason(), Some(StopReason::Full));
        assert!(node.record_take().is_empty());
    }
}

#[test]
fn what_a_node_is_made_with_may_be_too_large() {
    let config = Config {
        record_bytes: MIN_RECORD_BYTES,
        ..recorded(1)
    };
    let mut node = Node::new(config, state_of(1..=1000)).unwrap();
    node.tick().unwrap();
    assert_eq!(node.record_state(), RecordingState::Full);
    let taken = Reader::new(node.record_take()).map(drop);
    assert_eq!(taken, Err(RecordingError::Empty));
    let config = Config {
        record_bytes: MIN_RECORD_BYTES - 1,
        ..recorded(1)
    };
    assert!(Node::new(config, state_of([1])).is_err());
}

#[test]
fn a_recording_that_is_taken_often_enough_never_ends() {
    let config = |record_bytes| Config {
        record_bytes,
        ..Config::new(1)
    };
    let [mut small, mut large] =
        [300, 1 << 20].map(|bytes| Node::new(config(bytes), state_of([1])).unwrap());
    let mut parts = Vec::new();
    for _ in 0..500 {
        for node in [&mut small, &mut large] {
            node.tick().unwrap();
            if node.has_ready() {
                node.ready().unwrap();
                node.advance().unwrap();
            }
        }
        parts.extend(small.record_take());
    }
    assert_eq!(small.record_state(), RecordingState::On);
    // What they were made with tells them apart, and nothing else does.
    assert_eq!(read(&parts).0, read(&large.record_take()).0);
}

#[test]
fn the_call_that_panics_is_the_last_one() {
    let mut recorder = Recorder::new(&Start::new(recorded(1), state_of([1])), 1 << 20);
    recorder.begin(|| Ok(Call::Tick(Default::default())));
    recorder.end(0);
    recorder.begin(|| Ok(Call::Campaign(Default::default())));
    let bytes = recorder.take();
    let records = read(&bytes).0;
    assert_eq!((records[0].result, records[1].result), (Some(0), None));
    let report = replay(bytes, Limits::default(), |_| true).unwrap();
    let difference = Difference::Result {
        recorded: None,
        replayed: 0,
    };
    assert_eq!(
        (report.calls, report.difference),
        (2, Some((2, difference)))
    );
}

#[test]
fn what_has_no_encoding_of_its_own_ends_a_recording() {
    let entry = Entry {
        term: 3,
        ..Entry::command("x".into())
    };
    let mut node = Node::new(recorded(1), state_of([1])).unwrap();
    node.tick().unwrap();
    // It is as good a proposal as any, but its term is the leader's to give, and nobody sends it.
    let _ = node.propose_entries(vec![entry]);
    node.tick().unwrap();
    assert_eq!(node.record_state(), RecordingState::Unencodable);
    let mut reader = Reader::new(node.record_take()).unwrap();
    assert_eq!(reader.by_ref().count(), 1);
    assert_eq!(reader.stop_reason(), Some(StopReason::Unencodable));
}

/// What is no call of its own: it makes other calls, or is for the recording alone.
const NO_CALLS: &[&str] = &[
    "propose_many",
    "propose_conf_change",
    "propose_conf_change_v2",
    "propose_conf_change_encoded",
    "propose_entries",
    "propose_entry",
    "step_bytes",
    "step_slice",
    "step_slice_into",
    "read_index_if_named",
    "ready_into",
    "record_take",
    "record_stop",
    "record_note",
    "note_requests_hidden",
];

#[test]
fn every_method_that_changes_a_node_is_recorded() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let parts = std::fs::read_dir(source.join("node")).unwrap();
    let parts = parts.map(|part| part.unwrap().path());
    let files = parts.filter(|part| !part.to_string_lossy().ends_with("tests.rs"));
    let sources: String = [source.join("node.rs")]
        .into_iter()
        .chain(files)
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let methods = sources.split("pub fn ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once('(')?;
        rest.trim_start().starts_with("&mut self").then_some(name)
    });
    let methods: BTreeSet<&str> = methods.collect();
    let calls = include_str!("call.rs");
    let (_, names) = calls.split_once("pub fn name(").unwrap();
    let (names, _) = names.split_once("    }\n\n").unwrap();
    let names: BTreeSet<&str> = names.split('"').skip(1).step_by(2).collect();
    let notes = ["note", "requests_hidden"];
    let expected: BTreeSet<&str> = names
        .iter()
        .filter(|name| !notes.contains(name))
        .chain(NO_CALLS)
        .copied()
        .collect();
    assert_eq!(methods, expected, "each method has a call, or makes others");
    assert_eq!(names.len(), 34, "the kinds of calls");
}

fn any_damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever still can be read is called, as far as the limits allow.
    #[test]
    fn nothing_that_can_be_read_does_harm(damage in any_damage()) {
        thread_local!(static SAMPLE: Bytes = sample());
        let mut bytes = SAMPLE.with(|sample| sample.to_vec());
        for (place, what, byte) in damage {
            let place = place.index(bytes.len());
            match what {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                2 => _ = bytes.remove(place),
                _ => bytes.truncate(place.max(bytes.len() - 200)),
            }
        }
        let limits = Limits { max_queued_entries: 1 << 16, max_ready_bytes: 1 << 22, max_ticks: 1 << 16 };
        let _ = play(bytes.into(), limits);
    }

    /// Within a record, so that the records after it are called as well.
    #[test]
    fn calls_with_any_arguments_do_no_harm(damage in any_damage()) {
        thread_local!(static SAMPLE: Bytes = sample());
        let bytes = SAMPLE.with(Bytes::clone);
        let at = boundaries(&bytes);
        let mut bytes = bytes.to_vec();
        for (place, _, byte) in damage {
            // Not in the frames: their lengths stay as they are.
            let record = place.index(at.len() - 1);
            let (start, end) = (at[record] + 2, at[record + 1] - 4);
            if start < end {
                bytes[start + usize::from(byte) % (end - start)] = byte;
            }
        }
        let limits = Limits { max_queued_entries: 1 << 16, max_ready_bytes: 1 << 22, max_ticks: 1 << 16 };
        let _ = play(bytes.into(), limits);
    }

    #[test]
    fn noise_is_no_recording(mut noise in prop::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
        if header {
            noise.splice(0..0, MAGIC.into_iter().chain(VERSION.to_le_bytes()));
        }
        prop_assert!(read(&noise).1.is_some());
        let _ = play(noise.into(), Limits::default());
    }
}
