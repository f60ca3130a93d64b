"""`[recovery_rules]`: whose VMs are evacuated, skipped or only told of, when they fail and when their host does."""
import uuid

from scene import HOST, Case, ours_only, soak_only
from test_small import SmallFailures


@ours_only
class Owners(Case):
    sections = "\n".join((
        "[recovery_rules]",
        "rule = databases evacuate metadata:role=db",
        "rule = batch skip name=batch-*",
        "rule = licensed tell metadata:license=bound failure=host"))

    vm_fails, report, done_to = SmallFailures.vm_fails, SmallFailures.report, SmallFailures.done_to

    def one(self, name, **metadata):
        [server] = self.nova.boot(1, HOST, name=name, metadata=metadata)
        return server

    @soak_only
    def test_a_rule_leaves_a_vm_alone_when_it_fails_and_when_its_host_does(self):
        amphora = self.one("amphora-%s" % uuid.uuid4())
        plain, ours = self.one("web"), self.one("amphora-%s" % uuid.uuid4(), owner="us")
        batch, database = self.one("batch-1", HA_Enabled="True"), self.one("batch-db", role="db")
        licensed = self.one("licensed", license="bound", HA_Enabled="True")
        self.vm_fails(batch)
        self.assertEqual(self.notification()["status"], "ignored")
        self.assertIn("left alone by rule batch: ", self.notification()["message"])
        self.assertEqual(self.done_to(batch), [])
        # Its rule is for the failure of a host.
        self.vm_fails(licensed)
        self.assertEqual(self.notification()["status"], "finished")
        self.assertEqual(self.done_to(licensed), ["stop", "start"])
        self.host_dies()
        self.notify()
        self.wait_for_end()
        self.assert_all_came_back_once([plain, ours, database])
        left = [amphora, batch, licensed]
        self.assertEqual(set(self.actions(left).values()), {0})
        now = [self.nova.server(server) for server in left]
        self.assertEqual({(s["status"], s["OS-EXT-SRV-ATTR:host"], s["locked"]) for s in now}, {("ACTIVE", HOST, False)})
        self.is_told_of(amphora, batch, licensed)

    def is_told_of(self, amphora, batch, licensed):
        vmoves = self.nova.masakari("GET", "/notifications/%s/vmoves" % self.notification_id).json()["vmoves"]
        left = {v["instance_uuid"]: v["message"].split(":")[0] for v in vmoves if v["status"] == "ignored"}
        self.assertEqual(left, {amphora: "left alone by rule octavia", batch: "left alone by rule batch",
                                licensed: "left alone by rule licensed"})
        told = self.notification()
        self.assertEqual(told["status"], "finished")
        # Of what is only skipped nobody is told.
        self.assertIn(amphora, told["message"])
        self.assertIn(licensed, told["message"])
        self.assertNotIn(batch, told["message"])
