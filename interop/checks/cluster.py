"""Next hops that are found in DNS (RFC 3263): two Kamailios behind one name, and names of every kind."""

import asyncio
import signal

from ledger import Ledger
from peers.names import Names
from peers.phone import Phone
from peers.proxy import Proxy
from peers.sipp import SippAnswers, SippPhones
from stage import Stage, telephones

from . import check, equal, has, quote

FRIARS = tuple(f"friar{n}" for n in range(10))
ZONE = """
cluster.example. 60 IN NAPTR 20 10 "s" "SIP+D2T" "" _sip._tcp.cluster.example.
cluster.example. 60 IN NAPTR 30 10 "s" "SIP+D2U" "" _sip._udp.cluster.example.
_sip._tcp.cluster.example. 60 IN SRV 10 0 {first} one.cluster.example.
_sip._tcp.cluster.example. 60 IN SRV 20 0 {second} two.cluster.example.
_sip._udp.cluster.example. 60 IN SRV 10 0 {first} one.cluster.example.
_sip._udp.cluster.example. 60 IN SRV 20 0 {second} two.cluster.example.
one.cluster.example. 60 IN A 127.0.0.1
two.cluster.example. 60 IN A 127.0.0.1
_sip._udp.flock.example. 60 IN SRV 10 0 {first} one.cluster.example.
_sip._udp.flock.example. 60 IN SRV 20 0 {second} two.cluster.example.
_sip._tcp.dead.example. 60 IN SRV 10 0 {closed} one.cluster.example.
_sip._tcp.dead.example. 60 IN SRV 20 0 {second} two.cluster.example.
alone.example. 60 IN A 127.0.0.1
six.example. 60 IN AAAA ::1
_sip._udp.none.example. 60 IN SRV 0 0 0 .
_sip._tcp.none.example. 60 IN SRV 0 0 0 .
"""
SIDES = """
[sip]
listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}", "udp:[::1]:{port}"]
t1 = "100ms"

[dns]
servers = ["127.0.0.1:{dns}"]

[[domain]]
home = "sip"
xmpp = "cluster.example"
sip = "cluster.example"
"""


class Cluster(Stage):
    """Two Kamailios for cluster.example, the second for when the first is not there, and one phone of ten friars,
    registered at both."""

    def __init__(self, world):
        super().__init__(world)
        port = self.place.ports()
        self.first, self.second = (
            self.add(Proxy(self.place, f"kamailio-{name}", "cluster.example", sip=self.place.ports(), stox=port))
            for name in ("one", "two"))
        self.closed, self.six = self.place.ports(2)
        self.names = self.add(Names(self.place, ZONE.format(
            first=self.first.sip, second=self.second.sip, closed=self.closed)))
        #: Domains of their own, which stox finds by their names or by a next hop.
        hops = {"flock.example": "", "dead.example": "", "none.example": "", "gone.example": "",
                "alone.example": f"sip:alone.example:{self.second.sip};transport=udp",
                "six.example": f"sip:six.example:{self.six};transport=udp"}
        more = "".join(telephones(name, hop) for name, hop in hops.items())
        self.bridge = self.stox("stox-cluster", "cluster.example", SIDES + more, port=port, dns=self.names.port)
        self.port = port
        self.phone = Phone(self.place, "friar", accounts=FRIARS)

    async def start(self):
        await super().start()
        await self.phone.open()
        for one in (self.first, self.second):
            await self.phone.register(at=one.sip, domain="cluster.example")

    async def stop(self):
        self.phone.close()
        await super().stop()

    def fresh(self):
        self.phone.mail.clear()

    async def restore(self):
        """The first server is there again."""
        if not self.first.running:
            await self.first.start()
            await self.phone.register(at=self.first.sip, domain="cluster.example")

    def by(self, message):
        """Which of the two passed it on."""
        port = message.source[1]
        return {self.first.sip: "one", self.second.sip: "two"}.get(port, port)


@check("cluster-x2s-srv", stage=Cluster)
async def _(s):
    """NAPTR, SRV, A: to the server with the better priority."""
    s.juliet.write("friar0@cluster.example", "Holy Franciscan friar! Brother, ho!")
    got = await s.phone.mail.next()
    equal(s.by(got), "one", "the server that passed it on")
    asked = s.names.asked("cluster.example")
    has(" ".join(asked), "_sip._tcp.cluster.example. SRV", "the questions to unbound")
    return f"phone received {quote(got.text)} by way of server {s.by(got)}; unbound was asked: {', '.join(asked)}"


@check("cluster-x2s-dead-first", stage=Cluster)
async def _(s):
    """Nothing listens where the first SRV record points: the second is tried at once."""
    s.juliet.write("friar0@dead.example", "Is there another?")
    got = await s.phone.mail.next()
    equal(s.by(got), "two", "the server that passed it on")
    await s.juliet.errors.stays_empty(0.3)
    return f"phone received {quote(got.text)} by way of server {s.by(got)}"


@check("cluster-x2s-port", stage=Cluster)
async def _(s):
    """A port that is written is not asked for (RFC 3263 section 4.2): addresses only."""
    s.juliet.write("friar0@alone.example", "You know where.")
    got = await s.phone.mail.next()
    equal(s.by(got), "two", "the server that passed it on")
    asked = set(s.names.asked("alone.example"))
    equal({question.split()[1] for question in asked} - {"A", "AAAA"}, set(), "other questions")
    return f"phone received {quote(got.text)}; unbound was asked: {', '.join(sorted(asked))}"


@check("cluster-x2s-none", stage=Cluster)
async def _(s):
    """A domain that says it has no SIP (SRV "."), and one that does not exist."""
    told = []
    for domain in ("none.example", "gone.example"):
        error = await s.juliet.error_for(s.juliet.write(f"friar0@{domain}", "Hello?"))
        told.append(f"{domain}: {error.error}: {quote(error.text)}")
    return f"juliet received: {'; '.join(told)}"


@check("cluster-x2s-ipv6", 40, stage=Cluster)
async def _(s):
    sipp = SippAnswers(s.place, "sipp-ipv6", s.six, "udp", 20, "[::1]")
    await sipp.start()
    try:
        for n in range(20):
            s.juliet.write(f"line{n}@six.example", f"to six {n}")
        took = await sipp.finish(30)
    finally:
        await sipp.stop()
    equal(took, 20, "MESSAGEs that SIPp took")
    return f"SIPp received {took} MESSAGEs at [::1]"


@check("cluster-s2x-ipv6", 40, stage=Cluster)
async def _(s):
    """From the address that DNS has for the next hop."""
    sipp = SippPhones(s.place, "sipp-ipv6-calls", s.six, f"[::1]:{s.port}", "udp", "sixth", "six.example", 20, 50, "[::1]")
    good, bad, _ = await sipp.through(30)
    equal((good, bad), (20, 0), "SIPp's successful and failed calls")
    got = await s.juliet.mail.next()
    equal(got.sender, "sixth@six.example", "sender")
    return f"juliet received 20 messages, {quote(got.body)} first; SIPp: {good} answered over IPv6"


async def failover(s, domain):
    """The first server is killed while messages flow: none is lost, none comes twice."""
    ledger, ways = Ledger(unsure_at_most=2), {"one": 0, "two": 0}
    await s.restore()
    s.fresh()
    for n in range(300):
        if n == 100:
            await s.first.stop(signal.SIGKILL)
        s.juliet.write(f"{FRIARS[n % 10]}@{domain}", f"failover {n}", id=f"failover-{n}")
        ledger.sent.add(n)
        await asyncio.sleep(0.02)
    await s.bridge.until(lambda: len(s.phone.mail.kept) + len(s.juliet.errors.kept) >= 300, "an outcome for each message", 20)
    await asyncio.sleep(1)
    for got in s.phone.mail.kept:
        ledger.delivered[int(got.text.split()[1])] += 1
        ways[s.by(got)] += 1
    for error in s.juliet.errors.kept:
        ledger.refuse(int(error.id.removeprefix("failover-")), f"{error.error}: {error.text}")
    unsure = sum(times for reason, times in ledger.reasons.items() if "may have arrived" in reason)
    assert len(ledger.refused) == unsure <= 2, f"refused ({dict(ledger.reasons)})"
    assert ways["one"] >= 90 and ways["two"] >= 190, f"ways {ways}"
    return f"phone: {ledger.close()}; {ways['one']} by server one, after its end {ways['two']} by server two"


@check("cluster-x2s-failover-tcp", 80, stage=Cluster)
async def _(s):
    """What was on its way by the connection that broke may have arrived: it is not sent again, and its sender is told."""
    return await failover(s, "cluster.example")


@check("cluster-x2s-failover-udp", 80, stage=Cluster)
async def _(s):
    """The host says by ICMP that nobody listens any more."""
    return await failover(s, "flock.example")


@check("cluster-x2s-back", 60, stage=Cluster)
async def _(s):
    """Back again, the first server is used again once its rest is over."""
    await s.restore()
    loop = asyncio.get_running_loop()
    began = loop.time()
    for n in range(100):
        s.juliet.write("friar0@cluster.example", f"Are you back? {n}")
        got = await s.phone.mail.next()
        if s.by(got) == "one":
            return f"phone received {quote(got.text)} by way of server one, {loop.time() - began:.1f} s after its return"
        await asyncio.sleep(0.5)
    raise AssertionError("server one is still avoided")
