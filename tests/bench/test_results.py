"""An interrupted run keeps what it has measured and can be taken up; what is published comes from the file."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import bench
import pytest
from contestants import GROWTH, JSON
from results import Results, finished

SETTINGS: JSON = {"sources": "abc", "rounds": 3, "seconds": 0.2}


def figures(ns: float) -> JSON:
    return {name: {"ns": ns, "rounds": [ns], "allocations": 1.0, "node_bytes": 0} for name in ("rust", "raft-rs")}


def fail() -> JSON:
    raise RuntimeError("the program fails")


def interrupted(file: Path) -> None:
    run = Results(file, SETTINGS, resume=False)
    run.part("workloads", "rep3_b1_16", lambda: figures(5))
    with pytest.raises(RuntimeError):
        run.part("disk", "disk_b1_16", fail)


def test_what_was_measured_before_a_failure_is_kept_and_not_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    interrupted(file)
    assert json.loads(file.read_text())["workloads"]["rep3_b1_16"]["rust"]["ns"] == 5

    run = Results(file, SETTINGS, resume=True)
    assert run.part("workloads", "rep3_b1_16", fail)["rust"]["ns"] == 5
    assert run.part("disk", "disk_b1_16", lambda: {"ratio": 1.0}) == {"ratio": 1.0}
    run.finish()
    assert finished(file, False)["disk"] == {"disk_b1_16": {"ratio": 1.0}}


def test_a_run_of_other_sources_or_settings_is_not_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    interrupted(file)
    for name, value in (("sources", "def"), ("rounds", 4)):
        with pytest.raises(SystemExit, match=f"{name}: .*, now {value!r}"):
            Results(file, SETTINGS | {name: value}, resume=True)
    Results(file, SETTINGS | {"sources": ""}, resume=False).save()
    with pytest.raises(SystemExit, match="git"):
        Results(file, SETTINGS | {"sources": ""}, resume=True)


def test_another_run_leaves_the_figures_of_the_last_one_beside_its_own(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    interrupted(file)
    Results(file, SETTINGS, resume=False).part("workloads", "rep3_b1_16", lambda: figures(6))
    assert json.loads(file.read_text())["workloads"]["rep3_b1_16"]["rust"]["ns"] == 6
    assert json.loads((tmp_path / "report-before-1.json").read_text())["workloads"]["rep3_b1_16"]["rust"]["ns"] == 5
    Results(file, SETTINGS, resume=False)
    assert json.loads((tmp_path / "report-before-2.json").read_text())["workloads"]["rep3_b1_16"]["rust"]["ns"] == 6


def test_an_interrupted_run_is_published_only_when_that_is_said(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    with pytest.raises(SystemExit, match="not there"):
        finished(file, True)
    interrupted(file)
    with pytest.raises(SystemExit, match="interrupted"):
        finished(file, False)
    assert finished(file, True)["workloads"].keys() == {"rep3_b1_16"}


def test_a_run_of_some_workloads_is_published_only_when_that_is_said(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    Results(file, SETTINGS | {"only": ["rep3_b1_16"]}, resume=False).finish()
    with pytest.raises(SystemExit, match="rep3_b1_16 only"):
        finished(file, False)
    assert finished(file, True)["finished"]


def test_what_is_published_from_the_file_has_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Results(tmp_path / "report.json", SETTINGS, resume=False)
    run.report["machine"] = "a machine"
    run.part("workloads", "rep3_b1_16", lambda: figures(5))
    times = {f"{what}_{part}_ns": 1000.0 for what in ("save", "file", "allocated") for part in ("p50", "p99")}
    run.part("disk", "disk_b1_16", lambda: {**times, "ratio": 1, "ratios": [1], "storage_bytes": 2, "file_bytes": 1})
    load = {"writes_per_second": 10.0, "p50_ms": 1.0, "p99_ms": 2.0, "nodes": [{"cpu_us_per_write": 1.0}]}
    run.part("kv", "Go", lambda: {"disk": {"16": load}, "memory": {"16": load}})
    monkeypatch.setattr(bench, "race", lambda *_: figures(7))
    bench.grow(run, [], 1, 0.1)
    run.finish()

    here, root = tmp_path / "tests", tmp_path / "root"
    for folder in (here, root):
        folder.mkdir()
        (folder / "README.md").write_text("before\n<!-- bench begins -->\nold\n<!-- bench ends -->\nafter\n")
    monkeypatch.setattr(bench, "HERE", here)
    monkeypatch.setattr(bench, "ROOT", root)
    drawn: list[JSON] = []
    monkeypatch.setattr(bench, "draw_profiles", drawn.append)
    bench.publish(finished(tmp_path / "report.json", False))

    long, short = (here / "README.md").read_text(), (root / "README.md").read_text()
    for text in (long, short):
        assert text.startswith("before\n<!-- bench begins -->\n|") and text.endswith("<!-- bench ends -->\nafter\n")
        assert "a machine. 3 rounds of 0.2 s" in text and "old" not in text
    assert "| disk_b1_16 | 1 (1) |" in long and "| Go | 16 | 10 |" in long
    picture = ET.fromstring((here / "report.svg").read_text())
    labels = {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert labels >= {diagram.title for diagram in GROWTH.values()} and "10m" in labels
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}polyline"))) == 2 * len(GROWTH)
    assert len(drawn) == 1
