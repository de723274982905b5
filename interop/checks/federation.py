"""stox as a server of its own (RFC 6120): messages cross in every mode that Prosody and ejabberd have, and each server says
by what stream it had them."""

from federation import Federation

from . import check, equal, quote

#: What a server must have said of the stream, by the name of the check: domain of the chat, its proof, TLS.
MODES = {
    "prosody-external": ("verona.example", "EXTERNAL", True),
    "prosody-direct": ("direct.verona.example", "EXTERNAL", True),
    "prosody-dialback": ("mantua.example", "dialback", True),
    "prosody-plain": ("plain.mantua.example", "dialback", False),
    "ejabberd-external": ("venice.example", "EXTERNAL", True),
    "ejabberd-direct": ("direct.venice.example", "EXTERNAL", True),
    "ejabberd-dialback": ("loose.venice.example", "dialback", True),
    "ejabberd-plain": ("plain.venice.example", "dialback", False),
}


def fits(carried, proof, tls):
    assert proof in carried.proofs, f"{proof} is not among what proved the stream: {carried}"
    assert carried.tls.startswith("TLSv1." if tls else "plain"), f"TLS: {carried}"


@check("federation-peers", 60, stage=Federation)
async def _(s):
    """The servers among themselves, without stox: should this fail, it is not stox that is wrong."""
    told = []
    for one, other in (("verona.example", "venice.example"), ("mantua.example", "loose.venice.example"),
                       ("plain.mantua.example", "plain.venice.example")):
        for here, there in ((one, other), (other, one)):
            id = s.chats[here].write(s.chats[there].jid, "among ourselves")
            await s.chats[there].mail.next(within=12)
            prosody = here if s.of(here) is not s.ejabberd else there
            carried = s.of(prosody).carried(id, "sent" if here == prosody else "received")
            told.append(f"{here}>{there} {carried.tls} {carried.proofs[0]}")
    return "; ".join(told)


def mode(name, domain, proof, tls):
    direct = name.endswith("direct")

    @check(f"federation-{name}-s2x", stage=Federation)
    async def _(s):
        """stox opens the stream; but Prosody, asked about a key, opens one to ask, and offers it for both directions."""
        got = await s.stanza(domain, "Benedicite! What early tongue?")
        equal(got.sender, "friar@gate.example", "sender")
        carried = await s.seen(domain, got.id, "received", direct)
        if proof == "EXTERNAL":
            equal(carried.opened_by, "stox", "who opened the stream")
        fits(carried, proof, tls)
        return f"juliet@{domain} received {quote(got.body)}; {s.of(domain).name} had it by: {carried}"

    @check(f"federation-{name}-x2s", stage=Federation)
    async def _(s):
        """The other server opens one, for another pair."""
        gate = "direct.gate.example" if direct else "two.gate.example"
        id = s.chats[domain].write(f"friar@{gate}", "Good morrow, father.")
        got = await s.phone.mail.next()
        equal(got.text, "Good morrow, father.", "text")
        carried = await s.seen(domain, id, "sent", direct)
        assert carried.opened_by != "stox", f"stox opened the stream: {carried}"
        fits(carried, proof, tls)
        await s.chats[domain].errors.stays_empty(0.2)
        return f"phone received {quote(got.text)}; {s.of(domain).name} sent it by: {carried}"


for name, how in MODES.items():
    mode(name, *how)


@check("federation-s2x-second-target", stage=Federation)
async def _(s):
    """Nothing listens where the first SRV record points (RFC 6120 section 3.2.1)."""
    got = await s.stanza("second.verona.example", "Is there another door?")
    carried = await s.seen("second.verona.example", got.id, "received")
    return f"juliet received {quote(got.body)} by the second target: {carried}"


@check("federation-in-order", 30, stage=Federation)
async def _(s):
    told = []
    for domain in ("verona.example", "venice.example"):
        for n in range(30):
            s.chats[domain].write("friar@gate.example", f"line {n}")
        got = [(await s.phone.mail.next()).text for _ in range(30)]
        equal(got, [f"line {n}" for n in range(30)], f"order from {domain}")
        told.append(f"30 from {domain} in order")
    return f"phone received {', '.join(told)}"


@check("federation-and-component", stage=Federation)
async def _(s):
    """One stox: both.example by the component's link, gate.example by streams of its own, at the same time."""
    s.juliet.write("friar@both.example", "by the component")
    s.chats["verona.example"].write("friar@gate.example", "by a stream")
    got = {(await s.phone.mail.next()).text for _ in range(2)}
    equal(got, {"by the component", "by a stream"}, "texts")
    answer = await s.message("juliet@xmpp.example", "and back", "both.example")
    equal(answer.status, 200, "the phone's answer")
    back = await s.juliet.mail.next()
    equal(back.sender, "friar@both.example", "sender")
    other = await s.stanza("verona.example", "and back")
    return f"phone received {sorted(got)}; juliet@xmpp.example {quote(back.body)} from {back.sender}, juliet@verona.example from {other.sender}"


def asks(name, domain):
    @check(f"federation-{name}-asks", 30, stage=Federation)
    async def _(s):
        """What a client at another server may ask of stox."""
        chat = s.chats[domain]
        await chat.ping("gate.example")
        await chat.ping("friar@gate.example")
        identities, features = await chat.disco("gate.example")
        assert "gateway/sip" in identities, f"identities {identities}"
        version = await chat.version("gate.example")
        equal(version["name"].lower(), "stox", "name")
        time = await chat.time("gate.example")
        last = await chat.last("gate.example")
        return (f"juliet@{domain} received: pong, {', '.join(identities)} with {len(features)} features, {version['name']} "
                f"{version['version']}, {time}, up for {last} s")


asks("prosody", "verona.example")
asks("ejabberd", "venice.example")
