"""A policy says who must cosign, and is read as C2SP tlog-policy writes it."""

from __future__ import annotations

import itertools

import pytest

from audit.ledger.errors import PolicyMalformed
from audit.ledger.note import VerifierKey, format_verifier_key, make_signing_key
from audit.ledger.policy import Policy, Standing, format_policy, parse_policy, weigh


def log_key(name: str) -> VerifierKey:
    return make_signing_key(name=name, seed=name.encode().ljust(32, b".")).key


def witness_key(name: str) -> VerifierKey:
    return make_signing_key(name=name, seed=name.encode().ljust(32, b".")).as_cosigner().key


def witness(name: str, url: str = "") -> str:
    return f"witness {name} {format_verifier_key(witness_key(name))} {url}".rstrip()


def log(name: str) -> str:
    return f"log {format_verifier_key(log_key(name))}"


def policy(*lines: str) -> Policy:
    return parse_policy("".join(f"{line}\n" for line in lines).encode())


TWO_LEVELS = [
    log("log.example"),
    *(witness(name) for name in ("X1", "X2", "X3")),
    "group X 2 X1 X2 X3",
    *(witness(name) for name in ("Y1", "Y2", "Y3")),
    "group Y any Y1 Y2 Y3",
    "group both all X Y",
    "quorum both",
]


def test_a_quorum_of_two_levels_is_reached_by_exactly_the_right_sets() -> None:
    found = policy(*TWO_LEVELS)
    names = [each.name for each in found.witnesses]

    for count in range(len(names) + 1):
        for chosen in itertools.combinations(names, count):
            of_x = sum(name.startswith("X") for name in chosen)
            expected = of_x >= 2 and count > of_x

            standing = weigh(found, [witness_key(name) for name in chosen])

            assert Standing(is_met=expected, cosigned=count, witnesses=6) == standing


def test_it_reads_as_2_of_3() -> None:
    found = policy(witness("A"), witness("B"), witness("C"), "group g 2 A B C", "quorum g")

    standing = weigh(found, [witness_key("A"), witness_key("C")])

    assert (str(standing), standing.is_met) == ("2 of 3", True)


def test_a_key_that_the_policy_does_not_know_counts_for_nothing() -> None:
    found = policy(witness("A"), "quorum A")

    standing = weigh(found, [witness_key("Mallory"), log_key("A")])

    assert Standing(is_met=False, cosigned=0, witnesses=1) == standing


def test_a_witness_outside_the_quorum_is_not_counted() -> None:
    found = policy(witness("A"), witness("B"), "quorum A")

    assert str(weigh(found, [witness_key("B")])) == "0 of 1"


def test_no_quorum_is_always_met() -> None:
    assert weigh(policy(witness("A"), "quorum none"), []).is_met


def test_logs_and_addresses_are_kept() -> None:
    found = policy(log("log.example"), witness("A", "https://a.example/w"), "quorum A")

    assert [log_key("log.example")] == [each.key for each in found.logs]
    assert [each.url for each in found.witnesses] == ["https://a.example/w"]


def test_blanks_comments_and_empty_lines_mean_nothing() -> None:
    plain = policy(witness("A"), "quorum A")

    assert policy("# all", "", " \t", "\t" + witness("A") + "  ", "  # x", "quorum \t A ") == plain


def test_what_is_written_is_read_again() -> None:
    found = policy(*TWO_LEVELS)

    assert parse_policy(format_policy(found)) == found


def test_names_that_are_no_utf8_come_out_as_they_went_in() -> None:
    data = witness("A").replace("witness A", "witness N").encode().replace(b" N ", b" \xff\xfe ")

    found = parse_policy(data + b"\nquorum \xff\xfe\n")

    assert format_policy(found) == data + b"\nquorum \xff\xfe\n"


def test_a_name_of_another_alphabet_is_another_name() -> None:
    with pytest.raises(PolicyMalformed, match="not defined"):
        policy(witness("K"), "quorum \u212a")


def test_a_space_of_unicode_separates_nothing() -> None:
    with pytest.raises(PolicyMalformed, match="line 1"):
        policy(witness("A").replace(" ", "\u00a0"), "quorum none")


A, B = witness("A"), witness("B")
SAME_KEY = f"witness C {format_verifier_key(witness_key('A'))}"


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        ([A], 0, "no quorum"),
        ([A, "quorum A", "quorum A"], 3, "second quorum"),
        (["quorum A", A], 1, "not defined"),
        (["quorum"], 1, "neither"),
        (["quorum A B"], 1, "neither"),
        (["something else"], 1, "neither"),
        ([A, A, "quorum A"], 2, "stands above"),
        ([A, SAME_KEY, "quorum A"], 2, "stands above"),
        ([log("l"), log("l"), "quorum none"], 2, "stands above"),
        ([A, B.replace("witness B", "witness A"), "quorum A"], 2, "defined already"),
        ([A.replace("witness A", "witness none"), "quorum none"], 1, "defined already"),
        ([A, "group g any none", "quorum g"], 2, "no witness"),
        ([A, "group g any g", "quorum g"], 2, "no witness"),
        ([A, "group g any B", B, "quorum g"], 2, "no witness"),
        ([A, "group g any", "quorum g"], 2, "neither"),
        ([A, "group g any A A", "quorum g"], 2, "twice"),
        ([A, "group g any A", "group h any A", "quorum g"], 3, "twice"),
        ([A, B, "group g 3 A B", "quorum g"], 3, "from 1 to 2"),
        ([A, "group g 0 A", "quorum g"], 2, "from 1 to 1"),
        ([A, "group g 01 A", "quorum g"], 2, "from 1 to 1"),
        ([A, "group g +1 A", "quorum g"], 2, "from 1 to 1"),
        ([A, "group g -1 A", "quorum g"], 2, "from 1 to 1"),
        ([A, "group g most A", "quorum g"], 2, "from 1 to 1"),
        ([A, "group A any A", "quorum A"], 2, "defined already"),
        (["witness A " + log("A").split()[1], "quorum A"], 1, "algorithm 1"),
        (["log " + A.split()[2], "quorum none"], 1, "algorithm 4"),
        (["log garbage", "quorum none"], 1, "no key"),
        ([A + " url more", "quorum A"], 1, "neither"),
        ([A + "\r", "quorum A"], 1, "control"),
        (["# \x00", "quorum none"], 1, "control"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_its_line(
    lines: list[str], line: int, reason: str
) -> None:
    with pytest.raises(PolicyMalformed, match=reason) as refused:
        policy(*lines)

    assert line == refused.value.line


def test_32_of_each_are_read() -> None:
    names = [f"w{number}" for number in range(32)]
    groups = [f"group g{number} any {name}" for number, name in enumerate(names)]

    found = policy(
        *(log(f"l{number}") for number in range(32)),
        *map(witness, names),
        *groups,
        "group all 32 " + " ".join(f"g{number}" for number in range(32)),
        "quorum all",
    )

    assert weigh(found, map(witness_key, names)).is_met
    assert not weigh(found, map(witness_key, names[1:])).is_met


def test_a_file_that_never_ends_is_refused() -> None:
    with pytest.raises(PolicyMalformed, match="longer"):
        parse_policy(b"#" * 1_000_001)
