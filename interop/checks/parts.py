"""What goes along with the text: subject, thread, language, id (RFC 7572 tables 1 and 2)."""

import uuid

from . import check, equal, quote


@check("parts-x2s-subject")
async def _(w):
    w.juliet.write("benvolio@sip.example", "Come.", subject="Über den Balkon")
    got = await w.benvolio.mail.next()
    equal(got.get("subject"), "Über den Balkon", "Subject")
    return f"phone received Subject: {got.get('subject')}"


@check("parts-s2x-subject")
async def _(w):
    await w.benvolio.message("juliet@xmpp.example", "Come.", headers=[
        ("Subject", "Über den Balkon"), ("Content-Type", "text/plain")])
    got = await w.juliet.mail.next()
    equal(got.subject, "Über den Balkon", "subject")
    return f"juliet received <subject/>: {quote(got.subject)}"


@check("parts-x2s-language")
async def _(w):
    w.juliet.write("benvolio@sip.example", "Nic z obého, má děvo spanilá.", lang="cs")
    got = await w.benvolio.mail.next()
    equal(got.get("content-language"), "cs", "Content-Language")
    return f"phone received Content-Language: {got.get('content-language')}"


@check("parts-s2x-language")
async def _(w):
    await w.benvolio.message("juliet@xmpp.example", "Nic z obého, má děvo spanilá.", headers=[
        ("Content-Language", "cs"), ("Content-Type", "text/plain;charset=UTF-8")])
    got = await w.juliet.mail.next()
    equal(got.lang, "cs", "xml:lang")
    return f"juliet received xml:lang={got.lang!r}"


@check("parts-thread-and-back")
async def _(w):
    """A thread becomes the Call-ID; an answer in that Call-ID comes back in that thread."""
    thread = str(uuid.uuid4())
    w.juliet.write("benvolio@sip.example", "What light?", thread=thread)
    asked = await w.benvolio.mail.next()
    await w.benvolio.message("juliet@xmpp.example", "The east.", call=asked.get("call-id"))
    got = await w.juliet.mail.next()
    equal((asked.get("call-id"), got.thread), (thread, thread), "Call-ID there, thread back")
    return f"phone received Call-ID: {asked.get('call-id')}; juliet received <thread/>: {got.thread}"


@check("parts-x2s-no-contact")
async def _(w):
    """RFC 3428 section 4: no Contact; and the stanza's id stays out of the branch."""
    id = w.juliet.write("benvolio@sip.example", "Who calls?", id="secret-id-4711")
    got = await w.benvolio.mail.next()
    equal(got.get("contact"), None, "Contact")
    assert id not in "".join(got.all("via")), "the stanza's id is in Via"
    return f"phone received {got.method} without Contact, CSeq: {got.get('cseq')}"


@check("parts-s2x-id")
async def _(w):
    """Each message has an id of its own, so that an error can name it."""
    ids = set()
    for n in range(3):
        await w.benvolio.message("juliet@xmpp.example", f"id {n}")
        ids.add((await w.juliet.mail.next()).id)
    assert len(ids) == 3 and None not in ids, f"ids {ids}"
    return f"juliet received three ids: {', '.join(sorted(ids))}"
