"""A chat client with a contact list: what it was told of others' presence, and what its server says of its roster."""

import asyncio
import itertools
import time
from xml.sax.saxutils import escape, quoteattr

from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from .chat import XML_LANG, Chat
from .mailbox import Mailbox

ROSTER = "{jabber:iq:roster}"
CLIENT = "{jabber:client}"


class Told:
    """A presence stanza as it arrived."""

    def __init__(self, stanza):
        self.xml = xml = stanza.xml
        self.at = time.monotonic()
        self.kind, self.sender, self.id = xml.get("type", "available"), xml.get("from"), xml.get("id")
        self.bare, _, self.resource = self.sender.partition("/")
        self.show, priority = xml.findtext(f"{CLIENT}show"), xml.findtext(f"{CLIENT}priority")
        self.priority = int(priority) if priority else 0
        #: Language or None -> text.
        self.texts = {one.get(XML_LANG) or xml.get(XML_LANG): one.text for one in xml.findall(f"{CLIENT}status")}
        self.status = next(iter(self.texts.values()), None)

    def part(self, name):
        """The first element of that name, `{namespace}name`, wherever it stands."""
        return self.xml.find(f".//{name}")

    @property
    def looks(self):
        """One word for it: the show, or "online", or the type."""
        return (self.show or "online") if self.kind == "available" else self.kind

    def __repr__(self):
        return f"{self.looks}{f' {self.status!r}' if self.status else ''} from {self.sender}"


class Friend(Chat):
    """`told` has the presence stanzas of others, `states` the last available or unavailable one of each device, `roster`
    what the server says: JID -> subscription, with "+ask" where an answer is awaited."""

    _ids = itertools.count(1)

    def __init__(self, *who, **where):
        super().__init__(*who, **where)
        #: Whether it said that it is unavailable, and stays logged in.
        self.away = False
        self.told, self.states, self.roster = Mailbox(f"{self.full} (presence)"), {}, {}

    def _connect(self):
        super()._connect()
        client = self.client
        client.auto_authorize, client.auto_subscribe = None, False
        client.register_handler(Callback("every presence", StanzaPath("presence"), self._on_presence))
        client.add_event_handler("roster_update", self._on_roster)

    def _on_start(self, client):
        async def begin():
            self.states, self.roster = {}, {}
            await client.get_roster()
            client.send_presence()
            self.online.set()
        if client is self.client:
            asyncio.ensure_future(begin())

    def _on_presence(self, stanza):
        told = Told(stanza)
        if told.bare == self.jid:
            return
        self.told.put(told)
        if told.kind in ("available", "unavailable"):
            self.states[told.sender] = told

    def _on_roster(self, iq):
        query = iq.xml.find(f"{ROSTER}query")
        for item in query if query is not None else ():
            if item.get("subscription") == "remove":
                self.roster.pop(item.get("jid"), None)
            else:
                self.roster[item.get("jid")] = item.get("subscription", "none") + ("+ask" if item.get("ask") else "")

    # What it does.

    def presence(self, to=None, kind=None, inner=""):
        """Sends a presence stanza and returns its id."""
        id = f"{self.user}-p{next(self._ids)}"
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in (("to", to), ("type", kind), ("id", id)) if value)
        self.write_raw(f"<presence{attributes}>{inner}</presence>")
        return id

    def be(self, show=None, texts=None, priority=None, more="", to=None):
        """Is available: `texts` is language or None -> text, `more` is XML."""
        self.away = False
        inner = f"<show>{show}</show>" if show else ""
        for lang, text in (texts or {}).items():
            inner += f"<status{f' xml:lang={quoteattr(lang)}' if lang else ''}>{escape(text)}</status>"
        self.presence(to, inner=inner + (f"<priority>{priority}</priority>" if priority is not None else "") + more)

    def leave(self):
        self.away = True
        self.presence(kind="unavailable")

    def add(self, jid):
        """Asks to watch, as clients do: into the list, then the request."""
        self.write_raw(f"<iq type='set' id='add{next(self._ids)}'><query xmlns='jabber:iq:roster'><item jid={quoteattr(jid)}/></query></iq>")
        self.presence(jid, "subscribe")

    def remove(self, jid):
        """Off the list: the server cancels both ways (RFC 6121 section 2.5)."""
        self.write_raw(f"<iq type='set' id='rm{next(self._ids)}'><query xmlns='jabber:iq:roster'>"
                       f"<item jid={quoteattr(jid)} subscription='remove'/></query></iq>")

    def fresh(self):
        """Forgets what was said, and is there again."""
        for box in (self.told, self.mail, self.errors):
            box.clear()
        if self.away and self.online.is_set():
            self.be()

    # What it is asked and told.

    async def next(self, kind, bare, within=8):
        """The next stanza of that type from that address."""
        return await self.told.next(lambda told: (told.kind, told.bare) == (kind, bare), within, f"<presence type='{kind}'/> from {bare}")

    def view(self, bare):
        """How that contact looks now: resource ("" for none) -> word; only "unavailable" if no device is there."""
        now = {told.resource: told.looks for told in self.states.values() if told.bare == bare}
        there = {resource: looks for resource, looks in now.items() if looks != "unavailable"}
        return there or ({"": "unavailable"} if now else {})

    async def sees(self, bare, wanted, within=10):
        """Waits until a device of that contact looks so, a word or a condition on `Told`, and returns its last stanza;
        "unavailable": until none is there."""
        deadline = time.monotonic() + within
        while True:
            if wanted == "unavailable":
                if self.view(bare) == {"": "unavailable"}:
                    return next(told for told in reversed(self.states.values()) if told.bare == bare)
            else:
                for told in self.states.values():
                    if told.bare == bare and (told.looks == wanted if isinstance(wanted, str) else wanted(told)):
                        return told
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.full}: {bare} does not look {wanted if isinstance(wanted, str) else 'as it should'} in {within} s, but {self.view(bare)}")
            await asyncio.sleep(0.05)

    async def listed(self, jid, subscription, within=8):
        """Waits until the server says so of this contact; None: not on the list."""
        deadline = time.monotonic() + within
        while self.roster.get(jid) != subscription:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.full}: the roster says {self.roster.get(jid)} of {jid}, not {subscription}")
            await asyncio.sleep(0.05)
        return subscription

    def of_kind(self, *kinds):
        """The stanzas of these types that nobody has asked for yet."""
        return [told for told in self.told.kept if told.kind in kinds]
