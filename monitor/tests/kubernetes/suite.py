"""masakari-hostmonitor beside a real Kubernetes control plane: what it reports, when, and how often.

    suite.py PROGRAM SERVERS FOLDER ROOT [WORD]...
"""
import datetime
import os
import sys
import time

sys.path[:0] = [f'{os.path.dirname(os.path.abspath(__file__))}/../hostmonitor']
from beside import Monitor, Sink, Suite, at_most, wait_for  # noqa: E402
from cluster import API, GRACE, LABEL, OUT_OF_SERVICE, Cluster, now  # noqa: E402

PROGRAM, SERVERS, FOLDER, ROOT, *WORDS = sys.argv[1:]
# From the change of the condition, as a watch beside it sees it, to the report.
LATE = at_most(1.0)
# Fallen silent, and then held for it by the controller, which on a busy machine takes its time.
SILENT = GRACE + 60
# How long nothing may be reported where nothing is to be.
QUIET = 3
SETTLES = 30
# After its return everybody has been heard, and who has not is reported.
OUTAGE = int(os.environ.get('OUTAGE_S', 60))
MANY = int(os.environ.get('MANY', 500))
OPTIONS = f'''[host]
monitoring_driver = kubernetes
monitoring_interval = 10
monitoring_samples = 1
[kubernetes]
monitoring_node_labels = {next(iter(LABEL))}={next(iter(LABEL.values()))}
'''

cluster, sink = Cluster(SERVERS, f'{FOLDER}/cluster'), Sink()
monitor = None
delays = []


def kubeconfig(user, name='kubeconfig'):
    cluster.kubeconfig(f'{FOLDER}/{name}', user)
    return f'kubeconfig = {FOLDER}/{name}\n'


def silent(name):
    wait_for(f'{name} falls silent', SILENT, lambda: cluster.ready(name) == 'Unknown')


def reported(name, event, times=1, since=None):
    """That it is, so often, and how soon after the change."""
    wait_for(f'{event} of {name}', 5, lambda: sink.of(name).count(event) >= times)
    delay = sink.last(name, event) - (cluster.since(name) if since is None else since)
    delays.append(delay)
    assert delay <= LATE, f'{event} of {name} after {delay:.2f} s'
    assert sink.of(name).count(event) == times, sink.of(name)
    return delay


def nothing_of(name, seconds=QUIET):
    before = sink.of(name)
    time.sleep(seconds)
    assert sink.of(name) == before, sink.of(name)


def back(name):
    """It reports again, and is reported as started."""
    cluster.revive(name)
    wait_for(f'{name} is ready', 10, lambda: cluster.ready(name) == 'True')
    wait_for(f'STARTED of {name}', 5, lambda: sink.of(name)[-1:] == ['STARTED'])


def stopped(name):
    """One that falls silent is reported, once; and how soon."""
    sink.forget()
    cluster.kill(name)
    silent(name)
    return reported(name, 'STOPPED')


def dead_at_the_start():
    cluster.kill('n0')
    silent('n0')
    monitor.start()
    wait_for('STOPPED of n0', 20, lambda: sink.of('n0') == ['STOPPED'])
    nothing_of('n0')
    assert [of for of in sink.all() if of[1] == 'STOPPED'] == [('n0', 'STOPPED')], sink.all()
    back('n0')


def heartbeats_stopped():
    took = []
    for name in ('n1', 'n2'):
        took.append(stopped(name))
        nothing_of(name)
        back(name)
        took.append(sink.last(name, 'STARTED') - cluster.since(name))
    assert max(took) <= LATE, took
    payload = sink.posts[-1][1]['payload']
    assert payload == {'event': 'STARTED', 'cluster_status': 'ONLINE', 'host_status': 'NORMAL'}, payload
    return f'reported after {", ".join(f"{s * 1000:.0f}" for s in took)} ms'


def not_ready():
    sink.forget()
    cluster.condition('n1', 'False', 'KubeletNotReady')
    nothing_of('n1')
    # It dies while it is not ready.
    cluster.kill('n1')
    silent('n1')
    reported('n1', 'STOPPED')
    back('n1')


def deleted():
    sink.forget()
    cluster.kill('n3')
    cluster.ask('DELETE', '/api/v1/nodes/n3')
    nothing_of('n3', QUIET + 12)
    assert 'STOPPED' not in sink.of('n3'), sink.of('n3')
    cluster.add('n3')
    nothing_of('n1')
    assert 'STOPPED' not in sink.of('n3'), sink.of('n3')
    stopped('n3')
    back('n3')


def relabelled():
    sink.forget()
    key = next(iter(LABEL))
    cluster.merge('/api/v1/nodes/n2', {'metadata': {'labels': {key: None}}})
    cluster.kill('n2')
    silent('n2')
    nothing_of('n2')
    assert sink.of('n2') == [], sink.of('n2')
    at = time.time()
    cluster.merge('/api/v1/nodes/n2', {'metadata': {'labels': LABEL}})
    reported('n2', 'STOPPED', since=at)
    back('n2')


def said_at():
    """When the newest evidence says that it was so."""
    return datetime.datetime.fromisoformat(sink.evidence[-1][3]['at'].replace('Z', '+00:00')).timestamp()


def tainted():
    """A person's word is brought as one, with its time, and as soon."""
    stopped('n2')
    at = time.time()
    cluster.taint('n2', OUT_OF_SERVICE)
    wait_for('evidence of n2', 5, lambda: sink.evidence)
    took = sink.evidence[0][0] - at
    time.sleep(QUIET)
    assert len(sink.evidence) == 1, sink.evidence
    _, host, route, body = sink.evidence[0]
    assert (host, route) == ('n2', 'confirm-dead'), sink.evidence
    assert 'out-of-service=nodeshutdown:NoExecute' in str(body), body
    # As it was seen to come; milliseconds are cut off.
    assert at - 0.001 <= said_at() <= at + took, (at, body)
    assert sink.of('n2') == ['STOPPED'], sink.of('n2')
    # It comes back, and nobody takes the taint away: it says nothing of the next death.
    back('n2')
    stopped('n2')
    nothing_of('n2')
    assert sink.evidence == [], sink.evidence
    cluster.taint('n2', [])
    at = int(time.time())
    cluster.taint('n2', [dict(OUT_OF_SERVICE[0], timeAdded=now(False))])
    wait_for('dated evidence of n2', 5, lambda: sink.evidence)
    assert at <= said_at() <= time.time() and said_at() == int(said_at()), (at, sink.evidence)
    cluster.taint('n2', [])
    back('n2')
    assert took <= LATE, took
    return f'evidence after {took * 1000:.0f} ms'


def api_server_away():
    sink.forget()
    cluster.stop_api()
    cluster.kill('n1')
    time.sleep(OUTAGE)
    assert sink.all() == [], sink.all()
    cluster.start_api()
    silent('n1')
    wait_for('STOPPED of n1', SETTLES + 15, lambda: sink.of('n1') == ['STOPPED'])
    time.sleep(SETTLES)
    assert [of for of in sink.all() if of[1] == 'STOPPED'] == [('n1', 'STOPPED')], sink.all()
    back('n1')
    stopped('n3')
    back('n3')


def all_fall_silent():
    sink.forget()
    cluster.kill(*names)
    for name in names:
        silent(name)
    time.sleep(QUIET)
    said = [of for of in sink.all() if of[1] == 'STOPPED']
    # Until the last of them: then nothing is said, and what was is not said again.
    assert len(said) < len(names), said
    assert 'none is heard by Kubernetes' in monitor.said()
    for name in names:
        cluster.revive(name)
    # Until then whoever falls silent is uncertain.
    time.sleep(SETTLES + QUIET)
    assert [of for of in sink.all() if of[1] == 'STOPPED'] == said, sink.all()


def many_nodes():
    more = [f'm{number:03}' for number in range(MANY)]
    cluster.add(*more)
    time.sleep(5)
    sink.forget()
    dead = more[::25]
    cluster.kill(*dead)
    for name in dead:
        silent(name)
    took = sorted(reported(name, 'STOPPED') for name in dead)
    time.sleep(QUIET)
    said = sorted(host for host, event in sink.all() if event == 'STOPPED')
    assert said == dead, f'{len(said)} reports of {len(dead)} dead'
    return f'{len(dead)} of {MANY}: median {took[len(took) // 2] * 1000:.0f} ms, at most {took[-1] * 1000:.0f} ms'


def killed_monitor():
    """It is killed while a node is dead that it has reported: the next one reports it, once."""
    stopped('n1')
    monitor.stop(9)
    cluster.kill('n2')
    silent('n2')
    monitor.start()
    wait_for('STOPPED of n2', 20, lambda: sink.of('n2') == ['STOPPED'])
    time.sleep(QUIET)
    assert sink.of('n1').count('STOPPED') <= 2, sink.of('n1')
    back('n1')
    back('n2')


def other_ways():
    """A service account in a pod, a certificate in a kubeconfig, and one that may not."""
    account = '/run/secrets/kubernetes.io/serviceaccount'
    os.makedirs(account)
    os.symlink(f'{cluster.folder}/ca.crt', f'{account}/ca.crt')
    with open(f'{account}/token', 'w') as file:
        file.write(cluster.token())
    pod = {'KUBERNETES_SERVICE_HOST': '127.0.0.1', 'KUBERNETES_SERVICE_PORT': str(API)}
    admin = f'{{client-certificate: {cluster.folder}/admin.crt, client-key: {cluster.folder}/admin.key}}'
    for way, options, environment in [('pod', '', pod), ('certificate', kubeconfig(admin, 'by-certificate'), None)]:
        one = Monitor(PROGRAM, f'{FOLDER}/{way}', sink, OPTIONS + options, environment).start()
        try:
            cluster.kill('n1')
            silent('n1')
            sink.forget()
            wait_for(f'STOPPED of n1 ({way})', 10, lambda: 'STOPPED' in sink.of('n1') or
                     'n1' in one.said() and 'offline' in one.said())
            back('n1')
        finally:
            one.stop()
    stranger = f'{{client-certificate: {cluster.folder}/stranger.crt, client-key: {cluster.folder}/stranger.key}}'
    one = Monitor(PROGRAM, f'{FOLDER}/stranger', sink, OPTIONS + kubeconfig(stranger, 'by-stranger')).start()
    try:
        wait_for('403', 10, lambda: 'apply packaging/kubernetes/masakari-hostmonitor.yaml' in one.said())
    finally:
        one.stop()


CASES = {
    'dead at the start': dead_at_the_start,
    'heartbeats stopped': heartbeats_stopped,
    'not ready': not_ready,
    'deleted': deleted,
    'relabelled': relabelled,
    'tainted out-of-service': tainted,
    'api server away': api_server_away,
    'all fall silent': all_fall_silent,
    'killed monitor': killed_monitor,
    'other ways': other_ways,
    'many nodes': many_nodes,
}

suite = Suite()
names = [f'n{number}' for number in range(6)]
try:
    cluster.start()
    cluster.apply(f'{ROOT}/packaging/kubernetes/masakari-hostmonitor.yaml')
    cluster.add(*names)
    monitor = Monitor(PROGRAM, f'{FOLDER}/monitor', sink, OPTIONS + kubeconfig(f'{{token: {cluster.token()}}}'))
    wanted = [name for name in CASES if not WORDS or any(word in name for word in WORDS)]
    if 'dead at the start' not in wanted:
        monitor.start()
        time.sleep(3)
    for name in wanted:
        failed = suite.failed
        suite.case(name, CASES[name])
        if suite.failed > failed:
            print('\n'.join(monitor.said().splitlines()[-25:]), flush=True)
            for node in names:
                cluster.revive(node)
            time.sleep(5)
finally:
    if monitor:
        monitor.stop()
    cluster.stop()
suite.took('the change of the condition', delays)
suite.end()
