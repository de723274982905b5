#!/usr/bin/env python3
"""Measures presence: subscriptions set up both ways, NOTIFY to <presence/> and <presence/> to NOTIFY, memory for each
subscription, refreshes, and what happens after kill -9 and a start with the same store: requests a second against time, as
SVG. One JSON line for each phase. With other gateways of gateways.json in --gw, the first part is done with each in turn."""
import argparse, json, os, signal, statistics, subprocess, sys, time

from bench import HERE, Loadgen, quiet, say, shell

WORK = HERE + '/work'
EXTRA = '[presence]\nnotify_every = "0s"\n[store]\nurl = "sqlite:%s/presence.db"\n' % WORK
#: What is measured of a few hundred, as the comparison of gateways has it: mode, in flight.
FEW = (('px', 1), ('px', 16), ('ps', 1), ('ps', 8))
#: Messages, the same way as the updates: an update shall be at least as fast.
ALIKE = {'px': 's2x', 'ps': 'x2s'}
#: SUBSCRIBEs a second to set up many: one SIP peer may ask 30,000 times at once and 500 times a second (stox's limit).
ASKS = 650
#: Until nothing is left of the last request: Timer J (RFC 3261 section 17.2.2) is 32 s.
REST_S = 40
KINDS = ('SUBSCRIBE in dialog', 'SUBSCRIBE anew', 'NOTIFY', 'presence', 'probe', 'asked or told anew', 'refresh refused')


def environment(kept):
    os.makedirs(WORK, exist_ok=True)
    if not kept:
        for name in os.listdir(WORK):
            if name.startswith('presence.db'):
                os.remove(WORK + '/' + name)
    with open(WORK + '/presence.toml', 'w') as file:
        file.write(EXTRA)
    os.environ['STOX_EXTRA'] = WORK + '/presence.toml'


def gone():
    """Waits until the killed gateway has given back its port, 25060 (0x61E4): 10 s at most. Its threads outlive its pid."""
    for _ in range(200):
        with open('/proc/net/udp') as file:
            if ' 0100007F:61E4 ' not in file.read():
                return
        time.sleep(0.05)
    raise RuntimeError('the gateway does not end')


class Measure:
    def __init__(self, a, out):
        self.a, self.out, self.rows = a, out, []

    def phase(self, loadgen, gw, number, test, spec):
        others = quiet(0 if self.a.quick else 45)
        row = loadgen.phase(spec)
        if 'error' in row:
            raise RuntimeError(row['error'])
        row.update(gw=gw, round=number, test=test, other_before=others)
        self.rows.append(row)
        self.out.write(json.dumps(row) + '\n')
        self.out.flush()
        p, g = row.get('presence', {}), row['gateway']
        message = row.get('s2x', row.get('x2s', {}))
        p = p or {'messages_per_s': message['msg_per_s'], 'lost': message['lost']} if message else p
        say(number, gw, test, {k: p[k] for k in ('complete', 'failed', 'setups_per_s', 'updates_per_s', 'updates_failed', 'messages_per_s', 'lost') if k in p},
            'PSS KiB', g['pss_kib_before'], '->', g['pss_kib_after'], 'CPU cores', g['cpu_cores'], 'others', row['machine']['other_cores'])
        return row

    def few(self, gw, gateway, number):
        """300 pairs, as with any gateway."""
        environment(kept=False)
        shell(gateway['stop'], 'udp')
        say(number, gw, shell(gateway['start'], 'udp'))
        loadgen = Loadgen(gw, shell(gateway['pids'], 'udp'), gateway.get('loadgen', []))
        try:
            for step, (mode, window) in enumerate(FEW):
                self.phase(loadgen, gw, number, 'few-%s-w%d' % (mode, window),
                           'mode=%s n=300 window=%d rounds=5 loss_ms=4000 max_s=60 base=%d' % (mode, window, 10000 * (step + 1)))
                self.phase(loadgen, gw, number, 'few-%s-w%d' % (ALIKE[mode], window),
                           'mode=%s n=1500 window=%d users=300 loss_ms=4000 max_s=60' % (ALIKE[mode], window))
        except RuntimeError as error:
            say(number, gw, 'ABANDONED:', error)
        finally:
            loadgen.quit()
            shell(gateway['stop'], 'udp')

    def many(self, gw, gateway, number):
        """All of them, both ways, then a hold with refreshes, and a kill."""
        a = self.a
        environment(kept=False)
        shell(gateway['stop'], 'udp')
        say(number, gw, shell(gateway['start'], 'udp'))
        loadgen = Loadgen(gw, shell(gateway['pids'], 'udp'), gateway.get('loadgen', []))
        seconds = max(120, a.n // 100)
        try:
            self.phase(loadgen, gw, number, 'idle', 'mode=idle idle_s=2 settle_ms=0')
            for mode, base in (('px', 0), ('ps', 1_000_000)):
                self.phase(loadgen, gw, number, 'many-' + mode, 'mode=%s n=%d window=%d rounds=%d loss_ms=8000 max_s=%d base=%d expires=%d%s' % (
                    mode, a.n, a.window, a.rounds_of_updates, seconds, base, a.expires, ' rate=%d' % ASKS if mode == 'ps' else ''))
                self.phase(loadgen, gw, number, 'many-' + ALIKE[mode], 'mode=%s n=%d window=%d users=1000 loss_ms=8000 max_s=%d' % (
                    ALIKE[mode], a.n, a.window, seconds))
                self.phase(loadgen, gw, number, 'rest-' + mode, 'mode=idle idle_s=%d settle_ms=0 expires=%d' % (REST_S, a.expires))
            self.phase(loadgen, gw, number, 'hold', 'mode=hold idle_s=%d settle_ms=0 max_s=%d expires=%d' % (a.hold_s, a.hold_s + 30, a.expires))
            pid = int(shell(gateway['pids'], 'udp').split()[0])
            os.kill(pid, signal.SIGKILL)
            gone()
            environment(kept=True)
            began = time.monotonic()
            say(number, gw, 'killed; again:', shell(gateway['start'], 'udp'), 'in %.1f s' % (time.monotonic() - began))
            pids = ','.join(shell(gateway['pids'], 'udp').split())
            row = self.phase(loadgen, gw, number, 'after-kill', 'mode=hold idle_s=%d settle_ms=0 max_s=%d sample_ms=1000 expires=%d pids=%s' % (
                a.after_s, a.after_s + 30, a.expires, pids))
            path = a.out.removesuffix('.jsonl') + '-%d.svg' % number
            with open(path, 'w') as file:
                file.write(picture(row, a))
            say('picture:', path)
        finally:
            loadgen.quit()
            shell(gateway['stop'], 'udp')


def picture(row, a):
    """Requests and stanzas a second, by kind, against seconds since the start."""
    series = row['presence']['series']
    wide, high, left, low = 900, 360, 70, 50
    most = max([max(second[:5]) for second in series] + [1])
    x = lambda second: left + second * (wide - left - 20) / max(len(series), 1)
    y = lambda n: high - low - n * (high - low - 30) / most
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">' % (wide, high),
             '<rect width="100%" height="100%" fill="white"/>',
             '<text x="%d" y="18">What stox sends after kill -9 and a start: %d + %d subscriptions, which last %d s</text>' % (
                 left, row['presence']['xmpp_watches'], row['presence']['sip_watches'], a.expires)]
    for part in range(5):
        n = most * part / 4
        lines.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%d/s</text>' % (
            left, wide - 20, y(n), y(n), left - 6, y(n) + 4, n))
    for second in range(0, len(series) + 1, max(30, len(series) // 10)):
        lines.append('<text x="%.1f" y="%d" text-anchor="middle">%d s</text>' % (x(second), high - low + 18, second))
    for kind, color in zip(range(5), ('#1f77b4', '#d62728', '#2ca02c', '#ff7f0e', '#9467bd')):
        points = ' '.join('%.1f,%.1f' % (x(second), y(values[kind])) for second, values in enumerate(series))
        lines.append('<polyline fill="none" stroke="%s" points="%s"/><text x="%d" y="%d" fill="%s">%s</text>' % (
            color, points, left + 150 * kind, high - 10, color, KINDS[kind]))
    return '\n'.join([*lines, '</svg>\n'])


def median(values):
    return '%s (%s..%s)' % tuple('%.4g' % v for v in (statistics.median(values), min(values), max(values))) if values else '-'


def report(rows, a):
    gateways = list(dict.fromkeys(row['gw'] for row in rows))
    of = lambda gw, test: [row for row in rows if (row['gw'], row['test']) == (gw, test)]
    # Without --many-only there are figures of a few hundred.
    print('\n| 300 pairs | ' + ' | '.join(gateways) + ' |\n|---|' + '---|' * len(gateways))
    for mode, window in FEW:
        test = 'few-%s-w%d' % (mode, window)
        who = 'XMPP watches SIP' if mode == 'px' else 'SIP watches XMPP'
        latency = 'NOTIFY_to_presence_us' if mode == 'px' else 'presence_to_NOTIFY_us'
        alike = 'few-%s-w%d' % (ALIKE[mode], window)
        told = lambda key: lambda row: (row['presence'][latency] or {}).get(key, 0) / 1000
        sent = lambda key: lambda row: (row[ALIKE[mode]]['latency_us'] or {}).get(key, 0) / 1000
        for what, which, value in (('set up, /s', test, lambda row: row['presence']['setups_per_s']),
                                   ('updates, /s', test, lambda row: row['presence']['updates_per_s']),
                                   ('messages, /s', alike, lambda row: row[ALIKE[mode]]['msg_per_s']),
                                   ('CPU of an update, µs', test, lambda row: row['presence']['update_cpu_us']),
                                   ('CPU of a message, µs', alike, lambda row: row['gateway']['cpu_us_per_msg']),
                                   ('p50 of an update, ms', test, told('p50')), ('p50 of a message, ms', alike, sent('p50')),
                                   ('p99 of an update, ms', test, told('p99')), ('p99 of a message, ms', alike, sent('p99')),
                                   ('failed', test, lambda row: row['presence']['failed'] + row['presence']['updates_failed'])):
            print('| %s, %d in flight: %s | %s |' % (who, window, what, ' | '.join(
                median([value(row) for row in of(gw, which)]) for gw in gateways)))
    bad = []
    for gw in gateways:
        if not of(gw, 'rest-ps'):
            continue
        print('\n| %s, %d each way | |\n|---|---|' % (gw, a.n))
        line = lambda what, values: print('| %s | %s |' % (what, median(values)))
        for mode, who in (('px', 'XMPP watches SIP'), ('ps', 'SIP watches XMPP')):
            found = [row['presence'] for row in of(gw, 'many-' + mode)]
            line(who + ': complete', [p['complete'] for p in found])
            line(who + ': set up, /s', [p['setups_per_s'] for p in found])
            line(who + ': updates, /s', [p['updates_per_s'] for p in found])
            line(who + ': messages the same way, /s', [row[ALIKE[mode]]['msg_per_s'] for row in of(gw, 'many-' + ALIKE[mode])])
            line(who + ': updates failed', [p['updates_failed'] for p in found])
            bad += ['%s: %d of %d set up' % (who, p['complete'], p['contacts']) for p in found if p['complete'] < p['contacts']]
        pss = lambda test: [row['gateway']['pss_kib_after'] for row in of(gw, test)]
        grown = lambda test, since, n: [1024 * (after - before) / n for after, before in zip(pss(test), pss(since))]
        line('memory at rest, bytes (PSS): XMPP watches SIP', grown('rest-px', 'idle', a.n))
        line('memory at rest, bytes (PSS): SIP watches XMPP', grown('rest-ps', 'rest-px', a.n))
        each = grown('rest-ps', 'idle', 2 * a.n)
        line('memory at rest, bytes (PSS): each of all', each)
        bad += ['%.0f bytes for a subscription, at most 2048' % value for value in each if value > 2048]
        for test in ('hold', 'after-kill'):
            found = [row['presence'] for row in of(gw, test)]
            total = lambda p, kind: sum(second[kind] for second in p['series'])
            for kind, what in enumerate(KINDS):
                line('%s: %s, in all' % (test, what), [total(p, kind) for p in found])
            line(test + ': most requests in a second', [max([sum(second[:3]) for second in p['series']] + [0]) for p in found])
            line(test + ': CPU, cores', [row['gateway']['cpu_cores'] for row in of(gw, test)])
            bad += ['%s: %d were asked or told anew' % (test, total(p, 5)) for p in found if total(p, 5)]
            bad += ['%s: %d refreshes refused' % (test, total(p, 6)) for p in found if total(p, 6)]
    print()
    print('\n'.join('MISSED: ' + text for text in bad) or 'all set up, nobody was asked anew, no refresh refused, memory within 2 KiB each')
    return not bad


def main():
    p = argparse.ArgumentParser(prog='interop/load/run presence', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--gw', default='stox', help='names in gateways.json; "stox,kamailio" where kamailio.sh can start that')
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--n', type=int, default=100_000, help='subscriptions each way')
    p.add_argument('--window', type=int, default=256, help='of them under way at any time')
    p.add_argument('--rounds-of-updates', type=int, default=1, help='of each subscription, after the set-up')
    p.add_argument('--expires', type=int, default=600, help='s that they last; both sides refresh before')
    p.add_argument('--hold-s', type=int, default=120, help='s of refreshes and nothing else')
    p.add_argument('--after-s', type=int, default=620, help='s that are watched after the kill')
    p.add_argument('--few', action='store_true', help='only the 300 pairs')
    p.add_argument('--quick', action='store_true', help='does not wait for a quiet machine')
    p.add_argument('--report', nargs='+', metavar='FILE', help='only the tables, of the JSON lines of these runs; with the --n of them')
    p.add_argument('--out', default=HERE + '/results/presence.jsonl')
    a = p.parse_args()
    if a.report:
        sys.exit(not report([json.loads(line) for path in a.report for line in open(path)], a))
    gateways = json.load(open(HERE + '/gateways.json'))
    with open(a.out, 'a') as out:
        measure = Measure(a, out)
        for number in range(1, a.rounds + 1):
            for gw in a.gw.split(','):
                measure.few(gw, gateways[gw], number)
            if not a.few:
                measure.many('stox', gateways['stox'], number)
    sys.exit(not report(measure.rows, a))


if __name__ == '__main__':
    main()
