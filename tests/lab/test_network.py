"""Networks beside each other, with the program that makes them played."""

import secrets

import pytest

from lab.chaos import network


@pytest.fixture
def bridges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the bridges there are; another of the same name is refused as the kernel does it."""
    there: list[str] = []

    def ip(*words: str) -> None:
        match words:
            case ("link", "add", name, "type", "bridge") if name in there:
                raise network._Taken(f"RTNETLINK answers: File exists: {name}")
            case ("link", "add", name, "type", "bridge"):
                there.append(name)

    monkeypatch.setattr(network, "_ip", ip)
    return there


def test_a_network_whose_name_is_taken_gets_another(
    bridges: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a bridge that was deleted is still there for a while, or is another process's."""
    numbers = iter([7, 7, 7, 8])
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(numbers))
    with network.network("a") as one, network.network("a") as other:
        assert (one.tag, other.tag) == ("sc7", "sc8")
        assert one.address != other.address
    assert bridges == ["sc7", "sc8"]


@pytest.mark.usefixtures("bridges")
def test_where_every_name_is_taken_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not draw numbers for ever."""
    monkeypatch.setattr(secrets, "randbelow", lambda _: 7)
    with network.network(), pytest.raises(RuntimeError, match="each is taken"), network.network():
        pass


def test_addresses_are_all_below_one_prefix() -> None:
    """The first number and the last."""
    first, last = network.Network(("a",), 0), network.Network(("a",), network.NUMBERS - 1)
    assert (first.address, last.address_of("a")) == ("10.200.0.1", "10.249.249.2")
    assert len(f"{last._space('probe')}") <= 15, "the kernel takes no longer name of a link"
