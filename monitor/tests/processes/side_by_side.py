#!/usr/bin/env python3
"""Ours and Python's processmonitor watch the same kinds of things, which are killed again and again.

    NODE=FOLDER side_by_side.py OUR_PROGRAM SUITE_EXIT_CODE|- [SCENE]...

restarts: how long each takes from the death to the first line of the restart command; reported: what each reports of a process
that cannot be restarted; stopped: what ours does with a unit that somebody stopped; idle: what each takes. The last line is
`N passed, N failed`.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'masakari'))
from false_api import Masakari, at_most, tell  # noqa: E402

NODE = pathlib.Path(os.environ['NODE'])
KILLS = dict(zip(('ours', 'python'), map(int, os.environ.get('KILLS', '100 12').split())))
P90_MS = 1000 * at_most(0.05)
# Python's own pace; ours needs no time between two restarts here, or it would be measured.
OPTIONS = {'ours': 'restart_interval = 0\nflap_restarts = 0\nsystemd = user\nrestart_retries = 0', 'python': 'restart_retries = 1\nrestart_interval = 1'}
results = []


def check(what, good, told=''):
    results.append(good)
    print(f"{'ok    ' if good else 'FAILED'} {what}{': ' + told if told else ''}", flush=True)


def script(name, text):
    path = NODE / name
    path.write_text('#!/bin/sh\n' + text)
    path.chmod(0o755)
    return path


class Thing:
    """Something that is watched: its restart command first writes down when it runs."""

    def __init__(self, whose, kind):
        self.whose, self.kind = whose, kind
        self.name = f'watched-{whose}-{kind}'
        self.program = NODE / self.name
        shutil.copy('/bin/sleep', self.program)
        self.stamps = NODE / f'stamps-{whose}-{kind}'
        self.stamps.touch()
        begin = f'{self.program} infinity </dev/null >/dev/null 2>&1 &\n'
        if kind == 'unit':
            begin = f'exec systemctl --user restart {self.name}.service\n'
            (NODE / 'units' / f'{self.name}.service').write_text(
                '[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n'
                f'[Service]\nExecStart={self.program} infinity\n')
        # Its own words must not have the name in them: Python would take it for the process.
        self.restart = script(f'restart-{whose}-{kind}', f'date +%s%N >> {self.stamps}\n{begin}')
        self.start = script(f'start-{whose}-{kind}', f'echo start >> {NODE}/starts-{whose}-{kind}\n{begin}')

    def entry(self):
        entry = {'process_name': str(self.program), 'start_command': str(self.start), 'pre_start_command': None,
                 'post_start_command': None, 'restart_command': str(self.restart), 'pre_restart_command': None,
                 'post_restart_command': None, 'run_as_root': False}
        if self.kind == 'unit' and self.whose == 'ours':
            entry['unit'] = f'{self.name}.service'
        return entry

    def pids(self):
        found = []
        for place in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                if (place / 'cmdline').read_bytes().split(b'\0')[0] == str(self.program).encode():
                    found.append(int(place.name))
            except OSError:
                pass
        return found

    def runs(self, patience_s=30):
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            if self.pids():
                return self.pids()[0]
            time.sleep(0.01)
        raise RuntimeError(f'{self.name} does not run')

    def stamped(self):
        return [int(line) for line in self.stamps.read_text().split()]

    def measure(self):
        """How many ms from each death to the restart command."""
        took = []
        for _ in range(KILLS[self.whose]):
            pid = self.runs()
            # Anywhere in Python's interval, and in ours after the process was seen.
            time.sleep(random.uniform(0.15, 0.35) if self.whose == 'ours' else random.uniform(0.2, 5.2))
            before = len(self.stamped())
            killed = time.time_ns()
            os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + 60
            while len(self.stamped()) == before and time.monotonic() < until:
                time.sleep(0.005)
            took += [(at - killed) / 1e6 for at in self.stamped()[before:before + 1]] or [60_000.0]
        self.took = took


class Monitor:
    def __init__(self, whose, command, things):
        self.whose, self.masakari = whose, Masakari()
        self.list = NODE / f'{whose}.yaml'
        broken = {**things[0].entry(), 'process_name': '/usr/bin/nova-compute', 'start_command': '/bin/true',
                  'restart_command': '/bin/false'}
        # JSON is YAML.
        self.list.write_text(json.dumps([thing.entry() for thing in things] + [broken], indent=1))
        conf = NODE / f'{whose}.conf'
        conf.write_text(f"""[DEFAULT]
debug = true
state_path = {NODE}/state-{whose}
[api]
auth_type = none
endpoint = {self.masakari.endpoint}
[process]
process_list_path = {self.list}
{OPTIONS[whose]}
""")
        self.log = open(NODE / f'{whose}.log', 'ab')
        self.process = subprocess.Popen([*command, '--config-file', str(conf)], stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL)

    def reported(self, patience_s=60):
        until = time.monotonic() + patience_s
        while not self.masakari.posts and time.monotonic() < until:
            time.sleep(0.05)
        return [{'type': p['type'], 'hostname': p['hostname'], 'payload': p['payload']} for _, p in self.masakari.posts]

    def resident_mib(self):
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(status.split('VmRSS:')[1].split()[0]) / 1024

    def cpu_s(self):
        fields = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def p(share, values):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main():
    ours, suite_code, *names = sys.argv[1:]
    if unknown := set(names) - set(SCENES):
        sys.exit(f'side_by_side: no scene {", ".join(sorted(unknown))}; there are {", ".join(SCENES)}')
    if suite_code != '-':
        check('what a systemd is (monitor/tests/systemd.rs)', suite_code == '0')
    things = {whose: [Thing(whose, kind) for kind in ('process', 'unit')] for whose in KILLS}
    subprocess.run(['systemctl', '--user', 'daemon-reload'], check=True)
    subprocess.run(['systemctl', '--user', 'start', 'watched-ours-unit.service'], check=True)
    bin = pathlib.Path(sys.executable).parent
    monitors = {'ours': Monitor('ours', [ours, 'processmonitor'], things['ours']),
                'python': Monitor('python', [bin / 'python', bin / 'masakari-processmonitor'], things['python'])}
    try:
        for name, scene in SCENES.items():
            if not names or name in names:
                scene(things, monitors)
    finally:
        for whose, monitor in monitors.items():
            monitor.stop()
            if not all(results):
                print(f'--- {whose}', (NODE / f'{whose}.log').read_text(errors='replace')[-4000:], sep='\n')
        for thing in things['ours'] + things['python']:
            subprocess.run(['systemctl', '--user', 'stop', f'{thing.name}.service'], capture_output=True)
            for pid in thing.pids():
                os.kill(pid, signal.SIGKILL)
    print(f'{sum(results)} passed, {len(results) - sum(results)} failed')
    sys.exit(0 if all(results) else 1)


def restarts(things, _):
    every = things['ours'] + things['python']
    for thing in every:
        thing.runs()
    for whose in KILLS:
        started = NODE / f'starts-{whose}-process'
        check(f'{whose}: the start command is run once', started.read_text().split() == ['start'])
    # Until ours has seen them all.
    time.sleep(2)
    threads = [threading.Thread(target=thing.measure) for thing in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for thing in every:
        took = thing.took
        told = (f'{len(took)} kills: p50 {statistics.median(took):.1f} ms, p90 {p(0.9, took):.1f} ms, '
                f'most {max(took):.1f} ms')
        figures = {'kills': len(took), 'p50': statistics.median(took), 'p90': p(0.9, took), 'most': max(took)}
        tell(f"{thing.whose}, {thing.kind}: from the death to its restart command, ms", figures,
             thing.whose != 'ours' or figures['p90'] <= P90_MS)
        if thing.whose == 'ours':
            check(f'ours, {thing.kind}: from the death to its restart command', p(0.9, took) <= P90_MS, told)
        else:
            print(f'       python, {thing.kind}: {told}', flush=True)


def reported(_, monitors):
    told = {whose: monitor.reported() for whose, monitor in monitors.items()}
    check('what cannot be restarted is reported as Python reports it',
          told['ours'] == told['python'] and len(told['ours']) == 1, json.dumps(told['ours']))


def stopped(things, _):
    unit = things['ours'][1]
    unit.runs()
    before = len(unit.stamped())
    subprocess.run(['systemctl', '--user', 'stop', f'{unit.name}.service'], check=True)
    time.sleep(7)
    check('a unit that a person stopped is not restarted', len(unit.stamped()) == before and not unit.pids())


def idle(_, monitors):
    before = {whose: monitor.cpu_s() for whose, monitor in monitors.items()}
    time.sleep(10)
    for whose, monitor in monitors.items():
        share = (monitor.cpu_s() - before[whose]) * 10
        print(f'       {whose}: {monitor.resident_mib():.1f} MiB resident, {share:.2f} % of a core', flush=True)


SCENES = {'restarts': restarts, 'reported': reported, 'stopped': stopped, 'idle': idle}
main()
