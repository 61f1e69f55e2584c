"""What DurableStorage costs beside a bare write and fdatasync of the same bytes, on the disk below target/.

The program, ours/src/bin/bench-disk.rs, lets them take turns within one process, so that whatever else the
disk has to do hits both. A round is a process; a ratio is the median over the rounds of the ratio of their
median times.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess

from contestants import JSON, OUT

WORKLOADS = ["disk_b1_16", "disk_b1_1k", "disk_b64_16", "disk_b64_1k"]
# A synced append in DurableStorage takes at most so many times what the bare file takes.
TARGET = 1.3


def run(workload: str, rounds: int, seconds: float) -> JSON:
    """Measures a workload in several rounds."""
    measured = [measure(workload, max(seconds * 5, 1.0)) for _ in range(max(rounds // 3, 1))]
    ratios = sorted(figures["save_p50_ns"] / figures["file_p50_ns"] for figures in measured)
    best = min(measured, key=lambda figures: int(figures["save_p50_ns"]))
    return {"ratio": statistics.median(ratios), "ratios": ratios, **best}


def measure(workload: str, seconds: float) -> JSON:
    directory = OUT / "disk"
    command = [str(OUT / "bin" / "bench-disk"), workload, str(directory), "--seconds", str(seconds)]
    try:
        result: JSON = json.loads(subprocess.check_output(command, text=True, timeout=300 + 10 * seconds))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if result["synced_saves"] != result["batches"]:
        raise SystemExit(f"{workload}: {result['synced_saves']} syncs for {result['batches']} batches")
    return result


def describe(figures: JSON) -> str:
    return (
        f"save {figures['save_p50_ns'] / 1000:.0f} µs, bare file {figures['file_p50_ns'] / 1000:.0f} µs, "
        f"file with room {figures['allocated_p50_ns'] / 1000:.0f} µs: ratio {figures['ratio']:.2f}, "
        f"{figures['synced_saves'] / figures['batches']:.0f} sync for a batch"
    )


def table(report: JSON) -> list[str]:
    """In Markdown."""
    lines = [
        "| synced append | DurableStorage µs p50 (p99) | bare write and fdatasync µs p50 (p99) "
        "| ratio (least to most) | target | met | in a file with room µs | bytes to disk for a byte |"
    ]
    lines.append("| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |")
    for workload, figures in report.items():
        cells = [workload]
        for what in ("save", "file"):
            cells.append(f"{figures[f'{what}_p50_ns'] / 1000:,.0f} ({figures[f'{what}_p99_ns'] / 1000:,.0f})")
        cells.append(f"{figures['ratio']:.2f} ({figures['ratios'][0]:.2f} to {figures['ratios'][-1]:.2f})")
        cells += [str(TARGET), "yes" if figures["ratio"] <= TARGET else "no"]
        cells.append(f"{figures['allocated_p50_ns'] / 1000:,.0f}")
        cells.append(f"{figures['storage_bytes'] / figures['file_bytes']:.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines
