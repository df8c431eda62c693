"""The command as a process: start, output streams, exit codes."""

import os
import subprocess
import sys

import pytest

START = "from counterspin.cli import main; main()"


def command(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", START, *arguments], text=True, check=False, **options)


def test_help_imports_nothing_heavy():
    code = "import sys; from counterspin.cli.app import run; run(['--help']); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("False")
    for name in ("audit", "train", "report", "list", "doctor"):
        assert name in result.stdout


def test_an_interrupt_while_importing_is_one_sentence():
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'counterspin.cli.app': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n" + START
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 130
    assert result.stderr == "counterspin: interrupted; the same command starts again\n"


def test_a_closed_pipe_is_no_verdict():
    read, write = os.pipe()
    os.close(read)
    result = command("--help", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        result = command("--version", stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 3
    assert "the output cannot be written (No space left on device)" in result.stderr


def test_a_terminal_without_greek_letters():
    code = "import counterspin.cli.app as app; app.run = lambda _: print('ε = 0.1') or 0; " + START
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "? = 0.1\n", "")
