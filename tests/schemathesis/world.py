"""A server with two projects in it, and copies of its API's description that name what is there."""
import copy
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
import urllib.request

START_SECONDS = 20
ADMIN = "pat_c190ZXN0X2FkbWluX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY"
OWNER = "ptk_c190ZXN0X293bmVyX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY"
PROJECT = "project_test"
ALL_FLAGS = 2251799805280247
# Projects that a run may delete.
DOOMED = 5
# A wrong token costs its address something; that is tested elsewhere, and here thousands are tried.
CONFIG = "[limits]\nauth-failures = 0\n"


class World:
    """A running server and what was made in it."""

    def __init__(self, server, folder):
        (folder / "warren.toml").write_text(CONFIG)
        env = os.environ | {
            "WARREN_LISTEN": "127.0.0.1:0", "WARREN_DATA": str(folder / "data"), "WARREN_PROJECT": PROJECT,
            "WARREN_PROJECT_TOKEN": OWNER, "WARREN_ADMIN_TOKEN": ADMIN}
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen(
            [server], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = queue.Queue()
        threading.Thread(target=self.read, args=(ready,), daemon=True).start()
        try:
            self.url = ready.get(timeout=START_SECONDS)
        except queue.Empty:
            self.url = None
        if self.url is None:
            self.process.kill()
            sys.exit("the server does not start: " + self.words())
        self.document = self.get("/openapi.json", None)
        self.fill()

    def read(self, ready):
        """Reads what the server says until it ends."""
        for line in self.process.stdout:
            if line.startswith("ready: http://"):
                ready.put(line.removeprefix("ready: ").strip().rstrip("/"))
            self.log.write(line)
        ready.put(None)

    def words(self):
        """What the server has logged."""
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        """Ends the server in order; returns its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def call(self, method, path, token, body=None):
        """Calls the API; returns what it answers."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def get(self, path, token):
        """Reads."""
        return self.call("GET", path, token)

    def make(self, method, path, body, token=OWNER):
        """Makes something; returns what was made."""
        answer = self.call(method, path, token, body)
        return answer and answer["data"]

    def fill(self):
        """Makes something of each kind."""
        able = {"capabilities": ["PRESENCE", "HISTORY", "STATE_HISTORY", "CLIENT_PUBLISH"]}
        for channel in ("room", "hall"):
            self.make("PUT", f"/v1/channels/{channel}", able)
            self.make("PUT", f"/v1/channels/{channel}/state", {"topic": "News"})
            for number in range(3):
                self.make("POST", f"/v1/channels/{channel}/messages", {"e": "E", "d": number})
        token = lambda: self.make("POST", "/v1/channels/tokens", {"channels": ["room"]})["token"]["id"]
        self.tokens = [token(), token()]
        mail = self.make("POST", f"/v1/channels/tokens/{self.tokens[0]}/messages", {"e": "E", "ttl": 600})
        hook = {"webhook_url": "http://127.0.0.1:9/", "events": ["channel.created"]}
        self.webhook = self.make("POST", "/v1/projects/@this/webhooks", hook)["webhook"]["id"]
        self.make("POST", "/v1/channels", {})
        listed = self.get(f"/v1/projects/@this/webhooks/{self.webhook}/deliveries", OWNER)["data"]["deliveries"]
        self.make("PUT", "/v1/projects/@this/channel-authorizer", {"url": "http://127.0.0.1:9/"})
        key = {"algorithm": "HS256", "secret": "0123456789abcdef0123456789abcdef", "kid": "2026"}
        self.key = self.make("POST", "/v1/projects/@this/jwt/keys", key)["key"]["id"]
        self.make("POST", "/v1/projects/@this/jwt/revocations", {"subject": "anna"})
        flags = lambda bits: self.make("POST", "/v1/projects/@this/tokens", {"flags": bits})["project_token"]
        self.powerless, handle = flags(0)["token"], flags(0)["id"]
        project = lambda name: self.make("POST", "/v1/projects", {"name": name}, ADMIN)
        self.foreign = project("Other")["project_token"]["token"]
        self.doomed = [project(f"Doomed {number}")["project"]["id"] for number in range(DOOMED)]
        self.known = {
            "channel": ["room", "hall"], "leapToken": self.tokens, "projectTokenHandle": [handle],
            "adminToken": [self.make("POST", "/v1/users/@me/pats", {}, ADMIN)["pat"]["id"]],
            "projectPath": [PROJECT, "@this"], "webhook": [self.webhook], "cid": ["0-0-nobody"],
            "delivery": [one["id"] for one in listed] or ["event_none"], "message": [mail["id"]], "jwtKey": [self.key],
            "subject": ["anna"], "chapter": ["errors", "adr/0001-durable-before-seen"]}

    def copy(self, *, of_admin=False, names_only_known=False):
        """A copy of the description that is strict about answers, and names what is there: half of the ids that are made
        up are real ones, or all of them. An operator's copy says which project is meant."""
        document = strict(self.document)
        parameters = document["components"]["parameters"]
        # What no channel can be called is the beginning of other paths, which are operations of their own.
        del parameters["channel"]["schema"]["not"]
        for name, known in self.known.items():
            schema = parameters[name]["schema"]
            known = [PROJECT] if name == "projectPath" and (of_admin or names_only_known) else known
            real = {"enum": known}
            parameters[name]["schema"] = real if names_only_known or name == "projectPath" else {"anyOf": [real, schema]}
        if of_admin or names_only_known:
            parameters["project"] |= {"required": True, "schema": {"enum": [PROJECT]}}
        doomed = {"name": "project", "in": "path", "required": True, "schema": {"enum": self.doomed}}
        delete = document["paths"]["/v1/projects/{project}"]["delete"]
        # Not by its query either, which names a project where the path names none.
        kept = [one for one in delete["parameters"] if one["$ref"].rsplit("/")[-1] not in ("projectPath", "project")]
        delete["parameters"] = [doomed, *kept]
        return document


def strict(document):
    """A copy in which answers have no member that is not told of."""
    document = copy.deepcopy(document)

    def close(schema):
        """Closes the objects in a schema."""
        if isinstance(schema, dict):
            if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
                schema["additionalProperties"] = False
            for value in schema.values():
                close(value)
        elif isinstance(schema, list):
            for value in schema:
                close(value)

    close(document["components"]["schemas"])
    close(document["components"]["responses"])
    for operations in document["paths"].values():
        for operation in operations.values():
            close(operation["responses"])
    return document
