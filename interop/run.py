"""Runs checks and prints a line for each: `run` is the command."""

import argparse
import asyncio
import logging
import os
import sys
import time
from pathlib import Path

import checks
from world import World

#: Longest name of a check, so that the lines stand under each other.
WIDTH = max(len(check.name) for check in checks.ALL)


#: Groups that go by one name.
SETS = {"sip": ("asterisk", "phones", "cluster", "secure", "digest", "scanner"),
        "presence": ("presence", "presence-hostile", "presence-phones", "presence-publish", "presence-winfo",
                     "presence-house", "presence-lists", "presence-restarts"),
        "xmpp": ("federation", "partners", "hostile", "streams", "twins")}


def arguments():
    groups = ", ".join([*dict.fromkeys(check.group for check in checks.ALL), *SETS])
    parser = argparse.ArgumentParser(prog="interop/run", description="Checks stox between real programs.")
    parser.add_argument("wanted", nargs="*", metavar="GROUP-OR-CHECK", help=f"{groups}, or a check's name; none: all")
    parser.add_argument("--list", action="store_true", help="list the checks and stop")
    args = parser.parse_args()
    wanted = {name for word in args.wanted for name in SETS.get(word, (word,))}
    chosen = [check for check in checks.ALL if not wanted or {check.group, check.name} & wanted]
    if unknown := wanted - {name for check in checks.ALL for name in (check.group, check.name)}:
        parser.error(f"no group and no check is called {', '.join(sorted(unknown))}")
    return args, chosen


def shorten(text, most=400):
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most] + "…"


async def run_one(world, check):
    """Whether it passed, and what was received or what went wrong."""
    world.fresh()
    try:
        await world.set(check.stage)
        if check.group != "peers":
            await world.bridge()
        seen = await asyncio.wait_for(check.run(world.stage or world), check.limit)
    except asyncio.TimeoutError as error:
        return False, str(error) or f"not done within {check.limit} s"
    except Exception as error:
        return False, shorten(f"{type(error).__name__}: {error}".removeprefix("AssertionError: "))
    if ended := world.ended():
        return False, f"{ended.name} ended with {ended.process.returncode}: {ended.last_words()}"
    return True, seen


async def run_all(chosen):
    world = World("run", os.environ["STOX"])
    passed = failed = gaps = 0
    began = time.monotonic()
    try:
        try:
            await world.start()
        except Exception as error:
            print(f"FAIL {'peers':{WIDTH}}  {error}; nothing was checked")
            chosen, failed = [], len(chosen)
        for check in chosen:
            good, seen = await run_one(world, check)
            known = bool(check.gap) and not good
            passed, failed, gaps = passed + good, failed + (not good and not known), gaps + known
            word, seen = ("gap ", f"{check.gap}: {seen}") if known else ("ok  " if good else "FAIL", seen)
            print(f"{word} {check.name:{WIDTH}}  {seen}", flush=True)
    finally:
        await world.stop()
        print(f"logs: {world.place.run}, {time.monotonic() - began:.0f} s")
        print(f"{passed} passed, {failed} failed" + (f", {gaps} known gaps" if gaps else ""))
    return failed


if __name__ == "__main__":
    args, chosen = arguments()
    if args.list:
        for check in chosen:
            print(f"{check.group:10} {check.name}")
        sys.exit(0)
    # slixmpp leaves tasks behind when a connection is given up; asyncio would print each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    sys.exit(1 if asyncio.run(run_all(chosen)) else 0)
