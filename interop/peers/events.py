"""A SIP system that subscribes and is subscribed to (RFC 6665), to the letter and by hand: a check says what it answers and
what it notifies of, and sees every header."""

import asyncio
import itertools
import re
import secrets
import time

from .mailbox import Mailbox
from .phone import Phone

PIDF = "application/pidf+xml"
STATE = re.compile(r"^\s*([\w-]+)")
NS = 'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"'


def uri(value):
    """The URI of a name-addr or addr-spec."""
    found = re.search(r"<([^>]*)>", value or "")
    return found[1] if found else (value or "").partition(";")[0].strip()


def parameter(value, name):
    found = re.search(rf";\s*{name}\s*=\s*\"?([^\";,\s]+)", value or "")
    return found and found[1]


def pidf(entity, *tuples, person=""):
    """A document of RFC 3863. Each tuple: (id, "open" or "closed", what stands in it besides), or only the first two."""
    inner = "".join(f'<tuple id="{one[0]}"><status><basic>{one[1]}</basic></status>{"".join(one[2:])}</tuple>' for one in tuples)
    person = f'<dm:person id="p">{person}</dm:person>' if person else ""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<presence {NS} entity="{entity}">{inner}{person}</presence>'.encode()


class Dialog:
    """What both ends of a subscription keep (RFC 3261 section 12)."""

    def __init__(self, phone, event, call, local, remote, tag, remote_tag, target, routes=()):
        self.phone, self.event, self.call = phone, event, call
        self.local, self.remote, self.tag, self.remote_tag = local, remote, tag, remote_tag
        self.target, self.routes, self.cseq = target, list(routes), itertools.count(secrets.randbelow(1000) + 1)
        #: The requests of the other end, and their CSeq in the order they came.
        self.told, self.heard = Mailbox(f"{phone.user} ({event} of {remote})"), []

    async def send(self, method, body=b"", headers=(), cseq=None, within=10, tcp=False):
        return await self.phone.request(method, self.target, body, tcp, self.phone.at, within, dialog=self,
                                        number=cseq or next(self.cseq), headers=[("Contact", f"<{self.phone.contact}>"), *headers])

    def hear(self, request):
        number = int(request.get("cseq").split()[0])
        self.heard.append(number)
        if request.get("contact"):
            self.target = uri(request.get("contact"))


class Subscription(Dialog):
    """A subscription of ours. `told` has the NOTIFYs."""

    #: How it answers them.
    answer = "200 OK"

    async def refresh(self, expires=600, **more):
        answer = await self.send("SUBSCRIBE", headers=[("Event", self.event), ("Expires", expires), *self.accept], **more)
        if answer.status < 300:
            self.routes = self.routes or list(reversed(answer.all("record-route")))
            self.remote_tag = self.remote_tag or parameter(answer.get("to"), "tag")
            self.target = uri(answer.get("contact")) or self.target
        self.expires = int(answer.get("expires") or 0)
        return answer

    async def notify(self, state=None, within=8, like=None):
        """The next NOTIFY, or the next with this Subscription-State, or one that is `like` that."""
        def wanted(request):
            return (state is None or state_of(request) == state) and (like is None or like(request))
        return await self.told.next(wanted, within, f"NOTIFY {state or ''}")


class Usage(Dialog):
    """A subscription of the other side's to us. `told` has its SUBSCRIBEs in the dialog, the first one is `first`."""

    def __init__(self, phone, request):
        super().__init__(phone, request.get("event"), request.get("call-id"), request.get("to"), request.get("from"),
                         secrets.token_hex(4), parameter(request.get("from"), "tag"), uri(request.get("contact")),
                         request.all("record-route"))
        self.first, self.user = request, re.search(r"sips?:([^@>;]+)@", request.get("to"))[1]
        self.remote, self.local = uri(self.remote), uri(self.local)
        self.until, self.over = 0.0, False
        self.hear(request)

    def granted(self, request, longest):
        asked = int(request.get("expires") or 3600)
        expires = min(asked, longest)
        self.until, self.over = time.monotonic() + expires, asked == 0
        return expires

    async def notify(self, body=b"", state="active", kind=PIDF, reason=None, retry=None, **more):
        """One NOTIFY; the answer to it."""
        left = max(0, round(self.until - time.monotonic()))
        line = state + (f";expires={left}" if state != "terminated" else "") + (f";reason={reason}" if reason else "") \
            + (f";retry-after={retry}" if retry else "")
        if state == "terminated":
            self.over = True
        typed = [("Content-Type", kind)] if body else []
        return await self.send("NOTIFY", body, [("Event", self.event), ("Subscription-State", line), *typed], **more)


def state_of(request):
    found = STATE.match(request.get("subscription-state") or "")
    return found and found[1]


class EventPhone(Phone):
    """`asked` has each new `Usage`, once. `at` is the port that it sends to."""

    COPIED = (*Phone.COPIED, "record-route")

    def __init__(self, place, user, domain, at, port=0, host="127.0.0.1"):
        super().__init__(place, user, host)
        self.domain, self.at, self.port = domain, at, port
        self.asked, self.usages, self.subscriptions = Mailbox(f"{user} (notifier)"), {}, {}
        #: Answers a SUBSCRIBE: a status line.
        self.policy = lambda request: "200 OK"
        #: The longest it grants, s.
        self.longest = 3600
        #: User -> what is called with the usage after each SUBSCRIBE that was answered with 2xx, a coroutine function.
        self.plays = {}
        self.play = None
        self.answers = self.decide
        #: Requests by method, all of them.
        self.counts = {}

    @property
    def contact(self):
        return f"sip:{self.user}@{self.host}:{self.port}"

    def forget(self):
        """As after a restart: it knows no dialog any more."""
        self.usages.clear()
        self.subscriptions.clear()

    def fresh(self):
        self.mail.clear()
        self.asked.clear()
        self.policy, self.longest, self.play = (lambda request: "200 OK"), 3600, None
        self.plays.clear()
        self.counts.clear()
        self.answers = self.decide

    def decide(self, request):
        self.counts[request.method] = self.counts.get(request.method, 0) + 1
        known = (self.subscriptions if request.method == "NOTIFY" else self.usages).get(request.get("call-id"))
        if request.method == "NOTIFY":
            if not known:
                return "481 Subscription does not exist"
            known.hear(request)
            known.remote_tag = known.remote_tag or parameter(request.get("from"), "tag")
            known.told.put(request)
            return known.answer
        if request.method == "SUBSCRIBE":
            return self.subscribed(request, known)
        return "200 OK"

    def subscribed(self, request, usage):
        in_dialog = parameter(request.get("to"), "tag")
        if in_dialog and not usage:
            return "481 Subscription does not exist"
        line = self.policy(request)
        if not line or int(line.split()[0]) >= 300:
            return line
        if usage:
            usage.hear(request)
            usage.told.put(request)
        else:
            usage = self.usages[request.get("call-id")] = Usage(self, request)
            self.asked.put(usage)
        expires = usage.granted(request, self.longest)
        play = self.plays.get(usage.user) or self.play
        if play:
            asyncio.get_running_loop().call_later(0.01, lambda: asyncio.ensure_future(play(usage)))
        return f"{line}\r\nExpires: {expires}\r\nContact: <{self.contact}>"

    def tag(self, request):
        known = self.usages.get(request.get("call-id")) or self.subscriptions.get(request.get("call-id"))
        return known.tag if known else super().tag(request)

    def build(self, method, uri, body, transport="UDP", headers=(), dialog=None, number=0, **more):
        if dialog is None:
            return super().build(method, uri, body, transport, headers, **more)
        branch = "z9hG4bK" + secrets.token_hex(8)
        to_tag = f";tag={dialog.remote_tag}" if dialog.remote_tag else ""
        fields = [("Via", f"SIP/2.0/{transport} {self.host}:{self.port};branch={branch};rport"), ("Max-Forwards", 70),
                  *(("Route", route) for route in dialog.routes), ("From", f"<{dialog.local}>;tag={dialog.tag}"),
                  ("To", f"<{dialog.remote}>{to_tag}"), ("Call-ID", dialog.call), ("CSeq", f"{number} {method}"), *headers,
                  ("Content-Length", len(body))]
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return branch, f"{method} {uri} SIP/2.0\r\n{head}\r\n".encode() + body

    async def subscribe(self, to, event="presence", expires=600, sender=None, accept=PIDF, **more):
        """Subscribes to `to`, user@domain; the subscription and the final response."""
        sender = f"sip:{sender or self.user + '@' + self.domain}"
        one = Subscription(self, event, f"{secrets.token_hex(8)}@events.example", sender, f"sip:{to}", secrets.token_hex(4), None, f"sip:{to}")
        one.accept = [("Accept", accept)] if accept else []
        self.subscriptions[one.call] = one
        return one, await one.refresh(expires, **more)
