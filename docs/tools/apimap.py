#!/usr/bin/env python3
"""Writes docs/api-map.md: every operation, and its name in each language.

docs/tools/apimap.py          fails if the page differs from what the sources say
docs/tools/apimap.py --write  writes it

The operations are the functions that include/libraft.h exports. Their names in the other languages follow from
theirs by rule, and where they don't, NAMES says so. Each name is looked for in the sources of its language, so that
none can be wrong; a function without a line, and a line without a function, are errors as well. The names in
etcd-io/raft and raft-rs are given by hand. docs/errors.md, written by hand, has to have all errors, too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "api-map.md"
NONE = "-"
LANGUAGES = ("C++", "Python", "Go", "Rust")

# Functions whose names elsewhere don't follow from theirs: C++, Python, Go, Rust. "=" is what the rule says.
NAMES: dict[str, tuple[str, str, str, str]] = {
    "raft_abi_version": ("abi_matches", "ABI_VERSION", "-", "-"),
    "raft_buffer_bytes": ("Buffer::bytes", "-", "-", "-"),
    "raft_conf_change_decode": (
        "ConfChange::decode",
        "decode_conf_change, Entry.conf_change",
        "DecodeConfChange",
        "conf_change_of",
    ),
    "raft_conf_change_encode": ("ConfChange::encode", "encode_conf_change", "-", "encode_conf_change_v2"),
    "raft_config_new": ("Config", "Config", "Config", "Config::new"),
    "raft_config_set_applied": ("=", "=", "=", "Storage::restart_state_at"),
    "raft_config_set_coalesce_appends": ("=", "=", "Config.EagerAppends (the opposite)", "="),
    "raft_config_set_election_ticks": ("=", "=", "Config.ElectionTick", "="),
    "raft_config_set_heartbeat_ticks": ("=", "=", "Config.HeartbeatTick", "="),
    "raft_config_set_max_election_ticks": ("=", "=", "Config.MaxElectionTick", "="),
    "raft_config_set_max_uncommitted_bytes": ("=", "=", "Config.MaxUncommittedEntriesSize", "="),
    "raft_config_set_min_election_ticks": ("=", "=", "Config.MinElectionTick", "="),
    "raft_config_set_read_only": ("=", "=", "Config.ReadOnlyOption", "="),
    "raft_config_set_show_requests": ("=", "=", "-", "-"),
    "raft_config_set_encode_entries": ("=", "-", "-", "-"),
    "raft_config_set_encode_readys": ("=", "-", "-", "-"),
    "raft_drop_reason_name": ("Dropped::reason_name", "DropReason", "DropReason.String", "DropReason"),
    "raft_error_code": ("Error::code", "RaftError.code", "Error.Code", "Error::number"),
    "raft_error_drop_reason": ("Error::drop_reason", "Dropped.reason", "RawNode.DropReason", "DropReason"),
    "raft_error_message": ("Outcome::message", "RaftError", "Error.Error", "Error"),
    "raft_event_json": ("Event::json", "Event.to_json", "Event.MarshalJSON", "-"),
    "raft_event_kind_name": ("Event::kind_name", "Event.kind", "Event.KindName", "-"),
    "raft_event_level": ("Event::level", "Event.level", "Event.Level", "Event::level"),
    "raft_event_name": ("Event::name", "EventType", "EventType.String", "Event"),
    "raft_event_reason_name": ("Event::reason_name", "Event.reason", "Event.ReasonName", "-"),
    "raft_event_text": ("Event::text", "Event.__str__", "Event.String", "Event"),
    "raft_exposition_add": ("Exposition::add", "prometheus_text", "Exposition.Add", "Exposition::add"),
    "raft_exposition_new": ("Exposition", "prometheus_text", "NewExposition", "Exposition"),
    "raft_exposition_text": ("Exposition::text", "prometheus_text", "Exposition.WriteTo", "Exposition"),
    "raft_message_decode": ("Message::decode", "Message.decode", "DecodeMessage", "decode_message"),
    "raft_node_accept_ready": ("=", "-", "-", "="),
    "raft_node_compacted": ("=", "=", "-", "="),
    "raft_node_conf_state": ("=", "=", "Status.Config", "Status::conf_state"),
    "raft_node_get_status": ("Node::status", "RawNode.status", "RawNode.BasicStatus", "Node::basic_status"),
    "raft_node_group_commit_state": (
        "Node::is_group_commit_consistent",
        "RawNode.is_group_commit_consistent",
        "RawNode.GroupCommitConsistent",
        "Node::is_group_commit_consistent",
    ),
    "raft_node_id": ("=", "=", "BasicStatus.ID", "="),
    "raft_node_metrics_json": ("=", "=", "RawNode.MetricsJSON", "-"),
    "raft_node_new": ("Node", "RawNode", "NewRawNode", "Node::new"),
    "raft_node_next_ready": ("=", "-", "-", "-"),
    "raft_node_peek_ready": ("=", "-", "-", "="),
    "raft_node_pending": ("=", "-", "-", "Node::may_have_requests"),
    "raft_node_progress": ("=", "=", "RawNode.Status, RawNode.WithProgress", "Node::status"),
    "raft_node_prometheus": ("=", "prometheus_text", "WritePrometheus", "Exposition"),
    "raft_node_propose_conf_change": ("=", "=", "=", "Node::propose_conf_change"),
    "raft_node_propose_conf_change_encoded": (
        "=",
        "=",
        "RawNode.ProposeConfChange",
        "Node::propose_conf_change_encoded, Node::propose_conf_change_v2",
    ),
    "raft_node_provide_entries": ("=", "=", "-", "="),
    "raft_node_provide_snapshot": ("=", "=", "-", "="),
    "raft_node_read_failed": ("=", "=", "-", "="),
    "raft_node_read_index": ("=", "=", "RawNode.TryReadIndex, RawNode.ReadIndex", "="),
    "raft_node_reject_conf_change": (
        "=",
        "=",
        "RawNode.ApplyConfChange (one step of node 0)",
        "Node::apply_conf_change (one step of node 0)",
    ),
    "raft_node_rests_once_advanced": ("=", "-", "-", "="),
    "raft_node_restart": ("=", "=", "-", "Node::new"),
    "raft_node_snapshot_failed": ("=", "=", "-", "="),
    "raft_node_status_encoded": ("=", "=", "-", "-"),
    "raft_node_status_json": ("=", "=", "RawNode.StatusJSON", "-"),
    "raft_node_step": ("=", "=", "RawNode.StepEncoded, RawNode.Step", "Node::step_slice, Node::step_bytes, Node::step"),
    "raft_node_step_many": ("=", "=", "-", "-"),
    "raft_node_step_message": ("Node::step", "-", "RawNode.Step", "Node::step"),
    "raft_node_take_requests": ("=", "=", "-", "="),
    "raft_nodes_tick": ("NodeArray::tick", "tick_all", "TickAll", "-"),
    "raft_replay": ("replay", "replay", "Replay", "Player"),
    "raft_status_name": ("to_string", "-", "Code.String", "-"),
    "raft_storage_append": ("=", "=", "DurableStorage.Save", "Storage::write"),
    "raft_storage_append_message": ("=", "=", "DurableStorage.SaveMessage", "Storage::write"),
    "raft_storage_hard_state": ("=", "=", "DurableStorage.InitialState", "="),
    "raft_storage_memory_new": ("Storage::memory", "MemoryStorage", "NewMemoryStorage", "MemoryStorage::new"),
    "raft_storage_open": ("=", "DurableStorage", "OpenDurableStorage", "DurableStorage::open"),
    "raft_storage_recovery_report": ("=", "=", "=", "DurableStorage::recovery_report"),
    "raft_storage_restart_state": ("=", "=", "DurableStorage.InitialState", "="),
    "raft_version_string": ("version", "__version__", "-", "-"),
}

# What etcd-io/raft (of RawNode, where nothing else is said) and raft-rs (of RawNode) have.
OTHERS: dict[str, tuple[str, str]] = {
    "raft_node_new": ("NewRawNode", "RawNode::new"),
    "raft_node_bootstrap": ("Bootstrap", NONE),
    "raft_node_tick": ("Tick", "tick"),
    "raft_node_tick_quiesced": ("TickQuiesced", NONE),
    "raft_node_campaign": ("Campaign", "campaign"),
    "raft_node_propose": ("Propose", "propose"),
    "raft_node_propose_conf_change": ("ProposeConfChange", "propose_conf_change"),
    "raft_node_apply_conf_change": ("ApplyConfChange", "apply_conf_change"),
    "raft_node_step": ("Step", "step"),
    "raft_node_read_index": ("ReadIndex", "read_index"),
    "raft_node_has_ready": ("HasReady", "has_ready"),
    "raft_node_ready": ("Ready", "ready"),
    "raft_node_advance": ("Advance", "advance, advance_apply"),
    "raft_node_report_unreachable": ("ReportUnreachable", "report_unreachable"),
    "raft_node_report_snapshot": ("ReportSnapshot", "report_snapshot"),
    "raft_node_transfer_leader": ("TransferLeader", "transfer_leader"),
    "raft_node_forget_leader": ("ForgetLeader", NONE),
    "raft_node_request_snapshot": (NONE, "request_snapshot"),
    "raft_node_set_priority": (NONE, "set_priority"),
    "raft_node_set_inflight_limits": (NONE, "raft.adjust_max_inflight_msgs"),
    "raft_node_enable_group_commit": (NONE, "raft.enable_group_commit"),
    "raft_node_assign_commit_groups": (NONE, "raft.assign_commit_groups"),
    "raft_node_clear_commit_groups": (NONE, "raft.clear_commit_group"),
    "raft_node_group_commit_state": (NONE, "raft.check_group_commit_consistent"),
    "raft_node_get_status": ("BasicStatus", "status"),
    "raft_node_progress": ("Status, WithProgress", "status"),
    "raft_config_set_election_ticks": ("Config.ElectionTick", "Config::election_tick"),
    "raft_config_set_min_election_ticks": (NONE, "Config::min_election_tick"),
    "raft_config_set_max_election_ticks": (NONE, "Config::max_election_tick"),
    "raft_config_set_heartbeat_ticks": ("Config.HeartbeatTick", "Config::heartbeat_tick"),
    "raft_config_set_pre_vote": ("Config.PreVote", "Config::pre_vote"),
    "raft_config_set_check_quorum": ("Config.CheckQuorum", "Config::check_quorum"),
    "raft_config_set_priority": (NONE, "Config::priority"),
    "raft_config_set_read_only": ("Config.ReadOnlyOption", "Config::read_only_option"),
    "raft_config_set_max_size_per_msg": ("Config.MaxSizePerMsg", "Config::max_size_per_msg"),
    "raft_config_set_max_committed_size_per_ready": (
        "Config.MaxCommittedSizePerReady",
        "Config::max_committed_size_per_ready",
    ),
    "raft_config_set_max_uncommitted_bytes": ("Config.MaxUncommittedEntriesSize", "Config::max_uncommitted_size"),
    "raft_config_set_max_inflight_msgs": ("Config.MaxInflightMsgs", "Config::max_inflight_msgs"),
    "raft_config_set_max_inflight_bytes": ("Config.MaxInflightBytes", NONE),
    "raft_config_set_async_storage_writes": ("Config.AsyncStorageWrites", NONE),
    "raft_config_set_disable_proposal_forwarding": (
        "Config.DisableProposalForwarding",
        "Config::disable_proposal_forwarding",
    ),
    "raft_config_set_disable_conf_change_validation": ("Config.DisableConfChangeValidation", NONE),
    "raft_config_set_step_down_on_removal": ("Config.StepDownOnRemoval", NONE),
    "raft_config_set_coalesce_appends": (NONE, "Config::batch_append"),
    "raft_config_set_max_apply_unpersisted_entries": (NONE, "Config::max_apply_unpersisted_log_limit"),
    "raft_config_set_applied": ("Config.Applied", "Config::applied"),
    "raft_storage_memory_new": ("NewMemoryStorage", "MemStorage::new"),
    "raft_storage_entries": ("Storage.Entries", "Storage::entries"),
    "raft_storage_term": ("Storage.Term", "Storage::term"),
    "raft_storage_first_index": ("Storage.FirstIndex", "Storage::first_index"),
    "raft_storage_last_index": ("Storage.LastIndex", "Storage::last_index"),
    "raft_storage_snapshot": ("Storage.Snapshot", "Storage::snapshot"),
    "raft_storage_create_snapshot": ("MemoryStorage.CreateSnapshot", NONE),
    "raft_storage_compact": ("MemoryStorage.Compact", "MemStorage: compact"),
    "raft_storage_restart_state": ("Storage.InitialState", "Storage::initial_state"),
    "raft_storage_append": ("MemoryStorage.Append, SetHardState, ApplySnapshot", "MemStorage: append"),
}

TOPICS: list[tuple[str, str, Callable[[str], bool]]] = [
    ("Settings", "Rust sets fields of `Config`; so do Go and Python.", lambda n: n.startswith("raft_config_")),
    ("Nodes", "", lambda n: n.startswith(("raft_node_", "raft_nodes_")) or n == "raft_replay"),
    (
        "Storages",
        "In Go, these are methods of `DurableStorage`; `MemoryStorage` has etcd-io/raft's.",
        lambda n: n.startswith("raft_storage_"),
    ),
    ("All else", "", lambda n: True),
]


def functions() -> list[str]:
    """What the header exports, in its order."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "include/libraft.h").read_text(), flags=re.S)
    return re.findall(r"^[a-z].*?\b(raft_\w+)\(", text, re.M)


def camel(name: str) -> str:
    """As Go writes it."""
    return "".join(part.capitalize() for part in name.split("_")).replace("Json", "JSON")


def by_rule(name: str) -> tuple[str, str, str, str]:
    """The names that follow from a function's."""
    for prefix, cpp, python, go, rust in (
        ("raft_config_set_", "Config", "Config", "Config", "Config"),
        ("raft_node_", "Node", "RawNode", "RawNode", "Node"),
        ("raft_storage_", "Storage", "Storage", "DurableStorage", "Storage"),
    ):
        if name.startswith(prefix):
            rest = name.removeprefix(prefix)
            return f"{cpp}::{rest}", f"{python}.{rest}", f"{go}.{camel(rest)}", f"{rust}::{rest}"
    # What frees an object is not called in the other languages.
    return NONE, NONE, NONE, NONE


def names(function: str) -> tuple[str, str, str, str]:
    """The names of a function in the four languages."""
    rule = by_rule(function)
    if function.endswith("_free"):
        rule = NONE, NONE, NONE, NONE
    given = NAMES.get(function, ("=",) * 4)
    first, second, third, fourth = (r if g == "=" else g for r, g in zip(rule, given, strict=True))
    return first, second, third, fourth


def read(pattern: str) -> str:
    """All files that match, one after the other; without Go's tests."""
    return "\n".join(p.read_text() for p in sorted(ROOT.glob(pattern)) if not p.name.endswith("_test.go"))


class Sources:
    """What each language has."""

    def __init__(self) -> None:
        self.text = {
            "C++": read("include/libraft*.hpp"),
            "Python": read("python/package/libraft/*.py*"),
            "Go": read("bindings/go/*.go"),
            # What programs can name of the crates, as the tests hold it.
            "Rust": read("tests/public-api/*.txt"),
        }

    def has(self, language: str, name: str) -> bool:
        """Whether a language has a name such as RawNode.tick or Config::seed."""
        if language == "Python":
            return self.python(*name.split("."))
        if language == "Go":
            return self.go(*name.split("."))
        return (self.cpp if language == "C++" else self.rust)(*name.split("::"))

    def python(self, *name: str) -> bool:
        """A class or function, or a member of a class."""
        if len(name) == 1:
            return bool(re.search(rf"^(class|def) {name[0]}\b|^{name[0]}: Final", self.text["Python"], re.M))
        for match in re.finditer(rf"^class {name[0]}\b.*?(?=^[@\w])", self.text["Python"] + "\n@", re.M | re.S):
            if re.search(rf"^    def {name[1]}\(|^    {name[1]}[:(]| {name[1]}: ", match[0], re.M):
                return True
        return False

    def go(self, *name: str) -> bool:
        """A function or type, or a method or field of a type."""
        text = self.text["Go"]
        if len(name) == 1:
            return bool(re.search(rf"^(func|type) {name[0]}\b|^\t{name[0]}\b.*=", text, re.M))
        if re.search(rf"^func \(\w* ?\*?{name[0]}\) {name[1]}\(", text, re.M):
            return True
        match = re.search(rf"^type {name[0]} (struct|interface) {{.*?^}}", text, re.M | re.S)
        return bool(match and re.search(rf"^\t(\w+, )*{name[1]}\b", match[0], re.M))

    def cpp(self, *name: str) -> bool:
        """A function, or a member of a class."""
        text = self.text["C++"]
        if len(name) == 1:
            return bool(re.search(rf"\b(class|struct|inline .*) {name[0]}\b", text))
        for match in re.finditer(
            rf"^(?:class|struct) (?:\[\[nodiscard\]\] )?{name[0]}\b[^;]*?{{.*?^}};", text, re.M | re.S
        ):
            if re.search(rf"\b{name[1]}\(|LIBRAFT_SETTER\({name[1]},|\b{name[1]}( = .*)?;", match[0]):
                return True
        return False

    def rust(self, *name: str) -> bool:
        """A function or type, or a method or field of a type."""
        parent = r"(libraft_core|libraft_storage)(::(?!proto\b)\w+)*"
        return bool(re.search(rf"^.*\bpub [a-z ]*{parent}::{'::'.join(name)}\b", self.text["Rust"], re.M))


def page() -> str:
    """The page, or the end with all that is wrong."""
    sources = Sources()
    exported = functions()
    problems = [f"{name} is in NAMES or OTHERS, and is no function" for name in {*NAMES, *OTHERS} - {*exported}]
    rows = {}
    for function in exported:
        rows[function] = names(function)
        for language, listed in zip(LANGUAGES, rows[function], strict=True):
            for name in listed.split(", "):
                plain = name.split(" ")[0]
                if plain != NONE and not sources.has(language, plain):
                    problems.append(f"{function}: {language} has no {plain}")
    if problems:
        sys.exit("\n".join(sorted(problems)))
    text = INTRODUCTION
    left = list(exported)
    for title, words, belongs in TOPICS:
        members = [name for name in left if belongs(name)]
        left = [name for name in left if name not in members]
        text += f"\n## {title}\n\n{words + chr(10) * 2 if words else ''}"
        others = any(name in OTHERS for name in members)
        head = ["C", *LANGUAGES, *(["etcd-io/raft", "raft-rs"] if others else [])]
        text += f"| {' | '.join(head)} |\n|{' --- |' * len(head)}\n"
        for name in members:
            cells = [name, *rows[name], *(OTHERS.get(name, (NONE, NONE)) if others else ())]
            text += f"| {' | '.join(cell_of(cell) for cell in cells)} |\n"
    return text


def cell_of(words: str) -> str:
    """A cell of a table: names as code, which may be broken between words and nowhere else."""
    if words == NONE:
        return ""
    broken = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[_.:])(?=[A-Za-z])", "<wbr>", words)
    return ", ".join(f"<code>{word}</code>" for word in broken.split(", "))


INTRODUCTION = """---
hide:
  - toc
---

# Every name in every language

Each operation has one name, written as each language writes it. This page is made from the sources by
`docs/tools/apimap.py`, and the tests look for every name in them. The names in etcd-io/raft and raft-rs are those of
the nearest thing there.

The classes are `raft_node` (C), `Node` (C++, Rust) and `RawNode` (Python, Go, where `Node` is the driver with a loop of
its own); `raft_storage`, `Storage`, `MemoryStorage`, `DurableStorage`; `raft_config`, `Config`. Errors are codes in C,
exceptions in C++ and Python, values in Go and Rust: see [what to do about each](errors.md).

An empty cell means that a language has no such call. Mostly it needs none: objects free themselves, strings and lists
are its own, a loop does for many nodes what one call does, and in Go a node asks its `Storage` by itself.
"""


def check_errors() -> None:
    """docs/errors.md has a line for each error and each reason."""
    header = (ROOT / "include/libraft.h").read_text()
    listed = (ROOT / "docs/errors.md").read_text()
    codes = re.findall(r"^#define (RAFT_(?:ERR|DROP)_\w+)", header, re.M)
    if missing := [code for code in codes if code != "RAFT_DROP_NONE" and f"`{code}`" not in listed]:
        sys.exit(f"docs/errors.md does not say what to do about {', '.join(missing)}")


def main() -> None:
    """Writes or compares, as the arguments say."""
    if sys.argv[1:] not in ([], ["--write"]):
        sys.exit(__doc__)
    check_errors()
    text = page()
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit("docs/api-map.md differs from the sources: run docs/tools/apimap.py --write")


if __name__ == "__main__":
    main()
