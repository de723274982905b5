"""A server on either side, or stox, is restarted while messages flow: every message ends in one way, none arrives twice.

A message that Prosody lost before stox had it is not stox's; Prosody's own log says which those are.
"""

from flow import Flow, again

from . import check, equal


def flow(w):
    return Flow(w.juliet, w.benvolio, "benvolio@sip.example",
                lambda text: w.benvolio.message("juliet@xmpp.example", text, within=40))


async def to_phone(w, program, within):
    await w.benvolio.register()
    taken = (lambda: "\n".join(w.prosody.witnessed("prosody>stox"))) if program is w.prosody else None
    return f"phone and juliet: {await flow(w).to_phone(again(program), within, taken)}"


async def to_chat(w, program, within):
    return f"juliet and the phone: {await flow(w).to_chat(again(program), within)}"


@check("restart-prosody-x2s", 90)
async def _(w):
    return await to_phone(w, w.prosody, 40)


@check("restart-prosody-s2x", 90)
async def _(w):
    return await to_chat(w, w.prosody, 10)


@check("restart-kamailio-x2s", 120)
async def _(w):
    """The phone registers again by itself, as phones do; Timer F is 32 s."""
    w.benvolio.keep_registered()
    try:
        return await to_phone(w, w.kamailio, 60)
    finally:
        w.benvolio.stop_registering()


@check("restart-kamailio-s2x", 90)
async def _(w):
    return await to_chat(w, w.kamailio, 10)


@check("restart-stox-x2s", 90)
async def _(w):
    return await to_phone(w, w.stox, 40)


@check("restart-stox-s2x", 90)
async def _(w):
    return await to_chat(w, w.stox, 10)


@check("restart-all-is-well-again")
async def _(w):
    """After all that a plain message crosses each way."""
    await w.baresip.command("uareg", "600 0")
    await w.benvolio.register()
    w.juliet.write("benvolio@sip.example", "Are you well?")
    there = await w.benvolio.mail.next()
    answer = await w.benvolio.message("juliet@xmpp.example", "I am.")
    equal(answer.status, 200, "answer")
    back = await w.juliet.mail.next()
    return f"phone received {there.text!r}, juliet {back.body!r}"
