"""A `config.yml` read by the schema, and overridden from the environment by upstream's rules."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from registry_app.configuration.quantities import parse_duration, parse_size
from registry_app.configuration.schema import CONFIGURATION, Key, Kind, ListOf, MapOf, Scalar, Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "REGISTRY_"
# Names in that namespace that no one means as overrides: upstream's own, and the image tag of many a compose file.
NOT_OVERRIDES = {"REGISTRY_CONFIGURATION_PATH", "REGISTRY_VERSION"}
_TRUE = {"true", "yes", "on", "y"}
_FALSE = {"false", "no", "off", "n"}
_NULL = "tag:yaml.org,2002:null"

Document = dict[str, Any]


@dataclass(slots=True)
class Findings:
    """What is wrong (problems: the service can't start) and what should be known (warnings)."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unreadable: bool = False  # the file is no YAML: what else could be said of it is not so


def read_document(text: str, *, name: str, environ: Mapping[str, str]) -> tuple[Document, Findings]:
    """The configuration with every override applied, and all findings at once."""
    findings = Findings()
    document: Document = {}
    node = _compose(text, name, findings)
    findings.unreadable = bool(findings.problems)
    if node is not None:
        decoded = _Decoder(name, findings).decode(node, CONFIGURATION, ())
        document = decoded if isinstance(decoded, dict) else {}
    # Sorted, so that REGISTRY_STORAGE comes before REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY.
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in NOT_OVERRIDES:
            _Override(variable, environ[variable], findings).apply(document)
    return document, findings


def _compose(text: str, name: str, findings: Findings) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name} line {mark.line + 1}" if mark and not name.startswith(PREFIX) else name
        findings.problems.append(f"{place}: not valid YAML: {getattr(error, 'problem', None) or error}")
    except (ValueError, RecursionError) as error:
        findings.problems.append(f"{name}: not YAML that can be read: {type(error).__name__}")
    return None


class _Decoder:
    """Turns YAML nodes into plain values of the kinds in the schema; scalars keep their text until the kind decides."""

    def __init__(self, source: str, findings: Findings) -> None:
        self._source = source
        self._findings = findings

    def decode(self, node: yaml.Node, kind: Kind, path: tuple[str, ...]) -> Any:
        """Plain value of a node, or None where it is null or wrong (then a problem was noted)."""
        if node.tag == _NULL:
            return None
        try:
            match kind:
                case Struct():
                    return self._struct(node, kind, path)
                case MapOf(item):
                    return {
                        name: self.decode(value, item, (*path, name))
                        for name, value in self._entries(node, path, closed=False)
                    }
                case ListOf(item):
                    return self._items(node, item, path)
                case Scalar():
                    return _scalar(node, kind)
        except (ValueError, yaml.YAMLError) as error:
            reason = getattr(error, "problem", None) or error
            self._findings.problems.append(f"{self._place(node)}: {'.'.join(path) or 'the file'}: {reason}")
        return None

    def _struct(self, node: yaml.Node, kind: Struct, path: tuple[str, ...]) -> Document:
        if kind.open and isinstance(node, yaml.ScalarNode):
            return {str(node.value): {}}
        document: Document = {}
        for name, value in self._entries(node, path, closed=not kind.open):
            known = kind.keys.get(name)
            if known is None and not kind.open:
                self._warn_unknown(value, name, kind.keys, path)
                continue
            decoded = self.decode(value, known.kind if known else Scalar.ANY, (*path, name))
            # `filesystem:` with nothing below it still names the driver.
            document[name] = {} if decoded is None and kind.open else decoded
        return document

    def _entries(self, node: yaml.Node, path: tuple[str, ...], *, closed: bool) -> Iterable[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise ValueError(f"expected a mapping of {'the known keys' if closed else 'names'}, not {_shown(node)}")
        yaml.SafeLoader("").flatten_mapping(node)
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                where = ".".join((*path, name))
                self._findings.problems.append(f"{self._place(key)}: {where} stands here twice: keep one of them")
            seen.add(name)
            yield name, value

    def _items(self, node: yaml.Node, item: Kind, path: tuple[str, ...]) -> list[Any]:
        if isinstance(node, yaml.ScalarNode):
            raise ValueError(f"expected a list, as in [{node.value}]")
        if not isinstance(node, yaml.SequenceNode):
            raise ValueError(f"expected a list, not {_shown(node)}")
        return [self.decode(value, item, (*path, str(index))) for index, value in enumerate(node.value)]

    def _warn_unknown(self, node: yaml.Node, name: str, known: Iterable[str], path: tuple[str, ...]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        self._findings.warnings.append(f"{self._place(node)}: unknown key {'.'.join((*path, name))} is ignored{hint}")

    def _place(self, node: yaml.Node) -> str:
        return (
            f"{self._source} line {node.start_mark.line + 1}" if not self._source.startswith(PREFIX) else self._source
        )


def _scalar(node: yaml.Node, kind: Scalar) -> Any:
    if kind is Scalar.ANY:
        return _plain(node)
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError(f"expected {kind.value}, not {_shown(node)}")
    text = str(node.value)
    match kind:
        case Scalar.TEXT:
            return text
        case Scalar.BOOLEAN:
            return _boolean(text)
        case Scalar.INTEGER:
            try:
                return int(text.replace("_", ""), 0)
            except ValueError:
                raise ValueError(f"{text!r} is no whole number") from None
        case Scalar.DURATION:
            return parse_duration(text)
        case Scalar.SIZE:
            return parse_size(text)


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def _plain(node: yaml.Node) -> Any:
    try:
        return yaml.SafeLoader("").construct_document(node)
    except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError):
        # What PyYAML's constructors raise where a value is not what its tag says, such as `!!bool xyz`.
        raise ValueError(f"{_shown(node)} can't be read as {node.tag.rpartition(':')[2]}") from None


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else repr(str(node.value))


class _Override:
    """One `REGISTRY_*` variable: its name is split on `_` and matched against upper-cased keys, its value is YAML."""

    def __init__(self, variable: str, payload: str, findings: Findings) -> None:
        self._variable = variable
        self._payload = payload
        self._findings = findings

    def apply(self, document: Document) -> None:
        """Changes the document, or notes why not."""
        self._in_struct(document, CONFIGURATION, self._variable.split("_")[1:])

    def _in_struct(self, document: Document, kind: Struct, path: list[str]) -> None:
        found = _match(kind, path)
        if found is None and not kind.open:
            self._findings.warnings.append(f"{self._variable}: no setting has this name; it is ignored")
            return
        name, key, rest = found or (path[0].lower(), Key(Scalar.ANY), path[1:])
        if not rest:
            value = self._value(key.kind, name)
            document[name] = {} if value is None and kind.open else value
            return
        document[name] = self._below(document.get(name), key.kind, rest)

    def _below(self, current: Any, kind: Kind, path: list[str]) -> Any:
        """The new value of something that the variable reaches into."""
        match kind:
            case Struct():
                inner: Document = dict(current or {})
                self._in_struct(inner, kind, path)
                return inner
            case MapOf(item):
                return self._in_map(dict(current or {}), item, path)
            case ListOf(item):
                return self._in_list(list(current or []), item, path)
            case Scalar.ANY if current is None or isinstance(current, dict):
                return self._in_map(dict(current or {}), Scalar.ANY, path)
            case Scalar.ANY if isinstance(current, list):
                return self._in_list(list(current), Scalar.ANY, path)
            case _:
                self._findings.warnings.append(f"{self._variable}: reaches below a single value; it is ignored")
                return current

    def _in_map(self, current: Document, item: Kind, path: list[str]) -> Document:
        name = next((key for key in current if key.upper() == path[0] and len(path) > 1), path[0].lower())
        current[name] = self._below(current.get(name), item, path[1:]) if len(path) > 1 else self._value(item, name)
        return current

    def _in_list(self, current: list[Any], item: Kind, path: list[str]) -> list[Any]:
        if not path[0].isdecimal() or int(path[0]) > len(current):
            self._findings.problems.append(
                f"{self._variable}: {path[0]!r} is no index of a list of {len(current)}: count from 0, without gaps"
            )
            return current
        index = int(path[0])
        if index == len(current):
            current.append(None)
        current[index] = self._below(current[index], item, path[1:]) if len(path) > 1 else self._value(item, path[0])
        return current

    def _value(self, kind: Kind, name: str) -> Any:
        node = _compose(self._payload, self._variable, self._findings)
        return None if node is None else _Decoder(self._variable, self._findings).decode(node, kind, (name.lower(),))


def _match(kind: Struct, path: list[str]) -> tuple[str, Key, list[str]] | None:
    """Key that a variable's segments name; only our own keys hold `_`, so the longest name wins."""
    for length in range(len(path), 0, -1):
        segment = "_".join(path[:length])
        for name, key in kind.keys.items():
            if key.segment(name) == segment:
                return name, key, path[length:]
    return None
