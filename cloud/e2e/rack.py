"""Hosts with BMCs, beside the cloud's own: nova-computes whose power switches are the simulators of the suite `fence`.

A BMC that switches one off kills its nova-compute, and what else runs on it. Each host has room for its own servers
and no other, so what is evacuated goes to the cloud's own hosts.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile

import cloud
from scene import until

BMC_FOLDER = os.path.join(cloud.HERE, "..", "fence", "tests", "bmc")
SERVER_MB = 64
FENCING_YAML = """\
devices:
  redfish: {{kind: redfish, address: "127.0.0.1:{{port}}", system: "{{system}}", username: {user},
            password: {{file: "{top}/secrets/{{host}}"}}, ca_file: {ca_file}}}
  ipmi: {{kind: ipmi, address: 127.0.0.1, port: "{{port}}", username: {user}, cipher: 3,
         password: {{file: "{top}/secrets/{{host}}"}}}}
  agent: {{kind: agent, agent: fence_redfish, secrets: {{password: {{file: "{top}/secrets/{{host}}"}}}},
          parameters: {{ip: 127.0.0.1, ipport: "{{port}}", systems_uri: "{{system}}", username: {user},
                       ssl_insecure: "1"}}}}
  spare: {{kind: redfish, address: "127.0.0.1:{{spare}}", system: "{{spare_system}}", username: {user},
          password: {{file: {top}/secrets/spare}}, ca_file: {ca_file}}}
  person: {{kind: manual, say: "pull the plug of {{host}}"}}
ladders:
  redfish: [redfish, spare, person]
  ipmi: [ipmi, spare, person]
  agent: [agent, spare, person]
  alone: [redfish, person]
  nobody: [person]
side_by_side: 32
hosts:
"""
HOST_YAML = """\
  {host}: {{values: {{port: "{port}", spare: "{spare}", system: "{system}", spare_system: "{spare_uuid}"}},
    machine: {{uuid: {uuid}, serial: {serial}}}}}
"""


class Host:
    """One cell of the table: a host, its BMC, and how that behaves."""

    def __init__(self, kind, case, behaves=None, ladder=None, servers=1):
        self.kind, self.case, self.behaves, self.room = kind, case, behaves or case, servers
        self.name, self.ladder = "rack-%s-%s" % (kind, case), ladder or kind
        self.pid = self.writer = None

    def lives(self):
        return cloud.pid(self.name) == self.pid

    def send(self, number):
        os.kill(self.pid, number)


class Writer:
    """A process on a host that goes on writing to a volume: the second of the monotonic clock, again and again."""

    # It ends with the run, if that is killed too.
    PROGRAM = ("import os, sys, time\nparent = os.getppid()\n"
               "with open(sys.argv[1], 'a') as volume:\n    while os.getppid() == parent:\n"
               "        print(time.monotonic(), file=volume, flush=True)\n        time.sleep(0.005)\n")

    def __init__(self, volume):
        self.volume = volume
        self.process = subprocess.Popen(["/usr/bin/python3", "-IS", "-c", self.PROGRAM, volume])

    def last_write(self):
        with open(self.volume) as f:
            whole = [line for line in f if line.endswith("\n")]
        return float(whole[-1])


class Rack:
    def __init__(self, nova, hosts, neighbour):
        """`neighbour`: the host of the cloud's own that the BMCs of `wrong-machine` control."""
        self.nova, self.hosts, self.neighbour = nova, hosts, neighbour
        self.top = tempfile.mkdtemp(prefix="rack-")
        self._computes = self._bmcs = None

    # ------------------------------------------------------------- its beginning and its end
    def up(self):
        bmcs = subprocess.run([os.path.join(BMC_FOLDER, "install")], stdout=subprocess.PIPE, text=True, check=True)
        self._start_hosts()
        for host in self.hosts:
            if host.case.startswith("writer"):
                host.writer = Writer(os.path.join(self.top, host.name + ".volume"))
        self._start_bmcs(bmcs.stdout.strip())
        self._write_fencing_yaml()

    def down(self):
        for host in self.hosts:
            if host.writer:
                host.writer.process.kill()
                host.writer.process.wait()
        for process in (self._bmcs, self._computes):
            if process:
                process.stdin.close()
                process.wait(60)
        cloud.remove_hosts(self.nova, [host.name for host in self.hosts])
        shutil.rmtree(self.top)

    def _start_hosts(self):
        conf = os.path.join(cloud.CLOUD_DIR, "etc", "nova", "nova.conf")
        self._computes = self._program(
            "computes", "nice", "-n", cloud.CFG["CLOUD_NICE"], os.path.join(os.environ["CLOUD_VENV"], "bin", "python"),
            os.path.join(cloud.HERE, "nova_computes.py"), conf)
        for host in self.hosts:
            self.boot(host)
        names = {host.name for host in self.hosts}
        until("Nova hears the rack", lambda: names <= set(cloud.NovaDatabase().last_seen_up()), 120)
        until("they are ready", lambda: all(self._is_ready(name) for name in names), 120)
        cloud.shell('"$BIN/nova-manage" --config-file "$ETC/nova/nova.conf" cell_v2 discover_hosts')

    def _is_ready(self, name):
        with open(os.path.join(cloud.CLOUD_DIR, "log", name + ".log"), errors="replace") as f:
            return "update_resources thread pool" in f.read()

    def boot(self, host):
        """As if somebody pressed its button."""
        self._computes.stdin.write("%s %d\n" % (host.name, host.room * SERVER_MB))
        self._computes.stdin.flush()
        name, pid = self._computes.stdout.readline().split()
        assert name == host.name
        host.pid = int(pid)

    def _start_bmcs(self, python):
        self._bmcs = self._program("bmcs", python, os.path.join(cloud.HERE, "e2e", "bmcs.py"), BMC_FOLDER, self.top)
        cells = [{"kind": host.kind, "case": host.case, "behaves": host.behaves,
                  "pids": [host.pid] + ([host.writer.process.pid] if host.writer else []),
                  "neighbour": cloud.pid(self.neighbour),
                  # It takes the order, its host goes on, is heard by Nova, and then it says "off".
                  "lie": "kill -CONT %d; sleep 5" % host.pid} for host in self.hosts]
        self._bmcs.stdin.write(json.dumps(cells) + "\n")
        self._bmcs.stdin.flush()
        described = self._bmcs.stdout.readline()
        if not described:
            raise RuntimeError("the BMCs did not start; see %s" % self.top)
        self.described = json.loads(described)

    def _program(self, name, *words):
        with open(os.path.join(self.top, name + ".log"), "w") as log:
            return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                    env=dict(os.environ, CLOUD_DIR=cloud.CLOUD_DIR,
                                             CLOUD_FAST_CLAIMS=cloud.CFG["CLOUD_FAST_CLAIMS"]))

    # ------------------------------------------------------------- what the engine is told of it
    def _write_fencing_yaml(self):
        os.mkdir(self._path("secrets"), mode=0o700)
        self._write_secret("spare", self.described["password"])
        text = FENCING_YAML.format(top=self.top, **self.described)
        for host in self.hosts:
            wrong = "Wr0ng.4711" if host.behaves == "wrong-password" else self.described["password"]
            self._write_secret(host.name, wrong)
            cell = self.described["cells"]["%s/%s" % (host.kind, host.case)]
            text += HOST_YAML.format(host=host.name, **cell)
        with open(self.fencing_yaml(), "w") as f:
            f.write(text)

    def _write_secret(self, name, secret):
        with open(self._path("secrets", name), "w") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write(secret)

    def _path(self, *parts):
        return os.path.join(self.top, *parts)

    def fencing_yaml(self):
        return self._path("fencing.yaml")

    # ------------------------------------------------------------- what its BMCs were ordered
    def orders(self, host):
        """What the power switch of the host was told, and when it was told last (seconds of the day)."""
        path = self._path(host.kind, host.case, "orders")
        with open(path) as f:
            return f.read().split("\n")[:-1], os.stat(path).st_mtime

    def orders_to_the_neighbour(self, host):
        with open(self._path(host.kind, host.case + "-neighbour", "orders")) as f:
            return f.read()


def hang(host):
    """Its nova-compute is not heard any more; whether the host is dead, nobody can tell."""
    host.send(signal.SIGSTOP)


def lose_power(host):
    cloud.kill(host.name)
