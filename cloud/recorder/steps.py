"""The steps of the recording, setting by setting. They depend on one another within a setting only."""
import json

NOBODY = "00000000-1111-2222-3333-444444444444"
V = "OpenStack-API-Version"
BOTH = ("asc", "desc")
# Values of every type that JSON has, for fields that want another.
WRONG = (("null", None), ("true", True), ("number", 5), ("fraction", 1.5), ("list", []), ("object", {}),
         ("empty", ""), ("blank", " "))


def setting(name, conf="", policy="", paste=""):
    return {"setting": name, "conf": conf, "policy": policy, "paste": paste}


def req(name, method, path, body=None, **more):
    step = {"name": name, "method": method, "path": path}
    if body is not None:
        step["body"] = body
    step.update(more)
    return step


def js(value):
    # As text: the order of the keys is told in messages.
    return {"text": json.dumps(value)}


def at(version):
    return {V: "instance-ha " + version}


def segment(name, **more):
    return {"segment": dict({"name": name, "recovery_method": "auto", "service_type": "compute"}, **more)}


def host(name, **more):
    return {"host": dict({"name": name, "type": "COMPUTE", "control_attributes": "SSH"}, **more)}


def report(host, time, kind="COMPUTE_HOST", **payload):
    return {"notification": {"type": kind, "hostname": host, "generated_time": time,
                             "payload": payload or {"event": "STARTED"}}}


def changed(body, key, field, value):
    return {key: dict(body[key], **{field: value})}


def without(body, key, field):
    return {key: {k: v for k, v in body[key].items() if k != field}}


def all_steps():
    for part in (filled, wrong_bodies, routes, headers, text, together, policies, noauth, cors, proxy,
                 prefix, health, small):
        yield from part()


# ------------------------------------------------------------------ lists: sorting, filters, pages
def filled():
    yield setting("filled")
    rows = [("golf", "auto", "compute", "first", True), ("alfa", "rh_priority", "storage", None, True),
            ("kilo", "reserved_host", "compute", "second", False), ("echo", "auto_priority", "net", "", True),
            ("bravo", "auto", "storage", "first", False)]
    for i, (name, method, service, description, enabled) in enumerate(rows):
        yield req("filled segment " + name, "POST", "/v1/segments", js(segment(
            name, recovery_method=method, service_type=service, description=description, enabled=enabled)),
            headers=at("1.2"), save={"s%d" % i: "segment.uuid", "s%d_id" % i: "segment.id"})
    for i, (name, kind, control, reserved) in enumerate([
            ("compute01", "COMPUTE", "ssh", False), ("compute02", "ABC", "ipmi", True),
            ("compute03", "xyz", "redfish", False)]):
        yield req("filled host " + name, "POST", "/v1/segments/{s0}/hosts", js(host(
            name, type=kind, control_attributes=control, reserved=reserved)),
            save={"h%d" % i: "host.uuid", "h%d_id" % i: "host.id"})
    yield req("filled host compute04", "POST", "/v1/segments/{s1}/hosts", js(host("compute04")),
              save={"h3": "host.uuid", "h3_id": "host.id"})
    yield req("filled host on maintenance", "PUT", "/v1/segments/{s0}/hosts/{h2}",
              js({"host": {"on_maintenance": True}}))
    yield req("filled segment changed", "PUT", "/v1/segments/{s2}", js({"segment": {"description": "third"}}))
    reports = [("compute01", "2026-11-21T10:00:00", "COMPUTE_HOST", dict(event="STARTED")),
               ("compute02", "2026-11-20T10:00:00", "COMPUTE_HOST", dict(event="STOPPED", host_status="UNKNOWN")),
               ("compute04", "2026-11-22T10:00:00", "VM", dict(
                   instance_uuid=NOBODY, vir_domain_event="STOPPED_FAILED", event="LIFECYCLE")),
               ("compute01", "2026-11-19T10:00:00", "PROCESS", dict(process_name="nova-compute", event="STARTED")),
               ("compute04", "2026-11-23T10:00:00", "COMPUTE_HOST", dict(event="STARTED", cluster_status="ONLINE"))]
    for i, (name, time, kind, payload) in enumerate(reports):
        yield req("filled report %d" % i, "POST", "/v1/notifications", js(report(name, time, kind, **payload)),
                  save={"n%d" % i: "notification.notification_uuid", "n%d_id" % i: "notification.id"})
    yield req("in-use by new", "PUT", "/v1/segments/{s0}", js({"segment": {"description": "x"}}))
    yield {"play": {"statuses": {"n0": "running", "n1": "finished", "n3": "failed"}}}
    yield req("in-use by running", "DELETE", "/v1/segments/{s0}")
    yield {"play": {"statuses": {"n0": "error"}}}
    yield req("in-use by error", "DELETE", "/v1/segments/{s0}/hosts/{h1}")
    moves = [("vm-c", "compute01", "compute03", "2026-11-21 10:00:09", "2026-11-21 10:00:20", "evacuation",
              "succeeded", None),
             ("vm-a", "compute01", None, None, None, "evacuation", "pending", None),
             ("vm-d", "compute01", "compute02", "2026-11-21 10:00:01", None, "live_migration", "ongoing", None),
             ("vm-b", "compute01", "compute04", "2026-11-21 10:00:05", "2026-11-21 10:00:30", "migration",
              "failed", "No valid host")]
    yield {"play": {"of": "n0", "moves": [dict(zip(
        ("uuid", "instance_uuid", "instance_name", "source_host", "dest_host", "start_time", "end_time",
         "type", "status", "message"),
        ("2222222%d-0000-4000-8000-000000000000" % i, "1111111%d-0000-4000-8000-000000000000" % (9 - i)) + m))
        for i, m in enumerate(moves)]}}
    # Times are kept in whole seconds, and lists are sorted by them.
    yield {"pause": 1.1}
    yield {"play": {"statuses": {"n0": "ignored"}}}
    yield req("in-use no longer", "PUT", "/v1/segments/{s0}", js({"segment": {"description": "first"}}))
    yield from sorting()
    yield from filters()
    yield from pages()


LISTS = {
    "segments": ("/v1/segments", ("name", "service_type", "enabled", "description", "recovery_method")),
    "hosts": ("/v1/segments/{s0}/hosts", ("name", "reserved", "type", "control_attributes", "on_maintenance",
                                          "failover_segment_id")),
    "notifications": ("/v1/notifications", ("generated_time", "type", "payload", "status", "message")),
    "vmoves": ("/v1/notifications/{n0}/vmoves", ("instance_uuid", "instance_name", "source_host", "dest_host",
                                                 "start_time", "end_time", "type", "status", "message",
                                                 "notification_uuid")),
}
RANDOM = {"segments": ("uuid",), "hosts": ("uuid",), "vmoves": (),
          "notifications": ("notification_uuid", "source_host_uuid", "failover_segment_uuid")}


def sorting():
    for noun, (path, columns) in LISTS.items():
        for column in columns + ("id", "created_at", "updated_at", "deleted_at", "deleted"):
            for way in BOTH:
                query = "?sort_key=%s&sort_dir=%s" % (column, way)
                yield req("sort %s %s %s" % (noun, column, way), "GET", path + query, headers=at("1.3"))
        for column in RANDOM[noun]:
            for way in BOTH:
                yield req("sort %s %s %s" % (noun, column, way), "GET",
                          "%s?sort_key=%s&sort_dir=%s" % (path, column, way), order=[noun, column, way])
        for query in ("sort_key=nope", "sort_key=", "sort_key=%20name%20&sort_dir=%20asc%20", "sort_key=NAME",
                      "sort_dir=desc&sort_dir=asc", "sort_dir=", "sort_key=id&sort_key=created_at&sort_dir=desc",
                      "sort_key=id&sort_key=id&sort_dir=asc",
                      "sort_key=%E6%97%A5", "sort_key=__class__", "sort_key=metadata"):
            yield req("sort %s ?%s" % (noun, query), "GET", path + "?" + query)


FILTERS = {
    "segments": {"recovery_method": ("auto", "rh_priority", "AUTO", "nope", "", "%E6%97%A5", "auto%20"),
                 "service_type": ("compute", "storage", "nope", "", "%E6%97%A5"),
                 "enabled": ("1", "0", "2", "")},
    "hosts": {"type": ("ABC", "xyz", "nope", "", "%E6%97%A5"),
              "reserved": ("true", "TRUE", "t", "y", "1", "on", "0", "off", "n", "2", "", "%20true%20", "%E6%97%A5"),
              "on_maintenance": ("true", "1", "no", "f", "-1", "null"),
              "name": ("compute02", ""), "control_attributes": ("ipmi",), "uuid": (NOBODY,)},
    "notifications": {"status": ("new", "ignored", "failed", "running", "NEW", "", "new%20"),
                      "type": ("COMPUTE_HOST", "VM", "vm", "", "%E6%97%A5"),
                      "source_host_uuid": ("{h0}", "{h3}", "nope", "", "%E6%97%A5"),
                      "generated-since": ("2026-11-21T10:00:00", "2026-11-21", "2026-11-21T10:00:00%2B01:00",
                                          "2026-11-21T10:00:00-01:00", "2026-13-01", "", "1795240800", "20261121",
                                          "2026-11-21T10:00:00+01:00", "2026-11-21%2010:00"),
                      "generated_since": ("2026-11-22",), "payload": ("x",)},
    "vmoves": {"status": ("succeeded", "pending", "SUCCEEDED", "nope", ""),
               "type": ("evacuation", "migration", "live_migration", "nope", ""), "instance_name": ("vm-a",)},
}


def filters():
    for noun, (path, _) in LISTS.items():
        for key, values in FILTERS[noun].items():
            for value in values:
                yield req("filter %s %s=%s" % (noun, key, value), "GET",
                          "%s?sort_key=id&sort_dir=asc&%s=%s" % (path, key, value))
        first = next(iter(FILTERS[noun]))
        a, b = FILTERS[noun][first][:2]
        yield req("filter %s twice" % noun, "GET", "%s?%s=%s&%s=%s" % (path, first, a, first, b))
    yield req("filter segments two", "GET", "/v1/segments?service_type=storage&recovery_method=auto")
    yield req("filter hosts two", "GET", "/v1/segments/{s0}/hosts?type=ABC&reserved=yes")
    yield req("filter notifications two", "GET", "/v1/notifications?type=COMPUTE_HOST&status=ignored")
    yield req("filter vmoves two", "GET", "/v1/notifications/{n0}/vmoves?type=evacuation&status=pending")


def pages():
    ids = {"segments": "{s2_id}", "hosts": "{h1_id}", "notifications": "{n2_id}", "vmoves": None}
    for noun, (path, _) in LISTS.items():
        ascending = path + "?sort_key=id&sort_dir=asc&"
        for value in ("1", "2", "0", "-1", "-0", "%2B2", "+2", "1.0", "1e1", "", "%202%20", "99999999999999999999",
                      "9223372036854775808", "x", "0x1", "1_0", "%EF%BC%92", "true", "None"):
            if noun == "segments" or value in ("1", "0", "-1", "x", "99999999999999999999"):
                yield req("page %s limit=%s" % (noun, value), "GET", ascending + "limit=" + value)
        yield req("page %s limit twice" % noun, "GET", ascending + "limit=1&limit=2")
        yield req("page %s page_size=x" % noun, "GET", ascending + "page_size=x")
        yield req("page %s page_size=1" % noun, "GET", ascending + "page_size=1")
        for value in ("0", "-1", "99999", "99999999999999999999", "x", "", NOBODY, "%E6%97%A5", "1.5"):
            yield req("page %s marker=%s" % (noun, value), "GET", ascending + "marker=" + value)
        if ids[noun]:
            yield req("page %s after" % noun, "GET", ascending + "marker=" + ids[noun])
            yield req("page %s after, one" % noun, "GET", ascending + "limit=1&marker=" + ids[noun])
            yield req("page %s after, descending" % noun, "GET",
                      path + "?sort_key=id&sort_dir=desc&marker=" + ids[noun])
            yield req("page %s after, newest first" % noun, "GET", path + "?marker=" + ids[noun])
    yield req("page segments by name after", "GET", "/v1/segments?sort_key=name&sort_dir=asc&marker={s0_id}")
    yield req("page segments by service_type after", "GET",
              "/v1/segments?sort_key=service_type&sort_key=name&sort_dir=asc&sort_dir=desc&marker={s1_id}&limit=2")
    yield req("page segments by description after", "GET",
              "/v1/segments?sort_key=description&sort_dir=asc&marker={s0_id}")
    yield req("page segments filtered after", "GET",
              "/v1/segments?sort_key=id&sort_dir=asc&service_type=compute&marker={s1_id}")
    yield req("page hosts after a host of another segment", "GET",
              "/v1/segments/{s0}/hosts?sort_key=id&sort_dir=asc&marker={h3_id}")
    yield req("page segments last", "GET", "/v1/segments?sort_key=id&sort_dir=asc&marker={s4_id}")
    yield req("page deleted", "DELETE", "/v1/segments/{s4}")
    yield req("page segments after a deleted one", "GET", "/v1/segments?marker={s4_id}")


# ------------------------------------------------------------------ bodies
def wrong_bodies():
    yield setting("wrong bodies")
    yield req("wrong segment", "POST", "/v1/segments", js(segment("seg")), save={"seg": "segment.uuid"})
    yield req("wrong host", "POST", "/v1/segments/{seg}/hosts", js(host("compute01")), save={"h": "host.uuid"})
    good = segment("other", description="d", enabled=True)
    for field in ("name", "description", "recovery_method", "service_type", "enabled"):
        for label, value in WRONG:
            if (field, label) in (("description", "null"), ("description", "empty"), ("description", "blank"),
                                  ("enabled", "true")):
                continue
            yield req("wrong segment create %s %s" % (field, label), "POST", "/v1/segments",
                      js(changed(good, "segment", field, value)), headers=at("1.2"))
            if label in ("number", "empty", "list"):
                yield req("wrong segment update %s %s" % (field, label), "PUT", "/v1/segments/{seg}",
                          js({"segment": {field: value}}), headers=at("1.3"))
    for field in ("name", "recovery_method", "service_type"):
        yield req("wrong segment without " + field, "POST", "/v1/segments", js(without(good, "segment", field)),
                  headers=at("1.2"))
    good = host("compute02", reserved=False, on_maintenance=False)
    for field in ("name", "type", "control_attributes", "reserved", "on_maintenance"):
        for label, value in WRONG:
            if (field, label) in (("control_attributes", "empty"), ("control_attributes", "blank"), ("type", "empty"),
                                  ("reserved", "true"), ("on_maintenance", "true")):
                continue
            yield req("wrong host create %s %s" % (field, label), "POST", "/v1/segments/{seg}/hosts",
                      js(changed(good, "host", field, value)))
            if label in ("number", "empty", "object"):
                yield req("wrong host update %s %s" % (field, label), "PUT", "/v1/segments/{seg}/hosts/{h}",
                          js({"host": {field: value}}))
    for field in ("name", "type", "control_attributes"):
        yield req("wrong host without " + field, "POST", "/v1/segments/{seg}/hosts", js(without(good, "host", field)))
    good = report("compute01", "2026-11-21T10:00:00")
    for field in ("type", "hostname", "generated_time", "payload"):
        for label, value in WRONG:
            if (field, label) != ("payload", "object"):
                yield req("wrong report %s %s" % (field, label), "POST", "/v1/notifications",
                          js(changed(good, "notification", field, value)))
        yield req("wrong report without " + field, "POST", "/v1/notifications",
                  js(without(good, "notification", field)))
    payloads = {"COMPUTE_HOST": dict(event="STOPPED", host_status="NORMAL", cluster_status="OFFLINE"),
                "PROCESS": dict(event="STOPPED", process_name="p"),
                "VM": dict(event="LIFECYCLE", instance_uuid=NOBODY, vir_domain_event="X")}
    for kind, payload in payloads.items():
        for field in payload:
            for label, value in WRONG:
                if (kind, field, label) in (("PROCESS", "process_name", "blank"), ("VM", "event", "blank"),
                                            ("VM", "vir_domain_event", "blank")):
                    continue
                yield req("wrong payload %s %s %s" % (kind, field, label), "POST", "/v1/notifications",
                          js(report("compute01", "2026-11-21T10:00:00", kind, **dict(payload, **{field: value}))))
        yield req("wrong payload %s extra" % kind, "POST", "/v1/notifications",
                  js(report("compute01", "2026-11-21T10:00:00", kind, **dict(payload, more="x"))))
    for label, value in WRONG + (("text", "x"),):
        for noun, path in (("segment", "/v1/segments"), ("host", "/v1/segments/{seg}/hosts"),
                           ("notification", "/v1/notifications")):
            yield req("wrong %s is %s" % (noun, label), "POST", path, js({noun: value}))
            if value is not None:
                yield req("wrong body for %s is %s" % (noun, label), "POST", path, js(value))
    for noun, path in (("segment", "/v1/segments"), ("host", "/v1/segments/{seg}/hosts"),
                       ("notification", "/v1/notifications")):
        yield req("wrong two extra keys " + noun, "POST", path, js({noun: {"zz": 1, "aa": 2}}))
        yield req("wrong extra key beside " + noun, "POST", path, js({noun: {}, "b": 1, "a": 2}))
        yield req("wrong key in capitals " + noun, "POST", path, js({noun.upper(): {}}))
        yield req("wrong no body at all " + noun, "POST", path)
        for label, text in (("truncated", '{"x": '), ("two values", "{} {}"), ("comment", "{} // c"),
                            ("infinity", '{"%s": Infinity}' % noun), ("minus infinity", "-Infinity"),
                            ("huge number", '{"%s": 1e400}' % noun), ("huge integer", "9" * 400),
                            ("leading zero", "01"), ("control character", '"a\tb"'), ("bad escape", '"\\x41"'),
                            ("only spaces", "   "), ("surrogate pair", '"\\ud83d\\ude00"'), ("big exponent", "1E5"),
                            ("fraction", "1.50"), ("small", "1e-7"), ("large", "1e22")):
            if noun == "segment":
                yield req("wrong text " + label, "POST", path, {"text": text})


# ------------------------------------------------------------------ methods and paths
def routes():
    yield setting("routes")
    yield req("route segment", "POST", "/v1/segments", js(segment("seg")), save={"seg": "segment.uuid"})
    yield req("route host", "POST", "/v1/segments/{seg}/hosts", js(host("compute01")), save={"h": "host.uuid"})
    yield req("route report", "POST", "/v1/notifications", js(report("compute01", "2026-11-21T10:00:00")),
              save={"n": "notification.notification_uuid"})
    yield {"play": {"statuses": {"n": "finished"}}}
    paths = ("/", "/v1", "/v1/", "/healthcheck", "/v1/segments", "/v1/segments/{seg}", "/v1/segments/{seg}/hosts",
             "/v1/segments/{seg}/hosts/{h}", "/v1/notifications", "/v1/notifications/{n}",
             "/v1/notifications/{n}/vmoves", "/v1/notifications/{n}/vmoves/" + NOBODY, "/v1/extensions",
             "/v1/extensions/segments", "/v1/versions", "/v1/versions/v1.0")
    for path in paths:
        for method in ("HEAD", "OPTIONS", "PATCH", "TRACE", "FOO"):
            yield req("route %s %s" % (method, path), method, path)
    for method, path in (("PUT", "/v1/segments"), ("DELETE", "/v1/segments"), ("PUT", "/v1/segments/{seg}/hosts"),
                         ("POST", "/v1/segments/{seg}/hosts/{h}"), ("PUT", "/v1/notifications"),
                         ("POST", "/v1/notifications/{n}"), ("POST", "/v1/notifications/{n}/vmoves"),
                         ("PUT", "/v1/notifications/{n}/vmoves/" + NOBODY), ("POST", "/v1/extensions"),
                         ("PUT", "/v1/extensions/segments"), ("DELETE", "/v1/extensions/segments"),
                         ("POST", "/v1/versions"), ("PUT", "/v1/versions/v1.0"), ("DELETE", "/v1/versions/v1.0"),
                         ("GET", "/v1/versions/v1.0"), ("GET", "/v1/versions/v2.0"), ("PUT", "/healthcheck"),
                         ("POST", "/healthcheck"), ("DELETE", "/healthcheck"), ("POST", "/v1/segments/new"),
                         ("DELETE", "/v1/segments/new"), ("PUT", "/v1/notifications/new"),
                         ("GET", "/v1/segments/{seg}/hosts/new"), ("GET", "/v1/segments/{seg}/hosts/{h}/edit"),
                         ("GET", "/v1/notifications/new"), ("GET", "/v1/notifications/{n}/edit"),
                         ("GET", "/v1/notifications/{n}/vmoves/new"), ("GET", "/v1/extensions/new"),
                         ("GET", "/v1/extensions/segments/edit"), ("GET", "/v1/segments/{seg}/action"),
                         ("GET", "/v1/segments/{seg}/nope"), ("GET", "/v1/segments/{seg}/hosts/{h}/nope"),
                         ("POST", "/v1/segments/{seg}/hosts/{h}/action"), ("POST", "/v1/extensions/segments/action")):
        yield req("route %s %s" % (method, path), method, path)
    for path in ("/v1//segments", "//v1/segments", "/v1/segments//", "/v1/segments/{seg}/", "/v1/segments/{seg}/hosts/",
                 "/v1/segments/{seg}/hosts/{h}/", "/v1/notifications/", "/v1/notifications/{n}/",
                 "/v1/notifications/{n}/vmoves/", "/v1/extensions/", "/healthcheck/", "/healthcheck/x", "/healthcheckx",
                 "/v1x", "/v1.0", "/V1/segments", "/v1/Segments", "/v1/segments.json", "/v1/segments.xml",
                 "/v1/segments.txt", "/v1/segments/{seg}.xml", "/v1/segments/{seg}.txt", "/v1/segments.json/",
                 "/v1/segments/{seg}/hosts.json", "/v1/segments/{seg}/hosts/{h}.json", "/v1/segments.json.json",
                 "/v1/notifications.json", "/v1/notifications/{n}.json", "/v1/extensions.json", "/v1/versions/v1.0.json",
                 "/v1/.json", "/v1/../v1/segments", "/v1/./segments", "/v1/%73egments", "/v1/segments%2F{seg}",
                 "/v1/segments/%00", "/v1/segments/a%20b", "/v1/segments/a+b", "/v1/segments/%2e%2e", "/v1/segments/'",
                 "/v1/segments/{seg}%20", "/v1/segments/%7Bid%7D", "/v1/segments?", "/v1/segments?=", "/v1/segments?&&",
                 "/v1/segments#x", "/v1/{project}/segments", "/v1/{project}/segments/{seg}/hosts/{h}",
                 "/v1/{project}/notifications/{n}/vmoves", "/v1/{project}/extensions/segments",
                 "/v1/{project}/versions/v1.0", "/v1/{project}/{project}/segments", "/v1/-/segments",
                 "/v1/{project}/", "/v1/{member_project}/segments", "/v1/ABC/segments", "/v1/segments/segments",
                 "/v1/hosts", "/v1/vmoves", "/v2/segments", "/a/b/c", "/?x=1", "/%ff", "/index.html"):
        yield req("path " + path, "GET", path)
    for path in ("/v1/segments/", "/v1/segments/{seg}/hosts/", "/v1/notifications/"):
        for form in (NOBODY.replace("0", "A"), NOBODY.replace("-", ""), "%7B" + NOBODY + "%7D", "urn:uuid:" + NOBODY):
            yield req("id %s%s" % (path, form), "GET", path + form)


# ------------------------------------------------------------------ headers
def headers():
    yield setting("headers")
    yield req("header segment", "POST", "/v1/segments", js(segment("seg")), save={"seg": "segment.uuid"})
    for value in ("instance-ha 1.1", "instance-ha 1.2", "instance-ha 1.3", "instance-ha 1.4", "instance-ha 1.10",
                  "instance-ha latest", "instance-ha LATEST", "Instance-HA 1.2", "instance-ha  1.2", " instance-ha 1.2 ",
                  "instance-ha\t1.2", "instance-ha=1.2", "1.2", "latest", "instance-ha 1.2.3", "instance-ha 01.2",
                  "instance-ha 1.2,", "instance-ha 1.2, instance-ha 1.1", "compute 2.1, volume 3.0", "masakari 1.3",
                  "ha 1.3", "instance-ha 1.2 1.3", "instance-ha 1,2", "instance-ha 1.-1", "instance-ha 0.0",
                  "instance-ha 1.", "instance-ha .1", "instance-ha 99999999999999999999.1", "instance-ha 1.x",
                  "instance-hax 1.2", "xinstance-ha 1.2", ",", "instance-ha 1.2;q=1", "instance-ha \u00e9"):
        yield req("version %r" % value, "GET", "/v1/segments/{seg}", headers={V: value})
    yield req("version twice", "GET", "/v1/segments", headers={V: ["instance-ha 1.1", "instance-ha 1.2"]})
    yield req("version twice, other last", "GET", "/v1/segments", headers={V: ["instance-ha 1.2", "compute 2.1"]})
    yield req("version bad on a missing one", "GET", "/v1/segments/" + NOBODY, headers={V: "instance-ha 1.9"})
    yield req("version of member", "GET", "/v1/segments", token="member", headers=at("1.3"))
    yield req("version 1.9 of member", "GET", "/v1/segments", token="member", headers=at("1.9"))
    yield req("version rubbish of member", "GET", "/v1/segments", token="member", headers=at("rubbish"))
    yield req("version on 405", "GET", "/v1/segments/new", headers=at("1.3"))
    yield req("version on 404", "GET", "/v1/segments/" + NOBODY, headers=at("1.3"))
    for value in ("application/json", "application/json;q=0.1, text/html", "text/html", "", "*/*", "application/*",
                  "application/vnd.openstack.masakari+json", "application/vnd.openstack.masakari+json, */*",
                  "application/json;q=0.1, application/vnd.openstack.masakari+json",
                  "application/vnd.openstack.masakari+json;q=0.1, application/json", "rubbish", "application/json;version=1",
                  "text/*, application/vnd.openstack.masakari+json;q=0.5", "application/xml, application/json",
                  "application/vnd.openstack.masakari+json;version=1"):
        yield req("accept %r" % value, "GET", "/v1/segments/{seg}", headers={"Accept": value})
    yield req("accept none", "GET", "/v1/segments/{seg}", headers={"Accept": None})
    yield req("accept own, 404", "GET", "/v1/nope", headers={"Accept": "application/vnd.openstack.masakari+json"})
    yield req("accept own, fault", "GET", "/v1/segments/x", headers={"Accept": "application/vnd.openstack.masakari+json"})
    yield req("accept html, 404", "GET", "/v1/nope", headers={"Accept": "text/html"})
    yield req("accept text, 404", "GET", "/v1/nope", headers={"Accept": "text/plain"})
    yield req("accept none, 404", "GET", "/v1/nope", headers={"Accept": None})
    yield req("accept any, 404", "GET", "/v1/nope", headers={"Accept": "*/*"})
    yield req("accept own, delete", "DELETE", "/v1/segments/" + NOBODY,
              headers={"Accept": "application/vnd.openstack.masakari+json"})
    yield req("accept version on another root", "GET", "/segments", headers={"Accept": "application/json;version=1"})
    yield req("content-type version on another root", "GET", "/segments",
              headers={"Content-Type": "application/json;version=1"})
    for i, value in enumerate(("application/json", "APPLICATION/JSON", "application/json;charset=latin-1", "text/plain; x=y",
                               "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                               "application/vnd.openstack.masakari+json; version=1", ";", "application", "*/*",
                               "application/json, text/plain", " application/json ", "text/html")):
        yield req("content-type %r" % value, "POST", "/v1/segments", js(segment("type-%d" % i)),
                  headers={"Content-Type": value})
        if value.strip() == value and value.lower() == value:
            yield req("content-type %r of GET" % value, "GET", "/v1/segments/{seg}",
                      headers={"Content-Type": value})
    for value in ("req-11111111-2222-4333-8444-555555555555", "req-nope", "", "REQ-11111111-2222-4333-8444-555555555555"):
        yield req("request id %r" % value, "GET", "/v1/segments/" + NOBODY, headers={"X-OpenStack-Request-ID": value})
    for name, value in (("X-HTTP-Method-Override", "DELETE"), ("If-None-Match", "*"), ("Range", "bytes=0-1"),
                        ("Accept-Language", "de"), ("Accept-Encoding", "gzip"), ("X-Roles", "reader"),
                        ("X-User-Id", "somebody"), ("X-Project-Id", "nope"), ("X-Identity-Status", "Invalid"),
                        ("X-Service-Token", "rubbish"), ("X-Is-Admin-Project", "False"), ("Cookie", "a=b"),
                        ("Authorization", "Basic eDp5"), ("X-Storage-Token", "x"), ("Expect", "x")):
        yield req("header %s" % name, "GET", "/v1/segments/{seg}", headers={name: value})
    for value in ("", " ", "x", "a" * 300, "\u00e9"):
        yield req("token %r" % value, "GET", "/v1/segments", token="none", headers={"X-Auth-Token": value})
    yield req("token in X-Storage-Token", "GET", "/v1/segments", token="none", headers={"X-Storage-Token": "x"})
    yield req("body of GET", "GET", "/v1/segments/{seg}", {"text": "{rubbish"})
    yield req("body of DELETE", "DELETE", "/v1/segments/" + NOBODY, {"text": "{rubbish"})
    yield req("body in a form", "POST", "/v1/segments", {"text": "name=x"},
              headers={"Content-Type": "application/x-www-form-urlencoded"})


# ------------------------------------------------------------------ text
def text():
    yield setting("text")
    yield req("text segment", "POST", "/v1/segments", js(segment("seg")), save={"seg": "segment.uuid"})
    names = {"japanese": "\u65e5\u672c\u8a9e", "arabic": "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
             "combining": "e\u0301", "full width": "\uff21\uff22", "inner ideographic space": "a\u3000b",
             "ideographic space first": "\u3000a", "nbsp last": "a\u00a0", "soft hyphen": "a\u00adb",
             "right to left mark": "a\u202eb", "zero width": "a\u200bb", "emoji": "\U0001f600", "private": "\ue000",
             "bom": "\ufeffa", "replacement": "\ufffd", "last": "\uffff", "line separator": "a\u2028b",
             "line feed first": "\na", "line feed last": "a\n", "delete": "a\u007fb", "next line": "a\u0085b",
             "quotes": "it's \"so\"", "backslash": "a\\b", "percent": "%s %(x)s", "braces": "{0}", "html": "<b>&amp;",
             "json": "{\"a\": 1}", "sql": "'; DROP TABLE hosts; --", "tab": "a\tb", "unassigned": "\u0378"}
    for label, name in names.items():
        yield req("text name " + label, "POST", "/v1/segments", js(segment(name)))
        yield req("text description " + label, "PUT", "/v1/segments/{seg}", js({"segment": {"description": name}}))
    for label, name in names.items():
        yield req("text service_type " + label, "PUT", "/v1/segments/{seg}", js({"segment": {"service_type": name}}))
    for label, char, count in (("ascii 255", "a", 255), ("ascii 256", "a", 256), ("wide 255", "\u65e5", 255),
                               ("wide 256", "\u65e5", 256)):
        for field in ("name", "service_type"):
            body = segment("x%d" % len(label + field))
            body["segment"][field] = char * count
            yield req("long %s %s" % (field, label), "POST", "/v1/segments", js(body))
        yield req("long host type " + label, "POST", "/v1/segments/{seg}/hosts", js(host("compute01", type=char * count)))
    for label, count in (("65535", 65535), ("65536", 65536)):
        yield req("long description " + label, "PUT", "/v1/segments/{seg}",
                  {"fill": ['{"segment": {"description": "', "a", count, '"}}']})
    yield req("long description back", "PUT", "/v1/segments/{seg}", js({"segment": {"description": None}}))
    yield req("long description wide 21845", "PUT", "/v1/segments/{seg}",
              {"fill": ['{"segment": {"description": "', "\u65e5", 21845, '"}}']})
    yield req("long description back again", "PUT", "/v1/segments/{seg}", js({"segment": {"description": ""}}))
    yield req("text host", "POST", "/v1/segments/{seg}/hosts", js(host(
        "compute01", control_attributes="\u65e5 {'ip': 1}\nsecond")), save={"h": "host.uuid"})
    yield req("text host attributes blank", "PUT", "/v1/segments/{seg}/hosts/{h}", js({"host": {"control_attributes": " "}}))
    yield req("text host attributes empty", "PUT", "/v1/segments/{seg}/hosts/{h}", js({"host": {"control_attributes": ""}}))
    yield req("text host attributes tab", "PUT", "/v1/segments/{seg}/hosts/{h}", js({"host": {"control_attributes": "a\tb"}}))
    yield req("text host type empty", "PUT", "/v1/segments/{seg}/hosts/{h}", js({"host": {"type": ""}}))
    yield req("text host unknown to Nova", "POST", "/v1/segments/{seg}/hosts", js(host("\u65e5\u672c")))
    yield req("text host unknown to Nova, odd", "POST", "/v1/segments/{seg}/hosts", js(host("a&b=c#d?e/f")))
    for label, count in (("255", 255), ("256", 256)):
        yield req("long hostname " + label, "POST", "/v1/notifications", js(report("a" * count, "2026-11-21T10:00:00")))
        yield req("long payload value " + label, "POST", "/v1/notifications", js(report(
            "compute01", "2026-11-21T10:00:00", "VM", instance_uuid=NOBODY, vir_domain_event="a" * count, event="b" * count)))
        yield req("long payload key " + label, "POST", "/v1/notifications", js(report(
            "compute01", "2026-11-21T10:00:00", "VM", **{"k" * count: "x"})))
        yield req("long process name " + label, "POST", "/v1/notifications", js(report(
            "compute01", "2026-11-21T11:00:00", "PROCESS", process_name="p" * count, event="STARTED")))
    for label, time in (("date", "2026-11-21"), ("month", "2026-11"), ("year", "2026"), ("year 0", "0000-01-01"),
                        ("year 1", "0001-01-01T00:00:00"), ("year 9999", "9999-12-31T23:59:59"), ("epoch", "1970-01-01T00:00:00"),
                        ("lower t", "2026-11-21t10:00:00"), ("lower z", "2026-11-21T10:00:00z"), ("offset hour", "2026-11-21T10:00:00+01"),
                        ("offset odd", "2026-11-21T10:00:00+25:00"), ("hour 24", "2026-11-21T24:00:00"), ("comma", "2026-11-21T10:00:00,5"),
                        ("spaces", " 2026-11-21T10:00:00"), ("micro", "2026-11-21T10:00:00.999999"), ("nano", "2026-11-21T10:00:00.999999999"),
                        ("number", "1795240800"), ("wide digits", "\uff12\uff10\uff12\uff16-11-21"), ("ordinal", "2026-325")):
        yield req("time " + label, "POST", "/v1/notifications", js(report(
            "compute01", time, "PROCESS", process_name="time " + label, event="STARTED")))
    for label, host_name in (("dots", "a.b.c"), ("underscore", "a_b"), ("slash", "a/b"), ("umlaut", "h\u00f6st"), ("newline", "compute01\n"),
                             ("capital", "COMPUTE01"), ("trailing space", "compute01 ")):
        yield req("hostname " + label, "POST", "/v1/notifications", js(report(host_name, "2026-11-21T10:00:00")))
    for label, uuid in (("upper", NOBODY.replace("0", "A")), ("undashed", NOBODY.replace("-", "")), ("braces", "{" + NOBODY + "}"),
                        ("urn", "urn:uuid:" + NOBODY), ("short", NOBODY[1:]), ("letters", "g" * 36)):
        yield req("payload uuid " + label, "POST", "/v1/notifications", js(report(
            "compute01", "2026-11-21T10:00:00", "VM", instance_uuid=uuid, vir_domain_event="uuid " + label, event="E")))


# ------------------------------------------------------------------ at the same time
def together():
    yield setting("together")
    yield req("together create", "POST", "/v1/segments", js(segment("same")), times=8)
    yield req("together other", "POST", "/v1/segments", js(segment("other")), save={"seg": "segment.uuid"})
    yield req("together update", "PUT", "/v1/segments/{seg}", js({"segment": {"description": "x"}}), times=8)
    yield req("together updated", "GET", "/v1/segments/{seg}")
    yield req("together host", "POST", "/v1/segments/{seg}/hosts", js(host("compute01")), times=8)
    yield req("together hosts", "GET", "/v1/segments/{seg}/hosts", save={"h": "hosts.0.uuid"})
    yield req("together maintenance", "PUT", "/v1/segments/{seg}/hosts/{h}", js({"host": {"on_maintenance": True}}), times=8)
    yield req("together maintenance seen", "GET", "/v1/segments/{seg}/hosts/{h}")


# ------------------------------------------------------------------ policy
POLICY = """
"os_masakari_api:segments:index": "role:reader or rule:admin_api"
"os_masakari_api:segments:detail": "@"
"os_masakari_api:segments:create": "role:member and project_id:%(project_id)s"
"os_masakari_api:segments:update": "!"
"os_masakari_api:os-hosts:index": "not role:reader"
"os_masakari_api:os-hosts:detail": "project_id:{member_project}"
"os_masakari_api:os-hosts:create": "role:admin"
"os_masakari_api:notifications:index": "is_admin:False"
"os_masakari_api:notifications:detail": "user_id:%(user_id)s"
"os_masakari_api:notifications:create": "rule:nope"
"os_masakari_api:vmoves:index": ""
"os_masakari_api:vmoves:detail": "role:ADMIN"
"os_masakari_api:extensions:index": ""
"os_masakari_api:extensions:detail": "@"
"os_masakari_api:segments:discoverable": "role:member"
"os_masakari_api:os-hosts:discoverable": "!"
"os_masakari_api:vmoves:discoverable": "rule:admin_api"
"context_is_admin": "role:admin and not project_id:{other_project}"
"unknown:rule": "role:admin"
"""
PEOPLE = ("admin", "other", "member", "reader")


def policies():
    yield setting("policy", policy=POLICY)
    yield req("policy segment", "POST", "/v1/segments", js(segment("seg")), token="member", save={"seg": "segment.uuid"})
    yield req("policy host", "POST", "/v1/segments/{seg}/hosts", js(host("compute01")), save={"h": "host.uuid"})
    for who in PEOPLE:
        for method, path, body in (
                ("GET", "/v1/segments", None), ("GET", "/v1/segments/{seg}", None),
                ("POST", "/v1/segments", segment("by-" + who)), ("PUT", "/v1/segments/{seg}", {"segment": {"name": "n"}}),
                ("DELETE", "/v1/segments/" + NOBODY, None), ("GET", "/v1/segments/{seg}/hosts", None),
                ("GET", "/v1/segments/{seg}/hosts/{h}", None), ("POST", "/v1/segments/{seg}/hosts", host("compute01")),
                ("PUT", "/v1/segments/{seg}/hosts/{h}", {"host": {"reserved": True}}), ("GET", "/v1/notifications", None),
                ("GET", "/v1/notifications/" + NOBODY, None),
                ("POST", "/v1/notifications", report("compute01", "2026-11-21T10:00:00")),
                ("GET", "/v1/notifications/%s/vmoves" % NOBODY, None),
                ("GET", "/v1/notifications/%s/vmoves/%s" % (NOBODY, NOBODY), None), ("GET", "/v1/extensions", None),
                ("GET", "/v1/extensions/segments", None), ("GET", "/v1/extensions/os-hosts", None), ("GET", "/v1/", None)):
            yield req("policy %s %s %s" % (who, method, path), method, path, js(body) if body else None, token=who)
    yield req("policy project of another", "GET", "/v1/{project}/segments/{seg}", token="reader")
    yield req("policy own project", "GET", "/v1/{member_project}/segments/{seg}", token="reader")
    yield setting("policy of roles", policy='"admin_api": "role:reader"\n"os_masakari_api:segments:create": "rule:admin_or_owner"\n')
    for who in PEOPLE:
        yield req("roles %s list" % who, "GET", "/v1/segments", token=who)
        yield req("roles %s create" % who, "POST", "/v1/segments", js(segment(who)), token=who)
        yield req("roles %s extensions" % who, "GET", "/v1/extensions", token=who)


# ------------------------------------------------------------------ nobody is asked for proof
def noauth():
    yield setting("noauth2", conf="[DEFAULT]\nauth_strategy = noauth2\n")
    yield req("noauth create", "POST", "/v1/segments", js(segment("seg")), token="none", save={"seg": "segment.uuid"})
    for label, more in (("nothing", {}), ("token", {"X-Auth-Token": "admin:0a"}), ("other token", {"X-Auth-Token": "demo:0b"}),
                        ("rubbish", {"X-Auth-Token": "rubbish"}), ("project", {"X-Project-Id": "0a"}), ("tenant", {"X-Tenant-Id": "0a"}),
                        ("old tenant", {"X-Tenant": "0a"}), ("user", {"X-User-Id": "u"}), ("reader", {"X-Roles": "reader"}),
                        ("bad catalog", {"X-Service-Catalog": "rubbish"}), ("catalog", {"X-Service-Catalog": "[]"})):
        for path in ("/v1/segments/{seg}", "/v1/0a/segments/{seg}", "/v1/"):
            yield req("noauth %s %s" % (label, path), "GET", path, token="none", headers=more)
    yield req("noauth host", "POST", "/v1/segments/{seg}/hosts", js(host("compute01")), token="none")
    yield req("noauth report", "POST", "/v1/notifications", js(report("compute01", "2026-11-21T10:00:00")), token="none")
    yield req("noauth root", "GET", "/", token="none")
    yield req("noauth nope", "GET", "/v1/nope", token="none")
    yield req("noauth keystone's token", "GET", "/v1/{project}/segments")
    yield setting("noauth2 and policy", conf="[DEFAULT]\nauth_strategy = noauth2\n",
                  policy='"os_masakari_api:segments:index": "role:reader"\n"os_masakari_api:extensions:index": "project_id:0a"\n')
    for label, more in (("nothing", {}), ("reader", {"X-Roles": "member, reader"}), ("role", {"X-Role": "reader"}), ("project", {"X-Project-Id": "0a"})):
        yield req("noauth policy %s segments" % label, "GET", "/v1/segments", token="none", headers=more)
        yield req("noauth policy %s extensions" % label, "GET", "/v1/extensions", token="none", headers=more)


# ------------------------------------------------------------------ browsers
CORS = """[cors]
allowed_origin = https://horizon.example.com,https://other.example.com:8443
allow_credentials = {credentials}
expose_headers = X-OpenStack-Request-ID,OpenStack-API-Version
max_age = {age}
allow_methods = GET,PUT,POST,DELETE
allow_headers = X-Auth-Token,OpenStack-API-Version
"""
O, M, H = "Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"


def preflights(name, origin):
    for path in ("/v1/segments", "/v1/", "/", "/healthcheck", "/v1/nope"):
        for label, more in (("plain", {}), ("origin only", {O: origin}), ("GET", {O: origin, M: "GET"}),
                            ("PATCH", {O: origin, M: "PATCH"}), ("lower", {O: origin, M: "get"}),
                            ("headers", {O: origin, M: "PUT", H: "x-auth-token, Content-Type"}),
                            ("other headers", {O: origin, M: "PUT", H: "X-Auth-Token,X-Other"}), ("no headers", {O: origin, M: "PUT", H: " , "}),
                            ("stranger", {O: "https://evil.example.com", M: "GET"})):
            if path == "/v1/segments" or label in ("plain", "GET", "headers", "stranger"):
                yield req("%s preflight %s %s" % (name, path, label), "OPTIONS", path, token="none", headers=more)


def from_browsers(name, origin):
    for label, who in (("origin", origin), ("stranger", "https://evil.example.com"), ("null", "null"), ("slash", origin + "/"),
                       ("capitals", origin.upper()), ("empty", "")):
        for what, method, path, token in (("list", "GET", "/v1/segments", "admin"), ("fault", "GET", "/v1/segments/x", "admin"),
                                          ("no token", "GET", "/v1/segments", "none"), ("404", "GET", "/v1/nope", "admin"),
                                          ("root", "GET", "/", "none"), ("health", "GET", "/healthcheck", "none")):
            if label in ("origin", "stranger") or what == "list":
                yield req("%s %s %s" % (name, label, what), method, path, token=token, headers={O: who})
    yield req("%s create" % name, "POST", "/v1/segments", js(segment(name)), headers={O: origin})
    yield req("%s 406" % name, "GET", "/v1/segments", headers=dict({O: origin}, **at("1.9")))


def cors():
    origin = "https://horizon.example.com"
    yield setting("cors", conf=CORS.format(credentials="True", age="200"))
    yield from preflights("cors", origin)
    yield from from_browsers("cors", origin)
    yield req("cors second origin", "GET", "/v1/segments", headers={O: "https://other.example.com:8443"})
    yield setting("cors without credentials", conf=CORS.format(credentials="False", age="0").replace(
        "expose_headers = X-OpenStack-Request-ID,OpenStack-API-Version\n", ""))
    yield req("cors bare preflight", "OPTIONS", "/v1/segments", token="none", headers={O: origin, M: "GET"})
    yield req("cors bare list", "GET", "/v1/segments", headers={O: origin})
    yield setting("cors for all", conf="[cors]\nallowed_origin = *\n")
    yield req("cors all preflight", "OPTIONS", "/v1/segments", token="none", headers={O: origin, M: "TRACE"})
    yield req("cors all preflight token", "OPTIONS", "/v1/segments", token="none", headers={O: origin, M: "GET", H: "X-Auth-Token"})
    yield req("cors all list", "GET", "/v1/segments", headers={O: origin})
    yield req("cors all list without origin", "GET", "/v1/segments")
    yield setting("cors unset")
    yield req("cors unset preflight", "OPTIONS", "/v1/segments", token="none", headers={O: origin, M: "GET"})
    yield req("cors unset list", "GET", "/v1/segments", headers={O: origin})


# ------------------------------------------------------------------ proxies
PROXIED = (("proto", {"X-Forwarded-Proto": "https"}), ("proto http", {"X-Forwarded-Proto": "http"}), ("proto odd", {"X-Forwarded-Proto": "wss"}),
           ("host", {"X-Forwarded-Host": "api.example.com"}), ("host and port", {"X-Forwarded-Host": "api.example.com:8443"}),
           ("prefix", {"X-Forwarded-Prefix": "/ha"}), ("prefix slash", {"X-Forwarded-Prefix": "/ha/"}), ("for", {"X-Forwarded-For": "10.0.0.1"}),
           ("port", {"X-Forwarded-Port": "8443"}),
           ("all", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example.com", "X-Forwarded-Prefix": "/ha"}),
           ("default port", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example.com:443"}),
           ("other default port", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example.com:80"}),
           ("http port", {"X-Forwarded-Host": "api.example.com:80"}),
           ("forwarded", {"Forwarded": "for=10.0.0.1;proto=https;host=api.example.com"}),
           ("forwarded list", {"Forwarded": "proto=https;host=one.example.com, proto=http;host=two.example.com"}),
           ("forwarded odd case", {"Forwarded": "Proto=https; HOST = api.example.com"}), ("forwarded quoted", {"Forwarded": 'host="api.example.com:8443";proto="https"'}),
           ("forwarded rubbish", {"Forwarded": "rubbish"}), ("forwarded first", {"Forwarded": "for=10.0.0.1", "X-Forwarded-Host": "api.example.com", "X-Forwarded-Proto": "https"}),
           ("forwarded and prefix", {"Forwarded": "host=api.example.com", "X-Forwarded-Prefix": "/ha"}), ("ssl", {"X-Forwarded-SSL": "on"}),
           ("Host", {"Host": "direct.example.com"}), ("Host upper", {"Host": "DIRECT.example.com:80"}))


def proxied(name):
    for label, more in PROXIED:
        yield req("%s %s root" % (name, label), "GET", "/", token="none", headers=more)
        yield req("%s %s v1" % (name, label), "GET", "/v1/", headers=more)
        if label in ("all", "forwarded", "prefix", "Host"):
            yield req("%s %s choices" % (name, label), "GET", "/v3/x", token="none", headers=more)
            yield req("%s %s list" % (name, label), "GET", "/v1/segments", headers=more)


def proxy():
    yield setting("proxy", conf="[oslo_middleware]\nenable_proxy_headers_parsing = True\n")
    yield from proxied("proxy")
    yield setting("no proxy")
    yield from proxied("no proxy")


def prefix():
    for i, value in enumerate(("https://ha.example.com/masakari", "https://ha.example.com", "https://ha.example.com/", "ha.example.com", "/path")):
        yield setting("prefix " + value, conf="[DEFAULT]\nosapi_masakari_link_prefix = %s\n" % value)
        for path in ("/", "/v1/", "/v1/versions/v1.0", "/v3/x"):
            yield req("prefix %d %s" % (i, path), "GET", path)


# ------------------------------------------------------------------ load balancers
def health():
    yield setting("health")
    accepts = ("application/json", "text/html", "text/plain", "*/*", "", "application/*", "text/*", "text/html, application/json",
               "application/json;q=0.9, text/plain;q=0.1", "image/png", "application/json;q=0", "text/plain;q=0.5, text/html")
    for there in (False, True):
        yield {"file": there}
        word = "disabled" if there else "enabled"
        for accept in accepts:
            yield req("health %s %r" % (word, accept), "GET", "/healthcheck", token="none", headers={"Accept": accept})
        yield req("health %s no accept" % word, "GET", "/healthcheck", token="none", headers={"Accept": None})
        for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            yield req("health %s %s" % (word, method), method, "/healthcheck", token="none")
        yield req("health %s below" % word, "GET", "/healthcheck/below", token="none")
        yield req("health %s with query" % word, "GET", "/healthcheck?detailed=true", token="none")
        yield req("health %s api" % word, "GET", "/v1/segments")


# ------------------------------------------------------------------ small limits
def small():
    yield setting("small", conf="[DEFAULT]\nosapi_max_limit = 2\n[oslo_middleware]\nmax_request_body_size = 200\n")
    for name in ("a", "b", "c"):
        yield req("small segment " + name, "POST", "/v1/segments", js(segment(name)), save={name: "segment.id", name + "_uuid": "segment.uuid"})
    for query in ("", "?limit=1", "?limit=2", "?limit=3", "?limit=0", "?limit=-1", "?limit=1000", "?marker={b}", "?limit=5&marker={c}",
                  "?sort_key=name&sort_dir=asc", "?page_size=3"):
        yield req("small list " + query, "GET", "/v1/segments" + query)
    for size in (140, 141, 142, 1000):
        yield req("small body %d" % size, "PUT", "/v1/segments/{a_uuid}", {"fill": ['{"segment": {"description": "', "a", size - 0, '"}}']})
    for size in (165, 166, 167, 168, 169, 170):
        yield req("small body of %d" % (size + 33), "PUT", "/v1/segments/{a_uuid}", {"fill": ['{"segment": {"description": "', "a", size, '"}}']})
    yield req("small too large without token", "POST", "/v1/segments", {"fill": ["", "a", 500, ""]}, token="none")
    yield req("small too large to nowhere", "POST", "/v1/nope", {"fill": ["", "a", 500, ""]})
    yield req("small too large to the root", "POST", "/", {"fill": ["", "a", 500, ""]})
    yield req("small too large to health", "POST", "/healthcheck", {"fill": ["", "a", 500, ""]})
    yield req("small too large of GET", "GET", "/v1/segments", {"fill": ["", "a", 500, ""]})
    yield req("small too large, plain", "POST", "/v1/segments", {"fill": ["", "a", 500, ""]}, headers={"Accept": "text/plain"})
    yield req("small too large, html", "POST", "/v1/segments", {"fill": ["", "a", 500, ""]}, headers={"Accept": "text/html"})
