"""What the service is made of: which licences, and the bill of materials."""

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.licenses import PAGE, check, is_allowed, page
from tools.sbom import bill
from tools.third_party import Package, third_party


@pytest.fixture(scope="module")
def packages():
    return third_party()


def a_package(licence: str, name: str = "made-up") -> Package:
    return Package(name=name, version="1", licence=licence, summary="", url=None)


def test_every_licence_is_allowed_and_every_package_on_the_page(packages):
    assert check(packages, PAGE.read_text()) == []


def test_what_the_service_needs_is_found_through_others_and_what_only_tests_need_is_not(packages):
    names = {it.name for it in packages}
    assert {"attrs", "torch", "psycopg-binary", "minio", "multidict"} <= names
    assert names.isdisjoint({"pluggably", "pytest", "ruff", "hypothesis", "zensical", "openai"})


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("MIT AND Apache-2.0", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND AGPL-3.0-only", False),
        ("LGPL-3.0-only", False),
        ("Proprietary", False),
        ("unknown", False),
    ],
)
def test_a_licence_is_allowed_if_all_of_it_is(licence, allowed):
    assert is_allowed(a_package(licence)) is allowed


def test_a_package_that_is_new_or_of_another_licence_is_named(packages):
    found = check([*packages, a_package("GPL-3.0-only")], page(packages))
    assert found == ["made-up 1 is under 'GPL-3.0-only'", "made-up is not in docs/licenses.md: run `make licenses`"]


def test_the_bill_of_materials_is_cyclonedx_and_names_everything_once(packages):
    written = bill(packages)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    told = json.loads(written)
    assert sorted(it["name"] for it in told["components"]) == sorted(it.name for it in packages)
    needs = {it["ref"]: it.get("dependsOn", []) for it in told["dependencies"]}
    aiohttp = next(it["bom-ref"] for it in told["components"] if it["name"] == "aiohttp")
    assert aiohttp in needs[told["metadata"]["component"]["bom-ref"]]
    assert any("multidict" in it for it in needs[aiohttp])
    assert bill(packages) == written
