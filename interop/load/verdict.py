#!/usr/bin/env python3
"""verdict.py FILE: what became of every message in the scenarios of break.sh, a line for each scenario and direction.

Exit 1 when a message vanished without an error, arrived twice, or a scenario did not run to its end.
  delivered  arrived at the other end
  rejected   its sender was told that it failed: a SIP final response of 300 or more, an XMPP error stanza
  vanished   neither; where the SIP peer refuses or ignores everything: no error stanza, whether it arrived or not
  both       arrived, and its sender was told that it failed although the peer had taken it
"""
import json, sys

COLUMNS = ('sent', 'delivered', 'rejected', 'vanished', 'both', 'duplicates', 'inversions')


def scenarios(path):
    found = []
    for line in open(path):
        row = json.loads(line)
        if 'scenario' in row:
            found.append((row['scenario'], row['phases'], []))
        else:
            found[-1][2].append(row)
    return found


def count(rows, way):
    of = lambda key: sum(row[way][key] for row in rows if way in row)
    return (of('sent'), of('delivered'), of('rejected'), of('vanished'), of('delivered_and_rejected'),
            of('duplicates'), of('order_inversions'))


def remarks(rows, way):
    told, texts = {}, []
    for row in rows:
        for key in ('responses', 'xmpp_errors'):
            for what, n in row.get(way, {}).get(key, {}).items():
                told[what] = told.get(what, 0) + n
        if row.get(way, {}).get('errors_repeated'):
            texts.append('%d errors told twice' % row[way]['errors_repeated'])
    for row in rows:
        if 'xmpp_outage' in row:
            o = row['xmpp_outage']
            texts.append('XMPP back at %s ms, link at %s ms' % (o['listening_again_ms'], o['reconnected_ms']))
    return '; '.join([', '.join('%s: %d' % t for t in sorted(told.items()))] + texts)


def main():
    failed = []
    print('| scenario | way | ' + ' | '.join(COLUMNS) + ' | answers |')
    print('|---|---|' + '---:|' * len(COLUMNS) + '---|')
    for tag, phases, rows in scenarios(sys.argv[1]):
        broken = [row for row in rows if 'error' in row]
        rows = [row for row in rows if 'error' not in row]
        for way in ('x2s', 's2x'):
            if not any(way in row for row in rows):
                continue
            n = dict(zip(COLUMNS, count(rows, way)))
            print('| %s | %s | %s | %s |' % (tag, way, ' | '.join(str(n[c]) for c in COLUMNS), remarks(rows, way)))
            failed += ['%s %s: %d %s' % (tag, way, n[c], c) for c in ('vanished', 'duplicates') if n[c]]
        failed += ['%s: %s' % (tag, row['error']) for row in broken]
        if len(rows) + len(broken) < phases:
            failed.append('%s: %d of %d phases ran' % (tag, len(rows), phases))
        if any(row['gateway']['alive'] < row['gateway']['pids'] for row in rows):
            failed.append('%s: the gateway ended' % tag)
        if any(row['aborted'] for row in rows):
            failed.append('%s: stopped at its time limit' % tag)
    print()
    print('\n'.join('FAILED ' + f for f in failed) or 'every message was delivered or its sender told, none twice')
    sys.exit(bool(failed))


main()
