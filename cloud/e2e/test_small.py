"""A VM fails on a host that lives, or a process of a host."""
import datetime
import json

from scene import HOST, Case, openstack, ours_only


class SmallFailures(Case):
    def report(self, kind, payload):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        made = openstack("notification", "create", kind, HOST, now, json.dumps(payload))
        self.notification_id = made["notification_uuid"]

    def vm_fails(self, server):
        self.report("VM", {"event": "LIFECYCLE", "instance_uuid": server,
                           "vir_domain_event": "STOPPED_FAILED"})
        self.wait_for_end()

    def details(self):
        """What the openstack command shows of the recovery: its status, and each task's."""
        shown = openstack("notification", "show", self.notification_id)
        steps = shown["recovery_workflow_details"]
        return shown["status"], [
            (s["name"], s["state"], float(s["progress"]), [m["message"] for m in s["progress_details"]])
            for s in steps]

    def done_to(self, server):
        """What Nova did to the server since it was made, oldest first."""
        actions = [a["action"] for a in self.nova.instance_actions(server)]
        return list(reversed(actions))[1:]

    def test_a_running_vm_is_stopped_and_started_once(self):
        [vm, other] = self.nova.boot(2, HOST, metadata={"HA_Enabled": "True"})
        self.vm_fails(vm)
        self.assertEqual(self.done_to(vm), ["stop", "start"])
        self.assertEqual(self.done_to(other), [])
        server = self.nova.server(vm)
        self.assertEqual((server["status"], server["OS-EXT-SRV-ATTR:host"]), ("ACTIVE", HOST))
        self.assertEqual(self.details(), ("finished", [
            ("StopInstanceTask", "SUCCESS", 1.0,
             ["Stopping instance: %s" % vm, "Stopped instance: '%s'" % vm]),
            ("StartInstanceTask", "SUCCESS", 1.0,
             ["Starting instance: '%s'" % vm, "Instance started: '%s'" % vm]),
            ("ConfirmInstanceActiveTask", "SUCCESS", 1.0,
             ["Confirming instance '%s' vm_state is ACTIVE" % vm,
              "Confirmed instance '%s' vm_state is ACTIVE" % vm])]))

    def test_a_vm_that_is_not_ha_enabled_is_left_alone(self):
        [vm] = self.nova.boot(1, HOST)
        self.vm_fails(vm)
        self.assertEqual(self.notification()["status"], "finished")
        self.assertEqual(self.done_to(vm), [])

    def test_a_failed_nova_compute_takes_its_host_out_of_service(self):
        self.report("PROCESS", {"event": "STOPPED", "process_name": "nova-compute"})
        self.wait_for_end()
        self.assertEqual(self.nova.service(HOST)["status"], "disabled")
        [host] = [h for h in openstack("segment", "host", "list", "all") if h["name"] == HOST]
        self.assertTrue(host["on_maintenance"])
        where = "compute service on host: '%s'" % HOST
        is_disabled = "compute service is disabled on host: '%s'" % HOST
        self.assertEqual(self.details(), ("finished", [
            ("DisableComputeNodeTask", "SUCCESS", 1.0, ["Disabling " + where, "Disabled " + where]),
            ("ConfirmComputeNodeDisabledTask", "SUCCESS", 1.0,
             ["Confirming " + is_disabled, "Confirmed " + is_disabled])]))

    @ours_only
    def test_a_failed_process_does_not_mute_the_report_of_the_hosts_death(self):
        ids = self.nova.boot(2, HOST, metadata={"HA_Enabled": "True"})
        self.report("PROCESS", {"event": "STOPPED", "process_name": "libvirtd"})
        self.wait_for_end()
        self.host_dies()
        self.notify()
        self.wait_for_end()
        self.assert_all_came_back_once(ids)
