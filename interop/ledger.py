"""The account of many messages: each must end in exactly one way on the side it came from."""

from collections import Counter


class Ledger:
    def __init__(self, unsure_at_most=0, lost_at_most=0):
        self.sent = set()
        #: How often each was delivered at the other end, and how often its sender was told that it was not.
        self.delivered, self.refused = Counter(), Counter()
        self.reasons = Counter()
        #: Sent, but stopped before stox by a server that was going down; owed no outcome.
        self.stopped_before = set()
        #: So many may be delivered and yet refused: the server that was to pass on the good news was restarted instead.
        #: Their senders hear of a failure that was none; neither protocol lets anybody know better.
        self.unsure_at_most = unsure_at_most
        #: So many may have no outcome: a connection broke that acknowledges nothing, and no end of it knows what was on it.
        self.lost_at_most = lost_at_most

    def refuse(self, item, reason):
        self.refused[item] += 1
        self.reasons[reason] += 1

    @property
    def open(self):
        return self.sent - set(self.delivered) - set(self.refused) - self.stopped_before

    def close(self):
        """Fails unless every message has one outcome; returns the account in words."""
        unsure = set(self.delivered) & set(self.refused)
        faults = {"delivered and refused": unsure if len(unsure) > self.unsure_at_most else set(),
                  "delivered twice": {item for item, times in self.delivered.items() if times > 1},
                  "refused twice": {item for item, times in self.refused.items() if times > 1},
                  "without outcome": self.open if len(self.open) > self.lost_at_most else set(),
                  "never sent": (set(self.delivered) | set(self.refused)) - self.sent}
        words = (f"{len(self.sent)} sent: {len(self.delivered)} delivered once, {len(self.refused)} refused"
                 + (f" ({', '.join(f'{n} {reason}' for reason, n in self.reasons.most_common())})" if self.reasons else "")
                 + (f", {len(unsure)} of them both" if unsure else "")
                 + (f", {len(self.stopped_before)} stopped before stox" if self.stopped_before else "")
                 + (f", {len(self.open)} lost with the connection" if self.open else ""))
        wrong = [f"{len(items)} {fault} ({', '.join(map(str, sorted(items)[:3]))} …)" for fault, items in faults.items() if items]
        assert not wrong, f"{words}; but {', '.join(wrong)}"
        return words
