"""Two instances of stox that federate with each other, a Kamailio with phones behind each: SIP to SIP over XMPP."""

import asyncio

from federation import CHATS, GATES, server, srv
from flow import Flow, again
from peers import certificates
from peers.names import Names
from peers.phone import Phone
from peers.proxy import Proxy
from stage import Stage, telephones

from . import check, equal, quote


class Side:
    """An instance of stox that serves `domains`, the first of which is `user`'s, and knows those of `others`; a Kamailio,
    and a phone behind it."""

    def __init__(self, stage, domains, others, user, own, ports):
        sip, s2s, direct, kamailio = ports
        domain = domains[0]
        self.domain, self.user = domain, user
        self.kamailio = stage.add(Proxy(stage.place, f"kamailio-beside-{own}", domain, sip=kamailio, stox=sip, chat=others[0].replace(".", r"\.")))
        sides = (server(domains, sip=sip, s2s=s2s, direct=direct, dns=stage.names.port, own=own, certificates=stage.certificates)
                 + "".join(telephones(name, f"sip:127.0.0.1:{kamailio};transport=udp", link=False) for name in domains)
                 + "".join(CHATS.format(name=name) for name in others))
        self.stox = stage.stox(f"stox-{own}", None, sides)
        self.phone = Phone(stage.place, user)

    async def message(self, to, text, **more):
        """Its phone sends by way of its Kamailio; the final response."""
        more.setdefault("sender", f"sip:{self.user}@{self.domain}")
        return await self.phone.message(to, text, at=self.kamailio.sip, **more)


class Twins(Stage):
    """gate.example, where friar has a phone, and twin.example, where laurence has one."""

    def __init__(self, world):
        super().__init__(world)
        self.certificates = certificates.make_servers(self.place)
        ports = [self.place.ports(4) for _ in range(2)]
        twin = ["twin.example"]
        self.names = self.add(Names(self.place, "\n".join((
            "localhost. 60 IN A 127.0.0.1", *(srv(gate, ports[0][1]) for gate in GATES), srv(twin[0], ports[1][1])))))
        self.friar = Side(self, GATES, twin, "friar", "gate", ports[0])
        self.laurence = Side(self, twin, GATES, "laurence", "twin", ports[1])
        self.sides = (self.friar, self.laurence)

    async def start(self):
        await super().start()
        for side in self.sides:
            await side.phone.open()
            await side.phone.register(at=side.kamailio.sip, domain=side.domain)

    async def stop(self):
        for side in self.sides:
            side.phone.close()
        await super().stop()

    def fresh(self):
        for side in self.sides:
            side.phone.mail.clear()
            side.phone.answers = lambda request: "200 OK"


@check("twins-message", 30, stage=Twins)
async def _(s):
    there = await s.friar.message("laurence@twin.example", "Holy Franciscan friar!")
    got = await s.laurence.phone.mail.next()
    equal(got.text, "Holy Franciscan friar!", "text")
    back = await s.laurence.message("friar@gate.example", "This same should be the voice of Friar John.")
    answer = await s.friar.phone.mail.next()
    equal(answer.text, "This same should be the voice of Friar John.", "text")
    metrics = {name: value for name, value in (await s.laurence.stox.metrics("stox_s2s_p")).items() if value}
    return (f"laurence's phone received {quote(got.text)} from {got.get('from')} (friar: {there.answer}), friar's "
            f"{quote(answer.text)} (laurence: {back.answer}); /metrics of the other: {metrics}")


@check("twins-refused", 30, stage=Twins)
async def _(s):
    """What the phone behind the other stox says reaches the one that asked."""
    s.laurence.phone.answers = lambda request: "404 No such friar"
    there = await s.friar.message("laurence@twin.example", "Are you there?")
    absent = await s.friar.message("mercutio@twin.example", "And you?")
    s.friar.phone.answers = lambda request: "486 Busy praying"
    back = await s.laurence.message("friar@gate.example", "And there?")
    for answer in (there, absent, back):
        assert answer.status >= 400, f"answer {answer.answer}"
    return f"friar's phone received {there.answer} and {absent.answer}; laurence's {back.answer}"


@check("twins-multiplexed", 30, stage=Twins)
async def _(s):
    """Five domains of the one write to the other: all by one stream (XEP-0220 section 2.6)."""
    for gate in GATES:
        answer = await s.friar.message("laurence@twin.example", f"from {gate}", sender=f"sip:friar@{gate}")
        equal(answer.status, 200, f"the answer to {gate}")
        got = await s.laurence.phone.mail.next()
        equal(got.text, f"from {gate}", "text")
    metrics = await s.laurence.stox.metrics("stox_s2s")
    told = {name.removeprefix("stox_s2s_"): value for name, value in metrics.items()
            if value and any(word in name for word in ("_streams", "_pairs", "_proofs"))}
    assert metrics["stox_s2s_pairs_on_one_stream"] >= len(GATES), f"/metrics of the other: {told}"
    return f"laurence's phone received {len(GATES)} messages; /metrics of the other stox: {told}"


@check("twins-in-order", 60, stage=Twins)
async def _(s):
    """Two hundred each way at once."""
    for n in range(200):
        answers = await asyncio.gather(s.friar.message("laurence@twin.example", f"line {n}"),
                                       s.laurence.message("friar@gate.example", f"line {n}"))
        equal([answer.status for answer in answers], [200, 200], f"the answers to {n}")
    got = [[message.text for message in phone.mail.kept] for phone in (s.laurence.phone, s.friar.phone)]
    equal(got, [[f"line {n}" for n in range(200)]] * 2, "what the phones received")
    return "each phone received 200 messages in order"


@check("twins-restarted", 90, stage=Twins)
async def _(s):
    """The other stox is restarted while friar sends: every message arrives once, or he is told."""
    flow = Flow(None, s.laurence.phone, None, lambda text: s.friar.message("laurence@twin.example", text, within=40), messages=250)
    return f"laurence and friar: {await flow.phone_to_phone(again(s.laurence.stox), 20)}"
