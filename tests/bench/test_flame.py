"""Stacks are read from both tools' formats as they are."""

from __future__ import annotations

import collections

import flame

SCRIPT = """
    aaa leaf
    bbb bench_measured
    ccc main

    aaa other
    bbb bench_measured
    ccc main

    ccc main
"""

CALLGRIND = """version: 1
events: Ir
fn=(1) bench_measured'main
10 5
+1 2
cfn=(2) leaf'bench_measured'main
calls=3 20
+1 90
fn=(2)
20 90
fn=(3) main
1 7
"""


def test_samples_of_perf_are_counted_below_the_measured_function() -> None:
    stacks = flame.folded_script(SCRIPT)
    assert sum(stacks.values()) == 3
    assert flame.measured_part(stacks) == {("leaf",): 1, ("other",): 1}


def test_instructions_of_callgrind_count_once_and_with_their_callers() -> None:
    stacks = flame.folded_callgrind(CALLGRIND)
    assert stacks == {("main", "bench_measured"): 7, ("main", "bench_measured", "leaf"): 90, ("main",): 7}
    assert flame.measured_part(stacks) == {("(measured)",): 7, ("leaf",): 90}


def test_boxes_are_as_wide_as_their_share() -> None:
    picture = flame.picture(collections.Counter({("a", "b"): 3, ("c",): 1}), "title", "units")
    assert 'width="900.0"' in picture and 'width="300.0"' in picture
    assert "b: 75.0%, 3" in picture


def test_names_are_written_without_modules_and_hashes() -> None:
    assert flame.short("a::b::h0123456789abcdef") == "a::b"
    assert flame.brief("libraft_core::node::Node::propose") == "Node::propose"
