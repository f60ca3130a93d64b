#!/usr/bin/env python3
"""Ours and Python's instancemonitor see the same VMs fail; what each posts is compared with a table.

    NODE=FOLDER side_by_side.py OUR_PROGRAM TABLE [SCENE]...

A line of the table: the case, what Python's posts, what ours does. `REBOOT UNKNOWN +`: once or more. Python's come in any
order, because it has a thread for each event. Then (`latency`) $EVENTS events, and how long each takes from libvirt to the API. The
last line is `N passed, N failed`.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import libvirt

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'masakari'))
from false_api import Masakari, tell  # noqa: E402

NODE = pathlib.Path(os.environ['NODE'])
VM = '11111111-2222-3333-4444-00000000000a'
SETTLE_S = 4
# On a machine that has other work.
COMES_S = 30
# Events of `latency`: so many, of each VM one a round.
VMS = 20
ROUNDS = int(os.environ.get('EVENTS', 200)) // VMS


def node(*words, check=True, env=None):
    told = subprocess.run([HERE / 'node', *words], capture_output=True, text=True, env={**os.environ, **(env or {})})
    if check and told.returncode:
        raise RuntimeError(f'node {words}: {told.stderr}')
    return told.stdout


def said(posts, since):
    """What was posted of the VM since then, once each, in its order; a plus where it was more."""
    seen = {}
    for at, body in list(posts):
        payload = body['payload']
        if at >= since and payload['instance_uuid'] == VM:
            what = f"{payload['event']} {payload['vir_domain_event']}"
            seen[what] = seen.get(what, 0) + 1
    return [what + (' +' if count > 1 else '') for what, count in seen.items()]


class Monitor:
    """A monitor's process, begun again when it has ended, as systemd would."""

    def __init__(self, name, command, more=''):
        self.name, self.masakari, self.process = name, Masakari(), None
        self.conf = NODE / f'{name}.conf'
        self.conf.write_text(f"""[DEFAULT]
hostname = cmp1
debug = true
state_path = {NODE}/state-{name}
[api]
auth_type = none
endpoint = {self.masakari.endpoint}
[libvirt]
connection_uri = {node('uri').strip()}
{more}""")
        self.command = [*command, '--config-file', str(self.conf)]
        self.log = open(NODE / f'{name}.log', 'ab')

    def live(self):
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def heard(self):
        """How many events, of any kind."""
        return (NODE / f'{self.name}.log').read_text(errors='replace').count('libvirt Event Received')

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def guest_is_up(vm=VM):
    until = time.time() + 180
    while time.time() < until:
        if 'return' in node('agent', vm, '{"execute":"guest-ping"}', '2', check=False):
            return
        time.sleep(0.5)
    raise RuntimeError("the guest's agent never came")


def guest(verb, vm=VM):
    """`mk VERB` in the guest."""
    argument = json.dumps({'execute': 'guest-exec', 'arguments': {'path': '/bin/mk', 'arg': verb.split()}})
    node('agent', vm, argument)


def died_while_away():
    node('daemon-kill')
    node('kill', VM)
    time.sleep(5)
    node('daemon-start')


def restarted():
    node('daemon-stop')
    node('daemon-start')


def small_disk():
    """A disk of 16 MiB on a file system of one."""
    place = NODE / 'small'
    place.mkdir(exist_ok=True)
    if not os.path.ismount(place):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m,mode=777', 'none', place], check=True)
    disk = place / 'disk.img'
    with open(disk, 'wb') as image:
        image.truncate(16 << 20)
    disk.chmod(0o666)
    (place / 'fill').write_bytes(b'x' * (1020 << 10))
    return {'DISK': str(disk)}


# Case: whether it needs a system in the VM, what the VM is like, what happens, how long that takes.
CASES = {
    'kill-9': (False, {}, lambda: node('kill', VM), 0),
    'destroy': (False, {}, lambda: node('destroy', VM), 0),
    'suspend': (False, {}, lambda: (node('pause', VM), node('resume', VM)), 0),
    'reset': (False, {}, lambda: node('reset', VM), 2),
    'guest-reboot': (True, {}, lambda: guest('reboot'), 5),
    'guest-poweroff': (True, {}, lambda: guest('poweroff'), 4),
    'guest-panic': (True, {'CRASH': 'destroy'}, lambda: guest('panic'), 5),
    'guest-panic-kept': (True, {'CRASH': 'preserve'}, lambda: guest('panic'), 5),
    'watchdog-reset': (True, {'WATCHDOG': 'reset'}, lambda: guest('watchdog 4'), 10),
    'watchdog-pause': (True, {'WATCHDOG': 'pause'}, lambda: guest('watchdog 4'), 10),
    'watchdog-poweroff': (True, {'WATCHDOG': 'poweroff'}, lambda: guest('watchdog 4'), 10),
    'watchdog-none': (True, {'WATCHDOG': 'none'}, lambda: guest('watchdog 4'), 10),
    'disk-full': (True, 'small disk', lambda: guest('io 200'), 6),
    'libvirtd-restarted': (False, {}, restarted, 12),
    'died-while-libvirtd-was-away': (False, {}, died_while_away, 12),
    'died-while-libvirtd-was-away-transient': (False, 'transient', died_while_away, 12),
}


def until(seconds, so):
    end = time.time() + seconds
    while not so() and time.time() < end:
        time.sleep(0.1)
    return so()


def start(monitors, *words, env):
    """The VM, until all have heard that it runs: one that was just begun may not listen yet."""
    for _ in range(10):
        before = [monitor.heard() for monitor in monitors]
        node('start', VM, *words, env=env)
        if until(5, lambda: all(monitor.heard() > was for monitor, was in zip(monitors, before))):
            return
        node('clean')
    raise RuntimeError('a monitor does not hear that a VM is started')


def is_as(told, expected):
    """How often Python says it, and in which order, depends on the moment."""
    any_way = [sorted(post.removesuffix(' +') for post in posts) for posts in (told[0], expected[0])]
    return any_way[0] == any_way[1] and told[1] == expected[1]


def run(case, monitors, expected):
    has_system, kind, happens, takes_s = CASES[case]
    node('clean')
    for monitor in monitors:
        monitor.live()
    env = small_disk() if kind == 'small disk' else kind if isinstance(kind, dict) else {}
    life = 'transient' if kind == 'transient' else 'persistent'
    start(monitors, life, *(['guest'] if has_system else []), env=env)
    if has_system:
        guest_is_up()
    else:
        time.sleep(1)
    since = time.time()
    happens()
    time.sleep(takes_s)

    def told():
        return [said(monitor.masakari.posts, since) for monitor in monitors]

    until(COMES_S, lambda: is_as(told(), expected))
    # Whatever comes beyond that.
    time.sleep(SETTLE_S)
    whole = told()
    for monitor in monitors:
        monitor.live()
    return whole


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def latency(monitors, vms=VMS, rounds=ROUNDS):
    """From libvirt's event, as a client of our own hears it, to its report at the API: milliseconds by monitor."""
    heard = []

    def rebooted(_conn, domain, _opaque):
        heard.append((time.time(), domain.UUIDString()))

    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)], daemon=True).start()
    client = libvirt.openReadOnly(node('uri').strip())
    client.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, rebooted, None)
    node('clean')
    for monitor in monitors:
        monitor.live()
    ids = [f'11111111-2222-3333-4444-0000000001{nth:02}' for nth in range(vms)]
    for vm in ids:
        node('start', vm, 'persistent')
    time.sleep(5)
    took = [[] for _ in monitors]
    for _ in range(rounds):
        began = time.time()
        for vm in ids:
            since = time.time()
            node('reset', vm)

            def event():
                return next((at for at, who in list(heard) if at >= since and who == vm), None)

            def posts():
                return [next((at for at, body in list(monitor.masakari.posts)
                              if at >= since and body['payload']['instance_uuid'] == vm), None) for monitor in monitors]

            # However late one comes, it counts; what is not there by then is lost, and told as such.
            until(COMES_S, lambda: event() and all(posts()))
            for times, post in zip(took, posts()):
                if event() and post:
                    times.append((post - event()) * 1000)
            time.sleep(max(0, since + 0.2 - time.time()))
        # The same of one VM within a burst is one report.
        time.sleep(max(0, began + 6 - time.time()))
    return took


def main():
    program, table = sys.argv[1], {}
    for line in pathlib.Path(sys.argv[2]).read_text().splitlines():
        if line.strip() and not line.startswith('#'):
            case, python, ours = (column.strip() for column in line.split('|'))
            split = [[post.strip() for post in column.split(',') if post.strip() != '-'] for column in (python, ours)]
            table[case] = split
    assert set(table) == set(CASES), set(table) ^ set(CASES)
    scripts = pathlib.Path(sys.executable).parent
    python = Monitor('python', [str(scripts / 'masakari-instancemonitor')])
    ours = Monitor('ours', [program, 'instancemonitor'])
    passed = failed = 0
    only = sys.argv[3:]
    if unknown := set(only) - set(table) - {'latency'}:
        sys.exit(f'side_by_side: no scene {", ".join(sorted(unknown))}; there are {", ".join(table)}, latency')
    try:
        for case, expected in table.items():
            if only and case not in only:
                continue
            told = run(case, [python, ours], expected)
            well = is_as(told, expected)
            passed, failed = passed + well, failed + (not well)
            print(f"{'ok    ' if well else 'FAILED'} {case:40} python: {', '.join(told[0]) or '-':60} "
                  f"ours: {', '.join(told[1]) or '-'}", flush=True)
        if not only or 'latency' in only:
            took = latency([python, ours])
            (p50, p99), (our_p50, our_p99) = [[percentile(times, share) for share in (0.5, 0.99)] for times in took]
            well = our_p50 <= p50 and our_p99 <= p99 and len(took[1]) == VMS * ROUNDS
            passed, failed = passed + well, failed + (not well)
            print(f"{'ok    ' if well else 'FAILED'} latency, ms: python p50 {p50:.2f} p99 {p99:.2f} ({len(took[0])} events), "
                  f"ours p50 {our_p50:.2f} p99 {our_p99:.2f} ({len(took[1])} of {VMS * ROUNDS})", flush=True)
            tell("from libvirt's event to the API, ms", {'events': len(took[1]), 'p50': our_p50, 'p99': our_p99,
                 'python_events': len(took[0]), 'python_p50': p50, 'python_p99': p99}, well)
    finally:
        python.stop()
        ours.stop()
        if failed:
            for monitor in (python, ours):
                text = (NODE / f'{monitor.name}.log').read_text(errors='replace')
                print(f'--- {monitor.name}.log', *text.splitlines()[-40:], sep='\n')
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
