#!/usr/bin/env python3
"""Makes the picture of the dashboard that the READMEs show: `make screenshot`.

    screenshot.py PATH          the picture
    screenshot.py --all DIR     the page in every state that there is, to be looked at

A real cluster under load, of which one node has been killed and another been made the leader by
the page's own button, so that there is something to see. Not deterministic to the pixel. `pngquant`
(Debian's package of that name) then makes it a third as large.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "demo"))

from browser import Page, chromium
from cluster import Cluster, built_programs
from workload import Load

WIDTH = 1280
MOST_BYTES = 200_000
# How long the cluster runs before it is shown: the curves are to have a shape.
SHOW_S = 25.0


def main() -> None:
    parser = argparse.ArgumentParser(description="take pictures of the dashboard")
    parser.add_argument("path", type=Path, help="the file, or with --all the directory")
    parser.add_argument("--all", action="store_true", help="take pictures of every state")
    options = parser.parse_args()
    if shutil.which("pngquant") is None:
        sys.exit("pngquant is missing: apt-get install pngquant")
    programs = built_programs()
    with tempfile.TemporaryDirectory(prefix="kv-screenshot-") as directory:
        wanted = [programs[language] for language in ("cpp", "go", "python")]
        with Cluster(Path(directory) / "cluster", wanted, seed=3) as cluster, chromium() as browser:
            cluster.start()
            leader = cluster.wait_leader()
            served, other = (node for node in cluster.nodes.values() if node is not leader)
            load = Load([node.address for node in cluster.nodes.values()], 2, 500, seed=1)
            load.start()
            try:
                with browser.page(f"http://{served.address}/", width=WIDTH, height=1000) as page:
                    page.until("document.querySelector('#banner').dataset.state === 'good'")
                    time.sleep(SHOW_S / 2)
                    if options.all:
                        take(page, options.path / "healthy.png")
                    leader.kill()
                    page.until(f"document.querySelector('.card[data-node=\"{leader.id}\"]').dataset.state === 'lost'")
                    cluster.wait_leader(other_than=leader.id)
                    time.sleep(SHOW_S / 4)
                    if options.all:
                        take(page, options.path / "killed.png")
                        page.set_dark(True)
                        take(page, options.path / "dark.png")
                        page.resize(390, 844)
                        take(page, options.path / "phone.png")
                        page.set_dark(False)
                        page.resize(WIDTH, 1000)
                        other.kill()
                        page.until("document.querySelector('#banner').textContent.includes('No quorum')")
                        take(page, options.path / "no-quorum.png")
                        other.start()
                    leader.start()
                    page.until("document.querySelector('#banner').dataset.state === 'good'")
                    time.sleep(SHOW_S / 4)
                    page.click(f'.card[data-node="{leader.id}"] .lead')
                    cluster.until(lambda: cluster.wait_leader() is leader or None, 60, "the hand-over")
                    page.evaluate("document.activeElement.blur()")
                    page.fill("#try [name=key]", "greeting")
                    page.click("#try [value=PUT]")
                    page.until("document.querySelectorAll('#answers li').length === 1")
                    page.click("#try [value=GET]")
                    page.until("document.querySelectorAll('#answers li').length === 2")
                    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
                    page.until("document.querySelector('#banner').dataset.state === 'good'")
                    take(page, options.path / "all.png" if options.all else options.path)
            finally:
                load.stop()
    if options.all:
        return
    subprocess.run(["pngquant", "--force", "--strip", "--output", options.path, "256", options.path], check=True)
    if options.path.stat().st_size > MOST_BYTES:
        sys.exit(f"{options.path} has {options.path.stat().st_size} bytes, and {MOST_BYTES} is the most")


def take(page: Page, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # What moves has to come to rest.
    time.sleep(1.5)
    page.screenshot(path)
    print(f"{path}: {path.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
