#!/usr/bin/env python3
"""Small hand tools for the test cloud.

  ctl.py boot N HOST [FLAVOR]      boot N servers onto HOST and wait
  ctl.py kill HOST                 kill -9 the nova-compute of HOST
  ctl.py revive HOST               start it again, undo forced_down, enable
  ctl.py servers                   count of servers by host and status
  ctl.py clean                     delete all servers
"""
import collections
import sys
import time

import cloud


def counts(c):
    return dict(collections.Counter(
        "%s %s" % (s["OS-EXT-SRV-ATTR:host"], s["status"]) for s in c.servers(detail=True)))


def main(verb, *args):
    c, t0 = cloud.Client(), time.time()
    if verb == "boot":
        count, host, flavor = (*args, "tiny")[:3]
        c.boot(int(count), host, flavor=flavor)
        print("booted %s on %s in %.1f s" % (count, host, time.time() - t0), counts(c))
    elif verb == "kill":
        cloud.kill(*args)
    elif verb == "revive":
        cloud.revive(c, *args)
        print("%s is up after %.1f s" % (args[0], time.time() - t0))
    elif verb == "servers":
        print(counts(c))
    elif verb == "clean":
        c.delete_all_servers()
        print("clean in %.1f s" % (time.time() - t0))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
