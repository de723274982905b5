"""Every failure is shown to the one who wrote, on the side where she is (RFC 7247 section 7)."""

from . import check, equal, quote


async def refused(w, to, condition, text=None, within=8):
    """Juliet writes; she gets exactly one error that names her message. Returns what she was told."""
    id = w.juliet.write(to, "Can you hear me?")
    error = await w.juliet.error_for(id, within)
    equal(error.error, condition, "condition")
    equal(error.sender.partition("/")[0], to, "the error's sender")
    if text:
        equal(error.text, text, "text")
    await w.juliet.errors.stays_empty(0.3)
    return f"juliet received: {error.error}: {quote(error.text)} for {id} from {error.sender}"


@check("failure-x2s-unknown-user")
async def _(w):
    return await refused(w, "nobody@sip.example", "item-not-found", "No such extension")


@check("failure-x2s-no-phone-registered")
async def _(w):
    return await refused(w, "mercutio@sip.example", "recipient-unavailable", "No phone registered")


@check("failure-x2s-phone-gone")
async def _(w):
    """Registered, then signed off."""
    async with w.phone("mercutio") as phone:
        w.juliet.write("mercutio@sip.example", "Still here?")
        equal((await phone.mail.next()).text, "Still here?", "text while the phone was there")
    return await refused(w, "mercutio@sip.example", "recipient-unavailable", "No phone registered")


@check("failure-x2s-sent-again")
async def _(w):
    """She was told that it failed, so sending the same stanza again is a new try and not a repetition."""
    id = w.juliet.write("mercutio@sip.example", "Are you there now?")
    await w.juliet.error_for(id)
    async with w.phone("mercutio") as phone:
        w.juliet.write("mercutio@sip.example", "Are you there now?", id=id)
        got = await phone.mail.next()
    return f"phone received at the second try: {quote(got.text)}"


@check("failure-x2s-phone-silent")
async def _(w):
    """Registered, but it says nothing: Kamailio gives up with 408 after 4 s."""
    w.benvolio.answers = lambda request: None
    return await refused(w, "benvolio@sip.example", "remote-server-timeout", within=12)


@check("failure-x2s-phone-says-no")
async def _(w):
    """RFC 7247 table 3, as far as Kamailio passes the phone's answers on."""
    told = []
    for answer, condition in (("403 Forbidden by Capulet", "forbidden"), ("406 Not so", "not-acceptable"),
                              ("410 Gone to Mantua", "gone"), ("415 Ink only\r\nAccept: image/png", "not-acceptable"),
                              ("486 Busy fencing", "recipient-unavailable"), ("500 O, I am slain", "internal-server-error"),
                              ("603 A plague on both", "recipient-unavailable")):
        w.benvolio.answers = lambda request, answer=answer: answer
        reason = answer.partition("\r")[0][4:]
        await refused(w, "benvolio@sip.example", condition, reason)
        told.append(f"{answer[:3]} {condition}")
    return f"juliet received, with the phone's own words: {', '.join(told)}"


@check("failure-s2x-unknown-user")
async def _(w):
    """Prosody says service-unavailable of users it has not; RFC 7247 table 2 note 5 makes that 403 or 405."""
    answer = await w.baresip.message("nobody", "Is anybody there?")
    assert answer.status in (403, 404, 405, 604), f"baresip received {answer.answer}"
    await w.nothing_crosses()
    return f"baresip received: {answer.answer}"


@check("failure-s2x-not-an-address")
async def _(w):
    answer = await w.benvolio.message("%20@xmpp.example", "A blank has no JID.")
    assert 400 <= answer.status < 500, f"phone received {answer.answer}"
    return f"phone received: {answer.answer}"


@check("failure-s2x-chat-offline")
async def _(w):
    """Not a failure: Prosody keeps it, and hands it over when she comes back."""
    await w.nurse.logout()
    try:
        answer = await w.benvolio.message("nurse@xmpp.example", "When you are back: she wakes.")
        equal(answer.status, 200, "answer")
    finally:
        await w.nurse.login()
    got = await w.nurse.mail.next()
    return f"phone received {answer.answer}; nurse received on coming back: {quote(got.body)}"
