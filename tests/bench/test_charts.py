"""The pictures are sound SVG, and say what their axes are."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import charts

REPORT = {
    "workloads": {
        "rep3_b1_16": {"rust": {"ns": 100.0}, "raft-rs": {"ns": 250.0}, "etcd 3.7": {"ns": 99_000.0}},
        "disk_b1_16": {},
    },
    "growth": {
        "log": {
            "title": "Log length",
            "x": "entries in the log",
            "y": "ns for each proposal",
            "curves": {"rust": {1000: 300.0, 10_000_000: 310.0}, "raft-rs": {"1000": 1500.0}},
        }
    },
}


def test_bars_and_curves_are_drawn_with_their_labels() -> None:
    picture = charts.report(REPORT, ("raft-rs", "etcd 3.7"), {("rep3_b1_16", "rust"): {"raft-rs": 5}})
    texts = [element.text for element in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    for label in ("rep3_b1_16", "2.5", "990.0 (cut off)", "Log length", "entries in the log", "10m", "1k", "raft-rs"):
        assert label in texts, label
    assert "disk_b1_16" not in texts


def test_marks_are_round_and_within_the_axis() -> None:
    assert charts.marks(1.9, 3.1) == [100, 200, 500, 1000]
    assert charts.marks(0, 4) == [1, 10, 100, 1000, 10000]
    assert charts.short(65536) == "64k" and charts.short(10_000) == "10k" and charts.short(7) == "7"
