"""A server for which no host has room waits for it, and moves when there is some."""
from scene import HOST, ours_only, until
from test_reasons import HUGE_MB, Huge


@ours_only
class Capacity(Huge):
    def vmove(self, server):
        found = self.nova.masakari("GET", "/notifications/%s/vmoves" % self.notification_id
                                   ).json()["vmoves"]
        return next((v for v in found if v["instance_uuid"] == server), {})

    def test_a_server_without_room_waits_visibly_and_moves_when_another_one_is_deleted(self):
        flavor = self.huge()
        others = [h for h in self.hosts if h != HOST]
        [first, *_] = [self.nova.boot(1, host, flavor=flavor)[0] for host in others]
        [left] = self.nova.boot(1, HOST, flavor=flavor)
        self.host_dies()
        self.notify()
        short = "waits for capacity: not enough RAM on %s (%d MB RAM needed); since " % (
            ", ".join(others), HUGE_MB)
        until("it waits", lambda: (self.vmove(left).get("message") or "").startswith(short), 180)
        self.assertEqual(self.vmove(left)["status"], "ongoing")
        notification = self.notification()
        self.assertEqual(notification["status"], "running")
        self.assertIn("Instance '%s' %s" % (left, short),
                      str(notification["recovery_workflow_details"]))
        asked = self.actions([left])[left]
        self.nova.nova("DELETE", "/servers/" + first)
        self.wait_for_end()
        self.assertEqual(self.actions([left])[left], asked + 1, "evacuations that were asked for")
        self.assert_reported([left])
        [moved] = [s for s in self.nova.servers(detail=True) if s["id"] == left]
        self.assertEqual((moved["status"], moved["OS-EXT-SRV-ATTR:host"], moved["locked"]),
                         ("ACTIVE", others[0], False))
