"""Accounts on several machines, with a method of our own: python bank.py ADDRESS OTHER_ADDRESS.. until Ctrl-C.

Each member deposits 100 into the account of all, and moves 10 of them to an account of its own.
"""

import asyncio
import contextlib
import sys

from libraft.replicated import Cluster, Replicated, query, replicated


# --8<-- [start:bank]
class Bank(Replicated):
    def __init__(self) -> None:
        super().__init__()
        self.accounts: dict[str, int] = {}

    @replicated
    def deposit(self, name: str, amount: int) -> int:
        self.accounts[name] = self.accounts.get(name, 0) + amount
        return self.accounts[name]

    @replicated
    def move(self, source: str, target: str, amount: int) -> None:
        # First check, then act: what a method has changed when it raises stays changed.
        if self.accounts.get(source, 0) < amount:
            raise ValueError("not enough")
        Bank.deposit(self, source, -amount)
        Bank.deposit(self, target, amount)

    @query
    def balance(self, name: str) -> int:
        return self.accounts.get(name, 0)


# --8<-- [end:bank]
# --8<-- [start:use]
async def main(address: str, *peers: str) -> None:
    bank = Bank()
    async with Cluster(address, peers, objects=[bank], data=f"bank-{address}", secret="change me"):
        await bank.deposit("all", 100)
        await bank.move("all", address, 10)
        try:
            await bank.move(address, "all", 1000)
        except ValueError as error:
            print("refused:", error)
        print("mine", await bank.balance(address), "- all", bank.local.balance("all"), flush=True)
        await asyncio.Event().wait()


# --8<-- [end:use]

with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(*sys.argv[1:]))
