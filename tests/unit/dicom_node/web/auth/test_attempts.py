"""How often somebody may try to sign in."""

from dicom_node.web.auth.attempts import AttemptLimits, LoginAttempts


class Ticks:
    """Seconds that a test moves on."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def counting(per_name=3, per_address=5):
    ticks = Ticks()
    return LoginAttempts(AttemptLimits(per_name, per_address, 60.0), ticks), ticks


def test_a_name_waits_after_its_tries_and_then_tries_again():
    attempts, ticks = counting()
    assert [attempts.take("ann", str(place)) for place in range(3)] == [0, 0, 0]
    ticks.now = 20.0
    assert attempts.take("ann", "9") == 40.0
    assert attempts.take("bob", "9") == 0
    ticks.now = 60.0
    assert attempts.take("ann", "9") == 0


def test_an_address_waits_whatever_the_name():
    attempts, _ = counting()
    assert [attempts.take(str(name), "here") for name in range(5)] == [0] * 5
    assert attempts.take("another", "here") == 60.0
    assert attempts.take("another", "there") == 0


def test_the_right_password_forgets_the_tries_of_its_name():
    attempts, _ = counting(per_address=100)
    for _ in range(10):
        assert attempts.take("ann", "here") == 0
        attempts.succeeded("ann", "here")


def test_the_right_password_opens_no_way_to_guess_others():
    attempts, _ = counting()
    for name in range(4):
        attempts.take(str(name), "here")
    attempts.take("mine", "here")
    attempts.succeeded("mine", "here")
    assert attempts.take("4", "here") == 0
    assert attempts.take("5", "here") == 60.0


def test_what_is_remembered_is_bounded():
    attempts, _ = counting()
    for number in range(20_000):
        attempts.take(str(number), str(number))
    assert len(attempts._counts) <= 10_000
