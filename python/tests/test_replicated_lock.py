"""Locks with leases: nobody else has a lock while its holder counts on it. On a made-up clock, from seeds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import pytest

from libraft.aio import NodeStopped
from libraft.replicated import LockLost, Replicated, ReplicatedLock
from virtual import TICK_S, Network, play


def objects() -> list[Replicated]:
    return [ReplicatedLock()]


def locks_of(network: Network) -> list[Any]:
    return [network.objects[address][0] for address in network.first]


def scene(test: Any) -> Any:
    def run() -> None:
        async def scenario(network: Network) -> None:
            await network.start_all()
            await test(network, *locks_of(network))

        play(scenario, 1, objects)

    run.__name__ = test.__name__
    return run


@scene
async def test_one_holder_at_a_time_and_growing_tokens(network: Network, one: Any, two: Any, three: Any) -> None:
    async with one.hold("k", ttl_s=5) as first:
        assert first.remaining_s > 4
        assert await two.acquire("k", wait=False) is None
        assert await three.token("k") == first.token and await three.held() == ["k"]
        # Another key is another lock.
        async with two.hold("other", ttl_s=5) as other:
            assert other.token > first.token
        waiting = asyncio.create_task(two.acquire("k", ttl_s=5))
        await asyncio.sleep(30)
        # Renewed all the while.
        first.check()
        assert not waiting.done() and not first.lost.is_set()
    second = await waiting
    assert second.token > first.token and first.remaining_s == 0
    with pytest.raises(LockLost):
        first.check()
    await second.release()
    with pytest.raises(LockLost):
        await second.release()
    assert await one.held() == []


@scene
async def test_an_idle_lock_adds_nothing_to_the_log(network: Network, one: Any, two: Any, three: Any) -> None:
    async with one.hold(ttl_s=5):
        pass
    cluster = network.members[network.first[0]]
    before, clock = cluster.status().last_index, cluster.machine.clock_ms
    await asyncio.sleep(60)
    assert (cluster.status().last_index, cluster.machine.clock_ms) == (before, clock)


@scene
async def test_a_lease_whose_holder_is_gone_ends(network: Network, one: Any, two: Any, three: Any) -> None:
    leader = await network.leader()
    away = next(address for address in network.first if address != leader.address)
    lease = await network.objects[away][0].acquire("k", ttl_s=5)
    loop = asyncio.get_running_loop()
    taken_s = loop.time()
    await network.stop(away)
    # Nothing renews it any more; until it ends, its holder may count on it.
    other = await network.objects[leader.address][0].acquire("k", ttl_s=5)
    assert lease.lost.is_set() and 4.9 < loop.time() - taken_s < 7
    await other.release()
    await lease._renewing


@scene
async def test_a_lost_lock_is_reported(network: Network, one: Any, two: Any, three: Any) -> None:
    leader = await network.leader()
    away = next(address for address in network.first if address != leader.address)
    mine, others = network.objects[away][0], network.objects[leader.address][0]
    with pytest.raises(LockLost):
        async with mine.hold("k", ttl_s=5) as lease:
            network.isolate(away)
            loop = asyncio.get_running_loop()
            await lease.lost.wait()
            lost_s = loop.time()
            with pytest.raises(LockLost):
                lease.check()
            async with others.hold("k", ttl_s=5) as next_lease:
                assert loop.time() >= lost_s and next_lease.token > lease.token
            network.isolate()
    with pytest.raises(ZeroDivisionError):
        async with mine.hold("k", ttl_s=5) as lease:
            assert await others.break_lock("k") is True
            await lease.lost.wait()
            raise ZeroDivisionError
    assert await mine.token("k") is None


@scene
async def test_giving_up_waiting_leaves_no_lock_behind(network: Network, one: Any, two: Any, three: Any) -> None:
    held = await one.acquire("k", ttl_s=5)
    waiting = asyncio.create_task(two.acquire("k", ttl_s=5))
    await asyncio.sleep(1)
    waiting.cancel()
    # This one is on its way to the log when it is given up.
    asking = asyncio.create_task(two.acquire("j", ttl_s=60))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(waiting, asking, return_exceptions=True)
    assert waiting.cancelled() and asking.cancelled()
    begun_s = asyncio.get_running_loop().time()
    async with three.hold("j", ttl_s=5):
        assert asyncio.get_running_loop().time() - begun_s < 5
    await held.release()
    for wrong in (0, -1.0):
        with pytest.raises(ValueError):
            one.hold(ttl_s=wrong)
    with pytest.raises(ValueError, match="positive number"):
        await one.try_acquire("k", 0)


@scene
async def test_a_lease_that_is_let_go_is_not_counted_on(network: Network, one: Any, two: Any, three: Any) -> None:
    lease = await one.acquire("k", ttl_s=5)
    # Before what renews it has begun.
    releasing = asyncio.create_task(lease.release())
    assert lease.remaining_s > 0
    await asyncio.sleep(0)
    assert lease.lost.is_set() and lease.remaining_s == 0
    with pytest.raises(LockLost):
        lease.check()
    await releasing
    # Nor is it used again, as a block or otherwise.
    with pytest.raises(RuntimeError, match="used once"):
        async with lease:
            pass
    again = two.hold("k", ttl_s=5)
    async with again:
        with pytest.raises(RuntimeError, match="used once"):
            async with again:
                pass
        again.check()
    assert await one.held() == []


@scene
async def test_letting_go_can_be_cancelled_and_goes_on(network: Network, one: Any, two: Any, three: Any) -> None:
    begun_s = asyncio.get_running_loop().time()
    for waits in (0.0, 0.001):
        lease = await one.acquire("k", ttl_s=60)
        await asyncio.sleep(waits)
        releasing = asyncio.create_task(lease.release())
        await asyncio.sleep(0)
        releasing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await releasing
        async with two.hold("k", ttl_s=5):
            assert asyncio.get_running_loop().time() - begun_s < 5


@scene
async def test_a_lease_that_is_over_when_it_is_granted(network: Network, one: Any, two: Any, three: Any) -> None:
    applied = network.members["member:1"].node.applied
    # No command is so fast.
    with pytest.raises(LockLost, match="commands take longer than the"):
        async with one.hold("k", ttl_s=0.001):
            pass
    with pytest.raises(LockLost, match="take longer"):
        await two.acquire("k", ttl_s=0.001)
    await network.settle()
    assert network.members["member:1"].node.applied - applied < 30
    # Given up while it is begun anew.
    begun_s = asyncio.get_running_loop().time()
    lease = one.hold("j", ttl_s=60)
    lease._count_from = lambda asked_s: None
    entering = asyncio.create_task(lease.__aenter__())
    while not lease.token:
        await asyncio.sleep(0.001)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert lease.lost.is_set()
    async with two.hold("j", ttl_s=5), two.hold("k", ttl_s=5):
        assert asyncio.get_running_loop().time() - begun_s < 5


@pytest.mark.parametrize("seed", range(8))
def test_nobody_else_has_a_lock_while_its_holder_counts_on_it(seed: int) -> None:
    """Holders note when they count on the lock, by the time of all, on a network that does its worst."""

    async def scenario(network: Network) -> None:
        await network.start_all()
        loop = asyncio.get_running_loop()
        holding: list[tuple[float, float, int]] = []
        tokens: list[int] = []
        over = False

        async def holder(address: str) -> None:
            while not over:
                if address not in network.members:
                    await asyncio.sleep(TICK_S)
                    continue
                lock = network.objects[address][0]
                lease = None
                with contextlib.suppress(LockLost, NodeStopped, RuntimeError):
                    async with lock.hold("k", ttl_s=2) as lease:
                        begun = loop.time()
                        assert lease.remaining_s > 0
                        tokens.append(lease.token)
                        wanted = begun + network.random.uniform(0, 4)
                        while loop.time() < wanted and lease.remaining_s > 0 and not over:
                            assert not [token for token in tokens if token > lease.token], "two have the lock"
                            await asyncio.sleep(min(0.05, lease.remaining_s))
                        holding.append((begun, loop.time(), lease.token))
                await asyncio.sleep(network.random.uniform(0, 0.5))

        async def trouble() -> None:
            nonlocal over
            draw = network.random
            for _ in range(40):
                await asyncio.sleep(draw.uniform(0.1, 3))
                kind = draw.randrange(4)
                network.loss = 0.0
                if kind == 0:
                    network.isolate(draw.choice(network.first))
                elif kind == 1:
                    network.loss = 0.3
                elif kind == 2 and len(network.members) == 3:
                    await network.stop(draw.choice(network.first))
                else:
                    network.isolate()
                for address in network.first:
                    if address not in network.members and draw.random() < 0.6:
                        await network.start(address)
            network.cut, network.loss, over = set(), 0.0, True
            for address in network.first:
                if address not in network.members:
                    await network.start(address)

        async with asyncio.TaskGroup() as group:
            group.create_task(trouble())
            for address in network.first:
                group.create_task(holder(address))
        await network.settle()
        holding.sort()
        for (_, ended, token), (begun, _, later) in itertools.pairwise(holding):
            assert ended <= begun and token < later, "two have the lock"
        assert len(holding) > 10

    play(scenario, seed, objects)


@pytest.mark.parametrize("seed", range(4))
def test_the_replicated_clock_is_never_faster_than_time(seed: int) -> None:
    async def scenario(network: Network) -> None:
        await network.start_all()
        network.loss = 0.1
        lease = await locks_of(network)[0].acquire("forever", ttl_s=1e6)
        loop = asyncio.get_running_loop()
        for _ in range(60):
            await asyncio.sleep(network.random.uniform(0, 1))
            if network.random.random() < 0.2:
                network.isolate(network.random.choice(network.first))
            elif network.random.random() < 0.3:
                network.isolate()
            clocks = [member.machine.clock_ms for member in network.members.values()]
            assert max(clocks) / 1000 <= loop.time()
        await network.settle()
        assert lease.remaining_s > 0
        before = network.members[network.first[0]].machine.clock_ms
        await asyncio.sleep(10)
        # Nor much slower: each of its entries takes a while to come about, which it does not count.
        assert network.members[network.first[0]].machine.clock_ms >= before + 5000
        await lease.release()

    play(scenario, seed, objects)
