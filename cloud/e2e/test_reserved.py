"""Reserved hosts, and methods that fall back; asserted from Nova's side."""
from scene import HOST, Case, ours_only

AGGREGATE = "racks"


class ReservedHost(Case):
    """The last host is reserved: disabled in Nova, marked in Masakari."""

    def setUp(self):
        super().setUp()
        self.spare = self.hosts[-1]
        self.addCleanup(self.enable_all)
        self.enable(self.spare, False)
        self.mark(self.spare, reserved=True)

    # ------------------------------------------------------------- what happens
    def enable_all(self):
        for host in self.hosts:
            if self.nova.service(host)["state"] == "up":
                self.enable(host, True)

    def enable(self, host, yes):
        service = self.nova.service(host)
        self.nova.nova("PUT", "/os-services/%s" % service["id"],
                       {"status": "enabled" if yes else "disabled"})

    def mark(self, name, **change):
        host = self.host_row(name)
        self.nova.masakari("PUT", "/segments/%s/hosts/%s" % (self.segment["uuid"], host["uuid"]),
                           {"host": change})

    def host_row(self, name):
        hosts = self.nova.masakari("GET", "/segments/%s/hosts" % self.segment["uuid"]).json()["hosts"]
        return [h for h in hosts if h["name"] == name][0]

    def method(self, name):
        self.nova.masakari("PUT", "/segments/%s" % self.segment["uuid"],
                           {"segment": {"recovery_method": name}})

    def where(self, ids):
        found = {s["id"]: s["OS-EXT-SRV-ATTR:host"] for s in self.nova.servers(detail=True)}
        return {found[i] for i in ids}

    def vmoves(self):
        return self.nova.masakari("GET", "/notifications/%s/vmoves" % self.notification_id
                                  ).json()["vmoves"]

    def zone_of(self, hosts):
        """An availability zone of these hosts, which is gone after the case."""
        made = self.nova.nova("POST", "/os-aggregates", {
            "aggregate": {"name": AGGREGATE, "availability_zone": AGGREGATE}}).json()["aggregate"]
        self.addCleanup(self.remove_aggregate, made["id"])
        for host in hosts:
            self.nova.nova("POST", "/os-aggregates/%d/action" % made["id"],
                           {"add_host": {"host": host}})
        self.aggregate = made["id"]
        return AGGREGATE

    def hosts_in_zone(self):
        found = self.nova.nova("GET", "/os-aggregates/%d" % self.aggregate).json()
        return set(found["aggregate"]["hosts"])

    def remove_aggregate(self, number):
        self.nova.delete_all_servers()
        aggregate = self.nova.nova("GET", "/os-aggregates/%d" % number).json()["aggregate"]
        for host in aggregate["hosts"]:
            self.nova.nova("POST", "/os-aggregates/%d/action" % number,
                           {"remove_host": {"host": host}})
        self.nova.nova("DELETE", "/os-aggregates/%d" % number)

    def recover(self, method, count, **server):
        self.method(method)
        ids = self.nova.boot(count, HOST, **server)
        self.host_dies()
        self.notify()
        self.wait_for_end()
        return ids

    # ------------------------------------------------------------- what must be true
    def assert_kept(self):
        self.assertEqual(self.nova.service(self.spare)["status"], "enabled")
        self.assertFalse(self.host_row(self.spare)["reserved"])

    def assert_as_it_was_found(self):
        self.assertEqual(self.nova.service(self.spare)["status"], "disabled")
        self.assertTrue(self.host_row(self.spare)["reserved"])

    def assert_fell_back(self, ids, to):
        """Every server failed by the one way and moved by the other, and all is well."""
        self.assertEqual(self.notification()["status"], "finished")
        states = {(s["status"], s["OS-EXT-SRV-ATTR:host"] in to)
                  for s in self.nova.servers(detail=True)}
        self.assertEqual(states, {("ACTIVE", True)}, "(status, where it belongs)")
        vmoves = self.vmoves()
        ends = sorted((v["instance_uuid"], v["status"]) for v in vmoves)
        self.assertEqual(ends, sorted((i, s) for i in ids for s in ("failed", "succeeded")))


    def assert_reason(self, why):
        """Of each failed vmove, and in the details too."""
        failed = {v["message"] for v in self.vmoves() if v["status"] == "failed"}
        self.assertEqual(failed, {why})
        told = str(self.notification()["recovery_workflow_details"])
        self.assertIn(why, told)


class Reserved(ReservedHost):
    """The method of a segment says where its servers go."""

    def test_by_reserved_host_all_servers_go_there_and_it_serves_from_then_on(self):
        ids = self.recover("reserved_host", 5)
        self.assert_all_came_back_once(ids)
        self.assert_reported(ids)
        self.assertEqual(self.where(ids), {self.spare})
        self.assert_kept()
        evacuate = self.notification()["recovery_workflow_details"][-1]
        told = [(float(d["progress"]), d["message"]) for d in evacuate["progress_details"]]
        all_of_them = ",".join(sorted(ids))
        self.assertEqual(told[0][0], 0.0)
        self.assertTrue(told[0][1].startswith(
            "Start evacuation of instances from failed host '%s', instance uuids are: '" % HOST))
        self.assertEqual(told[1], (0.1, "Enabling reserved host: '%s'" % self.spare))
        self.assertEqual(sorted(told[2:-2]), [
            (0.5, "Evacuation of instance started: '%s'" % i) for i in sorted(ids)])
        self.assertEqual(told[-2:], [
            (0.7, "Successfully evacuate instances '%s' from host '%s'" % (all_of_them, HOST)),
            (1.0, "Evacuation process completed!")])

    def test_by_rh_priority_all_servers_go_to_the_reserved_host_too(self):
        ids = self.recover("rh_priority", 3)
        self.assert_all_came_back_once(ids)
        self.assert_reported(ids)
        self.assertEqual(self.where(ids), {self.spare})
        self.assert_kept()

    def test_by_auto_priority_none_goes_there_while_nova_finds_other_hosts(self):
        ids = self.recover("auto_priority", 5)
        self.assert_all_came_back_once(ids)
        self.assert_reported(ids)
        self.assertNotIn(self.spare, self.where(ids))
        self.assert_as_it_was_found()

    @ours_only
    def test_by_auto_priority_what_nova_finds_no_host_for_goes_to_the_reserved_one(self):
        """In the servers' zone is no other host but the reserved one, which is disabled."""
        zone = self.zone_of([HOST, self.spare])
        ids = self.recover("auto_priority", 3, availability_zone=zone)
        self.assert_fell_back(ids, {self.spare})
        self.assert_kept()
        others = ", ".join(h for h in self.hosts if h not in (HOST, self.spare))
        self.assert_reason("No valid host was found: %s have room, but the scheduler's rules (zones, "
                           "traits, groups, filters) exclude them; it is pinned to availability zone %s" % (others, AGGREGATE))

    @ours_only
    def test_by_rh_priority_one_that_can_take_nothing_is_handed_back_and_nova_chooses(self):
        """Nova's scheduler refuses it: it is not in the servers' zone."""
        others = set(self.hosts) - {HOST, self.spare}
        zone = self.zone_of(set(self.hosts) - {self.spare})
        ids = self.recover("rh_priority", 3, availability_zone=zone)
        self.assert_fell_back(ids, others)
        self.assert_as_it_was_found()
        self.assert_reason("No valid host was found: %s has room, but the scheduler's rules (zones, "
                           "traits, groups, filters) exclude it; it is pinned to availability zone %s" % (self.spare, AGGREGATE))

    @ours_only
    def test_without_any_reserved_host_the_report_says_so(self):
        self.mark(self.spare, reserved=False)
        ids = self.recover("reserved_host", 2)
        self.assertEqual(self.notification()["status"], "failed")
        self.assertEqual(self.where(ids), {HOST})
        self.assertEqual({(v["status"], v["message"]) for v in self.vmoves()},
                         {("failed", "No reserved_hosts available for evacuation.")})


@ours_only
class ReservedIntoAggregates(ReservedHost):
    sections = "[host_failure]\nadd_reserved_host_to_aggregate = true"

    def test_a_reserved_host_joins_the_zone_of_the_dead_one(self):
        zone = self.zone_of([HOST])
        ids = self.recover("reserved_host", 3, availability_zone=zone)
        self.assert_all_came_back_once(ids)
        self.assert_reported(ids)
        self.assertEqual(self.where(ids), {self.spare})
        self.assertEqual(self.hosts_in_zone(), {HOST, self.spare})
        self.assert_kept()


@ours_only
class AutoWithinSegment(ReservedHost):
    sections = "[recovery]\nauto_within_segment = true"

    def test_nova_gets_no_host_outside_of_the_segment(self):
        """The reserved host serves, and is taken out of the segment."""
        outside = self.host_row(self.spare)
        self.enable(self.spare, True)
        self.nova.masakari("DELETE", "/segments/%s/hosts/%s" % (self.segment["uuid"], outside["uuid"]))
        ids = self.recover("auto", 12)
        self.assert_all_came_back_once(ids)
        self.assert_reported(ids)
        self.assertEqual(self.where(ids), set(self.hosts) - {HOST, self.spare})
