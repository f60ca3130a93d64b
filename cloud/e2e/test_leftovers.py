"""A run that was killed leaves its clean cloud to the next one: each case begins by removing what another one made."""
import signal

import cloud
from scene import HOST, Case, ours_only, until

TRAIT = "CUSTOM_LEFT"


@ours_only
class Leftovers(Case):
    def placement(self, method, path, body=None):
        return self.nova.call(method, cloud.base("PLACEMENT", path), body, "placement 1.18")

    def what_there_is(self):
        """All that a case can make, by its names."""
        get = lambda path, **kw: self.nova.nova("GET", path, params=kw).json()
        services = get("/os-services", binary="nova-compute")["services"]
        return {
            "aggregates": [a["name"] for a in get("/os-aggregates")["aggregates"]],
            "server groups": [g["name"] for g in get("/os-server-groups", all_projects="true")["server_groups"]],
            "flavors": sorted(f["name"] for f in get("/flavors", is_public="None")["flavors"]),
            "images": [i["name"] for i in self.nova.call("GET", cloud.base("GLANCE", "/v2/images")).json()["images"]],
            "traits": self.placement("GET", "/traits?name=startswith:CUSTOM_").json()["traits"],
            "servers": len(self.nova.servers()),
            "hosts": [(s["host"], s["status"], s["state"], s["forced_down"]) for s in services],
        }

    def plant(self):
        """As the cases make them, and nobody undoes it."""
        made = self.nova.nova("POST", "/os-aggregates", {
            "aggregate": {"name": "left", "availability_zone": "left"}}).json()["aggregate"]
        self.nova.nova("POST", "/os-aggregates/%d/action" % made["id"], {"add_host": {"host": HOST}})
        self.nova.nova("POST", "/os-server-groups", {"server_group": {"name": "left", "policy": "affinity"}})
        self.nova.nova("POST", "/flavors", {"flavor": {
            "name": "left", "ram": 64, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}})
        self.nova.call("POST", cloud.base("GLANCE", "/v2/images"), {
            "name": "left", "disk_format": "raw", "container_format": "bare"})
        self.placement("PUT", "/traits/" + TRAIT)
        [host] = self.placement("GET", "/resource_providers?name=" + HOST).json()["resource_providers"]
        path = "/resource_providers/%s/traits" % host["uuid"]
        now = self.placement("GET", path).json()
        self.placement("PUT", path, dict(now, traits=now["traits"] + [TRAIT]))
        self.nova.boot(1, HOST, availability_zone="left")
        self.nova.update_service(self.hosts[1], status="disabled")
        self.nova.update_service(self.hosts[2], forced_down=True)
        # The last: Nova answers no more after it.
        cloud.send_signal(self.hosts[3], signal.SIGSTOP)
        cloud.shell("drain_nova_api; start_unavailable")

    def test_a_case_begins_with_a_clean_cloud_whatever_another_one_left(self):
        clean = self.what_there_is()
        self.assertEqual((clean["flavors"], clean["images"]), (["small", "tiny"], ["tiny"]))
        self.plant()
        self.clean_cloud()
        self.maxDiff = None
        self.assertEqual(self.what_there_is(), clean)
        until("what was stopped is heard", lambda: self.nova.service(self.hosts[3])["state"] == "up", 30)
