"""A Lake project read from its files, whatever is in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmstep.sources.lake_project import (
    find_packages,
    find_root,
    head_commit,
    path_of,
    source_folders,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a/b%20c/D.lean", "/a/b c/D.lean"),
        ("file://localhost/a.lean", "/a.lean"),
        ("file:///a/%E2%84%95.lean", "/a/ℕ.lean"),
        ("untitled:Untitled-1", None),
        ("file://server/share/a.lean", None),
        ("http://example.org/a.lean", None),
        ("file:///a%00b", None),
        ("file://[", None),
        ("", None),
    ],
)
def test_the_file_of_a_uri(uri: str, path: str | None) -> None:
    assert path_of(uri) == (Path(path) if path else None)


def test_the_root_is_the_nearest_folder_with_a_lakefile(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    file = inner / "File.lean"
    assert find_root(file) is None
    (inner.parent / "lean-toolchain").touch()
    assert find_root(file) == inner.parent
    (tmp_path / "a" / "lakefile.toml").touch()
    assert find_root(file) == tmp_path / "a"
    (inner / "lakefile.lean").touch()
    assert find_root(file) == inner


def test_folders_of_sources(tmp_path: Path) -> None:
    assert source_folders(tmp_path) == (tmp_path,)
    (tmp_path / "lakefile.toml").write_text(
        'srcDir = "src"\n[[lean_lib]]\nname = "A"\nsrcDir = "src/inner"\n'
        '[[lean_lib]]\nsrcDir = "../outside"\n[[lean_lib]]\nsrcDir = 3\n'
    )
    assert source_folders(tmp_path) == (tmp_path / "src" / "inner", tmp_path / "src", tmp_path)
    (tmp_path / "lakefile.toml").unlink()
    (tmp_path / "lakefile.lean").write_text('lean_lib A where\n  srcDir := "code"\n')
    assert source_folders(tmp_path) == (tmp_path / "code", tmp_path)


@pytest.mark.parametrize("content", ["not = = toml", "\x00\x01", "[" * 5000, 'lean_lib = "x"'])
def test_a_lakefile_that_does_not_parse(tmp_path: Path, content: str) -> None:
    (tmp_path / "lakefile.toml").write_text(content)
    assert source_folders(tmp_path) == (tmp_path,)


def packages_of(root: Path, manifest: str) -> tuple[dict[str, str], list[str]]:
    (root / "lake-manifest.json").write_text(manifest)
    notes: list[str] = []
    return {p.name: p.key for p in find_packages(root, notes.append)}, notes


def test_packages_by_their_revision(tmp_path: Path) -> None:
    for name in ("one", "two", "unlisted"):
        (tmp_path / ".lake" / "packages" / name).mkdir(parents=True)
    (tmp_path / "near").mkdir()
    git = tmp_path / ".lake" / "packages" / "two" / ".git"
    git.mkdir()
    (git / "HEAD").write_text("f" * 40 + "\n")
    entries = [
        {"name": "one", "type": "git", "rev": COMMIT},
        {"name": "two", "type": "git", "rev": COMMIT},
        {"name": "gone", "type": "git", "rev": COMMIT},
        {"name": "near", "type": "path", "dir": "near"},
        "nonsense",
        {"name": 3},
    ]
    found, notes = packages_of(tmp_path, json.dumps({"packages": entries}))
    assert found["one"] == f"one-{COMMIT[:16]}"
    assert found["two"] == "two-" + "f" * 16  # what lies there counts, not what is written
    assert found["near"].startswith("near-at-")
    assert list(found) == ["one", "two", "near"]
    assert not notes


@pytest.mark.parametrize(
    "manifest", ["", "{", "[]", '{"packages": 3}', "[" * 100_000, '{"packages": {"a": 1}}', "null"]
)
def test_a_manifest_that_does_not_parse(tmp_path: Path, manifest: str) -> None:
    (tmp_path / ".lake" / "packages" / "one").mkdir(parents=True)
    found, notes = packages_of(tmp_path, manifest)
    assert list(found) == ["one"]
    assert len(notes) <= 1


def test_names_of_packages_are_safe_as_names_of_files(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    entries = [{"name": "../../etc/«x»", "type": "path", "dir": "x"}]
    found, _ = packages_of(tmp_path, json.dumps({"packages": entries}))
    (key,) = found.values()
    assert "/" not in key
    assert head_commit(tmp_path) == ""
