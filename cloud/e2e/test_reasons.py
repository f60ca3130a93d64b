"""Why a server was not recovered: vmoves and details say what Nova and Placement say."""
from scene import HOST, Case, command, ours_only, until

# More than half of what a host has.
HUGE_MB = 500000


@ours_only
class Huge(Case):
    """Servers of which each fills a host."""

    def huge(self):
        # One may be left of a run that was ended.
        for old in self.nova.nova("GET", "/flavors").json()["flavors"]:
            if old["name"] == "huge":
                self.remove(old["id"])
        made = self.nova.nova("POST", "/flavors", {"flavor": {
            "name": "huge", "ram": HUGE_MB, "vcpus": 1, "disk": 1}}).json()["flavor"]
        self.addCleanup(self.remove, made["id"])
        return "huge"

    def remove(self, flavor):
        self.nova.delete_all_servers()
        self.nova.nova("DELETE", "/flavors/" + flavor)


@ours_only
class Reasons(Huge):
    sections = "[recovery]\ncapacity_wait = 0"

    def test_a_server_for_which_no_host_has_memory_fails_with_that_reason_and_a_retry_does_it_alone(self):
        flavor = self.huge()
        others = [h for h in self.hosts if h != HOST]
        [filler, *_] = [self.nova.boot(1, host, flavor=flavor)[0] for host in others]
        [left] = self.nova.boot(1, HOST, flavor=flavor)
        ids = self.nova.boot(2, HOST)
        self.host_dies()
        self.notify()
        self.wait_for_end()
        why = "No valid host was found: not enough RAM on %s (%d MB RAM needed)" % (
            ", ".join(others), HUGE_MB)
        vmoves = self.nova.masakari("GET", "/notifications/%s/vmoves" % self.notification_id
                                    ).json()["vmoves"]
        ends = {v["instance_uuid"]: (v["status"], v["message"]) for v in vmoves}
        self.assertEqual(ends, {left: ("failed", why), ids[0]: ("succeeded", None),
                                ids[1]: ("succeeded", None)})
        notification = self.notification()
        self.assertEqual(notification["status"], "failed")
        steps = notification["recovery_workflow_details"]
        self.assertEqual([(s["name"], s["state"]) for s in steps], [
            ("DisableComputeServiceTask", "SUCCESS"), ("PrepareHAEnabledInstancesTask", "SUCCESS"),
            ("EvacuateInstancesTask", "FAILURE")])
        told = [d["message"] for d in steps[-1]["progress_details"]]
        self.assertIn("Instance '%s' was not evacuated: %s" % (left, why), told)
        self.is_done_alone_by_a_retry(left, ids, filler)

    def is_done_alone_by_a_retry(self, left, ids, filler):
        """Once there is room."""
        asked = self.actions([left, *ids])
        self.nova.nova("DELETE", "/servers/" + filler)
        until("there is room", lambda: filler not in {s["id"] for s in self.nova.servers()}, 30)
        command("masakari", "retry", self.notification_id, "--reason", "there is room now")
        self.wait_for_end()
        self.assertEqual(self.notification()["status"], "finished")
        self.assertEqual(self.actions([left, *ids]), {**asked, left: asked[left] + 1})
        self.assert_all_came_back([left, *ids])
