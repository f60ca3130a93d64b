"""Ordered restart: tier by tier, asserted by Nova's own times."""
import time

import cloud
import scene
from scene import HOST, Case, ours_only


@ours_only
class Tiers(Case):
    sections = "[recovery]\nordered_restart = true\ntier_timeout_s = 20"

    def start_of(self, server_id):
        """When Nova was asked to start the server, and when it had (whole seconds)."""
        found = [a for a in self.nova.instance_actions(server_id) if a["action"] == "start"]
        self.assertEqual(len(found), 1, "starts of %s" % server_id)
        return found[0]["start_time"], found[0]["updated_at"]

    def test_servers_arrive_stopped_and_start_tier_by_tier(self):
        """In the order in which they are booted they would start the other way round."""
        last = self.nova.boot(2, HOST)
        second = self.nova.boot(2, HOST, metadata={"HA_Tier": "2"})
        first = self.nova.boot(2, HOST, metadata={"HA_Tier": "-1", "HA_Check": "guest"})
        was_off = self.nova.boot(1, HOST, metadata={"HA_Tier": "1"})
        self.nova.action(was_off[0], "os-stop")
        self.until_status(was_off[0], "SHUTOFF")
        groups = [first, second, last]
        ids = [i for group in groups for i in group]
        self.host_dies()
        self.notify()
        said_at = self.guests_answer(first)
        self.wait_for_end()
        self.assert_all_came_back_once(ids)
        self.assert_reported(ids + was_off)
        times = [[self.start_of(i) for i in group] for group in groups]
        for before, after in zip(times, times[1:]):
            ended, began = max(t[1] for t in before), min(t[0] for t in after)
            self.assertLessEqual(ended, began, "by Nova's actions: %s" % times)
        # Nova's times are whole seconds.
        self.assertGreaterEqual(min(cloud.moment(t[0]) for t in times[1]), int(said_at), times)
        self.assertEqual(self.actions(was_off, "start"), {was_off[0]: 0})
        self.until_status(was_off[0], "SHUTOFF")
        told = self.told()
        for part in ("Tier -1: 2 of 2 up", "Tier 2: 2 of 2 up", "Those without a tier: 2 of 2 up",
                     "its guest agent has not answered: no introspectiveinstancemonitor of host"):
            self.assertIn(part, told)

    def guests_answer(self, ids):
        """What the monitor of their host says, some time after they run; when it was said."""
        for i in ids:
            self.until_status(i, "ACTIVE")
        time.sleep(7)
        where = {s["id"]: s["OS-EXT-SRV-ATTR:host"] for s in self.nova.servers(detail=True)}
        said_at = time.time()
        for i in ids:
            url = cloud.base("MASAKARI", "/ha/v1/hosts/%s/guests" % where[i])
            self.assertEqual(self.nova.call("POST", url, {"answer": [i]}).status_code, 204)
        return said_at

    def until_status(self, server_id, status):
        scene.until("%s is %s" % (server_id, status), lambda: any(
            s["id"] == server_id and s["status"] == status
            for s in self.nova.servers(detail=True)), 60)

    def told(self):
        steps = self.notification()["recovery_workflow_details"]
        return "\n".join(p["message"] for s in steps for p in s["progress_details"])
