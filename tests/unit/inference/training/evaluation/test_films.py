"""Which films are measured, and what readers scored of them."""

from pathlib import Path

from inference.training.evaluation.films import read_data

HEAD = "file_name,fold,geographic_extent_0_8\n"


def extents(folders: list[Path]) -> dict[str, float | None]:
    films, _ = read_data(folders)
    return {
        film.key: (film.facts.get("severity") or {}).get("geographic_extent_0_8")
        for film in films
    }


def test_a_film_without_a_score_gets_the_one_of_the_table(films, edit):
    edit(lambda table: table["images"][3].pop("severity"))
    (films / "severity_extra.csv").write_text(
        HEAD + "film03.png,0,5.5\nfilm04.png,0,7\nfilm05.png,0,\n"
    )
    found = extents([films])
    assert found["film03.png"] == 5.5
    assert found["film04.png"] == 0.0  # its own stands
    assert found["film05.png"] == 2.0


def test_a_table_of_one_folder_is_about_the_films_of_all(films, edit, tmp_path):
    edit(lambda table: table["images"][3].pop("severity"))
    further = tmp_path / "further"
    films.rename(tmp_path / "first")
    first = tmp_path / "first"
    further.mkdir()
    (further / "images").symlink_to(first / "images")
    (further / "annotations.json").write_text((first / "annotations.json").read_text())
    (further / "severity_extra.csv").write_text(HEAD + "film03.png,0,5.5\n")
    found = extents([first, further])
    assert len(found) == 24  # the same names twice are two films
    assert found["film03.png"] == found["further/film03.png"] == 5.5
