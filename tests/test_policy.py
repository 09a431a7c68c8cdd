"""The bundled policy loads like any other model, speaks the maze's alphabet, and is right about one time in three."""

import importlib.util
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from passk_rlhf.metrics import pass_at_k
from passk_rlhf.tasks import evaluate
from passk_rlhf.tasks import maze as task

ROOT = Path(task.__file__).parents[2]
FOLDER = ROOT / "passk_rlhf" / "tasks" / "maze_policy"


def load_script():
    spec = importlib.util.spec_from_file_location("make_policy", ROOT / "scripts" / "make_policy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load_script()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """A model this small gains nothing from a second thread, and waits for it when the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def unseen():
    """64 mazes that neither the warm-up nor the measurement in the README has used."""
    kind = {"size": task.POLICY_SIZE, "openings": task.POLICY_OPENINGS}
    seen = task.draw_distinct(**kind, **task.POLICY_WARM_UP)
    measured = task.draw_distinct(**kind, exclude=seen, **script.HELD_OUT)
    return task.draw_distinct(**kind, count=64, seed=7, exclude=seen + measured)


@pytest.fixture(scope="module")
def answers(model, tokenizer, unseen):
    torch.manual_seed(0)
    return evaluate.sample(model, tokenizer, unseen, 8)


# ---------------------------------------------------------------- the folder


def test_the_folder_is_under_four_megabytes_and_complete():
    names = {file.name for file in FOLDER.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"} <= names
    size = sum(file.stat().st_size for file in FOLDER.iterdir())
    assert 1_000_000 < size < 4_000_000


def test_the_readme_speaks_of_the_mazes_the_data_command_draws_by_default():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"{task.POLICY_SIZE} x {task.POLICY_SIZE} maze" in readme
    assert f"(openings {task.POLICY_OPENINGS})" in readme
    assert f"{script.STEPS} steps of {script.BATCH}" in readme


def test_the_policy_is_a_small_llama_whose_ends_are_the_tokenizer_s(model, tokenizer):
    assert model.config.model_type == "llama"
    assert model.config.vocab_size == len(tokenizer) == 12
    assert (model.config.eos_token_id, model.config.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("</s>", "<pad>")
    assert tokenizer.eos_token_id != tokenizer.pad_token_id


def test_prompt_and_the_longest_shortest_path_fit():
    snake = "*******/*S....*/*****.*/*.....*/*.*****/*....E*/*******"
    assert task.shortest_path(snake) == "RRRRDDLLLLDDRRRR"  # 16 moves, and no 7 x 7 maze needs more: 9 cells
    assert evaluate.MAX_ANSWER > 16
    assert len(task.policy_prompt(snake)) + evaluate.MAX_ANSWER <= script.CONTEXT


# ---------------------------------------------------------------- the alphabet


def test_every_token_survives_encode_and_decode_alone_and_in_a_text(tokenizer):
    for token, number in tokenizer.get_vocab().items():
        assert tokenizer(token, add_special_tokens=False)["input_ids"] == [number]
        assert tokenizer.decode([number], skip_special_tokens=False) == token
    text = task.policy_prompt("*****/*S..*/***.*/*E..*/*****") + "LRUD</s><pad>"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"], skip_special_tokens=False) == text


@pytest.mark.parametrize("add_special_tokens", [False, True])
def test_nothing_is_added_to_a_prompt(tokenizer, add_special_tokens):
    prompt = task.policy_prompt("*****/*S..*/***.*/*E..*/*****")
    numbers = tokenizer(prompt, add_special_tokens=add_special_tokens)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(numbers) == list(prompt)


def test_a_batch_is_padded_on_the_left_so_that_moves_follow_the_prompt(tokenizer):
    short, long = tokenizer(["S>", "*SE>"], padding=True)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(short) == ["<pad>", "<pad>", "S", ">"]
    assert len(long) == 4


def test_a_character_outside_the_alphabet_is_an_error_not_a_gap(tokenizer):
    with pytest.raises(Exception, match="UNK"):
        tokenizer("*S\nE*")


def test_special_tokens_hold_no_move_for_the_verifier(tokenizer):
    assert not set("LRUD") & set("".join(tokenizer.all_special_tokens))
    assert task.answer_in("R" + "".join(tokenizer.all_special_tokens)) == "R"


# ---------------------------------------------------------------- the answers


def test_sampled_answers_are_moves_and_end_by_themselves(answers):
    flat = [answer for group in answers for answer in group]
    assert len(flat) == 512
    ended = [answer.partition("</s>") for answer in flat if "</s>" in answer]
    assert len(ended) > 0.95 * 512
    assert sum(bool(moves) and set(moves) <= set("LRUD") for moves, _, _ in ended) > 0.95 * 512
    assert all(after.replace("<pad>", "") == "" for _, _, after in ended)


def test_greedy_answers_are_moves_and_some_are_right(model, tokenizer, unseen):
    unseen = unseen[:32]
    prompt_BT = tokenizer([task.policy_prompt(maze) for maze in unseen], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        token_BT = model.generate(
            input_ids=prompt_BT,
            attention_mask=torch.ones_like(prompt_BT),
            do_sample=False,
            max_new_tokens=evaluate.MAX_ANSWER,
        )
    greedy = tokenizer.batch_decode(token_BT[:, prompt_BT.shape[1] :], skip_special_tokens=True)
    assert sum(bool(answer) and set(answer) <= set("LRUD") for answer in greedy) > 0.95 * 32
    assert 0.15 < sum(map(task.correct, greedy, unseen)) / 32 < 0.7


def test_one_try_solves_about_a_third_and_eight_tries_far_more_but_not_all(answers, unseen):
    # 64 mazes whose rates spread by about 0.3 make Pass@1 uncertain by 0.3 / 8 = 0.04
    verdict_PN = evaluate.verdicts(unseen, answers)
    assert verdict_PN.shape == (64, 8)
    assert 0.15 < pass_at_k(verdict_PN, 1).mean() < 0.5
    assert pass_at_k(verdict_PN, 1).mean() + 0.2 < pass_at_k(verdict_PN, 8).mean() < 0.9


def test_the_answers_to_one_maze_differ_and_many_groups_disagree(answers, unseen):
    assert sum(len(set(group)) for group in answers) / 64 > 3
    right_P = evaluate.verdicts(unseen, answers).sum(dim=1)
    assert ((right_P > 0) & (right_P < 8)).float().mean() > 0.4


def test_the_weights_matter_a_fresh_model_of_the_same_shape_solves_next_to_nothing(tokenizer, unseen):
    torch.manual_seed(0)
    fresh = script.make_model(tokenizer)
    verdict_PN = evaluate.verdicts(unseen[:16], evaluate.sample(fresh, tokenizer, unseen[:16], 4))
    assert pass_at_k(verdict_PN, 1).mean() < 0.05


# ---------------------------------------------------------------- the script


def test_the_bundled_tokenizer_is_the_one_the_script_makes(tokenizer):
    assert script.make_tokenizer().get_vocab() == tokenizer.get_vocab()


def test_three_of_twenty_moves_of_a_demonstration_differ_from_the_shortest_path():
    # a slip of 1 in 5, and one slip in four draws the right move: 0.2 * 3/4
    rng = random.Random(0)
    snake = "*******/*S....*/*****.*/*.....*/*.*****/*....E*/*******"
    path = task.shortest_path(snake)
    demonstrations = [script.demonstration(snake, rng) for _ in range(2000)]
    assert {len(shown) for shown in demonstrations} == {len(path)}
    slips = sum(a != b for shown in demonstrations for a, b in zip(shown, path, strict=True))
    assert slips / (2000 * len(path)) == pytest.approx(0.15, abs=0.01)


def test_the_loss_is_on_the_demonstration_and_the_end_alone(tokenizer, monkeypatch):
    monkeypatch.setattr(script, "SLIP", 0)
    mazes = ["*****/*S..*/***.*/*E..*/*****", "*****/*SE.*/*.*.*/*...*/*****"]
    token_BT, label_BT = script.examples(tokenizer, mazes, random.Random(0))
    learnt = [tokenizer.convert_ids_to_tokens(row[row != -100]) for row in label_BT]
    assert learnt == [[*"RRDDLL", "</s>"], ["R", "</s>"]]
    assert torch.equal(token_BT[label_BT != -100], label_BT[label_BT != -100])
    assert tokenizer.decode(token_BT[1]) == mazes[1] + ">R</s>" + "<pad>" * 5
