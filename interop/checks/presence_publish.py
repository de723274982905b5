"""Presence published (RFC 3903): rosaline has an account at Kamailio's presence server, and SIP users watch her there."""

import asyncio
import contextlib
import signal

from peers.friend import Friend
from peers.presence import PresenceServer
from peers.program import Program
from presence import baresip, shortly
from stage import Stage

from . import check, equal, has
from .presence import contact

#: s; what Kamailio grants to a publication.
LASTS = 15
DOMAIN = "published.example"
SIDES = """
[sip]
listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}"]

[store]
url = "sqlite:{run}/stox-published.db"

[presence]
notify_every = "1s"

[[domain]]
home = "sip"
xmpp = "published.example"
sip = "published.example"
next_hop = "sip:127.0.0.1:{server};transport=udp"
[domain.presence]
publish = true
[[domain.user]]
jid = "rosaline@xmpp.example"
aor = "sip:rosaline@published.example"
password = "pw-rosaline"
register = false
watchers = true
"""


class Press(Stage):
    """rosaline lets the gateway see her; tybalt's baresip watches rosaline@published.example, at Kamailio alone."""

    def __init__(self, world):
        super().__init__(world)
        self.port, sip = self.place.ports(2)
        for path in self.place.run.glob("stox-published.db*"):
            path.unlink()
        self.server = self.add(PresenceServer(self.place, "kamailio-published", DOMAIN, sip, self.port, longest=LASTS, own="^rosaline$"))
        self.bridge = self.stox("stox-published", DOMAIN, SIDES, port=self.port, server=sip, run=self.place.run)
        self.phone = baresip(self.place, "tybalt", DOMAIN, sip, [f"rosaline@{DOMAIN}"])
        self.rosaline, self.nurse = Friend(self.place, "rosaline", "mask"), Friend(self.place, "nurse", "cap")

    async def start(self):
        await super().start()
        await self.server.decide("rosaline", f"tybalt@{DOMAIN}", "allow")
        await self.rosaline.login()
        await self.phone.start()
        await self.sees_gateway(self.rosaline)
        await self.count(1)

    async def sees_gateway(self, friend):
        """The gateway on her list, which asks back and may."""
        friend.add(DOMAIN)
        await friend.next("subscribe", DOMAIN)
        friend.presence(DOMAIN, "subscribed")

    async def stop(self):
        await self.phone.stop()
        for friend in (self.rosaline, self.nurse):
            with contextlib.suppress(Exception):
                await friend.logout()
        await super().stop()

    def fresh(self):
        super().fresh()
        self.rosaline.fresh()

    def kept(self):
        return self.server.published("rosaline")

    async def count(self, number, within=10):
        """So many publications of rosaline at Kamailio."""
        await self.server.until(lambda: len(self.kept()) == number, f"{number} publications of rosaline", within)

    async def restart(self, how):
        """stox ends and begins; the numbers of publications that were seen meanwhile."""
        seen = set()

        async def watch():
            while True:
                seen.add(len(self.kept()))
                await asyncio.sleep(0.1)
        watching = asyncio.create_task(watch())
        try:
            await self.bridge.stop(how)
            await shortly()
            await Program.start(self.bridge, self.bridge.admin)
            await self.bridge.until(self.bridge.ready, "readiness", 20)
            await shortly(2)
        finally:
            watching.cancel()
        return seen


@check("presence-publish-seen", 60, stage=Press)
async def _(s):
    """Here, busy, gone and back; a document for each, and none when she has gone."""
    online = await contact(s.phone, "Online")
    s.rosaline.be("dnd", {None: "Reading"})
    busy = await contact(s.phone, "Busy")
    (etag, _, document), = s.kept()
    for part in ("Reading", "<basic>open</basic>", f"rosaline@{DOMAIN}"):
        has(document, part, "what Kamailio has of her")
    s.rosaline.leave()
    await s.count(0)
    offline = await contact(s.phone, "Offline")
    s.rosaline.be()
    back = await contact(s.phone, "Online")
    equal(len(s.kept()), 1, "publications")
    equal(len(s.server.received("SUBSCRIBE sip:rosaline@xmpp")), 0, "SUBSCRIBEs that went to stox")
    return f"baresip shows: {online}; {busy}; {offline}; {back}; Kamailio had 1, 0, 1 publications"


@check("presence-publish-refreshed", 60, stage=Press)
async def _(s):
    """A publication lives longer than Kamailio grants at once, and stays one."""
    (_, until, _), = s.kept()
    await s.server.until(lambda: any(one[1] > until for one in s.kept()), "publication that lasts longer", LASTS)
    (_, later, document), = s.kept()
    has(document, "open", "what Kamailio has of her")
    return f"Kamailio: one publication, refreshed {later - until} s after it had come"


@check("presence-publish-restarts", 90, stage=Press)
async def _(s):
    """stox killed, and ended: Kamailio has one publication of her at each moment, and what comes next changes that one."""
    heard = []
    for how, show, looks in ((signal.SIGKILL, "dnd", "Busy"), (signal.SIGTERM, None, "Online"), (signal.SIGKILL, "dnd", "Busy")):
        equal(await s.restart(how), {1}, f"numbers of publications around {how.name}")
        s.rosaline.be(show)
        heard.append(f"{how.name}: one, then {await contact(s.phone, looks)}")
        equal(len(s.kept()), 1, "publications")
    equal(s.rosaline.of_kind("subscribe", "subscribed", "unsubscribe", "unsubscribed"), [], "what rosaline was asked or told")
    s.rosaline.be()
    return f"baresip shows after {'; '.join(heard)}"


@check("presence-publish-gone-meanwhile", 60, stage=Press)
async def _(s):
    """She goes while stox is away: nobody says so to Kamailio, and what it has of her ends."""
    await s.bridge.stop(signal.SIGKILL)
    s.rosaline.leave()
    await shortly()
    await Program.start(s.bridge, s.bridge.admin)
    await s.bridge.until(s.bridge.ready, "readiness", 20)
    await s.count(0, LASTS + 5)
    offline = await contact(s.phone, "Offline", 30)
    s.rosaline.be()
    await s.count(1)
    back = await contact(s.phone, "Online")
    return f"Kamailio: 0 publications, baresip shows: {offline}; when she is back 1, {back}"


@check("presence-publish-kamailio-lost-all", 60, stage=Press)
async def _(s):
    """Kamailio knows no entity tag any more and says 412: published anew (RFC 3903 section 4.1)."""
    publish = f"PUBLISH sip:rosaline@{DOMAIN}"
    await s.server.stop(signal.SIGKILL)
    before = len(s.server.received(publish))
    s.server.forget()
    await s.server.start()
    await s.server.decide("rosaline", f"tybalt@{DOMAIN}", "allow")
    equal(s.kept(), [], "publications after the loss")
    await s.count(1, LASTS)
    return f"Kamailio: 0 publications, then 1, by {len(s.server.received(publish)) - before} PUBLISHs, challenged ones among them"


@check("presence-publish-removed", 60, stage=Press)
async def _(s):
    """She takes the gateway off her list: she is published no more."""
    s.rosaline.remove(DOMAIN)
    await s.count(0)
    await s.sees_gateway(s.rosaline)
    await s.count(1)
    return "Kamailio: 0 publications when the gateway is off her list, 1 when it is on it again"


@check("presence-publish-nobody-else", 30, stage=Press)
async def _(s):
    """nurse lets one SIP user see her, and nobody says more of her than that."""
    await s.nurse.login()
    s.nurse.be(to=f"tybalt@{DOMAIN}")
    s.nurse.presence(f"tybalt@{DOMAIN}", "subscribed")
    await shortly(2)
    equal(s.server.received("PUBLISH sip:nurse"), [], "PUBLISHs about nurse")
    await s.nurse.logout()
    return "Kamailio received no PUBLISH about nurse"
