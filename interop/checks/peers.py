"""The peers among themselves, without stox: should one of these fail, it is not stox that is wrong."""

from . import check, equal, has, quote


@check("peers-phone-to-baresip")
async def _(w):
    answer = await w.benvolio.message("romeo@pbx.example", "Good morrow, cousin. äöü 😀")
    equal(answer.answer, "200 OK", "the phone's answer")
    got = await w.baresip.mail.next()
    equal(got.text, "Good morrow, cousin. äöü 😀", "text")
    return f"baresip received by way of Kamailio: {quote(got.text)}"


@check("peers-chat-to-chat")
async def _(w):
    id = w.nurse.write(w.juliet.jid, "Madam! <& äöü 😀", subject="Anon", thread="t1", lang="cs")
    got = await w.juliet.mail.next()
    equal((got.body, got.subject, got.thread, got.id, got.lang), ("Madam! <& äöü 😀", "Anon", "t1", id, "cs"), "stanza")
    return f"juliet received by way of Prosody: {quote(got.body)}"


@check("peers-kamailio-refuses")
async def _(w):
    nobody = await w.benvolio.message("nobody@pbx.example", "?")
    absent = await w.benvolio.message("mercutio@pbx.example", "?")
    equal((nobody.answer, absent.answer), ("404 No such extension", "480 No phone registered"), "answers")
    return f"phone received: {nobody.answer} for nobody, {absent.answer} for mercutio"


@check("peers-component-slot-empty")
async def _(w):
    error = await w.juliet.error_for(w.juliet.write("romeo@sip.example", "?"))
    has(error.text, "Component unavailable", "Prosody's own error while stox is not there")
    equal(w.prosody.witnessed("prosody>stox"), [], "what Prosody passed on")
    return f"juliet received from Prosody: {error.error}: {error.text}"
