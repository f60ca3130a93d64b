"""The law, asserted at the end of every case: no evacuation is asked for, and no host forced down, before the
host's death is certified, and none after a sign of life.

It is told by witnesses who do not know each other: the proxy before Nova (what was asked, and when), Nova's
database (which evacuations it began, and each heartbeat of each host), and the log of each recovery (its
certificate, `proven`, and where it is `held`). All of them are on one machine, with one clock.
"""
import collections
import threading
import time

import cloud

# What was under way when the host was found alive is not called back: two calls to Nova, at most.
IN_FLIGHT_S = 3
# How long after a heartbeat it is known: Nova shows our own write as the last one until the next one (3 s here),
# the host is looked at every second, and what was under way is not called back.
KNOWN_AFTER_S = 10
# A heartbeat that follows the evidence so closely does not outdate it: whole seconds, and `permit::SKEW_MS`.
SKEW_S = 3
LOOK_EVERY_S = 0.25


class Heard:
    """Each heartbeat of each host while this runs: (host, when it was, when we saw it)."""

    def __init__(self):
        self.beats, self.failed = [], None
        self._going = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        try:
            nova, last = cloud.NovaDatabase(), {}
            while not self._going.wait(LOOK_EVERY_S):
                for host, seen in nova.last_seen_up().items():
                    if last.get(host) != seen:
                        last[host] = seen
                        self.beats.append((host, seen, time.time()))
        except Exception as e:
            self.failed = e

    def stop(self):
        self._going.set()
        self._thread.join()
        if self.failed:
            raise self.failed
        return self.beats


class Law:
    def __init__(self, database_port):
        self._port, self._since = database_port, time.time()
        self._asked, self._heard = cloud.NovaAsked(), Heard()

    def broken(self):
        """What was done against it since this was made, one sentence each."""
        beats, nova = self._heard.stop(), cloud.NovaDatabase()
        return judge(self._asked.evacuations(), self._asked.forced_downs(),
                     cloud.Log.of_all(cloud.CFG[self._port], self._since), beats,
                     nova.evacuate_actions(self._since), nova.compute_services())


def judge(evacuations, forced_downs, recoveries, beats, actions, services):
    broken = []
    for asked in evacuations:
        lines = _that_planned(recoveries, asked["server"], asked["wall"])
        what = "server %s was to be evacuated" % asked["server"]
        if lines is None:
            broken.append(what + ", which no recovery had planned")
        else:
            broken += _against(what, asked["wall"], lines, beats)
    for asked in forced_downs:
        host = services.get(asked["service"])
        what = "host %s was to be forced down" % host
        of_host = [lines for lines in recoveries.values() if _host(lines) == host]
        if not of_host:
            broken.append(what + ", of which no recovery knows")
        # One of them is enough.
        against = [_against(what, asked["wall"], lines, beats, by_word=False) for lines in of_host]
        broken += min(against, key=len, default=[])
    return broken + _not_seen(evacuations, actions) + _too_early(recoveries, actions)


def _that_planned(recoveries, server, at):
    """The lines of the recovery that planned it last by then."""
    planned = [(when, name) for name, lines in recoveries.items() for when, entry in lines
               if entry["entry"] == "planned" and when <= at
               and any(move["server"] == server for move in entry["moves"])]
    return recoveries[max(planned)[1]] if planned else None


def _host(lines):
    """Of whom it was proven that it is dead."""
    proven = [entry for _, entry in lines if entry["entry"] == "proven"]
    return next((evidence["host"] for entry in proven for evidence in entry["evidence"]), None)


def _against(what, at, lines, beats, by_word=True):
    """What the recovery knew at that moment that forbade it."""
    judged = [(when, entry) for when, entry in lines if entry["entry"] in ("proven", "held") and when <= at]
    proven = [(when, entry) for when, entry in judged if entry["entry"] == "proven"
              and (by_word or entry["kind"] != "monitor_said")]
    if not proven:
        return [what + " before its death was proven" + ("" if by_word else " by more than a report")]
    certified, certificate = proven[-1]
    held, entry = judged[-1]
    if entry["entry"] == "held" and at - held > IN_FLIGHT_S:
        return ["%s %.1f s after it was held: %s" % (what, at - held, entry["why"])]
    for host, heard, seen in beats:
        alive = host == _host(lines) and heard - certificate["at"] / 1000 > SKEW_S
        if alive and at - max(seen, certified) > KNOWN_AFTER_S:
            return ["%s %.1f s after the host was heard" % (what, at - seen)]
    return []


def _not_seen(evacuations, actions):
    """The proxy is no witness if Nova can be asked without it."""
    seen = collections.Counter(asked["server"] for asked in evacuations)
    began = collections.Counter(server for server, _ in actions)
    return ["Nova began %d evacuations of %s, and was asked for %d" % (n, server, seen[server])
            for server, n in began.items() if n > seen[server]]


def _too_early(recoveries, actions):
    """By Nova's own time, in whole seconds."""
    broken = []
    for server, began in actions:
        lines = _that_planned(recoveries, server, began + 1)
        proven = [when for when, entry in lines or [] if entry["entry"] == "proven"]
        if not proven or began < int(proven[0]):
            broken.append("Nova began to evacuate %s before the death of its host was proven" % server)
    return broken
