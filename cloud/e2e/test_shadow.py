"""A shadow beside Python Masakari: it judges what Python is told, and Nova hears nothing of it but questions."""
import os
import subprocess
import tempfile

import cloud
import scene
from scene import HOST, Case, ours_only, until


@ours_only
class Shadow(Case):
    def fresh_masakari(self):
        # Python recovers, whatever is under test; ours is beside it.
        scene.UNDER_TEST.down()
        python = scene.Python()
        self.addCleanup(python.down)
        python.up()
        self.segment = self.nova.masakari("POST", "/segments", {"segment": {
            "name": "all", "recovery_method": "auto", "service_type": "COMPUTE"}}).json()["segment"]
        for host in self.hosts:
            self.nova.masakari("POST", "/segments/%s/hosts" % self.segment["uuid"], {"host": {
                "name": host, "type": "COMPUTE", "control_attributes": "SSH"}})

    def setUp(self):
        super().setUp()
        # Python is not held to our law.
        self.law = None
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.database = os.path.join(self.folder.name, "shadow.sqlite")
        self.config = os.path.join(self.folder.name, "masakari.conf")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("\n".join([
                "[DEFAULT]", "os_privileged_user_auth_url = " + cloud.base("KEYSTONE", "/v3"),
                "os_privileged_user_name = admin", "os_privileged_user_tenant = admin",
                "os_privileged_user_password = " + cloud.CFG["CLOUD_PASSWORD"],
                "nova_catalog_admin_info = compute:nova:publicURL", ""]))

    def shadow(self, *words):
        program = os.path.join(cloud.CLOUD_DIR, "run", "bin", "masakari")
        return [program, "shadow", *words, "--config-file", self.config, "--database", self.database]

    def begin(self):
        log = open(os.path.join(self.folder.name, "log"), "w+", encoding="utf-8")
        self.addCleanup(log.close)
        running = subprocess.Popen(self.shadow("run"), stdout=log, stderr=log)
        self.addCleanup(running.wait)
        self.addCleanup(running.terminate)
        return running

    def report(self):
        done = subprocess.run(self.shadow("report"), capture_output=True, text=True, timeout=60)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.stdout

    def verdict(self):
        return until("a verdict", lambda: "no verdict yet" not in (told := self.report())
                     and self.notification_id in told and told, 180, every=2)

    def test_it_says_what_python_does_and_does_nothing(self):
        ids = self.nova.boot(5, HOST)
        self.begin()
        self.host_dies()
        self.notify()
        told = self.verdict()
        self.assertIn("host %s was proven dead (monitor_said), 5 servers would be evacuated" % HOST, told)
        self.wait_for_end()
        # One evacuation of each, and by Python.
        self.assert_all_came_back(ids)
        self.assertEqual(set(self.actions(ids).values()), {1})
        # Python locks each of them once; the shadow none.
        self.assertEqual(set(self.actions(ids, "lock").values()), {1})
        self.assertIn("5 servers moved, 0 failed", self.report())
        self.assertIn("reports of hosts: 1; with differences: 0", self.report())

    def test_one_that_is_killed_files_nothing_twice(self):
        self.nova.boot(2, HOST)
        first = self.begin()
        self.host_dies()
        self.notify()
        until("it is filed", lambda: self.notification_id in self.report(), 30)
        first.kill()
        first.wait()
        self.begin()
        self.assertEqual(self.verdict().count(self.notification_id), 1)

    def test_an_engine_that_is_given_its_database_refuses_it(self):
        self.begin()
        until("it made its file", lambda: os.path.exists(self.database), 10)
        with open(self.config, "a", encoding="utf-8") as file:
            file.write("[database]\nconnection = sqlite:///%s\n" % self.database)
        engine = subprocess.run(
            [os.path.join(cloud.CLOUD_DIR, "run", "bin", "masakari"), "engine", "--config-file", self.config],
            capture_output=True, text=True, timeout=30)
        self.assertEqual(engine.returncode, 1)
        self.assertIn("the database of a shadow", engine.stderr)
