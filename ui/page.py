"""The Blocks: the line at /, all runs at /runs, one run at /run?id=…; sign-in; one timer a page, for live work."""

from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from engine import Settings
from ui import markup, text
from ui.data_tab import DataTab
from ui.people import Context
from ui.predict_tab import PredictTab
from ui.publish_tab import PublishTab
from ui.result_tab import ResultTab
from ui.run_tab import RunTab
from ui.runs_tab import RunsTab
from ui.shell import Asked, Shell, Tab, Updates, unique
from ui.task_tab import TaskTab
from ui.theme import theme
from ui.train_tab import TrainTab
from ui.visitors import Welcome

CSS = Path(__file__).with_name("page.css")
CACHE_LIVES = (600, 3600)  # seconds: look every ten minutes for downloads, and uploads that no one used, of an hour


def build(settings: Settings, *, sign_in: bool) -> gr.Blocks:
    """The whole app. `sign_in`: an OAuth app is configured, so a button to sign in is shown."""
    context = Context.of(settings, sign_in=sign_in)
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, delete_cache=CACHE_LIVES) as app:
        _line_page(context)
    with app.route(text.RUNS, "/runs"):
        _runs_page(context)
    with app.route(text.RUN, "/run", show_in_navbar=False):
        _run_page(context)
    return app


def look() -> dict[str, Any]:
    """What launch() needs to draw it."""
    return {"theme": theme(), "css_paths": [CSS]}


def _header(context: Context, *, tagline: bool = False) -> None:
    gr.Navbar(main_page_name=text.TRAIN)
    with gr.Row(elem_id="header"):
        gr.HTML(markup.brand(text.NAME, text.TAGLINE if tagline else ""))
        if context.sign_in:
            gr.LoginButton(text.SIGN_IN, logout_value=text.SIGN_OUT, size="sm", scale=0, min_width=240)
        else:
            gr.HTML(markup.line(_whose_token(context), subdued=True), elem_id="whose-token")


def _whose_token(context: Context) -> str:
    return text.TOKEN_HERE if context.access.token_for(None) else text.NO_TOKEN_HERE


def _line_page(context: Context) -> None:
    _header(context, tagline=True)
    shell = Shell(context)
    welcome = Welcome(context, shell)
    shell.keep_in_address_bar()
    with gr.Walkthrough(selected=1, elem_id="line") as shell.walkthrough:
        with gr.Step(text.STEPS[0], id=1):
            data = DataTab(context, shell)
        with gr.Step(text.STEPS[1], id=2):
            task = TaskTab(context, shell)
        with gr.Step(text.STEPS[2], id=3):
            run = RunTab(context, shell)
            train = TrainTab(context, shell)
        with gr.Step(text.STEPS[3], id=4):
            result, predict = ResultTab(context, shell, leads_on=True), PredictTab(context, shell)
            result.build_details()
        with gr.Step(text.STEPS[4], id=5):
            publish = PublishTab(context, shell)
    train.continue_to(run)
    task.continue_to(train)
    data.continue_to(task, train)
    run.followed_by([train, result, predict, publish])
    publish.open_with(result.forward)
    _follow(shell, [welcome, data, task, train, run, result, predict, publish])


def _run_page(context: Context) -> None:
    _header(context)
    shell = Shell(context)
    welcome = Welcome(context, shell)
    run = RunTab(context, shell)
    result, predict = ResultTab(context, shell), PredictTab(context, shell)
    result.build_details()
    publish = PublishTab(context, shell)
    run.followed_by([result, predict, publish])
    _follow(shell, [welcome, run, result, predict, publish])


def _runs_page(context: Context) -> None:
    _header(context)
    shell = Shell(context)
    _follow(shell, [Welcome(context, shell), RunsTab(context, shell)])


def _follow(shell: Shell, tabs: list[Tab]) -> None:
    """Show the choices of the address at load, and every second what has changed while something is live."""
    outputs = unique([*shell.for_owner, *(part for tab in tabs for part in tab.outputs)])
    problem = shell.problem

    def load(asked: Asked) -> Updates:
        if not asked.visitor.may_act:
            return look_on(asked)
        if shell.walkthrough is not None and not asked.address.query():
            return {}  # nothing is chosen: this late answer would only undo the first click
        updates = shell.go(asked.address) | shell.watch()
        for tab in tabs:
            updates |= tab.show(asked.address)
        return updates

    def look_on(asked: Asked) -> Updates:
        updates = shell.go(asked.address) | shell.watch() if asked.address.query() else {}
        for tab in tabs:
            updates |= tab.show_to_visitor(asked.address)
        return updates

    def tick(asked: Asked, seen: dict[Any, Any], watched: str) -> Updates:
        updates, live, seen = {}, False, dict(seen)
        for tab in tabs if asked.visitor.may_act else [tab for tab in tabs if tab.for_all]:
            found, goes_on = tab.poll(asked.address, seen)
            updates |= found
            live = live or goes_on
        fresh = {part: update for part, update in updates.items() if seen.get(part._id) != signature(update)}
        seen |= {part._id: signature(update) for part, update in fresh.items()}
        return fresh | {shell.seen: seen} | ({} if live else {shell.idle: watched})

    def go_on(_asked: Asked) -> Updates:
        return {shell.timer: gr.Timer(1, active=True)}

    def rest(_asked: Asked, idle: str, watched: str) -> Updates:
        return {shell.timer: gr.Timer(active=False)} if idle == watched else {}

    blocks = gr.context.Context.root_block
    shell.listen(blocks.load, load, [], outputs, problem, for_all=True, at_load=True)
    for tab in tabs:
        if tab.greet is not None:
            shell.listen(blocks.load, tab.greet, [], tab.outputs, tab.problem, at_load=True)
    watching: dict[str, Any] = {"for_all": True, "queue": False}
    shell.listen(shell.timer.tick, tick, [shell.seen, shell.watched], [*outputs, shell.idle], problem, **watching)
    shell.listen(shell.watched.change, go_on, [], [], problem, **watching)
    shell.listen(shell.idle.change, rest, [shell.idle, shell.watched], [], problem, **watching)


def signature(update: Any) -> str:
    """What an update says, to tell whether it says anything new."""
    if isinstance(update, pd.DataFrame):
        return update.to_json()
    if isinstance(update, gr.blocks.Block):
        return repr({key: signature(value) for key, value in update.constructor_args.items()})
    return repr(update)
