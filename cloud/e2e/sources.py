"""Those who know which hosts are dead, real ones, as monitor/tests has them, with the cloud's hosts as theirs.

Each begins with `begin`, and what it began ends with `ends`. HOST ends without a word (`dies`), or goes out of service as planned
(`goes`). `sections` are for the file of the monitor.
"""
import contextlib
import ctypes
import importlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET

import cloud
from monitors import PROGRAM
from scene import HOST, until

TESTS = os.path.join(cloud.HERE, "..", "monitor", "tests")
CLONE_NEWNET = 0x40000000


def part(name, module):
    """A module of one of their suites."""
    sys.path.append(os.path.join(TESTS, name))
    return importlib.import_module(module)


def installed(name, **settings):
    """What the suite's `install` prints, by lines."""
    done = subprocess.run([os.path.join(TESTS, name, "install")], stdout=subprocess.PIPE, text=True, check=True, timeout=1200,
                          env=dict(os.environ, **settings))
    return done.stdout.split("\n")


class Source:
    # Where the monitor runs, and by which command.
    hostname, within = "watcher", ()

    def __init__(self, folder, hosts):
        self.folder, self.hosts, self.ends = folder, hosts, contextlib.ExitStack()

    def path(self, name):
        return os.path.join(self.folder, name)


class Kubernetes(Source):
    """kube-apiserver and the node lifecycle controller, on etcd."""

    def begin(self):
        cluster = part("kubernetes", "cluster")
        [servers, *_] = installed("kubernetes")
        self.out_of_service = cluster.OUT_OF_SERVICE
        [[key, value]] = cluster.LABEL.items()
        self.cluster = cluster.Cluster(servers, self.path("cluster"))
        self.ends.callback(self.cluster.stop)
        self.cluster.start()
        self.cluster.apply(os.path.join(cloud.HERE, "..", "packaging", "kubernetes", "masakari-hostmonitor.yaml"))
        self.cluster.add(*self.hosts)
        until("all nodes are ready", lambda: all(self.cluster.ready(host) == "True" for host in self.hosts), 30)
        self.cluster.kubeconfig(self.path("kubeconfig"), "{token: %s}" % self.cluster.token())
        self.sections = "\n".join(["[host]", "monitoring_driver = kubernetes", "monitoring_interval = 10", "[kubernetes]",
                                   "monitoring_node_labels = %s=%s" % (key, value), "kubeconfig = " + self.path("kubeconfig")])

    def dies(self):
        self.cluster.kill(HOST)

    def is_switched_off_says_a_person(self):
        self.cluster.taint(HOST, self.out_of_service)

    def goes(self):
        """`kubectl cordon`"""
        self.cluster.merge("/api/v1/nodes/" + HOST, {"spec": {"unschedulable": True}})


class Consul(Source):
    """Members of three networks, Serf's where there is no Consul."""

    def begin(self):
        self.parts = part("consul", "networks")
        [os.environ["SERF"], *_] = installed("consul")
        os.environ.setdefault("CONSUL", shutil.which("consul") or "")
        self.networks = {name: self.parts.Network(name, self.folder) for name in self.parts.NETWORKS}
        for network in self.networks.values():
            self.ends.callback(network.stop)
        self.parts.start(self.networks.values(), self.hosts)
        self.sections = "\n".join(["[host]", "monitoring_driver = consul", "monitoring_interval = 10", "[consul]", self.parts.AGENTS])

    def dies(self):
        for network in self.networks.values():
            network.kill(HOST)

    def goes(self):
        """`consul leave`"""
        for network in self.networks.values():
            network.leave(HOST)
            self.parts.await_status(network, HOST, self.parts.LEFT)


class Lease(Source):
    """Three members of etcd, and HOST itself: a guest of QEMU with a watchdog and the agent."""

    def begin(self):
        [made, *_] = installed("lease")
        os.environ.update(MADE=made, WORK=self.folder, MASAKARI=os.path.realpath(PROGRAM), LEASE_HOST=HOST)
        self.parts = part("lease", "scenes")
        # It is read once, and each case has a folder of its own.
        self.parts.WORK = self.folder
        self.rig = self.parts.Rig()
        self.ends.callback(self.rig.end)
        self.rig.begin()
        self.sections = "\n".join(["[host]", "monitoring_driver = lease", "monitoring_interval = 10", self.parts.lease("127.0.0.1", self.rig.keys)])

    def dies(self):
        """Its kernel panics, and hangs."""
        self.rig.host.does("echo c > /proc/sysrq-trigger", answers=False)

    def reset_at(self):
        """When its watchdog had reset it, by the wall clock."""
        reset_ms = self.rig.host.reset_ms(60)
        return time.time() - (self.parts.now_ms() - reset_ms) / 1000

    def goes(self):
        """`systemctl stop masakari-lease`"""
        self.rig.host.does("touch /run/no-agent; kill $(pidof masakari)")
        until("it is given back", lambda: self.rig.key().get("stage") == "left", 20)


class Pacemaker(Source):
    """Three members and HOST as a remote, on Corosync, each in namespaces of its own; the monitor is on the first member."""

    hostname = member = "ctl1"
    script = os.path.join(TESTS, "pacemaker", "cluster")

    def begin(self):
        [remoted, *_] = installed("pacemaker", BESIDE_PYTHON="no")
        # Another cluster may be on this machine.
        self.prefix = "mh%03d" % secrets.randbelow(1000)
        # Its daemons are no root, and enter it.
        os.chmod(self.folder, 0o755)
        self.settings = dict(os.environ, STATE=self.path("pacemaker"), REMOTED=remoted, PFX=self.prefix, MASAKARI=os.path.realpath(PROGRAM),
                             CTL="ctl1 ctl2 ctl3", CMP=HOST, ALERT="yes")
        os.mkdir(self.settings["STATE"])
        self.ends.callback(self.cluster, "down")
        self.cluster("up")
        # A remote that is lost while its connection starts is not fenced.
        time.sleep(8)
        for port in ("KEYSTONE", "MASAKARI"):
            door("/run/netns/%s-%s" % (self.prefix, self.member), int(cloud.CFG["PORT_" + port]))
        self.within = ("env", *("%s=%s" % (name, self.settings[name]) for name in ("STATE", "PFX")), self.script, "exec", self.member)
        self.sections = "\n".join(["[host]", "monitoring_driver = pacemaker", "monitoring_interval = 10", "disable_ipmi_check = true"])

    def cluster(self, *words):
        done = subprocess.run([self.script, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=300, env=self.settings)
        if done.returncode:
            raise AssertionError("`cluster %s`: %s" % (" ".join(words), done.stdout))
        return done.stdout

    def dies(self):
        """Its cable first: who is cut off says nothing, not even that his connections end."""
        self.cluster("cut", HOST)
        self.cluster("off", HOST)

    def goes(self):
        """`pcs node standby`"""
        self.cluster("exec", self.member, "crm_attribute", "--node", HOST, "--name", "standby", "--update", "on")
        until("it is in standby", lambda: self.node().get("standby") == "true", 30)

    def node(self):
        """HOST, as `crm_mon` has it."""
        told = self.cluster("exec", self.member, "timeout", "10", "crm_mon", "--output-as=xml")
        [found] = [node.attrib for node in ET.fromstring(told).findall("./nodes/node") if node.get("name") == HOST]
        return found


def door(namespace, port):
    """Who connects to this port in that network's loopback is connected to it here, for as long as this program runs."""
    made = []

    def listen():
        # Of this thread alone, which ends.
        with open(namespace) as there:
            if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns " + namespace)
        made.append(socket.create_server((cloud.ADDR, port)))

    def accept(listener):
        while True:
            there, _ = listener.accept()
            here = socket.create_connection((cloud.ADDR, port))
            for one, other in ((there, here), (here, there)):
                threading.Thread(target=pass_on, args=(one, other), daemon=True).start()

    listening = threading.Thread(target=listen)
    listening.start()
    listening.join()
    [listener] = made
    threading.Thread(target=accept, args=(listener,), daemon=True).start()


def pass_on(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (one, other):
            end.close()
