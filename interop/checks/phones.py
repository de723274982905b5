"""Phones that speak to stox without a server between, over connections."""

import asyncio

from peers import certificates
from peers.baresip import Baresip
from peers.sipp import SippAnswers, SippCall, SippPhones
from peers.websocket import WebSocketPhone
from stage import Stage, telephones

from . import check, equal, has, quote

SIDES = """
[sip]
listen = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}", "tls:127.0.0.1:{tls}", "ws:127.0.0.1:{ws}", "wss:127.0.0.1:{wss}"]

[sip.tls]
certificate = "{certificates}/stox.crt"
key = "{certificates}/stox.key"
trust = ["{certificates}/ca.crt"]
""" + (telephones("phones.example", "sip:127.0.0.1:{baresip};transport=tcp", link=False)
       + telephones("sipp.example", "sip:127.0.0.1:{sipp};transport=tcp", "forward = true\n")
       + telephones("tls.example", "sip:127.0.0.1:{baresip_tls};transport=tls"))
LINE = '<sip:{user};transport={transport}>;outbound="sip:127.0.0.1:{port};transport={transport}";regint=0;mwi=no'


class Street(Stage):
    """Tybalt's baresip, Mercutio's, SIPp and SIP.js, each at a connection to stox: TCP, TLS, TCP, WebSocket."""

    def __init__(self, world):
        super().__init__(world)
        made, place = certificates.make(self.place), self.place
        self.port, self.tls, self.ws, self.wss, self.sipp = place.ports(5)
        plain, secure = Baresip.lines(place), Baresip.lines(place)
        self.bridge = self.stox("stox-phones", "phones.example", SIDES, port=self.port, tls=self.tls, ws=self.ws, wss=self.wss,
                                baresip=plain[0], baresip_tls=secure[0] + 1, sipp=self.sipp, certificates=made)
        self.phone = self.add(Baresip(
            place, "baresip-tcp", "tybalt", LINE.format(user="tybalt@phones.example", port=self.port, transport="tcp"),
            ports=plain))
        self.secure = self.add(Baresip(
            place, "baresip-tls", "mercutio", LINE.format(user="mercutio@tls.example", port=self.tls, transport="tls"),
            ports=secure, more=f"sip_certificate {made}/phone.pem\nsip_cafile {made}/ca.crt"))
        self.browser = self.add(WebSocketPhone(place, "sip.js", f"ws://127.0.0.1:{self.ws}", "sip:rosaline@phones.example"))
        self.browser_tls = self.add(WebSocketPhone(
            place, "sip.js-tls", f"wss://127.0.0.1:{self.wss}", "sip:rosaline@phones.example", made / "ca.crt"))


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
    sipp = SippPhones(s.place, "sipp-tcp", s.place.ports(), f"127.0.0.1:{s.port}", "tcp", "sipp", "sipp.example", 500, 200)
    good, bad, _ = await sipp.through(30)
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


@check("phones-x2s-baresip-tls", stage=Street)
async def _(s):
    s.juliet.write("mercutio@tls.example", "A plague o' both your houses! äöü 😀")
    got = await s.secure.mail.next()
    equal(got.text, "A plague o' both your houses! äöü 😀", "text")
    has(got.get("via"), "SIP/2.0/TLS", "stox's Via")
    return f"baresip received: {quote(got.text)}, Via: {got.get('via').partition(';')[0]}"


@check("phones-s2x-baresip-tls", stage=Street)
async def _(s):
    answer = await s.secure.message("juliet", "No, 'tis not so deep as a well. äöü 😀")
    equal(answer.status, 200, "baresip's answer")
    has(answer.get("via"), "SIP/2.0/TLS", "its Via")
    got = await s.juliet.mail.next()
    equal(got.body, "No, 'tis not so deep as a well. äöü 😀", "text")
    return f"juliet received: {quote(got.body)} from {got.sender}; baresip: {answer.answer}"


def browser(scheme):
    @check(f"phones-s2x-{scheme}", stage=Street)
    async def _(s):
        """A SIP stack of the kind that runs in browsers (RFC 7118)."""
        phone = s.browser if scheme == "ws" else s.browser_tls
        text = f"From a page of a book, by {scheme}. äöü 😀"
        answer = await phone.message("sip:juliet@xmpp.example", text)
        equal(answer["status"], 200, "SIP.js's answer")
        got = await s.juliet.mail.next()
        equal((got.body, got.sender), (text, "rosaline@phones.example"), "message")
        via = phone.sent[-1].get("via")
        has(via, f"SIP/2.0/{scheme.upper()}", "its Via")
        return f"juliet received: {quote(got.body)}; SIP.js received: {answer['status']} {answer['reason']}, sent Via: {via.partition(';')[0]}"

    @check(f"phones-s2x-{scheme}-refused", stage=Street)
    async def _(s):
        phone = s.browser if scheme == "ws" else s.browser_tls
        answer = await phone.message("sip:nobody@xmpp.example", "Is anybody there?")
        assert answer["status"] >= 400, f"SIP.js received {answer}"
        return f"SIP.js received: {answer['status']} {answer['reason']}"


browser("ws")
browser("wss")


async def call(s, caller, callee, transport):
    """Five calls of that kind from phones.example to sipp.example, which stox only passes on."""
    there = SippCall(s.place, callee, s.sipp, transport, 5)
    here = SippCall(s.place, caller, s.place.ports(), transport, 5, s.port)
    await there.start()
    try:
        await here.start()
        good = await here.finish(15) and await there.finish(5)
    except asyncio.TimeoutError:
        good = False
    finally:
        await here.stop()
        await there.stop()
    assert good, f"caller saw {here.saw()}, callee saw {there.saw()}; see {here.log} and {there.log}"
    return f"5 calls over {transport}; callee received: {', '.join(there.saw())}; caller received: {', '.join(here.saw())}"


@check("phones-call-forwarded", 50, stage=Street)
async def _(s):
    return await call(s, "caller", "callee", "tcp")


@check("phones-call-cancelled", 50, stage=Street)
async def _(s):
    return await call(s, "canceller", "ringing", "tcp")
