"""How fast are the API's lists and POSTs? Python Masakari's and ours on one durable MariaDB, with one
Keystone, under the same load, in turn.

Each pair measures, for each load, Python's API, ours, and MariaDB alone: the statements that ours was seen
to send, by as many connections, from a generator in C. The load on both APIs comes from wrk.

The bar: a lower p99 than Python's, and 20 times Python's rate or 60 % of that of MariaDB alone,
whichever is lower. The API's memory afterwards: at most 30 MiB.
"""
import argparse
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import time
import uuid

import cloud

LUA = os.path.join(cloud.HERE, "bench_api")
PORTS = {"python": os.environ["PORT_BENCH_PY"], "ours": os.environ["PORT_BENCH_RS"]}
CONNECTIONS = 16
SEGMENTS = 25
NOTIFICATIONS = 1000
TIMES_PYTHON = 20
SHARE_OF_MARIADB = 0.6
RESIDENT_MIB_MAX = 30
PATHS = {"segments": "/segments", "notifications": "/notifications", "posts": "/notifications"}


def say(text):
    print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)


def url(who, path):
    return "http://%s:%s/v1%s" % (cloud.ADDR, PORTS[who], path)


def ask(client, who, method, path, body=None):
    return client.call(method, url(who, path), body, "instance-ha 1.3").json()


def sql(text):
    words = ["mariadb", "--no-defaults", "-S", os.path.join(cloud.CLOUD_DIR, "run", "mariadb-bench.sock"),
             "-u", "root", "-N", "-B"]
    return subprocess.run(words, input=text, check=True, capture_output=True, text=True).stdout


# ------------------------------------------------------------- what is listed
def fill():
    """Segments by Python's API; hosts, which need not be Nova's, and a history as its engine leaves it:
    all of it old, and all but the newest ended. So it stays what it is while it is measured."""
    client = cloud.Client()
    hosts = []
    for i in range(SEGMENTS):
        made = ask(client, "python", "POST", "/segments", {"segment": {
            "name": "rack-%02d" % i, "recovery_method": "auto", "service_type": "COMPUTE",
            "description": "the hosts of rack %d" % i}})["segment"]
        hosts.append((made["uuid"], str(uuid.uuid4())))
    first = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
    first -= datetime.timedelta(days=2)
    rows = []
    for i in range(NOTIFICATIONS):
        at = first + datetime.timedelta(seconds=97 * i)
        segment, host = hosts[i % SEGMENTS]
        payload = {"instance_uuid": str(uuid.UUID(int=i)), "vir_domain_event": "STOPPED_FAILED",
                   "event": "LIFECYCLE"}
        status = "finished" if i < NOTIFICATIONS - 1 else "running"
        rows.append("('%s','%s','%s','%s','VM','%s','%s',0,'%s','%s')" % (
            at, at, uuid.uuid4(), at, json.dumps(payload), status, host, segment))
    sql("USE bench_py; INSERT INTO hosts (created_at, uuid, name, reserved, type, control_attributes, "
        "failover_segment_id, on_maintenance, deleted) VALUES %s;" % ",".join(
            "('%s','%s','bench%02d',0,'COMPUTE','SSH','%s',0,0)" % (first, host, i, segment)
            for i, (segment, host) in enumerate(hosts)))
    sql("USE bench_py; INSERT INTO notifications (created_at, updated_at, notification_uuid, "
        "generated_time, type, payload, status, deleted, source_host_uuid, failover_segment_uuid) "
        "VALUES %s;" % ",".join(rows))


def remove(database, notification):
    """What was reported only to see how: the lists are to stay as they are."""
    sql("DELETE FROM %s.notifications WHERE notification_uuid = '%s'" % (database, notification))


def check_equal_bodies(client):
    for path, noun, count in (("/segments", "segments", SEGMENTS),
                              ("/notifications", "notifications", NOTIFICATIONS)):
        theirs, ours = (ask(client, who, "GET", path)[noun] for who in PORTS)
        if theirs != ours or len(ours) != count:
            differ = [pair for pair in zip(theirs, ours) if pair[0] != pair[1]][:1]
            sys.exit("the lists of %s differ: %d and %d, %s" % (noun, len(theirs), len(ours), differ))
    report = {"notification": {"type": "PROCESS", "hostname": "bench00", "generated_time":
              "2026-01-01T00:00:00", "payload": {"event": "STARTED", "process_name": "the same"}}}
    theirs, ours = (ask(client, who, "POST", "/notifications", report)["notification"] for who in PORTS)
    for database, each in (("bench_py", theirs), ("bench_rs", ours)):
        remove(database, each["notification_uuid"])
        for made_anew in ("id", "notification_uuid", "created_at"):
            each.pop(made_anew)
    if theirs != ours:
        sys.exit("the answers to a POST differ: %s and %s" % (theirs, ours))


# ------------------------------------------------------------- what MariaDB is asked
LITERAL = re.compile(r"(?:TIMESTAMP|DATE|TIME)?'((?:[^'\\]|\\.|'')*)'|\b(\d+)\b")


def statements_of(client, load):
    """What our API sends for one request of the load, from MariaDB's own log, as Lua."""
    log = os.path.join(cloud.CLOUD_DIR, "log", "bench-statements.log")
    sql("SET GLOBAL general_log_file = '%s'; SET GLOBAL log_output = 'FILE'" % log)
    body = None
    if load == "posts":
        body = {"notification": {"type": "PROCESS", "hostname": "bench01", "generated_time":
                "2026-01-01T00:00:00", "payload": {"event": "STARTED"}}}
    open(log, "w").close()
    sql("SET GLOBAL general_log = ON")
    # The second of two requests: a process looks around when it is asked for the first time.
    for number in (1, 2):
        began, made = os.path.getsize(log), "-"
        if body:
            body["notification"]["payload"]["process_name"] = "PROCESS-NAME-%d" % number
        answer = ask(client, "ours", "POST" if body else "GET", PATHS[load], body)
        if body:
            made = answer["notification"]["notification_uuid"]
            remove("bench_rs", made)
    sql("SET GLOBAL general_log = OFF")
    with open(log) as f:
        f.seek(began)
        text = f.read()
    os.unlink(log)
    # An entry begins with [date time,] connection and command; a statement may have more lines.
    begin = r"^(?:\d{6} +[\d:]+)?[\t ]*(\d+) (Query|Execute|Prepare|Quit|Connect|Close stmt|Reset stmt|Ping)\t"
    parts = re.split(begin, text, flags=re.M)
    entries = zip(parts[1::3], parts[2::3], parts[3::3])
    own = "SET |SELECT DATABASE|SELECT @@|DELETE FROM bench_rs"
    lines = [t.strip() for _, command, t in entries
             if command in ("Query", "Execute") and not re.match(own, t.strip())]
    if not lines or any("?" in line for line in lines):
        sys.exit("MariaDB's log does not tell our statements: %s" % text)
    newest = int(sql("SELECT MAX(id) FROM bench_rs.notifications"))
    return [lua(line, made, newest) for line in lines]


def lua(line, made, newest):
    if line in ("BEGIN", "COMMIT", "START TRANSACTION"):
        return '{"%s", {}}' % line.replace("START TRANSACTION", "BEGIN")
    parameters = []

    def taken(match):
        text, number = match[1], match[2]
        if number is not None:
            after_newest = re.search(r"`id` > $", line[:match.start()])
            parameters.append('{"newest"}' if after_newest else number)
        elif text == made:
            parameters.append('{"uuid"}')
        elif re.fullmatch("[0-9a-f]{64}", text):
            parameters.append('{"digest"}')
        else:
            parameters.append(json.dumps(text.replace("\\\"", '"').replace("''", "'")))
        return "?"

    return "{%s, {%s}}" % (json.dumps(LITERAL.sub(taken, line)), ", ".join(parameters))


# ------------------------------------------------------------- one measurement
def measure_api(client, who, load, seconds, series):
    words = ["wrk", "-t1", "-c%d" % CONNECTIONS, "-d%ds" % seconds, "--timeout", "60s",
             "-s", os.path.join(LUA, "load.lua"), url(who, PATHS[load]), "--", client.token]
    if load == "posts":
        words += [series, str(SEGMENTS)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 120)
    found = re.search(r"^RESULT (.*)$", said.stdout, re.M)
    if not found:
        sys.exit("wrk said %s%s" % (said.stdout, said.stderr))
    result = json.loads(found[1])
    if result["refused"] or result["broken"]:
        sys.exit("%s, %s: not everything was answered well: %s" % (who, load, result))
    return result


def measure_mariadb(load, seconds, series):
    words = ["sysbench", os.path.join(LUA, "statements.lua"), "--db-driver=mysql",
             "--mysql-host=" + cloud.ADDR, "--mysql-port=" + os.environ["PORT_MYSQL_BENCH"],
             "--mysql-user=root", "--mysql-db=bench_rs", "--threads=%d" % CONNECTIONS,
             "--time=%d" % seconds, "--percentile=99", "run"]
    env = dict(os.environ, STATEMENTS=statements_file(load), SERIES=str(series))
    said = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 120, env=env)
    rate = re.search(r"transactions: +\d+ +\(([\d.]+) per sec", said.stdout)
    if not rate:
        rate = re.search(r"events/s \(eps\): +([\d.]+)", said.stdout)
    p99 = re.search(r"99th percentile: +([\d.]+)", said.stdout)
    if said.returncode or not rate or float(rate[1]) == 0:
        sys.exit("sysbench said %s%s" % (said.stdout[-3000:], said.stderr[-2000:]))
    return {"rate": float(rate[1]), "p99_ms": float(p99[1])}


def statements_file(load):
    return os.path.join(cloud.CLOUD_DIR, "state", "bench-%s.lua" % load)


# ------------------------------------------------------------- all of it
def spread(runs, figure):
    values = sorted(r[figure] for r in runs if figure in r)
    if not values:
        return None
    return {"median": round(statistics.median(values), 2), "min": values[0], "max": values[-1]}


def summary(runs, load):
    of = {who: [r for r in runs if r["load"] == load and r["who"] == who]
          for who in ("python", "ours", "mariadb")}
    asked = [min(TIMES_PYTHON * p["rate"], SHARE_OF_MARIADB * m["rate"])
             for p, m in zip(of["python"], of["mariadb"])]
    times = [o["rate"] / p["rate"] for p, o in zip(of["python"], of["ours"])]
    share = [o["rate"] / m["rate"] for m, o in zip(of["mariadb"], of["ours"])]
    bar = [o["rate"] / a for o, a in zip(of["ours"], asked)]
    p99 = {who: statistics.median(r["p99_ms"] for r in of[who]) for who in of}
    out = {who: {f: spread(of[who], f) for f in ("rate", "p50_ms", "p99_ms") if spread(of[who], f)}
           for who in of}
    out["times_python"] = {"median": round(statistics.median(times), 1), "min": round(min(times), 1)}
    out["share_of_mariadb"] = {"median": round(statistics.median(share), 2), "min": round(min(share), 2)}
    out["of_the_bar"] = {"median": round(statistics.median(bar), 2), "min": round(min(bar), 2)}
    out["holds"] = statistics.median(bar) >= 1 and p99["ours"] < p99["python"]
    return out


def tell(load, s):
    say("%-13s Python %.1f/s p50 %.1f p99 %.1f ms | ours %.1f/s p50 %.1f p99 %.1f ms | MariaDB alone %.1f/s" % (
        load, s["python"]["rate"]["median"], s["python"]["p50_ms"]["median"], s["python"]["p99_ms"]["median"],
        s["ours"]["rate"]["median"], s["ours"]["p50_ms"]["median"], s["ours"]["p99_ms"]["median"],
        s["mariadb"]["rate"]["median"]))
    say("%-13s %.1f times Python, %.0f %% of MariaDB alone: %s" % (
        "", s["times_python"]["median"], 100 * s["share_of_mariadb"]["median"],
        "holds" if s["holds"] else "DOES NOT HOLD, %.2f of what is asked" % s["of_the_bar"]["median"]))


def run(a):
    client = cloud.Client()
    # The first of its kind each: MariaDB shows the parameters of statements that it prepared while logging.
    for load in a.loads:
        with open(statements_file(load), "w") as f:
            f.write("return {\n  %s,\n}\n" % ",\n  ".join(statements_of(client, load)))
    check_equal_bodies(client)
    runs = []
    for load in a.loads:
        # The lists are measured before there is more to list.
        for pair in range(a.pairs):
            series = "%d-%d" % (time.time(), pair)
            who = {"python": lambda: measure_api(client, "python", load, a.seconds, series),
                   "ours": lambda: measure_api(client, "ours", load, a.seconds, series),
                   "mariadb": lambda: measure_mariadb(load, a.seconds, pair)}
            for name in [n for n in who if not a.only or n == a.only]:
                runs.append(dict(who[name](), load=load, who=name))
                say("%-13s %s" % (load, json.dumps(runs[-1])))
    resident = round(cloud.rss_mib(cloud.group_pids("bench-rs-api")), 1)
    say("our API's memory: %s MiB resident" % resident)
    if a.only:
        return 0
    sums = {load: summary(runs, load) for load in a.loads}
    for load, s in sums.items():
        tell(load, s)
    holds = all(s["holds"] for s in sums.values()) and resident <= RESIDENT_MIB_MAX
    if a.out:
        with open(a.out, "w") as f:
            json.dump({"bench": "api", "commit": a.commit, "connections": CONNECTIONS,
                       "seconds": a.seconds, "holds": holds, "resident_mib": resident,
                       "cpus": os.cpu_count(), "summary": sums, "runs": runs,
                       "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}, f, indent=1)
            f.write("\n")
    say("the bar holds" if holds else "THE BAR DOES NOT HOLD")
    return 0 if holds else 1


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("do", choices=["fill", "run"])
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--seconds", type=int, default=4, help="of each measurement")
    p.add_argument("--loads", nargs="+", choices=list(PATHS), default=list(PATHS))
    p.add_argument("--only", choices=["python", "ours", "mariadb"], help="that side alone, without a bar")
    p.add_argument("--commit", default="unknown")
    p.add_argument("--out", help="file for the figures, as JSON")
    a = p.parse_args()
    return fill() if a.do == "fill" else run(a)


if __name__ == "__main__":
    sys.exit(main())
