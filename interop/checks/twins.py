"""Two instances of stox that federate with each other, a Kamailio with phones behind each: SIP to SIP over XMPP."""

import asyncio

from federation import CHAT, CHATS, Federation, server, srv
from flow import Flow, again
from peers.phone import Phone
from peers.proxy import Proxy
from stage import telephones

from . import check, equal, quote


class Twins(Federation):
    """The other one serves twin.example, where laurence has a phone."""

    def __init__(self, world):
        place = world.place
        self.twin_sip, self.twin_s2s, self.twin_direct, kamailio = place.ports(4)
        super().__init__(world)
        self.other_kamailio = self.add(Proxy(place, "kamailio-twin", "twin.example", sip=kamailio, stox=self.twin_sip,
                                             chat=CHAT.replace("twin", "gate")))
        sides = (server(["twin.example"], sip=self.twin_sip, s2s=self.twin_s2s, direct=self.twin_direct, dns=self.names.port,
                        own="twin", certificates=self.certificates)
                 + telephones("twin.example", f"sip:127.0.0.1:{kamailio};transport=udp", link=False) + CHATS.format(name="gate.example"))
        self.other = self.stox("stox-twin", None, sides)
        self.laurence = Phone(place, "laurence")

    def more_names(self):
        return [srv("twin.example", self.twin_s2s)]

    async def start(self):
        await super().start()
        await self.laurence.open()
        await self.laurence.register(at=self.other_kamailio.sip, domain="twin.example")

    async def stop(self):
        self.laurence.close()
        await super().stop()

    def fresh(self):
        super().fresh()
        self.laurence.mail.clear()
        self.laurence.answers = lambda request: "200 OK"

    async def back(self, text, **more):
        """Laurence's phone to friar's."""
        return await self.laurence.message("friar@gate.example", text, sender="sip:laurence@twin.example",
                                           at=self.other_kamailio.sip, **more)


@check("twins-message", 30, stage=Twins)
async def _(s):
    there = await s.message("laurence@twin.example", "Holy Franciscan friar!")
    got = await s.laurence.mail.next()
    equal(got.text, "Holy Franciscan friar!", "text")
    back = await s.back("This same should be the voice of Friar John.")
    answer = await s.phone.mail.next()
    equal(answer.text, "This same should be the voice of Friar John.", "text")
    metrics = {name: value for name, value in (await s.other.metrics("stox_xmpp_s2s")).items() if value}
    return (f"laurence's phone received {quote(got.text)} from {got.get('from')} (friar: {there.answer}), friar's "
            f"{quote(answer.text)} (laurence: {back.answer}); /metrics of the other: {metrics}")


@check("twins-refused", 30, stage=Twins)
async def _(s):
    """What the phone behind the other stox says reaches the one that asked."""
    s.laurence.answers = lambda request: "404 No such friar"
    there = await s.message("laurence@twin.example", "Are you there?")
    absent = await s.message("mercutio@twin.example", "And you?")
    s.phone.answers = lambda request: "486 Busy praying"
    back = await s.back("And there?")
    for answer in (there, absent, back):
        assert answer.status >= 400, f"answer {answer.answer}"
    return f"friar's phone received {there.answer} and {absent.answer}; laurence's {back.answer}"


@check("twins-in-order", 60, stage=Twins)
async def _(s):
    """Two hundred each way at once."""
    for n in range(200):
        answers = await asyncio.gather(s.message("laurence@twin.example", f"line {n}"), s.back(f"line {n}"))
        equal([answer.status for answer in answers], [200, 200], f"the answers to {n}")
    got = [[message.text for message in phone.mail.kept] for phone in (s.laurence, s.phone)]
    equal(got, [[f"line {n}" for n in range(200)]] * 2, "what the phones received")
    return "each phone received 200 messages in order"


@check("twins-restarted", 90, stage=Twins)
async def _(s):
    """The other stox is restarted while friar sends: every message arrives once, or he is told."""
    flow = Flow(None, s.laurence, None, lambda text: s.message("laurence@twin.example", text, within=40), messages=250)
    return f"laurence and friar: {await flow.phone_to_phone(again(s.other), 20)}"
