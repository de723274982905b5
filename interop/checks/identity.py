"""Nobody speaks in another's name, and nobody speaks whom the configuration does not allow."""

from . import check, equal


@check("identity-s2x-foreign-source")
async def _(w):
    async with w.stranger("127.0.0.9") as stranger:
        answer = await stranger.message("juliet@xmpp.example", "Trust me.", at=w.place.stox)
    equal(answer.status, 403, "answer")
    await w.nothing_crosses()
    return f"the program at 127.0.0.9 received: {answer.answer}; juliet nothing"


def spoofed(name, sender):
    @check(f"identity-s2x-{name}")
    async def _(w):
        answer = await w.benvolio.message("juliet@xmpp.example", "It is I, love.", sender=sender)
        equal(answer.status, 403, "answer")
        await w.nothing_crosses()
        return f"phone received: {answer.answer} as {sender}; juliet nothing"


spoofed("spoofed-chat-user", "sip:nurse@xmpp.example")
spoofed("spoofed-domain", "sip:prince@verona.example")


@check("identity-s2x-sips")
async def _(w):
    """RFC 7247 section 8: sips: is not translated."""
    answer = await w.benvolio.request("MESSAGE", "sips:juliet@xmpp.example", b"secure?", at=w.place.stox,
                                      headers=[("Content-Type", "text/plain")])
    assert answer.status in (416, 480), f"phone received {answer.answer}"
    await w.nothing_crosses()
    return f"phone received: {answer.answer}; juliet nothing"


@check("identity-s2x-foreign-target")
async def _(w):
    """stox is no open relay."""
    answer = await w.benvolio.message("prince@verona.example", "Relay?", at=w.place.stox)
    assert answer.status in (403, 404), f"phone received {answer.answer}"
    await w.nothing_crosses()
    return f"phone received: {answer.answer}"


@check("identity-s2x-last-hop")
async def _(w):
    """RFC 3261 section 8.1.1.6: with no hop left it goes nowhere."""
    answer = await w.benvolio.message("juliet@xmpp.example", "One step too far.", hops=0, at=w.place.stox)
    equal(answer.status, 483, "answer")
    await w.nothing_crosses()
    return f"phone received: {answer.answer}; juliet nothing"
