r"""Mazes: draw them, write them as prompts, and check the moves of an answer.

In    size, openings, seed          how the mazes are drawn
Out   {"input", "label", "datasource"} lines; `reward_func` gives 1 or 0 for an answer

    *******
    *S..*E*     A maze is text. `*` is a wall, `.` is free, `S` start, `E` end.
    ***.*.*     Rows are joined by "\n", or by "/" for the bundled policy;
    *.....*     everything here reads both.
    *.*.***
    *.*...*     An answer is moves, one square each: L R U D.
    *******     Here RRDDRRUU is right, and the only shortest path.

OpenRLHF loads this very file by its path inside vLLM's workers
(`--reward.remote_url passk_rlhf/tasks/maze.py`), outside any package: so only
the standard library, and no relative import.

Reward as in Chen et al. 2025, arXiv:2508.10751 (code/maze_verifier.py of
RUCAIBox/Passk_Training); where this file differs, `answer_in` says so.
"""

import argparse
import json
import math
import random
import re
import sys
from collections import deque
from collections.abc import Collection, Sequence

# The mazes the bundled policy was warmed up on; defaults of the command line below.
POLICY_SIZE = 7
POLICY_OPENINGS = 0.2
POLICY_WARM_UP = {"count": 4000, "seed": 1000}  # what it has seen, drawn with the two above

STEPS = {"L": (0, -1), "R": (0, 1), "U": (-1, 0), "D": (1, 0)}
CONNECTED_LAYOUTS = {2: 5, 3: 431}  # of n x n cells, counted one by one
REPEATS_BEFORE_GIVING_UP = 200_000

CHAT_PROMPT = """\
Find a way through this maze. * is a wall, . is free, S is the start and E is the end.

{maze}

A move goes one square: L left, R right, U up, D down. Never step on a wall or outside the maze.
Think first. Then give all moves from S to E, in order, between <answer> and </answer>, \
for example <answer>RRDDLL</answer>."""


# ---------------------------------------------------------------- drawing mazes


def draw(size: int, rng: random.Random, *, openings: float = 0.0) -> str:
    r"""Draw one maze, uniformly among all of its size when `openings` is 0.

    Squares with two odd coordinates are cells. Wilson's algorithm (1996) joins
    them into a spanning tree, each tree equally likely: a perfect maze, with one
    path between any two cells. Then every wall left between two cells falls with
    probability `openings`, each time closing a loop. S and E are two different
    cells, each pair equally likely.

    Args:
      size: rows and columns, border included; odd, at least 5.
      rng: where the randomness comes from; its state decides the maze.
      openings: 0 leaves a tree, 1 leaves no wall between neighbouring cells.

    Returns:
      The rows joined by "\n".

    Raises:
      ValueError: size even or below 5; openings outside 0..1.

    Example:
      >>> print(draw(5, random.Random(2)))
      *****
      *..E*
      ***.*
      *S..*
      *****
    """
    _check(size, openings)
    cells = [(y, x) for y in range(1, size, 2) for x in range(1, size, 2)]
    free = {rng.choice(cells)}
    for cell in cells:
        way_out, here = {}, cell
        while here not in free:  # walk at random; overwriting an exit erases the loop it began
            way_out[here] = rng.choice([s for s in STEPS.values() if _inside(_add(here, s), size)])
            here = _add(here, way_out[here], 2)
        here = cell
        while here not in free:
            free |= {here, _add(here, way_out[here])}
            here = _add(here, way_out[here], 2)
    for y in range(1, size - 1):
        for x in range(1 + y % 2, size - 1, 2):  # one odd and one even coordinate: between two cells
            if (y, x) not in free and rng.random() < openings:
                free.add((y, x))
    start, end = rng.sample(cells, 2)
    mark = {square: "." for square in free} | {start: "S", end: "E"}
    return "\n".join("".join(mark.get((y, x), "*") for x in range(size)) for y in range(size))


def draw_distinct(
    size: int, count: int, *, seed: int, openings: float = 0.0, exclude: Collection[str] = ()
) -> list[str]:
    r"""Draw `count` mazes, no two the same and none in `exclude`.

    Two mazes are the same when their text is: walls, S and E. The same arguments
    give the same list.

    Args:
      size, openings: as for `draw`.
      count: how many; 0 gives an empty list.
      seed: any integer.
      exclude: mazes in either format, as those of a training set.

    Raises:
      ValueError: as `draw`; `count` negative, more mazes than exist, or more than
        can be found: 200,000 draws in a row gave nothing new.

    Example:
      >>> train = draw_distinct(7, 100, seed=1)
      >>> test = draw_distinct(7, 50, seed=2, exclude=train)
      >>> len(set(train + test))
      150
    """
    _check(size, openings)
    if count < 0:
        raise ValueError(f"count {count} is negative; ask for 0 mazes or more")
    exist = count_mazes(size, openings)
    if count > exist:
        raise ValueError(
            f"{count} distinct mazes asked for, but only {exist:.0f} of size {size} exist"
            f" with openings {openings:g}; lower the count or raise the size"
        )
    rng = random.Random(seed)
    seen = {"\n".join(rows(maze)) for maze in exclude}
    mazes: list[str] = []
    repeats = 0
    while len(mazes) < count:
        maze = draw(size, rng, openings=openings)
        if maze not in seen:
            seen.add(maze)
            mazes.append(maze)
            repeats = 0
        elif (repeats := repeats + 1) == REPEATS_BEFORE_GIVING_UP:
            raise ValueError(
                f"{count} distinct mazes asked for, but only {len(mazes)} of size {size} could be found"
                f" besides the {len(exclude)} excluded; lower the count or raise the size"
            )
    return mazes


def count_mazes(size: int, openings: float = 0.0) -> float:
    """How many different mazes `draw` can give; for 0 < openings < 1 and size above 7, an upper bound.

    With n * n cells, n = (size - 1) / 2, there are n^2 (n^2 - 1) ways to place S
    and E. Perfect mazes are spanning trees of the grid (Kirchhoff):

        trees = prod over (i, j) != (0, 0) of (4 - 2 cos(pi i/n) - 2 cos(pi j/n)) / n^2

    With openings 1 there is one layout; in between, the connected ways to join
    the cells: 5 and 431 for sizes 5 and 7, and above at most one for every subset
    of the 2 n (n - 1) inner walls. A float, infinite beyond the range of floats.

    Example:
      >>> round(count_mazes(7))  # 192 trees, 72 pairs
      13824
    """
    n = (size - 1) // 2
    pairs = n**2 * (n**2 - 1)
    if openings == 1:
        return float(pairs)
    if openings > 0:
        walls = 2 * n * (n - 1)
        return float(pairs * CONNECTED_LAYOUTS[n]) if n in CONNECTED_LAYOUTS else pairs * 2.0 ** min(walls, 1000)
    bend = [2 - 2 * math.cos(math.pi * i / n) for i in range(n)]
    trees = math.prod(bend[i] + bend[j] for i in range(n) for j in range(n) if i or j) / n**2
    return float(round(trees) * pairs) if trees < 1e12 else trees * pairs


def shortest_path(maze: str) -> str:
    r"""The moves of a shortest path from S to E.

    Where several are shortest, the one that is first in the order L R U D.

    Raises:
      ValueError: the text is not a maze, or walls part S from E.

    Example:
      >>> shortest_path("*****/*S*E*/*.*.*/*...*/*****")
      'DDRRUU'
    """
    grid = rows(maze)
    start = _find(grid, "S")
    path_to = {start: ""}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        if _at(grid, here) == "E":
            return path_to[here]
        for move, step in STEPS.items():
            there = _add(here, step)
            if there not in path_to and _at(grid, there) != "*":
                path_to[there] = path_to[here] + move
                queue.append(there)
    raise ValueError(f"walls part S from E in the maze {'/'.join(grid)}")


# ---------------------------------------------------------------- text


def rows(maze: str) -> list[str]:
    r"""The rows of a maze joined by "\n" or "/"; any rectangle, square or not.

    Raises:
      ValueError: no text, rows of different length, a character other than
        `* . S E`, or not exactly one S and one E.

    Example:
      >>> rows("****/*SE*/****") == rows("****\n*SE*\n****")
      True
    """
    grid = maze.replace("/", " ").split()
    if not grid:
        raise ValueError("the maze is empty; is the label missing (--data.label_key label)?")
    if len({len(row) for row in grid}) > 1:
        raise ValueError(f"rows of different length in the maze {'/'.join(grid)}")
    text = "".join(grid)
    if strange := sorted(set(text) - set("*.SE")):
        raise ValueError(f"{strange[0]!r} is none of * . S E in the maze {'/'.join(grid)}")
    for mark in "SE":
        if text.count(mark) != 1:
            raise ValueError(f"{text.count(mark)} times {mark} instead of once in the maze {'/'.join(grid)}")
    return grid


def policy_prompt(maze: str) -> str:
    """The prompt of the bundled policy: rows joined by "/", then ">"; moves follow until end of text.

    Example:
      >>> policy_prompt("****\\n*SE*\\n****")
      '****/*SE*/****>'
    """
    return "/".join(rows(maze)) + ">"


def chat_prompt(maze: str) -> str:
    r"""The prompt of an instruction-tuned model: the rows as a picture, the answer in <answer> tags.

    Example:
      >>> "\n****\n*SE*\n****\n" in chat_prompt("****/*SE*/****")
      True
    """
    return CHAT_PROMPT.format(maze="\n".join(rows(maze)))


FORMATS = {"policy": policy_prompt, "chat": chat_prompt}


# ---------------------------------------------------------------- checking answers


def answer_in(response: str) -> str:
    r"""The part of a response that counts as its answer.

    The last complete <answer>...</answer>, and within it (or within the whole
    response, when there is no such pair) the last complete \boxed{...}; with
    neither, the whole response. Then words in angle brackets are dropped:
    `</s>` or `<|im_end|>` belong to the tokenizer, and the d of `end` would be a move.

    Two differences from the published verifier: there, special tokens are read as
    moves, and a tag or box left open counts to the end of the text.

    Example:
      >>> answer_in("Right, or <answer>RU</answer>? No: <answer>\\boxed{RRDD}</answer></s>")
      'RRDD'
    """
    closed = [part.partition("</answer>")[0] for part in response.split("<answer>")[1:] if "</answer>" in part]
    text = closed[-1] if closed else response
    boxed = re.findall(r"\\boxed\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}", text)
    return re.sub(r"<[^<>\s]*>", "", boxed[-1] if boxed else text)


def walk(moves: str, maze: str) -> tuple[str, int]:
    r"""Follow the moves from S until they end or one is impossible.

    Letters l r u d of either case are moves, as in the published verifier; every
    other character is ignored.

    Returns:
      Where the walk stopped, and how many moves it made: "E", "S" or "." when
      the moves ran out there, "*" when one went into a wall or over the border
      (that one is not counted).

    Raises:
      ValueError: the text is not a maze.

    Example:
      >>> walk("R, R", "*****/*S.E*/*****"), walk("RRR", "*****/*S.E*/*****")
      (('E', 2), ('*', 2))
    """
    grid = rows(maze)
    here, made = _find(grid, "S"), 0
    for letter in moves.upper():
        if letter in STEPS:
            here = _add(here, STEPS[letter])
            if _at(grid, here) == "*":
                return "*", made
            made += 1
    return _at(grid, here), made


def correct(response: str, maze: str) -> bool:
    r"""Whether the answer's moves stay on free squares and the last one ends on E.

    Passing over E and walking on is allowed, and wrong unless the walk comes
    back: what counts is where it ends. Nothing is said about length, so detours
    are right. No moves at all are wrong.

    Raises:
      ValueError: the text is not a maze.

    Example:
      >>> maze = "*****/*SE.*/*****"
      >>> [correct(moves, maze) for moves in ("R", "RR", "RRL", "L", "")]
      [True, False, True, False, False]
    """
    return walk(answer_in(response), maze)[0] == "E"


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str]) -> dict:
    r"""OpenRLHF's reward function: 1.0 for a correct answer, 0.0 for a wrong one.

    Args:
      queries: [prompt + response], decoded with special tokens.
      prompts: [prompt], as it was given to the model.
      labels: [maze], in either format.

    Returns:
      "rewards" and "scores": the verdict, a plain float, because OpenRLHF 0.11.2
      asks for one answer at a time and wraps what it gets into a tensor of one.
      "extra_logs": `maze_moves`, moves made before the walk ended, and
      `maze_hit_wall`, 1.0 when a wall or the border ended it.

    Raises:
      ValueError: not exactly one query; a label that is not a maze; a query
        without its prompt. OpenRLHF logs it and leaves the answer without reward.

    Example:
      >>> reward_func(["****/*SE*/****>R</s>"], ["****/*SE*/****>"], ["****/*SE*/****"])
      {'rewards': 1.0, 'scores': 1.0, 'extra_logs': {'maze_moves': 1.0, 'maze_hit_wall': 0.0}}
    """
    if not len(queries) == len(prompts) == len(labels) == 1:
        raise ValueError(
            f"one query, prompt and label at a time, as OpenRLHF 0.11.2 calls;"
            f" got {len(queries)}, {len(prompts)} and {len(labels)}"
        )
    stopped_on, made = walk(answer_in(_response(queries[0], prompts[0])), labels[0])
    verdict = float(stopped_on == "E")
    return {
        "rewards": verdict,
        "scores": verdict,
        "extra_logs": {"maze_moves": float(made), "maze_hit_wall": float(stopped_on == "*")},
    }


def _response(query: str, prompt: str) -> str:
    if query.startswith(prompt):
        return query[len(prompt) :]
    # A prompt too long for --data.max_len loses its beginning, and some tokenizers decode to one space more.
    tail = prompt[-40:]
    _, found, response = query.partition(tail)
    if not found:
        raise ValueError(f"the query does not contain the end of its prompt, {tail!r}; it begins {query[:40]!r}")
    return response


# ---------------------------------------------------------------- squares


def _check(size: int, openings: float) -> None:
    if size < 5 or size % 2 == 0:
        raise ValueError(f"size {size} is {'even' if size % 2 == 0 else 'below 5'}; use an odd size: 5, 7, 9, ...")
    if not 0 <= openings <= 1:
        raise ValueError(f"openings {openings:g} is not a fraction; use 0 to 1")


def _add(square: tuple[int, int], step: tuple[int, int], times: int = 1) -> tuple[int, int]:
    return square[0] + times * step[0], square[1] + times * step[1]


def _inside(square: tuple[int, int], size: int) -> bool:
    return 0 < square[0] < size - 1 and 0 < square[1] < size - 1


def _at(grid: list[str], square: tuple[int, int]) -> str:
    """What is on the square; beyond the border everything is wall."""
    y, x = square
    return grid[y][x] if 0 <= y < len(grid) and 0 <= x < len(grid[0]) else "*"


def _find(grid: list[str], mark: str) -> tuple[int, int]:
    return next((y, row.index(mark)) for y, row in enumerate(grid) if mark in row)


# ---------------------------------------------------------------- python -m passk_rlhf.tasks.maze


def main(argv: Sequence[str] | None = None) -> int:
    """Write a data set of distinct mazes as JSON lines; returns the exit status, 2 for a bad request."""
    parser = argparse.ArgumentParser(
        prog="python -m passk_rlhf.tasks.maze", description="Write distinct mazes as JSON lines for OpenRLHF."
    )
    parser.add_argument("--size", type=int, default=POLICY_SIZE, help="odd, border included (default: %(default)s)")
    parser.add_argument("--count", type=int, required=True, help="how many mazes, all different")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument(
        "--openings",
        type=float,
        default=POLICY_OPENINGS,
        help="share of the inner walls that fall, which makes loops (default: %(default)s)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="policy",
        help="policy: for the bundled policy; chat: for instruction-tuned models (default: %(default)s)",
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="JSONL", help="leave out this data set's mazes; repeatable"
    )
    parser.add_argument("-o", "--output", required=True, metavar="JSONL")
    args = parser.parse_args(argv)
    try:
        exclude = [maze for path in args.exclude for maze in _labels(path)]
        mazes = draw_distinct(args.size, args.count, seed=args.seed, openings=args.openings, exclude=exclude)
        with open(args.output, "w", encoding="utf-8") as file:
            for maze in mazes:
                label = maze.replace("\n", "/") if args.format == "policy" else maze
                line = {"input": FORMATS[args.format](maze), "label": label, "datasource": f"maze{args.size}"}
                file.write(json.dumps(line) + "\n")
    except OSError as error:
        print(f"maze: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"maze: {error}", file=sys.stderr)
        return 2
    return 0


def _labels(path: str) -> list[str]:
    labels = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                labels.append("\n".join(rows(json.loads(line)["label"])))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise ValueError(
                    f'{path}:{number}: no line of a maze data set; expected {{"label": "<maze>", ...}}'
                ) from None
    return labels


if __name__ == "__main__":
    sys.exit(main())
