"""Replicated objects: what calls do, on any member, when all is well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from libraft.aio import NodeStopped
from libraft.replicated import (
    Cluster,
    EncodingError,
    Replicated,
    ReplicatedCounter,
    ReplicatedDict,
    ReplicatedPriorityQueue,
    ReplicatedQueue,
    ReplicatedSet,
    ResultError,
    UnknownMethod,
    query,
    replicated,
)
from virtual import Network, play

Scenario = Callable[..., Coroutine[Any, Any, None]]


class Bank(Replicated):
    def __init__(self) -> None:
        super().__init__()
        self.accounts: dict[str, int] = {}

    @replicated
    def deposit(self, name: str, amount: int) -> int:
        """Puts money in."""
        if amount < 0:
            raise ValueError(f"{amount} is no deposit")
        self.accounts[name] = self.accounts.get(name, 0) + amount
        return self.accounts[name]

    @replicated
    def move(self, source: str, target: str, amount: int) -> list[int]:
        # Within one command: these two are no calls of their own.
        Bank.take(self, source, amount)
        self.deposit(target, amount)  # type: ignore[unused-coroutine]
        return [self.accounts[source], self.accounts[target]]

    @replicated
    def take(self, name: str, amount: int) -> None:
        if self.accounts.get(name, 0) < amount:
            raise LookupError("not enough", name)
        self.accounts[name] -= amount

    @replicated
    def everything(self) -> dict[str, int]:
        return self.accounts

    @replicated
    def nonsense(self) -> object:
        return object()

    @query
    def balance(self, name: str) -> int:
        return self.accounts.get(name, 0)

    @query
    def accounts_now(self) -> dict[str, int]:
        return self.accounts


def on_three(objects: Callable[[], Sequence[Replicated]]) -> Callable[[Scenario], Callable[[], None]]:
    """Runs a test with the objects of three members."""

    def decorate(test: Scenario) -> Callable[[], None]:
        def run() -> None:
            async def scenario(network: Network) -> None:
                await network.start_all()
                await test(network, *[network.objects[address] for address in network.first])

            play(scenario, objects=objects)

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate


@on_three(lambda: [Bank()])
async def test_a_call_on_any_member_is_applied_on_all(network: Network, *members: Any) -> None:
    for number, (bank,) in enumerate(members, 1):
        assert await bank.deposit("a", amount=5) == 5 * number
        # Applied here when the call returns.
        assert bank.local.balance("a") == 5 * number
        assert await members[number % 3][0].balance("a") == 5 * number
    await network.settle()
    assert [bank.accounts for (bank,) in members] == [{"a": 15}] * 3
    assert "Puts money in." in (Bank.deposit.__doc__ or "")


@on_three(lambda: [Bank()])
async def test_many_calls_at_once_all_count(network: Network, *members: Any) -> None:
    results = await asyncio.gather(*(members[n % 3][0].deposit("a", 1) for n in range(900)))
    assert sorted(results) == list(range(1, 901))


@on_three(lambda: [Bank()])
async def test_what_a_method_raises_reaches_the_caller(network: Network, *members: Any) -> None:
    bank = members[0][0]
    with pytest.raises(ValueError, match="-1 is no deposit"):
        await bank.deposit("a", -1)
    with pytest.raises(TypeError, match="argument"):
        await bank.deposit("a")
    with pytest.raises(TypeError, match="unexpected"):
        await bank.deposit("a", 1, colour="red")
    with pytest.raises(TypeError):
        await bank.deposit("a", "x")
    with pytest.raises(LookupError) as caught:
        await bank.move("a", "b", 3)
    assert caught.value.args == ("not enough", "a")
    assert await bank.deposit("a", 5) == 5
    assert await bank.move("a", "b", 3) == [2, 3]
    await network.settle()
    assert all(bank.accounts == {"a": 2, "b": 3} for (bank,) in members)


@on_three(lambda: [Bank()])
async def test_unknown_names_and_values_that_are_not_plain_are_refused(network: Network, *members: Any) -> None:
    bank = members[1][0]
    cluster: Cluster = bank._cluster
    for name, method in [("Bank", "balance"), ("Bank", "__init__"), ("Bank", "nothing"), ("Shop", "deposit")]:
        with pytest.raises(UnknownMethod):
            await cluster.invoke(name, method, [], {})
    await network.settle()
    for member in network.members.values():
        member.check_running()
    applied = cluster.node.applied
    for value in (object(), Bank, bytearray(b"x"), [[object()]], {1: {2: print}}):
        with pytest.raises(EncodingError):
            await bank.deposit(value, 1)
    with pytest.raises(EncodingError, match="are allowed"):
        await bank.deposit("a" * 2_000_000, 1)
    # None of these came as far as the log.
    assert cluster.node.applied == applied
    with pytest.raises(ResultError, match="a builtins"):
        await bank.nonsense()
    assert not cluster._under_way


@on_three(lambda: [Bank()])
async def test_no_part_of_the_state_is_handed_out(network: Network, *members: Any) -> None:
    bank = members[0][0]
    await bank.deposit("a", 1)
    for given in (await bank.everything(), await bank.accounts_now(), bank.local.accounts_now()):
        assert given == {"a": 1}
        given["a"] = 1000
    assert bank.accounts == {"a": 1}


@on_three(lambda: [ReplicatedDict("d"), ReplicatedCounter("c"), ReplicatedSet("s")])
async def test_dict_counter_and_set(network: Network, first: Any, second: Any, third: Any) -> None:
    (d, c, s), (d2, c2, s2), (d3, _, s3) = first, second, third
    await d.set("k", [1, (2, b"x"), {3}, None, 10**50])
    assert await d2.get("k") == [1, (2, b"x"), {3}, None, 10**50]
    assert await d3.setdefault("k", 0) == await d2.get("k") and await d.setdefault("new") is None
    assert await d.replace("k", 1, 2) is False and await d.replace("n", None, 2) is True
    await d.update({"a": 1, ("t", 1): 2})
    assert await d3.copy() == {"k": d.local["k"], "new": None, "n": 2, "a": 1, ("t", 1): 2}
    assert (await d.pop("a"), await d.pop("a", "gone"), await d3.size()) == (1, "gone", 4)
    assert await d3.contains("n") is True and await d3.contains("a") is False
    with pytest.raises(KeyError, match="nobody"):
        await d.delete("nobody")
    with pytest.raises(TypeError):
        await d.set([], 1)
    await d2.delete("n")
    await d2.clear()
    assert dict(d2.local) == {} == await d.copy()

    assert (await c.add(), await c2.add(2), await c.set(10), await c2.add(-0.5), await c.get()) == (1, 3, 10, 9.5, 9.5)
    with pytest.raises(TypeError):
        await c.set("x")
    assert c.local == 9.5

    assert (await s.add(1), await s2.add(1), await s.update({"b", "a", 1}), await s.update([5, 4])) == (1, 0, 2, 2)
    assert await s3.copy() == [1, "a", "b", 5, 4] and 4 in s3.local and await s3.contains("a")
    assert (await s.discard("a"), await s.discard("a"), await s2.pop(), await s.size()) == (True, False, 1, 3)
    with pytest.raises(KeyError):
        await s.remove("a")
    await s.remove(5)
    await s.clear()
    with pytest.raises(KeyError, match="empty"):
        await s.pop()


@on_three(lambda: [ReplicatedQueue("q", max_items=2), ReplicatedPriorityQueue("p")])
async def test_queues(network: Network, first: Any, second: Any, third: Any) -> None:
    (q, p), (q2, p2), (q3, _) = first, second, third
    assert (await q.put("a"), await q2.put(None), await q3.put("c"), await q.size()) == (True, True, False, 2)
    assert (await q.take(), await q2.take(), await q2.get("none")) == ("a", None, "none")
    waiting = [asyncio.create_task(q3.take()) for _ in range(2)]
    await asyncio.sleep(1)
    assert await q.put(1) and await q2.put(2)
    assert sorted(await asyncio.gather(*waiting)) == [1, 2] and q3.local == ()
    await network.settle()
    given_up = asyncio.create_task(q3.take())
    await asyncio.sleep(1)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert not q3._watchers

    for priority, item in [(2, "b"), (1, "a"), (2, {"c": 1}), (0.5, "first"), (2, "d")]:
        assert await p.put(priority, item)
    await network.settle()
    assert [item for _, item in p2.local] == ["first", "a", "b", {"c": 1}, "d"]
    assert [await p2.get() for _ in range(6)] == ["first", "a", "b", {"c": 1}, "d", None]
    for wrong, error in [("x", TypeError), (True, TypeError), (float("nan"), ValueError)]:
        with pytest.raises(error):
            await p.put(wrong, "x")


@on_three(lambda: [Bank(), ReplicatedQueue()])
async def test_calls_that_are_cancelled_leave_nothing_behind(network: Network, *members: Any) -> None:
    bank = members[0][0]
    cluster: Cluster = bank._cluster
    network.isolate(cluster.address)
    tasks = [asyncio.create_task(bank.deposit("a", 1)) for _ in range(5)]
    tasks.append(asyncio.create_task(bank.balance("a")))
    await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    assert not cluster._under_way and cluster.node.waiting == 0
    await network.settle()
    # Their outcome is unknown, but what comes next is not disturbed.
    assert await bank.deposit("b", 1) == 1


@on_three(lambda: [Bank(), ReplicatedQueue()])
async def test_closing_answers_whoever_waits(network: Network, *members: Any) -> None:
    bank, queue = members[0]
    network.isolate(network.first[0])
    waits = [bank.deposit("a", 1), bank.balance("a"), queue.take(), queue.changed()]
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.sleep(0.01)
    await network.stop(network.first[0])
    for task in tasks:
        with pytest.raises(NodeStopped):
            await task
    with pytest.raises(RuntimeError, match="no cluster"):
        await bank.deposit("a", 1)


def test_an_object_is_given_to_a_cluster_once() -> None:
    bank = Bank()

    def cluster(*objects: Replicated, **options: Any) -> Cluster:
        return Cluster("a:1", ["b:1"], objects=objects, data=None, **options)

    with pytest.raises(ValueError, match="host:port"):
        cluster(bank, listen="nowhere")
    # That one came to nothing. This one is never started, and has it for good.
    cluster(bank)
    for _ in range(2):
        with pytest.raises(ValueError, match="'Bank' has been given to a cluster before: make a new one"):
            cluster(ReplicatedDict(), bank)


@on_three(lambda: [ReplicatedDict()])
async def test_a_dict_is_updated_by_dicts_alone(network: Network, first: Any, second: Any, third: Any) -> None:
    for wrong in ({("a", 1)}, [("a", 1)], ["ab"], None):
        with pytest.raises(TypeError, match="a dict"):
            await first[0].update(wrong)
    assert await second[0].copy() == {}


def test_what_can_be_known_to_be_wrong_is_refused_at_once() -> None:
    def cluster(*objects: Replicated, **options: Any) -> Cluster:
        return Cluster("a:1", options.pop("peers", ["b:1"]), objects=objects, data=None, **options)

    with pytest.raises(ValueError, match="two objects are called 'Bank'"):
        cluster(Bank(), Bank())
    with pytest.raises(ValueError, match="twice"):
        cluster(peers=["a:1"])
    for address in ("nothing", ":1", "a:b", "a:70000"):
        with pytest.raises(ValueError, match="host:port"):
            cluster(peers=[address])
    with pytest.raises(ValueError, match="empty secret"):
        cluster(secret="")

    class Wrong(Replicated):
        def __init__(self) -> None:
            super().__init__()
            self.lock = object()

    with pytest.raises(EncodingError, match="the state of 'Wrong'"):
        cluster(Wrong())
    with pytest.raises(TypeError, match="ordinary function"):

        @replicated
        async def waits(self: Any) -> None: ...

    with pytest.raises(RuntimeError, match="no cluster"):
        Bank().deposit  # noqa: B018
    with pytest.raises(AttributeError, match="no query"):
        Bank().local.deposit("a", 1)
    with pytest.raises(RuntimeError, match="no cluster"):
        Bank.deposit(Bank(), "a", 1)
