"""All hosts fall silent at once: RabbitMQ is away, and their monitors report them dead. None of them is.

For as long as no nova-compute is heard nothing is fenced, evacuated, disabled or forced down; and afterwards nothing
either, because they are heard again.
"""
import time

import cloud
from rack import Host, Rack
from scene import HOST, SOAK, UNDER_TEST, Case, ours_only, soak_only, until

# With a BMC that would do as it is told.
FENCEABLE = Host("redfish", "silent", behaves="off", servers=2)
AWAY_S = 180 if SOAK else 45
# How long nothing must happen after they are heard again.
QUIET_S = 10


class AllFallSilent(Case):
    require = None
    # Whom nothing but the guard holds.
    held_by_the_guard = staticmethod(lambda host: True)

    def fresh_masakari(self):
        self.rack = Rack(self.nova, [FENCEABLE], neighbour=HOST)
        self.addCleanup(self.rack.down)
        self.addCleanup(UNDER_TEST.down)
        self.rack.up()
        self.sections = "[fencing]\ndevices_file = %s\nrequire = %s\nreport_interval = %s" % (
            self.rack.fencing_yaml(), self.require, cloud.CFG["CLOUD_REPORT_INTERVAL"])
        super().fresh_masakari()
        self.nova.masakari("POST", "/segments/%s/hosts" % self.segment["uuid"], {"host": {
            "name": FENCEABLE.name, "type": "COMPUTE", "control_attributes": "ladder:redfish"}})

    def nothing_is_done(self):
        servers = self.nova.boot_on({HOST: 2, FENCEABLE.name: 2})
        asked, hosts = cloud.NovaAsked(), [*self.hosts, FENCEABLE.name]
        self.addCleanup(cloud.shell, "start_rabbit")
        cloud.shell("stop rabbit")
        stopped_at = time.time()
        until("Nova hears nobody", lambda: not self.heard(), 120)
        reports = {host: self.report_the_death_of(host) for host in hosts}
        time.sleep(max(stopped_at + AWAY_S - time.time(), 0))
        held = {host: self.told(report) for host, report in reports.items()}
        cloud.shell("start_rabbit")
        until("Nova hears all of them", lambda: set(hosts) <= self.heard(), 180)
        time.sleep(QUIET_S)
        for host, (status, said) in held.items():
            self.assertEqual(status, "new", host)
            if self.held_by_the_guard(host):
                self.assertIn("Held: mass silence: %d of %d compute services" % (len(hosts), len(hosts)), said)
        self.assertEqual({self.told(report)[0] for report in reports.values()}, {"new"}, "afterwards")
        self.assertEqual((asked.evacuations(), asked.forced_downs()), ([], []))
        self.assertEqual(self.rack.orders(FENCEABLE)[0], [], "what its BMC was told")
        where = {s["id"]: (s["status"], s["OS-EXT-SRV-ATTR:host"]) for s in self.nova.servers(detail=True)}
        self.assertEqual(where, {i: ("ACTIVE", host) for host, ids in servers.items() for i in ids})
        for host in hosts:
            service = self.nova.service(host)
            self.assertEqual((service["status"], service["forced_down"]), ("enabled", False), host)

    def heard(self):
        services = self.nova.nova("GET", "/os-services", params={"binary": "nova-compute"}).json()["services"]
        return {s["host"] for s in services if s["state"] == "up"}

    def told(self, report):
        told = self.nova.masakari("GET", "/notifications/" + report).json()["notification"]
        steps = told["recovery_workflow_details"]
        return told["status"], "\n".join(p["message"] for s in steps for p in s["progress_details"])


@soak_only
@ours_only
class MassSilenceWithAReport(AllFallSilent):
    """Nova agrees that they are down, and no more is asked for."""

    require = "monitor"

    def test_nothing_is_done_when_nova_has_lost_its_bus(self):
        self.nothing_is_done()


@ours_only
class MassSilenceWithADevice(AllFallSilent):
    require = "proven"
    held_by_the_guard = staticmethod(lambda host: host == FENCEABLE.name)

    def test_nothing_is_fenced_when_nova_has_lost_its_bus(self):
        self.nothing_is_done()
