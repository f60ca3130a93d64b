"""`masakari report`: how many hosts may be lost, and what Nova says when one is."""
import re

import cloud
from scene import HOST, Case, command, ours_only, soak_only
from test_reasons import Huge


@ours_only
class Report(Huge):
    sections = "[recovery]\ncapacity_wait = 0"

    @soak_only
    def test_a_segment_that_may_lose_a_host_does_and_one_that_may_not_leaves_what_the_report_says(self):
        small = self.nova.boot_on({host: 2 for host in self.hosts})
        said = command("masakari", "report")
        self.assertRegex(said, r"^segment all \(auto\): N\+%d; %d hosts, %d VMs\n" % (
            len(self.hosts) - 1, len(self.hosts), 2 * len(self.hosts)))
        # Each fills more than half of a host: there is room for no other.
        self.nova.boot_on({host: 1 for host in self.hosts}, flavor=self.huge())
        with self.assertRaisesRegex(AssertionError, r"N\+0") as refused:
            command("masakari", "report", "--segment", "all")
        self.assertRegex(str(refused.exception), r"\n +%s +2 would move; NO ROOM for 1\n" % HOST)
        self.assertIn("NOT N+1: all (1 of 1 segment)", str(refused.exception))
        self.host_dies()
        self.notify()
        self.wait_for_end()
        left = [s for s in self.nova.servers(detail=True) if s["OS-EXT-SRV-ATTR:host"] == HOST]
        self.assertEqual([s["flavor"]["original_name"] for s in left], ["huge"])
        self.assert_all_came_back_once(small[HOST])
