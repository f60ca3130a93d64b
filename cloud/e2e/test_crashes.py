"""What a recovery needs fails in the middle of it. All servers are back, none twice, none locked."""
import os
import random
import signal
import time

import cloud
from scene import HOST, TERMINAL, Case, UNDER_TEST, ours_only, until

LEASE_S = 10
ENGINE = "masakari-rs-engine1"


class InTheMiddle(Case):
    def setUp(self):
        super().setUp()
        self.ids = self.nova.boot(20, HOST)
        self.host_dies()
        self.notify()
        self.first_evacuation()

    def assert_well_in_the_end(self):
        self.wait_for_end()
        self.assert_all_came_back_once(self.ids)
        self.assert_reported(self.ids)

    def assert_still_running(self):
        self.assertNotIn(self.notification()["status"], TERMINAL, "the fault came too late")


@ours_only
class Kill(InTheMiddle):
    def test_of_the_engine_three_times(self):
        chance = random.Random(os.environ.get("KILL_SEED", "0"))
        self.assert_still_running()
        for pause in (0, chance.uniform(0, LEASE_S), chance.uniform(LEASE_S, 1.5 * LEASE_S)):
            time.sleep(pause)
            cloud.kill(ENGINE)
            time.sleep(chance.uniform(0, 1))
            UNDER_TEST.start_engine(1)
        self.assert_well_in_the_end()

    def test_of_the_database(self):
        """Ours alone: Nova's is another server."""
        self.assert_still_running()
        cloud.kill("mariadb-rs")
        answer = self.nova.masakari("GET", "/segments", ok=False, timeout=60)
        self.assertEqual(answer.status_code, 503)
        time.sleep(1.5 * LEASE_S)
        self.assertIsNotNone(cloud.pid(ENGINE), "the engine waits for its database")
        cloud.shell('start_mariadb mariadb-rs "$PORT_MYSQL_RS"')
        until("the api answers again", lambda: self.nova.masakari(
            "GET", "/segments", ok=False).status_code == 200, 30)
        self.assert_well_in_the_end()


@ours_only
class Asleep(InTheMiddle):
    def test_an_engine_that_slept_for_two_leases_does_nothing_that_another_did(self):
        self.assert_still_running()
        cloud.send_signal(ENGINE, signal.SIGSTOP)
        UNDER_TEST.start_engine(2)
        time.sleep(2 * LEASE_S)
        cloud.send_signal(ENGINE, signal.SIGCONT)
        self.assert_well_in_the_end()


@ours_only
class Away(InTheMiddle):
    def test_nova_api_for_20_seconds(self):
        """Python Masakari leaves the servers locked on the dead host."""
        self.assert_still_running()
        cloud.shell("drain_nova_api")
        time.sleep(20)
        cloud.shell("start_nova_api")
        self.assert_well_in_the_end()
