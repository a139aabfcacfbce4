"""A loopback stand-in for the Hugging Face hub: the few endpoints a download needs.

``GET /api/models/<repo>[/revision/<rev>]?blobs=true`` lists a repository, ``HEAD`` and ``GET
/<repo>/resolve/<rev>/<file>`` serve it, with the headers and error codes of the real one.
"""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(ThreadingHTTPServer):
    """Serves ``files`` (bytes by name) of one repository; starts at once.

    Files that end in .gguf or .safetensors are in large-file storage. ``break_after`` cuts the
    next download off after so many bytes, and all later ones at once; ``tampered`` replaces what
    is sent. ``facts`` are told of the repository besides its files.
    """

    daemon_threads = True
    refuse_with = ""

    def __init__(self, repo: str, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repo = repo
        self.files = files
        self.tampered: dict[str, bytes] = {}
        self.revisions = {"main", COMMIT}
        self.facts: dict[str, Any] = {}
        self.gated = False
        self.cdn = False
        self.break_after: int | None = None
        self.requests: list[tuple[str, str, str | None]] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def take_over(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        """Let this process take it for the hub, with an empty cache."""
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        template = self.url + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in (
            ("ENDPOINT", self.url),
            ("HF_HUB_CACHE", str(cache)),
            ("HF_HUB_DISABLE_XET", True),
            ("HUGGINGFACE_CO_URL_TEMPLATE", template),
        ):
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Cut-off downloads are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if self.server.refuse_with:
            self._fail(400, self.server.refuse_with)
            return
        self.server.requests.append((self.command, path, self.headers.get("Range")))
        repo = self.server.repo
        if path.startswith(f"/api/models/{repo}"):
            revision = path.partition("/revision/")[2] or "main"
            if self._known(revision):
                self._send_json(self._listing())
        elif path.startswith("/cdn/") and not self.headers.get("Authorization"):
            self._send_file(path.removeprefix("/cdn/"))
        elif path.startswith(f"/{repo}/resolve/"):
            revision, _, name = path.removeprefix(f"/{repo}/resolve/").partition("/")
            if self._known(revision) and self.server.cdn:
                self.send_response(302)
                # Another origin than the hub's: the user's token must not go there.
                self.send_header(
                    "Location", f"http://localhost:{self.server.server_port}/cdn/{name}"
                )
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif revision in self.server.revisions and not self.server.gated:
                self._send_file(name)
        else:
            self._fail(401, "RepoNotFound")

    def _known(self, revision: str) -> bool:
        if self.server.gated:
            self._fail(403, "GatedRepo")
        elif revision not in self.server.revisions:
            self._fail(404, "RevisionNotFound")
        else:
            return True
        return False

    def _listing(self) -> Any:
        siblings = []
        for name, data in self.server.files.items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": _oid(data)}
            if _is_large(name):
                sha256 = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"size": len(data), "sha256": sha256, "pointerSize": 130}
            siblings.append(entry)
        return {"id": self.server.repo, "sha": COMMIT, "siblings": siblings, **self.server.facts}

    def _send_file(self, name: str) -> None:
        data = self.server.files.get(name)
        if data is None:
            self._fail(404, "EntryNotFound")
            return
        etag = hashlib.sha256(data).hexdigest() if _is_large(name) else _oid(data)
        sent = self.server.tampered.get(name, data)
        start = 0
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{etag}"')
        if _is_large(name):
            self.send_header("X-Linked-ETag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(sent) - 1}/{len(sent)}")
        self.send_header("Content-Length", str(len(sent) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.server.break_after is not None:
            self.wfile.write(sent[start : start + self.server.break_after])
            self.server.break_after = 0
            self.close_connection = True
            return
        self.wfile.write(sent[start:])

    def _fail(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Keep the test's output clean."""


def _is_large(name: str) -> bool:
    return name.endswith((".gguf", ".safetensors"))


def _oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
