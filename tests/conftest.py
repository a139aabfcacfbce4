"""What all tests share: nothing of the user's own reaches them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import hypothesis
import psutil
import pytest

# A loaded machine is no fault of the code.
hypothesis.settings.register_profile("llmstep", deadline=None)
hypothesis.settings.load_profile("llmstep")


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty home for settings, models and cache, and no variable that says otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LLMSTEP_")]:
            patch.delenv(name)
        patch.setenv("LLMSTEP_HOME", str(tmp_path_factory.mktemp("home")))
        # Engines that tests start leave soon after them.
        patch.setenv("LLMSTEP_KEEP_ALIVE", "0.1")
        yield
    end_engines(str(tmp_path_factory.getbasetemp()))


def end_engines(folder: str) -> None:
    """End the engines whose runtime folder lies below this one; the next test run has its own."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "llmstep.server.watcher" in words and any(word.startswith(folder) for word in words):
            with contextlib.suppress(psutil.Error):
                for engine in (*process.children(), process):
                    engine.kill()
