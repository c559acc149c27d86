"""Distil a teacher into a smaller student without leaving any class behind.

Importing this package imports no torch; touching one of its names may.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from evendistill import models
    from evendistill.api import distill, train
    from evendistill.data.datasets import Data, load_data
    from evendistill.distillation.diagnose import Diagnosis, diagnose
    from evendistill.distillation.effects import effects
    from evendistill.distillation.postshift import PostShift
    from evendistill.distillation.teacher import TeacherScores
    from evendistill.experiments.export.given import export
    from evendistill.maths.metrics import Metrics
    from evendistill.objectives.adaptive import AdaAlpha, AdaMargin
    from evendistill.objectives.balancedkd import BalancedKD
    from evendistill.objectives.frontier import FrontierObjective
    from evendistill.objectives.groupdro import GroupDRO
    from evendistill.objectives.tradeoff import Balanced, Reweighted, Robust, Standard, TradeOff
    from evendistill.training.evaluation import evaluate
    from evendistill.training.recipe import Recipe
    from evendistill.training.result import Result

_HOMES = {
    "AdaAlpha": "objectives.adaptive",
    "AdaMargin": "objectives.adaptive",
    "Balanced": "objectives.tradeoff",
    "BalancedKD": "objectives.balancedkd",
    "Data": "data.datasets",
    "Diagnosis": "distillation.diagnose",
    "FrontierObjective": "objectives.frontier",
    "GroupDRO": "objectives.groupdro",
    "Metrics": "maths.metrics",
    "PostShift": "distillation.postshift",
    "Recipe": "training.recipe",
    "Result": "training.result",
    "Reweighted": "objectives.tradeoff",
    "Robust": "objectives.tradeoff",
    "Standard": "objectives.tradeoff",
    "TeacherScores": "distillation.teacher",
    "TradeOff": "objectives.tradeoff",
    "diagnose": "distillation.diagnose",
    "distill": "api",
    "effects": "distillation.effects",
    "evaluate": "training.evaluation",
    "export": "experiments.export.given",
    "load_data": "data.datasets",
    "train": "api",
}

__all__ = [
    "AdaAlpha",
    "AdaMargin",
    "Balanced",
    "BalancedKD",
    "Data",
    "Diagnosis",
    "FrontierObjective",
    "GroupDRO",
    "Metrics",
    "PostShift",
    "Recipe",
    "Result",
    "Reweighted",
    "Robust",
    "Standard",
    "TeacherScores",
    "TradeOff",
    "diagnose",
    "distill",
    "effects",
    "evaluate",
    "export",
    "load_data",
    "models",
    "train",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"evendistill.{_HOMES[name]}"), name)
    if name in ("data", "distillation", "experiments", "maths", "models", "objectives", "training"):
        return import_module(f"evendistill.{name}")
    raise AttributeError(f"module 'evendistill' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
