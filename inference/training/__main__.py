"""``python -m inference.training``: training on JPEG and PNG without the node.

DICOM images need the node's reader: ``cxr-node train``.
"""

import argparse
import logging
import sys
from pathlib import Path

from inference.errors import TrainingError
from inference.training.data.dataset import read_picture
from inference.training.engine import train
from inference.training.recipe.recipe import read_recipe


def main(arguments: list[str] | None = None) -> int:
    """Train by recipe; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m inference.training")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--variant")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    told = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        recipe = read_recipe(told.recipe, told.variant)
        best = train(
            recipe,
            read_frame=read_picture,
            output=told.output,
            resume=told.resume,
            overwrite=told.overwrite,
        )
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{best}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
