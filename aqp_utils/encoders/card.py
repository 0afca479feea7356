"""The card of the encoder that ships: what belongs to it, and that none of it was changed."""

import json

from aqp_utils.core.sealed import SEAL, changed_file, hashes, is_whole, write_sealed
from aqp_utils.encoders.catalog import EncoderError

CARD = "card.json"
DOCUMENTS = ("config.json", "history.csv", "proof.json")  # beside card and weights


def write_card(folder, card):
    """Write card.json, with hashes of itself and of the documents in `folder`, and return it."""
    write_sealed(folder / CARD, card | {"documents": hashes(folder, DOCUMENTS)})
    return json.loads((folder / CARD).read_bytes())


def checked_card(weights, sha256):
    """The card of the shipped `catalog.Weights`.

    Raises
    ------
    EncoderError
        If the weights, whose digest is `sha256`, are not those of the card beside them, or the card
        or a document that it names was changed.
    """
    card = read_sealed(weights.folder / CARD)
    if card["weights_sha256"] != sha256:
        raise EncoderError(
            f"ENCODER embedded: {weights.files[0]} was changed (sha256 {sha256[:12]}, its card "
            f"says {card['weights_sha256'][:12]}); install it again."
        )
    if problem := changed_file(weights.folder, card["documents"]):
        raise EncoderError(
            f"ENCODER embedded: {problem}, and {CARD} beside it holds its sha256; install it again."
        )
    return card


def read_sealed(path):
    """What a sealed card says.

    Raises
    ------
    EncoderError
        If it is missing or not as it was written.
    """
    try:
        data = path.read_bytes()
        card = json.loads(data)
        whole = is_whole(data, card[SEAL])
    except (FileNotFoundError, ValueError, LookupError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise EncoderError(
            f"ENCODER embedded: {path} is missing, changed or damaged; install it again."
        )
    return card
