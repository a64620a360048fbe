"""Two signals under which different orders of learning win text to video plus audio (T>VA).

The first stage of an order fixes what the space holds: what its two modalities share. The modality that comes in later
is fitted to the frozen two, and can only show what of theirs it shares. Where text and audio share most, and audio
tells it with less noise (YOUCOOK2), AT_V brings 7 of the 8 attributes text has in common with anything into the
gallery, through audio; VT_A brings 3, and AV_T the 2 that all have. MSRVTT is the same with video and audio exchanged.
The width of the space plays no part, and T>V alone is won by VT_A on both: nothing teaches video better than text.
"""

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
