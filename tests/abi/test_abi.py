"""Whether abi.py notices what breaks programs: each test changes the header in one way.

Comments are taken out first, so that what is changed is code.
"""

import re
import shutil
from pathlib import Path

import abi
import pytest

HEADER = re.sub(r"/\*.*?\*/", "", (abi.INCLUDE / "libraft.h").read_text(encoding="utf-8"), flags=re.DOTALL)
COMMITTED = abi.read(abi.DESCRIPTION)


def change(folder: Path, *changes: tuple[str, str]) -> tuple[list[str], list[str]]:
    """Compares the committed description with a header in which each text is replaced, and stands once."""
    header = HEADER
    for before, after in changes:
        pattern = re.compile(r"\s+".join(map(re.escape, before.split())))
        assert len(pattern.findall(header)) == 1, before
        header = pattern.sub(lambda _: after, header)  # noqa: B023
    (folder / "libraft.h").write_text(header, encoding="utf-8")
    return abi.compare(COMMITTED, abi.describe(folder))


def test_comments_are_not_part_of_it(tmp_path: Path) -> None:
    assert change(tmp_path) == ([], [])


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("raft_config_set_seed(struct raft_config *config, uint64_t seed,",
         "raft_config_set_seed(struct raft_config *config, uint32_t seed,", "function raft_config_set_seed was"),
        ("raft_config_set_seed(struct raft_config *config, uint64_t seed,",
         "raft_config_set_seed(struct raft_config *config,", "function raft_config_set_seed was"),
        ("raft_storage_first_index(const struct raft_storage *storage, uint64_t *out,",
         "raft_storage_first_index(uint64_t *out, const struct raft_storage *storage,",
         "function raft_storage_first_index was"),
        ("uint64_t raft_node_id(", "uint32_t raft_node_id(", "function raft_node_id was"),
        ("uint64_t raft_node_id(const struct raft_node *node);", "", "function raft_node_id is gone"),
        ("typedef int32_t raft_role;", "typedef int64_t raft_role;", "type raft_role was"),
        ("#define RAFT_ERR_MISUSE 4", "#define RAFT_ERR_MISUSE 9", "constant RAFT_ERR_MISUSE was `4`"),
        ("#define RAFT_ERR_MISUSE 4", "", "constant RAFT_ERR_MISUSE is gone"),
        ("#define RAFT_NO_LIMIT UINT64_MAX", "#define RAFT_NO_LIMIT -1", "constant RAFT_NO_LIMIT was"),
        ("uint64_t term; uint64_t index; raft_entry_type type;",
         "uint64_t index; uint64_t term; raft_entry_type type;", "field raft_entry.term was"),
        ("uint64_t term; uint64_t index; raft_entry_type type;",
         "uint64_t term; int64_t index; raft_entry_type type;", "field raft_entry.index was"),
        ("uint64_t term; uint64_t index; raft_entry_type type;",
         "uint64_t term; uint64_t place; raft_entry_type type;", "field raft_entry.index is gone"),
        # In an array, all but the first would be elsewhere.
        ("struct raft_bytes data; struct raft_bytes encoded; } raft_entry;",
         "struct raft_bytes data; struct raft_bytes encoded; uint64_t more; } raft_entry;",
         "field raft_entry.more has come"),
        # What a program has set before it knew of the field is not what the field means.
        ("raft_entry_type type; struct raft_bytes data;", "raft_entry_type type; int32_t more; struct raft_bytes data;",
         "field raft_entry.more has come"),
        ("size_t size; uint64_t ticks;", "size_t size; uint64_t more; uint64_t ticks;", "field raft_metrics.ticks was"),
        # In what was padding: the size would not tell who knows of it.
        ("raft_role role; } raft_node_status;", "raft_role role; int32_t more; } raft_node_status;",
         "field raft_node_status.more has come"),
        ("typedef struct raft_error raft_error;", "typedef struct raft_error { int code; } raft_error;",
         "type raft_error is gone"),
    ],
)  # fmt: skip
def test_breaks_are_noticed(tmp_path: Path, before: str, after: str, said: str) -> None:
    breaks, _ = change(tmp_path, (before, after))
    assert any(said in line for line in breaks), breaks


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("uint64_t raft_node_id(", "uint64_t raft_more(int x);\nuint64_t raft_node_id(", "function raft_more"),
        ("#define RAFT_OK 0", "#define RAFT_OK 0\n#define RAFT_MORE 7\n", "constant RAFT_MORE: 7"),
        ("typedef int32_t raft_role;",
         "typedef int32_t raft_role; typedef struct raft_more { int x; } raft_more;", "field raft_more.x"),
        ("uint64_t events_lost; } raft_metrics;", "uint64_t events_lost; uint64_t more; } raft_metrics;",
         "field raft_metrics.more"),
    ],
)  # fmt: skip
def test_additions_break_nothing_and_have_to_be_written_down(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    breaks, additions = change(tmp_path, (before, after))
    assert not breaks
    assert any(said in line for line in additions), additions


def test_a_break_is_written_down_only_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    description = tmp_path / "abi.txt"
    shutil.copy(abi.DESCRIPTION, description)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(
            "sys.argv", ["abi.py", *arguments, "--include", str(tmp_path), "--description", str(description)]
        )
        return abi.main()

    change(tmp_path, ("#define RAFT_OK 0", "#define RAFT_OK 0\n#define RAFT_MORE 7\n"))
    assert run("check") == 1
    assert run("bless") == 0
    assert run("check") == 0
    assert "constant RAFT_MORE: 7" in description.read_text(encoding="utf-8")
    change(tmp_path)
    assert run("check") == 2
    assert run("bless") == 2
    assert run("check") == 2, "nothing was written"
    assert run("bless", "--break") == 0
    assert description.read_text(encoding="utf-8") == abi.DESCRIPTION.read_text(encoding="utf-8")
