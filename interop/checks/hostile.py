"""A server that breaks the rules on purpose, byte by byte: it is told which, and the others notice nothing."""

import contextlib

from federation import Federation
from peers.raw import Raw

from . import check, equal

#: A stanza that must not get through.
FORGED = "<message from='{sender}' to='friar@gate.example' type='chat' id='forged'><body>Trust me.</body></message>"


@contextlib.asynccontextmanager
async def stranger(s, certificate=None, direct=False):
    raw = await Raw(s.direct if direct else s.s2s, s.certificates, certificate).open(direct)
    try:
        yield raw
    finally:
        raw.close()


async def unharmed(s):
    """Nothing came through, and verona.example still gets and sends its messages."""
    await s.phone.mail.stays_empty(0.2)
    s.chats["verona.example"].write("friar@gate.example", "All is well here.")
    got = await s.phone.mail.next()
    equal(got.text, "All is well here.", "text")
    return "verona.example meanwhile as always"


def breaks(name, condition, what):
    """`what(s)` breaks a rule and returns the condition that it was told."""
    @check(f"hostile-{name}", 30, stage=Federation)
    async def _(s):
        told = await what(s)
        assert told in condition, f"it was told {told}, not {condition}"
        return f"it was told {told}; {await unharmed(s)}"


async def unauthenticated(s):
    async with stranger(s, "raw") as raw:
        await raw.negotiate("raw.example", external=False)
        raw.write(FORGED.format(sender="juliet@raw.example"))
        return await raw.error()


async def before_tls(s):
    async with stranger(s) as raw:
        raw.header("raw.example")
        await raw.until("</stream:features>")
        raw.write(FORGED.format(sender="juliet@raw.example"))
        return await raw.error()


async def not_its_own(s):
    async with stranger(s, "raw") as raw:
        await raw.negotiate("raw.example")
        raw.write(FORGED.format(sender="juliet@verona.example"))
        return await raw.error()


async def other_recipient(s):
    """Proven for gate.example; this is for a domain that it was not proven for."""
    async with stranger(s, "raw") as raw:
        await raw.negotiate("raw.example")
        raw.write(FORGED.format(sender="juliet@raw.example").replace("gate.example", "nowhere.example"))
        return await raw.error()


async def external_for_another(s):
    async with stranger(s, "raw") as raw:
        await raw.negotiate("verona.example", external=False)
        raw.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
        end = await raw.until("</failure>|</stream:error>")
        return "not-authorized" if "<not-authorized" in end else "invalid-mechanism" if "<invalid-mechanism" in end else end


async def forged_key(s):
    """verona.example is asked whether the key is its own, and says no."""
    async with stranger(s, "raw") as raw:
        await raw.negotiate("verona.example", external=False)
        raw.write("<db:result from='verona.example' to='gate.example'>0123456789abcdef</db:result>")
        end = await raw.until("<db:result[^>]*>|</stream:error>", 12)
        return "invalid" if "type='invalid'" in end.replace('"', "'") else end[-200:]


async def without_tls(s):
    """Dialback where TLS is demanded."""
    async with stranger(s) as raw:
        raw.header("verona.example")
        await raw.until("</stream:features>")
        raw.write("<db:result from='verona.example' to='gate.example'>0123456789abcdef</db:result>")
        end = await raw.until("</db:result>|</stream:error>")
        return "policy-violation" if "<policy-violation" in end else end[-200:]


def header(*words, **more):
    async def opens(s):
        async with stranger(s) as raw:
            raw.header(*words, **more)
            return await raw.error()
    return opens


def text(data):
    async def writes(s):
        async with stranger(s) as raw:
            raw.header("raw.example")
            await raw.until("</stream:features>")
            raw.write(data)
            return await raw.error()
    return writes


breaks("stanza-unauthenticated", ("not-authorized",), unauthenticated)
breaks("stanza-before-tls", ("not-authorized", "policy-violation"), before_tls)
breaks("from-not-proven", ("invalid-from",), not_its_own)
breaks("to-not-proven", ("host-unknown", "improper-addressing", "not-authorized", "invalid-from"), other_recipient)
breaks("external-for-another", ("not-authorized", "invalid-mechanism"), external_for_another)
breaks("dialback-forged", ("invalid",), forged_key)
breaks("dialback-without-tls", ("policy-violation",), without_tls)
breaks("domain-unknown", ("host-unknown",), header("raw.example", "nowhere.example"))
breaks("namespace-wrong", ("invalid-namespace",), header("raw.example", namespace="jabber:client"))
breaks("not-well-formed", ("not-well-formed",), text("<message><body></message>"))
breaks("restricted-xml", ("restricted-xml",), text("<!-- a comment -->"))
breaks("not-utf-8", ("unsupported-encoding", "not-well-formed"), text(b"<message>\xff\xfe</message>"))


@check("hostile-many-that-never-speak", 40, stage=Federation)
async def _(s):
    """Two hundred connections without a word, from one address: those beyond its share are refused, others go on."""
    raws = []
    try:
        for _ in range(200):
            raws.append(await Raw(s.s2s, s.certificates).open())
        told = await unharmed(s)
        return f"200 silent connections; {told}"
    finally:
        for raw in raws:
            raw.close()
