"""``cxr-node explore``: one page about annotated films."""

from collections.abc import Sequence
from pathlib import Path

from inference.errors import TrainingError
from inference.training.data.dataset import read_samples
from inference.training.evaluation.films import data_of, told
from inference.training.explore.films import draw_films
from inference.training.explore.gather import ReadFilm, glance_all
from inference.training.explore.page import write_page
from inference.training.explore.plots import draw_plots
from inference.training.explore.shortcuts import shortcuts
from inference.training.explore.twins import find_twins

PAGE = "explore.html"


def explore(data: Sequence[Path], output: Path, read_film: ReadFilm) -> Path:
    """Look at every frontal film of some folders, and write the page.

    Returns
    -------
        The page; its pictures lie beside it as PNG.

    Raises
    ------
    TrainingError
        The annotations are wrong, or no film can be read.
    """
    samples = [one for one in read_samples(data_of(data)) if one.frontal]
    seen, broken = glance_all(samples, read_film)
    if not seen:
        why = f" (the first: {broken[0].why})" if broken else ""
        raise TrainingError(f"{told(data)}: no film can be read{why}")
    output.mkdir(parents=True, exist_ok=True)
    pictures = draw_plots(output, seen) | draw_films(output, seen, read_film)
    page = output / PAGE
    facts = (shortcuts(seen), find_twins(seen))
    write_page(page, told(data), seen, broken, facts, pictures)
    return page
