"""The manifests and the chart: valid, without privileges, and one and the same."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from dicom_node.node.roles import Role
from dicom_node.node.settings.load import Settings

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "conf" / "helm" / "cxr-node"
MANIFESTS = ROOT / "conf" / "kubernetes" / "cxr-node.yaml"
HELM = ROOT / ".cache" / "helm" / "helm"
OLDEST, NEWEST = "1.27", "1.36"


def documents(text: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(text) if one]


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    return documents(MANIFESTS.read_text())


@pytest.fixture(scope="module")
def helm():
    if not HELM.exists():
        pytest.skip("helm is not installed (scripts/install-test-helm)")

    def helm(*words: str) -> str:
        done = subprocess.run(
            [str(HELM), *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return helm


def pods(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        one["spec"]["template"]["spec"]
        for one in manifests
        if one["kind"] in {"Deployment", "Job"}
    ]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_takes_the_manifests(manifests, version):
    for one in manifests:
        kubernetes_validate.validate(one, version, strict=True)


def test_every_role_has_a_deployment(manifests):
    found = {
        one["spec"]["template"]["spec"]["containers"][0]["args"][-1]
        for one in manifests
        if one["kind"] == "Deployment"
    }
    assert found == {str(role) for role in Role} - {Role.ALL}


def test_no_pod_has_a_privilege_or_writes_where_it_need_not(manifests):
    assert pods(manifests)
    for pod in pods(manifests):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "limits" in container["resources"]


def test_the_configuration_is_one_that_the_node_takes(manifests, monkeypatch):
    (text,) = (
        one["data"]["node.toml"] for one in manifests if one["kind"] == "ConfigMap"
    )
    monkeypatch.setenv("CXR_NODE__HTTP__AUTH__API_KEYS", '["a key of this test alone"]')
    settings = Settings.load(None, tomllib.loads(text))
    assert settings.delivery.separate
    assert settings.objects.kind == "s3"


@pytest.mark.big
def test_the_chart_is_clean_and_the_manifests_are_what_it_makes(helm, manifests):
    helm("lint", "--strict", str(CHART))
    made = documents(helm("template", "cxr-node", str(CHART)))
    assert made == manifests


@pytest.mark.big
@pytest.mark.parametrize(
    "values",
    [
        ("autoscaling.enabled=true",),
        ("networkPolicy.enabled=false", "disruptionBudget.enabled=false"),
        ("certificatesSecretName=tls", "dimse.type=NodePort"),
        ("serviceAccount.create=false", "image.tag=9.9.9"),
        ("roles.work.resources.limits.nvidia\\.com/gpu=1", "nodeSelector.gpu=yes"),
    ],
)
def test_what_a_site_may_choose_is_valid_too(helm, values):
    chosen = [word for value in values for word in ("--set", value)]
    made = documents(helm("template", "site", str(CHART), *chosen))
    for one in made:
        kubernetes_validate.validate(one, NEWEST, strict=True)
