"""What every tab shares: a page's own parts, and how a handler is bound so that its errors land in place."""

import functools
import inspect
import itertools
import logging
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache

from engine import UserError
from ui import markup, text
from ui.address import Address
from ui.people import Context, Visitor, visitor

Updates = dict[Any, Any]  # component → update: what a handler changes, and nothing else
SET_ADDRESS = "query => { history.replaceState(null, '', location.pathname + (query ? '?' + query : '')); }"
SET_TITLE = "title => { document.title = title; }"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What every handler is given first: the choices, and who asks. They may see what the choices name."""

    address: Address
    visitor: Visitor


class Tab:
    """One tab: what of it changes (`outputs`), and what the page asks of every tab. A tab says what it does more of.

    `for_all`: on a Space visitors see it too, as far as its parts are not `Shell.for_owner`.
    """

    outputs: list[Any]
    problem: gr.HTML
    for_all = False
    greet: Callable[[Asked], Updates] | None = None  # asked beside `show` at load: what may take a while

    def show(self, _address: Address) -> Updates:
        """This tab for these choices."""
        return {}

    def show_to_visitor(self, address: Address) -> Updates:
        """The same for somebody who looks on; the choices name only what is open to all."""
        return self.show(address) if self.for_all else {}

    def poll(self, _address: Address, _seen: dict[str, Any]) -> tuple[Updates, bool]:
        """What changed since the last second, and whether something goes on."""
        return {}, False


class Shell:
    """The parts of one page that its tabs share. `address` holds the choices (ui/address.py), `drafts` typed code.

    `for_owner`: parts that only those see who may act here; what a handler makes of them never reaches a visitor.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.for_owner: list[Any] = []
        self.address = _unseen()
        self.title = _unseen(text.TITLE)
        self.drafts = gr.BrowserState({}, storage_key="annotune-code", secret="annotune-code")
        self.may_act = gr.State(False)  # kept by the server: forms drawn from the address ask it, see `drawn_for`
        self.seen = gr.State({})  # what the poller has sent and need not send again
        self.timer = gr.Timer(1, active=False)
        # Which call of `watch` the poller serves, and the last one for which it found nothing live. An answer that is
        # late must not stop a timer that a newer call has started, so only equal values stop it.
        self.watched, self.idle = _unseen(), _unseen()
        # What each drawn form was drawn for: a change draws it anew. They live here, outside of the steps, because a
        # step that is not open yet is not mounted, and nothing in it reports a change (Gradio 6.31).
        self.columns_key, self.roles_key, self.form_key, self.predict_key = (_unseen() for _ in range(4))
        self.title.change(None, self.title, js=SET_TITLE, api_visibility="private")
        self.walkthrough: gr.Walkthrough | None = None
        self.problem = problem_box("page-problem")  # what is wrong with the address as a whole

    def keep_in_address_bar(self) -> None:
        """From now on the address bar follows the choices, so that a reload loses none."""
        self.address.change(None, self.address, js=SET_ADDRESS, api_visibility="private")

    def go(self, address: Address) -> Updates:
        """Make `address` the choices, and show its step."""
        updates: Updates = {self.address: address.query()}
        if self.walkthrough is not None:
            updates[self.walkthrough] = gr.Walkthrough(selected=address.step)
        return updates

    def watch(self) -> Updates:
        """Start polling afresh: something is live."""
        return {self.timer: gr.Timer(1, active=True), self.watched: secrets.token_hex(4), self.seen: {}}

    @property
    def parts(self) -> list[Any]:
        """The components that `go` and `watch` may change."""
        return [
            self.address,
            self.title,
            self.timer,
            self.watched,
            self.seen,
            self.may_act,
            *([self.walkthrough] if self.walkthrough else []),
        ]

    def listen(
        self,
        trigger: Callable[..., Any],
        handler: Callable[..., Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        problem: gr.HTML,
        *,
        for_all: bool = False,
        at_load: bool = False,
        costs: str = "",
        **options: Any,
    ) -> Any:
        """Bind `handler(asked, *inputs) -> {component: update}`. Its errors are shown in `problem`.

        On a Space it answers those only who may act there, unless it is `for_all`: then it answers visitors too, about
        what is open to all. `at_load`: the choices come from the browser's address bar, not from the page. `costs`:
        what of a person's allowance a call takes (engine/limits.py).
        """
        options = {"show_progress": "hidden", "api_visibility": "private"} | options
        outputs = unique([*outputs, *self.parts, problem])
        bound = _bound(handler, self._asked(for_all, at_load, costs), problem, self)
        return trigger(bound, [self.address, self.drafts, *inputs], outputs, **options)

    def drawn_for(self, key: gr.Textbox, draw: Callable[[Address, str], None], *, for_all: bool = False) -> None:
        """Call `draw(address, key)` in the open block whenever `key` changes: parts that differ from choice to choice.

        Gradio tells a drawing nothing of who asks, and address and key come from the browser; so it draws only where a
        handler has found that this person may act, or `for_all` what is open to all and named by the address alone.
        """

        @gr.render(inputs=[self.address, key, self.may_act], triggers=[key.change], show_progress="hidden")
        def drawing(query: str, value: str, may_act: bool) -> None:
            address = Address.parse(query)
            if may_act:
                draw(address, value)
            elif for_all and (public := self._public(address)) == address:
                draw(public, "")

    def _public(self, address: Address) -> Address:
        """What is open to all of the choices: an example and what a model would learn from it, a published run."""
        supervisor = self.context.supervisor
        dataset = address.dataset if supervisor.is_shown_example(address.dataset) else ""
        run = address.run if address.run and supervisor.is_public(address.run) else ""
        roles = {role: name for role, name in address.roles.items() if isinstance(name, str)}
        task = {"task": address.task, "roles": roles, "strategy": address.strategy} if dataset else {}
        return Address(dataset=dataset, run=run, step=min(address.step, 2), **task)

    def _asked(self, for_all: bool, at_load: bool, costs: str) -> Callable[..., Asked]:
        """Reads who asks and what is chosen, and refuses whoever may not."""

        def read(
            request: gr.Request,
            profile: gr.OAuthProfile | None,
            token: gr.OAuthToken | None,
            query: str,
            drafts: dict[str, str],
        ) -> Asked:
            who = visitor(self.context, profile, token, request.client.host if request.client else "")
            address = Address.parse(str(request.query_params) if at_load else query, drafts)
            if not who.may_act:
                public = self._public(address)
                if not for_all or (address.dataset, address.run) != (public.dataset, public.run):
                    who.require()
                address = public
            if costs:
                self.context.limits.spend(costs, who.person)
            return Asked(address, who)

        return read


def _bound(
    handler: Callable[..., Any], asked: Callable[..., Asked], problem: gr.HTML, shell: Shell
) -> Callable[..., Any]:
    """The boundary of the page: nobody passes who may not, and nothing that a handler raises reaches the browser as a
    traceback.

    `handler` returns its updates, or yields them one after the other. Gradio fills the first three arguments by their
    annotations, and names the endpoint after the function.
    """
    streams = inspect.isgeneratorfunction(handler)

    def stream(
        request: gr.Request,
        profile: gr.OAuthProfile | None,
        token: gr.OAuthToken | None,
        query: str,
        drafts: dict[str, str],
        *values: Any,
    ) -> Iterator[Updates]:
        try:
            who = asked(request, profile, token, query, drafts)
            acts = who.visitor.may_act
            fine: Updates = {problem: gr.HTML(visible=False), shell.may_act: acts}
            hidden = {} if acts else dict.fromkeys(shell.for_owner, gr.update(visible=False))
            given = handler(who, *values) if streams else [handler(who, *values) or {}]
            for updates in itertools.chain([{}] if streams else [], given):
                yield fine | {part: hidden.get(part, update) for part, update in updates.items()}
        except Exception as error:
            yield _told(error, problem)

    @functools.wraps(stream)
    def once(*given: Any) -> Updates:
        return next(stream(*given))

    bound = stream if streams else once
    bound.__name__ = re.sub(r"\W+", "_", handler.__qualname__.replace(".<locals>", ""))
    return bound


def _told(error: Exception, problem: gr.HTML) -> Updates:
    """A UserError in its own words; a bug goes to the log with its traceback, and the page says so."""
    if isinstance(error, UserError):
        return {problem: shown(error)}
    logger.error("A handler of the page failed", exc_info=error)
    return {problem: gr.HTML(markup.problem(text.BUG, text.BUG_HINT), visible=True)}


def _unseen(value: str = "") -> gr.Textbox:
    """A value that lives in the page without being seen; its change can trigger something."""
    return gr.Textbox(value, visible="hidden", show_label=False)


def problem_box(elem_id: str) -> gr.HTML:
    """The place of a tab or form where its errors are shown; hidden while there is none."""
    return gr.HTML(visible=False, elem_id=elem_id)


def shown(error: UserError) -> Any:
    return gr.HTML(markup.problem(error.message, error.hint), visible=True)


def unique(components: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(components))


def downloadable(component: gr.File, path: Path) -> str:
    """A file of ours copied to where Gradio serves downloads from; the data folder itself is never served."""
    return save_file_to_cache(path, component.GRADIO_CACHE)
