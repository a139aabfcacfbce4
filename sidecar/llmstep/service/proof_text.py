"""From what a model wrote to one block of tactics.

Models answer with a thought, words, and one or several fenced blocks; in the block stands the whole
theorem again, or the tactics alone, indented or not. Lean gets the tactics, from column 0 on.
"""

from __future__ import annotations

import re

import attrs

from llmstep.lean_text.lexer import scan_tokens

_FENCED = re.compile(r"```([\w+-]*)[ \t]*\n(.*?)(?:(?<=\n)[ \t]*```|\Z)", re.DOTALL)
_LANGUAGES = ("lean4", "lean", "tactics", "")
_HEAD = re.compile(
    r"^(?:@\[[^\]\n]{0,200}\][ \t\n]{0,9})?"
    r"(?:private |protected |noncomputable )*(?:theorem|lemma|example)\b",
    re.MULTILINE,
)
_BY = re.compile(r":=[ \t\n]*by\b[ \t]*\n?|:=[ \t\n]*(?=\S)")
_LEAN_3 = (
    (re.compile(r"^[ \t]*begin\b", re.MULTILINE), "begin … end"),
    (re.compile(r"^[^\n]*[^\s,(\[{⟨],[ \t]*$", re.MULTILINE), "commas at the ends of lines"),
    (re.compile(r"\b(?:nat|int|real|finset|set)\.[a-z]\w*_\w+"), "names such as nat.succ_le"),
    (re.compile(r"λ[^\n,]{1,80},"), "λ x, …"),
)
# Lean 4 has commas at line ends inside brackets only; this many outside are no accident.
_COMMAS = 2
# Colours and cursor moves of a terminal go as a whole.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


@attrs.frozen
class ProofText:
    """What an answer holds.

    Attributes:
        block: The tactics, from column 0 on; empty if there are none.
        problem: Why there are none, or what is wrong with them; empty if nothing is.
    """

    block: str
    problem: str = ""


def read_proof(answer: str, thought: tuple[str, str], *, continues: bool = False) -> ProofText:
    """The block of tactics in an answer.

    Args:
        answer: All that the model wrote.
        thought: The marks around its thought.
        continues: Whether the answer goes on behind ``by`` itself.
    """
    text = _without_thought(answer, thought)
    if text is None:
        return ProofText("", "the model did not come to the end of its thought")
    text = _CONTROL.sub("", text.replace("\r\n", "\n")).replace("\t", "  ")
    block = rebase(text if continues else _without_statement(_last_block(text)))
    if not block.strip():
        return ProofText("", "the answer holds no proof")
    spelling = find_lean_3(block)
    if spelling:
        return ProofText("", f"the answer is written in Lean 3 ({spelling})")
    return ProofText(block)


def rebase(block: str) -> str:
    """A block whose first line stands at column 0, the others as they stand to it.

    A first line that was cut off from its indentation (behind ``by``, or at the answer's start) is
    given that of the next line that is no deeper than a sibling would be.
    """
    lines = [line.rstrip() for line in block.strip("\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return ""
    widths = [len(line) - len(line.lstrip(" ")) for line in lines if line]
    first, rest = widths[0], widths[1:]
    if first == 0 and rest and min(rest) > 0:
        # The block's other lines keep the indentation of the theorem it was cut from.
        least = min(rest)
        lines = [lines[0], *(line[least:] for line in lines[1:])]
        return "\n".join(lines)
    return "\n".join(line[min(first, len(line) - len(line.lstrip(" "))) :] for line in lines)


def find_lean_3(block: str) -> str:
    """What of Lean 3's spelling a block holds; empty if it is Lean 4."""
    bare = _without_comments(block)
    for pattern, name in _LEAN_3:
        found = pattern.findall(_without_brackets(bare) if "commas" in name else bare)
        if len(found) >= (_COMMAS if "commas" in name else 1):
            return name
    return ""


def _without_thought(answer: str, thought: tuple[str, str]) -> str | None:
    begin, end = thought
    if not begin:
        return answer
    _, closed, rest = answer.rpartition(end)
    if closed:
        return rest
    # Some models are given the opening mark by their chat template and never write it.
    return None if answer.lstrip().startswith(begin) else answer


def _last_block(text: str) -> str:
    """The last fenced block in Lean; else the last one; else all of the text."""
    blocks = [(found[1], found[2]) for found in _FENCED.finditer(text)]
    lean = [body for language, body in blocks if language.lower() in _LANGUAGES]
    if lean:
        return lean[-1]
    return blocks[-1][1] if blocks else text


def _without_statement(text: str) -> str:
    """What follows the last theorem's ``:= by``; the text itself where it states none."""
    heads = list(_HEAD.finditer(text))
    if not heads:
        bare = text.lstrip()
        return bare[2:] if re.match(r"by\s", bare) else text
    start = heads[-1].end()
    depth = 0
    for token in scan_tokens(text[start:]):
        if token.text in "([{⟨" and token.kind != "string":
            depth += 1
        elif token.text in ")]}⟩" and token.kind != "string":
            depth -= 1
        elif token.text == ":=" and depth == 0:
            body = text[start + token.start :]
            found = _BY.match(body)
            if found is None:
                return ""
            rest = body[found.end() :]
            return rest if "by" in found[0] else f"exact {rest.strip()}"
    return ""


def _without_comments(text: str) -> str:
    kept = "".join(token.text for token in scan_tokens(text) if token.kind != "comment")
    return re.sub(r"[ \t]+$", "", kept, flags=re.MULTILINE)


def _without_brackets(text: str) -> str:
    """The text outside brackets, line ends kept."""
    depth, kept = 0, []
    for character in text:
        depth += (character in "([{⟨") - (character in ")]}⟩")
        if depth <= 0 or character == "\n":
            kept.append(character if depth <= 0 else " ")
    return "".join(kept)
