"""An operator says that a host is dead."""
import time

from scene import HOST, SOON_S, Case, command, ours_only


@ours_only
class ConfirmDead(Case):
    def test_the_recovery_goes_on_at_once_though_nova_takes_the_host_for_alive(self):
        ids = self.nova.boot(10, HOST)
        self.host_dies(seen_by_nova=False)
        self.notify()
        time.sleep(1)
        self.assertEqual(self.requests.actions(), [], "before anybody confirmed the death")
        self.assertEqual(self.nova.service(HOST)["state"], "up")
        command("masakari", "confirm-dead", HOST, "--reason", "power cord is in my hand")
        # Before, the program started and logged in to Keystone.
        confirmed_at = time.time()
        waited = self.first_evacuation(timeout=SOON_S) - confirmed_at
        print("after %.3f s ... " % waited, end="", flush=True)
        self.assertTrue(self.nova.service(HOST)["forced_down"])
        self.wait_for_end()
        self.assert_all_came_back_once(ids)
        self.assert_reported(ids)

    def test_a_host_that_is_reported_after_it_was_confirmed_is_recovered_at_once(self):
        ids = self.nova.boot(10, HOST)
        self.host_dies(seen_by_nova=False)
        confirm = "masakari", "confirm-dead", HOST, "--reason", "power cord is in my hand"
        self.assertRegex(command(*confirm), "confirmed|dead")
        self.notify()
        waited = self.first_evacuation(timeout=SOON_S) - self.notified_at
        print("after %.3f s ... " % waited, end="", flush=True)
        self.wait_for_end()
        self.assert_all_came_back_once(ids)
