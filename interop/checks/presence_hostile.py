"""Those who break the rules of presence: what they get, and that others do not feel it."""

import asyncio
import contextlib
import time

from peers.events import NS, PIDF, pidf
from presence import EVERY, Embassy, Theatre, shortly

from . import check, equal
from .hostile import stranger
from .presence import asks, until, watched, watches

#: Tuples of one document that are taken.
MOST = 64
#: A document that would grow to 10^9 characters if its entities were expanded.
BOMB = ('<?xml version="1.0"?><!DOCTYPE presence [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {name} "{f"&{inner};" * 10}">' for inner, name in zip("abcdefgh", "bcdefghi"))
        + f']><presence {NS} entity="sip:x@y.example"><note>&i;</note></presence>').encode()


@contextlib.asynccontextmanager
async def unharmed(side):
    """Another pair, whose presence still crosses in time afterwards."""
    jid, usage = await watched(side)
    yield usage
    began = time.monotonic()
    await usage.notify(pidf(f"sip:{jid}", ("t1", "open", "<note>All is well</note>")))
    await side.friend.sees(jid, lambda told: told.status == "All is well", 3)
    usage.well = f"another's presence meanwhile in {1000 * (time.monotonic() - began):.0f} ms"


def breaks(name, answers, limit=30):
    """`what(side, jid, usage)` breaks a rule in a subscription that stands, and returns the answer to it, or what else
    happened."""
    def keep(what):
        @check(f"presence-hostile-{name}", limit, stage=Theatre)
        async def _(s):
            side = s.side
            async with unharmed(side) as other:
                jid, usage = await watched(side)
                await side.friend.sees(jid, "online")
                side.friend.told.clear()
                answer = await what(side, jid, usage)
                got = answer if isinstance(answer, str) else answer.answer
                assert got.split()[0] in answers, f"SIP received {got}, not one of {answers}"
                await shortly(0.4)
                equal(side.friend.roster.get(jid), "to", "roster")
                equal(side.friend.of_kind("unsubscribed", "unavailable"), [], "what the friend received")
            return f"SIP received: {got}; {other.well}"
        return what
    return keep


@check("presence-hostile-from-not-proven", 30, stage=Embassy)
async def _(s):
    """A server says `subscribed` and `available` for users of another."""
    side = s.sides_of["verona.example"]
    jid, subscription = await watches(side, agree=False)
    async with stranger(s, "raw") as raw:
        await raw.negotiate("raw.example")
        raw.write(f"<presence from='{side.friend.jid}' to='{jid}' type='subscribed'/>")
        told = await raw.error()
    equal(told, "invalid-from", "what the server was told")
    await subscription.told.stays_empty(0.5)
    async with stranger(s, "raw") as raw:
        await raw.negotiate("raw.example")
        raw.write(f"<presence from='nobody@raw.example' to='{jid}' type='subscribed'/><presence from='nobody@raw.example/x' to='{jid}'/>")
        await subscription.told.stays_empty(0.5)
    side.friend.presence(jid, "subscribed")
    await subscription.notify("active")
    return "the server was told invalid-from; SIP received nothing of it; active when juliet@verona.example agreed"


@breaks("notify-outside", ("481",))
async def _(side, jid, usage):
    usage.call += "x"
    return await usage.notify(pidf(f"sip:{jid}", ("t1", "closed")))


@breaks("notify-wrong-tag", ("481",))
async def _(side, jid, usage):
    usage.remote_tag += "x"
    return await usage.notify(pidf(f"sip:{jid}", ("t1", "closed")))


@breaks("notify-out-of-order", ("500",))
async def _(side, jid, usage):
    await usage.notify(pidf(f"sip:{jid}", ("t1", "open")), cseq=5000)
    return await usage.notify(pidf(f"sip:{jid}", ("t1", "closed")), cseq=4999)


@breaks("notify-without-state", ("400",))
async def _(side, jid, usage):
    """A NOTIFY must say what becomes of the subscription (RFC 6665 section 8.2.1)."""
    return await usage.send("NOTIFY", b"", [("Event", "presence")])


@breaks("notify-other-event", ("489", "481"))
async def _(side, jid, usage):
    usage.event = "conference"
    return await usage.notify(b"x", kind="text/plain")


@breaks("body-of-another-type", ("415",))
async def _(side, jid, usage):
    return await usage.notify(b"<html/>", kind="text/html")


@breaks("body-not-what-it-says", ("400",))
async def _(side, jid, usage):
    return await usage.notify(b"\xff\xfe not XML")


@breaks("body-half", ("400",))
async def _(side, jid, usage):
    return await usage.notify(pidf(f"sip:{jid}", ("t1", "closed"))[:-30])


@breaks("body-bomb", ("400",))
async def _(side, jid, usage):
    began = time.monotonic()
    answer = await usage.notify(BOMB)
    assert time.monotonic() - began < 1, "it took more than a second"
    return answer


@breaks("body-one-megabyte", ("413", "400", "connection"))
async def _(side, jid, usage):
    try:
        return await usage.notify(pidf(f"sip:{jid}", ("t1", "closed", f"<note>{'x' * 1_000_000}</note>")), tcp=True)
    except (asyncio.IncompleteReadError, ConnectionError):
        return "connection closed"


@breaks("body-10000-tuples", ("413", "400", "connection"))
async def _(side, jid, usage):
    try:
        return await usage.notify(pidf(f"sip:{jid}", *((f"t{n}", "open") for n in range(10_000))), tcp=True)
    except (asyncio.IncompleteReadError, ConnectionError):
        return "connection closed"


@check("presence-hostile-many-tuples", 30, stage=Theatre)
async def _(s):
    """As many as are taken, and one more: what the friend's client gets of it is bounded."""
    side = s.side
    async with unharmed(side) as other:
        jid, usage = await watched(side)
        side.friend.told.clear()
        answer = await usage.notify(pidf(f"sip:{jid}", *((f"t{n}", "open") for n in range(MOST))), tcp=True)
        equal(answer.status, 200, f"answer to {MOST} tuples")
        await side.friend.sees(jid, lambda told: told.resource == f"t{MOST - 1}")
        await shortly(0.4)
        got = len([told for told in side.friend.told.kept if told.bare == jid])
        assert got <= MOST + 1, f"friend received {got} stanzas of one NOTIFY"
        more = await usage.notify(pidf(f"sip:{jid}", *((f"t{n}", "open") for n in range(MOST + 1))), tcp=True)
        equal(more.status, 413, f"answer to {MOST + 1} tuples")
        await usage.notify(pidf(f"sip:{jid}", ("t0", "closed")))
        await side.friend.sees(jid, "unavailable")
    return f"SIP received: {answer.answer} for {MOST} tuples, {more.answer} for one more; friend received {got} stanzas; {other.well}"


@check("presence-hostile-deactivated-loop", 40, stage=Theatre)
async def _(s):
    """A notifier that says `deactivated` each time."""
    side, times = s.side, []
    async with unharmed(side) as other:
        async def play(usage):
            times.append(time.monotonic())
            await usage.notify(state="terminated", reason="deactivated")
        jid, usage = await watched(side)
        side.phone.plays[usage.user] = play
        await usage.notify(state="terminated", reason="deactivated")
        await shortly(5)
        assert 1 <= len(times) <= 20, f"SIP received {len(times)} SUBSCRIBEs in 5 s"
        equal(side.friend.roster.get(jid), "to", "roster")
        side.phone.plays.clear()
    return f"SIP received: {len(times)} SUBSCRIBEs in 5 s; roster: to; {other.well}"


@check("presence-hostile-subscribe-storm", 60, stage=Theatre)
async def _(s):
    """Two thousand SUBSCRIBEs for users who do not exist, fifty at a time."""
    side, answers = s.side, {}
    async with unharmed(side) as other:
        turns = asyncio.Semaphore(50)

        async def one(number):
            async with turns:
                try:
                    _, answer = await side.phone.subscribe(f"ghost{number}@xmpp.example", sender=f"storm@{side.domain}", within=10)
                    answers[answer.status] = answers.get(answer.status, 0) + 1
                except TimeoutError:
                    answers["none"] = answers.get("none", 0) + 1
        began = time.monotonic()
        await asyncio.gather(*(one(number) for number in range(2000)))
        took = time.monotonic() - began
    told = sum(1 for one in side.phone.subscriptions.values() if one.remote.startswith("sip:ghost") for notify in one.told.kept if notify.body)
    equal(told, 0, "NOTIFYs with a body about users who do not exist")
    return f"SIP received: {answers} in {took:.1f} s; {other.well}"


@check("presence-hostile-watcher-silent", 60, stage=Theatre)
async def _(s):
    """A watcher that says 481 to a NOTIFY is forgotten, and another who watches the same user is not."""
    side = s.side
    jid, gone = await watches(side)
    _, stays = await watches(side)
    gone.answer = "481 Subscription does not exist"
    side.friend.be("away")
    await until(stays, lambda notify: "away" in notify.text)
    await shortly(EVERY + 0.5)
    gone.told.clear()
    side.friend.be("dnd")
    await until(stays, lambda notify: "dnd" in notify.text)
    await gone.told.stays_empty(1)
    side.friend.be()
    return "after 481 it received nothing more; the other: away, dnd"


@check("presence-hostile-hijack", 30, stage=Theatre)
async def _(s):
    """Someone at another address knows the dialog's tags."""
    side = s.side
    jid, usage = await watched(side)
    await side.friend.sees(jid, "online")
    async with s.w.stranger("127.0.0.9") as thief:
        branch, data = side.phone.build("NOTIFY", usage.target, pidf(f"sip:{jid}", ("t1", "closed")), dialog=usage, number=9999, headers=[
            ("Contact", "<sip:thief@127.0.0.9:9>"), ("Event", "presence"), ("Subscription-State", "active"), ("Content-Type", PIDF)])
        answers = thief._open[branch] = asyncio.Queue()
        thief.transport.sendto(data.replace(f"{side.phone.host}:{side.phone.port};branch".encode(), f"{thief.host}:{thief.port};branch".encode()),
                               ("127.0.0.1", s.port))
        with contextlib.suppress(asyncio.TimeoutError):
            answer = await asyncio.wait_for(answers.get(), 2)
            assert answer.status >= 400, f"the thief received {answer.answer}"
    equal(side.friend.view(jid) and list(side.friend.view(jid).values()), ["online"], "what the friend sees")
    return "the thief's NOTIFY changed nothing"
