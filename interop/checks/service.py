"""What each side may ask of the gateway besides messages, and gets an answer to."""

from slixmpp.exceptions import IqError

from . import check, equal, has


@check("service-disco-domain")
async def _(w):
    identities, features = await w.juliet.disco("sip.example")
    assert "gateway/sip" in identities, f"identities {identities}"
    for feature in ("http://jabber.org/protocol/disco#info", "urn:xmpp:ping", "jabber:iq:version"):
        assert feature in features, f"{feature} is not in {features}"
    return f"juliet received: {', '.join(identities)} with {len(features)} features"


@check("service-disco-user")
async def _(w):
    identities, features = await w.juliet.disco("romeo@sip.example")
    assert any(identity.startswith("account/") for identity in identities), f"identities {identities}"
    return f"juliet received: {', '.join(identities)} with {', '.join(features)}"


@check("service-disco-items")
async def _(w):
    items = await w.juliet.client["xep_0030"].get_items(jid="sip.example", timeout=5)
    return f"juliet received: {len(items['disco_items']['items'])} items"


@check("service-ping")
async def _(w):
    for to in ("sip.example", "romeo@sip.example"):
        await w.juliet.ping(to)
    return "juliet received a result for sip.example and for romeo@sip.example"


@check("service-version")
async def _(w):
    version = await w.juliet.version("sip.example")
    equal(version["name"].lower(), "stox", "name")
    return f"juliet received: {version['name']} {version['version']}"


async def iq(w, query, namespace, to, kind="get"):
    """Asks something and returns the condition of the error, or "result"."""
    stanza = w.juliet.client.make_iq(ito=to, itype=kind, iquery=namespace)
    stanza.xml[0].tag = f"{{{namespace}}}{query}"
    try:
        await stanza.send(timeout=5)
    except IqError as error:
        return error.condition
    return "result"


@check("service-iq-unknown")
async def _(w):
    answers = {to: await iq(w, "query", "urn:example:unknown", to, kind)
               for to, kind in (("sip.example", "get"), ("romeo@sip.example", "set"))}
    equal(set(answers.values()), {"service-unavailable"}, "answers")
    return f"juliet received: {answers}"


@check("service-iq-vcard")
async def _(w):
    answer = await iq(w, "vCard", "vcard-temp", "romeo@sip.example")
    assert answer in ("result", "item-not-found"), f"answer {answer}"
    return f"juliet received: {answer}"


@check("service-options")
async def _(w):
    answer = await w.benvolio.request("OPTIONS", "sip:xmpp.example")
    equal(answer.status, 200, "answer")
    has(answer.get("allow"), "MESSAGE", "Allow")
    return f"phone received: {answer.answer}, Allow: {answer.get('allow')}"


@check("service-invite")
async def _(w):
    """A call is refused for good, and the ACK is taken quietly."""
    answer = await w.benvolio.request("INVITE", "sip:juliet@xmpp.example", b"v=0\r\n", headers=[
        ("Contact", f"<sip:benvolio@127.0.0.1:{w.benvolio.port}>"), ("Content-Type", "application/sdp")])
    assert answer.status in (405, 488, 501, 603, 606), f"phone received {answer.answer}"
    await w.nothing_crosses()
    return f"phone received: {answer.answer}"


def unserved(method):
    @check(f"service-{method.lower()}")
    async def _(w):
        answer = await w.benvolio.request(method, "sip:juliet@xmpp.example", headers=[
            ("Contact", f"<sip:benvolio@127.0.0.1:{w.benvolio.port}>"), ("Event", "presence")])
        assert answer.status in (405, 489, 501), f"phone received {answer.answer}"
        if answer.status == 405:
            has(answer.get("allow"), "MESSAGE", "Allow")
        return f"phone received: {answer.answer}, Allow: {answer.get('allow')}"


unserved("PUBLISH")
unserved("CONJURE")


@check("service-subscribe-unknown")
async def _(w):
    """To what stox has no state of."""
    answer = await w.benvolio.request("SUBSCRIBE", "sip:juliet@xmpp.example", headers=[
        ("Contact", f"<sip:benvolio@127.0.0.1:{w.benvolio.port}>"), ("Event", "conference")])
    equal(answer.status, 489, "answer")
    has(answer.get("allow-events"), "presence", "Allow-Events")
    return f"phone received: {answer.answer}, Allow-Events: {answer.get('allow-events')}"
