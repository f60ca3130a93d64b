"""`masakari fence status`, `check` and `test`: what they say of a BMC that does as it is told, of one that is dead, and of
one that lets nobody in; and a real power cycle of a reserved, empty host."""
import os
import re

import cloud
from rack import Host, Rack
from scene import HOST, UNDER_TEST, Case, command, ours_only, soak_only, until

WELL = Host("redfish", "tested", behaves="off")
DEAF = Host("redfish", "deaf", behaves="dead", ladder="alone")
SHUT = Host("ipmi", "shut", behaves="wrong-password")
ALL = [WELL, DEAF, SHUT]
CHECK_S = 60


@ours_only
class FenceWords(Case):
    def fresh_masakari(self):
        self.rack = Rack(self.nova, ALL, neighbour=HOST)
        self.addCleanup(self.rack.down)
        self.addCleanup(UNDER_TEST.down)
        self.rack.up()
        self.sections = "[fencing]\ndevices_file = %s\nrequire = proven\nreport_interval = %s\ncheck_interval = %d" % (
            self.rack.fencing_yaml(), cloud.CFG["CLOUD_REPORT_INTERVAL"], CHECK_S)
        super().fresh_masakari()
        for host in ALL:
            self.nova.masakari("POST", "/segments/%s/hosts" % self.segment["uuid"], {"host": {
                "name": host.name, "type": "COMPUTE", "reserved": host is WELL,
                "control_attributes": "ladder:" + host.ladder}})

    def check(self, host, what="check"):
        conf = os.path.join(cloud.CLOUD_DIR, "etc", "masakari-rs", "masakari.conf")
        return command("masakari", "fence", what, host.name, "--config-file", conf,
                       "--control-attributes", "ladder:" + host.ladder)

    def refuses(self, pattern, *words):
        with self.assertRaisesRegex(AssertionError, pattern):
            command("masakari", "fence", *words)

    @soak_only
    def test_a_look_orders_nothing_and_a_test_is_a_power_cycle(self):
        self.looks_say_what_each_device_says()
        self.the_list_names_who_could_not_be_fenced()
        self.assertEqual([self.rack.orders(host)[0] for host in ALL], [[], [], []], "a look orders nothing")
        self.what_is_in_use_is_not_tested()
        self.a_reserved_host_is_switched_off_and_on()

    def looks_say_what_each_device_says(self):
        self.assertRegex(self.check(WELL), r"1\. redfish \(redfish\): on; .*(\n.*)*'%s' could be fenced now" % WELL.name)
        with self.assertRaisesRegex(AssertionError, "redfish \\(redfish\\): no answer: (.|\n)*no rung could prove now"):
            self.check(DEAF)
        with self.assertRaisesRegex(AssertionError, "ipmi \\(ipmi\\): it does not take our credentials(.|\n)*1 to be repaired"):
            self.check(SHUT)
        self.assertIn("no rung could prove now", self.check(DEAF, "status"))

    def the_list_names_who_could_not_be_fenced(self):
        def listed():
            try:
                return command("masakari", "fence", "status")
            except AssertionError as e:
                return str(e)
        said = until("all were looked at", lambda: (told := listed()).count("not looked at yet;") == 0 and told,
                     3 * CHECK_S, every=2)
        self.assertRegex(said, r"%s \(all\): could be fenced at " % WELL.name)
        self.assertRegex(said, r"%s \(all\): COULD NOT BE FENCED since .*: redfish \(redfish\): no answer" % DEAF.name)
        self.assertRegex(said, r"%s \(all\): could be fenced at .*; to be repaired since .*: ipmi \(ipmi\)[^;]*\n" % SHUT.name)
        # The cloud's own have no device.
        self.assertIn("2 of %d hosts could be fenced (1 with a device to be repaired); %d could not; 0 were not" % (
            len(self.hosts) + 3, len(self.hosts) + 1), said)

    def what_is_in_use_is_not_tested(self):
        self.refuses("its compute service is enabled.*nova-compute`", "test", WELL.name)
        self.nova.boot(1, WELL.name)
        self.nova.update_service(WELL.name, status="disabled", disabled_reason="spare")
        self.refuses("servers that Nova shows on it: 1", "test", WELL.name)
        self.nova.delete_all_servers()
        self.refuses("neither reserved nor on maintenance", "test", DEAF.name)
        self.assertEqual([self.rack.orders(host)[0] for host in ALL], [[], [], []], "who is refused is ordered nothing")

    def a_reserved_host_is_switched_off_and_on(self):
        asked = cloud.NovaAsked()
        said = command("masakari", "fence", "test", WELL.name, "--reason", "new BMC")
        self.assertRegex(said, r"^passed: host %s was switched off and has its power back\n" % WELL.name)
        self.assertEqual([re.sub(r".*ResetType.*On.*", "on", order) for order in self.rack.orders(WELL)[0]], ["off", "on"])
        self.assertFalse(WELL.lives(), "its power was gone")
        # It has not booted: that is no failure.
        cloud.wait_until_down(self.nova, WELL.name)
        report = self.report_the_death_of(WELL.name)
        told = lambda: self.nova.masakari("GET", "/notifications/" + report).json()["notification"]
        until("it is held", lambda: "a planned stop" in str(told()["recovery_workflow_details"]), 30)
        self.assertEqual((told()["status"], asked.evacuations(), asked.forced_downs()), ("new", [], []))
        self.assertEqual(len(self.rack.orders(WELL)[0]), 2, "nor is it fenced")
