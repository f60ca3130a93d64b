#!/usr/bin/env python3
"""Fails a real Pacemaker cluster in every way, and compares what monitors report with a table.

    STATE=FOLDER MASAKARI=PROGRAM PYTHON=PYTHON PFX=PREFIX suite.py TABLE [CASE]...

The cluster is up (`cluster up`), and this runs in the network of its switch. Ours run on ctl1, on ctl3 and on the remote cmp2, Python's on
ctl1; without PYTHON there is none of those. From Pacemaker's own word (the call of an alert agent on ctl1) to our report there, a loss may
take 1 s with our agent, and one interval and 1 s without. The last line is `N passed, N failed`.
"""
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'masakari'))
from false_api import Masakari, tell  # noqa: E402

STATE = pathlib.Path(os.environ['STATE'])
PYTHON = os.environ.get('PYTHON', '')
ALERT = os.environ.get('ALERT', 'yes') == 'yes'
INTERVAL_S = 10
WAIT_S = float(os.environ.get('WAIT_S', '120'))
ALL = 'ctl1 ctl2 ctl3 cmp1 cmp2'.split()
OURS = 'ctl1 ctl3 cmp2'.split()
LIMIT_S = 1.0 if ALERT else INTERVAL_S + 1.0
# What a host takes to boot: longer than from one look to the next, as hosts do.
BOOTS_S = INTERVAL_S + 5


def cluster(*words, limit=180):
    told = subprocess.run([HERE / 'cluster', *words], capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL)
    return told.returncode, told.stdout


def crm_mon():
    """What it says on ctl1; none: nothing."""
    code, out = cluster('exec', 'ctl1', 'timeout', '10', 'crm_mon', '--output-as=xml')
    try:
        return ET.fromstring(out)
    except ET.ParseError:
        return None


def nodes():
    """{node: attributes}"""
    root = crm_mon()
    return {} if root is None else {node.get('name'): node.attrib for node in root.findall('./nodes/node')}


def coordinator():
    found = crm_mon()
    found = None if found is None else found.find('./summary/current_dc')
    return None if found is None else found.get('name')


def until(limit, condition):
    end = time.time() + limit
    while time.time() < end:
        if condition():
            return True
        time.sleep(0.3)
    return False


class Monitor:
    """A hostmonitor on a node, with an API of its own."""

    def __init__(self, name, where, options, command):
        self.name, self.where, self.api = name, where, Masakari('10.78.0.1')
        config = STATE / f'{name}.conf'
        config.write_text(f'[DEFAULT]\nhostname = {where}\nstate_path = {STATE}/{where}/masakari\n[api]\nauth_type = none\n'
                          f'endpoint = {self.api.endpoint}\n{options}')
        self.command = [*command, '--config-file', config]
        self.pid = STATE / f'{name}.pid'

    def runs(self):
        try:
            pid = self.pid.read_text().strip()
        except FileNotFoundError:
            return False
        return cluster('exec', self.where, 'kill', '-0', pid)[0] == 0

    def start(self):
        """Whether it had to be."""
        if self.runs():
            return False
        log = open(STATE / f'{self.name}.log', 'ab')
        words = ' '.join(str(word) for word in self.command)
        subprocess.Popen([HERE / 'cluster', 'exec', self.where, 'sh', '-c', f'echo $$ > {self.pid}; exec {words}'],
                         stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return True

    def stop(self):
        if self.runs():
            cluster('exec', self.where, 'kill', self.pid.read_text().strip())

    def reports(self, since):
        return [f'{host} {event}' for _, host, event in self.api.hosts(since)]

    def proofs(self, since):
        return list(dict.fromkeys(f'{host} {kind}' for _, host, kind in self.api.proofs(since)))


def ours(where):
    options = f'[host]\nmonitoring_interval = {INTERVAL_S}\ndisable_ipmi_check = true\n'
    return Monitor(f'ours-{where}', where, options, [os.environ['MASAKARI'], 'hostmonitor'])


def pythons():
    folder = pathlib.Path(PYTHON).parent
    options = ('region = RegionOne\n[host]\nmonitoring_driver = default\nmonitoring_interval = 2\ndisable_ipmi_check = true\n'
               'restrict_to_remotes = true\npacemaker_node_type = remote\n[masakarimonitors_privileged]\n'
               f'helper_command = {folder}/privsep-helper --config-file {STATE}/python.conf\n')
    return Monitor('python', 'ctl1', options, [PYTHON, folder / 'masakari-hostmonitor'])


class Storm:
    """Wakes the monitor of a node all the time, as a storm of alerts would: so it looks at every moment that there is."""

    def __init__(self, node):
        first = cluster('pid', node)[1].strip()
        self.to = f'/proc/{first}/root/run/masakari/pacemaker-alert.sock'
        self.ends, self.thread = threading.Event(), threading.Thread(target=self.blow, daemon=True)
        self.thread.start()

    def blow(self):
        from_us = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        from_us.setblocking(False)
        while not self.ends.wait(0.05):
            try:
                from_us.sendto(b'storm', self.to)
            except OSError:
                pass

    def end(self):
        self.ends.set()
        self.thread.join()


def touch(kind, node, text=''):
    (STATE / 'fence' / f'{kind}-{node}').write_text(str(text))


def members():
    """Whom the CIB has: one that Pacemaker only tries to reach is online for crm_mon, too."""
    code, out = cluster('exec', 'ctl1', 'timeout', '10', 'cibadmin', '--query', '--xpath', '//node_state', '--no-children')
    try:
        return {state.get('uname') for state in ET.fromstring(out).iter('node_state') if state.get('in_ccm') not in ('false', '0')}
    except ET.ParseError:
        return set()


def all_is_well():
    # A fencing that went on until just now may have switched it off again.
    for node in ALL:
        cluster('on', node)
    seen = nodes()
    return members() >= set(ALL) and all(
        seen.get(node, {}).get('online') == 'true' and seen[node].get('unclean') == 'false'
        and seen[node].get('pending') == 'false' for node in ALL)


def restore():
    """Everything on, plugged in, managed and online again."""
    for path in (STATE / 'fence').glob('*-*'):
        path.unlink()
    cluster('heal', *ALL)
    for node in ALL:
        cluster('on', node)
        daemon = 'pacemakerd' if node.startswith('ctl') else 'pacemaker-remoted'
        if cluster('exec', node, 'pidof', daemon)[0]:
            cluster('start', node)
    until(60, lambda: bool(nodes()))
    for word in (['crm_attribute', '--name', 'maintenance-mode', '--delete'],
                 ['crm_resource', '--resource', 'cmp1', '--meta', '--delete-parameter', 'target-role']):
        cluster('exec', 'ctl1', *word)
    for node in ALL:
        cluster('exec', 'ctl1', 'crm_attribute', '--node', node, '--name', 'standby', '--delete')
    cluster('exec', 'ctl1', 'crm_resource', '--cleanup')
    is_well()


def is_well():
    """A remote that is lost while its connection starts is not fenced; one that died in maintenance is fenced after it."""
    for _ in range(4):
        if until(240, all_is_well):
            time.sleep(8)
            if all_is_well():
                return
    raise RuntimeError(f'the cluster does not come back: {nodes()}')


def make_coordinator(wanted):
    """Whoever is it leaves in peace, and comes back."""
    for _ in range(6):
        now = coordinator()
        if now == wanted:
            return
        cluster('stop', now)
        time.sleep(3)
        cluster('start', now)
        is_well()
    raise RuntimeError(f'the coordinator is {coordinator()}')


def kill_remote():
    touch('delay', 'cmp1', 3)
    cluster('kill', 'cmp1')


def cut_remote():
    cluster('cut', 'cmp1')


def kill_with_broken_fencing():
    touch('fail', 'cmp1')
    cluster('off', 'cmp1')


def kill_member():
    touch('boot', 'ctl2', BOOTS_S)
    cluster('off', 'ctl2')


def stop_member():
    cluster('stop', 'ctl2')


def disable_remote():
    cluster('exec', 'ctl1', 'crm_resource', '--resource', 'cmp1', '--meta', '--set-parameter', 'target-role', '--parameter-value', 'Stopped')


def standby():
    for node in ('ctl2', 'cmp1'):
        cluster('exec', 'ctl1', 'crm_attribute', '--node', node, '--name', 'standby', '--update', 'on')


def maintenance():
    cluster('exec', 'ctl1', 'crm_attribute', '--name', 'maintenance-mode', '--update', 'true')
    until(20, lambda: nodes().get('cmp1', {}).get('maintenance') == 'true')
    cluster('off', 'cmp1')


def partition():
    touch('delay', 'ctl3', 90)
    cluster('part', 'ctl3')


def heal():
    """The others were there all the time; who was cut off must not say otherwise when it has quorum again, either."""
    cluster('heal', 'ctl3')
    time.sleep(10)


def lose_quorum():
    for node in ('ctl2', 'ctl3'):
        touch('fail', node)
    cluster('off', 'ctl2')
    cluster('off', 'ctl3')


def rejoin():
    cluster('kill', 'cmp1')
    until(90, lambda: nodes().get('cmp1', {}).get('online') == 'false' and nodes()['cmp1'].get('unclean') == 'false')
    time.sleep(BOOTS_S)
    cluster('on', 'cmp1')
    cluster('exec', 'ctl1', 'crm_resource', '--cleanup')


# What is done, whose loss Pacemaker tells, and for how long it is watched at the least.
CASES = {
    # Half a minute after the fencing Pacemaker tries to reach the remote again, and shows it online.
    'remote-killed': (kill_remote, 'cmp1', 50), 'remote-cut': (cut_remote, 'cmp1', 15),
    'fencing-fails': (kill_with_broken_fencing, 'cmp1', 25), 'member-killed': (kill_member, 'ctl2', 15),
    'coordinator-killed': (kill_member, 'ctl2', 15), 'member-stopped': (stop_member, 'ctl2', 15), 'remote-disabled': (disable_remote, 'cmp1', 15),
    'standby': (standby, None, 25), 'maintenance': (maintenance, None, 25), 'partition': (partition, 'ctl3', 25),
    'quorum-lost': (lose_quorum, None, 30), 'rejoin': (rejoin, 'cmp1', 15),
}
# What is done before.
BEFORE = {'coordinator-killed': lambda: make_coordinator('ctl2'), 'partition': lambda: make_coordinator('ctl3')}
# Who is on the side without quorum, is woken at every moment, and says nothing; and what happens to it then.
SILENT = {'partition': ('ctl3', heal), 'quorum-lost': ('ctl1', None)}


def table(path):
    rows = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if line and not line.startswith('#'):
            name, *cells = [cell.strip() for cell in line.split(' | ')]
            rows[name] = [None if cell == '*' else [] if cell == '-' else [word.strip() for word in cell.split(',')] for cell in cells]
    return rows


class World:
    def __init__(self):
        self.ours = [ours(where) for where in OURS]
        self.python = pythons() if PYTHON else None

    def monitors(self):
        return [*self.ours, *([self.python] if self.python else [])]

    def seen(self, since):
        """As the columns of the table are."""
        first, third, remote = self.ours
        return {'ctl1': first.reports(since), 'proof': first.proofs(since), 'ctl3': third.reports(since), 'cmp2': remote.reports(since),
                'python': self.python.reports(since) if self.python else None}

    def differs(self, since, expected):
        return [f'{who}: {got}, and not {wanted}' for (who, got), wanted in zip(self.seen(since).items(), expected)
                if wanted is not None and got is not None and got != wanted]

    def delay_s(self, since, loser):
        """From the first alert of the loss on ctl1 to our report there."""
        alerts = [json.loads(line) for line in (STATE / 'alerts' / 'all.jsonl').read_text().splitlines()]
        alerts = [one['t'] for one in alerts if (one['on'], one['kind'], one['node'], one['desc']) == ('ctl1', 'node', loser, 'lost')]
        told = [at for at, host, event in self.ours[0].api.hosts(since) if (host, event) == (loser, 'STOPPED')]
        alerts = [at for at in alerts if at >= since]
        return told[0] - alerts[0] if alerts and told else None


def watch(world):
    """Until all monitors run, and each has seen that all is well."""
    is_new = [monitor.start() for monitor in world.monitors()]
    if ALERT and not any(is_new):
        storms = [Storm(where) for where in OURS]
        time.sleep(3)
        for storm in storms:
            storm.end()
        return
    time.sleep(INTERVAL_S + 3)


def run(world, case, expected):
    watch(world)
    act, loser, least = CASES[case]
    silent, then = SILENT.get(case, (None, None))
    storm = Storm(silent) if silent else None
    was = coordinator()
    since = time.time()
    act()
    time.sleep(least)
    until(WAIT_S, lambda: not world.differs(since, expected))
    # Whatever comes beyond that.
    time.sleep(4)
    failures = world.differs(since, expected)
    if then:
        then()
    if storm:
        storm.end()
        failures += [f'{silent}, without quorum, says {said}' for said in world.seen(since)[silent]]
    delay = world.delay_s(since, loser) if loser else None
    if loser and delay is None:
        failures.append('there is no alert of the loss, or no report')
    # Of the loss of its coordinator Pacemaker writes nothing before it has elected another.
    if delay is not None and loser != was and delay > LIMIT_S:
        failures.append(f'the report came {delay:.2f} s after the alert')
    word = '' if delay is None else f'  {delay:.2f} s from the alert to the report'
    print(f"{'failed' if failures else 'passed'} {case:16}{word}", flush=True)
    for failure in failures:
        print('       ' + failure, flush=True)
    tell(case, {'alert': ALERT, 'delay_s': delay, 'coordinator': was}, not failures)
    return not failures


def main():
    rows = table(sys.argv[1])
    wanted = sys.argv[2:] or list(rows)
    world, passed, failed = World(), 0, 0
    try:
        for case in wanted:
            restore()
            BEFORE.get(case, lambda: None)()
            if run(world, case, rows[case]):
                passed += 1
            else:
                failed += 1
    finally:
        for monitor in world.monitors():
            monitor.stop()
        if failed and os.environ.get('KEEP'):
            subprocess.run(['cp', '-r', STATE, os.environ['KEEP']])
    print(f'{passed} passed, {failed} failed')
    return 1 if failed or not passed else 0


sys.exit(main())
