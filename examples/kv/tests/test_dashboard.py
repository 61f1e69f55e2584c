"""The page in a headless Chromium: on real clusters with a server of each language, and on made-up
statuses for what these do not get into.

No verdict depends on how long something takes: the page is asked until it shows what it has to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from browser import PATIENCE_S, Browser, BrowserError, Page, chromium
from cluster import Cluster, Node
from fake_status import Fake

NASTY = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def cluster(start_cluster: Callable[..., Cluster]) -> Cluster:
    return start_cluster("cpp", "go", "python")


def card(node: int) -> str:
    return f'.card[data-node="{node}"]'


def circle(node: int) -> str:
    return f'#topology [data-node="{node}"]'


def has_state(selector: str, state: str) -> str:
    return f"document.querySelector({json.dumps(selector)})?.dataset.state === {json.dumps(state)}"


def says(selector: str, text: str) -> str:
    return f"document.querySelector({json.dumps(selector)})?.textContent.includes({json.dumps(text)})"


def is_on(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})?.disabled === false"


def told(kind: str, text: str) -> str:
    """Whether the time line has an entry."""
    return f"[...document.querySelectorAll('#events [data-kind={kind}]')].some(e => e.textContent.includes({text!r}))"


def check(page: Page, addresses: set[str]) -> None:
    """The page has complained of nothing, and asked nobody but the nodes."""
    assert page.complaints == []
    elsewhere = [url for url in page.requested if not url.startswith("data:") and urlsplit(url).netloc not in addresses]
    assert elsewhere == []
    assert page.evaluate("window.hacked") is None


def addresses_of(cluster: Cluster) -> set[str]:
    return {node.address for node in cluster.nodes.values()}


def other_than(cluster: Cluster, *nodes: Node) -> Node:
    return next(node for node in cluster.nodes.values() if node not in nodes)


def leader_shown(leader: int) -> str:
    """Whether the page shows this leader everywhere alike: in the topology, the logs and the cards."""
    return (
        "(all => all.length === 3 && all.every(e => Number(e.dataset.node) === "
        f"{leader}))([...document.querySelectorAll('[data-node][data-state=leader]')])"
    )


def follow(page: Page, cluster: Cluster, expression: Callable[[int], str], other_than: int | None = None) -> Node:
    """Waits until the page shows what it has to for whoever leads: on a busy machine that may change."""

    def shown() -> Node | None:
        leader = cluster.wait_leader(other_than=other_than)
        return leader if page.evaluate(expression(leader.id)) else None

    return cluster.until(shown, PATIENCE_S, "the page to show the leader")


# ---------------------------------------------------------------- real clusters


def test_every_part_is_there_and_the_leader_is_shown(browser: Browser, cluster: Cluster) -> None:
    for node in cluster.nodes.values():
        with browser.page(f"http://{node.address}/") as page:
            page.until(has_state("#banner", "good"))
            follow(page, cluster, leader_shown)
            leader = follow(page, cluster, lambda leader: says("#banner", f"Node {leader} leads"))
            assert page.text("#leader").startswith("node ")
            for each in cluster.nodes.values():
                assert f"Node {each.id} · {each.program.title}" in page.text(card(each.id))
                assert each.address in page.text(card(each.id))
                track = page.evaluate(f"document.querySelector('.log[data-node=\"{each.id}\"] .track').ariaLabel")
                assert "committed" in track and "snapshot 1" in track
            # A link from the leader to each follower, in the state that it says.
            page.until("document.querySelectorAll('#links g[data-flow=replicate]').length === 2")
            assert page.evaluate("document.querySelectorAll('#lanes rect[data-state=leader]').length") >= 1
            page.until(told("won", f"Node {leader.id} won the election"))
            assert page.text("#config") == "voters {1, 2, 3}"
            assert node.program.title in page.text(card(node.id)) and f"node {node.id}" in page.text("#served")
            check(page, addresses_of(cluster))


def test_a_killed_leader_is_lost_and_then_a_quorum_and_all_come_back(browser: Browser, cluster: Cluster) -> None:
    old = cluster.wait_leader()
    served = other_than(cluster, old)
    third = other_than(cluster, old, served)
    with browser.page(f"http://{served.address}/") as page:
        page.until(has_state("#banner", "good"))
        old.kill()
        page.until(has_state(card(old.id), "lost"))
        assert page.evaluate(has_state(circle(old.id), "lost"))
        page.until(says(card(old.id), "last seen"))
        page.until(told("lost", f"Node {old.id} does not answer"))
        lost = f"Node {old.id} is lost."
        follow(page, cluster, lambda new: has_state(card(new), "leader"), other_than=old.id)
        follow(page, cluster, lambda new: told("won", f"Node {new} won the election"), other_than=old.id)
        follow(page, cluster, lambda new: says("#banner", f"{lost} Node {new} leads. No other may fail."), old.id)
        page.until(f"document.querySelector('#links [data-to=\"{old.id}\"]')?.dataset.flow === 'silent'")
        assert not page.evaluate(is_on(f"{card(old.id)} .lead"))

        third.kill()
        page.until(says("#banner", "No quorum. 1 of 3 voters answers, and 2 are needed"))
        assert page.evaluate(has_state("#banner", "bad"))
        page.until(told("quorum", "There is no quorum"))
        page.until("[...document.querySelectorAll('button')].every(button => button.disabled)")

        old.start()
        third.start()
        page.until(has_state("#banner", "good"))
        page.until(told("back", f"Node {old.id} was restarted, and answers again"))
        page.until(told("quorum", "There is a quorum again"))
        page.until(is_on("#try button"))
        check(page, addresses_of(cluster))


def test_the_page_outlives_the_node_that_served_it(browser: Browser, cluster: Cluster) -> None:
    served = cluster.wait_leader()
    with browser.page(f"http://{served.address}/") as page:
        page.until(has_state("#banner", "good"))
        served.kill()
        follow(page, cluster, lambda new: has_state(card(new), "leader"), other_than=served.id)
        page.until(says("#banner", f"This page came from node {served.id}"))
        href = page.evaluate("document.querySelector('#banner a').href")
        assert urlsplit(href).netloc in addresses_of(cluster) - {served.address}
        page.until("[...document.querySelectorAll('button')].every(button => button.disabled)")
        check(page, addresses_of(cluster))


def test_leadership_moves_by_the_button(browser: Browser, cluster: Cluster) -> None:
    served = cluster.nodes[1]
    with browser.page(f"http://{served.address}/") as page:
        page.until(has_state("#banner", "good"))

        def handed_over(press: Callable[[str], None]) -> bool | None:
            old = follow(page, cluster, leader_shown)
            new = other_than(cluster, old)
            button = f"{card(new.id)} .lead"
            if page.evaluate(is_on(f"{card(old.id)} .lead")) or not page.evaluate(is_on(button)):
                return None
            press(button)
            # Again, if a leader that has just come to its term has let it fall.
            try:
                page.until(told("transfer", f"Node {old.id} hands over to node {new.id}"), timeout_s=5)
                page.until(leader_shown(new.id), timeout_s=5)
            except BrowserError:
                return None
            page.until(told("won", f"Node {new.id} won the election"))
            assert page.text("#said")
            return True

        def press_enter(button: str) -> None:
            page.evaluate(f"document.querySelector({json.dumps(button)}).focus()")
            page.press("Enter", 13, "\r")

        cluster.until(lambda: handed_over(page.click), PATIENCE_S, "the leadership to move")
        cluster.until(lambda: handed_over(press_enter), PATIENCE_S, "the leadership to move by the keyboard")
        check(page, addresses_of(cluster))


def test_members_come_and_go_by_the_buttons(browser: Browser, cluster: Cluster) -> None:
    served = cluster.wait_leader()
    new = cluster.joiner(served.program)
    new.start()
    cluster.wait_serving(new)
    with browser.page(f"http://{served.address}/") as page:
        page.until(is_on("#add button"))
        page.fill("#add [name=id]", str(new.id))
        page.fill("#add [name=address]", served.address)

        def pressed(result: str) -> Callable[[], bool | None]:
            """Presses the button, again if there was no leader, until this has come of it."""

            def press() -> bool | None:
                if page.evaluate(says("#said", result)):
                    return True
                page.until(is_on("#add button"))
                page.click("#add button")
                page.evaluate("new Promise(done => setTimeout(done, 200))")
                return None

            return press

        cluster.until(pressed(f"Node {new.id} was not added:"), PATIENCE_S, "the node to be refused")
        assert page.evaluate("document.querySelector('#said').className") == "failed"
        page.fill("#add [name=address]", new.address)
        cluster.until(pressed(f"Node {new.id} was added"), PATIENCE_S, "the node to be added")
        page.until(f"document.querySelectorAll('#topology .node').length === {len(cluster.nodes)}")
        page.until(told("members", f"Node {new.id} was added"))
        page.until(says("#config", "voters {1, 2, 3, 4}"))
        page.until(f"{has_state(card(new.id), 'follower')} || {has_state(card(new.id), 'leader')}")

        # A removal takes a second press.
        removal = f"{card(new.id)} .remove"
        asked = []

        def removed() -> bool | None:
            if page.evaluate(told("members", f"Node {new.id} was removed")):
                return True
            if page.evaluate(is_on(removal)):
                page.click(removal)
                asked.append(page.text(removal))
            return None

        assert page.text(removal) == "Remove"
        cluster.until(removed, PATIENCE_S, "the node to be removed")
        assert "Really?" in asked
        page.until(says("#config", "voters {1, 2, 3}"))
        page.until(has_state(card(new.id), "removed"))
        new.kill()
        page.until(f"document.querySelectorAll('#topology .node').length === {len(cluster.nodes) - 1}")
        check(page, addresses_of(cluster))


def test_keys_are_put_got_and_deleted_and_shown_as_text(browser: Browser, cluster: Cluster) -> None:
    served = cluster.wait_leader()
    with browser.page(f"http://{served.address}/") as page:
        page.until(is_on("#try button"))
        page.fill("#try [name=key]", NASTY)
        page.fill("#try [name=value]", f"value of {NASTY}")

        def ask(method: str) -> str:
            """Presses a button, again if there was no leader; gives what the page says then."""
            # Of other methods, there may be late answers to what was pressed twice.
            own = f"find(text => text.startsWith('{method} '))"
            answer_to_it = f"[...document.querySelectorAll('#answers li')].map(item => item.textContent).{own}"

            def answered() -> str | None:
                page.until(is_on("#try button"))
                page.evaluate("document.querySelector('#answers').replaceChildren()")
                page.click(f"#try [value={method}]")
                try:
                    answer = str(page.until(answer_to_it, timeout_s=10))
                except BrowserError:
                    return None
                return None if "✕ 503" in answer or re.search("✕ +no answer", answer) else answer

            return cluster.until(answered, PATIENCE_S, f"{method} to be answered")

        assert ask("PUT").startswith(f"PUT {NASTY} ✓")
        got = ask("GET")
        assert got.startswith(f"GET {NASTY} = value of {NASTY}") and got.endswith(" ms")
        assert ask("DELETE").startswith(f"DELETE {NASTY} ✓")
        assert ask("GET").startswith(f"GET {NASTY} ✕ 404")
        assert page.evaluate("document.querySelectorAll('#answers script, #answers img').length") == 0
        page.fill("#try [name=key]", "one")
        assert ask("PUT").startswith("PUT one ✓")
        page.until("Number(document.querySelector('#keys').textContent) === 1")
        check(page, addresses_of(cluster))


# ---------------------------------------------------------------- made-up statuses


@pytest.fixture
def make_fake() -> Iterator[Callable[[int], Fake]]:
    made: list[Fake] = []

    def make(nodes: int) -> Fake:
        made.append(Fake(nodes))
        return made[-1]

    yield make
    for fake in made:
        fake.close()


def test_joint_configurations_and_learners_are_told_apart(browser: Browser, make_fake: Callable[[int], Fake]) -> None:
    fake = make_fake(5)
    fake.configure(voters=[1, 2, 4], voters_outgoing=[1, 2, 3], learners=[5], learners_next=[3])
    with browser.page(f"http://{fake.addresses[0]}/") as page:
        page.until(
            says(
                "#banner",
                "The members change. Node 1 leads. Decisions need majorities of both {1, 2, 3} and {1, 2, 4}.",
            )
        )
        assert page.text("#config") == "joint: {1, 2, 3} and {1, 2, 4}, learners {5}, to be learners {3}"
        assert page.text(f"{circle(4)} .more") == "joins"
        assert page.text(f"{circle(3)} .more") == "becomes learner"
        assert page.text(f"{circle(5)} .role") == "learner"
        kinds = page.evaluate("[...document.querySelectorAll('#topology .node')].map(e => e.dataset.kind)")
        assert kinds == ["voter", "voter", "voter", "voter", "learner"]
        assert not page.evaluate(is_on(f"{card(5)} .lead")) and page.evaluate(is_on(f"{card(4)} .lead"))
        # The quorum is lost as soon as one half has none: two of the old voters are gone.
        fake.statuses[2]["id"] = fake.statuses[3]["id"] = 99
        page.until(says("#banner", "No quorum. 1 of 3 voters of one half of the joint configuration answers"))
        check(page, set(fake.addresses))


def test_flow_states_and_laggards_are_shown(browser: Browser, make_fake: Callable[[int], Fake]) -> None:
    fake = make_fake(4)
    progress = fake.statuses[1]["progress"]
    progress["2"] = fake.progress(state="snapshot", match=0, pending_snapshot=4000, paused=True)
    progress["3"] = fake.progress(state="probe", match=4990)
    progress["4"] = fake.progress(match=1000, recent_active=False)
    fake.statuses[2] |= {"applied": 0, "commit": 0, "first_index": 1, "last_index": 0, "snapshot_index": 0}
    with browser.page(f"http://{fake.addresses[0]}/") as page:
        page.until(has_state(card(2), "catching-up"))
        page.until(has_state(card(4), "cut-off"))
        flows = "[...document.querySelectorAll('#links g')].map(e => e.dataset.flow).join()"
        page.until(f"{flows} === 'snapshot,probe,silent'")
        assert page.text("#links [data-to='2'] text") == "snapshot 4\u202f000"
        assert page.text("#links [data-to='3'] text") == "probe, 10 to go"
        assert page.evaluate(has_state(card(3), "follower"))
        page.until(says("#banner", "Node 2: catching up"))
        assert "5\u202f000 missing" in page.text(".log[data-node='2'] em")
        # Nodes that have applied the same and differ: the worst that can be.
        fake.statuses[3]["state_hash"] = "ffffffffffffffff"
        page.until(says("#banner", "The states differ"))
        check(page, set(fake.addresses))


def test_what_nodes_answer_is_text_and_never_a_page(browser: Browser, make_fake: Callable[[int], Fake]) -> None:
    fake = make_fake(2)
    event = {
        "n": 1,
        "at_s": 1.0,
        "kind": NASTY,
        "node": NASTY,
        "term": NASTY,
        "index": NASTY,
        "from": NASTY,
        "to": NASTY,
    }
    for status in fake.statuses.values():
        for name in ("language", "role", "state_hash", "run"):
            status[name] = NASTY
        status["events"] = [
            event | {"n": n, "type": kind, "reason": NASTY}
            for n, kind in enumerate(
                ("election_won", "leader_changed", "stepped_down", "transfer_ended", "member_added")
            )
        ]
    fake.statuses[1]["role"] = "leader"
    fake.statuses[1]["members"]["3"] = "javascript:alert(1)"
    fake.statuses[1]["members"]["4"] = f"127.0.0.1:1/{NASTY}"
    with browser.page(f"http://{fake.addresses[0]}/") as page:
        page.until(says(card(2), NASTY))
        page.until(says("#events", NASTY))
        page.until(says(card(3), "javascript:alert(1)"))
        page.until(has_state(card(4), "lost"))
        assert page.evaluate(
            "[...document.querySelectorAll('.card a[href]')].map(a => a.closest('.card').dataset.node)"
        ) == ["1", "2"]
        assert page.evaluate("document.querySelectorAll('img, body script').length") == 1
        check(page, set(fake.addresses))


def test_events_of_several_nodes_are_merged_in_order(browser: Browser, make_fake: Callable[[int], Fake]) -> None:
    fake = make_fake(3)
    blank = {"reason": "", "kind": "", "node": 0, "term": 7, "index": 0, "from": 0, "to": 0}
    # The clocks differ by hours: only how long ago something was counts.
    for node, status in fake.statuses.items():
        status["uptime_s"] = up = 10_000.0 * node
        status["events"] = [
            blank | {"n": 1, "at_s": up - 50, "type": "leader_changed", "to": 1},
            blank | {"n": 2, "at_s": up - 30, "type": "member_added", "node": 3, "index": 4000},
            blank | {"n": 3, "at_s": up - 10, "type": "snapshot_made", "index": 4500 + node},
        ]
    fake.statuses[1]["events"].insert(0, blank | {"n": 0, "at_s": 9949.9, "type": "election_won", "from": 2, "to": 1})
    with browser.page(f"http://{fake.addresses[0]}/") as page:
        page.until("document.querySelectorAll('#events [data-kind=snapshot]').length === 3")
        texts = page.evaluate("[...document.querySelectorAll('#events li > span')].map(e => e.textContent)")
        assert sorted(texts[:3]) == [f"Node {node} made a snapshot" for node in (1, 2, 3)]
        assert texts[3:] == ["Node 3 was added", "Node 1 won the election, 2 for it and 1 against"]
        # Node 1 has led for 50 of the 120 seconds that are shown, most of them before the page was opened.
        led = "[...document.querySelectorAll('#lanes rect[data-state=leader]')].map(e => e.width.baseVal.value)"
        width = page.evaluate("document.querySelector('#lanes').viewBox.baseVal.width")
        assert max(page.evaluate(led)) > 0.25 * width
        check(page, set(fake.addresses))


def test_a_member_that_only_another_node_names_is_found(browser: Browser, make_fake: Callable[[int], Fake]) -> None:
    fake = make_fake(3)
    del fake.statuses[1]["members"]["3"]
    with browser.page(f"http://{fake.addresses[0]}/") as page:
        page.until(has_state(card(3), "follower"))
        check(page, set(fake.addresses))


# ---------------------------------------------------------------- for everybody


def test_the_page_suits_narrow_windows_the_dark_and_the_keyboard(
    browser: Browser, make_fake: Callable[[int], Fake]
) -> None:
    fake = make_fake(3)
    with browser.page(f"http://{fake.addresses[0]}/", width=360, height=740) as page:
        page.until(has_state("#banner", "good"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.set_dark(True)
        page.until(f"getComputedStyle(document.body).backgroundColor !== {json.dumps(light)}")
        page.resize(1280, 900)
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        for live in ("#banner", "#answers", "#said"):
            role = page.evaluate(f"(e => e.ariaLive ?? e.getAttribute('role'))(document.querySelector('{live}'))")
            assert role in ("polite", "status")
        # Every field has a label, every button a text; no state is told by its colour alone.
        assert page.evaluate(
            "[...document.querySelectorAll('input')].every(e => e.labels.length && e.labels[0].innerText)"
        )
        assert page.evaluate("[...document.querySelectorAll('button')].every(e => e.innerText.trim())")
        reached = set()
        for _ in range(30):
            page.press("Tab", 9)
            reached.add(page.evaluate("document.activeElement.outerHTML.slice(0, 40)"))
        assert any('name="key"' in tag for tag in reached) and any('class="lead"' in tag for tag in reached)
        assert any('id="events"' in tag for tag in reached)
        check(page, set(fake.addresses))
