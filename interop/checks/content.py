"""What is not plain text: unwrapped, reduced, turned into a state, or refused, never shown raw."""

from . import check, equal, has, quote

OMEMO = ("<message to='benvolio@sip.example' id='{id}' type='chat'>"
         "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'><key rid='2'>QUJD</key><iv>QUJD</iv></header>"
         "<payload>QUJD</payload></encrypted>"
         "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/>"
         "<body>I sent you an OMEMO encrypted message.</body><store xmlns='urn:xmpp:hints'/></message>")
OPENPGP = ("<message to='benvolio@sip.example' id='{id}' type='chat'><openpgp xmlns='urn:xmpp:openpgp:0'>QUJD</openpgp>"
           "<body>This message is encrypted with OpenPGP.</body></message>")
CPIM = ("From: <im:benvolio@pbx.example>\r\nTo: <im:juliet@xmpp.example>\r\nDateTime: 2026-11-21T10:00:00Z\r\n"
        "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nWrapped, ä.").encode()
COMPOSING = ("<?xml version='1.0' encoding='UTF-8'?><isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'>"
             "<state>{state}</state><contenttype>text/plain</contenttype></isComposing>")


def typed(media_type):
    return [("Content-Type", media_type)]


def encrypted(name, stanza):
    @check(f"content-x2s-{name}")
    async def _(w):
        w.juliet.write_raw(stanza.format(id=name))
        error = await w.juliet.error_for(name)
        equal(error.error, "not-acceptable", "condition")
        assert error.text, "no sentence for a person"
        await w.benvolio.mail.stays_empty()
        return f"juliet received: {error.error}: {quote(error.text)}; the phone nothing"


encrypted("omemo", OMEMO)
encrypted("openpgp", OPENPGP)


@check("content-s2x-cpim")
async def _(w):
    answer = await w.benvolio.message("juliet@xmpp.example", CPIM, headers=typed("message/cpim"))
    equal(answer.status, 200, "answer")
    got = await w.juliet.mail.next()
    equal(got.body, "Wrapped, ä.", "text")
    return f"juliet received: {quote(got.body)}"


@check("content-s2x-html")
async def _(w):
    answer = await w.benvolio.message("juliet@xmpp.example", headers=typed("text/html;charset=UTF-8"), text=(
        "<html><head><style>b{color:red}</style></head><body><p>Good &amp; <b>bold</b></p><script>alert(1)</script></body></html>"))
    equal(answer.status, 200, "answer")
    got = await w.juliet.mail.next()
    equal(got.body.strip(), "Good & bold", "text")
    return f"juliet received: {quote(got.body)}"


@check("content-s2x-composing")
async def _(w):
    shown = []
    for state in ("active", "idle"):
        answer = await w.benvolio.message("juliet@xmpp.example", COMPOSING.format(state=state),
                                          headers=typed("application/im-iscomposing+xml"))
        equal(answer.status, 200, "answer")
        got = await w.juliet.mail.next(what="chat state")
        equal(got.body, None, "body")
        shown.append(got.state)
    equal(shown[0], "composing", "state for active")
    assert shown[1] in ("paused", "active", "inactive"), f"state for idle: {shown[1]}"
    return f"juliet received, without text: <{shown[0]}/>, <{shown[1]}/>"


@check("content-s2x-png")
async def _(w):
    answer = await w.benvolio.message("juliet@xmpp.example", b"\x89PNG\r\n\x1a\n\0\0", headers=typed("image/png"))
    equal(answer.status, 415, "answer")
    has(answer.get("accept"), "text/plain", "Accept")
    await w.nothing_crosses()
    return f"phone received: {answer.answer}, Accept: {answer.get('accept')}"


@check("content-s2x-empty")
async def _(w):
    answer = await w.benvolio.message("juliet@xmpp.example", b"", headers=[])
    equal(answer.status, 200, "answer")
    await w.nothing_crosses()
    return f"phone received: {answer.answer}; juliet nothing"


@check("content-x2s-no-body")
async def _(w):
    """A receipt or marker has no text: no MESSAGE, and no error either."""
    w.juliet.write_raw("<message to='benvolio@sip.example' id='r1' type='chat'>"
                       "<received xmlns='urn:xmpp:receipts' id='x'/></message>")
    await w.nothing_crosses()
    await w.juliet.errors.stays_empty(0)
    return "phone received nothing, juliet no error"
