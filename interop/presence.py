"""The stages of presence: who watches whom, and by what.

| domain | what is there | reached by |
|---|---|---|
| xmpp.example | rosaline, two devices, at Prosody, where stox is a component | |
| verona.example, venice.example | juliet at Prosody and at ejabberd, which federate with stox | |
| presence.example | a presence server, Kamailio; digest, who may watch by rules; tybalt's baresip publishes to it | UDP |
| exact.example, two.gate.example | a SIP system that a check plays by hand (peers/events.py) | UDP |
| own.example | baresip, which tells its own presence | UDP |
"""

import asyncio
import contextlib

from federation import Federation
from peers.baresip import Baresip
from peers.events import EventPhone
from peers.friend import Friend
from peers.presence import PresenceServer
from stage import Stage, telephones

#: s between NOTIFYs of one subscription; where nobody measures it, less.
EVERY = 2
MAIN = f"""
[presence]
notify_every = "{EVERY}s"
""" + """
[sip]
listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}"]

[[domain]]
home = "sip"
xmpp = "presence.example"
sip = "presence.example"
next_hop = "sip:127.0.0.1:{server};transport=udp"
[[domain.credentials]]
username = "stox"
password = "pw-stox"
""" + telephones("exact.example", "sip:127.0.0.1:{exact};transport=udp") \
    + telephones("own.example", "sip:127.0.0.1:{own};transport=udp", 'options_every = "off"')
#: A baresip that publishes or tells its presence, and watches its contacts.
TELLS = "module_app presence.so"
ACCOUNT = ('<sip:{user}@{domain}>;outbound="sip:127.0.0.1:{port};transport=udp";auth_user={user};auth_pass=pw-{user};'
           'regint={every};pubint={every};mwi=no')


def baresip(place, user, domain, port, watches, publishes=True, listens=None):
    """One that is known at `domain`, or that only knows where that is; `listens` is a port of its own."""
    sip, control, media = Baresip.lines(place)
    return Baresip(place, f"baresip-{user}", user, ACCOUNT.format(user=user, domain=domain, port=port, every=60 * publishes),
                   ports=(listens or sip, control, media), contacts={who.partition("@")[0]: f"sip:{who}" for who in watches},
                   watches=True, more=TELLS)


class Side:
    """A chat user with two devices and a SIP system, whatever is between. `people` are the SIP users of the check: each has
    a name that no check had before."""

    count = 0

    def __init__(self, friend, other, phone, domain):
        self.friend, self.other, self.phone, self.domain = friend, other, phone, domain
        #: A subscription that nobody refreshes, and when it is over.
        self.lapses, self.lapses_at = None, 0.0

    def someone(self):
        """Another SIP user: name and JID."""
        Side.count += 1
        return f"guest{Side.count}", f"guest{Side.count}@{self.domain}"


class Theatre(Stage):
    def __init__(self, world):
        super().__init__(world)
        # baresip takes the port after its own, too.
        self.port, self.sip, exact, self.own, _ = self.place.ports(5)
        self.server = self.add(PresenceServer(self.place, "kamailio-presence", "presence.example", self.sip, self.port))
        self.bridge = self.stox("stox-presence", "presence.example", MAIN, port=self.port, server=self.sip, exact=exact, own=self.own,
                                run=self.place.run)
        self.rosaline, self.window = (Friend(self.place, "rosaline", device) for device in ("mask", "window"))
        self.exact = EventPhone(self.place, "exact", "exact.example", self.port, exact)
        self.side = Side(self.rosaline, self.window, self.exact, "exact.example")

    async def start(self):
        await self.exact.open()
        await super().start()
        await self.rosaline.login()

    async def stop(self):
        for friend in (self.rosaline, self.window):
            with contextlib.suppress(Exception):
                await friend.logout()
        self.exact.close()
        await super().stop()

    def fresh(self):
        super().fresh()
        self.exact.fresh()
        for friend in (self.rosaline, self.window):
            friend.fresh()

    @contextlib.asynccontextmanager
    async def phone(self, user, domain="presence.example", port=None, watches=(), publishes=True):
        """A baresip for as long as the block runs."""
        one = baresip(self.place, user, domain, port or self.sip, watches, publishes, None if publishes else self.own)
        await one.start()
        try:
            yield one
        finally:
            await one.stop()


class Embassy(Federation):
    """Those that federate, with contact lists; two.gate.example is played by hand."""

    kind = Friend

    def __init__(self, world):
        self.by_hand = world.place.ports()
        super().__init__(world)
        self.exact = EventPhone(self.place, "exact", "two.gate.example", self.sip, self.by_hand)
        self.others = {host: Friend(self.place, "juliet", "window", domain=host, port=self.of(host).c2s)
                       for host in ("verona.example", "venice.example")}
        self.sides_of = {host: Side(self.chats[host], other, self.exact, "two.gate.example") for host, other in self.others.items()}

    def sides(self):
        return super().sides() + '[presence]\nnotify_every = "1s"\n'

    def hop(self, gate):
        return self.by_hand if gate == "two.gate.example" else super().hop(gate)

    async def start(self):
        await self.exact.open()
        await super().start()

    async def stop(self):
        for friend in self.others.values():
            with contextlib.suppress(Exception):
                await friend.logout()
        self.exact.close()
        await super().stop()

    def fresh(self):
        super().fresh()
        self.exact.fresh()
        for friend in (*self.chats.values(), *self.others.values()):
            friend.fresh()


async def shortly(seconds=0.6):
    """What should not happen has time to."""
    await asyncio.sleep(seconds)
