"""Servers that federate with stox, and what is between them: a zone, two Prosodies, an ejabberd, a Kamailio with a phone,
and an instance of stox that is a server of its own.

| domain | server | how it proves itself |
|---|---|---|
| verona.example | Prosody, strict | certificate of our authority (SASL EXTERNAL) |
| direct.verona.example | the same | the same, found for direct TLS only (XEP-0368) |
| mantua.example | Prosody, lax | a certificate that nobody trusts: dialback over TLS |
| plain.mantua.example | the same | no TLS at all: dialback |
| expired., wrong., self.mantua.example | the same | certificates that stox refuses |
| blocked.mantua.example | the same | an entry of stox's says no |
| venice.example | ejabberd | certificate |
| direct., loose., plain.venice.example | the same | direct TLS, dialback over TLS, and without |
| gate.example, direct., one., two., three.gate.example | stox | certificate |
| both.example | stox, as component of Prosody | the component's secret |

In front of every server is a wire that can be cut. The strict Prosody has XEP-0198, the lax one and ejabberd have not.
"""

import asyncio
import contextlib

from peers import certificates
from peers.chat import Chat
from peers.ejabberd import Ejabberd
from peers.federated import Prosody
from peers.names import Names
from peers.phone import Phone
from peers.proxy import Proxy
from peers.relay import Relay
from stage import Stage, telephones

#: The domains of stox that federate.
GATES = ("gate.example", "direct.gate.example", "one.gate.example", "two.gate.example", "three.gate.example")
#: Who is elsewhere, as Kamailio sees it.
CHAT = r"(^|\.)(verona|mantua|venice|gw|xmpp)\.example$"
#: Domains without a server that answers: no service, none that listens, one that says nothing. missing.example is not
#: in the zone at all.
NOWHERE = ("dot.example", "dead.example", "silent.example")

SERVER = """
[sip]
listen = ["udp:127.0.0.1:{sip}", "tcp:127.0.0.1:{sip}"]

[dns]
servers = ["127.0.0.1:{dns}"]

[xmpp.server]
domains = [{domains}]
listen = ["tcp:127.0.0.1:{s2s}", "tls:127.0.0.1:{direct}"]
certificate = "{certificates}/{own}.crt"
key = "{certificates}/{own}.key"
trust = ["{certificates}/ca.crt"]
posh = false
connect_timeout = "3s"
queue_timeout = "6s"
ping_every = "1s"
ping_timeout = "1500ms"

# The phone hears what became of a message, not that it takes long.
[message]
confirm_within = "9s"
"""
#: A domain of chat, whose users keep their names.
CHATS = """
[[domain]]
home = "xmpp"
xmpp = "{name}"
sip = "{name}"
"""
EVERYBODY = """
[[domain]]
home = "xmpp"
xmpp = "*"
sip = "gw.example"
"""
PARTNER = """
[[xmpp.partner]]
domain = "{name}"
{what}
"""
PARTNERS = {
    "plain.mantua.example": 'authentication = "dialback"',
    "plain.venice.example": 'authentication = "dialback"',
    "expired.mantua.example": 'authentication = "certificate"',
    "wrong.mantua.example": 'authentication = "certificate"',
    "self.mantua.example": 'authentication = "certificate"',
    "blocked.mantua.example": "allow = false",
}


def srv(domain, port, service="xmpp-server", priority=5, target="localhost."):
    """An SRV record. ejabberd asks the system for addresses: every target is this machine's own name."""
    return f"_{service}._tcp.{domain}. 60 IN SRV {priority} 0 {port} {target}"


def server(domains, **names):
    """`[sip]`, `[dns]` and `[xmpp.server]` of an instance of stox."""
    return SERVER.format(domains=", ".join(f'"{name}"' for name in domains), **names)


class Federation(Stage):
    """`chats` has juliet of each domain of chat, `phone` is friar's at gate.example."""

    #: What her client is.
    kind = Chat

    def __init__(self, world):
        super().__init__(world)
        self.certificates = home = certificates.make_servers(self.place)
        self.names = self.add(Names(self.place, "", negative=1))
        strict = ("verona.example", "direct.verona.example", "bidi.verona.example", "second.verona.example")
        lax = {"mantua.example": "mantua", "plain.mantua.example": None, "expired.mantua.example": "expired", "wrong.mantua.example": "wrong", "self.mantua.example": "self",
               "blocked.mantua.example": "mantua"}
        self.strict = self.add(Prosody(self.place, "prosody-strict", self.names.port, home, dict.fromkeys(strict, "verona"), True))
        self.lax = self.add(Prosody(self.place, "prosody-lax", self.names.port, home, lax, False, "elsewhere"))
        self.ejabberd = self.add(Ejabberd(self.place, "ejabberd", self.names.port, home, {
            "venice.example": ("external", "venice"), "direct.venice.example": ("external", "venice"),
            "loose.venice.example": ("dialback", "padua"), "plain.venice.example": ("plain", None)}))
        self.servers = (self.strict, self.lax, self.ejabberd)
        self.chats = {host: self.kind(self.place, "juliet", domain=host, port=server.c2s)
                      for server in self.servers for host in server.hosts}

        self.sip, self.s2s, self.direct, kamailio, self.closed = self.place.ports(5)
        self.kamailio = self.add(Proxy(self.place, "kamailio-gate", "gate.example", sip=kamailio, stox=self.sip, chat=CHAT))
        self.phone = Phone(self.place, "friar")
        #: In front of every port that servers connect to.
        self.wires = {port: Relay(self.place, port) for one in (self, *self.servers) for port in (one.s2s, one.direct)}
        #: It takes connections and says nothing.
        self.silent, self.silence = self.place.ports(), None
        self.names.set(self.zone())
        self.bridge = self.stox("stox-federated", "both.example", self.sides().replace("{", "{{").replace("}", "}}"))

    def sides(self):
        return (server(GATES, sip=self.sip, s2s=self.s2s, direct=self.direct, dns=self.names.port, own="stox",
                       certificates=self.certificates)
                + "".join(PARTNER.format(name=name, what=what) for name, what in PARTNERS.items())
                + "".join(telephones(name, f"sip:127.0.0.1:{self.hop(name)};transport=udp", link=False)
                          for name in (*GATES, "both.example"))
                + "".join(CHATS.format(name=name) for name in self.chats) + EVERYBODY)

    def hop(self, gate):
        """The port of the SIP side of one of stox's domains."""
        return self.kamailio.sip

    def zone(self):
        lines = ["localhost. 60 IN A 127.0.0.1", srv("dot.example", 0, priority=0, target="."),
                 srv("dead.example", self.closed), srv("silent.example", self.silent),
                 srv("second.verona.example", self.closed, priority=1)]
        for host, at in [(host, server) for server in self.servers for host in server.hosts] + [(gate, self) for gate in GATES]:
            direct = host.startswith("direct.")
            lines.append(srv(host, self.wire(at, direct).port, "xmpps-server" if direct else "xmpp-server"))
        return lines

    def wire(self, at, direct=False):
        """What leads to a server, or to stox: the stage itself."""
        return self.wires[at.direct if direct else at.s2s]

    async def start(self):
        async def say_nothing(reader, writer):
            with contextlib.suppress(OSError):
                await reader.read()
            writer.close()
        self.silence = await asyncio.start_server(say_nothing, "127.0.0.1", self.silent)
        for wire in self.wires.values():
            await wire.start()
        # The name server first; the others are quicker together.
        await self.names.start()
        await asyncio.gather(*(program.start() for program in self.programs if program is not self.names))
        await self.phone.open()
        await self.phone.register(at=self.kamailio.sip, domain="gate.example")
        await asyncio.gather(*(chat.login(within=30) for chat in self.chats.values()))

    async def stop(self):
        for chat in self.chats.values():
            with contextlib.suppress(Exception):
                await chat.logout()
        self.phone.close()
        for wire in self.wires.values():
            await wire.stop()
        if self.silence:
            self.silence.close()
        await super().stop()

    def fresh(self):
        self.phone.mail.clear()
        self.phone.answers = lambda request: "200 OK"
        for chat in self.chats.values():
            chat.mail.clear()
            chat.errors.clear()
        for wire in self.wires.values():
            wire.thaw()

    def of(self, domain):
        """The server of a domain of chat."""
        return next(server for server in self.servers if domain in server.hosts)

    async def message(self, to, text, gate="gate.example", **more):
        """Friar's phone sends to juliet@verona.example, or whoever; the final response."""
        return await self.phone.message(to, text, sender=f"sip:friar@{gate}", at=self.kamailio.sip, **more)

    async def stanza(self, domain, text, gate="gate.example"):
        """Friar writes to juliet, who gets it: what she got."""
        answer = await self.message(f"juliet@{domain}", text, gate)
        assert answer.status in (200, 202), f"the phone received {answer.answer}"
        got = await self.chats[domain].mail.next()
        assert got.body == text, f"juliet received {got}"
        return got

    async def whole(self, domain):
        """Waits until messages cross both ways again. The server of the domain begins, since stox lets a domain rest that
        it could not reach (RFC 6120 section 3.3) until it is heard of."""
        async def there():
            self.phone.mail.clear()
            self.chats[domain].write("friar@gate.example", "Is all well?")
            await asyncio.sleep(1)
            return self.phone.mail.kept
        async def back():
            return (await self.message(f"juliet@{domain}", "All is well.")).status == 200
        await self.chats[domain].ready()
        await self.bridge.until(there, f"way from {domain}", 70)
        await self.bridge.until(back, f"way to {domain}", 70)
        await asyncio.sleep(0.5)
        self.fresh()

    async def seen(self, domain, id, way, direct=False):
        """By what the server of `domain` had this message, once it has said so."""
        server = self.of(domain)
        carried = await server.until(lambda: server.carried(id, way), f"message {id} that was {way}")
        if carried.tls == "TLS":  # ejabberd does not say which version.
            carried.tls = (self.wire(server if carried.opened_by == "stox" else self, direct).tls or ["TLS"])[-1]
        return carried
