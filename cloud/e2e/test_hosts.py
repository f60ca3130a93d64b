"""A node dies, and its VMs are back: who watches it is real, its monitor reports and proves, and nobody posts a notification by hand.

Nova's hypervisors are fake, so the node is one of those that the monitors' own suites have (sources.py), by the name of a compute; the
nova-compute of that name is killed at the same moment. `[fencing] require = proven`: with the report alone nothing is moved.
"""
import json
import tempfile
import time

import cloud
import monitors
import sources
from scene import HOST, Case, command, ours_only, soak_only, until

SERVERS = 5
# How long nothing must come of what is planned: more than the monitors' interval.
QUIET_S = 15


class Hosts(Case):
    # Who watches.
    Source = None
    # What is asked for, and what it brings.
    require, proof = "proven", None

    def setUp(self):
        super().setUp()
        self.servers = self.nova.boot(SERVERS, HOST)
        # Short, because a socket's path is.
        folder = tempfile.TemporaryDirectory(prefix="hosts.", dir="/tmp", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.source = self.Source(folder.name, self.hosts)
        self.addCleanup(self.source.ends.close)
        self.source.begin()
        self.watch(folder.name)
        self.asked, self.requests = cloud.NovaAsked(), cloud.NovaRequests()

    def fresh_masakari(self):
        self.sections = "[fencing]\nrequire = " + self.require
        super().fresh_masakari()

    def watch(self, folder):
        config, within = monitors.configuration(folder, self.source.hostname, self.source.sections), self.source.within
        self.said = monitors.start(self, "hostmonitor", folder, config, within)
        monitors.await_well(config, within)
        # Each host is seen more than once.
        time.sleep(5)
        self.assertEqual(self.reports(), [], self.said())

    # ------------------------------------------------------------- what happens
    def dies(self):
        self.died_at = time.time()
        self.source.dies()
        cloud.kill(HOST)

    def reports(self):
        return self.nova.masakari("GET", "/notifications").json()["notifications"]

    def is_reported(self, within=60):
        until("it is reported: " + self.said(), self.reports, within, every=0.05)
        self.reported_at = time.time()
        [report] = self.reports()
        self.assertEqual((report["type"], report["payload"]["event"]), ("COMPUTE_HOST", "STOPPED"))
        self.notification_id = report["notification_uuid"]

    def is_held(self, why, quiet=5):
        until("it is held", lambda: "Held: " + why in self.details(), 20)
        time.sleep(quiet)
        self.assertEqual((self.asked.evacuations(), self.asked.forced_downs()), ([], []))

    def details(self):
        steps = self.notification()["recovery_workflow_details"]
        return "\n".join(p["message"] for step in steps for p in step["progress_details"])

    # ------------------------------------------------------------- what must be true
    def is_recovered(self, within=90, **before):
        """And how long that took, from its death; what is named was before the proof."""
        of_nova = cloud.NovaInstances()
        until("all are back", lambda: of_nova.active_elsewhere(self.servers, [HOST]) == SERVERS, within, every=0.05)
        back_at = time.time()
        self.wait_for_end()
        first = min(asked["wall"] for asked in self.asked.evacuations())
        self.assert_all_came_back_once(self.servers)
        self.assert_reported(self.servers)
        self.is_certified(first)
        self.assertEqual([report["payload"]["event"] for report in self.reports()].count("STOPPED"), 1, "reports of its death")
        for what, at in before.items():
            self.assertLess(at, self.proven_at, what)
        moments = dict(before, reported=self.reported_at, proven=self.proven_at, evacuated=first, all_back=back_at)
        after = {what + "_s": round(at - self.died_at, 2) for what, at in moments.items()}
        print("\nRUN %s" % json.dumps(dict(after, case=type(self).__name__, proof=self.proof, outcome="finished")), flush=True)

    def is_certified(self, first):
        """The death is proven by what the driver brought, before the first evacuation."""
        told = json.loads(command("masakari", "certificate", self.notification_id, "--json"))
        [certificate] = [one for one in told["certificates"] if one["standing"]["state"] == "in_force"]
        self.assertEqual((told["host"], certificate["kind"]), (HOST, self.proof))
        [decisive] = [piece for piece in certificate["evidence"] if piece["decides"]]
        self.proven_at = cloud.moment(certificate["judged_at"])
        self.assertLessEqual(cloud.moment(certificate["true_at"]), self.proven_at)
        self.assertLess(self.proven_at, first)
        self.assertIn("proof: %s, true at" % self.proof, command("masakari", "certificate", self.notification_id))
        if self.proof != "monitor_said":
            self.assertIn("Host '%s' is proven dead: %s, %s" % (HOST, self.proof, decisive["source"]), self.details())
        return decisive

    def goes_and_is_let_be(self):
        self.source.goes()
        time.sleep(QUIET_S)
        self.assertEqual(self.reports(), [], self.said())
        self.assertEqual((self.asked.evacuations(), self.asked.forced_downs()), ([], []))
        service = self.nova.service(HOST)
        self.assertEqual((service["state"], service["status"], service["forced_down"]), ("up", "enabled", False))


@ours_only
@soak_only
class HostsKubernetes(Hosts):
    """A silent kubelet proves nothing; what a person says of its node by a taint does."""

    Source, proof = sources.Kubernetes, "operator_confirmed"

    def test_a_node_that_is_cordoned_is_let_be(self):
        self.goes_and_is_let_be()

    def test_vms_of_a_node_that_dies_are_back_once_it_is_tainted_as_out_of_service(self):
        self.dies()
        self.is_reported()
        self.is_held("host '%s': only monitor_said says that it is dead, and [fencing] require asks for proof" % HOST)
        tainted_at = time.time()
        self.source.is_switched_off_says_a_person()
        self.is_recovered(tainted=tainted_at)


@ours_only
@soak_only
class HostsConsul(Hosts):
    """Consul proves nothing at all: that its report suffices is a rule, and Nova must miss the host as well."""

    Source, require, proof = sources.Consul, "monitor", "monitor_said"

    def test_a_member_that_leaves_is_let_be(self):
        self.goes_and_is_let_be()

    def test_vms_of_a_member_that_dies_are_back_once_nova_misses_it_too(self):
        self.dies()
        self.is_reported()
        self.is_recovered()
        self.assertEqual(self.asked.forced_downs(), [])


@ours_only
@soak_only
class HostsLease(Hosts):
    Source, proof = sources.Lease, "lease_expired"

    def test_a_host_that_gives_its_lease_back_is_let_be(self):
        self.goes_and_is_let_be()

    def test_vms_of_a_host_whose_kernel_panics_are_back_after_its_watchdog_has_bitten(self):
        self.dies()
        reset_at = self.source.reset_at()
        self.is_reported()
        self.is_recovered(reset=reset_at)


@ours_only
@soak_only
class HostsPacemaker(Hosts):
    Source, proof = sources.Pacemaker, "cluster_fenced"

    def test_a_remote_in_standby_is_let_be(self):
        self.goes_and_is_let_be()

    def test_vms_of_a_remote_that_loses_its_power_are_back_once_it_is_fenced(self):
        self.dies()
        self.is_reported()
        self.is_recovered()
