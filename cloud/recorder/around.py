"""Steps: what stands before the API, and who may do what."""
from form import NOBODY, at, host, js, report, req, segment, setting


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
    for name, conf in (("scheme header", "secure_proxy_ssl_header = HTTP_X_SCHEME\n"),
                       ("scheme header behind proxy", "secure_proxy_ssl_header = HTTP_X_SCHEME\n"
                        "[oslo_middleware]\nenable_proxy_headers_parsing = True\n")):
        yield setting(name, conf="[wsgi]\n" + conf)
        for label, more in (("none", {}), ("https", {"X-Scheme": "https"}), ("empty", {"X-Scheme": ""}), ("odd", {"X-Scheme": "wss"}),
                            ("both", {"X-Scheme": "https", "X-Forwarded-Proto": "http"}),
                            ("port", {"X-Scheme": "https", "Host": "api.example.com:443"}),
                            ("all", {"X-Scheme": "https", "X-Forwarded-Host": "api.example.com", "X-Forwarded-Prefix": "/ha"})):
            for path in ("/", "/v1/", "/v3/x"):
                yield req("%s %s %s" % (name, label, path), "GET", path, headers=more)
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
    yield from health_backends()


SEVERAL = """backends = disable_by_files_ports,enable_by_files
disable_by_file_paths = 1:{dir}/api-paste.ini,{port}:{dir}/healthcheck_disable
enable_by_file_paths = {dir}
"""


def health_backends():
    enabled = "backends = enable_by_files\nenable_by_file_paths = {dir},{dir}/healthcheck_disable\n"
    for name, paste, conf in (
            ("enabled by files", enabled, ""),
            ("several", SEVERAL, ""),
            ("of the configuration", "# nothing\n", "[healthcheck]\n" + enabled),
            ("of both", "disable_by_file_path = {dir}/healthcheck_disable\n",
             "[healthcheck]\nbackends = disable_by_file\ndisable_by_file_path = {dir}\n"),
            ("allowed", "backends = disable_by_file\nallowed_source_ranges = 10.0.0.0/8,127.0.0.0/24,::1\n", ""),
            ("not through proxies", "backends = disable_by_file\nignore_proxied_requests = True\n", "")):
        yield setting("health " + name, paste=paste, conf=conf)
        for there in (False, True):
            yield {"file": there}
            for accept in ("text/plain", "text/html", "application/json"):
                yield req("health %s %s %s" % (name, accept, there), "GET", "/healthcheck", token="none", headers={"Accept": accept})
            yield req("health %s HEAD %s" % (name, there), "HEAD", "/healthcheck", token="none")
    # Whoever is not told is not answered at all: the middleware asks the address in `Host`, which is itself.
    for header in ("Forwarded", "Via", "X-Forwarded-Port"):
        yield req("health through " + header, "GET", "/healthcheck", token="none", headers={header: "x"})


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
