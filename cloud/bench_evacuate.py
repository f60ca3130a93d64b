"""How long until the servers of failed hosts are back?

Each pair is one run of Nova alone and one of ours, on the same cloud, one right after the other. In
all runs the hosts are killed and Nova knows that they are down before the clock starts.

  nova    all evacuations are POSTed at once: the limit that Nova itself sets
  ours    the notification of a host monitor is POSTed to our API, one for each host
  py-*    the same to Python Masakari, as released and tuned (--python; once each)

Seconds, from the first POST: `first` until nova-api got the first evacuation (its request log),
`active` until all servers are ACTIVE on other hosts (`by_host`: those of each), `end` until the
notifications say so. Calls to Nova and logins are counted in the request logs of Nova and Keystone. Where the
servers are is read in Nova's database, alike in all runs: Nova is asked for nothing meanwhile but by
whoever recovers. `cpu` is the time that each of the cloud's services used until then.
"""
import argparse
import collections
import concurrent.futures
import datetime
import json
import os
import statistics
import sys
import threading
import time

import cloud

TERMINAL = ("finished", "failed", "ignored", "error")
LOOK_EVERY_S = 0.1
CLOUD = ("nova-api", "nova-conductor", "nova-scheduler", "compute02", "compute03", "compute04", "placement", "keystone", "glance", "neutron-stub", "mariadb", "rabbit")
RUN_S_MAX = 1200
# The median of the ratios is at most this: of one host, and of several that fail together.
BARS = {1: 1.10}
BAR_OF_SEVERAL = 1.15


def say(text):
    print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)


def hosts_with(client, hosts, vms):
    """That many servers on each of these hosts, which Nova has just found down: by host, their ids."""
    client.delete_all_servers()
    for host in hosts:
        cloud.revive(client, host)
    on = {host: client.boot(vms, host) for host in hosts}
    for host in hosts:
        cloud.kill(host)
    for host in hosts:
        cloud.wait_until_down(client, host)
    return on


class Watch:
    """When all the servers were back, seen from beside; and what that cost the cloud."""

    def __init__(self, on):
        self._on, self._instances = on, cloud.NovaInstances()
        self._cpu = self._cpu_now()
        self.nova, self.keystone = cloud.NovaRequests(), cloud.KeystoneRequests()
        self.start = time.time()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen = {"by_host": {}}
        self._thread.start()

    @staticmethod
    def _cpu_now():
        return {name: cloud.cpu_seconds(cloud.group_pids(name)) for name in CLOUD}

    def _look(self):
        while time.time() - self.start < RUN_S_MAX:
            back = self.seen["by_host"]
            for host, ids in self._on.items():
                if host not in back and self._instances.active_elsewhere(ids, self._on) == len(ids):
                    back[host] = round(time.time() - self.start, 1)
            if len(back) == len(self._on):
                self.seen["active"] = max(back.values())
                used = {n: round(c - self._cpu[n], 1) for n, c in self._cpu_now().items()}
                self.seen["cpu"] = dict(used, all=round(sum(used.values()), 1))
                return
            time.sleep(LOOK_EVERY_S)

    def wait(self, seconds=RUN_S_MAX):
        self._thread.join(seconds)
        return self.seen


def outcome(client, on, watch):
    """What is common to all runs: what Nova was asked, and where the servers are."""
    # Before this asks Nova itself.
    calls, logins = len(list(watch.nova)), len(watch.keystone.logins())
    ids = {i for ids in on.values() for i in ids}
    placed = collections.Counter("moved" if s["OS-EXT-SRV-ATTR:host"] not in on else "left"
                                 for s in client.servers(detail=True)
                                 if s["id"] in ids and s["status"] == "ACTIVE")
    evacuations = watch.nova.evacuations()
    asked = collections.Counter(server for _, server in evacuations)
    first = evacuations[0][0] - watch.start if asked else None
    return {"first": first and round(first, 3), "moved": placed["moved"], "logins": logins,
            "calls_per_vm": round(calls / len(ids), 2), "asked_twice": sum(n > 1 for n in asked.values()), "loadavg": os.getloadavg()[0]}


def nova_alone(client, hosts, vms):
    on = hosts_with(client, hosts, vms)
    watch = Watch(on)
    ids = [i for ids in on.values() for i in ids]
    with concurrent.futures.ThreadPoolExecutor(len(ids)) as pool:
        list(pool.map(lambda i: client.action(i, "evacuate", {}, mv="2.53"), ids))
    seen = watch.wait()
    return dict(outcome(client, on, watch), **seen)


def fresh_segment(client):
    segment = client.masakari("POST", "/segments", {"segment": {
        "name": "bench", "recovery_method": "auto", "service_type": "COMPUTE"}}).json()["segment"]
    services = client.nova("GET", "/os-services", params={"binary": "nova-compute"})
    for s in services.json()["services"]:
        client.masakari("POST", "/segments/%s/hosts" % segment["uuid"], {"host": {
            "name": s["host"], "type": "COMPUTE", "control_attributes": "SSH"}})


def masakari(client, hosts, vms, up, down, processes):
    """One recovery by the Masakari that `up` starts, and what its processes used for it."""
    cloud.script(*down)     # what an interrupted run left
    cloud.script(*up)
    try:
        fresh_segment(client)
        on = hosts_with(client, hosts, vms)
        cpu = {p: cloud.cpu_seconds(cloud.group_pids(p)) for p in processes}
        watch = Watch(on)
        run = until_over(client, [post(client, host) for host in hosts], watch)
        run.update(outcome(client, on, watch))
        for p in processes:
            pids = cloud.group_pids(p)
            run[p] = {"rss_mib": round(cloud.rss_mib(pids), 1),
                      "cpu_s_per_100_vms": round((cloud.cpu_seconds(pids) - cpu[p]) * 100
                                                / vms / len(hosts), 2)}
        return run
    finally:
        cloud.script(*down)


def post(client, host):
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    answer = client.masakari("POST", "/notifications", {"notification": {
        "type": "COMPUTE_HOST", "hostname": host, "generated_time": now.isoformat(),
        "payload": {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}}})
    return answer.json()["notification"]["notification_uuid"]


def until_over(client, notifications, watch):
    """Until both Nova and the notifications say that it is over; the latter may be wrong for a while."""
    seen = {}
    while time.time() - watch.start < RUN_S_MAX:
        statuses = {client.masakari("GET", "/notifications/" + n).json()["notification"]["status"]
                    for n in notifications}
        seen["status"] = " and ".join(sorted(statuses))
        if statuses <= set(TERMINAL):
            seen["end"] = round(time.time() - watch.start, 1)
            break
        time.sleep(0.5)
    return dict(seen, **watch.wait(30))


OURS = (("masakari-up", "release"), ("masakari-down", "--wipe"),
        ("masakari-rs-api", "masakari-rs-engine1"))


def python(profile):
    return (("masakari-py-up", profile), ("masakari-py-down", "--wipe"),
            ("masakari-api", "masakari-engine"))


def summary(runs):
    """Medians and spread of the pairs, and of their ratio."""
    pairs = [(a["active"], b["active"]) for a, b in zip(
        (r for r in runs if r["who"] == "nova"), (r for r in runs if r["who"] == "ours"))
        if "active" in a and "active" in b]
    if not pairs:
        return {}
    ratios = sorted(ours / nova for nova, ours in pairs)
    firsts = [r["first"] for r in runs if r["who"] == "ours" and r["first"] is not None]
    return {"pairs": len(pairs),
            "nova_active_median": statistics.median(p[0] for p in pairs),
            "ours_active_median": statistics.median(p[1] for p in pairs),
            "ours_first_median": round(statistics.median(firsts), 3),
            "ratio_median": round(statistics.median(ratios), 2),
            "ratio_min": round(ratios[0], 2), "ratio_max": round(ratios[-1], 2)}


def bars(summary, hosts):
    """Each bar, what was measured, and whether it holds."""
    bar = BARS.get(hosts, BAR_OF_SEVERAL)
    ratio = summary.get("ratio_median")
    return {"ratio": {"at_most": bar, "measured": ratio,
                      "holds": ratio is not None and ratio <= bar}}


def beside(runs):
    """What each way of recovering asked of Nova and Keystone, in the median."""
    lines = []
    for who in dict.fromkeys(run["who"] for run in runs):
        own = [run for run in runs if run["who"] == who]
        calls, logins = (statistics.median(r[k] for r in own) for k in ("calls_per_vm", "logins"))
        back = [r["active"] for r in own if "active" in r]
        lines.append("%-10s %6.2f calls to Nova a server, %4g logins, back after %s s" % (
            who, calls, logins, round(statistics.median(back), 1) if back else "more than %d" % RUN_S_MAX))
    return lines


def what_is_wrong(run, vms):
    """A time tells something only of a recovery that was whole."""
    if run["who"].startswith("py-"):
        return
    if run["moved"] != vms or "active" not in run:
        yield "%d of %d servers moved" % (run["moved"], vms)
    if run["asked_twice"]:
        yield "%d servers were evacuated twice" % run["asked_twice"]
    if run["who"] == "ours" and set(run["status"].split(" and ")) != {"finished"}:
        yield "the notifications ended " + run["status"]
    if run["who"] == "ours" and run["logins"] > 1:
        yield "%d logins in one recovery" % run["logins"]


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--vms", type=int, default=100, help="on each host")
    p.add_argument("--hosts", type=int, default=1, help="so many fail together")
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--python", action="store_true")
    p.add_argument("--only", choices=["nova", "ours"], help="that half of each pair alone")
    p.add_argument("--commit", default="unknown")
    p.add_argument("--out", help="file for the figures, as JSON")
    a = p.parse_args()
    client = cloud.Client()
    turns = [w for w in ("nova", "ours") if a.only in (None, w)] * a.pairs
    if a.python:
        turns += ["py-tuned", "py-default"]
    hosts = ["compute%02d" % (n + 1) for n in range(a.hosts)]
    runs, wrong = [], []
    for who in turns:
        run = {"nova": lambda: nova_alone(client, hosts, a.vms),
               "ours": lambda: masakari(client, hosts, a.vms, *OURS),
               "py-tuned": lambda: masakari(client, hosts, a.vms, *python("tuned")),
               "py-default": lambda: masakari(client, hosts, a.vms, *python("default"))}[who]()
        runs.append(dict(run, who=who))
        say("%-10s %s" % (who, json.dumps(run)))
        wrong += ["%s: %s" % (who, what) for what in what_is_wrong(runs[-1], a.vms * a.hosts)]
        result = {"bench": "evacuate", "vms": a.vms, "hosts": a.hosts, "commit": a.commit, "summary": summary(runs), "bars": bars(summary(runs), a.hosts),
                  "cpus": os.cpu_count(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                  "runs": runs}
        if a.out:
            with open(a.out, "w") as f:
                json.dump(result, f, indent=1)
                f.write("\n")
    for line in beside(runs):
        say(line)
    say(json.dumps(result["summary"]))
    for name, bar in result["bars"].items():
        say("bar: %s %s, at most %s: %s" % (name, bar["measured"], bar["at_most"],
                                            "holds" if bar["holds"] else "MISSED"))
    client.delete_all_servers()
    for host in hosts:
        cloud.revive(client, host)
    if wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
