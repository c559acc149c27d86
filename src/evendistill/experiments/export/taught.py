"""What a run is and what taught it, in words."""

from evendistill.experiments.mends import AtSpec, LogitAdjustmentSpec, MeanSpec
from evendistill.experiments.spec import ConvnetSpec, MlpSpec, NetworkSpec, OwnSpec, ResNetSpec, RunSpec, TimmSpec


def network_words(network: NetworkSpec) -> str:
    """The architecture in a few words."""
    match network:
        case MlpSpec(hidden=hidden):
            return f"multilayer perceptron, hidden {' x '.join(map(str, hidden)) or 'none'}"
        case ConvnetSpec(width=width):
            return f"small convolutional network of width {width}"
        case ResNetSpec(depth=depth, stem=stem):
            return f"ResNet-{depth}" + (f", {stem} stem" if stem else "")
        case OwnSpec(path=path):
            return f"network of its author's own, {path}"
        case TimmSpec(name=name):
            return f"{name} of timm"


def kind_words(spec: RunSpec) -> str:
    """What the run is, in a few words."""
    teacher = spec.trained.teacher
    if spec.mend is not None and not isinstance(spec.mend, AtSpec):
        return f"{spec.mend.name} teacher"
    if teacher is None:
        return f"{spec.objective.name} network, trained on labels"
    return f"{spec.objective.name} student of a {teacher.taught_as} teacher"


def taught_lines(spec: RunSpec) -> list[tuple[str, str]]:
    """What taught it: names and values for a table, none of them escaped."""
    lines = [("network", network_words(spec.network))]
    if isinstance(spec.mend, AtSpec):
        between, alpha = spec.trained.objective.name, f"{spec.mend.alpha:g}"
        told = ("put on", f"the costs of alpha {alpha}; nothing more was trained")
        return [
            *taught_lines(spec.trained),
            told if spec.mend.by_costs else ("part of", f"{between}, one training: its alpha {alpha}"),
        ]
    if spec.mend is not None:
        names = " and ".join(each.objective.name for each in spec.inputs)
        return [
            *lines,
            ("made of", f"finished teachers: {names}"),
            ("put on", f"{spec.mend.name}; nothing was trained"),
        ]
    lines.append(("objective", spec.objective.name))
    lines.append(("training", f"{spec.training.epochs} epochs, batches of {spec.training.batch_size}"))
    lines.append(("iterate", spec.training.iterate))
    if spec.teacher is None or spec.listening is None:
        return [*lines, ("labels", "the true ones; there was no teacher")]
    told, teacher = spec.listening, spec.teacher
    lines.append(("teacher", f"{teacher.taught_as}, {network_words(teacher.network)}"))
    lines.append(("temperature", f"{told.temperature:g}, in training alone: scores are not divided by it"))
    if told.validation_labels is not None:
        heat = "" if told.validation_temperature is None else f", temperature {told.validation_temperature:g}"
        lines.append(("validation labels", f"{told.validation_labels}{heat}"))
    if told.onehot_weight:
        lines.append(("weight of the true label", f"{told.onehot_weight:g}"))
    if told.feature_weight:
        lines.append(("weight of the teacher's features", f"{told.feature_weight:g}"))
    return lines


def used_validation(spec: RunSpec) -> str:
    """What validation examples did beside being counted; empty if nothing but a choice among runs."""
    if isinstance(spec.mend, MeanSpec | LogitAdjustmentSpec):
        return ""
    if spec.mend is not None and not isinstance(spec.mend, AtSpec):
        return (
            "What was put on this network was fitted on the validation examples, so its numbers there are optimistic."
        )
    if spec.objective.is_adversarial:
        return "The validation examples also moved the multipliers of this run, so its numbers on them are optimistic."
    return ""
