"""Builds question_pairs.csv from QUESTIONS: `python examples/question_pairs/build.py [FOLDER]` (default: this folder).

The questions, to a town library that doesn't exist, were written by a language model for Annotune. Three simulated
people (seeded) say how alike two questions are; the column similarity is the mean of what they said, 0 to 4.
"""

import csv
import itertools
import random
import sys
from pathlib import Path

SEED = 20261122
HERE = Path(__file__).resolve().parent
PAIRS_OF_A_KIND = {"same": 36, "near": 30, "topic": 28, "other": 30}
INTENDED = {"same": 3.9, "near": 2.2, "topic": 1.2, "other": 0.1}
RATERS = (0.15, 0.25, 0.3)  # how often each one is a step away

# Topic → what is wanted → ways to ask it. Two neighbours in a topic are nearer to each other than the rest of it.
QUESTIONS = {
    "loans": {
        "renew": (
            "Can I keep my books for another three weeks?",
            "How do I renew what I have borrowed?",
            "I'm not done with my novel, is there a way to extend the loan?",
        ),
        "renewals left": (
            "How many times can I renew the same book?",
            "Is there a limit to extending a loan?",
            "I have renewed this twice already, may I do it again?",
        ),
        "limit": (
            "How many books can I take home at once?",
            "What is the largest number of items on one card?",
            "Is there a maximum of things I can borrow?",
        ),
        "return elsewhere": (
            "May I bring a book back to another branch than the one I got it from?",
            "I borrowed in the harbour branch, can I return it in the main building?",
            "Do all branches take back all books?",
        ),
    },
    "fees": {
        "late": (
            "What do you charge when a book is late?",
            "How much is the fine per day?",
            "I forgot my due date, what will it cost me?",
        ),
        "lost": (
            "I lost a book, what do I have to pay?",
            "My dog ate one of your cookbooks. What now?",
            "What happens if something I borrowed is gone for good?",
        ),
        "pay online": (
            "Can I pay my fees by card on the website?",
            "Is it possible to settle what I owe without coming in?",
            "Where do I pay a fine online?",
        ),
    },
    "card": {
        "get": (
            "How do I become a member?",
            "What do I need to bring to get a library card?",
            "I just moved here and would like to join.",
        ),
        "child": (
            "Can my daughter of six have her own card?",
            "From what age do children get a card?",
            "Do I have to sign for my son's membership?",
        ),
        "lost card": (
            "I can't find my card any more, how do I get a new one?",
            "Someone stole my wallet with the library card in it.",
            "Please replace my lost membership card.",
        ),
        "PIN": (
            "I forgot the PIN of my account.",
            "How can I reset my password for the catalogue?",
            "The website says my PIN is wrong.",
        ),
    },
    "rooms": {
        "book a room": (
            "Can our reading circle reserve a room on Thursdays?",
            "How do I book one of the study rooms?",
            "Is there a space for a group of eight to meet?",
        ),
        "quiet": (
            "Where can I work without noise?",
            "Is there a silent floor for studying?",
            "The children's corner is loud; is there somewhere quiet?",
        ),
        "food": (
            "May I eat my lunch in the reading room?",
            "Is coffee allowed at the desks?",
            "Can we bring cake to the meeting room?",
        ),
    },
    "machines": {
        "print": (
            "Can I print from my phone?",
            "What does a page in colour cost at the printer?",
            "How do I print my thesis at your place?",
        ),
        "scan": (
            "Do you have a scanner I can use?",
            "I need to scan a few letters, is that free?",
            "Where can I digitise old photographs?",
        ),
        "wifi": (
            "What is the password of the Wi-Fi?",
            "My laptop doesn't get onto your network.",
            "Is there free internet in the building?",
        ),
    },
    "hours": {
        "sunday": (
            "Are you open on Sundays?",
            "Can I come in at the weekend?",
            "Is the library closed on a Sunday afternoon?",
        ),
        "holiday": (
            "What are the opening times around New Year?",
            "Do you close for Easter?",
            "Are there special hours on public holidays?",
        ),
        "night return": (
            "Can I drop books off when you are closed?",
            "Is there a letterbox for returns at night?",
            "How do I give something back after eight in the evening?",
        ),
    },
    "digital": {
        "e-books": (
            "How do I read e-books with my card?",
            "Can I borrow novels on my tablet?",
            "Which app do I need for digital loans?",
        ),
        "films": (
            "Can I stream films with my membership?",
            "Do you lend documentaries online?",
            "Is there a video service for members?",
        ),
        "e-book waiting": (
            "Why do I have to wait for an e-book?",
            "The digital copy is said to be taken; how can that be?",
            "How long is the queue for an online novel?",
        ),
    },
}


def asked() -> list[tuple[str, str, int, str]]:
    """(topic, want, place of the want in its topic, question) of all questions."""
    return [
        (topic, want, place, question)
        for topic, wants in QUESTIONS.items()
        for place, (want, questions) in enumerate(wants.items())
        for question in questions
    ]


def kind_of(one: tuple[str, str, int, str], other: tuple[str, str, int, str]) -> str:
    """How two questions are related: a key of INTENDED."""
    if one[0] != other[0]:
        return "other"
    if one[1] == other[1]:
        return "same"
    return "near" if abs(one[2] - other[2]) == 1 else "topic"


def rating(kind: str, rng: random.Random) -> float:
    """The mean of what three people said, 0 to 4."""
    said = []
    for unsure in RATERS:
        step = rng.choice((-1, 1)) if rng.random() < unsure else 0
        said.append(min(4, max(0, round(rng.gauss(INTENDED[kind], 0.35)) + step)))
    return round(sum(said) / len(said), 2)


def main(folder: Path) -> None:
    """Write question_pairs.csv into `folder`."""
    rng = random.Random(SEED)
    by_kind: dict[str, list[tuple[str, str]]] = {kind: [] for kind in INTENDED}
    for one, other in itertools.combinations(asked(), 2):
        by_kind[kind_of(one, other)].append((one[3], other[3]))
    rows = []
    for kind, n in PAIRS_OF_A_KIND.items():
        for pair in rng.sample(by_kind[kind], n):
            rows.append((*rng.sample(pair, 2), rating(kind, rng)))
    rng.shuffle(rows)
    with (folder / "question_pairs.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("question1", "question2", "similarity"), *rows])
    print(f"{len(rows)} pairs written to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
