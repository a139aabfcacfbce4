"""Environment variables of llmstep that are no settings, and who reads them.

Those of the settings follow from the table in `config`. The front reads some of these before
anything heavier is imported, so this module imports nothing.
"""

from __future__ import annotations

# All of llmstep's own files go below this folder (`paths`; `runtime.place` and `install.wheels` by
# themselves, as they run without platformdirs).
HOME = "LLMSTEP_HOME"
# `llmstep serve` is the whole sidecar by itself (`__main__`, `commands.serve`).
IN_PROCESS = "LLMSTEP_IN_PROCESS"
# Front and engine do not meet in a folder that all users share (`runtime.place`).
NO_SHARED_FOLDER = "LLMSTEP_NO_SHARED_FOLDER"
# Front and engine meet on a loopback connection, as they do on Windows (`runtime.channel`).
LOOPBACK = "LLMSTEP_LOOPBACK"
# The answers of the scripted backend (`backends.echo`).
ECHO_SCRIPT = "LLMSTEP_ECHO_SCRIPT"
# An OpenAI-compatible server: its address, the key for it, the model's name there
# (`backends.endpoint`, `backends.openai`).
OPENAI_PREFIX = "LLMSTEP_OPENAI_"
OPENAI_URL = f"{OPENAI_PREFIX}BASE_URL"
OPENAI_KEY = f"{OPENAI_PREFIX}API_KEY"
OPENAI_MODEL = f"{OPENAI_PREFIX}MODEL"
# Where `serve --http` listens, and what each request must bring (`server.address`). The first
# llmstep read the first two as well, and a third (`first_version`).
HTTP_HOST = "LLMSTEP_HOST"
HTTP_PORT = "LLMSTEP_PORT"
HTTP_TOKEN = "LLMSTEP_HTTP_TOKEN"
FIRST_SERVER = "LLMSTEP_SERVER"
