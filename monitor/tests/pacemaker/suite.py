#!/usr/bin/env python3
"""Fails a real Pacemaker cluster in every way, and compares what monitors report with a table.

    STATE=FOLDER MASAKARI=PROGRAM PYTHON=PYTHON PFX=PREFIX suite.py TABLE [CASE]...

The cluster is up (`cluster up`), and this runs in the network of its switch. Ours run on ctl1, on ctl3 and on the remote cmp2, Python's on
ctl1; without PYTHON there is none of those. From Pacemaker's own word to our report there a loss may take 1 s with our agent, and one interval and
1 s without. Its word is the call of an alert agent on ctl1, or what `crm_mon` shows there, if that is later: each member tells of a loss, and only
the coordinator, which may have to be elected first, writes it down. The last line is `N passed, N failed`.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'masakari'))
from false_api import Masakari, at_most, tell  # noqa: E402

STATE = pathlib.Path(os.environ['STATE'])
PYTHON = os.environ.get('PYTHON', '')
ALERT = os.environ.get('ALERT', 'yes') == 'yes'
INTERVAL_S = 10
WAIT_S = float(os.environ.get('WAIT_S', '120'))
ALL = 'ctl1 ctl2 ctl3 cmp1 cmp2'.split()
OURS = 'ctl1 ctl3 cmp2'.split()
LIMIT_S = at_most(1.0 if ALERT else INTERVAL_S + 1.0)
# `stonith-watchdog-timeout`
WATCHDOG_S = 10
# As our monitor logs it.
VERDICT = re.compile(r"'(\w+)' (?:is|as a new member of cluster. Host status is) '_?(\w+)'\.")
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


def coordinator(root=None):
    root = crm_mon() if root is None else root
    found = None if root is None else root.find('./summary/current_dc')
    return None if found is None else found.get('name')


def connected_by(remote):
    """The member that has the connection to it."""
    root = crm_mon()
    found = None if root is None else root.find(f'./resources/resource[@id="{remote}"][@role="Started"]/node')
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
        self.pid, self.log = STATE / f'{name}.pid', STATE / f'{name}.log'

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
        log = open(self.log, 'ab')
        words = ' '.join(str(word) for word in self.command)
        subprocess.Popen([HERE / 'cluster', 'exec', self.where, 'sh', '-c', f'echo $$ > {self.pid}; exec {words}'],
                         stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return True

    def stop(self):
        if self.runs():
            cluster('exec', self.where, 'kill', self.pid.read_text().strip())

    def reports(self, since):
        return [f'{host} {event}' for _, host, event in self.api.hosts(since)]

    def verdicts(self):
        """Of each host that is not online, as it has logged it."""
        last = dict(VERDICT.findall(self.log.read_text()))
        return [f'{host} {verdict}' for host, verdict in last.items() if verdict != 'online']

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


class Witness:
    """When Pacemaker has written down whom it lost: `crm_mon` on ctl1 is asked all the time."""

    def __init__(self, loser):
        self.loser, self.not_yet, self.knows = loser, time.time(), False
        self.ends, self.thread = threading.Event(), threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.knows and not self.ends.wait(0.1):
            asked, root = time.time(), crm_mon()
            # The coordinator writes it, and what is shown of one that is lost itself is of before.
            if root is not None and coordinator(root) not in (None, self.loser):
                self.knows = root.find(f'./nodes/node[@name="{self.loser}"][@online="false"]') is not None
            # It is shown at some moment after this one.
            self.not_yet = self.not_yet if self.knows else asked

    def end(self):
        self.ends.set()
        self.thread.join()
        return self.not_yet if self.knows else None


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
    # The connections go back to ctl1 when it is back.
    return members() >= set(ALL) and {connected_by(remote) for remote in ('cmp1', 'cmp2')} == {'ctl1'} and all(
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
                 ['crm_resource', '--resource', 'cmp1', '--meta', '--delete-parameter', 'target-role'],
                 ['crm_resource', '--resource', 'cmp1', '--clear']):
        cluster('exec', 'ctl1', *word)
    for node in ALL:
        cluster('exec', 'ctl1', 'crm_attribute', '--node', node, '--name', 'standby', '--delete')
    give_to_the_device()
    cluster('exec', 'ctl1', 'crm_resource', '--cleanup')
    is_well()


def is_well():
    """A remote that is lost while its connection starts is not fenced; one that died in maintenance is fenced after it."""
    for _ in range(4):
        if until(240, all_is_well):
            time.sleep(8)
            if all_is_well():
                return
        connect_anew()
    connected = {remote: connected_by(remote) for remote in ('cmp1', 'cmp2')}
    raise RuntimeError(f'the cluster does not come back: members {members()}, connected by {connected}, {nodes()}')


def connect_anew():
    """After two changes of the coordinator Pacemaker 2.1.5 may have a remote, whose connection is well, as not in the CIB for ever."""
    for remote in {'cmp1', 'cmp2'} - members():
        role = ['crm_resource', '--resource', remote, '--meta']
        cluster('exec', 'ctl1', *role, '--set-parameter', 'target-role', '--parameter-value', 'Stopped')
        time.sleep(5)
        cluster('exec', 'ctl1', *role, '--delete-parameter', 'target-role')
    for remote in ('cmp1', 'cmp2'):
        if connected_by(remote) != 'ctl1':
            cluster('exec', 'ctl1', 'crm_resource', '--resource', remote, '--move', '--node', 'ctl1')
            until(60, lambda: connected_by(remote) == 'ctl1')
            cluster('exec', 'ctl1', 'crm_resource', '--resource', remote, '--clear')


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


def give_connection():
    """ctl2, which is not the coordinator, has the connection to cmp1."""
    make_coordinator('ctl1')
    cluster('exec', 'ctl1', 'crm_resource', '--resource', 'cmp1', '--move', '--node', 'ctl2')
    if not until(60, lambda: connected_by('cmp1') == 'ctl2'):
        raise RuntimeError('the connection of cmp1 does not go to ctl2')
    time.sleep(8)


def hosts_of_the_device(hosts):
    cluster('exec', 'ctl1', 'crm_resource', '--resource', 'fence-remotes', '--set-parameter', 'pcmk_host_list', '--parameter-value', hosts)


def give_to_the_watchdog():
    """cmp1 has no device but its own watchdog: when it is lost Pacemaker waits for so long, and holds it for fenced."""
    hosts_of_the_device('cmp2')
    attributes = '<instance_attributes id="watchdog-ia"><nvpair id="watchdog-hosts" name="pcmk_host_list" value="cmp1"/></instance_attributes>'
    cluster('exec', 'ctl1', 'cibadmin', '--create', '--scope', 'resources', '--xml-text',
            f'<primitive id="watchdog" class="stonith" type="fence_watchdog">{attributes}</primitive>')
    cluster('exec', 'ctl1', 'crm_attribute', '--name', 'stonith-watchdog-timeout', '--update', f'{WATCHDOG_S}s')
    time.sleep(3)


def give_to_the_device():
    cluster('exec', 'ctl1', 'crm_attribute', '--name', 'stonith-watchdog-timeout', '--delete')
    cluster('exec', 'ctl1', 'cibadmin', '--delete', '--xml-text', '<primitive id="watchdog"/>')
    hosts_of_the_device('cmp1 cmp2')


def kill_remote():
    touch('delay', 'cmp1', 3)
    cluster('kill', 'cmp1')


def cut_remote():
    cluster('cut', 'cmp1')


def kill_with_broken_fencing():
    touch('fail', 'cmp1')
    cluster('off', 'cmp1')


def confirm():
    """A person says that it is off: `stonith_admin --confirm`."""
    kill_with_broken_fencing()
    until(60, lambda: nodes().get('cmp1', {}).get('unclean') == 'true')
    cluster('exec', 'ctl1', 'stonith_admin', '--confirm', 'cmp1')


def kill_member():
    touch('boot', 'ctl2', BOOTS_S)
    cluster('off', 'ctl2')


def kill_member_with_remote():
    touch('fail', 'cmp1')
    touch('boot', 'ctl2', 60)
    cluster('off', 'cmp1')
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
    'self-fenced': (lambda: cluster('off', 'cmp1'), 'cmp1', 15),
    'remote-killed': (kill_remote, 'cmp1', 50), 'remote-cut': (cut_remote, 'cmp1', 15),
    'fencing-fails': (kill_with_broken_fencing, 'cmp1', 25), 'confirmed': (confirm, 'cmp1', 15),
    'member-killed': (kill_member, 'ctl2', 15), 'coordinator-killed': (kill_member, 'ctl2', 15),
    'member-with-remote': (kill_member_with_remote, 'ctl2', 25), 'member-stopped': (stop_member, 'ctl2', 15),
    'remote-disabled': (disable_remote, 'cmp1', 15), 'standby': (standby, None, 25), 'maintenance': (maintenance, None, 25),
    'partition': (partition, 'ctl3', 25), 'quorum-lost': (lose_quorum, None, 30), 'rejoin': (rejoin, 'cmp1', 15),
}
# What is done before.
BEFORE = {'coordinator-killed': lambda: make_coordinator('ctl2'), 'partition': lambda: make_coordinator('ctl3'),
          'member-with-remote': give_connection, 'self-fenced': give_to_the_watchdog}
# For how long after the loss there is no proof at the least.
UNPROVEN_S = {'self-fenced': WATCHDOG_S}
# Who is on the side without quorum, is woken at every moment, and says nothing; and what happens to it then.
SILENT = {'partition': ('ctl3', heal), 'quorum-lost': ('ctl1', None)}


def table(path):
    rows = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if line and not line.startswith('#'):
            name, *cells = [cell.strip() for cell in line.split(' | ')]
            rows[name] = [None if cell == '*' else [] if cell == '-' else [word.strip() for word in cell.split(',')] for cell in cells]
    return rows


def by_host(words):
    """Of one host in their order; of two that are lost at once either may be told first."""
    return sorted(words, key=lambda word: word.split()[0])


class World:
    def __init__(self):
        self.ours = [ours(where) for where in OURS]
        self.python = pythons() if PYTHON else None

    def monitors(self):
        return [*self.ours, *([self.python] if self.python else [])]

    def seen(self, since):
        """As the columns of the table are."""
        first, third, remote = self.ours
        return {'verdict': first.verdicts(), 'ctl1': first.reports(since), 'proof': first.proofs(since), 'ctl3': third.reports(since),
                'cmp2': remote.reports(since), 'python': self.python.reports(since) if self.python else None}

    def differs(self, since, expected):
        return [f'{who}: {got}, and not {wanted}' for (who, got), wanted in zip(self.seen(since).items(), expected)
                if wanted is not None and got is not None and by_host(got) != by_host(wanted)]

    def proven_too_soon(self, since, least_s):
        after = [at - since for at, _, _ in self.ours[0].api.proofs(since)]
        return [f'proven {one:.2f} s after the loss' for one in after if one < least_s]

    def told(self, since, loser):
        """When ctl1 was alerted of the loss, and when ours there reported it."""
        alerts = [json.loads(line) for line in (STATE / 'alerts' / 'all.jsonl').read_text().splitlines()]
        alerts = [one['t'] for one in alerts if (one['on'], one['kind'], one['node'], one['desc']) == ('ctl1', 'node', loser, 'lost')]
        alerts = [at for at in alerts if at >= since]
        reports = [at for at, host, event in self.ours[0].api.hosts(since) if (host, event) == (loser, 'STOPPED')]
        return (alerts or [None])[0], (reports or [None])[0]


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
    witness = Witness(loser) if loser else None
    since = time.time()
    act()
    time.sleep(least)
    if until(WAIT_S, lambda: not world.differs(since, expected)):
        # The verdict was right, and may change: of a cluster that elects anew nothing is known for a while.
        expected = [None, *expected[1:]]
    # Whatever comes beyond that.
    time.sleep(4)
    failures = world.differs(since, expected) + world.proven_too_soon(since, UNPROVEN_S.get(case, 0))
    if then:
        then()
    if storm:
        storm.end()
        failures += [f'{silent}, without quorum, says {said}' for said in world.seen(since)[silent]]
    figures, word = {'alert': ALERT, 'coordinator': was}, ''
    if loser:
        shown, (alerted, reported) = witness.end(), world.told(since, loser)
        if None in (shown, alerted, reported):
            failures.append(f'alerted {alerted}, shown {shown}, reported {reported}')
        else:
            delay = reported - max(alerted, shown)
            figures.update(from_alert_s=reported - alerted, from_crm_mon_s=reported - shown)
            word = f'  {reported - alerted:.2f} s from the alert, {reported - shown:.2f} s from crm_mon to the report'
            if delay > LIMIT_S:
                failures.append(f'the report came {delay:.2f} s after Pacemaker knew')
    print(f"{'failed' if failures else 'passed'} {case:18}{word}", flush=True)
    for failure in failures:
        print('       ' + failure, flush=True)
    tell(case, figures, not failures)
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
