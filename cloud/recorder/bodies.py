"""Steps: what bodies may hold."""
from form import NOBODY, WRONG, at, changed, host, js, report, req, segment, setting, without


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
