"""Who goes first, and how many at once; asserted by Nova's own times."""
from scene import HOST, Case, ours_only
import cloud


@ours_only
class Priority(Case):
    sections = ("[recovery]\npriority_flavor_key = ha:priority\npriority_image_key = ha_priority\n"
                "priority_aggregate_key = ha_priority")

    def began(self, server_id):
        """When Nova began the evacuation, by its own record (whole seconds)."""
        actions = self.nova.instance_actions(server_id)
        return [a["start_time"] for a in actions if a["action"] == "evacuate"][-1]

    def test_ha_enabled_servers_go_first_and_then_by_number(self):
        """In the order in which they are booted they would go the other way round."""
        low = self.nova.boot(2, HOST, metadata={"HA_Priority": "-5"})
        none = self.nova.boot(2, HOST)
        high = self.nova.boot(2, HOST, metadata={"HA_Priority": "100"})
        key_low = self.nova.boot(2, HOST, metadata={"HA_Enabled": "True", "HA_Priority": "1"})
        key_high = self.nova.boot(2, HOST, metadata={"HA_Enabled": "True", "HA_Priority": "2"})
        groups = [key_high, key_low, high, none, low]
        self.in_this_order(groups)

    def test_the_priority_of_flavor_image_and_aggregate_count_where_the_server_says_nothing(self):
        self.aggregate("2")
        of_aggregate = self.nova.boot(1, HOST)
        of_image = self.nova.boot(1, HOST, imageRef=self.image("3"))
        own = self.nova.boot(1, HOST, flavor=self.flavor("4"), metadata={"HA_Priority": "1"})
        of_flavor = self.nova.boot(1, HOST, flavor="prior")
        self.in_this_order([of_flavor, of_image, of_aggregate, own])

    def in_this_order(self, groups):
        ids = [i for group in groups for i in group]
        self.host_dies()
        self.notify()
        self.wait_for_end()
        self.assert_all_came_back_once(ids)
        self.assert_reported(ids)
        order = [server for _, server in self.requests.evacuations()]
        at = 0
        for group in groups:
            self.assertEqual(set(order[at:at + len(group)]), set(group), "of %s" % order)
            at += len(group)
        began = [[self.began(i) for i in group] for group in groups]
        for before, after in zip(began, began[1:]):
            self.assertLessEqual(max(before), min(after), "by Nova's actions: %s" % began)

    def flavor(self, priority):
        made = self.nova.nova("POST", "/flavors", {"flavor": {
            "name": "prior", "ram": 64, "vcpus": 1, "disk": 1}}).json()["flavor"]
        self.addCleanup(self.gone, "DELETE", "/flavors/" + made["id"])
        self.nova.nova("POST", "/flavors/%s/os-extra_specs" % made["id"],
                       {"extra_specs": {"ha:priority": priority}})
        return "prior"

    def image(self, priority):
        images = cloud.base("GLANCE", "/v2/images")
        made = self.nova.call("POST", images, {
            "name": "prior", "disk_format": "raw", "container_format": "bare",
            "ha_priority": priority}).json()
        self.addCleanup(self.nova.call, "DELETE", "%s/%s" % (images, made["id"]))
        self.addCleanup(self.nova.delete_all_servers)
        self.nova.call("PUT", "%s/%s/file" % (images, made["id"]), data=b"\0" * 512,
                       headers={"Content-Type": "application/octet-stream"})
        return made["id"]

    def aggregate(self, priority):
        made = self.nova.nova("POST", "/os-aggregates", {
            "aggregate": {"name": "prior"}}).json()["aggregate"]
        path = "/os-aggregates/%d" % made["id"]
        self.addCleanup(self.nova.nova, "DELETE", path)
        self.nova.nova("POST", path + "/action", {"add_host": {"host": HOST}})
        self.addCleanup(self.nova.nova, "POST", path + "/action", {"remove_host": {"host": HOST}})
        self.nova.nova("POST", path + "/action",
                       {"set_metadata": {"metadata": {"ha_priority": priority}}})

    def gone(self, method, path):
        self.nova.delete_all_servers()
        self.nova.nova(method, path)


@ours_only
class Threads(Case):
    extra = "host_failure_recovery_threads = 2"

    def test_so_many_servers_are_on_their_way_at_once(self):
        """Nova's records say when each evacuation was accepted and when it was done."""
        ids = self.nova.boot(6, HOST)
        self.host_dies()
        self.notify()
        self.wait_for_end()
        self.assert_all_came_back_once(ids)
        found = self.nova.nova("GET", "/os-migrations", params={
            "source_compute": HOST, "migration_type": "evacuation"}).json()["migrations"]
        spans = [(m["created_at"], m["updated_at"]) for m in found if m["instance_uuid"] in ids]
        # Whole seconds: who begins in the second in which another ends does so after it.
        most = max(sum(begin <= other and other < end for begin, end in spans)
                   for other, _ in spans)
        self.assertLessEqual(most, 2, spans)
