from __future__ import annotations

import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trichord.config import from_dict
from trichord.data.tokens import SUDACHI_MAX_BYTES, EnglishConfig, JapaneseConfig, Token, unify_width
from trichord.errors import ConfigError, DataError, TrichordError

# Natural sentences of cooking and other videos, divided by hand into the longest units.
SENTENCES = {
    "玉ねぎを薄く切る": "玉ねぎ を 薄く 切る",
    "フライパンに油をひいて、中火で炒めます。": "フライパン に 油 を ひい て 中火 で 炒め ます",
    "男の人がキッチンで料理をしている動画です。": "男 の 人 が キッチン で 料理 を し て いる 動画 です",
    "電子レンジで2分加熱する": "電子レンジ で 2 分 加熱 する",
    "鶏肉に塩こしょうをふり、10分置きます。": "鶏肉 に 塩こしょう を ふり 10 分 置き ます",
    "最後にオリーブオイルを大さじ1杯かけて完成": "最後 に オリーブオイル を 大さじ 1 杯 かけ て 完成",
    "子どもが公園でギターを弾きながら歌っている": "子ども が 公園 で ギター を 弾き ながら 歌っ て いる",
    "じゃがいもの皮をむいて切ってください！": "じゃがいも の 皮 を むい て 切っ て ください",
    "「お好み焼き」をひっくり返す": "お好み焼き を ひっくり返す",
    "犬がボールを追いかけて走る": "犬 が ボール を 追いかけ て 走る",
    "卵を割り入れる": "卵 を 割り入れる",
    # Japanese with English
    "YouTubeに動画をアップロードする": "YouTube に 動画 を アップロード する",
    "wok で chicken を炒める": "wok で chicken を 炒める",
    # half-width katakana, with voicing marks of their own, and full-width letters and digits
    "ﾌﾗｲﾊﾟﾝで目玉焼きを焼く": "フライパン で 目玉焼き を 焼く",
    "ｶﾞｽｺﾝﾛ": "ガスコンロ",
    "ＡＢＣ１２３": "ABC 123",
    # emoji, one of several characters; a face made of signs; a voicing mark that stands alone
    "おいしい😋カレーができました！": "おいしい カレー が でき まし た",
    "👨‍👩‍👧 家族": "家族",
    "猫(^o^)♪": "猫",
    "か ゛": "か",
    # nothing
    "": "",
    " \n\u3000": "",
    "。、！？…": "",
    "😋": "",
}


@pytest.fixture(scope="module")
def japanese():
    pytest.importorskip("sudachipy", reason="SudachiPy is not installed: pip install 'trichord[japanese]'")
    return JapaneseConfig().build()


def words(tokens: list[Token]) -> list[str]:
    return [token.written for token in tokens]


def runs(caption: str) -> list[str]:
    """An independent splitter: character by character."""
    found, current = [], ""
    for char in [*caption, " "]:
        if char.isalnum() or char in "_'":
            current += char
        elif current:
            found.append(current)
            current = ""
    return found


@given(st.text(alphabet=st.one_of(st.sampled_from(" '_-.,\n\u0301éÉßİ玉9²"), st.characters())))
def test_english_agrees_with_a_splitter_that_goes_by_characters(caption):
    assert words(EnglishConfig().build().split(caption)) == runs(caption)


def test_english_is_looked_up_as_written():
    tokens = EnglishConfig().build().split("Don't chop the Apple_pie, e.g. 2.5 cups -- it's OK!")
    assert words(tokens) == ["Don't", "chop", "the", "Apple_pie", "e", "g", "2", "5", "cups", "it's", "OK"]
    assert all(token.spellings == (token.written,) for token in tokens)


def test_lower_case_comes_second_and_only_where_asked_for():
    tokens = EnglishConfig(lower_case_fallback=True).build().split("The onion İ OK")
    assert [token.spellings for token in tokens] == [("The", "the"), ("onion",), ("İ", "i̇"), ("OK", "ok")]


@pytest.mark.parametrize("caption", ["", " ", "-- ... !", "😋", "\ud800"])
def test_english_without_words(caption):
    assert EnglishConfig().build().split(caption) == []


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES.items())
def test_japanese_sentences(japanese, sentence, expected):
    tokens = japanese.split(sentence)
    assert words(tokens) == expected.split()
    assert all(token.spellings == (token.written,) for token in tokens)
    # Nothing is invented or moved: the tokens stand in the normalised sentence, in this order.
    place = 0
    for token in tokens:
        place = unify_width(sentence).index(token.written, place) + len(token.written)


def test_the_unit_is_an_option():
    pytest.importorskip("sudachipy")
    units = {mode: words(JapaneseConfig(mode=mode).build().split("国家公務員")) for mode in ("A", "B", "C")}
    assert units == {"A": ["国家", "公務", "員"], "B": ["国家", "公務員"], "C": ["国家公務員"]}


def test_other_forms_are_looked_up_in_the_order_asked_for():
    pytest.importorskip("sudachipy")
    sentence = "玉ねぎをきざんで炒めた"
    forms = JapaneseConfig(forms=("written", "dictionary", "normalized")).build().split(sentence)
    assert [token.spellings for token in forms] == [
        ("玉ねぎ", "玉葱"),
        ("を",),
        ("きざん", "きざむ", "刻む"),
        ("で",),
        ("炒め", "炒める"),
        ("た",),
    ]
    normalized = JapaneseConfig(forms=("normalized",)).build().split(sentence)
    assert [token.spellings for token in normalized] == [("玉葱",), ("を",), ("刻む",), ("で",), ("炒める",), ("た",)]
    assert words(normalized) == words(forms)


def test_width_is_unified():
    assert unify_width("ﾊﾟｽﾀ ＡＢ１２ か\u3099 ㍍") == "パスタ AB12 が メートル"


def test_captions_that_sudachi_cannot_take(japanese):
    with pytest.raises(DataError, match=r"half of a character.*'a"):
        japanese.split("a\ud83d")
    assert len(japanese.split("あ " * (SUDACHI_MAX_BYTES // 4))) > 1000
    with pytest.raises(DataError, match=r"49,149 bytes.*49,152.*ああ.*sentences"):
        japanese.split("あ" * 16384)


def test_japanese_says_what_decides_its_tokens(japanese):
    assert set(japanese.versions) == {"sudachipy", "sudachidict-core"}
    assert EnglishConfig().build().versions == {}


def test_an_absent_package_is_named_with_its_remedy(monkeypatch):
    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr("trichord.optional.import_module", refuse)
    with pytest.raises(TrichordError, match=r"Japanese captions.*sudachipy.*trichord\[japanese\]"):
        JapaneseConfig().build()
    assert importlib.import_module("trichord.data.tokens").EnglishConfig().build().split("ok")


@pytest.mark.parametrize(
    "settings", [{"mode": "D"}, {"forms": ()}, {"forms": ("written", "written")}, {"forms": ("lemma",)}]
)
def test_unknown_settings_are_refused(settings):
    with pytest.raises(ConfigError, match="JapaneseConfig"):
        JapaneseConfig(**settings)


@pytest.mark.parametrize(
    "config", [EnglishConfig(lower_case_fallback=True), JapaneseConfig(mode="A", forms=("normalized",))]
)
def test_settings_survive_being_saved(config):
    assert from_dict(config.to_dict()) == config
