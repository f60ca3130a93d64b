"""Scenes of a host that loses its lease, on real parts. Run by `run`, which says what is there.

Every moment is of this machine's CLOCK_BOOTTIME: a reset is dated when QEMU's event is read, which is later than it was, and
a proof when the look began that proved it, or when the API had the report of it. So a proof that is later than the reset is later in truth.
"""
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "masakari"))
from false_api import Masakari  # noqa: E402

MADE, WORK, MASAKARI = (os.environ[name] for name in ("MADE", "WORK", "MASAKARI"))
# What the host is called.
HOST = os.environ.get("LEASE_HOST", "cmp1")
# Seconds: proof after (8 + 2 * 4 + 2) * 33/32 = 18.6.
RENEW, TERM, WATCHDOG = 2, 8, 4
PROOF_MS = 18_563
PORTS = (12379, 22379, 32379)
CONFIG = """[DEFAULT]
hostname = {name}
state_path = {state}
[api]
auth_type = none
endpoint = {api}
[host]
monitoring_driver = lease
{lease}"""
LEASE = """[lease]
endpoints = {endpoints}
cafile = {pki}/ca.pem
certfile = {pki}/client.pem
keyfile = {pki}/client.key
renew_every = %d
term = %d
watchdog_timeout = %d
boots_in = 5
""" % (RENEW, TERM, WATCHDOG)


def now_ms():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def wait(what, seconds, found):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def run(*words):
    subprocess.run(words, check=True, capture_output=True)


def pki(folder):
    """An authority, a certificate of all members, one of the agents and observers."""
    os.makedirs(folder)
    at = lambda name: os.path.join(folder, name)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("openssl", "req", "-x509", *key, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "30", "-subj", "/CN=ca")
    for name, more in (("member", "subjectAltName=IP:127.0.0.1,IP:10.0.2.2\n"), ("client", "")):
        with open(at(name + ".ext"), "w") as ext:
            ext.write(more + "extendedKeyUsage=serverAuth,clientAuth\n")
        run("openssl", "req", *key, "-keyout", at(name + ".key"), "-out", at(name + ".csr"), "-subj", "/CN=" + name)
        run("openssl", "x509", "-req", "-in", at(name + ".csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"),
            "-CAcreateserial", "-days", "30", "-extfile", at(name + ".ext"), "-out", at(name + ".pem"))


class Etcd:
    """Three members, with certificates on both sides."""

    def __init__(self, keys):
        self.keys, self.members = keys, {}
        for number in range(3):
            self.start(number)

    def start(self, number):
        port, keys = PORTS[number], self.keys
        cluster = ",".join(f"m{n}=http://127.0.0.1:{p + 1}" for n, p in enumerate(PORTS))
        log = open(os.path.join(WORK, f"etcd{number}.log"), "a")
        # As a sleeping machine would: leaders are elected in about a second.
        self.members[number] = subprocess.Popen([
            os.path.join(MADE, "etcd/usr/bin/etcd"), "--name", f"m{number}",
            "--data-dir", os.path.join(WORK, f"etcd{number}"), "--unsafe-no-fsync",
            "--listen-client-urls", f"https://127.0.0.1:{port}", "--advertise-client-urls", f"https://127.0.0.1:{port}",
            "--listen-peer-urls", f"http://127.0.0.1:{port + 1}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{port + 1}",
            "--initial-cluster", cluster, "--initial-cluster-state", "new",
            "--client-cert-auth", "--trusted-ca-file", f"{keys}/ca.pem",
            "--cert-file", f"{keys}/member.pem", "--key-file", f"{keys}/member.key",
        ], stdout=log, stderr=log)

    def ask(self, number, path, body):
        words = ["curl", "-s", "-m", "2", "--cacert", f"{self.keys}/ca.pem", "--cert", f"{self.keys}/client.pem",
                 "--key", f"{self.keys}/client.key", "-d", json.dumps(body), f"https://127.0.0.1:{PORTS[number]}{path}"]
        said = subprocess.run(words, capture_output=True).stdout
        try:
            return json.loads(said)
        except ValueError:
            return {}

    def leader(self):
        for number in self.members:
            status = self.ask(number, "/v3/maintenance/status", {})
            if status.get("leader") and status["leader"] == status["header"]["member_id"]:
                return number
        return None

    def signal(self, which, signals):
        for number in which:
            self.members[number].send_signal(signals)

    def kill(self, number):
        self.members[number].kill()
        self.members[number].wait()

    def end(self):
        for number in self.members:
            self.kill(number)


class Host:
    """The guest, with QEMU's word on what becomes of it."""

    def __init__(self, nowayout=1):
        paths = {name: os.path.join(WORK, name + ".sock") for name in ("qmp", "port")}
        for path in paths.values():
            if os.path.exists(path):
                os.remove(path)
        self.console = os.path.join(WORK, "console.log")
        self.resets, self.replies = queue.Queue(), queue.Queue()
        self.qemu = subprocess.Popen([
            "qemu-system-x86_64", "-M", "pc", "-cpu", "max", "-m", "768", "-nographic", "-nodefaults",
            "-kernel", f"{MADE}/vmlinux", "-initrd", f"{WORK}/initrd",
            "-append", f"console=ttyS0 quiet loglevel=4 panic=0 nowayout={nowayout}",
            "-netdev", "user,id=net0", "-device", "e1000,netdev=net0,id=nic0",
            "-device", "i6300esb", "-action", "watchdog=reset",
            "-chardev", f"file,id=c0,path={self.console}", "-serial", "chardev:c0",
            "-chardev", f"socket,id=c1,path={paths['port']},server=on,wait=off", "-serial", "chardev:c1",
            "-qmp", f"unix:{paths['qmp']},server=on,wait=off",
        ], stdout=subprocess.DEVNULL, stderr=open(os.path.join(WORK, "qemu.log"), "a"))
        self.qmp = self.connect(paths["qmp"])
        self.port = self.connect(paths["port"])
        threading.Thread(target=self.hear, daemon=True).start()
        self.qmp.sendall(b'{"execute":"qmp_capabilities"}\n')

    def connect(self, path):
        def one():
            if self.qemu.poll() is not None:
                raise AssertionError("QEMU does not run: " + open(os.path.join(WORK, "qemu.log")).read()[-500:])
            end = socket.socket(socket.AF_UNIX)
            try:
                end.connect(path)
                return end
            except OSError:
                end.close()
        return wait(path, 30, one)

    def hear(self):
        for line in self.qmp.makefile():
            said = json.loads(line)
            if said.get("event") == "RESET":
                self.resets.put(now_ms())
            elif "return" in said or "error" in said:
                self.replies.put(said)

    def command(self, execute, **arguments):
        self.qmp.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")

    def does(self, line, answers=True):
        """Has the guest run a line."""
        self.port.sendall(line.encode() + b"\n")
        if not answers:
            return ""
        self.port.settimeout(20)
        said = b""
        while b"\n" not in said[said.find(b"DONE"):] or b"DONE" not in said:
            said += self.port.recv(4096)
        return said.decode(errors="replace")

    def reset_ms(self, seconds):
        """When it was reset. QEMU tells of one more than once."""
        at = self.resets.get(timeout=seconds)
        time.sleep(1)
        while not self.resets.empty():
            self.resets.get()
        return at

    def end(self):
        self.qemu.kill()
        self.qemu.wait()


class Watcher:
    """`masakari leases --follow`: one line for each change."""

    def __init__(self, config):
        words = [MASAKARI, "leases", "--follow", "--json", "--seconds", "86400", "--config-file", config]
        errors = open(os.path.join(WORK, "leases.log"), "a")
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.lines = []
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def last(self):
        return self.lines[-1] if self.lines else {}

    def says(self, standing, seconds, after=0):
        said = lambda: [one for one in self.lines[after:] if one["standing"] == standing]
        return wait(f"{standing!r} in {[one['standing'] for one in self.lines[after:]]}", seconds, said)[0]


class Monitor:
    """masakari-hostmonitor with the driver `lease`, on a host that is not watched, and an API that takes what it says."""

    def __init__(self, config, api):
        self.api, self.told = api, (0, 0)
        log = open(os.path.join(WORK, "hostmonitor.log"), "a")
        self.process = subprocess.Popen([MASAKARI, "hostmonitor", "--config-file", config], stdout=log, stderr=log)

    def said(self):
        """What it has said since it was last forgotten: when, and `STOPPED`, `STARTED` or the kind of evidence."""
        # The false API dates by the wall clock.
        behind_ms = time.time() * 1000 - now_ms()
        reports, proofs = self.api.hosts()[self.told[0]:], self.api.proofs()[self.told[1]:]
        return sorted((int(at * 1000 - behind_ms), word) for at, host, word in reports + proofs if host == HOST)

    def forget(self):
        self.told = len(self.api.posts), len(self.api.evidence)

    def says(self, words, seconds):
        """These, each once, and nothing else; what is returned is when each was."""
        until = time.monotonic() + seconds
        while len(self.said()) < len(words) and time.monotonic() < until:
            time.sleep(0.05)
        said = self.said()
        assert sorted(word for _, word in said) == sorted(words), f"{said}, and not {words}"
        return {word: at for at, word in said}


class Rig:
    """Three members of etcd, and the host."""

    def __init__(self):
        self.keys, self.etcd, self.host = os.path.join(WORK, "pki"), None, None

    def begin(self):
        pki(self.keys)
        self.etcd = Etcd(self.keys)
        wait("a leader of etcd", 30, lambda: self.etcd.leader() is not None)
        initrd(self.keys)
        self.look_on()
        self.host = Host()
        self.held()
        return self

    def look_on(self):
        """Whoever looks on does so before the host is there."""

    def end(self):
        for one in (self.host, self.etcd):
            if one:
                one.end()

    def key(self):
        """The lease as it stands."""
        import base64
        key = base64.b64encode(f"/masakari/lease/{HOST}".encode()).decode()
        for number in range(3):
            kvs = self.etcd.ask(number, "/v3/kv/range", {"key": key}).get("kvs")
            if kvs:
                return json.loads(base64.b64decode(kvs[0]["value"]))
        return {}

    def held(self):
        """Until the host's present run is under its watchdog, and has been seen to renew."""
        was = None
        def twice():
            nonlocal was
            lease = self.key()
            if lease.get("stage") != "held":
                return False
            was = was or lease["beat"]
            return lease["beat"] >= was + 3
        wait("the lease is held and renewed; " + tail(os.path.join(WORK, "console.log")), 180, twice)
        assert self.host.resets.empty(), "it was reset before anything was done to it"


class World(Rig):
    """The host, and who looks on from the beginning."""

    def look_on(self):
        config, api = os.path.join(WORK, "observer.conf"), Masakari()
        write(config, CONFIG.format(name="watcher", state=WORK, api=api.endpoint, lease=lease("127.0.0.1", self.keys)))
        self.watcher, self.monitor = Watcher(config), Monitor(config, api)

    def dies(self, seconds=60):
        """The host is reset, and only then dead: to who looks on, and to the API, with the proof."""
        begun, from_line = now_ms(), len(self.watcher.lines)
        reset = self.host.reset_ms(seconds)
        dead = self.watcher.says("dead", seconds, from_line)
        assert dead["asked_boot_ms"] > reset, f"dead at {dead['asked_boot_ms']}, reset at {reset}: {dead}"
        told = self.monitor.says(["STOPPED", "lease_expired"], 10)
        assert min(told.values()) > reset, f"reset at {reset}, and told the API: {told}"
        return {"reset_after_ms": reset - begun, "proof_after_reset_ms": dead["asked_boot_ms"] - reset,
                "proof_after_ms": dead["asked_boot_ms"] - begun, "evidence_at": dead["evidence_at"],
                "report_after_reset_ms": told["STOPPED"] - reset, "evidence_after_reset_ms": told["lease_expired"] - reset}

    def lives(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.host.resets.empty(), "it was reset for nothing"
            assert self.watcher.last().get("standing") == "lives", self.watcher.last()
            assert not self.monitor.said(), self.monitor.said()
            time.sleep(0.2)
        return {}

    def back(self, was_dead):
        """It holds its lease again, and the API knows, if it was told of its death."""
        self.held()
        if was_dead:
            self.monitor.says(["STOPPED", "lease_expired", "STARTED"], 10)
        else:
            assert not self.monitor.said(), self.monitor.said()
        self.monitor.forget()


def tail(path):
    try:
        return open(path, errors="replace").read()[-600:]
    except OSError:
        return ""


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def lease(address, pki):
    """The section of a file, for who reaches etcd at `address`."""
    return LEASE.format(endpoints=",".join(f"https://{address}:{port}" for port in PORTS), pki=pki)


def initrd(keys):
    """The guest, and behind it the program with its libraries and its configuration."""
    root = os.path.join(WORK, "r")
    for folder in ("bin", "etc/pki", "etc/ssl/certs"):
        os.makedirs(os.path.join(root, folder))
    run("strip", "-s", MASAKARI, "-o", os.path.join(root, "bin/masakari"))
    linked = subprocess.run(["ldd", MASAKARI], capture_output=True, text=True, check=True).stdout
    for path in re.findall(r"(/\S+)", linked):
        target = root + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.realpath(path), target)
    for name in ("ca.pem", "client.pem", "client.key"):
        shutil.copy(os.path.join(keys, name), os.path.join(root, "etc/pki"))
    # The system's authorities, without which there is no client.
    shutil.copy(os.path.join(keys, "ca.pem"), os.path.join(root, "etc/ssl/certs/ca-certificates.crt"))
    write(os.path.join(root, "etc/lease.conf"),
          CONFIG.format(name=HOST, state="/var/lib/masakari", api="http://127.0.0.1:9/v1", lease=lease("10.0.2.2", "/etc/pki")))
    with open(os.path.join(WORK, "initrd"), "wb") as out:
        with open(os.path.join(MADE, "base.cpio"), "rb") as base:
            shutil.copyfileobj(base, out)
        out.flush()
        subprocess.run(f"cd {root} && find . | cpio -o -H newc --quiet", shell=True, stdout=out, check=True)


# What befalls a host, and what must come of it.

def cut(world):
    """Its network is cut."""
    world.host.command("set_link", name="nic0", up=False)
    came = world.dies()
    world.host.command("set_link", name="nic0", up=True)
    return came


def stopped(world):
    """Its agent is stopped (SIGSTOP)."""
    world.host.does("kill -STOP $(pidof masakari)")
    return world.dies()


def killed(world):
    """Its agent is killed, and nobody begins it again."""
    world.host.does("touch /run/no-agent; kill -9 $(pidof masakari)")
    return world.dies()


def panics(world):
    """Its kernel panics, and hangs."""
    world.host.does("echo c > /proc/sysrq-trigger", answers=False)
    return world.dies()


def etcd_stands_still(world):
    """All members stand still for longer than the host lives without them, and go on."""
    begun, from_line = now_ms(), len(world.watcher.lines)
    world.etcd.signal(range(3), signal.SIGSTOP)
    reset = world.host.reset_ms(60)
    time.sleep(10)
    said = [one["standing"] for one in world.watcher.lines[from_line:]]
    world.etcd.signal(range(3), signal.SIGCONT)
    assert "dead" not in said, said
    # The next run waits until the former one is over, as whoever watches does.
    world.held()
    dead = [one for one in world.watcher.lines[from_line:] if one["standing"] == "dead"]
    assert all(one["asked_boot_ms"] > reset for one in dead), dead
    told = world.monitor.said()
    assert all(at > reset for at, _ in told), f"reset at {reset}, and told the API: {told}"
    # Who looks on may see the old lease for long enough, or only the new one.
    if told:
        world.monitor.says(["STOPPED", "lease_expired", "STARTED"], 10)
    world.monitor.forget()
    return {"reset_after_ms": reset - begun, "was_told": bool(told)}


def begun_again(world):
    """Its agent is killed again and again, and begun again each time."""
    for _ in range(5):
        world.host.does("kill -9 $(pidof masakari)")
        world.lives(4)
    return {}


def leader_killed(world):
    """The leader of etcd is killed, and comes back."""
    leader = world.etcd.leader()
    world.etcd.kill(leader)
    came = world.lives(12)
    world.etcd.start(leader)
    world.lives(5)
    return came


def etcd_restarted(world):
    """Every member of etcd is killed at once, and begun again."""
    for number in range(3):
        world.etcd.kill(number)
    for number in range(3):
        world.etcd.start(number)
    return world.lives(15)


def leader_paused(world):
    """The leader stands still, another is elected, and the old one goes on."""
    leader = world.etcd.leader()
    world.etcd.signal([leader], signal.SIGSTOP)
    world.lives(10)
    world.etcd.signal([leader], signal.SIGCONT)
    return world.lives(8)


def given_back(world):
    """Its agent ends in peace: nobody is reset, and nobody takes it for dead."""
    world.host.does("touch /run/no-agent; kill $(pidof masakari)")
    world.watcher.says("given back", 20)
    time.sleep(TERM + 2 * WATCHDOG)
    assert world.host.resets.empty(), "it was reset"
    assert world.watcher.last()["standing"] == "given back", world.watcher.last()
    assert not world.monitor.said(), world.monitor.said()
    world.host.does("rm /run/no-agent")
    world.held()
    return {}


DEATHS = [cut, stopped, killed, panics, etcd_stands_still]
SCENES = [begun_again, leader_killed, cut, leader_paused, stopped, etcd_restarted, killed, given_back, panics, etcd_stands_still]


def chosen(words):
    count, begin = os.environ.get("SCENES"), int(os.environ.get("FROM", "0"))
    if words:
        return [next(scene for scene in SCENES if scene.__name__ == word) for word in words]
    if count is None:
        return SCENES
    # So many deaths.
    return [DEATHS[(begin + n) % len(DEATHS)] for n in range(int(count))]


def main():
    world, passed, failed = World().begin(), 0, 0
    for number, scene in enumerate(chosen(sys.argv[1:]), int(os.environ.get("FROM", "0"))):
        begun = time.monotonic()
        try:
            came = scene(world)
            world.back("proof_after_ms" in came)
            passed += 1
            print(f"ok   {scene.__name__}: {scene.__doc__} {json.dumps(came)} ({time.monotonic() - begun:.0f} s)", flush=True)
            print("RUN " + json.dumps({"scene": scene.__name__, "n": number, **came, "outcome": "finished"}), flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL {scene.__name__}: {scene.__doc__} {error!r}", flush=True)
            print("RUN " + json.dumps({"scene": scene.__name__, "n": number, "outcome": "FAILED"}), flush=True)
            for name in ("console.log", "leases.log", "hostmonitor.log", "qemu.log"):
                print(f"--- {name}\n{tail(os.path.join(WORK, name))}", flush=True)
            print(f"--- leases\n{world.watcher.lines[-8:]}", flush=True)
            break
    world.end()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
