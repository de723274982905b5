"""Kamailio as a presence server: PUBLISH, SUBSCRIBE to `presence` and `presence.winfo`, who may watch by rules."""

import re
import sqlite3
import time
from pathlib import Path

from . import tool
from .program import Program

TABLES = "/usr/share/kamailio/db_sqlite"
#: What lists need, for PostgreSQL.
LIST_TABLES = [f"/usr/share/kamailio/postgres/{part}-create.sql" for part in ("standard", "presence", "rls")]
#: Kamailio takes it for granted that the rows of a subscription come in the order of their addresses, and does not ask for it:
#: so they are read by the one index that has them so.
LIST_ORDER = """\
DROP INDEX rls_presentity_rlsubs_idx;
ALTER ROLE interop SET enable_seqscan = off;
ALTER ROLE interop SET enable_bitmapscan = off;
"""
#: RFC 5025; what `sub-handling` says decides.
RULES = """\
<?xml version="1.0" encoding="UTF-8"?>
<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">
{}</ruleset>
"""
RULE = """\
<rule id="r{number}"><conditions><identity>{ones}</identity></conditions>
<actions><pr:sub-handling>{handling}</pr:sub-handling></actions><transformations/></rule>
"""


#: RFC 4826, both documents in one.
SERVICES = """\
<?xml version="1.0" encoding="UTF-8"?>
<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">
<service uri="{}"><list>{}</list><packages><package>presence</package></packages></service>
</rls-services>
"""
#: What the numbers of documents are.
PRES_RULES, RLS_SERVICES = 2, 8


def rules(handlings):
    """The document that has these: watcher -> handling."""
    return RULES.format("".join(RULE.format(number=number, handling=what, ones=f'<one id="sip:{who}"/>')
                                for number, (who, what) in enumerate(handlings.items())))


class PresenceServer(Program):
    """`is_a` has words that presence.cfg asks for: HOUSE has the presence of `chat`, too, OPEN wants no password for it. With
    `lists`, a `Postgres` with LIST_TABLES and LIST_ORDER, it keeps lists of contacts."""

    def __init__(self, place, name, domain, sip, stox, longest=3600, chat=r"^xmpp\.example$", own="^$", is_a=(), lists=None):
        self.domain, self.sip, self.lists, self.rules, self.first = domain, sip, lists, {}, None
        self.home = place.folder(name)
        self.database = self.home / "presence.db"
        config = place.fill("presence.cfg", f"{name}/kamailio.cfg", DOMAIN=domain, SIP=sip, STOX=stox, CHAT=chat,
                            HOME=self.home, LONGEST=longest, OWN=own, LISTS=lists.url if lists else "")
        super().__init__(name, place, "/usr/sbin/kamailio", "-DD", "-E", "-m", 64, "-M", 8, "-f", config,
                         "-P", self.home / "pid", "-w", self.home, "-Y", self.home, *(f"-A{word}" for word in [*is_a, *(["LISTS"] if lists else [])]))

    async def start(self):
        # Whoever opens it first locks it while it makes or mends what the others share, and a process of Kamailio's that meets
        # a lock ends them all. So this one is there before them, and stays.
        new, self.first = not self.database.exists(), sqlite3.connect(self.database)
        self.first.execute("PRAGMA journal_mode=WAL")
        for part in ("standard", "presence") if new else ():
            self.first.executescript(Path(f"{TABLES}/{part}-create.sql").read_text())
        self.first.execute("SELECT * FROM version").fetchall()
        await super().start(self.sip)

    async def stop(self, *how, **more):
        code = await super().stop(*how, **more)
        if self.first:
            self.first.close()
        return code

    def forget(self):
        """Loses all it knew; while it does not run."""
        for path in self.home.glob("presence.db*"):
            path.unlink()

    async def decide(self, user, watcher, handling, domain=None):
        """`user` says of `watcher`, user@domain: "allow", "block", "confirm"."""
        domain = domain or self.domain
        mine = self.rules.setdefault((user, domain), {})
        mine[watcher] = handling
        self.store(PRES_RULES, {(user, domain): rules(mine)})
        await self.rpc("presence.refreshWatchers", f"sip:{user}@{domain}", "presence", 0)

    def allow(self, users, watcher):
        """All of these say yes to that watcher; nobody is there who has to be told."""
        self.store(PRES_RULES, {(user, self.domain): rules({watcher: "allow"}) for user in users})

    def list(self, owner, uri, users):
        """The owner, user@domain, has a list of that address with these users of the domain on it."""
        entries = "".join(f'<rl:entry uri="sip:{user}@{self.domain}"/>' for user in users)
        self.store(RLS_SERVICES, {tuple(owner.split("@")): SERVICES.format(uri, entries)})

    def store(self, kind, documents):
        """Keeps documents of RFC 4827's kinds, one for each (user, domain)."""
        with sqlite3.connect(self.database, timeout=10) as db:
            for (user, domain), document in documents.items():
                db.execute("DELETE FROM xcap WHERE username = ? AND domain = ? AND doc_type = ?", (user, domain, kind))
                db.execute("INSERT INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port) VALUES (?, ?, ?, ?, 'e', 0, ?, 0)",
                           (user, domain, document.encode(), kind, f"/{kind}/users/{user}@{domain}/index"))

    async def rpc(self, *words):
        code, said = await tool.run("kamcmd", "-s", f"unix:{self.home}/ctl", *words)
        assert code == 0, f"kamcmd: {said}"
        return said

    async def listed(self):
        """The subscriptions to lists, of its own table: list, watcher and Call-ID."""
        return await self.lists.sql("SELECT presentity_uri, watcher_username || '@' || watcher_domain, callid FROM rls_watchers;")

    def watchers(self, user=None):
        """Its own list: (watcher, event, status, …) of the subscriptions in its database that have not lapsed; 1 is active, 2
        pending. Those that have it removes when it likes."""
        with sqlite3.connect(self.database, timeout=10) as db:
            rows = db.execute("SELECT presentity_uri, watcher_username || '@' || watcher_domain, event, status, callid, local_cseq FROM active_watchers"
                              " WHERE expires > ?", (time.time(),)).fetchall()
        return [row[1:] for row in rows if user is None or row[0] == f"sip:{user}@{self.domain}"]

    def published(self, user, domain=None):
        """(etag, expires, document) of each publication of this user's presence that has not lapsed."""
        with sqlite3.connect(self.database, timeout=10) as db:
            return db.execute("SELECT etag, expires, CAST(body AS TEXT) FROM presentity WHERE username = ? AND domain = ? AND event = 'presence'"
                              " AND expires > ?", (user, domain or self.domain, time.time())).fetchall()

    def received(self, start="", sender=r"\d+"):
        """The requests and answers that it received: the rest of the line, behind the port of the sender."""
        return re.findall(rf"<script>: in {sender} ({start}.*)", self.said())

    def answered(self, status, start=""):
        """The requests that it answered so, of those whose answers it logs."""
        return re.findall(rf"<script>: out {status} to \d+ ({start}.*)", self.said())
