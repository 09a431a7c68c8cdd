"""A design that is saved with a run can be read, checked and tested where no other design lies."""

import pytest
from samples import CONFIGS

import shaping
from passk_rlhf.resume import change_of_design, save_design
from shaping.cli import main
from shaping.errors import DesignError
from shaping.proofs.claims import read_claims
from shaping.proofs.decide import decide
from shaping.proofs.written_out import other_design, self_contained

DESIGNS = sorted(CONFIGS.glob("*.yaml"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Each design of the library as a run saves it, in a folder of its own."""
    found = {}
    for path in DESIGNS:
        folder = tmp_path_factory.mktemp(path.stem)
        save_design(folder, self_contained(shaping.load(path)))
        found[path.stem] = folder / "design.yaml"
    return found


def test_every_saved_design_is_the_design_and_can_be_checked(saved, capsys):
    for path in DESIGNS:
        design, again = shaping.load(path), shaping.load(saved[path.stem])
        assert change_of_design(again.resolved, design.resolved) is None, path
        assert self_contained(again) == again.resolved, path  # saved once more, the same
        assert main(["check", str(saved[path.stem]), "--n", "16"]) == 0
    capsys.readouterr()


def test_what_claims_compare_with_is_the_same_design_in_both_places(saved):
    compared = 0
    for path in DESIGNS:
        design, again = shaping.load(path), shaping.load(saved[path.stem])
        for claim, same in zip(read_claims(design), read_claims(again), strict=True):
            if claim.other is None:
                assert same.other is None and claim.text == same.text
                continue
            one, other = other_design(claim.other, design), other_design(same.other, again)
            assert change_of_design(one.resolved, other.resolved) is None or one.name == other.name
            assert one.name == other.name and one.params.keys() == other.params.keys()
            compared += 1
    assert compared > 20


def test_the_claims_of_a_saved_design_are_decided_as_before(saved):
    for name in ("passk", "f_grpo"):
        there, here = shaping.load(CONFIGS / f"{name}.yaml"), shaping.load(saved[name])
        before, after = ([(v.how, v.over) for v in decide(d, read_claims(d), up_to=8)] for d in (there, here))
        assert before == after and "undecided" not in dict(after)


def test_a_claim_that_a_design_written_out_breaks_is_refuted():
    text = "advantage: r - mean(r)\nclaims: [equals: {design: {name: %s, advantage: %s}, groups: 0/1}]"
    for name, advantage, how in (("same", "r - p", "proved"), ("twice", "2 * (r - mean(r))", "refuted")):
        design = shaping.loads(text % (name, advantage))
        (claim,) = read_claims(design)
        assert claim.text == f"equals: {{design: {{name: {name}, ...}}, groups: 0/1}}"
        assert decide(design, [claim], up_to=6)[0].how == how


def test_a_name_that_leads_nowhere_stays_and_does_not_stop_a_run():
    text = "advantage: r - mean(r)\nclaims:\n  - not: {equals: none.yaml}\n  - zero_sum\n"
    design = shaping.loads(text)
    assert self_contained(design) == text
    with pytest.raises(DesignError, match="there is no design 'none.yaml'"):
        other_design(read_claims(design)[0].other, design)


def test_what_derive_writes_loads_and_its_claims_hold(tmp_path, capsys):
    assert main(["derive", "pass_at(k)", "--param", "k=4"]) == 0
    path = tmp_path / "derived.yaml"
    path.write_text(capsys.readouterr().out)
    design = shaping.load(path)
    design.check(16)
    assert all(verdict.passed for verdict in decide(design, read_claims(design), up_to=8))
