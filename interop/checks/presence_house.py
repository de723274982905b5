"""Presence of chat users who have no account at the presence server (RFC 3903): paris lets the gateway see her, stox publishes
her under her own address, and Kamailio's telephones watch her there. One Kamailio wants a password for it, the other none."""

import contextlib
import signal

from peers.friend import Friend
from peers.presence import PresenceServer
from presence import baresip
from stage import Stage, telephones

from . import check, equal, has
from .presence import contact

#: s; what Kamailio grants to a publication.
LASTS = 10
CHAT = "xmpp.example"
PARIS = f"paris@{CHAT}"
SIDES = """
[sip]
listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}"]

[presence]
notify_every = "1s"
""" + telephones("house.example", "sip:127.0.0.1:{house};transport=udp", """
[[domain.credentials]]
username = "stox"
password = "pw-stox"
[domain.presence]
publish = true
""", link=False) + telephones("open.example", "sip:127.0.0.1:{open};transport=udp", "[domain.presence]\npublish = true\n")


class House(Stage):
    """Two presence servers, one of which wants a password for what stox publishes; a baresip at each watches paris."""

    def __init__(self, world):
        super().__init__(world)
        self.port, *ports = self.place.ports(3)
        self.ports = dict(zip(("house.example", "open.example"), ports))
        self.servers = {domain: self.add(PresenceServer(self.place, f"kamailio-{domain.partition('.')[0]}", domain, sip, self.port, longest=LASTS,
                                                        is_a=["HOUSE"] + ["OPEN"] * (domain == "open.example")))
                        for domain, sip in self.ports.items()}
        self.bridge = self.stox("stox-house", "house.example", SIDES, port=self.port, house=ports[0], open=ports[1])
        self.phones = {domain: baresip(self.place, user, domain, sip, [PARIS])
                       for user, (domain, sip) in zip(("tybalt", "sampson"), self.ports.items())}
        self.friend = Friend(self.place, "paris", "cap")

    async def start(self):
        await super().start()
        for domain, phone in self.phones.items():
            await self.agree(domain)
            await phone.start()
        await self.friend.login()

    async def agree(self, domain):
        """paris's rules at that server let its telephone see her."""
        await self.servers[domain].decide("paris", f"{self.phones[domain].user}@{domain}", "allow", CHAT)

    async def stop(self):
        for phone in self.phones.values():
            await phone.stop()
        with contextlib.suppress(Exception):
            await self.friend.logout()
        await super().stop()

    def fresh(self):
        super().fresh()
        self.friend.fresh()

    def kept(self, domain):
        return self.servers[domain].published("paris", CHAT)

    async def count(self, domain, number, within=10):
        await self.servers[domain].until(lambda: len(self.kept(domain)) == number, f"{number} publications of paris", within)

    def heard(self, domain):
        """PUBLISHs that came from stox."""
        return len(self.servers[domain].received(f"PUBLISH sip:{PARIS}", sender=self.port))


def at(domain):
    """Registers the checks at this server."""
    word = domain.partition(".")[0]

    def part(name, limit=60, where=("house", "open")):
        """In these of the two places only, where the same again would show nothing new."""
        return check(f"presence-house-{name}-{word}", limit, House) if word in where else lambda function: function

    async def looks(s, how, within=12):
        return await contact(s.phones[domain], how, within, "paris")

    @part("seen")
    async def _(s):
        """Nothing is published until she lets the gateway see her; then she is here, busy, gone and back."""
        await s.count(domain, 0)
        equal(s.heard(domain), 0, "PUBLISHs before she has said yes")
        s.friend.add(domain)
        await s.friend.next("subscribe", domain)
        s.friend.presence(domain, "subscribed")
        await s.count(domain, 1)
        online = await looks(s, "Online")
        s.friend.be("dnd", {None: "Reading"})
        busy = await looks(s, "Busy")
        (_, _, document), = s.kept(domain)
        for part in ("Reading", "<basic>open</basic>", f"pres:{PARIS}"):
            has(document, part, "what Kamailio has of her")
        s.friend.leave()
        await s.count(domain, 0)
        offline = await looks(s, "Offline")
        s.friend.be()
        back = await looks(s, "Online")
        equal(len(s.kept(domain)), 1, "publications")
        return f"baresip shows: {online}; {busy}; {offline}; {back}; Kamailio had 0, 1, 0, 1 publications of {PARIS}, by {s.heard(domain)} PUBLISHs"

    @part("refreshed", where=("house",))
    async def _(s):
        (_, until, _), = s.kept(domain)
        await s.servers[domain].until(lambda: any(one[1] > until for one in s.kept(domain)), "publication that lasts longer", LASTS)
        (_, later, document), = s.kept(domain)
        has(document, "open", "what Kamailio has of her")
        return f"Kamailio: one publication, refreshed {later - until} s after it had come"

    @part("logged-out", where=("house",))
    async def _(s):
        """The connection of her client ends without a word: her server says that she has gone."""
        s.friend.wanted = False
        s.friend.client.abort()
        await s.count(domain, 0)
        offline = await looks(s, "Offline")
        await s.friend.logout()
        await s.friend.login()
        await s.count(domain, 1)
        back = await looks(s, "Online")
        return f"Kamailio: 0 publications, baresip shows: {offline}; when she is back 1, {back}"

    @part("lost-all")
    async def _(s):
        """Kamailio is killed and has lost its database: its answer to the refresh is 412 (RFC 3903 section 4.1)."""
        publish = f"PUBLISH sip:{PARIS}"
        server = s.servers[domain]
        await server.stop(signal.SIGKILL)
        server.forget()
        server.rules.clear()
        before = s.heard(domain), len(server.answered(412, publish))
        await server.start()
        await s.agree(domain)
        equal(s.kept(domain), [], "publications after the loss")
        await s.count(domain, 1, LASTS)
        equal(len(server.answered(412, publish)) - before[1], 1, "PUBLISHs that Kamailio answered with 412")
        return f"Kamailio: 412 to 1 PUBLISH, then 1 publication, by {s.heard(domain) - before[0]} PUBLISHs in all"

    @part("removed")
    async def _(s):
        """The gateway goes off her list."""
        s.friend.remove(domain)
        await s.count(domain, 0)
        return "Kamailio: 0 publications"


for DOMAIN in ("house.example", "open.example"):
    at(DOMAIN)
