"""A compute host fails."""
import os
import time

from scene import HOST, SOON_S, Case, ours_only


def recover(case, count):
    ids = case.nova.boot(count, HOST)
    case.host_dies()
    case.notify()
    case.wait_for_end()
    case.assert_all_came_back_once(ids)
    case.assert_reported(ids)


class HostFails(Case):
    def test_10_servers_come_back_elsewhere(self):
        recover(self, 10)

    @ours_only
    def test_the_first_evacuation_waits_for_no_round_of_looks(self):
        self.nova.boot(10, HOST)
        self.host_dies()
        self.notify()
        waited = self.first_evacuation(timeout=SOON_S) - self.notified_at
        print("after %.3f s ... " % waited, end="", flush=True)
        self.wait_for_end()

    @ours_only
    def test_nothing_is_evacuated_before_nova_says_that_the_host_is_down(self):
        """With no more than a monitor's word, Nova's own guard stays on."""
        self.nova.boot(4, HOST)
        self.host_dies(seen_by_nova=False)
        self.notify()
        while self.nova.service(HOST)["state"] == "up":
            self.assertEqual(self.requests.actions(), [], "refused ones too")
            time.sleep(0.1)
        self.assertFalse(self.nova.service(HOST)["forced_down"])
        self.wait_for_end()
        self.assertEqual(self.notification()["status"], "finished")

    @ours_only
    def test_ha_enabled_servers_go_first(self):
        before = self.nova.boot(4, HOST)
        first = self.nova.boot(2, HOST, metadata={"HA_Enabled": "True"})
        after = self.nova.boot(4, HOST)
        self.host_dies()
        self.notify()
        self.wait_for_end()
        self.assert_all_came_back_once(before + first + after)
        order = [server for _, server in self.requests.evacuations()]
        self.assertEqual(set(order[:2]), set(first), "of %s" % order)

    def test_a_host_without_servers_is_recovered_by_doing_nothing(self):
        self.host_dies()
        self.notify()
        self.wait_for_end()
        self.assertEqual(self.notification()["status"], "finished")
        self.assertEqual(self.requests.evacuations(), [])


class ManyServers(Case):
    def test_on_one_host_come_back_elsewhere(self):
        """HOST_SERVERS of them; the long run asks for 50 and for 100."""
        recover(self, int(os.environ.get("HOST_SERVERS", "50")))
