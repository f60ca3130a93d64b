#!/usr/bin/env python3
"""Fails a real Pacemaker cluster in every way, and compares what monitors report with a table.

    STATE=FOLDER MASAKARI=PROGRAM PYTHON=PYTHON PFX=PREFIX suite.py TABLE [CASE]...

The cluster is up (`cluster up`). Ours run on ctl1, on ctl3 and on the remote cmp2, Python's on ctl1. From Pacemaker's own word (the
call of an alert agent on ctl1) to our report there, a loss may take 1 s with our agent, and one interval and 1 s without. The last
line is `N passed, N failed`.
"""
import json
import os
import pathlib
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

HERE = pathlib.Path(__file__).resolve().parent
STATE = pathlib.Path(os.environ['STATE'])
PYTHON = pathlib.Path(os.environ['PYTHON'])
ALERT = os.environ.get('ALERT', 'yes') == 'yes'
INTERVAL_S = 10
WAIT_S = float(os.environ.get('WAIT_S', '120'))
ALL = 'ctl1 ctl2 ctl3 cmp1 cmp2'.split()
# The column of the table, where it runs, and the port of its API.
OURS = {'ctl1': 15861, 'ctl3': 15863, 'cmp2': 15865}
PYTHONS = 15870
LIMIT_S = 1.0 if ALERT else INTERVAL_S + 1.0


def cluster(*words, limit=180):
    told = subprocess.run([HERE / 'cluster', *words], capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL)
    return told.returncode, told.stdout


def lines(path):
    try:
        return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    except FileNotFoundError:
        return []


def posts(port, since):
    return [post for post in lines(STATE / 'posts.jsonl') if post['port'] == port and post['t'] >= since]


def reports(port, since):
    told = []
    for post in posts(port, since):
        if post['path'].endswith('/notifications'):
            body = post['body']['notification']
            told.append('%s %s' % (body['hostname'], body['payload']['event']))
    return told


def proofs(port, since):
    told = ['%s %s' % (post['path'].split('/')[4], post['body'].get('kind', 'operator_confirmed'))
            for post in posts(port, since) if post['path'].startswith('/ha/')]
    return list(dict.fromkeys(told))


def nodes(view='ctl1'):
    """{node: attributes} as crm_mon there has it."""
    code, out = cluster('exec', view, 'timeout', '10', 'crm_mon', '--output-as=xml')
    try:
        root = ET.fromstring(out)
    except ET.ParseError:
        return {}
    return {node.get('name'): node.attrib for node in root.findall('./nodes/node')}


def until(limit, condition):
    end = time.time() + limit
    while time.time() < end:
        if condition():
            return True
        time.sleep(0.3)
    return False


class Monitor:
    def __init__(self, name, where, config, command):
        self.name, self.where, self.command = name, where, command
        self.config = STATE / ('%s.conf' % name)
        self.config.write_text(config)
        self.pid = STATE / ('%s.pid' % name)

    def runs(self):
        try:
            pid = self.pid.read_text().strip()
        except FileNotFoundError:
            return False
        return cluster('exec', self.where, 'kill', '-0', pid)[0] == 0

    def start(self):
        if self.runs():
            return
        log = open(STATE / ('%s.log' % self.name), 'ab')
        words = ' '.join(str(word) for word in self.command)
        subprocess.Popen([HERE / 'cluster', 'exec', self.where, 'sh', '-c', 'echo $$ > %s; exec %s' % (self.pid, words)],
                         stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def stop(self):
        if self.runs():
            cluster('exec', self.where, 'kill', self.pid.read_text().strip())


def ours(where):
    config = ('[DEFAULT]\nhostname = %s\nstate_path = %s\n[api]\nauth_type = none\nendpoint = http://10.78.0.1:%d/v1\n'
              '[host]\nmonitoring_interval = %d\ndisable_ipmi_check = true\n'
              % (where, STATE / where / 'masakari', OURS[where], INTERVAL_S))
    name = 'ours-%s' % where
    return Monitor(name, where, config, [os.environ['MASAKARI'], 'hostmonitor', '--config-file', STATE / ('%s.conf' % name)])


def pythons():
    name, folder = 'python', PYTHON.parent
    config = ('[DEFAULT]\nhostname = ctl1\n[api]\nauth_type = none\nendpoint = http://10.78.0.1:%d/v1\nregion = RegionOne\n'
              '[host]\nmonitoring_driver = default\nmonitoring_interval = 2\ndisable_ipmi_check = true\n'
              'restrict_to_remotes = true\npacemaker_node_type = remote\n'
              '[masakarimonitors_privileged]\nhelper_command = %s --config-file %s\n'
              % (PYTHONS, folder / 'privsep-helper', STATE / 'python.conf'))
    return Monitor(name, 'ctl1', config, [PYTHON, folder / 'masakari-hostmonitor', '--config-file', STATE / 'python.conf'])


def touch(kind, node, text=''):
    (STATE / 'fence' / ('%s-%s' % (kind, node))).write_text(text)


def all_is_well():
    seen = nodes()
    return all(seen.get(node, {}).get('online') == 'true' and seen[node].get('unclean') == 'false'
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
    if not until(240, all_is_well):
        raise RuntimeError('the cluster does not come back: %s' % nodes())
    # A remote that is lost while its connection starts is not fenced.
    time.sleep(8)


def kill_remote():
    touch('delay', 'cmp1', '3')
    cluster('kill', 'cmp1')


def cut_remote():
    cluster('cut', 'cmp1')


def kill_with_broken_fencing():
    touch('fail', 'cmp1')
    cluster('off', 'cmp1')


def kill_member():
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
    touch('delay', 'ctl3', '90')
    cluster('part', 'ctl3')


def lose_quorum():
    for node in ('ctl2', 'ctl3'):
        touch('fail', node)
    cluster('off', 'ctl2')
    cluster('off', 'ctl3')


def rejoin():
    cluster('kill', 'cmp1')
    until(90, lambda: nodes().get('cmp1', {}).get('online') == 'false' and nodes()['cmp1'].get('unclean') == 'false')
    cluster('on', 'cmp1')
    cluster('exec', 'ctl1', 'crm_resource', '--cleanup')


# What is done, whose loss Pacemaker tells, and for how long it is watched at the least.
CASES = {
    # Half a minute after the fencing Pacemaker tries to reach the remote again, and shows it online.
    'remote-killed': (kill_remote, 'cmp1', 50), 'remote-cut': (cut_remote, 'cmp1', 15),
    'fencing-fails': (kill_with_broken_fencing, 'cmp1', 25), 'member-killed': (kill_member, 'ctl2', 15),
    'member-stopped': (stop_member, 'ctl2', 15), 'remote-disabled': (disable_remote, 'cmp1', 15),
    'standby': (standby, None, 25), 'maintenance': (maintenance, None, 25), 'partition': (partition, 'ctl3', 25),
    'quorum-lost': (lose_quorum, None, 30), 'rejoin': (rejoin, 'cmp1', 15),
}


def table(path):
    rows = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if line and not line.startswith('#'):
            name, *cells = [cell.strip() for cell in line.split(' | ')]
            rows[name] = [None if cell == '*' else [] if cell == '-' else [word.strip() for word in cell.split(',')] for cell in cells]
    return rows


def seen(since):
    return [reports(OURS['ctl1'], since), proofs(OURS['ctl1'], since), reports(OURS['ctl3'], since),
            reports(OURS['cmp2'], since), reports(PYTHONS, since)]


def agrees(told, expected):
    return all(wanted is None or got == wanted for got, wanted in zip(told, expected))


def latency(since, loser):
    """From the first alert of the loss on ctl1 to our report there."""
    alerts = [a['t'] for a in lines(STATE / 'alerts' / 'all.jsonl')
              if a['on'] == 'ctl1' and a['kind'] == 'node' and a['node'] == loser and a['desc'] == 'lost' and a['t'] >= since]
    told = [p['t'] for p in posts(OURS['ctl1'], since) if p['path'].endswith('/notifications')
            and p['body']['notification']['hostname'] == loser and p['body']['notification']['payload']['event'] == 'STOPPED']
    return told[0] - alerts[0] if alerts and told else None


def run(case, expected, monitors):
    for monitor in monitors:
        monitor.start()
    time.sleep(INTERVAL_S + 3)
    act, loser, least = CASES[case]
    since = time.time()
    act()
    time.sleep(least)
    until(WAIT_S, lambda: agrees(seen(since), expected))
    # Whatever comes beyond that.
    time.sleep(4)
    told = seen(since)
    took = latency(since, loser) if loser else None
    failures = ['%s: %s, and not %s' % (who, got, wanted) for who, got, wanted in
                zip(('ctl1', 'proof', 'ctl3', 'cmp2', 'python'), told, expected) if wanted is not None and got != wanted]
    if took is not None and took > LIMIT_S:
        failures.append('the report came %.2f s after the alert' % took)
    delay = '' if took is None else '  %.2f s from the alert to the report' % took
    print('%-6s %-16s%s' % ('failed' if failures else 'passed', case, delay), flush=True)
    for failure in failures:
        print('       ' + failure, flush=True)
    return not failures


def main():
    rows = table(sys.argv[1])
    wanted = sys.argv[2:] or list(rows)
    ports = [str(port) for port in [*OURS.values(), PYTHONS]]
    sink = subprocess.Popen(['ip', 'netns', 'exec', os.environ['PFX'] + '-sw', sys.executable, HERE / 'sink.py',
                             STATE / 'posts.jsonl', *ports])
    monitors = [ours(where) for where in OURS] + [pythons()]
    passed = failed = 0
    try:
        for case in wanted:
            restore()
            if run(case, rows[case], monitors):
                passed += 1
            else:
                failed += 1
    finally:
        for monitor in monitors:
            monitor.stop()
        sink.kill()
        if failed and os.environ.get('KEEP'):
            subprocess.run(['cp', '-r', STATE, os.environ['KEEP']])
    print('%d passed, %d failed' % (passed, failed))
    return 1 if failed else 0


sys.exit(main())
