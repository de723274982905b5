"""TLS in both directions, with names that are checked (RFC 5922), and digest: a Kamailio that wants both, and peers whose
certificates are no good."""

import asyncio
import re
import ssl

from peers import certificates
from peers.phone import Phone, Sip
from peers.program import Program
from peers.proxy import Proxy
from peers.tool import run
from stage import Stage, telephones

from . import check, equal, has, quote

#: Where a peer sends from that has to prove its name.
FAR = "127.0.0.66"
SIDES = """
[sip]
listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}", "tls:127.0.0.1:{tls}"]

[sip.tls]
certificate = "{certificates}/stox.crt"
key = "{certificates}/stox.key"
trust = ["{certificates}/ca.crt"]
client_certificates = "require"

[[sip.peer]]
name = "far away"
source = ["{far}"]
tls_name = "secure.example"
domains = ["secure.example"]
""" + (telephones("secure.example", "sip:127.0.0.1:{kamailio};transport=tls", """\
[[domain.credentials]]
realm = "secure.example"
username = "stox"
password = "pw-stox"
[domain.register]
aor = "sip:stox@secure.example"
""", link=False) + telephones("mistaken.example", "sip:127.0.0.1:{plain};transport=udp", """\
[[domain.credentials]]
username = "stox"
password = "wrong"
""") + telephones("badtls.example", "sip:127.0.0.1:{bad};transport=tls"))


class Guarded(Stage):
    """Kamailio that takes requests of other domains only with digest, and TLS only with a certificate; its phone."""

    def __init__(self, world):
        super().__init__(world)
        self.certificates = certificates.make(self.place)
        self.port, self.tls, sip, tls, self.bad = self.place.ports(5)
        self.kamailio = self.add(Proxy(self.place, "kamailio-secure", "secure.example", ("DIGEST", "TLS", "MUTUAL"),
                                       sip=sip, tls=tls, stox=self.port, stox_tls=self.tls))
        self.bridge = self.stox("stox-secure", "secure.example", SIDES, port=self.port, tls=self.tls, kamailio=tls, plain=sip,
                                bad=self.bad, far=FAR, certificates=self.certificates)
        self.phone = Phone(self.place, "friar")

    async def start(self):
        await super().start()
        await self.phone.open()
        await self.phone.register(at=self.kamailio.sip, domain="secure.example")

    async def stop(self):
        self.phone.close()
        await super().stop()

    def fresh(self):
        self.phone.mail.clear()


@check("secure-x2s-digest-mutual-tls", stage=Guarded)
async def _(s):
    """Both show certificates; Kamailio wants a password, too."""
    s.juliet.write("friar@secure.example", "Holy Franciscan friar! äöü 😀")
    got = await s.phone.mail.next()
    equal(got.text, "Holy Franciscan friar! äöü 😀", "text")
    ways = s.kamailio.received("MESSAGE")
    equal({way for way, _ in ways}, {"tls"}, "the transports that Kamailio was reached by")
    has(ways[-1][1], "by stox", "the user that Kamailio knew")
    return f"phone received {quote(got.text)}; Kamailio: {ways[-1][0]} {ways[-1][1]}"


def passed_on(transport):
    @check(f"secure-s2x-kamailio-{transport}", stage=Guarded)
    async def _(s):
        """The phone names the transport that Kamailio is to reach stox by; with TLS both show certificates."""
        text = f"Hence from Verona art thou banished, by {transport}."
        answer = await s.phone.request("MESSAGE", f"sip:juliet@xmpp.example;transport={transport}", text.encode(),
                                       at=s.kamailio.sip, sender="sip:friar@secure.example", to="sip:juliet@xmpp.example",
                                       headers=[("Content-Type", "text/plain")])
        equal(answer.status, 200, "answer")
        got = await s.juliet.mail.next()
        equal((got.body, got.sender), (text, "friar@secure.example"), "message")
        # Kamailio counts its transports: 1 is UDP, 2 TCP, 3 TLS.
        out = re.findall(r"out (\d) \d+ MESSAGE sip:juliet", s.kamailio.said())
        equal(out[-1], {"udp": "1", "tcp": "2", "tls": "3"}[transport], "the transport that Kamailio used")
        return f"juliet received {quote(got.body)} from {got.sender}"


for transport in ("udp", "tcp", "tls"):
    passed_on(transport)


@check("secure-register", stage=Guarded)
async def _(s):
    """stox is registered, with a password, and says so."""
    async def registered():
        return any("by stox" in line for _, line in s.kamailio.received("REGISTER sip:secure.example from sip:stox@"))
    await s.kamailio.until(registered, "REGISTER with a password")
    status, ready = await s.bridge.get("/ready")
    equal(status, 200, "/ready")
    return f"Kamailio: {s.kamailio.received('REGISTER sip:secure.example from sip:stox@')[-1][1]}; /ready: {quote(ready.strip())}"


@check("secure-x2s-digest-stale", stage=Guarded)
async def _(s):
    """Kamailio forgets a nonce after two seconds; nobody notices."""
    for n in range(2):
        s.juliet.write("friar@secure.example", f"nonce {n}")
        got = await s.phone.mail.next()
        equal(got.text, f"nonce {n}", "text")
        await asyncio.sleep(2.5 * (1 - n))
    await s.juliet.errors.stays_empty(0.3)
    return f"phone received {quote(got.text)} after the nonce had gone stale"


@check("secure-x2s-digest-wrong", stage=Guarded)
async def _(s):
    """A wrong password is tried once, and told as what it is."""
    before = len(s.kamailio.received("MESSAGE"))
    error = await s.juliet.error_for(s.juliet.write("friar@mistaken.example", "Let me in."))
    tried = len(s.kamailio.received("MESSAGE")) - before
    assert tried <= 2, f"it was tried {tried} times"
    return f"juliet received: {error.error}: {quote(error.text)}; Kamailio saw {tried} requests"


def knocks(name, certificate, why):
    @check(f"secure-s2x-tls-{name}", stage=Guarded)
    async def _(s):
        """A client whose certificate is no good is refused in the handshake, and one line says why."""
        before = len(s.bridge.said())
        own = ["-cert", s.certificates / f"{certificate}.pem", "-key", s.certificates / f"{certificate}.key"] if certificate else []
        code, output = await run("openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{s.tls}", "-CAfile",
                                 s.certificates / "ca.crt", *own, text=b"OPTIONS sip:xmpp.example SIP/2.0\r\n\r\n", within=10)
        assert "SIP/2.0" not in output, f"it was answered: {output}"
        await s.bridge.until(lambda: why in s.bridge.said()[before:], f"line with {why!r}")
        line = next(line for line in s.bridge.said()[before:].splitlines() if why in line)
        return f"openssl received: {alert(output)}; log: {line.partition(' stox::')[2]}"


def alert(output):
    found = re.search(r"alert ([a-z ]+)", output)
    return found[1] if found else "the end of the connection"


knocks("expired", "expired", "its certificate expired")
knocks("wrong-authority", "foreign", "signed by nobody we trust")
knocks("no-certificate", None, "shows no certificate")


@check("secure-s2x-tls-wrong-name", stage=Guarded)
async def _(s):
    """A good certificate for another name proves nothing about secure.example: no word of it comes through."""
    told = {}
    for name in ("stranger", "kamailio"):
        context = ssl.create_default_context(cafile=s.certificates / "ca.crt")
        context.load_cert_chain(s.certificates / f"{name}.crt", s.certificates / f"{name}.key")
        reader, writer = await asyncio.open_connection("127.0.0.1", s.tls, ssl=context, local_addr=(FAR, 0))
        _, request = s.phone.build("MESSAGE", "sip:juliet@xmpp.example", name.encode(), "TLS",
                                    sender="sip:friar@secure.example", headers=[("Content-Type", "text/plain")])
        writer.write(request)
        told[name] = Sip(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 8)).answer
        writer.close()
    equal(told, {"stranger": "403 Forbidden", "kamailio": "200 OK"}, "answers")
    got = await s.juliet.mail.next()
    equal(got.body, "kamailio", "what came through")
    await s.bridge.until(lambda: "TLS proves stranger.example" in s.bridge.said(), "line that names the stranger")
    line = next(line for line in s.bridge.said().splitlines() if "TLS proves stranger.example" in line)
    return f"the stranger received {told['stranger']}, log: {line.partition(' stox::')[2]}; who proved secure.example: {told['kamailio']}"


def dials(name, certificate, why):
    @check(f"secure-x2s-tls-{name}", stage=Guarded)
    async def _(s):
        """A next hop whose certificate is no good gets no message; its sender is told, and one line says why."""
        before = len(s.bridge.said())
        server = Program(f"openssl-{name}", s.place, "openssl", "s_server", "-accept", f"127.0.0.1:{s.bad}", "-quiet",
                         "-cert", s.certificates / f"{certificate}.pem", "-key", s.certificates / f"{certificate}.key")
        await server.start(s.bad)
        try:
            error = await s.juliet.error_for(s.juliet.write("friar@badtls.example", "Who are you?"), 15)
            await s.bridge.until(lambda: why in s.bridge.said()[before:], f"line with {why!r}")
        finally:
            await server.stop()
        assert "MESSAGE" not in server.said(), "the message was sent all the same"
        line = next(line for line in s.bridge.said()[before:].splitlines() if why in line)
        return f"juliet received: {error.error}: {quote(error.text)}; log: {line.partition(' stox::')[2]}"


dials("expired", "expired", "its certificate expired")
dials("wrong-authority", "foreign", "signed by nobody we trust")
dials("wrong-name", "stranger", "badtls.example")
