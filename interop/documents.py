"""Documents of presence held against the schemas of their RFCs, by libxml2's validator."""

import re
import subprocess

from peers.place import PROJECT

SCHEMAS = PROJECT / "tests" / "schemas"
#: Where the schema of a kind of document is. PIDF is held against all, since it holds elements of several.
KINDS = {
    "pidf": SCHEMAS / "documents.xsd",
    "dialog-info": SCHEMAS / "dialog-info.xsd",
    "watcherinfo": SCHEMAS / "watcherinfo.xsd",
    "rlmi": SCHEMAS / "rlmi.xsd",
}


def validate(kind, document):
    """What is wrong with the bytes of a document: a line each, none if it is valid. `kind` is that of its media type,
    application/kind+xml."""
    done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", KINDS[kind], "-"], input=document,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
    if done.returncode == 0:
        return []
    lines = done.stdout.decode(errors="replace").splitlines()
    faults = [re.sub(r"^-:(\d+): element [^:]+: Schemas validity error : ", r"line \1: ", line) for line in lines
              if line != "- fails to validate"]
    return faults or [f"xmllint ended with {done.returncode}"]
