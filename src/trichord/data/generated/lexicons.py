"""The two languages of the generated corpora: instructions for cooking, and descriptions of scenes."""

from __future__ import annotations

from trichord.data.generated.phrasing import PhrasingConfig

COOKING = PhrasingConfig(
    slots={
        "action": ("fry", "boil", "roast", "simmer", "grill", "steam"),
        "vegetable": ("onions", "carrots", "potatoes", "tomatoes", "peppers", "mushrooms"),
        "aromatic": ("garlic", "ginger", "basil", "parsley", "thyme", "cilantro"),
        "seasoning": ("salt", "sugar", "cumin", "paprika", "vinegar", "mustard"),
        "vessel": ("pan", "pot", "bowl", "wok", "skillet", "tray"),
        "finish": ("stir", "cover", "flip", "drain", "mash", "whisk"),
        "cut": ("chopped", "sliced", "diced", "minced", "grated", "whole"),
        "result": ("golden", "tender", "crispy", "thick", "soft", "brown"),
        "state": ("fresh", "dried", "frozen", "cooked", "smoked", "pickled"),
        "size": ("large", "small", "deep", "shallow", "wide", "heavy"),
        "manner": ("gently", "quickly", "slowly", "carefully", "evenly", "briefly"),
        "moment": ("first", "now", "next", "finally", "meanwhile", "afterwards"),
    },
    sentences=(
        "{moment} {manner} {action} the {cut} {vegetable} and {state} {aromatic} in a {size} {vessel} "
        "with {seasoning} then {finish} until {result}",
        "{moment} {action} {cut} {vegetable} with {seasoning} in a {size} {vessel} then {manner} {finish} "
        "the {state} {aromatic} until {result}",
    ),
)

SCENES = PhrasingConfig(
    slots={
        "person": ("man", "woman", "boy", "girl", "singer", "chef"),
        "activity": ("singing", "dancing", "talking", "running", "cooking", "playing"),
        "place": ("kitchen", "stage", "street", "beach", "stadium", "office"),
        "animal": ("dog", "cat", "horse", "monkey", "bird", "rabbit"),
        "color": ("red", "blue", "green", "black", "white", "yellow"),
        "garment": ("jeans", "shorts", "boots", "gloves", "sunglasses", "pajamas"),
        "age": ("young", "old", "tall", "short", "bald", "bearded"),
        "look": ("crowded", "empty", "dark", "bright", "wooden", "modern"),
        "size": ("big", "tiny", "fat", "thin", "fluffy", "wild"),
        "manner": ("happily", "loudly", "quietly", "angrily", "proudly", "nervously"),
        "time": ("night", "dawn", "noon", "dusk", "christmas", "breakfast"),
        "shot": ("video", "clip", "movie", "cartoon", "advert", "documentary"),
    },
    sentences=(
        "{shot} shows a {age} {person} in {color} {garment} {manner} {activity} with a {size} {animal} "
        "near a {look} {place} at {time}",
        "a {age} {person} {manner} {activity} near a {look} {place} at {time} in {color} {garment} "
        "with a {size} {animal} {shot}",
    ),
)
