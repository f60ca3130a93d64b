"""Steps: methods, paths and headers."""
from form import NOBODY, V, at, host, js, report, req, segment, setting


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
