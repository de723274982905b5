"""Draws what crossed: a column for each program, an arrow for each message, and who saw it."""

COLUMNS = ("chat client", "Prosody", "stox", "Kamailio", "phone")
NAMES = ("juliet (slixmpp)", "xmpp.example", "", "pbx.example", "romeo (baresip)")
WIDTH = 23


def head():
    return "\n".join("".join(f"{word:^{WIDTH}}" for word in words).rstrip() for words in (COLUMNS, NAMES)) + "\n" + rest()


def rest():
    """The lines of life alone."""
    return "".join(f"{'|':^{WIDTH}}" for _ in COLUMNS).rstrip()


def arrow(sender, receiver, label):
    """One message from a column to the next one on either side."""
    left, right = sorted((COLUMNS.index(sender), COLUMNS.index(receiver)))
    label = label if len(label) <= WIDTH - 6 else label[:WIDTH - 7] + "…"
    shaft = f" {label} ".center(WIDTH - 2, "-")
    shaft = shaft[:-1] + ">" if COLUMNS.index(sender) == left else "<" + shaft[1:]
    line = list(rest().ljust(WIDTH * len(COLUMNS)))
    start = left * WIDTH + WIDTH // 2
    line[start + 1:start + WIDTH - 1] = shaft
    return "".join(line).rstrip()
