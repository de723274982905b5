"""Every text arrives as it was written, byte for byte, both ways."""

from . import check, equal, has, quote

TEXTS = {
    "umlauts": "Grüße aus Köln, déjà vu, ñandú, Nic z obého, má děvo spanilá",
    "emoji": "😀 👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 (combining) 𝔵",
    "markup": """<b>&amp; 1 < 2 > 0 "quoted" 'single' ]]> &#65; <!-- no --> %41 \\ </body>""",
    "lines": "first\nsecond\n\n  indented\n\tand a tab",
    "rtl": "שלום עולם, مرحبا بالعالم, and back",
    "spaces": "  two before, two after  ",
    # Fits a datagram as text, the whole request does not.
    "long": "Zwölf Boxkämpfer jagen Eva über den Sylter Deich. " * 22,
}
#: Does not fit a datagram (RFC 3261 section 18.1.1: 1300 bytes for the whole request).
LARGE = "It is the east, and Juliet is the sun. Äh. " * 80


def two_ways(name, text):
    @check(f"text-x2s-{name}")
    async def _(w):
        w.juliet.write("benvolio@sip.example", text)
        got = await w.benvolio.mail.next()
        # RFC 2046 section 4.1.1 wants CR LF in text/plain; either is the same text.
        equal(got.text.replace("\r\n", "\n"), text, "text")
        media = got.get("content-type").lower().replace(" ", "")
        has(media, "text/plain", "Content-Type")
        if not text.isascii():
            has(media, "charset=utf-8", "Content-Type")
        return f"phone received: {quote(got.text)}"

    @check(f"text-s2x-{name}")
    async def _(w):
        answer = await w.benvolio.message("juliet@xmpp.example", text.replace("\n", "\r\n"))
        equal(answer.status, 200, "answer")
        got = await w.juliet.mail.next()
        equal(got.body, text, "text")
        return f"juliet received: {quote(got.body)}"


for name, text in TEXTS.items():
    two_ways(name, text)


@check("text-x2s-large")
async def _(w):
    w.juliet.write("benvolio@sip.example", LARGE)
    got = await w.benvolio.mail.next()
    equal(got.text, LARGE, "text")
    via = next(via for via in got.all("via") if f":{w.place.stox}" in via)
    has(via, "SIP/2.0/TCP", "stox's Via")
    return f"phone received: {quote(got.text)} by way of {via.partition(';')[0]}"


@check("text-s2x-large")
async def _(w):
    answer = await w.benvolio.message("juliet@xmpp.example", LARGE, tcp=True)
    equal(answer.status, 200, "answer")
    got = await w.juliet.mail.next()
    equal(got.body, LARGE, "text")
    return f"juliet received: {quote(got.body)} sent over TCP"


@check("text-s2x-baresip")
async def _(w):
    """baresip sends UTF-8 without naming it."""
    answer = await w.baresip.message("juliet", "Tschüß, süße Julia ♥")
    equal(answer.status, 200, "answer")
    got = await w.juliet.mail.next()
    equal(got.body, "Tschüß, süße Julia ♥", "text")
    return f"juliet received: {quote(got.body)}"


@check("text-x2s-baresip")
async def _(w):
    text = TEXTS["umlauts"] + "\n" + TEXTS["markup"]
    w.juliet.write("romeo@sip.example", text)
    got = await w.baresip.mail.next()
    equal(got.text.replace("\r\n", "\n"), text, "text")
    return f"baresip received: {quote(got.text)}"


@check("text-s2x-latin1")
async def _(w):
    """Another charset is converted (RFC 7572 section 7)."""
    answer = await w.benvolio.message("juliet@xmpp.example", "Grüße".encode("latin-1"),
                                      headers=[("Content-Type", "text/plain;charset=ISO-8859-1")])
    equal(answer.status, 200, "answer")
    got = await w.juliet.mail.next()
    equal(got.body, "Grüße", "text")
    return f"juliet received: {quote(got.body)} sent as ISO-8859-1"
