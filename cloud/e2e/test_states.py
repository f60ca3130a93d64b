"""What becomes of a VM in each state, by each method: docs/states.md says it, of Python Masakari and of
ours. Whichever is under test must do what its column says.

The long run has all methods (STATES_METHODS), and Python Masakari too (E2E_AGAINST=python).
"""
import os

import cloud
from scene import HOST, UNDER_TEST, until
from test_reserved import ReservedHost

TABLE = os.path.join(cloud.HERE, "..", "docs", "states.md")
METHODS = os.environ.get("STATES_METHODS", "auto,rh_priority").split(",")
COLUMN = {"python": 1, "ours": 2}[UNDER_TEST.name]
# The whole report, a row of the table too.
REPORT = "the report"


def table():
    """Of each state, what its row says that becomes of it."""
    with open(TABLE) as f:
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
                for line in f if line.startswith("|")]
    return {row[0]: row[COLUMN] for row in rows[2:]}


class States(ReservedHost):
    """Servers in every state on a host that dies; the last host is a reserved one."""

    def test_of_servers_end_as_the_table_says_by_each_method(self):
        seen = {}
        for number, method in enumerate(METHODS):
            if number:
                self.doCleanups()
                self.setUp()
            self.method(method)
            seen[method] = self.seen()
        self.maxDiff = None
        self.assertEqual(seen, {method: table() for method in METHODS})

    def seen(self):
        made = self.servers_in_every_state()
        self.host_dies(seen_by_nova=False)
        # Its compute takes these from the queue no more: the servers stay busy.
        self.nova.action(made["busy: being stopped"], "os-stop")
        self.nova.action(made["busy: rebooting"], "reboot", {"type": "HARD"})
        self.nova.nova("DELETE", "/servers/" + made["busy: being deleted"])
        cloud.wait_until_down(self.nova, HOST)
        # Before the report: later, it is a race with the plan whether there is a vmove for it.
        self.nova.nova("DELETE", "/servers/" + made["deleted meanwhile"])
        self.notify()
        self.wait_for_end(900)
        vmoves = {v["instance_uuid"]: v["status"] for v in self.vmoves()}
        seen = {name: self.end_of(i, vmoves.get(i)) for name, i in made.items()}
        asked = self.actions(list(made.values()))
        twice = {n for n, i in made.items() if asked[i] > 1 and n != "resized"}
        self.assertEqual(twice, set(), "asked for twice")
        self.assert_evacuated_once([i for i in made.values() if i in vmoves])
        return {**seen, REPORT: self.notification()["status"]}

    def end_of(self, server_id, vmove):
        """What Nova has of it afterwards, and what the report says of its move."""
        answer = self.nova.nova("GET", "/servers/" + server_id, ok=False)
        told = "vmove %s" % vmove if vmove else "no vmove"
        if answer.status_code == 404:
            return "gone; " + told
        server = answer.json()["server"]
        host = server["OS-EXT-SRV-ATTR:host"]
        where = "on no host" if not host else "left behind" if host == HOST else "moved"
        words = [server["status"], where] + ["locked"] * server["locked"]
        if server["OS-EXT-STS:task_state"]:
            words.append("busy")
        return "%s; %s" % (", ".join(words), told)

    def servers_in_every_state(self):
        names = ["active", "stopped", "error", "paused", "suspended", "shelved", "rescued",
                 "locked by its user", "busy: being stopped", "busy: rebooting",
                 "busy: being deleted", "shelved and offloaded", "deleted meanwhile"]
        made = dict(zip(names, self.nova.boot(len(names), HOST)))
        # A resize leaves the host, so it begins on another one and is sent here.
        [made["resized"]] = self.nova.boot(1, self.hosts[1])
        for name, action, argument in (
                ("stopped", "os-stop", None), ("error", "os-resetState", {"state": "error"}),
                ("paused", "pause", None), ("suspended", "suspend", None),
                ("shelved", "shelve", None), ("shelved and offloaded", "shelve", None), ("rescued", "rescue", None),
                ("locked by its user", "lock", None), ("resized", "migrate", {"host": HOST})):
            self.nova.action(made[name], action, argument)
        wanted = {"stopped": "SHUTOFF", "error": "ERROR", "paused": "PAUSED", "suspended": "SUSPENDED",
                  "shelved": "SHELVED", "shelved and offloaded": "SHELVED", "rescued": "RESCUE", "resized": "VERIFY_RESIZE"}
        for name, status in wanted.items():
            until("%s is %s" % (name, status),
                  lambda n=name, s=status: self.nova.server(made[n])["status"] == s, 60)
        self.nova.action(made["shelved and offloaded"], "shelveOffload")
        until("it has no host", lambda: not self.nova.server(made["shelved and offloaded"])["OS-EXT-SRV-ATTR:host"], 60)
        return made
