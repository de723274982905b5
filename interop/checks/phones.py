"""Phones that speak to stox without a server between, over connections."""

from peers.baresip import Baresip
from peers.sipp import SippAnswers, SippPhones
from stage import Stage

from . import check, equal, has, quote

SIDES = """
[sip]
listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}"]

[[domain]]
home = "sip"
xmpp = "phones.example"
sip = "phones.example"
next_hop = "sip:127.0.0.1:{baresip};transport=tcp"

[[xmpp.component]]
domain = "sipp.example"
server = "127.0.0.1:{component}"
secret = "{secret}"

[[domain]]
home = "sip"
xmpp = "sipp.example"
sip = "sipp.example"
next_hop = "sip:127.0.0.1:{sipp};transport=tcp"
"""
LINE = '<sip:tybalt@phones.example;transport=tcp>;outbound="sip:127.0.0.1:{};transport=tcp";regint=0;mwi=no'


class Street(Stage):
    """Tybalt's baresip and SIPp, each at a TCP connection to stox."""

    def __init__(self, world):
        super().__init__(world)
        self.port, sip, _, control, media, _ = self.place.ports(6)
        self.sipp = self.place.ports()
        self.bridge = self.stox("stox-phones", "phones.example", SIDES, port=self.port, baresip=sip, sipp=self.sipp)
        self.phone = self.add(Baresip(self.place, "baresip-tcp", "tybalt", LINE.format(self.port), ports=(sip, control, media)))


@check("phones-x2s-baresip-tcp", stage=Street)
async def _(s):
    s.juliet.write("tybalt@phones.example", "Tybalt! äöü 😀")
    got = await s.phone.mail.next()
    equal(got.text, "Tybalt! äöü 😀", "text")
    has(got.get("via"), "SIP/2.0/TCP", "stox's Via")
    return f"baresip received: {quote(got.text)}, Via: {got.get('via').partition(';')[0]}"


@check("phones-s2x-baresip-tcp", stage=Street)
async def _(s):
    answer = await s.phone.message("juliet", "What, drawn, and talk of peace! äöü 😀")
    equal(answer.status, 200, "baresip's answer")
    has(answer.get("via"), "SIP/2.0/TCP", "its Via")
    got = await s.juliet.mail.next()
    equal(got.body, "What, drawn, and talk of peace! äöü 😀", "text")
    return f"juliet received: {quote(got.body)} from {got.sender}; baresip: {answer.answer}"


@check("phones-s2x-sipp-tcp", 40, stage=Street)
async def _(s):
    """Five hundred, by one connection."""
    sipp = SippPhones(s.place, "sipp-tcp", s.place.ports(), s.port, "tcp", "sipp", "sipp.example", 500, 200)
    await sipp.start()
    try:
        good, bad, _ = await sipp.finish(30)
    finally:
        await sipp.stop()
    equal((good, bad), (500, 0), "SIPp's successful and failed calls")
    got = {(await s.juliet.mail.next()).body for _ in range(500)}
    equal(len(got), 500, "different messages")
    await s.juliet.mail.stays_empty(0.3)
    return f"SIPp: {good} answered; juliet received {len(got)} different messages, none twice"


@check("phones-x2s-sipp-tcp", 40, stage=Street)
async def _(s):
    sipp = SippAnswers(s.place, "sipp-uas", s.sipp, "tcp", 200)
    await sipp.start()
    try:
        for n in range(200):
            s.juliet.write(f"line{n % 20}@sipp.example", f"to SIPp {n}")
        took = await sipp.finish(30)
    finally:
        await sipp.stop()
    equal(took, 200, "MESSAGEs that SIPp took")
    await s.juliet.errors.stays_empty(0.3)
    return f"SIPp received {took} MESSAGEs over TCP"
