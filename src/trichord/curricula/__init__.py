"""What is learnt when: the notation for orders, and parts that must not move."""

from trichord.curricula.freezing import frozen_hashes, set_trainable, training_mode, verify_frozen
from trichord.curricula.notation import OrderStage, parse_order, spell_order

__all__ = [
    "OrderStage",
    "frozen_hashes",
    "parse_order",
    "set_trainable",
    "spell_order",
    "training_mode",
    "verify_frozen",
]
