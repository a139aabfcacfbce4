from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.backends.endpoint import Endpoint, is_loopback, read_endpoint
from llmstep.backends.exchange import open_client
from llmstep.environment import OPENAI_URL
from llmstep.errors import ConfigError


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("text", "url", "port"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1", 8000),
        ("http://localhost:11434/v1/", "http://localhost:11434/v1", 11434),
        (" HTTPS://API.example.org/v1 ", "https://api.example.org/v1", 443),
        ("http://[::1]:8080", "http://[::1]:8080", 8080),
        ("http://gpu", "http://gpu", 80),
    ],
)
def test_addresses(text: str, url: str, port: int) -> None:
    endpoint = read_endpoint({OPENAI_URL: text})
    assert (endpoint.url, endpoint.port) == (url, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:8000",
        "ftp://host/v1",
        "http://",
        "http://host:port/v1",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://host/v1?x=1",
        "http://host/v 1",
        "http://höst/v1",
        "http://user:secret@host/v1",
    ],
)
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=OPENAI_URL) as caught:
        read_endpoint({OPENAI_URL: text})
    assert "secret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "ключ", "tab\tkey"])
def test_a_key_that_cannot_be_sent(key: str) -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as caught:
        read_endpoint({OPENAI_URL: "http://h/v1", "OPENAI_API_KEY": key})
    assert key not in caught.value.message


def test_secrets_do_not_show() -> None:
    environ = {OPENAI_URL: "https://h/v1", "LLMSTEP_OPENAI_API_KEY": "sk-secret"}
    endpoint = read_endpoint(environ)
    assert endpoint.headers()["Authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in repr(endpoint) + endpoint.url


@pytest.mark.parametrize(
    ("text", "exposed"),
    [
        ("http://127.0.0.1:1", False),
        ("http://127.9.9.9:1", False),
        ("http://localhost:1", False),
        ("http://[::1]:1", False),
        ("https://gpu.example.org", False),
        ("http://192.168.1.7:8000", True),
        ("http://gpu.example.org", True),
        ("http://localhost.example.org", True),
    ],
)
def test_plain_http_is_exposed_unless_it_stays_here(text: str, exposed: bool) -> None:
    assert read_endpoint({OPENAI_URL: text}).exposed is exposed


def test_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("http_proxy", "proxy.example")
    monkeypatch.setenv("no_proxy", ".inner.example")

    def proxy_of(url: str) -> str | None:
        endpoint = read_endpoint({OPENAI_URL: url})
        client = open_client(endpoint, 1.0)
        transport = client._transport_for_url(httpx.URL(endpoint.url))
        proxy = getattr(transport._pool, "_proxy_url", None)
        return f"{proxy.host.decode()}:{proxy.port or 80}" if proxy else None

    assert proxy_of("https://api.example/v1") == "proxy.example:3128"
    assert proxy_of("http://api.example/v1") == "proxy.example:80"
    assert proxy_of("http://a.inner.example/v1") is None
    assert proxy_of("http://127.0.0.1:8000/v1") is None
    assert proxy_of("http://0.0.0.0:8000/v1") is None


def test_a_proxy_of_another_kind_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "gopher://user:hush-hush@proxy.example:1080")
    endpoint = read_endpoint({OPENAI_URL: "https://api.example/v1"})
    with pytest.raises(ConfigError, match="https proxy") as caught:
        open_client(endpoint, 1.0)
    assert "HTTPS_PROXY" in caught.value.hint
    assert "hush-hush" not in caught.value.message
    assert endpoint.secrets == ("hush-hush",)


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_a_config_error(text: str) -> None:
    try:
        endpoint = read_endpoint({OPENAI_URL: text})
    except ConfigError:
        return
    assert endpoint.url.isascii()
    assert isinstance(is_loopback(endpoint.host), bool)


def test_ports_that_are_usual_are_not_written() -> None:
    assert Endpoint("https", "h", 443).url == "https://h"
    assert Endpoint("http", "h", 443).url == "http://h:443"


@pytest.mark.parametrize(("text", "host"), [("0.0.0.0", "127.0.0.1"), ("[::]", "::1")])
def test_where_a_server_listens_is_this_machine(text: str, host: str) -> None:
    endpoint = read_endpoint({OPENAI_URL: f"http://{text}:11434/v1"})
    assert (endpoint.host, endpoint.exposed) == (host, False)
