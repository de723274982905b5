"""The people and programs of a run: juliet and nurse chat at Prosody, romeo (baresip) and benvolio (scripted) have
phones at Kamailio, and stox is between them."""

import asyncio
import contextlib

from peers.baresip import Baresip
from peers.chat import Chat
from peers.kamailio import Kamailio
from peers.phone import Phone
from peers.place import Place
from peers.prosody import Prosody
from peers.stox import Stox


class World:
    def __init__(self, name, binary):
        self.place = place = Place(name)
        self.prosody, self.kamailio, self.baresip = Prosody(place), Kamailio(place), Baresip(place)
        self.stox = Stox(place, binary)
        self.juliet, self.nurse = Chat(place, "juliet"), Chat(place, "nurse")
        self.benvolio = Phone(place, "benvolio")
        self.bridged = False
        self.stage, self.broken = None, {}

    async def start(self):
        """Everything but stox."""
        await asyncio.gather(self.prosody.start(), self.kamailio.start())
        await self.benvolio.open()
        await asyncio.gather(self.baresip.start(), self.benvolio.register(), self.juliet.login(), self.nurse.login())

    async def bridge(self):
        """stox, too; once more if it has ended."""
        if not self.stox.running:
            await self.stox.start()
        self.bridged = True

    async def set(self, stage):
        """Builds this stage, a class or None, unless it stands already."""
        if type(self.stage) is stage or self.stage is stage is None:
            return
        await self.clear()
        if stage in self.broken:
            raise RuntimeError(self.broken[stage])
        if stage:
            self.stage = stage(self)
            try:
                await self.stage.start()
            except Exception as error:
                self.broken[stage] = f"{stage.__name__} does not stand: {type(error).__name__} {error}"
                await self.clear()
                raise RuntimeError(self.broken[stage]) from error

    async def clear(self):
        if self.stage:
            await self.stage.stop()
        self.stage = None

    def ended(self):
        """The instance of stox that should run and does not."""
        if self.bridged and not self.stox.running:
            return self.stox
        return self.stage and self.stage.ended()

    async def stop(self):
        await self.clear()
        for chat in (self.juliet, self.nurse):
            with contextlib.suppress(Exception):
                await chat.logout()
        self.benvolio.close()
        for program in (self.stox, self.baresip, self.kamailio, self.prosody):
            await program.stop()

    def fresh(self):
        """Forgets what earlier checks left behind."""
        for one in (self.juliet, self.nurse, self.baresip, self.benvolio):
            one.mail.clear()
        for one in (self.juliet, self.nurse):
            one.errors.clear()
        self.benvolio.answers = lambda request: "200 OK"
        if self.stage:
            self.stage.fresh()

    async def nothing_crosses(self, seconds=0.6):
        await asyncio.sleep(seconds)
        for one in (self.juliet, self.nurse, self.baresip, self.benvolio):
            await one.mail.stays_empty(0)

    @contextlib.asynccontextmanager
    async def phone(self, user, **more):
        """One more phone, registered for as long as the block runs."""
        phone = await Phone(self.place, user, **more).open()
        try:
            yield await phone.register()
            await phone.register(expires=0)
        finally:
            phone.close()

    @contextlib.asynccontextmanager
    async def stranger(self, host="127.0.0.1"):
        """A SIP sender whom nobody has registered, possibly at another address."""
        phone = await Phone(self.place, "benvolio", host=host).open()
        try:
            yield phone
        finally:
            phone.close()
