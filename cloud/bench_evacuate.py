#!/usr/bin/env python3
"""How long does it take to recover a failed host with K servers?

Implementation-neutral: it speaks only the Masakari REST API (--endpoint) and
the Nova API. The cloud is used to break and mend fake computes.

  bench_evacuate.py --k 10,50,100 --label py-default
        boots K servers on compute01, kills its nova-compute, POSTs the
        COMPUTE_HOST STOPPED notification a host monitor would send, and takes
        the seconds from that POST to: the first evacuation seen in Nova, all K
        ACTIVE on other hosts, the notification `finished`.
  bench_evacuate.py --raw 1,5,20,0 --k 10,50,100
        the same without Masakari: force the service down, POST all evacuates
        with that concurrency (0 means K), wait. The floor set by Nova.

Each run appends one JSON object to --out.
"""
import argparse
import collections
import concurrent.futures
import datetime
import json
import os
import sys
import time

import cloud

TERMINAL = ("finished", "failed", "ignored")


def log(msg):
    print("%s %s" % (time.strftime("%H:%M:%S"), msg), flush=True)


def prepare(c, a, k):
    """K ACTIVE servers on the host, the host healthy, nothing else."""
    c.delete_all_servers()
    cloud.revive(c, a.host)
    t0 = time.time()
    ids = c.boot(k, a.host)
    log("booted %d on %s in %.1f s" % (k, a.host, time.time() - t0))
    return ids


def ensure_segment(c, a):
    """A fresh segment with every compute as host, none on maintenance.

    Fresh, because a second notification for the same host (by uuid) with the
    same payload within 180 s is refused as a duplicate, whatever became of
    the first one."""
    m = lambda *x, **kw: c.masakari(*x, endpoint=a.endpoint, **kw)
    t0 = time.time()
    while True:
        left = 0
        for s in m("GET", "/segments").json()["segments"]:
            r = m("DELETE", "/segments/" + s["uuid"], ok=False)
            left += r.status_code != 204        # 409: still recovering
        if not left:
            break
        if time.time() - t0 > 400:
            raise RuntimeError("a segment stays in use")
        time.sleep(2)
    seg = m("POST", "/segments", {"segment": {
        "name": a.segment, "recovery_method": "auto",
        "service_type": "COMPUTE"}}).json()["segment"]
    services = c.nova("GET", "/os-services", params={"binary": "nova-compute"})
    for s in services.json()["services"]:
        m("POST", "/segments/%s/hosts" % seg["uuid"], {"host": {
            "name": s["host"], "type": "COMPUTE", "control_attributes": "SSH"}})


def first_evacuation(c):
    """Has Nova started rebuilding anything? (one cheap request)"""
    r = c.nova("GET", "/servers", params={
        "all_tenants": "true", "status": "REBUILD", "limit": "1"})
    return bool(r.json()["servers"])


def all_moved(c, host, k):
    if c.servers(host=host):
        return False
    return len(c.servers(status="ACTIVE")) >= k


def action_times(c, ids, t0):
    """Nova's own record of the evacuations, whole seconds from t0."""
    def one(sid):
        acts = c.nova("GET", "/servers/%s/os-instance-actions" % sid).json()["instanceActions"]
        return [(x["start_time"], x["updated_at"]) for x in acts if x["action"] == "evacuate"]
    with concurrent.futures.ThreadPoolExecutor(4) as ex:
        acts = [x for xs in ex.map(one, ids) for x in xs]
    sec = lambda s: datetime.datetime.fromisoformat(s).replace(
        tzinfo=datetime.timezone.utc).timestamp() - t0
    if not acts:
        return {}
    durs = sorted(sec(e) - sec(s) for s, e in acts)
    return {"evacuates": len(acts), "first_start": round(min(sec(s) for s, _ in acts)),
            "last_end": round(max(sec(e) for _, e in acts)),
            "each_p50": durs[len(durs) // 2], "each_max": durs[-1]}


def placed(c, ids):
    ids = set(ids)
    return dict(collections.Counter(
        "%s %s" % (s["OS-EXT-SRV-ATTR:host"], s["status"])
        for s in c.servers(detail=True) if s["id"] in ids))


def usage(names):
    pids = {n: cloud.group_pids(n) for n in names}
    return {n: {"rss_mib": round(cloud.rss_mib(p), 1), "cpu_s": round(cloud.cpu_seconds(p), 2),
                "processes": len(p)} for n, p in pids.items() if p}


def run_masakari(c, a, k):
    ids = prepare(c, a, k)
    ensure_segment(c, a)
    before = usage(a.watch)
    cloud.kill_compute(a.host)
    if a.detect:
        time.sleep(a.detect)
    body = {"notification": {
        "type": "COMPUTE_HOST", "hostname": a.host,
        "generated_time": datetime.datetime.now(datetime.timezone.utc)
        .replace(tzinfo=None).isoformat(),
        "payload": {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}}}
    t0 = time.time()
    r = c.masakari("POST", "/notifications", body, endpoint=a.endpoint)
    res = {"mode": "masakari", "label": a.label, "k": k, "post": round(time.time() - t0, 3)}
    nid = r.json()["notification"]["notification_uuid"]
    seen = {}
    while time.time() - t0 < a.timeout:
        now = time.time() - t0
        if "first" not in seen and first_evacuation(c):
            seen["first"] = now
        if "first" in seen and "active" not in seen and all_moved(c, a.host, k):
            seen["active"] = time.time() - t0
        st = c.masakari("GET", "/notifications/" + nid, endpoint=a.endpoint
                        ).json()["notification"]["status"]
        if st != seen.get("_status"):
            log("notification %s after %.1f s" % (st, time.time() - t0))
            seen["_status"] = st
        if st in TERMINAL:
            seen["finished"] = time.time() - t0
            if "active" not in seen and all_moved(c, a.host, k):
                seen["active"] = time.time() - t0
            break
        time.sleep(a.poll)
    res.update({x: round(v, 1) for x, v in seen.items() if x != "_status"})
    res["status"] = seen.get("_status")
    after = usage(a.watch)
    res["usage"] = {n: dict(v, cpu_s=round(v["cpu_s"] - before.get(n, v)["cpu_s"], 2),
                            rss_before=before.get(n, v)["rss_mib"]) for n, v in after.items()}
    res["nova"] = action_times(c, ids, t0)
    res["placed"] = placed(c, ids)
    vm = c.masakari("GET", "/notifications/%s/vmoves" % nid, mv="1.3", endpoint=a.endpoint, ok=False)
    if vm.status_code == 200:
        res["vmoves"] = dict(collections.Counter(v["status"] for v in vm.json()["vmoves"]))
    return res


def run_raw(c, a, k, conc):
    ids = prepare(c, a, k)
    cloud.kill_compute(a.host)
    t0 = time.time()
    c.update_service(a.host, forced_down=True)
    t_down = time.time() - t0

    def one(sid):
        c.nova("POST", "/servers/%s/action" % sid, {"evacuate": {}}, mv="2.53")
    with concurrent.futures.ThreadPoolExecutor(conc) as ex:
        list(ex.map(one, ids))
    t_posts = time.time() - t0
    while time.time() - t0 < a.timeout and not all_moved(c, a.host, k):
        time.sleep(a.poll)
    res = {"mode": "raw", "label": "raw nova", "k": k, "concurrency": conc,
           "forced_down": round(t_down, 2), "posts": round(t_posts, 1),
           "active": round(time.time() - t0, 1)}
    res["nova"] = action_times(c, ids, t0)
    res["placed"] = placed(c, ids)
    return res


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--k", default="10,50,100")
    p.add_argument("--raw", help="concurrencies, comma separated; 0 means K")
    p.add_argument("--endpoint", default=cloud.base("MASAKARI", "/v1"))
    p.add_argument("--label", default="masakari")
    p.add_argument("--segment", default="bench")
    p.add_argument("--host", default="compute01")
    p.add_argument("--detect", type=float, default=0,
                   help="seconds between killing the host and the POST")
    p.add_argument("--poll", type=float, default=0.5)
    p.add_argument("--timeout", type=float, default=1200)
    p.add_argument("--watch", default="masakari-api,masakari-engine",
                   help="cloud process names whose CPU and RSS to record")
    p.add_argument("--out", default=os.path.join(cloud.CLOUD_DIR, "bench_evacuate.jsonl"))
    a = p.parse_args()
    a.watch = [x for x in a.watch.split(",") if x]
    for k in map(int, a.k.split(",")):
        for conc in [int(x) for x in a.raw.split(",")] if a.raw else [None]:
            c = cloud.Client()
            load = os.getloadavg()[0]
            res = run_masakari(c, a, k) if conc is None else run_raw(c, a, k, conc or k)
            res["loadavg_before"], res["loadavg_after"] = round(load, 1), round(os.getloadavg()[0], 1)
            res["time"] = time.strftime("%Y-%m-%dT%H:%M:%S")
            with open(a.out, "a") as f:
                f.write(json.dumps(res) + "\n")
            log(json.dumps(res))
    cloud.revive(cloud.Client(), a.host)
    return 0


if __name__ == "__main__":
    sys.exit(main())
