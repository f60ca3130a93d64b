"""Servers of one host go different ways: each only where it fits, and what has moved moves no more."""
import collections

from scene import HOST, ours_only
from test_reasons import Huge
from test_reserved import ReservedHost


@ours_only
class Mixed(ReservedHost, Huge):
    """Of the two last hosts, which are reserved, the one whose turn comes first is too small for one of the servers."""

    def test_each_goes_the_first_way_that_takes_it_and_the_next_one_gets_the_rest_alone(self):
        # The one that was added last goes first.
        _, free, large, small = self.hosts
        zone = self.zone_of([HOST, small, large])
        flavor = self.huge()
        self.enable(small, True)
        self.nova.boot(1, small, flavor=flavor)
        for spare in (small, large):
            self.enable(spare, False)
            self.mark(spare, reserved=True)
        anywhere = self.nova.boot(2, HOST)
        pinned = self.nova.boot(2, HOST, availability_zone=zone)
        [big] = self.nova.boot(1, HOST, availability_zone=zone, flavor=flavor)
        self.method("auto_priority")
        self.host_dies()
        self.notify()
        self.wait_for_end()
        self.assertEqual(self.notification()["status"], "finished", self.vmoves())
        self.assertEqual([self.where(ids) for ids in (anywhere, pinned, [big])], [{free}, {small}, {large}])
        ends = collections.defaultdict(list)
        for vmove in self.vmoves():
            ends[vmove["instance_uuid"]].append(vmove["status"])
        tried = {**dict.fromkeys(anywhere, 0), **dict.fromkeys(pinned, 1), big: 2}
        self.assertEqual({i: sorted(e) for i, e in ends.items()},
                         {i: ["failed"] * n + ["succeeded"] for i, n in tried.items()})
        self.assert_all_came_back([*anywhere, *pinned, big])
        for spare in (small, large):
            self.assertEqual((self.nova.service(spare)["status"], self.host_row(spare)["reserved"]), ("enabled", False))
