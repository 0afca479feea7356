import ast
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqp_utils.degradations import degrade
from aqp_utils.runs import parameters
from aqp_utils.runs.parameters import PARAMETERS, PRESETS, check, parse, resolve

WRONG = [
    ("N_PER_CONDITION", -1),
    ("N_PER_CONDITION", 2.5),
    ("N_PER_CONDITION", True),
    ("SEVERITIES", [4]),
    ("SEVERITIES", []),
    ("SEVERITIES", [1, 1]),
    ("SEVERITIES", 1),
    ("SEVERITIES", [True]),
    ("DEGRADATIONS", ["noise", "hum"]),
    ("SEVERITIES", [3]),  # one class alone
    ("DEGRADATIONS", "noise"),
    ("SCORE_WEIGHT", -0.1),
    ("LEARNING_RATE", 0),
    ("LEARNING_RATE", math.nan),
    ("DURATION_S", math.inf),
    ("DROPOUT", 1.0),
    ("TEST_SHARE", 1.0),
    ("HIDDEN", [0]),
    ("HIDDEN", []),
    ("ENCODER", "wav2vec"),
    ("ENCODER", "/no/such/folder"),
    ("ENCODER", ""),
    ("DEVICE", "gpu"),
    ("SEED", -1),
    ("SEED", 2**32),
    ("EPOCHS", 0),
    ("OUT", ""),
    ("INTERACTIVE", 1),
    ("LABEL", None),
]


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=lambda p: p.name)
def test_defaults_are_allowed_literals_and_explained(parameter):
    check(parameter.name, parameter.default)
    assert ast.literal_eval(repr(parameter.default)) == parameter.default
    assert parameter.meaning and parameter.allowed
    assert parameter.scope in ("study", "stage", "session")


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_values_are_refused_in_one_sentence(name, value):
    with pytest.raises(ValueError) as error:
        check(name, value)
    message = str(error.value)
    assert message.startswith(f"{name} = ") and "allowed" in message and "\n" not in message


def test_the_message_says_what_is_allowed():
    with pytest.raises(ValueError) as error:
        check("SEVERITIES", [4])
    assert str(error.value) == "SEVERITIES = [4]: allowed are two or more of 1, 2 and 3."


def test_a_misspelt_name_is_answered_with_the_closest():
    with pytest.raises(ValueError, match="EPOCH: there is no such parameter; did you mean EPOCHS?"):
        check("EPOCH", 3)


def test_kinds_are_those_of_the_degradations():
    assert parameters.DEGRADATIONS == degrade.KINDS


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("SEVERITIES", "[1,3]", [1, 3]),
        ("DEGRADATIONS", "noise", ["noise"]),
        ("DEGRADATIONS", "noise, clip", ["noise", "clip"]),
        ("DEGRADATIONS", "['noise', 'clip']", ["noise", "clip"]),
        ("ENCODER", "random", "random"),
        ("ENCODER", "facebook/wav2vec2-base", "facebook/wav2vec2-base"),
        ("LEARNING_RATE", "1e-3", 1e-3),
        ("INTERACTIVE", "false", False),
        ("LAYER", "-1", -1),
        ("OUT", "outputs/a b", "outputs/a b"),
    ],
)
def test_parse(name, text, value):
    assert parse(name, text) == value


@given(st.sampled_from(sorted(PARAMETERS)), st.text())
def test_parse_gives_a_checked_value_or_a_value_error(name, text):
    try:
        check(name, parse(name, text))
    except ValueError as error:
        assert str(error).startswith(name)


@given(st.sampled_from(sorted(PARAMETERS)))
def test_parse_reads_back_what_a_notebook_writes(name):
    default = PARAMETERS[name].default
    text = default if isinstance(default, str) else repr(default)
    assert parse(name, text) == default


def test_too_few_sources_for_intervals_are_refused():
    parameters.check_together({})
    parameters.check_together({"N_PER_CONDITION": 8})
    for values in ({"N_PER_CONDITION": 7}, {"N_PER_CONDITION": 2, "TEST_SHARE": 0.5}):
        with pytest.raises(ValueError, match="N_PER_CONDITION = . with TEST_SHARE = 0..* leaves"):
            parameters.check_together(values)


def test_presets_hold_allowed_values_of_known_parameters():
    for preset in PRESETS:
        parameters.check_together(resolve(preset))
    assert resolve("smoke", {"EPOCHS": 7})["EPOCHS"] == 7
    with pytest.raises(ValueError, match="preset 'smok'"):
        resolve("smok")
