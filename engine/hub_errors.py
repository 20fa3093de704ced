"""What the Hub's client raises while something is read, as sentences: for datasets and base models alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.errors import UserError


@dataclass(frozen=True)
class Wanted:
    """What is read: "dataset" or "model", its id, whether somebody is signed in, and what else one could do."""

    kind: str
    repo_id: str
    signed_in: bool
    example: str  # how an id looks
    instead: str  # what works without the Hub
    revision: str | None = None

    @property
    def address(self) -> str:
        return f"huggingface.co/{'datasets/' if self.kind == 'dataset' else ''}{self.repo_id}"


@contextmanager
def hub_errors(wanted: Wanted) -> Iterator[None]:
    """Raise UserError for what the client raises inside. Messages never hold the token."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    what = f"{wanted.kind} {wanted.repo_id}"
    try:
        yield
    except errors.HFValidationError as error:
        raise UserError(
            f"{wanted.repo_id!r} is not the id of a {wanted.kind}.", f"Write it as {wanted.example}."
        ) from error
    except errors.GatedRepoError as error:
        todo = "ask for access there" if wanted.signed_in else "accept its terms there and sign in here"
        raise UserError(
            f"The {what} is gated: its owner grants access person by person.",
            f"Open {wanted.address}, {todo}, then try again.",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(
            f"The {what} has no revision {wanted.revision!r}.", "Leave the revision empty for the newest one."
        ) from error
    except errors.RepositoryNotFoundError as error:
        sign_in = "" if wanted.signed_in else " If it is private, sign in first."
        raise UserError(
            f"There is no {what} on the Hub, or it is private and this account may not see it.",
            f"Check the spelling.{sign_in}",
        ) from error
    except (errors.OfflineModeIsEnabled, httpx.TransportError, errors.LocalEntryNotFoundError) as error:
        raise UserError(
            f"The Hub can't be reached, so the {what} can't be fetched.",
            f"Check the connection (and HF_HUB_OFFLINE), or {wanted.instead}.",
        ) from error
    except errors.HfHubHTTPError as error:
        raise _refused(wanted, error.response.status_code if error.response is not None else None) from error


def _refused(wanted: Wanted, status: int | None) -> UserError:
    if status == 401:
        return UserError("The Hub does not accept this sign-in.", "Sign in again.")
    if status == 403:
        return UserError(f"This sign-in may not read {wanted.repo_id}.", "Sign in again and allow the app to read it.")
    return UserError(
        f"The Hub did not hand out {wanted.repo_id} (HTTP status {status}).",
        "Try again in a minute; if it goes on, look at status.huggingface.co.",
    )
