#!/usr/bin/env python3
"""Measures gateways alternately with loadgen and appends one JSON line for each phase to a file; report.py reads it.

Every gateway is started for a round, measured and stopped; within a round they alternate, so that all see the same
machine. Only loopback is used. gateways.json says how each is started, stopped, and which processes it consists of."""
import argparse, json, os, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
LOADGEN = HERE + '/loadgen/target/release/loadgen'
WAYS = ('x2s', 's2x')


class Effort:
    """How much is measured: everything, or enough to see a change while developing."""
    def __init__(self, quick, transport):
        self.quick = quick
        self.windows = ((1, 1000), (32, 10000), (512, 20000)) if quick else (
            (1, 3000), (8, 10000), (32, 20000), (128, 20000), (512, 20000))
        if transport != 'udp' and not quick:
            self.windows = ((1, 3000), (128, 20000), (512, 20000))
        self.both = (32,) if quick else (32, 128)
        self.steps, self.step_s = (5, 1) if quick else (8, 3)
        self.half_s, self.cpu_s = (2, 3) if quick else (6, 5)
        self.rates = (8000,) if quick else (500, 2000, 8000) if transport == 'udp' else (8000,)
        self.patience = 0 if quick else 45


def say(*what):
    print(time.strftime('%H:%M:%S'), *what, flush=True)


def shell(command, transport):
    done = subprocess.run(command, env=dict(os.environ, TRANSPORT=transport), shell=True, cwd=HERE, capture_output=True, text=True, timeout=60)
    if done.stderr:
        say(done.stderr.strip())
    return done.stdout.strip()


def busy():
    f = [int(x) for x in open('/proc/stat').readline().split()[1:]]
    return sum(f[:3]) + f[5] + f[6]


def quiet(patience, limit=0.4):
    """Waits until nobody else uses the machine, at most `patience` seconds; the load of the others then, in cores."""
    end, others = time.time() + patience, 0
    while patience:
        before = busy()
        time.sleep(1)
        others = (busy() - before) / 100
        if others < limit or time.time() > end:
            break
    return round(others, 2)


class Loadgen:
    def __init__(self, label, pids, more=()):
        self.p = subprocess.Popen([LOADGEN, '--label', label, '--pids', pids, '--wait-s', '20', *more],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def phase(self, spec):
        self.p.stdin.write(spec + '\n')
        self.p.stdin.flush()
        line = self.p.stdout.readline()
        if not line:
            raise RuntimeError('loadgen ended')
        return json.loads(line)

    def quit(self):
        try:
            self.p.stdin.write('quit\n')
            self.p.stdin.flush()
            self.p.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self.p.kill()


class Round:
    """One gateway, started afresh, with one transport on its SIP side, in one round."""
    def __init__(self, number, name, gateway, transport, effort, out):
        self.number, self.name, self.gateway, self.effort, self.out = number, name, gateway, effort, out
        self.transport = transport

    def put(self, test, row, others=0):
        row.update(round=self.number, gw=self.name, transport=self.transport, test=test, other_before=others, quick=self.effort.quick)
        self.out.write(json.dumps(row) + '\n')
        self.out.flush()
        return row

    def measure(self, test, spec):
        others = quiet(self.effort.patience)
        return self.put(test, self.loadgen.phase(spec), others)

    def tell(self, row):
        for way in WAYS:
            if way in row:
                d, latency = row[way], row[way]['latency_us'] or {}
                say(self.number, self.name, self.transport, row['test'], way, '%.0f/s' % d['msg_per_s'], 'lost', d['lost'], 'p99 us', latency.get('p99'),
                    'CPU us', row['gateway']['cpu_us_per_msg'], 'others', row['machine']['other_cores'])

    def run(self, groups, soak_s, soak_rate):
        shell(self.gateway['stop'], self.transport)
        say(self.number, self.name, shell(self.gateway['start'], self.transport), self.transport)
        pids = shell(self.gateway['pids'], self.transport)
        # TLS has a port of its own.
        side = ['--transport', self.transport, '--gw-sip', '127.0.0.1:25061' if self.transport == 'tls' else '127.0.0.1:25060']
        self.loadgen = Loadgen(self.name, pids, side + self.gateway.get('loadgen', []))
        try:
            idle = self.put('idle', self.loadgen.phase('mode=idle idle_s=1 settle_ms=0'))
            if 'error' in idle:
                raise RuntimeError(idle['error'])
            for way in WAYS:
                self.loadgen.phase('mode=%s n=2000 window=16 users=100' % way)
            best = self.closed() if 'closed' in groups else dict.fromkeys(WAYS, 0)
            if 'max' in groups:
                for way in WAYS:
                    self.highest(way, best[way] * 0.9 or 10000)
            if 'cpu' in groups:
                self.cpu()
            if 'soak' in groups:
                self.soak(soak_s, soak_rate)
            if 'presence' in groups:
                self.presence()
            self.put('end', self.loadgen.phase('mode=idle idle_s=1 settle_ms=0'))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            say('ABANDONED', self.name, error)
            return False
        finally:
            self.loadgen.quit()
            shell(self.gateway['stop'], self.transport)
        return True

    def closed(self):
        """A fixed number of messages in flight; the best rate without loss, each way."""
        best = dict.fromkeys(WAYS, 0)
        for mode in (*WAYS, 'both'):
            for window, n in self.effort.windows if mode != 'both' else [(w, 20000) for w in self.effort.both]:
                row = self.measure('closed-%s-w%d' % (mode, window), 'mode=%s n=%d window=%d users=1000 loss_ms=4000 max_s=40' % (mode, n, window))
                self.tell(row)
                if mode != 'both' and row[mode]['lost'] == 0:
                    best[mode] = max(best[mode], row[mode]['msg_per_s'])
        return best

    def highest(self, way, rate):
        """The highest rate at which nothing is lost, doubled, refused or sent again; then half of it."""
        low, high, again = 0, None, True
        for _ in range(self.effort.steps):
            n = int(min(rate * self.effort.step_s, 250000))
            row = self.measure('maxstep-' + way, 'mode=%s n=%d rate=%d window=50000 users=1000 loss_ms=4000 max_s=30' % (way, n, rate))
            good = loss_free(row, way)
            self.tell(row)
            if not good and again and row['machine']['other_cores'] > 0.5:
                again = False
                continue
            again = True
            low, high = (rate, high) if good else (low, rate)
            if high is None:
                rate *= 1.25
            elif low and high / low < 1.08:
                break
            else:
                rate = (low + high) / 2
        self.put('max-' + way, {'max_rate': int(low)})
        say(self.number, self.name, 'highest loss-free rate', way, int(low))
        if low:
            n = min(int(low / 2 * self.effort.half_s), 300000)
            self.tell(self.measure('half-' + way, 'mode=%s n=%d rate=%d window=50000 users=1000 loss_ms=4000 max_s=40' % (way, n, low / 2)))

    def cpu(self):
        for way in WAYS:
            for rate in self.effort.rates:
                self.tell(self.measure('cpu-%s-r%d' % (way, rate), 'mode=%s n=%d rate=%d window=50000 users=1000 loss_ms=4000 max_s=40' % (way, rate * self.effort.cpu_s, rate)))

    def soak(self, seconds, rate):
        say('soak:', seconds, 's at', rate, '/s each way')
        self.tell(self.measure('soak', 'mode=both n=%d rate=%d window=50000 users=1000 loss_ms=4000 max_s=%d sample_ms=2000' % (seconds * rate, rate, seconds + 20)))
        self.put('after-soak', self.loadgen.phase('mode=idle idle_s=40 settle_ms=0'))

    def presence(self):
        base = 100000 * self.number
        for mode, window in (('px', 1), ('px', 16), ('ps', 1), ('ps', 8)):
            base += 10000
            row = self.measure('presence-%s-w%d' % (mode, window), 'mode=%s n=300 window=%d rounds=5 loss_ms=4000 max_s=40 base=%d' % (mode, window, base))
            say(self.number, self.name, row['test'], row['presence'])


def loss_free(row, way):
    d, latency = row[way], row[way]['latency_us']
    clean = not any(d[k] for k in ('lost', 'duplicates', 'rejected', 'retransmissions_seen', 'retransmissions_sent'))
    return clean and not row['aborted'] and latency and latency['p99'] < 250000 and d['msg_per_s'] > 0.97 * row['rate']


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--gw', default='floor,stox', help='names in gateways.json')
    a.add_argument('--xmpp', help='instead of --gw: stox, with this on its XMPP side; of component, s2s')
    a.add_argument('--transport', default='udp,tcp,tls', help='of the SIP side, both directions: of udp, tcp, tls')
    a.add_argument('--rounds', type=int, default=3)
    a.add_argument('--groups', default='closed,max,cpu', help='of closed, max, cpu, soak, presence')
    a.add_argument('--out', default=HERE + '/results/run.jsonl')
    a.add_argument('--quick', action='store_true', help='less of everything, without waiting for a quiet machine')
    a.add_argument('--soak-s', type=int, default=600)
    a.add_argument('--soak-rate', type=int, default=1000)
    a = a.parse_args()
    if a.xmpp:
        a.gw = ','.join({'component': 'stox', 's2s': 'stox-s2s'}[word] for word in a.xmpp.split(','))
    gateways = json.load(open(HERE + '/gateways.json'))
    done = True
    with open(a.out, 'a') as out:
        for number in range(1, a.rounds + 1):
            for transport in a.transport.split(','):
                for name in a.gw.split(','):
                    one = Round(number, name, gateways[name], transport, Effort(a.quick, transport), out)
                    done &= one.run(a.groups.split(','), a.soak_s, a.soak_rate)
    sys.exit(not done)


if __name__ == '__main__':
    main()
