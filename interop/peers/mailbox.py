"""What a peer received, in order, until somebody asks for it."""

import asyncio


class Mailbox:
    def __init__(self, owner):
        self.owner, self.kept, self.arrived = owner, [], asyncio.Event()

    def put(self, item):
        self.kept.append(item)
        self.arrived.set()

    def clear(self):
        self.kept.clear()

    async def next(self, wanted=lambda item: True, within=8, what="message"):
        """Takes out the first item that is wanted, waiting for it if need be."""
        async def search():
            while True:
                for item in self.kept:
                    if wanted(item):
                        self.kept.remove(item)
                        return item
                self.arrived.clear()
                await self.arrived.wait()
        try:
            return await asyncio.wait_for(search(), within)
        except asyncio.TimeoutError:
            raise TimeoutError(f"{self.owner} received no {what} in {within} s"
                               + (f", but {self.kept}" if self.kept else "")) from None

    async def stays_empty(self, seconds=0.6):
        """Fails if anything is there or comes within `seconds`."""
        await asyncio.sleep(seconds)
        assert not self.kept, f"{self.owner} received {self.kept}, and should not have"
