"""``cxr-node train``: whatever a recipe describes, a network or a baseline."""

from pathlib import Path

from inference.errors import TrainingError
from inference.training.architectures.classifier.recipe import ClassifierNetwork
from inference.training.columns.learn import learn_columns
from inference.training.data.dataset import ReadFrame
from inference.training.engine import make_folder, train
from inference.training.heat_maps import draw_heat_maps
from inference.training.recipe.recipe import Recipe


def run_recipe(
    recipe: Recipe,
    *,
    read_frame: ReadFrame,
    output: Path,
    resume: bool = False,
    overwrite: bool = False,
) -> Path:
    """Train, and leave what belongs to the kind of network in the run's folder.

    Returns
    -------
        The best checkpoint, or the report of the baseline without pixels.

    Raises
    ------
    TrainingError
        In one line, naming the place.
    """
    if recipe.network.kind == "columns":
        if resume:
            raise TrainingError("a recipe without pixels has nothing to resume")
        make_folder(output, resume=False, overwrite=overwrite)
        return learn_columns(recipe, output)
    best = train(
        recipe,
        read_frame=read_frame,
        output=output,
        resume=resume,
        overwrite=overwrite,
    )
    if isinstance(recipe.network, ClassifierNetwork):
        draw_heat_maps(best, read_frame, output)
    return best
