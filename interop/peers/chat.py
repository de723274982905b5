"""A chat client: slixmpp, logged in at Prosody. It never speaks to stox directly."""

import asyncio
import itertools
import logging

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from .mailbox import Mailbox
from .place import LOOPBACK

logging.getLogger("slixmpp").setLevel(logging.CRITICAL)

CHAT_STATES = "http://jabber.org/protocol/chatstates"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class Received:
    """A message stanza as it arrived."""

    def __init__(self, stanza):
        xml = stanza.xml
        child = lambda name: xml.findtext(f"{{jabber:client}}{name}")
        self.xml = xml
        self.id, self.type = xml.get("id"), xml.get("type", "normal")
        self.sender, self.to = xml.get("from"), xml.get("to")
        self.body, self.subject, self.thread = child("body"), child("subject"), child("thread")
        body = xml.find("{jabber:client}body")
        self.lang = (body is not None and body.get(XML_LANG)) or xml.get(XML_LANG)
        self.state = next((e.tag.split("}")[1] for e in xml if e.tag.startswith(f"{{{CHAT_STATES}}}")), None)
        self.error = None
        if self.type == "error":
            # Not by slixmpp, which does not know every condition.
            parts = {part.tag.removeprefix(STANZAS): part.text or "" for part in xml.find("{jabber:client}error")
                     if part.tag.startswith(STANZAS)}
            self.text = parts.pop("text", "")
            self.error = next(iter(parts), "undefined-condition")

    def __repr__(self):
        if self.error:
            return f"error {self.error} ({self.text!r}) for {self.id} from {self.sender}"
        return f"{self.body!r} from {self.sender}" if self.body is not None else f"<{self.state}/> from {self.sender}"


class Chat:
    """One user with one device. `mail` has the messages, `errors` the error stanzas."""

    _ids = itertools.count(1)

    def __init__(self, place, user, device="balcony", domain="xmpp.example", port=None):
        """At Prosody, or at the server of `domain` that listens on `port`."""
        self.place, self.user, self.port = place, user, port or place.c2s
        self.jid = f"{user}@{domain}"
        self.full = f"{self.jid}/{device}"
        name = f"{user} (chat)" if port is None else self.jid
        self.mail, self.errors = Mailbox(name), Mailbox(name)
        self.client, self.wanted, self.online = None, False, asyncio.Event()

    async def login(self, within=10):
        self.wanted = True
        self._connect()
        await asyncio.wait_for(self.online.wait(), within)
        return self

    async def ready(self):
        """Waits until it can write. Being told so is not enough: the stream may have ended again meanwhile."""
        while not self.online.is_set():
            await self.online.wait()

    async def logout(self):
        self.wanted = False
        self.online.clear()
        if self.client:
            await self.client.disconnect(wait=1.0)

    def _connect(self):
        client = self.client = slixmpp.ClientXMPP(self.full, f"pw-{self.user}")
        client.enable_plaintext, client.enable_direct_tls, client.enable_starttls = True, False, False
        client["feature_mechanisms"].unencrypted_scram = True  # Prosody has no certificate, and all is loopback.
        for plugin in ("xep_0012", "xep_0030", "xep_0092", "xep_0199", "xep_0202"):
            client.register_plugin(plugin)
        client.register_handler(Callback("every message", StanzaPath("message"), self._on_message))
        client.add_event_handler("session_start", lambda _: self._on_start(client))
        client.add_event_handler("disconnected", lambda _: self._on_end(client))
        client.add_event_handler("connection_failed", lambda _: self._on_end(client))
        client.connect(LOOPBACK, self.port)

    def _on_start(self, client):
        if client is self.client:
            client.send_presence()
            self.online.set()

    def _on_message(self, stanza):
        received = Received(stanza)
        (self.errors if received.error else self.mail).put(received)

    def _on_end(self, client):
        """Logs in again, as a person's client does, unless it was told to leave."""
        if client is not self.client:
            return
        self.client = None
        self.online.clear()
        # One that could not connect goes on trying, and would log in beside its successor.
        client.cancel_connection_attempt()
        client.abort()
        if self.wanted:
            asyncio.get_running_loop().call_later(0.5, self._connect)

    def write(self, to, body, **parts):
        """Sends a message and returns its id. `parts`: id, type, subject, thread, lang."""
        stanza = self.client.make_message(mto=to, mbody=body, mtype=parts.get("type", "chat"),
                                          msubject=parts.get("subject"))
        stanza["id"] = parts.get("id") or f"{self.user}-{next(self._ids)}"
        if "thread" in parts:
            stanza["thread"] = parts["thread"]
        if "lang" in parts:
            stanza.xml.set(XML_LANG, parts["lang"])
        stanza.send()
        return stanza["id"]

    def write_raw(self, xml):
        self.client.send_raw(xml)

    async def error_for(self, id, within=8):
        return await self.errors.next(lambda error: error.id == id, within, f"error for {id}")

    async def disco(self, to):
        info = (await self.client["xep_0030"].get_info(jid=to, timeout=5))["disco_info"]
        return sorted(f"{i[0]}/{i[1]}" for i in info["identities"]), sorted(info["features"])

    async def ping(self, to):
        return await self.client["xep_0199"].send_ping(to, timeout=5)

    async def version(self, to):
        return (await self.client["xep_0092"].get_version(to, timeout=5))["software_version"]

    async def time(self, to):
        """Its clock, as it says it (XEP-0202)."""
        answer = await self.client["xep_0202"].get_entity_time(to, timeout=5)
        return answer.xml.findtext(".//{urn:xmpp:time}utc")

    async def last(self, to):
        """For how many seconds it has been there (XEP-0012)."""
        return (await self.client["xep_0012"].get_last_activity(to, timeout=5))["last_activity"]["seconds"]
