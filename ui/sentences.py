"""Figures in words: the sentences of the page that hold numbers, names and times. Fixed sentences: ui/text.py."""

import time
from collections.abc import Sequence
from typing import Any

from engine import JobStatus, Role, RunSummary, SuggestedModel
from ui import text


def number(n: float) -> str:
    """1148 → "1,148"."""
    return f"{n:,.0f}"


def plural(n: int, one: str, many: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def duration(seconds: float) -> str:
    """3725 → "1 h 2 min"; 41 → "41 s"."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def clock(seconds: float) -> str:
    """41 → "0:41"."""
    seconds = max(0, round(seconds))
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def ago(then: float, now: float) -> str:
    """A time as a person says it: relative within a day, else the date."""
    seconds = now - then
    if seconds < 60:
        return "just now"
    if seconds < 86_400:
        return f"{seconds // 3600:.0f} h ago" if seconds >= 3600 else f"{duration(seconds)} ago"
    return time.strftime("%-d %b %Y", time.localtime(then))


def elapsed(seconds: float) -> str:
    return f"{clock(seconds)} so far"


def steps(step: int, total: int | None, unit: str) -> str:
    return f"{step:,} of {total:,} {unit}" if total else f"{step:,} {unit}"


def size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{max(n_bytes / 1e6, 0.1):,.1f} MB"


def source(given: dict[str, Any]) -> str:
    """Where a dataset came from, in a few words."""
    kind = given.get("kind")
    if kind == "hub":
        parts = [given.get("id"), given.get("subset"), given.get("split")]
        return "From the Hub: " + " · ".join(str(part) for part in parts if part)
    if kind == "example":
        return "The example that comes with Annotune"
    return f"From the file {given['name']}" if given.get("name") else ""


def detected(found: dict[str, Any]) -> str:
    """What a look at an uploaded file told."""
    parts = [plural(len(found["columns"]), "column")]
    if found.get("rows") is not None:
        parts.append(plural(found["rows"], "row"))
    if found.get("encoding"):
        parts.append(str(found["encoding"]).upper())
    return " · ".join(parts)


def duplicates(records: int, texts: int) -> str:
    return f"{plural(records, 'record')} repeat {plural(texts, 'text')}; equal texts always stay in the same part."


def missing(n: int, field: str) -> str:
    return f"{plural(n, 'record')} without “{field}”."


def unanswered(n: int, question: str) -> str:
    return (
        f"{plural(n, 'record')} without an answer to “{question}”; such records are left out of training, and counted."
    )


def other_answers(statuses: dict[str, int]) -> str:
    return "Not used as answers: " + ", ".join(f"{n:,} {status}" for status, n in statuses.items()) + "."


def field_about(field: dict[str, Any]) -> str:
    words = field.get("median_words")
    kind = str(field.get("type", "text"))
    parts = ["whole number" if "int" in kind else text.COLUMN_TYPES.get(kind, kind)]
    if words:
        parts.append(f"median {plural(round(words), 'word')}")
    if field.get("max_chars"):
        parts.append(f"longest {plural(field['max_chars'], 'character')}")
    return ", ".join(parts)


def missing_cell(field: dict[str, Any] | None) -> str:
    return number(field.get("missing") or 0) if field else ""


def question_about(question: dict[str, Any]) -> str:
    kind = text.QUESTION_TYPES.get(question.get("type", ""), question.get("type", ""))
    labels = [str(label) for label in question.get("classes") or ()]
    shown = ", ".join(labels[:6]) + (" …" if len(labels) > 6 else "")
    parts = [kind + (f" of {len(labels)}: {shown}" if labels else "")]
    per_record = {int(k): v for k, v in (question.get("responses_per_record") or {}).items()}
    if max(per_record, default=0) > 1:
        shares = [f"{n or 'no'} for {records:,}" for n, records in sorted(per_record.items(), reverse=True)]
        parts.append(f"answers: {', '.join(shares)} records")
    if question.get("suggestions"):
        parts.append(f"{question['suggestions']:,} suggestions")
    return "; ".join(parts)


def looks_like(task: str, about: dict[str, Role], roles: dict[str, str]) -> str:
    """It looks like text classification of “topic”."""
    asked = [name for role, name in roles.items() if name and about[role].kind == "question"]
    if asked:
        return text.LOOKS_LIKE.format(task=task.lower(), question=asked[0])
    named = [f"{about[role].label.lower()} “{column(name)}”" for role, name in roles.items() if name]
    return text.LOOKS_LIKE_DATA_FOR.format(task=task.lower(), roles=", ".join(named))


# ---- ② task --------------------------------------------------------------------------------------------------------


def column(chosen: str) -> str:
    """A chosen column, or a template: one that is a column alone is called like it, any other is shortened."""
    words = " ".join(chosen.split())
    if words.startswith("{") and words.endswith("}") and words.count("{") == 1:
        return words[1:-1]
    return words if len(words) <= 60 else words[:59] + "…"


def lacks(roles: Sequence[Role]) -> str:
    """needs a question for “Label”"""
    needed = [text.FOR_ROLE.format(kind=text.ROLE_KINDS[role.kind], role=role.label) for role in roles]
    joined = " and ".join(needed) if not any(role.optional for role in roles) else " or ".join(needed)
    return text.LACKS.format(roles=joined) if needed else text.LACKS_NAMES


def role_info(reason: str, examples: Sequence[str]) -> str:
    shown = ", ".join(f"“{example}”" for example in examples[:2])
    return f"{reason[:1].upper()}{reason[1:]}." + (f" Such as {shown}." if shown else "")


def row_counts(rows: int, records: int, counts: dict[str, int], seed: int) -> str:
    """388 rows from 400 records · 9 ties drawn (seed 42) · …"""
    parts = [f"{plural(rows, 'row')} from {plural(records, 'record')}"]
    if counts.get("ties"):
        parts.append(f"{plural(counts['ties'], 'tie')} drawn by lot (seed {seed})")
    if counts.get("no labels"):
        parts.append(f"{plural(counts['no labels'], 'row')} with no labels")
    told = ("ties", "no labels", "duplicates")  # duplicates are among the records left out
    parts += [f"{n:,} {name}" for name, n in counts.items() if n and name not in told]
    return " · ".join(parts)


def left_out(reason: str, n: int, records: Sequence[str] = ()) -> str:
    """12 records: unanswered (msg-0004, msg-0031, … )"""
    more = ", …" if n > len(records) else ""
    named = f" ({', '.join(records)}{more})" if records else ""
    return f"{plural(n, 'record')}: {reason}{named}"


def tokens(n: int | None, cut_at: int | None) -> str:
    """31; or, where the model does not read to the end: 312, cut after 1,021 characters."""
    if n is None:
        return ""
    return f"{n:,}" if cut_at is None else f"{n:,}, cut after {cut_at:,} characters"


def left_out_in_all(reasons: dict[str, int]) -> str:
    return f"{plural(sum(reasons.values()), 'record')} left out"


def cell_counts(records: int, counts: dict[str, int]) -> str:
    """What the code made of the first records."""
    words = {"returned": "gave rows", "none": "gave none", "several": "gave several", "wrong type": "gave no valid row"}
    parts = [f"{n:,} {words.get(name, name)}" for name, n in counts.items()]
    return f"Of the first {plural(records, 'record')}: " + ", ".join(parts) + "."


# ---- ③ train -------------------------------------------------------------------------------------------------------


def base_model(model: SuggestedModel, here: bool) -> str:
    """all-MiniLM-L6-v2 (91 MB); or, where it is not on this machine: 331 MB to download: distilroberta-base"""
    if not model.size_mb:
        return model.id
    return f"{model.id} ({model.size_mb:,} MB)" if here else f"{model.size_mb:,} MB to download: {model.id}"


def fetch(size_mb: int) -> str:
    return f"{text.FETCH} ({size_mb:,} MB)" if size_mb else text.FETCH


def run_choice(run: RunSummary, task: str, now: float) -> str:
    """A finished run, to choose among them."""
    return f"{task}: {run.title}, {ago(run.created, now)}"


def keys_known(names: Sequence[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} known here."


def base_note(model: SuggestedModel) -> str:
    """When to take it, its size, and whether it has to be downloaded."""
    where = "on this machine" if model.embedded else "a download"
    return f"{model.note} {model.size_mb:,} MB, {where}." if model.size_mb else model.note


def not_installed(label: str, packages: Sequence[str]) -> str:
    return f"{label} is not installed here: {', '.join(packages)} is missing."


def plan(framework: str, base: str, columns: Sequence[str]) -> str:
    """What is about to happen, in one line."""
    learned = " → ".join(columns)
    return f"{framework} from {base}" + (f", learning {learned}." if learned else ", learning from your code’s rows.")


def run_title(framework: str, target: str) -> str:
    return f"{framework} · {target}" if target else framework


def ready(sizes: Sequence[int] | None, seconds: float | None) -> str:
    """Ready · about 2 min here · 272 training, 38 validation, 78 test rows"""
    parts = ["Ready"]
    if seconds:
        parts.append(f"about {duration(seconds)} here")
    if sizes:
        parts.append("{:,} training, {:,} validation, {:,} test rows".format(*sizes))
    return " · ".join(parts)


def not_ready(reasons: Sequence[str]) -> str:
    return "Not ready: " + " ".join(reasons)


def fetching(status: JobStatus) -> str:
    """How the download of a base model, or of a framework's own packages, goes."""
    if status.stage == "installing":
        return f"Installing the packages that this choice needs: {steps(status.step, status.total, 'done')}."
    if status.total:
        return f"Downloading the base model: {size(status.step)} of {size(status.total)}{_left(status)}."
    return f"Downloading the base model, {elapsed(status.elapsed)}."


# ---- a run at work --------------------------------------------------------------------------------------------------


def started(then: float, now: float, by: str) -> str:
    return f"started {ago(then, now)}" + (f" by {by}" if by else "")


def stage(status: JobStatus) -> str:
    if status.ahead:
        return text.QUEUED.format(runs=plural(status.ahead, "run"))
    return text.STAGES.get(status.stage, status.stage.capitalize() or "Starting") + " …"


def running(status: JobStatus) -> str:
    """epoch 1.2 · step 214 of 388 · 0:41 left"""
    if status.ahead:
        return ""
    parts = [f"epoch {status.epoch:.2g}"] if status.epoch else []
    if status.total:
        parts.append(f"step {status.step:,} of {status.total:,}")
    parts.append(f"{clock(status.eta_seconds)} left" if status.eta_seconds else elapsed(status.elapsed))
    return " · ".join(parts)


def _left(status: JobStatus) -> str:
    return f", {clock(status.eta_seconds)} left" if status.eta_seconds else ""


def took(seconds: float) -> str:
    return f"Finished in {duration(seconds)}."


def tab_title(status: JobStatus) -> str:
    if status.live:
        share = f"{percent(status.fraction)} " if status.fraction is not None and status.stage == "training" else "… "
        return f"{share}· {text.TITLE}"
    return f"{'✓' if status.state == 'finished' else '✗'} {text.TITLE}"


# ---- ④ try it --------------------------------------------------------------------------------------------------------


def annotators_said(labels: Sequence[str] | str) -> str:
    shown = [labels] if isinstance(labels, str) else labels
    return "Annotators said: " + (", ".join(shown) or text.NO_LABELS) + "."


def labels_chosen(labels: Sequence[str], threshold: float) -> str:
    return f"From {threshold:.2f} on: " + (", ".join(labels) or text.NO_LABELS) + "."


def score(value: float | None) -> str:
    """0.8312 → "0.83"; -12.418 → "-12.4"."""
    return "" if value is None else f"{value:.2f}" if abs(value) < 10 else f"{value:,.1f}"


def sure(value: float | None) -> str:
    return "" if value is None else f"score {value:.2f}"


def preferred(share: float) -> str:
    """Which of two texts a reward model prefers, by how much. `share`: the chance that it is the first."""
    if round(share, 2) == 0.5:
        return "A and B are worth the same to it."
    name, chance = ("A", share) if share > 0.5 else ("B", 1 - share)
    return f"It prefers {name}, with a chance of {percent(chance)}."


def rows_predicted(rows: int | None) -> str:
    return f"Done: {plural(rows, 'row')}." if rows is not None else "Done."


# ---- ⑤ publish, and who you are --------------------------------------------------------------------------------------


def publishes_as(name: str, sign_in: bool) -> str:
    """Whose account a push goes to, or how to get one."""
    if name:
        return f"It goes to the account of {name}; nothing else there is touched."
    return f"{text.NO_ACCOUNT} {no_account_hint(sign_in)}"


def no_account_hint(sign_in: bool) -> str:
    if sign_in:
        return "Use “Sign in with Hugging Face” at the top of the page; the model is kept."
    return "Run “hf auth login” or set HF_TOKEN on this machine, then start Annotune again; the model is kept."


def repo_id(account: str, name: str) -> str:
    return f"{account}/{name}" if account else name
