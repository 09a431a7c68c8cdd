"""The outputs and pictures that README.md shows, made anew, in place.

    python scripts/make_readme.py            write them
    python scripts/make_readme.py --check    write nothing; exit 1 if an output is not what its command prints

Under a line `<!-- output: shaping show configs/passk.yaml --n 8 -->` stands a block with what that command prints;
in it a line `...` leaves lines out. Pictures are those of PICTURES.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

README = ROOT / "README.md"
BLOCK = re.compile(r"<!-- output: (.+?) -->\n```\n(.*?)```\n", re.DOTALL)
FIVE = " ".join(f"configs/{name}.yaml" for name in ("grpo", "passk", "passk_then_pass1", "combination", "without_easy"))
PICTURES = [
    "shaping plot configs/passk.yaml --param k=1,4 --n 32 -o docs/passk.png",
    f"shaping simulate {FIVE} -o docs/simulate.png",
]
SLOW = ("shaping test", "shaping simulate")


def printed(command: str) -> str:
    """What a command of this project prints."""
    from passk_rlhf import inspect
    from shaping import cli

    program, *arguments = shlex.split(command)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        {"shaping": cli.main, "inspect": inspect.main}[program](arguments)
    return "\n".join(line.rstrip() for line in output.getvalue().rstrip("\n").split("\n")) + "\n"


def shows(block: str, output: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in block.split("...\n"))
    return re.fullmatch(pattern, output, re.DOTALL) is not None


def wrong(text: str, slow: bool = True) -> list[str]:
    """Every block that is not what its command prints. `slow`: those that take more than seconds, too."""
    found = []
    for command, block in BLOCK.findall(text):
        if slow or not command.startswith(SLOW):
            output = printed(command)
            if not shows(block, output):
                found.append(f"{command}\n{''.join(difflib.unified_diff(block.splitlines(1), output.splitlines(1)))}")
    return found


def made(text: str) -> str:
    """`text` with its blocks as the commands print them now; one that leaves lines out is made by hand."""

    def block(match: re.Match) -> str:
        command, old = match.groups()
        output = printed(command)
        return match[0] if "...\n" in old else f"<!-- output: {command} -->\n```\n{output}```\n"

    return BLOCK.sub(block, text)


def page_picture() -> None:
    """docs/report.png: the page as a browser shows it; scripts/install_browser.sh has one."""
    with tempfile.TemporaryDirectory() as folder:
        print(printed(f"shaping report configs/ -o {folder}/report.html --up-to 8"), end="")
        size = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,1500"]
        address = f"file://{folder}/report.html#compare=passk,grpo&n=16&k=4"
        picture = f"--screenshot={ROOT}/docs/report.png"
        subprocess.run(["chromium", *size, picture, address], check=True, capture_output=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the outputs and pictures of README.md.")
    parser.add_argument("--check", action="store_true", help="exit 1 if an output is out of date; write nothing")
    if parser.parse_args().check:
        found = wrong(README.read_text())
        print("\n".join(found), end="")
        return 1 if found else 0
    README.write_text(made(README.read_text()))
    for command in PICTURES:
        print(printed(command), end="")
    page_picture()
    return 0


if __name__ == "__main__":
    sys.exit(main())
