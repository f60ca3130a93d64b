"""The BMCs of test_fence.py's hosts: the simulators of the suite `fence`, whose power switches kill these hosts.

  bmcs.py BMC_FOLDER TOP    with the Python that BMC_FOLDER/install printed

Reads one line of JSON: a list of cells, each with `kind`, `case`, `pids` of its host, `behaves` (as which case of the
fence suite), and perhaps `neighbour`, the process id of the host that its BMC controls in truth, and `lie`, what one
that lies does before it says "off". Answers with one line of JSON as soon as all are up, and ends with its input.
"""
import json
import os
import sys

sys.path.insert(0, sys.argv[1])
import rig  # noqa: E402


class Rack(rig.Rig):
    """Hosts that live already."""

    def __init__(self, top, cells):
        super().__init__(top)
        self.cells = {os.path.join(top, cell["kind"], cell["case"]): cell for cell in cells}

    def host(self, directory, alive=True):
        os.makedirs(directory)
        cell = self.cells[directory.removesuffix("-neighbour")]
        pids = [cell["neighbour"]] if directory.endswith("-neighbour") else cell["pids"]
        files = {"host.pid": " ".join(map(str, pids)), "orders": "", "mode": "healthy", "lie": cell.get("lie")}
        if alive:
            files["on"] = ""
        for name, text in files.items():
            if text is not None:
                with open(os.path.join(directory, name), "w") as file:
                    file.write(text)


def main(top):
    cells = json.loads(sys.stdin.readline())
    rack = Rack(top, cells)
    try:
        rack.certificates()
        systems = {}
        for cell in cells:
            systems.update(rig.names_of(cell["kind"], cell["case"]))
        service = rack.redfish_service(systems)
        up = {"%s/%s" % (c["kind"], c["case"]): rack.cell(c["kind"], c["case"], service, c["behaves"])
              for c in cells}
        print(json.dumps({"cells": up, "ca_file": os.path.join(top, "ca.pem"), "user": rig.USER,
                          "password": rig.PASSWORD}), flush=True)
        sys.stdin.read()
    finally:
        rack.stop()


if __name__ == "__main__":
    main(sys.argv[2])
