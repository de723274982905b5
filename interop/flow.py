"""Messages that flow while something is done to their way, with an account of each."""

import asyncio
import re
import secrets
from dataclasses import dataclass
from typing import Callable

from ledger import Ledger
from peers.chat import Chat
from peers.phone import Phone

#: The pause between two messages.
PAUSE = 0.02
#: What may be on its way through one server at one moment, at 50 messages a second.
IN_FLIGHT = 5
NUMBER = re.compile(r"flow (\d+)")


@dataclass
class Flow:
    """One who chats and one with a phone. `jid` is the phone's for the chat; `send(text)` sends from the phone to the chat
    and returns the final response."""

    chat: Chat
    phone: Phone
    jid: str
    send: Callable
    #: Eight seconds of talk, unless told; what is done is done after the second.
    messages: int = 400
    #: So many may end without any outcome, where a protocol has no word for what a broken connection swallowed.
    lost_at_most: int = 0

    def ledger(self):
        return Ledger(unsure_at_most=IN_FLIGHT, lost_at_most=self.lost_at_most)

    async def to_phone(self, act, within, taken=None):
        """The chat writes whenever it is online, and meanwhile `act` is done. `taken`: the ids that the chat's server
        passed on; what it lost before is not owed an outcome."""
        ledger, talk = self.ledger(), secrets.token_hex(4)

        def update():
            new = numbers(self.phone.mail)
            ledger.delivered.update(new)
            errors = [error for error in self.chat.errors.kept if error.id.startswith(talk)]
            for error in errors:
                ledger.refuse(int(error.id.removeprefix(f"{talk}-")), error.error)
            self.chat.errors.clear()
            return bool(new or errors)

        await asyncio.gather(self._chat_talks(ledger, talk), act)
        await settled(ledger, update, within)
        if taken:
            passed_on = {int(n) for n in re.findall(rf"\b{talk}-(\d+)'", taken())}
            ledger.stopped_before = ledger.open - passed_on
        return ledger.close()

    async def to_chat(self, act, within):
        """The phone sends without waiting for answers; each answer is noted when it comes."""
        return await self._sends(act, within, self.chat.mail)

    async def phone_to_phone(self, act, within):
        """The same, where `phone` is who receives, and `send` sends from another."""
        return await self._sends(act, within, self.phone.mail)

    async def _sends(self, act, within, mail):
        ledger, accepted = self.ledger(), set()

        def update():
            new = numbers(mail)
            ledger.delivered.update(new)
            return bool(new)

        await asyncio.gather(self._phone_talks(ledger, accepted), act)
        await settled(ledger, update, within)
        lost = accepted - set(ledger.delivered)
        return ledger.close() + (f", {len(lost)} accepted but not delivered" if lost else "")

    async def _chat_talks(self, ledger, talk):
        """What cannot be written is not sent."""
        for n in range(self.messages):
            await self.chat.ready()
            self.chat.write(self.jid, f"flow {n}", id=f"{talk}-{n}")
            ledger.sent.add(n)
            await asyncio.sleep(PAUSE)

    async def _phone_talks(self, ledger, accepted):
        async def one(n):
            answer = await self.send(f"flow {n}")
            accepted.add(n) if answer.status < 300 else ledger.refuse(n, answer.answer)

        async with asyncio.TaskGroup() as group:
            for n in range(self.messages):
                ledger.sent.add(n)
                group.create_task(one(n))
                await asyncio.sleep(PAUSE)


def numbers(mailbox):
    """The numbers of the messages that arrived, and empties the mailbox."""
    found = [int(match[1]) for item in mailbox.kept
             if (match := NUMBER.fullmatch(item.body if hasattr(item, "type") else item.text))]
    mailbox.clear()
    return found


async def settled(ledger, update, within):
    """Waits until every message has an outcome, or time is up, and a moment more for what should not come."""
    deadline = asyncio.get_running_loop().time() + within
    while update() or (ledger.open and asyncio.get_running_loop().time() < deadline):
        await asyncio.sleep(0.2)
    await asyncio.sleep(1.5)
    update()


async def again(program, after=2.0):
    """The program is restarted."""
    await asyncio.sleep(after)
    await program.stop()
    await asyncio.sleep(0.5)
    await program.start()
