"""Kamailio as a presence server: PUBLISH, SUBSCRIBE to `presence` and `presence.winfo`, who may watch by rules."""

import asyncio
import re
import sqlite3
import time

from . import tool
from .program import Program

TABLES = "/usr/share/kamailio/db_sqlite"
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


class PresenceServer(Program):
    def __init__(self, place, name, domain, sip, stox, longest=3600, chat=r"^xmpp\.example$", own="^$"):
        self.domain, self.sip, self.rules = domain, sip, {}
        self.home = place.folder(name)
        self.database = self.home / "presence.db"
        config = place.fill("presence.cfg", f"{name}/kamailio.cfg", DOMAIN=domain, SIP=sip, STOX=stox, CHAT=chat,
                            HOME=self.home, LONGEST=longest, OWN=own)
        super().__init__(name, place, "/usr/sbin/kamailio", "-DD", "-E", "-m", 64, "-M", 8, "-f", config,
                         "-P", self.home / "pid", "-w", self.home, "-Y", self.home)

    async def start(self):
        if not self.database.exists():
            with sqlite3.connect(self.database) as db:
                for part in ("standard", "presence"):
                    with open(f"{TABLES}/{part}-create.sql") as file:
                        db.executescript(file.read())
        await super().start(self.sip)

    def forget(self):
        """Loses all it knew; while it does not run."""
        for path in self.home.glob("presence.db*"):
            path.unlink()

    async def decide(self, user, watcher, handling):
        """`user` says of `watcher`, user@domain: "allow", "block", "confirm"."""
        mine = self.rules.setdefault(user, {})
        mine[watcher] = handling
        document = RULES.format("".join(
            RULE.format(number=number, handling=what, ones=f'<one id="sip:{who}"/>') for number, (who, what) in enumerate(mine.items())))
        with sqlite3.connect(self.database, timeout=10) as db:
            where = (user, self.domain)
            db.execute("DELETE FROM xcap WHERE username = ? AND domain = ? AND doc_type = 2", where)
            db.execute("INSERT INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port) VALUES (?, ?, ?, 2, 'e', 0, ?, 0)",
                       (*where, document.encode(), f"/pres-rules/users/{user}/index"))
        code, said = await tool.run("kamcmd", "-s", f"unix:{self.home}/ctl", "presence.refreshWatchers", f"sip:{user}@{self.domain}", "presence", 0)
        assert code == 0, f"kamcmd: {said}"

    def watchers(self, user=None):
        """Its own list: (watcher, event, status, …) of the subscriptions in its database that have not lapsed; 1 is active, 2
        pending. Those that have it removes when it likes."""
        with sqlite3.connect(self.database, timeout=10) as db:
            rows = db.execute("SELECT presentity_uri, watcher_username || '@' || watcher_domain, event, status, callid, local_cseq FROM active_watchers"
                              " WHERE expires > ?", (time.time(),)).fetchall()
        return [row[1:] for row in rows if user is None or row[0] == f"sip:{user}@{self.domain}"]

    def published(self, user):
        """(etag, expires, document) of each publication of this user's presence that has not lapsed."""
        with sqlite3.connect(self.database, timeout=10) as db:
            return db.execute("SELECT etag, expires, CAST(body AS TEXT) FROM presentity WHERE username = ? AND domain = ? AND event = 'presence'"
                              " AND expires > ?", (user, self.domain, time.time())).fetchall()

    def received(self, start=""):
        """The requests that it received: the rest of the line."""
        return re.findall(rf"<script>: in \d+ ({start}.*)", self.said())
