"""Certificates for the programs of a run, by `../certificate`: good ones, and each kind of bad one."""

import subprocess

from .place import HERE

#: What each is for.
KINDS = {
    "stox": "DNS:xmpp.example,DNS:secure.example,DNS:phones.example,URI:sip:xmpp.example,IP:127.0.0.1",
    "kamailio": "DNS:secure.example,URI:sip:secure.example,IP:127.0.0.1",
    "phone": "DNS:tls.example,URI:sip:tls.example,IP:127.0.0.1",
    "stranger": "DNS:stranger.example,URI:sip:stranger.example",
}
#: The names are not what is wrong with these.
WANTED = "DNS:badtls.example,DNS:secure.example"
BAD = {
    "expired": (WANTED, "ca", "20240101000000Z", "20240201000000Z"),
    "foreign": (WANTED, "elsewhere"),
}


def make(place):
    """Puts NAME.crt, NAME.key, NAME.pem for all of them and ca.crt into the run directory, which it returns."""
    home = place.run / "certificates"
    if not home.exists():
        for name, names in KINDS.items():
            subprocess.run([HERE.parent / "certificate", home, name, names], check=True)
        for name, more in BAD.items():
            subprocess.run([HERE.parent / "certificate", home, name, *more], check=True)
    return home


#: The domains that federate.
SERVERS = {
    "stox": "DNS:gate.example,DNS:*.gate.example",
    "verona": "DNS:verona.example,DNS:*.verona.example",
    "venice": "DNS:venice.example,DNS:*.venice.example",
    "twin": "DNS:twin.example",
    "raw": "DNS:raw.example",
    "gate": "DNS:gate.example,DNS:*.gate.example",
    "next": "DNS:gate.example,DNS:*.gate.example",
}
#: What is wrong with these is their name, their time, their authority.
BAD_SERVERS = {
    "wrong": ("DNS:elsewhere.example",),
    "expired": ("DNS:expired.mantua.example", "ca", "20240101000000Z", "20240201000000Z"),
    "mantua": ("DNS:mantua.example,DNS:*.mantua.example", "elsewhere"),
    "padua": ("DNS:loose.venice.example", "elsewhere"),
    "outdated": ("DNS:gate.example,DNS:*.gate.example", "ca", "20240101000000Z", "20240201000000Z"),
}


def make_servers(place):
    """As `make`, for servers that federate, and self.crt, which nobody signed. DNS names only: ejabberd 23.01 fails on
    others."""
    home = place.run / "federation"
    if not home.exists():
        for name, names in SERVERS.items():
            subprocess.run([HERE.parent / "certificate", home, name, names], check=True)
        for name, more in BAD_SERVERS.items():
            subprocess.run([HERE.parent / "certificate", home, name, *more], check=True)
        subprocess.run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
            "-keyout", home / "self.key", "-out", home / "self.crt", "-subj", "/CN=self",
            "-addext", "subjectAltName=DNS:self.mantua.example", "-addext", "basicConstraints=critical,CA:FALSE",
        ], check=True, capture_output=True)
    return home
