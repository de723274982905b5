"""unbound with a zone of the check's own: what it has not, does not exist."""

from .program import Program

CONFIG = """\
server:
  interface: 127.0.0.1@{port}
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "{home}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  log-queries: yes
  module-config: "iterator"
  local-zone: "." static
  local-data: ". 60 IN SOA ns.example. root.example. 1 3600 600 86400 {negative}"
{records}
"""


class Names(Program):
    def __init__(self, place, records, negative=1):
        """`records`: a zone, each line with its TTL: `cluster.example. 60 IN A 127.0.0.1`. It may also be set later."""
        self.port, self.negative = place.ports(), negative
        self.home = place.run / f"unbound-{self.port}"
        self.home.mkdir()
        self.set(records.splitlines())
        super().__init__(f"unbound-{self.port}", place, "/usr/sbin/unbound", "-d", "-c", self.home / "unbound.conf")

    def set(self, records):
        """Before it starts."""
        lines = [line.strip() for line in records if line.strip()]
        (self.home / "unbound.conf").write_text(CONFIG.format(
            port=self.port, home=self.home, negative=self.negative,
            records="\n".join(f"  local-data: '{line}'" for line in lines)))

    async def start(self):
        await super().start(self.port)

    def asked(self, name=""):
        """The questions that were asked, as "NAME TYPE", in order."""
        lines = (line for line in self.said().splitlines() if "info: 127." in line and line.endswith(" IN"))
        questions = [line.split("info: ")[1].split() for line in lines]
        return [f"{one[1]} {one[2]}" for one in questions if name in one[1]]
