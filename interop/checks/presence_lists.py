"""One subscription for a whole list of contacts (RFC 4662): Kamailio keeps rosaline's list, and stox asks it instead of each
contact."""

import asyncio
import contextlib
import time

from peers.events import pidf
from peers.friend import Friend
from peers.phone import Phone
from peers.postgres import Postgres
from peers.presence import LIST_ORDER, LIST_TABLES, PresenceServer
from presence import baresip, shortly
from stage import Stage, telephones

from . import check, equal

DOMAIN = "lists.example"
#: Contacts on her list, tybalt's baresip besides.
MEMBERS = 300
#: s; what Kamailio grants to a subscription to a list.
LASTS = 40
SIDES = """
[sip]
listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}"]
""" + telephones(DOMAIN, "sip:127.0.0.1:{server};transport=udp", """
[[domain.credentials]]
username = "stox"
password = "pw-stox"
[domain.presence]
list = "{{user}}-list"
""", link=False)


class Gathering(Stage):
    """rosaline watches three hundred, whose presence a check publishes, and tybalt's baresip; all have said yes."""

    def __init__(self, world):
        super().__init__(world)
        self.port, self.sip = self.place.ports(2)
        tables = self.add(Postgres(self.place, "postgres-lists", self.place.ports(), LIST_TABLES, LIST_ORDER))
        self.server = self.add(PresenceServer(self.place, "kamailio-lists", DOMAIN, self.sip, self.port, longest=LASTS, lists=tables))
        self.bridge = self.stox("stox-lists", DOMAIN, SIDES, port=self.port, server=self.sip)
        self.rosaline, self.paris = Friend(self.place, "rosaline", "mask"), Friend(self.place, "paris", "cap")
        self.press = Phone(self.place, "press")
        self.phone = baresip(self.place, "tybalt", DOMAIN, self.sip, [f"member000@{DOMAIN}"])
        self.members = [f"member{number:03}" for number in range(MEMBERS)]
        self.watched = [f"{user}@{DOMAIN}" for user in (*self.members, "tybalt")]

    async def start(self):
        await super().start()
        self.server.list("rosaline@xmpp.example", f"sip:rosaline-list@{DOMAIN}", [*self.members, "tybalt"])
        self.server.allow([*self.members, "tybalt", "alone"], "rosaline@xmpp.example")
        self.server.allow(["none"], "paris@xmpp.example")
        await self.press.open()
        for user in self.members:
            await self.publish(user, "open")
        await self.phone.start()
        await self.rosaline.login()
        await self.paris.login()

    async def stop(self):
        self.press.close()
        for friend in (self.rosaline, self.paris):
            with contextlib.suppress(Exception):
                await friend.logout()
        await self.phone.stop()
        await super().stop()

    def fresh(self):
        super().fresh()
        self.rosaline.fresh()

    async def publish(self, user, basic, text=""):
        """What a user says of himself."""
        one, note = f"sip:{user}@{DOMAIN}", f"<note>{text}</note>" if text else ""
        answer = await self.press.request("PUBLISH", one, pidf(one, ("desk", basic, note)), at=self.sip, sender=one, headers=[
            ("Event", "presence"), ("Expires", 3600), ("Content-Type", "application/pidf+xml")])
        equal(answer.status, 200, f"answer to the PUBLISH of {user}")

    def asked(self):
        """Whom stox asked for a subscription of rosaline's, in their order; "list" for one in the dialog that the list has."""
        asked = (line.split()[1] for line in self.server.received("SUBSCRIBE", sender=self.port) if " from sip:rosaline@" in line)
        return ["list" if one.startswith("sip:rls@") else one for one in asked]

    def notified(self):
        """NOTIFYs of rosaline's that stox took."""
        return len(self.server.received("200 OK NOTIFY to sip:rosaline@", sender=self.port))

    async def quiet(self):
        """Kamailio has told all it had to: nothing has come for three seconds, after something did."""
        began = before = self.notified()
        for _ in range(10):
            await shortly(3)
            if began < self.notified() == before:
                return
            before = self.notified()

    async def subscribed(self):
        """rosaline's subscriptions to lists, at Kamailio."""
        return [(which, watcher) for which, watcher, _ in await self.server.listed()]


ONE = [(f"sip:rosaline-list@{DOMAIN}", "rosaline@xmpp.example")]


@check("presence-lists-one-subscription", 90, stage=Gathering)
async def _(s):
    """Three hundred contacts, one dialog; each contact's state comes to her from his own JID."""
    # For a check that comes later.
    s.paris.add(f"none@{DOMAIN}")
    for jid in s.watched:
        s.rosaline.add(jid)
    began = time.monotonic()
    for jid in s.watched:
        await s.rosaline.listed(jid, "to", 30)
        await s.rosaline.sees(jid, "online", 30)
    took = time.monotonic() - began
    equal(await s.subscribed(), ONE, "subscriptions to lists at Kamailio")
    equal({*s.asked()} - {"list"}, {ONE[0][0]}, f"whom stox asked within {took:.1f} s")
    return f"Kamailio: 1 subscription, to {ONE[0][0]}, by SUBSCRIBEs {s.asked()}, the first one challenged; rosaline sees {len(s.watched)} contacts after {took:.1f} s"


@check("presence-lists-one-changes", 3 * (LASTS + 15), stage=Gathering)
async def _(s):
    """One of them changes: one NOTIFY, one stanza."""
    # A refresh brings NOTIFYs with all of them: what is counted is between two.
    for text in ("Reading", "Writing", "Thinking"):
        refreshed = len(s.asked())
        await s.server.until(lambda refreshed=refreshed: len(s.asked()) > refreshed, "refresh", LASTS)
        await s.quiet()
        s.rosaline.told.clear()
        before, refreshed = s.notified(), len(s.asked())
        await s.publish("member007", "open", text)
        told = await s.rosaline.sees(f"member007@{DOMAIN}", lambda told, text=text: told.status == text)
        await shortly(2.5)
        if len(s.asked()) == refreshed:
            break
    equal(s.notified() - before, 1, "NOTIFYs")
    equal([one.bare for one in s.rosaline.told.kept], [f"member007@{DOMAIN}"], "whom rosaline heard of")
    before = s.notified()
    await s.phone.command("presence_offline")
    gone = await s.rosaline.sees(f"tybalt@{DOMAIN}", "unavailable")
    await s.phone.command("presence_online")
    back = await s.rosaline.sees(f"tybalt@{DOMAIN}", "online")
    return f"1 NOTIFY with 1 contact; rosaline received {told}; of baresip, by {s.notified() - before} NOTIFYs: {gone}; {back}"


@check("presence-lists-not-on-it", 30, stage=Gathering)
async def _(s):
    """Who is on no list has a subscription of his own."""
    jid = f"alone@{DOMAIN}"
    before = len(s.asked())
    s.rosaline.add(jid)
    await s.rosaline.next("subscribed", jid)
    asked = {*s.asked()[before:]} - {"list"}
    equal(asked, {f"sip:{jid}"}, "whom stox asked")
    before = len(s.asked())
    equal(await s.subscribed(), ONE, "subscriptions to lists at Kamailio")
    s.rosaline.remove(jid)
    await s.server.until(lambda: len(s.asked()) > before, "SUBSCRIBE that ends it")
    return f"Kamailio received SUBSCRIBE {asked.pop()}, and has 1 subscription to a list still"


@check("presence-lists-refreshed", LASTS + 30, stage=Gathering)
async def _(s):
    """Longer than Kamailio grants at once: the same dialog, and nobody is looked for in another way meanwhile."""
    calls = [one[2] for one in await s.server.listed()]
    equal(len(calls), 1, "subscriptions to lists")
    before, seen = len(s.asked()), s.notified()
    await shortly(1)
    s.rosaline.told.clear()
    await s.server.until(lambda: len(s.asked()) > before, "refresh", LASTS)
    await shortly(5)
    equal([one[2] for one in await s.server.listed()], calls, "Call-ID at Kamailio")
    asked = s.asked()[before:]
    equal({*asked}, {"list"}, "whom stox asked")
    seen = s.notified() - seen
    equal([told.bare for told in s.rosaline.told.kept], [], "what rosaline was told")
    await s.publish("member299", "open", "Writing")
    told = await s.rosaline.sees(f"member299@{DOMAIN}", lambda told: told.status == "Writing")
    return f"Kamailio: {len(asked)} SUBSCRIBE in the dialog that it has, answered by {seen} NOTIFYs with all; rosaline received nothing then, and later: {told}"


@check("presence-lists-no-list", 60, stage=Gathering)
async def _(s):
    """Kamailio has no list of paris's, and takes its address for that of a user who has not said anything: after a while each of
    his contacts is asked."""
    jid = f"none@{DOMAIN}"
    await s.paris.next("subscribed", jid, 45)
    asked = dict.fromkeys(line.split()[1] for line in s.server.received(r"SUBSCRIBE \S+@", sender=s.port) if " from sip:paris@" in line)
    equal([*asked], [f"sip:paris-list@{DOMAIN}", f"sip:{jid}"], "whom stox asked")
    return f"Kamailio received of paris SUBSCRIBE {' and '.join(asked)}; paris received: subscribed"


@check("presence-lists-offline", 60, stage=Gathering)
async def _(s):
    """She goes, and nobody listens: when she is back, she is asked nothing and sees all of them."""
    s.rosaline.leave()
    await asyncio.sleep(1)
    s.rosaline.states.clear()
    s.rosaline.be()
    for jid in s.watched:
        await s.rosaline.sees(jid, "online", 30)
    equal(s.rosaline.of_kind("subscribe", "subscribed", "unsubscribed"), [], "what rosaline was asked or told")
    equal(await s.subscribed(), ONE, "subscriptions to lists at Kamailio")
    return f"rosaline sees {len(s.watched)} contacts again; Kamailio: 1 subscription to a list"


@check("presence-lists-closed", 60, stage=Gathering)
async def _(s):
    """The last contact of the list goes off her roster, and the subscription with him."""
    for jid in s.watched:
        s.rosaline.remove(jid)
    for jid in s.watched:
        await s.rosaline.listed(jid, None)
    async def gone():
        return not await s.server.listed()
    await s.server.until(gone, "end of the subscription", 15)
    return "Kamailio: 0 subscriptions to lists when nobody of it is on her roster"
