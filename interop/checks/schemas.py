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


async def written():
    """Runs the test that writes the documents; where there is no cargo, those of an earlier run do."""
    if shutil.which("cargo"):
        code, output = await run("cargo", "test", "--quiet", "--test", "it", "every_document_is_there", within=900,
                                 home=PROJECT)
        assert code == 0, f"the documents were not written: {output[-300:]}"
    documents = sorted(WRITTEN.glob("*.xml"))
    assert documents, f"no documents in {WRITTEN}: run cargo test --test it documents"
    return documents


@check("schemas-of-what-is-written", limit=960)
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
