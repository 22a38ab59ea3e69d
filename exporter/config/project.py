"""The section ``projects``: a project's region, endpoints, credentials and limits."""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from exporter.config import types
from exporter.config.section import Section
from exporter.model.messages import instead, quoted
from exporter.services import registry
from exporter.services.adapter import Adapter
from exporter.services.clouds import IAM_LIMITS


class Cloud(StrEnum):
    """Whose cloud it is; decides the host names of the services."""

    HUAWEICLOUD = "huaweicloud"
    OTC = "otc"
    CUSTOM = "custom"


class AccessKeySettings(Section):
    """An access key and its secret, temporary ones with their security token."""

    one_of = (("key_id", "key_id_file"), ("secret", "secret_file"))
    not_both = (("security_token", "security_token_file"),)

    key_id: types.Secret | None = Field(default=None, description="The id of the access key (AK).")
    key_id_file: types.SecretFile | None = Field(
        default=None, description="A file with the id of the access key; read again when it changes."
    )
    secret: types.Secret | None = Field(default=None, description="The secret of the access key (SK).")
    secret_file: types.SecretFile | None = Field(
        default=None, description="A file with the secret of the access key; read again when it changes."
    )
    security_token: types.Secret | None = Field(
        default=None, description="The security token that belongs to a temporary access key."
    )
    security_token_file: types.SecretFile | None = Field(
        default=None, description="A file with the security token; read again when it changes."
    )


class PasswordSettings(Section):
    """An IAM user and its password."""

    one_of = (("password", "password_file"),)

    domain: types.Opaque = Field(description="The name of the account that the IAM user belongs to.")
    user: types.Opaque = Field(description="The name of the IAM user.")
    password: types.Secret | None = Field(default=None, description="The password of the IAM user.")
    password_file: types.SecretFile | None = Field(
        default=None, description="A file with the password; read again when it changes."
    )


class Empty(Section):
    """Nothing to set: that it is there says it all."""


class CredentialsSettings(Section):
    """Who the exporter is towards the cloud: exactly one kind."""

    one_of = (("access_key", "password", "token", "token_file", "metadata", "pod_identity"),)

    access_key: AccessKeySettings | None = Field(
        default=None, description="An access key, which signs every call; its files are read together."
    )
    password: PasswordSettings | None = Field(default=None, description="An IAM user and its password, for a token.")
    token: types.Secret | None = Field(default=None, description="An IAM token, which is valid for 24 hours.")
    token_file: types.SecretFile | None = Field(
        default=None, description="A file with an IAM token that something else renews; read again when it changes."
    )
    metadata: Empty | None = Field(
        default=None, description="The agency of the ECS or CCE node that the exporter runs on; write {}."
    )
    pod_identity: Empty | None = Field(default=None, description="The identity that CCE gives to the pod; write {}.")


def limit_defaults(services: Mapping[str, Adapter]) -> dict[str, float]:
    """Return the calls a second that each limit class allows when the operator says nothing."""
    return {limit: rate for adapter in services.values() for limit, rate in adapter.limits.items()} | IAM_LIMITS


def _endpoint_names(services: Mapping[str, Adapter]) -> list[str]:
    return ["iam", *services]


def _one_of(what: str, names: Callable[[Mapping[str, Adapter]], Collection[str]]) -> AfterValidator:
    """Refuse a key that none of the services brings."""

    def check(key: str) -> str:
        known = names(registry.load_services())
        if key not in known:
            raise ValueError(f"unknown {what} {quoted(key)}{instead(key, known)}")
        return key

    return AfterValidator(check)


def _given(names: Callable[[Mapping[str, Adapter]], Collection[str]]) -> BeforeValidator:
    """Drop the known keys without a value: they are not given."""

    def drop(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        known = names(registry.load_services())
        return {key: inner for key, inner in value.items() if inner is not None or key not in known}

    return BeforeValidator(drop)


def _all_limits(limits: Mapping[str, float]) -> Mapping[str, float]:
    return {**limit_defaults(registry.load_services()), **limits}


class ProjectSettings(Section):
    """One project of one region."""

    not_both = (("project_id", "project_name"),)

    region: types.Region = Field(description="The region of the project, such as cn-north-4.")
    regions: tuple[types.Region, ...] = Field(
        default=(),
        description=(
            "Instead of region: a list such as [cn-north-4, cn-east-3], or a mapping of each region to the keys that"
            " differ there, such as {cn-north-4: {project_id: ...}, cn-east-3: {}}. Each region is a project of its own"
            " with the name <name>-<region>."
        ),
    )
    """Empty in the settings: :mod:`exporter.config.regions` made a project of each."""
    project_id: types.PathPart | None = Field(
        default=None,
        description=(
            "The id of the project in that region; without it IAM is asked for the project with the name"
            " project_name, or else with the name of the region."
        ),
    )
    project_name: types.Opaque | None = Field(
        default=None,
        description="The name of the project in IAM, if it is not the name of the region.",
    )
    cloud: Annotated[Cloud, types.choice(Cloud)] = Field(
        default=Cloud.HUAWEICLOUD,
        description="The cloud: huaweicloud, otc, or custom, which needs endpoints.",
    )
    endpoints: Annotated[
        Mapping[Annotated[str, _one_of("service", _endpoint_names)], types.EndpointUrl], _given(_endpoint_names)
    ] = Field(
        default={},
        description=(
            "The URL of a service, or of iam, if it is not the usual one of the cloud and region; https, or http on a"
            " loopback address."
        ),
    )
    ca_file: types.AuthoritiesFile | None = Field(
        default=None,
        description=(
            "A PEM file with the certificate authorities to trust instead of the system's own; read again when it"
            " changes."
        ),
    )
    proxy: types.ProxyUrl | None = Field(
        default=None,
        repr=False,  # it may hold a password
        description="The URL of the proxy for every call; without it HTTPS_PROXY and NO_PROXY apply.",
    )
    time_zone: types.Zone | None = Field(
        default=None,
        description=(
            "The time zone, for example Asia/Shanghai, of times that the API reports without one or with an ambiguous"
            " one such as CST; without it such times are absent."
        ),
    )
    limits: Annotated[
        Mapping[Annotated[str, _one_of("limit", limit_defaults)], types.Rate],
        _given(limit_defaults),
        AfterValidator(_all_limits),
    ] = Field(
        default={},
        description=(
            "Rate of calls by limit class, such as 1.8/s or 120/m; never more than 60 times the calls a second in any"
            " 60 s."
        ),
    )
    credentials: CredentialsSettings = Field(
        description=(
            "The credentials, exactly one of access_key, password, token, token_file, metadata and pod_identity;"
            " without it HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK are used, else the variables of other tools."
        )
    )
