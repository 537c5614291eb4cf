import logging
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from mithaq.detection.prefilter import build, choice
from mithaq.detection.prefilter.compiled import KINDS, CompiledPrefilter, is_compiled
from mithaq.detection.prefilter.fold import fold_table
from mithaq.detection.prefilter.portable import PortablePrefilter
from mithaq.standards.observable import TYPES
from tests.prefiltering import as_json, candidate_lines, spelled
from tests.unit.detection.test_prefilter import CANDIDATES, LOOK_ALIKES, WANTED

needs_compiler = pytest.mark.skipif(build.compiler() is None, reason="no C compiler is installed")


@needs_compiler
def test_set_up_has_compiled_the_kernel_of_these_sources() -> None:
    assert is_compiled(), "run make setup"
    assert isinstance(choice.prefilter(), CompiledPrefilter)
    assert isinstance(choice.prefilter("portable"), PortablePrefilter)


def test_every_type_of_observable_has_a_kind_of_key() -> None:
    assert set(KINDS) == set(TYPES)


def test_without_a_compiler_set_up_says_so_and_the_detector_too(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("CC", str(tmp_path / "no-such-compiler"))
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    (tmp_path / build.fold_file().name).write_bytes(b"")
    assert build.main() == 0
    assert "portable, slower form" in capsys.readouterr().err
    monkeypatch.setattr(choice, "is_compiled", lambda: False)
    choice.warn.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert isinstance(choice.prefilter(), PortablePrefilter)
    assert "compiled prefilter is missing" in caplog.text


@needs_compiler
@pytest.mark.parametrize(
    "flags",
    [
        ("-O1", "-g", "-std=c11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
        ("-O1", "-g", "-std=c11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DMITHAQ_PLAIN"),
    ],
    ids=["fast", "plain"],
)
def test_no_byte_outside_a_block_is_touched(tmp_path: Path, flags: tuple[str, ...]) -> None:
    program = tmp_path / "replay"
    try:
        build.compile_kernel(program, flags, Path(__file__).with_name("replay.c"))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the compiler has no sanitizers: {error.stderr[:200]}")
    chance = random.Random(3)
    blocks = [line.encode() for line in CANDIDATES]
    blocks += [line.encode() for line in LOOK_ALIKES]
    blocks += [as_json(chance, spelled(chance, chance.choice(WANTED))[0]) for _ in range(2_000)]
    blocks += [block[: chance.randrange(len(block))] for block in blocks[:1_000]]
    blocks += [block[chance.randrange(len(block)) :] for block in blocks[:1_000]]
    blocks += [chance.randbytes(chance.randrange(200)) for _ in range(2_000)]
    blocks += ["\n".join(chance.choices(CANDIDATES + LOOK_ALIKES, k=20)).encode() for _ in range(50)]
    observables = "".join(f"{KINDS[each.type]}{each.value}\n" for each in WANTED).encode()
    given = b"".join(struct.pack("=I", len(each)) + each for each in (fold_table(), observables, *blocks))
    done = subprocess.run([program], input=given + b"\xff" * 4, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    counts = [int(line) for line in done.stdout.split()]
    assert counts[: len(CANDIDATES)] == [1] * len(CANDIDATES)
    assert counts[len(CANDIDATES) : len(CANDIDATES) + len(LOOK_ALIKES)] == [0] * len(LOOK_ALIKES)
    assert len(counts) == len(blocks)


@needs_compiler
def test_plain_c_and_the_vectors_of_this_machine_agree(tmp_path: Path) -> None:
    library = tmp_path / "plain.so"
    build.compile_kernel(library, (*build.FLAGS, "-DMITHAQ_PLAIN"))
    fast, plain = CompiledPrefilter(), CompiledPrefilter(library)
    chance = random.Random(4)
    block = b"\n".join(
        [as_json(chance, spelled(chance, chance.choice(WANTED))[0]) for _ in range(500)]
        + [chance.randbytes(chance.randrange(300)) for _ in range(500)]
    )
    for each in (fast, plain):
        each.add(WANTED)
    assert candidate_lines(fast, block) == candidate_lines(plain, block)


@needs_compiler
def test_the_command_leaves_what_is_up_to_date() -> None:
    before = build.library().stat().st_mtime_ns
    done = subprocess.run([sys.executable, "-m", "mithaq.detection.prefilter.build"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert build.library().stat().st_mtime_ns == before
