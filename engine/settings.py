"""Environment → Settings. The only module that reads environment variables; read once by app.py and __main__."""

import os
from dataclasses import dataclass, field
from pathlib import Path

UNCONFINED = "ANNOTUNE_UNCONFINED_CELLS"
PROVIDER_KEYS = ("OPENAI_API_KEY",)
SPACE_DATA = Path("/data")  # where a Space mounts its storage bucket, if it has one


@dataclass(frozen=True)
class Settings:
    """Where data lives, and what kind of place this is.

    `hf_token` is the owner's own token from the environment: used on a personal machine only, never lent on a Space.
    """

    data_root: Path
    space_id: str = ""
    space_author: str = ""
    space_hosts: tuple[str, ...] = ()  # the names under which a Space is served, custom domains included
    hf_token: str = field(default="", repr=False)
    provider_keys: dict[str, str] = field(default_factory=dict, repr=False)  # the owner's keys, by variable
    overlays: Path | None = None  # where the image keeps its overlays
    unconfined_cells: bool = False  # the owner of a personal machine runs code cells without the kernel's confinement
    max_upload_bytes: int = 2 * 1024**3
    host: str = "127.0.0.1"
    port: int = 7860

    @property
    def on_space(self) -> bool:
        return bool(self.space_id)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        return self.host in ("127.0.0.1", "localhost")

    @property
    def datasets_dir(self) -> Path:
        return self.data_root / "datasets"

    @property
    def runs_dir(self) -> Path:
        return self.data_root / "runs"

    @property
    def overlays_dir(self) -> Path:
        return self.overlays or self.data_root / "overlays"

    @classmethod
    def from_env(cls, environ: dict[str, str] | None = None) -> "Settings":
        env = os.environ if environ is None else environ
        space_id = env.get("SPACE_ID", "")
        return cls(
            data_root=_data_root(env, on_space=bool(space_id)),
            space_id=space_id,
            space_author=env.get("SPACE_AUTHOR_NAME", ""),
            space_hosts=tuple(name.strip() for name in env.get("SPACE_HOST", "").split(",") if name.strip()),
            hf_token=env.get("HF_TOKEN", ""),
            provider_keys={name: env[name].strip() for name in PROVIDER_KEYS if env.get(name, "").strip()},
            overlays=Path(env["ANNOTUNE_OVERLAYS"]) if env.get("ANNOTUNE_OVERLAYS") else None,
            unconfined_cells=not space_id and env.get(UNCONFINED) == "1",
            host=env.get("GRADIO_SERVER_NAME", "127.0.0.1"),
            port=int(env.get("GRADIO_SERVER_PORT", "7860")),
        )


def _data_root(env: dict[str, str], *, on_space: bool) -> Path:
    if env.get("ANNOTUNE_HOME"):
        return Path(env["ANNOTUNE_HOME"]).expanduser().resolve()
    if on_space and SPACE_DATA.is_dir() and os.access(SPACE_DATA, os.W_OK):
        return SPACE_DATA / "annotune"
    return Path(env.get("XDG_DATA_HOME") or Path.home() / ".local" / "share").expanduser() / "annotune"
