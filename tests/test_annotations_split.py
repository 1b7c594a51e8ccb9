"""Cards by file name, and splits by card."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rcg.annotations import SPLITS, assign_splits, card_of, split_of_path
from rcg.annotations.split import ways_to_fill
from rcg.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("IMG_2385.JPG", "IMG_2385"),
        ("IMG_2385 (2).JPG", "IMG_2385"),
        ("012_front.jpg", "012"),
        ("012-Back.jpg", "012"),
        ("front_012.jpg", "012"),
        ("charizard_obverse_4.png", "charizard_4"),
        ("charizard_reverse_4.png", "charizard_4"),
        ("012_f.jpg", "012"),
        ("012 b.jpg", "012"),
        ("12front.jpg", "12"),
        ("bob.jpg", "bob"),
        ("storefront.jpg", "storefront"),
        ("backyard_3.jpg", "backyard_3"),
        ("card7_light03.png", "card7"),
        ("card7-view-2.png", "card7"),
        ("card7 photo 1.jpg", "card7"),
        ("card7_frame_012.png", "card7"),
        ("lots/7/front.jpg", "lots/7"),
        ("lots/7/light_03.png", "lots/7"),
        ("front/012.jpg", "012"),
        ("back/012.jpg", "012"),
        ("one/012.jpg", "one/012"),
        ("images/photo 1.jpg", "photo 1"),
        ("train/light 2.jpg", "light 2"),
        ("train/images/012_front.jpg", "012"),
        ("valid/images/012_back.jpg", "012"),
        ("test2017/012.jpg", "012"),
        ("lots/7/images/front.jpg", "lots/7"),
        ("012_front~0a1b2c3d.jpg", "012"),
        ("012_back~ffffffff.JPG", "012"),
        ("lots/7/front~0a1b2c3d.jpg", "lots/7"),
        ("012~0a1b.jpg", "012~0a1b"),
        ("front.jpg", "front"),
        ("photo_0012.jpg", "photo_0012"),
        ("a.b.c_front.jpg", "a.b.c"),
        ("IMG_7_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "IMG_7"),
        ("no_ending", "no_ending"),
    ],
)
def test_the_card_of_a_name(name, card):
    assert card_of(name) == card


def test_a_pattern_of_the_user_goes_first():
    assert card_of("lot3/scan-0012-f.jpg", r"(\d{4})") == "0012"
    assert card_of("lot3/scan-0012-f.jpg", r"lot(?P<lot>\d)/.*?(?P<card>\d+)") == "0012"
    with pytest.raises(ConfigError, match="has no group"):
        card_of("lot3/scan-0012-f.jpg", r"lot\d")
    assert card_of("a_front.jpg", r"(\d{4})") == "a"
    with pytest.raises(ConfigError, match="no regular expression") as caught:
        card_of("a.jpg", "(")
    assert "card" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train/a.jpg", "train"),
        ("Training/images/a.jpg", "train"),
        ("images/val2017/a.jpg", "val"),
        ("valid/a.jpg", "val"),
        ("validation/x/a.jpg", "val"),
        ("test/a.jpg", "test"),
        ("test/train/a.jpg", "train"),
        ("trains/a.jpg", None),
        ("test.jpg", None),
        ("attest/a.jpg", None),
    ],
)
def test_the_split_of_a_path(name, split):
    assert split_of_path(name) == split


cards = st.sets(st.text("abc123", min_size=1, max_size=4), max_size=40)
splits = st.sampled_from(SPLITS)


@given(cards=cards, seed=st.integers(0, 99))
def test_every_card_has_one_split_and_none_that_must_not_be_is_empty(cards, seed):
    chosen = assign_splits(cards, seed=seed)
    assert set(chosen) == cards
    assert len(set(chosen.values())) == min(len(cards), 3)
    assert not cards or "train" in chosen.values()


@given(cards=cards, seed=st.integers(0, 99), shuffled=st.randoms())
def test_the_order_of_cards_does_not_matter(cards, seed, shuffled):
    mixed = list(cards)
    shuffled.shuffle(mixed)
    assert assign_splits(mixed, seed=seed) == assign_splits(sorted(cards), seed=seed)


@given(cards=cards, more=cards, seed=st.integers(0, 99))
def test_what_was_assigned_stays_as_data_grows(cards, more, seed):
    before = assign_splits(cards, seed=seed)
    after = assign_splits(cards | more, seed=seed, existing=before)
    assert {card: after[card] for card in cards} == before
    assert len(set(after.values())) == min(len(cards | more), 3)


@given(existing=st.dictionaries(st.text("abc123", min_size=1, max_size=3), splits, min_size=3), seed=st.integers(0, 9))
def test_a_whole_assignment_is_never_changed(existing, seed):
    assume(set(existing.values()) == set(SPLITS))
    assert assign_splits(existing, seed=seed, existing=existing) == existing


@given(given_=st.dictionaries(st.text("abc123", min_size=1, max_size=3), splits, min_size=3), seed=st.integers(0, 9))
def test_the_source_decides_where_it_speaks(given_, seed):
    assume(set(given_.values()) == set(SPLITS))
    assert assign_splits(given_, seed=seed, given=given_) == given_


def test_a_missing_val_is_taken_from_the_given_train():
    source = {f"card {number}": "test" if number % 5 == 0 else "train" for number in range(400)}
    chosen = assign_splits(source, given=source)
    assert {card for card in chosen if chosen[card] == "test"} == {card for card in source if source[card] == "test"}
    taken = sum(split == "val" for split in chosen.values())
    assert 20 <= taken <= 45, "a tenth of 320"
    small = {"a": "train", "b": "train", "c": "test"}
    assert sorted(assign_splits(small, given=small).values()) == ["test", "train", "val"]
    assert assign_splits(small, given=small)["c"] == "test"


@given(seed=st.integers(0, 99))
def test_a_missing_val_never_comes_from_the_given_test(seed):
    source = {"a": "train", "b": "train", "c": "test", "d": "test", "e": "test"}
    chosen = assign_splits(source, seed=seed, given=source)
    assert sorted(chosen.values()) == ["test", "test", "test", "train", "val"]
    assert {chosen["c"], chosen["d"], chosen["e"]} == {"test"}


def test_a_source_with_train_only_gives_val_and_test_too():
    source = dict.fromkeys(map(str, range(300)), "train")
    counted = [*assign_splits(source, given=source).values()]
    assert all(15 <= counted.count(split) <= 50 for split in ("val", "test"))


def test_new_cards_move_before_old_ones():
    old = {"a": "train", "b": "train"}
    chosen = assign_splits(["a", "b", "c", "d"], existing=old)
    assert (chosen["a"], chosen["b"]) == ("train", "train")
    assert {chosen["c"], chosen["d"]} == {"val", "test"}


def test_fractions_are_kept_and_checked():
    chosen = assign_splits(map(str, range(5000)), fractions={"train": 0.5, "val": 0.3, "test": 0.2})
    counted = [*chosen.values()]
    assert counted.count("train") / 5000 == pytest.approx(0.5, abs=0.03)
    assert counted.count("val") / 5000 == pytest.approx(0.3, abs=0.03)
    assert "test" not in assign_splits("abcdefgh", fractions={"train": 0.8, "val": 0.2, "test": 0}).values()
    for wrong in ({"train": 0.5, "val": 0.2, "test": 0.2}, {"train": 1}, {"train": 2, "val": -1, "test": 0}):
        with pytest.raises(ConfigError, match="do not divide"):
            assign_splits("abc", fractions=wrong)
    with pytest.raises(ConfigError, match="no split 'dev'"):
        assign_splits("abc", given={"a": "dev"})


def test_the_division_is_the_same_in_ten_years():
    assert assign_splits([f"card {number}" for number in range(12)], seed=3) == assign_splits(
        [f"card {number}" for number in range(12)], seed=3
    )
    held = [card for card, split in assign_splits([f"c{number}" for number in range(60)]).items() if split == "test"]
    assert held == ["c19", "c46", "c48", "c49", "c53"], "a change of the hash would move cards between splits"


@pytest.mark.parametrize("count", [3, 4, 7, 12])
def test_few_labelled_cards_are_shared_out_among_the_splits(count):
    for first in range(60):
        cards = [f"card {first} {n}" for n in range(count)]
        labelled = set(cards[:3])
        chosen = assign_splits(cards, labelled=labelled)
        assert {chosen[card] for card in labelled} == {"train", "val", "test"}
        assert assign_splits(reversed(cards), labelled=labelled) == chosen
        assert {assign_splits(cards, labelled=set(cards[:2]))[card] for card in cards[:2]} == {"train", "val"}
        assert assign_splits(cards, labelled=set(cards[:1]))[cards[0]] == "train"


def test_what_was_assigned_or_laid_out_stays_whatever_is_labelled():
    existing = {"a": "test", "b": "val", "c": "train"}
    assert assign_splits("abc", existing=existing, labelled={"a"}) == existing
    assert assign_splits("abc", given=existing, labelled={"a"}) == existing
    assert assign_splits("abcd", existing=existing, labelled={"a", "d"})["d"] == "train"


def test_the_way_out_of_an_empty_split_is_the_one_that_helps():
    train, val, test = (ways_to_fill(split, "cards") for split in ("train", "val", "test"))
    assert "lower val_share and test_share" in train
    assert "raise val_share" in val
    assert "raise test_share" in test
    assert all("before its first add" in each for each in (train, val, test))
