"""Answers in JSON: repaired in their form, validated against a schema.

The validator is Rust's, with an engine for patterns that takes linear time: a schema may come from
a caller, and no pattern of his can hold the event loop. References are resolved inside the schema
alone; nothing is fetched.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from gateway.errors import InvalidOutput, InvalidRequest
from gateway.types import JSON

if TYPE_CHECKING:
    from jsonschema_rs import Validator

LARGEST_PATTERN = 1_000_000  # bytes of a compiled pattern


def validator(schema: JSON) -> Validator:
    """Raises `InvalidRequest` for what is no JSON schema, or needs another document."""
    import jsonschema_rs

    def refuse(uri: str) -> NoReturn:
        raise ValueError("references to other documents are not followed")

    try:
        return jsonschema_rs.validator_for(
            schema,
            mask="the value",
            retriever=refuse,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=LARGEST_PATTERN),
        )
    except ValueError as error:
        raise InvalidRequest(f"the output schema cannot be used: {_first_line(error)}") from error


def valid(text: str, check: Validator) -> None:
    """Raises `InvalidOutput` unless the text is JSON that satisfies the schema."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidOutput(f"the answer is no JSON: {_first_line(error)}") from error
    _validate(value, check)


def repaired(text: str, check: Validator) -> str:
    """The JSON that the text holds, without a fence or words around it, and with what is missing in
    its form. Raises `InvalidOutput` when that does not satisfy the schema.

    Does not catch: two values in one text; the repair takes what it can of both.
    """
    import json_repair

    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = json_repair.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidOutput(f"the answer is no JSON, beyond repair: {_first_line(error)}") from error
    _validate(value, check)
    return json.dumps(value, ensure_ascii=False)


def closed(schema: Any) -> bool:
    """Whether every object of the schema names all its properties as required and allows no other:
    what providers ask of a schema that they are to enforce strictly."""
    if isinstance(schema, list):
        return all(closed(each) for each in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        named = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(named):
            return False
    return all(closed(each) for each in schema.values())


def _validate(value: Any, check: Validator) -> None:
    import jsonschema_rs

    try:
        check.validate(value)
    except jsonschema_rs.ValidationError as error:
        place = "/".join(str(part) for part in error.instance_path)
        raise InvalidOutput(f"the answer does not satisfy its schema at /{place}: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    """What is below the first line repeats the schema."""
    return str(error).partition("\n")[0][:200]
