"""An operator cancels a recovery, has it tried again, and reports a host himself."""
import cloud
from scene import HOST, Case, command, ours_only


@ours_only
class ByHand(Case):
    def test_what_a_cancelled_recovery_left_is_brought_back_when_it_is_tried_again(self):
        ids = self.nova.boot(4, HOST)
        self.host_dies(seen_by_nova=False)
        self.notify()
        command("masakari", "cancel", self.notification_id, "--reason", "a drill")
        self.wait_for_end()
        cancelled = self.notification()
        self.assertEqual(cancelled["status"], "ignored")
        self.assertRegex(cancelled["message"], r"^cancelled by admin \(.*\): a drill$")
        self.assertEqual(self.requests.actions(), [], "before anybody confirmed the death")
        with self.assertRaisesRegex(AssertionError, "has ended: it is ignored"):
            command("masakari", "cancel", self.notification_id)
        command("masakari", "retry", self.notification_id, "--reason", "it is no drill")
        self.assertEqual(self.notification()["status"], "new")
        command("masakari", "confirm-dead", HOST, "--reason", "power cord is in my hand")
        self.wait_for_end()
        self.assertEqual(self.notification()["status"], "finished")
        self.assert_all_came_back_once(ids)
        with self.assertRaisesRegex(AssertionError, "nothing of it failed: it is finished"):
            command("masakari", "retry", self.notification_id)

    def test_a_host_that_an_operator_reports_is_recovered_like_any_other(self):
        ids = self.nova.boot(4, HOST)
        self.host_dies()
        self.requests = cloud.NovaRequests()
        said = command("masakari", "recover", HOST, "--reason", "I see smoke")
        self.notification_id = next(word for word in said.split() if len(word) == 36)
        self.wait_for_end()
        self.assertEqual(self.notification()["status"], "finished")
        self.assertEqual(self.notification()["payload"]["reason"], "I see smoke")
        self.assert_all_came_back_once(ids)
