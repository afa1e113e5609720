"""Chance made of what is alike everywhere."""

from callscope.simulation.chance import SIZE, Dice, bursts, speech, texture


def test_draws_depend_on_the_key_alone() -> None:
    assert Dice("a").uuid() == Dice("a").uuid() != Dice("b").uuid()
    assert Dice("a").hexadecimal(2) == Dice("a").hexadecimal(2)
    assert len(Dice("a").uuid()) == 36


def test_draws_stay_in_their_bounds() -> None:
    dice = Dice("bounds")
    assert {dice.whole(1, 3) for _ in range(200)} == {1, 2, 3}
    assert all(5 <= dice.between(5, 6) < 6 for _ in range(200))
    assert 40 < sum(dice.chance(0.3) for _ in range(200)) < 80
    assert {dice.pick("ab") for _ in range(50)} == {"a", "b"}


def test_noise_of_a_stretch_is_the_same_however_it_is_cut() -> None:
    for noise in (texture, bursts, speech):
        whole = noise("key", 1, 300)
        assert noise("key", 1, 100) + noise("key", 101, 200) == whole
        assert noise("key", 1 + SIZE, 300) == whole
        assert len(noise("other", SIZE - 1, 400)) == 400


def test_noise_has_the_shape_it_promises() -> None:
    smooth = texture("key", 0, 500)
    assert max(map(abs, smooth)) < 1.5
    assert abs(sum(smooth) / 500) < 0.3
    losses = bursts("key", 0, 500)
    assert losses.count(0.0) > 400
    assert 0 <= min(losses) <= max(losses) <= 1
    loudness = speech("key", 0, 500)
    assert 0.001 < min(loudness) < 0.02 < 0.1 < max(loudness) < 1
