"""What cases make in the cloud, and what is left of it when a run was ended in the middle: all that cloud/up did not
make goes before each case. Servers and hosts are clean_cloud's own (scene.py).
"""
import os
import signal

import cloud

# What identity.py makes.
FLAVORS = {"tiny", "small"}
IMAGES = {"tiny"}
RUN = os.path.join(cloud.CLOUD_DIR, "run")


def processes():
    """Those that a case stopped, or put in another's place. Before Nova is asked anything."""
    for name in (f.removesuffix(".pid") for f in os.listdir(RUN) if f.endswith(".pid")):
        if _is_stopped(cloud.pid(name)):
            cloud.send_signal(name, signal.SIGCONT)
    if cloud.pid("unavailable") is not None:
        cloud.shell("stop unavailable")
    if cloud.pid("rabbit") is None:
        cloud.shell("start_rabbit")
    if cloud.pid("nova-api") is None:
        cloud.shell("start_nova_api")
    # Beside ours, on the same port.
    if cloud.pid("masakari-engine") is not None or cloud.pid("masakari-api") is not None:
        cloud.script("masakari-py-down", "--wipe")


def _is_stopped(pid):
    if pid is None:
        return False
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"
    except FileNotFoundError:
        return False


def resources(nova):
    """What only servers hold in its place. After the last server."""
    _aggregates(nova)
    _server_groups(nova)
    _flavors(nova)
    _images(nova)
    _traits(nova)


def _aggregates(nova):
    for left in nova.nova("GET", "/os-aggregates").json()["aggregates"]:
        path = "/os-aggregates/%d" % left["id"]
        for host in left["hosts"]:
            nova.nova("POST", path + "/action", {"remove_host": {"host": host}})
        nova.nova("DELETE", path)


def _server_groups(nova):
    for left in nova.nova("GET", "/os-server-groups", params={"all_projects": "true"}).json()["server_groups"]:
        nova.nova("DELETE", "/os-server-groups/" + left["id"])


def _flavors(nova):
    for left in nova.nova("GET", "/flavors", params={"is_public": "None"}).json()["flavors"]:
        if left["name"] not in FLAVORS:
            nova.nova("DELETE", "/flavors/" + left["id"])


def _images(nova):
    images = cloud.base("GLANCE", "/v2/images")
    for left in nova.call("GET", images).json()["images"]:
        if left["name"] not in IMAGES:
            nova.call("DELETE", "%s/%s" % (images, left["id"]))


def _traits(nova):
    """Nova's fake hosts have none that is custom."""
    def placement(method, path, body=None):
        return nova.call(method, cloud.base("PLACEMENT", path), body, "placement 1.18")
    for trait in placement("GET", "/traits?name=startswith:CUSTOM_").json()["traits"]:
        for provider in placement("GET", "/resource_providers?required=" + trait).json()["resource_providers"]:
            path = "/resource_providers/%s/traits" % provider["uuid"]
            now = placement("GET", path).json()
            now["traits"].remove(trait)
            placement("PUT", path, now)
        placement("DELETE", "/traits/" + trait)
