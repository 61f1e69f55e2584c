//! JSON, lines and the text for Prometheus, against the structs that say the same.

use serde_json::{Value, json};

use super::events::one_of_each;
use super::*;
use crate::event::*;
use crate::event_text::*;
use crate::metrics::raft_metrics;
use crate::node_status::*;
use crate::observe::*;

/// What a call leaves in a buffer, which is freed.
fn text(buffer: *mut raft_buffer) -> String {
    let text = bytes(unsafe { raft_buffer_bytes(buffer) }).to_vec();
    unsafe { raft_buffer_free(buffer) };
    String::from_utf8(text).expect("texts are UTF-8")
}

macro_rules! text_of {
    ($function:ident($($arg:expr),*)) => {{
        let mut out = null_mut();
        ok!($function($($arg,)* &mut out));
        text(out)
    }};
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

/// A leader of three that has heard from nobody but one.
fn leader() -> Host {
    let settings = Settings::new(1);
    ok!(raft_config_set_pre_vote(settings.0, false));
    let mut host = Host::new(&settings, &[1, 2, 3]);
    ok!(raft_node_campaign(host.node));
    host.work();
    let vote = libraft_core::Message {
        from: 2,
        to: 1,
        term: host.status().term,
        body: libraft_core::Body::Vote {
            pre: false,
            granted: true,
        },
    };
    let vote = libraft_core::codec::encode_message(&vote);
    ok!(raft_node_step(host.node, vote.as_ptr(), vote.len()));
    host.work();
    assert_eq!(host.status().role, crate::entry::RAFT_ROLE_LEADER);
    host
}

/// The fields of a struct with `Debug`, in their order, whole numbers and booleans.
fn fields(debug: &str) -> Vec<(String, Value)> {
    let (_, inner) = debug.split_once(" { ").expect("it is a struct");
    inner
        .trim_end_matches(" }")
        .split(", ")
        .map(|field| {
            let (name, value) = field.split_once(": ").expect("it has a name");
            (name.to_owned(), parsed(value))
        })
        .collect()
}

#[test]
fn the_json_of_a_status_is_what_the_structs_say() {
    let host = leader();
    let json = parsed(&text_of!(raft_node_status_json(host.node)));
    let mut said = json.as_object().expect("it is an object").clone();
    for (name, value) in fields(&format!("{:?}", host.status())) {
        let told = match name.as_str() {
            "size" => continue,
            "role" => {
                assert_eq!(value, json!(crate::entry::RAFT_ROLE_LEADER));
                assert_eq!(said.remove("role"), Some(json!("leader")));
                continue;
            }
            name => said.remove(name),
        };
        assert_eq!(told, Some(value), "{name}");
    }
    let conf_state = said.remove("conf_state");
    assert_eq!(conf_state.expect("it is there")["voters"], json!([1, 2, 3]));
    let Some(Value::Array(peers)) = said.remove("progress") else {
        panic!("it has the progress");
    };
    assert!(said.is_empty(), "{said:?}");

    let mut progress = [const { std::mem::MaybeUninit::<raft_progress>::uninit() }; 3];
    let mut len = 0;
    ok!(raft_node_progress(
        host.node,
        progress.as_mut_ptr().cast(),
        3,
        &mut len
    ));
    assert_eq!((len, peers.len()), (3, 3));
    for (progress, peer) in progress.iter().zip(peers) {
        let progress = unsafe { progress.assume_init_ref() };
        let mut peer = peer.as_object().expect("it is an object").clone();
        for (name, value) in fields(&format!("{progress:?}")) {
            let words = ["probe", "replicate", "snapshot"];
            let wanted = match name.as_str() {
                "state" => json!(words[progress.state as usize]),
                _ => value,
            };
            assert_eq!(peer.remove(&name), Some(wanted), "{name}");
        }
        assert!(peer.is_empty(), "{peer:?}");
    }
}

#[test]
fn the_json_of_the_counters_and_prometheus_are_what_the_struct_says() {
    let host = leader();
    let mut metrics: raft_metrics = unsafe { std::mem::zeroed() };
    metrics.size = size_of::<raft_metrics>();
    ok!(raft_node_metrics(host.node, &mut metrics));
    let mut counters = fields(&format!("{metrics:?}"));
    counters.remove(0);
    let json = parsed(&text_of!(raft_node_metrics_json(host.node)));
    let said: Vec<_> = json.as_object().expect("it is an object").keys().collect();
    assert_eq!(said.len(), counters.len());
    let exposition = text_of!(raft_node_prometheus(host.node, null(), 0));
    for (name, value) in counters {
        assert_eq!(json[&name], value, "{name}");
        let line = format!("libraft_{name}_total{{node=\"1\"}} {value}\n");
        assert!(exposition.contains(&line), "{line}");
    }
    assert!(exposition.contains("libraft_elections_won_total{node=\"1\"} 1\n"));
    assert!(exposition.contains("libraft_peer_match_index{node=\"1\",peer=\"3\"} 0\n"));
}

#[test]
fn an_event_reads_the_same_from_c_as_in_the_core() {
    for (event, ..) in one_of_each() {
        let raw = raft_event::from(&event);
        assert_eq!(text_of!(raft_event_text(&raw)), event.to_string());
        assert_eq!(
            parsed(&text_of!(raft_event_json(&raw))),
            serde_json::to_value(event).expect("it has a JSON")
        );
        assert_eq!(unsafe { raft_event_level(&raw) }, event.level() as i32);
    }
}

/// Reasons, kinds and roles that no event of `one_of_each` has.
#[test]
fn every_name_of_the_header_has_its_word() {
    let of = |raw: &raft_event| {
        let mut out = null_mut();
        match unsafe { raft_event_json(raw, &mut out, null_mut()) } {
            RAFT_OK => Some(parsed(&text(out))),
            _ => None,
        }
    };
    let mut known = 0;
    for (event, ..) in one_of_each() {
        let made = raft_event::from(&event);
        for reason in -2..120 {
            let raw = raft_event { reason, ..made };
            let name = unsafe { CStr::from_ptr(raft_event_reason_name(raw.r#type, reason)) };
            let name = name.to_str().expect("names are ASCII").to_lowercase();
            if made.reason == 0 {
                continue;
            }
            match of(&raw) {
                Some(json) => {
                    let word = json["reason"].as_str().expect("it is a word");
                    assert!(name.ends_with(&format!("_{word}")), "{name}: {word}");
                    known += 1;
                }
                None => assert_eq!(name, "", "{raw:?}"),
            }
        }
        for kind in -2..9 {
            let raw = raft_event { kind, ..made };
            let name = unsafe { CStr::from_ptr(raft_event_kind_name(raw.r#type, kind)) };
            let name = name.to_str().expect("names are ASCII").to_lowercase();
            if made.kind == 0 {
                continue;
            }
            match of(&raw) {
                Some(json) => {
                    let word = json["kind"].as_str().expect("it is a word");
                    assert!(name.ends_with(&format!("_{word}")), "{name}: {word}");
                }
                None => assert_eq!(name, "", "{raw:?}"),
            }
        }
    }
    assert!(known > 40, "only {known} reasons are known");
}

#[test]
fn what_is_no_event_is_refused() {
    let mut out = null_mut();
    for raw in [
        raft_event::default(),
        raft_event {
            r#type: 99,
            ..raft_event::default()
        },
        raft_event {
            r#type: RAFT_EVENT_ROLE_CHANGED,
            from: u64::MAX,
            ..raft_event::default()
        },
        raft_event {
            r#type: RAFT_EVENT_DROPPED,
            kind: 1,
            reason: 55,
            ..raft_event::default()
        },
    ] {
        let (status, words) = err!(raft_event_text(&raw, &mut out));
        assert_eq!(status, RAFT_ERR_ARGUMENT);
        assert!(words.contains("pass an event"), "{words}");
        assert_eq!(err!(raft_event_json(&raw, &mut out)).0, RAFT_ERR_ARGUMENT);
        assert_eq!(unsafe { raft_event_level(&raw) }, RAFT_LEVEL_DEBUG);
    }
    assert_eq!(err!(raft_event_text(null(), &mut out)).0, RAFT_ERR_NULL);
    assert_eq!(unsafe { raft_event_level(null()) }, RAFT_LEVEL_DEBUG);
    assert!(out.is_null());
}

#[test]
fn many_nodes_make_one_text_and_a_failure_adds_nothing() {
    let (first, second) = (Host::leader(), Host::leader());
    let label = |name: &'static str, value: &'static str| raft_label {
        name: view(name.as_bytes()),
        value: view(value.as_bytes()),
    };
    let mut exposition = null_mut();
    ok!(raft_exposition_new(&mut exposition));
    assert_eq!(text_of!(raft_exposition_text(exposition)), "");
    ok!(raft_exposition_add(
        exposition,
        first.node,
        &label("group", "a"),
        1
    ));
    let before = text_of!(raft_exposition_text(exposition));
    let bad = raft_label {
        name: view(b"x"),
        value: view(b"\xff"),
    };
    for (label, words) in [
        (label("group", "a"), "give each a label of its own"),
        (label("1", "a"), "use letters"),
        (label("node", "a"), "use another name"),
        (bad, "encode it as UTF-8"),
    ] {
        let (status, message) = err!(raft_exposition_add(exposition, second.node, &label, 1));
        assert_eq!(status, RAFT_ERR_ARGUMENT);
        assert!(message.contains(words), "{message}");
        assert_eq!(text_of!(raft_exposition_text(exposition)), before);
    }
    assert_eq!(
        err!(raft_exposition_add(exposition, second.node, null(), 1)).0,
        RAFT_ERR_NULL
    );
    ok!(raft_exposition_add(
        exposition,
        second.node,
        &label("group", "b"),
        1
    ));
    let both = text_of!(raft_exposition_text(exposition));
    assert_eq!(both.matches("# TYPE libraft_term gauge\n").count(), 1);
    assert_eq!(
        both.matches("# HELP").count(),
        before.matches("# HELP").count()
    );
    for group in ["a", "b"] {
        let line = format!("libraft_is_leader{{node=\"1\",group=\"{group}\"}} 1\n");
        assert!(both.contains(&line), "{line}");
    }
    unsafe { raft_exposition_free(exposition) };
    unsafe { raft_exposition_free(null_mut()) };
}
