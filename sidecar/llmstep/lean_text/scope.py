"""What is in force at a place of a file: namespaces, what is open, section variables, aliases."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import attrs

from llmstep.lean_text.commands import COMPONENT, FRAME_NAME, Command
from llmstep.lean_text.heads import Group, flatten, split_groups
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN, plain_name

# `open scoped` opens notation alone; names in brackets, or behind `hiding` and `renaming`, are no
# namespaces.
_NAMES = rf"(?:\s+(?!(?:in|hiding|renaming|scoped)\b){WORD_PATTERN})+"
_OPEN = late_pattern(
    rf"\bopen({_NAMES})(?:\s*\(([^()]*)\)|\s+(hiding|renaming)\b([^\n]*))?", re.MULTILINE
)
_EXPORT = late_pattern(rf"\bexport\s+({WORD_PATTERN})\s*\(([^()]*)\)")
_RENAMED = late_pattern(rf"({WORD_PATTERN})\s*(?:→|->)\s*({WORD_PATTERN})")
_WORD = late_pattern(WORD_PATTERN)
_KEYWORD = late_pattern(r"\b(?:variables?|include|omit)\b")
# No file that somebody wrote nests deeper, opens more, or declares more variables; in one that
# does, the innermost and the last count.
_DEEPEST = 50
_MOST_OPENED = 300
_MOST_VARIABLES = 100


@attrs.frozen
class Opened:
    """One thing that is open.

    Attributes:
        namespace: Full name of the namespace, as far as the text tells.
        hidden: Names in it that stay closed.
        aliases: Names that can be written short, each with its full name; where there are any, or
            `only`, nothing else of the namespace is open.
        only: Whether just the aliases are open.
    """

    namespace: str
    hidden: frozenset[str] = frozenset()
    aliases: tuple[tuple[str, str], ...] = ()
    only: bool = False


@attrs.frozen
class Scope:
    """What is in force before a command.

    Attributes:
        inside: Full name of the namespace the place is in; empty at the root.
        opened: What is open besides, the last one last.
        variables: Section variables, the last one last.
        included: Names of variables that every theorem takes.
        outer: What `end` returns to.
        depth: How many scopes are open.
    """

    inside: str = ""
    opened: tuple[Opened, ...] = ()
    variables: tuple[Group, ...] = ()
    included: frozenset[str] = frozenset()
    outer: Scope | None = None
    depth: int = 0

    def after(self, command: Command) -> Scope:
        """What is in force behind a command."""
        if command.frames > 0:
            return self._enter(command)
        if command.frames < 0:
            scope = self
            for _ in range(-command.frames):
                scope = scope.outer or scope
            return scope
        return self.extended(command.keyword, command.line)

    def _enter(self, command: Command) -> Scope:
        named = FRAME_NAME.search(command.line)
        names = COMPONENT.findall(named[1]) if named else [""]
        scope = self
        for name in names:
            inside = scope.inside
            if command.keyword == "namespace" and scope.depth < _DEEPEST:
                inside = join_name(inside, plain_name(name))
            scope = attrs.evolve(scope, inside=inside, outer=scope, depth=scope.depth + 1)
        return scope

    def extended(self, keyword: str, line: str) -> Scope:
        """What a line such as `open Foo`, `variable (x : α)` or `include x` adds."""
        if keyword in ("open", "export"):
            found = tuple(self._read_opens(line))
            return attrs.evolve(self, opened=(*self.opened, *found)[-_MOST_OPENED:])
        if keyword in ("variable", "variables"):
            given = split_groups(_behind_keyword(line))
            return attrs.evolve(self, variables=_declare(self.variables, given))
        if keyword == "include":
            names = _WORD.findall(_behind_keyword(line))
            return attrs.evolve(self, included=self.included.union(names))
        if keyword == "omit":
            return self._without(_behind_keyword(line))
        return self

    def _without(self, omitted: str) -> Scope:
        groups = split_groups(omitted)
        names = {name for group in groups for name in group.names}
        texts = {group.text for group in groups}
        kept = tuple(group for group in self.variables if group.text not in texts)
        return attrs.evolve(self, variables=kept, included=self.included - names)

    def _read_opens(self, line: str) -> Iterator[Opened]:
        for found in _OPEN.finditer(line):
            for written in found[1].split():
                for name in self.meanings(plain_name(written)):
                    if found[2] is not None:
                        words = _WORD.findall(found[2])
                        aliases = tuple((word, f"{name}.{word}") for word in words)
                        yield Opened(name, aliases=aliases, only=True)
                    elif found[3] == "hiding":
                        yield Opened(name, frozenset(_WORD.findall(found[4])))
                    elif found[3] == "renaming":
                        renamed = _RENAMED.findall(found[4])
                        pairs = tuple((new, f"{name}.{old}") for old, new in renamed)
                        yield Opened(name, frozenset(old for old, _ in renamed), pairs)
                    else:
                        yield Opened(name)
        for found in _EXPORT.finditer(line):
            for name in self.meanings(plain_name(found[1])):
                aliases = tuple((word, f"{name}.{word}") for word in _WORD.findall(found[2]))
                yield Opened(name, aliases=aliases, only=True)

    def meanings(self, namespace: str) -> list[str]:
        """What a namespace may be the name of here: names are looked up from the inside out."""
        outer = (join_name(name, namespace) for name in outer_names(self.inside))
        return [*dict.fromkeys((namespace, *outer))]

    def namespaces(self) -> frozenset[str]:
        """Full names of the namespaces whose names are written short."""
        opened = (entry.namespace for entry in self.opened if not entry.only)
        return frozenset((*outer_names(self.inside), *opened))

    def used_variables(self, words: Collection[str]) -> list[Group]:
        """The section variables that a statement of these identifiers takes, in their order.

        Those that are mentioned in it, or in the type of one that is; and instances of which all
        that they speak of is among them.
        """
        if not self.variables:
            return []
        declared = {name: at for at, group in enumerate(self.variables) for name in group.names}
        used: set[str] = set()
        todo = [word for word in {*words, *self.included} if word in declared]
        while todo:
            name = todo.pop()
            if name not in used:
                used.add(name)
                todo += base_names(self.variables[declared[name]].type).intersection(declared)
        kept: list[Group] = []
        named = frozenset(used)
        above: dict[str, int] = {}  # what a name means there; a later variable may bear it again
        for at, group in enumerate(self.variables):
            above.update(dict.fromkeys(group.names, at))
            if any(name in named and declared[name] == at for name in group.names):
                kept.append(group.keep(named))
            elif group.instance and not group.names:
                about = base_names(group.type).intersection(declared)
                meant = all(above.get(name) == declared[name] for name in about)
                if about and meant and named.issuperset(about):
                    kept.append(group)
        return kept


@functools.lru_cache(maxsize=4096)
def base_names(text: str) -> frozenset[str]:
    """The identifiers of a text, dotted ones by their first component."""
    return frozenset(map(_base, _WORD.findall(text)))


def _base(word: str) -> str:
    return word.partition(".")[0]


def _behind_keyword(line: str) -> str:
    """What a line declares, on one line."""
    text = flatten(line)
    keyword = _KEYWORD.search(text)
    text = text[keyword.end() :] if keyword else text
    return text.removesuffix(" in").strip()


def _declare(known: tuple[Group, ...], given: Iterable[Group]) -> tuple[Group, ...]:
    """Variables with some more; `variable {x}` changes how a known one is bound."""
    groups = list(known)
    for group in given:
        if group.names and not group.type:
            for name in group.names:
                _rebind(groups, name, group.text)
        else:
            groups.append(group)
    return tuple(groups[-_MOST_VARIABLES:])


def _rebind(groups: list[Group], name: str, text: str) -> None:
    """Change the brackets of a variable; a name that is not known is a variable without type."""
    left, right = (text[0], text[-1]) if text[0] in "({⦃" else ("(", ")")
    for at in range(len(groups) - 1, -1, -1):
        group = groups[at]
        if name in group.names:
            place = group.names.index(name)
            before, behind = group.names[:place], group.names[place + 1 :]
            changed = Group(f"{left}{name} : {group.type}{right}", (name,), group.type)
            kept = [group.keep(frozenset(names)) if names else None for names in (before, behind)]
            parts = (kept[0], changed, kept[1])
            groups[at : at + 1] = [part for part in parts if part is not None]
            return
    groups.append(Group(f"{left}{name}{right}", (name,), ""))


@attrs.frozen
class NameScope:
    """What decides how a name is written at a place.

    Attributes:
        opened: Full names of the open namespaces, those the place is in among them.
        declared: Names that the text declares, as they are written there.
        inside: The namespaces the place is in, the innermost first.
        aliases: Full names that can be written in another way, each with that way.
        hidden: Full names that their open namespace does not make short.
        full: Full names that the text declares.
    """

    opened: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()
    inside: tuple[str, ...] = ()
    aliases: Mapping[str, str] = attrs.field(factory=dict)
    hidden: frozenset[str] = frozenset()
    full: frozenset[str] = frozenset()

    def write(
        self,
        name: str,
        *,
        protected: bool = False,
        knows: Callable[[str], bool] = lambda _: False,
        taken: Collection[str] = (),
    ) -> str:
        """The shortest way to write a full name that means it and nothing else.

        Names are looked up as Lean does: in the namespaces the place is in, from the inside out;
        then at the root and in what is open, where two meanings are one too many.

        Args:
            name: The full name.
            protected: Whether its last namespace must be written.
            knows: Whether there is a declaration of this full name elsewhere.
            taken: Local names, which come before all others.
        """
        alias = self.aliases.get(name)
        if alias is not None and alias.partition(".")[0] not in taken:
            return alias
        parts = COMPONENT.findall(name)
        exists = self.full.__contains__
        for count in range(2 if protected and len(parts) > 1 else 1, len(parts)):
            namespace = ".".join(parts[:-count])
            if namespace not in self.opened or (count == 1 and name in self.hidden):
                continue
            written = ".".join(parts[-count:])
            if _base(written) in taken:
                continue
            if not any(exists(other) or knows(other) for other in self._rivals(written, namespace)):
                return written
        clashes = (other for other in self._rivals(name, "") if exists(other) or knows(other))
        if _base(name) in taken or next(clashes, None) is not None:
            return f"_root_.{name}"
        return name

    def readings(self, written: str) -> Iterator[str]:
        """The full names that a name may be written for here, in the order in which Lean looks."""
        if written.startswith("_root_."):
            yield plain_name(written)
            return
        yield from (full for full, alias in self.aliases.items() if alias == written)
        yield from (f"{outer}.{written}" for outer in self.inside)
        yield written
        opened = (f"{outer}.{written}" for outer in self.opened.difference(self.inside))
        yield from sorted(name for name in opened if name not in self.hidden)

    def _rivals(self, written: str, namespace: str) -> Iterator[str]:
        """Full names that would be meant before, or as well as, the one in that namespace."""
        for outer in self.inside:
            if outer == namespace:
                return
            yield f"{outer}.{written}"
        if namespace:
            yield written
        for other in self.opened:
            if other != namespace and other not in self.inside:
                yield f"{other}.{written}"


def name_scope(
    scope: Scope, own: str, declared: Collection[str], full: Collection[str]
) -> NameScope:
    """What decides how names are written in a declaration.

    Args:
        scope: What is in force there, with what is open for the declaration alone.
        own: The declaration's full name: it is in the namespaces of its own name, too.
        declared: Names that the text declares before, as they are written there.
        full: The same in full.
    """
    inside = [*outer_names(own.rpartition(".")[0])]
    inside += [name for name in outer_names(scope.inside) if name not in inside]
    inside.sort(key=len, reverse=True)
    aliases = {name: short for entry in scope.opened for short, name in entry.aliases}
    hidden = {f"{entry.namespace}.{name}" for entry in scope.opened for name in entry.hidden}
    opened = scope.namespaces().union(inside)
    return NameScope(
        opened, frozenset(declared), tuple(inside), aliases, frozenset(hidden), frozenset(full)
    )


def outer_names(name: str) -> Iterator[str]:
    """A namespace and those around it, the innermost first."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def join_name(outer: str, name: str) -> str:
    """A name inside a namespace, in full; one from the root needs none."""
    return f"{outer}.{name}" if outer else name
