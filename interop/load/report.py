#!/usr/bin/env python3
"""report.py FILE: the tables of ratios to the floor, a table for each transport, as Markdown: medians over the rounds
(lowest..highest).

A ratio is formed within each round, where both gateways saw the same machine. Exit 1 when a figure over UDP misses its mark, or a message went astray over any transport."""
import json, statistics, sys

NAMES = {'x2s': 'XMPP to SIP', 's2x': 'SIP to XMPP'}
CPU_MARK = {'x2s': 2.5, 's2x': 4.0}
MEMORY_MARK = 64 * 1024
#: Of the component's rate, over server-to-server streams.
S2S_MARK = 0.7


class Rows:
    def __init__(self, rows):
        self.rows = [r for r in rows if 'error' not in r]
        self.gateways = list(dict.fromkeys(r['gw'] for r in self.rows))

    def of(self, gw):
        return [r for r in self.rows if r['gw'] == gw]

    def tests(self, prefix):
        return list(dict.fromkeys(r['test'] for r in self.rows if r['test'].startswith(prefix)))

    def by_round(self, gw, test, pick):
        """round -> figure, where the round has one"""
        found = {r['round']: pick(r) for r in self.of(gw) if r['test'] == test}
        return {k: v for k, v in found.items() if v is not None}


def spread(values, form='%.0f'):
    values = sorted(values)
    if not values:
        return '-'
    text = form % statistics.median(values)
    return text if len(values) == 1 else '%s (%s..%s)' % (text, form % values[0], form % values[-1])


def ratios(base, other):
    return [other[k] / base[k] for k in other if base.get(k)]


def rate(*ways):
    return lambda r: sum(r[w]['msg_per_s'] for w in ways) if not any(r[w]['lost'] for w in ways) else None


def latency(way, key):
    return lambda r: r[way]['latency_us'][key] / 1000 if r[way]['latency_us'] else None


def cpu(r):
    return r['gateway']['cpu_us_per_msg']


def figures(rows):
    """(what, test, pick, form) in the order of the table"""
    for way, name in NAMES.items():
        yield name + ', highest loss-free rate, /s', 'max-' + way, lambda r: r['max_rate'] or None, '%.0f'
        for test in rows.tests('closed-%s-' % way):
            yield '%s, %s in flight, /s' % (name, test.split('-w')[1]), test, rate(way), '%.0f'
        for test in rows.tests('closed-%s-' % way):
            yield '%s, %s in flight, p99 ms' % (name, test.split('-w')[1]), test, latency(way, 'p99'), '%.2f'
        for test in rows.tests('cpu-%s-' % way):
            yield '%s, CPU per message at %s/s, µs' % (name, test.split('-r')[1]), test, cpu, '%.1f'
        yield name + ', CPU per message saturated, µs', 'closed-%s-w512' % way, cpu, '%.1f'
        yield name + ', p99 at half its highest rate, ms', 'half-' + way, latency(way, 'p99'), '%.2f'
    for test in rows.tests('closed-both-'):
        yield 'both ways, %s in flight each, /s together' % test.split('-w')[1], test, rate('x2s', 's2x'), '%.0f'
    for test, what in (('idle', 'idle'), ('end', 'at the end')):
        yield 'memory (PSS) %s, MiB' % what, test, lambda r: r['gateway']['pss_kib_after'] / 1024, '%.1f'


def table(rows, base, other):
    print('| | %s | %s | %s : %s |\n|---|---|---|---|' % (base, other, other, base))
    for what, test, pick, form in figures(rows):
        b, o = rows.by_round(base, test, pick), rows.by_round(other, test, pick)
        if b or o:
            print('| %s | %s | %s | %s |' % (what, spread(b.values(), form), spread(o.values(), form), spread(ratios(b, o), '%.2f')))


def disorder(rows, gw):
    """Faults in phases where the sender did not have to send anything again, and inversions where it had to."""
    clean = dict.fromkeys(('order_inversions', 'duplicates', 'vanished', 'addr_mismatch', 'body_mismatch'), 0)
    resent = 0
    for r in rows.of(gw):
        for way in NAMES:
            if way in r and r['test'].startswith('maxstep') and r[way]['retransmissions_sent']:
                resent += r[way]['order_inversions']
            elif way in r:
                for k in clean:
                    clean[k] += r[way][k] if k != 'vanished' or not r['test'].startswith('maxstep') else 0
    return clean, resent


def marks(rows, base, other, transport):
    """One line for each mark: (met, text)"""
    for way, name in NAMES.items() if transport == 'udp' and base == 'floor' and other == 'stox' else ():
        top = ratios(rows.by_round(base, 'max-' + way, lambda r: r['max_rate']), rows.by_round(other, 'max-' + way, lambda r: r['max_rate']))
        if top:
            yield statistics.median(top) >= 0.3, '%s: %s of the floor\'s loss-free rate, at least 0.30 (aim 0.50)' % (name, spread(top, '%.2f'))
        test = 'cpu-%s-r8000' % way
        dear = ratios(rows.by_round(base, test, cpu), rows.by_round(other, test, cpu))
        if dear:
            yield statistics.median(dear) <= CPU_MARK[way], '%s: %s times the floor\'s CPU per message at 8,000/s, at most %.1f (aim 2)' % (name, spread(dear, '%.2f'), CPU_MARK[way])
        slow = rows.by_round(other, 'half-' + way, latency(way, 'p99')).values()
        if slow:
            yield statistics.median(slow) < 2, '%s: p99 at half its highest rate %s ms, under 2' % (name, spread(slow, '%.2f'))
    clean, resent = disorder(rows, other)
    text = ', '.join('%s %d' % (k.replace('_', ' '), n) for k, n in clean.items())
    yield not any(clean.values()), text + (' (order inversions where the sender had to send again: %d)' % resent if resent else '')


def federated(rows):
    """Marks of server-to-server streams against the component's link, in the same rounds: (met, text)"""
    for way, name in NAMES.items():
        top = ratios(*(rows.by_round(gw, 'max-' + way, lambda r: r['max_rate']) for gw in ('stox', 'stox-s2s')))
        if top:
            yield statistics.median(top) >= S2S_MARK, '%s: over s2s %s of the component\'s loss-free rate, at least %.2f' % (name, spread(top, '%.2f'), S2S_MARK)


def soak(rows, gw):
    for r in rows.of(gw):
        if r['test'] != 'soak':
            continue
        series = [(s['t_ms'] / 1000, s['pss_kib']) for s in r['samples']]
        end = series[-1][0]
        part = lambda a, b: statistics.median(kib for t, kib in series if a * end <= t <= b * end)
        print('\nSoak of %.0f s: %s' % (r['wall_s'], ', '.join('%s %d of %d, p99 %.2f ms' % (NAMES[w], r[w]['delivered'], r[w]['sent'], latency(w, 'p99')(r)) for w in NAMES)))
        print('CPU per message %.1f µs. Memory (PSS) MiB by time: %s' % (cpu(r), ', '.join('%d s %.1f' % (t, kib / 1024) for t, kib in series[::max(1, len(series) // 12)])))
        early, late, top = part(0.2, 0.4), part(0.8, 1), max(kib for _, kib in series)
        yield late < early * 1.05 + 512, 'soak: memory %.1f MiB in its second fifth, %.1f in its last: flat' % (early / 1024, late / 1024)
        yield top < MEMORY_MARK, 'soak: at most %.1f MiB, under 64' % (top / 1024)
        for way, name in NAMES.items():
            yield r[way]['lost'] == 0 and r[way]['order_inversions'] == 0, 'soak: %s lost %d, inversions %d' % (name, r[way]['lost'], r[way]['order_inversions'])


def main():
    every = [json.loads(line) for line in open(sys.argv[1])]
    loud = [r['machine']['other_cores'] for r in every if 'machine' in r]
    print('%d round(s)%s. Others used the machine with more than half a core in %d of %d phases.' % (
        max(r['round'] for r in every), ', quick' if any(r.get('quick') for r in every) else '', sum(x > 0.5 for x in loud), len(loud)))
    missed = False
    for transport in dict.fromkeys(r.get('transport', 'udp') for r in every):
        rows = Rows(r for r in every if r.get('transport', 'udp') == transport)
        base = 'floor' if 'floor' in rows.gateways else rows.gateways[0]
        others = [g for g in rows.gateways if g != base]
        print('\nThe SIP side over %s:\n' % transport.upper())
        for other in others or [base]:
            table(rows, base, other)
            lines = list(soak(rows, other)) + list(marks(rows, base, other, transport))
            if other == 'stox-s2s' and 'stox' in rows.gateways:
                lines += federated(rows)
            print()
            for met, text in lines:
                print('- %s: %s' % ('met' if met else 'MISSED', text))
                missed |= not met
    sys.exit(missed)


main()
