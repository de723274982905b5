"""What streams between servers carry, and what becomes of it when they break."""

import asyncio

from flow import IN_FLIGHT, Flow, again
from federation import GATES, Federation
from ledger import Ledger

from . import check, equal, quote

#: Messages each way, and how many a second; slixmpp and Prosody set the limit.
COUNT, RATE = 1000, 200
#: A server of each kind, and whether its streams have XEP-0198.
SERVERS = {"prosody": ("verona.example", True), "prosody-lax": ("mantua.example", False), "ejabberd": ("venice.example", False)}


# One connection, many pairs.

async def pairs(s, domain):
    """Four domains of stox write to one domain; the streams by which its server had them, and its pairs on the last."""
    gates = [gate for gate in GATES if gate != "direct.gate.example"]
    ids = [(await s.stanza(domain, f"from {gate}", gate)).id for gate in gates]
    streams = {(await s.seen(domain, id, "received")).stream for id in ids}
    metrics = {name: value for name, value in (await s.bridge.metrics("stox_s2s_pairs")).items() if value}
    return len(ids), streams, [pair for stream in streams for pair in s.of(domain).pairs(stream)], metrics


@check("streams-ejabberd-multiplexed", 30, stage=Federation)
async def _(s):
    """ejabberd announces dialback with errors: one stream for all (XEP-0220 section 2.6)."""
    count, streams, proven, metrics = await pairs(s, "loose.venice.example")
    equal(len(streams), 1, f"streams, with {proven}")
    return (f"ejabberd had {count} messages by one stream, on which were proven: "
            f"{', '.join(f'{one}>{other}' for one, other in proven)}; /metrics: {metrics}")


@check("streams-prosody-one-pair-each", 30, stage=Federation)
async def _(s):
    """Prosody announces dialback without errors: a pair more could cost the stream, so each has its own."""
    count, streams, proven, metrics = await pairs(s, "verona.example")
    equal(len(streams), count, f"streams, with {proven}")
    return f"Prosody had {count} messages by {len(streams)} streams: {', '.join(f'{one}>{other}' for one, other in proven)}; /metrics: {metrics}"


@check("streams-prosody-bidi-its-own", stage=Federation)
async def _(s):
    """Prosody opens the stream, and stox answers by the same (XEP-0288)."""
    wires = [s.wire(s), s.wire(s.strict)]
    before = [wire.came for wire in wires]
    domain = "bidi.verona.example"
    id = s.chats[domain].write("friar@gate.example", "one way")
    await s.phone.mail.next()
    there = await s.seen(domain, id, "sent")
    back = await s.seen(domain, (await s.stanza(domain, "and back")).id, "received")
    equal((there.stream, there.opened_by), (back.stream, "Prosody"), "the streams there and back")
    equal([wire.came for wire in wires], [before[0] + 1, before[1]], "connections to stox and to Prosody")
    return f"both by one connection, {back}"


@check("streams-prosody-bidi-of-stox", stage=Federation)
async def _(s):
    """stox opens the stream, and Prosody answers by the same."""
    domain = "second.verona.example"
    before = s.wire(s).came
    back = await s.seen(domain, (await s.stanza(domain, "one way", "three.gate.example")).id, "received")
    id = s.chats[domain].write("friar@three.gate.example", "and back")
    await s.phone.mail.next()
    there = await s.seen(domain, id, "sent")
    equal((there.stream, there.opened_by), (back.stream, "stox"), "the streams there and back")
    equal(s.wire(s).came, before, "connections to stox")
    return f"both by one connection, {there}"


# Many messages.

def volume(name, domain):
    @check(f"streams-{name}-volume-x2s", 60, stage=Federation)
    async def _(s):
        ledger, chat = Ledger(), s.chats[domain]
        began = asyncio.get_running_loop().time()
        for n in range(COUNT):
            chat.write("friar@gate.example", f"volume {n}", id=f"volume-{n}")
            ledger.sent.add(n)
            await asyncio.sleep(max(0, began + n / RATE - asyncio.get_running_loop().time()))
        await s.bridge.until(lambda: len(s.phone.mail.kept) + len(chat.errors.kept) >= COUNT, "an outcome for each", 30)
        await asyncio.sleep(0.5)
        got = [int(message.text.split()[1]) for message in s.phone.mail.kept]
        ledger.delivered.update(got)
        equal(got, sorted(got), "order")
        equal(len(chat.errors.kept), 0, "refused")
        return f"phone: {ledger.close()}, in order, in {asyncio.get_running_loop().time() - began:.0f} s"

    @check(f"streams-{name}-volume-s2x", 60, stage=Federation)
    async def _(s):
        """The next is sent before the last is answered, twenty at a time."""
        ledger, room = Ledger(), asyncio.Semaphore(20)

        async def one(n):
            answer = await s.message(f"juliet@{domain}", f"volume {n}")
            if answer.status >= 300:
                ledger.refuse(n, answer.answer)
            room.release()

        async with asyncio.TaskGroup() as group:
            for n in range(COUNT):
                await room.acquire()
                ledger.sent.add(n)
                group.create_task(one(n))
        await asyncio.sleep(1)
        got = [int(message.body.split()[1]) for message in s.chats[domain].mail.kept]
        ledger.delivered.update(got)
        equal(dict(ledger.reasons), {}, "refused")
        return f"juliet@{domain}: {ledger.close()}"


for name, (domain, _) in SERVERS.items():
    if name != "prosody-lax":
        volume(name, domain)


# Servers restarted, and links cut, while messages flow.

def flow(s, domain, lost=0):
    return Flow(s.chats[domain], s.phone, "friar@gate.example",
                lambda text: s.message(f"juliet@{domain}", text, within=40), messages=250, lost_at_most=lost)


def taken(s, domain):
    """What the server of this domain wrote to its streams."""
    return lambda: "\n".join(s.of(domain).wrote())


def restarted(name, domain):
    @check(f"streams-{name}-restarted-x2s", 160, stage=Federation)
    async def _(s):
        await s.whole(domain)
        return f"phone and juliet@{domain}: {await flow(s, domain).to_phone(again(s.of(domain)), 40, taken(s, domain))}"

    @check(f"streams-{name}-restarted-s2x", 160, stage=Federation)
    async def _(s):
        await s.whole(domain)
        # ejabberd ends its users' connections first, and what it then writes to a client without XEP-0198 is lost behind
        # it: it has taken the message and answered for it.
        lost = 50 if name == "ejabberd" else 0
        return f"juliet@{domain} and the phone: {await flow(s, domain, lost).to_chat(again(s.of(domain)), 15)}"


def stox_restarted(name, domain):
    @check(f"streams-stox-restarted-beside-{name}-x2s", 160, stage=Federation)
    async def _(s):
        await s.whole(domain)
        # While stox is away ejabberd tries again and again, and loses what it hands to a process that ends in the same
        # millisecond; its log, which drops lines, does not say of each.
        lost = 3 if name == "ejabberd" else 0
        return f"phone and juliet@{domain}: {await flow(s, domain, lost).to_phone(again(s.bridge), 40)}"

    @check(f"streams-stox-restarted-beside-{name}-s2x", 160, stage=Federation)
    async def _(s):
        await s.whole(domain)
        return f"juliet@{domain} and the phone: {await flow(s, domain).to_chat(again(s.bridge), 15)}"


async def cuts(s, domain, times=3):
    """Every connection to and from the server of this domain is reset."""
    for _ in range(times):
        await asyncio.sleep(1.2)
        s.wire(s).cut()
        s.wire(s.of(domain)).cut()


def cut(name, domain, acknowledged):
    lost = 0 if acknowledged else 3 * IN_FLIGHT
    words = "with" if acknowledged else "without"

    @check(f"streams-{name}-cut-x2s", 160, stage=Federation)
    async def _(s):
        await s.whole(domain)
        account = await flow(s, domain, lost).to_phone(cuts(s, domain), 30, taken(s, domain))
        return f"three cuts {words} XEP-0198: phone and juliet@{domain}: {account}"

    @check(f"streams-{name}-cut-s2x", 160, stage=Federation)
    async def _(s):
        await s.whole(domain)
        account = await flow(s, domain, lost).to_chat(cuts(s, domain), 30)
        return f"three cuts {words} XEP-0198: juliet@{domain} and the phone: {account}"


for name, (domain, acknowledged) in SERVERS.items():
    cut(name, domain, acknowledged)
    if name != "prosody-lax":
        restarted(name, domain)
        stox_restarted(name, domain)


@check("streams-prosody-frozen", 160, stage=Federation)
async def _(s):
    """The wire passes nothing on and tells nobody: the stream is found dead by its silence, and the phone is told."""
    await s.whole("verona.example")
    began = asyncio.get_running_loop().time()
    for wire in s.wires.values():
        wire.freeze()
    answer = await s.message("juliet@verona.example", "Are you still there?", within=40)
    took = asyncio.get_running_loop().time() - began
    for wire in s.wires.values():
        wire.cut()
        wire.thaw()
    assert answer.status >= 400, f"the phone received {answer.answer}"
    await s.whole("verona.example")
    return f"phone received {answer.answer} after {took:.1f} s, and 200 once the wire was whole"
