#!/usr/bin/env python3
"""Create what the test cloud needs in Keystone, Nova and Glance; what exists is kept.

Run by `up`, with its settings in the environment: one process instead
of dozens of `openstack` commands, which take two seconds each.

usage: identity.py identity   service users, services, endpoints, demo users
       identity.py resources  flavors and the tiny image
"""
import os
import sys

import openstack

E = os.environ
ADDR, PW = E["CLOUD_ADDR"], E["CLOUD_PASSWORD"]


def url(port, path=""):
    return "http://%s:%s%s" % (ADDR, E["PORT_" + port], path)


SERVICES = [                       # name, type, endpoint
    ("placement", "placement", url("PLACEMENT")),
    ("glance", "image", url("GLANCE")),
    ("nova", "compute", url("NOVA", "/v2.1")),
    ("neutron", "network", url("NEUTRON")),
    ("masakari", "instance-ha", url("MASAKARI", "/v1/%(tenant_id)s")),
]
# By this one interface Nova is asked by way of nova_proxy.py.
RECORDED = {("nova", "admin"): url("NOVA_PROXY", "/v2.1")}


def connect():
    return openstack.connect(
        auth=dict(auth_url=url("KEYSTONE", "/v3"), username="admin", password=PW,
                  project_name="admin", user_domain_name="Default",
                  project_domain_name="Default"),
        region_name=E["CLOUD_REGION"])


def identity():
    idn = connect().identity
    admin = idn.find_role("admin")
    member = idn.find_role("member") or idn.create_role(name="member")
    service_role = idn.find_role("service") or idn.create_role(name="service")

    def project(name):
        return idn.find_project(name) or idn.create_project(name=name, domain_id="default")

    def user(name, proj, *roles):
        u = idn.find_user(name) or idn.create_user(
            name=name, password=PW, domain_id="default")
        for r in roles:
            idn.assign_project_role_to_user(proj, u, r)
        return u

    svc, demo = project("service"), project("demo")
    for name in ("placement", "glance", "nova", "neutron", "masakari"):
        user(name, svc, admin, service_role)
    user("demo", demo, member)
    # upstream functional tests expect a plain user able to see flavors/images
    alt = project("alt_demo")
    user("alt_demo", alt, member)
    user("admin_alt_demo", alt, admin)

    have = {s.name: s for s in idn.services()}
    for name, typ, endpoint in SERVICES:
        s = have.get(name) or idn.create_service(name=name, type=typ)
        got = {(e.interface): e for e in idn.endpoints(service_id=s.id)}
        for iface in ("public", "internal", "admin"):
            e, at = got.get(iface), RECORDED.get((name, iface), endpoint)
            if e is None:
                idn.create_endpoint(service_id=s.id, interface=iface,
                                    url=at, region_id=E["CLOUD_REGION"])
            elif e.url != at:
                idn.update_endpoint(e, url=at)
    print("identity: ok")


def resources():
    conn = connect()
    have = {f.name for f in conn.compute.flavors()}
    for name, vcpus, ram, disk in (("tiny", 1, 64, 1), ("small", 1, 512, 1)):
        if name not in have:
            conn.compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=disk,
                                       is_public=True)
    if not any(i.name == "tiny" for i in conn.image.images()):
        conn.image.create_image(
            name="tiny", data=b"\0" * 1024, disk_format="raw", container_format="bare",
            visibility="public", wait=True, validate_checksum=False)
    print("resources: flavors=%s image=%s" % (
        sorted(f.name for f in conn.compute.flavors()),
        [(i.name, i.status) for i in conn.image.images()]))


if __name__ == "__main__":
    {"identity": identity, "resources": resources}[sys.argv[1]]()
