"""Settings from the environment."""

from pathlib import Path

from engine.settings import Settings


def test_settings_on_a_personal_machine() -> None:
    settings = Settings.from_env({"XDG_DATA_HOME": "/somewhere", "HF_TOKEN": "hf_x"})
    assert settings.data_root == Path("/somewhere/annotune")
    assert not settings.on_space
    assert settings.runs_dir == Path("/somewhere/annotune/runs")


def test_settings_on_a_space(tmp_path: Path) -> None:
    environment = {"SPACE_ID": "ann/annotune", "SPACE_AUTHOR_NAME": "ann", "ANNOTUNE_HOME": str(tmp_path)}
    settings = Settings.from_env(environment)
    assert settings.on_space
    assert settings.space_author == "ann"


def test_settings_never_print_the_token() -> None:
    assert "hf_x" not in repr(Settings.from_env({"HF_TOKEN": "hf_x"}))
