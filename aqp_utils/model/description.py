"""What `model.json` may say: a schema, and one sentence for whatever is not as the schema says."""

import json
import math

import fastjsonschema
import numpy as np

from aqp_utils.core.scale import CLASSES, SCALE

FORMATS = (1, 2)  # read here; 1 has no hash of itself
SHORTEST_CLIP_S, LONGEST_CLIP_S = 0.25, 60  # features need the first
LONGEST_SHOWN = 40  # characters of a wrong value in a sentence

_HASH = {"pattern": "^[0-9a-f]{64}$", "description": "a SHA-256 of 64 hex digits"}
_FILE = {
    "pattern": r"^[^/\\:\x00-\x1f]+$",
    "not": {"enum": [".", ".."]},
    "description": "the plain name of a file in the same folder",
}
_COUNT = {"type": "integer", "minimum": 1, "description": "a whole number, 1 or more"}
_NUMBER = {"type": "number", "description": "a number"}
_NUMBERS = {
    "type": "array",
    "items": _NUMBER,
    "minItems": 1,
    "description": "a list of numbers, not empty",
}
_POSITIVE = {"type": "number", "exclusiveMinimum": 0, "description": "a number above 0"}


def _text(**more):
    return {"type": "string", "minLength": 1, "description": "text, not empty"} | more


def _object(properties, required=None):
    required = list(properties) if required is None else required
    return {"type": "object", "required": required, "properties": properties}


_PART = _object({"file": _text(**_FILE), "sha256": _text(**_HASH)})

SCHEMA = _object(
    {
        "format": {"enum": list(FORMATS), "description": f"one of {FORMATS}"},
        "architecture": _object(
            {
                "n_inputs": _COUNT,
                "hidden": {"type": "array", "items": _COUNT, "description": "a list of widths"},
                "dropout": {
                    "type": "number",
                    "minimum": 0,
                    "exclusiveMaximum": 1,
                    "description": "a share, 0 or more and below 1",
                },
                "n_classes": {"enum": [len(CLASSES)], "description": f"{len(CLASSES)}"},
            },
            required=["n_inputs"],
        ),
        "scaler": _object({"mean": _NUMBERS, "scale": _NUMBERS}),
        "classes": {"type": "array", "description": "a list of classes"},
        "label_scale": {"type": "array", "description": "two numbers"},
        "weights": _PART,
        "spectrogram": _PART,
        "documents": {
            "type": "object",
            "propertyNames": _text(**_FILE),
            "additionalProperties": _text(**_HASH),
            "description": "hashes by name; a name must be " + _FILE["description"],
        },
        "encoder": _object(
            {
                "name": _text(),
                "layer": {"type": "integer", "description": "a whole number"},
                "pooling": {"enum": ["mean", "mean+std"], "description": "mean or mean+std"},
                "weights_sha256": _text(**_HASH),
                "config_sha256": _text(**_HASH),
            },
            required=["name", "layer"],
        ),
        "feature_set": _text(),
        "feature_names": {"type": "array", "items": _text(), "description": "a list of names"},
        "clip_s": {
            "type": "number",
            "minimum": SHORTEST_CLIP_S,
            "maximum": LONGEST_CLIP_S,
            "description": f"a length in seconds, {SHORTEST_CLIP_S} to {LONGEST_CLIP_S}",
        },
        "conformal": _object(
            {
                "level": _POSITIVE | {"exclusiveMaximum": 1, "description": "a share, 0 to 1"},
                "score": _NUMBERS,
                "low": _NUMBERS,
                "high": _NUMBERS,
                "unlike": {"type": "number", "minimum": 1, "description": "a factor, 1 or more"},
            },
            required=["level", "score", "low", "high"],
        ),
        "speech": _object({"weights": _NUMBERS, "bias": _NUMBER, "threshold": _NUMBER})
        | {"type": ["object", "null"], "description": "a JSON object or null"},
    },
    required=["format", "architecture", "scaler", "classes", "label_scale", "weights"],
)
_validate = fastjsonschema.compile(SCHEMA, use_default=False)


def parse_description(path, data):
    """What the bytes `data` of a `model.json` say; see `SCHEMA`.

    Parameters
    ----------
    path : Path
        Named in sentences.
    data : bytes

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        One sentence: which entry of `path` is wrong, what it is and what it must be.
    """
    try:
        description = json.loads(data, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}): train the model again.") from None
    if not isinstance(description, dict):
        raise ValueError(f"{path} is not JSON of one object: train the model again.")
    version = description.get("format")
    if "format" in description and version not in FORMATS:
        readable = " and ".join(map(str, FORMATS))
        raise ValueError(f"{path} has format {_shown(version)}; this version reads {readable}.")
    if version == 1 and "calibration" in description:  # as the quantiles were called then
        description["conformal"] = description.pop("calibration")
    try:
        _validate(description)
    except fastjsonschema.JsonSchemaValueException as error:
        raise ValueError(f"{path} {_problem(error)}: train the model again.") from None
    if problem := _misfit(description):
        raise ValueError(f"{path}: {problem}.")
    return description


def _finite(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def _problem(error):
    """The first thing that the schema refuses, in words."""
    where = "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in error.path[1:]).lstrip(".")
    if error.rule == "required":
        missing = next(key for key in error.rule_definition if key not in error.value)
        return f"lacks an entry ({f'{where}.{missing}'.lstrip('.')!r})"
    if error.rule == "type" and error.definition["type"] == "object":
        return f"lacks an entry ({where!r} is {_shown(error.value)}, not a JSON object)"
    expected = error.definition.get("description", "something else")
    return f"holds {where} = {_shown(error.value)}, which must be {expected}"


def _shown(value):
    text = json.dumps(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _misfit(description):
    """What does not go together although every entry has its proper form; None if all does."""
    n_inputs = description["architecture"]["n_inputs"]
    mean, scale = (np.asarray(description["scaler"][key], dtype=float) for key in ("mean", "scale"))
    if description["classes"] != list(CLASSES) or description["label_scale"] != list(SCALE):
        return f"classes must be {list(CLASSES)} on the scale {SCALE}"
    if mean.shape != (n_inputs,) or scale.shape != (n_inputs,) or not np.all(scale > 0):
        return f"the scaler must hold {n_inputs} means and positive scales"
    if conformal := description.get("conformal"):
        lengths = {len(conformal[key]) for key in ("score", "low", "high")}
        if len(lengths) > 1 or np.any(np.diff(conformal["score"]) < 0):
            return "conformal must hold as many low and high ends as scores, and those in order"
    n_embedded = n_inputs - len(description.get("feature_names", []))
    if (speech := description.get("speech")) and len(speech["weights"]) != n_embedded:
        return f"speech must hold {n_embedded} weights, one for each input after the features"
    return None
