import dataclasses

import pytest

from counterspin.errors import InputError
from counterspin.report import ReportSamples


def test_more_than_eight_examples_are_refused(gallery_of) -> None:
    assert len(gallery_of(examples=8).examples) == 8
    with pytest.raises(InputError, match="examples holds 9 samples; the gallery shows at most 8"):
        gallery_of(examples=9)


def test_image_shape_must_match_the_features(gallery_of) -> None:
    with pytest.raises(InputError, match=r"image_shape is \(8, 7\) for 64 feature names"):
        dataclasses.replace(gallery_of(), image_shape=(8, 7))


def test_inputs_must_match_the_feature_names(gallery_of) -> None:
    with pytest.raises(InputError, match=r"sample 0 has inputs of shape \(64,\) and \(64,\); both must be \(1,\)"):
        dataclasses.replace(gallery_of(), image_shape=None, feature_names=("one",))


def test_classes_must_have_names(gallery_of) -> None:
    with pytest.raises(InputError, match=r"class_names holds 1 names, so classes run from 0 to 0"):
        dataclasses.replace(gallery_of(), class_names=("only",))


def test_samples_are_frozen(gallery_of) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        gallery_of().examples = ()
    assert ReportSamples().examples == ()
