"""JSON that is, and is not, what a dataclass says."""

import dataclasses
import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.export.strict import StrictError, json_text, read_json


@dataclass(frozen=True)
class Part:
    name: str
    numbers: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise ValueError("name is forbidden")


@dataclass(frozen=True)
class Whole:
    count: int
    right: bool
    pair: tuple[float, float] | None
    parts: tuple[Part, ...]
    by_name: dict[str, tuple[float, ...]]


finite = st.floats(allow_nan=False, allow_infinity=False)
parts = st.builds(Part, st.text().filter(lambda x: x != "forbidden"), st.lists(finite).map(tuple))
wholes = st.builds(
    Whole,
    st.integers(),
    st.booleans(),
    st.none() | st.tuples(finite, finite),
    st.lists(parts, max_size=3).map(tuple),
    st.dictionaries(st.text(), st.lists(finite).map(tuple), max_size=3),
)


@given(wholes)
def test_what_is_written_is_read_to_the_last_digit(whole):
    assert read_json(Whole, json_text(whole)) == whole


GOOD = dataclasses.asdict(Whole(3, True, (0.1, 0.2), (Part("a", (1.0,)),), {"x": (0.5,)}))


@pytest.mark.parametrize(
    "change, told",
    [
        ({"count": 1.5}, "count: expected a whole number, found 1.5"),
        ({"count": True}, "count: expected a whole number, found True"),
        ({"right": 1}, "right: expected true or false, found 1"),
        ({"pair": [1.0]}, "pair: expected 2 entries, found 1"),
        ({"pair": "none"}, "pair: expected a list, found 'none'"),
        ({"parts": [{"name": "a"}]}, r"key 'parts\[0\].numbers' is missing"),
        ({"parts": [{"name": "a", "numbers": [], "size": 1}]}, r"unknown key 'parts\[0\].size'"),
        ({"parts": [{"name": "a", "numbers": [0.1, "b"]}]}, r"parts\[0\].numbers\[1\]: expected a finite number, found 'b'"),
        ({"parts": [{"name": "forbidden", "numbers": []}]}, r"parts\[0\]: name is forbidden"),
        ({"by_name": {"x": [None]}}, r"by_name.x\[0\]: expected a finite number, found None"),
        ({"by_name": []}, "by_name: expected an object"),
        ({"by_name": {"x": [10**400]}}, r"by_name.x\[0\]: expected a finite number"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(change, told):
    with pytest.raises(StrictError, match=told):
        read_json(Whole, json.dumps(GOOD | change))


@pytest.mark.parametrize("key", list(GOOD))
def test_a_missing_key_is_named(key):
    with pytest.raises(StrictError, match=f"key '{key}' is missing"):
        read_json(Whole, json.dumps({k: v for k, v in GOOD.items() if k != key}))


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "no valid JSON"),
        ("[]", "the whole: expected an object"),
        ('{"count": NaN}', "found NaN"),
        ('{"count": 1, "count": 2}', "'count' appears more than once"),
        ("[" * 100_000, "no valid JSON"),
        ('{"count": 1e999}', "expected a whole number"),
    ],
)
def test_what_is_no_such_json_is_told_so(text, told):
    with pytest.raises(StrictError, match=told):
        read_json(Whole, text.replace('{"count": 1e999}', json.dumps(GOOD).replace('"count": 3', '"count": 1e999')))
