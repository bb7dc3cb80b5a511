"""What is wrong with a value of the configuration, in words for people; pydantic finds it."""

from __future__ import annotations

from typing import Any

_FIELD_FORMATS = {
    "name": "expected letters, digits, `.`, `_` and `-`: at most 64, the first a letter or a digit",
    "base_url": "expected http://host or https://host, with an optional path and nothing after it",
    "usd_pegs": "expected the code of a coin, such as USDT",
    "labels": "expected letters, digits, spaces and any of `._@-`: at most 64, the first a letter or a digit",
}


def message(error: Any) -> str:
    """What pydantic found, in the words of this file; never with the value."""
    match error["type"]:
        case "missing":
            return "is required"
        case "string_type":
            return "expected text; put it in quotes"
        case "string_pattern_mismatch":
            names = [part for part in error["loc"] if part in _FIELD_FORMATS]
            return _FIELD_FORMATS[names[-1]] if names else "is not in the expected form"
        case "float_type" | "float_parsing":
            return "expected a number"
        case "int_type" | "int_parsing" | "int_from_float":
            return "expected a whole number"
        case "bool_type" | "bool_parsing":
            return "expected true or false"
        case "literal_error":
            return f"expected one of {error['ctx']['expected']}"
        case "tuple_type" | "list_type":
            return "expected a list, such as [-0.1, 0.1]"
        case "greater_than":
            return f"must be more than {error['ctx']['gt']:g}"
        case "greater_than_equal":
            return f"must be at least {error['ctx']['ge']:g}"
        case "less_than":
            return f"must be less than {error['ctx']['lt']:g}"
        case "less_than_equal":
            return f"must be at most {error['ctx']['le']:g}"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")
