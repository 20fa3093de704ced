"""The choices in an address bar: they survive a round trip, and nonsense does no harm."""

from ui.address import Address


def test_choices_survive_a_round_trip() -> None:
    address = Address(
        dataset="20261122-120312-6b9c32",
        step=3,
        task="text-classification",
        roles={"text": "text", "label": "topic & more"},
        strategy="majority",
        framework="setfit",
        base="sentence-transformers/all-MiniLM-L6-v2",
        config={"max_pairs": 320, "head_params": {"C": 2.0}},
        split={"train": 0.5, "validation": 0.25, "test": 0.25, "seed": 7},
        run="20261122-120400-000000",
    )
    assert Address.parse(address.query()) == address


def test_code_is_kept_by_the_browser_and_never_in_the_address() -> None:
    address = Address(dataset="d1", code=True, cell="def formatting_func(sample): ...")
    assert "formatting_func" not in address.query()
    assert Address.parse(address.query(), {"d1": address.cell}) == address
    assert Address.parse(address.query() + "&cell=print(1)").cell == ""


def test_id_of_a_single_run_is_its_run() -> None:
    assert Address.parse("id=20261122-120400-000000").run == "20261122-120400-000000"


def test_nonsense_is_left_out() -> None:
    assert Address.parse("step=9&roles={broken&config=[1]&unknown=x&code=yes") == Address()
