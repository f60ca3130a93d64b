"""Steps: lists, sorted, filtered and cut in every way."""
from form import BOTH, NOBODY, at, host, js, report, req, segment, setting


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
