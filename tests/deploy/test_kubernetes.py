"""The Helm chart and the kustomize base are what Kubernetes and the operator take, and say the same."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # a dependency of check-jsonschema, without types
import pytest
import yaml

from exporter import __version__, config
from tests.deploy.programs import CHART, DEPLOY, ROOT, Manifest, chart, manifests, overlay, run

SCHEMAS = Path(__file__).parent / "schemas"
OPERATED = {"ServiceMonitor", "PrometheusRule"}
EVERYTHING = ("serviceMonitor.enabled=true", "prometheusRule.enabled=true", "dashboards.enabled=true")
BOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((ROOT / "grafana" / "prometheus" / "rules").glob("*.yml"))

KUBECTL_APPLY_BYTES = 262_144
"""What an annotation holds, in which `kubectl apply` keeps the whole object."""


@cache
def validator(file: str, kind: str) -> jsonschema.Draft7Validator:
    bundle = json.loads((SCHEMAS / file).read_text())
    assert kind in bundle["kinds"], f"{file} has no {kind}"
    return jsonschema.Draft7Validator({**bundle["kinds"][kind], "definitions": bundle["definitions"]})


def mistakes(manifest: Manifest) -> list[str]:
    """What the oldest supported and the newest Kubernetes would not take of it."""
    operated = manifest["kind"] in OPERATED
    files = (
        ["prometheus-operator-0.93.json"] if operated else ["kubernetes-1.25.json", "kubernetes-1.37.json"]
    )
    return [
        f"{file} {manifest['kind']} {error.json_path}: {error.message[:200]}"
        for file in files
        for error in validator(file, manifest["kind"]).iter_errors(manifest)
    ]


def named(found: Sequence[Manifest], *kinds: str) -> Manifest:
    (one,) = (manifest for manifest in found if manifest["kind"] in kinds)
    return one


def pod(found: Sequence[Manifest]) -> Any:
    """The specification of the pods."""
    return named(found, "Deployment", "StatefulSet")["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ((), {"Deployment", "Service", "Secret", "ConfigMap", "NetworkPolicy"}),
        (
            (
                "shards=3",
                "existingSecret=keys",
                "web.existingSecret=web",
                "extraArgs={--web.enable-lifecycle}",
            ),
            {"StatefulSet", "Service", "ConfigMap", "NetworkPolicy"},
        ),
        (
            (*EVERYTHING, "networkPolicy.enabled=false", "image.digest=sha256:0", "secrets.a=b"),
            {"Deployment", "Service", "Secret", "ConfigMap", *OPERATED},
        ),
    ],
    ids=["as it comes", "three shards behind a lock", "with an operator"],
)
def test_kubernetes_takes_what_the_chart_makes(settings: Sequence[str], kinds: set[str]) -> None:
    found = chart(*settings)
    assert {manifest["kind"] for manifest in found} == kinds
    assert [mistake for manifest in found for mistake in mistakes(manifest)] == []


def test_kubernetes_takes_what_kustomize_makes(tmp_path: Path) -> None:
    found = overlay(tmp_path, "monitoring", "shards", dashboards=True)
    assert {manifest["kind"] for manifest in found} == {
        *("StatefulSet", "Service", "ConfigMap", "NetworkPolicy"),
        *OPERATED,
    }
    assert [mistake for manifest in found for mistake in mistakes(manifest)] == []


def test_a_mistake_is_seen() -> None:
    workload = named(chart(), "Deployment")
    container = workload["spec"]["template"]["spec"]["containers"][0]
    container["port"] = container.pop("ports")
    assert any("'port' was unexpected" in mistake for mistake in mistakes(workload))
    del workload["spec"]["selector"]
    assert any("'selector' is a required property" in mistake for mistake in mistakes(workload))


@pytest.mark.parametrize(
    ("settings", "components"), [((), ()), (("shards=3",), ("shards",))], ids=["one", "three shards"]
)
def test_chart_and_kustomize_run_the_same_pods(
    settings: Sequence[str], components: Sequence[str], tmp_path: Path
) -> None:
    charted, kustomized = pod(chart(*settings)), pod(overlay(tmp_path, *components))
    for spec in (charted, kustomized):
        (container,) = spec["containers"]
        container["env"] = {variable.pop("name"): variable for variable in container["env"]}
        for key in ("image", "imagePullPolicy"):  # each has its own way to name the image and what it mounts
            container.pop(key, None)
        for volume in spec["volumes"]:
            volume.get("configMap", {}).pop("name", None)
            volume.get("secret", {}).pop("secretName", None)
    assert charted == kustomized


def test_a_shard_is_a_job_of_its_own_and_the_programs_own_labels_stay(tmp_path: Path) -> None:
    """What the rules take for a replacement has the same job; `endpoint` is a label of our own metrics."""
    monitors = [
        named(chart("shards=3", *EVERYTHING), "ServiceMonitor"),
        named(overlay(tmp_path, "monitoring", "shards"), "ServiceMonitor"),
    ]
    for monitor in monitors:
        (endpoint,) = monitor["spec"]["endpoints"]
        job, drop = endpoint["relabelings"]
        assert job == {"sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "job"}
        assert drop["action"] == "labeldrop"
        assert {"endpoint", "pod"} <= set(drop["regex"].split("|"))
    monitor = named(chart(*EVERYTHING), "ServiceMonitor")
    assert len(monitor["spec"]["endpoints"][0]["relabelings"]) == 1


def test_probes_need_no_password() -> None:
    (container,) = pod(chart("web.existingSecret=web"))["containers"]
    assert container["livenessProbe"]["exec"]["command"] == ["risk-exporter", "healthy"]
    assert "httpGet" not in json.dumps(container)


def test_dashboards_are_those_of_the_repository_and_fit_into_a_config_map(tmp_path: Path) -> None:
    for found in (chart(*EVERYTHING), overlay(tmp_path, dashboards=True)):
        boards = [one for one in found if "grafana_dashboard" in one["metadata"].get("labels", {})]
        texts = {name: text for board in boards for name, text in board["data"].items()}
        assert texts == {path.name: path.read_text() for path in BOARDS}
        assert max(len(json.dumps(board)) for board in boards) < KUBECTL_APPLY_BYTES


def test_the_rules_are_those_of_the_repository_with_the_users_addresses(tmp_path: Path) -> None:
    wanted = [yaml.load(path.read_text(), yaml.CSafeLoader) for path in RULES]
    for found in (chart(*EVERYTHING), overlay(tmp_path, "monitoring")):
        rules = [one for one in found if one["kind"] == "PrometheusRule"]
        assert [
            rule["spec"] for rule in sorted(rules, key=lambda rule: str(rule["metadata"]["name"]))
        ] == wanted
    own = chart(
        *EVERYTHING,
        "prometheusRule.grafanaUrl=https://grafana.example.com/",
        "prometheusRule.runbookUrl=https://wiki.example.com/risk",
    )
    text = json.dumps([one for one in own if one["kind"] == "PrometheusRule"])
    assert "http://localhost" not in text
    assert "https://grafana.example.com/d/" in text
    assert "https://wiki.example.com/risk#" in text


@pytest.mark.parametrize(
    ("settings", "why"),
    [(("shards=0",), "shards: at least 1"), (("existingSecret=a", "secrets.b=c"), "not both")],
)
def test_what_cannot_be_meant_is_refused(settings: Sequence[str], why: str) -> None:
    done = run("helm", "template", "desk", CHART, *(f"--set={setting}" for setting in settings))
    assert done.returncode != 0
    assert why in done.stderr


def test_the_chart_is_of_this_version() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["version"] == about["appVersion"] == __version__
    (container,) = pod(chart())["containers"]
    assert container["image"].endswith(f":{__version__}")


@pytest.mark.parametrize("source", ["chart", "kustomize"])
def test_the_configuration_that_comes_along_is_one(source: str, tmp_path: Path) -> None:
    text = (
        yaml.safe_load((CHART / "values.yaml").read_text())["config"]
        if source == "chart"
        else (DEPLOY / "kustomize" / "base" / "risk-exporter.yml").read_text()
    )
    (tmp_path / "risk-exporter.yml").write_text(text)
    (tmp_path / "secrets").mkdir(mode=0o700)
    for name in ("desk-a-key", "desk-a-secret"):
        (tmp_path / "secrets" / name).write_text("S3cretS3cretS3cret")
        (tmp_path / "secrets" / name).chmod(0o600)
    loaded = config.load(tmp_path / "risk-exporter.yml")
    assert [account.name for account in loaded.accounts] == ["desk-a"]
    assert loaded.warnings == ()


def test_the_overlay_of_the_documentation_works(tmp_path: Path) -> None:
    text = (DEPLOY / "README.md").read_text()
    overlays = re.findall(r"```yaml\n(# kustomization\.yaml.*?)```", text, re.DOTALL)
    (tmp_path / "kustomization.yaml").write_text(
        overlays[0].replace("../", f"{os.path.relpath(ROOT, tmp_path.resolve())}/")
    )
    (tmp_path / "risk-exporter.yml").write_text("accounts: []\n")
    (tmp_path / "secrets").mkdir()
    for name in ("desk-a-key", "desk-a-secret"):
        (tmp_path / "secrets" / name).write_text("secret")
    found = manifests("kubectl", "kustomize", tmp_path)
    assert [mistake for manifest in found for mistake in mistakes(manifest)] == []
    assert {manifest["metadata"]["namespace"] for manifest in found} == {"risk"}
    (container,) = pod(found)["containers"]
    assert container["image"] == f"registry.example.com/risk-exporter:{__version__}"
    names = {manifest["metadata"]["name"]: manifest for manifest in found if "data" in manifest}
    volumes = {volume["name"]: volume for volume in pod(found)["volumes"]}
    assert names[volumes["secrets"]["secret"]["secretName"]]["data"].keys() == {"desk-a-key", "desk-a-secret"}
    assert names[volumes["config"]["configMap"]["name"]]["data"] == {"risk-exporter.yml": "accounts: []\n"}
