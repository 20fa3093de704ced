"""Starts the page: settings from the environment, a quick import of Gradio, the Blocks, launch. Nothing else."""

import gc
import inspect
import os
import socket
import sys

from engine import redaction
from engine.settings import Settings

if os.environ.get("SPACE_ID"):
    # A Docker Space does not set it, and without it Gradio signs every visitor in as the owner of HF_TOKEN.
    os.environ.setdefault("SYSTEM", "spaces")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


def _import_gradio() -> None:
    """Halves the CPU time of `import gradio` (6.31): it parses every component's source to refresh .pyi files, and
    skips one whose source file can't be told, which is what it is told here. Drop this when Gradio has a switch.
    """
    real = inspect.getfile

    def getfile(obj: object) -> str:
        if sys._getframe(1).f_globals.get("__name__") == "gradio.component_meta":
            raise OSError
        return real(obj)

    inspect.getfile = getfile
    gc.disable()
    try:
        import gradio  # noqa: F401
    finally:
        inspect.getfile = real
        gc.enable()


def main() -> None:
    redaction.install()
    settings = Settings.from_env()
    _import_gradio()
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from ui.doors import Doors, largest_upload
    from ui.guard import OriginGuard
    from ui.page import build, look

    middleware = [Middleware(OriginGuard, hosts=settings.space_hosts), Middleware(Doors, settings=settings)]
    if settings.on_loopback:  # a foreign name that resolves to this machine must not open the page (DNS rebinding)
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]))
    app = build(settings, sign_in=bool(os.environ.get("OAUTH_CLIENT_ID") and os.environ.get("OAUTH_CLIENT_SECRET")))
    app.queue(default_concurrency_limit=8, max_size=128)
    _refuse_taken_port(settings)
    app.launch(
        server_name=settings.host,
        server_port=settings.port,
        inbrowser=_has_display() and not settings.on_space,
        run_history=False,  # it would keep what is typed, tokens included, in the browser
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        share=False,
        mcp_server=False,
        show_error=True,
        max_file_size=largest_upload(settings),
        blocked_paths=[str(settings.data_root)],
        footer_links=[],
        app_kwargs={"middleware": middleware},
        **look(),
    )


def _refuse_taken_port(settings: Settings) -> None:
    """Say in a sentence what Gradio would say in a traceback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            sys.exit(
                f"Port {settings.port} on {settings.host} can't be used ({error.strerror}). Is Annotune open already? "
                f"Go to http://127.0.0.1:{settings.port}, or set GRADIO_SERVER_PORT to another number."
            )


def _has_display() -> bool:
    if os.environ.get("CI") or not sys.stdout.isatty():
        return False
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    main()
