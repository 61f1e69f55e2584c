"""The gate closes: a regression of 3% fails it, one of 1% does not."""

from __future__ import annotations

import gate
import pytest

BEFORE = {"rep3_b1_16 rust": {"instructions": 1000.0, "allocations": 5.0, "node_bytes": 0}}


def judged(instructions: float, allocations: float, same_tools: bool = True) -> tuple[str, ...]:
    figures = {"rep3_b1_16 rust": {"instructions": instructions, "allocations": allocations, "node_bytes": 0}}
    (verdict,) = gate.judge(figures, BEFORE, same_tools)
    return verdict.worse


@pytest.mark.parametrize(
    ("instructions", "allocations", "worse"),
    [
        (1000, 5, ()),
        (1019, 5, ()),
        (1030, 5, ("instructions",)),
        (1000, 5.15, ("allocations",)),
        (900, 4, ()),
        (1030, 6, ("instructions", "allocations")),
    ],
)
def test_more_than_two_percent_fails(instructions: float, allocations: float, worse: tuple[str, ...]) -> None:
    assert judged(instructions, allocations) == worse


def test_with_other_tools_only_much_more_instructions_fail_but_allocations_as_ever() -> None:
    assert judged(1200, 5, same_tools=False) == ()
    assert judged(1300, 5, same_tools=False) == ("instructions",)
    assert judged(1000, 5.15, same_tools=False) == ("allocations",)


def test_a_first_allocation_fails() -> None:
    none = {"tick_1k rust": {"instructions": 100.0, "allocations": 0.0, "node_bytes": 100}}
    one = {"tick_1k rust": {"instructions": 100.0, "allocations": 0.01, "node_bytes": 100}}
    assert gate.judge(one, none, True)[0].worse == ("allocations",)


def test_what_the_baseline_lacks_and_what_was_not_measured_fails() -> None:
    assert gate.judge(BEFORE, {}, True)[0].worse == ("instructions", "allocations")
    assert gate.judge({}, BEFORE, True)[0].worse == ("not measured",)


def test_what_is_asked_for_is_met_or_not() -> None:
    figures: dict[str, dict[str, float]] = {key: {} for key, _ in gate.ABSOLUTE}
    for key, what in gate.ABSOLUTE:
        figures[key][what] = 200.4 if what == "instructions" else 0.0
    rows = gate.absolute(figures)
    assert "| tick_1k rust: instructions | 200.40 | 200 | no |" in rows
    assert "| idle_1k rust: allocations | 0.00 | 0 | yes |" in rows
