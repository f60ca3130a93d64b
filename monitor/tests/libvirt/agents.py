#!/usr/bin/env python3
"""Guests with a real agent, and what ours and Python's introspectiveinstancemonitor post of them.

    NODE=FOLDER agents.py OUR_PROGRAM

Four guests, one VM whose agent never lived, and $SMALL small VMs without an agent. First how long a round takes, and what the
process needs of a processor, over $IDLE_S seconds. Then one agent hangs, one guest is paused and one reboots: the first
alone is reported. The last line is `N passed, N failed`.
"""
import os
import pathlib
import re
import sys
import time

from side_by_side import NODE, Monitor, guest, guest_is_up, node, tell

INTERVAL_S, THRESHOLD = int(os.environ.get('INTERVAL_S', 2)), 2
# libvirt bears an agent that hangs for 5 s to 10 s, whatever it is told; it is asked again in the next round.
HUNG_S = 10 + INTERVAL_S
SMALL, IDLE_S = int(os.environ.get('SMALL', 16)), int(os.environ.get('IDLE_S', 10))
HANGS, LIVES, PAUSED, REBOOTS = GUESTS = [f'11111111-2222-3333-4444-0000000003{nth:02}' for nth in range(4)]
DEAF = '11111111-2222-3333-4444-000000000310'
OPTIONS = f"""[introspectiveinstancemonitor]
guest_monitoring_interval = {INTERVAL_S}
guest_monitoring_timeout = 1
guest_monitoring_failure_threshold = {THRESHOLD}
qemu_guest_agent_sock_path = {NODE}/agent\\.instance-.*\\.sock
"""
PAYLOAD = {'event': 'QEMU_GUEST_AGENT_ERROR', 'instance_uuid': HANGS, 'vir_domain_event': 'STOPPED_FAILED'}
passed = failed = 0


def case(what, well, told=''):
    global passed, failed
    passed, failed = passed + bool(well), failed + (not well)
    print(f"{'ok    ' if well else 'FAILED'} {what:60} {told}", flush=True)


def cpu_s(monitor):
    fields = pathlib.Path(f'/proc/{monitor.process.pid}/stat').read_text().rsplit(') ', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def reported(monitor, vm, since=0.0):
    return [(at, body) for at, body in list(monitor.masakari.posts)
            if body['payload']['instance_uuid'] == vm and at >= since]


def rounds_ms():
    return [int(ms) for ms in re.findall(r'A round took (\d+) ms', (NODE / 'ours.log').read_text())]


def wait_until(what, limit_s):
    until = time.time() + limit_s
    while not what() and time.time() < until:
        time.sleep(0.2)
    return what()


def troubled(ours, python):
    since = time.time()
    node('hang-agent', HANGS)
    # By then the agent stands still.
    hung_at = time.time() + 0.5
    node('pause', PAUSED)
    guest('reboot', REBOOTS)
    wait_until(lambda: reported(ours, HANGS) and reported(python, HANGS), HUNG_S * (THRESHOLD + 2) + INTERVAL_S)
    node('resume', PAUSED)
    guest_is_up(REBOOTS)
    time.sleep(INTERVAL_S * 2)
    mine, its = reported(ours, HANGS, since), reported(python, HANGS, since)
    after = mine[0][0] - hung_at if mine else 0
    least, most = INTERVAL_S * (THRESHOLD + 1), HUNG_S * (THRESHOLD + 2) + INTERVAL_S
    case('an agent that hangs is reported once, after the threshold', len(mine) == 1 and least <= after <= most,
         f'after {after:.1f} s, between {least} s and {most} s')
    case("Python's says the same of it", len(its) == 1 and mine and its[0][1]['payload'] == mine[0][1]['payload'] == PAYLOAD,
         f"after {its[0][0] - hung_at:.1f} s" if its else 'never')
    for vm, what in [(PAUSED, 'a VM that is paused'), (REBOOTS, 'a guest that reboots'), (LIVES, 'an agent that lives'),
                     (DEAF, 'an agent that never lived')]:
        case(f'{what} is not reported', not reported(ours, vm), f"python: {'reported' if reported(python, vm) else '-'}")


def idle(ours, python):
    skip, before, began = len(rounds_ms()), (cpu_s(ours), cpu_s(python)), time.time()
    time.sleep(IDLE_S)
    took_s = time.time() - began
    share = [(cpu_s(monitor) - was) / took_s * 100 for monitor, was in zip((ours, python), before)]
    took = rounds_ms()[skip:]
    longest = max(took, default=10 ** 9)
    tell('a round of guests', {'vms': len(GUESTS) + 1 + SMALL, 'with_agent': len(GUESTS), 'interval_s': INTERVAL_S,
         'rounds': len(took), 'longest_ms': longest, 'percent_of_a_core': share[0], 'python_percent': share[1]},
         longest <= INTERVAL_S * 1000)
    case(f'a round of {len(GUESTS) + 1 + SMALL} VMs takes at most the interval', longest <= INTERVAL_S * 1000,
         f'longest {longest} ms of {len(took)}, interval {INTERVAL_S} s; '
         f'processor: ours {share[0]:.2f} %, python {share[1]:.2f} % of a core')


def main():
    node('clean')
    for vm in GUESTS:
        node('start', vm, 'persistent', 'guest')
    node('start', DEAF, 'persistent', 'deaf')
    for nth in range(SMALL):
        node('start', f'11111111-2222-3333-4444-0000000004{nth:02}', 'transient')
    for vm in GUESTS:
        guest_is_up(vm)
    scripts = pathlib.Path(sys.executable).parent
    python = Monitor('python', [str(scripts / 'masakari-introspectiveinstancemonitor')], OPTIONS)
    ours = Monitor('ours', [sys.argv[1], 'introspectiveinstancemonitor'], OPTIONS)
    try:
        for monitor in (python, ours):
            monitor.live()
        # Each has seen each agent live.
        time.sleep(INTERVAL_S * 3 + 4)
        idle(ours, python)
        troubled(ours, python)
    finally:
        python.stop()
        ours.stop()
        if failed:
            for monitor in (python, ours):
                text = (NODE / f'{monitor.name}.log').read_text(errors='replace')
                print(f'--- {monitor.name}.log', *text.splitlines()[-60:], sep='\n')
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


sys.exit(main())
