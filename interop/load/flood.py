#!/usr/bin/env python3
"""Legitimate traffic beside a flood: what it costs the others.

Messages go both ways at a steady rate, from and to those that stox knows, first alone and then beside each of the floods
below, which come from addresses that it does not know (127.66.0.0/16). For each the latency and the losses of the
messages, what the flood got back, and what stox took. Bounded in count and time; nothing leaves loopback."""
import argparse, json, os, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
LOADGEN = HERE + '/loadgen/target/release/loadgen'
WAYS = ('x2s', 's2x')

# name, what strangers get, what is sent, sources, share of the rate
SCENARIOS = (
    ('nobody else', 'refuse', None, 0, 0),
    ('OPTIONS, 1 source', 'refuse', 'options', 1, 1),
    ('OPTIONS, 1000 sources', 'refuse', 'options', 1000, 1),
    ('REGISTER, 1000 sources', 'refuse', 'register', 1000, 1),
    ('INVITE, 1000 sources', 'refuse', 'invite', 1000, 1),
    ('all three, 1000 sources', 'drop', 'mixed', 1000, 1),
    ('rubbish, 1000 sources', 'refuse', 'rubbish', 1000, 1),
    ('TCP connections, 100 sources', 'refuse', 'connections', 100, 0.05),
)


def say(*what):
    print(time.strftime('%H:%M:%S'), *what, flush=True)


class Stox:
    """One, started afresh for each scenario."""
    def __init__(self, strangers):
        self.strangers = strangers

    def shell(self, verb):
        env = dict(os.environ, STOX_LOG='info', STOX_SIP='unknown_source = "%s"' % self.strangers)
        done = subprocess.run(['./stox.sh', verb], env=env, cwd=HERE, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def __enter__(self):
        self.shell('stop')
        self.shell('start')
        self.pid = self.shell('pids')
        return self

    def __exit__(self, *_):
        self.shell('stop')

    def memory(self):
        lines = open('/proc/%s/smaps_rollup' % self.pid).read().split('\n')
        return sum(int(l.split()[1]) for l in lines if l.startswith('Pss:'))

    def cpu(self):
        fields = open('/proc/%s/stat' % self.pid).read().rsplit(') ', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100


def one(scenario, a):
    """A row: the messages' figures, the flood's, and those of stox."""
    name, strangers, what, sources, share = scenario
    with Stox(strangers) as stox:
        play = subprocess.Popen([LOADGEN, '--label', name, '--pids', stox.pid, '--wait-s', '20'],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        try:
            def phase(spec):
                play.stdin.write(spec + '\n')
                play.stdin.flush()
                return json.loads(play.stdout.readline())
            ready = phase('mode=idle idle_s=1 settle_ms=0')
            if 'error' in ready:
                raise RuntimeError(ready['error'])
            phase('mode=both n=2000 window=16 users=100')
            before, cpu = stox.memory(), stox.cpu()
            flood = None
            if what:
                flood = subprocess.Popen([LOADGEN, 'flood', '--what', what, '--sources', str(sources), '--rate', str(int(a.flood * share)),
                                          '--seconds', str(a.seconds + 2)], stdout=subprocess.PIPE, text=True)
                time.sleep(1)
            row = phase('mode=both n=%d rate=%d window=50000 users=1000 loss_ms=8000 max_s=%d' % (a.rate * a.seconds, a.rate, a.seconds + 20))
            told = json.loads(flood.communicate(timeout=60)[0]) if flood else None
            alive = os.path.exists('/proc/%s/stat' % stox.pid)
            row.update(scenario=name, strangers=strangers, flood=told, stox_memory_kib=[before, stox.memory() if alive else 0],
                       stox_cpu_s=round(stox.cpu() - cpu, 2) if alive else None, alive=alive)
            return row
        finally:
            play.stdin.write('quit\n')
            play.stdin.flush()
            play.wait(10)


def figures(row):
    """p50, p99 and lost of each way, and the flood."""
    ways = {way: (row[way]['latency_us']['p50'], row[way]['latency_us']['p99'], row[way]['lost'] + row[way]['rejected']) for way in WAYS}
    return ways


def report(rows):
    names = list(dict.fromkeys(row['scenario'] for row in rows))
    middle = lambda values: '%.1f (%.1f..%.1f)' % (statistics.median(values), min(values), max(values))
    print('\n| beside it | flood /s | answered | p99 ms to SIP | p99 ms to XMPP | lost or refused | sent again | stox CPU s | stox MiB more |')
    print('|---|---|---|---|---|---|---|---|---|')
    bad = 0
    for name in names:
        of = [row for row in rows if row['scenario'] == name]
        strangers = of[0]['strangers'] if of[0]['flood'] else ''
        lost = sum(figures(row)[way][2] for row in of for way in WAYS)
        bad += lost + sum(not row['alive'] for row in of)
        rate = '%.0f' % statistics.median(row['flood']['per_s'] for row in of) if of[0]['flood'] else '-'
        answered = '%.2f %%' % max(100 * row['flood']['answers'] / max(row['flood']['sent'], 1) for row in of) if of[0]['flood'] else '-'
        p99 = [middle([figures(row)[way][1] / 1000 for row in of]) for way in WAYS]
        cpu = middle([row['stox_cpu_s'] or 0 for row in of])
        memory = middle([(row['stox_memory_kib'][1] - row['stox_memory_kib'][0]) / 1024 for row in of])
        again = sum(row[way][key] for row in of for way in WAYS for key in ('retransmissions_seen', 'retransmissions_sent'))
        print('| %s%s | %s | %s | %s | %s | %d | %d | %s | %s |' % (name, ', ' + strangers if strangers else '', rate, answered, *p99, lost, again, cpu, memory))
    echo = [row for row in rows if row['flood'] and row['flood']['answer_bytes'] > row['flood']['sent_bytes']]
    print('\nmessages lost or refused, or stox ended: %d; floods that got more bytes than they sent: %d' % (bad, len(echo)))
    return not bad and not echo


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--rounds', type=int, default=3)
    a.add_argument('--seconds', type=int, default=20, help='of messages, beside each flood')
    a.add_argument('--rate', type=int, default=500, help='messages a second, each way')
    a.add_argument('--flood', type=int, default=10000, help='requests a second of a flood; connections: a twentieth')
    a.add_argument('--only', default='', help='a part of the names of the floods')
    a.add_argument('--out', default=HERE + '/results/flood.jsonl')
    a = a.parse_args()
    rows = []
    with open(a.out, 'a') as out:
        for number in range(1, a.rounds + 1):
            for scenario in SCENARIOS:
                if a.only not in scenario[0]:
                    continue
                row = dict(one(scenario, a), round=number)
                rows.append(row)
                out.write(json.dumps(row) + '\n')
                out.flush()
                say(number, scenario[0], scenario[1], {way: dict(zip(('p50', 'p99', 'lost'), figures(row)[way])) for way in WAYS},
                    row['flood'] or '', 'CPU', row['stox_cpu_s'], 'KiB', row['stox_memory_kib'], 'others', row['machine']['other_cores'])
    sys.exit(0 if report(rows) else 1)


main()
