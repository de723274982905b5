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
