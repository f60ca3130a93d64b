"""Why a recovery failed or stands still: each failure is provoked, and `explain` names its cause.

The suite provokes four; `cargo xtask soak cases` all.
"""
import os
import tempfile

import cloud
from scene import HOST, Case, command, ours_only, soak_only, until
from test_reasons import Huge
from test_reserved import AGGREGATE, ReservedHost

TRAIT = "CUSTOM_ONLY_HERE"


class Explained(Case):
    """What is told of the notification."""

    def explanation(self):
        return self.nova.call("GET", cloud.base("MASAKARI", "/ha/v1/notifications/%s/explain" % (
            self.notification_id))).json()["explanation"]

    def causes(self):
        return [finding["cause"] for finding in self.explanation()["findings"]]

    def assert_is_told(self, cause, timeout=60):
        """As its first cause, with something to type where anything is to be done."""
        until("it is %s, and not %s" % (cause, self.causes()),
              lambda: self.causes()[0] == cause, timeout)
        first = self.explanation()["findings"][0]
        said = command("masakari", "explain", self.notification_id)
        self.assertIn(first["sentence"], said)
        for line in first["next"]:
            self.assertIn("  $ %s\n" % line, said + "\n")

    def dies_and_ends(self):
        self.host_dies()
        self.notify()
        self.wait_for_end()


@ours_only
class ExplainHeld(Explained):
    def test_a_host_that_nova_takes_for_up(self):
        self.nova.boot(1, HOST)
        self.host_dies(seen_by_nova=False)
        self.notify()
        self.assert_is_told({"is": "nova_takes_it_for_up"}, timeout=10)

    def test_a_host_that_lives(self):
        self.nova.boot(1, HOST)
        self.notify()
        self.assert_is_told({"is": "sign_of_life"})

    @soak_only
    def test_a_recovery_that_a_person_cancelled(self):
        self.nova.boot(1, HOST)
        self.host_dies(seen_by_nova=False)
        self.notify()
        command("masakari", "cancel", self.notification_id, "--reason", "a drill")
        self.wait_for_end()
        self.assert_is_told({"is": "cancelled"})

    @soak_only
    def test_a_segment_that_is_disabled(self):
        self.nova.masakari("PUT", "/segments/%s" % self.segment["uuid"], {"segment": {"enabled": False}})
        self.dies_and_ends()
        self.assert_is_told({"is": "not_begun", "why": "segment_disabled"})

    @soak_only
    def test_a_host_without_servers(self):
        self.dies_and_ends()
        self.assert_is_told({"is": "nothing_to_do"})

    @soak_only
    def test_an_engine_that_does_not_run(self):
        cloud.kill("masakari-rs-engine1")
        self.notify()
        self.assert_is_told({"is": "not_begun", "why": "not_taken_up"})

    @soak_only
    def test_a_nova_that_does_not_answer(self):
        self.nova.boot(1, HOST)
        self.host_dies()
        self.addCleanup(cloud.shell, "stop unavailable; start_nova_api")
        cloud.shell("drain_nova_api; start_unavailable")
        self.notify()
        # What was under way when it went may hang for as long as a call may take.
        self.assert_is_told({"is": "nova_away"}, timeout=120)


@ours_only
class ExplainProof(Explained):
    sections = "[fencing]\nrequire = proven"

    @soak_only
    def test_a_monitors_word_where_proof_is_required(self):
        self.nova.boot(1, HOST)
        self.host_dies()
        self.notify()
        self.assert_is_told({"is": "weak_proof"})


class Fenced(Explained):
    """With a file of fence devices."""

    devices = ""

    def fresh_masakari(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as f:
            f.write(self.devices)
        self.addCleanup(os.remove, f.name)
        self.sections = "[fencing]\ndevices_file = %s\nrequire = proven\nreport_interval = %s" % (
            f.name, cloud.CFG["CLOUD_REPORT_INTERVAL"])
        super().fresh_masakari()

    def is_not_fenced(self, by):
        self.nova.boot(1, HOST)
        self.host_dies()
        self.notify()
        self.assert_is_told({"is": "fence", "by": by}, timeout=120)
        self.assertIn({"is": "weak_proof"}, self.causes())


@ours_only
class ExplainNoDevice(Fenced):
    devices = ("devices:\n  person: {kind: manual, say: look}\nladders:\n  nobody: [person]\n"
               "hosts:\n  elsewhere: {ladder: nobody}\n")

    @soak_only
    def test_a_host_without_a_fence_device(self):
        self.is_not_fenced("no_device")


@ours_only
class ExplainDeadDevice(Fenced):
    # Nobody listens there.
    devices = ("devices:\n  bmc: {kind: redfish, address: \"http://127.0.0.1:1\", username: masakari,\n"
               "        password: {file: /dev/null}, deadline: 5s}\n"
               "ladders:\n  default: [bmc]\nhosts:\n  %s: {ladder: default}\n" % HOST)

    def fresh_masakari(self):
        with tempfile.NamedTemporaryFile("w", delete=False) as f:
            f.write("secret")
        self.addCleanup(os.remove, f.name)
        self.devices = self.devices.replace("/dev/null", f.name)
        super().fresh_masakari()

    def test_a_device_that_does_not_answer(self):
        self.is_not_fenced("no_answer")


@ours_only
class ExplainNoSecret(Fenced):
    devices = ExplainDeadDevice.devices.replace("/dev/null", "/nonexistent/secret")

    @soak_only
    def test_a_device_whose_password_is_missing(self):
        self.is_not_fenced("unusable")


@ours_only
class ExplainSkipped(Explained):
    sections = "[host_failure]\nevacuate_all_instances = false"

    @soak_only
    def test_servers_that_are_not_to_be_moved(self):
        self.nova.boot(2, HOST)
        self.dies_and_ends()
        self.assert_is_told({"is": "skipped"})
        self.assertEqual(self.explanation()["findings"][0]["servers"], 2)


@ours_only
class ExplainQuarantine(Explained):
    sections = "[recovery]\nquarantine_deaths = 1"

    @soak_only
    def test_a_server_that_is_quarantined(self):
        self.nova.boot(1, HOST)
        self.dies_and_ends()
        self.assert_is_told({"is": "quarantined"})


@ours_only
class ExplainRoom(Explained, Huge):
    sections = "[recovery]\ncapacity_wait = 0"

    def test_no_host_with_enough_memory(self):
        flavor = self.huge()
        for host in self.hosts:
            self.nova.boot(1, host, flavor=flavor)
        self.dies_and_ends()
        self.assert_is_told({"is": "capacity", "of": "ram"})

    @soak_only
    def test_a_server_group_that_excludes_every_other_host(self):
        made = self.nova.nova("POST", "/os-server-groups", {"server_group": {
            "name": "apart", "policy": "anti-affinity"}}).json()["server_group"]
        self.addCleanup(self.nova.nova, "DELETE", "/os-server-groups/" + made["id"])
        self.addCleanup(self.nova.delete_all_servers)
        [tiny] = [f["id"] for f in self.nova.nova("GET", "/flavors").json()["flavors"] if f["name"] == "tiny"]
        image = self.nova.call("GET", cloud.base("GLANCE", "/v2/images"), params={"name": "tiny"}
                               ).json()["images"][0]["id"]
        for host in self.hosts:
            self.nova.nova("POST", "/servers", {
                "server": {"name": "apart", "flavorRef": tiny, "imageRef": image, "networks": "none", "host": host},
                "os:scheduler_hints": {"group": made["id"]}})
        active = lambda: [s for s in self.nova.servers(detail=True) if s["status"] == "ACTIVE"]
        until("one on each host", lambda: len(active()) == len(self.hosts), 120)
        self.dies_and_ends()
        self.assert_is_told({"is": "tied", "by": "group"})

    @soak_only
    def test_a_flavor_that_wants_what_only_the_dead_host_has(self):
        placement = lambda method, path, body=None: self.nova.call(
            method, cloud.base("PLACEMENT", path), body, "placement 1.17")
        placement("PUT", "/traits/" + TRAIT)
        [provider] = placement("GET", "/resource_providers?name=" + HOST).json()["resource_providers"]
        path = "/resource_providers/%s/traits" % provider["uuid"]
        had = placement("GET", path).json()
        put = lambda traits: placement("PUT", path, {
            "traits": traits,
            "resource_provider_generation": placement("GET", path).json()["resource_provider_generation"]})
        put(had["traits"] + [TRAIT])
        self.addCleanup(placement, "DELETE", "/traits/" + TRAIT)
        self.addCleanup(put, had["traits"])
        made = self.nova.nova("POST", "/flavors", {"flavor": {
            "name": "wants", "ram": 64, "vcpus": 1, "disk": 1}}).json()["flavor"]
        self.addCleanup(self.remove, made["id"])
        self.nova.nova("POST", "/flavors/%s/os-extra_specs" % made["id"],
                       {"extra_specs": {"trait:" + TRAIT: "required"}})
        self.nova.boot(1, HOST, flavor="wants")
        self.dies_and_ends()
        self.assert_is_told({"is": "tied", "by": "trait"})


@ours_only
class ExplainPlaces(Explained, ReservedHost):
    sections = "[recovery]\ncapacity_wait = 0"

    @soak_only
    def test_a_zone_of_which_the_dead_host_was_the_only_one(self):
        self.nova.boot(1, HOST, availability_zone=self.zone_of([HOST]))
        self.dies_and_ends()
        self.assert_is_told({"is": "tied", "by": "zone"})
        self.assertIn(AGGREGATE, self.explanation()["text"])

    @soak_only
    def test_no_reserved_host_left(self):
        self.mark(self.spare, reserved=False)
        self.nova.boot(1, HOST)
        self.method("reserved_host")
        self.dies_and_ends()
        self.assert_is_told({"is": "no_reserved_host"})
