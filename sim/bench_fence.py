"""How long fencing takes beyond the BMC's own time: Redfish BMCs that need 0.5, 2 and 8 s for each answer.

For each of these, one host is reported, and then ten at once. The cloud is the simulator's, in a process of its own, and has
found its hosts down before; the API, the engine and its Redfish are the real ones; the BMCs are here, and keep a log of when
they worked. From the POST of the report to the certificate in the recovery's log it may take 0.5 s more than the host's BMC
worked, and ten hosts side by side twice as long as one.

Run by `cargo xtask bench fence`, which builds all.
"""
import argparse
import http.server
import json
import os
import sqlite3
import sys
import tempfile
import threading
import time

import bench_scale
from bench_scale import Api, Cloud, Processes, say

ANSWERS_S = (0.5, 2, 8)
SIDE_BY_SIDE = 10
BEYOND_S_MOST = 0.5
RATIO_MOST = 2
PROVEN_WITHIN_S = 120
FENCING_YAML = """\
devices:
  bmc: {{kind: redfish, address: "http://127.0.0.1:{port}", system: "/redfish/v1/Systems/{{host}}", username: bench,
        password: {{file: {folder}/secret}}, deadline: 120s}}
ladders: {{default: [bmc]}}
"""


class Bmcs(http.server.ThreadingHTTPServer):
    """One for each host; `answer_s` is how long it takes for each answer, `worked` when it did."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Redfish)
        self.answer_s, self.off, self.worked, self.lock = {}, set(), {}, threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def own_time(self, host):
        with self.lock:
            return sum(end - begin for begin, end in self.worked[host])


class Redfish(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is small, and whole.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.work(lambda host: {
            "PowerState": "Off" if host in self.server.off else "On", "UUID": None, "SerialNumber": "",
            "Actions": {"#ComputerSystem.Reset": {
                "target": "/redfish/v1/Systems/%s/Actions/ComputerSystem.Reset" % host,
                "ResetType@Redfish.AllowableValues": ["On", "ForceOff"]}}})

    def do_POST(self):
        assert json.loads(self.rfile.read(int(self.headers["Content-Length"])))["ResetType"] == "ForceOff"
        self.work(self.server.off.add)

    def work(self, answer):
        begin, host = time.monotonic(), self.path.split("/")[4]
        time.sleep(self.server.answer_s.get(host, 0))
        text = json.dumps(answer(host)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()
        with self.server.lock:
            self.server.worked.setdefault(host, []).append((begin, time.monotonic()))


class Proofs:
    """The certificates in the recoveries' logs."""

    def __init__(self, database):
        self._database = database

    def of(self, host):
        """When its death was certified: seconds of the day."""
        with sqlite3.connect("file:%s?mode=ro" % self._database, uri=True) as db:
            for at_ms, text in db.execute("SELECT at_ms, entry FROM ha_log WHERE entry LIKE '%\"proven\"%'"):
                entry = json.loads(text)
                if entry["entry"] == "proven" and entry["evidence"][-1]["host"] == host:
                    assert entry["kind"] == "powered_off", entry
                    return at_ms / 1000
        return None


def fence(api_of, proofs, bmcs, hosts):
    """Reports these hosts at once: of each, how long until its proof, and how much of that its BMC worked."""
    posted = {}

    def report(host):
        mine = api_of()
        posted[host] = time.time()
        mine.report("COMPUTE_HOST", host, {
            "event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"})
    threads = [threading.Thread(target=report, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.time() + PROVEN_WITHIN_S
    while not all(proofs.of(host) for host in hosts):
        if time.time() > deadline:
            raise RuntimeError("not all are proven dead after %d s" % PROVEN_WITHIN_S)
        time.sleep(0.5)
    return [(proofs.of(host) - posted[host], bmcs.own_time(host)) for host in hosts]


def measure(folder):
    names = ["compute-%02d" % (n + 1) for n in range(len(ANSWERS_S) * (SIDE_BY_SIDE + 1))]
    bmcs = Bmcs()
    database = os.path.join(folder, "masakari.sqlite")
    conf = bench_scale.configuration(folder, "sqlite:///" + database)
    with open(os.path.join(folder, "fencing.yaml"), "w") as f:
        f.write(FENCING_YAML.format(port=bmcs.server_address[1], folder=folder))
    with open(os.path.join(folder, "secret"), "w") as f:
        os.fchmod(f.fileno(), 0o600)
        f.write("secret")
    with open(conf, "a") as f:
        f.write("[fencing]\ndevices_file = %s/fencing.yaml\nrequire = proven\nreport_interval = 2\n" % folder)
    cloud = Cloud(len(names), vms=1)
    processes = Processes(folder, conf)
    try:
        api = Api()
        segment = api.ask("POST", "/segments", {"segment": {
            "name": "all", "recovery_method": "auto", "service_type": "COMPUTE"}})["segment"]["uuid"]
        for name in names:
            api.ask("POST", "/segments/%s/hosts" % segment, {"host": {
                "name": name, "type": "COMPUTE", "control_attributes": "redfish:bmc"}})
        cloud.tell("fail")
        for _ in names:
            cloud.expect("down")
        runs = []
        for answer_s in ANSWERS_S:
            mine, names = names[:SIDE_BY_SIDE + 1], names[SIDE_BY_SIDE + 1:]
            bmcs.answer_s.update(dict.fromkeys(mine, answer_s))
            for hosts in (mine[:1], mine[1:]):
                took = fence(Api, Proofs(database), bmcs, hosts)
                runs.append({"answer_s": answer_s, "hosts": len(hosts),
                             "to_proof_s": round(max(proof for proof, _ in took), 3),
                             "beyond_the_bmc_s": round(max(proof - own for proof, own in took), 3)})
                say(json.dumps(runs[-1]))
        return runs
    finally:
        processes.end()
        cloud.end()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--commit", default="unknown")
    p.add_argument("--out", help="file for the figures, as JSON")
    a = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="masakari-fence-") as folder:
        runs = measure(folder)
    ratios = {one["answer_s"]: round(ten["to_proof_s"] / one["to_proof_s"], 2)
              for one, ten in zip(runs[::2], runs[1::2])}
    beyond = max(run["beyond_the_bmc_s"] for run in runs[::2])
    well = beyond <= BEYOND_S_MOST and all(ratio <= RATIO_MOST for ratio in ratios.values())
    say("one host: at most %.3f s beyond the BMC's own time (%.1f is allowed); ten side by side: %s times one (%d): %s" % (
        beyond, BEYOND_S_MOST, json.dumps(ratios), RATIO_MOST, "holds" if well else "DOES NOT HOLD"))
    if a.out:
        with open(a.out, "w") as f:
            json.dump({"bench": "fence", "commit": a.commit, "holds": well, "ratios": ratios,
                       "cpus": os.cpu_count(), "runs": runs}, f, indent=1)
            f.write("\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
