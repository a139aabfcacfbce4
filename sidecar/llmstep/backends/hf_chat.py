"""The chat template of a Hugging Face folder.

Newer folders hold it as ``chat_template.jinja``, older ones inside ``tokenizer_config.json``
(https://huggingface.co/docs/transformers/chat_templating_writing).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmstep.backends.chat import ChatTemplate
from llmstep.backends.hf_files import read_json
from llmstep.errors import ModelFileError


def read_chat_template(folder: Path, *, has_lead: bool) -> ChatTemplate | None:
    """The template, or ``None`` if the folder brings none.

    Args:
        folder: The model's folder.
        has_lead: Whether the tokenizer itself puts a begin-of-text token in front.

    Raises:
        ModelFileError: A file is there and cannot be read.
    """
    settings_file = folder / "tokenizer_config.json"
    settings = read_json(settings_file) if settings_file.is_file() else {}
    source = settings.get("chat_template")
    if isinstance(source, list):  # several, by name
        named = {entry.get("name"): entry.get("template") for entry in source}
        source = named.get("default")
    own_file = folder / "chat_template.jinja"
    if own_file.is_file():
        try:
            source = own_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelFileError(f"{own_file} cannot be read: {error}") from error
    if not isinstance(source, str) or not source:
        return None
    begin = "" if has_lead else _token_text(settings.get("bos_token"))
    return ChatTemplate(source, begin, _token_text(settings.get("eos_token")))


def _token_text(value: Any) -> str:
    """A token as tokenizer_config.json has it: a text, or a table with its text."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""
