"""Does the engine stay flat? Hosts with 50 servers each fail within a minute: 20, then 200, then 1,000 of them.

The cloud is the simulator's, in a process of its own; the API, the engine and MariaDB are the real ones,
with 10,000 reports of failed VMs and processes answered before. What the engine's process used is read
from /proc: CPU from the first death to the last end, and the most memory that was resident.

Run by `cargo xtask bench scale`, which builds all and starts the database (STORE_MYSQL_URL).
"""
import argparse
import concurrent.futures
import datetime
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid

VMS = 50
RATIO_MOST = 1.3
REPORTS = 10_000
RUN_S_MAX = 1800
HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "..", "target")
MASAKARI = os.path.join(TARGET, "release", "masakari")
CLOUD = os.path.join(TARGET, "release", "examples", "failing_cloud")
CLOUD_PORT, API_PORT = 13470, 13471


def say(text):
    print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)


class Cloud:
    def __init__(self, failing, vms=VMS):
        words = [CLOUD, str(CLOUD_PORT), str(failing + 2), str(failing), str(vms)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.expect("ready")

    def expect(self, word):
        line = self._process.stdout.readline().strip()
        if not line.startswith(word):
            raise RuntimeError("the cloud says '%s' and not '%s'" % (line, word))
        return line[len(word):].strip()

    def tell(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def end(self):
        self._process.stdin.close()
        self._process.wait(30)


class Api:
    """One connection to the API, without Keystone."""

    def __init__(self):
        self._connection = http.client.HTTPConnection("127.0.0.1", API_PORT, timeout=120)

    def ask(self, method, path, body=None):
        headers = {"X-Auth-Token": "admin:admin", "Content-Type": "application/json",
                   "OpenStack-API-Version": "instance-ha 1.3"}
        self._connection.request(method, "/v1" + path, body and json.dumps(body), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError("%s %s: %d %s" % (method, path, answer.status, text[:300]))
        return json.loads(text) if text else None

    def report(self, kind, host, payload):
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        self.ask("POST", "/notifications", {"notification": {
            "type": kind, "hostname": host, "generated_time": now.isoformat(), "payload": payload}})

    def count(self, status):
        return len(self.ask("GET", "/notifications?limit=1000&status=" + status)["notifications"])

    def wait_for_all(self):
        deadline = time.time() + RUN_S_MAX
        while self.count("new") + self.count("running"):
            if time.time() > deadline:
                raise RuntimeError("not all has ended after %d s" % RUN_S_MAX)
            time.sleep(1)


def fresh_database(name):
    url = urllib.parse.urlsplit(os.environ["STORE_MYSQL_URL"])
    words = ["mariadb", "--no-defaults", "-h", url.hostname, "-P", str(url.port), "-u", url.username]
    sql = "DROP DATABASE IF EXISTS {0}; CREATE DATABASE {0} CHARACTER SET utf8mb3".format(name)
    subprocess.run(words, input=sql, text=True, check=True,
                   env=dict(os.environ, MYSQL_PWD=urllib.parse.unquote(url.password or "")))
    return url._replace(path="/" + name).geturl()


def configuration(folder, database):
    keystone = "http://127.0.0.1:%d/identity/v3" % CLOUD_PORT
    path = os.path.join(folder, "masakari.conf")
    with open(path, "w") as f:
        f.write("\n".join([
            "[DEFAULT]", "auth_strategy = noauth2", "masakari_api_listen = 127.0.0.1",
            "masakari_api_listen_port = %d" % API_PORT, "state_path = " + folder,
            "os_privileged_user_name = masakari", "os_privileged_user_password = simulated",
            "os_privileged_user_tenant = service", "os_privileged_user_auth_url = " + keystone,
            "os_user_domain_name = Default", "os_project_domain_name = Default",
            "nova_catalog_admin_info = compute:nova:publicURL",
            "[database]", "connection = " + database,
            # All of them die within a minute.
            "[guard]", "segment_percent = 0", "cloud_percent = 0", "silent_percent = 0", "per_minute = 0", ""]))
    return path


class Processes:
    """The API and the engine, of the built binary."""

    def __init__(self, folder, conf):
        subprocess.run([MASAKARI, "manage", "--config-file", conf, "db", "sync"], check=True)
        self._all = {}
        for role in ("api", "engine"):
            log = open(os.path.join(folder, role + ".log"), "w")
            self._all[role] = subprocess.Popen([MASAKARI, role, "--config-file", conf],
                                               stdout=log, stderr=log)
        deadline = time.time() + 30
        while True:
            try:
                return Api().ask("GET", "/segments") and None
            except OSError:
                if time.time() > deadline:
                    raise
                time.sleep(0.1)

    def engine_cpu_s(self):
        with open("/proc/%d/stat" % self._all["engine"].pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def engine_peak_mib(self):
        with open("/proc/%d/status" % self._all["engine"].pid) as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1]) / 1024

    def end(self):
        for process in self._all.values():
            process.terminate()
        for process in self._all.values():
            process.wait(30)


def fill(api, living):
    """Reports of every small kind, all of them answered; none that puts a host on maintenance."""
    def some(part):
        mine = Api()
        for number in range(part, REPORTS, 8):
            host = living[number % len(living)]
            if number % 2:
                mine.report("PROCESS", host, {"event": "STARTED", "process_name": "p%d" % number})
            else:
                mine.report("VM", host, {"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED",
                                         "instance_uuid": str(uuid.uuid4())})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(some, range(8)))
    api.wait_for_all()


def measure(failing, folder):
    cloud = Cloud(failing)
    processes = Processes(folder, configuration(folder, fresh_database("scale")))
    try:
        api = Api()
        segment = api.ask("POST", "/segments", {"segment": {
            "name": "all", "recovery_method": "auto", "service_type": "COMPUTE"}})["segment"]["uuid"]
        names = ["compute-%02d" % (n + 1) for n in range(2 * failing + 2)]
        for name in names:
            api.ask("POST", "/segments/%s/hosts" % segment, {"host": {
                "name": name, "type": "COMPUTE", "control_attributes": "SSH"}})
        fill(api, names[failing:])
        say("%d hosts of %d servers; %d reports are answered" % (failing, VMS, REPORTS))
        before, start = processes.engine_cpu_s(), time.time()
        cloud.tell("fail")
        for _ in range(failing):
            api.report("COMPUTE_HOST", cloud.expect("down"), {
                "event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"})
        api.wait_for_all()
        took, vms = time.time() - start, failing * VMS
        cpu_s, peak_mib = processes.engine_cpu_s() - before, processes.engine_peak_mib()
        cloud.tell("check")
        truth = json.loads(cloud.expect(""))
        return {"hosts": failing, "vms": vms, "seconds": round(took, 1), "cpu_s": round(cpu_s, 2),
                "cpu_ms_per_vm": round(cpu_s * 1000 / vms, 3), "peak_mib": round(peak_mib, 1),
                "peak_kib_per_vm": round(peak_mib * 1024 / vms, 2), "truth": truth}
    finally:
        processes.end()
        cloud.end()


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--hosts", type=int, nargs="+", default=[20, 200, 1000])
    p.add_argument("--commit", default="unknown")
    p.add_argument("--out", help="file for the figures, as JSON")
    a = p.parse_args()
    runs, well = [], True
    for failing in a.hosts:
        with tempfile.TemporaryDirectory(prefix="masakari-scale-") as folder:
            run = measure(failing, folder)
        runs.append(run)
        say(json.dumps(run))
        truth = run["truth"]
        well = well and not (truth["broken"] or truth["left_behind"] or truth["locked"])
    ratios = {key: round(runs[-1][key] / runs[0][key], 2) for key in ("cpu_ms_per_vm", "peak_kib_per_vm")}
    well = well and all(ratio <= RATIO_MOST for ratio in ratios.values())
    say("from %d to %d VMs: %s; at most %s is asked: %s" % (
        runs[0]["vms"], runs[-1]["vms"], json.dumps(ratios), RATIO_MOST,
        "holds" if well else "DOES NOT HOLD"))
    if a.out:
        with open(a.out, "w") as f:
            json.dump({"bench": "scale", "commit": a.commit, "ratios": ratios, "holds": well,
                       "cpus": os.cpu_count(), "runs": runs}, f, indent=1)
            f.write("\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
