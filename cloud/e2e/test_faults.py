"""Something fails in the middle of a recovery, at a moment chosen by a seed. All servers are back, none
was evacuated twice, none is locked; and who takes over does so within 15 s.

The suite runs each case once, with 20 servers and faults of 20 s. `cargo xtask soak kills`,
`restarts` and `faults` run them with 30 servers and faults of 60 s, SOAK_COUNT times from the seed SOAK_FROM on.
"""
import concurrent.futures
import os
import random
import signal
import time

import cloud
from moments import Length, Run, moment
from scene import HOST, SOAK, TERMINAL, Case, UNDER_TEST, ours_only, soak_only, until

# Of the suite: a moment in the middle.
SEEDS = range(int(os.environ.get("SOAK_FROM", "3")), int(os.environ.get("SOAK_FROM", "3")) + (SOAK or 1))
SERVERS = 30 if SOAK else 20
AWAY_S = 60 if SOAK else 20
TAKEOVER_S = 15


def at_random_moments(name):
    """Gives a class one case for each seed."""
    def give(case):
        for seed in SEEDS:
            setattr(case, "test_%s_%03d" % (name, seed), lambda self, seed=seed: self.run_with(seed))
        return ours_only(case)
    return give


class InTheMiddle(Case):
    # The host fails again and again with the same report.
    extra = "duplicate_notification_detection_interval = 0"
    deployment = {"RS_ENGINES": "2"}
    # Of this class: it is not started anew for each run.
    kept = None

    def fresh_masakari(self):
        case = type(self)
        if case.kept is None:
            super().fresh_masakari()
            case.kept = self.segment
            return
        self.segment = case.kept
        self.make_whole()
        path = "/segments/%s/hosts" % self.segment["uuid"]
        for host in self.nova.masakari("GET", path).json()["hosts"]:
            if host["on_maintenance"]:
                self.nova.masakari("PUT", "%s/%s" % (path, host["uuid"]),
                                   {"host": {"on_maintenance": False}})

    def make_whole(self):
        """What the last run has killed comes back."""
        for n in range(int(self.deployment["RS_ENGINES"])):
            UNDER_TEST.start_engine(n + 1)

    # ------------------------------------------------------------- one run
    def run_with(self, seed):
        self.chance = random.Random("fault %d" % seed)
        length = Length(SERVERS)
        if SOAK and length.known() is None:
            self.host_with_servers_dies()
            self.wait_for_end()
            length.keep(time.time() - self.reported_at)
            self.setUp()
        with Run(type(self).__name__, seed) as facts:
            self.host_with_servers_dies()
            at = moment(seed, length.guess())
            time.sleep(max(self.reported_at + at - time.time(), 0))
            self.tell_what_was_done(facts)
            self.facts = facts
            self.fault()
            self.wait_for_end()
            facts["ended_s"] = self.since_report(time.time())
            self.afterwards()
            self.assert_well()
            facts["outcome"] = self.notification()["status"]

    def host_with_servers_dies(self):
        self.ids = self.nova.boot(SERVERS, HOST)
        # Nova starts what it evacuates: these are locked meanwhile, stopped again, and unlocked.
        self.stopped = self.ids[:4]
        self.nova.stop(self.stopped)
        self.instances = cloud.NovaInstances()
        self.host_dies()
        self.notify()
        self.reported_at = time.time()
        self.log = cloud.Log(self.notification_id, cloud.CFG[self.database_port])

    def tell_what_was_done(self, facts):
        facts["asked"] = len(self.requests.evacuations())
        facts["back"] = self.instances.active_elsewhere(self.ids, [HOST])
        self.holder, self.generation = self.log.lease()
        facts["claimed"] = self.generation > 0
        facts["over"] = self.generation > 0 and self.holder is None
        facts["fault_s"] = self.since_report(time.time())
        if facts["over"]:
            # The machine was slower when it was measured.
            Length(SERVERS).keep(self.log.lines()[-1][0] - self.reported_at)
        print("after %(fault_s)s s, with %(asked)d asked and %(back)d back ... " % facts,
              end="", flush=True)
        if not SOAK:
            self.assertFalse(facts["over"], "the fault came too late")

    def fault(self):
        raise NotImplementedError

    def afterwards(self):
        pass

    def assert_well(self):
        self.assert_all_came_back_once(self.ids, self.stopped)
        self.assert_reported(self.ids)

    def wait_for_end(self, timeout=600):
        """The API may be without its database."""
        def ended():
            answer = self.nova.masakari("GET", "/notifications/" + self.notification_id,
                                        ok=False, timeout=60)
            return (answer.status_code == 200
                    and answer.json()["notification"]["status"] in TERMINAL)
        until("the notification ended", ended, timeout)

    def since_report(self, at):
        return round(at - self.reported_at, 3)

    # ------------------------------------------------------------- who held it
    def engine_of_the_recovery(self):
        """The one that holds it; before anybody does, the first."""
        for n in range(int(self.deployment["RS_ENGINES"])):
            name = "masakari-rs-engine%d" % (n + 1)
            if self.holder is not None and cloud.pid(name) == self.holder:
                return name
        return "masakari-rs-engine1"

    def assert_taken_over(self, since):
        """The first line in the log that the one from before did not write. What was over already
        is not taken over."""
        if self.facts["over"]:
            return
        taken = [at for at, generation in self.log.lines() if generation > self.generation]
        if not taken and self.generation:
            # The last that it did was to end the recovery, between our look and its death.
            self.assertEqual(self.notification()["status"], "finished")
            self.facts["over"] = True
            return
        self.facts["takeover_s"] = round(taken[0] - since, 3)
        self.assertLessEqual(self.facts["takeover_s"], TAKEOVER_S, "takeover")

    def tell_when_it_went_on(self, since):
        """The first line in the log after that; none, when nothing was left to do."""
        lines = [at for at, _ in self.log.lines() if at >= since]
        if lines:
            self.facts["goes_on_s"] = round(lines[0] - since, 3)


@at_random_moments("and_the_other_goes_on")
class EngineKilled(InTheMiddle):
    def fault(self):
        cloud.kill(self.engine_of_the_recovery())
        self.fault_at = time.time()

    def afterwards(self):
        self.assert_taken_over(self.fault_at)


@at_random_moments("and_goes_on")
class EngineRestarted(InTheMiddle):
    """There is no other."""

    deployment = {"RS_ENGINES": "1"}

    def fault(self):
        cloud.kill(self.engine_of_the_recovery())
        self.fault_at = time.time()
        time.sleep(self.chance.uniform(0, 1))
        UNDER_TEST.start_engine(1)

    def afterwards(self):
        self.assert_taken_over(self.fault_at)


@at_random_moments("and_wakes_up_to_do_nothing_that_the_other_did")
class EngineAsleep(InTheMiddle):
    """For more than two leases."""

    def fault(self):
        name = self.engine_of_the_recovery()
        cloud.send_signal(name, signal.SIGSTOP)
        self.fault_at = time.time()
        self.addCleanup(cloud.send_signal, name, signal.SIGCONT)

    def afterwards(self):
        time.sleep(max(self.fault_at + AWAY_S - time.time(), 0))
        self.doCleanups()
        # Time to do what it must not.
        time.sleep(3)
        self.assert_taken_over(self.fault_at)


@at_random_moments("and_what_it_accepted_is_done")
class DatabaseRestarted(InTheMiddle):
    """Ours alone: Nova's is another server. It is asked to end, or killed, and comes back."""

    def fault(self):
        self.addCleanup(self.start)
        away = self.chance.uniform(2, AWAY_S)
        if self.chance.random() < 0.5:
            cloud.shell("stop mariadb-rs")
        else:
            cloud.kill("mariadb-rs")
        began = time.time()
        answer = self.nova.masakari("GET", "/segments", ok=False, timeout=60)
        self.assertEqual(answer.status_code, 503)
        time.sleep(max(began + away - time.time(), 0))
        for n in (1, 2):
            self.assertIsNotNone(cloud.pid("masakari-rs-engine%d" % n), "it waits for its database")
        self.doCleanups()
        self.back_at = time.time()

    def start(self):
        cloud.shell('start_mariadb mariadb-rs "$PORT_MYSQL_RS"')

    def afterwards(self):
        self.tell_when_it_went_on(self.back_at)


@soak_only
@at_random_moments("and_the_others_remember")
class GaleraNodeKilled(InTheMiddle):
    """Of three, that to which HAProxy sends the engines."""

    deployment = {"RS_ENGINES": "2", "RS_SERVER": "galera",
                  "RS_SERVER_PORT": cloud.CFG.get("PORT_GALERA", "")}
    database_port = "PORT_GALERA"

    def fresh_masakari(self):
        if type(self).kept is None:
            UNDER_TEST.down()
            cloud.script("galera", "down")
            type(self).addClassCleanup(cloud.script, "galera", "down")
            type(self).addClassCleanup(UNDER_TEST.down)
            cloud.script("galera", "up")
        super().fresh_masakari()

    def make_whole(self):
        cloud.script("galera", "rejoin", "0")
        super().make_whole()

    def fault(self):
        self.fault_at = time.time()
        cloud.script("galera", "kill", "0")

    def afterwards(self):
        self.tell_when_it_went_on(self.fault_at)


@soak_only
@at_random_moments("and_nova_goes_on")
class MessageBusStopped(InTheMiddle):
    """RabbitMQ. Meanwhile no nova-compute is heard and what nova-api was asked waits for an answer.

    For less than Nova's `rpc_response_timeout` (60 s): after that a host fails what it builds, and where it had
    started the server that is left to a person, by the law.
    """

    def fault(self):
        self.addCleanup(cloud.shell, "start_rabbit")
        away = self.chance.uniform(2, AWAY_S / 2)
        cloud.shell("stop rabbit")
        time.sleep(away)
        self.doCleanups()
        self.back_at = time.time()

    def afterwards(self):
        self.tell_when_it_went_on(self.back_at)

    def assert_well(self):
        """What Nova itself failed at meanwhile is done by another evacuation."""
        self.assert_all_came_back(self.ids, self.stopped)
        self.assert_reported(self.ids)
        self.facts["given_up"] = sum(len(w) - 1 for w in self.what_became.values())
        print("%(given_up)d evacuations were asked for again ... " % self.facts, end="", flush=True)

    def assert_evacuated_once(self, ids):
        """By Nova's instance actions: a conductor that nobody answered writes nothing to its record, and
        the next request is done on that one. Of each server one request came to a host and was done
        there; each began when all that Nova noted of the one before was over."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.what_became = dict(zip(ids, pool.map(self.events_of_evacuations, ids)))
        for server, requests in self.what_became.items():
            at_hosts = [e["result"] for _, events in requests for e in events
                        if e["event"].startswith("compute_rebuild")]
            self.assertEqual(at_hosts.count("Success"), 1, (server, requests))
            self.assertFalse(set(at_hosts) - {"Success", "Error"}, (server, requests))
            for (_, events), (begun, _) in zip(requests, requests[1:]):
                self.assertTrue(events, (server, requests))
                for event in events:
                    self.assertLessEqual(event["finish_time"] or "never", begun, (server, requests))

    def events_of_evacuations(self, server):
        path = "/servers/%s/os-instance-actions" % server
        actions = [a for a in self.nova.instance_actions(server) if a["action"] == "evacuate"]
        return [(a["start_time"], self.nova.nova("GET", "%s/%s" % (path, a["request_id"]))
                 .json()["instanceAction"]["events"]) for a in reversed(actions)]


@at_random_moments("and_nothing_is_asked_twice")
class NovaUnavailable(InTheMiddle):
    """In place of nova-api a balancer without servers answers 503. Python Masakari leaves the servers
    locked on the dead host."""

    def fault(self):
        self.addCleanup(cloud.shell, "stop unavailable; start_nova_api")
        cloud.shell("drain_nova_api; start_unavailable")
        time.sleep(AWAY_S)
        self.doCleanups()
        self.back_at = time.time()

    def afterwards(self):
        self.tell_when_it_went_on(self.back_at)
