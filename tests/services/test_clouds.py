"""Where services answer."""

from collections.abc import Mapping

import pytest

from exporter.model.errors import SettingsError
from exporter.services.clouds import endpoint, endpoints, iam_endpoint
from exporter.services.registry import load_services

ADAPTERS = load_services()


@pytest.mark.parametrize(
    ("service", "cloud", "region", "expected"),
    [
        ("dli", "huaweicloud", "cn-north-4", "https://dli.cn-north-4.myhuaweicloud.com"),
        ("dli", "huaweicloud", "eu-west-101", "https://dli.eu-west-101.myhuaweicloud.eu"),
        ("dws", "huaweicloud", "tr-west-1", "https://dws.tr-west-1.myhuaweicloud.cn"),
        ("cdm", "huaweicloud", "tr-west-1", "https://cdm.tr-west-1.myhuaweicloud.com"),
        ("cdm", "otc", "eu-de", "https://cdm.eu-de.otc.t-systems.com"),
    ],
)
def test_a_service_has_its_clouds_host(service: str, cloud: str, region: str, expected: str) -> None:
    assert expected == found(service, cloud, region, {})


@pytest.mark.parametrize("service", ["dli", "cdm"])
@pytest.mark.parametrize("cloud", ["huaweicloud", "custom"])
def test_the_operators_own_address_wins(service: str, cloud: str) -> None:
    assert found(service, cloud, "any", {service: "https://gateway.example/x/"}) == "https://gateway.example/x"


@pytest.mark.parametrize("service", ["dws", "dli"])
@pytest.mark.parametrize(
    ("cloud", "region"),
    [
        pytest.param("custom", "here-1", id="a cloud of one's own"),
        pytest.param("otc", "eu-ch2", id="a region under another domain"),
        pytest.param("huaweicloud", "", id="no region"),
        pytest.param("huaweicloud", "evil.example/#", id="a region that would name another host"),
        pytest.param("huaweicloud", "cn-north-4\n", id="a line break"),
        pytest.param("huaweicloud", "CN-NORTH-4", id="upper case"),
    ],
)
def test_a_service_without_an_address_names_the_remedy(service: str, cloud: str, region: str) -> None:
    with pytest.raises(SettingsError, match=rf"set projects\.<name>\.endpoints\.{service}"):
        found(service, cloud, region, {"cdm": "https://elsewhere.example"})


@pytest.mark.parametrize(
    ("cloud", "region", "expected"),
    [
        ("huaweicloud", "cn-north-4", "https://iam.cn-north-4.myhuaweicloud.com"),
        ("huaweicloud", "eu-west-101", "https://iam.eu-west-101.myhuaweicloud.eu"),
        ("otc", "eu-de", "https://iam.eu-de.otc.t-systems.com"),
        ("otc", "eu-nl", "https://iam.eu-nl.otc.t-systems.com"),
        ("otc", "eu-ch2", "https://iam-pub.eu-ch2.sc.otc.t-systems.com"),
    ],
)
def test_iam_has_its_clouds_host(cloud: str, region: str, expected: str) -> None:
    assert iam_endpoint(cloud, region, {}) == expected
    assert iam_endpoint(cloud, region, {"iam": "https://iam.example/"}) == "https://iam.example"


def test_iam_of_a_cloud_of_ones_own_must_be_told() -> None:
    with pytest.raises(SettingsError, match=r"set projects\.<name>\.endpoints\.iam"):
        iam_endpoint("custom", "here-1", {})


def found(service: str, cloud: str, region: str, overrides: Mapping[str, str]) -> str:
    return endpoint(ADAPTERS[service], cloud, region, overrides)


def test_only_the_services_whose_address_is_known_have_one() -> None:
    found = endpoints(ADAPTERS, "custom", "r", {"dli": "https://d/"})

    assert found == {"dli": "https://d"}
    assert set(endpoints(ADAPTERS, "huaweicloud", "cn-north-4", {})) == set(ADAPTERS)
