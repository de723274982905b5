"""The checks, a story each. A check gets the world, fails by raising, and returns what the other program received."""

import json
from dataclasses import dataclass
from typing import Callable

ALL = []


@dataclass
class Check:
    group: str
    name: str
    run: Callable
    #: Seconds; a check that takes longer has failed.
    limit: float
    #: The class of what else must run meanwhile, see stage.py; the check gets an instance of it instead of the world.
    stage: type | None = None
    #: Why it may fail: what stox is known not to do yet. It does not count as failed then.
    gap: str = ""


def check(name, limit=20, stage=None, gap=""):
    """Registers a check; its group is the module that it stands in, with hyphens."""
    def keep(function):
        ALL.append(Check(function.__module__.rpartition(".")[2].replace("_", "-"), name, function, limit, stage, gap))
        return function
    return keep


def quote(text, most=90):
    """Text as one line, long text with its size in front."""
    shown = json.dumps(text if len(text) <= most else text[:most] + "…", ensure_ascii=False)
    return shown if len(text) <= most else f"{len(text.encode())} bytes: {shown}"


def equal(got, wanted, what):
    assert got == wanted, f"{what}: got {got!r}, wanted {wanted!r}"


def has(whole, part, what):
    assert part in (whole or ""), f"{what}: {part!r} is not in {whole!r}"


# In the order in which they run: a fault of the peers shows first, what takes long comes last.
from . import peers, messages, text, parts, failures, content, identity, service, asterisk, phones, cluster, secure, digest, scanner, schemas, federation, partners, hostile, streams, twins, presence, presence_hostile, presence_phones, presence_publish, presence_winfo, presence_house, presence_lists, presence_restarts, running, restart, volume  # noqa: E402,F401
