"""The Helm chart: linted and rendered by Helm itself, as a library; what comes of it is held against Kubernetes' schemas.

No cluster is asked: that it starts there is not proven here. WARREN_BIN names the server that checks its settings."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import helm_python as helm
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/warren"
#: The oldest version that Chart.yaml allows, and newer ones.
VERSIONS = ("1.25", "1.30", "1.34")
#: Values that users may have, each with what it is about.
CASES = {
    "as it comes": {},
    "an ingress with TLS": {
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "hosts": ["realtime.example.com"],
            "tls": [{"secretName": "tls", "hosts": ["realtime.example.com"]}],
        },
        "trustedProxies": ["10.244.0.0/16", "fd00::/8"],
    },
    "tokens of one's own": {"existingSecret": "warren-tokens", "project": "project_mine"},
    "everything else": {
        "image": {"repository": "images.example.com/warren", "tag": "0.1.0", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "pull"}],
        "fullnameOverride": "realtime",
        "config": "heartbeat = \"20s\"\n[limits]\nstate-bytes = \"4MiB\"\n",
        "extraEnv": [{"name": "WARREN_LOG_FORMAT", "value": "json"}],
        "service": {"type": "LoadBalancer", "port": 8080, "annotations": {"a": "b"}},
        "metrics": {"port": 9100, "service": {"enabled": False}},
        "persistence": {"storageClass": "fast", "size": "20Gi", "annotations": {"a": "b"}},
        "podAnnotations": {"a": "b"},
        "podLabels": {"team": "chat"},
        "nodeSelector": {"disk": "local"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "resources": {},
    },
    "nothing kept": {"persistence": {"enabled": False}},
}
#: Values that are refused, each with a part of the reason.
REFUSED = [
    ({"replicas": 2}, "replicas"),
    ({"terminationGracePeriodSeconds": 10}, "terminationGracePeriodSeconds"),
    ({"ingress": {"enabled": True, "hosts": []}}, "hosts"),
    ({"persistence": {"accessModes": ["ReadWriteMany"]}}, "accessModes"),
    ({"metrics": {"port": 0}}, "port"),
    ({"project": "mine"}, "project"),
    ({"trustedProxies": ["everybody"]}, "trustedProxies"),
]


def seconds_of_a_stop():
    """How long a stop may take, as docs/OPERATING.md says."""
    text = (ROOT / "docs/OPERATING.md").read_text(encoding="utf-8")
    return int(re.search(r"(\d+) s\s+together", text)[1])


def documents(manifests):
    """What is rendered, but for the notes."""
    texts = (text for name, text in manifests.items() if name.endswith(".yaml"))
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def of_kind(rendered, kind):
    """The objects of that kind."""
    return [document for document in rendered if document["kind"] == kind]


def test_pod(stateful, values):
    """What the server needs of its pod."""
    spec = stateful["spec"]["template"]["spec"]
    assert stateful["spec"]["replicas"] == 1
    assert spec["terminationGracePeriodSeconds"] > seconds_of_a_stop(), spec
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
    container = spec["containers"][0]
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] is True and security["allowPrivilegeEscalation"] is False
    assert security["capabilities"]["drop"] == ["ALL"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    environment = {entry["name"]: entry for entry in container["env"]}
    for probe, path in (("livenessProbe", "/health/live"), ("readinessProbe", "/health/ready")):
        asked = container[probe]["httpGet"]
        assert asked == {"path": path, "port": "metrics"}, asked
    assert environment["WARREN_METRICS_LISTEN"]["value"] == f"0.0.0.0:{ports['metrics']}"
    assert environment["WARREN_LISTEN"]["value"] == f"0.0.0.0:{ports['http']}"
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert environment["WARREN_DATA"]["value"].startswith(mounts["data"] + "/")
    volumes = {volume["name"] for volume in spec["volumes"]}
    claims = {claim["metadata"]["name"] for claim in stateful["spec"].get("volumeClaimTemplates", [])}
    assert set(mounts) == volumes | claims and not volumes & claims, (mounts, volumes, claims)
    assert ("data" in claims) == values.get("persistence", {}).get("enabled", True)
    secrets = [entry["valueFrom"]["secretKeyRef"]["name"] for entry in container["env"] if "valueFrom" in entry]
    assert secrets == [values["existingSecret"]] * 2 if "existingSecret" in values else not secrets


def test_references(rendered):
    """That each object finds those that it names."""
    stateful = of_kind(rendered, "StatefulSet")[0]
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"] for port in stateful["spec"]["template"]["spec"]["containers"][0]["ports"]}
    services = {service["metadata"]["name"]: service["spec"] for service in of_kind(rendered, "Service")}
    assert stateful["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert services[stateful["spec"]["serviceName"]]["clusterIP"] == "None"
    for spec in services.values():
        assert spec["selector"].items() <= labels.items()
        assert all(port["targetPort"] in ports for port in spec["ports"])
    for ingress in of_kind(rendered, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            backend = rule["http"]["paths"][0]["backend"]["service"]
            assert backend["port"]["name"] in {port["name"] for port in services[backend["name"]]["ports"]}
        waits = [int(value) for name, value in ingress["metadata"]["annotations"].items() if name.endswith("-timeout")]
        assert len(waits) == 2 and min(waits) > 90, waits
    maps = {config["metadata"]["name"] for config in of_kind(rendered, "ConfigMap")}
    volumes = stateful["spec"]["template"]["spec"]["volumes"]
    assert {volume["configMap"]["name"] for volume in volumes if "configMap" in volume} == maps


def test_settings(rendered):
    """That the server can start with the settings that its pod gets."""
    container = of_kind(rendered, "StatefulSet")[0]["spec"]["template"]["spec"]["containers"][0]
    secret = {"WARREN_PROJECT_TOKEN": "ptk_" + "a" * 24, "WARREN_ADMIN_TOKEN": "pat_" + "a" * 24}
    environment = {entry["name"]: entry.get("value") or secret[entry["name"]] for entry in container["env"]}
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(of_kind(rendered, "ConfigMap")[0]["data"]["warren.toml"])
        file.flush()
        assert container["args"] == ["serve", "--config", "/etc/warren/warren.toml"]
        command = [os.environ["WARREN_BIN"], "config", "check", "--config", file.name]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr


def test_wrong_values(chart):
    """That what cannot be meant is refused, with what is wrong."""
    for values, reason in REFUSED:
        try:
            chart.validate_schema(values)
        except helm.HelmError as error:
            assert reason in str(error), (values, error)
        else:
            sys.exit(f"not refused: {values}")


def main():
    """Everything."""
    said = helm.lint(str(CHART))
    # 1 is what Helm calls INFO; it recommends an icon.
    serious = [message for message in said["messages"] if message["severity"] > 1]
    assert not serious and not said["errors"], said
    print(f"Helm {helm.helm_sdk_version()} finds nothing in {CHART.relative_to(ROOT)}")
    checked = 0
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    with helm.Chart.load(str(CHART)) as chart:
        assert chart.metadata["appVersion"] == version, chart.metadata
        for about, values in CASES.items():
            chart.validate_schema(values)
            manifests = chart.render(values, name="demo", namespace="realtime")
            rendered = documents(manifests)
            for document in rendered:
                for kubernetes in VERSIONS:
                    kubernetes_validate.validate(document, kubernetes, strict=True)
                    checked += 1
            test_pod(of_kind(rendered, "StatefulSet")[0], values)
            test_references(rendered)
            test_settings(rendered)
            notes = manifests["warren/templates/NOTES.txt"]
            assert "kubectl" in notes and "<no value>" not in notes, notes
            print(f"rendered: {about}: {', '.join(sorted(document['kind'] for document in rendered))}")
        test_wrong_values(chart)
    print(f"{checked} objects are as Kubernetes {', '.join(VERSIONS)} wants them; {len(REFUSED)} wrong values are refused")


main()
