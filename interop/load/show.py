#!/usr/bin/env python3
"""Shows loadgen's JSON (standard input) for people: a few lines for each phase."""
import json, sys

COUNTS = ('sent', 'delivered', 'rejected', 'vanished', 'duplicates', 'order_inversions', 'late', 'retransmissions_seen',
          'retransmissions_sent', 'addr_mismatch', 'body_mismatch', 'transaction_timeouts', 'accepted_not_delivered')


def show(row):
    load = 'window %s' % row['window'] if not row['rate'] else 'rate %s/s' % row['rate']
    stopped = ', stopped at its time limit' if row['aborted'] else ''
    print('%s %s %s, %s, %s bytes, %.1f s%s' % (row['label'], row['tag'], row['mode'], load, row['body'], row['wall_s'], stopped))
    for way in ('x2s', 's2x'):
        if way not in row:
            continue
        d, latency = row[way], row[way]['latency_us'] or {}
        counts = ' '.join('%s=%s' % (k, d[k]) for k in COUNTS if d[k] or k in ('sent', 'delivered', 'vanished'))
        print('   %s: %.0f/s %s p50=%s p99=%s max=%s' % (way, d['msg_per_s'], counts, *(latency.get(k) for k in ('p50', 'p99', 'max'))))
        print('        answers %s %s %s' % (d['responses'], d['xmpp_errors'], d.get('first_bad', '')))
    if 'presence' in row:
        print('   presence:', json.dumps(row['presence']))
    g, l, m = row['gateway'], row['loadgen'], row['machine']
    print('   gateway: %s us/msg, %s cores, alive %s/%s, PSS %s -> %s KiB, %s datagrams dropped; loadgen: %s us/msg, %s cores, %s dropped; others: %s cores' % (
        g['cpu_us_per_msg'], g['cpu_cores'], g['alive'], g['pids'], g['pss_kib_before'], g['pss_kib_after'], g['udp_rcvbuf_drops'],
        l['cpu_us_per_msg'], l['cpu_cores'], l['udp_rcvbuf_drops'], m['other_cores']))
    odd = {k: v for k, v in row['misc'].items() if v}
    if odd:
        print('   also:', odd)
    for k in ('xmpp_outage', 'sip_outage', 'xmpp_stall', 'options_probe'):
        if k in row:
            print('   %s: %s' % (k, row[k]))
    if 'samples' in row:
        s = row['samples']
        print('   PSS KiB over time:', [(x['t_ms'] // 1000, x['pss_kib']) for x in s[::max(1, len(s) // 8)]])


for line in sys.stdin:
    if not line.startswith('{'):
        print(line, end='')
        continue
    row = json.loads(line)
    print('ERROR', row) if 'error' in row else show(row)
