"""stox, Prosody and Kamailio killed and started again in every order, with subscriptions of thirty seconds: the roster and the
list of watchers are what they were, nobody is asked again, and presence is right afterwards."""

import asyncio
import contextlib
import itertools
import signal
import time

from peers.events import EventPhone, pidf
from peers.friend import Friend
from peers.presence import PresenceServer
from peers.program import Program
from presence import baresip, shortly
from stage import Stage, telephones

from . import check, equal
from .presence import contact

#: s; the shortest that stox grants.
LASTS = 30
SIDES = """
[sip]
listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}"]

[store]
url = "sqlite:{run}/stox-kept.db"

[presence]
notify_every = "1s"

[[domain]]
home = "sip"
xmpp = "kept.example"
sip = "kept.example"
next_hop = "sip:127.0.0.1:{server};transport=udp"
[[domain.credentials]]
username = "stox"
password = "pw-stox"
""" + telephones("memory.example", "sip:127.0.0.1:{exact};transport=udp")
TYBALT, GUEST, ROSALINE = "tybalt@kept.example", "guest@memory.example", "rosaline@xmpp.example"
WORDS = ("subscribe", "subscribed", "unsubscribe", "unsubscribed")


class Kept(Stage):
    """rosaline and tybalt watch each other by Kamailio and baresip; rosaline and guest, by a SIP system that shows every
    header. `watch` is guest's subscription, refreshed as phones do."""

    def __init__(self, world):
        super().__init__(world)
        self.port, sip, exact = self.place.ports(3)
        for path in self.place.run.glob("stox-kept.db*"):
            path.unlink()
        self.server = self.add(PresenceServer(self.place, "kamailio-kept", "kept.example", sip, self.port, longest=LASTS))
        self.bridge = self.stox("stox-kept", "kept.example", SIDES, port=self.port, server=sip, exact=exact, run=self.place.run)
        self.phone = baresip(self.place, "tybalt", "kept.example", sip, [ROSALINE])
        self.exact = EventPhone(self.place, "guest", "memory.example", self.port, exact)
        self.rosaline = Friend(self.place, "rosaline", "mask")
        self.watch, self.refreshing, self.again, self.words = None, None, 0, "here"

    async def start(self):
        await super().start()
        await self.exact.open()
        self.exact.longest, self.exact.play = LASTS, self.tell
        await self.rosaline.login()
        await self.phone.start()
        await self.server.decide("tybalt", ROSALINE, "allow")
        self.watch, _ = await self.exact.subscribe(ROSALINE, expires=LASTS)
        for jid in (TYBALT, GUEST):
            await self.rosaline.next("subscribe", jid)
            self.rosaline.presence(jid, "subscribed")
            self.rosaline.add(jid)
            await self.rosaline.next("subscribed", jid)
            await self.rosaline.listed(jid, "both")
        self.refreshing = asyncio.create_task(self.refresh())

    async def tell(self, usage):
        with contextlib.suppress(TimeoutError):
            await usage.notify(pidf(f"sip:{usage.user}@memory.example", ("desk", "open", f"<note>{self.words}</note>")))

    async def refresh(self):
        """As a phone: in time, once more if nobody answers, and from the beginning after 481."""
        while True:
            await asyncio.sleep(LASTS / 3)
            with contextlib.suppress(TimeoutError):
                answer = await self.watch.refresh(LASTS, within=4)
                if answer.status == 481:
                    self.again += 1
                    self.watch, _ = await self.exact.subscribe(ROSALINE, expires=LASTS, within=4)

    async def stop(self):
        if self.refreshing:
            self.refreshing.cancel()
        await self.phone.stop()
        with contextlib.suppress(Exception):
            await self.rosaline.logout()
        self.exact.close()
        await super().stop()

    def fresh(self):
        self.rosaline.told.clear()
        self.watch.told.clear()

    # What is killed.

    async def kill(self, name):
        await {"stox": self.bridge, "Prosody": self.w.prosody, "Kamailio": self.server}[name].stop(signal.SIGKILL)
        # The client hears of it a moment later.
        for _ in range(50 if name == "Prosody" else 0):
            if self.rosaline.online.is_set():
                await asyncio.sleep(0.1)

    async def begin(self, name):
        if name == "stox":
            # It is ready only when Prosody is.
            await Program.start(self.bridge, self.bridge.admin)
        else:
            await {"Prosody": self.w.prosody, "Kamailio": self.server}[name].start()

    async def sees(self, words, within=25, jid=GUEST):
        """guest, or another of his system, looks so to rosaline, by whichever dialog stands."""
        self.words, deadline = words, time.monotonic() + within
        while True:
            for usage in [usage for usage in self.exact.usages.values() if not usage.over and usage.until > time.monotonic()]:
                await self.tell(usage)
            with contextlib.suppress(TimeoutError):
                return await self.rosaline.sees(jid, lambda told: told.status == words, 1)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{jid} does not look {words!r} to rosaline in {within} s, but {self.rosaline.states}")

    async def shows_rosaline(self, words, within=25):
        """rosaline looks so to guest."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                return await self.watch.notify("active", 1, lambda notify: words in notify.text)
        raise TimeoutError(f"guest received no NOTIFY with {words!r} in {within} s, but {self.watch.told.kept}")

    async def whole(self, words):
        """All four subscriptions work, and nobody was asked anything; a line about it."""
        await self.bridge.until(self.bridge.ready, "readiness", 30)
        await asyncio.wait_for(self.rosaline.ready(), 20)
        await self.phone.command("presence_offline")
        await self.rosaline.sees(TYBALT, "unavailable", 30)
        await self.phone.command("presence_online")
        tybalt = await self.rosaline.sees(TYBALT, "online", 15)
        guest = await self.sees(words)
        self.rosaline.be("dnd", {None: words})
        told = await self.shows_rosaline(words)
        shown = await contact(self.phone, "Busy")
        self.rosaline.be()
        await self.rosaline.client.get_roster()
        equal({jid: self.rosaline.roster.get(jid) for jid in (TYBALT, GUEST)}, {TYBALT: "both", GUEST: "both"}, "roster")
        equal(self.rosaline.of_kind(*WORDS), [], "what rosaline was asked or told")
        # A dialog that was made twice may stand until it lapses.
        async def one():
            return [row[:3] for row in self.server.watchers("tybalt")] == [(ROSALINE, "presence", 1)]
        await self.server.until(one, "list of watchers with rosaline alone, active", 2 * LASTS)
        equal(self.watch.heard, sorted(set(self.watch.heard)), "order of stox's CSeqs")
        return (f"rosaline's roster: both, both; sees tybalt {tybalt.looks}, guest {guest.status!r}; baresip shows {shown.split()[0]}; "
                f"guest received {words!r} by CSeq {told.get('cseq').split()[0]}; nobody was asked")


def orders():
    """What is killed, and in which order it comes back."""
    names = ("stox", "Prosody", "Kamailio")
    for one in names:
        yield (one,), (one,)
    for order in itertools.permutations(names):
        yield order, order


for killed, started in orders():
    @check(f"presence-restarts-{'-'.join(killed).lower()}", 100, stage=Kept)
    async def _(s, killed=killed, started=started):
        for name in killed:
            await s.kill(name)
            await shortly(0.3)
        for name in started:
            await s.begin(name)
        return await s.whole(f"after {' '.join(started)}")


@check("presence-restarts-kamailio-lost-all", 100, stage=Kept)
async def _(s):
    """A presence server that remembers nothing says 481 to the refresh; stox subscribes anew."""
    await s.kill("Kamailio")
    s.server.forget()
    await s.begin("Kamailio")
    await s.server.decide("tybalt", ROSALINE, "allow")
    async def watched():
        return [row[:3] for row in s.server.watchers("tybalt")] == [(ROSALINE, "presence", 1)]
    await s.server.until(watched, "rosaline among the watchers of tybalt", 40)
    equal(s.rosaline.of_kind(*WORDS), [], "what rosaline was asked or told")
    equal(s.rosaline.roster.get(TYBALT), "both", "roster")
    return "Kamailio's watchers of tybalt: rosaline, active, by a new dialog; roster: both; nobody was asked"


@check("presence-restarts-while-away", 150, stage=Kept)
async def _(s):
    """stox is away for longer than the subscriptions last; those of SIP phones are over, and the permission is not. What has
    lapsed is subscribed to again when she comes back."""
    await s.kill("stox")
    await shortly(LASTS + 2)
    await s.begin("stox")
    await s.bridge.until(s.bridge.ready, "readiness", 20)
    await s.rosaline.logout()
    await s.rosaline.login()
    return await s.whole("long after")


@check("presence-restarts-the-moment-it-is-granted", 100, stage=Kept)
async def _(s):
    """stox is killed at the moment that the chat client hears `subscribed`, and that the phone hears `active`."""
    jid = "moment@memory.example"
    s.rosaline.add(jid)
    await s.rosaline.next("subscribed", jid)
    await s.kill("stox")
    await s.begin("stox")
    await s.bridge.until(s.bridge.ready, "readiness", 20)
    s.rosaline.told.clear()
    await s.sees("after the kill", 40, jid)
    equal(s.rosaline.roster.get(jid), "to", "roster")
    watch, _ = await s.exact.subscribe(ROSALINE, expires=LASTS, sender=jid)
    await s.rosaline.next("subscribe", jid)
    s.rosaline.presence(jid, "subscribed")
    await watch.notify("active")
    await s.kill("stox")
    await s.begin("stox")
    await s.bridge.until(s.bridge.ready, "readiness", 20)
    s.rosaline.told.clear()
    answer = await watch.refresh(LASTS)
    equal(answer.status // 100, 2, "answer to the refresh")
    await watch.notify("active", 10, lambda notify: notify.body)
    equal(s.rosaline.of_kind(*WORDS), [], "what rosaline was asked or told")
    equal(watch.heard, sorted(set(watch.heard)), "order of stox's CSeqs")
    await watch.refresh(0)
    return f"roster: to, both; SIP received {answer.answer} for the refresh, CSeqs {watch.heard}; nobody was asked"
