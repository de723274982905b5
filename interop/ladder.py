"""Draws what crossed: a column for each program, an arrow for each message, and who saw it."""

COLUMNS = ("chat client", "Prosody", "stox", "Kamailio", "phone")
NAMES = ("juliet (slixmpp)", "xmpp.example", "", "pbx.example", "romeo (baresip)")
WIDTH = 26


def head():
    return "\n".join("".join(f"{word:^{WIDTH}}" for word in words).rstrip() for words in (COLUMNS, NAMES)) + "\n" + rest()


def rest():
    """The lines of life alone."""
    return "".join(f"{'|':^{WIDTH}}" for _ in COLUMNS).rstrip()


def arrow(sender, receiver, label):
    """One message from a column to the next one on either side."""
    here, there = COLUMNS.index(sender), COLUMNS.index(receiver)
    room = WIDTH - 1
    label = label if len(label) <= room - 4 else label[:room - 5] + "…"
    shaft = f" {label} ".center(room, "-")
    shaft = shaft[:-1] + ">" if here < there else "<" + shaft[1:]
    line, first = rest().ljust(WIDTH * len(COLUMNS)), rest().index("|") + min(here, there) * WIDTH + 1
    return (line[:first] + shaft + line[first + room:]).rstrip()
