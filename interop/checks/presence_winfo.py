"""Who waits for rosaline's consent at her own SIP server (RFC 3857, RFC 3858): Kamailio tells stox, and stox asks her. It is
the stage of what is published, since she has her account there."""

import contextlib
import signal

from presence import baresip, shortly

from . import check, equal, has
from .presence import contact
from .presence_publish import DOMAIN, Press

STATUS = {1: "active", 2: "pending", 3: "terminated", 4: "waiting"}


@contextlib.asynccontextmanager
async def phone(s, user, whom):
    """A baresip at Kamailio that watches `whom` for as long as the block runs."""
    one = baresip(s.place, user, DOMAIN, s.server.sip, [whom])
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


def stand(s, user):
    """How Kamailio's own list has this watcher of rosaline's."""
    return next((STATUS[status] for who, event, status, *_ in s.server.watchers("rosaline")
                 if (who, event) == (f"{user}@{DOMAIN}", "presence")), None)


async def waits(s, user):
    """His subscription is pending at Kamailio, and she is asked: the words of the question."""
    asked = await s.rosaline.next("subscribe", f"{user}@{DOMAIN}", 12)
    equal(stand(s, user), "pending", f"{user} at Kamailio")
    has(asked.status, f"sip:{user}@{DOMAIN} waits at your SIP server", "words of the question")
    return asked


@contextlib.asynccontextmanager
async def answered(s, user, kind):
    """He waits at Kamailio, and she has answered with `kind`: the words of the question."""
    async with phone(s, user, f"rosaline@{DOMAIN}"):
        asked = await waits(s, user)
        s.rosaline.presence(f"{user}@{DOMAIN}", kind)
        yield asked


@check("presence-winfo-subscribed", 20, stage=Press)
async def _(s):
    """stox is on Kamailio's list for the winfo of rosaline, and nobody else."""
    lists = [(who, event) for who, event, *_ in s.server.watchers("rosaline") if event == "presence.winfo"]
    equal(lists, [(f"rosaline@{DOMAIN}", "presence.winfo")], "Kamailio's list of those who want winfo")
    return f"Kamailio: {lists[0][0]} watches her own {lists[0][1]}"


@check("presence-winfo-approved", 60, stage=Press)
async def _(s):
    """She says yes: he sees her through stox, and nobody is asked again. Kamailio's rules are her own business."""
    jid = f"paris@{DOMAIN}"
    async with answered(s, "paris", "subscribed") as asked:
        await s.rosaline.listed(jid, "from")
        equal(stand(s, "paris"), "pending", "paris at Kamailio")
    async with phone(s, "paris", "rosaline@xmpp.example") as one:
        online = await contact(one, "Online")
        s.rosaline.be("dnd")
        busy = await contact(one, "Busy")
        s.rosaline.be()
    equal(s.rosaline.of_kind("subscribe"), [], "what else rosaline was asked")
    return f"rosaline received: {asked}; roster: from; baresip at rosaline@xmpp.example shows: {online}; {busy}; at Kamailio he stays pending"


@check("presence-winfo-refused", 60, stage=Press)
async def _(s):
    """She says no: she is not asked again by either way, and he sees nothing."""
    jid = f"mercutio@{DOMAIN}"
    async with answered(s, "mercutio", "unsubscribed") as asked:
        await shortly(1)
        equal(s.rosaline.roster.get(jid), None, "roster")
    async with phone(s, "mercutio", "rosaline@xmpp.example") as one:
        unknown = await contact(one, "Unknown")
        await shortly(1)
        unknown = await contact(one, "Unknown")
    equal([told.bare for told in s.rosaline.of_kind("subscribe")], [], "who asked rosaline again")
    return f"rosaline received: {asked.kind} from {asked.sender}, once; roster: not listed; baresip at rosaline@xmpp.example shows: {unknown}"


@check("presence-winfo-answered-there", 60, stage=Press)
async def _(s):
    """She says yes at her SIP server, by its rules: the question here is taken back."""
    async with phone(s, "gregory", f"rosaline@{DOMAIN}") as one:
        await waits(s, "gregory")
        await s.server.decide("rosaline", f"gregory@{DOMAIN}", "allow")
        await s.rosaline.next("unsubscribe", f"gregory@{DOMAIN}")
        online = await contact(one, "Online")
        equal(stand(s, "gregory"), "active", "gregory at Kamailio")
    return f"Kamailio: gregory active; rosaline received: unsubscribe; baresip shows: {online}"


@check("presence-winfo-restart", 60, stage=Press)
async def _(s):
    """stox is killed while somebody waits: she is not asked anew."""
    async with phone(s, "abram", f"rosaline@{DOMAIN}"):
        await waits(s, "abram")
        before = len(s.server.received("200 OK NOTIFY", sender=s.port))
        await s.restart(signal.SIGKILL)
        await s.server.until(lambda: len(s.server.received("200 OK NOTIFY", sender=s.port)) > before, "NOTIFY that stox took", 20)
        await shortly(2)
        equal(stand(s, "abram"), "pending", "abram at Kamailio")
        equal([told.bare for told in s.rosaline.of_kind("subscribe")], [], "who asked rosaline again")
        s.rosaline.presence(f"abram@{DOMAIN}", "subscribed")
        await s.rosaline.listed(f"abram@{DOMAIN}", "from")
    return "Kamailio: abram pending, and stox took the NOTIFY after its restart; rosaline received: nothing; her answer then: roster from"
