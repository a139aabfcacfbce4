"""What people ask of the engines: which there are, what they are at, and that they end."""

from __future__ import annotations

import contextlib
import os

from llmstep.runtime.channel import ChannelError, connect
from llmstep.runtime.place import EnginePlace, runtime_folder

_ANSWER_S = 5.0
_SOCKET = ".sock"


class EngineReport:
    """An engine's place, and what it says of itself.

    Attributes:
        place: Where its files lie.
        values: What it says; empty if nobody answers there.
        problem: Why nobody does.
    """

    def __init__(self, place: EnginePlace, values: dict[str, object], problem: str = "") -> None:
        self.place = place
        self.values = values
        self.problem = problem


def list_places() -> list[EnginePlace]:
    """The places where engines listen, or have listened until they died.

    Raises:
        NoPlaceError: There is no runtime folder.
    """
    folder = runtime_folder()
    names = sorted(name for name in os.listdir(folder) if name.endswith(_SOCKET))
    return [EnginePlace(folder, name.removesuffix(_SOCKET)) for name in names]


def ask_engine(place: EnginePlace, question: str) -> EngineReport:
    """Ask one engine to ``describe`` itself, or to ``stop``."""
    try:
        channel = connect(place.socket, _ANSWER_S)
        try:
            channel.send({"control": question})
            return EngineReport(place, channel.receive(_ANSWER_S))
        finally:
            channel.close()
    except (ChannelError, OSError) as error:
        return EngineReport(place, {}, str(error))


def forget_casualties() -> None:
    """Let work be tried again that engines have died of."""
    folder = runtime_folder()
    for name in os.listdir(folder):
        if name.endswith(".casualties"):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


def list_logs() -> list[str]:
    """Paths of the engines' logs, the one written to last at the end."""
    folder = runtime_folder()
    paths = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".log")]
    return sorted(paths, key=os.path.getmtime)
