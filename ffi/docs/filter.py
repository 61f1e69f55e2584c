#!/usr/bin/env python3
"""Makes of libraft.h and libraft.hpp what Doxygen reads: a filter, which writes to its output.

The headers are for people with an editor, so their comments have no markup. This adds what a site needs: the
topic that each item belongs to, headings for the paragraphs that begin with `Errors:` and the like, links for
the names of numbers and structs, and the opening comment as a page. Lines stay lines.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# The topics of the C interface, in the order of the site: the name, the title, and what belongs to it. The first
# pattern that matches the whole of an item's name decides. An item that none matches makes Doxygen fail.
TOPICS = [
    ("versions", "Versions", r"raft_abi_version|raft_version_string|RAFT_ABI_VERSION"),
    ("errors", "Errors", r"raft_error\w*|raft_status\w*|RAFT_OK|RAFT_ERR_\w+|RAFT_DROP_\w+|raft_drop_reason\w*"),
    ("bytes", "Bytes and buffers", r"raft_bytes|raft_buffer\w*"),
    ("config", "Configuration", r"raft_config\w*|RAFT_READ_ONLY_\w+|raft_read_only|RAFT_NO_LIMIT"),
    ("recordings", "Recordings", r"raft_node_record_\w+|raft_recording_state|raft_replay\w*|RAFT_RECORDING_\w+"),
    ("many", "Many nodes", r"raft_nodes_\w+|raft_node_failure"),
    (
        "status",
        "Status and counters",
        r"raft_node_(status\w*|get_status|progress|metrics\w*|group_commit_state)|raft_metrics|raft_progress"
        r"|raft_flow_state|RAFT_FLOW_(?!CAUSE)\w+|raft_role|RAFT_ROLE_\w+|\w*(?i:group_commit_state)"
        r"|RAFT_GROUP_COMMIT_\w+|raft_node_id|raft_node_prometheus|raft_exposition\w*|raft_label",
    ),
    (
        "members",
        "Members and configuration changes",
        r"raft_conf_\w+|RAFT_CONF_CHANGE_\w+|RAFT_TRANSITION_\w+|raft_transition|raft_peer"
        r"|raft_node_(propose_conf_change\w*|apply_conf_change|reject_conf_change|conf_state|bootstrap)"
        r"|raft_commit_group|raft_node_\w*commit_group\w*|raft_node_enable_group_commit",
    ),
    (
        "requests",
        "Requests for entries and snapshots",
        r"raft_read_request|raft_snapshot_request|raft_requests|raft_read_failure"
        r"|RAFT_READ_(COMPACTED|UNAVAILABLE)"
        r"|raft_node_(take_requests|provide_\w+|read_failed|snapshot_failed|compacted)",
    ),
    (
        "snapshots",
        "Snapshots",
        r"raft_snapshot\w*|RAFT_SNAPSHOT_\w+|raft_node_(report_snapshot|request_snapshot)",
    ),
    (
        "ready",
        "Ready: the work of a host",
        r"raft_ready|raft_soft_state|raft_hard_state|raft_read_state|raft_dropped|raft_drop_kind|RAFT_DROPPED_\w+"
        r"|RAFT_PENDING_\w+|raft_node_(ready|next_ready|peek_ready|accept_ready|advance|has_ready|rests_once_advanced|pending)",
    ),
    (
        "events",
        "Events",
        r"raft_event\w*|RAFT_(EVENT|CAMPAIGN|TRIGGER|OBSTACLE|LOSS|STEP_DOWN|FLOW_CAUSE|TRANSFER|REFUSED|IGNORED)_\w+"
        r"|raft_log_\w+|RAFT_LOG_\w+|RAFT_LEVEL_\w+|raft_level\w*",
    ),
    ("entries", "Entries", r"raft_entry\w*|raft_entries\w*|RAFT_ENTRY_\w+"),
    (
        "messages",
        "Messages",
        r"raft_message\w*|RAFT_MSG_\w+|RAFT_LOCAL_\w+|raft_node_step\w*|raft_node_report_unreachable",
    ),
    ("node", "Nodes", r"raft_node\w*|RAFT_NO_DEADLINE"),
    ("storage", "Storage", r"raft_storage\w*|raft_recovery_report"),
]
# In this order they are read first.
SITE_ORDER = (
    "node ready storage config messages members requests snapshots entries bytes errors events status"
    " many recordings versions"
).split()

# What stands first on each topic's page.
SAYS = {
    "node": "One member of one group: made on a storage, given time, messages, proposals and reads.",
    "ready": "What a node wants done: to persist, to send, to apply. Taken, done, and advanced from.",
    "storage": "Where hard state, log and snapshot are kept: in memory, or in a directory.",
    "config": "How a node is to behave, from its making on.",
    "messages": "What travels between nodes, as bytes; and what a transport has to look at.",
    "members": "Who votes, who only learns, and how that changes.",
    "requests": "For hosts with a storage of their own: what the core asks them for, and their answers.",
    "snapshots": "The state machine's state at one point of the log, and what becomes of those that are sent.",
    "entries": "What the log is made of.",
    "bytes": "Views of bytes that somebody else owns, and buffers that the caller owns.",
    "errors": "The codes that calls return, and what they mean in words.",
    "events": "What has happened in a node, for hosts that count or log; nothing has to be done about it.",
    "status": "What a node says about itself: as structs, as JSON, and as text for Prometheus.",
    "many": "One call for the clocks of many nodes.",
    "recordings": "All calls on a node written down, to be made again.",
    "versions": "Whether the library that runs is the one that was compiled for.",
}

HEADINGS = ("Errors", "Memory", "Threads")
MAIN_TITLE = {"libraft.h": "The C and C++ interface of libraft", "libraft.hpp": "The C++ interface"}


def main() -> None:
    """Filters one file."""
    path = Path(sys.argv[1])
    text = path.read_text(encoding="utf-8")
    sys.stdout.write(c_header(text) if path.suffix == ".h" else cpp_header(text))


def c_header(text: str) -> str:
    """The C header: topics, headings, links."""
    structs = set(re.findall(r"^(?:typedef struct|\} ?) ?(raft_\w+)", text, re.MULTILINE))
    structs |= set(re.findall(r"^typedef \w+ (raft_\w+);", text, re.MULTILINE))
    opening, rest = re.match(r"(/\*.*?\*/\n)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    groups = "".join(f"/**\n@defgroup {name} {title}\n{SAYS[name]}\n*/\n" for name, title, _ in ordered_topics())
    page = opening.replace("/*\n * ", f"/** @mainpage {MAIN_TITLE['libraft.h']}\n * ", 1)
    # That is for who has the file before him.
    page = re.sub(r" \* Made from the sources[^\n]*\n", " *\n", page)
    page = bold(page)
    body = re.sub(
        r"^/\*\*\n(?P<comment>.*?) \*/\n(?P<code>[^\n]*(?:\n(?! \*|/\*|\n)[^\n]*)*)",
        lambda found: item(found["comment"], found["code"], structs),
        rest,
        flags=re.DOTALL | re.MULTILINE,
    )
    return linked(page, structs) + body + f"\n{groups}"


def ordered_topics() -> list[tuple[str, str, str]]:
    """As they are to stand on the site."""
    return sorted(TOPICS, key=lambda topic: SITE_ORDER.index(topic[0]))


def item(comment: str, code: str, structs: set[str]) -> str:
    """One function, type or number with its comment."""
    first = code.split("\n", 1)[0]
    named = (
        re.match(r"#define (\w+)", first)
        or re.match(r"typedef struct (\w+)", first)
        or re.match(r"typedef [\w ]+?(\w+);", first)
        or re.search(r"\b(raft_\w+)\(", code)
    )
    if not named:
        return f"/**\n{comment} */\n{code}"
    lines = linked(headed(comment), structs)
    # The fields' comments are within the code.
    code = re.sub(r"/\*\*.*?\*/", lambda found: linked(found[0], structs), code, flags=re.DOTALL)
    return f"/** {topic_of(named[1])}\n{lines} */\n{code}"


def topic_of(name: str) -> str:
    """Which topic an item belongs to; if none, a command that Doxygen does not know, which is an error."""
    topics = [topic for topic, _, pattern in TOPICS if re.fullmatch(pattern, name)]
    return f"@ingroup {topics[0]}" if topics else f"@has_no_topic_in_filter_py {name}"


def headed(comment: str) -> str:
    """`Errors:` at the beginning of a paragraph as a heading; what all calls share is explained on the first page."""
    comment = re.sub(
        r"(?m)^( \* Errors: )t(hose of any call(?: on a node)?)\b",
        lambda found: f'{found[1]}@ref index "T{found[2]}"',
        comment,
    )
    return re.sub(rf"(?m)^( *\*) ({'|'.join(HEADINGS)}): ", r"\1 @par \2\n\1 ", comment)


def linked(comment: str, structs: set[str]) -> str:
    """Names of numbers and of types as links. Functions are found by Doxygen."""
    comment = re.sub(r"(?<![\w#`])(RAFT_[A-Z0-9_]*[A-Z0-9])\b(?!_)", r"#\1", comment)
    comment = re.sub(
        r"(?<![\w#`])(raft_\w+)(?:\.(\w+))?(?![\w(])",
        lambda found: name_link(found, structs),
        comment,
    )
    return comment.replace("sizeof(#", "sizeof(")


def name_link(found: re.Match[str], structs: set[str]) -> str:
    if found[1] not in structs:
        return found[0]
    return f"#{found[1]}::{found[2]}" if found[2] else f"#{found[1]}"


def bold(page: str) -> str:
    """The words that the rules of an opening comment begin with."""
    return re.sub(r"(?m)^ \* - (\w[\w -]*)(\.| are)(?= )", r" * - **\1**\2", page)


def cpp_header(text: str) -> str:
    """The C++ header: sections as topics, and the numbers of libraft.h beside their names."""
    text = re.sub(r"(?m)^(\s+\w+ = (RAFT_\w+),)$", r"\1 /**< #\2 */", text)
    # A setter is two functions, of which one is for temporaries: enough for a reader is one.
    text = re.sub(r"(?ms)^#define LIBRAFT_SETTER.*?[^\\]$", lambda found: "\n" * found[0].count("\n"), text)
    text = re.sub(r"\bLIBRAFT_SETTER\((\w+), ([\w:]+), .*\)$", r"Config& \1(\2 setting);", text, flags=re.MULTILINE)
    text = text.replace("/*\n * ", "/** @page cpp The C++ interface\n * ", 1)
    opening, rest = text.split("*/", 1)
    text = f"{bold(opening)}*/{rest}"
    parts = re.split(r"(?m)^// -{20,} (.*)$", text)
    out = parts[0]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        name = "cpp_" + re.sub(r"\W+", "_", title)
        end = body.rfind("}  // namespace libraft")
        closing = "/** @} */\n"
        body = body + closing if end < 0 else body[:end] + closing + body[end:]
        out += f"/** @defgroup {name} C++: {title}\n@{{ */{body}"
    return out


if __name__ == "__main__":
    main()
