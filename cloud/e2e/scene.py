"""The scene of a case: a clean cloud, a fresh Masakari, a host that dies, and what must be true then.

What is expected of a recovery is asked of Nova (servers, their actions, its services, its request
log) and of Masakari's public API, never read in our own log.
"""
import collections
import concurrent.futures
import datetime
import json
import os
import subprocess
import time
import unittest

import cloud
import law
import leftovers

HOST = "compute01"
TERMINAL = ("finished", "failed", "ignored", "error")
# Under it stays whatever waits for nothing, on a loaded machine too; whatever waits for the engine's next
# round, or for Nova to find out, is over it. How soon it is in fact is for `bench evacuate` to say.
SOON_S = 8


def log_path(name):
    return os.path.join(cloud.CLOUD_DIR, "log", name)


class Ours:
    """Our api and its engines."""

    name = "ours"
    engines = 1
    # How long each log was when it came up.
    begun = {}

    def up(self, extra="", sections="", **deployment):
        self.down()
        self.engines = int(deployment.get("RS_ENGINES", "1"))
        self.begun = {log: os.path.getsize(log) for log in map(log_path, self.logs()) if os.path.exists(log)}
        cloud.script("masakari-up", RS_EXTRA=extra, RS_SECTIONS=sections, **deployment)

    def down(self):
        cloud.script("masakari-down", "--wipe")
        begun, self.begun = self.begun, {}
        for log, size in begun.items():
            with open(log, errors="replace") as f:
                f.seek(size)
                if " panicked at " in f.read():
                    raise AssertionError("the program that just ended panicked: see %s" % log)

    def start_engine(self, number):
        cloud.shell('start_rs_engine "$1"', str(number))

    def logs(self):
        engines = ["masakari-rs-engine%d.log" % (n + 1) for n in range(self.engines)]
        return ["masakari-rs-api.log", *engines]


class Python:
    name = "python"

    def up(self, extra="", sections=""):
        if extra or sections:
            raise NotImplementedError("a configuration of its own")
        self.down()
        cloud.script("masakari-py-up", "tuned")

    def down(self):
        cloud.script("masakari-py-down", "--wipe")

    def logs(self):
        return ["masakari-api.log", "masakari-engine.log"]


UNDER_TEST = {"ours": Ours, "python": Python}[os.environ.get("E2E_AGAINST", "ours")]()


# How often the cases of a long run are repeated; 0 for the suite.
SOAK = int(os.environ.get("SOAK_COUNT", "0"))


def soak_only(test):
    """A case that takes too long for the suite."""
    test.soak_only = True
    return test


def ours_only(test):
    """A case of something that Python Masakari does not do, or does wrong."""
    test.ours_only = True
    return test


def can_run(test):
    method = getattr(type(test), getattr(test, "_testMethodName", ""), None)
    marked = lambda mark: getattr(method, mark, False) or getattr(type(test), mark, False)
    return ((UNDER_TEST.name == "ours" or not marked("ours_only"))
            and (SOAK > 0 or not marked("soak_only")))


def title(test):
    return "%s: %s" % (type(test).__name__, test._testMethodName.removeprefix("test_").replace("_", " "))


def until(what, condition, timeout, every=0.2):
    """Wait for a condition to give something true, and give that."""
    deadline = time.time() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.time() > deadline:
            raise AssertionError("not within %d s: %s" % (timeout, what))
        time.sleep(every)


def command(*words):
    """Run a command of the cloud's or of ours as an operator would; what it printed."""
    path = "%s:%s:%s" % (os.path.join(cloud.CLOUD_DIR, "run", "bin"), venv_bin(), os.environ["PATH"])
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=dict(
        os.environ, PATH=path, OS_AUTH_URL=cloud.base("KEYSTONE", "/v3"), OS_USERNAME="admin",
        OS_PASSWORD=cloud.CFG["CLOUD_PASSWORD"], OS_PROJECT_NAME="admin",
        OS_USER_DOMAIN_NAME="Default", OS_PROJECT_DOMAIN_NAME="Default",
        OS_REGION_NAME=cloud.CFG["CLOUD_REGION"], OS_IDENTITY_API_VERSION="3"))
    if done.returncode:
        raise AssertionError("`%s` said %d: %s%s" % (
            " ".join(words), done.returncode, done.stdout, done.stderr))
    return done.stdout


def venv_bin():
    return os.path.join(os.environ["CLOUD_VENV"], "bin")


def openstack(*words):
    """What `openstack ... -f json` printed, parsed."""
    return json.loads(command("openstack", *words, "-f", "json"))


class Case(unittest.TestCase):
    """Everything healthy, no servers, an empty Masakari with one segment of all hosts."""

    # More lines and sections of its configuration file.
    extra = ""
    sections = ""
    # What masakari-up is told in the environment.
    deployment = {}

    # Where the engines' log is.
    database_port = "PORT_MYSQL_RS"
    law = None

    def setUp(self):
        # Before what it is judged by is gone.
        self.assert_the_law_was_obeyed()
        self.nova = cloud.Client()
        self.clean_cloud()
        self.fresh_masakari()
        if UNDER_TEST.name == "ours":
            self.law = law.Law(self.database_port)

    def tearDown(self):
        self.assert_the_law_was_obeyed()

    def assert_the_law_was_obeyed(self):
        """Of every case, and of every part of one that begins with a clean cloud."""
        if self.law is not None:
            judged, self.law = self.law, None
            self.assertEqual(judged.broken(), [], "see law.py")

    def clean_cloud(self):
        leftovers.processes()
        self.nova.delete_all_servers()
        services = self.nova.nova("GET", "/os-services", params={"binary": "nova-compute"})
        self.hosts = sorted(s["host"] for s in services.json()["services"])
        # Of a run that was ended.
        left = [host for host in self.hosts if not host.startswith("compute")]
        if left:
            cloud.remove_hosts(self.nova, left)
            self.hosts = [host for host in self.hosts if host not in left]
        for host in self.hosts:
            cloud.revive(self.nova, host)
        leftovers.resources(self.nova)

    def fresh_masakari(self):
        UNDER_TEST.up(self.extra, self.sections, **self.deployment)
        self.segment = self.nova.masakari("POST", "/segments", {"segment": {
            "name": "all", "recovery_method": "auto", "service_type": "COMPUTE"}}).json()["segment"]
        for host in self.hosts:
            self.nova.masakari("POST", "/segments/%s/hosts" % self.segment["uuid"], {"host": {
                "name": host, "type": "COMPUTE", "control_attributes": "SSH"}})

    # ------------------------------------------------------------- what happens
    def host_dies(self, seen_by_nova=True):
        cloud.kill(HOST)
        if seen_by_nova:
            cloud.wait_until_down(self.nova, HOST)

    def notify(self):
        """The report that a host monitor sends. From here on `self.requests` has what Nova is asked."""
        self.requests = cloud.NovaRequests()
        self.notified_at = time.time()
        self.notification_id = self.report_the_death_of(HOST)

    def report_the_death_of(self, host):
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        answer = self.nova.masakari("POST", "/notifications", {"notification": {
            "type": "COMPUTE_HOST", "hostname": host, "generated_time": now.isoformat(),
            "payload": {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}}})
        self.assertEqual(answer.status_code, 202)
        return answer.json()["notification"]["notification_uuid"]

    def notification(self):
        return self.nova.masakari("GET", "/notifications/" + self.notification_id
                                  ).json()["notification"]

    def first_evacuation(self, timeout=60):
        """When Nova was first asked to evacuate."""
        return until("an evacuation", self.requests.evacuations, timeout, every=0.05)[0][0]

    def wait_for_end(self, timeout=300):
        until("the notification ended", lambda: self.notification()["status"] in TERMINAL, timeout)

    # ------------------------------------------------------------- what must be true
    def actions(self, ids, action="evacuate"):
        """How often Nova did that to each server."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            lists = pool.map(self.nova.instance_actions, ids)
        return {i: sum(a["action"] == action for a in actions) for i, actions in zip(ids, lists)}

    def assert_evacuated_once(self, ids):
        """Nova's own records: of each server exactly one evacuation is done, and none is under way;
        each began when the one before it had failed."""
        found = self.nova.nova("GET", "/os-migrations", params={
            "source_compute": HOST, "migration_type": "evacuation"}).json()["migrations"]
        records, spans = collections.defaultdict(list), collections.defaultdict(list)
        for record in found:
            records[record["instance_uuid"]].append(record["status"])
            spans[record["instance_uuid"]].append((record["created_at"], record["updated_at"]))
        wrong = {i: records[i] for i in ids if records[i].count("done") != 1
                 or set(records[i]) - {"done", "failed", "error"}}
        self.assertEqual(wrong, {}, "evacuations of servers, by Nova's records")
        for of_server in map(sorted, (spans[i] for i in ids)):
            for (_, over), (begun, _) in zip(of_server, of_server[1:]):
                self.assertLessEqual(over, begun, "two evacuations of a server at once")

    def assert_all_came_back_once(self, ids, stopped=()):
        """ACTIVE (these: SHUTOFF) on another host, by one evacuation each, and unlocked."""
        self.assert_all_came_back(ids, stopped)
        self.assertEqual(set(self.actions(ids).values()), {1}, "evacuations of a server")

    def assert_all_came_back(self, ids, stopped=()):
        """As above, but Nova may have failed at one evacuation before it did the other."""
        found = {s["id"]: s for s in self.nova.servers(detail=True)}
        states = collections.Counter(
            (found[i]["status"], found[i]["OS-EXT-SRV-ATTR:host"] != HOST, found[i]["locked"])
            for i in ids)
        expected = collections.Counter(
            ("SHUTOFF" if i in stopped else "ACTIVE", True, False) for i in ids)
        self.assertEqual(states, expected, "(status, on another host, locked): servers")
        self.assert_evacuated_once(ids)

    def assert_reported(self, ids):
        """The notification finished, with a vmove for each server and every step told."""
        notification = self.notification()
        self.assertEqual(notification["status"], "finished")
        vmoves = self.nova.masakari("GET", "/notifications/%s/vmoves" % self.notification_id
                                    ).json()["vmoves"]
        self.assertEqual(sorted(v["instance_uuid"] for v in vmoves), sorted(ids))
        where = {s["id"]: s["OS-EXT-SRV-ATTR:host"] for s in self.nova.servers(detail=True)}
        for v in vmoves:
            self.assertEqual(
                (v["status"], v["type"], v["source_host"], v["dest_host"]),
                ("succeeded", "evacuation", HOST, where[v["instance_uuid"]]), v)
            self.assertIsNotNone(v["start_time"])
            self.assertIsNotNone(v["end_time"])
        steps = notification["recovery_workflow_details"]
        self.assertEqual([s["name"] for s in steps], [
            "DisableComputeServiceTask", "PrepareHAEnabledInstancesTask", "EvacuateInstancesTask"])
        for step in steps:
            self.assertEqual((step["state"], step["progress"]), ("SUCCESS", 1.0), step)
            self.assertTrue(step["progress_details"], step)
        self.assertEqual(self.nova.service(HOST)["status"], "disabled")
