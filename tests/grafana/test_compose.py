"""``compose.yaml`` is valid, and everything it mounts is there and is what its reader expects."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.grafana.programs import ROOT

COMPOSE = ROOT / "compose.yaml"
REAL = ROOT / "compose.real.yaml"
TEXT = COMPOSE.read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
NOTHING = "/dev/null"
"""What is mounted where nobody names a folder of his own."""
VOLUMES = set(yaml.safe_load(TEXT)["volumes"])


def mounts(service: str) -> dict[str, tuple[str, str]]:
    """Path in the container to path here, with defaults for variables, and the mount's mode."""
    found = {}
    for volume in SERVICES[service].get("volumes", []):
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume)
        source, target, *mode = text.split(":")
        found[target] = (source, mode[0] if mode else "rw")
    return found


def host_path(service: str, container_path: str) -> Path:
    """What the container sees at a path, as a path of the repository."""
    for target, (source, _) in mounts(service).items():
        if container_path == target or container_path.startswith(target + "/"):
            return ROOT / source / container_path.removeprefix(target).lstrip("/")
    raise AssertionError(f"{service} sees nothing at {container_path}")


def flag(service: str, name: str) -> str:
    (value,) = (word.split("=", 1)[1] for word in SERVICES[service]["command"] if word.startswith(f"{name}="))
    return str(value)


def test_the_files_follow_the_compose_specification() -> None:
    """The schema is the specification's own, as the check-jsonschema package brings it along."""
    result = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE, REAL],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_specification_notices_a_mistake(tmp_path: Path) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text(TEXT.replace("healthcheck:", "health:"))
    result = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", broken],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_everything_mounted_from_here_exists_and_is_read_only(service: str) -> None:
    for source, mode in mounts(service).values():
        if source in VOLUMES or source == NOTHING:
            continue
        assert source.startswith("./")
        assert (ROOT / source).exists(), source
        assert mode == "ro", source


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_ports_are_open_on_this_machine_alone(service: str) -> None:
    assert SERVICES[service]["ports"]
    for port in SERVICES[service]["ports"]:
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_service_is_checked_for_health_and_restarted(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_images_are_pinned_to_a_version_and_official() -> None:
    images = {name: service["image"] for name, service in SERVICES.items() if "image" in service}
    assert set(images) == {"prometheus", "alertmanager", "grafana"}
    for image in images.values():
        assert re.fullmatch(r"(prom/prometheus|prom/alertmanager|grafana/grafana):v?\d+\.\d+\.\d+", image)


def test_the_exporter_runs_the_demo_and_with_the_second_file_the_accounts_of_a_configuration() -> None:
    exporter = SERVICES["exporter"]
    image = (ROOT / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["risk-exporter"]' in image
    assert exporter["build"]["context"] == "."
    assert set(exporter["build"]["args"]) <= set(re.findall(r"^ARG (\w+)=", image, re.MULTILINE))
    assert exporter["command"] == ["demo"]
    (lock,) = mounts("exporter")
    assert mounts("exporter")[lock][0] == NOTHING
    named = exporter["environment"]["RISK_EXPORTER_WEB_CONFIG_FILE"]
    assert named == f"${{RISK_EXPORTER_LOCK:+{lock}/web.yml}}"  # empty without a lock
    port = exporter["ports"][0].rsplit(":", 1)[1]
    assert f"EXPOSE {port}" in image
    (real,) = yaml.safe_load(REAL.read_text())["services"].values()
    assert real["command"] == ["run"]
    configuration, secrets = (volume.split(":") for volume in real["volumes"])
    assert f"RISK_EXPORTER_CONFIG_FILE={configuration[1]}" in image
    assert secrets[1] == str(Path(configuration[1]).parent / "secrets")
    ignored = (ROOT / ".gitignore").read_text().split()
    own = [configuration[0], secrets[0], real["env_file"][0]["path"]]
    assert {path.removeprefix(".") for path in own} <= {path.rstrip("/") for path in ignored}


def test_prometheus_reads_the_configuration_and_the_rules() -> None:
    path = host_path("prometheus", flag("prometheus", "--config.file"))
    config = yaml.safe_load(path.read_text())
    for rule_file in config["rule_files"]:
        assert host_path("prometheus", f"/etc/prometheus/{rule_file}").is_file(), rule_file
    targets = {
        target
        for job in config["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    port = SERVICES["exporter"]["ports"][0].rsplit(":", 1)[1]
    assert f"exporter:{port}" in targets
    (managers,) = config["alerting"]["alertmanagers"]
    assert managers["static_configs"][0]["targets"] == ["alertmanager:9093"]
    assert flag("prometheus", "--storage.tsdb.path") in mounts("prometheus")


def test_alertmanager_reads_configuration_templates_and_secrets() -> None:
    path = host_path("alertmanager", flag("alertmanager", "--config.file"))
    config = yaml.safe_load(path.read_text())
    for pattern in config["templates"]:
        assert list(path.parent.glob(pattern)), pattern
    for secret in re.findall(r"_file: (\S+)", path.read_text()):
        assert host_path("alertmanager", secret).parent.is_dir(), secret
    assert flag("alertmanager", "--storage.path") in mounts("alertmanager")


def test_grafana_reads_data_source_and_dashboards() -> None:
    provisioning = "/etc/grafana/provisioning"
    (source,) = yaml.safe_load(
        host_path("grafana", f"{provisioning}/datasources/prometheus.yml").read_text()
    )["datasources"]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    prometheus = yaml.safe_load(host_path("prometheus", "/etc/prometheus/prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    (provider,) = yaml.safe_load(host_path("grafana", f"{provisioning}/dashboards/risk.yml").read_text())[
        "providers"
    ]
    boards = host_path("grafana", provider["options"]["path"])
    assert {path.stem for path in boards.glob("*.json")} == {"fleet", "account", "position", "exporter"}
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert host_path("grafana", home).is_file()


def test_grafana_does_not_start_without_a_password_of_ones_own() -> None:
    password = SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"]
    assert re.fullmatch(r"\$\{GRAFANA_ADMIN_PASSWORD:\?set GRAFANA_ADMIN_PASSWORD .+\}", password)
    assert not re.search(r"GF_AUTH_ANONYMOUS_ENABLED: \"?true", TEXT)
