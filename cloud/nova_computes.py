#!/usr/bin/env python3
"""Hosts by the dozen: imports Nova once and forks a nova-compute for each, which costs a tenth of starting it.

  nova_computes.py NOVA_CONF    then lines on its standard input, each answered by `NAME PID`:
      NAME ROOM_MB              starts the host NAME, whose hypervisor has so much memory for servers

With the end of its input it kills its hosts and ends. Each is like one of lib.sh's start_compute: its own session,
its process id in run/NAME.pid, its log in log/NAME.log, its state in state/NAME.
"""
import os
import signal
import sys
import time

import nova_compute
from nova.virt import fake

CLOUD_DIR = os.environ["CLOUD_DIR"]


def path_of(*parts):
    return os.path.join(CLOUD_DIR, *parts)


def become(name, nova_conf, room_mb):
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(path_of("log", name + ".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    state, conf = path_of("state", name), path_of("etc", "nova", name + ".conf")
    os.makedirs(state, exist_ok=True)
    with open(conf, "w") as f:
        f.write("[DEFAULT]\nhost = %s\nstate_path = %s\nlock_path = %s\nreserved_host_memory_mb = %d\n"
                "[oslo_concurrency]\nlock_path = %s\n" % (
                    name, state, state, fake.FakeDriver.memory_mb - room_mb, state))
    sys.argv = ["nova-compute", "--config-file", nova_conf, "--config-file", conf]
    sys.exit(nova_compute.compute.main())


def main(nova_conf):
    # Nobody asks how they ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    started = {}
    for line in sys.stdin:
        name, room_mb = line.split()
        pid = os.fork()
        if pid == 0:
            become(name, nova_conf, int(room_mb))
        started[name] = pid
        with open(path_of("run", name + ".pid"), "w") as f:
            f.write("%d\n" % pid)
        print(name, pid, flush=True)
    for name, pid in started.items():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    time.sleep(0.1)
    for name in started:
        os.unlink(path_of("run", name + ".pid"))


if __name__ == "__main__":
    main(sys.argv[1])
