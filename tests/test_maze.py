"""Mazes are what they claim to be, and the verifier says 1 for a way from S to E and for nothing else."""

import ast
import asyncio
import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from passk_rlhf.tasks import maze as task

FILE = Path(task.__file__)
REVERSED = str.maketrans("LRUD", "RLDU")

# One path, right then down, seen from S: row 1, column 1.
CORNER = """\
*****
*S..*
***.*
*E..*
*****"""

# A ring: two paths of four moves.
RING = """\
*****
*S..*
*.*.*
*..E*
*****"""


def law(**strategies):
    """Hypothesis without a time limit for each example: a loaded machine is no refutation."""
    return lambda test: settings(deadline=None)(given(**strategies)(test))


sizes = st.sampled_from([5, 7, 9, 11])
seeds = st.integers(0, 10**6)


def free_squares(maze):
    return {(y, x) for y, row in enumerate(maze.split("\n")) for x, what in enumerate(row) if what != "*"}


def cells_and_passages(maze):
    """Cells at two odd coordinates, passages at one odd and one even."""
    free = free_squares(maze)
    cells = {square for square in free if square[0] % 2 and square[1] % 2}
    return cells, free - cells


def simple_paths(maze):
    """Every path from S to E that enters no square twice, by brute force."""
    grid = maze.split("\n")
    free = free_squares(maze)
    start = next((y, x) for y, x in free if grid[y][x] == "S")
    found, stack = [], [(start, "", {start})]
    while stack:
        (y, x), moves, been = stack.pop()
        if grid[y][x] == "E":
            found.append(moves)
            continue
        for move, there in {"L": (y, x - 1), "R": (y, x + 1), "U": (y - 1, x), "D": (y + 1, x)}.items():
            if there in free - been:
                stack.append((there, moves + move, been | {there}))
    return found


def reachable(maze):
    free = free_squares(maze)
    todo = [min(free)]
    been = set(todo)
    for y, x in todo:
        for there in ({(y, x - 1), (y, x + 1), (y - 1, x), (y + 1, x)} & free) - been:
            been.add(there)
            todo.append(there)
    return been


# ---------------------------------------------------------------- drawing


@law(size=sizes, seed=seeds)
def test_a_perfect_maze_is_a_spanning_tree_of_its_cells(size, seed):
    maze = task.draw(size, random.Random(seed))
    cells, passages = cells_and_passages(maze)
    n_cells = ((size - 1) // 2) ** 2
    assert len(cells) == n_cells
    assert len(passages) == n_cells - 1  # a tree: connected, with one edge fewer than nodes
    assert reachable(maze) == free_squares(maze)
    assert all(0 < y < size - 1 and 0 < x < size - 1 for y, x in cells | passages)
    assert not any(y % 2 == x % 2 == 0 for y, x in passages)


@law(size=sizes, seed=seeds)
def test_a_perfect_maze_has_exactly_one_path_and_it_is_the_shortest(size, seed):
    maze = task.draw(size, random.Random(seed))
    assert simple_paths(maze) == [task.shortest_path(maze)]


@law(size=sizes, seed=seeds, openings=st.floats(0, 1))
def test_s_and_e_stand_once_each_on_two_cells(size, seed, openings):
    maze = task.draw(size, random.Random(seed), openings=openings)
    assert maze.count("S") == maze.count("E") == 1
    grid = maze.split("\n")
    marked = {(y, x) for y, x in free_squares(maze) if grid[y][x] in "SE"}
    assert marked <= cells_and_passages(maze)[0]
    assert len(grid) == size and {len(row) for row in grid} == {size}


def test_with_openings_1_every_wall_between_two_cells_is_gone():
    # 3 x 3 cells have 2 * 3 * 2 = 12 pairs of neighbours; the 4 pillars between them stay.
    maze = task.draw(7, random.Random(0), openings=1)
    cells, passages = cells_and_passages(maze)
    assert (len(cells), len(passages)) == (9, 12)
    assert all(maze.split("\n")[y][x] == "*" for y in (2, 4) for x in (2, 4))


def test_an_opening_of_a_quarter_takes_one_wall_in_four():
    # 7 x 7: 12 neighbours less the tree's 8 leave 4 walls, so 1 falls on average; sd 0.87 / sqrt(2000) = 0.02
    rng = random.Random(5)
    fallen = [len(cells_and_passages(task.draw(7, rng, openings=0.25))[1]) - 8 for _ in range(2000)]
    assert sum(fallen) / 2000 == pytest.approx(1, abs=0.1)
    assert set(fallen) == {0, 1, 2, 3, 4}


def test_openings_make_loops_so_there_is_more_than_one_path():
    mazes = [task.draw(9, random.Random(seed), openings=0.5) for seed in range(20)]
    assert sum(len(simple_paths(maze)) > 1 for maze in mazes) > 10
    assert all(reachable(maze) == free_squares(maze) for maze in mazes)


def test_every_perfect_maze_of_size_5_is_drawn_about_equally_often():
    # 2 x 2 cells: 4 trees (leave out one of 4 edges), 4 * 3 places for S and E: 48 mazes.
    rng = random.Random(0)
    drawn = [task.draw(5, rng) for _ in range(4800)]
    often = [drawn.count(maze) for maze in set(drawn)]
    assert len(often) == 48
    # 100 each on average, sd 10; 5 sd either way
    assert all(50 < times < 150 for times in often)


@pytest.mark.parametrize("size, trees", [(5, 4), (7, 192), (9, 100352), (11, 557568000)])  # OEIS A007341
def test_the_number_of_mazes_is_trees_times_places(size, trees):
    n_cells = ((size - 1) // 2) ** 2
    assert task.count_mazes(size) == trees * n_cells * (n_cells - 1)


@pytest.mark.parametrize("n, size", [(2, 5), (3, 7)])
def test_the_number_of_mazes_with_loops_is_found_again_by_trying_every_set_of_passages(n, size):
    cells = [(y, x) for y in range(n) for x in range(n)]
    edges = [(a, b) for a in cells for b in cells if b in ((a[0] + 1, a[1]), (a[0], a[1] + 1))]
    layouts = 0
    for chosen in itertools.product([False, True], repeat=len(edges)):
        component = {cell: cell for cell in cells}
        for a, b in itertools.compress(edges, chosen):
            merged, into = component[a], component[b]
            component = {cell: into if its == merged else its for cell, its in component.items()}
        layouts += len(set(component.values())) == 1
    assert task.count_mazes(size, openings=0.2) == layouts * n**2 * (n**2 - 1)


def test_all_60_mazes_of_size_5_with_loops_can_be_had():
    # 4 trees and the ring, 12 places for S and E
    assert len(set(task.draw_distinct(5, 60, seed=0, openings=0.5))) == 60


def test_the_number_of_mazes_with_every_wall_open_is_the_places_alone():
    assert task.count_mazes(7, openings=1) == 9 * 8


def test_the_number_of_huge_mazes_is_beyond_floats_and_refuses_nothing():
    assert task.count_mazes(101) == float("inf")
    assert task.count_mazes(101, openings=0.1) > 1e300
    assert len(task.draw_distinct(101, 1, seed=0)) == 1


def test_the_same_seed_gives_the_same_mazes_and_another_seed_others():
    first = task.draw_distinct(9, 20, seed=3, openings=0.1)
    assert first == task.draw_distinct(9, 20, seed=3, openings=0.1)
    assert first != task.draw_distinct(9, 20, seed=4, openings=0.1)
    assert first[:7] == task.draw_distinct(9, 7, seed=3, openings=0.1)


def test_a_seed_means_the_same_maze_on_every_machine():
    # as drawn when this was written: a change here changes every published data set
    assert task.draw_distinct(7, 1, seed=1) == ["*******\n*..S..*\n*.***.*\n*...*E*\n*.*.***\n*.*...*\n*******"]


def test_all_48_mazes_of_size_5_can_be_had_and_no_49th():
    assert len(set(task.draw_distinct(5, 48, seed=0))) == 48
    with pytest.raises(ValueError, match="49 distinct mazes asked for, but only 48 of size 5 exist"):
        task.draw_distinct(5, 49, seed=0)


def test_a_training_set_and_a_test_set_share_no_maze():
    # 40 and 8 of the 48 mazes of size 5: without exclusion they would collide
    train = task.draw_distinct(5, 40, seed=1)
    test = task.draw_distinct(5, 8, seed=2, exclude=train)
    assert len(set(train) | set(test)) == 48
    assert set(train) & set(task.draw_distinct(5, 8, seed=2))


def test_excluded_mazes_may_be_written_in_either_format():
    train = task.draw_distinct(5, 40, seed=1)
    one_line = [maze.replace("\n", "/") for maze in train]
    assert task.draw_distinct(5, 8, seed=2, exclude=one_line) == task.draw_distinct(5, 8, seed=2, exclude=train)


def test_asking_for_more_than_exclusion_leaves_gives_up_and_says_what_was_found(monkeypatch):
    monkeypatch.setattr(task, "REPEATS_BEFORE_GIVING_UP", 2000)
    train = task.draw_distinct(5, 40, seed=1)
    with pytest.raises(ValueError, match=r"9 distinct mazes asked for, but only 8 .* besides the 40 excluded"):
        task.draw_distinct(5, 9, seed=2, exclude=train)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"size": 8}, "size 8 is even; use an odd size"),
        ({"size": 3}, "size 3 is below 5; use an odd size"),
        ({"size": 7, "openings": 1.5}, "openings 1.5 is not a fraction; use 0 to 1"),
        ({"size": 7, "openings": float("nan")}, "openings nan is not a fraction"),
        ({"size": 7, "count": -1}, "count -1 is negative"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        task.draw_distinct(**{"count": 1, "seed": 0, **arguments})


# ---------------------------------------------------------------- shortest path


def test_the_only_path_of_the_corner_maze_is_right_down_left():
    assert task.shortest_path(CORNER) == "RRDDLL"


def test_of_two_shortest_paths_the_first_in_the_order_lrud_is_taken():
    assert sorted(simple_paths(RING)) == ["DDRR", "RRDD"]
    assert task.shortest_path(RING) == "RRDD"


def test_walls_that_part_s_from_e_leave_no_path():
    with pytest.raises(ValueError, match=r"walls part S from E in the maze \*\*\*\*\*/\*S\*E\*/\*\*\*\*\*"):
        task.shortest_path("*****/*S*E*/*****")


@law(size=sizes, seed=seeds, openings=st.sampled_from([0.0, 0.2, 1.0]))
def test_no_path_is_shorter_than_the_shortest(size, seed, openings):
    assume(size < 9 or openings == 0)  # brute force lists every path
    maze = task.draw(size, random.Random(seed), openings=openings)
    assert len(task.shortest_path(maze)) == min(map(len, simple_paths(maze)))


@law(size=sizes, seed=seeds, openings=st.sampled_from([0.0, 0.2, 1.0]))
def test_the_shortest_path_is_right_and_stays_right_after_a_step_back_and_forth(size, seed, openings):
    maze = task.draw(size, random.Random(seed), openings=openings)
    path = task.shortest_path(maze)
    assert task.correct(path, maze)
    assert task.correct(path + path[-1].translate(REVERSED) + path[-1], maze)


@law(size=sizes, seed=seeds)
def test_every_prefix_of_the_shortest_path_is_wrong(size, seed):
    maze = task.draw(size, random.Random(seed))
    path = task.shortest_path(maze)
    assert not any(task.correct(path[:end], maze) for end in range(len(path)))


@law(size=sizes, seed=seeds)
def test_walking_the_path_home_again_is_wrong_and_ends_on_s(size, seed):
    maze = task.draw(size, random.Random(seed))
    path = task.shortest_path(maze)
    home = path[::-1].translate(REVERSED)
    assert task.walk(path + home, maze) == ("S", 2 * len(path))
    assert task.correct(home, maze.translate(str.maketrans("SE", "ES")))


@law(seed=seeds, moves=st.text("LRUD", max_size=8))
def test_the_verifier_agrees_with_a_walk_written_in_coordinates(seed, moves):
    maze = task.draw(5, random.Random(seed), openings=0.5)
    grid = maze.split("\n")
    squares = [next((y, x) for y, x in free_squares(maze) if grid[y][x] == "S")]
    for move in moves:
        y, x = squares[-1]
        squares.append({"L": (y, x - 1), "R": (y, x + 1), "U": (y - 1, x), "D": (y + 1, x)}[move])
    expected = set(squares) <= free_squares(maze) and grid[squares[-1][0]][squares[-1][1]] == "E"
    assert task.correct(moves, maze) == expected


# ---------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    "response, verdict",
    [
        ("RRDDLL", True),
        ("R, R, D, D, L, L.", True),  # other characters are ignored
        ("rrddll", True),  # either case, as in the published verifier
        ("RRDDLL</s>", True),
        ("RRDDLL<|im_end|>", True),  # its d is no move
        ("RRDDLL<pad><pad>", True),
        ("RRLRDDLL", True),  # a detour
        ("RRDDLLRL", True),  # over E, and back to it
        ("RRDDLLR", False),  # over E, and not back
        ("RRDDL", False),  # one short
        ("DDRRLL", False),  # into a wall at once
        ("RRRDDLL", False),  # into the border; the rest does not heal it
        ("UDRRDDLL", False),
        ("LLUURRDD", False),
        ("", False),
        ("</s>", False),
        ("no way", False),
        ("The answer is RRDDLL", False),  # the words' letters r, d... are moves when there is no tag
        ("The answer is <answer>RRDDLL</answer>", True),
        ("<answer>\nRRDDLL\n</answer> I should have checked", True),
        ("<answer>RRDDLL</answer> or <answer>DD</answer>", False),  # the last one counts
        ("<answer>DD</answer> or <answer>RRDDLL</answer>", True),
        ("RRDDLL <answer></answer>", False),  # an empty answer is an answer
        ("<answer>RRDDLL</answer> then <answer>DD", True),  # a tag left open is no answer
        ("so \\boxed{RRDDLL}.", True),
        ("\\boxed{DD}, rather \\boxed{RRDDLL}", True),
        ("\\boxed{RRDDLL}, rather \\boxed{DD}", False),
        ("so $\\boxed{\\text{RRDDLL}}$", True),
        ("<answer>so \\boxed{RRDDLL}, surely</answer>", True),
        ("\\boxed{DD} <answer>RRDDLL</answer>", True),  # the tag outranks a box elsewhere
        ("<answer>DD</answer> \\boxed{RRDDLL}", False),
    ],
)
def test_verdict(response, verdict):
    assert task.correct(response, CORNER) is verdict
    assert task.correct(response, CORNER.replace("\n", "/")) is verdict


def test_of_two_opening_tags_the_inner_one_begins_the_answer():
    assert task.answer_in("<answer>D <answer>RR</answer>") == "RR"


def test_beyond_the_border_there_is_wall_even_without_a_border():
    assert task.walk("L", "SE") == ("*", 0)
    assert task.walk("U", "SE") == ("*", 0)
    assert task.walk("RR", "SE") == ("*", 1)
    assert task.walk("D", "SE") == ("*", 0)
    assert task.walk("R", "SE") == ("E", 1)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "the maze is empty; is the label missing"),
        ("***/*S/***", "rows of different length"),
        ("*SxE*", "'x' is none of"),
        ("*S.S*", "2 times S instead of once"),
        ("*S.*", "0 times E instead of once"),
    ],
)
def test_a_text_that_is_no_maze_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        task.correct("R", text)


# ---------------------------------------------------------------- formats


def test_the_policy_prompt_of_a_7_by_7_maze_is_55_characters_and_a_separator():
    maze = task.draw(7, random.Random(0))
    prompt = task.policy_prompt(maze)
    assert prompt == maze.replace("\n", "/") + ">"
    assert len(prompt) == 56


def test_the_chat_prompt_shows_the_maze_and_asks_for_answer_tags():
    prompt = task.chat_prompt(CORNER.replace("\n", "/"))
    assert f"\n{CORNER}\n" in prompt
    assert "between <answer> and </answer>" in prompt


@pytest.mark.parametrize("write", task.FORMATS.values(), ids=task.FORMATS)
def test_a_prompt_holds_no_answer_that_could_be_rewarded_without_a_response(write):
    prompt = write(CORNER)
    assert task.reward_func([prompt + "</s>"], [prompt], [CORNER])["rewards"] == 0
    assert task.reward_func([prompt + "RRDDLL</s>"], [prompt], [CORNER])["rewards"] == 1


# ---------------------------------------------------------------- OpenRLHF


def test_reward_func_gives_verdict_and_how_the_walk_ended():
    prompt = task.policy_prompt(CORNER)
    right = task.reward_func([prompt + "RRDDLL</s>"], [prompt], [CORNER])
    assert right == {"rewards": 1.0, "scores": 1.0, "extra_logs": {"maze_moves": 6.0, "maze_hit_wall": 0.0}}
    wrong = task.reward_func([prompt + "RRR</s>"], [prompt], [CORNER])
    assert wrong == {"rewards": 0.0, "scores": 0.0, "extra_logs": {"maze_moves": 2.0, "maze_hit_wall": 1.0}}


def test_a_prompt_cut_at_its_beginning_is_still_told_from_the_response():
    prompt = task.chat_prompt(CORNER)  # its own words would walk into a wall
    query = prompt[30:] + "RRDDLL<|im_end|>"
    assert task.reward_func([query], [prompt], [CORNER])["rewards"] == 1


def test_a_query_without_its_prompt_is_refused():
    with pytest.raises(ValueError, match="does not contain the end of its prompt"):
        task.reward_func(["RRDDLL"], [task.chat_prompt(CORNER)], [CORNER])


def test_two_queries_at_once_are_refused_because_one_float_cannot_hold_them():
    with pytest.raises(ValueError, match="one query, prompt and label at a time"):
        task.reward_func(["a", "b"], ["", ""], [CORNER, CORNER])


class Engine:
    """Stands in for vLLM: answers every prompt with the given tokens."""

    def __init__(self, token_ids):
        self.token_ids = token_ids

    async def generate(self, prompt_token_ids, sampling_params, multi_modal_data=None):
        output = type("Output", (), {"token_ids": self.token_ids, "finish_reason": "stop", "logprobs": None})
        return type("Request", (), {"outputs": [output]})


class CharacterTokenizer:
    def __call__(self, text, add_special_tokens, return_tensors):
        import torch

        return {"input_ids": torch.tensor([[ord(letter) for letter in text]])}

    def decode(self, tokens, skip_special_tokens):
        return "".join(map(chr, tokens))


@pytest.mark.parametrize("answer, reward", [("RRDDLL", 1.0), ("RRDD", 0.0)])
def test_openrlhf_loads_the_file_by_path_and_makes_tensors_of_one_from_its_rewards(answer, reward):
    pytest.importorskip("openrlhf")
    import torch
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    sampling = type("Sampling", (), {"max_tokens": 32, "logprobs": None})()
    response = asyncio.run(
        SingleTurnAgentExecutor(str(FILE)).execute(
            prompt=task.policy_prompt(CORNER),
            label=CORNER,
            sampling_params=sampling,
            max_length=128,
            hf_tokenizer=CharacterTokenizer(),
            llm_engine=Engine([ord(letter) for letter in answer]),
        )
    )
    # the conversion rule of SamplesGenerator._process_response_into_experience
    for value in (response["reward"], response["scores"], *response["extra_logs"].values()):
        tensor = torch.tensor([value])
        assert tensor.shape == (1,) and tensor.dtype == torch.float32
    assert torch.equal(torch.tensor([response["reward"]]), torch.tensor([reward]))
    assert response["extra_logs"]["maze_moves"] == len(answer)


def test_openrlhf_s_own_generator_turns_the_reward_into_an_experience():
    pytest.importorskip("openrlhf")
    generator = pytest.importorskip("openrlhf.trainer.ppo_utils.samples_generator")
    prompt = task.policy_prompt(CORNER)
    verdict = task.reward_func([prompt + "RRDDLL"], [prompt], [CORNER])
    response = {
        "prompt": prompt,
        "label": CORNER,
        "observation_tokens": [5] * 10,
        "action_ranges": [(4, 10)],
        "rollout_log_probs": None,
        "reward": verdict["rewards"],
        "scores": verdict["scores"],
        "extra_logs": verdict["extra_logs"],
    }
    convert = generator.SamplesGenerator._process_response_into_experience
    experience = convert(object.__new__(generator.SamplesGenerator), response, max_len=64)
    assert experience.rewards.tolist() == experience.scores.tolist() == [1.0]
    assert experience.info["maze_moves"].tolist() == [6.0]


def test_the_file_needs_nothing_beyond_the_standard_library():
    imported = set()
    for node in ast.walk(ast.parse(FILE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.split(".")[0])
    assert {"json", "random"} <= imported <= sys.stdlib_module_names


# ---------------------------------------------------------------- command line


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "passk_rlhf.tasks.maze", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=FILE.parents[2],
    )


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_command_writes_a_training_set_and_a_test_set_that_share_nothing(tmp_path):
    assert run("--count", 40, "--size", 5, "--seed", 1, "-o", tmp_path / "train.jsonl").returncode == 0
    test = run(
        "--count", 8, "--size", 5, "--seed", 2, "--exclude", tmp_path / "train.jsonl", "-o", tmp_path / "test.jsonl"
    )
    assert (test.returncode, test.stderr) == (0, "")
    lines = read(tmp_path / "train.jsonl") + read(tmp_path / "test.jsonl")
    assert len({line["label"] for line in lines}) == 48
    assert all(line["input"] == line["label"] + ">" and line["datasource"] == "maze5" for line in lines)
    assert all(task.correct(task.shortest_path(line["label"]), line["label"]) for line in lines)


def test_the_command_writes_chat_prompts_too_and_the_same_mazes(tmp_path):
    assert task.main(["--count", "3", "-o", str(tmp_path / "policy.jsonl")]) == 0
    assert task.main(["--count", "3", "--format", "chat", "-o", str(tmp_path / "chat.jsonl")]) == 0
    policy, chat = read(tmp_path / "policy.jsonl"), read(tmp_path / "chat.jsonl")
    assert [line["label"].replace("\n", "/") for line in chat] == [line["label"] for line in policy]
    assert all(line["label"] in line["input"] and "<answer>" in line["input"] for line in chat)


def test_without_size_and_openings_the_mazes_are_those_of_the_bundled_policy(tmp_path):
    task.main(["--count", "50", "--seed", "9", "-o", str(tmp_path / "out.jsonl")])
    mazes = [line["label"].replace("/", "\n") for line in read(tmp_path / "out.jsonl")]
    assert mazes == task.draw_distinct(task.POLICY_SIZE, 50, seed=9, openings=task.POLICY_OPENINGS)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--size", 8, "--count", 1, "-o", "out.jsonl"], "maze: size 8 is even; use an odd size: 5, 7, 9, ..."),
        (["--size", 3, "--count", 1, "-o", "out.jsonl"], "maze: size 3 is below 5; use an odd size: 5, 7, 9, ..."),
        (["--count", 40000, "-o", "out.jsonl"], "maze: 40000 distinct mazes asked for, but only 31032 of size 7 exist"),
        (["--count", 1, "-o", "missing/out.jsonl"], "maze: {tmp}/missing/out.jsonl: No such file or directory"),
        (["--count", 1, "-o", "."], "maze: {tmp}: Is a directory"),
        (["--count", 1, "--exclude", "none.jsonl", "-o", "out.jsonl"], "maze: none.jsonl: No such file or directory"),
        (
            ["--count", 1, "--exclude", "{tmp}/odd.jsonl", "-o", "out.jsonl"],
            "maze: {tmp}/odd.jsonl:2: no line of a maze data set",
        ),
    ],
)
def test_a_bad_request_ends_with_status_2_and_one_line(arguments, message, tmp_path):
    (tmp_path / "odd.jsonl").write_text('{"label": "*SE*"}\n{"text": 1}\n')
    arguments = [str(argument).format(tmp=tmp_path) for argument in arguments]
    arguments[-1] = str(tmp_path / arguments[-1])
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(message.format(tmp=tmp_path))
    assert not (tmp_path / "out.jsonl").exists()
