"""masakari-hostmonitor beside three clusters, one for each network: what it reports, when, and how often.

    suite.py PROGRAM FOLDER [WORD]...
"""
import itertools
import os
import sys
import time

sys.path[:0] = [f'{os.path.dirname(os.path.abspath(__file__))}/../hostmonitor']
from beside import Monitor, Sink, Suite, at_most, wait_for  # noqa: E402
from networks import AGENTS, ALIVE, FAILED, LEFT, NETWORKS, Network, await_status, start  # noqa: E402

PROGRAM, FOLDER, *WORDS = sys.argv[1:]
# From the moment at which the watcher's agent holds a member for failed to the report.
LATE = at_most(1.0)
QUIET = 4
COMES = at_most(20)
INTERVAL = 10
OPTIONS = f'''[host]
monitoring_driver = consul
monitoring_interval = {INTERVAL}
[consul]
''' + AGENTS

networks = {name: Network(name, FOLDER) for name in NETWORKS}
# One for each row of the matrix.
ROWS = list(itertools.product(['up', 'down'], repeat=3))
HOSTS = [f'cmp{number}' for number in range(len(ROWS))]
sink, delays = Sink(), []
monitor = None


def lose(network, *hosts):
    for host in hosts:
        networks[network].kill(host)
    for host in hosts:
        await_status(networks[network], host, FAILED)


def regain(network, *hosts):
    for host in hosts:
        networks[network].start(host)
    for host in hosts:
        await_status(networks[network], host, ALIVE)


def stopped(hosts, network=None):
    """Exactly these, each once, and how soon."""
    wait_for(f'STOPPED of {hosts}', COMES, lambda: {h for h, e in sink.all() if e == 'STOPPED'} >= set(hosts))
    time.sleep(QUIET)
    assert sorted(h for h, e in sink.all() if e == 'STOPPED') == sorted(hosts), sink.all()
    if network and not os.environ.get('CONSUL'):
        took = [sink.last(host, 'STOPPED') - networks[network].failed_at(host) for host in hosts]
        delays.extend(took)
        assert max(took) <= LATE, took
        return f'reported after {max(took) * 1000:.0f} ms at most'
    return None


def started(hosts):
    wait_for(f'STARTED of {hosts}', COMES, lambda: {h for h, e in sink.all() if e == 'STARTED'} >= set(hosts))
    time.sleep(QUIET)
    assert sorted(h for h, e in sink.all() if e == 'STARTED') == sorted(hosts), sink.all()
    assert not [h for h, e in sink.all() if e == 'STOPPED'], sink.all()


def nothing():
    time.sleep(QUIET)
    assert sink.all() == [], sink.all()


def whole_matrix():
    """Every host loses what its row says: those are reported that lost their storage, and no others."""
    sink.forget()
    lost = {network: [h for h, row in zip(HOSTS, ROWS) if row[n] == 'down'] for n, network in enumerate(NETWORKS)}
    for network in ('manage', 'tenant', 'storage'):
        for host in lost[network]:
            networks[network].kill(host)
    for network, hosts in lost.items():
        for host in hosts:
            await_status(networks[network], host, FAILED)
    told = stopped(lost['storage'], 'storage')
    payload = sink.posts[0][1]['payload']
    assert payload == {'event': 'STOPPED', 'cluster_status': 'OFFLINE', 'host_status': 'NORMAL'}, payload
    sink.forget()
    for network, hosts in lost.items():
        regain(network, *hosts)
    started(lost['storage'])
    return told


def dead_at_the_start():
    sink.forget()
    lose('storage', 'cmp3')
    monitor.start()
    stopped(['cmp3'])
    sink.forget()
    regain('storage', 'cmp3')
    started(['cmp3'])


def paused_agent():
    sink.forget()
    networks['storage'].pause('cmp2')
    await_status(networks['storage'], 'cmp2', FAILED)
    told = stopped(['cmp2'], 'storage')
    sink.forget()
    networks['storage'].pause('cmp2', False)
    await_status(networks['storage'], 'cmp2', ALIVE)
    started(['cmp2'])
    return told


def left_on_purpose():
    sink.forget()
    networks['storage'].leave('cmp4')
    await_status(networks['storage'], 'cmp4', LEFT)
    nothing()
    networks['storage'].start('cmp4')
    await_status(networks['storage'], 'cmp4', ALIVE)
    nothing()


def unknown_network():
    """Without the tenant's agent the storage decides; without the storage's nobody does, until it is back."""
    sink.forget()
    networks['tenant'].kill('watcher')
    lose('storage', 'cmp1')
    stopped(['cmp1'], 'storage')
    assert 'the tenant network is unknown' in monitor.said(), monitor.said()[-2000:]
    sink.forget()
    networks['tenant'].start('watcher', answers=True)
    regain('storage', 'cmp1')
    wait_for('the tenant network', 20, lambda: 'the tenant network is known again' in monitor.said())
    started(['cmp1'])
    sink.forget()
    networks['storage'].kill('watcher')
    networks['storage'].kill('cmp5')
    time.sleep(INTERVAL)
    assert sink.all() == [], sink.all()
    networks['storage'].start('watcher', answers=True)
    await_status(networks['storage'], 'cmp6', ALIVE)
    # One that comes anew does not know whom it has never met.
    networks['storage'].start('cmp5')
    await_status(networks['storage'], 'cmp5', ALIVE)
    nothing()


def no_leader():
    sink.forget()
    before = len(monitor.said())
    networks['storage'].kill('leader')
    await_status(networks['storage'], 'leader', FAILED)
    lose('storage', 'cmp6')
    nothing()
    # Consul's client agents that have lost their only server do not say that it led: `No known Consul servers`.
    assert 'the storage network is unknown: 500: ' in monitor.said()[before:], monitor.said()[-2000:]
    networks['storage'].start('leader', leads=True, join='cmp0')
    await_status(networks['storage'], 'leader', ALIVE)
    stopped(['cmp6'])
    sink.forget()
    regain('storage', 'cmp6')
    started(['cmp6'])


def smaller_part():
    """Most of the storage network is lost at once: nobody is reported. That is a network, and not so many hosts."""
    sink.forget()
    for host in HOSTS[:7]:
        networks['storage'].pause(host)
    for host in HOSTS[:7]:
        await_status(networks['storage'], host, FAILED)
    time.sleep(QUIET)
    said = sorted(h for h, e in sink.all() if e == 'STOPPED')
    assert 'the smaller part of its cluster' in monitor.said()
    assert len(said) <= 4, said
    for host in HOSTS[:7]:
        networks['storage'].pause(host, False)
    for host in HOSTS[:7]:
        await_status(networks['storage'], host, ALIVE)
    time.sleep(QUIET)
    assert sorted(h for h, e in sink.all() if e == 'STOPPED') == said, sink.all()
    return f'{len(said)} were reported before more than half were lost'


def own_matrix():
    with open(f'{FOLDER}/matrix.yaml', 'w') as file:
        file.write('sequence: [storage, manage]\nmatrix:\n- {health: [down, down], action: [recovery]}\n'
                   '- {health: [down, up], action: []}\n- {health: [up, down], action: []}\n')
    one = Monitor(PROGRAM, f'{FOLDER}/own', sink, f'{OPTIONS}matrix_config_file = {FOLDER}/matrix.yaml\n').start()
    monitor.stop()
    try:
        time.sleep(3)
        sink.forget()
        lose('storage', 'cmp7')
        nothing()
        lose('manage', 'cmp7')
        stopped(['cmp7'], 'manage')
    finally:
        one.stop()
    regain('storage', 'cmp7')
    regain('manage', 'cmp7')
    monitor.start()


def unfit_matrix():
    with open(f'{FOLDER}/unfit.yaml', 'w') as file:
        file.write('sequence: [manage, storage]\nmatrix:\n- {health: [up, up, down], action: [recovery]}\n')
    one = Monitor(PROGRAM, f'{FOLDER}/unfit', sink, f'{OPTIONS}matrix_config_file = {FOLDER}/unfit.yaml\n').start()
    try:
        wait_for('its refusal', 10, lambda: '`health` has 3 words, and `sequence` 2 (manage, storage)' in one.said())
    finally:
        one.stop()


CASES = {
    'dead at the start': dead_at_the_start,
    'whole matrix': whole_matrix,
    'paused agent': paused_agent,
    'left on purpose': left_on_purpose,
    'unknown network': unknown_network,
    'no leader': no_leader,
    'smaller part': smaller_part,
    'own matrix': own_matrix,
    'unfit matrix': unfit_matrix,
}

suite = Suite()
try:
    start(networks.values(), HOSTS)
    monitor = Monitor(PROGRAM, f'{FOLDER}/monitor', sink, OPTIONS)
    wanted = [name for name in CASES if not WORDS or any(word in name for word in WORDS)]
    if 'dead at the start' not in wanted:
        monitor.start()
        time.sleep(3)
    for name in wanted:
        failed = suite.failed
        suite.case(name, CASES[name])
        if suite.failed > failed:
            print('\n'.join(monitor.said().splitlines()[-25:]), flush=True)
finally:
    if monitor:
        monitor.stop()
    for network in networks.values():
        network.stop()
print(f'members: {"of " + os.environ["CONSUL"] if os.environ.get("CONSUL") else "Serf 0.10"}')
suite.took('the member held for failed', delays)
suite.end()
