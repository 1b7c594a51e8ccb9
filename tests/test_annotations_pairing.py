"""Which label belongs to which image: the quick way for ordinary sets says the same as the long one."""

from hypothesis import given
from hypothesis import strategies as st

from rcg.annotations import pairing
from rcg.annotations.pairing import pair

FOLDERS = [
    "",
    "images/",
    "labels/",
    "images/train/",
    "labels/train/",
    "train/images/",
    "train/labels/",
    "é/",
    "e\u0301/",
]
STEMS = ["a", "a.b", "a-b", "b", "é", "e\u0301", "classes"]
images = st.sets(
    st.builds(
        lambda *parts: "".join(parts),
        st.sampled_from(FOLDERS),
        st.sampled_from(STEMS),
        st.sampled_from([".jpg", ".png"]),
    ),
    max_size=12,
)
labels = st.sets(
    st.builds(lambda *parts: "".join(parts), st.sampled_from(FOLDERS), st.sampled_from(STEMS), st.just(".txt")),
    max_size=12,
)


@given(images=images, labels=labels, twins=st.booleans(), inside=st.sampled_from(["", "images/"]))
def test_quick_and_long_say_the_same(images, labels, twins, inside):
    if twins:  # an ordinary set: each image has its label
        labels = {name.replace("images/", "labels/").rpartition(".")[0] + ".txt" for name in images}
    given_ = sorted(images), sorted(labels)
    quick = pair(*given_, inside=inside)
    whole, pairing._one_to_one = pairing._one_to_one, lambda *_: None
    try:
        long = pair(*given_, inside=inside)
    finally:
        pairing._one_to_one = whole
    assert quick == long


def test_an_ordinary_set_goes_the_quick_way(monkeypatch):
    monkeypatch.setattr(pairing, "_pair_by_path", None)
    names = [f"{split}/{number:03d}" for split in ("train", "val") for number in range(20)]
    found = pair([f"images/{name}.jpg" for name in names], ["classes.txt", *(f"labels/{name}.txt" for name in names)])
    assert found.label_of == {f"images/{name}.jpg": f"labels/{name}.txt" for name in names}
    assert found.orphans == ("classes.txt",)
