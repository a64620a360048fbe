"""Two signals under which different orders of learning win text to video plus audio."""

from __future__ import annotations

from trichord.data.generated.lexicons import COOKING, SCENES
from trichord.data.generated.signal import SignalConfig

YOUCOOK2 = SignalConfig(
    attributes={"AT": 5, "VAT": 2, "VT": 1, "VA": 2},
    strength={"AT": 1.0, "VAT": 1.0, "VT": 1.0, "VA": 1.0},
    noise={"video": 0.5, "audio": 0.25, "text": 0.2},
    num_private={"video": 2, "audio": 2, "text": 4},
    phrasing=COOKING,
)

MSRVTT = SignalConfig(
    attributes={"VT": 5, "VAT": 2, "AT": 1, "VA": 2},
    strength={"VT": 1.0, "VAT": 1.0, "AT": 1.0, "VA": 1.0},
    noise={"video": 0.25, "audio": 0.5, "text": 0.2},
    num_private={"video": 2, "audio": 2, "text": 4},
    phrasing=SCENES,
)
