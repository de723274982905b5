"""A SIP system that no address is known of, and that proves an account at stox. (stox with accounts of its own: asterisk,
secure.)"""

import asyncio
import re

from peers.place import HERE
from peers.program import Program
from stage import Stage

from . import check, equal, has

#: Where it sends from: nobody's address.
FIELD = "127.0.0.31"
SIDES = """
[sip]
listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}"]

[sip.auth]
realm = "stox.example"
algorithms = {algorithms}

[[sip.account]]
username = "field"
password = "pw-field"
domains = ["prove.example"]

[[domain]]
home = "sip"
xmpp = "{domain}"
sip = "prove.example"
next_hop = "sip:127.0.0.1:9;transport=udp"
"""


class Sender(Program):
    """SIPp with an account; ends after `calls` messages."""

    def __init__(self, place, name, port, to, password, calls):
        self.traffic = place.run / f"{name}.messages"
        super().__init__(name, place, "sipp", f"127.0.0.1:{to}", "-i", FIELD, "-p", port, "-sf", HERE / "prove.xml",
                         "-au", "field", "-ap", password, "-m", calls, "-r", 5, "-nostdin", "-recv_timeout", 4000,
                         "-trace_msg", "-message_file", self.traffic, "-message_overwrite", "true")

    async def finish(self, within):
        return await asyncio.wait_for(self.process.wait(), within)

    def saw(self):
        return self.traffic.read_text(errors="replace") if self.traffic.exists() else ""


class Field(Stage):
    """stox with an account, and challenges of MD5 alone, which SIPp knows best."""

    def __init__(self, world):
        super().__init__(world)
        self.port, self.from_port = self.place.ports(2)
        self.gateway = self.stox("stox-digest", "prove.example", SIDES, port=self.port, algorithms='["MD5"]')

    async def send(self, name, password, calls):
        sender = Sender(self.place, name, self.from_port, self.port, password, calls)
        await sender.start()
        try:
            return await sender.finish(20), sender.saw()
        finally:
            await sender.stop()


@check("digest-proves", stage=Field, limit=30)
async def _(s):
    """Each message is challenged once and then taken, from an address that nobody knows."""
    code, saw = await s.send("sipp-proves", "pw-field", 3)
    equal(code, 0, "SIPp's exit code")
    texts = sorted([(await s.juliet.mail.next()).body.strip() for _ in range(3)])
    equal(texts, ["proven 1", "proven 2", "proven 3"], "what juliet read")
    challenge = re.search(r"WWW-Authenticate: (Digest [^\r\n]*)", saw)
    has(challenge[1], 'realm="stox.example"', "challenge")
    asked, taken = len(re.findall("SIP/2.0 401", saw)), len(re.findall("SIP/2.0 20[02]", saw))
    return f"SIPp was asked {asked} times, and {taken} messages were taken"


@check("digest-wrong", stage=Field, limit=30)
async def _(s):
    """A wrong password: another challenge, a line in the log, and nothing at juliet's."""
    code, saw = await s.send("sipp-wrong", "guess", 1)
    assert code != 0, "SIPp was let in"
    answers = re.findall(r"SIP/2.0 401[^\r]*\r?\n(?:[^\r\n]+\r?\n)*?CSeq: 2 MESSAGE", saw)
    assert answers, "the second try was not challenged"
    await s.juliet.mail.stays_empty(0.5)
    line = re.search(rf"[^\n]*{re.escape(FIELD)}[^\n]*digest[^\n]*", s.gateway.said())
    assert line, "the log does not name the source"
    return f"SIPp received 401 again; log: {line[0].split(' ', 1)[1].strip()}"
