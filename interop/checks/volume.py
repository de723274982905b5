"""Ten thousand messages each way at a steady pace: none lost, none doubled. INTEROP_VOLUME sets another number."""

import asyncio
import os
from collections import Counter

from ledger import Ledger
from peers.place import MONTAGUES
from peers.sipp import Sipp

from . import check, equal

COUNT = int(os.environ.get("INTEROP_VOLUME", "10000"))
#: Messages a second; Prosody and slixmpp, which share the machine, set the limit.
RATE = 400
LIMIT = 60 + 3 * COUNT / RATE


@check("volume-x2s", LIMIT)
async def _(w):
    """Juliet and the nurse write to the twenty Montagues, whose phones are one program."""
    ledger = Ledger()
    async with w.phone("montague", accounts=MONTAGUES) as phone:
        began = asyncio.get_running_loop().time()
        for n in range(COUNT):
            chat = (w.juliet, w.nurse)[n % 2]
            chat.write(f"{MONTAGUES[n % len(MONTAGUES)]}@sip.example", f"volume {n}", id=f"volume-{n}")
            ledger.sent.add(n)
            await asyncio.sleep(max(0, began + n / RATE - asyncio.get_running_loop().time()))
        await quiet(lambda: len(phone.mail.kept) + len(w.juliet.errors.kept) + len(w.nurse.errors.kept))
        took = asyncio.get_running_loop().time() - began
        ledger.delivered.update(int(got.text.split()[1]) for got in phone.mail.kept)
    for error in w.juliet.errors.kept + w.nurse.errors.kept:
        ledger.refuse(int(error.id.removeprefix("volume-")), error.error)
    equal(len(ledger.refused), 0, f"refused ({dict(ledger.reasons)})")
    return f"phones: {ledger.close()}, in {took:.0f} s, {phone.resent} retransmissions absorbed"


@check("volume-s2x", LIMIT)
async def _(w):
    """SIPp sends as the twenty Montagues; juliet counts."""
    sipp = Sipp(w.place, COUNT, RATE)
    good, bad, again = await sipp.through(LIMIT - 20)
    await quiet(lambda: len(w.juliet.mail.kept))
    got = Counter(int(message.body.split()[1]) for message in w.juliet.mail.kept)
    missing, doubled = set(range(1, COUNT + 1)) - set(got), [n for n, times in got.items() if times > 1]
    assert not missing and not doubled, f"{len(missing)} missing, {len(doubled)} doubled; SIPp: {good} good, {bad} bad"
    equal((good, bad), (COUNT, 0), "SIPp's successful and failed calls")
    return f"juliet: {len(got)} different messages, none missing, none doubled; SIPp: {good} answered, {again} sent again"


async def quiet(count, seconds=3):
    """Returns when nothing has come for so long, up to Timer F of what may still be under way."""
    last = -1
    while last != (last := count()):
        await asyncio.sleep(seconds)
