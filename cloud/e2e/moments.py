"""When in a recovery a fault comes, and what is told of that run.

The moment is chosen by a seed, over the whole length of a recovery that nothing disturbs: of ten
seeds one falls into the claim and the plan, which are short, and each of the others into a ninth of
the length of its own.
"""
import json
import os
import random

import cloud

# From the answer to the report: an engine looks every 250 ms, then asks who is on the host.
BEGINNING_S = 0.4


def moment(seed, length_s):
    """Seconds after the report was accepted."""
    chance = random.Random(seed)
    if seed % 10 == 0:
        return chance.uniform(0, BEGINNING_S)
    ninth = (seed % 10) * 4 % 9
    return length_s * (ninth + chance.random()) / 9


class Length:
    """How long a recovery of so many servers takes here: measured, and kept with the cloud."""

    def __init__(self, servers):
        self._servers = servers
        self._path = os.path.join(cloud.CLOUD_DIR, "state", "seconds-of-%d-servers" % servers)

    def known(self):
        try:
            with open(self._path) as f:
                return float(f.read())
        except FileNotFoundError:
            return None

    def guess(self):
        return self.known() or 1 + 0.3 * self._servers

    def keep(self, seconds):
        with open(self._path, "w") as f:
            f.write("%.1f\n" % seconds)


class Run:
    """What is told of one run: a line `RUN {...}` that `cargo xtask soak` keeps."""

    def __init__(self, case, seed):
        self.facts = {"case": case, "seed": seed}

    def __enter__(self):
        return self.facts

    def __exit__(self, kind, error, _):
        if error is not None:
            text = " ".join(str(error).split())[:300]
            self.facts["outcome"] = "FAILED: %s: %s" % (kind.__name__, text)
        print("\nRUN %s" % json.dumps(self.facts), flush=True)
