"""Sending the steps of a recording, and taking out of the answers what chance and time put in.

A step is one JSON object, a line of a recording:

  name      unique
  method, path, token, headers, body   the request. `token` is admin, reader, member, other, bad or none; a
            header's value may be a list (it is sent that often) or null (it is not sent); `body` is null or one
            of {"text": "..."}, {"b64": "..."}, {"fill": [prefix, text, times, suffix]}
  save      {variable: dotted path into the answer's JSON}; {variable} may stand in later paths, headers and bodies
  order     [collection, field, "asc" | "desc"]: the list is sorted by chance (a UUID); its order is checked
            where it comes, and `ordered` records that it held
  times     the request is sent that often at once; `statuses` records what came, sorted
  status, response_headers, response   what came back

Other steps change the world: {"setting", "conf", "policy", "paste"} begins anew with an empty database under that
configuration (`paste` is what stands in api-paste.ini's section of the health check; {dir} and {port} are the recorder's);
{"play": {...}} does what an engine would have done; {"pause": seconds} waits; {"file": bool} makes or removes the file that disables the health check.
"""
import base64
import concurrent.futures
import http.client
import json
import re

HEADERS = ("content-type", "openstack-api-version", "vary", "www-authenticate", "location", "allow",
           "x-openstack-request-id", "retry-after", "access-control-allow-origin",
           "access-control-allow-credentials", "access-control-allow-methods",
           "access-control-allow-headers", "access-control-expose-headers", "access-control-max-age")
UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
# What is long is told by its length.
LONG = re.compile(r"(.)\1{999,}", re.DOTALL)
TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"


class Runner:
    def __init__(self, address, port, tokens, variables):
        self.address, self.port, self.tokens = address, port, tokens
        self.root = "http://%s:%d" % (address, port)
        self.first = dict(variables)
        self.vars = dict(variables)

    def fill(self, x):
        if isinstance(x, str):
            return re.sub(r"\{(\w+)\}", lambda m: str(self.vars.get(m.group(1), m.group(0))), x)
        if isinstance(x, list):
            return [self.fill(v) for v in x]
        if isinstance(x, dict):
            return {k: self.fill(v) for k, v in x.items()}
        return x

    def send(self, step):
        headers = {"accept": "application/json", "host": "%s:%d" % (self.address, self.port)}
        token = step.get("token", "admin")
        if token != "none":
            headers["x-auth-token"] = self.tokens.get(token, "gAAAAA-not-a-token")
        body = step.get("body")
        data = None
        if body:
            headers["content-type"] = "application/json"
            if "text" in body:
                data = self.fill(body["text"]).encode()
            elif "b64" in body:
                data = base64.b64decode(body["b64"])
            else:
                before, text, times, after = body["fill"]
                data = (before + text * times + after).encode()
        for name, value in (step.get("headers") or {}).items():
            if value is None:
                headers.pop(name.lower(), None)
            else:
                headers[name.lower()] = self.fill(value)
        link = http.client.HTTPConnection(self.address, self.port, timeout=90)
        try:
            link.putrequest(step["method"], self.fill(step["path"]) or "/",
                            skip_host=True, skip_accept_encoding=True)
            for name, values in headers.items():
                for value in values if isinstance(values, list) else [values]:
                    link.putheader(name, value.encode())
            if data is not None:
                link.putheader("content-length", str(len(data)))
            elif step["method"] in ("POST", "PUT", "PATCH"):
                link.putheader("content-length", "0")
            link.endheaders(data)
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            link.close()

    def run(self, step):
        """The step with what came back."""
        out = {k: v for k, v in step.items() if k not in ("status", "statuses", "ordered", "response",
                                                          "response_headers")}
        if "times" in step:
            with concurrent.futures.ThreadPoolExecutor(step["times"]) as pool:
                sent = [pool.submit(self.send, step) for _ in range(step["times"])]
                out["statuses"] = sorted(s.result()[0] for s in sent)
            return out
        status, headers, text = self.send(step)
        text = text.decode("utf-8", "replace")
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        for variable, path in (step.get("save") or {}).items():
            found = dig(body, path)
            if found is not None:
                self.vars[variable] = found
        if "order" in step and isinstance(body, dict) and step["order"][0] in body:
            collection, field, direction = step["order"]
            rows = body[collection]
            keys = [(r[field] is not None, r[field] or "") for r in rows]
            out["ordered"] = keys == sorted(keys, reverse=direction == "desc")
            body = {collection: sorted(rows, key=lambda row: row["id"])}
        out["status"] = status
        out["response_headers"] = {n: self.normal(headers[n]) for n in HEADERS if n in headers}
        out["response"] = self.normal(body)
        return out

    def normal(self, x, key=None):
        if isinstance(x, dict):
            return {k: self.normal(v, k) for k, v in x.items()}
        if isinstance(x, list):
            return [self.normal(v) for v in x]
        if key == "id" and isinstance(x, int):
            return "<int>"
        if not isinstance(x, str):
            return x
        x = x.replace(self.root, "<endpoint>").replace("%s:%d" % (self.address, self.port), "<host>")
        for name, value in sorted(self.vars.items(), key=lambda kv: -len(str(kv[1]))):
            if isinstance(value, str) and len(value) >= 16:
                x = x.replace(value, "{%s}" % name)
        x = re.sub(r"req-" + UUID, "<request-id>", x)
        x = re.sub(UUID, "<uuid>", x)
        x = re.sub(TIME, "<time>", x)
        return LONG.sub(lambda run: "<%s x %d>" % (run.group(1), len(run.group())), x)

    def begin(self):
        self.vars = dict(self.first)


def dig(body, path):
    try:
        for part in path.split("."):
            body = body[int(part)] if isinstance(body, list) else body[part]
        return body
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def differences(want, got, path=""):
    """Readable lines."""
    if isinstance(want, dict) and isinstance(got, dict):
        out = []
        for key in list(want) + [k for k in got if k not in want]:
            at = "%s.%s" % (path, key)
            if key not in got:
                out.append("%s: missing, recorded %s" % (at, short(want[key])))
            elif key not in want:
                out.append("%s: unexpected %s" % (at, short(got[key])))
            else:
                out += differences(want[key], got[key], at)
        return out
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        return [line for i, (w, g) in enumerate(zip(want, got))
                for line in differences(w, g, "%s[%d]" % (path, i))]
    if want != got or type(want) is not type(got):
        return ["%s: %s, recorded %s" % (path, short(got), short(want))]
    return []


def short(x):
    text = json.dumps(x, ensure_ascii=False)
    return text if len(text) < 300 else text[:300] + "..."
