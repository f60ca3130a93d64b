"""Hosts with BMCs, and `[fencing] require = proven`: what the engine's fencing comes to, compared with fences.toml.

All of it happens once, to all hosts side by side, before the first case; the cases look at what became of each.
"""
import collections
import itertools
import os
import re
import time
import tomllib

import cloud
from rack import Host, Rack, hang, lose_power
from scene import HOST, UNDER_TEST, Case, ours_only, until

with open(os.path.join(cloud.HERE, "e2e", "fences.toml"), "rb") as toml:
    TABLE = tomllib.load(toml)
# Its servers are moved one after the other, so that it can boot in the middle.
MANY = 16
HOSTS = {
    "%s %s" % (kind, case): Host(kind, case, ladder={"alone": "alone"}.get(case),
                                 behaves={"alone": "dead", "alive": "off"}.get(case))
    for kind, cases in TABLE.items() for case in cases}
BOOTS = Host("redfish", "boots", behaves="off", servers=MANY)
WRITER = Host("redfish", "writer", behaves="off", servers=2)
WRITER_ALONE = Host("redfish", "writer-alone", behaves="off", ladder="nobody", servers=2)
ALL = [*HOSTS.values(), BOOTS, WRITER, WRITER_ALONE]
ENDS_WITHIN_S = 180
# Nearly all hosts die at once here.
NO_GUARD = "[guard]\nsegment_percent = 0\ncloud_percent = 0\nsilent_percent = 0\nper_minute = 0"
# How long nothing more must happen to what is held.
QUIET_S = 8


def each_of_the_table(case):
    """Gives a class one case for each row."""
    for name, host in HOSTS.items():
        row = TABLE[host.kind][host.case]
        setattr(case, "test_%s_ends_as_the_table_says" % re.sub(r"\W", "_", name),
                lambda self, host=host, row=row: self.is_as_in_the_table(host, row))
    return ours_only(case)


@each_of_the_table
class Fences(Case):
    extra = "host_failure_recovery_threads = 1"
    # Of this class: what happened, or why it did not.
    happened = None

    def setUp(self):
        case = type(self)
        if case.happened is None:
            case.happened = self
            self.failed = "it did not come to its end"
            try:
                self.happens()
            except BaseException as error:
                self.failed += ": %r" % error
                raise
            self.failed = None
        elif case.happened.failed:
            self.fail(case.happened.failed)
        self.__dict__.update({k: v for k, v in case.happened.__dict__.items() if not k.startswith("_")})

    def tearDown(self):
        """Of all of it at once, as soon as it has happened."""

    # ------------------------------------------------------------- what happens
    def happens(self):
        self.rack = None
        super().setUp()
        self.servers = self.nova.boot_on({host.name: host.room for host in ALL})
        self.asked = cloud.NovaAsked()
        with open(self.engine_log()) as log:
            self.logged_from = log.seek(0, os.SEEK_END)
        for host in ALL:
            if host.case == "already-off":
                lose_power(host)
            elif host.case != "alive":
                hang(host)
        self.hung_at = time.monotonic()
        self.reports = {host: self.report_the_death_of(host.name) for host in ALL}
        self.boots_in_the_middle()
        self.wait_for_all()
        self.evacuations_of_boots = len(self.evacuations(BOOTS))
        time.sleep(QUIET_S)
        self.told = {host: self.recovery(host) for host in ALL}
        self.where = {s["id"]: s for s in self.nova.servers(detail=True)}
        self.services = {host: self.nova.service(host.name) for host in ALL}
        self.evacuated = {host: self.evacuations(host) for host in ALL}
        self.assert_the_law_was_obeyed()

    def fresh_masakari(self):
        self.rack = Rack(self.nova, ALL, neighbour=HOST)
        type(self).addClassCleanup(self.rack.down)
        # First: nobody recovers what the rack's end leaves behind.
        type(self).addClassCleanup(UNDER_TEST.down)
        self.rack.up()
        self.sections = "[fencing]\ndevices_file = %s\nrequire = proven\nreport_interval = %s\n%s" % (
            self.rack.fencing_yaml(), cloud.CFG["CLOUD_REPORT_INTERVAL"], NO_GUARD)
        super().fresh_masakari()
        for kind in ("redfish", "ipmi", "agent"):
            segment = self.nova.masakari("POST", "/segments", {"segment": {
                "name": kind, "recovery_method": "auto", "service_type": "COMPUTE"}}).json()["segment"]
            for host in (host for host in ALL if host.kind == kind):
                self.nova.masakari("POST", "/segments/%s/hosts" % segment["uuid"], {"host": {
                    "name": host.name, "type": "COMPUTE", "control_attributes": "ladder:" + host.ladder}})

    def boots_in_the_middle(self):
        until("the host that boots is recovered", lambda: self.evacuations(BOOTS), ENDS_WITHIN_S, every=0.1)
        self.pid_before = BOOTS.pid
        self.rack.boot(BOOTS)
        until("it is held", lambda: "Held: " in self.messages(self.recovery(BOOTS)), 60)

    def wait_for_all(self):
        left = list(ALL)

        def have_ended():
            left[:] = [host for host in left if not self.has_ended(host, self.recovery(host))]
            return not left
        try:
            until("all recoveries have ended or are held", have_ended, ENDS_WITHIN_S, every=1)
        except AssertionError as late:
            told = ("%s: %s" % (host.name, self.messages(self.recovery(host))) for host in left)
            raise AssertionError("%s; not so: %s" % (late, "; ".join(told))) from late

    def has_ended(self, host, told):
        moved = host is WRITER or host in HOSTS.values() and TABLE[host.kind][host.case]["servers"] == "moved"
        return told["status"] == "finished" if moved else "Held: " in self.messages(told)

    def recovery(self, host):
        return self.nova.masakari("GET", "/notifications/" + self.reports[host]).json()["notification"]

    def evacuations(self, host):
        """What Nova was asked of the host's servers."""
        return [a for a in self.asked.evacuations() if a["server"] in self.servers[host.name]]

    def engine_log(self):
        return os.path.join(cloud.CLOUD_DIR, "log", "masakari-rs-engine1.log")

    # ------------------------------------------------------------- what must be true
    def messages(self, told):
        steps = told["recovery_workflow_details"]
        return "\n".join(p["message"] for step in steps for p in step["progress_details"])

    def is_as_in_the_table(self, host, row):
        said = self.messages(self.told[host])
        begun = self.path(host, said)
        for i, text in enumerate(begun):
            wanted = row["path"][i] if i < len(row["path"]) else ""
            begun[i] = wanted if wanted and text.startswith(wanted) else text
        certificate = re.search(r"^Host '%s' is proven dead: (.*)$" % host.name, said, re.M)
        orders, ordered_at = self.rack.orders(host)
        # Given again where its answer was lost or late.
        orders = [order for order, _ in itertools.groupby(orders)]
        seen = {"path": begun, "orders": orders, "host": "lives" if host.lives() else "stopped",
                "servers": self.became_of_servers(host), **({"certificate": certificate[1]} if certificate else {})}
        self.maxDiff = None
        self.assertEqual(seen, row, said)
        if row["servers"] == "moved" and orders:
            self.assertLessEqual(ordered_at, self.evacuated[host][0]["wall"], "off, then the first evacuation")
        if row["servers"] == "left":
            self.assertIn("`masakari confirm-dead %s --reason" % host.name, said)
        if host.case == "wrong-machine":
            self.assertEqual(self.rack.orders_to_the_neighbour(host), "")
            self.assertEqual(self.nova.service(HOST)["state"], "up")

    def path(self, host, said):
        """What each rung came to, by the recovery's details."""
        fenced = re.findall(r"^Fenced host '%s': .*?: (1\. .*)$" % host.name, said, re.M)
        failed = re.findall(r"it could not be fenced: (1\. .*?); it is (?:not )?tried again", said)
        last = (fenced or failed or [""])[-1]
        return [rung.strip("; ") for rung in re.split(r"(?:^|; )\d\. ", last) if rung]

    def became_of_servers(self, host):
        """By Nova, and the report agrees."""
        ids, status = self.servers[host.name], self.told[host]["status"]
        where = collections.Counter((self.where[i]["status"], self.where[i]["OS-EXT-SRV-ATTR:host"] == host.name)
                                    for i in ids)
        asked, service = self.actions(ids), self.services[host]
        if (where == {("ACTIVE", False): len(ids)} and set(asked.values()) == {1} and status == "finished"
                and service["forced_down"] and service["status"] == "disabled"):
            return "moved"
        if (where == {("ACTIVE", True): len(ids)} and set(asked.values()) == {0} and status == "new"
                and not service["forced_down"] and service["status"] == "enabled" and not self.evacuated[host]):
            return "left"
        return "%s, evacuated %s, %s, %s" % (dict(where), sorted(asked.values()), status, service)

    def test_who_writes_on_a_host_that_hangs_has_ended_before_the_first_evacuation(self):
        self.assertEqual(self.became_of_servers(WRITER), "moved")
        last, first = WRITER.writer.last_write(), self.evacuated[WRITER][0]["at"]
        print("%.3f s before ... " % (first - last), end="", flush=True)
        self.assertGreater(last, self.hung_at + 5, "it wrote while its nova-compute hung")
        self.assertLess(last, first)
        self.assertIsNotNone(WRITER.writer.process.poll())

    def test_without_a_device_nothing_of_a_host_that_hangs_is_moved_while_somebody_writes_there(self):
        self.assertEqual(self.became_of_servers(WRITER_ALONE), "left")
        self.assertGreater(WRITER_ALONE.writer.last_write(), time.monotonic() - 5, "it goes on writing")
        self.assertEqual(self.nova.service(WRITER_ALONE.name)["state"], "down")
        self.assertIn("1. person (manual): pull the plug of", self.messages(self.told[WRITER_ALONE]))

    def test_a_host_that_boots_in_the_middle_of_its_recovery_is_held_and_nothing_more_is_moved(self):
        told, ids = self.told[BOOTS], self.servers[BOOTS.name]
        asked = len(self.evacuated[BOOTS])
        print("after %d of %d ... " % (asked, MANY), end="", flush=True)
        self.assertEqual(asked, self.evacuations_of_boots, "evacuations after it was held")
        self.assertLess(asked, MANY)
        left = [i for i in ids if self.where[i]["OS-EXT-SRV-ATTR:host"] == BOOTS.name]
        self.assertEqual(len(left), MANY - asked)
        self.assertEqual({self.where[i]["status"] for i in left}, {"ACTIVE"})
        self.assertEqual(self.rack.orders(BOOTS)[0], ["off"], "it is not switched off again")
        self.assertTrue(BOOTS.lives() and BOOTS.pid != self.pid_before)
        service = self.services[BOOTS]
        self.assertEqual((service["forced_down"], service["status"]), (True, "disabled"))
        why = "host '%s': it shows a sign of life, newer than the powered_off: its nova-compute reported to Nova" % (
            BOOTS.name)
        self.assertEqual(told["status"], "new")
        self.assertIn("Held: " + why, self.messages(told))
        with open(self.engine_log()) as log:
            log.seek(self.logged_from)
            warned = [line for line in log if " WARNING " in line and "held: " + why in line]
        self.assertTrue(warned, "the engine's log has a warning")
