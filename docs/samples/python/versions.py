"""New code beside old code: what a method does is a matter of the cluster's version."""

import asyncio

from libraft.replicated import Cluster, Replicated, UnknownMethod, replicated


# --8<-- [start:versions]
class Prices(Replicated):
    def __init__(self) -> None:
        super().__init__()
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
    def drop(self, name: str) -> None:
        del self.prices[name]


# --8<-- [end:versions]
async def main() -> None:
    prices = Prices()
    async with Cluster("127.0.0.1:24901", objects=[prices], data=None, version=2, tick_s=0.01) as cluster:
        print(await prices.put("tea", 17))
        try:
            await prices.drop("tea")
        except UnknownMethod as error:
            print(error)
        # --8<-- [start:switch]
        await cluster.set_version(2)  # when every member runs the new code
        # --8<-- [end:switch]
        print(await prices.put("tea", 17))
        await prices.drop("tea")


asyncio.run(main())
