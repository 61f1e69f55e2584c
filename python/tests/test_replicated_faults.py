"""Replicated objects on a network that loses, doubles and delays, with members that stop: from seeds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from libraft import ConfChangeType, Role
from libraft.aio import NodeStopped, OutcomeUnknown, Rejected
from libraft.replicated import (
    Replicated,
    ReplicatedCounter,
    ReplicatedDict,
    ReplicatedQueue,
    UnknownMethod,
    member_id,
    query,
    replicated,
)
from virtual import TICK_S, Network, play


class Journal(Replicated):
    """What was called, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    @replicated
    def write(self, line: str) -> int:
        self.lines.append(line)
        if line.endswith("7"):
            raise ValueError(line)
        return len(self.lines)

    @query
    def read(self) -> list[str]:
        return self.lines


def objects() -> list[Replicated]:
    return [Journal(), ReplicatedCounter(), ReplicatedDict(), ReplicatedQueue()]


class Caller:
    """Calls on one member after the other, and knows what must have come of it."""

    def __init__(self, network: Network, number: int) -> None:
        self.network = network
        self.number = number
        self.made: list[str] = []
        self.acknowledged: list[str] = []

    async def work(self, calls: int) -> None:
        random = self.network.random
        for call in range(calls):
            line = f"{self.number}.{call}"
            address = random.choice(self.network.first)
            if address not in self.network.members:
                await asyncio.sleep(TICK_S)
                continue
            journal, counter = self.network.objects[address][:2]
            self.made.append(line)
            try:
                await journal.write(line)
                self.acknowledged.append(line)
                await counter.add(1)
                if random.random() < 0.3:
                    # On any member: it was told of these, whoever told them.
                    known = list(self.acknowledged)
                    lines = await self.network.objects[random.choice(self.network.first)][0].read()
                    assert set(known) <= set(lines), "a read is older than what was acknowledged"
            except ValueError:
                assert line.endswith("7")
                self.acknowledged.append(line)
            except (NodeStopped, OutcomeUnknown, RuntimeError):
                # Its member has stopped.
                pass


async def trouble(network: Network, rounds: int) -> None:
    random = network.random
    for _ in range(rounds):
        await asyncio.sleep(random.uniform(0.2, 2))
        kind = random.randrange(5)
        network.loss, network.doubling = 0.0, 0.1
        if kind == 0:
            network.isolate(random.choice(network.first))
        elif kind == 1:
            network.loss = 0.2
        elif kind == 2 and len(network.members) == len(network.first):
            await network.stop(random.choice(network.first))
        elif kind == 3:
            # There may be none just now, and with two members away none can come.
            network.isolate(*[address for address, member in network.members.items() if member.is_leader][:1])
        else:
            network.cut = set()
        for address in network.first:
            if address not in network.members and random.random() < 0.7:
                await network.start(address)


def storm(seed: int) -> list[Any]:
    """Callers in a storm; gives the journal and the rest of the state."""

    async def scenario(network: Network) -> list[Any]:
        await network.start_all()
        callers = [Caller(network, number) for number in range(4)]
        async with asyncio.TaskGroup() as group:
            troubling = group.create_task(trouble(network, 20))
            working = [group.create_task(caller.work(60)) for caller in callers]
            await troubling
            network.cut, network.loss = set(), 0.0
            for address in network.first:
                if address not in network.members:
                    await network.start(address)
            await asyncio.gather(*working)
        await network.settle()
        states: list[Any] = []
        for address in network.first:
            machine = network.members[address].machine
            sessions = {key: (s.floor, s.last_used, list(s.outcomes)) for key, s in machine.sessions.items()}
            states.append([[one.get_state() for one in machine.objects.values()], sessions, machine.clock_ms])
        assert states[0] == states[1] == states[2]
        (state, counted, _, _), _, _ = states[0]
        lines = state["lines"]
        assert len(lines) == len(set(lines)), "a call was applied twice"
        for caller in callers:
            own = [line for line in lines if line.startswith(f"{caller.number}.")]
            # What nobody was told of may come later than what was called after it, or not at all.
            known = set(caller.acknowledged)
            assert [line for line in own if line in known] == caller.acknowledged, "a call is lost or out of place"
            assert set(own) <= set(caller.made)
        assert counted <= len(lines)
        assert sum(len(caller.acknowledged) for caller in callers) > 20
        snapshots = [storage.snapshot().index for storage in network.storages.values()]
        assert max(snapshots) > 1
        return states

    states: list[Any] = play(scenario, seed, objects)
    return states


@pytest.mark.parametrize("seed", range(8))
def test_every_call_is_applied_once_whatever_happens(seed: int) -> None:
    storm(seed)


def test_a_seed_gives_the_same_run_again() -> None:
    assert storm(100) == storm(100)


def test_members_restart_with_all_state_and_sessions() -> None:
    async def scenario(network: Network) -> None:
        await network.start_all()
        _, counter, d, q = network.objects[network.first[0]]
        for number in range(100):
            await counter.add(1)
            await d.set(number % 7, {"n": (number, {number})})
            await q.put([number])
        await network.settle()
        cluster = network.members[network.first[0]]
        sessions = cluster.machine.sessions.keys()
        state = [one.get_state() for one in network.objects[network.first[0]]]
        for address in network.first:
            await network.stop(address)
        for address in network.first:
            await network.start(address)
        await network.settle()
        for address in network.first:
            assert [one.get_state() for one in network.objects[address]] == state
            assert network.members[address].machine.sessions.keys() == sessions
            assert network.storages[address].snapshot().index > 100
        assert await network.objects[network.first[2]][1].add(1) == 101

    play(scenario, 1, objects)


def test_an_outcome_that_came_by_a_snapshot_is_given_to_its_caller() -> None:
    async def scenario(network: Network) -> None:
        await network.start_all()
        leader = await network.leader()
        away = next(address for address in network.first if address != leader.address)
        cluster, journal = network.members[away], network.objects[away][0]
        await journal.write("first")
        calls = [asyncio.create_task(journal.write(line)) for line in ("one", "17", "two")]
        # They reach the leader, and nothing comes back until the log has been compacted.
        await asyncio.sleep(0.04)
        network.isolate(away)
        other = network.objects[leader.address][0]
        for number in range(100):
            with contextlib.suppress(ValueError):
                await other.write(f"other {number}")
        assert network.storages[leader.address].first_index() > cluster.node.applied + 20
        network.isolate()
        results = await asyncio.gather(*calls, return_exceptions=True)
        lines = await other.read()
        assert [lines.count(line) for line in ("one", "17", "two")] == [1, 1, 1]
        assert lines.index("one") + 1 == results[0] and lines.index("two") + 1 == results[2]
        assert isinstance(results[1], ValueError) and results[1].args == ("17",)
        # They were applied before the others, so that they came by the snapshot.
        assert lines.index("two") < lines.index("other 0") and network.storages[away].snapshot().index > 50

    play(scenario, 3, objects)


def test_members_are_added_and_removed_while_it_runs() -> None:
    async def scenario(network: Network) -> None:
        first = (await network.start_all())[0]
        counter = network.objects[network.first[0]][1]
        for _ in range(60):
            await counter.add(1)
        await network.start("member:4", join=True)
        await first.add_member("member:4")
        await first.add_member("member:4")
        added = network.objects["member:4"][1]
        assert await added.add(1) == 61
        assert network.members["member:4"].members == sorted([*network.first, "member:4"])
        # Again after the last one: each of the first members leaves, and the group goes on.
        for address in ("member:1", "member:2"):
            await network.members["member:4"].remove_member(address)
            await network.stop(address)
            del network.storages[address]
        await network.members["member:4"].remove_member("member:1")
        assert await added.add(1) == 62
        await network.settle()
        assert network.members["member:3"].members == ["member:3", "member:4"]
        # It comes back as a new one.
        await network.start("member:1", join=True)
        await network.members["member:3"].add_member("member:1")
        await network.settle()
        assert network.objects["member:1"][1].local == 62
        alone = network.members["member:3"]
        for address in ("member:1", "member:4"):
            await alone.remove_member(address)
            await network.stop(address)
        assert await network.objects["member:3"][1].add(1) == 63
        with pytest.raises(Rejected, match="last one"):
            last = member_id(alone.name, "member:3")
            await alone.node.propose_conf_change(ConfChangeType.REMOVE_NODE, last)
        assert alone.status().role == Role.LEADER

    play(scenario, 4, objects)


def test_an_address_that_nobody_could_connect_to_is_no_member() -> None:
    async def scenario(network: Network) -> None:
        clusters = await network.start_all()
        for address in ("10.0.0.4", "a:b", "", "\ud800:1"):
            with pytest.raises(ValueError):
                await clusters[0].add_member(address)
        # One that came into the log all the same is refused there, by everybody.
        for context in (b"10.0.0.4", b"\xff:1", b""):
            with pytest.raises(Rejected, match="no address"):
                await clusters[0].node.propose_conf_change(ConfChangeType.ADD_NODE, 99, context)
        await network.settle()
        assert all(cluster.members == network.first for cluster in clusters)
        assert await network.objects["member:1"][1].add(1) == 1

    play(scenario, 6, objects)


class Older(Replicated):
    def __init__(self) -> None:
        super().__init__("prices")
        self.prices: dict[str, int] = {}

    @replicated
    def put(self, name: str, price: int) -> int:
        self.prices[name] = price
        return price


class Newer(Replicated):
    def __init__(self) -> None:
        super().__init__("prices")
        self.prices: dict[str, int] = {}

    @replicated
    def put(self, name: str, price: int) -> int:
        self.prices[name] = price
        return price

    @put.version(2)
    def put_rounded(self, name: str, price: int) -> int:
        self.prices[name] = round(price, -1)
        return self.prices[name]

    @replicated(since=2)
    def drop(self, name: str) -> int:
        return self.prices.pop(name)


def test_new_code_is_rolled_out_member_by_member() -> None:
    async def scenario(network: Network) -> None:
        await network.start_all()
        assert await network.objects["member:1"][0].put("a", 17) == 17
        network.make_objects = lambda: [Newer(), ReplicatedCounter("new", since=2)]
        for address in ("member:1", "member:2"):
            await network.stop(address)
            await network.start(address, version=2)
        newer, counter = network.objects["member:1"]
        # While one member has the older code, all do what that does.
        assert await newer.put("b", 17) == 17
        for call in (newer.drop("b"), counter.add(1)):
            with pytest.raises(UnknownMethod, match="version 1"):
                await call
        with pytest.raises(ValueError, match="up to 1"):
            await network.members["member:3"].set_version(2)
        # The member that does not know it stops rather than go another way.
        assert await network.members["member:2"].set_version(2) == 2
        with pytest.raises(NodeStopped, match="upgrade it"):
            await network.members["member:3"].node.wait_stopped()
        await network.stop("member:3")
        assert await newer.put("c", 17) == 20 and await newer.drop("b") == 17 and await counter.add(1) == 1
        await network.start("member:3", version=2)
        await network.settle()
        assert all(one[0].prices == {"a": 17, "c": 20} and one[1].local == 1 for one in network.objects.values())
        assert await network.members["member:3"].set_version(1) == 2

    play(scenario, 5, lambda: [Older()])
