"""ejabberd as a server that federates: without epmd, with its data in the run directory."""

import asyncio
import json
import re
from pathlib import Path

from .federated import Carried
from .place import LOOPBACK
from .program import Program

#: It looks up SRV in the zone of the run, and addresses by the system's resolver: the zone's targets are "localhost.".
#: The name server stands behind resolv_conf, or it does not count.
INETRC = """\
{{resolv_conf,""}}.
{{hosts_file,""}}.
{{lookup,[file,dns]}}.
{{host,{{127,0,0,1}},["localhost"]}}.
{{nameserver,{{127,0,0,1}},{dns}}}.
"""
#: How hosts differ: what they demand of TLS, and whether they know dialback.
HOST = {
    "external": "",
    "dialback": 's2s_use_starttls: optional, s2s_cafile: "{certificates}/elsewhere.crt"',
    "plain": "s2s_use_starttls: false",
}
#: Under the tag that it gives each stream.
TAG = r"\((tls|tcp)\|(<[\d.]+>)\)"


class Ejabberd(Program):
    """`hosts`: domain -> (mode, certificate)."""

    def __init__(self, place, name, dns, certificates, hosts, user="juliet"):
        self.user, self.hosts = user, list(hosts)
        self.home = place.folder(name)
        self.c2s, self.s2s, self.direct, self.api = place.ports(4)
        (self.home / "inetrc").write_text(INETRC.format(dns=dns))
        text = self.differences(hosts, certificates)
        own = dict.fromkeys(f'"{certificates}/{certificate}.pem"' for _, certificate in hosts.values() if certificate)
        config = place.fill("ejabberd.yml", f"{name}/ejabberd.yml", NAMES=", ".join(hosts), C2S=self.c2s, S2S=self.s2s,
                            DIRECT=self.direct, API=self.api, CERTIFICATES=certificates, CERTFILES=", ".join(own), HOSTS=text)
        settings = dict(ERL_LIBS=next(Path("/usr/lib").glob("*/ejabberd-*")).parent, ERL_INETRC=self.home / "inetrc", HOME=self.home,
                                EJABBERD_CONFIG_PATH=config, EJABBERD_LOG_PATH=self.home / "debug.log", ERL_CRASH_DUMP="/dev/null")
        super().__init__(name, place, "env", *(f"{key}={value}" for key, value in settings.items()),
                         "erl", "-noinput", "+K", "true", "+P", "50000", "-mnesia", "dir", f'"{self.home}/spool"', "-s", "ejabberd")

    @staticmethod
    def differences(hosts, certificates):
        options = "".join(f"  {domain}: {{{HOST[mode].format(certificates=certificates)}}}\n" for domain, (mode, _) in hosts.items())
        dialback = "".join(f"  {domain}: {{modules: {{mod_s2s_dialback: {{}}}}}}\n"
                           for domain, (mode, _) in hosts.items() if mode != "external")
        return f"host_config:\n{options}" + (f"append_host_config:\n{dialback}" if dialback else "")

    async def start(self):
        await super().start(self.c2s, self.s2s, self.direct, self.api, within=40)
        for host in self.hosts:
            await self.call("register", user=self.user, host=host, password=f"pw-{self.user}")

    async def call(self, command, **arguments):
        """A command of ejabberdctl, by HTTP."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.api)
        body = json.dumps(arguments).encode()
        writer.write(f"POST /api/{command} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await asyncio.wait_for(reader.read(), 10)).decode()
        writer.close()
        return answer.partition("\r\n\r\n")[2]

    # What it saw, from its log.

    def told(self):
        path = self.home / "debug.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def carried(self, id, way):
        """As `Prosody.carried`. ejabberd does not say which version of TLS."""
        said = self.told()
        verb = "Received XML on stream" if way == "received" else "Send XML on stream"
        proofs = {}
        for match in re.finditer(rf"{TAG} Accepted (inbound|outbound) s2s (\w+) authentication (\S+) -> (\S+)", said):
            proofs.setdefault(match[2], []).append(match.groups()[2:])
        # Clients have streams, too.
        found = [match for match in re.finditer(rf"{TAG} {verb} = <<\"<message[^\n>]*? id='{re.escape(id)}'", said)
                 if match[2] in proofs]
        if not found:
            return None
        tls, stream = found[-1][1], found[-1][2]
        proofs = proofs[stream]
        opened_by = "ejabberd" if proofs and proofs[0][0] == "outbound" else "stox"
        return Carried(stream, opened_by, [proof[1] for proof in proofs], "TLS" if tls == "tls" else "plain")

    def wrote(self):
        """As `Prosody.wrote`. To clients, too, whom it has nothing to say under these ids but errors."""
        return re.findall(r"Send XML on stream = <<\"(<message[^\n>]*>)", self.told())

    def pairs(self, stream):
        return sorted(set(re.findall(rf"{re.escape(stream)}\) Accepted inbound s2s \w+ authentication (\S+) -> (\S+)", self.told())))

    async def stop(self, *how, **more):
        try:
            await self.call("stop")
            return await asyncio.wait_for(self.process.wait(), 10)
        except (OSError, asyncio.TimeoutError):
            return await super().stop(*how, **more)
