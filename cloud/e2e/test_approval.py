"""`[approval]`: a recovery that waits for a person's word, is rejected, is reported again and approved."""
import time

from scene import HOST, Case, command, ours_only, until

# How long nothing must happen to what is held: it is looked at every five seconds.
QUIET_S = 7


@ours_only
class Approval(Case):
    # The host is reported twice.
    extra = "duplicate_notification_detection_interval = 0"
    sections = "[approval]\nsegments = all:always"

    def is_held(self):
        return "Held: [approval] asks for a person's word" in self.said()

    def said(self):
        steps = self.notification()["recovery_workflow_details"]
        return "\n".join(p["message"] for step in steps for p in step["progress_details"])

    def nothing_is_done(self, ids):
        self.assertEqual(self.requests.actions(), [])
        self.assertEqual(set(self.actions(ids).values()), {0})
        service = self.nova.service(HOST)
        self.assertEqual((service["status"], service["forced_down"]), ("enabled", False))

    def test_nothing_is_begun_before_a_person_approves_and_nothing_after_one_rejects(self):
        ids = self.nova.boot(3, HOST)
        self.host_dies()
        self.notify()
        until("it is held", self.is_held, 20)
        self.assertIn("masakari approve %s" % self.notification_id, self.said())
        time.sleep(QUIET_S)
        self.nothing_is_done(ids)
        self.assertIn("masakari approve %s" % self.notification_id, command("masakari", "explain", self.notification_id))
        command("masakari", "reject", self.notification_id, "--reason", "it is being repaired")
        self.wait_for_end()
        rejected = self.notification()
        self.assertEqual(rejected["status"], "ignored")
        self.assertRegex(rejected["message"], r"^rejected by admin \(.*\): it is being repaired$")
        with self.assertRaisesRegex(AssertionError, "has ended: it is ignored"):
            command("masakari", "approve", self.notification_id, "--reason", "too late")
        self.nothing_is_done(ids)
        self.notify()
        until("it is held", self.is_held, 20)
        command("masakari", "approve", self.notification_id, "--reason", "I pulled the plug")
        self.wait_for_end()
        self.assert_all_came_back_once(ids)
        self.assertEqual(self.notification()["status"], "finished")
        self.assertRegex(self.said(), r"[Aa]pproved by admin \(.*\): I pulled the plug")
        with self.assertRaisesRegex(AssertionError, "refused|cannot|has ended"):
            command("masakari", "reject", self.notification_id, "--reason", "too late")
