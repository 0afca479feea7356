import numpy as np
import pandas as pd
import pytest

from aqp_utils.evaluation.agreement import agreement_of, condition_level, groups_of, with_people


@pytest.fixture
def table():
    """Twelve people, three conditions; of the worst the score is one too high."""
    rng, rows = np.random.default_rng(0), []
    for person in range(12):
        for condition, label in (("clean", 4.5), ("noise", 3.0), ("room", 1.5)):
            score = label + 0.05 * rng.standard_normal() + (condition == "room")
            rows.append(
                dict(person=person, condition=condition, score=label, predicted_score=score)
            )
    table = pd.DataFrame(rows)
    return table.assign(
        score_low=table["predicted_score"] - 0.5, score_high=table["predicted_score"] + 0.5
    )


def test_the_worst_condition_comes_first_with_its_bias(table):
    groups = groups_of(table, "condition", 100, np.random.default_rng(0))
    first = groups.iloc[0]
    assert first["condition"] == "room" and first["people"] == first["clips"] == 12
    assert first["bias"] == pytest.approx(1, abs=0.1)
    assert first["bias_low"] <= first["bias"] <= first["bias_high"]
    assert first["coverage"] == 0 and groups["coverage"].iloc[1:].eq(1).all()
    assert np.isnan(first["srcc"])  # all labels are one


def test_people_are_drawn_whole(table):
    twice = pd.concat([table, table.assign(person=table["person"])], ignore_index=True)
    once, again = (with_people(t, 200, np.random.default_rng(1))["bias"] for t in (table, twice))
    assert again["low"] == pytest.approx(once["low"]) and again["high"] == pytest.approx(
        once["high"]
    )


def test_levels_and_few_clips(table):
    assert condition_level(table)["conditions"] == 3
    assert condition_level(table)["srcc"] == pytest.approx(1)
    assert np.isnan(agreement_of(table.iloc[:5], np.ones((1, 5)))["pcc"][0])
    alone = with_people(table[table["person"] == 0], 10, np.random.default_rng(0))
    assert alone["bias"]["low"] is None
