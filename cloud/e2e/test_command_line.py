"""The openstack command with python-masakariclient, every verb."""
import datetime
import json

from scene import HOST, Case, command, openstack


class CommandLine(Case):
    def test_segments_are_made_listed_shown_changed_and_deleted(self):
        made = openstack("segment", "create", "rack-1", "reserved_host", "COMPUTE",
                         "--description", "first rack", "--is_enabled", "False")
        self.assertEqual(
            {k: made[k] for k in ("name", "recovery_method", "service_type", "description", "is_enabled")},
            {"name": "rack-1", "recovery_method": "reserved_host", "service_type": "COMPUTE",
             "description": "first rack", "is_enabled": False})
        self.assertEqual(openstack("segment", "show", "rack-1"), made)
        self.assertEqual(openstack("segment", "show", made["uuid"]), made)
        self.assertEqual({s["name"] for s in openstack("segment", "list")}, {"all", "rack-1"})
        changed = openstack("segment", "update", "rack-1", "--name", "rack-2",
                            "--recovery_method", "auto", "--is_enabled", "True")
        self.assertEqual((changed["name"], changed["recovery_method"], changed["is_enabled"]),
                         ("rack-2", "auto", True))
        command("openstack", "segment", "delete", "rack-2")
        self.assertEqual([s["name"] for s in openstack("segment", "list")], ["all"])

    def test_hosts_are_made_listed_shown_changed_and_deleted(self):
        segment = openstack("segment", "create", "spare", "auto", "COMPUTE")["uuid"]
        # A host belongs to one segment; this one is taken out of the first.
        command("openstack", "segment", "host", "delete", "all", HOST)
        made = openstack("segment", "host", "create", HOST, "COMPUTE", "SSH", "spare",
                         "--reserved", "True")
        self.assertEqual(
            {k: made[k] for k in ("name", "type", "control_attributes", "reserved",
                                  "on_maintenance", "failover_segment_id")},
            {"name": HOST, "type": "COMPUTE", "control_attributes": "SSH", "reserved": True,
             "on_maintenance": False, "failover_segment_id": segment})
        self.assertEqual(openstack("segment", "host", "show", "spare", HOST), made)
        [listed] = openstack("segment", "host", "list", "spare")
        self.assertEqual((listed["uuid"], listed["name"]), (made["uuid"], HOST))
        changed = openstack("segment", "host", "update", "spare", HOST,
                            "--on_maintenance", "True", "--reserved", "False")
        self.assertEqual((changed["on_maintenance"], changed["reserved"]), (True, False))
        command("openstack", "segment", "host", "delete", "spare", HOST)
        self.assertEqual(openstack("segment", "host", "list", "spare"), [])

    def test_a_notification_and_its_vmoves_are_made_listed_and_shown(self):
        ids = self.nova.boot(2, HOST)
        self.host_dies()
        payload = {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        made = openstack("notification", "create", "COMPUTE_HOST", HOST, now, json.dumps(payload))
        self.notification_id = made["notification_uuid"]
        self.assertEqual((made["type"], made["payload"]), ("COMPUTE_HOST", payload))
        self.wait_for_end()
        [listed] = openstack("notification", "list")
        self.assertEqual((listed["notification_uuid"], listed["status"], listed["type"]),
                         (self.notification_id, "finished", "COMPUTE_HOST"))
        shown = openstack("notification", "show", self.notification_id)
        self.assertEqual((shown["status"], shown["payload"]), ("finished", payload))
        self.assertTrue(shown["recovery_workflow_details"])
        vmoves = openstack("notification", "vmove", "list", self.notification_id)
        self.assertEqual(sorted(v["server_id"] for v in vmoves), sorted(ids))
        one = openstack("notification", "vmove", "show", self.notification_id, vmoves[0]["uuid"])
        self.assertEqual((one["server_id"], one["source_host"], one["status"]),
                         (vmoves[0]["server_id"], HOST, "succeeded"))
