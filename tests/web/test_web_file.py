"""Web configuration files: each is accepted or refused as by every exporter of Prometheus' own toolkit.

The cases are those of the toolkit's tests, in files of our own. What Go can and Python cannot is at the end.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from exporter.cli import main
from exporter.config import go_values, load
from exporter.config.web_file import fingerprint, read_web_config
from exporter.config.web_tls import CIPHERS, CURVES
from exporter.model.errors import SettingsError
from tests.web.certificates import Files, make

PAIR = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
HASH = "$2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu"
GONE = "there is no such file; mount it or correct the path"
MISSING_CERT = "missing one of cert and cert_file; TLS is on, because {} is given"
MISSING_KEY = "missing one of key and key_file; TLS is on, because {} is given"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make(tmp_path_factory.mktemp("web"))


@pytest.fixture
def mistakes(files: Files) -> Callable[[str], list[str]]:
    def told(text: str) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            files.read(text)
        return [each.removeprefix(f"{files.folder}/") for each in caught.value.mistakes]

    return told


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("# a comment\n", id="a comment"),
        pytest.param("tls_server_config:\nhttp_server_config:\nbasic_auth_users:\nrate_limit:\n", id="empty tables"),
        pytest.param("tls_server_config: {cert_file: '', key: ''}", id="empty texts"),
        pytest.param(PAIR, id="certificate and key"),
        pytest.param(PAIR + "  client_auth_type: VerifyClientCertIfGiven\n", id="verify if given"),
        pytest.param(PAIR + "  client_auth_type: NoClientCert\n", id="no client certificate"),
        pytest.param(PAIR + "  client_auth_type: RequestClientCert\n", id="request a client certificate"),
        pytest.param(PAIR + "  client_auth_type: RequireAndVerifyClientCert\n", id="verify without authorities"),
        pytest.param(
            PAIR + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: client_ca.pem\n", id="verify"
        ),
        pytest.param(PAIR + f"  cipher_suites: [{', '.join(CIPHERS)}]\n", id="all cipher suites"),
        pytest.param(PAIR + "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", id="cipher suites of TLS 1.3 alone"),
        pytest.param(PAIR + f"  curve_preferences: [{', '.join(CURVES)}]\n", id="all curves"),
        pytest.param(PAIR + "  min_version: TLS13\n  curve_preferences: [CurveP521]\n", id="one curve"),
        pytest.param(
            PAIR + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n  max_version: TLS12\n"
            "http_server_config: {http2: false}\n",
            id="cipher suites that HTTP/2 does not take, without it",
        ),
        pytest.param(
            "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n"
            "    X-XSS-Protection: 1\n    Strict-Transport-Security: max-age=31536000; includeSubDomains\n"
            "    Content-Security-Policy: default-src 'self' *.test.example.net\n",
            id="headers",
        ),
        pytest.param("basic_auth_users:\n" + "".join(f"  u{n}: $2{n}${HASH[4:]}\n" for n in "abxy"), id="users"),
        pytest.param("http_server_config: {http2: null, headers: {X-XSS-Protection: null}}", id="nothing for a header"),
        pytest.param("rate_limit: {interval: 100us, burst: -1}", id="microseconds"),
        pytest.param("rate_limit: {interval: 0, burst: 0}", id="no rate limit"),
        pytest.param("rate_limit: {interval: 1s, burst: 0}", id="a rate limit that lets nothing through"),
    ],
)
def test_what_others_accept_is_accepted(files: Files, text: str) -> None:
    files.read(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "hWkNKCp3fvIx3jKnsaBI\nTuEj\n",
            ['1: expected a mapping of settings at the top level, for example "tls_server_config:"'],
        ),
        (
            "tls_server_config:\n  cert_filse: server.crt\n",
            ['2: tls_server_config.cert_filse: unknown key; did you mean "cert_file"?'],
        ),
        ("tls:\n", ['1: tls: unknown key; did you mean "tls_server_config"?']),
        (
            "rate_limit:\nrate_limit:\n",
            ['2: the key "rate_limit" stands twice, first in line 1'],
        ),
        (
            "tls_server_config:\n  cert_file: ''\n  key_file: server.key\n",
            ["1: tls_server_config: " + MISSING_CERT.format("key_file")],
        ),
        (
            "tls_server_config:\n  cert: ''\n  key_file: server.key\n",
            ["1: tls_server_config: " + MISSING_CERT.format("key_file")],
        ),
        (
            "tls_server_config:\n  cert_file: server.crt\n  key_file: ''\n",
            ["1: tls_server_config: " + MISSING_KEY.format("cert_file")],
        ),
        (
            "tls_server_config:\n  cert_file: server.crt\n  key: ''\n",
            ["1: tls_server_config: " + MISSING_KEY.format("cert_file")],
        ),
        (
            "tls_server_config:\n  cert_file: ''\n  key_file: ''\n  client_auth_type: x\n",
            [
                "1: tls_server_config: " + MISSING_CERT.format("client_auth_type"),
                "1: tls_server_config: " + MISSING_KEY.format("client_auth_type"),
                (
                    '4: tls_server_config.client_auth_type: unknown policy "x"; known are NoClientCert,'
                    " RequestClientCert, RequireAndVerifyClientCert, VerifyClientCertIfGiven"
                ),
            ],
        ),
        (
            "tls_server_config:\n  cert_file: somefile\n  key_file: server.key\n",
            [f"2: tls_server_config.cert_file: {GONE}"],
        ),
        (
            "tls_server_config:\n  cert_file: server.crt\n  key_file: somefile\n",
            [f"3: tls_server_config.key_file: {GONE}"],
        ),
        (
            "tls_server_config:\n  cert_file: somefile\n  key_file: somefile\n",
            [f"2: tls_server_config.cert_file: {GONE}", f"3: tls_server_config.key_file: {GONE}"],
        ),
        (
            PAIR + "  client_ca_file: client_ca.pem\n",
            [
                (
                    "4: tls_server_config.client_ca_file: client certificates are not asked for; set client_auth_type:"
                    " RequireAndVerifyClientCert"
                )
            ],
        ),
        (
            PAIR + "  client_ca_file: /dev/null\n",
            [
                (
                    "4: tls_server_config.client_ca_file: client certificates are not asked for; set client_auth_type:"
                    " RequireAndVerifyClientCert"
                ),
                "4: tls_server_config.client_ca_file: this is a device; name a regular file",
            ],
        ),
        (
            PAIR + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: somefile\n",
            [f"5: tls_server_config.client_ca_file: {GONE}"],
        ),
        (
            PAIR + "basic_auth_users:\n  john: doe\n",
            ["5: basic_auth_users.john: expected the bcrypt hash of the password; htpasswd -nBC 10 USER prints one"],
        ),
        (
            PAIR + "  cipher_suites:\n  - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048\n",
            [
                (
                    "5: tls_server_config.cipher_suites[0]: unknown cipher suite"
                    ' "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048";'
                    ' did you mean "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"?'
                )
            ],
        ),
        (
            PAIR + "  curve_preferences: [CurveP257]\n",
            ['4: tls_server_config.curve_preferences[0]: unknown curve "CurveP257"; did you mean "CurveP256"?'],
        ),
        (
            PAIR + "  min_version: TLS111\n",
            ['4: tls_server_config.min_version: unknown TLS version "TLS111"; did you mean "TLS11"?'],
        ),
        (
            "http_server_config:\n  headers:\n    X-Content-Type-Options: sniff\n",
            ['3: http_server_config.headers.X-Content-Type-Options: expected nosniff, not "sniff"'],
        ),
        (
            "http_server_config:\n  headers: {X-Frame-Options: foo}\n",
            ['2: http_server_config.headers.X-Frame-Options: expected deny or sameorigin, not "foo"'],
        ),
        (
            "http_server_config:\n  headers: {Content-Type: foo}\n",
            [
                (
                    "2: http_server_config.headers.Content-Type: this header cannot be set; did you mean"
                    ' "X-Content-Type-Options"?'
                )
            ],
        ),
        (
            "http_server_config: {http2: perhaps}",
            ['1: http_server_config.http2: expected true or false, not "perhaps"'],
        ),
        (
            "rate_limit: {interval: 1d, burst: many}",
            [
                '1: rate_limit.interval: expected a duration such as 100ms, 5s or 1h30m, not "1d"',
                '1: rate_limit.burst: expected a whole number, not "many"',
            ],
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: null}}",
            ['1: http_server_config.headers.X-Frame-Options: expected deny or sameorigin, not ""'],
        ),
        (
            PAIR + "  min_version: ''\n",
            ['4: tls_server_config.min_version: unknown TLS version ""; known are TLS10, TLS11, TLS12, TLS13'],
        ),
    ],
)
def test_what_others_refuse_is_refused_with_place_and_remedy(
    mistakes: Callable[[str], list[str]], text: str, expected: list[str]
) -> None:
    assert mistakes(text) == [f"web.yml:{each}" for each in expected]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("100us", 1e-4), ("1ns", 1e-9), ("1µs", 1e-6), ("1μs", 1e-6), ("1ms", 1e-3), ("1.5h", 5400), ("1h30m", 5400),
        ("1m1h", 3660), ("1s1s", 2), (".5s", 0.5), ("1.s", 1), ("+1s", 1), ("-1s", -1), ("0", 0), ("+0", 0), ("-0", 0),
        ("0s", 0), ("1.0000000000000000001s", 1), ("2562047h", 9223369200), ("5", 5e-9), ("1e9", 1), ("-5", -5e-9),
    ],
)  # fmt: skip
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert go_values.go_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "1d", "1w", "1y", "1x", "s", ".", ".s", "-", "+", "1s_", "1S", "1H", "1 s", " 1s", "1s ", "1-s", "--1s",
     "1s-1s", "2562048h", "9223372037s", "1s\n", "١s", "1,5s", "0x1s", "1e1s"],
)  # fmt: skip
def test_what_go_takes_for_no_duration_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        go_values.go_duration(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("5", 5), ("-1", -1), ("+5", 5), ("1.0", 1), ("1.9", 1), ("99999999999", 99999999999)],
)
def test_a_number_is_read_as_go_reads_it(text: str, number: int) -> None:
    assert go_values.go_whole(text) == number


@pytest.mark.parametrize("text", ["", "x", "0x10", "010", "1_000", "1e400", "1e19", "٣", ".", "-"])
def test_what_go_or_nobody_takes_for_a_number_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected a whole number"):
        go_values.go_whole(text)


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("y", True),
        ("Yes", True),
        ("TRUE", True),
        ("on", True),
        ("N", False),
        ("no", False),
        ("False", False),
        ("OFF", False),
    ],
)
def test_a_switch_is_read_as_go_reads_it(files: Files, text: str, on: bool) -> None:
    assert go_values.go_switch(text) == on
    files.read(f"http_server_config: {{http2: {text}}}")


@pytest.mark.parametrize("text", ["tRUE", "oFF", "1", "t", "yES"])
def test_what_go_takes_for_no_switch_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected true or false"):
        go_values.go_switch(text)


def test_a_hash_that_takes_minutes_for_each_try_is_refused(mistakes: Callable[[str], list[str]]) -> None:
    """Whoever tries a password of any user would hold up the logins of all."""
    assert mistakes(f"basic_auth_users: {{joe: {HASH.replace('$10$', '$31$')}}}") == [
        "web.yml:1: basic_auth_users.joe: cost 31 is some 2185 min for each try of a password; take 10 to 12"
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "client_auth_type: RequireAnyClientCert",
            (
                "RequireAnyClientCert cannot be had here: Python verifies a"
                " certificate or asks for none; use RequireAndVerifyClientCert with client_ca_file"
            ),
        ),
        (
            "client_auth_type: RequireClientCert",
            (
                "RequireClientCert cannot be had here: Python verifies a"
                " certificate or asks for none; use RequireAndVerifyClientCert with client_ca_file"
            ),
        ),
        (
            "curve_preferences: [CurveP256, X25519]",
            "Python's ssl takes one curve or all of them; name one, or leave this out",
        ),
        (
            "client_allowed_sans: [a]",
            "needs certificates that are verified; set client_auth_type: RequireAndVerifyClientCert",
        ),
    ],
)
def test_what_go_can_and_python_cannot_is_refused_by_name(
    mistakes: Callable[[str], list[str]], line: str, sentence: str
) -> None:
    assert mistakes(f"{PAIR}  {line}\n") == [f"web.yml:4: tls_server_config.{line.split(':')[0]}: {sentence}"]


def test_versions_that_leave_none_are_refused(mistakes: Callable[[str], list[str]]) -> None:
    assert mistakes(PAIR + "  min_version: TLS13\n  max_version: TLS12\n") == [
        (
            "web.yml:5: tls_server_config.max_version: expected min_version (TLS13) or a later one, not TLS12; no"
            " client could connect"
        )
    ]


@pytest.mark.parametrize("version", ["TLS12", "TLS11", "TLS10"])
def test_suites_of_no_version_that_is_allowed_are_refused(mistakes: Callable[[str], list[str]], version: str) -> None:
    suites = "  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384]\n"

    assert mistakes(f"{PAIR}  min_version: TLS10\n  max_version: {version}\n{suites}") == [
        (
            f"web.yml:6: tls_server_config.cipher_suites: all of these are of TLS 1.3, and max_version is {version}; no"
            " client could connect"
        )
    ]


@pytest.mark.parametrize("kind", list(trustme.KeyType))
def test_a_key_of_another_certificate_is_told(
    files: Files, mistakes: Callable[[str], list[str]], kind: trustme.KeyType
) -> None:
    other = files.authority.issue_cert("localhost", key_type=kind)
    other.private_key_pem.write_to_path(str(files.folder / "wrong.key"))

    assert mistakes("tls_server_config: {cert_file: server.crt, key_file: wrong.key}") == [
        (
            "web.yml:1: tls_server_config.key_file: this key is not that of the certificate; put both from the same"
            " issue beside each other"
        )
    ]


def test_a_certificate_that_is_cut_short_and_a_key_with_a_password_are_told(
    files: Files, mistakes: Callable[[str], list[str]]
) -> None:
    whole = (files.folder / "server.crt").read_text()
    (files.folder / "half.crt").write_text(whole[: len(whole) // 4])
    (files.folder / "locked.key").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n")

    assert mistakes("tls_server_config: {cert_file: half.crt, key_file: server.key}") == [
        (
            "web.yml:1: tls_server_config.cert_file: certificate and key cannot be loaded together; check that"
            " cert_file and key_file are whole"
        )
    ]
    (locked,) = mistakes("tls_server_config: {cert_file: server.crt, key_file: locked.key}")
    assert "decrypt it with openssl pkey" in locked


def test_no_secret_of_the_file_is_repeated(files: Files, mistakes: Callable[[str], list[str]]) -> None:
    told = mistakes("basic_auth_users: {joe: hunter2}\ntls_server_config:\n  key: hunter2\n  cert_file: hunter2\n")

    assert len(told) == 3
    assert "hunter2" not in "".join(told)
    assert HASH not in repr(files.read(f"basic_auth_users: {{joe: {HASH}}}"))


def test_check_and_run_tell_the_mistakes_of_the_file_beside_their_own(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write(PAIR + "  min_version: TLS14\n")
    config = tmp_path / "exporter.yaml"
    config.write_text(f"web: {{config_file: {files.folder}/web.yml}}\npoll: {{interval: soon}}\n")
    for command in ("check", "run"):
        assert main([command, "--config", str(config)]) == 1
        told = capsys.readouterr().err

        assert f"{config}:2: poll.interval: expected a duration" in told
        assert f'{files.folder}/web.yml:4: tls_server_config.min_version: unknown TLS version "TLS14"' in told


def test_a_file_that_is_not_there_is_told(files: Files) -> None:
    with pytest.raises(SettingsError, match=r"none\.yml: there is no such file; mount it or correct web\.config_file"):
        read_web_config(files.folder / "none.yml")


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("tls_server_config: {min_version: TLS13}", "tls_server_config: nothing in it turns TLS on"),
        (PAIR + "  client_auth_type: RequestClientCert", "RequestClientCert verifies nothing"),
        (PAIR + "  client_auth_type: VerifyClientCertIfGiven", "no client certificate is accepted"),
        (f"basic_auth_users: {{joe: {HASH}}}", "without TLS passwords can be read on the way"),
        ("rate_limit: {interval: 1s}", "0 lets no request through"),
        ("rate_limit: {interval: 1s, burst: -1}", "-1 lets no request through"),
        ("rate_limit: {interval: 5, burst: 1}", "rate_limit.interval: this limits nothing"),
        ("rate_limit: {interval: -1s, burst: 1}", "rate_limit.interval: this limits nothing"),
        (PAIR + f"basic_auth_users: {{'a:b': {HASH}}}", "basic_auth_users.a:b: nobody can log in by a name that holds"),
        (PAIR + f"basic_auth_users: {{joe: {HASH.replace('$10$', '$17$')}}}", "cost 17 is some 8 s for each try"),
        (
            PAIR + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: client_ca.pem\n"
            "  client_allowed_sans: [scraper.example, '2001:DB8::0001', 10.0.0.1]\n",
            "client_allowed_sans[1]: names are compared as texts, and this address is 2001:db8::1 there",
        ),
        (
            PAIR + "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  max_version: TLS12\n",
            "no client could connect (no shared cipher)",
        ),
    ],
)
def test_what_is_most_likely_not_meant_is_warned_of(files: Files, text: str, warning: str) -> None:
    (told,) = files.read(text).warnings

    assert warning in told


def test_inline_texts_serve_as_files_do_and_files_win(files: Files) -> None:
    def inline(key: str, name: str) -> str:
        indented = (files.folder / name).read_text().replace("\n", "\n    ").rstrip()
        return f"  {key}: |\n    {indented}\n"

    both = inline("cert", "server.crt") + inline("key", "server.key") + inline("client_ca", "client_ca.pem")
    policy = "  client_auth_type: RequireAndVerifyClientCert\n"

    assert files.read("tls_server_config:\n" + both + policy).tls is not None
    assert files.read(PAIR + "  cert: none\n".replace("none", "'-----BEGIN CERTIFICATE-----'")).tls is not None


def test_the_fingerprint_tells_every_file_from_what_it_was(files: Files) -> None:
    path = files.write(PAIR + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: client_ca.pem\n")
    seen = {fingerprint(path)}
    assert read_web_config(path).fingerprint in seen
    for name in ("server.crt", "server.key", "client_ca.pem"):
        before = (files.folder / name).read_bytes()
        (files.folder / name).unlink()
        seen.add(fingerprint(path))
        (files.folder / name).write_bytes(before + b"\n")
        seen.add(fingerprint(path))
    path.write_text("{")
    seen.add(fingerprint(path))
    path.unlink()
    seen.add(fingerprint(path))

    assert len(seen) == 9
    trustme.CA().cert_pem.write_to_path(str(files.folder / "client_ca.pem"))


def test_no_file_turns_nothing_on(tmp_path: Path) -> None:
    project = {"region": "eu-de", "project_id": "1", "credentials": {"token": "T"}}
    settings = load(None, {}, {"projects": {"prod": project}}, jobs_needed=False)

    assert (settings.web_config.tls, settings.web_config.users, settings.web_config.headers) == (None, {}, {})
