"""The test cloud as Python sees it: a REST client for Keystone, Nova and both Masakaris, and hold of
the cloud's own processes (by the process ids that the scripts left in run/, never by name).

Needs `requests` and `pymysql`. Settings come from $CLOUD_DIR/cloud.env, which `up` wrote.
"""
import collections
import datetime
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time

import pymysql
import requests

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("MASAKARI_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "masakari-rs")
CLOUD_DIR = os.environ.get("CLOUD_DIR", os.path.join(CACHE, "cloud"))


def settings():
    out = {}
    try:
        with open(os.path.join(CLOUD_DIR, "cloud.env")) as f:
            for line in f:
                k, _, v = line.strip().partition("=")
                out[k] = "".join(shlex.split(v))
    except FileNotFoundError:
        pass
    return {k: os.environ.get(k, v) for k, v in out.items()}


CFG = settings()
ADDR = CFG.get("CLOUD_ADDR", "127.0.0.1")
NOVA_MICROVERSION = "2.90"


def moment(iso):
    """Seconds since 1970 of a time as the APIs write it."""
    return datetime.datetime.fromisoformat(iso.rstrip("Z")).replace(tzinfo=datetime.timezone.utc).timestamp()


def base(port_key, path=""):
    return "http://%s:%s%s" % (ADDR, CFG.get("PORT_" + port_key), path)


class Client:
    """A user's REST client; thread-safe enough for parallel requests."""

    def __init__(self, user="admin", project="admin"):
        self.token = self.project_id = None
        self._tls = threading.local()
        self._login(user, project)

    def _login(self, user, project):
        domain = {"name": "Default"}
        r = requests.post(base("KEYSTONE", "/v3/auth/tokens"), json={"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": user, "password": CFG["CLOUD_PASSWORD"], "domain": domain}}},
            "scope": {"project": {"name": project, "domain": domain}}}}, timeout=60)
        r.raise_for_status()
        self.token = r.headers["X-Subject-Token"]
        self.project_id = r.json()["token"]["project"]["id"]

    def call(self, method, url, body=None, version=None, ok=True, timeout=300, **kw):
        """With `ok`, an answer of 400 and above is an exception."""
        if not hasattr(self._tls, "session"):
            self._tls.session = requests.Session()
        headers = {"X-Auth-Token": self.token, "Accept": "application/json",
                   **kw.pop("headers", {})}
        if version:
            headers["OpenStack-API-Version"] = version
        r = self._tls.session.request(method, url, json=body, headers=headers, timeout=timeout, **kw)
        if ok and r.status_code >= 400:
            raise RuntimeError("%s %s -> %d %s" % (method, url, r.status_code, r.text[:500]))
        return r

    # ------------------------------------------------------------- nova
    def nova(self, method, path, body=None, mv=NOVA_MICROVERSION, **kw):
        return self.call(method, base("NOVA", "/v2.1" + path), body, "compute " + mv, **kw)

    def servers(self, detail=False, **filters):
        """All servers that match the filters, page by page to the end."""
        out, query = [], dict(filters, all_tenants="true", limit="1000")
        while True:
            r = self.nova("GET", "/servers%s" % ("/detail" if detail else ""), params=query)
            page = r.json()["servers"]
            out += page
            if len(page) < 1000:
                return out
            query["marker"] = page[-1]["id"]

    def server(self, server_id):
        return self.nova("GET", "/servers/" + server_id).json()["server"]

    def action(self, server_id, action, argument=None, mv=NOVA_MICROVERSION):
        return self.nova("POST", "/servers/%s/action" % server_id, {action: argument}, mv=mv)

    def stop(self, ids, timeout=60):
        """Stop these servers, and wait until they are."""
        for i in ids:
            self.action(i, "os-stop")
        deadline = time.time() + timeout
        while {s["status"] for s in self.servers(detail=True) if s["id"] in ids} != {"SHUTOFF"}:
            if time.time() > deadline:
                raise RuntimeError("servers do not stop")
            time.sleep(0.2)

    def instance_actions(self, server_id):
        r = self.nova("GET", "/servers/%s/os-instance-actions" % server_id)
        return r.json()["instanceActions"]

    def service(self, host):
        r = self.nova("GET", "/os-services", params={"binary": "nova-compute", "host": host})
        found = r.json()["services"]
        return found[0] if found else None

    def update_service(self, host, **body):
        return self.nova("PUT", "/os-services/" + self.service(host)["id"], body)

    def boot(self, count, host, name="vm", flavor="tiny", metadata=None, **more):
        """COUNT servers on HOST, ACTIVE; their ids."""
        if metadata:
            more["metadata"] = metadata
        return self.boot_on({host: count}, name, flavor, **more)[host]

    def boot_on(self, counts, name="vm", flavor="tiny", hints=None, **more):
        """So many servers on each of these hosts, ACTIVE; the ids by host. `hints` are for the scheduler."""
        flavors = self.nova("GET", "/flavors").json()["flavors"]
        flavor_id = [f["id"] for f in flavors if f["name"] == flavor][0]
        image = self.call("GET", base("GLANCE", "/v2/images"), params={"name": "tiny"}
                          ).json()["images"][0]["id"]
        before = {s["id"] for s in self.servers()}
        for host, left in counts.items():
            while left:
                n = min(left, 50)
                self.nova("POST", "/servers", {"server": {
                    "name": name, "flavorRef": flavor_id, "imageRef": image, "networks": "none",
                    "min_count": n, "max_count": n, "host": host, **more},
                    **({"os:scheduler_hints": hints} if hints else {})})
                left -= n
        count = sum(counts.values())
        deadline = time.time() + 120 + 2 * count
        while time.time() < deadline:
            new = [s for s in self.servers(detail=True) if s["id"] not in before]
            bad = [s for s in new if s["status"] == "ERROR"]
            if bad:
                raise RuntimeError("server in ERROR: %s" % bad[0].get("fault"))
            if len(new) >= count and all(s["status"] == "ACTIVE" for s in new):
                return {host: [s["id"] for s in new if s["OS-EXT-SRV-ATTR:host"] == host]
                        for host in counts}
            time.sleep(0.5)
        raise RuntimeError("%d servers are not ACTIVE on %s" % (count, ", ".join(counts)))

    def delete_all_servers(self, timeout=300):
        t0 = time.time()
        forced = 0
        for s in self.servers():
            self.nova("DELETE", "/servers/" + s["id"], ok=False)
        while True:
            left = self.servers()
            if not left:
                return
            waited = time.time() - t0
            if waited > timeout:
                raise RuntimeError("%d servers cannot be deleted" % len(left))
            if waited > 30 * (forced + 1):       # locked, or in the middle of a task
                forced += 1
                for s in left:
                    path = "/servers/%s/action" % s["id"]
                    self.nova("POST", path, {"os-resetState": {"state": "error"}}, ok=False)
                    self.nova("POST", path, {"forceDelete": None}, ok=False)
            time.sleep(0.5)

    def evacuations(self, host, statuses=("accepted", "pre-migrating", "done")):
        """Evacuations away from HOST that its nova-compute has not cleaned up."""
        r = self.nova("GET", "/os-migrations", params={
            "source_compute": host, "migration_type": "evacuation"})
        return [m for m in r.json()["migrations"] if m["status"] in statuses]

    # --------------------------------------------------------- masakari
    def masakari(self, method, path, body=None, mv="1.3", **kw):
        return self.call(method, base("MASAKARI", "/v1" + path), body, "instance-ha " + mv, **kw)


# ------------------------------------------------------------- the cloud's own processes
def _pidfile(name):
    return os.path.join(CLOUD_DIR, "run", name + ".pid")


def pid(name):
    try:
        with open(_pidfile(name)) as f:
            p = int(f.read())
        os.kill(p, 0)
        return None if _is_zombie(p) else p
    except (OSError, ValueError):
        return None


def _is_zombie(p):
    with open("/proc/%d/stat" % p) as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "Z"


def send_signal(name, number):
    """Signal the whole group of a process that the scripts started."""
    p = pid(name)
    if p is None:
        raise RuntimeError("%s does not run" % name)
    os.killpg(p, number)
    return p


def kill(name):
    """SIGKILL, and wait until it is gone. For a compute that is a host failure."""
    send_signal(name, signal.SIGKILL)
    deadline = time.time() + 30
    while pid(name) is not None:
        if time.time() > deadline:
            raise RuntimeError("%s survives SIGKILL" % name)
        time.sleep(0.02)
    os.unlink(_pidfile(name))


def script(name, *args, **env):
    """Run one of the scripts beside this file; what it says goes to log/scripts.log."""
    _run([os.path.join(HERE, name), *args], env)


def shell(text, *args):
    """Run a line of bash with lib.sh's functions."""
    _run(["bash", "-eu", "-c", '. "$0/lib.sh"; ' + text, HERE, *args], {})


def _run(words, env):
    path = os.path.join(CLOUD_DIR, "log", "scripts.log")
    with open(path, "a") as log:
        done = subprocess.run(words, stdout=log, stderr=log, env=dict(
            os.environ, CLOUD_DIR=CLOUD_DIR, **env))
    if done.returncode:
        with open(path) as log:
            raise RuntimeError("%s failed: %s" % (words, "".join(log.readlines()[-10:])))


def revive(client, host, timeout=120):
    """Bring a failed compute back: start it, take `forced_down` away, enable it."""
    if pid(host) is None:
        # Its last heartbeat may still make the dead service look up, and Nova would place servers
        # on it: wait until the new process has started.
        log = os.path.join(CLOUD_DIR, "log", host + ".log")
        size = os.path.getsize(log) if os.path.exists(log) else 0
        shell('start_compute "$1"', str(int(host.removeprefix("compute"))))
        t0 = time.time()
        while time.time() - t0 < timeout:
            with open(log, "rb") as f:
                f.seek(size)
                if b"update_resources thread pool" in f.read():
                    break
            time.sleep(0.2)
        time.sleep(float(CFG["CLOUD_REPORT_INTERVAL"]))
    t0 = again_at = time.time()
    while True:
        s = client.service(host)
        if time.time() - again_at > 20 and client.evacuations(host):
            # Of several records of a server each start of nova-compute completes one.
            shell('stop "$1"; start_compute "$2"', host, str(int(host.removeprefix("compute"))))
            again_at = time.time()
        elif s["forced_down"]:
            # Nova answers 400 until the restarted compute has cleaned up after the evacuations
            # (their migrations go from `done` to `completed`): try again.
            client.nova("PUT", "/os-services/" + s["id"], {"forced_down": False}, ok=False)
        elif s["state"] == "up" and s["status"] != "enabled":
            # Only once it is up: Nova does not tell a compute that is down, whose
            # COMPUTE_STATUS_DISABLED trait then keeps the scheduler away.
            client.nova("PUT", "/os-services/" + s["id"], {"status": "enabled"})
        elif s["state"] == "up" and not client.evacuations(host):
            return
        if time.time() - t0 > timeout:
            raise RuntimeError("%s does not come up: %s" % (host, s))
        time.sleep(0.5)


def remove_hosts(client, hosts):
    """Hosts that were started beside the cloud's own (nova_computes.py), and all servers, are gone for good."""
    services = [client.service(host) for host in hosts]
    for host in hosts:
        if pid(host) is not None:
            kill(host)
    for service in filter(None, services):
        # Or a server would be deleted by its host.
        client.nova("PUT", "/os-services/" + service["id"], {"forced_down": True})
    client.delete_all_servers()
    for service in filter(None, services):
        client.nova("DELETE", "/os-services/" + service["id"])
    for host in hosts:
        shutil.rmtree(os.path.join(CLOUD_DIR, "state", host), ignore_errors=True)


def wait_until_down(client, host, timeout=60):
    """Until Nova itself says that HOST is down, by its heartbeat."""
    deadline = time.time() + timeout
    while client.service(host)["state"] != "down":
        if time.time() > deadline:
            raise RuntimeError("Nova takes %s for alive after %d s" % (host, timeout))
        time.sleep(0.2)


_REQUEST = re.compile(r"^(\d{13}) (\S+) (\S+) (\d{3}) (\d+)$")
_ACTION = re.compile(r"/servers/([0-9a-f-]{36})/action")


class Requests:
    """What a service was asked since this was made, by its own request log, to the millisecond."""

    def __init__(self, service):
        self._path = os.path.join(CLOUD_DIR, "log", service + ".log")
        self._from = os.path.getsize(self._path)

    def __iter__(self):
        """(time, method, path, status) of each request that was answered."""
        with open(self._path, errors="replace") as f:
            f.seek(self._from)
            for line in f:
                m = _REQUEST.match(line)
                if m:
                    yield int(m[1]) / 1000, m[2], m[3], int(m[4])


class KeystoneRequests(Requests):
    def __init__(self):
        super().__init__("keystone")

    def logins(self):
        """When somebody logged in."""
        return [at for at, method, path, _ in self
                if method == "POST" and path.endswith("/auth/tokens")]


class NovaRequests(Requests):
    def __init__(self):
        super().__init__("nova-api")

    def actions(self):
        """(time, server) of each action on a server that was asked for, whatever Nova answered."""
        return [(at, _ACTION.search(path)[1]) for at, method, path, _ in self
                if method == "POST" and _ACTION.search(path)]

    def evacuations(self):
        """(time, server) of each accepted evacuation, in order. Of all the actions that a recovery
        asks for, evacuate alone is answered with 200 (a lock, a stop, a reset: 202)."""
        found = [(at, _ACTION.search(path)[1]) for at, method, path, status in self
                 if method == "POST" and status == 200 and _ACTION.search(path)]
        return sorted(found)


class NovaAsked:
    """What Nova was asked by way of nova_proxy.py since this was made; each a dict with the keys told there."""

    def __init__(self):
        self._path = os.path.join(CLOUD_DIR, "log", "nova-asked.log")
        self._from = os.path.getsize(self._path)

    def __iter__(self):
        with open(self._path) as f:
            f.seek(self._from)
            for line in f:
                # The last one may be half written.
                if line.endswith("\n"):
                    yield json.loads(line)

    def evacuations(self):
        """Each that was asked for, whatever Nova answered, with the server as `server`."""
        return [dict(a, server=_ACTION.search(a["path"])[1]) for a in self
                if a.get("key") == "evacuate" and a["method"] == "POST" and _ACTION.search(a["path"])]

    def forced_downs(self):
        """Each time that a service was to be forced down, with its id as `service`."""
        return [dict(a, service=a["path"].split("?")[0].rsplit("/", 1)[1]) for a in self
                if a.get("forced_down") is True and a["method"] == "PUT"]


class NovaDatabase:
    """What Nova itself remembers."""

    def __init__(self):
        self._db = pymysql.connect(host=ADDR, port=int(CFG["PORT_MYSQL"]), user="openstack",
                                   password=CFG["CLOUD_PASSWORD"], database="nova", autocommit=True)

    def ask(self, query, *values):
        with self._db.cursor() as c:
            c.execute(query, values)
            return c.fetchall()

    def evacuate_actions(self, since):
        """(server, when it began in whole seconds) of each evacuation since then."""
        found = self.ask("SELECT instance_uuid, start_time FROM instance_actions "
                         "WHERE action = 'evacuate' AND start_time >= %s",
                         datetime.datetime.fromtimestamp(int(since), datetime.timezone.utc).replace(tzinfo=None))
        return [(server, _utc(began)) for server, began in found]

    def compute_services(self):
        """The host of each service, by its id; those that were deleted too."""
        return dict(self.ask("SELECT uuid, host FROM services WHERE `binary` = 'nova-compute'"))

    def last_seen_up(self):
        """When each host reported last. No write of anybody else changes that."""
        return {host: _utc(seen) for host, seen in self.ask(
            "SELECT host, last_seen_up FROM services WHERE `binary` = 'nova-compute' AND deleted = 0 "
            "AND last_seen_up IS NOT NULL")}


def _utc(moment):
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


class NovaInstances:
    """Where the servers are by Nova's own database: looking costs Nova nothing, so that what is
    measured is not the looking."""

    def __init__(self):
        self._db = pymysql.connect(host=ADDR, port=int(CFG["PORT_MYSQL"]), user="openstack",
                                   password=CFG["CLOUD_PASSWORD"], database="nova", autocommit=True)

    def active_elsewhere(self, ids, hosts):
        """How many of the servers are ACTIVE on others than these hosts, with nothing under way."""
        with self._db.cursor() as c:
            c.execute("SELECT COUNT(*) FROM instances WHERE deleted = 0 AND vm_state = 'active' AND "
                      "task_state IS NULL AND host NOT IN %s AND uuid IN %s",
                      (tuple(hosts), tuple(ids)))
            return c.fetchone()[0]


class Log:
    """A recovery of ours by its own log and lease, which outlive whoever writes them. Each question
    opens a connection: the server may have died since the last one."""

    def __init__(self, recovery, port, database="masakari_rs"):
        self._recovery = recovery
        self._to = dict(host=ADDR, port=int(port), user="openstack", autocommit=True,
                        password=CFG["CLOUD_PASSWORD"], database=database)

    def _ask(self, query, *values):
        with pymysql.connect(**self._to) as db, db.cursor() as c:
            c.execute(query, values)
            return c.fetchall()

    def lease(self):
        """(the pid of the engine that holds it or nothing, its generation); nothing before anybody
        has claimed it."""
        found = self._ask("SELECT owner, generation FROM ha_leases WHERE lease_key = %s",
                          "recovery:" + self._recovery)
        if not found:
            return None, 0
        owner, generation = found[0]
        # An owner is `host:pid:chance`.
        return owner and int(owner.split(":")[-2]), generation

    @classmethod
    def of_all(cls, port, since):
        """Of each recovery with a line since then: (time, entry) of all its lines, in order."""
        found = collections.defaultdict(list)
        for recovery, at, entry in cls(None, port)._ask(
                "SELECT recovery, at_ms, entry FROM ha_log WHERE recovery IN "
                "(SELECT recovery FROM ha_log WHERE at_ms >= %s) ORDER BY recovery, seq", int(since * 1000)):
            found[recovery].append((at / 1000, json.loads(entry)))
        return dict(found)

    def lines(self):
        """(time, generation) of each line, in order."""
        return [(at / 1000, generation) for at, generation in self._ask(
            "SELECT at_ms, generation FROM ha_log WHERE recovery = %s ORDER BY seq", self._recovery)]


# ------------------------------------------------------------- what they use
def group_pids(name):
    """Every process in the group that `start NAME` made."""
    p = pid(name)
    if p is None:
        return []
    out = subprocess.run(["ps", "-o", "pid=", "-g", str(p)], capture_output=True, text=True)
    return [int(x) for x in out.stdout.split()]


def rss_mib(pids):
    total = 0
    for p in pids:
        try:
            with open("/proc/%d/status" % p) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
        except OSError:
            pass
    return total / 1024


def cpu_seconds(pids):
    total, hz = 0, os.sysconf("SC_CLK_TCK")
    for p in pids:
        try:
            with open("/proc/%d/stat" % p) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / hz
