"""Planned stops: a host that is away as planned is no failure until its time is over; and one that is drained first."""
import datetime
import time

import cloud
from scene import HOST, Case, command, ours_only, soak_only, until

ANNOUNCED_S = 30


@ours_only
class Stops(Case):
    def is_held(self):
        steps = self.notification()["recovery_workflow_details"]
        return "Held: a planned stop of host %s" % HOST in str(steps)

    def nothing_is_done(self, ids):
        self.assertEqual(self.requests.actions(), [])
        self.assertEqual(set(self.actions(ids).values()), {0})
        service = self.nova.service(HOST)
        self.assertEqual((service["status"], service["forced_down"]), ("enabled", False))

    @soak_only
    def test_a_host_on_maintenance_is_recovered_when_a_person_ends_that_and_not_before(self):
        ids = self.nova.boot(3, HOST)
        command("masakari", "host", "maintenance", HOST, "--for", "10m", "--reason", "new RAM")
        self.host_dies()
        self.notify()
        until("it is held", self.is_held, 20)
        time.sleep(7)
        self.nothing_is_done(ids)
        listed = command("masakari", "host", "status", HOST)
        self.assertRegex(listed, r"^%s: maintenance by admin \(.*: new RAM; .*%s" % (HOST, self.notification_id))
        self.assertIn(self.notification_id, command("masakari", "host", "resume", HOST))
        self.wait_for_end()
        self.assert_all_came_back_once(ids)
        self.assert_reported(ids)
        self.assertEqual(command("masakari", "host", "status"), "no stop is planned\n")

    @soak_only
    def test_a_host_that_is_away_after_its_announced_stop_is_recovered_without_a_new_report(self):
        ids = self.nova.boot(3, HOST)
        announced_at = time.time()
        command("masakari", "host", "stop-announced", HOST, "--for", "%ds" % ANNOUNCED_S)
        self.host_dies()
        self.notify()
        until("it is held", self.is_held, 20)
        self.nothing_is_done(ids)
        first = self.first_evacuation(ANNOUNCED_S + 30)
        print("%.1f s after its end ... " % (first - announced_at - ANNOUNCED_S), end="", flush=True)
        self.assertGreater(first, announced_at + ANNOUNCED_S)
        self.wait_for_end()
        self.assert_all_came_back_once(ids)


@ours_only
class Drains(Case):
    def actions_of(self, server):
        """What Nova did to the server since it was made, oldest first."""
        return [a["action"] for a in self.nova.instance_actions(server)][::-1][1:]

    def hosts_of(self, ids):
        return {self.nova.server(i)["OS-EXT-SRV-ATTR:host"] for i in ids}

    def test_a_drain_moves_what_runs_and_with_cold_what_is_off_and_stops_nothing(self):
        running, [off] = self.nova.boot(3, HOST), self.nova.boot(1, HOST)
        self.nova.stop([off])
        with self.assertRaisesRegex(AssertionError, "%s.* stays: it is off, and `--cold` was not asked for" % off):
            command("masakari", "host", "drain", HOST, "--reason", "new RAM")
        self.assertNotIn(HOST, self.hosts_of(running))
        self.assertEqual([self.actions_of(i) for i in running], [["live-migration"]] * 3)
        self.assertEqual((self.hosts_of([off]), self.actions_of(off)), ({HOST}, ["stop"]))
        self.assertEqual(command("masakari", "host", "status"), "no stop is planned\n")
        self.assertRegex(command("masakari", "host", "drain", HOST, "--cold", "--for", "10m"),
                         "no server is left on it, and the planned stop has begun")
        self.assertNotIn(HOST, self.hosts_of([off]))
        self.assertEqual(self.actions_of(off), ["stop", "migrate", "confirmResize"])
        now = {s["id"]: s["status"] for s in self.nova.servers(detail=True)}
        self.assertEqual(now, {off: "SHUTOFF", **{i: "ACTIVE" for i in running}})
        service = self.nova.service(HOST)
        self.assertEqual((service["status"], service["forced_down"], service["state"]), ("disabled", False, "up"))
        self.assertIn("masakari: drained by admin", service["disabled_reason"])
        until("the stop is planned", lambda: "maintenance by admin" in command("masakari", "host", "status"), 20)
        self.is_no_failure()

    def is_no_failure(self):
        """Its silence is held from now on."""
        self.host_dies()
        self.notify()
        until("it is held", lambda: "Held: a planned stop" in str(self.notification()["recovery_workflow_details"]), 20)
        self.assertEqual(self.requests.actions(), [])

    @soak_only
    def test_a_host_that_dies_while_it_is_drained_is_recovered_at_once(self):
        running, off = self.nova.boot(2, HOST), self.nova.boot(2, HOST)
        self.nova.stop(off)
        # Nothing moves: nobody is in service, and those that are off stay.
        for host in self.hosts:
            if host != HOST:
                self.nova.update_service(host, status="disabled")
        self.addCleanup(self.enable_all)
        command("masakari", "host", "drain", HOST, "--no-wait")
        # Nova waits for the host's own answer to that, and the drain for Nova's.
        until("it is disabled", lambda: self.nova.service(HOST)["status"] == "disabled", 20)
        self.host_dies()
        self.enable_all()
        self.notify()
        self.wait_for_end()
        self.assert_all_came_back(running + off, stopped=off)
        until("the drain has ended", lambda: command("masakari", "host", "status") == "no stop is planned\n", 20, every=1)

    def enable_all(self):
        for host in self.hosts:
            if host != HOST:
                self.nova.update_service(host, status="enabled")
