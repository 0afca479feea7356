"""What it costs the field predictor, while it learns, to be wrong of clips, pairs and damages."""

import torch
from torch.nn import functional as F

from aqp_utils.core.scale import SCALE
from aqp_utils.data.intelligibility import stoi

AT_TOP = 1e-3  # under the end of the scale: P.862.2 rounds off a clip against itself at 4.6439


def loss_of(logits, predicted, classes, scores, weights, class_weight):
    """Absolute error of the score plus `class_weight` times the cross-entropy of the class.

    The absolute error asks for the median: where a clip may be clean or subtly damaged, the answer
    is the likelier of the two, and not the point half-way that a squared error would prefer.
    """
    error = (predicted - scores).abs()
    surprise = F.cross_entropy(logits, classes, reduction="none")
    return torch.mean(weights * (error + class_weight * surprise))


def beyond_the_top(predicted, scores, margin):
    """Ask more of clips at the top of the scale than it holds: scores (b,) and what is wanted (b,).

    The scale ends where the quality does not: what P.862.2 calls untouched is at least that good
    (censored regression: Tobin 1958, Econometrica 26). Such a clip has to exceed the top by a
    `margin`, and costs nothing above it. `predict` cuts all scores at the top, so that a clean
    recording by an unheard voice, which tends to seem a little worse, comes nearer to it.
    """
    at_top = scores > SCALE[1] - AT_TOP
    wanted = scores + margin * at_top
    return torch.where(at_top, torch.minimum(predicted, wanted), predicted), wanted


def pair_loss(predicted, scores, sizes):
    """Absolute error of the differences between all versions of one source, averaged over pairs.

    What the versions share, voice, room and floor, drops out of a difference: it asks for the
    damage alone.
    """
    errors = []
    for group in (predicted - scores).split(sizes):
        errors.append((group.unsqueeze(0) - group.unsqueeze(1)).abs().flatten())
    return torch.cat(errors).mean()


def hearing_loss(heard, met, sizes):
    """What it costs to overhear a damage, and to hear it where there is none.

    Clips that met it and those that did not count half each, however many they are: a mild damage
    that few clips met is else best taken for none. Each that met it also has to stand out from the
    undamaged clip of its source.

    Parameters
    ----------
    heard : Tensor, shape (b,)
        Logits.
    met : Tensor, shape (b,)
        How surely a clip met the damage, 0 to 1.
    sizes : list of int
        Of the groups, each with its undamaged clip first.
    """
    clean = torch.cat([group[:1].expand(len(group)) for group in heard.split(sizes)])
    missed = met * (F.softplus(-heard) + F.softplus(clean - heard))
    imagined = (1 - met) * F.softplus(heard)
    return (missed.sum() / met.sum().clamp(min=1) + imagined.sum() / (1 - met).sum()) / 2


def intelligibility_loss(said, audio, sizes):
    """Absolute error of STOI against the undamaged clip, averaged over clips where it is defined.

    Parameters
    ----------
    said : Tensor, shape (b,)
        What the network takes for STOI.
    audio : Tensor, shape (b, n)
        What it heard.
    sizes : list of int
        Of the groups, each with its undamaged clip first.
    """
    wanted = torch.cat([stoi(versions[0], versions) for versions in audio.split(sizes)])
    defined = wanted.isfinite()
    errors = (said - wanted.nan_to_num()).abs()  # a NaN here would reach the weights
    return (errors * defined).sum() / defined.sum().clamp(min=1)
