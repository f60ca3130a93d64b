"""Runs a program, and takes leave of all that it leaves behind, at once, as a host's init does.

libvirtd waits until a QEMU that died is gone for certain, and tells of its end after that. Where the first process of a
machine or container takes leave of the dead only every second or two, everybody else would wait for that, too.
"""
import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36


def main():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("no subreaper: %s" % os.strerror(ctypes.get_errno()))
    os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
