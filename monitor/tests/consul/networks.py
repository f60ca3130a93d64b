"""Three networks on loopback, each with a cluster: one member that leads, the watcher's, and one of each host. The members are Serf's or
Consul's; both are asked by the same routes, and both are killed, paused and told to leave."""
import json
import os
import signal
import subprocess
import time
import urllib.request

NETWORKS = {'manage': (1, 8500), 'tenant': (2, 8501), 'storage': (3, 8502)}
ALIVE, LEFT, FAILED = 1, 3, 4
# Which agents a monitor asks.
AGENTS = ''.join(f'agent_{name} = 127.0.0.1:{port}\n' for name, (_, port) in NETWORKS.items())


class Network:
    def __init__(self, name, folder):
        self.name, self.folder = name, f'{folder}/{name}'
        self.number, self.port = NETWORKS[name]
        self.agents, self.numbers = {}, {}
        os.makedirs(self.folder, exist_ok=True)

    def address(self, name):
        number = self.numbers.setdefault(name, len(self.numbers) + 1)
        return f'127.0.{self.number}.{number}'

    def command(self, name, leads, answers, join):
        consul, own = os.environ.get('CONSUL'), self.address(name)
        join = self.address(join) if join else '' if leads else self.address('leader')
        if not consul:
            answer = ['-http', f'127.0.0.1:{self.port}'] if answers else []
            leader = ['-server'] if leads else []
            return [os.environ['SERF'], '-node', name, '-bind', own, '-join', join, *leader, *answer]
        ports = f'http = {self.port if answers else -1}, dns = -1, grpc = -1, grpc_tls = -1, serf_wan = -1'
        leader = ['-server', '-bootstrap-expect=1'] if leads else []
        leader += ['-retry-join', join, '-retry-interval=1s'] if join else []
        return [consul, 'agent', '-node', name, '-bind', own, '-client=127.0.0.1', '-datacenter', self.name,
                '-data-dir', f'{self.folder}/{name}.data', '-hcl', f'ports {{ {ports.replace(", ", chr(10))} }}',
                '-hcl', 'leave_on_terminate = false', *leader]

    def start(self, name, leads=False, answers=False, join=None):
        with open(f'{self.folder}/{name}.log', 'a') as log:
            self.agents[name] = subprocess.Popen(self.command(name, leads, answers, join), stdout=log, stderr=log)

    def kill(self, name):
        process = self.agents.pop(name)
        process.kill()
        process.wait(10)

    def pause(self, name, paused=True):
        self.agents[name].send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def leave(self, name):
        """As an operator tells it to."""
        if os.environ.get('CONSUL'):
            self.agents[name].send_signal(signal.SIGINT)
        else:
            self.agents[name].terminate()
        self.agents.pop(name).wait(20)

    def members(self):
        """As the watcher's agent has them."""
        with urllib.request.urlopen(f'http://127.0.0.1:{self.port}/v1/agent/members', timeout=5) as answer:
            return {member['Name']: member['Status'] for member in json.load(answer)}

    def failed_at(self, name):
        """When the watcher's agent held it for failed, as it says itself; Serf's only."""
        lines = open(f'{self.folder}/watcher.log').read().splitlines()
        times = [line.split() for line in lines if line.endswith(f' member-failed {name}')]
        return float(times[-1][0]) if times else None

    def stop(self):
        for name in list(self.agents):
            self.kill(name)


def start(networks, hosts):
    """All members of each, until the watcher's agent has them alive."""
    for network in networks:
        network.start('leader', leads=True)
        network.start('watcher', answers=True)
        for host in hosts:
            network.start(host)
    for network in networks:
        for member in ('leader', 'watcher', *hosts):
            await_status(network, member, ALIVE, 60)


def await_status(network, name, status, seconds=40):
    """Until the watcher's agent, which may have just been started, has it so."""
    end, members = time.time() + seconds, 'no answer'
    while time.time() < end:
        try:
            members = network.members()
            if members.get(name) == status:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f'{name} in {network.name} is not {status} within {seconds} s: {members}')
