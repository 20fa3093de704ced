"""RLOO, really done on a tiny policy. What it shares with GRPO is tested there."""

from pathlib import Path

import pytest

from engine.registry import FRAMEWORKS
from tests.frameworks.capitals import run_lines
from tests.frameworks.rewarded import TASK, check_learned, learn, prompt_data
from tests.frameworks.topics import Told

pytestmark = pytest.mark.slow

RLOO = FRAMEWORKS["rloo"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_a_reward_of_known_optimum_is_learned(tmp_path: Path, seed: int) -> None:
    told = Told()
    learn("rloo", tmp_path, prompt_data(), told, seed=seed)
    check_learned(told.values("reward"), told.values("kl"))


def test_it_loads_with_the_lines_of_its_card(tmp_path: Path) -> None:
    own = {"normalize_advantages": True, "reward_clip_range": [0.0, 0.5], "max_steps": 3}
    model_dir = learn("rloo", tmp_path, prompt_data(), **own)
    ours = RLOO.load(model_dir, TASK).predict(["ba be"], max_new_tokens=8)[0]
    usage = RLOO.usage(str(model_dir), TASK).replace("A prompt.", "ba be").replace("=64", "=8")
    assert run_lines(usage, tmp_path).splitlines()[-1] == ours.strip()
