from dataclasses import dataclass

import pytest

from trichord.config import Config, difference, from_dict, has_path, replaced
from trichord.encoders import GatedHeadConfig, JointEncoderConfig, LinearHeadConfig
from trichord.errors import ConfigError

MODEL = JointEncoderConfig(
    encoders={"video": GatedHeadConfig(input_dim=4, output_dim=3), "text": LinearHeadConfig(input_dim=5, output_dim=3)}
)


def test_a_configuration_survives_plain_data() -> None:
    assert from_dict(MODEL.to_dict()) == MODEL


def test_difference_names_paths() -> None:
    other = replaced(MODEL, {"encoders.video.dropout": 0.5, "normalize": False})
    assert difference(MODEL, other) == {"encoders.video.dropout": (0.0, 0.5), "normalize": (True, False)}
    assert difference(MODEL, MODEL) == {}


def test_replacing_checks_paths_and_rules() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'encoders\.video\.dropout'"):
        replaced(MODEL, {"encoders.video.dropuot": 0.5})
    with pytest.raises(ConfigError, match="dropout"):
        replaced(MODEL, {"encoders.video.dropout": 1.5})
    assert has_path(MODEL, "encoders.text.output_dim")
    assert not has_path(MODEL, "encoders.audio.output_dim")


def test_only_configurations_of_this_package_are_rebuilt() -> None:
    for name in ("os.system", "trichord.config.from_dict", "trichord.errors.DataError", ""):
        with pytest.raises(ConfigError, match="does not name a configuration"):
            from_dict({"config": name})


def test_fields_of_another_version_are_refused() -> None:
    data = MODEL.to_dict()
    data["renamed"] = data.pop("normalize")
    with pytest.raises(ConfigError, match="another version"):
        from_dict(data)


def test_values_must_be_plain() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Odd(Config):
        value: object

    with pytest.raises(ConfigError, match="plain data"):
        Odd(value={1, 2}).to_dict()
