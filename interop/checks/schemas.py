"""What stox writes is valid by the schemas of the RFCs, and the validator knows what is not. The documents are those that
a test of stox writes, `it::documents`: every kind, in the shapes of an ordinary day and in two hundred odd ones."""

import shutil

from documents import KINDS, validate
from peers.place import PROJECT
from peers.tool import run

from . import check, has

#: Where the test leaves them.
WRITTEN = PROJECT / "target" / "documents"
#: What must not pass, and the word by which it is known: else a validator that says yes to all would do.
WRONG = [
    ("pidf", "<presence xmlns='urn:ietf:params:xml:ns:pidf'/>", "entity"),
    ("pidf", "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:a@b'><tuple id='1a'><status/></tuple></presence>",
     "1a"),
    ("pidf", "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:a@b'><note>n</note><tuple id='a'><status/>"
     "</tuple></presence>", "tuple"),
    ("pidf", "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:a@b'><tuple id='a'><status><basic>OPEN</basic>"
     "</status></tuple></presence>", "OPEN"),
    ("pidf", "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:a@b'><person id='p' "
     "xmlns='urn:ietf:params:xml:ns:pidf:data-model'><activities xmlns='urn:ietf:params:xml:ns:pidf:rpid'><dreaming/>"
     "</activities></person></presence>", "dreaming"),
    ("dialog-info", "<dialog-info xmlns='urn:ietf:params:xml:ns:dialog-info' version='0' state='whole' entity='sip:a@b'/>",
     "whole"),
]


#: What the documents follow from.
SOURCES = ("src", "tests", "mappings", "Cargo.toml", "Cargo.lock")
#: s; for the test, which may have to be built first.
BUILT_IN = 600


def fresh(documents):
    """Whether there are some, and all were written after the last change of what they follow from."""
    paths = [path for name in SOURCES for path in (PROJECT / name, *(PROJECT / name).rglob("*"))]
    return bool(documents) and min(path.stat().st_mtime for path in documents) >= max(path.stat().st_mtime for path in paths)


async def written():
    """The documents: those that the last run of the tests left if nothing has changed since, else they are written anew. Where
    there is no cargo, those of an earlier run do."""
    documents = sorted(WRITTEN.glob("*.xml"))
    if shutil.which("cargo") and not fresh(documents):
        code, output = await run("cargo", "test", "--quiet", "--test", "it", "every_document_is_there", within=BUILT_IN, home=PROJECT)
        assert code == 0, f"the documents were not written: {output[-300:]}"
        documents = sorted(WRITTEN.glob("*.xml"))
    assert documents, f"no documents in {WRITTEN}: run cargo test --test it documents"
    return documents


@check("schemas-of-what-is-written", limit=BUILT_IN + 60)
async def _(_world):
    count = dict.fromkeys(KINDS, 0)
    for path in await written():
        kind = next(kind for kind in KINDS if path.name.startswith(kind))
        faults = validate(kind, path.read_bytes())
        assert not faults, f"{path.name}: {faults[0]}"
        count[kind] += 1
    assert count["pidf"] > 200 and count["dialog-info"] >= 2, f"only {count}"
    return "xmllint: valid, " + ", ".join(f"{count} {kind}" for kind, count in count.items() if count)


@check("schemas-know-what-is-wrong")
async def _(_world):
    for kind, document, word in WRONG:
        faults = " ".join(validate(kind, document.encode()))
        has(faults, word, f"xmllint's words on {document}")
    return f"xmllint: {len(WRONG)} documents with a fault each are told"
