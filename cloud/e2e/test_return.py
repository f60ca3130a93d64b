"""A host that was lost comes back: it returns to service with nobody typing."""
import time

import cloud
from scene import HOST, Case, command, ours_only, soak_only, until


@ours_only
class Return(Case):
    # The host is lost again and again.
    extra = "duplicate_notification_detection_interval = 0"
    sections = "\n".join(("[return]", "probation = 15", "flap_limit = 3", "flap_window = 3600"))

    def lose(self, count):
        self.ids = ids = self.nova.boot(count, HOST)
        self.host_dies(seen_by_nova=False)
        self.notify()
        command("masakari", "confirm-dead", HOST, "--reason", "power cord is in my hand")
        self.wait_for_end()
        self.assertEqual(self.notification()["status"], "finished")
        self.assert_all_came_back_once(ids)
        service = self.nova.service(HOST)
        self.assertEqual((service["status"], service["forced_down"]), ("disabled", True))

    def records(self):
        found = self.nova.nova("GET", "/os-migrations", params={
            "source_compute": HOST, "migration_type": "evacuation"}).json()["migrations"]
        return [record["status"] for record in found if record["instance_uuid"] in self.ids]

    def boots(self):
        cloud.shell('start_compute "$1"', str(int(HOST.removeprefix("compute"))))

    def on_maintenance(self):
        hosts = self.nova.masakari("GET", "/segments/%s/hosts" % self.segment["uuid"]).json()["hosts"]
        return next(host["on_maintenance"] for host in hosts if host["name"] == HOST)

    def is_in_service(self):
        service = self.nova.service(HOST)
        shown = service["status"], service["state"], service["forced_down"]
        return shown == ("enabled", "up", False)

    def test_a_host_that_comes_back_is_in_service_again_with_nobody_typing(self):
        self.lose(4)
        self.assertEqual(set(self.records()), {"done"})
        self.assertRegex(command("masakari", "return", "--list"), "%s: away since" % HOST)
        time.sleep(20)
        self.assertFalse(self.is_in_service(), "before it came back")
        self.boots()
        until("in service again", self.is_in_service, timeout=120)
        self.assertEqual(set(self.records()), {"completed"})
        # The last step: Nova shows the one before it sooner than we have taken this.
        until("off maintenance", lambda: not self.on_maintenance(), timeout=60)
        self.assertRegex(command("masakari", "return", "--list"), "no recovery has left")

    @soak_only
    def test_a_host_that_flaps_stops_at_its_limit_until_a_person_wants_it(self):
        for _ in range(2):
            self.lose(1)
            self.boots()
            until("in service again", self.is_in_service, timeout=180)
        self.lose(1)
        self.boots()
        said = lambda: "was lost 3 times within 1 h" in command("masakari", "return", "--list")
        until("held at the limit", said, timeout=120)
        time.sleep(90)
        self.assertFalse(self.is_in_service(), "it was lost too often")
        command("masakari", "return", HOST, "--reason", "the switch is mended")
        until("in service again", self.is_in_service, timeout=60)

    @soak_only
    def test_what_a_person_disabled_stays_disabled(self):
        self.lose(1)
        command("openstack", "compute", "service", "set", "--disable", "--disable-reason", "Ann repairs it",
                HOST, "nova-compute")
        self.boots()
        up = lambda: not self.nova.service(HOST)["forced_down"] and self.nova.service(HOST)["state"] == "up"
        until("heard again", up, timeout=120)
        until("off maintenance", lambda: not self.on_maintenance(), timeout=60)
        service = self.nova.service(HOST)
        self.assertEqual((service["status"], service["disabled_reason"]), ("disabled", "Ann repairs it"))
