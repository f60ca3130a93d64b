"""What the authors of Masakari and of openstacksdk test their own server with, run against this one."""
import os
import re
import subprocess

import cloud
from scene import Case


class Upstream(Case):
    def setUp(self):
        super().setUp()
        # The suites register a host of the cloud in segments of their own.
        self.nova.masakari("DELETE", "/segments/" + self.segment["uuid"])

    def test_masakaris_own_11_functional_tests_of_segments_and_hosts_pass(self):
        self.run_suite("masakari-nouns", 11)

    def test_masakaris_own_6_functional_tests_of_failed_vms_and_processes_pass(self):
        self.run_suite("masakari-failures", 6)

    def test_openstacksdks_own_4_functional_tests_pass(self):
        self.run_suite("sdk", 4)

    def run_suite(self, name, count):
        done = subprocess.run([os.path.join(cloud.HERE, "upstream-tests"), name],
                              capture_output=True, text=True, timeout=900)
        said = done.stdout + done.stderr[-2000:]
        # Their own log is long: what failed, with its last lines, is enough here.
        told = [line for line in said.splitlines()
                if re.match(r"ok |FAILED|SKIPPED|\d+ passed|\w*(Error|Exception|Mismatch)", line)]
        self.assertEqual((done.returncode, told[-1:]),
                         (0, ["%d passed, 0 failed" % count]), "\n".join(told))
