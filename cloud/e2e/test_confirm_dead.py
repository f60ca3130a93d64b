"""An operator says that a host is dead."""
import time

import cloud
from scene import HOST, Case, command, ours_only


@ours_only
class ConfirmDead(Case):
    def test_the_recovery_goes_on_at_once_though_nova_takes_the_host_for_alive(self):
        ids = self.nova.boot(10, HOST)
        self.host_dies(seen_by_nova=False)
        self.notify()
        time.sleep(1)
        self.assertEqual(self.requests.evacuations(), [], "before anybody confirmed the death")
        self.assertEqual(self.nova.service(HOST)["state"], "up")
        confirmed_at = time.time()
        command("masakari", "confirm-dead", HOST, "--reason", "power cord is in my hand")
        waited = self.first_evacuation(timeout=20) - confirmed_at
        print("after %.3f s ... " % waited, end="", flush=True)
        self.assertLess(waited, float(cloud.CFG["CLOUD_REPORT_INTERVAL"]))
        self.assertTrue(self.nova.service(HOST)["forced_down"])
        self.wait_for_end()
        self.assert_all_came_back_once(ids)
        self.assert_reported(ids)
