"""A server on either side, or stox, is restarted while messages flow: every message ends in one way, none arrives twice.

A message that Prosody lost before stox had it is not stox's; Prosody's own log says which those are.
"""

import asyncio
import re
import secrets

from ledger import Ledger

from . import check, equal

#: Messages, and the pause between two: eight seconds of talk, with the restart after the second.
MESSAGES, PAUSE, AFTER = 400, 0.02, 2.0
#: What may be on its way through the restarted server at one moment, at 50 messages a second.
IN_FLIGHT = 5
NUMBER = re.compile(r"flow (\d+)")


def numbers(mailbox):
    """The numbers of the messages that arrived, and empties the mailbox."""
    found = [int(match[1]) for item in mailbox.kept
             if (match := NUMBER.fullmatch(item.body if hasattr(item, "type") else item.text))]
    mailbox.clear()
    return found


async def talk_to_phone(w, ledger, talk):
    """Juliet writes whenever she is online; what she cannot write is not sent."""
    for n in range(MESSAGES):
        await w.juliet.ready()
        w.juliet.write("benvolio@sip.example", f"flow {n}", id=f"{talk}-{n}")
        ledger.sent.add(n)
        await asyncio.sleep(PAUSE)


async def talk_to_chat(w, ledger):
    """Benvolio writes without waiting for answers; each answer is noted when it comes."""
    accepted = set()

    async def one(n):
        answer = await w.benvolio.message("juliet@xmpp.example", f"flow {n}", within=40)
        accepted.add(n) if answer.status < 300 else ledger.refuse(n, answer.answer)

    async with asyncio.TaskGroup() as group:
        for n in range(MESSAGES):
            ledger.sent.add(n)
            group.create_task(one(n))
            await asyncio.sleep(PAUSE)
    return accepted


async def settled(ledger, update, within):
    """Waits until every message has an outcome, or time is up, and a moment more for what should not come."""
    deadline = asyncio.get_running_loop().time() + within
    while update() or (ledger.open and asyncio.get_running_loop().time() < deadline):
        await asyncio.sleep(0.2)
    await asyncio.sleep(1.5)
    update()


async def again(program):
    await asyncio.sleep(AFTER)
    await program.stop()
    await asyncio.sleep(0.5)
    await program.start()


async def to_phone(w, program, within):
    ledger, talk = Ledger(unsure_at_most=IN_FLIGHT), secrets.token_hex(4)
    await w.benvolio.register()

    def update():
        new = numbers(w.benvolio.mail)
        ledger.delivered.update(new)
        for error in w.juliet.errors.kept:
            ledger.refuse(int(error.id.removeprefix(f"{talk}-")), error.error)
        new += w.juliet.errors.kept
        w.juliet.errors.clear()
        return bool(new)

    await asyncio.gather(talk_to_phone(w, ledger, talk), again(program))
    await settled(ledger, update, within)
    if program is w.prosody:
        taken = {int(n) for line in w.prosody.witnessed("prosody>stox") for n in re.findall(rf"id='{talk}-(\d+)'", line)}
        ledger.stopped_before = ledger.open - taken
    return f"phone and juliet: {ledger.close()}"


async def to_chat(w, program, within):
    ledger = Ledger(unsure_at_most=IN_FLIGHT)

    def update():
        new = numbers(w.juliet.mail)
        ledger.delivered.update(new)
        return bool(new)

    accepted, _ = await asyncio.gather(talk_to_chat(w, ledger), again(program))
    await settled(ledger, update, within)
    lost = accepted - set(ledger.delivered)
    return f"juliet and the phone: {ledger.close()}" + (f", {len(lost)} accepted but not delivered" if lost else "")


@check("restart-prosody-x2s", 90)
async def _(w):
    return await to_phone(w, w.prosody, 40)


@check("restart-prosody-s2x", 90)
async def _(w):
    return await to_chat(w, w.prosody, 10)


@check("restart-kamailio-x2s", 120)
async def _(w):
    """The phone registers again by itself, as phones do; Timer F is 32 s."""
    w.benvolio.keep_registered()
    try:
        return await to_phone(w, w.kamailio, 60)
    finally:
        w.benvolio.stop_registering()


@check("restart-kamailio-s2x", 90)
async def _(w):
    return await to_chat(w, w.kamailio, 10)


@check("restart-stox-x2s", 90)
async def _(w):
    return await to_phone(w, w.stox, 40)


@check("restart-stox-s2x", 90)
async def _(w):
    return await to_chat(w, w.stox, 10)


@check("restart-all-is-well-again")
async def _(w):
    """After all that a plain message crosses each way."""
    await w.baresip.command("uareg", "600 0")
    await w.benvolio.register()
    w.juliet.write("benvolio@sip.example", "Are you well?")
    there = await w.benvolio.mail.next()
    answer = await w.benvolio.message("juliet@xmpp.example", "I am.")
    equal(answer.status, 200, "answer")
    back = await w.juliet.mail.next()
    return f"phone received {there.text!r}, juliet {back.body!r}"
