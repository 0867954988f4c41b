from pathlib import Path

import pytest

from otelbridge.config import files
from otelbridge.config.document import MAX_BYTES, Unreadable


def refused(name: str) -> str:
    with pytest.raises(Unreadable) as caught:
        files.read_text(name)
    return f"{caught.value.place.source.name}: {caught.value.message}"


def test_a_file_is_read_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffa: ü\r\nb: 2\n".encode())

    text, source = files.read_text(str(path))

    assert text == "a: ü\r\nb: 2\n"
    assert source.lines == ("a: ü", "b: 2", "")
    assert source.name == str(path)


def test_a_ready_made_configuration_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "READY_MADE", tmp_path)
    (tmp_path / "little.yaml").write_text("a: 1")

    assert files.ready_made() == ["little"]
    assert files.read_text("little")[0] == "a: 1"


def test_a_file_of_the_same_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "READY_MADE", tmp_path / "ready")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "little").write_text("b: 2")

    assert files.read_text("little")[0] == "b: 2"


def test_a_wrong_name_is_told_with_the_right_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "READY_MADE", tmp_path)
    (tmp_path / "little.yaml").touch()

    assert refused("litle") == (
        "--config litle: no such file, and no ready-made configuration of this name (there are little); "
        "did you mean `little`?"
    )


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xff\n")
    (tmp_path / "big.yaml").write_bytes(b"#" * (MAX_BYTES + 1))

    assert refused(f"{tmp_path}/none.yaml").endswith("none.yaml: cannot be read: No such file or directory")
    assert refused(str(tmp_path)).endswith(": cannot be read: Is a directory")
    assert refused(f"{tmp_path}/latin.yaml").endswith("latin.yaml: not UTF-8, in line 2")
    assert refused(f"{tmp_path}/big.yaml").endswith("big.yaml: larger than 10 MiB")
    assert refused("a\x00b") == "--config: no file has U+0000 in its name"
