"""Creates the credentials that a project's settings describe."""

from collections.abc import Mapping, MutableMapping

from pydantic import SecretStr

from exporter.clock import Clock
from exporter.cloud.credentials import Credentials
from exporter.cloud.credentials.access_key import AccessKey
from exporter.cloud.credentials.metadata import Metadata
from exporter.cloud.credentials.password import Password
from exporter.cloud.credentials.pod_identity import PodIdentity
from exporter.cloud.credentials.renewable import Logins
from exporter.cloud.credentials.token_file import TokenFile
from exporter.cloud.identity_calls import IamCalls, IdentityCalls
from exporter.config import ProjectSettings, pod_env
from exporter.config.project import AccessKeySettings, PasswordSettings
from exporter.services.clouds import iam_endpoint


def credentials_of(
    project: ProjectSettings,
    iam: IamCalls,
    local: IdentityCalls,
    clock: Clock,
    environ: Mapping[str, str],
    identity: str = "",
    logins: MutableMapping[PasswordSettings, Logins] | None = None,
) -> Credentials:
    """Return what proves a project's identity; nothing is called before its first use.

    *iam* calls IAM, *local* what is on the same machine. *identity* is what a key in the same files is known
    by already: it may have been rotated since. *logins* are those of each user, whom projects may share. Raises
    :class:`~exporter.model.errors.SettingsError` if *environ* lacks what the kind needs.
    """
    config = project.credentials
    if config.access_key:
        return _access_key(config.access_key, clock, identity)
    if config.password:
        return Password(
            domain=config.password.domain,
            user=config.password.user,
            password=_plain(config.password.password),
            password_file=config.password.password_file,
            region=project.region,
            project_id=project.project_id or "",
            project_name=project.project_name or "",
            iam=iam,
            iam_url=iam_endpoint(project.cloud, project.region, project.endpoints),
            clock=clock,
            logins=None if logins is None else logins.setdefault(config.password, Logins()),
        )
    if config.metadata:
        return Metadata(local, clock)
    if config.pod_identity:
        return PodIdentity(*pod_env.pod_identity(environ), local, clock)
    return TokenFile(token=_plain(config.token), token_file=config.token_file, monotonic=clock.monotonic)


def _access_key(key: AccessKeySettings, clock: Clock, identity: str) -> AccessKey:
    return AccessKey(
        key_id=_plain(key.key_id),
        key_id_file=key.key_id_file,
        secret=_plain(key.secret),
        secret_file=key.secret_file,
        security_token=_plain(key.security_token),
        security_token_file=key.security_token_file,
        monotonic=clock.monotonic,
        identity=identity,
    )


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
