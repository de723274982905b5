"""Messages cross, both ways, between programs of other makers (RFC 7572)."""

from . import check, equal, has, quote


@check("message-x2s")
async def _(w):
    w.juliet.write("romeo@sip.example", "Art thou not Romeo, and a Montague?")
    got = await w.baresip.mail.next()
    equal(got.text, "Art thou not Romeo, and a Montague?", "text")
    equal(got.get("to").strip("<>"), "sip:romeo@pbx.example", "To")
    has(got.get("from"), "sip:juliet@xmpp.example", "From")
    await w.juliet.errors.stays_empty()
    return f"baresip received: {quote(got.text)} from {got.get('from')}"


@check("message-s2x")
async def _(w):
    answer = await w.baresip.message("juliet", "Neither, fair saint, if either thee dislike.")
    equal(answer.status, 200, "baresip's answer")
    got = await w.juliet.mail.next()
    equal(got.body, "Neither, fair saint, if either thee dislike.", "text")
    equal((got.sender, got.type), ("romeo@sip.example", "normal"), "sender and type (RFC 7572 section 5)")
    return f"juliet received: {quote(got.body)} from {got.sender}; baresip received: {answer.answer}"


@check("message-reply-to-chat")
async def _(w):
    """The phone answers to what it was shown as From; it comes back to the device that wrote."""
    w.juliet.write("benvolio@sip.example", "Where is thy cousin?")
    question = await w.benvolio.mail.next()
    uri = question.get("from").partition("<")[2].partition(">")[0]
    answer = await w.benvolio.request("MESSAGE", uri, b"Underneath the grove of sycamore.",
                                      headers=[("Content-Type", "text/plain")])
    equal(answer.status, 200, f"the answer to a MESSAGE to {uri}")
    got = await w.juliet.mail.next()
    equal(got.to, w.juliet.full, "to")
    return f"juliet's {got.to} received: {quote(got.body)} sent to {uri}"


@check("message-reply-to-phone")
async def _(w):
    """The chat client answers to what it was shown as from."""
    await w.benvolio.message("juliet@xmpp.example", "Romeo is in Mantua.")
    news = await w.juliet.mail.next()
    w.juliet.write(news.sender, "Then I'll to Mantua.")
    got = await w.benvolio.mail.next()
    equal(got.get("to").strip("<>"), "sip:benvolio@pbx.example", "To")
    return f"phone received: {quote(got.text)} sent to {news.sender}"


@check("message-x2s-in-order")
async def _(w):
    for n in range(50):
        w.juliet.write("benvolio@sip.example", f"line {n}")
    got = [(await w.benvolio.mail.next()).text for _ in range(50)]
    equal(got, [f"line {n}" for n in range(50)], "order")
    return f"phone received 50 messages in the order they were written, last {quote(got[-1])}"


@check("message-x2s-one-pending")
async def _(w):
    """RFC 3428 section 8: the second waits for the answer to the first; another pair does not."""
    w.benvolio.answers = lambda request: ("200 OK", 1.0)
    for n in range(2):
        w.juliet.write("benvolio@sip.example", f"patience {n}")
    w.juliet.write("romeo@sip.example", "overtakes")
    other = await w.baresip.mail.next(within=0.8)
    first, second = await w.benvolio.mail.next(), await w.benvolio.mail.next()
    apart = second.at - first.at
    assert apart > 0.95, f"the second MESSAGE came {apart:.2f} s after the first, before its answer"
    return (f"phone received the second {apart:.2f} s after the first (answered after 1 s); "
            f"baresip meanwhile: {quote(other.text)}")


@check("message-x2s-repeated")
async def _(w):
    """A stanza that a client sends again after a broken connection is one message; another text with its id is another."""
    for text in ("Ay me!", "Ay me!", "O Romeo!"):
        w.juliet.write("benvolio@sip.example", text, id="repeated")
    first, second = (await w.benvolio.mail.next()).text, (await w.benvolio.mail.next()).text
    equal((first, second), ("Ay me!", "O Romeo!"), "texts")
    await w.benvolio.mail.stays_empty()
    await w.juliet.errors.stays_empty(0)
    return f"phone received {quote(first)} once, and {quote(second)}"


@check("message-s2x-retransmitted")
async def _(w):
    """The same datagram three times is one stanza and three times the same answer."""
    answers = await w.benvolio.repeat("MESSAGE", "sip:juliet@xmpp.example", b"once", 3, w.place.stox,
                                      headers=[("Content-Type", "text/plain")])
    got = await w.juliet.mail.next()
    await w.juliet.mail.stays_empty()
    finals = {answer.raw for answer in answers if answer.status >= 200}
    equal(len(finals), 1, "different final responses")
    equal(answers[-1].status, 200, "answer")
    return f"juliet received {quote(got.body)} once; the phone received {len(answers)} times {answers[0].answer}"
