"""The command line as a program of its own, with no configuration or a wrong one."""

from pathlib import Path

from tests.support.cli import program


def test_without_any_configuration_everything_lives_in_one_folder(tmp_path: Path) -> None:
    ran = program("demo", cwd=tmp_path)

    assert (ran.status, ran.err) == (0, "")
    assert (tmp_path / ".tocsin" / "tocsin.db").is_file()


def test_a_state_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ran = program("rules", "list", cwd=tmp_path, TOCSIN_STATE_DIR=str(tmp_path / "file"))

    assert (ran.status, ran.out) == (2, "")
    assert "can't be used: File exists. It is set by TOCSIN_DATABASE_URL and TOCSIN_STATE_DIR" in ran.err


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    ran = program("rules", "list", cwd=tmp_path, TOCSIN_DATABASE_URL="postgres://u:hunter2@h/x")

    assert ran.status == 2
    assert "TOCSIN_DATABASE_URL" in ran.err
    assert "hunter2" not in ran.err


def test_mysql_that_was_never_migrated_says_what_to_do(tmp_path: Path, new_mariadb_url: str) -> None:
    before = program("rules", "list", cwd=tmp_path, TOCSIN_DATABASE_URL=new_mariadb_url)
    assert (before.status, "run `tocsin migrate` first" in before.err) == (2, True)

    assert program("migrate", cwd=tmp_path, TOCSIN_DATABASE_URL=new_mariadb_url).status == 0
    assert (
        "There are no rules"
        in program("rules", "list", cwd=tmp_path, TOCSIN_DATABASE_URL=new_mariadb_url).out
    )


def test_serve_hands_its_options_to_the_local_stack(tmp_path: Path) -> None:
    ran = program("serve", "--help", cwd=tmp_path)

    assert ran.status == 0
    assert "--overlay" in ran.out
